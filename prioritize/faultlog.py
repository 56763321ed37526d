"""What is kept of a fault of prioritize itself, and of warnings of the libraries below it: a file, not the terminal."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

#: bytes of the file of warnings, after which it begins anew
MOST = 1 << 20


def state_folder() -> Path:
    """Folder of what is kept between runs: that of the user, or one among the temporary files.

    `XDG_STATE_HOME` (`LOCALAPPDATA` on Windows) says where; `~/.local/state` where it does not.
    """
    places = [Path(tempfile.gettempdir()) / "prioritize"]
    with suppress(RuntimeError):  # no home
        home = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local" / "state"
        places.insert(0, Path(home) / "prioritize")
    for place in places:
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            if os.access(place, os.W_OK):
                return place
    return places[-1].parent


def write_fault(arguments: Sequence[str]) -> str:
    """Write the traceback of the exception that is being handled, with what is needed to repeat it.

    Returns
    -------
    str
        The file; or why there is none.
    """
    packages = ("prioritize", "numpy", "scipy", "pandas", "numba", "ortools", "rasterio", "pyogrio", "shapely")
    lines = [
        time.strftime("%Y-%m-%d %H:%M:%S"),
        f"arguments: {list(arguments)!r}",
        f"folder: {Path.cwd()}",
        f"python {sys.version}, {sys.platform}",
        ", ".join(f"{name} {_version(name)}" for name in packages),
        "",
        traceback.format_exc(),
    ]
    try:
        number, name = tempfile.mkstemp(prefix=time.strftime("fault-%Y%m%d-%H%M%S-"), suffix=".log", dir=state_folder())
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join(lines))
    except OSError as error:
        return f"(not written: {error.strerror}; PRIORITIZE_DEBUG=1 shows it)"
    return name


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"


@contextmanager
def noted() -> Iterator[list[str]]:
    """Keep warnings, and what libraries log, off the terminal; they are added to `warnings.log` of the state folder."""
    lines: list[str] = []

    def keep(message: Any, category: Any, filename: str, lineno: int, *_: object) -> None:
        lines.append(f"{category.__name__}: {' '.join(str(message).split())} ({filename}:{lineno})")

    handler = _Keep(lines)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = keep  # type: ignore[assignment]
            yield lines
    finally:
        root.removeHandler(handler)
        if lines:
            _append(lines)


class _Keep(logging.Handler):
    """Keeps what libraries log as a warning or worse."""

    def __init__(self, lines: list[str]):
        super().__init__(logging.WARNING)
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.lines.append(f"{record.levelname} {record.name}: {' '.join(record.getMessage().split())}")


def _append(lines: Sequence[str]) -> None:
    with suppress(OSError):
        path = state_folder() / "warnings.log"
        mode = "a" if path.is_file() and path.stat().st_size < MOST else "w"
        with path.open(mode, encoding="utf-8", errors="backslashreplace") as file:
            file.write("".join(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n" for line in lines))
