"""One solver on one Program in a process of its own, and what that took.

`python benchmarks/measure.py <order.json>` does one job and prints its record as JSON; `apart` starts it from another
process, watches its memory, and ends it when it does not end itself.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "kernels")]

Record = dict[str, Any]
#: points of a curve that are kept
POINTS = 200


# ------------------------------------------------------------------------------------------------- the measuring side


def processes() -> dict[int, tuple[int, int]]:
    """Of every process of this machine: number -> (its parent, resident bytes)."""
    found: dict[int, tuple[int, int]] = {}
    if Path("/proc/self/stat").exists():
        page = os.sysconf("SC_PAGE_SIZE")
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                found[int(name)] = (int(fields[1]), int(fields[21]) * page)
        return found
    told = subprocess.run(["ps", "-axo", "pid=,ppid=,rss="], capture_output=True, text=True).stdout
    for line in told.splitlines():
        pid, parent, kib = (int(word) for word in line.split())
        found[pid] = (parent, kib * 1024)
    return found


def tree_gib(root: int) -> float:
    """Resident memory of a process and all below it."""
    every = processes()
    total, front = 0, [root]
    while front:
        pid = front.pop()
        total += every.get(pid, (0, 0))[1]
        front += [child for child, (parent, _) in every.items() if parent == pid]
    return total / 2**30


class Watch(threading.Thread):
    """The most memory that a process and those it started held at once, looked at ten times a second."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.pid, self.peak, self.ended = pid, 0.0, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.1):
            self.peak = max(self.peak, tree_gib(self.pid))


def apart(order: dict[str, Any], timeout: float, environment: dict[str, str] | None = None) -> Record:
    """Do one job in a fresh process: its record, or one with the reason why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "order.json"
        path.write_text(json.dumps(order))
        process = subprocess.Popen(
            [sys.executable, __file__, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
            start_new_session=True,
        )
        watch = Watch(process.pid)
        watch.start()
        try:
            answer, complaint = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            answer, complaint = "", f"ended after {timeout:.0f} s without an answer"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
            watch.ended.set()
            watch.join()
    try:
        record = json.loads(answer.splitlines()[-1])
    except (IndexError, ValueError):
        record = {"failed": (complaint.strip().splitlines() or ["no answer"])[-1][:300]}
    record["gib_peak"] = max(watch.peak, record.get("gib_own", 0.0))
    return record


# ------------------------------------------------------------------------------------------------------- the far side


def own_peak_gib() -> float:
    """The most memory that this process ever held (getrusage would count what the process that started it held)."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (30 if sys.platform == "darwin" else 20)


def kernels_compiled() -> int:
    """How many kernels this process had to compile because no cache had them: 0 is what we call warm."""
    from numba.core.dispatcher import Dispatcher

    found = {
        id(item): item
        for name, module in list(sys.modules.items())
        if name.startswith("prioritize_kernels") and module is not None
        for item in vars(module).values()
        if isinstance(item, Dispatcher)
    }
    return sum(sum(item.stats.cache_misses.values()) for item in found.values())


def running_best(trajectory: list[tuple[float, float, float]], sign: float) -> list[list[float | None]]:
    """(seconds, best objective, best bound) at each time when one of them moved; None where not known yet.

    A later phase of `auto` starts its own count; what was found before it still holds.
    """
    curve: list[list[float | None]] = []
    best, proven = math.inf, -math.inf
    for seconds, value, bound in trajectory:
        best, proven = min(best, sign * value), max(proven, sign * bound)
        point = [sign * v if abs(v) < 1e300 else None for v in (best, proven)]
        if not curve or curve[-1][1:] != point:
            curve.append([seconds, *point])
    if len(curve) > POINTS:
        keep = {round(k * (len(curve) - 1) / (POINTS - 1)) for k in range(POINTS)}
        curve = [point for k, point in enumerate(curve) if k in keep]
    return curve


def shape_of(program: Any) -> Record:
    """How large a Program is."""
    rows = program.rows
    return {
        "units": program.units,
        "zones": program.zones,
        "sign": program.sign,
        "features": sum(name.startswith("target") for name in program.row_names) or rows.shape[0],
        "rows": rows.shape[0],
        "amounts": int(rows.nnz),
        "edges": sum(len(group.tail) for group in program.edges),
        "gib_amounts": (rows.data.nbytes + rows.indices.nbytes + rows.indptr.nbytes) / 2**30,
    }


def compiled(order: dict[str, Any]) -> Any:
    """The Program of a case."""
    if order["case"] == "reference":
        from benchmarks.reference import REFERENCES

        return REFERENCES[order["size"]].program(Path(order["data"]))
    from benchmarks.cases import CASES, side_of

    return CASES[order["case"]].build(side_of(order["size"]))


