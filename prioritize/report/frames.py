"""Maps of several runs on the same planning units as one frame: what they share is packed once."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prioritize.maplayers import MapFile, MapLayer
from prioritize.report._canvas import Ground, runs
from prioritize.report.maps import SEA_NAMES

#: packed map layers together: features beyond are left out, and the page says so
MOST_BYTES = 16_000_000
#: classes of a legend
CLASSES = 6
#: polygons are drawn on this many steps along each side
STEPS = 65_535
GROUPS = ("plan", "today", "cost", "service", "ecosystem", "place", "unit")


@dataclass(frozen=True, eq=False)
class Frame:
    """Runs whose maps have the same units at the same place.

    Attributes
    ----------
    names : list of str
        Of the scenarios.
    files : list of MapFile
    """

    names: list[str]
    files: list[MapFile]

    @property
    def first(self) -> MapFile:
        """The one whose place is drawn."""
        return self.files[0]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """West, south, east, north in the map's unit (of a grid: of its corners)."""
        if self.first.about["place"] == "grid":
            rows, columns = self.first.about["shape"]
            a, b, c, d, e, f = self.first.about["transform"]
            x = [c, c + a * columns, c + b * rows, c + a * columns + b * rows]
            y = [f, f + d * columns, f + e * rows, f + d * columns + e * rows]
            return min(x), min(y), max(x), max(y)
        (west, south), (east, north) = self.first.points.min(axis=0), self.first.points.max(axis=0)
        return float(west), float(south), float(east), float(north)

    def packed(self, index: int, blobs: dict[str, str]) -> dict[str, Any]:
        """Plain values for the page; arrays go to `blobs`."""
        first, about = self.first, self.first.about
        west, south, east, north = self.box
        ground = Ground.of(about["crs"], self.box)
        grid = about["place"] == "grid"
        found: dict[str, Any] = {"kind": about["place"], "count": len(first.unit_id), "crs": ground.name}
        if grid:
            rows, columns = about["shape"]
            a, b, _, d, e, _ = about["transform"]
            wide, tall = float(np.hypot(a, d)), float(np.hypot(b, e))
            found |= {"rows": rows, "columns": columns, "width": columns, "step": about["step"]}
            found["height"] = rows * tall / wide * ground.stretch
            found["north"] = turned(ground.north, a, d)
            found["cell"] = keep(blobs, f"cell{index}", first.cell, delta=True)
        else:
            wide = (east - west) / 1000 or 1.0
            found |= {"width": 1000.0, "height": (north - south) / wide * ground.stretch, "step": 1}
            found["north"] = None if np.isnan(ground.north) else ground.north
            scaled = (first.points - [west, south]) / [(east - west) or 1.0, (north - south) or 1.0]
            steps = np.rint(np.c_[scaled[:, 0], 1 - scaled[:, 1]] * STEPS).astype(np.uint16)
            found["points"] = keep(blobs, f"points{index}", steps.T.copy(), delta=True)
            found["ring_start"] = keep(blobs, f"rings{index}", first.ring_start, delta=True)
            found["ring_unit"] = keep(blobs, f"owner{index}", first.ring_unit, delta=True)
        found["metres"] = None if ground.metres_x is None else wide * ground.metres_x
        found["ids"] = keep(blobs, f"ids{index}", first.unit_id, delta=True)
        found["lines"] = [
            {"level": level, **self.line(index, level, blobs)} for level in self.levels() if len(first.unit_id)
        ]
        found["base"] = keep(blobs, f"base{index}", self.base())
        found["layers"], left_out = self.layers(index, blobs)
        found["left_out"] = left_out + max(int(item.about["left_out"]) for item in self.files)
        return found

    def levels(self) -> list[str]:
        """Levels of which borders are drawn: the realms and the first other one."""
        if self.first.about["place"] == "polygons":
            return list(self.first.lines)
        keys = [layer.label for layer in self.first.layers if layer.group == "place"]
        return [level for level in ("realm", *[key for key in keys if key != "realm"][:1]) if level in keys]

    def line(self, index: int, level: str, blobs: dict[str, str]) -> dict[str, str]:
        """Borders of a level: points on the steps of the frame, and where each line starts."""
        if self.first.about["place"] == "polygons":
            west, south, east, north = self.box
            lines = self.first.lines[level]
            points = np.concatenate(lines) if lines else np.empty((0, 2))
            scaled = (points - [west, south]) / [(east - west) or 1.0, (north - south) or 1.0]
            scaled = np.c_[scaled[:, 0], 1 - scaled[:, 1]]
            starts = np.cumsum([0, *map(len, lines)])
        else:
            layer = next(item for item in self.first.layers if item.key == f"group:{level}")
            ends = grid_borders(self.image(layer.codes.astype(np.int32)))
            rows, columns = self.first.about["shape"]
            scaled = ends.reshape(-1, 2) / [columns, rows]
            starts = np.arange(0, len(scaled) + 1, 2)
        steps = np.clip(np.rint(scaled * STEPS), 0, STEPS).astype(np.uint16)
        return {
            "points": keep(blobs, f"line{index}{level}", steps.T.copy(), delta=True),
            "start": keep(blobs, f"start{index}{level}", starts.astype(np.int64), delta=True),
        }

    def image(self, values: np.ndarray) -> np.ndarray:
        """(N,) values of a grid's units as rows and columns; 0 elsewhere."""
        rows, columns = self.first.about["shape"]
        image = np.zeros(rows * columns, values.dtype)
        image[self.first.cell] = values
        return image.reshape(rows, columns)

    def base(self) -> np.ndarray:
        """(N,) uint8: 1 on land, 2 in the sea."""
        realm = next((item for item in self.first.layers if item.key == "group:realm"), None)
        base = np.ones(len(self.first.unit_id), np.uint8)
        if realm is not None:
            wet = np.array([False, *(name.lower() in SEA_NAMES for name in realm.names)])
            base[wet[realm.codes]] = 2
        return base

    def layers(self, index: int, blobs: dict[str, str]) -> tuple[list[dict[str, Any]], int]:
        """Every layer once; the number of those that are left out for size."""
        listed: dict[tuple[str, str], tuple[MapLayer, list[str]]] = {}
        for name, file in zip(self.names, self.files, strict=True):
            for layer in file.layers:
                said = repr((layer.names, layer.low, layer.high, layer.unit)).encode()
                digest = hashlib.sha256(layer.codes.tobytes() + said).hexdigest()
                key = (layer.key, name if layer.group == "plan" else digest)
                listed.setdefault(key, (layer, []))[1].append(name)
        chosen = [next(item for item in file.layers if item.key == "selection").codes > 0 for file in self.files]
        if len(chosen) > 1:
            count = np.sum(chosen, axis=0).astype(np.uint8)
            several = MapLayer(
                "frequency", "plan", "frequency", count, names=tuple(map(str, range(1, len(chosen) + 1)))
            )
            listed["frequency", ""] = (several, self.names)
        order = sorted(
            listed.values(), key=lambda item: GROUPS.index(item[0].group) if item[0].group in GROUPS else len(GROUPS)
        )
        written: list[dict[str, Any]] = []
        room, left_out = MOST_BYTES, 0
        for place, (layer, names) in enumerate(order):
            text = pack(layer.codes)
            if len(text) > room and layer.group not in ("plan", "today", "cost"):
                left_out += 1
                continue
            room -= len(text)
            data = f"layer{index}_{place}"
            blobs[data] = text
            one: dict[str, Any] = {"key": layer.key, "group": layer.group, "label": layer.label, "unit": layer.unit}
            own = layer.group == "plan" and layer.key != "frequency"
            one |= {"data": data, "scenarios": names if own or len(names) < len(self.names) else None}
            if layer.names:
                one["names"] = list(layer.names)
            else:
                one |= {"low": layer.low, "high": layer.high, "breaks": breaks(layer.numbers())}
            written.append(one)
        return written, left_out


