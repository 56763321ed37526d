"""Targets from the thresholds of the IUCN Red Lists: hold enough for no worse category."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: criterion A: reduction (share of what there was) at which a species is CR, EN, VU
SPECIES_REDUCTION = {
    "A1": (0.9, 0.7, 0.5),
    "A2": (0.8, 0.5, 0.3),
    "A3": (0.8, 0.5, 0.3),
    "A4": (0.8, 0.5, 0.3),
}
#: criterion B: extent of occurrence (B1) and area of occupancy (B2), km2
SPECIES_SIZE = {"B1": (100.0, 5_000.0, 20_000.0), "B2": (10.0, 500.0, 2_000.0)}
#: ecosystems (Keith et al. 2013, table 3); A3 is the reduction since 1750
ECOSYSTEM_REDUCTION = {
    "A1": (0.8, 0.5, 0.3),
    "A2a": (0.8, 0.5, 0.3),
    "A2b": (0.8, 0.5, 0.3),
    "A3": (0.9, 0.7, 0.5),
}
#: B2 is 2, 20, 50 cells of 10 x 10 km
ECOSYSTEM_SIZE = {"B1": (2_000.0, 20_000.0, 50_000.0), "B2": (200.0, 2_000.0, 5_000.0)}
STATUS = ("CR", "EN", "VU")


def threshold(table: Mapping[str, tuple[float, ...]], criterion: str, status: np.ndarray) -> np.ndarray:
    """(k,) threshold of a criterion for the status of each feature."""
    return np.array([table[criterion][STATUS.index(name)] for name in status], dtype=np.float64)


def red_list_area(
    range_km2: np.ndarray, reduction: np.ndarray, size_km2: np.ndarray, uplift: float, take: str
) -> np.ndarray:
    """(k,) km2: m(b (1 + p), f (1 + p) (1 - a)) with m = max or min."""
    by_size, by_loss = size_km2 * (1 + uplift), range_km2 * ((1 + uplift) * (1 - reduction))
    return np.maximum(by_size, by_loss) if take == "max" else np.minimum(by_size, by_loss)
