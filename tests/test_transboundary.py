"""Two countries: the land between them, what they gain together, and what may be shown to others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from prioritize.cli import main
from prioritize.connectivity.migration import Sites, flyway
from prioritize.errors import DataError, PrioritizeError
from prioritize.landscape import from_arrays
from prioritize.mask import LEAST_UNITS, masked_names, squares, veiled
from prioritize.place import Grid
from prioritize.redline.coordination import coordinate, coordination_tables
from prioritize.runner import load_landscape
from prioritize.scenario import MaskConfig, Scenario, parse, read_scenario
from prioritize.source import Source

ROOT = Path(__file__).parents[1]
FILE = ROOT / "scenarios" / "transboundary.toml"
SMALL = {"landscape.rows": 60, "landscape.columns": 80, "landscape.cell_km": 10.0}


def country(seed: int, countries: int) -> Source:
    keys = {"format": "synthetic", "rows": 60, "columns": 80, "cell_km": 10.0, "countries": countries}
    return parse({"name": "x", "seed": seed, "landscape": keys}).landscape.open(seed)


@pytest.mark.parametrize("seed", [1, 7, 30])
def test_two_countries_on_the_same_land(seed: int) -> None:
    one, two = country(seed, 1), country(seed, 2)
    # the border changes nothing that was there
    assert (one.unit_id == two.unit_id).all() and (one.amount != two.amount).nnz == 0
    pd.testing.assert_frame_equal(one.features, two.features)
    for name in ("cost", "existing_pa", "natural", "water", "extremely_erodible"):
        assert (one.read(name) == two.read(name)).all()
    for name in ("province", "county", "realm", "nation", "kba"):
        assert (one.labels(name) == two.labels(name)).all()
    with pytest.raises(DataError, match="no region layer 'country'"):
        one.labels("country")
    with pytest.raises(DataError, match="no layer 'core_habitat'"):
        one.read("core_habitat")

    whose = two.labels("country")
    names = sorted(set(whose))
    assert len(names) == 2
    land = two.read("land") > 0
    shares = [(land & (whose == name)).sum() / land.sum() for name in names]
    assert min(shares) > 0.3
    # provinces, with their seas, belong to one country
    for province in set(two.labels("province")):
        assert len(set(whose[two.labels("province") == province])) == 1
        sea = two.labels("province") == f"{province} Sea"
        assert not sea.any() or set(whose[sea]) == set(whose[two.labels("province") == province])

    core, natural = two.read("core_habitat"), two.read("natural")
    assert set(np.unique(core)) == {0, 1, 2, 3, 4}
    for pair in ((1, 2), (3, 4)):
        sides = [set(whose[core == number]) for number in pair]
        assert len(sides[0]) == len(sides[1]) == 1 and sides[0] != sides[1]
    for number in range(1, 5):
        here = two.place.image(core == number, False)
        assert ndimage.label(here)[1] == 1 and (natural[core == number] > 0.3).all() and land[core == number].all()


@pytest.mark.parametrize("seed", [1, 7, 30])
def test_the_flyway_leads_south(seed: int) -> None:
    source = country(seed, 2)
    stage, birds = source.read("flyway_stage"), source.read("flyway_capacity")
    row, column = np.divmod(source.place.cell, 80)
    assert set(np.unique(stage)) == {0, 1, 2, 3} and ((birds > 0) == (stage > 0)).all()
    assert row[stage == 1].max() <= row[stage == 2].min() + 1 and row[stage == 2].max() <= row[stage == 3].min() + 1
    wet = source.labels("realm")
    assert not (stage[wet == "sea"] > 0).any()
    site = stage > 0
    position = np.column_stack([column[site] * 10.0, -row[site] * 10.0])
    network = Sites(stage[site].astype(int) - 1, birds[site], position, degrees=False)
    whole = flyway(network, step_km=250.0)
    # birds that fly as far as the scenario says get through; measured: 44 % of the stage that holds least
    assert whole.longest_gap_km < 250 and whole.flow > 0.3 * min(birds[stage == k].sum() for k in (1, 2, 3))


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return read_scenario(FILE, {**SMALL, "solver.gap": 0.02, "solver.seconds": 15.0})


def test_the_scenario_has_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(FILE)]) == 0
    assert "country: 2" in capsys.readouterr().out


def test_what_two_countries_gain_together(scenario: Scenario) -> None:
    made = coordinate(scenario, "country")
    plans, regions, targets, borders = coordination_tables(made)
    frame = plans.frame.set_index("plan")
    assert frame.loc["joint", "promises_broken"] == 0
    assert frame.loc["joint", "targets_met"] == frame.loc["joint", "targets"]
    assert frame.loc["joint", "match_rate"] > frame.loc["alone", "match_rate"]
    assert frame.loc["joint", "objective"] < frame.loc["alone", "objective"]
    saved, most = frame.loc["joint", ["share_objective_saved", "share_objective_saved_at_most"]]
    assert 0 < saved <= most < 1
    # neither a corridor across nor one line is anything that a country can promise alone
    assert {"corridors", "one line"} <= set(made.not_asked)
    assert regions.frame["cost_alone"].sum() == pytest.approx(frame.loc["alone", "cost"])
    assert regions.frame["cost_joint"].sum() == pytest.approx(frame.loc["joint", "cost"])
    assert targets.frame["met_joint"].all()
    assert set(borders.frame["plan" if "plan" in borders.frame else "line"]) == {"alone", "joint"}
    # the corridors are there: cores of a pair lie in one connected part of the selection
    landscape = made.problem.landscape
    grid = landscape.place
    assert isinstance(grid, Grid)
    label, _ = ndimage.label(grid.image(made.joint.selection.any(axis=1), False))
    core = grid.image(landscape.layer("core_habitat"), 0)
    for pair in ((1, 2), (3, 4)):
        shared = set(label[core == pair[0]]) & set(label[core == pair[1]])
        assert shared - {0}
    corridors = scenario.constraints[[term.name for term in scenario.constraints].index("corridors")]
    assert corridors.broken(made.problem, made.joint.selection) == []


# --- results to share -------------------------------------------------------------------------------------------------


def test_a_shared_run_names_nothing_that_is_masked(scenario: Scenario, tmp_path: Path) -> None:
    changes = ["--set", "landscape.rows=60", "--set", "landscape.columns=80", "--set", "landscape.cell_km=10"]
    less = ["--set", "solver.gap=0.05", "--seconds", "10", "--set", "output.mask.square_km=50"]
    assert main(["run", str(FILE), *changes, *less, "--out", str(tmp_path / "run")]) == 0
    shared = tmp_path / "run" / "shared"
    assert {path.name for path in shared.iterdir()} == {"evaluation.csv", "squares.csv", "tables"}
    texts = {path: path.read_text(encoding="utf-8") for path in shared.rglob("*") if path.is_file()}
    assert not [path for path, text in texts.items() if "mammal_" in text]
    open_ = pd.read_csv(tmp_path / "run" / "tables" / "features.csv")
    masked = pd.read_csv(shared / "tables" / "features.csv")
    hidden = open_["feature"].str.startswith("mammal_")
    assert hidden.sum() > 1 and masked.loc[hidden, "feature"].str.fullmatch(r"masked_\d+").all()
    assert masked.loc[hidden, "feature"].is_unique
    pd.testing.assert_frame_equal(
        masked[~hidden].drop(columns="feature"), open_[~hidden].drop(columns="feature"), check_dtype=False
    )
    assert "units" in pd.read_csv(tmp_path / "run" / "tables" / "shortfalls.csv")
    assert "units" not in pd.read_csv(shared / "tables" / "shortfalls.csv")
    frame = pd.read_csv(shared / "squares.csv")
    landscape = load_landscape(scenario)
    assert frame["area_km2"].sum() == pytest.approx(landscape.area_km2.sum())
    assert frame["units"].max() == 25 and frame.loc[frame["units"] < LEAST_UNITS, "share"].isna().all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([2.0, 2.5, 3.0, 7.0]))
def test_squares_against_a_loop(seed: int, side: float) -> None:
    random = np.random.default_rng(seed)
    cell = np.sort(random.choice(48, 30, replace=False))
    place = Grid((6, 8), cell, (1000.0, 0.0, -3000.0, 0.0, -1000.0, 5000.0))
    area = random.uniform(0.5, 2.0, 30)
    landscape = from_arrays(np.ones(30), np.ones((1, 30)), place=place, zones=("a", "b"), area_km2=area)
    selection = np.zeros((30, 2), bool)
    zone = random.integers(-1, 2, 30)
    selection[zone >= 0, zone[zone >= 0]] = True
    naive: dict[tuple[int, int], list[float]] = {}
    for unit in range(30):
        x, y = cell[unit] % 8 + 0.5 - 3.0, 5.0 - (cell[unit] // 8 + 0.5)
        entry = naive.setdefault((int(x // side), int(y // side)), [0, 0.0, 0.0])
        entry[0] += 1
        entry[1] += area[unit]
        entry[2] += area[unit] * (zone[unit] >= 0)
    if max(entry[0] for entry in naive.values()) < LEAST_UNITS:
        with pytest.raises(DataError, match="make it larger"):
            squares(landscape, selection, side)
        return
    frame = squares(landscape, selection, side)
    assert len(frame) == len(naive)
    for row in frame.itertuples(index=False):
        count, total, chosen = naive[round(row.x_km / side), round(row.y_km / side)]
        assert row.units == count and row.area_km2 == pytest.approx(total)
        if count < LEAST_UNITS:
            assert np.isnan(row.share)
        else:
            assert row.share == pytest.approx(chosen / total) == pytest.approx(row.share_a + row.share_b)


def test_names_are_masked_as_whole_words() -> None:
    names = {"bird_1": "masked_1", "bird_10": "masked_2"}
    assert veiled("bird_1, bird_10 and bird_100", names) == "masked_1, masked_2 and bird_100"
    assert veiled("nothing", {}) == "nothing"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("names", ["unicorn_*"], "no feature matches 'unicorn_*'"),
        ("square_km", -1.0, "greater than 0"),
        ("square_km", 1.0, "make it larger"),
        ("nams", ["x"], "unknown key 'output.mask.nams'; did you mean 'names'?"),
    ],
)
def test_a_mask_that_is_wrong(key: str, value: object, words: str, tmp_path: Path) -> None:
    from prioritize.runner import run

    small = {"landscape.rows": 60, "landscape.columns": 80, "landscape.cell_km": 10.0, "solver.gap": 0.1}
    with pytest.raises(PrioritizeError, match=r"(?s).*" + words.replace("*", r"\*").replace("?", r"\?")):
        run(ROOT / "scenarios" / "pa_only.toml", {**small, f"output.mask.{key}": value}).save(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_landscape_without_position_has_no_squares() -> None:
    landscape = from_arrays(np.ones(5), np.ones((2, 5)))
    with pytest.raises(PrioritizeError, match="no position"):
        masked_names(landscape, MaskConfig(square_km=5.0))
    assert masked_names(landscape, MaskConfig(names=("feature_2",))) == {"feature_2": "masked_1"}
