"""Maps: what colour lies where, what the legend says, what a length is, and the same bytes each time."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
import time

import geopandas
import matplotlib.image
import numpy as np
import pytest
import shapely

from prioritize.errors import DataError
from prioritize.landscape import Zone, from_arrays
from prioritize.place import Grid, Nowhere, Polygons
from prioritize.report._canvas import MOST_CELLS, GridCanvas, Ground, PolygonCanvas
from prioritize.report.maps import Panel, overlap_map, round_length, side_by_side
from prioritize.report.palette import KINDS, LAND, OUTSIDE, SEA, darker, rgb, zone_colours

CRS = "EPSG:32755"
NORTH_UP = (2000.0, 0.0, 5e5, 0.0, -2000.0, 5e6)
TURNED = (1600.0, 1200.0, 5e5, 1200.0, -1600.0, 5e6)
GREEN, BLUE, RED = KINDS["protected"], KINDS["oecm"], KINDS["redline"]

# What lies in the twelve cells of three rows and four columns; the cell without a unit is "outside".
LOOKS = np.array(
    [
        ["land", "land", "sea", "sea"],
        ["new", "existing", "new", "outside"],
        ["land", "other", "existing", "existing other"],
    ]
)
COLOURS = {
    "land": LAND,
    "sea": SEA,
    "outside": OUTSIDE,
    "new": GREEN,
    "existing": darker(GREEN),
    "other": BLUE,
    "existing other": darker(BLUE),
}


def place_of(kind, cell, transform=NORTH_UP):
    if kind == "grid":
        return Grid(LOOKS.shape, cell, transform, CRS)
    row, column = np.divmod(cell, LOOKS.shape[1])
    x, y = 5e5 + 2000.0 * column, 5e6 - 2000.0 * row
    return Polygons(geopandas.GeoSeries(shapely.box(x, y - 2000, x + 2000, y), crs=CRS))


ZONES = (Zone("park"), Zone("forest", "oecm"))


def panel_of(kind="grid", zones=ZONES, transform=NORTH_UP, title="Plan"):
    """The landscape of LOOKS, its units in no tidy order."""
    cell = np.random.default_rng(2).permutation(np.flatnonzero(LOOKS.ravel() != "outside"))
    looks = LOOKS.ravel()[cell]
    selection = np.c_[np.isin(looks, ["new", "existing"]), np.isin(looks, ["other", "existing other"])][:, : len(zones)]
    status = np.c_[looks == "existing", looks == "existing other"].astype(np.int8)[:, : len(zones)]
    # locked in, but not in the zone that it was given: not an existing part of that zone
    status[looks == "other", 0] = 1
    landscape = from_arrays(
        np.ones((len(cell), len(zones))),
        np.ones((1, len(cell))),
        zones=zones,
        status=status,
        place=place_of(kind, cell, transform),
        groups={"realm": np.where(cell % 4 < 2, "land", "sea"), "province": np.where(cell // 4 == 0, "N", "S")},
    )
    return Panel(title, "12 EUR\n34 %", landscape, selection)


def picture(figure):
    """(rows, columns, 3) of 0..255, as saved."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    buffer.seek(0)
    return np.round(matplotlib.image.imread(buffer)[:, :, :3] * 255).astype(int)


def colours_at(figure, axes, points):
    """The colours of a saved figure at points of the map."""
    image = picture(figure)
    figure.set_dpi(100)
    x, y = np.round(axes.transData.transform(points)).astype(int).T
    return ["#{:02X}{:02X}{:02X}".format(*colour) for colour in image[len(image) - 1 - y, x]]


def middles(transform=NORTH_UP):
    """Where the middles of the cells of LOOKS are on the map."""
    a, b, c, d, e, f = transform
    row, column = np.indices(LOOKS.shape).reshape(2, -1) + 0.5
    return np.c_[a * column + b * row + c, d * column + e * row + f]


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts() if text.get_text().strip()]


@pytest.mark.parametrize(("kind", "transform"), [("grid", NORTH_UP), ("grid", TURNED), ("polygons", NORTH_UP)])
def test_every_unit_has_its_colour(kind, transform):
    figure = side_by_side([panel_of(kind, transform=transform)])
    seen = colours_at(figure, figure.axes[0], middles(transform))
    assert seen == [COLOURS[look] for look in LOOKS.ravel()]


