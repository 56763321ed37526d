"""Marxan and Marxan with Zones projects: `input.dat` and the files that it names.

What was verified, and where (source code of the programs, read in 2025):

* **bound.dat** (`readConnections` in `input.cpp` of Marxan-source-code/marxan 4, the same in the C source of 2.4 and
  in `pu.hpp` of marzone). A row with id1 = id2 is an *irremovable* boundary: it is charged whenever the unit is
  selected, and repeated rows are summed; it becomes `Graph.exposed`. A pair listed again, in either direction, is
  reported as a "double connection definition" and ignored: **the first one counts, they are not summed**.
* **ASYMMETRICCONNECTIVITY 1**: each row is a direction, charged where id1 is selected and id2 is not; self rows count
  nothing. As c x_i (1 - x_j) = c/2 |x_i - x_j| + c/2 (x_i - x_j), half of both directions goes into the graph and the
  rest is the unit layer `asymmetry`: a linear penalty on it, with the weight of the boundary penalty and the same
  sign, makes the sum exact.
* **spec.dat** (`computeSpecProp` in `computation.hpp`): a `prop` above zero replaces `target` by prop * total amount
  over all units, whatever their status; a missing or negative target is zero.
* **pu.dat** (`readPlanningUnits`): a missing `cost` is 1, a missing `status` is 0.
* **Marxan with Zones** (`zones.hpp`): the cost of a unit in a zone is the sum of its cost columns times the
  multipliers of zonecost.dat (columns zoneid, costid, multiplier); zonecost replaces the cost of pu.dat, and what is
  not listed is 0. pymarxan lists the costs themselves (pu, zone, cost): both forms are read. A contribution that
  zonecontrib.dat does not list is 0; without that file the first zone contributes 0 and the others 1. Zone targets
  count raw amounts; type 0 is an amount, 1 a proportion, 2 and 3 are occurrences.
"""

from __future__ import annotations

import difflib
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse

from prioritize.errors import DataError, Faults
from prioritize.landscape import Graph, some
from prioritize.place import Nowhere
from prioritize.source import LandscapeConfig, Source, ZoneConfig, find_features, read_table

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
    "speciesid": "species",
    "spid": "species",
    "feature": "species",
    "featureid": "species",
    "featid": "species",
    "puid": "pu",
    "zoneid": "zone",
    "multiplier": "fraction",
    "contribution": "fraction",
    "fpf": "spf",
}
UNUSED = ("target2", "targetocc", "sepnum", "sepdistance", "ptarget1d", "ptarget2d")


