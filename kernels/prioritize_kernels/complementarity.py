"""Which units complement what is held already: pricing, smoothed and proximal choices.

All kernels read one layout. Unit u has the columns u*Z .. u*Z+Z-1; column v holds the amounts
`amount[indptr[v]:indptr[v+1]]` of the rows `row[...]` (ascending). `allowed[v]` is 0 where the zone is locked out of
the unit. Kernels that fill a span [start, stop) of units release the GIL: the caller runs them on threads, over spans
that do not depend on how many threads there are, and adds the parts in order.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def soften(start, stop, zones, mandatory, indptr, row, amount, allowed, cost, price, tau, share, activity):
    """Choices of each unit under row prices, softened by entropy.

    Parameters
    ----------
    cost : (V,) float64
        Linear cost, edge flows included.
    price : (R,) float64
    tau : float
        Temperature, in units of cost.
    share : (V,) float64, out
        exp(-reduced / tau), normalised over the zones of a unit and `no zone`.
    activity : (R,) float64, out
        Adds what the shares hold of each row.

    Returns
    -------
    (float, float)
        The softened minimum -tau log(sum exp(-reduced / tau)) over the span, and the exact minimum.
    """
    soft, exact = 0.0, 0.0
    for u in range(start, stop):
        first = u * zones
        least = np.inf if mandatory else 0.0
        for v in range(first, first + zones):
            if allowed[v]:
                reduced = cost[v]
                for k in range(indptr[v], indptr[v + 1]):
                    reduced -= amount[k] * price[row[k]]
                share[v] = reduced
                least = min(least, reduced)
            else:
                share[v] = np.inf
        exact += least
        total = 0.0 if mandatory else math.exp(least / tau)
        for v in range(first, first + zones):
            share[v] = math.exp((least - share[v]) / tau)
            total += share[v]
        soft += least - tau * math.log(total)
        for v in range(first, first + zones):
            share[v] /= total
            if share[v] > 1e-12:
                for k in range(indptr[v], indptr[v + 1]):
                    activity[row[k]] += amount[k] * share[v]
            else:
                share[v] = 0.0
    return soft, exact


@njit(cache=True, nogil=True, error_model="numpy")
def project(start, stop, zones, mandatory, indptr, row, amount, allowed, base, step, price, x, weight, joint, activity):
    """Proximal choice of each unit: the point of its simplex nearest to base + step * A'price.

    Parameters
    ----------
    base : (V,) float64
    step : (U,) float64
    price : (R,) float64
    x : (V,) float64, out
    weight : (V,) float64, out
        Derivative of x by its argument: diag(weight) - joint * weight weight', times step.
    joint : (U,) float64, out
    activity : (R,) float64, out
        Adds A x.

    Returns
    -------
    float
        Sum over the span of |x - base|^2 / (2 step) - price.A x: its part of the proximal dual.
    """
    value = 0.0
    for u in range(start, stop):
        first = u * zones
        total = 0.0
        for v in range(first, first + zones):
            x[v], weight[v] = 0.0, 0.0
            if allowed[v]:
                raised = 0.0
                for k in range(indptr[v], indptr[v + 1]):
                    raised += amount[k] * price[row[k]]
                x[v] = base[v] + step[u] * raised
                weight[v] = 1.0
                if x[v] > 0.0:
                    total += x[v]
        joint[u] = 0.0
        if total > 1.0 or mandatory:
            # lower all by one level until they sum to one (Held, Wolfe & Crowder 1974, 10.1007/BF01580223);
            # Newton's method on the level, which drops columns for good as it rises
            level, count = -np.inf, 0
            for _ in range(zones + 2):
                total, members = 0.0, 0
                for v in range(first, first + zones):
                    if allowed[v] and x[v] > level:
                        total += x[v]
                        members += 1
                if members == count:
                    break
                level, count = (total - 1.0) / members, members
            for v in range(first, first + zones):
                if allowed[v]:
                    x[v] = max(0.0, x[v] - level)
            joint[u] = 1.0 / count
        for v in range(first, first + zones):
            if x[v] <= 0.0 or not allowed[v]:
                x[v], weight[v] = 0.0, 0.0
            elif joint[u] == 1.0:
                weight[v] = 0.0  # alone and full: it does not move
            if x[v] > 0.0:
                x[v] = min(x[v], 1.0)
                for k in range(indptr[v], indptr[v + 1]):
                    activity[row[k]] += amount[k] * x[v]
                    value -= amount[k] * x[v] * price[row[k]]
            if allowed[v]:
                value += (x[v] - base[v]) ** 2 / (2.0 * step[u])
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def curvature(start, stop, zones, indptr, row, amount, weight, joint, step, out):
    """Lower triangle of sum over units of step * A (diag(weight) - joint * weight weight') A'.

    Parameters
    ----------
    weight : (V,) float64
    joint, step : (U,) float64
    out : (R, R) float64, out
        Added to.
    """
    for u in range(start, stop):
        first = u * zones
        for v in range(first, first + zones):
            if weight[v] < 1e-9:
                continue
            for w in range(first, first + zones):
                factor = -joint[u] * weight[v] * weight[w]
                if v == w:
                    factor += weight[v]
                if abs(factor) < 1e-9:
                    continue
                factor *= step[u]
                for k in range(indptr[v], indptr[v + 1]):
                    here = factor * amount[k]
                    line = row[k]
                    for m in range(indptr[w], indptr[w + 1]):
                        if row[m] > line:
                            break
                        out[line, row[m]] += here * amount[m]
