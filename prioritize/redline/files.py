"""Files of a redline: GeoTIFF, polygons and tables, all of them or none."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import rasterio
import shapely
from rasterio.errors import NotGeoreferencedWarning
from rasterio.features import shapes
from rasterio.transform import Affine
from rasterio.windows import Window

from prioritize.errors import DataError
from prioritize.output import as_json, drafted, guard_path
from prioritize.plaintext import write_csv
from prioritize.redline.assembly import CATEGORIES, label_areas, patches
from prioritize.redline.delineate import Line, delineate
from prioritize.redline.inputs import open_grids
from prioritize.redline.summary import LABELS, tables_of
from prioritize.redline.windows import Grids
from prioritize.scenario import Scenario
from prioritize.table import Table, write_tables

SUMMARY = "redline.json"
CACHE_MB = 256
COLOURS = {0: (234, 230, 221), 1: (0, 158, 115), 2: (230, 159, 0), 3: (0, 114, 178)}


def delineate_scenario(
    scenario: Scenario, folder: Path | None, strip_rows: int | None = None
) -> tuple[Line, list[Table]]:
    """Draw the line of a scenario, and write its folder (all of it, or nothing).

    The folder holds `criteria.tif` (bit mask), `category.tif`, `grades.tif` (a band by criterion), `line.gpkg`
    (polygons), `tables/`, `scenario.toml` and `redline.json`.

    Parameters
    ----------
    scenario : Scenario
        With a `[redline]` block.
    folder : Path or None
        None writes nothing.
    strip_rows : int, optional
        Rows read at once.

    Raises
    ------
    PrioritizeError
    """
    config = scenario.redline
    if config is None:
        raise DataError(f"{scenario.name}: has no [redline] block; see scenarios/README.md")
    tenure: dict[str, str] = {str(key): reference for key, reference in config.tenure.items()} or {
        key: reference
        for key, reference in getattr(scenario.landscape, "tenure", {}).items()
        if key in ("protected", "oecm", "oecm_candidate")
    }
    if folder is not None:
        guard_redline(folder)
    with ExitStack() as stack:
        # GDAL would keep a twentieth of the machine's memory full of blocks that nobody reads twice
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=CACHE_MB))
        grids = open_grids(scenario, strip_rows, stack)
        if folder is None:
            line = delineate(grids, config)
            return line, tables_of(line, tenure, config.split)
        draft = stack.enter_context(drafted(folder))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a grid without a map has no transform
        grades = stack.enter_context(create(draft / "grades.tif", grids, "uint8", 0, len(config.criteria)))
        names = [item.name for item in config.criteria]

        def keep(name: str, grade: np.ndarray) -> None:
            band = names.index(name) + 1
            grades.set_band_description(band, name)
            write_band(grades, band, grade, grids)

        line = delineate(grids, config, keep)
        grades.close()
        tables = tables_of(line, tenure, config.split)
        write_rasters(draft, line)
        frame = polygons(line, config.split, config.connectivity)
        write_vector(frame, draft / "line.gpkg", "redline")
        write_tables(draft / "tables", tables)
        (draft / "scenario.toml").write_text(scenario.toml(folder.resolve()), encoding="utf-8")
        (draft / SUMMARY).write_text(
            as_json(summarise(scenario, line, len(frame)), ascii_only=False) + "\n",
            encoding="utf-8",
        )
    return line, tables


def guard_redline(folder: Path) -> None:
    """Refuse to write over anything but a redline (or an empty folder)."""
    guard_path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / SUMMARY).exists():
        raise DataError(f"{folder}: holds files that are not a redline; choose another folder with --out")


def summarise(scenario: Scenario, line: Line, count: int) -> dict[str, Any]:
    """What `redline.json` says: figures, methods, and what is assumed."""
    config = scenario.redline
    assert config is not None
    study = float(np.count_nonzero(line.study, axis=1) @ line.grids.row_area_km2)
    return {
        "name": scenario.name,
        "title": scenario.title,
        "area_km2": line.area_km2,
        "study_km2": study,
        "share": line.area_km2 / study,
        "polygons": count,
        "methods": {item.name: item.method or f"layer {item.layer}" for item in config.criteria},
        "grading_extent": config.extent,
        "cuts": list(config.cuts),
        "steps_km2": dict(line.steps),
        "graded_km2": {
            name: dict(zip(("no_data", "1", "2", "3"), area.tolist())) for name, area in line.graded.items()
        },
        "bits": [vars(bit) for bit in line.legend],
        "notes": [
            *line.grids.notes,
            "thresholds, breaks and the least patch are parameters of the scenario; their defaults are not verified "
            "against the text of the guidelines of 2017",
        ],
    }


def create(path: Path, grids: Grids, dtype: str, nodata: float | None, count: int = 1) -> Any:
    """Open a tiled, compressed GeoTIFF on the grid for writing."""
    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=grids.shape[0],
        width=grids.shape[1],
        count=count,
        dtype=dtype,
        nodata=nodata,
        crs=grids.crs,
        transform=Affine(*grids.transform),
        tiled=True,
        blockxsize=256,
        blockysize=256,
        interleave="band",
        compress="DEFLATE",
        zlevel=1,
        bigtiff="IF_SAFER",
    )


def write_band(dataset: Any, band: int, values: np.ndarray, grids: Grids) -> None:
    """Write a whole band by rows of blocks."""
    height = max(256, grids.strip_rows // 256 * 256)
    for start in range(0, grids.shape[0], height):
        part = values[start : start + height]
        dataset.write(part, band, window=Window(0, start, grids.shape[1], len(part)))


def write_rasters(folder: Path, line: Line) -> None:
    """Write the bit mask and the categories."""
    with create(folder / "criteria.tif", line.grids, "uint32", None) as dataset:
        write_band(dataset, 1, line.bits, line.grids)
        dataset.set_band_description(1, "criteria that put the cell inside the redline, as bits")
        dataset.update_tags(1, **{f"bit_{bit.number}": bit.name for bit in line.legend})
    legend = pd.DataFrame([vars(bit) for bit in line.legend]).rename(columns={"number": "bit"})
    write_csv(folder / "criteria.csv", legend)
    with create(folder / "category.tif", line.grids, "uint8", 255) as dataset:
        image = np.where(line.study, line.category, np.uint8(255))
        write_band(dataset, 1, image, line.grids)
        dataset.write_colormap(1, {code: (*colour, 255) for code, colour in COLOURS.items()})
        dataset.set_band_description(1, "category of the redline")
        dataset.update_tags(1, **{f"category_{code}": name for code, name in enumerate(CATEGORIES)})


def polygons(line: Line, split: str | None = None, connectivity: int = 8) -> geopandas.GeoDataFrame:
    """Polygons of a line: cells that touch and have one category (and lie in one region).

    Returns
    -------
    GeoDataFrame
        id, name, category, category_label, main_function (the criterion of largest area, the first of equals),
        criteria (all that put cells in), region, area_km2, geometry; by category, then by area.
    """
    from prioritize_kernels.redline import first_cells, sum_bits

    classes = line.category.astype(np.int32)
    regions: tuple[str, ...] = ("",)
    if split is not None:
        codes, levels = line.grids.level(split)
        regions = ("", *levels)
        for rows in line.grids.strips():  # by strips: a national map has no room for temporary copies
            classes[rows] += np.where(classes[rows] > 0, len(CATEGORIES) * (codes[rows] + 1), 0)
        del codes
    label, count = patches(classes, connectivity)
    area = label_areas(label, count, line.grids.row_area_km2)
    by_bit = np.zeros((count, 32))
    sum_bits(label, line.bits, line.grids.row_area_km2, by_bit)
    first, kind = np.full(count, -1, np.int64), np.zeros(count, np.int32)
    first_cells(label, classes, first, kind)
    del classes
    parts: list[Any] = []
    mark: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        for outline, value in shapes(label, mask=label >= 0, connectivity=4, transform=Affine(*line.grids.transform)):
            rings = outline["coordinates"]
            parts.append(shapely.Polygon(rings[0], rings[1:]))
            mark.append(int(value))
    del label
    joined = joined_parts(np.array(parts, dtype=object), np.array(mark, dtype=np.int64), count)

    category = kind % len(CATEGORIES)
    region = np.array(regions, dtype=object)[kind // len(CATEGORIES)]
    rank = {bit.number: position for position, bit in enumerate(line.legend)}
    numbers = list(rank)
    held = by_bit[:, numbers]
    function = np.array([bit.function for bit in line.legend], dtype=object)[held.argmax(axis=1)]
    names = np.array([bit.name for bit in line.legend], dtype=object)
    table = pd.DataFrame(
        {
            "name": "",
            "category": np.array(CATEGORIES, dtype=object)[category],
            "category_label": [LABELS[CATEGORIES[code]] for code in category],
            "main_function": function,
            "criteria": [", ".join(names[row > 0]) for row in held],
            "region": region,
            "area_km2": area,
        }
    )
    frame = geopandas.GeoDataFrame(table, geometry=joined, crs=line.grids.crs)
    frame["first"] = first
    frame = frame.sort_values(["category", "area_km2", "first"], ascending=[True, False, True]).drop(columns="first")
    frame = frame.reset_index(drop=True)
    # within a region and a function the largest is number 1
    number = frame.groupby(["region", "main_function"]).cumcount() + 1
    frame["name"] = [
        " ".join(part for part in (where, what, "redline", str(n)) if part)
        for where, what, n in zip(frame["region"], frame["main_function"], number)
    ]
    frame.insert(0, "id", np.arange(1, len(frame) + 1))
    return frame


def joined_parts(parts: np.ndarray, mark: np.ndarray, count: int) -> np.ndarray:
    """(count,) geometries: the polygons of each label as one; cells that touch by a corner make a MultiPolygon."""
    order = np.argsort(mark, kind="stable")
    parts, mark = parts[order], mark[order]
    joined = np.empty(count, dtype=object)
    starts = np.searchsorted(mark, np.arange(count + 1))
    for k in range(count):
        own = parts[starts[k] : starts[k + 1]]
        joined[k] = own[0] if len(own) == 1 else shapely.MultiPolygon(list(own))
    return joined


def write_vector(frame: geopandas.GeoDataFrame, path: Path, layer: str) -> None:
    """Write a GeoPackage; the same frame gives the same bytes."""
    import pyogrio

    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2000-01-01T00:00:00.000Z"})
    try:
        frame.to_file(path, layer=layer, driver="GPKG", engine="pyogrio", index=False)
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
