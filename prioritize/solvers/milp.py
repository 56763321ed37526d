"""Program -> plain MILP arrays: edges, soft rows and extras become columns and rows, everything is scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from prioritize.program import Extra, Program, extremes
from prioritize.solvers.room import pressed

CONTINUOUS, INTEGER, IMPLIED = 0, 1, 2
#: grain of a continuous column where a solver knows only whole numbers
STEP = 1e-7
#: coefficients below this share of their row's largest are left out, outwards: solvers drop them anyway, unasked
TINY = 1e-10


@dataclass(frozen=True, eq=False)
class Milp:
    """minimise cost.x subject to row_lower <= A x <= row_upper, lower <= x <= upper; N columns, M rows.

    The first `program.units * program.zones` columns are the selection. Values are scaled: an objective value `v` of
    these arrays stands for `v * objective_scale + offset` of the program.

    Attributes
    ----------
    cost, lower, upper : (N,) float64
    kind : (N,) int8
        CONTINUOUS, INTEGER, or IMPLIED: continuous, but whole in some optimum.
    rows : (M, N) CSR, each row divided by its largest coefficient
    row_lower, row_upper : (M,) float64
    objective_scale, offset : float
    """

    cost: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    kind: np.ndarray
    rows: sparse.csr_array
    row_lower: np.ndarray
    row_upper: np.ndarray
    objective_scale: float
    offset: float

    def unscaled(self, value: float) -> float:
        """An objective value of these arrays, in the program's numbers."""
        return value * self.objective_scale + self.offset

    def text(self) -> str:
        """The model written out, a line a row: what the golden tests hold on to."""

        def term(coefficient: float, column: int) -> str:
            return f"{coefficient:+.6g} x{column}"

        lines = ["minimise " + " ".join(term(c, k) for k, c in enumerate(self.cost) if c)]
        for row in range(self.rows.shape[0]):
            span = slice(self.rows.indptr[row], self.rows.indptr[row + 1])
            body = " ".join(term(c, k) for c, k in zip(self.rows.data[span], self.rows.indices[span], strict=True))
            lines.append(f"{self.row_lower[row]:.6g} <= {body} <= {self.row_upper[row]:.6g}")
        for column in range(len(self.cost)):
            kind = "int" if self.kind[column] == INTEGER else "real"
            lines.append(f"{self.lower[column]:.6g} <= x{column} <= {self.upper[column]:.6g} {kind}")
        return "\n".join(lines) + "\n"


