"""Ends a command at each step at which it touches the disk, and looks at what is left.

Run as a program by `test_kills.py`: what takes seconds is imported once, then each case is a fork. A step is an audit
event of Python (a file opened for writing, a folder made, something renamed, linked or removed), so that no step is
forgotten when the code changes, and none is named that is not reached.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import prioritize.runner
from prioritize.cli import main
from prioritize.engine.dual import Multipliers
from prioritize.output import guard_path
from prioritize.program import Program
from prioritize.scratch import OURS, close_all, told
from prioritize.solve import Solution
from prioritize.summary import damage, read_summary

CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "shutil.rmtree")


def everything(program: Program, solver: Any, *, seed: int, reporter: Any) -> Solution:
    """In the place of `solve`: all units, at once, with a certificate that proves little."""
    x = program.upper.reshape(program.units, program.zones) > 0
    objective = program.objective(x.astype(float).ravel())
    prices = Multipliers(np.zeros(len(program.price)), tuple(np.zeros(len(e.weight)) for e in program.edges))
    return Solution(x, objective, 0.0, 1.0, "time_limit", 0.0, "none", prices)


def step(event: str, arguments: tuple[Any, ...], folder: str) -> str | None:
    """What an audit event does to the disk below a folder, or None."""
    if event == "open":
        path, _, flags = arguments
        if not isinstance(path, str | bytes | os.PathLike) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return None
        paths = [path]
    elif event in CHANGES:
        paths = [path for path in arguments if isinstance(path, str | bytes | os.PathLike)]
    else:
        return None
    names = [os.path.abspath(os.fsdecode(path)) for path in paths]
    return f"{event} {' '.join(names)}" if any(name.startswith(folder) for name in names) else None


def child(folder: Path, command: Sequence[str], at: int, number: int, notes: Path) -> None:
    """Run a command; at its step `at` (from 1) it sends itself a signal. Notes every step."""
    steps = 0
    with notes.open("w", encoding="utf-8", buffering=1) as file:

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal steps
            what = step(event, arguments, str(folder))
            if what is not None:
                steps += 1
                file.write(f"{what}\n")
                if steps == at:
                    os.kill(os.getpid(), number)

        place(folder)
        signal.alarm(60)
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(notes.with_suffix(f".{name}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.addaudithook(hook)
        code = 99
        try:
            code = main(list(command))
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        close_all()  # what `atexit` does
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def place(folder: Path) -> None:
    """Work in a folder, with its own folder for temporary files."""
    os.chdir(folder)
    (folder / "temporary").mkdir(exist_ok=True)
    tempfile.tempdir = str(folder / "temporary")


def case(template: Path, room: Path, command: Sequence[str], at: int, number: int) -> dict[str, Any]:
    """One fork in a copy of the template: how it ended, its steps, what it said."""
    folder, notes = room / "case", room / "notes"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    process = os.fork()
    if not process:
        child(folder, command, at, number, notes)
    _, status = os.waitpid(process, 0)
    steps = notes.read_text(encoding="utf-8").splitlines()
    said = notes.with_suffix(".stderr").read_text(encoding="utf-8")
    return {"code": os.waitstatus_to_exitcode(status), "steps": steps, "said": said, "at": at}


def litter(folder: Path) -> list[str]:
    """Names of temporary files and folders, anywhere."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if OURS.fullmatch(path.name) or path.name.startswith(".") or path.suffix == ".tmp"
    ]


def content(folder: Path) -> dict[str, str]:
    """Files of a folder as text; what tells the time is left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes().hex()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("log.txt", "progress.csv", "summary.json")
    }


def state_of_run(folder: Path) -> str:
    """`absent`, `broken: ...`, or which run is there, as its summary and its files say together."""
    if not folder.exists():
        return "absent"
    summary = read_summary(folder)
    if summary is None:
        return "broken: no summary"
    faults = damage(folder, summary)
    if faults or not {"certificate.npz", "scenario.toml"} <= set(summary["digests"]["files"]):
        return f"broken: {faults}"
    return f"{summary['inputs']['key']}{' partly' if summary['missing'] else ''}"


def look_at_run(room: Path, found: dict[str, Any], out: str) -> None:
    """What a run left, before and after the next command's sweep."""
    folder = room / "case"
    place(folder)
    found["left"] = litter(folder)
    found["first"] = state_of_run(folder / out)
    guard_path(Path(out))
    found["litter"], found["state"] = litter(folder), state_of_run(folder / out)
    kept = sorted((folder / out).parent.glob("*.kept"))
    found["kept"] = [sorted(path.name for path in folder.iterdir()) for folder in kept]
    found["told"] = list(told)
    told.clear()


def look_at_comparison(room: Path, found: dict[str, Any], out: str) -> None:
    """What a comparison left: its runs, each by its state, and its own files, before and after the sweep."""
    look_at_files(room, found, out)
    both = room / "case" / out
    found["runs"] = (
        {path.name: state_of_run(path) for path in both.iterdir() if path.name in ("small", "other")}
        if (both.exists())
        else {}
    )
    own = {name: text for name, text in found["content"].items() if name.startswith(out)}
    runs = tuple(f"{out}/{name}/" for name in found["runs"])
    found["content"] = {name: text for name, text in own.items() if not name.startswith(runs)}


def look_at_files(room: Path, found: dict[str, Any], out: str) -> None:
    """What a command left in a folder, after the next command's sweep."""
    folder = room / "case"
    place(folder)
    found["left"] = litter(folder)
    guard_path(Path(out))
    found["litter"], found["content"] = litter(folder), content(folder)


def work(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The cases of a request: one that is not disturbed, then one for each step that is asked for."""
    template, room = Path(request["template"]), Path(request["room"])
    room.mkdir(parents=True, exist_ok=True)
    look: Callable[[Path, dict[str, Any], str], None] = globals()[request["look"]]
    if request.get("everything", True):
        prioritize.runner.solve = everything  # type: ignore[assignment]
    for command in request.get("first", []):
        process = os.fork()  # here too: a process that has begun threads must not fork
        if not process:
            place(template)
            os._exit(main(command))
        if os.waitpid(process, 0)[1]:
            raise SystemExit(f"{command}: failed")
    whole = case(template, room, request["command"], 0, 0)
    look(room, whole, request["out"])
    found, count = [whole], len(whole["steps"])
    every = max(1, -(-count // request["most"]))
    for at in range(1 + request.get("from", 0) % every, count + 1, every):
        one = case(template, room, request["command"], at, int(request["signal"]))
        look(room, one, request["out"])
        one["steps"] = one["steps"][:at]
        found.append(one)
    return found


if __name__ == "__main__":
    answers = [work(request) for request in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))]
    Path(sys.argv[2]).write_text(json.dumps(answers), encoding="utf-8")
