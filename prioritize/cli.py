"""The command line: prints, exits, nothing else. Exit codes: 0 done, 2 the user's input, 130 stopped."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prioritize import __version__
from prioritize.errors import PrioritizeError

if TYPE_CHECKING:
    from prioritize.comparison import Comparison
    from prioritize.progress import Reporter
    from prioritize.runner import Run


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        return int(options.command(options) or 0)
    except PrioritizeError as error:
        for fault in error.faults:
            print(f"error: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `prioritize schema | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {(error.strerror or 'cannot be used').lower()}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(
        prog="prioritize",
        description="Spatial conservation prioritization: which places, under which regime, at the least cost, "
        "with a proof.",
    )
    top.add_argument("--version", action="version", version=f"prioritize {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def scenario_options(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="change a key of the scenario, e.g. --set solver.gap=0.01 (may be repeated)",
        )
        command.add_argument("--seconds", type=positive, metavar="N", help="time limit of the solver")

    one = commands.add_parser(
        "run", help="answer a scenario", description="Answer a scenario and write its run folder."
    )
    one.add_argument("scenario", type=Path, metavar="SCENARIO")
    one.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/NAME)")
    scenario_options(one)
    one.set_defaults(command=run_command)

    many = commands.add_parser(
        "compare",
        help="answer scenarios and put them side by side",
        description="Run (or reuse) scenarios and compare them.",
    )
    many.add_argument("scenarios", type=Path, nargs="+", metavar="SCENARIO")
    many.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("runs/comparison"), help="default: runs/comparison"
    )
    many.add_argument(
        "--jobs", type=count, default=os.cpu_count() or 1, metavar="N", help="runs at a time (default: cores)"
    )
    scenario_options(many)
    many.set_defaults(command=compare_command)

    verdict = commands.add_parser("check", help="every fault of a scenario at once, without solving")
    verdict.add_argument("scenario", type=Path, metavar="SCENARIO")
    scenario_options(verdict)
    verdict.set_defaults(command=check_command)

    fresh = commands.add_parser("new", help="a commented scenario and a tiny landscape to start from")
    fresh.add_argument("folder", type=Path, metavar="DIR")
    fresh.set_defaults(command=new_command)

    proof = commands.add_parser("verify", help="recompute a run from its inputs: rows, objective and bound")
    proof.add_argument("folder", type=Path, metavar="RUN", help="run folder")
    proof.set_defaults(command=verify_command)

    schema = commands.add_parser("schema", help="print the JSON Schema of scenario files, for editors")
    schema.set_defaults(command=schema_command)
    return top


def positive(text: str) -> float:
    """An argument that is a positive number."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number of seconds")
    return number


def count(text: str) -> int:
    """An argument that is a positive whole number."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive whole number")
    return int(text)


def changes_of(options: argparse.Namespace) -> dict[str, Any]:
    """`--set` and `--seconds` as dotted keys; values are read as TOML, else taken as text."""
    import tomllib

    from prioritize.errors import ScenarioError

    changes: dict[str, Any] = {}
    for item in options.set:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise ScenarioError(f"--set {item}: write it as KEY=VALUE, for example --set solver.gap=0.01")
        try:
            changes[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            changes[key.strip()] = text
    if options.seconds is not None:
        changes["solver.seconds"] = options.seconds
    return changes


def run_command(options: argparse.Namespace) -> None:
    """`prioritize run`."""
    from prioritize.runner import guard_folder, run, save_run
    from prioritize.scenario import read_scenario

    scenario = read_scenario(options.scenario, changes_of(options))
    folder = options.out or scenario.output.folder or Path("runs") / scenario.name
    guard_folder(folder)
    live = LiveLine([scenario.name])
    with live:
        done = run(scenario, reporter=live.reporters[0])
    save_run(done, folder)
    print_run(done, folder)


def compare_command(options: argparse.Namespace) -> None:
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


def check_command(options: argparse.Namespace) -> int:
    """`prioritize check`."""
    from prioritize.runner import check

    faults, facts = check(options.scenario, changes_of(options))
    for fact in facts:
        print(fact)
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if not faults:
        print(f"{options.scenario}: no fault found")
    return 2 if faults else 0


def new_command(options: argparse.Namespace) -> None:
    """`prioritize new`."""
    from prioritize.template import write_template

    scenario = write_template(options.folder)
    print(f"{scenario} and a tiny landscape beside it; next:\n  prioritize run {scenario}")


def verify_command(options: argparse.Namespace) -> int:
    """`prioritize verify`."""
    from prioritize.verify import verify

    verdict = verify(options.folder)
    print(verdict.sentence)
    for fault in verdict.faults:
        print(f"error: {fault}", file=sys.stderr)
    return 2 if verdict.faults else 0


def schema_command(options: argparse.Namespace) -> None:
    """`prioritize schema`."""
    import json

    from prioritize.scenario import json_schema

    print(json.dumps(json_schema(), indent=2))


class LiveLine:
    """One line that says where each run is; Ctrl-C asks the solvers to stop and keeps what they have.

    On a terminal the line is redrawn; elsewhere a line is printed whenever a phase changes.
    """

    def __init__(self, names: Sequence[str]):
        from prioritize.progress import Reporter

        self.names = list(names)
        self.reporters: list[Reporter] = [Reporter() for _ in names]
        self.terminal = sys.stderr.isatty()
        self.ended = threading.Event()
        self.shown: list[str] = ["" for _ in names]
        self.presses = 0
        self.before: Any = None

    def __enter__(self) -> LiveLine:
        self.thread = threading.Thread(target=self._draw, daemon=True)
        self.thread.start()
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)

    def _interrupt(self, *_: object) -> None:
        self.presses += 1
        if self.presses > 1 or all(reporter.current != "solve" for reporter in self.reporters):
            raise KeyboardInterrupt
        print("\nstopping: the best selection so far is kept (Ctrl-C again: leave at once)", file=sys.stderr)
        for reporter in self.reporters:
            reporter.stop.set()

    def _draw(self) -> None:
        while not self.ended.wait(0.2):
            self._show()
        self._show()
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _show(self) -> None:
        lines = [state(name, reporter) for name, reporter in zip(self.names, self.reporters, strict=True)]
        if self.terminal:
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            print("\r\033[K" + "   ".join(lines)[: width - 1], end="", file=sys.stderr, flush=True)
            return
        for k, reporter in enumerate(self.reporters):
            if reporter.current and reporter.current != self.shown[k]:
                self.shown[k] = reporter.current
                print(lines[k], file=sys.stderr, flush=True)


def state(name: str, reporter: Reporter) -> str:
    """`pa_only: solve 12 s, incumbent 8.83e+03, bound 8.81e+03, gap 0.2 %`."""
    from prioritize.progress import relative_gap

    text = f"{name}: {reporter.current or 'waiting'} {reporter.elapsed:.0f} s"
    if reporter.trajectory and reporter.current == "solve":
        _, incumbent, bound = reporter.trajectory[-1]
        gap = relative_gap(incumbent, bound)
        text += f", incumbent {incumbent:.6g}, bound {bound:.6g}, gap " + (f"{100 * gap:.2g} %" if gap < 10 else "?")
    return text


def print_run(run: Run, folder: Path) -> None:
    """The table at the end of a run."""
    from rich.console import Console
    from rich.table import Table

    from prioritize.comparison import show

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
        if group == "all" or sum(g.split(":")[0] == group.split(":")[0] for g in summary["area_share"]) <= 40:
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
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table)
    console.print(f"run folder: {folder}", highlight=False, soft_wrap=True)


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


if __name__ == "__main__":
    sys.exit(main())
