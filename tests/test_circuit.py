"""Resistances, voltages and currents: by hand, by laws and against dense twins (jobs: test_circuitscape.py)."""

from __future__ import annotations

from pathlib import Path

import naive_circuit
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prioritize.cli import main
from prioritize.connectivity.circuit import advanced, pairwise, settle_conflicts, star
from prioritize.connectivity.circuit_run import run
from prioritize.connectivity.circuitscape_jobs import read_setup
from prioritize.connectivity.laplacian import (
    Circuit,
    components,
    grid_circuit,
    network,
    short_circuit,
)
from prioritize.connectivity.omnidirectional import omnidirectional
from prioritize.connectivity.rasters import read_raster
from prioritize.errors import DataError


def ascii_grid(path: Path) -> np.ndarray:
    return np.array([[float(text) for text in line.split()] for line in path.read_text().splitlines()[6:]])


def hand_network() -> Circuit:
    pairs = np.array([(0, 1), (1, 2), (2, 3), (3, 4), (3, 5), (4, 6), (5, 6)])
    return network(pairs[:, 0], pairs[:, 1], np.ones(7), 7)


@pytest.mark.parametrize(("a", "b", "expected"), [(0, 4, 3.75), (3, 4, 0.75), (0, 3, 3.0)])
@pytest.mark.parametrize("method", ["direct", "multigrid"])
def test_by_hand(a: int, b: int, expected: float, method: str) -> None:
    flow = next(pairwise(hand_network(), [np.array([a]), np.array([b])], method=method))  # type: ignore[arg-type]
    assert flow.resistance == pytest.approx(expected, abs=1e-9)
    assert flow.voltage[a] == 0 and flow.current[[a, b]] == pytest.approx([1, 1])


def test_unit_square_and_series() -> None:
    """Neighbours on a 2 x 2 grid: one ohm beside three."""
    square = grid_circuit(np.ones((2, 2)), 4)
    assert next(pairwise(square.circuit, [np.array([0]), np.array([1])])).resistance == pytest.approx(0.75)
    row = grid_circuit(np.ones((1, 9)), 8)
    assert next(pairwise(row.circuit, [np.array([0]), np.array([8])])).resistance == pytest.approx(8)


def grids(smallest: int = 2, largest: int = 5) -> st.SearchStrategy[np.ndarray]:
    """Grids of conductances, some cells without data."""
    value = st.one_of(st.just(0.0), st.floats(0.01, 100))

    def of(shape: tuple[int, int]) -> st.SearchStrategy[np.ndarray]:
        size = shape[0] * shape[1]
        return st.lists(value, min_size=size, max_size=size).map(lambda v: np.array(v).reshape(shape))

    sides = st.integers(smallest, largest)
    return st.tuples(sides, sides).flatmap(of).filter(lambda grid: (grid > 0).sum() >= 2)


@given(grids(), st.sampled_from([4, 8]), st.sampled_from(["resistance", "conductance"]))
def test_edges_like_the_naive_twin(conductance: np.ndarray, neighbours: int, average: str) -> None:
    grid = grid_circuit(conductance, neighbours, average)  # type: ignore[arg-type]
    cell = np.flatnonzero(grid.node.ravel() >= 0)
    found = {
        tuple(sorted((int(cell[a]), int(cell[b])))): value
        for a, b, value in zip(grid.circuit.tail, grid.circuit.head, grid.circuit.conductance, strict=True)
    }
    expected = {(a, b): value for a, b, value in naive_circuit.edges(conductance, neighbours, average)}
    assert found.keys() == expected.keys()
    assert all(found[k] == pytest.approx(expected[k], rel=1e-12) for k in found)


def links_of(circuit: Circuit) -> list[tuple[int, int, float]]:
    return [(int(a), int(b), float(c)) for a, b, c in zip(circuit.tail, circuit.head, circuit.conductance, strict=True)]


