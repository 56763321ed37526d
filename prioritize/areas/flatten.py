"""Each piece of land to one site, by cutting polygons: the vector route."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import shapely

from prioritize.areas.clean import Cleaned, Progress, silent, square_km
from prioritize.areas.ledger import Ledger
from prioritize.areas.repair import overlay

#: sites overlaid between two lines of progress
SITES_AT_ONCE = 2000

#: relative difference of the sum of classes and the union that is still rounding
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Flat:
    """What was flattened, in figures.

    Attributes
    ----------
    classes : tuple of K str
    class_km2 : (K,) float64
        Each piece of land counted once.
    union_km2 : float
        Area of the union of all sites, found by another way than as the sum of the classes (vector route).
    pa_km2 : float
        Area of the union of the PAs alone, whoever comes first.
    overlap_km2 : (K, K) float64 or None
        Class x class before flattening; the diagonal is the area of the class's union.
    ledger : Ledger
    notes : tuple of str
    """

    classes: tuple[str, ...]
    class_km2: np.ndarray
    union_km2: float
    pa_km2: float
    overlap_km2: np.ndarray | None
    ledger: Ledger = field(repr=False)
    notes: tuple[str, ...]

    @property
    def accounting(self) -> pd.DataFrame:
        """`class`, `area_km2`, `share`: PA, what the OECMs add outside of them, both together; then the classes."""
        rows = [
            ("PA", self.pa_km2),
            ("OECM outside PA", self.union_km2 - self.pa_km2),
            ("PA + OECM", self.union_km2),
            *((f"class: {name}", area) for name, area in zip(self.classes, self.class_km2.tolist(), strict=True)),
        ]
        table = pd.DataFrame(rows, columns=["class", "area_km2"])
        return table.assign(share=table["area_km2"] / self.union_km2 if self.union_km2 > 0 else np.nan)

    @property
    def overlaps(self) -> pd.DataFrame:
        """Class x class, km2."""
        matrix = np.zeros((0, 0)) if self.overlap_km2 is None else self.overlap_km2
        names = list(self.classes) if len(matrix) else []
        return pd.DataFrame(matrix, index=pd.Index(names, name="class"), columns=names)


@dataclass(frozen=True, eq=False)
class FlatPolygons(Flat):
    """The vector route.

    Attributes
    ----------
    pieces : (N,) object array
        What each site keeps; empty where those before it took all. Pieces do not overlap.
    """

    pieces: np.ndarray = field(repr=False)


def flatten_polygons(cleaned: Cleaned, progress: Progress = silent, matrix: bool = True) -> FlatPolygons:
    """Give each piece of land to the first site in line, by cutting polygons.

    Parameters
    ----------
    cleaned : Cleaned
    progress : callable
    matrix : bool
        Whether to find the overlaps between classes.

    Returns
    -------
    FlatPolygons
        Their sum and the union of all sites, found by itself, agree to 1e-9; a note says by how much if not.
    """
    geometry, unit = cleaned.sites.geometry, square_km(cleaned.sites.crs)
    pieces = geometry.copy()
    site, other = neighbours(geometry)
    begins = np.searchsorted(site, np.arange(len(geometry) + 1))
    for start in range(0, len(geometry), SITES_AT_ONCE):
        progress("flatten", 0.8 * start / len(geometry))
        crowd = np.arange(start, min(start + SITES_AT_ONCE, len(geometry)))
        crowd = crowd[np.diff(begins)[crowd] > 0]
        if len(crowd):
            pieces[crowd] = overlay(shapely.difference, geometry[crowd], united(geometry, other, begins, crowd))
    before, after = shapely.area(geometry) * unit, shapely.area(pieces) * unit
    table, book = cleaned.sites.table, cleaned.ledger.copy()
    gone = shapely.is_empty(pieces)
    book.record("flatten", "land of sites that come first", table, before, after, gone)
    progress("union", 0.8)
    whole = float(shapely.area(union(geometry)) * unit)
    kind = cleaned.sites.table["site_type"].to_numpy() == "PA"
    pa = whole if kind.all() else float(shapely.area(union(geometry[kind])) * unit)
    notes = list(cleaned.notes)
    if abs(after.sum() - whole) > ROUNDING * whole:
        notes.append(f"the classes sum to {after.sum():.9g} km2, but the union has {whole:.9g} km2")
    sliver = ~gone & (after * 1e6 < cleaned.options.sliver_m2)
    book.record(
        "sliver", f"below {cleaned.options.sliver_m2:g} m2", table[~gone], after[~gone], after[~gone], sliver[~gone]
    )
    pieces[sliver] = shapely.Polygon()
    overlaps = None
    if matrix:
        progress("overlaps", 0.9)
        overlaps = polygon_overlaps(geometry, site, other, cleaned.code, len(cleaned.classes)) * unit
    areas = np.bincount(cleaned.code, weights=np.where(sliver, 0.0, after), minlength=len(cleaned.classes))
    progress("flattened", 1.0)
    return FlatPolygons(cleaned.classes, areas, whole, pa, overlaps, book, tuple(notes), pieces)


def neighbours(geometry: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (i, j), j before i in line, of polygons that meet; sorted by i, then j."""
    one, other = shapely.STRtree(geometry).query(geometry, predicate="intersects")
    behind = other < one
    one, other = one[behind], other[behind]
    order = np.lexsort((other, one))
    return one[order], other[order]


def united(geometry: np.ndarray, other: np.ndarray, begins: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """The union of those before each site of a crowd."""
    knives = np.empty(len(crowd), dtype=object)
    for k, i in enumerate(crowd.tolist()):
        those = other[begins[i] : begins[i + 1]]
        knives[k] = geometry[those[0]] if len(those) == 1 else union(geometry[those])
    return knives


def union(geometry: np.ndarray) -> shapely.Geometry:
    """The union of polygons, those that cannot touch by themselves."""
    try:
        return shapely.disjoint_subset_union_all(geometry) if len(geometry) > 50 else shapely.union_all(geometry)
    except shapely.GEOSException:
        result: shapely.Geometry = shapely.Polygon()
        for item in geometry:
            result = overlay(shapely.union, np.array([result], object), np.array([item], object))[0]
        return result


def polygon_overlaps(
    geometry: np.ndarray, site: np.ndarray, other: np.ndarray, code: np.ndarray, classes: int
) -> np.ndarray:
    """(K, K) area of class x class, in squared map units; see `share.overlap_km2`."""
    result = np.zeros((classes, classes))
    for one in range(classes):
        result[one, one] = shapely.area(union(geometry[code == one]))
    low, high = np.minimum(code[site], code[other]), np.maximum(code[site], code[other])
    pair = low.astype(np.int64) * classes + high
    for key in np.unique(pair[low != high]):
        which = pair == key
        both = overlay(shapely.intersection, geometry[site[which]], geometry[other[which]])
        one, two = divmod(int(key), classes)
        result[one, two] = result[two, one] = shapely.area(union(both[~shapely.is_empty(both)]))
    return result
