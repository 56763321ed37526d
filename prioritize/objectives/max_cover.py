"""Maximum coverage: catch as many features at least once as a budget allows."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from prioritize.objectives._all_or_nothing import all_or_nothing
from prioritize.problem import Problem, WeighsFeatures, by_zone, feature_weights, held
from prioritize.program import Builder


class MaxCover(WeighsFeatures):
    """Maximise the weighted number of features that occur in at least one selected unit (Church et al. 1996,
    doi 10.1016/0006-3207(95)00102-6). Targets are not used.
    """

    kind: Literal["max_cover"] = "max_cover"
    hard_targets: ClassVar[bool] = False
    maximise: ClassVar[bool] = True

    def add(self, problem: Problem, to: Builder) -> None:
        """One binary column a feature: covered_f = 1 needs one selected unit where it occurs."""
        landscape = problem.landscape
        features = np.arange(len(landscape.features))
        occurs = by_zone(landscape, features).copy()
        occurs.data = (occurs.data > 0).astype(np.float64)
        occurs.eliminate_zeros()
        weights = feature_weights(landscape, self.weights)
        names = landscape.features["name"].to_numpy()
        to.add_extra(all_or_nothing("covered", occurs, np.ones(len(features)), weights, names))

    def value(self, problem: Problem, selection: np.ndarray) -> float:
        """Weighted number of features covered."""
        return float(feature_weights(problem.landscape, self.weights) @ (held(problem.landscape, selection) > 0))


MEMBER = MaxCover