@given(grids(), st.sampled_from([4, 8]), st.randoms(use_true_random=False))
def test_pairs_like_the_naive_twin(conductance: np.ndarray, neighbours: int, random) -> None:
    circuit = grid_circuit(conductance, neighbours).circuit
    a, b = random.sample(range(circuit.nodes), 2)
    flow = next(pairwise(circuit, [np.array([a]), np.array([b])]))
    label = components(circuit)
    if label[a] != label[b]:
        assert np.isinf(flow.resistance) and not flow.current.any()
        return
    links = links_of(circuit)
    assert flow.resistance == pytest.approx(naive_circuit.resistance(circuit.nodes, links, a, b), rel=1e-6)
    naive = naive_circuit.node_currents(circuit.nodes, links, np.zeros(0), flow.voltage)
    assert np.allclose(flow.current, naive, atol=1e-9)
    assert flow.current.max() == pytest.approx(1.0, rel=1e-6)


@given(grids(2, 4), st.sampled_from([4, 8]))
def test_foster(conductance: np.ndarray, neighbours: int) -> None:
    """Sum over edges of conductance times effective resistance = nodes - components."""
    circuit = grid_circuit(conductance, neighbours).circuit
    terminals = [np.array([i]) for i in range(circuit.nodes)]
    pairs = [(int(a), int(b)) for a, b in zip(circuit.tail, circuit.head, strict=True)]
    total = sum(
        c * flow.resistance
        for c, flow in zip(circuit.conductance, pairwise(circuit, terminals, pairs, maps=False), strict=True)
    )
    assert total == pytest.approx(circuit.nodes - len(np.unique(components(circuit))), rel=1e-6)


@given(grids(3, 4), st.integers(0, 10**6), st.floats(1.01, 50))
def test_rayleigh(conductance: np.ndarray, pick: int, factor: float) -> None:
    """A better conductor nowhere raises an effective resistance."""
    better = conductance.copy()
    cells = np.flatnonzero(conductance.ravel() > 0)
    better.ravel()[cells[pick % len(cells)]] *= factor
    before, after = grid_circuit(conductance, 8).circuit, grid_circuit(better, 8).circuit
    terminals = [np.array([i]) for i in range(before.nodes)]
    for one, two in zip(pairwise(before, terminals, maps=False), pairwise(after, terminals, maps=False), strict=True):
        assert np.isinf(one.resistance) == np.isinf(two.resistance)
        assert np.isinf(one.resistance) or two.resistance <= one.resistance * (1 + 1e-9) + 1e-12


@given(grids(3, 4), st.randoms(use_true_random=False))
def test_names_of_nodes_do_not_matter(conductance: np.ndarray, random) -> None:
    circuit = grid_circuit(conductance, 8).circuit
    order = np.array(random.sample(range(circuit.nodes), circuit.nodes))
    other = network(order[circuit.head], order[circuit.tail], circuit.conductance, circuit.nodes)
    one = next(pairwise(circuit, [np.array([0]), np.array([circuit.nodes - 1])]))
    two = next(pairwise(other, [order[:1], order[-1:]]))
    assert np.isinf(one.resistance) == np.isinf(two.resistance)
    if np.isfinite(one.resistance):
        assert two.resistance == pytest.approx(one.resistance, rel=1e-9)
        assert np.allclose(two.current[order], one.current, atol=1e-8)


