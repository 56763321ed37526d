"""Jobs of Circuitscape: its own verification jobs, dense twins of every mode and option, what its files may hold."""

from __future__ import annotations

import gzip
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import naive_circuit
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine

from prioritize.cli import main
from prioritize.connectivity.circuit_run import run
from prioritize.connectivity.circuitscape_jobs import read_setup

FIELD = Path(__file__).parent / "field" / "07-circuit-ground-of-zero-ohm"
#: kind of job -> folder, and how many there are
JOBS = {
    "sgVerify": ("raster/pairwise/{k}", 17),
    "oneToAllVerify": ("raster/one_to_all/{k}", 13),
    "allToOneVerify": ("raster/all_to_one/{k}", 12),
    "mgVerify": ("raster/advanced/{k}", 7),
    "sgNetworkVerify": ("network", 3),
    "mgNetworkVerify": ("network", 3),
}
NAMES = [(f"{kind}{k}", folder.format(k=k)) for kind, (folder, count) in JOBS.items() for k in range(1, count + 1)]
#: jobs whose switches are off though their maps lie there, and are right
ALL_MAPS = {"oneToAllVerify10", "oneToAllVerify11", "mgVerify2"}
NODATA = -9999
#: files of other settings or versions than the job that lies beside them
STALE = {"sgVerify12": "curmap", "sgVerify13": "3columns", "allToOneVerify12": "_4.asc"}


def table(path: Path, keys: int) -> dict[tuple[int, ...], float]:
    """Lines of `key ... value`."""
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    return {tuple(int(float(text)) for text in row[:keys]): float(row[keys]) for row in rows}


def ascii_grid(path: Path) -> np.ndarray:
    return np.array([[float(text) for text in line.split()] for line in path.read_text().splitlines()[6:]])


def pair_of(mine: Path, theirs: Path) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of two files, side by side; what a list of theirs leaves out does not flow."""
    if theirs.suffix == ".asc":
        return ascii_grid(mine), ascii_grid(theirs)
    if theirs.name.endswith("_resistances.out"):
        return np.loadtxt(mine), np.loadtxt(theirs)
    keys = 1 if "_node_currents" in theirs.name or "_voltages" in theirs.name else 2
    one, two = table(mine, keys), table(theirs, keys)
    assert two.keys() <= one.keys(), theirs.name
    return np.array(list(one.values())), np.array([two.get(key, 0.0) for key in one])


@pytest.mark.parametrize(("name", "folder"), NAMES)
def test_every_output_of_circuitscape(name: str, folder: str, reference_data: Path, tmp_path: Path) -> None:
    """All that a job of Circuitscape's own verification writes, to 1e-6 of the largest value of each file."""
    home = reference_data / "circuitscape"
    job = home / "input" / folder / f"{name}.ini"
    if not job.is_file():
        pytest.skip(f"{job} not found")
    setup = read_setup(job)
    if name in ALL_MAPS:
        setup = replace(setup, current_maps=True, voltage_maps=True, cumulative_only=False)
    run(setup, tmp_path)
    if name == "sgNetworkVerify2":  # pairs of all seven nodes lie there, sums and resistances of the five that it names
        seven = [np.array([k]) for k in range(7)]
        run(replace(setup, ids=np.arange(7), terminals=seven, active=~np.eye(7, dtype=bool)), tmp_path / "seven")
        for path in (tmp_path / "seven").glob("*_[0-9].txt"):
            shutil.copy(path, tmp_path)
    compared = 0
    for theirs in sorted((home / "output_verify").glob(f"{name}_*")):
        mine = tmp_path / theirs.name
        if theirs.suffix == ".ini" or STALE.get(name, "\0") in theirs.name or not mine.exists():
            continue
        ours, expected = pair_of(mine, theirs)
        assert ours.shape == expected.shape and expected.size, theirs.name
        assert ((ours == NODATA) == (expected == NODATA)).all(), theirs.name
        scale = np.abs(expected[expected != NODATA]).max(initial=1.0)
        assert np.abs(ours - expected).max() <= 1e-6 * scale, theirs.name
        compared += 1
    written = {path.name for path in tmp_path.iterdir() if "curmap" in path.name or "voltmap" in path.name}
    assert compared >= max(1, len(written & {path.name for path in (home / "output_verify").iterdir()}) - 1)


