"""Numbers and names that would be changed without a word, and faults that name their true culprit, once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from desk import Desk, told
from scipy import sparse

from prioritize.cli import main
from prioritize.problem import by_zone
from prioritize.scenario import merge, read_scenario

RUN = ("run", "small.toml")
HUGE = 99999999999999999999


@pytest.mark.parametrize("number", [HUGE, -HUGE, 2**63, 2**53 + 1])
def test_a_marxan_id_that_no_number_can_hold(number: int, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.marxan(pu=f"id,cost,status\n1,10,0\n2,20.5,2\n{number},30,3\n4,40,1\n")
    desk.project()
    assert told(desk, RUN, capsys) == [
        f"pu.dat: planning unit id {number} in data row 3 is too large to be told from its neighbours; "
        "give ids below 9007199254740992"
    ]


def test_a_polygon_id_that_no_number_can_hold(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.polygons(code=[1, 2**53 + 1, 3])
    desk.vector(id="code")
    assert told(desk, RUN, capsys) == [
        "units.gpkg: id 9007199254740993 in column 'code' is too large to be told from its neighbours; "
        "give ids below 9007199254740992"
    ]


@pytest.mark.parametrize("name", ["", "  "])
def test_a_zone_without_a_name(name: str, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.scenario(zones={"core": {}, name: {}})
    assert told(desk, RUN, capsys) == [
        f"small.toml: zones: the name of a zone is empty ({name!r}); name it, as in [zones.protected]"
    ]


def test_a_marxan_zone_without_a_name(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.marxan(
        input="PUNAME pu.dat\nSPECNAME spec.dat\nPUVSPRNAME puvspr.dat\nZONESNAME zones.dat\n",
        zones="zoneid,zonename\n1,core\n2,\n",
    )
    desk.project()
    assert told(desk, RUN, capsys) == ["zones.dat: zone 2 has no name; give it one"]


@pytest.mark.parametrize("seed", [2**31, 2**63 - 1, 2**63])
def test_a_seed_that_is_too_large(seed: int, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(desk, [*RUN, "--set", f"seed={seed}"], capsys) == [
        f"small.toml: seed must be less than or equal to 2147483647 (it is {seed})"
    ]


def test_the_largest_seed(desk: Desk) -> None:
    assert main([*RUN, "--set", f"seed={2**31 - 1}"]) == 0


@pytest.mark.parametrize(
    ("keys", "culprit"),
    [
        ({"landscape__cost": -1.0, "landscape__units": "cost.tif"}, "landscape.cost is -1"),
        ({"zones": {"core": {"cost": -2.5}}}, "zones.core.cost is -2.5"),
    ],
)
def test_a_negative_number_is_blamed_on_its_key(
    keys: dict[str, Any], culprit: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.scenario(**keys)
    assert told(desk, RUN, capsys) == [
        f"{culprit}; give 0 or more, or set landscape.allow_negative = true if a negative cost is meant"
    ]


def test_a_stack_in_another_crs_is_told_once(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.raster("stack.tif", np.ones((3, 3, 4), np.float32), crs="EPSG:32633")
    desk.scenario(landscape__features=["stack.tif", "owl.tif"])
    (line,) = told(desk, RUN, capsys)
    assert line.startswith("stack.tif: CRS EPSG:32633, but cost.tif has CRS EPSG:32755; ")


def test_an_empty_list_empties(desk: Desk) -> None:
    penalties = [{"kind": "boundary", "weight": 0.1}]
    desk.scenario("base.toml", penalties=penalties, constraints=[{"kind": "budget", "share": 0.5}])
    desk.text("more.toml", 'name = "more"\nextends = "base.toml"\npenalties = []\n')
    more = read_scenario("more.toml")
    assert more.penalties == () and len(more.constraints) == 1
    assert merge({"penalties": []}, {"penalties": penalties}) == {"penalties": penalties}


def test_columns_beyond_int32_by_zone() -> None:
    """A unit number fits into int32, its column by zone does not."""
    units, zones, last = 2**30, 4, 2**30 - 1
    amount = sparse.csr_array((np.array([7.0]), np.array([last], np.int32), np.array([0, 1], np.int32)), (1, units))
    land: Any = SimpleNamespace(shape=(units, 1, zones), amount=amount, contribution=np.ones((1, zones)))
    found = by_zone(land, np.array([0]))
    assert found.indices.tolist() == [last * zones + z for z in range(zones)]


def test_columns_by_zone_are_narrow_where_they_fit() -> None:
    amount = sparse.csr_array(np.array([[1.0, 0.0, 2.0]]))
    land: Any = SimpleNamespace(shape=(3, 1, 2), amount=amount, contribution=np.array([[1.0, 0.5]]))
    found = by_zone(land, np.array([0]))
    assert found.toarray().tolist() == [[1.0, 0.5, 0.0, 0.0, 2.0, 1.0]]
    assert found.indices.dtype == found.indptr.dtype == np.int32
