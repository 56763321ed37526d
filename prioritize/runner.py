"""run(scenario) -> Run: the straight line. And the folder that a run leaves behind."""

from __future__ import annotations

import glob
import hashlib
import json
import platform
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from prioritize.certificate import multipliers_digest, proven_bound, proves, selection_digest, write_certificate
from prioritize.errors import DataError, PrioritizeError
from prioritize.evaluate import evaluate, recheck
from prioritize.landscape import Landscape, some
from prioritize.maplayers import write_map_layers
from prioritize.mask import masked_names, write_shared
from prioritize.output import drafted, guard_path
from prioritize.problem import Problem, compile_problem
from prioritize.program import Program
from prioritize.progress import Reporter
from prioritize.scenario import Scenario, map_files, read_scenario
from prioritize.solve import Solution, impossible_rows, solve
from prioritize.source import Source, assemble
from prioritize.table import Judged, Table, make_tables, write_tables
from prioritize.write import write_selection

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUMMARY = "summary.json"
#: folder of a run, and of a comparison, that holds the tables
TABLES = "tables"
#: folder of a run that may be shown to others
SHARED = "shared"


@dataclass(frozen=True, eq=False)
class Run:
    """A scenario with its answer.

    Attributes
    ----------
    scenario : Scenario
        Resolved: every default written out.
    problem : Problem
        With the landscape and the targets.
    solution : Solution
    evaluation : DataFrame
        Tidy: metric, feature, group, zone, value, unit.
    inputs : dict of str to str
        SHA-256 of every input file by name, and `key` over everything that decides the result.
    reporter : Reporter
        Log, seconds by phase, trajectory.
    """

    scenario: Scenario
    problem: Problem
    solution: Solution
    evaluation: pd.DataFrame
    inputs: dict[str, str]
    reporter: Reporter

    @property
    def landscape(self) -> Landscape:
        """The planning units and what is known of them."""
        return self.problem.landscape

    @property
    def selection(self) -> np.ndarray:
        """(U, Z) bool."""
        return self.solution.selection

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What `summary.json` says."""
        return summarise(self)

    @cached_property
    def tables(self) -> list[Table]:
        """Coverage, ledger, species, shortfalls ...: see `prioritize/tables/`."""
        return make_tables(judged(self.scenario, self.problem, self.selection, self.summary))

    def save(self, folder: str | Path) -> Path:
        """Write the run folder (all of it, or nothing) and return it."""
        return save_run(self, Path(folder))

    def plot(self, path: str | Path | None = None) -> Figure:
        """Map of the selection; also saved where a path is given (`.png`, `.svg` or `.pdf`)."""
        from prioritize.report.notebook import plot_run

        return plot_run(self, path)

    def _repr_html_(self) -> str:
        from prioritize.report.notebook import run_html

        return run_html(self)


def run(
    scenario: Scenario | str | Path,
    changes: Mapping[str, Any] | None = None,
    *,
    reporter: Reporter | None = None,
    landscape: Landscape | None = None,
) -> Run:
    """Answer a scenario.

    Parameters
    ----------
    scenario : Scenario or path of a scenario file
    changes : mapping of dotted key to value, optional
        As `--set` on the command line: `{"solver.gap": 0.01}`.
    reporter : Reporter, optional
    landscape : Landscape, optional
        What `load_landscape(scenario)` gives, where the caller has it already.

    Returns
    -------
    Run

    Raises
    ------
    PrioritizeError
        ScenarioError, DataError, InfeasibleError or SolveError: whose fault it is.

    Examples
    --------
    >>> import prioritize as pz
    >>> run = pz.run("scenarios/pa_only.toml")  # doctest: +SKIP
    >>> run.summary["gap"]  # doctest: +SKIP
    """
    reporter = reporter or Reporter()
    if not isinstance(scenario, Scenario):
        scenario = read_scenario(scenario, changes)
    with reporter.phase("read"):
        inputs = input_hashes(scenario)
        landscape = load_landscape(scenario) if landscape is None else landscape
    if scenario.output.mask is not None:
        masked_names(landscape, scenario.output.mask)  # a wrong one is better told now than after the solve
    for note in landscape.notes:
        reporter.log(f"note: {note}")
    units, features, zones = landscape.shape
    reporter.log(f"{landscape.name}: {units} units, {features} features, {zones} zones, {landscape.amount.nnz} amounts")
    with reporter.phase("compile"):
        problem = make_problem(scenario, landscape)
        program = compile_problem(problem)
        for text in cautions(problem, program):
            reporter.caution(text)
    edges = sum(len(group.weight) for group in program.edges)
    reporter.log(f"program: {len(program.cost)} columns, {program.rows.shape[0]} rows, {edges} directed edges")
    with reporter.phase("solve"):
        solution = solve(program, scenario.solver, seed=scenario.seed, reporter=reporter)
    with reporter.phase("evaluate"):
        recheck(problem, solution.selection, solution.objective)
        evaluation = evaluate(problem, solution.selection)
    reporter.log(f"{solution.status}: objective {solution.objective:.10g}, bound {solution.bound:.10g}")
    return Run(scenario, problem, solution, evaluation, inputs, reporter)


def load_landscape(scenario: Scenario, opened: dict[str, Source] | None = None) -> Landscape:
    """Scenario -> Landscape; `opened` keeps sources for scenarios that share one."""
    key = json.dumps([scenario.plain()["landscape"], scenario.seed], sort_keys=True)
    source = (opened or {}).get(key) or scenario.landscape.open(scenario.seed)
    if opened is not None:
        opened[key] = source
    return assemble(source, scenario.landscape, scenario.zones, scenario.references())


def make_problem(scenario: Scenario, landscape: Landscape) -> Problem:
    """Scenario and Landscape -> Problem.

    Raises
    ------
    DataError
        If there are features, but none is in any unit: to hold nothing of them would be the best possible.
    """
    names = landscape.features["name"].to_numpy()
    if len(names) and not landscape.amount.nnz:
        raise DataError(
            f"{landscape.name}: no feature has an amount in any planning unit ({some(names)}); "
            "do features and units lie in the same place? (features = [] asks for none)"
        )
    return Problem(
        landscape=landscape,
        target=scenario.targets.targets(landscape),
        denominator=scenario.targets.totals(landscape),
        objective=scenario.objective,
        constraints=tuple(scenario.constraints),
        penalties=tuple(scenario.penalties),
    )


def cautions(problem: Problem, program: Program) -> list[str]:
    """What makes an answer mean less than it seems to."""
    found = []
    landscape, objective = problem.landscape, problem.objective
    names = landscape.features["name"].to_numpy()
    absent = np.diff(landscape.amount.indptr) == 0
    if absent.any():
        found.append(
            f"{int(absent.sum())} of {len(names)} features have no amount in any planning unit, so that nothing is "
            f"asked of them: {some(names[absent])}"
        )
    if objective.hard_targets and len(names) and not (problem.target > 0).any():
        found.append("no feature has a target above 0, so that the targets ask for nothing")
    if not objective.hard_targets and not np.isfinite(program.row_upper).any() and not (program.cost > 0).any():
        found.append(
            f"nothing keeps the objective {objective.kind} from selecting all units: a budget is missing "
            '([[constraints]] with kind = "budget", or kind = "area" with max_share)'
        )
    return found


def check(path: str | Path, changes: Mapping[str, Any] | None = None) -> tuple[list[str], list[str]]:
    """Everything that is wrong with a scenario, without solving it.

    Returns
    -------
    (faults, facts)
        Faults in the words of the errors; facts about the landscape and program, as far as they could be built.
    """
    faults: list[str] = []
    facts: list[str] = []
    try:
        scenario = read_scenario(path, changes)
        landscape = load_landscape(scenario)
    except PrioritizeError as error:
        return list(error.faults), facts
    units, features, zones = landscape.shape
    locked_in = int((landscape.status > 0).any(axis=1).sum())
    locked_out = int((landscape.status < 0).all(axis=1).sum())
    facts.append(f"{units} units ({locked_in} locked in, {locked_out} locked out), {features} features, {zones} zones")
    for level, grouping in landscape.groups.items():
        facts.append(f"{level}: {len(grouping.names)} ({some(grouping.names, 6)})")
    facts.extend(f"note: {note}" for note in landscape.notes)
    try:
        problem = make_problem(scenario, landscape)
        asked = int((problem.target > 0).sum())
        facts.append(f"{asked} features have a target (relative targets are shares of: {scenario.targets.denominator})")
        program = compile_problem(problem)
        facts.extend(f"caution: {text}" for text in cautions(problem, program))
        facts.append(f"{len(program.cost)} columns, {program.rows.shape[0]} rows")
        faults.extend(impossible_rows(program))
    except PrioritizeError as error:
        faults.extend(error.faults)
    if scenario.redline is not None:
        from prioritize.redline.delineate import check as check_redline
        from prioritize.redline.inputs import open_grids

        try:
            with ExitStack() as stack:
                check_redline(scenario.redline, open_grids(scenario, None, stack))
            facts.append(f"redline: {len(scenario.redline.criteria)} criteria")
        except PrioritizeError as error:
            faults.extend(error.faults)
    return faults, facts


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
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
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
    )


def save_run(run: Run, folder: Path) -> Path:
    """Write a run folder beside its final place, then rename it: it is there whole or not at all.

    Raises
    ------
    DataError
        If `folder` holds something that is not a run, or cannot be written.
    """
    guard_folder(folder)
    with drafted(folder) as draft:
        write_selection(draft, run.landscape, run.selection)
        run.evaluation.to_parquet(draft / "evaluation.parquet", index=False)
        run.evaluation.to_csv(draft / "evaluation.csv", index=False, lineterminator="\n")
        write_tables(draft / TABLES, run.tables)
        write_map_layers(draft, run.landscape, run.selection)
        mask = run.scenario.output.mask
        if mask is not None:
            write_shared(draft / SHARED, run.landscape, run.selection, run.evaluation, run.tables, mask)
        (draft / "scenario.toml").write_text(run.scenario.toml(folder.resolve()), encoding="utf-8")
        (draft / "log.txt").write_text("\n".join(run.reporter.lines) + "\n", encoding="utf-8")
        if run.solution.multipliers is not None:
            write_certificate(draft, run.solution.multipliers)
        trajectory = pd.DataFrame(run.reporter.trajectory, columns=["seconds", "incumbent", "bound"])
        trajectory.to_csv(draft / "progress.csv", index=False, lineterminator="\n")
        summary = {**run.summary, "digests": {**run.summary["digests"], "files": file_digests(draft)}}
        (draft / SUMMARY).write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return folder


def guard_folder(folder: Path) -> None:
    """Refuse to write over anything but a run (or an empty folder)."""
    guard_path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / SUMMARY).exists():
        raise DataError(f"{folder}: holds files that are not a run; choose another folder with --out")


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a run folder; None where there is no valid run."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    inputs = summary.get("inputs") if isinstance(summary, dict) else None
    return summary if isinstance(inputs, dict) and "key" in inputs else None
