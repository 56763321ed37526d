"""Rule against optimisation: the cheapest and the smallest line that achieve what a line drawn by rule does, and the
most that its area can achieve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from prioritize.engine.dual import at_zero
from prioritize.errors import DataError, ScenarioError, SolveError
from prioritize.evaluate import recheck
from prioritize.landscape import FREE, LOCKED_IN, LOCKED_OUT, Landscape
from prioritize.problem import Problem, by_zone, compile_problem, held
from prioritize.program import Builder, Program
from prioritize.progress import Reporter, relative_gap
from prioritize.redline.ruled import Ruled, ruled_units
from prioritize.registry import family
from prioritize.scenario import Scenario
from prioritize.solve import Solution, certify, solve
from prioritize.solvers._config import SolverConfig
from prioritize.tolerance import consistent, most, reached


def choose_zone(landscape: Landscape) -> int:
    """The zone that both lines are compared in: the only one, or the one of kind `redline`.

    Raises
    ------
    ScenarioError
        If that says nothing, or too much.
    """
    kinds = [zone.kind for zone in landscape.zones]
    if len(kinds) == 1:
        return 0
    if kinds.count("redline") != 1:
        raise ScenarioError(
            f"zones: {kinds.count('redline')} of {len(kinds)} are of kind 'redline'; one says what the redline costs"
        )
    return kinds.index("redline")


def comparison_landscape(landscape: Landscape, ruled: Ruled, inside: np.ndarray) -> Landscape:
    """One zone, the same land to choose from, and the criteria as features beside those of the landscape.

    Both lines choose from the study area without masked land (and what the first line holds anyway); prohibited zones
    in the first line are in the other too. Functions are features of the group `function`, sensitive land (km2) of the
    group `fragile`.
    """
    zone = choose_zone(landscape)
    free = (ruled.study & ~ruled.masked) | inside
    status = np.where(free, FREE, LOCKED_OUT).astype(np.int8)
    status[inside & ruled.prohibited] = LOCKED_IN
    rows: list[tuple[str, str, str, np.ndarray]] = [
        (f"amount: {name}", "function", "amount", values) for name, values in ruled.functions.items()
    ]
    # of an importance criterion the amount is held, not its best cells: they are the rule's way to the amount
    rows += [
        (f"fragile: {name}", "fragile", "km2", np.where(ruled.meets[name] & ruled.study, landscape.area_km2, 0.0))
        for name in ruled.fragile
    ]
    extra = sparse.csr_array(np.stack([values for *_, values in rows]))
    table = pd.DataFrame(
        [{"name": name, "group": group, "unit": unit, "total": values.sum()} for name, group, unit, values in rows]
    )
    features = pd.concat([landscape.features, table], ignore_index=True)
    if "group" not in landscape.features:
        features["group"] = features["group"].fillna("feature")
    contribution = np.concatenate([landscape.contribution[:, [zone]], np.ones((len(rows), 1))])
    return replace(
        landscape,
        cost=landscape.cost[:, [zone]],
        amount=sparse.vstack([landscape.amount, extra], format="csr"),
        features=features,
        contribution=contribution,
        status=status[:, None],
        zones=(landscape.zones[zone],),
    )


@dataclass(frozen=True)
class NoLess:
    """Hard rows: of every feature at least what a line holds, and no more area than it has."""

    least: np.ndarray
    most_km2: float

    def references(self) -> list[str]:
        """No layer."""
        return []

    def add(self, problem: Problem, to: Builder) -> None:
        """A row for each feature that the line holds any of, and one for the area."""
        landscape = problem.landscape
        asked = np.flatnonzero(self.least > 0)
        names = [f"'{name}' as in the line" for name in landscape.features["name"].to_numpy()[asked]]
        to.add_rows(names, by_zone(landscape, asked), lower=self.least[asked])
        area = sparse.csr_array(landscape.area_km2[None, :])
        to.add_rows(["area of the line"], area, upper=self.most_km2, unit="km2")

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """Features that are held less, and an area that is larger."""
        landscape = problem.landscape
        less = ~reached(held(landscape, selection), self.least)
        found = [f"'{name}' is held less than in the line" for name in landscape.features["name"].to_numpy()[less]]
        area = float(landscape.area_km2[selection[:, 0]].sum())
        return [*found, f"area is {area:.10g} km2"] if area > most(self.most_km2) else found


@dataclass(frozen=True, eq=False)
class Rivals:
    """A line and what optimisation makes of the same question.

    Attributes
    ----------
    landscape : Landscape
        One zone; features are those of the scenario, functions and fragile land.
    lines : mapping of name to (U,) bool
        `rule`; `cheapest`: every feature held as in it at the least cost; `smallest`: in the least area; `most`: in no
        larger an area the largest mean share of all features, none held less.
    solutions : mapping of `cheapest`, `smallest` and `most` to Solution
    problems : mapping of the same to Problem
    """

    landscape: Landscape
    lines: Mapping[str, np.ndarray]
    solutions: Mapping[str, Solution]
    problems: Mapping[str, Problem]


def rivals(
    scenario: Scenario,
    landscape: Landscape,
    ruled: Ruled,
    line: np.ndarray | None = None,
    compact: bool = False,
    reporter: Reporter | None = None,
) -> Rivals:
    """Solve for the cheapest and the smallest line that achieve the same, and for the most that the area achieves.

    Parameters
    ----------
    scenario : Scenario
        Its solver, and with `compact` its penalties; targets and constraints are what the line achieves.
    landscape : Landscape
    ruled : Ruled
    line : (U,) bool, optional
        Any line; the one drawn by rule where absent.
    compact : bool
        Count the scenario's penalties (outline, borders) beside the cost.
    reporter : Reporter, optional

    Raises
    ------
    PrioritizeError
    """
    inside = ruled.inside if line is None else line
    if not inside.any():
        raise DataError("the line drawn by rule holds no unit; look at `prioritize redline delineate`")
    ground = comparison_landscape(landscape, ruled, inside)
    have = held(ground, inside[:, None])
    whole = np.asarray(ground.amount.sum(axis=1)).ravel() * ground.contribution[:, 0]
    penalties = tuple(scenario.penalties) if compact else ()
    nothing = np.zeros_like(have)
    cheapest = Problem(ground, have, whole, family("objectives")["min_cost"](), (), penalties)
    # the mean share: each feature weighs one over its whole amount, and over their number
    usable = whole > 0
    # weights must be above 0; a feature that is not there adds nothing whatever it weighs
    weight = np.where(usable, 1.0 / np.where(usable, whole * usable.sum(), 1.0), 1.0)
    weighed = replace(ground, features=ground.features.assign(weight=weight))
    area = float(ground.area_km2[inside].sum())
    most = Problem(weighed, nothing, whole, family("objectives")["max_utility"](), (NoLess(have, area),), ())
    by_area = replace(ground, cost=ground.area_km2[:, None].copy())
    smallest = replace(cheapest, landscape=by_area, penalties=())
    problems = {"cheapest": cheapest, "smallest": smallest, "most": most}
    solutions = {name: at_least(problem, scenario, inside, reporter) for name, problem in problems.items()}
    lines = {"rule": inside, **{name: solution.selection[:, 0] for name, solution in solutions.items()}}
    return Rivals(ground, lines, solutions, problems)


def at_least(problem: Problem, scenario: Scenario, line: np.ndarray, reporter: Reporter | None = None) -> Solution:
    """Solve a problem that a known line (U,) answers: what comes back is never worse than it."""
    return no_worse(problem, scenario, line[:, None], reporter)


def no_worse(problem: Problem, scenario: Scenario, known: np.ndarray, reporter: Reporter | None = None) -> Solution:
    """Solve; where the solver finds nothing, or nothing better, a known (U, Z) selection is the answer.

    The bound is the solver's, so the gap says how good the known selection is.

    Raises
    ------
    SolveError
        If the known selection does not meet the problem's rows.
    """
    program = compile_problem(problem)
    x = known.astype(np.float64).ravel()
    broken = program.violations(x)
    if broken:
        raise SolveError([f"the known selection misses {name} by {amount:.6g}" for name, amount in broken])
    value = program.sign * program.objective(x)
    solver, reporter = scenario.solver, reporter or Reporter()
    half = solver if solver.seconds is None else solver.model_copy(update={"seconds": solver.seconds / 2})
    try:
        found = solve(program, half, seed=scenario.seed, reporter=reporter)
    except SolveError as error:
        reporter.log(f"from the known selection, because {'; '.join(error.faults)}")
        found = from_known(program, half, known, scenario.seed, reporter)
    if program.sign * found.objective > program.sign * value:
        gap = relative_gap(value, found.bound)
        found = replace(found, selection=known, objective=value, gap=gap)
    recheck(problem, found.selection, found.objective)
    return found


def from_known(program: Program, solver: SolverConfig, known: np.ndarray, seed: int, reporter: Reporter) -> Solution:
    """Branch and cut from a known (U, Z) selection: it is there from the start, where nothing else is found.

    Rows that the selection only just meets leave so little room that a search without it may end with none.
    """
    x = known.astype(np.float64).ravel()
    bound, name = certify(program, at_zero(program))[0], "known selection"
    try:
        outcome = solver.through_mathopt("highs", program, seed, reporter, start=x)
    except SolveError as error:
        reporter.log(f"the known selection stays: {'; '.join(error.faults)}")
    else:
        bound, name = max(bound, outcome.bound), outcome.solver
        better = x if outcome.x is None else np.clip(np.round(outcome.x), program.lower, program.upper)
        if not program.violations(better) and program.objective(better) < program.objective(x):
            x = better
    value = program.objective(x)
    consistent(value, bound, program.magnitude(x))
    gap = relative_gap(value, bound)
    status = "optimal" if gap <= 1e-6 else "within_gap" if gap <= solver.gap else "time_limit"
    selection = x.reshape(known.shape).astype(bool)
    return Solution(selection, program.sign * value, program.sign * bound, gap, status, 0.0, name)


def optimise_scenario(
    scenario: Scenario, line: Path | None = None, compact: bool = False, reporter: Reporter | None = None
) -> tuple[Rivals, Ruled]:
    """Draw (or read) the line of a scenario, and solve for its rivals.

    Raises
    ------
    PrioritizeError
    """
    from prioritize.redline.lines import line_on_units
    from prioritize.runner import load_landscape

    if scenario.redline is None:
        raise ScenarioError(f"{scenario.name}: has no [redline] block; see scenarios/README.md")
    landscape = load_landscape(scenario)
    choose_zone(landscape)
    ruled = ruled_units(scenario, landscape)
    given = None if line is None else line_on_units(line, landscape)
    if given is not None and not given.any():
        raise DataError(f"{line}: no unit of {landscape.name} lies inside this line; do the two belong together?")
    return rivals(scenario, landscape, ruled, given, compact, reporter), ruled
