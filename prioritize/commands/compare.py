"""`prioritize compare`: answer scenarios and put them side by side."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prioritize.commands._accounts import print_accounts
from prioritize.commands._cautions import print_cautions
from prioritize.commands._console import console
from prioritize.commands._live import LiveLine, working
from prioritize.commands._options import changes_of, count, scenario_options

if TYPE_CHECKING:
    from prioritize.comparison import Comparison


HELP = "answer scenarios and put them side by side"
DESCRIPTION = "Run (or reuse) scenarios and compare them."


def configure(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("scenarios", type=Path, nargs="+", metavar="SCENARIO")
    command.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("runs/comparison"), help="default: runs/comparison"
    )
    command.add_argument(
        "--jobs", type=count, default=os.cpu_count() or 1, metavar="N", help="runs at a time (default: cores)"
    )
    command.add_argument(
        "--equalise",
        choices=("area", "cost"),
        help="then hold every scenario to the area (realm by realm) of the one that selects least, or to the new cost "
        "of the cheapest, and compare again in DIR/equal_area or DIR/equal_cost; targets that cannot be met so become "
        "goals (min_shortfall)",
    )
    command.add_argument("--report", action="store_true", help="also write DIR/report.html")
    command.add_argument("--open", action="store_true", help="write the report and open it in the browser")
    scenario_options(command)


def main(options: argparse.Namespace) -> None:
    """`prioritize compare`."""
    with working("compare"):  # the libraries alone may take two seconds to load
        from prioritize.comparison import compare
        from prioritize.equalise import equalise
        from prioritize.errors import PrioritizeError

    live = LiveLine([path.stem for path in options.scenarios])
    asked: dict[str, Any] = {"jobs": options.jobs, "reporters": live.reporters}
    results: list[Comparison] = []
    try:
        with live:
            if options.equalise:
                results += equalise(options.scenarios, options.equalise, options.out, changes_of(options), **asked)
            else:
                results.append(compare(options.scenarios, options.out, changes_of(options), **asked))
        for result, folder in zip(results, (options.out, options.out / f"equal_{options.equalise}"), strict=False):
            finish(result, folder, options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(finished(live)) from None
    except PrioritizeError as error:
        said = finished(live)
        raise type(error)([*error.faults, said] if said else error.faults) from error


def finished(live: LiveLine) -> str:
    """Which runs are there although the comparison is not."""
    names = [str(folder) for reporter in live.reporters for folder in reporter.folders]
    return f"finished runs stay, and the next call takes them as they are: {', '.join(names)}" if names else ""


def finish(result: Comparison, folder: Path, options: argparse.Namespace) -> None:
    """Write what a comparison is made of, all of it together; a map or page that fails costs itself alone."""
    from prioritize.comparison import FILES
    from prioritize.output import gathered
    from prioritize.progress import Reporter
    from prioritize.report.figures import write_maps
    from prioritize.report.page import write_page

    reporter = Reporter()
    with gathered(folder, FILES[0]) as draft:
        result.write(draft)
        with reporter.part("maps.png", draft / "maps.png", draft / "overlap.png"):
            write_maps(result, draft)
        names = [*FILES, *sorted(path.name for path in draft.glob("*.png"))]
    for name in {"maps.png", "overlap.png"} - {*names}:  # those of an older comparison would contradict this one
        (folder / name).unlink(missing_ok=True)
    print_comparison(result, folder, [folder / name for name in names])
    if options.report or options.open:
        with reporter.part("report.html"):
            from prioritize.commands.report import announce

            announce(write_page([folder / name for name in result.names], folder / "report.html"), options.open)
    for name, reason in reporter.missing.items():
        print(f"caution: {folder / name} is missing: {reason}", file=sys.stderr)


def print_comparison(result: Comparison, folder: Path, written: Sequence[Path]) -> None:
    """The comparison on the terminal."""
    from rich.table import Table

    rows = result.formatted(short=True)
    table = Table()
    for k, name in enumerate(rows[0]):
        table.add_column(name, justify="left" if k == 0 else "right", overflow="fold")
    for row in rows[1:]:
        table.add_row(*row)
    screen = console(110)
    if result.heading:
        screen.print(result.heading, highlight=False)
    screen.print(table)
    if len(result.overlap):
        pairs = Table(title="overlap of the selections", title_justify="left")
        for name in ("", "Jaccard", "shared km2", "only first", "only second"):
            pairs.add_column(name, justify="right" if name else "left")
        for pair in result.overlap.itertuples(index=False):
            pairs.add_row(
                f"{pair.a} and {pair.b}",
                f"{pair.jaccard:.2f}",
                f"{pair.shared_km2:,.0f}",
                f"{pair.only_a_km2:,.0f}",
                f"{pair.only_b_km2:,.0f}",
            )
        screen.print(pairs)
    print_accounts(result.tables, result.names)
    for name, summary, reused in zip(result.names, result.summaries, result.reused, strict=True):
        screen.print(
            f"{name}: {summary['proof']}{' (reused: nothing changed)' if reused else ''}",
            highlight=False,
            soft_wrap=True,
        )
    for name, why in zip(result.names, result.why, strict=False):
        if why:
            screen.print(f"{name}: solved again: {why}", highlight=False, soft_wrap=True)
    for name, summary in zip(result.names, result.summaries, strict=True):
        print_cautions(summary, f"{name}: ")
    screen.print("written: " + ", ".join(str(path) for path in written), highlight=False, soft_wrap=True)
    screen.print(f"run folders: {folder}/{{{','.join(result.names)}}}", highlight=False, soft_wrap=True)
