"""Targets for a probability of persistence, from what there once was."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from prioritize.targets._range import RangeRule
from prioritize.targets._rule import Asked


class Duran(RangeRule):
    """Hold h p^(1/z) of each range: h is the historic range, p the probability of persistence asked for, z = 0.25.

    Durán et al. (2020) A practical approach to measuring the biodiversity impacts of land conversion, Methods in
    Ecology and Evolution 11:910-921. There is no cap unless one is given.
    """

    source: ClassVar[str] = "Durán et al. (2020) Methods in Ecology and Evolution 11:910-921"
    rule: Literal["duran"] = "duran"
    cap_km2: float | None = Field(None, gt=0, description="no target is larger (km2)")
    probability: float = Field(0.9, ge=0, le=1, description="probability of persistence to reach (0..1)")
    historic_range: float | str = Field(
        "historic_range_km2", description="column with historic ranges (km2), or one number for all"
    )
    exponent: float = Field(0.25, gt=0, description="z of the curve from range to persistence")

    def area(self, ask: Asked, range_km2: np.ndarray) -> np.ndarray:
        """h p^(1/z)."""
        historic = ask.numbers(self.historic_range, "targets.historic_range")
        return historic * self.probability ** (1 / self.exponent)

    def sentence(self) -> str:
        """Which probability."""
        return (
            f"so much that the chance to persist is {100 * self.probability:g} %: "
            f"{100 * self.probability ** (1 / self.exponent):.4g} % of the historic range{self.tail()}"
        )


MEMBER = Duran
