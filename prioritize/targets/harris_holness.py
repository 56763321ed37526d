"""Targets as a sum of rules of thumb about each feature."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from prioritize.source import Config
from prioritize.targets._range import CAP_KM2
from prioritize.targets._rule import Asked, TargetRule


class Added(Config):
    """One rule of thumb: what is added to the share of the features that it is true of."""

    column: str = Field(description="column of the feature table, or `range_km2`")
    add: float = Field(ge=-1, le=1, description="what is added to the share (-1..1)")
    equals: bool | float | str | list[str] | None = Field(None, description="true where the column says this (any of)")
    above: float | None = Field(None, description="true where the column is above this")
    below: float | None = Field(None, description="true where the column is below this")

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if sum(value is not None for value in (self.equals, self.above, self.below)) != 1:
            raise ValueError("give one of 'equals', 'above' and 'below'")
        return self

    def true_of(self, ask: Asked, range_km2: np.ndarray) -> np.ndarray:
        """(k,) bool."""
        if self.equals is None:
            what = "targets.rules"
            values = range_km2 if self.column == "range_km2" else ask.numbers(self.column, what, missing=True)
            return values > self.above if self.above is not None else values < self.below
        wanted = self.equals if isinstance(self.equals, list) else [self.equals]
        column = ask.column(self.column, "targets.rules")
        if isinstance(self.equals, bool):
            # yes/no comes from CSV files as true, True, 1 or yes
            return column.astype(str).str.lower().isin(["true", "1", "yes"]).to_numpy() == self.equals
        if isinstance(self.equals, float):
            return pd.to_numeric(column, errors="coerce").to_numpy() == self.equals
        return column.astype(str).isin([str(value) for value in wanted]).to_numpy()

    def sentence(self) -> str:
        """`+10 % where iucn is CR`."""
        test = f"is {self.equals}" if self.equals is not None else f"> {self.above:g}"
        test = f"< {self.below:g}" if self.below is not None else test
        return f"{100 * self.add:+g} % where {self.column} {test}"


class HarrisHolness(TargetRule):
    """Hold a base share of each feature plus what each rule that is true of it adds, from nothing to all.

    Harris & Holness (2023) A practical approach to setting heuristic marine biodiversity targets for systematic
    conservation planning, Biological Conservation 285:110218. The cap (Butchart et al. 2015) applies where amounts
    are areas.
    """

    source: ClassVar[str] = "Harris & Holness (2023) Biological Conservation 285:110218"
    rule: Literal["harris_holness"] = "harris_holness"
    base: float = Field(0.3, ge=0, le=1, description="share of every feature to hold (0..1)")
    rules: tuple[Added, ...] = Field((), description="what is added for features that something is true of")
    cap_km2: float | None = Field(CAP_KM2, gt=0, description="no target is larger (km2); areas only")

    def amounts(self, ask: Asked) -> np.ndarray:
        """Base and sums, clipped to 0..1."""
        range_km2 = self.range_km2(ask)
        share = np.full(len(ask.rows), self.base)
        for rule in self.rules:
            share = share + rule.add * rule.true_of(ask, range_km2)
        share = np.clip(share, 0.0, 1.0)
        if self.cap_km2 is not None:
            known = np.isfinite(range_km2) & (range_km2 > 0)
            most = np.divide(self.cap_km2, range_km2, out=np.ones(len(share)), where=known)
            share = np.minimum(share, most)
        return share * ask.totals

    def sentence(self) -> str:
        """Base and rules."""
        cap = "" if self.cap_km2 is None else f"; at most {self.cap_km2:,.0f} km2"
        return f"{100 * self.base:g} %" + "".join(f", {rule.sentence()}" for rule in self.rules) + cap


MEMBER = HarrisHolness
