"""Scenarios that ask for nothing, or for what cannot be: said before the solve, not proven to be the best possible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from desk import Desk, told
from rasterio.transform import from_origin
from shapely import box

from prioritize.cli import main
from prioritize.errors import InfeasibleError
from prioritize.evaluate import recheck
from prioritize.landscape import Graph, from_arrays
from prioritize.problem import Problem, compile_problem
from prioritize.registry import family
from prioritize.runner import cautions
from prioritize.solve import impossible_rows, solve

FAR = from_origin(9_500_000, 5_000_000, 1000, 1000)


def none_of(where: str, names: str) -> str:
    return (
        f"{where}: no feature has an amount in any planning unit ({names}); do features and units lie in the same "
        "place? (features = [] asks for none)"
    )


def far_rasters(desk: Desk) -> None:
    for name in ("owl.tif", "fox.tif"):
        desk.raster(name, np.ones((3, 4), np.float32), transform=FAR)
    desk.scenario(landscape__align="nearest")


def zero_rasters(desk: Desk) -> None:
    for name in ("owl.tif", "fox.tif"):
        desk.raster(name, np.zeros((3, 4), np.float32))


def far_polygons(desk: Desk) -> None:
    desk.polygons(geometry=[box(k, 0, k + 1, 1) for k in range(3)])
    desk.vector(features=["owl.tif"])


def no_amounts(desk: Desk) -> None:
    desk.marxan(puvspr="species,pu,amount\n")
    desk.project()


def no_species(desk: Desk) -> None:
    desk.marxan(spec="id,target,name\n", puvspr="species,pu,amount\n")
    desk.project()


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (far_rasters, none_of("cost.tif", "owl, fox")),
        (zero_rasters, none_of("cost.tif", "owl, fox")),
        (far_polygons, none_of("units.gpkg", "owl")),
        (no_amounts, none_of("input.dat", "otter, newt")),
        (
            no_species,
            "spec.dat: there is no feature in it, only a header; add the features, or set landscape.features = [] if "
            "there are none",
        ),
    ],
    ids=["far rasters", "zero rasters", "far polygons", "no amounts", "no species"],
)
@pytest.mark.parametrize("command", ["run", "check"])
def test_features_that_miss_all_units(
    make: Callable[[Desk], None], line: str, command: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    make(desk)
    assert told(desk, [command, "small.toml"], capsys) == [line]


@pytest.mark.parametrize("kind", ["raster", "marxan"])
def test_no_features_at_all_are_allowed(kind: str, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    area = [{"kind": "area", "share": 0.3}]
    if kind == "raster":
        desk.scenario(landscape__features=[], constraints=area)
    else:
        no_species(desk)
        keys = {"format": "marxan", "project": "input.dat", "features": []}
        desk.scenario(landscape=keys, constraints=area)
    assert main(["run", "small.toml"]) == 0
    assert "caution" not in capsys.readouterr().err


def test_one_of_two_features_is_absent(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.raster("fox.tif", np.zeros((3, 4), np.float32))
    line = "caution: 1 of 2 features have no amount in any planning unit, so that nothing is asked of them: fox"
    assert main(["run", "small.toml"]) == 0
    assert line in capsys.readouterr().err.splitlines()
    said = pd.read_csv("runs/small/tables/caveats.csv")  # what the page says, too
    assert said["text"][said["item"] == "caution"].tolist() == [line.removeprefix("caution: ")]
    assert main(["check", "small.toml"]) == 0
    assert line in capsys.readouterr().out.splitlines()
    for _ in range(2):  # solved, then reused
        assert main(["compare", "small.toml", "--out", "both"]) == 0
        assert line.replace("caution: ", "caution: small: ") in capsys.readouterr().err.splitlines()


def test_no_target(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.scenario(targets__relative=0.0)
    assert main(["run", "small.toml"]) == 0
    assert "caution: no feature has a target above 0, so that the targets ask for nothing" in capsys.readouterr().err


BUDGET = {"kind": "budget", "share": 0.5}


@pytest.mark.parametrize("kind", ["min_shortfall", "min_largest_shortfall", "max_cover", "max_features", "max_utility"])
@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        ([], True),
        ([{"kind": "area", "share": 0.1}], True),
        ([BUDGET], False),
        ([{"kind": "area", "max_share": 1}], False),
    ],
)
def test_a_missing_budget(
    kind: str, constraints: list, expected: bool, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.scenario(objective={"kind": kind}, constraints=constraints)
    assert main(["check", "small.toml"]) == 0
    line = f"caution: nothing keeps the objective {kind} from selecting all units: a budget is missing"
    assert (line in capsys.readouterr().out) is expected


def test_a_cost_penalty_is_a_reason_to_stop(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    penalty = {"kind": "linear", "layer": "cost.tif", "weight": 1.0}
    desk.scenario(objective={"kind": "min_shortfall"}, penalties=[penalty])
    assert main(["check", "small.toml"]) == 0
    assert "caution" not in capsys.readouterr().out


# --- minimum patches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_patch_larger_than_everything(command: str, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.scenario(constraints=[{"kind": "min_patch", "area_km2": 1e9}])
    advice = (
        "min_patch: area_km2 is 1e+09, but at most 12 km2 of available units hang together, so that none can be "
        "selected; lower area_km2"
    )
    assert told(desk, [command, "small.toml"], capsys)[0] == advice
    # where nothing has to be selected, nothing is the answer
    desk.scenario(constraints=[{"kind": "min_patch", "area_km2": 1e9}], objective={"kind": "min_shortfall"})
    assert main([command, "small.toml"]) == 0
    assert f"caution: {advice}" in "".join(capsys.readouterr())


def in_two_pieces(locked: int | None = None, exempt: bool = True) -> Problem:
    """Five units of 1 km2 in a row without the fourth: three hang together, and one has half of the feature."""
    status = np.array([0, 0, 0, -1, 0], np.int8)
    if locked is not None:
        status[locked] = 1
    amount = np.array([[1.0, 1.0, 1.0, 0.0, 3.0]])
    graph = Graph.from_edges(5, [0, 1, 2, 3], [1, 2, 3, 4], np.ones(4))
    constraint = family("constraints")["min_patch"](kind="min_patch", area_km2=2.0, exempt_locked=exempt)
    objective = family("objectives")["min_cost"]()
    land = from_arrays(np.ones(5), amount, graph=graph, status=status)
    return Problem(land, np.array([4.0]), np.array([6.0]), objective, (constraint,))


def test_what_lies_in_too_small_a_piece_does_not_count() -> None:
    program = compile_problem(in_two_pieces())
    assert program.upper.tolist() == [1, 1, 1, 0, 0]
    assert impossible_rows(program) == [
        "target for 'feature_1' asks for 4 amount, only 3 is not locked out (6 without the locks and the patch size)"
    ]


def test_where_no_patch_is_large_enough_another_zone_may_do() -> None:
    graph = Graph.from_edges(3, [0, 1], [1, 2], np.ones(2))
    land = from_arrays(np.array([1.0, 2.0, 3.0]), np.ones((1, 3)), graph=graph, zones=("protected", "oecm"))
    patch = family("constraints")["min_patch"](kind="min_patch", area_km2=4.0, zones=["protected"])
    problem = Problem(land, np.array([2.0]), np.array([3.0]), family("objectives")["min_cost"](), (patch,))
    program = compile_problem(problem)
    found = solve(program, family("solvers")["auto"](gap=0.0))
    recheck(problem, found.selection, found.objective)
    assert found.objective == 3.0 and not found.selection[:, 0].any()
    everywhere = patch.model_copy(update={"zones": None})
    with pytest.raises(InfeasibleError, match="at most 3 km2 of available units hang together"):
        solve(compile_problem(replace(problem, constraints=(everywhere,))), family("solvers")["auto"]())


def test_a_small_piece_with_a_protected_unit_counts() -> None:
    program = compile_problem(in_two_pieces(locked=4))
    assert program.upper.tolist() == [1, 1, 1, 0, 1]
    assert impossible_rows(program) == []
    assert cautions(in_two_pieces(), program) == []
