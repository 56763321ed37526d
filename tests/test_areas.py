from __future__ import annotations

import itertools
import json
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin
from shapely import MultiPoint, Point, Polygon, box

from prioritize import areas
from prioritize.areas import cells, repair, schema, share
from prioritize.areas.clean import Cleaning
from prioritize.cli import main
from prioritize.errors import DataError, Faults
from prioritize.formats import _rasterio as rio
from prioritize.place import Grid, Nowhere, Polygons

BEHRMANN = "ESRI:54017"
KM = 1000.0

OLD = {
    "WDPAID": 1, "WDPA_PID": "1", "PA_DEF": "1", "NAME": "a", "ORIG_NAME": "á", "DESIG_ENG": "National Park",
    "IUCN_CAT": "II", "MARINE": "0", "REP_AREA": 4.0, "STATUS": "Designated", "STATUS_YR": 1990,
    "GOV_TYPE": "Federal or national ministry or agency", "PARENT_ISO3": "MEX", "ISO3": "MEX",
}  # fmt: skip
RENAMED = {
    "WDPAID": "SITE_ID", "WDPA_PID": "SITE_PID", "PA_DEF": "SITE_TYPE", "MARINE": "REALM", "PARENT_ISO3": "PRNT_ISO3",
    "NAME": "NAME_ENG", "ORIG_NAME": "NAME",
}  # fmt: skip
NEW_CODES = {
    "SITE_TYPE": {"1": "PA", "0": "OECM"},
    "REALM": {"0": "Terrestrial", "1": "Coastal", "2": "Marine"},
}


def records(geometry, crs=BEHRMANN, **columns) -> geopandas.GeoDataFrame:
    """Sites in the old schema, ids 1, 2, 3, ...; columns replace the defaults."""
    geometry = list(geometry)
    ids = np.arange(1, len(geometry) + 1)
    table = pd.DataFrame({key: [value] * len(geometry) for key, value in OLD.items()})
    table = table.assign(**{"WDPAID": ids, "WDPA_PID": ids.astype(str), **columns})
    return geopandas.GeoDataFrame(table, geometry=geometry, crs=crs)


