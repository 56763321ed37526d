"""Pictures of a comparison, beside its tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prioritize.comparison import Comparison, show
from prioritize.place import Nowhere
from prioritize.report.maps import Panel, overlap_map, side_by_side
from prioritize.summary import percent


def panels_of(comparison: Comparison) -> list[Panel]:
    """One map a scenario, with the figures that matter beneath it."""
    panels = []
    for name, summary, landscape, selection in zip(
        comparison.names, comparison.summaries, comparison.landscapes, comparison.selections, strict=True
    ):
        shares = {
            group.removeprefix("realm:"): v for group, v in summary["area_share"].items() if group.startswith("realm:")
        }
        shares = shares or {"the area": summary["area_share"]["all"]}
        lines = [
            f"{show(summary['cost'], '')} {summary['cost_unit']}",
            ", ".join(f"{show(100 * value, '%')} of {group}" for group, value in shares.items()),
            f"{summary['targets_met']} of {summary['targets']} targets; " + proven(summary),
        ]
        panels.append(Panel(summary["title"] or name, "\n".join(lines), landscape, selection))
    return panels


def proven(summary: Mapping[str, Any]) -> str:
    """The gap of a summary in a few words: what the certificate proves, then what a tree search claims beyond."""
    claimed = summary["gap"]
    certified = summary.get("certified_gap") if summary.get("bound_by") == "tree search" else claimed
    text = "no proof" if certified is None else f"gap {percent(certified)}"
    return text if claimed in (None, certified) else f"{text} (claimed: {percent(claimed)})"


def write_maps(comparison: Comparison, folder: Path) -> list[Path]:
    """Write maps.png (and overlap.png for several scenarios on one landscape); nothing where units have no position."""
    if any(isinstance(landscape.place, Nowhere) for landscape in comparison.landscapes):
        return []
    panels = panels_of(comparison)
    written = [folder / "maps.png"]
    side_by_side(panels, written[0])
    if len(comparison.overlap):
        written.append(folder / "overlap.png")
        overlap_map(panels, written[1])
    return written
