"""Absolute targets: the same amount of every feature."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from prioritize.landscape import Landscape
from prioritize.targets._rule import TargetRule


class Absolute(TargetRule):
    """Hold the amount `absolute` of every feature, in the feature's own unit."""

    rule: Literal["absolute"] = "absolute"
    absolute: float = Field(0.0, ge=0, description="amount of each feature to hold")

    def amounts(self, landscape: Landscape, totals: np.ndarray) -> np.ndarray:
        """The same amount for all."""
        return np.full(len(totals), self.absolute)

    def meant(self, number: float, totals: np.ndarray) -> np.ndarray:
        """A bare number is an amount."""
        return np.full(len(totals), number)


MEMBER = Absolute
