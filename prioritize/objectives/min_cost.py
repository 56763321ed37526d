"""Minimum set: meet every target at the least cost."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from prioritize.problem import Problem, TermConfig, by_zone, wanted
from prioritize.program import Builder


class MinCost(TermConfig):
    """Minimise the cost of the selected units; every target is a hard row.

    The minimum set problem of systematic conservation planning (Rodrigues, Cerdeira & Gaston 2000,
    doi 10.1111/j.1600-0587.2000.tb00312.x; Ball, Possingham & Watts 2009 for Marxan's form of it).
    """

    kind: Literal["min_cost"] = "min_cost"
    hard_targets: ClassVar[bool] = True
    maximise: ClassVar[bool] = False

    def add(self, problem: Problem, to: Builder) -> None:
        """Cost columns and one hard row a target."""
        to.add_cost(problem.landscape.cost)
        add_hard_targets(problem, to)

    def value(self, problem: Problem, selection: np.ndarray) -> float:
        """Cost of the selection."""
        return float(problem.landscape.cost[selection].sum())


def add_hard_targets(problem: Problem, to: Builder) -> None:
    """One hard row for each feature that has a target."""
    features = wanted(problem)
    table = problem.landscape.features
    to.add_rows(
        [f"target for '{name}'" for name in table["name"].to_numpy()[features]],
        by_zone(problem.landscape, features),
        lower=problem.target[features],
        unit=[str(unit) for unit in table["unit"].to_numpy()[features]],
    )


MEMBER = MinCost
