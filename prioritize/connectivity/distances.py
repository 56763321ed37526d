"""How far apart patches are: along straight lines between points or outlines, or at least cost over a surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from prioritize.engine.view import together
from prioritize.errors import DataError
from prioritize_kernels import distances as kernels
from prioritize_kernels import gaps as straight
from prioritize_kernels import patches as shapes

#: sources are worked off in so many spans, whatever the number of cores, so that sums do not depend on it
SPANS = 32
#: side in cells of the tiles into which the rim of a patch is sorted
TILE = 16


class Gaps(Protocol):
    """Straight distances in metres between N nodes, measured when asked for.

    `metric` says that they keep the triangle inequality (points do, outlines do not: a patch between two others is
    crossed at no cost), so that no way over other nodes is shorter than the straight one.
    """

    @property
    def metric(self) -> bool:
        """Whether the straight way is always the shortest."""
        ...

    @property
    def box(self) -> np.ndarray:
        """(N, 4) float64: x0, y0, x1, y1 of each node in metres."""
        ...

    def between(self, i: np.ndarray, j: np.ndarray, limit_m: float = np.inf) -> np.ndarray:
        """(n,) distances of pairs; infinite above the limit."""
        ...


@dataclass(frozen=True, eq=False)
class PointGaps:
    """Distances between points (centroids).

    Attributes
    ----------
    x, y : (N,) float64
        Metres.
    """

    x: np.ndarray
    y: np.ndarray
    metric: bool = True

    @property
    def box(self) -> np.ndarray:
        """(N, 4) float64."""
        return np.ascontiguousarray(np.column_stack([self.x, self.y, self.x, self.y]), dtype=np.float64)

    def between(self, i: np.ndarray, j: np.ndarray, limit_m: float = np.inf) -> np.ndarray:
        """(n,) distances of pairs; infinite above the limit."""
        distance = np.hypot(self.x[i] - self.x[j], self.y[i] - self.y[j])
        return np.where(distance <= limit_m, distance, np.inf)


@dataclass(frozen=True, eq=False)
class CellGaps:
    """Distances between the outlines of patches of cells; patches that touch, also at a corner, are at 0.

    Attributes
    ----------
    row, column : (n,) int32
        Cells at the rim of the patches, sorted by patch and tile.
    patch_tile : (N+1,) int64
    tile_cell : (T+1,) int64
    tile_box : (T, 4) int32
    box : (N, 4) float64
    width_m, height_m : float
        Of a cell.
    """

    row: np.ndarray
    column: np.ndarray
    patch_tile: np.ndarray
    tile_cell: np.ndarray
    tile_box: np.ndarray
    box: np.ndarray
    width_m: float
    height_m: float
    metric: bool = False

    @classmethod
    def of(cls, label: np.ndarray, width_m: float, height_m: float) -> CellGaps:
        """Sort the rims of the patches of a (rows, columns) int32 label grid; labels are 0..N-1 and -1."""
        outer = np.empty(label.shape, bool)
        shapes.rim(label, outer)
        row, column = (part.astype(np.int32) for part in np.nonzero(outer))
        patch = label[row, column]
        across = label.shape[1] // TILE + 1
        tile = (row // TILE).astype(np.int64) * across + column // TILE
        order = np.lexsort((tile, patch))
        row, column, patch, tile = row[order], column[order], patch[order], tile[order]
        count = int(patch[-1]) + 1 if len(patch) else 0
        new = np.r_[True, (patch[1:] != patch[:-1]) | (tile[1:] != tile[:-1])] if len(patch) else np.zeros(0, bool)
        start = np.flatnonzero(new)
        bounds = np.zeros((len(start), 4), np.int32)
        if len(start):
            for at, (values, least) in enumerate(((column, True), (row, True), (column, False), (row, False))):
                bounds[:, at] = (np.minimum if least else np.maximum).reduceat(values, start)
        first = np.searchsorted(patch[start], np.arange(count + 1))
        box = np.empty((count, 4))
        if count:
            box[:, 0] = np.minimum.reduceat(bounds[:, 0], first[:-1]) * width_m
            box[:, 1] = np.minimum.reduceat(bounds[:, 1], first[:-1]) * height_m
            box[:, 2] = (np.maximum.reduceat(bounds[:, 2], first[:-1]) + 1) * width_m
            box[:, 3] = (np.maximum.reduceat(bounds[:, 3], first[:-1]) + 1) * height_m
        cells = np.r_[start, len(row)].astype(np.int64)
        return cls(row, column, first.astype(np.int64), cells, bounds, box, float(width_m), float(height_m))

    def between(self, i: np.ndarray, j: np.ndarray, limit_m: float = np.inf) -> np.ndarray:
        """(n,) distances of pairs; infinite above the limit."""
        out = np.empty(len(i))
        run_spans(
            len(i),
            lambda a, b: straight.cell_gaps(
                a, b, i, j, self.patch_tile, self.tile_cell, self.tile_box, self.row, self.column,
                self.width_m, self.height_m, limit_m, out,
            ),
        )  # fmt: skip
        return out


@dataclass(frozen=True, eq=False)
class Links:
    """Links between N nodes (CSR, symmetric, sorted, no link of a node to itself).

    Attributes
    ----------
    indptr : (N+1,) int64
    indices : (nnz,) int32
    length : (nnz,) float64
        Metres, or cost.
    """

    indptr: np.ndarray
    indices: np.ndarray
    length: np.ndarray

    @classmethod
    def of(cls, nodes: int, i: ArrayLike, j: ArrayLike, length: ArrayLike) -> Links:
        """Build from pairs in any direction; of repeated pairs the shortest counts; infinite ones are left out.

        Raises
        ------
        DataError
            If a pair joins a node to itself or to one that is not there, or a length is negative or NaN.
        """
        i, j = np.asarray(i, dtype=np.int64), np.asarray(j, dtype=np.int64)
        length = np.asarray(length, dtype=np.float64)
        if len(i) and (min(i.min(), j.min()) < 0 or max(i.max(), j.max()) >= nodes):
            raise DataError(f"links: a node is outside 0..{nodes - 1}")
        if np.any(i == j):
            raise DataError("links: a link joins a node to itself")
        if np.any(np.isnan(length)) or np.any(length < 0):
            raise DataError("links: lengths must not be negative or missing")
        real = np.isfinite(length)
        source, target = np.r_[i[real], j[real]], np.r_[j[real], i[real]]
        both = np.r_[length[real], length[real]]
        order = np.lexsort((both, target, source))
        source, target, both = source[order], target[order], both[order]
        if len(source):
            once = np.r_[True, (source[1:] != source[:-1]) | (target[1:] != target[:-1])]
            source, target, both = source[once], target[once], both[once]
        indptr = np.searchsorted(source, np.arange(nodes + 1)).astype(np.int64)
        return cls(indptr, target.astype(np.int32), both)

    @property
    def nodes(self) -> int:
        """N."""
        return len(self.indptr) - 1

    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each link once: (i, j, length) with i < j."""
        source = np.repeat(np.arange(self.nodes, dtype=np.int32), np.diff(self.indptr))
        once = source < self.indices
        return source[once], self.indices[once], self.length[once]

    def back(self) -> np.ndarray:
        """(nnz,) int64: the place of the same link in the other direction."""
        source = np.repeat(np.arange(self.nodes, dtype=np.int32), np.diff(self.indptr))
        found = np.empty(len(source), np.int64)
        # sorted by (target, source), the links stand in the order of their other directions
        found[np.lexsort((source, self.indices))] = np.arange(len(source))
        return found

    def plus(self, i: np.ndarray, j: np.ndarray, length: np.ndarray) -> Links:
        """The same with more links."""
        a, b, old = self.pairs()
        return Links.of(self.nodes, np.r_[a, i], np.r_[b, j], np.r_[old, length])

    def among(self, keep: np.ndarray) -> Links:
        """The links between the nodes of a mask (N,) bool, renumbered."""
        number = np.cumsum(keep) - 1
        i, j, length = self.pairs()
        both = keep[i] & keep[j]
        return Links.of(int(keep.sum()), number[i[both]], number[j[both]], length[both])

    def needed(self, ways: int = 1) -> Links:
        """Only the links with fewer than so many ways round that are no longer: far fewer where patches lie between.

        One way: all shortest paths stay. Two: they stay whichever one node or link is taken away.
        """
        keep = np.empty(len(self.indices), bool)
        run_spans(self.nodes, lambda a, b: kernels.needed(a, b, self.indptr, self.indices, self.length, ways, keep))
        i, j, length = self.pairs()
        source = np.repeat(np.arange(self.nodes, dtype=np.int32), np.diff(self.indptr))
        both = keep[source < self.indices]
        return Links.of(self.nodes, i[both], j[both], length[both])

    def hops(self, limit: float) -> Links:
        """Links no longer than a limit, each of length 1."""
        i, j, length = self.pairs()
        near = length <= limit
        return Links.of(self.nodes, i[near], j[near], np.ones(int(near.sum())))


