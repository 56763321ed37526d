"""One definition of dispersal distance, and sums over the most probable paths between all nodes.

**The definition.** A dispersal distance is the distance at which the probability of a link is `probability` (one half
unless said otherwise): p(d) = exp(-rate * d) with rate = -ln(probability) / distance, as in PC, ECA and ProtConn
(Saura and Pascual-Hortal 2007, doi 10.1016/j.landurbplan.2007.03.005; Saura et al. 2017, doi
10.1016/j.ecolind.2016.12.047). Other tools mean other things by "10 km": `Dispersal` converts.

=============================================  ==================  ==========================
"10 km" as                                     rate at 10 km       constructor
=============================================  ==================  ==========================
distance of probability 0.5 (here, ProtConn)   ln 2 / 10 = 0.0693  `of_probability(10_000)`
mean of the 2-D exponential kernel (Zonation)  2 / 10 = 0.2        `of_mean(10_000)`
median of the 2-D exponential kernel           1.678 / 10 = 0.168  `of_median_2d(10_000)`
=============================================  ==================  ==========================

In two dimensions the kernel exp(-rate d) has the density rate^2 r exp(-rate r) of distances r: a gamma distribution
of shape 2, hence mean 2 / rate and median 1.67835 / rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from prioritize.connectivity.distances import Gaps, Links, PointGaps, links_within, run_spans
from prioritize.dispersal import Dispersal
from prioritize.errors import DataError
from prioritize_kernels import distances as kernels

#: paths less probable than this cannot move a sum by more than 1e-12 of it (see `reach`)
NEGLIGIBLE = 1e-13
#: links per node to begin with when the exact paths are sought
LINKS_TO_BEGIN = 60


@dataclass(frozen=True, eq=False)
class Paths:
    """Sums over the most probable paths.

    Attributes
    ----------
    sums : (N, W) float64
        For node i and column w of the weights: sum over all j, i included, of weight[j, w] * p*_ij.
    links : Links or None
        The links that hold all of the paths; None for points that are all linked.
    note : str
        Exact, or what was cut off.
    """

    sums: np.ndarray
    links: Links | None
    note: str


def checked_cutoff(cutoff: float) -> float:
    """A probability below which links are dropped, in 0..1 (1 not included)."""
    if not 0 <= cutoff < 1:
        raise DataError(f"cutoff {cutoff:g}; it is a probability from 0 (none) to below 1")
    return cutoff


def reach(weight: np.ndarray, dispersal: Dispersal) -> float:
    """Distance beyond which all paths together add less than 1e-12 of the sum w_i w_j p*_ij.

    The sum is at least that of the w_i^2, and the paths that are left out add at most p (sum of w)^2.
    """
    columns = np.abs(weight)
    total = columns.sum(axis=0) ** 2
    least = (columns**2).sum(axis=0)
    ratio = np.divide(total, least, out=np.ones_like(total), where=least > 0).max(initial=1.0)
    return dispersal.distance(NEGLIGIBLE / max(ratio, 1.0))


def path_sums(gaps: Gaps | Links, weight: np.ndarray, dispersal: Dispersal, cutoff: float = 0.0) -> Paths:
    """Sums over the most probable paths between all nodes.

    Parameters
    ----------
    gaps : Gaps or Links
        Where the nodes are, or the links that there are. Links are taken as they are.
    weight : (N, W) float64
    dispersal : Dispersal
    cutoff : float
        Links of a lower probability are dropped; paths over the others count however improbable. 0: exact, that is
        every pair of nodes is linked. (Paths so improbable that they add less than 1e-12 in all are not followed.)

    Returns
    -------
    Paths

    Notes
    -----
    Exact sums over outlines need not measure every pair: a pair whose boxes are farther apart than its shortest path
    over the links known so far needs no link of its own. Those that are nearer are measured and added, and the paths
    sought again, until there are none.
    """
    weight = np.ascontiguousarray(weight, dtype=np.float64)
    checked_cutoff(cutoff)
    limit = reach(weight, dispersal)
    if isinstance(gaps, Links):
        links = gaps if cutoff == 0 else shorter(gaps, dispersal.distance(cutoff))
        note = "the links given" if cutoff == 0 else f"of the links given those of p >= {cutoff:g}"
        return Paths(search(links, weight, dispersal, limit)[0], links, note)
    if len(weight) != len(gaps.box):
        raise DataError(f"there are {len(weight)} weights for {len(gaps.box)} nodes")
    if cutoff > 0:
        links = links_within(gaps, dispersal.distance(cutoff))
        note = f"links of p < {cutoff:g} dropped (longer than {dispersal.distance(cutoff) / 1000:.6g} km)"
        return Paths(search(links, weight, dispersal, limit)[0], links, note)
    if gaps.metric and isinstance(gaps, PointGaps):
        out = np.empty((len(weight), 1, weight.shape[1]))
        rate = np.array([dispersal.rate_per_m])
        run_spans(len(weight), lambda a, b: kernels.point_sums(a, b, gaps.x, gaps.y, rate, weight, out))
        return Paths(out[:, 0], None, "exact")
    links, sums = closure(gaps, weight, dispersal, limit)
    return Paths(sums, links, "exact")


def closure(gaps: Gaps, weight: np.ndarray, dispersal: Dispersal, limit: float) -> tuple[Links, np.ndarray]:
    """Links that hold every shortest path up to a limit between all nodes, and the sums over them."""
    box = gaps.box
    links = links_within(gaps, first_radius(box, limit))
    while True:
        sums, i, j, length = search(links, weight, dispersal, limit, box)
        if len(i) == 0:
            return links, sums
        gap = gaps.between(i, j, limit)
        shorter_way = gap < length * (1.0 - 1e-12)
        if not shorter_way.any():
            return links, sums
        i, j, gap, length = i[shorter_way], j[shorter_way], gap[shorter_way], length[shorter_way]
        # the nearest first: with them many of the farther ones are not needed. All at once when few are left.
        if len(gap) > 4 * LINKS_TO_BEGIN * len(box):
            near = gap <= np.quantile(gap, 0.25)
            i, j, gap = i[near], j[near], gap[near]
        links = links.plus(i, j, gap)


def first_radius(box: np.ndarray, limit: float) -> float:
    """A radius within which a node has a few dozen neighbours, were nodes spread evenly."""
    if len(box) <= 2 * LINKS_TO_BEGIN:
        return limit
    extent = box[:, 2:].max(axis=0) - box[:, :2].min(axis=0)
    area = max(float(np.prod(extent)), float(extent.max()) ** 2 / len(box))
    return min(limit, math.sqrt(LINKS_TO_BEGIN * area / (math.pi * len(box))))


def search(
    links: Links, weight: np.ndarray, dispersal: Dispersal, limit: float, box: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sums (N, W) over shortest paths, and, given boxes, the pairs that may be nearer: (i, j, length of their path)."""
    out = np.empty((links.nodes, 1, weight.shape[1]))
    rate = np.array([dispersal.rate_per_m])
    links = links.needed()
    seek = box is not None
    boxes = box if box is not None else np.zeros((links.nodes, 4))
    found = run_spans(
        links.nodes,
        lambda a, b: kernels.path_sums(
            a, b, links.indptr, links.indices, links.length, limit, rate, weight, boxes, seek, out
        ),
    )
    if not found:
        return out[:, 0], np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0)
    i, j, length = (np.concatenate([part[k] for part in found]) for k in range(3))
    return out[:, 0], i, j, length


def shorter(links: Links, limit: float) -> Links:
    """Links no longer than a limit."""
    i, j, length = links.pairs()
    keep = length <= limit
    return Links.of(links.nodes, i[keep], j[keep], length[keep])
