"""Corridors: costs against SciPy and the naive twin, widths, pinch points and borders by hand."""

from __future__ import annotations

from pathlib import Path

import naive_circuit
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from prioritize.cli import main
from prioritize.connectivity.corridors import Corridor, Surface, corridors, neighbouring_pairs
from prioritize.connectivity.rasters import Raster, read_raster, write_raster
from prioritize.errors import DataError


def surfaces() -> st.SearchStrategy[np.ndarray]:
    value = st.one_of(st.sampled_from([0.0, np.inf, np.nan]), st.floats(0.1, 50))

    def of(shape: tuple[int, int]) -> st.SearchStrategy[np.ndarray]:
        size = shape[0] * shape[1]
        return st.lists(value, min_size=size, max_size=size).map(lambda v: np.array(v).reshape(shape))

    return st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(of)


@given(surfaces(), st.sampled_from([4, 8]), st.floats(0.5, 3), st.randoms(use_true_random=False))
def test_costs_like_the_naive_twin(resistance: np.ndarray, neighbours: int, dx: float, random) -> None:
    seeds = [random.randrange(resistance.size) for _ in range(2)]
    found, parent, owner = Surface(resistance, (dx, 1.0), neighbours).spread(np.array(seeds), np.array([7, 8]))
    naive = naive_circuit.cost_distance(seeds, resistance, dx, 1.0, neighbours)
    assert np.allclose(found, naive, rtol=1e-9, atol=1e-12)
    assert ((owner >= 0) == np.isfinite(found)).all()
    for cell in np.flatnonzero(parent >= 0):
        back = int(cell)
        while parent[back] >= 0:
            back = int(parent[back])
        assert back in seeds and owner[cell] == owner[back]
    limit = float(np.median(naive[np.isfinite(naive)])) if np.isfinite(naive).any() else 1.0
    near = Surface(resistance, (dx, 1.0), neighbours, limit).spread(np.array(seeds))[0]
    assert np.allclose(near, np.where(naive <= limit * (1 + 1e-12), naive, np.inf))


def scipy_costs(resistance: np.ndarray, seed: int) -> np.ndarray:
    rows, columns = resistance.shape
    number = np.arange(rows * columns).reshape(rows, columns)
    links = []
    for a, b, length in (
        (np.s_[:, :-1], np.s_[:, 1:], 1.0),
        (np.s_[:-1], np.s_[1:], 1.0),
        (np.s_[:-1, :-1], np.s_[1:, 1:], 2**0.5),
        (np.s_[:-1, 1:], np.s_[1:, :-1], 2**0.5),
    ):
        links.append(((0.5 * length * (resistance[a] + resistance[b])).ravel(), number[a].ravel(), number[b].ravel()))
    cost, i, j = (np.concatenate(part) for part in zip(*links, strict=True))
    graph = sparse.coo_array((cost, (i, j)), shape=(rows * columns,) * 2).tocsr()
    return sparse.csgraph.dijkstra(graph, directed=False, indices=seed)


def test_costs_like_scipy() -> None:
    resistance = np.exp(np.random.default_rng(1).normal(size=(60, 45)))
    found = Surface(resistance, (1.0, 1.0)).spread(np.array([700]))[0]
    assert np.allclose(found, scipy_costs(resistance, 700), rtol=1e-12)


