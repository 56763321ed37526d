"""Output that cannot be written: told before the solve if that can be known, else in one line; never half-written."""

from __future__ import annotations

import errno
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from desk import Desk, contents, told

import prioritize.runner
from prioritize.cli import main
from prioritize.errors import DataError
from prioritize.output import blaming, drafted, guard_path

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


@pytest.mark.parametrize("size", [100, 1500, 5000])
@pytest.mark.parametrize("kind", ["raster", "vector", "marxan"])
def test_a_full_disk(
    kind: str, size: int, desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert told(desk, RUN, capsys) == [f"runs/small: {FULL}"]
    assert contents(desk.folder) == before


def test_a_full_disk_keeps_the_older_run(desk: Desk) -> None:
    folder = prioritize.runner.run("small.toml").save("runs/small")
    before = contents(folder)
    done = prioritize.runner.run("small.toml", {"targets.relative": 0.6})
    with largest_file(1500), pytest.raises(DataError, match="runs/small: could not be written"):
        done.save("runs/small")
    assert contents(folder) == before
    assert list(folder.parent.iterdir()) == [folder]


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
