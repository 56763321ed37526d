"""The accounting that a ministry asks for first, a few lines of it: the rest stands in the folder `tables`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from prioritize.commands._console import console

if TYPE_CHECKING:
    import pandas as pd

    from prioritize.table import Table

RULES = {
    "pa": "protected areas",
    "pa_oecm": "+ OECMs",
    "pa_oecm_candidates": "+ candidates",
    "all_zones": "+ every zone of the plan",
}


def print_accounts(tables: Sequence[Table], names: Sequence[str]) -> None:
    """Coverage by counting rule, species, priority areas, what a redline is made of, connectivity: by scenario."""
    from rich.table import Table as Shown

    frames = {table.name: table.frame for table in tables}
    shown = Shown(title="accounts (definitions and more: the folder tables)", title_justify="left")
    shown.add_column("")
    for name in names:
        shown.add_column(name, justify="right")
    for make in (coverage, species, sites, redline, connectivity):
        rows = [row for row in make(frames, names) if any(row[1:])]
        for label, *cells in rows:
            shown.add_row(label, *cells)
        if rows:
            shown.add_section()
    if shown.row_count:
        console(110).print(shown)


def cells(
    frame: pd.DataFrame, names: Sequence[str], text: str, scale: float = 1.0, value: str = "share", suffix: str = ""
) -> list[str]:
    """One cell for each scenario: `value` of its first row in the frame, in the words of `text`."""
    found = []
    for name in names:
        own = frame[frame["scenario"] == name]
        row = {} if own.empty else own.iloc[0].to_dict()
        blank = own.empty or row[value] != row[value]
        found.append("–" if blank else text.format(scale * row[value], **row) + suffix)
    return found


def coverage(frames: dict[str, pd.DataFrame], names: Sequence[str]) -> Iterator[list[str]]:
    """Share of each realm under each rule of counting; a rule that says what the one before says is left out."""
    frame = frames.get("coverage")
    if frame is None:
        return
    for realm in frame["realm"].unique():
        before: list[str] = []
        for rule, words in RULES.items():
            own = frame[(frame["realm"] == realm) & (frame["rule"] == rule)]
            now = [
                cell if cell == "–" or bool(own.loc[own["scenario"] == name, "meets"].iloc[0]) else f"{cell} (missed)"
                for name, cell in zip(names, cells(own, names, "{:.1f} %", 100), strict=True)
            ]
            if now != before:
                yield [f"{realm}: {words}", *now]
            before = now


def species(frames: dict[str, pd.DataFrame], names: Sequence[str]) -> Iterator[list[str]]:
    """Species under three definitions that differ widely."""
    frame = frames.get("species_coverage")
    if frame is None or frame.empty:
        return
    totals = frame.groupby("scenario")[["species", "present", "with_target", "target_met"]].sum()
    mean = frame["mean_share"].mul(frame["species"]).groupby(frame["scenario"]).sum() / totals["species"]
    totals = totals.assign(mean=mean).reset_index()
    yield ["species: present inside", *cells(totals, names, "{:.0f} of {species}", value="present")]
    yield ["species: mean share of the range", *cells(totals, names, "{:.1f} %", 100, "mean")]
    yield ["species: target met", *cells(totals, names, "{:.0f} of {with_target}", value="target_met")]


def sites(frames: dict[str, pd.DataFrame], names: Sequence[str]) -> Iterator[list[str]]:
    """Priority areas and key biodiversity areas at the threshold, whatever counts."""
    frame = frames.get("priority_areas")
    if frame is None:
        return
    for level in frame["level"].unique():
        own = frame[(frame["level"] == level) & (frame["rule"] == "all_zones")]
        yield [
            f"{level}: mean share, sites at 30 %" if (own["threshold"] == 0.3).all() else f"{level}: sites met",
            *cells(own, names, "{:.1f} %, {n_at_threshold} of {sites}", 100, "mean_share"),
        ]


def redline(frames: dict[str, pd.DataFrame], names: Sequence[str]) -> Iterator[list[str]]:
    """What a redline is made of, by tenure."""
    frame = frames.get("redline_composition")
    if frame is None:
        return
    whole = frame[frame["category"] == "all"]
    for line in ("rule", "optimised"):
        own = whole[whole["line"] == line]
        if own.empty:
            continue
        yield [f"redline ({line}): km2", *cells(own, names, "{:,.0f}", value="area_km2")]
        for part, words in (
            ("protected", "PA"),
            ("oecm", "confirmed OECM"),
            ("oecm_candidate", "candidate OECM"),
            ("neither", "neither"),
        ):
            yield [f"redline ({line}): {words}", *cells(own, names, "{:.1f} %", 100, f"share_{part}")]


def connectivity(frames: dict[str, pd.DataFrame], names: Sequence[str]) -> Iterator[list[str]]:
    """ProtConn and mesh size, beside a random selection of the same area."""
    frame = frames.get("connectivity")
    if frame is None:
        return
    for realm in frame["realm"].unique():
        plan = frame[(frame["realm"] == realm) & (frame["case"] == "plan")]
        chance = frame[(frame["realm"] == realm) & (frame["case"] == "random")]
        for metric, label, text, scale in (
            ("mesh_km2", "effective mesh, km2", "{:,.0f}", 1.0),
            ("protconn", "ProtConn", "{:.1f} %", 100.0),
        ):
            pairs = zip(cells(plan, names, text, scale, metric), cells(chance, names, text, scale, metric), strict=True)
            yield [f"{realm}: {label} (random of the same area)", *[f"{own} ({other})" for own, other in pairs]]
