"""The command line: finds the commands, prints faults, sets the exit code.

Exit codes: 0 done, 1 a revision is refused, 2 the user's input, 70 a fault of prioritize, 130 stopped (by Ctrl-C or
SIGTERM); `verify` has 1 and 3 of its own (see `commands/verify.py`).
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

from prioritize import __version__, commands
from prioritize.commands._console import tell
from prioritize.errors import PrioritizeError, Stopped
from prioritize.faultlog import noted, write_fault
from prioritize.output import FULL
from prioritize.scratch import told

#: sysexits.h calls it EX_SOFTWARE
FAULT = 70
CODES = (
    "exit codes: 0 done; 1 a revision of a redline is refused, or a run is not verified; 2 the input is wrong (a line "
    "`error: ...` for each fault); 3 a run rests on a solver's tree search; 70 a fault of prioritize itself, please "
    "report it (PRIORITIZE_DEBUG=1 or --debug shows where); 130 stopped by you"
)

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
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a name of a file need not be a text
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    with noted():
        try:
            options = parser().parse_args(given)
            with terminated_as_interrupted():
                return int(options.command(options) or 0)
        except Stopped as stop:
            for fault in stop.faults:
                print(f"stopped; {fault}", file=sys.stderr)
            return 130
        except PrioritizeError as error:
            tell(error.faults)
            return 2
        except KeyboardInterrupt as stop:
            said = " ".join(map(str, stop.args))
            print(f"stopped; {said or 'nothing was written'}", file=sys.stderr)
            return 130
        except BrokenPipeError:  # `prioritize schema | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except Exception as error:
            if isinstance(error, OSError) and (error.filename is not None or error.errno in FULL):
                reason = (error.strerror or "cannot be used").lower()
                tell([reason if error.filename is None else f"{os.fsdecode(error.filename)}: {reason}"])
                return 2
            return own_fault(error, given)
        finally:
            for text in told:
                print(f"caution: of a run that was stopped, {text}", file=sys.stderr)
            told.clear()


def own_fault(error: Exception, arguments: Sequence[str]) -> int:
    """Say in one line that prioritize failed, and where the details are."""
    command = " ".join(["prioritize", *arguments[:1]])
    log = write_fault(arguments)
    reason = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        why = f" ({reason})" if reason else ""
        tell([f"{command}: out of memory{why}; coarser or fewer units need less; where it happened is in {log}"])
    else:
        kind = type(error).__name__ + (f": {reason}" if reason else "")
        tell([f"{command}: this is a fault of prioritize ({kind}); please report it with the file {log}"])
    if os.environ.get("PRIORITIZE_DEBUG", "0") not in ("", "0") or "--debug" in arguments:
        traceback.print_exception(error)
    return FAULT


class Parser(argparse.ArgumentParser):
    """Tells of wrong arguments as of everything that is wrong: in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the fault and leave."""
        tell([f"{message}; see `{self.prog} --help`"])
        sys.exit(2)


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
    top = Parser(
        prog="prioritize",
        description="Spatial conservation prioritization: which places, under which regime, at the least cost, "
        "with a proof.",
        epilog=CODES,
    )
    top.add_argument("--version", action="version", version=f"prioritize {__version__}")
    top.add_argument("--debug", action="store_true", help="show where prioritize itself failed")
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
