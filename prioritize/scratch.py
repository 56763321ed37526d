"""Temporary folders that nobody has to tidy up: those of a process that died are swept by the next one.

A folder is its process's own by a lock on it, which the kernel drops however the process ends (kill -9, too); names
alone would not do, for containers that share a disk have processes of the same number. What a dead process left
whole (an answer, files that were on their way to their place) is not swept but settled.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks: nothing is swept there but what is one's own
    fcntl = None  # type: ignore[assignment]

#: `.prioritize-4711-09af31c8`: the number of the process, and eight digits at random
OURS = re.compile(r"\.?prioritize-\d+-[0-9a-f]{8}")
#: what is written; an older folder that it replaces; whose place both are for; that the first is worth keeping, that
#: its files are on their way
NEW, OLD, TARGET, ANSWER, MOVING = "new", "run", "target", "answer", "moving"
#: what was settled, in sentences that the command line prints
told: list[str] = []

#: how often a folder into which others still write is removed
TRIES = 20

_open: dict[Path, int] = {}
#: those of them that are being removed
_given_up: set[Path] = set()
#: once the process ends, threads that go on begin nothing anew
_ended = threading.Event()
#: held while a folder is begun, put in its place or given up: what is being removed is put nowhere
_turn = threading.RLock()


@contextmanager
def scratch(place: Path, prefix: str = ".") -> Iterator[Path]:
    """A folder below `place` for this process alone, gone afterwards; those of dead processes are swept first.

    Parameters
    ----------
    place : Path
        A folder that is there.
    prefix : str
        A dot hides it.
    """
    sweep(place)
    room = place.absolute() / f"{prefix}prioritize-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        own(room)
        yield room
    finally:
        close(room)


def own(room: Path) -> None:
    """Make a folder and lock it; a sweeper may have come in between, then again."""
    while True:
        with _turn:
            if _ended.is_set():
                raise OSError("the process ends")
            _open[room] = -1  # before it is there: Ctrl-C may come at any moment
            with suppress(FileExistsError):  # a sweeper is at it
                os.mkdir(room, 0o700)
            lock = locked(room)
            if lock is not None and room.exists():
                _open[room] = lock
                return
            unlock(lock)


def locked(room: Path) -> int | None:
    """Open and lock a folder: its descriptor (-1 where folders cannot be locked), or None where another holds it."""
    if fcntl is None:
        return -1
    try:
        lock = os.open(room, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError:
        return -1
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except OSError:  # some network disks: a lock that cannot be had is nobody's, and nothing is swept
        os.close(lock)
        return -1
    return lock


def unlock(lock: int | None) -> None:
    """Let go of a folder."""
    if lock is not None and lock >= 0:
        with suppress(OSError):
            os.close(lock)


def close(room: Path) -> None:
    """Settle and remove a folder of this process, and do not let Ctrl-C stop that half-way."""
    try:
        finish(room)
    except KeyboardInterrupt:
        finish(room)
        raise


def finish(room: Path) -> None:
    """Settle and remove a folder of this process, or what is left of it."""
    with _turn:
        _given_up.add(room)
    settle(room, alive=True)
    for _ in range(TRIES):
        shutil.rmtree(room, ignore_errors=True)
        if not room.exists():
            break
        time.sleep(0.05)  # a thread that goes on has put another file there; it finds no folder for the next
    unlock(_open.pop(room, None))
    _given_up.discard(room)


@contextmanager
def unhindered(room: Path) -> Iterator[None]:
    """While a folder's content is put in its place nobody removes it; one that is being removed is put nowhere.

    Raises
    ------
    OSError
        The process ends, and another thread removes the folder.
    """
    with _turn:
        if room in _given_up or room not in _open:
            raise OSError("the process ends")
        yield


@atexit.register
def close_all() -> None:
    """What threads that were cut off have open goes with the process."""
    with _turn:
        _ended.set()
    for room in sorted(_open, key=lambda room: -len(room.parts)):  # inner ones first
        with suppress(OSError):
            close(room)


def sweep(place: Path) -> None:
    """Remove what dead processes of this user left in a folder; what they left whole is put where it belongs."""
    found = []
    with suppress(OSError), os.scandir(place) as entries:
        found = [Path(entry.path) for entry in entries if OURS.fullmatch(entry.name)]
    for room in found:
        with suppress(OSError):
            state = room.lstat()
            if room.absolute() in _open or (hasattr(os, "geteuid") and state.st_uid != os.geteuid()):
                continue
            lock = locked(room)
            if lock is None or lock < 0:  # its process lives, or nobody can tell
                continue
            try:
                settle(room)
                shutil.rmtree(room, ignore_errors=True)
            finally:
                unlock(lock)


def settle(room: Path, *, alive: bool = False) -> None:
    """Finish what must not be lost with a folder: a replacement under way, files on the move, an answer."""
    new, old = room / NEW, room / OLD
    if not (room / TARGET).exists():
        return
    target = Path((room / TARGET).read_text(encoding="utf-8"))
    if (room / MOVING).exists():
        with suppress(OSError) if alive else nullcontext():  # a move that the disk refused is refused again
            if new.is_dir() and target.is_dir():
                move_all(new, target)
    elif old.exists() and not target.exists():
        os.replace(new if new.exists() else old, target)
    elif (room / ANSWER).exists() and new.exists():
        kept = free_name(target)
        told.append(f"selection and certificate are kept in {kept}")
        try:
            os.replace(new, kept)
        except OSError:
            told.pop()
            raise


def free_name(target: Path) -> Path:
    """`small.kept`, `small.kept-2` ... beside a folder: the first that is not there."""
    stem = os.fsdecode(os.fsencode(target.name)[:230])
    names = (f"{stem}.kept" + (f"-{k}" if k > 1 else "") for k in range(1, 10_000))
    return next(target.with_name(name) for name in names if not os.path.lexists(target.with_name(name)))


def move_all(source: Path, folder: Path, last: str = "") -> list[Path]:
    """Move everything in a folder to another, over what is there of that name; `last` goes last."""
    moved = []
    for path in sorted(source.iterdir(), key=lambda path: (path.name == last, path.name)):
        target = folder / path.name
        if path.is_dir() and target.is_dir():
            shutil.rmtree(target)
        os.replace(path, target)
        moved.append(target)
    return moved
