"""Border continuity: favour selections that go on across the borders of administration."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from prioritize.errors import ScenarioError
from prioritize.landscape import Grouping, some
from prioritize.problem import NamedTerm, Problem, zone_numbers
from prioritize.program import Builder


class Border(NamedTerm):
    """Adds weight * (length of border between regions that has the selection on one side only) to the objective.

    The sum over borders (i, j) between units of two regions of weight * w_ij |y_i - y_j|: a price of not agreeing, on
    top of what a boundary penalty charges for outlines anywhere. Border match rates of the answer: table
    `redline_borders`, and `prioritize redline coordinate`.
    """

    kind: Literal["border"]
    level: str = Field("province", description="level of landscape.regions whose borders count")
    weight: float = Field(ge=0, description="objective per metre of border with the selection on one side only")
    zones: list[str] | None = Field(None, description="the zones that count as one; all where absent")

    def crossing(self, problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pairs of neighbours in two regions, each once: (i, j, length).

        Raises
        ------
        ScenarioError
            If there is no such level, or no two of its regions touch.
        """
        groups = problem.landscape.groups
        if self.level not in groups:
            raise ScenarioError(f"border: there is no level '{self.level}' of regions; there are {some(list(groups))}")
        found = across(problem.landscape.graph.edges(), groups[self.level])
        if not len(found[0]):
            raise ScenarioError(f"border: no two regions of '{self.level}' touch, so there is no border to agree on")
        return found

    def add(self, problem: Problem, to: Builder) -> None:
        """Two directed edges a border."""
        i, j, length = self.crossing(problem)
        zones = zone_numbers(problem.landscape, self.zones)
        to.add_edges("border", np.r_[i, j], np.r_[j, i], self.weight * np.r_[length, length], zones)

    def value(self, problem: Problem, selection: np.ndarray) -> float:
        """Weight times the length with the selection on one side only."""
        i, j, length = self.crossing(problem)
        chosen = np.asarray(selection[:, zone_numbers(problem.landscape, self.zones)].any(axis=1))
        return self.weight * float(length[chosen[i] != chosen[j]].sum())


def across(
    edges: tuple[np.ndarray, np.ndarray, np.ndarray], grouping: Grouping
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The edges between units of two regions; a unit without region has no border."""
    i, j, length = edges
    code = np.asarray(grouping.code)
    cross = (code[i] != code[j]) & (code[i] >= 0) & (code[j] >= 0)
    return i[cross], j[cross], length[cross]


MEMBER = Border