@pytest.mark.parametrize(
    ("case", "expected"),
    [("only_zero", {(0, 0): 2.280698, (3, 4): 0}), ("zero_and_five", {(0, 0): 2.165855, (0, 4): 0.656074, (3, 4): 0})],
)
def test_a_ground_of_0_ohm_holds_0_volts(case: str, expected: dict[tuple[int, int], float], tmp_path: Path) -> None:
    assert main(["circuit", str(FIELD / case / "j.ini"), "--out", str(tmp_path / "out")]) == 0
    voltage = ascii_grid(tmp_path / "out" / "t_voltmap.asc")
    assert all(voltage[cell] == pytest.approx(value, abs=5e-7) for cell, value in expected.items())
    current = ascii_grid(tmp_path / "out" / "t_curmap.asc")
    assert current[0, 0] == pytest.approx(1)
    # what enters leaves by the grounds: 1/5 S at 0.656 V, and the rest at 0 V
    assert current[3, 4] == pytest.approx(1 - voltage[0, 4] / 5 * (case == "zero_and_five"))


class Job:
    """A small job drawn at random: its files, and what they mean in plain Python."""

    def __init__(self, folder: Path, draw: random.Random, scenario: str):
        self.folder, self.draw, self.scenario = folder, draw, scenario
        self.shape = (draw.randint(3, 5), draw.randint(3, 5))
        self.size = self.shape[0] * self.shape[1]
        self.keys: dict[str, Any] = {"data_type": "raster", "scenario": scenario, "output_file": "out/made.out"}
        self.keys |= {"write_cur_maps": "True", "write_volt_maps": "True", "write_max_cur_maps": "True"}
        self.resistances, self.average = draw.random() < 0.5, draw.choice(["resistance", "conductance"])
        self.neighbours = draw.choice([4, 8])
        self.keys |= {
            "habitat_map_is_resistances": self.resistances,
            "connect_using_avg_resistances": self.average == "resistance",
            "connect_four_neighbors_only": self.neighbours == 4,
        }
        value = [draw.choice([NODATA, 1, 2.5, 7, 40]) if draw.random() < 0.6 else 3 for _ in range(self.size)]
        self.conductance = np.array([0 if v == NODATA else 1 / v if self.resistances else v for v in value], float)
        self.grid("habitat_file", value)
        if draw.random() < 0.4:
            mask = [draw.choice([1, 1, 1, 1, 5, 0, -2, NODATA]) for _ in range(self.size)]
            self.grid("mask_file", mask)
            self.keys["use_mask"] = True
            self.conductance = np.where(np.array(mask) > 0, self.conductance, 0.0)
        self.groups: list[list[int]] = []
        if draw.random() < 0.5:
            label = [draw.choice([NODATA, NODATA, NODATA, 0, 2, 9]) for _ in range(self.size)]
            self.grid("polygon_file", label)
            self.keys["use_polygons"] = True
            self.groups = [[c for c in range(self.size) if label[c] == k] for k in (2, 9) if k in label]
        self.conductance = self.conductance.reshape(self.shape)

    def grid(self, key: str, value: list[float]) -> None:
        """Write a grid, and name it."""
        rows, columns = self.shape
        lines = [" ".join(str(v) for v in value[r * columns : (r + 1) * columns]) for r in range(rows)]
        head = f"ncols {columns}\nnrows {rows}\nxllcorner 10\nyllcorner 20\ncellsize 2\nNODATA_value {NODATA}\n"
        (self.folder / f"{key}.asc").write_text(head + "\n".join(lines) + "\n")
        self.keys[key] = f"{key}.asc"

    def points(self, key: str, value: dict[int, float]) -> None:
        """Write values of cells, as a grid or as lines `value x y`."""
        if self.draw.random() < 0.5:
            self.grid(key, [value.get(cell, NODATA) for cell in range(self.size)])
            return
        rows, columns = self.shape
        lines = [f"{v}\t{11 + 2 * (c % columns)} {20 + 2 * rows - 1 - 2 * (c // columns)}" for c, v in value.items()]
        (self.folder / f"{key}.txt").write_text("\n".join(lines) + "\n")
        self.keys[key] = f"{key}.txt"

    def focal(self) -> dict[int, list[int]]:
        """Three or four focal nodes, some of them regions."""
        ids = [3, 5, 8, 12][: self.draw.randint(3, 4)]
        cells = self.draw.sample(range(self.size), len(ids) + self.draw.randint(0, 3))
        value = {cell: ids[k] if k < len(ids) else self.draw.choice(ids) for k, cell in enumerate(cells)}
        self.points("point_file", value)
        return {i: sorted(cell for cell in value if value[cell] == i) for i in ids}

    def run(self, **keys: Any) -> Callable[[str], np.ndarray]:
        """Run the job by the command line; reads its maps."""
        text = "".join(f"{key} = {value}\n" for key, value in (self.keys | keys).items())
        (self.folder / "job.ini").write_text("[all]\n" + text)
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        assert main(["circuit", str(self.folder / "job.ini"), "--out", str(out)]) == 0
        return lambda name: ascii_grid(out / f"made_{name}.asc")

    def first(self, cells: list[int]) -> int:
        """The cell by which a focal region injects: where its first node begins."""
        begins = [min([c for c in group if self.conductance.ravel()[c] > 0], default=-1) for group in self.groups]
        heads = [b for group, b in zip(self.groups, begins, strict=True) if b >= 0 and set(group) & set(cells)]
        inside = {c for group in self.groups for c in group}
        heads += [c for c in cells if c not in inside and self.conductance.ravel()[c] > 0]
        return min(heads, default=cells[0])

    def solve(self, groups: list[list[int]], source: dict, ground: dict, policy: str = "keepall") -> list[np.ndarray]:
        return list(
            naive_circuit.solve(
                self.conductance, self.neighbours, self.average, self.groups + groups, source, ground, policy
            )
        )


