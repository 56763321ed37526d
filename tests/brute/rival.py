"""A second opinion on problems too large to count: HiGHS by SciPy, from the arrays alone, and exact sums.

Nothing here reads Program or `prioritize.tolerance`: what counts as met is written a second time. Each unit has a
choice k: 0 for nothing, z + 1 for zone z. Each demand is written as what is *given up*: against the best choice of each
unit, the others lose something, and all losses together must fit into the room between the best sum and the bound. At
the edge the room is tiny, so that HiGHS sees it at full size; losses larger than the room are ruled out beforehand, in
whole numbers (floats are fractions of powers of two). What HiGHS says is believed only after exact sums.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import optimize, sparse

from prioritize.problem import Problem

#: a lower bound b > 0 is met from b - SLACK b upwards, an upper bound up to b + SLACK b (the guide says so)
SLACK = Fraction(1, 10**9)
#: nearer than this, relative, to that limit, float64 may see either
EDGE = Fraction(1, 10**14)
#: SciPy's HiGHS takes a row for met that is short by this
FEASIBLE = 1e-6
#: how often it is asked again after its answer broke a row in exact sums
AGAIN = 6


@dataclass(frozen=True, eq=False)
class Demand:
    """Losses (units x choices, whole numbers; None where the choice is not allowed) that fit into a room."""

    name: str
    loss: list[list[int | None]]
    room: int
    edge: int

    def given_up(self, choice: list[int]) -> int:
        return sum(row[k] or 0 for row, k in zip(self.loss, choice, strict=True))


class Rival:
    """Looks for selections that contradict what a solver said of a problem with least cost."""

    def __init__(self, problem: Problem):
        self.problem, self.land = problem, problem.landscape
        self.units, self.features, self.zones = self.land.shape
        self.mandatory = any(c.kind == "mandatory" for c in problem.constraints)
        self.allowed = [self.choices(u) for u in range(self.units)]
        self.price = self.prices()
        self.demands = [self.target(f) for f in range(self.features) if problem.target[f] > 0]
        for c in problem.constraints:
            self.demands += getattr(self, f"of_{c.kind}")(c)

    def choices(self, u: int) -> list[int]:
        """What a unit may be given."""
        status = self.land.status[u].tolist()
        if 1 in status:
            return [z + 1 for z in range(self.zones) if status[z] == 1]
        zones = [z + 1 for z in range(self.zones) if status[z] == 0]
        return zones if self.mandatory else [0, *zones]

    def prices(self) -> list[list[Fraction]]:
        """Of each choice: its cost, and what linear penalties charge for it."""
        extra = [Fraction(0)] * self.units
        for p in self.problem.penalties:
            layer = self.land.layers[p.layer].tolist()
            extra = [e + Fraction(p.weight) * Fraction(v) for e, v in zip(extra, layer, strict=True)]
        return [[Fraction(0), *(Fraction(float(c)) + e for c in row)] for row, e in zip(self.land.cost, extra)]

    # -- demands

    def demand(self, name: str, values: list[list[Fraction]], bound: Fraction, least: bool) -> Demand:
        """`values` by unit and choice sum to at least (at most) the bound, give or take its slack."""
        sign = 1 if least else -1
        limit = sign * bound - SLACK * abs(bound)
        scale = math.lcm(limit.denominator, *(v.denominator for row in values for v in row))
        whole = [[sign * v.numerator * (scale // v.denominator) for v in row] for row in values]
        # a unit that may be given nothing at all (mandatory, and shut) is told by `hopeless`
        top = [max((row[k] for k in some), default=0) for row, some in zip(whole, self.allowed, strict=True)]
        loss = [[t - v if k in some else None for k, v in enumerate(row)]
                for t, row, some in zip(top, whole, self.allowed, strict=True)]  # fmt: skip
        return Demand(name, loss, sum(top) - int(limit * scale), math.ceil(EDGE * abs(bound) * scale))

    def by_unit(self, values: Any) -> list[list[Fraction]]:
        return [[Fraction(0), *[Fraction(float(v))] * self.zones] for v in values]

    def target(self, f: int) -> Demand:
        amount = self.land.amount[[f]].toarray()[0]
        part = [Fraction(float(c)) for c in self.land.contribution[f]]
        values = [[Fraction(0), *(Fraction(float(a)) * c for c in part)] for a in amount]
        return self.demand(f"target {f + 1}", values, Fraction(float(self.problem.target[f])), True)

    def of_mandatory(self, c: Any) -> list[Demand]:
        return []

    def of_area(self, c: Any) -> list[Demand]:
        found = []
        for name in ("land", "sea") if c.of == "realm:*" else (c.of.removeprefix("realm:"),):
            grouping = self.land.groups["realm"]
            inside = np.ones(self.units, bool) if name == "all" else grouping.code == list(grouping.names).index(name)
            area = np.where(inside, self.land.area_km2, 0.0)
            bound = Fraction(c.share) * sum(map(Fraction, area.tolist()))
            found.append(self.demand(f"area of {name}", self.by_unit(area), bound, True))
        return found

    def of_linear(self, c: Any) -> list[Demand]:
        layer = self.land.layers[c.layer]
        bound = Fraction(c.min) * (sum(map(Fraction, layer.tolist())) if c.relative else 1)
        return [self.demand(f"sum of {c.layer}", self.by_unit(layer), bound, True)]

    def of_budget(self, c: Any) -> list[Demand]:
        values = [[Fraction(0), *(Fraction(float(v)) for v in row)] for row in self.land.cost]
        return [self.demand("budget", values, Fraction(c.amount), False)]

    # -- selections

    def hopeless(self) -> str | None:
        """A demand that nothing meets, beyond doubt."""
        if not all(self.allowed):
            return "a unit must be given a zone and may be given none"
        return next((d.name for d in self.demands if d.room + d.edge < 0), None)

    def breaks(self, choice: list[int], lean: int) -> list[str]:
        """What a selection breaks beyond doubt (lean = 1), or perhaps (lean = -1)."""
        found = [f"unit {u + 1} may not be {k}" for u, k in enumerate(choice) if k not in self.allowed[u]]
        return found or [d.name for d in self.demands if d.given_up(choice) > d.room + lean * d.edge]

    def worth(self, choice: list[int]) -> tuple[Fraction, Fraction]:
        """(value, sum of magnitudes)."""
        terms = [row[k] for row, k in zip(self.price, choice, strict=True)]
        return sum(terms, Fraction(0)), sum(map(abs, terms), Fraction(0))

    def cheapened(self, choice: list[int]) -> list[int]:
        """The same selection with each unit at the cheapest that still fits, what saves most first."""
        choice, left = list(choice), [d.room - d.edge - d.given_up(choice) for d in self.demands]
        moves = [(row[k] - row[j], u, j) for u, (row, k) in enumerate(zip(self.price, choice, strict=True))
                 for j in self.allowed[u] if row[j] < row[k]]  # fmt: skip
        for _, u, j in sorted(moves, reverse=True):
            k = choice[u]
            if self.price[u][j] >= self.price[u][k]:
                continue
            more = [(d.loss[u][j] or 0) - (d.loss[u][k] or 0) for d in self.demands]
            if all(m <= room for m, room in zip(more, left, strict=True)):
                choice[u], left = j, [room - m for m, room in zip(more, left, strict=True)]
        return choice

    def fullest(self) -> list[int]:
        """Each unit at the choice that gives up least, in shares of the rooms."""
        size = [max(d.room, 1) for d in self.demands]
        return [min(some, key=lambda k: (sum((d.loss[u][k] or 0) / s for d, s in zip(self.demands, size)), -k))
                for u, some in enumerate(self.allowed)]  # fmt: skip

    def find(self, seconds: float) -> list[int] | None:
        """The cheapest selection found that fits beyond doubt, or None."""
        if self.hopeless() or any(d.room - d.edge < 0 for d in self.demands):
            return None
        found = [self.cheapened(c) for c in (self.fullest(), self.by_highs(seconds)) if c and not self.breaks(c, -1)]
        return min(found, key=lambda c: self.worth(c)[0], default=None)

    def by_highs(self, seconds: float) -> list[int] | None:
        """HiGHS on what exact numbers leave open."""
        ends = time.perf_counter() + seconds
        column = [(u, k) for u, some in enumerate(self.allowed) for k in some
                  if all((d.loss[u][k] or 0) <= d.room - d.edge for d in self.demands)]  # fmt: skip
        unit = np.array([u for u, _ in column], np.int64)
        if len(np.unique(unit)) < self.units:
            return None
        places = np.arange(len(column))
        one = sparse.csr_array((np.ones(len(column)), (unit, places)), shape=(self.units, len(column)))
        price = np.array([float(self.price[u][k]) for u, k in column])
        size = np.abs(price[price != 0])
        price = price / (np.median(size) if size.size else 1.0)
        share = np.array([[(d.loss[u][k] or 0) / max(d.room, 1) for u, k in column] for d in self.demands])
        share = sparse.csr_array(share.reshape(-1, len(column)))
        more: list[np.ndarray] = []
        for attempt in range(AGAIN):
            # the last attempt is safe: what HiGHS tolerates is taken from the room
            limit = 1.0 if attempt < AGAIN - 1 else 1.0 - 2 * FEASIBLE
            rows = [optimize.LinearConstraint(one, 1, 1)]
            if self.demands:
                rows.append(optimize.LinearConstraint(share, -np.inf, limit))
            if more:
                rows.append(optimize.LinearConstraint(np.array(more), -np.inf, [float(m.sum()) - 1 for m in more]))
            left = ends - time.perf_counter()
            if left < 0.01:
                return None
            answer = optimize.milp(
                price, integrality=np.ones(len(column)), bounds=optimize.Bounds(0, 1), constraints=rows,
                options={"time_limit": left, "mip_rel_gap": 0.0},
            )  # fmt: skip
            if answer.x is None:
                return None
            chosen = np.flatnonzero(answer.x > 0.5)
            choice = [0] * self.units
            for place in chosen:
                u, k = column[place]
                choice[u] = k
            broken = [d for d in self.demands if d.given_up(choice) > d.room - d.edge]
            if not broken:
                return choice
            # not all of these losses together
            more += [np.where(np.isin(places, chosen) & (share[[self.demands.index(d)]].toarray()[0] > 0), 1.0, 0.0)
                     for d in broken]  # fmt: skip
        return None
