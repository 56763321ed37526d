"""Effective mesh size in its three forms, and the landscape metrics beside it.

Jaeger 2000, doi 10.1023/A:1008129329289 (mesh size, division, split, coherence; cut at the border); Moser et al.
2007, doi 10.1007/s10980-006-9023-0 (cross-boundary). The city-biodiversity form counts patches less than 100 m apart
as one, over the area of all of them (City Biodiversity Index, indicator 2).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from prioritize.connectivity.distances import (
    CellGaps,
    Gaps,
    groups_of,
    label_patches,
    least_cost_links,
    links_within,
)
from prioritize.connectivity.graph_indices import checked
from prioritize.errors import DataError
from prioritize_kernels import patches as kernels

#: metres between patches that the city form takes for connected
CITY_GAP_M = 100.0


@dataclass(frozen=True)
class Mesh:
    """Mesh size of a region, in the unit of the areas.

    Attributes
    ----------
    mesh : float
        Effective mesh size: sum of squared patch areas over the region's area.
    coherence : float
        Chance that two random points lie in the same patch: mesh / area.
    division : float
        1 - coherence.
    split : float
        Number of patches of equal size with the same coherence: 1 / coherence. Infinite without a patch.
    largest : float
        Largest patch, per cent of the region (LPI).
    patches : int
    """

    mesh: float
    coherence: float
    division: float
    split: float
    largest: float
    patches: int

    def row(self) -> dict[str, float | int]:
        """As a row of a table."""
        return asdict(self)


@dataclass(frozen=True)
class CityMesh:
    """The city-biodiversity form, in the unit of the areas.

    Attributes
    ----------
    mesh : float
        Sum of squared areas of groups over the natural area: within + between.
    within, between : float
        What single patches hold, and what being in one group adds.
    coherence : float
        mesh / natural area.
    natural : float
        Area of all patches.
    patches, groups : int
    """

    mesh: float
    within: float
    between: float
    coherence: float
    natural: float
    patches: int
    groups: int


def mesh(area: np.ndarray, total: float) -> Mesh:
    """Mesh size with patches cut at the border of the region (CUT).

    Parameters
    ----------
    area : (P,) float64
        Of the patches, inside the region.
    total : float
        Area of the region.
    """
    a = checked(area)
    if not total > 0:
        raise DataError(f"the region has area {total:g}; it must be above 0")
    size = float((a**2).sum()) / total
    return Mesh(
        mesh=size,
        coherence=size / total,
        division=1.0 - size / total,
        split=total / size if size > 0 else np.inf,
        largest=100.0 * float(a.max(initial=0.0)) / total,
        patches=int((a > 0).sum()),
    )


def mesh_across(inside: np.ndarray, whole: np.ndarray, total: float) -> float:
    """Cross-boundary mesh size (CBC) of a region: sum of A_ij A_i over A_j.

    Parameters
    ----------
    inside : (P,) float64
        Area of each patch inside the region.
    whole : (P,) float64
        Area of each patch, what lies outside included.
    total : float
        Area of the region.

    Notes
    -----
    Summed over regions by their area it is the mesh size of all of them together, which the form that cuts patches
    at the borders is not.
    """
    if not total > 0:
        raise DataError(f"the region has area {total:g}; it must be above 0")
    return float((checked(inside) * checked(whole)).sum()) / total


def city_mesh(area: np.ndarray, i: np.ndarray, j: np.ndarray) -> CityMesh:
    """City-biodiversity form.

    Parameters
    ----------
    area : (P,) float64
    i, j : (n,) int
        Pairs of patches that count as connected (see `near_pairs`).
    """
    a = checked(area)
    label, count = groups_of(len(a), i, j)
    grouped = np.bincount(label, a, count) if len(a) else np.zeros(0)
    natural = float(a.sum())
    within = float((a**2).sum()) / natural if natural > 0 else 0.0
    size = float((grouped**2).sum()) / natural if natural > 0 else 0.0
    return CityMesh(
        mesh=size,
        within=within,
        between=size - within,
        coherence=size / natural if natural > 0 else 0.0,
        natural=natural,
        patches=len(a),
        groups=count,
    )


def near_pairs(gaps: Gaps, gap_m: float = CITY_GAP_M) -> tuple[np.ndarray, np.ndarray]:
    """Patches less than so far apart, nothing in the way: (i, j)."""
    i, j, length = links_within(gaps, gap_m).pairs()
    near = length < gap_m
    return i[near], j[near]


def near_pairs_on_grid(
    label: np.ndarray, width_m: float, height_m: float, gap_m: float = CITY_GAP_M, barrier: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Patches of cells less than so far apart: (i, j).

    Parameters
    ----------
    label : (rows, columns) int32
    barrier : (rows, columns) bool
        Cells that cut (roads, water). Then the way around them has to be short enough; it is measured along eight
        directions from cell to cell, less the half cells at both ends.
    """
    if barrier is None:
        return near_pairs(CellGaps.of(label, width_m, height_m), gap_m)
    blocked = np.asarray(barrier, dtype=bool)
    surface = np.where(blocked, np.nan, 1.0)
    # from centre to centre: one cell longer than from outline to outline
    cell = max(width_m, height_m)
    links = least_cost_links(np.where(blocked, -1, label), surface, width_m, height_m, gap_m + cell, through=False)
    i, j, length = links.pairs()
    near = length - cell < gap_m
    return i[near], j[near]


def total_edge(image: np.ndarray, width_m: float, height_m: float) -> float:
    """Length in metres of all sides between cells of different class (TE); classes below 0 are no data."""
    upright, level = kernels.unlike_sides(np.ascontiguousarray(image, dtype=np.int32))
    return upright * height_m + level * width_m


def cell_mesh(
    mask: np.ndarray, region: np.ndarray, cell_area: float, neighbours: int = 8
) -> tuple[list[Mesh], np.ndarray]:
    """Mesh size of each region of a grid: (CUT of each, CBC of each).

    Parameters
    ----------
    mask : (rows, columns) bool or int
        Habitat; patches have one class, 0 and below is none.
    region : (rows, columns) int
        0..R-1, -1 outside of all. CBC counts what lies outside too.
    cell_area : float

    Returns
    -------
    (list of R Mesh, (R,) float64)
        NaN for regions without a cell.
    """
    label, patches = label_patches(mask, neighbours)
    regions = int(region.max(initial=-1)) + 1
    size = np.bincount(region[region >= 0].ravel(), minlength=regions) * cell_area
    whole = np.bincount(label[label >= 0], minlength=patches) * cell_area
    both = (label >= 0) & (region >= 0)
    key = region[both].astype(np.int64) * max(patches, 1) + label[both]
    if regions * patches <= 4 * label.size + 1000:
        counted = np.bincount(key, minlength=regions * patches)
        pair = np.flatnonzero(counted)
        count = counted[pair]
    else:
        pair, count = np.unique(key, return_counts=True)
    where, patch = np.divmod(pair, max(patches, 1))
    cut, across = [], np.empty(regions)
    first = np.searchsorted(where, np.arange(regions + 1))
    for r in range(regions):
        own = slice(first[r], first[r + 1])
        if size[r] == 0:  # a number that no cell has
            cut.append(Mesh(np.nan, np.nan, np.nan, np.nan, np.nan, 0))
            across[r] = np.nan
            continue
        cut.append(mesh(count[own] * cell_area, float(size[r])))
        across[r] = mesh_across(count[own] * cell_area, whole[patch[own]], float(size[r]))
    return cut, across
