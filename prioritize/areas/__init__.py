"""Protected areas and OECMs: from WDPA, WD-OECM or WDPCA as published to areas that are counted once.

cleaned = areas.clean(["WDPA_polygons.gpkg", "WDPA_points.gpkg"])
flat = areas.flatten_polygons(cleaned)         # or flatten_cells(cleaned, areas.grid_of(cleaned, 1000))
flat.accounting, flat.overlaps, flat.ledger.step_table
tenure = areas.shares_of(cleaned, landscape.place)   # share of each planning unit by class
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from prioritize.areas.cells import FlatCells, check_grid, flatten_cells, grid_of, strips
from prioritize.areas.clean import Cleaned, Cleaning, clean
from prioritize.areas.flatten import Flat, FlatPolygons, flatten_polygons
from prioritize.areas.read import Sites, read_sites

if TYPE_CHECKING:
    from prioritize.place import Place

__all__ = [
    "Cleaned",
    "Cleaning",
    "Flat",
    "FlatCells",
    "FlatPolygons",
    "Sites",
    "check_grid",
    "clean",
    "flatten_cells",
    "flatten_polygons",
    "grid_of",
    "read_sites",
    "shares_of",
]


def shares_of(cleaned: Cleaned, place: Place) -> pd.DataFrame:
    """Share of each planning unit that each class covers, each piece of land counted once.

    Parameters
    ----------
    cleaned : Cleaned
    place : Grid or Polygons
        Where the units are (`landscape.place`).

    Returns
    -------
    DataFrame of U rows and K columns
        One column a class, in [0, 1]; rows sum to the share of the unit that is protected or conserved at all.

    Raises
    ------
    DataError
        If the units have no place or no CRS.
    """
    import pyproj
    import shapely
    from rasterio.transform import Affine

    from prioritize.areas import share
    from prioritize.areas.read import project
    from prioritize.errors import DataError
    from prioritize.formats import _rasterio as rio
    from prioritize.place import Grid, Polygons

    classes = len(cleaned.classes)
    values: np.ndarray
    if isinstance(place, Grid):
        crs = None if place.crs is None else pyproj.CRS(place.crs)
        frame = rio.Frame("the planning units", (place.shape[0], place.shape[1]), Affine(*place.transform), crs)
        geometry = project(cleaned.sites.geometry, cleaned.sites.crs, check_grid(frame))
        whole = np.zeros((classes, place.shape[0] * place.shape[1]))
        for rows, strip, members in strips(geometry, frame):
            meet = share.meet_cells(geometry[members], strip)
            cells = strip.shape[0] * strip.shape[1]
            where = cleaned.code[members[meet.site]] * np.int64(cells) + meet.unit
            burnt = np.bincount(where, weights=share.marginal(meet), minlength=classes * cells)
            start = rows.start * strip.shape[1]
            whole[:, start : start + cells] = burnt.reshape(classes, cells)
        values = whole[:, place.cell].T
    elif isinstance(place, Polygons):
        if place.geometry.crs is None:
            raise DataError("the planning units have no CRS, so protected areas cannot be laid over them")
        # the units are moved to the sites, which lie in a CRS of equal area
        units = project(np.asarray(place.geometry.array, object), pyproj.CRS(place.geometry.crs), cleaned.sites.crs)
        meet = share.meet_polygons(cleaned.sites.geometry, shapely.make_valid(units))
        where = meet.unit * classes + cleaned.code[meet.site]
        values = np.bincount(where, weights=share.marginal(meet), minlength=len(units) * classes)
        values = values.reshape(len(units), classes)
    else:
        raise DataError("the planning units have no place, so protected areas cannot be laid over them")
    return pd.DataFrame(np.minimum(values, 1.0), columns=list(cleaned.classes))
