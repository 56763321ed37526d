"""The benchmark tool: its cases, the files it writes for other tools, its arithmetic, and one small run of it all."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import bench_engine, measure, reference, report
from benchmarks.cases import CASES, Asked, side_of
from benchmarks.landscapes import blobs, downstream, near_graph, voronoi_graph
from benchmarks.rivals import Marxan, Prioritizr, Unsayable, tabulate
from prioritize.problem import compile_problem
from prioritize.program import Program
from prioritize.runner import load_landscape, make_problem
from prioritize.scenario import parse

MACHINE = {"cores": 2, "gib": 8.0, "load_before": 0.0, "python": "3", "ortools": "9", "prioritize": "0"}


# ------------------------------------------------------------------------------------------------------------- cases


@pytest.mark.parametrize("name", CASES)
def test_every_case_can_be_met(name: str) -> None:
    program = CASES[name].build(12)
    upper = program.upper if program.zones == 1 else np.tile([1.0] + [0.0] * (program.zones - 1), program.units)
    hard = ~np.isfinite(program.price)
    assert program.units == 144
    assert np.all((program.rows @ upper >= program.row_lower)[hard])
    assert all(side_of(size) >= 100 for size in CASES[name].sizes)


def test_dense_units_hold_what_was_asked() -> None:
    program = CASES["dense"].build(100)
    assert program.rows.shape == (400, 10_000)
    assert 138 <= program.rows.nnz / program.units <= 142


def test_voronoi_cells_tile_the_square() -> None:
    """Every cell is closed: by the divergence theorem its outline is at least that of a disc of its area."""
    graph = voronoi_graph(30, 1)
    assert graph.exposed.sum() == pytest.approx(4 * 30)
    assert 5.5 < len(graph.indices) / graph.units < 6.0
    assert graph.perimeter.min() > 0
    assert graph.outline(np.ones(900, bool)) == pytest.approx(120)


@pytest.mark.parametrize(("reach", "neighbours"), [(1, 8), (2, 24)])
def test_near_graph(reach: int, neighbours: int) -> None:
    graph = near_graph(9, reach)
    inner = 4 * 9 + 4
    ends = graph.indices[graph.indptr[inner] : graph.indptr[inner + 1]]
    assert len(ends) == neighbours
    assert max(abs(ends // 9 - 4).max(), abs(ends % 9 - 4).max()) == reach
    assert graph.weight[graph.indptr[inner] : graph.indptr[inner + 1]].sum() == pytest.approx(4)


def test_water_runs_to_a_neighbour_and_never_in_a_circle() -> None:
    tail, head = downstream(40, 1)
    assert np.all(np.maximum(abs(tail // 40 - head // 40), abs(tail % 40 - head % 40)) == 1)
    onto = np.arange(1600)
    onto[tail] = head
    for _ in range(11):  # 2048 steps
        onto = onto[onto]
    assert not np.isin(onto, tail).any()


def test_sizes() -> None:
    assert [side_of(size) for size in ("10k", "100k", "1M", "9M", "2500", "30x30")] == [100, 316, 1000, 3000, 50, 30]
    assert report.known_size("boundary", "99856") == "100k"
    for bad in ("0", "many", "3x4"):
        with pytest.raises(ValueError):
            side_of(bad)


# -------------------------------------------------------------------------------------------------------- other tools


def read_back(folder: Path) -> Program:
    scenario = parse(
        {
            "name": "back",
            "landscape": {"format": "marxan", "project": str(folder / "input.dat")},
            "targets": {"rule": "table"},
            "penalties": [{"kind": "boundary", "weight": 1.0, "edge_factor": 1.0}],
        }
    )
    return compile_problem(make_problem(scenario, load_landscape(scenario)))


@pytest.mark.parametrize("name", ["min_set", "boundary", "polygons", "neighbours_8"])
def test_marxan_reads_the_same_program(name: str, tmp_path: Path) -> None:
    program = CASES[name].build(15)
    program.lower[3], program.upper[7] = 1.0, 0.0
    Marxan.write(program, tmp_path / "project")
    again = read_back(tmp_path / "project")
    assert (again.lower == program.lower).all() and (again.upper == program.upper).all()
    np.testing.assert_array_equal(again.row_lower, program.row_lower)
    rng = np.random.default_rng(1)
    for _ in range(5):
        x = np.clip(rng.integers(0, 2, program.units), program.lower, program.upper)
        assert again.objective(x) == pytest.approx(program.objective(x), rel=1e-12)
        np.testing.assert_allclose(again.rows @ x, program.rows @ x, rtol=1e-12)


def test_directed_edges_become_borders_and_costs() -> None:
    program = CASES["directed"].build(15)
    tables = tabulate(program)
    rng = np.random.default_rng(1)
    i, j = tables.borders["id1"] - 1, tables.borders["id2"] - 1
    for _ in range(5):
        x = rng.integers(0, 2, program.units).astype(float)
        value = tables.units["cost"] @ x + tables.borders["boundary"] @ np.abs(x[i] - x[j])
        assert value + tables.constant == pytest.approx(program.objective(x), rel=1e-12)


def test_what_marxan_cannot_say(tmp_path: Path) -> None:
    for name, why in (("zones", "zones"), ("min_shortfall", "minimum set")):
        with pytest.raises(Unsayable, match=why):
            tabulate(CASES[name].build(12))
    program = blobs(12)
    program.cost[0] = -1.0
    with pytest.raises(Unsayable, match="less than nothing"):
        Marxan.write(program, tmp_path / "project")
    assert "cannot say" not in (Marxan.absent() or "")


def test_marxan_output_is_read(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    assert Marxan.read(tmp_path, 4) == (None, None)
    (tmp_path / "output" / "bench_best.csv").write_text('"PUID","SOLUTION"\n4,1\n2,1\n1,0\n3,0\n')
    (tmp_path / "output" / "bench_sum.csv").write_text(
        '"Run_Number","Score","Cost","Planning_Units","Shortfall"\n1,31.5,30.0,2,0.0\n2,29.25,28.0,2,0.0\n'
    )
    x, score = Marxan.read(tmp_path, 4)
    assert x is not None and x.tolist() == [0, 1, 0, 1]
    assert score == 29.25
    with pytest.raises(ValueError, match="units 1 to 4, there are 3"):
        Marxan.read(tmp_path, 3)


FAKE_MARXAN = """#!{python}
import csv, os
assert os.path.exists("input.dat") and os.path.exists("input/puvspr.dat")
rows = list(csv.DictReader(open("input/pu.dat")))
with open("output/bench_best.csv", "w") as file:
    file.write('"PUID","SOLUTION"\\n' + "".join(f'{{row["id"]}},1\\n' for row in rows))
