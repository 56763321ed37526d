"""kill -9, SIGTERM and Ctrl-C at the steps at which a command touches the disk: nothing lost, nothing left about."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
from desk import UTM, Desk
from shapely import box

#: how many steps of each command are tried; `make kills` tries them all
MOST = int(os.environ.get("PRIORITIZE_KILLS", "0"))
KILLS = Path(__file__).with_name("kills.py")
RUN = ["run", "small.toml", "--out", "runs/small"]
OLD = [*RUN, "--set", "targets.relative=0.1"]


def killed(desk: Desk, **request: Any) -> list[dict[str, Any]]:
    """Results of `kills.work`: the whole command first, then one that was ended at each step."""
    return killed_all(desk, [request])[0]


def killed_all(desk: Desk, requests: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Several requests to one process."""
    given = {"template": str(desk.folder), "room": str(desk.folder.parent / f"{desk.folder.name}_cases")}
    for name in ("asked.json", "answer.json"):
        (desk.folder.parent / name).unlink(missing_ok=True)
    question, answer = desk.folder.parent / "asked.json", desk.folder.parent / "answer.json"
    question.write_text(json.dumps([{**given, **request} for request in requests]))
    done = subprocess.run(
        [sys.executable, str(KILLS), str(question), str(answer)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(answer.read_text())


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


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("older", [False, True])
def test_a_run_ended_while_it_writes(number: int, older: bool, desk: Desk) -> None:
    found = killed(
        desk, command=RUN, out="runs/small", look="look_at_run", signal=number, most=max(MOST, 3),
        first=[OLD] if older else [], **{"from": 3 * older + number},
    )  # fmt: skip
    after = checked_runs(found, number, older)
    print(f"{len(found) - 1} steps, {after} of them after the answer")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_comparison_ended_while_it_writes(number: int, desk: Desk) -> None:
    """Runs are whole or absent; comparison.csv stands only beside what belongs to it."""
    desk.scenario("other.toml", name="other", targets__relative=0.5)
    whole, *cases = killed(
        desk, command=["compare", "small.toml", "other.toml", "--out", "both"], out="both", look="look_at_comparison",
        signal=number, most=max(MOST, 3), **{"from": 5},
    )  # fmt: skip
    assert whole["code"] == 0 and set(whole["runs"]) == {"small", "other"} and whole["litter"] == []
    done = 0
    for one in cases:
        where = (one["at"], one["steps"][-1], one["said"])
        assert one["litter"] == [] and (number == signal.SIGKILL or one["left"] == []), where
        assert not any(state.startswith("broken") for state in one["runs"].values()), (one["runs"], where)
        if "both/comparison.csv" in one["content"]:
            names = {name for name in whole["content"] if "/run" not in name}
            assert names <= set(one["content"]), where
        if one["code"] == 130 and one["runs"]:
            assert any(f"both/{name}" in one["said"] for name in one["runs"]), where
            assert "nothing was written" not in one["said"], where
        done += bool(one["runs"])
    assert done


def commands(desk: Desk) -> dict[str, list[list[str]]]:
    """Every other command that writes, the last of each list to be killed; all on files of the desk."""
    ids = np.zeros((3, 4))
    ids[0, 0], ids[2, 3] = 1, 2
    desk.raster("ids.tif", ids.astype(np.float32))
    areas = [box(0, 0, 2000, 2000), box(1000, 0, 3000, 2000), box(8000, 0, 9000, 1000)]
    geopandas.GeoDataFrame(geometry=areas, crs=UTM).to_file(desk.folder / "pa.gpkg")
    geopandas.GeoDataFrame(geometry=[box(0, 0, 20_000, 9000)], crs=UTM).to_file(desk.folder / "land.gpkg")
    table = geopandas.GeoDataFrame(
        {"WDPAID": [1, 2, 3], "NAME": list("abc"), "DESIG_ENG": ["Park"] * 3, "IUCN_CAT": ["II"] * 3,
         "PA_DEF": ["1"] * 3, "STATUS": ["Designated"] * 3, "REP_AREA": [4.0, 4.0, 1.0], "MARINE": ["0"] * 3,
         "STATUS_YR": [2000] * 3, "GOV_TYPE": [""] * 3, "ISO3": ["AUS"] * 3, "WDPA_PID": list("123")},
        geometry=areas, crs=UTM,
    )  # fmt: skip
    table.to_file(desk.folder / "wdpa.gpkg")
    return {
        "start": [["new", "start"]],
        "corridors": [["corridors", "cost.tif", "ids.tif", "--no-pinch", "--out", "corridors"]],
        "circuit": [["circuit", "cost.tif", "--focal", "ids.tif", "--out", "circuit"]],
        "connectivity": [["connectivity", "pa.gpkg", "--regions", "land.gpkg", "--buffer-km", "0", "--out",
                          "connectivity"]],
        "flat": [["areas", "clean", "wdpa.gpkg", "flat/flat.gpkg"]],
        "difference": [["redline", "diff", "pa.gpkg", "land.gpkg", "--out", "difference"]],
        "page": [RUN, ["report", "runs/small", "--out", "page/report.html"]],
    }  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_other_commands_leave_all_or_nothing(number: int, desk: Desk) -> None:
    """Once the next command that writes there has swept."""
    asked = [
        {"command": last, "out": out, "look": "look_at_files", "signal": number, "most": max(MOST, 3), "first": first}
        for out, (*first, last) in commands(desk).items()
    ]
    for request, (whole, *cases) in zip(asked, killed_all(desk, asked), strict=True):
        out = request["out"]
        assert whole["code"] == 0, whole["said"]
        assert whole["litter"] == whole["left"] == []
        after = {name for name in whole["content"] if name.startswith(f"{out}/")}
        assert after and len(cases) >= 2
        for one in cases:
            where = (one["at"], one["steps"][-1], one["said"])
            assert {name for name in one["content"] if name.startswith(f"{out}/")} in (set(), after), where
            assert one["litter"] == [] and (number == signal.SIGKILL or one["left"] == []), where