def renamed(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """The same sites in the schema of November 2025."""
    frame = frame.rename(columns=RENAMED)
    return frame.assign(**{name: frame[name].astype(str).map(codes) for name, codes in NEW_CODES.items()})


def save(path: Path, frame: geopandas.GeoDataFrame) -> str:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return str(path)


def sites_of(frame: geopandas.GeoDataFrame, where: str = "sites") -> areas.Sites:
    """As if read from a file, without one."""
    from prioritize.areas.read import ordered

    faults = Faults(DataError)
    table, notes = schema.canonical(pd.DataFrame(frame.drop(columns="geometry")), where, faults)
    faults.raise_any()
    return ordered(areas.Sites(table, np.asarray(frame.geometry, object), pyproj.CRS(frame.crs), tuple(notes)))


def cleaned_of(geometry, *, snap: float = 0.0, by: str = "iucn", first: str = "PA", **columns) -> areas.Cleaned:
    return areas.clean(sites_of(records(geometry, **columns)), Cleaning(snap_m=snap, by=by, first=first))


def steps_of(ledger) -> dict[tuple[str, str], tuple[int, int]]:
    return {(row.step, row.reason): (row.sites_dropped, row.sites_changed) for row in ledger.step_table.itertuples()}


def grid(west: float, north: float, rows: int, columns: int, size: float) -> rio.Frame:
    return rio.Frame("grid", (rows, columns), from_origin(west, north, size, size), pyproj.CRS(BEHRMANN))


def check_ledger(ledger) -> None:
    """Each row begins where the last one ended, and the sites add up to their steps."""
    table = ledger.step_table
    np.testing.assert_allclose(table["before_km2"][1:], table["after_km2"][:-1], rtol=1e-12, atol=1e-12)
    assert (table["sites_before"][1:].to_numpy() == table["sites_after"][:-1].to_numpy()).all()
    assert (table["sites_before"] - table["sites_dropped"] == table["sites_after"]).all()
    sites = ledger.site_table
    for row in table.itertuples():
        mine = sites[(sites["step"] == row.step) & (sites["reason"] == row.reason)]
        assert len(mine) == row.sites_dropped + row.sites_changed
        assert int(mine["dropped"].sum()) == row.sites_dropped
        assert (mine["after_km2"] - mine["before_km2"]).sum() == pytest.approx(row.moved_km2, rel=1e-9, abs=1e-6)


# --- the schema ---------------------------------------------------------------------------------------------------


def test_both_schemas_give_the_same(tmp_path: Path) -> None:
    frame = records(
        [box(0, 0, 2 * KM, 2 * KM), box(KM, 0, 3 * KM, KM), box(9 * KM, 0, 10 * KM, KM)],
        PA_DEF=["1", "0", "1"],
        MARINE=["0", "1", "2"],
        STATUS_YR=[0, 1990, 2000],
    )
    old = areas.clean([save(tmp_path / "old.gpkg", frame)])
    new = areas.clean([save(tmp_path / "new.parquet", renamed(frame))])
    pd.testing.assert_frame_equal(old.sites.table, new.sites.table)
    assert (old.sites.geometry == new.sites.geometry).all()
    assert old.classes == new.classes == ("PA II", "OECM")
    assert set(old.sites.table["realm"]) == {"Terrestrial", "Coastal", "Marine"}
    assert old.sites.table["name_eng"].tolist() == ["a"] * 3 and old.sites.table["name"].tolist() == ["á"] * 3
    assert old.sites.table["status_yr"].isna().sum() == 1
    # a year that is not known comes last among PAs of one category
    assert old.sites.table["site_id"].tolist() == ["3", "1", "2"]


def test_shapefiles_cut_names_to_ten_letters(tmp_path: Path) -> None:
    frame = records([box(0, 0, KM, KM)], PARENT_ISO3="CHN")
    sites = areas.read_sites([save(tmp_path / "old.shp", frame)])
    assert sites.table["prnt_iso3"].tolist() == ["CHN"] and sites.table["site_pid"].tolist() == ["1"]


def test_several_files_and_their_order(tmp_path: Path) -> None:
    polygons = records([box(0, 0, KM, KM), box(0, 0, 2 * KM, KM)])
    points = records([Point(9 * KM, 0)]).assign(WDPAID=7, REP_AREA=2.0).to_crs("EPSG:4326")
    oecm = renamed(records([box(0, 0, 4 * KM, KM)], PA_DEF="0")).assign(SITE_ID=9)
    files = [
        save(tmp_path / "polygons.gpkg", polygons),
        save(tmp_path / "points.gpkg", points),
        save(tmp_path / "oecm.parquet", oecm),
    ]
    results = [areas.clean(list(order), Cleaning(snap_m=0)) for order in itertools.permutations(files)]
    for result in results:
        flat = areas.flatten_polygons(result)
        assert flat.pa_km2 == pytest.approx(2 + 2, rel=1e-9)
        assert flat.union_km2 == pytest.approx(4 + 2, rel=1e-9)
        assert result.sites.table["site_id"].tolist() == results[0].sites.table["site_id"].tolist()


def test_layers_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "two.gpkg"
    records([box(0, 0, KM, KM)]).to_file(path, layer="polygons")
    records([Point(9 * KM, 0)]).assign(WDPAID=7).to_file(path, layer="points")
    assert len(areas.read_sites([f"{path}#polygons", f"{path}#points"])) == 2
    with pytest.raises(DataError, match=r"several layers; write 'two.gpkg#LAYER' with one of polygons, points"):
        areas.read_sites([path])
    with pytest.raises(DataError, match="there is no layer 'lines'; it has polygons, points"):
        areas.read_sites([f"{path}#lines"])


def faults_of(files, **keys) -> tuple[str, ...]:
    with pytest.raises(DataError) as error:
        areas.clean(files, **keys)
    return error.value.faults


def test_what_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    frame = records([box(0, 0, KM, KM)])
    other = save(tmp_path / "other.gpkg", frame[["WDPAID", "NAME", "geometry"]].rename(columns={"WDPAID": "OBJECTID"}))
    codes = save(tmp_path / "codes.gpkg", frame.assign(IUCN_CAT="Z", MARINE="7", STATUS_YR="long ago"))
    nowhere = save(tmp_path / "nowhere.gpkg", frame.set_crs(None, allow_override=True))
    empty = save(tmp_path / "empty.gpkg", frame.iloc[:0])
    lines = save(tmp_path / "lines.gpkg", records([shapely.LineString([(0, 0), (1, 1)])]))
    (tmp_path / "broken.gpkg").write_bytes(b"not a database")
    faults = faults_of(
        [other, codes, nowhere, empty, lines, str(tmp_path / "broken.gpkg"), str(tmp_path / "othr.gpkg")]
    )
    said = "\n".join(faults)
    assert "other.gpkg: no field SITE_ID or WDPAID, SITE_TYPE or PA_DEF, STATUS" in said
    assert "it has OBJECTID, NAME. Name the column that holds it (--field SITE_ID=COLUMN)" in said
    assert "codes.gpkg: IUCN_CAT is 'Z' in 1 rows; known: Ia, Ib, II" in said
    assert "codes.gpkg: REALM is '7' in 1 rows; known: Terrestrial, Coastal, Marine" in said
    assert "codes.gpkg: STATUS_YR is not a number in 1 rows: long ago" in said
    assert "nowhere.gpkg: the file has no CRS" in said
    assert "empty.gpkg: there are no sites in it (0 rows)" in said
    assert "lines.gpkg: sites must be polygons or points; there are LineString" in said
    assert "broken.gpkg: not a vector file that can be read" in said
    assert "othr.gpkg: no such file; did you mean 'other.gpkg'?" in said
    assert len(faults) == 9


def test_other_columns_and_constants(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame({"code": [5, 6]}, geometry=[box(0, 0, KM, KM), box(0, 0, KM, 2 * KM)], crs=BEHRMANN)
    path = save(tmp_path / "own.gpkg", frame)
    values = {"STATUS": "Designated", "IUCN_CAT": "ii", "STATUS_YR": "1999", "PA_DEF": "1", "DESIG_ENG": "Park"}
    cleaned = areas.clean([path], fields={"SITE_ID": "code"}, values=values)
    assert cleaned.sites.table["site_id"].tolist() == ["5", "6"] and cleaned.classes == ("PA II",)
    assert "no column 'cod' for SITE_ID; it has code" in faults_of([path], fields={"SITE_ID": "cod"}, values=values)[0]
    assert "'COLOUR' is not a field of the database" in faults_of([path], fields={"COLOUR": "code"}, values=values)[0]
    assert (
        "by = 'shape' is not 'iucn'"
        in faults_of([path], options=Cleaning(by="shape"), fields={"SITE_ID": "code"}, values=values)[0]
    )
    assert "is in degrees" in faults_of([path], options=Cleaning(crs="EPSG:4326"))[0]
    assert "is not a CRS" in faults_of([path], options=Cleaning(crs="somewhere"))[0]


# --- the steps ----------------------------------------------------------------------------------------------------


def test_exclusions_of_the_protected_planet_report_2016() -> None:
    """6,797 = 583 MAB + 2,347 proposed + 236 not reported + 3,631 points without area, beside 1,000 that stay."""
    groups = {
        "MAB": (583, {"DESIG_ENG": "UNESCO-MAB Biosphere Reserve"}),
        "proposed": (2347, {"STATUS": "Proposed"}),
        "not reported": (236, {"STATUS": "Not Reported"}),
        "point": (3631, {"REP_AREA": 0.0}),
        "kept": (500, {}),
        "kept point": (500, {"REP_AREA": 1.0}),
    }
    parts, at = [], 0
    for name, (count, columns) in groups.items():
        x = np.arange(at, at + count) * 10 * KM / 10
        shapes = shapely.points(x, 0) if "point" in name else shapely.box(x, 0, x + 500, 500)
        parts.append(records(shapes, **columns))
        at += count
    frame = pd.concat(parts, ignore_index=True)
    frame["WDPAID"] = np.arange(len(frame))
    cleaned = areas.clean(sites_of(frame))
    steps = steps_of(cleaned.ledger)
    assert steps["status", "Proposed"][0] == 2347
    assert steps["status", "Not Reported"][0] == 236
    assert steps["MAB", "UNESCO-MAB Biosphere Reserve"][0] == 583
    assert steps["point", "point without REP_AREA"][0] == 3631
    table = cleaned.ledger.step_table
    assert table["sites_dropped"].sum() == 6797 == 583 + 2347 + 236 + 3631
    assert len(cleaned.sites) == 1000
    assert cleaned.ledger.site_table["dropped"].sum() == 6797
    check_ledger(cleaned.ledger)
    dropped = table[table["step"].isin(["status", "MAB"])]
    assert -dropped["moved_km2"].sum() == pytest.approx((583 + 2347 + 236) * 0.25, rel=1e-9)
    # kept on request, and told
    kept = areas.clean(sites_of(frame), Cleaning(keep_mab=True, statuses=("Designated", "Proposed")))
    assert len(kept.sites) == 1000 + 583 + 2347


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(DataError, match=r"no site is left after cleaning .*Proposed: 1"):
        cleaned_of([box(0, 0, 1, 1)], STATUS="Proposed")


def test_points_become_circles_of_the_area_reported() -> None:
    cleaned = cleaned_of([Point(0, 0), MultiPoint([(9e4, 0), (18e4, 0)])], REP_AREA=[3.0, 8.0])
    np.testing.assert_allclose(sorted(cleaned.area_km2), [3, 8], rtol=1e-12)
    assert shapely.get_num_geometries(cleaned.sites.geometry).max() == 2
    row = cleaned.ledger.step_table.set_index("step").loc["buffer"]
    assert row["moved_km2"] == pytest.approx(11) and row["sites_changed"] == 2


def test_repair_is_told_site_by_site() -> None:
    bow = Polygon([(0, 0), (KM, KM), (KM, 0), (0, KM)])
    cleaned = cleaned_of([bow, box(5 * KM, 0, 6 * KM, KM)])
    rows = cleaned.ledger.site_table.query("step == 'repair'")
    assert rows["site_id"].tolist() == ["1"]
    assert rows["after_km2"].iloc[0] == pytest.approx(0.5) and shapely.is_valid(cleaned.sites.geometry).all()


def test_snapping_drops_what_the_grid_swallows() -> None:
    cleaned = cleaned_of([box(0.2, 0.2, 1000.3, 1000.4), box(5000, 0, 5000.2, 0.2)], snap=1.0)
    assert steps_of(cleaned.ledger)["snap", "corners to 1 m"] == (1, 1)
    assert cleaned.area_km2.tolist() == [1.0]
    check_ledger(cleaned.ledger)


def test_geometry_that_is_not_there() -> None:
    cleaned = cleaned_of([box(0, 0, KM, KM), None, Polygon()])
    assert steps_of(cleaned.ledger)["geometry", "no geometry"] == (2, 0)


@pytest.mark.parametrize(
    "outline",
    [
        [(179, -1), (-179, -1), (-179, 1), (179, 1)],  # jumps across
        [(179, -1), (181, -1), (181, 1), (179, 1)],  # goes on beyond 180
        [(-181, -1), (-179, -1), (-179, 1), (-181, 1)],
    ],
)
def test_dateline(outline) -> None:
    plain = cleaned_of([box(10, -1, 12, 1)], crs="EPSG:4326")
    cleaned = cleaned_of([Polygon(outline)], crs="EPSG:4326")
    assert cleaned.area_km2[0] == pytest.approx(plain.area_km2[0], rel=1e-9)
    assert shapely.get_num_geometries(cleaned.sites.geometry[0]) == 2
    west, east = pyproj.Transformer.from_crs("EPSG:4326", BEHRMANN, always_xy=True).transform([-180, 180], [0, 0])[0]
    bounds = cleaned.sites.geometry[0].bounds
    assert bounds[0] == pytest.approx(west) and bounds[2] == pytest.approx(east)


def test_dateline_leaves_the_rest_alone() -> None:
    polar = Polygon([(-180, -90), (-180, -80), (0, -75), (180, -80), (180, -90)])
    ring = Polygon([(178, -2), (-178, -2), (-178, 2), (178, 2)], [[(179, -1), (-179, -1), (-179, 1), (179, 1)]])
    still, holed = repair.wrapped(np.array([polar, ring], object))
    assert still is polar
    assert holed.area == pytest.approx(16 - 4) and holed.bounds == (-180, -2, 180, 2)


def test_areas_on_the_ellipsoid() -> None:
    """A degree at the equator, 12,308.8 km2 (pyproj, geodesic), whatever the projection of the file."""
    geodesic = abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(box(0, 0, 1, 1).segmentize(0.01))[0]) / 1e6
    cleaned = cleaned_of([box(0, 0, 1, 1)], crs="EPSG:4326")
    assert cleaned.area_km2[0] == pytest.approx(geodesic, rel=1e-5)


def test_a_projection_that_stretches_is_told() -> None:
    frame = records([box(500_000, 6e6, 510_000, 6.01e6)], crs="EPSG:32633")
    cleaned = areas.clean(sites_of(frame), Cleaning(crs="EPSG:3395"))
    assert any("is not of equal area: areas here are" in note for note in cleaned.notes)
    assert areas.clean(sites_of(frame)).notes == ()


def test_the_gap_in_china_is_told() -> None:
    assert "China" in "".join(cleaned_of([box(0, 0, KM, KM)] * 2, ISO3=["MEX", "CHN;VNM"]).notes)
    assert cleaned_of([box(0, 0, KM, KM)]).notes == ()


def test_cut_to_country_and_land(tmp_path: Path) -> None:
    square = [box(0, 0, 2 * KM, KM)] * 3 + [box(9 * KM, 0, 10 * KM, KM)]
    frame = records(square, MARINE=["0", "1", "2", "0"])
    land = geopandas.GeoDataFrame(geometry=[box(0, -KM, 0.5 * KM, KM), box(0.5 * KM, -KM, KM, KM)], crs=BEHRMANN)
    path = save(tmp_path / "land.gpkg", land.to_crs("EPSG:4326"))
    cut = areas.clean(sites_of(frame), Cleaning(land=path, snap_m=0))
    by_id = dict(zip(cut.sites.table["site_id"], cut.area_km2))
    assert by_id == pytest.approx({"1": 1, "2": 2, "3": 1}, rel=1e-6)
    assert steps_of(cut.ledger)["clip", "land: land.gpkg"] == (1, 2)
    check_ledger(cut.ledger)
    assert areas.clean(sites_of(frame), Cleaning(within=path, snap_m=0)).area_km2 == pytest.approx([1, 1, 1], rel=1e-6)
    with pytest.raises(DataError, match="no REALM or MARINE"):
        areas.clean(sites_of(frame.drop(columns="MARINE")), Cleaning(land=path))


# --- flattening ---------------------------------------------------------------------------------------------------


def test_who_comes_first() -> None:
    whole = box(0, 0, KM, KM)
    columns = {
        "PA_DEF": ["0", "1", "1", "1", "1", "1"],
        "IUCN_CAT": ["Not Applicable", "VI", "Ia", "II", "II", "II"],
        "STATUS_YR": [1900, 1950, 2020, 0, 2001, 2000],
    }
    cleaned = cleaned_of([whole] * 6, **columns)
    assert cleaned.sites.table["site_id"].tolist() == ["3", "6", "5", "4", "2", "1"]
    flat = areas.flatten_polygons(cleaned)
    assert flat.accounting.set_index("class")["area_km2"].to_dict() == {
        "PA": 1, "OECM outside PA": 0, "PA + OECM": 1,
        "class: PA Ia": 1, "class: PA II": 0, "class: PA VI": 0, "class: OECM": 0,
    }  # fmt: skip
    np.testing.assert_allclose(flat.overlap_km2, np.ones((4, 4)))
    assert steps_of(flat.ledger)["flatten", "land of sites that come first"] == (5, 0)
    turned = areas.flatten_polygons(cleaned_of([whole] * 6, first="OECM", **columns))
    assert turned.class_km2.tolist() == [0, 0, 0, 1] and turned.pa_km2 == 1 and turned.union_km2 == 1
    early = areas.flatten_polygons(cleaned_of([whole] * 2, first="neither", PA_DEF=["1", "0"], STATUS_YR=[1990, 1980]))
    assert dict(zip(early.classes, early.class_km2)) == {"PA II": 0, "OECM": 1}


def test_classes_by_any_field() -> None:
    """Classes that cut across the order of priority: the land still goes to the stricter site."""
    shapes = [box(0, 0, 3 * KM, KM), box(0, 0, 2 * KM, KM), box(0, 0, KM, KM)]
    cleaned = cleaned_of(shapes, by="gov_type", IUCN_CAT=["VI", "II", "Ia"], GOV_TYPE=["state", "people", "state"])
    assert cleaned.classes == ("PA people", "PA state")
    for flat in (areas.flatten_polygons(cleaned), areas.flatten_cells(cleaned, grid(0, KM, 2, 7, 500))):
        np.testing.assert_allclose(flat.class_km2, [1, 2])
        np.testing.assert_allclose(flat.overlap_km2, [[2, 2], [2, 3]])


@pytest.mark.parametrize(("pa", "added", "both"), [(16.43, 1.10, 17.53), (9.61, 0.24, 9.85)])
def test_protected_areas_and_oecms_add_up(pa: float, added: float, both: float) -> None:
    """16.43 + 1.10 = 17.53 % of land, 9.61 + 0.24 = 9.85 % of the sea: OECMs count where no PA is, and once."""
    width = 100 * KM  # a country of 100 km x 1 km: 1 km is 1 %
    shapes = [box(0, 0, pa * KM, KM), box(2 * KM, 0, 5 * KM, KM), box(KM, 0, (pa + added) * KM, KM)]
    cleaned = cleaned_of(shapes, PA_DEF=["1", "1", "0"])
    raster = areas.flatten_cells(cleaned, grid(0, KM, 3, 300, width / 300))
    for flat in (areas.flatten_polygons(cleaned), raster):
        shares = flat.accounting.set_index("class")["area_km2"]
        assert round(shares["PA"], 5) == pa
        assert round(shares["OECM outside PA"], 5) == added
        assert round(shares["PA + OECM"], 5) == both
        assert flat.overlap_km2[0, 1] == pytest.approx(pa - 1, abs=1e-5)


squares = st.lists(
    st.tuples(
        st.integers(0, 40), st.integers(0, 40), st.integers(1, 30), st.integers(1, 30),
        st.sampled_from(["Ia", "II", "VI", "Not Reported"]), st.sampled_from(["0", "1"]),
        st.sampled_from([0, 1990, 2000]),
        st.booleans(),
    ),
    min_size=1,
    max_size=9,
)  # fmt: skip


def made(drawn) -> geopandas.GeoDataFrame:
    """Rectangles and triangles that overlap, corners off the cells."""
    shapes = [
        Polygon([(x, y), (x + w + 0.3, y), (x, y + h)]) if tip else box(x, y, x + w + 0.3, y + h)
        for x, y, w, h, *_, tip in drawn
    ]
    shapes = [shapely.transform(shape, lambda xy: xy * 100.0) for shape in shapes]
    _, _, _, _, category, kind, year, _ = zip(*drawn)
    return records(shapes, IUCN_CAT=list(category), PA_DEF=list(kind), STATUS_YR=list(year), WDPA_PID="x")


@given(squares, st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_order_of_the_polygons_changes_nothing(drawn, random) -> None:
    frame = made(drawn)
    frame["WDPAID"] = 1  # ties are broken by the geometry alone
    order = list(range(len(frame)))
    random.shuffle(order)
    results = []
    for rows in (frame, frame.iloc[order].reset_index(drop=True)):
        cleaned = areas.clean(sites_of(rows))
        vector = areas.flatten_polygons(cleaned)
        raster = areas.flatten_cells(cleaned, grid(0, 8000, 12, 12, 700))
        results.append((vector, raster))
    (one, burnt), (other, others) = results
    assert one.class_km2.tolist() == other.class_km2.tolist() and one.union_km2 == other.union_km2
    assert np.array_equal(one.overlap_km2, other.overlap_km2)
    assert [item.wkb for item in one.pieces] == [item.wkb for item in other.pieces]
    assert np.array_equal(burnt.shares, others.shares)
    pd.testing.assert_frame_equal(one.ledger.site_table, other.ledger.site_table)


@given(squares)
@settings(max_examples=40)
def test_classes_sum_to_the_union(drawn) -> None:
    frame = made(drawn)
    cleaned = areas.clean(sites_of(frame), Cleaning(snap_m=0, sliver_m2=0))
    vector = areas.flatten_polygons(cleaned)
    union = shapely.union_all(np.asarray(frame.geometry)).area / 1e6
    assert vector.class_km2.sum() == pytest.approx(union, rel=1e-9)
    assert vector.union_km2 == pytest.approx(union, rel=1e-9)
    assert not [note for note in vector.notes if "sum to" in note]
    protected = shapely.union_all(np.asarray(frame.geometry[frame["PA_DEF"] == "1"])).area / 1e6
    assert vector.pa_km2 == pytest.approx(protected, rel=1e-9)
    # what each site keeps lies in itself, and no two pieces overlap
    for one, other in itertools.combinations(vector.pieces, 2):
        assert shapely.intersection(one, other).area < 1e-3
    check_ledger(vector.ledger)


@given(squares, st.sampled_from([350.0, 700.0, 2500.0]))
@settings(max_examples=40)
def test_cells_hold_what_the_polygons_in_them_do(drawn, size: float) -> None:
    """Every cell and class against an overlay of the flattened polygons with the cell."""
    cleaned = areas.clean(sites_of(made(drawn)), Cleaning(snap_m=0, sliver_m2=0))
    vector = areas.flatten_polygons(cleaned)
    frame = grid(0, 7700, int(7700 // size), int(7700 // size), size)
    raster = areas.flatten_cells(cleaned, frame)
    rows, columns = np.divmod(np.arange(frame.shape[0] * frame.shape[1]), frame.shape[1])
    squares = share.boxes(frame, rows, columns, 1)
    for k in range(len(cleaned.classes)):
        whole = shapely.union_all(vector.pieces[cleaned.code == k])
        expected = shapely.area(shapely.intersection(squares, whole)) / size**2
        np.testing.assert_allclose(raster.shares[k].ravel(), expected, atol=5e-7)
    assert raster.shares.sum(axis=0).max() <= 1 + 1e-6
    assert np.bincount(cleaned.code, minlength=len(cleaned.classes)).sum() == len(cleaned.sites)
    inside = shapely.box(0, 7700 - frame.shape[0] * size, frame.shape[1] * size, 7700)
    clipped = [
        shapely.union_all(shapely.intersection(cleaned.sites.geometry[cleaned.code == k], inside))
        for k in range(len(cleaned.classes))
    ]
    for one, other in itertools.product(range(len(clipped)), repeat=2):
        expected = shapely.intersection(clipped[one], clipped[other]).area / 1e6
        assert raster.overlap_km2[one, other] == pytest.approx(expected, rel=1e-5, abs=1e-4)
    check_ledger(raster.ledger)


def test_a_cell_shared_by_many_borders() -> None:
    """Four sites in one cell of 100 m: quarters that overlap, none filling it."""
    shapes = [box(0, 0, 60, 60), box(40, 0, 100, 60), box(0, 40, 60, 100), box(40, 40, 100, 100)]
    cleaned = cleaned_of(shapes, IUCN_CAT=["Ia", "II", "IV", "VI"])
    raster = areas.flatten_cells(cleaned, grid(0, 100, 1, 1, 100))
    np.testing.assert_allclose(raster.shares.ravel(), [0.36, 0.24, 0.24, 0.16], atol=1e-7)
    assert raster.overlap_km2[0, 3] == pytest.approx(0.0004)


def test_what_lies_outside_the_grid_is_told() -> None:
    cleaned = cleaned_of([box(0, 0, 2 * KM, KM), box(50 * KM, 0, 51 * KM, KM)])
    raster = areas.flatten_cells(cleaned, grid(0, KM, 1, 1, KM))
    assert steps_of(raster.ledger)["grid", "grid: outside of it"] == (1, 1)
    assert raster.union_km2 == pytest.approx(1)
    check_ledger(raster.ledger)


def test_cover_rules() -> None:
    cleaned = cleaned_of([box(0, 0, 1600, 400), box(1000, 0, 2000, 1000)], IUCN_CAT=["VI", "II"])
    frame = grid(0, KM, 1, 3, KM)
    shares = {cover: areas.flatten_cells(cleaned, frame, cover).shares[:, 0] for cover in ("fraction", "any", "centre")}
    np.testing.assert_allclose(shares["fraction"], [[0, 1, 0], [0.4, 0, 0]], atol=1e-7)
    assert shares["any"].tolist() == [[0, 1, 0], [1, 0, 0]]
    assert shares["centre"].tolist() == [[0, 1, 0], [0, 0, 0]]


def test_cells_in_degrees() -> None:
    cleaned = cleaned_of([box(10, 45, 12, 46)], crs="EPSG:4326")
    frame = rio.Frame("degrees", (10, 30), from_origin(9.95, 46.25, 0.1, 0.2), pyproj.CRS("EPSG:4326"))
    raster = areas.flatten_cells(cleaned, frame)
    assert raster.union_km2 == pytest.approx(cleaned.area_km2.sum(), rel=1e-4)
    rows = cells.frame_cell_km2(frame)
    for row in (0, 9):
        north = 46.25 - 0.2 * row
        cell = Polygon([(0, north), (0.1, north), (0.1, north - 0.2), (0, north - 0.2)]).segmentize(0.001)
        assert rows[row] == pytest.approx(
            abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(cell)[0]) / 1e6, rel=1e-5
        )


def test_strips_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    x, y, w = rng.uniform(0, 9e3, 40), rng.uniform(0, 9e3, 40), rng.uniform(100, 4e3, 40)
    cleaned = cleaned_of(shapely.box(x, y, x + w, y + w[::-1]), IUCN_CAT=list(rng.choice(["Ia", "II", "VI"], 40)))
    frame = grid(0, 13e3, 26, 26, 500)
    whole = areas.flatten_cells(cleaned, frame)
    monkeypatch.setattr(cells, "CELLS_AT_ONCE", 26 * 3)
    parts = areas.flatten_cells(cleaned, frame)
    np.testing.assert_allclose(whole.shares, parts.shares, atol=1e-6)
    np.testing.assert_allclose(whole.overlap_km2, parts.overlap_km2, rtol=1e-6)


def test_overlays_that_fail_are_redone_one_by_one() -> None:
    def stubborn(one, other, grid_size=None):
        if grid_size is None and (isinstance(one, np.ndarray) or one.bounds[0] == 0):
            raise shapely.GEOSException("TopologyException")
        return shapely.intersection(one, other, grid_size=grid_size)

    squares = np.array([box(0, 0, 2, 2), box(10, 0, 12, 2)], object)
    shifted = np.array([box(1, 0, 3, 2), box(11, 0, 13, 2)], object)
    assert shapely.area(repair.overlay(stubborn, squares, shifted)) == pytest.approx([2, 2])


# --- shares of planning units -------------------------------------------------------------------------------------


@given(squares)
@settings(max_examples=20)
def test_shares_of_planning_units(drawn) -> None:
    cleaned = areas.clean(sites_of(made(drawn)), Cleaning(snap_m=0, by="type"))
    size, many = 1000.0, 7
    frame = grid(0, 7000, many, many, size)
    cell = np.array([0, 3, 8, 24, 47, 48])
    units = share.boxes(frame, cell // many, cell % many, 1)
    on_grid = areas.shares_of(cleaned, Grid((many, many), cell, tuple(frame.transform[:6]), BEHRMANN))
    on_map = areas.shares_of(cleaned, Polygons(geopandas.GeoSeries(units, crs=BEHRMANN)))
    assert list(on_grid) == list(cleaned.classes) and len(on_grid) == len(cell)
    np.testing.assert_allclose(on_grid, on_map, atol=5e-7)
    whole = shapely.union_all(cleaned.sites.geometry)
    np.testing.assert_allclose(on_map.sum(axis=1), shapely.area(shapely.intersection(units, whole)) / 1e6, atol=1e-9)


def test_shares_need_a_place() -> None:
    cleaned = cleaned_of([box(0, 0, KM, KM)])
    with pytest.raises(DataError, match="no place"):
        areas.shares_of(cleaned, Nowhere())
    with pytest.raises(DataError, match="no CRS"):
        areas.shares_of(cleaned, Polygons(geopandas.GeoSeries([box(0, 0, 1, 1)])))
    with pytest.raises(DataError, match="no CRS"):
        areas.shares_of(cleaned, Grid((1, 1), np.array([0]), (1, 0, 0, 0, -1, 0)))


# --- the command --------------------------------------------------------------------------------------------------


def test_command_vector_and_raster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = records(
        [box(0, 0, 4 * KM, 4 * KM), box(2 * KM, 0, 6 * KM, 4 * KM), Point(20 * KM, 0), box(0, 0, KM, KM)],
        PA_DEF=["1", "0", "1", "1"],
        STATUS=["Designated", "Established", "Inscribed", "Proposed"],
    )
    source = save(tmp_path / "in.gpkg", frame[:2])
    points = save(tmp_path / "points.gpkg", frame[2:3])
    proposed = save(tmp_path / "proposed.parquet", renamed(frame[3:]))
    assert main(["areas", "clean", source, points, proposed, str(tmp_path / "out" / "flat.gpkg")]) == 0
    said = capsys.readouterr()
    assert "flatten" in said.out and "written:" in said.out and "100%" in said.err
    flat = geopandas.read_file(tmp_path / "out" / "flat.gpkg")
    # snapping to 1 m moves the corners of the circle
    assert flat["area_km2"].sum() == pytest.approx(16 + 8 + 4, rel=1e-4)
    assert flat.geometry.area.to_numpy() / 1e6 == pytest.approx(flat["area_km2"].to_numpy())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "flat.gpkg", "flat_areas.csv", "flat_overlap.csv", "flat_sites.csv", "flat_steps.csv", "flat_summary.json",
    ]  # fmt: skip
    summary = json.loads((tmp_path / "out" / "flat_summary.json").read_text())
    assert summary["pa_km2"] == pytest.approx(20, rel=1e-4) and summary["oecm_outside_pa_km2"] == pytest.approx(8)
    assert summary["sites_read"] == 4 and summary["sites_dropped"] == 1
    overlap = pd.read_csv(tmp_path / "out" / "flat_overlap.csv", index_col=0)
    assert overlap.loc["PA II", "OECM"] == pytest.approx(8)

    tif = tmp_path / "cells.tif"
    assert main(["areas", "clean", source, points, proposed, str(tif), "--cell", "1500", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    with rasterio.open(tif) as raster:
        assert raster.descriptions == ("PA II", "OECM")
        assert raster.read().sum(axis=(1, 2)) * 1.5**2 == pytest.approx([20, 8], rel=1e-4)
        like = raster.shape
    with rasterio.open(tmp_path / "cells_category.tif") as raster:
        assert raster.tags(1)["class_2"] == "OECM" and set(np.unique(raster.read())) == {0, 1, 2}
    again = tmp_path / "again.tif"
    monkeypatch.setattr("prioritize.commands.areas.IN_MEMORY", 0)  # shares kept on disk are the same
    assert main(["areas", "clean", proposed, points, source, str(again), "--like", str(tif), "--quiet"]) == 0
    with rasterio.open(again) as raster, rasterio.open(tif) as first:
        assert raster.shape == like and np.array_equal(raster.read(), first.read())


def test_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = save(tmp_path / "in.gpkg", records([box(0, 0, KM, KM)]))

    def fault(*arguments: object) -> str:
        assert main(["areas", "clean", *map(str, arguments), "--quiet"]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: ")
        return lines[0]

    out = tmp_path / "new" / "out.tif"
    assert "give --cell METRES or --like RASTER" in fault(source, out)
    assert "OUT must end in .tif" in fault(source, tmp_path / "out.shp")
    assert "are for cells" in fault(source, tmp_path / "out.gpkg", "--cell", 100)
    assert "no such file" in fault(tmp_path / "gone.gpkg", out, "--cell", 100)
    assert "write it as FIELD=NAME" in fault(source, out, "--cell", 100, "--field", "SITE_ID")
    assert "there is no layer 'x'; it has in" in fault(f"{source}#x", out, "--cell", 100)
    assert "is read as well as written" in fault(f"{source}#in", source)
    assert "in.gpkg: is a file, so nothing can be written below it" in fault(source, f"{source}/new/out.gpkg")
    assert "take larger cells" in fault(source, out, "--cell", 0.001)
    assert "no site is left" in fault(source, out, "--cell", 100, "--status", "Proposed")
    assert not out.parent.exists()
    with pytest.raises(SystemExit):
        main(["areas", "clean", source, str(out), "--cell", "-3"])


# --- real protected areas -----------------------------------------------------------------------------------------


def test_protected_areas_of_mexico(reference_data: Path) -> None:
    """706 polygons with overlaps: both routes, and what the resolution changes."""
    values = {
        "STATUS": "Designated",
        "IUCN_CAT": "Not Reported",
        "STATUS_YR": "0",
        "SITE_TYPE": "PA",
        "DESIG_ENG": "PA",
    }
    path = reference_data / "makurhini" / "protected_areas_mexico.gpkg"
    cleaned = areas.clean([path], fields={"SITE_ID": "OBJECTID"}, values=values)
    assert len(cleaned.sites) == 706 and not cleaned.notes
    vector = areas.flatten_polygons(cleaned)
    check_ledger(vector.ledger)
    assert cleaned.area_km2.sum() == pytest.approx(165_474.647, abs=0.01)
    assert vector.union_km2 == pytest.approx(128_001.126, abs=0.01)
    kept = shapely.area(vector.pieces).sum() / 1e6
    assert kept == pytest.approx(vector.union_km2, rel=1e-9)
    assert vector.class_km2.sum() == pytest.approx(vector.union_km2, rel=1e-9)
    # an equal-area cross-check in the file's own way: the union first, then the projection
    original = geopandas.read_file(path)
    union = geopandas.GeoSeries([original.union_all()], crs=original.crs).to_crs(BEHRMANN).area.iloc[0] / 1e6
    assert vector.union_km2 == pytest.approx(union, rel=1e-5)
    frame = areas.grid_of(cleaned, 10_000)
    raster = areas.flatten_cells(cleaned, frame)
    check_ledger(raster.ledger)
    # exact shares: the resolution leaves no error beyond single precision
    assert raster.union_km2 == pytest.approx(vector.union_km2, rel=1e-7)
    assert raster.shares.sum(axis=0).max() <= 1 + 1e-6
    centre = areas.flatten_cells(cleaned, frame, "centre", matrix=False).union_km2 / vector.union_km2 - 1
    touched = areas.flatten_cells(cleaned, frame, "any", matrix=False).union_km2 / vector.union_km2 - 1
    assert abs(centre) < 0.005 and 1.1 < touched < 1.4  # measured: +0.08 % and +127 %