with open("output/bench_sum.csv", "w") as file:
    file.write('"Run_Number","Score"\\n1,' + str(sum(float(row["cost"]) for row in rows)) + "\\n")
"""


def test_marxan_is_run_by_its_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that selects everything: its score is what our Program says of that selection."""
    executable = tmp_path / "stand-in"
    executable.write_text(FAKE_MARXAN.format(python=sys.executable))
    executable.chmod(0o755)
    monkeypatch.setenv("MARXAN", str(executable))
    assert Marxan.absent() is None
    program = CASES["boundary"].build(10)
    answer = Marxan.run(program, tmp_path / "work", 0.01, 5.0)
    assert answer.x is not None and answer.x.sum() == 100
    assert answer.claimed == pytest.approx(program.objective(answer.x), rel=1e-12)
    monkeypatch.setenv("MARXAN", str(tmp_path / "nowhere"))
    assert "MARXAN" in str(Marxan.absent())


FAKE_R = """#!{python}
import csv, sys
if sys.argv[1] == "-e":
    print("TRUE", end="")
    raise SystemExit
assert sys.argv[1] == "script.R"
rows = list(csv.DictReader(open("pu.csv")))
with open("solution.csv", "w") as file:
    file.write('"id","solution"\\n' + "".join(f'{{row["id"]}},{chosen}\\n' for row in rows))
cost = {chosen} * sum(float(row["cost"]) for row in rows)
with open("told.csv", "w") as file:
    file.write(f'"objective","gap","status","version"\\n{{cost * {factor}}},0.5,"Time limit","8.1"\\n')
"""


