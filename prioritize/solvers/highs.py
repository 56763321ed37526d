"""HiGHS, branch and cut, through OR-Tools MathOpt."""

from __future__ import annotations

from typing import Literal

from prioritize.program import Program
from prioritize.progress import Reporter
from prioritize.solvers._config import Outcome, SolverConfig


class Highs(SolverConfig):
    """HiGHS, branch and cut."""

    kind: Literal["highs"] = "highs"

    def solve(self, program: Program, seed: int, reporter: Reporter) -> Outcome:
        """Hand the whole program to the solver."""
        return self.through_mathopt("highs", program, seed, reporter)


MEMBER = Highs
