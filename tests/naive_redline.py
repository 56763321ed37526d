"""Slow twins of the redline's kernels: plain Python, exact numbers."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Any

import numpy as np


def grades(values: Any, areas: Any, extents: Any, cuts: Any) -> list[int]:
    """Grades of a flat list of float32 values: whole groups of ties from the top until the share is reached."""
    result = []
    for value, extent in zip(values, extents):
        if extent < 0 or np.isnan(value):
            result.append(0)
            continue
        own = [(Fraction(float(v)), a) for v, a, e in zip(values, areas, extents) if e == extent and not np.isnan(v)]
        total = sum((v * Fraction(float(a)) for v, a in own), Fraction(0))
        grade = 1
        for cut in cuts:
            # the sum of all that is strictly better: below the share, this value is still needed
            better = sum((v * Fraction(float(a)) for v, a in own if v > Fraction(float(value))), Fraction(0))
            grade += value > 0 and better < Fraction(str(cut)) * total
        result.append(int(grade))
    return result


def components(mask: np.ndarray, connectivity: int) -> list[list[tuple[int, int]]]:
    """Patches of a mask as lists of cells, by flooding."""
    rows, columns = mask.shape
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    steps += [(1, 1), (1, -1), (-1, 1), (-1, -1)] if connectivity == 8 else []
    seen, found = set(), []
    for start in zip(*np.nonzero(mask)):
        if start in seen:
            continue
        seen.add(start)
        queue, patch = deque([start]), []
        while queue:
            r, c = queue.popleft()
            patch.append((int(r), int(c)))
            for dr, dc in steps:
                near = (r + dr, c + dc)
                if 0 <= near[0] < rows and 0 <= near[1] < columns and mask[near] and near not in seen:
                    seen.add(near)
                    queue.append(near)
        found.append(patch)
    return found


def put_together(
    line: np.ndarray,
    inside: np.ndarray,
    prohibited: np.ndarray,
    masked: np.ndarray,
    area: np.ndarray,
    areas: np.ndarray | None,
    connectivity: int,
    least: float,
    fill: float,
    share: float,
) -> np.ndarray:
    """The line after masks, alignment, least patch and holes."""
    rows, columns = line.shape
    line = line & inside & ~masked

    def km2(patch: list[tuple[int, int]]) -> float:
        return sum(float(area[r]) for r, _ in patch)

    if areas is not None:
        added = np.zeros_like(line)
        for patch in components(areas & inside, connectivity):
            covered = km2([cell for cell in patch if line[cell]])
            if covered > 0 and covered >= share * km2(patch) * (1 - 1e-12):
                for cell in patch:
                    added[cell] = not masked[cell]
        line = line | added
    for patch in components(line, connectivity):
        if km2(patch) < least * (1 - 1e-12) and not any(prohibited[cell] for cell in patch):
            for cell in patch:
                line[cell] = False
    other = 4 if connectivity == 8 else 8
    for patch in components(inside & ~line, other):
        closed = True
        for r, c in patch:
            for dr in (-1, 0, 1):
                for dc in (-1, 0, 1):
                    if other == 4 and dr and dc:
                        continue
                    y, x = r + dr, c + dc
                    closed &= 0 <= y < rows and 0 <= x < columns and bool(inside[y, x])
        if closed and km2(patch) < fill * (1 - 1e-12):
            for cell in patch:
                line[cell] = not masked[cell]
    return line


def refused(old: Any, new: Any, area: Any, functions: Any, regions: Any, classes: Any, converted: Any) -> bool:
    """Whether a revision loses anything, cell by cell; amounts are whole numbers."""
    cells = range(len(old))
    for members in regions:
        mine = [u for u in cells if members[u]]
        for values in (area, *functions):
            if sum(values[u] for u in mine if new[u]) < sum(values[u] for u in mine if old[u]):
                return True
        for code in set(classes) - {-1}:
            of = [u for u in mine if classes[u] == code]
            if sum(area[u] for u in of if new[u]) < sum(area[u] for u in of if old[u]):
                return True
        if any(converted[u] and old[u] != new[u] for u in mine):
            return True
    return False
