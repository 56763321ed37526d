"""Whose area is what: tenure, the classes that a plan makes of it, and the rules by which they count.

Every square kilometre belongs to one class, so that classes add up to their union whatever overlapped in the inputs:

    pa         protected today, or given a zone of kind `protected`
    oecm       an OECM today, or given a zone of kind `oecm`, unless it is the former
    candidate  in another zone (a redline), and a candidate OECM
    neither    in another zone, and none of these

What exists today counts wherever it lies: a plan that leaves an area out does not undo it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from prioritize.landscape import LOCKED_IN, Landscape
from prioritize.problem import Problem
from prioritize.tolerance import reached

#: tenure that has a meaning here
TENURE = ("protected", "oecm", "oecm_candidate")
CLASSES = ("pa", "oecm", "candidate", "neither")
#: rule -> how many of CLASSES count under it, and in words
RULES = {
    "pa": (1, "protected areas"),
    "pa_oecm": (2, "protected areas and OECMs"),
    "pa_oecm_candidates": (3, "protected areas, OECMs and candidate OECMs inside the redline"),
    "all_zones": (4, "protected areas, OECMs and the whole redline"),
}
#: a name for units that are in no realm, where others are
NO_REALM = "(no realm)"


@dataclass(frozen=True, eq=False)
class Classes:
    """The area of each unit by class; columns in the order of CLASSES.

    Attributes
    ----------
    today : (U, 4) float64
        km2 before the plan: the last two columns are zero.
    plan : (U, 4) float64
        km2 with the plan.
    selected : (U, 4) float64
        km2 of `plan` that lie in units of the selection.
    effective : (U, 4) float64
        `plan` times effectiveness.
    """

    today: np.ndarray
    plan: np.ndarray
    selected: np.ndarray
    effective: np.ndarray


def tenure(landscape: Landscape) -> dict[str, np.ndarray]:
    """(U,) shares of each unit's area by tenure, no part counted twice, in the landscape's order of priority.

    Where the landscape says nothing of tenure, what is locked into a zone of kind `protected` or `oecm` is taken
    for what exists.
    """
    given = dict(landscape.tenure)
    if not given:
        for name in TENURE[:2]:
            columns = [z for z, zone in enumerate(landscape.zones) if zone.kind == name]
            given[name] = (landscape.status[:, columns] == LOCKED_IN).any(axis=1).astype(np.float64)
    left = np.ones(landscape.shape[0])
    shares = {}
    for name in dict.fromkeys((*given, *TENURE)):
        shares[name] = np.minimum(np.clip(given.get(name, np.zeros(len(left))), 0.0, 1.0), left)
        left = left - shares[name]
    return shares


def classes(landscape: Landscape, selection: np.ndarray) -> Classes:
    """Area by class, today and with a (U, Z) selection.

    Effective area is area times the effectiveness of the zone in which it lies; what exists outside the selection
    has that of the first zone of its kind, or 1 where there is no such zone.
    """
    share = tenure(landscape)
    pa, oecm, candidate = (share[name] for name in TENURE)
    kinds = np.array([zone.kind for zone in landscape.zones])
    in_pa, in_oecm = (selection[:, kinds == kind].any(axis=1) for kind in TENURE[:2])
    chosen = np.asarray(selection.any(axis=1))
    other = chosen & ~in_pa & ~in_oecm
    none = np.zeros_like(pa)
    today = np.stack([pa, oecm, none, none], axis=1)
    plan = np.stack(
        [
            np.where(in_pa, 1.0, pa),
            np.where(in_pa, 0.0, np.where(in_oecm, 1.0 - pa, oecm)),
            np.where(other, candidate, 0.0),
            np.where(other, np.maximum(0.0, 1.0 - pa - oecm - candidate), 0.0),
        ],
        axis=1,
    )
    works = np.array([zone.effectiveness for zone in landscape.zones])
    # a unit has one zone at most
    inside = selection.astype(np.float64) @ works
    outside = [next((zone.effectiveness for zone in landscape.zones if zone.kind == kind), 1.0) for kind in TENURE[:2]]
    effectiveness = np.where(chosen[:, None], inside[:, None], np.array([*outside, 1.0, 1.0]))
    area = landscape.area_km2[:, None]
    return Classes(today * area, plan * area, np.where(chosen[:, None], plan, 0.0) * area, plan * effectiveness * area)


def realms(landscape: Landscape) -> tuple[np.ndarray, tuple[str, ...]]:
    """(U,) realm numbers and the realms' names; one realm called `all` where the landscape tells none apart."""
    if "realm" not in landscape.groups:
        return np.zeros(landscape.shape[0], np.int32), ("all",)
    grouping = landscape.groups["realm"]
    if (grouping.code >= 0).all():
        return grouping.code, grouping.names
    return np.where(grouping.code < 0, len(grouping.names), grouping.code), (*grouping.names, NO_REALM)


