"""How a grid or polygons come on a map: fill, lines, bounds, and what a length on the map is on the ground."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from prioritize.place import Grid, Polygons
from prioritize.report.palette import rgb

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path as Outline

# A map is about 700 pixels wide on paper; more cells than three times that only cost time.
MOST_CELLS = 2000


@dataclass(frozen=True, eq=False)
class GridCanvas:
    """Draws units that are cells."""

    place: Grid

    @property
    def step(self) -> tuple[int, int]:
        """Every how-manieth row and column is drawn."""
        rows, columns = self.place.shape
        return -(-rows // MOST_CELLS), -(-columns // MOST_CELLS)

    @property
    def crs(self) -> Any:
        """Coordinate reference system as the place has it, or None."""
        return self.place.crs

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north of the units, in the map's unit."""
        row, column = np.divmod(self.place.cell, self.place.shape[1])
        left, right, top, bottom = column.min(), column.max() + 1, row.min(), row.max() + 1
        corners = self.to_map(np.array([[left, top], [right, top], [left, bottom], [right, bottom]]))
        return (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())

    def to_map(self, points: np.ndarray) -> np.ndarray:
        """From (column, row) to (x, y)."""
        a, b, c, d, e, f = self.place.transform
        return points @ np.array([[a, d], [b, e]]) + np.array([c, f])

    def thinned(self, values: np.ndarray, fill: int) -> np.ndarray:
        """(U,) values as an image of at most MOST_CELLS rows and columns: every k-th cell, from mid-block."""
        down, across = self.step
        return self.place.image(values, fill)[down // 2 :: down, across // 2 :: across]

    def paint(self, axes: Axes, codes: np.ndarray, colours: list[str]) -> None:
        """Fill the cells: `codes` (U,) uint8 index `colours`, of which the first is that of no unit."""
        from matplotlib.transforms import Affine2D

        image = np.array([rgb(colour) for colour in colours], dtype=np.uint8)[self.thinned(codes, 0)]
        down, across = self.step
        rows, columns = image.shape[:2]
        a, b, c, d, e, f = self.place.transform
        pixels = axes.get_window_extent().width
        axes.imshow(
            image,
            extent=(0, columns * across, rows * down, 0),
            aspect="auto",
            # where several cells share a pixel, their mean colour is truer than that of the one that happens to win
            interpolation="hanning" if columns > pixels else "nearest",
            transform=Affine2D.from_values(a, d, b, e, c, f) + axes.transData,
        )

    def outlines(self, code: np.ndarray) -> list[np.ndarray]:
        """Lines around the groups of `code` (U,), -1 being no group: between groups, and where they end."""
        image = np.pad(self.thinned(code.astype(np.int32), -1), 1, constant_values=-1)
        x, top, bottom = runs(np.diff(image, axis=1)[1:-1].T != 0)
        y, left, right = runs(np.diff(image, axis=0)[:, 1:-1] != 0)
        starts = np.concatenate([np.c_[x, top], np.c_[left, y]])
        ends = np.concatenate([np.c_[x, bottom], np.c_[right, y]])
        step = self.step[::-1]
        return list(np.stack([self.to_map(starts * step), self.to_map(ends * step)], axis=1))


def runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, start and end of each run of True along the rows, so that a straight border is one line."""
    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(steps == 1)
    return row, start, np.nonzero(steps == -1)[1]


@dataclass(frozen=True, eq=False)
class PolygonCanvas:
    """Draws units that are polygons."""

    place: Polygons
    drawn: dict[bytes, list[np.ndarray]] = field(default_factory=dict, repr=False)

    @property
    def crs(self) -> Any:
        """Coordinate reference system as the place has it, or None."""
        return self.place.geometry.crs

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north of the units, in the map's unit."""
        west, south, east, north = self.place.geometry.total_bounds.tolist()
        return west, south, east, north

    def paint(self, axes: Axes, codes: np.ndarray, colours: list[str]) -> None:
        """Fill the polygons: `codes` (U,) uint8 index `colours`, of which the first is that of no unit."""
        from matplotlib.patches import PathPatch

        shapes = self.place.geometry.to_numpy()
        for code in np.unique(codes).tolist():
            # the rim, in the same colour, covers the hairlines that antialiasing leaves between neighbours
            patch = PathPatch(outline(shapes[codes == code]), facecolor=colours[code], edgecolor=colours[code], lw=0.2)
            axes.add_artist(patch)  # not add_patch, which walks along every vertex in Python to find the limits

    def outlines(self, code: np.ndarray) -> list[np.ndarray]:
        """Lines around the groups of `code` (U,), -1 being no group: between groups, and where they end."""
        import shapely

        key = code.tobytes()  # scenarios of one country have the same borders, and to merge polygons takes seconds
        if key in self.drawn:
            return self.drawn[key]
        shapes = self.place.geometry.to_numpy()
        merged = [shapely.union_all(shapes[code == value]) for value in np.unique(code[code >= 0])]
        rings = shapely.get_rings(shapely.get_parts(merged))
        points, ring = shapely.get_coordinates(rings, return_index=True)
        self.drawn[key] = np.split(points, np.flatnonzero(np.diff(ring)) + 1)
        return self.drawn[key]


def outline(shapes: np.ndarray) -> Outline:
    """All polygons as one Matplotlib path: shells anticlockwise, holes clockwise, so that holes stay open."""
    import shapely
    from matplotlib.path import Path as Outline

    rings, polygon = shapely.get_rings(shapely.get_parts(shapes), return_index=True)
    shell = np.diff(polygon, prepend=-1) != 0
    turned = shapely.is_ccw(rings) != shell
    rings[turned] = shapely.reverse(rings[turned])
    points, ring = shapely.get_coordinates(rings, return_index=True)
    codes = np.full(len(points), Outline.LINETO)
    firsts = np.flatnonzero(np.diff(ring, prepend=-1))
    codes[firsts] = Outline.MOVETO
    codes[np.append(firsts[1:], len(points)) - 1] = Outline.CLOSEPOLY
    return Outline(points, codes)


@dataclass(frozen=True)
class Ground:
    """What the map's unit is on the ground, at the middle of the map.

    Attributes
    ----------
    metres_x, metres_y : float or None
        Metres on the ground in one unit of the map, along x and along y; None without a CRS.
    north : float
        Direction of north in degrees clockwise from up; NaN without a CRS.
    name : str
        How the small print calls the CRS.
    geographic : bool
        Whether the unit is a degree.
    """

    metres_x: float | None
    metres_y: float | None
    north: float
    name: str
    geographic: bool

    @property
    def stretch(self) -> float:
        """How much longer a unit of y is to be drawn than one of x: degrees, else the map is drawn as projected."""
        if self.metres_x is None or self.metres_y is None or not self.geographic:
            return 1.0
        return self.metres_y / self.metres_x

    @classmethod
    def of(cls, crs: Any, bounds: tuple[float, float, float, float]) -> Ground:
        """Measure it on the ellipsoid, because a Mercator metre is none and grid north may point anywhere."""
        if crs is None:
            return cls(None, None, float("nan"), "no coordinate reference system", False)
        import pyproj

        known = pyproj.CRS.from_user_input(crs)
        authority = known.to_authority()
        name = f"{known.name} ({':'.join(authority)})" if authority else known.name
        if known.geodetic_crs is None:
            return cls(None, None, float("nan"), name, False)
        west, south, east, north = bounds
        x, y, reach = (west + east) / 2, (south + north) / 2, max(east - west, north - south) / 1000
        geodetic = known.geodetic_crs
        to_degrees = pyproj.Transformer.from_crs(known, geodetic, always_xy=True)
        lon, lat = to_degrees.transform([x, x + reach, x], [y, y, y + reach])
        if not np.all(np.isfinite([lon, lat])):
            return cls(None, None, float("nan"), name, known.is_geographic)
        globe = known.get_geod() or pyproj.Geod(ellps="WGS84")
        _, _, metres_x = globe.inv(lon[0], lat[0], lon[1], lat[1])
        bearing_up, _, metres_y = globe.inv(lon[0], lat[0], lon[2], lat[2])
        return cls(metres_x / reach, metres_y / reach, -bearing_up, name, known.is_geographic)
