"""Targets of the global maps for biodiversity, carbon and water: never so little that a species becomes Vulnerable."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from prioritize.targets._range import RangeRule
from prioritize.targets._redlist import SPECIES_REDUCTION, SPECIES_SIZE, red_list_area, threshold
from prioritize.targets._rule import Asked


class Jung(RangeRule):
    """Hold the larger of 2,200 km2 and 77 % of each range: Red List criteria B2 and A2 for Vulnerable, 10 % on top.

    Jung et al. (2021) Areas of global importance for conserving terrestrial biodiversity, carbon and water, Nature
    Ecology & Evolution 5:1499-1509; cap of Butchart et al. (2015), Conservation Letters 8:329-337.
    """

    source: ClassVar[str] = (
        "Jung et al. (2021) Nature Ecology & Evolution 5:1499-1509; "
        "cap of Butchart et al. (2015) Conservation Letters 8:329-337"
    )
    rule: Literal["jung"] = "jung"
    status: Literal["CR", "EN", "VU"] = Field("VU", description="Red List category whose thresholds count")
    uplift: float = Field(0.1, ge=0, description="how much more than the thresholds (0.1 = 10 %)")

    def area(self, ask: Asked, range_km2: np.ndarray) -> np.ndarray:
        """Criteria B2 and A2, the larger."""
        status = np.full(len(range_km2), self.status)
        size, loss = threshold(SPECIES_SIZE, "B2", status), threshold(SPECIES_REDUCTION, "A2", status)
        return red_list_area(range_km2, loss, size, self.uplift, "max")

    def sentence(self) -> str:
        """Both thresholds."""
        status = np.array([self.status])
        size, loss = threshold(SPECIES_SIZE, "B2", status)[0], threshold(SPECIES_REDUCTION, "A2", status)[0]
        return (
            f"the larger of {size * (1 + self.uplift):,.0f} km2 and {100 * (1 - loss) * (1 + self.uplift):g} % of each "
            f"range (Red List B2 and A2 for {self.status}, {100 * self.uplift:g} % on top){self.tail()}"
        )


MEMBER = Jung
