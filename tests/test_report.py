"""The page of a comparison: what it is made of, that nothing in it can run, and that it is the same each time."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zipfile
import zlib
from html.parser import HTMLParser
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely

from prioritize.cli import main
from prioritize.comparison import overlaps
from prioritize.errors import DataError
from prioritize.landscape import Graph, Landscape, Zone, from_arrays
from prioritize.maplayers import MAPS, MapLayer, map_file, number, read_map_layers, write_map_layers
from prioritize.place import Grid, Nowhere, Polygons
from prioritize.report.frames import breaks, frames_of, grid_borders, pack
from prioritize.report.page import SCRIPTS, STATIC, write_page
from prioritize.report.payload import as_json, content, differ, find_runs, read_runs
from prioritize.report.texts import TEXTS, TITLES, WORDS
from prioritize.runner import run
from prioritize.scenario import parse

EVIL = "<script>alert(1)</script>"
EVIL_TITLE = "Plan </script><img src=x onerror=alert(2)> {{blobs}} & 'more'"
ROWS, COLUMNS = 12, 15
ZONES = {"pa_only": (Zone("protected"),), "pa_oecm": (Zone("protected"), Zone("oecm", "oecm", "primary"))}


def landscape_of(
    kind: str = "grid", zones: tuple[Zone, ...] = ZONES["pa_oecm"], side: tuple[int, int] = (ROWS, COLUMNS)
):
    """A country of cells, one of them missing: land and sea, four provinces, two species and a service."""
    rows, columns = side
    rng = np.random.default_rng(8)
    cell = np.delete(np.arange(rows * columns), 7)
    row, column = np.divmod(cell, columns)
    units = len(cell)
    cost = 1 + rng.random(units)
    amount = np.stack([rng.random(units) * (rng.random(units) < 0.4), rng.random(units), 1.0 + column])
    x, y = 5e5 + 2000.0 * column, 5e6 - 2000.0 * row
    place: Grid | Polygons | Nowhere = Nowhere()
    if kind == "grid":
        place = Grid((rows, columns), cell, (2000.0, 0.0, 5e5, 0.0, -2000.0, 5e6), "EPSG:32755")
    elif kind == "polygons":
        place = Polygons(geopandas.GeoSeries(shapely.box(x, y - 2000, x + 2000, y), crs="EPSG:32755"))
    index = np.full(rows * columns, -1)
    index[cell] = np.arange(units)
    image = index.reshape(rows, columns)
    pairs = np.concatenate(
        [np.c_[image[:, :-1].ravel(), image[:, 1:].ravel()], np.c_[image[:-1].ravel(), image[1:].ravel()]]
    )
    pairs = pairs[(pairs >= 0).all(axis=1)]
    status = np.zeros((units, len(zones)), np.int8)
    status[(row < 2) & (column < 3), 0] = 1
    features = pd.DataFrame(
        {"name": ["bird", EVIL, "water"], "group": ["species", "species", "service"], "taxon": ["bird", "plant", ""]}
    )
    return from_arrays(
        np.stack([cost * (0.5 if zone.kind == "oecm" else 1.0) for zone in zones], axis=1),
        amount,
        name="a small country",
        area_km2=np.full(units, 4.0),
        features=features,
        status=status,
        zones=zones,
        graph=Graph.from_edges(units, pairs[:, 0], pairs[:, 1], np.full(len(pairs), 2000.0)),
        place=place,
        groups={
            "realm": np.where(column < columns - 4, "land", "sea"),
            "province": np.where(row < rows // 2, "North", "South & <b>more</b>"),
        },
        tenure={"protected": (status[:, 0] == 1).astype(float), "oecm_candidate": (row == rows - 1).astype(float)},
        unit_id=np.arange(1000, 1000 + units),
    )


def run_of(name: str, landscape: Landscape, title: str = "", share: float = 0.3):
    plain = {
        "name": name,
        "title": title,
        "landscape": {"format": "synthetic"},
        "targets": {"rule": "relative", "relative": share},
        "solver": {"kind": "highs", "gap": 0.0},
    }
    return run(parse(plain), landscape=landscape)


def save_all(folder: Path, kind: str = "grid") -> list[Path]:
    """Two scenarios on the same units, one of them with a hostile title."""
    titles = {"pa_only": "Protected areas only", "pa_oecm": EVIL_TITLE}
    return [
        run_of(name, landscape_of(kind, zones), titles[name], 0.3 if name == "pa_only" else 0.4).save(folder / name)
        for name, zones in ZONES.items()
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    return save_all(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def page(folders) -> str:
    path = folders[0].parent / "made" / "report.html"
    return write_page(folders, path).read_text(encoding="utf-8")


class Seen(HTMLParser):
    """Elements and attributes as a browser's parser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.inside = False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "script"

    def handle_data(self, data):
        if self.inside:
            self.scripts[-1] += data


