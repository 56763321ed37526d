"""Minimum largest shortfall: lift the worst-off feature as far as a budget allows."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from scipy import sparse

from prioritize.problem import Problem, WeighsFeatures, by_zone, feature_weights, held, wanted
from prioritize.program import Builder, Extra


class MinLargestShortfall(WeighsFeatures):
    """Minimise the largest over features of weight * (missing amount / target), within the constraints."""

    kind: Literal["min_largest_shortfall"] = "min_largest_shortfall"
    hard_targets: ClassVar[bool] = False
    maximise: ClassVar[bool] = False

    def add(self, problem: Problem, to: Builder) -> None:
        """One column for the largest shortfall, above each feature's own: weight/target * Ax + m >= weight."""
        features = wanted(problem)
        weights = feature_weights(problem.landscape, self.weights)[features]
        rows = by_zone(problem.landscape, features)
        scale = sparse.diags_array(weights / problem.target[features])
        names = problem.landscape.features["name"].to_numpy()[features]

        def largest(x: np.ndarray) -> np.ndarray:
            return np.array([max(0.0, float(np.max(weights - scale @ (rows @ x), initial=0.0)))])

        to.add_extra(
            Extra(
                name="largest shortfall",
                cost=np.ones(1),
                lower=np.zeros(1),
                upper=np.array([weights.max(initial=0.0)]),
                integer=np.zeros(1, bool),
                rows=sparse.hstack([scale @ rows, np.ones((len(features), 1))], format="csr"),
                row_lower=weights,
                row_upper=np.full(len(features), np.inf),
                row_names=tuple(f"shortfall of '{name}'" for name in names),
                complete=largest,
            )
        )

    def value(self, problem: Problem, selection: np.ndarray) -> float:
        """Largest weighted relative shortfall."""
        features = wanted(problem)
        weights = feature_weights(problem.landscape, self.weights)[features]
        target = problem.target[features]
        missing = np.maximum(0.0, target - held(problem.landscape, selection)[features])
        return float(np.max(weights * missing / target, initial=0.0))


MEMBER = MinLargestShortfall
