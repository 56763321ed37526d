"""Whose area is what: classes, sums, percentages."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prioritize.accounting import (
    CLASSES,
    TENURE,
    classes,
    counted,
    flags,
    gini,
    percent,
    reaches,
    realms,
    share_of,
    sums,
    tenure,
    texts,
)
from prioritize.landscape import Landscape, Zone, from_arrays

ZONES = (
    Zone("park", "protected", effectiveness=0.5),
    Zone("oecm", "oecm", effectiveness=0.25),
    Zone("line", "redline"),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Landscape, np.ndarray]:
    """A landscape with overlapping shares of tenure, two realms, and a selection in three zones."""
    units = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    whole = rng.random((3, units)) < 0.5
    shares = np.where(whole, rng.integers(0, 2, (3, units)), rng.random((3, units)))
    known = [name for name in TENURE if draw(st.booleans())]
    landscape = from_arrays(
        np.ones((units, 3)),
        rng.random((2, units)),
        area_km2=rng.uniform(0.1, 5, units),
        zones=ZONES,
        groups={"realm": rng.choice(["land", "sea"], units).tolist()},
        tenure={name: shares[k] for k, name in enumerate(known)},
    )
    choice = rng.integers(0, 4, units)
    return landscape, np.eye(4, dtype=bool)[choice][:, :3]


def by_hand(landscape: Landscape, selection: np.ndarray, unit: int) -> dict[str, float]:
    """The area of one unit by class, in plain words."""
    free = 1.0
    share = {}
    for name in [*landscape.tenure, *TENURE]:
        if name not in share:
            values = landscape.tenure.get(name)
            share[name] = min(free, float(values[unit])) if values is not None else 0.0
            free -= share[name]
    kind = next((zone.kind for z, zone in enumerate(landscape.zones) if selection[unit, z]), None)
    if kind == "protected":
        found = {"pa": 1.0, "oecm": 0.0, "candidate": 0.0, "neither": 0.0}
    elif kind == "oecm":
        found = {"pa": share["protected"], "oecm": 1 - share["protected"], "candidate": 0.0, "neither": 0.0}
    else:
        found = {"pa": share["protected"], "oecm": share["oecm"], "candidate": 0.0, "neither": 0.0}
        if kind is not None:
            found["candidate"] = share["oecm_candidate"]
            found["neither"] = free
    return {name: part * float(landscape.area_km2[unit]) for name, part in found.items()}


@given(cases())
def test_classes_against_plain_words(case: tuple[Landscape, np.ndarray]) -> None:
    landscape, selection = case
    found = classes(landscape, selection)
    for unit in range(landscape.shape[0]):
        assert found.plan[unit] == pytest.approx(list(by_hand(landscape, selection, unit).values()), abs=1e-12)


@given(cases())
def test_classes_add_up_to_their_union(case: tuple[Landscape, np.ndarray]) -> None:
    landscape, selection = case
    found = classes(landscape, selection)
    share = tenure(landscape)
    # the union, unit by unit: all of a unit that is selected, else what exists
    exists = np.minimum(1.0, sum(landscape.tenure.get(name, np.zeros(len(selection))) for name in TENURE[:2]))
    union = float(np.where(selection.any(axis=1), 1.0, share["protected"] + share["oecm"]) @ landscape.area_km2)
    assert abs(found.plan.sum() - union) <= 1e-9 * max(1.0, union)
    assert np.all(share["protected"] + share["oecm"] <= exists + 1e-12)
    assert np.all(sum(share.values()) <= 1 + 1e-12)
    assert np.all(found.plan >= 0) and np.all(found.plan.sum(axis=1) <= landscape.area_km2 * (1 + 1e-12))
    # a plan undoes nothing: what exists stays protected or an OECM
    today, plan = found.today[:, :2].sum(axis=1), found.plan[:, :2].sum(axis=1)
    assert np.all(plan >= today - 1e-12)
    assert np.all(found.plan[:, 0] >= found.today[:, 0] - 1e-12)


def test_shares_of_the_world() -> None:
    """16.43 + 1.10 = 17.53 % of land, 9.61 + 0.24 = 9.85 % of the sea (CCICED special policy study, 2.1.3, 2.3.1)."""
    landscape = from_arrays(
        np.zeros(2),
        np.zeros((1, 2)),
        area_km2=[1e6, 3e6],
        groups={"realm": ["land", "sea"]},
        tenure={"protected": [0.1643, 0.0961], "oecm": [0.0110, 0.0024]},
    )
    code, names = realms(landscape)
    found = share_of(np.cumsum(sums(code, classes(landscape, np.zeros((2, 1), bool)).plan, 2), axis=1), [[1e6], [3e6]])
    assert names == ("land", "sea")
    assert [f"{100 * share:.2f}" for share in found[0, :2]] == ["16.43", "17.53"]
    assert [f"{100 * share:.2f}" for share in found[1, :2]] == ["9.61", "9.85"]


def test_effective_area() -> None:
    landscape = from_arrays(
        np.ones((5, 3)), np.ones((1, 5)), area_km2=[8] * 5, zones=ZONES, tenure={"protected": [0, 0, 0, 1, 0.5]}
    )
    selection = np.zeros((5, 3), bool)
    selection[[0, 1, 2], [0, 1, 2]] = True
    found = classes(landscape, selection)
    # zones, then what exists outside the plan at the effectiveness of the zone of its kind
    assert found.effective.sum(axis=1).tolist() == [4, 2, 8, 4, 2]
    assert found.effective.sum(axis=0).tolist() == [10, 2, 0, 8]
    assert found.selected.sum(axis=1).tolist() == [8, 8, 8, 0, 0]
    assert len(CLASSES) == found.plan.shape[1]


def test_tenure_from_locks() -> None:
    status = np.zeros((3, 3), np.int8)
    status[0, 0] = status[1, 1] = status[2, 2] = 1
    found = tenure(from_arrays(np.ones((3, 3)), np.ones((1, 3)), zones=ZONES, status=status))
    assert {name: values.tolist() for name, values in found.items()} == {
        "protected": [1, 0, 0],
        "oecm": [0, 1, 0],
        "oecm_candidate": [0, 0, 0],
    }


def test_the_order_of_tenure_is_the_landscapes() -> None:
    first = from_arrays([1.0], [[1.0]], tenure={"oecm": [0.7], "protected": [0.5]})
    assert {name: values.tolist() for name, values in tenure(first).items()} == {
        "oecm": [0.7],
        "protected": [pytest.approx(0.3)],
        "oecm_candidate": [0],
    }


def test_units_without_a_realm_are_a_realm_of_their_own() -> None:
    code, names = realms(from_arrays(np.ones(3), np.ones((1, 3)), groups={"realm": ["land", "", "sea"]}))
    assert [names[k] for k in code] == ["land", "(no realm)", "sea"]
    assert realms(from_arrays(np.ones(2), np.ones((1, 2))))[1] == ("all",)


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.sampled_from(["truncate", "round"]))
def test_percent_is_exact(part: int, whole: int, rounding: str) -> None:
    exact = Fraction(part * 100, whole)
    text = percent(part, whole, rounding)
    difference = exact - Fraction(text)
    low, high = (0, Fraction(1, 100)) if rounding == "truncate" else (Fraction(-1, 200), Fraction(1, 200))
    assert low <= difference < high
    assert len(text.partition(".")[2]) == 2


def test_rounding_matters() -> None:
    """33 of 615 species are 5.37 % rounded, as a report prints families, and 5.36 % cut; 66 of 89 are 74.15 % cut."""
    assert counted(33, 615, "round") == "33 (5.37%)" and counted(33, 615, "truncate") == "33 (5.36%)"
    assert counted(66, 89, "truncate") == "66 (74.15%)" and counted(66, 89, "round") == "66 (74.16%)"
    assert counted(0, 0, "round") == "" and percent(1, 1, "round") == "100.00"


def test_gini() -> None:
    assert gini(np.array([0.3, 0.3, 0.3])) == pytest.approx(0)
    assert gini(np.array([0.0, 0.0, 0.0, 1.0])) == pytest.approx(0.75)
    values = np.array([0.1, 0.4, 0.0, 0.9, 0.3])
    pairs = np.abs(values[:, None] - values).sum() / (2 * len(values) ** 2 * values.mean())
    assert gini(values) == pytest.approx(pairs)
    assert np.isnan(gini(np.zeros(3))) and np.isnan(gini(np.array([])))


def test_thresholds_forgive_the_last_digits() -> None:
    assert reaches(np.array([0.1 * 3, 0.3 - 1e-12, 0.2999, np.nan]), 0.3).tolist() == [True, True, False, False]


def test_columns_of_a_feature_table() -> None:
    features = from_arrays([1.0], np.ones((4, 1))).features.assign(
        taxon=["bird", None, " plant ", ""], endemic=["yes", np.nan, 1, "False"]
    )
    assert texts(features, "taxon").tolist() == ["bird", "", "plant", ""]
    assert texts(features, "iucn").tolist() == [""] * 4
    assert flags(features, "endemic").tolist() == [True, False, True, False]
