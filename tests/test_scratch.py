"""Temporary folders: those of the living and of others stay, those of the dead go; what was whole is not lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from desk import Desk

import prioritize.comparison
from prioritize.cli import main
from prioritize.errors import DataError, SolveError, Stopped
from prioritize.output import drafted, gathered, guard_path
from prioritize.progress import Reporter
from prioritize.scratch import OURS, finish, scratch, sweep, told

HOLD = """
import sys, time
from pathlib import Path
from prioritize.scratch import scratch
with scratch(Path(sys.argv[1]), sys.argv[2]) as room:
    (room / "half").write_text("half")
    print(room, flush=True)
    time.sleep(600)
"""


@contextmanager
def held(place: Path, prefix: str = ".") -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has a folder open."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", HOLD, str(place), prefix]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()


def test_the_living_stay_and_the_dead_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, temporary = tmp_path / "runs", tmp_path / "temporary"
    for folder in (place, temporary):
        folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with held(place) as (first, room), held(temporary, "") as (second, other):
        assert OURS.fullmatch(room.name) and OURS.fullmatch(other.name)
        guard_path(place / "small")
        assert (room / "half").exists() and (other / "half").exists()
        for process in (first, second):
            process.send_signal(signal.SIGKILL)
            process.wait()
        guard_path(place / "small")  # what every command that writes asks first
        assert not room.exists() and not other.exists()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    names = [
        ".prioritize-notes",
        "prioritize-2024",
        ".prioritize-12-backup",
        ".prioritize-1-0123456789",
        "prioritize-1",
    ]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".prioritize-1-01234567").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".prioritize-1-01234568").write_text("a file")
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *names, "elsewhere", ".prioritize-1-01234567", ".prioritize-1-01234568"
    }  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user")
def test_what_is_another_users_stays(tmp_path: Path) -> None:
    room = tmp_path / ".prioritize-1-01234567"
    room.mkdir()
    os.chown(room, 12345, 12345)
    sweep(tmp_path)
    assert room.exists()
    os.chown(room, 0, 0)
    sweep(tmp_path)
    assert not room.exists()


def test_ones_own_stay_too(tmp_path: Path) -> None:
    with scratch(tmp_path) as one, scratch(tmp_path) as other:
        sweep(tmp_path)
        assert one.exists() and other.exists()
    assert list(tmp_path.iterdir()) == []


def left(place: Path, target: Path, *marks: str, **folders: str) -> None:
    """What a dead process leaves in the middle of a replacement or a move."""
    room = place / ".prioritize-1-01234567"
    room.mkdir()
    (room / "target").write_text(str(target))
    for mark in marks:
        (room / mark).touch()
    for name, text in folders.items():
        (room / name).mkdir()
        (room / name / "text").write_text(text)


def test_a_replacement_cut_off_in_the_middle_is_finished(tmp_path: Path) -> None:
    left(tmp_path, tmp_path / "small", new="new", run="old")
    sweep(tmp_path)
    assert (tmp_path / "small/text").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_an_older_folder_goes_back_where_there_is_no_newer(tmp_path: Path) -> None:
    left(tmp_path, tmp_path / "small", run="old")
    sweep(tmp_path)
    assert (tmp_path / "small/text").read_text() == "old"


def test_an_answer_of_the_dead_is_kept_and_told(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    (desk.folder / "runs").mkdir()
    for k in ("", "-2"):
        left(desk.folder / "runs", desk.folder / "runs/small", "answer", new=f"answer{k}")
        assert main(["run", "small.toml"]) == 0
        kept = desk.folder / f"runs/small.kept{k}"
        assert (kept / "text").read_text() == f"answer{k}"
        assert f"caution: of a run that was stopped, selection and certificate are kept in {kept}" in (
            capsys.readouterr().err
        )
    assert told == []


def test_a_move_cut_off_in_the_middle_goes_on(tmp_path: Path) -> None:
    left(tmp_path, tmp_path, "moving", new="new")
    sweep(tmp_path)
    assert (tmp_path / "text").read_text() == "new" and len(list(tmp_path.iterdir())) == 1


def test_ctrl_c_in_the_middle_of_a_move_comes_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, calls = os.replace, []

    def replace(source: Path, target: Path) -> None:
        rename(source, target)
        calls.append(target)
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt, match="is written"), gathered(tmp_path / "out", "a") as draft:
        for name in "abc":
            (draft / name).write_text(name)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "b", "c"]


def test_what_is_being_removed_is_put_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends while a thread writes: the folder of the thread is half-removed when it is renamed."""
    remove, half, over = shutil.rmtree, threading.Event(), threading.Event()

    def slowly(room: Path, ignore_errors: bool = False) -> None:
        if not half.is_set():
            (room / "new/summary.json").unlink()
            half.set()
            assert over.wait(10)
        remove(room, ignore_errors)

    said: list[str] = []

    def write() -> None:
        try:
            with drafted(tmp_path / "run") as draft:
                rooms.append(draft.parent)
                for name in ("summary.json", "table.csv"):
                    (draft / name).write_text(name)
                begun.set()
                assert half.wait(10)
        except DataError as error:
            said.append(str(error))
        over.set()

    rooms: list[Path] = []
    begun = threading.Event()
    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(10)
    monkeypatch.setattr(shutil, "rmtree", slowly)
    finish(rooms[0])
    thread.join()
    assert not (tmp_path / "run").exists() and len(said) == 1


