"""Problem: a landscape with its targets and terms, and the one bridge from it to a Program."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import sparse

from prioritize.errors import Faults, PrioritizeError, ScenarioError
from prioritize.landscape import LOCKED_IN, LOCKED_OUT, Landscape, some
from prioritize.program import Builder, Program, narrow
from prioritize.source import Config, match_features


class Term(Protocol):
    """Anything that adds to a Program and can say on its own, from the landscape, what it is worth."""

    def references(self) -> list[str]:
        """Unit layers that the term will ask the landscape for."""
        ...

    def add(self, problem: Problem, to: Builder) -> None:
        """Add columns, rows and edges."""
        ...


class TermConfig(Config):
    """What a term of a scenario file inherits: it asks for no layer unless it says so."""

    def references(self) -> list[str]:
        """Unit layers that the term will ask the landscape for."""
        return []


class NamedTerm(TermConfig):
    """A constraint or a penalty: one of a list, so it may have a name."""

    name: str | None = Field(None, description="an entry of the same name in a scenario that extends this one wins")


class WeighsFeatures(TermConfig):
    """An objective that trades features off against each other."""

    weights: float | dict[str, float] | None = Field(None, description="importance by feature name or pattern")


class Priced(Term, Protocol):
    """An objective or a penalty."""

    kind: Any

    def value(self, problem: Problem, selection: np.ndarray) -> float:
        """What the term adds to the objective for a (U, Z) selection, in the user's sense; never reads the Program."""
        ...


class Objective(Priced, Protocol):
    """What is minimised or maximised, and how the targets enter."""

    #: targets are rows that every selection must meet
    hard_targets: bool
    maximise: bool


class Constraint(Term, Protocol):
    """Hard rows."""

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """What a (U, Z) selection violates, one line each; never reads the Program."""
        ...


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be decided.

    Attributes
    ----------
    landscape : Landscape
    target : (F,) float64
        Amount to hold, in the feature's unit; 0 = no target.
    denominator : (F,) float64
        What a relative target is a share of.
    objective, constraints, penalties
        Terms.
    """

    landscape: Landscape
    target: np.ndarray
    denominator: np.ndarray
    objective: Objective
    constraints: tuple[Constraint, ...] = ()
    penalties: tuple[Priced, ...] = ()


def zone_numbers(landscape: Landscape, zones: list[str] | None) -> list[int]:
    """Zone names to column numbers; None is all zones.

    Raises
    ------
    ScenarioError
        If a name is unknown.
    """
    names = [zone.name for zone in landscape.zones]
    if zones is None:
        return list(range(len(names)))
    unknown = [zone for zone in zones if zone not in names]
    if unknown:
        raise ScenarioError(f"there is no zone '{unknown[0]}'; zones are {', '.join(names)}")
    return [names.index(zone) for zone in zones]


def held(landscape: Landscape, selection: np.ndarray) -> np.ndarray:
    """(F,) amount of each feature that a (U, Z) selection holds, contributions counted."""
    return sum(
        landscape.contribution[:, z] * (landscape.amount @ selection[:, z].astype(np.float64))
        for z in range(selection.shape[1])
    )


def held_exactly(landscape: Landscape, selection: np.ndarray, feature: int) -> float:
    """Amount of one feature that a (U, Z) selection holds, added up without error."""
    span = slice(landscape.amount.indptr[feature], landscape.amount.indptr[feature + 1])
    unit, amount = landscape.amount.indices[span], landscape.amount.data[span]
    factor = landscape.contribution[feature]
    parts = [(amount * factor[z])[selection[unit, z]] for z in range(selection.shape[1])]
    return math.fsum(np.concatenate(parts).tolist())


def by_zone(landscape: Landscape, features: np.ndarray) -> sparse.csr_array:
    """Amounts of some features as (k, V) columns by unit and zone, contributions multiplied in.

    Parameters
    ----------
    features : (k,) int
    """
    _, _, zones = landscape.shape
    every = len(features) == landscape.amount.shape[0]
    amount = landscape.amount if every else landscape.amount[features]
    factor = landscape.contribution[features]
    if zones == 1:
        if np.all(factor == 1.0):
            return amount
        scaled = amount.copy()
        scaled.data = scaled.data * np.repeat(factor[:, 0], np.diff(scaled.indptr))
        return scaled
    row = np.repeat(np.arange(len(features), dtype=np.int32), np.diff(amount.indptr))
    # amounts that fit into int32 may not do so once they stand there by zone
    indices = (amount.indices[:, None].astype(np.int64) * zones + np.arange(zones)).ravel()
    indptr = amount.indptr.astype(np.int64) * zones
    data = (amount.data[:, None] * factor[row]).ravel()
    expanded = sparse.csr_array((data, indices, indptr), shape=(len(features), amount.shape[1] * zones))
    expanded.eliminate_zeros()
    return narrow(expanded)


def wanted(problem: Problem) -> np.ndarray:
    """Numbers (k,) of the features that have a target."""
    return np.flatnonzero(problem.target > 0)


def feature_weights(landscape: Landscape, weights: float | dict[str, float] | None) -> np.ndarray:
    """(F,) weights: from the scenario, else from the feature table's `weight` column, else 1.

    Raises
    ------
    ScenarioError
        If a name matches no feature or a weight is not positive.
    """
    faults = Faults(ScenarioError)
    names = landscape.features["name"].to_numpy()
    result = np.ones(len(names))
    if "weight" in landscape.features:
        column = landscape.features["weight"]
        result = pd.to_numeric(column, errors="coerce").to_numpy(np.float64).copy()
        odd = np.isnan(result) & column.notna().to_numpy()
        if odd.any():
            faults.add(f"feature table: 'weight' is not a number for {some(names[odd])}")
        result[np.isnan(result)] = 1.0
    if weights is not None:
        given = match_features(weights, landscape.features["name"], np.nan, "objective.weights", faults)
        result = np.where(np.isnan(given), result, given)
    if np.any(result <= 0):
        culprit = f"{some(names[result <= 0])} is {some(result[result <= 0])}"
        faults.add(f"objective.weights (or 'weight' of the feature table): {culprit}; weights must be above 0")
    faults.raise_any()
    return result


def compile_problem(problem: Problem) -> Program:
    """Problem -> Program: locks become bounds, then every term adds its blocks in order.

    Raises
    ------
    ScenarioError
        With the faults of all terms together.
    """
    landscape = problem.landscape
    units, _, zones = landscape.shape
    to = Builder(units, zones)
    status = landscape.status
    locked = (status == LOCKED_IN).any(axis=1)
    upper = np.where(status == LOCKED_OUT, 0.0, 1.0)
    upper[locked[:, None] & (status != LOCKED_IN)] = 0.0
    to.lower[:] = (status == LOCKED_IN).astype(np.float64).ravel()
    to.upper[:] = upper.ravel()
    to.maximise = problem.objective.maximise
    to.unit_id = landscape.unit_id
    faults = Faults(ScenarioError)
    terms: list[tuple[str, Term]] = [("", problem.objective)]
    terms += [(f"constraints[{k}]: ", term) for k, term in enumerate(problem.constraints)]
    terms += [(f"penalties[{k}]: ", term) for k, term in enumerate(problem.penalties)]
    for where, term in terms:
        try:
            term.add(problem, to)
        except PrioritizeError as error:
            for fault in error.faults:
                faults.add(where + fault)
    faults.raise_any()
    return to.build()
