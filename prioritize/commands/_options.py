"""Options that several commands share."""

from __future__ import annotations

import argparse
from typing import Any


def scenario_options(command: argparse.ArgumentParser) -> None:
    """`--set` and `--seconds`."""
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a key of the scenario, e.g. --set solver.gap=0.01 (may be repeated)",
    )
    command.add_argument("--seconds", type=positive, metavar="N", help="time limit of the solver")


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
    if not text.isdecimal() or int(text) < 1:
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
        except (ValueError, RecursionError):
            raise ScenarioError(f"--set {item}: too many digits, or lists too deep in each other") from None
    if options.seconds is not None:
        changes["solver.seconds"] = options.seconds
    return changes
