"""Patches: components of cells or of units that belong together, their edges and their groups.

Labels number the patches 0..P-1 in the order of their first cell (or unit), -1 is none; so they depend on neither the
order of the work nor the number of cores.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def root(parent, x):
    """The representative of x; the path to it is halved on the way."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@njit(cache=True, nogil=True, error_model="numpy")
def unite(parent, x, y):
    """Join two sets; the smaller representative stays. Returns it."""
    x, y = root(parent, x), root(parent, y)
    if x < y:
        parent[y] = x
        return x
    parent[x] = y
    return y


@njit(cache=True, nogil=True, error_model="numpy")
def label_grid(image, eight, label):
    """Patches of equal class: cells that touch by an edge, or also by a corner.

    Parameters
    ----------
    image : (rows, columns) int
        Class of each cell; 0 and below belong to no patch.
    eight : bool
        Corners count (8 neighbours).
    label : (rows, columns) int32, out

    Returns
    -------
    int
        Number of patches.
    """
    rows, columns = image.shape
    # a new provisional label needs a cell of the class whose western and northern neighbours are not of it: every
    # second cell of every row at most
    parent = np.empty(rows * ((columns + 1) // 2) + 1 if rows else 1, np.int32)
    count = 0
    for r in range(rows):
        for c in range(columns):
            value = image[r, c]
            if value <= 0:
                label[r, c] = -1
                continue
            mark = -1
            if c > 0 and image[r, c - 1] == value:
                mark = label[r, c - 1]
            if r > 0:
                if image[r - 1, c] == value:
                    mark = label[r - 1, c] if mark < 0 else unite(parent, mark, label[r - 1, c])
                elif eight:
                    # where the cell above is of the class, its own neighbours are joined to it already
                    if c > 0 and image[r - 1, c - 1] == value:
                        mark = label[r - 1, c - 1] if mark < 0 else unite(parent, mark, label[r - 1, c - 1])
                    if c + 1 < columns and image[r - 1, c + 1] == value:
                        mark = label[r - 1, c + 1] if mark < 0 else unite(parent, mark, label[r - 1, c + 1])
            if mark < 0:
                if count == len(parent):  # several classes: a row can start a new patch at every cell
                    longer = np.empty(2 * count + 1, np.int32)
                    longer[:count] = parent
                    parent = longer
                mark = count
                parent[count] = count
                count += 1
            label[r, c] = mark
    # the representative of a set is its smallest provisional label, which is that of its first cell
    final = np.empty(count, np.int32)
    patches = 0
    for k in range(count):
        if parent[k] == k:
            final[k] = patches
            patches += 1
        else:
            final[k] = final[root(parent, k)]
    for r in range(rows):
        for c in range(columns):
            if label[r, c] >= 0:
                label[r, c] = final[label[r, c]]
    return patches


@njit(cache=True, nogil=True, error_model="numpy")
def label_graph(indptr, indices, member, label):
    """Components of the chosen nodes of a graph.

    Parameters
    ----------
    indptr : (N+1,) int64
    indices : (nnz,) int32
        CSR, symmetric.
    member : (N,) bool
    label : (N,) int32, out

    Returns
    -------
    int
        Number of components.
    """
    nodes = len(member)
    stack = np.empty(nodes, np.int32)
    label[:] = -1
    patches = 0
    for first in range(nodes):
        if not member[first] or label[first] >= 0:
            continue
        label[first] = patches
        stack[0] = first
        depth = 1
        while depth:
            depth -= 1
            u = stack[depth]
            for k in range(indptr[u], indptr[u + 1]):
                v = indices[k]
                if member[v] and label[v] < 0:
                    label[v] = patches
                    stack[depth] = v
                    depth += 1
        patches += 1
    return patches


@njit(cache=True, nogil=True, error_model="numpy")
def label_pairs(i, j, label):
    """Groups of N things that a list of pairs joins; `label` (N,) int32 is overwritten. Returns their number."""
    nodes = len(label)
    parent = np.arange(nodes, dtype=np.int32)
    for k in range(len(i)):
        unite(parent, i[k], j[k])
    groups = 0
    for u in range(nodes):
        if parent[u] == u:
            label[u] = groups
            groups += 1
        else:
            label[u] = label[root(parent, u)]
    return groups


@njit(cache=True, nogil=True, error_model="numpy")
def unlike_sides(image):
    """Sides between cells of different class, both 0 or above (a negative class is no data).

    Returns
    -------
    (int, int)
        Sides between neighbours in a row (as long as a cell is high) and in a column (as long as a cell is wide).
    """
    rows, columns = image.shape
    upright, level = 0, 0
    for r in range(rows):
        for c in range(columns):
            value = image[r, c]
            if value < 0:
                continue
            if c + 1 < columns and image[r, c + 1] >= 0 and image[r, c + 1] != value:
                upright += 1
            if r + 1 < rows and image[r + 1, c] >= 0 and image[r + 1, c] != value:
                level += 1
    return upright, level


@njit(cache=True, nogil=True, error_model="numpy")
def rim(label, out):
    """Mark the cells of a patch with a side to anything else (or to the edge of the grid) in `out`, bool."""
    rows, columns = label.shape
    for r in range(rows):
        for c in range(columns):
            own = label[r, c]
            out[r, c] = own >= 0 and (
                r == 0
                or c == 0
                or r + 1 == rows
                or c + 1 == columns
                or label[r - 1, c] != own
                or label[r + 1, c] != own
                or label[r, c - 1] != own
                or label[r, c + 1] != own
            )
