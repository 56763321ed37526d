"""SCIP, branch and cut, through OR-Tools MathOpt."""

from __future__ import annotations

from typing import Literal

from prioritize.program import Program
from prioritize.progress import Reporter
from prioritize.solvers._config import Outcome, SolverConfig


class Scip(SolverConfig):
    """SCIP, branch and cut."""

    kind: Literal["scip"] = "scip"

    def solve(self, program: Program, seed: int, reporter: Reporter) -> Outcome:
        """Hand the whole program to the solver."""
        return self.through_mathopt("scip", program, seed, reporter)


MEMBER = Scip
