"""Targets for a number of individuals."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from prioritize.errors import DataError
from prioritize.landscape import some
from prioritize.targets._range import RangeRule
from prioritize.targets._rule import Asked

#: individuals by the name of the rule of thumb
PRESETS = {"50": 50.0, "500": 500.0, "CR": 250.0, "EN": 2_500.0, "VU": 10_000.0, "SAFE": 5_000.0}


class Population(RangeRule):
    """Hold n / d km2 of each range: room for n individuals at a density of d per km2.

    Presets of n: `50` and `500` (50/500 rule; Jamieson & Allendorf 2012, Trends in Ecology & Evolution 27:578-584),
    `CR`, `EN`, `VU` (250, 2,500 and 10,000 mature individuals: Red List criterion C), `SAFE` (5,000; Clements et al.
    2011, Frontiers in Ecology and the Environment 9:521-525). Cap of Butchart et al. (2015).
    """

    source: ClassVar[str] = "individuals / density; cap of Butchart et al. (2015) Conservation Letters 8:329-337"
    rule: Literal["population"] = "population"
    individuals: float | Literal["50", "500", "CR", "EN", "VU", "SAFE"] = Field(
        5_000.0, description="individuals to hold: a number, or a preset 50, 500, CR, EN, VU, SAFE"
    )
    density: float | str = Field(
        "density_per_km2", description="column with individuals per km2, or one number for all"
    )

    @property
    def count(self) -> float:
        """Individuals to hold."""
        return PRESETS[self.individuals] if isinstance(self.individuals, str) else self.individuals

    def area(self, ask: Asked, range_km2: np.ndarray) -> np.ndarray:
        """n / d."""
        return self.count / positive(ask, self.density, "targets.density")

    def sentence(self) -> str:
        """How many."""
        return f"room for {self.count:,.0f} individuals{self.tail()}"


def positive(ask: Asked, value: float | str, what: str) -> np.ndarray:
    """(k,) numbers above zero, or DataError."""
    numbers = ask.numbers(value, what)
    if np.any(numbers <= 0):
        raise DataError(f"{what}: not above zero for {some(ask.names[numbers <= 0])}")
    return numbers


MEMBER = Population
