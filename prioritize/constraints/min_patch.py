"""Minimum patch size: no fragment smaller than this."""

from __future__ import annotations

import heapq
from typing import Literal

import numpy as np
from pydantic import Field

from prioritize.connect import Draft, components
from prioritize.constraints._network import Block, Network, arcs_between, available, chosen_in, ids, locked_units
from prioritize.errors import ScenarioError
from prioritize.problem import NamedTerm, Problem, zone_numbers
from prioritize.program import Builder
from prioritize.tolerance import least


class MinPatch(NamedTerm):
    """Each connected patch of the selection has at least `area_km2`.

    With `exempt_locked` a patch that holds a locked-in unit may be smaller: what is protected already stays, and may
    be added to. In the integer program each selected unit sends its area to a root of its patch, and a root receives
    `area_km2` or more (a single commodity flow, as in Conrad et al. 2012, doi 10.1016/j.jeem.2011.08.001, turned
    round; the aim is that of MinPatch, Smith, Di Minin, Linke, Segan & Possingham 2010, Biological Conservation 143):
    a_i y_i + inflow_i - outflow_i = t_i, outflow_i <= M y_i, area r_i <= t_i <= M r_i, r_i <= y_i.
    """

    kind: Literal["min_patch"]
    area_km2: float = Field(gt=0, description="least area of a patch")
    exempt_locked: bool = Field(True, description="patches that hold a locked-in unit may be smaller")
    zones: list[str] | None = Field(None, description="the zones that count; all where absent")

    def rule(self, problem: Problem, locked: np.ndarray) -> Patches:
        """The demand on (U,) bool selections."""
        landscape = problem.landscape
        zones = tuple(zone_numbers(landscape, self.zones))
        exempt = locked if self.exempt_locked else np.zeros(len(locked), bool)
        return Patches(zones, Network(landscape.graph), landscape.area_km2, self.area_km2, exempt)

    def add(self, problem: Problem, to: Builder) -> None:
        """One flow block; units that lie where too little hangs together are locked out."""
        zones = zone_numbers(problem.landscape, self.zones)
        usable, locked = available(to, zones)
        rule = self.rule(problem, locked_units(problem, zones))
        count, piece = components(*rule.net.arcs, usable)
        room = np.bincount(piece[usable], problem.landscape.area_km2[usable], max(count, 1))
        cramped = locked & ~rule.exempt & (room[piece] < least(self.area_km2))
        if cramped.any():
            raise ScenarioError(
                f"min_patch: {int(cramped.sum())} locked-in units (ids {ids(problem, cramped)}) lie where less than "
                f"{self.area_km2:g} km2 hang together; lower area_km2, or set exempt_locked = true"
            )
        large = room >= least(self.area_km2)
        large |= np.bincount(piece[usable], rule.exempt[usable], len(room)) > 0
        small = usable & ~large[piece]
        to.upper.reshape(to.units, to.zones)[np.ix_(small, zones)] = 0.0
        usable &= ~small
        block = self.block(rule, usable, room[piece] / self.area_km2, to)
        closes = "the patch size" if small.any() else ""
        advice = ""
        if not large.any():
            advice = (
                f"min_patch: area_km2 is {self.area_km2:g}, but at most {room.max():.10g} km2 of available units hang "
                f"together, so that none can be selected{'' if len(zones) == to.zones else ' in these zones'}; "
                "lower area_km2"
            )
        to.add_extra(block.extra("minimum patch size", rule, closes=closes, advice=advice))

    def block(self, rule: Patches, usable: np.ndarray, room: np.ndarray, to: Builder) -> Block:
        """The rows of the docstring, areas in units of the least area."""
        block = Block(to, list(rule.zones))
        unit = np.flatnonzero(usable)
        count, number, row = len(unit), np.cumsum(usable) - 1, np.arange(len(unit))
        tail, head = arcs_between(rule.net, usable)
        room = room[unit]
        area = rule.area[unit] / self.area_km2
        flow = block.stretch(len(tail), room[number[tail]])
        taken = block.stretch(count, room)
        root = block.stretch(count, 1.0, True)
        name = "minimum patch size"
        block.add(name, count, 0.0, 0.0, (number[head], flow, 1.0), (number[tail], flow, -1.0), (row, taken, -1.0),
                  block.chosen(row, unit, area))  # fmt: skip
        block.add(name, count, -np.inf, 0.0, (number[tail], flow, 1.0), block.chosen(row, unit, -room))
        block.add(name, count, -np.inf, 0.0, (row, taken, 1.0), (row, root, -room))
        enough = np.where(rule.exempt[unit], 0.0, least(1.0))
        block.add(name, count, 0.0, np.inf, (row, taken, 1.0), (row, root, -enough))
        block.add(name, count, -np.inf, 0.0, (row, root, 1.0), block.chosen(row, unit, -1.0))
        return block

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """Patches that are too small."""
        zones = zone_numbers(problem.landscape, self.zones)
        rule = self.rule(problem, locked_units(problem, zones))
        return rule.faults(chosen_in(selection, zones))


