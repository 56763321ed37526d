"""Contiguity: does a selection hold together without one of its units?"""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def holds_without(unit, ptr, neighbour, chosen, weight, least, limit, seen, stamp, queue):
    """Are the chosen neighbours of `unit` still joined to each other, in a part that weighs `least`, without it?

    Breadth first from one of them over chosen units; gives up (False) after `limit` units, so the answer may be too
    careful but never wrong. seen (U,) int64 and queue (limit,) int32 are scratch: stamp and stamp + 1 must not be in
    `seen`. True where `unit` has no chosen neighbour.
    """
    wanted = 0
    first = -1
    for k in range(ptr[unit], ptr[unit + 1]):
        v = neighbour[k]
        if chosen[v] and seen[v] != stamp:
            seen[v] = stamp
            wanted += 1
            if first < 0:
                first = v
    if first < 0:
        return True
    # stamp: wanted, not reached yet; stamp + 1: reached
    seen[unit] = stamp + 1
    seen[first] = stamp + 1
    queue[0] = first
    wanted -= 1
    total = weight[first]
    head, tail = 0, 1
    while head < tail:
        if wanted == 0 and total >= least:
            return True
        u = queue[head]
        head += 1
        for k in range(ptr[u], ptr[u + 1]):
            v = neighbour[k]
            if not chosen[v] or seen[v] == stamp + 1:
                continue
            if tail == limit:
                return False
            if seen[v] == stamp:
                wanted -= 1
            seen[v] = stamp + 1
            total += weight[v]
            queue[tail] = v
            tail += 1
    return wanted == 0 and total >= least
