"""Connectivity in the program: penalties as directed edges, rules as blocks for the integer program and as repairs."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import every_selection

from prioritize.connect import components, repair, without_rules
from prioritize.dispersal import centroids, decay, spread
from prioritize.engine import engine
from prioritize.errors import DataError, InfeasibleError, PrioritizeError, ScenarioError
from prioritize.evaluate import recheck
from prioritize.landscape import Graph, Landscape, from_arrays
from prioritize.place import Grid
from prioritize.problem import Problem, compile_problem
from prioritize.progress import Reporter
from prioritize.registry import family
from prioritize.runner import run
from prioritize.solve import solve
from prioritize.verify import verify
from prioritize_kernels.contiguity import holds_without

SOLVERS = ("highs", "scip", "cp_sat")


def grid_graph(rows: int, columns: int, side: float = 1.0) -> Graph:
    number = np.arange(rows * columns).reshape(rows, columns)
    i = np.r_[number[:, :-1].ravel(), number[:-1].ravel()]
    j = np.r_[number[:, 1:].ravel(), number[1:].ravel()]
    return Graph.from_edges(rows * columns, i, j, np.full(len(i), side))


def landscape_of(
    rows: int,
    columns: int,
    rng: np.random.Generator,
    *,
    features: int = 2,
    zones: int = 1,
    locks: bool = False,
    layers: dict[str, Any] | None = None,
) -> Landscape:
    units = rows * columns
    cost = rng.integers(1, 40, (units, zones)) / 8
    status = np.zeros((units, zones), np.int8)
    if locks:
        for unit in rng.permutation(units)[:2]:
            status[unit] = rng.choice([-1, 0])
        status[rng.integers(units), 0] = 1
        status[(status == 1).any(axis=1), 1:] = 0
    return from_arrays(
        cost,
        rng.integers(0, 24, (features, units)) / 8,
        status=status,
        zones=("protected", "oecm")[:zones],
        graph=grid_graph(rows, columns, 1000.0),
        place=Grid((rows, columns), np.arange(units), (1000.0, 0, 0, 0, -1000.0, 0), "EPSG:6933"),
        groups={"half": ["west" if u % columns < columns / 2 else "east" for u in range(units)]},
        area_km2=rng.integers(1, 4, units).astype(float),
        layers=layers,
    )


def problem_of(landscape: Landscape, share: float, constraints: list[Any] = [], penalties: list[Any] = []) -> Problem:  # noqa: B006
    totals = np.asarray(landscape.amount.sum(axis=1)).ravel()
    return Problem(
        landscape,
        share * totals,
        np.where(totals > 0, totals, 1.0),
        family("objectives")["min_cost"](),
        tuple(family("constraints")[c["kind"]](**c) for c in constraints),
        tuple(family("penalties")[p["kind"]](**p) for p in penalties),
    )


# -- naive twins -----------------------------------------------------------------------------------------------------


def flood(y: np.ndarray, start: int, graph: Graph) -> set[int]:
    """Chosen units that hang together with one, by plain flooding."""
    found, todo = {start}, [start]
    while todo:
        u = todo.pop()
        for v in graph.indices[graph.indptr[u] : graph.indptr[u + 1]].tolist():
            if y[v] and v not in found:
                found.add(v)
                todo.append(v)
    return found


def patches(y: np.ndarray, graph: Graph, inside: np.ndarray | None = None) -> list[set[int]]:
    y = y & inside if inside is not None else y
    return [set(part) for part in {frozenset(flood(y, int(u), graph)) for u in np.flatnonzero(y)}]


def keeps(problem: Problem, selection: np.ndarray) -> bool:
    """Does a selection keep every rule? Plain loops."""
    landscape = problem.landscape
    graph = landscape.graph
    names = [zone.name for zone in landscape.zones]
    for c in problem.constraints:
        zones = [names.index(z) for z in (c.zones or names)]
        y = selection[:, zones].any(axis=1)
        locked = (landscape.status[:, zones] > 0).any(axis=1)
        if c.kind == "contiguity":
            for _, mask in landscape.members(c.of):
                if len(patches(y, graph, mask)) > c.parts:
                    return False
        elif c.kind == "min_patch":
            for part in patches(y, graph):
                if sum(landscape.area_km2[u] for u in part) < c.area_km2 and not any(
                    locked[u] for u in part if c.exempt_locked
                ):
                    return False
        elif c.kind == "neighbours":
            for u in np.flatnonzero(y):
                around = graph.indices[graph.indptr[u] : graph.indptr[u + 1]]
                need = min(c.least, len(around)) if c.clamp else c.least
                if y[around].sum() < need and not (c.exempt_locked and locked[u]):
                    return False
        elif c.kind == "corridor":
            label = landscape.layers[c.layer]
            wanted = set(label[label != 0].tolist())
            pairs = [{float(a), float(b)} for a, b in c.pairs] if c.pairs else [wanted]
            for pair in pairs:
                if not any(pair <= {label[u] for u in part} for part in patches(y, graph)):
                    return False
    return True


def counted(problem: Problem) -> float | None:
    """Least objective of all selections."""
    units, _, zones = problem.landscape.shape
    program = compile_problem(problem)
    best = None
    for selection in every_selection(units, zones):
        x = selection.astype(float).ravel()
        if np.any(x < program.lower) or np.any(x > program.upper):
            continue
        if program.violations(x) or (best is not None and program.objective(x) >= best):
            continue
        if keeps(problem, selection):
            best = program.objective(x)
    return best


# -- rules -----------------------------------------------------------------------------------------------------------

RULES = st.sampled_from(
    [
        {"kind": "contiguity"},
        {"kind": "contiguity", "parts": 2},
        {"kind": "contiguity", "of": "half:*"},
        {"kind": "contiguity", "of": "half:east"},
        {"kind": "min_patch", "area_km2": 4.0},
        {"kind": "min_patch", "area_km2": 7.0, "exempt_locked": False},
        {"kind": "neighbours", "least": 1},
        {"kind": "neighbours", "least": 2},
        {"kind": "neighbours", "least": 2, "clamp": False, "exempt_locked": False},
        {"kind": "corridor", "layer": "core"},
        {"kind": "corridor", "layer": "core", "pairs": [["1", "2"], ["3", "1"]]},
    ]
)


@st.composite
def ruled(draw: st.DrawFn, zones: int = 1) -> Problem:
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    rows, columns = draw(st.sampled_from([(3, 3), (2, 4)]))
    core = np.zeros(rows * columns)
    core[rng.permutation(rows * columns)[:5]] = [1, 2, 3, 1, 2]
    landscape = landscape_of(rows, columns, rng, zones=zones, locks=draw(st.booleans()), layers={"core": core})
    rules = draw(st.lists(RULES, min_size=1, max_size=2, unique_by=lambda rule: rule["kind"]))
    if zones > 1 and draw(st.booleans()):
        rules = [{**rule, "zones": ["protected"]} for rule in rules]
    penalty = [{"kind": "boundary", "weight": 0.0005}] if draw(st.booleans()) else []
    return problem_of(landscape, draw(st.sampled_from([0.0, 0.25, 0.5])), rules, penalty)


def check_rules(problem: Problem, solvers: tuple[str, ...]) -> None:
    optimum = counted(problem)
    try:
        program = compile_problem(problem)
    except ScenarioError as error:
        assert optimum is None and error.faults
        return
    for name in solvers:
        if optimum is None:
            with pytest.raises(PrioritizeError) as error:
                solve(program, family("solvers")[name](gap=0.0))
            assert error.value.faults
            continue
        solution = solve(program, family("solvers")[name](gap=0.0))
        recheck(problem, solution.selection, solution.objective)
        assert keeps(problem, solution.selection)
        assert solution.objective == pytest.approx(optimum, abs=1e-6), name
        assert solution.bound <= optimum + 1e-6
    if optimum is None:
        return
    # the engine without the rules bounds from below, and what is repaired keeps them and is not below the optimum
    found = engine.solve(without_rules(program), gap=0.0)
    assert found.bound <= optimum + 1e-6
    if found.x is not None:
        mended, left = repair(program, found.x, found.multipliers, Reporter())
        assert (mended is None) == bool(left)
        if mended is not None:
            selection = mended.reshape(program.units, program.zones) > 0
            recheck(problem, selection, program.objective(mended))
            assert keeps(problem, selection)
            assert program.objective(mended) >= optimum - 1e-9


@settings(max_examples=25)
@given(problem=ruled())
def test_rules_equal_the_count(problem: Problem) -> None:
    check_rules(problem, ("highs", "auto"))


@settings(max_examples=6)
@given(problem=ruled())
def test_rules_equal_the_count_for_every_solver(problem: Problem) -> None:
    check_rules(problem, SOLVERS)


@settings(max_examples=3)
@given(problem=ruled(zones=2))
def test_rules_with_two_zones(problem: Problem) -> None:
    check_rules(problem, ("highs",))


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), least=st.integers(0, 8))
def test_removal_never_breaks_a_part(seed: int, least: int) -> None:
    """The kernel against flooding: with an open limit it is exact, with a small one only too careful."""
    rng = np.random.default_rng(seed)
    graph = grid_graph(5, 6)
    weight = rng.integers(1, 4, 30).astype(float)
    y = rng.random(30) < 0.6
    seen = np.zeros(30, np.int64)
    for unit in np.flatnonzero(y):
        rest = y.copy()
        rest[unit] = False
        around = [v for v in graph.indices[graph.indptr[unit] : graph.indptr[unit + 1]].tolist() if y[v]]
        part = flood(rest, around[0], graph) if around else set()
        exact = not around or (set(around) <= part and sum(weight[v] for v in part) >= least)
        for limit in (30, 4):
            seen[:] = 0
            answer = holds_without(
                unit, graph.indptr, graph.indices, y, weight, float(least), limit, seen, 1, np.empty(limit, np.int32)
            )
            assert answer == exact if limit == 30 else (not answer or exact)


# -- penalties -------------------------------------------------------------------------------------------------------


def penalty_value(problem: Problem, selection: np.ndarray, pairs: list[tuple[int, int, float]]) -> float:
    """Weight times what is cut or kept, from a list of connections, by plain loops."""
    (penalty,) = problem.penalties
    names = [zone.name for zone in problem.landscape.zones]
    parts = {"together": [names], "apart": [[name] for name in names]}.get(
        penalty.zones if isinstance(penalty.zones, str) else "", [penalty.zones]
    )
    total = 0.0
    for part in parts:
        y = [bool(selection[u, [names.index(name) for name in part]].any()) for u in range(len(selection))]
        for i, j, value in pairs:
            if penalty.form == "kept":
                total -= value * (y[i] and y[j])
            elif penalty.directed or penalty.values in ("elevation", "d8", "bearing"):
                total += value * (y[i] and not y[j])
            else:
                total += value * (y[i] != y[j])
    return penalty.weight * total


@st.composite
def connected(draw: st.DrawFn, folder: Path, zones: int = 1) -> tuple[Problem, list[tuple[int, int, float]]]:
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    rows, columns = draw(st.sampled_from([(3, 3), (2, 4)]))
    units = rows * columns
    landscape = landscape_of(rows, columns, rng, zones=zones, locks=draw(st.booleans()))
    form = draw(st.sampled_from(["lost", "kept"]))
    directed = draw(st.booleans())
    every = [(i, j) for i, j in itertools.product(range(units), repeat=2) if (i != j if directed else i < j)]
    some = [every[k] for k in rng.permutation(len(every))[: draw(st.integers(1, 20))]]
    pairs = [(i, j, int(rng.integers(1, 16)) / 8) for i, j in some]
    path = folder / f"{len(list(folder.iterdir()))}.csv"
    path.write_text("id1,id2,value\n" + "".join(f"{i + 1},{j + 1},{v}\n" for i, j, v in pairs))
    penalty = {
        "kind": "connectivity",
        "values": "matrix",
        "matrix": path,
        "directed": directed,
        "form": form,
        "weight": draw(st.sampled_from([0.25, 1.0])),
        "zones": draw(st.sampled_from(["together", "apart", ["protected"]])),
    }
    return problem_of(landscape, draw(st.sampled_from([0.25, 0.5])), penalties=[penalty]), pairs


@settings(max_examples=20)
@given(data=st.data())
def test_penalty_equals_the_count(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """bound <= optimum <= objective with directed edges, and each solver finds the optimum."""
    problem, pairs = data.draw(connected(tmp_path_factory.mktemp("matrix")))
    program = compile_problem(problem)
    best = None
    for selection in every_selection(program.units, 1):
        x = selection.astype(float).ravel()
        if np.any(x < program.lower) or np.any(x > program.upper) or program.violations(x):
            continue
        own = float(problem.landscape.cost[selection].sum()) + penalty_value(problem, selection, pairs)
        assert program.objective(x) == pytest.approx(own, abs=1e-9)
        assert problem.penalties[0].value(problem, selection) == pytest.approx(penalty_value(problem, selection, pairs))
        best = own if best is None else min(best, own)
    if best is None:
        return
    found = engine.solve(program, gap=0.0)
    assert found.x is not None
    assert found.bound - 1e-9 <= best <= found.objective + 1e-9
    solution = solve(program, family("solvers")["highs"](gap=0.0))
    recheck(problem, solution.selection, solution.objective)
    assert solution.objective == pytest.approx(best, abs=1e-6)


@settings(max_examples=5)
@given(data=st.data())
def test_penalty_with_two_zones(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    problem, pairs = data.draw(connected(tmp_path_factory.mktemp("matrix"), zones=2))
    program = compile_problem(problem)
    rng = np.random.default_rng(0)
    for _ in range(40):
        selection = np.zeros((program.units, 2), bool)
        choice = rng.integers(-1, 2, program.units)
        selection[choice >= 0, choice[choice >= 0]] = True
        own = float(problem.landscape.cost[selection].sum()) + penalty_value(problem, selection, pairs)
        assert program.objective(selection.astype(float).ravel()) == pytest.approx(own, abs=1e-9)
    found = engine.solve(program, gap=0.0)
    solution = solve(program, family("solvers")["highs"](gap=0.0))
    assert found.bound <= solution.objective + 1e-6


def values_of(landscape: Landscape, **keys: Any) -> dict[tuple[int, int], float]:
    penalty = family("penalties")["connectivity"](kind="connectivity", weight=1.0, **keys)
    return {(int(i), int(j)): float(v) for i, j, v in zip(*penalty.pairs(landscape))}


def test_values_of_each_kernel() -> None:
    """By hand on a 2 x 3 grid of 1 km cells: 0 1 2 above 3 4 5."""
    layers = {
        "altitude": [5.0, 4.0, 1.0, 6.0, 3.0, 2.0],
        "resistance": [1.0, 3.0, 1.0, 1.0, 1.0, 4.0],
        "code": [1.0, 4.0, 64.0, 128.0, 16.0, 0.0],
        "east": [90.0] * 6,
        "flow": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    }
    land = landscape_of(2, 3, np.random.default_rng(0), layers=layers)
    near = values_of(land, values="distance", median_km=1.0, radius_km=1.2)
    assert len(near) == 7 and all(value == pytest.approx(0.5) for value in near.values())
    wide = values_of(land, values="distance", median_km=2.0, radius_km=10.0, by_area=True)
    area = land.area_km2
    assert len(wide) == 15
    assert wide[0, 5] == pytest.approx(0.5 ** (np.sqrt(5) / 2) * area[0] * area[5])
    border = values_of(land, values="resistance", layer="resistance")
    assert border[0, 1] == pytest.approx(500.0) and border[3, 4] == pytest.approx(1000.0)
    assert border[2, 5] == pytest.approx(400.0)
    # each drains to its lowest lower neighbour: 0->1, 1->2, 3->4, 4->5, 5->2; the selected one needs what is upstream
    river = {(0, 1): 1.0, (1, 2): 1.0, (3, 4): 1.0, (4, 5): 1.0, (5, 2): 1.0}
    assert values_of(land, values="elevation", layer="altitude", needs="downstream") == river
    assert values_of(land, values="elevation", layer="altitude") == {(j, i): v for (i, j), v in river.items()}
    strong = values_of(land, values="elevation", layer="altitude", needs="downstream", strength="flow")
    assert strong == {(i, j): i + 1.0 for i, j in river}
    # 0 east to 1, 1 south to 4, 2 north out of the grid, 3 north-east to 1, 4 west to 3, 5 nowhere
    codes = values_of(land, values="d8", layer="code", needs="downstream")
    assert codes == {(0, 1): 1.0, (1, 4): 1.0, (3, 1): 1.0, (4, 3): 1.0}
    current = values_of(land, values="bearing", layer="east", needs="downstream")
    assert set(current) == {(0, 1), (1, 2), (3, 4), (4, 5)}
    assert all(value == pytest.approx(1000.0) for value in current.values())


def test_kept_by_area_is_eca_less_its_own_terms() -> None:
    """The surrogate for PC: sum over pairs of a_i a_j p_ij over what is selected."""
    land = landscape_of(3, 3, np.random.default_rng(3))
    keys = {"values": "distance", "median_km": 1.5, "radius_km": 9.0, "by_area": True, "form": "kept", "weight": 1.0}
    problem = problem_of(land, 0.25, penalties=[{"kind": "connectivity", **keys}])
    selection = np.array([1, 0, 1, 1, 0, 0, 0, 1, 1], bool)[:, None]
    points, chosen = centroids(land.place).points, np.flatnonzero(selection[:, 0])
    distance = np.sqrt(((points[chosen, None] - points[None, chosen]) ** 2).sum(axis=2))
    eca2 = land.area_km2[chosen] @ decay(distance, 1.5) @ land.area_km2[chosen]
    own = (land.area_km2[chosen] ** 2).sum()
    assert problem.penalties[0].value(problem, selection) == pytest.approx(-(eca2 - own) / 2)


def test_great_circles() -> None:
    """A quarter of the equator is a quarter of the circumference; 0.1 degrees of it are 11.12 km."""
    place = Grid((1, 4), np.arange(4), (0.1, 0.0, 10.0, 0.0, -0.1, 0.05), "EPSG:4326")
    found = centroids(place).within(12.0)
    assert found[0].tolist() == [0, 1, 2] and found[2] == pytest.approx(2 * np.pi * 6371.0088 / 3600, rel=1e-6)
    assert len(centroids(place).within(30.0)[0]) == 5


def test_spread_keeps_the_sum_and_equals_loops() -> None:
    land = landscape_of(4, 5, np.random.default_rng(5))
    values = np.random.default_rng(6).integers(0, 9, 20).astype(float)
    found = spread(land, values, 1.5, 2.5)
    points = centroids(land.place).points
    own = np.zeros(20)
    for v in range(20):
        distance = np.sqrt(((points - points[v]) ** 2).sum(axis=1))
        p = np.where(distance <= 2.5, 0.5 ** (distance / 1.5), 0.0)
        own += values[v] * p / p.sum()
    assert found == pytest.approx(own) and found.sum() == pytest.approx(values.sum())


# -- smoothed amounts and flows --------------------------------------------------------------------------------------


def test_smoothed_amount_is_a_row() -> None:
    land = landscape_of(3, 3, np.random.default_rng(7), layers={"forest": np.r_[np.ones(4), np.zeros(5)]})
    rule = {"kind": "smoothed", "layer": "forest", "median_km": 1.0, "radius_km": 3.0, "share": 0.6}
    problem = problem_of(land, 0.0, [rule])
    program = compile_problem(problem)
    smooth = spread(land, land.layers["forest"], 1.0, 3.0)
    assert program.rows.toarray()[-1] == pytest.approx(smooth) and program.row_lower[-1] == pytest.approx(2.4)
    best = min(
        float(land.cost[s].sum()) for s in every_selection(9, 1) if smooth[s[:, 0]].sum() >= 0.6 * smooth.sum() - 1e-12
    )
    solution = solve(program, family("solvers")["auto"](gap=0.0))
    recheck(problem, solution.selection, solution.objective)
    assert solution.objective == pytest.approx(best)
    assert problem.constraints[0].broken(problem, np.zeros((9, 1), bool))


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.3, 0.6, 1.0]))
def test_flow_equals_the_count(seed: int, share: float) -> None:
    """Largest flow by counting cuts (max-flow min-cut over sites), optimum by counting selections."""
    rng = np.random.default_rng(seed)
    stage = np.array([1, 1, 0, 2, 2, 2, 3, 3, 0], float)
    capacity = rng.integers(0, 9, 9).astype(float) * rng.choice([1.0, 0.37])
    land = landscape_of(3, 3, rng, layers={"stage": stage, "birds": capacity})
    problem = problem_of(
        land, 0.0, [{"kind": "flow", "stage": "stage", "capacity": "birds", "step_km": 1.5, "share": share}]
    )
    points = centroids(land.place).points
    flies = {
        (u, v)
        for u, v in itertools.permutations(range(9), 2)
        if stage[u] and (stage[u] < stage[v] or stage[u] == stage[v] == 2)
        and np.sqrt(((points[u] - points[v]) ** 2).sum()) <= 1.5
    }  # fmt: skip

    sites = [u for u in range(9) if stage[u] and capacity[u]]

    def flow(y: np.ndarray) -> float:
        least = np.inf
        for size in range(len(sites) + 1):
            for cut in itertools.combinations(sites, size):
                open_sites = {u for u in sites if u not in cut}
                reached = {u for u in open_sites if stage[u] == 1}
                while more := {v for u, v in flies if u in reached and v in open_sites} - reached:
                    reached |= more
                if not any(stage[u] == 3 for u in reached):
                    least = min(least, sum(capacity[u] * y[u] for u in cut))
        return least

    whole = flow(np.ones(9, bool))
    if whole == 0:
        with pytest.raises(ScenarioError, match="no flights"):
            compile_problem(problem)
        return
    rule = problem.constraints[0].rule(problem)
    assert rule.whole == pytest.approx(whole, rel=1e-7)
    program = compile_problem(problem)
    solution = solve(program, family("solvers")["highs"](gap=0.0))
    recheck(problem, solution.selection, solution.objective)
    assert flow(solution.selection[:, 0]) >= share * whole * (1 - 1e-7)
    order = sorted(every_selection(9, 1), key=lambda s: float(land.cost[s].sum()))
    best = next(s for s in order if rule.largest(s[:, 0]) >= share * whole * (1 - 1e-7))
    assert solution.objective == pytest.approx(float(land.cost[best].sum()), abs=1e-6)
    mended, left = repair(program, np.zeros(9), None, Reporter())
    assert mended is not None and not left
    assert flow(mended > 0) >= share * whole * (1 - 1e-7)


# -- large programs --------------------------------------------------------------------------------------------------


def wide_problem(rules: list[dict[str, Any]], side: int = 40) -> Problem:
    rng = np.random.default_rng(11)
    core = np.zeros((side, side))
    core[2:4, 2:4], core[-4:-2, -4:-2], core[2:4, -4:-2] = 1, 2, 3
    amount = np.zeros((4, side * side))
    for row in amount:
        row[rng.permutation(side * side)[: side * side // 4]] = rng.random(side * side // 4)
    land = from_arrays(
        rng.lognormal(0.0, 0.7, side * side),
        amount,
        graph=grid_graph(side, side, 1.0),
        groups={"half": ["west" if u % side < side / 2 else "east" for u in range(side * side)]},
        layers={"core": core.ravel()},
    )
    return problem_of(land, 0.2, rules)


@pytest.mark.parametrize(
    "rules",
    [
        [{"kind": "contiguity"}],
        [{"kind": "contiguity", "of": "half:*", "parts": 2}],
        [{"kind": "corridor", "layer": "core"}],
        [{"kind": "corridor", "layer": "core", "pairs": [("1", "3")]}],
        [{"kind": "min_patch", "area_km2": 12.0}],
        [{"kind": "neighbours", "least": 2}],
        [{"kind": "corridor", "layer": "core"}, {"kind": "min_patch", "area_km2": 6.0}],
        [{"kind": "contiguity"}, {"kind": "budget", "share": 0.12}],
    ],
)
def test_large_programs_are_repaired(rules: list[dict[str, Any]]) -> None:
    problem = wide_problem(rules)
    program = compile_problem(problem)
    reporter = Reporter()
    solution = solve(program, family("solvers")["auto"](gap=0.05, seconds=8.0), reporter=reporter)
    recheck(problem, solution.selection, solution.objective)
    assert keeps(replace(problem, constraints=problem.constraints[:1]), solution.selection)
    assert "repair" in solution.solver and any("repaired:" in line for line in reporter.lines)
    bare = engine.solve(without_rules(program), gap=0.05, seconds=8.0)
    assert solution.bound <= solution.objective
    # without the rules it is cheaper, and not by so much that the repair is worth nothing
    assert bare.bound <= solution.objective <= 3 * bare.objective


def test_the_seed_decides() -> None:
    program = compile_problem(wide_problem([{"kind": "contiguity"}], 25))
    found = engine.solve(without_rules(program), gap=0.05, polish=False)
    assert found.x is not None
    first, again = (repair(program, found.x, found.multipliers, Reporter())[0] for _ in range(2))
    assert first is not None and np.array_equal(first, again)


def test_components_equal_flooding() -> None:
    graph, rng = grid_graph(8, 9), np.random.default_rng(2)
    y = rng.random(72) < 0.5
    count, label = components(graph.indptr, graph.indices, y)
    assert count == len(patches(y, graph))
    assert {frozenset(np.flatnonzero(label == k).tolist()) for k in range(count)} == {
        frozenset(part) for part in patches(y, graph)
    }


# -- wrong input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id1,id2\n1,2\n", "no column value"),
        ("id1,id2,value\n1,99,1\n", "id2: no planning unit has the id 99"),
        ("id1,id2,value\n1,x,1\n", "id2: no planning unit has the id x"),
        ("id1,id2,value\n1,2,-1\n", "negative value in 1 rows"),
        ("id1,id2,value\n1,2,many\n", "value is no finite number"),
        ("id1,id2,value\n1,2,\n", "value is no finite number"),
        ("id1,id2,value\n1,2,1\n1,2,2\n", "more than once"),
        ("id1,id2,value\n1,2,1\n2,1,2\n", "set directed = true"),
        ("", "is empty"),
    ],
)
def test_bad_matrix(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "links.csv"
    path.write_text(text)
    land = landscape_of(2, 3, np.random.default_rng(0))
    with pytest.raises(DataError, match=message):
        values_of(land, values="matrix", matrix=path)


def test_a_symmetric_matrix_may_give_both_directions(tmp_path: Path) -> None:
    path = tmp_path / "links.csv"
    path.write_text("id1,id2,value\n2,1,1.5\n1,2,1.5\n3,2,2\n")
    land = landscape_of(2, 3, np.random.default_rng(0))
    assert values_of(land, values="matrix", matrix=path) == {(0, 1): 1.5, (1, 2): 2.0}
    assert values_of(land, values="matrix", matrix=path, directed=True) == {(1, 0): 1.5, (0, 1): 1.5, (2, 1): 2.0}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"values": "matrix"}, "needs 'matrix'"),
        ({"values": "distance", "median_km": 1.0}, "needs 'radius_km'"),
        ({"values": "distance", "median_km": 1.0, "radius_km": 2.0, "layer": "x"}, "no use for 'layer'"),
        ({"values": "resistance", "layer": "x", "directed": True}, "'directed' goes with a matrix"),
        ({"values": "resistance", "layer": "x", "strength": "y"}, "'strength' goes with"),
        ({"values": "matrix", "matrix": "links.xlsx"}, "must be a .csv"),
    ],
)
def test_bad_keys(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        family("penalties")["connectivity"](kind="connectivity", weight=1.0, **keys)


def test_bad_layers() -> None:
    layers = {"zero": np.zeros(6), "code": np.full(6, 3.0), "bearing": np.full(6, 400.0), "stage": np.full(6, 7.0)}
    land = landscape_of(2, 3, np.random.default_rng(0), layers=layers)
    with pytest.raises(ScenarioError, match="must be above 0"):
        values_of(land, values="resistance", layer="zero")
    with pytest.raises(ScenarioError, match="no flow direction"):
        values_of(land, values="d8", layer="code")
    with pytest.raises(ScenarioError, match="0 to 360"):
        values_of(land, values="bearing", layer="bearing")
    with pytest.raises(ScenarioError, match="lower radius_km"):
        centroids(land.place).within(5.0, most=3)
    with pytest.raises(ScenarioError, match="units with a position"):
        values_of(from_arrays([1.0], [[1.0]]), values="distance", median_km=1.0, radius_km=1.0)
    with pytest.raises(ScenarioError, match="is no stage"):
        compile_problem(
            problem_of(
                land, 0.0, [{"kind": "flow", "stage": "stage", "capacity": "code", "step_km": 1.0, "share": 0.5}]
            )
        )
    with pytest.raises(ScenarioError, match="two are needed"):
        compile_problem(problem_of(land, 0.0, [{"kind": "corridor", "layer": "code"}]))


def test_what_cannot_be_met_is_said() -> None:
    rng = np.random.default_rng(4)
    land = landscape_of(3, 3, rng, layers={"core": np.array([1, 0, 2, 0, 0, 0, 0, 0, 0], float)})
    wall = replace(land, status=np.array([1, -1, 1, 0, -1, 0, 0, -1, 0], np.int8)[:, None])
    with pytest.raises(ScenarioError, match="2 pieces that no available units join"):
        compile_problem(problem_of(wall, 0.0, [{"kind": "contiguity"}]))
    with pytest.raises(ScenarioError, match="no available units join the core areas"):
        compile_problem(problem_of(wall, 0.0, [{"kind": "corridor", "layer": "core"}]))
    with pytest.raises(ScenarioError, match="less than 50 km2 hang together"):
        compile_problem(problem_of(wall, 0.0, [{"kind": "min_patch", "area_km2": 50.0, "exempt_locked": False}]))
    with pytest.raises(ScenarioError, match="no core area 9"):
        compile_problem(problem_of(land, 0.0, [{"kind": "corridor", "layer": "core", "pairs": [("1", "9")]}]))
    with pytest.raises(InfeasibleError, match="at most 25 km2 of available units hang together"):
        solve(
            compile_problem(problem_of(land, 0.9, [{"kind": "min_patch", "area_km2": 500.0}])),
            family("solvers")["auto"](),
        )
    cramped = [{"kind": "min_patch", "area_km2": 20.0}, {"kind": "area", "max_share": 0.5}]
    program = compile_problem(problem_of(land, 0.1, cramped))
    with pytest.raises(InfeasibleError, match="no selection meets 'minimum patch size'"):
        solve(program, family("solvers")["auto"]())


# -- the whole line --------------------------------------------------------------------------------------------------


def test_runs_are_verified(tmp_path: Path) -> None:
    """Connectivity penalties and minimum patches: solved, saved, verified from the files; a changed file is seen."""
    (tmp_path / "links.csv").write_text("id1,id2,value\n" + "".join(f"{u},{u + 1},2\n" for u in range(700, 720)))
    (tmp_path / "s.toml").write_text(
        """
