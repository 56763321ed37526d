"""What OECMs, or any other zone beside protected areas, add."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prioritize.accounting import TENURE, texts
from prioritize.landscape import LOCKED_IN
from prioritize.table import Judged, Table
from prioritize.tolerance import reached

ADDS = {
    "zone": "Zone, or all zones of that kind where there are several.",
    "kind": "Kind of the zone.",
    "type": "OECM type, where the scenario says.",
    "area_km2": "Area given this zone.",
    "area_new_km2": "The part of units that were not locked in.",
    "cost_new": "Cost of these.",
    "targets_met": "Targets that the whole plan meets.",
    "met_without": "Targets that it would meet if nothing in this zone counted.",
    "met_thanks_to_it": "Targets that are met only thanks to this zone.",
    "share_of_held": "Mean over the features with a target of the part of the held amount that lies in this zone.",
}
LIST = {
    "zone": "Zone.",
    "feature": "Feature whose target is met only thanks to it.",
    "group": "Group of the feature table.",
    "target": "Amount to hold.",
    "held_without": "What would be held if nothing in this zone counted.",
    "held": "What is held, contributions counted.",
}


def oecm(judged: Judged) -> list[Table]:
    """`zones_add` (one row a zone that is not `protected`) and `zones_add_features`."""
    problem, found, landscape = judged.problem, judged.figures, judged.problem.landscape
    others = [z for z, zone in enumerate(landscape.zones) if zone.kind != TENURE[0]]
    if not others or not found.asked.any():
        return []
    groups: list[tuple[str, list[int]]] = [(landscape.zones[z].name, [z]) for z in others]
    for kind in dict.fromkeys(landscape.zones[z].kind for z in others):
        same = [z for z in others if landscape.zones[z].kind == kind]
        if len(same) > 1:
            groups.append((f"all {kind}", same))
    counted, held = found.counted_by_zone, found.held
    new = judged.selection & (landscape.status != LOCKED_IN)
    names, group = landscape.features["name"].to_numpy(), texts(landscape.features, "group")
    rows, listed = [], []
    for name, zones in groups:
        without = held - counted[:, zones].sum(axis=1)
        met_without = found.asked & reached(without, problem.target)
        only = np.flatnonzero(found.met & ~met_without)
        asked = found.asked & (held > 0)
        part = counted[asked][:, zones].sum(axis=1) / held[asked]
        types = {landscape.zones[z].type or "" for z in zones}
        rows.append(
            (
                name,
                landscape.zones[zones[0]].kind,
                types.pop() if len(types) == 1 else "",
                float(landscape.area_km2[judged.selection[:, zones].any(axis=1)].sum()),
                float(landscape.area_km2[new[:, zones].any(axis=1)].sum()),
                float(landscape.cost[:, zones][new[:, zones]].sum()),
                int(found.met.sum()),
                int(met_without.sum()),
                len(only),
                float(part.mean()) if len(part) else 0.0,
            )
        )
        listed += [(name, names[f], group[f], problem.target[f], without[f], held[f]) for f in only]
    note = (
        "Without means: the units of the zone stay, but do not count. A plan made without the zone would use other "
        "units; comparing scenarios says what that costs."
    )
    return [
        Table(
            "zones_add", "What zones beside protected areas add", pd.DataFrame(rows, columns=list(ADDS)), ADDS, note, 33
        ),
        Table(
            "zones_add_features",
            "Targets met only thanks to a zone",
            pd.DataFrame(listed, columns=list(LIST)),
            LIST,
            order=34,
        ),
    ]


MEMBER = oecm
