"""Least-cost distances on a grid, with the way back and the source that is nearest."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from prioritize_kernels.distances import pop, rise


@njit(cache=True, nogil=True, error_model="numpy")
def cost_distance(seeds, owner_of_seed, resistance, dx, dy, eight, limit, distance, parent, owner):
    """Least cost from seed cells to all cells within a limit (Dijkstra with an indexed binary heap).

    A step costs the mean resistance of its two cells times its length. Cells whose resistance is not positive and
    finite cannot be entered; a seed that lies in one is passed over.

    Parameters
    ----------
    seeds : (n,) int64
        Cells (row-major) at cost 0.
    owner_of_seed : (n,) int32
        A label to hand on from each seed to the cells nearest to it.
    resistance : (R, C) float64
    dx, dy : float
        Width and height of a cell.
    eight : bool
        Steps to 8 neighbours; else 4.
    limit : float
        Cells further away stay infinite.
    distance : (R*C,) float64, out
    parent : (R*C,) int32, out
        The cell before this one on a least-cost path from the seeds; -1 for seeds and cells out of reach.
    owner : (R*C,) int32, out
        Label of the nearest seed, -1 out of reach; of equally near ones the one that was there first.

    Returns
    -------
    int
        How many cells were reached.
    """
    rows, columns = resistance.shape
    flat = resistance.ravel()
    cells = len(flat)
    diagonal = math.sqrt(dx * dx + dy * dy)
    distance[:] = np.inf
    parent[:] = -1
    owner[:] = -1
    place = np.full(cells, -1, np.int32)
    heap = np.empty(cells, np.int32)
    size, count = 0, 0
    for k in range(len(seeds)):
        u = seeds[k]
        if flat[u] > 0.0 and flat[u] < np.inf and distance[u] > 0.0:
            distance[u] = 0.0
            owner[u] = owner_of_seed[k]
            place[u] = size
            heap[size] = u
            size += 1
    while size:
        u = pop(heap, place, distance, size)
        size -= 1
        count += 1
        r = u // columns
        c = u - r * columns
        for dr in range(-1, 2):
            for dc in range(-1, 2):
                if (dr == 0 and dc == 0) or r + dr < 0 or r + dr >= rows or c + dc < 0 or c + dc >= columns:
                    continue
                slant = dr != 0 and dc != 0
                if slant and not eight:
                    continue
                v = u + dr * columns + dc
                if not (flat[v] > 0.0 and flat[v] < np.inf):
                    continue
                step = diagonal if slant else (dx if dr == 0 else dy)
                further = distance[u] + 0.5 * (flat[u] + flat[v]) * step
                if further < distance[v] and further <= limit:
                    distance[v] = further
                    parent[v] = u
                    owner[v] = owner[u]
                    if place[v] < 0:
                        place[v] = size
                        heap[size] = v
                        size += 1
                    rise(heap, place, distance, place[v])
    return count
