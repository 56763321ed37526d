"""Representation: the share of each ecosystem type and ecoregion that is covered, and how equal the shares are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prioritize.accounting import RULES, gini, reaches, share_of, sums, texts
from prioritize.table import Judged, Table

TYPES = {
    "kind": "`ecosystem` (a feature of that group), or the level of ecoregions.",
    "name": "Name of the type or ecoregion.",
    "unit": "Unit of the amounts.",
    "total": "Amount in all, or km2.",
    "inside": "Amount inside the plan, contributions not counted; of ecoregions all that counts under all_zones, km2.",
    "share": "inside / total.",
    "meets": "Whether the share reaches the threshold.",
}
SUMMARY = {
    "kind": TYPES["kind"],
    "types": "Number of types.",
    "mean_share": "Mean share of the types.",
    "least_share": "Share of the least represented type.",
    "n_at_threshold": "Types whose share reaches the threshold.",
    "n_zero": "Types of which nothing is covered.",
    "gini": "Gini coefficient of the shares, unweighted: 0 = all types are covered alike.",
    "threshold": "The threshold.",
}


def representation(judged: Judged) -> list[Table]:
    """`ecosystems` (one row a type) and `ecosystem_summary`."""
    landscape, settings = judged.problem.landscape, judged.scenario.tables
    found = judged.figures
    mask = texts(landscape.features, "group") == "ecosystem"
    parts = []
    if mask.any():
        parts.append(
            pd.DataFrame(
                {
                    "kind": "ecosystem",
                    "name": landscape.features["name"].to_numpy()[mask],
                    "unit": texts(landscape.features, "unit")[mask],
                    "total": judged.problem.denominator[mask],
                    "inside": found.inside[mask],
                }
            )
        )
    for level in settings.ecoregion_levels:
        if level in landscape.groups:
            code, names = landscape.groups[level].code, landscape.groups[level].names
            counts = judged.classes.plan[:, : RULES["all_zones"][0]].sum(axis=1)
            whole, inside = (sums(code, values, len(names)) for values in (landscape.area_km2, counts))
            parts.append(pd.DataFrame({"kind": level, "name": names, "unit": "km2", "total": whole, "inside": inside}))
    if not parts:
        return []
    frame = pd.concat(parts, ignore_index=True)
    frame["share"] = share_of(frame["inside"].to_numpy(), frame["total"].to_numpy())
    frame["meets"] = reaches(frame["share"].to_numpy(), settings.area_threshold)
    return [
        Table("ecosystems", "Ecosystem types and ecoregions", frame, TYPES, order=21),
        Table("ecosystem_summary", "Representation", summary(frame, settings.area_threshold), SUMMARY, order=20),
    ]


def summary(frame: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """One row a kind; types of which there is nothing do not count."""
    rows = []
    for kind, part in frame.groupby("kind", sort=False):
        shares = part["share"].dropna().to_numpy()
        rows.append(
            {
                "kind": kind,
                "types": len(shares),
                "mean_share": float(np.mean(shares)) if len(shares) else np.nan,
                "least_share": float(np.min(shares)) if len(shares) else np.nan,
                "n_at_threshold": int(reaches(shares, threshold).sum()),
                "n_zero": int((shares <= 0).sum()),
                "gini": gini(shares),
                "threshold": threshold,
            }
        )
    return pd.DataFrame(rows)


MEMBER = representation
