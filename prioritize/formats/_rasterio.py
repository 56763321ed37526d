"""What the formats share about rasters: references, opening, comparing with a grid, reading strip by strip."""

from __future__ import annotations

import glob
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyproj
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from prioritize.errors import DataError, Faults, PrioritizeError
from prioritize.inputfile import gate, gate_gdal, no_file
from prioritize.landscape import some
from prioritize.source import LandscapeConfig

Align = Literal["nearest", "bilinear"]
Method = Literal["nearest", "bilinear", "sum", "average"]

RASTER_SUFFIXES = frozenset(
    [
        ".tif",
        ".tiff",
        ".gtiff",
        ".vrt",
        ".img",
        ".asc",
        ".bil",
        ".bip",
        ".bsq",
        ".flt",
        ".grd",
        ".nc",
        ".hdf",
        ".h5",
        ".jp2",
        ".rst",
        ".sdat",
        ".png",
        ".jpg",
    ]
)

# 4 M values are 32 MB as float64: large enough to keep GDAL busy, small beside the amounts themselves
VALUES_AT_ONCE = 4_000_000
BANDS_AT_ONCE = 32

# how far, in cells, a corner of a layer may lie from the template's before it is another grid
GRID_TOLERANCE = 0.01

# only stands in for "both files are silent about their CRS" where GDAL wants one to resample
UNKNOWN_CRS = 'LOCAL_CS["unknown",UNIT["metre",1]]'


@dataclass(frozen=True)
class Band:
    """One band of a raster file.

    Attributes
    ----------
    path : Path
    index : int
        From 1, as GDAL counts.
    name : str
        The band's description if it has one, else made from the file name.
    unit : str
    code : int or None
        The class that this band stands for: it holds 1 where the raster holds this number, 0 elsewhere.
    """

    path: Path
    index: int
    name: str
    unit: str = "amount"
    code: int | None = None

    def amounts(self, values: np.ndarray) -> np.ndarray:
        """Amounts of values that were read, NaN where there is no data."""
        if self.code is None:
            return values
        return np.where(np.isnan(values), np.nan, values == self.code)

    @property
    def where(self) -> str:
        """How faults name it."""
        return f"{self.path}#{self.index}" if self.index > 1 else str(self.path)

    @property
    def short(self) -> str:
        """How notes name it: they are part of the answer, which does not depend on where the files lie."""
        return f"{self.path.name}#{self.index}" if self.index > 1 else self.path.name


@dataclass(frozen=True)
class Frame:
    """The grid that layers are compared with: shape, transform and CRS of a template.

    Attributes
    ----------
    name : str
        File name, for messages.
    shape : (rows, columns)
    transform : Affine
    crs : pyproj.CRS or None
        None where the file says nothing, or only that the plane is a local one.
    """

    name: str
    shape: tuple[int, int]
    transform: Affine
    crs: pyproj.CRS | None


@contextmanager
def catching(faults: Faults, where: str = "") -> Iterator[None]:
    """Remember what is wrong inside the block, after the key of the scenario that is to blame, and go on."""
    try:
        yield
    except PrioritizeError as error:
        for fault in error.faults:
            faults.add(f"{where}: {fault}" if where else fault)


def split_reference(reference: str | Path) -> tuple[Path, int | None]:
    """Split `path#band` into path and band; a file whose own name holds `#` wins.

    Raises
    ------
    DataError
        If what follows `#` is not a band number, or there is nothing at all.
    """
    text = str(reference)
    if not text.strip():
        raise DataError("the name of the raster is empty; name a file, or leave the key out")
    path, mark, band = text.rpartition("#")
    if not mark or Path(text).exists():
        return Path(text), None
    if not band.isdecimal() or len(band) > 9:
        raise DataError(f"{text}: '{band}' is not a band number; write '{path}#1' for the first band")
    return Path(path), int(band)


