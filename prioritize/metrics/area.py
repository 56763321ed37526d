"""Area of the selection, in km2 and as a share, by zone, realm and region."""

from __future__ import annotations

import numpy as np

from prioritize.landscape import LOCKED_IN
from prioritize.problem import Problem


def measure(problem: Problem, selection: np.ndarray) -> list[tuple[str, str, str, str, float, str]]:
    """Rows `area`, `area_share` and `area_share_locked_in` for everything and each group, for all zones and each."""
    landscape = problem.landscape
    area = landscape.area_km2
    layers = [("", selection.any(axis=1))] + [(z.name, selection[:, k]) for k, z in enumerate(landscape.zones)]
    before = (landscape.status == LOCKED_IN).any(axis=1)
    rows: list[tuple[str, str, str, str, float, str]] = []
    groups: list[tuple[str, np.ndarray, tuple[str, ...]]] = [("all", np.zeros(len(area), np.int32), ("all",))]
    groups += [(level, item.code, item.names) for level, item in landscape.groups.items()]
    for level, code, names in groups:
        inside = code >= 0

        def sums(
            values: np.ndarray, code: np.ndarray = code, inside: np.ndarray = inside, n: int = len(names)
        ) -> np.ndarray:
            return np.bincount(code[inside], values[inside], n)

        total = sums(area)
        share = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        labels = [name if level == "all" else f"{level}:{name}" for name in names]
        for zone, chosen in layers:
            part = sums(np.where(chosen, area, 0.0))
            rows.extend(("area", "", label, zone, float(v), "km2") for label, v in zip(labels, part, strict=True))
            rows.extend(
                ("area_share", "", label, zone, float(v), "1") for label, v in zip(labels, part * share, strict=True)
            )
        held = sums(np.where(before, area, 0.0)) * share
        rows.extend(
            ("area_share_locked_in", "", label, "", float(v), "1") for label, v in zip(labels, held, strict=True)
        )
    return rows


MEMBER = measure
