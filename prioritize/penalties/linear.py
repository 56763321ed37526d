"""Linear penalty: a second cost, such as human pressure or distance."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from prioritize.problem import NamedTerm, Problem, zone_numbers
from prioritize.program import Builder


class Linear(NamedTerm):
    """Adds weight * (sum of a unit layer over the selection) to the objective; a negative weight is a reward."""

    kind: Literal["linear"]
    layer: str = Field(description="reference of the unit layer")
    weight: float = Field(description="objective per unit of the layer")
    zones: list[str] | None = Field(None, description="the zones it applies to; all where absent")

    def references(self) -> list[str]:
        """The layer."""
        return [self.layer]

    def add(self, problem: Problem, to: Builder) -> None:
        """Linear columns."""
        cost = np.zeros((to.units, to.zones))
        zones = zone_numbers(problem.landscape, self.zones)
        cost[:, zones] = (self.weight * problem.landscape.layer(self.layer))[:, None]
        to.add_cost(cost)

    def value(self, problem: Problem, selection: np.ndarray) -> float:
        """Weight times the sum of the layer over what is selected."""
        zones = zone_numbers(problem.landscape, self.zones)
        return self.weight * float(problem.landscape.layer(self.layer)[selection[:, zones].any(axis=1)].sum())


MEMBER = Linear
