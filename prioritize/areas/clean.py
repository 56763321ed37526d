"""The documented steps from the database as published to areas that may be counted, in order.

Order and rules follow wdpar (Hanson 2022, doi 10.21105/joss.04594) and the practice of UNEP-WCMC. Cutting to a coast
comes before overlaps are flattened, as there: both orders give the same areas, and this one overlays less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyproj
import shapely

from prioritize.areas import repair, schema
from prioritize.areas.ledger import Ledger
from prioritize.areas.priority import labels, priority
from prioritize.areas.read import Sites, project, read_frame, read_sites
from prioritize.errors import DataError
from prioritize.formats import _rasterio as rio
from prioritize.landscape import some

#: told how far a step is: (what, share done)
Progress = Callable[[str, float], None]

STATUSES = ("Designated", "Inscribed", "Established")
MAB = "UNESCO-MAB Biosphere Reserve"
WORLD_BEHRMANN = "ESRI:54017"

#: beyond this share a CRS is told not to be one of equal area
EQUAL_AREA = 1e-4


def silent(what: str, done: float) -> None:
    """No progress is shown."""


@dataclass(frozen=True)
class Cleaning:
    """What is kept and how.

    Attributes
    ----------
    statuses : tuple of str
        STATUS that count as protected. `Adopted` is left out by default, as in wdpar.
    keep_mab : bool
        Keep UNESCO-MAB Biosphere Reserves, whose outer zones are mostly not protected.
    crs : str
        CRS in which areas are measured and overlaid; projected, best of equal area. Default World Behrmann.
    snap_m : float
        Grid to which corners are snapped after the repair; 0 for none.
    sliver_m2 : float
        What flattening leaves of a site is dropped below this area (vector route).
    by : str
        What the classes are: `iucn` (PA by IUCN category, and OECM), `type` (PA and OECM), or a field of the table
        (`gov_type`, `desig_eng`, `realm`, ...), always PA and OECM apart.
    first : str
        Where a PA and an OECM overlap, which of them keeps the land; `neither` leaves it to the category and the year.
        That PAs come first is a convention, not a rule of the database.
    within : path, optional
        Polygons (`path#layer`) to which everything is cut: an economic zone, a country.
    land : path, optional
        Polygons of land: Terrestrial sites are cut to them, Marine sites lose them, Coastal ones keep both.
    """

    statuses: tuple[str, ...] = STATUSES
    keep_mab: bool = False
    crs: str = WORLD_BEHRMANN
    snap_m: float = 1.0
    sliver_m2: float = 0.1
    by: str = "iucn"
    first: Literal["PA", "OECM", "neither"] = "PA"
    within: str | None = None
    land: str | None = None


@dataclass(frozen=True, eq=False)
class Cleaned:
    """Sites that may be counted, first in line first, overlaps still in them.

    Attributes
    ----------
    sites : Sites
        In the order of priority, valid polygons in the CRS of the options.
    label : (N,) object array of str
        Class of each site.
    classes : tuple of str
    ledger : Ledger
    options : Cleaning
    notes : tuple of str
    """

    sites: Sites
    label: np.ndarray
    classes: tuple[str, ...]
    ledger: Ledger = field(repr=False)
    options: Cleaning
    notes: tuple[str, ...] = ()

    @property
    def code(self) -> np.ndarray:
        """(N,) int32 position of each site's class in `classes`."""
        return pd.Index(self.classes).get_indexer(self.label).astype(np.int32)

    @property
    def area_km2(self) -> np.ndarray:
        """(N,) float64, each site by itself."""
        return shapely.area(self.sites.geometry) * square_km(self.sites.crs)


