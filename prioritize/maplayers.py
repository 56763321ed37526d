"""What a run keeps for drawing maps: where the units are, and what each is like, small enough to be mailed.

Numbers are kept in 255 (or 65,535) steps and large grids at every k-th row and column: good enough to look at. True
numbers stay in the tables, and the zone of every unit in `selection.*`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from prioritize.accounting import texts
from prioritize.errors import DAMAGED, DataError
from prioritize.landscape import LOCKED_IN, Landscape
from prioritize.npz import Header, read_headers, read_npz
from prioritize.output import as_json
from prioritize.place import Grid, Nowhere, Polygons
from prioritize.progress import Part, whole

MAPS = "maps.npz"
#: a map on a screen is about 700 pixels wide
MOST_PIXELS = 800
#: more polygons than this are a raster in all but name, and too many to draw in a browser
MOST_POLYGONS = 40_000
#: up to this many units numbers are kept in 65,535 steps, else in 255
FINE_UNITS = 50_000
#: all layers together, before compression; features beyond are left out, and the report says so
MOST_BYTES = 80_000_000
#: no coordinates are as alike as to become so many times smaller by compression
MOST_ALIKE = 200
#: arrays of `maps.npz` that every one has
ARRAYS = ("unit_id", "cell", "points", "ring_start", "ring_unit", "all_id", "all_area_km2", "all_zone")
#: a polygon's outline is simplified to this share of the map's width
DETAIL = 1 / 3000


@dataclass(frozen=True, eq=False)
class MapLayer:
    """One thing to show on a map.

    Attributes
    ----------
    key : str
        Short name, unique within a file.
    group : str
        Where it stands in the list: `plan`, `today`, `cost`, `place`, `unit`, or a group of features.
    label : str
    codes : (N,) uint8 or uint16
        0 where there is nothing; else the place in `names` (from 1), or a step between `low` and `high`.
    unit : str
        Of the numbers.
    names : tuple of str
        Of the categories; empty for numbers.
    low, high : float
        Number at step 1 and at the last step.
    """

    key: str
    group: str
    label: str
    codes: np.ndarray
    unit: str = ""
    names: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0

    def numbers(self) -> np.ndarray:
        """(N,) what the codes stand for, to within half a step; NaN where there is nothing."""
        top = np.iinfo(self.codes.dtype).max
        values = self.low + (self.codes.astype(np.float64) - 1) / (top - 1) * (self.high - self.low)
        return np.where(self.codes == 0, np.nan, values)


@dataclass(frozen=True, eq=False)
class MapFile:
    """Contents of `maps.npz`.

    Attributes
    ----------
    about : dict
        `name`, `place` (`grid`, `polygons` or `nowhere`), `crs`, `shape` (rows and columns that are drawn),
        `transform` (of the drawn grid), `step`, `zones` (dicts), `cost_unit`, `notes`, `left_out` (features).
    unit_id : (N,) int64
        Units that are drawn.
    cell : (N,) int64
        Of a grid: row-major pixel of each.
    points : (P, 2) float64, ring_start : (R+1,) int64, ring_unit : (R,) int64
        Of polygons: outlines in the map's unit, where each ring starts, and whose it is.
    lines : dict of level to list of (K, 2) arrays
        Of polygons: borders of the groups of a level.
    layers : list of MapLayer
    all_id, all_area_km2, all_zone : (U,) arrays
        Every unit, drawn or not: what overlaps are counted with.
    """

    about: dict[str, Any]
    unit_id: np.ndarray
    all_id: np.ndarray
    all_area_km2: np.ndarray
    all_zone: np.ndarray
    layers: list[MapLayer] = field(default_factory=list)
    cell: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    ring_start: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    ring_unit: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    lines: dict[str, list[np.ndarray]] = field(default_factory=dict)


def write_map_layers(folder: Path, landscape: Landscape, selection: np.ndarray, part: Part = whole) -> Path:
    """Write `maps.npz` into a folder.

    Parameters
    ----------
    folder : Path
    landscape : Landscape
    selection : (U, Z) bool
    part : Part, optional
        What is done where a group of layers cannot be made; by default the exception goes on.

    Returns
    -------
    Path
        The same input gives the same bytes.
    """
    made = map_file(landscape, selection, part)
    arrays: dict[str, np.ndarray] = {key: getattr(made, key) for key in ARRAYS}
    for level, lines in made.lines.items():
        arrays[f"line_{level}"] = np.concatenate(lines) if lines else np.empty((0, 2))
        arrays[f"line_{level}_start"] = np.cumsum([0, *map(len, lines)])
    arrays |= {f"layer_{index}": layer.codes for index, layer in enumerate(made.layers)}
    listed = [
        {key: getattr(layer, key) for key in ("key", "group", "label", "unit", "names", "low", "high")}
        for layer in made.layers
    ]
    about = {**made.about, "layers": listed, "lines": list(made.lines)}
    arrays["about"] = np.frombuffer(as_json(about, indent=None).encode(), np.uint8)
    path = Path(folder) / MAPS
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def read_map_layers(folder: Path, units: int | None = None) -> MapFile | None:
    """What `write_map_layers` wrote; None where there is no such file.

    Parameters
    ----------
    folder : Path
    units : int, optional
        How many planning units the run has: nothing is unpacked that belongs to more.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    path = Path(folder) / MAPS
    if not path.is_file():
        return None
    try:
        headers = read_headers(path)
        refuse_larger(path, headers, units)
        held = read_npz(path, headers)
        about = json.loads(held["about"].tobytes())
        layers = [
            MapLayer(**{**item, "names": tuple(item["names"])}, codes=held[f"layer_{index}"])
            for index, item in enumerate(about.pop("layers"))
        ]
        lines = {
            level: np.split(held[f"line_{level}"], held[f"line_{level}_start"][1:-1]) for level in about.pop("lines")
        }
        return MapFile(about, layers=layers, lines=lines, **{key: held[key] for key in ARRAYS})
    except DAMAGED as error:
        raise DataError(f"{path}: damaged ({error}); make the run again") from None