@pytest.mark.parametrize(("chosen", "factor"), [(1, 1.0), (1, 1.1), (0, 1.0)])
def test_another_tool_is_judged_by_our_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: int, factor: float
) -> None:
    """A stand-in for Rscript that selects everything, or nothing, and may claim another objective than ours."""
    executable = tmp_path / "Rscript"
    executable.write_text(FAKE_R.format(python=sys.executable, chosen=chosen, factor=factor))
    executable.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Prioritizr.absent() is None
    program = CASES["boundary"].build(10)
    (tmp_path / "program").write_bytes(pickle.dumps(program))
    order = {"solver": "prioritizr", "program": str(tmp_path / "program"), "gap": 0.01, "seconds": 5.0}
    record = measure.outside(order)
    if not chosen:
        assert record["objective"] is None and "breaks 100 rows" in record["failed"]
        return
    assert record["objective"] == pytest.approx(program.objective(np.ones(100)), rel=1e-12)
    assert record["bound"] == pytest.approx(record["objective"] / 2) and record["gap_percent"] == pytest.approx(50)
    assert ("it says" in " ".join(record["notes"])) == (factor != 1.0)


def test_prioritizr_files(tmp_path: Path) -> None:
    import pandas as pd

    program = CASES["boundary"].build(10)
    Prioritizr.write(program, tmp_path, 0.01, 30.0)
    units, features = pd.read_csv(tmp_path / "pu.csv"), pd.read_csv(tmp_path / "features.csv")
    rij, borders = pd.read_csv(tmp_path / "rij.csv"), pd.read_csv(tmp_path / "bound.csv")
    x = np.random.default_rng(1).integers(0, 2, 100).astype(float)
    held = rij["amount"] * x[rij["pu"] - 1]
    np.testing.assert_allclose(held.groupby(rij["species"]).sum(), program.rows @ x, rtol=1e-12)
    np.testing.assert_array_equal(features["target"], program.asked_lower)
    outline = borders["boundary"] @ np.abs(x[borders["id1"] - 1] - x[borders["id2"] - 1])
    assert units["cost"] @ x + outline == pytest.approx(program.objective(x), rel=1e-12)
    script = (tmp_path / "script.R").read_text()
    assert all(f'"{name}"' in script for name in ("options.csv", "pu.csv", "features.csv", "rij.csv", "bound.csv"))


def test_prioritizr_output_is_read(tmp_path: Path) -> None:
    assert Prioritizr.read(tmp_path, 3)[0] is None
    (tmp_path / "solution.csv").write_text('"id","solution"\n1,1\n2,0\n3,0.9999999\n')
    (tmp_path / "told.csv").write_text('"objective","gap","status","version"\n"12.5","0.0125","Optimal","8.1.0"\n')
    x, objective, gap, said = Prioritizr.read(tmp_path, 3)
    assert x is not None and x.tolist() == [1, 0, 1]
    assert (objective, gap, said) == (12.5, 0.0125, "prioritizr 8.1.0")
    (tmp_path / "told.csv").write_text('"objective","gap","status","version"\n"12.5",NA,"Optimal","7.0"\n')
    assert Prioritizr.read(tmp_path, 3)[1:3] == (12.5, None)


# --------------------------------------------------------------------------------------------------------- arithmetic


def record(case: str, size: str, curve: list[list[float | None]], solver: str = "auto", **more: object) -> dict:
    return {"case": case, "size": size, "solver": solver, "curve": curve, "gib_peak": 1.0, "seconds": curve[-1][0],
            "machine": MACHINE, "units": side_of(size) ** 2, "edges": 10, "features": 100, "zones": 1, "rows": 100,
            "amounts": 500, "gib_amounts": 0.1, "sign": 1.0} | more  # fmt: skip


CURVE: list[list[float | None]] = [[1.0, None, 90.0], [2.0, 100.0, 90.0], [8.0, 100.0, 99.0], [20.0, 100.0, 99.5]]


