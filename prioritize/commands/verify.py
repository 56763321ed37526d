"""`prioritize verify`: recompute a run from its inputs."""

from __future__ import annotations

import argparse
from pathlib import Path

from prioritize.errors import tell

HELP = "recompute a run from its inputs: rows, objective and bound"


def configure(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("folder", type=Path, metavar="RUN", help="run folder")


def main(options: argparse.Namespace) -> int:
    """`prioritize verify`."""
    from prioritize.verify import verify

    verdict = verify(options.folder)
    print(verdict.sentence)
    tell(verdict.faults)
    return 2 if verdict.faults else 0
