"""Program: the one structure that every scenario compiles to, grown by named blocks.

    minimise    cost.x + constant + sum_r price_r s_r + sum_e weight_e max(0, y_tail(e) - y_head(e)) + extras
    subject to  row_lower <= A x + s <= row_upper        s_r >= 0, only in soft rows (finite price)
                sum_z x_uz <= 1                          (= 1 where a zone is mandatory)
                lower <= x <= upper,  x integer

Column u*Z + z says that unit u is given zone z. An edge sees y_u, the sum of x_uz over the zones of its group:
one zone gives the boundary of that zone, all zones give the boundary of whatever is selected. Edges are directed;
a symmetric boundary is a pair of them. What only a MILP can say is an `Extra` block: leaving it out keeps any lower
bound valid as long as the least value of its own columns is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from prioritize import tolerance

if TYPE_CHECKING:
    from prioritize.connect import Rule

HARD = np.inf


@dataclass(frozen=True, eq=False)
class Edges:
    """Directed edges between units: weight * max(0, y[tail] - y[head]).

    Attributes
    ----------
    name : str
    tail, head : (E,) int32 unit numbers
    weight : (E,) float64, not negative
    zones : tuple of int
        The zones that count as selected for these edges.
    """

    name: str
    tail: np.ndarray
    head: np.ndarray
    weight: np.ndarray
    zones: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Extra:
    """A block that only the integer program sees: own columns (K) and rows (M) over [x | own columns].

    Attributes
    ----------
    name : str
    cost, lower, upper : (K,) float64
    integer : (K,) bool
    rows : (M, V+K) CSR
    row_lower, row_upper : (M,) float64
    row_names : tuple of str
    complete : callable
        (V,) float64 -> (K,) float64, the best own columns for a given x.
    rule : Rule or None
        The same demand as a check and a heuristic, for programs too large for the block (see `connect.py`); only for a
        block without costs.
    implied : bool
        Own columns that are not integer are whole in some optimum all the same (flows of whole amounts).
    closes : str
        What of this demand locks units out, in words, where it does.
    advice : str
        What to say where it locks all of them out.
    """

    name: str
    cost: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    integer: np.ndarray
    rows: sparse.csr_array
    row_lower: np.ndarray
    row_upper: np.ndarray
    row_names: tuple[str, ...]
    complete: Callable[[np.ndarray], np.ndarray]
    rule: Rule | None = None
    implied: bool = False
    closes: str = ""
    advice: str = ""


@dataclass(frozen=True, eq=False)
class Program:
    """See the module. V = units * zones columns, R rows.

    Attributes
    ----------
    units, zones : int
    cost, lower, upper : (V,) float64
    constant : float
    rows : (R, V) CSR
    row_lower, row_upper, price : (R,) float64
        `price` is infinite for a hard row. What is hard has its slack in it (see `tolerance`): a selection fits if its
        exact sums lie between these bounds, and nothing else in the project adds a tolerance to them.
    asked_lower, asked_upper : (R,) float64
        The same bounds without slack: what messages tell.
    row_names, row_units : tuple of R str
        `target for 'peat'` and `km2`: how a fault names the row.
    edges : tuple of Edges
    extras : tuple of Extra
    mandatory : bool
        Each unit must be given exactly one zone.
    maximise : bool
        The user's objective is the negative of this one.
    unit_id : (U,) int, or None
        What messages call the units.
    """

    units: int
    zones: int
    cost: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    constant: float
    rows: sparse.csr_array
    row_lower: np.ndarray
    row_upper: np.ndarray
    price: np.ndarray
    asked_lower: np.ndarray
    asked_upper: np.ndarray
    row_names: tuple[str, ...]
    row_units: tuple[str, ...]
    edges: tuple[Edges, ...] = ()
    extras: tuple[Extra, ...] = ()
    mandatory: bool = False
    maximise: bool = False
    unit_id: np.ndarray | None = None

    @cached_property
    def largest(self) -> np.ndarray:
        """(R,) largest magnitude of each row's amounts; 1 where all are zero."""
        low, high = extremes(self.rows)
        largest = np.maximum(high, -low)
        return np.where(largest > 0, largest, 1.0)

    @property
    def sign(self) -> float:
        """Times the value of this program gives the value in the user's sense."""
        return -1.0 if self.maximise else 1.0

    def terms(self, x: np.ndarray) -> list[float]:
        """What the objective of a 0/1 vector x (V,) adds up, in unscaled numbers, each completed at its best: costs,
        constant, then shortfalls, groups of edges and extras."""
        found = [float(self.cost @ x), self.constant]
        soft = np.isfinite(self.price)
        if soft.any():
            found.append(float(self.price[soft] @ np.maximum(0.0, self.row_lower[soft] - self.rows[soft] @ x)))
        grid = x.reshape(self.units, self.zones)
        for group in self.edges:
            y = grid[:, list(group.zones)].sum(axis=1)
            found.append(float(group.weight @ np.maximum(0.0, y[group.tail] - y[group.head])))
        found += [float(extra.cost @ extra.complete(x)) for extra in self.extras if extra.cost.any()]
        return found

    def objective(self, x: np.ndarray) -> float:
        """Value of a 0/1 vector x (V,)."""
        return float(sum(self.terms(x)))

    def magnitude(self, x: np.ndarray) -> float:
        """Sum of the magnitudes of what the objective of x (V,) adds up: what its rounding is relative to.

        A sum of 0 may be a difference (of amounts, of the ends of edges): it counts as if one part of it stood alone.
        """
        return float(np.abs(self.cost) @ x) + float(np.abs(self.terms(x)[1:]).sum()) + self.unit

    @cached_property
    def unit(self) -> float:
        """What one part of the objective may be: a typical cost, the largest shortfall, edge or cost of an extra."""
        soft = np.isfinite(self.price)
        cost = np.abs(self.cost[self.cost != 0])
        parts = [self.price[soft] * self.asked_lower[soft], *(group.weight for group in self.edges)]
        parts += [extra.cost for extra in self.extras]
        largest = [float(np.abs(part).max(initial=0.0)) for part in parts]
        return max([float(np.median(cost)) if cost.size else 0.0, *largest])

    def violations(self, x: np.ndarray) -> list[tuple[str, float]]:
        """Hard rows and bounds that x (V,), 0 or 1, breaks: (what, by how much of what was asked)."""
        found: list[tuple[str, float]] = []
        activity = tolerance.exact_where_close(self.rows, x, self.row_lower, self.row_upper)
        hard = ~np.isfinite(self.price)
        for row in np.flatnonzero(hard & (activity < self.row_lower)):
            found.append((self.row_names[row], float(self.asked_lower[row] - activity[row])))
        for row in np.flatnonzero(activity > self.row_upper):
            found.append((self.row_names[row], float(activity[row] - self.asked_upper[row])))
        if np.any(x < self.lower) or np.any(x > self.upper):
            found.append(("locks", float(np.sum(x < self.lower) + np.sum(x > self.upper))))
        zones = x.reshape(self.units, self.zones).sum(axis=1)
        if np.any(zones > 1) or (self.mandatory and np.any(zones < 1)):
            found.append(("one zone per unit", float(np.sum(zones > 1) + self.mandatory * np.sum(zones < 1))))
        return found


