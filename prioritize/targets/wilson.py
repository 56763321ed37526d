"""Targets for a population that lasts a hundred thousand years."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from prioritize.errors import DataError
from prioritize.landscape import some
from prioritize.targets._range import RangeRule
from prioritize.targets._rule import Asked


class Wilson(RangeRule):
    """Hold k / d km2 of each range, k being the carrying capacity with which a population lasts `years`.

    b = 2 r / s2 - 1 and k = (years s2 b^2 / 2)^(1 / b), with the mean r and the variance s2 of the yearly growth
    rate, and d individuals per km2. Wilson et al. (2010) Conserving biodiversity in production landscapes, Ecological
    Applications 20:1721-1732; cap of Butchart et al. (2015), Conservation Letters 8:329-337.
    """

    source: ClassVar[str] = (
        "Wilson et al. (2010) Ecological Applications 20:1721-1732; "
        "cap of Butchart et al. (2015) Conservation Letters 8:329-337"
    )
    rule: Literal["wilson"] = "wilson"
    growth: float | str = Field("growth_rate", description="mean yearly growth rate r: a column or a number")
    growth_variance: float | str = Field("growth_variance", description="its variance s2: a column or a number")
    density: float | str = Field(
        "density_per_km2", description="column with individuals per km2, or one number for all"
    )
    years: float = Field(1e5, gt=0, description="time for which the population is to last")

    def area(self, ask: Asked, range_km2: np.ndarray) -> np.ndarray:
        """k / d.

        Raises
        ------
        DataError
            If a number is missing or not above zero, or a growth rate is no more than half its variance.
        """
        names = ("growth", "growth_variance", "density")
        growth, variance, density = (ask.numbers(getattr(self, name), f"targets.{name}") for name in names)
        for name, numbers in zip(names, (growth, variance, density)):
            if np.any(numbers <= 0):
                raise DataError(f"targets.{name}: not above zero for {some(ask.names[numbers <= 0])}")
        weak = 2 * growth <= variance
        if weak.any():
            raise DataError(
                f"targets.growth: no more than half its variance for {some(ask.names[weak])}; the formula of Wilson et "
                "al. holds above that: give these features another rule with targets.by_feature"
            )
        return carrying_capacity(growth, variance, self.years) / density

    def sentence(self) -> str:
        """For how long."""
        return f"room for a population that lasts {self.years:,.0f} years{self.tail()}"


def carrying_capacity(growth: np.ndarray, variance: np.ndarray, years: float) -> np.ndarray:
    """(k,) individuals; r = 0.3 and s2 = 0.1 need 10.456."""
    b = 2 * growth / variance - 1
    return (years * variance * b**2 / 2) ** (1 / b)


MEMBER = Wilson
