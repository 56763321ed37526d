"""Who keeps the land where sites overlap, and what the classes are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import shapely

from prioritize.areas import schema
from prioritize.areas.read import Sites


def labels(table: pd.DataFrame, by: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class of each site, and the classes in order: PA before OECM, stricter before weaker, then by name."""
    kind = table["site_type"].to_numpy(dtype=object)
    if by == "type":
        label = kind
    elif by == "iucn":
        label = np.where(kind == "PA", "PA " + table["iucn_cat"].to_numpy(dtype=object), kind)
    else:
        value = table[schema.our_name(by)].map(lambda item: str(item).strip() or "not given")
        label = kind + " " + value.to_numpy(dtype=object)
    ranks = {f"PA {name}": rank for rank, name in enumerate(schema.IUCN)}
    names = sorted(set(label), key=lambda name: (not name.startswith("PA"), ranks.get(name, 0), name))
    return label.astype(object), tuple(names)


def priority(sites: Sites, label: np.ndarray, first: str = "PA") -> np.ndarray:
    """Who keeps the land where sites overlap: (N,) positions, the first in line first.

    PA before OECM (or as `first` says), stricter IUCN category, earlier year (unknown last), then site id, parcel,
    and geometry, so that the order of the input never matters.
    """
    table = sites.table
    ranks = {name: rank for rank, name in enumerate(schema.IUCN)}
    kind = (table["site_type"] != first).to_numpy() if first != "neither" else np.zeros(len(table), dtype=bool)
    keys = pd.DataFrame(
        {
            "kind": kind,
            "category": table["iucn_cat"].map(ranks),
            "year": table["status_yr"].fillna(np.inf),
            "number": pd.to_numeric(table["site_id"], errors="coerce").fillna(np.inf),
            "id": table["site_id"],
            "parcel": table["site_pid"],
            "shape": shapely.to_wkb(shapely.normalize(sites.geometry)),
            "label": label,
        }
    )
    return keys.sort_values(list(keys.columns), kind="stable").index.to_numpy()
