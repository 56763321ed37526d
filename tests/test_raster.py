from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from prioritize.errors import DataError
from prioritize.formats import _rasterio as rio
from prioritize.formats.raster import Raster
from prioritize.source import assemble

UTM = "EPSG:32755"
NORTH_UP = from_origin(500_000, 5_000_000, 1000, 1000)


def write(path: Path, values, *, nodata=None, crs=UTM, transform=NORTH_UP, names=(), mask=None, scale=None) -> str:
    """Write a (rows, columns) or (bands, rows, columns) array as GeoTIFF; return its path as a scenario has it."""
    values = np.asarray(values)
    values = values[None] if values.ndim == 2 else values
    count, height, width = values.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": values.dtype}
    with rasterio.open(path, "w", **profile, nodata=nodata, crs=crs, transform=transform) as dataset:
        dataset.write(values)
        for band, name in enumerate(names, start=1):
            dataset.set_band_description(band, name)
        if mask is not None:
            dataset.write_mask(mask)
        if scale is not None:
            dataset.scales, dataset.offsets = (scale[0],) * count, (scale[1],) * count
    return str(path)


@pytest.fixture
def cost(tmp_path):
    """3 x 4 cells; the second cell of the first row is no unit."""
    values = np.arange(1.0, 13.0, dtype=np.float32).reshape(3, 4)
    values[0, 1] = -9999
    return write(tmp_path / "cost.tif", values, nodata=-9999)


ONES = np.ones((3, 4), np.uint8)


def faults_of(**keys) -> tuple[str, ...]:
    with pytest.raises(DataError) as error:
        Raster(**keys).open(1)
    return error.value.faults


# --- what is read ------------------------------------------------------------------------------------------------


