"""OR-Tools on what the bound leaves open: the core, and neighbourhoods of the incumbent."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from prioritize.engine.view import View
from prioritize.solvers.milp import flatten, lift
from prioritize.solvers.process import Answer, solve_milp


def decide(
    view: View,
    base: np.ndarray,
    label: np.ndarray,
    incumbent: np.ndarray | None,
    *,
    seconds: float,
    within: float,
    seed: int,
    stop: threading.Event | None,
    on_log: Callable[[list[str], float, float], None] | None = None,
) -> tuple[np.ndarray | None, Answer, float]:
    """Let the integer program choose the zones of the labelled units, one choice a label; the rest stays at `base`.

    Parameters
    ----------
    base : (U,) int8
    label : (U,) int32
        -1 for units that are held at `base`; otherwise any number.
    within : float
        Stop when this near to the optimum, in the objective's unit.
    incumbent : (U,) int8 or None
        Given as a hint if it gives all units of a label the same zone.

    Returns
    -------
    (zone or None, Answer, bound)
        `bound` is a lower bound of the restricted problem.
    """
    free = np.flatnonzero(label >= 0)
    number, first, merged = np.unique(label[free], return_index=True, return_inverse=True)
    part = view.within(free, base)
    if len(number) < len(free):
        part = part.merge(merged.astype(np.int32))
    else:
        merged = np.arange(len(free))
    program = part.program(np.flatnonzero(np.bincount(part.row, minlength=len(part.lower)) > 0))
    milp = flatten(program)
    hint, gap = None, 1e-6
    if incumbent is not None:
        zone = incumbent[free][first] if len(number) < len(free) else incumbent[free]
        if np.array_equal(zone[merged], incumbent[free]):
            x = np.zeros((part.units, part.zones))
            chosen = np.flatnonzero(zone >= 0)
            x[chosen, zone[chosen]] = 1.0
            hint = lift(milp, x.ravel())
            gap = within / max(abs(float(milp.cost @ hint)) * milp.objective_scale, within * 20, 1e-300)
    answer = solve_milp(
        milp, "highs", gap=max(gap, 1e-9), seconds=seconds, seed=seed, hint=hint, stop=stop, on_log=on_log
    )
    bound = milp.unscaled(answer.bound)
    if answer.x is None:
        return None, answer, bound
    grid = np.round(answer.x[: part.units * part.zones]).reshape(part.units, part.zones)
    zone = np.where(grid.any(axis=1), grid.argmax(axis=1), -1).astype(np.int8)
    result = base.copy()
    result[free] = zone[merged]
    return result, answer, bound
