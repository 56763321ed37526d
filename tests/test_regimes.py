"""Regimes as data: tenure, zones with a type, nested quotas, and the scenarios that compare them."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import from_origin

from prioritize.errors import DataError, InfeasibleError, ScenarioError
from prioritize.inputs import input_hashes
from prioritize.landscape import Zone, from_arrays
from prioritize.problem import Problem, compile_problem
from prioritize.registry import family
from prioritize.runner import load_landscape, make_problem
from prioritize.runner import run as answer
from prioritize.scenario import parse, read_scenario
from prioritize.solve import impossible_rows, reach

SCENARIOS = Path(__file__).parents[1] / "scenarios"
REGIMES = ("pa_only", "pa_oecm", "ecr")
UTM = "EPSG:32755"


def raster(path: Path, values: Any, cell: float = 1000.0, nodata: float | None = None) -> None:
    values = np.asarray(values, dtype=np.float32)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=values.shape[0],
        width=values.shape[1],
        count=1,
        dtype="float32",
        crs=UTM,
        nodata=nodata,
        transform=from_origin(500_000, 5_000_000, cell, cell),
    ) as file:
        file.write(values, 1)


def scenario(folder: Path, text: str) -> Path:
    path = folder / "small.toml"
    path.write_text('name = "small"\n' + textwrap.dedent(text), encoding="utf-8")
    return path


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """2 x 3 cells, one of them no unit; shares of protection, and a flag."""
    raster(tmp_path / "cost.tif", [[1, 2, 3], [4, 5, -9]], nodata=-9)
    raster(tmp_path / "owl.tif", np.ones((2, 3)))
    raster(tmp_path / "pa.tif", [[0.25, 0, 1], [0, 0.5, 1]])
    raster(tmp_path / "oecm.tif", [[0, 1, 0], [0, 0, -1]], nodata=-1)
    return tmp_path


RASTER = """
    [landscape]
    format = "raster"
    cost = "cost.tif"
    features = ["owl.tif"]
    """


# --- tenure ------------------------------------------------------------------------------------------------------


def test_shares_and_flags_survive_a_raster(desk: Path) -> None:
    text = RASTER + '[landscape.tenure]\noecm = "oecm.tif"\nprotected = "pa.tif"\n'
    asked = read_scenario(scenario(desk, text))
    landscape = load_landscape(asked)
    assert list(landscape.tenure) == ["oecm", "protected"]  # the order of the file is the order of priority
    np.testing.assert_array_equal(landscape.tenure["protected"], [0.25, 0, 1, 0, 0.5])
    np.testing.assert_array_equal(landscape.tenure["oecm"], [0, 1, 0, 0, 0])
    # a tenure layer decides the tables, so it is one of the inputs
    before = input_hashes(asked)
    assert "pa.tif" in before
    raster(desk / "pa.tif", np.zeros((2, 3)))
    assert input_hashes(asked)["key"] != before["key"]
    turned = landscape.renumbered(np.array([4, 3, 2, 1, 0]))
    np.testing.assert_array_equal(turned.tenure["protected"], [0.5, 0, 1, 0, 0.25])


def test_shares_of_finer_cells_are_averaged_if_asked(desk: Path) -> None:
    fine = np.zeros((4, 6))
    fine[0, 0] = fine[1, 0] = 1  # half of the first cell
    raster(desk / "fine.tif", fine, cell=500.0)
    text = RASTER + 'align = "{}"\n[landscape.tenure]\nprotected = "fine.tif"\n'
    share = load_landscape(read_scenario(scenario(desk, text.format("bilinear")))).tenure["protected"]
    assert 0 < share[0] < 1 and share[1:].max() < 0.5
    with pytest.raises(DataError, match=r"landscape\.tenure\.protected: .*fine\.tif"):
        load_landscape(read_scenario(scenario(desk, text.replace('align = "{}"\n', ""))))


def test_shares_survive_polygons(tmp_path: Path) -> None:
    units = geopandas.GeoDataFrame(
        {"cost": [1.0, 2.0], "owl": [1.0, 1.0], "pa": [0.3, None], "oecm": [False, True]},
        geometry=[shapely.box(k * 1000, 0, k * 1000 + 1000, 1000) for k in range(2)],
        crs=UTM,
    )
    units.to_file(tmp_path / "units.gpkg")
    text = '[landscape]\nformat = "vector"\nunits = "units.gpkg"\ncost = "cost"\n'
    text += 'tenure = { protected = "pa", oecm = "oecm" }\n'
    landscape = load_landscape(read_scenario(scenario(tmp_path, text)))
    np.testing.assert_allclose(landscape.tenure["protected"], [0.3, 0])
    np.testing.assert_array_equal(landscape.tenure["oecm"], [0, 1])
    # a column that is named as tenure is no feature
    assert landscape.features["name"].tolist() == ["owl"]


def test_tenure_is_a_share(desk: Path) -> None:
    raster(desk / "percent.tif", [[25, 0, 100], [0, 50, 0]])
    text = RASTER + '[landscape.tenure]\nprotected = "percent.tif"\noecm = "oecm.tif"\ncandidate = "none.tif"\n'
    with pytest.raises(DataError) as error:
        load_landscape(read_scenario(scenario(desk, text)))
    assert any("landscape.tenure.candidate" in fault and "none.tif" in fault for fault in error.value.faults)
    text = text.replace('candidate = "none.tif"\n', "")
    with pytest.raises(DataError, match=r"landscape\.tenure\.protected: .*is 25\.0, 50\.0, 100\.0 in 3 units.*0 to 1"):
        load_landscape(read_scenario(scenario(desk, text)))


def test_tenure_of_plain_arrays_is_checked() -> None:
    assert from_arrays([1.0, 1.0], [[1.0, 1.0]], tenure={"protected": [0.5, 1]}).tenure["protected"].sum() == 1.5
    for wrong in ([0.5], [0.5, 1.5], [0.5, np.nan]):
        with pytest.raises(DataError, match="tenure 'protected'"):
            from_arrays([1.0, 1.0], [[1.0, 1.0]], tenure={"protected": wrong})
    with pytest.raises(DataError, match="effectiveness of zone 'x' is 2"):
        from_arrays([1.0], [[1.0]], zones=[Zone("x", effectiveness=2)])


# --- zones -------------------------------------------------------------------------------------------------------


def test_zones_carry_type_governance_and_effectiveness() -> None:
    landscape = load_landscape(read_scenario(SCENARIOS / "pa_oecm.toml"))
    assert [(zone.name, zone.kind, zone.type) for zone in landscape.zones] == [
        ("protected", "protected", ""),
        ("oecm_primary", "oecm", "primary"),
        ("oecm_secondary", "oecm", "secondary"),
        ("oecm_ancillary", "oecm", "ancillary"),
    ]
    assert {zone.governance for zone in landscape.zones[1:]} == {"iplc", "government"}


def test_effectiveness_never_touches_the_targets() -> None:
    problems = []
    for effectiveness in (1.0, 0.5):
        landscape = from_arrays(
            np.ones((3, 1)), [[1.0, 2.0, 3.0]], zones=[Zone("oecm", "oecm", effectiveness=effectiveness)]
        )
        parts = (family("targets")["relative"](relative=0.5), family("objectives")["min_cost"]())
        problems.append(Problem(landscape, parts[0].targets(landscape), parts[0].totals(landscape), parts[1]))
    one, half = (compile_problem(problem) for problem in problems)
    np.testing.assert_array_equal(one.rows.toarray(), half.rows.toarray())
    np.testing.assert_array_equal(one.row_lower, half.row_lower)


@pytest.mark.parametrize(
    ("zone", "fault"),
    [
        ({"type": "tertiary"}, "zones.x.type must be '', 'primary', 'secondary' or 'ancillary' (it is 'tertiary')"),
        ({"governance": "state"}, "zones.x.governance must be"),
        ({"effectiveness": 1.5}, "zones.x.effectiveness must be less than or equal to 1 (it is 1.5)"),
    ],
)
def test_faults_of_zones(zone: dict[str, Any], fault: str) -> None:
    with pytest.raises(ScenarioError) as error:
        parse({"name": "small", "landscape": {"format": "synthetic"}, "zones": {"x": zone}})
    assert fault in str(error.value)


# --- quotas ------------------------------------------------------------------------------------------------------


def nested(constraints: list[dict[str, Any]], status: Any = None, zones: Any = ("protected",)) -> Problem:
    """Six units of 1 km2: two provinces of three, four counties; one unit of each province at sea."""
    landscape = from_arrays(
        np.arange(1.0, 7.0),
        np.ones((1, 6)),
        status=status,
        zones=zones,
        groups={
            "realm": ["land", "land", "sea", "land", "land", "sea"],
            "province": ["A"] * 3 + ["B"] * 3,
            "county": ["a1", "a2", "a2", "b1", "b1", "b2"],
        },
    )
    area = family("constraints")["area"]
    rule = family("targets")["relative"](relative=0.0)
    terms = tuple(area(kind="area", **item) for item in constraints)
    objective = family("objectives")["min_cost"]()
    return Problem(landscape, rule.targets(landscape), rule.totals(landscape), objective, terms)


def test_quotas_nest_by_level_and_realm() -> None:
    problem = nested(
        [
            {"of": "realm:*", "share": 0.5},
            {"of": "province:*", "within": "realm:land", "share": 0.5, "max_share": 0.5},
            {"of": "county:*", "within": "realm:land", "max_share": 1.0},
        ]
    )
    program = compile_problem(problem)
    rows = dict(zip(program.row_names, range(len(program.row_names)), strict=True))
    land = rows["area of province:A within realm:land"]
    np.testing.assert_array_equal(program.rows.toarray()[land], [1, 1, 0, 0, 0, 0])
    assert (program.asked_lower[land], program.asked_upper[land]) == (1, 1)
    # b2 lies at sea altogether: there is nothing to ask of it
    assert "area of county:a2 within realm:land" in rows and "area of county:b2 within realm:land" not in rows
    held = np.zeros((6, 1), dtype=bool)
    held[[0, 2, 3], 0] = True
    assert [fault for term in problem.constraints for fault in term.broken(problem, held)] == []
    held[1] = True
    assert problem.constraints[1].broken(problem, held) == [
        "area of province:A within realm:land is 2 km2, more than 1"
    ]


def test_within_is_one_group() -> None:
    with pytest.raises(ScenarioError, match="within = 'realm:\\*' names several groups"):
        compile_problem(nested([{"of": "province:*", "within": "realm:*", "share": 0.1}]))


@pytest.mark.parametrize("zones", [("protected",), ("oecm", "protected", "redline")])
def test_a_quota_that_cannot_be_met_names_the_region_and_says_by_how_much(zones: tuple[str, ...]) -> None:
    number = zones.index("protected")
    status = np.zeros((6, len(zones)), dtype=np.int8)
    status[[0, 1], number] = 1
    status[[3, 4]] = -1
    problem = nested([{"of": "province:*", "share": 0.5, "max_share": 0.6}], status, zones)
    faults = impossible_rows(compile_problem(problem))
    # whatever other zones there are, what is locked in is in: the least that a row can be knows it
    assert faults == [
        "area of province:A allows 1.8 km2, but locked-in units already take 2",
        "area of province:B asks for 1.5 km2, only 1 is not locked out (3 without the locks)",
    ]


@given(st.data())
def test_reach_is_what_counting_finds(data: st.DataObject) -> None:
    zones = data.draw(st.integers(1, 3))
    status = np.array(data.draw(st.lists(st.integers(-1, 1), min_size=6 * zones, max_size=6 * zones)), dtype=np.int8)
    status = status.reshape(6, zones)
    for row in status:
        row[np.flatnonzero(row == 1)[1:]] = 0
    names = ("a", "b", "c")[:zones]
    of = data.draw(st.sampled_from([None, list(names[:1])]))
    program = compile_problem(nested([{"of": "province:*", "share": 0.1, "zones": of}], status, names))
    low, high = reach(program, program.upper)
    for row in range(len(low)):
        values = program.rows.toarray()[row].reshape(6, zones)
        least = most = 0.0
        for u in range(6):
            locked = [z for z in range(zones) if status[u, z] == 1]
            choices = [values[u, z] for z in locked or [z for z in range(zones) if status[u, z] == 0]]
            choices += [] if locked else [0.0]
            least, most = least + min(choices), most + max(choices)
        assert (low[row], high[row]) == (least, most)


def test_quotas_that_contradict_each_other_are_explained() -> None:
    counties = [{"of": "county:*", "max_share": 0.3}, {"of": "province:A", "share": 0.6}]
    text = {
        "name": "small",
        "landscape": {"format": "synthetic", "rows": 50, "columns": 50, "species": 3, "features": ["ecosystem_*"]},
        "targets": {"relative": 0.0},
        "constraints": [
            {"kind": "area", "of": "county:*", "max_share": 0.2},
            {"kind": "area", "of": "province:*", "share": 0.6},
        ],
        "solver": {"seconds": 20},
    }
    assert impossible_rows(compile_problem(nested(counties))) == []
    with pytest.raises(InfeasibleError) as error:
        answer(parse(text))
    assert any(fault.startswith(("lower area of province:", "raise area of county:")) for fault in error.value.faults)


# --- the scenarios of the project --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REGIMES)
def test_a_regime_is_a_small_difference_of_the_base(name: str) -> None:
    base, regime = read_scenario(SCENARIOS / "base.toml"), read_scenario(SCENARIOS / f"{name}.toml")
    for key in ("seed", "landscape", "objective", "penalties", "solver"):
        assert getattr(base, key) == getattr(regime, key), key
    assert regime.constraints[: len(base.constraints)] == base.constraints
    assert next(iter(regime.zones)) == "protected"
    assert regime.targets.rule == "sreekar"


def test_the_base_asks_what_the_framework_asks() -> None:
    base = read_scenario(SCENARIOS / "base.toml")
    problem = make_problem(base, load_landscape(base))
    program = compile_problem(problem)
    names = list(program.row_names)
    for realm in ("land", "inland water", "sea"):
        row = names.index(f"area of realm:{realm}")
        total = problem.landscape.area_km2[problem.landscape.groups["realm"].mask(realm)].sum()
        assert program.row_lower[row] == pytest.approx(0.3 * total)
    assert sum(name.startswith("area of priority:") for name in names) == 11
    source = base.targets.provenance(problem.landscape)
    species = problem.landscape.features["group"] == "species"
    assert set(source["rule"][species]) == {"sreekar"} and set(source["rule"][~species]) == {"given"}
    assert impossible_rows(program) == []


def test_oecms_are_capped_at_twelve_percent_of_the_land() -> None:
    regime = read_scenario(SCENARIOS / "pa_oecm.toml")
    problem = make_problem(regime, load_landscape(regime))
    cap = problem.constraints[-1]
    land = problem.landscape.groups["realm"].mask("land")
    every = np.zeros((len(land), 4), dtype=bool)
    every[land, 2] = True
    (fault,) = cap.broken(problem, every)
    assert fault.startswith("area of realm:land in oecm_primary + oecm_secondary + oecm_ancillary is")
    every[:] = False
    every[land, 0] = True  # protected land is no OECM
    assert cap.broken(problem, every) == []


def test_global_ranges_weigh_what_is_common_elsewhere() -> None:
    base = read_scenario(SCENARIOS / "base.toml")
    landscape = load_landscape(base)
    species = (landscape.features["group"] == "species").to_numpy()
    scaled = base.targets.targets(landscape)[species]
    national = base.targets.model_copy(update={"scale": "national"}).targets(landscape)[species]
    endemic = landscape.features["endemic"].to_numpy(dtype=bool)[species]
    assert np.all(scaled <= national * (1 + 1e-9))
    np.testing.assert_allclose(scaled[endemic], national[endemic])
    assert np.mean(scaled[~endemic] < national[~endemic] * 0.999) > 0.8
    assert isinstance(base.targets.provenance(landscape), pd.DataFrame)
