"""Rasters of classes (land cover, ecosystem types): told by their metadata, or by the scenario, and made features.

A class number is no amount. A raster with category names, an attribute table or a colour table becomes one feature a
class, of which each cell of that class holds 1.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from prioritize.errors import DataError, Faults
from prioritize.formats import _rasterio as rio
from prioritize.inputfile import MOST_TEXT, gate
from prioritize.landscape import some

#: whole numbers of so many different values, two or fewer being a flag, look like classes
FEWEST, MANY = 3, 32
#: more classes than this are no classes
MOST = 1000
#: names of the class 0 where it stands for nothing
NOTHING = {"", "none", "nodata", "no data", "no-data", "background", "unclassified", "unknown", "null"}


def with_classes(
    bands: Sequence[rio.Band], classes: bool | list[str] | None, faults: Faults
) -> tuple[list[rio.Band], list[str]]:
    """Bands of classes as one feature a class, and what to tell.

    Parameters
    ----------
    bands : sequence of Band
    classes : bool, list of str or None
        All of them, none of them, or those of these files or features (patterns); None: those whose metadata say so.
    """
    found: list[rio.Band] = []
    notes: list[str] = []
    for band in bands:
        with rio.catching(faults):
            names = names_of_classes(band) if classes is None or classes is not False else None
            asked = classes is True or (isinstance(classes, list) and matches(band, classes))
            if asked or (names is not None and classes is None):
                made = split(band, names or {})
                found += made
                told = f"{band.short} holds classes: one feature a class ({some([one.name for one in made], 6)})"
                notes.append(f"{told}, each cell of it counts 1; classes = false takes its numbers for amounts")
                continue
            if classes is None and (few := few_values(band)) is not None:
                notes.append(
                    f"caution: {band.short} looks like classes (whole numbers: {some(few, 8)}), and its numbers are "
                    "taken for amounts; write landscape.classes = true if they are classes, false if they are amounts"
                )
            found.append(band)
    return found, notes


def matches(band: rio.Band, patterns: Sequence[str]) -> bool:
    """Whether a band is meant by the name of its file, its path or its feature."""
    names = (band.name, band.path.name, str(band.path), band.where)
    return any(fnmatch.fnmatch(name, pattern) for name in names for pattern in patterns)


def split(band: rio.Band, names: dict[int, str]) -> list[rio.Band]:
    """One band a class that stands in it.

    Raises
    ------
    DataError
        If a value is not a whole number, or there are too many.
    """
    codes = values_of(band, MOST)
    if codes is None or (codes != np.round(codes)).any():
        what = f"more than {MOST} different values" if codes is None else f"{some(codes[codes != np.round(codes)], 3)}"
        raise DataError(f"{band.where}: {what} cannot be classes; take it out of landscape.classes")
    kept = [int(code) for code in codes if code != 0 or names.get(0, "").strip().lower() not in NOTHING]
    if not kept:
        raise DataError(f"{band.where}: no cell of any class; remove it from landscape.features")
    return [
        replace(band, name=names.get(code, "").strip() or f"{band.name} class {code}", code=code, unit="cells")
        for code in kept
    ]


def values_of(band: rio.Band, most: int) -> np.ndarray | None:
    """All different values of a band, ascending; None where there are more than `most`."""
    values = np.zeros(0)
    with rio.open_raster(band.path) as dataset:
        for _, _, strip in rio.strips(dataset, [band.index]):
            values = np.union1d(values, strip[~np.isnan(strip)])
            if len(values) > most:
                return None
    return values


def few_values(band: rio.Band) -> np.ndarray | None:
    """The values of a raster of whole numbers if they are so few that they may well be classes."""
    with rio.open_raster(band.path) as dataset:
        whole = np.issubdtype(np.dtype(dataset.dtypes[band.index - 1]), np.integer)
        scaled = dataset.scales[band.index - 1] != 1 or dataset.offsets[band.index - 1] != 0
    if not whole or scaled:
        return None
    values = values_of(band, MANY + 1)
    if values is None:
        return None
    values = values[values != 0]
    return values if FEWEST <= len(values) <= MANY else None


def names_of_classes(band: rio.Band) -> dict[int, str] | None:
    """Names by class number where the file says that it holds classes (empty where it names none), else None."""
    for path in (Path(f"{band.path}.aux.xml"), band.path if band.path.suffix.lower() == ".vrt" else None):
        if path is not None and path.is_file():
            names = described(path, band.index)
            if names is not None:
                return names
    with rio.open_raster(band.path) as dataset:
        try:
            dataset.colormap(band.index)
        except ValueError:
            return None
    return {}


def described(path: Path, index: int) -> dict[int, str] | None:
    """Names by class number from category names or an attribute table in GDAL's XML; None where it has neither."""
    try:
        root = ElementTree.fromstring(gate(path, most=MOST_TEXT).read_bytes())
    except (ElementTree.ParseError, OSError):
        return None
    bands = root.findall("PAMRasterBand") + root.findall("VRTRasterBand")
    for part in (band for band in bands if band.get("band") == str(index)):
        categories = part.find("CategoryNames")
        if categories is not None and len(categories):
            return {code: item.text or "" for code, item in enumerate(categories.findall("Category"))}
        table = part.find("GDALRasterAttributeTable")
        if table is not None and table.get("tableType", "thematic") == "thematic":
            return named_by_table(table)
    return None


def named_by_table(table: ElementTree.Element) -> dict[int, str] | None:
    """Names by class number from a raster attribute table (usage 5 or 3: the number; 2: its name)."""
    usage = [field.findtext("Usage", "") for field in table.findall("FieldDefn")]
    title = [field.findtext("Name", "").lower() for field in table.findall("FieldDefn")]
    number = next((k for k, use in enumerate(usage) if use in ("5", "3")), None)
    number = next((k for k, text in enumerate(title) if text == "value"), None) if number is None else number
    name = next((k for k, use in enumerate(usage) if use == "2"), None)
    if number is None or name is None:  # a histogram, not a legend
        return None
    names = {}
    for row in table.findall("Row"):
        cells = [cell.text or "" for cell in row.findall("F")]
        try:
            names[int(float(cells[number]))] = cells[name]
        except (ValueError, IndexError, OverflowError):
            return None
    return names
