"""Slow twins of circuits and corridors: dense algebra and plain loops."""

from __future__ import annotations

import math

import numpy as np


def edges(conductance: np.ndarray, neighbours: int, average: str) -> list[tuple[int, int, float]]:
    """(cell, cell, conductance) of a grid; cells without a positive conductance have no edge."""
    rows, columns = conductance.shape
    found = []
    for a in range(rows * columns):
        for b in range(a + 1, rows * columns):
            dr, dc = abs(a // columns - b // columns), abs(a % columns - b % columns)
            if max(dr, dc) != 1 or (neighbours == 4 and dr + dc == 2):
                continue
            x, y = conductance.ravel()[a], conductance.ravel()[b]
            if not (x > 0 and y > 0):
                continue
            length = math.sqrt(dr + dc)
            value = 1 / ((1 / x + 1 / y) / 2) if average == "resistance" else (x + y) / 2
            found.append((a, b, value / length))
    return found


def laplacian(nodes: int, links: list[tuple[int, int, float]]) -> np.ndarray:
    matrix = np.zeros((nodes, nodes))
    for a, b, value in links:
        matrix[a, a] += value
        matrix[b, b] += value
        matrix[a, b] -= value
        matrix[b, a] -= value
    return matrix


def resistance(nodes: int, links: list[tuple[int, int, float]], a: int, b: int) -> float:
    """Effective resistance of two nodes by the pseudo-inverse of the Laplacian; they must be joined."""
    inverse = np.linalg.pinv(laplacian(nodes, links), rcond=1e-12)
    step = np.zeros(nodes)
    step[a], step[b] = 1.0, -1.0
    return float(step @ inverse @ step)


def node_currents(nodes: int, links: list[tuple[int, int, float]], leak: np.ndarray, voltage: np.ndarray) -> np.ndarray:
    """The larger of inflow and outflow, node by node."""
    out = np.zeros(nodes)
    for i in range(nodes):
        enters = leaves = 0.0
        for a, b, value in links:
            if i in (a, b):
                flow = value * (voltage[i] - voltage[b if i == a else a])
                leaves += max(flow, 0.0)
                enters += max(-flow, 0.0)
        if len(leak):
            leaves += max(leak[i] * voltage[i], 0.0)
            enters += max(-leak[i] * voltage[i], 0.0)
        out[i] = max(enters, leaves)
    return out


def solve(
    conductance: np.ndarray,
    neighbours: int,
    average: str,
    groups: list[list[int]],
    source: dict[int, float],
    ground: dict[int, float],
    policy: str = "keepall",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voltage, current and node of each cell, with groups of cells short-circuited.

    A ground is a conductance, infinite for 0 V. Parts without source or without ground carry nothing.
    """
    cells = conductance.size
    root = list(range(cells))
    for group in groups:
        live = {root[cell] for cell in range(cells) if conductance.ravel()[cell] > 0}
        if any(root[cell] in live for cell in group):
            old, new = {root[cell] for cell in group}, root[group[0]]
            root = [new if r in old else r for r in root]
    links = [(root[a], root[b], value) for a, b, value in edges(conductance, neighbours, average) if root[a] != root[b]]
    used = {root[cell] for cell in range(cells) if conductance.ravel()[cell] > 0}
    inject, drain = np.zeros(cells), np.zeros(cells)
    for cell, value in source.items():
        inject[root[cell]] += value * (root[cell] in used)
    for cell, value in ground.items():
        drain[root[cell]] += value if root[cell] in used else 0.0
    for cell in range(cells):
        if inject[cell] != 0 and drain[cell] != 0:
            inject[cell] *= policy not in ("rmvsrc", "rmvall")
            drain[cell] = (
                0.0 if policy in ("rmvgnd", "rmvall") or (np.isinf(drain[cell]) and inject[cell]) else drain[cell]
            )
    part = list(range(cells))
    for a, b, _ in links:
        part = [part[a] if p == part[b] else p for p in part]
    matrix, right = laplacian(cells, links), inject.copy()
    for cell in range(cells):
        mine = [other for other in range(cells) if part[other] == part[cell]]
        dead = not any(inject[other] for other in mine) or not any(drain[other] for other in mine)
        if dead or np.isinf(drain[cell]):
            matrix[cell], matrix[cell, cell], right[cell] = 0.0, 1.0, 0.0
        else:
            matrix[cell, cell] += drain[cell]
    voltage = np.linalg.solve(matrix, right)
    leak = np.where(np.isinf(drain), 0.0, drain)
    current = node_currents(cells, links, leak, voltage)
    return (
        voltage[root].reshape(conductance.shape),
        current[root].reshape(conductance.shape),
        np.array(root).reshape(conductance.shape),
    )


def moving_window(conductance: np.ndarray, source: np.ndarray, radius: int, block: int, neighbours: int) -> np.ndarray:
    """Omnidirectional current: dense solve of each block's own circular window."""
    rows, columns = conductance.shape
    half = block // 2
    total = np.zeros((rows, columns))
    for r0 in range(0, rows, block):
        for c0 in range(0, columns, block):
            centre = (min(r0 + half, rows - 1), min(c0 + half, columns - 1))
            inside = [
                (r, c)
                for r in range(r0, min(r0 + block, rows))
                for c in range(c0, min(c0 + block, columns))
                if conductance[r, c] > 0
            ]
            wanted = sum(source[cell] for cell in inside)
            if not wanted > 0:
                continue
            target = min(inside, key=lambda cell: ((cell[0] - centre[0]) ** 2 + (cell[1] - centre[1]) ** 2, cell))
            window = np.array(
                [
                    [
                        conductance[r, c] if (r - centre[0]) ** 2 + (c - centre[1]) ** 2 <= radius**2 else 0.0
                        for c in range(columns)
                    ]
                    for r in range(rows)
                ]
            )
            window[window > 0] = window[window > 0]
            links = edges(window, neighbours, "resistance")
            reach = {target}
            grown = True
            while grown:
                grown = False
                for a, b, _ in links:
                    p, q = divmod(a, columns), divmod(b, columns)
                    if (p in reach) != (q in reach):
                        reach |= {p, q}
                        grown = True
            given = {cell: source[cell] for cell in reach if cell not in inside and source[cell] > 0}
            amount = sum(given.values())
            if not amount > 0:
                continue
            matrix = laplacian(rows * columns, links)
            cells = sorted(r * columns + c for r, c in reach)
            right = np.zeros(rows * columns)
            for (r, c), value in given.items():
                right[r * columns + c] = value * wanted / amount
            free = [cell for cell in cells if cell != target[0] * columns + target[1]]
            voltage = np.zeros(rows * columns)
            voltage[free] = np.linalg.solve(matrix[np.ix_(free, free)], right[free])
            used = [link for link in links if link[0] in cells]
            total += node_currents(rows * columns, used, np.zeros(0), voltage).reshape(rows, columns)
    return total


def cost_distance(seeds: list[int], surface: np.ndarray, dx: float, dy: float, neighbours: int) -> np.ndarray:
    """Least cost from seeds by relaxing all steps until nothing changes."""
    rows, columns = surface.shape
    best = np.full(rows * columns, np.inf)
    flat = surface.ravel()
    for u in seeds:
        if 0 < flat[u] < np.inf:
            best[u] = 0.0
    changed = True
    while changed:
        changed = False
        for u in range(rows * columns):
            for v in range(rows * columns):
                dr, dc = abs(u // columns - v // columns), abs(u % columns - v % columns)
                if max(dr, dc) != 1 or (neighbours == 4 and dr + dc == 2) or not 0 < flat[v] < np.inf:
                    continue
                further = best[u] + 0.5 * (flat[u] + flat[v]) * math.hypot(dr * dy, dc * dx)
                if further < best[v] - 1e-12:
                    best[v] = further
                    changed = True
    return best
