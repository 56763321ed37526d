"""Edges between units: what flows cost a unit, and how flows follow a selection.

Edge e joins tail[e] and head[e] and costs high[e] where only the tail is selected, -low[e] where only the head is: one
signed flow q in [low, high] stands for a pair of directed edges. Bit z of mask[e]: zone z counts as selected.
`edge[ptr[u]:ptr[u+1]]` are the edges of unit u.
"""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def divergence(start, stop, zones, ptr, edge, tail, mask, flow, out):
    """D'q: what the flows add to the cost of each column of the units [start, stop); out (V,) is overwritten."""
    for u in range(start, stop):
        first = u * zones
        for v in range(first, first + zones):
            out[v] = 0.0
        for k in range(ptr[u], ptr[u + 1]):
            e = edge[k]
            value = flow[e] if tail[e] == u else -flow[e]
            for z in range(zones):
                if (mask[e] >> z) & 1:
                    out[first + z] += value


@njit(cache=True, nogil=True, error_model="numpy")
def push(start, stop, zones, tail, head, mask, low, high, step, x, flow):
    """Move the flows of edges [start, stop) by step (E,) times the difference of x (V,) across them, within bounds."""
    for e in range(start, stop):
        difference = 0.0
        for z in range(zones):
            if (mask[e] >> z) & 1:
                difference += x[tail[e] * zones + z] - x[head[e] * zones + z]
        flow[e] = min(high[e], max(low[e], flow[e] + step[e] * difference))
