"""Whose fault it is: one exception for the scenario, one for the data, one for the solve."""

from __future__ import annotations

import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable

#: what reading a damaged .npz raises: a flipped byte may hit the zip's tables, a compressed stream or an array's header
DAMAGED = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, MemoryError, OverflowError, SyntaxError,
    zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip


#: what is no part of a line: line breaks, and what moves the cursor or turns the direction of reading
UNPRINTED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
#: longest fault that is printed whole; a longer one holds a value that nobody reads to its end
LONGEST = 2000


def one_line(text: str) -> str:
    """A text on one line: breaks are spaces, other control characters are written out, what is too long is cut.

    Examples
    --------
    >>> one_line("a\\nb\\x1b[31m")
    'a b\\\\x1b[31m'
    """
    if len(text) > LONGEST:
        text = f"{text[: LONGEST * 2 // 3]} ... {text[-LONGEST // 3 :]}"
    if text.isprintable():
        return text
    text = text.replace("\r\n", " ").replace("\n", " ")
    joined = "\u200c\u200d"  # of Persian and Indian letters
    return "".join(
        repr(mark)[1:-1] if unicodedata.category(mark) in UNPRINTED and mark not in joined else mark for mark in text
    )


class PrioritizeError(Exception):
    """One or more faults that the user can act on; the command line prints them and exits with 2.

    Parameters
    ----------
    faults : str or iterable of str
        One line each: the culprit, the value, the way out.
    """

    def __init__(self, faults: str | Iterable[str]):
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))


class ScenarioError(PrioritizeError):
    """The scenario file is wrong."""


class DataError(PrioritizeError):
    """A file that the scenario names is missing, unreadable or inconsistent."""


class InfeasibleError(PrioritizeError):
    """No selection can meet every hard row; the faults say which and why."""


class SolveError(PrioritizeError):
    """The solver failed, found nothing in the time it had, or returned what the re-check refuses."""


class Stopped(PrioritizeError):
    """The user stopped it before there was an answer; nobody's fault, and no answer either."""


class Faults:
    """Collects faults so that all of them are told at once.

    Examples
    --------
    >>> faults = Faults(DataError)
    >>> faults.add("cost.tif: ...")
    >>> faults.raise_any()
    Traceback (most recent call last):
    prioritize.errors.DataError: cost.tif: ...
    """

    def __init__(self, kind: type[PrioritizeError] = DataError):
        self.kind = kind
        self.messages: list[str] = []

    def add(self, message: str) -> None:
        """Remember one fault."""
        if message not in self.messages:
            self.messages.append(message)

    def catch(self, error: PrioritizeError) -> None:
        """Remember all faults of an exception."""
        for message in error.faults:
            self.add(message)

    def raise_any(self) -> None:
        """Raise all that was remembered, if anything was."""
        if self.messages:
            raise self.kind(self.messages)