class Marxan(LandscapeConfig):
    """A Marxan (1.x to 4) or Marxan with Zones project.

    References are the columns of pu.dat; `column:value` (1 where the column has that value, as in `status:2`);
    `zonecost:<zone id>`, `pulock:<zone id>` and `puzone:<zone id>` of Marxan with Zones; and `asymmetry` (see the
    module). Status 1 is only the start of Marxan's search, so such units are free.
    """

    format: Literal["marxan"] = "marxan"
    project: Path
    cost: str | float = "cost"
    locked_in: str | None = "status:2"
    locked_out: str | None = "status:3"

    def open(self, seed: int) -> Source:
        """Read the project.

        Returns
        -------
        Source
            The features carry `target` (absolute, as Marxan would use it), `prop`, `spf`, `id`, the other columns of
            spec.dat, and `target:<zone>` for the targets of Marxan with Zones. Areas are 1 km2 unless pu.dat has a
            column `area` (km2).

        Raises
        ------
        DataError
            With every fault of all files.
        """
        files = ProjectFiles.of(self.project)
        units = read_units(files)
        species = read_species(files)
        amount = read_amounts(files, units, species)
        graph = read_boundary(files, units)
        zones = read_zones(files, units, species, amount)
        files.faults.raise_any()

        keep = np.flatnonzero(chosen(self.features, species["name"], files))
        files.faults.raise_any()
        kept = set(species["name"].iloc[keep])
        remarks(files, units.table, species)
        return Source(
            name=str(self.project),
            unit_id=units.table["id"].to_numpy(np.int64),
            area_km2=units.table["area"].to_numpy(np.float64) if "area" in units.table else np.ones(units.count),
            amount=amount[keep],
            features=species.iloc[keep].reset_index(drop=True),
            graph=graph,
            place=Nowhere(),
            read=units.read,
            labels=units.labels,
            length_unit="unit of the boundary file",
            notes=tuple(files.notes),
            zones={name: contribution_of(zone, kept) for name, zone in zones.items()},
        )

    def files(self) -> list[Path]:
        """`input.dat` and every file that it names, and the feature table."""
        files = ProjectFiles.of(self.project)
        named = [files.path(key) for key in FILES]
        return [path for path in (self.project, *named, self.feature_table) if path is not None]


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
        try:
            text = project.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise DataError(f"{project}: no such file; `project` is the input.dat of a Marxan project") from None
        except IsADirectoryError:
            raise DataError(f"{project}: is a folder; `project` is the input.dat of a Marxan project") from None
        except UnicodeDecodeError as error:
            raise DataError(f"{project}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
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
        folder = self.project.parent / self.keys.get("INPUTDIR", ".").replace("\\", "/")
        path = folder / name.replace("\\", "/")
        if not path.exists() and path.parent.is_dir():
            # projects come from Windows, where PU.dat and pu.dat are one file
            same = [other for other in path.parent.iterdir() if other.name.lower() == path.name.lower()]
            path = same[0] if len(same) == 1 else path
        return path

    def number(self, key: str) -> float:
        """Value of a numeric key; 0 where it is absent."""
        value = self.keys.get(key, "0")
        try:
            return float(value)
        except ValueError:
            self.faults.add(f"{self.project}: {key} '{value}' is not a number")
            return 0.0

    def table(self, key: str, *columns: str, needed: bool = False) -> Table | None:
        """The table of a key, with all `columns`; None (and a fault) where it cannot be had."""
        path = self.path(key)
        if path is None:
            if needed:
                self.faults.add(f"{self.project}: the key {key} is missing; add a line such as `{key} file.dat`")
            return None
        try:
            with warnings.catch_warnings():
                # pandas only warns when rows are longer than the header, and then drops what is too much
                warnings.simplefilter("error", pd.errors.ParserWarning)
                frame = read_table(path, f"{key} file")
        except pd.errors.ParserWarning:
            self.faults.add(f"{path}: rows have more values than the header has columns; use a decimal point")
            return None
        except DataError as error:
            for message in error.faults:
                self.faults.add(f"{message} (named by {key} in {self.project.name})")
            return None
        names = [str(name).lower() for name in frame.columns]
        frame.columns = pd.Index([ALIASES.get(name, name) for name in names])
        twice = frame.columns[frame.columns.duplicated()]
        if len(twice):
            self.faults.add(f"{path}: column '{twice[0]}' stands there twice ({', '.join(names)})")
            return None
        result = Table(path, frame, self.faults)
        return result if result.has(*columns) else None


@dataclass
class Table:
    """A file read: its path, its columns (lower case), and where to put faults."""

    path: Path
    frame: pd.DataFrame
    faults: Faults

    def has(self, *columns: str) -> bool:
        """Whether all columns are there; a fault where not."""
        missing = [column for column in columns if column not in self.frame]
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
            shown = "empty" if pd.isna(raw.iloc[rows[0]]) else repr(raw.iloc[rows[0]])
            self.faults.add(f"{self.path}: {column} is {shown}, not a number, in data row {some(rows + 1, 3)}")
            values = np.where(wrong, np.nan, values)
        return values

    def ids(self, what: str) -> np.ndarray:
        """Column `id` as int64, whole and unique."""
        values = self.numbers("id")
        broken = np.isfinite(values) & (values != np.round(values))
        if broken.any():
            self.faults.add(f"{self.path}: {what} id {some(values[broken])} is not a whole number")
        series = pd.Series(values).dropna()
        twice = series[series.duplicated()].unique()
        if len(twice):
            self.faults.add(f"{self.path}: duplicate {what} id {some(whole(twice))}; every {what} needs its own id")
        return np.nan_to_num(values).astype(np.int64)

    def find(self, column: str, known: pd.Index, what: str, where: Path) -> np.ndarray:
        """(rows,) position of each id among the known ones; -1, and a fault, where it is unknown."""
        ids = self.numbers(column)
        at = known.unique().get_indexer(pd.Index(ids))
        unknown = (at < 0) & np.isfinite(ids)
        if unknown.any():
            strange = np.unique(ids[unknown])
            self.faults.add(
                f"{self.path}: {column} {some(whole(strange))} is no {what} of {where.name}; "
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

    def read(self, reference: str) -> np.ndarray:
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


def read_units(files: ProjectFiles) -> Units:
    """Read pu.dat; the result is empty where it cannot be read."""
    table = files.table("PUNAME", "id", needed=True)
    if table is None:
        return Units(files.project, pd.DataFrame({"id": []}))
    frame = table.frame
    frame["id"] = table.ids("planning unit")
    if "cost" in frame:
        frame["cost"] = table.numbers("cost")
    else:
        frame["cost"] = 1.0
        files.notes.append(f"{table.path.name} has no column cost: every unit costs 1, as in Marxan")
    frame["status"] = table.numbers("status") if "status" in frame else 0.0
    strange = frame["status"].notna() & ~frame["status"].isin([0, 1, 2, 3])
    if strange.any():
        files.faults.add(
            f"{table.path}: status {some(whole(frame['status'][strange].unique()))} of units "
            f"{some(frame['id'][strange])}; 0 and 1 are free, 2 is locked in, 3 is locked out"
        )
    if "area" in frame:
        frame["area"] = table.numbers("area")
        if (frame["area"] < 0).any():
            files.faults.add(f"{table.path}: negative area of units {some(frame['id'][frame['area'] < 0])}")
    return Units(table.path, frame)


def read_species(files: ProjectFiles) -> pd.DataFrame:
    """Read spec.dat into the feature table; `total` and the final `target` come with the amounts."""
    table = files.table("SPECNAME", "id", needed=True)
    if table is None:
        return pd.DataFrame({"id": [], "name": []})
    frame = table.frame
    frame["id"] = table.ids("feature")
    default = "feature_" + frame["id"].astype(str)
    frame["name"] = frame["name"].astype(object).where(frame["name"].notna(), default) if "name" in frame else default
    frame["name"] = frame["name"].astype(str).str.strip()
    twice = frame["name"].duplicated()
    if twice.any():
        files.faults.add(f"{table.path}: duplicate feature name {some(frame['name'][twice].unique())}; rename one")
    for column, blank in (("target", 0.0), ("prop", 0.0), ("spf", 1.0)):
        frame[column] = table.numbers(column, blank) if column in frame else blank
    if (frame["prop"] > 1).any():
        over = frame[frame["prop"] > 1]
        files.faults.add(
            f"{table.path}: prop {some(over['prop'])} of {some(over['name'])} is more than 1; "
            "it is a share: write 0.3 for 30 percent"
        )
    return frame


def read_amounts(files: ProjectFiles, units: Units, species: pd.DataFrame) -> sparse.csr_array:
    """Read puvspr.dat, and complete the feature table with `total`, `unit` and the absolute `target`.

    Returns
    -------
    (F, U) sparse CSR
    """
    shape = (len(species), units.count)
    table = files.table("PUVSPRNAME", "species", "pu", "amount", needed=True)
    amount = sparse.csr_array(shape)
    if table is not None:
        spec_path = files.path("SPECNAME") or files.project
        values = table.numbers("amount")
        # where the other file is missing there is nothing to look up, and one fault says so already
        row = table.find("species", pd.Index(species["id"]), "feature", spec_path) if shape[0] else None
        column = table.find("pu", units.index, "planning unit", units.path) if shape[1] else None
        if row is not None and column is not None:
            good = (row >= 0) & (column >= 0)
            amount = sparse.coo_array((values[good], (row[good], column[good])), shape=shape).tocsr()
            if amount.nnz < good.sum():
                twice = table.frame[table.frame.duplicated(["species", "pu"])].drop_duplicates(["species", "pu"])
                pairs = [f"({int(s)}, {int(p)})" for s, p in twice[["species", "pu"]].head(5).to_numpy()]
                files.faults.add(
                    f"{table.path}: (species, pu) {some(pairs)} stands there more than once "
                    f"({len(twice)} such pairs); Marxan would keep the last: leave one row"
                )
            amount.eliminate_zeros()
    total = np.asarray(amount.sum(axis=1)).ravel()
    if {"prop", "target"} <= set(species):
        prop, target = species["prop"], species["target"]
        species["target"] = np.where(prop > 0, prop * total, np.maximum(target, 0.0))
    species["total"], species["unit"] = total, "amount"
    front = ["name", "total", "unit", "target", "prop", "spf", "id"]
    order = [*(key for key in front if key in species), *(key for key in species if key not in front)]
    for key in order:  # in place: the caller holds this table
        species[key] = species.pop(key)
    return amount


def read_boundary(files: ProjectFiles, units: Units) -> Graph:
    """Read bound.dat; see the module for what its rows mean."""
    table = files.table("BOUNDNAME", "id1", "id2", "boundary")
    if table is None:
        return Graph.empty(units.count)
    length = table.numbers("boundary")
    if not units.count:
        return Graph.empty(0)
    i = table.find("id1", units.index, "planning unit", units.path)
    j = table.find("id2", units.index, "planning unit", units.path)
    negative = length < 0
    if negative.any():
        rows = table.frame[negative].iloc[:3]
        pairs = [f"{a}-{b}: {c}" for a, b, c in zip(rows["id1"], rows["id2"], rows["boundary"])]
        files.faults.add(
            f"{table.path}: {int(negative.sum())} negative lengths ({some(pairs)}); they must be 0 or more"
        )
    good = (i >= 0) & (j >= 0) & (length >= 0)
    i, j, length = i[good], j[good], length[good]
    own = i == j
    if files.number("ASYMMETRICCONNECTIVITY"):
        i, j, length = i[~own], j[~own], length[~own]
        flow = np.bincount(i, length, units.count) - np.bincount(j, length, units.count)
        units.layers["asymmetry"] = flow / 2
        files.notes.append(
            "ASYMMETRICCONNECTIVITY 1: the graph holds the mean of both directions; for the exact value add a linear "
            "penalty on the layer 'asymmetry' with the same weight"
        )
        return Graph.from_edges(units.count, i, j, length / 2)
    exposed = np.bincount(i[own], length[own], units.count)
    i, j, length = np.minimum(i, j)[~own], np.maximum(i, j)[~own], length[~own]
    _, first = np.unique(i.astype(np.int64) * units.count + j, return_index=True)
    if len(first) < len(i):
        files.notes.append(
            f"{table.path.name} lists {len(i) - len(first)} pairs again; the first row counts, as in Marxan"
        )
    return Graph.from_edges(units.count, i[first], j[first], length[first], exposed)


def read_zones(
    files: ProjectFiles, units: Units, species: pd.DataFrame, amount: sparse.csr_array
) -> dict[str, ZoneConfig]:
    """Read the files of Marxan with Zones; no zones where there are none, or where a file is at fault."""
    if files.path("ZONESNAME") is None:
        return {}
    table = files.table("ZONESNAME")
    if table is None:
        return {}
    table.frame = table.frame.rename(columns={"zone": "id", "zonename": "name"})
    if not table.has("id", "name") or not units.count or not len(species):
        return {}
    ids = pd.Index(table.ids("zone"))
    names = table.frame["name"].astype(str).tolist()
    if len(set(names)) < len(names):
        files.faults.add(f"{table.path}: zone names must differ; they are {some(names)}")
        return {}
    if len(ids.unique()) < len(ids):
        return {}
    costs = zone_costs(files, units, ids, table.path)
    shares = zone_contributions(files, species, ids, table.path)
    zone_targets(files, species, amount, ids, names, table.path)
    locks, allowed = zone_locks(files, units, ids, table.path)
    for z, number in enumerate(ids):
        units.layers[f"zonecost:{number}"] = costs[:, z]
        if locks is not None:
            units.layers[f"pulock:{number}"] = locks[:, z]
        if allowed is not None:
            units.layers[f"puzone:{number}"] = allowed[:, z]

    # "available" costs nothing and adds nothing: here that is a unit without a zone
    idle = (costs == 0).all(axis=0) & (shares == 0).all(axis=0)
    idle = idle & (not idle.all()) & (np.cumsum(idle) == 1)
    out = next((f"pulock:{ids[z]}" for z in np.flatnonzero(idle) if locks is not None), None)
    if idle.any():
        files.notes.append(f"zone '{names[int(np.argmax(idle))]}' costs and adds nothing: it is left out (no zone)")
    files.notes.append(
        "Marxan with Zones gives every unit a zone, here a unit may have none; "
        "all zones are of kind 'protected' unless the scenario defines them"
    )
    if files.path("ZONEBOUNDCOSTNAME") is not None:
        files.table("ZONEBOUNDCOSTNAME")
        files.notes.append("ZONEBOUNDCOSTNAME: costs of boundaries between zones are not applied automatically")
    return {
        name: ZoneConfig(
            cost=f"zonecost:{ids[z]}",
            contribution=dict(zip(species["name"], shares[:, z].tolist())),
            locked_in=f"pulock:{ids[z]}" if locks is not None else None,
            locked_out=out,
            eligible=f"puzone:{ids[z]}" if allowed is not None else None,
        )
        for z, name in enumerate(names)
        if not idle[z]
    }


def zone_costs(files: ProjectFiles, units: Units, ids: pd.Index, zones: Path) -> np.ndarray:
    """(U, Z) cost of each unit in each zone."""
    columns = {1: "cost"}
    listed = files.table("COSTSNAME", "costid", "costname")
    if listed is not None:
        known = pd.Index(units.table.columns)
        absent = [name for name in listed.frame["costname"].astype(str).str.lower() if name not in known]
        if absent:
            files.faults.add(f"{listed.path}: {units.path.name} has no column {some(absent)}; it has {some(known, 12)}")
            return np.zeros((units.count, len(ids)))
        columns = dict(zip(listed.numbers("costid").tolist(), listed.frame["costname"].astype(str).str.lower()))
    prices = {number: Table(units.path, units.table, files.faults).numbers(name) for number, name in columns.items()}
    if files.path("ZONECOSTNAME") is None:
        return np.repeat(np.sum(list(prices.values()), axis=0)[:, None], len(ids), axis=1)
    result = np.zeros((units.count, len(ids)))
    table = files.table("ZONECOSTNAME", "zone")
    if table is None:
        return result
    by_unit = "pu" in table.frame
    if not table.has(*(("cost",) if by_unit else ("costid", "fraction"))):
        return result
    z = table.find("zone", ids, "zone", zones)
    if by_unit:
        u = table.find("pu", units.index, "planning unit", units.path)
        good = (u >= 0) & (z >= 0)
        result[u[good], z[good]] = table.numbers("cost")[good]
        missing = units.count * len(ids) - len(set(zip(u[good].tolist(), z[good].tolist())))
        if missing:
            files.notes.append(f"{table.path.name} leaves out {missing} pairs of unit and zone: their cost is 0")
        return result
    c = table.find("costid", pd.Index(list(prices)), "cost", listed.path if listed else zones)
    for cost, zone, fraction in zip(c, z, table.numbers("fraction")):
        if cost >= 0 and zone >= 0:
            result[:, zone] += list(prices.values())[cost] * fraction
    return result


def zone_contributions(files: ProjectFiles, species: pd.DataFrame, ids: pd.Index, zones: Path) -> np.ndarray:
    """(F, Z) what an amount counts in each zone."""
    if "ZONECONTRIB3NAME" in files.keys:
        files.faults.add(
            f"{files.project}: ZONECONTRIB3NAME (contributions by unit) is not supported; use ZONECONTRIBNAME"
        )
    result = np.zeros((len(species), len(ids)))
    if files.path("ZONECONTRIBNAME") is not None:
        table = files.table("ZONECONTRIBNAME", "species", "zone", "fraction")
        if table is not None:
            f = table.find("species", pd.Index(species["id"]), "feature", files.path("SPECNAME") or files.project)
            z = table.find("zone", ids, "zone", zones)
            good = (f >= 0) & (z >= 0)
            result[f[good], z[good]] = table.numbers("fraction")[good]
    elif files.path("ZONECONTRIB2NAME") is not None:
        table = files.table("ZONECONTRIB2NAME", "zone", "fraction")
        if table is not None:
            z = table.find("zone", ids, "zone", zones)
            result[:, z[z >= 0]] = table.numbers("fraction")[z >= 0]
    else:
        result[:, 1:] = 1.0
    return result


def zone_targets(
    files: ProjectFiles,
    species: pd.DataFrame,
    amount: sparse.csr_array,
    ids: pd.Index,
    names: list[str],
    zones: Path,
) -> None:
    """Add `target:<zone>` columns (absolute amounts) to the feature table."""
    total = np.asarray(amount.sum(axis=1)).ravel()
    goals = np.zeros((len(species), len(ids)))
    asked = False
    for key in ("ZONETARGETNAME", "ZONETARGET2NAME"):
        table = files.table(key, "zone", "target", *(("species",) if key == "ZONETARGETNAME" else ()))
        if table is None:
            continue
        asked = True
        if "species" in table.frame:
            every = pd.to_numeric(table.frame["species"], errors="coerce").to_numpy() == -1
            known = Table(table.path, table.frame[~every], files.faults)
            f = np.full(len(every), -1)
            f[~every] = known.find(
                "species", pd.Index(species["id"]), "feature", files.path("SPECNAME") or files.project
            )
        else:
            every, f = np.ones(len(table.frame), bool), np.full(len(table.frame), -1)
        z = table.find("zone", ids, "zone", zones)
        value = table.numbers("target")
        kind = table.numbers("targettype", 0.0) if "targettype" in table.frame else np.zeros(len(value))
        if (kind >= 2).any():
            files.notes.append(f"{table.path.name}: {int((kind >= 2).sum())} targets in occurrences are not applied")
        for row in np.flatnonzero((kind < 2) & (z >= 0) & (every | (f >= 0))):
            which = slice(None) if every[row] else f[row]
            goals[which, z[row]] = value[row] * (total[which] if kind[row] == 1 else 1.0)
    if asked:
        for z, name in enumerate(names):
            species[f"target:{name}"] = goals[:, z]
        files.notes.append("zone targets stand in the feature columns 'target:<zone>'; the scenario must ask for them")


def zone_locks(
    files: ProjectFiles, units: Units, ids: pd.Index, zones: Path
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(U, Z) bool: units that must have a zone (pulock.dat), and zones that units may have (puzone.dat)."""
    found: list[np.ndarray | None] = []
    for key in ("PULOCKNAME", "PUZONENAME"):
        table = files.table(key, "pu", "zone")
        if table is None:
            found.append(None)
            continue
        u, z = table.find("pu", units.index, "planning unit", units.path), table.find("zone", ids, "zone", zones)
        marks = np.zeros((units.count, len(ids)), bool)
        good = (u >= 0) & (z >= 0)
        marks[u[good], z[good]] = True
        found.append(marks)
    locks, allowed = found
    if allowed is not None:
        allowed[~allowed.any(axis=1)] = True  # a unit that puzone.dat does not name may have any zone
    return locks, allowed


def contribution_of(zone: ZoneConfig, kept: set[str]) -> ZoneConfig:
    """The zone with contributions of the chosen features only; one number where all are equal."""
    assert isinstance(zone.contribution, dict)
    shares = {name: share for name, share in zone.contribution.items() if name in kept}
    values = set(shares.values())
    return zone.model_copy(update={"contribution": values.pop() if len(values) == 1 else shares})


def chosen(features: list[str] | str | None, names: pd.Series, files: ProjectFiles) -> np.ndarray:
    """(F,) bool: the features that the scenario asks for, by name or pattern."""
    if features is None or features == "all":
        return np.ones(len(names), bool)
    result = np.zeros(len(names), bool)
    for pattern in [features] if isinstance(features, str) else features:
        hits = find_features(pattern, names)
        if not hits.any():
            files.faults.add(f"landscape.features: no feature matches '{pattern}'; there are {some(names, 8)}")
        result |= hits
    return result


def remarks(files: ProjectFiles, units: pd.DataFrame, species: pd.DataFrame) -> None:
    """Note what Marxan would have used, and what this reader assumes."""
    notes = files.notes
    notes.append(
        "areas are the column 'area' of the units, taken as km2"
        if "area" in units
        else "Marxan has no areas: every unit counts as 1 km2 (add a column 'area' in km2)"
    )
    if {"xloc", "yloc"} <= set(units):
        notes.append("xloc and yloc are points without a reference system: no map is drawn from them")
    blm = files.keys.get("BLM", files.keys.get("CM", "0"))
    if files.number("BLM") or files.number("CM"):
        notes.append(f"BLM {blm} in input.dat is applied only where the scenario asks for a boundary penalty")
    if files.number("COSTTHRESH"):
        notes.append("COSTTHRESH in input.dat is not applied; ask for a budget in the scenario")
    for column in UNUSED:
        if column in species and (pd.to_numeric(species[column], errors="coerce") > 0).any():
            notes.append(f"the column {column} of the features is kept but not applied")
    if "prob" in units:
        notes.append("the column prob of the units (probability of loss) is kept but not applied")
    if "BLOCKDEFNAME" in files.keys:
        notes.append("BLOCKDEFNAME in input.dat is not read: give every feature its own target")


def whole(values: np.ndarray | pd.Series) -> list[int | float]:
    """Numbers for a message: 3, not 3.0."""
    return [int(value) if value == round(value) else float(value) for value in np.asarray(values, dtype=float)]


MEMBER = Marxan
