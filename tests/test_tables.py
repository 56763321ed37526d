"""What the tables of a run say, and that it is so."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prioritize.accounting import RULES
from prioritize.landscape import Landscape, Zone, from_arrays
from prioritize.problem import Problem
from prioritize.registry import family
from prioritize.scenario import Scenario, parse
from prioritize.table import Judged, Table, beside, make_tables, read_tables, write_tables
from prioritize.tables._closing import addable, close_feature

ZONES = (
    Zone("park", "protected", governance="government"),
    Zone("water", "oecm", type="secondary", governance="shared", effectiveness=0.5),
    Zone("line", "redline"),
)


def scenario(**tables: Any) -> Scenario:
    return parse({"name": "test", "landscape": {"format": "synthetic"}, "tables": tables})


def judge(landscape: Landscape, selection: np.ndarray, target: float | np.ndarray = 0.3, **tables: Any) -> Judged:
    denominator = np.asarray(landscape.amount.sum(axis=1)).ravel()
    goal = target * denominator if isinstance(target, float) else target
    plan = scenario(**tables)
    return Judged(Problem(landscape, goal, denominator, plan.objective), selection, plan)


def made(judged: Judged) -> dict[str, Table]:
    return {table.name: table for table in make_tables(judged)}


def country(seed: int = 1, units: int = 60, features: int = 24) -> tuple[Landscape, np.ndarray]:
    """Everything that a landscape may carry, and a plan."""
    rng = np.random.default_rng(seed)
    amount = rng.random((features, units)) * (rng.random((features, units)) < 0.4)
    table = pd.DataFrame(
        {
            "name": [f"feature_{k}" for k in range(features)],
            "group": np.r_[["species"] * (features - 6), ["ecosystem"] * 3, ["service"] * 2, ["carbon"]],
            "taxon": np.r_[rng.choice(["bird", "plant"], features - 6), [""] * 6],
            "protection_class": np.r_[rng.choice(["I", "II", ""], features - 6), [""] * 6],
            "iucn": np.r_[rng.choice(["CR", "EN", "VU", "LC"], features - 6), [""] * 6],
            "endemic": np.r_[rng.choice([True, False], features - 6), [False] * 6],
            "realm": rng.choice(["land", "sea"], features),
        }
    )
    names = lambda stem, many: [f"{stem}{k}" if k else "" for k in rng.integers(0, many, units)]  # noqa: E731
    landscape = from_arrays(
        rng.uniform(1, 9, (units, 3)),
        amount,
        area_km2=rng.uniform(0.5, 3, units),
        features=table,
        contribution=np.tile([1.0, 0.8, 0.5], (features, 1)),
        zones=ZONES,
        groups={
            "realm": rng.choice(["land", "sea"], units).tolist(),
            "province": rng.choice(["north", "south", "west"], units).tolist(),
            "priority": names("site ", 6),
            "kba": names("kba ", 9),
            "ecoregion": names("eco ", 5),
        },
        layers={"slope": rng.random(units)},
        tenure={
            "protected": rng.random(units) * 0.5,
            "oecm": rng.random(units) * 0.5,
            "oecm_candidate": rng.random(units),
        },
    )
    return landscape, np.eye(4, dtype=bool)[rng.integers(0, 4, units)][:, :3]


# --- the tables of the source's Appendix 2 ---------------------------------------------------------------------------

#: covered and total by taxon: class I, class II; categories; endemic (DOMAIN A.2.8: totals are implied, and unique)
PROTECTED = {
    "animal": {
        "I": (183, 193),
        "II": (403, 438),
        "CR": (87, 90),
        "EN": (84, 94),
        "VU": (118, 124),
        "endemic": (104, 110),
    },
    "plant": {"I": (66, 89), "II": (549, 674)},
}
#: 251 threatened plants are not covered, though only 148 of the 763 protected ones are not: another list of species
THREATENED_PLANTS = {"plant": {"CR": (54, 130), "EN": (133, 239), "VU": (173, 242), "endemic": (207, 395)}}
TABLE_1 = {
    "animal": ("586 (92.86%)", "183 (94.81%)", "403 (92.00%)"),
    "plant": ("615 (80.60%)", "66 (74.15%)", "549 (81.45%)"),
}
TABLE_2 = {
    "CR": "54 (41.53%)",
    "EN": "133 (55.64%)",
    "VU": "173 (71.48%)",
    "endemic": "207 (52.40%)",
    "total": "615 (80.60%)",
}
TABLE_3 = {
    "CR": "87 (96.66%)",
    "EN": "84 (89.36%)",
    "VU": "118 (95.16%)",
    "endemic": "104 (94.54%)",
    "total": "586 (92.86%)",
}


def appendix(lists: dict[str, dict[str, tuple[int, int]]]) -> tuple[Landscape, np.ndarray]:
    """Species in two units, one of which is selected: the covered ones occur there."""
    rows = []
    for taxon, groups in lists.items():
        for inside in (True, False):
            number = {key: covered if inside else total - covered for key, (covered, total) in groups.items()}
            classes = [name for name in ("I", "II") for _ in range(number.get(name, 0))]
            threatened = [code for code in ("CR", "EN", "VU") for _ in range(number.get(code, 0))]
            count = max(len(classes), len(threatened))
            frame = pd.DataFrame({"taxon": taxon, "inside": inside}, index=range(count))
            frame["protection_class"] = classes + [""] * (count - len(classes))
            frame["iucn"] = threatened + ["LC"] * (count - len(threatened))
            frame["endemic"] = np.arange(count) >= count - number.get("endemic", 0)
            rows.append(frame)
    table = pd.concat(rows, ignore_index=True)
    table.insert(0, "name", [f"species_{k}" for k in range(len(table))])
    # a covered species has a thousandth of its range inside: present, and far from any target
    amount = np.where(table["inside"].to_numpy(), 0.001, 0.0), np.ones(len(table))
    landscape = from_arrays(np.ones(2), np.stack(amount, axis=1), features=table.drop(columns="inside"))
    return landscape, np.array([[True], [False]])


def test_appendix_2_digit_for_digit() -> None:
    tables = made(judge(*appendix(PROTECTED), rounding="truncate"))
    by_class = tables["species_by_class"].frame.set_index(["taxon", "definition"])
    assert list(by_class.columns) == ["total", "class_I", "class_II"]
    for taxon, texts in TABLE_1.items():
        assert tuple(by_class.loc[(taxon, "present")]) == texts
        assert by_class.loc[(taxon, "target"), "total"].startswith("0 (0.00%)")
    protected = tables["species_by_status"].frame.set_index(["taxon", "category"])["present_text"]
    plants = made(judge(*appendix(THREATENED_PLANTS), rounding="truncate"))["species_by_status"]
    threatened = plants.frame.set_index(["taxon", "category"])["present_text"]
    for category, text in TABLE_2.items():
        assert (protected if category == "total" else threatened)["plant", category] == text
    for category, text in TABLE_3.items():
        assert protected["animal", category] == text
    assert protected["animal", "threatened"] == "289 (93.83%)"
    assert threatened["plant", "threatened"] == "360 (58.91%)"  # the source's text says 70.45, its table does not
    assert protected["all", "total"] == "1201 (86.15%)"


def test_rounded_it_is_another_table() -> None:
    by_class = made(judge(*appendix(PROTECTED), rounding="round"))["species_by_class"].frame.set_index(
        ["taxon", "definition"]
    )
    assert tuple(by_class.loc[("animal", "present")]) == ("586 (92.87%)", "183 (94.82%)", "403 (92.01%)")
    assert by_class.loc[("plant", "present"), "class_I"] == "66 (74.16%)"


def test_all_combinations_add_up() -> None:
    cross = made(judge(*appendix(PROTECTED)))["species_coverage"].frame
    assert cross["species"].sum() == 631 + 763 and cross["present"].sum() == 586 + 615
    assert not cross.duplicated(["taxon", "protection_class", "iucn", "endemic"]).any()


def test_three_definitions_differ() -> None:
    """Half of one species in a zone that counts 0.5 of it: present, half of its range, target of 30 % missed."""
    landscape = from_arrays(
        np.ones(2),
        [[1.0, 1.0], [0.0, 5.0]],
        features=pd.DataFrame({"name": ["a", "b"], "taxon": ["bird", "bird"]}),
        contribution=[[0.5], [0.5]],
    )
    tables = made(judge(landscape, np.array([[True], [False]])))
    total = tables["species_by_status"].frame.iloc[-1]
    assert (total["present_text"], total["share_text"], total["target_text"]) == ("1 (50.00%)", "25.00%", "0 (0.00%)")
    assert tables["features"].frame["held"].tolist() == [0.5, 0.0]
    assert "species_by_class" not in tables


# --- laws ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_renumbering_units_changes_nothing(seed: int) -> None:
    landscape, selection = country(seed, 30, 12)
    order = np.random.default_rng(seed).permutation(30)
    tables, again = (
        made(judge(*case)) for case in ((landscape, selection), (landscape.renumbered(order), selection[order]))
    )
    assert tables.keys() == again.keys()
    for name, table in tables.items():
        frames = [one.frame.drop(columns="units", errors="ignore") for one in (table, again[name])]
        pd.testing.assert_frame_equal(*frames, check_exact=False, rtol=1e-9, atol=1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_laws_of_coverage_and_ledger(seed: int) -> None:
    landscape, selection = country(seed, 30, 12)
    tables = made(judge(landscape, selection))
    coverage, regions = tables["coverage"].frame, tables["coverage_regions"].frame
    for frame, keys in ((coverage, ["realm"]), (regions, ["level", "region", "realm"])):
        assert (frame.groupby(keys)["area_km2"].diff().dropna() >= -1e-12).all()  # wider rules are never less
        assert ((frame["share"] >= 0) & (frame["share"] <= 1 + 1e-12)).all()
        assert (frame["meets"] == (frame["share"] >= 0.3 - 1e-9)).all()
        assert np.allclose(frame["missing_km2"], np.maximum(0, 0.3 * frame["realm_km2"] - frame["area_km2"]))
    pooled = regions.groupby(["realm", "rule"])["area_km2"].sum()
    assert np.allclose(pooled[list(zip(coverage["realm"], coverage["rule"]))], coverage["area_km2"])

    cube = tables["ledger"].frame.set_index(["realm", "zone", "tenure"])["area_km2"].sort_index()
    parts = cube[[key for key in cube.index if "all" not in key[1:]]]
    assert parts.sum() == pytest.approx(landscape.area_km2.sum(), rel=1e-9)
    for realm, zone in {key[:2] for key in cube.index if key[1] != "all"}:
        assert parts[realm, zone].sum() == pytest.approx(cube[realm, zone, "all"], abs=1e-9)
    for realm, tenure in {(key[0], key[2]) for key in cube.index}:
        assert cube[realm, :, tenure].drop("all").sum() == pytest.approx(cube[realm, "all", tenure], abs=1e-9)
    # ledger and coverage are two ways to count the same
    for realm in ("land", "sea"):
        if realm in coverage["realm"].to_numpy():
            everything = coverage.set_index(["realm", "rule"]).loc[(realm, "all_zones"), "area_km2"]
            plan = sum(cube[realm, zone.name, "all"] for zone in ZONES)
            exists = cube[realm, "outside the plan", "protected"] + cube[realm, "outside the plan", "oecm"]
            assert plan + exists == pytest.approx(everything, abs=1e-9)
    species = tables["species_by_status"].frame
    assert (species["target_met"] <= species["with_target"]).all()
    assert (species["target_met"] <= species["present"]).all()  # a target above zero needs an occurrence


# --- the other tables ------------------------------------------------------------------------------------------------


def test_redline_is_split() -> None:
    """One unit each: park, existing PA, OECM and candidate in the line, neither, and a PA that the plan left out."""
    landscape = from_arrays(
        np.ones((6, 3)),
        np.ones((1, 6)),
        area_km2=[1, 2, 4, 8, 16, 32],
        zones=ZONES,
        tenure={"protected": [0, 1, 0, 0, 0, 1], "oecm": [0, 0, 1, 0, 0, 0], "oecm_candidate": [0, 0, 0, 1, 0, 0]},
    )
    selection = np.zeros((6, 3), bool)
    selection[0, 0] = selection[1:5, 2] = True
    tables = made(judge(landscape, selection))
    ledger = tables["ledger"].frame.set_index(["zone", "tenure"])["area_km2"]
    assert ledger["line"].to_dict() == {"protected": 2, "oecm": 4, "oecm_candidate": 8, "neither": 16, "all": 30}
    coverage = tables["coverage"].frame.set_index("rule")
    assert coverage["area_km2"].to_dict() == {
        "pa": 1 + 2 + 32,
        "pa_oecm": 1 + 2 + 4 + 32,
        "pa_oecm_candidates": 1 + 2 + 4 + 8 + 32,
        "all_zones": 63,
    }
    assert coverage["outside_plan_km2"].tolist() == [32] * 4 and coverage["today_km2"].tolist() == [34, 38, 38, 38]
    indicator = tables["indicator_3_1"].frame.set_index("category")
    assert indicator.loc["protected areas and OECMs", "plan_km2"] == 39
    assert indicator.loc["government", "plan_km2"] == 1  # the line has no governance


def test_thirty_percent_is_met_for_each_realm_apart() -> None:
    landscape = from_arrays(np.ones(10), np.ones((1, 10)), groups={"realm": ["land"] * 5 + ["sea"] * 5})
    chosen = np.zeros((10, 1), bool)
    chosen[:4] = True
    frame = made(judge(landscape, chosen))["coverage"].frame
    assert set(frame["realm"]) == {"land", "sea"}  # 40 % of all, and no row that says so
    assert frame[frame["rule"] == "pa"]["meets"].tolist() == [True, False]
    assert frame[frame["rule"] == "pa"]["missing_km2"].tolist() == [0, pytest.approx(1.5)]


def test_priority_areas() -> None:
    landscape = from_arrays(
        np.ones(6), np.ones((1, 6)), area_km2=[1, 3, 1, 1, 1, 9], groups={"priority": ["a", "a", "b", "b", "c", ""]}
    )
    chosen = np.array([1, 0, 1, 1, 0, 1], bool)[:, None]
    tables = made(judge(landscape, chosen))
    row = tables["priority_areas"].frame.set_index("rule").loc["pa"]
    assert (row["sites"], row["n_at_threshold"], row["n_full"], row["n_zero"], row["zero_sites"]) == (3, 1, 1, 1, "c")
    assert row["mean_share"] == pytest.approx((0.25 + 1 + 0) / 3) and row["area_share"] == pytest.approx(3 / 7)
    assert tables["priority_area_list"].frame["share_pa"].tolist() == [0.25, 1, 0]


def test_ecosystems_and_services() -> None:
    table = pd.DataFrame(
        {"name": ["e1", "e2", "water"], "group": ["ecosystem", "ecosystem", "service"], "realm": ["land"] * 3}
    )
    landscape = from_arrays(
        [4, 1, 1, 1],
        [[1, 1, 0, 0], [0, 0, 1, 0], [6, 2, 0, 0]],
        features=table,
        groups={"realm": ["land", "land", "land", "sea"]},
    )
    tables = made(judge(landscape, np.array([[True], [False], [False], [True]])))
    summary = tables["ecosystem_summary"].frame.iloc[0]
    assert (summary["types"], summary["n_at_threshold"], summary["n_zero"]) == (2, 1, 1)
    assert summary["gini"] == pytest.approx(0.5)
    service = tables["services"].frame.iloc[0]
    assert (service["share"], service["area_share"]) == (0.75, pytest.approx(1 / 3))  # of land, not of all
    assert service["efficiency"] == pytest.approx(2.25) and service["per_cost"] == pytest.approx(6 / 5)


def test_what_a_zone_adds() -> None:
    landscape = from_arrays(
        np.ones((2, 3)), [[1, 1], [1, 0], [0, 1]], zones=ZONES, contribution=np.tile([1, 0.8, 1], (3, 1))
    )
    selection = np.array([[True, False, False], [False, True, False]])
    tables = made(judge(landscape, selection, np.array([1.5, 0.5, 0.9])))
    row = tables["zones_add"].frame.iloc[0]
    assert (row["zone"], row["type"], row["area_km2"]) == ("water", "secondary", 1)
    assert (row["targets_met"], row["met_without"], row["met_thanks_to_it"]) == (2, 1, 1)
    assert tables["zones_add_features"].frame["feature"].tolist() == ["feature_1"]
    assert tables["shortfalls"].frame["feature"].tolist() == ["feature_3"]


def cheapest(landscape: Landscape, selection: np.ndarray, feature: int, missing: float) -> float:
    """Least cost of adding what is missing: all ways are tried."""
    free = addable(landscape, selection)
    amount = landscape.amount.toarray()[feature]
    options = [
        [(0.0, 0.0), *((max(0.0, landscape.cost[u, z]), amount[u] * landscape.contribution[feature, z])
                       for z in np.flatnonzero(free[u]))]
        for u in range(landscape.shape[0])
    ]  # fmt: skip
    sums = ((sum(c for c, _ in way), sum(g for _, g in way)) for way in itertools.product(*options))
    return min((cost for cost, gain in sums if gain >= missing * (1 - 1e-9)), default=np.inf)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_closing_a_gap_against_all_ways(seed: int) -> None:
    rng = np.random.default_rng(seed)
    units, zones = 6, int(rng.integers(1, 3))
    status = rng.choice([-1, 0, 0, 0], (units, zones))
    landscape = from_arrays(
        rng.integers(-1, 9, (units, zones)).astype(float),
        rng.integers(0, 4, (1, units)),
        zones=ZONES[:zones],
        status=status,
        contribution=rng.choice([0.5, 1.0], (1, zones)),
    )
    selection = (rng.random((units, zones)) < 0.2) & (status == 0)
    selection[:, 1:] &= ~selection[:, :1]
    missing = float(rng.uniform(0.5, 6))
    way = close_feature(landscape, addable(landscape, selection), 0, missing)
    best = cheapest(landscape, selection, 0, missing)
    if not np.isfinite(best):
        assert not np.isfinite(way.upper) and not len(way.units)
        return
    assert way.lower <= best + 1e-9 <= way.upper + 2e-9
    # what it names can be added, is enough, and costs what it says
    assert len(set(way.units.tolist())) == len(way.units)
    assert addable(landscape, selection)[way.units, way.zones].all()
    gain = landscape.amount.toarray()[0, way.units] * landscape.contribution[0, way.zones]
    assert gain.sum() >= missing * (1 - 1e-9)
    assert np.maximum(landscape.cost, 0)[way.units, way.zones].sum() == pytest.approx(way.upper)


def test_shortfalls_and_marginal_cost() -> None:
    landscape = from_arrays([1, 2, 3, 4], [[1, 1, 1, 1], [0, 0, 8, 1], [0, 0, 0, 0]])
    judged = judge(landscape, np.array([[True], [False], [False], [False]]), np.array([2.5, 4.0, 1.0]))
    tables = made(judged)
    found = tables["shortfalls"].frame.set_index("feature")
    assert list(found.index) == ["feature_2", "feature_3", "feature_1"]  # worst first
    assert found.loc["feature_2", ["cost_lower", "cost_upper", "units"]].tolist() == [1.5, 3.0, "3"]
    assert found.loc["feature_1", ["cost_lower", "cost_upper", "units"]].tolist() == [3.5, 5.0, "2 3"]
    assert not found.loc["feature_3", "reachable"] and np.isnan(found.loc["feature_3", "cost_upper"])
    steps = tables["marginal_cost"].frame.set_index("step")
    assert steps.loc["next target", "subject"] == "feature_2" and steps.loc["next target", "cost_upper"] == 3
    assert steps.loc["area to 30 %", "amount"] == pytest.approx(0.2)
    assert steps.loc["next 1 % of area", ["cost_lower", "cost_upper"]].tolist() == [pytest.approx(0.08), 2]
    costs = tables["costs"].frame.set_index("zone").loc["all"]
    assert costs["cost"] == 1 and costs["cost_per_percent"] == pytest.approx(1 / 25)


def test_worst_are_listed_and_the_rest_counted() -> None:
    table = made(judge(from_arrays(np.ones(3), np.ones((5, 3))), np.zeros((3, 1), bool), worst=2))["shortfalls"]
    assert len(table.frame) == 2 and table.note.startswith("5 of 5 targets are missed; the worst 2")


def test_caveats_say_what_has_to_be_said() -> None:
    landscape, selection = country()
    text = made(judge(landscape, selection, data_vintage="WDPCA 2026-01"))["caveats"].frame.set_index("item")["text"]
    assert text["data vintage"] == "WDPCA 2026-01"
    assert "area counted is not proof of effectiveness" in text["effect"].lower()
    assert {"coverage", "targets", "effectiveness", "proof", "seed"} <= set(text.index)
    assert "effectiveness 0.5" in " ".join(text["zone"]) and "30 %" in " ".join(text["targets"])


# --- as files --------------------------------------------------------------------------------------------------------


def test_every_table_defines_its_columns() -> None:
    landscape, selection = country()
    tables = make_tables(judge(landscape, selection))
    assert len(tables) > 15 and len({table.name for table in tables}) == len(tables)
    assert [table.order for table in tables] == sorted(table.order for table in tables)
    for table in tables:
        assert list(table.frame.columns) == list(table.columns), table.name
        assert all(text.endswith(".") for text in table.columns.values()), table.name
        assert table.title and table.name.islower()


@pytest.mark.parametrize("maker", family("tables").values(), ids=family("tables"))
def test_a_bare_landscape_gives_no_wrong_table(maker: Any) -> None:
    landscape = from_arrays(np.ones(3), np.zeros((0, 3)), features=[])
    for table in maker(judge(landscape, np.zeros((3, 1), bool))):
        assert list(table.frame.columns) == list(table.columns), table.name


def test_tables_come_back_as_they_were(tmp_path: Path) -> None:
    landscape, selection = country()
    tables = make_tables(judge(landscape, selection))
    write_tables(tmp_path / "tables", tables)
    again = read_tables(tmp_path / "tables")
    assert again is not None and [table.name for table in again] == [table.name for table in tables]
    for one, other in zip(tables, again, strict=True):
        assert (one.title, one.note, dict(one.columns)) == (other.title, other.note, dict(other.columns))
        pd.testing.assert_frame_equal(one.frame, other.frame, check_dtype=False, check_exact=True)
    index = json.loads((tmp_path / "tables/index.json").read_text())
    assert set(index[0]) == {"name", "title", "note", "order", "columns", "texts"}
    (tmp_path / "tables/coverage.csv").unlink()
    assert read_tables(tmp_path / "tables") is None and read_tables(tmp_path) is None


def test_side_by_side() -> None:
    landscape, selection = country()
    tables = make_tables(judge(landscape, selection))
    joined = {table.name: table for table in beside(["a", "b"], [tables, tables[:3]])}
    first = joined[tables[0].name].frame
    assert first.columns[0] == "scenario" and first["scenario"].value_counts().to_dict() == {
        "a": len(tables[0].frame),
        "b": len(tables[0].frame),
    }
    assert joined[tables[-1].name].frame["scenario"].unique().tolist() == ["a"]
    assert joined[tables[0].name].note == tables[0].note  # what both say is said once
    assert set(joined[tables[0].name].columns) == set(first.columns)


def test_rules_are_in_order() -> None:
    assert [count for count, _ in RULES.values()] == [1, 2, 3, 4]
