"""Where results go: what cannot be written is told before the work, and what was written is whole or not there."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prioritize.errors import DataError

#: no more room, whoever sets the limit
FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
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
    try:
        with tempfile.TemporaryDirectory(prefix=".prioritize-", dir=place) as probe:
            Path(probe, *whole.relative_to(place).parts).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {reason(error)}; choose another folder with --out") from None


@contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """A folder to write in, which becomes `folder` in the end: all of it, or nothing.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    made = [part for part in folder.parents if not part.exists()]
    draft = None
    try:
        with blaming(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=".prioritize-", dir=folder.parent))
        with blaming(folder, draft):
            yield draft
            os.chmod(draft, 0o755)
            put_in_place(draft, folder)
    except BaseException:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
        for part in made:
            with suppress(OSError):  # another run may write there by now
                part.rmdir()
        raise


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
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in GDAL:
            raise
        name = getattr(error, "filename", None)
        if draft is not None and name is not None and not Path(os.fsdecode(name)).is_relative_to(draft):
            raise
        raise DataError(
            f"{out}: could not be written: {reason(error)}; nothing of it was kept; make room, or choose another place"
        ) from None


def reason(error: Exception) -> str:
    """Why, in a few words: `No space left on device (disk full?)`."""
    number = getattr(error, "errno", None)
    words = os.strerror(number) if number else " ".join(str(error).split())
    return f"{words} (disk full?)" if number in FULL or not isinstance(error, OSError) else words


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(temporary: Path, folder: Path) -> None:
    """Rename a finished folder over an older one, which stays where it is should that fail."""
    if not folder.exists():
        os.replace(temporary, folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=".prioritize-old-", dir=folder.parent))
    try:
        os.replace(folder, aside / "run")
        try:
            os.replace(temporary, folder)
        except BaseException:
            os.replace(aside / "run", folder)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
