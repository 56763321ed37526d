"""Connectivity kernels beside their naive twins, SciPy and NetworkX, and the sizes they are made for.

python benchmarks/bench_connectivity.py    (about three minutes; writes results/connectivity.md)
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "kernels")]

import networkx as nx  # noqa: E402
import numpy as np  # noqa: E402
from scipy import ndimage, sparse  # noqa: E402
from scipy.sparse.csgraph import dijkstra  # noqa: E402

from prioritize.connectivity import distances as dist  # noqa: E402
from prioritize.connectivity import graph_indices as graphs  # noqa: E402
from prioritize.connectivity import mesh as meshes  # noqa: E402
from prioritize.connectivity.distances import CellGaps, PointGaps, label_patches, links_within  # noqa: E402
from prioritize.connectivity.metapopulation import grid_capacity  # noqa: E402
from prioritize.connectivity.probability import Dispersal, path_sums  # noqa: E402
from prioritize.connectivity.protconn import protconn  # noqa: E402
from prioritize.connectivity.smoothing import connectedness, convolve, kernel_weights, smooth  # noqa: E402
from prioritize_kernels import patches as kernels  # noqa: E402
from tests import naive_connectivity as naive  # noqa: E402

TEN_KM = Dispersal.of_probability(10_000)
LINES: list[str] = []
#: of the last call that was timed, all threads together
CPU: list[float] = [0.0]


def clock(work: Callable[[], Any], times: int = 3) -> tuple[float, Any]:
    """Best time of a few; the caller has compiled what it times."""
    best, result = np.inf, None
    for _ in range(times):
        began, cpu = time.perf_counter(), time.process_time()
        result = work()
        CPU[0] = time.process_time() - cpu
        best = min(best, time.perf_counter() - began)
    return best, result


def say(
    case: str,
    size: str,
    ours: float,
    rival: str = "",
    theirs: float = np.nan,
    check: str = "",
    cpu: float | None = None,
) -> None:
    """One row."""
    spent = f"{CPU[0] if cpu is None else cpu:.3g}" if not rival or cpu is not None else ""
    ratio = f"{theirs / ours:,.1f}" if theirs == theirs else ""
    other = f"{theirs:.4g}" if theirs == theirs else ""
    LINES.append(f"| {case} | {size} | {ours:.4g} | {spent} | {rival} | {other} | {ratio} | {check} |")
    print(LINES[-1], flush=True)


def country(side: int, areas: int, seed: int = 1) -> np.ndarray:
    """(side, side) bool: so many contiguous protected areas of 1 to 64 cells, none touching another."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((side, side), bool)
    placed = 0
    while placed < areas:
        r, c = rng.integers(0, side - 9, 2)
        h, w = np.ceil(8 * rng.random(2) ** 1.5).astype(int)
        if not mask[max(0, r - 1) : r + h + 1, max(0, c - 1) : c + w + 1].any():
            mask[r : r + h, c : c + w] = True
            placed += 1
    return mask


