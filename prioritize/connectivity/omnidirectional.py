"""Omnidirectional current: a moving window with each block of cells in turn as the target.

After Omniscape (McRae et al. 2016, Conserving Nature's Stage; Landau et al. 2021, JOSS 6:2829,
doi:10.21105/joss.02829): the cells in a circle around the target's middle cell inject currents in proportion to their
source strengths, together as much as the target's own strength; the middle cell is the ground; the currents of all
windows are summed. What differs from the original:

* a target's middle cell without data: the nearest cell of the block that has data is the ground (the original has no
  ground there, and the target is lost);
* blocks at the right and lower edge are cut off by the edge; the original leaves a strip without targets;
* sources that no path inside the window joins to the ground give their share to those that are joined (in the
  original it is lost): each target draws exactly its strength;
* artefacts of blocks are not corrected afterwards: use block 1, or a small block.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from prioritize.connectivity.circuit import currents
from prioritize.connectivity.laplacian import components, grid_circuit, laplacian, part, solver
from prioritize.errors import DataError


@dataclass(frozen=True, eq=False)
class Omnidirectional:
    """Summed currents.

    Attributes
    ----------
    current : (R, C) float64
        NaN where there is no data.
    potential : (R, C) float64 or None
        The same with a conductance of 1 everywhere.
    normalised : (R, C) float64 or None
        current / potential; NaN where the potential is 0.
    targets : int
        How many windows were solved.
    """

    current: np.ndarray
    potential: np.ndarray | None
    normalised: np.ndarray | None
    targets: int


def omnidirectional(
    conductance: np.ndarray,
    source: np.ndarray,
    radius: int,
    block: int = 1,
    neighbours: int = 8,
    normalised: bool = False,
    threads: int = 2,
    reporter: Callable[[int, int], None] | None = None,
) -> Omnidirectional:
    """Sum the currents of all moving windows.

    Each thread holds one window of at most (2 radius + 1)^2 cells; windows are added in their order, so that the
    number of threads changes nothing.

    Parameters
    ----------
    conductance : (R, C) float64
        0 or NaN: no data.
    source : (R, C) float64
        Strengths; only those above 0 count.
    radius : int
        Of the window, in cells.
    block : int
        Odd side of a target in cells.
    reporter : callable, optional
        Called with the windows done and all windows.

    Raises
    ------
    DataError
        If block or radius do not fit each other, or the shapes differ.
    """
    if block < 1 or block % 2 == 0:
        raise DataError(f"block: {block} is not an odd number of cells")
    if radius <= block // 2:
        raise DataError(f"radius: {radius} cells do not reach beyond a block of {block}")
    if conductance.shape != source.shape:
        raise DataError(f"sources have shape {source.shape}, resistances {conductance.shape}")
    conductance = np.nan_to_num(conductance)
    grid_circuit(conductance, neighbours)  # its checks
    source = np.where((conductance > 0) & (source > 0), source, 0.0)
    rows, columns = conductance.shape
    corners = [(r, c) for r in range(0, rows, block) for c in range(0, columns, block)]
    corners = [(r, c) for r, c in corners if source[r : r + block, c : c + block].any()]
    layers = [conductance, np.where(conductance > 0, 1.0, 0.0)] if normalised else [conductance]
    total = np.zeros((len(layers), rows, columns))

    def work(corner: tuple[int, int]) -> tuple[slice, slice, np.ndarray]:
        window, answers = None, []
        for layer in layers:
            window, image = one_window(layer, source, corner, radius, block, neighbours)
            answers.append(image)
        assert window is not None
        return (*window, np.stack(answers))

    with ThreadPoolExecutor(threads) as pool:
        queue = iter(corners)
        # few windows wait at a time, whatever their number
        waiting = [pool.submit(work, corner) for corner in islice(queue, 4 * threads)]
        done = 0
        while waiting:
            down, across, image = waiting.pop(0).result()
            total[:, down, across] += image
            waiting += [pool.submit(work, corner) for corner in islice(queue, 1)]
            done += 1
            if reporter is not None:
                reporter(done, len(corners))
    total[:, conductance == 0] = np.nan
    potential = total[1] if normalised else None
    ratio = None
    if potential is not None:
        ratio = np.where(potential > 0, total[0] / np.where(potential > 0, potential, 1.0), np.nan)
    return Omnidirectional(total[0], potential, ratio, len(corners))


def one_window(
    conductance: np.ndarray, source: np.ndarray, corner: tuple[int, int], radius: int, block: int, neighbours: int
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Where the window of one target lies, and the currents in it."""
    rows, columns = conductance.shape
    row, column = (min(at + block // 2, most - 1) for at, most in zip(corner, (rows, columns), strict=True))
    top, left = max(0, row - radius), max(0, column - radius)
    where = (slice(top, min(rows, row + radius + 1)), slice(left, min(columns, column + radius + 1)))
    down, across = np.ogrid[where]
    away = (down - row) ** 2 + (across - column) ** 2
    local = np.where(away <= radius * radius, conductance[where], 0.0)
    strength = source[where].copy()
    image = np.zeros(local.shape)
    target = (
        slice(corner[0] - top, min(corner[0] + block, rows) - top),
        slice(corner[1] - left, min(corner[1] + block, columns) - left),
    )
    wanted = strength[target].sum()
    strength[target] = 0.0
    # the corners of a wide block may lie outside of the circle: they hold strength, but cannot be the ground
    nearest = np.where(local[target] > 0, away[target], np.iinfo(away.dtype).max)
    if not (local[target] > 0).any():
        return where, image
    r, c = np.unravel_index(nearest.argmin(), nearest.shape)
    grid = grid_circuit(local, neighbours)
    label = components(grid.circuit)
    ground = grid.node[target][r, c]
    member = label == label[ground]
    circuit, whole = part(grid.circuit, member)
    right = strength[grid.node >= 0][whole]
    given = right.sum()
    if not given > 0:
        return where, image
    free = np.flatnonzero(whole != ground)
    voltage = np.zeros(circuit.nodes)
    voltage[free] = solver(laplacian(circuit)[free][:, free])(right[free] * (wanted / given))
    out = np.zeros(grid.circuit.nodes)
    out[whole] = currents(circuit, voltage)
    image[grid.node >= 0] = out
    return where, image
