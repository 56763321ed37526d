"""Records -> results/engine.json, engine.md and the plots: met or missed is worked out here, not typed in."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import CASES, GROWTH, Asked, side_of
from benchmarks.reference import REFERENCES

Record = dict[str, Any]
SOLVERS = ("auto", "highs", "scip", "prioritizr", "marxan")
NAMES = {"auto": "ours (auto)", "highs": "HiGHS", "scip": "SCIP", "prioritizr": "prioritizr", "marxan": "Marxan"}
#: gaps in per cent whose times can be compared along a line of growth
LADDER = (10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


# ------------------------------------------------------------------------------------------------------------ records


def key(record: Record) -> tuple[str, str, str]:
    """What a record is of: a newer one of the same replaces it."""
    return record["case"], record["size"], record["solver"]


def order(record: Record) -> tuple[int, float, int, str]:
    """Table order: cases as listed, sizes growing, ours first."""
    names = [*CASES, "cold_start", "reference"]
    case = names.index(record["case"]) if record["case"] in names else len(names)
    if record["case"] == "reference":
        size = float(list(REFERENCES).index(record["size"])) if record["size"] in REFERENCES else math.inf
    else:
        size = float(record.get("units") or 0)
    solver = SOLVERS.index(record["solver"]) if record["solver"] in SOLVERS else len(SOLVERS)
    return case, size, solver, record["size"]


def read(path: Path) -> list[Record]:
    """The records of a results file; what an older form of this tool wrote there is left out."""
    if not path.exists():
        return []
    return [record for record in json.loads(path.read_text()) if "size" in record and "machine" in record]


def merge(old: list[Record], new: list[Record]) -> list[Record]:
    """Newer records replace older ones of the same case, size and solver."""
    found = {key(record): record for record in [*old, *new]}
    return sorted(found.values(), key=order)


def gaps(record: Record) -> list[tuple[float, float]]:
    """(seconds, gap in per cent) since a selection and a bound were there."""
    return [
        (at, 100 * abs(value - bound) / abs(value) if value != bound else 0.0)
        for at, value, bound in record.get("curve", [])
        if value is not None and bound is not None and (value != 0 or value == bound)
    ]


def seconds_to(record: Record, gap_percent: float) -> float | None:
    """When a gap was first proven."""
    return next((at for at, gap in gaps(record) if gap <= gap_percent), None)


def seconds_to_first(record: Record) -> float | None:
    """When the first selection was there."""
    return next((at for at, value, _ in record.get("curve", []) if value is not None), None)


def judge(asked: Asked, record: Record) -> str:
    """`1.3 % in 10 s: met (1.2 % after 8 s)`."""
    within = [f"in {asked.seconds:g} s"] if asked.seconds else []
    within += [f"and {asked.gib:g} GiB" if within else f"in {asked.gib:g} GiB"] if asked.gib else []
    text = f"{asked.gap_percent:g} % {' '.join(within)}".rstrip()
    at = seconds_to(record, asked.gap_percent)
    faults = []
    if at is None:
        reached = gaps(record)
        faults.append(f"{reached[-1][1]:.3g} % at the end" if reached else "no proven selection")
    elif asked.seconds and at > asked.seconds:
        faults.append(f"after {at:.1f} s")
    if asked.gib and record["gib_peak"] > asked.gib:
        faults.append(f"{record['gib_peak']:.1f} GiB")
    if at is None and asked.seconds and record.get("limit", asked.seconds) < asked.seconds:
        return f"{text}: not tried (stopped at {record['limit']:g} s, {faults[0]})"
    return f"{text}: **missed** ({', '.join(faults)})" if faults else f"{text}: met (after {at:.1f} s)"


def asked_of(record: Record) -> str:
    """The column `asked`."""
    if record["case"] == "cold_start":
        return "25 s in all: " + ("met" if record["seconds"] < 25 else "**missed**")
    case = CASES.get(record["case"])
    setting = case.sizes.get(record["size"]) if case else None
    return judge(setting.asked, record) if setting and setting.asked and record["solver"] == "auto" else ""


# ------------------------------------------------------------------------------------------------------------- tables


def number(value: float | None, form: str) -> str:
    """A figure, or a dash."""
    return "-" if value is None else format(value, form)


def rows(header: list[str], body: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *body])


def case_table(records: list[Record]) -> str:
    """One line a case, size and solver."""
    body = []
    for r in records:
        first, reached = seconds_to_first(r), gaps(r)
        begun = f"{reached[0][1]:.3g} % at {reached[0][0]:.1f} s" if reached else number(first, ".1f")
        memory = f"{number(r.get('gib_peak'), '.2f')} ({number(r.get('gib_before'), '.2f')})"
        busy = "\\*" if r["machine"]["load_before"] > 0.5 else ""
        remarks = asked_of(r) or r.get("failed", "") or "; ".join(r.get("notes", []))
        body.append(
            [f"{r['case']} {r['size']}", NAMES.get(r["solver"], r["solver"]), begun,
             number(r.get("gap_percent"), ".4f"), number(r.get("objective"), ",.8g"), number(r.get("bound"), ",.8g"),
             number(r.get("seconds"), ".1f") + busy, memory, remarks]
        )  # fmt: skip
    header = ["case", "solver", "first proven gap", "gap at the end, %", "objective", "bound", "s",
              "peak GiB (before solving)", "asked; remarks"]  # fmt: skip
    return rows(header, body)


def shape_table(records: list[Record]) -> str:
    """What each case is."""
    body, seen = [], set()
    for r in records:
        if (r["case"], r["size"]) in seen or "rows" not in r:
            continue
        seen.add((r["case"], r["size"]))
        what = CASES[r["case"]].what if r["case"] in CASES else ""
        body.append([f"{r['case']} {r['size']}", what, f"{r['units']:,} x {r['zones']}", f"{r['rows']:,}",
                     f"{r['amounts']:,}", f"{r['amounts'] / r['units']:.1f}", f"{r['edges']:,}",
                     f"{1024 * r['gib_amounts']:,.1f}"])  # fmt: skip
    header = ["case", "what", "units x zones", "rows", "amounts", "a unit", "directed edges", "MiB of amounts"]
    return rows(header, body)


def against(record: Record) -> str:
    """Whether a reference value was reached, and whether the bound respects it."""
    reference = REFERENCES[record["size"]]
    if record.get("objective") is None:
        return "**no selection**"
    sign, slack = record["sign"], reference.slack
    worse = sign * (record["objective"] - reference.value)
    if sign * (record["bound"] - reference.value) > slack:
        return "**bound beyond a known selection**"
    if reference.proven and worse < -slack:
        return "**better than a proven optimum**"
    return "**worse**" if worse > slack else "better" if worse < -slack else "as good"


def reference_table(records: list[Record]) -> str:
    """Ours against what other tools have printed."""
    body = []
    for r in (r for r in records if r["size"] in REFERENCES):
        reference = REFERENCES[r["size"]]
        ours = r.get("objective")
        change = None if ours is None else 100 * (ours - reference.value) / abs(reference.value)
        shape = [f"{r['units']:,} x {r['rows']}", f"{r['edges']:,}"] if "rows" in r else ["-", "-"]
        verdict = against(r) + (f" ({r['failed']})" if "failed" in r else "")
        body.append([r["size"], *shape, f"{reference.value:,.10g}", "proven" if reference.proven else "best known",
                     number(ours, ",.10g"), number(change, "+.4f"), number(r.get("bound"), ",.10g"),
                     number(r.get("gap_percent"), ".4f"), f"{r['seconds']:.1f}", verdict])  # fmt: skip
    header = ["problem", "units x rows", "directed edges", "reference", "which is", "ours", "difference, %", "bound",
              "proven gap, %", "s", "verdict"]  # fmt: skip
    return rows(header, body)


# ------------------------------------------------------------------------------------------------------------- growth


def exponent(points: list[tuple[float, float]]) -> tuple[float, float]:
    """(a, c) of seconds = c * size ** a: least squares on the logarithms."""
    size, seconds = np.log(np.array(points)).T
    a, c = np.polyfit(size, seconds, 1)
    return float(a), float(np.exp(c))


def growth(records: list[Record]) -> list[dict[str, Any]]:
    """Fits of the time to the first selection and to the smallest gap that every point of a line reached."""
    ours = {(r["case"], r["size"]): r for r in records if r["solver"] == "auto"}
    fits = []
    for line, (axis, members) in GROWTH.items():
        there = [ours[member] for member in members if member in ours and seconds_to_first(ours[member]) is not None]
        reached = [gap for gap in LADDER if there and all(seconds_to(r, gap) is not None for r in there)]
        measures = [("the first selection", seconds_to_first)]
        if reached:
            gap = reached[-1]
            measures.append((f"a gap of {gap:g} %", lambda r, gap=gap: seconds_to(r, gap)))
        for what, measure in measures:
            points = [(float(r[axis]), max(float(measure(r) or 0.0), 1e-3)) for r in there]
            if len({size for size, _ in points}) >= 2:
                a, c = exponent(points)
                fits.append({"line": line, "axis": axis, "to": what, "exponent": a, "factor": c, "points": points})
    return fits


def growth_table(fits: list[dict[str, Any]]) -> str:
    """Exponents, with the points that they are from."""
    body = [
        [fit["line"], fit["to"], f"{fit['axis']}^{fit['exponent']:.2f}" + (" (two points)" * (len(fit["points"]) == 2)),
         "; ".join(f"{size:,.0f}: {seconds:.2f} s" for size, seconds in fit["points"])]
        for fit in fits
    ]  # fmt: skip
    return rows(["along", "time to", "grows as", "points"], body)


# -------------------------------------------------------------------------------------------------------------- plots


def colours() -> dict[str, str]:
    """One a solver, told apart by most colour-blind readers (Okabe & Ito)."""
    return dict(zip(SOLVERS, ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")))


def logarithmic(axis: Any) -> None:
    """Logarithmic both ways, at least a decade each, labels at the decades only (those between run into each other)."""
    from matplotlib.ticker import NullFormatter

    axis.set(xscale="log", yscale="log")
    for number_of, ticks, bound in ((0, axis.xaxis, axis.set_xlim), (1, axis.yaxis, axis.set_ylim)):
        values = np.concatenate([np.asarray(line.get_data()[number_of], float) for line in axis.lines])
        bound(10 ** np.floor(np.log10(values.min()) - 0.02), 10 ** np.ceil(np.log10(values.max()) + 0.02))
        ticks.set_minor_formatter(NullFormatter())
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7)


def plot_gaps(records: list[Record], path: Path) -> bool:
    """Gap over time, a panel for each case and size; False where there is nothing to draw."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record["case"] in CASES and any(gap > 0 for _, gap in gaps(record)):
            panels.setdefault((record["case"], record["size"]), []).append(record)
    if not panels:
        return False
    columns = min(3, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure, axes = pyplot.subplots(lines, columns, figsize=(4.2 * columns, 3.2 * lines), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, ((case, size), members) in zip(axes.flat, panels.items()):
        longest = max(record["seconds"] for record in members)
        for record in members:
            points = [(max(at, 1e-2), gap) for at, gap in gaps(record) if gap > 0]
            if not points:
                continue
            at, gap = zip(*points, (longest, points[-1][1]))
            colour = colours().get(record["solver"], "#222222")
            axis.step(at, gap, where="post", color=colour, label=NAMES.get(record["solver"], record["solver"]))
            axis.plot(at[-2], gap[-2], ".", color=colour)
        setting = CASES[case].sizes.get(size)
        if setting and setting.asked and setting.asked.seconds:
            axis.plot(setting.asked.seconds, setting.asked.gap_percent, "kx", label="asked")
        axis.set(title=f"{case} {size}", xlabel="seconds", ylabel="proven gap, %")
        nothing = [NAMES.get(record["solver"], record["solver"]) for record in members if not gaps(record)]
        if nothing:
            axis.set_title(f"{case} {size} ({', '.join(nothing)}: nothing)")
        logarithmic(axis)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True


def plot_growth(fits: list[dict[str, Any]], path: Path) -> bool:
    """Time over size with the fitted lines; False where there is nothing to draw."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = list(dict.fromkeys(fit["line"] for fit in fits))
    if not lines:
        return False
    figure, axes = pyplot.subplots(1, len(lines), figsize=(4.2 * len(lines), 3.2), squeeze=False)
    for axis, line in zip(axes.flat, lines):
        for fit, colour in zip((fit for fit in fits if fit["line"] == line), ("#0072B2", "#D55E00")):
            size, seconds = np.array(fit["points"]).T
            axis.plot(size, seconds, "o", color=colour)
            axis.plot(size, fit["factor"] * size ** fit["exponent"], color=colour,
                      label=f"{fit['to']}: {fit['axis']}^{fit['exponent']:.2f}")  # fmt: skip
        axis.set(title=line, xlabel=fit["axis"], ylabel="seconds")
        logarithmic(axis)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True


# --------------------------------------------------------------------------------------------------------------- page


def conditions(records: list[Record]) -> str:
    """On what, and how warm, the figures were measured."""
    machines = sorted({f"{r['machine']['cores']} cores, {r['machine']['gib']:.0f} GiB" for r in records})
    versions = sorted({f"Python {r['machine']['python']}, OR-Tools {r['machine']['ortools']}" for r in records})
    cold = [f"{r['case']} {r['size']}" for r in records if r["solver"] == "auto" and r.get("kernels_compiled")]
    text = f"One run each, wall time, on {' and '.join(machines)}; {'; '.join(versions)}. "
    text += "Every solver in a fresh process, which reads the finished program; memory is the most that this process "
    text += "and those it started held at once. JIT warm (kernels from the cache on disk)"
    text += f" except in {', '.join(cold)}. " if cold else " in all but `cold_start`. "
    text += "Seconds are from the finished program to the answer. \\* the machine was busy when the run began."
    return text


def write(records: list[Record], folder: Path, skipped: list[str]) -> None:
    """engine.json, engine.md, and the plots."""
    folder.mkdir(parents=True, exist_ok=True)
    # renamed into place: a run of an hour that is stopped here keeps what it had
    (folder / "engine.json.new").write_text(json.dumps(records, indent=1, allow_nan=False) + "\n")
    (folder / "engine.json.new").replace(folder / "engine.json")
    cases = [r for r in records if r["case"] != "reference"]
    references = [r for r in records if r["case"] == "reference"]
    fits = growth(records)
    parts = ["# The engine", "Written by `make bench` (`python benchmarks/bench_engine.py --help`)."]
    if records:
        parts.append(conditions(records))
    if cases:
        parts += ["## Cases", case_table(cases), "## What they are", shape_table(cases)]
        if plot_gaps(cases, folder / "engine_gap.png"):
            parts += ["## Gap over time", "![gap over time](engine_gap.png)"]
    if references:
        parts += ["## Problems that other tools have solved", reference_table(references)]
    if fits:
        parts += ["## How time grows (ours)", growth_table(fits)]
        if plot_growth(fits, folder / "engine_growth.png"):
            parts.append("![growth](engine_growth.png)")
    if skipped:
        parts += ["## Skipped", "\n".join(f"* {line}" for line in skipped)]
    (folder / "engine.md").write_text("\n\n".join(parts) + "\n")


def known_size(case: str, size: str) -> str:
    """`100k` for `100000` where the case has it, else the size as given.

    Raises
    ------
    ValueError
        If it is no size.
    """
    side = side_of(size)
    return next((name for name in CASES[case].sizes if side_of(name) == side), size)
