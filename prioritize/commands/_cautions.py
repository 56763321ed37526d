"""What the user should know before trusting an answer."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def print_cautions(summary: Mapping[str, Any], where: str = "") -> None:
    """Print the cautions of a `summary.json`; one that an older version wrote has none.

    And what is missing of the run: the answer stands without it.
    """
    for text in summary.get("cautions", ()):
        print(f"caution: {where}{text}", file=sys.stderr)
    missing = summary.get("missing", {})
    more = "" if {"log.txt", "tables and maps"} & missing.keys() else " (more in the run's log.txt)"
    for name, reason in missing.items():
        print(f"caution: {where}{name} is missing: {reason}{more}", file=sys.stderr)
