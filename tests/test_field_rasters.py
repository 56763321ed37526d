"""Rasters from the field: classes given as features, finer layers, units in Web Mercator."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from desk import GONE, Desk
from rasterio.transform import from_origin
from scipy.optimize import Bounds, LinearConstraint, milp

from prioritize.cli import main

FIELD = Path(__file__).parent / "field"
CLASSES = FIELD / "02-categorical-raster-as-amounts"
MERCATOR = FIELD / "11-web-mercator-areas"
FINER = FIELD / "22-finer-raster-is-not-summed"


def band(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read(1), dtype=np.float64)


def cheapest(cost: np.ndarray, amounts: np.ndarray, share: float) -> float:
    """Least cost of units that hold a share of every row of amounts (F, U), by SciPy."""
    found = milp(
        cost,
        constraints=LinearConstraint(amounts, lb=share * amounts.sum(axis=1) - 1e-9),
        integrality=np.ones(len(cost)),
        bounds=Bounds(0, 1),
    )
    assert found.success
    return float(found.fun)


def solved(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str = "s.toml") -> tuple[Any, str]:
    """The summary of a run, and what `check` says."""
    folder = tmp_path / "field"
    shutil.copytree(source, folder)
    assert main(["check", str(folder / name)]) == 0
    told = capsys.readouterr().out
    assert main(["run", str(folder / name), "--out", str(folder / "run")]) == 0
    assert main(["verify", str(folder / "run")]) in (0, 3)
    return json.loads((folder / "run" / "summary.json").read_text()), " ".join(told.split())


@pytest.mark.parametrize("kind", ["colours", "category_names"])
def test_a_map_of_classes_is_one_feature_a_class(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary, told = solved(CLASSES / kind, tmp_path, capsys)
    code = band(CLASSES / kind / "f.tif").ravel()
    asked = [int(k) for k in np.unique(code) if k != 0]
    best = cheapest(band(CLASSES / kind / "cost.tif").ravel(), np.array([code == k for k in asked], float), 0.3)
    assert summary["cost"] == pytest.approx(best, rel=1e-9)
    assert summary["targets"] == len(asked)
    assert "f.tif" in told and "classes" in told


def test_what_is_a_class_can_be_said(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.raster("owl.tif", np.array([[1, 1, 2, 2], [1, 5, 2, 2], [0, 0, 0, 2]], np.uint8))

    def features(**landscape: Any) -> str:
        desk.scenario(**{f"landscape__{key}": value for key, value in landscape.items()})
        assert main(["check", str(desk.folder / "small.toml")]) == 0
        return capsys.readouterr().out

    assert ", 2 features" in features(classes=False)
    assert ", 4 features" in features(classes=["owl.tif"])
    desk.raster("owl.tif", np.array([[1, 1, 2, 2], [1, 5, 2, 2], [0, 0, 0, 2.5]], np.float32))
    desk.scenario(landscape__classes=["owl.tif"])
    assert main(["check", str(desk.folder / "small.toml")]) == 2
    told = capsys.readouterr().err
    assert "owl.tif" in told and "2.5" in told and "Traceback" not in told


@pytest.mark.parametrize("name", ["s.toml", "n.toml"])
def test_finer_amounts_are_summed(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary, told = solved(FINER, tmp_path, capsys, name)
    fine = band(FINER / "f.tif")
    coarse = fine.reshape(8, 4, 8, 4).sum(axis=(1, 3))
    assert coarse.sum() == pytest.approx(2000)
    best = cheapest(band(FINER / "cost.tif").ravel(), coarse.reshape(1, -1), 0.3)
    assert (summary["cost"], best) == (pytest.approx(34.492, abs=1e-3), pytest.approx(34.492, abs=1e-3))
    assert "f.tif has finer cells than cost.tif: summed in each unit" in told


def test_finer_amounts_can_be_asked_for_in_absolute_terms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary, _ = solved(FINER, tmp_path, capsys, "abs.toml")
    assert summary["cost"] == pytest.approx(34.492, abs=1e-3)


def test_finer_densities_are_averaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "density"
    shutil.copytree(FINER, folder)
    text = (folder / "s.toml").read_text().replace('align = "bilinear"', 'align = "bilinear"\ndensity = ["f.tif"]')
    (folder / "s.toml").write_text(text)
    assert main(["run", str(folder / "s.toml"), "--out", str(folder / "run")]) == 0
    table = (folder / "run" / "tables" / "features.csv").read_text()
    mean = band(FINER / "f.tif").mean() * 64
    row = dict(zip(table.splitlines()[0].split(","), table.splitlines()[1].split(","), strict=True))
    assert float(row["total"]) == pytest.approx(mean, rel=1e-6)


def test_a_finer_grid_that_is_shifted_loses_nothing(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    fine = np.arange(1.0, 13.0).reshape(3, 4).repeat(5, axis=0).repeat(5, axis=1).astype(np.float32)
    # cells of 200 m in an inner window of the 3 x 4 km, half a cell off
    desk.raster("owl.tif", fine[1:-1, 1:-1], transform=from_origin(500_300, 4_999_700, 200, 200))
    desk.scenario(landscape__align="nearest")
    assert main(["run", str(desk.folder / "small.toml"), "--out", str(desk.folder / "run")]) in (0, 3)
    table = [line.split(",") for line in (desk.folder / "run/tables/features.csv").read_text().splitlines()]
    owl = next(dict(zip(table[0], row, strict=True)) for row in table[1:] if "owl" in row)
    assert float(owl["total"]) == pytest.approx(fine[1:-1, 1:-1].sum(dtype=np.float64), rel=1e-6)


def test_units_in_web_mercator_are_measured_on_the_ground(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary, told = solved(MERCATOR, tmp_path, capsys)
    assert (summary["units_selected"], summary["cost"]) == (6, 6.0)
    assert summary["area_km2"] == pytest.approx(600, rel=1e-3)
    assert "u.gpkg is in CRS EPSG:3857, which is not of equal area here" in told


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:3995", "EPSG:3395", "EPSG:32755", "EPSG:3035"])
def test_areas_in_any_projection_are_those_on_the_ellipsoid(
    crs: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each unit of a raster and of polygons: within 1 % of its area by pyproj, of which it is told beyond that."""
    middle = {"EPSG:3035": (10, 52), "EPSG:32755": (147, -40), "EPSG:3995": (20, 62)}.get(crs, (10, 66))
    to = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
    back = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    x, y = to.transform(*middle)
    grid = {"crs": crs, "transform": from_origin(x, y, 10_000, 10_000)}
    for name, layer in (("cost.tif", np.ones((30, 4))), ("owl.tif", np.ones((30, 4)))):
        desk.raster(name, layer.astype(np.float32), **grid)
    text = 'name = "s"\n[landscape]\nformat = "{}"\n{}\n[targets]\nrelative = 0.3\n'
    text += '[[constraints]]\nkind = "area"\nshare = 0.3\n'
    desk.text("r.toml", text.format("raster", 'cost = "cost.tif"\nfeatures = ["owl.tif"]'))
    squares = [
        shapely.box(x + 1e4 * j, y - 1e4 * (i + 1), x + 1e4 * (j + 1), y - 1e4 * i) for i in range(30) for j in range(4)
    ]
    desk.polygons(
        crs,
        squares,
        code=np.arange(120) + 1,
        price=GONE,
        owls=GONE,
        cost=np.ones(len(squares)),
        owl=np.ones(len(squares)),
    )
    desk.text("v.toml", text.format("vector", 'units = "units.gpkg"\ncost = "cost"\nfeatures = ["owl"]'))
    geod = pyproj.Geod(ellps="WGS84")
    ground = []
    for square in squares:
        ring = shapely.get_coordinates(shapely.segmentize(square, 2_000))
        ground.append(abs(geod.polygon_area_perimeter(*back.transform(ring[:, 0], ring[:, 1]))[0]) / 1e6)
    for name in ("r.toml", "v.toml"):
        assert main(["run", str(desk.folder / name), "--out", str(desk.folder / name[0])]) in (0, 3)
        summary = json.loads((desk.folder / name[0] / "summary.json").read_text())
        (share,) = summary["area_share"].values()
        assert summary["area_km2"] / share == pytest.approx(sum(ground), rel=0.01)
        told = "measured on the ellipsoid" in " ".join((desk.folder / name[0] / "log.txt").read_text().split())
        assert told == (max(abs(100 - area) for area in ground) > 1)
