"""compare(scenarios) -> Comparison: run or reuse each, one table, and how much the selections overlap."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from prioritize.errors import Faults, PrioritizeError, ScenarioError, Stopped
from prioritize.inputs import take_inputs
from prioritize.landscape import Landscape
from prioritize.output import gathered
from prioritize.plaintext import csv_text, markdown
from prioritize.progress import Reporter
from prioritize.record import check_record
from prioritize.runner import TABLES, guard_folder, load_landscape, make_problem, run
from prioritize.scenario import Scenario, read_scenario
from prioritize.source import Source
from prioritize.summary import SUMMARY, damage, judged, read_summary
from prioritize.table import Table, beside, make_tables, read_tables, write_tables
from prioritize.write import read_selection

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: what `outdated` says of a run that is not
CURRENT = "current"
#: what a comparison is made of; the first one is there once all of them are
FILES = ("comparison.csv", "comparison.md", "overlap.csv", TABLES)
#: groups of a level are table rows up to this many; all of them are in each run's evaluation.csv
MOST_GROUPS = 40


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs side by side.

    Attributes
    ----------
    names : tuple of str
    summaries : tuple of dict
        What each run's `summary.json` says.
    landscapes : tuple of Landscape
    selections : tuple of (U, Z) bool
    table : DataFrame
        One row a measure: `measure`, `unit`, then a column a scenario.
    overlap : DataFrame
        One row a pair: a, b, jaccard, shared_km2, only_a_km2, only_b_km2, shared_units, only_a_units, only_b_units.
    reused : tuple of bool
        Which runs were taken from their folders.
    tables : tuple of Table
        Tables of the runs, those of the same name below each other with a column `scenario`.
    heading : str
        What is compared, where it is not the scenarios as they are.
    why : tuple of str
        Why a run that was there was not reused; empty where it was, or where there was none.
    """

    names: tuple[str, ...]
    summaries: tuple[dict[str, Any], ...]
    landscapes: tuple[Landscape, ...]
    selections: tuple[np.ndarray, ...]
    table: pd.DataFrame
    overlap: pd.DataFrame
    reused: tuple[bool, ...]
    tables: tuple[Table, ...] = ()
    heading: str = ""
    why: tuple[str, ...] = ()

    def plot(self, path: str | Path | None = None) -> Figure:
        """Maps side by side on one legend; also saved where a path is given (`.png`, `.svg` or `.pdf`)."""
        from prioritize.report.notebook import plot_comparison

        return plot_comparison(self, path)

    def _repr_html_(self) -> str:
        from prioritize.report.notebook import comparison_html

        return comparison_html(self)

    def save(self, folder: str | Path) -> list[Path]:
        """Write comparison.csv, comparison.md, overlap.csv and the folder `tables`; return their paths."""
        with gathered(Path(folder), FILES[0]) as draft:
            self.write(draft)
        return [Path(folder) / name for name in FILES]

    def write(self, draft: Path) -> None:
        """Write the files into a folder whose files then move to their place together (`output.gathered`)."""
        for name, text in zip(FILES, (csv_text(self.table), self.markdown(), csv_text(self.overlap)), strict=False):
            (draft / name).write_text(text, encoding="utf-8")
        write_tables(draft / TABLES, self.tables)

    def formatted(self, *, short: bool = False) -> list[list[str]]:
        """The table as text, header first; `short` leaves out levels of more than 4 groups."""
        rows = [["", *self.names]]
        for record in self.table.itertuples(index=False):
            level = record.measure.partition(": ")[2].partition(":")[0]
            if short and level and level != "realm" and "zone" not in record.measure:
                continue
            rows.append([record.measure, *(show(value, record.unit) for value in record[2:])])
        return rows

    def markdown(self) -> str:
        """The table and the overlaps as Markdown."""
        rows = [[markdown(cell) for cell in row] for row in self.formatted()]
        lines = [f"# Comparison: {markdown(', '.join(self.names))}", ""]
        lines += [markdown(self.heading), ""] if self.heading else []
        lines.append("| " + " | ".join(rows[0]) + " |")
        lines.append("|---|" + "---:|" * len(self.names))
        lines += ["| " + " | ".join(row) + " |" for row in rows[1:]]
        lines += ["", "## Overlap of the selections", ""]
        lines += [
            "| a | b | Jaccard (area) | shared km2 | only in a, km2 | only in b, km2 |",
            "|---|---|---:|---:|---:|---:|",
        ]
        for pair in self.overlap.itertuples(index=False):
            lines.append(
                f"| {markdown(pair.a)} | {markdown(pair.b)} | {pair.jaccard:.3f} | {pair.shared_km2:,.0f} "
                f"| {pair.only_a_km2:,.0f} | {pair.only_b_km2:,.0f} |"
            )
        lines += ["", "Area counted is not proof of effectiveness."]
        return "\n".join(lines) + "\n"


def show(value: Any, unit: str) -> str:
    """A number as a person would write it."""
    if isinstance(value, str) or value is None:
        return value or ""
    if isinstance(value, float) and not np.isfinite(value):
        return "–"
    if unit == "%":
        return f"{value:.1f} %" if value >= 1 or value == 0 else f"{value:.2g} %"
    return f"{value:,.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.3g}"


