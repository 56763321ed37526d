"""Distances over networks: shortest paths on graphs and grids, and what removals do to them.

Paths are kept as lengths. The best product of exp(-rate * length) over the links of a path is the exp(-rate * length)
of the shortest path, whatever the rate, so that one search serves all dispersal distances. A negative rate stands for
1 / (1 + length), the worth of a path of so many links (index IIC).

Graphs are CSR and symmetric: `indices[indptr[u]:indptr[u+1]]` and `length[...]`. Sources are split into fixed spans
by the caller, who adds the parts in order.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from prioritize_kernels.gaps import floor_gap


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def worth(length, rate):
    """What a path of this length counts."""
    return math.exp(-rate * length) if rate >= 0.0 else 1.0 / (1.0 + length)


@njit(cache=True, nogil=True, error_model="numpy")
def rise(heap, place, key, at):
    """Move an entry of the heap up to where it belongs."""
    u = heap[at]
    while at > 0:
        above = (at - 1) >> 1
        if key[heap[above]] <= key[u]:
            break
        heap[at] = heap[above]
        place[heap[at]] = at
        at = above
    heap[at] = u
    place[u] = at


@njit(cache=True, nogil=True, error_model="numpy")
def pop(heap, place, key, size):
    """Take the least entry of a heap of `size` entries; the caller counts one less."""
    top = heap[0]
    u = heap[size - 1]
    size -= 1
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and key[heap[below + 1]] < key[heap[below]]:
            below += 1
        if key[heap[below]] >= key[u]:
            break
        heap[at] = heap[below]
        place[heap[at]] = at
        at = below
    if size > 0:
        heap[at] = u
        place[u] = at
    place[top] = -2
    return top


@njit(cache=True, nogil=True, error_model="numpy")
def settle(source, indptr, indices, length, limit, distance, parent, heap, place, order):
    """Shortest paths from one node up to a length limit (Dijkstra with an indexed binary heap).

    Parameters
    ----------
    distance : (N,) float64
        Must be infinite; holds the lengths of the nodes in `order` afterwards.
    parent : (N,) int64, out
        The link (its place in `indices`) by which a node is reached, -1 for the source.
    place : (N,) int32
        Must be -1.
    order : (N,) int32, out
        The nodes reached, nearest first.

    Returns
    -------
    int
        How many nodes were reached. `forget` sets distance and place back.
    """
    distance[source] = 0.0
    parent[source] = -1
    heap[0] = source
    place[source] = 0
    size, count = 1, 0
    while size:
        u = pop(heap, place, distance, size)
        size -= 1
        order[count] = u
        count += 1
        for k in range(indptr[u], indptr[u + 1]):
            v = indices[k]
            further = distance[u] + length[k]
            if further < distance[v] and further <= limit:
                distance[v] = further
                parent[v] = k
                if place[v] < 0:
                    place[v] = size
                    heap[size] = v
                    size += 1
                rise(heap, place, distance, place[v])
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def forget(order, count, distance, place):
    """Make distance and place ready for the next search."""
    for k in range(count):
        distance[order[k]] = np.inf
        place[order[k]] = -1


@njit(cache=True, nogil=True, error_model="numpy")
def needed(start, stop, indptr, indices, length, ways, keep):
    """Mark the links of the nodes [start, stop) that have fewer than so many ways round that are no longer.

    A way round is a pair of shorter links over one node between. By induction over the lengths, what stays for one
    way holds all shortest paths, and what stays for two ways also those that are left when any one node, or link, is
    taken away.

    Parameters
    ----------
    ways : int
    keep : (nnz,) bool, out
    """
    nodes = len(indptr) - 1
    at = np.full(nodes, -1, np.int64)
    most = 0
    for i in range(start, stop):
        most = max(most, indptr[i + 1] - indptr[i])
    count = np.zeros(most, np.int64)
    for i in range(start, stop):
        for k in range(indptr[i], indptr[i + 1]):
            at[indices[k]] = k
            count[k - indptr[i]] = 0
        for k in range(indptr[i], indptr[i + 1]):
            m = indices[k]
            for e in range(indptr[m], indptr[m + 1]):
                direct = at[indices[e]]
                if (
                    direct >= 0
                    and length[k] < length[direct]
                    and length[e] < length[direct]
                    and length[k] + length[e] <= length[direct]
                ):
                    count[direct - indptr[i]] += 1
        for k in range(indptr[i], indptr[i + 1]):
            at[indices[k]] = -1
            keep[k] = count[k - indptr[i]] < ways


@njit(cache=True, nogil=True, error_model="numpy")
def path_sums(start, stop, indptr, indices, length, limit, rate, weight, box, seek, out):
    """For the sources [start, stop): sums over all nodes j of weight[j] times the worth of the shortest path to j.

    Parameters
    ----------
    limit : float
        Longer paths count nothing.
    rate : (K,) float64
    weight : (N, W) float64
    box : (N, 4) float64
    seek : bool
        Also find the pairs whose boxes are closer to each other than the shortest path is long.
    out : (N, K, W) float64
        Rows of the span are overwritten.

    Returns
    -------
    (int32 array, int32 array, float64 array)
        Such pairs i < j and the length of their path.
    """
    nodes = len(indptr) - 1
    distance = np.full(nodes, np.inf)
    parent = np.empty(nodes, np.int64)
    heap = np.empty(nodes, np.int32)
    place = np.full(nodes, -1, np.int32)
    order = np.empty(nodes, np.int32)
    found, room = 0, 1024
    first = np.empty(room, np.int32)
    second = np.empty(room, np.int32)
    path = np.empty(room)
    for i in range(start, stop):
        count = settle(i, indptr, indices, length, limit, distance, parent, heap, place, order)
        out[i] = 0.0
        for k in range(count):
            j = order[k]
            for m in range(len(rate)):
                share = worth(distance[j], rate[m])
                for w in range(weight.shape[1]):
                    out[i, m, w] += weight[j, w] * share
        if seek:
            for j in range(i + 1, nodes):
                floor = floor_gap(box, i, j)
                # a link has to save more than rounding does
                if floor <= limit and floor < distance[j] * (1.0 - 1e-12):
                    if found == room:
                        first = np.concatenate((first, np.empty(room, np.int32)))
                        second = np.concatenate((second, np.empty(room, np.int32)))
                        path = np.concatenate((path, np.empty(room)))
                        room *= 2
                    first[found] = i
                    second[found] = j
                    path[found] = distance[j]
                    found += 1
        forget(order, count, distance, place)
    return first[:found], second[:found], path[:found]


@njit(cache=True, nogil=True, error_model="numpy")
def point_sums(start, stop, x, y, rate, weight, out):
    """As `path_sums` for points that are all linked by straight lines: no way round is shorter."""
    for i in range(start, stop):
        out[i] = 0.0
        for j in range(len(x)):
            distance = math.sqrt((x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2)
            for m in range(len(rate)):
                share = math.exp(-rate[m] * distance)
                for w in range(weight.shape[1]):
                    out[i, m, w] += weight[j, w] * share


@njit(cache=True, nogil=True, error_model="numpy")
def branch(top, child, sibling, stamp, mark, found):
    """List the descendants of a node in the tree (itself first), stamping them. Returns how many."""
    found[0] = top
    stamp[top] = mark
    count, at = 1, 0
    while at < count:
        v = child[found[at]]
        while v >= 0:
            stamp[v] = mark
            found[count] = v
            count += 1
            v = sibling[v]
        at += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def loss_without(
    first, count, gone, cut, found, stamp, mark, indptr, indices, length, back, limit, rate, attribute, distance,
    detour, heap, place,
):  # fmt: skip
    """What the nodes found[first:count] lose when node `gone` (or link `cut`) is not there.

    All other paths stay as they are, so only the cut-off branch is searched, from the nodes around it.
    """
    size = 0
    for k in range(first, count):
        v = found[k]
        detour[v] = np.inf
        place[v] = -1
    for k in range(first, count):
        v = found[k]
        best = np.inf
        for e in range(indptr[v], indptr[v + 1]):
            u = indices[e]
            if u != gone and stamp[u] != mark and back[e] != cut:
                best = min(best, distance[u] + length[e])
        if best <= limit:
            detour[v] = best
            place[v] = size
            heap[size] = v
            size += 1
            rise(heap, place, detour, size - 1)
    while size:
        u = pop(heap, place, detour, size)
        size -= 1
        for e in range(indptr[u], indptr[u + 1]):
            v = indices[e]
            if v == gone or stamp[v] != mark:
                continue
            further = detour[u] + length[e]
            if further < detour[v] and further <= limit:
                detour[v] = further
                if place[v] < 0:
                    place[v] = size
                    heap[size] = v
                    size += 1
                rise(heap, place, detour, place[v])
    lost = 0.0
    for k in range(first, count):
        v = found[k]
        lost += attribute[v] * worth(distance[v], rate)
        if detour[v] < np.inf:
            lost -= attribute[v] * worth(detour[v], rate)
        place[v] = -1
    return lost


@njit(cache=True, nogil=True, error_model="numpy")
def removals(start, stop, indptr, indices, length, back, limit, rate, attribute, links, flux, connector, link_loss):
    """What each node, and each link, is worth as a stepping stone, exact.

    For each source the shortest-path tree is built once; removing a node changes only the paths of its branch, which
    are sought anew. The sum over all nodes of the size of their branch is the sum of all depths, so this costs a few
    searches per source instead of one for each node.

    Parameters
    ----------
    back : (nnz,) int64
        Place of the same link in the other direction.
    links : bool
        Also remove each link.
    flux : (N,) float64, out
        attribute[i] times the sum over j != i of attribute[j] times worth, for the sources of the span.
    connector : (N,) float64
        Adds for each node what the pairs of the others lose (each pair once from each end).
    link_loss : (nnz,) float64
        Adds the same for each link, at the direction in which it was used.
    """
    nodes = len(indptr) - 1
    distance = np.full(nodes, np.inf)
    parent = np.empty(nodes, np.int64)
    heap = np.empty(nodes, np.int32)
    place = np.full(nodes, -1, np.int32)
    order = np.empty(nodes, np.int32)
    detour = np.empty(nodes)
    child = np.empty(nodes, np.int32)
    sibling = np.empty(nodes, np.int32)
    stamp = np.full(nodes, -1, np.int64)
    found = np.empty(nodes, np.int32)
    mark = 0
    for i in range(start, stop):
        count = settle(i, indptr, indices, length, limit, distance, parent, heap, place, order)
        total = 0.0
        for k in range(count):
            place[order[k]] = -1
            child[order[k]] = -1
            total += attribute[order[k]] * worth(distance[order[k]], rate)
        flux[i] = attribute[i] * (total - attribute[i])
        for k in range(1, count):
            v = order[k]
            u = indices[back[parent[v]]]
            sibling[v] = child[u]
            child[u] = v
        for k in range(1, count):
            u = order[k]
            if attribute[i] == 0.0:
                break
            if child[u] >= 0:
                mark += 1
                size = branch(u, child, sibling, stamp, mark, found)
                connector[u] += attribute[i] * loss_without(
                    1, size, u, -1, found, stamp, mark, indptr, indices, length, back, limit, rate, attribute,
                    distance, detour, heap, place,
                )  # fmt: skip
            if links:
                mark += 1
                size = branch(u, child, sibling, stamp, mark, found)
                link_loss[parent[u]] += attribute[i] * loss_without(
                    0, size, -1, parent[u], found, stamp, mark, indptr, indices, length, back, limit, rate, attribute,
                    distance, detour, heap, place,
                )  # fmt: skip
        forget(order, count, distance, place)


@njit(cache=True, nogil=True, error_model="numpy")
def spread_cost(cells, resistance, dx, dy, limit, label, own, through, distance, place, heap, touched):
    """Least cost from a set of cells over a resistance surface, 8 neighbours, up to a limit.

    A step costs the mean resistance of its two cells times its length (width, height or diagonal of a cell). Cells
    whose resistance is not positive and finite cannot be entered.

    Parameters
    ----------
    cells : (n,) int64
        Where it starts (row-major), at cost 0.
    label : (cells of the grid,) int32
        Patches; only read where `through` is false: then the search ends at cells of another patch than `own`.
    distance : (cells,) float64
        Must be infinite. Holds the costs of the cells in `touched` afterwards.
    place : (cells,) int32
        Must be -1.
    heap, touched : (cells,) int32
        Room; `touched` holds the cells reached, nearest first.

    Returns
    -------
    int
        How many cells were reached.
    """
    rows, columns = resistance.shape
    flat = resistance.ravel()
    diagonal = math.sqrt(dx * dx + dy * dy)
    size, count = 0, 0
    for k in range(len(cells)):
        u = cells[k]
        if distance[u] > 0.0:
            distance[u] = 0.0
            place[u] = size
            heap[size] = u
            size += 1
    while size:
        u = pop(heap, place, distance, size)
        size -= 1
        touched[count] = u
        count += 1
        if not through and label[u] >= 0 and label[u] != own:
            continue
        r, c = u // columns, u % columns
        here = flat[u] if flat[u] > 0.0 and flat[u] < np.inf else 0.0
        for dr in range(-1, 2):
            for dc in range(-1, 2):
                if (dr == 0 and dc == 0) or r + dr < 0 or r + dr >= rows or c + dc < 0 or c + dc >= columns:
                    continue
                v = u + dr * columns + dc
                there = flat[v]
                if not (there > 0.0 and there < np.inf):
                    continue
                step = diagonal if dr != 0 and dc != 0 else (dx if dr == 0 else dy)
                further = distance[u] + 0.5 * (here + there) * step
                if further < distance[v] and further <= limit:
                    distance[v] = further
                    if place[v] < 0:
                        place[v] = size
                        heap[size] = v
                        size += 1
                    rise(heap, place, distance, place[v])
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def cost_links(start, stop, patch_cell, cell, label, resistance, dx, dy, limit, through, patches):
    """Least costs from the patches [start, stop) to all patches that they reach.

    Parameters
    ----------
    patch_cell : (P+1,) int64
    cell : (n,) int64
        Cells of patch p: `cell[patch_cell[p]:patch_cell[p+1]]`.

    Returns
    -------
    (int32 array, int32 array, float64 array)
        Source, patch reached, least cost.
    """
    size = resistance.size
    distance = np.full(size, np.inf)
    place = np.full(size, -1, np.int32)
    heap = np.empty(size, np.int32)
    touched = np.empty(size, np.int32)
    best = np.full(patches, np.inf)
    reached = np.empty(patches, np.int32)
    found, room = 0, 1024
    first = np.empty(room, np.int32)
    second = np.empty(room, np.int32)
    cost = np.empty(room)
    for p in range(start, stop):
        cells = cell[patch_cell[p] : patch_cell[p + 1]]
        count = spread_cost(cells, resistance, dx, dy, limit, label, p, through, distance, place, heap, touched)
        met = 0
        for k in range(count):
            q = label[touched[k]]
            # cells come nearest first: the first one of a patch is the nearest
            if q >= 0 and q != p and best[q] == np.inf:
                best[q] = distance[touched[k]]
                reached[met] = q
                met += 1
        for k in range(met):
            if found == room:
                first = np.concatenate((first, np.empty(room, np.int32)))
                second = np.concatenate((second, np.empty(room, np.int32)))
                cost = np.concatenate((cost, np.empty(room)))
                room *= 2
            first[found] = p
            second[found] = reached[k]
            cost[found] = best[reached[k]]
            best[reached[k]] = np.inf
            found += 1
        forget(touched, count, distance, place)
    return first[:found], second[:found], cost[:found]
