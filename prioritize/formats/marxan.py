"""Marxan and Marxan with Zones projects: `input.dat` and the files that it names.

What was verified, and where, in the source code of the programs (github.com/Marxan-source-code/marxan `input.cpp` at
0e6e8d6, `input.c` at 02022e8, `computation.hpp` at 1a195ae; marzone `zones.hpp` at 003cfb3, `pu.hpp` and `reserve.hpp`
at 01d6a68):

* **bound.dat** (`readConnections`, alike in the C source, in Marxan 4 and in marzone). A row with id1 = id2 is an
  *irremovable* boundary: it is charged whenever the unit is selected, and repeated rows are summed; it becomes
  `Graph.exposed`. A pair listed again, in either direction, is reported as a "double connection definition" and
  ignored: **the first one counts, they are not summed**.
* **ASYMMETRICCONNECTIVITY 1**: each row is a direction, charged where id1 is selected and id2 is not; self rows count
  nothing. As c x_i (1 - x_j) = c/2 |x_i - x_j| + c/2 (x_i - x_j), half of both directions goes into the graph and the
  rest is the unit layer `asymmetry`: a linear penalty on it, with the weight of the boundary penalty and the same
  sign, makes the sum exact.
* **spec.dat** (`computeSpecProp` in `computation.hpp`): a `prop` above zero replaces `target` by prop * total amount
  over all units, whatever their status; a missing or negative target is zero.
* **pu.dat** (`readPlanningUnits`): a missing `cost` is 1, a missing `status` is 0.
* **puvspr.dat**: Marxan 4 skips rows of unknown units and features with a warning; here they are faults, as are
  repeated rows. Columns go by name, in any order.
* **Marxan with Zones** (`zones.hpp`): the cost of a unit in a zone is the sum of its cost columns times the
  multipliers of zonecost.dat (columns zoneid, costid, multiplier); zonecost replaces the cost of pu.dat, and what is
  not listed is 0. pymarxan lists the costs themselves (pu, zone, cost): both forms are read. A contribution that
  zonecontrib.dat does not list is 0; without that file the first zone contributes 0 and the others 1. Zone targets
  count raw amounts; type 0 is an amount, 1 a proportion, 2 and 3 are occurrences.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import sparse

from prioritize.formats._marxan_files import FILES, ProjectFiles, Table, Units, whole
from prioritize.formats._marxan_zones import read_zones
from prioritize.landscape import Graph, some
from prioritize.place import Nowhere
from prioritize.source import LandscapeConfig, Source, find_features

UNUSED = ("target2", "targetocc", "sepnum", "sepdistance", "ptarget1d", "ptarget2d")


class Marxan(LandscapeConfig):
    """A Marxan (1.x to 4) or Marxan with Zones project.

    References are the columns of pu.dat; `column:value` (1 where the column has that value, as in `status:2`);
    `zonecost:<zone id>`, `pulock:<zone id>` and `puzone:<zone id>` of Marxan with Zones; and `asymmetry` (see the
    module). Status 1 is only the start of Marxan's search, so such units are free.
    """

    format: Literal["marxan"] = "marxan"
    project: Path = Field(description="the input.dat of the project")
    cost: str | float = Field("cost", description="a column of pu.dat, or one number for all")
    locked_in: str | None = Field("status:2", description="reference: not zero = selected from the start")
    locked_out: str | None = Field("status:3", description="reference: not zero = never selected")

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
        if species.empty and self.features != [] and not files.faults.messages:
            files.faults.add(
                f"{files.path('SPECNAME')}: there is no feature in it, only a header; add the features, or set "
                "landscape.features = [] if there are none"
            )
        amount = read_amounts(files, units, species)
        species = with_totals(species, amount)
        graph = read_boundary(files, units)
        keep = np.flatnonzero(chosen(self.features, species["name"], files))
        zones = read_zones(files, units, species, keep)
        remarks(files, units.table, species)
        files.faults.raise_any()
        return Source(
            name=self.project.name,
            unit_id=units.table["id"].to_numpy(np.int64),
            area_km2=units.table["area"].to_numpy(np.float64) if "area" in units.table else np.ones(units.count),
            amount=amount[keep],
            features=species.iloc[keep].reset_index(drop=True),
            graph=graph,
            place=Nowhere(),
            read=units.read,
            labels=units.labels,
            length_unit="unit of the boundary file",
            notes=files.notes,
            zones=zones,
        )

    def files(self) -> list[Path]:
        """`input.dat` and every file that it names, and the feature table."""
        files = ProjectFiles.of(self.project)
        named = [files.path(key) for key in FILES]
        return [path for path in (self.project, *named, self.feature_table) if path is not None]


def read_units(files: ProjectFiles) -> Units:
    """Read pu.dat; the result is empty where it cannot be read."""
    table = files.table("PUNAME", "id", needed=True)
    if table is None:
        return Units(files.project, pd.DataFrame({"id": []}))
    there = {column for column in ("cost", "status", "area") if table.take(column)}
    frame = table.frame
    frame["id"] = table.ids("planning unit")
    frame["cost"] = table.numbers("cost") if "cost" in there else 1.0
    frame["status"] = table.numbers("status") if "status" in there else 0.0
    if "cost" not in there and files.path("ZONECOSTNAME") is None:
        files.notes.append(f"{table.path.name} has no column cost: every unit costs 1, as in Marxan")
    strange = frame["status"].notna() & ~frame["status"].isin([0, 1, 2, 3])
    if strange.any():
        files.faults.add(
            f"{table.path}: status {some(whole(frame['status'][strange].unique()))} of units "
            f"{some(frame['id'][strange])}; 0 and 1 are free, 2 is locked in, 3 is locked out"
        )
    if "area" in there:
        frame["area"] = table.numbers("area")
        if (frame["area"] < 0).any():
            files.faults.add(f"{table.path}: negative area of units {some(frame['id'][frame['area'] < 0])}")
    return Units(table.path, frame)


def read_species(files: ProjectFiles) -> pd.DataFrame:
    """Read spec.dat: `id`, `name`, `target`, `prop`, `spf` and its other columns."""
    table = files.table("SPECNAME", "id", needed=True)
    if table is None:
        return pd.DataFrame({"id": [], "name": [], "target": [], "prop": []})
    named = table.take("name")
    numeric = {"target": 0.0, "prop": 0.0, "spf": 1.0}
    there = {column for column in numeric if table.take(column)}
    if not there & {"target", "prop"}:
        files.notes.append(f"{table.path.name} has neither a column target nor prop: no feature has a target in it")
    frame = table.frame
    frame["id"] = table.ids("feature")
    default = "feature_" + frame["id"].astype(str)
    frame["name"] = frame["name"].astype(object).where(frame["name"].notna(), default) if named else default
    frame["name"] = frame["name"].astype(str).str.strip()
    twice = frame["name"].duplicated() & ~frame["id"].duplicated()  # a repeated id is told already
    if twice.any():
        files.faults.add(f"{table.path}: duplicate feature name {some(frame['name'][twice].unique())}; rename one")
    for column, blank in numeric.items():
        frame[column] = table.numbers(column, blank) if column in there else blank
    over = frame[frame["prop"] > 1]
    if len(over):
        files.faults.add(
            f"{table.path}: prop {some(over['prop'])} of {some(over['name'])} is more than 1; "
            "it is a share: write 0.3 for 30 percent"
        )
    return frame


def with_totals(species: pd.DataFrame, amount: sparse.csr_array) -> pd.DataFrame:
    """The feature table: `total` over all units, and `target` as the amount that Marxan would ask for."""
    total = np.asarray(amount.sum(axis=1)).ravel()
    goal = np.where(species["prop"] > 0, species["prop"] * total, np.maximum(species["target"], 0.0))
    table = species.assign(total=total, unit="amount", target=goal)
    front = ["name", "total", "unit", "target", "prop", "spf", "id"]
    return table[[*(key for key in front if key in table), *(key for key in table if key not in front)]]


def read_amounts(files: ProjectFiles, units: Units, species: pd.DataFrame) -> sparse.csr_array:
    """(F, U) sparse CSR of puvspr.dat; a unit or feature that is not listed elsewhere is a fault."""
    shape = (len(species), units.count)
    amount = sparse.csr_array(shape)
    table = files.table("PUVSPRNAME", needed=True)
    if table is None or not (upright(table, files, species) and table.has("species", "pu", "amount")):
        return amount
    values = table.numbers("amount")
    if not all(shape):  # the other file is at fault, and says so itself
        return amount
    row = table.find("species", pd.Index(species["id"]), "feature", files.path("SPECNAME"))
    column = table.find("pu", units.index, "planning unit", units.path)
    good = (row >= 0) & (column >= 0)
    amount = sparse.coo_array((values[good], (row[good], column[good])), shape=shape).tocsr()
    if amount.nnz < good.sum():
        repeated = table.frame.loc[table.frame.duplicated(["species", "pu"]), ["species", "pu"]].drop_duplicates()
        pairs = [f"({species}, {unit})" for species, unit in repeated.head(6).to_numpy()]
        files.faults.add(
            f"{table.path}: {len(repeated)} pairs of species and pu stand there more than once: {some(pairs)}; "
            "leave one row of each"
        )
    amount.eliminate_zeros()
    return amount


def upright(table: Table, files: ProjectFiles, species: pd.DataFrame) -> bool:
    """Turn a horizontal puvspr.dat (a row a unit, a column a feature, by id or name) into species, pu, amount.

    Source: Marxan User Manual (Game & Grantham 2008), "Planning Unit versus Conservation Feature File".
    """
    if table.take("species") or table.take("amount") or not table.take("pu"):
        return True
    features = [str(column) for column in table.frame if column != "pu"]
    ids = pd.to_numeric(pd.Series(features, dtype=object), errors="coerce")
    by_name = dict(zip(species["name"], species["id"]))
    ids = ids.where(ids.notna(), pd.Series(features).map(by_name))
    strange = [name for name, known in zip(features, ids.isin(species["id"])) if not known]
    if strange and len(species):
        where = files.path("SPECNAME")
        files.faults.add(
            f"{table.path}: a row a unit and a column a feature, but the column {some(strange)} is no feature of "
            f"{where.name if where else 'any file'} (ids or names); correct the header, or give the columns species, "
            "pu and amount"
        )
        return False
    wide = table.frame.set_axis(["pu", *ids], axis=1)
    long = wide.melt(id_vars="pu", var_name="species", value_name="amount")
    table.frame = long[long["amount"].notna()].reset_index(drop=True)
    files.notes.append(f"{table.path.name} is horizontal: a row a unit, a column a feature")
    return True


def read_boundary(files: ProjectFiles, units: Units) -> Graph:
    """Read bound.dat; see the module for what its rows mean."""
    table = files.table("BOUNDNAME", "id1", "id2", "boundary", places=True)
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
            f"{table.path}: negative boundary in {int(negative.sum())} rows ({some(pairs)}); give 0 or more"
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


def chosen(features: list[str] | str | None, names: pd.Series, files: ProjectFiles) -> np.ndarray:
    """(F,) bool: the features that the scenario asks for, by name or pattern."""
    if features is None or features == "all" or names.empty:
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
    if {"xloc", "yloc"} <= {str(column).lower() for column in units}:
        notes.append("xloc and yloc are points without a reference system: no map is drawn from them")
    blm = files.keys.get("BLM", files.keys.get("CM", "0"))
    if files.number("BLM") or files.number("CM"):
        notes.append(f"BLM {blm} in input.dat is applied only where the scenario asks for a boundary penalty")
    if files.number("CONNECTIVITYIN"):
        notes.append(
            "CONNECTIVITYIN in input.dat is not applied: boundaries are those of the edge, as in Marxan's default"
        )
    if files.number("COSTTHRESH"):
        notes.append("COSTTHRESH in input.dat is not applied; ask for a budget in the scenario")
    for column in UNUSED:
        if column in species and (pd.to_numeric(species[column], errors="coerce") > 0).any():
            notes.append(f"the column {column} of the features is kept but not applied")
    if "prob" in units:
        notes.append("the column prob of the units (probability of loss) is kept but not applied")
    if "BLOCKDEFNAME" in files.keys:
        notes.append("BLOCKDEFNAME in input.dat is not read: give every feature its own target")


MEMBER = Marxan
