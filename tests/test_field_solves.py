"""Problems from the field that once gave a false proof, no answer, or an answer too late."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from prioritize.cli import main

FIELD = Path(__file__).parent / "field"
SHORTFALLS = FIELD / "18-min-shortfall-with-a-penalty-on-edges"
MANDATORY = FIELD / "19-mandatory-and-locked-out-everywhere"
WHOLE_RANGE = FIELD / "31-target-of-the-whole-range"
PATCHES = FIELD / "32-cp-sat-with-min-patch"
ORDERS = FIELD / "33-amounts-over-18-orders"
SOLVERS = ["auto", "highs", "scip", "cp_sat"]


def solved(source: Path, tmp_path: Path, *settings: str) -> dict[str, Any]:
    """The summary of a run that `verify` does not find wrong and whose bounds are below its objective."""
    folder = tmp_path / "field"
    shutil.copytree(source, folder)
    changes = [part for setting in settings for part in ("--set", setting)]
    assert main(["run", str(folder / "s.toml"), *changes, "--out", str(folder / "run")]) == 0
    summary: dict[str, Any] = json.loads((folder / "run" / "summary.json").read_text())
    verdict = main(["verify", str(folder / "run")])
    assert verdict == (0 if summary["bound_by"] == "certificate" else 3)
    for bound in (summary["bound"], summary["certified_bound"]):
        assert bound is None or bound <= summary["objective"] * (1 + 1e-9 * np.sign(summary["objective"]))
    return summary


def band(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read(1, masked=True).filled(0), dtype=np.float64).ravel()


@pytest.mark.parametrize("case", ["ms_min_shortfall_4_2", "ms_min_shortfall_10_3"])
def test_a_price_a_last_place_above_its_box_proves_nothing_false(case: str, tmp_path: Path) -> None:
    summary = solved(SHORTFALLS / case, tmp_path)
    assert np.isfinite(summary["certified_bound"])
    if case.endswith("4_2"):
        assert summary["objective"] == pytest.approx(
            solved(SHORTFALLS / case, tmp_path / "b", "solver.kind=scip")["objective"]
        )


@pytest.mark.parametrize(("file", "unit"), [("a.toml", 3), ("b.toml", 5)])
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_unit_that_must_and_may_not_have_a_zone_is_named(
    file: str, unit: int, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "field"
    shutil.copytree(MANDATORY, folder)
    assert main([command, str(folder / file)]) == 2
    told = "".join(capsys.readouterr())
    assert f"unit {unit} " in told and "mandatory" in told and "locked out of every" in told
    assert not (folder / "run").exists()


@pytest.mark.parametrize("kind", SOLVERS)
def test_a_target_of_the_whole_range_of_12_units(kind: str, tmp_path: Path) -> None:
    summary = solved(WHOLE_RANGE / "12_units", tmp_path, f"solver.kind={kind}")
    cost, f0, f1 = (band(WHOLE_RANGE / "12_units" / f"{name}.tif") for name in ("cost", "f0", "f1"))
    best = np.inf
    for chosen in itertools.product((0.0, 1.0), repeat=len(cost)):
        held = np.array(chosen)
        if held @ f0 >= 0.7 * f0.sum() * (1 - 1e-9) and held @ f1 >= f1.sum() * (1 - 1e-9):
            best = min(best, float(held @ cost))
    assert summary["objective"] == pytest.approx(best, rel=1e-9)
    assert best == pytest.approx(15.75, abs=0.005)


def test_a_target_of_the_whole_range_of_900_units(tmp_path: Path) -> None:
    """2,700.21 is the best that anybody found."""
    summary = solved(WHOLE_RANGE / "900_units", tmp_path)
    assert summary["objective"] <= 2700.22 * 1.001
    assert summary["bound"] <= 2700.22


@pytest.mark.parametrize("kind", SOLVERS)
@pytest.mark.parametrize("case", ["s45", "s119"])
def test_patches_by_any_solver(case: str, kind: str, tmp_path: Path) -> None:
    summary = solved(PATCHES / case, tmp_path, f"solver.kind={kind}")
    if case == "s119":
        assert summary["objective"] == pytest.approx(-66_600, rel=1e-3)
    else:
        assert summary["targets_met"] == 1


@pytest.mark.parametrize("kind", SOLVERS)
def test_amounts_over_18_orders(kind: str, tmp_path: Path) -> None:
    summary = solved(ORDERS / "n21", tmp_path, f"solver.kind={kind}")
    assert summary["targets_met"] == summary["targets"] == 2


def test_exchanges_of_many_features_look_at_the_clock(tmp_path: Path) -> None:
    """5,000 units and 2,000 features took 36 s where 20 s were allowed; a second or two beyond is what may be."""
    rng = np.random.default_rng(1)
    units, features, entries = 5000, 2000, 500_000
    cost = np.round(rng.lognormal(1, 0.6, units), 3)
    feature = np.repeat(np.arange(features), entries // features) + 1
    unit = rng.integers(0, units, entries) + 1
    amount = np.round(rng.gamma(1, 2, entries) + 0.01, 3)
    _, first = np.unique(feature * 10_000 + unit, return_index=True)
    folder = tmp_path / "input"
    folder.mkdir()

    def table(name: str, header: str, rows: list[tuple[Any, ...]]) -> None:
        (folder / name).write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")

    table("pu.dat", "id,cost,status", [(k + 1, price, 0) for k, price in enumerate(cost)])
    table("spec.dat", "id,prop,spf,name", [(k + 1, 0.3, 1, f"species_{k}") for k in range(features)])
    table("puvspr.dat", "species,pu,amount", [(feature[k], unit[k], amount[k]) for k in first])
    (tmp_path / "input.dat").write_text("INPUTDIR input\nPUNAME pu.dat\nSPECNAME spec.dat\nPUVSPRNAME puvspr.dat\n")
    (tmp_path / "s.toml").write_text(
        'name = "t"\n[landscape]\nformat = "marxan"\nproject = "input.dat"\n[targets]\nrule = "table"\n'
        "[solver]\ngap = 0.001\nseconds = 8\n"
    )
    assert main(["run", str(tmp_path / "s.toml"), "--out", str(tmp_path / "run")]) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["targets_met"] == features
    assert summary["seconds"]["solve"] < 8 + 3
