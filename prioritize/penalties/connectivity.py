"""Connectivity: favour selections that keep together what exchanges individuals, water or genes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from prioritize.dispersal import centroids, decay
from prioritize.errors import DataError, Faults, ScenarioError
from prioritize.landscape import Landscape, some
from prioritize.place import Grid
from prioritize.problem import NamedTerm, Problem, zone_numbers
from prioritize.program import Builder
from prioritize.texttable import read_table

#: (tail, head, value): directed where `directed`, else each pair once
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]
#: what each source of values needs beside it
NEEDS = {
    "matrix": ("matrix",),
    "distance": ("median_km", "radius_km"),
    "resistance": ("layer",),
    "elevation": ("layer",),
    "d8": ("layer",),
    "bearing": ("layer",),
}
#: ESRI's codes of the cell that water flows to: (row step, column step)
D8 = {1: (0, 1), 2: (1, 1), 4: (1, 0), 8: (1, -1), 16: (0, -1), 32: (-1, -1), 64: (-1, 0), 128: (-1, 1)}

_read: WeakKeyDictionary[Landscape, dict[str, Pairs]] = WeakKeyDictionary()


class Connectivity(NamedTerm):
    """Adds weight * (value of the connections that a selection cuts, or less what it keeps) to the objective.

    A connection has a value v_ij. With y_i = 1 for a selected unit, `lost` charges sum v_ij y_i (1 - y_j): what leaves
    the selection, the asymmetric penalty of Beger et al. 2010 (doi 10.1111/j.1755-263X.2010.00123.x); of a connection
    without direction either end counts, as with a boundary. `kept` rewards: -sum v_ij y_i y_j, each pair once (the
    symmetric penalty of prioritizr). Both are directed edges of the program, and bounded with it.

    `kept` with `by_area` over distances is the surrogate for what is not linear (PC, ECA, ProtConn): the sum over pairs
    of a_i a_j p_ij, half of ECA squared less its own terms a_i^2, of units as nodes and direct steps only (no stepping
    stones). The metrics themselves are for evaluation.
    """

    kind: Literal["connectivity"]
    weight: float = Field(ge=0, description="objective per unit of value")
    values: Literal["matrix", "distance", "resistance", "elevation", "d8", "bearing"] = Field(
        description="where the values come from: matrix: a file; distance: exp(-ln 2 * distance / median_km) between "
        "centroids; resistance: shared border (m) over the mean resistance of two neighbours; elevation, d8: 1 between "
        "a unit and the one it drains to; bearing: shared border (m) times cosine, along a current"
    )
    form: Literal["lost", "kept"] = Field("lost", description="charge what is cut, or reward what is kept")
    matrix: Path | None = Field(None, description="CSV of unit ids and values: id1, id2, value")
    directed: bool = Field(False, description="matrix only: id1 depends on id2, not the other way round")
    median_km: float | None = Field(None, gt=0, description="distance at which half arrive")
    radius_km: float | None = Field(None, gt=0, description="pairs farther apart are left out")
    layer: str | None = Field(
        None, description="reference: resistance (> 0), altitude, flow direction (D8 code) or bearing (degrees)"
    )
    needs: Literal["upstream", "downstream"] = Field(
        "upstream", description="a selected unit wants the unit selected that lies there (elevation, d8, bearing)"
    )
    strength: str | None = Field(None, description="reference: multiplies the value, read at the upstream unit")
    by_area: bool = Field(False, description="values times the areas of both units (km4)")
    zones: Literal["together", "apart"] | list[str] = Field(
        "together", description="together: all that is selected; apart: each zone; a list: these as one"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for key in NEEDS[self.values]:
            if getattr(self, key) is None:
                raise ValueError(f"connectivity from '{self.values}' needs '{key}'")
        keys = {key for keys in NEEDS.values() for key in keys} - set(NEEDS[self.values])
        extra = sorted(key for key in keys if getattr(self, key) is not None)
        if extra:
            raise ValueError(f"connectivity from '{self.values}' has no use for '{extra[0]}'")
        if self.directed and self.values != "matrix":
            raise ValueError("'directed' goes with a matrix; distances and resistances have no direction, flows have")
        if self.strength is not None and not self.flowing:
            raise ValueError("'strength' goes with elevation, d8 or bearing")
        if self.matrix is not None and self.matrix.suffix.lower() not in (".csv", ".tsv", ".txt", ".dat"):
            raise ValueError(f"matrix '{self.matrix.name}' must be a .csv, .tsv, .txt or .dat file")
        return self

    @property
    def flowing(self) -> bool:
        """Along a river or a current."""
        return self.values in ("elevation", "d8", "bearing")

    @property
    def one_way(self) -> bool:
        """The pairs have a direction."""
        return self.directed or self.flowing

    def references(self) -> list[str]:
        """The layers."""
        return [layer for layer in (self.layer, self.strength) if layer is not None]

    def parts(self, problem: Problem) -> list[list[int]]:
        """Groups of zone numbers; each group has connections of its own."""
        every = zone_numbers(problem.landscape, None)
        if self.zones == "together":
            return [every]
        if self.zones == "apart":
            return [[zone] for zone in every]
        return [zone_numbers(problem.landscape, list(self.zones))]

    def pairs(self, landscape: Landscape) -> Pairs:
        """(tail, head, value) of every connection.

        Raises
        ------
        PrioritizeError
            If the file, the layer or the radius is at fault.
        """
        known = _read.setdefault(landscape, {})
        key = self.model_dump_json(exclude={"weight", "form", "zones", "name"})
        if key not in known:
            known[key] = self._pairs(landscape)
        return known[key]

    def _pairs(self, landscape: Landscape) -> Pairs:
        if self.matrix is not None:
            tail, head, value = read_matrix(self.matrix, landscape, self.directed)
        elif self.median_km is not None and self.radius_km is not None:
            tail, head, distance = centroids(landscape.place).within(self.radius_km)
            value = decay(distance, self.median_km)
        else:
            assert self.layer is not None
            layer = landscape.layer(self.layer)
            if self.values == "resistance":
                tail, head, value = conductance(landscape, layer, self.layer)
            else:
                kernel = {"elevation": downhill, "d8": d8, "bearing": along}[self.values]
                up, down, value = kernel(landscape, layer, self.layer)
                if self.strength is not None:
                    value = value * positive(landscape, landscape.layer(self.strength), self.strength, zero=True)[up]
                tail, head = (down, up) if self.needs == "upstream" else (up, down)
        if self.by_area:
            value = value * landscape.area_km2[tail] * landscape.area_km2[head]
        return tail, head, value

    def add(self, problem: Problem, to: Builder) -> None:
        """Directed edges; `kept` = a reward for each unit that the edges take back where the other end is missing."""
        tail, head, value = self.pairs(problem.landscape)
        if not self.one_way:
            # of a reward each end brings half
            share = 0.5 if self.form == "kept" else 1.0
            tail, head, value = np.r_[tail, head], np.r_[head, tail], share * np.r_[value, value]
        for zones in self.parts(problem):
            if self.form == "kept":
                reward = np.zeros((to.units, to.zones))
                reward[:, zones] = -self.weight * np.bincount(tail, value, to.units)[:, None]
                to.add_cost(reward)
            # what joins a unit to itself is kept with the unit and never cut
            other = tail != head
            name = f"connectivity by {self.values}"
            to.add_edges(name, tail[other], head[other], self.weight * value[other], zones)

    def value(self, problem: Problem, selection: np.ndarray) -> float:
        """Weight times the value of what is cut, or less what is kept."""
        tail, head, value = self.pairs(problem.landscape)
        total = 0.0
        for zones in self.parts(problem):
            chosen = np.asarray(selection[:, zones].any(axis=1))
            if self.form == "kept":
                total -= float(value[chosen[tail] & chosen[head]].sum())
            else:
                cut = chosen[tail] & ~chosen[head] if self.one_way else chosen[tail] != chosen[head]
                total += float(value[cut].sum())
        return self.weight * total


def read_matrix(path: Path, landscape: Landscape, directed: bool) -> Pairs:
    """Read id1, id2, value; a unit joined to itself (larvae that settle where they hatched) is one of the pairs.

    Raises
    ------
    DataError
        With every fault: a column or unit that is not there, no number, a negative value, a pair given twice (without
        direction: with two values).
    """
    table = read_table(path, "connectivity matrix", names=("id1", "id2", "value"))
    missing = [key for key in ("id1", "id2", "value") if key not in table]
    if missing:
        raise DataError(f"{path}: no column {some(missing)}; it has {some(table.columns, 10)}")
    faults = Faults(DataError)
    order = np.argsort(landscape.unit_id)
    ends = []
    for key in ("id1", "id2"):
        ids = pd.to_numeric(table[key], errors="coerce").to_numpy(np.float64)
        at = np.minimum(np.searchsorted(landscape.unit_id, ids, sorter=order), len(order) - 1)
        unknown = landscape.unit_id[order[at]] != ids
        if unknown.any():
            faults.add(f"{path}: {key}: no planning unit has the id {some(table[key][unknown].unique())}")
        ends.append(order[at].astype(np.int32))
    value = pd.to_numeric(table["value"], errors="coerce").to_numpy(np.float64)
    bad = ~np.isfinite(value)
    if bad.any():
        faults.add(f"{path}: value is no finite number in {int(bad.sum())} rows (first: row {np.argmax(bad) + 1})")
    if (value < 0).any():
        faults.add(f"{path}: negative value in {int((value < 0).sum())} rows (first: row {np.argmax(value < 0) + 1})")
    tail, head = ends
    faults.raise_any()
    units = len(order)
    low, high = (tail, head) if directed else (np.minimum(tail, head), np.maximum(tail, head))
    pair, first, count = np.unique(low.astype(np.int64) * units + high, return_index=True, return_counts=True)
    if (count > 1).any():
        # both directions of a symmetric matrix may stand there, with the same value
        where = np.searchsorted(pair, low.astype(np.int64) * units + high)
        both = (count <= 2) & (np.bincount(where, tail < head, len(pair)) == np.bincount(where, tail > head, len(pair)))
        same = (value == value[first][where]) & both[where] & (tail != head) & (not directed)
        odd = (count[where] > 1) & ~same
        if odd.any():
            twice = [f"({landscape.unit_id[tail[k]]}, {landscape.unit_id[head[k]]})" for k in np.flatnonzero(odd)[:5]]
            hint = "leave one row of each" if directed else "leave one row of each, or set directed = true"
            raise DataError(f"{path}: {int(odd.sum())} rows give a pair more than once: {some(twice)}; {hint}")
    return low[first], high[first], value[first]


def positive(landscape: Landscape, layer: np.ndarray, name: str, zero: bool = False) -> np.ndarray:
    """The layer, if it is finite and above 0 everywhere (or not negative)."""
    bad = ~np.isfinite(layer) | (layer < 0) | ((layer == 0) & (not zero))
    if bad.any():
        least = "0 or more" if zero else "above 0"
        raise ScenarioError(
            f"layer '{name}' must be {least}; it is not in {int(bad.sum())} units (ids {some(landscape.unit_id[bad])})"
        )
    return layer


def conductance(landscape: Landscape, resistance: np.ndarray, name: str) -> Pairs:
    """Shared border in metres over the mean resistance of each two neighbours."""
    resistance = positive(landscape, resistance, name)
    i, j, length = landscape.graph.edges()
    return i, j, 2.0 * length / (resistance[i] + resistance[j])


def downhill(landscape: Landscape, altitude: np.ndarray, name: str) -> Pairs:
    """(up, down, 1): each unit and its lowest neighbour, if that is lower; flats and pits drain nowhere."""
    i, j, _ = landscape.graph.edges()
    up, down = np.where(altitude[i] > altitude[j], (i, j), (j, i))
    falls = altitude[up] > altitude[down]
    up, down = up[falls], down[falls]
    order = np.lexsort((down, altitude[down], up))
    up, down = up[order], down[order]
    first = np.r_[True, up[1:] != up[:-1]] if len(up) else np.zeros(0, bool)
    return up[first].astype(np.int32), down[first].astype(np.int32), np.ones(int(first.sum()))


def d8(landscape: Landscape, code: np.ndarray, name: str) -> Pairs:
    """(up, down, 1) by ESRI's flow direction: 1 E, 2 SE, 4 S, 8 SW, 16 W, 32 NW, 64 N, 128 NE; 0 is none."""
    place = landscape.place
    if not isinstance(place, Grid):
        raise ScenarioError("d8 needs units that are cells of a raster; use elevation or bearing")
    unknown = ~np.isin(code, [0, *D8])
    if unknown.any():
        raise ScenarioError(
            f"layer '{name}': {some(np.unique(code[unknown]))} is no flow direction; codes are 0, {some(list(D8), 8)}"
        )
    unit_of = np.full(place.shape[0] * place.shape[1], -1, np.int32)
    unit_of[place.cell] = np.arange(len(place.cell), dtype=np.int32)
    row, column = np.divmod(place.cell, place.shape[1])
    steps = np.array([D8.get(int(value), (0, 0)) for value in code]).reshape(-1, 2)
    to_row, to_column = row + steps[:, 0], column + steps[:, 1]
    inside = (code != 0) & (to_row >= 0) & (to_row < place.shape[0]) & (to_column >= 0) & (to_column < place.shape[1])
    up = np.flatnonzero(inside).astype(np.int32)
    down = unit_of[to_row[up] * place.shape[1] + to_column[up]]
    return up[down >= 0], down[down >= 0], np.ones(int((down >= 0).sum()))


def along(landscape: Landscape, bearing: np.ndarray, name: str) -> Pairs:
    """(up, down, border in metres times cosine) of a current that flows towards `bearing`, degrees from north."""
    if not np.all((bearing >= 0) & (bearing <= 360)):
        raise ScenarioError(f"layer '{name}': a bearing is 0 to 360 degrees clockwise from north")
    flat = centroids(landscape.place).flat
    i, j, length = landscape.graph.edges()
    up, down, border = np.r_[i, j], np.r_[j, i], np.r_[length, length]
    step = flat[down] - flat[up]
    step /= np.maximum(np.sqrt((step**2).sum(axis=1)), 1e-300)[:, None]
    angle = np.radians(bearing[up])
    cosine = np.sin(angle) * step[:, 0] + np.cos(angle) * step[:, 1]
    keep = cosine > 1e-9
    return up[keep], down[keep], (border * cosine)[keep]


MEMBER = Connectivity
