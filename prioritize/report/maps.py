"""Maps for a journal page: scenarios side by side on one legend, and how often each unit is chosen."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prioritize.errors import DataError
from prioritize.landscape import LOCKED_IN, Landscape, Zone
from prioritize.output import blaming
from prioritize.place import Grid, Nowhere, Polygons
from prioritize.report._canvas import GridCanvas, Ground, PolygonCanvas
from prioritize.report.palette import BORDER, COAST, FADED_INK, INK, LAND, OUTSIDE, SEA, darker, zone_colours
from prioritize.scratch import scratch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# All lengths are in inches: a page has a size, and text on it too.
SINGLE, PAGE = 4.5, 7.2  # one map; several across two columns of a journal
TALLEST = 4.6
MARGIN, GAP, TITLE, LINE, FOOT = 0.1, 0.16, 0.22, 0.135, 0.36
DPI = 300
SEA_NAMES = frozenset({"sea", "marine", "ocean"})
# fixed, so that neither a user's matplotlibrc nor a random salt changes the bytes
# typed as Any because Matplotlib types the keys as literals
STYLE: Any = {"font.family": "DejaVu Sans", "svg.hashsalt": "prioritize", "svg.fonttype": "path"}
STAMPS: dict[str, dict[str, Any]] = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


@dataclass(frozen=True, eq=False)
class Panel:
    """One map of several.

    Attributes
    ----------
    title : str
        Name of the scenario.
    subtitle : str
        Two or three lines of figures (cost, share), shown beneath the map.
    landscape : Landscape
    selection : (U, Z) bool
    """

    title: str
    subtitle: str
    landscape: Landscape
    selection: np.ndarray

    def __post_init__(self) -> None:
        if isinstance(self.landscape.place, Nowhere):
            raise DataError(f"{self.landscape.name}: a map needs positions; give the units a grid or polygons")
        if self.selection.shape != self.landscape.status.shape:
            raise DataError(
                f"{self.title}: the selection has shape {self.selection.shape}, expected {self.landscape.status.shape}"
            )


@dataclass(frozen=True)
class Swatch:
    """One entry of the legend; without a label it keeps a place empty."""

    colour: str
    label: str


@dataclass(frozen=True, eq=False)
class Fill:
    """What each unit of a map looks like: `codes` (U,) uint8 index `colours`, of which the first is that of no unit."""

    codes: np.ndarray
    colours: list[str]


def side_by_side(panels: Sequence[Panel], path: Path | None = None) -> Figure:
    """Draw the selections of several scenarios next to each other on one legend.

    A zone has the same colour in all maps, and a darker tone where a unit was locked into it already.

    Parameters
    ----------
    panels : sequence of Panel
    path : Path, optional
        Also save it there; `.png`, `.svg` or `.pdf`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        If there is no panel, or the file is to be something else than PNG, SVG or PDF.
    """
    keys = [zone_keys(panel.landscape.zones) for panel in panels]
    union = list(dict.fromkeys(key for own in keys for key in own))
    colours = dict(zip(union, zone_colours([Zone("", kind) for kind, _ in union])))
    names: dict[tuple[str, int], dict[str, None]] = {key: {} for key in union}
    existing: set[tuple[str, int]] = set()

    fills = []
    for panel, own in zip(panels, keys):
        codes, palette = ground(panel.landscape)
        for z, key in enumerate(own):
            chosen = panel.selection[:, z]
            before = chosen & (panel.landscape.status[:, z] == LOCKED_IN)
            codes[chosen] = len(palette)
            codes[before] = len(palette) + 1
            palette += [colours[key], darker(colours[key])]
            names[key][panel.landscape.zones[z].name] = None
            if before.any():
                existing.add(key)
        fills.append(Fill(codes, palette))

    legend = []
    for key in union:
        label = " / ".join(names[key])
        column = [Swatch(colours[key], f"{label}, new" if existing else label)]
        if existing:
            column.append(Swatch(darker(colours[key]), f"{label}, existing" if key in existing else ""))
        legend.append(column)
    return page(panels, fills, [*legend, ground_legend(panels)], path)


def overlap_map(panels: Sequence[Panel], path: Path | None = None) -> Figure:
    """Draw in how many of the scenarios each unit is chosen, whatever the zone.

    Parameters
    ----------
    panels : sequence of Panel
        Of the same units.
    path : Path, optional
        Also save it there; `.png`, `.svg` or `.pdf`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        If there is no panel, or the panels have different units.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if not panels:
        raise DataError("no scenario to draw")
    first = panels[0].landscape
    for panel in panels[1:]:
        if not np.array_equal(panel.landscape.unit_id, first.unit_id):
            raise DataError(f"{panel.title}: its units are not those of {panels[0].title}; no overlap can be drawn")
    count = np.sum([panel.selection.any(axis=1) for panel in panels], axis=0)
    total = len(panels)
    # one hue that no zone has, so that nobody reads a count as a zone
    shades = [to_hex(shade) for shade in colormaps["RdPu"](np.linspace(0.35, 1.0, total))]
    codes, palette = ground(first)
    codes = np.where(count > 0, len(palette) + count - 1, codes).astype(np.uint8)
    legend = [[Swatch(shade, f"in {times} of {total}")] for times, shade in enumerate(shades, 1)]
    legend += [[swatch] for swatch in ground_legend(panels)]
    summary = Panel(
        f"Chosen in how many of {total} scenarios",
        " · ".join(panel.title for panel in panels),
        first,
        panels[0].selection,
    )
    return page([summary], [Fill(codes, palette + shades)], legend, path)


