"""Straight distances between patches of cells or polygons, outline to outline, and between the boxes around them.

Boxes are x0, y0, x1, y1. The rim of a patch is sorted into tiles with boxes of their own, so that of two large patches
only the parts that face each other are measured.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def floor_gap(box, i, j):
    """Least distance that the boxes (x0, y0, x1, y1) of two nodes allow."""
    dx = max(0.0, max(box[i, 0] - box[j, 2], box[j, 0] - box[i, 2]))
    dy = max(0.0, max(box[i, 1] - box[j, 3], box[j, 1] - box[i, 3]))
    return math.sqrt(dx * dx + dy * dy)


@njit(cache=True, nogil=True, error_model="numpy")
def near_boxes(start, stop, order, box, radius):
    """Pairs of nodes whose boxes lie within a radius.

    Parameters
    ----------
    order : (N,) int
        Nodes by the left side of their box; each pair is found from the one that comes first.
    box : (N, 4) float64

    Returns
    -------
    (int32 array, int32 array)
    """
    count = 0
    room = 1024
    first = np.empty(room, np.int32)
    second = np.empty(room, np.int32)
    for a in range(start, stop):
        i = order[a]
        reach = box[i, 2] + radius
        for b in range(a + 1, len(order)):
            j = order[b]
            if box[j, 0] > reach:
                break
            if floor_gap(box, i, j) <= radius:
                if count == room:
                    first = np.concatenate((first, np.empty(room, np.int32)))
                    second = np.concatenate((second, np.empty(room, np.int32)))
                    room *= 2
                first[count] = i
                second[count] = j
                count += 1
    return first[:count], second[:count]


@njit(cache=True, nogil=True, error_model="numpy")
def cell_gaps(start, stop, i, j, patch_tile, tile_cell, tile_box, row, column, dx, dy, limit, out):
    """Distances between the outlines of pairs of patches of cells.

    A patch holds the tiles `patch_tile[p]:patch_tile[p+1]`, a tile the rim cells `tile_cell[t]:tile_cell[t+1]`. Only
    pairs of tiles whose boxes could still beat the best are looked into.

    Parameters
    ----------
    i, j : (n,) int
        Patches.
    tile_box : (T, 4) int32
        First and last column, first and last row: c0, r0, c1, r1 (inclusive).
    dx, dy : float
        Width and height of a cell.
    limit : float
        Larger distances become infinite.
    out : (n,) float64
        Touching patches, also at a corner, have distance 0.
    """
    for k in range(start, stop):
        best = limit * limit * (1.0 + 1e-12)
        met = False
        for s in range(patch_tile[i[k]], patch_tile[i[k] + 1]):
            for t in range(patch_tile[j[k]], patch_tile[j[k] + 1]):
                x = max(0, max(tile_box[s, 0] - tile_box[t, 2], tile_box[t, 0] - tile_box[s, 2]) - 1) * dx
                y = max(0, max(tile_box[s, 1] - tile_box[t, 3], tile_box[t, 1] - tile_box[s, 3]) - 1) * dy
                floor = x * x + y * y
                if floor > best or (met and floor == best):
                    continue
                for a in range(tile_cell[s], tile_cell[s + 1]):
                    for b in range(tile_cell[t], tile_cell[t + 1]):
                        x = max(0, abs(column[a] - column[b]) - 1) * dx
                        y = max(0, abs(row[a] - row[b]) - 1) * dy
                        square = x * x + y * y
                        if square < best or (square == best and not met):
                            best = square
                            met = True
        out[k] = math.sqrt(best) if met else np.inf


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def point_to_segment(px, py, ax, ay, bx, by):
    """Squared distance of a point from a segment."""
    vx, vy = bx - ax, by - ay
    square = vx * vx + vy * vy
    share = ((px - ax) * vx + (py - ay) * vy) / square if square > 0.0 else 0.0
    share = min(1.0, max(0.0, share))
    dx, dy = px - (ax + share * vx), py - (ay + share * vy)
    return dx * dx + dy * dy


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def tile_floor(box, s, t):
    """Squared least distance that two boxes allow."""
    dx = max(0.0, max(box[s, 0] - box[t, 2], box[t, 0] - box[s, 2]))
    dy = max(0.0, max(box[s, 1] - box[t, 3], box[t, 1] - box[s, 3]))
    return dx * dx + dy * dy


@njit(cache=True, nogil=True, error_model="numpy")
def tile_gap(s, t, tile_segment, segment, best):
    """Squared distance between the segments of two tiles, or `best` where that is less."""
    for a in range(tile_segment[s], tile_segment[s + 1]):
        ax, ay, bx, by = segment[a, 0], segment[a, 1], segment[a, 2], segment[a, 3]
        for b in range(tile_segment[t], tile_segment[t + 1]):
            cx, cy, dx, dy = segment[b, 0], segment[b, 1], segment[b, 2], segment[b, 3]
            x = max(0.0, max(min(ax, bx) - max(cx, dx), min(cx, dx) - max(ax, bx)))
            y = max(0.0, max(min(ay, by) - max(cy, dy), min(cy, dy) - max(ay, by)))
            if x * x + y * y >= best:
                continue
            if x == 0.0 and y == 0.0:  # boxes meet: the segments may cross
                one = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
                two = (bx - ax) * (dy - ay) - (by - ay) * (dx - ax)
                three = (dx - cx) * (ay - cy) - (dy - cy) * (ax - cx)
                four = (dx - cx) * (by - cy) - (dy - cy) * (bx - cx)
                if one * two < 0.0 and three * four < 0.0:
                    return 0.0
            best = min(best, point_to_segment(ax, ay, cx, cy, dx, dy))
            best = min(best, point_to_segment(bx, by, cx, cy, dx, dy))
            best = min(best, point_to_segment(cx, cy, ax, ay, bx, by))
            best = min(best, point_to_segment(dx, dy, ax, ay, bx, by))
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def outline_gaps(start, stop, i, j, node_tile, tile_segment, tile_box, segment, limit, out):
    """Distances between the outlines of pairs of polygons that do not overlap.

    A node holds the tiles `node_tile[p]:node_tile[p+1]`, a tile the segments `tile_segment[t]:tile_segment[t+1]`,
    which follow each other along a ring. Only tiles whose boxes could still beat the best are looked into.

    Parameters
    ----------
    tile_box : (T, 4) float64
    segment : (S, 4) float64
        x0, y0, x1, y1.
    limit : float
        Larger distances become infinite.
    out : (n,) float64
    """
    for k in range(start, stop):
        # the tiles that look nearest give a first bound, which spares most others
        least, first, second = np.inf, -1, -1
        for s in range(node_tile[i[k]], node_tile[i[k] + 1]):
            for t in range(node_tile[j[k]], node_tile[j[k] + 1]):
                floor = tile_floor(tile_box, s, t)
                if floor < least:
                    least, first, second = floor, s, t
        if first < 0 or least > limit * limit * (1.0 + 1e-12):
            out[k] = np.inf
            continue
        best = tile_gap(first, second, tile_segment, segment, np.inf)
        for s in range(node_tile[i[k]], node_tile[i[k] + 1]):
            if best == 0.0:
                break
            for t in range(node_tile[j[k]], node_tile[j[k] + 1]):
                if tile_floor(tile_box, s, t) < best:
                    best = tile_gap(s, t, tile_segment, segment, best)
        gap = math.sqrt(best)
        out[k] = gap if gap <= limit else np.inf
