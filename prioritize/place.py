"""Where the units are: on a grid, as polygons, or nowhere. A place knows how to draw and to write itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import geopandas


@dataclass(frozen=True, eq=False)
class Nowhere:
    """Units without a position (a Marxan project without geometry, arrays in a notebook)."""

    def faults(self, units: int) -> list[str]:
        """Nothing can be wrong."""
        return []

    def renumbered(self, order: np.ndarray) -> Nowhere:
        """The same place with its units in another order."""
        return self


@dataclass(frozen=True, eq=False)
class Grid:
    """Units that are cells of a raster.

    Attributes
    ----------
    shape : (rows, columns)
    cell : (U,) int64
        Row-major index of each unit's cell.
    transform : tuple of 6 float
        Affine transform a, b, c, d, e, f (as in rasterio): x = a*col + b*row + c, y = d*col + e*row + f.
    crs : str or None
        WKT or authority code.
    """

    shape: tuple[int, int]
    cell: np.ndarray
    transform: tuple[float, float, float, float, float, float]
    crs: str | None = None

    def faults(self, units: int) -> list[str]:
        """What does not fit a landscape of that many units."""
        if self.cell.shape != (units,):
            return [f"the grid places {len(self.cell)} units, but there are {units}"]
        if self.cell.min() < 0 or self.cell.max() >= self.shape[0] * self.shape[1]:
            return ["the grid places units outside its rows and columns"]
        return [] if len(np.unique(self.cell)) == units else ["the grid places two units in one cell"]

    def renumbered(self, order: np.ndarray) -> Grid:
        """The same place with its units in another order."""
        return Grid(self.shape, self.cell[order], self.transform, self.crs)

    def image(self, values: np.ndarray, fill: Any = 0) -> np.ndarray:
        """Spread (U,) values over the (rows, columns) grid; `fill` where there is no unit."""
        grid = np.full(self.shape[0] * self.shape[1], fill, dtype=np.asarray(values).dtype)
        grid[self.cell] = values
        return grid.reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Polygons:
    """Units that are polygons.

    Attributes
    ----------
    geometry : geopandas.GeoSeries of U polygons, with its CRS
    """

    geometry: geopandas.GeoSeries = field(repr=False)

    def faults(self, units: int) -> list[str]:
        """What does not fit a landscape of that many units."""
        count = len(self.geometry)
        return [] if count == units else [f"there are {count} polygons for {units} units"]

    def renumbered(self, order: np.ndarray) -> Polygons:
        """The same place with its units in another order."""
        return Polygons(self.geometry.iloc[order].reset_index(drop=True))


Place = Nowhere | Grid | Polygons
