"""Maximum features: meet as many targets as a budget allows."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from prioritize.problem import MET, Problem, by_zone, feature_weights, held, wanted
from prioritize.program import Builder, Extra
from prioritize.source import Config


class MaxFeatures(Config):
    """Maximise the weighted number of features whose target is met, within the constraints."""

    kind: Literal["max_features"] = "max_features"
    weights: float | dict[str, float] | None = Field(None, description="importance by feature name or pattern")
    hard_targets: ClassVar[bool] = False
    maximise: ClassVar[bool] = True

    def references(self) -> list[str]:
        """No layer."""
        return []

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
        return float(weights @ (held(problem.landscape, selection)[features] >= problem.target[features] * (1 - MET)))


def all_or_nothing(
    name: str, rows: sparse.csr_array, need: np.ndarray, weights: np.ndarray, labels: np.ndarray
) -> Extra:
    """A block of k binary columns, each worth its weight once its row of `rows` (k, V) reaches `need` (k,)."""
    k = len(need)
    scale = sparse.diags_array(1.0 / need)
    return Extra(
        name=name,
        cost=-weights,
        lower=np.zeros(k),
        upper=np.ones(k),
        integer=np.ones(k, bool),
        rows=sparse.hstack([scale @ rows, -sparse.eye_array(k)], format="csr"),
        row_lower=np.zeros(k),
        row_upper=np.full(k, np.inf),
        row_names=tuple(f"{name}: '{label}'" for label in labels),
        complete=lambda x: (rows @ x >= need * (1 - MET)).astype(np.float64),
    )


MEMBER = MaxFeatures
