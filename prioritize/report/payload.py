"""Run folders -> what the page shows: plain values for its JSON block, and packed arrays for its maps."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from prioritize.comparison import overlaps, side_by_side
from prioritize.errors import DataError, Faults
from prioritize.inputfile import MOST_JSON, TABLE, gate
from prioritize.landscape import Zone
from prioritize.maplayers import MapFile, read_map_layers
from prioritize.output import as_json as json_text
from prioritize.plaintext import bare
from prioritize.record import check_record
from prioritize.report.frames import Frame, frames_of
from prioritize.report.palette import darker, zone_colours
from prioritize.runner import SHARED, TABLES
from prioritize.summary import SUMMARY, read_summary
from prioritize.table import Table, beside, read_tables

#: a table longer than this is cut in the page; the run folder has all of it
MOST_ROWS = 20_000
#: Paul Tol's muted scheme: scenarios in charts, apart from the colours of zones
SCENARIO_COLOURS = ("#332288", "#44AA99", "#CC6677", "#DDCC77", "#88CCEE", "#882255", "#117733", "#AA4499")
#: what the page shows of `summary.json` as it is
SHOWN = (
    "name", "title", "status", "objective", "objective_kind", "terms", "bound", "gap", "proof", "cost", "cost_new",
    "cost_unit", "boundary", "boundary_unit", "targets_met", "targets", "target_denominator", "units_selected", "units",
    "area_km2", "zone_area_km2", "seconds", "seed", "solver", "versions", "certified_bound", "certified_gap",
    "bound_by", "digests", "inputs",
)  # fmt: skip
COMPARISON_COLUMNS = {"measure": "What is measured.", "unit": "Its unit, where the measure does not say."}
OVERLAP_COLUMNS = {
    "a": "First scenario.",
    "b": "Second scenario.",
    "jaccard": "Area that both select over area that either selects: 1 = the same, 0 = nothing in common.",
    "shared_km2": "Area that both select, km2.",
    "only_a_km2": "Area that only the first selects, km2.",
    "only_b_km2": "Area that only the second selects, km2.",
    "shared_units": "Planning units that both select.",
    "only_a_units": "Planning units that only the first selects.",
    "only_b_units": "Planning units that only the second selects.",
}


@dataclass(frozen=True, eq=False)
class Loaded:
    """What a run folder holds, as far as the page shows it."""

    folder: Path
    summary: dict[str, Any]
    maps: MapFile | None
    tables: list[Table]
    tables_lost: bool
    masked: bool
    progress: list[list[float | None]]
    log: str
    scenario: str
    certificate: bool

    @property
    def name(self) -> str:
        """The scenario's name."""
        return str(self.summary["name"])


def find_runs(paths: Sequence[str | Path]) -> list[Path]:
    """Run folders as named; a folder that holds run folders (of `compare`) stands for all of them.

    Raises
    ------
    DataError
        If one is neither.
    """
    faults, found = Faults(DataError), []
    for path in map(Path, paths):
        inside = in_order(path) if path.is_dir() else []
        if (path / SUMMARY).is_file():
            found.append(path)
        elif inside:
            found.extend(inside)
        else:
            faults.add(f"{path}: not a run folder (no {SUMMARY}); make one with `prioritize run`")
    faults.raise_any()
    return list(dict.fromkeys(found))


def in_order(folder: Path) -> list[Path]:
    """Run folders in the folder of a comparison, as `compare` was given them; else by name."""
    inside = sorted(item.parent for item in folder.glob(f"*/{SUMMARY}"))
    head = next(csv.reader(io.StringIO(text_of(folder / "comparison.csv"))), [])
    names = [bare(name) for name in head]
    return sorted(inside, key=lambda item: names.index(item.name) if item.name in names else len(names))


def read_runs(folders: Sequence[Path], *, unmasked: bool = False) -> list[Loaded]:
    """Read run folders; of a run whose scenario masks features only what may be shown, unless `unmasked`.

    Raises
    ------
    DataError
        Naming every folder that is not a valid run.
    """
    faults, runs = Faults(DataError), []
    for folder in folders:
        try:
            runs.append(read_run(folder, unmasked))
        except DataError as error:
            faults.catch(error)
    names = [run.name for run in runs]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.add(f"two runs are called '{name}'; give each scenario its own name")
    faults.raise_any()
    return runs


