"""PC, ECA and IIC, their parts, and what each node and each link is worth to them.

Saura and Pascual-Hortal 2007, doi 10.1016/j.landurbplan.2007.03.005 (PC); Pascual-Hortal and Saura 2006, doi
10.1007/s10980-006-0013-z (IIC); Saura and Rubio 2010, doi 10.1111/j.1600-0587.2009.05760.x (intra, flux, connector);
Saura et al. 2011, doi 10.1016/j.ecolind.2010.06.011 (ECA).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from prioritize.connectivity.distances import Gaps, Links, PointGaps, links_within, run_spans
from prioritize.connectivity.probability import Dispersal, Paths, checked_cutoff, path_sums, reach
from prioritize.errors import DataError
from prioritize_kernels import distances as kernels

#: importance is exact up to so many nodes unless more are asked for: it costs a few searches for each of them
MOST_NODES = 2000
#: what the kernels take for 1 / (1 + number of links)
BY_LINKS = -1.0


@dataclass(frozen=True)
class Index:
    """A connectivity index of a set of nodes.

    Attributes
    ----------
    eca : float
        Equivalent connected attribute, in the attribute's unit: the root of the sum of a_i a_j p*_ij (PC), or of
        a_i a_j / (1 + links between) (IIC).
    value : float
        PC or IIC: (eca / extent)^2; NaN without an extent.
    intra, direct, step : float
        Shares in per cent of eca^2: nodes by themselves, pairs over their own link, what paths over other nodes add.
        NaN for direct and step where not every link was measured (exact, and more than 2,000 nodes).
    nodes : int
    note : str
        Exact, or what was cut off.
    """

    eca: float
    value: float
    intra: float
    direct: float
    step: float
    nodes: int
    note: str


def probability_of_connectivity(
    attribute: np.ndarray, gaps: Gaps | Links, dispersal: Dispersal, extent: float = np.nan, cutoff: float = 0.0
) -> Index:
    """PC and its equivalent connected attribute, ECA = sqrt(sum_i sum_j a_i a_j p*_ij).

    Parameters
    ----------
    attribute : (N,) float64
        Area, or habitat amount, of each node; not negative.
    gaps : Gaps or Links
    dispersal : Dispersal
    extent : float
        Of the whole landscape, in the attribute's unit.
    cutoff : float
        Links of a lower probability are dropped; 0 is exact.

    Returns
    -------
    Index
    """
    a = checked(attribute)
    paths = path_sums(gaps, a[:, None], dispersal, cutoff)
    direct = np.nan
    if paths.links is None:
        direct = float(a @ paths.sums[:, 0] - a @ a)
    elif cutoff > 0 or isinstance(gaps, Links):
        i, j, length = paths.links.pairs()
        direct = 2.0 * float((a[i] * a[j] * dispersal.probability(length)).sum())
    elif len(a) <= MOST_NODES:
        i, j, length = links_within(gaps, reach(a[:, None], dispersal)).pairs()
        direct = 2.0 * float((a[i] * a[j] * dispersal.probability(length)).sum())
    return index_of(a, paths, direct, extent)


def integral_index(attribute: np.ndarray, gaps: Gaps | Links, threshold_m: float, extent: float = np.nan) -> Index:
    """IIC: as PC with 1 / (1 + number of links on the shortest path) for p*; nodes up to a threshold apart are linked.

    Returns
    -------
    Index
        `direct` counts the pairs with a link of their own, `step` the others.
    """
    a = checked(attribute)
    links = (links_within(gaps, threshold_m) if not isinstance(gaps, Links) else gaps).hops(threshold_m)
    sums = hop_sums(links, a)
    i, j, _ = links.pairs()
    paths = Paths(sums[:, None], links, f"nodes up to {threshold_m / 1000:g} km apart are linked")
    return index_of(a, paths, float((a[i] * a[j]).sum()), extent)


def index_of(a: np.ndarray, paths: Paths, direct: float, extent: float) -> Index:
    """The record of an index, given its sums over paths and the part of direct links."""
    total = float(a @ paths.sums[:, 0])
    share = 100.0 / total if total > 0 else 0.0
    own = float(a @ a) * share
    return Index(
        eca=total**0.5,
        value=total / extent**2,
        intra=own,
        direct=direct * share,
        step=max(0.0, 100.0 * (total > 0) - own - direct * share) if np.isfinite(direct) else np.nan,
        nodes=len(a),
        note=paths.note,
    )


def hop_sums(links: Links, a: np.ndarray) -> np.ndarray:
    """(N,) sum over all j that can be reached of a[j] / (1 + links of the shortest path)."""
    out = np.empty((links.nodes, 1, 1))
    rate, weight, box = np.array([BY_LINKS]), np.ascontiguousarray(a[:, None]), np.zeros((links.nodes, 4))
    run_spans(
        links.nodes,
        lambda s, t: kernels.path_sums(
            s, t, links.indptr, links.indices, links.length, np.inf, rate, weight, box, False, out
        ),
    )
    return out[:, 0, 0]


def importance(
    attribute: np.ndarray,
    gaps: Gaps | Links,
    dispersal: Dispersal | None = None,
    *,
    threshold_m: float | None = None,
    cutoff: float = 0.0,
    links: bool = False,
    most: int = MOST_NODES,
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """What PC (or IIC) would lose, in per cent, without each node, and without each link. Exact.

    Parameters
    ----------
    attribute : (N,) float64
    gaps : Gaps or Links
    dispersal : Dispersal
        For PC.
    threshold_m : float
        For IIC instead.
    cutoff : float
        Links of a lower probability are dropped; 0 is exact: then a node that is removed may be crossed no more, and
        the straight ways across it count again where they are measured (all pairs are).
    links : bool
        Also the links.
    most : int
        Refuse more nodes than this.

    Returns
    -------
    (DataFrame, DataFrame or None)
        Nodes: `node, attribute, d, intra, flux, connector` in per cent of the index, d = intra + flux + connector.
        Links: `i, j, length, d`; those that are not listed have two ways round that are no longer, and d = 0.

    Raises
    ------
    DataError
        For too many nodes, or if neither or both of dispersal and threshold are given.
    """
    a = checked(attribute)
    if len(a) > most:
        raise DataError(
            f"importance: {len(a)} nodes; it is exact up to {most} (raise the limit, or join or drop small nodes)"
        )
    if (dispersal is None) == (threshold_m is None):
        raise DataError("importance: give either a dispersal distance (PC) or a threshold distance (IIC)")
    rate, limit = BY_LINKS, np.inf
    if dispersal is not None:
        rate, limit = dispersal.rate_per_m, reach(a[:, None], dispersal)
    if dispersal is not None and cutoff == 0 and isinstance(gaps, PointGaps) and not links:
        # no way over another point is shorter than the straight one: nothing is a stepping stone
        flux = a * path_sums(gaps, a[:, None], dispersal).sums[:, 0] - a**2
        return importance_table(a, flux, np.zeros(len(a))), None
    graph = linked(gaps, dispersal, threshold_m, checked_cutoff(cutoff), limit).needed(ways=2)
    flux, connector, lost = removed(graph, a, rate, limit, links)
    table = importance_table(a, flux, connector)
    if not links:
        return table, None
    i, j, length = graph.pairs()
    source = np.repeat(np.arange(graph.nodes, dtype=np.int32), np.diff(graph.indptr))
    both = (lost + lost[graph.back()])[source < graph.indices]
    total = float(flux.sum() + a @ a)
    return table, pd.DataFrame({"i": i, "j": j, "length": length, "d": both * (100.0 / total if total > 0 else 0.0)})


def importance_table(a: np.ndarray, flux: np.ndarray, connector: np.ndarray) -> pd.DataFrame:
    """Parts of dPC in per cent of the index."""
    total = float(flux.sum() + a @ a)
    share = 100.0 / total if total > 0 else 0.0
    table = pd.DataFrame({"node": np.arange(len(a)), "attribute": a})
    table["intra"], table["flux"], table["connector"] = a**2 * share, 2.0 * flux * share, connector * share
    table.insert(2, "d", table["intra"] + table["flux"] + table["connector"])
    return table


def linked(
    gaps: Gaps | Links, dispersal: Dispersal | None, threshold_m: float | None, cutoff: float, limit: float
) -> Links:
    """The links that importance looks at."""
    if threshold_m is not None:
        return (gaps if isinstance(gaps, Links) else links_within(gaps, threshold_m)).hops(threshold_m)
    assert dispersal is not None
    radius = min(limit, dispersal.distance(cutoff))
    if isinstance(gaps, Links):
        i, j, length = gaps.pairs()
        near = length <= radius
        return Links.of(gaps.nodes, i[near], j[near], length[near])
    return links_within(gaps, radius)


def removed(
    graph: Links, a: np.ndarray, rate: float, limit: float, links: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(flux, connector, loss by directed link), the sums over all sources in a fixed order."""
    nodes, back = graph.nodes, graph.back()
    flux = np.zeros(nodes)

    def work(start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        connector, lost = np.zeros(nodes), np.zeros(len(back))
        kernels.removals(
            start, stop, graph.indptr, graph.indices, graph.length, back, limit, rate, a, links, flux, connector, lost
        )
        return connector, lost

    connector, lost = np.zeros(nodes), np.zeros(len(back))
    for one, other in run_spans(nodes, work):
        connector += one
        lost += other
    return flux, connector, lost


def checked(attribute: np.ndarray) -> np.ndarray:
    """(N,) float64 attributes, refused where negative or missing."""
    a = np.ascontiguousarray(attribute, dtype=np.float64)
    wrong = ~(np.isfinite(a) & (a >= 0))
    if wrong.any():
        raise DataError(f"node {int(np.flatnonzero(wrong)[0])} has attribute {a[wrong][0]}; give 0 or more")
    return a