@given(grids(3, 4), st.randoms(use_true_random=False))
def test_regions_are_short_circuits(conductance: np.ndarray, random) -> None:
    """A region is what edges of almost no resistance between its cells would make of it."""
    grid = grid_circuit(conductance, 4)
    nodes = grid.circuit.nodes
    region = np.array(random.sample(range(nodes), min(nodes, 3)))
    cells = np.flatnonzero(grid.node.ravel() >= 0)[region]
    merged = short_circuit(grid, [cells, cells[:1]])
    assert len(np.unique(merged.node.ravel()[cells])) == 1 and merged.circuit.nodes == nodes - len(cells) + 1
    wire = [(int(region[0]), int(other), 1e7) for other in region[1:]]
    links = links_of(grid.circuit) + wire
    linked = network(*(np.array(x) for x in zip(*links, strict=True)), nodes) if links else grid.circuit
    label = components(linked)
    a, b = random.sample(range(nodes), 2)
    ends = [np.array([merged.node[grid.node == k][0]]) for k in (a, b)]
    flow = next(pairwise(merged.circuit, ends))
    if label[a] != label[b]:
        assert np.isinf(flow.resistance)
    else:
        expected = naive_circuit.resistance(nodes, links, a, b)
        assert flow.resistance == pytest.approx(expected, rel=1e-3, abs=1e-5)
    # the same as a terminal of a pair: short-circuited there only
    if a not in region:
        one = next(pairwise(grid.circuit, [region, np.array([a])]))
        two = next(pairwise(merged.circuit, [np.array([merged.node.ravel()[cells[0]]]), ends[0]]))
        assert np.isinf(one.resistance) == np.isinf(two.resistance)
        assert np.isinf(one.resistance) or one.resistance == pytest.approx(two.resistance, rel=1e-6)


def test_region_over_nodata() -> None:
    """Cells without data bridge a gap as part of a region, but no edge leads to them."""
    grid = grid_circuit(np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]), 4)
    assert np.isinf(next(pairwise(grid.circuit, [np.array([0]), np.array([1])])).resistance)
    merged = short_circuit(grid, [np.array([0, 1]), np.array([1, 2])])
    assert merged.circuit.nodes == 1 and merged.node.tolist() == [[0, 0, 0], [-1, -1, -1]]
    alone = short_circuit(grid, [np.array([3, 4])])
    assert alone.circuit.nodes == 2 and alone.node[1].tolist() == [-1, -1, -1]


@given(grids(3, 4), st.randoms(use_true_random=False))
def test_star_modes(conductance: np.ndarray, random) -> None:
    """Current is kept; with two terminals one-to-all gives the pair's resistance; all-to-one mirrors its current."""
    circuit = grid_circuit(conductance, 8).circuit
    ends = random.sample(range(circuit.nodes), 2)
    terminals = [np.array([i]) for i in ends]
    pair = next(pairwise(circuit, terminals))
    for mode in ("one-to-all", "all-to-one"):
        one = next(star(circuit, terminals, mode))  # type: ignore[arg-type]
        assert np.allclose(one.current, pair.current, atol=1e-7)
        if mode == "one-to-all":
            assert np.isinf(pair.resistance) == np.isinf(one.resistance)
            assert np.isinf(pair.resistance) or one.resistance == pytest.approx(pair.resistance, rel=1e-6)


def test_one_to_all_by_hand() -> None:
    """A row of five, the middle to both ends: two branches of two ohms side by side."""
    row = grid_circuit(np.ones((1, 5)), 4).circuit
    terminals = [np.array([2]), np.array([0]), np.array([4])]
    first = next(star(row, terminals, "one-to-all"))
    assert first.resistance == pytest.approx(1.0) and first.current == pytest.approx([0.5, 0.5, 1, 0.5, 0.5])
    back = next(star(row, terminals, "all-to-one", strength=np.array([1.0, 2.0, 3.0])))
    assert back.current == pytest.approx([2, 2, 5, 3, 3]) and np.isnan(back.resistance)
    only = next(star(row, terminals, "one-to-all", active=lambda one, other: other == 1))
    assert only.resistance == pytest.approx(2.0)
    joined = next(star(row, [np.array([2]), np.array([0, 4])], "one-to-all"))
    assert joined.resistance == pytest.approx(1.0)