def compare(
    scenarios: Sequence[str | Path | Scenario],
    out: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    jobs: int = 2,
    reporters: Sequence[Reporter] | None = None,
) -> Comparison:
    """Run scenarios (or reuse their runs) and compare them.

    Parameters
    ----------
    scenarios : sequence of Scenario or path
    out : path, optional
        Folder with a run folder per scenario; a run whose inputs have not changed is not solved again.
        Without it nothing is written or reused.
    changes : mapping of dotted key to value, optional
        Applied to every scenario.
    jobs : int
        How many run at once.
    reporters : sequence of Reporter, optional
        One a scenario.

    Returns
    -------
    Comparison

    Raises
    ------
    PrioritizeError
        The faults of all scenarios together.
    """
    import joblib

    read = read_all(scenarios, changes)
    names = [scenario.name for scenario in read]
    reporters = list(reporters or [Reporter() for _ in read])
    folders = [None if out is None else Path(out) / scenario.name for scenario in read]
    for folder in folders:
        if folder is not None:
            guard_folder(folder)
    sources: dict[str, Source] = {}
    lock = threading.Lock()

    def one(scenario: Scenario, folder: Path | None, reporter: Reporter) -> Outcome | PrioritizeError:
        try:
            return answer(scenario, folder, reporter, sources, lock)
        except PrioritizeError as error:
            return type(error)([f"{scenario.name}: {fault}" for fault in error.faults])

    # threads: each solver runs in a process of its own, and kernels release the GIL
    results = joblib.Parallel(n_jobs=min(jobs, len(read)), backend="threading")(
        joblib.delayed(one)(*item) for item in zip(read, folders, reporters, strict=True)
    )
    raise_all(results)
    return combine(names, results)


def raise_all(results: Sequence[Any]) -> None:
    """Raise the faults among the results together; that something was stopped is told where nothing is at fault."""
    failed = [result for result in results if isinstance(result, PrioritizeError)]
    failed = [error for error in failed if not isinstance(error, Stopped)] or failed
    if failed:
        raise type(failed[0])([fault for error in failed for fault in error.faults])


def read_all(scenarios: Sequence[str | Path | Scenario], changes: Mapping[str, Any] | None) -> list[Scenario]:
    """Read scenario files; the faults of all of them together."""
    faults = Faults(ScenarioError)
    read: list[Scenario] = []
    for item in scenarios:
        try:
            read.append(item if isinstance(item, Scenario) else read_scenario(item, changes))
        except PrioritizeError as error:
            faults.catch(error)
    names = [scenario.name for scenario in read]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.add(f"two scenarios are called '{name}'; give each its own name")
    faults.raise_any()
    return read


@dataclass(frozen=True, eq=False)
class Outcome:
    """One scenario, answered now or before: what a Comparison is made of."""

    landscape: Landscape
    selection: np.ndarray
    summary: dict[str, Any]
    reused: bool
    tables: Sequence[Table]
    why: str = ""


def answer(
    scenario: Scenario, folder: Path | None, reporter: Reporter, sources: dict[str, Source], lock: threading.Lock
) -> Outcome:
    """Run a scenario, or take its answer from its folder where nothing has changed since.

    Parameters
    ----------
    scenario : Scenario
    folder : path, optional
        Run folder, read and written; without it nothing is.
    reporter : Reporter
    sources : dict
        Sources that are open: scenarios of one landscape read it once.
    lock : Lock
        Held while one is opened.
    """
    try:
        inputs = take_inputs(scenario)  # before the landscape is read: what is read is what was told by its digest
        with lock:
            landscape = load_landscape(scenario, sources)
        inputs.unchanged()
        why = "" if folder is None else outdated(folder, inputs.hashes["key"])
        if folder is not None and why == CURRENT:
            try:
                old = read_summary(folder) or {}
                check_record(folder / SUMMARY, old)
                selection = read_selection(folder, landscape)
                found = tables_of(scenario, folder, landscape, selection, old)
            except PrioritizeError as error:  # damaged or gone: answered anew
                why = str(error)
            else:
                reporter.current = "reused"
                reporter.folders.append(folder)
                return Outcome(landscape, selection, old, True, found)
        if why:
            reporter.log(f"not reused: {why}")
        if reporter.stop.is_set():  # before its turn came
            raise Stopped("it was not begun")
        done = run(scenario, reporter=reporter, landscape=landscape, inputs=inputs, folder=folder)
        reporter.current = "done"
        return Outcome(landscape, done.selection, done.summary, False, done.tables, why)
    except PrioritizeError:
        reporter.current = "failed"
        raise


def outdated(folder: Path, key: str) -> str:
    """Why a run is not the answer to a question of that key: CURRENT if it is, empty if there is no run."""
    old = read_summary(folder)
    if old is None:
        return ""
    if old["inputs"]["key"] != key:
        return "the scenario, an input or the program has changed since"
    faults = damage(folder, old)
    return "; ".join(faults) if faults else CURRENT


