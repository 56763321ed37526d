"""verify(run folder): make everything that can be made again from the inputs, and say what that proves.

Digests of inputs and files guard against accidents: a file changed, cut off, lost or mixed up since. Whoever changes a
file on purpose may make its digest again, but not what follows from the inputs: every file but a few (`runner.KEPT`) is
written a second time and compared, and every value of the summary is computed or must fit what is.

Three things may come of it:

* `certified`: the certificate alone proves the gap that the run claims, to within `summary.TOLERANCE` (1e-6, in shares
  of the objective; the same as what `optimal` means). Nobody has to be believed but the inputs.
* `claimed`: all is as it should be, but part of the gap, or all of it, rests on a solver's tree search, which nobody
  can repeat without solving again. What the certificate proves is said first.
* `wrong`: something does not follow, is damaged or lost.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from prioritize.certificate import FILE, multipliers_digest, proven_bound, proves, read_certificate, selection_digest
from prioritize.engine.dual import Multipliers
from prioritize.errors import DataError, PrioritizeError
from prioritize.evaluate import evaluate, recheck, terms
from prioritize.inputs import input_hashes, versions
from prioritize.problem import Problem, compile_problem, held
from prioritize.program import Program
from prioritize.progress import Reporter, relative_gap
from prioritize.record import check_record
from prioritize.runfolder import KEPT, write_again
from prioritize.runner import cautions, load_landscape, make_problem
from prioritize.same import alike, difference
from prioritize.scenario import Scenario, read_scenario
from prioritize.summary import (
    SUMMARY,
    bound_by,
    certified_gap,
    certifies,
    damage,
    figures,
    finite,
    judged,
    percent,
    proof_of,
    read_summary,
)
from prioritize.table import make_tables
from prioritize.tolerance import reached
from prioritize.write import read_selection

#: how a solve may end (see `solve.Solution`)
ENDS = ("optimal", "within_gap", "time_limit", "repaired", "interrupted")
#: phases that a run counts the seconds of
PHASES = ("read", "compile", "solve", "evaluate")
#: what a summary says that does not follow, and is checked apart
TOLD = ("bound", "status", "seconds", "solver", "versions", "digests", "missing")
#: exit codes of `prioritize verify`; 2 is a wrong question, as everywhere
CODES = {"certified": 0, "wrong": 1, "claimed": 3}


@dataclass(frozen=True)
class Verdict:
    """What a verification found.

    Attributes
    ----------
    status : {'certified', 'claimed', 'wrong'}
    sentence : str
        The result in one sentence.
    faults : tuple of str
        What does not hold; empty if all does.
    """

    status: Literal["certified", "claimed", "wrong"]
    sentence: str
    faults: tuple[str, ...] = ()


def verify(folder: str | Path) -> Verdict:
    """Make a run again from its inputs and its selection, and compare.

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
        If the folder is no run folder.
    """
    folder = Path(folder)
    if not (folder / SUMMARY).is_file():
        raise DataError(f"{folder}: not a run folder (there is no {SUMMARY} in it)")
    summary = read_summary(folder)
    if summary is None:
        return broken(folder, [f"{folder / SUMMARY}: damaged, or not the summary of a run; make the run again"])
    faults = damage(folder, summary)
    try:
        scenario = read_scenario(folder / "scenario.toml")
        inputs = input_hashes(scenario, made_by(summary))
        faults += changed_inputs(inputs, summary["inputs"])
        landscape = load_landscape(scenario)
        problem = make_problem(scenario, landscape)
        program = compile_problem(problem)
        selection = read_selection(folder, landscape)
        multipliers = read_certificate(folder, program)
    except PrioritizeError as error:
        return broken(folder, add_new(faults, error.faults))
    faults += check_rows(problem, program, selection)
    objective = objective_of(problem, selection, summary)
    certified = None if multipliers is None else program.sign * proven_bound(program, multipliers)
    faults += check_bound(folder, program, certified, objective, summary)
    faults += check_end(scenario, objective, summary)
    faults += check_told(scenario, summary)
    evaluation = evaluate(problem, selection)
    follows = {
        **figures(scenario, problem, evaluation),
        **claims_of(objective, certified, summary),
        "cautions": cautions(problem, program),
        "inputs": inputs,
    }
    faults += false_claims(follows, summary)
    faults += [f"{key[:40]} is nothing that a run tells" for key in sorted({*summary} - {*follows, *TOLD})]
    faults += check_digests(landscape_digests(problem, selection, multipliers), summary)
    told = f"meets {met(problem, selection)} targets; cost {math.fsum(landscape.cost[selection].tolist()):,.10g}"
    try:
        check_record(folder / SUMMARY, summary)
    except DataError as error:  # nothing can be made of what only the run can tell
        return verdict(told, objective, certified, summary, faults or list(error.faults))
    with tempfile.TemporaryDirectory(prefix="prioritize-") as name:
        again = Reporter()  # what the run could not make for a fault of its inputs cannot be made here
        made = make_tables(judged(scenario, problem, selection, {**summary, **follows}), again.part)
        faults += [
            f"{folder / part}: cannot be made again: {reason}"
            for part, reason in again.missing.items()
            if part not in (summary.get("missing") or {})
        ]
        write_again(Path(name), scenario, landscape, selection, evaluation, made)
        faults = add_new(faults, other_files(folder, Path(name), summary))
    if faults and made_by(summary) != versions():
        faults.append("the run was made by another version of prioritize or its libraries; to use this one, run again")
    return verdict(told, objective, certified, summary, faults)


def verdict(
    told: str, objective: float, certified: float | None, summary: Mapping[str, Any], faults: list[str]
) -> Verdict:
    """The verdict in words: what the certificate proves first, and what else is claimed after it."""
    gap, proven = relative_gap(objective, number(summary.get("bound"))), certified_gap(objective, certified)
    proof = f"within {percent(proven)} of the best possible" if math.isfinite(proven) else "nothing is proven"
    if faults:
        return Verdict("wrong", f"NOT verified: {told}; {proof}", tuple(faults))
    if certifies(gap, proven):
        best = "the best possible" if summary["status"] == "optimal" else proof
        return Verdict("certified", f"certified: {told}; {best}")
    first = f"certified only {proof}" if math.isfinite(proven) else f"not certified: {proof}"
    claim = (
        f"claims {percent(gap)}, which nobody can check without solving again"
        if math.isfinite(gap)
        else "claims nothing"
    )
    return Verdict("claimed", f"{first}; the solver's tree search {claim}; {told}")


def broken(folder: Path, faults: Iterable[str]) -> Verdict:
    """The verdict on a run of which too little is left."""
    return Verdict("wrong", f"NOT verified: {folder} cannot be recomputed", tuple(faults))


def met(problem: Problem, selection: np.ndarray) -> str:
    """`38 of 38`."""
    asked = problem.target > 0
    enough = reached(held(problem.landscape, selection), problem.target)
    return f"{int(np.sum(enough & asked))} of {int(np.sum(asked))}"


def made_by(summary: Mapping[str, Any]) -> Any:
    """The versions that a run says it was made by."""
    return summary.get("versions")


def add_new(faults: list[str], more: Iterable[str]) -> list[str]:
    """Faults and those of other files: of a damaged file it is told once that it is."""
    named = {fault.partition(": ")[0] for fault in faults}
    return [*faults, *(fault for fault in more if fault.partition(": ")[0] not in named)]


def changed_inputs(inputs: Mapping[str, str], known: Mapping[str, Any]) -> list[str]:
    """Input files that are not what they were; `key` follows from them and is compared with the summary."""
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
        if key not in claims or not alike(claimed, value):
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


def objective_of(problem: Problem, selection: np.ndarray, summary: Mapping[str, Any]) -> float:
    """The objective recomputed; as the run says it where that differs by no more than its terms' last digits."""
    values = [value for _, value in terms(problem, selection)]
    objective, claimed = math.fsum(values), number(summary.get("objective"))
    return claimed if abs(claimed - objective) <= 1e-9 * math.fsum(map(abs, values)) else objective


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
    folder: Path, program: Program, certified: float | None, objective: float, summary: Mapping[str, Any]
) -> list[str]:
    """What a run claims of its bounds against what the certificate proves.

    Every comparison is written so that NaN, and what is no number, is a fault.
    """
    if certified is None:
        # a bound of minus infinity is all that is known without one, and no run leaves that behind
        digests = summary.get("digests")
        kept = isinstance(digests, dict) and "multipliers" in digests
        claimed = kept or any(summary.get(key) is not None for key in ("bound", "certified_bound", "gap"))
        return [f"{folder / FILE}: no such file, and the run claims a bound; make the run again"] if claimed else []
    own, sign = program.sign * objective, program.sign
    proven, bound = sign * certified, number(summary.get("bound"))
    if not math.isfinite(proven):
        return [f"{folder / FILE} proves nothing: a price or a flow is outside its limits"]
    faults = []
    if not proven <= own + 1e-9 * max(1.0, abs(own)):
        faults.append(f"the certificate proves {certified:.10g}, the objective is {objective:.10g}: one is wrong")
    if not proves(sign * bound, proven):
        faults.append(f"the certificate proves {certified:.10g}, the run claims {told(summary.get('bound'))} (bound)")
    elif not sign * bound <= own + 1e-9 * max(1.0, abs(own)):
        faults.append(
            f"the run claims a bound of {told(summary.get('bound'))}, better than its own objective {objective:.10g}"
        )
    return faults


