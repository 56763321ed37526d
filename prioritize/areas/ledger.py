"""What each step of the cleaning did: nothing is dropped, and no area moves, without a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

STEPS = (
    "step", "reason", "sites_before", "sites_dropped", "sites_changed", "sites_after",
    "before_km2", "after_km2", "moved_km2", "reported_km2_dropped",
)  # fmt: skip
SITES = ("site_id", "site_pid", "name", "step", "reason", "dropped", "before_km2", "after_km2")


@dataclass
class Ledger:
    """Collects a row for each step and reason, and one for each site that a step changed.

    Areas are sums over sites, overlaps counted as often as there are sites, until `flatten` removes what counts twice.
    Each row begins where the one before it ended.

    Attributes
    ----------
    steps : list of dict
    sites : list of DataFrame
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    sites: list[pd.DataFrame] = field(default_factory=list)

    def record(
        self,
        step: str,
        reason: str,
        table: pd.DataFrame,
        before_km2: np.ndarray,
        after_km2: np.ndarray,
        dropped: np.ndarray | None = None,
    ) -> None:
        """Add a step.

        Parameters
        ----------
        step, reason : str
        table : DataFrame of N rows
            The sites before the step.
        before_km2, after_km2 : (N,) float64
        dropped : (N,) bool, optional
            Sites that are gone after the step; what they had is counted as moved.
        """
        gone = np.zeros(len(table), dtype=bool) if dropped is None else dropped
        after = np.where(gone, 0.0, after_km2)
        changed = (after != before_km2) & ~gone
        reported = table["rep_area_km2"].to_numpy(dtype=np.float64)
        total, left = float(before_km2.sum()), float(after.sum())
        self.steps.append(
            {
                "step": step,
                "reason": reason,
                "sites_before": len(table),
                "sites_dropped": int(gone.sum()),
                "sites_changed": int(changed.sum()),
                "sites_after": len(table) - int(gone.sum()),
                "before_km2": total,
                "after_km2": left,
                "moved_km2": left - total,
                "reported_km2_dropped": float(np.nansum(reported[gone])),
            }
        )
        told = changed | gone
        named = table["name_eng"].where(table["name_eng"] != "", table["name"])
        columns = (table["site_id"], table["site_pid"], named, step, reason, gone, before_km2, after)
        rows = pd.DataFrame(dict(zip(SITES, columns, strict=True)), index=table.index)
        self.sites.append(rows[told])

    @property
    def step_table(self) -> pd.DataFrame:
        """One row for each step and reason, in order."""
        return pd.DataFrame(self.steps, columns=list(STEPS))

    @property
    def site_table(self) -> pd.DataFrame:
        """One row for each site and step that dropped or changed it."""
        filled = [rows for rows in self.sites if len(rows)]
        if not filled:
            return pd.DataFrame(columns=list(SITES))
        return pd.concat(filled, ignore_index=True)[list(SITES)]

    def copy(self) -> Ledger:
        """A ledger that can be continued without changing this one."""
        return Ledger(list(self.steps), list(self.sites))
