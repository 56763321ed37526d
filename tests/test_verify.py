"""Any prices in their box prove a bound, and a tampered run is refused."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
from shapely import box

from prioritize.certificate import multipliers_digest, read_certificate, write_certificate
from prioritize.cli import main
from prioritize.engine.dual import Multipliers
from prioritize.inputs import file_digest
from prioritize.summary import damage, summary_digest

# ---------------------------------------------------------------------------- tampering


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario on files with its run, made once."""
    folder = tmp_path_factory.mktemp("made")
    assert main(["new", str(folder / "mine")]) == 0
    scenario = folder / "mine" / "scenario.toml"
    scenario.write_text(
        scenario.read_text() + '\n[[penalties]]\nkind = "boundary"\nweight = 0.01\n'  # prices for edges too
    )
    assert main(["run", str(scenario), "--out", str(folder / "run"), "--set", "solver.gap=0.03"]) == 0
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def verdict(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["verify", str(folder / "run")])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_an_honest_run_is_verified(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = verdict(copy, capsys)
    assert code == 0 and text.startswith("certified: meets 38 of 38 targets; cost ")
    assert "of the best possible" in text


def edit_band(path: Path, change) -> None:
    import rasterio

    with rasterio.open(path) as file:
        profile, data = file.profile, file.read()
        tags, names = file.tags(1), file.descriptions
    change(data)
    profile.update(driver="GTiff")
    for key in ("blockxsize", "blockysize", "tiled", "interleave"):
        profile.pop(key, None)
    with rasterio.open(path, "w", **profile) as file:
        file.write(data)
        file.update_tags(1, **tags)
        for band, name in enumerate(names, start=1):
            file.set_band_description(band, name or "")


def test_one_flipped_unit(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def flip(data: np.ndarray) -> None:
        row, column = np.argwhere(data[0] == 0)[7]
        data[0, row, column] = 1

    edit_band(copy / "run" / "selection.tif", flip)
    code, text = verdict(copy, capsys)
    assert code == 1 and "a unit was changed" in text and "the run claims" in text


def test_one_changed_cost(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def dearer(data: np.ndarray) -> None:
        row, column = np.argwhere(data[0] > 0)[11]
        data[0, row, column] *= 1.001

    edit_band(copy / "mine" / "cost.tif", dearer)
    code, text = verdict(copy, capsys)
    assert code == 1 and "cost.tif is not what it was when the run was made" in text


def test_one_changed_multiplier(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = read_certificate(copy / "run")
    assert kept is not None
    rows = kept.rows.copy()
    rows[int(np.argmax(np.abs(rows)))] *= 1 + 1e-9
    write_certificate(copy / "run", Multipliers(rows, kept.flows))
    code, text = verdict(copy, capsys)
    assert code == 1 and "a multiplier was changed" in text


@pytest.mark.parametrize("name", ["certificate.npz", "selection.tif", "summary.json", "scenario.toml"])
def test_a_truncated_file(copy: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    path = copy / "run" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code, text = verdict(copy, capsys)
    assert code == 1 and "error: " in text and "Traceback" not in text


def test_another_landscape(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = copy / "run" / "scenario.toml"
    scenario.write_text(scenario.read_text().replace("mine/cost.tif", "mine/protected.tif"))
    code, text = verdict(copy, capsys)
    assert code == 1 and "error: " in text


def test_a_better_claim_than_the_certificate_proves(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy / "run" / "summary.json"
    summary = json.loads(path.read_text())
    summary["certified_bound"] = summary["objective"]
    path.write_text(json.dumps(summary))
    code, text = verdict(copy, capsys)
    assert code == 1 and "the run claims" in text


def test_a_bound_beyond_the_objective(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy / "run" / "summary.json"
    summary = json.loads(path.read_text())
    summary["bound"] = 1.02 * summary["objective"]
    path.write_text(json.dumps(summary))
    code, text = verdict(copy, capsys)
    assert code == 1 and "better than its own objective" in text


def claims(folder: Path, **changes: Any) -> None:
    """Change what a run claims, and the digest of the summary, as a forger would; `json` writes NaN, too."""
    path = folder / "run" / "summary.json"
    summary = {**json.loads(path.read_text()), **changes}
    if isinstance(summary["digests"], dict):
        summary["digests"]["summary"] = summary_digest(summary)
    path.write_text(json.dumps(summary))


def rewritten(folder: Path, name: str) -> None:
    """Make the digest of a changed file right again, as a forger would."""
    run = folder / "run"
    digests = json.loads((run / "summary.json").read_text())["digests"]
    claims(folder, digests={**digests, "files": {**digests["files"], name: file_digest(run / name)}})


def summary_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run" / "summary.json").read_text())


def refused(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code, text = verdict(folder, capsys)
    assert code == 1 and all(word in text for word in words), text
    assert "error: " in text and not text.startswith(("certified", "claimed"))
    return text


@pytest.mark.parametrize("forged", [False, True])
def test_a_lost_certificate(forged: bool, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lost, and lost by somebody who takes it out of the list of files, too."""
    (copy / "run" / "certificate.npz").unlink()
    if forged:
        digests = summary_of(copy)["digests"]
        del digests["files"]["certificate.npz"], digests["multipliers"]
        claims(copy, digests=digests, certified_bound=None)
    told = "no such file, and the run claims a bound" if forged else "no such file, but the run wrote it"
    refused(copy, capsys, f"{copy / 'run' / 'certificate.npz'}: {told}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gap = 0.03", "gap = 0.5"),
        ("seed = 1", "seed = 2"),
        ('name = "', 'name = "x'),
        ("weight = 0.01", "weight = 0.0"),
    ],
)
def test_an_edited_scenario(old: str, new: str, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy / "run" / "scenario.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    refused(copy, capsys, "scenario.toml: not the file that the run wrote")


@pytest.mark.parametrize(("old", "new", "word"), [("seed = 1", "seed = 2", "seed"), ('name = "', 'name = "x', "name")])
def test_an_edited_scenario_and_its_digest(
    old: str, new: str, word: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy / "run" / "scenario.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    rewritten(copy, "scenario.toml")
    refused(copy, capsys, f"the {word} is ")


NAN = math.nan


FALSE: list[Any] = [
    ("cost", 1.0, "the cost is "),
    ("cost", NAN, "the run claims nan"),
    ("cost", "1", "the run claims '1'"),
    ("cost", True, "the run claims True"),
    pytest.param("cost", 10**400, "the cost is ", id="a cost of 401 digits"),
    ("cost_new", None, "the run claims nothing"),
    ("cost_unit", "EUR", "the run claims 'EUR'"),
    ("targets_met", 39, "the targets_met is 38, the run claims 39"),
    ("units_selected", 1, "the units_selected is "),
    ("area_share", {"all": 0.99}, "the area_share.all is "),
    ("area_share", 0.3, "the area_share is "),
    ("terms", {}, "the terms.min_cost is "),
    ("title", "best", "the title is "),
    ("objective", NAN, "the run claims nan"),
    ("objective", "x", "the run claims 'x'"),
    ("objective", None, "the objective is "),
    ("bound", None, "the run claims nothing (bound)"),
    ("bound", NAN, "the run claims nan (bound)"),
    ("bound", math.inf, "better than its own objective"),
    ("bound", -math.inf, "the run claims -inf (bound)"),
    ("bound", "x", "the run claims 'x' (bound)"),
    ("certified_bound", None, "the certified_bound is "),
    ("certified_bound", NAN, "the certified_bound is "),
    ("certified_bound", 0.0, "the certified_bound is "),
    ("gap", 0.0, "the gap is "),
    ("gap", NAN, "the run claims nan"),
    ("gap", None, "the run claims nothing"),
    ("status", "optimal", "the run claims to be 'optimal' with a gap of "),
    ("status", ["optimal"], "the run claims to be ['optimal'] with a gap of "),
    ("proof", "proven to be the best possible", "the proof is "),
    ("bound_by", "tree search", "the bound_by is 'certificate', the run claims 'tree search'"),
]


@pytest.mark.parametrize(("key", "value", "told"), FALSE)
def test_a_false_claim(key: str, value: Any, told: str, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claims(copy, **{key: value})
    refused(copy, capsys, told)


def test_a_bound_equal_to_the_objective(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All that follows from it claimed with it: it is better than the certificate, and no tree search is named."""
    claims(
        copy, bound=summary_of(copy)["objective"], gap=0.0, status="optimal", proof="proven to be the best possible"
    )  # fmt: skip
    refused(copy, capsys, "the bound_by is 'tree search', the run claims 'certificate'")


def test_a_gap_wider_than_what_was_asked(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy / "run" / "scenario.toml"
    path.write_text(path.read_text().replace("gap = 0.03", "gap = 0.0"))
    rewritten(copy, "scenario.toml")
    refused(copy, capsys, "the run claims to be within the gap that was asked for (0 %)")


def test_a_tree_search_proves_more(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What no certificate repeats is said so, and is no fault."""
    shutil.copytree(made / "mine", tmp_path / "mine")
    changes = ["--set", "solver.kind=highs", "--set", "solver.gap=0.05"]
    assert main(["run", str(tmp_path / "mine" / "scenario.toml"), "--out", str(tmp_path / "run"), *changes]) == 0
    assert summary_of(tmp_path)["bound_by"] == "tree search"
    code, text = verdict(tmp_path, capsys)
    assert code == 3 and "certified only within " in text and "the solver's tree search claims " in text
    assert text.index("certified only within ") < text.index("tree search") and "verified" not in text
    claims(tmp_path, bound_by="certificate")
    refused(tmp_path, capsys, "the bound_by is 'tree search', the run claims 'certificate'")


@pytest.mark.parametrize("flow", [1e9, -1.0, NAN])
def test_a_certificate_that_proves_nothing(flow: float, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Flows out of their limits, and every digest and claim made to fit."""
    kept = read_certificate(copy / "run")
    assert kept is not None and len(kept.flows[0])
    wild = Multipliers(kept.rows, tuple(np.full_like(part, flow) for part in kept.flows))
    write_certificate(copy / "run", wild)
    summary = summary_of(copy)
    told = {"gap": 0.0, "status": "optimal", "proof": "proven to be the best possible", "bound_by": "tree search"}
    digests = {**summary["digests"], "multipliers": multipliers_digest(wild)}
    claims(copy, digests=digests, bound=summary["objective"], certified_bound=None, **told)
    rewritten(copy, "certificate.npz")
    refused(copy, capsys, "certificate.npz proves nothing")


def test_prices_too_large_to_add_up(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = read_certificate(copy / "run")
    assert kept is not None
    write_certificate(copy / "run", Multipliers(np.where(kept.rows > 0, 1e308, kept.rows), kept.flows))
    with np.errstate(all="ignore"):
        refused(copy, capsys, "certificate.npz proves nothing")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("digests", {}, "summary.json: no digests of the run's files"),
        ("digests", None, "summary.json: no digests of the run's files"),
        ("digests", {"files": {}}, "summary.json: no digests of the run's files"),
        ("digests", {"selection": "0" * 64, "multipliers": "0" * 64}, "summary.json: no digests of the run's files"),
        ("inputs", [], "summary.json: damaged"),
        ("inputs", ["key"], "summary.json: damaged"),
        ("inputs", None, "summary.json: damaged"),
        ("inputs", {"key": 1}, "cost.tif is not what it was"),
    ],
)
def test_a_summary_of_another_shape(
    key: str, value: Any, told: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claims(copy, **{key: value})
    refused(copy, capsys, told)


@pytest.fixture(scope="module")
def polygons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on polygons: its selection is in two files."""
    folder = tmp_path_factory.mktemp("polygons")
    shapes = [box(k, 0, k + 1, 1) for k in range(6)]
    frame = geopandas.GeoDataFrame({"price": [1, 2, 3, 4, 5, 6], "owl": [1, 0, 2, 0, 1, 3]}, geometry=shapes, crs=32755)
    frame.to_file(folder / "units.gpkg")
    (folder / "s.toml").write_text(
        'name = "s"\n[landscape]\nformat = "vector"\nunits = "units.gpkg"\ncost = "price"\nfeatures = ["owl"]\n'
    )
    assert main(["run", str(folder / "s.toml"), "--out", str(folder / "run")]) == 0
    return folder


@pytest.mark.parametrize("kind", ["made", "polygons"])
def test_every_file_of_a_run(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One byte changed, cut off or gone: a fault by the file's name, whichever it is."""
    shutil.copytree(request.getfixturevalue(kind), tmp_path / "copy")
    run = tmp_path / "copy" / "run"
    files = sorted(path for path in run.rglob("*") if path.is_file() and path.name != "summary.json")
    names = {path.relative_to(run).as_posix() for path in files}
    assert {"scenario.toml", "log.txt", "progress.csv", "maps.npz", "tables/coverage.csv", "evaluation.csv"} <= names
    summary = summary_of(tmp_path / "copy")
    assert set(summary["digests"]["files"]) == names
    assert verdict(tmp_path / "copy", capsys)[0] in (0, 3)
    for path in files:
        whole = path.read_bytes()
        middle = len(whole) // 2
        for damaged in (whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], whole[:-1], None):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            told = "no such file, but the run wrote it" if damaged is None else "not the file that the run wrote"
            assert [fault.startswith(f"{path}: {told}") for fault in damage(run, summary)] == [True]
        path.write_bytes(whole)


def test_what_others_put_beside_a_run_is_theirs(polygons: Path, tmp_path: Path, capsys) -> None:
    """A report, a picture, what a GIS leaves; and a GeoPackage that was opened, not changed."""
    shutil.copytree(polygons, tmp_path / "copy")
    run = tmp_path / "copy" / "run"
    assert main(["report", str(run), "--out", str(run / "report.html")]) == 0
    (run / "selection.gpkg-wal").write_bytes(b"")
    before = (run / "selection.gpkg").read_bytes()
    with closing(sqlite3.connect(run / "selection.gpkg")) as opened:
        for mode in ("WAL", "DELETE"):  # as QGIS does
            opened.execute(f"PRAGMA journal_mode={mode}")
    assert (run / "selection.gpkg").read_bytes() != before
    code, text = verdict(tmp_path / "copy", capsys)
    assert code == 3, text  # six units: HiGHS has it before the prices do
    with closing(sqlite3.connect(run / "selection.gpkg")) as opened, opened:
        opened.execute("UPDATE gpkg_contents SET description = 'better'")
    refused(tmp_path / "copy", capsys, "selection.gpkg: not the file that the run wrote")


@pytest.mark.parametrize("kind", ["highs", "scip", "cp_sat"])
def test_every_solver_leaves_a_certificate(kind: str, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tree search proves nothing that others can check; prices and flows of our own do, with edges too."""
    folder = made / f"run_{kind}"
    changes = ["--set", f"solver.kind={kind}", "--set", "solver.gap=0.3", "--seconds", "20"]
    assert main(["run", str(made / "mine" / "scenario.toml"), "--out", str(folder), *changes]) == 0
    assert (folder / "certificate.npz").exists()
    capsys.readouterr()
    assert main(["verify", str(folder)]) in (0, 3)
    assert "within " in capsys.readouterr().out
