"""Selections that meet every hard row: rounding, greedy repair, annealing, and dropping what is redundant.

A selection is `zone` (U,) int8: the zone of each unit of a View, -1 for none.
"""

from __future__ import annotations

import time

import numpy as np

from prioritize.engine.bound import Dual, Stop, paid
from prioritize_kernels import selection as kernels

#: annealing starts at the temperature at which so many times more units would move than at none, and ends so many times
#: cooler, after so many steps. Measured on 1e4 to 1e6 units, with and without edges, one and two zones: hotter breaks
#: more of the rounded relaxation than can be healed, cooler leaves it as it is.
STIRRED, COOLER, EPOCHS = 2.5, 20.0, 100
#: how many temperatures dear a move may be for its unit to be tried (most units are far from any change and rest: 10 to
#: 20 times the speed), and how many epochs long units REFRESH times as far are not looked at
REACH, REFRESH = 7.0, 10
#: over how wide a span of held amounts the worth of a row's amounts falls to nothing, at first in typical deviations of
#: a random half of its units (of 1e4 to 1e6 units about this was best), at last in mean amounts; and by what factor
#: rows are priced at last
WIDE, NARROW, FIRM = 0.4, 0.1, 3.0
#: spread, in typical costs, of a random draw of units whose move costs little
DRAWN = 0.05


