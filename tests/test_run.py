"""What a run leaves behind, when it is used again, and what stopping it gives."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import tomli_w
from rasterio.transform import from_origin
from shapely import box
from strategies import grid_graph_3x3

import prioritize.comparison
import prioritize.output
import prioritize.runfolder
import prioritize.runner
from prioritize.certificate import read_certificate
from prioritize.cli import main
from prioritize.comparison import compare, overlaps
from prioritize.errors import DataError, SolveError
from prioritize.evaluate import COLUMNS, evaluate
from prioritize.landscape import Landscape, from_arrays
from prioritize.problem import Problem
from prioritize.progress import Reporter, relative_gap
from prioritize.registry import family
from prioritize.runner import Run, check, run
from prioritize.write import read_selection

# issue 2, "What a user does"
FILES = {"summary.json", "evaluation.parquet", "evaluation.csv", "scenario.toml", "log.txt", "progress.csv", "tables"}
FILES |= {"maps.npz", "certificate.npz"}
KEYS = "name status objective bound gap cost boundary targets_met targets units_selected area_share seconds versions"
KEYS += " inputs seed"
SOLVERS = ("highs", "scip", "cp_sat")


def write(path: Path, values: np.ndarray) -> None:
    values = np.asarray(values, np.float32)
    values = values[None] if values.ndim == 2 else values
    count, height, width = values.shape
    shape = {"count": count, "height": height, "width": width, "dtype": "float32", "crs": "EPSG:32755"}
    with rasterio.open(path, "w", driver="GTiff", transform=from_origin(0, 0, 1000, 1000), **shape) as dataset:
        dataset.write(values)


def rasters(folder: Path, shape: tuple[int, int], features: int) -> None:
    """Cost and feature bands of random numbers: a knapsack that is hard to prove where it is large."""
    rng = np.random.default_rng(5)
    write(folder / "cost.tif", rng.uniform(1, 2, shape))
    write(folder / "features.tif", rng.lognormal(0, 1, (features, *shape)) * (rng.random((features, *shape)) < 0.5))
    write(folder / "realm.tif", np.arange(shape[0])[:, None].repeat(shape[1], 1) > shape[0] // 2)


def scenario(folder: Path, name: str = "small", **tables: Any) -> Path:
    data: dict[str, Any] = {
        "name": name,
        "landscape": {"format": "raster", "cost": "cost.tif", "features": ["features.tif"], "realm": "realm.tif"},
        "solver": {"kind": "highs", "gap": 0.0},
        **tables,
    }
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps(data))
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    rasters(tmp_path, (5, 6), 3)
    return scenario(tmp_path, zones={"protected": {}, "oecm": {"cost_factor": 0.5, "contribution": 0.6}})


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 units, 30 features, no gap allowed: minutes to hours for every solver."""
    folder = tmp_path_factory.mktemp("hard")
    rasters(folder, (20, 20), 30)
    return scenario(folder, "hard")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- the run folder ----------------------------------------------------------------------------------------------


def test_run_folder(small: Path, tmp_path: Path) -> None:
    done = run(small)
    folder = done.save(tmp_path / "runs/deep/small")
    assert {path.name for path in folder.iterdir()} == FILES | {"selection.tif", "selection.qml"}
    assert [path.name for path in folder.parent.iterdir()] == ["small"]

    summary = json.loads((folder / "summary.json").read_text())
    assert set(KEYS.split()) <= set(summary)
    files = summary["digests"].pop("files")
    del summary["digests"]["summary"]
    assert summary == json.loads(json.dumps(done.summary))
    assert files == {
        name: hashlib.sha256(held).hexdigest() for name, held in contents(folder).items() if name != "summary.json"
    }
    assert set(summary["seconds"]) == {"read", "compile", "solve", "evaluate"}
    assert set(summary["inputs"]) == {"key", "cost.tif", "features.tif", "realm.tif"}
    assert set(summary["area_share"]) == {"all", "realm:0", "realm:1"}
    assert summary["status"] == "optimal" and summary["proof"].startswith("certified within ")
    assert summary["proof"].endswith("; the solver's tree search claims 0 %")
    assert summary["targets_met"] == summary["targets"] == 3
    assert summary["units_selected"] == done.selection.any(axis=1).sum()
    assert {"prioritize", "python", "ortools", "numpy"} <= set(summary["versions"])

    table = pd.read_parquet(folder / "evaluation.parquet")
    assert list(table.columns) == COLUMNS == ["metric", "feature", "group", "zone", "value", "unit"]
    assert not table.duplicated(["metric", "feature", "group", "zone"]).any()
    pd.testing.assert_frame_equal(table, done.evaluation)
    text = pd.read_csv(folder / "evaluation.csv", keep_default_na=False, na_values={"value": [""]})
    pd.testing.assert_frame_equal(text, table, check_exact=True, check_dtype=False)

    assert np.array_equal(read_selection(folder, done.landscape), done.selection)
    assert "optimal" in (folder / "log.txt").read_text()
    assert (folder / "progress.csv").read_text().startswith("seconds,incumbent,bound\n")
    assert (folder.stat().st_mode & 0o777) == 0o755


