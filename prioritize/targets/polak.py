"""Targets of a national plan for species and ecosystems together."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from prioritize.targets._curve import Curve


class Polak(Curve):
    """Hold all of ranges up to 1,000 km2, 10 % from 10,000 km2 on, in between along the range itself.

    Polak et al. (2015) Efficient expansion of global protected areas requires simultaneous planning for species and
    ecosystems, Royal Society Open Science 2:150107; cap of Butchart et al. (2015).
    """

    source: ClassVar[str] = (
        "Polak et al. (2015) Royal Society Open Science 2:150107; "
        "cap of Butchart et al. (2015) Conservation Letters 8:329-337"
    )
    how: ClassVar[str] = "linear"
    rule: Literal["polak"] = "polak"
    rare_km2: float = Field(1000.0, gt=0, description="ranges up to this are rare (km2)")
    common_km2: float = Field(10_000.0, gt=0, description="ranges from this on are common (km2)")
    common_share: float = Field(0.1, ge=0, le=1, description="share of a common range to hold (0..1)")


MEMBER = Polak
