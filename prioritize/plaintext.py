"""Text tables that no reader takes for a program: CSV without formulas, Markdown without HTML.

The rule for CSV is OWASP's (owasp.org/www-community/attacks/CSV_Injection): a cell that begins with = + - @, a tab, a
carriage return or a line feed (or the full-width form of one of the first four) gets an apostrophe in front, so that a
spreadsheet shows it as text. Numbers stay numbers. A cell that begins with an apostrophe and then one of these gets one
more, so that `bare` gives back every text as it was: what this package writes it reads again without loss.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

FORMULA = re.compile(r"(?P<quote>'*)[=+\-@\t\r\n＝＋－＠]")
#: what has a meaning in Markdown wherever it stands in a line
MARKS = re.compile(r"([\\`*\[\]|~])")


def inert(value: Any) -> Any:
    """A value as a cell of CSV that no spreadsheet computes; only texts change."""
    if not isinstance(value, str):
        return value
    found = FORMULA.match(value)
    return f"'{value}" if found and (found["quote"] or not is_number(value)) else value


def bare(value: Any) -> Any:
    """The text that `inert` was given."""
    if not isinstance(value, str) or not value.startswith("'"):
        return value
    return value[1:] if FORMULA.match(value) else value


def is_number(text: str) -> bool:
    """Whether a text is a number, which a spreadsheet computes nothing for."""
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip() and "_" not in text


def inert_table(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose cells and names of columns are inert."""
    shown = table.copy(deep=False)
    for place, kind in enumerate(table.dtypes):
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind)):
            column = table.iloc[:, place]
            if any(isinstance(value, str) and FORMULA.match(value) for value in pd.unique(column.dropna())):
                shown.isetitem(place, column.astype(object).map(inert))
    shown.columns = pd.Index([inert(str(name)) for name in table.columns])
    return shown


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV with inert cells."""
    return inert_table(table).to_csv(index=False, lineterminator="\n")


def write_csv(path: Path, table: pd.DataFrame, float_format: str | None = None) -> None:
    """Write a table as CSV with inert cells."""
    inert_table(table).to_csv(path, index=False, lineterminator="\n", float_format=float_format)


def write_rows(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows, the header first, as CSV with inert cells."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([inert(value) for value in row] for row in rows)
    Path(path).write_text(text.getvalue(), encoding="utf-8", newline="")


def bare_table(table: pd.DataFrame) -> pd.DataFrame:
    """A table read from CSV, its texts and the names of its columns as they were before `inert`."""
    table = table.rename(columns={name: bare(name) for name in table.columns if bare(name) != name})
    for place, kind in enumerate(table.dtypes):
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind)):
            column = table.iloc[:, place]
            if any(isinstance(value, str) and value.startswith("'") for value in pd.unique(column.dropna())):
                table.isetitem(place, column.map(bare))
    return table


def markdown(text: str) -> str:
    """A text as Markdown that shows it as it is: no HTML, no link, no further cell, one line."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MARKS.sub(r"\\\1", text)
