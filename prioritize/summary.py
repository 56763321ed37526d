"""What `summary.json` says of a run: figures, proof, digests. The runner writes it, `verify` makes it again."""

from __future__ import annotations

import glob
import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from prioritize.certificate import multipliers_digest, proven_bound, proves, selection_digest
from prioritize.errors import DataError
from prioritize.inputfile import MOST_JSON, gate
from prioritize.problem import Problem, compile_problem
from prioritize.scenario import Scenario, map_files
from prioritize.solve import Solution
from prioritize.table import Judged

if TYPE_CHECKING:
    from prioritize.runner import Run

SUMMARY = "summary.json"


def input_hashes(scenario: Scenario) -> dict[str, str]:
    """SHA-256 of every file that the scenario names, and `key` over all that decides the result.

    A file that cannot be read is `absent`: to complain is the reader's part, who knows what it is needed for.
    """
    files: set[Path] = set(scenario.landscape.files())
    plain = scenario.plain()
    plain.pop("output", None)

    def collect(name: str) -> str:
        bare = name.split("#")[0]
        found = [Path(path) for path in glob.glob(bare)] if any(mark in bare for mark in "*?[") else [Path(bare)]
        files.update(found)
        return Path(name).name

    anonymous = map_files(plain, collect)
    hashes: dict[str, str] = {}
    for path in sorted(files):
        try:
            with gate(path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, DataError):  # a pipe or a device is never opened
            digest = "absent"
        name = path.name if path.name not in hashes else str(path)
        hashes[name] = digest
    decisive = json.dumps([version("prioritize"), anonymous, sorted(hashes.values())], sort_keys=True)
    return {"key": hashlib.sha256(decisive.encode()).hexdigest(), **hashes}


def summarise(run: Run) -> dict[str, Any]:
    """The numbers that matter, for `summary.json` and the tables."""
    solution = run.solution
    certified = certified_bound(run)
    return {
        **figures(run.scenario, run.problem, run.evaluation),
        "status": solution.status,
        "objective": solution.objective,
        "bound": solution.bound if np.isfinite(solution.bound) else None,
        "certified_bound": certified,
        "bound_by": bound_by(run.problem, certified, solution.bound),
        "gap": solution.gap if np.isfinite(solution.gap) else None,
        "proof": proof_sentence(solution),
        "cautions": run.reporter.cautions,
        "seconds": {phase: round(seconds, 3) for phase, seconds in run.reporter.seconds.items()},
        "solver": solution.solver,
        "versions": {
            "prioritize": version("prioritize"),
            "python": platform.python_version(),
            **{name: version(name) for name in ("ortools", "numpy", "scipy", "numba")},
        },
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


def certified_bound(run: Run) -> float | None:
    """What the multipliers alone prove (a tree search may have proven more), in the user's sense."""
    if run.solution.multipliers is None:
        return None
    program = compile_problem(run.problem)
    return program.sign * proven_bound(program, run.solution.multipliers)


def bound_by(problem: Problem, certified: float | None, bound: float) -> str | None:
    """What a bound rests on: the `certificate`, or, where it is better than that, a solver's `tree search`."""
    if not np.isfinite(bound):
        return None
    sign = -1.0 if problem.objective.maximise else 1.0
    return "certificate" if certified is not None and proves(sign * certified, sign * bound) else "tree search"


def digests(run: Run) -> dict[str, str]:
    """Digests by which `verify` notices a changed unit or multiplier; `save_run` adds `files`, one for each file."""
    found = {"selection": selection_digest(run.landscape, run.selection)}
    if run.solution.multipliers is not None:
        found["multipliers"] = multipliers_digest(run.solution.multipliers)
    return found


def file_digests(folder: Path) -> dict[str, str]:
    """Digest of every file below a run folder, but for its summary, which holds them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / SUMMARY)
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}


def file_digest(path: Path) -> str:
    """SHA-256 of a file; of an SQLite file (GeoPackage) without the counters that QGIS changes by opening it."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(100)
        if head.startswith(b"SQLite format 3\0"):
            # journal mode, change counter, and by which version of SQLite it was changed (sqlite.org/fileformat.html)
            head = head[:18] + head[20:24] + head[28:92]
        total.update(head)
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def proof_sentence(solution: Solution) -> str:
    """The gap in plain words."""
    return proof_of(solution.status, solution.gap)


def proof_of(status: str, gap: float) -> str:
    """A status and a gap (infinite where nothing is proven) in plain words."""
    if status == "optimal":
        return "proven to be the best possible"
    if not np.isfinite(gap):
        return f"no proof of how good this is ({status.replace('_', ' ')})"
    share = f"{100 * gap:.2g}" if gap < 0.1 else f"{100 * gap:.0f}"
    words = f"proven to be within {share} % of the best possible"
    ends = {"time_limit": " (stopped by the time limit)", "interrupted": " (stopped by you)"}
    return words + ends.get(status, "")


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
