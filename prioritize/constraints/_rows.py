"""What all constraints over a unit layer share: rows that say low <= sum of a layer over the selection <= high."""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse

from prioritize.problem import Problem, zone_numbers
from prioritize.program import Builder
from prioritize.tolerance import cancelling, least, most

#: (name, (U,) or (U, Z) values, low, high, unit)
Row = tuple[str, np.ndarray, float, float, str]


def by_unit_and_zone(values: np.ndarray, problem: Problem, zones: list[str] | None) -> np.ndarray:
    """(U, Z) values: zero in the zones that do not count."""
    grid = np.zeros((problem.landscape.shape[0], problem.landscape.shape[2]))
    numbers = zone_numbers(problem.landscape, zones)
    grid[:, numbers] = values[:, None] if values.ndim == 1 else values[:, numbers]
    return grid


def add_layer_rows(to: Builder, problem: Problem, rows: list[Row], zones: list[str] | None) -> None:
    """Add the rows to the program."""
    if not rows:
        return
    matrix = sparse.vstack(
        [sparse.csr_array(by_unit_and_zone(values, problem, zones).reshape(1, -1)) for _, values, *_ in rows],
        format="csr",
    )
    to.add_rows(
        [name for name, *_ in rows],
        matrix,
        lower=np.array([low for _, _, low, _, _ in rows]),
        upper=np.array([high for _, _, _, high, _ in rows]),
        unit=[unit for *_, unit in rows],
    )


def broken_rows(problem: Problem, rows: list[Row], zones: list[str] | None, selection: np.ndarray) -> list[str]:
    """Rows that a (U, Z) selection violates, in words."""
    found = []
    for name, values, low, high, unit in rows:
        grid = by_unit_and_zone(values, problem, zones)
        amount, both = math.fsum(grid[selection].tolist()), cancelling(grid)
        if amount < least(low, both):
            found.append(f"{name} is {amount:.10g} {unit}, less than {low:.10g}")
        if amount > most(high, both):
            found.append(f"{name} is {amount:.10g} {unit}, more than {high:.10g}")
    return found