def frames_of(files: Sequence[MapFile | None], names: Sequence[str]) -> list[Frame]:
    """Runs with the same drawn units at the same place make one frame; runs without a map are in none."""
    frames: list[Frame] = []
    for file, name in zip(files, names, strict=True):
        if file is None or not len(file.unit_id):
            continue
        for frame in frames:
            if same_place(frame.first, file):
                frame.names.append(name)
                frame.files.append(file)
                break
        else:
            frames.append(Frame([name], [file]))
    return frames


def same_place(one: MapFile, other: MapFile) -> bool:
    """Whether two maps draw the same units at the same place."""
    keys = ("place", "crs", "shape", "transform", "step")
    return all(one.about.get(key) == other.about.get(key) for key in keys) and all(
        np.array_equal(getattr(one, key), getattr(other, key)) for key in ("unit_id", "cell", "points", "ring_start")
    )


def grid_borders(image: np.ndarray) -> np.ndarray:
    """(S, 2, 2) ends (column, row) of the straight lines around the groups of an image, 0 being no group."""
    image = np.pad(image, 1)
    x, top, bottom = runs(np.diff(image, axis=1)[1:-1].T != 0)
    y, left, right = runs(np.diff(image, axis=0)[:, 1:-1] != 0)
    starts = np.concatenate([np.c_[x, top], np.c_[left, y]])
    ends = np.concatenate([np.c_[x, bottom], np.c_[right, y]])
    return np.stack([starts, ends], axis=1)


def turned(north: float, a: float, d: float) -> float | None:
    """Direction of north in degrees clockwise from the picture's up, for a grid whose rows may be turned."""
    return None if np.isnan(north) else north + float(np.degrees(np.arctan2(d, a)))


def breaks(numbers: np.ndarray) -> list[float]:
    """Limits between the classes of a legend: quantiles, in two digits, each once."""
    known = numbers[np.isfinite(numbers)]
    if not len(known) or known.min() == known.max():
        return []
    limits = np.quantile(known, np.arange(1, CLASSES) / CLASSES)
    rounded = sorted({float(f"{value:.2g}") for value in limits.tolist()})
    return [value for value in rounded if known.min() < value < known.max()]


def keep(blobs: dict[str, str], key: str, values: np.ndarray, *, delta: bool = False) -> str:
    """Pack an array under a name, and return the name."""
    blobs[key] = pack(values, delta=delta)
    return key


def pack(values: np.ndarray, *, delta: bool = False) -> str:
    """An array as text: type, `d` for differences, base64 of the zlib of its bytes, byte planes apart.

    Numbers of one size that lie near each other compress better with their high bytes together.
    """
    flat = np.ascontiguousarray(values).ravel()
    if flat.dtype == np.int64:
        fits = not len(flat) or (flat.min() >= -(2**31) and flat.max() < 2**31)
        flat = flat.astype(np.int32) if fits else flat.astype(np.float64)
    delta = delta and flat.dtype != np.float64 and len(flat) > 0
    if delta:
        flat = np.concatenate([flat[:1], np.diff(flat)]).astype(flat.dtype)
    size = flat.dtype.itemsize
    planes = flat.astype(flat.dtype.newbyteorder("<")).view(np.uint8).reshape(-1, size).T.tobytes()
    kind = f"{flat.dtype.kind}{size}{'d' if delta else ''}"
    return f"{kind}:{base64.b64encode(zlib.compress(planes, 9)).decode()}"
