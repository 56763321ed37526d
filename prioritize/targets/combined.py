"""The largest or smallest of what several rules ask."""

from __future__ import annotations

from functools import reduce
from typing import Any, Literal

import numpy as np
from pydantic import Field

from prioritize.targets._rule import Amount, Asked, Given, Rule, TargetRule


class Combined(TargetRule):
    """Hold the largest (or smallest) of what several rules ask of each feature."""

    rule: Literal["combined"] = "combined"
    take: Literal["max", "min"] = Field("max", description="the largest, or the smallest")
    rules: tuple[Given, ...] = Field(
        min_length=1, description="the rules: a share, { relative = .. }, { absolute = .. } or { rule = .. }"
    )

    def amounts(self, ask: Asked) -> np.ndarray:
        """Each rule, and the extreme of all."""
        each = [rule.amounts(ask) if isinstance(rule, Rule) else self._plain(rule, ask.totals) for rule in self.rules]
        return reduce(np.maximum if self.take == "max" else np.minimum, each)

    def sentence(self) -> str:
        """All of them."""
        return f"the {'largest' if self.take == 'max' else 'smallest'} of: " + " | ".join(map(self._part, self.rules))

    def _part(self, given: float | Amount | Rule) -> str:
        return f"{name_of(given)} ({given.sentence()})" if isinstance(given, Rule) else self._words(given)


def name_of(rule: Any) -> str:
    """Name of a rule."""
    return str(rule.rule)


MEMBER = Combined
