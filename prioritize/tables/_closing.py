"""The cheapest way to close one gap by adding units: between two estimates that need no solver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prioritize.landscape import LOCKED_OUT, Landscape

#: more units than this are not looked at one by one for those that turned out not to be needed
MOST_TRIMMED = 20_000

DEFINITIONS = {
    "cost_lower": "Least cost it may take: cheapest units for their gain first, the last one in part (a knapsack "
    "relaxed; no whole number of units can be cheaper).",
    "cost_upper": "Cost of the units named: the same with whole units, so it can be done for this; an upper estimate "
    "of the least cost.",
    "n_units": "Number of units that this adds.",
}
NOTE = (
    "Closing a gap adds free units in their best zone and leaves the plan as it is; borders, quotas and other "
    "constraints are not looked at, negative costs count as zero, and moving a unit to another zone is not considered. "
    "Each gap is closed by itself: closing several costs less than their sum."
)


@dataclass(frozen=True, eq=False)
class Closing:
    """How to close a gap.

    Attributes
    ----------
    lower, upper : float
        Estimates of the least additional cost; infinite where all free units together do not close the gap.
    units, zones : (n,) int
        What the upper estimate adds.
    """

    lower: float
    upper: float
    units: np.ndarray
    zones: np.ndarray


def addable(landscape: Landscape, selection: np.ndarray) -> np.ndarray:
    """(U, Z) bool: units outside the plan and the zones that they may be given."""
    return np.logical_not(selection.any(axis=1, keepdims=True)) & (landscape.status != LOCKED_OUT)


def close(landscape: Landscape, free: np.ndarray, units: np.ndarray, gain: np.ndarray, missing: float) -> Closing:
    """Cheapest units, by cost for their gain, that together gain what is missing.

    Parameters
    ----------
    landscape : Landscape
    free : (U, Z) bool
        See `addable`.
    units : (k,) int
        Units that gain anything.
    gain : (k, Z) float64
        What each gains in each zone.
    missing : float
    """
    cost = np.maximum(landscape.cost[units], 0.0)
    gain = np.where(free[units], np.maximum(gain, 0.0), 0.0)
    able = gain.max(axis=1) > 0
    units, cost, gain = units[able], cost[able], gain[able]
    need = missing * (1 - 1e-12)
    nothing = np.empty(0, np.int64)
    if gain.max(axis=1).sum() < need if len(units) else need > 0:
        return Closing(np.inf, np.inf, nothing, nothing)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(gain > 0, cost / gain, np.inf)

    # every zone of a unit an item of its own: one zone a unit is relaxed too, so this stays below any real addition
    usable = (gain > 0).ravel()
    flat_gain, flat_cost = gain.ravel()[usable], cost.ravel()[usable]
    order = np.argsort(ratio.ravel()[usable], kind="stable")
    total = np.cumsum(flat_gain[order])
    last = min(int(np.searchsorted(total, need)), len(order) - 1)
    before = total[last - 1] if last else 0.0
    part = min(1.0, max(0.0, (missing - before) / flat_gain[order[last]]))
    lower = float(flat_cost[order[:last]].sum() + part * flat_cost[order[last]])

    zone = ratio.argmin(axis=1)
    rows = np.arange(len(units))
    if gain[rows, zone].sum() < need:
        zone = gain.argmax(axis=1)
    own_gain, own_cost = gain[rows, zone], cost[rows, zone]
    order = np.argsort(own_cost / own_gain, kind="stable")
    total = np.cumsum(own_gain[order])
    last = min(int(np.searchsorted(total, need)), len(order) - 1)
    taken = order[:last]
    left = need - (total[last - 1] if last else 0.0)
    # the last one need not be the best for its gain, only the cheapest that is enough
    rest = order[last:]
    enough = rest[own_gain[rest] >= left]
    final = enough[np.argmin(own_cost[enough])] if len(enough) else order[last]
    taken = trim(np.append(taken, final), own_gain, own_cost, need)
    return Closing(lower, float(own_cost[taken].sum()), units[taken], zone[taken])


def trim(taken: np.ndarray, gain: np.ndarray, cost: np.ndarray, need: float) -> np.ndarray:
    """Leave out what turns out not to be needed, dearest first."""
    spare = float(gain[taken].sum()) - need
    if spare <= 0 or len(taken) > MOST_TRIMMED:
        return taken
    keep = np.ones(len(taken), bool)
    for k in np.argsort(-cost[taken], kind="stable"):
        if gain[taken[k]] <= spare:
            keep[k] = False
            spare -= gain[taken[k]]
    return taken[keep]


def close_feature(landscape: Landscape, free: np.ndarray, feature: int, missing: float) -> Closing:
    """The cheapest way to add what is missing of one feature, contributions counted."""
    amount = landscape.amount
    part = slice(amount.indptr[feature], amount.indptr[feature + 1])
    return close(
        landscape,
        free,
        amount.indices[part],
        amount.data[part][:, None] * landscape.contribution[feature],
        missing,
    )
