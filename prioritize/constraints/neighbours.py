"""Minimum neighbours: no selected unit stands alone."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from prioritize.connect import Draft
from prioritize.constraints._network import Block, Network, available, chosen_in, locked_units
from prioritize.problem import NamedTerm, Problem, zone_numbers
from prioritize.program import Builder


class Neighbours(NamedTerm):
    """Each selected unit has at least `least` selected neighbours: sum of y_j over neighbours j >= least * y_i.

    With `clamp` a unit with fewer neighbours needs all of them (prioritizr's neighbour constraints); else it cannot be
    selected. With `exempt_locked` nothing is asked of locked-in units.
    """

    kind: Literal["neighbours"]
    least: int = Field(ge=1, description="selected neighbours that each selected unit needs")
    clamp: bool = Field(True, description="a unit with fewer neighbours than `least` needs all it has")
    exempt_locked: bool = Field(True, description="locked-in units need none")
    zones: list[str] | None = Field(None, description="the zones that count; all where absent")

    def rule(self, problem: Problem) -> Company:
        """The demand on (U,) bool selections."""
        landscape = problem.landscape
        zones = zone_numbers(landscape, self.zones)
        net = Network(landscape.graph)
        need = np.full(landscape.shape[0], self.least, np.int64)
        if self.clamp:
            need = np.minimum(need, np.diff(net.ptr))
        if self.exempt_locked:
            need[locked_units(problem, zones)] = 0
        return Company(tuple(zones), net, need)

    def add(self, problem: Problem, to: Builder) -> None:
        """A row a unit."""
        rule = self.rule(problem)
        block = Block(to, list(rule.zones))
        usable, _ = available(to, list(rule.zones))
        unit = np.flatnonzero(usable & (rule.need > 0))
        source = np.repeat(np.arange(to.units), np.diff(rule.net.ptr))
        number = np.full(to.units, -1)
        number[unit] = np.arange(len(unit))
        asked = number[source] >= 0
        name = f"at least {self.least} neighbours"
        block.add(
            name,
            len(unit),
            0.0,
            np.inf,
            block.chosen(number[source[asked]], rule.net.neighbour[asked], 1.0),
            block.chosen(np.arange(len(unit)), unit, -rule.need[unit].astype(np.float64)),
        )
        to.add_extra(block.extra(name, rule))

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """Units with too few."""
        rule = self.rule(problem)
        return rule.faults(chosen_in(selection, rule.zones))


class Company:
    """Each chosen unit has `need` chosen neighbours: the rule."""

    attached = True

    def __init__(self, zones: tuple[int, ...], net: Network, need: np.ndarray):
        self.zones, self.net, self.need = zones, net, need
        self.source = np.repeat(np.arange(len(need)), np.diff(net.ptr))

    def arcs(self) -> tuple[np.ndarray, np.ndarray]:
        """All neighbours."""
        return self.net.arcs

    def lonely(self, y: np.ndarray) -> np.ndarray:
        """(U,) how many chosen neighbours are lacking."""
        have = np.bincount(self.source, y[self.net.neighbour], len(y)).astype(np.int64)
        return np.where(y, np.maximum(self.need - have, 0), 0)

    def faults(self, y: np.ndarray) -> list[str]:
        """How many units have too few."""
        count = int((self.lonely(y) > 0).sum())
        return [f"{count} units have fewer selected neighbours than they need"] if count else []

    def removable(self, unit: int, y: np.ndarray) -> bool:
        """Its neighbours have others enough."""
        around = self.net.around(unit)
        return all(int(y[self.net.around(v)].sum()) - 1 >= self.need[v] for v in around[y[around]].tolist())

    def mend(self, draft: Draft, prune: bool) -> None:
        """Add the cheapest neighbours of those that lack some; `prune`: leave these out where they are free."""
        for _ in range(100):
            y = draft.chosen(self.zones)
            lacking = self.lonely(y)
            units = np.flatnonzero(lacking)
            if not len(units):
                return
            if prune:
                loose = units[~draft.locked[units]]
                if len(loose):
                    draft.remove(loose)
                    continue
            price = draft.weight(self.zones)
            wanted: list[int] = []
            for unit in units.tolist():
                around = self.net.around(unit)
                around = around[~y[around] & np.isfinite(price[around])]
                cheapest = around[np.argsort(price[around], kind="stable")[: lacking[unit]]]
                wanted += cheapest.tolist()
                # the next one that lacks a neighbour uses these first
                price[cheapest] *= 1e-3
            if not wanted:
                draft.remove(units)
                if not (~draft.locked[units]).any():
                    return
                continue
            draft.add(np.array(wanted), self.zones)


MEMBER = Neighbours
