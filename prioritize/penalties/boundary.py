"""Boundary length: favour compact selections."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from prioritize.problem import NamedTerm, Problem, zone_numbers
from prioritize.program import Builder


class Boundary(NamedTerm):
    """Adds weight * (outline of the selection) to the objective.

    The outline counts each border between a selected and an unselected unit once, and outer boundary (border with
    nothing) times `edge_factor` (Marxan's BLM: Ball, Possingham & Watts 2009; prioritizr's edge factor).
    """

    kind: Literal["boundary"]
    weight: float = Field(ge=0, description="objective per metre of outline (per unit of length of the source)")
    edge_factor: float = Field(0.5, ge=0, le=1, description="how much outer boundary counts, 0 to 1")
    zones: Literal["together", "apart"] | list[str] = Field(
        "together",
        description="together: the outline of all that is selected; apart: of each zone; a list: of these as one",
    )

    def parts(self, problem: Problem) -> list[list[int]]:
        """Groups of zone numbers; each group has an outline of its own."""
        every = zone_numbers(problem.landscape, None)
        if self.zones == "together":
            return [every]
        if self.zones == "apart":
            return [[zone] for zone in every]
        return [zone_numbers(problem.landscape, list(self.zones))]

    def add(self, problem: Problem, to: Builder) -> None:
        """Two directed edges a border; outer boundary is a linear cost."""
        graph = problem.landscape.graph
        i, j, length = graph.edges()
        for zones in self.parts(problem):
            outer = np.zeros((to.units, to.zones))
            outer[:, zones] = (self.weight * self.edge_factor * graph.exposed)[:, None]
            to.add_cost(outer)
            to.add_edges("boundary", np.r_[i, j], np.r_[j, i], self.weight * np.r_[length, length], zones)

    def value(self, problem: Problem, selection: np.ndarray) -> float:
        """Weight times the outline."""
        graph = problem.landscape.graph
        outlines = [graph.outline(selection[:, zones].any(axis=1), self.edge_factor) for zones in self.parts(problem)]
        return self.weight * float(sum(outlines))


MEMBER = Boundary
