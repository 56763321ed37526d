"""Every kernel equals its slow twin, on random programs with zones, locks, soft rows and directed edges."""

from __future__ import annotations

import naive_kernels
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from prioritize.engine.bound import curvature
from prioritize.engine.view import View, to_flows, to_vector, view
from prioritize.program import Builder, Program
from prioritize_kernels import complementarity, connectivity, selection


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """8 units, 1 to 3 zones, 4 rows (one soft, one upper), 14 directed edges in two groups, some locks."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    zones, units = draw(st.integers(1, 3)), 8
    to = Builder(units, zones)
    to.mandatory = draw(st.booleans()) and zones > 1
    to.add_cost(rng.normal(1.0, 1.0, (units, zones)))
    for u in rng.choice(units, 2, replace=False):
        z = int(rng.integers(zones))
        if rng.random() < 0.5:
            to.lower[u * zones + z] = 1
            to.upper[u * zones : (u + 1) * zones] = 0
            to.upper[u * zones + z] = 1
        elif not to.mandatory:
            to.upper[u * zones : (u + 1) * zones] = 0
        else:
            to.upper[u * zones + z] = 0
    amount = sparse.csr_array(rng.random((4, units * zones)) * (rng.random((4, units * zones)) < 0.6))
    to.add_rows(["a", "b"], amount[:2], lower=rng.random(2))
    to.add_rows(["soft"], amount[[2]], lower=rng.random(1) * 2, price=3.0)
    to.add_rows(["cap"], amount[[3]], upper=2.0)
    for name, size in (("one", 1), ("all", zones)):
        tail = rng.integers(0, units, 7)
        head = (tail + rng.integers(1, units, 7)) % units
        to.add_edges(name, tail, head, rng.random(7), range(size))
    return to.build()


def random_zones(seen: View, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    grid = seen.allowed.reshape(seen.units, seen.zones)
    choices = [np.flatnonzero(row).tolist() + ([] if seen.mandatory else [-1]) for row in grid]
    return np.array([rng.choice(row) for row in choices], dtype=np.int8)


@given(program=programs(), seed=st.integers(0, 100))
def test_view_is_the_program(program: Program, seed: int) -> None:
    """Objective and feasibility of a view, and its parts are the Program's."""
    seen = view(program)
    zone = random_zones(seen, seed)
    x = to_vector(program, seen, zone)
    assert seen.objective(zone) == pytest.approx(program.objective(x), abs=1e-9)
    assert naive_kernels.objective(seen, zone) == pytest.approx(program.objective(x), abs=1e-9)
    assert seen.feasible(zone) == (not program.violations(x))
    part = np.sort(np.random.default_rng(seed).choice(seen.units, 3, replace=False))
    inner = seen.within(part, zone)
    assert inner.objective(zone[part]) == pytest.approx(seen.objective(zone), abs=1e-9)
    assert inner.feasible(zone[part]) == seen.feasible(zone)


@given(program=programs(), seed=st.integers(0, 100), heat=st.sampled_from([0.01, 0.3, 5.0]))
def test_soften(program: Program, seed: int, heat: float) -> None:
    seen = view(program)
    price = np.random.default_rng(seed).normal(size=4)
    share, activity = np.zeros(len(seen.cost)), np.zeros(4)
    smooth, exact = complementarity.soften(
        0, seen.units, seen.zones, seen.mandatory, *seen.matrix, seen.allowed, seen.cost, price, heat, share, activity
    )
    expected = naive_kernels.soften(seen, seen.cost, price, heat)
    np.testing.assert_allclose(share, expected[0], atol=1e-9)
    assert (smooth, exact) == pytest.approx(expected[1:], abs=1e-9)
    np.testing.assert_allclose(activity, naive_kernels.dense(seen) @ share, atol=1e-9)


@given(program=programs(), seed=st.integers(0, 100))
def test_project_and_curvature(program: Program, seed: int) -> None:
    seen = view(program)
    rng = np.random.default_rng(seed)
    base, step, price = rng.normal(size=len(seen.cost)), rng.random(seen.units) + 0.1, rng.normal(size=4)
    x, weight, joint, activity = np.zeros(len(base)), np.zeros(len(base)), np.zeros(seen.units), np.zeros(4)
    value = complementarity.project(
        0, seen.units, seen.zones, seen.mandatory, *seen.matrix, seen.allowed, base, step, price, x, weight, joint,
        activity,
    )  # fmt: skip
    matrix = naive_kernels.dense(seen)
    wide = np.repeat(step, seen.zones)
    point = (base + wide * (matrix.T @ price)).reshape(seen.units, seen.zones)
    allowed = seen.allowed.reshape(point.shape)
    expected = np.array([naive_kernels.project(p, a, seen.mandatory) for p, a in zip(point, allowed, strict=True)])
    np.testing.assert_allclose(x, expected.ravel(), atol=1e-9)
    np.testing.assert_allclose(activity, matrix @ x, atol=1e-9)
    open_columns = seen.allowed > 0
    distance = ((x - base) ** 2 / (2 * wide))[open_columns].sum()
    assert value == pytest.approx(distance - price @ (matrix @ x), abs=1e-9)
    np.testing.assert_allclose(
        curvature(seen, weight, joint, step), naive_kernels.curvature(seen, weight, joint, step), atol=1e-9
    )


