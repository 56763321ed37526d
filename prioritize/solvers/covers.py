"""Cuts against answers that fit a solver's tolerance, but not the rows.

A solver takes a row for met that is short by 1e-9 of its largest coefficient, and CP-SAT one that is short by the
rounding of its coefficients. Such an answer breaks a hard row in exact sums. It is cut off, and the solver asked again:
whatever meets a row `a.x >= b` that z misses takes some column with a > 0 that z leaves, or leaves one with a < 0 that
z takes (a cover inequality: Balas 1975, doi 10.1007/BF01580440; its coefficients are 1, so no tolerance blurs it). A
rule beyond rows (a patch that is too small ...) cuts off just the selection that breaks it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from prioritize import tolerance
from prioritize.program import Program
from prioritize.solvers.milp import Milp

#: (columns, coefficients, least sum)
Cut = tuple[np.ndarray, np.ndarray, float]


def cover(column: np.ndarray, amount: np.ndarray, z: np.ndarray) -> Cut:
    """The cut of a row a.x >= b that a 0/1 vector z (N,) misses."""
    more = column[(amount > 0) & (z[column] < 0.5)]
    less = column[(amount < 0) & (z[column] > 0.5)]
    return np.r_[more, less], np.r_[np.ones(len(more)), -np.ones(len(less))], 1.0 - len(less)


def missed(rows: sparse.csr_array, low: np.ndarray, high: np.ndarray, z: np.ndarray) -> list[tuple[int, float]]:
    """Rows that a 0/1 vector misses in exact sums: (row, 1 if it holds too little, -1 if too much)."""
    activity = tolerance.exact_where_close(rows, z, low, high)
    return [(int(r), 1.0) for r in np.flatnonzero(activity < low)] + [
        (int(r), -1.0) for r in np.flatnonzero(activity > high)
    ]


def cuts(program: Program, z: np.ndarray) -> list[Cut]:
    """What cuts off a 0/1 vector z (N,) of a flattened Program, if it breaks a hard row, a block or a rule."""
    columns, found = program.units * program.zones, []
    x = z[:columns]

    def against(rows: sparse.csr_array, low: np.ndarray, high: np.ndarray, number: np.ndarray) -> None:
        own = z[number]
        for row, sign in missed(rows, low, high, own):
            span = slice(rows.indptr[row], rows.indptr[row + 1])
            column, amount, least = cover(rows.indices[span], sign * rows.data[span], own)
            found.append((number[column], amount, least))

    hard = np.where(np.isfinite(program.price), -np.inf, program.row_lower)
    against(program.rows, hard, program.row_upper, np.arange(columns))
    first = len(z) - sum(len(extra.cost) for extra in program.extras)
    for extra in program.extras:
        own = np.arange(first, first + len(extra.cost))
        first += len(extra.cost)
        if extra.integer.all():
            against(extra.rows, extra.row_lower, extra.row_upper, np.r_[np.arange(columns), own])
        if extra.rule is not None:
            zones = np.asarray(extra.rule.zones)
            chosen = x.reshape(program.units, program.zones)[:, zones].sum(axis=1) > 0.5
            if extra.rule.faults(chosen):
                unit = np.repeat(np.arange(program.units), len(zones))
                every = (np.arange(program.units)[:, None] * program.zones + zones).ravel()
                found.append((every, np.where(chosen[unit], -1.0, 1.0), 1.0 - float(chosen.sum())))
    return found


def with_cuts(milp: Milp, more: list[Cut]) -> Milp:
    """The same Milp with more rows."""
    row = np.repeat(np.arange(len(more)), [len(column) for column, _, _ in more])
    column, amount = (np.concatenate([cut[k] for cut in more]) for k in (0, 1))
    block = sparse.coo_array((amount, (row, column)), shape=(len(more), milp.rows.shape[1])).tocsr()
    return replace(
        milp,
        rows=sparse.vstack([milp.rows, block], format="csr"),
        row_lower=np.r_[milp.row_lower, [least for _, _, least in more]],
        row_upper=np.r_[milp.row_upper, np.full(len(more), np.inf)],
    )
