"""`prioritize compare`: answer scenarios and put them side by side."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prioritize.commands._live import LiveLine
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
    scenario_options(command)


def main(options: argparse.Namespace) -> None:
    """`prioritize compare`."""
    from prioritize.comparison import compare
    from prioritize.report.figures import write_maps

    live = LiveLine([path.stem for path in options.scenarios])
    with live:
        result = compare(
            options.scenarios, options.out, changes_of(options), jobs=options.jobs, reporters=live.reporters
        )
    written = result.save(options.out) + write_maps(result, options.out)
    print_comparison(result, options.out, written)


def print_comparison(result: Comparison, folder: Path, written: Sequence[Path]) -> None:
    """The comparison on the terminal."""
    from rich.console import Console
    from rich.table import Table

    rows = result.formatted(short=True)
    table = Table()
    for k, name in enumerate(rows[0]):
        table.add_column(name, justify="left" if k == 0 else "right", overflow="fold")
    for row in rows[1:]:
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table)
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
        console.print(pairs)
    for name, summary, reused in zip(result.names, result.summaries, result.reused, strict=True):
        console.print(f"{name}: {summary['proof']}{' (reused: nothing changed)' if reused else ''}", highlight=False)
    console.print("written: " + ", ".join(str(path) for path in written), highlight=False, soft_wrap=True)
    console.print(f"run folders: {folder}/{{{','.join(result.names)}}}", highlight=False, soft_wrap=True)