@given(program=programs(), seed=st.integers(0, 100))
def test_flows(program: Program, seed: int) -> None:
    """D'q; and what flows prove is the same by pair and by directed edge."""
    seen = view(program)
    rng = np.random.default_rng(seed)
    flow = seen.low + rng.random(len(seen.tail)) * (seen.high - seen.low)
    out = np.empty(len(seen.cost))
    connectivity.divergence(0, seen.units, seen.zones, seen.ptr, seen.edge, seen.tail, seen.mask, flow, out)
    np.testing.assert_allclose(out, naive_kernels.divergence(seen, flow), atol=1e-12)
    from prioritize.engine.dual import Multipliers, dual_value

    proof = Multipliers(np.zeros(4), to_flows(program, seen, flow))
    exact = naive_kernels.soften(seen, seen.cost + out, np.zeros(4), 1.0)[2]
    assert dual_value(program, proof) == pytest.approx(seen.constant + exact, abs=1e-9)


@given(program=programs(), seed=st.integers(0, 100))
def test_moves(program: Program, seed: int) -> None:
    """The change that a move announces is the change of the objective."""
    seen = view(program)
    rng = np.random.default_rng(seed)
    zone = random_zones(seen, seed)
    held = seen.held(zone)
    price = np.where(np.isfinite(seen.price), seen.price, 0.0)
    for _ in range(10):
        u = int(rng.integers(seen.units))
        new = int(random_zones(seen, int(rng.integers(1000)))[u])
        old = int(zone[u])
        before, after = (u * seen.zones + z if z >= 0 else -1 for z in (old, new))
        roomy = np.full(len(seen.upper), np.inf)
        change, fits = selection.row_change(before, after, *seen.matrix, held, seen.lower, roomy, price)
        assert fits
        more = naive_kernels.dense(seen)
        delta = (more[:, after] if after >= 0 else 0.0) - (more[:, before] if before >= 0 else np.zeros(len(held)))
        most = np.where(np.isfinite(seen.upper), seen.upper, np.inf)
        _, fits = selection.row_change(before, after, *seen.matrix, held, seen.lower, most, price)
        assert fits == (not np.any((delta > 0) & (held + delta > most)))
        change += selection.edge_change(u, old, new, zone, *seen.graph)
        change += (seen.cost[after] if after >= 0 else 0.0) - (seen.cost[before] if before >= 0 else 0.0)
        was = naive_kernels.objective(seen, zone)
        selection.apply_move(u, new, seen.zones, *seen.matrix, zone, held)
        assert naive_kernels.objective(seen, zone) - was == pytest.approx(change, abs=1e-9)
        np.testing.assert_allclose(held, seen.held(zone), atol=1e-9)


PRICES = st.tuples(st.floats(0, 5), st.floats(0.1, 10), st.floats(0.01, 5), st.booleans())


@given(y=st.floats(-5, 5), terms=PRICES)
def test_lack(y: float, terms: tuple[float, float, float, bool]) -> None:
    """What a row lacks costs the integral of the slope, which falls."""
    price, cap, width, capped = terms
    cap = cap if capped else np.inf
    cost = naive_kernels.lack(y, price, cap, width)
    assert selection.lack(y, price, cap, width) == pytest.approx(cost, abs=1e-3 * max(1.0, cost))
    assert selection.slope(y, price, cap, width) >= selection.slope(y + 0.1, price, cap, width)


@given(program=programs(), seed=st.integers(0, 100))
def test_eager(program: Program, seed: int) -> None:
    """The least change of costs, edges and priced amounts among all moves of a unit."""
    seen = view(program)
    zone, worth = random_zones(seen, seed), np.random.default_rng(seed).normal(size=4)

    def value(zone: np.ndarray) -> float:
        return naive_kernels.objective(seen, zone, soft=False) - worth @ seen.held(zone)

    units = np.arange(seen.units, dtype=np.int32)[::2]
    change = selection.eager(
        units, seen.zones, seen.mandatory, *seen.matrix, seen.allowed, seen.cost, *seen.graph, worth, zone
    )
    for u, least in zip(units, change, strict=True):
        expected = np.inf
        for new in range(0 if seen.mandatory else -1, seen.zones):
            if new != zone[u] and (new < 0 or seen.allowed[u * seen.zones + new]):
                moved = zone.copy()
                moved[u] = new
                expected = min(expected, value(moved) - value(zone))
        assert least == pytest.approx(expected, abs=1e-9)


