"""Search for selections: round the relaxation, anneal, exchange."""

from __future__ import annotations

import time

import numpy as np

from prioritize.engine import core
from prioritize.engine.bound import Dual
from prioritize.engine.construct import Workshop
from prioritize.engine.standing import Standing
from prioritize.engine.view import together

#: annealing: sweeps of the first, by how much each later one is longer, sweeps of the longest before neighbourhoods
#: (more for less than 1e4 units, but at most so many), proposals beyond which none is begun where no time is set, and
#: share of the time left that the next may take where neighbourhoods follow
SWEEPS, LONGER, ENOUGH, MOST, PROPOSALS, SHARE = 500, 16, 8000, 16_000, 3e9, 0.5
#: how much hotter it is tried until that is no better, up to how many units (at 1e3 ten times as hot was best by 4 %,
#: at 1e4 as hot; the more units, the better the rounded relaxation); how often until a selection meets all rows; how
#: many in a row may be no better
HOTTER, SEVERAL, TRIES, IDLE = 3.0, 20_000, 8, 3
#: units up to which there is time for all levels and for neighbourhoods, and prices need no finer end
LARGE = 300_000
#: exchanges after annealing: units in a program of so many (growing with its fourth root), rounds, units changed at a
#: time, times at most (none after the first)
SWAPPED, SWAPS, AT_A_TIME, AGAIN = (300, 10_000), 100_000, 10, 2
#: where there are no edges: units for each row that binds (few are quicker, and as good: 4 to 10 on 17 to 400 rows),
#: at least, rounds, units changed at a time by the two that run at once; and what comes before at later starts: sweeps,
#: and the share of the temperature (400 rows: 0.45 % by rounding, 0.42 % after it, 0.48 % at the full temperature)
AROUND, LEAST, ROUNDS, CHANGED, GENTLE, COLD = 6, 100, 50_000, (8, 20), 1000, 0.03
#: shares above which a unit is taken when the relaxation is rounded
LEVELS = (0.5, 0.65, 0.35, 0.8, 0.2)
#: selections that are kept to be crossed with the best
POOL = 6
#: columns without a first selection that branch and cut takes whole to find one, and for how long, one after the
#: other: what it has first is within the budgets, what it has last is as thrifty as can be and worse
WHOLE, AFFORD = 30_000, (2.0, 8.0, 30.0)


