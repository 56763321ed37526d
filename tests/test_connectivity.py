"""Patches, distances, ProtConn, PC, IIC, mesh, smoothing, metapopulations, migration."""

from __future__ import annotations

import math
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.sparse.csgraph import dijkstra

from prioritize.connectivity import distances as dist
from prioritize.connectivity import graph_indices as graphs
from prioritize.connectivity import mesh as meshes
from prioritize.connectivity.distances import CellGaps, Links, PointGaps, label_patches, links_within
from prioritize.connectivity.metapopulation import capacity, grid_capacity
from prioritize.connectivity.migration import Sites, flyway
from prioritize.connectivity.probability import path_sums
from prioritize.connectivity.protconn import protconn
from prioritize.connectivity.smoothing import connectedness, convolve, kernel_weights, smooth
from prioritize.dispersal import MEDIAN_2D, Dispersal
from prioritize.errors import DataError
from prioritize_kernels import patches as kernels
from tests import naive_connectivity as naive

TEN_KM = Dispersal.of_probability(10_000)
few = settings(max_examples=30)


@st.composite
def masks(draw: st.DrawFn, most: int = 8, classes: int = 1) -> np.ndarray:
    rows, columns = draw(st.integers(1, most)), draw(st.integers(1, most))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.05, 0.8)
    return np.where(rng.random((rows, columns)) < share, rng.integers(1, classes + 1, (rows, columns)), 0)


@st.composite
def networks(draw: st.DrawFn, most: int = 9) -> tuple[np.ndarray, Links, np.ndarray]:
    """Attributes, links and their dense matrix; with ties, zero lengths and zero attributes among them."""
    n = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    a = np.where(rng.random(n) < 0.8, rng.uniform(0.1, 5, n), 0.0)
    dense = np.full((n, n), np.inf)
    share, ties = rng.uniform(0.1, 1.0), rng.random() < 0.5
    for i, j in combinations(range(n), 2):
        if rng.random() < share:
            length = float(rng.integers(0, 4)) * 5000 if ties else rng.uniform(0, 30_000)
            dense[i, j] = dense[j, i] = length
    i, j = np.nonzero(np.isfinite(np.triu(dense, 1)) & np.triu(np.ones((n, n), bool), 1))
    return a, Links.of(n, i, j, dense[i, j]), dense


# ---------------------------------------------------------------- patches


@given(masks(9, 3), st.sampled_from([4, 8]))
def test_patches_are_those_of_the_naive_twin(image: np.ndarray, neighbours: int) -> None:
    label, count = label_patches(image, neighbours)
    expected, number = naive.label_grid(image, neighbours)
    assert count == number and np.array_equal(label, expected)
    assert kernels.unlike_sides(image.astype(np.int32) - 1) == naive.unlike_sides(image - 1)


@pytest.mark.parametrize("neighbours", [4, 8])
def test_patches_are_those_of_scipy(neighbours: int) -> None:
    mask = np.random.default_rng(3).random((300, 400)) < 0.45
    label, count = label_patches(mask, neighbours)
    expected, number = ndimage.label(mask, np.ones((3, 3)) if neighbours == 8 else None)
    assert count == number and np.array_equal(label, expected - 1)


@given(networks())
def test_components_of_a_graph(case: tuple[np.ndarray, Links, np.ndarray]) -> None:
    a, links, _ = case
    member = a > 0
    label = np.empty(len(a), np.int32)
    count = kernels.label_graph(links.indptr, links.indices, member, label)
    i, j, _ = links.pairs()
    both = member[i] & member[j]
    every = naive.groups(len(a), list(zip(i[both].tolist(), j[both].tolist(), strict=True)))
    names: dict[int, int] = {}
    assert label.tolist() == [names.setdefault(g, len(names)) if m else -1 for g, m in zip(every, member, strict=True)]
    assert count == len(names)
    assert dist.groups_of(len(a), i[both], j[both])[0].tolist() == every


def test_another_number_of_neighbours_is_refused() -> None:
    with pytest.raises(DataError, match="neighbours is 6"):
        label_patches(np.ones((2, 2)), 6)


# ---------------------------------------------------------------- distances


@few
@given(masks(9), st.sampled_from([(1.0, 1.0), (2.0, 3.0)]), st.sampled_from([0.0, 1.0, 2.5, np.inf]))
def test_gaps_between_patches_of_cells(mask: np.ndarray, cell: tuple[float, float], radius: float) -> None:
    label, count = label_patches(mask, 4)
    links = links_within(CellGaps.of(label, *cell), radius)
    i, j, length = links.pairs()
    found = {(int(a), int(b)): float(d) for a, b, d in zip(i, j, length, strict=True)}
    expected = {(a, b): naive.cell_gap(label, a, b, *cell) for a, b in combinations(range(count), 2)}
    assert found == pytest.approx({pair: d for pair, d in expected.items() if d <= radius})


def test_gaps_of_patches_that_fill_many_tiles() -> None:
    rng = np.random.default_rng(5)
    label, count = label_patches(ndimage.binary_opening(rng.random((90, 120)) < 0.62, iterations=1), 4)
    gaps = CellGaps.of(label, 1.0, 1.0)
    sizes = np.bincount(label[label >= 0])
    assert len(gaps.tile_box) > count > 5
    for a, b in combinations(np.argsort(-sizes)[:6].tolist(), 2):
        near = ndimage.distance_transform_cdt(label != a, "chessboard")[label == b].min()
        got = gaps.between(np.array([a]), np.array([b]))[0]
        cells = np.argwhere(label == b)[:, None, :] - np.argwhere(label == a)[None, :, :]
        expected = np.sqrt((np.maximum(np.abs(cells) - 1, 0) ** 2).sum(axis=2)).min()
        assert got == pytest.approx(expected) and got >= near - 1


@few
@given(networks())
def test_sums_over_paths(case: tuple[np.ndarray, Links, np.ndarray]) -> None:
    a, links, dense = case
    exact = path_sums(links, a[:, None], TEN_KM)
    assert a @ exact.sums[:, 0] == pytest.approx(naive.total(a, dense, TEN_KM.rate_per_m), rel=1e-11)
    # links that are left out are not needed
    assert naive.shortest(dense) == pytest.approx(naive.shortest(matrix(links.needed())))
    for one, other in ((links, links.back()), (links.needed(), links.needed().back())):
        source = np.repeat(np.arange(one.nodes), np.diff(one.indptr))
        assert np.array_equal(source[other], one.indices) and np.array_equal(one.indices[other], source)


