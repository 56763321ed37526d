"""Lines that somebody drew: a folder of ours, any raster (what is not zero is inside), or any polygons."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pyproj
import rasterio.features
import shapely
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

from prioritize.errors import DataError
from prioritize.formats import _rasterio as rio
from prioritize.formats.vector import read_polygons
from prioritize.inputfile import no_file, room_for_grid
from prioritize.landscape import Landscape
from prioritize.place import Grid, Polygons

#: what a folder may hold, in the order of trust
WITHIN = ("criteria.tif", "selection.tif", "line.gpkg", "selection.gpkg")


@dataclass(frozen=True, eq=False)
class RasterLine:
    """A line on a grid.

    Attributes
    ----------
    frame : Frame
    inside : (rows, columns) bool
    """

    frame: rio.Frame
    inside: np.ndarray


@dataclass(frozen=True, eq=False)
class VectorLine:
    """A line as polygons.

    Attributes
    ----------
    name : str
    crs : pyproj.CRS or None
    geometry : shapely geometry
        Its union.
    """

    name: str
    crs: pyproj.CRS | None
    geometry: shapely.Geometry


def read_line(path: Path) -> RasterLine | VectorLine:
    """Read a line.

    Raises
    ------
    DataError
        If there is no such file, or none in the folder, or nothing lies inside the line.
    """
    path = found(Path(path))
    if rio.is_raster(str(path)):
        return read_raster_line(path)
    frame = read_any_polygons(path)
    if frame.crs is None and len(frame) == 0:
        raise DataError(f"{path}: holds no polygon")
    union = shapely.union_all(shapely.make_valid(frame.geometry.to_numpy()))
    if union.is_empty or union.area == 0:
        raise DataError(f"{path}: nothing lies inside this line; its polygons have no area")
    return VectorLine(path.name, rio.plain_crs(frame.crs), union)


def found(path: Path) -> Path:
    """The file of a line: itself, or what its folder holds."""
    if not path.exists() and not rio.is_raster(str(path)):
        raise DataError(no_file(path, "line"))
    if not path.is_dir():
        return path
    for name in WITHIN:
        if (path / name).is_file():
            return path / name
    raise DataError(f"{path}: holds no line; a redline folder or a run folder has one of {', '.join(WITHIN)}")


def read_raster_line(path: Path) -> RasterLine:
    """Read a raster: inside is what holds a value that is not zero."""
    band = rio.one_band(path)
    with rio.open_raster(band.path) as dataset:
        frame = rio.frame_of(dataset)
        room_for_grid(path, frame.shape, 2)
        inside = np.empty(frame.shape, bool)
        for _, start, values in rio.strips(dataset, [band.index]):
            inside.reshape(-1)[start : start + values.shape[1]] = np.nan_to_num(values[0]) != 0
    if not inside.any():
        raise DataError(f"{path}: nothing lies inside this line; every cell is zero or NoData")
    return RasterLine(frame, inside)


def read_any_polygons(path: Path) -> geopandas.GeoDataFrame:
    """Read polygons; of a run folder's units only the selected ones."""
    frame = read_polygons(path, None)
    if path.name.startswith("selection.") and "selected" in frame:
        frame = frame[frame["selected"].astype(bool)]
    return frame


def rasterised(line: VectorLine, frame: rio.Frame) -> np.ndarray:
    """(rows, columns) bool: cells whose centre lies inside the polygons."""
    geometry = line.geometry
    if (line.crs is None) != (frame.crs is None):
        silent = line.name if line.crs is None else frame.name
        raise DataError(f"{silent}: has no CRS, so it cannot be laid over the other line; assign one")
    if not rio.same_crs(line.crs, frame.crs):
        geometry = geopandas.GeoSeries([geometry], crs=line.crs).to_crs(frame.crs).iloc[0]
    return rasterio.features.geometry_mask([geometry], frame.shape, frame.transform, invert=True)


def line_on_units(path: Path, landscape: Landscape) -> np.ndarray:
    """(U,) bool: the planning units that lie inside a line.

    A cell lies inside by its centre, a polygon by at least half of its area.

    Raises
    ------
    DataError
        If the line is a raster of another grid, or the units lie nowhere.
    """
    line = read_line(path)
    place = landscape.place
    if isinstance(place, Grid):
        crs = None if place.crs is None else rio.plain_crs(pyproj.CRS.from_user_input(place.crs))
        frame = rio.Frame(landscape.name, (place.shape[0], place.shape[1]), Affine(*place.transform), crs)
        if isinstance(line, VectorLine):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                return rasterised(line, frame).ravel()[place.cell]
        differs = rio.difference(line.frame, frame)
        if differs is not None:
            raise DataError(f"{path}: {differs}; bring the line to the grid of the landscape, or give it as polygons")
        return line.inside.ravel()[place.cell]
    if isinstance(place, Polygons):
        if isinstance(line, RasterLine):
            raise DataError(
                f"{path}: is a raster, but {landscape.name} has polygons as units; give the line as polygons"
            )
        geometry = line.geometry
        crs = rio.plain_crs(place.geometry.crs)
        if not rio.same_crs(line.crs, crs):
            geometry = geopandas.GeoSeries([geometry], crs=line.crs).to_crs(crs).iloc[0]
        units = place.geometry.to_numpy()
        shapely.prepare(geometry)
        inside = np.zeros(len(units), bool)
        near = np.flatnonzero(shapely.intersects(geometry, units))
        # a millionth covers what writing and reading coordinates loses
        share = shapely.area(shapely.intersection(units[near], geometry)) / shapely.area(units[near])
        inside[near] = share >= 0.5 * (1 - 1e-6)
        return inside
    raise DataError(f"{landscape.name}: its units have no position, so no line can be laid over them")
