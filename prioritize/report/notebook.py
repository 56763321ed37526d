"""What a notebook shows of a scenario, a landscape, a run and a comparison: small tables, and maps by Matplotlib."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prioritize.comparison import show
from prioritize.landscape import some
from prioritize.report.figures import panels_of, proven
from prioritize.report.maps import Panel, side_by_side

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from prioritize.comparison import Comparison
    from prioritize.landscape import Landscape
    from prioritize.runner import Run
    from prioritize.scenario import Scenario

#: rows of a table in a notebook
MOST_ROWS = 40
SCREEN_DPI = 110


def plot_run(run: Run, path: str | Path | None = None) -> Figure:
    """Map of a run's selection.

    Parameters
    ----------
    run : Run
    path : path, optional
        Also save it there: `.png`, `.svg` or `.pdf`.

    Raises
    ------
    DataError
        If the units have no position.
    """
    summary = run.summary
    lines = [
        f"{show(summary['cost'], '')} {summary['cost_unit']}",
        f"{show(100 * summary['area_share']['all'], '%')} of the area",
        f"{summary['targets_met']} of {summary['targets']} targets; " + proven(summary),
    ]
    panel = Panel(summary["title"] or summary["name"], "\n".join(lines), run.landscape, run.selection)
    return shown(side_by_side([panel], None if path is None else Path(path)))


def plot_comparison(comparison: Comparison, path: str | Path | None = None) -> Figure:
    """Maps of all scenarios on one legend; `path` as in `plot_run`."""
    return shown(side_by_side(panels_of(comparison), None if path is None else Path(path)))


def shown(figure: Figure) -> Figure:
    """A figure that a notebook shows as the value of a cell, whether or not pyplot is in use."""

    def png() -> bytes:
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=SCREEN_DPI)
        return file.getvalue()

    figure._repr_png_ = png  # type: ignore[attr-defined]
    return figure


def table_html(head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """A plain table; every text is escaped, so a name can be anything."""
    lines = ["<table>"]
    if caption:
        lines.append(f"<caption style='text-align:left;font-weight:600'>{escape(caption)}</caption>")
    if head:
        lines.append("<tr>" + "".join(f"<th>{escape(str(name))}</th>" for name in head) + "</tr>")
    for row in rows:
        first, *others = (escape(str(value)) for value in row)
        lines.append(
            f"<tr><th style='text-align:left'>{first}</th>" + "".join(f"<td>{v}</td>" for v in others) + "</tr>"
        )
    return "".join([*lines, "</table>"])


def run_html(run: Run) -> str:
    """A run: its figures and its proof."""
    summary = run.summary
    rows = [
        ("cost", f"{show(summary['cost'], '')} {summary['cost_unit']}"),
        ("targets met", f"{summary['targets_met']} of {summary['targets']}"),
        ("units selected", f"{summary['units_selected']:,} of {summary['units']:,}"),
        *(
            ("share of all area" if group == "all" else f"share of {group}", show(100 * share, "%"))
            for group, share in summary["area_share"].items()
            if group == "all" or group.startswith("realm:")
        ),
        *((f"zone {zone}", f"{area:,.0f} km²") for zone, area in summary["zone_area_km2"].items()),
        ("bound", "none" if summary["bound"] is None else show(summary["bound"], "")),
        ("proof", summary["proof"]),
    ]
    return table_html([], rows, summary["title"] or summary["name"])


def comparison_html(comparison: Comparison) -> str:
    """A comparison: its table, and how much the selections overlap."""
    head, *rows = comparison.formatted(short=True)
    text = table_html(head, rows[:MOST_ROWS])
    if len(comparison.overlap):
        pairs = [
            (f"{pair.a} and {pair.b}", f"{pair.jaccard:.2f}", f"{pair.shared_km2:,.0f}")
            for pair in comparison.overlap.itertuples(index=False)
        ]
        text += table_html(["", "Jaccard", "shared km²"], pairs, "Overlap of the selections")
    return text


def landscape_html(landscape: Landscape) -> str:
    """A landscape: what is known of its units."""
    units, features, zones = landscape.shape
    locked = int((landscape.status > 0).any(axis=1).sum())
    rows = [
        ("planning units", f"{units:,}, {float(landscape.area_km2.sum()):,.0f} km², {locked:,} locked in"),
        ("features", f"{features:,}: {some(landscape.features['name'].to_numpy(), 6)}"),
        ("zones", f"{zones}: {', '.join(zone.name for zone in landscape.zones)}"),
        ("cost", f"{show(float(landscape.cost[:, 0].sum()), '')} {landscape.cost_unit} for all units"),
        *(
            (level, f"{len(group.names)}: {some(np.array(group.names), 6)}")
            for level, group in landscape.groups.items()
        ),
        *(
            ("exists today", f"{name}: {float(share @ landscape.area_km2):,.0f} km²")
            for name, share in landscape.tenure.items()
        ),
        *(("note", note) for note in landscape.notes),
    ]
    return table_html([], rows, landscape.name)


def scenario_html(scenario: Scenario) -> str:
    """A scenario: its file with all defaults written out, folded away."""
    plain = scenario.plain()
    rows = [
        (
            "objective",
            plain["objective"]["kind"] if isinstance(plain.get("objective"), dict) else scenario.objective.kind,
        ),
        ("zones", ", ".join(scenario.zones)),
        ("constraints", ", ".join(getattr(term, "name", "") or term.kind for term in scenario.constraints) or "none"),
        ("penalties", ", ".join(getattr(term, "name", "") or term.kind for term in scenario.penalties) or "none"),
    ]
    text = escape(scenario.toml(Path.cwd()))
    folded = f"<details><summary>scenario file, all defaults written out</summary><pre>{text}</pre></details>"
    return table_html([], rows, scenario.title or scenario.name) + folded
