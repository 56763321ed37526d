"""Vector files packed into archives: zips, zips of zips (Protected Planet), folders within them, and .gz."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
import pyogrio

from prioritize.errors import DAMAGED, DataError
from prioritize.inputfile import gate, room
from prioritize.landscape import some

#: what is looked for in an archive; a Shapefile's other parts come with it
VECTORS = frozenset({".shp", ".gpkg", ".geojson", ".json", ".fgb", ".kml", ".gml", ".tab", ".sqlite", ".parquet"})
#: a File Geodatabase is a folder
FOLDER = re.compile(r"(.*?\.gdb)/", re.IGNORECASE)
#: zips within zips are opened so deep
DEPTH = 3
#: bytes that a .gz keeps of its size, at its end
SIZE = 4


def is_packed(path: Path) -> bool:
    """Whether a file is an archive that is looked into."""
    return path.suffix.lower() in (".zip", ".gz")


def packed_layers(path: Path) -> list[tuple[str, str, bool]]:
    """All layers in an archive.

    Parameters
    ----------
    path : Path
        A .zip or .gz.

    Returns
    -------
    list of (source, layer, whether it has geometries)
        `source` as GDAL opens it.

    Raises
    ------
    DataError
        If it is damaged, locked, larger unpacked than memory, or holds nothing that can be read.
    """
    gate(path)
    try:
        if path.suffix.lower() == ".gz":
            with path.open("rb") as file:
                file.seek(-SIZE, 2)
                room(path, int.from_bytes(file.read(), "little"))
            sources = [f"/vsigzip/{path.resolve()}"]
        else:
            with path.open("rb") as file:
                sources = look_into(file, str(path.resolve()), str(path), DEPTH)
    except (*DAMAGED, NotImplementedError) as error:
        raise DataError(f"{path}: a damaged or locked archive ({error}); download it again, or unpack it") from None
    if not sources:
        raise DataError(f"{path}: there is no vector file in it; unpack it, and give the file with the polygons")
    found = []
    for source in sources:
        try:
            found += [(source, str(name), kind is not None) for name, kind in pyogrio.list_layers(source)]
        except pyogrio.errors.DataSourceError as error:
            reason = str(error).splitlines()[0].partition(";")[0].rstrip(".")
            raise DataError(f"{shown(source)}: not a vector file that GDAL can read ({reason}); unpack it") from None
    return found


def look_into(file: IO[bytes], inside: str, name: str, depth: int) -> list[str]:
    """What GDAL opens in a zip, and in the zips in it, in the order of their names."""
    found: list[str] = []
    with zipfile.ZipFile(file) as packed:
        members = sorted(packed.infolist(), key=lambda item: item.filename)
        vectors = [m for m in members if PurePosixPath(m.filename).suffix.lower() in VECTORS | {".dbf", ".shx"}]
        folders = [m for m in members if FOLDER.match(m.filename)]
        room(name, sum(member.file_size for member in {*vectors, *folders}))
        found += dict.fromkeys(f"/vsizip/{{{inside}}}/{FOLDER.match(m.filename)[1]}" for m in folders)  # type: ignore[index]
        found += [
            f"/vsizip/{{{inside}}}/{member.filename}"
            for member in vectors
            if member not in folders and PurePosixPath(member.filename).suffix.lower() in VECTORS
        ]
        for member in members:
            if depth > 1 and member.filename.lower().endswith(".zip"):
                room(f"{name}/{member.filename}", member.file_size)
                with packed.open(member) as inner:
                    within = f"/vsizip/{{{inside}}}/{member.filename}"
                    found += look_into(inner, within, f"{name}/{member.filename}", depth - 1)
    return found


def choose_layer(path: Path, wanted: str | None, layers: np.ndarray, several: str) -> str:
    """The layer asked for, or the only one that has geometries.

    Parameters
    ----------
    layers : (n, 2) object array
        Name and geometry type (None for a plain table), as pyogrio lists them.
    several : str
        The way out where there are several, up to their names.

    Raises
    ------
    DataError
        Listing the layers there are.
    """
    names = [str(name) for name, _ in layers]
    if wanted is not None:
        if wanted not in names:
            raise DataError(f"{path}: there is no layer '{wanted}'; it has {some(names, 10) or 'none'}")
        return wanted
    spatial = [str(name) for name, kind in layers if kind is not None] or names
    if not spatial:
        raise DataError(f"{path}: there are no layers in it")
    if len(spatial) > 1:
        raise DataError(f"{path}: the file has several layers; {several} {some(spatial, 10)}")
    return spatial[0]


def shown(source: str) -> str:
    """What GDAL opens, as people write it."""
    return re.sub(r"/vsi(?:zip|gzip)/|[{}]", "", source)
