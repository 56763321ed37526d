"""ProtConn: how much of a region is protected and connected, and by what.

Saura et al. 2017, doi 10.1016/j.ecolind.2016.12.047; Saura et al. 2018, doi 10.1016/j.biocon.2017.12.020. The shares
are computed as in Makurhini (`MK_ProtConn`), except where this says so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from prioritize.connectivity.distances import Gaps, Links
from prioritize.connectivity.graph_indices import checked
from prioritize.connectivity.probability import Dispersal, path_sums
from prioritize.errors import DataError


@dataclass(frozen=True)
class ProtConn:
    """ProtConn of one region; per cent of the region's area unless said otherwise.

    Attributes
    ----------
    prot : float
        Protected, overlaps counted once.
    protconn : float
        Protected and connected: 100 ECA / area.
    unconn : float
        Protected and not connected: prot - protconn.
    relconn : float
        Per cent of what is protected: 100 protconn / prot.
    within, contig : float
        Per cent of protconn (NaN where single areas are not known): movement inside single protected areas, and
        between those that touch. Their sum is `prot_share`; `within` is cut off there (overlaps can lift the peer's
        formula above it), where Makurhini prints 100 - within as `contig`.
    prot_share, trans_share, unprot_share : float
        Per cent of protconn, 100 together: over protected land, by crossing protected areas outside the region, by
        crossing unprotected land. NaN where nothing is protected.
    eca_km2, prot_km2, area_km2 : float
    nodes, trans_nodes : int
        Contiguous protected areas in the region, and beyond its border.
    note : str
        Exact, or what was cut off.
    """

    prot: float
    protconn: float
    unconn: float
    relconn: float
    within: float
    contig: float
    prot_share: float
    trans_share: float
    unprot_share: float
    eca_km2: float
    prot_km2: float
    area_km2: float
    nodes: int
    trans_nodes: int
    note: str

    def row(self) -> dict[str, float | int | str]:
        """As a row of a table."""
        return asdict(self)


class _Part:
    """The nodes of a mask, seen through the distances of all."""

    def __init__(self, gaps: Gaps, keep: np.ndarray):
        self.gaps, self.number, self.metric = gaps, np.flatnonzero(keep), gaps.metric

    @property
    def box(self) -> np.ndarray:
        return np.ascontiguousarray(self.gaps.box[self.number])

    def between(self, i: np.ndarray, j: np.ndarray, limit_m: float = np.inf) -> np.ndarray:
        return self.gaps.between(self.number[i], self.number[j], limit_m)


def part_of(gaps: Gaps, keep: np.ndarray) -> Gaps:
    """Distances of the nodes of a mask only."""
    return gaps if keep.all() else _Part(gaps, keep)


def protconn(
    area_km2: np.ndarray,
    gaps: Gaps | Links,
    region_km2: float,
    dispersal: Dispersal,
    *,
    trans: np.ndarray | None = None,
    single_km2: np.ndarray | None = None,
    cutoff: float = 0.0,
    transboundary: Literal["zero", "peer"] = "zero",
) -> ProtConn:
    """ProtConn and its shares.

    Parameters
    ----------
    area_km2 : (N,) float64
        Of the contiguous protected areas in the region, overlaps dissolved. What it says of transboundary nodes is
        not read.
    gaps : Gaps or Links
        Between them, outline to outline.
    region_km2 : float
    dispersal : Dispersal
    trans : (N,) bool
        Nodes outside the region, which only lead through.
    single_km2 : (M,) float64
        Areas in the region of the single protected areas, overlaps and all; without them there is no `within`.
    cutoff : float
        Links of a lower probability are dropped; 0 is exact.
    transboundary : str
        `zero`: their attribute is 0, the definition. `peer`: the product a_i a_j of every pair with one of them is 1,
        as Makurhini has it; the result then depends on the unit, which is km2 here.

    Returns
    -------
    ProtConn

    Raises
    ------
    DataError
        If more is protected than the region has.
    """
    outside = np.zeros(len(area_km2), bool) if trans is None else np.asarray(trans, dtype=bool)
    a = np.where(outside, 0.0, checked(np.where(outside, 0.0, area_km2)))
    if not (region_km2 > 0 and np.isfinite(region_km2)):
        raise DataError(f"the region has {region_km2:g} km2; its area must be above 0")
    if transboundary not in ("zero", "peer"):
        raise DataError(f"transboundary '{transboundary}' is unknown; one of 'zero', 'peer'")
    held = float(a.sum())
    if held > region_km2 * (1 + 1e-9):
        raise DataError(
            f"{held:.10g} km2 are protected of a region of {region_km2:.10g} km2; "
            "dissolve overlaps and cut at its border"
        )
    inside = ~outside
    weight = np.column_stack([a, np.ones(len(a)), inside]) if transboundary == "peer" else a[:, None]
    paths = path_sums(gaps, weight, dispersal, cutoff)
    total = float(a @ paths.sums[:, 0])
    if transboundary == "peer":
        total += float(paths.sums[:, 1].sum() - paths.sums[inside, 2].sum())
    eca = total**0.5
    without = eca
    if outside.any():
        own = gaps.among(inside) if isinstance(gaps, Links) else part_of(gaps, inside)
        alone = path_sums(own, a[inside][:, None], dispersal, cutoff)
        without = float(a[inside] @ alone.sums[:, 0]) ** 0.5
    return shares(a, eca, without, region_km2, single_km2, int(outside.sum()), paths.note)


def shares(
    a: np.ndarray,
    eca: float,
    without: float,
    region_km2: float,
    single_km2: np.ndarray | None,
    trans_nodes: int,
    note: str,
) -> ProtConn:
    """The shares, from the ECA with and without transboundary nodes."""
    held = float(a.sum())
    single = np.zeros(0) if single_km2 is None else checked(single_km2)
    percent = 100.0 / eca if eca > 0 else np.nan
    prot_share = min(100.0, float((a**2).sum()) ** 0.5 * percent)
    trans_share = max(0.0, (eca - without) * percent)
    summed = float(single.sum())
    within = float((single**2).sum()) ** 0.5 * (held / summed) ** 0.5 * percent if summed > 0 else np.nan
    within = min(within, prot_share) if eca > 0 else np.nan
    return ProtConn(
        prot=100.0 * held / region_km2,
        protconn=100.0 * eca / region_km2,
        unconn=100.0 * (held - eca) / region_km2,
        relconn=100.0 * eca / held if held > 0 else np.nan,
        within=within,
        contig=prot_share - within,
        prot_share=prot_share,
        trans_share=trans_share,
        unprot_share=100.0 - prot_share - trans_share,
        eca_km2=eca,
        prot_km2=held,
        area_km2=float(region_km2),
        nodes=int((a > 0).sum()),
        trans_nodes=trans_nodes,
        note=note,
    )
