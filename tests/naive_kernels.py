"""Slow twins of the kernels: plain loops and formulas, no thought of speed."""

from __future__ import annotations

import itertools

import numpy as np

from prioritize.engine.view import View


def dense(view: View) -> np.ndarray:
    """(R, V) rows of a view."""
    matrix = np.zeros((len(view.lower), len(view.cost)))
    for v in range(len(view.cost)):
        for k in range(view.indptr[v], view.indptr[v + 1]):
            matrix[view.row[k], v] += view.amount[k]
    return matrix


def soften(view: View, cost: np.ndarray, price: np.ndarray, heat: float) -> tuple[np.ndarray, float, float]:
    """(shares (V,), smoothed minimum, exact minimum)."""
    reduced = (cost - dense(view).T @ price).reshape(view.units, view.zones)
    reduced = np.where(view.allowed.reshape(reduced.shape) > 0, reduced, np.inf)
    choices = reduced if view.mandatory else np.column_stack([np.zeros(view.units), reduced])
    least = choices.min(axis=1, keepdims=True)
    weight = np.exp(-(choices - least) / heat)
    smooth = least.ravel() - heat * np.log(weight.sum(axis=1))
    share = weight / weight.sum(axis=1, keepdims=True)
    return share[:, choices.shape[1] - view.zones :].ravel(), float(smooth.sum()), float(least.sum())


def project(point: np.ndarray, allowed: np.ndarray, mandatory: bool) -> np.ndarray:
    """Nearest point of {x >= 0, sum <= 1 (= 1 if mandatory), 0 where not allowed}: the best over all active sets."""
    best, best_distance = None, np.inf
    columns = np.flatnonzero(allowed)
    for count in range(len(columns) + 1):
        for support in itertools.combinations(columns, count):
            for tight in (False, True):
                x = np.zeros(len(point))
                picked = list(support)
                x[picked] = point[picked]
                if tight and picked:
                    x[picked] -= (x[picked].sum() - 1.0) / len(picked)
                total = x.sum()
                if np.any(x < -1e-12) or total > 1 + 1e-12 or (mandatory and abs(total - 1) > 1e-12):
                    continue
                distance = float(((x - point)[columns] ** 2).sum())
                if distance < best_distance:
                    best, best_distance = x, distance
    assert best is not None
    return best


def curvature(view: View, weight: np.ndarray, joint: np.ndarray, step: np.ndarray) -> np.ndarray:
    """(R, R) A J A' with J = step (diag(weight) - joint weight weight') unit by unit."""
    matrix = dense(view)
    total = np.zeros((len(view.lower),) * 2)
    for u in range(view.units):
        span = slice(u * view.zones, (u + 1) * view.zones)
        w = weight[span]
        total += step[u] * matrix[:, span] @ (np.diag(w) - joint[u] * np.outer(w, w)) @ matrix[:, span].T
    return total


def divergence(view: View, flow: np.ndarray) -> np.ndarray:
    """(V,) what the flows add to each column's cost."""
    out = np.zeros((view.units, view.zones))
    for e in range(len(flow)):
        for z in range(view.zones):
            if (int(view.mask[e]) >> z) & 1:
                out[view.tail[e], z] += flow[e]
                out[view.head[e], z] -= flow[e]
    return out.ravel()


def objective(view: View, zone: np.ndarray, soft: bool = True) -> float:
    """Cost, edges and, unless told otherwise, priced shortfalls of a selection."""
    total = view.constant
    held = np.zeros(len(view.lower))
    matrix = dense(view)
    for u in range(view.units):
        if zone[u] >= 0:
            total += view.cost[u * view.zones + zone[u]]
            held += matrix[:, u * view.zones + zone[u]]
    for r in range(len(held)):
        if soft and np.isfinite(view.price[r]):
            total += view.price[r] * max(0.0, view.lower[r] - held[r])
    for e in range(len(view.tail)):
        near, far = (zone[u] >= 0 and (int(view.mask[e]) >> int(zone[u])) & 1 for u in (view.tail[e], view.head[e]))
        total += view.high[e] * (near and not far) - view.low[e] * (far and not near)
    return float(total)


def lack(y: float, price: float, cap: float, width: float) -> float:
    """Integral of the capped slope from y to where it is zero, by the trapezium rule."""
    if y >= width:
        return 0.0
    points = np.linspace(y, width, 2001)
    return float(np.trapezoid(np.minimum(cap, price * np.maximum(0.0, 1.0 - points / width)), points))


def smoothed(
    view: View, zone: np.ndarray, price: np.ndarray, cap: np.ndarray, dear: np.ndarray, width: np.ndarray
) -> float:
    """Cost, edges and what annealing charges for rows: parabolas, straight on where the slope has reached the cap."""
    total = objective(view, zone, soft=False)
    held = view.held(zone)
    for r in range(len(held)):
        for y, rate, most in ((held[r] - view.lower[r], price[r], cap[r]), (view.upper[r] - held[r], dear[r], np.inf)):
            if rate == 0 or y >= width[r]:
                continue
            reach = (width[r] - y) / width[r]
            if rate * reach <= most:
                total += rate * width[r] * reach**2 / 2
            else:
                full = most / rate
                total += rate * width[r] * full**2 / 2 + most * width[r] * (reach - full)
    return total