def run_spans(count: int, work: Callable[[int, int], Any]) -> list[Any]:
    """Call work(start, stop) for fixed spans of `count` items on threads; results in the order of the spans."""
    edges = np.linspace(0, count, min(SPANS, count) + 1).astype(np.int64)
    return together(lambda k: work(int(edges[k]), int(edges[k + 1])), range(len(edges) - 1))


def pairs_within(box: np.ndarray, radius_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of nodes whose boxes (N, 4) lie within a radius."""
    order = np.lexsort((np.arange(len(box)), box[:, 0]))
    found = run_spans(len(box), lambda a, b: straight.near_boxes(a, b, order, box, radius_m))
    if not found:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    return np.concatenate([i for i, _ in found]), np.concatenate([j for _, j in found])


def links_within(gaps: Gaps, radius_m: float = np.inf) -> Links:
    """All links up to a length (inclusive); of all pairs where it is infinite."""
    i, j = pairs_within(gaps.box, radius_m)
    return Links.of(len(gaps.box), i, j, gaps.between(i, j, radius_m))


def label_patches(mask: ArrayLike, neighbours: int = 8) -> tuple[np.ndarray, int]:
    """Patches of a (rows, columns) mask or class grid: ((rows, columns) int32 labels, -1 none; their number).

    Cells of class 0 and below belong to none; patches have one class.
    """
    if neighbours not in (4, 8):
        raise DataError(f"neighbours is {neighbours}; it is 4 (sides) or 8 (sides and corners)")
    image = np.ascontiguousarray(mask, dtype=np.int32)
    label = np.empty(image.shape, np.int32)
    return label, int(shapes.label_grid(image, neighbours == 8, label))


def groups_of(nodes: int, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, int]:
    """Groups that pairs join: ((N,) int32 labels, their number)."""
    label = np.empty(nodes, np.int32)
    count = shapes.label_pairs(np.asarray(i, np.int32), np.asarray(j, np.int32), label)
    return label, int(count)


def least_cost_links(
    label: np.ndarray,
    resistance: np.ndarray,
    width_m: float,
    height_m: float,
    limit: float = np.inf,
    *,
    through: bool = False,
) -> Links:
    """Least costs between patches over a resistance surface (8 neighbours, Dijkstra truncated at a limit).

    A step costs the mean resistance of its two cells times its length in metres, so on a surface of 1 costs are
    metres (measured between cell centres, along 8 directions). A patch starts from all of its cells.

    Parameters
    ----------
    label : (rows, columns) int32
        Patches 0..N-1, -1 none.
    resistance : (rows, columns) float64
        Above 0; cells that are NaN, infinite or not above 0 are barriers.
    limit : float
        Cost.
    through : bool
        Whether a link may cross other patches, at their resistance. Where paths over several links are sought, as
        everywhere in this package, a link that does is never needed (crossing a patch from link to link is free), and
        leaving it out makes the search local.

    Returns
    -------
    Links
    """
    count = int(label.max()) + 1 if label.size else 0
    flat = np.ascontiguousarray(label, dtype=np.int32).ravel()
    surface = np.ascontiguousarray(resistance, dtype=np.float64)
    if surface.shape != label.shape:
        raise DataError(f"resistance has shape {surface.shape}, the patches have {label.shape}")
    order = np.argsort(flat, kind="stable")
    order = order[np.searchsorted(flat[order], 0) :].astype(np.int64)
    start = np.searchsorted(flat[order], np.arange(count + 1)).astype(np.int64)
    # a span holds 24 bytes for each cell of the grid while it runs; as many run as there are threads
    found = run_spans(
        count,
        lambda a, b: kernels.cost_links(
            a, b, start, order, flat, surface, float(width_m), float(height_m), limit, through, count
        ),
    )
    if not found:
        return Links.of(count, [], [], [])
    i, j, cost = (np.concatenate([part[k] for part in found]) for k in range(3))
    return Links.of(count, i, j, cost)
