"""Selections, move by move: repair, dropping, annealing, exchanges.

Columns, rows and amounts are laid out as in `complementarity`. Unit u has the borders ptr[u] .. ptr[u+1]-1: the `other`
unit, what it costs if only u is selected (`out`) or only the other (`into`), and the zones that count (bits of `mask`).
A selection is `zone` (U,) int8, -1 for none, with `held` (R,) float64, what it holds of each row.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def edge_change(u, old, new, zone, ptr, other, out, into, mask):
    """Change of the edge cost when unit u goes from zone `old` to zone `new` (-1 is none)."""
    change = 0.0
    for k in range(ptr[u], ptr[u + 1]):
        before = old >= 0 and (mask[k] >> old) & 1
        after = new >= 0 and (mask[k] >> new) & 1
        if before == after:
            continue
        around = zone[other[k]]
        delta = -into[k] if around >= 0 and (mask[k] >> around) & 1 else out[k]
        change += delta if after else -delta
    return change


@njit(cache=True, nogil=True, error_model="numpy")
def shuffled(state):
    """Next state of xorshift64 (Marsaglia 2003, 10.18637/jss.v008.i14): the same stream on every machine."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    return state ^ (state << np.uint64(17))


def seeded(seed):
    """State of the random numbers that a seed begins with."""
    return np.uint64((int(seed) * 2654435769 + 88172645463325252) % 2**64)


@njit(cache=True, nogil=True, error_model="numpy")
def row_change(old, new, indptr, row, amount, held, least, most, price):
    """Change of the priced shortfall when column `new` replaces `old` (-1 is none), and whether the rows allow it.

    They do not if it takes more of an upper bound that is or gets broken, or less of a row of infinite price that is or
    gets short. The change means nothing where they do not.
    """
    change = 0.0
    k, k_end = (0, 0) if old < 0 else (indptr[old], indptr[old + 1])
    m, m_end = (0, 0) if new < 0 else (indptr[new], indptr[new + 1])
    while k < k_end or m < m_end:
        r_old = row[k] if k < k_end else 2147483647
        r_new = row[m] if m < m_end else 2147483647
        r, delta = min(r_old, r_new), 0.0
        if r_old == r:
            delta -= amount[k]
            k += 1
        if r_new == r:
            delta += amount[m]
            m += 1
        now = held[r] + delta
        if (delta > 0.0 and now > most[r]) or (delta < 0.0 and now < least[r] and price[r] == np.inf):
            return change, False
        if price[r] < np.inf:
            change += price[r] * (max(0.0, least[r] - now) - max(0.0, least[r] - held[r]))
    return change, True


@njit(cache=True, nogil=True, error_model="numpy")
def apply_move(u, new, zones, indptr, row, amount, zone, held):
    """Give unit u the zone `new` (-1 is none) and update what is held."""
    if zone[u] >= 0:
        v = u * zones + zone[u]
        for k in range(indptr[v], indptr[v + 1]):
            held[row[k]] -= amount[k]
    if new >= 0:
        v = u * zones + new
        for k in range(indptr[v], indptr[v + 1]):
            held[row[k]] += amount[k]
    zone[u] = new