class Search:
    """Looks for better selections. Always two at a time: the same bytes on any number of cores.

    Parameters
    ----------
    last : bool
        Nothing but branch and cut on the whole follows: the longest annealing is repeated while that pays.
    """

    def __init__(self, standing: Standing, seed: int, last: bool):
        self.standing, self.view, self.seed, self.last = standing, standing.view, seed, last
        self.heat, self.settled, self.whole, self.turn = 0.0, self.view.units > SEVERAL, False, 0
        self.others: list[np.ndarray] = []

    def prepare(self, dual: Dual, share: np.ndarray) -> None:
        """Take prices, and shares (V,) to round, from the relaxation."""
        self.shop, self.share = Workshop(dual), share

    def construct(self, dual: Dual, share: np.ndarray) -> None:
        """Round at several levels, repair, drop, and anneal the best."""
        self.prepare(dual, share)
        standing = self.standing
        for level in LEVELS if self.view.units <= LARGE else LEVELS[:2]:
            self.start = self.rounded(level)
            if standing.offer(self.start):
                standing.report(f"rounded at {level}")
            if standing.done():
                return
        for _ in range(TRIES // 2):
            if standing.zone is None and not standing.done():
                self.anneal(self.first)
        if standing.zone is None and self.view.units * self.view.zones <= WHOLE and not standing.done():
            self.afford()
        if standing.zone is not None and not standing.done():
            if len(self.view.tail):
                self.anneal(self.first)
            else:
                self.exchange(standing.zone, 0)

    def rounded(self, level: float) -> np.ndarray:
        """A selection from the shares, repaired."""
        zone = self.shop.round(self.share, level)
        self.shop.finish(zone)
        return zone

    def afford(self) -> None:
        """Where no repair meets all hard rows, let the integer program look for what takes least of the budgets.

        A budget just above the least cost is what it takes; without edges branch and cut is good at that.
        """
        standing, start, thrifty = self.standing, self.rounded(LEVELS[0]), self.view.thrifty()
        for seconds in AFFORD:
            if standing.zone is not None or standing.over():
                return
            zone, _, _ = core.decide(
                thrifty, start, self.shop.every, seconds=min(seconds, 0.5 * standing.left), within=0.0,
                seed=self.seed, stop=standing.reporter.stop,
            )  # fmt: skip
            if zone is not None:
                self.shop.finish(zone)
                if standing.offer(zone):
                    standing.report("within the budgets")

    def exchange(self, base: np.ndarray, start: int) -> None:
        """Exchange units whose move costs little, where there are no edges; at later starts anneal before."""
        shop = self.shop
        self.heat = self.heat or shop.stirring(base)

        def one(k: int) -> np.ndarray:
            zone, seed = base.copy(), self.seed + 100 * start + CHANGED[k]
            if start:
                shop.anneal(zone, GENTLE, COLD * self.heat, seed, self.standing.over)
                shop.finish(zone)
            around = max(LEAST, AROUND * shop.binding)
            shop.exchange(zone, around, self.rounds(ROUNDS), CHANGED[k], seed, self.standing.over)
            shop.finish(zone)
            return zone

        found = together(one, (0, 1))
        self.others += found
        if self.standing.offer_all(found):
            self.standing.report("exchanged units")

    def anneal(self, sweeps: float) -> np.ndarray:
        """Anneal the best selection and keep what is better; returns the best that came out, better or not.

        The second starts HOTTER times as hot, and the next two from there if it ends better; else the first temperature
        is the right one from then on.
        """
        shop, base = self.shop, self.start if self.standing.zone is None else self.standing.zone
        began = time.perf_counter()
        swapped = int(SWAPPED[0] * (self.view.units / SWAPPED[1]) ** 0.25)
        self.heat = self.heat or shop.stirring(base)
        self.turn += 1
        seed = self.seed + 10_000 * self.turn

        def one(k: int) -> tuple[int, float, np.ndarray]:
            zone = base.copy()
            heat = self.heat * (HOTTER if k and not self.settled else 1.0)
            tried, seconds = shop.anneal(zone, sweeps, heat, seed + 1000 * k, self.standing.over)
            shop.finish(zone)
            value = self.view.objective(zone)
            for turn in range(AGAIN if sweeps > self.first else 0):
                if self.standing.over():
                    break
                again = seed + 1000 * k + turn
                shop.exchange(zone, swapped, self.rounds(SWAPS), AT_A_TIME, again, self.standing.over)
                shop.finish(zone)
                last, value = value, self.view.objective(zone)
                if value >= last:
                    break
            return tried, seconds, zone

        results = together(one, (0, 1))
        tried, seconds = (max(result[k] for result in results) for k in (0, 1))
        self.pace = seconds / sweeps, time.perf_counter() - began - seconds, tried / sweeps
        found = [zone for _, _, zone in results]
        value = [self.view.objective(zone) if self.view.feasible(zone) else np.inf for zone in found]
        best = int(value[1] < value[0])
        self.whole = np.isfinite(value[best])
        if not self.settled and best == 1:
            self.heat *= HOTTER
        elif self.whole:
            self.settled = True
        self.others += found
        for zone in found:
            shop.insist(zone)
        if self.standing.offer_all(found):
            self.standing.report(f"annealed, {sweeps:.0f} sweeps")
        self.start = found[best]
        return found[best]

    def refine(self) -> None:
        """Anneal again, more slowly; where there are no edges from another rounding each time."""
        standing, idle, tries = self.standing, 0, 0
        self.sweeps, enough = self.first, min(MOST, max(ENOUGH, ENOUGH * 1e4 / self.view.units))
        while standing.zone is not None and self.sweeps and idle < IDLE and not standing.done():
            before = standing.objective
            if not len(self.view.tail):
                self.turn += 1
                # from its own best the search does not get away
                self.exchange(self.rounded(LEVELS[self.turn % len(LEVELS)]), self.turn)
            elif not (self.settled and self.whole) and tries < TRIES:
                tries += 1
                self.anneal(self.sweeps)
                continue
            elif self.sweeps < enough:
                self.sweeps = min(enough, self.longer(self.sweeps))
                if self.sweeps:
                    self.anneal(self.sweeps)
                continue
            elif self.last:
                self.anneal(self.sweeps)
            else:
                break
            idle = 0 if standing.objective < before else idle + 1

    def rounds(self, most: int) -> int:
        """Rounds of exchanges: fewer where there are few units, and where shortfalls are priced, as they find less."""
        return min(most // 4 if self.shop.soft.any() else most, 100 * self.view.units)

    @property
    def first(self) -> float:
        """Sweeps of the first annealing: many where there are few units, so that it is not luck what is better."""
        return SWEEPS * min(8.0, max(1.0, 1e4 / self.view.units)) if self.view.units <= LARGE else SWEEPS / 5

    def longer(self, sweeps: float) -> float:
        """Sweeps of the next annealing: slowness is what pays; 0 if no longer one ends in time."""
        seconds, fixed, proposals = self.pace
        follows = not self.last and self.view.units <= LARGE
        left = (SHARE if follows else 0.9) * self.standing.left - fixed
        wanted = min(LONGER * sweeps, left / seconds)
        return wanted if wanted > 1.5 * sweeps and wanted * proposals <= PROPOSALS else 0.0
