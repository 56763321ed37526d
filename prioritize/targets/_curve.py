"""Rules that ask all of rare species and less and less of common ones."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from prioritize.targets._range import RangeRule, interpolate
from prioritize.targets._rule import Asked


class Curve(RangeRule):
    """Share of the range: `rare_share` up to `rare_km2`, `common_share` from `common_km2`, in between interpolated."""

    #: along the range (`linear`) or its logarithm (`log10`)
    how: ClassVar[str] = "log10"
    rare_km2: float = Field(gt=0, description="ranges up to this are rare (km2)")
    rare_share: float = Field(1.0, ge=0, le=1, description="share of a rare range to hold (0..1)")
    common_km2: float = Field(gt=0, description="ranges from this on are common (km2)")
    common_share: float = Field(ge=0, le=1, description="share of a common range to hold (0..1)")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.rare_km2 > self.common_km2:
            raise ValueError(f"rare_km2 {self.rare_km2:g} is above common_km2 {self.common_km2:g}")
        return self

    def area(self, ask: Asked, range_km2: np.ndarray) -> np.ndarray:
        """Share times range."""
        share = interpolate(range_km2, self.rare_km2, self.rare_share, self.common_km2, self.common_share, self.how)
        return share * range_km2

    def sentence(self) -> str:
        """The two ends and what lies between."""
        between = "the logarithm of the range" if self.how == "log10" else "the range"
        return (
            f"{100 * self.rare_share:g} % of ranges up to {self.rare_km2:,.0f} km2, {100 * self.common_share:g} % from "
            f"{self.common_km2:,.0f} km2 on, in between along {between}{self.tail()}"
        )
