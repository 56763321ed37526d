"""Measures on the ground for projected CRS that are not of equal area (Web Mercator, polar stereographic ...)."""

from __future__ import annotations

import numpy as np
import pyproj
import shapely
from scipy.interpolate import RegularGridInterpolator

#: share by which areas in the plane may differ from those on the ground before they are measured on the ellipsoid (a
#: UTM zone: at most 0.2 %)
DISTORTED = 0.01
#: places along each side of an area at which its distortion is looked at; nodes along each side of a grid
LOOKED_AT, NODES = 5, 257
#: what is told then
NOT_EQUAL = "which is not of equal area here: areas and borders are measured on the ellipsoid"


def to_degrees(crs: pyproj.CRS) -> pyproj.Transformer | None:
    """From a projected CRS to longitude and latitude; None where it has none."""
    geodetic = crs.geodetic_crs
    return None if geodetic is None else pyproj.Transformer.from_crs(crs, geodetic, always_xy=True)


def cell_sizes(
    crs: pyproj.CRS, x: np.ndarray, y: np.ndarray, across: np.ndarray, down: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes on the ellipsoid of cells around some points (n,), their sides the vectors `across` and `down` (2,).

    Returns
    -------
    (m2, metres along `across`, metres along `down`), each (n,)
        NaN where the point lies beyond what the CRS can say.
    """
    turned, geod = to_degrees(crs), crs.get_geod()
    if turned is None or geod is None:
        return (np.full(len(x), np.nan),) * 3
    corners = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    rings = [turned.transform(x + a * across[0] + b * down[0], y + a * across[1] + b * down[1]) for a, b in corners]
    ends = [turned.transform(x + s * v[0], y + s * v[1]) for v in (across, down) for s in (-0.5, 0.5)]
    lon, lat = (np.stack([ring[k] for ring in rings], axis=1) for k in (0, 1))
    known = np.isfinite(lon).all(axis=1) & np.isfinite(lat).all(axis=1)
    area = np.full(len(x), np.nan)
    for k in np.flatnonzero(known):
        area[k] = abs(geod.polygon_area_perimeter(lon[k], lat[k])[0])
    lengths = []
    for start, end in (ends[:2], ends[2:]):
        length = np.full(len(x), np.nan)
        length[known] = geod.inv(*(np.asarray(part)[known] for part in (*start, *end)))[2]
        lengths.append(length)
    return area, lengths[0], lengths[1]


def distortion(crs: pyproj.CRS, bounds: tuple[float, float, float, float], metre: float) -> tuple[float, float]:
    """Least and most of areas in the plane relative to those on the ground, within (left, bottom, right, top).

    Returns
    -------
    (float, float)
        (1, 1) where the CRS cannot say.
    """
    left, bottom, right, top = bounds
    sides = np.linspace(left, right, LOOKED_AT), np.linspace(bottom, top, LOOKED_AT)
    x, y = (part.ravel() for part in np.meshgrid(*sides))
    side = max(1e-4 * max(right - left, top - bottom), 1.0 / metre)
    area, _, _ = cell_sizes(crs, x, y, np.array([side, 0.0]), np.array([0.0, side]))
    ratio = (side * metre) ** 2 / area[np.isfinite(area) & (area > 0)]
    return (float(ratio.min()), float(ratio.max())) if len(ratio) else (1.0, 1.0)


def is_distorted(crs: pyproj.CRS | None, bounds: tuple[float, float, float, float], metre: float) -> bool:
    """Whether areas must be measured on the ellipsoid."""
    if crs is None or not crs.is_projected:
        return False
    low, high = distortion(crs, bounds, metre)
    return max(1 - low, high - 1) > DISTORTED


def grid_sizes(
    crs: pyproj.CRS, transform: tuple[float, ...], shape: tuple[int, int], cell: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes of grid cells (U,) on the ellipsoid: measured at nodes, every cell where there are few, and interpolated.

    Returns
    -------
    (m2, metres across, metres down), each (U,)
    """
    a, b, c, d, e, f = transform[:6]
    nodes = [np.linspace(0, size - 1, min(size, NODES)) + 0.5 for size in shape]
    row, column = (part.ravel() for part in np.meshgrid(*nodes, indexing="ij"))
    found = cell_sizes(
        crs, a * column + b * row + c, d * column + e * row + f, np.array([a, d]), np.array([b, e])
    )  # fmt: skip
    at = np.stack([cell // shape[1] + 0.5, cell % shape[1] + 0.5], axis=1)
    axes = [axis if len(axis) > 1 else np.r_[axis, axis + 1] for axis in nodes]
    grids = [part.reshape(len(nodes[0]), len(nodes[1])) for part in found]
    grids = [np.repeat(g, 2, 0) if len(nodes[0]) == 1 else g for g in grids]
    grids = [np.repeat(g, 2, 1) if len(nodes[1]) == 1 else g for g in grids]
    areas, across, down = (RegularGridInterpolator(axes, g)(at) for g in grids)
    return areas, across, down


def polygon_areas(geometry: np.ndarray, turned: pyproj.Transformer, geod: pyproj.Geod) -> np.ndarray:
    """(U,) m2 on the ellipsoid of polygons in a projected CRS."""

    def degrees(points: np.ndarray) -> np.ndarray:
        return np.stack(turned.transform(points[:, 0], points[:, 1]), axis=1)

    moved = shapely.normalize(shapely.transform(geometry, degrees))
    # normalised: holes run against their shell, so that their areas count against it
    return np.abs(np.array([geod.geometry_area_perimeter(item)[0] for item in moved], dtype=np.float64))