@given(grids(2, 4), st.randoms(use_true_random=False))
def test_advanced_like_the_naive_twin(conductance: np.ndarray, random) -> None:
    circuit = grid_circuit(conductance, 8).circuit
    n = circuit.nodes
    source = np.array([random.choice([0.0, 0.0, 1.0, -0.5, 2.0]) for _ in range(n)])
    ground = np.array([random.choice([0.0, 0.0, 0.3, 5.0, np.inf]) for _ in range(n)])
    flow = advanced(circuit, source, ground)
    source, ground = settle_conflicts(source, ground)
    links = links_of(circuit)
    label = components(circuit)
    voltage, lost = np.zeros(n), 0.0
    for k in np.unique(label):
        own = label == k
        if not source[own].any():
            continue
        if not ground[own].any():
            lost += np.abs(source[own]).sum()
            continue
        free = np.flatnonzero(own & ~np.isinf(ground))
        finite = np.where(np.isinf(ground), 0.0, ground)
        matrix = naive_circuit.laplacian(n, links) + np.diag(finite)
        voltage[free] = np.linalg.solve(matrix[np.ix_(free, free)], source[free])
    leak = np.where(np.isinf(ground), 0.0, ground)
    assert np.allclose(flow.voltage, voltage, rtol=1e-6, atol=1e-9) and flow.lost == pytest.approx(lost)
    assert np.allclose(flow.current, naive_circuit.node_currents(n, links, leak, voltage), rtol=1e-6, atol=1e-6)


def test_conflicts() -> None:
    source, ground = np.array([1.0, 1.0, 0.0]), np.array([2.0, np.inf, 3.0])
    assert [x.tolist() for x in settle_conflicts(source, ground)] == [[1, 1, 0], [2, 0, 3]]
    assert [x.tolist() for x in settle_conflicts(source, ground, "rmvsrc")] == [[0, 0, 0], [2, np.inf, 3]]
    assert [x.tolist() for x in settle_conflicts(source, ground, "rmvgnd")] == [[1, 1, 0], [0, 0, 3]]
    assert [x.tolist() for x in settle_conflicts(source, ground, "rmvall")] == [[0, 0, 0], [0, 0, 3]]


def test_multigrid_agrees_with_the_factorisation_and_with_itself() -> None:
    rng = np.random.default_rng(3)
    grid = grid_circuit(np.exp(rng.normal(size=(90, 70))), 8)
    terminals = [np.array([5]), np.array([6100]), np.array([3000])]
    direct = list(pairwise(grid.circuit, terminals, method="direct"))
    iterative = list(pairwise(grid.circuit, terminals, method="multigrid"))
    again = list(pairwise(grid.circuit, terminals, method="multigrid"))
    for one, two, three in zip(direct, iterative, again, strict=True):
        assert two.resistance == pytest.approx(one.resistance, rel=1e-8)
        assert np.abs(two.current - one.current).max() < 1e-7
        assert two.voltage.tobytes() == three.voltage.tobytes()


def test_pairs_beyond_the_memory_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    circuit = grid_circuit(np.exp(rng.normal(size=(9, 9))), 8).circuit
    terminals = [np.array([i]) for i in (0, 40, 77, 80)]
    kept = list(pairwise(circuit, terminals))
    monkeypatch.setattr("prioritize.connectivity.circuit.KEEP_BYTES", 0)
    for one, two in zip(kept, pairwise(circuit, terminals), strict=True):
        assert np.allclose(one.current, two.current, atol=1e-9) and one.resistance == pytest.approx(two.resistance)


@pytest.mark.parametrize("block", [1, 3])
@pytest.mark.parametrize("neighbours", [4, 8])
def test_omnidirectional_like_the_naive_twin(block: int, neighbours: int) -> None:
    rng = np.random.default_rng(block)
    conductance = np.where(rng.random((8, 9)) < 0.2, 0.0, np.exp(rng.normal(size=(8, 9))))
    source = np.where(rng.random((8, 9)) < 0.4, 0.0, rng.random((8, 9))) * (conductance > 0)
    found = omnidirectional(conductance, source, radius=3, block=block, neighbours=neighbours)
    naive = naive_circuit.moving_window(conductance, source, 3, block, neighbours)
    assert np.allclose(np.nan_to_num(found.current), naive, atol=1e-9) and naive.max() > 0
    assert (np.isnan(found.current) == (conductance == 0)).all()