def build(order: dict[str, Any]) -> Record:
    """Build a Program and leave it as a file: the solvers' memory is then free of what building took."""
    began = time.perf_counter()
    program = compiled(order)
    if not program.extras:  # an Extra holds a function made on the spot, which no file can keep
        with open(order["program"], "wb") as file:
            pickle.dump(program, file, protocol=5)
    return shape_of(program) | {"build_seconds": time.perf_counter() - began}


def program_of(order: dict[str, Any]) -> Any:
    """The Program that `build` left, or built again where it could not leave one."""
    if not Path(order["program"]).exists():
        return compiled(order)
    with open(order["program"], "rb") as file:
        return pickle.load(file)


def solve(order: dict[str, Any]) -> Record:
    """One of our own solvers (`auto`, `highs`, `scip`) on the Program."""
    from prioritize.errors import InfeasibleError, SolveError
    from prioritize.progress import Reporter, relative_gap
    from prioritize.registry import family
    from prioritize.solve import solve as solve_program

    program = program_of(order)
    solver = family("solvers")[order["solver"]](gap=order["gap"], seconds=order["seconds"])
    before = own_peak_gib()
    reporter = Reporter()
    record: Record = {"objective": None, "gap_percent": None}
    try:
        found = solve_program(program, solver, seed=1, reporter=reporter)
        took = reporter.elapsed
        reporter.trajectory.append((took, found.objective, found.bound))
        record |= {"objective": found.objective, "bound": found.bound, "status": found.status,
                   "gap_percent": finite(100 * relative_gap(found.objective, found.bound))}  # fmt: skip
    except (SolveError, InfeasibleError) as error:
        took = reporter.elapsed
        record["failed"] = str(error).splitlines()[0]
    curve = running_best(reporter.trajectory, program.sign)
    if record["objective"] is None:  # what a solver prints it has found, but does not hand over, does not count
        curve = [[at, None, bound] for at, _, bound in curve]
        record["bound"] = curve[-1][2] if curve else None
    return record | {
        "seconds": took,
        "curve": curve,
        "gib_before": before,
        "gib_own": own_peak_gib(),
        "kernels_compiled": kernels_compiled(),
        "log": [line for line in reporter.lines if "engine:" in line or "auto:" in line],
    }


def finite(value: float) -> float | None:
    """None for what JSON cannot say."""
    return value if math.isfinite(value) else None


def outside(order: dict[str, Any]) -> Record:
    """Another tool, through its own command line and files; its selection is judged by our Program."""
    from benchmarks.rivals import RIVALS
    from prioritize.progress import relative_gap

    program = program_of(order)
    before = own_peak_gib()
    with tempfile.TemporaryDirectory() as folder:
        answer = RIVALS[order["solver"]].run(program, Path(folder), order["gap"], order["seconds"])
    record: Record = {"objective": None, "bound": None, "gap_percent": None, "seconds": answer.seconds,
                      "gib_before": before, "curve": [], "notes": list(answer.notes)}  # fmt: skip
    if answer.x is None:
        return record | {"failed": answer.notes[-1] if answer.notes else "no selection"}
    # a tool's own tolerance is wider than ours: what it misses by less is no fault of it
    broken = [(name, missed) for name, missed in program.violations(answer.x) if missed > 1e-6]
    if broken:
        most = max(broken, key=lambda item: item[1])
        return record | {"failed": f"its selection breaks {len(broken)} rows (the most: {most[0]} by {most[1]:.4g})"}
    value = program.objective(answer.x)
    if answer.claimed is not None and abs(answer.claimed - value) > 1e-5 * abs(value):
        record["notes"].append(f"it says {answer.claimed:.8g}, our Program says {value:.8g} of the same selection")
    bound = None if answer.gap is None else value - answer.gap * abs(value)
    gap = None if bound is None else finite(100 * relative_gap(value, bound))
    return record | {"objective": value, "bound": bound, "gap_percent": gap, "curve": [[answer.seconds, value, bound]]}


def cold(order: dict[str, Any]) -> Record:
    """First `prioritize run` of a scenario with an empty JIT cache (the caller's environment names the cache)."""
    with tempfile.TemporaryDirectory() as folder:
        command = "import sys; from prioritize.cli import main; sys.exit(main(sys.argv[1:]))"
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", command, "run", order["scenario"], "--out", f"{folder}/run"],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path[:2])},
        )
        took = time.perf_counter() - began
        if done.returncode:
            return {"failed": done.stderr.strip()[-300:]}
        summary = json.loads(Path(folder, "run", "summary.json").read_text())
    return {"objective": summary["objective"], "bound": summary["bound"], "gap_percent": 100 * summary["gap"],
            "units": summary["units"], "seconds": took, "curve": []}  # fmt: skip


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text())
    jobs = {"build": build, "solve": solve, "outside": outside, "cold": cold}
    print(json.dumps(jobs[order["job"]](order), allow_nan=False))


if __name__ == "__main__":
    main()
