"""Landscape, Graph and Features: the data in. Every array check lives here, so that kernels may trust."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from prioritize.errors import DataError, Faults
from prioritize.place import Nowhere, Place

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LOCKED_OUT, FREE, LOCKED_IN = -1, 0, 1


def some(values: ArrayLike, most: int = 5) -> str:
    """Say the first few of many values: `3, 17, 21 and 4 more`."""
    flat = np.asarray(values).ravel()
    head = ", ".join(str(value) for value in flat[:most].tolist())
    return head if flat.size <= most else f"{head} and {flat.size - most} more"


@dataclass(frozen=True, eq=False)
class Graph:
    """Which units share a border, and how long it is (CSR, symmetric, sorted, no self-loops).

    Attributes
    ----------
    indptr : (U+1,) int64
    indices : (2E,) int32
    weight : (2E,) float64
        Length of the shared border in metres (or the map's unit where there is no CRS).
    exposed : (U,) float64
        Length of the unit's outline that borders no other unit, same unit.
    """

    indptr: np.ndarray
    indices: np.ndarray
    weight: np.ndarray
    exposed: np.ndarray

    @classmethod
    def from_edges(
        cls, units: int, i: ArrayLike, j: ArrayLike, weight: ArrayLike, exposed: ArrayLike | None = None
    ) -> Graph:
        """Build from a list of pairs, each given once in any direction; repeated pairs are summed.

        Raises
        ------
        DataError
            If a pair names a unit that is not there, joins a unit to itself, or has a negative length.
        """
        i, j = np.asarray(i, dtype=np.int32), np.asarray(j, dtype=np.int32)
        weight = np.asarray(weight, dtype=np.float64)
        outer = np.zeros(units) if exposed is None else np.asarray(exposed, dtype=np.float64)
        if i.size and (min(i.min(), j.min()) < 0 or max(i.max(), j.max()) >= units):
            raise DataError(f"the neighbour graph names a unit outside 0..{units - 1}")
        if np.any(i == j):
            raise DataError("the neighbour graph joins a unit to itself; outer boundary belongs in `exposed`")
        if outer.shape != (units,):
            raise DataError(f"`exposed` has shape {outer.shape}, expected ({units},)")
        if not (np.all(np.isfinite(weight)) and np.all(weight >= 0) and np.all(np.isfinite(outer))):
            raise DataError("boundary lengths must be finite and not negative")
        matrix = sparse.coo_array((np.r_[weight, weight], (np.r_[i, j], np.r_[j, i])), shape=(units, units)).tocsr()
        matrix.sum_duplicates()
        matrix.sort_indices()
        return cls(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data, np.maximum(outer, 0.0))

    @classmethod
    def empty(cls, units: int) -> Graph:
        """No unit touches another, and no outline is known."""
        return cls.from_edges(units, [], [], [])

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.indptr) - 1

    def edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each pair once: (i, j, length) with i < j."""
        source = np.repeat(np.arange(self.units, dtype=np.int32), np.diff(self.indptr))
        once = source < self.indices
        return source[once], self.indices[once], self.weight[once]

    @property
    def perimeter(self) -> np.ndarray:
        """(U,) length of each unit's whole outline."""
        totals = np.zeros(self.units)
        np.add.at(totals, np.repeat(np.arange(self.units), np.diff(self.indptr)), self.weight)
        return totals + self.exposed

    def outline(self, chosen: ArrayLike, edge_factor: float = 1.0) -> float:
        """Length of the outline of the chosen units (U,) bool; outer boundary counts `edge_factor` times."""
        i, j, weight = self.edges()
        chosen = np.asarray(chosen)
        return float(weight[chosen[i] != chosen[j]].sum() + edge_factor * self.exposed[chosen].sum())


@dataclass(frozen=True)
class Zone:
    """One kind of conservation that a unit may be given.

    Attributes
    ----------
    name : str
    kind : str
        `protected`, `oecm`, `redline` or any other word: how accounting reads the zone.
    type : str
        Of an OECM: `primary`, `secondary` or `ancillary`; empty where it does not matter.
    governance : str
        `government`, `private`, `iplc` (indigenous peoples and local communities) or `shared`; empty if unknown.
    effectiveness : float
        Discount (0..1) of the zone's area in the accounting. Targets never see it: what an amount counts towards
        them is `Landscape.contribution`.
    """

    name: str
    kind: str = "protected"
    type: str = ""
    governance: str = ""
    effectiveness: float = 1.0


@dataclass(frozen=True, eq=False)
class Grouping:
    """Units sorted into named groups (a realm, a province): `code[u]` indexes `names`, -1 is none.

    Attributes
    ----------
    code : (U,) int32
    names : tuple of str
    """

    code: np.ndarray
    names: tuple[str, ...]

    def mask(self, name: str) -> np.ndarray:
        """(U,) bool: the members of one group."""
        return self.code == self.names.index(name)


@dataclass(frozen=True, eq=False)
class Landscape:
    """Everything known about the planning units (U), features (F) and zones (Z).

    Attributes
    ----------
    name : str
    unit_id : (U,) int64
        As the user knows them; unique.
    area_km2 : (U,) float64
    cost : (U, Z) float64
        In `cost_unit`; may be zero or negative, never NaN.
    amount : (F, U) sparse CSR
        Amount of each feature in each unit, in the feature's own unit.
    features : DataFrame of F rows
        `name`, `total` (amount in the whole source layer, units or not), `unit`, and whatever the
        feature table adds (`group`, `weight`, `target`, ...).
    contribution : (F, Z) float64 in [0, 1]
        What one unit of a feature counts when it lies in a zone.
    status : (U, Z) int8
        -1 locked out, 0 free, 1 locked in.
    zones : tuple of Zone
    graph : Graph
    place : Place
        Where the units are: a grid, polygons, or nowhere.
    groups : mapping of str to Grouping
        `realm` and the levels of administration.
    layers : mapping of str to (U,) float64
        Further unit attributes by the reference that the scenario uses for them.
    tenure : mapping of str to (U,) float64 in [0, 1]
        Share of each unit's area that is protected, an OECM, a candidate ... today, whatever the zones of the
        scenario say; in order of priority (what is named first is counted first, and nothing twice).
    cost_unit : str
    length_unit : str
    notes : tuple of str
        What the reader assumed or left out, for the log.
    """

    name: str
    unit_id: np.ndarray
    area_km2: np.ndarray
    cost: np.ndarray
    amount: sparse.csr_array
    features: pd.DataFrame
    contribution: np.ndarray
    status: np.ndarray
    zones: tuple[Zone, ...]
    graph: Graph
    place: Place = field(default_factory=Nowhere)
    groups: Mapping[str, Grouping] = field(default_factory=dict)
    layers: Mapping[str, np.ndarray] = field(default_factory=dict)
    tenure: Mapping[str, np.ndarray] = field(default_factory=dict)
    cost_unit: str = "cost"
    length_unit: str = "m"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_landscape(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(U, F, Z)."""
        return len(self.unit_id), self.amount.shape[0], len(self.zones)

    def _repr_html_(self) -> str:
        from prioritize.report.notebook import landscape_html

        return landscape_html(self)

    def members(self, of: str) -> list[tuple[str, np.ndarray]]:
        """Resolve a group reference into named masks.

        Parameters
        ----------
        of : str
            `all`, `realm:land` (one group) or `region:*` (each group of that level).

        Returns
        -------
        list of (label, (U,) bool)

        Raises
        ------
        DataError
            If the level or the group is unknown; the message lists what there is.
        """
        if of == "all":
            return [("all", np.ones(len(self.unit_id), dtype=bool))]
        level, _, name = of.partition(":")
        if level not in self.groups:
            known = ", ".join(f"'{key}:*'" for key in self.groups) or "none in this landscape"
            raise DataError(f"'{of}': there is no grouping '{level}'; use 'all' or one of {known}")
        grouping = self.groups[level]
        if name in ("*", ""):
            return [(f"{level}:{item}", grouping.mask(item)) for item in grouping.names]
        if name not in grouping.names:
            raise DataError(f"'{of}': '{level}' has no '{name}'; it has {some(grouping.names, 12)}")
        return [(of, grouping.mask(name))]

    def layer(self, reference: str) -> np.ndarray:
        """(U,) float64 unit attribute that the scenario asked for under this reference."""
        if reference not in self.layers:
            raise DataError(f"layer '{reference}' was not loaded; known layers: {some(sorted(self.layers), 12)}")
        return self.layers[reference]

    def renumbered(self, order: ArrayLike) -> Landscape:
        """The same landscape with its units in another order (a permutation of 0..U-1)."""
        order = np.asarray(order)
        inverse = np.empty_like(order)
        inverse[order] = np.arange(len(order))
        i, j, weight = self.graph.edges()
        return replace(
            self,
            unit_id=self.unit_id[order],
            area_km2=self.area_km2[order],
            cost=self.cost[order],
            amount=self.amount[:, order].tocsr(),
            status=self.status[order],
            graph=Graph.from_edges(len(order), inverse[i], inverse[j], weight, self.graph.exposed[order]),
            place=self.place.renumbered(order),
            groups={key: Grouping(item.code[order], item.names) for key, item in self.groups.items()},
            layers={key: values[order] for key, values in self.layers.items()},
            tenure={key: values[order] for key, values in self.tenure.items()},
        )


def from_arrays(
    cost: ArrayLike,
    amount: ArrayLike | sparse.sparray,
    *,
    name: str = "landscape",
    unit_id: ArrayLike | None = None,
    area_km2: ArrayLike | None = None,
    features: pd.DataFrame | Sequence[str] | None = None,
    contribution: ArrayLike | None = None,
    status: ArrayLike | None = None,
    zones: Sequence[Zone | str] = ("protected",),
    graph: Graph | None = None,
    place: Place | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    layers: Mapping[str, ArrayLike] | None = None,
    tenure: Mapping[str, ArrayLike] | None = None,
) -> Landscape:
    """Make a Landscape from plain arrays, for notebooks and tests.

    Parameters
    ----------
    cost : (U,) or (U, Z) array
    amount : (F, U) array or sparse array
    groups : mapping of level to (U,) labels
    others
        As in Landscape; sensible defaults where left out (1 km2 units, full contribution, no locks).

    Returns
    -------
    Landscape

    Raises
    ------
    DataError
        Listing everything that is wrong.
    """
    zoned = tuple(zone if isinstance(zone, Zone) else Zone(zone) for zone in zones)
    costs = np.asarray(cost, dtype=np.float64)
    if costs.ndim == 1:
        costs = np.repeat(costs[:, None], len(zoned), axis=1)
    units = len(costs)
    matrix = sparse.csr_array(amount, dtype=np.float64)
    count = matrix.shape[0]
    if features is None:
        features = [f"feature_{row + 1}" for row in range(count)]
    table = features if isinstance(features, pd.DataFrame) else pd.DataFrame({"name": list(features)})
    if "total" not in table:
        table = table.assign(total=np.asarray(matrix.sum(axis=1)).ravel())
    if "unit" not in table:
        table = table.assign(unit="amount")
    locks = np.zeros(costs.shape, np.int8) if status is None else np.asarray(status, dtype=np.int8)
    if locks.ndim == 1:
        locks = np.repeat(locks[:, None], len(zoned), axis=1)
    return Landscape(
        name=name,
        unit_id=np.arange(1, units + 1) if unit_id is None else np.asarray(unit_id, dtype=np.int64),
        area_km2=np.ones(units) if area_km2 is None else np.asarray(area_km2, dtype=np.float64),
        cost=costs,
        amount=matrix,
        features=table,
        contribution=np.ones((count, len(zoned))) if contribution is None else np.asarray(contribution, float),
        status=locks,
        zones=zoned,
        graph=graph or Graph.empty(units),
        place=place or Nowhere(),
        groups={key: grouping_of(labels) for key, labels in (groups or {}).items()},
        layers={key: np.asarray(values, dtype=np.float64) for key, values in (layers or {}).items()},
        tenure={key: np.asarray(values, dtype=np.float64) for key, values in (tenure or {}).items()},
    )


def grouping_of(labels: ArrayLike) -> Grouping:
    """Sort labels into a Grouping; None, NaN and the empty string are no group."""
    series = pd.Series(np.asarray(labels, dtype=object)).replace("", None)
    code, names = pd.factorize(series, sort=True)
    return Grouping(code.astype(np.int32), tuple(str(name) for name in names))


def check_landscape(landscape: Landscape) -> None:
    """Raise DataError with every fault of the arrays, or return."""
    faults = Faults(DataError)
    units, features, zones = landscape.shape
    where = landscape.name
    if units == 0:
        raise DataError(f"{where}: there are no planning units")
    expected = {
        "area_km2": (units,),
        "cost": (units, zones),
        "status": (units, zones),
        "contribution": (features, zones),
    }
    for key, shape in expected.items():
        if getattr(landscape, key).shape != shape:
            faults.add(f"{where}: {key} has shape {getattr(landscape, key).shape}, expected {shape}")
    if landscape.amount.shape[1] != units:
        faults.add(f"{where}: amounts are given for {landscape.amount.shape[1]} units, but there are {units}")
    if landscape.graph.units != units:
        faults.add(f"{where}: the neighbour graph has {landscape.graph.units} units, but there are {units}")
    if len(landscape.features) != features:
        faults.add(f"{where}: the feature table has {len(landscape.features)} rows for {features} features")
    faults.raise_any()

    for fault in landscape.place.faults(units):
        faults.add(f"{where}: {fault}")

    ids, counts = np.unique(landscape.unit_id, return_counts=True)
    if counts.max() > 1:
        faults.add(f"{where}: duplicate unit id {some(ids[counts > 1])}; every planning unit needs its own id")
    names = landscape.features["name"]
    if names.duplicated().any():
        faults.add(f"{where}: duplicate feature name {some(names[names.duplicated()].unique())}")
    bad_cost = ~np.isfinite(landscape.cost).all(axis=1)
    if bad_cost.any():
        faults.add(
            f"{where}: cost is not a finite number in {int(bad_cost.sum())} units "
            f"(ids {some(landscape.unit_id[bad_cost])}); give a number, or remove these units"
        )
    if not np.all(np.isfinite(landscape.area_km2)) or np.any(landscape.area_km2 < 0):
        faults.add(f"{where}: area must be finite and not negative")
    if not np.all(np.isfinite(landscape.amount.data)):
        rows = np.unique(landscape.amount.tocoo().coords[0][~np.isfinite(landscape.amount.data)])
        faults.add(f"{where}: amounts of {some(names.to_numpy()[rows])} are not finite numbers")
    inside = (landscape.contribution >= 0) & (landscape.contribution <= 1)
    if not inside.all():
        faults.add(f"{where}: contributions must lie between 0 and 1")
    for zone in landscape.zones:
        if not 0 <= zone.effectiveness <= 1:
            faults.add(f"{where}: effectiveness of zone '{zone.name}' is {zone.effectiveness}, not between 0 and 1")
    for name, share in landscape.tenure.items():
        if share.shape != (units,):
            faults.add(f"{where}: tenure '{name}' has shape {share.shape}, expected ({units},)")
        elif not np.all((share >= 0) & (share <= 1)):
            faults.add(f"{where}: tenure '{name}' must be the share of each unit's area, 0 to 1")
    several = (landscape.status == LOCKED_IN).sum(axis=1) > 1
    if several.any():
        faults.add(
            f"{where}: {int(several.sum())} units are locked into more than one zone "
            f"(ids {some(landscape.unit_id[several])}); a unit has one zone at most"
        )
    faults.raise_any()
