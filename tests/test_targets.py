"""Target rules: what was published, what may never happen, and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prioritize.errors import PrioritizeError, ScenarioError
from prioritize.landscape import Landscape, from_arrays
from prioritize.registry import family
from prioritize.scenario import parse
from prioritize.targets._rule import within_reach
from prioritize.targets.wilson import carrying_capacity

SMALL: dict[str, Any] = {"name": "small", "landscape": {"format": "synthetic", "rows": 50, "columns": 50}}
#: rules that need nothing but ranges
CURVES = ("rodrigues", "sreekar", "polak", "watson", "jung", "ward", "iucn", "interpolated", "area", "harris_holness")


def ranges(f: Any, unit: str = "km2", **columns: Any) -> Landscape:
    """One feature for each range, half of it in either of two units."""
    f = np.atleast_1d(np.asarray(f, dtype=float))
    table = pd.DataFrame({"name": [f"s{k}" for k in range(len(f))], "unit": unit, **columns})
    return from_arrays([1.0, 1.0], np.c_[f / 2, f / 2], features=table)


def asked(rule: str, f: Any, unit: str = "km2", columns: dict[str, Any] | None = None, **keys: Any) -> np.ndarray:
    return family("targets")[rule](**keys).targets(ranges(f, unit, **(columns or {})))


# --- what was published ------------------------------------------------------------------------------------------

F = [100, 500, 5_000, 50_000, 250_000, 2e6, 2e7]
TABLE = {
    "rodrigues": [100, 500, 3688.3054, 18116.9462, 25_000, 200_000, 1e6],
    "sreekar": [100, 455.0265, 3420.1058, 22899.4708, 75_000, 600_000, 1e6],
    "polak": [100, 500, 3000, 5000, 25_000, 200_000, 1e6],
    "watson": [100, 500, 1000, 5000, 25_000, 200_000, 1e6],
    "jung": [100, 500, 3850, 38_500, 192_500, 1e6, 1e6],
    "ward": [100, 100, 1000, 10_000, 50_000, 400_000, 1e6],
}


@pytest.mark.parametrize("rule", TABLE)
def test_published_targets(rule: str) -> None:
    np.testing.assert_allclose(asked(rule, F), TABLE[rule], rtol=0, atol=5e-5)


@pytest.mark.parametrize(
    ("rule", "f", "share"),
    [
        ("rodrigues", 500, 1), ("rodrigues", 1000, 1), ("rodrigues", 5_000, 0.737661), ("rodrigues", 10_000, 0.624678),
        ("rodrigues", 50_000, 0.362339), ("rodrigues", 100_000, 0.249356), ("rodrigues", 250_000, 0.1),
        ("rodrigues", 1e6, 0.1), ("rodrigues", 2e7, 0.05),
        ("jung", 2_200, 1), ("jung", 5_000, 0.77), ("jung", 1e5, 0.77), ("jung", 2e6, 0.5),
        ("ward", 50, 1), ("ward", 500, 0.2), ("ward", 1e7, 0.1),
        ("watson", 5_000, 0.2), ("watson", 9_999, 0.10001), ("watson", 10_000, 0.1),
        ("polak", 5_500, 0.55), ("polak", 10_000, 0.1), ("polak", 999, 1),
        ("sreekar", 200, 1), ("sreekar", 250_000, 0.3),
    ],
)  # fmt: skip
def test_published_shares(rule: str, f: float, share: float) -> None:
    assert asked(rule, f)[0] / f == pytest.approx(share, abs=5e-7)


def test_wilson_carrying_capacities() -> None:
    k = carrying_capacity(np.array([0.3, 0.001]), np.array([0.1, 1e-4]), 1e5)
    np.testing.assert_allclose(k, [10.4563955, 1.48386208], rtol=5e-9)
    # individuals divided by density, not multiplied: the documentation of prioritizr has it the wrong way round
    got = asked("wilson", [1000.0, 1000.0], growth=0.3, growth_variance=0.1, density=0.5)
    np.testing.assert_allclose(got, 10.4563955 / 0.5, rtol=5e-9)
    own = {"growth_rate": [0.3, 0.001], "growth_variance": [0.1, 1e-4], "density_per_km2": [1.0, 0.01]}
    np.testing.assert_allclose(asked("wilson", [1000.0, 1000.0], columns=own), [10.4563955, 148.386208], rtol=5e-9)


@pytest.mark.parametrize(
    ("keys", "f", "target"),
    [
        # area of occupancy of an endangered species is 500 km2 (prioritizr's documentation says 50)
        ({"status": "EN"}, 600, 500), ({"status": "EN"}, 10_000, 5_000), ({"status": "CR"}, 10, 10),
        ({"status": "CR"}, 40, 10), ({"status": "CR"}, 1_000, 200),
        ({"status": "VU", "criterion_b": "B1"}, 50_000, 35_000),
        ({"status": "VU", "criterion_b": "B1"}, 25_000, 20_000),
        ({"status": "EN", "criterion_b": "B1"}, 6_000, 5_000), ({"status": "CR", "criterion_b": "B1"}, 300, 100),
        ({"status": "CR", "criterion_a": "A1"}, 10_000, 1_000), ({"status": "EN", "criterion_a": "A1"}, 10_000, 3_000),
        ({"status": "VU", "criterion_a": "A1"}, 10_000, 5_000), ({"status": "VU", "criterion_a": "A4"}, 10_000, 7_000),
        ({"status": "VU", "uplift": 0.1}, 2_150, 2_150), ({"status": "VU", "uplift": 0.1}, 10_000, 7_700),
        ({"status": "VU", "take": "min"}, 10_000, 2_000), ({"status": "VU", "cap_km2": 100}, 10_000, 100),
        # ecosystems; half of what there was in 1750 is the limit of Vulnerable (prioritizr says 70 % must stay)
        ({"of": "ecosystems", "status": "VU", "criterion_a": "A3"}, 1e5, 5e4),
        ({"of": "ecosystems", "status": "EN", "criterion_a": "A3"}, 1e5, 3e4),
        ({"of": "ecosystems", "status": "CR", "criterion_a": "A3"}, 1e5, 1e4),
        ({"of": "ecosystems", "status": "CR"}, 1e5, 2e4), ({"of": "ecosystems", "status": "CR"}, 500, 200),
        ({"of": "ecosystems", "status": "EN"}, 3_000, 2_000), ({"of": "ecosystems", "status": "VU"}, 6_000, 5_000),
        ({"of": "ecosystems", "status": "VU", "criterion_b": "B1"}, 60_000, 50_000),
        ({"of": "ecosystems", "status": "EN", "criterion_b": "B1", "criterion_a": "A2b"}, 30_000, 20_000),
        ({"of": "ecosystems", "status": "CR", "criterion_b": "B1"}, 3_000, 2_000),
    ],
)  # fmt: skip
def test_red_list_thresholds(keys: dict[str, Any], f: float, target: float) -> None:
    assert asked("iucn", f, **keys)[0] == pytest.approx(target)


def test_red_list_category_of_each_feature() -> None:
    f, own = [10_000.0] * 4, {"iucn": ["CR", "EN", "LC", None]}
    np.testing.assert_allclose(asked("iucn", f, columns=own, status_column="iucn"), [2_000, 5_000, 7_000, 7_000])
    with pytest.raises(PrioritizeError, match="no column 'redlist'"):
        asked("iucn", f, columns=own, status_column="redlist")


def test_jung_and_ward_are_cases_of_the_red_list() -> None:
    f = np.geomspace(1, 3e7, 60)
    np.testing.assert_allclose(asked("jung", f), asked("iucn", f, status="VU", uplift=0.1), rtol=1e-12)
    np.testing.assert_allclose(asked("ward", f), asked("iucn", f, status="CR", criterion_b="B1"), rtol=1e-12)


def test_interpolated_can_be_the_published_rules() -> None:
    f = np.geomspace(1, 3e7, 60)
    np.testing.assert_allclose(asked("interpolated", f), asked("rodrigues", f), rtol=1e-12)
    polak = {"curve": "linear", "common_km2": 10_000}
    np.testing.assert_allclose(asked("interpolated", f, **polak), asked("polak", f), rtol=1e-12)
    watson = {"rare_km2": 1e4, "common_km2": 1e4, "rare_area_km2": 1000, "rare_take": "min"}
    np.testing.assert_allclose(asked("interpolated", f, **watson), asked("watson", f), rtol=1e-12)
    wide = asked("interpolated", [3e5, 9e5], common_area_km2=50_000.0)
    np.testing.assert_allclose(wide, [50_000, 90_000])


def test_area_population_and_duran() -> None:
    np.testing.assert_allclose(asked("area", [10.0, 900.0], area_km2=100), [10, 100])
    f, density = [1e4, 1e4], {"density_per_km2": [0.5, 20.0]}
    for preset, number in {"50": 50, "500": 500, "CR": 250, "EN": 2500, "VU": 10_000, "SAFE": 5000}.items():
        got = asked("population", f, columns=density, individuals=preset)
        np.testing.assert_allclose(got, np.minimum(np.array([number / 0.5, number / 20]), 1e4))
    np.testing.assert_allclose(asked("population", f, individuals=100, density=4), 25)
    np.testing.assert_allclose(
        asked("duran", [5_000.0, 1_000.0], columns={"historic_range_km2": [6_000.0, 9e6]}, probability=0.9),
        [6_000 * 0.9**4, 1_000],
    )
    assert asked("duran", 1e4, historic_range=1e4, probability=0.5, exponent=0.5)[0] == pytest.approx(2_500)


def test_harris_holness_adds_up() -> None:
    own = {"iucn": ["CR", "VU", "LC", ""], "iconic": [True, False, False, True], "threat": [0.9, 0.2, np.nan, 0.9]}
    rules = [
        {"column": "iucn", "equals": ["CR", "EN"], "add": 0.5},
        {"column": "iconic", "equals": True, "add": 0.3},
        {"column": "threat", "above": 0.5, "add": 0.1},
        {"column": "range_km2", "above": 5_000, "add": -0.25},
        {"column": "range_km2", "below": 150, "add": 0.05},
    ]
    got = asked("harris_holness", [100.0, 1_000.0, 10_000.0, 1e7], columns=own, rules=rules)
    np.testing.assert_allclose(got, [100, 300, 500, 1e6])  # 1.25 is cut to 1; 0.3; 0.05; 0.45, capped
    assert asked("harris_holness", [40.0], unit="kt/yr")[0] == pytest.approx(12)  # what is no area has no cap


# --- laws --------------------------------------------------------------------------------------------------------

POSITIVE = st.floats(-3, 9).map(lambda power: 10.0**power)
#: shares that fall so fast that a larger range may have a smaller target
DIPPING = ("rodrigues", "polak", "interpolated")


@pytest.mark.parametrize("rule", CURVES)
@given(st.lists(POSITIVE, min_size=2, max_size=8))
def test_never_more_than_the_range_and_never_less_for_more(rule: str, f: list[float]) -> None:
    f = sorted(f)
    got = asked(rule, f)
    assert np.all(got >= 0) and np.all(got <= f)
    if rule not in DIPPING:
        assert np.all(np.diff(got) >= -1e-9 * np.abs(got[1:]))
    if rule not in ("area", "harris_holness", "interpolated"):
        assert np.all(got <= 1e6 * (1 + 1e-12))


def test_shares_never_rise_with_the_range() -> None:
    f = np.geomspace(1, 3e7, 400)
    for rule in ("rodrigues", "sreekar", "polak", "jung", "ward", "interpolated"):
        assert np.all(np.diff(asked(rule, f) / f) <= 1e-12), rule
    # so published, and so kept: 200,000 km2 need more than 250,000 km2 do
    assert asked("rodrigues", 2e5)[0] > asked("rodrigues", 2.5e5)[0]


@given(st.lists(POSITIVE, min_size=1, max_size=6), st.sampled_from(CURVES), st.sampled_from(CURVES))
def test_combined_is_the_larger_or_the_smaller(f: list[float], one: str, two: str) -> None:
    rules = [{"rule": one}, {"rule": two}]
    each = np.array([asked(one, f), asked(two, f)])
    np.testing.assert_array_equal(asked("combined", f, rules=rules), each.max(axis=0))
    np.testing.assert_array_equal(asked("combined", f, rules=rules, take="min"), each.min(axis=0))


@given(POSITIVE, st.floats(1e-3, 1.0), st.sampled_from(CURVES[:-1]))
def test_global_targets_are_shared_out(f: float, part: float, rule: str) -> None:
    scaled = asked(rule, f * part, columns={"global_range_km2": [f]}, scale="global_then_scaled")[0]
    assert scaled == pytest.approx(part * asked(rule, f)[0], rel=1e-9)
    # an endemic species has the same target either way
    endemic = asked(rule, f, columns={"global_range_km2": [f]}, scale="global_then_scaled")[0]
    assert endemic == pytest.approx(asked(rule, f)[0], rel=1e-12)


def test_units_are_converted_or_refused() -> None:
    km2 = asked("sreekar", [5_000.0])[0]
    for unit, factor in (("ha", 100.0), ("m2", 1e6), ("km²", 1.0)):
        assert asked("sreekar", [5_000.0 * factor], unit=unit)[0] == pytest.approx(km2 * factor)
    # the scenario says what the table does not; what the table says it does not change
    for own, factor in (("amount", 100.0), ("km2", 1.0)):
        rule = family("targets")["sreekar"](unit="ha")
        assert rule.targets(ranges([5_000.0 * factor], own))[0] == pytest.approx(km2 * factor)
    with pytest.raises(ScenarioError, match=r"'sreekar' needs ranges in km2.*s0, s1 are in 'kt/yr'.*by_group"):
        asked("sreekar", [5.0, 6.0], unit="kt/yr")


def test_presence_is_a_share_of_the_units_area() -> None:
    table = pd.DataFrame({"name": ["owl"], "unit": ["amount"]})
    units = from_arrays([1.0] * 3, [[1.0, 0.5, 0.0]], features=table, area_km2=[3_000.0, 4_000.0, 9_000.0])
    got = family("targets")["sreekar"](unit="share").targets(units)[0]
    assert got == pytest.approx(1.5 * asked("sreekar", [5_000.0])[0] / 5_000)


# --- exceptions, reach, provenance -------------------------------------------------------------------------------


def mixed() -> Landscape:
    table = pd.DataFrame(
        {
            "name": ["owl", "fox", "bog", "water"],
            "unit": ["km2", "km2", "km2", "kt/yr"],
            "group": ["species", "species", "ecosystem", "service"],
            "global_range_km2": [1e6, np.nan, np.nan, np.nan],
        }
    )
    f = np.array([5_000.0, 500.0, 100.0, 40.0])
    return from_arrays([1.0, 1.0], np.c_[f, 0 * f], features=table)


def test_groups_and_features_have_rules_of_their_own() -> None:
    rule = parse(
        {
            **SMALL,
            "targets": {
                "rule": "sreekar",
                "by_group": {"service": 0.5, "ecosystem": {"rule": "iucn", "of": "ecosystems", "status": "EN"}},
                "by_feature": {"f*": {"absolute": 7}},
            },
        }
    ).targets
    got = rule.targets(mixed())
    np.testing.assert_allclose(got, [3420.1058, 7, 100, 20], atol=5e-5)
    table = rule.provenance(mixed()).set_index("feature")
    assert table["rule"].tolist() == ["sreekar", "given", "iucn", "given"]
    assert "doi:10.1038/s44358-026-00169-7" in table.loc["owl", "source"]
    assert table.loc["owl", "range_km2"] == 5_000 and np.isnan(table.loc["water", "range_km2"])
    assert table.loc["water", "sentence"] == "50 % of the amount"
    np.testing.assert_array_equal(table["target"], got)
    # what is written out is read again
    again = parse({**SMALL, "targets": rule.model_dump(mode="json", exclude_none=True)}).targets
    np.testing.assert_array_equal(again.targets(mixed()), got)


def test_features_beat_groups_and_later_lines_earlier_ones() -> None:
    rule = family("targets")["relative"](by_group={"s*": 0.1, "species": 0.2}, by_feature={"o*": 0.4, "owl": 0.5})
    np.testing.assert_allclose(rule.targets(mixed()), [2_500, 100, 30, 4])


def test_global_ranges_are_looked_up_and_said() -> None:
    rule = family("targets")["sreekar"](scale="global_then_scaled", by_group={"service": 0.3})
    table = rule.provenance(mixed()).set_index("feature")
    assert table.loc["owl", "range_km2"] == 1e6 and table.loc["owl", "target"] == pytest.approx(0.3 * 5_000)
    assert table.loc["fox", "range_km2"] == 500  # no other range is known
    assert "scaled by the share that lies here" in table.loc["owl", "sentence"]
    with pytest.raises(ScenarioError, match="no column 'global_range_km2'"):
        asked("sreekar", 5.0, scale="global_then_scaled")


def test_what_cannot_be_reached_is_a_fault_or_lowered() -> None:
    land = from_arrays(
        np.ones((4, 2)),
        [[1.0, 2.0, 4.0, 8.0]],
        features=pd.DataFrame({"name": ["owl"], "unit": ["km2"]}),
        zones=("protected", "oecm"),
        contribution=[[1.0, 0.5]],
        status=[[-1, -1], [0, 0], [0, 1], [-1, 0]],
    )
    np.testing.assert_allclose(within_reach(land), [0 + 2 + 4 * 0.5 + 8 * 0.5])
    rule = family("targets")["sreekar"]
    assert rule().targets(land)[0] == 15
    lowered = rule(beyond_reach="lower")
    assert lowered.targets(land)[0] == 8
    row = lowered.provenance(land).iloc[0]
    assert (row["asked"], row["target"]) == (15, 8) and "lowered" in row["sentence"]


@given(
    st.lists(st.integers(-1, 1), min_size=6, max_size=6), st.lists(st.sampled_from([0, 0.5, 1]), min_size=4, max_size=4)
)
def test_reach_is_what_a_slow_loop_finds(locks: list[int], counts: list[float]) -> None:
    status = np.array(locks, dtype=np.int8).reshape(3, 2)
    status[(status > 0).all(axis=1), 1] = 0
    amount = np.array([[1.0, 2.0, 4.0], [8.0, 0.0, 1.0]])
    land = from_arrays(
        np.ones((3, 2)), amount, zones=("a", "b"), contribution=np.reshape(counts, (2, 2)), status=status
    )
    slow = []
    for f in range(2):
        total = 0.0
        for u in range(3):
            locked = [z for z in range(2) if status[u, z] > 0]
            zones = locked or [z for z in range(2) if status[u, z] == 0]
            total += max((amount[f, u] * land.contribution[f, z] for z in zones), default=0.0)
        slow.append(total)
    np.testing.assert_allclose(within_reach(land), slow)


@pytest.mark.parametrize(
    ("targets", "fault"),
    [
        (
            {"rule": "sreekar", "by_group": {"bird": 0.5}},
            "by_group: no group matches 'bird'; groups are species,",
        ),
        (
            {"rule": "duran", "by_group": {"*": 0.1}, "by_feature": {"owl": {"rule": "duran"}}},
            "no column 'historic_range",
        ),
        ({"by_feature": {"owl": {"rule": "population"}}}, "no column 'density_per_km2'"),
        ({"by_feature": {"owl": {"rule": "wilson", "growth": 0.1, "growth_variance": 0.3, "density": 1}}}, "half its"),
        ({"by_feature": {"owl": {"rule": "wilson", "growth": 0.1, "growth_variance": 0.1, "density": 0}}}, "not above"),
        ({"by_feature": {"water": {"rule": "polak"}}}, "'polak' needs ranges in km2, but the amounts of water are in"),
    ],
)
def test_faults_of_the_data_name_the_feature_and_the_way_out(targets: dict[str, Any], fault: str) -> None:
    with pytest.raises(ScenarioError) as error:
        parse({**SMALL, "targets": targets}).targets.targets(mixed())
    assert fault in str(error.value)


def test_groups_need_a_column() -> None:
    with pytest.raises(ScenarioError, match="no column 'group'; add it"):
        family("targets")["relative"](by_group={"species": 0.5}).targets(ranges([5.0]))


@pytest.mark.parametrize(
    ("targets", "fault"),
    [
        ({"rule": "sreekar", "rare_km2": 1e6}, "targets: rare_km2 1e+06 is above common_km2 250000"),
        ({"rule": "iucn", "of": "species", "criterion_a": "A2b"}, "criterion_a 'A2b' is none of species"),
        (
            {"by_feature": {"owl": {"rule": "sreker"}}},
            "owl: rule 'sreker' is unknown; did you mean 'sreekar'?",
        ),
        (
            {"by_group": {"s": {"rule": "polak", "cap": 5}}},
            "rule 'polak' has no key 'cap'; did you mean 'cap_",
        ),
        ({"by_group": {"s": {"rule": "polak", "denominator": "layer"}}}, "'denominator' belongs to [targets] itself"),
        ({"by_feature": {"owl": {"rule": "jung", "uplift": "much"}}}, "targets.by_feature.owl.uplift must be a number"),
        ({"rule": "combined", "rules": []}, "targets.rules"),
        (
            {"rule": "harris_holness", "rules": [{"column": "iucn", "add": 1}]},
            "one of 'equals', 'above' and 'below'",
        ),
        ({"rule": "population", "individuals": "many"}, "targets.individuals must be"),
    ],
)
def test_faults_of_the_scenario(targets: dict[str, Any], fault: str) -> None:
    with pytest.raises(ScenarioError) as error:
        parse({**SMALL, "targets": targets})
    assert fault in str(error.value)
    assert len(error.value.faults) == 1, error.value.faults


@pytest.mark.parametrize("rule", sorted(family("targets")))
def test_every_rule_can_say_what_it_does(rule: str) -> None:
    needs = {"combined": {"rules": [0.3, {"rule": "sreekar"}]}}
    made = family("targets")[rule](**needs.get(rule, {}))
    assert len(made.sentence()) > 8
    assert "\n" not in made.sentence()
    if rule not in ("relative", "absolute", "table", "area", "interpolated", "combined"):
        assert made.source


def test_table_reads_only_the_rows_it_decides_on() -> None:
    land = ranges([10.0, 20.0], target=[3.0, np.nan], prop=[np.nan, 0.5])
    rule = family("targets")["table"](by_feature={"s0": {"relative": 0.1}})
    np.testing.assert_allclose(rule.targets(land), [1, 10])
