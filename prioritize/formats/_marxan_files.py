"""What the Marxan reader stands on: `input.dat`, a table with its faults, and the units."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from prioritize.errors import DataError, Faults
from prioritize.inputfile import MOST_TEXT, beside, gate
from prioritize.landscape import some
from prioritize.source import EXACT
from prioritize.texttable import read_table, read_text

# Marxan wants PUNAME, SPECNAME and PUVSPRNAME; the second name is what older or newer versions call the same file.
FILES = {
    "PUNAME": (),
    "SPECNAME": ("FEATNAME",),
    "PUVSPRNAME": ("PUVSPNAME", "PUVFEATNAME", "MATRIXSPORDERNAME"),
    "BOUNDNAME": ("CONNECTIONNAME",),
    "ZONESNAME": (),
    "COSTSNAME": (),
    "ZONECOSTNAME": (),
    "ZONECONTRIBNAME": (),
    "ZONECONTRIB2NAME": (),
    "ZONETARGETNAME": (),
    "ZONETARGET2NAME": (),
    "ZONEBOUNDCOSTNAME": ("ZONECONNECTIONCOSTNAME",),
    "PULOCKNAME": (),
    "PUZONENAME": (),
}
ALIASES = {
    "species": ("speciesid", "spid", "feature", "featureid", "featid"),
    "pu": ("puid", "pu_id"),
    "zone": ("zoneid",),
    "id": ("zoneid", "zone", "puid", "pu_id", "speciesid", "species_id", "spid", "featureid", "featid"),
    "prop": ("proportion",),
    "name": ("zonename",),
    "fraction": ("multiplier", "contribution"),
    "spf": ("fpf",),
}


@dataclass
class ProjectFiles:
    """`input.dat` as keys and values, the faults found so far, and what was noted."""

    project: Path
    keys: dict[str, str]
    faults: Faults = field(default_factory=lambda: Faults(DataError))
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, project: Path) -> ProjectFiles:
        """Read `input.dat`; headings and comments in it are keys that nobody asks for."""
        gate(project, most=MOST_TEXT)
        if not project.is_file():
            what = "is a folder" if project.is_dir() else "no such file"
            raise DataError(f"{project}: {what}; `project` is the input.dat of a Marxan project")
        text = read_text(project, "project", legacy=True)
        pairs = (line.split(None, 1) for line in text.splitlines())
        keys = {pair[0].upper(): pair[1].strip().strip('"') for pair in pairs if len(pair) == 2}
        if not keys:
            raise DataError(f"{project}: is empty; it needs lines such as `PUNAME pu.dat`")
        return cls(project, keys)

    def path(self, key: str) -> Path | None:
        """Path of the file that a key (or one of its older names) names; None where none does."""
        name = next((self.keys[item] for item in (key, *FILES[key]) if item in self.keys), None)
        if name is None:
            return None
        said = self.keys.get("INPUTDIR", ".")
        folder, moved = beside(self.project.parent, said)
        if moved:
            note = f"INPUTDIR {said} is not here: the folder {folder.name} beside {self.project.name} is read"
            self.notes += [note] * (note not in self.notes)
        elif not folder.is_dir():
            raise DataError(
                f"{self.project}: INPUTDIR {said}: no such folder; write the folder of the input files as it is seen "
                f"from {self.project.name}, such as INPUTDIR input"
            )
        return beside(folder, name)[0]

    def number(self, key: str) -> float:
        """Value of a numeric key; 0 where it is absent."""
        value = self.keys.get(key, "0")
        try:
            return float(value)
        except ValueError:
            self.faults.add(f"{self.project}: {key} '{value}' is not a number")
            return 0.0

    def table(self, key: str, *columns: str, needed: bool = False, places: bool = False) -> Table | None:
        """The table of a key, with all `columns`; None (and a fault) where it cannot be had.

        `places`: as Marxan reads bound.dat, columns that nobody named so are those of their places, header or none.
        """
        path = self.path(key)
        if path is None:
            if needed:
                self.faults.add(f"{self.project}: the key {key} is missing; add a line such as `{key} file.dat`")
            return None
        try:
            frame = read_table(path, f"{key} file", names=columns if places else ())
        except DataError as error:
            for message in error.faults:
                self.faults.add(f"{message} (named by {key} in {self.project.name})")
            return None
        result = Table(path, frame, self.faults)
        if places and not all([result.take(column) for column in columns]):
            self.notes += result.by_place(columns)
        return result if result.has(*columns) else None


@dataclass
class Table:
    """A file read: its path, its columns, and where to put faults."""

    path: Path
    frame: pd.DataFrame
    faults: Faults

    def take(self, column: str) -> bool:
        """Whether a column is there, in any case or under another name; from then on it has this name."""
        lower = {str(name).lower(): name for name in reversed(self.frame.columns)}
        found = next((lower[name] for name in (column.lower(), *ALIASES.get(column, ())) if name in lower), None)
        if found is not None and column not in self.frame:
            self.frame = self.frame.rename(columns={found: column})
        return found is not None

    def by_place(self, columns: Sequence[str]) -> list[str]:
        """Give columns that are not there the names of their places; notes."""
        lacking = [column for column in columns if column not in self.frame]
        spare = [name for name in self.frame.columns if name not in columns]
        amounts = [name for name in spare if str(name).lower() in ("amount", "bound", "length", "cost", "value")]
        spare = amounts if len(lacking) == 1 and amounts else spare
        if len(lacking) > 1:  # a name that is known may then be anywhere
            lacking, spare = list(columns), list(self.frame.columns)
        if len(spare) != len(lacking):  # a column more, and nobody knows which one is meant
            return []
        renamed = dict(zip(spare, lacking))
        self.frame = self.frame.rename(columns=renamed)
        told = [f"'{old}' as {new}" for old, new in renamed.items() if old != new]
        return [f"{self.path.name} is read by position, as Marxan does: {some(told)}"]

    def has(self, *columns: str) -> bool:
        """Whether all columns are there; a fault where not."""
        missing = [column for column in columns if not self.take(column)]
        if missing:
            self.faults.add(
                f"{self.path}: column {some([f'{name!r}' for name in missing])} is missing; the header reads "
                f"'{some(self.frame.columns, 12)}' (columns are separated by comma, tab, semicolon or space)"
            )
        return not missing

    def numbers(self, column: str, blank: float | None = None) -> np.ndarray:
        """One column as float64; NaN, and a fault, where it holds something else."""
        raw = self.frame[column]
        values = pd.to_numeric(raw, errors="coerce").to_numpy(np.float64)
        wrong = ~np.isfinite(values)
        if wrong.any() and blank is not None:
            empty = raw.isna().to_numpy()
            values = np.where(empty, blank, values)
            wrong &= ~empty
        if wrong.any():
            rows = np.flatnonzero(wrong)
            first = raw.iloc[rows[0]]
            shown = "empty" if pd.isna(first) else repr(first) if isinstance(first, str) else str(first)
            self.faults.add(f"{self.path}: {column} is {shown}, not a number, in data row {some(rows + 1, 3)}")
            values = np.where(wrong, np.nan, values)
        return values

    def ids(self, what: str) -> np.ndarray:
        """Column `id` as int64, whole and unique."""
        values = self.numbers("id")
        broken = np.isfinite(values) & (values != np.round(values))
        if broken.any():
            self.faults.add(f"{self.path}: {what} id {some(values[broken])} is not a whole number")
        huge = np.abs(values) >= EXACT
        if huge.any():
            rows = some(np.flatnonzero(huge) + 1, 3)
            self.faults.add(
                f"{self.path}: {what} id {some(self.frame['id'][huge], 3)} in data row {rows} "
                f"is too large to be told from its neighbours; give ids below {EXACT}"
            )
            values = np.where(huge, np.nan, values)
        series = pd.Series(values).dropna()
        twice = series[series.duplicated()].unique()
        if len(twice):
            self.faults.add(f"{self.path}: duplicate {what} id {some(whole(twice))}; every {what} needs its own id")
        return np.nan_to_num(values).astype(np.int64)

    def find(self, column: str, known: pd.Index, what: str, where: Path | None) -> np.ndarray:
        """(rows,) position of each id among the known ones; -1, and a fault, where it is unknown."""
        ids = self.numbers(column)
        at = known.unique().get_indexer(pd.Index(ids))
        unknown = (at < 0) & np.isfinite(ids)
        if unknown.any():
            strange = np.unique(ids[unknown])
            self.faults.add(
                f"{self.path}: {column} {some(whole(strange))} is no {what} of {where.name if where else 'any file'}; "
                f"remove these rows ({int(unknown.sum())}) or add the {what}"
            )
        return at


@dataclass
class Units:
    """pu.dat and what further files say of its units."""

    path: Path
    table: pd.DataFrame
    layers: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of units."""
        return len(self.table)

    @property
    def index(self) -> pd.Index:
        """The ids, to look positions up."""
        return pd.Index(self.table["id"])

    def read(self, reference: str, flag: bool = False) -> np.ndarray:
        """(U,) float64 of a column, of `column:value`, or of a layer; NaN where the column is empty."""
        if reference in self.layers:
            return self.layers[reference].astype(np.float64)
        if reference in self.table:
            values = pd.to_numeric(self.table[reference], errors="coerce")
            wrong = self.table[reference][values.isna() & self.table[reference].notna()]
            if len(wrong):
                raise DataError(f"{self.path}: column '{reference}' holds {wrong.iloc[0]!r}, which is not a number")
            return values.to_numpy(np.float64)
        column, _, value = reference.partition(":")
        if value and column in self.table:
            return (self.labels(column) == value).astype(np.float64)
        raise self.unknown(reference)

    def labels(self, reference: str) -> np.ndarray:
        """(U,) object array of a column as text; None where it is empty."""
        if reference not in self.table:
            raise self.unknown(reference)
        column = self.table[reference]
        if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():
            column = column.astype("Int64")  # a gap makes pandas read 1 as 1.0
        return np.array([None if pd.isna(value) else str(value) for value in column], dtype=object)

    def unknown(self, reference: str) -> DataError:
        """What to say when nobody knows a reference."""
        known = [*self.table.columns, *self.layers, "status:2", "status:3"]
        near = difflib.get_close_matches(reference, known, 3)
        hint = f"did you mean {' or '.join(repr(name) for name in near)}?" if near else f"there are {some(known, 12)}"
        return DataError(f"{self.path}: no column '{reference}'; {hint}")


def whole(values: np.ndarray | pd.Series) -> list[int | float]:
    """Numbers for a message: 3, not 3.0."""
    return [int(value) if value == round(value) else float(value) for value in np.asarray(values, dtype=float)]