def check_end(scenario: Scenario, objective: float, summary: Mapping[str, Any]) -> list[str]:
    """How a run says that it ended must fit its objective and bound."""
    bound, status = number(summary.get("bound")), summary.get("status")
    gap = relative_gap(objective, bound)
    if status not in ENDS or (status == "optimal") != (gap <= 1e-6):
        return [f"the run claims to be {told(status)} with a gap of {100 * gap:.4g} %"]
    # what a solver counts as its gap is not to the last digit what is left after rounding
    if status == "within_gap" and gap > 1.01 * scenario.solver.gap + 1e-4 and abs(objective - bound) > 1e-6:
        asked = f"{100 * scenario.solver.gap:.4g} %"
        return [f"the run claims to be within the gap that was asked for ({asked}), its own is {100 * gap:.4g} %"]
    return []


def claims_of(objective: float, certified: float | None, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a summary must say of its proof, its bound and status (which are checked apart) taken as they are."""
    gap, status = relative_gap(objective, number(summary.get("bound"))), summary.get("status")
    proven = certified_gap(objective, certified)
    return {
        "objective": objective,
        "certified_bound": finite(certified),
        "certified_gap": finite(proven),
        "gap": finite(gap),
        "bound_by": bound_by(objective, number(summary.get("bound")), certified),
        "proof": proof_of(str(status), gap, proven),
    }


def check_told(scenario: Scenario, summary: Mapping[str, Any]) -> list[str]:
    """What only the run can tell (solver, seconds, versions) must at least be of the kind that it tells."""
    faults = []
    made, ours = made_by(summary), versions()
    known = isinstance(made, dict) and made.keys() == ours.keys()
    if not known or not all(isinstance(text, str) and re.fullmatch(r"[\w.+-]{1,40}", text) for text in made.values()):
        faults.append(f"the versions are those of {', '.join(ours)}, the run claims {told(made)}")
    kind, ortools = scenario.solver.kind, made["ortools"] if known else ""
    names = ["engine", f"highs (OR-Tools {ortools})"] if kind == "auto" else [f"{kind} (OR-Tools {ortools})"]
    solver = summary.get("solver")
    parts = solver.split(" and ") if isinstance(solver, str) else [""]
    if not all(part in names or (part == "repair" and kind == "auto") for part in parts) or parts[0] == "repair":
        faults.append(f"the solver is {' or '.join(names)} (asked for: {kind}), the run claims {told(solver)}")
    seconds = summary.get("seconds")
    if (
        not isinstance(seconds, dict)
        or set(seconds) != set(PHASES)
        or not all(0 <= number(value) < math.inf for value in seconds.values())
    ):
        faults.append(f"the seconds are those of {', '.join(PHASES)}, the run claims {told(seconds)}")
    return faults


def landscape_digests(
    problem: Problem, selection: np.ndarray, multipliers: Multipliers | None
) -> dict[str, tuple[str, str]]:
    """Digests of selection and multipliers, and what it means if they differ."""
    found = {
        "selection": (
            selection_digest(problem.landscape, selection),
            "the selection is not the one that the run made (a unit was changed)",
        )
    }
    if multipliers is not None:
        found["multipliers"] = (
            multipliers_digest(multipliers),
            "the certificate is not the one that the run made (a multiplier was changed)",
        )
    return found


def check_digests(follows: Mapping[str, tuple[str, str]], summary: Mapping[str, Any]) -> list[str]:
    """Digests of contents, and that nothing stands in the summary that no run writes."""
    digests = summary.get("digests")
    digests = digests if isinstance(digests, dict) else {}
    faults = [meaning for name, (digest, meaning) in follows.items() if digests.get(name) != digest]
    beyond = sorted({*digests} - {*follows, "files", "summary"})
    return faults + [f"digests.{name[:40]} is nothing that a run keeps" for name in beyond]


def other_files(folder: Path, again: Path, summary: Mapping[str, Any]) -> list[str]:
    """Files of a run that are others than those made again, or that no run writes."""
    digests = summary.get("digests")
    files = digests.get("files") if isinstance(digests, dict) else None
    listed = set(files) if isinstance(files, dict) else set()
    made = sorted(path.relative_to(again).as_posix() for path in again.rglob("*") if path.is_file())
    lost = summary.get("missing")
    lost = lost if isinstance(lost, dict) else {}
    faults = []
    for name in made:
        path = folder / name
        if name not in listed or not path.is_file():
            why = lost.get(name) or lost.get(name.partition("/")[0])
            reason = f" (the run says why: {told(why)})" if why else ""
            faults.append(f"{path}: no such file, but every such run has it{reason}")
        elif found := difference(path, again / name):
            faults.append(f"{path}: not what follows from the inputs: {found}")
    kept = {*KEPT} - {SUMMARY, FILE}
    faults += [f"{folder / name}: no such file, but every run has it" for name in sorted(kept - listed)]
    beyond = sorted(listed - {*made, *KEPT})
    return faults + [f"{folder / name}: no run of this scenario writes such a file" for name in beyond]