def test_met_or_missed() -> None:
    item = record("boundary", "10k", CURVE)
    assert report.seconds_to_first(item) == 2.0
    assert report.seconds_to(item, 1.0) == 8.0
    assert report.judge(Asked(1.0, 10), item) == "1 % in 10 s: met (after 8.0 s)"
    assert report.judge(Asked(1.0, 5), item) == "1 % in 5 s: **missed** (after 8.0 s)"
    assert report.judge(Asked(0.1), item) == "0.1 %: **missed** (0.5 % at the end)"
    assert report.judge(Asked(1.0, 10, 0.5), item) == "1 % in 10 s and 0.5 GiB: **missed** (1.0 GiB)"
    assert "not tried (stopped at 20 s" in report.judge(Asked(0.1, 60), record("boundary", "10k", CURVE, limit=20.0))
    assert "missed" in report.judge(Asked(1.0), record("boundary", "10k", [[1.0, None, 5.0]]))


def test_curves_keep_the_best_of_both() -> None:
    inf = float("inf")
    steps = [(1.0, inf, 5.0), (2.0, 10.0, 6.0), (3.0, 12.0, 7.0), (4.0, 12.0, 7.0)]
    assert measure.running_best(steps, 1.0) == [[1.0, None, 5.0], [2.0, 10.0, 6.0], [3.0, 10.0, 7.0]]
    assert measure.running_best([(1.0, 5.0, 9.0), (2.0, 4.0, 8.0)], -1.0) == [[1.0, 5.0, 9.0], [2.0, 5.0, 8.0]]
    many = measure.running_best([(float(k), 1000.0 - k, 1.0) for k in range(900)], 1.0)
    assert len(many) == measure.POINTS and many[0][0] == 0 and many[-1][0] == 899


def test_growth_finds_the_exponent() -> None:
    assert report.exponent([(10.0, 3 * 10**1.5), (100.0, 3 * 100**1.5), (1e4, 3e6)]) == pytest.approx((1.5, 3.0))
    grown = [record("min_set", size, [[1e-4 * side_of(size) ** 2, 100.0, 99.7]]) for size in ("10k", "100k", "1M")]
    fits = [fit for fit in report.growth(grown) if fit["line"].startswith("units")]
    assert [fit["to"] for fit in fits] == ["the first selection", "a gap of 0.5 %"]
    assert all(fit["exponent"] == pytest.approx(1.0) for fit in fits)


def test_newer_records_replace_older_ones(tmp_path: Path) -> None:
    old = [record("boundary", "10k", CURVE), record("min_set", "10k", CURVE)]
    new = [record("boundary", "10k", CURVE[:2]), record("boundary", "10k", CURVE, "highs")]
    merged = report.merge(old, new)
    assert [report.key(item) for item in merged] == [
        ("min_set", "10k", "auto"),
        ("boundary", "10k", "auto"),
        ("boundary", "10k", "highs"),
    ]
    assert len(merged[1]["curve"]) == 2
    broken = {"case": "reference", "size": "sim 10 %", "solver": "auto", "machine": MACHINE, "seconds": 0.0,
              "curve": [], "failed": "no such file"}  # fmt: skip
    merged = report.merge(merged, [broken])
    report.write(merged, tmp_path, ["marxan: not there"])
    assert report.read(tmp_path / "engine.json") == merged
    page = (tmp_path / "engine.md").read_text()
    assert "1.3 % in 10 s: **missed**" in page and "* marxan: not there" in page
    assert "no selection** (no such file)" in page
    assert (tmp_path / "engine_gap.png").stat().st_size > 5000