def matrix(links: Links) -> np.ndarray:
    dense = np.full((links.nodes, links.nodes), np.inf)
    i, j, length = links.pairs()
    dense[i, j] = dense[j, i] = length
    return dense


def test_paths_are_those_of_scipy() -> None:
    rng = np.random.default_rng(2)
    points = PointGaps(rng.uniform(0, 1e5, 300), rng.uniform(0, 1e5, 300))
    links = links_within(points, 12_000)
    a = rng.uniform(0, 3, 300)
    from scipy.sparse import csr_array

    graph = csr_array((links.length, links.indices, links.indptr), shape=(300, 300))
    expected = np.exp(-TEN_KM.rate_per_m * dijkstra(graph)) @ a
    assert path_sums(links, a[:, None], TEN_KM).sums[:, 0] == pytest.approx(expected, rel=1e-12)


@few
@given(masks(8), st.floats(0.3, 5))
def test_exact_sums_are_those_over_all_pairs(mask: np.ndarray, half: float) -> None:
    """The search for links that matter ends with the same sums as measuring every pair."""
    label, count = label_patches(mask)
    if count == 0:
        return
    gaps = CellGaps.of(label, 1.0, 1.0)
    a = np.bincount(label[label >= 0]).astype(float)
    dispersal = Dispersal.of_probability(half)
    dense = matrix(links_within(gaps))
    found = path_sums(gaps, a[:, None], dispersal)
    assert found.note == "exact"
    assert a @ found.sums[:, 0] == pytest.approx(naive.total(a, dense, dispersal.rate_per_m), rel=1e-11)


@pytest.mark.parametrize("share", [0.02, 0.25])
def test_exact_sums_from_few_links(share: float) -> None:
    """Enough patches that the first radius does not hold all links, sparse and dense."""
    rng = np.random.default_rng(7)
    mask = np.zeros((320, 320), bool)
    while mask.mean() < share:
        r, c = rng.integers(0, 320, 2)
        mask[r : r + rng.integers(1, 5), c : c + rng.integers(1, 9)] = True
    label, count = label_patches(mask)
    gaps = CellGaps.of(label, 1000.0, 1000.0)
    a = np.bincount(label[label >= 0]).astype(float)
    every = links_within(gaps)
    assert count > 100 and len(every.indices) == count * (count - 1)
    exact = path_sums(gaps, a[:, None], TEN_KM)
    assert exact.links is not None and len(exact.links.indices) < len(every.indices)
    assert exact.sums == pytest.approx(path_sums(every, a[:, None], TEN_KM).sums, rel=1e-11)


@few
@given(masks(6), st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([3.0, np.inf]))
def test_least_costs(mask: np.ndarray, seed: int, through: bool, limit: float) -> None:
    label, _ = label_patches(mask, 4)
    rng = np.random.default_rng(seed)
    resistance = rng.uniform(0.5, 4, mask.shape)
    resistance[rng.random(mask.shape) < 0.2] = rng.choice([np.nan, 0.0, -1.0, np.inf])
    links = dist.least_cost_links(label, resistance, 1.0, 2.0, limit, through=through)
    expected = naive.least_costs(label, resistance, 1.0, 2.0, limit, through)
    i, j, cost = links.pairs()
    found = {(int(a), int(b)): float(c) for a, b, c in zip(i, j, cost, strict=True)}
    best = {
        (a, b): min(expected.get((a, b), math.inf), expected.get((b, a), math.inf)) for a, b in expected if a < b
    } | {(b, a): c for (a, b), c in expected.items() if a > b and (b, a) not in expected}
    assert found == pytest.approx(best)


@few
@given(masks(7), st.integers(0, 2**32 - 1))
def test_links_through_patches_are_not_needed(mask: np.ndarray, seed: int) -> None:
    """Crossing a patch from link to link is free, so a link that crosses one never makes a path shorter."""
    label, count = label_patches(mask, 4)
    resistance = np.random.default_rng(seed).uniform(0.5, 4, mask.shape)
    ones = np.ones((count, 1))
    around, across = (
        path_sums(dist.least_cost_links(label, resistance, 1.0, 1.0, through=t), ones, Dispersal(0.3))
        for t in (False, True)
    )
    assert around.sums == pytest.approx(across.sums, rel=1e-11)


# ---------------------------------------------------------------- dispersal


def test_dispersal_distances_convert() -> None:
    assert TEN_KM.rate_per_m * 1000 == pytest.approx(0.0693147, abs=1e-7)
    assert Dispersal.of_mean(10_000).rate_per_m * 1000 == pytest.approx(0.2)
    assert Dispersal.of_median_2d(10_000).rate_per_m * 1000 == pytest.approx(0.1678347, abs=1e-7)
    assert (1 + MEDIAN_2D) * math.exp(-MEDIAN_2D) == pytest.approx(0.5, abs=1e-15)
    for own in (TEN_KM, Dispersal.of_mean(10_000), Dispersal.of_median_2d(10_000)):
        assert Dispersal.of_probability(own.half_m).rate_per_m == pytest.approx(own.rate_per_m)
        assert Dispersal.of_mean(own.mean_m).rate_per_m == pytest.approx(own.rate_per_m)
        assert Dispersal.of_median_2d(own.median_2d_m).rate_per_m == pytest.approx(own.rate_per_m)
    # the mean and the median of distances drawn from the kernel itself
    drawn = np.random.default_rng(1).gamma(2, 1 / TEN_KM.rate_per_m, 200_000)
    assert drawn.mean() == pytest.approx(TEN_KM.mean_m, rel=0.01)
    assert np.median(drawn) == pytest.approx(TEN_KM.median_2d_m, rel=0.01)
    assert TEN_KM.probability(TEN_KM.distance(0.01)) == pytest.approx(0.01)