def read_run(folder: Path, unmasked: bool) -> Loaded:
    """Read one run folder.

    Where it has a part that may be shown to others, the page is made from that: maps, scenario and log name what is
    masked.
    """
    masked = (folder / SHARED).is_dir() and not unmasked
    summary = read_summary(folder)
    if summary is None:
        raise DataError(f"{folder}: {SUMMARY} is damaged or not that of a run; make the run again")
    check_record(folder / SUMMARY, summary)
    tables = read_tables((folder / SHARED if masked else folder) / TABLES)
    return Loaded(
        folder=folder,
        summary=summary,
        maps=None if masked else read_map_layers(folder, units_of(summary)),
        tables=tables or [],
        tables_lost=tables is None,
        masked=masked,
        progress=read_progress(folder / "progress.csv"),
        log="" if masked else text_of(folder / "log.txt"),
        scenario="" if masked else text_of(folder / "scenario.toml"),
        certificate=(folder / "certificate.npz").is_file(),
    )


def units_of(summary: dict[str, Any]) -> int | None:
    """How many planning units a summary tells of, if it does."""
    units = summary.get("units")
    return units if isinstance(units, int) else None


def text_of(path: Path) -> str:
    """A text file, or nothing."""
    try:
        return gate(path, most=MOST_JSON).read_text(encoding="utf-8")
    except (DataError, OSError, UnicodeDecodeError):
        return ""


def read_progress(path: Path) -> list[list[float | None]]:
    """Seconds, incumbent and bound, in order; None where there was none yet."""
    try:
        frame = pd.read_csv(gate(path, grows=TABLE))[["seconds", "incumbent", "bound"]]
        return [[plain(value) for value in row] for row in frame.to_numpy(dtype=np.float64).tolist()]
    except (DataError, OSError, ValueError, KeyError, TypeError):
        return []


def plain(value: Any) -> Any:
    """A value that JSON can hold: nothing for NaN and infinity, numbers in eight digits."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(f"{float(value):.8g}")
        return number if math.isfinite(number) else None
    return str(value)


def content(runs: Sequence[Loaded], title: str | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """Everything the page shows.

    Parameters
    ----------
    runs : sequence of Loaded
    title : str, optional

    Returns
    -------
    (dict, dict of str to str)
        Plain values; and packed arrays in base64 by name.
    """
    zones = zone_table(runs)
    frames = frames_of([run.maps for run in runs], [run.name for run in runs])
    blobs: dict[str, str] = {}
    packed = [frame.packed(index, blobs) for index, frame in enumerate(frames)]
    names = [run.name for run in runs]
    frequency, pairs = shared(runs)
    tables = [comparison_table(runs), *([pairs] if pairs is not None else [])]
    tables += beside(names, [run.tables for run in runs])
    return {
        "title": title,
        "landscape": next((run.maps.about["name"] for run in runs if run.maps is not None), ""),
        "scenarios": [scenario_of(run, index, zones, frames) for index, run in enumerate(runs)],
        "frames": packed,
        "differ": differ(runs),
        "frequency": frequency,
        "tables": [table_of(table) for table in tables],
        "notes": sorted({note for run in runs if run.maps is not None for note in run.maps.about["notes"]}),
    }, blobs


def zone_table(runs: Sequence[Loaded]) -> dict[tuple[str, str], str]:
    """A colour for each zone of all runs, by name and kind: the same zone looks the same everywhere."""
    keys: dict[tuple[str, str], None] = {}
    for run in runs:
        listed = [] if run.maps is None else run.maps.about["zones"]
        keys |= dict.fromkeys((zone["name"], zone["kind"]) for zone in listed)
    return dict(zip(keys, zone_colours([Zone(name, kind) for name, kind in keys]), strict=True))


def scenario_of(run: Loaded, index: int, zones: dict[tuple[str, str], str], frames: Sequence[Frame]) -> dict[str, Any]:
    """One scenario: its figures, where its map is, its provenance."""
    summary = run.summary
    about = {} if run.maps is None else run.maps.about
    shares: dict[str, dict[str, Any]] = {}
    for group, share in summary["area_share"].items():
        level, _, name = group.partition(":")
        shares.setdefault(level, {})[name] = plain(share)
    return {
        **{key: summary.get(key) for key in SHOWN},
        "shares": shares,
        "colour": SCENARIO_COLOURS[index % len(SCENARIO_COLOURS)],
        "frame": next((k for k, frame in enumerate(frames) if run.name in frame.names), None),
        "zones": [
            {**zone, "colour": zones[zone["name"], zone["kind"]], "dark": darker(zones[zone["name"], zone["kind"]])}
            for zone in about.get("zones", [])
        ],
        "progress": relative(run.progress, summary.get("objective")),
        "tables_lost": run.tables_lost,
        "masked": run.masked,
        "log": run.log,
        "toml": run.scenario,
        "certificate": run.certificate,
        "folder": run.folder.name,
    }


def relative(progress: list[list[float | None]], objective: float | None) -> list[list[float | None]]:
    """Seconds; incumbent and bound in percent above the final objective."""
    if not objective:
        return []
    return [
        [row[0], *(None if value is None else plain(100 * (value - objective) / abs(objective)) for value in row[1:])]
        for row in progress
    ]


def comparison_table(runs: Sequence[Loaded]) -> Table:
    """The headline figures, one column a scenario."""
    frame = side_by_side([run.summary for run in runs])
    columns = {run.name: run.summary["title"] or run.name for run in runs}
    return Table("comparison", "Headline figures", frame, {**COMPARISON_COLUMNS, **columns})


def shared(runs: Sequence[Loaded]) -> tuple[list[dict[str, Any]], Table | None]:
    """Area by how many scenarios choose it, and each pair's overlap, for runs on the same planning units."""
    drawn = [run for run in runs if run.maps is not None]
    held = [run.maps for run in drawn if run.maps is not None]
    if len(held) < 2:
        return [], None
    places: list[Any] = [SimpleNamespace(unit_id=item.all_id, area_km2=item.all_area_km2) for item in held]
    chosen = [item.all_zone[:, None] > 0 for item in held]
    pairs = overlaps([run.name for run in drawn], places, chosen)
    if not len(pairs):
        return [], None
    table = Table("selection_overlap", "Overlap of the selections", pairs, OVERLAP_COLUMNS)
    first = held[0]
    if not all(np.array_equal(first.all_id, item.all_id) for item in held):
        return [], table
    count = np.sum([item.all_zone > 0 for item in held], axis=0)
    area = np.bincount(count, first.all_area_km2, minlength=len(held) + 1)
    return [{"scenarios": k, "area_km2": plain(area[k])} for k in range(1, len(held) + 1)], table


