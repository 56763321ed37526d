"""The conductor: bound, construct and decide in turn, until the asked gap is proven, time is over or nothing moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from prioritize.engine.bound import Dual, Flows, price_rows, sample_prices
from prioritize.engine.dual import Multipliers, clipped, dual_value
from prioritize.engine.polish import Polish
from prioritize.engine.search import LARGE, SEVERAL, Search
from prioritize.engine.standing import Standing
from prioritize.engine.view import decided, to_flows, to_vector, view
from prioritize.program import Program
from prioritize.progress import Reporter
from prioritize.tolerance import consistent


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
        standing = begin(program, gap, seconds, reporter or Reporter())
        seen = standing.view
        if impossible(program):
            return result(standing, at_rest(standing))
        standing.reporter.log(
            f"engine: {seen.units} undecided units, {seen.zones} zones, {len(seen.lower)} rows, "
            f"{len(seen.amount)} amounts, {len(seen.tail)} borders"
        )
        if not seen.units:
            standing.offer(np.zeros(0, np.int8))
            return result(standing, at_rest(standing))
        relaxation, search = Relaxation(standing, seed), Search(standing, seed, not polish)
        relaxation.price_rows()
        if len(seen.tail):
            relaxation.route(lambda: search.construct(relaxation.dual, relaxation.share))
        if standing.zone is None:
            search.construct(relaxation.dual, relaxation.share)
        search.prepare(relaxation.dual, relaxation.share)
        search.refine()
        if polish and not standing.done():
            Polish(standing, search, relaxation.multipliers(), seed).run()
        return result(standing, relaxation.multipliers())


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
        standing = begin(program, gap, seconds, reporter)
        standing.objective, standing.magnitude = objective, program.unit + abs(objective)
        if not standing.view.units or impossible(program):
            return at_rest(standing)
        relaxation = Relaxation(standing, seed)
        relaxation.price_rows()
        if len(standing.view.tail) and not standing.done():
            relaxation.route(lambda: None)
        return relaxation.multipliers()


def begin(program: Program, gap: float, seconds: float | None, reporter: Reporter) -> Standing:
    """Nothing found, nothing proven, the clock running."""
    ends = np.inf if seconds is None else time.perf_counter() + seconds
    return Standing(program, view(program), gap, ends, reporter)


def impossible(program: Program) -> bool:
    """A unit must have a zone and may have none."""
    fixed, zone = decided(program)
    return program.mandatory and bool(np.any(fixed & (zone < 0)))


def at_rest(standing: Standing) -> Multipliers:
    """Where locks decide all: soft rows that are short pay in full, flows between decided units are what they are."""
    program, seen = standing.program, standing.view
    price = np.where(np.isfinite(program.price) & (seen.lower > 0), program.price, 0.0)
    return Multipliers(price, to_flows(program, seen, np.zeros(len(seen.tail))))


def result(standing: Standing, multipliers: Multipliers) -> EngineResult:
    """The answer; the bound is what `dual_value` says unless branch and cut proved a better one."""
    program, objective = standing.program, standing.objective
    multipliers = clipped(program, multipliers)
    bound, proof = dual_value(program, multipliers), "multipliers"
    if standing.proof == "branch and cut" and standing.bound > bound:
        bound, proof = standing.bound, standing.proof
    consistent(objective, bound, standing.magnitude)
    standing.bound = bound
    reason = "optimal" if standing.proven() else "interrupted" if standing.reporter.stop.is_set() else "limit"
    x = None if standing.zone is None else to_vector(program, standing.view, standing.zone)
    return EngineResult(
        x=x,
        objective=objective,
        bound=bound,
        bound_by=proof,
        multipliers=multipliers,
        reason="nothing" if x is None else reason,
    )


class Relaxation:
    """Prices of rows and flows on edges: what they prove, and shares to round.

    Attributes
    ----------
    dual : Dual
    share : (V,) float64
    """

    def __init__(self, standing: Standing, seed: int):
        self.standing, self.view, self.seed = standing, standing.view, seed

    @property
    def fine(self) -> float:
        """How far prices are cooled: many units round better by sharper shares."""
        return min(self.standing.gap, 1e-4) if self.view.units > LARGE else self.standing.gap

    def price_rows(self) -> None:
        """Prices of the rows, flows at rest."""
        standing, prices = self.standing, np.zeros(len(self.view.lower))
        if len(prices) and not standing.over():
            prices = sample_prices(
                self.view, self.seed, min(20.0, 0.2 * standing.left), stop=standing.reporter.stop
            )  # fmt: skip
        self.dual = Dual(self.view, prices, np.zeros(len(self.view.tail)))
        standing.raise_bound(price_rows(self.dual, self.fine, standing.over))
        self.share = self.dual.share
        standing.report("prices of the rows")

    def route(self, between: Callable[[], None]) -> None:
        """Flows on the edges and, between, selections, while the bound still moves."""
        standing, flows = self.standing, Flows(self.dual)
        last, rounds = -np.inf, 0
        while rounds < 40 and not standing.done():
            flows.run(50, standing.over)
            rounds += 1
            self.share = flows.x
            standing.raise_bound(flows.bound)
            # no selection yet: by what is asked, but the more units, the dearer a round, and the sooner it is enough
            none = standing.zone is None
            left = standing.gap * abs(flows.bound)
            left = max(left, 0.0 if none else standing.objective - flows.bound)
            slow = flows.bound - last <= 0.01 * left or (none and self.view.units > SEVERAL)
            last = flows.bound
            if (slow and rounds >= 4) or rounds in (6, 16, 39):
                standing.raise_bound(flows.finish(self.fine, standing.over))
                standing.report(f"flows, {50 * rounds} iterations")
                if none:
                    between()
                if slow:
                    break
        standing.raise_bound(flows.finish(self.fine, standing.over))

    def multipliers(self) -> Multipliers:
        """Of the dual as it stands, in the Program's rows and edges."""
        return Multipliers(self.dual.price, to_flows(self.standing.program, self.view, self.dual.flow))
