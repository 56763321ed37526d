"""Whether a line goes on across the borders of administration."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prioritize.landscape import Graph, Grouping
from prioritize.table import Table


def border_match(inside: np.ndarray, graph: Graph, grouping: Grouping) -> Table:
    """Border match rate: how much of the line's border length meets the line again on the other side.

    Counted over the sides of units inside the line that touch a unit of another region: a side where both units are
    inside counts for both, and matches; one with the line on one side only does not.

    Parameters
    ----------
    inside : (U,) bool
    graph : Graph
    grouping : Grouping
        Regions; units without one have no border.

    Returns
    -------
    Table
        A row for each pair of regions that touch, and `all`.
    """
    i, j, length = graph.edges()
    code = np.asarray(grouping.code)
    across = (code[i] != code[j]) & (code[i] >= 0) & (code[j] >= 0)
    i, j, length = i[across], j[across], length[across]
    inside = np.asarray(inside, dtype=bool)
    both, either = inside[i] & inside[j], inside[i] | inside[j]
    frame = pd.DataFrame(
        {
            "a": np.minimum(code[i], code[j]),
            "b": np.maximum(code[i], code[j]),
            "border_km": length / 1000,
            "matched_km": np.where(both, length, 0.0) / 1000,
            "mismatched_km": np.where(either & ~both, length, 0.0) / 1000,
        }
    )
    pairs = frame.groupby(["a", "b"], as_index=False).sum()
    names = np.array(grouping.names, dtype=object)
    lengths = ["border_km", "matched_km", "mismatched_km"]
    table = pd.DataFrame({"region": names[pairs["a"]], "neighbour": names[pairs["b"]], **pairs[lengths]})
    whole = {"region": "all", "neighbour": "all", **frame[lengths].sum().to_dict()}
    table = pd.concat([pd.DataFrame([whole]), table], ignore_index=True)
    sides = 2 * table["matched_km"] + table["mismatched_km"]
    table["match_rate"] = np.where(sides > 0, 2 * table["matched_km"] / sides.where(sides > 0, 1.0), np.nan)
    columns = {
        "region": "Region.",
        "neighbour": "Region that it touches.",
        "border_km": "Length of their common border.",
        "matched_km": "Length with the line on both sides.",
        "mismatched_km": "Length with the line on one side only.",
        "match_rate": "Share of the line's sides at the border that meet the line again; empty where it meets none.",
    }
    return Table("redline_borders", "Continuity of the line across borders", table, columns)
