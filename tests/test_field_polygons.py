"""Polygons as they come from the field: zipped, drawn with gaps, in layers of depth."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely

from prioritize.cli import main
from prioritize.formats import _borders as borders

FIELD = Path(__file__).parent / "field"


def copy_of(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(FIELD / name, folder / name))


@pytest.mark.parametrize("kind", ["zip", "sqlite"])
def test_units_are_found_from_any_folder(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of("12-zip-is-found-from-its-own-folder-only", tmp_path) / kind
    monkeypatch.chdir(folder)
    assert main(["check", "s.toml"]) == 0
    monkeypatch.chdir(tmp_path)
    assert main(["check", str(folder / "s.toml")]) == 0
    assert main(["run", str(folder / "s.toml"), "--set", "solver.kind=highs", "--out", str(folder / "run")]) == 0
    capfd.readouterr()
    # 3: the gap is the solver's claim, not certified; the files are found all the same
    assert main(["verify", str(folder / "run")]) in (0, 3)
    told = " ".join(capfd.readouterr())
    assert "no such file" not in told and "is not what it was" not in told


def test_units_that_almost_touch_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scenario = str(copy_of("13-units-that-almost-touch", tmp_path) / "s.toml")
    assert main(["check", scenario]) == 0
    told = " ".join(capfd.readouterr())
    # all 40 sides: the one edge there is, of 3.5 cm, joins two that lie corner to corner
    assert "40 pairs of units lie within" in " ".join(told.split())
    assert "touch_tolerance" in told
    assert main(["check", scenario, "--set", "landscape.touch_tolerance=2.0"]) == 0
    assert "pairs of units lie within" not in " ".join(" ".join(capfd.readouterr()).split())


@pytest.mark.parametrize(("gap", "pairs"), [(0.0, 0), (0.05, 12), (2.0, 12), (50.0, 0)])
def test_gaps_of_centimetres_and_roads(gap: float, pairs: int) -> None:
    """9 squares of 1 km: 12 sides between them; a gap of 50 m is drawn on purpose."""
    x, y = (axis.ravel() * (1000.0 + gap) for axis in np.meshgrid(range(3), range(3)))
    squares = shapely.box(x, y, x + 1000.0, y + 1000.0)
    tolerance = borders.default_tolerance(squares)
    graph = borders.polygon_graph(squares, borders.Ruler(), tolerance)
    count, joins = borders.near_misses(squares, graph, tolerance)
    assert count == pairs
    if count:
        assert borders.polygon_graph(squares, borders.Ruler(), joins).indices.size == 2 * 12


def test_stacked_units(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = copy_of("14-stacked-depth-layers", tmp_path)
    assert main(["check", str(folder / "s.toml")]) == 0
    assert "75 pairs of units lie over each other" in " ".join(" ".join(capfd.readouterr()).split())


def test_areas_in_a_zip_of_zips(tmp_path: Path) -> None:
    file = copy_of("16-wdpa-zip-of-zips", tmp_path) / "WDPA_Dec2026_Public_ABC_shp.zip"
    from prioritize.areas.read import read_sites

    sites = read_sites([file])
    kinds = [item.geom_type for item in sites.geometry]
    assert len(sites) == 9 and sum("Point" in kind for kind in kinds) == 3
    assert main(["areas", "clean", str(file), str(tmp_path / "out.gpkg")]) == 0
    assert len(geopandas.read_file(tmp_path / "out.gpkg")) > 0
