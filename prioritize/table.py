"""Table: what a ministry reads of a plan. Judged: what a maker of tables may look at. And their files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from prioritize.accounting import Classes, Figures, classes, figures
from prioritize.errors import DataError
from prioritize.inputfile import MOST_JSON, TABLE, gate
from prioritize.output import as_json
from prioritize.plaintext import bare_table, inert, write_csv
from prioritize.progress import Part, whole
from prioritize.registry import family

if TYPE_CHECKING:
    from prioritize.problem import Problem
    from prioritize.scenario import Scenario

INDEX = "index.json"
#: where a table stands that does not say
LAST = 100


@dataclass(frozen=True, eq=False)
class Table:
    """One table of a run.

    Attributes
    ----------
    name : str
        Name of its file, in snake_case.
    title : str
    frame : DataFrame
        Tidy; column names in snake_case, with units (`area_km2`, `share`).
    columns : mapping of column to one sentence
        What each column means.
    note : str
        What is assumed, what is left out.
    order : int
        Where it stands among the tables of a run: lower is earlier.
    """

    name: str
    title: str
    frame: pd.DataFrame
    columns: Mapping[str, str]
    note: str = ""
    order: int = LAST


@dataclass(frozen=True, eq=False)
class Judged:
    """A plan as the makers of tables see it: never the Program, never a solver.

    Attributes
    ----------
    problem : Problem
    selection : (U, Z) bool
    scenario : Scenario
    objective, bound, gap : float
        In the user's sense; NaN where nothing was proven.
    status : str
    proof : str
        The gap in plain words.
    inputs : mapping of file name to SHA-256
    cautions : sequence of str
        What makes the answer mean less than it seems to.
    """

    problem: Problem
    selection: np.ndarray
    scenario: Scenario
    objective: float = np.nan
    bound: float = np.nan
    gap: float = np.nan
    status: str = ""
    proof: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    cautions: Sequence[str] = ()

    @cached_property
    def classes(self) -> Classes:
        """Area of each unit by class, today and with the plan."""
        return classes(self.problem.landscape, self.selection)

    @cached_property
    def figures(self) -> Figures:
        """What the plan holds of each feature."""
        return figures(self.problem, self.selection)


def make_tables(judged: Judged, part: Part = whole) -> list[Table]:
    """Every table that the landscape carries the data for, in the order of the report.

    Parameters
    ----------
    judged : Judged
    part : Part, optional
        What is done where a table cannot be made; by default the exception goes on.
    """
    made: list[Table] = []
    for name, maker in family("tables").items():
        with part(f"tables/{name}.csv"):
            made.extend(maker(judged))
    return sorted(made, key=lambda table: table.order)


def is_text(column: pd.Series) -> bool:
    """Whether a column holds texts: neither numbers nor yes and no."""
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))


def write_tables(folder: Path, tables: Sequence[Table], part: Part = whole) -> list[Path]:
    """Write `<name>.csv` for each table and `index.json` with titles, notes and definitions.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    tables : sequence of Table
    part : Part, optional
        What is done where a table cannot be written; by default the exception goes on.

    Returns
    -------
    list of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for table in tables:
        path = folder / f"{table.name}.csv"
        with part(f"{folder.name}/{path.name}", path):
            write_csv(path, table.frame)
            written.append(path)
    index = [
        {
            "name": table.name,
            "title": table.title,
            "note": table.note,
            "order": table.order,
            "columns": dict(table.columns),
            "texts": [name for name in table.frame if is_text(table.frame[name])],
        }
        for table in tables
        if folder / f"{table.name}.csv" in written
    ]
    written.append(folder / INDEX)
    written[-1].write_text(as_json(index, ascii_only=False) + "\n", encoding="utf-8")
    return written


def read_tables(folder: Path) -> list[Table] | None:
    """The tables that `write_tables` wrote; None where there are none, or not all of them."""
    try:
        index = json.loads(gate(folder / INDEX, most=MOST_JSON).read_text(encoding="utf-8"))
        return [table_of(folder, item) for item in index]
    except (DataError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def table_of(folder: Path, item: Mapping[str, Any]) -> Table:
    """One table of the index, with the types that `write_tables` gave it, or a ValueError."""
    name, title, note, order = (item[key] for key in ("name", "title", "note", "order"))
    columns, texts = item["columns"], item["texts"]
    words = [name, title, note, *columns, *columns.values(), *texts]
    if not all(isinstance(word, str) for word in words) or not isinstance(order, int) or Path(name).name != name:
        raise ValueError(f"no index of tables: {item}")
    return Table(name, title, read_frame(folder / f"{name}.csv", texts), columns, note, order)


def read_frame(path: Path, words: Sequence[str]) -> pd.DataFrame:
    """A CSV file and which of its columns hold texts: these read as written, empty or `NA`; other gaps are NaN."""
    gate(path, grows=TABLE)
    # the names of columns are inert in the file, those of the index are not
    kinds = dict.fromkeys(map(inert, words), str)
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=kinds)
    return bare_table(frame).fillna(dict.fromkeys(words, ""))


def beside(names: Sequence[str], tables: Sequence[Sequence[Table]]) -> list[Table]:
    """Tables of the same name below each other, the column `scenario` first.

    Parameters
    ----------
    names : sequence of str
        Of the scenarios.
    tables : sequence of sequence of Table
        Of each scenario.
    """
    together: dict[str, list[tuple[str, Table]]] = {}
    for name, own in zip(names, tables, strict=True):
        for table in own:
            together.setdefault(table.name, []).append((name, table))
    joined = []
    for parts in together.values():
        frames = []
        columns = {"scenario": "Name of the scenario."}
        notes: dict[str, list[str]] = {}
        for name, table in parts:
            frame = table.frame.copy()
            frame.insert(0, "scenario", name)
            # a table without rows has columns of no type, which would turn the others' into objects
            frames.extend([frame] if len(frame) else [])
            columns |= table.columns
            notes.setdefault(table.note, []).append(name)
        empty = pd.DataFrame(columns=["scenario", *parts[0][1].frame.columns])
        note = " ".join(
            text if len(whose) == len(names) else f"[{', '.join(whose)}] {text}"
            for text, whose in notes.items()
            if text
        )
        frame = pd.concat(frames, ignore_index=True) if frames else empty
        joined.append(replace(parts[0][1], frame=frame, columns=columns, note=note))
    return sorted(joined, key=lambda table: table.order)
