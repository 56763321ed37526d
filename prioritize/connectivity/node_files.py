"""Nodes as files: polygons as GeoPackage, cells as GeoTIFF, tables as CSV; and the names of regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import shapely

from prioritize.connectivity.nodes import Areas, RegionNodes
from prioritize.connectivity.rasters import Raster, write_raster
from prioritize.errors import DataError
from prioritize.landscape import some
from prioritize.output import as_json
from prioritize.plaintext import write_csv
from prioritize.write import NO_TIME


def region_names(regions: Areas, column: str | None, where: str) -> tuple[str, ...]:
    """Names of the regions: a column, or `name`, or their numbers.

    Raises
    ------
    DataError
        If the column is not there, or a name stands there twice.
    """
    if column is None:
        column = next((key for key in regions.table if str(key).lower() == "name"), None)
        if column is None:
            return tuple(str(k + 1) for k in range(len(regions.geometry)))
    if column not in regions.table:
        raise DataError(f"{where}: there is no column '{column}'; it has {some(regions.table.columns, 12) or 'none'}")
    values = regions.table[column]
    number = pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all() and values.notna().all()
    names = tuple((values.astype(np.int64) if number else values).astype(str))
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise DataError(f"{where}: '{column}' is {some(twice)} for several regions; dissolve them, or name them apart")
    return names


def node_table(nodes: RegionNodes) -> pd.DataFrame:
    """The nodes of a region: `region, node, area_km2, beyond_border`."""
    count = len(nodes.area_km2)
    return pd.DataFrame(
        {
            "region": nodes.name,
            "node": np.arange(count),
            "area_km2": nodes.area_km2,
            "beyond_border": nodes.trans.astype(np.int8),
        }
    )


def write_node_polygons(path: Path, found: Sequence[tuple[RegionNodes, pd.DataFrame]], crs: Any) -> None:
    """All nodes of all regions, with what is known of each, as one GeoPackage layer; always the same bytes."""
    table = pd.concat([frame for _, frame in found], ignore_index=True)
    shapes = [
        item if item.geom_type == "MultiPolygon" else shapely.MultiPolygon([item])
        for nodes, _ in found
        for item in nodes.shape
    ]
    write_layer(path, geopandas.GeoDataFrame(table, geometry=shapes, crs=crs), "nodes")


def write_layer(path: Path, frame: geopandas.GeoDataFrame, layer: str) -> None:
    """Write a GeoPackage without the time of writing."""
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": NO_TIME})
    try:
        frame.to_file(path, layer=layer, driver="GPKG", engine="pyogrio", index=False)
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def write_regions(path: Path, regions: Areas, names: Sequence[str], tables: Mapping[str, pd.DataFrame]) -> None:
    """The regions with their figures: those of the first dispersal distance, columns `metric_figure`."""
    frame = pd.DataFrame({"region": list(names)})
    for metric, table in tables.items():
        if metric == "importance":
            continue
        first = table.drop_duplicates("region").set_index("region").reindex(list(names))
        for column in first:
            frame[f"{metric}_{column}"] = first[column].to_numpy()
    shapes = [g if g.geom_type == "MultiPolygon" else shapely.MultiPolygon([g]) for g in regions.geometry]
    write_layer(path, geopandas.GeoDataFrame(frame, geometry=shapes, crs=regions.crs), "regions")


def write_node_cells(path: Path, found: Sequence[RegionNodes], like: Raster) -> None:
    """The number of the node in its region of each cell, from 1; NODATA where there is none. Regions do not overlap."""
    image = np.full(like.value.shape, np.nan)
    for nodes in found:
        part, label = nodes.shape
        own = (label >= 0) & ~np.r_[nodes.trans, True][label]
        image[part][own] = label[own] + 1
    write_raster(path, image, like)


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> None:
    """A CSV file for each table, and `settings.json`."""
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table)
    (folder / "settings.json").write_text(as_json(settings) + "\n", encoding="utf-8")
