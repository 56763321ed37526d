"""Shares of units by class, each piece of land counted once.

A unit (a raster cell or a planning unit) meets sites one after the other, first in line first; each adds to the
unit's share what none before it covered. A site that fills the unit hides all behind it, and one border through a
unit is settled by its fraction alone. Only where two or more borders run through the same unit are the pieces inside
it overlaid, exactly. Nothing is sampled: the share of a unit is the area of the flattened polygons in it. Fractions
of cells come from exactextract in single precision, 6e-8 of a cell; overlaid pieces in double precision.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely

from prioritize.areas.repair import overlay
from prioritize.formats import _rasterio as rio
from prioritize.formats._coverage import fractions

#: a fraction is whole from here: one step of single precision below 1
WHOLE = 1 - 1e-7

#: cells of a tile, each way: large sites are cut to tiles first and to cells second
TILE = 16


@dataclass(frozen=True, eq=False)
class Meetings:
    """Which site covers which unit by how much (E rows, by unit and within it by priority).

    Attributes
    ----------
    unit : (E,) int64
    site : (E,) int64
        Position in the order of priority.
    fraction : (E,) float64 in (0, 1]
        Share of the unit that the site covers, by itself.
    piece : (E,) object array
        The part of the site inside the unit; None where it was never needed.
    size : (E,) float64
        Area of the whole unit, in the squared units of `piece`.
    """

    unit: np.ndarray
    site: np.ndarray
    fraction: np.ndarray
    piece: np.ndarray = field(repr=False)
    size: np.ndarray

    def take(self, which: np.ndarray) -> Meetings:
        """The rows of a mask or of an order."""
        return Meetings(self.unit[which], self.site[which], self.fraction[which], self.piece[which], self.size[which])

    def __len__(self) -> int:
        return len(self.unit)


def marginal(meet: Meetings, group: np.ndarray | None = None) -> np.ndarray:
    """Share of its unit that each site adds to those before it.

    Parameters
    ----------
    meet : Meetings
    group : (E,) int, optional
        Ascending; rows are compared within a group (default: within a unit). A group lies in one unit.

    Returns
    -------
    (E,) float64
        Sums by group are the share of the union of its sites.
    """
    group = meet.unit if group is None else group
    if len(group) == 0:
        return np.zeros(0)
    begins = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    number = np.repeat(np.arange(len(begins)), np.diff(np.r_[begins, len(group)]))
    whole = meet.fraction >= WHOLE
    before: np.ndarray = np.cumsum(whole) - whole
    hidden: np.ndarray = before > before[begins][number]
    partial = ~hidden & ~whole
    share = np.where(partial, meet.fraction, 0.0)
    crowded = (np.bincount(number, weights=partial, minlength=len(begins)) > 1)[number] & partial
    if crowded.any():
        share[crowded] = _added(meet.take(crowded), number[crowded])
    taken = np.bincount(number, weights=share, minlength=len(begins))
    last = whole & ~hidden
    share[last] = np.maximum(1.0 - taken[number[last]], 0.0)
    return share


def _added(meet: Meetings, number: np.ndarray) -> np.ndarray:
    """(E,) what each piece adds to the union of those before it in its group, by overlay."""
    begins = np.flatnonzero(np.r_[True, number[1:] != number[:-1]])
    row = np.repeat(np.arange(len(begins)), np.diff(np.r_[begins, len(number)]))
    place = np.arange(len(number)) - begins[row]
    union = meet.piece[begins].copy()
    covered = shapely.area(union)
    share = np.zeros(len(number))
    share[begins] = covered / meet.size[begins]
    for turn in range(1, int(place.max()) + 1):
        now = np.flatnonzero(place == turn)
        union[row[now]] = overlay(shapely.union, union[row[now]], meet.piece[now])
        area = shapely.area(union[row[now]])
        # a union is never smaller than its parts; rounding may say so
        share[now] = np.maximum(area - covered[row[now]], 0.0) / meet.size[now]
        covered[row[now]] = np.maximum(area, covered[row[now]])
    return share


def meet_cells(geometry: np.ndarray, frame: rio.Frame, all_pieces: bool = False) -> Meetings:
    """Lay sites over the cells of a grid.

    Parameters
    ----------
    geometry : (N,) array of polygons in the order of priority, in the CRS of the grid
    frame : Frame
        Not turned.
    all_pieces : bool
        Cut pieces also where a site that fills the cell hides them (overlaps between classes need them).

    Returns
    -------
    Meetings
        `unit` is the row-major number of the cell.
    """
    cover = fractions(geometry, frame).tocsr()
    cover.sort_indices()
    unit = np.repeat(np.arange(cover.shape[0], dtype=np.int64), np.diff(cover.indptr))
    there = cover.data > 0
    unit, site, fraction = unit[there], cover.indices[there].astype(np.int64), cover.data[there]
    cell_area = abs(frame.transform.a * frame.transform.e)
    meet = Meetings(unit, site, fraction, np.full(len(unit), None, object), np.full(len(unit), cell_area))
    partial = fraction < WHOLE
    if not all_pieces and len(unit):
        begins = np.flatnonzero(np.r_[True, unit[1:] != unit[:-1]])
        number = np.repeat(np.arange(len(begins)), np.diff(np.r_[begins, len(unit)]))
        before = np.cumsum(~partial) - ~partial
        partial &= before == before[begins][number]
    crowded = partial & (np.bincount(unit[partial], minlength=cover.shape[0]) > 1)[unit]
    meet.piece[crowded] = cell_pieces(geometry, frame, unit[crowded], site[crowded])
    return meet


def cell_pieces(geometry: np.ndarray, frame: rio.Frame, cell: np.ndarray, site: np.ndarray) -> np.ndarray:
    """(E,) part of each site inside a cell."""
    columns = frame.shape[1]
    row, column = np.divmod(cell, columns)
    tile = (row // TILE) * (columns // TILE + 1) + column // TILE
    keys, back = np.unique(tile * len(geometry) + site, return_inverse=True)
    tile, owner = np.divmod(keys, len(geometry))
    top, left = np.divmod(tile, columns // TILE + 1)
    large = overlay(shapely.intersection, geometry[owner], boxes(frame, top * TILE, left * TILE, TILE))
    return overlay(shapely.intersection, large[back], boxes(frame, row, column, 1))


def boxes(frame: rio.Frame, row: np.ndarray, column: np.ndarray, size: int) -> np.ndarray:
    """Squares of size x size cells, from their first row and column."""
    a, _, c, _, e, f = frame.transform[:6]
    x, y = np.sort([c + a * column, c + a * (column + size)], axis=0), f + e * row
    y = np.sort([y, f + e * (row + size)], axis=0)
    return np.asarray(shapely.box(x[0], y[0], x[1], y[1]), dtype=object)


def meet_polygons(geometry: np.ndarray, units: np.ndarray) -> Meetings:
    """Lay sites over planning units that are polygons.

    Parameters
    ----------
    geometry : (N,) array of polygons in the order of priority
    units : (U,) array of valid polygons, in the same CRS

    Returns
    -------
    Meetings
    """
    # asked from the sites, which GEOS then prepares: a large one is searched once, not once for each unit
    tree = shapely.STRtree(units)
    site, unit = tree.query(geometry, predicate="intersects")
    order = np.lexsort((site, unit))
    unit, site = unit[order].astype(np.int64), site[order].astype(np.int64)
    covering, covered = tree.query(geometry, predicate="covers")
    whole = np.isin(unit * len(geometry) + site, covered.astype(np.int64) * len(geometry) + covering)
    size = shapely.area(units)[unit]
    piece, fraction = np.full(len(unit), None, object), np.ones(len(unit))
    if not whole.all():
        piece[~whole] = overlay(shapely.intersection, geometry[site[~whole]], units[unit[~whole]])
        fraction[~whole] = np.minimum(shapely.area(piece[~whole]) / size[~whole], 1.0)
    # touching borders only
    return Meetings(unit, site, fraction, piece, size).take(fraction > 0)


def overlap_km2(meet: Meetings, code: np.ndarray, classes: int, unit_km2: np.ndarray) -> np.ndarray:
    """Area of class x class before flattening.

    Parameters
    ----------
    meet : Meetings with all pieces
    code : (N,) int class of each site
    classes : int
        K.
    unit_km2 : (U,) float64

    Returns
    -------
    (K, K) float64
        Off the diagonal the area in both classes, on it the area of the class's own union. Within a class nothing
        counts twice; a place in three classes counts in three pairs.
    """
    result = np.zeros((classes, classes))
    kind = code[meet.site]
    present: dict[int, np.ndarray] = {}
    for one in range(classes):
        part = meet.take(kind == one)
        present[one] = np.bincount(part.unit, weights=marginal(part), minlength=len(unit_km2))
        result[one, one] = float(present[one] @ unit_km2)
    for one in range(classes):
        for other in range(one + 1, classes):
            both = (present[one] > 0) & (present[other] > 0)
            if not both.any():
                continue
            part = meet.take(both[meet.unit] & ((kind == one) | (kind == other)))
            union = np.bincount(part.unit, weights=marginal(part), minlength=len(unit_km2))
            shared = np.where(both, np.maximum(present[one] + present[other] - union, 0.0), 0.0)
            # rounding of single precision along borders that only touch is not an overlap
            shared[shared < 1e-6] = 0.0
            result[one, other] = result[other, one] = float(shared @ unit_km2)
    return result
