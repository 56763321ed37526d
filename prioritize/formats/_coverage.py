"""Rasters laid over polygons: what each polygon holds, by the exact fraction of every cell inside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyproj
import shapely
from exactextract import exact_extract
from exactextract.feature import Feature, FeatureSource
from exactextract.raster import NumPyRasterSource
from scipy import sparse

from prioritize.errors import Faults
from prioritize.formats import _rasterio as rio
from prioritize.inputfile import room_for_grid
from prioritize.landscape import some


def intersect(
    bands: Sequence[rio.Band],
    geometry: np.ndarray,
    crs: pyproj.CRS | None,
    align: rio.Align | None,
    faults: Faults,
    averaged: Sequence[bool],
) -> tuple[sparse.csr_array, np.ndarray, list[str]]:
    """Sum cell values times the fraction of the cell inside each polygon.

    Parameters
    ----------
    bands : sequence of F Band
    geometry : (U,) array of polygons
    crs : pyproj.CRS or None
        Of the polygons.
    align : str or None
        How to resample a raster that has another CRS.
    averaged : sequence of F bool
        The mean over each polygon counts, not the sum.

    Returns
    -------
    amount : (F, U) CSR
    total : (F,) float64
        Sum over all valid cells of the layer.
    notes : list of str
        What was resampled, and which units lie outside a raster.
    """
    overlay = Overlay(geometry)
    rows: list[sparse.csr_array] = [sparse.csr_array((1, len(geometry)))] * len(bands)
    total, valid = np.zeros(len(bands)), np.zeros(len(bands), dtype=np.int64)
    moved: list[str] = []
    by_file: dict[Path, list[int]] = {}
    for f, band in enumerate(bands):
        by_file.setdefault(band.path, []).append(f)
    for path, members in by_file.items():
        with rio.open_raster(path) as dataset:
            frame = rio.frame_of(dataset)
            turned = bool(frame.transform.b or frame.transform.d)
            if crs is None or align is None or (rio.same_crs(frame.crs, crs) and not turned):
                view = dataset
            else:
                view = rio.resampled(dataset, crs.to_wkt(), align)
                moved.append(f"{path.name} ({'turned grid' if turned else rio.crs_name(frame.crs)})")
                frame = rio.frame_of(view)
            cover = overlay.cover(frame)
            sums = seen = np.zeros((0, len(geometry)))
            for which, start, strip in rio.strips(view, [bands[f].index for f in members]):
                mine = members[which]
                if start == 0:
                    sums, seen = np.zeros((2, len(mine), len(geometry)))
                there = ~np.isnan(strip)
                valid[mine] += np.count_nonzero(there, axis=1)
                strip = np.stack([bands[f].amounts(values) for f, values in zip(mine, strip, strict=True)])
                strip[~there] = 0.0
                total[mine] += strip.sum(axis=1)
                part = cover[start : start + strip.shape[1]]
                if part.nnz:
                    sums += (part.T @ strip.T).T
                    seen += (part.T @ there.T.astype(np.float64)).T
                if start + strip.shape[1] == cover.shape[0]:
                    for f, values, weight in zip(mine, sums, seen, strict=True):
                        mean = values / np.where(weight > 0, weight, 1.0)
                        rows[f] = sparse.csr_array((mean if averaged[f] else values)[None, :])
            if view is not dataset:
                view.close()
    for band, amount, cells in zip(bands, total, valid, strict=True):
        with rio.catching(faults):
            rio.check_feature(band, float(amount), int(cells))
    notes = overlay.notes()
    if moved:
        notes.append(f"resampled to the CRS of the units (align = {align}): {some(moved, 8)}")
    amounts = sparse.csr_array(sparse.vstack(rows, format="csr")) if rows else sparse.csr_array((0, len(geometry)))
    return amounts, total, notes


@dataclass
class Overlay:
    """Which fraction of which cell lies in which polygon, worked out once for each grid.

    Asking exactextract for the sums of all bands would intersect the polygons anew for every band; the fractions
    depend on the grid alone, and the sums are then one sparse product.
    """

    geometry: np.ndarray
    known: dict[tuple[object, ...], sparse.csr_array] = field(default_factory=dict)
    outside: dict[str, int] = field(default_factory=dict)

    def cover(self, frame: rio.Frame) -> sparse.csr_array:
        """(cells, U) fraction of each cell inside each polygon."""
        key = (frame.shape, tuple(frame.transform[:6]))
        if key not in self.known:
            room_for_grid(frame.name, frame.shape, 8)
            self.known[key] = cover = fractions(self.geometry, frame)
            cell_area = abs(frame.transform.a * frame.transform.e)
            inside = cover.sum(axis=0) * cell_area / shapely.area(self.geometry)
            # fractions come from coordinates in the millions: 1e-6 is far above their rounding
            if (inside < 1 - 1e-6).any():
                self.outside[frame.name] = int((inside < 1 - 1e-6).sum())
        return self.known[key]

    def notes(self) -> list[str]:
        """Tell which units reach beyond a raster."""
        return [
            f"{count} units reach beyond the edge of {name}; what lies outside counts as nothing"
            for name, count in self.outside.items()
        ]


def fractions(geometry: np.ndarray, frame: rio.Frame) -> sparse.csr_array:
    """(cells, U) fraction of each cell inside each polygon, exact to float64."""
    rows, columns = frame.shape
    a, _, c, _, e, f = frame.transform[:6]
    (left, right), (bottom, top) = sorted((c, c + a * columns)), sorted((f, f + e * rows))
    # only the grid matters here: one zero, repeated without taking memory, stands for every cell
    blank = NumPyRasterSource(np.broadcast_to(np.uint8(0), frame.shape), left, bottom, right, top)
    found = exact_extract(blank, _Polygons(geometry), ["cell_id", "coverage"], output="pandas")
    counts = found["cell_id"].map(len).to_numpy(dtype=np.int64)
    cell = np.concatenate([*found["cell_id"], np.empty(0, np.int64)]).astype(np.int64)
    row, column = np.divmod(cell, columns)
    # exactextract counts from the north-west, the file may begin in the south or in the east
    row, column = (row if e < 0 else rows - 1 - row), (column if a > 0 else columns - 1 - column)
    fraction = np.concatenate([*found["coverage"], np.empty(0)])
    unit = np.repeat(np.arange(len(geometry)), counts)
    return sparse.coo_array((fraction, (row * columns + column, unit)), shape=(rows * columns, len(geometry))).tocsr()


class _Polygons(FeatureSource):
    """Polygons as exactextract wants them, in WKB: its own route through GeoJSON takes a hundred times as long."""

    def __init__(self, geometry: np.ndarray):
        super().__init__()
        self.wkb = shapely.to_wkb(geometry)

    def count(self) -> int:
        return len(self.wkb)

    def __iter__(self) -> Iterator[_Polygon]:
        return map(_Polygon, self.wkb)

    def srs_wkt(self) -> None:
        return None


class _Polygon(Feature):
    def __init__(self, wkb: bytes):
        super().__init__()
        self.wkb = wkb

    def geometry(self) -> bytes:
        return self.wkb

    def fields(self) -> list[str]:
        return []
