"""Redlines by rule against optimised ones, borders, and joint against separate plans."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prioritize.cli import main
from prioritize.errors import ScenarioError, SolveError
from prioritize.formats._grid import grid_graph
from prioritize.landscape import LOCKED_OUT, Landscape, from_arrays
from prioritize.place import Grid
from prioritize.problem import Problem, compile_problem, held
from prioritize.redline import optimise
from prioritize.redline.borders import border_match
from prioritize.redline.composition import achieved_table, by_category, by_criterion, lines_table
from prioritize.redline.coordination import (
    connected_across,
    coordinate,
    coordination_tables,
    own_problem,
    part,
    reachable,
)
from prioritize.redline.optimise import comparison_landscape, no_worse, optimise_scenario, rivals
from prioritize.redline.ruled import Ruled
from prioritize.registry import family
from prioritize.runner import load_landscape, make_problem, run
from prioritize.scenario import Scenario, parse, read_scenario
from prioritize.solve import solve

ROOT = Path(__file__).parents[1]
ROWS, COLUMNS = 3, 4
EXACT = parse({"name": "x", "landscape": {"format": "synthetic"}, "solver": {"kind": "highs", "gap": 0.0}})


def small(seed: int, zones: tuple[str, ...] = ("redline",), regions: int = 2) -> Landscape:
    """3 x 4 cells of 1 km, three features, regions side by side."""
    random = np.random.default_rng(seed)
    cells = np.arange(ROWS * COLUMNS)
    amount = np.where(random.uniform(size=(3, len(cells))) < 0.7, random.integers(1, 9, (3, len(cells))), 0)
    amount[:, 0] += 1
    return from_arrays(
        np.repeat(random.integers(1, 20, len(cells))[:, None], len(zones), axis=1),
        amount,
        zones=zones,
        graph=grid_graph(cells, (ROWS, COLUMNS), 1000.0, 1000.0),
        place=Grid((ROWS, COLUMNS), cells, (1000.0, 0.0, 0.0, 0.0, -1000.0, 0.0)),
        groups={"province": [f"p{column * regions // COLUMNS}" for column in cells % COLUMNS]},
    )


def ruled(landscape: Landscape, seed: int) -> Ruled:
    random = np.random.default_rng(seed + 1)
    units = landscape.shape[0]
    water = random.uniform(size=units) < 0.4
    fragile = random.uniform(size=units) < 0.3
    parks = random.uniform(size=units) < 0.15
    masked = (random.uniform(size=units) < 0.15) & ~parks
    inside = (water | fragile | parks) & ~masked
    inside[0] = True
    line: Any = None
    return Ruled(
        line=line,
        inside=inside,
        study=np.ones(units, bool),
        masked=masked,
        prohibited=parks,
        meets={"water": water, "slope": fragile, "parks": parks},
        category={"water": "function", "slope": "fragile", "parks": "habitat"},
        fragile=("slope",),
        functions={"water": random.integers(0, 5, units).astype(float)},
    )


def selections(units: int) -> np.ndarray:
    return np.array(list(itertools.product((False, True), repeat=units)))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000))
def test_rivals_are_the_best_there_are(seed: int) -> None:
    """Against every subset of twelve units."""
    landscape = small(seed)
    judged = ruled(landscape, seed)
    made = rivals(EXACT, landscape, judged)
    line = judged.inside
    rows = np.vstack([landscape.amount.toarray(), judged.functions["water"], judged.meets["slope"].astype(float)])
    every = selections(len(line))
    # naive: what may be chosen, what must be, what is held
    allowed = ~(every & (judged.masked & ~line)).any(axis=1) & every[:, line & judged.prohibited].all(axis=1)
    every = every[allowed & (every @ rows.T >= rows[:, line].sum(axis=1) - 1e-9).all(axis=1)]
    cost = landscape.cost[:, 0]
    assert cost[made.lines["cheapest"]].sum() == pytest.approx((every @ cost).min())
    assert made.lines["smallest"].sum() == every.sum(axis=1).min()
    whole = rows.sum(axis=1)
    no_larger = every[every.sum(axis=1) <= line.sum()]
    mean = ((no_larger @ rows.T)[:, whole > 0] / whole[whole > 0]).mean(axis=1)
    most = (rows @ made.lines["most"])[whole > 0] / whole[whole > 0]
    assert most.mean() == pytest.approx(mean.max())
    assert made.solutions["most"].objective == pytest.approx(mean.max())
    assert {solution.status for solution in made.solutions.values()} == {"optimal"}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.05, 0.5]))
def test_a_line_is_never_beaten_by_its_rival(seed: int, gap: float) -> None:
    """Whatever the gap, no answer is worse than the line, and all hold what it holds."""
    landscape = small(seed)
    judged = ruled(landscape, seed)
    scenario = EXACT.model_copy(update={"solver": family("solvers")["auto"](gap=gap)})
    made = rivals(scenario, landscape, judged)
    table = lines_table(made).frame.set_index("line")
    assert table.loc["cheapest", "cost"] <= table.loc["rule", "cost"] * (1 + 1e-12)
    assert table.loc["smallest", "area_km2"] <= table.loc["rule", "area_km2"]
    assert table.loc["most", "area_km2"] <= table.loc["rule", "area_km2"]
    assert table.loc["most", "mean_share"] >= table.loc["rule", "mean_share"] * (1 - 1e-12)
    ground = comparison_landscape(landscape, judged, judged.inside)
    have = held(ground, judged.inside[:, None])
    for name, inside in made.lines.items():
        assert (held(ground, inside[:, None]) >= have * (1 - 1e-9)).all(), name
    for solution in made.solutions.values():
        assert np.isfinite(solution.gap)
    saved, most = table.loc["cheapest", ["share_cost_saved", "share_saved_at_most"]]
    assert saved <= most + 1e-12


def test_the_line_stays_where_the_solver_finds_nothing_better(monkeypatch: pytest.MonkeyPatch) -> None:
    landscape = small(3)
    problem = Problem(landscape, np.array([5.0, 5.0, 5.0]), np.ones(3), family("objectives")["min_cost"]())
    best = solve(compile_problem(problem), EXACT.solver)
    worse = replace(best, selection=np.ones_like(best.selection), objective=float(landscape.cost.sum()))
    monkeypatch.setattr(optimise, "solve", lambda *a, **k: worse)
    answer = no_worse(problem, EXACT, best.selection)
    assert answer.objective == best.objective and (answer.selection == best.selection).all()
    assert answer.bound == best.bound and answer.gap == pytest.approx(0.0, abs=1e-8)

    def nothing(*a: Any, **k: Any) -> None:
        raise SolveError("found no selection")

    monkeypatch.setattr(optimise, "solve", nothing)
    # then branch and cut starts from what is known
    answer = no_worse(problem, EXACT, np.ones_like(best.selection))
    assert answer.objective == best.objective and answer.status == "optimal"
    monkeypatch.setattr(type(EXACT.solver), "through_mathopt", nothing)
    answer = no_worse(problem, EXACT, best.selection)
    assert answer.objective == best.objective and answer.bound < answer.objective
    assert answer.solver == "known selection" and answer.status == "time_limit"
    with pytest.raises(SolveError, match="the known selection misses target for 'feature_1'"):
        no_worse(problem, EXACT, np.zeros_like(best.selection))


def test_which_zone_lines_are_compared_in() -> None:
    landscape = small(0, ("protected", "redline"))
    with pytest.raises(ScenarioError, match="0 of 2 are of kind 'redline'"):
        optimise.choose_zone(landscape)
    zones = (landscape.zones[0], replace(landscape.zones[1], kind="redline"))
    assert optimise.choose_zone(replace(landscape, zones=zones)) == 1
    assert optimise.choose_zone(small(0)) == 0


# --- the demo's country, in small -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ecr() -> Scenario:
    changes = {"landscape.rows": 60, "landscape.columns": 80, "landscape.cell_km": 10.0, "solver.gap": 0.01}
    # two cells of this size, as in the demo
    return read_scenario(
        ROOT / "scenarios" / "ecr.toml", {**changes, "redline.min_patch_km2": 200.0, "redline.fill_holes_km2": 200.0}
    )


def test_optimised_redline_of_the_country(ecr: Scenario) -> None:
    made, judged = optimise_scenario(ecr)
    table = lines_table(made).frame.set_index("line")
    assert table.loc["cheapest", "cost"] < 0.95 * table.loc["rule", "cost"]  # measured: 14 % less
    assert table.loc["smallest", "area_km2"] <= table.loc["rule", "area_km2"]
    assert (table["gap"].dropna() < 0.03).all() and table["gap"].notna().sum() == 3
    have = held(made.landscape, made.lines["rule"][:, None])
    for name in ("cheapest", "smallest", "most"):
        assert (held(made.landscape, made.lines[name][:, None]) >= have * (1 - 1e-9)).all()
    assert not (made.lines["cheapest"] & judged.masked & ~judged.inside).any()
    assert made.lines["cheapest"][judged.prohibited & judged.inside].all()
    shares = achieved_table(made).frame
    assert (shares["share_cheapest"] >= shares["share_rule"] - 1e-9).all()

    assert ecr.redline is not None
    frame = by_category(made.lines, judged, ecr.redline, made.landscape).frame
    for line, own in frame.groupby("line"):
        whole = own[own["category"] == "all"].iloc[0]
        assert own.loc[own["category"] != "all", "area_km2"].sum() == pytest.approx(whole["area_km2"])
        assert whole["area_km2"] == pytest.approx(table.loc[line, "area_km2"])
        classes = ["share_protected", "share_oecm", "share_oecm_candidate", "share_neither"]
        assert whole[classes].sum() == pytest.approx(1.0)
    criteria = by_criterion(made.lines, judged, made.landscape).frame
    assert criteria["share_held"].dropna().between(0, 1 + 1e-9).all()
    erosion = criteria[(criteria["criterion"] == "erosion") & (criteria["line"] == "rule")].iloc[0]
    assert erosion["held"] == made.landscape.area_km2[judged.meets["erosion"] & judged.inside].sum()


def test_compact_counts_the_outline(ecr: Scenario) -> None:
    made, _ = optimise_scenario(ecr, compact=True)
    problem = made.problems["cheapest"]
    (penalty,) = problem.penalties

    def objective(inside: np.ndarray) -> float:
        return problem.objective.value(problem, inside[:, None]) + penalty.value(problem, inside[:, None])

    assert made.solutions["cheapest"].objective == pytest.approx(objective(made.lines["cheapest"]))
    assert objective(made.lines["cheapest"]) <= objective(made.lines["rule"])
    # what is saved is said of the cost alone, which is not what the bound bounds
    assert (
        lines_table(made).frame["share_saved_at_most"].iloc[1] != lines_table(made).frame["share_saved_at_most"].iloc[2]
    )


def test_tables_of_a_run_show_the_line_by_rule(ecr: Scenario) -> None:
    done = run(ecr.model_copy(update={"solver": ecr.solver.model_copy(update={"gap": 0.02})}))
    tables = {table.name: table for table in done.tables}
    frame = tables["redline_composition"].frame
    assert set(frame["line"]) == {"rule", "optimised", "optimised, zone protected", "optimised, zone redline"}
    whole = frame[frame["category"] == "all"].set_index("line")
    parts = whole.loc[["optimised, zone protected", "optimised, zone redline"], "area_km2"].sum()
    assert parts == pytest.approx(whole.loc["optimised", "area_km2"])
    land = load_landscape(ecr).groups["realm"]
    on_land = np.isin(land.code, [land.names.index(name) for name in land.names if name != "sea"])
    assert whole.loc["optimised", "area_km2"] == pytest.approx(
        done.landscape.area_km2[done.selection.any(axis=1) & on_land].sum()
    )
    assert set(tables["redline_borders"].frame["line"]) == set(frame["line"])
    for table in (tables["redline_composition"], tables["redline_by_criterion"], tables["redline_borders"]):
        assert set(table.columns) == set(table.frame)
    plain = ecr.model_copy(update={"redline": None})
    problem = make_problem(plain, done.landscape)
    judged = replace_judged(done, plain, problem)
    assert family("tables")["redline"](judged) == []


def replace_judged(done: Any, scenario: Scenario, problem: Problem) -> Any:
    from prioritize.table import Judged

    return Judged(problem, done.selection, scenario)


# --- borders ----------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 5.0))
def test_border_penalty_is_what_it_says(seed: int, weight: float) -> None:
    landscape = small(seed, ("a", "b"))
    random = np.random.default_rng(seed)
    selection = np.zeros((landscape.shape[0], 2), bool)
    zone = random.integers(-1, 2, landscape.shape[0])
    selection[zone >= 0, zone[zone >= 0]] = True
    code = landscape.groups["province"].code
    for zones in (None, ["a"]):
        chosen = selection.any(axis=1) if zones is None else selection[:, 0]
        naive = 0.0
        for row, column in itertools.product(range(ROWS), range(COLUMNS - 1)):
            one, other = row * COLUMNS + column, row * COLUMNS + column + 1
            if code[one] != code[other] and chosen[one] != chosen[other]:
                naive += weight * 1000.0
        term = family("penalties")["border"](kind="border", weight=weight, zones=zones)
        nothing = np.zeros(3)
        problem = Problem(landscape, nothing, nothing, family("objectives")["min_cost"](), (), (term,))
        assert term.value(problem, selection) == pytest.approx(naive)
        program = compile_problem(problem)
        value = program.objective(selection.astype(float).ravel())
        assert value == pytest.approx(naive + landscape.cost[selection].sum())


def test_dearer_borders_match_better() -> None:
    matched = []
    for weight in (0.0, 0.002, 0.1):
        landscape = small(11)
        term = family("penalties")["border"](kind="border", weight=weight)
        target = np.asarray(landscape.amount.sum(axis=1)).ravel() * 0.5
        problem = Problem(landscape, target, target, family("objectives")["min_cost"](), (), (term,))
        answer = solve(compile_problem(problem), EXACT.solver)
        frame = border_match(answer.selection[:, 0], landscape.graph, landscape.groups["province"]).frame
        matched.append(frame["mismatched_km"].iloc[0])
    assert matched[0] > matched[2] == 0 and matched == sorted(matched, reverse=True)


def test_border_penalty_refuses_what_it_cannot_do() -> None:
    landscape = small(0)
    nothing = np.zeros(3)
    for level, groups, words in (
        ("country", landscape.groups, "there is no level 'country'"),
        ("province", part(landscape, landscape.groups["province"].code == 0).groups, "no two regions"),
    ):
        own = landscape if level == "country" else part(landscape, landscape.groups["province"].code == 0)
        term = family("penalties")["border"](kind="border", weight=1.0, level=level)
        problem = Problem(own, nothing, nothing, family("objectives")["min_cost"](), (), (term,))
        assert set(groups) == {"province"}
        with pytest.raises(ScenarioError, match=words):
            compile_problem(problem)


# --- joint against separate -------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_parts_are_the_whole(seed: int) -> None:
    """Units, amounts, outlines and targets of the regions add up."""
    landscape = small(seed, regions=3)
    code = landscape.groups["province"].code
    masks = [code == k for k in range(len(landscape.groups["province"].names))]
    parts = [part(landscape, mask) for mask in masks]
    assert np.sort(np.concatenate([one.unit_id for one in parts])).tolist() == landscape.unit_id.tolist()
    for mask, one in zip(masks, parts, strict=True):
        # a region's outline is what its cells have in the whole landscape, with nothing around it
        assert one.graph.perimeter == pytest.approx(landscape.graph.perimeter[mask])
        chosen = np.random.default_rng(seed).uniform(size=mask.sum()) < 0.5
        whole = np.zeros(landscape.shape[0], bool)
        whole[np.flatnonzero(mask)[chosen]] = True
        assert one.graph.outline(chosen) == pytest.approx(landscape.graph.outline(whole))
    target = np.asarray(landscape.amount.sum(axis=1)).ravel() * 0.4
    problem = Problem(landscape, target, target, family("objectives")["min_cost"]())
    own = [own_problem(problem, mask)[0] for mask in masks]
    np.testing.assert_allclose(sum(one.target for one in own), target)


def test_what_can_be_reached() -> None:
    landscape = small(5, ("a", "b"))
    contribution = np.array([[1.0, 0.5], [0.2, 0.8], [1.0, 1.0]])
    status = landscape.status.copy()
    status[0] = LOCKED_OUT
    status[1, 1] = 1
    status[2, 0] = LOCKED_OUT
    landscape = replace(landscape, contribution=contribution, status=status)
    dense = landscape.amount.toarray()
    naive = np.zeros(3)
    for f, u in itertools.product(range(3), range(landscape.shape[0])):
        options = [z for z in range(2) if status[u, z] != LOCKED_OUT and (u != 1 or z == 1)]
        naive[f] += dense[f, u] * max((contribution[f, z] for z in options), default=0.0)
    np.testing.assert_allclose(reachable(landscape), naive)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_together_never_costs_more(seed: int) -> None:
    landscape = small(seed)
    scenario = parse(
        {
            "name": "x",
            "landscape": {"format": "synthetic"},
            "targets": {"relative": 0.5},
            "constraints": [{"kind": "area", "of": "province:*", "share": 0.2}],
            "penalties": [{"kind": "boundary", "weight": 0.0005}],
            "solver": {"kind": "highs", "gap": 0.0},
        }
    )
    made = coordinate(scenario, "province", landscape=landscape)
    frame = coordination_tables(made)[0].frame.set_index("plan")
    assert made.broken == ()
    assert frame.loc["joint", "objective"] <= frame.loc["alone", "objective"] + 1e-9
    assert frame.loc["alone", "targets_met"] == frame.loc["joint", "targets_met"] == frame.loc["joint", "targets"]
    # every region does its part
    for number, name in enumerate(landscape.groups["province"].names):
        here = landscape.groups["province"].code == number
        whole = np.asarray(landscape.amount[:, here].sum(axis=1)).ravel()
        assert (landscape.amount[:, here] @ made.union[here, 0] >= 0.5 * whole - 1e-9).all(), name


def test_what_a_region_cannot_answer_for_is_said() -> None:
    landscape = replace(small(2), layers={"core": np.array([1.0] + [0.0] * 10 + [2.0]), "one": np.ones(12)})
    scenario = parse(
        {
            "name": "x",
            "landscape": {"format": "synthetic"},
            "targets": {"relative": 0.1},
            "constraints": [
                {"kind": "corridor", "name": "way", "layer": "core"},
                {"kind": "linear", "name": "seven in all", "layer": "one", "min": 7.0},
            ],
            "penalties": [{"kind": "border", "weight": 0.001}],
            "solver": {"kind": "highs", "gap": 0.0},
        }
    )
    made = coordinate(scenario, "province", landscape=landscape)
    assert set(made.not_asked) == {"way", "seven in all", "border"}
    assert any("corridor" in line for line in made.broken)
    frame = coordination_tables(made)[0].frame.set_index("plan")
    assert frame.loc["alone", "promises_broken"] >= 1 and frame.loc["joint", "promises_broken"] == 0
    assert frame.loc["joint", "patches_across"] == 1


def test_connected_area_across_by_hand() -> None:
    landscape = small(0)
    chosen = np.zeros(12, bool)
    chosen[[1, 2, 5]] = True  # cells 1 and 5 in p0, 2 in p1, one part; 8 alone
    chosen[8] = True
    count, area = connected_across(chosen, landscape, landscape.groups["province"])
    assert count == 1 and area == pytest.approx(np.sqrt(2 * 2.0 * 1.0))


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({}, "region", "there is no level 'region'"),
        ({"objective": {"kind": "max_utility"}}, "province", "use min_cost"),
        ({}, "one", "has one region only"),
    ],
)
def test_coordination_refuses(change: dict[str, Any], level: str, words: str) -> None:
    landscape = small(0)
    landscape = replace(landscape, groups={**landscape.groups, "one": from_arrays(
        np.ones(12), np.ones((1, 12)), groups={"one": ["x"] * 12}).groups["one"]})  # fmt: skip
    scenario = parse({"name": "x", "landscape": {"format": "synthetic"}, **change})
    with pytest.raises(ScenarioError, match=words):
        coordinate(scenario, level, landscape=landscape)


# --- commands ---------------------------------------------------------------------------------------------------------

SMALL = [
    part
    for change in ("landscape.rows=60", "landscape.columns=80", "landscape.cell_km=10", "solver.gap=0.02")
    for part in ("--set", change)
]


def test_commands_write_their_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ecr_file = str(ROOT / "scenarios" / "ecr.toml")
    assert main(["redline", "optimise", ecr_file, *SMALL, "--seconds", "4", "--out", str(tmp_path / "a")]) == 0
    shown = capsys.readouterr().out
    assert "cheapest: cost proven to be within" in shown and "share_neither" in shown
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "rule", "cheapest", "smallest", "most", "tables", "scenario.toml", "redline_comparison.json",
    }  # fmt: skip
    frame = pd.read_csv(tmp_path / "a" / "tables" / "redline_lines.csv")
    assert list(frame["line"]) == ["rule", "cheapest", "smallest", "most"]
    # any line can be compared, also the one that was just optimised
    line = str(tmp_path / "a" / "cheapest")
    assert (
        main(["redline", "optimise", ecr_file, *SMALL, "--seconds", "2", "--line", line, "--out", str(tmp_path / "b")])
        == 0
    )
    again = pd.read_csv(tmp_path / "b" / "tables" / "redline_lines.csv")
    assert again["cost"].iloc[0] == pytest.approx(frame["cost"].iloc[1])
    assert json.loads((tmp_path / "b" / "redline_comparison.json").read_text())["line"] == line
    capsys.readouterr()

    out = str(tmp_path / "c")
    assert main(["redline", "coordinate", ecr_file, *SMALL, "--set", "solver.gap=0.05", "--out", out]) == 0
    shown = capsys.readouterr().out
    # one province's only such cell is locked out, so it cannot be asked for it
    assert "share_objective_saved" in shown and "fragile: erosion (Grustona)" in shown
    assert (tmp_path / "c" / "joint" / "selection.tif").exists()


def test_commands_refuse_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ecr_file = str(ROOT / "scenarios" / "ecr.toml")
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter.txt").write_text("dear")
    for arguments, words in (
        (["optimise", str(ROOT / "scenarios" / "pa_only.toml"), *SMALL], "has no [redline] block"),
        (["optimise", ecr_file, *SMALL, "--line", str(tmp_path / "no.gpkg")], "no such line"),
        (["optimise", ecr_file, *SMALL, "--out", str(full)], "choose another folder with --out"),
        (["optimise", ecr_file, *SMALL, "--set", "zones.redline.kind=oecm"], "0 of 2 are of kind 'redline'"),
        (["coordinate", ecr_file, *SMALL, "--by", "nation"], "there is no level 'nation'"),
        (["coordinate", ecr_file, *SMALL, "--out", str(full)], "choose another folder with --out"),
    ):
        out = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
        assert main(["redline", *arguments, *out]) == 2
        assert words in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
    assert [path.name for path in full.iterdir()] == ["letter.txt"]
