"""The command line: finds the commands, prints faults, sets the exit code.

Exit codes: 0 done, 2 the user's input, 130 stopped (by Ctrl-C or SIGTERM); `verify` has two more (see
`commands/verify.py`).
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prioritize import __version__, commands
from prioritize.errors import PrioritizeError, Stopped
from prioritize.scratch import told

#: the order of the help; commands that are not named here follow
ORDER = (
    "new",
    "check",
    "run",
    "compare",
    "report",
    "verify",
    "areas",
    "connectivity",
    "corridors",
    "circuit",
    "redline",
    "schema",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        with terminated_as_interrupted():
            return int(options.command(options) or 0)
    except Stopped as stop:
        for fault in stop.faults:
            print(f"stopped; {fault}", file=sys.stderr)
        return 130
    except PrioritizeError as error:
        for fault in error.faults:
            print(f"error: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        said = " ".join(map(str, stop.args))
        print(f"stopped; {said or 'nothing was written'}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `prioritize schema | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {(error.strerror or 'cannot be used').lower()}", file=sys.stderr)
        return 2
    finally:
        for text in told:
            print(f"caution: of a run that was stopped, {text}", file=sys.stderr)
        told.clear()


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM (a batch system, a shutdown) ends a command as Ctrl-C does, so that it leaves nothing behind."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def parser() -> argparse.ArgumentParser:
    """The commands and their options: each module of `prioritize/commands/` that has a `main`."""
    top = argparse.ArgumentParser(
        prog="prioritize",
        description="Spatial conservation prioritization: which places, under which regime, at the least cost, "
        "with a proof.",
    )
    top.add_argument("--version", action="version", version=f"prioritize {__version__}")
    under = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    names = [info.name for info in pkgutil.iter_modules(commands.__path__) if not info.name.startswith("_")]
    for name in sorted(names, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n)):
        module = importlib.import_module(f"prioritize.commands.{name}")
        description = getattr(module, "DESCRIPTION", module.HELP[0].upper() + module.HELP[1:] + ".")
        command = under.add_parser(name, help=module.HELP, description=description)
        module.configure(command)
        command.set_defaults(command=module.main)
    return top


if __name__ == "__main__":
    sys.exit(main())
