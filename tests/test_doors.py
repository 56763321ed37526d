"""The doors: what may be opened, what is a number, what is written of names, what a fault of our own looks like."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from desk import Desk, contents, told
from fuzz_subjects import SUBJECTS
from hypothesis import given
from hypothesis import strategies as st
from shapely import box

import prioritize.runner
from prioritize import plaintext
from prioritize.cli import FAULT, main
from prioritize.comparison import compare
from prioritize.errors import DataError, one_line
from prioritize.faultlog import state_folder
from prioritize.inputfile import gate, room
from prioritize.record import Record, check_record
from prioritize.scenario import parse
from prioritize.table import Table, read_tables, write_tables

RUN = ("run", "small.toml")


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """What is read for ever fails the test instead of the suite."""

    def late(*_: object) -> None:
        raise TimeoutError("a pipe or device was read")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


# --- what may be opened ---------------------------------------------------------------------------------------------

#: subject, file, command: every reader of every format
READERS = [
    ("raster", "small.toml", "check small.toml"),
    ("raster", "cost.tif", "check small.toml"),
    ("raster", "owl.tif", "check small.toml"),
    ("raster", "realm.tif", "check small.toml"),
    ("raster", "realm.csv", "check small.toml"),
    ("raster", "features.csv", "check small.toml"),
    ("raster", "cost.tif.aux.xml", "check small.toml"),
    ("vector", "units.gpkg", "check gpkg.toml"),
    ("vector", "units.gpkg-wal", "check gpkg.toml"),
    ("vector", "units.shp", "check shp.toml"),
    ("vector", "units.dbf", "check shp.toml"),
    ("vector", "units.parquet", "check parquet.toml"),
    ("vector", "units.geojson", "check geojson.toml"),
    ("vector", "wood.tif", "check gpkg.toml"),
    ("marxan", "input.dat", "check marxan.toml"),
    ("marxan", "input/pu.dat", "check marxan.toml"),
    ("marxan", "input/spec.dat", "check marxan.toml"),
    ("marxan", "input/puvspr.dat", "check marxan.toml"),
    ("marxan", "input/bound.dat", "check marxan.toml"),
    ("zones", "input/zonecost.dat", "check zones.toml"),
    ("circuit", "j.ini", "circuit j.ini"),
    ("circuit", "res.asc", "circuit j.ini"),
    ("circuit", "pairs.txt", "circuit j.ini"),
    ("circuit", "focal.txt", "circuit all.ini"),
    ("circuit", "strengths.txt", "circuit all.ini"),
    ("circuit", "graph.txt", "circuit net.ini"),
    ("corridor", "cores.tif", "corridors res.tif cores.tif"),
    ("nodes", "areas.gpkg", "connectivity areas.gpkg --area-km2 9"),
    ("nodes", "cells.tif", "connectivity cells.tif"),
    ("wdpa", "wdpa.gpkg", "areas clean wdpa.gpkg out.gpkg"),
    ("wdpa", "country.gpkg", "areas clean wdpa.gpkg out.gpkg --within country.gpkg"),
    ("redline", "old.tif", "redline diff old.tif parks.tif"),
    ("redline", "province.csv", "redline delineate red.toml"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["pipe", "device", "loop"])
@pytest.mark.parametrize(("subject", "name", "command"), READERS, ids=[f"{s}-{n}" for s, n, _ in READERS])
def test_only_files_are_opened(
    subject: str, name: str, command: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    SUBJECTS[subject].make(tmp_path)
    path = tmp_path / name
    beside = not path.exists()  # what GDAL opens of itself: a link that leads nowhere is nothing to it
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path.name)
    before = {item for item in tmp_path.rglob("*")}
    code = main(command.split())
    lines = capsys.readouterr().err.splitlines()
    if kind == "loop" and (beside or name.endswith(".csv")) and code == 0:
        return  # not there
    assert code == 2
    errors = [line for line in lines if line.startswith("error: ")]
    assert errors and any(Path(name).stem in line for line in errors), lines
    assert {item for item in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("name", ["summary.json", "scenario.toml", "certificate.npz", "maps.npz", "selection.tif",
                                  "tables/index.json", "tables/coverage.csv", "progress.csv", "log.txt"])  # fmt: skip
@pytest.mark.parametrize("command", ["verify runs/small", "report runs/small", "compare small.toml --out runs"])
def test_only_files_of_a_run_are_opened(name: str, command: str, desk: Desk, capsys: Any) -> None:
    assert main(RUN) == 0
    path = desk.folder / "runs/small" / name
    path.unlink()
    os.mkfifo(path)
    code = main(command.split())
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    if command.startswith("verify"):
        assert code == (2 if name == "summary.json" else 1) and errors
    else:
        assert code == (2 if errors else 0)


@pytest.mark.parametrize("command", ["check small.toml", "corridors cost.tif owl.tif", "redline diff cost.tif owl.tif"])
def test_a_raster_of_terabytes_is_told_by_its_header(command: str, desk: Desk, capsys: Any) -> None:
    with rasterio.open(
        desk.folder / "cost.tif", "w", driver="GTiff", width=2_000_000, height=2_000_000, count=1, dtype="float32",
        sparse_ok="TRUE", tiled=True, blockxsize=16384, blockysize=16384, bigtiff="YES", crs="EPSG:32755",
    ):  # fmt: skip
        pass
    (line,) = told(desk, command.split(), capsys)
    assert line.startswith("cost.tif: ") and "memory" in line and line.count("2,000,000") == 2


def test_sizes(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(bytes(2000))
    assert gate(path, most=2000) == path
    with pytest.raises(DataError, match=r"a.toml: 2 kB is too large for a file of this kind \(1.999 kB at most\)"):
        gate(path, most=1999)
    assert gate(tmp_path / "none") == tmp_path / "none"
    with pytest.raises(DataError, match="takes 1 PB of memory"):
        room(path, 10**15)
    with pytest.raises(DataError, match="a character that no name can hold"):
        gate("a\0b")


# --- what is a number -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("targets.relative", True, "targets.relative must be a number"),
        ("targets.relative", "0.3", "targets.relative must be a number"),
        ("seed", True, "seed must be a whole number"),
        ("seed", "3", "seed must be a whole number"),
        ("seed", 3.5, "seed must be a whole number"),
        ("solver.gap", "0.1", "solver.gap must be a number"),
        ("solver.seconds", True, "solver.seconds must be a number"),
        ("landscape.allow_negative", 1, "landscape.allow_negative must be true or false"),
        ("landscape.allow_negative", "yes", "landscape.allow_negative must be true or false"),
        ("landscape.cost", True, "landscape.cost must be a text or a number"),
        ("zones", {"a": {"cost_factor": "2"}}, "zones.a.cost_factor must be a number"),
        ("zones", {"a": {"contribution": {"owl": True}}}, "zones.a.contribution.owl must be a number"),
        ("constraints", [{"kind": "area", "share": "1"}], "constraints[0].share must be a number"),
        ("constraints", [{"kind": "neighbours", "least": True}], "constraints[0].least must be a whole number"),
        ("constraints", [{"kind": "corridor", "layer": "a", "pairs": []}], "'pairs' is an empty list"),
        ("penalties", [{"kind": "boundary", "weight": False}], "penalties[0].weight must be a number"),
        ("targets.by_feature", {"owl": {"rule": {"x": 1}}}, "rule '{'x': 1}' is unknown"),
        ("name", "a\0b", "name 'a\\x00b' holds a NUL character"),
        ("landscape.features", ["\ud800.tif"], "landscape.features[0] '\\ud800.tif' is not UTF-8"),
    ],
)
def test_types_are_strict(key: str, value: Any, message: str) -> None:
    data: dict[str, Any] = {"name": "a", "landscape": {"format": "raster", "cost": "c.tif", "features": []}}
    *path, last = key.split(".")
    place = data
    for step in path:
        place = place.setdefault(step, {})
    place[last] = value
    with pytest.raises(Exception) as caught:
        parse(data)
    assert message in str(caught.value)


def test_whole_numbers_and_those_of_numpy_are_numbers() -> None:
    solver = {"gap": 0, "seconds": np.float64(3)}
    assert parse({"name": "a", "landscape": {"format": "synthetic"}, "solver": solver, "seed": 3.0}).seed == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = " + "9" * 5000, "a number in it has too many digits"),
        ("a = " + "[" * 5000, "too deep in each other"),
    ],
)
def test_toml_that_python_cannot_read(text: str, message: str, desk: Desk, capsys: Any) -> None:
    desk.text("small.toml", text)
    (line,) = told(desk, RUN, capsys)
    assert line.startswith("small.toml: not valid TOML") and message in line


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (
            {"landscape__realm": ""},
            ["landscape.realm: the name of the raster is empty; name a file, or leave the key out"],
        ),
        ({"landscape__features": [""]}, ["the name of the raster is empty; name a file, or leave the key out"]),
    ],
)
def test_empty_names(change: dict[str, Any], lines: list[str], desk: Desk, capsys: Any) -> None:
    desk.scenario(**change)
    assert told(desk, RUN, capsys) == lines


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_codes_that_are_none(value: float, desk: Desk, capsys: Any) -> None:
    realm = np.ones((3, 4))
    realm[1, 1] = value
    desk.raster("realm.tif", realm)
    (line,) = told(desk, RUN, capsys)
    assert line.startswith("landscape.realm: ") and "is no code; a layer of groups must hold whole numbers" in line


def test_a_realm_that_names_nothing(desk: Desk, capsys: Any) -> None:
    desk.raster("realm.tif", np.zeros((3, 4), np.uint8), nodata=0)
    (line,) = told(desk, RUN, capsys)
    assert "names no planning unit (all NoData or empty)" in line and line.startswith("landscape.realm: ")


def test_a_feature_table_that_is_cut_off(desk: Desk, capsys: Any) -> None:
    """What it says nothing of is not known; a name that is cut off is told."""
    desk.text("features.csv", "name,group,unit,weight\nowl,species,km2,1\nfox")
    desk.scenario(landscape__feature_table="features.csv")
    assert main(RUN) == 0
    assert main(["verify", "runs/small"]) in (0, 3)
    desk.text("features.csv", "name,group,unit,weight\nowl,species,km2,1\n,species,km2,2\n")
    capsys.readouterr()
    assert told(desk, RUN, capsys) == ["features.csv: no name in data row 2; is the file cut off? complete it"]


def test_more_jobs_than_scenarios(desk: Desk) -> None:
    assert main(["compare", "small.toml", "--out", "both", "--jobs", "99999"]) == 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_polygons_without_coordinates(value: float, desk: Desk, capsys: Any) -> None:
    broken = shapely.linearrings([[0, 0], [value, 1], [1, 1], [0, 0]], handle_nan="allow")
    desk.polygons(geometry=[box(0, 0, 1, 1), shapely.Polygon(broken), box(2, 0, 3, 1)])
    desk.vector()
    assert told(desk, RUN, capsys) == [
        "units.gpkg: coordinates that are no numbers (NaN or infinite) in 1 rows (rows 2); draw these polygons anew, "
        "or remove them"
    ]


# --- faults of our own, and warnings --------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [IndexError("index 2"), RecursionError(), MemoryError("14.6 TiB"), KeyError("x"),
                                   OSError("strange"), np.linalg.LinAlgError("singular")])  # fmt: skip
@pytest.mark.parametrize("debug", [False, True])
def test_a_fault_of_our_own(
    error: Exception, debug: bool, desk: Desk, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(prioritize.runner, "run", fail)
    monkeypatch.setenv("PRIORITIZE_DEBUG", "1" if debug else "")
    before = contents(desk.folder)
    assert main(RUN) == FAULT == 70
    err = capsys.readouterr().err
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    said = (
        "out of memory (14.6 TiB)" if isinstance(error, MemoryError) else f"fault of prioritize ({type(error).__name__}"
    )
    assert said in line and line.startswith("error: prioritize run: ")
    log = Path(next(word for word in line.split() if word.endswith(".log")))
    assert log.parent == state_folder()
    assert "test_doors.py" in log.read_text() and "small.toml" in log.read_text()
    assert ("Traceback" in err) == debug
    assert contents(desk.folder) == before
    log.unlink()


def test_warnings_are_kept_off_the_terminal(desk: Desk, capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import logging

    def warn(*_: object, **__: object) -> Any:
        warnings.warn("a word of a library", UserWarning, stacklevel=1)
        logging.getLogger("library").warning("another word")
        raise DataError("told")

    monkeypatch.setattr(prioritize.runner, "run", warn)
    log = state_folder() / "warnings.log"
    log.unlink(missing_ok=True)
    assert main(RUN) == 2
    assert capfd.readouterr().err.splitlines() == ["error: told"]
    kept = log.read_text()
    assert "UserWarning: a word of a library" in kept and "WARNING library: another word" in kept


@given(st.text())
def test_a_fault_is_one_line(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1 and "\x1b" not in line
    line.encode()
    assert one_line(line) == line


# --- what is written of names ---------------------------------------------------------------------------------------

ATTACKS = (
    "=1+1",
    "@SUM(A1)",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "\t=1",
    "＝1",
    "'=1",
    "''@x",
    "'plain",
    "-5",
    "+3.5",
    "-1e3",
    "a,b",
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0")) | st.sampled_from(ATTACKS)


@given(texts)
def test_cells_are_inert_and_come_back(text: str) -> None:
    cell = plaintext.inert(text)
    assert plaintext.bare(cell) == text
    assert not cell or cell[0] not in "=+-@\t\r＝＋－＠" or plaintext.is_number(cell)
    assert plaintext.inert(cell) == cell or cell != text or not cell.startswith("'")


@given(st.lists(texts.filter(lambda text: text.strip() == text and text != ""), min_size=1, max_size=5))
def test_tables_come_back(names: list[str]) -> None:
    import tempfile

    frame = pd.DataFrame({"=name": names, "value": np.arange(len(names)) / 3})
    with tempfile.TemporaryDirectory() as folder:
        write_tables(Path(folder), [Table("t", "T", frame, {"=name": "x", "value": "y"})])
        (back,) = read_tables(Path(folder)) or []
    pd.testing.assert_frame_equal(back.frame, frame, check_dtype=False)


def test_numbers_stay_numbers() -> None:
    frame = pd.DataFrame({"a": [-1.5, 2.0], "b": ["-3", "=3"], "c": [True, False]})
    assert plaintext.csv_text(frame) == "a,b,c\n-1.5,-3,True\n2.0,'=3,False\n"


@pytest.mark.parametrize(
    "attack", ["<img src=x onerror=alert(1)>", "a|b", "[x](javascript:alert(1))", "`x`", "a\nb", "&lt;"]
)
def test_markdown_shows_what_it_is_given(attack: str) -> None:
    shown = plaintext.markdown(attack)
    assert "<" not in shown and "\n" not in shown
    for mark in "|[]`":
        assert shown.count(mark) == shown.count(f"\\{mark}")


def test_a_comparison_is_inert(desk: Desk) -> None:
    """Names of scenarios, zones and features in every file that a spreadsheet or a browser opens."""
    zones = {"=cmd|' /C calc'!A0": {}, "@zone": {"cost_factor": 2.0}}
    desk.raster("=1+1.tif", np.ones((3, 4), np.float32))
    desk.text("realm.csv", "code,name\n1,<img src=x>\n2,+sea\n")
    desk.scenario("a.toml", name="=HYPERLINK(1)", zones=zones, landscape__features=["owl.tif", "=1+1.tif"])
    desk.scenario("b.toml", name="<b>|b", title="@t", zones=zones)
    assert main(["compare", "a.toml", "b.toml", "--out", "both", "--report"]) == 0
    files = sorted((desk.folder / "both").rglob("*.csv"))
    assert len(files) > 20
    for path in files:
        for row in csv.reader(io.StringIO(path.read_text())):
            for cell in row:
                assert not cell or cell[0] not in "=@+-\t\r" or plaintext.is_number(cell), (path, cell)
    markdown = (desk.folder / "both/comparison.md").read_text()
    assert "<" not in markdown
    widths = {line.replace("\\|", "").count("|") for line in markdown.splitlines() if line.startswith("|")}
    assert widths == {4, 7}
    assert main(["verify", "both/=HYPERLINK(1)"]) in (0, 3)
    again = compare(["a.toml", "b.toml"], "both")
    assert again.reused == (True, True)
    names = {name for table in again.tables for name in table.frame.get("feature", pd.Series(dtype=str)).dropna()}
    assert "=1+1" in names and "'=1+1" not in names


def test_our_own_tables_are_read_back(desk: Desk) -> None:
    """A table written by prioritize may be given as a feature table: names are those of the features again."""
    desk.raster("=1+1.tif", np.ones((3, 4), np.float32))
    table = pd.DataFrame({"name": ["=1+1", "owl"], "weight": [2.0, 1.0]})
    plaintext.write_csv(desk.folder / "features.csv", table)
    assert (desk.folder / "features.csv").read_text().splitlines()[1] == "'=1+1,2.0"
    desk.scenario(landscape__features=["owl.tif", "=1+1.tif"], landscape__feature_table="features.csv")
    assert main(RUN) == 0


# --- summary.json ---------------------------------------------------------------------------------------------------


def test_a_summary_is_checked(desk: Desk, capsys: Any) -> None:
    """Each key left out, and of each wrong type: one line that names file and key, or no fault at all."""
    assert main(RUN) == 0
    path = desk.folder / "runs/small/summary.json"
    whole = json.loads(path.read_text())
    check_record(path, whole)
    assert set(whole) == set(Record.model_fields)
    count = 0
    for key in whole:
        for value in (None, "x", -1, 1.5, True, [], {}, {"a": "b"}, [1], "GONE"):
            changed = {name: content for name, content in whole.items() if name != key}
            if value != "GONE":
                changed[key] = value
            path.write_text(json.dumps(changed))
            capsys.readouterr()
            code = main(["report", "runs/small", "--out", "page.html"])
            lines = capsys.readouterr().err.splitlines()
            if code == 0:
                assert lines == []
                continue
            count += 1
            assert code == 2 and len(lines) == 1, (key, value, lines)
            if key != "units":  # that of the map layers
                assert "summary.json" in lines[0] and (key in lines[0] or key == "inputs"), lines
    assert count > 200
