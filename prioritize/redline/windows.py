"""Maps that are read a few rows at a time: national rasters fit in memory as results, never as inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from prioritize.errors import DataError, ScenarioError
from prioritize.landscape import Grouping, grouping_of
from prioritize.place import Grid
from prioritize.source import LandscapeConfig, Source

#: cells of one strip: 4 M float64 values are 32 MB
CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, eq=False)
class Grids:
    """Layers on one grid, read by rows.

    Attributes
    ----------
    name : str
    shape : (rows, columns)
    row_area_km2 : (rows,) float64
        Area of a cell of each row.
    transform : tuple of 6 float
    crs : str or None
    inside : (rows, columns) bool
        Where there are planning units.
    read : callable
        (reference, rows) -> (rows of the slice, columns) float64, NaN where the layer says nothing. Raises DataError.
    codes : callable
        reference -> ((rows, columns) int32 codes, -1 none; names). Raises DataError.
    levels : dict of level to reference
        Of the regions.
    strip_rows : int
        Rows that are read at once.
    notes : list of str
    """

    name: str
    shape: tuple[int, int]
    row_area_km2: np.ndarray
    transform: tuple[float, ...]
    crs: str | None
    inside: np.ndarray
    read: Callable[[str, slice], np.ndarray]
    codes: Callable[[str], tuple[np.ndarray, tuple[str, ...]]]
    levels: dict[str, str]
    strip_rows: int
    notes: list[str]

    def strips(self) -> Iterator[slice]:
        """The rows of the map, a strip at a time."""
        for first in range(0, self.shape[0], self.strip_rows):
            yield slice(first, min(first + self.strip_rows, self.shape[0]))

    def level(self, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Codes and names of a level of the regions.

        Raises
        ------
        ScenarioError
            If there is no such level.
        """
        if name not in self.levels:
            known = ", ".join(f"'{level}'" for level in self.levels) or "none: set landscape.regions"
            raise ScenarioError(f"redline: there is no level '{name}' of regions; use 'all' or one of {known}")
        return self.codes(self.levels[name])

    def image(self, reference: str | float) -> np.ndarray:
        """A whole layer as float32; NaN outside the units."""
        if not isinstance(reference, str):
            return np.where(self.inside, np.float32(reference), np.float32(np.nan))
        whole = np.empty(self.shape, np.float32)
        for rows in self.strips():
            whole[rows] = self.read(reference, rows)
            whole[rows][~self.inside[rows]] = np.nan
        return whole

    def flag(self, reference: str, above: float | None = None) -> np.ndarray:
        """(rows, columns) bool: not zero, or above a value; False where the layer says nothing."""
        whole = np.zeros(self.shape, bool)
        for rows in self.strips():
            values = np.nan_to_num(self.read(reference, rows), nan=0.0 if above is None else -np.inf)
            whole[rows] = (values != 0 if above is None else values > above) & self.inside[rows]
        return whole


def rows_at_once(columns: int, cells: int = CELLS_AT_ONCE) -> int:
    """Rows of a strip."""
    return max(1, cells // max(columns, 1))


def region_levels(config: LandscapeConfig) -> dict[str, str]:
    """Levels of the regions and their references, short names resolved."""
    levels = {"region": config.regions} if isinstance(config.regions, str) else dict(config.regions or {})
    if config.realm is not None:
        levels = {"realm": config.realm, **levels}
    return {level: config.layers.get(reference, reference) for level, reference in levels.items()}


def grids_of(source: Source, config: LandscapeConfig, strip_rows: int | None = None) -> Grids:
    """Layers of a source whose units are cells of a grid.

    Raises
    ------
    DataError
        If the units lie on no grid, or cells of one row differ in area.
    """
    place = source.place
    if not isinstance(place, Grid):
        raise DataError(
            f"{source.name}: its units lie on no grid; a redline is drawn on one. Use landscape.format 'raster' "
            "(or rasterise the layers), or compare finished lines with `prioritize redline diff`"
        )
    rows, columns = place.shape
    row = place.cell // columns
    area = np.zeros(rows)
    area[row] = source.area_km2
    if not np.allclose(area[row], source.area_km2, rtol=1e-9):
        raise DataError(f"{source.name}: cells of one row differ in area; use a grid that is not turned")
    inside = np.zeros(place.shape, bool)
    inside.flat[place.cell] = True
    held: dict[str, np.ndarray] = {}

    def read(reference: str, rows: slice) -> np.ndarray:
        name = config.layers.get(reference, reference)
        if name not in held:
            held.clear()  # one layer at a time: they are read strip after strip
            held[name] = place.image(source.read(name), np.nan)
        return held[name][rows]

    def codes(reference: str) -> tuple[np.ndarray, tuple[str, ...]]:
        grouping: Grouping = grouping_of(source.labels(config.layers.get(reference, reference)))
        return place.image(grouping.code, -1), grouping.names

    return Grids(
        source.name,
        place.shape,
        area,
        place.transform,
        place.crs,
        inside,
        read,
        codes,
        region_levels(config),
        strip_rows or rows_at_once(columns),
        list(source.notes),
    )
