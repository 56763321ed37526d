"""How far units are apart, and what disperses between them: centroids, pairs within a radius, the decay kernel.

One definition of `median dispersal distance` everywhere: the distance at which the probability of reaching
is one half, p(d) = exp(-ln 2 * d / median), as in ProtConn (Saura et al. 2017, doi 10.1016/j.ecolind.2016.12.047).
Zonation's `alpha` (two over the distance) and the median in two dimensions are others: `Dispersal` converts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from prioritize.errors import DataError, ScenarioError
from prioritize.landscape import Landscape
from prioritize.place import Grid, Nowhere, Place

EARTH_KM = 6371.0088
#: median of the gamma distribution of shape 2: (1 + x) exp(-x) = 1/2
MEDIAN_2D = 1.6783469900166605
#: more pairs than this take more memory than they are worth (40 bytes a directed edge, and as much in the solver)
MOST_PAIRS = 5_000_000


@dataclass(frozen=True)
class Dispersal:
    """p(d) = exp(-rate * d).

    Attributes
    ----------
    rate_per_m : float
        Per metre (or per unit of cost, where links are least costs).
    """

    rate_per_m: float

    def __post_init__(self) -> None:
        if not (self.rate_per_m > 0 and math.isfinite(self.rate_per_m)):
            raise DataError(f"dispersal: rate {self.rate_per_m} per m; a dispersal distance must be above 0 and finite")

    @classmethod
    def of_probability(cls, distance_m: float, probability: float = 0.5) -> Dispersal:
        """The kernel whose probability at a distance is given."""
        if not (distance_m > 0 and math.isfinite(distance_m)):
            raise DataError(f"dispersal distance {distance_m:g} m; it must be above 0 and finite")
        if not 0 < probability < 1:
            raise DataError(f"dispersal probability {probability:g}; it must lie between 0 and 1")
        return cls(-math.log(probability) / distance_m)

    @classmethod
    def of_mean(cls, distance_m: float) -> Dispersal:
        """The kernel whose mean distance in two dimensions is given (Zonation's convention)."""
        return cls.of_probability(distance_m, math.exp(-2.0))

    @classmethod
    def of_median_2d(cls, distance_m: float) -> Dispersal:
        """The kernel whose median distance in two dimensions is given."""
        return cls.of_probability(distance_m, math.exp(-MEDIAN_2D))

    @property
    def half_m(self) -> float:
        """Distance of probability one half."""
        return math.log(2.0) / self.rate_per_m

    @property
    def mean_m(self) -> float:
        """Mean distance of the two-dimensional kernel."""
        return 2.0 / self.rate_per_m

    @property
    def median_2d_m(self) -> float:
        """Median distance of the two-dimensional kernel."""
        return MEDIAN_2D / self.rate_per_m

    def probability(self, distance_m: np.ndarray | float) -> np.ndarray:
        """exp(-rate * distance)."""
        return np.exp(-self.rate_per_m * np.asarray(distance_m, dtype=np.float64))

    def distance(self, probability: float) -> float:
        """Distance in metres of a probability; infinite for 0."""
        return -math.log(probability) / self.rate_per_m if probability > 0 else math.inf


@dataclass(frozen=True, eq=False)
class Centroids:
    """Where units are.

    Attributes
    ----------
    points : (U, 2) or (U, 3) float64
        In km: on the map's plane, or in space on a sphere of 6371.0088 km where the map is in degrees.
    flat : (U, 2) float64
        On the map, x to the east and y to the north, in km or degrees; for bearings.
    sphere : bool
    """

    points: np.ndarray
    flat: np.ndarray
    sphere: bool

    def within(self, radius_km: float, most: int = MOST_PAIRS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pairs of units whose centroids lie within a radius, each once: (i, j, distance in km), i < j.

        Raises
        ------
        ScenarioError
            If there are more than `most`.
        """
        from scipy.spatial import cKDTree

        chord = 2 * EARTH_KM * np.sin(min(radius_km / EARTH_KM, np.pi) / 2) if self.sphere else radius_km
        tree = cKDTree(self.points)
        count = (int(tree.count_neighbors(tree, chord)) - len(self.points)) // 2
        if count > most:
            raise ScenarioError(
                f"radius_km {radius_km:g} joins {count} pairs of units, more than {most}; lower radius_km"
            )
        pairs = tree.query_pairs(chord, output_type="ndarray")
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        i, j = pairs[order, 0].astype(np.int32), pairs[order, 1].astype(np.int32)
        return i, j, self.distance(i, j)

    def distance(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """(E,) distance in km between units i and j; along the great circle on the sphere."""
        straight = np.sqrt(((self.points[i] - self.points[j]) ** 2).sum(axis=1))
        return 2 * EARTH_KM * np.arcsin(np.minimum(straight / (2 * EARTH_KM), 1.0)) if self.sphere else straight


def centroids(place: Place) -> Centroids:
    """Centroids of the units.

    Raises
    ------
    ScenarioError
        If the units have no position.
    """
    if isinstance(place, Nowhere):
        raise ScenarioError("distances need units with a position; this landscape has none (give a matrix instead)")
    if isinstance(place, Grid):
        row, column = np.divmod(place.cell, place.shape[1])
        a, b, c, d, e, f = place.transform
        flat = np.column_stack([a * (column + 0.5) + b * (row + 0.5) + c, d * (column + 0.5) + e * (row + 0.5) + f])
        crs: object = place.crs
    else:
        middle = place.geometry.to_crs(None) if place.geometry.crs is None else place.geometry
        points = middle.set_crs(None, allow_override=True).centroid  # degrees: near enough for a unit
        flat = np.column_stack([points.x.to_numpy(), points.y.to_numpy()])
        crs = place.geometry.crs
    degrees, metres = unit_of(crs)
    if not degrees:
        flat = flat * (metres / 1000.0)
        return Centroids(flat, flat, False)
    x, y = np.radians(flat).T
    space = EARTH_KM * np.column_stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)])
    return Centroids(space, flat, True)


def unit_of(crs: object) -> tuple[bool, float]:
    """Whether a CRS is in degrees, and metres per unit of its axes (1 where there is no CRS)."""
    if crs is None:
        return False, 1.0
    import pyproj

    known = pyproj.CRS.from_user_input(crs)
    if known.is_geographic:
        return True, float("nan")
    return False, float(known.axis_info[0].unit_conversion_factor) if known.axis_info else 1.0


def decay(distance_km: np.ndarray, median_km: float) -> np.ndarray:
    """Probability of dispersing that far: exp(-ln 2 * distance / median)."""
    return Dispersal.of_probability(median_km).probability(distance_km)


def spread(landscape: Landscape, values: np.ndarray, median_km: float, radius_km: float) -> np.ndarray:
    """Spread (U,) values over the units within reach, by `decay` cut off at a radius; the sum stays the same.

    Unit v gives unit u the share p(d_uv) / sum_w p(d_vw) of its value, itself included.

    Returns
    -------
    (U,) float64
    """
    i, j, distance = centroids(landscape.place).within(radius_km, 4 * MOST_PAIRS)
    p = decay(distance, median_km)
    units = len(values)
    reach = 1.0 + np.bincount(i, p, units) + np.bincount(j, p, units)
    given = np.asarray(values, dtype=np.float64) / reach
    return given + np.bincount(i, p * given[j], units) + np.bincount(j, p * given[i], units)