@pytest.mark.parametrize("distance, probability", [(0, 0.5), (-1, 0.5), (np.nan, 0.5), (1, 0), (1, 1), (1, 2)])
def test_impossible_dispersal_is_refused(distance: float, probability: float) -> None:
    with pytest.raises(DataError):
        Dispersal.of_probability(distance, probability)


# ---------------------------------------------------------------- PC, IIC, importance


@few
@given(networks(7), st.sampled_from(["pc", "iic"]))
def test_importance_is_what_removal_costs(case: tuple[np.ndarray, Links, np.ndarray], index: str) -> None:
    a, links, dense = case
    if a.sum() == 0:
        return
    if index == "pc":
        rate = TEN_KM.rate_per_m
        table, edges = graphs.importance(a, links, TEN_KM, links=True)
        value = graphs.probability_of_connectivity(a, links, TEN_KM, 100.0)
    else:
        rate, dense = -1.0, np.where(dense <= 10_000, 1.0, np.inf)
        table, edges = graphs.importance(a, links, threshold_m=10_000, links=True)
        value = graphs.integral_index(a, links, 10_000, 100.0)
    whole = naive.total(a, dense, rate)
    assert value.eca**2 == pytest.approx(whole) and value.value == pytest.approx(whole / 1e4)
    assert value.intra + value.direct + value.step >= 100 - 1e-9
    lost = [100 * (whole - naive.without_node(a, dense, rate, k)) / whole for k in range(len(a))]
    assert table["d"].tolist() == pytest.approx(lost, abs=1e-9)
    assert (table["connector"] >= -1e-12).all()
    assert edges is not None
    gone = [100 * (whole - naive.without_link(a, dense, rate, i, j)) / whole for i, j in zip(edges.i, edges.j)]
    assert edges["d"].tolist() == pytest.approx(gone, abs=1e-9)
    listed = set(zip(edges.i, edges.j))
    for i, j in combinations(range(len(a)), 2):
        if np.isfinite(dense[i, j]) and (i, j) not in listed:
            assert naive.without_link(a, dense, rate, i, j) == pytest.approx(whole)


def test_two_equal_nodes() -> None:
    found = graphs.probability_of_connectivity(np.array([3.0, 3.0]), Links.of(2, [0], [1], [10_000.0]), TEN_KM, 10.0)
    assert found.value == pytest.approx(3 * 3.0**2 / 10**2)


def test_only_the_hub_of_a_star_connects() -> None:
    star = Links.of(6, [0] * 5, [1, 2, 3, 4, 5], [8000.0] * 5)
    table, edges = graphs.importance(np.ones(6), star, TEN_KM, links=True)
    p = 0.5**0.8
    whole = 6 + 2 * 5 * p + 5 * 4 * p**2
    assert table["connector"].tolist() == pytest.approx([100 * 20 * p**2 / whole, 0, 0, 0, 0, 0])
    assert edges is not None and np.ptp(edges["d"]) < 1e-9


def test_paths_agree_with_networkx() -> None:
    rng = np.random.default_rng(4)
    points = PointGaps(rng.uniform(0, 6e4, 60), rng.uniform(0, 6e4, 60))
    links = links_within(points, 15_000)
    graph = nx.Graph()
    graph.add_nodes_from(range(60))
    graph.add_weighted_edges_from(zip(*(part.tolist() for part in links.pairs()), strict=True))
    a = rng.uniform(0, 2, 60)
    pc = sum(
        a[i] * a[j] * math.exp(-TEN_KM.rate_per_m * d)
        for i, row in nx.all_pairs_dijkstra_path_length(graph)
        for j, d in row.items()
    )
    iic = sum(
        a[i] * a[j] / (1 + d) for i, row in nx.all_pairs_shortest_path_length(graph) for j, d in dict(row).items()
    )
    assert graphs.probability_of_connectivity(a, links, TEN_KM).eca ** 2 == pytest.approx(pc)
    assert graphs.integral_index(a, links, 15_000).eca ** 2 == pytest.approx(iic)


def test_points_are_no_stepping_stones() -> None:
    rng = np.random.default_rng(9)
    points = PointGaps(rng.uniform(0, 6e4, 40), rng.uniform(0, 6e4, 40))
    a = rng.uniform(0, 2, 40)
    short, _ = graphs.importance(a, points, TEN_KM)
    whole, _ = graphs.importance(a, points, TEN_KM, links=True)
    assert short.to_numpy() == pytest.approx(whole.to_numpy(), abs=1e-9)


def test_importance_of_patches_agrees_with_removal_by_scipy() -> None:
    """Enough patches, close enough, that most links are spared."""
    from scipy.sparse import csr_array

    rng = np.random.default_rng(3)
    mask = ndimage.binary_dilation(rng.random((60, 60)) < 0.03)
    label, n = label_patches(mask)
    a = np.bincount(label[label >= 0]).astype(float)
    links = links_within(CellGaps.of(label, 1000.0, 1000.0), 40_000.0)
    assert len(links.needed(2).indices) < len(links.indices) / 3
    table, _ = graphs.importance(a, links, TEN_KM)
    graph = csr_array((np.maximum(links.length, 1e-300), links.indices, links.indptr), shape=(n, n))

    def total(keep: np.ndarray) -> float:
        return float(a[keep] @ np.exp(-TEN_KM.rate_per_m * dijkstra(graph[keep][:, keep])) @ a[keep])

    every = np.ones(n, bool)
    lost = [100 * (1 - total(np.arange(n) != k) / total(every)) for k in range(n)]
    assert table["d"].tolist() == pytest.approx(lost, abs=1e-9)


def test_too_many_nodes_and_bad_attributes_are_refused() -> None:
    with pytest.raises(DataError, match="3 nodes; it is exact up to 2"):
        graphs.importance(np.ones(3), Links.of(3, [], [], []), TEN_KM, most=2)
    with pytest.raises(DataError, match="node 1 has attribute -2"):
        graphs.probability_of_connectivity(np.array([1.0, -2.0]), Links.of(2, [], [], []), TEN_KM)
    with pytest.raises(DataError, match="either"):
        graphs.importance(np.ones(2), Links.of(2, [], [], []))
    with pytest.raises(DataError, match="itself"):
        Links.of(2, [1], [1], [0.0])


