"""Problems of 12 to 2,000 units whose targets lie at the edge; the same (seed, number) always gives the same one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import sparse

from brute.cases import awkward, beside
from prioritize.landscape import Landscape, from_arrays
from prioritize.problem import Problem
from prioritize.registry import family

LEAST, MOST = 12, 2000
#: kinds of targets, and how often
KINDS = {"whole": 0.4, "part": 0.3, "slack": 0.15, "share": 0.15}
#: a target above all that there is, in parts of the slack (1e-9): met up to 1, beyond from there
BEYOND = (0.5, 0.999, 1.001, 2.0, 100.0)


def landscape_of(rng: np.random.Generator) -> Landscape:
    units = round(math.exp(rng.uniform(math.log(LEAST), math.log(MOST + 0.4))))
    zones = 2 if units <= 400 and rng.random() < 0.25 else 1
    features = int(rng.integers(1, 4 if units < 40 else 13))
    amount = np.vstack([awkward(rng, units, rng.choice([0.0, 0.3, 0.9])) for _ in range(features)])
    status = np.zeros((units, zones), np.int8)
    if rng.random() < 0.4:
        shut, locked = rng.random(units) < 0.05, rng.random(units) < 0.05
        status[shut, int(rng.integers(zones))] = -1
        status[locked & ~shut, int(rng.integers(zones))] = 1
    contribution = rng.choice([1.0, 1.0, 0.5, 1 / 3, 0.1], (features, zones)) if rng.random() < 0.5 else None
    return from_arrays(
        awkward(rng, (units, zones), rng.choice([0.0, 0.05])),
        sparse.csr_array(amount),
        contribution=contribution,
        status=status,
        zones=("protected", "oecm")[:zones],
        groups={"realm": rng.choice(["land", "sea"], units).tolist()},
        layers={"plain": awkward(rng, units)},
        area_km2=rng.choice([1 / 3, 0.1, 1.0], units) if rng.random() < 0.5 else np.ones(units),
    )


def summed(rng: np.random.Generator, values: np.ndarray) -> float:
    """The sum of some values: without error, one after the other in any order, or in NumPy's."""
    kind = rng.choice(["exact", "order", "numpy"])
    if kind == "exact":
        return math.fsum(values.tolist())
    return float(sum(rng.permutation(values).tolist()) if kind == "order" else values.sum())


def target_of(rng: np.random.Generator, held: np.ndarray) -> float:
    """A target for amounts (U,), each unit in its best zone."""
    kind = rng.choice(list(KINDS), p=list(KINDS.values()))
    if kind == "part":
        return beside(rng, summed(rng, rng.permutation(held)[: rng.integers(1, len(held) + 1)]))
    whole = summed(rng, held)
    if kind == "share":
        return float(rng.choice([0.1, 0.3, 1 / 3, 0.5, 0.9, 0.999])) * whole
    if kind == "slack":
        # seldom in vain: what nobody can meet ends the case
        return whole * (1 + 1e-9 * float(rng.choice(BEYOND, p=[0.4, 0.4, 0.08, 0.08, 0.04])))
    if rng.random() < 0.05:
        return float(np.float32(whole))
    return beside(rng, whole)


def best(land: Landscape, shut: bool) -> np.ndarray:
    """(F, U) amounts in the zone that counts most; with `shut`, of those that a unit may be given."""
    amount = land.amount.toarray()
    held = amount[:, :, None] * land.contribution[:, None, :]
    if not shut:
        return held.max(axis=2)
    locked = (land.status == 1).any(axis=1)
    allowed = np.where(locked[:, None], land.status == 1, land.status == 0)
    return np.where(allowed[None], held, 0.0).max(axis=2)


def problem_of(seed: int, number: int) -> Problem:
    """The problem of one case: least cost, hard targets."""
    rng = np.random.default_rng([7, seed, number])
    land = landscape_of(rng)
    units, _, zones = land.shape
    held = best(land, bool(rng.random() < 0.9))
    target = np.array([target_of(rng, row) if rng.random() < 0.9 else 0.0 for row in held])
    asked: list[dict[str, Any]] = []
    if rng.random() < 0.15:
        share = float(rng.choice([0.1, 1 / 3, 0.5, 1.0]))
        asked.append({"kind": "area", "of": str(rng.choice(["all", "realm:*", "realm:sea"])), "share": share})
    if rng.random() < 0.15:
        asked.append({"kind": "linear", "layer": "plain", "min": float(rng.choice([0.5, 1.0])), "relative": True})
    elif rng.random() < 0.15:
        asked.append({"kind": "linear", "layer": "plain", "min": target_of(rng, land.layers["plain"])})
    if zones > 1 and rng.random() < 0.3:
        asked.append({"kind": "mandatory"})
    if rng.random() < 0.2:
        # all units at the dearest, or these less some: the upper bound is at the edge, too
        dearest = land.cost.max(axis=1)
        asked.append({"kind": "budget", "amount": beside(rng, summed(rng, dearest[: units - int(rng.integers(3))]))})
    charged = []
    if rng.random() < 0.3:
        weight = float(rng.choice([-1.0, -0.1, 1 / 3, 2.0]))
        charged.append(family("penalties")["linear"](kind="linear", layer="plain", weight=weight))
    totals = np.asarray(land.amount.sum(axis=1)).ravel()
    return Problem(
        land,
        target,
        np.where(totals > 0, totals, 1.0),
        family("objectives")["min_cost"](),
        tuple(family("constraints")[keys["kind"]](**keys) for keys in asked),
        tuple(charged),
    )
