"""Polygons as planning units: how long their common borders are, how large they are, whether they overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyproj
import shapely

from prioritize.formats._ground import polygon_areas
from prioritize.landscape import Graph

# relative to the typical width of a unit: above what rounding leaves (GeoJSON often keeps 6 or 7 decimals of a
# degree), far below anything drawn on purpose
RELATIVE_TOLERANCE = 1e-5

# relative to the typical width of a unit: a gap above this is a road or a river, not an error of drawing
NEAR = 0.005
# share of its outline without a neighbour from which a unit is looked at (a side of a hexagon is a sixth)
OPEN = 0.1

SEGMENTS_AT_ONCE = 100_000


@dataclass(frozen=True)
class Ruler:
    """Measures in metres: in the plane (with the length of its unit), or on the ellipsoid where units are degrees.

    Attributes
    ----------
    metre : float
        Metres in a map unit; of no meaning where there is a `geod`.
    geod : pyproj.Geod or None
    turned : pyproj.Transformer or None
        To degrees, where the plane distorts areas so much that they are measured on the ellipsoid.
    """

    metre: float = 1.0
    geod: pyproj.Geod | None = None
    turned: pyproj.Transformer | None = None

    def length(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """(n,) metres between (n, 2) points."""
        if self.geod is not None and self.turned is not None:
            return self.geod.inv(*self.turned.transform(*start.T), *self.turned.transform(*end.T))[2]
        if self.geod is not None:
            return self.geod.inv(*start.T, *end.T)[2]
        return np.hypot(*(end - start).T) * self.metre

    def area_km2(self, geometry: np.ndarray) -> np.ndarray:
        """(U,) km2."""
        if self.geod is None:
            return shapely.area(geometry) * self.metre**2 / 1e6
        if self.turned is not None:
            return polygon_areas(geometry, self.turned, self.geod) / 1e6
        # normalised: holes run against their shell, so that their areas count against it
        areas = [self.geod.geometry_area_perimeter(item)[0] for item in shapely.normalize(geometry)]
        return np.abs(np.array(areas, dtype=np.float64)) / 1e6


def default_tolerance(geometry: np.ndarray) -> float:
    """Gap, in map units, up to which borders count as touching."""
    return RELATIVE_TOLERANCE * float(np.sqrt(np.median(shapely.area(geometry))))


def polygon_graph(geometry: np.ndarray, ruler: Ruler, tolerance: float) -> Graph:
    """Join the polygons that share a border, with its length.

    Edges are compared segment by segment instead of with `shapely.intersection`: two borders that GEOS finds
    identical must have the same vertices to the last bit, and where one polygon has a vertex in the middle of its
    neighbour's edge they never have. (Overlay on a precision grid was the alternative; it loses a whole border where
    two nearly equal vertices round to different grid points.)

    Parameters
    ----------
    geometry : (U,) array of valid Polygon or MultiPolygon
    ruler : Ruler
    tolerance : float
        Borders closer than this, in map units, are one.

    Returns
    -------
    Graph
        Polygons that touch in single points only are not neighbours.
    """
    start, end, owner = segments(geometry)
    pieces = [np.empty((0, 2), dtype=np.int64)]
    lengths = [np.empty(0)]
    tree = shapely.STRtree(shapely.linestrings(np.stack([start, end], axis=1)))
    low, high = np.minimum(start, end) - tolerance, np.maximum(start, end) + tolerance
    for first in range(0, len(start), SEGMENTS_AT_ONCE):
        part = slice(first, first + SEGMENTS_AT_ONCE)
        s, t = tree.query(shapely.box(*low[part].T, *high[part].T))
        s += first
        once = owner[s] < owner[t]
        s, t = s[once], t[once]
        kept, from_, to = common(start[s], end[s], start[t], end[t], tolerance)
        pieces.append(np.stack([owner[s][kept], owner[t][kept]], axis=1))
        lengths.append(ruler.length(from_, to))
    pairs, weight = np.concatenate(pieces), np.concatenate(lengths)
    units = len(geometry)
    perimeter = np.bincount(owner, ruler.length(start, end), minlength=units)
    shared = np.bincount(pairs.ravel(), np.repeat(weight, 2), minlength=units)
    exposed = perimeter - shared
    # what rounding leaves of a unit that is enclosed on all sides is no border
    exposed[exposed < 1e-6 * perimeter] = 0.0
    return Graph.from_edges(units, pairs[:, 0], pairs[:, 1], weight, exposed)


def near_misses(geometry: np.ndarray, graph: Graph, tolerance: float) -> tuple[int, float]:
    """Count the pairs that lie along each other within NEAR of their width, but are no neighbours in the graph.

    Returns
    -------
    count : int
    gap : float
        The smallest of a few tolerances, in map units, that joins all of them.
    """
    width = float(np.sqrt(np.median(shapely.area(geometry))))
    # most units of most data sets are enclosed by neighbours: nothing is missed there
    open_ = np.flatnonzero(graph.exposed > OPEN * graph.perimeter)
    if tolerance >= NEAR * width or len(open_) < 2:
        return 0, 0.0
    units, outlines = len(geometry), geometry[open_]
    have = _pairs(graph, 0.0, units)
    plane = Ruler()

    def joined(step: float) -> np.ndarray:
        pairs = _pairs(polygon_graph(outlines, plane, step), width / 2, len(open_))
        return open_[pairs // len(open_)] * units + open_[pairs % len(open_)]

    missed = np.empty(0, dtype=np.int64)
    steps = [step * width for step in (NEAR, NEAR / 2, NEAR / 5, NEAR / 20, NEAR / 100) if step * width > tolerance]
    gap = 0.0
    for step in steps:
        found = np.setdiff1d(joined(step), have)
        if gap == 0.0:
            missed = found
        if len(found) < len(missed) or len(missed) == 0:
            break
        gap = step
    return len(missed), float(f"{gap * 1.04:.2g}")


def _pairs(graph: Graph, least: float, units: int) -> np.ndarray:
    """Numbers of the pairs that share more than `least`."""
    one = np.repeat(np.arange(units, dtype=np.int64), np.diff(graph.indptr))
    other = graph.indices.astype(np.int64)
    kept = (graph.weight > least) & (one < other)
    return one[kept] * units + other[kept]


def segments(geometry: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split the outlines, holes included, into straight segments that have the inside on one and the same hand.

    Returns
    -------
    start, end : (S, 2) float64
    owner : (S,) int64
        Which polygon the segment bounds.
    """
    parts, unit = shapely.get_parts(shapely.normalize(geometry), return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    inner = ring[1:] == ring[:-1]
    start, end, owner = points[:-1][inner], points[1:][inner], unit[part[ring[:-1][inner]]]
    some_length = np.any(start != end, axis=1)
    return start[some_length], end[some_length], owner[some_length]


def common(
    p0: np.ndarray, p1: np.ndarray, q0: np.ndarray, q1: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the stretch that each pair of segments p and q has in common, with the inside on opposite sides.

    Borders that run the same way belong to polygons that overlap: they are no border between the two.

    Parameters
    ----------
    p0, p1, q0, q1 : (n, 2) float64
        Ends of the segments.

    Returns
    -------
    kept : (k,) int64
        The pairs that have one.
    start, end : (k, 2) float64
        Its ends, on p.
    """
    length = np.hypot(*(p1 - p0).T)
    along = (p1 - p0) / length[:, None]
    x0, x1 = np.sum((q0 - p0) * along, axis=1), np.sum((q1 - p0) * along, axis=1)
    # against the direction of p, as neighbours run: from x0 down to x1
    low, high = np.maximum(0.0, x1), np.minimum(length, x0)
    kept = np.flatnonzero(high - low > tolerance)
    p0, along, q0, q1 = p0[kept], along[kept], q0[kept], q1[kept]
    x0, x1, low, high = x0[kept], x1[kept], low[kept], high[kept]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    y0, y1 = np.sum((q0 - p0) * across, axis=1), np.sum((q1 - p0) * across, axis=1)
    slope = (y1 - y0) / (x1 - x0)
    near = (np.abs(y0 + slope * (low - x0)) <= tolerance) & (np.abs(y0 + slope * (high - x0)) <= tolerance)
    p0, along = p0[near], along[near]
    return kept[near], p0 + along * low[near, None], p0 + along * high[near, None]


def overlaps(geometry: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the pairs of polygons that overlap by more than a share of the smaller one.

    Parameters
    ----------
    geometry : (U,) array of valid polygons
    least : float
        Share of the smaller polygon below which an overlap is not told.

    Returns
    -------
    pairs : (n, 2) int64
    share : (n,) float64
        Overlap as a share of the smaller polygon.
    """
    # polygons without a suspicious edge cannot overlap anything; most data sets end here
    edges = shapely.coverage_invalid_edges(geometry)
    suspects = np.flatnonzero(~shapely.is_empty(edges))
    one, other = shapely.STRtree(geometry).query(geometry[suspects])
    pairs = np.unique(np.sort(np.stack([suspects[one], other], axis=1), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    areas = shapely.area(geometry)
    both = shapely.area(shapely.intersection(geometry[pairs[:, 0]], geometry[pairs[:, 1]]))
    share = both / np.minimum(areas[pairs[:, 0]], areas[pairs[:, 1]])
    return pairs[share > least], share[share > least]
