"""Every feature: what is there, what is held, against its target."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prioritize.accounting import share_of, texts
from prioritize.table import Judged, Table

#: columns of a feature table that are told where it has them
KEYS = {
    "group": "Group of the feature table.",
    "taxon": "Taxonomic group.",
    "realm": "Realm in which the feature lies.",
    "protection_class": "National protection class.",
    "iucn": "Red List category.",
    "endemic": "Endemic or not.",
}
COLUMNS = {
    "feature": "Name of the feature.",
    **KEYS,
    "unit": "Unit of the amounts.",
    "total": "Amount that shares are shares of: in the planning units, or in the whole layer (targets.denominator).",
    "inside": "Amount inside the plan, contributions not counted.",
    "share": "inside / total.",
    "today_share": "Share of total in protected areas and OECMs that exist.",
    "present": "Whether any amount is inside the plan.",
    "target": "Amount to hold; 0 = no target.",
    "target_share": "target / total.",
    "rule": "Rule that gave the target.",
    "held": "Amount that counts towards the target: inside times the contribution of its zone.",
    "met": "Whether the target is met; empty without a target.",
    "missing": "Amount missing to the target.",
}


def features(judged: Judged) -> list[Table]:
    """`features`: one row each; gap species are those that are not present."""
    found, problem = judged.figures, judged.problem
    table = problem.landscape.features
    met = found.met
    frame = pd.DataFrame(
        {
            "feature": table["name"].to_numpy(),
            **{key: texts(table, key) for key in KEYS if key in table},
            "unit": texts(table, "unit"),
            "total": problem.denominator,
            "inside": found.inside,
            "share": found.share,
            "today_share": share_of(found.today, problem.denominator),
            "present": found.present,
            "target": problem.target,
            "target_share": share_of(problem.target, problem.denominator),
            "rule": np.where(found.asked, judged.scenario.targets.provenance(problem.landscape)["rule"], ""),
            "held": found.held,
            "met": np.where(found.asked, np.where(met, "yes", "no"), ""),
            "missing": np.where(found.asked & ~met, problem.target - found.held, 0.0),
        }
    )
    return [Table("features", "Every feature", frame, {key: COLUMNS[key] for key in frame}, order=13)]


MEMBER = features