def seen(text: str) -> Seen:
    parser = Seen()
    parser.feed(text)
    return parser


def unpack(text: str) -> np.ndarray:
    """What base.js does, in Python."""
    kind, body = text.split(":")
    size = int(kind[1])
    planes = np.frombuffer(zlib.decompress(base64.b64decode(body)), np.uint8).reshape(size, -1)
    values = np.ascontiguousarray(planes.T).view(f"<{kind[:2]}").ravel()
    return np.cumsum(values, dtype=values.dtype) if kind.endswith("d") else values


# ---------------------------------------------------------------------------------------------------- the map file


@pytest.mark.parametrize("kind", ["grid", "polygons", "nowhere"])
def test_a_map_file_reads_as_it_was_written_and_has_the_same_bytes(kind, tmp_path):
    landscape = landscape_of(kind)
    selection = np.zeros(landscape.status.shape, bool)
    selection[::3, 0] = selection[1::3, 1] = True
    (tmp_path / "again").mkdir()
    path = write_map_layers(tmp_path, landscape, selection)
    assert path.read_bytes() == write_map_layers(tmp_path / "again", landscape, selection).read_bytes()
    made, read = map_file(landscape, selection), read_map_layers(tmp_path)
    assert read is not None and read.about == made.about
    assert np.array_equal(read.all_zone, np.where(selection.any(axis=1), selection.argmax(axis=1) + 1, 0))
    assert [layer.key for layer in read.layers] == [layer.key for layer in made.layers]
    for one, other in zip(read.layers, made.layers, strict=True):
        assert np.array_equal(one.codes, other.codes) and one.names == other.names
    assert read.lines.keys() == made.lines.keys() == ({"realm", "province"} if kind == "polygons" else set())
    for level in read.lines:
        assert all(np.array_equal(a, b) for a, b in zip(read.lines[level], made.lines[level], strict=True))


def test_layers_say_what_the_landscape_says(tmp_path):
    landscape = landscape_of()
    selection = landscape.status > 0
    layers = {layer.key: layer for layer in map_file(landscape, selection).layers}
    assert list(layers)[:5] == ["selection", "locked_in", "patch", "today", "cost"]
    water = layers["feature:water"]
    exact = landscape.amount[[2]].toarray().ravel()
    assert water.codes.dtype == np.uint16 and water.group == "service"
    assert np.abs(water.numbers() - exact).max() <= (exact.max() - exact.min()) / 65_533 / 2 * 1.001
    bird, held = layers["feature:bird"], landscape.amount[[0]].toarray().ravel()
    assert np.array_equal(np.isnan(bird.numbers()), held == 0) and 0 < (held == 0).sum() < len(held)
    assert layers["today"].names == ("protected", "oecm_candidate")
    assert np.array_equal(layers["today"].codes == 1, landscape.status[:, 0] > 0)
    # six cells in the corner are one patch of 24 km2
    assert np.allclose(layers["patch"].numbers()[selection[:, 0]], 24.0)
    assert np.isnan(layers["patch"].numbers()[~selection[:, 0]]).all()


def test_large_grids_are_thinned_and_the_units_that_are_drawn_are_real():
    side = (900, 1)
    landscape = landscape_of(side=(900, 2))
    made = map_file(landscape, landscape.status > 0)
    assert made.about["step"] == 2 and made.about["shape"] == [450, 1] and side
    row = made.cell
    assert np.array_equal(made.unit_id, landscape.unit_id[np.searchsorted(landscape.place.cell, (2 * row + 1) * 2 + 1)])
    assert len(made.all_id) == len(landscape.unit_id)


def test_numbers_survive_a_single_value_and_gaps():
    layer = number("k", "unit", "k", "", np.array([3.0, np.nan, 0.0, 3.0]), np.uint8)
    assert layer.numbers().tolist()[0] == 3 and np.isnan(layer.numbers()[1:3]).all()
    assert breaks(layer.numbers()) == []


def test_a_damaged_map_file_is_one_clear_error(tmp_path):
    (tmp_path / MAPS).write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(DataError, match=r"maps\.npz: damaged"):
        read_map_layers(tmp_path)
    assert read_map_layers(tmp_path / "absent") is None


