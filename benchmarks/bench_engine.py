"""The benchmark of the engine: ours against other solvers and tools on the same programs.

    make bench                                        every case up to 1M units, the reference set, the cold start
    make bench CASES="boundary:10k dense" SECONDS=30
    python benchmarks/bench_engine.py --list          what there is, and how long it takes at most

A case is `name[:size[:gap[:seconds]]]`; a size is a number of units (10k, 1M, 90000) or the sides (300x300). `all` adds
9M to what runs without arguments; `reference` and `cold_start` are cases too. Results are merged into
results/engine.json by case, size and solver, and engine.md and the plots are written anew from all of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "kernels")]

from benchmarks import reference, report  # noqa: E402
from benchmarks.cases import CASES, side_of  # noqa: E402
from benchmarks.measure import Record, apart  # noqa: E402
from benchmarks.rivals import RIVALS  # noqa: E402

#: the largest size that runs when none is named, and at which the rivals are given a try
UP_TO, RIVALS_UP_TO = 1_000_000, 100_000
DEMO = HERE.parent / "scenarios" / "pa_only.toml"


@dataclass(frozen=True)
class Job:
    """One case at one size: the limits for ours, and for the rivals."""

    case: str
    size: str
    gap: float
    seconds: float
    rival_seconds: float
    solvers: tuple[str, ...]

    @property
    def most(self) -> float:
        """Seconds that it takes at most, building and starting aside."""
        return sum(self.seconds if solver == "auto" else self.rival_seconds for solver in self.solvers)


def jobs(wanted: list[str], options: argparse.Namespace) -> list[Job]:
    """The command line's cases; everything up to `UP_TO` units where it names none.

    Raises
    ------
    ValueError
        If a case or a size is unknown.
    """
    limit = float("inf") if wanted == ["all"] else UP_TO
    if not wanted or wanted == ["all"]:
        wanted = [*(f"{name}:{size}" for name, case in CASES.items() for size in case.sizes
                    if side_of(size) ** 2 <= limit), "reference", "cold_start"]  # fmt: skip
    found: list[Job] = []
    for item in wanted:
        name, *rest = item.split(":")
        if name == "cold_start":
            found.append(Job(name, "demo", 0.0, options.seconds or 25.0, 0.0, ("auto",)))
        elif name == "reference":
            names = [text for text in reference.REFERENCES if not rest or rest[0] in text]
            if not names:
                raise ValueError(f"no reference problem '{rest[0]}'; there are {', '.join(reference.REFERENCES)}")
            seconds = options.seconds or reference.SECONDS
            found += [Job(name, text, reference.GAP, seconds, 0.0, ("auto",)) for text in names]
        elif name in CASES:
            sizes = [report.known_size(name, rest[0])] if rest else list(CASES[name].sizes)
            found += [sized(name, size, rest[1:], options) for size in sizes if rest or side_of(size) ** 2 <= limit]
        else:
            raise ValueError(f"no case '{name}'; there are {', '.join(CASES)}, reference, cold_start and all")
    return found


def sized(name: str, size: str, rest: list[str], options: argparse.Namespace) -> Job:
    """A case at a size: what the table says, unless the command line says otherwise."""
    setting = CASES[name].sizes.get(size) or next(iter(CASES[name].sizes.values()))
    try:
        given = [float(word) for word in rest[:2]]
    except ValueError:
        raise ValueError(f"{name}:{size}:{':'.join(rest)}: after the size come the gap and the seconds") from None
    gap = given[0] if given else setting.gap
    seconds = given[1] if len(given) > 1 else options.seconds or setting.seconds
    rival = options.rival_seconds or (seconds if options.seconds or len(rest) > 1 else setting.rival_seconds or seconds)
    small = side_of(size) ** 2 <= RIVALS_UP_TO
    solvers = options.solvers or (report.SOLVERS if small else ("auto",))
    return Job(name, size, gap, seconds, rival, tuple(solvers))


def machine() -> dict[str, object]:
    """Where, and how quiet it is."""
    cores = os.cpu_count() or 1
    return {
        "cores": cores,
        "gib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        "load_before": round(os.getloadavg()[0] / cores, 2),
        "python": platform.python_version(),
        "ortools": version("ortools"),
        "prioritize": version("prioritize"),
    }


def measure(job: Job, absent: dict[str, str]) -> list[Record]:
    """Build once, then every solver in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="prioritize-bench-") as folder:
        order = {"case": job.case, "size": job.size, "gap": job.gap, "program": f"{folder}/program.pickle",
                 "data": str(reference.data_folder())}  # fmt: skip
        common = {"case": job.case, "size": job.size}
        if job.case == "cold_start":
            shape: Record = {}
        else:
            shape = apart(order | {"job": "build"}, 3600.0)
            shape.pop("gib_peak")
            if "failed" in shape:
                lost = [common | shape | {"solver": solver, "machine": machine(), "seconds": 0.0, "curve": []}
                        for solver in job.solvers if solver not in absent]  # fmt: skip
                print("\n".join(line(record) for record in lost), flush=True)
                return lost
        records = []
        for solver in job.solvers:
            if solver in absent:
                continue
            before = machine()
            record = one(job, order, solver, folder)
            record.setdefault("seconds", 0.0)
            record.setdefault("curve", [])
            limit = job.seconds if solver == "auto" else job.rival_seconds
            records.append(common | shape | record | {"solver": solver, "machine": before, "limit": limit})
            print(line(records[-1]), flush=True)
        return records


