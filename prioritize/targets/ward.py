"""Targets of the estimated cost of preventing extinctions: enough to be Critically Endangered at worst."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from prioritize.targets._range import RangeRule
from prioritize.targets._redlist import SPECIES_REDUCTION, SPECIES_SIZE, red_list_area, threshold
from prioritize.targets._rule import Asked


class Ward(RangeRule):
    """Hold the larger of 100 km2 and 20 % of each range: Red List criteria B1 and A2 for Critically Endangered.

    Ward et al. (2025) The estimated cost of preventing extinction and progressing recovery for Australia's priority
    threatened species, PNAS 122:e2414985122; cap of Butchart et al. (2015), Conservation Letters 8:329-337.
    """

    source: ClassVar[str] = (
        "Ward et al. (2025) PNAS 122:e2414985122; cap of Butchart et al. (2015) Conservation Letters 8:329-337"
    )
    rule: Literal["ward"] = "ward"
    status: Literal["CR", "EN", "VU"] = Field("CR", description="Red List category whose thresholds count")

    def area(self, ask: Asked, range_km2: np.ndarray) -> np.ndarray:
        """Criteria B1 and A2, the larger."""
        status = np.full(len(range_km2), self.status)
        size, loss = threshold(SPECIES_SIZE, "B1", status), threshold(SPECIES_REDUCTION, "A2", status)
        return red_list_area(range_km2, loss, size, 0.0, "max")

    def sentence(self) -> str:
        """Both thresholds."""
        status = np.array([self.status])
        size, loss = threshold(SPECIES_SIZE, "B1", status)[0], threshold(SPECIES_REDUCTION, "A2", status)[0]
        return (
            f"the larger of {size:,.0f} km2 and {100 * (1 - loss):g} % of each range "
            f"(Red List B1 and A2 for {self.status}){self.tail()}"
        )


MEMBER = Ward
