"""What a run was made from: every file that it read, the code that read it, and a key over all that decides the result.

A file is more than itself: masks, statistics, world files and projections lie beside it, a Shapefile is five files, a
VRT names others. All of them are inputs, found here without opening any as GDAL would.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import prioritize
import prioritize_kernels
from prioritize.errors import DataError
from prioritize.scenario import Scenario, map_files

#: digest of a file that cannot be read: to complain is the reader's part, who knows what it is needed for
ABSENT = "absent"
#: what may follow the whole name of a file: `cost.tif.aux.xml`, `units.gpkg-wal` (changes not yet in the file)
AFTER = re.compile(r"\.aux\.xml|\.aux|\.ovr|\.msk(\.ovr)?|\.vat\.dbf|-wal", re.IGNORECASE)
#: what may stand in the place of a raster's suffix: projections, headers, colours, world files (`.tfw`, `.wld` ...)
INSTEAD = re.compile(r"\.(prj|hdr|aux|rrd|stx|clr|wld|\w{1,4}w)", re.IGNORECASE)
#: the same of a Shapefile
SHAPEFILE = re.compile(r"\.(dbf|shx|prj|cpg)", re.IGNORECASE)
#: suffixes of tables and databases, beside which nothing in the place of the suffix belongs to them
ALONE = {".csv", ".tsv", ".txt", ".dat", ".toml", ".json", ".geojson", ".gpkg", ".parquet", ".geoparquet", ".pq"}
#: elements of a VRT that name a file, even one that is not there
NAMING = {"sourcefilename", "sourcedataset", "srcdatasource"}
#: libraries whose version may decide a result
LIBRARIES = ("ortools", "numpy", "scipy", "numba")

#: size, time of the last change (ns) and inode of a file
Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Inputs:
    """The inputs of a scenario at one moment.

    Attributes
    ----------
    scenario : Scenario
    hashes : dict of str to str
        SHA-256 by name, and `key` over all that decides the result.
    stamps : dict of Path to tuple, or None where there is no file
    """

    scenario: Scenario
    hashes: dict[str, str]
    stamps: dict[Path, Stamp | None]

    def unchanged(self) -> None:
        """Refuse files that were changed since: what was read may be the old, the new or half of each.

        Raises
        ------
        DataError
            Naming the files.
        """
        now = stamps_of(files_of(self.scenario))
        changed = [path for path in sorted({*now, *self.stamps}) if now.get(path) != self.stamps.get(path)]
        if changed:
            raise DataError(
                [
                    f"{path}: changed while it was read; wait until nothing writes to it, and run again"
                    for path in changed
                ]
            )


def take_inputs(scenario: Scenario) -> Inputs:
    """Stamps, then digests, of every file that a scenario depends on."""
    stamps = stamps_of(files_of(scenario))
    return Inputs(scenario, input_hashes(scenario), stamps)


def input_hashes(scenario: Scenario, made_by: Mapping[str, Any] | None = None) -> dict[str, str]:
    """SHA-256 of every file that the scenario depends on, and `key` over all that decides the result.

    Parameters
    ----------
    scenario : Scenario
    made_by : mapping, optional
        Versions that the key is to name (see `versions`): those of this program where absent.

    Returns
    -------
    dict of str to str
        Files by their name below the folder that holds them all, so that the key is the same wherever that lies.
    """
    files = files_of(scenario)
    above = common_folder(files)

    def name(path: str | Path) -> str:
        return os.path.relpath(path, above).replace(os.sep, "/") if above else str(path)

    hashes = {name(path): file_digest_or_absent(path) for path in files}
    plain = scenario.plain()
    plain.pop("output", None)
    question = map_files(plain, name)
    decisive = json.dumps(
        [versions() if made_by is None else made_by, question, sorted(hashes.items())], sort_keys=True
    )
    return {"key": hashlib.sha256(decisive.encode()).hexdigest(), **hashes}


def common_folder(files: Iterable[Path]) -> str:
    """The innermost folder that holds all files; empty where there is none (no files, or two drives)."""
    try:
        return os.path.commonpath([os.path.abspath(path.parent) for path in files])
    except ValueError:
        return ""


def files_of(scenario: Scenario) -> list[Path]:
    """Every file that a scenario depends on, with what lies beside each and what each VRT names, in order."""
    named: set[Path] = set(scenario.landscape.files())
    plain = scenario.plain()
    plain.pop("output", None)

    def collect(name: str) -> str:
        bare = name.split("#")[0]
        named.update(map(Path, glob.glob(bare, recursive=True)) if glob.has_magic(bare) else [Path(bare)])
        return name

    map_files(plain, collect)
    return with_sides(named)


def with_sides(named: Iterable[Path]) -> list[Path]:
    """Files with those that belong to them, of a VRT also its sources and theirs, in order."""
    found: set[Path] = set()
    listed: dict[Path, list[str]] = {}
    waiting = [on_disk(path) for path in named]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        if path.suffix.lower() == ".gdb" and path.is_dir():
            waiting += [item for item in path.rglob("*") if item.is_file()]
            continue
        found.add(path)
        if path.parent not in listed:
            listed[path.parent] = listing(path.parent)
        found.update(beside(path, listed[path.parent]))
        if path.suffix.lower() == ".vrt":
            waiting += sources_of(path)
    return sorted(found)


def on_disk(path: Path) -> Path:
    """The file on disk behind a name: of a member of an archive (`a.zip/b.tif`, `/vsizip/a.zip/b.tif`) the archive."""
    bare = re.sub(r"^/vsi\w+/", "", str(path)) if str(path).startswith("/vsi") else str(path)
    for part in (Path(bare), Path("/" + bare), *Path(bare).parents, *Path("/" + bare).parents):
        if is_file(part):
            return part
    return path


def is_file(path: Path) -> bool:
    """Whether there is a regular file: no folder, no pipe, no device, nothing that cannot be reached."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def listing(folder: Path) -> list[str]:
    """Names in a folder; none where it cannot be read."""
    try:
        return os.listdir(folder)
    except (OSError, ValueError):
        return []


