"""Flattened areas and their ledgers as files: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import rasterio
import shapely

from prioritize import plaintext
from prioritize.areas.cells import FlatCells
from prioritize.areas.clean import Cleaned
from prioritize.areas.flatten import Flat, FlatPolygons
from prioritize.formats import _rasterio as rio
from prioritize.output import as_json, gathered

#: columns of the sites that go along with their polygons
COLUMNS = (
    "site_id", "site_pid", "site_type", "name_eng", "desig_eng", "iucn_cat", "realm", "status", "status_yr",
    "gov_type", "iso3",
)  # fmt: skip

#: GeoPackages hold the time of writing; this one makes equal inputs equal bytes
NO_TIME = "2000-01-01T00:00:00Z"


def save(out: Path, cleaned: Cleaned, flat: Flat, inputs: Mapping[str, Any]) -> list[Path]:
    """Write the areas and what is known of how they came about.

    Parameters
    ----------
    out : path
        `.gpkg` or `.parquet` for polygons, `.tif` for cells: a band of shares a class. Beside it, named after it:
        `_category.tif` (the class that has most of a cell; cells only), `_areas.csv` (PA, OECM, both, classes),
        `_overlap.csv` (class x class before flattening), `_steps.csv` and `_sites.csv` (the ledgers), `_summary.json`.
    cleaned : Cleaned
    flat : FlatPolygons or FlatCells
    inputs : mapping
        What the summary says of the files.

    Returns
    -------
    list of Path
    """
    with gathered(out.parent, f"{out.stem}_summary.json", out) as draft:
        if isinstance(flat, FlatPolygons):
            write_polygons(draft / out.name, cleaned, flat)
        elif isinstance(flat, FlatCells):
            write_shares(draft / out.name, flat)
            write_category(draft / f"{out.stem}_category.tif", flat)
        write_csv(draft / f"{out.stem}_areas.csv", flat.accounting)
        if flat.overlap_km2 is not None:
            write_csv(draft / f"{out.stem}_overlap.csv", flat.overlaps.reset_index())
        write_csv(draft / f"{out.stem}_steps.csv", flat.ledger.step_table)
        write_csv(draft / f"{out.stem}_sites.csv", flat.ledger.site_table)
        summary = as_json(summarise(cleaned, flat, inputs)) + "\n"
        (draft / f"{out.stem}_summary.json").write_text(summary, encoding="utf-8")
        names = sorted((path.name for path in draft.iterdir()), key=lambda name: (name != out.name, name))
    # what an older answer left beside these would contradict them
    for ending in ("_category.tif", "_overlap.csv"):
        if f"{out.stem}{ending}" not in names:
            (out.parent / f"{out.stem}{ending}").unlink(missing_ok=True)
    return [out.parent / name for name in names]


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """A table as CSV; areas to the square metre and finer."""
    plaintext.write_csv(path, table, float_format="%.12g")


def summarise(cleaned: Cleaned, flat: Flat, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What `_summary.json` says."""
    steps = flat.ledger.step_table
    return {
        "inputs": dict(inputs),
        "options": asdict(cleaned.options),
        "crs": rio.wkt_of(cleaned.sites.crs),
        "route": "vector" if isinstance(flat, FlatPolygons) else "raster",
        "sites_read": int(steps["sites_before"].iloc[0]),
        "sites_dropped": int(steps["sites_dropped"].sum()),
        "sites_counted": int(steps["sites_after"].iloc[-1]),
        "before_flattening_km2": float(cleaned.area_km2.sum()),
        "pa_km2": flat.pa_km2,
        "oecm_outside_pa_km2": flat.union_km2 - flat.pa_km2,
        "union_km2": flat.union_km2,
        "sum_of_classes_km2": float(flat.class_km2.sum()),
        "class_km2": dict(zip(flat.classes, flat.class_km2.tolist(), strict=True)),
        "notes": list(flat.notes),
    }


def write_polygons(path: Path, cleaned: Cleaned, flat: FlatPolygons) -> None:
    """The pieces that sites keep, with their class and area, as GeoPackage or GeoParquet."""
    left = ~shapely.is_empty(flat.pieces)
    table = cleaned.sites.table.loc[left, list(COLUMNS)].copy()
    table["class"] = cleaned.label[left]
    table["area_km2"] = (
        shapely.area(flat.pieces[left]) * (cleaned.area_km2 / shapely.area(cleaned.sites.geometry))[left]
    )
    table["area_before_km2"] = cleaned.area_km2[left]
    pieces = [item if item.geom_type == "MultiPolygon" else shapely.MultiPolygon([item]) for item in flat.pieces[left]]
    frame = geopandas.GeoDataFrame(table.reset_index(drop=True), geometry=pieces, crs=cleaned.sites.crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
        return
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": NO_TIME})
    try:
        frame.to_file(path, layer="areas", driver="GPKG", engine="pyogrio", index=False)
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def write_shares(path: Path, flat: FlatCells) -> None:
    """A band of shares (0 to 1) for each class, its name in the band's description."""
    with rasterio.open(path, "w", **_profile(flat, "float32", len(flat.classes)), predictor=3) as raster:
        for row in range(0, flat.frame.shape[0], 256):
            window = rasterio.windows.Window(0, row, flat.frame.shape[1], min(256, flat.frame.shape[0] - row))
            raster.write(np.minimum(flat.shares[:, row : row + 256], 1.0), window=window)
        for index, name in enumerate(flat.classes, 1):
            raster.set_band_description(index, name)
            raster.set_band_unit(index, "share")


def write_category(path: Path, flat: FlatCells) -> None:
    """The class that has the largest share of each cell: 1, 2, ... in the order of the bands; 0 where there is none."""
    with rasterio.open(path, "w", **_profile(flat, "uint16", 1)) as raster:
        for row in range(0, flat.frame.shape[0], 256):
            strip = flat.shares[:, row : row + 256]
            number = np.where(strip.max(axis=0) > 0, strip.argmax(axis=0) + 1, 0).astype(np.uint16)
            window = rasterio.windows.Window(0, row, flat.frame.shape[1], number.shape[0])
            raster.write(number, 1, window=window)
        raster.set_band_description(1, "class with the largest share")
        raster.update_tags(1, class_0="none", **{f"class_{k}": name for k, name in enumerate(flat.classes, 1)})


def _profile(flat: FlatCells, kind: str, count: int) -> dict[str, Any]:
    rows, columns = flat.frame.shape
    return {
        "driver": "GTiff",
        "height": rows,
        "width": columns,
        "count": count,
        "dtype": kind,
        "crs": None if flat.frame.crs is None else flat.frame.crs.to_wkt(),
        "transform": flat.frame.transform,
        "compress": "deflate",
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "interleave": "band",
        "bigtiff": "if_safer",
    }
