"""Selections as files: what is in them, the way back, and the same bytes for the same selection."""

from __future__ import annotations

import subprocess
import sys
import time
from xml.etree import ElementTree

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely

from prioritize.errors import DataError
from prioritize.landscape import Zone, from_arrays
from prioritize.place import Grid, Nowhere, Polygons
from prioritize.report.palette import LAND, zone_colours
from prioritize.write import read_selection, write_selection

ZONES = (Zone("reserve"), Zone('hunting & "no-take" <ground>', "oecm"), Zone("NA", "redline"))
PLACES = ("grid", "polygons", "nowhere")
DATA_FILE = {"grid": "selection.tif", "polygons": "selection.parquet", "nowhere": "selection.csv"}


def make(kind, units=40, zones=ZONES, transform=(2000.0, 0.0, 5e5, 0.0, -2000.0, 5e6), unit_id=None):
    """A landscape whose units are in no tidy order, so that nothing may rely on one."""
    order = np.random.default_rng(7).permutation(units)
    if kind == "grid":
        place = Grid((7, 8), order + 9, transform, "EPSG:32755")
    elif kind == "polygons":
        x, y = order % 8 * 1e3, order // 8 * 1e3
        shapes = shapely.box(x, y, x + 1e3, y + 1e3)
        # one unit with two parts, as real layers have
        shapes[3] = shapely.union_all([shapes[3], shapely.box(2e4, 0, 2.1e4, 1e3)])
        place = Polygons(geopandas.GeoSeries(shapes, crs="EPSG:32755"))
    else:
        place = Nowhere()
    cost = np.arange(units)[:, None] + np.array([0.1, 100.0, 1e6])[: len(zones)]
    status = np.zeros((units, len(zones)), np.int8)
    status[0] = (1, *([-1] * (len(zones) - 1)))
    status[1] = -1
    status[2, 0] = -1
    return from_arrays(
        cost, np.ones((1, units)), zones=zones, place=place, status=status, unit_id=unit_id or 1000 + order * 3
    )


def choose(landscape, seed=1):
    """Every unit one of: nothing, zone 1, ... zone Z."""
    zones = len(landscape.zones)
    number = np.random.default_rng(seed).integers(0, zones + 1, len(landscape.unit_id))
    return number[:, None] == np.arange(1, zones + 1)


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_written_is_read_back(kind, tmp_path):
    landscape = make(kind)
    selection = choose(landscape)
    paths = write_selection(tmp_path / "run" / "a", landscape, selection)
    assert sorted(paths) == sorted((tmp_path / "run" / "a").iterdir())  # and no draft stays behind
    np.testing.assert_array_equal(read_selection(tmp_path / "run" / "a", landscape), selection)
    nothing = np.zeros_like(selection)
    write_selection(tmp_path / "run" / "a", landscape, nothing)
    np.testing.assert_array_equal(read_selection(tmp_path / "run" / "a", landscape), nothing)


@pytest.mark.parametrize("kind", PLACES)
def test_read_back_in_the_order_of_the_landscape(kind, tmp_path):
    landscape = make(kind)
    selection = choose(landscape)
    write_selection(tmp_path, landscape, selection)
    order = np.random.default_rng(3).permutation(len(selection))
    np.testing.assert_array_equal(read_selection(tmp_path, landscape.renumbered(order)), selection[order])


def test_same_bytes_a_second_later(tmp_path):
    for turn in ("first", "second"):
        for kind in PLACES:
            landscape = make(kind)
            write_selection(tmp_path / turn / kind, landscape, choose(landscape))
        if turn == "first":
            time.sleep(1.1)  # GeoPackage stamps to the second
    for kind, names in {
        "grid": {"tif", "qml"},
        "polygons": {"gpkg", "parquet", "qml"},
        "nowhere": {"csv", "qml"},
    }.items():
        first = {path.name: path.read_bytes() for path in (tmp_path / "first" / kind).iterdir()}
        second = {path.name: path.read_bytes() for path in (tmp_path / "second" / kind).iterdir()}
        assert set(first) == {f"selection.{name}" for name in names}
        assert first == second


def test_raster_says_what_it_shows(tmp_path):
    landscape = make("grid")
    selection = choose(landscape)
    write_selection(tmp_path, landscape, selection)
    with rasterio.open(tmp_path / "selection.tif") as raster:
        image = raster.read(1)
        assert raster.crs.to_epsg() == 32755
        assert tuple(raster.transform)[:6] == landscape.place.transform
        assert (raster.nodata, raster.dtypes, raster.descriptions) == (255, ("uint8",), ("zone of the selection",))
        assert (raster.compression.value, raster.profile["tiled"]) == ("DEFLATE", True)
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        colours = ["#{:02X}{:02X}{:02X}".format(*raster.colormap(1)[number][:3]) for number in range(4)]
        assert [raster.tags(1)[f"zone_{number}"] for number in range(4)] == ["not selected", *(z.name for z in ZONES)]
    assert colours == [LAND, *zone_colours(ZONES)]
    expected = np.full(56, 255)
    expected[landscape.place.cell] = selection @ [1, 2, 3]
    np.testing.assert_array_equal(image.ravel(), expected)