# ---------------------------------------------------------------- ProtConn


def test_two_and_three_protected_areas() -> None:
    """REFERENCE: two of 100 km2, 10 km apart, in 1000 km2; then one beyond the border, 3 km from both."""
    two = protconn(np.array([100.0, 100.0]), Links.of(2, [0], [1], [1e4]), 1000.0, TEN_KM)
    assert (two.eca_km2, two.protconn, two.prot, two.relconn) == pytest.approx(
        (173.205081, 17.320508, 20, 86.602540), abs=5e-7
    )
    triangle = Links.of(3, [0, 0, 1], [1, 2, 2], [1e4, 3e3, 3e3])
    area, trans = np.array([100.0, 100.0, 70.0]), np.array([False, False, True])
    three = protconn(area, triangle, 1000.0, TEN_KM, trans=trans)
    assert (three.eca_km2, three.protconn) == pytest.approx((182.195168, 18.219517), abs=5e-7)
    assert (three.prot_share, three.trans_share, three.unprot_share) == pytest.approx(
        (77.620805, 4.934316, 17.444878), abs=1e-6
    )
    peer = protconn(area, triangle, 1000.0, TEN_KM, trans=trans, transboundary="peer")
    assert peer.eca_km2 == pytest.approx(182.206828, abs=5e-7)


@few
@given(networks(8), st.integers(0, 2**32 - 1))
def test_laws_of_protconn(case: tuple[np.ndarray, Links, np.ndarray], seed: int) -> None:
    a, links, _ = case
    rng = np.random.default_rng(seed)
    trans = rng.random(len(a)) < 0.3
    region = float(a.sum()) * 1.5 + 1
    held = a[~trans]
    own = protconn(a, links, region, TEN_KM, trans=trans, single_km2=held)
    assert own.protconn <= own.prot * (1 + 1e-12)
    assert own.prot == pytest.approx(own.protconn + own.unconn)
    assert own.protconn == pytest.approx(100 * own.eca_km2 / region)
    if held.sum() > 0:
        assert own.relconn == pytest.approx(100 * own.protconn / own.prot)
        assert own.prot_share + own.trans_share + own.unprot_share == pytest.approx(100)
        assert own.within + own.contig == pytest.approx(own.prot_share) and own.contig >= 0
    # p = 0: each node by itself; p = 1 where all are joined: all that is protected
    nothing = protconn(a, Links.of(len(a), [], [], []), region, TEN_KM, trans=trans)
    assert nothing.protconn == pytest.approx(100 * math.sqrt((held**2).sum()) / region)
    i, j = np.triu_indices(len(a), 1)
    whole = protconn(a, Links.of(len(a), i, j, np.full(len(i), 7e3)), region, Dispersal.of_probability(1e15))
    assert whole.protconn == pytest.approx(whole.prot) == pytest.approx(100 * a.sum() / region)
    # a longer dispersal, and a way over another area, never disconnect
    assert protconn(a, links, region, Dispersal.of_probability(2e4), trans=trans).eca_km2 >= own.eca_km2 * (1 - 1e-12)
    assert own.trans_share >= 0 if held.sum() > 0 else True
    # the order of the nodes does not matter
    order = rng.permutation(len(a))
    place = np.argsort(order)
    i, j, length = links.pairs()
    again = protconn(a[order], Links.of(len(a), place[i], place[j], length), region, TEN_KM, trans=trans[order])
    assert again.eca_km2 == pytest.approx(own.eca_km2, rel=1e-12)


@given(st.floats(1, 50), st.floats(1, 50), st.floats(1, 50), st.floats(0, 40_000))
def test_merging_touching_areas_changes_only_the_shares(a: float, b: float, c: float, gap: float) -> None:
    apart = protconn(
        np.array([a, b, c]), Links.of(3, [0, 1], [1, 2], [0.0, gap]), 200.0, TEN_KM, single_km2=np.array([a, b, c])
    )
    merged = protconn(np.array([a + b, c]), Links.of(2, [0], [1], [gap]), 200.0, TEN_KM, single_km2=np.array([a, b, c]))
    assert merged.protconn == pytest.approx(apart.protconn)
    assert merged.prot_share > apart.prot_share and merged.unprot_share < apart.unprot_share
    assert merged.within <= merged.prot_share and apart.within <= apart.prot_share * (1 + 1e-12)


def test_more_protected_than_there_is_is_refused() -> None:
    with pytest.raises(DataError, match=r"120 km2 are protected of a region of 100 km2"):
        protconn(np.array([60.0, 60.0]), Links.of(2, [], [], []), 100.0, TEN_KM)


# ---------------------------------------------------------------- mesh


def test_mesh_of_three_patches() -> None:
    """REFERENCE: patches 50, 30, 20 in 200."""
    area = np.array([50.0, 30.0, 20.0])
    assert meshes.mesh(area, 200).mesh == 19
    alone, grouped = meshes.city_mesh(area, [], []), meshes.city_mesh(area, [0], [1])
    assert (alone.mesh, alone.within, alone.between) == (38, 38, 0)
    assert (grouped.mesh, grouped.within, grouped.between, grouped.groups) == (68, 38, 30, 2)


@few
@given(masks(9), st.integers(0, 2**32 - 1))
def test_cross_boundary_mesh_adds_up(mask: np.ndarray, seed: int) -> None:
    """By area over all regions it is the mesh size of the whole; cut at the borders it is less."""
    region = np.random.default_rng(seed).integers(0, 3, mask.shape)
    cut, across = meshes.cell_mesh(mask, region, 2.0)
    size = np.bincount(region.ravel()) * 2.0
    label, _ = label_patches(mask)
    whole = meshes.mesh(np.bincount(label[label >= 0]) * 2.0, mask.size * 2.0)
    present = size > 0
    assert (across[present] * size[present]).sum() / size.sum() == pytest.approx(whole.mesh)
    assert all(
        one.mesh <= other * (1 + 1e-12) for one, other in zip(np.array(cut)[present], across[present], strict=True)
    )


