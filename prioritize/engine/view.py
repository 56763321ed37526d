"""View: a Program's undecided units as the arrays that kernels read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numba
import numpy as np
from scipy import sparse

from prioritize.program import Edges, Program
from prioritize.solvers.milp import merge_pairs

#: units and edges are worked on in spans of a fixed count, so that no sum depends on the number of threads
SPANS = 8
SMALL = 20_000
#: amounts that are summed at a time, so that what is made of them stays small
BLOCK = 1_000_000

Graph = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]

_pool: list[ThreadPoolExecutor] = []
if hasattr(os, "register_at_fork"):
    # a fork has no threads but its own, and would wait for those of the pool for ever
    os.register_at_fork(after_in_child=_pool.clear)


def over(count: int, work: Callable[[int, int, int], Any], spans: int = SPANS) -> list[Any]:
    """Call work(span, start, stop) for equal spans of `count` items, on threads; results in the order of the spans.

    Threads instead of `parallel=True`: the kernels release the GIL anyway, and compile in a tenth of the time.
    """
    if count < SMALL:
        return [work(0, 0, count)]
    edges = np.linspace(0, count, spans + 1).astype(np.int64)
    return together(lambda k: work(k, int(edges[k]), int(edges[k + 1])), range(spans))


def together(work: Callable[[int], Any], items: Iterable[int]) -> list[Any]:
    """Call work(item) for each item, on threads; results in order."""
    if not _pool:
        _pool.append(ThreadPoolExecutor(numba.get_num_threads()))
    return list(_pool[0].map(work, items))


@dataclass(frozen=True, eq=False)
class View:
    """U undecided units with Z zones each (V = U*Z columns), R rows, E edges between them.

    Attributes
    ----------
    units, zones : int
    mandatory : bool
    unit : (U,) int32
        Number of each unit in the Program.
    cost : (V,) float64
    allowed : (V,) uint8
    constant : float
        Objective of what is decided already.
    indptr : (V+1,) int64
    row : (nnz,) int32
    amount : (nnz,) float64
        CSC of the rows.
    lower, upper : (R,) float64
        Row bounds less what is held already.
    price : (R,) float64
    tail, head : (E,) int32
    low, high : (E,) float64
        Bounds of each edge's flow: high is the cost of `only the tail is selected`, -low of `only the head`.
    mask : (E,) int64
        Bit z: zone z counts as selected.
    ptr : (U+1,) int64
    edge : (2E,) int32
        Edges by unit.
    """

    units: int
    zones: int
    mandatory: bool
    unit: np.ndarray
    cost: np.ndarray
    allowed: np.ndarray
    constant: float
    indptr: np.ndarray
    row: np.ndarray
    amount: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    price: np.ndarray
    tail: np.ndarray
    head: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mask: np.ndarray
    ptr: np.ndarray
    edge: np.ndarray

    @property
    def matrix(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(indptr, row, amount), as kernels take it."""
        return self.indptr, self.row, self.amount

    @cached_property
    def rows(self) -> sparse.csc_array:
        """(R, V) the same arrays for SciPy, which copies whatever has two widths of numbers."""
        indptr = self.indptr.astype(np.int32) if len(self.amount) < 2**31 else self.indptr
        return sparse.csc_array((self.amount, self.row, indptr), shape=(len(self.lower), len(self.cost)))

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each row's amounts (R,): how many, sum of magnitudes, sum of squares."""
        count, total, squares = (np.zeros(len(self.lower)) for _ in range(3))
        for start in range(0, len(self.amount), BLOCK):
            row, amount = (part[start : start + BLOCK] for part in (self.row, self.amount))
            for result, weight in ((count, 1.0), (total, np.abs(amount)), (squares, amount**2)):
                np.add.at(result, row, weight)
        return count, total, squares

    @cached_property
    def graph(self) -> Graph:
        """(ptr, other, out, into, mask) by unit, as kernels take it; copies, because the search reads them in a row."""
        edge, here = self.edge, np.repeat(np.arange(self.units, dtype=np.int32), np.diff(self.ptr))
        leaving = self.tail[edge] == here
        return (
            self.ptr,
            np.where(leaving, self.head[edge], self.tail[edge]),
            np.where(leaving, self.high[edge], -self.low[edge]),
            np.where(leaving, -self.low[edge], self.high[edge]),
            self.mask[edge],
        )

    def held(self, zone: np.ndarray) -> np.ndarray:
        """(R,) amounts in the zones (U,) int8 that units are given, -1 is none."""
        chosen = np.flatnonzero(zone >= 0)
        x = np.zeros(len(self.cost))
        x[chosen * self.zones + zone[chosen]] = 1.0
        return self.rows @ x

    def selected(self, zone: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Whether the zone of a unit counts in a mask."""
        return (zone >= 0) & ((mask >> np.maximum(zone, 0)) & 1).astype(bool)

    def objective(self, zone: np.ndarray) -> float:
        """Program's objective of the units' zones (U,) int8."""
        chosen = np.flatnonzero(zone >= 0)
        total = self.constant + float(self.cost[chosen * self.zones + zone[chosen]].sum())
        soft = np.isfinite(self.price)
        if soft.any():
            total += float(self.price[soft] @ np.maximum(0.0, self.lower - self.held(zone))[soft])
        if len(self.tail):
            at_tail = self.selected(zone[self.tail], self.mask)
            at_head = self.selected(zone[self.head], self.mask)
            total += float(self.high[at_tail & ~at_head].sum() - self.low[~at_tail & at_head].sum())
        return total

    def feasible(self, zone: np.ndarray) -> bool:
        """All hard rows are met."""
        held = self.held(zone)
        short = (held < self.lower) & ~np.isfinite(self.price)
        return not (short.any() or (held > self.upper).any() or (self.mandatory and bool((zone < 0).any())))

    def within(self, free: np.ndarray, zone: np.ndarray) -> View:
        """The view of some units (k,) ascending numbers, all others held at their zone (U,) int8."""
        inside = np.zeros(self.units, bool)
        inside[free] = True
        number = np.full(self.units, -1, np.int32)
        number[free] = np.arange(len(free), dtype=np.int32)
        fixed = np.where(inside, np.int8(-1), zone)
        held = self.held(fixed)
        columns = (free[:, None] * self.zones + np.arange(self.zones)).ravel()
        start, stop = self.indptr[columns], self.indptr[columns + 1]
        take = spans_of(start, stop)
        taken = np.flatnonzero(fixed >= 0)
        constant = self.constant + float(self.cost[taken * self.zones + fixed[taken]].sum())
        cost = self.cost[columns].copy()

        # edges: both ends free stay, one end free becomes linear, none is a constant
        near, far = inside[self.tail], inside[self.head]
        at_tail, at_head = self.selected(zone[self.tail], self.mask), self.selected(zone[self.head], self.mask)
        linear = np.zeros((self.zones, len(free)))
        for ends, other, gone, out, into in (
            (near & ~far, at_head, self.tail, self.high, -self.low),
            (far & ~near, at_tail, self.head, -self.low, self.high),
        ):
            e = np.flatnonzero(ends)
            there = other[e]
            constant += float(into[e][there].sum())
            change = np.where(there, -into[e], out[e])
            for z in range(self.zones):
                counts = ((self.mask[e] >> z) & 1).astype(bool)
                linear[z] += tally(number[gone[e][counts]], change[counts], len(free))
        cost += linear.T.ravel()
        none = ~near & ~far
        constant += float(self.high[none & at_tail & ~at_head].sum() - self.low[none & ~at_tail & at_head].sum())
        both = near & far
        tail, head = number[self.tail[both]], number[self.head[both]]
        return View(
            units=len(free),
            zones=self.zones,
            mandatory=self.mandatory,
            unit=self.unit[free],
            cost=cost,
            allowed=self.allowed[columns],
            constant=constant,
            indptr=np.concatenate([[0], np.cumsum(stop - start)]),
            row=self.row[take],
            amount=self.amount[take],
            lower=self.lower - held,
            upper=self.upper - held,
            price=self.price,
            tail=tail,
            head=head,
            low=self.low[both],
            high=self.high[both],
            mask=self.mask[both],
            **incidence(len(free), tail, head),
        )

    def thrifty(self) -> View:
        """The view without edges, in which all that costs is the share of each upper bound that is used."""
        up = np.isfinite(self.upper) & ~np.isfinite(self.lower)
        rate = np.where(up, 1.0 / np.where(np.abs(self.upper) > 0, np.abs(self.upper), 1.0), 0.0)
        none = np.zeros(0, np.int32)
        column = np.repeat(np.arange(len(self.cost)), np.diff(self.indptr))
        return replace(
            self,
            cost=tally(column, self.amount * rate[self.row], len(self.cost)),
            constant=0.0,
            upper=np.where(up, np.inf, self.upper),
            tail=none,
            head=none,
            low=np.zeros(0),
            high=np.zeros(0),
            mask=np.zeros(0, np.int64),
            **incidence(self.units, none, none),
        )

    def program(self, rows: np.ndarray) -> Program:
        """A Program of this view alone, with the given rows (k,), for the integer solver."""
        columns = self.units * self.zones
        matrix = self.rows.tocsr()[rows]
        upper = self.allowed.astype(np.float64)
        groups = []
        for mask in np.unique(self.mask):
            e = np.flatnonzero(self.mask == mask)
            ends = np.r_[self.tail[e], self.head[e]], np.r_[self.head[e], self.tail[e]]
            weight = np.r_[self.high[e], -self.low[e]]
            keep = weight > 0
            zones = tuple(z for z in range(self.zones) if (int(mask) >> z) & 1)
            groups.append(Edges("edges", ends[0][keep], ends[1][keep], weight[keep], zones))
        return Program(
            units=self.units,
            zones=self.zones,
            cost=self.cost,
            lower=np.zeros(columns),
            upper=upper,
            constant=self.constant,
            rows=matrix,
            row_lower=self.lower[rows],
            row_upper=self.upper[rows],
            price=self.price[rows],
            asked_lower=self.lower[rows],
            asked_upper=self.upper[rows],
            row_names=tuple(f"row {r}" for r in rows),
            row_units=("",) * len(rows),
            edges=tuple(group for group in groups if len(group.weight)),
            mandatory=self.mandatory,
        )


def tally(index: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    """Sum of weights by index, (count,) float64: `np.bincount` gives whole numbers where there is nothing to count."""
    return np.bincount(index, weight, count).astype(np.float64)


def spans_of(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Concatenated ranges start[k]..stop[k]."""
    length = stop - start
    total = int(length.sum())
    if total == 0:
        return np.zeros(0, np.int64)
    shift = np.repeat(start - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
    return shift + np.arange(total)


def incidence(units: int, tail: np.ndarray, head: np.ndarray) -> dict[str, Any]:
    """Edges by unit: ptr (U+1,), edge (2E,)."""
    ends = np.concatenate([tail, head])
    number = np.arange(len(tail), dtype=np.int32)
    # a CSR conversion is a counting sort, ten times as fast as argsort
    by_unit = sparse.coo_array((np.concatenate([number, number]) + 1, (ends, np.arange(len(ends)))),
                               shape=(units, len(ends))).tocsr()  # fmt: skip
    return {"ptr": by_unit.indptr.astype(np.int64), "edge": (by_unit.data - 1).astype(np.int32)}


def pairs(tail: np.ndarray, head: np.ndarray, weight: np.ndarray, units: int) -> tuple[np.ndarray, ...]:
    """Directed edges to pairs (i, j, forward, backward); a symmetric list i->j then j->i needs no sorting."""
    if mirrored(tail, head):
        half = len(tail) // 2
        return tail[:half], head[:half], weight[:half], weight[half:]
    return merge_pairs(tail, head, weight, units)


def mirrored(tail: np.ndarray, head: np.ndarray) -> bool:
    """The second half of a list of edges is the first, turned round."""
    half = len(tail) // 2
    even = len(tail) == 2 * half
    return even and np.array_equal(tail[:half], head[half:]) and np.array_equal(head[:half], tail[half:])


def view(program: Program) -> View:
    """All undecided units of a Program, locks taken out."""
    zones, units = program.zones, program.units
    matrix = program.rows.tocsc()
    groups: list[tuple[Any, ...]] = [
        (*pairs(g.tail, g.head, g.weight, units), sum(1 << z for z in g.zones)) for g in program.edges
    ]

    def join(part: int, dtype: type) -> np.ndarray:
        return np.concatenate([np.asarray(group[part], dtype) for group in groups] or [np.zeros(0, dtype)])

    tail, head, forward, backward = join(0, np.int32), join(1, np.int32), join(2, np.float64), join(3, np.float64)
    whole = View(
        units=units,
        zones=zones,
        mandatory=program.mandatory,
        unit=np.arange(units, dtype=np.int32),
        cost=program.cost,
        allowed=(program.upper > 0).astype(np.uint8),
        # what only an integer program can say is left out of the bound, but for the least its columns can be worth
        constant=program.constant
        + sum(float(np.minimum(e.cost * e.lower, e.cost * e.upper).sum()) for e in program.extras),
        indptr=matrix.indptr.astype(np.int64),
        row=matrix.indices.astype(np.int32, copy=False),
        amount=matrix.data.astype(np.float64, copy=False),
        lower=program.row_lower,
        upper=program.row_upper,
        price=program.price,
        tail=tail,
        head=head,
        low=-backward,
        high=forward,
        mask=np.concatenate([np.full(len(g[0]), g[4], np.int64) for g in groups] or [np.zeros(0, np.int64)]),
        **incidence(units, tail, head),
    )
    fixed, zone = decided(program)
    return whole if not fixed.any() else whole.within(np.flatnonzero(~fixed), zone)


def decided(program: Program) -> tuple[np.ndarray, np.ndarray]:
    """Units that locks decide: (U,) bool, and the zone (U,) int8 they are given (-1 is none)."""
    lower = program.lower.reshape(program.units, program.zones) > 0
    upper = program.upper.reshape(program.units, program.zones) > 0
    inside: np.ndarray = np.any(lower, axis=1)
    shut: np.ndarray = ~np.any(upper, axis=1)
    zone = np.where(inside, lower.argmax(axis=1), -1).astype(np.int8)
    return inside | shut, zone


def to_vector(program: Program, view: View, zone: np.ndarray) -> np.ndarray:
    """(V,) float64 0/1 of the whole Program from the zones of a view's units."""
    _, whole = decided(program)
    whole[view.unit] = zone
    x = np.zeros((program.units, program.zones))
    chosen = np.flatnonzero(whole >= 0)
    x[chosen, whole[chosen]] = 1.0
    return x.ravel()


def to_flows(program: Program, view: View, flow: np.ndarray) -> tuple[np.ndarray, ...]:
    """Flows of the Program's directed edges from the signed flows (E,) of a view's pairs.

    Edges with a locked end carry what makes them linear: all of their weight if only the tail may stay selected.
    """
    fixed, zone = decided(program)
    number = np.full(program.units, -1, np.int64)
    number[view.unit] = np.arange(view.units)
    result, done = [], 0
    for group in program.edges:
        inside = np.isin(zone, group.zones) & fixed
        outside = fixed & ~inside
        flows = np.where(
            (inside[group.tail] | ~fixed[group.tail]) & outside[group.head]
            | inside[group.tail] & ~fixed[group.head], group.weight, 0.0)  # fmt: skip
        both = ~fixed[group.tail] & ~fixed[group.head]
        i, j, forward, backward = pairs(group.tail, group.head, group.weight, program.units)
        kept = ~fixed[i] & ~fixed[j]
        signed = np.zeros(len(i))
        signed[kept] = flow[done : done + int(kept.sum())]
        done += int(kept.sum())
        share_out = np.clip(signed, 0, None) / np.where(forward > 0, forward, 1.0)
        share_in = np.clip(-signed, 0, None) / np.where(backward > 0, backward, 1.0)
        if mirrored(group.tail, group.head):
            share = np.r_[share_out, share_in]
        else:
            key = np.minimum(group.tail, group.head).astype(np.int64) * program.units + np.maximum(
                group.tail, group.head
            )
            where = np.searchsorted(i.astype(np.int64) * program.units + j, key)
            share = np.where(group.tail <= group.head, share_out[where], share_in[where])
        flows[both] = np.minimum(1.0, share[both]) * group.weight[both]
        result.append(np.minimum(flows, group.weight))
    return tuple(result)