def test_run_folder_of_polygons(tmp_path: Path) -> None:
    shapes = [box(k, 0, k + 1, 1) for k in range(4)]
    frame = geopandas.GeoDataFrame({"price": [1, 2, 3, 4], "owl": [1, 0, 2, 0]}, geometry=shapes, crs="EPSG:32755")
    frame.to_file(tmp_path / "units.gpkg")
    landscape = {"format": "vector", "units": "units.gpkg", "cost": "price", "features": ["owl"]}
    done = run(scenario(tmp_path, landscape=landscape))
    folder = done.save(tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == FILES | {"selection.gpkg", "selection.parquet", "selection.qml"}
    assert geopandas.read_file(folder / "selection.gpkg")["zone"].tolist() == ["protected", "", "", ""]
    assert np.array_equal(read_selection(folder, done.landscape), done.selection)


def test_the_folder_can_be_run_again(small: Path, tmp_path: Path) -> None:
    first = run(small)
    folder = first.save(tmp_path / "elsewhere/a/b")
    again = run(folder / "scenario.toml")
    assert again.inputs == first.inputs
    assert np.array_equal(again.selection, first.selection)


def test_same_bytes_twice(small: Path, tmp_path: Path) -> None:
    one, other = (contents(run(small).save(tmp_path / name / "small")) for name in ("a", "b"))
    assert one.keys() == other.keys()
    # log, summary and progress tell the time
    for name in set(one) - {"log.txt", "summary.json", "progress.csv"}:
        assert one[name] == other[name], name
    first, second = (json.loads(item["summary.json"]) for item in (one, other))
    for summary in (first, second):
        del summary["seconds"], summary["digests"]["files"]["log.txt"], summary["digests"]["files"]["progress.csv"]
        del summary["digests"]["summary"]
    assert first == second


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("broken", ["write_selection", "summarise", "put_in_place"])
@pytest.mark.parametrize("error", [OSError("disk full"), MemoryError("3 TiB"), KeyboardInterrupt()])
def test_the_answer_is_kept_and_the_older_run_is_whole(
    broken: str, error: BaseException, older: bool, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails between the solve and the run folder; an answer that cannot be written is lost alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if older:
        run(small).save(tmp_path / "runs/small")
    before = contents(tmp_path)
    done = run(small, {"targets.relative": 0.6})

    def fail(*_: object) -> None:
        raise error

    module = prioritize.runner if broken == "summarise" else prioritize.runfolder
    kinds = {OSError: DataError, MemoryError: SolveError}
    with monkeypatch.context() as patch, pytest.raises(kinds.get(type(error), KeyboardInterrupt)) as told:
        patch.setattr(module, broken, fail)
        done.save(tmp_path / "runs/small")
    kept = tmp_path / "runs/small.kept"
    if broken == "write_selection":
        assert contents(tmp_path) == before
        return
    assert f"selection and certificate are kept in {kept}" in str(told.value)
    assert {path: text for path, text in contents(tmp_path).items() if not path.startswith("runs/small.kept")} == before
    assert np.array_equal(read_selection(kept, done.landscape), done.selection)
    assert read_certificate(kept) is not None
    assert np.array_equal(run(kept / "scenario.toml").selection, done.selection)


def test_the_older_run_survives_when_the_last_step_fails(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(small)
    done.save(tmp_path / "runs/small")
    before = contents(tmp_path / "runs")
    rename = os.replace

    def refuse(source: Any, target: Any) -> None:
        if Path(target) == tmp_path / "runs/small" and Path(source).name != "run":
            raise OSError("refused")
        rename(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(
        DataError, match="runs/small: could not be written: refused; selection and certificate are kept"
    ):
        done.save(tmp_path / "runs/small")
    assert {path: text for path, text in contents(tmp_path / "runs").items() if "kept" not in path} == before
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["small", "small.kept"]


def test_an_older_run_is_replaced_whole(small: Path, tmp_path: Path) -> None:
    folder = run(small).save(tmp_path / "runs/small")
    (folder / "map.png").write_text("of the older run")
    run(small, {"targets.relative": 0.6}).save(folder)
    assert {path.name for path in folder.iterdir()} == FILES | {"selection.tif", "selection.qml"}
    assert "relative = 0.6" in (folder / "scenario.toml").read_text()
    assert [path.name for path in folder.parent.iterdir()] == ["small"]


# --- used again --------------------------------------------------------------------------------------------------


def test_what_has_not_changed_is_not_solved_twice(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = scenario(tmp_path, "other", targets={"relative": 0.5})
    first = compare([small, other], tmp_path / "both")
    assert first.reused == (False, False)

    solved: list[str] = []
    solve: Callable[..., Run] = prioritize.runner.run

    def counted(item: Any, **options: Any) -> Run:
        solved.append(item.name)
        return solve(item, **options)

    monkeypatch.setattr(prioritize.comparison, "run", counted)
    second = compare([small, other], tmp_path / "both")
    assert second.reused == (True, True) and solved == []
    for summary in second.summaries:
        del summary["digests"]["files"], summary["digests"]["summary"]
    assert second.summaries == tuple(json.loads(json.dumps(item)) for item in first.summaries)
    pd.testing.assert_frame_equal(second.overlap, first.overlap)
    for one, two in zip(first.selections, second.selections, strict=True):
        assert np.array_equal(one, two)

    scenario(tmp_path, "other", targets={"relative": 0.4})  # one scenario changes
    assert compare([small, other], tmp_path / "both").reused == (True, False) and solved == ["other"]
    rasters(tmp_path, (5, 6), 2)  # the content of a file that both use changes
    assert compare([small, other], tmp_path / "both").reused == (False, False)
    assert sorted(solved) == ["other", "other", "small"]
    assert compare([small, other], tmp_path / "both", {"solver.gap": 0.5}).reused == (False, False)


def test_without_a_folder_nothing_is_written(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    result = compare([small])
    assert result.names == ("small",) and len(result.overlap) == 0
    assert contents(tmp_path) == before


# --- stopped early -----------------------------------------------------------------------------------------------


class Impatient(Reporter):
    """Stops as soon as there is a selection and a bound worth the name."""

    def progress(self, incumbent: float, bound: float) -> None:
        super().progress(incumbent, bound)
        if relative_gap(incumbent, bound) < 0.9:
            self.stop.set()


@pytest.mark.parametrize("kind", SOLVERS)
def test_a_stopped_solver_returns_the_best_so_far(kind: str, hard: Path, tmp_path: Path) -> None:
    done = run(hard, {"solver.kind": kind}, reporter=Impatient())
    assert done.solution.status == "interrupted"
    assert 0 < done.solution.gap < 1
    assert done.solution.bound < done.solution.objective
    assert done.summary["targets_met"] == done.summary["targets"] == 30
    assert done.summary["proof"].endswith("(stopped by you)")
    assert json.loads((done.save(tmp_path / "out") / "summary.json").read_text())["status"] == "interrupted"
    # the process that solves is there for the next one
    assert run(hard, {"solver.gap": 0.5}).solution.status in ("within_gap", "optimal")


@pytest.fixture(scope="module")
def known(hard: Path) -> float:
    """The best selection of two solvers at a wide gap."""
    return min(run(hard, {"solver.kind": kind, "solver.gap": 0.05}).solution.objective for kind in ("highs", "scip"))


@pytest.mark.parametrize("kind", SOLVERS)
def test_a_time_limit_returns_the_best_so_far(kind: str, hard: Path, known: float) -> None:
    done = run(hard, {"solver.kind": kind, "solver.seconds": 1.5})
    assert done.solution.status == "time_limit"
    assert done.solution.gap == pytest.approx(1 - done.solution.bound / done.solution.objective)
    assert 0 < done.solution.gap < 0.5
    assert done.summary["targets_met"] == 30
    assert "(stopped by the time limit)" in done.summary["proof"]
    assert done.reporter.seconds["solve"] < 10
    assert done.solution.bound <= known  # no bound may lie above a selection that another solver found


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c(
    presses: int, hard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once: the best selection is kept and written. Twice: nothing is."""
    before = signal.getsignal(signal.SIGINT)
    pressed = 0

    def progress(self: Reporter, incumbent: float, bound: float) -> None:
        nonlocal pressed
        while np.isfinite(incumbent) and pressed < presses:
            pressed += 1
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Reporter, "progress", progress)
    code = main(["run", str(hard), "--out", str(tmp_path / "out")])
    told = capsys.readouterr().err
    assert "stopping: the best selection so far is kept" in told
    assert signal.getsignal(signal.SIGINT) is before
    if presses == 1:
        assert code == 0
        assert json.loads((tmp_path / "out/summary.json").read_text())["status"] == "interrupted"
    else:
        assert code == 130 and "stopped; nothing was written" in told
        assert list(tmp_path.iterdir()) == []


# --- check -------------------------------------------------------------------------------------------------------


def test_check_tells_what_there_is(small: Path) -> None:
    faults, facts = check(small)
    assert faults == []
    assert facts[:2] == ["30 units (0 locked in, 0 locked out), 3 features, 2 zones", "realm: 2 (0, 1)"]
    assert "3 features have a target (relative targets are shares of: units)" in facts
    assert "60 columns, 3 rows" in facts


def test_check_tells_every_fault_and_what_there_is(tmp_path: Path) -> None:
    rasters(tmp_path, (5, 6), 3)
    faults, facts = check(
        scenario(
            tmp_path,
            targets={"rule": "absolute", "absolute": 1e6},
            constraints=[{"kind": "area", "of": "all", "share": 0.5}, {"kind": "area", "of": "all", "max_share": 0.2}],
        )
    )
    # each target is impossible; both quotas are possible one by one
    assert len(faults) == 3 and all("asks for 1000000 amount, only" in fault for fault in faults)
    assert facts[0].startswith("30 units")
    faults, facts = check(
        scenario(
            tmp_path,
            constraints=[{"kind": "area", "of": "sea:*", "share": 0.5}, {"kind": "area", "zones": ["x"], "share": 0.5}],
            penalties=[{"kind": "boundary", "weight": 1.0, "zones": ["y"]}],
        )
    )
    assert [fault.partition(":")[0] for fault in faults] == ["constraints[0]", "constraints[1]", "penalties[0]"]
    assert facts[0].startswith("30 units")


# --- numbers -----------------------------------------------------------------------------------------------------


@pytest.fixture
def land() -> Landscape:
    """Nine units, two zones, three features, every number different."""
    rng = np.random.default_rng(7)
    status = np.zeros((9, 2), np.int8)
    status[2, 0] = status[5, 1] = 1
    status[7] = -1
    return from_arrays(
        rng.uniform(1, 9, (9, 2)),
        rng.uniform(0, 5, (3, 9)) * (rng.random((3, 9)) < 0.7),
        contribution=rng.uniform(0, 1, (3, 2)),
        status=status,
        zones=("protected", "oecm"),
        graph=grid_graph_3x3(),
        groups={"realm": ["land"] * 5 + ["sea"] * 3 + [""]},
        area_km2=rng.uniform(1, 3, 9),
    )


def selections(land: Landscape, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(11)
    found = []
    for _ in range(count):
        choice = rng.integers(-1, 2, 9)
        choice[[2, 5, 7]] = 0, 1, -1
        found.append(np.stack([choice == 0, choice == 1], axis=1))
    return found


def test_evaluation_equals_plain_loops(land: Landscape) -> None:
    target = np.array([3.0, 0.0, 50.0])
    problem = Problem(land, target, np.array([10.0, 10.0, 20.0]), family("objectives")["min_cost"]())
    amount, neighbours = land.amount.toarray(), land.graph
    for chosen in selections(land, 20):
        table = evaluate(problem, chosen).set_index(["metric", "feature", "group", "zone"])["value"]
        taken = [(u, z) for u in range(9) for z in range(2) if chosen[u, z]]
        new = [(u, z) for u, z in taken if land.status[u, z] != 1]
        any_zone = {u for u, _ in taken}
        assert table["cost", "", "", ""] == pytest.approx(sum(land.cost[u, z] for u, z in taken))
        assert table["cost_new", "", "", ""] == pytest.approx(sum(land.cost[u, z] for u, z in new))
        assert table["cost", "", "", "oecm"] == pytest.approx(sum(land.cost[u, 1] for u, z in taken if z == 1))
        assert table["cost", "", "realm:sea", ""] == pytest.approx(
            sum(land.cost[u, z] for u, z in taken if u in (5, 6, 7))
        )
        assert table["units", "", "", ""] == len(any_zone)
        for label, members in {"all": range(9), "realm:land": range(5), "realm:sea": (5, 6, 7)}.items():
            whole = sum(land.area_km2[u] for u in members)
            part = sum(land.area_km2[u] for u in members if u in any_zone)
            before = sum(land.area_km2[u] for u in members if u in (2, 5))
            assert table["area", "", label, ""] == pytest.approx(part)
            assert table["area_share", "", label, ""] == pytest.approx(part / whole)
            assert table["area_share_locked_in", "", label, ""] == pytest.approx(before / whole)
        outline = 0.0
        for u in any_zone:
            outline += neighbours.exposed[u]
            for k in range(neighbours.indptr[u], neighbours.indptr[u + 1]):
                outline += neighbours.weight[k] * (neighbours.indices[k] not in any_zone)
        assert table["boundary", "", "", ""] == pytest.approx(outline)
        met = 0
        for f in range(3):
            name = f"feature_{f + 1}"
            have = sum(amount[f, u] * land.contribution[f, z] for u, z in taken)
            assert table["held", name, "", ""] == pytest.approx(have)
            assert table["held_share", name, "", ""] == pytest.approx(have / problem.denominator[f])
            assert table["held", name, "", "oecm"] == pytest.approx(
                sum(amount[f, u] * land.contribution[f, 1] for u, z in taken if z == 1)
            )
            if target[f] > 0:
                met += have >= target[f]
                assert table["target_met", name, "", ""] == (have >= target[f])
            else:
                assert np.isnan(table["target_met", name, "", ""])
            assert table["shortfall", name, "", ""] == pytest.approx(max(0.0, target[f] - have))
        assert (table["targets_met", "", "", ""], table["targets", "", "", ""]) == (met, 2)


def test_overlaps_equal_sets(land: Landscape) -> None:
    chosen = [*selections(land, 4), np.zeros((9, 2), bool), np.zeros((9, 2), bool)]
    names = list("abcdef")
    table = overlaps(names, [land] * 6, chosen)
    back = overlaps(names[::-1], [land] * 6, chosen[::-1]).set_index(["b", "a"])
    assert list(zip(table["a"], table["b"])) == list(itertools.combinations(names, 2))
    for row in table.itertuples():
        first, second = (set(np.flatnonzero(chosen[names.index(name)].any(axis=1)).tolist()) for name in (row.a, row.b))

        def area(units: set[int]) -> float:
            return sum(land.area_km2[u] for u in units)

        union = area(first | second)
        assert row.jaccard == pytest.approx(area(first & second) / union if union else 1.0)
        assert row.shared_km2 == pytest.approx(area(first & second))
        assert row.only_a_km2 == pytest.approx(area(first - second))
        assert row.only_b_km2 == pytest.approx(area(second - first))
        assert (row.shared_units, row.only_a_units) == (len(first & second), len(first - second))
        assert row.only_b_units == len(second - first)
        other = back.loc[(row.a, row.b)]
        assert other.jaccard == pytest.approx(row.jaccard) and other.shared_km2 == pytest.approx(row.shared_km2)
        assert other.only_a_km2 == pytest.approx(row.only_b_km2) and other.only_b_units == row.only_a_units


def test_other_units_have_no_overlap(land: Landscape) -> None:
    other = replace(land, unit_id=land.unit_id + 1)
    chosen = selections(land, 2)
    assert len(overlaps(["a", "b"], [land, other], chosen)) == 0
