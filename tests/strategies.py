"""Small problems for property tests: at most 9 units, so that every selection can be counted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st

from prioritize.landscape import Graph, Landscape, from_arrays
from prioritize.problem import Problem
from prioritize.registry import family


def grid_graph_3x3() -> Graph:
    """Nine cells of side 1, four neighbours."""
    i, j = [], []
    for row, column in itertools.product(range(3), range(3)):
        here = 3 * row + column
        if column < 2:
            i.append(here)
            j.append(here + 1)
        if row < 2:
            i.append(here)
            j.append(here + 3)
    exposed = np.array([2, 1, 2, 1, 0, 1, 2, 1, 2], dtype=float)
    return Graph.from_edges(9, i, j, np.ones(len(i)), exposed)


@st.composite
def landscapes(draw: st.DrawFn, zones: int | None = None, locks: bool = True) -> Landscape:
    """A 3x3 landscape with 2 to 4 features, 1 or 2 zones, eighths as numbers so that sums are exact."""
    count = draw(st.integers(1, 2)) if zones is None else zones
    eighths = st.integers(0, 40).map(lambda k: k / 8)
    features = draw(st.integers(2, 4))
    cost = np.array(draw(st.lists(st.integers(1, 80), min_size=9 * count, max_size=9 * count))).reshape(9, count) / 8
    amount = np.array(draw(st.lists(eighths, min_size=9 * features, max_size=9 * features))).reshape(features, 9)
    contribution = np.ones((features, count))
    if count == 2:
        contribution[:, 1] = np.array(
            draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=features, max_size=features))
        )
    status = np.zeros((9, count), dtype=np.int8)
    if locks:
        for unit in draw(st.lists(st.integers(0, 8), max_size=2, unique=True)):
            if draw(st.booleans()):
                status[unit, draw(st.integers(0, count - 1))] = 1
            else:
                status[unit] = -1
    return from_arrays(
        cost,
        amount,
        contribution=contribution,
        status=status,
        zones=("protected", "oecm")[:count],
        graph=grid_graph_3x3(),
        groups={"realm": ["land"] * 6 + ["sea"] * 3},
        layers={"pressure": np.array(draw(st.lists(st.integers(0, 16), min_size=9, max_size=9))) / 4},
        area_km2=np.array(draw(st.lists(st.integers(1, 4), min_size=9, max_size=9)), dtype=float),
    )


@st.composite
def problems(draw: st.DrawFn, zones: int | None = None, locks: bool = True) -> Problem:
    """Any combination of objective, constraints and penalties on a 3x3 landscape."""
    landscape = draw(landscapes(zones, locks))
    objectives, constraints, penalties = family("objectives"), family("constraints"), family("penalties")
    objective = objectives[draw(st.sampled_from(sorted(objectives)))]()
    totals = np.asarray(landscape.amount.sum(axis=1)).ravel()
    share = draw(st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75]))
    target = np.where(totals > 0, share * totals, 0.0)
    chosen = []
    if not objective.hard_targets or draw(st.booleans()):
        chosen.append(constraints["budget"](kind="budget", amount=draw(st.integers(4, 40))))
    if draw(st.booleans()):
        of = draw(st.sampled_from(["all", "realm:*", "realm:sea"]))
        chosen.append(constraints["area"](kind="area", of=of, share=draw(st.sampled_from([0.125, 0.25, 0.5]))))
    if draw(st.booleans()):
        chosen.append(constraints["area"](kind="area", of="all", max_share=draw(st.sampled_from([0.5, 0.75]))))
    if draw(st.booleans()):
        chosen.append(constraints["linear"](kind="linear", layer="pressure", max=draw(st.integers(2, 12))))
    if locks and draw(st.booleans()):
        free = np.flatnonzero((landscape.status < 1).all(axis=1))
        unit = int(landscape.unit_id[draw(st.sampled_from(free.tolist()))])
        chosen.append(constraints["locked"](kind="locked", status="out", units=[unit]))
    extra = []
    if draw(st.booleans()):
        parts = draw(st.sampled_from(["together", "apart", ["protected"]]))
        factor = draw(st.sampled_from([0.0, 0.5, 1.0]))
        extra.append(
            penalties["boundary"](kind="boundary", weight=draw(st.integers(1, 8)) / 4, edge_factor=factor, zones=parts)
        )
    if draw(st.booleans()):
        extra.append(penalties["linear"](kind="linear", layer="pressure", weight=draw(st.integers(-2, 4)) / 4))
    return Problem(landscape, target, np.where(totals > 0, totals, 1.0), objective, tuple(chosen), tuple(extra))


def every_selection(units: int, zones: int) -> Iterator[np.ndarray]:
    """All (U, Z) selections with at most one zone a unit."""
    for choice in itertools.product(range(zones + 1), repeat=units):
        selection = np.zeros((units, zones), dtype=bool)
        for unit, zone in enumerate(choice):
            if zone:
                selection[unit, zone - 1] = True
        yield selection
