"""Geometry of sites: cut at the dateline, circles for points, repaired and snapped, cut to a coast."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely
from shapely import GeometryType
from shapely.affinity import translate

POLYGONAL = (GeometryType.POLYGON, GeometryType.MULTIPOLYGON)
PUNCTUAL = (GeometryType.POINT, GeometryType.MULTIPOINT)

#: corners of a circle; its radius is chosen so that the many-cornered shape has the area reported
CORNERS = 128


def is_polygon(geometry: np.ndarray) -> np.ndarray:
    """(N,) bool: polygons and multipolygons that are not empty."""
    return np.isin(shapely.get_type_id(geometry), POLYGONAL) & ~shapely.is_empty(geometry)


def is_point(geometry: np.ndarray) -> np.ndarray:
    """(N,) bool: points and multipoints that are not empty."""
    return np.isin(shapely.get_type_id(geometry), PUNCTUAL) & ~shapely.is_empty(geometry)


def polygonal(geometry: np.ndarray) -> np.ndarray:
    """Geometries reduced to their polygons; lines and points that an overlay leaves behind have no area."""
    geometry = np.asarray(geometry, dtype=object).copy()
    mixed = np.flatnonzero(~np.isin(shapely.get_type_id(geometry), POLYGONAL))
    for i in mixed:
        parts = shapely.get_parts(shapely.get_parts(geometry[i])) if geometry[i] is not None else np.array([])
        parts = parts[np.isin(shapely.get_type_id(parts), POLYGONAL)] if len(parts) else parts
        geometry[i] = shapely.union_all(parts) if len(parts) else shapely.Polygon()
    return geometry


def overlay(operation: Callable[..., np.ndarray], one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Do an overlay of two arrays of polygons, whatever GEOS stumbles over, and keep what has area.

    Almost all work is one vectorised call at full precision. Where GEOS gives up on a pair, that pair alone is redone
    on a grid of a billionth of its width.
    """
    try:
        return polygonal(operation(one, other))
    except shapely.GEOSException:
        one, other = np.broadcast_arrays(np.asarray(one, dtype=object), np.asarray(other, dtype=object))
        return polygonal(np.array([_carefully(operation, a, b) for a, b in zip(one, other, strict=True)], dtype=object))


def _carefully(operation: Callable[..., shapely.Geometry], one: shapely.Geometry, other: shapely.Geometry) -> object:
    try:
        return operation(one, other)
    except shapely.GEOSException:
        bounds = shapely.total_bounds([one, other])
        grid = float(max(np.ptp(bounds[::2]), np.ptp(bounds[1::2])) * 1e-9 + np.abs(bounds).max() * 1e-12)
        return operation(shapely.make_valid(one), shapely.make_valid(other), grid_size=grid)


def repaired(geometry: np.ndarray, snap: float = 0.0) -> np.ndarray:
    """Valid polygons, their corners snapped to a grid.

    Parameters
    ----------
    geometry : (N,) array of polygons
    snap : float
        Width of the grid in map units; 0 leaves corners where they are.

    Returns
    -------
    (N,) array of polygons
        Where rings cross themselves, what any ring encloses and no hole takes away is inside (GEOS `structure`).
        Parts that the grid swallows are gone; an empty polygon where nothing is left.
    """
    result = np.asarray(geometry, dtype=object).copy()
    broken = ~shapely.is_valid(result)
    if broken.any():
        result[broken] = polygonal(shapely.make_valid(result[broken], method="structure", keep_collapsed=False))
    if snap > 0 and len(result):
        result = polygonal(shapely.set_precision(result, snap))
        # the overlays that follow are done at full precision: a model of a grid left on the input would be theirs too
        result = shapely.set_precision(result, 0.0)
    return result


