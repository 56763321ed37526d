"""Ecological fragility: factor scores of 1, 3 and 5, the root of their product, and its classes.

The four products are printed in the Journal of Geographical Sciences (salinisation is a default, not verified). The
breaks of the factors and of the classes are defaults, not verified: all of them are parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from prioritize.errors import DataError
from prioritize.redline._checked import checked

#: between general | sensitive | extremely sensitive, of the root of the product (defaults, not verified)
CLASS_BREAKS = (2.0, 4.0)
GENERAL, SENSITIVE, EXTREME = 1, 2, 3


@dataclass(frozen=True)
class Breaks:
    """How a quantity becomes a score of 1, 3 or 5.

    Attributes
    ----------
    first, second : float
        Where score 1 gives way to 3, and 3 to 5; `first > second` means that low values are sensitive.
    low : float
        The least possible value of the quantity.
    high : float
        Its largest possible value.
    closed : (bool, bool)
        Whether a value that equals the first break still scores 1, and one that equals the second already scores 5.
    """

    first: float
    second: float
    low: float = 0.0
    high: float = np.inf
    closed: tuple[bool, bool] = (True, False)


#: defaults, not verified. Erodibility and soil texture have none: their layer holds the scores themselves.
BREAKS: Mapping[str, Breaks] = {
    "erosivity": Breaks(100, 600, closed=(False, False)),
    "relief_m": Breaks(50, 300),
    "vegetation": Breaks(0.6, 0.2, high=1.0, closed=(True, True)),
    "dryness": Breaks(1.5, 16, closed=(True, True)),
    "wind_days": Breaks(10, 30, high=366, closed=(True, True)),
    "carbonate_pct": Breaks(30, 70, high=100, closed=(True, True)),
    "slope_deg": Breaks(8, 25, high=90, closed=(True, True)),
    "evaporation_ratio": Breaks(3, 15, closed=(True, True)),
    "mineralisation_g_l": Breaks(5, 25, closed=(True, True)),
    "groundwater_depth_m": Breaks(5, 1, closed=(True, True)),
}


def score(values: np.ndarray, breaks: Breaks, name: str = "values") -> np.ndarray:
    """Scores 1, 3 or 5 of a quantity; NaN stays NaN.

    Raises
    ------
    DataError
        If a value is outside what is possible.
    """
    array = checked(name, values, breaks.low, breaks.high)
    turn = -1.0 if breaks.first > breaks.second else 1.0
    array, first, second = array * turn, breaks.first * turn, breaks.second * turn
    with np.errstate(invalid="ignore"):
        beyond = array > first if breaks.closed[0] else array >= first
        far = array >= second if breaks.closed[1] else array > second
    return np.where(np.isnan(array), np.nan, 1.0 + 2.0 * beyond + 2.0 * far)


def checked_scores(name: str, values: np.ndarray) -> np.ndarray:
    """Scores that are given as such.

    Raises
    ------
    DataError
        If one is not between 1 and 5.
    """
    try:
        return checked(name, values, 1, 5)
    except DataError as error:
        raise DataError(
            f"{error.faults[0]}; a factor without breaks holds scores of 1 to 5, or give it breaks"
        ) from None


def root_product(*scores: np.ndarray) -> np.ndarray:
    """The n-th root of the product of n scores: 1 to 5."""
    product: np.ndarray | float = 1.0
    for number, values in enumerate(scores):
        product = product * checked_scores(f"score {number + 1}", values)
    return np.asarray(product) ** (1 / len(scores))


def water_erosion(
    erosivity: np.ndarray, erodibility: np.ndarray, relief: np.ndarray, vegetation: np.ndarray
) -> np.ndarray:
    """Sensitivity to soil erosion by water `SS = (R K LS C)^(1/4)` of the scores of its factors."""
    return root_product(erosivity, erodibility, relief, vegetation)


def desertification(
    dryness: np.ndarray, wind_days: np.ndarray, erodibility: np.ndarray, vegetation: np.ndarray
) -> np.ndarray:
    """Sensitivity to desertification `D = (I W K C)^(1/4)` of the scores of its factors."""
    return root_product(dryness, wind_days, erodibility, vegetation)


def rocky_desertification(carbonate: np.ndarray, slope: np.ndarray, vegetation: np.ndarray) -> np.ndarray:
    """Sensitivity to rocky desertification `S = (J P C)^(1/3)` of the scores of its factors."""
    return root_product(carbonate, slope, vegetation)


def salinisation(
    evaporation_ratio: np.ndarray, mineralisation: np.ndarray, depth: np.ndarray, texture: np.ndarray
) -> np.ndarray:
    """Sensitivity to salinisation `Y = (I M D K)^(1/4)` of the scores of its factors (default, not verified)."""
    return root_product(evaporation_ratio, mineralisation, depth, texture)


def dryness_index(warm_degree_days: np.ndarray, warm_precipitation_mm: np.ndarray) -> np.ndarray:
    """Dryness `I = 0.16 (sum of T >= 10 deg C) / (precipitation of these days)`.

    Parameters
    ----------
    warm_degree_days : array
        Sum of daily mean temperatures of days of 10 deg C and more.
    warm_precipitation_mm : array
        Precipitation of these days. Warm days without any rain give 1e6: as dry as a score can tell.
    """
    heat, rain = (
        checked("warm_degree_days", warm_degree_days, 0),
        checked("warm_precipitation_mm", warm_precipitation_mm, 0),
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        index = 0.16 * heat / rain
    # no warm day: not dry
    return np.where(heat == 0, 0.0, np.where(np.isinf(index), 1e6, index))


def sensitivity_class(index: np.ndarray, breaks: tuple[float, float] = CLASS_BREAKS) -> np.ndarray:
    """Classes of the root of the product: 1 up to the first break, 2 up to the second, 3 above; 0 no data (uint8)."""
    values = np.asarray(index)
    with np.errstate(invalid="ignore"):
        grade = 1 + (values > breaks[0]).astype(np.uint8) + (values > breaks[1])
    return np.where(np.isnan(values), 0, grade).astype(np.uint8)
