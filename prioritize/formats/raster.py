"""Planning units that are the cells of a raster, with one raster layer per feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyproj
from pydantic import Field
from scipy import sparse

from prioritize.errors import DataError, Faults
from prioritize.formats import _rasterio as rio
from prioritize.formats._classes import matches, with_classes
from prioritize.formats._grid import grid_graph
from prioritize.formats._ground import NOT_EQUAL, grid_sizes, is_distorted
from prioritize.inputfile import room_for_grid
from prioritize.landscape import Graph, some
from prioritize.place import Grid
from prioritize.source import EXACT, LandscapeConfig, Source
from prioritize.texttable import read_table


class Raster(LandscapeConfig):
    """Cells of a raster. A reference is a path, or `path#band` (from 1) where the file has several bands."""

    format: Literal["raster"] = "raster"
    units: str | None = Field(
        None, description="raster whose valid cells that are not zero are the planning units; where cost is valid"
    )
    align: rio.Align | None = Field(
        None, description="resample layers that lie on another grid; without it they are an error"
    )

    def open(self, seed: int) -> Source:
        """Read units, amounts and the grid.

        Returns
        -------
        Source
            `unit_id` is the row-major number of the cell, from 1; `total` of a feature is the sum over all valid
            cells of its layer, units or not.

        Raises
        ------
        DataError
            With every fault found.
        """
        faults = Faults(DataError)
        if self.features is None:
            faults.add(
                'landscape.features is missing: name the feature rasters, as in "features/*.tif" '
                "(or write features = [] if there are none)"
            )
        bands = rio.feature_bands(rio.feature_references(self), faults)
        bands, about = with_classes(bands, self.classes, faults)
        try:
            template = self._template()
        except DataError as error:
            # nothing to compare the layers with: tell what is known so far
            faults.catch(error)
            raise DataError(faults.messages) from None
        with rio.open_raster(template.path) as dataset:
            frame = rio.frame_of(dataset)
        room_for_grid(template.path, frame.shape, 24)  # the values as float64, their numbers, a mask
        reader = Reader(frame, self.align)
        for what, reference in {**rio.number_references(self), **rio.group_references(self)}.items():
            with rio.catching(faults, f"landscape.{what}"):
                reader.check(rio.one_band(reference))
        for band in {band.path: band for band in bands}.values():  # all bands of a file lie on one grid
            with rio.catching(faults):
                reader.check(band, amounts=True)
        faults.raise_any()
        cell, notes = self._units(template, reader)
        averaged = [matches(band, self.density) for band in bands]
        amount, total = read_amounts(bands, reader, cell, faults, averaged)
        faults.raise_any()
        area_km2, graph, how = measure(cell, frame)

        absent = np.diff(amount.indptr) == 0
        if absent.any():
            names = np.array([band.name for band in bands], dtype=object)[absent]
            notes.append(f"{int(absent.sum())} features have no amount in any unit: {some(names)}")
        reader.notes[:0] = [*notes, *about, *how]

        def read(reference: str, flag: bool = False) -> np.ndarray:
            return reader.read(reference, flag)[cell]

        return Source(
            name=template.path.name,
            unit_id=cell + 1,
            area_km2=area_km2,
            amount=amount,
            features=pd.DataFrame(
                {"name": [band.name for band in bands], "total": total, "unit": [band.unit for band in bands]}
            ),
            graph=graph,
            place=Grid(frame.shape, cell, tuple(frame.transform[:6]), rio.wkt_of(frame.crs)),
            read=read,
            labels=lambda reference: reader.labels(reference, cell),
            notes=reader.notes,
        )

    def files(self) -> list[Path]:
        """Every file that the landscape depends on."""
        groups = rio.group_references(self).values()
        references = [*rio.number_references(self).values(), *groups, *rio.feature_references(self)]
        references += [*self.layers.values(), *([self.units] if self.units else [])]
        tables = [rio.names_table(path) for reference in groups for path in rio.paths_of(reference)]
        paths = [path for reference in references for path in rio.paths_of(reference)]
        paths += [path for path in tables if path.exists()]
        if self.feature_table is not None:
            paths.append(self.feature_table)
        return list(dict.fromkeys(paths))

    def _template(self) -> rio.Band:
        named = self.units if self.units is not None else self.cost
        if not isinstance(named, str):
            raise DataError(
                f"landscape.cost is the number {named:g} and landscape.units is missing: name one raster, "
                "landscape.units or landscape.cost, that says where the planning units are"
            )
        return rio.one_band(self.layers.get(named, named))

    def _units(self, template: rio.Band, reader: Reader) -> tuple[np.ndarray, list[str]]:
        """(U,) int64 row-major cells of the units, and what to tell about them."""
        notes: list[str] = []
        values = reader.read_band(template)
        if self.units is None:
            inside = ~np.isnan(values)
        else:
            inside = np.nan_to_num(values) != 0
        if not inside.any():
            held = "all NoData" if np.isnan(values).all() else "all NoData or zero"
            raise DataError(
                f"{template.where}: no cell is a planning unit ({held}); "
                "name a raster that holds a value in every unit, and check its NoData value"
            )
        cost = rio.number_references(self).get("cost")
        if self.units is not None and cost is not None:
            priced = reader.read(cost)
            lacking = inside & np.isnan(priced)
            inside &= ~lacking
            if not inside.any():
                raise DataError(f"{cost}: no cost in any cell of {template.path.name}; do the two belong together?")
            if lacking.any():
                notes.append(f"{int(lacking.sum())} cells are left out: {Path(cost).name} holds no cost there")
        return np.flatnonzero(inside), notes


@dataclass
class Reader:
    """Reads layers on the template's grid, and remembers which of them had to be resampled.

    Attributes
    ----------
    frame : Frame
        The template's grid.
    align : str or None
        How to resample layers of another grid; None refuses them.
    notes : list of str
        What was resampled, and how.
    """

    frame: rio.Frame
    align: rio.Align | None
    notes: list[str] = field(default_factory=list)
    resampled: set[Path] = field(default_factory=set)
    fine: dict[Path, str] = field(default_factory=dict)

    def check(self, band: rio.Band, amounts: bool = False) -> None:
        """Raise DataError if the layer lies on another grid and may not be resampled.

        `amounts`: it is a feature, whose finer cells are added up, never sampled.
        """
        differs = rio.check_layer(band, self.frame, self.align)
        if differs is not None and amounts and rio.finer(band.path, self.frame):
            self.fine[band.path] = differs
            self.resampled.add(band.path)
            return
        note = f"{band.path.name} is resampled to the grid of {self.frame.name} (align = {self.align}): {differs}"
        if differs is not None and note not in self.notes:
            self.notes.append(note)
            self.resampled.add(band.path)

    def read(self, reference: str, flag: bool = False) -> np.ndarray:
        """Read one layer: (cells of the grid,) float64, NaN where it says nothing; a flag is never averaged."""
        method: rio.Align = "nearest" if flag or self.align is None else self.align
        return self.read_band(rio.one_band(reference), method)

    def read_band(self, band: rio.Band, method: rio.Align = "nearest") -> np.ndarray:
        """Read one band, resampled by this method should it lie on another grid; as `read`."""
        self.check(band)
        values = np.empty(self.frame.shape[0] * self.frame.shape[1])
        with rio.open_aligned(band.path, self.frame, method) as dataset:
            for _, start, strip in rio.strips(dataset, [band.index]):
                values[start : start + strip.shape[1]] = strip[0]
        return values

    def labels(self, reference: str, cell: np.ndarray) -> np.ndarray:
        """Read a raster of codes: (U,) names, None where it says nothing.

        Names come from a table `code,name` beside the raster (`realms.csv` for `realms.tif`); without it, or for
        a code it does not list, the code is the name.
        """
        band = rio.one_band(reference)
        values = self.read_band(band)[cell]
        codes = np.unique(values[~np.isnan(values)])
        broken = codes[(codes != np.round(codes)) | (np.abs(codes) >= EXACT)]
        if len(broken):
            raise DataError(f"{reference}: {some(broken, 3)} is no code; a layer of groups must hold whole numbers")
        known = read_names(rio.names_table(band.path))
        names = np.array([known.get(int(code), str(int(code))) for code in codes] + [None], dtype=object)
        # NaN sorts behind every code, where the None waits
        return names[np.searchsorted(codes, values)]


def read_names(path: Path) -> dict[int, str]:
    """Read a table `code,name`; empty where the file does not exist.

    Raises
    ------
    DataError
    """
    if not path.exists():
        return {}
    table = read_table(path, "table of names")
    missing = [column for column in ("code", "name") if column not in table]
    if missing:
        raise DataError(f"{path}: column '{missing[0]}' is missing; the table of names needs code,name")
    codes = pd.to_numeric(table["code"], errors="coerce")
    if codes.isna().any() or (codes != codes.round()).any():
        bad = table["code"][codes.isna() | (codes != codes.round())]
        raise DataError(f"{path}: code {some(bad)} is not a whole number")
    if codes.duplicated().any():
        raise DataError(f"{path}: code {some(codes[codes.duplicated()].astype(int))} stands in the table twice")
    return dict(zip(codes.astype(int), table["name"].astype(str).str.strip(), strict=True))


def read_amounts(
    bands: Sequence[rio.Band], reader: Reader, cell: np.ndarray, faults: Faults, averaged: Sequence[bool]
) -> tuple[sparse.csr_array, np.ndarray]:
    """Read what each unit holds of each feature, a few rows of the grid at a time.

    Parameters
    ----------
    bands : sequence of F Band
        One per feature.
    cell : (U,) int64
        Row-major cells of the units, ascending.
    averaged : sequence of F bool
        Finer cells are averaged, not summed.

    Returns
    -------
    amount : (F, U) CSR without explicit zeros
    total : (F,) float64
        Sum over all valid cells.
    """
    units: list[list[np.ndarray]] = [[] for _ in bands]
    values: list[list[np.ndarray]] = [[] for _ in bands]
    total = np.zeros(len(bands))
    valid = np.zeros(len(bands), dtype=np.int64)
    by_file: dict[tuple[Path, rio.Method, int | None], list[int]] = {}
    for f, band in enumerate(bands):
        method: rio.Method = reader.align or "nearest"
        if band.path in reader.fine:
            method = "average" if averaged[f] or band.code is not None else "sum"
        by_file.setdefault((band.path, method, band.code if band.path in reader.fine else None), []).append(f)
    for (path, method, code), members in by_file.items():
        with rio.open_aligned(path, reader.frame, method, code) as dataset:
            for which, start, strip in rio.strips(dataset, [bands[f].index for f in members]):
                low, high = np.searchsorted(cell, [start, start + strip.shape[1]])
                inside = cell[low:high] - start
                for f, layer in zip(members[which], strip, strict=True):
                    layer = layer if code is not None else bands[f].amounts(layer)
                    there = ~np.isnan(layer)
                    valid[f] += np.count_nonzero(there)
                    total[f] += layer.sum(where=there)
                    mine = layer[inside]
                    kept = np.flatnonzero((mine != 0) & ~np.isnan(mine))
                    units[f].append((kept + low).astype(np.int32))
                    values[f].append(mine[kept])
    for path in sorted(reader.fine):
        how = {averaged[f] for f, band in enumerate(bands) if band.path == path and band.code is None}
        does = "their share of each unit counts" if not how else "averaged" if how == {True} else "summed"
        does = "averaged or summed, as landscape.density says" if len(how) > 1 else does
        reader.notes.append(
            f"{path.name} has finer cells than {reader.frame.name}: {does} in each unit ({reader.fine[path]})"
            + ("; name it in landscape.density if it holds densities" if how == {False} else "")
        )
    for f, band in enumerate(bands):
        # a layer that was resampled may well have lain beside the template: that is told as a note
        if valid[f] or band.path not in reader.resampled:
            with rio.catching(faults):
                rio.check_feature(band, total[f], int(valid[f]))
    indptr = np.zeros(len(bands) + 1, dtype=np.int64)
    np.cumsum([sum(map(len, pieces)) for pieces in units], out=indptr[1:])
    indices, data = np.empty(indptr[-1], np.int32), np.empty(indptr[-1])
    for f in range(len(bands)):
        # emptied one by one, so that pieces and result are never held twice
        if units[f]:
            np.concatenate(units[f], out=indices[indptr[f] : indptr[f + 1]])
            np.concatenate(values[f], out=data[indptr[f] : indptr[f + 1]])
        units[f], values[f] = [], []
    if indptr[-1] < np.iinfo(np.int32).max:
        # SciPy keeps both index arrays in one type: this is what keeps the large one at 32 bits
        indptr = indptr.astype(np.int32)
    amount = sparse.csr_array((data, indices, indptr), shape=(len(bands), len(cell)))
    return amount, total


def measure(cell: np.ndarray, frame: rio.Frame) -> tuple[np.ndarray, Graph, list[str]]:
    """Measure areas and borders of the cells.

    Returns
    -------
    area_km2 : (U,) float64
    graph : Graph
        Lengths in metres.
    notes : list of str
    """
    a, b, _, d, e, _ = frame.transform[:6]
    if frame.crs is not None and frame.crs.is_geographic:
        if b or d:
            raise DataError(f"{frame.name}: a grid in degrees that is turned; warp it to a north-up grid (gdalwarp)")
        return measure_degrees(cell, frame)
    notes = []
    if frame.crs is None:
        notes.append(f"{frame.name} has no CRS: its map units are taken to be metres")
    metre = rio.metres_per_unit(frame.crs)
    rows, columns = frame.shape
    corners = np.array([frame.transform @ (i, j) for i in (0, columns) for j in (0, rows)])
    bounds = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
    if frame.crs is not None and is_distorted(frame.crs, bounds, metre):
        return measure_distorted(cell, frame)
    dx, dy = float(np.hypot(a, d)) * metre, float(np.hypot(b, e)) * metre
    area_km2 = np.full(len(cell), abs(a * e - b * d) * metre**2 / 1e6)
    return area_km2, grid_graph(cell, frame.shape, dx, dy), notes


def measure_distorted(cell: np.ndarray, frame: rio.Frame) -> tuple[np.ndarray, Graph, list[str]]:
    """Measure the cells of a grid that is not of equal area on the ellipsoid; as `measure`.

    Raises
    ------
    DataError
        If a cell lies where the CRS means nothing.
    """
    assert frame.crs is not None
    area, across, down = grid_sizes(frame.crs, tuple(frame.transform[:6]), frame.shape, cell)
    if not np.isfinite(area).all():
        raise DataError(f"{frame.name}: {rio.crs_name(frame.crs)} means nothing in some of its cells; reproject it")
    grid = grid_graph(cell, frame.shape, 1.0, 1.0)
    row = cell // frame.shape[1]
    source = np.repeat(np.arange(len(cell)), np.diff(grid.indptr))
    beside = row[source] == row[grid.indices]
    # of two neighbours each has its own measure of what they share; they differ by next to nothing
    weight = np.where(beside, 0.5 * (down[source] + down[grid.indices]), 0.5 * (across[source] + across[grid.indices]))
    perimeter = 2 * (across + down)
    exposed = np.maximum(perimeter - np.bincount(source, weight, minlength=len(cell)), 0.0)
    exposed[exposed < 1e-3 * perimeter] = 0.0
    return (
        area / 1e6,
        Graph(grid.indptr, grid.indices, weight, exposed),
        [f"{frame.name} is in {rio.crs_name(frame.crs)}, {NOT_EQUAL}"],
    )


def measure_degrees(cell: np.ndarray, frame: rio.Frame) -> tuple[np.ndarray, Graph, list[str]]:
    """Measure cells between meridians and parallels on the ellipsoid, row by row; as `measure`."""
    geod = frame.crs.get_geod() if frame.crs is not None else None
    assert geod is not None and frame.crs is not None  # only called for a CRS in degrees, which has an ellipsoid
    radian = float(frame.crs.axis_info[0].unit_conversion_factor)
    rows, columns = frame.shape
    a, _, _, _, e, f = frame.transform[:6]
    # a global grid of cell centres overshoots the poles by half a cell
    latitude = np.clip((f + e * np.arange(rows + 1)) * radian, -np.pi / 2, np.pi / 2)
    width = abs(a) * radian
    area = np.abs(np.diff(zone_area(latitude, geod))) * width / 1e6
    parallel = geod.a * np.cos(latitude) / np.sqrt(1 - geod.es * np.sin(latitude) ** 2) * width
    degrees = np.degrees(latitude)
    meridian = geod.inv(np.zeros(rows), degrees[:-1], np.zeros(rows), degrees[1:])[2]

    grid = grid_graph(cell, frame.shape, 1.0, 1.0)
    row = cell // columns
    source = np.repeat(np.arange(len(cell)), np.diff(grid.indptr))
    here, there = row[source], row[grid.indices]
    weight = np.where(here == there, meridian[here], parallel[np.maximum(here, there)])
    perimeter = parallel[row] + parallel[row + 1] + 2 * meridian[row]
    exposed = perimeter - np.bincount(source, weight, minlength=len(cell))
    # what rounding leaves of a unit that is enclosed on all sides is no border
    exposed[exposed < 1e-9 * perimeter] = 0.0
    note = f"{frame.name} is in {rio.crs_name(frame.crs)}: areas and borders are measured on the ellipsoid, row by row"
    return area[row], Graph(grid.indptr, grid.indices, weight, exposed), [note]


def zone_area(latitude: np.ndarray, geod: pyproj.Geod) -> np.ndarray:
    """Area in m2 from the equator to a latitude (radians), per radian of longitude, on the ellipsoid.

    The closed form (Snyder 1987, equation 3-12): summing geodesic polygons instead would cut off the strip between
    a parallel and the geodesic through its ends, which matters for cells of a degree and more.
    """
    sine, e = np.sin(latitude), np.sqrt(geod.es)
    if e == 0:
        return geod.a**2 * sine
    return geod.a**2 * (1 - e**2) / 2 * (sine / (1 - (e * sine) ** 2) + np.arctanh(e * sine) / e)


MEMBER = Raster
