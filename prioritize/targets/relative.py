"""Relative targets: the same share of every feature."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from prioritize.targets._rule import Asked, TargetRule, share_words


class Relative(TargetRule):
    """Hold the share `relative` of every feature."""

    rule: Literal["relative"] = "relative"
    relative: float = Field(0.3, ge=0, le=1, description="share of each feature to hold (0..1)")

    def amounts(self, ask: Asked) -> np.ndarray:
        """Share times total."""
        return self.relative * ask.totals

    def sentence(self) -> str:
        """The share."""
        return share_words(self.relative)


MEMBER = Relative
