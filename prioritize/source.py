"""From files to a Landscape: what a scenario may ask of any format, what a format gives, how both are joined."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema
from scipy import sparse

from prioritize.errors import DataError, Faults, PrioritizeError
from prioritize.landscape import FREE, LOCKED_IN, LOCKED_OUT, Graph, Grouping, Landscape, Zone, grouping_of, some
from prioritize.place import Place
from prioritize.strict import strict
from prioritize.texttable import read_table


class Config(BaseModel):
    """A frozen part of a scenario file in which unknown keys are errors, and only numbers are numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """As pydantic has it, but `true` and `"1"` are no numbers, and 1 and `"yes"` neither true nor false."""
        return strict(handler(source))


#: whole numbers below this are told apart as float64
EXACT = 2**53

#: a share of the whole
Share = Annotated[float, Field(ge=0, le=1)]


class LandscapeConfig(Config):
    """What every format understands. A *reference* is a path, a column or a layer name: the format says which."""

    cost: str | float = Field(1.0, description="opportunity cost of each unit: a reference, or one number for all")
    cost_unit: str = Field("cost", description="currency and basis of the costs, for the report")
    features: list[str] | str | None = Field(None, description="feature layers: references, a glob, or all")
    classes: bool | list[str] | None = Field(
        None,
        description="rasters of classes (land cover ...) are one feature a class: true for all feature rasters, false "
        "for none, or names or patterns; absent: those with category names, an attribute table or a colour table",
    )
    density: list[str] = Field(
        default_factory=list,
        description="feature rasters (names or patterns) of densities or shares: finer cells are averaged in each "
        "unit; all others are amounts, and finer cells are summed",
    )
    feature_table: Path | None = Field(None, description="CSV with a `name` column and further columns by feature")
    locked_in: str | None = Field(None, description="reference: not zero = selected from the start (first zone)")
    locked_out: str | None = Field(None, description="reference: not zero = never selected (all zones)")
    regions: str | dict[str, str] | None = Field(
        None, description="reference of a region layer (level `region`), or a table of level = reference"
    )
    realm: str | None = Field(None, description="reference of the realm layer (land, sea, inland water)")
    tenure: dict[str, str] = Field(
        default_factory=dict,
        description="what exists today, by class (`protected`, `oecm`, `oecm_candidate` ...): a reference that gives "
        "the share of each unit's area (0..1), or a flag; the class named first is counted first, no area twice",
    )
    allow_negative: bool = Field(False, description="accept negative costs and negative amounts of features")
    layers: dict[str, str] = Field(default_factory=dict, description="short names for references used further down")


class ZoneConfig(Config):
    """One zone: a regime that a unit may be given, with its own cost, eligibility, locks and contributions."""

    kind: str = Field("protected", description="protected, oecm, redline, ...: how accounting reads the zone")
    type: Literal["", "primary", "secondary", "ancillary"] = Field(
        "", description="of an OECM: conservation is the first aim, one aim, or a by-product"
    )
    governance: Literal["", "government", "private", "iplc", "shared"] = Field(
        "", description="who governs; iplc = indigenous peoples and local communities"
    )
    effectiveness: Share = Field(
        1.0,
        description="discount of the zone's area in the accounting (0..1); targets see `contribution`, never this",
    )
    cost: str | float | None = Field(None, description="a reference or a number; the landscape's cost where absent")
    cost_factor: float = Field(1.0, ge=0, description="multiplies the cost in this zone")
    contribution: Share | dict[str, Share] = Field(
        1.0, description="what an amount counts here (0..1): one number, or by feature name or pattern"
    )
    eligible: str | None = Field(None, description="reference: zero = the unit cannot be given this zone")
    locked_in: str | None = Field(None, description="reference: not zero = given this zone from the start")
    locked_out: str | None = Field(None, description="reference: not zero = never given this zone")


class ReadLayer(Protocol):
    """Reads a unit layer by reference."""

    def __call__(self, reference: str, flag: bool = False) -> np.ndarray:
        """(U,) float64, NaN where the layer says nothing; a flag (yes or no) is never averaged."""
        ...


