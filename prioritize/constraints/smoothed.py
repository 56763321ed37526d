"""Smoothed amount: hold a share of a habitat as it is spread by dispersal."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from prioritize.constraints._rows import Row, add_layer_rows, broken_rows
from prioritize.dispersal import spread
from prioritize.errors import ScenarioError
from prioritize.landscape import some
from prioritize.problem import NamedTerm, Problem
from prioritize.program import Builder
from prioritize.source import find_features


class Smoothed(NamedTerm):
    """The selection holds at least `share` of the connected amount of a layer or of features.

    The amount of each unit is spread over the units within `radius_km` by exp(-ln 2 * distance / median_km), its sum
    unchanged: a unit amid habitat holds more than the same habitat alone (distribution smoothing, Moilanen et al. 2005,
    doi 10.1098/rspb.2005.3164). The sum over the selection is linear, an ordinary row of the program.
    """

    kind: Literal["smoothed"]
    layer: str | None = Field(None, description="reference of the habitat layer")
    features: str | None = Field(None, description="instead: name or pattern of features, each with a row of its own")
    median_km: float = Field(gt=0, description="distance at which half arrive")
    radius_km: float = Field(gt=0, description="units farther apart are left out")
    share: float = Field(gt=0, le=1, description="least share of the amount in all units")
    zones: list[str] | None = Field(None, description="the zones that count; all where absent")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.layer is None) == (self.features is None):
            raise ValueError("a smoothed amount needs either 'layer' or 'features'")
        return self

    def references(self) -> list[str]:
        """The layer, if there is one."""
        return [] if self.layer is None else [self.layer]

    def add(self, problem: Problem, to: Builder) -> None:
        """One row a layer or feature."""
        add_layer_rows(to, problem, self._rows(problem), self.zones)

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """Amounts that are too little."""
        return broken_rows(problem, self._rows(problem), self.zones, selection)

    def _rows(self, problem: Problem) -> list[Row]:
        landscape = problem.landscape
        found: list[tuple[str, np.ndarray, str]] = []
        if self.layer is not None:
            found.append((self.layer, landscape.layer(self.layer), ""))
        else:
            names = landscape.features["name"]
            for f in np.flatnonzero(find_features(str(self.features), names)):
                amount = landscape.amount[[f]].toarray()[0]
                found.append((str(names.iloc[f]), amount, str(landscape.features["unit"].iloc[f])))
            if not found:
                raise ScenarioError(f"smoothed: no feature matches '{self.features}'; features are {some(names, 8)}")
        rows: list[Row] = []
        for name, values, unit in found:
            smooth = spread(landscape, values, self.median_km, self.radius_km)
            rows.append((f"connected amount of '{name}'", smooth, self.share * float(smooth.sum()), np.inf, unit))
        return rows


MEMBER = Smoothed
