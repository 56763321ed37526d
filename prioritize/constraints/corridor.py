"""Corridor: named core areas are joined by selected units."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from prioritize.connect import Draft, components
from prioritize.constraints._network import Block, Network, arcs_between, available, chosen_in
from prioritize.errors import Faults, ScenarioError
from prioritize.landscape import some
from prioritize.problem import NamedTerm, Problem, zone_numbers
from prioritize.program import Builder


class Corridor(NamedTerm):
    """One connected part of the selection holds a unit of every core area (or, with `pairs`, of both of each pair).

    A core area is only passed through where it is selected. In the integer program (after Conrad, Gomes, van Hoeve,
    Sabharwal & Suter 2012, doi 10.1016/j.jeem.2011.08.001) one unit of the first core sends one unit of flow to each of
    the K - 1 others: s_i + inflow_i - outflow_i = a_i, s_i + inflow_i <= (K - 1) y_i, s_i <= (K - 1) r_i, sum r_i = 1
    over the first core, sum a_i = 1 over each other core. On large programs cheapest paths are added one core at a
    time (Takahashi & Matsuyama 1980).
    """

    kind: Literal["corridor"]
    layer: str | None = Field(None, description="reference: units of one value (not 0) are a core area of that name")
    of: str | None = Field(None, description="each group is a core area: reserve:*")
    patches: bool = Field(False, description="layer only: each connected patch of what is not 0 is a core area")
    pairs: list[tuple[str, str]] | None = Field(None, description="core areas to join, two by two; all where absent")
    zones: list[str] | None = Field(None, description="the zones that count; all where absent")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.layer is None) == (self.of is None):
            raise ValueError("a corridor needs either 'layer' or 'of'")
        if self.patches and self.layer is None:
            raise ValueError("'patches' goes with 'layer'")
        if self.pairs == []:
            raise ValueError("'pairs' is an empty list; name pairs, or leave it out to join all core areas")
        if same := [one for one, other in self.pairs or () if one == other]:
            raise ValueError(f"'pairs' joins {same[0]!r} to itself; name two core areas")
        return self

    def references(self) -> list[str]:
        """The layer, if there is one."""
        return [] if self.layer is None else [self.layer]

    def cores(self, problem: Problem) -> tuple[tuple[str, ...], np.ndarray]:
        """Names of the core areas, and (U,) int: which one each unit belongs to, -1 is none."""
        landscape = problem.landscape
        code = np.full(landscape.shape[0], -1, np.int64)
        if self.of is not None:
            groups = landscape.members(self.of)
            for number, (_, mask) in enumerate(groups):
                code[mask] = number
            return tuple(name.partition(":")[2] for name, _ in groups), code
        assert self.layer is not None
        layer = landscape.layer(self.layer)
        inside = layer != 0
        if self.patches:
            count, label = components(landscape.graph.indptr, landscape.graph.indices, inside)
            first = [landscape.unit_id[label == k].min() for k in range(count)]
            return tuple(f"patch of unit {unit}" for unit in first), label
        values, code[inside] = np.unique(layer[inside], return_inverse=True)
        return tuple(f"{value:g}" for value in values), code

    def rule(self, problem: Problem) -> Links:
        """The demand on (U,) bool selections.

        Raises
        ------
        ScenarioError
            If there are fewer than two core areas, or a pair names one that is not there.
        """
        names, code = self.cores(problem)
        where = self.layer if self.layer is not None else self.of
        if len(names) < 2:
            hint = "; patches = true makes each connected patch one" if self.layer and not self.patches else ""
            raise ScenarioError(
                f"corridor: '{where}' has {len(names)} core areas ({some(names)}), two are needed{hint}"
            )
        nets = [tuple(range(len(names)))]
        if self.pairs is not None:
            unknown = sorted({name for pair in self.pairs for name in pair} - set(names))
            if unknown:
                raise ScenarioError(f"corridor: '{where}' has no core area {some(unknown)}; it has {some(names, 12)}")
            nets = [(names.index(one), names.index(other)) for one, other in self.pairs]
        zones = zone_numbers(problem.landscape, self.zones)
        return Links(tuple(zones), Network(problem.landscape.graph), code, names, nets)

    def add(self, problem: Problem, to: Builder) -> None:
        """A flow block for each net of core areas."""
        rule = self.rule(problem)
        usable, _ = available(to, list(rule.zones))
        faults = Faults(ScenarioError)
        _, piece = components(*rule.net.arcs, usable)
        for net in rule.nets:
            if not rule.joined(net, piece):
                faults.add(
                    f"corridor: no available units join the core areas {some([rule.names[k] for k in net])}; "
                    "unlock some, or leave the core area out that lies apart"
                )
        faults.raise_any()
        block = Block(to, list(rule.zones))
        for net in rule.nets:
            add_net(block, rule, net, usable)
        to.add_extra(block.extra("corridor", rule, implied=True))

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """Core areas that are not joined."""
        rule = self.rule(problem)
        return rule.faults(chosen_in(selection, rule.zones))


def add_net(block: Block, rule: Links, net: tuple[int, ...], usable: np.ndarray) -> None:
    """The rows of the docstring for one net, from its smallest core."""
    root, *others = sorted(net, key=lambda core: (int((usable & (rule.code == core)).sum()), core))
    most = float(len(others))
    unit = np.flatnonzero(usable)
    number, row = np.cumsum(usable) - 1, np.arange(len(unit))
    tail, head = arcs_between(rule.net, usable)
    start = np.flatnonzero(usable & (rule.code == root))
    ends = np.flatnonzero(usable & np.isin(rule.code, others))
    flow = block.stretch(len(tail), most)
    source = block.stretch(len(start), most)
    arrived = block.stretch(len(ends), 1.0)
    # one unit sends to all, else two parts of the first core could each reach one of the others
    sender = block.stretch(len(start), 1.0, integer=len(others) > 1)
    name = "corridor"
    block.add(name, len(unit), 0.0, 0.0, (number[start], source, 1.0), (number[head], flow, 1.0),
              (number[tail], flow, -1.0), (number[ends], arrived, -1.0))  # fmt: skip
    block.add(name, len(unit), -np.inf, 0.0, (number[start], source, 1.0), (number[head], flow, 1.0),
              block.chosen(row, unit, -most))  # fmt: skip
    block.add(name, len(others), 1.0, 1.0, (np.searchsorted(np.sort(others), rule.code[ends]), arrived, 1.0))
    block.add(name, len(start), -np.inf, 0.0, (np.arange(len(start)), source, 1.0),
              (np.arange(len(start)), sender, -most))  # fmt: skip
    block.add(name, 1, 1.0, 1.0, (np.zeros(len(start), np.int64), sender, 1.0))


class Links:
    """One part of the selection holds a unit of each core of a net: the rule."""

    attached = False

    def __init__(
        self,
        zones: tuple[int, ...],
        net: Network,
        code: np.ndarray,
        names: tuple[str, ...],
        nets: list[tuple[int, ...]],
    ):
        self.zones, self.net, self.code, self.names, self.nets = zones, net, code, names, nets
        self.even = np.ones(len(code))

    def arcs(self) -> tuple[np.ndarray, np.ndarray]:
        """All neighbours."""
        return self.net.arcs

    def joined(self, net: tuple[int, ...], label: np.ndarray) -> bool:
        """Is there a label (U,) that all cores of a net have? -1 is none."""
        shared: set[int] | None = None
        for core in net:
            here = set(np.unique(label[(self.code == core) & (label >= 0)]).tolist())
            shared = here if shared is None else shared & here
        return bool(shared)

    def faults(self, y: np.ndarray) -> list[str]:
        """Core areas that are not joined."""
        _, label = components(*self.net.arcs, y)
        return [
            f"corridor: no connected selected units join the core areas {some([self.names[k] for k in net])}"
            for net in self.nets
            if not self.joined(net, label)
        ]

    def removable(self, unit: int, y: np.ndarray) -> bool:
        """Its neighbours hold together without it, and one of them is of the same core."""
        around = self.net.around(unit)
        around = around[y[around]]
        if self.code[unit] >= 0 and not (self.code[around] == self.code[unit]).any():
            return False
        return self.net.holds_without(unit, y, self.even)

    def mend(self, draft: Draft, prune: bool) -> None:
        """From the first core the cheapest path to the nearest other, then from both to the next."""
        for net in self.nets:
            y = draft.chosen(self.zones)
            _, label = components(*self.net.arcs, y)
            if self.joined(net, label):
                continue
            tree, left = np.zeros(0, np.int64), list(net[1:])
            price = draft.weight(self.zones)
            sources = np.flatnonzero((self.code == net[0]) & np.isfinite(price))
            while left:
                price, distance, before, _ = draft.paths(self.net.arcs, sources, self.zones)
                # a path that begins at a unit that is not chosen pays for it only here: it is the same for all ends
                ends = np.flatnonzero(np.isin(self.code, left) & np.isfinite(distance))
                if not len(ends):
                    return
                end = ends[np.argmin(distance[ends])]
                draft.add(draft.follow(before, np.array([end])), self.zones)
                _, label = components(*self.net.arcs, draft.chosen(self.zones))
                tree = np.flatnonzero(label == label[end])
                left = [core for core in left if not (self.code[tree] == core).any()]
                sources = tree


MEMBER = Corridor
