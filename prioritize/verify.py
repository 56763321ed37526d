"""verify(run folder): recompute every row, the objective and the bound from the inputs; trust nothing solved.

Digests of inputs and files guard against accidents: a file changed, cut off, lost or mixed up since. The recomputation
guards against false claims: whoever rewrites a file may rewrite its digest too, but not what follows from the inputs.
What a tree search proved beyond the certificate, seconds, solver and versions are the run's word alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prioritize.certificate import FILE, multipliers_digest, proven_bound, proves, read_certificate, selection_digest
from prioritize.engine.dual import Multipliers
from prioritize.errors import DataError, PrioritizeError
from prioritize.evaluate import evaluate, recheck, terms
from prioritize.problem import Problem, compile_problem, held
from prioritize.program import Program
from prioritize.progress import relative_gap
from prioritize.runner import load_landscape, make_problem
from prioritize.scenario import Scenario, read_scenario
from prioritize.summary import SUMMARY, bound_by, figures, file_digest, input_hashes, proof_of, read_summary
from prioritize.tolerance import reached
from prioritize.write import read_selection

#: how a solve may end (see `solve.Solution`)
ENDS = ("optimal", "within_gap", "time_limit", "repaired", "interrupted")


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
    DataError
        If the folder is no run, or one of a version that kept no digests of its files.
    """
    folder = Path(folder)
    summary = read_summary(folder)
    if summary is None:
        raise DataError(f"{folder}: not a run folder (no readable {SUMMARY})")
    digests = summary.get("digests")
    files = digests.get("files") if isinstance(digests, dict) else None
    if not isinstance(digests, dict) or not isinstance(files, dict) or not files:
        raise DataError(
            f"{folder / SUMMARY}: no digests of the run's files (an older version made it, or they were taken out); "
            "remove the folder and make the run again"
        )
    faults = changed_files(folder, files)
    try:
        scenario = read_scenario(folder / "scenario.toml")
        faults += changed_inputs(scenario, summary["inputs"])
        landscape = load_landscape(scenario)
        problem = make_problem(scenario, landscape)
        program = compile_problem(problem)
        selection = read_selection(folder, landscape)
        multipliers = read_certificate(folder)
    except PrioritizeError as error:
        return Verdict(f"NOT verified: {folder} cannot be recomputed", tuple(add_new(faults, error.faults)))
    if selection_digest(landscape, selection) != digests.get("selection"):
        faults.append("the selection is not the one that the run made (a unit was changed)")
    faults += check_rows(problem, program, selection)
    objective = math.fsum(value for _, value in terms(problem, selection))
    follows = {**figures(scenario, problem, evaluate(problem, selection)), "objective": objective}
    faults += false_claims(follows, summary)
    if multipliers is None:
        proof = f"nothing is proven: there is no {FILE}"
        # a bound of minus infinity is all that is known without one, and no run leaves that behind
        if "multipliers" in digests or any(summary.get(key) is not None for key in ("bound", "certified_bound")):
            faults = add_new(faults, [f"{folder / FILE}: no such file, and the run claims a bound; make the run again"])
    else:
        if multipliers_digest(multipliers) != digests.get("multipliers"):
            faults.append("the certificate is not the one that the run made (a multiplier was changed)")
        proof = check_bound(program, multipliers, objective, summary, faults)
    faults += check_claims(scenario, problem, summary)
    met = int(np.sum(reached(held(landscape, selection), problem.target) & (problem.target > 0)))
    cost = math.fsum(landscape.cost[selection].tolist())
    sentence = f"meets {met} of {int(np.sum(problem.target > 0))} targets; cost {cost:,.10g}; {proof}"
    return Verdict(f"NOT verified: {sentence}" if faults else f"verified: {sentence}", tuple(faults))


def changed_files(folder: Path, files: Mapping[str, Any]) -> list[str]:
    """Files of the run that are gone or are not what they were; what others put beside them is theirs."""
    faults = []
    for name, known in files.items():
        path = folder / name
        try:
            if not path.is_file():
                faults.append(f"{path}: no such file, but the run wrote it")
            elif file_digest(path) != known:
                faults.append(f"{path}: not the file that the run wrote (changed or cut off)")
        except OSError as error:
            faults.append(f"{path}: cannot be read ({error.strerror})")
    return faults


def add_new(faults: list[str], more: Iterable[str]) -> list[str]:
    """Faults and those of other files: of a damaged file it is told once that it is."""
    named = {fault.partition(": ")[0] for fault in faults}
    return [*faults, *(fault for fault in more if fault.partition(": ")[0] not in named)]


def changed_inputs(scenario: Scenario, known: Mapping[str, Any]) -> list[str]:
    """Input files that are not what they were.

    `key` is none of them: it is there to find runs that need not be made again, so that another version of prioritize
    gives another. That the scenario is the same says the digest of its copy.
    """
    inputs = input_hashes(scenario)
    names = sorted({*inputs, *known} - {"key"})
    return [f"{name} is not what it was when the run was made" for name in names if inputs.get(name) != known.get(name)]