def combine(names: Sequence[str], outcomes: Sequence[Outcome], heading: str = "") -> Comparison:
    """Put outcomes side by side."""
    landscapes = tuple(outcome.landscape for outcome in outcomes)
    selections = tuple(outcome.selection for outcome in outcomes)
    summaries = tuple(outcome.summary for outcome in outcomes)
    return Comparison(
        names=tuple(names),
        summaries=summaries,
        landscapes=landscapes,
        selections=selections,
        table=side_by_side(summaries),
        overlap=overlaps(names, landscapes, selections),
        reused=tuple(outcome.reused for outcome in outcomes),
        tables=tuple(beside(names, [outcome.tables for outcome in outcomes])),
        heading=heading,
        why=tuple(outcome.why for outcome in outcomes),
    )


def tables_of(
    scenario: Scenario,
    folder: Path | None,
    landscape: Landscape,
    selection: np.ndarray,
    summary: Mapping[str, Any],
) -> list[Table]:
    """The tables of a run folder; made anew where they are not there."""
    found = None if folder is None or summary.get("missing") else read_tables(folder / TABLES)
    if found is None:
        found = make_tables(judged(scenario, make_problem(scenario, landscape), selection, summary))
    return found


def side_by_side(summaries: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row a measure, one column a scenario."""
    rows: list[tuple[str, str, list[Any]]] = []

    def add(measure: str, unit: str, values: list[Any]) -> None:
        rows.append((measure, unit, values))

    def each(key: str, factor: float = 1.0) -> list[Any]:
        return [summary[key] * factor if isinstance(summary[key], float) else summary[key] for summary in summaries]

    add(f"cost ({summaries[0]['cost_unit']})", "", each("cost"))
    add("of that new, not locked in", "", each("cost_new"))
    add("targets met", "", [f"{s['targets_met']} of {s['targets']}" for s in summaries])
    add("area selected (km2)", "", each("area_km2"))
    groups: dict[str, int] = {}
    for summary in summaries:
        for group in summary["area_share"]:
            groups.setdefault(group, 0)
    levels: dict[str, list[str]] = {}
    for group in groups:
        levels.setdefault(group.partition(":")[0], []).append(group)
    for level, members in levels.items():
        if len(members) > MOST_GROUPS:
            continue
        for group in members:
            values = [100 * s["area_share"][group] if group in s["area_share"] else float("nan") for s in summaries]
            add("share of all area" if level == "all" else f"share of: {group}", "%", values)
    zones = dict.fromkeys(zone for s in summaries for zone in s["zone_area_km2"])
    for zone in zones:
        add(f"zone {zone} (km2)", "", [s["zone_area_km2"].get(zone, float("nan")) for s in summaries])
    unit = summaries[0]["boundary_unit"]
    if unit == "m":
        add("boundary (km)", "", each("boundary", 0.001))
    else:
        add(f"boundary ({unit})", "", each("boundary"))
    add("units selected", "", each("units_selected"))
    add("gap to the best possible, certified", "%", [percent_of(s.get("certified_gap")) for s in summaries])
    if any(s.get("bound_by") == "tree search" for s in summaries):
        add("gap that a tree search claims", "%", [percent_of(s["gap"]) for s in summaries])
    add("status", "", [s["status"].replace("_", " ") for s in summaries])
    add("seconds", "", [sum(s["seconds"].values()) for s in summaries])
    return pd.DataFrame(
        [[measure, unit, *values] for measure, unit, values in rows],
        columns=["measure", "unit", *(s["name"] for s in summaries)],
    )


def percent_of(share: float | None) -> float:
    """A share in percent; NaN where there is none."""
    return float("nan") if share is None else 100 * share


def overlaps(names: Sequence[str], landscapes: Sequence[Landscape], selections: Sequence[np.ndarray]) -> pd.DataFrame:
    """Jaccard index by area, shared area and units only in one, for each pair on the same planning units."""
    rows = []
    for a, b in itertools.combinations(range(len(names)), 2):
        if not np.array_equal(landscapes[a].unit_id, landscapes[b].unit_id):
            continue
        first, second, area = selections[a].any(axis=1), selections[b].any(axis=1), landscapes[a].area_km2
        both, only_a, only_b = first & second, first & ~second, second & ~first
        union = float(area[first | second].sum())
        rows.append(
            {
                "a": names[a],
                "b": names[b],
                "jaccard": float(area[both].sum()) / union if union > 0 else 1.0,
                "shared_km2": float(area[both].sum()),
                "only_a_km2": float(area[only_a].sum()),
                "only_b_km2": float(area[only_b].sum()),
                "shared_units": int(both.sum()),
                "only_a_units": int(only_a.sum()),
                "only_b_units": int(only_b.sum()),
            }
        )
    columns = [
        "a",
        "b",
        "jaccard",
        "shared_km2",
        "only_a_km2",
        "only_b_km2",
        "shared_units",
        "only_a_units",
        "only_b_units",
    ]
    return pd.DataFrame(rows, columns=columns)