def cells(shape: tuple[int, int], *where: tuple[object, object]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for part in where:
        mask[part] = True  # type: ignore[index]
    return np.flatnonzero(mask)


def open_field() -> tuple[Surface, dict[int, np.ndarray]]:
    """9 x 21 cells of 100 m; cores are the columns at both ends."""
    shape = (9, 21)
    return Surface(np.ones(shape), (100.0, 100.0)), {1: cells(shape, np.s_[:, 0]), 2: cells(shape, np.s_[:, -1])}


def only(surface: Surface, cores: dict[int, np.ndarray], width: float, **options) -> Corridor:
    found = list(corridors(surface, cores, width, **options))
    assert len(found) == 1
    return found[0]


def test_open_field_by_hand() -> None:
    """Straight across: 2,000 m, 19 columns of 9 cells, 900 m wide; each row carries a ninth of the current."""
    surface, cores = open_field()
    corridor = only(Surface(surface.resistance, surface.cell_size_m, 4), cores, width=0.0)
    assert corridor.least_cost == corridor.length_m == corridor.straight_m == 2000
    assert corridor.area_km2 == pytest.approx(9 * 19 * 0.01)
    assert corridor.mean_width_m == pytest.approx(900) and corridor.narrowest_width_m == pytest.approx(900)
    assert corridor.current == pytest.approx(np.full(171, 1 / 9), abs=1e-6) and corridor.excess.max() == 0
    assert corridor.resistance == pytest.approx(20 / 9)


def test_a_gap_is_the_pinch_point() -> None:
    surface, cores = open_field()
    wall = surface.resistance.copy()
    wall[:, 8:14] = np.nan
    wall[4, 8:14] = 1.0
    corridor = only(Surface(wall, surface.cell_size_m), cores, width=500.0)
    gap = 4 * 21 + 10
    assert gap in corridor.path and corridor.current[corridor.cells == gap] == pytest.approx(1.0)
    assert corridor.current.max() == pytest.approx(1.0)
    assert (corridor.current[corridor.cells % 21 == 5] < 0.9).all()
    wide = only(surface, cores, width=500.0)
    assert corridor.narrowest_width_m < 0.3 * wide.narrowest_width_m == 270
    # nothing leaves the corridor: the sum of d_A and d_B is what it says
    first, second = (surface_of(wall, surface).spread(cores[k])[0] for k in (1, 2))
    total = (first + second)[corridor.cells]
    assert np.allclose(total - corridor.least_cost, corridor.excess) and corridor.excess.max() <= 500.0


def surface_of(resistance: np.ndarray, like: Surface) -> Surface:
    return Surface(resistance, like.cell_size_m)


def test_land_cover_borders_and_width() -> None:
    surface, cores = open_field()
    cover = np.repeat([[1], [1], [1], [2], [2], [2], [2], [2], [2]], 21, axis=1)
    region = np.where(np.arange(21) < 12, 7, 3) * np.ones((9, 1), np.int64)
    corridor = only(surface, cores, width=0.0, cover=cover, region=region, pinch=False)
    assert corridor.share == pytest.approx({1: 1 / 3, 2: 2 / 3})
    assert corridor.along == (7, 3) and corridor.crosses_border and not len(corridor.current)
    home = only(surface, cores, width=0.0, region=np.full((9, 21), 5))
    assert home.along == (5,) and not home.crosses_border
    point = {1: np.array([4 * 21]), 2: np.array([4 * 21 + 20])}
    sizes = [len(only(surface, point, width=width).cells) for width in (0.0, 100.0, 300.0, 1e9)]
    assert sizes == sorted(sizes) and sizes[0] == 19 and sizes[-1] == 9 * 21 - 2


def test_neighbouring_pairs_and_limits() -> None:
    """Of three cores in a row only those that touch are paired; what is out of reach is said to be so."""
    shape = (5, 31)
    cores = {k: cells(shape, np.s_[:, at]) for k, at in ((1, 0), (2, 15), (3, 30))}
    surface = Surface(np.ones(shape), (1.0, 1.0))
    assert neighbouring_pairs(surface, cores) == [(1, 2), (2, 3)]
    assert [(c.first, c.second) for c in corridors(surface, cores, 0.0)] == [(1, 2), (2, 3)]
    every = list(corridors(surface, cores, 0.0, pairs=[(1, 3)]))
    assert every[0].least_cost == 30
    short = Surface(np.ones(shape), (1.0, 1.0), limit=10.0)
    far = list(corridors(short, cores, 0.0, pairs=[(1, 2)]))
    assert np.isinf(far[0].least_cost) and not len(far[0].cells)
    split = np.ones(shape)
    split[:, 7] = np.nan
    apart = list(corridors(Surface(split, (1.0, 1.0)), cores, 0.0, pairs=[(1, 2), (2, 3)]))
    assert [np.isinf(c.least_cost) for c in apart] == [True, False]


def test_few_distances_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    surface = Surface(np.exp(rng.normal(size=(20, 20))), (1.0, 1.0))
    cores = {k: np.array([c]) for k, c in enumerate((0, 19, 210, 380, 399))}
    pairs = [(a, b) for a in cores for b in cores if a < b]
    one = [c.least_cost for c in corridors(surface, cores, 1.0, pairs)]
    monkeypatch.setattr("prioritize.connectivity.corridors.KEEP_BYTES", 0)
    assert one == [c.least_cost for c in corridors(surface, cores, 1.0, pairs)]


def write(path: Path, image: np.ndarray, crs: str | None = "EPSG:32650") -> Path:
    transform = (100.0, 0.0, 500000.0, 0.0, -100.0, 4000000.0)
    write_raster(path, np.asarray(image, dtype=np.float64), Raster(path, image, transform, crs))
    return path


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    surface, _ = open_field()
    cores = np.zeros((9, 21))
    cores[:, 0], cores[:, -1] = 4, 9
    cover = np.where(np.arange(9)[:, None] < 3, 1, 2) * np.ones((9, 21))
    country = np.where(np.arange(21) < 12, 7, 3) * np.ones((9, 21))
    files = [
        write(tmp_path / f"{name}.tif", image)
        for name, image in {"r": surface.resistance, "cores": cores, "cover": cover, "country": country}.items()
    ]
    out = tmp_path / "out"
    arguments = ["corridors", *map(str, files[:2]), "--width", "0", "--out", str(out)]
    assert main([*arguments, "--cover", str(files[2]), "--borders", str(files[3])]) == 0
    row = (out / "corridors.csv").read_text().splitlines()
    values = dict(zip(row[0].split(","), row[1].split(","), strict=True))
    assert values["first"] == "4" and float(values["least_cost"]) == 2000 and values["crosses_border"] == "yes"
    assert values["regions_along"] == "7 3" and float(values["share_class_1"]) == pytest.approx(1 / 3)
    image = read_raster(out / "corridors.tif").value
    assert (image[:, 1:-1] == 0).all() and np.isnan(image[:, 0]).all()
    assert np.nansum(read_raster(out / "paths.tif").value) == 21
    assert np.nansum(read_raster(out / "pinch.tif").value) > 18
    assert "4 - 9" in capsys.readouterr().out
    assert not list(out.glob(".draft*"))


def test_command_with_wrong_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ones = np.ones((4, 4))
    good, cores = write(tmp_path / "r.tif", ones), write(tmp_path / "cores.tif", np.diag([1.0, 0, 0, 2]))
    negative = write(tmp_path / "negative.tif", -ones)
    one = write(tmp_path / "one.tif", np.diag([1.0, 0, 0, 0]))
    degrees = write(tmp_path / "degrees.tif", ones, "EPSG:4326")
    out = tmp_path / "out"
    for arguments, message in (
        ([tmp_path / "rr.tif", cores], "rr.tif: no such raster"),
        ([negative, cores], "negative.tif: 16 cells with a negative"),
        ([good, one], "one.tif: 1 core"),
        ([degrees, cores], "degrees.tif: in degrees"),
        ([good, cores, "--width", "-1"], "--width"),
        ([good, cores, "--pairs", "1-5"], "--pairs 1-5"),
    ):
        try:
            code = main(["corridors", *map(str, arguments), "--out", str(out)])
        except SystemExit as stopped:
            code = stopped.code  # type: ignore[assignment]
        assert code == 2 and message in capsys.readouterr().err, message
        assert not out.exists()


def test_bad_input() -> None:
    surface, cores = open_field()
    with pytest.raises(DataError, match="width"):
        list(corridors(surface, cores, -1.0))
    blocked = surface.resistance.copy()
    blocked[:, 0] = np.nan
    with pytest.raises(DataError, match="cores: no cell of 1"):
        list(corridors(Surface(blocked, surface.cell_size_m), cores, 1.0))
