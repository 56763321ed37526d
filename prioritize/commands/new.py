"""`prioritize new`: something to start from."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "a commented scenario and a tiny landscape to start from"


def configure(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("folder", type=Path, metavar="DIR")


def main(options: argparse.Namespace) -> None:
    """`prioritize new`."""
    from prioritize.template import write_template

    scenario = write_template(options.folder)
    print(f"{scenario} and a tiny landscape beside it; next:\n  prioritize run {scenario}")
