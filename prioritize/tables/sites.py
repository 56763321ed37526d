"""Priority areas and key biodiversity areas: how much of each site is covered."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prioritize.accounting import RULES, reaches, share_of, sums
from prioritize.table import Judged, Table

SITES = {
    "level": "Level of the sites (tables.priority_levels).",
    "site": "Name of the site.",
    "site_km2": "Area of the site in the planning units, km2.",
    "today_share": "Share in protected areas and OECMs that exist.",
    **{f"share_{rule}": f"Share covered with the plan by {words}." for rule, (_, words) in RULES.items()},
}
SUMMARY = {
    "level": SITES["level"],
    "rule": "What counts; `today` = protected areas and OECMs that exist.",
    "sites": "Number of sites.",
    "mean_share": "Mean over the sites of the share covered: every site counts the same.",
    "area_share": "Area covered over area of all sites: large sites count more.",
    "n_at_threshold": "Sites whose share reaches the threshold.",
    "n_full": "Sites that are wholly covered.",
    "n_zero": "Sites of which nothing is covered.",
    "zero_sites": "Their names.",
    "threshold": "The threshold.",
}


def sites(judged: Judged) -> list[Table]:
    """`priority_areas` (by level and rule) and `priority_area_list` (one row a site)."""
    landscape, settings = judged.problem.landscape, judged.scenario.tables
    levels = [level for level in settings.priority_levels if level in landscape.groups]
    if not levels:
        return []
    lists, rows = [], []
    for level in levels:
        code, names = landscape.groups[level].code, landscape.groups[level].names
        whole = sums(code, landscape.area_km2, len(names))
        covered = np.cumsum(sums(code, judged.classes.plan, len(names)), axis=1)
        today = sums(code, judged.classes.today, len(names)).sum(axis=1)
        areas = {"today": today, **{rule: covered[:, count - 1] for rule, (count, _) in RULES.items()}}
        shares = {rule: share_of(area, whole) for rule, area in areas.items()}
        named = {"today_share" if rule == "today" else f"share_{rule}": share for rule, share in shares.items()}
        lists.append(pd.DataFrame({"level": level, "site": names, "site_km2": whole, **named}))
        for rule, share in shares.items():
            zero = np.flatnonzero(share <= 1e-12)
            rows.append(
                {
                    "level": level,
                    "rule": rule,
                    "sites": len(names),
                    "mean_share": float(np.mean(share)),
                    "area_share": float(areas[rule].sum() / whole.sum()),
                    "n_at_threshold": int(reaches(share, settings.area_threshold).sum()),
                    "n_full": int(reaches(share, 1.0).sum()),
                    "n_zero": len(zero),
                    "zero_sites": "; ".join(names[k] for k in zero),
                    "threshold": settings.area_threshold,
                }
            )
    return [
        Table("priority_areas", "Priority areas and KBAs", pd.DataFrame(rows), SUMMARY, order=22),
        Table("priority_area_list", "Every priority area", pd.concat(lists, ignore_index=True), SITES, order=23),
    ]


MEMBER = sites
