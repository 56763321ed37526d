"""The terminal as all commands write to it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prioritize.errors import one_line

if TYPE_CHECKING:
    from rich.console import Console


def tell(faults: Iterable[str]) -> None:
    """Print faults, one line each, as every command does."""
    for fault in faults:
        print(f"error: {one_line(fault)}", file=sys.stderr)


def console(width: int) -> Console:
    """A console of the terminal's width, or of this one elsewhere; names that look like markup stay as they are."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else width, markup=False, emoji=False)