def differ(runs: Sequence[Loaded], most: int = 4) -> list[dict[str, Any]]:
    """The figures that differ most between the runs, by their spread relative to the largest."""
    found: list[tuple[float, int, dict[str, Any]]] = []

    def consider(key: str, values: list[Any], kind: str, subject: str = "", unit: str = "") -> None:
        known = [value for value in values if value is not None and math.isfinite(value)]
        largest = max(map(abs, known), default=0.0)
        if len(known) < len(runs) or largest == 0:
            return
        item = {"key": key, "subject": subject, "unit": unit, "kind": kind, "values": [plain(v) for v in values]}
        found.append((-(max(known) - min(known)) / largest, len(found), item))

    summaries = [run.summary for run in runs]
    if len({summary["cost_unit"] for summary in summaries}) == 1:
        consider("cost", [s["cost"] for s in summaries], "number", unit=summaries[0]["cost_unit"])
    consider("area", [s["area_km2"] for s in summaries], "number", unit="km²")
    consider("targets_met", [s["targets_met"] for s in summaries], "number")
    consider(
        "boundary",
        [s["boundary"] / (1000 if s["boundary_unit"] == "m" else 1) for s in summaries],
        "number",
        unit="km" if summaries[0]["boundary_unit"] == "m" else summaries[0]["boundary_unit"],
    )
    realms = [group for group in summaries[0]["area_share"] if group.startswith("realm:")]
    for group in realms or ["all"]:
        consider("realm_share", [s["area_share"].get(group) for s in summaries], "share", group.partition(":")[2])
    for name, column, subject, key in (
        ("services", "share", "name", "service_share"),
        ("ecosystem_summary", "mean_share", "kind", "mean_share"),
        ("priority_areas", "mean_share", "level", "site_share"),
    ):
        frames = [next((t.frame for t in run.tables if t.name == name), None) for run in runs]
        if any(frame is None or column not in frame or subject not in frame for frame in frames):
            continue
        known = [
            frame[frame["rule"] == "all_zones"] if "rule" in frame else frame for frame in frames if frame is not None
        ]
        for label in known[0][subject].tolist():
            values = [frame.loc[frame[subject] == label, column] for frame in known]
            if all(len(value) == 1 for value in values):
                consider(key, [float(value.iloc[0]) for value in values], "share", str(label))
    order = sorted(found, key=lambda item: item[:2]) if len(runs) > 1 else found
    return [item for _, _, item in order[:most]]


def table_of(table: Table) -> dict[str, Any]:
    """A table as plain values."""
    frame = table.frame
    note = table.note
    if len(frame) > MOST_ROWS:
        note = f"{note} The first {MOST_ROWS:,} of {len(frame):,} rows; all of them are in tables/{table.name}.csv."
    rows = [[plain(value) for value in row] for row in frame.head(MOST_ROWS).itertuples(index=False, name=None)]
    return {
        "name": table.name,
        "title": table.title,
        "note": note.strip(),
        "columns": [[str(column), table.columns.get(str(column), "")] for column in frame.columns],
        "rows": rows,
    }


def as_json(value: Any) -> str:
    """JSON that can stand in a script element whatever texts it holds."""
    text = json_text(value, indent=None, ascii_only=False, separators=(",", ":"))
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text
