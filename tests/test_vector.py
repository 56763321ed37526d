from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from rasterio.transform import Affine, from_origin
from shapely import MultiPolygon, Point, Polygon, box

from prioritize.errors import DataError
from prioritize.formats import _rasterio as rio
from prioritize.formats._borders import Ruler, default_tolerance, polygon_graph
from prioritize.formats._coverage import fractions
from prioritize.formats.vector import Vector
from prioritize.source import assemble

UTM = "EPSG:32755"


def save(path: Path, geometry, crs=UTM, **columns) -> Path:
    frame = geopandas.GeoDataFrame(columns, geometry=list(geometry), crs=crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return path


def write(path: Path, values, *, nodata=None, crs=UTM, transform=None, name="") -> str:
    values = np.asarray(values)
    values = values[None] if values.ndim == 2 else values
    count, height, width = values.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": values.dtype}
    transform = transform or from_origin(0, 4, 1, 1)
    with rasterio.open(path, "w", **profile, nodata=nodata, crs=crs, transform=transform) as dataset:
        dataset.write(values)
        dataset.set_band_description(1, name)
    return str(path)


def faults_of(**keys) -> tuple[str, ...]:
    with pytest.raises(DataError) as error:
        Vector(**keys).open(1)
    return error.value.faults


def graph_of(geometry, tolerance=None):
    geometry = np.array(geometry, dtype=object)
    return polygon_graph(geometry, Ruler(), default_tolerance(geometry) if tolerance is None else tolerance)


def edges_of(graph) -> dict[tuple[int, int], float]:
    i, j, length = graph.edges()
    return {(a, b): metres for a, b, metres in zip(i.tolist(), j.tolist(), length.tolist())}


TWO = [box(0, 0, 2, 2), box(2, 0, 4, 4)]


@pytest.fixture
def two(tmp_path):
    """Two units side by side, with columns of every kind."""
    return save(
        tmp_path / "two.gpkg",
        TWO,
        code=[7, 3],
        price=[1.5, 2.5],
        held=[True, False],
        owls=[0, 4],
        owls_rare=[np.nan, 2.0],
        land=["hill", None],
        level=[3.0, np.nan],
    )


# --- what is read ------------------------------------------------------------------------------------------------


def test_columns_ids_and_measures(two):
    config = Vector(
        units=two, id="code", cost="price", locked_in="held", realm="land", regions="level", features=["owls*"]
    )
    source = config.open(1)
    landscape = assemble(source, config, {})
    assert landscape.unit_id.tolist() == [7, 3]
    assert landscape.cost[:, 0].tolist() == [1.5, 2.5]
    assert landscape.status[:, 0].tolist() == [1, 0]
    assert landscape.groups["realm"].names == ("hill",) and landscape.groups["realm"].code.tolist() == [0, -1]
    assert landscape.groups["region"].names == ("3",)
    assert source.area_km2.tolist() == [4e-6, 8e-6]
    assert edges_of(source.graph) == {(0, 1): 2.0} and source.graph.exposed.tolist() == [6.0, 10.0]
    assert source.features["name"].tolist() == ["owls", "owls_rare"]
    assert source.amount.toarray().tolist() == [[0, 4], [0, 2]] and source.features["total"].tolist() == [4, 2]
    assert source.amount.nnz == 2
    assert source.notes == ["column 'owls_rare' is empty in 1 units: taken to be 0 there"]
    assert (
        source.place.geometry.crs == UTM and source.place.geometry.geom_equals(geopandas.GeoSeries(TWO, crs=UTM)).all()
    )


def test_features_default_to_the_spare_columns_of_numbers(two):
    source = Vector(units=two, id="code", cost="price", regions="level").open(1)
    assert source.features["name"].tolist() == ["owls", "owls_rare"]
    assert "features = all columns of numbers that nothing else names: owls, owls_rare" in source.notes


@pytest.mark.parametrize("name", ["u.gpkg", "u.geojson", "u.shp", "u.parquet"])
def test_every_kind_of_file(tmp_path, name):
    path = save(tmp_path / name, [box(0, 0, 1, 1), box(1, 0, 2, 1)], crs="EPSG:4326", cost=[1.0, 2.0])
    config = Vector(units=path, cost="cost", features=[])
    source = config.open(1)
    assert source.read("cost").tolist() == [1.0, 2.0] and len(source.graph.edges()[0]) == 1
    assert path in config.files() and all(file.exists() for file in config.files())
    assert len(config.files()) == (5 if name == "u.shp" else 1)


def test_yes_no_with_gaps_and_dates(tmp_path):
    path = save(
        tmp_path / "u.parquet",
        TWO,
        held=[True, None],
        day=np.array(["2026-01-01", "2026-01-02"], "M8[ns]"),
        no=[None] * 2,
    )
    source = Vector(units=path, features=[]).open(1)
    assert source.read("held")[0] == 1 and np.isnan(source.read("held")[1])
    assert source.labels("held").tolist() == ["True", None]
    for column, kind in (("day", "dates"), ("no", "nothing at all")):
        with pytest.raises(DataError, match=f"column '{column}' holds {kind}, not numbers"):
            source.read(column)


def test_a_layer_among_several(tmp_path):
    path = tmp_path / "u.gpkg"
    for name, shapes in (("units", TWO), ("other", TWO[:1])):
        geopandas.GeoDataFrame(geometry=shapes, crs=UTM).to_file(path, layer=name)
    assert len(Vector(units=path, layer="units", features=[]).open(1).unit_id) == 2
    (fault,) = faults_of(units=path, features=[])
    assert "several layers; set landscape.layer to one of" in fault and "units" in fault
    (fault,) = faults_of(units=path, layer="unit", features=[])
    assert fault.startswith(f"{path}: there is no layer 'unit'; it has ")


def test_geographic_units_are_measured_on_the_ellipsoid(tmp_path):
    shapes = [
        box(10, 60, 11, 61).difference(box(10.4, 60.4, 10.6, 60.6)),
        box(11, 60, 12, 60.5),
        MultiPolygon([box(11, 60.5, 12, 61)]),
    ]
    source = Vector(units=save(tmp_path / "u.gpkg", shapes, crs="EPSG:4326"), features=[]).open(1)
    geod = pyproj.Geod(ellps="WGS84")

    def area(shape):
        return abs(geod.geometry_area_perimeter(shape)[0]) / 1e6

    hole = area(box(10.4, 60.4, 10.6, 60.6))
    assert source.area_km2 == pytest.approx([area(box(10, 60, 11, 61)) - hole, area(shapes[1]), area(shapes[2])])
    edges = edges_of(source.graph)
    assert edges[0, 1] == pytest.approx(geod.inv(11, 60, 11, 60.5)[2])
    assert edges[1, 2] == pytest.approx(geod.inv(11, 60.5, 12, 60.5)[2])
    around = (
        geod.geometry_area_perimeter(shapes[0].exterior)[1] + geod.geometry_area_perimeter(shapes[0].interiors[0])[1]
    )
    assert source.graph.perimeter[0] == pytest.approx(around)


def test_a_hole_counts_against_its_shell_whichever_way_it_is_drawn():
    shell, hole = box(10, 60, 11, 61).exterior, box(10.4, 60.4, 10.6, 60.6).exterior
    shapes = np.array([Polygon(shell, [hole]), Polygon(shell, [hole.reverse()]), Polygon(shell), Polygon(hole)])
    one, other, full, inner = Ruler(geod=pyproj.Geod(ellps="WGS84")).area_km2(shapes)
    assert one == other == pytest.approx(full - inner, rel=1e-12)


# --- borders -----------------------------------------------------------------------------------------------------


def test_a_border_with_other_vertices_has_its_whole_length():
    # the neighbours' vertices lie on the long edge only up to rounding: GEOS finds no common line at all
    corner, far = np.array([0.1, 0.2]), np.array([3.3, 1.7])
    third = corner + (far - corner) / 3
    top = np.array([0.0, 10.0])
    long = Polygon([corner, far, far - top, corner - top])
    left, right = Polygon([corner, third, third + top, corner + top]), Polygon([third, far, far + top, third + top])
    assert shapely.length(shapely.intersection(shapely.boundary(long), shapely.boundary(left))) < 0.5
    edges = edges_of(graph_of([long, left, right]))
    whole = np.hypot(*(far - corner))
    assert edges == pytest.approx({(0, 1): whole / 3, (0, 2): 2 * whole / 3, (1, 2): 10.0})


def test_small_gaps_and_overlaps_are_bridged_only_up_to_the_tolerance():
    for gap in (0.01, -0.01):
        shapes = [box(0, 0, 10, 10), box(10 + gap, 0, 20, 10)]
        assert edges_of(graph_of(shapes)) == {}
        assert edges_of(graph_of(shapes, tolerance=0.02)) == pytest.approx({(0, 1): 10.0})


def test_corners_are_no_borders_and_holes_are():
    ring = box(0, 0, 3, 3).difference(box(1, 1, 2, 2))
    graph = graph_of([ring, box(1, 1, 2, 2), box(3, 3, 4, 4)])
    assert edges_of(graph) == {(0, 1): 4.0}
    assert graph.exposed.tolist() == [12.0, 0.0, 4.0]


def test_parts_of_a_multipolygon_share_borders_of_their_own():
    graph = graph_of([MultiPolygon([box(0, 0, 1, 1), box(2, 0, 3, 1)]), box(1, 0, 2, 1)])
    assert edges_of(graph) == {(0, 1): 2.0} and graph.exposed.tolist() == [6.0, 2.0]


@pytest.mark.parametrize("seed", range(5))
def test_borders_of_a_random_mosaic_equal_those_of_geos(seed):
    """A Voronoi mosaic has the same vertices on both sides, so that GEOS's own intersection is right."""
    points = shapely.MultiPoint(np.random.default_rng(seed).random((80, 2)) * 1000)
    cells = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=box(0, 0, 1000, 1000)))
    expected = {}
    for i, j in zip(*shapely.STRtree(cells).query(cells, predicate="intersects")):
        length = shapely.length(shapely.intersection(shapely.boundary(cells[i]), shapely.boundary(cells[j])))
        if i < j and length > 1e-3:
            expected[int(i), int(j)] = float(length)
    graph = graph_of(cells)
    found = {pair: length for pair, length in edges_of(graph).items() if length > 1e-3}
    assert found.keys() == expected.keys() and found == pytest.approx(expected, rel=1e-6, abs=1e-3)
    assert graph.perimeter == pytest.approx(shapely.length(cells), abs=1e-6)


