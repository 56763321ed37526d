"""Targets of a national gap analysis: an area for the rare, a share for the common."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from prioritize.targets._range import RangeRule
from prioritize.targets._rule import Asked


class Watson(RangeRule):
    """Hold 1,000 km2 (or all) of ranges below 10,000 km2, and 10 % of larger ones.

    Watson et al. (2010) The capacity of Australia's protected-area system to represent threatened species,
    Conservation Biology 25:324-332; cap of Butchart et al. (2015), Conservation Letters 8:329-337.
    """

    source: ClassVar[str] = (
        "Watson et al. (2010) Conservation Biology 25:324-332; "
        "cap of Butchart et al. (2015) Conservation Letters 8:329-337"
    )
    rule: Literal["watson"] = "watson"
    rare_km2: float = Field(10_000.0, gt=0, description="ranges below this are rare (km2)")
    rare_area_km2: float = Field(1000.0, ge=0, description="area of a rare range to hold (km2)")
    common_share: float = Field(0.1, ge=0, le=1, description="share of a larger range to hold (0..1)")

    def area(self, ask: Asked, range_km2: np.ndarray) -> np.ndarray:
        """An area below the threshold, a share from it on."""
        return np.where(range_km2 < self.rare_km2, self.rare_area_km2, self.common_share * range_km2)

    def sentence(self) -> str:
        """Both sides of the threshold."""
        return (
            f"{self.rare_area_km2:,.0f} km2 (or all) of ranges below {self.rare_km2:,.0f} km2, "
            f"{100 * self.common_share:g} % of larger ones{self.tail()}"
        )


MEMBER = Watson