def extremes(rows: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """(R,) smallest and largest of each row's amounts, zero among them."""
    low, high = np.zeros(rows.shape[0]), np.zeros(rows.shape[0])
    filled = np.diff(rows.indptr) > 0
    if filled.any():
        start = rows.indptr[:-1][filled]
        low[filled] = np.minimum(np.minimum.reduceat(rows.data, start), 0.0)
        high[filled] = np.maximum(np.maximum.reduceat(rows.data, start), 0.0)
    return low, high


def narrow(matrix: sparse.csr_array) -> sparse.csr_array:
    """The same matrix with int32 indices, where they can say it; shared where they are so already."""
    if matrix.nnz >= 2**31 or max(matrix.shape) >= 2**31:
        return matrix
    indices, indptr = (part.astype(np.int32, copy=False) for part in (matrix.indices, matrix.indptr))
    return sparse.csr_array((matrix.data, indices, indptr), shape=matrix.shape)


class Builder:
    """Grows a Program block by block; every block is named.

    Parameters
    ----------
    units, zones : int
    """

    def __init__(self, units: int, zones: int):
        self.units, self.zones = units, zones
        self.columns = units * zones
        self.cost = np.zeros(self.columns)
        self.lower = np.zeros(self.columns)
        self.upper = np.ones(self.columns)
        self.constant = 0.0
        self.mandatory = False
        self.maximise = False
        self.unit_id: np.ndarray | None = None
        self._blocks: list[sparse.csr_array] = []
        self._row_lower: list[np.ndarray] = []
        self._row_upper: list[np.ndarray] = []
        self._price: list[np.ndarray] = []
        self._names: list[str] = []
        self._units: list[str] = []
        self._edges: list[Edges] = []
        self._extras: list[Extra] = []

    def add_cost(self, cost: np.ndarray) -> None:
        """Add (U, Z) to the linear objective."""
        self.cost += np.asarray(cost, dtype=np.float64).reshape(self.columns)

    def add_rows(
        self,
        names: Sequence[str],
        matrix: sparse.sparray | np.ndarray,
        *,
        lower: np.ndarray | float = -np.inf,
        upper: np.ndarray | float = np.inf,
        price: np.ndarray | float = HARD,
        unit: str | Sequence[str] = "",
    ) -> None:
        """Add k rows `lower <= matrix @ x + s <= upper`; at a finite price a shortfall may be bought."""
        k = len(names)
        block = narrow(sparse.csr_array(matrix))
        if block.shape != (k, self.columns):
            raise ValueError(f"rows {names[:3]}: matrix is {block.shape}, expected {(k, self.columns)}")
        self._blocks.append(block)
        self._row_lower.append(np.broadcast_to(np.asarray(lower, dtype=np.float64), k))
        self._row_upper.append(np.broadcast_to(np.asarray(upper, dtype=np.float64), k))
        self._price.append(np.broadcast_to(np.asarray(price, dtype=np.float64), k))
        self._names.extend(names)
        self._units.extend([unit] * k if isinstance(unit, str) else unit)

    def add_edges(
        self, name: str, tail: np.ndarray, head: np.ndarray, weight: np.ndarray, zones: Sequence[int]
    ) -> None:
        """Add directed edges; those of weight zero are left out."""
        if np.any(weight < 0):
            raise ValueError(f"{name}: edge weights must not be negative")
        keep = weight > 0
        self._edges.append(
            Edges(name, tail[keep].astype(np.int32), head[keep].astype(np.int32), weight[keep], tuple(zones))
        )

    def add_extra(self, extra: Extra) -> None:
        """Add a block that only the integer program sees."""
        self._extras.append(extra)

    def build(self) -> Program:
        """The finished Program."""
        if len(self._blocks) == 1:
            rows = self._blocks[0]  # shared with the landscape, not copied
        elif self._blocks:
            rows = sparse.vstack(self._blocks, format="csr")
        else:
            rows = sparse.csr_array((0, self.columns))

        def join(parts: list[np.ndarray]) -> np.ndarray:
            return np.concatenate(parts) if parts else np.zeros(0)

        lower, upper, price = join(self._row_lower), join(self._row_upper), join(self._price)
        smallest, largest = extremes(rows)
        both = np.where((smallest < 0) & (largest > 0), np.maximum(largest, -smallest), 0.0)
        return Program(
            units=self.units,
            zones=self.zones,
            cost=self.cost,
            lower=self.lower,
            upper=self.upper,
            constant=self.constant,
            rows=rows,
            row_lower=np.where(np.isfinite(price), lower, tolerance.least(lower, both)),
            row_upper=tolerance.most(upper, both),
            price=price,
            asked_lower=lower,
            asked_upper=upper,
            row_names=tuple(self._names),
            row_units=tuple(self._units),
            edges=tuple(group for group in self._edges if group.weight.size),
            extras=tuple(self._extras),
            mandatory=self.mandatory,
            maximise=self.maximise,
            unit_id=self.unit_id,
        )
