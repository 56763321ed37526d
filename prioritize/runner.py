"""run(scenario) -> Run: the straight line. And the folder that a run leaves behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from prioritize.certificate import write_certificate
from prioritize.errors import DataError, PrioritizeError
from prioritize.evaluate import evaluate, recheck
from prioritize.landscape import Landscape, some
from prioritize.maplayers import write_map_layers
from prioritize.mask import masked_names, write_shared
from prioritize.output import drafted, guard_path
from prioritize.plaintext import write_csv
from prioritize.problem import Problem, compile_problem
from prioritize.program import Program
from prioritize.progress import Reporter
from prioritize.scenario import Scenario, read_scenario
from prioritize.solve import Solution, impossible_rows, solve
from prioritize.source import Source, assemble
from prioritize.summary import SUMMARY, file_digests, input_hashes, judged, summarise
from prioritize.table import Table, make_tables, write_tables
from prioritize.write import write_selection

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
        write_csv(draft / "evaluation.csv", run.evaluation)
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
        write_csv(draft / "progress.csv", trajectory)
        summary = {**run.summary, "digests": {**run.summary["digests"], "files": file_digests(draft)}}
        (draft / SUMMARY).write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return folder


def guard_folder(folder: Path) -> None:
    """Refuse to write over anything but a run (or an empty folder)."""
    guard_path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / SUMMARY).exists():
        raise DataError(f"{folder}: holds files that are not a run; choose another folder with --out")