def one(job: Job, order: dict[str, object], solver: str, folder: str) -> Record:
    """One solver; ours a second time where kernels had to be compiled in the first."""
    if job.case == "cold_start":
        environment = {"NUMBA_CACHE_DIR": f"{folder}/cache"}
        return apart({"job": "cold", "scenario": str(DEMO)} | {"case": job.case}, 600.0, environment) | {"sign": 1.0}
    seconds = job.seconds if solver == "auto" else job.rival_seconds
    kind = "outside" if solver in RIVALS else "solve"
    asked = order | {"job": kind, "solver": solver, "seconds": seconds}
    # Marxan ends by itself; the others are given time to read, to hand over, and to notice that time is over
    patience = max(3 * seconds, 5 * seconds if kind == "outside" else 0.0) + 900.0
    record = apart(asked, patience)
    # a short run compiles only what it gets to, so the next may still have something to compile
    for _ in range(5):
        if solver == "auto" and record.get("kernels_compiled"):
            record = apart(asked, patience)
    return record


def line(record: Record) -> str:
    """What happened, for the screen."""
    gap = record.get("gap_percent")
    what = f"gap {gap:.4f} %" if gap is not None else record.get("failed", "no proven gap")
    asked = report.asked_of(record)
    if record["case"] == "reference" and record["size"] in reference.REFERENCES and "sign" in record:
        asked = report.against(record)
    name = f"{record['case']} {record['size']}"
    return (f"{name:40} {record['solver']:10} {record['seconds']:7.1f} s  {record.get('gib_peak', 0):5.2f} GiB  {what}"
            + (f"  [{asked}]" if asked else ""))  # fmt: skip


def skips(found: list[Job]) -> tuple[list[Job], dict[str, str], list[str]]:
    """(what can run, tools that are absent, a line for each thing left out)."""
    absent: dict[str, str] = {}
    lines: list[str] = []
    for name in RIVALS:
        if any(name in job.solvers for job in found):
            why = RIVALS[name].absent()
            if why:
                absent[name] = why
                lines.append(f"{name}: {why}")
    if any(job.case == "reference" for job in found) and reference.data_folder() is None:
        lines.append("reference: set PRIORITIZE_REFERENCE_DATA to the folder of the reference data")
        found = [job for job in found if job.case != "reference"]
    return found, absent, lines


def arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="name[:size[:gap[:seconds]]]; everything up to 1M units where absent")
    parser.add_argument("--seconds", type=float, help="time limit of every solver, instead of the table's")
    parser.add_argument("--rival-seconds", type=float, help="time limit of the other solvers only")
    parser.add_argument("--solvers", type=lambda text: text.split(","), help=f"of {','.join(report.SOLVERS)}; "
                        "all of them up to 100k units, beyond that ours only")  # fmt: skip
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of engine.json, engine.md, plots")
    parser.add_argument("--list", action="store_true", help="say what would run, and stop")
    options = parser.parse_args(words)
    unknown = sorted(set(options.solvers or ()) - set(report.SOLVERS))
    if unknown:
        parser.error(f"no solver '{unknown[0]}'; there are {', '.join(report.SOLVERS)}")
    return options


def main(words: list[str]) -> int:
    """Run the cases; write after each, so that a stop loses nothing."""
    options = arguments(words)
    try:
        found, absent, skipped = skips(jobs(options.cases, options))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for text in skipped:
        print(f"skipped: {text}")
    running = [Job(j.case, j.size, j.gap, j.seconds, j.rival_seconds, tuple(s for s in j.solvers if s not in absent))
               for j in found]  # fmt: skip
    for job in running if options.list else []:
        print(f"{job.case + ':' + job.size:45} {', '.join(job.solvers)}: at most {job.most:.0f} s")
    print(f"{len(running)} cases, at most {sum(job.most for job in running) / 60:.0f} min (and some to build them)")
    if options.list:
        return 0
    records = report.read(options.out / "engine.json")
    for job in running:
        records = report.merge(records, measure(job, absent))
        report.write(records, options.out, skipped)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