# --- stopped -----------------------------------------------------------------------------------------------------


def test_stopped_before_there_is_an_answer(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first Ctrl-C, or SIGTERM: the solver has nothing yet."""

    def solve(*_: object, reporter: Reporter, **__: object) -> None:
        signal.raise_signal(number)
        assert reporter.stop.is_set()
        raise SolveError("highs found no selection")

    monkeypatch.setattr("prioritize.runner.solve", solve)
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        assert main(["run", "small.toml"]) == 130
        assert signal.getsignal(number) is handler
        err = capsys.readouterr().err
        assert "stopped; no selection that meets every hard row was found before that" in err and "error" not in err
        assert not (desk.folder / "runs").exists()


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Stopped("it was not begun"), SolveError("out of memory")])
def test_a_comparison_that_ends_early_says_which_runs_stay(
    stop: BaseException, desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.scenario("other.toml", name="other", targets__relative=0.5)
    command = ["compare", "small.toml", "other.toml", "--out", "both", "--jobs", "1"]
    run = prioritize.comparison.run

    def second(scenario: object, **options: object) -> object:
        if scenario.name == "other":  # type: ignore[attr-defined]
            raise stop
        return run(scenario, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(prioritize.comparison, "run", second)
        assert main(command) == (2 if isinstance(stop, SolveError) else 130)
    err = capsys.readouterr().err
    assert "finished runs stay, and the next call takes them as they are: both/small" in err
    assert "nothing was written" not in err
    assert [path.name for path in (desk.folder / "both").iterdir()] == ["small"]
    assert main(command) == 0
    out = capsys.readouterr().out.replace("\n", " ")
    assert out.count("(reused: nothing changed)") == 1 and (desk.folder / "both/comparison.csv").exists()


@pytest.mark.parametrize("by", ["area", "cost"])
def test_landscapes_that_cannot_be_equal_leave_nothing(by: str, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.scenario("other.toml", name="other", landscape__cost_unit="dollars")
    if by == "area":
        data = (desk.folder / "other.toml").read_text()
        desk.text("other.toml", "\n".join(line for line in data.splitlines() if not line.startswith("realm")))
    assert main(["compare", "small.toml", "other.toml", "--equalise", by, "--out", "both"]) == 2
    assert f"error: equal {by}: " in capsys.readouterr().err
    assert not (desk.folder / "both").exists()
