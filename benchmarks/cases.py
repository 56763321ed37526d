"""The table of cases: name -> build(side of a square grid) -> Program."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage, sparse

from prioritize.landscape import Graph, from_arrays
from prioritize.problem import Problem, compile_problem
from prioritize.program import Program
from prioritize.registry import family


def grid_graph(side: int) -> Graph:
    """Four neighbours, borders of length 1."""
    number = np.arange(side * side, dtype=np.int32).reshape(side, side)
    i = np.r_[number[:, :-1].ravel(), number[:-1].ravel()]
    j = np.r_[number[:, 1:].ravel(), number[1:].ravel()]
    exposed = np.zeros((side, side))
    exposed[[0, -1]] += 1
    exposed[:, [0, -1]] += 1
    return Graph.from_edges(side * side, i, j, np.ones(len(i)), exposed.ravel())


def species(side: int, features: int, per_unit: float, seed: int) -> sparse.csr_array:
    """Ranges (features, U) of one to three round patches, lognormal in area, densest in the middle."""
    rng = np.random.default_rng(seed)
    area = rng.lognormal(0.0, 1.0, features)
    area = np.minimum(area / area.mean() * per_unit / features, 0.8)
    indptr, indices, data = [0], [], []
    for share in area:
        density = np.zeros((side, side), np.float32)
        count = rng.integers(1, 4)
        for _ in range(count):
            radius = max(1.5, side * np.sqrt(share / count / np.pi) * rng.lognormal(0.0, 0.2))
            y, x = rng.random(2) * side
            rows = slice(max(0, int(y - radius)), min(side, int(y + radius) + 2))
            columns = slice(max(0, int(x - radius)), min(side, int(x + radius) + 2))
            dy, dx = np.ogrid[rows, columns]
            patch = 1.0 - ((dy - y) ** 2 + (dx - x) ** 2) / radius**2
            density[rows, columns] = np.maximum(density[rows, columns], patch)
        cells = np.flatnonzero(density.ravel() > 0)
        indices.append(cells.astype(np.int32))
        data.append(density.ravel()[cells] * rng.random(len(cells)) + 1e-3)
        indptr.append(indptr[-1] + len(cells))
    return sparse.csr_array(
        (np.concatenate(data), np.concatenate(indices), np.array(indptr)), shape=(features, side * side)
    )


def costs(side: int, seed: int, heavy: bool = False) -> np.ndarray:
    """Lognormal costs (U,), half of the variance smooth; heavy: a quarter is 10,000 and a few are 1e12."""
    rng = np.random.default_rng(seed + 99)
    coarse = rng.normal(size=(side // 10 + 2, side // 10 + 2))
    smooth = ndimage.zoom(coarse, 10, order=1)[:side, :side]
    cost = np.exp(0.5 * smooth + 0.5 * rng.normal(size=(side, side))).ravel()
    if heavy:
        cost[rng.random(len(cost)) < 0.25] = 1e4
        cost[rng.random(len(cost)) < 1e-3] = 1e12
    return cost


def blobs(
    side: int,
    features: int = 100,
    per_unit: float = 7.0,
    *,
    zones: int = 1,
    boundary: float = 0.0,
    share: float = 0.3,
    objective: str = "min_cost",
    budget: float | None = None,
    areas: int = 0,
    heavy: bool = False,
    seed: int = 1,
) -> Program:
    """A square grid of side * side units.

    Parameters
    ----------
    boundary : float
        Weight of the outline.
    budget : float or None
        Share of the total cost that may be spent.
    areas : int
        Number of provinces (bands of rows) with an area quota of 15 % each.
    """
    amount, cost = species(side, features, per_unit, seed), costs(side, seed, heavy)
    zoned = np.column_stack([cost * factor for factor in (1.0, 0.6, 0.8)[:zones]])
    rng = np.random.default_rng(seed + 7)
    contribution = np.ones((features, zones))
    contribution[:, 1:] = rng.choice([0.3, 0.5, 0.8], size=(features, zones - 1))
    groups = {"province": [f"p{k * max(1, areas) // side}" for k in range(side) for _ in range(side)]} if areas else {}
    landscape = from_arrays(
        zoned,
        amount,
        contribution=contribution,
        zones=tuple(f"zone_{z}" for z in range(zones)),
        graph=grid_graph(side),
        groups=groups,
    )
    total = np.asarray(amount.sum(axis=1)).ravel()
    constraints, penalties = [], []
    if budget is not None:
        constraints.append(family("constraints")["budget"](kind="budget", amount=budget * float(cost.sum())))
    if areas:
        constraints.append(family("constraints")["area"](kind="area", of="province:*", share=0.15))
    if boundary:
        penalties.append(family("penalties")["boundary"](kind="boundary", weight=boundary))
    chosen = family("objectives")[objective]()
    return compile_problem(Problem(landscape, share * total, total, chosen, tuple(constraints), tuple(penalties)))


CASES: dict[str, Callable[[int], Program]] = {
    "min_set": lambda side: blobs(side),
    "min_set_heavy_costs": lambda side: blobs(side, heavy=True),
    "min_set_1000": lambda side: blobs(side, 1000, 50.0),
    "boundary": lambda side: blobs(side, boundary=0.5),
    "boundary_weak": lambda side: blobs(side, boundary=0.1),
    "dense": lambda side: blobs(side, 400, 140.0),
    "dense_boundary": lambda side: blobs(side, 400, 140.0, boundary=0.5),
    "min_shortfall": lambda side: blobs(side, objective="min_shortfall", budget=0.1),
    "rows_5000": lambda side: blobs(side, 5000, 50.0),
    "rows_5000_boundary": lambda side: blobs(side, 5000, 50.0, boundary=0.5),
    "zones": lambda side: blobs(side, zones=2, boundary=0.3, areas=10),
}