def against_naive() -> None:
    """Small cases, in one run with the naive twin."""
    rng = np.random.default_rng(0)
    image = (rng.random((200, 200)) < 0.5).astype(np.int32)
    label_patches(image)
    ours, (_, n) = clock(lambda: label_patches(image))
    theirs, (_, m) = clock(lambda: naive.label_grid(image, 8), 1)
    say("components", "200 x 200", ours, "naive", theirs, f"{n} = {m} patches")
    sides = kernels.unlike_sides(image)
    ours, _ = clock(lambda: kernels.unlike_sides(image))
    theirs, other = clock(lambda: naive.unlike_sides(image), 1)
    say("total edge", "200 x 200", ours, "naive", theirs, f"{sides == other}")
    points = PointGaps(rng.uniform(0, 6e4, 60), rng.uniform(0, 6e4, 60))
    links = links_within(points, 20_000)
    a = rng.uniform(0, 2, 60)
    dense = np.full((60, 60), np.inf)
    i, j, length = links.pairs()
    dense[i, j] = dense[j, i] = length
    path_sums(links, a[:, None], TEN_KM)
    ours, found = clock(lambda: path_sums(links, a[:, None], TEN_KM))
    theirs, other = clock(lambda: naive.total(a, dense, TEN_KM.rate_per_m), 1)
    say("best paths", "60 nodes", ours, "naive", theirs, f"difference {abs(a @ found.sums[:, 0] / other - 1):.1e}")
    graphs.importance(a, links, TEN_KM)
    ours, (table, _) = clock(lambda: graphs.importance(a, links, TEN_KM))

    def removed() -> list[float]:
        return [100 * (1 - naive.without_node(a, dense, TEN_KM.rate_per_m, k) / other) for k in range(0, 60, 20)]

    theirs, lost = clock(removed, 1)
    say("importance", "60 nodes", ours, "naive, 3 nodes x 20", 20 * theirs, f"{np.allclose(table['d'][::20], lost)}")
    weight = kernel_weights(Dispersal.of_probability(2.0), 1.0, 1.0)
    grid = rng.random((25, 25))
    cut = weight[weight.shape[0] // 2 - 24 :, weight.shape[1] // 2 - 24 :][:49, :49]
    ours, smoothed = clock(lambda: convolve(grid, weight))
    theirs, other = clock(lambda: naive.convolve(grid, cut), 1)
    say("smoothing", "25 x 25", ours, "naive", theirs, f"difference {abs(smoothed - other).max():.1e}")


def million() -> None:
    """Grids of a million cells."""
    rng = np.random.default_rng(0)
    image = np.ascontiguousarray(rng.random((1000, 1000)) < 0.45).astype(np.int32)
    ours, (label, n) = clock(lambda: label_patches(image))
    theirs, (_, m) = clock(lambda: ndimage.label(image, np.ones((3, 3))))
    say("components, 8 neighbours", "1 M cells", ours, "scipy.ndimage.label", theirs, f"{n:,} = {m:,} patches")
    ours, _ = clock(lambda: kernels.unlike_sides(image))
    theirs, _ = clock(lambda: ((image[1:] != image[:-1]).sum(), (image[:, 1:] != image[:, :-1]).sum()))
    say("boundary (total edge)", "1 M cells", ours, "NumPy", theirs)
    region = (np.arange(1000)[:, None] // 100 * 10 + np.arange(1000) // 100).astype(np.int32)
    meshes.cell_mesh(image, region, 1.0)
    ours, _ = clock(lambda: meshes.cell_mesh(image, region, 1.0))
    say("mesh size, CUT and CBC", "1 M cells, 100 regions", ours)
    label, n = label_patches(country(1000, 10_000))
    area = np.bincount(label[label >= 0]).astype(float)

    def city() -> Any:
        return meshes.city_mesh(area, *meshes.near_pairs_on_grid(label, 30.0, 30.0))

    city()
    ours, found = clock(city)
    say("mesh size, city form, 100 m", f"1 M cells of 30 m, {n:,} patches", ours, check=f"{found.groups:,} groups")
    grid = rng.random((1000, 1000))
    ours, _ = clock(lambda: smooth(grid, TEN_KM, 1000.0, 1000.0), 2)
    say("smoothing", "1 M cells, 10 km", ours)
    ours, _ = clock(lambda: connectedness(image > 0, grid, TEN_KM, 1000.0, 1000.0), 1)
    say("connectedness", "1 M cells, 10 km", ours)
    ours, found = clock(lambda: grid_capacity(grid, TEN_KM, 1000.0, 1000.0), 1)
    say("metapopulation capacity", "1 M cells, 10 km", ours)
    resistance = rng.uniform(1, 10, (1000, 1000))
    few, count = label_patches(country(1000, 40, 3))
    dist.least_cost_links(few[:50, :50], resistance[:50, :50], 1.0, 1.0)
    ours, _ = clock(lambda: dist.least_cost_links(few, resistance, 1000.0, 1000.0, through=True), 1)
    say("least costs, no limit", f"1 M cells, {count} sources", ours, check=f"{ours / count:.2f} s a source")


def networks() -> None:
    """ProtConn and PC at size."""
    label, n = label_patches(country(1000, 10_000))
    gaps = CellGaps.of(label, 1000.0, 1000.0)
    area = np.bincount(label[label >= 0]).astype(float)
    links_within(gaps, 5_000.0)
    ours, links = clock(lambda: links_within(gaps, 30_000.0), 1)
    say("gaps up to 30 km", f"{n:,} patches", ours, check=f"{len(links.indices) // 2:,} links")
    ours, exact = clock(lambda: protconn(area, gaps, 1e6, TEN_KM), 1)
    say("ProtConn, exact", f"{n:,} areas, 1 M cells", ours, check=f"{exact.protconn:.6f} %")
    ours, cut = clock(lambda: protconn(area, gaps, 1e6, TEN_KM, cutoff=0.01), 1)
    say("ProtConn, links of p >= 0.01", f"{n:,} areas, 1 M cells", ours, check=f"{cut.protconn:.6f} %")
    trans = np.arange(n) % 5 == 0
    ours, _ = clock(lambda: protconn(area, gaps, 1e6, TEN_KM, trans=trans), 1)
    say("ProtConn, exact, 2,000 beyond the border", f"{n:,} areas, 1 M cells", ours)
    # the same graph for SciPy and NetworkX
    label, n = label_patches(country(450, 2_000))
    gaps = CellGaps.of(label, 1000.0, 1000.0)
    area = np.bincount(label[label >= 0]).astype(float)
    links = links_within(gaps, TEN_KM.distance(0.01))
    ours, found = clock(lambda: path_sums(links, area[:, None], TEN_KM), 2)
    graph = sparse.csr_array((links.length, links.indices, links.indptr), shape=(n, n))
    theirs, other = clock(lambda: np.exp(-TEN_KM.rate_per_m * dijkstra(graph)) @ area, 1)
    size = f"{n:,} nodes, {len(links.indices) // 2:,} links"
    say("best paths", size, ours, "scipy dijkstra", theirs, f"difference {abs(found.sums[:, 0] / other - 1).max():.1e}")
    net = nx.Graph()
    net.add_nodes_from(range(n))
    net.add_weighted_edges_from(zip(*(part.tolist() for part in links.pairs()), strict=True))
    some = range(0, n, n // 20)

    def all_paths() -> list[float]:
        return [
            sum(
                area[j] * np.exp(-TEN_KM.rate_per_m * d)
                for j, d in nx.single_source_dijkstra_path_length(net, k).items()
            )
            for k in some
        ]

    theirs, _ = clock(all_paths, 1)
    say("best paths", size, ours, f"networkx, {len(some)} sources scaled up", theirs * n / len(some))
    graphs.importance(area[:50], links.among(np.arange(n) < 50), TEN_KM)
    ours, (table, _) = clock(lambda: graphs.importance(area, links, TEN_KM, most=n), 1)
    spent = CPU[0]
    whole = area @ other

    def removed() -> float:
        keep = np.arange(n) != 7
        return whole - area[keep] @ np.exp(-TEN_KM.rate_per_m * dijkstra(graph[keep][:, keep])) @ area[keep]

    theirs, lost = clock(removed, 1)
    gap = abs(table["d"][7] / (100 * lost / whole) - 1)
    say(
        "importance of all nodes (PC, p >= 0.01)",
        size,
        ours,
        "scipy, 1 removal x N",
        theirs * n,
        f"difference {gap:.1e}",
        spent,
    )
    points = PointGaps(np.random.default_rng(1).uniform(0, 4e5, 2000), np.random.default_rng(2).uniform(0, 4e5, 2000))
    ours, _ = clock(lambda: graphs.importance(area[:2000], points, TEN_KM, links=False), 1)
    say("importance of all nodes (PC, exact, points)", "2,000 nodes, all linked", ours)


def main() -> None:
    """All, and the table."""
    for part in (against_naive, million, networks):
        part()
    head = [
        "# Connectivity",
        "",
        "Written by `python benchmarks/bench_connectivity.py`: warm JIT, best of up to three, seconds. Both sides of a "
        "ratio are of the same run.",
        f"{os.cpu_count()} cores, shared with other work while this ran (load {os.getloadavg()[0]:.1f} at the end): "
        "noisy; CPU s, of all threads together, is the steadier figure.",
        "",
        "| case | size | ours, s | CPU s | beside | s | ratio | check |",
        "|---|---|---|---|---|---|---|---|",
    ]
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "connectivity.md").write_text("\n".join(head + LINES) + "\n")


if __name__ == "__main__":
    main()
