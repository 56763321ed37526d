"""Layers in: raster files are read by windows, so that a national map is never held more than once."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
from rasterio.errors import RasterioError
from rasterio.windows import Window

from prioritize.errors import DataError
from prioritize.formats import _rasterio as rio
from prioritize.formats import raster
from prioritize.inputfile import room_for_grid
from prioritize.redline.windows import Grids, grids_of, region_levels, rows_at_once
from prioritize.scenario import Scenario


def open_grids(scenario: Scenario, strip_rows: int | None = None, stack: ExitStack | None = None) -> Grids:
    """Layers of a scenario's landscape: rasters are read by windows, anything else on a grid as a whole.

    Parameters
    ----------
    scenario : Scenario
    strip_rows : int, optional
        Rows read at once; about 4 M cells where absent.
    stack : ExitStack, optional
        Keeps the files open; needed for rasters.
    """
    if isinstance(scenario.landscape, raster.Raster) and stack is not None:
        return raster_grids(scenario.landscape, stack, strip_rows)
    return grids_of(scenario.landscape.open(scenario.seed), scenario.landscape, strip_rows)


def raster_grids(config: raster.Raster, stack: ExitStack, strip_rows: int | None = None) -> Grids:
    """Raster files on one grid, read by windows; features are not read at all.

    The template is `landscape.units`, or the cost where there is none; its cells that hold a value (of `units`: that
    are not zero) are the units.

    Raises
    ------
    DataError
    """
    named = config.units if config.units is not None else config.cost
    if not isinstance(named, str):
        raise DataError("landscape.units is missing: name one raster that says where the planning units are")
    template = rio.one_band(config.layers.get(named, named))
    with rio.open_raster(template.path) as dataset:
        frame = rio.frame_of(dataset)
        block = dataset.block_shapes[0][0]
    rows, columns = frame.shape
    room_for_grid(template.path, frame.shape, 8)
    strip = strip_rows or rows_at_once(columns)
    if strip_rows is None and strip > block:
        strip = strip // block * block  # whole blocks, so that none is decompressed twice
    first = np.arange(rows, dtype=np.int64) * columns
    area, _, notes = raster.measure(first, frame)
    opened: dict[str, tuple[Any, int]] = {}

    def read(reference: str, rows: slice) -> np.ndarray:
        if reference not in opened:
            band = rio.one_band(config.layers.get(reference, reference))
            differs = rio.check_layer(band, frame, config.align)
            if differs is not None:
                notes.append(f"{band.path.name} is resampled (align = {config.align}): {differs}")
            dataset = stack.enter_context(rio.open_aligned(band.path, frame, config.align or "nearest"))
            opened[reference] = (dataset, band.index)
        return read_rows(*opened[reference], rows)

    inside = np.zeros(frame.shape, bool)
    for start in range(0, rows, strip):
        part = slice(start, min(start + strip, rows))
        values = read(named, part)
        inside[part] = ~np.isnan(values) if config.units is None else np.nan_to_num(values) != 0
    if not inside.any():
        raise DataError(f"{template.where}: no cell is a planning unit; check its NoData value")

    def codes(reference: str) -> tuple[np.ndarray, tuple[str, ...]]:
        found: set[float] = set()
        raw = np.empty(frame.shape, np.int32)
        for start in range(0, rows, strip):
            part = slice(start, min(start + strip, rows))
            values = np.where(inside[part], read(reference, part), np.nan)
            there = np.unique(values[~np.isnan(values)])
            if np.any(there != np.round(there)) or np.any(np.abs(there) >= 2**31):
                raise DataError(f"{reference}: {there[there != np.round(there)][:1]} is no code; use whole numbers")
            found.update(there.tolist())
            raw[part] = np.where(np.isnan(values), np.iinfo(np.int32).min, values).astype(np.int32)
        known = np.array(sorted(found), dtype=np.int64)
        names = raster.read_names(rio.names_table(rio.one_band(config.layers.get(reference, reference)).path))
        for start in range(0, rows, strip):  # codes become positions, in place
            part = slice(start, min(start + strip, rows))
            missing = raw[part] == np.iinfo(np.int32).min
            raw[part] = np.where(missing, -1, np.searchsorted(known, raw[part]))
        return raw, tuple(names.get(int(code), str(int(code))) for code in known)

    return Grids(
        template.path.name,
        frame.shape,
        area,
        tuple(frame.transform[:6]),
        rio.wkt_of(frame.crs),
        inside,
        read,
        codes,
        region_levels(config),
        strip,
        notes,
    )


def read_rows(dataset: Any, index: int, rows: slice) -> np.ndarray:
    """Some rows of a band as float64, scale and offset applied, NaN where there is no data."""
    window = Window(0, rows.start, dataset.width, rows.stop - rows.start)
    try:
        part = dataset.read(index, window=window, masked=True)
    except RasterioError as error:
        detail = str(error.__cause__ or error).strip()
        raise DataError(f"{dataset.name}: damaged near row {rows.start + 1} ({detail}); save it anew") from None
    values = part.data.astype(np.float64)
    values[np.ma.getmaskarray(part)] = np.nan
    scale, offset = dataset.scales[index - 1], dataset.offsets[index - 1]
    return values if (scale, offset) == (1.0, 0.0) else values * scale + offset
