"""The one door for input files: only regular files are opened, and nothing is read that the memory cannot hold.

A pipe or a device in the place of a file would be read for ever. A file is looked at before it is opened; what is not
there, or is a folder, is left to the reader, who knows what it is needed for.
"""

from __future__ import annotations

import difflib
import errno
import math
import os
import stat
from pathlib import Path, PureWindowsPath

from prioritize.errors import DataError

#: bytes of the longest scenario, .ini file or list of names; the longest real ones have some hundred kilobytes
MOST_TEXT = 64 << 20
#: bytes of the longest summary, or other file of a run that is read as a whole
MOST_JSON = 512 << 20
#: how many bytes of memory a byte of a table takes while it is read: the text, its copy, the columns
TABLE = 8
#: what GDAL opens of itself beside a file: by the file's name, and by its stem
BESIDE = (".aux.xml", ".msk", ".ovr", "-wal", "-shm", "-journal")
BESIDE_STEM = (".dbf", ".shx", ".prj", ".cpg", ".qix", ".tfw", ".wld", ".hdr")
KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def gate(path: str | Path, *, most: int | None = None, grows: int = 0) -> Path:
    """Let a path pass that may be opened, or does not exist.

    Parameters
    ----------
    path : path
    most : int, optional
        Bytes that a file of this kind has at most.
    grows : int
        How many bytes of memory each byte of the file takes; 0 where it is read piece by piece.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        A pipe, socket or device; a link that leads back to itself; a file that is too large.
    """
    path = Path(path)
    refuse_special(path)
    if path.is_file():
        size = path.stat().st_size
        if most is not None and size > most:
            raise DataError(f"{path}: {told(size)} is too large for a file of this kind ({told(most)} at most)")
        if grows:
            room(path, grows * size)
    return path


def gate_gdal(path: str | Path) -> Path:
    """As `gate`, for what GDAL opens: also the files that it opens of itself beside this one, or in this folder."""
    path = gate(path)
    # GDAL's own paths (/vsizip/...) are no files
    if path.is_dir():
        beside = list(path.iterdir())
    else:
        beside = [path.with_name(path.name + ending) for ending in BESIDE]
        beside += [path.with_suffix(ending) for ending in BESIDE_STEM] if path.stem else []
    for other in beside:
        refuse_special(other)
    return path


def refuse_special(path: Path) -> None:
    """Raise DataError for what can never be a file; pass over what does not exist."""
    try:
        mode = path.stat().st_mode
    except ValueError:  # a NUL character
        raise DataError(f"{path}: no name of a file; it holds a character that no name can hold") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DataError(f"{path}: a link that leads back to itself; put the file in its place") from None
        if error.errno == errno.ENAMETOOLONG:
            raise DataError(f"{path}: file name too long") from None
        return
    kind = KINDS.get(stat.S_IFMT(mode))
    if kind is not None:
        raise DataError(f"{path}: is {kind}, not a file; save its content as a file and name that")


def beside(folder: Path, said: str) -> tuple[Path, bool]:
    """Where a file or folder is that another file names, perhaps as it was called on another computer.

    Parameters
    ----------
    folder : Path
        That of the file that names it.
    said : str
        With slashes or backslashes, in the case of letters of a system that does not tell them apart.

    Returns
    -------
    (Path, bool)
        Where it is, or should be; whether it was found by its last name alone, beside the file that names it.
    """
    said = said.strip().strip("\"'").replace("\\", "/")
    foreign = PureWindowsPath(said).drive != ""
    path = folder if foreign else same_letters(folder, said)
    if foreign or not path.exists():
        near = same_letters(folder, PureWindowsPath(said).name)
        if (foreign or Path(said).is_absolute()) and PureWindowsPath(said).name and near.exists():
            return near, True
        path = folder / said
    return path, False


def same_letters(folder: Path, said: str) -> Path:
    """A path below a folder, each part in the case of letters that is there, if only one is."""
    anchor = Path(said).anchor
    path = Path(anchor) if anchor else folder
    for part in Path(said).parts[1 if anchor else 0 :]:
        following = path / part
        if part != ".." and not following.exists() and path.is_dir():
            same = [other for other in path.iterdir() if other.name.lower() == part.lower()]
            following = same[0] if len(same) == 1 else following
        path = following
    return path


def is_regular(path: str | Path) -> bool:
    """Whether there is a regular file."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def room(path: str | Path, needed: int, way_out: str = "") -> None:
    """Refuse, before it is read, what the free memory cannot hold.

    Parameters
    ----------
    path : path
    needed : int
        Bytes.
    way_out : str
        What the user can do.

    Raises
    ------
    DataError
    """
    free = free_memory()
    if free is not None and needed > free:
        raise DataError(
            f"{path}: takes {told(needed)} of memory, {told(free)} are free; "
            + (way_out or "make it smaller, or use a machine with more memory")
        )


def room_for_grid(path: str | Path, shape: tuple[int, int], bytes_a_cell: int) -> None:
    """As `room`, for a grid of rows x columns whose size its header tells."""
    rows, columns = shape
    room(
        path,
        rows * columns * bytes_a_cell,
        f"it has {rows:,} rows x {columns:,} columns; is its header damaged? else give coarser cells, "
        "or use a machine with more memory",
    )


def free_memory() -> int | None:
    """Bytes that may still be taken: of the machine, of the control group, of the process; None where nobody tells."""
    known = [_machine(), _group(), _process()]
    return min((number for number in known if number is not None), default=None)


def _machine() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _group() -> int | None:
    try:
        most, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text() for name in ("max", "current"))
        return max(0, int(most) - int(used))
    except (OSError, ValueError):
        return None


def _process() -> int | None:
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most == resource.RLIM_INFINITY:
            return None
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        return max(0, most - used)
    except (ImportError, OSError, ValueError):
        return None


def told(size: float) -> str:
    """Bytes for people: `1.5 GB`."""
    step = min(int(math.log10(max(size, 1)) // 3), 5)
    unit = ("bytes", "kB", "MB", "GB", "TB", "PB")[step]
    return f"{size / 1000**step:,.4g} {unit}"


def no_file(path: Path, what: str = "file") -> str:
    """Say that a file does not exist, and which one beside it may be meant."""
    # by stem, or `cost.tif` would be near to `wood.tif`; of equal stems the one with the right suffix
    beside = {
        item.stem: item.name for item in sorted(path.parent.glob("*"), key=lambda i: (i.suffix == path.suffix, i))
    }
    near = [beside[stem] for stem in difflib.get_close_matches(path.stem, beside, n=1)]
    return f"{path}: no such {what}" + (f"; did you mean '{near[0]}'?" if near else "")