@njit(cache=True, nogil=True, error_model="numpy")
def sift(heap, key, place, size, here):
    """Restore the heap (largest key first) around position `here`."""
    item = heap[here]
    while here > 0 and key[heap[(here - 1) // 2]] < key[item]:
        heap[here] = heap[(here - 1) // 2]
        place[heap[here]] = here
        here = (here - 1) // 2
    while True:
        child = 2 * here + 1
        if child >= size:
            break
        if child + 1 < size and key[heap[child + 1]] > key[heap[child]]:
            child += 1
        if key[heap[child]] <= key[item]:
            break
        heap[here] = heap[child]
        place[heap[here]] = here
        here = child
    heap[here] = item
    place[item] = here


@njit(cache=True, nogil=True, error_model="numpy")
def fill(
    zones, indptr, row, amount, allowed, cost, ptr, other, out, into, mask,
    least, most, price, dear, tiny, zone, held, goal,
):  # fmt: skip
    """Lazy greedy (Minoux 1978, 10.1007/BFb0006528): take the move with the most relief of shortfall per cost.

    Cost counts the edges and the use of scarce rows (upper bounds, at `dear` each). A key is an upper estimate that
    is looked at again when it comes to the top; neighbours of a taken unit, whose edges got cheaper, are keyed anew.

    Parameters
    ----------
    least, most, price, dear : (R,) float64
    tiny : float
        Costs below this count as this.
    zone : (U,) int8, in and out
    held : (R,) float64, in and out
    goal : int
        0: until no move relieves (hard rows); 1: while a move pays for itself (soft rows priced in the objective).

    Returns
    -------
    int
        Number of moves made.
    """
    units = len(zone)
    columns = units * zones
    key = np.zeros(columns)
    heap = np.empty(columns, np.int32)
    place = np.full(columns, -1, np.int32)
    size, moves = 0, 0
    for r in range(len(least)):
        if price[r] > 0.0 and held[r] < least[r]:
            size = 1
    if size == 0:
        return 0
    size = 0
    for v in range(columns):
        if allowed[v] and zone[v // zones] != v % zones:
            key[v] = gain(v, zones, indptr, row, amount, cost, ptr, other, out, into, mask,
                           least, most, price, dear, tiny, zone, held, goal)  # fmt: skip
            if key[v] > 0.0:
                heap[size] = v
                place[v] = size
                size += 1
    for here in range(size // 2, -1, -1):
        if here < size:
            sift(heap, key, place, size, here)
    while size > 0:
        v = heap[0]
        u = v // zones
        now = 0.0
        if zone[u] != v % zones:
            now = gain(v, zones, indptr, row, amount, cost, ptr, other, out, into, mask,
                        least, most, price, dear, tiny, zone, held, goal)  # fmt: skip
        if now <= 0.0:
            size -= 1
            place[v] = -1
            if size > 0:
                heap[0] = heap[size]
                place[heap[0]] = 0
                sift(heap, key, place, size, 0)
            continue
        if now < key[v] * (1.0 - 1e-9):
            key[v] = now
            sift(heap, key, place, size, 0)
            continue
        apply_move(u, v % zones, zones, indptr, row, amount, zone, held)
        moves += 1
        for k in range(ptr[u], ptr[u + 1]):
            first = other[k] * zones
            for w in range(first, first + zones):
                if place[w] >= 0:
                    key[w] = gain(w, zones, indptr, row, amount, cost, ptr, other, out, into, mask,
                                   least, most, price, dear, tiny, zone, held, goal)  # fmt: skip
                    sift(heap, key, place, size, place[w])
    return moves


@njit(cache=True, nogil=True, error_model="numpy")
def gain(
    v, zones, indptr, row, amount, cost, ptr, other, out, into, mask,
    least, most, price, dear, tiny, zone, held, goal,
):  # fmt: skip
    """Relief of shortfall per cost of moving to column v; 0 if it relieves nothing, does not fit or does not pay."""
    u = v // zones
    old = zone[u]
    before = u * zones + old if old >= 0 else -1
    change, fits = row_change(before, v, indptr, row, amount, held, least, most, price)
    if not fits or change >= 0.0:
        return 0.0
    spent = cost[v] - (cost[before] if before >= 0 else 0.0)
    spent += edge_change(u, old, v % zones, zone, ptr, other, out, into, mask)
    if goal == 1 and change + spent >= 0.0:
        return 0.0
    for k in range(indptr[v], indptr[v + 1]):
        spent += dear[row[k]] * amount[k]
    return -change / max(spent, tiny)


@njit(cache=True, nogil=True, error_model="numpy")
def drop(
    order, zones, mandatory, indptr, row, amount, allowed, cost, ptr, other, out, into, mask,
    least, most, price, zone, held,
):  # fmt: skip
    """Move units, in order, to whatever lowers the objective without falling short of a hard row.

    `price` is infinite in hard rows: a row that is short already may not get shorter.

    Returns
    -------
    int
        Number of moves made.
    """
    moves = 0
    for u in order:
        old = zone[u]
        before = u * zones + old if old >= 0 else -1
        best, best_zone = -1e-12, old
        for new in range(0 if mandatory else -1, zones):
            if new == old or (new >= 0 and not allowed[u * zones + new]):
                continue
            after = u * zones + new if new >= 0 else -1
            change = (cost[after] if after >= 0 else 0.0) - (cost[before] if before >= 0 else 0.0)
            change += edge_change(u, old, new, zone, ptr, other, out, into, mask)
            if change >= best and before >= 0 and after < 0:
                continue
            paid, safe = row_change(before, after, indptr, row, amount, held, least, most, price)
            change += paid
            if safe and change < best:
                best, best_zone = change, new
        if best_zone != old:
            apply_move(u, best_zone, zones, indptr, row, amount, zone, held)
            moves += 1
    return moves


@njit(cache=True, nogil=True, error_model="numpy")
def slope(y, price, cap, width):
    """What one more amount is worth in a row that holds `y` more than it must; see `anneal`."""
    return min(cap, price * max(0.0, 1.0 - y / width))


@njit(cache=True, nogil=True, error_model="numpy")
def worths(held, least, most, price, cap, dear, width):
    """(R,) What one more amount is worth in each row, between its bounds; see `anneal`."""
    rate = np.empty(len(held))
    for r in range(len(held)):
        rate[r] = slope(held[r] - least[r], price[r], cap[r], width[r])
        rate[r] -= slope(most[r] - held[r], dear[r], np.inf, width[r])
    return rate


@njit(cache=True, nogil=True, error_model="numpy")
def lack(y, price, cap, width):
    """What a row costs that holds `y` more than it must: the integral of `slope` from y on; see `anneal`."""
    if y >= width or price <= 0.0:
        return 0.0
    steep = width * (1.0 - cap / price)
    t = 1.0 - max(y, steep) / width
    area = 0.5 * price * width * t * t
    return area + cap * (steep - y) if y < steep else area


@njit(cache=True, nogil=True, error_model="numpy")
def eager(units, zones, mandatory, indptr, row, amount, allowed, cost, ptr, other, out, into, mask, rate, zone):
    """Least change of the objective by a move of each of some units (n,), amounts worth `rate` (R,).

    Returns
    -------
    (n,) float64
        Infinite where no move is allowed.
    """
    change = np.full(len(units), np.inf)
    for i, u in enumerate(units):
        old = zone[u]
        base = 0.0
        if old >= 0:
            base = cost[u * zones + old]
            for k in range(indptr[u * zones + old], indptr[u * zones + old + 1]):
                base -= rate[row[k]] * amount[k]
        for new in range(0 if mandatory else -1, zones):
            v = u * zones + new
            if new == old or (new >= 0 and not allowed[v]):
                continue
            here = edge_change(u, old, new, zone, ptr, other, out, into, mask) - base
            if new >= 0:
                here += cost[v]
                for k in range(indptr[v], indptr[v + 1]):
                    here -= rate[row[k]] * amount[k]
            change[i] = min(change[i], here)
    return change


@njit(cache=True, nogil=True, error_model="numpy")
def anneal(
    active, count, closed, zones, mandatory, indptr, row, amount, allowed, cost, ptr, other, out, into, mask,
    least, most, price, cap, dear, width, heat, sweeps, seed, zone, held,
):  # fmt: skip
    """Simulated annealing at one temperature, of the units that may well move there.

    Metropolis' rule (Kirkpatrick, Gelatt & Vecchi 1983, 10.1126/science.220.4598.671; Marxan's search, with prices
    from the dual instead of a penalty factor by hand). A row is priced as in an augmented Lagrangian (Rockafellar 1974,
    10.1137/0312021): an amount is worth `price` where the row holds what it must, less above and more below, by
    another `price` each `width`, never below 0 and never above `cap`; at the upper bound it costs `dear`. With a kink
    at the bound instead of the slope (nothing above, a fixed penalty below) the search ends twice as far from the best.

    Parameters
    ----------
    active : (n,) int32, in and out
        The first `count` are the units to try. Neighbours of what moves are added behind them.
    closed : (U,) uint8, in and out
        0 for units that may be added.
    price, cap, dear, width : (R,) float64
        No cap is infinite; no upper bound has 0 in `dear`.
    heat : float
        Temperature, in units of cost.
    sweeps : float
        Proposals per active unit.

    Returns
    -------
    (int, int)
        Number of active units, and of proposals made.
    """
    state = np.uint64(seed) * np.uint64(2654435769) + np.uint64(88172645463325252)
    choices = zones if mandatory else zones + 1
    rate = worths(held, least, most, price, cap, dear, width)
    tried = 0
    while tried < sweeps * count:
        tried += 1
        state = shuffled(state)
        u = active[int((state >> np.uint64(11)) % np.uint64(count))]
        old = zone[u]
        if choices == 2 and zones == 1:
            new = -1 if old == 0 else 0
        else:
            state = shuffled(state)
            new = int((state >> np.uint64(11)) % np.uint64(choices)) - (choices - zones)
        if new == old or (new >= 0 and not allowed[u * zones + new]):
            continue
        state = shuffled(state)
        # Metropolis turned round: the draw says how dear a move may be
        limit = -heat * math.log((float(state >> np.uint64(11)) + 1.0) / 9007199254740993.0)
        change = edge_change(u, old, new, zone, ptr, other, out, into, mask)
        k, k_end, m, m_end = 0, 0, 0, 0
        if old >= 0:
            change -= cost[u * zones + old]
            k, k_end = indptr[u * zones + old], indptr[u * zones + old + 1]
        if new >= 0:
            change += cost[u * zones + new]
            m, m_end = indptr[u * zones + new], indptr[u * zones + new + 1]
        # what rows cost is convex, so its slope bounds the change from below: most moves are too dear already
        hope = change
        for i in range(k, k_end):
            hope += rate[row[i]] * amount[i]
        for i in range(m, m_end):
            hope -= rate[row[i]] * amount[i]
        if hope > limit:
            continue
        while k < k_end or m < m_end:
            # as in `row_change`: a helper for both costs a third to half of the speed
            r_old = row[k] if k < k_end else 2147483647
            r_new = row[m] if m < m_end else 2147483647
            r, delta = min(r_old, r_new), 0.0
            if r_old == r:
                delta -= amount[k]
                k += 1
            if r_new == r:
                delta += amount[m]
                m += 1
            y, room = held[r] - least[r], most[r] - held[r]
            change += lack(y + delta, price[r], cap[r], width[r]) - lack(y, price[r], cap[r], width[r])
            change += lack(room - delta, dear[r], np.inf, width[r]) - lack(room, dear[r], np.inf, width[r])
        if change > limit:
            continue
        apply_move(u, new, zones, indptr, row, amount, zone, held)
        for v in (u * zones + old if old >= 0 else -1, u * zones + new if new >= 0 else -1):
            if v >= 0:
                for i in range(indptr[v], indptr[v + 1]):
                    r = row[i]
                    rate[r] = slope(held[r] - least[r], price[r], cap[r], width[r])
                    rate[r] -= slope(most[r] - held[r], dear[r], np.inf, width[r])
        for i in range(ptr[u], ptr[u + 1]):
            if not closed[other[i]]:
                closed[other[i]] = 1
                active[count] = other[i]
                count += 1
    return count, tried


@njit(cache=True, nogil=True, error_model="numpy")
def exchange(
    order, zones, indptr, row, amount, allowed, cost, ptr, other, out, into, mask,
    least, most, price, at_a_time, patience, first, last, rounds, state, values, zone, held, best_zone, best_held,
):  # fmt: skip
    """Change a few units that are almost indifferent, drop what this makes redundant, take what it makes room for.

    A local search where single moves are never feasible or never pay: what one unit frees is spread over all its rows,
    and a budget is always spent. Record-to-record travel (Dueck 1993, 10.1006/jcph.1993.1010): what ends within a
    falling distance of the best is kept too.

    Parameters
    ----------
    order : (n,) int32
        Columns that may move, the dearest (by reduced cost) first: dropped in this order, taken in the other.
    at_a_time : int
        Up to so many are changed at a time.
    patience : float
        First distance from the best, in units of cost; falls to zero.
    first, last, rounds : int
        Do rounds `first` .. `last`-1 of so many: in several calls, so that the caller can look at its clock.
    state : (1,) uint64, in and out
        Of the random numbers.
    values : (2,) float64, in and out
        Change of the objective so far, and at the best selection.
    zone, held : in and out
        Where the search is.
    best_zone, best_held : in and out
        The best selection found.
    """
    draw = state[0]
    log_column = np.empty(2 * len(order) + at_a_time, np.int32)
    log_zone = np.empty(2 * len(order) + at_a_time, np.int8)
    value, best = values[0], values[1]
    soft = False
    for r in range(len(price)):
        if 0.0 < price[r] < np.inf:
            soft = True
    for turn in range(first, last):
        done, change = 0, 0.0
        draw = shuffled(draw)
        wanted = 1 + int((draw >> np.uint64(11)) % np.uint64(at_a_time))
        for _ in range(wanted):
            draw = shuffled(draw)
            v = order[int((draw >> np.uint64(11)) % np.uint64(len(order)))]
            u = v // zones
            old, new = zone[u], v % zones
            if old == new:
                new = -1
            before = u * zones + old if old >= 0 else -1
            after = u * zones + new if new >= 0 else -1
            paid, safe = row_change(before, after, indptr, row, amount, held, least, most, price)
            if not safe:
                continue
            change += paid + (cost[after] if after >= 0 else 0.0) - (cost[before] if before >= 0 else 0.0)
            change += edge_change(u, old, new, zone, ptr, other, out, into, mask)
            log_column[done], log_zone[done] = u, old
            done += 1
            apply_move(u, new, zones, indptr, row, amount, zone, held)
        if done == 0:
            continue
        changed = done
        # adding pays alone only where shortfalls are priced
        for i in range(2 * len(order) if soft else len(order)):
            v = order[i] if i < len(order) else order[2 * len(order) - 1 - i]
            u = v // zones
            taken = zone[u] == v % zones
            if taken != (i < len(order)) or (not taken and zone[u] >= 0):
                continue
            # one in eight is passed over, so that the same change does not always end in the same selection
            draw = shuffled(draw)
            if (draw >> np.uint64(40)) % np.uint64(8) == 0:
                continue
            old, new = zone[u], -1 if taken else v % zones
            paid, safe = row_change(
                v if taken else -1, -1 if taken else v, indptr, row, amount, held, least, most, price
            )
            if not safe:
                continue
            paid += edge_change(u, old, new, zone, ptr, other, out, into, mask) + (-cost[v] if taken else cost[v])
            if paid >= 0.0:
                continue
            change += paid
            log_column[done], log_zone[done] = u, old
            done += 1
            apply_move(u, new, zones, indptr, row, amount, zone, held)
        if done > changed and value + change <= best + patience * (1.0 - turn / rounds):
            value += change
            if value < best - 1e-12:
                best = value
                best_zone[:] = zone
                best_held[:] = held
            continue
        for k in range(done - 1, -1, -1):
            apply_move(log_column[k], log_zone[k], zones, indptr, row, amount, zone, held)
    state[0] = draw
    values[0], values[1] = value, best