def zone_keys(zones: Sequence[Zone]) -> list[tuple[str, int]]:
    """What makes zones of two scenarios the same: their kind, and the how-manieth of that kind they are."""
    kinds = [zone.kind for zone in zones]
    return [(kind, kinds[:index].count(kind)) for index, kind in enumerate(kinds)]


def at_sea(landscape: Landscape) -> np.ndarray:
    """(U,) bool: the units that the `realm` grouping calls sea."""
    realm = landscape.groups.get("realm")
    if realm is None:
        return np.zeros(len(landscape.unit_id), dtype=bool)
    return np.isin(realm.code, [code for code, name in enumerate(realm.names) if name.lower() in SEA_NAMES])


def border_level(landscape: Landscape) -> str | None:
    """The grouping whose borders are drawn: `province`, else the first that is no realm."""
    levels = [level for level in landscape.groups if level != "realm"]
    return "province" if "province" in levels else levels[0] if levels else None


def ground(landscape: Landscape) -> tuple[np.ndarray, list[str]]:
    """Codes and colours of the map before anything is selected."""
    return 1 + at_sea(landscape).astype(np.uint8), [OUTSIDE, LAND, SEA]


def ground_legend(panels: Sequence[Panel]) -> list[Swatch]:
    """What the legend says of units that are not selected."""
    if not any(at_sea(panel.landscape).any() for panel in panels):
        return [Swatch(LAND, "not selected")]
    return [Swatch(LAND, "not selected, land"), Swatch(SEA, "not selected, sea")]


