"""Small valid inputs of every format, and the commands that read them: what the fuzzer damages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import tomli_w
from desk import Desk
from shapely import box
from test_areas import records
from test_marxan import SMALL, ZONES, write

BEHRMANN = "ESRI:54017"
SOLVER = {"kind": "auto", "gap": 0.01, "seconds": 4}


@dataclass(frozen=True)
class Subject:
    """A folder of inputs.

    Attributes
    ----------
    make : callable
        Writes the inputs into a folder.
    commands : tuple of argument lists
        What is run on them; all of them end with code 0 as long as nothing is damaged.
    ready : tuple of argument lists
        Run once before, so that there is a run folder to damage.
    """

    make: Callable[[Path], None]
    commands: tuple[str, ...]
    ready: tuple[str, ...] = ()


def raster(folder: Path) -> None:
    """Cells with a realm, regions, tenure, a feature table, two zones and shape terms; a second scenario on them."""
    desk = Desk(folder)
    desk.set_up()
    desk.raster("regions.tif", np.array([[1, 1, 2, 2]] * 3, np.uint8))
    desk.raster("share.tif", np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4))
    desk.text("features.csv", "name,group,unit,weight,endemic\nowl,species,km2,2,true\nfox,species,km2,1,false\n")
    desk.raster("pu.tif", np.array([[1] * 4, [1] * 4, [1, 1, 1, 0]], np.int16))
    landscape = {
        "format": "raster",
        "cost": "cost.tif",
        "units": "pu.tif",
        "features": ["owl.tif", "fox.tif"],
        "feature_table": "features.csv",
        "realm": "realm.tif",
        "regions": {"province": "regions.tif"},
        "tenure": {"protected": "old.tif", "oecm": "share.tif"},
    }
    desk.scenario(landscape=landscape, solver=SOLVER)
    zones = {"reserve": {"locked_in": "old.tif"}, "oecm": {"kind": "oecm", "cost_factor": 0.5, "contribution": 0.8}}
    terms = {
        "constraints": [{"kind": "area", "of": "realm:*", "share": 0.2}, {"kind": "budget", "amount": 70.0}],
        "penalties": [{"kind": "boundary", "weight": 0.001, "edge_factor": 0.5}],
    }
    desk.scenario("b.toml", name="b", landscape=landscape, solver=SOLVER, zones=zones, **terms)
    desk.scenario(
        "c.toml",
        name="c",
        landscape=landscape,
        solver=SOLVER,
        targets={"rule": "sreekar", "unit": "km2"},
        constraints=[{"kind": "contiguity"}, {"kind": "neighbours", "least": 1}],
        output={"mask": {"names": ["owl"], "square_km": 2.0}},
    )


def vector(folder: Path) -> None:
    """Polygons as GeoPackage, Shapefile, GeoParquet and GeoJSON; a raster as a further feature."""
    desk = Desk(folder)
    columns = {
        "code": [1, 2, 3, 4],
        "price": [1.0, 2.0, 3.0, 2.5],
        "owls": [4.0, 0.0, 4.0, 1.0],
        "realm": ["land", "land", "sea", "sea"],
        "old": [0, 1, 0, 0],
    }
    shapes = [box(500_000 + 1000 * k, 4_998_000, 501_000 + 1000 * k, 4_999_000) for k in range(4)]
    desk.polygons(geometry=shapes, **columns)
    frame = geopandas.read_file(folder / "units.gpkg")
    frame.to_file(folder / "units.shp")
    frame.to_parquet(folder / "units.parquet")
    frame.to_file(folder / "units.geojson")
    desk.raster("wood.tif", np.arange(12, dtype=np.float32).reshape(3, 4))
    for kind in ("gpkg", "shp", "parquet", "geojson"):
        landscape = {
            "format": "vector",
            "units": f"units.{kind}",
            "id": "code",
            "cost": "price",
            "features": ["owls", "wood.tif"],
            "realm": "realm",
            "locked_in": "old",
        }
        if kind == "geojson":
            landscape |= {"align": "nearest"}
        penalties = [{"kind": "boundary", "weight": 0.0001}] if kind == "gpkg" else []
        desk.scenario(f"{kind}.toml", name=kind, landscape=landscape, solver=SOLVER, penalties=penalties)


def marxan(folder: Path) -> None:
    """A Marxan project with a boundary file, and one in the older layout."""
    write(folder, {**SMALL})
    penalties = [{"kind": "boundary", "weight": 0.5}]
    data = {"landscape": {"format": "marxan", "project": "input.dat"}, "targets": {"rule": "table"}, "solver": SOLVER}
    Desk(folder).text("marxan.toml", tomli_w.dumps({"name": "marxan", **data, "penalties": penalties}))


def zones(folder: Path) -> None:
    """A project of Marxan with Zones with every file that it may have."""
    more = "ZONETARGETNAME zonetarget.dat\nPULOCKNAME pulock.dat\nPUZONENAME puzone.dat\n"
    files = {
        **ZONES,
        "input.dat": ZONES["input.dat"] + more,
        "input/zonetarget.dat": "zoneid,speciesid,target,targettype\n2,7,3,0\n3,9,1,0\n",
        "input/pulock.dat": "puid,zoneid\n4,3\n",
        "input/puzone.dat": "puid,zoneid\n3,1\n3,2\n",
    }
    write(folder, files)
    data = {"landscape": {"format": "marxan", "project": "input.dat"}, "targets": {"rule": "table"}, "solver": SOLVER}
    Desk(folder).text("zones.toml", tomli_w.dumps({"name": "zones", **data}))


def circuit(folder: Path) -> None:
    """Circuitscape jobs on a grid and on a network, focal nodes as a list and as a raster."""
    desk = Desk(folder)
    head = "ncols 5\nnrows 4\nxllcorner 0\nyllcorner 0\ncellsize 1\nNODATA_value -9999\n"
    desk.text("res.asc", head + "1 2 3 4 5\n5 4 3 2 1\n1 1 -9999 1 1\n2 2 2 2 2\n")
    desk.text("focal.asc", head + "1 0 0 0 2\n0 0 0 0 0\n0 0 0 0 0\n3 0 0 0 0\n")
    desk.text("focal.txt", "1 0.5 3.5\n2 4.5 3.5\n3 0.5 0.5\n")
    desk.text("source.asc", head + "1 0 0 0 0\n0 0 0 0 0\n0 0 0 0 0\n0 0 0 0 0\n")
    desk.text("ground.asc", head + "0 0 0 0 0\n0 0 0 0 0\n0 0 0 0 0\n0 0 0 0 1\n")
    desk.text("pairs.txt", "mode include\n1 2\n2 3\n")
    desk.text("graph.txt", "0 1 2.0\n1 2 1.0\n2 3 4.0\n0 3 1.5\n")
    desk.text("nodes.txt", "0\n2\n3\n")
    desk.text("strengths.txt", "1 2.0\n2 1.0\n")
    maps = "write_cur_maps = True\nwrite_volt_maps = True\noutput_file = out/j.out\n"
    desk.text(
        "j.ini",
        "[Options]\ndata_type = raster\nscenario = pairwise\nhabitat_file = res.asc\npoint_file = focal.asc\n"
        "use_included_pairs = True\nincluded_pairs_file = pairs.txt\n" + maps,
    )
    desk.text(
        "all.ini",
        "[Options]\ndata_type = raster\nscenario = one-to-all\nhabitat_file = res.asc\npoint_file = focal.txt\n"
        "use_variable_source_strengths = True\nvariable_source_file = strengths.txt\n" + maps,
    )
    desk.text(
        "advanced.ini",
        "[Options]\ndata_type = raster\nscenario = advanced\nhabitat_file = res.asc\nsource_file = source.asc\n"
        "ground_file = ground.asc\nground_file_is_resistances = True\nremove_src_or_gnd = rmvsrc\n" + maps,
    )
    desk.text(
        "net.ini",
        "[Options]\ndata_type = network\nscenario = pairwise\nhabitat_file = graph.txt\npoint_file = nodes.txt\n"
        + maps,
    )


def corridor(folder: Path) -> None:
    """Resistances, cores, land cover and countries."""
    desk = Desk(folder)
    ground = np.ones((6, 8), np.float32)
    ground[2:4, 2:6] = 9
    cores = np.zeros((6, 8), np.uint8)
    cores[0, 0], cores[5, 7], cores[0, 7] = 1, 2, 3
    desk.raster("res.tif", ground)
    desk.raster("cores.tif", cores)
    desk.raster("cover.tif", (np.arange(48) % 3).reshape(6, 8).astype(np.uint8))
    desk.raster("land.tif", np.repeat([[1] * 4 + [2] * 4], 6, axis=0).astype(np.uint8))


def nodes(folder: Path) -> None:
    """Protected areas as polygons in two regions, and as a raster."""
    areas = [box(1000 * k, 0, 1000 * k + 600, 600) for k in range(4)]
    names = ["a", "b", "c", "d"]
    geopandas.GeoDataFrame({"name": names}, geometry=areas, crs=BEHRMANN).to_file(folder / "areas.gpkg")
    regions = [box(-500, -500, 1800, 1500), box(1800, -500, 4500, 1500)]
    geopandas.GeoDataFrame({"name": ["west", "east"]}, geometry=regions, crs=BEHRMANN).to_file(folder / "regions.gpkg")
    image = np.zeros((5, 9), np.uint8)
    image[1:3, 1:3] = image[1:3, 6:8] = 1
    Desk(folder).raster("cells.tif", image)


def wdpa(folder: Path) -> None:
    """Sites as published: a park, an OECM over it, a point, one that is only proposed."""
    km = 1000.0
    shapes = [box(0, 0, 3 * km, 3 * km), box(2 * km, 0, 5 * km, 2 * km), box(6 * km, 0, 7 * km, km)]
    frame = records(shapes, PA_DEF=["1", "0", "1"], STATUS=["Designated", "Designated", "Proposed"])
    frame.to_file(folder / "wdpa.gpkg")
    geopandas.GeoDataFrame(geometry=[box(-km, -km, 4 * km, 4 * km)], crs=BEHRMANN).to_file(folder / "country.gpkg")


def redline(folder: Path) -> None:
    """A [redline] block with an importance, a fragility, a prohibited zone, a mask and a revision; a line in force."""
    desk = Desk(folder)
    random = np.random.default_rng(3)
    names = ("cost", "water", "npp", "seepage", "rain", "slope", "carbonate", "cover")
    for name in names:
        desk.raster(f"{name}.tif", random.uniform(0.1, 0.9, (6, 8)).astype(np.float32))
    desk.raster("province.tif", np.repeat([[1] * 4 + [2] * 4], 6, axis=0).astype(np.uint8))
    desk.text("province.csv", "code,name\n1,North\n2,South\n")
    parks = np.zeros((6, 8), np.uint8)
    parks[0, :2] = 1
    desk.raster("parks.tif", parks)
    desk.raster("urban.tif", random.uniform(0, 0.4, (6, 8)).astype(np.float32))
    old = np.zeros((6, 8), np.uint8)
    old[:2, :4] = 1
    desk.raster("old.tif", old)
    water = {"npp": "npp.tif", "seepage": "seepage.tif", "precipitation_mm": "rain.tif", "slope_deg": "slope.tif"}
    karst = {"carbonate_pct": "carbonate.tif", "slope_deg": "slope.tif", "vegetation": "cover.tif"}
    data = {
        "name": "red",
        "landscape": {
            "format": "raster",
            "cost": "cost.tif",
            "features": ["water.tif"],
            "regions": {"province": "province.tif"},
            "tenure": {"protected": "parks.tif"},
        },
        "targets": {"relative": 0.3},
        "solver": SOLVER,
        "redline": {
            "split": "province",
            "criteria": [
                {"name": "wood", "kind": "importance", "layer": "water.tif", "take": "extreme"},
                {"name": "rain", "kind": "importance", "method": "npp_water_conservation", "inputs": water},
                {"name": "karst", "kind": "fragility", "method": "rocky_desertification", "inputs": karst},
            ],
            "prohibited": [{"name": "parks", "layer": "parks.tif", "category": "habitat"}],
            "masks": [{"name": "urban", "layer": "urban.tif", "above": 0.35}],
            "revision": {"levels": ["all"], "functions": {"water": "water.tif"}},
        },
    }
    desk.text("red.toml", tomli_w.dumps(data))


SUBJECTS = {
    "raster": Subject(
        raster,
        (
            "run small.toml",
            "run b.toml",
            "run c.toml",
            "check b.toml",
            "check c.toml",
            "compare small.toml b.toml --out both --report",
            "compare small.toml b.toml --out both --equalise area",
        ),
    ),
    "vector": Subject(vector, ("run gpkg.toml", "run shp.toml", "check parquet.toml", "run geojson.toml")),
    "marxan": Subject(marxan, ("run marxan.toml", "check marxan.toml")),
    "zones": Subject(zones, ("run zones.toml", "check zones.toml")),
    "circuit": Subject(
        circuit,
        (
            "circuit j.ini",
            "circuit all.ini",
            "circuit advanced.ini",
            "circuit net.ini",
            "circuit res.asc --focal focal.txt --out out",
            "circuit res.asc --focal focal.asc --mode all-to-one --out out",
            "circuit res.asc --radius 2 --normalised --out out",
        ),
    ),
    "corridor": Subject(
        corridor,
        (
            "corridors res.tif cores.tif --out out",
            "corridors res.tif cores.tif --cover cover.tif --borders land.tif --pairs 1-2,1-3 --out out",
        ),
    ),
    "nodes": Subject(
        nodes,
        (
            "connectivity areas.gpkg --regions regions.gpkg --metric protconn --metric importance --out out",
            "connectivity areas.gpkg --area-km2 9 --metric pc --metric iic --metric mesh --out out",
            "connectivity cells.tif --metric protconn --out out",
        ),
    ),
    "wdpa": Subject(
        wdpa,
        (
            "areas clean wdpa.gpkg out.tif --cell 500 --quiet",
            "areas clean wdpa.gpkg out.gpkg --within country.gpkg --quiet",
        ),
    ),
    "redline": Subject(
        redline,
        (
            "redline delineate red.toml --out out",
            "redline optimise red.toml --out out",
            "redline coordinate red.toml --by province --out out",
            "redline revise old.tif red.toml --out out",
            "redline revise line red.toml --new old.tif --out out",
            "redline diff old.tif line --out out",
            "run red.toml",
            "check red.toml",
        ),
        ("redline delineate red.toml --out line",),
    ),
    "folders": Subject(
        raster,
        (
            "verify both/small",
            "verify both/b",
            "report both --out page.html",
            "report both/small both/b --out page.html",
            "compare small.toml b.toml --out both",
        ),
        ("compare small.toml b.toml --out both",),
    ),
    "plan": Subject(marxan, ("verify plan", "report plan --out page.html"), ("run marxan.toml --out plan",)),
}
