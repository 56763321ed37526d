"""What counts as met: the one tolerance of this product.

Amounts are floating-point numbers, and a target is often a sum of them: it may miss, by its last digit, what the same
units added in another order hold. So a lower bound `b` on a sum is met from b - slack upwards, an upper bound up to
b + slack, where

    slack = MET * |b|           or, where amounts of both signs may cancel and b is (next to) zero,
                                MET * (largest amount of the row).

`Builder.build` moves the bounds of hard rows by this slack once, so that the engine, the duals, the certificate, the
integer programs and `verify` all speak of the same rows: **what counts as met is what is bounded**. What looks at the
landscape instead of the Program (re-check, coverage tables, constraints' own checks) uses `least` and `most` below.
The target itself, without slack, is what a shortfall is counted from.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse

from prioritize.errors import SolveError

#: relative slack (a million amounts added in float64 are wrong by some 1e-12 of their sum)
MET = 1e-9
#: the tolerance that solvers are given (feasibility, integrality), and by how much what they claim may contradict exact
#: numbers, both of the sum of magnitudes of what an objective adds up
SOLVER, CONTRADICTION = 1e-9, 1e-7


def size(bound: np.ndarray | float, cancelling: np.ndarray | float = 0.0) -> np.ndarray:
    """What the slack is relative to.

    Parameters
    ----------
    bound : (R,) float64
    cancelling : (R,) float64
        Largest magnitude of a row's amounts where these have both signs, else 0 (see `cancelling`).
    """
    magnitude = np.abs(bound)
    return np.where(magnitude > 1e-12 * np.asarray(cancelling), magnitude, cancelling)


def cancelling(amounts: np.ndarray) -> float:
    """Largest magnitude of some amounts (n,) if they have both signs, else 0."""
    both = amounts.size > 0 and amounts.min() < 0 < amounts.max()
    return float(np.abs(amounts).max()) if both else 0.0


def least(bound: np.ndarray | float, cancelling: np.ndarray | float = 0.0) -> np.ndarray:
    """The smallest sum that meets a lower bound."""
    return np.asarray(bound - MET * np.where(np.isfinite(bound), size(bound, cancelling), 0.0))


def most(bound: np.ndarray | float, cancelling: np.ndarray | float = 0.0) -> np.ndarray:
    """The largest sum that keeps an upper bound."""
    return np.asarray(bound + MET * np.where(np.isfinite(bound), size(bound, cancelling), 0.0))


def reached(held: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Whether amounts held (F,) meet their targets (F,)."""
    return np.asarray(held >= least(target))


def exact_where_close(rows: sparse.csr_array, x: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """(R,) activities rows @ x of a 0/1 vector, added without error where a bound is so near that it matters."""
    activity = np.asarray(rows @ x)
    # half the slack: a target that is hit to the last digit lies a whole slack above its bound
    near = 0.5 * MET * np.abs(activity)
    if rows.nnz and rows.data.min() < 0:
        near = 0.5 * MET * (abs(rows) @ x)
    close = (np.abs(activity - lower) <= near) | (np.abs(activity - upper) <= near)
    for row in np.flatnonzero(close):
        span = slice(rows.indptr[row], rows.indptr[row + 1])
        activity[row] = math.fsum(rows.data[span][x[rows.indices[span]] > 0].tolist())
    return activity


def consistent(objective: float, bound: float, magnitude: float) -> None:
    """Stop where a lower bound lies above the value of a selection: one of both is wrong, and neither may be told.

    Parameters
    ----------
    magnitude : float
        Sum of the magnitudes of what the objective adds up: what rounding is relative to.

    Raises
    ------
    SolveError
        If the bound is above the objective by more than rounding and the solvers' tolerances explain.
    """
    if bound > objective + CONTRADICTION * max(magnitude, abs(objective)):
        raise SolveError(
            f"the bound {bound:.12g} is above the objective {objective:.12g} of a selection that meets everything: one "
            "of them is wrong, so neither is told; please report it with the scenario (another solver.kind may do)"
        )


def lowered(bound: float, magnitude: float) -> float:
    """The bound of a tree search less what its own tolerances may have added to it."""
    if bound == 0.0 or not math.isfinite(bound):  # of nothing at all nothing was rounded
        return bound
    # once for the rows, once for the gap at which a solver stops
    return bound - 2 * SOLVER * max(magnitude, abs(bound))
