"""Single rasters for circuits and corridors: read as float64 with NaN, written as GeoTIFF or ESRI ASCII grid."""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prioritize.errors import DataError
from prioritize.inputfile import gate_gdal, no_file
from prioritize.output import gathered

NODATA = -9999.0
#: what reading one cell takes at the least: the value as it is and as float64, and whether it has data
BYTES_A_CELL = 17
#: float64 tells whole numbers apart up to here
EXACT = 2.0**53
#: a folder to write in; its files move to their place at the end, all of them or none
drafts = gathered


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
        One that gzip packed (`.tif.gz`) is read as it is.
    like : Raster, optional
        The raster must cover the same grid.

    Raises
    ------
    DataError
        If the file is missing, no raster, too large for the memory of this computer, or on another grid.
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
            with rasterio.open(f"/vsigzip/{path}" if path.suffix.lower() == ".gz" else path) as file:
                transform, crs = tuple(file.transform)[:6], file.crs
                guard_grid(path, file.shape, transform, str(file.dtypes[0]), like)
                band = file.read(1, masked=True)
    except RasterioError as error:
        raise DataError(f"{path}: damaged or not a raster ({' '.join(str(error).split())})") from None
    except MemoryError:
        raise DataError(f"{path}: does not fit into the memory that is free; crop or aggregate it") from None
    return Raster(path, np.ma.filled(band.astype(np.float64), np.nan), transform, crs)


def guard_grid(
    path: Path, shape: tuple[int, int], transform: tuple[float, ...], dtype: str, like: Raster | None
) -> None:
    """Refuse by its header, before any cell is read, what cannot be used.

    Raises
    ------
    DataError
        If the grid is rotated, of complex numbers, not that of `like`, or larger than the memory of this computer.
    """
    if transform[1] != 0 or transform[3] != 0:
        raise DataError(f"{path}: the grid is rotated; warp it to a north-up grid first")
    if "complex" in dtype:
        raise DataError(f"{path}: holds complex numbers ({dtype}); write one real number a cell")
    if like is not None:
        same = shape == like.value.shape and np.allclose(
            transform, like.transform, rtol=1e-9, atol=0.01 * like.cell_size[0]
        )
        if not same:
            raise DataError(
                f"{path}: a grid of {shape} cells at {transform} is not that of {like.path}, "
                f"{like.value.shape} at {like.transform}"
            )
    need, room = shape[0] * shape[1] * BYTES_A_CELL, memory()
    if need > room:
        raise DataError(
            f"{path}: {shape[0]:,} x {shape[1]:,} cells take {need / 2**30:,.0f} GiB, this computer has "
            f"{room / 2**30:,.0f} GiB of memory; crop or aggregate it"
        )


def memory() -> int:
    """Bytes of memory of this computer; where the system does not say, as much as addresses reach."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return sys.maxsize


def whole_numbers(raster: Raster) -> np.ndarray:
    """(R, C) int64 labels of a raster, 0 where there is no data.

    Raises
    ------
    DataError
        If a value is not a whole number, or too large to be told from its neighbours.
    """
    value = np.where(np.isnan(raster.value), 0.0, raster.value)
    if (np.abs(value) >= EXACT).any():
        wrong = value[np.abs(value) >= EXACT][0]
        raise DataError(f"{raster.path}: {wrong:g} is too large for a label; use whole numbers below {EXACT:.0f}")
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