def circles(geometry: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Replace points by circles of a given area.

    Parameters
    ----------
    geometry : (N,) array of points and multipoints, in an equal-area CRS
    area : (N,) float64
        In squared map units. A site of several points shares it out evenly: REP_AREA is that of the whole site.

    Returns
    -------
    (N,) array of polygons with `CORNERS` corners, each of exactly that area (where circles of a site do not overlap).
    """
    count = np.maximum(shapely.get_num_geometries(geometry), 1)
    radius = np.sqrt(area / count * 2 / (CORNERS * np.sin(2 * np.pi / CORNERS)))
    return polygonal(shapely.buffer(geometry, radius, quad_segs=CORNERS // 4))


def crosses_dateline(geometry: np.ndarray) -> np.ndarray:
    """(N,) bool: geometries in degrees that leave -180..180, or whose outline jumps across the dateline."""
    found = np.zeros(len(geometry), dtype=bool)
    xy, which = shapely.get_coordinates(geometry, return_index=True)
    if len(xy) == 0:
        return found
    found[which[np.abs(xy[:, 0]) > 180]] = True
    jump = np.abs(np.diff(xy[:, 0]))
    found[which[1:][_jumps(jump) & (which[1:] == which[:-1])]] = True
    return found


def _jumps(step: np.ndarray) -> np.ndarray:
    # a step of 360 is an edge along a pole or along the dateline itself, not one across it
    return (step > 180) & (step < 360 - 1e-9)


def wrapped(geometry: np.ndarray) -> np.ndarray:
    """Cut geometries in degrees at the dateline, so that no polygon spans the globe by mistake.

    Parameters
    ----------
    geometry : (N,) array of polygons and points in degrees, longitude first

    Returns
    -------
    (N,) array within -180..180; geometries that do not cross the dateline are returned as they are.
    """
    result = np.asarray(geometry, dtype=object).copy()
    for i in np.flatnonzero(crosses_dateline(result)):
        if shapely.get_type_id(result[i]) in PUNCTUAL:
            result[i] = shapely.transform(
                result[i], lambda xy: np.column_stack([(xy[:, 0] + 180) % 360 - 180, xy[:, 1]])
            )
            continue
        parts = [piece for part in shapely.get_parts(result[i]) for piece in _cut(_unrolled(part))]
        result[i] = shapely.union_all(parts) if parts else shapely.Polygon()
    return result


def _unrolled(polygon: shapely.Polygon) -> shapely.Polygon:
    """A polygon whose outline no longer jumps, reaching beyond 180 degrees instead."""
    rings: list[np.ndarray] = []
    for ring in [polygon.exterior, *polygon.interiors]:
        xy = shapely.get_coordinates(ring).copy()
        step = np.diff(xy[:, 0])
        turns = np.where(_jumps(np.abs(step)), -np.sign(step), 0.0)
        if turns.sum() == 0:  # a ring around a pole does not close; it stays as it is
            xy[1:, 0] += 360 * np.cumsum(turns)
        if rings and not rings[0][:, 0].min() <= xy[:, 0].mean() <= rings[0][:, 0].max():
            xy[:, 0] += 360 * np.sign(rings[0][:, 0].mean() - xy[:, 0].mean())
        rings.append(xy)
    return shapely.Polygon(rings[0], rings[1:])


def _cut(polygon: shapely.Polygon) -> list[shapely.Geometry]:
    polygon = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
    west, _, east, _ = polygon.bounds
    pieces = []
    for turn in range(int(np.floor((west + 180) / 360)), int(np.ceil((east + 180) / 360))):
        strip = shapely.box(-180 + 360 * turn, -91, 180 + 360 * turn, 91)
        pieces.append(translate(shapely.intersection(polygon, strip), xoff=-360.0 * turn))
    return [piece for piece in polygonal(np.array(pieces, dtype=object)) if not piece.is_empty]


def cut_to(geometry: np.ndarray, mask: np.ndarray, keep_inside: bool = True) -> np.ndarray:
    """Cut polygons to a mask, or the mask out of them.

    Parameters
    ----------
    geometry : (N,) array of polygons
    mask : (M,) array of valid polygons, in the same CRS
        A coast, an economic zone, a country; large ones are fastest in pieces.
    keep_inside : bool
        False removes what lies in the mask.

    Returns
    -------
    (N,) array of polygons; those that no border crosses are returned as they are.
    """
    result = np.asarray(geometry, dtype=object).copy()
    tree = shapely.STRtree(mask)
    within = np.zeros(len(result), dtype=bool)
    within[tree.query(result, predicate="covered_by")[0]] = True
    site, part = tree.query(result, predicate="intersects")
    near: dict[int, list[int]] = {}
    for i, j in zip(site.tolist(), part.tolist(), strict=True):
        near.setdefault(i, []).append(j)
    touched = np.array(sorted(near), dtype=np.int64)
    outside = np.ones(len(result), dtype=bool)
    outside[touched] = False
    result[outside if keep_inside else within] = shapely.Polygon()
    crossed = touched[~within[touched]]
    if len(crossed):
        knife = np.array([mask[near[i][0]] if len(near[i]) == 1 else shapely.union_all(mask[near[i]]) for i in crossed])
        result[crossed] = overlay(shapely.intersection if keep_inside else shapely.difference, result[crossed], knife)
    return result
