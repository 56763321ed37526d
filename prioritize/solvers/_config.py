"""What all solvers share: their keys in a scenario, and the way through the solver process."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from prioritize.engine.dual import Multipliers
from prioritize.errors import SolveError
from prioritize.program import Program
from prioritize.progress import Reporter
from prioritize.solvers.covers import cuts, with_cuts
from prioritize.solvers.milp import Milp, flatten, integral, lift
from prioritize.solvers.process import Answer, solve_milp
from prioritize.source import Config
from prioritize.tolerance import lowered

#: how often a solver is asked again because its answer breaks a row that it takes for met
AGAIN = 200


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a solver found.

    Attributes
    ----------
    x : (V,) float64 or None
    bound : float
        Lower bound of the Program (which always minimises).
    bound_by : str
        What it rests on: 'certificate' (the multipliers) or 'tree search'.
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
    bound_by: str = "tree search"


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
        milp, limit = flatten(program), self.seconds if seconds is None else seconds
        columns = program.units * program.zones
        shaped = any(extra.rule is not None for extra in program.extras)  # which a selection need not obey
        hint = None if start is None or shaped or solver == "cp_sat" else lift(milp, start, program.extras)
        if solver == "cp_sat":
            reporter.log(
                "cp_sat: coefficients and bounds are rounded to whole numbers, outwards, so that the bound stays valid"
            )
        ends = None if limit is None else time.perf_counter() + limit
        best: tuple[Answer, float] | None = None
        for _ in range(AGAIN):
            left = None if ends is None else ends - time.perf_counter()
            if left is not None and left <= 0:
                break
            answer, bound = self.ask(milp, solver, program, seed, reporter, left, hint, known)
            # each question takes away what the last answer was, so each bound holds, and the last answer stands
            best = answer, max(bound, -np.inf if best is None else best[1])
            if answer.x is None or answer.reason not in ("OPTIMAL", "FEASIBLE"):
                break
            more = cuts(program, np.round(answer.x))
            if not more:
                break
            reporter.log(
                f"{solver}: its answer breaks {len(more)} rows by less than its tolerance; cut off, asked again"
            )
            milp = with_cuts(milp, more)
            if hint is not None and cuts_off(milp, hint):
                hint = None
        else:
            raise SolveError(
                f"{solver} cannot say these rows exactly ({AGAIN} answers broke one by less than its tolerance); "
                "try solver.kind = 'auto' or 'highs'"
            )
        if best is None:
            return Outcome(None, -np.inf, "nothing", solver)
        answer, bound = best
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
        return Outcome(
            x=None if answer.x is None else answer.x[:columns],
            bound=bound,
            reason=reasons[answer.reason],
            solver=f"{solver} (OR-Tools {answer.version})",
        )

    def ask(
        self,
        milp: Milp,
        solver: str,
        program: Program,
        seed: int,
        reporter: Reporter,
        seconds: float | None,
        hint: np.ndarray | None,
        known: float,
    ) -> tuple[Answer, float]:
        """Ask a solver once: its answer, and its bound in the program's numbers less what tolerances may have added."""
        asked, correction = integral(milp) if solver == "cp_sat" else (milp, 0.0)

        def listen(lines: list[str], bound: float, incumbent: float) -> None:
            for line in lines:
                reporter.log(f"{solver}: {line.rstrip()}")
            if np.isfinite(bound) or np.isfinite(incumbent):
                best, proven = asked.unscaled(incumbent), max(known, asked.unscaled(bound - correction))
                reporter.progress(program.sign * best, program.sign * proven)

        answer = solve_milp(
            asked, solver, gap=self.gap, seconds=seconds, seed=seed, hint=hint, on_log=listen, stop=reporter.stop
        )
        # what a solver's tolerances are relative to: the sum, a typical cost, and what shortfalls and borders cost
        own = float(np.abs(asked.cost[program.units * program.zones :]).max(initial=float(asked.cost.any())))
        own *= asked.objective_scale
        magnitude = abs(milp.offset) + own
        if answer.x is not None:
            magnitude += float(np.abs(asked.cost * answer.x).sum()) * asked.objective_scale
        return answer, lowered(asked.unscaled(answer.bound - correction), magnitude)


def cuts_off(milp: Milp, x: np.ndarray) -> bool:
    """Whether the last rows of a Milp do not take a start (N,)."""
    activity = milp.rows @ x
    return bool(np.any(activity < milp.row_lower - 1e-6) or np.any(activity > milp.row_upper + 1e-6))
