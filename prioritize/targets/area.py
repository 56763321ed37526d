"""The same area of every feature."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from prioritize.targets._range import RangeRule
from prioritize.targets._rule import Asked


class AreaTargets(RangeRule):
    """Hold `area_km2` of every range, or all of a range that is smaller."""

    rule: Literal["area"] = "area"
    area_km2: float = Field(1000.0, ge=0, description="area of each range to hold (km2)")

    def area(self, ask: Asked, range_km2: np.ndarray) -> np.ndarray:
        """The same for all."""
        return np.full(len(range_km2), self.area_km2)

    def sentence(self) -> str:
        """The area."""
        return f"{self.area_km2:,.0f} km2 of each range, or all of it{self.tail()}"


MEMBER = AreaTargets
