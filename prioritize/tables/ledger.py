"""Area ledger: every square kilometre once, by tenure and zone. And what overlaps what."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from prioritize.accounting import realms, share_of, sums, tenure
from prioritize.table import Judged, Table

NEITHER, ALL, OUTSIDE = "neither", "all", "outside the plan"

LEDGER = {
    "realm": "Realm.",
    "zone": "Zone that the plan gives, `outside the plan`, or `all`.",
    "tenure": "What the area is today: the first of the tenure layers that it lies in, `neither`, or `all`.",
    "area_km2": "Area, km2; rows called `all` are the sums of the others.",
    "share_of_zone": "Share of the area of this zone in this realm.",
    "share_of_realm": "Share of the area of the realm.",
}
OVERLAP = {
    "a": "A zone, a tenure class, a realm, or the sites of a level taken together.",
    "b": "Another one.",
    "overlap_km2": "Area that lies in both, km2; of two tenure layers that cover parts of a unit, at most.",
    "share_of_a": "overlap_km2 as a share of the area of a.",
    "share_of_b": "overlap_km2 as a share of the area of b.",
}


def ledger(judged: Judged) -> list[Table]:
    """`ledger` (km2 by realm, zone and tenure, with margins) and `overlap`."""
    landscape, selection = judged.problem.landscape, judged.selection
    shares = tenure(landscape)
    shares[NEITHER] = np.maximum(0.0, 1.0 - sum(shares.values()))
    area = np.stack([share * landscape.area_km2 for share in shares.values()], axis=1)
    code, names = realms(landscape)
    zone_names = [*(zone.name for zone in landscape.zones), OUTSIDE]
    zone = np.where(selection.any(axis=1), selection.argmax(axis=1), len(landscape.zones))
    counts = (len(names), len(zone_names), len(shares))
    cube = sums(code.astype(np.int64) * counts[1] + zone, area, counts[0] * counts[1]).reshape(counts)
    cube = np.concatenate([cube, cube.sum(axis=1, keepdims=True)], axis=1)
    cube = np.concatenate([cube, cube.sum(axis=2, keepdims=True)], axis=2)
    index = pd.MultiIndex.from_product([names, [*zone_names, ALL], [*shares, ALL]], names=["realm", "zone", "tenure"])
    frame = pd.DataFrame({"area_km2": cube.ravel()}, index=index).reset_index()
    frame["share_of_zone"] = share_of(cube, cube[:, :, -1:]).ravel()
    frame["share_of_realm"] = share_of(cube, cube[:, -1:, -1:]).ravel()
    note = (
        "The rows of a redline zone are its split into protected areas, confirmed OECMs, candidate OECMs and neither. "
        + (
            "Tenure is what the scenario's landscape.tenure says; where layers overlap the first one counts."
            if landscape.tenure
            else "The scenario has no landscape.tenure: what is locked into a protected or OECM zone is taken for what "
            "exists, and no candidate OECM is known."
        )
    )
    return [
        Table("ledger", "Area ledger: tenure by zone", frame, LEDGER, note, order=3),
        Table("overlap", "Overlap matrix", overlap(judged, shares), OVERLAP, order=4),
    ]


def overlap(judged: Judged, shares: dict[str, np.ndarray]) -> pd.DataFrame:
    """Area shared by each pair of zones, tenure classes, realms and levels of sites.

    Zones exclude each other, and so do realms: their overlaps among themselves are left out. Tenure layers are taken as
    they are given, before the first one wins; where both cover a part of a unit, they may share the smaller part.
    """
    landscape, selection = judged.problem.landscape, judged.selection
    families: list[dict[str, np.ndarray]] = [
        {f"zone {zone.name}": selection[:, z].astype(np.float64) for z, zone in enumerate(landscape.zones)},
        {f"tenure {name}": share for name, share in {**shares, **landscape.tenure}.items()},
    ]
    if "realm" in landscape.groups:
        grouping = landscape.groups["realm"]
        families.append({f"realm {name}": (grouping.code == k) * 1.0 for k, name in enumerate(grouping.names)})
    for level in (*judged.scenario.tables.priority_levels, *judged.scenario.tables.ecoregion_levels):
        if level in landscape.groups:
            families.append({f"{level} areas": (landscape.groups[level].code >= 0) * 1.0})
    found = []
    area = landscape.area_km2
    total = {name: float(share @ area) for one in families for name, share in one.items()}
    for k, first in enumerate(families):
        for second in families[k + 1 :]:
            # shares within a unit are known of tenure alone, everything else is whole units: products are exact
            both = np.stack(list(first.values())) * area @ np.stack(list(second.values())).T
            for i, a in enumerate(first):
                for j, b in enumerate(second):
                    found.append((a, b, float(both[i, j]), total[a], total[b]))
    for (a, part), (b, other) in itertools.combinations(landscape.tenure.items(), 2):
        at_most = float(np.minimum(part, other) @ area)
        found.append((f"tenure {a}", f"tenure {b}", at_most, total[f"tenure {a}"], total[f"tenure {b}"]))
    frame = pd.DataFrame(found, columns=["a", "b", "overlap_km2", "a_km2", "b_km2"])
    frame["share_of_a"] = share_of(frame["overlap_km2"].to_numpy(), frame["a_km2"].to_numpy())
    frame["share_of_b"] = share_of(frame["overlap_km2"].to_numpy(), frame["b_km2"].to_numpy())
    return frame.drop(columns=["a_km2", "b_km2"])


MEMBER = ledger