def is_raster(reference: str) -> bool:
    """Whether a reference looks like a raster (by suffix or band number) rather than a column."""
    path, mark, band = reference.rpartition("#")
    named = path if mark and band.isdecimal() else reference
    return bool(mark and band.isdecimal()) or Path(named).suffix.lower() in RASTER_SUFFIXES


def paths_of(reference: str | Path) -> list[Path]:
    """List the files behind a reference or glob; one that matches nothing is returned as it is."""
    try:
        path, _ = split_reference(reference)
    except PrioritizeError:
        return [Path(reference)] if str(reference).strip() else []
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    return [Path(found) for found in sorted(glob.glob(str(path), recursive=True))]


@contextmanager
def open_raster(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Open a raster file, or say in one sentence why it cannot be opened.

    Raises
    ------
    DataError
    """
    gate_gdal(path)
    if not path.exists():
        raise DataError(no_file(path))
    try:
        with warnings.catch_warnings():
            # a raster without a transform is told of by the comparison with the template
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(path)
    except RasterioError:
        raise DataError(
            f"{path}: not a raster that GDAL can read (it reads GeoTIFF and about a hundred others); "
            "is it damaged, or another kind of file?"
        ) from None
    with dataset:
        for source in dataset.files[1:]:  # a virtual raster opens its sources only when they are read
            gate(source)
        if any(kind.startswith("complex") for kind in dataset.dtypes):
            raise DataError(f"{path}: holds complex numbers; save their real part or their modulus as a raster")
        if dataset.count == 0:
            inside = f"; it holds {some(dataset.subdatasets, 3)}" if dataset.subdatasets else ""
            raise DataError(f"{path}: no band in this raster{inside}; save the layer wanted as GeoTIFF")
        yield dataset


def bands_of(reference: str | Path) -> list[Band]:
    """List the bands of `path` (all of them) or `path#band` (that one).

    Raises
    ------
    DataError
        If the file cannot be opened or has no such band.
    """
    path, wanted = split_reference(reference)
    with open_raster(path) as dataset:
        count = dataset.count
        if wanted is not None and not 1 <= wanted <= count:
            raise DataError(f"{path}: there is no band {wanted}; the file has {count}, counted from 1")
        indexes = range(1, count + 1) if wanted is None else [wanted]
        return [
            Band(
                path,
                index,
                (dataset.descriptions[index - 1] or "").strip() or _plain_name(path, index, count),
                (dataset.units[index - 1] or "").strip() or "amount",
            )
            for index in indexes
        ]


def one_band(reference: str | Path) -> Band:
    """Find the band of a reference that must mean exactly one.

    Raises
    ------
    DataError
    """
    bands = bands_of(reference)
    if len(bands) > 1:
        raise DataError(f"{reference}: the file has {len(bands)} bands; say which one, as in '{reference}#1'")
    return bands[0]


def feature_bands(references: Iterable[str], faults: Faults) -> list[Band]:
    """List the bands of all feature references and globs, each once and in the order written, with unique names.

    Faults (a missing file, a glob that matches nothing) are added to `faults`.
    """
    found: dict[tuple[Path, int], Band] = {}
    for reference in references:
        files: list[str | Path] = [reference]
        if glob.has_magic(str(reference)) and not Path(reference).exists():
            pattern, mark, band = str(reference).rpartition("#")
            if not (mark and band.isdecimal()):
                pattern, band = str(reference), ""
            matches = sorted(glob.glob(pattern, recursive=True))
            files = [f"{match}#{band}" if band else match for match in matches]
            if not matches:
                faults.add(f"{reference}: no file matches; correct landscape.features")
        for file in files:
            with catching(faults):
                for item in bands_of(file):
                    found.setdefault((item.path, item.index), item)
    # many tools write one and the same description ("layer") into every file they make
    often = Counter(band.name for band in found.values())
    counts = Counter(band.path for band in found.values())
    bands = [
        replace(band, name=_plain_name(band.path, band.index, max(counts[band.path], band.index)))
        if often[band.name] > 1
        else band
        for band in found.values()
    ]
    for name, times in Counter(band.name for band in bands).items():
        if times > 1:
            places = [band.where for band in bands if band.name == name]
            faults.add(f"{some(places)}: these features would all be called '{name}'; rename the files or the bands")
    return bands


def _plain_name(path: Path, index: int, count: int) -> str:
    return path.stem if count == 1 else f"{path.stem}_{index}"


def plain_crs(crs: pyproj.CRS | rasterio.CRS | None) -> pyproj.CRS | None:
    """Return the CRS as pyproj knows it; None for none, and for a local plane that lies nowhere on Earth."""
    if not crs:
        return None
    plain = crs if isinstance(crs, pyproj.CRS) else pyproj.CRS.from_wkt(crs.to_wkt())
    return None if plain.type_name == "Engineering CRS" else plain


def crs_name(crs: pyproj.CRS | None) -> str:
    """Name a CRS in a message: its authority code, else its name."""
    if crs is None:
        return "no CRS"
    authority = crs.to_authority()
    return "CRS " + (":".join(authority) if authority else f"'{crs.name}'")


def same_crs(one: pyproj.CRS | None, other: pyproj.CRS | None) -> bool:
    """Whether two CRS mean the same, however they are written and in whatever order their axes are named."""
    if one is None or other is None:
        return one is other
    if one == other or one.equals(other, ignore_axis_order=True):
        return True
    code = one.to_authority()
    return code is not None and code == other.to_authority()


def metres_per_unit(crs: pyproj.CRS | None) -> float:
    """Metres in one unit of a projected CRS (US survey feet exist); 1 where there is none."""
    return 1.0 if crs is None else float(crs.axis_info[0].unit_conversion_factor)


def wkt_of(crs: pyproj.CRS | None) -> str | None:
    """Write a CRS the shortest way that keeps it: `EPSG:32755`, else WKT."""
    if crs is None:
        return None
    authority = crs.to_authority(min_confidence=100)
    return ":".join(authority) if authority else crs.to_wkt()


def frame_of(dataset: rasterio.DatasetReader) -> Frame:
    """Return the grid of an open raster."""
    return Frame(Path(dataset.name).name, dataset.shape, dataset.transform, plain_crs(dataset.crs))


def difference(frame: Frame, template: Frame) -> str | None:
    """Say how a grid differs from the template's, or None where it does not."""
    if not same_crs(frame.crs, template.crs):
        return f"{crs_name(frame.crs)}, but {template.name} has {crs_name(template.crs)}"
    if frame.shape != template.shape:
        return f"{_shape(frame.shape)}, but {template.name} has {_shape(template.shape)}"
    rows, columns = template.shape
    corners = np.array([[0, columns, 0, columns], [0, 0, rows, rows], [1, 1, 1, 1]], dtype=np.float64)
    # the corners of one grid in cells of the other
    moved = np.linalg.solve(_matrix(template.transform), _matrix(frame.transform) @ corners)
    if not np.abs(moved - corners).max() <= GRID_TOLERANCE:
        return f"{_origin(frame.transform)}, but {template.name} has {_origin(template.transform)}"
    return None


def _matrix(transform: Affine) -> np.ndarray:
    return np.array([*transform[:6], 0.0, 0.0, 1.0]).reshape(3, 3)


def _shape(shape: tuple[int, int]) -> str:
    return f"{shape[0]} rows x {shape[1]} columns"


def _origin(transform: Affine) -> str:
    a, b, c, d, e, f = transform[:6]
    turned = f", turned ({b:.10g}, {d:.10g})" if b or d else ""
    return f"origin ({c:.10g}, {f:.10g}) and cells of {a:.10g} x {e:.10g}{turned}"


def check_layer(band: Band, template: Frame, align: Align | None) -> str | None:
    """Compare a layer with the template and say what `align` has to put right (None: nothing).

    Raises
    ------
    DataError
        If the grids differ and `align` is not set, or if only one of the two has a CRS.
    """
    with open_raster(band.path) as dataset:
        frame = frame_of(dataset)
    differs = difference(frame, template)
    if differs is None:
        return None
    if (frame.crs is None) != (template.crs is None):
        silent = band.path if frame.crs is None else template.name
        raise DataError(
            f"{band.path}: {differs}; write the CRS into {silent} "
            "(gdal_edit -a_srs EPSG:..., or 'Assign projection' in QGIS)"
        )
    if align is None:
        raise DataError(
            f'{band.path}: {differs}; set landscape.align = "nearest" (categories) or "bilinear" (quantities) '
            "to resample it, or bring the file to the same grid"
        )
    return differs


def finer(path: Path, template: Frame) -> bool:
    """Whether a raster's cells are smaller than the template's, so that several lie in one of these."""
    with open_raster(path) as dataset:
        frame = frame_of(dataset)
    if difference(frame, template) is None:
        return False
    rows, columns = template.shape
    x, y = template.transform @ (np.array([0, 1, 0]) + columns / 2, np.array([0, 0, 1]) + rows / 2)
    if frame.crs is not None and template.crs is not None and not same_crs(frame.crs, template.crs):
        x, y = pyproj.Transformer.from_crs(template.crs, frame.crs, always_xy=True).transform(x, y)
    cell = abs((x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]))
    own = abs(frame.transform.a * frame.transform.e - frame.transform.b * frame.transform.d)
    return bool(np.isfinite(cell) and own < 0.9 * cell)


