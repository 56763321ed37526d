"""Ecosystem services, carbon and sensitive land: their share inside the plan against the share of area."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prioritize.accounting import realms, share_of, sums, texts
from prioritize.table import Judged, Table

GROUPS = ("service", "carbon")
COLUMNS = {
    "name": "Name of the service, or of the unit layer that the scenario uses.",
    "kind": "`service` or `carbon` (feature groups), or `layer`.",
    "realm": "Realm in which it lies, all where the feature table does not say.",
    "unit": "Unit of the amounts.",
    "total": "Amount in all.",
    "inside": "Amount inside the plan, contributions of zones not counted.",
    "share": "inside / total.",
    "area_share": "Share of the area of the realm that the plan selects.",
    "efficiency": "share / area_share: above 1 the plan holds more of it than any land of the same size would.",
    "per_cost": "inside / cost of the whole plan, amounts per cost unit.",
}


def services(judged: Judged) -> list[Table]:
    """`services`: one row for each feature of group `service` or `carbon`, and each layer of the terms."""
    landscape, found = judged.problem.landscape, judged.figures
    chosen = judged.selection.any(axis=1)
    code, names = realms(landscape)
    whole = sums(code, landscape.area_km2, len(names))
    inside = sums(code, np.where(chosen, landscape.area_km2, 0.0), len(names))
    area_share = {"all": inside.sum() / whole.sum(), **dict(zip(names, share_of(inside, whole), strict=True))}
    group, realm = texts(landscape.features, "group"), texts(landscape.features, "realm")
    unit = texts(landscape.features, "unit")
    feature_names = landscape.features["name"].to_numpy()
    rows: list[tuple[str, str, str, str, float, float]] = []
    for f in np.flatnonzero(np.isin(group, GROUPS)):
        where = realm[f] if realm[f] in names else "all"
        rows.append(
            (feature_names[f], group[f], where, unit[f], float(judged.problem.denominator[f]), float(found.inside[f]))
        )
    for name, values in landscape.layers.items():
        # a layer of one realm is compared with the land of that realm
        own = [k for k in range(len(names)) if values[code == k].any()]
        where = names[own[0]] if len(own) == 1 else "all"
        label = name.rpartition("/")[2]  # a file is told by its name
        rows.append((label, "layer", where, "", float(values.sum()), float(values[chosen].sum())))
    if not rows:
        return []
    frame = pd.DataFrame(rows, columns=["name", "kind", "realm", "unit", "total", "inside"])
    frame["share"] = share_of(frame["inside"].to_numpy(), frame["total"].to_numpy())
    frame["area_share"] = frame["realm"].map(area_share)
    frame["efficiency"] = share_of(frame["share"].to_numpy(), frame["area_share"].to_numpy())
    cost = float(landscape.cost[judged.selection].sum())
    frame["per_cost"] = share_of(frame["inside"].to_numpy(), np.array(cost))
    return [Table("services", "Services and carbon against area", frame, COLUMNS, order=24)]


MEMBER = services
