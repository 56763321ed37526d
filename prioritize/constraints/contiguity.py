"""Contiguity: what is selected hangs together, everywhere or in each region."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from scipy import sparse
from scipy.sparse import csgraph

from prioritize.connect import Draft, components, network
from prioritize.constraints._network import Block, Network, arcs_between, available, chosen_in, ids
from prioritize.errors import Faults, ScenarioError
from prioritize.problem import NamedTerm, Problem, zone_numbers
from prioritize.program import Builder


class Contiguity(NamedTerm):
    """The selected units of each group form at most `parts` connected parts (units that share a border are joined).

    A group without selected units has none. In the integer program a single commodity flows from at most `parts` roots
    a group and every selected unit takes one (Shirabe 2005, doi 10.1111/j.1538-4632.2005.00605.x; for reserves
    Jafari & Hearne 2013, European Journal of Operational Research 231):
    s_i + inflow_i - outflow_i = y_i, outflow_i <= (n - 1) y_i, s_i <= n r_i, r_i <= y_i, sum r_i <= parts.
    On large programs `prioritize/connect.py` mends the engine's selection instead: the parts are joined by a minimum
    spanning tree over cheapest paths (Mehlhorn 1988, doi 10.1016/0020-0190(88)90066-X), or those not worth their path
    are left out.
    """

    kind: Literal["contiguity"]
    of: str = Field("all", description="all, realm:land, province:*: asked of each group apart")
    parts: int = Field(1, ge=1, description="largest number of connected parts in each group")
    islands: bool = Field(False, description="asked of each connected piece (island) of each group apart")
    zones: list[str] | None = Field(None, description="the zones that count; all where absent")

    def rule(self, problem: Problem) -> Parts:
        """The demand on (U,) bool selections."""
        landscape = problem.landscape
        code = np.full(landscape.shape[0], -1, np.int64)
        names = []
        for number, (name, mask) in enumerate(landscape.members(self.of)):
            code[mask] = number
            names.append(name)
        net = Network(landscape.graph, code)
        if self.islands:
            piece = csgraph.connected_components(network(*net.arcs), directed=False)[1]
            _, first, split = np.unique(piece, return_index=True, return_inverse=True)
            outside = code < 0
            names = [names[max(code[unit], 0)] for unit in first]
            code = np.where(outside, -1, split)
        return Parts(tuple(zone_numbers(landscape, self.zones)), net, code, tuple(names), self.parts)

    def add(self, problem: Problem, to: Builder) -> None:
        """One flow block over all groups."""
        rule = self.rule(problem)
        zones = list(rule.zones)
        usable, locked = available(to, zones)
        usable &= rule.code >= 0
        faults = Faults(ScenarioError)
        _, piece = components(*rule.net.arcs, usable)
        for number, name in enumerate(rule.names):
            group = locked & (rule.code == number)
            pieces, first = np.unique(piece[group], return_index=True)
            if len(pieces) > self.parts:
                apart = np.isin(np.arange(to.units), np.flatnonzero(group)[first])
                faults.add(
                    f"contiguity of {name}: locked-in units lie in {len(pieces)} pieces that no available units join "
                    f"(one of each: ids {ids(problem, apart)}); raise parts, set islands = true, or unlock some"
                )
        faults.raise_any()
        to.add_extra(self.block(rule, usable, to).extra(f"contiguity of {self.of}", rule, implied=True))

    def block(self, rule: Parts, usable: np.ndarray, to: Builder) -> Block:
        """The rows of the docstring."""
        block = Block(to, list(rule.zones))
        unit = np.flatnonzero(usable)
        count = len(unit)
        number = np.cumsum(usable) - 1
        row = np.arange(count)
        tail, head = arcs_between(rule.net, usable)
        group = np.unique(rule.code[unit], return_inverse=True)[1]
        size = np.bincount(group)[group].astype(np.float64)
        flow = block.stretch(len(tail), size[number[tail]])
        source = block.stretch(count, size)
        root = block.stretch(count, 1.0, True)
        name = f"contiguity of {self.of}"
        inflow, outflow = (number[head], flow, 1.0), (number[tail], flow, 1.0)
        block.add(name, count, 0.0, 0.0, (row, source, 1.0), inflow, (number[tail], flow, -1.0),
                  block.chosen(row, unit, -1.0))  # fmt: skip
        block.add(name, count, -np.inf, 0.0, outflow, block.chosen(row, unit, 1.0 - size))
        block.add(name, count, -np.inf, 0.0, (row, source, 1.0), (row, root, -size))
        block.add(name, count, -np.inf, 0.0, (row, root, 1.0), block.chosen(row, unit, -1.0))
        block.add(name, int(group.max(initial=-1)) + 1, 0.0, float(self.parts), (group, root, 1.0))
        return block

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """Groups with too many parts."""
        rule = self.rule(problem)
        return rule.faults(chosen_in(selection, rule.zones))


class Parts:
    """At most `most` connected parts in each group: the rule."""

    attached = True

    def __init__(self, zones: tuple[int, ...], net: Network, code: np.ndarray, names: tuple[str, ...], most: int):
        self.zones, self.net, self.code, self.names, self.most = zones, net, code, names, most
        self.even = np.ones(len(code))

    def arcs(self) -> tuple[np.ndarray, np.ndarray]:
        """Within groups."""
        return self.net.arcs

    def counted(self, y: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        """(parts, label (U,), group of each part)."""
        count, label = components(*self.net.arcs, y & (self.code >= 0))
        group = np.zeros(count, np.int64)
        group[label[label >= 0]] = self.code[label >= 0]
        return count, label, group

    def faults(self, y: np.ndarray) -> list[str]:
        """Groups with too many parts."""
        _, _, group = self.counted(y)
        number = np.bincount(group, minlength=len(self.names))
        return [
            f"contiguity of {self.names[k]}: the selection has {number[k]} parts, more than {self.most}"
            for k in np.flatnonzero(number > self.most)
        ]

    def removable(self, unit: int, y: np.ndarray) -> bool:
        """Its neighbours hold together without it."""
        return self.net.holds_without(unit, y, self.even)

    def mend(self, draft: Draft, prune: bool) -> None:
        """Join the parts of each group by cheapest paths; parts not worth theirs are left out first (`prune`)."""
        y = draft.chosen(self.zones)
        count, label, group = self.counted(y)
        _, distance, before, source = draft.paths(self.net.arcs, np.flatnonzero(y & (self.code >= 0)), self.zones)
        tree, meet = self.tree(label, count, distance, source)
        if prune:
            members = np.split(np.argsort(label, kind="stable")[(label < 0).sum() :],
                               np.cumsum(np.bincount(label[label >= 0], minlength=count))[:-1])  # fmt: skip
            gone = unworthy(tree, np.array([draft.prize(units) for units in members]), group)
            for part in np.flatnonzero(gone):
                draft.remove(members[part])
            tree = [link for link in tree if not (gone[link[1]] or gone[link[2]])]
        # each group may keep `most` parts: its dearest links are spared
        spare = np.bincount(group, minlength=len(self.names)) * 0 + self.most - 1
        for link in sorted(tree, reverse=True):
            if spare[group[link[1]]] > 0:
                spare[group[link[1]]] -= 1
                continue
            draft.add(draft.follow(before, np.array(meet[link[1], link[2]])), self.zones)

    def tree(
        self, label: np.ndarray, count: int, distance: np.ndarray, source: np.ndarray
    ) -> tuple[list[tuple[float, int, int]], dict[tuple[int, int], tuple[int, int]]]:
        """Minimum spanning forest over the parts: links (price, part, part), and where each link's two ways meet."""
        ptr, neighbour = self.net.arcs
        one = np.repeat(np.arange(len(label)), np.diff(ptr))
        reached = np.isfinite(distance[one]) & np.isfinite(distance[neighbour])
        one, other = one[reached], neighbour[reached]
        a, b = label[source[one]], label[source[other]]
        apart = a < b
        one, other, a, b = one[apart], other[apart], a[apart], b[apart]
        price = distance[one] + distance[other]
        order = np.lexsort((one, price, b, a))
        one, other, a, b, price = one[order], other[order], a[order], b[order], price[order]
        first = np.r_[True, (a[1:] != a[:-1]) | (b[1:] != b[:-1])] if len(a) else np.zeros(0, bool)
        meet = {(int(i), int(j)): (int(u), int(v)) for i, j, u, v in zip(a[first], b[first], one[first], other[first])}
        links = sparse.csr_array((price[first] + 1e-12, (a[first], b[first])), shape=(count, count))
        forest = csgraph.minimum_spanning_tree(links).tocoo()
        found = zip(forest.data.tolist(), forest.coords[0].tolist(), forest.coords[1].tolist())
        return [(price, min(i, j), max(i, j)) for price, i, j in found], meet


