"""Where results go: what cannot be written is told before the work, and what was written is whole or not there."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from prioritize.errors import DataError
from prioritize.scratch import MOVING, NEW, OLD, TARGET, move_all, scratch, sweep, unhindered

#: no more room, whoever sets the limit
FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
#: somebody else was faster with a folder of that name
TAKEN, TRIES = {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}, 20
#: of an output that could not be written
NOTHING = "nothing of it was kept"
#: who has errors of its own for what the disk refuses; told by name, for their imports take a second
GDAL = {"pyogrio", "rasterio"}


def guard_path(folder: Path) -> None:
    """Refuse a folder that cannot be made or written, before anything is computed for it.

    Raises
    ------
    DataError
        A file is in the way, nothing may be written there, or the name is too long.
    """
    parts = (folder, *folder.parents)
    above = next((part for part in parts if os.path.lexists(part)), folder)
    if os.path.lexists(above) and not above.is_dir():
        raise DataError(f"{above}: is a file; name a folder with --out")
    # what `drafted` will do, as far as it leaves nothing behind
    whole = folder.absolute()
    place = next(part for part in (*whole.parents, whole) if os.path.lexists(part))
    for part in (Path(tempfile.gettempdir()), whole, place, *place.parents):
        sweep(part)
    try:
        with scratch(place) as probe:
            Path(probe, *whole.relative_to(place).parts).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {reason(error)}; choose another folder with --out") from None


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """Room to write in beside a folder, for what is to become that folder.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    made = [part for part in folder.parents if not part.exists()]
    try:
        with ExitStack() as stack:
            with blaming(folder):
                folder.parent.mkdir(parents=True, exist_ok=True)
                room = stack.enter_context(scratch(folder.parent))
            with blaming(folder, room):
                (room / TARGET).write_text(str(folder.absolute()), encoding="utf-8")
                yield room
    except BaseException:
        remove_empty(made)
        raise


@contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """A folder to write in, which becomes `folder` in the end: all of it, or nothing.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    with beside(folder) as room:
        draft = room / NEW
        draft.mkdir()
        yield draft
        put_in_place(draft, folder)


@contextmanager
def gathered(folder: Path, last: str = "", out: Path | None = None) -> Iterator[Path]:
    """A folder to write in, whose files move to `folder` in the end: all of them, or none.

    What else is in `folder` stays. Cut off in the middle of the move, the next command that writes there goes on with
    it. A reader who waits for `last`, which is gone before the others come and is there after them, sees one set.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    last : str
        The file that says that the others are there.
    out : Path, optional
        What the user calls the output; by default the folder.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    folder = Path(folder)
    guard_path(folder)
    made = [part for part in (folder, *folder.parents) if not part.exists()]
    under_way = False
    try:
        with ExitStack() as stack:
            with blaming(out or folder):
                folder.mkdir(parents=True, exist_ok=True)
                room = stack.enter_context(scratch(folder))
            stack.enter_context(blaming(out or folder, room))
            draft = room / NEW
            draft.mkdir()
            yield draft
            (room / TARGET).write_text(str(folder.absolute()), encoding="utf-8")
            (room / MOVING).touch()
            under_way = True
            if last:
                (folder / last).unlink(missing_ok=True)
            move_all(draft, folder, last)
    except KeyboardInterrupt:
        if under_way:  # `scratch` went on with it
            raise KeyboardInterrupt(f"{out or folder} is written") from None
        remove_empty(made)
        raise
    except BaseException:
        remove_empty(made)
        raise


def remove_empty(made: list[Path]) -> None:
    """Leave no empty folders behind; in others another run may write by now."""
    for part in made:
        with suppress(OSError):
            part.rmdir()


@contextmanager
def blaming(out: Path, draft: Path | None = None) -> Iterator[None]:
    """Say which output could not be written, in the user's words: temporary files are no concern of theirs.

    Parameters
    ----------
    out : Path
        What the user asked for.
    draft : Path, optional
        Where it is written first; a file that lies elsewhere is an input, and at fault itself.
    """
    try:
        yield
    except Exception as error:
        if not of_the_disk(error):
            raise
        name = getattr(error, "filename", None)
        if draft is not None and name is not None and not Path(os.fsdecode(name)).is_relative_to(draft):
            raise
        raise DataError(
            f"{out}: could not be written: {reason(error)}; {NOTHING}; make room, or choose another place"
        ) from None


def of_the_disk(error: Exception) -> bool:
    """Whether it is the operating system, or GDAL, that refuses."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in GDAL


def reason(error: Exception) -> str:
    """Why, in a few words: `No space left on device (disk full?)`."""
    number = getattr(error, "errno", None)
    words = os.strerror(number) if number else " ".join(str(error).split())
    return f"{words} (disk full?)" if number in FULL or not isinstance(error, OSError) else words


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with scratch(path.parent) as room:
        (room / NEW).write_text(text, encoding="utf-8")
        os.replace(room / NEW, path)


def as_json(value: Any, *, indent: int | None = 2, ascii_only: bool = True, separators: Any = None) -> str:
    """JSON text of plain values; a number that is none (NaN, infinity), which JSON does not know, is null."""
    return json.dumps(plain(value), indent=indent, ensure_ascii=ascii_only, allow_nan=False, separators=separators)


def plain(value: Any) -> Any:
    """What JSON knows: NumPy's numbers as Python's, null for NaN and infinity."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if type(value).__module__ == "numpy":  # told by name, for its import takes time and --help has none
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def put_in_place(draft: Path, folder: Path) -> None:
    """Rename a finished folder over an older one, which stays where it is should that fail.

    `draft` lies in a room of `beside`. Killed between the two renames, the next command that writes there does the
    second one (see `scratch.settle`).
    """
    aside = draft.parent / OLD
    for left in reversed(range(TRIES)):  # another run may write there, too: the last one stays
        try:
            with unhindered(draft.parent):
                replace(folder, draft, aside)
        except OSError as error:
            if not left or error.errno not in TAKEN or (aside.exists() and not folder.exists()):
                raise
            shutil.rmtree(aside, ignore_errors=True)
        else:
            shutil.rmtree(aside, ignore_errors=True)
            return


def replace(folder: Path, draft: Path, aside: Path) -> None:
    """Rename a draft to a folder, and what is there aside; it comes back where the second renaming fails."""
    if not folder.exists():
        os.replace(draft, folder)
        return
    os.replace(folder, aside)
    try:
        os.replace(draft, folder)
    except BaseException:
        os.replace(aside, folder)
        raise
