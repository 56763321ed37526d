"""Budget: the selection may cost this much at most."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from prioritize.constraints._rows import Row, add_layer_rows, broken_rows
from prioritize.problem import NamedTerm, Problem
from prioritize.program import Builder


class Budget(NamedTerm):
    """At most `amount` (in the landscape's cost unit), or `share` of what all units together cost."""

    kind: Literal["budget"]
    amount: float | None = Field(None, ge=0, description="largest cost of the selection")
    share: float | None = Field(None, ge=0, le=1, description="the same as a share of the cost of all units")
    zones: list[str] | None = Field(None, description="the zones that count; all where absent")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.amount is None) == (self.share is None):
            raise ValueError("a budget needs either 'amount' or 'share'")
        return self

    def add(self, problem: Problem, to: Builder) -> None:
        """One row."""
        add_layer_rows(to, problem, self._rows(problem), self.zones)

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """Says by how much the budget is overrun."""
        return broken_rows(problem, self._rows(problem), self.zones, selection)

    def _rows(self, problem: Problem) -> list[Row]:
        landscape = problem.landscape
        # a share is of the first zone's costs: zones are alternatives, adding them up would count a unit twice
        budget = self.amount if self.amount is not None else (self.share or 0.0) * float(landscape.cost[:, 0].sum())
        label = "" if self.zones is None else f" of {' + '.join(self.zones)}"
        return [(f"budget{label}", landscape.cost, -np.inf, float(budget), landscape.cost_unit)]


MEMBER = Budget
