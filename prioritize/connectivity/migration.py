"""Networks of migration sites: how many birds get from the breeding to the wintering sites, and where they are held up.

Max-flow over site capacities as in Iwamura et al. 2013, doi 10.1098/rspb.2013.0325.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import maximum_flow

from prioritize.dispersal import EARTH_KM
from prioritize.errors import DataError

#: stages in the order of the journey; birds fly from a site to another of the same stage or a later one
STAGES = ("breeding", "staging", "wintering")
#: the flow solver counts in whole numbers below 2^31
MOST = 2**30


@dataclass(frozen=True, eq=False)
class Sites:
    """N sites.

    Attributes
    ----------
    stage : (N,) int
        0 breeding, 1 staging, 2 wintering.
    capacity : (N,) float64
        Birds that a site supports.
    position : (N, 2) float64
        Longitude and latitude in degrees, or x and y in km.
    degrees : bool
    """

    stage: np.ndarray
    capacity: np.ndarray
    position: np.ndarray
    degrees: bool = True

    def __post_init__(self) -> None:
        n = len(self.stage)
        if self.capacity.shape != (n,) or self.position.shape != (n, 2):
            raise DataError(f"sites: {n} stages, capacities {self.capacity.shape}, positions {self.position.shape}")
        if not np.isin(self.stage, (0, 1, 2)).all():
            raise DataError(f"sites: a stage is unknown; they are {', '.join(STAGES)} (0, 1, 2)")
        if not (np.isfinite(self.capacity).all() and (self.capacity >= 0).all() and np.isfinite(self.position).all()):
            raise DataError("sites: capacities must be 0 or more and positions known")

    def distance_km(self) -> np.ndarray:
        """(N, N) distances, along great circles where positions are in degrees."""
        if not self.degrees:
            return np.hypot(*(self.position[:, None, :] - self.position[None, :, :]).transpose(2, 0, 1))
        x, y = np.radians(self.position).T
        half = np.sin((y[:, None] - y) / 2) ** 2 + np.cos(y[:, None]) * np.cos(y) * np.sin((x[:, None] - x) / 2) ** 2
        return 2 * EARTH_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0)))


@dataclass(frozen=True, eq=False)
class Flyway:
    """What a network of sites carries.

    Attributes
    ----------
    flow : float
        Birds that can go from breeding to wintering sites in steps that they can fly.
    retained : float
        Share of the flow of all sites at their full capacity.
    bottleneck : (N,) float64
        Share of the flow that is lost when the site is: 1 is a site that all have to pass.
    cut : (N,) bool
        Sites whose capacities limit the flow (a minimum cut: their capacities sum to the flow).
    longest_gap_km : float
        The longest leg of the route whose longest leg is shortest; infinite where a stage is empty.
    step_km : float
        What birds can fly without a stop. Nothing arrives where the gap is longer.
    """

    flow: float
    retained: float
    bottleneck: np.ndarray
    cut: np.ndarray
    longest_gap_km: float
    step_km: float


def flyway(sites: Sites, step_km: float, kept: np.ndarray | None = None) -> Flyway:
    """Flow, bottlenecks and gaps of the sites that are kept.

    Parameters
    ----------
    sites : Sites
    step_km : float
        Longest flight between two sites.
    kept : (N,) bool or float64 in 0..1
        Sites that are conserved, or the share of their capacity; all where left out.

    Raises
    ------
    DataError
        If the step is not above 0, or the shares are not 0..1.
    """
    if not (step_km > 0 and np.isfinite(step_km)):
        raise DataError(f"flight step {step_km:g} km; it must be above 0")
    share = np.ones(len(sites.stage)) if kept is None else np.asarray(kept, dtype=np.float64)
    if share.shape != sites.capacity.shape or not ((share >= 0) & (share <= 1)).all():
        raise DataError("kept: give a share from 0 to 1, or true and false, for each site")
    distance = sites.distance_km()
    whole, _ = flow_through(sites, distance, step_km)
    held = replace(sites, capacity=sites.capacity * share)
    flow, cut = flow_through(held, distance, step_km)
    lost = np.zeros(len(share))
    for k in np.flatnonzero(held.capacity):
        capacity = held.capacity.copy()
        capacity[k] = 0.0
        less, _ = flow_through(replace(held, capacity=capacity), distance, step_km)
        lost[k] = 1.0 - less / flow if flow > 0 else 0.0
    return Flyway(
        flow=flow,
        retained=flow / whole if whole > 0 else float("nan"),
        bottleneck=np.maximum(lost, 0.0),
        cut=cut,
        longest_gap_km=longest_gap(held, distance),
        step_km=float(step_km),
    )


def flow_through(sites: Sites, distance: np.ndarray, step_km: float) -> tuple[float, np.ndarray]:
    """Maximum flow from breeding to wintering sites, and the sites (N,) bool of a minimum cut.

    Capacities are counted in units so small that the total takes 30 bits (birds where that is enough): the flow is
    short by less than N of them.
    """
    n = len(sites.stage)
    total = float(sites.capacity.sum())
    if total == 0:
        return 0.0, np.zeros(n, bool)
    unit = 1.0 if total < MOST and np.all(sites.capacity == np.floor(sites.capacity)) else total / MOST
    capacity = np.floor(sites.capacity / unit * (1 + 1e-15)).astype(np.int64)
    # site k is an arc from node k (in) to node n + k (out); 2n is the source, 2n + 1 the sink
    free = int(capacity.sum())
    leg_from, leg_to = np.nonzero(legs(sites, distance) & (distance <= step_km))
    first, last = np.flatnonzero(sites.stage == 0), np.flatnonzero(sites.stage == 2)
    tail = np.r_[np.arange(n), leg_from + n, np.full(len(first), 2 * n), last + n]
    head = np.r_[np.arange(n) + n, leg_to, first, np.full(len(last), 2 * n + 1)]
    room = np.r_[capacity, np.full(len(leg_from) + len(first) + len(last), free)].astype(np.int32)
    graph = sparse.csr_array((room, (tail, head)), shape=(2 * n + 2, 2 * n + 2))
    graph.sum_duplicates()
    found = maximum_flow(graph, 2 * n, 2 * n + 1)
    residual = graph - found.flow
    residual.data = (residual.data > 0).astype(np.int8)
    residual.eliminate_zeros()
    seen = np.zeros(2 * n + 2, bool)
    seen[sparse.csgraph.breadth_first_order(residual, 2 * n, return_predecessors=False)] = True
    return float(found.flow_value) * unit, seen[:n] & ~seen[n : 2 * n] & (capacity > 0)


def legs(sites: Sites, distance: np.ndarray) -> np.ndarray:
    """(N, N) bool: flights that make sense, to another site of the same stage or a later one, both with room."""
    room = sites.capacity > 0
    forward = sites.stage[:, None] <= sites.stage[None, :]
    return forward & room[:, None] & room[None, :] & ~np.eye(len(room), dtype=bool)


def longest_gap(sites: Sites, distance: np.ndarray) -> float:
    """The least flight step with which any route from a breeding to a wintering site is there."""
    allowed = legs(sites, distance)
    gap = np.where((sites.stage == 0) & (sites.capacity > 0), 0.0, np.inf)
    done = np.zeros(len(gap), bool)
    for _ in range(len(gap)):
        u = int(np.argmin(np.where(done, np.inf, gap)))
        if done[u] or not np.isfinite(gap[u]):
            break
        done[u] = True
        gap = np.where(allowed[u], np.minimum(gap, np.maximum(gap[u], distance[u])), gap)
    return float(gap[(sites.stage == 2) & (sites.capacity > 0)].min(initial=np.inf))