def test_reference_verdicts() -> None:
    name, value = "sim 10 %", reference.REFERENCES["sim 10 %"].value
    best = "sim 20 %"
    known = reference.REFERENCES[best].value

    def verdict(size: str, objective: float | None, bound: float) -> str:
        return report.against({"size": size, "objective": objective, "bound": bound, "sign": 1.0})

    assert verdict(name, value, value) == "as good"
    assert verdict(name, value * 1.001, value) == "**worse**"
    assert verdict(name, value * 0.99, value * 0.99) == "**better than a proven optimum**"
    assert verdict(name, value * 1.01, value * 1.01) == "**bound beyond a known selection**"
    assert verdict("sim shortfall", 0.30459560782, 0.30459560782) == "as good"  # printed with six digits
    assert verdict(best, known * 0.99, known * 0.98) == "better"
    assert verdict(best, None, 1.0) == "**no selection**"


# ----------------------------------------------------------------------------------------------------- the command line


def test_jobs_of_the_command_line() -> None:
    def asked(*words: str) -> list[bench_engine.Job]:
        options = bench_engine.arguments(list(words))
        return bench_engine.jobs(options.cases, options)

    assert {f"{job.case}:{job.size}" for job in asked("all")} - {f"{job.case}:{job.size}" for job in asked()} == {
        "boundary:9M"
    }
    (job,) = asked("boundary:10k", "--seconds", "7")
    assert (job.seconds, job.rival_seconds, job.solvers) == (7.0, 7.0, report.SOLVERS)
    (job,) = asked("boundary:1M:0.01:33")
    assert (job.gap, job.seconds, job.solvers) == (0.01, 33.0, ("auto",))
    assert [job.size for job in asked("reference:tasmania")] == [n for n in reference.REFERENCES if "tasmania" in n]
    with pytest.raises(ValueError, match="no case 'bundary'"):
        asked("bundary")
    for bad in ("boundary:0", "boundary:xx", "boundary:10k:much", "reference:nowhere"):
        assert bench_engine.main([bad]) == 2


def test_absent_tools_and_data_are_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("PRIORITIZE_REFERENCE_DATA", raising=False)
    monkeypatch.setenv("MARXAN", "/nowhere/marxan")
    monkeypatch.setattr(Prioritizr, "absent", staticmethod(lambda: "no Rscript on PATH"))
    assert bench_engine.main(["--list", "min_set:10k", "reference"]) == 0
    told = capsys.readouterr().out
    assert "skipped: marxan: no Marxan" in told and "skipped: prioritizr: no Rscript" in told
    assert "skipped: reference: set PRIORITIZE_REFERENCE_DATA" in told
    assert "auto, highs, scip" in told


@pytest.mark.parametrize("name", ["sim 10 %, boundary 50", "sim largest shortfall", "pymarxan simple"])
def test_reference_programs_travel_by_file(name: str, reference_data: Path, tmp_path: Path) -> None:
    """One of them has own columns, which no file can keep: it is built again."""
    order = {"case": "reference", "size": name, "data": str(reference_data), "program": str(tmp_path / "program")}
    shape = measure.build(order)
    again, program = measure.program_of(order), reference.REFERENCES[name].program(reference_data)
    assert shape["units"] == program.units and shape["rows"] == len(program.row_lower)
    x = np.ones(program.units)
    assert again.objective(x) == program.objective(x)


def test_a_small_run(tmp_path: Path) -> None:
    """The command as a user types it: two solvers in fresh processes, merged with what was there, files at the end."""
    script = Path(bench_engine.__file__)
    report.write([record("boundary", "1M", CURVE), record("boundary", "20x20", CURVE)], tmp_path, [])
    command = [sys.executable, str(script), "boundary:20x20:0.2", "--seconds", "3", "--out", str(tmp_path)]
    done = subprocess.run([*command, "--solvers", "auto,highs"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    *records, million = json.loads((tmp_path / "engine.json").read_text())
    assert million["size"] == "1M" and million["curve"] == CURVE
    assert [item["solver"] for item in records] == ["auto", "highs"]
    for item in records:
        assert item["units"] == 400 and item["objective"] >= item["bound"] * (1 - 1e-9)
        assert item["gib_peak"] >= item["gib_before"] > 0.01
        assert item["curve"][-1][1] == pytest.approx(item["objective"])
    assert records[0]["kernels_compiled"] == 0
    assert (tmp_path / "engine.md").read_text().count("boundary 20x20") >= 3
