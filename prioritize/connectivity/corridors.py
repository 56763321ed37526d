"""Least-cost corridors between core areas.

The corridor of cores A and B holds the cells where d_A + d_B, the sum of the least costs to both, exceeds its least
value by at most a width threshold (normalised least-cost corridor, McRae & Kavanagh 2011, Linkage Mapper). A step
costs the mean resistance of its two cells times its length in metres, so that thresholds are in cost-weighted metres.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from prioritize.errors import DataError
from prioritize.landscape import some

#: distance maps of cores are kept up to so many bytes; beyond, they are computed again
KEEP_BYTES = 1 << 30
#: threshold, as a share of the least cost, where none is given: an assumption of ours, not a published value
WIDTH_SHARE = 0.05
#: length along the path, in cells, of the slices in which the width is measured
SLICE_CELLS = 5


@dataclass(frozen=True, eq=False)
class Corridor:
    """What joins two cores.

    Attributes
    ----------
    first, second : int
        Ids of the cores.
    least_cost : float
        In cost-weighted metres; infinite: no path, and all that follows is empty.
    width : float
        The threshold used, in cost-weighted metres.
    length_m : float
        Of the least-cost path, between the cell centres at the edges of both cores.
    straight_m : float
        Between the same two cells.
    area_km2 : float
        Of the corridor outside the two cores.
    mean_width_m : float
        Area over the length of the path outside of the cores.
    narrowest_width_m : float
        The least of the same in slices: the path is cut into pieces of about `SLICE_CELLS` cells, and a cell of the
        corridor belongs to the piece whose d_A - d_B is nearest to its own. A bottleneck shorter than that is
        blurred; the current shows it.
    path : (n,) int64
        Flat cells of the least-cost path, from the first core to the second.
    cells : (m,) int64
        Flat cells of the corridor, outside the two cores.
    excess : (m,) float64
        Their d_A + d_B above the least.
    current : (m,) float64
        One unit of current between the cores, restricted to the corridor; empty if not asked for.
    resistance : float
        Effective resistance of the corridor; NaN if not asked for.
    share : dict of int to float
        Of each land-cover class, by cells of the corridor.
    along : tuple of int
        The regions (countries) that the path runs through, in order.
    """

    first: int
    second: int
    least_cost: float
    width: float = float("nan")
    length_m: float = float("nan")
    straight_m: float = float("nan")
    area_km2: float = 0.0
    mean_width_m: float = float("nan")
    narrowest_width_m: float = float("nan")
    path: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    cells: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    excess: np.ndarray = field(default_factory=lambda: np.zeros(0))
    current: np.ndarray = field(default_factory=lambda: np.zeros(0))
    resistance: float = float("nan")
    share: dict[int, float] = field(default_factory=dict)
    along: tuple[int, ...] = ()

    @property
    def crosses_border(self) -> bool:
        """Whether the path runs through more than one region."""
        return len(set(self.along)) > 1


@dataclass(frozen=True, eq=False)
class Surface:
    """Where costs are measured.

    Attributes
    ----------
    resistance : (R, C) float64
        Not positive, infinite or NaN: a barrier.
    cell_size_m : (float, float)
        Width and height of a cell.
    neighbours : 4 or 8
    limit : float
        Costs above are not followed.
    """

    resistance: np.ndarray
    cell_size_m: tuple[float, float]
    neighbours: int = 8
    limit: float = float("inf")

    def spread(self, seeds: np.ndarray, owner: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Least costs from seed cells.

        Returns
        -------
        (cells,) float64, (cells,) int32, (cells,) int32
            Cost, previous cell, owner of the nearest seed.
        """
        from prioritize_kernels.corridors import cost_distance

        size = self.resistance.size
        distance, parent, nearest = np.empty(size), np.empty(size, np.int32), np.empty(size, np.int32)
        owner = np.zeros(len(seeds), np.int32) if owner is None else owner.astype(np.int32)
        surface = np.ascontiguousarray(self.resistance, dtype=np.float64)
        dx, dy = map(float, self.cell_size_m)
        cost_distance(
            seeds.astype(np.int64),
            owner,
            surface,
            dx,
            dy,
            self.neighbours == 8,
            float(self.limit),
            distance,
            parent,
            nearest,
        )
        return distance, parent, nearest


