"""What the constraints over the neighbour graph share: arcs, rows of flow blocks, the test of a unit's removal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from prioritize.connect import Rule, inside
from prioritize.landscape import Graph, some
from prioritize.problem import Problem
from prioritize.program import Builder, Extra
from prioritize_kernels.contiguity import holds_without

#: units that the removal test looks at before it gives up
LOOK = 400


class Network:
    """A neighbour graph restricted to groups, with the scratch arrays of its removal test.

    Parameters
    ----------
    graph : Graph
    code : (U,) int or None
        Group of each unit, -1 is none; arcs join units of one group. None: one group.
    """

    def __init__(self, graph: Graph, code: np.ndarray | None = None):
        self.ptr, self.neighbour = inside(graph, code)
        self.code = np.zeros(graph.units, np.int64) if code is None else code
        self.stamp = 0

    @cached_property
    def scratch(self) -> tuple[np.ndarray, np.ndarray]:
        """(seen, queue)."""
        return np.zeros(len(self.ptr) - 1, np.int64), np.empty(LOOK, np.int32)

    @property
    def arcs(self) -> tuple[np.ndarray, np.ndarray]:
        """(ptr, neighbour)."""
        return self.ptr, self.neighbour

    def around(self, unit: int) -> np.ndarray:
        """Neighbours of a unit."""
        return self.neighbour[self.ptr[unit] : self.ptr[unit + 1]]

    def holds_without(self, unit: int, y: np.ndarray, weight: np.ndarray, least: float = 0.0) -> bool:
        """See the kernel."""
        self.stamp += 2
        seen, queue = self.scratch
        return bool(holds_without(unit, self.ptr, self.neighbour, y, weight, least, LOOK, seen, self.stamp, queue))


class Block:
    """Rows over [x | own columns] in the making; own columns come in named stretches of `count` columns each."""

    def __init__(self, to: Builder, zones: list[int]):
        self.columns, self.units, self.per_unit = to.columns, to.units, to.zones
        self.zones = np.asarray(zones)
        self.width = 0
        self.upper: list[np.ndarray] = []
        self.integer: list[np.ndarray] = []
        self.rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.low: list[np.ndarray] = []
        self.high: list[np.ndarray] = []
        self.names: list[str] = []

    def stretch(self, count: int, upper: float | np.ndarray, integer: bool = False) -> np.ndarray:
        """New columns 0 <= c <= upper; returns their numbers."""
        first = self.columns + self.width
        self.width += count
        self.upper.append(np.broadcast_to(np.asarray(upper, np.float64), count))
        self.integer.append(np.full(count, integer))
        return np.arange(first, first + count)

    def chosen(self, row: np.ndarray, unit: np.ndarray, value: np.ndarray | float) -> tuple[Any, ...]:
        """Triplets of value * y_unit in a row, y being the sum over the zones."""
        k = len(self.zones)
        column = (unit.astype(np.int64)[:, None] * self.per_unit + self.zones).ravel()
        return np.repeat(row, k), column, np.repeat(np.broadcast_to(np.asarray(value, np.float64), len(unit)), k)

    def add(self, name: str, count: int, low: float, high: float, *triplets: tuple[Any, ...]) -> None:
        """Add `count` rows from triplets (row 0..count-1, column, value)."""
        self.rows.append(
            (
                np.concatenate([t[0] for t in triplets]) + len(self.names),
                np.concatenate([t[1] for t in triplets]),
                np.concatenate([np.broadcast_to(np.asarray(t[2], np.float64), len(t[0])) for t in triplets]),
            )
        )
        self.low.append(np.full(count, low))
        self.high.append(np.full(count, high))
        self.names += [name] * count

    def extra(self, name: str, rule: Rule, implied: bool = False, closes: str = "", advice: str = "") -> Extra:
        """The finished block; its columns cost nothing, so nobody asks which are best for a selection."""
        shape = (len(self.names), self.columns + self.width)
        row, column, value = (np.concatenate(part) for part in zip(*self.rows))
        width = self.width
        return Extra(
            name=name,
            cost=np.zeros(width),
            lower=np.zeros(width),
            upper=np.concatenate([*self.upper, np.zeros(0)]),
            integer=np.concatenate([*self.integer, np.zeros(0, bool)]),
            rows=sparse.coo_array((value, (row, column)), shape=shape).tocsr(),
            row_lower=np.concatenate(self.low),
            row_upper=np.concatenate(self.high),
            row_names=tuple(self.names),
            complete=lambda x: np.zeros(width),
            rule=rule,
            implied=implied,
            closes=closes,
            advice=advice,
        )


def chosen_in(selection: np.ndarray, zones: Sequence[int]) -> np.ndarray:
    """(U,) bool: units of a (U, Z) selection in one of the zones."""
    return np.asarray(selection[:, list(zones)].any(axis=1))


def available(to: Builder, zones: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """(U,) bool: units that may be chosen in one of the zones, and units that are locked in one."""
    upper, lower = to.upper.reshape(to.units, to.zones), to.lower.reshape(to.units, to.zones)
    return chosen_in(upper > 0, zones), chosen_in(lower > 0, zones)


def arcs_between(network: Network, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(tail, head) of all directed arcs between usable units."""
    tail = np.repeat(np.arange(len(usable)), np.diff(network.ptr))
    keep = usable[tail] & usable[network.neighbour]
    return tail[keep], network.neighbour[keep].astype(np.int64)


def locked_units(problem: Problem, zones: Sequence[int]) -> np.ndarray:
    """(U,) bool: units that the landscape locks in one of the zones."""
    return chosen_in(problem.landscape.status > 0, zones)


def ids(problem: Problem, mask: np.ndarray) -> str:
    """The first few ids of some units."""
    return some(problem.landscape.unit_id[mask])
