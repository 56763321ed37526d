"""The .ini files of Circuitscape: their keys, the files that they name, and where their output goes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from prioritize.errors import DataError
from prioritize.inputfile import no_file

#: what the window of Circuitscape leaves where nothing was chosen; its placeholders begin with a bracket, too
NOTHING = ("", "none", "not entered")

#: keys that are read
READ = frozenset((
    "data_type", "scenario", "habitat_file", "habitat_map_is_resistances", "connect_four_neighbors_only",
    "connect_using_avg_resistances", "use_polygons", "polygon_file", "source_file", "ground_file",
    "ground_file_is_resistances", "use_unit_currents", "use_direct_grounds", "remove_src_or_gnd", "use_mask",
    "mask_file", "use_variable_source_strengths", "variable_source_file", "use_included_pairs",
    "included_pairs_file", "point_file", "use_reclass_table", "output_file", "write_cur_maps",
    "write_volt_maps", "write_cum_cur_map_only", "write_max_cur_maps", "set_null_currents_to_nodata",
    "set_null_voltages_to_nodata", "set_focal_node_currents_to_zero", "compress_grids", "log_transform_maps",
    "write_as_tif",
))  # fmt: skip
#: keys of Circuitscape 3, 4 and 5 that change no number
IDLE = frozenset((
    "version", "solver", "parallelize", "max_parallel", "precision", "use_64bit_indexing", "cholmod_batch_size",
    "low_memory_mode", "preemptive_memory_release", "print_timings", "print_rusages", "reclass_file",
    "log_file", "log_level", "profiler_log_file", "screenprint_log", "suppress_messages",
))  # fmt: skip


@dataclass(frozen=True)
class Config:
    """The keys of an .ini file.

    Attributes
    ----------
    path : Path
    keys : mapping of str to str
        All sections together: Circuitscape has no key twice.
    cautions : list of str
        What the user should know though it is no fault; added to while the files are read.
    """

    path: Path
    keys: Mapping[str, str]
    cautions: list[str] = field(default_factory=list)

    def text(self, key: str) -> str:
        """A key as written; empty where nothing was chosen."""
        text = self.keys.get(key, "").strip()
        return "" if text.lower() in NOTHING or text.startswith("(") else text

    def yes(self, key: str, default: bool = False) -> bool:
        """A key that is True or False; False where nothing was chosen."""
        text = self.keys.get(key, str(default)).strip().lower()
        if text not in ("true", "false", "1", "0", *NOTHING):
            raise DataError(f"{self.path}: {key} = {text}: write True or False")
        return text in ("true", "1")

    def file(self, key: str) -> Path:
        """A key that names a file: as written, else from the folder of the .ini file or one above it.

        A path of another computer (`D:\\maps\\cost.asc`) leads to the file of that name in the folder of the .ini
        file, with a caution.
        """
        text = self.text(key)
        if not text:
            raise DataError(f"{self.path}: {key} names no file, but this mode needs one")
        there = plain(text)
        folder = self.path.resolve().parent
        for base in (Path(), folder, *folder.parents):
            for name in (text, str(there)):
                if (base / name).is_file():
                    return base / name
        parts = [part for part in there.parts if part not in (there.anchor, "..", ".")]
        for k in range(len(parts)):
            if (folder / Path(*parts[k:])).is_file():
                found = self.path.parent / Path(*parts[k:])
                self.cautions.append(f"{self.path}: {key} = {text} is not there; {found} is read in its place")
                return found
        what = no_file(self.path.parent / (there.name if isinstance(there, PureWindowsPath) else there))
        raise DataError(
            f"{self.path}: {key}: {text}: no such file; {what}" if there.anchor else f"{self.path}: {key}: {what}"
        )

    def output(self) -> tuple[str, Path]:
        """Name and folder of the output; `runs/circuit` where the file names none, or one of another computer."""
        text = self.text("output_file")
        there = plain(text)
        name = there.name.split(".out")[0] or self.path.stem
        if not text or (there.is_absolute() and isinstance(there, PureWindowsPath) and not Path(text).is_absolute()):
            return name, Path("runs/circuit")
        return name, Path(there.parent.as_posix())


def plain(text: str) -> PurePath:
    """A path that may have been written on Windows."""
    windows = PureWindowsPath(text)
    return windows if windows.drive else PurePosixPath(windows.as_posix())


def read_config(path: Path) -> Config:
    """Read an .ini file line by line, as Circuitscape does: sections mean nothing, the last of equal keys counts.

    Raises
    ------
    DataError
        If it is missing or no .ini file.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(no_file(path))
    keys = {}
    content = path.read_bytes()
    if b"\0" in content:
        raise DataError(f"{path}: not an .ini file (it holds a byte 0); save it as plain text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")  # as Windows writes names with accents
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "[#;":
            continue
        key, sign, value = line.partition("=")
        if not sign:
            raise DataError(f"{path}: not an .ini file (line {number} is not `key = value`: {line[:60]})")
        keys[key.strip().lower()] = value.strip()
    config = Config(path, keys)
    for key in keys:
        if key not in READ | IDLE:
            near = difflib.get_close_matches(key, READ, n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            config.cautions.append(f"{path}: '{key}' is no key of Circuitscape and is passed over{meant}")
    return config
