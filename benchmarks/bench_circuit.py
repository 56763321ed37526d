"""Currents and corridors at size, each case in a process of its own; writes results/circuit.md.

python benchmarks/bench_circuit.py [side of the large grid] [side of the grid for the rivals]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SMALL_FOR_CG = 150


def surface(side: int) -> np.ndarray:
    """Resistances between about 0.01 and 300: smooth, with noise, no barrier."""
    from scipy import ndimage

    rng = np.random.default_rng(1)
    smooth = ndimage.gaussian_filter(rng.normal(size=(side, side)), 8)
    return np.exp(1.5 * smooth / smooth.std() + 0.5 * rng.normal(size=(side, side)))


def clock(work):
    began = time.perf_counter()
    answer = work()
    return answer, time.perf_counter() - began


def pair(side: int, method: str) -> dict[str, object]:
    """One resistance, voltage and current map between two cells far apart."""
    from prioritize.connectivity.circuit import currents, pairwise
    from prioritize.connectivity.laplacian import grid_circuit, injected, laplacian

    resistance = surface(side)
    ends = [np.array([side * side // 4 + side // 4]), np.array([3 * side * side // 4 + 3 * side // 4])]
    list(pairwise(grid_circuit(resistance[:20, :20]).circuit, [ends[0] * 0, ends[0] * 0 + 9]))  # compile
    before = peak()
    if method in ("auto", "direct", "multigrid"):

        def work():
            circuit = grid_circuit(1 / resistance).circuit
            return next(pairwise(circuit, ends, method=method)).resistance

    else:
        from scipy.sparse import linalg
        from threadpoolctl import threadpool_limits

        def work():
            circuit = grid_circuit(1 / resistance).circuit
            matrix = laplacian(circuit)[1:][:, 1:]
            right = injected(circuit.nodes, int(ends[1][0]), int(ends[0][0]))[1:]
            if method == "spsolve":
                voltage = linalg.spsolve(matrix.tocsc(), right)
            else:
                with threadpool_limits(1):  # two threads of BLAS are slower on vectors this short
                    voltage, fault = linalg.cg(matrix, right, rtol=1e-10, maxiter=100_000)
                assert fault == 0
            voltage = np.concatenate([[0.0], voltage])
            currents(circuit, voltage)
            return float(voltage[ends[1][0]] - voltage[ends[0][0]])

    value, seconds = clock(work)
    return {"value": value, "seconds": seconds, "before": before, "peak": peak()}


def window(side: int, radius: int, block: int) -> dict[str, object]:
    """Omnidirectional current, sources 1 / resistance."""
    from prioritize.connectivity.omnidirectional import omnidirectional

    conductance = 1 / surface(side)
    omnidirectional(conductance[:40, :40], conductance[:40, :40], 9, 3)  # compile
    before = peak()
    found, seconds = clock(lambda: omnidirectional(conductance, conductance, radius, block))
    return {"value": found.targets, "seconds": seconds, "before": before, "peak": peak()}


def corridor(side: int, what: str) -> dict[str, object]:
    """Two cores of 20 x 20 cells in opposite quarters."""
    from prioritize.connectivity.corridors import Surface, corridors

    resistance = surface(side)
    numbers = np.arange(side * side).reshape(side, side)
    a, b = side // 8, 7 * side // 8
    cores = {1: numbers[a : a + 20, a : a + 20].ravel(), 2: numbers[b : b + 20, b : b + 20].ravel()}
    list(corridors(Surface(resistance[:30, :30], (1.0, 1.0)), {1: np.array([0]), 2: np.array([800])}, 1.0))  # compile
    before = peak()
    if what == "corridor":
        found, seconds = clock(lambda: next(corridors(Surface(resistance, (1.0, 1.0)), cores, pairs=[(1, 2)])))
        value = float(len(found.cells))
    elif what == "distance":
        distance, seconds = clock(lambda: Surface(resistance, (1.0, 1.0)).spread(cores[1][:1])[0])
        value = float(distance[-1])
    else:
        from scipy import sparse

        def work():
            links = []
            for p, q, length in (
                (np.s_[:, :-1], np.s_[:, 1:], 1.0),
                (np.s_[:-1], np.s_[1:], 1.0),
                (np.s_[:-1, :-1], np.s_[1:, 1:], 2**0.5),
                (np.s_[:-1, 1:], np.s_[1:, :-1], 2**0.5),
            ):
                cost = 0.5 * length * (resistance[p] + resistance[q])
                links.append((cost.ravel(), numbers[p].ravel(), numbers[q].ravel()))
            cost, i, j = (np.concatenate(part) for part in zip(*links, strict=True))
            graph = sparse.coo_array((cost, (i, j)), shape=(side * side,) * 2).tocsr()
            began = time.perf_counter()
            answer = sparse.csgraph.dijkstra(graph, directed=False, indices=int(cores[1][0]))
            print(f"scipy dijkstra without building its graph: {time.perf_counter() - began:.1f} s", file=sys.stderr)
            return answer

        distance, seconds = clock(work)
        value = float(distance[-1])
    return {"value": value, "seconds": seconds, "before": before, "peak": peak()}


def peak() -> float:
    """GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


