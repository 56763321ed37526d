"""`prioritize run`: answer a scenario."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from prioritize.commands._accounts import print_accounts
from prioritize.commands._cautions import print_cautions
from prioritize.commands._console import console
from prioritize.commands._live import LiveLine, working
from prioritize.commands._options import changes_of, scenario_options

if TYPE_CHECKING:
    from prioritize.runner import Run


HELP = "answer a scenario"
DESCRIPTION = "Answer a scenario and write its run folder."


def configure(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("scenario", type=Path, metavar="SCENARIO")
    command.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/NAME)")
    scenario_options(command)


def main(options: argparse.Namespace) -> None:
    """`prioritize run`."""
    with working("run"):  # the libraries alone may take two seconds to load
        from prioritize.runner import guard_folder, run
        from prioritize.scenario import read_scenario

        scenario = read_scenario(options.scenario, changes_of(options))
    folder = options.out or scenario.output.folder or Path("runs") / scenario.name
    guard_folder(folder)
    live = LiveLine([scenario.name])
    with live:
        done = run(scenario, reporter=live.reporters[0], folder=folder)
    print_run(done, folder)


def print_run(run: Run, folder: Path) -> None:
    """The table at the end of a run."""
    from rich.table import Table

    from prioritize.comparison import show
    from prioritize.table import beside

    summary = run.summary
    table = Table(title=summary["title"] or summary["name"], show_header=False, title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    table.add_row(f"cost ({summary['cost_unit']})", f"{summary['cost']:,.10g}")
    if summary["objective_kind"] != "min_cost" or len(summary["terms"]) > 1:
        table.add_row(f"objective ({summary['objective_kind']})", f"{summary['objective']:,.10g}")
    table.add_row("targets met", f"{summary['targets_met']} of {summary['targets']}")
    table.add_row("units selected", f"{summary['units_selected']:,} of {summary['units']:,}")
    for group, share in summary["area_share"].items():
        label = "share of all area" if group == "all" else f"share of {group}"
        if group == "all" or group.startswith("realm:"):
            table.add_row(label, show(100 * share, "%"))
    for zone, area in summary["zone_area_km2"].items():
        if len(summary["zone_area_km2"]) > 1:
            table.add_row(f"zone {zone}", f"{area:,.0f} km2")
    unit = summary["boundary_unit"]
    boundary = summary["boundary"]
    table.add_row("boundary", f"{boundary / 1000:,.1f} km" if unit == "m" else f"{boundary:,.6g} {unit}")
    table.add_row("bound", "none" if summary["bound"] is None else f"{summary['bound']:,.10g}")
    table.add_row("proof", summary["proof"])
    table.add_row("seconds", ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in summary["seconds"].items()))
    screen = console(110)
    screen.print(table)
    print_accounts(beside([summary["name"]], [run.tables]), [summary["name"]])
    print_cautions(summary)
    screen.print(f"run folder: {folder}", highlight=False, soft_wrap=True)
