"""`prioritize verify`: recompute a run from its inputs."""

from __future__ import annotations

import argparse
from pathlib import Path

from prioritize.commands._console import tell

HELP = "make a run again from its inputs and selection, and say what that proves"
DESCRIPTION = (
    "Make every file and figure of a run again from its inputs and its selection, and compare. Exit codes: 0 certified "
    "(the certificate alone proves the gap that the run claims), 3 claimed (a part of it rests on a solver's tree "
    "search, which nobody can repeat), 1 wrong, damaged or changed, 2 not a run folder."
)


def configure(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("folder", type=Path, metavar="RUN", help="run folder")


def main(options: argparse.Namespace) -> int:
    """`prioritize verify`."""
    from prioritize.commands._live import working

    with working("verify"):
        from prioritize.verify import CODES, verify

        verdict = verify(options.folder)
    print(verdict.sentence)
    tell(verdict.faults)
    return CODES[verdict.status]