def refuse_larger(path: Path, headers: Mapping[str, Header], units: int | None) -> None:
    """Refuse arrays larger than what belongs to the planning units, and geometry larger than such a file can hold.

    Raises
    ------
    DataError
    """
    every = headers["all_id"][1] if units is None else (units,)
    drawn = headers["unit_id"][1]
    room = MOST_ALIKE * path.stat().st_size
    for name, (dtype, shape) in headers.items():
        if name in ("all_id", "all_area_km2", "all_zone"):
            wrong = shape != every
        elif name in ("unit_id", "cell") or name.startswith("layer_"):
            wrong = shape not in (drawn, (0,)) or len(shape) != 1 or shape[0] > every[0]
        else:
            wrong = dtype.itemsize * math.prod(shape) > room
        if wrong:
            raise DataError(f"{path}: damaged ({name} is larger than that of the run's units); make the run again")


def map_file(landscape: Landscape, selection: np.ndarray, part: Part = whole) -> MapFile:
    """What there is to draw of a landscape and a selection."""
    zone = np.where(selection.any(axis=1), selection.argmax(axis=1) + 1, 0).astype(np.uint8)
    about: dict[str, Any] = {
        "name": landscape.name,
        "place": "nowhere",
        "crs": None,
        "zones": [{"name": zone.name, "kind": zone.kind, "type": zone.type} for zone in landscape.zones],
        "cost_unit": landscape.cost_unit,
        "notes": list(landscape.notes),
        "left_out": 0,
    }
    everything: dict[str, Any] = {"all_id": landscape.unit_id, "all_area_km2": landscape.area_km2, "all_zone": zone}
    place = landscape.place
    if isinstance(place, Nowhere) or (isinstance(place, Polygons) and len(place.geometry) > MOST_POLYGONS):
        if not isinstance(place, Nowhere):
            about["notes"].append(
                f"{len(zone)} polygons are too many to draw in a browser; open selection.gpkg in QGIS"
            )
        return MapFile(about, np.empty(0, np.int64), **everything)
    extra: dict[str, Any] = {}
    if isinstance(place, Grid):
        drawn, extra["cell"], grid = thinned(place)
        about |= grid
    else:
        drawn = np.arange(len(zone))
        extra["points"], extra["ring_start"], extra["ring_unit"] = outlines(place)
        with part(f"{MAPS}: borders"):
            extra["lines"] = borders(landscape, place)
        crs = place.geometry.crs
        about |= {"place": "polygons", "crs": None if crs is None else crs.to_wkt()}
    layers: list[MapLayer] = []
    room = MOST_BYTES
    for layer in list_layers(landscape, selection, zone, drawn, part):
        if layer.codes.nbytes > room and layer.group not in ("plan", "today", "cost", "place"):
            about["left_out"] += 1
            continue
        room -= layer.codes.nbytes
        layers.append(layer)
    return MapFile(about, landscape.unit_id[drawn], layers=layers, **everything, **extra)


