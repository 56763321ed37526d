"""The conductor: bound, construct and decide in turn, until the asked gap is proven, time is over or nothing moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from prioritize.engine import core
from prioritize.engine.bound import Dual, Flows, price_rows, sample_prices
from prioritize.engine.construct import Workshop, reduced_costs
from prioritize.engine.dual import Multipliers, dual_value
from prioritize.engine.view import View, decided, to_flows, to_vector, together, view
from prioritize.program import Program
from prioritize.progress import Reporter, relative_gap

#: annealing: sweeps of the first, by how much each later one is longer, sweeps that end what is done without `polish`
#: (more for less than 1e4 units, but at most so many), proposals beyond which none is begun where no time is set, and
#: share of the time left that the next may take where neighbourhoods follow
SWEEPS, LONGER, ENOUGH, MOST, PROPOSALS, SHARE = 500, 16, 8000, 50_000, 3e9, 0.5
#: how much hotter it is tried until that is no better, up to how many units (at 1e3 ten times as hot was best by 4 %,
#: at 1e4 as hot; the more units, the better the rounded relaxation), how often until a first selection meets all rows
HOTTER, SEVERAL, TRIES = 3.0, 20_000, 4
#: units up to which there is time for all levels and neighbourhoods, and prices need no finer end
LARGE = 300_000
#: exchanges after annealing: units in a program of so many (growing with its fourth root), rounds, units added at a
#: time, times at most (none after the first)
SWAPPED, SWAPS, AT_A_TIME, AGAIN = (300, 10_000), 100_000, 10, 2
#: where there are no edges: units, rounds, units added at a time by the two that run at once, later starts
ALONE, ROUNDS, ADDED, STARTS = 1000, 50_000, (8, 20), 10
#: shares above which a unit is taken when the relaxation is rounded
LEVELS = (0.5, 0.65, 0.35, 0.8, 0.2)
#: selections that are kept to be crossed with the best
POOL = 6
#: columns that branch and cut takes whole, and whole without edges to find a first selection
CORE, WHOLE = 4000, 30_000


@dataclass(frozen=True, eq=False)
class EngineResult:
    """What the engine found.

    Attributes
    ----------
    x : (V,) float64 or None
        Meets every hard row and lock.
    objective, bound : float
        Of the Program, which always minimises.
    bound_by : {'multipliers', 'branch and cut'}
    multipliers : Multipliers
        Prove `bound` if it is by multipliers, else a lower one.
    reason : str
        optimal (to the asked gap), limit, interrupted or nothing.
    """

    x: np.ndarray | None
    objective: float
    bound: float
    bound_by: str
    multipliers: Multipliers
    reason: str


def solve(
    program: Program,
    *,
    gap: float = 1e-3,
    seconds: float | None = None,
    seed: int = 1,
    reporter: Reporter | None = None,
    polish: bool = True,
) -> EngineResult:
    """Bound a Program from below, find a selection, and improve both.

    Parameters
    ----------
    program : Program
    gap : float
        Stop when the selection is proven within this share of the best possible.
    seconds : float or None
        Stop after this time; the best selection is kept.
    seed : int
        The same seed gives the same selection, whatever the number of threads (unless time cuts it short).
    reporter : Reporter, optional
    polish : bool
        Let the integer program decide the core and neighbourhoods.

    Returns
    -------
    EngineResult
    """
    # a threaded Cholesky rounds differently with the number of threads, and the same seed must give the same bytes
    with threadpool_limits(1, user_api="blas"):
        return Engine(program, gap, seconds, seed, reporter or Reporter(), polish).solve()


def prove(
    program: Program, objective: float, *, gap: float, seconds: float, seed: int, reporter: Reporter
) -> Multipliers:
    """Multipliers for a selection that another solver found: prices and flows alone, until they prove it or stall.

    Parameters
    ----------
    objective : float
        Of that selection; the Program minimises.

    Returns
    -------
    Multipliers
        What `dual_value` makes of them bounds the Program from below, often by less than a tree search has proven.
    """
    with threadpool_limits(1, user_api="blas"):
        return Engine(program, gap, seconds, seed, reporter, False).prove(objective)


class Engine:
    """State of one solve: the best selection, the best bound, and what proves it."""

    def __init__(
        self, program: Program, gap: float, seconds: float | None, seed: int, reporter: Reporter, polish: bool
    ):
        self.program, self.gap, self.seed, self.reporter, self.polish = program, gap, seed, reporter, polish
        self.ends = np.inf if seconds is None else time.perf_counter() + seconds
        self.zone: np.ndarray | None = None
        self.objective, self.bound, self.proof = np.inf, -np.inf, "multipliers"
        self.size, self.tried = 600.0, 0
        self.heat, self.settled = 0.0, False
        self.others: list[np.ndarray] = []

    # -- state -------------------------------------------------------------------------------------------------------

    def over(self) -> bool:
        """Time is over, or the user asked to stop."""
        return time.perf_counter() >= self.ends or self.reporter.stop.is_set()

    def done(self) -> bool:
        """The asked gap is proven, or time is over."""
        return self.over() or self.proven()

    def proven(self) -> bool:
        """The asked gap is proven."""
        return self.open_gap() <= max(self.gap, 1e-9)

    def open_gap(self) -> float:
        """Relative gap between the selection and the bound."""
        return 0.0 if self.bound >= self.objective else relative_gap(self.objective, self.bound)

    def report(self, what: str) -> None:
        """Log the state."""
        sign = self.program.sign
        self.reporter.progress(sign * self.objective, sign * self.bound)
        self.reporter.log(
            f"engine: {what}: best {sign * self.objective:.8g}, bound {sign * self.bound:.8g}, "
            f"gap {100 * self.open_gap():.4f} %"
        )

    def raise_bound(self, bound: float, proof: str = "multipliers") -> None:
        """Keep the better bound."""
        if bound > self.bound:
            self.bound, self.proof = bound, proof

    def offer(self, zone: np.ndarray) -> bool:
        """Keep a selection (U,) if it meets every hard row of the Program and is better; says whether it was."""
        if self.view.objective(zone) >= self.objective - 1e-12 * abs(self.objective) or not self.view.feasible(zone):
            return False
        x = to_vector(self.program, self.view, zone)
        value = self.program.objective(x)
        if value >= self.objective or self.program.violations(x):
            return False
        self.zone, self.objective = zone.copy(), value
        return True

    # -- the line ----------------------------------------------------------------------------------------------------

    def solve(self) -> EngineResult:
        """Bound, construct, decide."""
        program = self.program
        fixed, zone = decided(program)
        if program.mandatory and np.any(fixed & (zone < 0)):
            return self.result(Multipliers(np.zeros(len(program.price)), tuple(0.0 * g.weight for g in program.edges)))
        self.view: View = view(program)
        self.settled = self.view.units > SEVERAL
        self.reporter.log(
            f"engine: {self.view.units} undecided units, {self.view.zones} zones, {len(self.view.lower)} rows, "
            f"{len(self.view.amount)} amounts, {len(self.view.tail)} borders"
        )
        if not self.view.units:
            return self.nothing_to_decide()
        self.price_rows()
        if len(self.view.tail):
            self.route(self.construct)
        if self.zone is None:
            self.construct()
        self.shop = Workshop(self.dual)
        self.refine()
        if self.polish and not self.done():
            self.decide()
        return self.result(self.multipliers())

    def prove(self, objective: float) -> Multipliers:
        """Bound alone."""
        fixed, zone = decided(self.program)
        self.view = view(self.program)
        self.objective = objective
        if not self.view.units or (self.program.mandatory and np.any(fixed & (zone < 0))):
            return Multipliers(np.zeros(len(self.program.price)), tuple(0.0 * g.weight for g in self.program.edges))
        self.price_rows()
        if len(self.view.tail) and not self.done():
            self.route(lambda: None)
        return self.multipliers()

    def price_rows(self) -> None:
        """Prices of the rows, flows at rest."""
        prices = np.zeros(len(self.view.lower))
        if len(prices) and not self.over():
            prices = sample_prices(self.view, self.seed, min(20.0, 0.2 * (self.ends - time.perf_counter())))
        self.dual = Dual(self.view, prices, np.zeros(len(self.view.tail)))
        self.raise_bound(price_rows(self.dual, self.fine, self.over))
        self.share = self.dual.share
        self.report("prices of the rows")

    def multipliers(self) -> Multipliers:
        """Of the dual as it stands, in the Program's rows and edges."""
        price = self.dual.price
        return Multipliers(price, to_flows(self.program, self.view, self.dual.flow))

    def result(self, multipliers: Multipliers) -> EngineResult:
        """The answer; the bound is what `dual_value` says unless branch and cut proved a better one."""
        bound = dual_value(self.program, multipliers)
        proof = "multipliers"
        if self.proof == "branch and cut" and self.bound > bound:
            bound, proof = self.bound, self.proof
        self.bound = min(bound, self.objective)
        reason = "optimal" if self.proven() else "interrupted" if self.reporter.stop.is_set() else "limit"
        x = None if self.zone is None else to_vector(self.program, self.view, self.zone)
        return EngineResult(
            x=x,
            objective=self.objective,
            bound=self.bound if proof == "branch and cut" else bound,
            bound_by=proof,
            multipliers=multipliers,
            reason="nothing" if x is None else reason,
        )

    def nothing_to_decide(self) -> EngineResult:
        """Locks decide all."""
        self.offer(np.zeros(0, np.int8))
        empty = np.zeros(len(self.view.tail))
        flows = to_flows(self.program, self.view, empty)
        prices = np.zeros(len(self.program.price))
        soft = np.isfinite(self.program.price) & (self.view.lower > 0)
        prices[soft] = self.program.price[soft]
        return self.result(Multipliers(prices, flows))

    def route(self, between: Callable[[], None]) -> None:
        """Flows on the edges and, between, selections, while the bound still moves."""
        flows = Flows(self.dual)
        last, rounds = -np.inf, 0
        while rounds < 40 and not self.done():
            flows.run(50, self.over)
            rounds += 1
            self.share = flows.x
            self.raise_bound(flows.bound)
            # no selection yet: by what is asked, but the more units, the dearer a round, and the sooner it is enough
            none = self.zone is None
            left = self.gap * abs(flows.bound)
            left = max(left, 0.0 if none else self.objective - flows.bound)
            slow = flows.bound - last <= 0.01 * left or (none and self.view.units > SEVERAL)
            last = flows.bound
            if (slow and rounds >= 4) or rounds in (6, 16, 39):
                self.raise_bound(flows.finish(self.fine, self.over))
                self.report(f"flows, {50 * rounds} iterations")
                if none:
                    between()
                if slow:
                    break
        self.raise_bound(flows.finish(self.fine, self.over))

    def construct(self) -> None:
        """Round at several levels, repair, drop, and anneal the best."""
        shop = self.shop = Workshop(self.dual)
        for level in LEVELS if self.view.units <= LARGE else LEVELS[:2]:
            if self.zone is not None and self.done():
                return
            zone = self.start = shop.round(self.share, level)
            shop.finish(zone)
            if self.offer(zone):
                self.report(f"rounded at {level}")
        for _ in range(TRIES):
            if self.zone is None and not self.done():
                self.anneal(self.first)
        if self.zone is None and self.view.units * self.view.zones <= WHOLE and not self.done():
            self.afford()
        if not len(self.view.tail):
            self.exchange(self.zone, 0)
            return
        if not self.done() and self.zone is not None:
            self.anneal(self.first)

    def afford(self) -> None:
        """Where no repair meets all hard rows, let the integer program look for what takes least of the budgets.

        A budget just above the least cost is what it takes; without edges branch and cut is good at that.
        """
        left = min(30.0, 0.5 * (self.ends - time.perf_counter()))
        zone, _, _ = core.decide(
            self.view.thrifty(), self.shop.round(self.share, LEVELS[0]), np.arange(self.view.units), seconds=left,
            within=0.0, seed=self.seed, stop=self.reporter.stop,
        )  # fmt: skip
        if zone is not None:
            self.shop.finish(zone)
            if self.offer(zone):
                self.report("within the budgets")

    def exchange(self, base: np.ndarray | None, start: int) -> None:
        """Exchange units whose move costs little, two searches at once, and keep the better; at later starts anneal."""
        if base is None or self.done():
            return

        self.heat = self.heat or self.shop.stirring(base)

        def one(added: int) -> np.ndarray:
            zone = base.copy()
            if start:
                self.shop.anneal(zone, ENOUGH, self.heat, self.seed + 100 * start + added, self.over)
                self.shop.finish(zone)
            self.shop.exchange(zone, ALONE, ROUNDS, added, self.seed + 100 * start + added)
            self.shop.finish(zone)
            return zone

        found = together(one, ADDED)
        self.others += found
        if any([self.offer(zone) for zone in found]):
            self.report("exchanged units")

    @property
    def fine(self) -> float:
        """How far prices are cooled: at a million units sharper shares round better (0.140 %, not 0.152 %)."""
        return min(self.gap, 1e-4) if self.view.units > LARGE else self.gap

    def anneal(self, sweeps: float) -> np.ndarray:
        """Anneal the best selection and keep what is better; returns the best that came out, better or not.

        Two searches at once (always two: the same bytes on any number of cores). The second starts HOTTER times as hot,
        and the next two from there if it ends better; else the first temperature is the right one from then on.
        """
        shop, base = self.shop, self.start if self.zone is None else self.zone
        began = time.perf_counter()
        swapped = int(SWAPPED[0] * (self.view.units / SWAPPED[1]) ** 0.25)
        self.heat = self.heat or shop.stirring(base)
        # another stream for each length
        seed = self.seed + 17 * int(sweeps) + int(1000 * self.heat)

        def one(k: int) -> tuple[int, float, np.ndarray]:
            zone = base.copy()
            heat = self.heat * (HOTTER if k and not self.settled else 1.0)
            tried, seconds = shop.anneal(zone, sweeps, heat, seed + 1000 * k, self.over)
            shop.finish(zone)
            value = shop.view.objective(zone)
            for turn in range(AGAIN if sweeps > self.first else 0):
                if self.over():
                    break
                shop.exchange(zone, swapped, SWAPS, AT_A_TIME, seed + 1000 * k + turn)
                shop.finish(zone)
                last, value = value, shop.view.objective(zone)
                if value >= last:
                    break
            return tried, seconds, zone

        results = together(one, (0, 1))
        tried, seconds = (max(result[k] for result in results) for k in (0, 1))
        self.pace = seconds / sweeps, time.perf_counter() - began - seconds, tried / sweeps
        found = [zone for _, _, zone in results]
        value = [self.view.objective(zone) if self.view.feasible(zone) else np.inf for zone in found]
        best = int(value[1] < value[0])
        if not self.settled and best == 1:
            self.heat *= HOTTER
        else:
            self.settled = True
        self.others += found
        for zone in found:
            shop.insist(zone)
        if any([self.offer(zone) for zone in found]):
            self.report(f"annealed, {sweeps:.0f} sweeps")
        self.start = found[best]
        return found[best]

    def refine(self) -> None:
        """Anneal again, more slowly; where there are no edges from another rounding each time."""
        sweeps, enough = self.first, min(MOST, max(ENOUGH, ENOUGH * 1e4 / self.view.units))
        while len(self.view.tail) and self.zone is not None and sweeps and sweeps < enough and not self.done():
            sweeps = self.longer(sweeps) if self.settled else sweeps
            if sweeps:
                self.anneal(sweeps)
        self.sweeps = sweeps
        for start in range(1, 0 if len(self.view.tail) or self.zone is None else STARTS + 1):
            if self.done():
                break
            # from its own best the search does not get away
            zone = self.shop.round(self.share, LEVELS[start % len(LEVELS)])
            self.shop.finish(zone)
            self.exchange(zone, start)

    @property
    def first(self) -> float:
        """Sweeps of the first annealing: at a million units a hundred end 0.055 % above the bound, 500 0.047 %."""
        return SWEEPS if self.view.units <= LARGE else SWEEPS / 5

    def longer(self, sweeps: float) -> float:
        """Sweeps of the next annealing: slowness is what pays; 0 if no longer one ends in time."""
        seconds, fixed, proposals = self.pace
        left = (SHARE if self.view.units <= LARGE else 0.9) * (self.ends - time.perf_counter()) - fixed
        wanted = min(LONGER * sweeps, left / seconds)
        return wanted if wanted > 1.5 * sweeps and wanted * proposals <= PROPOSALS else 0.0

    def decide(self) -> None:
        """The integer program on the core if the bound leaves few units open, else on neighbourhoods."""
        if self.zone is None:  # nothing to start from: the rows may contradict each other
            return
        self.core_exact()
        sweeps, zone, small = self.sweeps, self.zone, self.view.units <= LARGE
        while not self.done():
            before = self.objective
            sweeps = self.longer(sweeps) if len(self.view.tail) else 0.0
            if sweeps:
                zone = self.anneal(sweeps)
            if small:
                self.neighbourhoods(zone, 1 if sweeps else 6)
            if not sweeps and not (small and self.objective < before):
                break

    def core_exact(self) -> None:
        """Reduced-cost fixing: a unit whose second choice costs more than the gap is decided."""
        if self.zone is None or self.over():
            return
        view, grid = self.view, reduced_costs(self.dual).reshape(self.view.units, self.view.zones)
        grid = np.where(view.allowed.reshape(grid.shape) > 0, grid, np.inf)
        choices = grid if view.mandatory else np.column_stack([np.zeros(view.units), grid])
        order = np.sort(choices, axis=1)
        margin = order[:, 1] - order[:, 0] if choices.shape[1] > 1 else np.full(view.units, np.inf)
        lagrangian = dual_value(self.program, self.multipliers())
        free = margin <= (self.objective - lagrangian) * (1 + 1e-9) + 1e-9 * abs(self.objective)
        self.reporter.log(f"engine: reduced costs leave {int(free.sum())} of {view.units} units open")
        if free.sum() * view.zones > CORE or not free.any():
            return
        best = choices.argmin(axis=1) - (0 if view.mandatory else 1)
        base = np.where(free, self.zone, best).astype(np.int8)
        zone, answer, bound = self.integer(base, np.flatnonzero(free), 30.0)
        if zone is not None:
            self.shop.finish(zone)
            self.offer(zone)
        if answer.reason in ("OPTIMAL", "FEASIBLE", "NO_SOLUTION_FOUND"):
            # whatever is better than the incumbent lies in the core
            self.raise_bound(min(bound, self.objective), "branch and cut")
        self.report("core")

    def integer(self, base: np.ndarray, units: np.ndarray, seconds: float) -> tuple:
        """`core.decide` within the time that is left."""
        left = min(seconds, max(0.1, self.ends - time.perf_counter()))
        return core.decide(
            self.view, base, units, seconds=left, within=self.gap / 4 * abs(self.objective), seed=self.seed,
            stop=self.reporter.stop,
        )  # fmt: skip

    def other(self, rng: np.random.Generator) -> np.ndarray:
        """One of the best selections of earlier searches."""
        self.others = sorted(self.others, key=self.view.objective)[:POOL]
        return self.others[rng.integers(len(self.others))]

    def neighbourhoods(self, zone: np.ndarray, patience: int) -> None:
        """Let the integer program decide some units, the rest held.

        Two draws at once: units whose move costs little, and before such those on which another selection differs
        (crossover: Rothberg 2007, doi 10.1287/ijoc.1060.0189). At first from `zone`, then from the best, until so many
        pairs in a row found nothing better.
        """
        rng = np.random.default_rng([self.seed, self.tried])
        idle = 0
        while idle < patience and not self.done():
            self.tried += 1
            size = int(self.size)
            drawn = [self.shop.cheapest(zone, size, rng), self.shop.cheapest(zone, size, rng, zone != self.other(rng))]

            def one(k: int, base: np.ndarray = zone, drawn: list[np.ndarray] = drawn) -> tuple:
                return self.integer(base, drawn[k], 8.0)

            found = together(one, range(2))
            for after, _, _ in found:
                if after is not None:
                    self.shop.finish(after)
            better = any([after is not None and self.offer(after) for after, _, _ in found])
            idle = 0 if better else idle + 1
            # as large as is decided within some seconds, or betters without being decided
            if all(answer.reason == "OPTIMAL" for _, answer, _ in found):
                self.size *= 1.3
            elif not better:
                self.size = max(100.0, 0.8 * self.size)
            if better:
                self.report(f"neighbourhoods of {len(drawn[0])} units")
            assert self.zone is not None
            zone = self.zone
