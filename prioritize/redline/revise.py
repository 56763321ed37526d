"""Revise a line: read the one in force, make or take the new one, judge it, write its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from prioritize.errors import DataError, Faults, PrioritizeError, ScenarioError
from prioritize.evaluate import recheck
from prioritize.landscape import LOCKED_IN, LOCKED_OUT, Grouping, Landscape, grouping_of
from prioritize.output import as_json, drafted, guard_path
from prioritize.problem import Problem, compile_problem
from prioritize.redline.config import RedlineConfig
from prioritize.redline.delineate import values_of
from prioritize.redline.lines import line_on_units
from prioritize.redline.revision import Ground, Verdict, judge, tables_of
from prioritize.redline.windows import grids_of, region_levels
from prioritize.registry import family
from prioritize.runner import load_landscape, make_problem
from prioritize.scenario import Scenario
from prioritize.solve import Solution, solve
from prioritize.source import Source
from prioritize.summary import proof_sentence
from prioritize.table import Table, write_tables
from prioritize.write import write_selection

SUMMARY = "revision.json"


def revise_scenario(
    old: Path, scenario: Scenario, new: Path | None, folder: Path | None
) -> tuple[Verdict, list[Table]]:
    """Judge the revision of a line; without a proposal, make the cheapest one that loses nothing.

    Parameters
    ----------
    old : Path
        The line in force: a redline or run folder, a raster, polygons.
    scenario : Scenario
        With a `[redline]` block; its `revision` says what must be kept.
    new : Path or None
        A proposed line.
    folder : Path or None
        Where tables, verdict and the new line go; None writes nothing.

    Returns
    -------
    Verdict, list of Table

    Raises
    ------
    PrioritizeError
        InfeasibleError where no revision can keep what is promised.
    """
    config = scenario.redline
    if config is None:
        raise ScenarioError(f"{scenario.name}: has no [redline] block; a revision needs [redline.revision]")
    if folder is not None:
        guard_path(folder)
        if folder.is_dir() and any(folder.iterdir()) and not (folder / SUMMARY).exists():
            raise DataError(f"{folder}: holds files that are not a revision; choose another folder with --out")
    opened: dict[str, Source] = {}
    landscape = load_landscape(scenario, opened)
    (source,) = opened.values()
    ground = ground_of(source, scenario, config)
    before = line_on_units(old, landscape)
    if not before.any():
        raise DataError(f"{old}: no unit of {landscape.name} lies inside this line; do the two belong together?")
    solution: Solution | None = None
    if new is not None:
        after, selection = line_on_units(new, landscape), None
    else:
        problem = revision_problem(make_problem(scenario, landscape), before, ground, config)
        solution = solve(compile_problem(problem), scenario.solver, seed=scenario.seed)
        recheck(problem, solution.selection, solution.objective)
        selection = solution.selection
        after = np.asarray(selection.any(axis=1))
    verdict = judge(before, after, ground, config.revision.occupation_share, config.revision.tolerance)
    if solution is not None:
        verdict = replace(verdict, proof=proof_sentence(solution))
    tables = tables_of(verdict)
    if folder is not None:
        write_revision(folder, landscape, selection, verdict, tables, scenario, solution, (old, new))
    return verdict, tables


def ground_of(source: Source, scenario: Scenario, config: RedlineConfig) -> Ground:
    """What a revision is judged on, read from the layers that the scenario names."""
    rules, area = config.revision, source.area_km2
    faults = Faults(ScenarioError)

    def named(reference: str) -> str:
        return scenario.landscape.layers.get(reference, reference)

    def layer(reference: str | None) -> np.ndarray | None:
        if reference is None:
            return None
        try:
            return np.nan_to_num(source.read(named(reference)))
        except PrioritizeError as error:
            faults.catch(error)
            return np.zeros(len(area))

    functions: dict[str, np.ndarray] = {}
    if rules.functions is not None:
        functions = {name: np.asarray(layer(reference)) for name, reference in rules.functions.items()}
    else:
        for item in config.criteria:
            if item.kind != "importance":
                continue
            if item.layer is not None:
                values = np.asarray(layer(item.layer))
                functions[item.name] = values if item.per_cell else values * area
            else:
                grids = grids_of(source, scenario.landscape)
                study = grids.inside if config.within is None else grids.flag(config.within)
                whole = np.concatenate([part for _, part in values_of(grids, study, item)])
                functions[item.name] = np.nan_to_num(whole.ravel()[source.place.cell]) * area  # type: ignore[union-attr]
    references = region_levels(scenario.landscape)
    levels: dict[str, Grouping] = {}
    for level in rules.levels:
        if level == "all":
            continue
        if level not in references:
            faults.add(
                f"redline.revision.levels: there is no level '{level}' of regions; use 'all', {', '.join(references)}"
            )
            continue
        levels[level] = grouping_of(source.labels(references[level]))
    ecosystem = None
    if rules.ecosystem is not None:
        ecosystem = classes_of(source, named(rules.ecosystem), faults)
    converted = layer(rules.converted)
    permitted = layer(rules.permitted)
    faults.raise_any()
    return Ground(
        area,
        functions,
        levels,
        ecosystem,
        None if converted is None else converted > rules.converted_above,
        None if permitted is None else permitted != 0,
    )


def classes_of(source: Source, reference: str, faults: Faults) -> Grouping | None:
    """Classes from a layer of names, or of whole numbers."""
    try:
        return grouping_of(source.labels(reference))
    except PrioritizeError as error:
        try:
            values = source.read(reference)
        except PrioritizeError:
            faults.catch(error)
            return None
    names = np.array([None if np.isnan(v) else f"class {v:g}" for v in values], dtype=object)
    return grouping_of(names)


def revision_problem(problem: Problem, old: np.ndarray, ground: Ground, config: RedlineConfig) -> Problem:
    """A problem with the rows of no net loss, the locks of converted land, and a price of change.

    Every row is a `linear` constraint over a layer of the landscape: area, functions and ecosystem classes in each
    region of each level. Converted land cannot be put in, nor taken out unless a permitted project stands on it; that
    of permitted projects is taken out. The price of change is `change_weight` by km2; where it is absent, as dear as
    the dearest km2, so that nothing changes for the sake of cost alone.
    """
    landscape = problem.landscape
    linear, priced = family("constraints")["linear"], family("penalties")["linear"]
    layers = dict(landscape.layers)
    rows: list[Any] = []
    area = ground.area_km2

    def keep(label: str, values: np.ndarray) -> None:
        """Rows that keep the sum of a layer wherever the line in force holds any of it."""
        for level, region, here in ground.regions:
            least = float(values[old & here].sum())
            if least > 0:
                of = "all" if level == "all" else f"{level}:{region}"
                name = f"{label} in {region}"
                rows.append(linear(kind="linear", name=name, layer=label, of=of, min=least))
        layers[label] = values

    keep("redline area", area)
    for name, values in ground.functions.items():
        keep(f"redline function {name}", values)
    if ground.ecosystem is not None:
        for k, name in enumerate(ground.ecosystem.names):
            keep(f"redline nature {name}", np.where(ground.ecosystem.code == k, area, 0.0))

    converted, permitted = ground.flags(ground.converted), ground.flags(ground.permitted)
    status = landscape.status.copy()
    status[((converted & ~old) | (permitted & old))] = LOCKED_OUT
    stays = converted & old & ~permitted & (status != LOCKED_IN).all(axis=1)
    free = stays & (status != LOCKED_OUT).any(axis=1)
    zone = (status != LOCKED_OUT).argmax(axis=1)
    status[free, zone[free]] = LOCKED_IN

    with np.errstate(divide="ignore", invalid="ignore"):
        dearest = np.nanmax(np.where(area > 0, landscape.cost.max(axis=1) / area, np.nan))
    weight = config.revision.change_weight
    weight = max(float(dearest), 1e-9) if weight is None else weight
    layers["redline change"] = np.where(old, -area, area)
    penalty = priced(kind="linear", name="change", layer="redline change", weight=weight)
    changed: Landscape = replace(landscape, layers=layers, status=status, groups={**landscape.groups, **ground.levels})
    return replace(
        problem,
        landscape=changed,
        constraints=(*problem.constraints, *rows),
        penalties=(*problem.penalties, penalty) if weight > 0 else problem.penalties,
    )


def write_revision(
    folder: Path,
    landscape: Landscape,
    selection: np.ndarray | None,
    verdict: Verdict,
    tables: list[Table],
    scenario: Scenario,
    solution: Solution | None,
    lines: tuple[Path, Path | None],
) -> None:
    """Write the folder of a revision: all of it, or nothing."""
    with drafted(folder) as draft:
        if selection is not None:
            write_selection(draft, landscape, selection)
        write_tables(draft / "tables", tables)
        (draft / "scenario.toml").write_text(scenario.toml(folder.resolve()), encoding="utf-8")
        summary = {
            "name": scenario.name,
            "old": str(lines[0]),
            "new": "optimised" if lines[1] is None else str(lines[1]),
            "accepted": verdict.accepted,
            "verdict": verdict.sentence,
            "proof": None if solution is None else proof_sentence(solution),
        }
        (draft / SUMMARY).write_text(as_json(summary, ascii_only=False) + "\n", encoding="utf-8")
