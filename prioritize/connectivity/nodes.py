"""Nodes from maps: contiguous areas of polygons, cut at the border of a region, with what lies beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyproj
import shapely

from prioritize.areas.clean import target_crs
from prioritize.areas.flatten import union
from prioritize.areas.read import project, read_frame
from prioritize.areas.repair import overlay, repaired
from prioritize.connectivity.distances import Gaps, PointGaps, groups_of, links_within
from prioritize.connectivity.outlines import PolygonGaps
from prioritize.errors import DataError

#: protected areas beyond the border of a region count as stepping stones up to here (Saura et al. 2018)
BUFFER_M = 50_000.0


@dataclass(frozen=True, eq=False)
class Areas:
    """Polygons on a map in which they can be measured.

    Attributes
    ----------
    geometry : (N,) array of valid polygons
    table : DataFrame of N rows
        Their attributes.
    crs : pyproj.CRS
    notes : tuple of str
        What was repaired or assumed.
    """

    geometry: np.ndarray
    table: pd.DataFrame
    crs: pyproj.CRS
    notes: tuple[str, ...] = ()

    @property
    def metres(self) -> float:
        """In one map unit."""
        return float(self.crs.axis_info[0].unit_conversion_factor)

    @property
    def area_km2(self) -> np.ndarray:
        """(N,) float64."""
        return shapely.area(self.geometry) * self.metres**2 / 1e6


@dataclass(frozen=True, eq=False)
class RegionNodes:
    """The nodes of one region.

    Attributes
    ----------
    name : str
    area_km2 : (N,) float64
        0 for nodes beyond the border.
    gaps : Gaps
    trans : (N,) bool
        Beyond the border.
    single_km2 : (M,) float64 or None
        Areas in the region of the single areas, before they were joined; None where a raster does not tell them apart.
    whole_km2 : (N,) float64
        Area of each node with what lies outside of the region, for cross-boundary mesh size.
    region_km2 : float
    shape : Any
        Polygons of the nodes; or a window of the grid and their labels in it.
    """

    name: str
    area_km2: np.ndarray
    gaps: Gaps
    trans: np.ndarray
    single_km2: np.ndarray | None
    whole_km2: np.ndarray
    region_km2: float
    shape: Any


def read_areas(*references: str | Path, crs: str | None = None) -> Areas:
    """Read polygons of one or more files (`path` or `path#layer`), repair them, and project them where asked to.

    Raises
    ------
    DataError
        If a file is missing, holds no polygons, has no CRS, or is in degrees and no CRS is given.
    """
    geometries, tables, notes = [], [], []
    target = None if crs is None else target_crs(crs)
    for reference in references:
        frame, where = read_frame(str(reference))
        if frame.crs is None:
            raise DataError(f"{where}: the file has no CRS; write it into the file ('Assign projection' in QGIS)")
        if target is None:
            target = pyproj.CRS(frame.crs)
            if not target.is_projected:
                raise DataError(
                    f"{where}: in degrees, in which areas and distances cannot be measured; give a projected CRS, "
                    "for example --crs ESRI:54017 (equal area)"
                )
        geometry = project(np.asarray(frame.geometry.array, dtype=object), pyproj.CRS(frame.crs), target)
        polygons = np.isin(shapely.get_type_id(geometry), (3, 6)) & ~shapely.is_empty(geometry)
        if not polygons.any():
            raise DataError(f"{where}: there are no polygons in it")
        if not polygons.all():
            notes.append(f"{where}: {int((~polygons).sum())} rows without a polygon are left out")
        if not np.isfinite(shapely.bounds(geometry[polygons])).all():
            raise DataError(f"{where}: some polygons have no place in {target.name}; choose another CRS")
        broken = int((~shapely.is_valid(geometry[polygons])).sum())
        if broken:
            notes.append(f"{where}: {broken} of {int(polygons.sum())} polygons cross themselves and were repaired")
        geometry = repaired(shapely.force_2d(geometry[polygons]))
        left = ~shapely.is_empty(geometry)
        geometries.append(geometry[left])
        tables.append(pd.DataFrame(frame.drop(columns=frame.geometry.name))[polygons][left])
    assert target is not None
    return Areas(np.concatenate(geometries), pd.concat(tables, ignore_index=True), target, tuple(notes))


def centroids(geometry: np.ndarray, metres: float = 1.0) -> PointGaps:
    """Centroid of the largest part of each polygon, or a point on its surface where that lies outside."""
    parts, node = shapely.get_parts(geometry, return_index=True)
    order = np.lexsort((-shapely.area(parts), node))
    largest = parts[order[np.searchsorted(node[order], np.arange(len(geometry)))]]
    point = shapely.centroid(largest)
    outside = ~shapely.intersects(point, largest)
    point[outside] = shapely.point_on_surface(largest[outside])
    return PointGaps(shapely.get_x(point) * metres, shapely.get_y(point) * metres)


def contiguous(geometry: np.ndarray, touch_m: float = 0.0, metres: float = 1.0) -> np.ndarray:
    """Join polygons that overlap or touch, also in a point (or lie within `touch_m`), into (M,) nodes."""
    parts = shapely.get_parts(union(geometry)) if len(geometry) else np.zeros(0, object)
    parts = parts[shapely.area(parts) > 0]
    i, j, _ = links_within(PolygonGaps.of(parts, metres), touch_m).pairs()
    label, count = groups_of(len(parts), i, j)
    nodes = np.empty(count, object)
    members = np.argsort(label, kind="stable")
    bounds = np.searchsorted(label[members], np.arange(count + 1))
    for k in range(count):
        own = parts[members[bounds[k] : bounds[k + 1]]]
        nodes[k] = own[0] if len(own) == 1 else shapely.MultiPolygon(list(own))
    return nodes


def region_nodes(
    areas: Areas,
    regions: Areas | None = None,
    names: Sequence[str] = ("all",),
    *,
    region_km2: float | None = None,
    buffer_m: float = BUFFER_M,
    touch_m: float = 0.0,
    least_km2: float = 0.0,
    centres: bool = False,
    joined: bool = True,
) -> Iterator[RegionNodes]:
    """The nodes of each region, one at a time.

    Parameters
    ----------
    areas : Areas
        Protected areas or habitat patches; overlaps count once.
    regions : Areas
        In the same CRS. None: one region around everything, of `region_km2`.
    names : sequence of str
        Of the regions.
    buffer_m : float
        Areas beyond the border that come as near as this are nodes without area, as far as they go.
    touch_m : float
        Areas no farther apart are one node.
    least_km2 : float
        Smaller areas are left out (before they are joined).
    centres : bool
        Distances between centroids instead of outlines.
    joined : bool
        Join polygons that overlap or touch. Else each is a node as it is; they must not overlap.
    """
    geometry = areas.geometry[areas.area_km2 >= least_km2]
    square = areas.metres**2 / 1e6
    whole = contiguous(geometry, touch_m, areas.metres) if joined else geometry
    if regions is None:
        own = shapely.area(whole) * square
        total = float(own.sum()) if region_km2 is None else region_km2
        gaps = centroids(whole, areas.metres) if centres else PolygonGaps.of(whole, areas.metres)
        single = shapely.area(geometry) * square
        yield RegionNodes(names[0], own, gaps, np.zeros(len(own), bool), single, own, total, whole)
        return
    tree, singles = shapely.STRtree(whole), shapely.STRtree(geometry)
    for name, region in zip(names, regions.geometry, strict=True):
        shapely.prepare(region)
        near = np.sort(tree.query(region, predicate="dwithin", distance=buffer_m / areas.metres))
        inner, parent = cut(whole[near], region, shapely.intersection)
        outer, _ = cut(whole[near], region, shapely.difference)
        both = np.concatenate([inner, outer])
        own = shapely.area(both) * square
        trans = np.arange(len(both)) >= len(inner)
        full = np.zeros(len(both))
        full[: len(inner)] = shapely.area(whole[near])[parent] * square
        meets = np.sort(singles.query(region, predicate="intersects"))
        single = shapely.area(overlay(shapely.intersection, geometry[meets], region)) * square
        gaps = centroids(both, areas.metres) if centres else PolygonGaps.of(both, areas.metres)
        size = float(shapely.area(region)) * square
        yield RegionNodes(name, np.where(trans, 0.0, own), gaps, trans, single[single > 0], full, size, both)


def cut(geometry: np.ndarray, region: shapely.Geometry, operation: Any) -> tuple[np.ndarray, np.ndarray]:
    """What an overlay with a region leaves of polygons: (pieces that are contiguous in themselves, which they are of).

    Slivers that the overlay of a common border leaves (below a millionth of the polygon) are dropped.
    """
    inside = shapely.covers(region, geometry)
    if operation is shapely.intersection:
        left = geometry.copy()
        left[~inside] = overlay(operation, geometry[~inside], region)
        number = np.arange(len(geometry))
    else:
        left = overlay(operation, geometry[~inside], region)
        number = np.flatnonzero(~inside)
    keep = shapely.area(left) > 1e-6 * shapely.area(geometry[number])
    left, number = left[keep], number[keep]
    pieces, parent = [], []
    for item, k in zip(left, number, strict=True):
        # a node of several parts that touch stays one node if it was not cut
        own = np.array([item], object) if item is geometry[k] else contiguous(np.array([item], object))
        pieces.append(own)
        parent.append(np.full(len(own), k))
    if not pieces:
        return np.zeros(0, object), np.zeros(0, np.int64)
    return np.concatenate(pieces), np.concatenate(parent)
