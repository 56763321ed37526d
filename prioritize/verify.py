"""verify(run folder): recompute every row, the objective and the bound from the inputs; trust nothing solved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prioritize.certificate import multipliers_digest, proven_bound, read_certificate, selection_digest
from prioritize.engine.dual import Multipliers
from prioritize.errors import DataError, PrioritizeError
from prioritize.evaluate import recheck, terms
from prioritize.problem import MET, Problem, compile_problem, held
from prioritize.program import Program
from prioritize.runner import input_hashes, load_landscape, make_problem, read_summary
from prioritize.scenario import read_scenario
from prioritize.write import read_selection


@dataclass(frozen=True)
class Verdict:
    """What a verification found.

    Attributes
    ----------
    sentence : str
        The result in one sentence.
    faults : tuple of str
        What does not hold; empty if all does.
    """

    sentence: str
    faults: tuple[str, ...]


def verify(folder: str | Path) -> Verdict:
    """Recompute a run from its inputs.

    Parameters
    ----------
    folder : path
        A run folder.

    Returns
    -------
    Verdict

    Raises
    ------
    PrioritizeError
        If the folder is no run, or its inputs cannot be read any more.
    """
    folder = Path(folder)
    summary = read_summary(folder)
    if summary is None:
        raise DataError(f"{folder}: not a run folder (no readable summary.json)")
    scenario = read_scenario(folder / "scenario.toml")
    inputs = input_hashes(scenario)
    changed = [
        name
        for name in sorted({*inputs, *summary["inputs"]} - {"key"})
        if inputs.get(name) != summary["inputs"].get(name)
    ]
    faults = [f"{name} is not what it was when the run was made" for name in changed]
    landscape = load_landscape(scenario)
    problem = make_problem(scenario, landscape)
    program = compile_problem(problem)
    try:
        selection = read_selection(folder, landscape)
        if selection_digest(landscape, selection) != summary["digests"]["selection"]:
            faults.append("the selection is not the one that the run made (a unit was changed)")
        faults += check_rows(problem, program, selection)
        objective = math.fsum(value for _, value in terms(problem, selection))
        if abs(objective - summary["objective"]) > 1e-9 * max(1.0, abs(objective)):
            faults.append(f"the objective is {objective:.10g}, the run claims {summary['objective']:.10g}")
        multipliers = read_certificate(folder)
    except PrioritizeError as error:
        return Verdict(f"{folder}: NOT verified", (*faults, *error.faults))
    proof = check_bound(program, multipliers, objective, summary, faults)
    met = int(np.sum((held(landscape, selection) >= problem.target * (1 - MET)) & (problem.target > 0)))
    cost = math.fsum(landscape.cost[selection].tolist())
    sentence = f"meets {met} of {int(np.sum(problem.target > 0))} targets; cost {cost:,.10g}; {proof}"
    return Verdict(f"NOT verified: {sentence}" if faults else f"verified: {sentence}", tuple(faults))


def check_rows(problem: Problem, program: Program, selection: np.ndarray) -> list[str]:
    """Every row of the program in exact sums, and every promise recomputed from the landscape."""
    faults = []
    x = selection.astype(np.float64).ravel()
    rows = program.rows
    for row in range(rows.shape[0]):
        span = slice(rows.indptr[row], rows.indptr[row + 1])
        amount = math.fsum(rows.data[span][x[rows.indices[span]] > 0].tolist())
        low, high, soft = program.row_lower[row], program.row_upper[row], math.isfinite(program.price[row])
        if not soft and amount < low - MET * abs(low):
            faults.append(f"{program.row_names[row]}: {amount:.12g} is less than {low:.12g}")
        if amount > high + MET * abs(high):
            faults.append(f"{program.row_names[row]}: {amount:.12g} is more than {high:.12g}")
    try:
        recheck(problem, selection, math.fsum(value for _, value in terms(problem, selection)))
    except PrioritizeError as error:
        faults.extend(error.faults)
    return faults


def check_bound(
    program: Program, multipliers: Multipliers | None, objective: float, summary: dict[str, Any], faults: list[str]
) -> str:
    """What the certificate proves, in words; adds to `faults` what it does not."""
    claimed = summary["bound"]
    own = program.sign * objective
    if multipliers is None:
        if claimed is None:
            return "no bound is claimed"
        return f"no certificate; the solver's own bound ({claimed:.10g}) cannot be verified without solving again"
    if multipliers_digest(multipliers) != summary["digests"].get("multipliers"):
        faults.append("the certificate is not the one that the run made (a multiplier was changed)")
    proven = proven_bound(program, multipliers)
    if proven > own + 1e-9 * max(1.0, abs(own)):
        faults.append(f"the certificate proves {proven:.10g}, above the objective {own:.10g}: one of them is wrong")
    by_multipliers = summary.get("certified_bound")
    if by_multipliers is not None and program.sign * by_multipliers > proven + 1e-7 * max(1.0, abs(proven)):
        faults.append(f"the certificate proves {program.sign * proven:.10g}, the run claims {by_multipliers:.10g}")
    if claimed is not None and program.sign * claimed > own + 1e-9 * max(1.0, abs(own)):
        faults.append(f"the run claims a bound of {claimed:.10g}, better than its own objective {objective:.10g}")
    gap = (own - proven) / abs(own) if own else abs(own - proven)
    text = f"proven within {100 * max(gap, 0.0):.2g} % of the best possible"
    tree = (own - program.sign * claimed) / abs(own) if own and claimed is not None else gap
    if tree < gap - 1e-6:
        text += f" (the solver's tree search, which no certificate repeats, says {100 * max(tree, 0.0):.2g} %)"
    return text
