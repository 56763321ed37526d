"""How a solve stands: the best selection, the best bound, the time that is left."""

from __future__ import annotations

import time

import numpy as np

from prioritize.engine.view import View, to_vector
from prioritize.program import Program
from prioritize.progress import Reporter, relative_gap
from prioritize.tolerance import SOLVER, consistent


class Standing:
    """The best selection and bound so far of one Program, seen as one View.

    Parameters
    ----------
    ends : float
        When time is over, by `time.perf_counter`.
    """

    def __init__(self, program: Program, view: View, gap: float, ends: float, reporter: Reporter):
        self.program, self.view, self.gap, self.ends, self.reporter = program, view, gap, ends, reporter
        self.zone: np.ndarray | None = None
        self.objective, self.bound, self.proof = np.inf, -np.inf, "multipliers"
        #: of what the best selection's objective adds up
        self.magnitude = program.unit

    @property
    def left(self) -> float:
        """Seconds."""
        return self.ends - time.perf_counter()

    def over(self) -> bool:
        """Time is over, or the user asked to stop."""
        return self.left <= 0.0 or self.reporter.stop.is_set()

    def done(self) -> bool:
        """The asked gap is proven, or time is over."""
        return self.over() or self.proven()

    def proven(self) -> bool:
        """The asked gap is proven; or all but what the bound of a tree search is lowered by (see `tolerance`)."""
        rest = 4 * SOLVER * max(self.magnitude, abs(self.bound)) if np.isfinite(self.bound) else 0.0
        return self.open_gap() <= self.gap or abs(self.objective - self.bound) <= rest

    def open_gap(self) -> float:
        """Relative gap between the selection and the bound."""
        return relative_gap(self.objective, self.bound)

    def report(self, what: str) -> None:
        """Log where we are."""
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
            consistent(self.objective, self.bound, self.magnitude)

    def offer(self, zone: np.ndarray) -> bool:
        """Keep a selection (U,) if it meets every hard row of the Program and is better; says whether it was."""
        if self.view.objective(zone) >= self.objective - 1e-12 * abs(self.objective) or not self.view.feasible(zone):
            return False
        x = to_vector(self.program, self.view, zone)
        value = self.program.objective(x)
        if value >= self.objective or self.program.violations(x):
            return False
        self.zone, self.objective, self.magnitude = zone.copy(), value, self.program.magnitude(x)
        consistent(self.objective, self.bound, self.magnitude)
        return True

    def offer_all(self, zones: list[np.ndarray]) -> bool:
        """Offer several; says whether one was better."""
        return any([self.offer(zone) for zone in zones])
