"""OR-Tools on what the bound leaves open: the core, and neighbourhoods of the incumbent."""

from __future__ import annotations

import threading

import numpy as np

from prioritize.engine.view import View
from prioritize.solvers.milp import flatten, lift
from prioritize.solvers.process import Answer, solve_milp


def decide(
    view: View,
    base: np.ndarray,
    free: np.ndarray,
    *,
    seconds: float,
    within: float,
    seed: int,
    stop: threading.Event | None,
    prove: bool = True,
) -> tuple[np.ndarray | None, Answer, float]:
    """Let the integer program choose the zones of some units; the rest stays at `base`.

    Parameters
    ----------
    base : (U,) int8
        Also the start.
    free : (k,) int
        Units, ascending.
    within : float
        Stop when this near to the optimum, in the objective's unit.
    prove : bool
        The bound is wanted, too.

    Returns
    -------
    (zone or None, Answer, bound)
        `bound` is a lower bound of the restricted problem.
    """
    part = view.within(free, base)
    milp = flatten(part.program(np.flatnonzero(np.bincount(part.row, minlength=len(part.lower)) > 0)))
    x = np.zeros((part.units, part.zones))
    chosen = np.flatnonzero(base[free] >= 0)
    x[chosen, base[free][chosen]] = 1.0
    hint = lift(milp, x.ravel())
    gap = within / max(abs(float(milp.cost @ hint)) * milp.objective_scale, within * 20, 1e-300)
    answer = solve_milp(
        milp, "highs", gap=max(gap, 1e-9), seconds=seconds, seed=seed, hint=hint, stop=stop, prove=prove
    )  # fmt: skip
    bound = milp.unscaled(answer.bound)
    if answer.x is None:
        return None, answer, bound
    grid = np.round(answer.x[: part.units * part.zones]).reshape(part.units, part.zones)
    result = base.copy()
    result[free] = np.where(grid.any(axis=1), grid.argmax(axis=1), -1).astype(np.int8)
    return result, answer, bound