class Workshop:
    """The steps, and what they share: row bounds, prices of rows.

    Parameters
    ----------
    dual : Dual
        Its prices say which rows are scarce.
    """

    def __init__(self, dual: Dual):
        view = self.view = dual.view
        self.least, self.most = view.lower, view.upper
        self.unit, self.reduced = dual.unit, reduced_costs(dual)
        self.every = np.arange(view.units, dtype=np.int32)
        below, above = np.isfinite(view.lower), np.isfinite(view.upper)
        size, limit = (
            np.where(there & (bound != 0), np.abs(bound), 1.0)
            for there, bound in ((below, view.lower), (above, view.upper))
        )
        # a row whose price is zero still has to be met: price it as the median row
        priced = (dual.price > 0) & below
        common = float(np.median((dual.price * size)[priced])) if priced.any() else self.unit
        self.soft = np.isfinite(view.price) & below
        self.cap = np.where(self.soft, view.price, np.inf)
        self.binding = int(np.count_nonzero((dual.price != 0) & (dual.price < self.cap)))
        self.strict = np.where(below, self.cap, 0.0)
        # what is paid for amounts at their lower bounds, and for room below the upper ones
        self.price = np.minimum(np.where(below, np.maximum(dual.price, 0.05 * common / size), 0.0), self.cap)
        self.dear = np.where(above, np.maximum(-dual.price, 0.05 * common / limit), 0.0)
        self.firm = np.where(self.soft & (self.price > 0), view.price / np.where(self.price > 0, self.price, 1.0), FIRM)
        # of each row's amounts: deviation of the sum of a random half, and mean
        count, total, squares = view.moments
        self.narrow = NARROW * np.where(total > 0, total, 1.0) / np.maximum(1.0, count)
        self.wide = np.maximum(self.narrow, WIDE * np.sqrt(squares))
        # while it drops, a budget has its price too: what is given up pays for what is taken later
        scarce = np.maximum(0.0, -dual.price)
        self.guide = view.cost + paid(view, scarce) if scarce.any() else None

    def round(self, share: np.ndarray, level: float) -> np.ndarray:
        """Take each unit's best zone if its share is at least `level`."""
        view = self.view
        allowed = view.allowed.reshape(view.units, view.zones) > 0
        grid = np.where(allowed, share.reshape(allowed.shape), -1.0)
        wanted = np.maximum(grid, 0.0).sum(axis=1) >= level
        if view.mandatory:
            wanted[:] = True
        return np.where(wanted & allowed.any(axis=1), grid.argmax(axis=1), -1).astype(np.int8)

    def trim(self, zone: np.ndarray) -> None:
        """Give up what is worth least, in rows above their upper bound, until these are kept."""
        view, held = self.view, self.view.held(zone)
        if view.mandatory or not (held > self.most).any():
            return
        for r in np.flatnonzero(held > self.most):
            chosen = self.every[zone >= 0]
            amount = view.rows[:, chosen * view.zones + zone[chosen]][[r]].toarray().ravel()
            chosen, amount = chosen[amount > 0], amount[amount > 0]
            order = np.argsort(self.eager(chosen, zone) / amount, kind="stable")
            enough = np.searchsorted(np.cumsum(amount[order]), view.held(zone)[r] - self.most[r]) + 1
            zone[chosen[order[:enough]]] = -1

    def fill(self, zone: np.ndarray) -> None:
        """Meet the hard rows, then buy what pays in soft ones."""
        view = self.view
        held = view.held(zone)
        for price, goal in ((np.where(self.soft, 0.0, self.price), 0), (np.where(self.soft, self.cap, self.price), 1)):
            if goal == 0 or self.soft.any():
                kernels.fill(
                    view.zones, *view.matrix, view.allowed, view.cost, *view.graph, self.least, self.most, price,
                    self.dear, 1e-6 * self.unit, zone, held, goal,
                )  # fmt: skip

    def drop(self, zone: np.ndarray, cost: np.ndarray, rounds: int = 4) -> None:
        """Undo what does not pay at these costs (V,), dearest first, until nothing moves."""
        view = self.view
        held = view.held(zone)
        for _ in range(rounds):
            column = np.maximum(zone, 0) + np.arange(view.units) * view.zones
            value = np.where(zone >= 0, cost[column], -np.inf)
            order = np.argsort(-value, kind="stable").astype(np.int32)
            moved = kernels.drop(
                order, view.zones, view.mandatory, *view.matrix, view.allowed, cost, *view.graph, self.least,
                self.most, self.strict, zone, held,
            )  # fmt: skip
            if not moved:
                break

    def anneal(
        self, zone: np.ndarray, sweeps: float, hot: float, seed: int, stop: Stop = lambda: False
    ) -> tuple[int, float]:
        """Anneal, from a first temperature in costs, the units that may well move; returns proposals and their seconds.

        Rows are priced loosely at first, so that the search crosses the edge of what is feasible, and firmly at last
        (see `kernels.anneal`), but are not sure to be met: `finish` sees to that.
        """
        view = self.view
        active, near, tried = np.empty(view.units, np.int32), np.zeros(view.units, bool), 0
        seconds = 0.0
        for epoch in range(EPOCHS):
            if stop():
                break
            done = epoch / (EPOCHS - 1)
            heat = hot * float(COOLER**-done)
            width = self.wide * (self.narrow / self.wide) ** done
            price, dear = self.price * self.firm**done, self.dear * FIRM**done
            rows = self.least, self.most, price, self.cap, dear, width
            held = view.held(zone)
            units = self.every if epoch % REFRESH == 0 else self.every[near]
            change = self.eager(units, zone, kernels.worths(held, *rows))
            near[units] = change < REFRESH * REACH * heat
            first = units[change < REACH * heat]
            closed = np.zeros(view.units, np.uint8)
            closed[first] = 1
            active[: len(first)] = first
            began = time.perf_counter()
            count, number = kernels.anneal(
                active, len(first), closed, view.zones, view.mandatory, *view.matrix, view.allowed, view.cost,
                *view.graph, *rows, heat, sweeps / EPOCHS, seed * EPOCHS + epoch + 1, zone, held,
            )  # fmt: skip
            seconds += time.perf_counter() - began
            near[active[:count]] = True
            tried += number
        return tried, seconds

    def stirring(self, zone: np.ndarray) -> float:
        """Temperature at which STIRRED times more units would move than at none, by the Metropolis rule."""
        change = np.maximum(0.0, self.eager(self.every, zone))
        wanted = STIRRED * max(1, int(np.count_nonzero(change == 0.0)))
        low, high = 1e-6 * self.unit, float(self.unit)
        for _ in range(30):
            heat = float(np.sqrt(low * high))
            low, high = (heat, high) if np.exp(-change / heat).sum() < wanted else (low, heat)
        return high

    def eager(self, units: np.ndarray, zone: np.ndarray, rate: np.ndarray | None = None) -> np.ndarray:
        """Least change of the objective by a move of each of some units (n,), amounts worth `rate` (R,)."""
        view = self.view
        return kernels.eager(
            units, view.zones, view.mandatory, *view.matrix, view.allowed, view.cost, *view.graph,
            self.price - self.dear if rate is None else rate, zone,
        )  # fmt: skip

    def insist(self, zone: np.ndarray) -> None:
        """Raise the prices of rows that even repair left broken: the relaxation knows nothing of whole units."""
        held = self.view.held(zone)
        self.price[(held < self.least) & ~self.soft] *= 1.5
        self.dear[held > self.most] *= 1.5

    def exchange(
        self, zone: np.ndarray, units: int, rounds: int, at_a_time: int, seed: int, stop: Stop = lambda: False
    ) -> float:
        """Change up to `at_a_time` of those units whose move costs least; drop and take what that makes worth it.

        Each round looks at all of these units, so there are few. Patience of 0.05 to 0.1 typical costs did best on 1e4
        and 1e5 units with and without edges, 100 and 400 rows (0.3 a tenth worse, 1 worse still). Returns the change of
        the objective, not above zero.
        """
        view = self.view
        if view.mandatory or not view.units:
            return 0.0
        near = self.cheapest(zone, units)
        columns = (near[:, None] * view.zones + np.arange(view.zones)).ravel()
        columns = columns[view.allowed[columns] > 0]
        order = columns[np.argsort(-self.reduced[columns], kind="stable")].astype(np.int32)
        best, held = zone.copy(), view.held(zone)
        best_held, state, values = held.copy(), np.array([kernels.seeded(seed)]), np.zeros(2)
        done, slice_of = 0, 16
        while done < rounds and not stop():
            began, last = time.perf_counter(), min(rounds, done + slice_of)
            kernels.exchange(
                order, view.zones, *view.matrix, view.allowed, view.cost, *view.graph, self.least, self.most,
                self.strict, at_a_time, 0.1 * self.unit, done, last, rounds, state, values, zone, held, best, best_held,
            )  # fmt: skip
            done = last
            # as many at a time as take about a fifth of a second; how many changes nothing but when the clock is seen
            slice_of = 2 * slice_of if time.perf_counter() - began < 0.1 else max(1, slice_of // 2)
        zone[:] = best
        return float(values[1])

    def cheapest(
        self, zone: np.ndarray, count: int, rng: np.random.Generator | None = None, first: np.ndarray | None = None
    ) -> np.ndarray:
        """The units (count,) whose cheapest move costs least, in ascending order.

        With `rng` a random draw of such; those of `first` (U,) bool before all others.
        """
        change = self.eager(self.every, zone)
        if rng is not None:
            change += rng.exponential(DRAWN * self.unit, len(change))
        order = np.argsort(change, kind="stable")
        if first is not None:
            order = order[np.argsort(~first[order], kind="stable")]
        return np.sort(order[:count])

    def finish(self, zone: np.ndarray) -> None:
        """Repair, then drop: what comes out meets every hard row that repair could meet."""
        self.trim(zone)
        self.fill(zone)
        if self.guide is not None:
            for _ in range(3):
                self.drop(zone, self.guide)
                self.fill(zone)
        self.drop(zone, self.view.cost)


def reduced_costs(dual: Dual) -> np.ndarray:
    """(V,) costs less what the rows pay, flows counted."""
    return dual.cost - paid(dual.view, dual.price)
