"""Relative targets: the same share of every feature."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from prioritize.landscape import Landscape
from prioritize.targets._rule import TargetRule


class Relative(TargetRule):
    """Hold the share `relative` of every feature."""

    rule: Literal["relative"] = "relative"
    relative: float = Field(0.3, ge=0, le=1, description="share of each feature to hold (0..1)")

    def amounts(self, landscape: Landscape, totals: np.ndarray) -> np.ndarray:
        """Share times total."""
        return self.relative * totals


MEMBER = Relative