@given(program=programs(), seed=st.integers(0, 100), start=st.integers(0, 3))
def test_anneal(program: Program, seed: int, start: int) -> None:
    """All but cold it only goes downhill, to where no single move of an active unit goes further; locks are kept."""
    seen = view(program)
    zone = random_zones(seen, seed)
    before, held = zone.copy(), seen.held(zone)
    rng = np.random.default_rng(seed)
    price, dear, width = rng.random(4) * 2, rng.random(4), 0.1 + rng.random(4)
    price[~np.isfinite(seen.lower)] = dear[~np.isfinite(seen.upper)] = 0.0
    cap = np.where(np.isfinite(seen.price), seen.price, np.inf)
    active, closed = np.zeros(seen.units, np.int32), np.zeros(seen.units, np.uint8)
    first = min(start, seen.units - 1)
    active[0], closed[first] = first, 1
    count, tried = selection.anneal(
        active, 1, closed, seen.zones, seen.mandatory, *seen.matrix, seen.allowed, seen.cost, *seen.graph, seen.lower,
        seen.upper, price, cap, dear, width, 1e-12, 300.0, seed + 1, zone, held,
    )  # fmt: skip

    def value(zone: np.ndarray) -> float:
        return naive_kernels.smoothed(seen, zone, price, cap, dear, width)

    tried_units = active[:count]
    assert tried >= 300 * count and len(set(tried_units.tolist())) == count
    assert set(np.flatnonzero(zone != before)) <= set(tried_units.tolist())
    around = {int(w) for u in np.flatnonzero(zone != before) for w in seen.graph[1][seen.ptr[u] : seen.ptr[u + 1]]}
    assert around <= set(tried_units.tolist())
    np.testing.assert_allclose(held, seen.held(zone), atol=1e-9)
    end = value(zone)
    assert end <= value(before) + 1e-9
    for u in tried_units:
        for new in range(0 if seen.mandatory else -1, seen.zones):
            if new < 0 or seen.allowed[u * seen.zones + new]:
                moved = zone.copy()
                moved[u] = new
                assert value(moved) >= end - 1e-9
    chosen = np.flatnonzero(zone >= 0)
    assert np.all(seen.allowed[chosen * seen.zones + zone[chosen]] > 0)


def test_nothing_held_is_a_float() -> None:
    """`np.bincount` of nothing is whole numbers, and a kernel that adds amounts to those rounds them away."""
    seen = view(Builder(3, 1).build())
    assert seen.held(np.full(3, -1, np.int8)).dtype == np.float64


@given(program=programs(), seed=st.integers(0, 100))
def test_exchange(program: Program, seed: int) -> None:
    """What an exchange says it gained is gained, no hard row that was met is given up, no lock is broken."""
    seen = view(program)
    if seen.mandatory:
        return
    zone = random_zones(seen, seed)
    held = seen.held(zone)
    before, short = naive_kernels.objective(seen, zone), np.maximum(0.0, seen.lower - held)
    price = np.where(np.isfinite(seen.lower), seen.price, 0.0)
    order = np.random.default_rng(seed).permutation(len(seen.cost)).astype(np.int32)
    best, best_held = zone.copy(), held.copy()
    state, values = np.array([selection.seeded(seed + 1)]), np.zeros(2)
    for first, last in ((0, 1), (1, 77), (77, 200)):  # in how many calls changes nothing
        selection.exchange(
            order, seen.zones, *seen.matrix, seen.allowed, seen.cost, *seen.graph, seen.lower, seen.upper, price, 3,
            0.5, first, last, 200, state, values, zone, held, best, best_held,
        )  # fmt: skip
    once, again = random_zones(seen, seed), np.zeros(2)
    once_held = seen.held(once)
    once_best, once_best_held = once.copy(), once_held.copy()
    selection.exchange(
        order, seen.zones, *seen.matrix, seen.allowed, seen.cost, *seen.graph, seen.lower, seen.upper, price, 3, 0.5,
        0, 200, 200, np.array([selection.seeded(seed + 1)]), again, once, once_held, once_best, once_best_held,
    )  # fmt: skip
    assert np.array_equal(best, once_best) and again[1] == values[1]
    zone, held, gain = best, best_held, values[1]
    assert gain <= 0.0
    assert naive_kernels.objective(seen, zone) - before == pytest.approx(gain, abs=1e-8)
    np.testing.assert_allclose(held, seen.held(zone), atol=1e-9)
    hard = ~np.isfinite(seen.price)
    assert np.all(np.maximum(0.0, seen.lower - held)[hard] <= short[hard] + 1e-8)
    moved = np.flatnonzero(zone >= 0)
    column = moved * seen.zones + zone[moved]
    assert np.all((seen.allowed[column] > 0) | (random_zones(seen, seed)[moved] == zone[moved]))
