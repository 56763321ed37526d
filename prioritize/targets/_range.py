"""What rules share that look at the range of a species in km2: units, national scaling, cap, clamp."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from prioritize.errors import DataError
from prioritize.landscape import some
from prioritize.targets._rule import Asked, TargetRule

#: largest target of Butchart et al. (2015) Conservation Letters 8:329-337
CAP_KM2 = 1e6


class RangeRule(TargetRule):
    """A rule on ranges: f km2 -> target in km2, never more than the cap or the range itself."""

    cap_km2: float | None = Field(CAP_KM2, gt=0, description="no target is larger (km2)")
    scale: Literal["national", "global_then_scaled"] = Field(
        "national",
        description="apply the rule to the range in the landscape, or to the global range, and take the landscape's "
        "share of that target",
    )
    global_range: str = Field(
        "global_range_km2",
        description="column with global ranges (km2); where it is empty, the range in the landscape is all there is",
    )
    unit: Literal["km2", "ha", "m2", "share"] | None = Field(
        None,
        description="unit of all amounts, where the feature table's `unit` does not say: km2, ha, m2, or share (of "
        "the planning unit's area: presence is 1)",
    )

    def area(self, ask: Asked, range_km2: np.ndarray) -> np.ndarray:
        """(k,) targets (km2) for ranges (km2), before cap and clamp."""
        raise NotImplementedError

    def amounts(self, ask: Asked) -> np.ndarray:
        """Ranges from amounts, the rule, the cap, and back.

        Raises
        ------
        DataError
            If amounts of a feature are no areas, or a column is missing.
        """
        inside = self._inside(ask)
        seen = self.range_km2(ask)
        target = np.minimum(self.area(ask, seen), seen)
        if self.cap_km2 is not None:
            target = np.minimum(target, self.cap_km2)
        share = np.divide(inside, seen, out=np.zeros_like(seen), where=seen > 0)
        # by way of the share, so that all of a range is all of its amount, to the last digit
        part = np.divide(target * share, inside, out=np.zeros_like(inside), where=inside > 0)
        return np.clip(part, 0.0, 1.0) * ask.totals

    def range_km2(self, ask: Asked) -> np.ndarray:
        """(k,) range that the rule looks at: in the landscape, or global."""
        inside = self._inside(ask)
        if self.scale == "national":
            return inside
        whole = ask.numbers(self.global_range, f"targets.scale = '{self.scale}'", missing=True)
        # a global range smaller than its part here comes from another source, or date
        return np.maximum(np.nan_to_num(whole), inside)

    def _inside(self, ask: Asked) -> np.ndarray:
        """(k,) range in the landscape (km2)."""
        factor = ask.km2_per_amount(self.unit)
        lost = np.isnan(factor)
        if lost.any():
            units = ask.landscape.features["unit"].iloc[ask.rows[lost]].unique()
            raise DataError(
                f"targets.rule = '{self.rule}' needs ranges in km2, but the amounts of "  # type: ignore[attr-defined]
                f"{some(ask.names[lost])} are in {some(np.array([repr(str(unit)) for unit in units]))}: say what they "
                'are (targets.unit = "km2", "ha", "m2" or "share", or a column `unit` in the feature table), '
                "or give these features a rule of their own (targets.by_group = { service = 0.5 } or by_feature)"
            )
        return ask.totals * factor

    def tail(self) -> str:
        """What the sentences of all rules end with."""
        cap = "" if self.cap_km2 is None else f"; at most {self.cap_km2:,.0f} km2"
        scale = "" if self.scale == "national" else "; of the global range, scaled by the share that lies here"
        return cap + scale


def interpolate(
    range_km2: np.ndarray, rare_km2: float, rare: float, common_km2: float, common: float, how: str
) -> np.ndarray:
    """(k,) shares: `rare` up to `rare_km2`, `common` from `common_km2`, in between along f or log10 f."""
    if rare_km2 == common_km2:
        return np.where(range_km2 < rare_km2, rare, common)
    low, high = (np.log10(rare_km2), np.log10(common_km2)) if how == "log10" else (rare_km2, common_km2)
    f = np.clip(range_km2, rare_km2, common_km2)
    at = ((np.log10(f) if how == "log10" else f) - low) / (high - low)
    return rare + at * (common - rare)
