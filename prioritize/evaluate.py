"""What a selection is worth, recomputed from the landscape; and the check that nothing passes without."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prioritize.errors import SolveError
from prioritize.problem import Problem, held, held_exactly
from prioritize.registry import family
from prioritize.tolerance import reached

COLUMNS = ["metric", "feature", "group", "zone", "value", "unit"]


def evaluate(problem: Problem, selection: np.ndarray) -> pd.DataFrame:
    """Every metric of a (U, Z) selection as a tidy table.

    Never reads the Program: costs, borders and amounts are recomputed from the landscape.

    Returns
    -------
    DataFrame
        Columns metric, feature, group, zone, value, unit; empty strings where a column does not apply.
    """
    rows: list[tuple[str, str, str, str, float, str]] = []
    for measure in family("metrics").values():
        rows.extend(measure(problem, selection))
    for name, value in terms(problem, selection):
        rows.append((f"objective:{name}", "", "", "", value, ""))
    return pd.DataFrame(rows, columns=COLUMNS)


def terms(problem: Problem, selection: np.ndarray) -> list[tuple[str, float]]:
    """The objective term by term, in the user's sense; their sum is the objective."""
    sign = -1.0 if problem.objective.maximise else 1.0
    found = [(problem.objective.kind, problem.objective.value(problem, selection))]
    for penalty in problem.penalties:
        found.append((getattr(penalty, "name", None) or penalty.kind, sign * penalty.value(problem, selection)))
    return found


def recheck(problem: Problem, selection: np.ndarray, objective: float) -> None:
    """Refuse a selection that breaks a promise. Shares nothing with the Program or the solvers.

    Raises
    ------
    SolveError
        If a unit has two zones or is on the wrong side of a lock, a hard target or a constraint is missed, or the
        claimed objective is not the sum of its terms.
    """
    landscape = problem.landscape
    faults = []
    if np.any(selection.sum(axis=1) > 1):
        faults.append("a unit was given two zones")
    if np.any(selection[landscape.status < 0]) or not np.all(selection[landscape.status > 0]):
        faults.append("a lock was broken")
    if problem.objective.hard_targets:
        have = held(landscape, selection)
        for f in np.flatnonzero(~reached(have, problem.target)):  # perhaps by the last digits of a long sum
            have[f] = held_exactly(landscape, selection, int(f))
        for f in np.flatnonzero(~reached(have, problem.target)):
            name = landscape.features["name"].iloc[f]
            faults.append(f"target for '{name}' is {problem.target[f]:.10g}, held is {have[f]:.10g}")
    for constraint in problem.constraints:
        faults.extend(constraint.broken(problem, selection))
    total = sum(value for _, value in terms(problem, selection))
    scale = max(1.0, abs(objective), sum(abs(value) for _, value in terms(problem, selection)))
    if abs(total - objective) > 1e-7 * scale:
        faults.append(f"the claimed objective {objective:.10g} is not the sum of its terms {total:.10g}")
    if faults:
        raise SolveError([f"re-check refused the selection: {fault}" for fault in faults])