def false_claims(follows: Mapping[str, Any], claims: Mapping[str, Any], above: str = "") -> list[str]:
    """What a summary claims that does not follow; sums may differ in their last digits, NaN is no number."""
    faults = []
    for key, value in follows.items():
        claimed = claims.get(key)
        if isinstance(value, dict) and isinstance(claimed, dict):
            # what is claimed beyond is as false as what is missing
            beyond = dict.fromkeys(claimed.keys() - value.keys())
            faults += false_claims({**value, **beyond}, claimed, f"{above}{key}.")
            continue
        if isinstance(value, int | float):
            right = abs(number(claimed) - value) <= 1e-9 * max(1.0, abs(value))
        else:
            right = claimed == value
        if not right:
            faults.append(f"the {above}{key} is {told(value)}, the run claims {told(claimed)}")
    return faults


def number(claimed: Any) -> float:
    """A number of a summary; NaN, which equals nothing, where it is none."""
    try:
        return float(claimed) if isinstance(claimed, int | float) and not isinstance(claimed, bool) else math.nan
    except OverflowError:  # JSON knows whole numbers of any length
        return math.nan


def told(value: Any) -> str:
    """A value of a summary, for people."""
    return "nothing" if value is None else f"{value:.10g}" if isinstance(value, float) else repr(value)[:80]


def check_rows(problem: Problem, program: Program, selection: np.ndarray) -> list[str]:
    """Every row of the program in exact sums, and every promise recomputed from the landscape."""
    faults = []
    x = selection.astype(np.float64).ravel()
    rows = program.rows
    for row in range(rows.shape[0]):
        span = slice(rows.indptr[row], rows.indptr[row + 1])
        amount = math.fsum(rows.data[span][x[rows.indices[span]] > 0].tolist())
        low, high, soft = program.row_lower[row], program.row_upper[row], math.isfinite(program.price[row])
        if not soft and amount < low:
            faults.append(f"{program.row_names[row]}: {amount:.12g} is less than {low:.12g}")
        if amount > high:
            faults.append(f"{program.row_names[row]}: {amount:.12g} is more than {high:.12g}")
    try:
        recheck(problem, selection, math.fsum(value for _, value in terms(problem, selection)))
    except PrioritizeError as error:
        faults.extend(error.faults)
    return faults


def check_bound(
    program: Program, multipliers: Multipliers, objective: float, summary: Mapping[str, Any], faults: list[str]
) -> str:
    """What the certificate proves, in words; adds to `faults` what it does not.

    Every comparison is written so that NaN, and what is no number, is a fault.
    """
    own, sign = program.sign * objective, program.sign
    proven = proven_bound(program, multipliers)
    if not math.isfinite(proven):
        faults.append(f"{FILE} proves nothing: a price or a flow is outside its limits")
        return "nothing is proven"
    certified, bound = number(summary.get("certified_bound")), number(summary.get("bound"))
    if not proven <= own + 1e-9 * max(1.0, abs(own)):
        faults.append(f"the certificate proves {sign * proven:.10g}, the objective is {objective:.10g}: one is wrong")
    if not (proves(proven, sign * certified) and proves(sign * certified, proven)):
        claimed = told(summary.get("certified_bound"))
        faults.append(f"the certificate proves {sign * proven:.10g}, the run claims {claimed} (certified_bound)")
    if not proves(sign * bound, proven):
        faults.append(
            f"the certificate proves {sign * proven:.10g}, the run claims {told(summary.get('bound'))} (bound)"
        )
    elif not sign * bound <= own + 1e-9 * max(1.0, abs(own)):
        faults.append(
            f"the run claims a bound of {told(summary.get('bound'))}, better than its own objective {objective:.10g}"
        )
    gap = (own - proven) / abs(own) if own else abs(own - proven)
    text = f"proven within {100 * max(gap, 0.0):.2g} % of the best possible"
    tree = (own - sign * bound) / abs(own) if own else gap
    if tree < gap - 1e-6:
        text += f" (the solver's tree search, which no certificate repeats, says {100 * max(tree, 0.0):.2g} %)"
    return text


def check_claims(scenario: Scenario, problem: Problem, summary: Mapping[str, Any]) -> list[str]:
    """What a run says of its proof must follow from its objective and bound, which are checked elsewhere."""
    objective, bound, certified = (number(summary.get(key)) for key in ("objective", "bound", "certified_bound"))
    gap = relative_gap(objective, bound)
    status = summary.get("status")
    if status not in ENDS or (status == "optimal") != (gap <= 1e-6):
        return [f"the run claims to be {told(status)} with a gap of {100 * gap:.4g} %"]
    # what a solver counts as its gap is not to the last digit what is left after rounding
    if status == "within_gap" and gap > 1.01 * scenario.solver.gap + 1e-4 and abs(objective - bound) > 1e-6:
        asked = f"{100 * scenario.solver.gap:.4g} %"
        return [f"the run claims to be within the gap that was asked for ({asked}), its own is {100 * gap:.4g} %"]
    follows = {
        "gap": gap if math.isfinite(gap) else None,
        "proof": proof_of(str(status), gap),
        "bound_by": bound_by(problem, certified, bound),
    }
    return false_claims(follows, summary)