class Distances:
    """Distance maps of cores, computed when first asked for; the least recently used go when room is short."""

    def __init__(self, surface: Surface, cores: dict[int, np.ndarray]):
        self.surface, self.cores = surface, cores
        self.kept: OrderedDict[int, tuple[np.ndarray, np.ndarray]] = OrderedDict()

    def of(self, core: int) -> tuple[np.ndarray, np.ndarray]:
        """Costs and previous cells from a core."""
        if core not in self.kept:
            while self.kept and (len(self.kept) + 1) * self.surface.resistance.size * 12 > max(
                KEEP_BYTES, self.surface.resistance.size * 24
            ):
                self.kept.popitem(last=False)
            self.kept[core] = self.surface.spread(self.cores[core])[:2]
        self.kept.move_to_end(core)
        return self.kept[core]


def corridors(
    surface: Surface,
    cores: dict[int, np.ndarray],
    width: float | None = None,
    pairs: list[tuple[int, int]] | None = None,
    cover: np.ndarray | None = None,
    region: np.ndarray | None = None,
    pinch: bool = True,
) -> Iterator[Corridor]:
    """Corridors between pairs of cores.

    Parameters
    ----------
    surface : Surface
    cores : dict of int to (n,) int64
        Flat cells of each core.
    width : float, optional
        Threshold above the least cost, in cost-weighted metres; default: `WIDTH_SHARE` of each pair's least cost.
    pairs : list of (int, int), optional
        Default: `neighbouring_pairs`.
    cover, region : (R, C) int64, optional
        Land-cover classes; countries or other regions (0: none).
    pinch : bool
        Whether to compute the current through each corridor.

    Yields
    ------
    Corridor

    Raises
    ------
    DataError
        If the width is negative, or no cell of a core can be entered.
    """
    if width is not None and not width >= 0:
        raise DataError(f"width: {width} is not a positive number of cost-weighted metres")
    passable = (surface.resistance > 0) & np.isfinite(surface.resistance)
    blocked = [core for core, cells in cores.items() if not passable.ravel()[cells].any()]
    if blocked:
        raise DataError(f"cores: no cell of {some(blocked)} has a resistance; a corridor cannot start there")
    distances = Distances(surface, cores)
    for first, second in neighbouring_pairs(surface, cores) if pairs is None else pairs:
        yield one_corridor(surface, cores, distances, first, second, width, cover, region, pinch)


def neighbouring_pairs(surface: Surface, cores: dict[int, np.ndarray]) -> list[tuple[int, int]]:
    """Pairs of cores whose zones of least cost touch, in order of their ids."""
    names = np.array(list(cores))
    seeds = np.concatenate(list(cores.values()))
    owner = np.repeat(np.arange(len(names)), [len(cells) for cells in cores.values()])
    nearest = surface.spread(seeds, owner)[2].reshape(surface.resistance.shape)
    touching = [(nearest[:, :-1], nearest[:, 1:]), (nearest[:-1], nearest[1:])]
    if surface.neighbours == 8:
        touching += [(nearest[:-1, :-1], nearest[1:, 1:]), (nearest[:-1, 1:], nearest[1:, :-1])]
    found: set[tuple[int, int]] = set()
    for a, b in touching:
        differ = (a != b) & (a >= 0) & (b >= 0)
        low, high = np.minimum(a[differ], b[differ]), np.maximum(a[differ], b[differ])
        found |= set(zip(names[low].tolist(), names[high].tolist(), strict=True))
    return sorted((min(pair), max(pair)) for pair in found)


def one_corridor(
    surface: Surface,
    cores: dict[int, np.ndarray],
    distances: Distances,
    first: int,
    second: int,
    width: float | None,
    cover: np.ndarray | None,
    region: np.ndarray | None,
    pinch: bool,
) -> Corridor:
    """The corridor of one pair."""
    from_first, parent = distances.of(first)
    from_second, _ = distances.of(second)
    end = cores[second][from_first[cores[second]].argmin()]
    least = float(from_first[end])
    if not np.isfinite(least):
        return Corridor(first, second, float("inf"))
    width = WIDTH_SHARE * least if width is None else width
    path = trace(parent, int(end))
    excess = from_first + from_second - least
    # rounding: cells of the path itself must not fall out of a corridor of width 0
    inside = excess <= width + 1e-9 * least
    inside[cores[first]] = inside[cores[second]] = False
    cells = np.flatnonzero(inside)
    step = steps_m(path, surface)
    area_m2 = surface.cell_size_m[0] * surface.cell_size_m[1]
    mean_width, least_width = widths(
        from_first[cells] - from_second[cells], from_first[path] - from_second[path], step, area_m2
    )
    current, resistance = np.zeros(0), float("nan")
    if pinch:
        current, resistance = pinch_currents(surface, cells, cores[first], cores[second])
    share: dict[int, float] = {}
    if cover is not None and len(cells):
        classes, count = np.unique(cover.ravel()[cells], return_counts=True)
        share = {int(k): n / len(cells) for k, n in zip(classes, count.tolist(), strict=True)}
    return Corridor(
        first,
        second,
        least,
        width,
        float(step.sum()),
        float(np.hypot(*offset_m(int(path[0]), int(path[-1]), surface))),
        len(cells) * area_m2 / 1e6,
        mean_width,
        least_width,
        path,
        cells,
        np.maximum(excess[cells], 0.0),
        current,
        resistance,
        share,
        () if region is None else runs(region.ravel()[path]),
    )