@dataclass(frozen=True, eq=False)
class Source:
    """What a format reads: units, amounts, geometry, and a way to ask for further unit layers.

    Attributes
    ----------
    name : str
        How faults name it: usually the file.
    unit_id, area_km2 : (U,) arrays
    amount : (F, U) sparse CSR
    features : DataFrame with `name`, `total` and `unit`
    graph : Graph
    place : Place
    read : callable
        (reference, flag) -> (U,) float64, NaN where the layer says nothing; `flag`: yes or no, never averaged.
        Raises DataError.
    labels : callable
        reference -> (U,) object array of names (None = no group). Raises DataError.
    length_unit : str
    notes : list of str
        What was assumed or left out; `read` and `labels` may add to it.
    zones : mapping of name to ZoneConfig
        Zones that the files themselves define (Marxan with Zones), used where the scenario defines none.
    """

    name: str
    unit_id: np.ndarray
    area_km2: np.ndarray
    amount: sparse.csr_array
    features: pd.DataFrame
    graph: Graph
    place: Place
    read: ReadLayer
    labels: Callable[[str], np.ndarray]
    length_unit: str = "m"
    notes: list[str] = field(default_factory=list)
    zones: Mapping[str, ZoneConfig] = field(default_factory=dict)


class Format(Protocol):
    """A member of `formats/`: a LandscapeConfig with a `format` literal that can open itself."""

    def open(self, seed: int) -> Source:
        """Read the files; raise DataError with every fault found."""
        ...

    def files(self) -> list[Path]:
        """Every file that the landscape depends on, for the input hashes."""
        ...


@dataclass(frozen=True, eq=False)
class Join:
    """A source with what the scenario says of it, and the faults found on the way.

    Attributes
    ----------
    source : Source
    config : LandscapeConfig
    faults : Faults
    """

    source: Source
    config: LandscapeConfig
    faults: Faults

    def named(self, reference: str) -> str:
        """A reference, its short name resolved."""
        return self.config.layers.get(reference, reference)

    def read(self, reference: str | None, what: str, flag: bool = False) -> np.ndarray | None:
        """(U,) values; None where nothing is asked for, or it could not be read: a fault is noted then."""
        if reference is None:
            return None
        try:
            return self.source.read(self.named(reference), flag)
        except PrioritizeError as error:
            for fault in error.faults:
                self.faults.add(f"{what}: {fault}")
            return None

    def flag(self, reference: str | None, what: str) -> np.ndarray:
        """(U,) bool: not zero."""
        values = self.read(reference, what, flag=True)
        return np.zeros(len(self.source.unit_id), bool) if values is None else np.nan_to_num(values) != 0

    def costs(self, reference: str | float, what: str) -> np.ndarray:
        """(U,) costs from a layer, or one number for all."""
        units = len(self.source.unit_id)
        if isinstance(reference, str):
            values = self.read(reference, what)
            return np.ones(units) if values is None else values
        return np.full(units, float(reference))


def assemble(
    source: Source,
    config: LandscapeConfig,
    zones: Mapping[str, ZoneConfig],
    references: Iterable[str] = (),
) -> Landscape:
    """Join a source with what the scenario says of costs, locks, groups, tenure and zones.

    Parameters
    ----------
    source : Source
    config : LandscapeConfig
    zones : mapping of name to ZoneConfig
        Empty means one zone called `protected`.
    references : iterable of str
        Further layers that objectives, constraints and penalties will ask for.

    Returns
    -------
    Landscape

    Raises
    ------
    DataError
        With every fault found.
    """
    join = Join(source, config, Faults(DataError))
    named = dict(zones) or dict(source.zones) or {"protected": ZoneConfig()}
    cost, status, contribution = join_zones(join, named)
    check_signs(join, named, cost)
    groups = join_groups(join)
    layers: dict[str, np.ndarray] = {}
    for reference in references:
        values = join.read(reference, f"layer '{reference}'")
        if values is not None:
            layers[reference] = np.nan_to_num(values)
    tenure = join_tenure(join)
    features = source.features
    if config.feature_table is not None:
        try:
            features = join_feature_table(features, config.feature_table)
        except PrioritizeError as error:
            join.faults.catch(error)
    join.faults.raise_any()
    return Landscape(
        name=source.name,
        unit_id=source.unit_id,
        area_km2=source.area_km2,
        cost=cost,
        amount=source.amount,
        features=features.reset_index(drop=True),
        contribution=contribution,
        status=status,
        zones=tuple(
            Zone(name, zone.kind, zone.type, zone.governance, zone.effectiveness) for name, zone in named.items()
        ),
        graph=source.graph,
        place=source.place,
        groups=groups,
        layers=layers,
        tenure=tenure,
        cost_unit=config.cost_unit,
        length_unit=source.length_unit,
        notes=tuple(source.notes),
    )