def test_overlaps_are_told_and_gross_ones_refused(tmp_path):
    path = save(tmp_path / "some.gpkg", [box(0, 0, 10, 10), box(9, 0, 20, 10), box(20, 0, 30, 10)])
    (note,) = Vector(units=path, features=[]).open(1).notes
    assert note.startswith("1 pairs of units overlap (worst: 1 and 2, 10.0% of the smaller)")
    path = save(tmp_path / "gross.gpkg", [box(0, 0, 10, 10), box(1, 1, 9, 9)])
    # where all amounts are columns nothing counts twice
    (note,) = Vector(units=path, features=[]).open(1).notes
    assert note.startswith("1 pairs of units lie over each other (worst: 1 and 2, 100.0%): areas")
    owl = write(tmp_path / "owl.tif", np.ones((4, 4), np.float32), transform=from_origin(0, 10, 2.5, 2.5))
    (fault,) = faults_of(units=path, features=[str(owl)])
    assert fault.startswith(f"{path}: 1 pairs of units overlap by more than 50% of the smaller one (1 and 2)")
    assert "landscape.stacked = true" in fault
    (note,) = Vector(units=path, features=[str(owl)], stacked=True).open(1).notes
    assert note.endswith("what a raster holds in both counts twice")


# --- rasters under polygons --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "transform",
    [from_origin(0, 4, 1, 1), Affine(1, 0, 0, 0, 1, 0), Affine(-1, 0, 4, 0, -1, 4)],
    ids=["north-up", "south-up", "from the east"],
)
def test_fractions_equal_the_intersections_of_cells_and_polygons(transform):
    shapes = np.array([Polygon([(-1, 0.3), (3.1, 1.2), (2.2, 3.9)]), box(0.25, 0.5, 1.75, 3), box(9, 9, 10, 10)])
    frame = rio.Frame("f.tif", (4, 4), transform, None)
    found = fractions(shapes, frame).toarray()
    for row in range(4):
        for column in range(4):
            x0, y0, x1, y1 = *(transform @ (column, row)), *(transform @ (column + 1, row + 1))
            cell = box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
            expected = shapely.area(shapely.intersection(shapes, cell))
            assert found[row * 4 + column] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("at_once", [3, 8, 10_000])
