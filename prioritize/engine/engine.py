"""The conductor: bound, construct and decide in turn, until the asked gap is proven, time is over or nothing moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from prioritize.engine import core
from prioritize.engine.bound import Dual, Flows, price_rows, sample_prices
from prioritize.engine.construct import WIDE, Workshop, reduced_costs
from prioritize.engine.dual import Multipliers, dual_value
from prioritize.engine.view import View, decided, to_flows, to_vector, together, view
from prioritize.program import Program
from prioritize.progress import Reporter, relative_gap

#: annealing: (rings around the fractional units, width in typical costs, first temperature, sweeps), cheapest first;
#: a wide band of many units starts cooler: there is no time to heal what a hot start breaks
NEAR = ((0, 0.0, 0.3, 500), (3, 0.0, 0.3, 1000), (1, 1.0, 1.0, 1000), (1, 1.0, 1.0, 8000))
FAR = ((0, 0.0, 0.3, 500), (3, 0.0, 0.3, 1000), (1, 0.3, 0.3, 1000), (1, 0.3, 0.3, 4000))
#: at a million units a second wide band would take minutes; slow annealing near the fractional units gains a little
VAST = ((0, 0.0, 0.3, 500), (3, 0.0, 0.3, 1000), (1, 0.3, 0.3, 1000), (6, 0.0, 0.3, 4000))
#: units up to which NEAR and FAR are the plans, the most that one annealing may try, about the seconds of a proposal
MIDDLE, LARGE, PROPOSALS, PROPOSAL = 30_000, 300_000, 1_200_000_000, 7e-8
#: exchanges, where there are no edges: rounds, units added at a time by the two that run at once, later starts
ROUNDS, ADDED, STARTS = 50_000, (8, 20), 10
#: shares above which a unit is taken when the relaxation is rounded
LEVELS = (0.5, 0.65, 0.35, 0.8, 0.2)
#: columns that branch and cut takes whole
CORE = 4000


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
            slow = flows.bound - last <= 0.01 * max(self.gap * abs(flows.bound), self.objective - flows.bound)
            last = flows.bound
            if (slow and rounds >= 4) or rounds in (6, 16, 39):
                self.raise_bound(flows.finish(self.fine, self.over))
                self.report(f"flows, {50 * rounds} iterations")
                between()
                if slow:
                    break
        self.raise_bound(flows.finish(self.fine, self.over))

    def construct(self) -> None:
        """Round at several levels, repair, drop, and anneal the best."""
        shop = self.shop = Workshop(self.dual)
        for level in LEVELS:
            if self.zone is not None and self.done():
                return
            zone = shop.round(self.share, level)
            shop.finish(zone)
            if self.offer(zone):
                self.report(f"rounded at {level}")
        if not len(self.view.tail):
            # measured without edges: annealing moves one unit at a time and finds nothing that exchanges do not
            self.exchange(self.zone, 0)
            return
        for plan in self.plans:
            if self.done() or self.zone is None:
                return
            self.anneal(*plan)

    def exchange(self, base: np.ndarray | None, start: int) -> None:
        """Exchange columns of small reduced cost, two searches at once, and keep the better."""
        if base is None or self.done():
            return

        def one(added: int) -> np.ndarray:
            zone = base.copy()
            self.shop.exchange(zone, ROUNDS, added, self.seed + 100 * start + added)
            self.shop.finish(zone)
            return zone

        if any([self.offer(zone) for zone in together(one, ADDED)]):
            self.report("exchanged columns")

    @property
    def fine(self) -> float:
        """How far prices are cooled: at a million units sharper shares round better (0.140 %, not 0.152 %)."""
        return min(self.gap, 1e-4) if self.view.units > LARGE else self.gap

    @property
    def plans(self) -> tuple[tuple[int, float, float, int], ...]:
        """How to anneal a problem of this size."""
        return NEAR if self.view.units <= MIDDLE else FAR if self.view.units <= LARGE else VAST

    def anneal(self, rings: int, width: float, hot: float, sweeps: int) -> bool:
        """Anneal the incumbent's band; False if that is too much work.

        A small band from two seeds at once, of which the better is kept; a wide one once, in lanes.
        """
        shop, base = self.shop, self.zone
        assert base is not None
        band = shop.band(self.share, rings, width, base)
        proposals = sweeps * len(band)
        if proposals > PROPOSALS or proposals * PROPOSAL > self.ends - time.perf_counter():
            return False

        def one(seed: int) -> np.ndarray:
            zone = base.copy()
            shop.anneal(zone, band, sweeps, hot, seed, self.over)
            shop.finish(zone)
            return zone

        found = [one(self.seed)] if len(band) >= WIDE else together(one, (self.seed, self.seed + 1000))
        if any([self.offer(zone) for zone in found]):
            self.report(f"annealed {len(band)} units, {sweeps} sweeps")
        return True

    def decide(self) -> None:
        """The integer program on the core if the bound leaves few units open, else on neighbourhoods."""
        if self.zone is None:  # nothing to start from: the rows may contradict each other
            return
        self.core_exact()
        for start in range(1, 0 if len(self.view.tail) else STARTS + 1):
            if self.done():
                break
            # from another rounding each time: from its own best the search does not get away
            zone = self.shop.round(self.share, LEVELS[start % len(LEVELS)])
            self.shop.finish(zone)
            self.exchange(zone, start)
        # slowness is what pays: at 1e4 units 1000 and 4000 sweeps end 2.9 % and 2.3 % above the bound
        rings, width, hot, sweeps = self.plans[-1]
        while len(self.view.tail) and not self.done() and self.anneal(rings, width, hot, 2 * sweeps):
            sweeps *= 2
        if not self.done() and self.zone is not None and self.view.units <= LARGE:
            self.neighbourhoods()

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
        label = np.where(free, np.arange(view.units), -1).astype(np.int32)
        zone, answer, bound = self.integer(base, label, 30.0)
        if zone is not None:
            self.shop.finish(zone)
            self.offer(zone)
        if answer.reason in ("OPTIMAL", "FEASIBLE", "NO_SOLUTION_FOUND"):
            # whatever is better than the incumbent lies in the core
            self.raise_bound(min(bound, self.objective), "branch and cut")
        self.report("core")

    def integer(self, base: np.ndarray, label: np.ndarray, seconds: float) -> tuple:
        """`core.decide` within the time that is left."""
        left = min(seconds, max(0.1, self.ends - time.perf_counter()))
        return core.decide(
            self.view, base, label, self.zone, seconds=left, within=self.gap / 4 * abs(self.objective), seed=self.seed,
            stop=self.reporter.stop,
        )  # fmt: skip

    def neighbourhoods(self) -> None:
        """Free a neighbourhood of the incumbent, let the integer program decide it; keep what is better."""
        rng = np.random.default_rng(self.seed)
        size, idle, tried = 600.0, 0, 0
        margin = np.abs(reduced_costs(self.dual)).reshape(self.view.units, self.view.zones).min(axis=1)
        while idle < 12 and not self.done() and self.zone is not None:
            free = self.neighbourhood(rng, int(size), margin)
            label = np.full(self.view.units, -1, np.int32)
            label[free] = free
            zone, answer, _ = self.integer(self.zone, label, 8.0)
            tried += 1
            better = False
            if zone is not None:
                self.shop.drop(zone, self.view.cost)
                better = self.offer(zone)
            idle = 0 if better else idle + 1
            if better:
                self.report(f"neighbourhood of {len(free)} units")
            # as large as is decided within some seconds
            size = size * 1.3 if answer.reason == "OPTIMAL" else max(100.0, size * 0.6)
        self.report(f"{tried} neighbourhoods")

    def neighbourhood(self, rng: np.random.Generator, size: int, margin: np.ndarray) -> np.ndarray:
        """A ball of units around one of the band; without edges, a random draw of those of small reduced cost."""
        view = self.view
        if size >= view.units:
            return np.arange(view.units)
        if not len(view.tail):
            noise = rng.exponential(self.shop.unit * 0.2, view.units)
            return np.sort(np.argpartition(margin + noise, size)[:size])
        band = self.shop.band(self.share, 1)
        inside = np.zeros(view.units, bool)
        front = np.array([band[rng.integers(len(band))] if len(band) else rng.integers(view.units)])
        inside[front] = True
        count = 1
        while count < size and len(front):
            around = [view.edge[view.ptr[u] : view.ptr[u + 1]] for u in front]
            edges = np.concatenate(around) if around else np.zeros(0, int)
            ends = np.unique(np.concatenate([view.tail[edges], view.head[edges]]))
            front = ends[~inside[ends]]
            inside[front] = True
            count += len(front)
        return np.flatnonzero(inside)
