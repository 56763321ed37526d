"""What all formulae ask of their inputs."""

from __future__ import annotations

import numpy as np

from prioritize.errors import DataError


def checked(name: str, values: np.ndarray | float, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """An input as float64; NaN is no data and passes.

    Parameters
    ----------
    name : str
        With its unit: `slope_deg`.
    low, high : float
        What is possible, both included.

    Raises
    ------
    DataError
        If a value lies outside, or is infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        wrong = (array < low) | (array > high) | np.isinf(array)
    if wrong.any():
        limits = (
            f"{low:g} or more" if high == np.inf else f"{high:g} or less" if low == -np.inf else f"{low:g} to {high:g}"
        )
        limits = "finite" if (low, high) == (-np.inf, np.inf) else limits
        found = array[wrong].flat[0]
        raise DataError(
            f"{name} must be {limits}, but {found:g} was found ({int(wrong.sum())} values); "
            "check the unit of the layer and its NoData value"
        )
    return array