def test_a_flipped_byte_in_a_map_file_is_one_clear_error(tmp_path):
    """In what is compressed, and in the tables of the zip."""
    landscape = landscape_of(zones=ZONES["pa_only"])
    path = write_map_layers(tmp_path, landscape, landscape.status > 0)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as packed:
        starts = [item.header_offset for item in packed.infolist()]
    damaged = 0
    for place in {start + step for start in starts for step in range(0, 200, 7)}:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_map_layers(tmp_path)
        except DataError as error:
            assert str(error).startswith(f"{path}: damaged")
            damaged += 1
    assert damaged > len(starts)


# --------------------------------------------------------------------------------------------------------- packing


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
@pytest.mark.parametrize("delta", [False, True])
def test_packed_arrays_unpack(dtype, delta):
    values = np.random.default_rng(1).integers(0, 250, 1000).astype(dtype) * (1 if dtype == np.uint8 else 200)
    assert np.array_equal(unpack(pack(values, delta=delta)), values)
    assert len(unpack(pack(values[:0], delta=delta))) == 0


def test_ids_beyond_32_bits_are_kept():
    values = np.array([1, 2**40, 5])
    assert unpack(pack(values, delta=True)).tolist() == values.tolist()


def test_borders_of_a_grid_are_the_lines_between_its_groups():
    image = np.array([[1, 1, 2], [1, 1, 0]])
    lines = {tuple(map(tuple, line)) for line in grid_borders(image).tolist()}
    assert ((2, 0), (2, 2)) in lines and ((0, 0), (0, 2)) in lines and ((2, 1), (3, 1)) in lines
    assert ((1, 0), (1, 2)) not in lines
    length = sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in lines)
    assert length == 2 + 3 + 2 + 1 + 1 + 2  # left, top, the middle line, right of 2, below 2, below 1


def test_breaks_are_rounded_increasing_and_inside():
    numbers = np.r_[np.random.default_rng(3).lognormal(3, 2, 5000), np.nan]
    found = breaks(numbers)
    assert found == sorted(set(found)) and 3 <= len(found) <= 5
    assert all(value == float(f"{value:.2g}") and np.nanmin(numbers) < value < np.nanmax(numbers) for value in found)


# ------------------------------------------------------------------------------------------------------- the content


def test_content_is_what_the_run_folders_say(folders):
    runs = read_runs(folders)
    shown, blobs = content(runs)
    assert [item["name"] for item in shown["scenarios"]] == ["pa_only", "pa_oecm"]
    for run_, item in zip(runs, shown["scenarios"], strict=True):
        assert item["cost"] == run_.summary["cost"] and item["inputs"] == run_.summary["inputs"]
        assert item["shares"]["realm"].keys() == {"land", "sea"}
    (frame,) = shown["frames"]
    assert np.array_equal(unpack(blobs[frame["ids"]]), landscape_of().unit_id)
    by_key = {(layer["key"], (layer["scenarios"] or [""])[0]): layer for layer in frame["layers"]}
    for run_, maps in zip(runs, [r.maps for r in runs], strict=True):
        layer = by_key["selection", run_.name]
        assert np.array_equal(unpack(blobs[layer["data"]]), maps.all_zone)
    # what scenarios share is packed once
    assert sum(layer["key"] == "feature:water" for layer in frame["layers"]) == 1
    frequency = by_key["frequency", ""]
    count = np.sum([run_.maps.all_zone > 0 for run_ in runs], axis=0)
    assert np.array_equal(unpack(blobs[frequency["data"]]), count)
    assert [item["area_km2"] for item in shown["frequency"]] == [4.0 * (count == k).sum() for k in (1, 2)]
    pairs = next(table for table in shown["tables"] if table["name"] == "selection_overlap")
    landscapes = [landscape_of(), landscape_of()]
    exact = overlaps(["pa_only", "pa_oecm"], landscapes, [run_.maps.all_zone[:, None] > 0 for run_ in runs])
    assert pairs["rows"][0][2] == pytest.approx(exact["jaccard"].iloc[0])


def test_colours_of_a_zone_are_the_same_in_every_scenario(folders):
    shown, _ = content(read_runs(folders))
    first, second = shown["scenarios"]
    assert first["zones"][0]["colour"] == second["zones"][0]["colour"] != second["zones"][1]["colour"]


