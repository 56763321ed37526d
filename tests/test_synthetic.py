"""The invented country: always the same, always whole, and like a country."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import ndimage

from prioritize.errors import DataError
from prioritize.formats._country.ground import Ground, steps, travel
from prioritize.formats._country.terrain import make_terrain
from prioritize.formats._grid import grid_graph
from prioritize.formats.synthetic import MEMBER, Synthetic
from prioritize.landscape import Graph
from prioritize.source import Source, assemble

LAYERS = [
    "altitude",
    "carbon",
    "coast_distance_km",
    "cost",
    "cropland",
    "desertification_sensitivity",
    "existing_oecm",
    "existing_pa",
    "fertility",
    "fishing",
    "lake",
    "land",
    "landcover",
    "natural",
    "oecm_ancillary",
    "oecm_candidate",
    "oecm_primary",
    "oecm_secondary",
    "population",
    "rain",
    "remoteness",
    "river",
    "river_distance_km",
    "sand",
    "sea",
    "slope",
    "soil",
    "soil_erosion_sensitivity",
    "temperature",
    "urban",
    "vegetation",
    "water",
    "forest",
    "shrub",
    "grass",
    "wetland",
    "bare",
]


@pytest.fixture(scope="module")
def source() -> Source:
    return Synthetic().open(1)


@pytest.fixture(scope="module")
def land(source: Source) -> np.ndarray:
    return source.labels("realm") != "sea"


def parts(source: Source, mask: np.ndarray) -> np.ndarray:
    """Sizes of the 4-connected parts of a set of units, the largest first."""
    label, _ = ndimage.label(source.place.image(mask, False))
    return np.sort(np.bincount(label.ravel())[1:])[::-1]


# --- the graph of a grid


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
    st.floats(0.5, 5000, allow_nan=False),
    st.floats(0.5, 5000, allow_nan=False),
)
def test_grid_graph_is_what_a_slow_loop_finds(rows, columns, seed, dx, dy):
    mask = np.random.default_rng(seed).random((rows, columns)) < 0.7
    cell = np.flatnonzero(mask)
    number = {int(flat): unit for unit, flat in enumerate(cell)}
    i, j, weight, exposed = [], [], [], np.zeros(len(cell))
    for flat, unit in number.items():
        row, column = divmod(flat, columns)
        for down, right, length in ((-1, 0, dx), (1, 0, dx), (0, -1, dy), (0, 1, dy)):
            inside = 0 <= row + down < rows and 0 <= column + right < columns
            other = number.get((row + down) * columns + column + right) if inside else None
            if other is None:
                exposed[unit] += length
            elif other > unit:
                i, j, weight = [*i, unit], [*j, other], [*weight, length]
    slow = Graph.from_edges(len(cell), i, j, weight, exposed)
    fast = grid_graph(cell, (rows, columns), dx, dy)
    for key in ("indptr", "indices", "weight"):
        np.testing.assert_array_equal(getattr(fast, key), getattr(slow, key))
        assert getattr(fast, key).dtype == getattr(slow, key).dtype
    np.testing.assert_allclose(fast.exposed, slow.exposed)


# --- the same for the same seed


def test_same_seed_same_bytes():
    one, two = (Synthetic(rows=60, columns=70, species=12).open(5) for _ in range(2))
    for key in ("data", "indices", "indptr"):
        assert getattr(one.amount, key).tobytes() == getattr(two.amount, key).tobytes()
    assert all(one.read(name).tobytes() == two.read(name).tobytes() for name in LAYERS)
    assert list(one.labels("county")) == list(two.labels("county"))
    assert one.features.equals(two.features)


def test_own_seed_wins_over_that_of_the_scenario():
    size = {"rows": 50, "columns": 50, "species": 2}
    own = Synthetic(seed=3, **size)
    np.testing.assert_array_equal(own.open(8).read("cost"), own.open(9).read("cost"))
    assert not np.array_equal(own.open(8).unit_id, Synthetic(**size).open(8).unit_id)


def test_finer_grid_shows_the_same_country():
    small, large = (make_terrain(Ground((side, side * 4 // 3), 600 / side, 7)) for side in (90, 270))
    assert (small.land == large.land[1::3, 1::3]).mean() > 0.97
    assert (small.sea == large.sea[1::3, 1::3]).mean() > 0.93
    # the mountains, too, are the same mountains
    both = small.land & large.land[1::3, 1::3]
    assert np.corrcoef(small.altitude[both], large.altitude[1::3, 1::3][both])[0, 1] > 0.97


def test_more_species_leave_the_first_as_they_are():
    # the marine quarter comes after the land species, so only the leading land species can be compared
    few, many = (Synthetic(rows=50, columns=50, species=count).open(1) for count in (8, 60))
    lowest = [index for index in range(6) if few.features["realm"][index] == "land"]
    assert len(lowest) == 6
    np.testing.assert_array_equal(few.amount[lowest].toarray(), many.amount[lowest].toarray())


# --- the contract of a source


def test_shapes_and_types(source):
    units, features = len(source.unit_id), len(source.features)
    assert source.amount.shape == (features, units)
    assert source.amount.indices.dtype == np.int32
    assert source.amount.data.dtype == np.float64
    assert source.amount.has_canonical_format
    np.testing.assert_array_equal(source.unit_id, source.place.cell + 1)
    assert np.all(np.diff(source.unit_id) > 0)
    np.testing.assert_array_equal(source.area_km2, 25.0)
    assert source.graph.units == units
    np.testing.assert_allclose(source.graph.perimeter, 4 * 5000.0)
    a, b, _, d, e, _ = source.place.transform
    assert (a, b, d, e) == (5000.0, 0.0, 0.0, -5000.0)
    assert MEMBER is Synthetic
    assert Synthetic().files() == []


def test_every_layer_can_be_read_and_is_finite(source):
    for name in LAYERS:
        values = source.read(name)
        assert values.dtype == np.float64
        assert values.shape == source.unit_id.shape
        assert np.isfinite(values).all(), name


def test_assembles_with_its_own_defaults(source):
    landscape = assemble(source, Synthetic(), {}, references=["slope"])
    assert set(landscape.groups) == {"realm", "province", "county", "priority", "kba"}
    assert list(landscape.tenure) == ["protected", "oecm", "oecm_candidate"]
    np.testing.assert_array_equal(landscape.tenure["protected"], source.read("existing_pa"))
    np.testing.assert_array_equal(np.sum(list(landscape.tenure.values()), axis=0) <= 1, True)
    assert landscape.cost_unit == "thousand US$ per year"
    assert (landscape.cost > 0).all()
    assert landscape.layer("slope").max() > 10


@pytest.mark.parametrize("asked, near", [("existing_pas", "existing_pa"), ("urbann", "urban"), ("zzz", "altitude")])
def test_unknown_layer_names_its_neighbours(source, asked, near):
    with pytest.raises(DataError, match=f"no layer '{asked}'.*{near}"):
        source.read(asked)


def test_unknown_region_layer_is_an_error(source):
    with pytest.raises(DataError, match=r"no region layer 'provnce'.*'province'"):
        source.labels("provnce")


def test_features_can_be_chosen():
    size = {"rows": 50, "columns": 50, "species": 10}
    every = Synthetic(**size).open(1)
    some = Synthetic(features=["service_*", "ecosystem_lake"], **size).open(1)
    assert sorted(some.features["name"]) == [
        "ecosystem_lake", "service_carbon", "service_sand", "service_soil", "service_water",
    ]  # fmt: skip
    place = every.features.index[every.features["name"] == "service_soil"]
    same = some.features.index[some.features["name"] == "service_soil"]
    np.testing.assert_array_equal(every.amount[place].toarray(), some.amount[same].toarray())
    assert list(Synthetic(features="service_w*", **size).open(1).features["name"]) == ["service_water"]


def test_unknown_features_are_told_all_at_once():
    with pytest.raises(DataError) as error:
        Synthetic(rows=50, columns=50, species=4, features=["servce_soil", "ecosystem_lakes", "service_*"]).open(1)
    assert len(error.value.faults) == 2
    assert "'service_soil'" in error.value.faults[0]
    assert "'ecosystem_lake'" in error.value.faults[1]


@pytest.mark.parametrize("wrong", [{"rows": 49}, {"columns": 3001}, {"species": 0}, {"cell_km": 0}, {"colour": 1}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        Synthetic(**wrong)


def test_the_feature_table_has_what_tables_and_rules_ask_for(source):
    table = source.features
    species = table["group"] == "species"
    whole = table["global_range_km2"]
    assert whole[species].notna().all() and whole[~species].isna().all()
    # a global range holds the part that lies here, and an endemic has no other
    assert (whole[species] >= table["total"][species] * (1 - 1e-12)).all()
    endemic = species & table["endemic"]
    assert endemic.any()
    np.testing.assert_allclose(whole[endemic], table["total"][endemic])
    assert (whole[species & ~endemic] > 1.5 * table["total"][species & ~endemic]).mean() > 0.5
    assert (table["density_per_km2"][species] > 0).all()
    assert set(table["unit"][table["group"] != "service"]) == {"km2"}
    assert {"km2"}.isdisjoint(table["unit"][table["group"] == "service"])


# --- like a country


@pytest.mark.parametrize("seed", [1, 2, 30])
def test_inland_waters_are_a_realm(seed):
    source = Synthetic(rows=90, columns=120, species=2).open(seed)
    realm = source.labels("realm")
    assert set(realm) == {"land", "inland water", "sea"}
    wet = realm == "inland water"
    assert 0.005 < wet.mean() < 0.08
    assert wet[source.read("lake") > 0].all()
    assert (source.read("sea")[wet] == 0).all()
    # most of what is no lake is natural wetland, and no town stands there
    assert np.mean(source.read("natural")[wet] > 0.5) > 0.95


@pytest.mark.parametrize("seed", [1, 2, 30])
def test_priority_areas_and_key_biodiversity_areas(seed):
    source = Synthetic(rows=90, columns=120, species=2).open(seed)
    sea = source.labels("realm") == "sea"
    for level, few, many, least, most in (("priority", 8, 12, 0.1, 0.25), ("kba", 25, 40, 0.05, 0.15)):
        names = source.labels(level)
        inside = np.array([name is not None for name in names])
        assert least < inside.mean() < most
        sites = sorted(set(names[inside]))
        assert few <= len(sites) <= many
        for name in sites:
            at = names == name
            assert sea[at].all() or not sea[at].any()
            assert parts(source, at)[0] > 0.5 * at.sum()
        at_sea = {name for name in sites if sea[names == name].any()}
        assert 2 <= len(at_sea) < len(sites)
    # some are protected already, some not at all: that is what tables of them show
    park = source.read("existing_pa")
    shares = [park[source.labels("kba") == name].mean() for name in set(source.labels("kba")) - {None}]
    assert min(shares) == 0 and max(shares) > 0.3


def test_categories_governance_and_types_lie_where_the_areas_are(source):
    park, oecm = source.read("existing_pa") > 0, source.read("existing_oecm") > 0
    known = {
        label: np.array([value is not None for value in source.labels(label)])
        for label in ("pa_category", "pa_class", "governance", "oecm_type")
    }
    candidate = source.read("oecm_candidate") > 0
    np.testing.assert_array_equal(known["pa_category"], park)
    np.testing.assert_array_equal(known["pa_class"], park)
    np.testing.assert_array_equal(known["governance"], park | oecm | candidate)
    np.testing.assert_array_equal(known["oecm_type"], candidate)
    assert set(source.labels("pa_category")[park]) <= {"Ia", "Ib", "II", "III", "IV", "V", "VI"}
    assert set(source.labels("pa_class")[park]) == {"national park", "nature reserve", "nature park"}
    assert set(source.labels("governance")[park | oecm | candidate]) == {"government", "private", "iplc", "shared"}
    for kind in ("primary", "secondary", "ancillary"):
        np.testing.assert_array_equal(source.labels("oecm_type") == kind, source.read(f"oecm_{kind}") > 0)
    # a protected area has one category: neighbours of the same patch agree
    i, j, _ = source.graph.edges()
    both = park[i] & park[j]
    assert (source.labels("pa_category")[i][both] == source.labels("pa_category")[j][both]).mean() > 0.9
    assert len(set(source.labels("nation"))) == 1


@settings(max_examples=12)
@given(seed=st.integers(0, 2**31), shape=st.sampled_from([(50, 50), (60, 80), (90, 55)]))
def test_land_and_sea_hang_together(seed, shape):
    terrain = make_terrain(Ground(shape, 5.0, seed))
    assert not (terrain.land & terrain.sea).any()
    assert 0.2 < terrain.land.mean() < 0.55
    assert 0.08 < terrain.sea.mean() < 0.35
    for mask, share, most in ((terrain.land, 0.8, None), (terrain.sea, 0.3, 6)):
        label, count = ndimage.label(mask)
        sizes = np.bincount(label.ravel())[1:]
        assert sizes.max() > share * sizes.sum()
        assert most is None or count <= most


def test_smallest_and_longest_grids_have_everything():
    for rows, columns in ((50, 50), (50, 260), (260, 50)):
        source = Synthetic(rows=rows, columns=columns, species=9).open(2)
        assert np.isfinite(source.amount.data).all()
        assert (source.features["total"] > 0).all()
        assert {"species", "ecosystem", "service"} == set(source.features["group"])
        assert source.read("existing_pa").sum() > 10


def test_climate_follows_height_and_north(source, land):
    height, warmth = source.read("altitude")[land], source.read("temperature")[land]
    north = -(source.place.cell // source.place.shape[1])[land]
    assert height.max() > 2500
    fit = np.linalg.lstsq(np.c_[height / 1000, north, np.ones(len(height))], warmth, rcond=None)[0]
    assert -7 < fit[0] < -5
    assert fit[1] < -0.05
    rain = source.read("rain")[land]
    assert 700 < rain.mean() < 900
    assert rain.std() > 100


def test_sea_lies_deep_and_land_high(source, land):
    assert (source.read("altitude")[land] > 0).all()
    assert (source.read("altitude")[~land] < 0).all()
    assert parts(source, land)[0] > 0.9 * land.sum()


@pytest.mark.parametrize("seed", [1, 2, 30])
def test_counties_nest_in_provinces(seed):
    source = Synthetic(rows=90, columns=120, species=2).open(seed)
    province, county, realm = (source.labels(level) for level in ("province", "county", "realm"))
    assert not any(value is None or value == "" for level in (province, county) for value in level)
    of: dict[str, set[str]] = {}
    for inner, outer, kind in zip(county, province, realm):
        of.setdefault(inner, set()).add((outer, kind == "sea"))
    assert all(len(outer) == 1 for outer in of.values())
    on_land = realm != "sea"
    assert 5 <= len(set(province[on_land])) <= 11
    assert 40 <= len(set(county[on_land])) <= 90
    assert all(name.endswith(" Sea") for name in set(province[~on_land]))
    # a province is one piece, but for islands and what the winding of the border cuts off
    for name in set(province[on_land]):
        sizes = parts(source, province == name)
        assert sizes[0] > 0.75 * sizes.sum()


@pytest.mark.parametrize("seed", [1, 2, 30])
def test_shares_of_protection(seed):
    source = Synthetic(rows=90, columns=120, species=2).open(seed)
    land = source.labels("realm") != "sea"
    park, oecm = source.read("existing_pa"), source.read("existing_oecm")
    assert 0.13 < park[land].mean() < 0.17
    assert 0.06 < park[~land].mean() < 0.10
    assert 0.006 < oecm[land].mean() < 0.015
    kinds = [source.read(f"oecm_{kind}") for kind in ("primary", "secondary", "ancillary")]
    assert all(kind[land].mean() > 0.015 for kind in kinds)
    np.testing.assert_array_equal(np.sum(kinds, axis=0), source.read("oecm_candidate"))
    # nothing is two things at once
    assert np.max([park, oecm, *kinds], axis=0).sum() == np.sum([park, oecm, *kinds])
    # parks are blobs, not dust
    sizes = parts(source, (park > 0) & land)
    assert sizes[sizes >= 5].sum() > 0.85 * sizes.sum()


def test_parks_stand_on_cheap_high_ground(source, land):
    park = source.read("existing_pa") > 0
    cost, slope = source.read("cost"), source.read("slope")
    assert np.median(cost[park & land]) < 0.5 * np.median(cost[~park & land])
    assert slope[park & land].mean() > 1.2 * slope[~park & land].mean()


def test_cost_follows_land_use(source, land):
    cost = source.read("cost")
    town, field = source.read("urban") > 0.3, source.read("landcover") == 5
    forest = (source.read("forest") > 0) & (source.read("remoteness") > np.median(source.read("remoteness")[land]))
    assert np.median(cost[town]) > 3 * np.median(cost[field]) > 15 * np.median(cost[forest])
    fished = source.read("fishing")[~land]
    assert np.corrcoef(fished, cost[~land])[0, 1] > 0.8


def test_shares_of_a_cell_add_up(source, land):
    total = source.read("natural") + source.read("cropland") + source.read("urban")
    np.testing.assert_allclose(total, 1, atol=1e-5)
    covers = [source.read(name) for name in ("forest", "shrub", "grass", "wetland", "bare")]
    assert all(cover[~land].sum() == 0 for cover in covers)
    assert all(cover.sum() > 0 for cover in covers)


def test_amounts_stay_within_the_cell_and_the_realm(source, land):
    table = source.features
    assert (source.amount.data > 0).all()
    assert table["name"].is_unique
    for row, feature in enumerate(table.itertuples()):
        at = source.amount.indices[source.amount.indptr[row] : source.amount.indptr[row + 1]]
        assert len(np.unique(at)) == len(at) > 0
        assert (land[at] == (feature.realm != "sea")).all()
        if feature.unit == "km2":
            assert source.amount.data[source.amount.indptr[row] : source.amount.indptr[row + 1]].max() <= 25.001
    np.testing.assert_allclose(table["total"], np.asarray(source.amount.sum(axis=1)).ravel())


def test_ecosystems_fill_what_is_natural(source):
    rows = np.flatnonzero(source.features["group"] == "ecosystem")
    filled = np.asarray(source.amount[rows].sum(axis=0)).ravel() / 25
    # slivers below 2 % of a cell are left out
    assert np.all(filled <= source.read("natural") + 1e-4)
    assert np.all(filled >= source.read("natural") - 0.05)


def test_services_equal_their_layers(source):
    for name in ("water", "soil", "sand", "carbon"):
        row = np.flatnonzero(source.features["name"] == f"service_{name}")
        np.testing.assert_allclose(source.amount[row].toarray()[0], source.read(name), rtol=1e-6)


def test_ranges_are_skewed_and_red_listed_by_size():
    source = Synthetic(rows=100, columns=130, species=200).open(4)
    table = source.features[source.features["group"] == "species"]
    size = np.diff(source.amount.indptr)[table.index] / len(source.unit_id)
    logs = np.log(size)
    assert np.mean(size) > 1.5 * np.median(size)
    assert abs(((logs - logs.mean()) ** 3).mean() / logs.std() ** 3) < 0.8
    assert 0.03 < size.mean() < 0.10
    medians = [np.median(size[(table["iucn"] == category).to_numpy()]) for category in ("CR", "EN", "VU", "NT", "LC")]
    assert np.all(np.diff(medians) > 0)
    assert set(table["protection_class"]) == {"I", "II", ""}
    assert 0.15 < (table["realm"] == "sea").mean() < 0.35
    assert {"mammal", "bird", "reptile", "amphibian", "fish", "plant"} == set(table["taxon"])
    # a range is a patch or a few, not dust
    wide = [row for row in table.index if size[row] > 0.01][:20]
    for row in wide:
        there = np.zeros(len(source.unit_id), bool)
        there[source.amount.indices[source.amount.indptr[row] : source.amount.indptr[row + 1]]] = True
        sizes = parts(source, there)
        assert sizes[:4].sum() > 0.8 * sizes.sum()


def test_sensitivities_are_roots_of_scores(source, land):
    possible = np.unique(
        [(a * b * c * d) ** 0.25 for a in (1, 3, 5) for b in (1, 3, 5) for c in (1, 3, 5) for d in (1, 3, 5)]
    )
    for name in ("soil_erosion_sensitivity", "desertification_sensitivity"):
        values = source.read(name)
        assert (values[~land] == 0).all()
        assert np.abs(values[land][:, None] - possible).min(axis=1).max() < 1e-5
        assert len(np.unique(values[land].round(3))) > 4


# --- tools


def test_travel_takes_the_cheap_way_round():
    cost = np.ones((5, 5))
    cost[1:, 2] = 100.0  # a wall with a gap at the top
    distance, _, nearest = travel(cost, np.array([20]))
    assert distance[4, 4] == pytest.approx(4 + 4 * np.sqrt(2))  # up to the gap and down again
    assert (nearest == 20).all()


def test_steps_join_each_cell_to_its_neighbours_once():
    graph = steps(np.ones((3, 4))).toarray()
    assert np.count_nonzero(graph) == 3 * 3 + 2 * 4 + 2 * 2 * 3
    assert set(np.unique(graph).round(6)) == {0.0, 1.0, round(np.sqrt(2), 6)}


def test_patch_has_the_size_asked_for_and_keeps_to_the_allowed_ground():
    ground = Ground((80, 80), 1.0, 3)
    allowed = np.ones((80, 80), bool)
    allowed[:, 50:] = False
    window, part, _ = ground.patch("test", (40, 45), 120, allowed, whole=False)
    assert part.sum() == 120
    assert not (part & ~allowed[window]).any()