def test_a_zone_has_one_colour_in_all_scenarios():
    panels = [
        panel_of(zones=(Zone("park"),)),
        panel_of(zones=(Zone("reserve"), Zone("forest", "oecm"))),
        panel_of(zones=(Zone("line", "redline"), Zone("park"))),
    ]
    figure = side_by_side(panels)
    seen = [dict(zip(LOOKS.ravel(), colours_at(figure, axes, middles()), strict=True)) for axes in figure.axes]
    assert [each["new"] for each in seen] == [GREEN, GREEN, RED]
    assert [each["other"] for each in seen] == [LAND, BLUE, GREEN]
    assert labels(figure) == [
        "park / reserve, new",
        "park / reserve, existing",
        "forest, new",
        "forest, existing",
        "line, new",
        "line, existing",
        "not selected, land",
        "not selected, sea",
    ]


def test_legend_speaks_only_of_what_is_there():
    panel = panel_of()
    bare = from_arrays(np.ones((11, 2)), np.ones((1, 11)), zones=panel.landscape.zones, place=panel.landscape.place)
    figure = side_by_side([Panel("Plan", "", bare, panel.selection)])
    assert labels(figure) == ["park", "forest", "not selected"]


def test_texts_of_the_page():
    figure = side_by_side([panel_of(title="First"), panel_of("polygons", title="Second")])
    texts = [text.get_text() for text in figure.texts]
    for expected in ("a   First", "b   Second", "12 EUR", "34 %", "N"):
        assert expected in texts
    assert "WGS 84 / UTM zone 55S (EPSG:32755)" in texts
    assert "11 planning units · light lines: province borders" in texts
    # the longest round length within three tenths of a map of four cells of 2 km
    assert "2 km" in texts


def test_overlap_counts_scenarios():
    one = panel_of()
    landscape = one.landscape
    nothing, everything = np.zeros_like(one.selection), np.zeros_like(one.selection)
    everything[:, 1] = True
    figure = overlap_map([one, Panel("none", "", landscape, nothing), Panel("all", "", landscape, everything)])
    seen = np.array(colours_at(figure, figure.axes[0], middles()))
    looks = LOOKS.ravel()
    twice = np.isin(looks, ["new", "existing", "other", "existing other"])
    once = np.isin(looks, ["land", "sea"])
    assert len(set(seen[once])) == len(set(seen[twice])) == 1
    assert len({*seen, LAND, SEA}) == 5
    assert sum(rgb(seen[twice][0])) < sum(rgb(seen[once][0]))  # more is darker
    assert sorted(labels(figure)) == ["in 1 of 3", "in 2 of 3", "in 3 of 3", "not selected, land", "not selected, sea"]
    figure = overlap_map([Panel("none", "", landscape, nothing)])
    assert colours_at(figure, figure.axes[0], middles())[:4] == [LAND, LAND, SEA, SEA]