def unworthy(tree: list[tuple[float, int, int]], prize: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Parts to leave out: leaves of the tree whose link is dearer than their prize, again and again.

    The strong pruning of prize-collecting Steiner trees (Johnson, Minkoff & Phillips 2000), from the part of largest
    prize of each group.
    """
    links: dict[int, list[tuple[int, float]]] = {}
    for price, i, j in tree:
        links.setdefault(i, []).append((j, price))
        links.setdefault(j, []).append((i, price))
    gone = np.zeros(len(prize), bool)
    for number in np.unique(group):
        parts = np.flatnonzero(group == number)
        root = int(parts[np.argmax(prize[parts])])
        order, parent, seen = [], {root: (-1, 0.0)}, [root]
        while seen:
            part = seen.pop()
            order.append(part)
            for other, price in links.get(part, []):
                if other not in parent:
                    parent[other] = (part, price)
                    seen.append(other)
        worth = {part: float(prize[part]) for part in order}
        kept_below: dict[int, bool] = {}
        for part in reversed(order[1:]):
            above, price = parent[part]
            kept_below[part] = worth[part] > price
            if kept_below[part]:
                worth[above] += worth[part] - price
        for part in order[1:]:
            above = parent[part][0]
            gone[part] = gone[above] or not kept_below[part]
        loose = np.setdiff1d(parts, order)  # no way leads there
        gone[loose[np.isfinite(prize[loose])]] = True
    return gone


MEMBER = Contiguity
