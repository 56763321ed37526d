"""Slow twins of the connectivity kernels: plain loops, no thought of speed."""

from __future__ import annotations

import math

import numpy as np


def label_grid(image: np.ndarray, neighbours: int) -> tuple[np.ndarray, int]:
    rows, columns = image.shape
    label = np.full(image.shape, -1)
    steps = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a or b) and (neighbours == 8 or a == 0 or b == 0)]
    count = 0
    for r in range(rows):
        for c in range(columns):
            if image[r, c] <= 0 or label[r, c] >= 0:
                continue
            label[r, c] = count
            todo = [(r, c)]
            while todo:
                y, x = todo.pop()
                for a, b in steps:
                    v, u = y + a, x + b
                    inside = 0 <= v < rows and 0 <= u < columns
                    if inside and label[v, u] < 0 and image[v, u] == image[r, c]:
                        label[v, u] = count
                        todo.append((v, u))
            count += 1
    return label, count


def unlike_sides(image: np.ndarray) -> tuple[int, int]:
    upright = level = 0
    for r in range(image.shape[0]):
        for c in range(image.shape[1]):
            if image[r, c] < 0:
                continue
            if c + 1 < image.shape[1] and image[r, c + 1] >= 0:
                upright += image[r, c] != image[r, c + 1]
            if r + 1 < image.shape[0] and image[r + 1, c] >= 0:
                level += image[r, c] != image[r + 1, c]
    return int(upright), int(level)


def groups(nodes: int, pairs: list[tuple[int, int]]) -> list[int]:
    label = list(range(nodes))
    for _ in range(nodes):
        for i, j in pairs:
            label[i] = label[j] = min(label[i], label[j])
    names: dict[int, int] = {}
    return [names.setdefault(k, len(names)) for k in label]


def cell_gap(label: np.ndarray, i: int, j: int, width: float, height: float) -> float:
    """Distance between the outlines of two patches: over all pairs of cells, rim or not."""
    best = math.inf
    for r, c in np.argwhere(label == i):
        for v, u in np.argwhere(label == j):
            x, y = max(0, abs(int(c - u)) - 1) * width, max(0, abs(int(r - v)) - 1) * height
            best = min(best, math.hypot(x, y))
    return best


def shortest(lengths: np.ndarray) -> np.ndarray:
    """(N, N) lengths of shortest paths from (N, N) lengths of links, infinite where there is none (Floyd-Warshall)."""
    d = lengths.copy()
    n = len(d)
    for i in range(n):
        d[i, i] = 0.0
    for k in range(n):
        for i in range(n):
            for j in range(n):
                d[i, j] = min(d[i, j], d[i, k] + d[k, j])
    return d


def total(a: np.ndarray, lengths: np.ndarray, rate: float) -> float:
    """sum_i sum_j a_i a_j p*_ij; a negative rate: 1 / (1 + number of links)."""
    d = shortest(lengths)
    value = 0.0
    for i in range(len(a)):
        for j in range(len(a)):
            if d[i, j] < math.inf:
                value += a[i] * a[j] * (math.exp(-rate * d[i, j]) if rate >= 0 else 1 / (1 + d[i, j]))
    return value


def without_node(a: np.ndarray, lengths: np.ndarray, rate: float, k: int) -> float:
    keep = [i for i in range(len(a)) if i != k]
    return total(a[keep], lengths[np.ix_(keep, keep)], rate)


def without_link(a: np.ndarray, lengths: np.ndarray, rate: float, i: int, j: int) -> float:
    less = lengths.copy()
    less[i, j] = less[j, i] = math.inf
    return total(a, less, rate)


def least_costs(
    label: np.ndarray, resistance: np.ndarray, width: float, height: float, limit: float, through: bool
) -> dict[tuple[int, int], float]:
    """Least cost from each patch to each other (Bellman-Ford over cells)."""
    rows, columns = label.shape
    found: dict[tuple[int, int], float] = {}

    def open_(r: int, c: int) -> bool:
        return 0 < resistance[r, c] < math.inf

    for p in range(label.max() + 1):
        d = np.where(label == p, 0.0, math.inf)
        changed = True
        while changed:
            changed = False
            for r in range(rows):
                for c in range(columns):
                    if d[r, c] == math.inf or (not through and label[r, c] >= 0 and label[r, c] != p):
                        continue
                    for v in range(max(0, r - 1), min(rows, r + 2)):
                        for u in range(max(0, c - 1), min(columns, c + 2)):
                            if (v, u) == (r, c) or not open_(v, u):
                                continue
                            step = math.hypot((u - c) * width, (v - r) * height)
                            here = resistance[r, c] if open_(r, c) else 0.0
                            cost = d[r, c] + 0.5 * (here + resistance[v, u]) * step
                            if cost < d[v, u] - 1e-12 and cost <= limit:
                                d[v, u] = cost
                                changed = True
        for q in range(label.max() + 1):
            if q != p and d[label == q].min() < math.inf:
                found[p, q] = float(d[label == q].min())
    return found


def convolve(grid: np.ndarray, weight: np.ndarray) -> np.ndarray:
    rows, columns = grid.shape
    r, c = weight.shape[0] // 2, weight.shape[1] // 2
    out = np.zeros(grid.shape)
    for y in range(rows):
        for x in range(columns):
            for v in range(rows):
                for u in range(columns):
                    if abs(y - v) <= r and abs(x - u) <= c:
                        out[y, x] += grid[v, u] * weight[y - v + r, x - u + c]
    return out


def max_flow(stage: list[int], capacity: list[float], near: np.ndarray) -> float:
    """Least total capacity of a set of sites whose loss stops all flow (Menger): over all subsets."""
    n = len(stage)
    best = math.inf
    for subset in range(2**n):
        gone = [bool(subset >> k & 1) or capacity[k] == 0 for k in range(n)]
        price = sum(capacity[k] for k in range(n) if subset >> k & 1)
        if price >= best:
            continue
        seen = {k for k in range(n) if stage[k] == 0 and not gone[k]}
        todo = list(seen)
        while todo:
            u = todo.pop()
            for v in range(n):
                if v not in seen and not gone[v] and near[u, v] and stage[u] <= stage[v]:
                    seen.add(v)
                    todo.append(v)
        if not any(stage[k] == 2 for k in seen):
            best = price
    return best