def join_zones(join: Join, zones: Mapping[str, ZoneConfig]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cost (U, Z), status (U, Z) and contribution (F, Z) of the zones."""
    source, config = join.source, join.config
    base = join.costs(config.cost, "landscape.cost")
    cost = np.empty((len(base), len(zones)))
    status = np.zeros(cost.shape, np.int8)
    contribution = np.empty((len(source.features), len(zones)))
    everywhere_out = join.flag(config.locked_out, "landscape.locked_out")
    for z, (name, zone) in enumerate(zones.items()):
        where = f"zones.{name}"
        own = base if zone.cost is None else join.costs(zone.cost, f"{where}.cost")
        cost[:, z] = own * zone.cost_factor
        contribution[:, z] = match_features(
            zone.contribution, source.features["name"], 1.0, f"{where}.contribution", join.faults
        )
        locked_in = join.flag(zone.locked_in, f"{where}.locked_in")
        if z == 0:
            locked_in |= join.flag(config.locked_in, "landscape.locked_in")
        locked_out = everywhere_out | join.flag(zone.locked_out, f"{where}.locked_out")
        if zone.eligible is not None:
            # a unit that is already in the zone stays in it, whatever the mask for new ones says
            locked_out |= ~join.flag(zone.eligible, f"{where}.eligible") & ~locked_in
        both = locked_in & locked_out
        if both.any():
            join.faults.add(
                f"{source.name}: {int(both.sum())} units are locked in and locked out of zone '{name}' "
                f"(ids {some(source.unit_id[both])}); change locked_in or locked_out"
            )
        status[:, z] = np.where(locked_in, LOCKED_IN, np.where(locked_out, LOCKED_OUT, FREE))
    return cost, status, contribution


def check_signs(join: Join, zones: Mapping[str, ZoneConfig], cost: np.ndarray) -> None:
    """Note negative amounts and costs (U, Z) as faults, unless the scenario says that they are meant."""
    if join.config.allow_negative:
        return
    source = join.source
    negative = source.amount.data < 0
    hint = is_it_nodata(source.amount.data[negative])
    if negative.any():
        rows = np.unique(np.repeat(np.arange(source.amount.shape[0]), np.diff(source.amount.indptr))[negative])
        join.faults.add(
            f"{source.name}: negative amounts of {some(source.features['name'].to_numpy()[rows])}{hint}; "
            "correct the layer, or set landscape.allow_negative = true if they are meant"
        )
    numbers = {"landscape.cost": join.config.cost} | {f"zones.{name}.cost": zone.cost for name, zone in zones.items()}
    wrong = {key: number for key, number in numbers.items() if isinstance(number, int | float) and number < 0}
    for key, number in wrong.items():
        join.faults.add(
            f"{key} is {number:g}; give 0 or more, or set landscape.allow_negative = true if a negative cost is meant"
        )
    if (cost < 0).any() and not wrong:
        culprits = source.unit_id[(cost < 0).any(axis=1)]
        hint = is_it_nodata(cost[cost < 0])
        join.faults.add(
            f"{source.name}: the cost is negative in {len(culprits)} units (ids {some(culprits)}){hint}; "
            "correct it, or set landscape.allow_negative = true if it is meant"
        )


def is_it_nodata(values: np.ndarray) -> str:
    """A hint where negative values are one value that files use for no data."""
    if values.size and values.min() == values.max() <= -99:
        return f" (all are {values.flat[0]:g}: is that NoData which the file does not declare?)"
    return ""


def join_groups(join: Join) -> dict[str, Grouping]:
    """Groupings by level: the realm first, then the regions."""
    config = join.config
    levels = {"region": config.regions} if isinstance(config.regions, str) else dict(config.regions or {})
    if config.realm is not None:
        levels = {"realm": config.realm, **levels}
    groups: dict[str, Grouping] = {}
    for level, reference in levels.items():
        try:
            groups[level] = grouping_of(join.source.labels(join.named(reference)))
            if not groups[level].names:
                raise DataError(
                    f"'{reference}' names no planning unit (all NoData or empty); correct it, or leave the key out"
                )
        except PrioritizeError as error:
            for fault in error.faults:
                join.faults.add(f"landscape.{level}: {fault}")
    return groups


def join_tenure(join: Join) -> dict[str, np.ndarray]:
    """(U,) shares of each unit's area by class, in the scenario's order; where a layer says nothing there is none."""
    tenure: dict[str, np.ndarray] = {}
    for name, reference in join.config.tenure.items():
        values = join.read(reference, f"landscape.tenure.{name}")
        if values is None:
            continue
        share = np.nan_to_num(values)
        # sums of covered fractions pass 1 by the last digits of a float32
        wrong = (share < -1e-6) | (share > 1 + 1e-6)
        if wrong.any():
            join.faults.add(
                f"landscape.tenure.{name}: '{reference}' is {some(np.unique(share[wrong]), 3)} in {int(wrong.sum())} "
                f"units (ids {some(join.source.unit_id[wrong])}); give the share of each unit's area, 0 to 1 "
                "(a percentage divided by 100), or a flag 0 or 1"
            )
        tenure[name] = np.clip(share, 0.0, 1.0)
    return tenure


def match_features(
    value: float | Mapping[str, float], names: pd.Series, default: float, where: str, faults: Faults
) -> np.ndarray:
    """Spread a number, or numbers by feature name or pattern (`marine_*`; later lines win), over the features.

    Returns
    -------
    (F,) float64
    """
    result = np.full(len(names), default)
    if not isinstance(value, Mapping):
        result[:] = value
        return result
    for pattern, number in value.items():
        hits = find_features(pattern, names)
        if not hits.any():
            faults.add(f"{where}: no feature matches '{pattern}'; features are {some(names.to_numpy(), 8)}")
        result[hits] = number
    return result


def find_features(pattern: str, names: pd.Series) -> np.ndarray:
    """(F,) bool: the features of that exact name, or else those that match the pattern."""
    exact = (names == pattern).to_numpy()
    if exact.any():
        return exact
    return np.array([fnmatch.fnmatchcase(name, pattern) for name in names], dtype=bool)


def join_feature_table(features: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Add the columns of a CSV file (by `name`) to the feature table; what the file says wins.

    Raises
    ------
    DataError
        If the file is missing, unreadable, lacks `name`, repeats one, or names an unknown feature.
    """
    table = read_table(path)
    if "name" not in table:
        raise DataError(f"{path}: the feature table needs a column 'name'; it has {some(table.columns, 10)}")
    faults = Faults(DataError)
    nameless = np.flatnonzero(table["name"].isna())
    if len(nameless):
        faults.add(f"{path}: no name in data row {some(nameless + 1, 3)}; is the file cut off? complete it")
        table = table[table["name"].notna()].copy()
    table["name"] = table["name"].astype(str)
    twice = table["name"].duplicated()
    if twice.any():
        faults.add(f"{path}: feature {some(table['name'][twice].unique())} stands in the table more than once")
    unknown = ~table["name"].isin(features["name"])
    if unknown.any():
        faults.add(
            f"{path}: no such feature: {some(table['name'][unknown].to_numpy())}; "
            f"features are {some(features['name'].to_numpy(), 8)}"
        )
    faults.raise_any()
    kept = features.drop(columns=[key for key in features if key != "name" and key in table])
    joined = kept.merge(table, on="name", how="left", sort=False)
    # of what the file leaves open, the reader's own word stands
    own = {key: features[key].reset_index(drop=True) for key in ("unit", "total") if key in features and key in table}
    return joined.assign(**{key: joined[key].where(joined[key].notna(), value) for key, value in own.items()})
