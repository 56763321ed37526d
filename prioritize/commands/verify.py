"""`prioritize verify`: recompute a run from its inputs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "recompute a run from its inputs: rows, objective and bound"


def configure(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("folder", type=Path, metavar="RUN", help="run folder")


def main(options: argparse.Namespace) -> int:
    """`prioritize verify`."""
    from prioritize.verify import verify

    verdict = verify(options.folder)
    print(verdict.sentence)
    for fault in verdict.faults:
        print(f"error: {fault}", file=sys.stderr)
    return 2 if verdict.faults else 0