def test_omnidirectional_laws() -> None:
    """Twice the sources, twice the current; resistance alike everywhere: the normalised map is 1; threads agree."""
    rng = np.random.default_rng(2)
    conductance = np.exp(rng.normal(size=(20, 24)))
    source = rng.random((20, 24))
    one = omnidirectional(conductance, source, radius=5, block=3, normalised=True)
    two = omnidirectional(conductance, 2 * source, radius=5, block=3, threads=1)
    assert np.allclose(two.current, 2 * one.current)
    assert (
        one.current.tobytes() == (omnidirectional(conductance, source, radius=5, block=3, threads=1)).current.tobytes()
    )
    flat = omnidirectional(np.full((12, 12), 0.25), np.ones((12, 12)), radius=4, normalised=True)
    assert flat.normalised is not None and np.allclose(flat.normalised, 1.0)
    with pytest.raises(DataError, match="odd"):
        omnidirectional(conductance, source, radius=5, block=2)
    with pytest.raises(DataError, match="radius"):
        omnidirectional(conductance, source, radius=2, block=7)


HEAD = "ncols 3\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\nNODATA_value -9999\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A row of three cells above one that is apart."""
    (tmp_path / "r.asc").write_text(HEAD + "1 1 1\n-9999 -9999 -9999\n")
    (tmp_path / "split.asc").write_text(HEAD + "1 -9999 1\n1 -9999 1\n")
    (tmp_path / "points.asc").write_text(HEAD + "5 0 9\n0 0 0\n")
    (tmp_path / "source.asc").write_text(HEAD + "2 0 0\n0 0 0\n")
    (tmp_path / "ground.asc").write_text(HEAD + "0 0 0.5\n0 0 0\n")
    return tmp_path


def ini(folder: Path, **keys: object) -> Path:
    base = {"data_type": "raster", "scenario": "pairwise", "habitat_file": "r.asc", "point_file": "points.asc"}
    base |= {"habitat_map_is_resistances": "True", "connect_using_avg_resistances": "True", "write_cur_maps": "True"}
    base |= {"output_file": "made.out", "source_file": "source.asc", "ground_file": "ground.asc"}
    text = "[all]\n" + "".join(f"{key} = {value}\n" for key, value in (base | keys).items())
    (folder / "run.ini").write_text(text)
    return folder / "run.ini"