def near(one: np.ndarray, two: np.ndarray) -> bool:
    return bool(np.allclose(one, two, rtol=1e-6, atol=1e-8))


def drawn(seed: int, tmp_path_factory: pytest.TempPathFactory, scenario: str) -> Job:
    """A job in which something can flow."""
    draw = random.Random(seed)
    while True:
        job = Job(tmp_path_factory.mktemp("job"), draw, scenario)
        if (job.conductance > 0).sum() > 2:
            return job


@given(st.integers(0, 10**6))
@settings(max_examples=60)
def test_advanced_like_the_dense_twin(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Grounds of 0 ohm beside others, sources of both signs, all policies, unit currents, direct grounds, polygons."""
    job = drawn(seed, tmp_path_factory, "advanced")
    draw = job.draw
    live = [int(c) for c in np.flatnonzero(job.conductance.ravel() > 0)]
    source = {c: draw.choice([1, 2, 0.5, -1]) for c in draw.sample(range(job.size), 3)} | {live[0]: 1}
    given_ground = {c: draw.choice([0, 0.5, 4]) for c in draw.sample(range(job.size), 3)} | {live[-1]: 2}
    by_resistance, unit, direct = draw.random() < 0.7, draw.random() < 0.2, draw.random() < 0.2
    policy = draw.choice(["keepall", "rmvsrc", "rmvgnd", "rmvall"])
    job.points("source_file", source)
    job.points("ground_file", given_ground)
    read = job.run(
        ground_file_is_resistances=by_resistance,
        use_unit_currents=unit,
        use_direct_grounds=direct,
        remove_src_or_gnd=policy,
    )
    ground = {c: (np.inf if v == 0 else 1 / v) if by_resistance else v for c, v in given_ground.items()}
    if direct:
        ground = {c: np.inf if v else 0.0 for c, v in ground.items()}
    voltage, current, _ = job.solve([], {c: 1 if unit else v for c, v in source.items()}, ground, policy)
    assert near(read("voltmap"), voltage) and near(read("curmap"), current)
    assert not (job.folder / "out" / "made_max_curmap.asc").exists()


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_pairwise_like_the_dense_twin(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Focal regions, polygons, a mask, pairs chosen; sums and maxima; zero at the focal nodes of the pair."""
    job = drawn(seed, tmp_path_factory, "pairwise")
    focal = job.focal()
    ids = list(focal)
    chosen = [(a, b) for k, a in enumerate(ids) for b in ids[k + 1 :]]
    mode = job.draw.choice(["", "include", "exclude", "matrix"])
    if mode:
        listed = job.draw.sample(chosen, 2)
        text = f"mode {mode}\n" + "".join(f"{a}\t{b}\n" for a, b in listed)
        if mode == "matrix":  # its lower triangle only
            mode, rows = "include", [[a, *(7 * ((b, a) in listed) for b in ids)] for a in ids]
            text = "\n".join(" ".join(map(str, row)) for row in [["min", 5], ["max", 8], [0, *ids], *rows])
        (job.folder / "pairs.txt").write_text(text)
        job.keys |= {"use_included_pairs": True, "included_pairs_file": "pairs.txt"}
        chosen = [pair for pair in chosen if (pair in listed) == (mode == "include")]
    zero = job.draw.random() < 0.3
    read = job.run(set_focal_node_currents_to_zero=zero)
    total, most = np.zeros(job.shape), np.zeros(job.shape)
    resistance = table(job.folder / "out" / "made_resistances_3columns.out", 2)
    for a, b in chosen:
        voltage, current, node = job.solve([focal[a], focal[b]], {focal[b][0]: 1.0}, {focal[a][0]: np.inf})
        flows = current.ravel()[focal[a][0]] > 0
        expected = voltage.ravel()[focal[b][0]] if flows else resistance[a, b]
        assert resistance[a, b] == pytest.approx(expected, rel=1e-6) and (flows or resistance[a, b] in (0, -1))
        if flows:
            if zero:
                current[np.isin(node, node.ravel()[[*focal[a], *focal[b]]])] = 0.0
            assert near(read(f"voltmap_{a}_{b}"), voltage) and near(read(f"curmap_{a}_{b}"), current)
            total, most = total + current, np.maximum(most, current)
    assert near(read("cum_curmap"), total) and near(read("max_curmap"), most)
    assert all(resistance[pair] == -1 for pair in resistance.keys() - set(chosen))


@given(st.integers(0, 10**6), st.sampled_from(["one-to-all", "all-to-one"]))
@settings(max_examples=60)
def test_stars_like_the_dense_twin(tmp_path_factory: pytest.TempPathFactory, seed: int, scenario: str) -> None:
    """One focal node against the others, with strengths (0, too) and a matrix of pairs that need not be symmetric."""
    job = drawn(seed, tmp_path_factory, scenario)
    focal = job.focal()
    ids = list(focal)
    strength = dict.fromkeys(ids, 1.0)
    if job.draw.random() < 0.5:
        named = {i: job.draw.choice([0, 0.5, 3]) for i in ids[1:]}
        (job.folder / "strengths.txt").write_text("".join(f"{i} {v}\n" for i, v in named.items()))
        job.keys |= {"use_variable_source_strengths": True, "variable_source_file": "strengths.txt"}
        strength |= named
    active = {(a, b): a != b for a in ids for b in ids}
    if job.draw.random() < 0.5:
        away = {pair: job.draw.choice([0, 1, 2, 3, 9]) for pair in active}
        away[ids[0], ids[1]] = 2
        rows = "".join(f"{a} " + " ".join(str(away[a, b]) for b in ids) + "\n" for a in ids)
        (job.folder / "matrix.txt").write_text(f"min 1\nmax 3\n0 {' '.join(map(str, ids))}\n{rows}")
        job.keys |= {"use_included_pairs": True, "included_pairs_file": "matrix.txt"}
        active = {(a, b): a != b and 1 <= away[a, b] <= 3 for a, b in active}
    read = job.run()
    written = (job.folder / "out" / "made_resistances.out").read_text().split()
    resistance = dict(zip(map(int, written[::2]), map(float, written[1::2]), strict=True))
    total, most = np.zeros(job.shape), np.zeros(job.shape)
    for k in ids:
        others = [i for i in ids if active[k, i]]
        if not others:
            assert resistance[k] == -1 and not (job.folder / "out" / f"made_curmap_{k}.asc").exists()
            continue
        groups = [focal[i] for i in (k, *others)]
        if scenario == "one-to-all":
            source, ground, policy = {focal[k][0]: strength[k]}, {focal[i][0]: np.inf for i in others}, "rmvgnd"
        else:
            # as in Circuitscape, who takes no part injects 1 A all the same, by the first cell that has a node
            source = {focal[i][0]: strength[i] for i in others}
            ground, policy = {focal[k][0]: np.inf}, "rmvsrc"
            for i in set(ids) - {k, *others}:
                first = job.first(focal[i])
                source[first] = source.get(first, 0.0) + 1.0
        voltage, current, _ = job.solve(groups, source, ground, policy)
        assert near(read(f"voltmap_{k}"), voltage) and near(read(f"curmap_{k}"), current)
        flows = current.ravel()[focal[k][0]] > 1e-12
        if flows:
            ohm = voltage.ravel()[focal[k][0]] / strength[k] if scenario == "one-to-all" else 0.0
            assert resistance[k] == pytest.approx(ohm, rel=1e-6)
        else:
            assert resistance[k] == -1
        total, most = total + current, np.maximum(most, current)
    assert near(read("cum_curmap"), total) and near(read("max_curmap"), most)


HEAD = "ncols 3\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\nNODATA_value -9999\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A row of three cells of 1 ohm, 3 A into the first; a ground of 0 ohm at the last."""
    for name, rows in {
        "r": "1 1 1\n-9999 -9999 -9999",
        "points": "5 -9999 9\n-9999 -9999 -9999",
        "source": "3 -9999 -9999\n-9999 -9999 -9999",
        "ground": "-9999 -9999 0\n-9999 -9999 -9999",
    }.items():
        (tmp_path / f"{name}.asc").write_text(f"{HEAD}{rows}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def job(scenario: str, *lines: str, **keys: object) -> int:
    """Run a job in the working folder; the exit code."""
    base: dict[str, object] = {"scenario": scenario, "habitat_file": "r.asc", "point_file": "points.asc"}
    base |= {"source_file": "source.asc", "ground_file": "ground.asc", "connect_using_avg_resistances": "True"}
    base |= {"write_cur_maps": "True", "write_volt_maps": "True", "output_file": "made.out"}
    text = "[all]\n" + "".join(f"{key} = {value}\n" for key, value in (base | keys).items())
    Path("job.ini").write_text(text + "\n".join(lines))
    return main(["circuit", "job.ini", "--out", "out"])


def test_defaults_are_those_of_circuitscape(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Grounds are resistances, scenarios may be written with capitals, sections mean nothing, -9999 is no data."""
    assert job("Advanced", data_type="Raster", remove_src_or_gnd="not entered") == 0
    assert ascii_grid(home / "out" / "made_voltmap.asc")[0].tolist() == [6, 3, 0]
    for name in ("r", "source", "ground"):  # no NODATA_value declared
        text = (home / f"{name}.asc").read_text()
        (home / f"{name}.asc").write_text(text.replace("NODATA_value -9999\n", ""))
    assert job("advanced", "  use_direct_grounds = True", "[again]", "# use_unit_currents = False") == 0
    assert ascii_grid(home / "out" / "made_voltmap.asc")[0].tolist() == [6, 3, 0]
    (home / "job.ini").write_text((home / "job.ini").read_text().replace("[all]\n", ""))
    assert main(["circuit", "job.ini", "--out", "out"]) == 0
    assert capsys.readouterr().err == ""


def test_grids_are_told_from_lists_by_what_they_hold(home: Path) -> None:
    """Packed by gzip, or a grid called .txt."""
    (home / "r.asc.gz").write_bytes(gzip.compress((home / "r.asc").read_bytes()))
    (home / "points.asc").rename(home / "points.txt")
    assert job("pairwise", habitat_file="r.asc.gz", point_file="points.txt") == 0
    assert (home / "out" / "made_resistances_3columns.out").read_text() == "5 9 2\n"
    (home / "list.txt.gz").write_bytes(gzip.compress(b"5 0.5 1.5\n9 2.5 1.5\n"))
    assert job("pairwise", point_file="list.txt.gz") == 0
    # a point on the border of two cells belongs to the left and upper one, as in Circuitscape
    (home / "edge.txt").write_text("5 0 2\n9 2 1\n")
    assert job("pairwise", point_file="edge.txt") == 0
    assert (home / "out" / "made_resistances_3columns.out").read_text() == "5 9 1\n"


def test_focal_regions_beyond_the_data(home: Path) -> None:
    """Cells without data carry what their focal region carries, and blanks are blank where that is asked for."""
    (home / "points.asc").write_text(HEAD + "5 -9999 9\n-9999 -9999 9\n")
    assert job("pairwise") == 0
    assert ascii_grid(home / "out" / "made_curmap_5_9.asc").tolist() == [[1, 1, 1], [0, 0, 1]]
    assert ascii_grid(home / "out" / "made_cum_curmap.asc").tolist() == [[1, 1, 1], [0, 0, 1]]
    assert job("pairwise", set_null_currents_to_nodata=True) == 0
    assert ascii_grid(home / "out" / "made_curmap_5_9.asc")[1].tolist() == [NODATA] * 3
    assert ascii_grid(home / "out" / "made_voltmap_5_9.asc")[1, :2].tolist() == [0, 0]
    assert job("pairwise", set_null_voltages_to_nodata=True, log_transform_maps=True) == 0
    assert ascii_grid(home / "out" / "made_curmap_5_9.asc").tolist() == [[0, 0, 0], [NODATA, NODATA, 0]]
    assert ascii_grid(home / "out" / "made_voltmap_5_9.asc")[1].tolist() == [NODATA] * 3
    assert job("pairwise", write_cur_maps=False, write_volt_maps=False, write_cum_cur_map_only=True) == 0
    assert ascii_grid(home / "out" / "made_cum_curmap.asc").tolist() == [[1, 1, 1], [0, 0, 1]]


def test_advanced_networks_like_the_dense_twin(home: Path) -> None:
    """Two parts, one grounded at 0 ohm and by 4 ohm, one without ground; node numbers from 0 and from 1."""
    links = [(0, 1, 2.0), (1, 2, 1.0), (0, 2, 4.0), (1, 0, 2.0), (3, 4, 1.0)]
    for first in (0, 1):
        (home / "graph.txt").write_text("".join(f"{a + first} {b + first} {ohm}\n" for a, b, ohm in links))
        (home / "sources.txt").write_text(f"{first} 1.5\n{3 + first} 1\n")
        (home / "grounds.txt").write_text(f"{2 + first} 0\n{1 + first} 4\n")
        files = {"habitat_file": "graph.txt", "source_file": "sources.txt", "ground_file": "grounds.txt"}
        assert job("advanced", data_type="network", **files) == 0
        matrix = naive_circuit.laplacian(3, [(a, b, 1 / ohm) for a, b, ohm in links[:4]]) + np.diag([0, 0.25, 0])
        expected = np.linalg.solve(matrix[:2, :2], [1.5, 0])
        voltage = table(home / "out" / "made_voltages.txt", 1)
        assert [voltage[k + first,] for k in range(5)] == pytest.approx([*expected, 0, 0, 0])
        assert min(voltage) == (first,)
        assert len(table(home / "out" / "made_node_currents.txt", 1)) == 5


def test_files_of_another_computer(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What lies beside the .ini file is read, and said; what does not is one error."""
    (home / "maps").mkdir()
    (home / "source.asc").rename(home / "maps" / "source.asc")
    names = {"habitat_file": r"D:\gis\Kenya\r.asc", "source_file": r"maps\source.asc"}
    assert job("advanced", ground_file="/home/someone/ground.asc", **names) == 0
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and "habitat_file = D:" in told[0] and "ground_file = /home/someone" in told[1]
    assert job("advanced", ground_file=r"D:\gis\grounds.asc", **names) == 2
    assert "grounds.asc: no such file; did you mean 'ground.asc'?" in capsys.readouterr().err
    # neither does the output go to a folder called D:
    for output, made in ((r"D:\out\far.out", "far"), ("(Choose a base name for output files)", "job")):
        assert job("advanced", output_file=output, source_file="maps/source.asc") == 0
        assert main(["circuit", "job.ini"]) == 0
        assert (home / "runs" / "circuit" / f"{made}_curmap.asc").exists()


@pytest.mark.parametrize(
    ("keys", "files", "told"),
    [
        ({}, {"points.asc": "5 -9 9\n-4 -9999 -9999"}, "id below 1 are passed over: -9, -4"),
        ({"point_file": "p.txt"}, {"p.txt": "5 .5 1.5\n9 1.5 1.5\n9 2.5 1.5\n-3 .5 1.5"}, "one focal region each: 9"),
        ({"point_file": "p.txt"}, {"p.txt": "5 .5 1.5\n9 1.5 1.5\n0 2.5 1.5"}, "below 1 are passed over: 0"),
        (
            {"use_polygon": "True"},
            {},
            "'use_polygon' is no key of Circuitscape and is passed over; did you mean 'use_p",
        ),
        ({"compress_grids": "True"}, {}, "written unpacked"),
        (
            {"use_included_pairs": "True", "included_pairs_file": "p.txt"},
            {"p.txt": "mode include\n5 9\n5 77"},
            "no focal node, and is passed over: 77",
        ),
        (
            {"scenario": "advanced", "source_file": "p.txt"},
            {"p.txt": "1 .5 1.5\n1 .5 1.6\n2 .5 .5"},
            "1 lines name a cell that another line names, too; their values add up",
        ),
        (
            {"scenario": "advanced", "source_file": "p.txt"},
            {"p.txt": "1 .5 1.5\n2 .5 .5"},
            "1 of 2 sources lie where the habitat has no data, and are passed over",
        ),
        (
            {"use_polygons": "True", "polygon_file": "a.asc", "connect_using_avg_resistances": "False"},
            {"a.asc": "4 -9999 -9999\n4 -9999 -9999"},
            "1 cells of short-circuit regions have no data, and no edge leads to them, as in Circuitscape 4",
        ),
    ],
)
def test_what_is_passed_over_is_said(
    keys: dict, files: dict[str, str], told: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in files.items():
        (home / name).write_text((HEAD if name.endswith(".asc") else "") + text + "\n")
    assert job(**({"scenario": "pairwise"} | keys)) == 0
    assert told in capsys.readouterr().err


def test_all_to_one_with_pairs_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "points.asc").write_text(HEAD + "5 7 9\n-9999 -9999 -9999\n")
    (home / "p.txt").write_text("mode include\n5 7\n7 9\n")
    assert job("all-to-one", use_included_pairs=True, included_pairs_file="p.txt") == 0
    assert "a focal node that a pair leaves out injects 1 A all the same" in capsys.readouterr().err
    assert ascii_grid(home / "out" / "made_curmap_5.asc")[0].tolist() == [2, 2, 1]


NETWORK = {"data_type": "network", "habitat_file": "g.txt", "point_file": "p.txt"}


@pytest.mark.parametrize(
    ("keys", "files", "told"),
    [
        ({"remove_src_or_gnd": "rmvsource"}, {}, "remove_src_or_gnd = rmvsource: not one of keepall"),
        ({"point_file": "p.txt"}, {"p.txt": "5.5 .5 1.5\n9 1.5 1.5"}, "ids must be whole numbers"),
        ({"point_file": "p.txt"}, {"p.txt": "5 .5 1.5"}, "one focal node only (5)"),
        ({"point_file": "p.txt"}, {"p.txt": "5 .5 1.5\n9 nan 1.5"}, "not finite: nan"),
        ({"point_file": "p.txt"}, {"p.txt": "5 .5 1.5\n9 1e300 1.5"}, "1 points lie outside"),
        ({"point_file": "p.txt"}, {"p.txt": ""}, "p.txt: empty"),
        ({"point_file": "p.txt"}, {"p.txt": "# id x y"}, "p.txt: empty"),
        ({"point_file": "p.txt.gz"}, {"p.txt.gz": "5 .5 1.5"}, "p.txt.gz: damaged"),
        ({}, {"points.asc": "1e30 -9999 9\n1 1 1"}, "too large for a label"),
        ({}, {"r.asc": "1 1e-310 1\n1 1 1"}, "1 cells with resistance 0.0"),
        ({"habitat_file": "complex.tif"}, {}, "complex numbers"),
        ({"use_mask": "True", "mask_file": "m.asc"}, {"m.asc": "0 0 -1\n0 0 0"}, "m.asc: leaves no cell"),
        (
            {"scenario": "advanced", "ground_file": "g.asc"},
            {"g.asc": "-1 0 0\n0 0 0"},
            "grounds must not be negative: -1",
        ),
        (
            {"scenario": "advanced", "ground_file": "g.txt"},
            {"g.txt": "0 .5 .5"},
            "no ground (a value other than 0) lies where the habitat has data",
        ),
        ({**NETWORK, "use_mask": "True"}, {"g.txt": "0 1 1", "p.txt": "0\n1"}, "use_mask: a network has no cells"),
        (NETWORK, {"g.txt": "0 1 1\n1 2 1", "p.txt": "0\n1\n0"}, "names a node twice: 0; leave one line"),
        (NETWORK, {"g.txt": "1 2 1\n2 3 1", "p.txt": "0\n1"}, "not nodes of the network, which has 1 to 3: 0"),
        (NETWORK, {"g.txt": "1 2 1\n2 3e9 1", "p.txt": "0\n1"}, "node 3000000000 in 2 edges"),
        (
            NETWORK,
            {"g.txt": "1 2 1\n2 3 1e-320", "p.txt": "1\n2"},
            "resistances must be positive, these are not: 1e-320",
        ),
        (
            {**NETWORK, "scenario": "advanced", "source_file": "p.txt", "ground_file": "p.txt"},
            {"g.txt": "0 1 1", "p.txt": "0 1\n0 2"},
            "names a node twice: 0",
        ),
        ({"use_reclass_table": "True"}, {}, "use_reclass_table: reclassify the raster first"),
        (
            {"use_included_pairs": "True", "included_pairs_file": "p.txt"},
            {"p.txt": "mode exclude\n5 9"},
            "leaves no pair of the focal nodes",
        ),
        (
            {"scenario": "one-to-all", "use_variable_source_strengths": "True", "variable_source_file": "p.txt"},
            {"p.txt": "5 1\n5 2"},
            "names an id twice: 5",
        ),
    ],
)
def test_one_clear_error(
    keys: dict, files: dict[str, str], told: str, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2, no warning beside it, nothing written."""
    if keys.get("habitat_file") == "complex.tif":
        transform = Affine(1, 0, 0, 0, -1, 2)
        shape = {"height": 2, "width": 3, "count": 1, "dtype": "complex64", "transform": transform}
        with rasterio.open(home / "complex.tif", "w", driver="GTiff", **shape) as file:
            file.write(np.ones((2, 3), np.complex64), 1)
    for name, text in files.items():
        (home / name).write_text((HEAD if name.endswith(".asc") else "") + text + "\n" * bool(text))
    assert job(**({"scenario": "pairwise"} | keys)) == 2
    error = capfd.readouterr().err
    assert told in error and error.count("\n") == 1, error
    assert not (home / "out").exists()


@pytest.mark.parametrize("arguments", [["big.asc", "--focal", "points.asc"], ["big.asc", "--radius", "3"], ["big.ini"]])
def test_a_grid_beyond_the_memory_is_refused_by_its_header(
    arguments: list[str], home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """2,000,000 x 2,000,000 cells in a file of two values."""
    head = HEAD.replace("ncols 3", "ncols 2000000").replace("nrows 2", "nrows 2000000")
    (home / "big.asc").write_text(head + "1 1\n")
    (home / "big.ini").write_text("habitat_file = big.asc\npoint_file = points.asc\n")
    assert main(["circuit", *arguments, "--out", "out"]) == 2
    error = capfd.readouterr().err
    assert "big.asc: 2,000,000 x 2,000,000 cells take 63,330 GiB" in error and error.count("\n") == 1
    assert not (home / "out").exists()


def test_more_cells_than_memory_holds(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The raster would fit, its network would not."""
    monkeypatch.setattr("prioritize.connectivity.laplacian.memory", lambda: 3 * 4 * 80 - 1)
    assert job("pairwise") == 2
    assert "3 cells with data take at least" in capsys.readouterr().err
    assert job("pairwise", connect_four_neighbors_only=True) == 0


def test_ini_files_of_windows(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names with accents, lines that end in CR LF; no text at all is one error."""
    (home / "r.asc").rename(home / "r\u00e9sistance.asc")
    text = "[all]\r\nhabitat_file = r\u00e9sistance.asc\r\npoint_file = points.asc\r\n"
    (home / "job.ini").write_bytes(text.encode("cp1252"))
    assert main(["circuit", "job.ini", "--out", "out"]) == 0
    (home / "job.ini").write_bytes(text.encode("utf-16"))
    assert main(["circuit", "job.ini", "--out", "out"]) == 2
    assert "job.ini: not an .ini file" in capsys.readouterr().err
    (home / "job.ini").write_text("[all]\nhabitat_file r.asc\n")
    assert main(["circuit", "job.ini", "--out", "out"]) == 2
    assert "job.ini: not an .ini file (line 2 is not `key = value`: habitat_file r.asc)" in capsys.readouterr().err
