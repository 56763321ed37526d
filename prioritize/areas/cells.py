"""Each piece of land to one site, by shares of raster cells: the raster route."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pyproj
import rasterio.features
import shapely
from rasterio.transform import Affine

from prioritize.areas import share
from prioritize.areas.clean import Cleaned, Progress, silent, square_km
from prioritize.areas.flatten import Flat
from prioritize.areas.read import project
from prioritize.errors import DataError
from prioritize.formats import _rasterio as rio

Cover = Literal["fraction", "any", "centre"]

#: cells held at a time
CELLS_AT_ONCE = 2_000_000

#: cells of the largest grid that is made
MOST_CELLS = 1_000_000_000

#: with more classes the pairs take longer than all the rest
MOST_CLASSES = 40


@dataclass(frozen=True, eq=False)
class FlatCells(Flat):
    """The raster route.

    Attributes
    ----------
    frame : Frame
    shares : (K, rows, columns) float32
        Share of each cell by class; sums over classes are at most 1.
    """

    frame: rio.Frame
    shares: np.ndarray = field(repr=False)


def grid_of(cleaned: Cleaned, cell_m: float) -> rio.Frame:
    """The smallest grid of square cells around the sites, its lines at multiples of the cell's width.

    Raises
    ------
    DataError
        If it would have more than `MOST_CELLS` cells.
    """
    west, south, east, north = shapely.total_bounds(cleaned.sites.geometry)
    size = cell_m / rio.metres_per_unit(cleaned.sites.crs)
    west, north = np.floor(west / size) * size, np.ceil(north / size) * size
    shape = (max(int(np.ceil((north - south) / size)), 1), max(int(np.ceil((east - west) / size)), 1))
    if shape[0] * shape[1] > MOST_CELLS:
        raise DataError(
            f"cells of {cell_m:g} m make a grid of {shape[0]:,} x {shape[1]:,} cells, more than {MOST_CELLS:,}; "
            "take larger cells (shares of cells are exact, so that small ones gain little)"
        )
    return rio.Frame("the grid", shape, Affine(size, 0, west, 0, -size, north), cleaned.sites.crs)


def check_grid(frame: rio.Frame) -> pyproj.CRS:
    """The CRS of a grid on which sites can be burnt.

    Raises
    ------
    DataError
        If the grid has no CRS, or is turned against the map.
    """
    if frame.crs is None:
        raise DataError(f"{frame.name}: the grid has no CRS; write it into the file (gdal_edit -a_srs EPSG:...)")
    if frame.transform.b or frame.transform.d:
        raise DataError(f"{frame.name}: the grid is turned against the map; warp it to a north-up grid (gdalwarp)")
    return frame.crs


def frame_cell_km2(frame: rio.Frame) -> np.ndarray:
    """(rows,) area of a cell of each row; of cells in degrees, on the ellipsoid.

    Raises
    ------
    DataError
        As `check_grid`.
    """
    crs = check_grid(frame)
    a, _, _, _, e, f = frame.transform[:6]
    if not crs.is_geographic:
        return np.full(frame.shape[0], abs(a * e) * square_km(crs))
    equal = pyproj.Transformer.from_crs(crs, "ESRI:54017", always_xy=True)
    lat = np.clip(f + e * np.arange(frame.shape[0] + 1), -90, 90)
    x, y = equal.transform(np.full(len(lat), a), lat)
    x0, _ = equal.transform(0.0, 0.0)
    return np.abs(np.diff(np.asarray(y))) * abs(np.asarray(x)[0] - x0) / 1e6


def flatten_cells(
    cleaned: Cleaned,
    frame: rio.Frame,
    cover: Cover = "fraction",
    progress: Progress = silent,
    matrix: bool = True,
    shares: np.ndarray | None = None,
) -> FlatCells:
    """Give each piece of land to the first site in line, by shares of raster cells.

    Parameters
    ----------
    cleaned : Cleaned
    frame : Frame
        The grid; in degrees if it must be (shares are then shares of a cell's rectangle on the map).
    cover : str
        `fraction`: the area share, exact (see `share.py`), no layer counted twice. `any`: a cell that a site touches
        is its own altogether; `centre`: a cell whose centre a site holds. These two exist to show what they change.
    progress : callable
    matrix : bool
        Whether to find the overlaps between classes (by area shares, whatever `cover` says).
    shares : (K, rows, columns) float32, optional
        Zeros to fill: a memory map where the grid does not fit into memory.

    Returns
    -------
    FlatCells
        With `fraction` the areas are those of the polygons on this grid to about 1e-7 of the cells along borders.

    Raises
    ------
    DataError
    """
    row_km2, classes = frame_cell_km2(frame), len(cleaned.classes)
    geometry = project(cleaned.sites.geometry, cleaned.sites.crs, check_grid(frame))
    code, kind = cleaned.code, cleaned.sites.table["site_type"].to_numpy() == "PA"
    notes, matrix = list(cleaned.notes), matrix and classes <= MOST_CLASSES
    shares = np.zeros((classes, *frame.shape), dtype=np.float32) if shares is None else shares
    alone, kept = np.zeros(len(geometry)), np.zeros(len(geometry))
    overlaps, pa = np.zeros((classes, classes)), 0.0
    for rows, strip, members in strips(geometry, frame):
        progress("burn", rows.start / frame.shape[0])
        meet = share.meet_cells(geometry[members], strip, all_pieces=matrix)
        km2 = np.repeat(row_km2[rows], strip.shape[1])
        site = members[meet.site]
        alone += np.bincount(site, weights=meet.fraction * km2[meet.unit], minlength=len(geometry))
        if matrix:
            overlaps += share.overlap_km2(meet, code[members], classes, km2)
        rule = replace(meet, fraction=np.ones(len(meet))) if cover == "any" else meet
        if cover == "centre":
            rule = centres(geometry[members], strip)
            site = members[rule.site]
        added = share.marginal(rule)
        kept += np.bincount(site, weights=added * km2[rule.unit], minlength=len(geometry))
        place = code[site] * np.int64(len(km2)) + rule.unit
        burnt = np.bincount(place, weights=added, minlength=classes * len(km2))
        shares[:, rows] = burnt.reshape(classes, *strip.shape)
        if cleaned.options.first != "PA":
            protected = rule.take(kind[site])
            pa += float(share.marginal(protected) @ km2[protected.unit])
    book, before = cleaned.ledger.copy(), cleaned.area_km2
    # single precision moves areas a little; that is not what a ledger of sites is for
    alone = np.where(np.isclose(alone, before, rtol=1e-6, atol=1e-9), before, alone)
    told = np.where(np.isclose(kept, alone, rtol=1e-6, atol=1e-9), alone, np.where(kept < 1e-9 * alone, 0.0, kept))
    table, on = cleaned.sites.table, alone > 0
    book.record("grid", f"{frame.name}: outside of it", table, before, alone, ~on)
    book.record("flatten", f"land of sites that come first ({cover})", table[on], alone[on], told[on], told[on] == 0)
    areas = np.bincount(code, weights=kept, minlength=classes)
    if cleaned.options.first == "PA" or kind.all():
        pa = float(kept.sum() if kind.all() else kept[kind].sum())
    progress("burnt", 1.0)
    return FlatCells(
        cleaned.classes, areas, float(kept.sum()), pa, overlaps if matrix else None, book, tuple(notes), frame, shares
    )


def strips(geometry: np.ndarray, frame: rio.Frame) -> Iterator[tuple[slice, rio.Frame, np.ndarray]]:
    """The grid a few rows at a time, each with the positions of the sites that may touch it."""
    rows, columns = frame.shape
    height = max(1, CELLS_AT_ONCE // columns)
    bounds = shapely.bounds(geometry)
    a, _, c, _, e, f = frame.transform[:6]
    west, east = sorted((c, c + a * columns))
    for row in range(0, rows, height):
        many = min(height, rows - row)
        south, north = sorted((f + e * row, f + e * (row + many)))
        near = (bounds[:, 1] < north) & (bounds[:, 3] > south) & (bounds[:, 0] < east) & (bounds[:, 2] > west)
        if near.any():
            part = Affine(a, 0, c, 0, e, f + e * row)
            yield slice(row, row + many), rio.Frame(frame.name, (many, columns), part, frame.crs), np.flatnonzero(near)


def centres(geometry: np.ndarray, frame: rio.Frame) -> share.Meetings:
    """The first site in line that holds the centre of each cell, as if it filled the cell."""
    # burnt from the last in line to the first: what is burnt later stays
    last_first = ((item, k + 1) for k, item in reversed(list(enumerate(geometry))))
    burnt = rasterio.features.rasterize(last_first, frame.shape, transform=frame.transform, dtype="int32").ravel()
    unit = np.flatnonzero(burnt)
    ones = np.ones(len(unit))
    return share.Meetings(unit, burnt[unit].astype(np.int64) - 1, ones, np.full(len(unit), None, object), ones)
