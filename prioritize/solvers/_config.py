"""What all solvers share: their keys in a scenario, and the way through the solver process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from prioritize.engine.dual import Multipliers
from prioritize.errors import SolveError
from prioritize.program import Program
from prioritize.progress import Reporter
from prioritize.solvers.milp import flatten, integral, lift
from prioritize.solvers.process import solve_milp
from prioritize.source import Config


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a solver found.

    Attributes
    ----------
    x : (V,) float64 or None
    bound : float
        Lower bound of the Program (which always minimises).
    reason : str
        optimal (to the asked gap), limit (time), repaired (a heuristic answer to what only an integer program can say),
        interrupted, infeasible, nothing (no solution in time).
    solver : str
        With version.
    multipliers : Multipliers or None
        What proves the bound, or a part of it.
    """

    x: np.ndarray | None
    bound: float
    reason: str
    solver: str
    multipliers: Multipliers | None = None


class SolverConfig(Config):
    """Keys that every solver understands."""

    gap: float = Field(1e-3, ge=0, lt=1, description="stop when proven within this share of the best possible")
    seconds: float | None = Field(None, gt=0, description="time limit of the solver; the best selection is kept")

    def solve(self, program: Program, seed: int, reporter: Reporter) -> Outcome:
        """Solve a Program."""
        raise NotImplementedError

    def through_mathopt(
        self,
        solver: str,
        program: Program,
        seed: int,
        reporter: Reporter,
        *,
        seconds: float | None = None,
        start: np.ndarray | None = None,
        known: float = -np.inf,
    ) -> Outcome:
        """Solve with one of MathOpt's solvers in the solver process.

        Parameters
        ----------
        seconds : float or None
            Time limit where it is not the one of the scenario.
        start : (V,) float64 or None
            A selection to start from.
        known : float
            A lower bound that is known already, for the report.

        Raises
        ------
        SolveError
            If the solver reports an error.
        """
        milp = flatten(program)
        correction = 0.0
        if solver == "cp_sat":
            milp, correction = integral(milp)
            reporter.log(
                "cp_sat: coefficients rounded to whole numbers (1e-7 of each row's largest), outwards, so that"
            )
            reporter.log(
                f"cp_sat: the bound stays valid; stepped columns cost the bound {correction * milp.objective_scale:.3g}"
            )

        def listen(lines: list[str], bound: float, incumbent: float) -> None:
            for line in lines:
                reporter.log(f"{solver}: {line.rstrip()}")
            if np.isfinite(bound) or np.isfinite(incumbent):
                best, proven = milp.unscaled(incumbent), max(known, milp.unscaled(bound - correction))
                reporter.progress(program.sign * best, program.sign * proven)

        shaped = any(extra.rule is not None for extra in program.extras)  # which a selection need not obey
        answer = solve_milp(
            milp,
            solver,
            gap=self.gap,
            seconds=self.seconds if seconds is None else seconds,
            seed=seed,
            hint=None if start is None or shaped or solver == "cp_sat" else lift(milp, start, program.extras),
            on_log=listen,
            stop=reporter.stop,
        )
        reasons = {
            "OPTIMAL": "optimal",
            "FEASIBLE": "limit",
            "INFEASIBLE": "infeasible",
            "INFEASIBLE_OR_UNBOUNDED": "infeasible",
            "NO_SOLUTION_FOUND": "nothing",
            "INTERRUPTED": "interrupted",
        }
        if answer.reason not in reasons:
            raise SolveError(
                f"{solver} failed ({answer.reason}): {answer.detail or 'no detail'}; try another solver.kind"
            )
        columns = program.units * program.zones
        return Outcome(
            x=None if answer.x is None else answer.x[:columns],
            bound=milp.unscaled(answer.bound - correction),
            reason=reasons[answer.reason],
            solver=f"{solver} (OR-Tools {answer.version})",
        )
