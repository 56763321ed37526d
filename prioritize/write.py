"""A selection as files that a double click opens, already styled, in QGIS; and the way back."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from prioritize.errors import DataError
from prioritize.landscape import LOCKED_IN, LOCKED_OUT, Landscape, some
from prioritize.place import Grid, Polygons
from prioritize.plaintext import bare_table, write_csv
from prioritize.progress import Part, whole
from prioritize.report.palette import COAST, LAND, rgb, zone_colours
from prioritize.scratch import scratch

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# rasterio, geopandas and pyogrio take a second to import: only the functions that need them do so.

NOT_SELECTED = "not selected"
NODATA = 255
# GDAL stamps a GeoPackage with the time of writing; the same selection has to give the same bytes.
NO_TIME = "2000-01-01T00:00:00.000Z"
# What QGIS, SQLite or GDAL leave beside a file they have open. Beside a new file of that name, old ones are harmful.
LEFT_BEHIND = ("-wal", "-shm", "-journal", ".aux.xml")


def write_selection(folder: Path, landscape: Landscape, selection: np.ndarray, part: Part = whole) -> list[Path]:
    """Write a selection and its QGIS style.

    A grid becomes `selection.tif`, polygons become `selection.gpkg` and `selection.parquet`, units without
    a position `selection.csv`; `selection.qml` beside them is the style that QGIS picks up by its name.
    The same input gives the same bytes, and a file is there whole or not at all.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    landscape : Landscape
    selection : (U, Z) bool
    part : Part, optional
        What is done where the style, or the GeoPackage beside the GeoParquet file, cannot be made; by default the
        exception goes on.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    DataError
        If the selection does not fit the landscape, or gives a unit more than one zone.
    """
    number = zone_number(landscape, selection)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with scratch(folder) as draft:
        if isinstance(landscape.place, Grid):
            write_raster(draft / "selection.tif", landscape, landscape.place, number)
        elif isinstance(landscape.place, Polygons):
            write_polygons(draft, landscape.place, selection_table(landscape, number), part)
        else:
            write_csv(draft / "selection.csv", selection_table(landscape, number))
        style = draft / "selection.qml"
        with part(style.name, style):
            # a table without a position takes a style too: it fits once it is joined to the user's own polygons
            text = raster_style(landscape) if isinstance(landscape.place, Grid) else vector_style(landscape)
            style.write_text(text, encoding="utf-8", newline="\n")
        written = []
        for path in sorted(draft.glob("selection.*")):
            for ending in LEFT_BEHIND:
                (folder / (path.name + ending)).unlink(missing_ok=True)
            os.replace(path, folder / path.name)
            written.append(folder / path.name)
    return written


def read_selection(folder: Path, landscape: Landscape) -> np.ndarray:
    """Read back what `write_selection` wrote.

    Of the two files that polygons have, the GeoParquet file is read: its index stands at the end, so that a
    truncated one is always noticed.

    Parameters
    ----------
    folder : Path
    landscape : Landscape
        The landscape that the selection was made for.

    Returns
    -------
    (U, Z) bool

    Raises
    ------
    DataError
        If the file is missing, truncated, or belongs to another landscape.
    """
    name = "tif" if isinstance(landscape.place, Grid) else "parquet" if isinstance(landscape.place, Polygons) else "csv"
    path = Path(folder) / f"selection.{name}"
    if not path.is_file():
        raise DataError(f"{path}: no such file; the run has to be made again")
    if isinstance(landscape.place, Grid):
        number = read_raster(path, landscape, landscape.place)
    else:
        number = read_rows(path, landscape)
    return number[:, None] == np.arange(1, len(landscape.zones) + 1)


def zone_number(landscape: Landscape, selection: np.ndarray) -> np.ndarray:
    """(U,) int32: 0 for units that are not selected, else 1..Z, the place of the unit's zone in `landscape.zones`."""
    selection = np.asarray(selection, dtype=bool)
    if selection.shape != landscape.status.shape:
        raise DataError(
            f"{landscape.name}: the selection has shape {selection.shape}, expected {landscape.status.shape}"
        )
    twice = selection.sum(axis=1) > 1
    if twice.any():
        raise DataError(f"{landscape.name}: units in more than one zone: {some(landscape.unit_id[twice])}")
    if len(landscape.zones) >= NODATA:
        raise DataError(f"{landscape.name}: {len(landscape.zones)} zones; a raster can tell {NODATA - 1} apart")
    return np.where(selection.any(axis=1), selection.argmax(axis=1) + 1, 0).astype(np.int32)


def zone_labels(landscape: Landscape) -> list[str]:
    """What each zone number stands for, from 0 to Z."""
    return [NOT_SELECTED, *(zone.name for zone in landscape.zones)]


def zone_fills(landscape: Landscape) -> list[str]:
    """The colour of each zone number, from 0 to Z."""
    return [LAND, *zone_colours(landscape.zones)]


