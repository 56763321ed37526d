"""Targets made for 30x30: the default of the scenarios of this project."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from prioritize.targets._curve import Curve


class Sreekar(Curve):
    """Hold all of ranges up to 200 km2, 30 % from 250,000 km2 on, in between along log10 of the range.

    Sreekar & Watson (2026), doi:10.1038/s44358-026-00169-7; the cap is a million km2.
    """

    source: ClassVar[str] = "Sreekar & Watson (2026) doi:10.1038/s44358-026-00169-7"
    rule: Literal["sreekar"] = "sreekar"
    rare_km2: float = Field(200.0, gt=0, description="ranges up to this are rare (km2)")
    common_km2: float = Field(250_000.0, gt=0, description="ranges from this on are common (km2)")
    common_share: float = Field(0.3, ge=0, le=1, description="share of a common range to hold (0..1)")


MEMBER = Sreekar
