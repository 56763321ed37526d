"""Lower bounds: prices of the rows (Newton on a smoothed dual) and flows on the edges (primal-dual hybrid gradient)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse import linalg as splinalg

from prioritize.engine.view import SPANS, View, over
from prioritize.solvers.milp import CONTINUOUS, Milp
from prioritize.solvers.process import solve_milp
from prioritize_kernels import complementarity, connectivity

Stop = Callable[[], bool]
#: prices of rows that contradict each other grow without end: so far, and products of two are still numbers
ENDLESS = 1e100
#: (R, R), or, for many rows, (R, K) sparse B that stands for B B'
Curvature = Any
#: rows beyond which a dense factorisation costs more than the bound is worth
MANY = 1200


@dataclass(eq=False)
class Dual:
    """Prices of one View's rows, and all that is needed to improve them.

    A row with two different finite bounds has one price: positive pushes on the lower bound, negative on the upper.

    Attributes
    ----------
    view : View
    price : (R,) float64
    flow : (E,) float64
    cost : (V,) float64
        Costs with the flows in them.
    share : (V,) float64
        Fractional selection that belongs to the prices.
    unit : float
        What a unit typically costs or earns.
    worth : (R,) float64
        Price at which a typical amount of a row pays a typical cost.
    """

    view: View
    price: np.ndarray
    flow: np.ndarray
    cost: np.ndarray = field(init=False)
    share: np.ndarray = field(init=False)
    unit: float = field(init=False)
    worth: np.ndarray = field(init=False)
    best_price: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        view = self.view
        self.cost = view.cost
        self.share = np.zeros(len(view.cost))
        self.joint, self.even = np.ones(view.units), np.ones(view.units)
        low = np.where(np.isfinite(view.upper), -ENDLESS, 0.0)
        high = np.where(np.isfinite(view.lower), np.minimum(view.price, ENDLESS), 0.0)
        self.box = low, high
        self.price = self.best_price = np.clip(self.price, low, high)
        count, amount, _ = view.moments
        self.unit = typical_cost(view, np.where(np.isfinite(view.lower), self.price, 0.0))
        self.worth = self.unit * np.where(amount > 0, count, 1.0) / np.where(amount > 0, amount, 1.0)
        if len(view.tail):
            self.route(self.flow)

    def route(self, flow: np.ndarray) -> None:
        """Take new flows."""
        view = self.view
        self.flow = flow
        self.cost = np.empty_like(view.cost)
        over(view.units, lambda _, a, b: connectivity.divergence(
            a, b, view.zones, view.ptr, view.edge, view.tail, view.mask, flow, self.cost))  # fmt: skip
        self.cost += view.cost

    def edge_of(self, price: np.ndarray) -> np.ndarray:
        """(R,) the bound that each price pushes on; 0 where none is there."""
        view = self.view
        bound = np.where((price > 0) | ~np.isfinite(view.upper), view.lower, view.upper)
        both = (price == 0) & np.isfinite(view.lower)
        bound = np.where(both, view.lower, bound)
        return np.where(np.isfinite(bound), bound, 0.0)

    def soften(self, price: np.ndarray, heat: float) -> tuple[float, float, np.ndarray]:
        """(smoothed dual, dual, activity (R,)) at some prices; leaves the shares behind."""
        view = self.view
        parts = np.zeros((SPANS, len(price)))
        values = over(view.units, lambda k, a, b: complementarity.soften(
            a, b, view.zones, view.mandatory, *view.matrix, view.allowed, self.cost, price, heat, self.share,
            parts[k]))  # fmt: skip
        base = view.constant + float(price @ self.edge_of(price))
        return base + sum(v[0] for v in values), base + sum(v[1] for v in values), parts.sum(axis=0)

    def newton(self, heat: float, rounds: int, stop: Stop) -> float:
        """Improve the prices on the dual smoothed at one temperature; returns the best exact dual value seen."""
        best: list[Any] = [-np.inf, self.price]

        def value(price: np.ndarray) -> tuple[float, np.ndarray]:
            smooth, exact, activity = self.soften(price, heat)
            if exact > best[0]:
                best[:] = exact, price
            return smooth, activity

        def hessian() -> Curvature:
            return curvature(self.view, self.share, self.joint, self.even / heat)

        self.price, _ = ascend(self, self.price, value, hessian, rounds, 1e-6, stop)
        self.best_price = best[1]
        return best[0]


def ascend(
    dual: Dual,
    price: np.ndarray,
    value: Callable[[np.ndarray], tuple[float, np.ndarray]],
    hessian: Callable[[], Curvature],
    rounds: int,
    damping: float,
    stop: Stop,
) -> tuple[np.ndarray, float]:
    """Projected Newton on a concave function of the prices: (price (R,), damping).

    Levenberg's damping follows how well the quadratic model did, so a singular Hessian (fewer fractional units than
    rows) shortens the step and breaks nothing.

    Parameters
    ----------
    value : callable
        Prices to (value, activity (R,)); the slope is the bounds less the activity.
    hessian : callable
        Minus the second derivative where `value` was called last.
    """
    view = dual.view
    low, high = dual.box
    ranged = np.isfinite(view.lower) & np.isfinite(view.upper) & (view.lower != view.upper)
    now, activity = value(price)
    for _ in range(rounds):
        slope = dual.edge_of(price) - activity
        if np.any(ranged & (price == 0)):
            # at zero either bound may pull
            down = ranged & (price == 0) & (activity > view.upper)
            slope = np.where(down, view.upper - activity, slope)
            slope[ranged & (price == 0) & ~down] = np.maximum(0.0, slope[ranged & (price == 0) & ~down])
        free = ~((price <= low) & (slope <= 0) | (price >= high) & (slope >= 0)) & (slope != 0)
        if not free.any() or stop():
            break
        matrix = hessian()
        accepted = False
        for _ in range(12):
            trial = np.clip(
                price + newton_step(matrix, slope, free, 4 * (np.abs(price) + dual.worth), damping), low, high
            )
            trial[ranged & (trial * price < 0)] = 0.0  # beyond zero it would push on another bound
            predicted = float(slope @ (trial - price))
            new, new_activity = value(trial)
            if new >= now + 1e-4 * predicted - 1e-14 * abs(now):
                accepted = True
                break
            damping = max(damping * 8, 1e-4)
        if not accepted:
            value(price)
            break
        gain = new - now
        damping = max(1e-9, damping * (0.2 if gain > 0.4 * predicted else 1.5))
        price, now, activity = trial, new, new_activity
        if gain <= 1e-7 * max(abs(now), 1e-12):
            break
    return price, damping


def curvature(view: View, weight: np.ndarray, joint: np.ndarray, step: np.ndarray) -> Curvature:
    """A J A' of the current choices' derivative J; see `complementarity.curvature`."""
    rows = len(view.lower)
    if rows > MANY:
        # zones of one unit compete: left out, which overstates the curvature and is safe
        own = weight * (1.0 - joint * weight) if view.zones == 1 else weight
        pick = np.flatnonzero(own > 1e-6)
        matrix = view.rows[:, pick]
        matrix.data = matrix.data * np.repeat(
            np.sqrt(own[pick] * step[pick // view.zones]), np.diff(matrix.indptr))  # fmt: skip
        return matrix.tocsr()
    # a fixed number of parts, fewer where each is large
    spans = int(np.clip(4e6 / max(1, rows * rows), 2, SPANS))
    parts = np.zeros((spans, rows, rows))
    over(view.units, lambda k, a, b: complementarity.curvature(
        a, b, view.zones, *view.matrix, weight, joint, step, parts[k]), spans)  # fmt: skip
    half = parts.sum(axis=0)
    return half + np.tril(half, -1).T


def newton_step(
    hessian: Curvature, slope: np.ndarray, free: np.ndarray, reach: np.ndarray, damping: float
) -> np.ndarray:
    """Solve the damped Newton system on the free rows, in units where the Hessian's diagonal is one.

    `reach` (R,): a row alone moves no farther than this, also where no unit is fractional and the Hessian says nothing.
    """
    step = np.zeros(len(slope))
    pick = np.flatnonzero(free)
    if not isinstance(hessian, np.ndarray):
        # truncated conjugate gradients (Dembo & Steihaug 1983, doi 10.1007/BF02592055): no dense matrix
        factor = hessian[pick]
        diagonal = np.asarray(factor.multiply(factor).sum(axis=1)).ravel()
        extra = np.maximum(diagonal, np.abs(slope[pick]) / reach[pick]) * (1.0 + damping) - diagonal
        shape = (len(pick), len(pick))
        turned = factor.T.tocsr()
        product = splinalg.LinearOperator(shape, lambda y: factor @ (turned @ y) + extra * y, dtype=np.float64)
        scaled = splinalg.LinearOperator(shape, lambda y: y / (diagonal + extra), dtype=np.float64)
        step[pick] = splinalg.cg(product, slope[pick], rtol=1e-3, maxiter=60, M=scaled)[0]
        return step
    part = hessian[np.ix_(pick, pick)]
    diagonal = np.maximum(np.diag(part), np.abs(slope[pick]) / reach[pick])
    root = 1.0 / np.sqrt(diagonal)
    part = part * root[:, None] * root[None, :]
    if not np.isfinite(part).all():  # prices beyond all numbers: the rows contradict each other
        return step
    while damping < 1e30:  # no number is large enough where entries of one row drown those of all others
        part[np.diag_indices(len(pick))] = 1.0 + damping
        try:
            step[pick] = root * linalg.cho_solve(linalg.cho_factor(part, lower=True), root * slope[pick])
            return step
        except linalg.LinAlgError:
            damping = max(10 * damping, 1e-10)
    return step


def typical_cost(view: View, price: np.ndarray | None = None) -> float:
    """Median of what a unit costs or earns: the unit in which temperatures are given.

    Where a budget is a row, costs are all zero and what the rows pay (at `price`) says how large things are.
    """
    size = np.abs(view.cost)
    if price is not None and len(view.row):
        size = np.maximum(size, paid(view, np.abs(price)))
    size = size[size > 0]
    if not size.size and len(view.tail):
        size = view.high - view.low
    return float(np.median(size)) if size.size else 1.0


def paid(view: View, price: np.ndarray) -> np.ndarray:
    """A'price: (V,) what the rows pay for each column."""
    return view.rows.T @ price


