"""Cost of the selection, by zone and region, and what is new beside what was locked in."""

from __future__ import annotations

import numpy as np

from prioritize.landscape import LOCKED_IN
from prioritize.problem import Problem


def measure(problem: Problem, selection: np.ndarray) -> list[tuple[str, str, str, str, float, str]]:
    """Rows `cost`, `cost_new` (units that were not locked in) and `units`."""
    landscape = problem.landscape
    unit = landscape.cost_unit
    rows = [
        ("cost", "", "", "", float(landscape.cost[selection].sum()), unit),
        ("cost_new", "", "", "", float(landscape.cost[selection & (landscape.status != LOCKED_IN)].sum()), unit),
        ("units", "", "", "", float(selection.any(axis=1).sum()), "units"),
    ]
    for z, zone in enumerate(landscape.zones):
        chosen = selection[:, z]
        rows.append(("cost", "", "", zone.name, float(landscape.cost[chosen, z].sum()), unit))
        rows.append(("units", "", "", zone.name, float(chosen.sum()), "units"))
    for level, grouping in landscape.groups.items():
        spent = np.where(selection, landscape.cost, 0.0).sum(axis=1)
        sums = np.bincount(grouping.code[grouping.code >= 0], spent[grouping.code >= 0], len(grouping.names))
        rows.extend(
            ("cost", "", f"{level}:{name}", "", float(v), unit) for name, v in zip(grouping.names, sums, strict=True)
        )
    return rows


MEMBER = measure
