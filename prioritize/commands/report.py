"""`prioritize report`: runs as one self-contained page."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "runs as one self-contained page"
DESCRIPTION = "Show runs side by side on one HTML page with maps, charts and tables; it needs no network to open."


def configure(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders, or the folder of `compare`")
    command.add_argument(
        "--out", type=Path, metavar="FILE", default=Path("report.html"), help="the page (default: report.html)"
    )
    command.add_argument("--title", metavar="TEXT", help="title of the page")
    command.add_argument(
        "--unmasked", action="store_true", help="show maps and names of features that the scenario masks, too"
    )
    command.add_argument("--open", action="store_true", help="open it in the browser")


def main(options: argparse.Namespace) -> None:
    """`prioritize report`."""
    from prioritize.commands._live import working

    with working("report"):
        from prioritize.report.page import write_page

        path = write_page(options.runs, options.out, title=options.title, unmasked=options.unmasked)
    announce(path, options.open)


def announce(path: Path, show: bool) -> None:
    """Say where the page is, and open it if asked to."""
    print(f"report: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    if show:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
