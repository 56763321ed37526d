"""Headline indicator 3.1 of the Kunming-Montreal Global Biodiversity Framework, with its disaggregations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prioritize.accounting import CLASSES, reaches, realms, share_of, sums
from prioritize.table import Judged, Table

COLUMNS = {
    "disaggregation": "realm x type, governance, effectiveness, KBA, or ecoregion.",
    "category": "Category of the disaggregation.",
    "realm": "Realm, or `all` where the category is counted in sites.",
    "today_km2": "Area that exists, km2.",
    "today_share": "The same as a share of the realm, or of the sites.",
    "plan_km2": "Area with the plan, km2.",
    "plan_share": "The same as a share of the realm, or of the sites.",
    "count": "Number of sites or ecoregions that the row is about; empty for areas.",
}
NOTE = (
    "Indicator 3.1 is the coverage of protected areas and OECMs; land and inland waters, and sea, are told apart, and "
    "redline that is neither does not count. Governance and effectiveness are those of the zones of the scenario; what "
    "exists outside the plan has no known governance. KBAs: mean share of the sites; ecoregions: share of "
    "ecoregions of which the threshold is covered."
)
UNKNOWN = "not reported"


def indicator(judged: Judged) -> list[Table]:
    """`indicator_3_1`."""
    landscape, settings = judged.problem.landscape, judged.scenario.tables
    code, names = realms(landscape)
    whole = sums(code, landscape.area_km2, len(names))
    counted = slice(0, CLASSES.index("oecm") + 1)
    today, plan = judged.classes.today[:, counted], judged.classes.plan[:, counted]
    rows: list[tuple[str, str, str, float, float, float, float, float]] = []

    def areas(kind: str, category: str, before: np.ndarray, after: np.ndarray) -> None:
        first, then = sums(code, before, len(names)), sums(code, after, len(names))
        for k, name in enumerate(names):
            share = share_of(first, whole)[k], share_of(then, whole)[k]
            rows.append((kind, category, name, first[k], share[0], then[k], share[1], np.nan))

    areas("type", "protected areas and OECMs", today.sum(axis=1), plan.sum(axis=1))
    areas("type", "protected areas", today[:, 0], plan[:, 0])
    areas("type", "OECMs", today[:, 1], plan[:, 1])
    inside = plan.sum(axis=1)
    unknown = np.full(len(inside), np.nan)
    for governance in sorted({zone.governance or UNKNOWN for zone in landscape.zones} | {UNKNOWN}):
        zones = [z for z, zone in enumerate(landscape.zones) if (zone.governance or UNKNOWN) == governance]
        mine = judged.selection[:, zones].any(axis=1)
        if governance == UNKNOWN:
            mine = mine | ~judged.selection.any(axis=1)
        areas("governance", governance, unknown, np.where(mine, inside, 0.0))
    areas("effectiveness", "area x effectiveness", unknown, judged.classes.effective[:, counted].sum(axis=1))
    for level, kind in [
        *((level, "mean of sites") for level in settings.priority_levels),
        *((level, f"{100 * settings.area_threshold:g} % covered") for level in settings.ecoregion_levels),
    ]:
        if level not in landscape.groups:
            continue
        grouping = landscape.groups[level]
        site = sums(grouping.code, landscape.area_km2, len(grouping.names))
        area = [sums(grouping.code, values.sum(axis=1), len(grouping.names)) for values in (today, plan)]
        shares = [share_of(values, site) for values in area]
        if kind != "mean of sites":
            shares = [reaches(share, settings.area_threshold) for share in shares]
        first, then = (float(np.nanmean(share)) for share in shares)
        rows.append((level, kind, "all", area[0].sum(), first, area[1].sum(), then, len(site)))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return [Table("indicator_3_1", "KMGBF headline indicator 3.1", frame, COLUMNS, NOTE, order=5)]


MEMBER = indicator