def test_every_table_of_a_run_is_shown_whole(folders):
    runs = read_runs(folders)
    shown, _ = content(runs)
    tables = {table["name"]: table for table in shown["tables"]}
    assert runs[0].tables
    for table in runs[0].tables:
        own = [row for row in tables[table.name]["rows"] if row[0] == "pa_only"]
        assert len(own) == len(table.frame)
        names = [column for column, _ in tables[table.name]["columns"]]
        assert names[0] == "scenario" and set(table.frame.columns) <= set(names)
    assert EVIL in {row[1] for row in tables["features"]["rows"]}


def test_what_differs_most_comes_first(folders):
    items = differ(read_runs(folders))
    spread = [(max(item["values"]) - min(item["values"])) / max(map(abs, item["values"])) for item in items]
    assert len(items) == 4 and spread == sorted(spread, reverse=True) and spread[0] > 0


def test_runs_on_other_units_get_a_map_of_their_own(tmp_path):
    one = map_file(landscape_of(), landscape_of().status > 0)
    other = landscape_of(side=(6, 9))
    frames = frames_of([one, map_file(other, other.status > 0), None, one], ["a", "b", "c", "d"])
    assert [frame.names for frame in frames] == [["a", "d"], ["b"]]


def test_all_texts_are_in_both_languages_and_with_the_same_placeholders():
    for key, (english, chinese) in TEXTS.items():
        assert english and chinese, key
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese)), key
    code = "".join((STATIC / name).read_text() for name in SCRIPTS if "vendor" not in name)
    template = (STATIC / "template.html").read_text()
    used = set(re.findall(r"""\bt\("(\w+)"[,)]""", code)) | set(re.findall(r'data-t="(\w+)"', template))
    assert len(used) > 60 and used <= set(TEXTS)
    assert all(re.search("[\u4e00-\u9fff]|OECM", word) for word in [*WORDS.values(), *TITLES.values()])


# ------------------------------------------------------------------------------------------------------------ the page


