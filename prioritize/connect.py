"""Repair: make a selection of a large program meet what only an integer program can say, as cheaply as a heuristic can.

The engine solves the program without its extra blocks; its bound stays valid, for a block only takes selections away.
Then each block's `Rule` adds and removes units, the rows are met again, what is redundant is dropped, and all is
checked. Units are priced by their reduced cost under the bound's multipliers: what a unit costs beyond what it brings
to the rows, so that a path through nearly chosen units is nearly free.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from prioritize.engine.dual import Multipliers
from prioritize.landscape import Graph
from prioritize.program import Program
from prioritize.progress import Reporter

#: rounds of mending; what is not met then is not met by more of the same
ROUNDS = 8
#: the ways that are tried: (leave out first what is not worth its way, least price of a unit). No unit is free, of free
#: ones the fewest are taken; the dearer, the straighter the ways. A share of the typical cost.
WAYS = ((False, 0.02), (True, 0.02), (False, 0.2), (True, 0.2))


class Rule(Protocol):
    """What an extra block demands, said a second time without columns; y is (U,) bool, chosen in one of `zones`."""

    zones: tuple[int, ...]
    #: units added elsewhere than beside chosen ones may break the rule
    attached: bool

    def faults(self, y: np.ndarray) -> list[str]:
        """What y breaks, one line each."""
        ...

    def mend(self, draft: Draft, prune: bool) -> None:
        """Add units until the rule is met, or (`prune`) take away what is not worth keeping and add for the rest."""
        ...

    def removable(self, unit: int, y: np.ndarray) -> bool:
        """Is the rule still met without a unit? May be too careful."""
        ...

    def arcs(self) -> tuple[np.ndarray, np.ndarray]:
        """(ptr, neighbour): the neighbours over which units hang together."""
        ...


class Draft:
    """A selection that is being mended.

    Attributes
    ----------
    zone : (U,) int8
        -1 is none.
    held : (R,) float64
        Activity of the rows.
    reduced : (U, Z) float64
        Cost of a column less what the multipliers pay for it.
    """

    def __init__(self, program: Program, x: np.ndarray, multipliers: Multipliers | None, floor: float = 0.02):
        self.program = program
        units, zones = program.units, program.zones
        grid = x.reshape(units, zones) > 0.5
        self.zone = np.where(grid.any(axis=1), grid.argmax(axis=1), -1).astype(np.int8)
        self.columns = program.rows.tocsc()
        self.held = program.rows @ x
        self.hard = ~np.isfinite(program.price)
        self.least, self.most = program.row_lower, program.row_upper
        self.allowed = program.upper.reshape(units, zones) > 0
        self.locked = np.asarray((program.lower.reshape(units, zones) > 0).any(axis=1))
        reduced = program.cost.copy()
        if multipliers is not None:
            reduced -= program.rows.T @ multipliers.rows
        self.reduced = reduced.reshape(units, zones)
        if multipliers is not None:
            for group, flow in zip(program.edges, multipliers.flows):
                net = np.bincount(group.tail, flow, units) - np.bincount(group.head, flow, units)
                self.reduced[:, list(group.zones)] += net[:, None]
        costs = np.abs(program.cost[program.cost != 0])
        self.typical = float(np.median(costs)) if costs.size else 1.0
        self.floor = floor * self.typical
        # edges by unit: what it costs that the unit is chosen and the other is not, and the other way round
        self.edges = []
        for group in program.edges:
            out = sparse.csr_array((group.weight, (group.tail, group.head)), shape=(units, units))
            self.edges.append((group.zones, out, out.T.tocsr()))

    def chosen(self, zones: tuple[int, ...]) -> np.ndarray:
        """(U,) bool: given one of these zones."""
        return np.isin(self.zone, zones)

    def vector(self) -> np.ndarray:
        """(V,) float64."""
        grid = np.zeros((self.program.units, self.program.zones))
        some = np.flatnonzero(self.zone >= 0)
        grid[some, self.zone[some]] = 1.0
        return grid.ravel()

    def weight(self, zones: tuple[int, ...]) -> np.ndarray:
        """(U,) price of choosing each unit in its cheapest zone of these: 0 if it is, infinite if it cannot be."""
        price = np.where(self.allowed, np.maximum(self.reduced, self.floor), np.inf)[:, list(zones)]
        price = price.min(axis=1)
        price[self.locked] = np.inf
        price[self.chosen(zones)] = 0.0
        return price

    def prize(self, units: np.ndarray) -> float:
        """What some chosen units are worth by the multipliers; infinite if one is locked."""
        if self.locked[units].any():
            return np.inf
        return float(np.maximum(-self.reduced[units, self.zone[units]], 0.0).sum())

    def amounts(self, units: np.ndarray, zone: np.ndarray) -> np.ndarray:
        """(R,) amounts of units in zones."""
        kept = zone >= 0
        column = units[kept].astype(np.int64) * self.program.zones + zone[kept]
        return np.asarray(self.columns[:, column].sum(axis=1)).ravel() if len(column) else np.zeros(len(self.held))

    def give(self, units: np.ndarray, zone: np.ndarray) -> None:
        """Give units zones (-1: none)."""
        self.held = self.held + self.amounts(units, zone) - self.amounts(units, self.zone[units])
        self.zone[units] = zone

    def add(self, units: np.ndarray, zones: tuple[int, ...]) -> None:
        """Choose units in their cheapest zone of these, where they are not chosen in one yet."""
        units = np.unique(units)
        units = units[~np.isin(self.zone[units], zones)]
        if len(units):
            price = np.where(self.allowed[units], self.reduced[units], np.inf)[:, list(zones)]
            self.give(units, np.asarray(zones, np.int8)[price.argmin(axis=1)])

    def remove(self, units: np.ndarray) -> None:
        """Leave units out that are not locked."""
        units = units[(self.zone[units] >= 0) & ~self.locked[units]]
        self.give(units, np.full(len(units), -1, np.int8))

    def paths(
        self, arcs: tuple[np.ndarray, np.ndarray], sources: np.ndarray, zones: tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Cheapest paths from any source to all units, by the price of the units on the way.

        Returns
        -------
        (price, distance, before, source), each (U,)
            Distance counts the unit itself; `before` is the last unit on the way, negative at a source.
        """
        ptr, neighbour = arcs
        price = self.weight(zones)
        network = sparse.csr_array(
            (np.maximum(price, 1e-9 * self.typical)[neighbour], neighbour, ptr), shape=(len(price),) * 2
        )
        distance, before, source = csgraph.dijkstra(
            network, indices=sources, min_only=True, return_predecessors=True, directed=True
        )
        return price, distance, before, source

    def follow(self, before: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """All units on the ways back from some ends."""
        found = [ends]
        while len(ends):
            ends = before[ends]
            ends = np.unique(ends[ends >= 0])
            found.append(ends)
        return np.unique(np.concatenate(found))

    # -- rows --------------------------------------------------------------------------------------------------------

    def short(self) -> np.ndarray:
        """Hard rows (k,) that hold too little."""
        return np.flatnonzero(self.hard & (self.held < self.least))

    def over(self) -> np.ndarray:
        """Rows (k,) that hold too much."""
        return np.flatnonzero(self.held > self.most)

    def change(self, unit: int) -> float:
        """What the objective loses (above 0) or wins (below 0) when a unit is left out."""
        program, z = self.program, int(self.zone[unit])
        column = unit * program.zones + z
        change = -float(program.cost[column])
        for zones, out, into in self.edges:
            if z in zones:
                span = slice(out.indptr[unit], out.indptr[unit + 1])
                change -= float(out.data[span] @ ~np.isin(self.zone[out.indices[span]], zones))
                span = slice(into.indptr[unit], into.indptr[unit + 1])
                change += float(into.data[span] @ np.isin(self.zone[into.indices[span]], zones))
        rows, amount = self.column(column)
        soft = ~self.hard[rows]
        if soft.any():
            rows, amount = rows[soft], amount[soft]
            lack = program.row_lower[rows] - self.held[rows]
            change += float(program.price[rows] @ (np.maximum(lack + amount, 0.0) - np.maximum(lack, 0.0)))
        return change

    def column(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """(rows, amounts) of a column."""
        span = slice(self.columns.indptr[column], self.columns.indptr[column + 1])
        return self.columns.indices[span], self.columns.data[span]

    def spare(self, unit: int) -> bool:
        """All rows that are met stay met without a unit."""
        rows, amount = self.column(unit * self.program.zones + int(self.zone[unit]))
        after = self.held[rows] - amount
        short = self.hard[rows] & (after < self.least[rows]) & (amount > 0)
        return not (short.any() or ((after > self.most[rows]) & (amount < 0)).any())

    def leave_out(self, unit: int) -> None:
        """Leave one unit out."""
        rows, amount = self.column(unit * self.program.zones + int(self.zone[unit]))
        self.held[rows] -= amount
        self.zone[unit] = -1


def repair(
    program: Program,
    x: np.ndarray,
    multipliers: Multipliers | None,
    reporter: Reporter,
    seconds: float | None = None,
) -> tuple[np.ndarray | None, list[str]]:
    """Mend a selection until every extra block's rule and every row is met.

    Several ways are tried, see WAYS, and the cheapest result is kept.

    Parameters
    ----------
    program : Program
        Every extra has a rule.
    x : (V,) float64
        Meets the rows and locks; best what the engine found without the extras.
    multipliers : Multipliers or None
        What proves the engine's bound.
    seconds : float or None
        After this time no other way is begun, once there is a selection.

    Returns
    -------
    (x or None, list of str)
        What could not be met, where there is no x.
    """
    began = time.perf_counter()
    rules = [extra.rule for extra in program.extras if extra.rule is not None]
    start = Draft(program, x, multipliers)
    if not unmet(start, rules):
        return start.vector(), []
    best, least = None, np.inf
    left: list[str] = []
    for prune, floor in WAYS:
        late = seconds is not None and time.perf_counter() - began > seconds
        if best is not None and (late or reporter.stop.is_set()):
            break
        draft = Draft(program, x, multipliers, floor)
        if not settle(draft, rules, prune):
            left = left or unmet(draft, rules)
            reporter.log(f"repair ({'pruning' if prune else 'adding'}): not met: {'; '.join(unmet(draft, rules)[:3])}")
            continue
        added = int((draft.zone >= 0).sum())
        drop(draft, rules)
        mended = draft.vector()
        value = program.objective(mended)
        reporter.log(
            f"repair ({'pruning' if prune else 'adding'}): objective {program.sign * value:.8g}, "
            f"{added} units, {added - int((draft.zone >= 0).sum())} of them dropped again"
        )
        if value < least and not unmet(draft, rules) and not program.violations(mended):
            best, least = mended, value
    return best, [] if best is not None else left


def unmet(draft: Draft, rules: list[Rule]) -> list[str]:
    """Rules and rows that a draft breaks."""
    found = [fault for rule in rules for fault in rule.faults(draft.chosen(rule.zones))]
    names = draft.program.row_names
    found += [f"{names[row]} is too little" for row in draft.short()]
    return found + [f"{names[row]} is too much" for row in draft.over()]


def settle(draft: Draft, rules: list[Rule], prune: bool) -> bool:
    """Mend rules and rows in turn; says whether all are met."""
    for number in range(ROUNDS):
        for rule in rules:
            if rule.faults(draft.chosen(rule.zones)):
                rule.mend(draft, prune and number < ROUNDS // 2)
        if len(draft.short()):
            regain(draft, rules)
        if len(draft.over()):
            trim(draft, rules)
        if not unmet(draft, rules):
            return True
    return False


def regain(draft: Draft, rules: list[Rule]) -> None:
    """Add what gives most per price to the rows that are short, with the way to it where units must hang together."""
    attached = next((rule for rule in rules if rule.attached), None)
    program = draft.program
    zones = attached.zones if attached else tuple(range(program.zones))
    for _ in range(200):
        rows = draft.short()
        if not len(rows):
            return
        lack = program.row_lower[rows] - draft.held[rows]
        part = program.rows[rows].tocsr()
        part.data = np.clip(part.data / np.repeat(lack, np.diff(part.indptr)), 0.0, 1.0)
        gain = np.asarray(part.sum(axis=0)).reshape(program.units, program.zones)
        gain = np.where(draft.allowed, gain, 0.0)[:, list(zones)].max(axis=1)
        gain[draft.locked | (draft.zone >= 0)] = 0.0
        if attached:
            arcs = attached.arcs()
            y = draft.chosen(zones)
            price, distance, before, _ = draft.paths(arcs, np.flatnonzero(y), zones)
            # a region where nothing is chosen may begin anywhere
            code = csgraph.connected_components(network(*arcs), directed=False)[1]
            begun = np.bincount(code, y) > 0
            distance = np.where(begun[code], distance, price)
        else:
            distance, before = draft.weight(zones), np.full(program.units, -1)
        worth = np.where((gain > 0) & np.isfinite(distance), gain / np.maximum(distance, 1e-300), 0.0)
        order = np.argsort(-worth, kind="stable")[: int((worth > 0).sum())]
        if not len(order):
            return
        if attached:  # one beginning a region at a time
            late = ~begun[code[order]]
            _, first = np.unique(code[order], return_index=True)
            keep = ~late
            keep[first] = True
            order = order[keep]
        # a third of what is lacking, then prices are asked again
        enough = np.searchsorted(np.cumsum(gain[order]), len(rows) / 3) + 1
        picked = order[:enough]
        draft.add(draft.follow(before, picked), zones)


def trim(draft: Draft, rules: list[Rule]) -> None:
    """Leave out what costs least per relief of the rows that hold too much."""
    while True:
        rows = draft.over()
        if not len(rows):
            return
        relief = np.zeros(len(draft.held))
        relief[rows] = 1.0 / np.maximum(draft.held[rows] - draft.program.row_upper[rows], 1e-300)

        def urgency(unit: int, relief: np.ndarray = relief) -> float:
            row, amount = draft.column(unit * draft.program.zones + int(draft.zone[unit]))
            eased = float(np.minimum(relief[row] * amount, 1.0).sum())
            return (draft.change(unit) + draft.typical) / eased if eased > 0 else np.inf

        before = len(rows), float(draft.held[rows].sum())
        take_away(draft, rules, urgency, lambda: not len(draft.over()))
        rows = draft.over()
        if (len(rows), float(draft.held[rows].sum())) == before:
            return


def drop(draft: Draft, rules: list[Rule]) -> None:
    """Leave out what is redundant, what saves most first."""

    def urgency(unit: int) -> float:
        change = draft.change(unit)
        return change if change < 0 else np.inf

    take_away(draft, rules, urgency, lambda: False)


def take_away(draft: Draft, rules: list[Rule], urgency: Callable[[int], float], enough: Callable[[], bool]) -> None:
    """Leave out units, least `urgency` (unit -> float) first, while rows and rules stay as they are."""
    watch = [(rule, draft.chosen(rule.zones)) for rule in rules]
    arcs = [rule.arcs() for rule in rules]
    candidates = np.flatnonzero((draft.zone >= 0) & ~draft.locked)
    heap = [(value, int(unit)) for unit in candidates if np.isfinite(value := urgency(int(unit)))]
    heapq.heapify(heap)
    while heap and not enough():
        value, unit = heapq.heappop(heap)
        if draft.zone[unit] < 0:
            continue
        now = urgency(unit)
        if now > value + 1e-12 * abs(value):  # its neighbours have gone since
            if np.isfinite(now):
                heapq.heappush(heap, (now, unit))
            continue
        if not draft.spare(unit) or not all(rule.removable(unit, y) for rule, y in watch if y[unit]):
            continue
        draft.leave_out(unit)
        around: set[int] = set()
        for (_, y), (ptr, neighbour) in zip(watch, arcs):
            y[unit] = False
            around.update(neighbour[ptr[unit] : ptr[unit + 1]].tolist())
        for other in around:
            if draft.zone[other] >= 0 and not draft.locked[other] and np.isfinite(value := urgency(other)):
                heapq.heappush(heap, (value, other))


# -- graphs ----------------------------------------------------------------------------------------------------------


def network(ptr: np.ndarray, neighbour: np.ndarray) -> sparse.csr_array:
    """Neighbours as a sparse (U, U) array of ones."""
    return sparse.csr_array((np.ones(len(neighbour)), neighbour, ptr), shape=(len(ptr) - 1,) * 2)


def inside(graph: Graph, code: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(ptr, neighbour) of the pairs of units of one group, `code` (U,) int; -1 is in no group."""
    source = np.repeat(np.arange(graph.units), np.diff(graph.indptr))
    if code is None:
        return graph.indptr, graph.indices
    keep = (code[source] == code[graph.indices]) & (code[source] >= 0)
    ptr = np.concatenate([[0], np.cumsum(np.bincount(source[keep], minlength=graph.units))])
    return ptr.astype(np.int64), graph.indices[keep]


def components(ptr: np.ndarray, neighbour: np.ndarray, y: np.ndarray) -> tuple[int, np.ndarray]:
    """Connected parts of chosen units: (count, (U,) int label, -1 where not chosen)."""
    label = np.full(len(y), -1, np.int64)
    at = np.flatnonzero(y)
    if not len(at):
        return 0, label
    source = np.repeat(np.arange(len(y)), np.diff(ptr))
    keep = y[source] & y[neighbour]
    number = np.cumsum(y) - 1
    part = sparse.csr_array(
        (np.ones(int(keep.sum()), np.int8), (number[source[keep]], number[neighbour[keep]])), shape=(len(at),) * 2
    )
    count, found = csgraph.connected_components(part, directed=False)
    label[at] = found
    return int(count), label


def without_rules(program: Program) -> Program:
    """The program without the extra blocks that have a rule; any lower bound of it is one of the program."""
    return replace(program, extras=tuple(extra for extra in program.extras if extra.rule is None))