def selection_table(landscape: Landscape, number: np.ndarray) -> pd.DataFrame:
    """One row for each unit, in the landscape's order.

    `cost` is that of the unit's zone (empty where it is not selected), in the landscape's `cost_unit`; `status` is
    `locked_in` for units locked in some zone, `locked_out` for those locked out of all zones.
    """
    chosen = number > 0
    names = np.array(["", *(zone.name for zone in landscape.zones)], dtype=object)
    cost = landscape.cost[np.arange(len(number)), np.maximum(number - 1, 0)]
    inside, outside = (landscape.status == LOCKED_IN).any(axis=1), (landscape.status == LOCKED_OUT).all(axis=1)
    return pd.DataFrame(
        {
            "unit_id": landscape.unit_id,
            "zone": names[number],
            "zone_number": number,
            "selected": chosen,
            "cost": np.where(chosen, cost, np.nan),
            "area_km2": landscape.area_km2,
            "status": np.select([inside, outside], ["locked_in", "locked_out"], ""),
        }
    )


def write_raster(path: Path, landscape: Landscape, place: Grid, number: np.ndarray) -> None:
    """Write zone numbers as a cloud-optimised GeoTIFF with colours, names and (where large) overviews inside."""
    import rasterio.shutil
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile
    from rasterio.transform import Affine

    # GDAL keeps category names in a second file, which gets lost; as tags of the band they stay in this one
    tags = {f"zone_{index}": label for index, label in enumerate(zone_labels(landscape))}
    rows, columns = place.shape
    # made in memory: GDAL tells of a full disk in words of its own, or not at all
    with warnings.catch_warnings(), MemoryFile() as memory, MemoryFile() as finished:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # arrays without a map have no transform
        with memory.open(
            driver="GTiff",
            height=rows,
            width=columns,
            count=1,
            dtype="uint8",
            nodata=NODATA,
            crs=place.crs,
            transform=Affine(*place.transform),
        ) as raster:
            raster.write(place.image(number.astype(np.uint8), NODATA), 1)
            raster.write_colormap(1, {index: (*rgb(fill), 255) for index, fill in enumerate(zone_fills(landscape))})
            raster.set_band_description(1, "zone of the selection")
            raster.update_tags(1, **tags)
        overviews = "AUTO" if max(place.shape) > 2048 else "NONE"
        rasterio.shutil.copy(
            memory.name,
            finished.name,
            driver="COG",
            compress="DEFLATE",
            predictor="NO",
            blocksize=512,
            overviews=overviews,
            overview_resampling="MODE",
        )
        path.write_bytes(finished.read())


