"""`prioritize redline`: draw a line by rule, revise it without loss, compare two lines."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from prioritize.commands._options import changes_of, scenario_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prioritize.table import Table

HELP = "draw an Ecological Conservation Redline, revise it, compare two lines"
DESCRIPTION = (
    "Draw an Ecological Conservation Redline by rule, revise one without loss of area, function or nature, "
    "or compare two lines, whoever drew them."
)


def configure(command: argparse.ArgumentParser) -> None:
    """The three commands and their options."""
    under = command.add_subparsers(title="redline commands", required=True, metavar="ACTION")
    one = under.add_parser(
        "delineate",
        help="draw the line that a [redline] block describes",
        description="Draw the line that the [redline] block of a scenario describes, and write its folder.",
    )
    one.add_argument("scenario", type=Path, metavar="SCENARIO")
    one.add_argument("--out", type=Path, metavar="DIR", help="folder (default: runs/NAME-redline)")
    scenario_options(one)
    one.set_defaults(action=delineate)

    two = under.add_parser(
        "revise",
        help="check or make a revision: no loss of area, function or nature",
        description="Check a revision (--new), or make the cheapest one: no decrease in area, no reduction in "
        "function, no change in nature, at every level that [redline.revision] names. Exit code 1: it is refused.",
    )
    two.add_argument(
        "old", type=Path, metavar="OLD", help="the line in force: a redline or run folder, a raster, polygons"
    )
    two.add_argument("scenario", type=Path, metavar="SCENARIO")
    two.add_argument("--new", type=Path, metavar="LINE", help="the proposed line; made by optimisation where absent")
    two.add_argument("--out", type=Path, metavar="DIR", help="folder (default: runs/NAME-revision)")
    scenario_options(two)
    two.set_defaults(action=revise)

    three = under.add_parser(
        "diff",
        help="what two lines have in common, and what not",
        description="Compare two lines that anybody drew, as rasters (what is not zero) or polygons: what was kept, "
        "added and removed.",
    )
    three.add_argument("old", type=Path, metavar="OLD", help="a redline or run folder, a raster, polygons")
    three.add_argument("new", type=Path, metavar="NEW")
    three.add_argument("--regions", type=Path, metavar="FILE", help="polygons of regions to report by")
    three.add_argument("--by", metavar="COLUMN", help="their column of names (default: name)")
    three.add_argument("--out", type=Path, metavar="DIR", help="also write the changes as polygons, and the table")
    three.set_defaults(action=diff)


def main(options: argparse.Namespace) -> int:
    """`prioritize redline ...`."""
    return int(options.action(options) or 0)


def delineate(options: argparse.Namespace) -> int:
    """`prioritize redline delineate`."""
    import time

    from prioritize.redline.files import delineate_scenario
    from prioritize.scenario import read_scenario

    scenario = read_scenario(options.scenario, changes_of(options))
    folder = options.out or Path("runs") / f"{scenario.name}-redline"
    started = time.perf_counter()
    line, tables = delineate_scenario(scenario, folder)
    for note in line.grids.notes:
        print(f"note: {note}", file=sys.stderr)
    print_tables(tables)
    print(f"redline folder: {folder} ({time.perf_counter() - started:.1f} s)")
    return 0


def revise(options: argparse.Namespace) -> int:
    """`prioritize redline revise`."""
    from prioritize.redline.revise import revise_scenario
    from prioritize.scenario import read_scenario

    scenario = read_scenario(options.scenario, changes_of(options))
    folder = options.out or Path("runs") / f"{scenario.name}-revision"
    verdict, tables = revise_scenario(options.old, scenario, options.new, folder)
    print_tables(brief(tables))
    print(verdict.sentence)
    print(f"revision folder: {folder}")
    return 0 if verdict.accepted else 1


def diff(options: argparse.Namespace) -> int:
    """`prioritize redline diff`."""
    from prioritize.redline.diff import compare_lines

    tables = compare_lines(options.old, options.new, options.regions, options.by, options.out)
    print_tables(tables)
    if options.out is not None:
        print(f"difference folder: {options.out}")
    return 0


def brief(tables: Sequence[Table]) -> list[Table]:
    """The tables of a revision as far as a screen holds them: areas, what failed, and the budget."""
    from dataclasses import replace

    shown = []
    for table in tables:
        frame = table.frame
        if table.name == "revision_ledger":
            frame = frame[(frame["before_km2"] > 0) | (frame["after_km2"] > 0)]
            frame = frame[[column for column in frame if column.endswith("_km2") or column in ("level", "region")]]
        elif table.name == "revision_tests":
            frame = frame[~frame["passed"]]
            table = replace(table, title=f"Failed: {len(frame)} of {len(table.frame)} tests ({table.title})")
        if len(frame):
            shown.append(replace(table, frame=frame))
    return shown


def print_tables(tables: Sequence[Table], most: int = 25) -> None:
    """Tables as text, the first rows of each."""
    import sys

    from rich.console import Console
    from rich.table import Table as Printed

    console = Console(width=None if sys.stdout.isatty() else 150)
    for table in tables:
        shown = Printed(title=table.title, title_justify="left")
        frame = table.frame.head(most)
        for column in frame:
            shown.add_column(str(column), justify="left" if frame[column].dtype == object else "right")
        for row in frame.itertuples(index=False):
            shown.add_row(*(cell(value, str(column)) for value, column in zip(row, frame, strict=True)))
        console.print(shown)
        if len(table.frame) > most:
            console.print(f"... and {len(table.frame) - most} more rows in the file")


def cell(value: object, column: str) -> str:
    """A value as text: shares in percent."""
    if isinstance(value, float):
        return (
            f"{100 * value:.2f} %"
            if column.startswith("share")
            else f"{value:,.6g}"
            if abs(value) < 100
            else f"{value:,.1f}"
        )
    return (
        "" if value is None else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    )