def thinned(place: Grid) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Units to draw, their pixel, and the grid of pixels: every k-th cell, from mid-block."""
    rows, columns = place.shape
    step = -(-max(rows, columns) // MOST_PIXELS)
    row, column = np.divmod(place.cell, columns)
    middle = step // 2
    height, width = max(1, -(-(rows - middle) // step)), max(1, -(-(columns - middle) // step))
    drawn = np.flatnonzero((row % step == middle) & (column % step == middle))
    pixel = (row[drawn] // step) * width + column[drawn] // step
    order = np.argsort(pixel, kind="stable")
    a, b, c, d, e, f = place.transform
    about = {
        "place": "grid",
        "crs": None if place.crs is None else str(place.crs),
        "shape": [height, width],
        "step": step,
        "transform": [a * step, b * step, c, d * step, e * step, f],
    }
    return drawn[order], pixel[order], about


def outlines(place: Polygons) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Simplified rings of all polygons: points, where each ring starts, whose it is."""
    import shapely

    west, south, east, north = place.geometry.total_bounds.tolist()
    shapes = shapely.simplify(place.geometry.to_numpy(), max(east - west, north - south) * DETAIL)
    parts, unit = shapely.get_parts(shapes, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    starts = np.searchsorted(ring, np.arange(len(rings) + 1))
    return points, starts.astype(np.int64), unit[part].astype(np.int64)


def borders(landscape: Landscape, place: Polygons) -> dict[str, list[np.ndarray]]:
    """Borders of the realms and of the first other level, each as a list of lines."""
    import shapely

    west, south, east, north = place.geometry.total_bounds.tolist()
    shapes = place.geometry.to_numpy()
    found = {}
    for level in border_levels(landscape):
        code = landscape.groups[level].code
        merged = [shapely.union_all(shapes[code == value]) for value in np.unique(code[code >= 0])]
        rings = shapely.get_rings(shapely.get_parts(merged))
        rings = shapely.simplify(rings, max(east - west, north - south) * DETAIL)
        points, ring = shapely.get_coordinates(rings, return_index=True)
        found[level] = np.split(points, np.flatnonzero(np.diff(ring)) + 1)
    return found


def border_levels(landscape: Landscape) -> list[str]:
    """Levels whose borders are drawn: the realms, and the first other level."""
    others = [level for level in landscape.groups if level != "realm"]
    return [level for level in ("realm", *others[:1]) if level in landscape.groups]


def list_layers(
    landscape: Landscape, selection: np.ndarray, zone: np.ndarray, drawn: np.ndarray, part: Part = whole
) -> Iterator[MapLayer]:
    """Everything that can be shown, what matters most first; of a group that cannot be made, what could."""
    kind = np.uint16 if len(drawn) <= FINE_UNITS else np.uint8
    groups: dict[str, Iterator[MapLayer]] = {
        "plan": plan_layers(landscape, selection, zone, drawn),
        "patch size": patch_layers(landscape, selection, drawn, kind),
        "existing areas": today_layers(landscape, drawn),
        "cost": cost_layers(landscape, drawn, kind),
        "groups": place_layers(landscape, drawn),
        "unit layers": unit_layers(landscape, drawn, kind),
        "features": feature_layers(landscape, drawn, kind),
    }
    for name, layers in groups.items():
        with part(f"{MAPS}: {name}"):
            yield from layers


def plan_layers(landscape: Landscape, selection: np.ndarray, zone: np.ndarray, drawn: np.ndarray) -> Iterator[MapLayer]:
    """The selection, what of it is locked in, and of which category a redline is."""
    names = tuple(item.name for item in landscape.zones)
    yield MapLayer("selection", "plan", "selection", zone[drawn], names=names)
    locked = (landscape.status == LOCKED_IN) & selection
    before = np.where(locked.any(axis=1), locked.argmax(axis=1) + 1, 0).astype(np.uint8)
    if before.any():
        yield MapLayer("locked_in", "plan", "locked in", before[drawn], names=names)
    today, classes = tenure_code(landscape)
    redline = np.array([item.kind == "redline" for item in landscape.zones])
    if classes and redline.any():
        inside = selection[:, redline].any(axis=1)
        codes = np.where(inside, np.where(today > 0, today, len(classes) + 1), 0).astype(np.uint8)
        yield MapLayer("redline", "plan", "redline category", codes[drawn], names=(*classes, "neither"))


def patch_layers(landscape: Landscape, selection: np.ndarray, drawn: np.ndarray, kind: type) -> Iterator[MapLayer]:
    """How large the patch is that a unit lies in."""
    patches = patch_area(landscape, selection)
    if patches is not None:
        yield number("patch", "plan", "patch size", "km2", patches[drawn], kind)


def today_layers(landscape: Landscape, drawn: np.ndarray) -> Iterator[MapLayer]:
    """What is protected, and how, already."""
    today, classes = tenure_code(landscape)
    if classes:
        yield MapLayer("today", "today", "existing areas", today[drawn], names=classes)


def cost_layers(landscape: Landscape, drawn: np.ndarray, kind: type) -> Iterator[MapLayer]:
    """Cost in the first zone."""
    yield number("cost", "cost", "cost", landscape.cost_unit, landscape.cost[drawn, 0], kind, zero=True)


def place_layers(landscape: Landscape, drawn: np.ndarray) -> Iterator[MapLayer]:
    """The groups of each level."""
    for level, grouping in landscape.groups.items():
        codes = (grouping.code[drawn] + 1).astype(np.uint8 if len(grouping.names) < 256 else np.uint16)
        if len(grouping.names) < 65_536:
            yield MapLayer(f"group:{level}", "place", level, codes, names=grouping.names)


def unit_layers(landscape: Landscape, drawn: np.ndarray, kind: type) -> Iterator[MapLayer]:
    """Other values of the planning units."""
    names = short_names(list(landscape.layers))
    for name, values in zip(names, landscape.layers.values(), strict=True):
        yield number(f"unit:{name}", "unit", name, "", values[drawn], kind, zero=True)


def short_names(names: list[str]) -> list[str]:
    """Layers by the last parts of their paths that tell them apart: where a project lies is nobody's business."""
    parts = [name.replace("\\", "/").split("/") for name in names]
    depth = 1
    while len({"/".join(part[-depth:]) for part in parts}) < len(set(names)) and depth < max(map(len, parts)):
        depth += 1
    return ["/".join(part[-depth:]) for part in parts]


def feature_layers(landscape: Landscape, drawn: np.ndarray, kind: type) -> Iterator[MapLayer]:
    """Amounts of each feature; small groups (services) come before large ones (species)."""
    table = landscape.features
    groups = texts(table, "group")
    size = {name: int((groups == name).sum()) for name in np.unique(groups).tolist()}
    for index in sorted(range(len(table)), key=lambda f: (size[groups[f]], groups[f], f)):
        amounts = landscape.amount[[index], :].toarray().ravel()[drawn]
        name, unit = str(table["name"].iloc[index]), str(table["unit"].iloc[index])
        yield number(f"feature:{name}", groups[index] or "feature", name, unit, amounts, kind)


def tenure_code(landscape: Landscape) -> tuple[np.ndarray, tuple[str, ...]]:
    """(U,) the first class of tenure that covers at least half of a unit, from 1; 0 is none. And the classes."""
    classes = tuple(landscape.tenure)
    code = np.zeros(len(landscape.unit_id), np.uint8)
    for index, name in reversed(list(enumerate(classes))):
        code[landscape.tenure[name] >= 0.5] = index + 1
    return code, classes


def patch_area(landscape: Landscape, selection: np.ndarray) -> np.ndarray | None:
    """(U,) area in km2 of the connected patch of selected units that a unit lies in; None without neighbours."""
    from scipy import sparse

    graph = landscape.graph
    chosen: np.ndarray = np.asarray(selection.any(axis=1))
    if not len(graph.indices):
        return None
    # the shape is said: SciPy would take the last unit that has a neighbour for the last one
    shape = (len(chosen), len(chosen))
    matrix = sparse.csr_array((np.ones(len(graph.indices), np.int8), graph.indices, graph.indptr), shape=shape)
    inside: np.ndarray = np.flatnonzero(chosen)
    _, label = sparse.csgraph.connected_components(matrix[inside][:, inside], directed=False)
    area = np.zeros(len(chosen))
    area[inside] = np.bincount(label, landscape.area_km2[inside])[label] if len(inside) else 0.0
    return area


def number(
    key: str, group: str, label: str, unit: str, values: np.ndarray, kind: type, *, zero: bool = False
) -> MapLayer:
    """Numbers in steps; without `zero`, 0 means that there is nothing."""
    known = np.isfinite(values) & (zero | (values != 0))
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 0.0)
    top = np.iinfo(kind).max
    share = np.zeros(len(values))
    if high > low:
        share[known] = (values[known] - low) / (high - low)
    codes: np.ndarray = np.where(known, 1 + np.rint(share * (top - 1)), 0).astype(kind)
    return MapLayer(key, group, label, codes, unit=unit, low=low, high=high)
