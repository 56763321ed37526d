"""Rows at the edge, said so that a solver's tolerance does not blur them.

A target of the whole range leaves a room of some 1e-9 of all amounts: as much as solvers tolerate, and less than what
they drop as zero. Written as it stands, HiGHS has "proven" bounds above selections that meet every row. What exact
sums decide is decided here: a unit whose best choice holds more than the room must be chosen, and choices that give up
more than the room are shut. What is left of the row has no amount above the room, and is scaled by that.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import sparse

from prioritize.program import HARD, Program, extremes

#: a row whose room is below this share of its largest amount is rewritten
TIGHT = 1e-4
#: decided only beyond the rounding of one subtraction
SURE = 1 + 1e-12
#: what is shut for one row leaves others less room: so often they are looked at again
ROUNDS = 10


def pressed(program: Program) -> Program:
    """The same selections, with rows that have next to no room rewritten; the Program itself where none has.

    Only for what solvers are given: `asked_lower`, `row_names` and `row_units` are no longer those of the rows.

    Parameters
    ----------
    program : Program

    Returns
    -------
    Program
    """
    tight = rows_with_little_room(program)
    if not tight.size:
        return program
    upper, must = program.upper.copy(), np.zeros(program.units, bool)
    for _ in range(ROUNDS):
        before = upper.sum(), must.sum()
        found = {row: press(program, row, upper, must) for row in tight.tolist()}
        if before == (upper.sum(), must.sum()):
            break
    rows, low = program.rows.copy(), program.row_lower.copy()
    rows.data = rows.data.astype(np.float64)
    for row, (data, bound) in found.items():
        rows.data[rows.indptr[row] : rows.indptr[row + 1]], low[row] = data, bound
    rows.eliminate_zeros()
    unit = np.flatnonzero(must)
    column = unit[:, None] * program.zones + np.arange(program.zones)
    number = np.repeat(np.arange(len(unit)), program.zones)
    chosen = sparse.csr_array((np.ones(column.size), (number, column.ravel())), shape=(len(unit), rows.shape[1]))
    return replace(
        program,
        upper=upper,
        rows=sparse.vstack([rows, chosen], format="csr"),
        row_lower=np.r_[low, np.ones(len(unit))],
        row_upper=np.r_[program.row_upper, np.full(len(unit), np.inf)],
        price=np.r_[program.price, np.full(len(unit), HARD)],
    )


def rows_with_little_room(program: Program) -> np.ndarray:
    """Numbers (k,) of the hard lower bounds on amounts that almost all units together just reach, or miss."""
    smallest, _ = extremes(program.rows)
    hard = (program.price == HARD) & (program.row_lower > 0) & np.isinf(program.row_upper) & (smallest == 0)
    number = np.flatnonzero(hard)
    # shared where all are hard: the matrix may be most of the memory
    rows = program.rows if len(number) == len(hard) else program.rows[number]
    if program.zones == 1:
        most = rows @ (program.upper > 0)
    else:
        part = rows.tocoo()
        row, column = part.coords
        key = row.astype(np.int64) * program.units + column // program.zones
        of, where = np.unique(key, return_inverse=True)
        best = np.zeros(len(of))
        np.maximum.at(best, where, np.where(program.upper[column] > 0, part.data, 0.0))
        most = np.bincount(of // program.units, best, len(number))
    # rounding of the sum against it: what is not tight is found so by `press`
    return number[most - program.row_lower[number] < TIGHT * program.largest[number] + 1e-12 * most]


def press(program: Program, row: int, upper: np.ndarray, must: np.ndarray) -> tuple[np.ndarray, float]:
    """Amounts (n,) of one row, and its bound, rewritten; `upper` (V,) and `must` (U,) are changed in place."""
    span, zones = slice(program.rows.indptr[row], program.rows.indptr[row + 1]), program.zones
    column, bound = program.rows.indices[span], float(program.row_lower[row])
    value = np.where(upper[column] > 0, program.rows.data[span], 0.0)
    unit, where = np.unique(column // zones, return_inverse=True)
    held = np.zeros((len(unit), zones))
    held[where, column % zones] = value
    best = held.max(axis=1, initial=0.0)
    room = math.fsum([*best.tolist(), -bound])
    if room < 0:  # not even all units reach it
        return np.zeros(len(column)), 1.0
    forced = best > room * SURE
    places = unit[:, None].astype(np.int64) * zones + np.arange(zones)
    shut = forced[:, None] & (best[:, None] - held > room * SURE) & (program.lower[places] == 0)
    upper[places[shut]] = 0.0
    must[unit[forced]] = True
    # a unit that must be chosen counts with what its choice gives up against the best
    amount = np.where(forced[where], value - best[where], value)
    return np.where(upper[column] > 0, amount, 0.0), math.fsum([bound, *(-best[forced]).tolist()])
