"""What `summary.json` says of a run: figures, proof, digests. The runner writes it, `verify` makes it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from prioritize.certificate import multipliers_digest, selection_digest
from prioritize.errors import DataError
from prioritize.inputfile import MOST_JSON, gate
from prioritize.inputs import file_digest, versions
from prioritize.problem import Problem
from prioritize.progress import relative_gap
from prioritize.scenario import Scenario
from prioritize.solve import Solution
from prioritize.table import Judged

if TYPE_CHECKING:
    from prioritize.runner import Run

SUMMARY = "summary.json"


#: a certificate may prove this much less than a bound and still be what the bound rests on: see `certifies`
TOLERANCE = 1e-6


def summarise(run: Run) -> dict[str, Any]:
    """The numbers that matter, for `summary.json` and the tables."""
    solution = run.solution
    certified = finite(solution.certified)
    return {
        **figures(run.scenario, run.problem, run.evaluation),
        "status": solution.status,
        "objective": solution.objective,
        "bound": finite(solution.bound),
        "certified_bound": certified,
        "bound_by": bound_by(solution.objective, solution.bound, certified),
        "gap": finite(solution.gap),
        "certified_gap": finite(certified_gap(solution.objective, certified)),
        "proof": proof_sentence(solution),
        "cautions": run.reporter.cautions,
        "missing": run.reporter.missing,
        "seconds": {phase: round(seconds, 3) for phase, seconds in run.reporter.seconds.items()},
        "solver": solution.solver,
        "versions": versions(),
        "digests": digests(run),
        "inputs": run.inputs,
    }


def figures(scenario: Scenario, problem: Problem, evaluation: pd.DataFrame) -> dict[str, Any]:
    """What a summary says that follows from scenario, inputs and selection alone: `verify` makes it again."""
    table = evaluation
    plain = table[(table["feature"] == "") & (table["zone"] == "")]

    def one(metric: str) -> float:
        return float(plain[(plain["metric"] == metric) & (plain["group"] == "")]["value"].iloc[0])

    shares = plain[plain["metric"] == "area_share"]
    zoned = table[(table["metric"] == "area") & (table["group"] == "all") & (table["zone"] != "")]
    return {
        "name": scenario.name,
        "title": scenario.title,
        "seed": scenario.seed,
        "objective_kind": scenario.objective.kind,
        "terms": {
            metric.removeprefix("objective:"): float(value)
            for metric, value in zip(table["metric"], table["value"], strict=True)
            if metric.startswith("objective:")
        },
        "cost": one("cost"),
        "cost_new": one("cost_new"),
        "cost_unit": problem.landscape.cost_unit,
        "boundary": one("boundary"),
        "boundary_unit": problem.landscape.length_unit,
        "targets_met": int(one("targets_met")),
        "targets": int(one("targets")),
        "target_denominator": scenario.targets.denominator,
        "units_selected": int(one("units")),
        "units": problem.landscape.shape[0],
        "area_km2": float(plain[(plain["metric"] == "area") & (plain["group"] == "all")]["value"].iloc[0]),
        "area_share": {group: float(value) for group, value in zip(shares["group"], shares["value"], strict=True)},
        "zone_area_km2": {zone: float(value) for zone, value in zip(zoned["zone"], zoned["value"], strict=True)},
    }


def finite(number: float | None) -> float | None:
    """A number, or None where it is none that JSON knows."""
    return number if number is not None and np.isfinite(number) else None


def certified_gap(objective: float, certified: float | None) -> float:
    """How far from the best possible an objective is at most, by the certificate alone; infinite where it says nothing.

    An objective of zero has no share: there a bound that is zero but for rounding is all that can be asked.
    """
    if certified is None or not np.isfinite(certified):
        return np.inf
    if objective == 0:
        return 0.0 if abs(certified) <= 1e-9 else np.inf
    return relative_gap(objective, certified)


def certifies(gap: float, certified: float) -> bool:
    """Whether the gap that a certificate proves is the gap that a run claims, but for TOLERANCE."""
    return bool(np.isfinite(certified) and certified <= gap + TOLERANCE)


def bound_by(objective: float, bound: float, certified: float | None) -> str | None:
    """What a bound rests on: the `certificate`, or, where it is better than that, a solver's `tree search`."""
    if not np.isfinite(bound):
        return None
    alone = certifies(relative_gap(objective, bound), certified_gap(objective, certified))
    return "certificate" if alone else "tree search"


