"""The terminal as all commands write to it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console(width: int) -> Console:
    """A console of the terminal's width, or of this one elsewhere; names that look like markup stay as they are."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else width, markup=False, emoji=False)
