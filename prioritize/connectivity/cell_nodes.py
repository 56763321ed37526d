"""Nodes from rasters: patches of cells, cut at the border of a region, with what lies beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from prioritize.connectivity.distances import CellGaps, Gaps, PointGaps, label_patches
from prioritize.connectivity.nodes import BUFFER_M, RegionNodes
from prioritize.connectivity.rasters import Raster, read_raster, whole_numbers
from prioritize.errors import DataError


def read_cells(
    path: Path, regions: Path | None, values: Sequence[float] = ()
) -> tuple[Raster, np.ndarray, np.ndarray, list[int]]:
    """Read a raster of protected or habitat cells and one of regions.

    Parameters
    ----------
    path, regions : Path
    values : sequence of float
        Of the cells that count; all above 0 where left out.

    Returns
    -------
    (Raster, (rows, columns) bool, (rows, columns) int32, list of int)
        The raster, the mask, the region of each cell (0..R-1, -1 none; all cells with data where there is no file),
        and the numbers of the regions in their file.

    Raises
    ------
    DataError
        If a file is missing or no raster, in degrees, or the grids differ.
    """
    raster = read_raster(path)
    _ = raster.cell_size_m  # refuses degrees
    mask = np.isin(raster.value, values) if len(values) else np.nan_to_num(raster.value) > 0
    if len(values) and not mask.any():
        raise DataError(f"{path}: no cell has the value {', '.join(f'{v:g}' for v in values)}")
    if regions is None:
        return raster, mask, np.where(np.isnan(raster.value), -1, 0).astype(np.int32), [0]
    numbers = whole_numbers(read_raster(regions, raster))
    present = np.unique(numbers[numbers > 0])
    if len(present) == 0:
        raise DataError(f"{regions}: there is no region in it; numbers above 0 are regions")
    code = np.where(numbers > 0, np.searchsorted(present, numbers), -1).astype(np.int32)
    return raster, mask, code, present.tolist()


def cell_nodes(
    mask: np.ndarray,
    region: np.ndarray,
    names: Sequence[str],
    width_m: float,
    height_m: float,
    *,
    buffer_m: float = BUFFER_M,
    least_km2: float = 0.0,
    neighbours: int = 8,
    centres: bool = False,
) -> Iterator[RegionNodes]:
    """The nodes of each region of a grid, one at a time: patches of cells inside, and beyond the border.

    Parameters
    ----------
    mask : (rows, columns) bool
    region : (rows, columns) int32
        0..R-1, -1 outside of all.
    buffer_m : float
        Cells beyond the border that are as near as this (centre to centre) are nodes without area.
    least_km2 : float
        Smaller patches of the whole grid are left out.
    """
    cell = width_m * height_m / 1e6
    label, count = label_patches(mask, neighbours)
    size = np.bincount(label[label >= 0], minlength=count) * cell
    if least_km2 > 0:
        mask = mask & (np.r_[size, 0.0][label] >= least_km2)
    for r, (name, window) in enumerate(zip(names, ndimage.find_objects(region + 1, len(names)), strict=True)):
        if window is None:
            raise DataError(f"region '{name}' has no cells")
        rows, columns = window
        high, wide = int(np.ceil(buffer_m / height_m)), int(np.ceil(buffer_m / width_m))
        part = (
            slice(max(0, rows.start - high), rows.stop + high),
            slice(max(0, columns.start - wide), columns.stop + wide),
        )
        own = region[part] == r
        zone = own.astype(np.int32)
        if buffer_m > 0 and not own.all():
            away = ndimage.distance_transform_edt(~own, (height_m, width_m))
            zone[(away > 0) & (away <= buffer_m)] = 2
        # patches of class 1 lie inside, of class 2 beyond the border
        nodes, number = label_patches(np.where(mask[part], zone, 0), neighbours)
        real = nodes >= 0
        area = np.bincount(nodes[real], minlength=number) * cell
        trans = np.zeros(number, bool)
        trans[nodes[real]] = zone[real] == 2
        whole = np.zeros(number)
        whole[nodes[real]] = size[label[part][real]]
        gaps: Gaps = CellGaps.of(nodes, width_m, height_m)
        if centres:
            y, x = middle(nodes, number)
            gaps = PointGaps(x * width_m, y * height_m)
        total = float(own.sum()) * cell
        yield RegionNodes(
            name, np.where(trans, 0.0, area), gaps, trans, None, np.where(trans, 0.0, whole), total, (part, nodes)
        )


def middle(label: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(row, column) of the mean of the cells of each patch."""
    y, x = np.nonzero(label >= 0)
    own = label[y, x]
    cells = np.bincount(own, minlength=count)
    return np.bincount(own, y, count) / cells, np.bincount(own, x, count) / cells