CASES = {"pair": pair, "window": window, "corridor": corridor}


def apart(case: str, *arguments: object) -> dict[str, object]:
    """Run a case in another process."""
    command = [sys.executable, __file__, "--one", case, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(case, *arguments, done.stdout.splitlines()[-1], done.stderr.strip(), flush=True)
    return json.loads(done.stdout.splitlines()[-1]) | {"note": done.stderr.strip()}


def main(large: int, small: int) -> None:
    """Run the cases and write the table."""
    radius, block = 50, 15
    rivals = [(small, name, apart("pair", small, name)) for name in ("multigrid", "direct", "spsolve")]
    # plain conjugate gradients need 20,000 steps on 22,500 cells: no larger
    rivals += [(SMALL_FOR_CG, name, apart("pair", SMALL_FOR_CG, name)) for name in ("multigrid", "plain CG")]
    map_, sum_ = apart("pair", large, "auto"), apart("window", large, radius, block)
    path = {name: apart("corridor", large, name) for name in ("distance", "scipy", "corridor")}
    assert abs(path["distance"]["value"] - path["scipy"]["value"]) < 1e-9 * path["scipy"]["value"]
    row = "| {} | {:,} | {:.1f} | {:.2f} ({:.2f}) | {} |"
    base = {side: r for side, name, r in rivals if name == "multigrid"}
    lines = [
        "# Circuits and corridors",
        "",
        "Written by `python benchmarks/bench_circuit.py`: warm JIT, 8 neighbours, one run, 2 cores shared with other "
        "work. Peak memory of the process (before the case, imports and input included).",
        "",
        "| case | cells | s | peak GiB (before) | note |",
        "|---|---:|---:|---:|---|",
        row.format("one pair, current map", large**2, map_["seconds"], map_["peak"], map_["before"], "multigrid"),
    ]
    for side, name, r in rivals:
        assert abs(r["value"] - base[side]["value"]) < 1e-6 * r["value"]
        note = f"{r['seconds'] / base[side]['seconds']:.1f} x the time of multigrid" if name != "multigrid" else ""
        lines.append(row.format(f"one pair, {name}", side**2, r["seconds"], r["peak"], r["before"], note))
    each = 1000 * sum_["seconds"] / sum_["value"]
    note = f"{sum_['value']:,} windows, radius {radius}, block {block}, {each:.0f} ms each, 2 threads"
    lines.append(row.format("omnidirectional", large**2, sum_["seconds"], sum_["peak"], sum_["before"], note))
    notes = {"scipy": path["scipy"]["note"], "corridor": "two distances, path, widths and pinch currents"}
    names = {"distance": "least-cost distance", "scipy": "the same, SciPy", "corridor": "one corridor"}
    for name, r in path.items():
        lines.append(row.format(names[name], large**2, r["seconds"], r["peak"], r["before"], notes.get(name, "")))
    (HERE / "results" / "circuit.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        sys.path[:0] = [str(HERE.parent), str(HERE.parent / "kernels")]
        print(json.dumps(CASES[sys.argv[2]](*json.loads(sys.argv[3]))))
    else:
        main(*(list(map(int, sys.argv[1:3])) + [1000, 500][len(sys.argv) - 1 :]))
