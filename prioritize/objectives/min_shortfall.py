"""Minimum shortfall: come as close to all targets as a budget allows."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from prioritize.problem import Problem, WeighsFeatures, by_zone, feature_weights, held, wanted
from prioritize.program import Builder


class MinShortfall(WeighsFeatures):
    """Minimise the weighted sum over features of (missing amount / target), within the constraints.

    Every target is a soft row whose price is weight / target (Jung et al. 2021, doi 10.1038/s41559-021-01528-7,
    use this form). Needs a budget or an area cap to mean anything.
    """

    kind: Literal["min_shortfall"] = "min_shortfall"
    hard_targets: ClassVar[bool] = False
    maximise: ClassVar[bool] = False

    def add(self, problem: Problem, to: Builder) -> None:
        """One soft row a target."""
        features = wanted(problem)
        table = problem.landscape.features
        weights = feature_weights(problem.landscape, self.weights)
        to.add_rows(
            [f"target for '{name}'" for name in table["name"].to_numpy()[features]],
            by_zone(problem.landscape, features),
            lower=problem.target[features],
            price=weights[features] / problem.target[features],
            unit=[str(unit) for unit in table["unit"].to_numpy()[features]],
        )

    def value(self, problem: Problem, selection: np.ndarray) -> float:
        """Weighted sum of relative shortfalls."""
        features = wanted(problem)
        weights = feature_weights(problem.landscape, self.weights)[features]
        target = problem.target[features]
        missing = np.maximum(0.0, target - held(problem.landscape, selection)[features])
        return float(np.sum(weights * missing / target))


MEMBER = MinShortfall