def clean(
    files: Sequence[str | Path] | Sites,
    options: Cleaning | None = None,
    *,
    fields: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Cleaned:
    """Read and clean protected areas and OECMs.

    Steps, each with its rows in the ledger: status; MAB reserves; points without area; nothing to draw (no geometry);
    dateline; projection; points to circles of REP_AREA; repair and snapping; cutting to `within` and `land`.

    Parameters
    ----------
    files : paths, or Sites
    options : Cleaning, optional
    fields, values : mapping, optional
        As in `read_sites`.
    progress : callable

    Returns
    -------
    Cleaned
        The same for every order of the rows and files.

    Raises
    ------
    DataError
    """
    options = options or Cleaning()
    target = target_crs(options.crs)
    progress("read", 0.0)
    sites = files if isinstance(files, Sites) else read_sites(files, fields, values)
    if options.by not in ("iucn", "type") and schema.our_name(options.by) not in sites.table:
        raise DataError(f"by = '{options.by}' is not 'iucn', 'type' or a field: {some(list(sites.table), 40)}")
    book = Ledger()
    progress("measure", 0.1)
    area = measure(sites.geometry, sites.crs, target)
    book.record("read", "as published", sites.table, area, area)

    sites, area = select(sites, area, options, book)
    progress("dateline and projection", 0.3)
    sites, area = draw(sites, area, target, book)
    progress("points and repair", 0.5)
    sites, area = mend(sites, area, options, book)
    progress("coast", 0.8)
    sites, area = cut(sites, area, options, book)
    if len(sites) == 0:
        dropped = "; ".join(f"{row['step']}, {row['reason']}: {row['sites_dropped']}" for row in book.steps[1:])
        raise DataError(f"no site is left after cleaning ({dropped})")
    label, classes = labels(sites.table, options.by)
    order = priority(sites, label, options.first)
    progress("cleaned", 1.0)
    notes = [*sites.notes, *distortion(sites, target), *gaps(sites.table)]
    return Cleaned(replace(sites, notes=()).take(order), label[order], classes, book, options, tuple(notes))


def target_crs(name: str) -> pyproj.CRS:
    """The CRS to measure in.

    Raises
    ------
    DataError
        If it is unknown or in degrees.
    """
    try:
        crs = pyproj.CRS(name)
    except pyproj.exceptions.CRSError:
        raise DataError(f"crs = '{name}' is not a CRS; write for example ESRI:54017 or EPSG:6933") from None
    if not crs.is_projected:
        raise DataError(
            f"crs = '{name}' is in degrees, in which areas cannot be measured; take one of equal area, "
            "for example ESRI:54017"
        )
    return crs


def square_km(crs: pyproj.CRS) -> float:
    """Square kilometres in one squared map unit."""
    return rio.metres_per_unit(crs) ** 2 / 1e6


def measure(geometry: np.ndarray, crs: pyproj.CRS, target: pyproj.CRS) -> np.ndarray:
    """(N,) area in km2 in the target CRS; 0 for points and for what has no place there."""
    area = shapely.area(project(geometry, crs, target)) * square_km(target)
    return np.where(np.isfinite(area), area, 0.0)


def select(sites: Sites, area: np.ndarray, options: Cleaning, book: Ledger) -> tuple[Sites, np.ndarray]:
    """Steps 1 to 3: drop what is not in force, biosphere reserves and points without an area."""

    def drop(step: str, reason: str, gone: np.ndarray, always: bool = True) -> None:
        nonlocal sites, area
        if always or gone.any():
            book.record(step, reason, sites.table, area, area, gone)
            sites, area = sites.take(~gone), area[~gone]

    kept = {status.lower() for status in options.statuses}
    status = sites.table["status"].str.lower()
    for value in sorted(set(sites.table["status"][~status.isin(kept)])):
        drop("status", value or "empty", (sites.table["status"] == value).to_numpy())
    if not any(row["step"] == "status" for row in book.steps):
        drop("status", "all in force", np.zeros(len(sites), dtype=bool))
    if not options.keep_mab:
        reserve = sites.table["desig_eng"].str.lower() == MAB.lower()
        drop("MAB", MAB, reserve.to_numpy())
    reported = sites.table["rep_area_km2"].to_numpy(dtype=np.float64)
    drop("point", "point without REP_AREA", repair.is_point(sites.geometry) & ~(reported > 0))
    empty = ~repair.is_point(sites.geometry) & ~repair.is_polygon(sites.geometry)
    drop("geometry", "no geometry", empty, always=False)
    return sites, area


def draw(sites: Sites, area: np.ndarray, target: pyproj.CRS, book: Ledger) -> tuple[Sites, np.ndarray]:
    """Step 4: cut at the dateline, project."""
    geometry = sites.geometry
    if sites.crs.is_geographic:
        geometry = repair.wrapped(geometry)
        after = measure(geometry, sites.crs, target)
        book.record("dateline", "cut at 180 degrees", sites.table, area, after)
        area = after
    geometry = project(geometry, sites.crs, target)
    lost = ~np.isfinite(shapely.bounds(geometry)).all(axis=1)
    after = np.where(lost, 0.0, shapely.area(np.where(lost, shapely.Polygon(), geometry)) * square_km(target))
    name = rio.crs_name(target)
    book.record("project", f"to {name}" if not lost.any() else f"no place in {name}", sites.table, area, after, lost)
    moved = replace(sites, geometry=geometry, crs=target)
    return moved.take(~lost), after[~lost]


def mend(sites: Sites, area: np.ndarray, options: Cleaning, book: Ledger) -> tuple[Sites, np.ndarray]:
    """Steps 5 and 6: circles for points; repair and snap."""
    unit = square_km(sites.crs)
    geometry = sites.geometry.copy()
    point = repair.is_point(geometry)
    if point.any():
        reported = sites.table["rep_area_km2"].to_numpy(dtype=np.float64)[point]
        geometry[point] = repair.circles(geometry[point], reported / unit)
    after = shapely.area(geometry) * unit
    book.record("buffer", "point to circle of REP_AREA", sites.table, area, after)
    area = after
    for step, snap in (("repair", 0.0), ("snap", options.snap_m / rio.metres_per_unit(sites.crs))):
        if step == "snap" and snap == 0:
            continue
        geometry = repair.repaired(geometry, snap)
        after = shapely.area(geometry) * unit
        gone = shapely.is_empty(geometry)
        reason = "valid rings" if step == "repair" else f"corners to {options.snap_m:g} m"
        book.record(step, reason, sites.table, area, after, gone)
        sites = replace(sites, geometry=geometry).take(~gone)
        geometry, area = sites.geometry, after[~gone]
    return replace(sites, geometry=geometry), area


def cut(sites: Sites, area: np.ndarray, options: Cleaning, book: Ledger) -> tuple[Sites, np.ndarray]:
    """Cut to the polygons of `within` and `land`."""
    for step, reference in (("within", options.within), ("land", options.land)):
        if reference is None:
            continue
        mask = read_mask(reference, sites.crs)
        geometry = sites.geometry.copy()
        if step == "within":
            geometry = repair.cut_to(geometry, mask)
        else:
            realm = sites.table["realm"].to_numpy()
            if not (realm != "").any():
                raise DataError("land: the sites have no REALM or MARINE, which says what is to be cut to the land")
            for name, inside in (("Terrestrial", True), ("Marine", False)):
                which = realm == name
                geometry[which] = repair.cut_to(geometry[which], mask, keep_inside=inside)
        after = shapely.area(geometry) * square_km(sites.crs)
        gone = shapely.is_empty(geometry)
        book.record("clip", f"{step}: {Path(reference).name}", sites.table, area, after, gone)
        sites, area = replace(sites, geometry=geometry).take(~gone), after[~gone]
    return sites, area


def read_mask(reference: str, crs: pyproj.CRS) -> np.ndarray:
    """Polygons of a file in a CRS, repaired.

    Raises
    ------
    DataError
    """
    frame, where = read_frame(reference)
    if frame.crs is None:
        raise DataError(f"{where}: the file has no CRS; write it into the file ('Assign projection' in QGIS)")
    geometry = np.asarray(frame.geometry.array, dtype=object)
    geometry = geometry[repair.is_polygon(geometry)]
    if len(geometry) == 0:
        raise DataError(f"{where}: there are no polygons in it")
    geometry = project(shapely.force_2d(geometry), pyproj.CRS(frame.crs), crs)
    return shapely.get_parts(repair.repaired(geometry))


def gaps(table: pd.DataFrame) -> list[str]:
    """Say where the public database is known to be far from complete."""
    if not table["iso3"].str.contains("CHN").any():
        return []
    return [
        "most protected areas of China are missing from the public WDPA since 2019; shares for CHN are far too low "
        "unless the file was completed from national sources"
    ]


def distortion(sites: Sites, crs: pyproj.CRS) -> list[str]:
    """Say by how much a CRS that is not of equal area stretches areas around the sites."""
    middle = shapely.centroid(sites.geometry)
    lonlat = pyproj.Transformer.from_crs(crs, crs.geodetic_crs or "EPSG:4326", always_xy=True)
    lon, lat = lonlat.transform(shapely.get_x(middle), shapely.get_y(middle))
    scale = np.asarray(pyproj.Proj(crs).get_factors(lon, lat).areal_scale)
    scale = scale[np.isfinite(scale)]
    if len(scale) == 0 or np.abs(scale - 1).max() <= EQUAL_AREA:
        return []
    return [
        f"{rio.crs_name(crs)} is not of equal area: areas here are {scale.min():.4f} to {scale.max():.4f} times those "
        "on the ground"
    ]