@pytest.mark.filterwarnings("error::rasterio.errors.NotGeoreferencedWarning")
def test_large_raster_has_overviews(tmp_path):
    rows, columns = 4, 2500
    place = Grid((rows, columns), np.arange(rows * columns), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    landscape = from_arrays(np.ones(rows * columns), np.ones((1, rows * columns)), zones=ZONES, place=place)
    # the mode of each block is zone 2; its mean colour is nearest to zone 1, and a single cell may be anything
    image = np.tile([[0, 3], [2, 2]], (rows // 2, columns // 2))
    selection = image.ravel()[:, None] == [1, 2, 3]
    write_selection(tmp_path, landscape, selection)
    with rasterio.open(tmp_path / "selection.tif") as raster:
        assert raster.overviews(1)[0] == 2
        np.testing.assert_array_equal(raster.read(1, out_shape=(2, 1250)), 2)
    np.testing.assert_array_equal(read_selection(tmp_path, landscape), selection)


def test_polygons_say_what_they_show(tmp_path):
    landscape = make("polygons")
    selection = choose(landscape)
    write_selection(tmp_path, landscape, selection)
    package = geopandas.read_file(tmp_path / "selection.gpkg", layer="selection")
    parquet = geopandas.read_parquet(tmp_path / "selection.parquet")
    columns = ["unit_id", "zone", "zone_number", "selected", "cost", "area_km2", "status"]
    for table in (package, parquet):
        assert list(table.columns) == [*columns, "geometry"]
        assert table.crs.to_epsg() == 32755
        assert shapely.equals(table.geometry.to_numpy(), landscape.place.geometry.to_numpy()).all()
        check_columns(table, landscape, selection)


def check_columns(table, landscape, selection):
    number = selection @ [1, 2, 3]
    np.testing.assert_array_equal(table["unit_id"], landscape.unit_id)
    np.testing.assert_array_equal(table["zone_number"], number)
    np.testing.assert_array_equal(table["selected"], selection.any(axis=1))
    assert list(table["zone"]) == [["", *(zone.name for zone in ZONES)][value] for value in number]
    cost = np.where(number > 0, (landscape.cost * selection).sum(axis=1), np.nan)
    np.testing.assert_array_equal(table["cost"], cost)
    np.testing.assert_array_equal(table["area_km2"], landscape.area_km2)
    # unit 2 is locked out of one zone only, and may still be chosen
    assert list(table["status"]) == ["locked_in", "locked_out", *[""] * (len(selection) - 2)]


def test_csv_says_what_it_shows(tmp_path):
    landscape = make("nowhere")
    selection = choose(landscape)
    write_selection(tmp_path, landscape, selection)
    table = pd.read_csv(tmp_path / "selection.csv", keep_default_na=False, na_values={"cost": [""]})
    check_columns(table, landscape, selection)


def test_style_of_a_raster(tmp_path):
    write_selection(tmp_path, make("grid"), choose(make("grid")))
    root = ElementTree.parse(tmp_path / "selection.qml").getroot()
    assert root.tag == "qgis"
    renderer = root.find("pipe/rasterrenderer[@type='paletted']")
    assert renderer is not None and renderer.get("band") == "1"
    entries = [(item.get("value"), item.get("color"), item.get("label")) for item in renderer.iter("paletteEntry")]
    names = ["not selected", *(zone.name for zone in ZONES)]
    colours = [colour.lower() for colour in (LAND, *zone_colours(ZONES))]
    assert entries == list(zip("0123", colours, names, strict=True))


@pytest.mark.parametrize(("kind", "geometry"), [("polygons", "2"), ("nowhere", None)])
def test_style_of_a_table(kind, geometry, tmp_path):
    write_selection(tmp_path, make(kind), choose(make(kind)))
    root = ElementTree.parse(tmp_path / "selection.qml").getroot()
    renderer = root.find("renderer-v2[@type='categorizedSymbol']")
    assert renderer is not None and renderer.get("attr") == "zone_number"
    fills = {
        symbol.get("name"): symbol.find("layer[@class='SimpleFill']/Option/Option[@name='color']").get("value")
        for symbol in renderer.iterfind("symbols/symbol")
    }
    shown = {item.get("value"): (item.get("label"), fills[item.get("symbol")]) for item in renderer.iter("category")}
    names = ["not selected", *(zone.name for zone in ZONES)]
    for number, colour in enumerate((LAND, *zone_colours(ZONES))):
        parts = [str(int(colour[at : at + 2], 16)) for at in (1, 3, 5)]
        assert shown.pop(str(number)) == (names[number], ",".join([*parts, "255"]))
    assert not shown
    assert root.findtext("layerGeometryType") == geometry  # QGIS refuses the style of polygons on a bare table


def test_selections_that_do_not_fit_are_refused(tmp_path):
    landscape = make("grid")
    with pytest.raises(DataError, match=r"shape \(40, 2\), expected \(40, 3\)"):
        write_selection(tmp_path, landscape, np.zeros((40, 2), bool))
    both = np.zeros((40, 3), bool)
    both[5] = True
    with pytest.raises(DataError, match=f"more than one zone: {landscape.unit_id[5]}$"):
        write_selection(tmp_path, landscape, both)


def test_a_failed_write_leaves_the_old_files_alone(tmp_path, monkeypatch):
    landscape = make("polygons")
    selection = choose(landscape)
    write_selection(tmp_path, landscape, selection)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(geopandas.GeoDataFrame, "to_file", fail)
    with pytest.raises(OSError, match="disk full"):
        write_selection(tmp_path, landscape, ~selection & False)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_leftover_write_ahead_log_cannot_damage_the_new_file(tmp_path):
    landscape = make("polygons")
    for name in ("selection.gpkg-wal", "selection.gpkg-shm", "selection.tif.aux.xml"):
        (tmp_path / name).write_bytes(b"of an older file")
    write_selection(tmp_path, landscape, choose(landscape))
    assert {path.name for path in tmp_path.iterdir()} == {
        "selection.gpkg",
        "selection.parquet",
        "selection.qml",
        "selection.tif.aux.xml",
    }


@pytest.mark.parametrize("kind", PLACES)
def test_missing(kind, tmp_path):
    with pytest.raises(DataError, match=r"selection\..* no such file"):
        read_selection(tmp_path, make(kind))


@pytest.mark.parametrize("kind", PLACES)
def test_truncated_anywhere(kind, tmp_path):
    landscape = make(kind)
    write_selection(tmp_path, landscape, choose(landscape))
    path = tmp_path / DATA_FILE[kind]
    whole = path.read_bytes()
    last = 5 if kind == "grid" else 1  # a cloud-optimised GeoTIFF ends in a spare copy of its last four bytes
    for size in {0, 1, 10, len(whole) // 4, len(whole) // 2, len(whole) * 3 // 4, len(whole) - last}:
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=path.name):
            read_selection(tmp_path, landscape)


@pytest.mark.parametrize("kind", PLACES)
def test_of_another_landscape(kind, tmp_path):
    landscape = make(kind)
    write_selection(
        tmp_path, landscape, choose(landscape) | [[False, False, True]] & ~choose(landscape).any(1)[:, None]
    )
    with pytest.raises(DataError, match=r"in both"):
        read_selection(tmp_path, make(kind, units=39))
    renamed = (ZONES[0], Zone("other", "oecm"), ZONES[2])
    with pytest.raises(DataError, match="its zones are not those of"):
        read_selection(tmp_path, make(kind, zones=renamed))
    with pytest.raises(DataError, match="zone"):
        read_selection(tmp_path, make(kind, zones=ZONES[:2]))


def test_of_a_grid_with_one_zone_more(tmp_path):
    landscape = make("grid")
    write_selection(tmp_path, landscape, choose(landscape) & [True, True, False])
    with pytest.raises(DataError, match="its zones are not those of"):
        read_selection(tmp_path, make("grid", zones=ZONES[:2]))


def test_of_a_grid_elsewhere(tmp_path):
    landscape = make("grid")
    write_selection(tmp_path, landscape, choose(landscape))
    with pytest.raises(DataError, match="is not that of"):
        read_selection(tmp_path, make("grid", transform=(2000.0, 0.0, 5e5, 0.0, -2000.0, 5.002e6)))


def test_table_with_a_unit_twice(tmp_path):
    landscape = make("nowhere")
    write_selection(tmp_path, landscape, choose(landscape))
    lines = (tmp_path / "selection.csv").read_text().splitlines(keepends=True)
    (tmp_path / "selection.csv").write_text("".join([*lines[:-1], lines[1]]))
    with pytest.raises(DataError, match=f"ids not in both: {landscape.unit_id[-1]}"):
        read_selection(tmp_path, landscape)
    (tmp_path / "selection.csv").write_text("".join([*lines, lines[1]]))
    with pytest.raises(DataError, match="some twice"):
        read_selection(tmp_path, landscape)


def test_import_is_light():
    heavy = {"rasterio", "geopandas", "pyogrio", "matplotlib", "shapely", "pyproj"}
    code = "import sys, prioritize.write, prioritize.report.maps; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "prioritize.write" in done.stdout.split()
    assert not heavy & set(done.stdout.split())
