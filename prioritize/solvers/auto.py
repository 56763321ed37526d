"""Choose a solver by the shape of the program."""

from __future__ import annotations

from typing import Literal

from prioritize.program import Program
from prioritize.progress import Reporter
from prioritize.solvers._config import Outcome, SolverConfig


class Auto(SolverConfig):
    """The default: HiGHS on the whole program, the quickest of the three on every problem of the reference set."""

    kind: Literal["auto"] = "auto"

    def solve(self, program: Program, seed: int, reporter: Reporter) -> Outcome:
        """Say what was chosen, and solve."""
        reporter.log("auto: HiGHS on the whole program")
        return self.through_mathopt("highs", program, seed, reporter)


MEMBER = Auto