@contextmanager
def open_aligned(
    path: Path, template: Frame, resampling: Method = "nearest", code: int | None = None
) -> Iterator[rasterio.DatasetReader]:
    """Open a raster on the template's grid: the file itself where it lies on it, else a window-wise resampled view.

    With `code` what is resampled is 1 where the raster holds this class and 0 elsewhere. The caller has asked
    `check_layer` first, so that nothing is resampled unasked.
    """
    with open_raster(path) as dataset:
        if difference(frame_of(dataset), template) is None:
            yield dataset
            return
        crs = UNKNOWN_CRS if template.crs is None else template.crs.to_wkt()
        rows, columns = template.shape
        grid = {"transform": template.transform, "height": rows, "width": columns}
        if code is None:
            with resampled(dataset, crs, resampling, **grid) as view:
                yield view
            return
        with MemoryFile() as memory:
            profile = {"driver": "GTiff", "dtype": "float32", "nodata": np.nan, "count": dataset.count}
            with memory.open(
                **profile, crs=dataset.crs, transform=dataset.transform, height=dataset.height, width=dataset.width
            ) as copy:
                for index in range(1, dataset.count + 1):
                    for _, start, strip in strips(dataset, [index]):
                        first, height = start // dataset.width, strip.shape[1] // dataset.width
                        shares = np.where(np.isnan(strip[0]), np.nan, strip[0] == code).reshape(height, dataset.width)
                        window = Window(0, first, dataset.width, height)
                        copy.write(shares.astype(np.float32), index, window=window)
            with memory.open() as copy, resampled(copy, crs, resampling, **grid) as view:
                yield view