def test_amounts_are_value_times_fraction_and_totals_are_of_the_layer(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(rio, "VALUES_AT_ONCE", at_once)
    monkeypatch.setattr(rio, "BANDS_AT_ONCE", 2)
    values = np.random.default_rng(2).integers(1, 9, (5, 4, 4)).astype(np.float32)
    values[:, 0, 0] = -1  # NoData
    path = write(tmp_path / "f.tif", values, nodata=-1)
    shapes = [box(0.5, 0, 2, 4), box(2, 0, 4, 3.5)]
    units = save(tmp_path / "u.gpkg", shapes)
    source = Vector(units=units, features=[path]).open(1)
    known = np.where(values < 0, 0, values).reshape(5, -1)
    cover = fractions(np.array(shapes), rio.Frame("f", (4, 4), from_origin(0, 4, 1, 1), None)).toarray()
    assert source.amount.toarray() == pytest.approx(known @ cover)
    assert source.features["total"].tolist() == known.sum(axis=1).tolist()
    assert source.features["name"].tolist() == [f"f_{band}" for band in range(1, 6)]
    assert source.notes == []


def test_columns_and_rasters_together(two, tmp_path):
    one = write(tmp_path / "moth.tif", np.ones((4, 4), np.uint8))
    pair = write(tmp_path / "pair.tif", np.full((2, 4, 4), 2, np.uint8))
    source = Vector(units=two, features=[one, "owls", f"{pair}#2"]).open(1)
    assert source.features["name"].tolist() == ["owls", "moth", "pair_2"]
    assert source.amount.toarray().tolist() == [[0, 4], [4, 8], [8, 16]]
    assert source.features["total"].tolist() == [4, 16, 32]


def test_units_beyond_the_raster_are_told(two, tmp_path):
    path = write(tmp_path / "half.tif", np.ones((4, 3), np.uint8))
    source = Vector(units=two, features=[path]).open(1)
    assert source.amount.toarray().tolist() == [[4, 4]]
    assert source.notes == ["1 units reach beyond the edge of half.tif; what lies outside counts as nothing"]


def test_align_brings_a_raster_to_the_crs_of_the_units(tmp_path):
    here = [box(500_000, 5_000_000, 510_000, 5_010_000), box(510_000, 5_000_000, 530_000, 5_010_000)]
    units = save(tmp_path / "u.gpkg", here)
    west, south, east, north = geopandas.GeoSeries(here, crs=UTM).to_crs("EPSG:4326").total_bounds
    grid = {"crs": "EPSG:4326", "transform": from_origin(west - 0.1, north + 0.1, 0.001, 0.001)}
    rows, columns = round((north - south + 0.2) / 0.001), round((east - west + 0.2) / 0.001)
    path = write(tmp_path / "wgs.tif", np.full((rows, columns), 1.0, np.float32), **grid)
    (fault,) = faults_of(units=units, features=[path])
    assert fault.startswith(f'{path}: CRS EPSG:4326, but u.gpkg has CRS EPSG:32755; set landscape.align = "nearest"')
    source = Vector(units=units, features=[path], align="nearest").open(1)
    first, second = source.amount.toarray()[0]
    assert second == pytest.approx(2 * first) and first > 1000
    assert source.notes == ["resampled to the CRS of the units (align = nearest): wgs.tif (CRS EPSG:4326)"]


def test_a_turned_grid_is_refused_or_resampled(two, tmp_path):
    turned = Affine.translation(0, 4) @ Affine.rotation(30) @ Affine.scale(0.1, -0.1)
    path = write(tmp_path / "turned.tif", np.ones((90, 90), np.uint8), transform=turned)
    (fault,) = faults_of(units=two, features=[path])
    assert "the grid is turned against the map; set landscape.align" in fault
    source = Vector(units=two, features=[path], align="nearest").open(1)
    assert source.notes[-1] == "resampled to the CRS of the units (align = nearest): turned.tif (turned grid)"


# --- bad input ---------------------------------------------------------------------------------------------------


def test_faults_of_the_units_at_once(tmp_path):
    bow_tie = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    path = save(
        tmp_path / "bad.gpkg",
        [bow_tie, Point(0, 0), None, Polygon(), box(0, 0, 1, 1)],
        crs=None,
        code=[1, 1, 2, 3, 4],
        cost=[1.0, np.nan, 2.0, 3.0, 4.0],
        name=list("abcde"),
    )
    raster = write(tmp_path / "empty.tif", np.zeros((4, 4), np.uint8), crs=UTM)
    faults = faults_of(
        units=path,
        id="code",
        cost="cost",
        locked_in="lock",
        locked_out="name",
        realm="nam",
        features=["name", "species_*", raster, str(tmp_path / "gone.tif")],
    )
    told = "\n".join(faults)
    assert len(faults) == 12, told
    assert f"{path}: the file has no CRS" in told
    assert f"{path}: no geometry in 2 rows (rows 3, 4)" in told
    assert f"{path}: planning units must be polygons; Point in 1 rows (rows 2)" in told
    assert f"{path}: invalid geometry in 1 rows (rows 1): Self-intersection" in told
    assert f"{path}: duplicate id 1 in column 'code'" in told
    assert "landscape.cost: bad.gpkg: column 'cost' holds no number (empty, NaN or infinite) in 1 rows (rows 2)" in told
    assert "landscape.locked_in: bad.gpkg: there is no column 'lock'; it has code, cost, name" in told
    assert "landscape.locked_out: bad.gpkg: column 'name' holds text ('a', 'b', 'c' and 2 more), not numbers" in told
    assert "landscape.features: bad.gpkg: column 'name' holds text" in told
    assert "landscape.realm: bad.gpkg: there is no column 'nam'; did you mean 'name'?" in told
    assert "landscape.features: bad.gpkg: there is no column 'species_*'; it has" in told
    assert f"{tmp_path / 'gone.tif'}: no such file" in told


@pytest.mark.parametrize("ids", [[1.5, 2.0], ["a", "b"], [1.0, np.nan]])
def test_ids_are_whole_numbers(tmp_path, ids):
    path = save(tmp_path / "u.gpkg", TWO, code=ids)
    (fault,) = faults_of(units=path, id="code", features=[])
    assert "column 'code'" in fault and "number" in fault


def test_missing_file_and_files_of_another_kind(two, tmp_path):
    (fault,) = faults_of(units=tmp_path / "too.gpkg")
    assert fault == f"{tmp_path / 'too.gpkg'}: no such file; did you mean 'two.gpkg'?"
    for name in ("text.gpkg", "text.parquet"):
        path = tmp_path / name
        path.write_text("nothing")
        (fault,) = faults_of(units=path)
        assert fault.startswith(f"{path}: not a ")
    table = tmp_path / "table.csv"
    table.write_text("cost\n1\n")
    (fault,) = faults_of(units=table)
    assert fault == f"{table}: there are no geometries in it, only a table; give the file with the polygons"
    (fault,) = faults_of(units=two, features=[str(table.with_suffix(".tif"))])
    assert "table.tif: no such file" in fault
    empty = save(tmp_path / "empty.gpkg", [], crs=UTM)
    (fault,) = faults_of(units=empty)
    assert fault == f"{empty}: there are no planning units in it (0 rows)"


def test_rasters_that_cannot_be_used(two, tmp_path):
    silent = write(tmp_path / "silent.tif", np.ones((4, 4), np.uint8), crs=None)
    (fault,) = faults_of(units=two, features=[silent], align="nearest")
    assert fault.startswith(f"{silent}: no CRS, but two.gpkg has CRS EPSG:32755; write the CRS into {silent}")
    empty = write(tmp_path / "empty.tif", np.full((4, 4), 255, np.uint8), nodata=255)
    (fault,) = faults_of(units=two, features=[empty])
    assert fault.startswith(f"{empty}: no cell of feature 'empty' holds a value (all NoData)")
    (fault,) = faults_of(units=two, cost=empty, features=[])
    assert "only features may be rasters here" in fault
    twin = write(tmp_path / "owls.tif", np.ones((4, 4), np.uint8))
    (fault,) = faults_of(units=two, features=["owls", twin])
    assert "'owls' is a column as well as a raster feature" in fault
    (fault,) = faults_of(units=two, features=[str(tmp_path / "x*.tif")])
    assert "no file matches" in fault


def test_no_column_left_to_be_a_feature(tmp_path):
    path = save(tmp_path / "u.gpkg", TWO, cost=[1.0, 2.0], held=[True, False])
    (fault,) = faults_of(units=path, cost="cost")
    assert "no column of numbers is left to be a feature" in fault


# --- reference data ----------------------------------------------------------------------------------------------


def test_tasmania(reference_data):
    folder = reference_data / "tasmania"
    config = Vector(
        units=folder / "tas_pu.gpkg",
        id="id",
        cost="cost",
        locked_in="locked_in",
        features=[str(folder / "features.tif")],
    )
    source = config.open(1)
    assert source.amount.shape == (33, 1130)
    held = source.amount[:, source.read("locked_in") != 0].sum(axis=1) / source.amount.sum(axis=1) * 100
    quartiles = np.percentile(held, [0, 25, 50, 75, 100])
    # the peer's denominator is the sum over units; over the whole layers Q1 would be 2.325 and the mean 22.647
    assert quartiles == pytest.approx([0, 3.163, 18.363, 39.649, 93.002], abs=5e-4)
    assert held.mean() == pytest.approx(23.827, abs=5e-4)
    assert (held >= 17).sum() == 18
    assert len(source.graph.edges()[0]) == 3148
    geometry = geopandas.read_file(config.units).geometry
    assert source.graph.perimeter == pytest.approx(geometry.length.to_numpy())
    assert source.area_km2 == pytest.approx(geometry.area.to_numpy() / 1e6)


def test_polygons_in_a_local_plane_go_with_rasters_without_crs(reference_data):
    folder = reference_data / "prioritizr_sim"
    config = Vector(units=folder / "sim_pu_polygons.gpkg", cost="cost", features=[str(folder / "sim_features.tif")])
    source = config.open(1)
    assert len(source.unit_id) == 90 and source.read("cost").sum() == pytest.approx(18487.197006, abs=1e-4)
    in_units = [74.530705, 28.088031, 64.877797, 38.170783, 50.668082]
    assert source.amount.sum(axis=1) == pytest.approx(in_units, abs=1e-6)
    everywhere = [83.293453, 31.211366, 71.956698, 42.660317, 56.707514]
    assert source.features["total"].to_numpy() == pytest.approx(everywhere, abs=1e-6)
    assert source.notes == ["sim_pu_polygons.gpkg lies in a local plane: its map units are taken to be metres"]
