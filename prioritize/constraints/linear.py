"""Linear constraint: the sum of a unit layer over the selection lies between two numbers."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from prioritize.constraints._rows import Row, add_layer_rows, broken_rows
from prioritize.problem import NamedTerm, Problem
from prioritize.program import Builder


class Linear(NamedTerm):
    """`min` <= sum of a layer over the selected units <= `max`, in the layer's unit or (`relative`) as a share of its
    sum over all units.
    """

    kind: Literal["linear"]
    layer: str = Field(description="reference of the unit layer")
    min: float | None = Field(None, description="least sum over the selection")
    max: float | None = Field(None, description="largest sum over the selection")
    relative: bool = Field(False, description="min and max are shares of the layer's sum over all units")
    of: str = Field("all", description="all, realm:land, region:*: asked of each group apart")
    zones: list[str] | None = Field(None, description="the zones that count; all where absent")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a linear constraint needs 'min' or 'max'")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self

    def references(self) -> list[str]:
        """The layer."""
        return [self.layer]

    def add(self, problem: Problem, to: Builder) -> None:
        """One row a group."""
        add_layer_rows(to, problem, self._rows(problem), self.zones)

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """Sums outside the limits."""
        return broken_rows(problem, self._rows(problem), self.zones, selection)

    def _rows(self, problem: Problem) -> list[Row]:
        layer = problem.landscape.layer(self.layer)
        rows: list[Row] = []
        for group, mask in problem.landscape.members(self.of):
            values = np.where(mask, layer, 0.0)
            scale = float(values.sum()) if self.relative else 1.0
            low = -np.inf if self.min is None else self.min * scale
            high = np.inf if self.max is None else self.max * scale
            label = f"sum of '{self.layer}'" + ("" if self.of == "all" else f" in {group}")
            rows.append((label, values, low, high, ""))
        return rows


MEMBER = Linear
