"""Whatever is wrong with the input: exit code 2, one clear line for each fault, and nothing left behind."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desk import GONE, Desk, contents, told
from rasterio.transform import from_origin
from shapely import Point, Polygon, box

from prioritize.cli import main

RUN = ("run", "small.toml")
Make = Callable[[Desk], object]


@dataclass(frozen=True)
class Case:
    """What makes the input wrong, the lines that tell of it (`...` stands for any text), and the arguments."""

    make: Make
    lines: tuple[str, ...]
    arguments: tuple[str, ...]


CASES: dict[str, Case] = {}


def case(name: str, make: Make, *lines: str, arguments: Sequence[str] = RUN) -> None:
    assert name not in CASES and lines
    CASES[name] = Case(make, lines, tuple(arguments))


def nothing(desk: Desk) -> None:
    """The scenario is right, the arguments are not."""


def setting(**changes: Any) -> Make:
    return lambda desk: desk.scenario(**changes)


def zones(**tables: Any) -> dict[str, Any]:
    return {"protected": {}, **tables}


NAN = float("nan")
# --- the scenario file -------------------------------------------------------------------------------------------
case(
    "no scenario file",
    nothing,
    "smal.toml: no such scenario file; did you mean 'small.toml'?",
    arguments=["run", "smal.toml"],
)
case("scenario is a folder", nothing, ".: is a folder; name the scenario file in it", arguments=["run", "."])
case(
    "not TOML",
    lambda desk: desk.text("small.toml", "name = \n"),
    "small.toml: not valid TOML: Invalid value (at line 1, column 8)",
)
case(
    "TOML: key twice",
    lambda desk: desk.text("small.toml", 'name = "a"\nname = "b"\n'),
    "small.toml: not valid TOML: Cannot overwrite a value (at line 2, column 11)",
)
case(
    "TOML not UTF-8",
    lambda desk: desk.text("small.toml", 'name = "Gr\u00fcn"\n'.encode("latin-1")),
    "small.toml: not UTF-8 text (byte 10); save the file as UTF-8",
)
case(
    "empty scenario",
    lambda desk: desk.text("small.toml", ""),
    "small.toml: name is missing",
    "small.toml: landscape is missing",
)
case(
    "extends a missing file", setting(extends="base.toml"), "base.toml: no such scenario file (extended by small.toml)"
)
case("extends itself", setting(extends="small.toml"), "small.toml: extends itself through small.toml -> small.toml")
case("extends a number", setting(extends=3), "small.toml: extends must be the name of a scenario file, not 3")
case(
    "extends in a circle",
    lambda desk: (desk.scenario(extends="b.toml"), desk.scenario("b.toml", extends="small.toml")),
    "small.toml: extends itself through small.toml -> b.toml -> small.toml",
)
case("unknown key", setting(sead=3), "small.toml: unknown key 'sead'; did you mean 'seed'? known keys: ...")
case(
    "unknown key in landscape",
    setting(landscape__feature="owl.tif"),
    "small.toml: unknown key 'landscape.feature'; did you mean 'features'? known keys: ...",
)
case(
    "unknown key in a zone",
    setting(zones=zones(oecm={"costfactor": 0.5})),
    "small.toml: unknown key 'zones.oecm.costfactor'; did you mean 'cost_factor'? known keys: ...",
)
case(
    "unknown key in a constraint",
    setting(constraints=[{"kind": "area", "share": 0.3, "realm": "land"}]),
    "small.toml: unknown key 'constraints[0].realm'; known keys: ...",
)
case(
    "unknown key in a penalty",
    setting(penalties=[{"kind": "boundary", "weight": 1.0, "edgefactor": 1.0}]),
    "small.toml: unknown key 'penalties[0].edgefactor'; did you mean 'edge_factor'? known keys: ...",
)
case(
    "unknown key in solver",
    setting(solver__second=5),
    "small.toml: unknown key 'solver.second'; did you mean 'seconds'? known keys: ...",
)
case(
    "unknown key in targets",
    setting(targets__denominater="units"),
    "small.toml: unknown key 'targets.denominater'; did you mean 'denominator'? known keys: ...",
)
case(
    "unknown key in by_feature",
    setting(targets__by_feature={"owl": {"relativ": 0.2}}),
    "small.toml: unknown key 'targets.by_feature.owl.relativ'; did you mean 'relative'? known keys: ...",
)
case("unknown key in output", setting(output={"dir": "x"}), "small.toml: unknown key 'output.dir'; known keys: ...")
case(
    "unknown key in objective",
    setting(objective={"kind": "min_cost", "budget": 3}),
    "small.toml: unknown key 'objective.budget'; known keys: ...",
)
case(
    "unknown format",
    setting(landscape__format="rastre"),
    "small.toml: landscape.format 'rastre' is unknown; did you mean 'raster'? one of ...",
)
case(
    "unknown rule",
    setting(targets__rule="relativ"),
    "small.toml: targets.rule 'relativ' is unknown; did you mean 'relative'? one of 'absolute', 'area', ...",
)
case(
    "unknown kind of objective",
    setting(objective={"kind": "mincost"}),
    "small.toml: objective.kind 'mincost' is unknown; did you mean 'min_cost'? one of ...",
)
case(
    "unknown kind of constraint",
    setting(constraints=[{"kind": "budge", "amount": 3}]),
    "small.toml: constraints[0].kind 'budge' is unknown; did you mean 'budget'? one of ...",
)
case(
    "unknown kind of penalty",
    setting(penalties=[{"kind": "bondary", "weight": 1.0}]),
    "small.toml: penalties[0].kind 'bondary' is unknown; did you mean 'boundary'? "
    "one of 'border', 'boundary', 'connectivity', 'linear'",
)
case("unknown solver", setting(solver__kind="gurobi"), "small.toml: solver.kind 'gurobi' is unknown; one of ...")
case("missing format", setting(landscape__format=GONE), "small.toml: landscape needs the key 'format': one of ...")
case(
    "missing kind", setting(constraints=[{"share": 0.3}]), "small.toml: constraints[0] needs the key 'kind': one of ..."
)
case("missing name", setting(name=GONE), "small.toml: name is missing")
case("missing landscape", setting(landscape=GONE), "small.toml: landscape is missing")
case("missing weight", setting(penalties=[{"kind": "boundary"}]), "small.toml: penalties[0].weight is missing")
case(
    "wrong type: list for cost",
    setting(landscape__cost=["cost.tif"]),
    "small.toml: landscape.cost must be a text or a number (it is a list)",
)
case(
    "wrong type: number for features",
    setting(landscape__features=3),
    "small.toml: landscape.features must be a list or a text (it is 3)",
)
case(
    "wrong type: number in features",
    setting(landscape__features=["owl.tif", 3]),
    "small.toml: landscape.features[1] must be a text (it is 3)",
)
case("wrong type: text for seed", setting(seed="one"), "small.toml: seed must be a whole number (it is 'one')")
case("wrong type: text for a table", setting(solver="highs"), "small.toml: solver must be a table (it is 'highs')")
case(
    "wrong type: table for a list",
    setting(constraints={"kind": "area", "share": 0.3}),
    "small.toml: constraints must be a list of tables, each under a [[heading]] (it is a table)",
)
case(
    "wrong type: text in a list of tables",
    setting(constraints=["area"]),
    "small.toml: constraints[0] must be a table (it is 'area')",
)
case("wrong type: zones as text", setting(zones="protected"), "small.toml: zones must be a table (it is 'protected')")
case(
    "wrong type: a zone as a number",
    setting(zones={"protected": 1}),
    "small.toml: zones.protected must be a table (it is 1)",
)
case(
    "wrong type: contribution",
    setting(zones=zones(oecm={"contribution": "half"})),
    "small.toml: zones.oecm.contribution must be a number or a table (it is 'half')",
)
case(
    "wrong type: contribution of a feature",
    setting(zones=zones(oecm={"contribution": {"owl": "half"}})),
    "small.toml: zones.oecm.contribution.owl must be a number (it is 'half')",
)
case(
    "wrong type: by_feature",
    setting(targets__by_feature={"owl": "half"}),
    "small.toml: targets.by_feature.owl must be a number or a table (it is 'half')",
)
case(
    "wrong type: regions",
    setting(landscape__regions=3),
    "small.toml: landscape.regions must be a text or a table (it is 3)",
)
case(
    "wrong type: level of regions",
    setting(landscape__regions={"province": 3}),
    "small.toml: landscape.regions.province must be a text (it is 3)",
)
case(
    "wrong type: locked_in",
    setting(landscape__locked_in=True),
    "small.toml: landscape.locked_in must be a text (it is True)",
)
case(
    "wrong type: zones of a boundary",
    setting(penalties=[{"kind": "boundary", "weight": 1.0, "zones": "nowhere"}]),
    "small.toml: penalties[0].zones must be 'together' or 'apart' or a list (it is 'nowhere')",
)
case(
    "wrong word: denominator",
    setting(targets__denominator="unit"),
    "small.toml: targets.denominator must be 'units' or 'layer' (it is 'unit'); did you mean 'units'?",
)
case(
    "wrong word: align",
    setting(landscape__align="cubic"),
    "small.toml: landscape.align must be 'nearest' or 'bilinear' (it is 'cubic')",
)
case(
    "wrong word: status",
    setting(constraints=[{"kind": "locked", "status": "inn", "units": [1]}]),
    "small.toml: constraints[0].status must be 'in' or 'out' (it is 'inn'); did you mean 'in'?",
)
case(
    "by_feature: both",
    setting(targets__by_feature={"owl": {"relative": 0.5, "absolute": 3}}),
    "small.toml: targets.by_feature.owl: give either 'relative' or 'absolute'",
)
case(
    "negative gap", setting(solver__gap=-0.1), "small.toml: solver.gap must be greater than or equal to 0 (it is -0.1)"
)
case("gap of 1", setting(solver__gap=1), "small.toml: solver.gap must be less than 1 (it is 1)")
case("gap nan", setting(solver__gap=NAN), "small.toml: solver.gap must be a finite number (it is nan)")
case("no seconds", setting(solver__seconds=0), "small.toml: solver.seconds must be greater than 0 (it is 0)")
case(
    "share above 1",
    setting(constraints=[{"kind": "area", "share": 30}]),
    "small.toml: constraints[0].share must be less than or equal to 1 (it is 30)",
)
case(
    "relative above 1",
    setting(targets__relative=30),
    "small.toml: targets.relative must be less than or equal to 1 (it is 30)",
)
case(
    "area without share",
    setting(constraints=[{"kind": "area", "of": "realm:land"}]),
    "small.toml: constraints[0]: an area constraint needs 'share' or 'max_share'",
)
case(
    "budget without amount",
    setting(constraints=[{"kind": "budget"}]),
    "small.toml: constraints[0]: a budget needs either 'amount' or 'share'",
)
case(
    "lock without units",
    setting(constraints=[{"kind": "locked", "status": "in"}]),
    "small.toml: constraints[0]: a lock needs either 'layer' or 'units'",
)
case(
    "min above max",
    setting(constraints=[{"kind": "linear", "layer": "old.tif", "min": 3, "max": 2}]),
    "small.toml: constraints[0]: min 3.0 is above max 2.0",
)
case("negative seed", setting(seed=-1), "small.toml: seed must be greater than or equal to 0 (it is -1)")
case(
    "name with a slash",
    setting(name="a/b"),
    "small.toml: name must not be empty, begin with a dot or hold a slash (it is 'a/b')",
)
case("empty name", setting(name=""), "small.toml: name must not be empty, begin with a dot or hold a slash (it is '')")
case(
    "cost_factor negative",
    setting(zones=zones(oecm={"cost_factor": -1})),
    "small.toml: zones.oecm.cost_factor must be greater than or equal to 0 (it is -1)",
)
case(
    "contribution above 1",
    setting(zones=zones(oecm={"contribution": 1.5})),
    "small.toml: zones.oecm.contribution must be less than or equal to 1 (it is 1.5)",
)
case(
    "contribution nan",
    setting(zones=zones(oecm={"contribution": NAN})),
    "small.toml: zones.oecm.contribution must be a finite number or a table (it is nan)",
)
case(
    "contribution of no feature",
    setting(zones=zones(oecm={"contribution": {"wolf*": 0.5}})),
    "zones.oecm.contribution: no feature matches 'wolf*'; features are owl, fox",
)
case(
    "weight not positive",
    setting(objective={"kind": "min_shortfall", "weights": {"owl": 0.0}}),
    "objective.weights (or 'weight' of the feature table): owl is 0.0; weights must be above 0",
)
case(
    "weight of no feature",
    setting(objective={"kind": "min_shortfall", "weights": {"wolf": 1.0}}),
    "objective.weights: no feature matches 'wolf'; features are owl, fox",
)
case(
    "boundary weight negative",
    setting(penalties=[{"kind": "boundary", "weight": -1.0}]),
    "small.toml: penalties[0].weight must be greater than or equal to 0 (it is -1.0)",
)
case(
    "two faults",
    setting(seed=-1, solver__gap=2),
    "small.toml: seed must be greater than or equal to 0 (it is -1)",
    "small.toml: solver.gap must be less than 1 (it is 2)",
)
# --- names that are not there ------------------------------------------------------------------------------------
case(
    "unknown level",
    setting(constraints=[{"kind": "area", "of": "province:*", "share": 0.3}]),
    "constraints[0]: 'province:*': there is no grouping 'province'; use 'all' or one of 'realm:*'",
)
case(
    "unknown realm",
    setting(constraints=[{"kind": "area", "of": "realm:lnd", "share": 0.3}]),
    "constraints[0]: 'realm:lnd': 'realm' has no 'lnd'; it has land, sea",
)
case(
    "unknown zone in a constraint",
    setting(constraints=[{"kind": "area", "share": 0.3, "zones": ["protcted"]}]),
    "constraints[0]: there is no zone 'protcted'; zones are protected",
)
case(
    "unknown zone in a lock",
    setting(constraints=[{"kind": "locked", "status": "in", "units": [1], "zone": "x"}]),
    "constraints[0]: there is no zone 'x'; zones are protected",
)
case(
    "unknown zone in a penalty",
    setting(penalties=[{"kind": "boundary", "weight": 1.0, "zones": ["oecm"]}]),
    "penalties[0]: there is no zone 'oecm'; zones are protected",
)
case(
    "unknown layer",
    setting(penalties=[{"kind": "linear", "weight": 1.0, "layer": "olds.tif"}]),
    "layer 'olds.tif': olds.tif: no such file; did you mean 'old.tif'?",
)
case(
    "unknown unit",
    setting(constraints=[{"kind": "locked", "status": "in", "units": [1, 99]}]),
    "constraints[0]: no planning unit has the id 99",
)
case(
    "by_feature of no feature",
    setting(targets__by_feature={"wolf*": 0.5}),
    "targets.by_feature: no feature matches 'wolf*'; features are owl, fox",
)
case(
    "synthetic: unknown layer",
    setting(landscape={"format": "synthetic", "rows": 50, "columns": 50, "locked_in": "urbn"}),
    "landscape.locked_in: synthetic: there is no layer 'urbn'; did you mean 'urban' or 'carbon' or 'rain'?",
)
# --- impossible --------------------------------------------------------------------------------------------------
case(
    "target locked out",
    lambda desk: (
        desk.raster("old.tif", np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0] * 4], np.uint8)),
        desk.scenario(landscape__locked_out="old.tif"),
    ),
    "target for 'fox' asks for 3.6 amount, only 0 is not locked out (12 without the locks)",
)
case(
    "target above what is there",
    setting(targets={"absolute": 7}),
    "target for 'owl' asks for 7 amount, only 6 is there",
)
case(
    "budget below what is locked in",
    setting(landscape__locked_in="cost.tif", constraints=[{"kind": "budget", "amount": 5}]),
    "budget allows 5 cost, but locked-in units already take 78",
)
case(
    "rows that cannot be met together",
    setting(constraints=[{"kind": "budget", "amount": 3.5}]),
    "no selection meets all hard rows together; 1 of 3 must give way, for example:",
    "lower target for 'fox' from 3.6 to 0 amount",
)
case(
    "locked in and out",
    setting(landscape__locked_in="old.tif", landscape__locked_out="old.tif"),
    "cost.tif: 1 units are locked in and locked out of zone 'protected' (ids 1); change locked_in or locked_out",
)
case(
    "locked in and out by a constraint",
    setting(landscape__locked_in="old.tif", constraints=[{"kind": "locked", "status": "out", "units": [1]}]),
    "constraints[0]: 1 units would be locked in and out at once (ids 1); take them from one of the two",
)
case(
    "locked into two zones",
    setting(zones={"protected": {"locked_in": "old.tif"}, "oecm": {"locked_in": "old.tif"}}),
    "cost.tif: 1 units are locked into more than one zone (ids 1); a unit has one zone at most",
)
# --- rasters -----------------------------------------------------------------------------------------------------
case("missing raster", setting(landscape__cost="cst.tif"), "cst.tif: no such file; did you mean 'cost.tif'?")
case(
    "missing feature raster",
    setting(landscape__features=["owls.tif"]),
    "owls.tif: no such file; did you mean 'owl.tif'?",
)
case(
    "missing lock raster",
    setting(landscape__locked_in="olds.tif"),
    "landscape.locked_in: olds.tif: no such file; did you mean 'old.tif'?",
)
case(
    "not a raster",
    lambda desk: desk.text("cost.tif", "hello"),
    "cost.tif: not a raster that GDAL can read (it reads GeoTIFF and about a hundred others); is it ...",
)
case(
    "empty raster",
    lambda desk: desk.text("cost.tif", ""),
    "cost.tif: not a raster that GDAL can read (it reads GeoTIFF and about a hundred others); is it ...",
)
case(
    "all NoData",
    lambda desk: desk.raster("cost.tif", np.full((3, 4), -1.0), nodata=-1),
    "cost.tif: no cell is a planning unit (all NoData); name a raster that holds a value in every unit, and ...",
)
case(
    "feature all NoData",
    lambda desk: desk.raster("owl.tif", np.full((3, 4), -1.0), nodata=-1),
    "owl.tif: no cell of feature 'owl' holds a value (all NoData); remove it from landscape.features, or ...",
)
case(
    "negative cost",
    lambda desk: desk.raster("cost.tif", np.array([[1, -2, 1, 1]] * 3, np.float32)),
    "cost.tif: the cost is negative in 3 units (ids 2, 6, 10); correct it, or set landscape.allow_negative = true ...",
)
case(
    "infinite cost",
    lambda desk: desk.raster("cost.tif", np.array([[1, np.inf, 1, 1]] * 3, np.float32)),
    "cost.tif: cost is not a finite number in 3 units (ids 2, 6, 10); give a number, or remove these units",
)
case(
    "negative cost as a number",
    setting(landscape__cost=-3.0, landscape__units="cost.tif"),
    "landscape.cost is -3; give 0 or more, or set landscape.allow_negative = true if a negative cost is meant",
)
case(
    "nan cost as a number",
    setting(landscape__cost=NAN, landscape__units="cost.tif"),
    "small.toml: landscape.cost must be a text or a finite number (it is nan)",
)
case(
    "negative amount",
    lambda desk: desk.raster("owl.tif", np.array([[1, -2, 1, 1]] * 3, np.float32)),
    "cost.tif: negative amounts of owl; correct the layer, or set landscape.allow_negative = true if they are meant",
)
case(
    "infinite amount",
    lambda desk: desk.raster("owl.tif", np.array([[1, np.inf, 1, 1]] * 3, np.float32)),
    "owl.tif: feature 'owl' holds infinite values; correct the layer",
)
case(
    "wrong CRS",
    lambda desk: desk.raster("owl.tif", np.ones((3, 4)), crs="EPSG:4326"),
    'owl.tif: CRS EPSG:4326, but cost.tif has CRS EPSG:32755; set landscape.align = "nearest" ...',
)
case(
    "no CRS",
    lambda desk: desk.raster("owl.tif", np.ones((3, 4)), crs=None),
    "owl.tif: no CRS, but cost.tif has CRS EPSG:32755; write the CRS into owl.tif (gdal_edit -a_srs ...",
)
case(
    "another shape",
    lambda desk: desk.raster("owl.tif", np.ones((4, 4))),
    'owl.tif: 4 rows x 4 columns, but cost.tif has 3 rows x 4 columns; set landscape.align = "nearest" ...',
)
case(
    "another origin",
    lambda desk: desk.raster("owl.tif", np.ones((3, 4)), transform=from_origin(0, 0, 1000, 1000)),
    "owl.tif: origin (0, 0) and cells of 1000 x -1000, but cost.tif has origin (500000, 5000000) and cells ...",
)
case(
    "missing band",
    setting(landscape__cost="cost.tif#2"),
    "cost.tif: there is no band 2; the file has 1, counted from 1",
)
case(
    "band is a word",
    setting(landscape__cost="cost.tif#two"),
    "cost.tif#two: 'two' is not a band number; write 'cost.tif#1' for the first band",
)
case(
    "which band",
    lambda desk: desk.raster("cost.tif", np.ones((2, 3, 4))),
    "cost.tif: the file has 2 bands; say which one, as in 'cost.tif#1'",
)
case(
    "glob without match",
    setting(landscape__features="maps/*.tif"),
    "maps/*.tif: no file matches; correct landscape.features",
)
case(
    "features missing",
    setting(landscape__features=GONE),
    'landscape.features is missing: name the feature rasters, as in "features/*.tif" (or write features = ...',
)
case(
    "no raster for the units",
    setting(landscape__cost=1.0),
    "landscape.cost is the number 1 and landscape.units is missing: name one raster, landscape.units or ...",
)
case(
    "two features of one name",
    lambda desk: (
        desk.text("a/x", ""),
        desk.raster("a/owl.tif", np.ones((3, 4))),
        desk.scenario(landscape__features=["owl.tif", "a/owl.tif"]),
    ),
    "owl.tif, a/owl.tif: these features would all be called 'owl'; rename the files or the bands",
)
case(
    "cost layer in a zone is missing",
    setting(zones=zones(oecm={"cost": "olds.tif"})),
    "zones.oecm.cost: olds.tif: no such file; did you mean 'old.tif'?",
)
case(
    "NaN cost in a zone",
    lambda desk: (
        desk.raster("dear.tif", np.array([[1, np.nan, 1, 1]] * 3)),
        desk.scenario(zones=zones(oecm={"cost": "dear.tif"})),
    ),
    "cost.tif: cost is not a finite number in 3 units (ids 2, 6, 10); give a number, or remove these units",
)
case(
    "groups that are no codes",
    lambda desk: desk.raster("realm.tif", np.full((3, 4), 1.5)),
    "landscape.realm: realm.tif: 1.5 is no code; a layer of groups must hold whole numbers",
)
case(
    "several faults of the data",
    setting(landscape__features=["owls.tif", "foxes.tif"], landscape__locked_in="olds.tif"),
    "owls.tif: no such file; did you mean 'owl.tif'?",
    "foxes.tif: no such file; did you mean 'fox.tif'?",
    "landscape.locked_in: olds.tif: no such file; did you mean 'old.tif'?",
)


# --- polygons ----------------------------------------------------------------------------------------------------
def shapes(keys: dict[str, Any] | None = None, **columns: Any) -> Make:
    return lambda desk: (desk.polygons(**columns), desk.vector(**(keys or {})))[2:]


case("missing vector file", lambda desk: desk.vector(), "units.gpkg: no such file")
case(
    "not a vector file",
    lambda desk: (desk.text("units.gpkg", "hello"), desk.vector()),
    "units.gpkg: not a vector file that GDAL can read (...); give a GeoPackage, ...",
)
case(
    "not a GeoParquet file",
    lambda desk: (desk.text("units.parquet", "hello"), desk.vector(units="units.parquet")),
    "units.parquet: not a GeoParquet file (...",
)
case(
    "raster as vector file",
    lambda desk: desk.vector(units="cost.tif"),
    "cost.tif: not a vector file that GDAL can read (...); give a GeoPackage, ...",
)
case(
    "points instead of polygons",
    shapes(geometry=[Point(k, 0) for k in range(3)]),
    "units.gpkg: planning units must be polygons; Point in 3 rows (rows 1, 2, 3)",
)
case(
    "polygons without CRS",
    shapes(crs=None),
    "units.gpkg: the file has no CRS, so areas and lengths are unknown; write it into the file ('Assign ...",
)
case(
    "duplicate unit",
    shapes({"id": "code"}, code=[1, 1, 3]),
    "units.gpkg: duplicate id 1 in column 'code'; every unit needs its own id (leave landscape.id out to ...",
)
case(
    "unit id is no whole number",
    shapes({"id": "code"}, code=[1.5, 2, 3]),
    "units.gpkg: id 1.5 in column 'code' is not a whole number",
)
case(
    "missing column",
    shapes({"cost": "prise"}),
    "landscape.cost: units.gpkg: there is no column 'prise'; did you mean 'price'?",
)
case(
    "missing lock column",
    shapes({"locked_in": "held"}),
    "landscape.locked_in: units.gpkg: there is no column 'held'; it has code, price, owls",
)
case(
    "missing group column",
    shapes({"realm": "lnd"}),
    "landscape.realm: units.gpkg: there is no column 'lnd'; it has code, price, owls",
)
case(
    "missing feature column",
    shapes({"features": ["owl"]}),
    "landscape.features: units.gpkg: there is no column 'owl'; did you mean 'owls'?",
)
case(
    "cost is text",
    shapes(price=["a", "b", "c"]),
    "landscape.cost: units.gpkg: column 'price' holds text ('a', 'b', 'c'), not numbers",
)
case(
    "NaN cost",
    shapes(price=[1.0, NAN, 3.0]),
    "landscape.cost: units.gpkg: column 'price' holds no number (empty, NaN or infinite) in 1 rows (rows ...",
)
case(
    "negative cost in a column",
    shapes(price=[1.0, -2.0, 3.0]),
    "units.gpkg: the cost is negative in 1 units (ids 2); correct it, or set landscape.allow_negative = true ...",
)
case(
    "infinite cost in a column",
    shapes(price=[1.0, np.inf, 3.0]),
    "landscape.cost: units.gpkg: column 'price' holds no number (empty, NaN or infinite) in 1 rows (rows ...",
)
case(
    "feature is text",
    shapes(owls=["a", "b", "c"]),
    "landscape.features: units.gpkg: column 'owls' holds text ('a', 'b', 'c'), not numbers",
)
case(
    "no features left",
    shapes({"features": GONE, "id": "code"}, owls=GONE),
    "landscape.features: units.gpkg: there is no column 'owls'; it has code, price",
)
case(
    "overlapping units",
    shapes({"features": ["owl.tif"]}, geometry=[box(500_000, 4_999_000, 501_000, 5_000_000)] * 3),
    "units.gpkg: 3 pairs of units overlap by more than 50% of the smaller one (1 and 2, 1 and 3, 2 and 3), ...",
)
case(
    "invalid polygon",
    shapes(geometry=[box(0, 0, 1, 1), box(1, 0, 2, 1), Polygon([(0, 5), (1, 6), (1, 5), (0, 6)])]),
    "units.gpkg: invalid geometry in 1 rows (rows 3): Self-intersection[0.5 5.5]; repair it ('Fix ...",
)
case("unknown map layer", shapes({"layer": "hexes"}), "units.gpkg: there is no layer 'hexes'; it has units")
case(
    "raster feature of another CRS",
    shapes({"features": ["owl.tif"]}, crs="EPSG:3577"),
    'owl.tif: CRS EPSG:32755, but units.gpkg has CRS EPSG:3577; set landscape.align = "nearest" ...',
)


# --- feature table -----------------------------------------------------------------------------------------------
def table(content: str | bytes, **keys: Any) -> Make:
    return lambda desk: (
        desk.text("features.csv", content),
        desk.scenario(landscape__feature_table="features.csv", **keys),
    )[2:]


case("feature table missing", setting(landscape__feature_table="features.csv"), "features.csv: no such file")
case(
    "feature table is a folder",
    lambda desk: (desk.text("t.csv/x", ""), desk.scenario(landscape__feature_table="t.csv")),
    "t.csv: is a folder, not a table",
)
case(
    "feature table without name",
    table("feature,weight\nowl,1\n"),
    "features.csv: the feature table needs a column 'name'; it has feature, weight",
)
case(
    "feature table: twice",
    table("name,weight\nowl,1\nowl,2\n"),
    "features.csv: feature owl stands in the table more than once",
)
case(
    "feature table: unknown",
    table("name,weight\nowl,1\nwolf,2\n"),
    "features.csv: no such feature: wolf; features are owl, fox",
)
case(
    "feature table: latin-1",
    table("name,weight\nowl,1\nf\u00fcchs,2\n".encode("latin-1")),
    "features.csv: not UTF-8 text (byte 19); save the table as UTF-8",
)
case(
    "feature table: ragged",
    table("name,weight\nowl,1,5\nfox,2\n"),
    "features.csv: rows have more values than the header has columns; is a decimal comma among them?",
)
case("feature table: empty", table(""), "features.csv: the table is empty")
case(
    "feature table: weight is text",
    table("name,weight\nowl,much\n", objective={"kind": "min_shortfall"}),
    "feature table: 'weight' is not a number for owl",
)
case(
    "feature table: weight 0",
    table("name,weight\nowl,0\n", objective={"kind": "min_shortfall"}),
    "objective.weights (or 'weight' of the feature table): owl is 0.0; weights must be above 0",
)
case(
    "feature table: no target column",
    table("name,weight\nowl,1\n", targets={"rule": "table"}),
    "targets.rule = 'table': the feature table has neither 'target' nor 'prop'; it has name, total, unit, weight",
)
case(
    "feature table: target is text",
    table("name,target\nowl,much\n", targets={"rule": "table"}),
    "feature table: 'target' is not a number for owl",
)
case(
    "feature table: share above 1",
    table("name,prop\nowl,30\n", targets={"rule": "table"}),
    "feature table: 'prop' is a share, but above 1 for owl",
)


# --- Marxan ------------------------------------------------------------------------------------------------------
def marxan(**changes: Any) -> Make:
    return lambda desk: (desk.marxan(**changes), desk.project())[2:]


case(
    "no input.dat",
    lambda desk: desk.project(),
    "input.dat: no such file; `project` is the input.dat of a Marxan project",
)
case("Marxan: pu.dat missing", marxan(pu=GONE), "pu.dat: no such file (named by PUNAME in input.dat)")
case(
    "Marxan: PUNAME missing",
    marxan(input="SPECNAME spec.dat\nPUVSPRNAME puvspr.dat\n"),
    "input.dat: the key PUNAME is missing; add a line such as `PUNAME file.dat`",
)
case(
    "Marxan: wrong delimiter",
    marxan(pu="id|cost|status\n1|10|0\n"),
    "pu.dat: column 'id' is missing; the header reads 'id|cost|status' (columns are separated by comma, ...",
)
case(
    "Marxan: unknown species",
    marxan(puvspr="species,pu,amount\n8,1,8\n"),
    "puvspr.dat: species 8 is no feature of spec.dat; remove these rows (1) or add the feature",
)
case(
    "Marxan: bad status",
    marxan(pu="id,cost,status\n1,10,0\n2,20.5,7\n3,30,3\n4,40,1\n"),
    "pu.dat: status 7 of units 2; 0 and 1 are free, 2 is locked in, 3 is locked out",
)
case(
    "Marxan: duplicate unit",
    marxan(pu="id,cost,status\n1,10,0\n2,20.5,0\n2,30,0\n4,40,1\n"),
    "pu.dat: duplicate planning unit id 2; every planning unit needs its own id",
)
case(
    "Marxan: negative amount",
    marxan(puvspr="species,pu,amount\n7,1,-8\n"),
    "input.dat: negative amounts of otter; correct the layer, or set landscape.allow_negative = true if they are meant",
)
case(
    "Marxan: cost is text",
    marxan(pu="id,cost,status\n1,ten,0\n2,20.5,0\n4,40,1\n"),
    "pu.dat: cost is 'ten', not a number, in data row 1",
)
case(
    "Marxan: not UTF-8",
    marxan(spec="id,target,name\n7,8,\u00f6tter\n9,10,newt\n".encode("latin-1")),
    "spec.dat: not UTF-8 text (byte 19); save the SPECNAME file as UTF-8 (named by SPECNAME in input.dat)",
)
ZONED = "PUNAME pu.dat\nSPECNAME spec.dat\nPUVSPRNAME puvspr.dat\nZONESNAME zones.dat\nZONECONTRIBNAME share.dat\n"
case(
    "Marxan: contribution above 1",
    marxan(
        input=ZONED,
        zones="zoneid,zonename\n1,free\n2,park\n",
        share="zoneid,speciesid,fraction\n2,7,1.5\n2,9,-1\n",
    ),
    "input.dat: contributions to zones must be 0 to 1, but -1.0, 1.5 is among those of otter, newt",
)
# --- the command line --------------------------------------------------------------------------------------------
case(
    "--set without =",
    nothing,
    "--set solver.gap: write it as KEY=VALUE, for example --set solver.gap=0.01",
    arguments=["run", "small.toml", "--set", "solver.gap"],
)
case(
    "--set on what is no table",
    nothing,
    "--set name.x: 'name' is not a table",
    arguments=["run", "small.toml", "--set", "name.x=3"],
)
case(
    "--set beyond a list",
    nothing,
    "small.toml: constraints must be a list of tables, each under a [[heading]] (it is a table)",
    arguments=["run", "small.toml", "--set", "constraints.0.share=3"],
)
case(
    "--set an unknown key",
    nothing,
    "small.toml: unknown key 'solver.gab'; did you mean 'gap'? known keys: ...",
    arguments=["run", "small.toml", "--set", "solver.gab=3"],
)
case(
    "--set a wrong value",
    nothing,
    "small.toml: solver.gap must be a number (it is 'much')",
    arguments=["run", "small.toml", "--set", "solver.gap=much"],
)
case(
    "--seconds on a solver that is text",
    lambda desk: desk.scenario(solver="highs"),
    "--set solver.seconds: 'solver' is not a table",
    arguments=["run", "small.toml", "--seconds", "3"],
)
case(
    "--out is a file",
    nothing,
    "cost.tif: is a file; name a folder with --out",
    arguments=["run", "small.toml", "--out", "cost.tif"],
)
case(
    "--out below a file",
    nothing,
    "cost.tif: is a file; name a folder with --out",
    arguments=["run", "small.toml", "--out", "cost.tif/run"],
)
case(
    "--out is no run",
    lambda desk: desk.text("mine/letter.txt", "dear"),
    "mine: holds files that are not a run; choose another folder with --out",
    arguments=["run", "small.toml", "--out", "mine"],
)
case("output.folder is a file", setting(output={"folder": "cost.tif"}), "cost.tif: is a file; name a folder with --out")
case(
    "compare: --out is a file",
    nothing,
    "cost.tif: is a file; name a folder with --out",
    arguments=["compare", "small.toml", "--out", "cost.tif"],
)
case(
    "compare: --out below a file",
    nothing,
    "cost.tif: is a file; name a folder with --out",
    arguments=["compare", "small.toml", "--out", "cost.tif/a"],
)
case(
    "compare: one name twice",
    nothing,
    "two scenarios are called 'small'; give each its own name",
    arguments=["compare", "small.toml", "small.toml", "--out", "both"],
)
case(
    "compare: one of two is wrong",
    lambda desk: desk.scenario("b.toml", name="b", seed=-1),
    "b.toml: seed must be greater than or equal to 0 (it is -1)",
    arguments=["compare", "small.toml", "b.toml", "--out", "both"],
)
case(
    "compare: a run folder that is no run",
    lambda desk: desk.text("both/small/letter.txt", "dear"),
    "both/small: holds files that are not a run; choose another folder with --out",
    arguments=["compare", "small.toml", "--out", "both"],
)
case(
    "check: missing",
    nothing,
    "smal.toml: no such scenario file; did you mean 'small.toml'?",
    arguments=["check", "smal.toml"],
)

# --- the tests ---------------------------------------------------------------------------------------------------

#: told by the solver alone, so that `check` cannot know; or no matter of the scenario
NOT_CHECKED = {"rows that cannot be met together", "output.folder is a file"}


def pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("..."))


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    item = CASES[name]
    item.make(desk)
    before = contents(desk.folder)
    lines = told(desk, item.arguments, capsys)
    assert len(lines) == len(item.lines), lines
    for line, expected in zip(lines, item.lines, strict=True):
        assert re.fullmatch(pattern(expected), line), line
    assert contents(desk.folder) == before
    if item.arguments == RUN and name not in NOT_CHECKED:
        assert told(desk, ["check", "small.toml"], capsys) == lines


def test_enough_of_them() -> None:
    """Issue 2 asks for forty."""
    assert len(CASES) >= 40


@pytest.mark.parametrize("make", [nothing, shapes(), marxan()], ids=["raster", "vector", "marxan"])
def test_the_desk_is_right(make: Make, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Else a case would be wrong for another reason than its own."""
    make(desk)
    assert main(RUN) == 0
    assert "error" not in capsys.readouterr().err
    assert (desk.folder / "runs/small/summary.json").exists()
    assert not list((desk.folder / "temporary").iterdir())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "small.toml", "--seconds", "-1"], "--seconds: '-1' is not a positive number of seconds"),
        (["run", "small.toml", "--seconds", "soon"], "--seconds: 'soon' is not a positive number of seconds"),
        (["compare", "small.toml", "--jobs", "0"], "--jobs: '0' is not a positive whole number"),
        (["run"], "required: SCENARIO"),
        (["rum", "small.toml"], "invalid choice: 'rum'"),
        ([], "required: COMMAND"),
    ],
)
def test_arguments(arguments: list[str], expected: str, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(desk.folder)
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "error: " in last and expected in last
    assert contents(desk.folder) == before


def test_one_of_two_is_impossible(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """What could be answered is kept for the next time; the other leaves nothing."""
    desk.scenario("b.toml", name="b", targets={"absolute": 9})
    lines = told_while_done(desk, ["compare", "small.toml", "b.toml", "--out", "both"], capsys)
    assert lines == [
        "b: target for 'owl' asks for 9 amount, only 6 is there",
        "finished runs stay, and the next call takes them as they are: both/small",
    ]
    assert [path.name for path in (desk.folder / "both").iterdir()] == ["small"]
    assert (desk.folder / "both/small/summary.json").exists()


def told_while_done(desk: Desk, arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """As `told`, where another scenario succeeds."""
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]


@pytest.mark.parametrize("damage", ["summary", "summary of another program", "selection"])
def test_a_damaged_run_is_solved_again(damage: str, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", "small.toml", "--out", "both"]
    assert main(arguments) == 0
    folder = desk.folder / "both/small"
    whole = contents(folder)
    if damage == "selection":
        (folder / "selection.tif").write_bytes(b"II*")
    else:
        (folder / "summary.json").write_text("{" if damage == "summary" else "[1]")
    assert main(arguments) == 0
    assert "reused" not in capsys.readouterr().out
    assert contents(folder).keys() == whole.keys()
    assert contents(folder)[folder / "selection.tif"] == whole[folder / "selection.tif"]


def test_a_file_that_may_not_be_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any refusal of the operating system is one line (no test user is refused anything, so it is played)."""

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", "small.toml")

    monkeypatch.setattr(Path, "read_text", refuse)
    assert told(desk, RUN, capsys) == ["small.toml: permission denied"]
