"""Polish a selection with the integer program: the core exactly, else neighbourhoods."""

from __future__ import annotations

import numpy as np

from prioritize.engine import core
from prioritize.engine.dual import Multipliers, dual_value
from prioritize.engine.search import IDLE, LARGE, POOL, Search
from prioritize.engine.standing import Standing
from prioritize.engine.view import together
from prioritize.tolerance import lowered

#: columns that branch and cut takes whole, seconds that it may take for them and for a neighbourhood
CORE, CORE_SECONDS, SECONDS = 4000, 30.0, 8.0


class Polish:
    """Branch and cut on what the bound leaves open, between ever longer annealings.

    Parameters
    ----------
    multipliers : Multipliers
        What proves the bound.
    """

    def __init__(self, standing: Standing, search: Search, multipliers: Multipliers, seed: int):
        self.standing, self.view, self.search, self.seed = standing, standing.view, search, seed
        self.lagrangian = dual_value(standing.program, multipliers)
        self.size, self.tried = 600.0, 0

    def run(self) -> None:
        """The core if the bound leaves few units open, else neighbourhoods and annealing in turn."""
        standing, search = self.standing, self.search
        if standing.zone is None:  # nothing to start from: the rows may contradict each other
            return
        self.whole_core()
        sweeps, zone, idle = search.sweeps, standing.zone, 0
        edges, small = len(self.view.tail) > 0, self.view.units <= LARGE
        while idle < (1 if edges else IDLE) and not standing.done():
            before = standing.objective
            sweeps = search.longer(sweeps) if edges else 0.0
            if sweeps:
                zone = search.anneal(sweeps)
            if small:
                self.neighbourhoods(zone, 1 if sweeps or not edges else 6)
            if not edges:
                search.refine()
            zone = zone if sweeps else standing.zone
            idle = 0 if sweeps or standing.objective < before else idle + 1

    def whole_core(self) -> None:
        """Reduced-cost fixing: a unit whose second choice costs more than the gap is decided."""
        standing, view = self.standing, self.view
        if standing.zone is None or standing.over():
            return
        grid = self.search.shop.reduced.reshape(view.units, view.zones)
        grid = np.where(view.allowed.reshape(grid.shape) > 0, grid, np.inf)
        choices = grid if view.mandatory else np.column_stack([np.zeros(view.units), grid])
        order = np.sort(choices, axis=1)
        margin = order[:, 1] - order[:, 0] if choices.shape[1] > 1 else np.full(view.units, np.inf)
        free = margin <= (standing.objective - self.lagrangian) * (1 + 1e-9) + 1e-9 * abs(standing.objective)
        standing.reporter.log(f"engine: reduced costs leave {int(free.sum())} of {view.units} units open")
        if free.sum() * view.zones > CORE or not free.any():
            return
        best = choices.argmin(axis=1) - (0 if view.mandatory else 1)
        base = np.where(free, standing.zone, best).astype(np.int8)
        zone, answer, bound = self.decide(base, np.flatnonzero(free), CORE_SECONDS, prove=True)
        if zone is not None:
            self.search.shop.finish(zone)
            standing.offer(zone)
        if answer.reason in ("OPTIMAL", "FEASIBLE", "NO_SOLUTION_FOUND"):
            # whatever is better than the incumbent lies in the core, all else is no better than the incumbent
            standing.raise_bound(min(lowered(bound, standing.magnitude), standing.objective), "branch and cut")
        standing.report("core")

    def neighbourhoods(self, zone: np.ndarray, patience: int) -> None:
        """Decide some units, the rest held.

        Two draws at once: units whose move costs little, and before such those on which another selection differs
        (crossover: Rothberg 2007, doi 10.1287/ijoc.1060.0189). At first from `zone`, then from the best, until so many
        pairs in a row found nothing better.
        """
        standing, shop = self.standing, self.search.shop
        rng = np.random.default_rng([self.seed, self.tried])
        idle = 0
        while idle < patience and not standing.done():
            self.tried += 1
            size = int(self.size)
            pool = self.search.others = sorted(self.search.others, key=self.view.objective)[:POOL]
            others = [other for other in pool if np.any(other != zone)] or [zone]
            differs = zone != others[rng.integers(len(others))]
            drawn = [shop.cheapest(zone, size, rng), shop.cheapest(zone, size, rng, differs)]

            def one(k: int, base: np.ndarray = zone, drawn: list[np.ndarray] = drawn) -> tuple:
                # strong branching took most of the time, and without it as much again is found
                return self.decide(base, drawn[k], SECONDS, prove=False)

            found = together(one, range(2))
            zones = [after for after, _, _ in found if after is not None]
            for after in zones:
                shop.finish(after)
            better = standing.offer_all(zones)
            idle = 0 if better else idle + 1
            # as large as is decided within some seconds, or betters without being decided
            if all(answer.reason == "OPTIMAL" for _, answer, _ in found):
                self.size *= 1.3
            elif not better:
                self.size = max(100.0, 0.8 * self.size)
            if better:
                standing.report(f"neighbourhoods of {size} units")
            assert standing.zone is not None
            zone = standing.zone

    def decide(self, base: np.ndarray, units: np.ndarray, seconds: float, *, prove: bool) -> tuple:
        """`core.decide` within the time that is left."""
        standing = self.standing
        return core.decide(
            self.view, base, units, seconds=min(seconds, max(0.1, standing.left)),
            within=standing.gap / 4 * abs(standing.objective), seed=self.seed, stop=standing.reporter.stop, prove=prove,
        )  # fmt: skip
