"""`prioritize schema`: the JSON Schema of scenario files."""

from __future__ import annotations

import argparse

HELP = "print the JSON Schema of scenario files, for editors"


def configure(command: argparse.ArgumentParser) -> None:
    """The options."""
    del command  # it has none


def main(options: argparse.Namespace) -> None:
    """`prioritize schema`."""
    import json

    from prioritize.scenario import json_schema

    print(json.dumps(json_schema(), indent=2))
