"""The folder of a comparison of lines: tables, selections and the scenario, all of them or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prioritize.errors import DataError
from prioritize.landscape import Landscape
from prioritize.output import as_json, drafted, guard_path
from prioritize.scenario import Scenario
from prioritize.table import Table, write_tables
from prioritize.write import write_selection

SUMMARY = "redline_comparison.json"


def guard(folder: Path) -> None:
    """Refuse to write over anything but such a folder (or an empty one); to be asked before anything is solved.

    Raises
    ------
    DataError
    """
    guard_path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / SUMMARY).exists():
        raise DataError(f"{folder}: holds files that are not such a comparison; choose another folder with --out")


def save(
    folder: Path,
    scenario: Scenario,
    landscape: Landscape,
    selections: Mapping[str, np.ndarray],
    tables: Sequence[Table],
    summary: Mapping[str, Any],
) -> None:
    """Write the folder: `tables/`, a folder by selection, `scenario.toml`, `redline_comparison.json`.

    Parameters
    ----------
    selections : mapping of name to (U, Z) bool
    """
    guard(folder)
    with drafted(folder) as draft:
        for name, selection in selections.items():
            write_selection(draft / name, landscape, selection)
        write_tables(draft / "tables", tables)
        (draft / "scenario.toml").write_text(scenario.toml(folder.resolve()), encoding="utf-8")
        text = as_json({"name": scenario.name, **summary}, ascii_only=False)
        (draft / SUMMARY).write_text(text + "\n", encoding="utf-8")