def beside(path: Path, names: Iterable[str]) -> list[Path]:
    """Files beside one that change what is read from it."""
    suffix = path.suffix.lower()
    instead = SHAPEFILE if suffix == ".shp" else None if suffix in ALONE else INSTEAD
    found = []
    for name in names:
        follows = name.startswith(path.name) and AFTER.fullmatch(name[len(path.name) :])
        replaces = instead and name.startswith(path.stem) and instead.fullmatch(name[len(path.stem) :])
        side = path.with_name(name)
        # an empty -wal is there only because a program has the file open
        if (follows or replaces) and side != path and is_file(side) and side.stat().st_size:
            found.append(side)
    return found


def sources_of(path: Path) -> list[Path]:
    """Files that a VRT names, wherever in it: its sources, masks and tables."""
    try:
        elements = list(ElementTree.parse(path).getroot().iter())
    except (OSError, ValueError, ElementTree.ParseError):
        return []
    found = []
    for element in elements:
        text = (element.text or "").strip()
        if not text or len(text) > 4000 or "\n" in text:
            continue
        # NETCDF:"file.nc":variable
        options = [on_disk(path.parent / part) for part in dict.fromkeys([text, *re.split(r'[":]', text)]) if part]
        there = [option for option in options if is_file(option)]
        found += there or ([path.parent / text] if element.tag.lower() in NAMING else [])
    return found


def stamps_of(files: Iterable[Path]) -> dict[Path, Stamp | None]:
    """Size, time of the last change and inode of files."""
    stamps: dict[Path, Stamp | None] = {}
    for path in files:
        try:
            found = path.stat()
            stamps[path] = (found.st_size, found.st_mtime_ns, found.st_ino)
        except (OSError, ValueError):
            stamps[path] = None
    return stamps


def file_digest_or_absent(path: Path) -> str:
    """Digest of a file; ABSENT where it cannot be read."""
    try:
        return file_digest(path) if is_file(path) else ABSENT
    except OSError:
        return ABSENT


def file_digest(path: Path) -> str:
    """SHA-256 of a file; of an SQLite file (GeoPackage) without the counters that QGIS changes by opening it."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(100)
        if head.startswith(b"SQLite format 3\0"):
            # journal mode, change counter, and by which version of SQLite it was changed (sqlite.org/fileformat.html)
            head = head[:18] + head[20:24] + head[28:92]
        total.update(head)
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def versions() -> dict[str, str]:
    """What makes a result beside the inputs: this program, `code` (a digest of its source), Python and libraries."""
    return {
        "prioritize": version("prioritize"),
        "code": code_digest(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


@cache
def code_digest() -> str:
    """Digest of this program's source: a mended fault is another program, whatever its version says."""
    total = hashlib.sha256()
    for package in (prioritize, prioritize_kernels):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            total.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\0".encode())
            total.update(path.read_bytes())
    return total.hexdigest()[:16]
