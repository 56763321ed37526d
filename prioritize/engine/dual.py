"""The proof, in plain NumPy: what any multipliers prove about a Program. Shares no code with what finds them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prioritize.program import Program


@dataclass(frozen=True, eq=False)
class Multipliers:
    """Prices that prove a lower bound (see `dual_value`).

    Attributes
    ----------
    rows : (R,) float64
        Objective per amount: positive pushes on `row_lower`, negative on `row_upper`; at most `price` in soft rows.
    flows : tuple of (E,) float64
        One array a group of `Program.edges`, each between 0 and the edge's weight.
    """

    rows: np.ndarray
    flows: tuple[np.ndarray, ...] = ()


def clipped(program: Program, multipliers: Multipliers) -> Multipliers:
    """The same multipliers within their box: rounding may leave them outside by their last digit, and prove nothing.

    A price pushes on a bound that is there and never beyond the price of a soft row; a flow lies between 0 and the
    weight of its edge.
    """
    low = np.where(np.isfinite(program.row_upper), -np.inf, 0.0)
    high = np.where(np.isfinite(program.row_lower), program.price, 0.0)
    flows = tuple(
        np.clip(flow, 0.0, group.weight) for group, flow in zip(program.edges, multipliers.flows, strict=True)
    )
    return Multipliers(np.clip(multipliers.rows, low, high), flows)


def at_zero(program: Program) -> Multipliers:
    """Prices and flows of nothing: they prove that no selection is cheaper than each unit's cheapest choice alone."""
    return Multipliers(np.zeros(len(program.row_lower)), tuple(np.zeros(len(group.weight)) for group in program.edges))


def dual_value(program: Program, multipliers: Multipliers) -> float:
    """Lower bound of a Program: each unit alone takes what is cheapest for it under the prices of rows and edges.

    Lagrangian duality (Geoffrion 1974, doi 10.1007/BFb0120690): for any prices of the right sign,
    L = constant + prices.bounds + sum over units of its cheapest choice + least value of the extras' columns.

    Returns
    -------
    float
        Minus infinity where a price pushes on a bound that is not there or leaves its box, or a unit has no choice.
    """
    price, grid = multipliers.rows, (program.units, program.zones)
    bound = np.where(price > 0, program.row_lower, np.where(price < 0, program.row_upper, 0.0))
    in_box = all(
        np.all(flow >= 0) and np.all(flow <= group.weight)
        for group, flow in zip(program.edges, multipliers.flows, strict=True)
    )
    if not in_box or np.any(price > program.price) or not np.all(np.isfinite(price)) or not np.all(np.isfinite(bound)):
        return -np.inf
    reduced = (program.cost - program.rows.T @ price).reshape(grid)
    for group, flow in zip(program.edges, multipliers.flows, strict=True):
        out = np.bincount(group.tail, flow, program.units) - np.bincount(group.head, flow, program.units)
        reduced[:, list(group.zones)] += out[:, None]
    lower, upper = program.lower.reshape(grid), program.upper.reshape(grid)
    cheapest = np.where(upper > 0, reduced, np.inf).min(axis=1)
    if not program.mandatory:
        cheapest = np.minimum(cheapest, 0.0)
    locked = lower.any(axis=1)
    if np.any(np.isinf(cheapest[~locked])):  # a unit must have a zone and may have none
        return -np.inf
    cheapest[locked] = (lower * reduced)[locked].sum(axis=1)
    extras = sum(float(np.minimum(e.cost * e.lower, e.cost * e.upper).sum()) for e in program.extras)
    return program.constant + float(price @ bound) + float(cheapest.sum()) + extras