def merge_pairs(
    tail: np.ndarray, head: np.ndarray, weight: np.ndarray, units: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Directed edges to pairs (i < j) with the weight in each direction: (i, j, weight i->j, weight j->i)."""
    low, high = np.minimum(tail, head).astype(np.int64), np.maximum(tail, head).astype(np.int64)
    key, where = np.unique(low * units + high, return_inverse=True)
    forward, backward = np.zeros(len(key)), np.zeros(len(key))
    np.add.at(forward, where, np.where(tail <= head, weight, 0.0))
    np.add.at(backward, where, np.where(tail > head, weight, 0.0))
    return (key // units).astype(np.int32), (key % units).astype(np.int32), forward, backward


def flatten(program: Program, *, relax: bool = False) -> Milp:
    """Write a Program as one MILP.

    A pair of edges between i and j costs w_ij (y_i - m) + w_ji (y_j - m) with m = min(y_i, y_j): one column m and the
    rows m <= y_i, m <= y_j, half the rows of the absolute-value form and the same relaxation. A pair with a locked end
    is linear and needs neither.

    Parameters
    ----------
    program : Program
    relax : bool
        Drop integrality (the LP relaxation).

    Returns
    -------
    Milp
    """
    if not relax:
        program = pressed(program)
    units, zones = program.units, program.zones
    columns = units * zones
    if not relax:
        program = replace(program, rows=capped(program.rows, program.row_lower, program.row_upper, columns))
    cost = program.cost.copy()
    offset = program.constant
    blocks_cost, blocks_lower, blocks_upper = [cost], [program.lower], [program.upper]
    blocks_kind = [np.full(columns, INTEGER, np.int8)]
    triplets: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    row_lower: list[np.ndarray] = []
    row_upper: list[np.ndarray] = []
    width, height = columns, 0

    def add_rows(row: np.ndarray, column: np.ndarray, value: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        nonlocal height
        triplets.append((row + height, column, value))
        row_lower.append(low)
        row_upper.append(high)
        height += len(low)

    def add_columns(c: np.ndarray, low: np.ndarray, high: np.ndarray, kind: int | np.ndarray) -> int:
        nonlocal width
        blocks_cost.append(c)
        blocks_lower.append(low)
        blocks_upper.append(high)
        blocks_kind.append(np.broadcast_to(np.asarray(kind, np.int8), len(c)))
        first = width
        width += len(c)
        return first

    # one zone a unit
    if zones > 1 or program.mandatory:
        unit = np.repeat(np.arange(units), zones)
        one = np.ones(units)
        low = one if program.mandatory else np.full(units, -np.inf)
        add_rows(unit, np.arange(columns), np.ones(columns), low, one)

    # edges
    lower, upper = program.lower.reshape(units, zones), program.upper.reshape(units, zones)
    for group in program.edges:
        members = np.asarray(group.zones)
        surely = lower[:, members].sum(axis=1) >= 1
        never = upper[:, members].sum(axis=1) <= 0
        tail, head, weight = group.tail, group.head, group.weight
        linear = np.zeros(units)
        leaves = surely[tail] & ~surely[head]  # costs weight * (1 - y_head)
        np.add.at(linear, head[leaves], -weight[leaves])
        offset += float(weight[leaves].sum())
        enters = ~surely[tail] & ~never[tail] & never[head]  # costs weight * y_tail
        np.add.at(linear, tail[enters], weight[enters])
        undecided = ~(surely | never)[tail] & ~(surely | never)[head]
        i, j, forward, backward = merge_pairs(tail[undecided], head[undecided], weight[undecided], units)
        np.add.at(linear, i, forward)
        np.add.at(linear, j, backward)
        cost.reshape(units, zones)[:, members] += linear[:, None]
        pairs = len(i)
        first = add_columns(-(forward + backward), np.zeros(pairs), np.ones(pairs), IMPLIED)
        for end in (i, j):
            row = np.repeat(np.arange(pairs), len(members) + 1)
            column = np.column_stack(
                [first + np.arange(pairs), end[:, None].astype(np.int64) * zones + members]
            ).ravel()
            sign = np.tile(np.r_[1.0, -np.ones(len(members))], pairs)
            add_rows(row, column, sign, np.full(pairs, -np.inf), np.zeros(pairs))

    # soft rows
    soft = np.flatnonzero(np.isfinite(program.price))
    biggest = program.largest
    # slack columns are counted in units of their own target so that they run from 0 to 1
    wanted = program.row_lower[soft]
    size = np.where(wanted > 0, wanted, biggest[soft])
    deepest = program.rows[soft].minimum(0.0).sum(axis=1) if len(soft) else np.zeros(0)
    most = np.maximum(0.0, (wanted - deepest) / size)
    first_slack = add_columns(program.price[soft] * size, np.zeros(len(soft)), most, CONTINUOUS)

    # extras
    first_extra = []
    for extra in program.extras:
        first_extra.append(
            add_columns(
                extra.cost,
                extra.lower,
                extra.upper,
                np.where(extra.integer, INTEGER, IMPLIED if extra.implied else CONTINUOUS),
            )
        )

    local = [sparse.coo_array((value, (row, column)), shape=(height, width)) for row, column, value in triplets]
    parts = [sum(local[1:], local[0]).tocsr()] if local else []
    lows, highs = list(row_lower), list(row_upper)
    if program.rows.shape[0]:
        main = program.rows.copy() if program.rows.data.dtype == np.float64 else program.rows.astype(np.float64)
        main.data /= np.repeat(biggest, np.diff(main.indptr))
        main.resize((main.shape[0], width))
        if len(soft):
            slack = sparse.coo_array(
                (size / biggest[soft], (soft, first_slack + np.arange(len(soft)))), shape=main.shape
            )
            main = (main + slack).tocsr()
        low, high = program.row_lower / biggest, program.row_upper / biggest
        parts.append(without_tiny(main, low, high))
        lows.append(low)
        highs.append(high)
    for extra, first in zip(program.extras, first_extra, strict=True):
        whole = relax or (extra.lower < 0).any()
        block = (extra.rows if whole else capped(extra.rows, extra.row_lower, extra.row_upper, columns)).tocoo()
        row, column = block.coords
        shifted = np.where(column < columns, column, column - columns + first)
        parts.append(sparse.coo_array((block.data, (row, shifted)), shape=(block.shape[0], width)).tocsr())
        lows.append(extra.row_lower)
        highs.append(extra.row_upper)
    rows = (
        sparse.vstack(parts, format="csr") if len(parts) > 1 else (parts[0] if parts else sparse.csr_array((0, width)))
    )
    rows.sort_indices()

    every = np.concatenate(blocks_cost)
    magnitude = np.abs(every[every != 0])
    objective_scale = float(np.median(magnitude)) if magnitude.size else 1.0
    return Milp(
        cost=every / objective_scale,
        lower=np.concatenate(blocks_lower),
        upper=np.concatenate(blocks_upper),
        kind=np.full(width, CONTINUOUS, np.int8) if relax else np.concatenate(blocks_kind),
        rows=rows,
        row_lower=np.concatenate(lows) if lows else np.zeros(0),
        row_upper=np.concatenate(highs) if highs else np.zeros(0),
        objective_scale=objective_scale,
        offset=offset,
    )


def capped(rows: sparse.csr_array, low: np.ndarray, high: np.ndarray, columns: int) -> sparse.csr_array:
    """Rows in which no unit holds more than all that is asked: to whole choices the same, and numbers solvers can hold.

    Only rows of amounts that are never negative, with a lower bound alone, and only amounts of units in them.
    """
    smallest, largest = extremes(rows)
    over = (smallest >= 0) & (low > 0) & np.isinf(high) & (largest > low)
    if not over.any():
        return rows
    rows = sparse.csr_array(rows, dtype=np.float64, copy=True)
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    own = over[row] & (rows.indices < columns)
    rows.data[own] = np.minimum(rows.data[own], low[row[own]])
    return rows


def without_tiny(rows: sparse.csr_array, low: np.ndarray, high: np.ndarray) -> sparse.csr_array:
    """The rows without amounts below TINY, their bounds (changed in place) moved outwards by what these could hold."""
    small = (np.abs(rows.data) < TINY) & (rows.data != 0)
    if not small.any():
        return rows
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))[small]
    amount = rows.data[small]
    np.add.at(low, row, -np.maximum(amount, 0.0))
    np.add.at(high, row, -np.minimum(amount, 0.0))
    rows = rows.copy()
    rows.data[small] = 0.0
    rows.eliminate_zeros()
    return rows


def lift(milp: Milp, x: np.ndarray, extras: Sequence[Extra] = ()) -> np.ndarray:
    """All columns (N,) of a Milp from a selection (V,): those of borders, shortfalls and extras at their best."""
    full = np.zeros(len(milp.cost))
    full[: len(x)] = x
    last = len(full) - sum(len(extra.cost) for extra in extras)
    full[last:] = np.concatenate([extra.complete(x) for extra in extras] or [np.zeros(0)])
    number = np.arange(len(full))
    own = np.flatnonzero((milp.kind != INTEGER) & (number >= len(x)) & (number < last))
    if not own.size:
        return full
    activity = milp.rows @ full
    part = milp.rows[:, own].tocoo()
    row, column = part.coords
    need = np.where(np.isfinite(milp.row_lower[row]), (milp.row_lower[row] - activity[row]) / part.data, -np.inf)
    room = np.where(np.isfinite(milp.row_upper[row]), (milp.row_upper[row] - activity[row]) / part.data, np.inf)
    least, most = milp.lower[own].copy(), milp.upper[own].copy()
    np.maximum.at(least, column, need)
    np.minimum.at(most, column, room)
    full[own] = np.where(milp.kind[own] == IMPLIED, most, least)
    return full


def integral(milp: Milp, resolution: float = 1e7) -> tuple[Milp, float]:
    """A relaxation with whole coefficients and whole columns, for solvers that know nothing else (CP-SAT).

    Each row that is not whole already is multiplied by `resolution` over its largest coefficient and rounded so that
    what was feasible stays feasible: coefficients of a lower bound up and its bound down, the reverse for an upper
    bound. Continuous columns run in steps of `STEP`; rows that have some move their bounds outwards by half a step of
    each (equations of flows, above all). Costs are rounded down. So the solver's bound, less the returned correction,
    is a bound of the original, and what it selects may break a row by the rounding (see `covers`).

    Returns
    -------
    (Milp, float)
        And the most by which the steps can make an optimum dearer, in the objective of the returned Milp.
    """
    stepped = milp.kind == CONTINUOUS
    step = np.where(stepped, STEP, 1.0)
    cost = milp.cost * step
    base = milp.rows.copy()
    base.data = base.data * step[base.indices]
    count = base.shape[0]
    row = np.repeat(np.arange(count), np.diff(base.indptr))
    on_step = stepped[base.indices]
    peak, fraction, grain = np.zeros(count), np.zeros(count), np.full(count, np.inf)
    np.maximum.at(peak, row, np.abs(base.data))
    np.maximum.at(fraction, row, np.abs(base.data - np.round(base.data)))
    np.minimum.at(grain, row[on_step], np.abs(base.data[on_step]))
    with_steps = np.isfinite(grain)
    # rows that are whole already (one zone a unit, m <= y) stay as they are; a step must not vanish
    factor = np.where(fraction == 0, 1.0, np.maximum(resolution / np.where(peak > 0, peak, 1.0), 1.0 / grain))
    # the small coefficient of a step would suffer most from rounding: choose the row's factor so that it is whole
    steps = np.where(with_steps, grain * factor, 1.0)
    factor *= np.floor(steps + 1e-9) / steps
    scaled = base.data * factor[row]
    near = np.round(scaled)
    # what rounding a column to a step, and its coefficient to a whole number, can change of a row with steps
    most = np.maximum(np.abs(milp.lower), np.abs(milp.upper)) / step
    error = (
        np.abs(scaled - near) * np.where(np.isfinite(most), np.ceil(most), 1.0)[base.indices]
        + 0.5 * np.abs(near) * on_step
    )
    spread = np.bincount(row, np.where(with_steps[row], error, 0.0), count)
    # as fine as 64-bit sums allow
    fine = 1e15 / max(1.0, float(np.sum(np.abs(milp.cost) * np.maximum(np.abs(milp.lower), np.abs(milp.upper)))))
    parts, lows, highs = [], [], []
    for given, low_side in ((np.isfinite(milp.row_lower), True), (np.isfinite(milp.row_upper), False)):
        outward = np.ceil(scaled) if low_side else np.floor(scaled)
        data = np.where(with_steps[row], near, outward)
        parts.append(sparse.csr_array((data, base.indices, base.indptr), shape=base.shape)[given])
        bound = (milp.row_lower if low_side else milp.row_upper)[given] * factor[given]
        whole, wide = (fraction == 0)[given], spread[given]
        # a sum of whole numbers that is at least 2.25 is at least 3; the bound of a rounded row moves outwards
        low = np.where(whole, np.ceil(bound - 1e-9), np.floor(bound - wide))
        high = np.where(whole, np.floor(bound + 1e-9), np.ceil(bound + wide))
        lows.append(low if low_side else np.full(len(bound), -np.inf))
        highs.append(np.full(len(bound), np.inf) if low_side else high)
    rows = sparse.vstack(parts, format="csr")
    rows.sort_indices()
    relaxed = replace(
        milp,
        # no column is ever negative, so rounding a cost down never overstates the bound; what a column that is always 0
        # costs may be beyond 64 bits
        cost=np.where((milp.lower == 0) & (milp.upper == 0), 0.0, np.floor(cost * fine)),
        lower=np.where(stepped, np.floor(milp.lower / step), np.ceil(milp.lower - 1e-6)),
        upper=np.where(stepped, np.ceil(milp.upper / step), np.floor(milp.upper + 1e-6)),
        kind=np.full(len(step), INTEGER, np.int8),
        rows=rows,
        row_lower=np.concatenate(lows),
        row_upper=np.concatenate(highs),
        objective_scale=milp.objective_scale / fine,
    )
    return relaxed, float(np.sum(np.abs(cost[stepped]))) * fine
