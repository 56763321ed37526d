"""What is true of a small problem, from its arrays and the documented meaning of its keys alone.

Every selection is counted. Sums are exact (floats are fractions of powers of two: at a common scale whole numbers);
nothing here reads Program, the rules or any `broken()`. Masks are (2, N): row 0 counts a selection at the edge of a
slack as out, row 1 as in; where the two differ in the optimum the case hinges on the edge.
"""

from __future__ import annotations

import csv
import math
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from prioritize.problem import Problem

SLACK, EDGE = Fraction(1, 10**9), Fraction(1, 10**12)


class Unfit(Exception):
    """The scenario does not fit its landscape (no flights, no borders, one core area): nothing to count."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is counted: code (U, N) is 0 for nothing, z + 1 for zone z."""

    code: np.ndarray
    fits: np.ndarray
    value: np.ndarray
    terms: np.ndarray
    maximise: bool

    def optimum(self, row: int) -> float | None:
        """Best value in the user's sense; None where no selection fits."""
        values = self.value[row][self.fits[row]]
        return None if not len(values) else float(values.max() if self.maximise else values.min())

    def number(self, selection: np.ndarray) -> int:
        """Position of a (U, Z) selection."""
        units, zones = selection.shape
        digit = selection @ np.arange(1, zones + 1)
        return int(sum(int(d) * (zones + 1) ** (units - 1 - u) for u, d in enumerate(digit)))


