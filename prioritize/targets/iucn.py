"""Targets from the criteria of the IUCN Red Lists of species and of ecosystems."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from prioritize.targets._range import RangeRule
from prioritize.targets._redlist import (
    ECOSYSTEM_REDUCTION,
    ECOSYSTEM_SIZE,
    SPECIES_REDUCTION,
    SPECIES_SIZE,
    STATUS,
    red_list_area,
    threshold,
)
from prioritize.targets._rule import Asked


class Iucn(RangeRule):
    """Hold so much of each range that it would not fall below the thresholds of a Red List category.

    t = m(b (1 + p), f (1 + p) (1 - a)), m = max or min: a is the reduction of criterion A, b the size of criterion B
    (km2), p the uplift, f the range. Thresholds: IUCN Red List Categories and Criteria for species (B2 for EN: 500
    km2); for ecosystems Keith et al. (2013), PLoS ONE 8:e62111, doi:10.1371/journal.pone.0062111, table 3 (A3 for
    VU: 50 %); B2 of ecosystems counts cells of 10 x 10 km, taken here as their area. The use as targets follows Jung
    et al. (2021) and Ward et al. (2025); cap of Butchart et al. (2015).
    """

    source: ClassVar[str] = (
        "IUCN Red List Categories and Criteria; for ecosystems Keith et al. (2013) doi:10.1371/journal.pone.0062111"
    )
    rule: Literal["iucn"] = "iucn"
    of: Literal["species", "ecosystems"] = Field("species", description="which Red List")
    status: Literal["CR", "EN", "VU"] = Field("VU", description="category whose thresholds count")
    status_column: str | None = Field(
        None, description="column with each feature's own category (`iucn`); what is not CR, EN or VU has `status`"
    )
    criterion_a: Literal["A1", "A2", "A2a", "A2b", "A3", "A4"] | None = Field(
        None, description="reduction: A1 to A4 of species (A2 where absent); A1, A2a, A2b, A3 of ecosystems (A1)"
    )
    criterion_b: Literal["B1", "B2"] = Field("B2", description="size: extent of occurrence, or area of occupancy")
    uplift: float = Field(0.0, ge=0, description="how much more than the thresholds (0.1 = 10 %)")
    take: Literal["max", "min"] = Field("max", description="which of both criteria counts")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.criterion_a is not None and self.criterion_a not in self._reduction:
            raise ValueError(
                f"criterion_a '{self.criterion_a}' is none of {self.of}; they have {', '.join(self._reduction)}"
            )
        return self

    @property
    def _reduction(self) -> dict[str, tuple[float, float, float]]:
        return SPECIES_REDUCTION if self.of == "species" else ECOSYSTEM_REDUCTION

    @property
    def _criterion_a(self) -> str:
        return self.criterion_a or ("A2" if self.of == "species" else "A1")

    def area(self, ask: Asked, range_km2: np.ndarray) -> np.ndarray:
        """Criteria A and B by the category of each feature."""
        status = np.full(len(range_km2), self.status, dtype=object)
        if self.status_column is not None:
            own = ask.column(self.status_column, "targets.status_column").to_numpy(dtype=object)
            status = np.where(np.isin(own.astype(str), STATUS), own, status)
        sizes = SPECIES_SIZE if self.of == "species" else ECOSYSTEM_SIZE
        loss, size = threshold(self._reduction, self._criterion_a, status), threshold(sizes, self.criterion_b, status)
        return red_list_area(range_km2, loss, size, self.uplift, self.take)

    def sentence(self) -> str:
        """Which criteria, which category."""
        whose = self.status if self.status_column is None else f"each one's own category ({self.status} if none)"
        more = f", {100 * self.uplift:g} % on top" if self.uplift else ""
        which = "larger" if self.take == "max" else "smaller"
        return (
            f"the {which} of what Red List criteria {self._criterion_a} and {self.criterion_b} of {self.of} leave for "
            f"{whose}{more}{self.tail()}"
        )


MEMBER = Iucn