def test_ini_modes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = project / "out"
    assert main(["circuit", str(ini(project)), "--out", str(out)]) == 0
    assert (out / "made_resistances.csv").read_text() == "first,second,resistance\n5,9,2\n"
    assert ascii_grid(out / "made_curmap_5_9.asc").tolist() == [[1, 1, 1], [0, 0, 0]]
    assert main(["circuit", str(ini(project, scenario="one-to-all")), "--out", str(out)]) == 0
    assert (out / "made_resistances.csv").read_text() == "node,resistance\n5,2\n9,2\n"
    # two units through two ohms of cells and two ohms of ground
    options = {"scenario": "advanced", "ground_file_is_resistances": "False", "write_volt_maps": "True"}
    assert main(["circuit", str(ini(project, **options)), "--out", str(out)]) == 0
    assert ascii_grid(out / "made_voltmap.asc")[0].tolist() == [8, 6, 4]
    assert main(["circuit", str(ini(project, **options, use_unit_currents="True")), "--out", str(out)]) == 0
    assert ascii_grid(out / "made_voltmap.asc")[0].tolist() == [4, 3, 2]
    options |= {"use_direct_grounds": "True", "write_as_tif": "True", "set_null_voltages_to_nodata": "True"}
    assert main(["circuit", str(ini(project, **options)), "--out", str(out)]) == 0
    voltage = read_raster(out / "made_voltmap.tif").value
    assert np.allclose(voltage[0], [4, 2, 0]) and np.isnan(voltage[1]).all()
    assert main(["circuit", str(ini(project, scenario="all-to-one")), "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["circuit", str(ini(project, habitat_file="split.asc")), "--out", str(out)]) == 0
    assert "not joined" in capsys.readouterr().out
    assert (out / "made_resistances.csv").read_text().endswith("5,9,inf\n")
    assert (
        main(
            [
                "circuit",
                str(
                    ini(
                        project,
                        habitat_file="split.asc",
                        **{"scenario": "advanced", "ground_file_is_resistances": "False"},
                    )
                ),
                "--out",
                str(out),
            ]
        )
        == 0
    )
    assert "have no ground to reach" in capsys.readouterr().err


def test_chosen_pairs(project: Path) -> None:
    (project / "points.asc").write_text(HEAD + "1 2 3\n0 0 0\n")
    for text, expected in (
        ("mode include\n1 3\n", [(1, 3)]),
        ("mode exclude\n1 3\n", [(1, 2), (2, 3)]),
        ("min 2\nmax 5\n0 1 2 3\n1 0 2 9\n2 2 0 1\n3 9 1 0\n", [(1, 2)]),
    ):
        (project / "pairs.txt").write_text(text)
        setup = read_setup(ini(project, use_included_pairs="True", included_pairs_file="pairs.txt"))
        assert [row[:2] for row in run(setup, project / "out").rows] == expected


def test_raster_options(project: Path) -> None:
    out = project / "out"
    arguments = ["circuit", str(project / "r.asc"), "--out", str(out)]
    assert main([*arguments, "--focal", str(project / "points.asc"), "--voltages", "--pair-maps"]) == 0
    assert {path.name for path in out.iterdir()} == {
        "r_cum_curmap.tif",
        "r_curmap_5_9.tif",
        "r_voltmap_5_9.tif",
        "r_resistances.csv",
        "r_resistances.out",
        "r_resistances_3columns.out",
    }
    assert main([*arguments, "--radius", "2", "--normalised"]) == 0
    assert np.allclose(read_raster(out / "r_normalised.tif").value[0], 1)


def test_wrong_input(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One clear line each, exit code 2, nothing written."""
    (project / "negative.asc").write_text(HEAD + "1 -2 1\n1 1 1\n")
    (project / "zero.asc").write_text(HEAD + "1 0 1\n1 1 1\n")
    (project / "large.asc").write_text(HEAD.replace("ncols 3", "ncols 2") + "1 1\n1 1\n")
    (project / "off.txt").write_text("1 0.5 1.5\n2 77 1\n")
    (project / "words.txt").write_text("one two three\n")
    (project / "graph.txt").write_text("0 1 -3\n")
    out = project / "out"
    for keys, message in (
        ({"habitat_file": "rr.asc"}, "habitat_file: "),
        ({"habitat_file": "negative.asc"}, "negative.asc: 1 cells with a negative or infinite resistance (-2.0)"),
        ({"habitat_file": "zero.asc"}, "zero.asc: 1 cells with resistance 0"),
        ({"point_file": "large.asc"}, "large.asc: a grid of (2, 2) cells"),
        ({"point_file": "off.txt"}, "off.txt: 1 points lie outside"),
        ({"point_file": "words.txt"}, "words.txt: 3 numbers a line expected"),
        ({"point_file": "None"}, "point_file names no file"),
        ({"scenario": "some-to-few"}, "scenario = some-to-few"),
        ({"data_type": "network", "habitat_file": "graph.txt"}, "graph.txt: resistances must be positive"),
        ({"use_polygons": "perhaps"}, "use_polygons = perhaps"),
        ({"scenario": "advanced", "source_file": "ground.asc", "ground_file": "negative.asc"}, "grounds must not"),
    ):
        assert main(["circuit", str(ini(project, **keys)), "--out", str(out)]) == 2, message
        assert message in capsys.readouterr().err
        assert not out.exists()
    assert main(["circuit", str(project / "none.ini")]) == 2
    assert "none.ini: no such file" in capsys.readouterr().err
    assert main(["circuit", str(project / "r.asc"), "--out", str(out)]) == 2
    assert "--focal" in capsys.readouterr().err
    assert main(["circuit", str(project / "r.asc"), "--radius", "2", "--block", "4", "--out", str(out)]) == 2
    assert "odd" in capsys.readouterr().err and not out.exists()
