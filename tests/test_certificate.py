"""Any prices in their box prove a bound, and a tampered run is refused."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import every_selection, problems

from prioritize.certificate import proven_bound, read_certificate, write_certificate
from prioritize.cli import main
from prioritize.engine.dual import Multipliers, dual_value
from prioritize.errors import DataError
from prioritize.problem import Problem, compile_problem
from prioritize.program import Program


def random_multipliers(program: Program, seed: int) -> Multipliers:
    """Prices of the right sign and size for every row and edge, half of them zero."""
    rng = np.random.default_rng(seed)
    size = rng.exponential(1.0, len(program.price)) * (rng.random(len(program.price)) < 0.5)
    up = np.isfinite(program.row_lower) & (~np.isfinite(program.row_upper) | (rng.random(len(size)) < 0.5))
    down = ~up & np.isfinite(program.row_upper)
    prices = np.where(up, np.minimum(size, program.price), np.where(down, -size, 0.0))
    return Multipliers(prices, tuple(group.weight * rng.random(len(group.weight)) for group in program.edges))


def optimum(program: Program) -> float | None:
    values = [
        program.objective(x)
        for x in (s.ravel().astype(float) for s in every_selection(program.units, program.zones))
        if not program.violations(x)
    ]
    return min(values) if values else None


@settings(max_examples=60)
@given(problem=problems(zones=1), seed=st.integers(0, 10**6))
def test_any_prices_prove_a_bound(problem: Problem, seed: int) -> None:
    program = compile_problem(problem)
    best = optimum(program)
    for k in range(5):
        multipliers = random_multipliers(program, seed + k)
        proven, plain = proven_bound(program, multipliers), dual_value(program, multipliers)
        assert proven == pytest.approx(plain, rel=1e-9, abs=1e-9)
        if best is not None:
            assert proven <= best + 1e-12 * max(1.0, abs(best))


@settings(max_examples=40)
@given(problem=problems(), seed=st.integers(0, 10**6))
def test_prices_out_of_their_box_prove_nothing(problem: Problem, seed: int) -> None:
    program = compile_problem(problem)
    good = random_multipliers(program, seed)
    bad = [Multipliers(good.rows[:-1], good.flows), Multipliers(np.full_like(good.rows, np.nan), good.flows)]
    soft = np.isfinite(program.price)
    if soft.any():
        bad.append(Multipliers(np.where(soft, program.price * 1.01 + 1e-9, good.rows), good.flows))
    if program.edges:
        bad.append(Multipliers(good.rows, tuple(group.weight * 1.01 for group in program.edges)))
        bad.append(Multipliers(good.rows, tuple(-group.weight for group in program.edges)))
    for multipliers in bad if len(good.rows) else []:
        assert proven_bound(program, multipliers) == -math.inf


def test_rounding_is_counted_against_the_bound() -> None:
    """A thousand tenths do not add up in floating point: the proven bound stays on the safe side of the exact one."""
    from fractions import Fraction

    from prioritize.landscape import from_arrays
    from prioritize.registry import family

    rng = np.random.default_rng(0)
    amount, cost = rng.random((30, 400)), rng.random(400)
    landscape = from_arrays(cost, amount)
    problem = Problem(landscape, 0.1 * amount.sum(axis=1), amount.sum(axis=1), family("objectives")["min_cost"]())
    program = compile_problem(problem)
    prices = rng.random(30) * 0.1
    exact = sum((Fraction(float(p)) * Fraction(float(b)) for p, b in zip(prices, program.row_lower)), Fraction(0))
    for u in range(400):
        reduced = Fraction(float(cost[u])) - sum(
            (Fraction(float(prices[r])) * Fraction(float(amount[r, u])) for r in range(30)), Fraction(0)
        )
        exact += min(reduced, Fraction(0))
    proven = Fraction(proven_bound(program, Multipliers(prices)))
    assert proven <= exact
    assert float(exact - proven) <= 1e-12 * abs(float(exact))


def test_certificate_files(tmp_path: Path) -> None:
    kept = Multipliers(np.array([1.0, -2.0]), (np.array([0.5]), np.zeros(0)))
    assert read_certificate(tmp_path) is None
    write_certificate(tmp_path, kept)
    back = read_certificate(tmp_path)
    assert back is not None and back.rows.tolist() == [1.0, -2.0] and [f.tolist() for f in back.flows] == [[0.5], []]
    path = tmp_path / "certificate.npz"
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged or cut off"):
            read_certificate(tmp_path)


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
    assert main(["run", str(scenario), "--out", str(folder / "run"), "--set", "solver.gap=0.02"]) == 0
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    import shutil

    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def verdict(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["verify", str(folder / "run")])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_an_honest_run_is_verified(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = verdict(copy, capsys)
    assert code == 0 and text.startswith("verified: meets 38 of 38 targets; cost ")
    assert "proven within" in text


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
    assert code == 2 and "a unit was changed" in text and "the run claims" in text


def test_one_changed_cost(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def dearer(data: np.ndarray) -> None:
        row, column = np.argwhere(data[0] > 0)[11]
        data[0, row, column] *= 1.001

    edit_band(copy / "mine" / "cost.tif", dearer)
    code, text = verdict(copy, capsys)
    assert code == 2 and "cost.tif is not what it was when the run was made" in text


def test_one_changed_multiplier(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = read_certificate(copy / "run")
    assert kept is not None
    rows = kept.rows.copy()
    rows[int(np.argmax(np.abs(rows)))] *= 1 + 1e-9
    write_certificate(copy / "run", Multipliers(rows, kept.flows))
    code, text = verdict(copy, capsys)
    assert code == 2 and "a multiplier was changed" in text


@pytest.mark.parametrize("name", ["certificate.npz", "selection.tif", "summary.json", "scenario.toml"])
def test_a_truncated_file(copy: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    path = copy / "run" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code, text = verdict(copy, capsys)
    assert code == 2 and "error: " in text and "Traceback" not in text


def test_another_landscape(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = copy / "run" / "scenario.toml"
    scenario.write_text(scenario.read_text().replace("mine/cost.tif", "mine/protected.tif"))
    code, text = verdict(copy, capsys)
    assert code == 2 and "error: " in text


def test_a_better_claim_than_the_certificate_proves(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy / "run" / "summary.json"
    summary = json.loads(path.read_text())
    summary["certified_bound"] = summary["objective"]
    path.write_text(json.dumps(summary))
    code, text = verdict(copy, capsys)
    assert code == 2 and "the run claims" in text


def test_a_bound_beyond_the_objective(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy / "run" / "summary.json"
    summary = json.loads(path.read_text())
    summary["bound"] = 1.02 * summary["objective"]
    path.write_text(json.dumps(summary))
    code, text = verdict(copy, capsys)
    assert code == 2 and "better than its own objective" in text


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path: Path) -> None:
    """What is on disk is no run at all, or a whole one: killed while it solves, and at each file that it writes."""
    scenario, folder = tmp_path / "s.toml", tmp_path / "run"
    scenario.write_text(
        'name = "s"\n[landscape]\nformat = "synthetic"\nrows = 50\ncolumns = 60\nspecies = 10\n[solver]\ngap = 0.05\n'
    )
    command = [sys.executable, "-m", "prioritize.cli", "run", str(scenario), "--out", str(folder)]
    for written in (None, 0, 3, 8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if written is None:
            time.sleep(1.5)
        while written is not None and process.poll() is None:
            drafts = [path for path in tmp_path.glob(".run-*") if path.is_dir()]
            if drafts and sum(len(list(path.iterdir())) for path in drafts) >= written:
                break
        process.kill()
        process.wait()
        assert process.returncode != 2
        for draft in tmp_path.glob(".run-*"):
            shutil.rmtree(draft)
        if folder.exists():
            assert main(["verify", str(folder)]) == 0
            shutil.rmtree(folder)
    assert main(["run", str(scenario), "--out", str(folder)]) == 0
    assert main(["verify", str(folder)]) == 0


@pytest.mark.parametrize("kind", ["highs", "scip", "cp_sat"])
def test_every_solver_leaves_a_certificate(kind: str, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tree search proves nothing that others can check; prices and flows of our own do, with edges too."""
    folder = made / f"run_{kind}"
    changes = ["--set", f"solver.kind={kind}", "--set", "solver.gap=0.3", "--seconds", "20"]
    assert main(["run", str(made / "mine" / "scenario.toml"), "--out", str(folder), *changes]) == 0
    assert (folder / "certificate.npz").exists()
    capsys.readouterr()
    assert main(["verify", str(folder)]) == 0
    assert "proven within" in capsys.readouterr().out
