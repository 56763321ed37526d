"""Targets between those of rare and of common features, every number the user's own."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from prioritize.targets._range import RangeRule, interpolate
from prioritize.targets._rule import Asked


class Interpolated(RangeRule):
    """Hold a share of each range that falls (or rises) from rare to common ones.

    At either end an area may be given beside the share: the larger or the smaller of both is the target there.
    """

    rule: Literal["interpolated"] = "interpolated"
    curve: Literal["linear", "log10"] = Field("log10", description="along the range, or along its logarithm")
    rare_km2: float = Field(1000.0, gt=0, description="ranges up to this are rare (km2)")
    rare_share: float = Field(1.0, ge=0, le=1, description="share of a rare range to hold (0..1)")
    rare_area_km2: float | None = Field(None, ge=0, description="area of a rare range to hold (km2)")
    rare_take: Literal["max", "min"] = Field("max", description="which of rare_share and rare_area_km2 counts")
    common_km2: float = Field(250_000.0, gt=0, description="ranges from this on are common (km2)")
    common_share: float = Field(0.1, ge=0, le=1, description="share of a common range to hold (0..1)")
    common_area_km2: float | None = Field(None, ge=0, description="area of a common range to hold (km2)")
    common_take: Literal["max", "min"] = Field("max", description="which of common_share and common_area_km2 counts")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.rare_km2 > self.common_km2:
            raise ValueError(f"rare_km2 {self.rare_km2:g} is above common_km2 {self.common_km2:g}")
        return self

    def area(self, ask: Asked, range_km2: np.ndarray) -> np.ndarray:
        """Share times range; areas at the ends."""
        share = interpolate(range_km2, self.rare_km2, self.rare_share, self.common_km2, self.common_share, self.curve)
        target = share * range_km2
        rare = range_km2 < self.rare_km2
        common = range_km2 >= self.common_km2
        for where, area, take in (
            (rare, self.rare_area_km2, self.rare_take),
            (common & ~rare, self.common_area_km2, self.common_take),
        ):
            if area is not None:
                ends = np.maximum(target, area) if take == "max" else np.minimum(target, area)
                target = np.where(where, ends, target)
        return target

    def sentence(self) -> str:
        """The two ends and what lies between."""
        ends = []
        for share, area, take in (
            (self.rare_share, self.rare_area_km2, self.rare_take),
            (self.common_share, self.common_area_km2, self.common_take),
        ):
            which = "larger" if take == "max" else "smaller"
            ends.append(f"{100 * share:g} %" + ("" if area is None else f" or {area:,.0f} km2, the {which},"))
        return (
            f"{ends[0]} of ranges up to {self.rare_km2:,.0f} km2, {ends[1]} from {self.common_km2:,.0f} km2 on, in "
            f"between {'linear' if self.curve == 'linear' else 'along the logarithm of the range'}{self.tail()}"
        )


MEMBER = Interpolated
