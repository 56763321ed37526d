"""Reporter: phases, log lines and the (incumbent, bound) trajectory of one run; the way to stop it."""

from __future__ import annotations

import shutil
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from prioritize.errors import PrioritizeError
from prioritize.output import of_the_disk, reason

#: (name of a part of the results, paths that may be half-written of it) -> a context to make and write it in
Part = Callable[..., AbstractContextManager[None]]


def whole(name: str, *paths: Path) -> AbstractContextManager[None]:
    """A Part that does without nothing: the first exception ends it all. `Reporter.part` is the other one."""
    return nullcontext()


class Reporter:
    """Silent by default; the command line draws it (see `cli.py`).

    Attributes
    ----------
    lines : list of str
        The log, each line with the seconds since the start.
    seconds : dict of str to float
        Time spent by phase.
    trajectory : list of (seconds, incumbent, bound)
        In the user's sense of the objective; infinite where not known yet.
    cautions : list of str
        What the user should know of the question before trusting the answer; also in the log.
    missing : dict of str to str
        Parts of the results that could not be made or written, by their file, and why (see `part`).
    folders : list of Path
        Run folders that are there: written, or taken as they were.
    stop : threading.Event
        Once set, the solver is asked to stop and the best selection so far is kept.
    """

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.lines: list[str] = []
        self.cautions: list[str] = []
        self.missing: dict[str, str] = {}
        self.folders: list[Path] = []
        self.seconds: dict[str, float] = {}
        self.trajectory: list[tuple[float, float, float]] = []
        self.stop = threading.Event()
        self.current = ""

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    def log(self, text: str) -> None:
        """Add to the log."""
        self.lines.append(f"{self.elapsed:9.2f}  {text}")

    def caution(self, text: str) -> None:
        """Remember what is to be printed, and add it to the log."""
        self.cautions.append(text)
        self.log(f"caution: {text}")

    @contextmanager
    def part(self, name: str, *paths: Path) -> Iterator[None]:
        """Do without a part of the results that fails: no answer is lost for a table.

        Parameters
        ----------
        name : str
            Its file in the run folder, for `missing`, where the reason goes; the log has the traceback.
        *paths : Path
            What may be half-written of it, and is removed.
        """
        try:
            yield
        except Exception as error:
            self.missing[name] = why(error)
            self.log(f"not written: {name}: {self.missing[name]}")
            self.lines.extend("    " + line for line in "".join(traceback.format_exception(error)).splitlines())
            for path in paths:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Name what is being done and count its time."""
        begun = time.perf_counter()
        self.current = name
        self.show()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun

    def progress(self, incumbent: float, bound: float) -> None:
        """Remember where the solver is."""
        if not self.trajectory or self.trajectory[-1][1:] != (incumbent, bound):
            self.trajectory.append((self.elapsed, incumbent, bound))
        self.show()

    def show(self) -> None:
        """Draw the state; nothing by default."""


def why(error: Exception) -> str:
    """An exception in one line; those of our own are sentences already."""
    text = " ".join(str(error).split())
    if isinstance(error, PrioritizeError):
        return text
    if of_the_disk(error):
        return reason(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def relative_gap(objective: float, bound: float) -> float:
    """|objective - bound| / |objective|; 0 where they are equal, infinite where one is not known."""
    if objective == bound:
        return 0.0
    difference = abs(objective - bound)
    return difference / abs(objective) if difference < float("inf") and objective != 0 else float("inf")
