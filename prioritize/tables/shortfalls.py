"""Features that miss their target, and the cheapest way to close each gap."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prioritize.table import Judged, Table
from prioritize.tables._closing import DEFINITIONS, NOTE, addable, close_feature

#: units that are named; the others are counted
NAMED = 20

COLUMNS = {
    "feature": "Name of the feature.",
    "unit": "Unit of the amounts.",
    "target": "Amount to hold.",
    "held": "Amount held, contributions counted.",
    "missing": "Amount missing.",
    "missing_share": "missing / target.",
    "reachable": "Whether all free units together hold what is missing.",
    **DEFINITIONS,
    "units": f"Ids of these units, the first {NAMED}.",
}


def shortfalls(judged: Judged) -> list[Table]:
    """`shortfalls`: the worst by share of the target, in the order of the feature table where equal."""
    problem, found = judged.problem, judged.figures
    landscape = problem.landscape
    if not found.asked.any():
        return []
    missing = np.where(found.asked & ~found.met, problem.target - found.held, 0.0)
    share = np.divide(missing, problem.target, out=np.zeros_like(missing), where=found.asked)
    open_ones = np.flatnonzero(missing > 0)
    worst = open_ones[np.argsort(-share[open_ones], kind="stable")][: judged.scenario.tables.worst]
    free = addable(landscape, judged.selection)
    names, unit = landscape.features["name"].to_numpy(), landscape.features["unit"].to_numpy()
    rows = []
    for f in worst:
        way = close_feature(landscape, free, int(f), float(missing[f]))
        ids = [str(number) for number in landscape.unit_id[way.units[:NAMED]]]
        row = (names[f], unit[f], problem.target[f], found.held[f], missing[f], share[f], np.isfinite(way.upper))
        rows.append((*row, finite(way.lower), finite(way.upper), len(way.units), " ".join(ids)))
    said = (
        f"{len(open_ones)} of {int(found.asked.sum())} targets are missed; the worst {len(worst)} are listed. {NOTE}"
        if len(open_ones)
        else f"All {int(found.asked.sum())} targets are met."
    )
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return [Table("shortfalls", "Targets that are missed, and what would close each gap", frame, COLUMNS, said, 30)]


def finite(value: float) -> float:
    """The value, NaN where it is infinite: a CSV file has no infinity."""
    return value if np.isfinite(value) else float("nan")


MEMBER = shortfalls