def trace(parent: np.ndarray, end: int) -> np.ndarray:
    """Cells of the least-cost path to a cell, from its seed."""
    path = [end]
    while parent[path[-1]] >= 0:
        path.append(int(parent[path[-1]]))
    return np.array(path[::-1], dtype=np.int64)


def offset_m(a: int, b: int, surface: Surface) -> tuple[float, float]:
    """How far apart two cells are, across and down."""
    columns = surface.resistance.shape[1]
    dx, dy = surface.cell_size_m
    return (b % columns - a % columns) * dx, (b // columns - a // columns) * dy


def steps_m(path: np.ndarray, surface: Surface) -> np.ndarray:
    """(n - 1,) lengths of the steps of a path."""
    columns = surface.resistance.shape[1]
    dx, dy = surface.cell_size_m
    return np.hypot(np.diff(path % columns) * dx, np.diff(path // columns) * dy)


def widths(difference: np.ndarray, along_path: np.ndarray, step: np.ndarray, cell_m2: float) -> tuple[float, float]:
    """Mean and least width of a corridor, see `Corridor`; NaN where nothing lies between the cores.

    Parameters
    ----------
    difference : (m,) float64
        d_A - d_B of the corridor's cells.
    along_path : (n,) float64
        The same of the path's cells; it never falls.
    step : (n - 1,) float64
        Lengths of the path's steps in metres.
    """
    if not len(difference) or len(along_path) < 3:
        return float("nan"), float("nan")
    # each cell between the cores stands for half of the steps to it and from it
    own = 0.5 * (step[:-1] + step[1:])
    pieces = max(1, round(len(own) / SLICE_CELLS))
    first = np.arange(pieces) * len(own) // pieces
    length = np.add.reduceat(own, first)
    inner = along_path[1:-1]
    cuts = 0.5 * (inner[first[1:]] + inner[first[1:] - 1])
    count = np.bincount(np.searchsorted(cuts, difference, side="right"), minlength=pieces)
    return float(len(difference) * cell_m2 / own.sum()), float((count * cell_m2 / length).min())


def pinch_currents(
    surface: Surface, cells: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, float]:
    """Current of each corridor cell for one unit between two cores, nothing outside; and the effective resistance."""
    from prioritize.connectivity.circuit import pairwise
    from prioritize.connectivity.laplacian import grid_circuit

    rows, columns = surface.resistance.shape
    everything = np.concatenate([cells, first, second])
    top, bottom = everything.min() // columns, everything.max() // columns + 1
    left, right = (everything % columns).min(), (everything % columns).max() + 1
    inside = np.zeros((rows, columns), dtype=bool)
    inside.ravel()[everything] = True
    window = (slice(top, bottom), slice(left, right))
    passable = inside[window] & (surface.resistance[window] > 0) & np.isfinite(surface.resistance[window])
    conductance = np.where(passable, 1.0 / np.where(passable, surface.resistance[window], 1.0), 0.0)
    grid = grid_circuit(conductance, surface.neighbours)

    def nodes(where: np.ndarray) -> np.ndarray:
        found = grid.node[where // columns - top, where % columns - left]
        return found[found >= 0]

    flow = next(pairwise(grid.circuit, [nodes(first), nodes(second)]))
    return flow.current[grid.node[cells // columns - top, cells % columns - left]], flow.resistance


def runs(labels: np.ndarray) -> tuple[int, ...]:
    """Labels above 0 in their order, each run once."""
    labels = labels[labels > 0]
    return tuple(int(label) for k, label in enumerate(labels) if k == 0 or labels[k - 1] != label)