def resampled(dataset: rasterio.DatasetReader, crs: str, resampling: Method, **grid: object) -> WarpedVRT:
    """View an open raster in another CRS or grid, as float64 with NaN where it says nothing."""
    floating = all(np.issubdtype(np.dtype(kind), np.floating) for kind in dataset.dtypes)
    unmarked = dataset.nodata is None and floating
    return WarpedVRT(
        dataset,
        src_crs=None if dataset.crs else UNKNOWN_CRS,
        crs=crs,
        resampling=Resampling[resampling],
        dtype="float64",
        nodata=np.nan,
        # an unmarked NaN would spread into its neighbours instead of being left out
        **({"src_nodata": np.nan} if unmarked else {}),
        # rasterio's own default, YES, takes a cell for data as soon as *any* band has data there,
        # and then mixes the NoData numbers of the other bands into the result
        UNIFIED_SRC_NODATA="NO",
        **grid,
    )


def strips(dataset: rasterio.DatasetReader, indexes: Sequence[int]) -> Iterator[tuple[slice, int, np.ndarray]]:
    """Read bands a few rows at a time, so that no (bands x cells) array is ever held.

    Parameters
    ----------
    dataset : open raster
    indexes : sequence of int
        Bands, from 1.

    Yields
    ------
    which : slice
        The positions in `indexes` that this strip holds.
    start : int
        Row-major number of the strip's first cell.
    values : (bands of the strip, cells of the strip) float64
        Scale and offset applied; NaN where there is no data (NoData value, mask or NaN).
    """
    rows, columns = dataset.shape
    indexes = list(indexes)
    block = dataset.block_shapes[0][0]
    for first in range(0, len(indexes), BANDS_AT_ONCE):
        some_bands = indexes[first : first + BANDS_AT_ONCE]
        height = max(1, VALUES_AT_ONCE // (columns * len(some_bands)))
        # whole blocks, so that none is decompressed twice
        height = height // block * block if height > block else height
        scale = np.array([dataset.scales[index - 1] for index in some_bands])[:, None]
        offset = np.array([dataset.offsets[index - 1] for index in some_bands])[:, None]
        scaled = bool(np.any(scale != 1) or np.any(offset != 0))
        for row in range(0, rows, height):
            window = Window(0, row, columns, min(height, rows - row))
            try:
                read = dataset.read(some_bands, window=window, masked=True)
            except RasterioError as error:
                detail = str(error.__cause__ or error).strip()
                raise DataError(f"{dataset.name}: damaged near row {row + 1} ({detail}); save it anew") from None
            values = read.data.astype(np.float64)
            values[np.ma.getmaskarray(read)] = np.nan
            values = values.reshape(len(some_bands), -1)
            if scaled:
                values = values * scale + offset
            yield slice(first, first + len(some_bands)), row * columns, values


def check_feature(band: Band, total: float, valid: int) -> None:
    """Refuse a feature layer that says nothing, or something that is not a number.

    Raises
    ------
    DataError
    """
    if valid == 0:
        raise DataError(
            f"{band.where}: no cell of feature '{band.name}' holds a value (all NoData); "
            "remove it from landscape.features, or correct its NoData value"
        )
    if not np.isfinite(total):
        raise DataError(f"{band.where}: feature '{band.name}' holds infinite values; correct the layer")


def group_references(config: LandscapeConfig) -> dict[str, str]:
    """References of the layers of labels, by the key that names each; short names resolved."""
    levels = {"regions": config.regions} if isinstance(config.regions, str) else dict(config.regions or {})
    named = {key if key == "regions" else f"regions.{key}": reference for key, reference in levels.items()}
    if config.realm is not None:
        named["realm"] = config.realm
    return {key: config.layers.get(reference, reference) for key, reference in named.items()}


def number_references(config: LandscapeConfig) -> dict[str, str]:
    """References of the layers of numbers (cost, locks, tenure), by the key that names each; short names resolved."""
    named = {"cost": config.cost, "locked_in": config.locked_in, "locked_out": config.locked_out}
    named |= {f"tenure.{name}": reference for name, reference in config.tenure.items()}
    return {key: config.layers.get(value, value) for key, value in named.items() if isinstance(value, str)}


def feature_references(config: LandscapeConfig) -> list[str]:
    """References and globs of the features; short names resolved."""
    listed = [config.features] if isinstance(config.features, str) else list(config.features or [])
    return [config.layers.get(reference, reference) for reference in listed]


def names_table(path: Path) -> Path:
    """Path of the table (`code`, `name`) that may lie beside a raster of codes."""
    return path.with_suffix(".csv") if path.name else path