@pytest.mark.parametrize("kind", ["grid", "polygons"])
def test_same_bytes_a_second_later(kind, tmp_path):
    panels = [panel_of(kind), panel_of(kind)]
    for turn in ("first", "second"):
        for suffix in (".png", ".svg", ".pdf"):
            side_by_side(panels, tmp_path / turn / f"map{suffix}")
        overlap_map(panels, tmp_path / turn / "overlap.png")
        time.sleep(1.1 if turn == "first" else 0)  # stamps count seconds
    for name in ("map.png", "map.svg", "map.pdf", "overlap.png"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert (tmp_path / "first" / "map.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "first" / "map.svg").read_bytes()[:2000]


def test_what_cannot_be_drawn_is_refused(tmp_path):
    panel = panel_of()
    units = len(panel.selection)
    with pytest.raises(DataError, match="a map needs positions"):
        Panel("x", "", from_arrays(np.ones(units), np.ones((1, units)), place=Nowhere()), np.ones((units, 1), bool))
    with pytest.raises(DataError, match=r"shape \(11, 1\), expected \(11, 2\)"):
        Panel("x", "", panel.landscape, panel.selection[:, :1])
    with pytest.raises(DataError, match="no scenario"):
        side_by_side([])
    with pytest.raises(DataError, match="no scenario"):
        overlap_map([])
    with pytest.raises(DataError, match=r"not as '\.bmp'"):
        side_by_side([panel], tmp_path / "map.bmp")
    order = np.arange(units)[::-1]
    other = Panel("Other", "", panel.landscape.renumbered(order), panel.selection[order])
    with pytest.raises(DataError, match="Other: its units are not those of Plan"):
        overlap_map([panel, other])


def test_large_grids_are_thinned_and_stay_in_place():
    rows, columns = 3, 3 * MOST_CELLS - 100
    place = Grid((rows, columns), np.arange(rows * columns), (10.0, 0.0, 0.0, 0.0, -1e4, 3e4), CRS)
    landscape = from_arrays(np.ones(rows * columns), np.ones((1, rows * columns)), place=place)
    chosen = np.arange(rows * columns) % columns >= columns // 2
    figure = side_by_side([Panel("Plan", "", landscape, chosen[:, None])])
    assert figure.axes[0].images[0].get_array().shape[1] <= MOST_CELLS
    middle = 10.0 * (columns // 2)
    assert any("drawn at 1 in 3 cells" in text.get_text() for text in figure.texts)
    points = [[60, 1.5e4], [middle - 600, 1.5e4], [middle + 600, 1.5e4], [10.0 * columns - 60, 1.5e4]]
    assert colours_at(figure, figure.axes[0], points) == [LAND, LAND, GREEN, GREEN]


def test_thinning_takes_cells_from_the_middle_of_their_blocks():
    size = 3 * MOST_CELLS
    for shape, step in (((5, size), (1, 3)), ((size, 5), (3, 1))):
        canvas = GridCanvas(Grid(shape, np.arange(5 * size), NORTH_UP))
        assert canvas.step == step
        row, column = np.divmod(canvas.thinned(np.arange(5 * size), -1), shape[1])
        np.testing.assert_array_equal(row[:, 0], np.arange(step[0] // 2, shape[0], step[0]))
        np.testing.assert_array_equal(column[0], np.arange(step[1] // 2, shape[1], step[1]))


def length(lines):
    return sum(np.linalg.norm(np.diff(line, axis=0), axis=1).sum() for line in lines)


def test_outlines_of_a_grid_are_the_edges_between_groups():
    generator = np.random.default_rng(5)
    rows, columns = 9, 13
    image = generator.integers(-1, 3, (rows, columns))
    cell = generator.permutation(np.arange(rows * columns)[generator.random(rows * columns) < 0.9])
    expected = set()  # counted one cell at a time
    full = np.full((rows + 2, columns + 2), -1)
    full[1 + cell // columns, 1 + cell % columns] = image.ravel()[cell]
    for row, column in itertools.product(range(rows + 1), range(columns + 1)):
        if row and full[row, column] != full[row, column + 1]:
            expected.add(((column, row - 1), (column, row)))
        if column and full[row, column] != full[row + 1, column]:
            expected.add(((column - 1, row), (column, row)))
    found = set()
    for start, end in GridCanvas(Grid((rows, columns), cell, (1, 0, 0, 0, 1, 0))).outlines(image.ravel()[cell]):
        along = np.flatnonzero(end - start)[0]
        for step in range(int(end[along] - start[along])):
            one, two = start.copy(), start.copy()
            one[along] += step
            two[along] += step + 1
            edge = (tuple(one.astype(int).tolist()), tuple(two.astype(int).tolist()))
            assert edge not in found
            found.add(edge)
    assert found == expected


def test_outlines_of_polygons_go_around_groups():
    cell = np.arange(12)
    canvas = PolygonCanvas(place_of("polygons", cell))
    assert length(canvas.outlines(np.zeros(12, int))) == 2 * (3 + 4) * 2000.0
    rows = cell // 4  # three bands of 1 x 4 cells; the last is no group
    assert length(canvas.outlines(np.where(rows == 2, -1, rows))) == 2 * 2 * (1 + 4) * 2000.0


def test_holes_stay_open():
    shapes = []
    for east, hole_turns in ((0, 1), (90, -1)):  # the hole may run the same way round as the shell, or against it
        shell = np.add([[0, 0], [90, 0], [90, 90], [0, 90]], [east, 0])
        hole = np.add([[30, 30], [60, 30], [60, 60], [30, 60]], [east, 0])[::hole_turns]
        shapes.append(shapely.Polygon(shell, [hole]))
    place = Polygons(geopandas.GeoSeries(shapes, crs=CRS))
    landscape = from_arrays(np.ones(2), np.ones((1, 2)), place=place)
    figure = side_by_side([Panel("Plan", "", landscape, np.ones((2, 1), bool))])
    seen = colours_at(figure, figure.axes[0], [[15, 45], [45, 45], [105, 45], [135, 45]])
    assert seen == [GREEN, OUTSIDE, GREEN, OUTSIDE]


def test_lengths_are_lengths_on_the_ground():
    mercator_at_60 = 8399737.89
    ground = Ground.of("EPSG:3857", (-1000, mercator_at_60 - 1000, 1000, mercator_at_60 + 1000))
    assert ground.metres_x == pytest.approx(0.5, rel=0.005)
    assert ground.stretch == 1
    degrees = Ground.of("EPSG:4326", (9, 59, 11, 61))
    assert degrees.metres_x == pytest.approx(111_320 * 0.5, rel=0.005)
    assert degrees.stretch == pytest.approx(2, rel=0.005)
    feet = Ground.of("EPSG:2263", (980_000, 190_000, 1_000_000, 210_000))
    assert feet.metres_x == pytest.approx(0.3048, rel=0.001)
    assert Ground.of(None, (0, 0, 1, 1)).metres_x is None


def test_north_is_where_the_pole_is_not():
    # in the Antarctic projection 90 degrees east lies right of the pole, and north is away from it
    assert Ground.of("EPSG:3031", (2e6, -1e5, 2.2e6, 1e5)).north == pytest.approx(90, abs=1e-3)
    assert Ground.of("EPSG:3031", (-1e5, 2e6, 1e5, 2.2e6)).north == pytest.approx(0, abs=1e-3)
    assert Ground.of(CRS, (4.9e5, 5e6, 5.1e5, 5.1e6)).north == pytest.approx(0, abs=1e-3)


def test_without_a_crs_nothing_is_claimed():
    place = Grid((1, 10), np.arange(10), (1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
    landscape = from_arrays(np.ones(10), np.ones((1, 10)), place=place)
    figure = side_by_side([Panel("Plan", "", landscape, np.ones((10, 1), bool))])
    texts = [text.get_text() for text in figure.texts]
    assert "2 map units" in texts and "no coordinate reference system" in texts and "N" not in texts


@pytest.mark.parametrize(("most", "rounded"), [(1, 1), (1.99, 1), (2, 2), (4.9, 2), (5, 5), (999, 500), (0.03, 0.02)])
def test_round_length(most, rounded):
    assert round_length(most) == pytest.approx(rounded)


def test_zones_take_the_colour_of_their_kind_and_never_share_one():
    assert zone_colours([Zone("a"), Zone("b", "oecm"), Zone("c", "redline")]) == [GREEN, BLUE, RED]
    assert zone_colours([Zone("c", "redline"), Zone("a")]) == [RED, GREEN]
    for kinds in (
        ["protected"] * 12,
        ["a", "b", "c", "protected", "redline", "oecm", "oecm"],
        list("abcdefghijklmnop"),
    ):
        colours = zone_colours([Zone(str(index), kind) for index, kind in enumerate(kinds)])
        assert len(set(colours)) == len(kinds)
        for kind in set(kinds) & set(KINDS):
            assert colours[kinds.index(kind)] == KINDS[kind]


# Machado, Oliveira & Fernandes (2009), full strength
VISION = {
    "usual": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def lab(colour, vision):
    """CIELAB of a colour as seen with that vision."""
    value = np.array(rgb(colour)) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ seen / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_colours_can_be_told_apart(vision):
    zones = [*KINDS.values(), *(darker(colour) for colour in KINDS.values())]
    for one, other in [*itertools.combinations(zones, 2), *itertools.product(zones, (LAND, SEA))]:
        assert np.linalg.norm(lab(one, vision) - lab(other, vision)) > 20, (one, other)
    assert np.linalg.norm(lab(LAND, vision) - lab(SEA, vision)) > 8


def test_pyplot_is_left_alone():
    code = (
        "import sys; sys.path.insert(0, 'tests'); import test_maps as t; t.side_by_side([t.panel_of(), "
        "t.panel_of('polygons')]); t.overlap_map([t.panel_of()]); print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "False"