def test_patches_less_than_100_m_apart_are_one_unless_a_barrier_cuts() -> None:
    mask = np.zeros((7, 30), bool)
    mask[2:5, 0:3] = mask[2:5, 6:9] = mask[2:5, 13:16] = True  # gaps of 3 and 4 cells of 30 m: 90 and 120 m
    label, _ = label_patches(mask)
    assert [x.tolist() for x in meshes.near_pairs_on_grid(label, 30, 30)] == [[0], [1]]
    road = np.zeros(mask.shape, bool)
    assert [x.tolist() for x in meshes.near_pairs_on_grid(label, 30, 30, barrier=road)] == [[0], [1]]
    road[:, 4] = True
    assert [x.tolist() for x in meshes.near_pairs_on_grid(label, 30, 30, barrier=road)] == [[], []]


# ---------------------------------------------------------------- smoothing, connectedness


@few
@given(masks(7), st.sampled_from(["exponential", "gaussian", "threshold", "triangular"]), st.floats(0.2, 6))
def test_smoothing_is_that_of_the_naive_twin(mask: np.ndarray, shape: str, half: float) -> None:
    weight = kernel_weights(Dispersal.of_probability(half), 1.0, 1.5, shape)
    assert weight.sum() == pytest.approx(1)
    r, c = (min(k // 2, 7) for k in weight.shape)
    cut = weight[weight.shape[0] // 2 - r :, weight.shape[1] // 2 - c :][: 2 * r + 1, : 2 * c + 1]
    expected = naive.convolve(mask.astype(float), cut)
    assert convolve(mask, weight) == pytest.approx(expected, abs=1e-12)
    level = smooth(np.ones(mask.shape), Dispersal.of_probability(half), 1.0, 1.5, shape=shape, edge="normalised")
    assert level == pytest.approx(1.0)


def test_kernels_have_the_mean_distance_that_they_say() -> None:
    dispersal = Dispersal.of_mean(20.0)
    for shape in ("exponential", "gaussian", "threshold", "triangular"):
        weight = kernel_weights(dispersal, 1.0, 1.0, shape)
        y, x = (np.arange(k) - k // 2 for k in weight.shape)
        assert (weight * np.hypot(x[None, :], y[:, None])).sum() == pytest.approx(20.0, rel=0.01), shape


def test_nothing_wraps_around() -> None:
    grid = np.zeros((5, 400))
    grid[:, 0] = 1.0
    assert smooth(grid, Dispersal.of_probability(3.0), 1.0, 1.0)[:, -100:] == pytest.approx(0.0, abs=1e-16)


def test_connectedness_lies_between_none_and_all() -> None:
    rng = np.random.default_rng(1)
    protected = rng.random((40, 50)) < 0.2
    habitat = np.where(protected, 1.0, 0.0)
    dispersal = Dispersal.of_probability(2_000.0)
    some, score = connectedness(protected, habitat, dispersal, 1000.0, 1000.0)
    more, _ = connectedness(protected, np.maximum(habitat, 0.5), dispersal, 1000.0, 1000.0)
    full, _ = connectedness(protected, np.ones(habitat.shape), dispersal, 1000.0, 1000.0)
    assert 0 < some < more < full == pytest.approx(1.0) and score.shape == habitat.shape
    assert some == pytest.approx(score[protected].mean())
    assert math.isnan(connectedness(np.zeros((2, 2)), np.ones((2, 2)), dispersal, 1000.0, 1000.0)[0])
    with pytest.raises(DataError, match=r"habitat lies in 2..2"):
        connectedness(protected, habitat * 0 + 2, dispersal, 1000.0, 1000.0)


# ---------------------------------------------------------------- metapopulation


def test_capacity_of_two_patches() -> None:
    """M = [[0, c], [c, 0]] has the eigenvalue c = sqrt(M12 M21)."""
    points = PointGaps(np.array([0.0, 6000.0]), np.zeros(2))
    found = capacity(np.array([4.0, 9.0]), points, TEN_KM, exponent=0.5)
    m12, m21 = 4**0.5 * 9 * 0.5**0.6, 9**0.5 * 4 * 0.5**0.6
    assert found.value == pytest.approx(math.sqrt(m12 * m21)) and found.contribution == pytest.approx([0.5, 0.5])


@few
@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.booleans())
def test_capacity_is_the_leading_eigenvalue(n: int, seed: int, own: bool) -> None:
    rng = np.random.default_rng(seed)
    points = PointGaps(rng.uniform(0, 4e4, n), rng.uniform(0, 4e4, n))
    area = rng.uniform(0.1, 5, n)
    d = np.hypot(points.x[:, None] - points.x, points.y[:, None] - points.y)
    m = area[:, None] * area * np.exp(-TEN_KM.rate_per_m * d)
    if not own:
        np.fill_diagonal(m, 0.0)
    found = capacity(area, points, TEN_KM, self_colonisation=own)
    assert found.value == pytest.approx(max(np.linalg.eigvals(m).real), abs=1e-9)
    assert found.contribution.sum() == pytest.approx(1)


def test_capacity_of_cells_is_that_of_points() -> None:
    rng = np.random.default_rng(6)
    amount = np.where(rng.random((9, 11)) < 0.5, rng.random((9, 11)), 0.0)
    y, x = np.mgrid[0:9, 0:11] * 1000.0
    dispersal = Dispersal.of_probability(2000.0)
    for own in (False, True):
        cells = grid_capacity(amount, dispersal, 1000.0, 1000.0, self_colonisation=own)
        points = capacity(amount.ravel(), PointGaps(x.ravel(), y.ravel()), dispersal, self_colonisation=own)
        assert cells.value == pytest.approx(points.value, rel=1e-6)
        assert cells.contribution.ravel() == pytest.approx(points.contribution, abs=1e-5)


def test_capacity_of_many_patches_is_solved_iteratively(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    points = PointGaps(rng.uniform(0, 4e5, 80), rng.uniform(0, 4e5, 80))
    area = rng.uniform(0.1, 5, 80)
    dense = capacity(area, points, TEN_KM)
    monkeypatch.setattr("prioritize.connectivity.metapopulation.DENSE", 10)
    assert capacity(area, points, TEN_KM).value == pytest.approx(dense.value)


# ---------------------------------------------------------------- migration


def line(capacity: list[float], stage: tuple[int, ...] = (0, 1, 2), step: float = 1000.0) -> Sites:
    x = np.arange(len(capacity)) * step
    return Sites(np.array(stage), np.array(capacity), np.column_stack([x, 0 * x]), degrees=False)


def test_flow_along_a_line_of_sites() -> None:
    found = flyway(line([50, 20, 80]), 1500.0)
    assert (found.flow, found.retained) == (20, 1)
    assert found.bottleneck == pytest.approx([1, 1, 1]) and found.cut.tolist() == [False, True, False]
    assert found.longest_gap_km == 1000
    half = flyway(line([50, 20, 80]), 1500.0, np.array([1.0, 0.5, 1.0]))
    assert (half.flow, half.retained) == pytest.approx((10, 0.5))
    gone = flyway(line([50, 20, 80]), 1500.0, np.array([True, False, True]))
    assert (gone.flow, gone.retained, gone.longest_gap_km) == (0, 0, 2000)
    assert flyway(line([50, 20, 80]), 900.0).flow == 0


@few
@given(st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_flow_is_the_least_cut(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    stage = rng.integers(0, 3, n)
    sites = Sites(stage, rng.integers(0, 9, n).astype(float), rng.uniform(0, 100, (n, 2)), degrees=False)
    found = flyway(sites, 50.0)
    near = sites.distance_km() <= 50.0
    assert found.flow == naive.max_flow(stage.tolist(), sites.capacity.tolist(), near)
    assert sites.capacity[found.cut].sum() == found.flow
    assert (found.flow > 0) == (found.longest_gap_km <= 50.0)


def test_distances_on_the_globe_and_fractions_of_birds() -> None:
    sites = Sites(np.array([0, 2]), np.array([0.25, 0.125]), np.array([[0.0, 0.0], [90.0, 0.0]]))
    assert sites.distance_km()[0, 1] == pytest.approx(6371.0088 * math.pi / 2)
    assert flyway(sites, 11_000.0).flow == pytest.approx(0.125, rel=1e-8)
    with pytest.raises(DataError, match="flight step -1"):
        flyway(sites, -1.0)


# ---------------------------------------------------------------- reference values


def test_landscape_of_three_classes(reference_data) -> None:
    import rasterio

    with rasterio.open(reference_data / "landscapemetrics/landscape.tif") as file:
        image = file.read(1)
    label, patches = label_patches(image)
    found = meshes.mesh(np.bincount(label[label >= 0]) * 1e-4, image.size * 1e-4)
    assert patches == 28 and meshes.total_edge(image, 1.0, 1.0) == 340
    assert (round(found.mesh, 9), round(found.division, 7), round(found.split, 5), round(found.largest, 5)) == (
        0.009382222,
        0.8957531,
        9.59261,
        17.66667,
    )


def test_habitat_nodes_of_the_peer(reference_data) -> None:
    from prioritize.connectivity.nodes import centroids, read_areas

    areas = read_areas(reference_data / "makurhini/habitat_nodes.gpkg")
    hectares = areas.area_km2 * 100
    points = centroids(areas.geometry)
    extent = 462_171.846 / math.sqrt(0.028012810)
    # the peer adds areas that it has rounded to 0.01 ha; as measured it is 12735.7393
    assert round(np.round(hectares, 2).sum() / 100, 4) == 12735.7391
    assert areas.area_km2.sum() == pytest.approx(12735.7391, abs=2e-4)
    assert round(meshes.mesh(areas.area_km2, areas.area_km2.sum()).mesh, 4) == 1443.4320
    dropped = graphs.probability_of_connectivity(hectares, points, TEN_KM, extent, cutoff=0.01)
    assert round(dropped.eca, 3) == 462_152.075 and round(dropped.value, 9) == 0.028010413
    shares = [round(dropped.intra, 5), round(dropped.direct, 5), round(dropped.step, 4)]
    assert shares == [86.06978, 13.10029, 0.8299]
    exact = graphs.probability_of_connectivity(hectares, points, TEN_KM, extent)
    assert round(exact.eca, 3) == 462_171.846 and round(exact.value, 9) == 0.028012810
    assert "p < 0.01" in dropped.note and exact.note == "exact"
    assert round(graphs.integral_index(hectares, points, 10_000).eca, 3) == 451_883.875


# ---------------------------------------------------------------- maps


def square(x: float, y: float, width: float, height: float | None = None):
    import shapely

    return shapely.box(x, y, x + width, y + (width if height is None else height))


def save(path, shapes, crs="EPSG:6933", **columns):
    import geopandas

    geopandas.GeoDataFrame(columns or {"id": range(len(shapes))}, geometry=shapes, crs=crs).to_file(path)
    return path


@few
@given(st.integers(0, 2**32 - 1))
def test_gaps_between_outlines_are_those_of_shapely(seed: int) -> None:
    import shapely

    from prioritize.connectivity.nodes import contiguous
    from prioritize.connectivity.outlines import PolygonGaps

    rng = np.random.default_rng(seed)
    centres = shapely.points(rng.uniform(0, 100, (25, 2)))
    shapes = shapely.buffer(centres, rng.uniform(0.5, 8, 25), quad_segs=int(rng.integers(1, 20)))
    shapes[:5] = shapely.difference(shapes[:5], shapely.buffer(centres[:5], 0.3))
    nodes = contiguous(np.concatenate([shapes, shapely.box([10, 20], [10, 20], [20, 30], [20, 30])]))
    links = links_within(PolygonGaps.of(nodes))
    i, j, length = links.pairs()
    assert len(i) == len(nodes) * (len(nodes) - 1) // 2
    assert length == pytest.approx(shapely.distance(nodes[i], nodes[j]), abs=1e-9)
    assert shapely.area(nodes).sum() == pytest.approx(shapely.union_all(nodes).area)
    # boxes that touch in a corner are one node
    assert any(
        shapely.covers(node, shapely.Point(15, 15)) and shapely.covers(node, shapely.Point(25, 25)) for node in nodes
    )


def test_polygons_and_cells_measure_the_same(tmp_path) -> None:
    """The same areas as polygons, overlapping, and as cells; two regions, areas across and beyond the border."""
    from prioritize.connectivity.cell_nodes import cell_nodes
    from prioritize.connectivity.nodes import read_areas, region_nodes

    boxes = [(0, 0, 4), (3, 1, 5), (12, 3, 3), (18, 2, 6), (27, 0, 3), (5, 14, 2), (23, 12, 5)]
    rows, columns = 20, 40
    mask = np.zeros((rows, columns), bool)
    for x, y, w in boxes:
        mask[y : y + w, x : x + w] = True
    region = np.where(np.arange(columns)[None, :] < 20, 0, 1) * np.ones((rows, 1), int)
    region[:, 30:] = -1
    save(tmp_path / "pa.gpkg", [square(1000.0 * x, 1000.0 * y, 1000.0 * w) for x, y, w in boxes])
    save(tmp_path / "regions.gpkg", [square(0, 0, 20_000, 20_000), square(20_000, 0, 10_000, 20_000)])
    areas, regions = read_areas(tmp_path / "pa.gpkg"), read_areas(tmp_path / "regions.gpkg")
    for buffer in (0.0, 500_000.0):
        drawn = list(region_nodes(areas, regions, ("west", "east"), buffer_m=buffer))
        cells = list(cell_nodes(mask, region.astype(np.int32), ("west", "east"), 1000.0, 1000.0, buffer_m=buffer))
        for one, other in zip(drawn, cells, strict=True):
            assert one.region_km2 == other.region_km2 and one.name == other.name
            inside, inner = ~one.trans, ~other.trans
            assert np.sort(one.area_km2[inside]).tolist() == pytest.approx(np.sort(other.area_km2[inner]).tolist())
            found = [
                protconn(n.area_km2, n.gaps, n.region_km2, TEN_KM, trans=n.trans, single_km2=n.single_km2)
                for n in (one, other)
            ]
            assert found[0].protconn == pytest.approx(found[1].protconn, rel=1e-9)
            assert found[0].trans_share == pytest.approx(found[1].trans_share, abs=1e-9)
            if buffer:
                assert other.trans.any() and one.trans.any()
            whole = [meshes.mesh_across(n.area_km2, n.whole_km2, n.region_km2) for n in (one, other)]
            assert whole[0] == pytest.approx(whole[1])
    # 16 and 25 km2 overlap by 3: joined they are one node of 38, singly they are counted whole
    assert drawn[0].single_km2 is not None and drawn[0].area_km2.max() == pytest.approx(38)
    assert sorted(drawn[0].single_km2) == pytest.approx(sorted([16, 25, 9, 12, 4]))


def run(*arguments: object) -> int:
    from prioritize.cli import main

    return main(["connectivity", *map(str, arguments)])


def test_the_command_measures_two_protected_areas(tmp_path, capsys) -> None:
    """REFERENCE, drawn: two squares of 100 km2, 10 km apart, in 1000 km2; and one beyond the border."""
    import geopandas
    import pandas as pd

    layer = save(
        tmp_path / "pa.gpkg", [square(0, 0, 10_000), square(20_000, 0, 10_000), square(0, -20_000, 30_000, 1_000)]
    )
    regions = save(
        tmp_path / "r.gpkg", [square(0, 0, 40_000, 25_000), square(90_000, 0, 10_000)], name=["here", "empty"]
    )
    out = tmp_path / "out"
    metrics = [
        part for name in ("protconn", "pc", "iic", "mesh", "city_mesh", "importance") for part in ("--metric", name)
    ]
    assert run(layer, "--regions", regions, "--buffer-km", 0, *metrics, "--median-km", "10,20", "--out", out) == 0
    found = pd.read_csv(out / "protconn.csv").set_index(["region", "median_km"]).loc[("here", 10.0)]
    assert (found["eca_km2"], found["protconn"], found["prot"]) == pytest.approx((173.205081, 17.320508, 20), abs=5e-7)
    assert found["note"] == "exact" and found["trans_nodes"] == 0
    assert pd.read_csv(out / "mesh.csv")["mesh_km2"].tolist() == pytest.approx([20.0, 0.0])
    assert pd.read_csv(out / "pc.csv")["direct"].iloc[0] == pytest.approx(100 / 3)
    important = pd.read_csv(out / "importance.csv")
    assert len(important) == 4 and important["d"].iloc[0] == pytest.approx(100 * 2 / 3)
    nodes = geopandas.read_file(out / "nodes.gpkg")
    assert nodes["area_km2"].tolist() == [100, 100] and nodes.area.sum() == pytest.approx(2e8)
    assert geopandas.read_file(out / "regions.gpkg")["protconn_protconn"].tolist() == pytest.approx([17.320508, 0])
    printed = capsys.readouterr()
    assert "17.321" in printed.out and "connectivity: " in printed.err
    assert run(layer, "--regions", regions, "--out", out) == 0
    assert pd.read_csv(out / "protconn.csv")["trans_nodes"].tolist() == [1, 0]


def test_the_command_measures_a_raster(tmp_path, capsys) -> None:
    import pandas as pd
    import rasterio

    mask = np.zeros((25, 40), np.int16)
    mask[:10, :10] = mask[:10, 20:30] = 7
    mask[20:, 35:] = 3
    profile = {"driver": "GTiff", "height": 25, "width": 40, "count": 1, "dtype": "int16", "crs": "EPSG:6933"}
    path = tmp_path / "pa.tif"
    with rasterio.open(path, "w", transform=rasterio.Affine(1000, 0, 0, 0, -1000, 25_000), **profile) as file:
        file.write(mask, 1)
    out = tmp_path / "out"
    assert run(path, "--value", 7, "--metric", "protconn", "--metric", "city_mesh", "--out", out) == 0
    found = pd.read_csv(out / "protconn.csv").iloc[0]
    assert (found["eca_km2"], found["protconn"], found["prot"]) == pytest.approx((173.205081, 17.320508, 20), abs=5e-7)
    assert pd.isna(found["within"])
    with rasterio.open(out / "nodes.tif") as file:
        nodes = file.read(1, masked=True).filled(0)
    assert np.array_equal(np.unique(nodes), [0, 1, 2]) and np.array_equal(nodes > 0, mask == 7)
    assert run(path, "--value", 9, "--out", tmp_path / "no") == 2
    assert "no cell has the value 9" in capsys.readouterr().err and not (tmp_path / "no").exists()


def test_habitat_patches_may_stay_separate(tmp_path) -> None:
    import pandas as pd

    layer = save(tmp_path / "h.gpkg", [square(0, 0, 1000), square(1000, 0, 1000)])
    for options, nodes in (([], 1), (["--separate"], 2)):
        assert run(layer, "--metric", "pc", "--area-km2", 10, *options, "--out", tmp_path / "out") == 0
        assert pd.read_csv(tmp_path / "out/pc.csv")["nodes"].tolist() == [nodes]


@pytest.mark.parametrize(
    "options, message",
    [
        (["nowhere.gpkg", "--area-km2", "9"], "nowhere.gpkg: no such file"),
        (["pa.gpkg"], "give its polygon with --regions FILE"),
        (["pa.gpkg", "--area-km2", "9"], "100 km2 are protected of a region of 9 km2"),
        (["pa.gpkg", "--area-km2", "900", "--cutoff", "1"], "--cutoff 1"),
        (["pa.gpkg", "--area-km2", "900", "--probability", "0"], "--probability 0"),
        (["pa.gpkg", "--area-km2", "900", "--buffer-km", "-1"], "--buffer-km -1"),
        (["degrees.gpkg", "--area-km2", "9"], "in degrees"),
        (["lines.gpkg", "--area-km2", "9"], "there are no polygons in it"),
        (["pa.gpkg", "--regions", "pa.gpkg", "--by", "title"], "there is no column 'title'"),
        (["pa.gpkg", "--regions", "twice.gpkg"], "'name' is a for several regions"),
        (["pa.gpkg", "--metric", "importance", "--crs", "EPSG:4326"], "is in degrees"),
        (["three.gpkg", "--metric", "importance", "--most-nodes", "2"], "3 nodes; it is exact up to 2"),
    ],
)
def test_bad_input_gives_one_clear_line(tmp_path, monkeypatch, capsys, options: list[str], message: str) -> None:
    import shapely

    monkeypatch.chdir(tmp_path)
    save("pa.gpkg", [square(0, 0, 10_000)])
    save("degrees.gpkg", [square(0, 0, 1)], crs="EPSG:4326")
    save("lines.gpkg", [shapely.LineString([(0, 0), (1, 1)])])
    save("twice.gpkg", [square(0, 0, 1), square(2, 0, 1)], name=["a", "a"])
    save("three.gpkg", [square(0, 0, 1), square(2, 0, 1), square(4, 0, 1)])
    assert run(*options, "--out", "out") == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and message in errors[0]
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- the table


def plan(landscape, selection):
    from types import SimpleNamespace

    from prioritize.table import Judged

    return Judged(SimpleNamespace(landscape=landscape), selection, SimpleNamespace(seed=3))


def test_the_table_compares_at_equal_area() -> None:
    from prioritize.landscape import from_arrays
    from prioritize.place import Grid
    from prioritize.tables.connectivity import COLUMNS, make

    rows, columns = 30, 40
    place = Grid((rows, columns), np.arange(rows * columns), (1000.0, 0, 0, 0, -1000.0, 0), "EPSG:6933")
    status = np.zeros(rows * columns, np.int8)
    status[:40] = 1  # the first row exists
    status[-40:] = -1
    realm = np.where(np.arange(rows * columns) % columns < 30, "land", "sea")
    landscape = from_arrays(
        np.ones(rows * columns), np.ones((1, rows * columns)), place=place, status=status, groups={"realm": list(realm)}
    )
    selection = np.zeros((rows, columns), bool)
    selection[:8, :20] = selection[0] = True
    (table,) = make(plan(landscape, selection.reshape(-1, 1)))
    assert list(table.frame) == list(COLUMNS)
    frame = table.frame.set_index(["realm", "case"])
    land = frame.loc["land"]
    assert land.loc["today", "area_km2"] == 30 and land.loc["plan", "area_km2"] == 170
    assert land.loc["random", "area_km2"] == 170  # in every draw, and so on average
    assert land.loc["plan", "patches"] == 1 and land.loc["plan", "relconn"] == pytest.approx(1)
    assert land.loc["plan", "mesh_km2"] == pytest.approx(170**2 / 900)
    for column in ("mesh_km2", "protconn", "connectedness"):
        assert land.loc["random", column] < land.loc["plan", column]
    assert frame.loc[("sea", "plan"), "area_km2"] == frame.loc[("sea", "random"), "area_km2"] == 10
    (again,) = make(plan(landscape, selection.reshape(-1, 1)))
    assert again.frame.equals(table.frame)
    assert make(plan(from_arrays(np.ones(3), np.ones((1, 3))), np.ones((3, 1), bool))) == []


def test_the_table_of_polygons_is_that_of_cells() -> None:
    import geopandas

    from prioritize.formats._grid import grid_graph
    from prioritize.landscape import from_arrays
    from prioritize.place import Grid, Polygons
    from prioritize.tables.connectivity import make

    rows, columns = 8, 9
    cell = np.arange(rows * columns)
    graph = grid_graph(cell, (rows, columns), 1000.0, 1000.0)
    grid = Grid((rows, columns), cell, (1000.0, 0, 0, 0, -1000.0, 0), "EPSG:6933")
    shapes = [square(1000.0 * (k % columns), -1000.0 * (k // columns) - 1000, 1000.0) for k in cell]
    polygons = Polygons(geopandas.GeoSeries(shapes, crs="EPSG:6933"))
    selection = np.zeros((rows, columns), bool)
    selection[1:4, 1:3] = selection[6:, 5:8] = selection[0, 8] = True
    frames = []
    for place in (grid, polygons):
        landscape = from_arrays(np.ones(len(cell)), np.ones((1, len(cell))), place=place, graph=graph)
        (table,) = make(plan(landscape, selection.reshape(-1, 1)))
        frames.append(table.frame[table.frame["case"] == "plan"].drop(columns=["connectedness", "realm", "case"]))
    assert frames[0].to_numpy() == pytest.approx(frames[1].to_numpy())
