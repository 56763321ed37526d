"""`prioritize check`: every fault of a scenario at once."""

from __future__ import annotations

import argparse
from pathlib import Path

from prioritize.commands._console import tell
from prioritize.commands._options import changes_of, scenario_options

HELP = "every fault of a scenario at once, without solving"


def configure(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("scenario", type=Path, metavar="SCENARIO")
    scenario_options(command)


def main(options: argparse.Namespace) -> int:
    """`prioritize check`."""
    from prioritize.commands._live import working

    with working("check"):
        from prioritize.runner import check

        faults, facts = check(options.scenario, changes_of(options))
    for fact in facts:
        print(fact)
    tell(faults)
    if not faults:
        print(f"{options.scenario}: no fault found")
    return 2 if faults else 0
