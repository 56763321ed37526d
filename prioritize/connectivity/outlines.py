"""Distances between the outlines of polygons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from prioritize.connectivity.distances import run_spans
from prioritize.errors import DataError
from prioritize_kernels import gaps as kernels

#: segments of a ring that share a box
TILE = 16


@dataclass(frozen=True, eq=False)
class PolygonGaps:
    """Distances between the outlines of polygons that do not overlap; those that touch are at 0.

    Attributes
    ----------
    node_tile : (N+1,) int64
    tile_segment : (T+1,) int64
    tile_box : (T, 4) float64
    segment : (S, 4) float64
    box : (N, 4) float64
    """

    node_tile: np.ndarray
    tile_segment: np.ndarray
    tile_box: np.ndarray
    segment: np.ndarray
    box: np.ndarray
    metric: bool = False

    @classmethod
    def of(cls, geometry: np.ndarray, metres: float = 1.0, label: np.ndarray | None = None) -> PolygonGaps:
        """Sort the outlines of polygons or multipolygons; `metres` are in one map unit.

        `label` says which node (0..N-1, none missing) each belongs to; each is one where left out.

        Raises
        ------
        DataError
            If one of them is empty.
        """
        if shapely.is_empty(geometry).any():
            raise DataError(f"node {int(np.flatnonzero(shapely.is_empty(geometry))[0])} is empty")
        if label is not None:
            order = np.argsort(label, kind="stable")
            geometry, count = geometry[order], int(label.max(initial=-1)) + 1
            first_of = np.searchsorted(label[order], np.arange(count + 1))
            own = label[order]
        else:
            count, first_of, own = len(geometry), np.arange(len(geometry) + 1), np.arange(len(geometry))
        rings, node = shapely.get_rings(shapely.get_parts(geometry), return_index=True)
        node = own[shapely.get_parts(geometry, return_index=True)[1][node]]
        xy, ring = shapely.get_coordinates(rings, return_index=True)
        same = ring[1:] == ring[:-1]
        segment = np.ascontiguousarray(np.column_stack([xy[:-1], xy[1:]])[same] * metres)
        ring = ring[1:][same]
        if len(ring) == 0:
            return cls(np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros((0, 4)), segment, np.zeros((0, 4)))
        begin = np.searchsorted(ring, np.arange(len(rings)))
        start = np.flatnonzero((np.arange(len(ring)) - begin[ring]) % TILE == 0)
        box = np.column_stack(
            [
                reduce.reduceat(pick(segment[:, at], segment[:, at + 2]), start)
                for reduce, pick in ((np.minimum, np.minimum), (np.maximum, np.maximum))
                for at in (0, 1)
            ]
        )
        first = np.searchsorted(node[ring[start]], np.arange(count + 1)).astype(np.int64)
        bounds = shapely.bounds(geometry) * metres
        low = np.minimum.reduceat(bounds[:, :2], first_of[:-1])
        whole = np.ascontiguousarray(np.column_stack([low, np.maximum.reduceat(bounds[:, 2:], first_of[:-1])]))
        return cls(first, np.r_[start, len(ring)].astype(np.int64), np.ascontiguousarray(box), segment, whole)

    def between(self, i: np.ndarray, j: np.ndarray, limit_m: float = np.inf) -> np.ndarray:
        """(n,) distances of pairs; infinite above the limit."""
        out = np.empty(len(i))
        run_spans(
            len(i),
            lambda a, b: kernels.outline_gaps(
                a, b, i, j, self.node_tile, self.tile_segment, self.tile_box, self.segment, limit_m, out
            ),
        )
        return out
