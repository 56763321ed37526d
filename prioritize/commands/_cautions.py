"""What the user should know before trusting an answer."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def print_cautions(summary: Mapping[str, Any], where: str = "") -> None:
    """Print the cautions of a `summary.json`; one that an older version wrote has none."""
    for text in summary.get("cautions", ()):
        print(f"caution: {where}{text}", file=sys.stderr)