class Judge:
    """Counts one problem."""

    def __init__(self, problem: Problem):
        self.problem, self.land = problem, problem.landscape
        self.units, self.features, self.zones = self.land.shape
        grid = np.indices((self.zones + 1,) * self.units).reshape(self.units, -1)
        self.code, self.count = grid, grid.shape[1]
        self.near: list[list[int]] = [[] for _ in range(self.units)]
        self.borders: list[tuple[int, int, float]] = []
        graph = self.land.graph
        for u in range(self.units):
            for k in range(int(graph.indptr[u]), int(graph.indptr[u + 1])):
                v = int(graph.indices[k])
                self.near[u].append(v)
                if u < v:
                    self.borders.append((u, v, float(graph.weight[k])))

    # -- sums

    def sums(self, values: list[list[Fraction]]) -> tuple[np.ndarray, int]:
        """Exact sums over every selection of values[u][z], times the common scale: ((N,) whole numbers, scale)."""
        scale = math.lcm(*(v.denominator for row in values for v in row))
        total = np.zeros(1, object)
        for row in values:
            choice = np.array([0, *(int(v * scale) for v in row)], dtype=object)
            total = np.add.outer(total, choice).ravel()
        return total, scale

    def met(self, values: list[list[Fraction]], bound: Fraction, least: bool) -> np.ndarray:
        """(2, N) is the sum at least (at most) the bound, with the slack?"""
        largest = max((abs(v) for row in values for v in row), default=Fraction(0)) or Fraction(1)
        signs = {v > 0 for row in values for v in row if v}
        size = largest if len(signs) > 1 and abs(bound) <= EDGE * largest else abs(bound)
        total, scale = self.sums(values)
        sign = 1 if least else -1
        limit, grain = sign * bound - SLACK * size, EDGE * size
        return np.array([sign * total >= math.ceil((limit + lean * grain) * scale) for lean in (1, -1)], dtype=bool)

    def listed(self, zones: list[str] | None) -> list[int]:
        names = [zone.name for zone in self.land.zones]
        return list(range(self.zones)) if zones is None else [names.index(zone) for zone in zones]

    def layer_row(self, values: Any, zones: list[int]) -> list[list[Fraction]]:
        return [[Fraction(float(values[u])) if z in zones else Fraction(0) for z in range(self.zones)]
                for u in range(self.units)]  # fmt: skip

    def feature_row(self, f: int) -> list[list[Fraction]]:
        amount = self.land.amount[[f]].toarray()[0]
        part = [Fraction(float(c)) for c in self.land.contribution[f]]
        return [[Fraction(float(amount[u])) * part[z] for z in range(self.zones)] for u in range(self.units)]

    def chosen(self, zones: list[int]) -> np.ndarray:
        """(U, N) bool."""
        return np.isin(self.code, [z + 1 for z in zones])

    def groups(self, of: str) -> list[list[int]]:
        if of == "all":
            return [list(range(self.units))]
        level, name = of.split(":")
        grouping = self.land.groups[level]
        kept = [k for k, item in enumerate(grouping.names) if name in ("*", item)]
        return [[u for u in range(self.units) if grouping.code[u] == k] for k in kept]

    # -- shapes: a predicate on the set of chosen units, asked once for each set

    def by_set(self, zones: list[int], keeps: Any) -> np.ndarray:
        """(2, N) from keeps(set) -> bool or (bool, bool)."""
        y = self.chosen(zones)
        key = (1 << np.arange(self.units)) @ y
        known: dict[int, tuple[bool, bool]] = {}
        for k in np.unique(key).tolist():
            answer = keeps({u for u in range(self.units) if k >> u & 1})
            known[k] = answer if isinstance(answer, tuple) else (bool(answer), bool(answer))
        return np.array([[known[k][lean] for k in key.tolist()] for lean in (0, 1)], dtype=bool)

    def pieces(self, units: set[int]) -> list[set[int]]:
        """Connected parts, by flooding."""
        left, found = set(units), []
        while left:
            todo = [left.pop()]
            part = set(todo)
            while todo:
                for v in self.near[todo.pop()]:
                    if v in left:
                        left.remove(v)
                        part.add(v)
                        todo.append(v)
            found.append(part)
        return found

    def constraint(self, c: Any) -> np.ndarray:
        zones = self.listed(getattr(c, "zones", None))
        return getattr(self, f"is_{c.kind}")(c, zones)

    def both(self, row: list[list[Fraction]], low: Fraction | None, high: Fraction | None) -> np.ndarray:
        fits = np.ones((2, self.count), bool)
        if low is not None:
            fits &= self.met(row, low, True)
        if high is not None:
            fits &= self.met(row, high, False)
        return fits

    def is_area(self, c: Any, zones: list[int]) -> np.ndarray:
        fits, inside = np.ones((2, self.count), bool), set(self.groups(c.within)[0])
        for group in self.groups(c.of):
            area = [float(self.land.area_km2[u]) if u in inside & set(group) else 0.0 for u in range(self.units)]
            total = sum(map(Fraction, area))
            low, high = (None if s is None else Fraction(s) * total for s in (c.share, c.max_share))
            fits &= self.both(self.layer_row(area, zones), low, high)
        return fits

    def is_linear(self, c: Any, zones: list[int]) -> np.ndarray:
        fits, layer = np.ones((2, self.count), bool), self.land.layers[c.layer]
        for group in self.groups(c.of):
            values = [float(layer[u]) if u in group else 0.0 for u in range(self.units)]
            scale = sum(map(Fraction, values)) if c.relative else Fraction(1)
            low, high = (None if b is None else Fraction(b) * scale for b in (c.min, c.max))
            fits &= self.both(self.layer_row(values, zones), low, high)
        return fits

    def is_budget(self, c: Any, zones: list[int]) -> np.ndarray:
        cost = self.land.cost
        row = [[Fraction(float(cost[u, z])) if z in zones else Fraction(0) for z in range(self.zones)]
               for u in range(self.units)]  # fmt: skip
        whole = sum(Fraction(float(v)) for v in cost[:, 0])
        return self.met(row, Fraction(c.amount) if c.amount is not None else Fraction(c.share) * whole, False)

    def is_smoothed(self, c: Any, zones: list[int]) -> np.ndarray:
        fits = np.ones((2, self.count), bool)
        amount = self.land.amount.toarray()
        every = [self.land.layers[c.layer]] if c.layer else list(amount)
        for values in every:
            p = [[1.0 if u == v else self.kernel(u, v, c) for v in range(self.units)] for u in range(self.units)]
            spread = [sum(p[v][u] / sum(p[v]) * float(values[v]) for v in range(self.units)) for u in range(self.units)]
            fits &= self.met(self.layer_row(spread, zones), Fraction(c.share) * sum(map(Fraction, spread)), True)
        return fits

    def is_mandatory(self, c: Any, zones: list[int]) -> np.ndarray:
        return np.array([(self.code > 0).all(axis=0)] * 2)

    def is_locked(self, c: Any, zones: list[int]) -> np.ndarray:
        ids = self.land.unit_id
        of = [u for u in range(self.units) if (self.land.layers[c.layer][u] != 0 if c.layer else ids[u] in c.units)]
        if c.status == "in":
            ok = (self.code[of] == self.listed([c.zone])[0] + 1 if c.zone else self.code[of] == 1).all(axis=0)
        else:
            ok = ~self.chosen(self.listed([c.zone] if c.zone else None))[of].any(axis=0)
        return np.array([ok, ok])

    def is_contiguity(self, c: Any, zones: list[int]) -> np.ndarray:
        groups = [set(group) for group in self.groups(c.of)]
        if c.islands:
            groups = [piece for group in groups for piece in self.pieces(group)]
        return self.by_set(zones, lambda y: all(len(self.pieces(y & group)) <= c.parts for group in groups))

    def exempt(self, c: Any, zones: list[int]) -> set[int]:
        return {u for u in range(self.units) if c.exempt_locked and (self.land.status[u, zones] > 0).any()}

    def is_neighbours(self, c: Any, zones: list[int]) -> np.ndarray:
        free = self.exempt(c, zones)
        need = [0 if u in free else min(c.least, len(self.near[u])) if c.clamp else c.least for u in range(self.units)]
        return self.by_set(zones, lambda y: all(len(y & set(self.near[u])) >= need[u] for u in y))

    def is_min_patch(self, c: Any, zones: list[int]) -> np.ndarray:
        free, least = self.exempt(c, zones), Fraction(c.area_km2)
        area = [Fraction(float(a)) for a in self.land.area_km2]

        def keeps(y: set[int], lean: int) -> bool:
            limit = least * (1 - SLACK + lean * EDGE)
            return all(part & free or sum(area[u] for u in part) >= limit for part in self.pieces(y))

        return self.by_set(zones, lambda y: (keeps(y, 1), keeps(y, -1)))

    def is_corridor(self, c: Any, zones: list[int]) -> np.ndarray:
        if c.of:
            cores = {str(k): set(group) for k, group in enumerate(self.groups(c.of))}
        else:
            layer = self.land.layers[c.layer]
            inside = {u for u in range(self.units) if layer[u] != 0}
            if c.patches:
                cores = {str(k): part for k, part in enumerate(self.pieces(inside))}
            else:
                cores = {f"{x:g}": {u for u in inside if layer[u] == x} for x in {float(layer[u]) for u in inside}}
        if len(cores) < 2:
            raise Unfit("fewer than two core areas")
        nets = [[cores[a], cores[b]] for a, b in c.pairs] if c.pairs else [list(cores.values())]
        return self.by_set(
            zones, lambda y: all(any(all(part & core for core in net) for part in self.pieces(y)) for net in nets)
        )

    def is_flow(self, c: Any, zones: list[int]) -> np.ndarray:
        stage, capacity = self.land.layers[c.stage], self.land.layers[c.capacity]
        room = [Fraction(float(x)) for x in capacity]
        sites = [u for u in range(self.units) if stage[u] > 0 and room[u] > 0]
        flights = [(u, v) for u in sites for v in sites if u != v and self.distance(u, v) <= c.step_km
                   and (stage[u] < stage[v] or stage[u] == stage[v] == 2)]  # fmt: skip

        def largest(y: set[int]) -> Fraction:
            arcs: dict[Any, dict[Any, Fraction]] = {}

            def arc(a: Any, b: Any, size: Fraction) -> None:
                arcs.setdefault(a, {})[b] = size
                arcs.setdefault(b, {}).setdefault(a, Fraction(0))

            for u in set(sites) & y:
                arc(("in", u), ("out", u), room[u])
                if stage[u] == 1:
                    arc("source", ("in", u), room[u])
                if stage[u] == 3:
                    arc(("out", u), "sink", room[u])
            for u, v in flights:
                if u in y and v in y:
                    arc(("out", u), ("in", v), min(room[u], room[v]))
            return edmonds_karp(arcs)

        whole = largest(set(range(self.units)))
        if whole == 0:
            raise Unfit("no flights")
        exact = all(r.denominator == 1 for r in room)
        # SciPy's flow counts in parts of 2e9 of all capacity: constraints/flow.py allows two of these a site
        grain = EDGE * whole if exact else 5 * len(sites) * sum(room) / Fraction(2 * 10**9)
        limit = Fraction(c.share) * whole * (1 - SLACK)

        def keeps(y: set[int]) -> tuple[bool, bool]:
            flow = largest(y)
            return flow >= limit + grain, flow >= limit - grain

        return self.by_set(zones, keeps)

    # -- places and connections

    def point(self, u: int) -> tuple[float, float]:
        return u % 3 + 0.5, 2.5 - u // 3

    def distance(self, u: int, v: int) -> float:
        return math.dist(self.point(u), self.point(v))

    def kernel(self, u: int, v: int, c: Any) -> float:
        d = self.distance(u, v)
        return 2.0 ** (-d / c.median_km) if d <= c.radius_km else 0.0

    def links(self, p: Any) -> tuple[list[tuple[int, int, float]], bool]:
        """((tail, head, value), one way?)"""
        layer = None if p.layer is None else self.land.layers[p.layer]
        every = range(self.units)
        one_way = p.directed
        found: list[tuple[int, int, float]] = []
        if p.values == "matrix":
            with open(p.matrix) as file:
                found = [(int(r["id1"]) - 1, int(r["id2"]) - 1, float(r["value"])) for r in csv.DictReader(file)]
        elif p.values == "distance":
            found = [(u, v, self.kernel(u, v, p)) for u in every for v in every if u < v]
        elif p.values == "resistance":
            found = [(u, v, w / ((float(layer[u]) + float(layer[v])) / 2)) for u, v, w in self.borders]
        else:
            one_way = True
            for u in every:
                found += [(u, v, value) for v, value in self.downstream(u, layer, p.values)]
            if p.strength is not None:
                found = [(u, v, w * float(self.land.layers[p.strength][u])) for u, v, w in found]
            if p.needs == "upstream":
                found = [(v, u, w) for u, v, w in found]
        if p.by_area:
            found = [(u, v, w * float(self.land.area_km2[u]) * float(self.land.area_km2[v])) for u, v, w in found]
        return found, one_way

    def downstream(self, u: int, layer: Any, values: str) -> list[tuple[int, float]]:
        """Where a unit drains to."""
        if values == "elevation":
            lower = sorted((float(layer[v]), v) for v in self.near[u] if layer[v] < layer[u])
            return [(lower[0][1], 1.0)] if lower else []
        if values == "d8":
            step = {1: (0, 1), 2: (1, 1), 4: (1, 0), 8: (1, -1), 16: (0, -1), 32: (-1, -1), 64: (-1, 0), 128: (-1, 1)}
            if layer[u] == 0:
                return []
            row, column = (a + b for a, b in zip(divmod(u, 3), step[int(layer[u])]))
            v = 3 * row + column
            return [(v, 1.0)] if 0 <= row < 3 and 0 <= column < 3 and v < self.units else []
        angle = math.radians(float(layer[u]))
        found = []
        for a, b, length in self.borders:
            if u in (a, b):
                v = b if u == a else a
                (x, y), (x2, y2) = self.point(u), self.point(v)
                cosine = (math.sin(angle) * (x2 - x) + math.cos(angle) * (y2 - y)) / self.distance(u, v)
                found += [(v, length * cosine)] if cosine > 1e-9 else []
        return found

    # -- worth

    def penalty(self, p: Any) -> np.ndarray:
        """(N,) what a penalty charges."""
        if p.kind == "linear":
            total, scale = self.sums(self.layer_row(self.land.layers[p.layer], self.listed(p.zones)))
            return p.weight * (total / scale).astype(float)
        result = np.zeros(self.count)
        parts = [self.listed(None)] if p.kind == "border" and p.zones is None else self.parts(p.zones)
        for zones in parts:
            y = self.chosen(zones)
            if p.kind == "connectivity":
                links, one_way = self.links(p)
                for u, v, w in links:
                    if p.form == "kept":
                        result -= w * (y[u] & y[v])
                    else:
                        result += w * (y[u] & ~y[v] if one_way else y[u] ^ y[v])
                continue
            borders = self.borders
            if p.kind == "border":
                code = self.land.groups[p.level].code
                borders = [(u, v, w) for u, v, w in borders if code[u] != code[v] and min(code[u], code[v]) >= 0]
                if not borders:
                    raise Unfit("no border")
            for u, v, w in borders:
                result += w * (y[u] ^ y[v])
            if p.kind == "boundary":
                result += p.edge_factor * (self.land.graph.exposed @ y)
        return p.weight * result

    def parts(self, zones: Any) -> list[list[int]]:
        every = self.listed(None)
        return [every] if zones == "together" else [[z] for z in every] if zones == "apart" else [self.listed(zones)]

    def objective(self) -> np.ndarray:
        """(2, N) worth without penalties."""
        objective, target = self.problem.objective, self.problem.target
        kind = objective.kind
        if kind == "min_cost":
            cost = [[Fraction(float(c)) for c in row] for row in self.land.cost]
            total, scale = self.sums(cost)
            return np.array([(total / scale).astype(float)] * 2)
        given = objective.weights
        names = self.land.features["name"].tolist()
        weight = [given.get(n, 1.0) if isinstance(given, dict) else 1.0 if given is None else given for n in names]
        result = np.zeros((2, self.count))
        for f in range(self.features):
            row = self.feature_row(f)
            total, scale = self.sums(row)
            if kind == "max_utility":
                result += weight[f] * (total / scale).astype(float)
            elif kind == "max_cover":
                result += weight[f] * (total > 0).astype(bool)
            elif target[f] > 0 and kind == "max_features":
                result += weight[f] * self.met(row, Fraction(float(target[f])), True)
            elif target[f] > 0:
                need = Fraction(float(target[f])) * scale
                missing = np.array([float(max(need - t, 0) / need) for t in total.tolist()])
                result = (
                    result + weight[f] * missing if kind == "min_shortfall" else np.maximum(result, weight[f] * missing)
                )
        return result

    def truth(self) -> Truth:
        """Count."""
        fits = np.ones((2, self.count), bool)
        for u in range(self.units):
            for z in range(self.zones):
                if self.land.status[u, z] == 1:
                    fits &= self.code[u] == z + 1
                elif self.land.status[u, z] == -1:
                    fits &= self.code[u] != z + 1
        if self.problem.objective.kind == "min_cost":
            for f in np.flatnonzero(self.problem.target > 0).tolist():
                fits &= self.met(self.feature_row(f), Fraction(float(self.problem.target[f])), True)
        for c in self.problem.constraints:
            fits &= self.constraint(c)
        maximise = self.problem.objective.kind.startswith("max_")
        value = self.objective()
        terms = np.abs(value[1])
        for p in self.problem.penalties:
            charge = self.penalty(p)
            value = value - charge if maximise else value + charge
            terms = terms + np.abs(charge)
        return Truth(self.code, fits, value, terms, maximise)


def edmonds_karp(arcs: dict[Any, dict[Any, Fraction]]) -> Fraction:
    """Largest flow from "source" to "sink"; arcs are used up."""
    total = Fraction(0)
    while "source" in arcs:
        before: dict[Any, Any] = {"source": None}
        todo = deque(["source"])
        while todo and "sink" not in before:
            a = todo.popleft()
            for b, room in arcs[a].items():
                if room > 0 and b not in before:
                    before[b] = a
                    todo.append(b)
        if "sink" not in before:
            break
        way, b = [], "sink"
        while before[b] is not None:
            way.append((before[b], b))
            b = before[b]
        size = min(arcs[a][b] for a, b in way)
        for a, b in way:
            arcs[a][b] -= size
            arcs[b][a] += size
        total += size
    return total
