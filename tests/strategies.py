"""Small problems for property tests: at most 9 units, so that every selection can be counted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st

from prioritize.landscape import Graph, Landscape, from_arrays
from prioritize.problem import Problem
from prioritize.program import HARD, Builder, Program
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
    if draw(st.integers(0, 7)) == 0:
        chosen.append(constraints["mandatory"](kind="mandatory"))
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


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Any small Program, also such as no scenario asks for: amounts of both signs that no binary fraction can say,
    rows with two bounds, with none below and with bounds at zero, soft rows without need, edges one way.
    """
    zones = draw(st.integers(1, 2))
    units = draw(st.integers(1, 7 if zones == 1 else 4))
    to = Builder(units, zones)
    to.mandatory, to.maximise = draw(st.booleans()) and zones > 1, draw(st.booleans())
    columns = units * zones
    least = draw(st.sampled_from([0, 0, -4]))
    to.add_cost(np.array(draw(st.lists(st.integers(least, 20), min_size=columns, max_size=columns))) / 10)
    for unit in range(units):
        lock = draw(st.sampled_from(["in", "out", "shut", *["free"] * 7]))
        at = slice(unit * zones, (unit + 1) * zones)
        zone = unit * zones + draw(st.integers(0, zones - 1))
        if lock == "in":
            to.upper[at] = 0.0
            to.lower[zone] = to.upper[zone] = 1.0
        elif lock == "out":
            to.upper[at] = 0.0
        elif lock == "shut":
            to.upper[zone] = 0.0
    for row in range(draw(st.integers(0, 4))):
        least = draw(st.sampled_from([0, 0, -16]))
        amount = np.array(draw(st.lists(st.integers(least, 32), min_size=columns, max_size=columns))) / 10
        bound = draw(st.sampled_from([0, *range(-8, 33)])) / 10
        kind = draw(st.sampled_from(["least", "most", "both", "soft", "soft below a most"]))
        low = -np.inf if kind == "most" else bound
        high = {"most": bound, "both": bound + draw(st.integers(0, 24)) / 10, "soft below a most": bound + 2.0}
        price = draw(st.integers(0, 24)) / 10 if kind.startswith("soft") else HARD
        to.add_rows([f"row {row}"], amount[None, :], lower=low, upper=high.get(kind, np.inf), price=price)
    for _ in range(draw(st.integers(0, 2)) if units > 1 else 0):
        count = draw(st.integers(1, 10))
        tail = np.array(draw(st.lists(st.integers(0, units - 1), min_size=count, max_size=count)))
        step = np.array(draw(st.lists(st.integers(1, units - 1), min_size=count, max_size=count)))
        weight = np.array(draw(st.lists(st.integers(0, 16), min_size=count, max_size=count))) / 10
        counted = draw(st.sampled_from([(0,), (zones - 1,), tuple(range(zones))]))
        to.add_edges("edges", tail, (tail + step) % units, weight, counted)
    return to.build()


def counted(program: Program) -> float:
    """Least objective of all selections that fit (a Program always minimises); infinite where none does."""
    every = np.array([s.ravel() for s in every_selection(program.units, program.zones)], dtype=float)
    # locks first: most selections fall there, and one array operation tells
    every = every[np.all((every >= program.lower) & (every <= program.upper), axis=1)]
    return min((program.objective(x) for x in every if not program.violations(x)), default=np.inf)


def every_selection(units: int, zones: int) -> Iterator[np.ndarray]:
    """All (U, Z) selections with at most one zone a unit."""
    for choice in itertools.product(range(zones + 1), repeat=units):
        selection = np.zeros((units, zones), dtype=bool)
        for unit, zone in enumerate(choice):
            if zone:
                selection[unit, zone - 1] = True
        yield selection
