"""Tools of the synthetic country: named random streams, noise of any wavelength, patches and least-cost travel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np
from scipy import ndimage, sparse
from scipy.interpolate import BSpline
from scipy.sparse import csgraph

Window = tuple[slice, slice]

COARSE = 150  # cells along the short side of the grid on which rivers, rain and travel are worked out


@dataclass(frozen=True)
class Ground:
    """The grid to be filled. Lengths without a unit are shares of its short side, so that all sizes look alike.

    Attributes
    ----------
    shape : (rows, columns)
    cell_km : float
    seed : int
    """

    shape: tuple[int, int]
    cell_km: float
    seed: int

    @property
    def short(self) -> int:
        """Cells along the short side."""
        return min(self.shape)

    @cached_property
    def coarse(self) -> Ground:
        """The same ground in fewer cells."""
        shrink = max(1.0, self.short / COARSE)
        rows, columns = (round(side / shrink) for side in self.shape)
        return Ground((rows, columns), self.cell_km * self.shape[0] / rows, self.seed)

    def stream(self, *name: object) -> np.random.Generator:
        """Random numbers by name: a new part of the country does not change those that are there."""
        key = crc32(" ".join(map(str, name)).encode())
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(key,)))

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows (R, 1) and columns (1, C) from -1 to 1."""
        v, u = ((2 * np.arange(side, dtype=np.float32) + 1) / side - 1 for side in self.shape)
        return v[:, None], u[None, :]

    def noise(self, name: object, wavelength: float, gain: float = 0.5, octaves: int = 12) -> np.ndarray:
        """(rows, columns) float32 of smooth noise, about N(0, 1); a finer grid adds detail, no new shapes."""
        y, x = ((np.arange(side) + 0.5) / self.short for side in self.shape)
        height, width = (side / self.short for side in self.shape)
        return octave_noise(
            self.stream("noise", name), y, x, (height, width), wavelength, gain, octaves, 2.0 / self.short
        )

    def ridges(self, name: object, wavelength: float, octaves: int = 7) -> np.ndarray:
        """(rows, columns) float32 from 0 to 1: crests that branch, as in mountains."""
        total = np.zeros(self.shape, np.float32)
        weight: np.ndarray | float = 1.0
        most = 0.0
        for octave in range(octaves):
            length = wavelength / 2**octave
            if octave and length * self.short < 2:
                break
            crest = np.clip(1 - np.abs(self.noise((name, octave), length, octaves=1)), 0, 1) ** 2
            crest *= weight
            total += crest * 0.6**octave
            most += 0.6**octave
            # detail belongs on the heights, plains stay smooth
            weight = np.clip(crest * 2, 0, 1)
        return total / np.float32(most)

    def finer(self, field: np.ndarray) -> np.ndarray:
        """Stretch a field of the coarse grid over this one (float32)."""
        if field.shape == self.shape:
            return field.astype(np.float32)
        zoom = [side / old for side, old in zip(self.shape, field.shape)]
        return ndimage.zoom(field.astype(np.float32), zoom, order=1, mode="nearest", grid_mode=True)

    def coarser(self, field: np.ndarray) -> np.ndarray:
        """Sample a field of this grid at the centres of the coarse cells."""
        rows, columns = (
            ((np.arange(few) + 0.5) * many / few).astype(int) for few, many in zip(self.coarse.shape, self.shape)
        )
        return field[np.ix_(rows, columns)]

    def distance(self, place: np.ndarray) -> np.ndarray:
        """(rows, columns) float32 distance to the nearest true cell, as a share of the short side."""
        if not place.any():
            return np.full(self.shape, 9.0, np.float32)
        return (ndimage.distance_transform_edt(~place) / self.short).astype(np.float32)

    def patch(
        self,
        name: object,
        centre: tuple[int, int],
        cells: int,
        allowed: np.ndarray,
        bias: Callable[[Window], np.ndarray] | None = None,
        rough: float = 0.5,
        reach: float = 1.5,
        whole: bool = True,
    ) -> tuple[Window, np.ndarray, np.ndarray]:
        """Grow an irregular patch around a centre.

        Parameters
        ----------
        name : object
            Of the random stream.
        centre : (row, column)
        cells : int
            Size wanted; fewer where there is no room.
        allowed : (rows, columns) bool
        bias : callable, optional
            What draws the patch besides nearness, in a window of the grid (0 to about -3).
        rough : float
            How much the noise has to say.
        reach : float
            Radius of the neighbourhood, in radii of a disc of that size.
        whole : bool
            Keep only the largest contiguous part.

        Returns
        -------
        (slice, slice), bool array, float32 array
            The window, the patch in it, and how far each cell is above the limit that made the cut.
        """
        radius = max(np.sqrt(cells / np.pi), 0.8) * reach
        half = int(np.ceil(radius * 2.2)) + 1
        window = tuple(
            slice(max(0, middle - half), min(side, middle + half + 1)) for middle, side in zip(centre, self.shape)
        )
        rows, columns = (np.arange(part.start, part.stop) - middle for part, middle in zip(window, centre))
        score = octave_noise(
            self.stream("patch", name),
            (rows + half) / radius,
            (columns + half) / radius,
            (2 * half / radius,) * 2,
            wavelength=1.1,
            gain=0.6,
            octaves=6,
            finest=2 / radius,
        )
        score *= rough
        score -= ((rows[:, None] ** 2 + columns[None, :] ** 2) / radius**2).astype(np.float32)
        frame = (window[0], window[1])
        if bias is not None:
            score += bias(frame)
        free = allowed[frame]
        inside = score[free]
        cells = min(cells, inside.size)
        if cells == 0:
            return frame, np.zeros(score.shape, bool), score
        limit = np.partition(inside, inside.size - cells)[inside.size - cells]
        chosen = free & (score >= limit)
        return frame, largest_part(chosen) if whole else chosen, score - limit


