"""Time, memory and proven gap of the engine, each case in a process of its own; writes results/engine.md and .json.

python benchmarks/bench_engine.py [case:side[:gap[:seconds]] ...]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
DEFAULT = (
    "min_set:100:0.001:20", "min_set:316:0.0001:20", "min_set:1000:0.0001:60", "min_set_heavy_costs:316:0.001:30",
    "boundary:100:0.001:30", "boundary:316:0.001:30", "boundary:1000:0.001:60", "dense:100:0.001:30",
    "dense_boundary:100:0.001:60", "min_shortfall:100:0.001:20", "min_shortfall:1000:0.001:40",
    "zones:500:0.001:60", "min_set_1000:1000:0.0005:100",
)  # fmt: skip
#: where the rival is quick enough to be worth its time
RIVAL = {"min_set:100", "boundary:100"}


def one(case: str, side: int, gap: float, seconds: float, solver: str) -> dict[str, object]:
    """Solve one case in this process."""
    sys.path[:0] = [str(HERE.parent), str(HERE.parent / "kernels")]
    from benchmarks.cases import CASES
    from prioritize.engine import engine
    from prioritize.engine.dual import dual_value
    from prioritize.progress import Reporter
    from prioritize.registry import family

    program = CASES[case](side)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reporter = Reporter()
    began = time.perf_counter()
    record: dict[str, object] = {"case": case, "solver": solver, "units": program.units, "zones": program.zones,
                                 "rows": program.rows.shape[0], "amounts": program.rows.nnz,
                                 "edges": sum(len(g.tail) for g in program.edges)}  # fmt: skip
    if solver == "engine":
        found = engine.solve(program, gap=gap, seconds=seconds, reporter=reporter)
        took = time.perf_counter() - began
        assert found.x is not None and not program.violations(found.x)
        check = dual_value(program, found.multipliers)
        assert found.bound_by != "multipliers" or abs(check - found.bound) <= 1e-9 * abs(check)
        x, bound = found.x, found.bound
    else:
        outcome = family("solvers")[solver](gap=gap, seconds=seconds).solve(program, 1, reporter)
        took, x, bound = time.perf_counter() - began, outcome.x, outcome.bound
    value = program.objective((x > 0.5).astype(float)) if x is not None else float("nan")
    curve = [(t, abs(a - b) / abs(a)) for t, a, b in reporter.trajectory if abs(a) < 1e300 and abs(b) < 1e300]
    return record | {
        "objective": value, "bound": bound, "gap_percent": 100 * (value - bound) / abs(value), "seconds": took,
        "seconds_to_first": curve[0][0] if curve else None,
        "first_gap_percent": 100 * curve[0][1] if curve else None,
        "gib_before": before / 2**20, "gib_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "curve": curve, "log": reporter.lines if solver == "engine" else [],
    }  # fmt: skip


def apart(case: str, side: str, gap: str, seconds: str, solver: str, cache: str | None = None) -> dict[str, object]:
    """Solve one case in another process."""
    environment = os.environ | ({"NUMBA_CACHE_DIR": cache} if cache else {})
    command = [sys.executable, __file__, "--one", case, side, gap, seconds, solver]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return json.loads(answer.stdout.splitlines()[-1])


def table(records: list[dict[str, object]]) -> str:
    """Markdown."""
    lines = [
        "| case | solver | units x zones | rows | amounts | first selection | gap at the end | s | peak GiB (before) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in records:
        first = f"{r['first_gap_percent']:.3f} % at {r['seconds_to_first']:.1f} s" if r["seconds_to_first"] else "-"
        lines.append(
            f"| {r['case']} | {r['solver']} | {r['units']:,} x {r['zones']} | {r['rows']} | {r['amounts']:,} | {first} "
            f"| {r['gap_percent']:.4f} % | {r['seconds']:.1f} | {r['gib_peak']:.2f} ({r['gib_before']:.2f}) |"
        )
    return "\n".join(lines)


def main(wanted: list[str]) -> None:
    """Run the cases, print and write the table."""
    records: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as cache:
        cold = apart("boundary", "100", "0.05", "60", "engine", cache)
        cold["case"] = "boundary, empty JIT cache"
        records.append(cold)
    for item in wanted or DEFAULT:
        case, side, gap, seconds = (item.split(":") + ["0.001", "60"][-4 + len(item.split(":")) :])[:4]
        records.append(apart(case, side, gap, seconds, "engine"))
        print(table(records[-1:]).splitlines()[-1], flush=True)
        if f"{case}:{side}" in RIVAL:
            records.append(apart(case, side, gap, seconds, "highs"))
            print(table(records[-1:]).splitlines()[-1], flush=True)
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "engine.json").write_text(json.dumps(records, indent=1))
    head = "# The engine\n\nWritten by `python benchmarks/bench_engine.py`: warm JIT unless said, 2 shared cores.\n\n"
    (results / "engine.md").write_text(head + table(records) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        case, side, gap, seconds, solver = sys.argv[2:]
        print(json.dumps(one(case, int(side), float(gap), float(seconds), solver)))
    else:
        main(sys.argv[1:])
