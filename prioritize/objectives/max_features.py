"""Maximum features: meet as many targets as a budget allows."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from prioritize.objectives._all_or_nothing import all_or_nothing
from prioritize.problem import Problem, WeighsFeatures, by_zone, feature_weights, held, wanted
from prioritize.program import Builder
from prioritize.tolerance import reached


class MaxFeatures(WeighsFeatures):
    """Maximise the weighted number of features whose target is met, within the constraints."""

    kind: Literal["max_features"] = "max_features"
    hard_targets: ClassVar[bool] = False
    maximise: ClassVar[bool] = True

    def add(self, problem: Problem, to: Builder) -> None:
        """One binary column a target: met_f = 1 needs Ax >= target."""
        features = wanted(problem)
        to.add_extra(
            all_or_nothing(
                "targets met",
                by_zone(problem.landscape, features),
                problem.target[features],
                feature_weights(problem.landscape, self.weights)[features],
                problem.landscape.features["name"].to_numpy()[features],
            )
        )

    def value(self, problem: Problem, selection: np.ndarray) -> float:
        """Weighted number of targets met."""
        features = wanted(problem)
        weights = feature_weights(problem.landscape, self.weights)[features]
        return float(weights @ reached(held(problem.landscape, selection), problem.target)[features])


MEMBER = MaxFeatures
