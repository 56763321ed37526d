"""What all target rules share: the denominator, and exceptions by feature."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from prioritize.errors import DataError, Faults, ScenarioError
from prioritize.landscape import Landscape, some
from prioritize.source import Config, find_features


class Amount(Config):
    """A target given for one feature or pattern: `{ relative = 0.5 }` or `{ absolute = 120 }`."""

    relative: float | None = Field(None, ge=0, description="share of the denominator (0..1)")
    absolute: float | None = Field(None, ge=0, description="amount in the feature's own unit")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.relative is None) == (self.absolute is None):
            raise ValueError("give either 'relative' or 'absolute'")
        return self


class TargetRule(Config):
    """A rule that gives every feature an amount to hold."""

    denominator: Literal["units", "layer"] = Field(
        "units",
        description="what a relative target is a share of: the amount in all planning units, "
        "or in the whole layer (cells outside the units too; `total` of the feature table where it has one)",
    )
    by_feature: dict[str, float | Amount] = Field(
        default_factory=dict,
        description="exceptions by feature name or pattern; a number means what the rule means (later lines win)",
    )

    def totals(self, landscape: Landscape) -> np.ndarray:
        """(F,) what a relative target is a share of."""
        if self.denominator == "units":
            return np.asarray(landscape.amount.sum(axis=1)).ravel()
        totals = landscape.features["total"].to_numpy(dtype=float)
        if not np.all(np.isfinite(totals)):
            names = landscape.features["name"].to_numpy()[~np.isfinite(totals)]
            raise DataError(f"targets.denominator = 'layer': no total is known for {some(names)}")
        return totals

    def amounts(self, landscape: Landscape, totals: np.ndarray) -> np.ndarray:
        """(F,) targets before exceptions, in the features' own units."""
        raise NotImplementedError

    def meant(self, number: float, totals: np.ndarray) -> np.ndarray:
        """(k,) targets that a bare number in `by_feature` means for features with these totals."""
        return number * totals

    def targets(self, landscape: Landscape) -> np.ndarray:
        """(F,) amounts to hold, in the features' own units; 0 = no target.

        Raises
        ------
        ScenarioError
            If a pattern matches nothing, or a target is negative or not a number.
        """
        faults = Faults(ScenarioError)
        names = landscape.features["name"]
        totals = self.totals(landscape)
        result = np.asarray(self.amounts(landscape, totals), dtype=np.float64).copy()
        for pattern, value in self.by_feature.items():
            hits = find_features(pattern, names)
            if not hits.any():
                faults.add(
                    f"targets.by_feature: no feature matches '{pattern}'; features are {some(names.to_numpy(), 8)}"
                )
            elif not isinstance(value, Amount):
                result[hits] = self.meant(value, totals[hits])
            elif value.relative is not None:
                result[hits] = value.relative * totals[hits]
            else:
                result[hits] = value.absolute
        wrong = ~np.isfinite(result) | (result < 0)
        if wrong.any():
            faults.add(f"targets: the target of {some(names.to_numpy()[wrong])} is negative or not a number")
        faults.raise_any()
        return result