def digests(run: Run) -> dict[str, str]:
    """Digests by which `verify` notices a changed unit or multiplier.

    `save_run` adds `files`, one for each file, and `summary`, over all that the summary says.
    """
    found = {"selection": selection_digest(run.landscape, run.selection)}
    if run.solution.multipliers is not None:
        found["multipliers"] = multipliers_digest(run.solution.multipliers)
    return found


def file_digests(folder: Path) -> dict[str, str]:
    """Digest of every file below a run folder, but for its summary, which holds them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / SUMMARY)
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}


def damage(folder: Path, summary: Mapping[str, Any]) -> list[str]:
    """What of a run is not as it was made: its summary, files that are changed, gone or not told of.

    What others put beside them is theirs.
    """
    digests = summary.get("digests")
    files = digests.get("files") if isinstance(digests, dict) else None
    if not isinstance(digests, dict) or not isinstance(files, dict) or not files:
        return [
            f"{folder / SUMMARY}: no digests of the run's files (an older version made it, or they were taken out); "
            "remove the folder and make the run again"
        ]
    faults = []
    if digests.get("summary") != summary_digest(summary):
        faults.append(f"{folder / SUMMARY}: not what the run wrote (a value was changed)")
    for name, known in files.items():
        path = folder / name
        try:
            if ".." in Path(name).parts or Path(name).is_absolute() or not path.is_file():
                faults.append(f"{path}: no such file, but the run wrote it")
            elif file_digest(path) != known:
                faults.append(f"{path}: not the file that the run wrote (changed or cut off)")
        except (OSError, ValueError) as error:
            faults.append(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})")
    return faults


def summary_digest(summary: Mapping[str, Any]) -> str:
    """Digest of all that a summary says, but for this digest (`digests.summary`)."""
    digests = summary.get("digests")
    bare = {key: value for key, value in digests.items() if key != "summary"} if isinstance(digests, dict) else digests
    text = json.dumps({**summary, "digests": bare}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def proof_sentence(solution: Solution) -> str:
    """How good a solution is in plain words."""
    return proof_of(solution.status, solution.gap, certified_gap(solution.objective, solution.certified))


def proof_of(status: str, gap: float, certified: float) -> str:
    """A status and two gaps (infinite where nothing is known) in plain words: proven is what the certificate proves.

    Parameters
    ----------
    status : str
    gap : float
        What the run claims.
    certified : float
        What its certificate proves (see `certified_gap`).
    """
    if not np.isfinite(gap) and status != "optimal":
        return f"no proof of how good this is ({status.replace('_', ' ')})"
    if certifies(gap, certified):
        if status == "optimal":
            return "proven to be the best possible"
        words = f"proven to be within {percent(gap)} of the best possible"
    else:
        first = "nothing is certified"
        if np.isfinite(certified):
            first = f"certified within {percent(certified)} of the best possible"
        claim = "0 %" if status == "optimal" else percent(gap)
        words = f"{first}; the solver's tree search claims {claim}"
    ends = {"time_limit": " (stopped by the time limit)", "interrupted": " (stopped by you)"}
    return words + ends.get(status, "")


def percent(gap: float) -> str:
    """`0.75 %`, two digits; what is left of an optimum by rounding is 0 %."""
    if gap <= 1e-6:
        return "0 %"
    return f"{100 * gap:.2g} %" if gap < 0.1 else f"{100 * gap:.0f} %"


def judged(scenario: Scenario, problem: Problem, selection: np.ndarray, summary: Mapping[str, Any]) -> Judged:
    """A plan for the makers of tables, from a run or from what its `summary.json` says."""
    return Judged(
        problem=problem,
        selection=selection,
        scenario=scenario,
        objective=summary["objective"],
        bound=np.nan if summary["bound"] is None else summary["bound"],
        gap=np.nan if summary["gap"] is None else summary["gap"],
        status=summary["status"],
        proof=summary["proof"],
        inputs=summary["inputs"],
        cautions=summary.get("cautions", ()),
    )


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a run folder; None where there is no valid run."""
    try:
        summary = json.loads(gate(folder / SUMMARY, most=MOST_JSON).read_text(encoding="utf-8"))
    except (DataError, OSError, ValueError, RecursionError):
        return None
    inputs = summary.get("inputs") if isinstance(summary, dict) else None
    return summary if isinstance(inputs, dict) and "key" in inputs else None
