"""Maximum utility: the largest weighted sum of amounts that a budget allows."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from prioritize.problem import Problem, WeighsFeatures, feature_weights, held
from prioritize.program import Builder


class MaxUtility(WeighsFeatures):
    """Maximise the sum over features of weight * amount held, within the constraints. Targets are not used."""

    kind: Literal["max_utility"] = "max_utility"
    hard_targets: ClassVar[bool] = False
    maximise: ClassVar[bool] = True

    def add(self, problem: Problem, to: Builder) -> None:
        """Linear columns: what selecting a unit in a zone is worth."""
        landscape = problem.landscape
        weighted = feature_weights(landscape, self.weights)[:, None] * landscape.contribution
        to.add_cost(-(landscape.amount.T @ weighted))

    def value(self, problem: Problem, selection: np.ndarray) -> float:
        """Weighted sum of amounts held."""
        return float(feature_weights(problem.landscape, self.weights) @ held(problem.landscape, selection))


MEMBER = MaxUtility