def octave_noise(
    stream: np.random.Generator,
    y: np.ndarray,
    x: np.ndarray,
    extent: tuple[float, float],
    wavelength: float,
    gain: float,
    octaves: int,
    finest: float,
) -> np.ndarray:
    """Sum cubic splines through random numbers on ever finer lattices; (len(y), len(x)) float32, about N(0, 1).

    `finest` is the shortest wavelength that the grid can show. Every octave has its own stream.
    """
    total = np.zeros((len(y), len(x)), np.float32)
    for octave, seed in enumerate(stream.integers(2**62, size=octaves)):
        length = wavelength / 2**octave
        if octave and length < finest:
            break
        lattice = [int(np.ceil(side / length)) + 1 for side in extent]
        values = np.random.default_rng(seed).standard_normal([side + 3 for side in lattice]).astype(np.float32)
        down, across = (
            BSpline.design_matrix(at / length, np.arange(-3.0, side + 4), 3).astype(np.float32)
            for at, side in zip((y, x), lattice)
        )
        # 0.48 is the spread that the splines leave of a spread of one
        total += down @ np.ascontiguousarray((across @ values.T).T) * np.float32(gain**octave / 0.48)
    return total * np.float32(np.sqrt(1 - gain**2) if octaves > 1 else 1.0)


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest 4-connected part of a mask."""
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts == sizes.argmax()


def steps(cost: np.ndarray) -> sparse.csr_array:
    """Graph of the moves between 8-connected cells; a move costs its length times the mean cost of its ends."""
    rows, columns = cost.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    sources, targets, weights = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, rows - down), slice(max(0, -right), columns - max(0, right)))
        there = (slice(down, rows), slice(max(0, right), columns - max(0, -right)))
        sources.append(index[here].ravel())
        targets.append(index[there].ravel())
        weights.append((cost[here] + cost[there]).ravel() * 0.5 * np.hypot(down, right))
    i, j, weight = np.concatenate(sources), np.concatenate(targets), np.concatenate(weights)
    return sparse.coo_array((weight, (i, j)), shape=(index.size, index.size)).tocsr()


def travel(cost: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least-cost travel from the nearest of many starts.

    Parameters
    ----------
    cost : (rows, columns) float
    start : (n,) int
        Row-major cells.

    Returns
    -------
    distance (rows, columns) float, previous (rows * columns,) int, nearest start (rows, columns) int
    """
    distance, previous, nearest = csgraph.dijkstra(
        steps(cost), directed=False, indices=start, min_only=True, return_predecessors=True
    )
    return distance.reshape(cost.shape), previous, nearest.reshape(cost.shape)


def choose(stream: np.random.Generator, weight: np.ndarray, count: int, spacing: float) -> np.ndarray:
    """Draw up to `count` cells by weight, none nearer to another than `spacing` cells; (n, 2) rows and columns."""
    rank = np.full(weight.shape, -np.inf)
    # Gumbel noise turns "take the highest" into "draw by weight"
    possible = weight > 0
    rank[possible] = np.log(weight[possible]) + stream.gumbel(size=int(possible.sum()))
    row, column = np.ogrid[: weight.shape[0], : weight.shape[1]]
    chosen = []
    for _ in range(count):
        at = np.unravel_index(rank.argmax(), rank.shape)
        if rank[at] == -np.inf:
            break
        chosen.append(at)
        rank[np.hypot(row - at[0], column - at[1]) < spacing] = -np.inf
    return np.array(chosen, dtype=int).reshape(-1, 2)


def squash(values: np.ndarray) -> np.ndarray:
    """Logistic curve, from 0 to 1."""
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))
