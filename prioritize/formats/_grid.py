"""What the formats made of cells share: the neighbour graph of a grid."""

from __future__ import annotations

import numpy as np

from prioritize.landscape import Graph


def grid_graph(cell: np.ndarray, shape: tuple[int, int], dx: float, dy: float) -> Graph:
    """Join each unit to the units above, left, right and below it.

    Parameters
    ----------
    cell : (U,) int
        Row-major index of each unit's cell, ascending.
    shape : (rows, columns)
    dx, dy : float
        Width and height of a cell in metres: the length of a shared horizontal and vertical side.

    Returns
    -------
    Graph
        `exposed` is the length of the sides without a unit behind them, the edge of the grid included.
    """
    rows, columns = shape
    cell = np.asarray(cell)
    units = len(cell)
    # a frame of empty cells around the grid, so that no neighbour needs a check of its own
    framed = np.full((rows + 2, columns + 2), -1, dtype=np.int32)
    row, column = np.divmod(cell, columns)
    at = (row + 1) * (columns + 2) + column + 1
    framed.flat[at] = np.arange(units, dtype=np.int32)
    # up, left, right, down is the order of the units' numbers: the rows come out sorted
    steps = np.array([-(columns + 2), -1, 1, columns + 2])
    sides = np.array([dx, dy, dy, dx], dtype=np.float64)
    neighbour = np.empty((units, 4), dtype=np.int32)
    for side, step in enumerate(steps):
        neighbour[:, side] = framed.ravel()[at + step]
    there = neighbour >= 0
    indptr = np.zeros(units + 1, dtype=np.int64)
    np.cumsum(there.sum(axis=1), out=indptr[1:])
    weight = np.broadcast_to(sides, there.shape)[there]
    return Graph(indptr, neighbour[there], weight, ~there @ sides)