name = "s"
[landscape]
format = "synthetic"
rows = 50
columns = 50
species = 8
seed = 3
[targets]
relative = 0.15
[[penalties]]
kind = "connectivity"
values = "distance"
weight = 20.0
median_km = 5.0
radius_km = 7.5
[[penalties]]
kind = "connectivity"
name = "river"
values = "elevation"
layer = "altitude"
weight = 30.0
[[penalties]]
kind = "connectivity"
name = "links"
values = "matrix"
matrix = "links.csv"
directed = true
weight = 10.0
[[constraints]]
kind = "min_patch"
area_km2 = 100.0
[solver]
gap = 0.02
seconds = 6
"""
    )
    ids = {int(k) for k in run_ids(tmp_path)}
    keep = [f"{u},{v},2\n" for u, v in itertools.pairwise(sorted(ids)[:30])]
    (tmp_path / "links.csv").write_text("id1,id2,value\n" + "".join(keep))
    done = run(tmp_path / "s.toml")
    folder = done.save(tmp_path / "run")
    assert verify(folder).faults == ()
    assert {"river", "links", "connectivity"} <= set(done.summary["terms"])
    (tmp_path / "links.csv").write_text("id1,id2,value\n" + "".join(keep[:-1]))
    assert any("links.csv" in fault for fault in verify(folder).faults)


def run_ids(folder: Path) -> np.ndarray:
    from prioritize.runner import load_landscape
    from prioritize.scenario import read_scenario

    return load_landscape(read_scenario(folder / "s.toml")).unit_id
