"""`prioritize redline`: draw a line by rule, optimise it, agree on it, revise it without loss, compare two lines."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from prioritize.commands._console import console
from prioritize.commands._live import working
from prioritize.commands._options import changes_of, scenario_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from prioritize.table import Table

HELP = "draw an Ecological Conservation Redline, optimise it, revise it, compare two lines"
DESCRIPTION = (
    "Draw an Ecological Conservation Redline by rule, say what an optimised one saves and what agreeing across borders "
    "gains, revise one without loss of area, function or nature, or compare two lines, whoever drew them."
)


def configure(command: argparse.ArgumentParser) -> None:
    """The commands and their options."""
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

    four = under.add_parser(
        "optimise",
        help="the cheapest line that achieves what one drawn by rule does",
        description="Take what a line achieves of every feature, function and fragile class, and solve for the "
        "cheapest and the smallest line that achieve the same, and for the most that the same area achieves.",
    )
    four.add_argument("scenario", type=Path, metavar="SCENARIO")
    four.add_argument("--line", type=Path, metavar="LINE", help="a line to compare with; drawn by rule where absent")
    four.add_argument("--compact", action="store_true", help="count the scenario's penalties beside the cost")
    four.add_argument("--out", type=Path, metavar="DIR", help="folder (default: runs/NAME-optimised)")
    scenario_options(four)
    four.set_defaults(action=optimise)

    five = under.add_parser(
        "coordinate",
        help="joint against region by region: the price of not agreeing",
        description="Solve a scenario for all regions together, and for every region alone (its own part of each "
        "target, from its own land), and compare costs, targets and what goes on across borders.",
    )
    five.add_argument("scenario", type=Path, metavar="SCENARIO")
    five.add_argument(
        "--by", default="province", metavar="LEVEL", help="level of landscape.regions (default: province)"
    )
    five.add_argument("--out", type=Path, metavar="DIR", help="folder (default: runs/NAME-by-LEVEL)")
    scenario_options(five)
    five.set_defaults(action=agree)


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
    with working("delineate"):
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
    with working("revise"):
        verdict, tables = revise_scenario(options.old, scenario, options.new, folder)
    print_tables(brief(tables))
    print(verdict.sentence)
    print(f"revision folder: {folder}")
    return 0 if verdict.accepted else 1


def diff(options: argparse.Namespace) -> int:
    """`prioritize redline diff`."""
    from prioritize.redline.diff import compare_lines

    with working("diff"):
        tables = compare_lines(options.old, options.new, options.regions, options.by, options.out)
    print_tables(tables)
    if options.out is not None:
        print(f"difference folder: {options.out}")
    return 0


def optimise(options: argparse.Namespace) -> int:
    """`prioritize redline optimise`."""
    from prioritize.redline.composition import achieved_table, borders_of, by_category, by_criterion, lines_table
    from prioritize.redline.optimise import optimise_scenario
    from prioritize.redline.results import guard, save
    from prioritize.scenario import read_scenario

    scenario = read_scenario(options.scenario, changes_of(options))
    folder = options.out or Path("runs") / f"{scenario.name}-optimised"
    guard(folder)
    with working("optimise"):
        made, ruled = optimise_scenario(scenario, options.line, options.compact)
    config, ground = scenario.redline, made.landscape
    assert config is not None
    composition = by_category(made.lines, ruled, config, ground)
    tables = [lines_table(made), achieved_table(made), composition, by_criterion(made.lines, ruled, ground)]
    if config.split is not None and config.split in ground.groups:
        tables.append(borders_of(made.lines, ground, config.split))
    selections = {name: inside[:, None] for name, inside in made.lines.items()}
    summary = {
        "line": "drawn by rule" if options.line is None else str(options.line),
        "compact": options.compact,
        "proofs": dict(zip(tables[0].frame["line"], tables[0].frame["proof"], strict=True)),
    }
    save(folder, scenario, ground, selections, tables, summary)
    print_upright(tables[0])
    print_groups(tables[1])
    shown = ["line", "category", "area_km2", *(c for c in composition.frame if c.startswith("share_"))]
    print_tables([replaced(composition, composition.frame[shown])])
    print(f"comparison folder: {folder}")
    return 0


def agree(options: argparse.Namespace) -> int:
    """`prioritize redline coordinate`."""
    from prioritize.redline.coordination import coordinate, coordination_tables
    from prioritize.redline.results import guard, save
    from prioritize.scenario import read_scenario

    scenario = read_scenario(options.scenario, changes_of(options))
    folder = options.out or Path("runs") / f"{scenario.name}-by-{options.by}"
    guard(folder)
    with working("coordinate"):
        made = coordinate(scenario, options.by)
        tables = coordination_tables(made)
    summary = {"level": made.level, "not_asked_alone": list(made.not_asked), "broken_alone": list(made.broken)}
    save(
        folder,
        scenario,
        made.problem.landscape,
        {"alone": made.union, "joint": made.joint.selection},
        tables,
        summary,
    )
    print_upright(tables[0])
    print_tables([tables[1]])
    print(tables[0].note)
    print(f"comparison folder: {folder}")
    return 0


def replaced(table: Table, frame: pd.DataFrame) -> Table:
    """A table with another frame, for the screen."""
    from dataclasses import replace

    return replace(table, frame=frame)


def print_groups(table: Table) -> None:
    """Mean shares by group of features; every feature is in the file."""
    shares = [column for column in table.frame if column.startswith("share_")]
    frame = table.frame.groupby("group", as_index=False, sort=False)[shares].mean()
    print_tables([replaced(table, frame)])


def print_upright(table: Table) -> None:
    """A table of few rows and many columns, turned so that it fits a screen."""
    import pandas as pd

    frame = table.frame
    names = [str(name) for name in frame.iloc[:, 0]]
    rows = [
        [str(column), *("" if pd.isna(value) else cell(value, str(column)) for value in frame[column])]
        for column in frame.columns[1:]
        if column != "proof"
    ]
    print_tables([replaced(table, pd.DataFrame(rows, columns=["", *names]))])
    for name, proof in zip(names, frame["proof"], strict=True):
        print(f"{name}: {proof}")


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

    from pandas.api.types import is_numeric_dtype
    from rich.table import Table as Printed

    screen = console(150)
    for table in tables:
        shown = Printed(title=table.title, title_justify="left")
        frame = table.frame.head(most)
        for column in frame:
            shown.add_column(str(column), justify="right" if is_numeric_dtype(frame[column]) else "left")
        for row in frame.itertuples(index=False):
            shown.add_row(*(cell(value, str(column)) for value, column in zip(row, frame, strict=True)))
        screen.print(shown)
        if len(table.frame) > most:
            screen.print(f"... and {len(table.frame) - most} more rows in the file")


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
