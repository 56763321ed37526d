"""How much each selected unit matters: rarity-weighted richness and the irreplaceability of Ferrier et al. (2000)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.special import ndtr

from prioritize.errors import DataError
from prioritize.landscape import Landscape, some


def rarity_weighted_richness(landscape: Landscape, selection: ArrayLike, rescale: bool = False) -> np.ndarray:
    """Score each selected unit by what it holds, rare features weighing more.

    The score of a unit is the sum over features of contribution * amount / (largest amount in any unit) / total,
    where the total is the one of the feature table (the whole layer, units or not) and the contribution is that of
    the zone the unit was given.

    Parameters
    ----------
    landscape : Landscape
    selection : (U, Z) bool
    rescale : bool
        Spread the scores that are not zero over 0.01..1, as prioritizr does unless told otherwise; where all are
        equal they become 0.505.

    Returns
    -------
    (U,) float64
        No unit; zero where nothing is selected.

    Notes
    -----
    Williams et al. 1996, doi 10.1046/j.1523-1739.1996.10010155.x; `eval_rare_richness_importance` of prioritizr.
    """
    held = held_amounts(landscape, selection)
    most = landscape.amount.max(axis=1).toarray().ravel() if landscape.amount.nnz else np.zeros(held.shape[0])
    scale = most * landscape.features["total"].to_numpy(np.float64)
    weight = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale != 0)
    score = held.T @ weight
    if rescale:
        rated = np.abs(score) > 1e-10
        low, high = (score[rated].min(), score[rated].max()) if rated.any() else (0.0, 0.0)
        if high - low > 1e-10:
            score[rated] = 0.01 + 0.99 * (score[rated] - low) / (high - low)
        else:
            score[rated] = 0.505
    return score


def ferrier(landscape: Landscape, targets: ArrayLike, selection: ArrayLike) -> sparse.csr_array:
    """Estimate how much the chance to meet each target depends on each selected unit.

    A unit is compared with random portfolios of the same size: the share of those with the unit that meet the target
    only because of it. Sums and spreads are those of all units.

    Parameters
    ----------
    landscape : Landscape
        Amounts must not be negative.
    targets : (F,) float
        In the units of the amounts; not negative.
    selection : (U, Z) bool
        A selected unit counts with the contribution of its zone, another one with its best.

    Returns
    -------
    (F, U) sparse CSR of float64
        0 (replaceable) to 1 (irreplaceable); `.sum(axis=0)` is the total of each unit.

    Raises
    ------
    DataError
        If an amount or a target is negative, or there is not one target for each feature.

    Notes
    -----
    Ferrier, Pressey and Barrett 2000, doi 10.1016/S0006-3207(99)00149-4, computed as in `rcpp_ferrier_score.cpp` of
    prioritizr 8, whose digits this reproduces. That code takes sqrt(S2 - S^2/n^2) for the spread of the n amounts,
    where the textbook has sqrt(S2/n - S^2/n^2). For a selection of a single unit prioritizr answers NaN; here the
    other units of such a portfolio are none and meet a target only if it is zero.
    """
    goals = np.asarray(targets, dtype=np.float64)
    units, features, _ = landscape.shape
    names = landscape.features["name"].to_numpy()
    if goals.shape != (features,):
        raise DataError(f"{landscape.name}: {goals.size} targets for {features} features; give one for each")
    if np.any(goals < 0):
        raise DataError(f"{landscape.name}: negative target of {some(names[goals < 0])}; Ferrier needs 0 or more")
    if np.any(landscape.amount.data < 0):
        rows = np.unique(landscape.amount.tocoo().coords[0][landscape.amount.data < 0])
        raise DataError(f"{landscape.name}: negative amounts of {some(names[rows])}; Ferrier needs 0 or more")
    chosen = np.asarray(selection, dtype=bool)
    taken = chosen.any(axis=1)
    best = landscape.contribution.max(axis=1)
    others = landscape.amount.multiply(~taken).multiply(best[:, None])
    held = held_amounts(landscape, selection)
    amounts = (held + others).tocsr()
    size = int(taken.sum())

    scores = held.tocoo()
    rows, amount = scores.coords[0], scores.data
    target = goals[rows]
    # of all other units, scaled up to the number of all units
    growth = units / max(units - 1, 1)
    rest = (np.asarray(amounts.sum(axis=1)).ravel()[rows] - amount) * growth
    squares = (np.asarray(amounts.power(2).sum(axis=1)).ravel()[rows] - amount**2) * growth
    mean = rest / units
    spread = np.sqrt(np.maximum(squares - rest**2 / units**2, 0.0))

    def chance(wanted: np.ndarray, members: int) -> np.ndarray:
        """Of a random portfolio of so many of the other units: its chance to hold what is wanted."""
        if members < 1 or members > units - 1:  # none, or more than there are: such portfolios hold nothing
            return (wanted <= 0).astype(np.float64)
        smaller = members if members <= (units - 1) / 2 else units - 1 - members
        error = spread * np.sqrt(smaller) / members
        gap = wanted / members - mean
        z = np.divide(gap, error, out=np.zeros_like(gap), where=error >= 1e-11)
        return np.where(error < 1e-11, gap <= 0, ndtr(-z))

    reachable = rest - amount >= target
    removed = np.where(reachable, chance(target, size - 1), 0.0)
    excluded = np.where(reachable, chance(target, size), 0.0)
    included = np.where(amount >= target, 1.0, chance(target - amount, size - 1))
    hopeless = included + excluded < 1e-15
    included = np.where((included < 1e-15) & (amount > 1e-15), 1.0, included)
    share = size / units
    odds = included * share + excluded * (1.0 - share)
    value = np.divide((included - removed) * share, odds, out=np.zeros_like(odds), where=odds > 0)
    value[hopeless] = 0.0
    return sparse.coo_array((value, scores.coords), shape=held.shape).tocsr()


def held_amounts(landscape: Landscape, selection: ArrayLike) -> sparse.csr_array:
    """(F, U) sparse CSR: amounts of selected units times the contribution of their zone."""
    chosen = np.asarray(selection, dtype=bool)
    units, features, zones = landscape.shape
    if chosen.shape != (units, zones):
        raise DataError(f"{landscape.name}: the selection has shape {chosen.shape}, expected {(units, zones)}")
    held = sparse.csr_array((features, units))
    for zone in range(zones):
        share = landscape.contribution[:, zone]
        held = held + landscape.amount.multiply(chosen[:, zone]).multiply(share[:, None])
    held = sparse.csr_array(held)
    held.eliminate_zeros()
    return held
