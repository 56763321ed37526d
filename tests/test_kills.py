"""kill -9, SIGTERM and Ctrl-C at every step at which a command touches the disk: nothing lost, nothing left about."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from desk import Desk

KILLS = Path(__file__).with_name("kills.py")
RUN = ["run", "small.toml", "--out", "runs/small"]
OLD = [*RUN, "--set", "targets.relative=0.1"]


def killed(desk: Desk, **request: Any) -> list[dict[str, Any]]:
    """Results of `kills.work`: the whole command first, then one that was ended at each step."""
    asked = {"template": str(desk.folder), "room": str(desk.folder.parent / f"{desk.folder.name}_cases"), **request}
    for name in ("asked.json", "answer.json"):
        (desk.folder.parent / name).unlink(missing_ok=True)
    question, answer = desk.folder.parent / "asked.json", desk.folder.parent / "answer.json"
    question.write_text(json.dumps([asked]))
    done = subprocess.run(
        [sys.executable, str(KILLS), str(question), str(answer)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(answer.read_text())[0]


def checked_runs(found: list[dict[str, Any]], number: int, older: bool) -> int:
    """Whether the promises hold at every step; how many steps came after the answer was on disk."""
    whole, *cases = found
    assert whole["code"] == 0 and whole["litter"] == whole["left"] == [] and "partly" not in whole["state"]
    new, after = whole["state"], 0
    answer = next(k for k, what in enumerate(whole["steps"], 1) if what.endswith("/answer"))
    reached = " ".join(" ".join(one["steps"][-1:]) for one in cases)
    for one in cases:
        where = (one["at"], one["steps"][-1], one)
        if number == signal.SIGKILL:
            assert one["code"] == -number, where
        else:
            assert one["code"] in (0, 130) and one["left"] == [], where
            assert one["code"] == 0 or "stopped; " in one["said"], where
        assert one["litter"] == [], where
        assert not one["state"].startswith("broken") and not one["first"].startswith("broken"), where
        assert not older or one["state"] != "absent", where
        if one["at"] > answer:
            after += 1
            there = one["state"].removesuffix(" partly") == new
            names = {name for names in one["kept"] for name in names}
            assert there or {"certificate.npz", "selection.tif", "scenario.toml"} <= names, where
            said = " ".join([*one["told"], one["said"]])
            assert there or "are kept in" in said, where
            # a kept answer is not given twice
            assert not (there and one["kept"]), where
    assert cases and after
    if len(cases) == len(whole["steps"]):  # every step was tried: among them those that matter
        for part in ("certificate.npz", "summary.json", "os.rename", "tables/coverage.csv", "maps.npz", "log.txt"):
            assert part in reached, part
    return after


@pytest.mark.parametrize("older", [False, True])
def test_a_run_killed_while_it_writes(older: bool, desk: Desk) -> None:
    found = killed(
        desk, command=RUN, out="runs/small", look="look_at_run", signal=signal.SIGKILL, most=12,
        first=[OLD] if older else [], **{"from": 3},
    )  # fmt: skip
    checked_runs(found, signal.SIGKILL, older)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_stopped_while_it_writes(number: int, desk: Desk) -> None:
    found = killed(desk, command=RUN, out="runs/small", look="look_at_run", signal=number, most=9, first=[OLD])
    checked_runs(found, number, True)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("older", [False, True])
def test_a_run_ended_at_every_step(number: int, older: bool, desk: Desk) -> None:
    found = killed(
        desk, command=RUN, out="runs/small", look="look_at_run", signal=number, most=10_000,
        first=[OLD] if older else [],
    )  # fmt: skip
    after = checked_runs(found, number, older)
    print(f"{len(found) - 1} steps, {after} of them after the answer")
