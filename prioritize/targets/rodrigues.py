"""Targets of the global gap analysis of 2004."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from prioritize.targets._curve import Curve


class Rodrigues(Curve):
    """Hold all of ranges up to 1,000 km2, 10 % from 250,000 km2 on, in between along log10 of the range.

    Rodrigues et al. (2004) Global gap analysis: priority regions for expanding the global protected-area network,
    BioScience 54:1092-1100; the cap of a million km2 is of Butchart et al. (2015), Conservation Letters 8:329-337.
    """

    source: ClassVar[str] = (
        "Rodrigues et al. (2004) BioScience 54:1092-1100; cap of Butchart et al. (2015) Conservation Letters 8:329-337"
    )
    rule: Literal["rodrigues"] = "rodrigues"
    rare_km2: float = Field(1000.0, gt=0, description="ranges up to this are rare (km2)")
    common_km2: float = Field(250_000.0, gt=0, description="ranges from this on are common (km2)")
    common_share: float = Field(0.1, ge=0, le=1, description="share of a common range to hold (0..1)")


MEMBER = Rodrigues