def test_the_page_names_nothing_outside_itself(page):
    parser = seen(page)
    for tag, attributes in parser.tags:
        for key in ("src", "href", "action", "data", "srcset"):
            value = attributes.get(key)
            assert value is None or value.startswith(("#", "data:")), (tag, key, value)
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style and "@import" not in style
    policy = next(a["content"] for tag, a in parser.tags if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'") and "http" not in policy


def test_only_our_scripts_may_run(page):
    parser = seen(page)
    policy = next(a["content"] for tag, a in parser.tags if tag == "meta" and "http-equiv" in a)
    kinds = [attributes.get("type") for tag, attributes in parser.tags if tag == "script"]
    assert kinds == ["application/json"] * 2 + [None] * len(SCRIPTS)
    assert "unsafe-inline" not in policy[policy.index("script-src") :]
    for kind, script in zip(kinds, parser.scripts, strict=True):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert (f"'sha256-{digest}'" in policy) == (kind is None)


def test_hostile_names_stay_text(page):
    assert EVIL not in page and "<img src=x" not in page
    parser = seen(page)
    shown = json.loads(parser.scripts[0])
    assert shown["scenarios"][1]["title"] == EVIL_TITLE
    assert EVIL in json.dumps(shown) and json.loads(parser.scripts[1])
    assert "<title>Protected areas only, Plan &lt;/script&gt;&lt;img" in page


def test_json_escapes_what_could_end_a_script():
    text = as_json({"a": "</script><!-- \u2028 &"})
    assert not set("<>&\u2028") & set(text) and json.loads(text) == {"a": "</script><!-- \u2028 &"}


def test_the_same_runs_give_the_same_page(folders, page, tmp_path):
    assert write_page(folders, tmp_path / "again.html").read_text(encoding="utf-8") == page
    assert [path.name for path in tmp_path.iterdir()] == ["again.html"]


def test_a_small_page(page):
    assert len(page.encode()) < 2_000_000


def test_licences_of_what_is_embedded_are_beside_it():
    names = {path.name for path in (STATIC / "vendor").iterdir()}
    assert {"leaflet.LICENSE", "echarts.LICENSE", "echarts.NOTICE", "fflate.LICENSE"} <= names


# ------------------------------------------------------------------------------------------------------- command line


def test_report_from_the_command_line(folders, tmp_path, capsys):
    path = tmp_path / "deep" / "page.html"
    assert main(["report", *map(str, folders), "--out", str(path), "--title", "A title"]) == 0
    assert f"report: {path} (" in capsys.readouterr().out
    assert "<title>A title</title>" in path.read_text(encoding="utf-8")


def test_a_folder_of_runs_stands_for_its_runs(folders):
    assert sorted(find_runs([folders[0].parent])) == sorted(folders)
    (folders[0].parent / "comparison.csv").write_text("measure,unit,pa_only,pa_oecm\n")
    assert [path.name for path in find_runs([folders[0].parent])] == ["pa_only", "pa_oecm"]
    assert find_runs([folders[1], folders[1]]) == [folders[1]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "summary.json").unlink(), "not a run folder"),
        (lambda folder: (folder / "summary.json").write_text("{"), "damaged or not that of a run"),
        (
            lambda folder: (folder / "summary.json").write_text('{"inputs": {"key": "1"}}'),
            "summary.json: name is missing",
        ),
        (lambda folder: (folder / MAPS).write_bytes(b"x"), "maps.npz: damaged"),
    ],
)
def test_bad_runs_are_one_clear_line(tmp_path, capsys, change, message):
    (folder,) = [run_of("pa_only", landscape_of(zones=ZONES["pa_only"])).save(tmp_path / "pa_only")]
    change(folder)
    assert main(["report", str(folder), "--out", str(tmp_path / "page.html")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message in lines[0] and str(folder) in lines[0]
    assert not (tmp_path / "page.html").exists()


def test_the_same_name_twice_and_a_folder_as_the_page(folders, tmp_path, capsys):
    twin = tmp_path / "twin"
    run_of("pa_only", landscape_of(zones=ZONES["pa_only"])).save(twin)
    assert main(["report", str(folders[0]), str(twin), "--out", str(tmp_path / "p.html")]) == 2
    assert "two runs are called 'pa_only'" in capsys.readouterr().err
    assert main(["report", str(folders[0]), "--out", str(tmp_path)]) == 2
    assert "is a folder; name a file" in capsys.readouterr().err


def test_a_run_without_maps_or_tables_is_still_shown(tmp_path):
    folder = run_of("pa_only", landscape_of("nowhere", ZONES["pa_only"])).save(tmp_path / "pa_only")
    (folder / MAPS).unlink()
    (folder / "tables" / "index.json").unlink()
    for name in ("log.txt", "progress.csv", "scenario.toml"):
        (folder / name).unlink()
    shown, _ = content(read_runs([folder]))
    assert shown["frames"] == [] and shown["scenarios"][0]["tables_lost"] and shown["scenarios"][0]["progress"] == []
    assert write_page([folder], tmp_path / "page.html").stat().st_size > 500_000


def test_layer_record_is_plain():
    layer = MapLayer("a", "plan", "a", np.zeros(3, np.uint8), names=("x",))
    assert np.isnan(layer.numbers()).all()


def test_a_run_with_masked_features_shows_only_what_may_be_shown(tmp_path):
    plain = {
        "name": "masked",
        "landscape": {"format": "synthetic"},
        "targets": {"relative": 0.3},
        "solver": {"kind": "highs", "gap": 0.0},
        "output": {"mask": {"names": ["bird"]}},
    }
    folder = run(parse(plain), landscape=landscape_of(zones=ZONES["pa_only"])).save(tmp_path / "masked")
    page = write_page([folder], tmp_path / "page.html").read_text(encoding="utf-8")
    shown = json.loads(seen(page).scripts[0])
    names = {row[1] for table in shown["tables"] if table["name"] == "features" for row in table["rows"]}
    assert shown["frames"] == [] and names == {"masked_1", EVIL, "water"}
    assert shown["scenarios"][0]["masked"] and shown["scenarios"][0]["toml"] == shown["scenarios"][0]["log"] == ""
    full = write_page([folder], tmp_path / "full.html", unmasked=True).read_text(encoding="utf-8")
    assert len(json.loads(seen(full).scripts[0])["frames"]) == 1


# --------------------------------------------------------------------------------------------------------- notebooks


def test_what_a_notebook_shows_is_escaped_and_true(tmp_path):
    landscape = landscape_of()
    done = run_of("pa_oecm", landscape, EVIL_TITLE)
    for item in (landscape, done, done.scenario):
        text = item._repr_html_()
        parser = seen(text)
        assert {tag for tag, _ in parser.tags} <= {"table", "caption", "tr", "th", "td", "details", "summary", "pre"}
        assert "<table>" in text
    assert f"{done.summary['targets_met']} of 3" in done._repr_html_()
    assert f"{landscape.shape[0]:,}, {4 * landscape.shape[0]:,} km²" in landscape._repr_html_()
    figure = done.plot(tmp_path / "map.png")
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert (tmp_path / "map.png").stat().st_size > 10_000 and len(figure.axes) >= 1
