"""How much of each feature the selection holds, against its target."""

from __future__ import annotations

import numpy as np

from prioritize.landscape import LOCKED_IN
from prioritize.problem import Problem, held
from prioritize.tolerance import reached


def measure(problem: Problem, selection: np.ndarray) -> list[tuple[str, str, str, str, float, str]]:
    """Rows per feature (`held`, `held_share`, `held_share_locked_in`, `target`, `target_met`, `shortfall`), totals."""
    landscape = problem.landscape
    names = landscape.features["name"].to_numpy()
    units = landscape.features["unit"].to_numpy()
    have = held(landscape, selection)
    before = held(landscape, landscape.status == LOCKED_IN)
    share = np.divide(1.0, problem.denominator, out=np.zeros(len(names)), where=problem.denominator > 0)
    met = reached(have, problem.target)
    columns = [
        ("held", have, None),
        ("held_share", have * share, "1"),
        ("held_share_locked_in", before * share, "1"),
        ("target", problem.target, None),
        ("target_met", np.where(problem.target > 0, met, np.nan), "1"),
        ("shortfall", np.where(met, 0.0, problem.target - have), None),
    ]
    rows: list[tuple[str, str, str, str, float, str]] = []
    for metric, values, unit in columns:
        rows.extend(
            (metric, str(name), "", "", float(value), str(own) if unit is None else unit)
            for name, value, own in zip(names, values, units, strict=True)
        )
    if len(landscape.zones) > 1:
        for z, zone in enumerate(landscape.zones):
            only = np.zeros_like(selection)
            only[:, z] = selection[:, z]
            rows.extend(
                ("held", str(name), "", zone.name, float(value), str(own))
                for name, value, own in zip(names, held(landscape, only), units, strict=True)
            )
    asked = problem.target > 0
    rows.append(("targets_met", "", "", "", float(np.sum(met & asked)), "features"))
    rows.append(("targets", "", "", "", float(np.sum(asked)), "features"))
    return rows


MEMBER = measure
