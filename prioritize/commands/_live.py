"""The line that says where each run is."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prioritize.progress import Reporter


#: seconds after which a command that has no phases says that it works
FIRST = 1.5


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say how long a command without phases has worked: redrawn on a terminal, elsewhere after 1.5 s, 3 s, 6 s ..."""
    began, ended, terminal = time.perf_counter(), threading.Event(), sys.stderr.isatty()

    def draw() -> None:
        pause = FIRST
        while not ended.wait(pause):
            took = time.perf_counter() - began
            start, end = ("\r\033[K", "") if terminal else ("", "\n")
            print(f"{start}{what}: {took:.0f} s", end=end, file=sys.stderr, flush=True)
            pause = 0.5 if terminal else took

    thread = threading.Thread(target=draw, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if terminal and time.perf_counter() - began > FIRST:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class LiveLine:
    """One line that says where each run is; Ctrl-C (or SIGTERM) asks the solvers to stop and keeps what they have.

    On a terminal the line is redrawn; elsewhere a line is printed whenever a phase changes.
    """

    def __init__(self, names: Sequence[str]):
        from prioritize.progress import Reporter

        self.names = list(names)
        self.reporters: list[Reporter] = [Reporter() for _ in names]
        self.terminal = sys.stderr.isatty()
        self.ended = threading.Event()
        self.shown: list[str] = ["" for _ in names]
        self.presses = 0
        self.before: dict[int, Any] = {}

    def __enter__(self) -> LiveLine:
        self.thread = threading.Thread(target=self._draw, daemon=True)
        self.thread.start()
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _interrupt(self, *_: object) -> None:
        self.presses += 1
        if self.presses > 1 or all(reporter.current != "solve" for reporter in self.reporters):
            raise KeyboardInterrupt
        print("\nstopping: the best selection so far is kept (Ctrl-C again: leave at once)", file=sys.stderr)
        for reporter in self.reporters:
            reporter.stop.set()

    def _draw(self) -> None:
        while not self.ended.wait(0.2):
            self._show()
        self._show()
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _show(self) -> None:
        lines = [state(name, reporter) for name, reporter in zip(self.names, self.reporters, strict=True)]
        if self.terminal:
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            print("\r\033[K" + "   ".join(lines)[: width - 1], end="", file=sys.stderr, flush=True)
            return
        for k, reporter in enumerate(self.reporters):
            if reporter.current and reporter.current != self.shown[k]:
                self.shown[k] = reporter.current
                print(lines[k], file=sys.stderr, flush=True)


def state(name: str, reporter: Reporter) -> str:
    """`pa_only: solve 12 s, incumbent 8.83e+03, bound 8.81e+03, gap 0.2 %`."""
    from prioritize.errors import one_line
    from prioritize.progress import relative_gap

    text = f"{one_line(name)}: {reporter.current or 'waiting'} {reporter.elapsed:.0f} s"
    if reporter.trajectory and reporter.current == "solve":
        _, incumbent, bound = reporter.trajectory[-1]
        gap = relative_gap(incumbent, bound)
        text += f", incumbent {incumbent:.6g}, bound {bound:.6g}, gap " + (f"{100 * gap:.2g} %" if gap < 10 else "?")
    return text
