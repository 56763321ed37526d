"""Invented landscapes of any size: ranges, costs, neighbour graphs, and the Programs made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import ndimage, sparse, spatial

from prioritize.landscape import Graph, from_arrays
from prioritize.problem import Problem, compile_problem
from prioritize.program import Edges, Program
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


def near_graph(side: int, reach: int) -> Graph:
    """A square grid whose units touch all within `reach` steps (1: 8 neighbours, 2: 24); weights fall with distance.

    The weights at an inner unit add up to 4, as on the plain grid.
    """
    number = np.arange(side * side, dtype=np.int32).reshape(side, side)
    steps = [(dy, dx) for dy in range(reach + 1) for dx in range(-reach, reach + 1) if (dy, dx) > (0, 0)]
    total = 2 * sum(1 / np.hypot(dy, dx) for dy, dx in steps)
    i, j, weight = [], [], []
    for dy, dx in steps:
        tail = number[: side - dy, max(0, -dx) : side - max(0, dx)].ravel()
        i.append(tail)
        j.append(tail + dy * side + dx)
        weight.append(np.full(len(tail), 4 / np.hypot(dy, dx) / total))
    return Graph.from_edges(side * side, np.concatenate(i), np.concatenate(j), np.concatenate(weight))


def voronoi_graph(side: int, seed: int) -> Graph:
    """Polygons: the Voronoi cells of one random point in each grid cell, about six neighbours, borders of any length.

    The points near the rim are mirrored at each side of the square, so that every cell ends there.
    """
    units = side * side
    rng = np.random.default_rng(seed + 11)
    y, x = np.divmod(np.arange(units), side)
    points = np.column_stack([y, x]) + rng.random((units, 2))
    every, origin = [points], [np.arange(units)]
    for axis in (0, 1):
        for wall in (0.0, float(side)):
            close = np.flatnonzero(np.abs(points[:, axis] - wall) < 5)
            mirrored = points[close].copy()
            mirrored[:, axis] = 2 * wall - mirrored[:, axis]
            every.append(mirrored)
            origin.append(np.full(len(close), -1))
    cells = spatial.Voronoi(np.concatenate(every))
    real = np.concatenate(origin)
    ends, corners = np.array(cells.ridge_points), np.array(cells.ridge_vertices)
    bounded = (corners >= 0).all(axis=1)
    ends, corners = real[ends[bounded]], corners[bounded]
    length = np.linalg.norm(cells.vertices[corners[:, 0]] - cells.vertices[corners[:, 1]], axis=1)
    inner = (ends >= 0).all(axis=1)
    outer = (ends >= 0).sum(axis=1) == 1
    exposed = np.bincount(ends[outer].max(axis=1), length[outer], minlength=units)
    return Graph.from_edges(units, ends[inner, 0], ends[inner, 1], length[inner], exposed)


def downstream(side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(tail, head): each unit and the lowest of its eight neighbours in a smooth relief, if that is lower."""
    rng = np.random.default_rng(seed + 23)
    relief = ndimage.zoom(rng.normal(size=(side // 8 + 2, side // 8 + 2)), 8, order=1)[:side, :side]
    relief += 1e-3 * rng.random((side, side))
    padded = np.pad(relief, 1, constant_values=np.inf)
    steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
    around = np.stack([padded[1 + dy : 1 + dy + side, 1 + dx : 1 + dx + side] for dy, dx in steps])
    lowest = around.argmin(axis=0).ravel()
    jump = np.array([dy * side + dx for dy, dx in steps])[lowest]
    tail = np.flatnonzero(around.min(axis=0).ravel() < relief.ravel())
    return tail.astype(np.int32), (tail + jump[tail]).astype(np.int32)


def outlines(
    side: int, share: np.ndarray, rng: np.random.Generator, scale: float = 1.0, cells: int | None = None
) -> Iterator[np.ndarray]:
    """Of each feature: (cells, cells) float32, above 0 in its one to three round patches, densest in the middle."""
    cells = cells or side
    coarse = cells / side
    for part in share:
        density = np.zeros((cells, cells), np.float32)
        count = rng.integers(1, 4)
        for _ in range(count):
            radius = max(1.5, side * np.sqrt(scale * part / count / np.pi) * rng.lognormal(0.0, 0.2)) * coarse
            y, x = rng.random(2) * cells
            rows = slice(max(0, int(y - radius)), min(cells, int(y + radius) + 2))
            columns = slice(max(0, int(x - radius)), min(cells, int(x + radius) + 2))
            dy, dx = np.ogrid[rows, columns]
            patch = 1.0 - ((dy - y) ** 2 + (dx - x) ** 2) / radius**2
            density[rows, columns] = np.maximum(density[rows, columns], patch)
        yield density


def scale_for(side: int, share: np.ndarray, per_unit: float, seed: int) -> float:
    """By how much areas must grow so that what falls off the map and onto each other leaves `per_unit` in a unit."""
    cells = min(side, 200)
    low, high = 0.5, 16.0
    for _ in range(14):
        scale = float(np.sqrt(low * high))
        rng = np.random.default_rng(seed)
        held = sum(np.count_nonzero(density > 0) for density in outlines(side, share, rng, scale, cells))
        low, high = (scale, high) if held < per_unit * cells * cells else (low, scale)
    return float(np.sqrt(low * high))


def species(side: int, features: int, per_unit: float, seed: int, *, exact: bool = False) -> sparse.csr_array:
    """Ranges (features, U) of one to three round patches, lognormal in area, densest in the middle.

    Parameters
    ----------
    per_unit : float
        Features in a unit; patches that leave the map or overlap make it less, unless `exact`.
    """
    rng = np.random.default_rng(seed)
    area = rng.lognormal(0.0, 1.0, features)
    share = np.minimum(area / area.mean() * per_unit / features, 0.8)
    places, amounts, scale = rng, rng, 1.0
    if exact:
        places, amounts = np.random.default_rng(seed), np.random.default_rng([seed, 1])
        scale = scale_for(side, share, per_unit, seed)
    indptr, indices, data = [0], [], []
    for density in outlines(side, share, places, scale):
        cells = np.flatnonzero(density.ravel() > 0)
        indices.append(cells.astype(np.int32))
        data.append(density.ravel()[cells] * amounts.random(len(cells)) + 1e-3)
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
    exact: bool = False,
    graph: Graph | None = None,
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
    exact : bool
        Make `per_unit` true to one or two in a hundred.
    graph : Graph or None
        Neighbours; the four of a square grid where absent.
    """
    amount, cost = species(side, features, per_unit, seed, exact=exact), costs(side, seed, heavy)
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
        graph=graph or grid_graph(side),
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


def drained(side: int, weight: float = 0.5, seed: int = 1) -> Program:
    """`blobs` with directed edges: a selected unit whose downstream neighbour is not selected costs `weight`."""
    tail, head = downstream(side, seed)
    edges = Edges("downstream", tail, head, np.full(len(tail), weight), (0,))
    return replace(blobs(side, seed=seed), edges=(edges,))