def page(
    panels: Sequence[Panel], fills: Sequence[Fill], legend: Sequence[Sequence[Swatch]], path: Path | None
) -> Figure:
    """Lay out maps, titles, figures, legend, scale and small print; all in inches from the lower left."""
    import matplotlib
    from matplotlib.figure import Figure

    if not panels:
        raise DataError("no scenario to draw")
    places = {id(panel.landscape.place): canvas_of(panel.landscape) for panel in panels}
    canvases = [places[id(panel.landscape.place)] for panel in panels]
    grounds = [Ground.of(canvas.crs, canvas.bounds) for canvas in canvases]
    lines = [panel.subtitle.splitlines() for panel in panels]
    across = len(panels) if len(panels) <= 3 else -(-len(panels) // -(-len(panels) // 3))
    down = -(-len(panels) // across)
    width = PAGE if across > 1 else SINGLE
    column = (width - 2 * MARGIN - (across - 1) * GAP) / across
    tall = min(max(shape(canvas, its) for canvas, its in zip(canvases, grounds)) * column, TALLEST)
    beneath = LINE * max(map(len, lines)) + 0.08
    row = TITLE + tall + beneath
    per_row = 4 if across > 1 else 3
    legend_rows = [legend[start : start + per_row] for start in range(0, len(legend), per_row)]
    depth = max(map(len, legend))
    foot = FOOT + 0.15 * depth * len(legend_rows) + 0.1
    height = 2 * MARGIN + down * row + (down - 1) * GAP + foot
    one_scale = all(canvas.bounds == canvases[0].bounds for canvas in canvases)

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=DPI, facecolor=OUTSIDE)

        def say(x: float, y: float, text: str, size: float, room: float = column, **how: Any) -> None:
            # a long line gets smaller instead of running into the next map; a letter is about 0.56 of its size wide
            size = min(size, room / (0.56 * max(1, len(text))) * 72)
            figure.text(x / width, y / height, text, size=size, **{"color": INK, "va": "top", **how})

        for index, panel in enumerate(panels):
            left = MARGIN + index % across * (column + GAP)
            top = height - MARGIN - index // across * (row + GAP)
            bottom = top - TITLE - tall
            axes = figure.add_axes((left / width, bottom / height, column / width, tall / height))
            per_inch = frame(axes, canvases[index], grounds[index], column, tall)
            draw(axes, panel.landscape, canvases[index], fills[index])
            letter = f"{chr(ord('a') + index)}   " if len(panels) > 1 else ""
            say(left, top - 0.02, letter + panel.title, 8.5, weight="bold")
            for number, text in enumerate(lines[index]):
                say(left, bottom - 0.08 - number * LINE, text, 6.8, color=FADED_INK if number else INK)
            if not one_scale:
                draw_scale(figure, grounds[index], per_inch, column, (left + column, bottom))
            elif index == 0:
                draw_scale(figure, grounds[0], per_inch, column, (width - MARGIN, MARGIN))
        draw_legend(figure, legend_rows, depth, (MARGIN / width, (MARGIN + FOOT) / height))
        for number, text in enumerate(small_print(panels, canvases, grounds)):
            say(MARGIN, MARGIN + 0.1 * (1 - number), text, 5.4, 0.75 * width, color=FADED_INK, va="bottom")
        if path is not None:
            save(figure, Path(path))
    return figure


def canvas_of(landscape: Landscape) -> GridCanvas | PolygonCanvas:
    """What draws the landscape's place."""
    if isinstance(landscape.place, Grid):
        return GridCanvas(landscape.place)
    assert isinstance(landscape.place, Polygons)  # Panel lets no others through
    return PolygonCanvas(landscape.place)


def shape(canvas: GridCanvas | PolygonCanvas, ground: Ground) -> float:
    """Height of the map, as a share of its width."""
    west, south, east, north = canvas.bounds
    return (north - south) * ground.stretch / (east - west)


def frame(axes: Axes, canvas: GridCanvas | PolygonCanvas, ground: Ground, column: float, tall: float) -> float:
    """Fit the map into axes of column x tall inches without bending it; return the map's x-units in an inch."""
    west, south, east, north = canvas.bounds
    per_inch = max((east - west) / column, (north - south) * ground.stretch / tall) * 1.01  # the outline has a width
    x, y = (west + east) / 2, (south + north) / 2
    half_x, half_y = per_inch * column / 2, per_inch * tall / ground.stretch / 2
    axes.set_axis_off()
    axes.set_autoscale_on(False)
    axes.set(xlim=(x - half_x, x + half_x), ylim=(y - half_y, y + half_y))
    return per_inch


def draw(axes: Axes, landscape: Landscape, canvas: GridCanvas | PolygonCanvas, fill: Fill) -> None:
    """Draw the units, the borders of the provinces and, over them, the coast."""
    from matplotlib.collections import LineCollection

    canvas.paint(axes, fill.codes, fill.colours)
    level = border_level(landscape)
    if level is not None:
        axes.add_collection(
            LineCollection(canvas.outlines(landscape.groups[level].code), colors=BORDER, linewidths=0.3), autolim=False
        )
    land = np.where(at_sea(landscape), -1, 0)
    axes.add_collection(LineCollection(canvas.outlines(land), colors=COAST, linewidths=0.45), autolim=False)


def draw_legend(
    figure: Figure, rows: Sequence[Sequence[Sequence[Swatch]]], depth: int, at: tuple[float, float]
) -> None:
    """Draw the legend: each column of swatches stays a column, shorter ones are filled up with nothing."""
    from matplotlib.patches import Patch

    handles = []
    for index in range(len(rows[0])):
        for row in rows:
            column = row[index] if index < len(row) else []
            for swatch in [*column, *[Swatch(OUTSIDE, "")] * (depth - len(column))]:
                edge = COAST if swatch.label else "none"
                face = swatch.colour if swatch.label else "none"
                handles.append(Patch(facecolor=face, edgecolor=edge, linewidth=0.3, label=swatch.label or " "))
    figure.legend(
        handles=handles,
        ncols=len(rows[0]),
        loc="lower left",
        bbox_to_anchor=at,
        frameon=False,
        fontsize=6.8,
        labelcolor=INK,
        handlelength=1.5,
        handleheight=0.85,
        handletextpad=0.6,
        columnspacing=2.0,
        labelspacing=0.35,
        borderpad=0,
        borderaxespad=0,
    )


def draw_scale(figure: Figure, ground: Ground, per_inch: float, column: float, corner: tuple[float, float]) -> None:
    """Draw a scale bar and a north arrow with their lower right end at `corner` (inches)."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Polygon

    width, height = figure.get_size_inches()
    right, bottom = corner
    on_ground = per_inch * (ground.metres_x or 1.0)
    length = round_length(on_ground * column * 0.3)
    label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    if ground.metres_x is None:
        label = f"{length:g} map units"
    else:
        # an arrow of two halves, turned about its middle to where north is
        x, y, turn = right - 0.06, bottom + 0.09, np.radians(-ground.north)
        spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        for side, face in ((-1, INK), (1, OUTSIDE)):
            points = np.array([[0, 0.1], [side * 0.045, -0.08], [0, -0.045]]) @ spin + [x, y]
            figure.add_artist(
                Polygon(points / [width, height], closed=True, fc=face, ec=INK, lw=0.4, transform=figure.transFigure)
            )
        tip = np.array([0, 0.16]) @ spin + [x, y]
        figure.text(tip[0] / width, tip[1] / height, "N", size=5.4, color=INK, ha="center", va="center")
        right -= 0.24
    left = right - length / on_ground
    line = np.array([[left, bottom + 0.06], [left, bottom + 0.02], [right, bottom + 0.02], [right, bottom + 0.06]])
    figure.add_artist(Line2D(*(line / [width, height]).T, color=INK, lw=0.7, solid_joinstyle="miter"))
    figure.text((left + right) / 2 / width, (bottom + 0.05) / height, label, size=5.8, color=INK, ha="center")


def round_length(most: float) -> float:
    """The longest of 1, 2, 5, 10, ... that is not above `most`."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(power * max(digit for digit in (1, 2, 5) if digit * power <= most * (1 + 1e-9)))


def small_print(
    panels: Sequence[Panel], canvases: Sequence[GridCanvas | PolygonCanvas], grounds: Sequence[Ground]
) -> tuple[str, str]:
    """On which projection the maps are, and what they show."""

    def all_of(texts: Iterable[str]) -> str:
        return " / ".join(dict.fromkeys(texts))

    parts = [all_of(f"{len(panel.landscape.unit_id):,}" for panel in panels) + " planning units"]
    levels = [border_level(panel.landscape) for panel in panels]
    if any(levels):
        parts.append(f"light lines: {all_of(level for level in levels if level)} borders")
    steps = [canvas.step for canvas in canvases if isinstance(canvas, GridCanvas) and canvas.step != (1, 1)]
    if steps:
        parts.append(f"drawn at 1 in {steps[0][0] * steps[0][1]} cells")
    return all_of(ground.name for ground in grounds), " · ".join(parts)


def save(figure: Figure, path: Path) -> None:
    """Save as the suffix says, without time stamps: the same figure gives the same bytes."""
    import matplotlib

    suffix = path.suffix.lower()
    if suffix not in STAMPS:
        raise DataError(f"{path}: a map is saved as {', '.join(STAMPS)}, not as '{path.suffix}'")
    with matplotlib.rc_context(STYLE), blaming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch(path.parent) as room:
            figure.savefig(room / path.name, dpi=DPI, metadata=STAMPS[suffix])
            os.replace(room / path.name, path)
