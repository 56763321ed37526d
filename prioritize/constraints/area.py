"""Area quota: at least (or at most) this share of a realm, a region, or everything."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from prioritize.constraints._rows import add_layer_rows, broken_rows
from prioritize.errors import ScenarioError
from prioritize.problem import NamedTerm, Problem
from prioritize.program import Builder


class Area(NamedTerm):
    """At least `share` and at most `max_share` of the area of each group named by `of`.

    Locked-in units count. `realm:*` asks it of each realm apart: 30 % of land AND 30 % of sea, never pooled. Quotas
    nest: a nation's, its provinces' and its counties' are constraints beside each other, and `within` keeps each to a
    realm. A group without area in `within` is left out.
    """

    kind: Literal["area"]
    of: str = Field("all", description="all, realm:land, region:*, province:* ...")
    within: str = Field("all", description="only the part of each group that lies in this one: realm:land ...")
    share: float | None = Field(None, ge=0, le=1, description="least share of the group's area (0..1)")
    max_share: float | None = Field(None, ge=0, le=1, description="largest share of the group's area (0..1)")
    zones: list[str] | None = Field(None, description="the zones that count; all where absent")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.share is None and self.max_share is None:
            raise ValueError("an area constraint needs 'share' or 'max_share'")
        if self.share is not None and self.max_share is not None and self.share > self.max_share:
            raise ValueError(f"share {self.share} is above max_share {self.max_share}")
        return self

    def add(self, problem: Problem, to: Builder) -> None:
        """One row a group, in km2."""
        add_layer_rows(to, problem, self._rows(problem), self.zones)

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """Quotas that the selection misses."""
        return broken_rows(problem, self._rows(problem), self.zones, selection)

    def _rows(self, problem: Problem) -> list[tuple[str, np.ndarray, float, float, str]]:
        landscape = problem.landscape
        label = "" if self.within == "all" else f" within {self.within}"
        label += "" if self.zones is None else f" in {' + '.join(self.zones)}"
        inside = [mask for _, mask in landscape.members(self.within)]
        if len(inside) > 1:
            raise ScenarioError(
                f"within = '{self.within}' names several groups; name one, and write a constraint for each"
            )
        rows = []
        for group, mask in landscape.members(self.of):
            area = np.where(mask & inside[0], landscape.area_km2, 0.0)
            total = float(area.sum())
            if total == 0 and self.within != "all":
                continue
            low = -np.inf if self.share is None else self.share * total
            high = np.inf if self.max_share is None else self.max_share * total
            rows.append((f"area of {group}{label}", area, low, high, "km2"))
        return rows


MEMBER = Area