def sums(code: np.ndarray, values: np.ndarray, groups: int) -> np.ndarray:
    """Sums of (U,) or (U, k) values by group: (groups,) or (groups, k). Units of code -1 are left out."""
    inside = code >= 0
    everywhere = bool(inside.all())
    columns = values[:, None] if values.ndim == 1 else values
    result = np.stack(
        [
            np.bincount(code if everywhere else code[inside], column if everywhere else column[inside], groups)
            for column in columns.T
        ],
        axis=1,
    )
    return result[:, 0] if values.ndim == 1 else result


def share_of(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part / whole, NaN where there is no whole."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def reaches(share: np.ndarray, threshold: float) -> np.ndarray:
    """Whether shares reach a threshold, but for the last digits of a float; NaN does not."""
    return np.asarray(share) >= threshold * (1 - 1e-9)


def percent(part: int, whole: int, rounding: str) -> str:
    """`92.86` of two counts, exactly: cut after two decimals (`truncate`), or rounded half up (`round`).

    Whole numbers throughout: 586 / 631 is 92.8684..., and no float decides whether that is 92.86 or 92.87.
    """
    if whole == 0:
        return ""
    hundredths = part * 10_000 // whole if rounding == "truncate" else (20_000 * part + whole) // (2 * whole)
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def counted(part: int, whole: int, rounding: str) -> str:
    """`586 (92.86%)`, as the tables of Chinese redline reports print it; empty where there is nothing to cover."""
    return f"{part} ({percent(part, whole, rounding)}%)" if whole else ""


def gini(values: np.ndarray) -> float:
    """Gini coefficient of values that are not negative: 0 all equal, towards 1 all in one; NaN where all are zero.

    Half the mean absolute difference over the mean: sum_i (2 i - n - 1) v_i / (n sum v) with v in ascending order.
    """
    ordered = np.sort(np.asarray(values, np.float64))
    n, total = len(ordered), float(ordered.sum())
    if n == 0 or total <= 0:
        return float("nan")
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


@dataclass(frozen=True, eq=False)
class Figures:
    """What a plan holds of each feature.

    Attributes
    ----------
    problem : Problem
    selection : (U, Z) bool
    by_zone : (F, Z) float64
        Amount in each zone, contributions not counted.
    """

    problem: Problem
    selection: np.ndarray
    by_zone: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """(F,) amount in the selection, contributions not counted."""
        return self.by_zone.sum(axis=1)

    @property
    def share(self) -> np.ndarray:
        """(F,) `inside` as a share of what relative targets are shares of."""
        return share_of(self.inside, self.problem.denominator)

    @property
    def counted_by_zone(self) -> np.ndarray:
        """(F, Z) amount in each zone times the contribution."""
        return self.by_zone * self.problem.landscape.contribution

    @property
    def held(self) -> np.ndarray:
        """(F,) what counts towards the targets."""
        return self.counted_by_zone.sum(axis=1)

    @property
    def asked(self) -> np.ndarray:
        """(F,) bool: features that have a target."""
        return self.problem.target > 0

    @property
    def met(self) -> np.ndarray:
        """(F,) bool: features that have a target and reach it."""
        return self.asked & reached(self.held, self.problem.target)

    @cached_property
    def present(self) -> np.ndarray:
        """(F,) bool: any amount in the selection."""
        amount = self.problem.landscape.amount
        if not (amount.data < 0).any():
            return self.inside > 0
        return (amount > 0).astype(np.float64) @ self.selection.any(axis=1) > 0

    @cached_property
    def today(self) -> np.ndarray:
        """(F,) amount in protected areas and OECMs that exist, in proportion to their share of each unit."""
        shares = tenure(self.problem.landscape)
        return self.problem.landscape.amount @ (shares[TENURE[0]] + shares[TENURE[1]])


def figures(problem: Problem, selection: np.ndarray) -> Figures:
    """What a (U, Z) selection holds of each feature."""
    return Figures(problem, selection, problem.landscape.amount @ selection.astype(np.float64))


def texts(features: pd.DataFrame, column: str) -> np.ndarray:
    """(F,) a column of the feature table as texts; empty where it, or a value of it, is absent."""
    if column not in features:
        return np.full(len(features), "", dtype=object)
    return features[column].fillna("").astype(str).str.strip().to_numpy(dtype=object)


def flags(features: pd.DataFrame, column: str) -> np.ndarray:
    """(F,) bool column of the feature table: true, yes, y, 1 (any case) are true."""
    return np.isin([text.lower() for text in texts(features, column)], ["true", "yes", "y", "1", "1.0"])
