"""Output that cannot be written: told before the solve if that can be known, else in one line; never half-written."""

from __future__ import annotations

import errno
import json
import math
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from desk import Desk, contents, told

import prioritize.runner
from prioritize.certificate import read_certificate
from prioritize.cli import main
from prioritize.errors import DataError
from prioritize.output import as_json, blaming, drafted, guard_path
from prioritize.registry import family
from prioritize.summary import damage, file_digest, read_summary

RUN = ("run", "small.toml")
FULL = "could not be written: File too large (disk full?); nothing of it was kept; make room, or choose another place"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may become larger than this: what a full disk or a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("size", [100, 1500, 5000, 20_000])
@pytest.mark.parametrize("kind", ["raster", "vector", "marxan"])
def test_a_full_disk(
    kind: str, size: int, desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is kept where there is room for it, with what else there is room for; nothing is half-written."""
    if kind == "vector":
        desk.polygons()
        desk.vector()
    if kind == "marxan":
        desk.marxan()
        desk.project()
    before = contents(desk.folder)
    save = prioritize.runner.save_run

    def limited(*arguments: object) -> object:
        with largest_file(size):
            return save(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(prioritize.runner, "save_run", limited)
    code, folder = main(RUN), desk.folder / "runs/small"
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error", "caution"))]
    new = {path for path in contents(desk.folder) if path not in before and path.is_file()}
    if code == 0:
        summary = json.loads((folder / "summary.json").read_text())
        files = summary["digests"]["files"]
        assert {folder / name for name in files} | {folder / "summary.json"} == new
        assert all(file_digest(folder / name) == digest for name, digest in files.items())
        assert "certificate.npz" in files and any(name.startswith("selection.") for name in files)
        assert all(name in " ".join(lines) for name in summary["missing"]) and bool(summary["missing"]) == bool(lines)
    else:
        assert code == 2 and len(lines) == 1
        kept = {path for path in new if path.parent.name.startswith("small.kept")}
        assert new == kept and bool(kept) == ("are kept in" in lines[0]) != (FULL in lines[0])
        assert not kept or {"scenario.toml", "certificate.npz"} < {path.name for path in kept}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
@pytest.mark.parametrize("size", [4, 12, 24, 40, 56, 80])
@pytest.mark.parametrize("kind", ["raster", "vector"])
def test_a_small_disk(kind: str, size: int, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """A disk of so many kB: a run that says what is missing, or the answer kept in the folder for temporary files."""
    if kind == "vector":
        desk.polygons()
        desk.vector()
    disk = desk.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        code = main(["run", "small.toml", "--out", "disk/small"])
        lines = capsys.readouterr().err.splitlines()
        if code == 0:
            assert damage(disk / "small", read_summary(disk / "small")) == []
            assert {path.name for path in disk.iterdir()} == {"small"}
        else:
            place = next(line for line in lines if line.startswith("error")).partition("are kept in ")[2].split(";")[0]
            assert read_certificate(Path(place)) is not None and list(Path(place).glob("selection.*"))
        assert not [path for path in disk.rglob(".*")]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_keeps_the_older_run(desk: Desk) -> None:
    folder = prioritize.runner.run("small.toml").save("runs/small")
    before = contents(folder)
    done = prioritize.runner.run("small.toml", {"targets.relative": 0.6})
    with largest_file(300), pytest.raises(DataError, match="runs/small: could not be written"):
        done.save("runs/small")
    assert contents(folder) == before
    assert [path for path in folder.parent.iterdir() if path.suffix != ".kept"] == [folder]


# --- what fails after the solve ----------------------------------------------------------------------------------


def broken(*_: object, **__: object) -> Any:
    raise MemoryError("of 3 TiB")


@pytest.mark.parametrize(
    ("place", "name", "missing"),
    [
        ("prioritize.runfolder.write_map_layers", "maps.npz", {"maps.npz"}),
        ("prioritize.maplayers.patch_area", "maps.npz: patch size", set()),
        ("prioritize.runfolder.write_tables", "tables", {"tables"}),
        ("prioritize.write.raster_style", "selection.qml", {"selection.qml"}),
        ("pandas.DataFrame.to_parquet", "evaluation.parquet", {"evaluation.parquet"}),
        ("prioritize.runfolder.write_parts", "tables and maps", {"tables", "maps.npz", "log.txt"}),
        ("prioritize.runfolder.write_shared", "shared", {"shared"}),
    ],
)
def test_a_part_that_fails_costs_itself_alone(
    place: str, name: str, missing: set[str], desk: Desk, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    desk.scenario(output={"mask": {"names": ["owl"]}})
    with monkeypatch.context() as patch:
        patch.setattr(place, broken)
        assert main(RUN) == 0
    line = f"caution: {name} is missing: MemoryError: of 3 TiB"
    assert next(t for t in capsys.readouterr().err.splitlines() if t.startswith("caution: ")).startswith(line)
    folder = desk.folder / "runs/small"
    summary = json.loads((folder / "summary.json").read_text())
    assert not any((folder / part).exists() for part in missing)
    assert missing <= set(summary["missing"])
    assert damage(folder, summary) == []
    if "log.txt" not in missing:
        assert name in summary["missing"] and "raise MemoryError" in (folder / "log.txt").read_text()
    # a file that is not there is not verified, whoever says why: it may have been taken out
    assert main(["verify", str(folder)]) == 1
    assert main(["report", str(folder)]) == 0


def test_a_table_that_fails_costs_itself_alone(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that cannot be made, and one that cannot be written; a comparison has the others, too."""
    makers = family("tables")
    monkeypatch.setitem(makers, "features", broken)
    written = pd.DataFrame.to_csv

    def write(self: pd.DataFrame, path: Any = None, **options: Any) -> Any:
        if str(path).endswith("costs.csv"):
            Path(path).write_text("half")
            raise OSError(28, "No space left on device")
        return written(self, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_csv", write)
        assert main(RUN) == 0
    told = [text for text in capsys.readouterr().err.splitlines() if text.startswith("caution: ")]
    assert [text.split(" is missing: ")[0] for text in told] == [
        "caution: tables/features.csv", "caution: tables/costs.csv"
    ]  # fmt: skip
    assert "No space left on device (disk full?)" in told[1]
    tables = {path.name for path in (desk.folder / "runs/small/tables").iterdir()}
    assert {"coverage.csv", "index.json", "marginal_cost.csv"} < tables and not {"costs.csv", "features.csv"} & tables
    index = json.loads((desk.folder / "runs/small/tables/index.json").read_text())
    assert {f"{item['name']}.csv" for item in index} | {"index.json"} == tables
    desk.scenario("other.toml", name="other", targets__relative=0.5)
    assert main(["compare", "small.toml", "other.toml", "--out", "both"]) == 0
    assert "caution: other: tables/features.csv is missing: MemoryError" in capsys.readouterr().err


def test_a_map_or_page_that_fails_leaves_the_comparison(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["compare", "small.toml", "--out", "both"]) == 0
    assert (desk.folder / "both/maps.png").exists()
    monkeypatch.setattr("prioritize.report.figures.side_by_side", broken)
    monkeypatch.setattr("prioritize.report.page.write_page", broken)
    capsys.readouterr()
    assert main(["compare", "small.toml", "--out", "both", "--report"]) == 0
    assert [text for text in capsys.readouterr().err.splitlines() if text.startswith("caution: ")] == [
        "caution: both/maps.png is missing: MemoryError: of 3 TiB",
        "caution: both/report.html is missing: MemoryError: of 3 TiB",
    ]
    names = {path.name for path in (desk.folder / "both").iterdir()}
    assert names == {"small", "comparison.csv", "comparison.md", "overlap.csv", "tables"}


def test_numbers_that_json_does_not_know() -> None:
    odd = {"a": [math.nan, -math.inf, 1.5, np.float32(2), np.float64("inf")], "b": {"c": (np.int64(3), True, None)}}
    assert json.loads(as_json(odd)) == {"a": [None, None, 1.5, 2.0, None], "b": {"c": [3, True, None]}}


def test_no_other_writer_of_json() -> None:
    """Of files; what is hashed, printed or read is not one."""
    allowed = {"output.py", "runner.py", "summary.py", "equalise.py", "schema.py", "inputs.py"}
    package = Path(prioritize.runner.__file__).parent
    users = {path.name for path in package.rglob("*.py") if "json.dump" in path.read_text(encoding="utf-8")}
    assert users <= allowed


def test_a_bound_of_minus_infinity_is_null(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prioritize.solve.proven_bound", lambda *_: -math.inf)
    assert main(RUN) == 0
    assert json.loads((desk.folder / "runs/small/summary.json").read_text())["certified_bound"] is None


@pytest.mark.parametrize("module", ["pyogrio.errors", "rasterio._err"])
def test_what_gdal_says_of_a_full_disk(module: str, tmp_path: Path) -> None:
    """Its errors are none of the operating system's."""
    failed = type("Failed", (RuntimeError,), {"__module__": module})
    line = r"plan: could not be written: no commit \(disk full\?\)"
    with pytest.raises(DataError, match=line), drafted(tmp_path / "a/plan"):
        raise failed("no commit")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_fault_of_the_output_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), blaming(tmp_path / "plan", tmp_path / "draft"):
        raise PermissionError(errno.EACCES, "Permission denied", "cost.tif")
    with pytest.raises(ValueError, match="of our own"), drafted(tmp_path / "plan"):
        raise ValueError("of our own")


@pytest.mark.parametrize("place", ["/proc/xx", "/proc/xx/yy"])
@pytest.mark.parametrize("command", ["run", "compare"])
def test_told_before_the_solve(command: str, place: str, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(desk.folder)
    assert main([command, "small.toml", "--out", place]) == 2
    folder = place if command == "run" else f"{place}/small"
    line = f"error: {folder}: cannot be written: No such file or directory; choose another folder with --out"
    assert capsys.readouterr().err.splitlines()[-1] == line
    assert contents(desk.folder) == before


def test_not_even_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def solved(*_: object, **__: object) -> None:
        raise AssertionError("solved for nothing")

    monkeypatch.setattr(prioritize.runner, "load_landscape", solved)
    assert main(["run", "small.toml", "--out", "/proc/xx"]) == 2


def test_a_name_that_is_too_long_for_a_folder(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    name = "a" * 300
    desk.scenario(name=name)
    before = contents(desk.folder)
    assert told(desk, RUN, capsys) == [
        f"runs/{name}: cannot be written: File name too long; choose another folder with --out"
    ]
    assert contents(desk.folder) == before


def test_the_longest_name_is_written(desk: Desk) -> None:
    """Temporary folders must not have longer names than the folder itself; twice, for the second replaces the first."""
    for _ in range(2):
        assert main(["run", "small.toml", "--out", "b" * 255]) == 0
    assert (desk.folder / ("b" * 255) / "summary.json").exists()


def test_the_guard_leaves_nothing(tmp_path: Path) -> None:
    guard_path(tmp_path / "a/b/c")
    assert list(tmp_path.iterdir()) == []
