"""Tables of text as people's programs write them: commas, tabs, semicolons or spaces, and what spreadsheets add.

Taken without asking: the marks of UTF-8 and UTF-16 at the beginning, any ends of lines, empty lines, `sep=;` in the
first line, doubled tabs, empty fields behind the last column, rows that are separated otherwise than their header
(Marxan reads such files), and decimal commas where they can be nothing else. What may mean two things is refused.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from prioritize.errors import DataError
from prioritize.inputfile import TABLE, gate, no_file
from prioritize.plaintext import bare_table

MARKS = ("\t", ",", ";")
#: spaces, where no other mark stands in a line
SPACES = r"\s+"
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
#: a number with a comma that cannot be one of thousands: not three digits behind it, or a leading zero
DECIMAL_COMMA = re.compile(r"[-+]?(0,\d+|\d*,(\d{1,2}|\d{4,})(e[-+]?\d+)?)", re.IGNORECASE)
ANY_COMMA = re.compile(r"[-+]?\d*,\d+(e[-+]?\d+)?", re.IGNORECASE)
BYTE_ORDER = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def read_text(path: Path, what: str, legacy: bool = False) -> str:
    """A text file, its lines ended by a line feed.

    Parameters
    ----------
    path : Path
    what : str
        What it is, for the faults.
    legacy : bool
        What is not UTF-8 is read as Windows-1252: for files of which only numbers and the names of files matter.

    Raises
    ------
    DataError
        If the file is missing, a folder, or not UTF-8.
    """
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError(no_file(Path(path))) from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, not a {what}") from None
    encoding = BYTE_ORDER.get(raw[:2], "utf-8-sig")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        if not legacy or encoding == "utf-16":
            raise DataError(f"{path}: not UTF-8 text (byte {error.start}); save the {what} as UTF-8") from None
        text = raw.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_table(path: Path, what: str = "table", names: Sequence[str] = ()) -> pd.DataFrame:
    """Read a comma-, tab-, semicolon- or space-separated text file with one header line.

    Parameters
    ----------
    path : Path
    what : str
        What it is, for the faults.
    names : sequence of str
        What the first columns are called where there is no header, only numbers; a fault where this is empty.

    Raises
    ------
    DataError
        If the file is missing, empty, not UTF-8, not rectangular, or has no header.
    """
    gate(path, grows=TABLE)
    text = read_text(path, what)
    header, mark, text = first_line(text)
    if not header.strip():
        raise DataError(f"{path}: the {what} is empty")
    fields = split(header, mark)
    if len(fields) > 1 and all(NUMBER.fullmatch(field) for field in fields):
        if not names:
            raise DataError(
                f"{path}: the first line holds numbers ('{header.strip()[:60]}'), not the names of the columns; "
                f"put a header above it"
            )
        more = [f"column {k + 1}" for k in range(len(names), len(fields))]
        text = (" " if mark == SPACES else mark).join([*names[: len(fields)], *more]) + "\n" + text
    table = parse(path, text, mark, what)
    commas = comma_columns(table) if mark != "," else []
    if commas and any(DECIMAL_COMMA.fullmatch(value) for name in commas for value in texts(table[name])):
        table = parse(path, text, mark, what, decimal=",")
    elif commas:
        value = texts(table[commas[0]])[0]
        raise DataError(
            f"{path}: {commas[0]} is {value!r}, of which nobody can tell whether its comma stands for decimals or "
            f"thousands; write {value.replace(',', '.')} or {value.replace(',', '')}"
        )
    table.columns = [str(column).strip().strip('"') for column in table.columns]
    return bare_table(table)


def first_line(text: str) -> tuple[str, str, str]:
    """The header, the mark between columns, and the text made regular."""
    text = re.sub(r"\A(?:[ \t]*\n)+", "", text)
    said = re.match(r"sep=(.)[,;\t]*\n", text, re.IGNORECASE)
    if said:
        text = text[said.end() :]
    header, _, rest = text.partition("\n")
    mark = said[1] if said and said[1] in MARKS else next((mark for mark in MARKS if mark in header), SPACES)
    row = next((line for line in rest.split("\n", 3)[:3] if line.strip()), "")
    if row and len(split(header, mark)) > 1 and (mark == SPACES or mark not in row):
        # rows that are separated otherwise than their header
        other = next((one for one in MARKS if one in row), SPACES)
        if other != mark and len(split(row, other)) == len(split(header, mark)):
            joined = (" " if other == SPACES else other).join(split(header, mark))
            header, mark, text = joined, other, f"{joined}\n{rest}"
    if mark != SPACES:
        if mark == "\t" and re.search(r"[^\t\n]\t\t+[^\t\n]", header):
            text = re.sub(r"\t+", "\t", text)  # doubled tabs, in the header as in the rows
        # empty fields behind the last one; what is short is filled up again
        text = re.sub(rf"(?:{mark}[ ]*)+$", "", text, flags=re.MULTILINE)
        header = text.partition("\n")[0]
    return header, mark, text


def split(line: str, mark: str) -> list[str]:
    """Fields of a line without quotes and blanks."""
    fields = line.split() if mark == SPACES else line.rstrip(f" {mark}").split(mark)
    return [field.strip().strip("\"'").strip() for field in fields]


def parse(path: Path, text: str, mark: str, what: str, decimal: str = ".") -> pd.DataFrame:
    """Let pandas read it, and say in one sentence why it cannot."""
    try:
        with warnings.catch_warnings():
            # a row longer than the header would lose its last fields with no more than a warning
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.StringIO(text),
                sep=mark,
                skipinitialspace=True,
                index_col=False,
                keep_default_na=False,  # "NA" is Namibia, or a name
                na_values=[""],
                skip_blank_lines=True,
                decimal=decimal,
            )
    except pd.errors.ParserWarning:
        raise DataError(
            f"{path}: rows have more values than the header has columns; is a decimal comma among them?"
        ) from None
    except (pd.errors.ParserError, ValueError) as error:
        found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if found:
            raise DataError(
                f"{path}: line {found[2]} has {found[3]} values, the header {found[1]} columns; "
                "is a decimal comma among them, or a comma in a name without quotes?"
            ) from None
        raise DataError(f"{path}: not a regular {what}: {str(error).strip()}") from None


def texts(column: pd.Series) -> list[str]:
    """The texts of a column that have a comma, without blanks around them."""
    return [value.strip() for value in column.dropna() if isinstance(value, str) and "," in value]


def comma_columns(table: pd.DataFrame) -> list[str]:
    """Columns in which all is a number, some of them with one comma."""
    found = []
    for name, column in table.items():
        if not pd.api.types.is_numeric_dtype(column):
            values = [str(value).strip() for value in column.dropna()]
            commas = [value for value in values if ANY_COMMA.fullmatch(value)]
            if commas and all(ANY_COMMA.fullmatch(value) or NUMBER.fullmatch(value) for value in values):
                found.append(str(name))
    return found
