"""run(scenario) -> Run: the straight line. The folder that a run leaves behind: see `runfolder.py`."""

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

from prioritize.errors import DataError, PrioritizeError, SolveError, Stopped
from prioritize.evaluate import evaluate, recheck
from prioritize.inputs import Inputs, stamps_of, take_inputs, with_sides
from prioritize.landscape import Landscape, some
from prioritize.mask import masked_names
from prioritize.problem import Problem, compile_problem
from prioritize.program import Program
from prioritize.progress import Reporter
from prioritize.runfolder import SHARED, TABLES, guard_folder, save_run
from prioritize.scenario import Scenario, read_scenario
from prioritize.solve import Solution, impossible_rows, solve
from prioritize.source import Source, assemble
from prioritize.summary import judged, summarise
from prioritize.table import Table, make_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SHARED", "TABLES", "Run", "check", "guard_folder", "load_landscape", "make_problem", "run", "save_run"]


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
    inputs : dict of str to str
        SHA-256 of every input file by name, and `key` over everything that decides the result.
    reporter : Reporter
        Log, seconds by phase, trajectory.
    """

    scenario: Scenario
    problem: Problem
    solution: Solution
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
    def evaluation(self) -> pd.DataFrame:
        """Tidy: metric, feature, group, zone, value, unit."""
        with self.reporter.phase("evaluate"):
            return evaluate(self.problem, self.selection)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What `summary.json` says."""
        return summarise(self)

    @cached_property
    def tables(self) -> list[Table]:
        """Coverage, ledger, species, shortfalls ...: see `prioritize/tables/`."""
        return make_tables(judged(self.scenario, self.problem, self.selection, self.summary), self.reporter.part)

    def save(self, folder: str | Path) -> Path:
        """Write the run folder and return it: the answer first, and what fails later costs itself alone."""
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
    inputs: Inputs | None = None,
    folder: Path | None = None,
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
    inputs : Inputs, optional
        What `take_inputs(scenario)` gave before the landscape was read.
    folder : Path, optional
        Run folder, written as soon as there is an answer, before its figures are made.

    Returns
    -------
    Run

    Raises
    ------
    PrioritizeError
        ScenarioError, DataError, InfeasibleError or SolveError: whose fault it is; Stopped where the user stopped it
        before there was an answer.

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
        inputs = take_inputs(scenario) if inputs is None else inputs
        landscape = load_landscape(scenario) if landscape is None else landscape
    # what is wrong with a table is better told now than after the solve
    if scenario.output.mask is not None:
        masked_names(landscape, scenario.output.mask)
    if scenario.redline is not None:
        check_redline(scenario)
    for note in landscape.notes:
        reporter.log(f"note: {note}")
    units, features, zones = landscape.shape
    reporter.log(f"{landscape.name}: {units} units, {features} features, {zones} zones, {landscape.amount.nnz} amounts")
    with reporter.phase("compile"):
        problem = make_problem(scenario, landscape)
        program = compile_problem(problem)
        inputs.unchanged()  # all that is read has been read
        for text in cautions(problem, program):
            reporter.caution(text)
    edges = sum(len(group.weight) for group in program.edges)
    reporter.log(f"program: {len(program.cost)} columns, {program.rows.shape[0]} rows, {edges} directed edges")
    with reporter.phase("solve"):
        try:
            solution = solve(program, scenario.solver, seed=scenario.seed, reporter=reporter)
        except SolveError as error:
            if reporter.stop.is_set():
                raise Stopped("no selection that meets every hard row was found before that") from error
            raise
    with reporter.phase("evaluate"):
        recheck(problem, solution.selection, solution.objective)
    reporter.log(f"{solution.status}: objective {solution.objective:.10g}, bound {solution.bound:.10g}")
    done = Run(scenario, problem, solution, inputs.hashes, reporter)
    if folder is not None:
        save_run(done, folder)
    done.evaluation  # noqa: B018  # made now, as long as its time is counted
    return done


def load_landscape(scenario: Scenario, opened: dict[str, Source] | None = None) -> Landscape:
    """Scenario -> Landscape; `opened` keeps sources for scenarios that share one, while their files are the same."""
    stamps = stamps_of(with_sides(scenario.landscape.files())) if opened is not None else {}
    files = [[str(path), stamp] for path, stamp in stamps.items()]
    key = json.dumps([scenario.plain()["landscape"], scenario.seed, files], sort_keys=True)
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
    return found + [extra.advice for extra in program.extras if extra.advice]


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
        try:
            check_redline(scenario)
            facts.append(f"redline: {len(scenario.redline.criteria)} criteria")
        except PrioritizeError as error:
            faults.extend(error.faults)
    return faults, facts


def check_redline(scenario: Scenario) -> None:
    """Refuse a `[redline]` block from which no line can be drawn, as far as that can be seen at once.

    Raises
    ------
    PrioritizeError
        With every fault.
    """
    from prioritize.redline.delineate import check
    from prioritize.redline.inputs import open_grids

    assert scenario.redline is not None
    with ExitStack() as stack:
        check(scenario.redline, open_grids(scenario, None, stack))