def sample_prices(
    view: View, seed: int, seconds: float = 20.0, most: int = 3000, stop: threading.Event | None = None
) -> np.ndarray:
    """Start prices: the exact LP over a random sample of the units, each standing for many.

    Every row keeps about ten of its units in the sample, so rare features are priced too; a unit that is sampled for
    sure stands for itself.
    """
    rows, zones = len(view.lower), view.zones
    rng = np.random.default_rng(seed)
    count, whole, _ = view.moments
    chance = np.full(view.units, min(1.0, most / view.units))
    rare = np.flatnonzero(count < 10 / chance[0]) if chance[0] < 1 else np.zeros(0, int)
    if rare.size:
        unit = np.repeat(np.arange(view.units * zones, dtype=np.int32) // zones, np.diff(view.indptr))
        wanted = np.zeros(rows)
        wanted[rare] = np.minimum(1.0, 10 / np.maximum(1, count[rare]))
        np.maximum.at(chance, unit, wanted[view.row])
    picked = np.flatnonzero(rng.random(view.units) < chance)
    weight = 1.0 / chance[picked]
    columns = (picked[:, None] * zones + np.arange(zones)).ravel()
    part = view.rows[:, columns]
    heavy = np.repeat(weight, zones)
    here = np.asarray(np.abs(part) @ heavy).ravel()
    ratio = np.where(whole > 0, here / np.where(whole > 0, whole, 1.0), 1.0)
    ratio[ratio == 0] = 1.0  # none of its units was drawn
    # in units of the row bound, columns in units of their weight
    size = np.where(np.isfinite(view.lower), np.abs(view.lower), np.abs(view.upper)) * ratio
    size = np.where(size > 0, size, 1.0)
    scale = typical_cost(view)
    soft_price = np.where(np.isfinite(view.price), view.price * size / scale, 1e4 * heavy.sum())
    main = sparse.diags_array(1 / size) @ part @ sparse.diags_array(heavy)
    pushed = np.flatnonzero(np.isfinite(view.lower))
    slack = sparse.csc_array((np.ones(len(pushed)), (pushed, np.arange(len(pushed)))), shape=(rows, len(pushed)))
    one = sparse.kron(sparse.eye_array(len(picked)), np.ones((1, zones)))
    one = sparse.hstack([one, sparse.csr_array((len(picked), len(pushed)))])
    several = zones > 1 or view.mandatory
    cost = np.where(view.allowed[columns] > 0, view.cost[columns], 0.0) * heavy / scale
    matrix = sparse.vstack([sparse.hstack([main, slack]), one] if several else [sparse.hstack([main, slack])]).tocsr()
    matrix.sort_indices()
    ends = np.ones(len(picked)) if several else np.zeros(0)
    milp = Milp(
        cost=np.r_[cost, np.minimum(soft_price[pushed], 1e9)],
        lower=np.zeros(matrix.shape[1]),
        upper=np.r_[view.allowed[columns].astype(float), np.full(len(pushed), np.inf)],
        kind=np.full(matrix.shape[1], CONTINUOUS, np.int8),
        rows=matrix,
        row_lower=np.r_[view.lower * ratio / size, ends if view.mandatory else np.full(len(ends), -np.inf)],
        row_upper=np.r_[view.upper * ratio / size, ends],
        objective_scale=1.0,
        offset=0.0,
    )
    answer = solve_milp(milp, "glop", seconds=seconds, seed=seed, lp=True, stop=stop)
    if answer.duals is None:
        return np.zeros(rows)
    return answer.duals[:rows] * scale / size


def price_rows(dual: Dual, gap: float, stop: Stop, *, start: float = 0.1, finish: float = 1e-4) -> float:
    """Maximise the dual over the prices alone, flows held: Newton while the temperature falls by 4 each round."""
    unit = dual.unit
    best, best_price = -np.inf, dual.price
    heat = start
    while True:
        value = dual.newton(heat * unit, 12, stop)
        if value > best:
            best, best_price = value, dual.best_price
        # the smoothed value lies below the optimum of the relaxation by at most heat * log(choices) a fractional unit
        mixed = float((dual.share * (1 - dual.share)).sum()) * heat * unit
        if stop() or heat <= finish or mixed < 0.02 * gap * abs(best):
            break
        heat /= 4
    dual.price = best_price
    dual.soften(dual.price, heat * unit)
    return best


class Flows:
    """Primal-dual hybrid gradient (Chambolle & Pock 2011, doi 10.1007/s10851-010-0251-1) on selection and flows.

    The step in the selection is solved together with the prices by a Newton step that is warm from the last iteration:
    all rows stay met on average while the flows find the outline. Steps are diagonal (Pock & Chambolle 2011,
    doi 10.1109/ICCV.2011.6126441), so units with many neighbours need no smaller step than the rest.

    Attributes
    ----------
    dual : Dual
        Holds the best prices and flows found.
    bound : float
    x : (V,) float64
        Fractional selection of the last iteration.
    """

    #: step of x times the typical cost; 2 to 8 did best on 1e4 to 1e6 units, 0.1 and 30 took ten times as long
    STEP = 4.0

    def __init__(self, dual: Dual):
        self.dual, view = dual, dual.view
        unit = dual.unit
        members = np.maximum(1, [bin(int(m)).count("1") for m in np.unique(view.mask)])
        wide = float(max(members, default=1))
        self.heat = 1e-3 * unit
        self.step = self.STEP / unit / np.maximum(np.diff(view.ptr), 1.0)
        self.columns = np.repeat(self.step, view.zones)
        self.stride = np.full(len(view.tail), unit / self.STEP / (2 * wide))
        dual.soften(dual.price, 0.05 * unit)
        self.x = dual.share.copy()
        self.flow, self.price = dual.flow.copy(), dual.price
        self.weight, self.joint = np.zeros_like(self.x), np.zeros(view.units)
        self.damping = 1e-6
        self.bound, self.best = -np.inf, (dual.price, dual.flow)

    def run(self, iterations: int, stop: Stop) -> None:
        """Iterate, then try the last and the mean (price, flow) as bounds."""
        dual, view = self.dual, self.dual.view
        mean_flow, mean_price = np.zeros_like(self.flow), np.zeros_like(self.price)
        done = 0
        while done < iterations and not stop():
            done += 1
            dual.route(self.flow)
            base = self.x - self.columns * dual.cost
            x = np.empty_like(base)

            def value(price: np.ndarray, base: np.ndarray = base, x: np.ndarray = x) -> tuple[float, np.ndarray]:
                parts = np.zeros((SPANS, len(price)))
                values = over(view.units, lambda k, a, b: complementarity.project(
                    a, b, view.zones, view.mandatory, *view.matrix, view.allowed, base, self.step, price, x,
                    self.weight, self.joint, parts[k]))  # fmt: skip
                return float(price @ dual.edge_of(price)) + sum(values), parts.sum(axis=0)

            def hessian() -> Curvature:
                return curvature(view, self.weight, self.joint, self.step)

            self.price, self.damping = ascend(dual, self.price, value, hessian, 1, self.damping, lambda: False)
            reach = 2 * x - self.x
            self.x = x
            self.push(reach)
            mean_flow += self.flow
            mean_price += self.price
        if done:
            self.offer(mean_price / done, mean_flow / done)
            self.offer(self.price, self.flow.copy())

    def push(self, reach: np.ndarray) -> None:
        """The flows' step."""
        view = self.dual.view
        over(len(view.tail), lambda _, a, b: connectivity.push(
            a, b, view.zones, view.tail, view.head, view.mask, view.low, view.high, self.stride, reach,
            self.flow))  # fmt: skip

    def offer(self, price: np.ndarray, flow: np.ndarray) -> None:
        """Keep a (price, flow) if its bound is the best yet."""
        self.dual.route(flow)
        bound = self.dual.soften(price, self.heat)[1]
        if bound > self.bound:
            self.bound, self.best = bound, (price, flow)

    def finish(self, gap: float, stop: Stop) -> float:
        """Give the best flows to the dual, and improve the prices with the flows held."""
        price, flow = self.best
        self.dual.price = price
        self.dual.route(flow)
        value = price_rows(self.dual, gap, stop, start=1e-2)
        if value > self.bound:
            self.bound, self.best = value, (self.dual.price, flow)
        self.dual.price = self.best[0]
        return self.bound
