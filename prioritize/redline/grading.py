"""Grading by cumulative share: the smallest set of the most important cells that reaches 50 % of a function, then 80 %.

Ties share a class: a group of equal values is taken whole. Cells without data get no grade, cells of value zero are
never important. Values are compared as float32, about seven digits. The sums are exact (whole numbers), so the grades
do not depend on how the map is cut into tiles, nor on the order in which the tiles come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import numpy as np

from prioritize.errors import DataError

NO_DATA, GENERAL, IMPORTANT, EXTREME = 0, 1, 2, 3
CUTS = (0.5, 0.8)

#: bits of the bucket in each of the three passes: the first holds the exponent, so that a bucket has only one
PASSES = ((20, 11), (10, 10), (0, 10))
#: key of a threshold that no value reaches
NEVER = 1 << 31
AREA_BITS = 36

#: (key, group, area) of a part of the map
Tile = tuple[np.ndarray, np.ndarray, np.ndarray]


def keys_of(values: np.ndarray, what: str = "values") -> np.ndarray:
    """Values as sortable keys: the bits of a float32 as int32, -1 for no data.

    Raises
    ------
    DataError
        If a value is negative or infinite.
    """
    single = np.array(values, dtype=np.float32)  # a copy, for -0.0 becomes 0.0 in it
    nothing = np.isnan(single)
    with np.errstate(invalid="ignore"):
        wrong = (single < 0) | np.isinf(single)
    if wrong.any():
        raise DataError(
            f"{what}: grading by cumulative share needs finite values of 0 and more, "
            f"but {single[wrong].flat[0]:g} was found ({int(wrong.sum())} cells)"
        )
    single += np.float32(0)
    key = single.view(np.int32)
    key[nothing] = -1
    return key


def whole_areas(area_km2: np.ndarray) -> np.ndarray:
    """Areas of a cell by row as whole numbers: shares of the largest in 2**-36."""
    largest = float(np.max(area_km2)) if len(area_km2) else 0.0
    if not largest > 0:
        return np.zeros(len(area_km2), np.int64)
    return np.rint(np.asarray(area_km2) / largest * 2.0**AREA_BITS).astype(np.int64)


@dataclass
class Grader:
    """Finds the thresholds of any number of extents (nation, provinces, basins) in three passes over the tiles.

    Attributes
    ----------
    groups : int
        Number of extents.
    cuts : ascending shares, such as (0.5, 0.8)
    """

    groups: int
    cuts: tuple[float, ...] = CUTS
    prefix: np.ndarray = field(init=False)
    above: list[list[int]] = field(init=False)
    need: list[list[Fraction]] = field(init=False)

    def __post_init__(self) -> None:
        check_cuts(self.cuts)
        wanted = len(self.cuts)
        self.prefix = np.zeros((self.groups, wanted), np.int64)
        self.above = [[0] * wanted for _ in range(self.groups)]
        self.need = [[Fraction(0)] * wanted for _ in range(self.groups)]

    def thresholds(self, tiles: Callable[[], Iterable[Tile]]) -> np.ndarray:
        """(groups, cuts) int64 keys that a value has to reach; NEVER where an extent holds nothing.

        Parameters
        ----------
        tiles : callable
            Starts a new pass over the parts of the map, in any order: (key, group, area) with `key` and `group`
            (rows, columns) int, `area` (rows,) int64 from `whole_areas` of the whole map.
        """
        from prioritize_kernels.redline import tally

        for number, (shift, width) in enumerate(PASSES):
            first = number == 0
            # one histogram serves all cuts as long as they want the same bits
            prefix = self.prefix[:, :1] if first else self.prefix
            high = np.zeros((*prefix.shape, 1 << width), np.int64)
            low = np.zeros_like(high)
            for key, group, area in tiles():
                tally(key, group, area, shift, width, prefix, high, low)
            for g in range(self.groups):
                for k in range(len(self.cuts)):
                    self._narrow(g, k, shift, width, high[g, 0 if first else k], low[g, 0 if first else k], first)
        return np.where(self.prefix < 0, NEVER, self.prefix)

    def _narrow(self, g: int, k: int, shift: int, width: int, high: np.ndarray, low: np.ndarray, first: bool) -> None:
        """Append the bits of the bucket in which the wanted share is reached."""
        prefix = int(self.prefix[g, k])
        if prefix < 0:
            return
        filled = np.flatnonzero((high != 0) | (low != 0))[::-1].tolist()
        sums = [weighted(((prefix << width) | b) << shift, int(high[b]), int(low[b])) for b in filled]
        if first:
            # the share as it is written: 0.8 means 4/5, not its nearest binary number
            self.need[g][k] = Fraction(str(self.cuts[k])) * sum(sums)
        have = self.above[g][k]
        for bucket, part in zip(filled, sums):
            if have + part >= self.need[g][k]:
                self.above[g][k] = have
                self.prefix[g, k] = (prefix << width) | bucket
                return
            have += part
        self.prefix[g, k] = -1  # nothing of this function here


def weighted(key: int, high: int, low: int) -> int:
    """The sum of a bucket as a whole number: its parts times the power of two of its values."""
    return ((high << 32) + low) << max((key >> 23) - 1, 0)


def check_cuts(cuts: Sequence[float]) -> None:
    """Refuse shares that are not ascending in 0..1."""
    if not cuts or any(not 0 < cut <= 1 for cut in cuts) or any(a >= b for a, b in pairwise(cuts)):
        raise DataError(f"cuts must be shares above 0 and up to 1, in ascending order, not {list(cuts)}")


def grade(
    values: np.ndarray,
    area_km2: np.ndarray | float = 1.0,
    extent: np.ndarray | None = None,
    cuts: tuple[float, ...] = CUTS,
) -> np.ndarray:
    """Grade a whole layer at once.

    Parameters
    ----------
    values : (rows, columns) or (n,) array
        Function per km2, 0 and more; NaN is no data.
    area_km2 : (rows,) array or float
        Of a cell of each row; what is cumulated is value times area.
    extent : array of int as `values`, optional
        Extent that each cell is graded in (a province, a basin), -1 for none; one extent where absent.
    cuts : ascending shares
        The first makes `extremely important`, the next `important`.

    Returns
    -------
    uint8 array as `values`
        0 no data, 1 generally important, 2 important, 3 extremely important (with two cuts).

    Raises
    ------
    DataError
        If a value is negative or infinite, or the cuts are not ascending shares.

    Examples
    --------
    >>> grade(np.arange(10.0, 0, -1)).tolist()
    [3, 3, 3, 3, 2, 2, 1, 1, 1, 1]
    """
    from prioritize_kernels.redline import grade as graded

    array = np.asarray(values)
    shape = array.shape
    square = array.reshape(-1, 1) if array.ndim == 1 else array
    group = np.zeros(square.shape, np.int32) if extent is None else np.asarray(extent, np.int32).reshape(square.shape)
    key = keys_of(square)
    area = whole_areas(np.broadcast_to(np.asarray(area_km2, dtype=np.float64), (len(square),)))
    count = max(int(group.max(initial=-1)) + 1, 1)
    threshold = Grader(count, cuts).thresholds(lambda: [(key, group, area)])
    out = np.empty(square.shape, np.uint8)
    graded(key, group, threshold, out)
    return out.reshape(shape)
