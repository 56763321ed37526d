"""CP-SAT, clause learning over whole numbers, through OR-Tools MathOpt."""

from __future__ import annotations

from typing import Literal

from prioritize.program import Program
from prioritize.progress import Reporter
from prioritize.solvers._config import Outcome, SolverConfig


class CpSat(SolverConfig):
    """CP-SAT, clause learning over whole numbers."""

    kind: Literal["cp_sat"] = "cp_sat"

    def solve(self, program: Program, seed: int, reporter: Reporter) -> Outcome:
        """Hand the whole program to the solver."""
        return self.through_mathopt("cp_sat", program, seed, reporter)


MEMBER = CpSat
