"""Selections that meet every hard row: rounding, greedy repair, annealing in the band, and dropping what is redundant.

A selection is `zone` (U,) int8: the zone of each unit of a View, -1 for none.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from prioritize.engine.bound import Dual, Stop, paid
from prioritize.engine.view import together
from prioritize_kernels import complementarity as kernels

#: from this many units on, a band is annealed in two lanes at once (a fixed number: the same bytes on any number of
#: cores), block by block and in more epochs. Measured at 1e5 units and 1,000 sweeps: one search over the whole band
#: ends 0.63 % above the bound after 20 s (it misses the cache), two lanes in blocks 0.55 % after 5 s, four or eight
#: lanes 0.8 %: a lane may only give up its part of what the rows can spare.
WIDE, LANES, BLOCK, EPOCHS = 20_000, 2, 8192, 200


class Workshop:
    """What all steps need: row bounds with tolerance, and what a shortfall costs.

    Parameters
    ----------
    dual : Dual
        Its prices say which rows are scarce.
    """

    def __init__(self, dual: Dual):
        view = self.view = dual.view
        self.least, self.most = view.least, view.most
        self.reduced = reduced_costs(dual)
        self.unit = dual.unit
        size = np.where(np.isfinite(view.lower), np.abs(view.lower), 0.0)
        size = np.where(size > 0, size, 1.0)
        # a row whose price is zero still has to be met: price it as the median row
        priced = (dual.price > 0) & np.isfinite(view.lower)
        common = float(np.median((dual.price * size)[priced])) if priced.any() else self.unit
        hard = np.where(np.isfinite(view.lower), np.maximum(dual.price, 0.05 * common / size), 0.0)
        self.soft = np.isfinite(view.price) & np.isfinite(view.lower)
        self.relief = np.where(self.soft, view.price, hard)
        self.strict = np.where(self.soft, view.price, np.where(np.isfinite(view.lower), np.inf, 0.0))
        self.scarce = np.where(np.isfinite(view.upper), np.maximum(0.0, -dual.price), 0.0)
        # while it anneals, a budget has its price too: what is given up pays for what is taken later
        self.guide = view.cost + paid(view, self.scarce) if (self.scarce > 0).any() else view.cost
        loose = np.isfinite(view.upper) & (self.scarce == 0) & (np.abs(view.upper) > 0)
        self.scarce[loose] = 1e-3 * common / np.abs(view.upper[loose])
        self.pays = bool((self.soft & (self.relief > 0)).any())

    def round(self, share: np.ndarray, level: float) -> np.ndarray:
        """Take each unit's best zone if its share is at least `level`, as far as upper rows have room."""
        view = self.view
        grid = share.reshape(view.units, view.zones)
        best = grid.argmax(axis=1)
        top = grid[np.arange(view.units), best]
        whole = grid.sum(axis=1) if view.zones > 1 else top
        wanted = whole >= level
        if view.mandatory:
            wanted[:] = True
            grid = np.where(view.allowed.reshape(grid.shape) > 0, grid, -1.0)
            best = grid.argmax(axis=1)
        zone = np.where(wanted & (view.allowed[np.arange(view.units) * view.zones + best] > 0), best, -1).astype(
            np.int8
        )
        over = view.held(zone) > self.most
        if over.any() and not view.mandatory:
            self.shed(zone, whole, over)
        return zone

    def shed(self, zone: np.ndarray, share: np.ndarray, over: np.ndarray) -> None:
        """Give up units of least share that lie in rows above their upper bound, until these are kept."""
        view = self.view
        chosen = np.flatnonzero(zone >= 0)
        chosen = chosen[np.argsort(-share[chosen], kind="stable")]
        column = chosen * view.zones + zone[chosen]
        matrix = sparse.csc_array((view.amount, view.row, view.indptr), shape=(len(view.lower), len(view.cost)))
        taken = matrix[:, column].tocsr()[np.flatnonzero(over)]
        for r, most in enumerate(self.most[over]):
            amount = taken[[r]].toarray().ravel()
            zone[chosen[(np.cumsum(amount) > most) & (amount > 0)]] = -1

    def fill(self, zone: np.ndarray) -> None:
        """Meet the hard rows, then buy what pays in soft ones."""
        view = self.view
        held = view.held(zone)
        for price, goal in ((np.where(self.soft, 0.0, self.relief), 0), (self.relief, 1)):
            if (price > 0).any() and (goal == 0 or self.pays):
                kernels.fill(
                    view.zones, *view.matrix, view.allowed, view.cost, *view.graph, self.least, self.most, price,
                    self.scarce, 1e-6 * self.unit, zone, held, goal,
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
        self,
        zone: np.ndarray,
        band: np.ndarray,
        sweeps: int,
        hot: float,
        seed: int,
        stop: Stop = lambda: False,
        firm: tuple[float, float] = (1.0, 10.0),
    ) -> None:
        """Anneal the units of the band from `hot` typical costs down to a hundredth of it.

        A shortfall of a hard row costs its price times a factor that rises from firm[0] to firm[1] as it cools:
        loose at first, so that the search crosses the boundary of what is feasible, and all but hard at the end.
        """
        if not len(band):
            return
        view = self.view
        epochs = 20 if len(band) < WIDE else EPOCHS
        cooling = 100.0 ** (-1.0 / epochs)
        soft, hard = np.where(self.soft, view.price, 0.0), np.where(self.soft, 0.0, self.relief)
        soft_relief, hard_relief = paid(view, soft), paid(view, hard)
        seams = [self.lanes(band, shift / 3) for shift in range(3)]
        for epoch in range(epochs):
            if stop():
                break
            factor = firm[0] * (firm[1] / firm[0]) ** (epoch / (epochs - 1))
            prices = soft + factor * hard, soft_relief + factor * hard_relief
            top = hot * self.unit * cooling**epoch
            lanes = seams[epoch % 3] if epoch < 0.8 * epochs else [band]
            blocks = [
                np.array_split(lane, max(1, len(lane) // BLOCK)) if len(band) >= WIDE else [lane] for lane in lanes
            ]
            self.sweep(zone, blocks, sweeps / epochs, *prices, top, top * cooling, seed * epochs + epoch)

    def sweep(
        self, zone: np.ndarray, blocks: list[list[np.ndarray]], sweeps: float, price: np.ndarray, relief: np.ndarray,
        hot: float, cold: float, seed: int,
    ) -> None:  # fmt: skip
        """One epoch: each lane's blocks in turn, the lanes at once.

        A lane has its part of what the rows can spare, and knows nothing of the others until the next epoch.
        """
        view, held, lanes = self.view, self.view.held(zone), len(blocks)
        least, most = held - (held - self.least) / lanes, held + (self.most - held) / lanes

        def one(k: int) -> None:
            own = held.copy()
            for number, block in enumerate(blocks[k]):
                if len(block):
                    kernels.anneal(
                        block.astype(np.int32), view.zones, view.mandatory, *view.matrix, view.allowed, self.guide,
                        *view.graph, least, most, price, relief, hot, cold, max(1, int(sweeps * len(block))),
                        (seed * lanes + k) * len(blocks[k]) + number + 1, zone, own,
                    )  # fmt: skip

        if lanes == 1:
            one(0)  # threads that wait for threads of their own pool may wait for ever
        else:
            together(one, range(lanes))

    def lanes(self, band: np.ndarray, shift: float) -> list[np.ndarray]:
        """Parts of a wide band that threads may anneal at once: no unit of one touches a unit of another.

        Units at the seams rest; with another shift (0 to 1) the seams lie elsewhere.
        """
        if len(band) < WIDE:
            return [band]
        parts = np.array_split(np.roll(band, int(shift * len(band) / LANES)), LANES)
        lane = np.full(self.view.units, -1, np.int8)
        for k, part in enumerate(parts):
            lane[part] = k
        near, far = lane[self.view.tail], lane[self.view.head]
        seam = (near != far) & (near >= 0) & (far >= 0)
        lane[self.view.tail[seam]] = lane[self.view.head[seam]] = -1
        return [part[lane[part] == k] for k, part in enumerate(parts)]

    def exchange(self, zone: np.ndarray, rounds: int, added: int, seed: int, most: int = 1000) -> None:
        """Add up to `added` units at a time and drop what that makes redundant, among columns of small reduced cost.

        At most `most` columns: each round looks at all of them. A patience of 0.05 to 0.1 typical costs did best on
        1e4 units with 100 and with 400 rows (0.2 a tenth worse, 0.4 a quarter), and 1,000 columns better than 2,000.
        """
        view = self.view
        size = np.abs(self.reduced)
        size[view.allowed == 0] = np.inf
        near = np.flatnonzero(size < 0.1 * self.unit)
        if len(near) > most:
            near = near[np.argsort(size[near], kind="stable")[:most]]
        if not len(near) or view.mandatory:
            return
        order = near[np.argsort(-self.reduced[near], kind="stable")].astype(np.int32)
        kernels.exchange(
            order, view.zones, *view.matrix, view.allowed, view.cost, *view.graph, self.least, self.most, self.strict,
            added, 0.1 * self.unit, rounds, seed, zone, view.held(zone),
        )  # fmt: skip

    def finish(self, zone: np.ndarray) -> None:
        """Repair, then drop: what comes out meets every hard row that repair could meet."""
        self.fill(zone)
        if self.guide is not self.view.cost:
            for _ in range(3):
                self.drop(zone, self.guide)
                self.fill(zone)
        self.drop(zone, self.view.cost)

    def band(self, share: np.ndarray, rings: int, width: float = 0.0, zone: np.ndarray | None = None) -> np.ndarray:
        """Units worth moving: fractional ones and `rings` of neighbours around them.

        With a width, also units that are within `width` typical costs of changing, and the outline of `zone`: many
        more, worth their time on small problems only (at 1e5 units: 14 times the band for a twentieth of the gap).
        """
        view = self.view
        grid = share.reshape(view.units, view.zones)
        inside: np.ndarray = np.any((grid > 0.01) & (grid < 0.99), axis=1)
        if width:
            inside |= (np.abs(self.reduced.reshape(grid.shape)) < width * self.unit).any(axis=1)
        if zone is not None and width:
            border = zone[view.tail] != zone[view.head]
            inside[view.tail[border]] = inside[view.head[border]] = True
        for _ in range(rings):
            wider = inside.copy()
            wider[view.tail] |= inside[view.head]
            wider[view.head] |= inside[view.tail]
            inside = wider
        return np.flatnonzero(inside)


def reduced_costs(dual: Dual) -> np.ndarray:
    """(V,) costs less what the rows pay, flows counted."""
    return dual.cost - paid(dual.view, dual.price)