def test_units_are_the_cells_with_a_cost(cost):
    source = Raster(cost=cost, features=[]).open(1)
    assert source.name == "cost.tif"
    assert source.unit_id.tolist() == [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert source.read(cost).tolist() == [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert source.area_km2 == pytest.approx(np.ones(11))
    assert source.place.shape == (3, 4) and source.place.crs == UTM
    assert source.place.transform == tuple(NORTH_UP[:6])
    assert source.place.image(source.unit_id, 0).tolist() == [[1, 0, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    # unit 1 has a neighbour below only: three sides of a kilometre are outer border
    assert source.graph.exposed[0] == pytest.approx(3000)
    assert source.graph.perimeter == pytest.approx(np.full(11, 4000))


def test_amounts_inside_units_and_totals_over_the_whole_layer(cost, tmp_path):
    layer = np.array([[5, 7, 0, 255], [0, 0, 0, 0], [0, 0, 0, 2]], np.uint8)
    source = Raster(cost=cost, features=[write(tmp_path / "heath.tif", layer, nodata=255)]).open(1)
    assert source.features["name"].tolist() == ["heath"]
    assert source.features["total"].tolist() == [14.0]  # the 7 lies outside the units
    assert source.amount.indices.tolist() == [0, 10] and source.amount.data.tolist() == [5.0, 2.0]
    assert source.amount.indices.dtype == np.int32 and source.amount.data.dtype == np.float64


@pytest.mark.parametrize(
    "values, options",
    [
        (np.array([[1, 9], [3, 4]], np.int16), {"nodata": 9}),
        (np.array([[1, np.nan], [3, 4]], np.float32), {}),
        (np.array([[1, np.nan], [3, 4]], np.float64), {"nodata": np.nan}),
        (np.array([[1, np.nan], [3, 4]], np.float32), {"nodata": -1}),
        (np.array([[1, 2], [3, 4]], np.uint8), {"mask": np.array([[255, 0], [255, 255]], np.uint8)}),
    ],
    ids=["integer", "bare NaN", "NaN declared", "NaN beside another NoData", "mask"],
)
def test_every_kind_of_nodata(tmp_path, values, options):
    path = write(tmp_path / "layer.tif", values, **options)
    source = Raster(cost=path, features=[path]).open(1)
    assert source.unit_id.tolist() == [1, 3, 4]
    assert source.amount.toarray().tolist() == [[1, 3, 4]]
    assert source.features["total"].tolist() == [8]


def test_scale_and_offset_are_applied(tmp_path):
    path = write(tmp_path / "scaled.tif", np.array([[1, 2], [255, 0]], np.uint8), nodata=255, scale=(0.5, 10))
    source = Raster(cost=path, features=[path]).open(1)
    assert source.read(path).tolist() == [10.5, 11.0, 10.0]
    assert source.features["total"].tolist() == [31.5]


@pytest.mark.parametrize("at_once", [1, 7, 10_000])
def test_reading_in_strips_equals_reading_at_once(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(rio, "VALUES_AT_ONCE", at_once)
    monkeypatch.setattr(rio, "BANDS_AT_ONCE", 3)
    random = np.random.default_rng(1)
    values = random.integers(0, 4, (7, 11, 5)).astype(np.float32)
    values[random.random(values.shape) < 0.2] = np.nan
    price = random.random((11, 5)).astype(np.float32)
    price[random.random(price.shape) < 0.3] = np.nan
    units = ~np.isnan(price).ravel()
    source = Raster(cost=write(tmp_path / "c.tif", price), features=[write(tmp_path / "f.tif", values)]).open(1)
    dense = np.nan_to_num(values.reshape(7, -1))
    assert np.array_equal(source.amount.toarray(), dense[:, units])
    assert np.all(source.amount.data != 0) and source.amount.has_sorted_indices
    assert np.array_equal(source.features["total"], dense.sum(axis=1))
    assert np.array_equal(source.read(str(tmp_path / "f.tif#6")), values[5].ravel()[units], equal_nan=True)


def test_names_of_features(cost, tmp_path):
    write(tmp_path / "single.tif", ONES)
    write(tmp_path / "several.tif", np.stack([ONES, ONES]), names=("Heath", ""))
    source = Raster(cost=cost, features=[str(tmp_path / "s*.tif")]).open(1)
    assert source.features["name"].tolist() == ["Heath", "several_2", "single"]


def test_one_description_in_many_files_gives_way_to_the_file_names(cost, tmp_path):
    for name in "ab":
        write(tmp_path / f"sp_{name}.tif", ONES, names=("layer",))
    source = Raster(cost=cost, features=str(tmp_path / "sp_*.tif")).open(1)
    assert source.features["name"].tolist() == ["sp_a", "sp_b"]


def test_a_layer_listed_twice_counts_once_and_one_band_can_be_named(cost, tmp_path):
    path = write(tmp_path / "f.tif", np.stack([ONES, 2 * ONES, 3 * ONES]))
    source = Raster(cost=cost, features=[f"{path}#3", str(tmp_path / "f.*"), path]).open(1)
    assert source.features["name"].tolist() == ["f_3", "f_1", "f_2"]
    assert source.features["total"].tolist() == [36, 12, 24]


def test_units_raster_and_a_cost_for_all(tmp_path):
    units = write(tmp_path / "units.tif", np.array([[1, 0], [1, 255]], np.uint8), nodata=255)
    config = Raster(units="pu", cost=3.0, features=[], layers={"pu": units})
    landscape = assemble(config.open(1), config, {})
    assert landscape.unit_id.tolist() == [1, 3]
    assert landscape.cost.tolist() == [[3.0], [3.0]]


def test_a_cell_without_cost_is_no_unit_and_is_told(cost, tmp_path):
    units = write(tmp_path / "units.tif", ONES)
    source = Raster(units=units, cost=cost, features=[]).open(1)
    assert len(source.unit_id) == 11
    assert "1 cells are left out: cost.tif holds no cost there" in source.notes


def test_first_band_of_a_file_with_several_as_template(tmp_path):
    path = write(tmp_path / "two.tif", np.stack([ONES, 2 * ONES]))
    source = Raster(units=f"{path}#1", cost=f"{path}#2", features=[]).open(1)
    assert source.read(f"{path}#2").tolist() == [2.0] * 12


def test_feature_outside_the_units_is_kept_and_told(cost, tmp_path):
    layer = np.zeros((3, 4), np.uint8)
    layer[0, 1] = 1
    source = Raster(cost=cost, features=[write(tmp_path / "away.tif", layer)]).open(1)
    assert source.amount.nnz == 0 and source.features["total"].tolist() == [1.0]
    assert "1 features have no amount in any unit: away" in source.notes


def test_labels_are_names_from_the_table_beside_or_the_codes(cost, tmp_path):
    codes = np.array([[1, 1, 2, 255], [3, 1, 1, 1], [1, 1, 1, 2]], np.uint8)
    path = write(tmp_path / "realm.tif", codes, nodata=255)
    source = Raster(cost=cost, features=[], realm=path).open(1)
    assert source.labels(path).tolist() == ["1", "2", None, "3", "1", "1", "1", "1", "1", "1", "2"]
    (tmp_path / "realm.csv").write_text("code,name\n1,land\n2,inland water\n")
    assert source.labels(path).tolist()[:4] == ["land", "inland water", None, "3"]
    assert set(Raster(cost=cost, features=[], realm=path).files()) >= {Path(path), tmp_path / "realm.csv"}


def test_files_lists_every_file(cost, tmp_path):
    for name in ("a", "b", "lock", "region", "extra"):
        write(tmp_path / f"{name}.tif", ONES)
    at = {name: str(tmp_path / f"{name}.tif") for name in ("lock", "region", "extra")}
    table = tmp_path / "features.csv"
    config = Raster(
        cost=f"{cost}#1",
        features=[str(tmp_path / "[ab].tif")],
        locked_in="lock",
        regions={"country": at["region"]},
        layers={"lock": at["lock"], "road": at["extra"]},
        feature_table=table,
    )
    names = ["a.tif", "b.tif", "cost.tif", "extra.tif", "features.csv", "lock.tif", "region.tif"]
    assert sorted(path.name for path in config.files()) == names


# --- grids -------------------------------------------------------------------------------------------------------


def test_geographic_cells_are_measured_on_the_ellipsoid(tmp_path):
    transform = from_origin(10, 61, 0.5, 0.25)
    path = write(tmp_path / "c.tif", np.ones((4, 3), np.float32), crs="EPSG:4326", transform=transform)
    source = Raster(cost=path, features=[]).open(1)
    geod = pyproj.Geod(ellps="WGS84")
    for row in range(4):
        north, south = 61 - 0.25 * row, 61 - 0.25 * (row + 1)
        # a cell is bounded by parallels: many short geodesics follow them closely
        outline = shapely.segmentize(shapely.box(10, south, 10.5, north), 0.001)
        area, perimeter = geod.geometry_area_perimeter(outline)
        assert source.area_km2[row * 3] == pytest.approx(area / 1e6, rel=1e-9)
        assert source.graph.perimeter[row * 3] == pytest.approx(perimeter, rel=1e-9)
    i, j, length = source.graph.edges()
    sides = {(a, b): metres for a, b, metres in zip(i.tolist(), j.tolist(), length.tolist())}
    assert sides[0, 1] == pytest.approx(geod.inv(10.5, 61, 10.5, 60.75)[2], rel=1e-12)
    parallel = shapely.segmentize(shapely.LineString([(10, 60.75), (10.5, 60.75)]), 0.001)
    assert sides[0, 3] == pytest.approx(geod.geometry_length(parallel), rel=1e-9)
    assert source.graph.exposed[4] == 0  # enclosed on all sides
    assert any("ellipsoid" in note for note in source.notes)


def test_the_whole_earth_has_its_area(tmp_path):
    # cell centres on the poles: the outer rows overshoot by half a cell
    transform = from_origin(-180, 90.5, 1, 1)
    path = write(tmp_path / "earth.tif", np.ones((181, 360), np.uint8), crs="EPSG:4326", transform=transform)
    assert Raster(cost=path, features=[]).open(1).area_km2.sum() == pytest.approx(510_065_621.724, rel=1e-9)


def test_feet_become_metres(tmp_path):
    where = from_origin(980_000, 200_000, 1000, 1000)
    path = write(tmp_path / "c.tif", ONES, crs="EPSG:2263", transform=where)  # New York, US survey feet
    source = Raster(cost=path, features=[]).open(1)
    foot = 1200 / 3937
    assert source.area_km2[0] == pytest.approx((1000 * foot) ** 2 / 1e6)
    assert source.graph.weight[0] == pytest.approx(1000 * foot)


def test_no_crs_anywhere_is_accepted_with_a_note(tmp_path):
    path = write(tmp_path / "c.tif", ONES, crs=None)
    source = Raster(cost=path, features=[path]).open(1)
    assert source.area_km2[0] == 1.0 and source.place.crs is None
    assert source.notes == ["c.tif has no CRS: its map units are taken to be metres"]


def test_the_same_crs_in_other_words_is_the_same(cost, tmp_path):
    # as an ESRI .prj would write it: no authority code at all
    wkt = re.sub(r',\s*ID\["EPSG",\d+\]', "", pyproj.CRS(UTM).to_wkt())
    source = Raster(cost=cost, features=[write(tmp_path / "f.tif", ONES, crs=wkt)]).open(1)
    assert source.amount.nnz == 11 and source.notes == []


SHIFTED = from_origin(499_000, 5_001_000, 1000, 1000)


def test_align_moves_a_layer_to_the_grid_and_tells(cost, tmp_path):
    layer = np.arange(30, dtype=np.uint8).reshape(5, 6)
    path = write(tmp_path / "larger.tif", layer, transform=SHIFTED)
    source = Raster(cost=cost, features=[path], align="nearest", classes=False).open(1)
    # no NoData value, a whole-number type, another shape: the cells of the template are cut out
    assert source.amount.toarray()[0].tolist() == np.delete(layer[1:4, 1:5].ravel(), 1).tolist()
    assert source.features["total"].tolist() == [layer[1:4, 1:5].sum()]
    (note,) = source.notes
    assert "larger.tif is resampled" in note and "5 rows x 6 columns, but cost.tif has 3 rows x 4 columns" in note


@pytest.mark.parametrize("align", ["nearest", "bilinear"])
def test_align_keeps_the_nodata_of_each_band_apart(tmp_path, align):
    # half a cell to the north-west; with rasterio's defaults 99 would count as data wherever the other band has some
    bands = np.ones((2, 6, 6), np.uint8)
    bands[0, 2, 2], bands[1, 3, 3] = 99, 99
    features = write(tmp_path / "f.tif", bands, nodata=99, transform=from_origin(499_500, 5_000_500, 1000, 1000))
    path = write(tmp_path / "c.tif", np.ones((5, 5), np.uint8))
    source = Raster(cost=path, features=[features], align=align).open(1)
    assert set(np.unique(source.amount.data)) == {1.0}


def test_a_bare_nan_does_not_spread_when_resampled(tmp_path):
    values = np.ones((6, 6), np.float32)
    values[2, 2] = np.nan
    path = write(tmp_path / "f.tif", values, transform=from_origin(499_500, 5_000_500, 1000, 1000), scale=(2, 0))
    cost = write(tmp_path / "c.tif", np.ones((5, 5), np.uint8))
    source = Raster(cost=cost, features=[path], align="bilinear").open(1)
    # only the cell whose centre lies where there is no data is without; scale holds after resampling too
    assert source.amount.nnz >= 24 and set(source.amount.data) == {2.0}


def test_what_a_resampled_layer_does_not_reach_is_nodata(cost, tmp_path):
    path = write(tmp_path / "small.tif", np.full((1, 1), 7, np.uint8))
    source = Raster(cost=cost, features=[path], align="nearest").open(1)
    assert source.amount.toarray()[0].tolist() == [7] + [0] * 10
    assert np.isnan(source.read(path)[1:]).all()


def test_align_across_crs(tmp_path):
    path = write(tmp_path / "c.tif", np.ones((20, 20), np.uint8))
    west, north = pyproj.Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(499_000, 5_001_000)
    degrees = np.full((400, 500), 4.0, np.float32)
    other = write(
        tmp_path / "wgs.tif", degrees, crs="EPSG:4326", transform=from_origin(west, north + 0.1, 0.001, 0.001)
    )
    source = Raster(cost=path, features=[other], align="bilinear", density=["wgs.tif"]).open(1)
    assert source.amount.nnz == 400 and source.amount.data == pytest.approx(4.0)
    assert "CRS EPSG:4326, but c.tif has CRS EPSG:32755" in source.notes[-1]


def test_locks_and_codes_are_never_averaged(cost, tmp_path):
    values = np.array([[0, 8], [8, 0]], np.uint8)
    coarse = write(tmp_path / "coarse.tif", values, transform=from_origin(500_000, 5_000_000, 2000, 1500))
    source = Raster(cost=cost, features=[], align="bilinear").open(1)
    assert set(source.read(coarse, flag=True)) == {0.0, 8.0}
    assert set(source.labels(coarse)) == {"0", "8"}


# --- bad input ---------------------------------------------------------------------------------------------------


def test_faults_of_all_layers_at_once(cost, tmp_path):
    write(tmp_path / "crs.tif", ONES, crs="EPSG:4326")
    write(tmp_path / "shape.tif", np.ones((2, 4), np.uint8))
    write(tmp_path / "shift.tif", ONES, transform=from_origin(500_100, 5_000_000, 1000, 1000))
    write(tmp_path / "silent.tif", ONES, crs=None)
    faults = faults_of(
        cost=cost,
        features=[str(tmp_path / f"{name}.tif") for name in ("crs", "shape", "shift", "silent", "gone")],
        locked_in=str(tmp_path / "shape.tif"),
    )
    told = "\n".join(faults)
    assert len(faults) == 6
    way_out = 'set landscape.align = "nearest" (categories) or "bilinear" (quantities)'
    assert f"{tmp_path / 'crs.tif'}: CRS EPSG:4326, but cost.tif has CRS EPSG:32755; {way_out}" in told
    assert f"{tmp_path / 'shape.tif'}: 2 rows x 4 columns, but cost.tif has 3 rows x 4 columns; {way_out}" in told
    assert f"{tmp_path / 'shift.tif'}: origin (500100, 5000000)" in told
    assert f"{tmp_path / 'silent.tif'}: no CRS, but cost.tif has CRS EPSG:32755; write the CRS into" in told
    assert f"{tmp_path / 'gone.tif'}: no such file" in told
    assert "landscape.locked_in: " in told


def test_align_cannot_replace_a_missing_crs(cost, tmp_path):
    path = write(tmp_path / "silent.tif", ONES, crs=None)
    (fault,) = faults_of(cost=cost, features=[path], align="nearest")
    assert "no CRS, but cost.tif has CRS EPSG:32755; write the CRS into" in fault


def test_missing_file_offers_the_nearest_name(cost, tmp_path):
    (fault,) = faults_of(cost=str(tmp_path / "costs.tif"), features=[])
    assert fault == f"{tmp_path / 'costs.tif'}: no such file; did you mean 'cost.tif'?"


def test_not_a_raster(cost, tmp_path):
    path = tmp_path / "text.tif"
    path.write_text("cost\n1\n")
    (fault,) = faults_of(cost=cost, features=[str(path)])
    assert fault.startswith(f"{path}: not a raster that GDAL can read")


def test_damaged_raster(cost, tmp_path):
    values = np.random.default_rng(0).integers(0, 255, (3, 4)).astype(np.uint8)
    path = Path(write(tmp_path / "torn.tif", values))
    path.write_bytes(path.read_bytes()[:-6])
    with rasterio.open(path):
        pass  # the header is whole: the fault shows when the cells are read
    with pytest.raises(DataError, match=r"torn\.tif"):
        Raster(cost=cost, features=[str(path)]).open(1)


@pytest.mark.parametrize("band", [0, 3])
def test_band_that_is_not_there(cost, tmp_path, band):
    path = write(tmp_path / "two.tif", np.stack([ONES, ONES]))
    (fault,) = faults_of(cost=cost, features=[f"{path}#{band}"])
    assert fault == f"{path}: there is no band {band}; the file has 2, counted from 1"


def test_band_that_is_no_number(cost):
    (fault,) = faults_of(cost=cost, features=[f"{cost}#first"])
    assert "'first' is not a band number" in fault


def test_several_bands_where_one_is_meant(tmp_path):
    path = write(tmp_path / "two.tif", np.stack([ONES, ONES]))
    (fault,) = faults_of(cost=path, features=[])
    assert fault == f"{path}: the file has 2 bands; say which one, as in '{path}#1'"


def test_glob_that_matches_nothing(cost, tmp_path):
    (fault,) = faults_of(cost=cost, features=[str(tmp_path / "species" / "*.tif")])
    assert fault == f"{tmp_path / 'species' / '*.tif'}: no file matches; correct landscape.features"


def test_no_unit_at_all(tmp_path):
    empty = write(tmp_path / "empty.tif", np.full((2, 2), 255, np.uint8), nodata=255)
    (fault,) = faults_of(cost=empty, features=[])
    assert f"{empty}: no cell is a planning unit (all NoData)" in fault
    zero = write(tmp_path / "zero.tif", np.zeros((2, 2), np.uint8))
    (fault,) = faults_of(units=zero, features=[])
    assert f"{zero}: no cell is a planning unit (all NoData or zero)" in fault
    (fault,) = faults_of(units=write(tmp_path / "units.tif", np.ones((2, 2), np.uint8)), cost=empty, features=[])
    assert f"{empty}: no cost in any cell of units.tif" in fault


def test_feature_without_a_value_and_with_infinite_ones(cost, tmp_path):
    empty = write(tmp_path / "empty.tif", np.full((3, 4), 255, np.uint8), nodata=255)
    infinite = write(tmp_path / "infinite.tif", np.full((3, 4), np.inf, np.float32))
    first, second = faults_of(cost=cost, features=[empty, infinite])
    assert f"{empty}: no cell of feature 'empty' holds a value (all NoData)" in first
    assert f"{infinite}: feature 'infinite' holds infinite values" in second


def test_neither_units_nor_a_cost_raster():
    first, second = faults_of()
    assert "landscape.features is missing" in first
    assert "landscape.cost is the number 1 and landscape.units is missing" in second


def test_codes_must_be_whole_numbers_and_their_table_in_order(cost, tmp_path):
    path = write(tmp_path / "share.tif", np.full((3, 4), 1.5, np.float32))
    source = Raster(cost=cost, features=[]).open(1)
    with pytest.raises(DataError, match=r"1\.5 is no code"):
        source.labels(path)
    codes = write(tmp_path / "codes.tif", ONES)
    for text, message in [
        ("code;label\n1;land\n", "column 'name' is missing"),
        ("code,name\nx,land\n", "code x is not a whole number"),
        ("code,name\n1,land\n1,sea\n", "code 1 stands in the table twice"),
    ]:
        (tmp_path / "codes.csv").write_text(text)
        with pytest.raises(DataError, match=message):
            source.labels(codes)


def test_two_features_of_one_name(cost, tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "owl.tif", ONES)
    (fault,) = faults_of(cost=cost, features=[str(tmp_path / "?" / "owl.tif")])
    assert "would all be called 'owl'" in fault


# --- reference data ----------------------------------------------------------------------------------------------


def test_simulated_data_of_prioritizr(reference_data):
    folder = reference_data / "prioritizr_sim"
    config = Raster(
        cost=str(folder / "sim_pu_raster.tif"),
        features=[str(folder / "sim_features.tif")],
        locked_in=str(folder / "sim_locked_in_raster.tif"),
    )
    source = config.open(1)
    assert len(source.unit_id) == 90
    assert source.read(config.cost).sum() == pytest.approx(18487.197006, abs=1e-6)
    everywhere = [83.293453, 31.211366, 71.956698, 42.660317, 56.707514]
    assert source.features["total"].to_numpy() == pytest.approx(everywhere, abs=1e-6)
    in_units = [74.530705, 28.088031, 64.877797, 38.170783, 50.668082]
    assert source.amount.sum(axis=1) == pytest.approx(in_units, abs=1e-6)
    assert source.features["name"].tolist() == [f"layer.{band}" for band in range(1, 6)]


def test_complex_data_of_prioritizr(reference_data):
    folder = reference_data / "prioritizr_sim"
    path, layers = folder / "sim_complex_pu_raster.tif", folder / "sim_complex_features.tif"
    source = Raster(cost=str(path), features=[str(layers)]).open(1)
    with rasterio.open(path) as cost, rasterio.open(layers) as features:
        units = ~np.isnan(cost.read(1)).ravel()
        dense = features.read(masked=True).filled(0).reshape(100, -1)
    assert np.array_equal(source.amount.toarray(), dense[:, units])
    assert np.array_equal(source.features["total"], dense.sum(axis=1))
    assert source.area_km2 == pytest.approx(np.full(units.sum(), 25.0))
