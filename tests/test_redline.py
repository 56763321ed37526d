"""The redline: formulae by hand, grading laws, assembly, tiling, revision, differences."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import naive_redline as naive
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin

from prioritize.cli import main
from prioritize.errors import DataError, InfeasibleError, PrioritizeError, ScenarioError
from prioritize.formats._grid import grid_graph
from prioritize.landscape import Grouping, Zone, from_arrays
from prioritize.place import Grid, Polygons
from prioritize.problem import Problem, compile_problem
from prioritize.redline import fragility, importance
from prioritize.redline.assembly import FILLED, Rules, assemble
from prioritize.redline.borders import border_match
from prioritize.redline.config import RedlineConfig
from prioritize.redline.delineate import delineate
from prioritize.redline.diff import compare_lines
from prioritize.redline.files import delineate_scenario, polygons
from prioritize.redline.grading import Grader, grade, keys_of, whole_areas
from prioritize.redline.inputs import open_grids
from prioritize.redline.lines import line_on_units, read_line
from prioritize.redline.methods import FORMULAE
from prioritize.redline.revise import revise_scenario, revision_problem
from prioritize.redline.revision import Ground, judge
from prioritize.redline.windows import Grids
from prioritize.registry import family
from prioritize.runner import check, run
from prioritize.scenario import parse
from prioritize.solve import solve
from prioritize.verify import verify

NAN = float("nan")


# --- formulae ---------------------------------------------------------------------------------------------------------


def near(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(wanted, float), rtol=1e-9, atol=1e-12)


def test_npp_index_by_hand() -> None:
    near(importance.npp_water_conservation(0.5, 0.4, 0.8, 0.25), 0.5 * 0.4 * 0.8 * 0.75)
    near(importance.npp_soil_retention(0.5, 0.2, 0.25), 0.3)
    near(importance.npp_sand_fixation(0.5, 0.2, 0.4, 0.1), 0.004)
    near(importance.npp_biodiversity(0.5, 0.8, 0.6, 0.25), 0.18)
    near(importance.normalise(np.array([2.0, 4.0, NAN, 6.0]), 2, 6), [0, 0.5, NAN, 1])
    near(importance.normalise(np.array([3.0, NAN]), 3, 3), [0, NAN])
    near(importance.seepage_index([1, 2, 13]), [1 / 13, 2 / 13, 1])
    near(importance.surface_roughness([0, 60]), [1, 2])


def test_climatic_erosivity_by_hand() -> None:
    near(importance.wind_at_2m(5, 10), 5 * 0.2 ** (1 / 7))
    near(importance.potential_evapotranspiration_mm(10, 0.5), 0.19 * 900 * 0.5)  # 85.5 mm
    months = np.ones((12, 1))
    # u = 2: 8 * (85.5 - 34.2) / 85.5 = 4.8 a day; 12 months of 30 days / 100
    found = importance.climatic_erosivity(2 * months, 34.2 * months, 10 * months, 0.5 * months, np.full(12, 30))
    near(found, [4.8 * 360 / 100])
    # a month that rains more than evaporates takes nothing away; one below -20 degrees has no evaporation to divide by
    rain = 34.2 * months
    rain[0] = 500
    near(importance.climatic_erosivity(2 * months, rain, 10 * months, 0.5 * months, np.full(12, 30)), [4.8 * 330 / 100])
    cold = np.full((12, 1), -20.0)
    near(importance.climatic_erosivity(2 * months, rain, cold, 0.5 * months, np.full(12, 30)), [0])


def test_water_balance_by_hand() -> None:
    runoff = importance.storm_runoff_mm(1000, importance.RUNOFF_COEFFICIENT["steppe"])
    near(runoff, 47.8)
    near(importance.water_conservation_m3(1000, runoff, 600, 2), (1000 - 47.8 - 600) * 2000)
    near(importance.water_conservation_m3(100, 10, 200), -110_000)
    near(FORMULAE["water_balance"].value({
        "precipitation_mm": np.array([1000.0, 100.0]),
        "runoff_coefficient": np.array([0.1, 0.1]),
        "evapotranspiration_mm": np.array([600.0, 200.0]),
    }), [300_000, 0])  # fmt: skip


def test_rusle_by_hand() -> None:
    near(importance.half_month_erosivity(np.array([20.0, 11.9, 12.0]), warm=True), 0.3937 * (20**1.7265 + 12**1.7265))
    near(importance.half_month_erosivity(np.array([20.0]), warm=False), 0.3101 * 20**1.7265)
    near(importance.soil_loss_t_ha(100, 0.03, 2, 0.2, 0.5), 0.6)
    near(importance.soil_retention_t_ha(100, 0.03, 2, 0.2), 4.8)
    sand, silt, clay, carbon = 40.0, 40.0, 20.0, 2.0
    k = (
        (0.2 + 0.3 * np.exp(-0.0256 * 40 * 0.6))
        * (40 / 60) ** 0.3
        * (1 - 0.5 / (2 + np.exp(3.72 - 5.9)))
        * (1 - 0.42 / (0.6 + np.exp(-5.51 + 13.74)))
    )
    near(importance.erodibility_epic(sand, silt, clay, carbon), k)
    near(importance.erodibility_si(k), (-0.01383 + 0.51575 * k) * 0.1317)
    near(importance.erodibility_si(0.0), 0)


def test_rweq_by_hand() -> None:
    near(importance.erodible_fraction(60, 25, 15, 1, 2), (29.09 + 18.6 + 4.25 + 0.33 * 4 - 2.59 - 1.9) / 100)
    near(importance.soil_crust_factor(10, 2), 1 / (1 + 0.66 + 0.084))
    near(importance.wind_cover_factor(20, importance.WIND_COVER["grass"]), np.exp(-2.302))
    drive = 10 * 0.5 * 0.8 * 0.9
    length, most = 150.71 * drive**-0.3711, 109.8 * drive
    bare = 2 * 50 / length**2 * most * np.exp(-((50 / length) ** 2))
    near(importance.wind_soil_loss_kg_m2(10, 0.5, 0.8, 0.9, 1), bare)
    near(importance.wind_soil_loss_kg_m2([0.0, NAN], 0.5, 0.8, 0.9, 1), [0, NAN])
    covered = importance.wind_soil_loss_kg_m2(10, 0.5, 0.8, 0.9, 0.1)
    near(importance.sand_fixation_kg_m2(10, 0.5, 0.8, 0.9, 0.1), bare - covered)
    assert bare > covered > 0


def test_fragility_worked_values() -> None:
    """Root of the product of the scores: 225^(1/4) is sensitive, 375^(1/4) extremely so."""
    index = fragility.water_erosion(*np.array([[5, 5, 3, 3], [5, 5, 5, 3], [1, 1, 1, 1]], float).T)
    near(np.round(index, 3), [3.873, 4.401, 1])
    assert fragility.sensitivity_class(index).tolist() == [2, 3, 1]
    assert fragility.sensitivity_class(np.array([2.0, 2.0001, 4.0, 4.0001, NAN])).tolist() == [1, 2, 2, 3, 0]
    near(fragility.rocky_desertification(5, 3, 1), 15 ** (1 / 3))
    near(fragility.desertification(5, 5, 5, 5), 5)
    near(fragility.salinisation(1, 3, 5, 3), 45**0.25)
    near(fragility.dryness_index([3000, 3000, 0], [300, 0, 0]), [1.6, 1e6, 0])


@pytest.mark.parametrize(
    ("factor", "values", "scores"),
    [
        ("erosivity", [99, 100, 600, 601], [1, 3, 3, 5]),
        ("relief_m", [50, 51, 300, 301], [1, 3, 3, 5]),
        ("vegetation", [0.6, 0.59, 0.21, 0.2], [1, 3, 3, 5]),
        ("dryness", [1.5, 1.6, 15.9, 16], [1, 3, 3, 5]),
        ("wind_days", [10, 11, 29, 30], [1, 3, 3, 5]),
        ("carbonate_pct", [30, 31, 69, 70], [1, 3, 3, 5]),
        ("slope_deg", [8, 9, 24, 25], [1, 3, 3, 5]),
        ("evaporation_ratio", [3, 4, 14, 15], [1, 3, 3, 5]),
        ("mineralisation_g_l", [5, 6, 24, 25], [1, 3, 3, 5]),
        ("groundwater_depth_m", [5, 4, 1.1, 1], [1, 3, 3, 5]),
    ],
)
def test_scores_at_their_breaks(factor: str, values: list[float], scores: list[int]) -> None:
    found = fragility.score(np.array([*values, NAN]), fragility.BREAKS[factor], factor)
    near(found, [*scores, NAN])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: importance.surface_roughness([95]), "slope_deg must be 0 to 89, but 95 was found"),
        (lambda: importance.seepage_index([14]), "texture_class must be 1 to 13, but 14"),
        (lambda: importance.storm_runoff_mm([-9999], 0.1), "precipitation_mm must be 0 or more, but -9999"),
        (lambda: importance.storm_runoff_mm([100], 4.78), "runoff_coefficient must be 0 to 1, but 4.78"),
        (lambda: importance.npp_biodiversity(1.2, 1, 1, 1), "npp (normalised) must be 0 to 1, but 1.2"),
        (lambda: importance.npp_biodiversity(np.inf, 1, 1, 1), "but inf was found"),
        (lambda: fragility.root_product([7.0]), "score 1 must be 1 to 5, but 7"),
        (lambda: grade(np.array([1.0, -2.0])), "but -2 was found (1 cells)"),
        (lambda: grade(np.array([1.0, np.inf])), "but inf was found"),
        (lambda: grade(np.ones(3), cuts=(0.8, 0.5)), "ascending"),
        (lambda: grade(np.ones(3), cuts=(0.0, 0.5)), "above 0"),
    ],
)
def test_impossible_inputs_are_named(call: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        call()
    assert words in str(caught.value)


# --- grading ----------------------------------------------------------------------------------------------------------


def test_grading_worked_values() -> None:
    """Values 10 .. 1: the smallest set that reaches half of 55 is 10, 9, 8, 7; the next to 80 % is 6, 5."""
    assert grade(np.arange(10.0, 0, -1)).tolist() == [3, 3, 3, 3, 2, 2, 1, 1, 1, 1]
    assert grade(np.array([1.0, 1, 1, 1])).tolist() == [3, 3, 3, 3]  # a tie is taken whole
    assert grade(np.array([4.0, 4, 2, NAN, 0])).tolist() == [3, 3, 1, 0, 1]
    assert grade(np.array([0.0, 0, NAN])).tolist() == [1, 1, 0]
    assert grade(np.array([5.0, 3, 2]), cuts=(0.5, 0.8)).tolist() == [3, 2, 1]  # exactly 50 % and 80 %
    assert grade(np.array([1.0, 1.0]), area_km2=np.array([9.0, 1.0])).tolist() == [3, 3]
    assert grade(np.array([3.0, 2.0]), area_km2=np.array([1.0, 9.0])).tolist() == [3, 3]  # value times area counts


def test_grading_extent_changes_the_result() -> None:
    values, province = np.array([100.0, 90, 3, 2, 1]), np.array([0, 0, 1, 1, -1])
    assert grade(values).tolist() == [3, 2, 1, 1, 1]
    assert grade(values, extent=province).tolist() == [3, 2, 3, 2, 0]


numbers = st.one_of(
    st.integers(0, 12).map(float),
    st.floats(0, 1e6, width=32),
    st.floats(0, 2.0**-126, width=32),
    st.just(NAN),
)


@st.composite
def maps(draw: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    size = rows * columns
    values = np.array(draw(st.lists(numbers, min_size=size, max_size=size)), np.float32).reshape(rows, columns)
    extent = np.array(draw(st.lists(st.integers(-1, 2), min_size=size, max_size=size)), np.int32).reshape(rows, columns)
    area = np.array(draw(st.lists(st.sampled_from([1.0, 0.5, 0.25, 0.75]), min_size=rows, max_size=rows)))
    return values, extent, area


CUTS = st.sampled_from([(0.5, 0.8), (0.2, 0.9), (0.1, 1.0), (0.333, 0.334), (0.6,)])


@given(maps(), CUTS)
def test_grading_is_that_of_its_slow_twin(case: Any, cuts: tuple[float, ...]) -> None:
    values, extent, area = case
    wide = np.repeat(area[:, None], values.shape[1], axis=1)
    found = grade(values, area, extent, cuts)
    assert found.ravel().tolist() == naive.grades(values.ravel(), wide.ravel(), extent.ravel(), cuts)


@given(maps(), CUTS)
def test_the_set_that_reaches_a_share_is_the_smallest(case: Any, cuts: tuple[float, ...]) -> None:
    values, _, area = case
    amount = np.nan_to_num(values.astype(np.float64) * area[:, None])
    grades = grade(values, area, None, cuts)
    total = amount.sum()
    for k, cut in enumerate(cuts):
        top = grades >= 1 + len(cuts) - k
        if total < 1e-30:
            continue
        held = amount[top].sum()
        assert held >= cut * total * (1 - 1e-12)
        lowest = values[top].min()
        assert amount[top & (values > lowest)].sum() < cut * total * (1 + 1e-12)
        if (~top & ~np.isnan(values)).any():
            assert np.nanmax(np.where(top, np.nan, values)) < lowest
    assert np.array_equal(grades == 0, np.isnan(values))


@given(maps(), CUTS, st.randoms(use_true_random=False))
def test_thresholds_do_not_depend_on_tiles(case: Any, cuts: tuple[float, ...], random: Any) -> None:
    values, extent, area = case
    key, whole = keys_of(values), whole_areas(area)
    wanted = Grader(3, cuts).thresholds(lambda: [(key, extent, whole)])
    rows = sorted(random.sample(range(1, len(area)), random.randint(0, len(area) - 1))) if len(area) > 1 else []
    columns = sorted(random.sample(range(1, values.shape[1]), random.randint(0, values.shape[1] - 1)))
    tiles = [
        (key[r], extent[r], whole[r[0]]) for r in itertools.product(cut(rows, len(area)), cut(columns, values.shape[1]))
    ]
    random.shuffle(tiles)
    assert np.array_equal(Grader(3, cuts).thresholds(lambda: tiles), wanted)


def cut(at: Sequence[int], end: int) -> list[slice]:
    edges = [0, *at, end]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def test_a_million_tiny_cells_count_exactly() -> None:
    """A float32 sum would stop growing at 2**24: the cells after that would be taken for nothing."""
    values = np.full((1000, 1000), 1e-3, np.float32)
    values[0, 0] = 990.0
    assert grade(values)[0, 0] == 3 and grade(values)[5, 5] == 3  # 990 < half of about 1990
    values[0, 0] = 1010.0
    assert grade(values)[0, 0] == 3 and grade(values)[5, 5] == 2


# --- assembly ---------------------------------------------------------------------------------------------------------

masks = st.integers(2, 7).flatmap(
    lambda rows: st.integers(2, 7).flatmap(
        lambda columns: st.lists(
            st.integers(0, 2**5 - 1), min_size=rows * columns, max_size=rows * columns
        ).map(lambda cells: np.array(cells, np.uint8).reshape(rows, columns))
    )
)  # fmt: skip


@given(
    masks, st.sampled_from([4, 8]), st.sampled_from([0.0, 1.5, 3.0]), st.sampled_from([0.0, 2.0, 4.5]), st.booleans()
)
def test_assembly_is_that_of_its_slow_twin(
    code: np.ndarray, touch: int, least: float, fill: float, align: bool
) -> None:
    line, prohibited, masked = (code & 1) > 0, (code & 6) == 6, (code & 24) == 24
    inside = (code & 20) != 20
    areas = (code & 10) == 10
    area = np.linspace(0.5, 1.5, len(code))
    bits = (line | prohibited).astype(np.uint32)
    rules = Rules(touch, least, fill, 0.5)
    made = assemble(
        bits.copy(), inside, prohibited, masked, area, [1] + [0] * 29 + [3], areas=areas if align else None, rules=rules
    )
    wanted = naive.put_together(
        bits != 0, inside, prohibited, masked, area, areas if align else None, touch, least, fill, 0.5
    )
    assert np.array_equal(made.bits != 0, wanted)
    assert np.array_equal(made.category > 0, wanted)
    assert not (made.bits[masked | ~inside]).any()
    if not align:  # a line that was put together stays as it is
        again = assemble(made.bits.copy(), inside, prohibited, masked, area, [1] + [0] * 29 + [3], rules=rules)
        assert np.array_equal(again.bits, made.bits)


def test_assembly_by_hand() -> None:
    line = np.array(
        [
            [1, 1, 1, 0, 0, 0],
            [1, 0, 1, 0, 2, 0],
            [1, 1, 1, 0, 0, 0],
            [0, 0, 0, 0, 0, 4],
        ],
        np.uint32,
    )
    inside, nothing = np.ones(line.shape, bool), np.zeros(line.shape, bool)
    of_bit = [1, 2, 3]
    made = assemble(line.copy(), inside, line == 4, nothing, np.ones(4), of_bit, rules=Rules(4, 2.0, 2.0))
    assert made.bits[1, 4] == 0  # an isolated cell is dropped
    assert made.bits[3, 5] == 4  # but not one of a prohibited zone
    assert made.bits[1, 1] == 1 << FILLED and made.category[1, 1] == 1  # the hole takes the category around it
    assert made.category[3, 5] == 3
    assert list(made.steps.values()) == [10, 10, 9, 10]
    farm = nothing.copy()
    farm[1, 1] = True
    assert assemble(line.copy(), inside, nothing, farm, np.ones(4), of_bit, rules=Rules(8, 2.0, 2.0)).bits[1, 1] == 0


WHOLE: dict[str, Any] = {}
LAYER = {"name": "a", "kind": "importance"}
RUSLE = {**LAYER, "method": "rusle"}

# --- delineation ------------------------------------------------------------------------------------------------------


def block(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "within": "land",
        "min_patch_km2": 60.0,
        "fill_holes_km2": 60.0,
        "split": "province",
        "criteria": [
            {
                "name": "water",
                "kind": "importance",
                "layer": "water",
                "per_cell": True,
                "function": "water conservation",
            },
            {
                "name": "life",
                "kind": "importance",
                "method": "npp_biodiversity",
                "extent": "province",
                "inputs": {
                    "npp": "vegetation",
                    "precipitation_mm": "rain",
                    "temperature_c": "temperature",
                    "altitude_m": "altitude",
                },
            },
            {
                "name": "erosion",
                "kind": "fragility",
                "layer": "soil_erosion_sensitivity",
                "class_breaks": [2.0, 3.0],
            },
        ],
        "prohibited": [{"name": "parks", "layer": "existing_pa"}],
        "masks": [{"name": "urban", "layer": "urban", "above": 0.3}],
        "align": "oecm_primary",
        "tenure": {"protected": "existing_pa", "oecm": "existing_oecm", "oecm_candidate": "oecm_candidate"},
    }
    return base | changes


def country(**changes: Any) -> Any:
    landscape = {"format": "synthetic", "rows": 60, "columns": 70, "species": 2, "features": ["ecosystem_*"]}
    return parse({"name": "red", "landscape": landscape, "redline": block(**changes)})


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, list[Any]]:
    folder = tmp_path_factory.mktemp("red") / "line"
    line, tables = delineate_scenario(country(), folder)
    return folder, line, tables


def test_delineation_of_the_country(drawn: Any) -> None:
    folder, line, tables = drawn
    with rasterio.open(folder / "criteria.tif") as raster, rasterio.open(folder / "category.tif") as other:
        assert np.array_equal(raster.read(1), line.bits)
        assert raster.tags(1)["bit_0"] == "water" and raster.tags(1)["bit_3"] == "parks"
        assert np.array_equal((other.read(1) > 0) & (other.read(1) < 255), line.bits != 0)
    with rasterio.open(folder / "grades.tif") as raster:
        assert raster.descriptions == ("water", "life", "erosion")
        # every cell that a criterion grades highest carries its bit, unless it was masked or dropped
        for band in (1, 2, 3):
            top = raster.read(band) == 3
            assert not (((line.bits >> (band - 1)) & 1 > 0) & ~top).any()
    frame = geopandas.read_file(folder / "line.gpkg")
    assert frame.geometry.is_valid.all() and frame["name"].is_unique
    np.testing.assert_allclose(frame.area.to_numpy() / 1e6, frame["area_km2"], rtol=1e-9)
    assert frame["area_km2"].sum() == pytest.approx(line.area_km2)
    assert set(frame["category"]) <= {"function", "fragile", "habitat"}
    assert frame["main_function"].isin([bit.function for bit in line.legend]).all()
    by_name = {table.name: table.frame for table in tables}
    total = by_name["redline_categories"].set_index("category")
    assert total.loc["all", "area_km2"] == pytest.approx(line.area_km2)
    assert total.loc[["function", "fragile", "habitat"], "area_km2"].sum() == pytest.approx(line.area_km2)
    tenure = by_name["redline_tenure"]
    assert tenure["tenure"].tolist() == ["protected", "oecm", "oecm_candidate", "neither"]
    assert tenure["area_km2"].sum() == pytest.approx(line.area_km2) and tenure["share_of_line"].sum() == pytest.approx(
        1
    )
    assert (tenure["area_km2"] > 0).all()
    steps = by_name["redline_steps"]["area_km2"].tolist()
    assert steps[1] <= steps[0] and steps[2] >= steps[1] and steps[3] <= steps[2] and steps[4] >= steps[3]
    assert by_name["redline_regions"]["area_km2"].sum() == pytest.approx(line.area_km2)
    summary = json.loads((folder / "redline.json").read_text())
    assert summary["methods"] == {
        "water": "layer water",
        "life": "npp_biodiversity",
        "erosion": "layer soil_erosion_sensitivity",
    }
    assert {table.name for table in tables} <= {path.stem for path in (folder / "tables").iterdir()}


def test_half_of_the_water_lies_in_cells_graded_highest(drawn: Any) -> None:
    folder, line, _ = drawn
    water = line.grids.image("water").astype(float)
    with rasterio.open(folder / "grades.tif") as raster:
        top = raster.read(1) == 3
    study = np.where(line.study, water, 0)
    assert 0.5 <= study[top].sum() / study.sum() < 0.5 + water[top].min() / study.sum() * 2


@settings(max_examples=12)
@given(st.integers(1, 60))
def test_delineation_does_not_depend_on_tiling(drawn_rows: int) -> None:
    scenario = country()
    whole = WHOLE.setdefault("line", delineate(open_grids(scenario), scenario.redline))
    tiled = delineate(replace(whole.grids, strip_rows=drawn_rows), scenario.redline)
    assert np.array_equal(tiled.bits, whole.bits) and np.array_equal(tiled.category, whole.category)
    assert dict(tiled.steps) == dict(whole.steps)


def write(
    path: Path, values: np.ndarray, nodata: float | None = None, crs: str = "EPSG:6933", cell: float = 1000.0
) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype,
        crs=crs, transform=from_origin(0, 0 if crs != "EPSG:4326" else 40, cell, cell), nodata=nodata,
        tiled=True, blockxsize=16, blockysize=16,
    ) as raster:  # fmt: skip
        raster.write(values, 1)
    return str(path)


def raster_scenario(folder: Path, features: Sequence[str] | None = None, **changes: Any) -> Any:
    rng = np.random.default_rng(3)
    shape = (50, 40)
    units = np.ones(shape, np.uint8)
    units[:, :3] = 0
    value = rng.gamma(1.0, 1.0, shape).astype(np.float32)
    value[7, 7] = -9999
    codes = np.repeat(np.arange(50) // 20, 40).reshape(shape).astype(np.int16) * 7
    landscape = {
        "format": "raster",
        "units": write(folder / "units.tif", units),
        "regions": {"province": write(folder / "province.tif", codes)},
        "features": features,
    }
    (folder / "province.csv").write_text("code,name\n0,North\n7,Middle\n14,South\n")
    redline = {
        "extent": "province",
        "criteria": [{"name": "water", "kind": "importance", "layer": write(folder / "water.tif", value, -9999)}],
        "prohibited": [
            {"name": "park", "layer": write(folder / "park.tif", (rng.random(shape) < 0.02).astype(np.uint8))}
        ],
    } | changes
    return parse({"name": "files", "landscape": landscape, "redline": redline})


LAYERS: dict[str, dict[str, Any]] = {
    "criterion": {"criteria": [{"name": "w", "kind": "importance", "layer": "LAYER"}]},
    "input": {
        "criteria": [
            {
                "name": "karst",
                "kind": "fragility",
                "method": "rocky_desertification",
                "inputs": {"carbonate_pct": 50, "slope_deg": "LAYER", "vegetation": 0.3},
            }
        ]
    },
    "prohibited": {"prohibited": [{"name": "parks", "layer": "LAYER"}]},
    "mask": {"masks": [{"name": "urban", "layer": "LAYER"}]},
    "within": {"within": "LAYER"},
    "align": {"align": "LAYER"},
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_that_does_not_fit_is_told_before_a_solve(kind: str, tmp_path: Path) -> None:
    layer = Path(write(tmp_path / "odd.tif", np.ones((50, 40), np.uint8), crs=""))
    changes = json.loads(json.dumps(LAYERS[kind]).replace("LAYER", str(layer)))
    scenario = raster_scenario(tmp_path, [str(tmp_path / "units.tif")], **changes)
    (tmp_path / "red.toml").write_text(scenario.toml(tmp_path), encoding="utf-8")
    faults, _ = check(tmp_path / "red.toml")
    assert len(faults) == 1 and "odd.tif: no CRS" in faults[0]
    with pytest.raises(PrioritizeError, match=r"odd\.tif: no CRS"):
        run(tmp_path / "red.toml", folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    layer.unlink()
    write(layer, np.ones((50, 40), np.uint8))
    assert check(tmp_path / "red.toml")[0] == []


def test_a_line_that_cannot_be_drawn_costs_its_table_alone(tmp_path: Path) -> None:
    """The layer holds no value where the units are: seen when it is read, and by `verify` as by the run."""
    blank = write(tmp_path / "blank.tif", np.full((50, 40), -1.0, np.float32), -1)
    scenario = raster_scenario(
        tmp_path, [str(tmp_path / "units.tif")], criteria=[{"name": "w", "kind": "importance", "layer": blank}]
    )
    found = run(scenario, folder=tmp_path / "out")
    assert "holds no value" in found.reporter.missing["tables/redline.csv"]
    assert verify(tmp_path / "out").faults == ()


def test_raster_files_are_read_by_windows(tmp_path: Path) -> None:
    scenario = raster_scenario(tmp_path, split="province")
    line, tables = delineate_scenario(scenario, tmp_path / "out")
    with rasterio.open(tmp_path / "out/grades.tif") as raster:
        found = raster.read(1)
    with rasterio.open(tmp_path / "water.tif") as raster:
        value = raster.read(1)
    extent = np.repeat(np.arange(50) // 20, 40).reshape(50, 40)
    extent[:, :3] = -1
    wanted = grade(np.where(value == -9999, np.nan, value), 1.0, extent)
    assert np.array_equal(found, wanted)
    assert line.bits[7, 7] & 1 == 0
    regions = next(table.frame for table in tables if table.name == "redline_regions")
    assert regions["province"].tolist() == ["North", "Middle", "South"]
    for rows in (1, 16, 33):
        with ExitStack() as stack:
            grids = open_grids(scenario, rows, stack)
            assert np.array_equal(delineate(grids, scenario.redline).bits, line.bits)


def test_degrees_are_measured_on_the_ellipsoid(tmp_path: Path) -> None:
    values = np.linspace(1, 9, 400).reshape(20, 20).astype(np.float32)
    name = write(tmp_path / "v.tif", values, crs="EPSG:4326", cell=0.5)
    redline = {
        "criteria": [{"name": "v", "kind": "importance", "layer": name}],
        "min_patch_km2": 0,
        "fill_holes_km2": 0,
    }
    scenario = parse({"name": "d", "landscape": {"format": "raster", "units": name}, "redline": redline})
    line, _ = delineate_scenario(scenario, None)
    area = line.grids.row_area_km2
    assert area[-1] > area[0] > 2000  # a cell of half a degree at 40 and at 30 degrees north
    assert np.array_equal(line.bits > 0, grade(values, area) == 3)


def test_polygons_name_their_main_function() -> None:
    line = WHOLE.setdefault("line", delineate(open_grids(country()), country().redline))
    frame = polygons(line, "province", 8)
    for _, row in frame.iterrows():
        assert row["name"].startswith(row["region"]) and row["main_function"] in row["name"]
        assert row["criteria"]
    largest = frame.sort_values("area_km2").iloc[-1]
    inside = rasterio.features.geometry_mask(
        [largest.geometry], line.grids.shape, rasterio.Affine(*line.grids.transform), invert=True
    )
    held = {bit.function: int(((line.bits[inside] >> np.uint32(bit.number)) & 1).sum()) for bit in line.legend}
    assert held[largest["main_function"]] == max(held.values())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"extent": "basin"}, "there is no level 'basin' of regions; use 'all' or one of 'realm', 'province'"),
        ({"cuts": [0.8, 0.5]}, "ascending order"),
        ({"within": "moon"}, "there is no layer 'moon'"),
        ({"criteria": [{**LAYER, "layer": "altitude"}], "within": None}, "redline.criteria 'a'"),
        (
            {"criteria": [{**RUSLE, "inputs": {"erosivity": 1, "speed": 2}}]},
            "needs the input 'erodibility'",
        ),
        (
            {"criteria": [{**RUSLE, "inputs": {"speed": 2}}]},
            "has no input 'speed'",
        ),
        ({"criteria": [{**RUSLE, "kind": "fragility", "inputs": {}}]}, "is of kind 'importance'"),
        (
            {
                "criteria": [
                    {
                        "name": "a",
                        "kind": "fragility",
                        "method": "rocky_desertification",
                        "inputs": {"carbonate_pct": 50, "slope_deg": "rain", "vegetation": 0.3},
                    }
                ]
            },
            "slope_deg must be 0 to 90",
        ),
        ({"criteria": [{"name": "a", "kind": "fragility", "layer": "rain", "class_breaks": [4, 2]}]}, "must rise"),
    ],
)  # fmt: skip
def test_wrong_scenarios_are_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(PrioritizeError) as caught:
        delineate_scenario(country(**changes), tmp_path / "out")
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())  # nothing half-written


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"criteria": []}, "at least 1"),
        ({"criteria": [{"name": "a", "kind": "importance"}]}, "either 'layer' or 'method'"),
        ({"criteria": [{"name": "parks", "kind": "importance", "layer": "water"}]}, "'parks' is the name of two"),
        ({"connectivity": 6}, "connectivity"),
        ({"min_patch_km2": -1}, "min_patch_km2"),
        ({"category_order": ["habitat", "habitat", "fragile"]}, "name each category once"),
        ({"patch": 1}, "unknown key 'redline.patch'"),
    ],
)
def test_wrong_keys_are_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        country(**changes)
    assert words in str(caught.value)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="not a redline"):
        delineate_scenario(country(), tmp_path / "out")
    with pytest.raises(DataError, match=r"no \[redline\] block"):
        delineate_scenario(parse({"name": "x", "landscape": {"format": "synthetic"}}), None)


# --- revision ---------------------------------------------------------------------------------------------------------


def ground(**changes: Any) -> Ground:
    """Six cells: two provinces, two classes, one function."""
    base = {
        "area_km2": np.ones(6),
        "functions": {"water": np.array([4.0, 3, 2, 4, 3, 2])},
        "levels": {"province": Grouping(np.array([0, 0, 0, 1, 1, 1]), ("North", "South"))},
        "ecosystem": Grouping(np.array([0, 0, 1, 0, 0, 1]), ("forest", "marsh")),
        "converted": np.array([0, 0, 0, 0, 0, 1], bool),
    }
    return Ground(**{**base, **changes})


def failed(verdict: Any) -> set[tuple[str, str, str]]:
    bad = verdict.tests[~verdict.tests["passed"]]
    return set(zip(bad["test"], bad["region"], bad["item"]))


def test_revision_by_hand() -> None:
    old = np.array([0, 1, 0, 1, 0, 0], bool)
    assert judge(old, old, ground()).accepted
    # the better forest of the same province for the worse one
    better = judge(old, np.array([1, 0, 0, 1, 0, 0], bool), ground())
    assert better.accepted and "accepted" in better.sentence
    row = better.ledger.set_index("region").loc["North"]
    assert (row["added_km2"], row["removed_km2"], row["swapped_km2"], row["kept_km2"]) == (1, 1, 1, 0)
    assert (row["water_before"], row["water_after"]) == (3, 4)
    # forest for marsh: area stays, function and nature do not
    assert failed(judge(old, np.array([0, 0, 1, 1, 0, 0], bool), ground())) == {
        ("function", "all", "water"), ("function", "North", "water"), ("nature", "all", "forest"),
        ("nature", "North", "forest"),
    }  # fmt: skip
    # the country gains, the South loses
    moved = failed(judge(old, np.array([1, 1, 0, 0, 0, 0], bool), ground()))
    assert moved == {("area", "South", "area_km2"), ("function", "South", "water"), ("nature", "South", "forest")}
    assert judge(old, np.array([1, 1, 0, 0, 0, 0], bool), ground(levels={})).accepted


def test_land_is_not_taken_out_because_it_was_converted() -> None:
    everything = np.ones(6, bool)
    less = np.array([1, 1, 1, 1, 1, 0], bool)
    old = np.array([1, 1, 0, 0, 0, 1], bool)
    new = np.array([1, 1, 1, 1, 1, 0], bool)
    verdict = judge(old, new, ground(ecosystem=None, levels={}))
    assert failed(verdict) == {("nature", "all", "converted land taken out")}
    # a permitted project stands on it: charged to the budget
    allowed = ground(ecosystem=None, levels={}, permitted=np.array([0, 0, 0, 0, 0, 1], bool))
    assert failed(judge(old, new, allowed, occupation_share=0.3)) == {("occupation", "all", "permitted projects")}
    passed = judge(old, new, allowed, occupation_share=0.34)
    assert passed.accepted
    (row,) = passed.occupation.to_dict("records")
    assert row["occupied_km2"] == 1 and row["taken_out_km2"] == 1 and row["left_km2"] == pytest.approx(0.02)
    assert failed(judge(less, everything, ground(levels={}))) == {("nature", "all", "converted land put in")}


bools = st.lists(st.booleans(), min_size=8, max_size=8).map(lambda v: np.array(v, bool))


@settings(max_examples=300)
@given(
    bools,
    bools,
    st.lists(st.integers(0, 4), min_size=24, max_size=24),
    st.lists(st.integers(-1, 1), min_size=16, max_size=16),
    bools,
)
def test_no_accepted_revision_loses_anything(old: Any, new: Any, amounts: Any, codes: Any, converted: Any) -> None:
    area, water, soil = (np.array(amounts[k : k + 8], float) for k in (0, 8, 16))
    province, classes = np.array(codes[:8]), np.array(codes[8:])
    where = Ground(
        area,
        {"water": water, "soil": soil},
        {"province": Grouping(province, ("a", "b"))},
        Grouping(classes, ("x", "y")),
        converted,
    )
    regions = [np.ones(8, bool), province == 0, province == 1]
    wanted = naive.refused(old, new, area, (water, soil), regions, classes.tolist(), converted)
    assert judge(old, new, where).accepted == (not wanted)


def revised(old: np.ndarray, where: Ground, cost: Any, status: Any = None, **rules: Any) -> np.ndarray:
    groups = {name: [g.names[c] if c >= 0 else None for c in g.code] for name, g in where.levels.items()}
    landscape = from_arrays(
        np.asarray(cost, float),
        np.zeros((1, len(old))),
        area_km2=where.area_km2,
        groups=groups,
        zones=[Zone("red", "redline")],
    )
    if status is not None:
        landscape = replace(landscape, status=np.asarray(status, np.int8)[:, None])
    objective = family("objectives")["min_cost"](kind="min_cost")
    problem = Problem(landscape, np.zeros(1), np.zeros(1), objective)
    config = RedlineConfig.model_validate(
        {"criteria": [{"name": "x", "kind": "importance", "layer": "x"}], "revision": rules}
    )
    changed = revision_problem(problem, old, where, config)
    solver = family("solvers")["highs"](kind="highs", gap=0.0, seconds=20)
    return solve(compile_problem(changed), solver).selection.any(axis=1)


def test_a_revision_changes_no_more_than_it_must() -> None:
    old = np.array([0, 1, 0, 1, 0, 0], bool)
    cost = np.array([1.0, 100, 1, 1, 1, 1])
    assert np.array_equal(revised(old, ground(), cost), old)  # change is as dear as the dearest km2
    cheap = revised(old, ground(), cost, change_weight=0.0)
    assert np.array_equal(cheap, [1, 0, 0, 1, 0, 0])  # the better and cheaper forest
    # a permitted project takes cell 1: the only forest of the North that makes up for it is cell 0
    project = ground(permitted=np.array([0, 1, 0, 0, 0, 0], bool))
    new = revised(old, project, cost)
    assert np.array_equal(new, [1, 0, 0, 1, 0, 0])
    assert judge(old, new, project, occupation_share=1.0).accepted


def test_a_revision_that_cannot_keep_its_promises_says_where() -> None:
    old = np.array([0, 0, 1, 1, 0, 0], bool)
    project = ground(permitted=np.array([0, 0, 1, 0, 0, 0], bool))
    with pytest.raises(InfeasibleError) as caught:
        revised(old, project, np.ones(6))
    # the only marsh of the North is gone; that of the South is converted and cannot make up for it
    assert "redline nature marsh' in province:North asks for 1, only 0 is not locked out" in str(caught.value)


def test_restored_and_newly_protected_land_enters_the_revision() -> None:
    old = np.array([0, 1, 0, 1, 0, 0], bool)
    # a new protected area is locked in: what is there stays, and the new land is added
    status = np.array([0, 0, 1, 0, 0, 0])
    assert np.array_equal(revised(old, ground(), np.ones(6), status=status), [0, 1, 1, 1, 0, 0])
    # restored land is eligible again: converted, cell 5 cannot replace the project's land; restored it can
    project = {"permitted": np.array([0, 0, 0, 1, 0, 0], bool), "functions": {}, "ecosystem": None}
    cost = np.array([1, 1, 1, 1, 9, 1.0])
    assert np.array_equal(revised(old, ground(**project), cost), [0, 1, 0, 0, 1, 0])
    restored = ground(**project, converted=np.zeros(6, bool))
    assert np.array_equal(revised(old, restored, cost), [0, 1, 0, 0, 0, 1])


@given(masks)
def test_border_match_is_counted_side_by_side(code: np.ndarray) -> None:
    rows, columns = code.shape
    inside, region = ((code & 1) > 0), (code.astype(int) >> 1) % 4 - 1
    graph = grid_graph(np.arange(code.size), code.shape, 1000.0, 2000.0)
    found = border_match(inside.ravel(), graph, Grouping(region.ravel(), ("a", "b", "c"))).frame.iloc[0]
    sides = matched = 0.0
    for r, c in np.ndindex(rows, columns):
        for y, x, length in ((r, c + 1, 2), (r + 1, c, 1), (r, c - 1, 2), (r - 1, c, 1)):
            if not (0 <= y < rows and 0 <= x < columns) or not inside[r, c]:
                continue
            if region[r, c] >= 0 and region[y, x] >= 0 and region[r, c] != region[y, x]:
                sides += length
                matched += length * inside[y, x]
    if sides:
        assert found["match_rate"] == pytest.approx(matched / sides)
    else:
        assert np.isnan(found["match_rate"])


def test_polygon_units_lie_inside_by_half_their_area(tmp_path: Path) -> None:
    boxes = geopandas.GeoSeries([shapely.box(x, 0, x + 10, 10) for x in (0, 10, 20, 30)], crs="EPSG:6933")
    landscape = from_arrays(np.ones(4), np.ones((1, 4)), place=Polygons(boxes))
    line = geopandas.GeoDataFrame({"n": [1]}, geometry=[shapely.box(5, 0, 24, 10)], crs="EPSG:6933")
    line.to_file(tmp_path / "l.gpkg")
    assert line_on_units(tmp_path / "l.gpkg", landscape).tolist() == [True, True, False, False]
    raster = Path(write(tmp_path / "r.tif", np.ones((2, 2), np.uint8)))
    with pytest.raises(DataError, match="give the line as polygons"):
        line_on_units(raster, landscape)
    with pytest.raises(DataError, match="no position"):
        line_on_units(raster, from_arrays(np.ones(4), np.ones((1, 4))))


@settings(max_examples=8)
@given(
    bools,
    st.lists(st.integers(0, 4), min_size=24, max_size=24),
    st.lists(st.integers(0, 1), min_size=16, max_size=16),
    bools,
)
def test_every_optimised_revision_is_accepted(old: Any, amounts: Any, codes: Any, converted: Any) -> None:
    area, water, cost = np.array(amounts[:8], float) + 1, np.array(amounts[8:16], float), np.array(amounts[16:], float)
    where = Ground(
        area,
        {"water": water},
        {"province": Grouping(np.array(codes[:8]), ("a", "b"))},
        Grouping(np.array(codes[8:]), ("x", "y")),
        converted & ~old,
    )
    new = revised(old, where, cost, change_weight=0.0)
    assert judge(old, new, where).accepted
    # the cheapest of all 256: counted
    everything = [np.array(choice, bool) for choice in itertools.product((False, True), repeat=8)]
    best = min(cost[choice].sum() for choice in everything if judge(old, choice, where).accepted)
    assert cost[new].sum() == pytest.approx(best)


# --- lines and differences --------------------------------------------------------------------------------------------


def test_lines_are_read_from_everything(drawn: Any, tmp_path: Path) -> None:
    folder, line, _ = drawn
    inside = line.bits != 0
    place = Grid(line.grids.shape, np.arange(inside.size), line.grids.transform, line.grids.crs)
    landscape = from_arrays(np.ones(inside.size), np.ones((1, inside.size)), place=place)
    for path in (folder, folder / "criteria.tif", folder / "line.gpkg"):
        assert np.array_equal(line_on_units(path, landscape), inside.ravel())
    for name, words in (("nothing.gpkg", "no such"), ("empty", "holds no line")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(DataError, match=words):
            read_line(tmp_path / name)
    blank = write(tmp_path / "blank.tif", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match="nothing lies inside"):
        read_line(Path(blank))


def test_difference_of_rasters_and_polygons(tmp_path: Path) -> None:
    old, new = np.zeros((6, 6), np.uint8), np.zeros((6, 6), np.uint8)
    old[1:4, 1:4], new[2:5, 1:4] = 1, 7
    a, b = Path(write(tmp_path / "a.tif", old)), Path(write(tmp_path / "b.tif", new))
    (table,) = compare_lines(a, b, folder=tmp_path / "out")
    wanted = {"old_km2": 9, "new_km2": 9, "kept_km2": 6, "added_km2": 3, "removed_km2": 3, "net_km2": 0, "jaccard": 0.5}
    assert {key: table.frame.loc[0, key] for key in wanted} == pytest.approx(wanted)
    pieces = geopandas.read_file(tmp_path / "out/changes.gpkg")
    assert pieces.groupby("change")["area_km2"].sum().to_dict() == pytest.approx({"kept": 6, "added": 3, "removed": 3})

    boxes = {"a": shapely.box(1000, -4000, 4000, -1000), "b": shapely.box(1000, -5000, 4000, -2000)}
    for name, box in boxes.items():
        geopandas.GeoDataFrame({"n": [1]}, geometry=[box], crs="EPSG:6933").to_file(tmp_path / f"{name}.gpkg")
    halves = geopandas.GeoDataFrame(
        {"name": ["West", "East"]},
        geometry=[shapely.box(0, -9000, 2000, 0), shapely.box(2000, -9000, 9000, 0)],
        crs="EPSG:6933",
    )
    halves.to_file(tmp_path / "halves.gpkg")
    for one, two in (("a.gpkg", "b.gpkg"), ("a.tif", "b.gpkg"), ("a.gpkg", "b.tif"), ("a.tif", "b.tif")):
        (table,) = compare_lines(tmp_path / one, tmp_path / two, tmp_path / "halves.gpkg")
        frame = table.frame.set_index("region")
        assert {key: frame.loc["all", key] for key in wanted} == pytest.approx(wanted), (one, two)
        assert frame.loc["West", "kept_km2"] == pytest.approx(2) and frame.loc["East", "added_km2"] == pytest.approx(2)
    with pytest.raises(DataError, match="no column 'province'"):
        compare_lines(a, b, tmp_path / "halves.gpkg", "province")


@given(masks, st.integers(0, 10**6))
def test_difference_adds_up(code: np.ndarray, seed: int) -> None:
    from prioritize.formats._rasterio import Frame
    from prioritize.redline.diff import compare
    from prioritize.redline.lines import RasterLine

    frame = Frame("x", code.shape, from_origin(0, 0, 1000, 1000), None)
    old, new = RasterLine(frame, (code & 1) > 0), RasterLine(frame, (code & 2) > 0)
    row = compare(old, new).table.frame.iloc[0]
    back = compare(new, old).table.frame.iloc[0]
    assert row["old_km2"] == old.inside.sum() and row["new_km2"] == new.inside.sum()
    assert row["net_km2"] == row["new_km2"] - row["old_km2"]
    assert (row["added_km2"], row["removed_km2"]) == (back["removed_km2"], back["added_km2"])


# --- the command line -------------------------------------------------------------------------------------------------


def test_command_line(drawn: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, _, _ = drawn
    text = country(
        revision={"levels": ["all", "province"], "ecosystem": "landcover", "converted": "urban", "converted_above": 0.3}
    ).toml(tmp_path)
    (tmp_path / "red.toml").write_text(text)
    quick = ["--set", "targets.relative=0.0", "--set", "solver.gap=0.05", "--seconds", "20"]
    assert main(["redline", "delineate", str(tmp_path / "red.toml"), "--out", str(tmp_path / "line")]) == 0
    assert "candidate OECM" in capsys.readouterr().out
    assert (tmp_path / "line/criteria.tif").read_bytes() == (folder / "criteria.tif").read_bytes()
    assert (tmp_path / "line/line.gpkg").read_bytes() == (folder / "line.gpkg").read_bytes()
    assert main(["redline", "diff", str(tmp_path / "line"), str(folder / "line.gpkg")]) == 0
    assert "jaccard" in capsys.readouterr().out
    done = main(["redline", "revise", str(folder), str(tmp_path / "red.toml"), "--out", str(tmp_path / "rev"), *quick])
    printed = capsys.readouterr()
    assert done == 0, printed.err
    assert "revision accepted" in printed.out and (tmp_path / "rev/selection.tif").exists()
    ledger = pd.read_csv(tmp_path / "rev/tables/revision_ledger.csv")
    assert (ledger["after_km2"] >= ledger["before_km2"] - 1e-6).all()
    # a proposal that gives land away is refused, and says where
    with rasterio.open(folder / "criteria.tif") as raster:
        values, profile = raster.read(1), raster.profile
    values[: values.shape[0] // 2] = 0
    with rasterio.open(tmp_path / "less.tif", "w", **profile) as raster:
        raster.write(values, 1)
    less = ["redline", "revise", str(folder), str(tmp_path / "red.toml"), "--new", str(tmp_path / "less.tif")]
    assert main([*less, "--out", str(tmp_path / "rev2")]) == 1
    assert "revision refused (area: FAILED" in capsys.readouterr().out
    assert main(["redline", "revise", str(tmp_path / "no.gpkg"), str(tmp_path / "red.toml")]) == 2
    assert "no such line" in capsys.readouterr().err


def test_a_revision_needs_a_block(tmp_path: Path) -> None:
    plain = parse({"name": "x", "landscape": {"format": "synthetic"}})
    with pytest.raises(ScenarioError, match=r"no \[redline\] block"):
        revise_scenario(tmp_path, plain, None, None)
    with pytest.raises(DataError, match="finite and not negative"):
        ground(functions={"water": np.array([1.0, NAN, 1, 1, 1, 1])})


def test_grids_name_their_levels(drawn: Any) -> None:
    grids: Grids = drawn[1].grids
    with pytest.raises(ScenarioError, match="no level 'basin'"):
        grids.level("basin")
