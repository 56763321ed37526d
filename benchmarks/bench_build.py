"""From raster files to a solver-ready program: time and peak memory by step, beside the solver's own time.

    python benchmarks/bench_build.py [side=500] [bands=50] [solver_seconds=60]

Writes benchmarks/results/build.md. Times are wall time, one run; the hand-over (arrays -> MathOpt model) and the solve
happen in the solver process, whose memory is sampled twice a second.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from prioritize.problem import compile_problem
from prioritize.progress import Reporter
from prioritize.runner import load_landscape, make_problem
from prioritize.scenario import parse
from prioritize.solve import solve
from prioritize.solvers.milp import flatten


def write_rasters(folder: Path, side: int, bands: int) -> None:
    """A cost layer and a stack of smooth features, nine cells in ten holding each."""
    import rasterio
    from scipy import ndimage

    rng = np.random.default_rng(1)
    profile = {
        "driver": "GTiff",
        "height": side,
        "width": side,
        "dtype": "float32",
        "nodata": -1.0,
        "crs": "EPSG:6933",
        "transform": rasterio.Affine(1000, 0, 0, 0, -1000, 1000.0 * side),
        "tiled": True,
        "compress": "deflate",
    }
    with rasterio.open(folder / "cost.tif", "w", count=1, **profile) as file:
        file.write(rng.lognormal(0, 1, (side, side)).astype("float32"), 1)
    with rasterio.open(folder / "features.tif", "w", count=bands, **profile) as file:
        for band in range(1, bands + 1):
            smooth = ndimage.gaussian_filter(rng.standard_normal((side, side)), 6)
            smooth -= np.quantile(smooth, 0.12)
            file.write(np.maximum(smooth / smooth.max(), 0).astype("float32"), band)


def peak_gib(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / 2**20


class Sampler(threading.Thread):
    """Largest resident memory of this process's children, sampled twice a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.5):
            told = subprocess.run(
                ["ps", "-o", "rss=", "--ppid", str(os.getpid())], capture_output=True, text=True
            ).stdout
            self.peak = max([self.peak, *(int(line) / 2**20 for line in told.split())])


def main() -> None:
    side, bands, seconds = ([int(a) for a in sys.argv[1:]] + [500, 50, 60][len(sys.argv) - 1 :])[:3]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rasters(folder, side, bands)
        before = peak_gib(resource.RUSAGE_SELF)
        scenario = parse(
            {
                "name": "build",
                "landscape": {
                    "format": "raster",
                    "cost": str(folder / "cost.tif"),
                    "features": [str(folder / "features.tif")],
                },
                "targets": {"relative": 0.3},
                "solver": {"kind": "highs", "gap": 0.01, "seconds": seconds},
            }
        )
        steps: list[tuple[str, float]] = []
        clock = time.perf_counter()

        def step(label: str) -> None:
            nonlocal clock
            now = time.perf_counter()
            steps.append((label, now - clock))
            clock = now

        landscape = load_landscape(scenario)
        step("raster files -> landscape")
        problem = make_problem(scenario, landscape)
        program = compile_problem(problem)
        step("landscape -> program")
        flatten(program)
        step("program -> MILP arrays")
        own = peak_gib(resource.RUSAGE_SELF)
        sampler = Sampler()
        sampler.start()
        reporter = Reporter()
        outcome = "solved"
        try:
            solution = solve(program, scenario.solver, reporter=reporter)
            outcome = f"{solution.status}, gap {100 * solution.gap:.3g} %"
        except Exception as error:
            outcome = str(error)
        total = time.perf_counter() - clock
        sampler.ended.set()
        line = next(line for line in reporter.lines if "handed over" in line)
        handed = float(line.split()[0])
        solver = total - handed
        steps.append(("MILP arrays -> MathOpt model (solver process)", handed))
        units, features, _ = landscape.shape
        rows = [
            "# Building a program",
            "",
            f"{units:,} units x {features} features, {landscape.amount.nnz:,} amounts; one run, 2 cores.",
            "",
            "| step | seconds |",
            "|---|---:|",
            *(f"| {label} | {value:.2f} |" for label, value in steps),
            f"| **raster to solver-ready** | **{sum(value for _, value in steps):.2f}** |",
            f"| HiGHS itself, limit {seconds} s ({outcome.split(';')[0]}) | {solver:.1f} |",
            "",
            f"Peak memory: this process {own:.2f} GiB (of it {before:.2f} before reading: making the test rasters), "
            f"solver process {sampler.peak:.2f} GiB.",
        ]
        text = "\n".join(rows) + "\n"
        print(text)
        out = Path(__file__).parent / "results" / "build.md"
        out.parent.mkdir(exist_ok=True)
        out.write_text(text)


if __name__ == "__main__":
    main()
