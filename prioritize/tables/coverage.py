"""Coverage of every realm and region under each counting rule. Realms are never pooled."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prioritize.accounting import RULES, Classes, reaches, realms, share_of, sums
from prioritize.landscape import Landscape
from prioritize.table import Judged, Table

COLUMNS = {
    "level": "Level of administration that the region belongs to.",
    "region": "Name of the region.",
    "realm": "Realm; land and sea are never added up.",
    "rule": "What counts: pa; pa_oecm; pa_oecm_candidates (candidate OECMs inside the redline too); "
    "all_zones (the whole redline).",
    "realm_km2": "Area of the realm (in the region), km2.",
    "area_km2": "Area that counts under the rule with the plan, overlaps counted once, km2.",
    "share": "area_km2 as a share of realm_km2.",
    "today_km2": "The same before the plan, km2.",
    "added_share": "Share that the plan adds to what exists.",
    "outside_plan_km2": "Part of area_km2 that exists today and that the plan did not select, km2.",
    "effective_km2": "Area times effectiveness, summed, km2.",
    "effective_share": "effective_km2 as a share of realm_km2.",
    "threshold": "Share that has to be reached.",
    "meets": "Whether `share` reaches the threshold.",
    "missing_km2": "Area that is missing to the threshold, km2.",
}
NOTE = (
    "Coverage is the area of the union divided by the area of the realm. What exists today counts whether or not the "
    "plan selects it. A zone of kind `oecm` is counted as OECM, other zones than `protected` and `oecm` as redline."
)


def coverage(judged: Judged) -> list[Table]:
    """`coverage` by realm, `coverage_regions` by region and realm."""
    landscape, settings = judged.problem.landscape, judged.scenario.tables
    parts = judged.classes
    code, names = realms(landscape)
    nation = rows(landscape, parts, code, settings.area_threshold)
    nation.insert(0, "realm", np.repeat(names, len(RULES)))
    made = [
        Table("coverage", "Coverage by realm under each counting rule", nation, defined(nation), NOTE, order=1),
    ]
    sites = {"realm", *settings.priority_levels, *settings.ecoregion_levels}
    regional = []
    for level, grouping in landscape.groups.items():
        if level in sites:
            continue
        both = np.where(grouping.code < 0, -1, grouping.code.astype(np.int64) * len(names) + code)
        frame = rows(landscape, parts, both, settings.area_threshold, len(grouping.names) * len(names))
        region, realm = np.divmod(np.arange(len(grouping.names) * len(names)), len(names))
        frame.insert(0, "level", level)
        frame.insert(1, "region", np.repeat(np.array(grouping.names, dtype=object)[region], len(RULES)))
        frame.insert(2, "realm", np.repeat(np.array(names, dtype=object)[realm], len(RULES)))
        regional.append(frame[frame["realm_km2"] > 0])
    if regional:
        frame = pd.concat(regional, ignore_index=True)
        made.append(Table("coverage_regions", "Coverage by region and realm", frame, defined(frame), NOTE, order=2))
    return made


def rows(
    landscape: Landscape, parts: Classes, code: np.ndarray, threshold: float, groups: int | None = None
) -> pd.DataFrame:
    """Four rows a group, one a rule."""
    groups = int(code.max()) + 1 if groups is None else groups
    whole = sums(code, landscape.area_km2, groups)[:, None]
    last = [count - 1 for count, _ in RULES.values()]
    # a wider rule is a narrower one and one class more: its coverage cannot be less
    area, today, selected, effective = (
        np.cumsum(sums(code, values, groups), axis=1)[:, last]
        for values in (parts.plan, parts.today, parts.selected, parts.effective)
    )
    share = share_of(area, whole)
    meets = reaches(share, threshold)
    columns = {
        "rule": np.tile(list(RULES), groups),
        "realm_km2": np.repeat(whole, len(RULES)),
        "area_km2": area,
        "share": share,
        "today_km2": today,
        "added_share": share_of(area - today, whole),
        "outside_plan_km2": np.maximum(0.0, area - selected),
        "effective_km2": effective,
        "effective_share": share_of(effective, whole),
        "threshold": np.full(area.shape, threshold),
        "meets": meets,
        "missing_km2": np.where(meets, 0.0, np.maximum(0.0, threshold * whole - area)),
    }
    return pd.DataFrame({key: np.asarray(values).ravel() for key, values in columns.items()})


def defined(frame: pd.DataFrame) -> dict[str, str]:
    """Definitions of the columns that a frame has."""
    return {column: COLUMNS[column] for column in frame}


MEMBER = coverage
