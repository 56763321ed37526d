"""Single rasters for circuits and corridors: read as float64 with NaN, written as GeoTIFF or ESRI ASCII grid."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prioritize.errors import DataError
from prioritize.inputfile import gate, gate_gdal, room_for_grid
from prioritize.output import blaming, guard_path
from prioritize.source import no_file

NODATA = -9999.0


@dataclass(frozen=True, eq=False)
class Raster:
    """One band.

    Attributes
    ----------
    path : Path
    value : (R, C) float64
        NaN where there is no data.
    transform : (6,) float
        Affine, pixel to map: (width, 0, left, 0, -height, top).
    crs : Any
        As rasterio has it; None where the file says nothing.
    """

    path: Path
    value: np.ndarray
    transform: tuple[float, ...]
    crs: Any = None

    @property
    def cell_size(self) -> tuple[float, float]:
        """Width and height of a cell, in units of the map."""
        return abs(self.transform[0]), abs(self.transform[4])

    @property
    def cell_size_m(self) -> tuple[float, float]:
        """Width and height of a cell in metres; a file without a CRS is taken to be in metres.

        Raises
        ------
        DataError
            If the map is in degrees.
        """
        if self.crs is None:
            return self.cell_size
        if self.crs.is_geographic:
            raise DataError(f"{self.path}: in degrees; lengths need a projected map, warp it to one in metres")
        metres = self.crs.linear_units_factor[1]
        return self.cell_size[0] * metres, self.cell_size[1] * metres


def read_raster(path: Path, like: Raster | None = None) -> Raster:
    """Read the first band of a raster.

    Parameters
    ----------
    path : Path
    like : Raster, optional
        The raster must cover the same grid.

    Raises
    ------
    DataError
        If the file is missing, no raster, or on another grid.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    path = Path(path)
    gate_gdal(path)
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a raster in it")
    if not path.is_file():
        raise DataError(no_file(path, "raster"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as file:
                for source in file.files[1:]:
                    gate(source)
                # the band as it is, as float64 and its mask
                room_for_grid(path, file.shape, 2 * 8 + np.dtype(file.dtypes[0]).itemsize + 1)
                band = file.read(1, masked=True)
                transform, crs = tuple(file.transform)[:6], file.crs
    except RasterioError as error:
        raise DataError(f"{path}: damaged or not a raster ({' '.join(str(error).split())})") from None
    if np.iscomplexobj(band):
        raise DataError(f"{path}: holds complex numbers; save the real part, or the modulus, as a raster of its own")
    value = np.ma.filled(band.astype(np.float64), np.nan)
    if not np.isfinite(transform).all() or transform[0] == 0 or transform[4] == 0:
        raise DataError(f"{path}: the size or the place of its cells is no number ({transform}); save it anew")
    if transform[1] != 0 or transform[3] != 0:
        raise DataError(f"{path}: the grid is rotated; warp it to a north-up grid first")
    raster = Raster(path, value, transform, crs)
    if like is not None:
        same = value.shape == like.value.shape and np.allclose(
            transform, like.transform, rtol=1e-9, atol=0.01 * like.cell_size[0]
        )
        if not same:
            raise DataError(
                f"{path}: a grid of {value.shape} cells at {transform} is not that of {like.path}, "
                f"{like.value.shape} at {like.transform}"
            )
    return raster


def whole_numbers(raster: Raster) -> np.ndarray:
    """(R, C) int64 labels of a raster, 0 where there is no data.

    Raises
    ------
    DataError
        If a value is not a whole number.
    """
    value = np.where(np.isnan(raster.value), 0.0, raster.value)
    if not np.array_equal(value, np.rint(value)):
        wrong = value[value != np.rint(value)][0]
        raise DataError(f"{raster.path}: {wrong:g} is not a whole number; labels are needed")
    return value.astype(np.int64)


def write_raster(path: Path, image: np.ndarray, like: Raster) -> None:
    """Write an image on the grid of another raster: `.asc` with ten digits, else a compressed float64 GeoTIFF.

    Parameters
    ----------
    image : (R, C) float64
        NaN becomes NODATA (-9999).

    Raises
    ------
    DataError
        If an ASCII grid is asked for and the cells are not square.
    """
    image = np.where(np.isnan(image), NODATA, image)
    if path.suffix.lower() == ".asc":
        write_ascii(path, image, like)
        return
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.transform import Affine

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=image.shape[0],
            width=image.shape[1],
            count=1,
            dtype="float64",
            nodata=NODATA,
            crs=like.crs,
            transform=Affine(*like.transform),
            compress="DEFLATE",
            predictor=3,
            tiled=True,
        ) as file:
            file.write(image, 1)


def write_ascii(path: Path, image: np.ndarray, like: Raster) -> None:
    """An ESRI ASCII grid."""
    width, height = like.cell_size
    if abs(width - height) > 1e-9 * width:
        raise DataError(f"{path.name}: an ASCII grid has square cells, these are {width:g} x {height:g}; write .tif")
    rows, columns = image.shape
    left, bottom = like.transform[2], like.transform[5] + rows * like.transform[4]
    head = {"ncols": columns, "nrows": rows, "xllcorner": left, "yllcorner": bottom, "cellsize": width}
    with path.open("w", encoding="ascii", newline="\n") as file:
        for key, value in head.items():
            file.write(f"{key:<13} {value!r}\n")
        file.write(f"{'NODATA_value':<13} {NODATA:g}\n")
        for row in image:
            file.write(" ".join([f"{value:.10g}" for value in row.tolist()]) + "\n")


@contextmanager
def drafts(folder: Path) -> Iterator[Path]:
    """A folder to write in; its files move to `folder` at the end, or not at all."""
    folder = Path(folder)
    guard_path(folder)
    made = [part for part in (folder, *folder.parents) if not part.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=folder) as name, blaming(folder, Path(name)):
            yield Path(name)
            for path in sorted(Path(name).iterdir()):
                os.replace(path, folder / path.name)
    except BaseException:
        for part in made:  # leave no empty folder behind
            if part.is_dir() and not any(part.iterdir()):
                part.rmdir()
        raise