def write_polygons(folder: Path, place: Polygons, table: pd.DataFrame, part: Part = whole) -> None:
    """Write the table with its geometry as `selection.gpkg` and `selection.parquet`."""
    import geopandas
    import pyogrio

    frame = geopandas.GeoDataFrame(table, geometry=place.geometry.to_numpy(), crs=place.geometry.crs)
    frame.to_parquet(folder / "selection.parquet", index=False)
    path = folder / "selection.gpkg"
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": NO_TIME})
    try:
        with part(path.name, path, folder / f"{path.name}-journal"):
            frame.to_file(path, layer="selection", driver="GPKG", engine="pyogrio", index=False)
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def read_raster(path: Path, landscape: Landscape, place: Grid) -> np.ndarray:
    """(U,) zone numbers from a GeoTIFF that covers exactly the landscape's cells."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # see write_raster
            with rasterio.open(path) as raster:
                if raster.shape != tuple(place.shape):  # told before it is read, whatever its header says
                    raise DataError(
                        f"{path}: a grid of {raster.shape} cells is not that of {landscape.name}, {tuple(place.shape)}"
                    )
                image, transform = raster.read(1), tuple(raster.transform)[:6]
                tags = raster.tags(1)
    except RasterioError as error:
        raise DataError(f"{path}: damaged or not a GeoTIFF ({' '.join(str(error).split())})") from None
    if image.shape != tuple(place.shape) or not np.allclose(transform, place.transform, rtol=1e-9, atol=0):
        raise DataError(
            f"{path}: a grid of {image.shape} cells at {transform} is not that of {landscape.name}, "
            f"{tuple(place.shape)} at {tuple(place.transform)}"
        )
    units = np.zeros(image.size, dtype=bool)
    units[place.cell] = True
    other = units != (image.ravel() != NODATA)
    if other.any():
        raise DataError(f"{path}: {int(other.sum())} cells are units here or in {landscape.name}, but not in both")
    labels = zone_labels(landscape)
    stored = [tags.get(f"zone_{index}") for index in range(len(labels))]
    if stored != labels or f"zone_{len(labels)}" in tags:
        raise DataError(f"{path}: its zones are not those of {landscape.name}: {some(labels[1:], 12)}")
    number = image.ravel()[place.cell].astype(np.int32)
    return checked_number(path, landscape, number)


def read_rows(path: Path, landscape: Landscape) -> np.ndarray:
    """(U,) zone numbers from a table, found by unit id."""
    try:
        if path.suffix == ".csv":
            with path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":
                    raise DataError(f"{path}: truncated; its last line is not complete")
            kinds: Any = {"unit_id": np.int64, "zone": str, "zone_number": np.int64}
            # a zone may be called "NA"
            table = bare_table(pd.read_csv(path, usecols=list(kinds), dtype=kinds, keep_default_na=False))
        else:
            table = pd.read_parquet(path, columns=["unit_id", "zone", "zone_number"])
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds, too
        raise DataError(f"{path}: damaged, or not a selection ({' '.join(str(error).split())})") from None
    where = pd.Index(table["unit_id"])
    if len(where) != len(landscape.unit_id) or not where.is_unique or not where.isin(landscape.unit_id).all():
        unknown = np.setxor1d(where.to_numpy(), landscape.unit_id)
        raise DataError(
            f"{path}: its {len(where)} units are not the {len(landscape.unit_id)} of {landscape.name} "
            f"(ids not in both: {some(unknown) or 'none, but some twice'})"
        )
    table = table.iloc[where.get_indexer(landscape.unit_id)]
    number = checked_number(path, landscape, table["zone_number"].to_numpy())
    names = np.array(["", *(zone.name for zone in landscape.zones)], dtype=object)
    if not np.array_equal(names[number], table["zone"].to_numpy(dtype=object)):
        raise DataError(f"{path}: its zones are not those of {landscape.name}: {some(names[1:], 12)}")
    return number


def checked_number(path: Path, landscape: Landscape, number: ArrayLike) -> np.ndarray:
    """The zone numbers, if there is a zone for each."""
    number = np.asarray(number)
    unknown = (number < 0) | (number > len(landscape.zones))
    if unknown.any():
        raise DataError(f"{path}: no zone of {landscape.name} has the number {some(np.unique(number[unknown]))}")
    return number


def raster_style(landscape: Landscape) -> str:
    """QML with a paletted renderer: one colour and label for each zone number."""
    root = element(None, "qgis", version="3.28.0", styleCategories="AllStyleCategories")
    pipe = element(root, "pipe")
    nearest = {"zoomedInResamplingMethod": "nearestNeighbour", "zoomedOutResamplingMethod": "nearestNeighbour"}
    element(element(pipe, "provider"), "resampling", enabled="false", maxOversampling="2", **nearest)
    renderer = element(pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor="")
    element(renderer, "rasterTransparency")
    palette = element(renderer, "colorPalette")
    for index, (label, fill) in enumerate(zip(zone_labels(landscape), zone_fills(landscape), strict=True)):
        element(palette, "paletteEntry", value=str(index), color=fill.lower(), alpha="255", label=label)
    element(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    element(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0", invertColors="0")
    element(pipe, "rasterresampler", maxOversampling="2")
    element(root, "blendMode").text = "0"
    return qml(root)


def vector_style(landscape: Landscape) -> str:
    """QML with a categorized renderer on `zone_number`."""
    root = element(None, "qgis", version="3.28.0", styleCategories="Symbology")
    renderer = element(
        root,
        "renderer-v2",
        type="categorizedSymbol",
        attr="zone_number",
        symbollevels="0",
        forceraster="0",
        enableorderby="0",
        referencescale="-1",
    )
    categories, symbols = element(renderer, "categories"), element(renderer, "symbols")
    for index, (label, fill) in enumerate(zip(zone_labels(landscape), zone_fills(landscape), strict=True)):
        number = str(index)
        element(categories, "category", value=number, type="integer", symbol=number, label=label, render="true")
        symbol = element(symbols, "symbol", type="fill", name=number, alpha="1", clip_to_extent="1", force_rhr="0")
        layer = element(symbol, "layer", **{"class": "SimpleFill"}, enabled="1", locked="0")
        layer.set("pass", "0")
        options = element(layer, "Option", type="Map")
        for name, value in {
            "color": "{},{},{},255".format(*rgb(fill)),
            "style": "solid",
            "outline_color": "{},{},{},120".format(*rgb(COAST)),
            "outline_style": "solid",
            "outline_width": "0.05",
            "outline_width_unit": "MM",
            "joinstyle": "bevel",
        }.items():
            element(options, "Option", type="QString", name=name, value=value)
    element(renderer, "rotation")
    element(renderer, "sizescale")
    element(root, "blendMode").text = "0"
    element(root, "featureBlendMode").text = "0"
    if isinstance(landscape.place, Polygons):
        # QGIS refuses a style for polygons on anything else, so a table without geometry must not ask for it
        element(root, "layerGeometryType").text = "2"
    return qml(root)


def element(parent: ElementTree.Element | None, tag: str, **attributes: str) -> ElementTree.Element:
    """A new XML element, the last child of its parent."""
    if parent is None:
        return ElementTree.Element(tag, attributes)
    return ElementTree.SubElement(parent, tag, attributes)


def qml(root: ElementTree.Element) -> str:
    """The text of a QGIS style file."""
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{body}\n"
