"""Outline of the selection."""

from __future__ import annotations

import numpy as np

from prioritize.problem import Problem


def measure(problem: Problem, selection: np.ndarray) -> list[tuple[str, str, str, str, float, str]]:
    """Rows `boundary` (outer boundary counted whole): of all that is selected, and of each zone."""
    landscape = problem.landscape
    rows = [("boundary", "", "", "", landscape.graph.outline(selection.any(axis=1)), landscape.length_unit)]
    for z, zone in enumerate(landscape.zones):
        rows.append(("boundary", "", "", zone.name, landscape.graph.outline(selection[:, z]), landscape.length_unit))
    return rows


MEMBER = measure
