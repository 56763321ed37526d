"""Currents in a resistor network: what flows through each node, given the voltages.

Edge e joins tail[e] and head[e] with conductance[e]; leak[i] is the conductance from node i to the ground.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def node_currents(tail, head, conductance, leak, voltage, inflow, outflow):
    """Current through each node: the larger of what enters and what leaves by edges and leaks.

    Parameters
    ----------
    tail, head : (E,) int32
    conductance : (E,) float64
    leak : (N,) float64, or (0,) if nothing leaks
    voltage : (N,) float64
    inflow, outflow : (N,) float64
        Overwritten; inflow holds the result.
    """
    inflow[:] = 0.0
    outflow[:] = 0.0
    for e in range(len(tail)):
        i, j = tail[e], head[e]
        flow = conductance[e] * (voltage[i] - voltage[j])
        if flow > 0.0:
            outflow[i] += flow
            inflow[j] += flow
        else:
            outflow[j] -= flow
            inflow[i] -= flow
    for i in range(len(leak)):
        flow = leak[i] * voltage[i]
        if flow > 0.0:
            outflow[i] += flow
        else:
            inflow[i] -= flow
    for i in range(len(inflow)):
        inflow[i] = max(inflow[i], outflow[i])


@njit(cache=True, nogil=True, error_model="numpy")
def grid_edges(node, conductance, eight, mean_resistance, tail, head, value):
    """Edges between neighbouring cells of a grid, cell by cell: east, south, south-east, south-west.

    Parameters
    ----------
    node : (R, C) int32
        Number of each cell's node, -1 where there is none.
    conductance : (R, C) float64
    mean_resistance : bool
        An edge has the mean of the resistances of its two cells; else the mean of their conductances. Diagonal
        edges are sqrt(2) times as long.
    tail, head, value : (room,) int32, int32, float64
        Overwritten; room for 4 (eight) or 2 edges a cell is enough.

    Returns
    -------
    int
        How many edges there are.
    """
    rows, columns = node.shape
    directions = 4 if eight else 2
    count = 0
    for r in range(rows):
        for c in range(columns):
            if node[r, c] < 0:
                continue
            for k in range(directions):
                below = r + (1 if k > 0 else 0)
                beside = c + (1 if k == 0 or k == 2 else (-1 if k == 3 else 0))
                if below >= rows or beside >= columns or beside < 0 or node[below, beside] < 0:
                    continue
                a, b = conductance[r, c], conductance[below, beside]
                if mean_resistance:
                    joint = 2.0 / (1.0 / a + 1.0 / b)
                else:
                    joint = 0.5 * (a + b)
                tail[count] = node[r, c]
                head[count] = node[below, beside]
                value[count] = joint if k < 2 else joint / np.sqrt(2.0)
                count += 1
    return count
