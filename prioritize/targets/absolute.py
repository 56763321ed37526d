"""Absolute targets: the same amount of every feature."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from prioritize.targets._rule import Asked, TargetRule


class Absolute(TargetRule):
    """Hold the amount `absolute` of every feature, in the feature's own unit; more than there is is a fault."""

    rule: Literal["absolute"] = "absolute"
    absolute: float = Field(0.0, ge=0, description="amount of each feature to hold")

    def amounts(self, ask: Asked) -> np.ndarray:
        """The same amount for all."""
        return np.full(len(ask.rows), self.absolute)

    def meant(self, number: float, totals: np.ndarray) -> np.ndarray:
        """A bare number is an amount."""
        return np.full(len(totals), number)

    def say(self, number: float) -> str:
        """A bare number is an amount."""
        return f"{number:g} of the amount's unit"

    def sentence(self) -> str:
        """The amount."""
        return self.say(self.absolute)


MEMBER = Absolute