class Patches:
    """No patch smaller than `least` km2: the rule."""

    attached = True

    def __init__(self, zones: tuple[int, ...], net: Network, area: np.ndarray, least: float, exempt: np.ndarray):
        self.zones, self.net, self.area, self.least, self.exempt = zones, net, area, least, exempt

    def arcs(self) -> tuple[np.ndarray, np.ndarray]:
        """All neighbours."""
        return self.net.arcs

    def small(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(parts that are too small, area of each part, label (U,))."""
        count, label = components(*self.net.arcs, y)
        area = np.bincount(label[y], self.area[y], count)
        free = np.bincount(label[y], self.exempt[y], count) == 0
        return np.flatnonzero(free & (area < least(self.least))), area, label

    def faults(self, y: np.ndarray) -> list[str]:
        """How many patches are too small, and the smallest."""
        small, area, _ = self.small(y)
        if not len(small):
            return []
        return [f"{len(small)} patches are smaller than {self.least:g} km2, the smallest {area[small].min():.10g} km2"]

    def removable(self, unit: int, y: np.ndarray) -> bool:
        """Its neighbours hold together without it, in a patch that is large enough."""
        return self.net.holds_without(unit, y, self.area, float(least(self.least)))

    def mend(self, draft: Draft, prune: bool) -> None:
        """Grow each small patch by its cheapest neighbours; leave it out first if that is cheaper (`prune`)."""
        y = draft.chosen(self.zones)
        small, area, label = self.small(y)
        price = draft.weight(self.zones)
        order = np.argsort(label, kind="stable")
        start = np.searchsorted(label[order], np.arange(len(area) + 1))
        for part in small[np.argsort(-area[small], kind="stable")]:
            units = order[start[part] : start[part + 1]]
            if not y[units].any():
                continue
            grown, cost = self.grow(units, y, price)
            if (prune or not np.isfinite(cost)) and draft.prize(units) < cost:
                draft.remove(units)
                y[units] = False
                price[units] = draft.weight(self.zones)[units]
            elif np.isfinite(cost):
                draft.add(grown, self.zones)
                y[grown] = True
                price[grown] = 0.0

    def grow(self, units: np.ndarray, y: np.ndarray, price: np.ndarray) -> tuple[np.ndarray, float]:
        """Cheapest neighbours one by one until the patch is large enough: (units to add, price)."""
        inside = set(units.tolist())
        total, cost, grown = float(self.area[units].sum()), 0.0, []
        exempt = False
        heap: list[tuple[float, int]] = []

        def reach(unit: int) -> None:
            for other in self.net.around(unit).tolist():
                if other not in inside and np.isfinite(price[other]):
                    heapq.heappush(heap, (float(price[other]), other))

        for unit in units.tolist():
            reach(unit)
        while total < least(self.least) and not exempt:
            if not heap:
                return np.zeros(0, np.int64), np.inf
            paid, unit = heapq.heappop(heap)
            if unit in inside:
                continue
            inside.add(unit)
            if not y[unit]:
                grown.append(unit)
                cost += paid
            total += float(self.area[unit])
            exempt = bool(y[unit] and self.exempt[unit])
            reach(unit)
        return np.array(grown, np.int64), cost


MEMBER = MinPatch
