"""What two lines have in common: kept, added, removed; whoever drew them, as rasters or polygons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import rasterio.features
import shapely
from rasterio.warp import Resampling, reproject

from prioritize.errors import DataError
from prioritize.formats import _rasterio as rio
from prioritize.formats import raster
from prioritize.formats.vector import read_polygons
from prioritize.landscape import some
from prioritize.output import drafted, guard_path
from prioritize.redline.files import write_vector
from prioritize.redline.lines import RasterLine, VectorLine, rasterised, read_line
from prioritize.table import Table, write_tables

KEPT, ADDED, REMOVED = 1, 2, 3
CHANGES = {KEPT: "kept", ADDED: "added", REMOVED: "removed"}
#: equal-area, for polygons in degrees or on a map that stretches areas
EQUAL_AREA = "EPSG:6933"


@dataclass(frozen=True, eq=False)
class Difference:
    """Two lines compared.

    Attributes
    ----------
    table : Table
        By region: km2 before, after, kept, added, removed, and the Jaccard index.
    pieces : GeoDataFrame
        Polygons by `change` (kept, added, removed) with `area_km2`.
    """

    table: Table
    pieces: geopandas.GeoDataFrame


def compare_lines(
    old: Path, new: Path, regions: Path | None = None, by: str | None = None, folder: Path | None = None
) -> list[Table]:
    """Compare two lines from files, and write the difference where a folder is given.

    Two rasters of one grid are compared cell by cell, two sets of polygons exactly. A raster and polygons: by the
    centres of the raster's cells. Two rasters of different grids: the new one on the old one's, nearest cell.

    Raises
    ------
    DataError
    """
    if folder is not None:
        guard_path(folder)
        if folder.is_dir() and any(folder.iterdir()) and not (folder / "changes.gpkg").exists():
            raise DataError(f"{folder}: holds files that are not a difference; choose another folder with --out")
    first, second = read_line(old), read_line(new)
    named = None if regions is None else read_regions(regions, by)
    difference = compare(first, second, named)
    if folder is not None:
        with drafted(folder) as draft:
            write_vector(difference.pieces, draft / "changes.gpkg", "changes")
            write_tables(draft / "tables", [difference.table])
    return [difference.table]


def read_regions(path: Path, by: str | None) -> geopandas.GeoDataFrame:
    """Polygons of regions with one column `region`."""
    frame = read_polygons(path, None)
    column = by or "name"
    if column not in frame:
        others = [name for name in frame.columns if name != frame.geometry.name]
        raise DataError(f"{path}: there is no column '{column}'; name one with --by: {some(others, 12)}")
    frame = frame.assign(region=frame[column].astype(str))[["region", frame.geometry.name]]
    frame = frame.set_geometry(shapely.make_valid(frame.geometry.to_numpy()), crs=frame.crs)
    return frame.dissolve("region", sort=True).reset_index()


def compare(
    old: RasterLine | VectorLine, new: RasterLine | VectorLine, regions: geopandas.GeoDataFrame | None = None
) -> Difference:
    """Compare two lines that were read."""
    if isinstance(old, VectorLine) and isinstance(new, VectorLine):
        return compare_vectors(old, new, regions)
    if isinstance(old, RasterLine) and isinstance(new, RasterLine):
        return compare_rasters(old, *on_grid(new, old), regions)
    if isinstance(old, RasterLine) and isinstance(new, VectorLine):
        note = f"{new.name} was laid over the cells of {old.frame.name}: a cell is inside by its centre."
        return compare_rasters(old, rasterised(new, old.frame), note, regions)
    assert isinstance(old, VectorLine) and isinstance(new, RasterLine)
    note = f"{old.name} was laid over the cells of {new.frame.name}: a cell is inside by its centre."
    return compare_rasters(replace(new, inside=rasterised(old, new.frame)), new.inside, note, regions)


def on_grid(line: RasterLine, like: RasterLine) -> tuple[np.ndarray, str]:
    """A raster line on another grid (nearest cell), and what to tell about it."""
    differs = rio.difference(line.frame, like.frame)
    if differs is None:
        return line.inside, ""
    if (line.frame.crs is None) != (like.frame.crs is None):
        raise DataError(f"{line.frame.name}: {differs}; assign the missing CRS")
    crs = rio.UNKNOWN_CRS if like.frame.crs is None else like.frame.crs.to_wkt()
    own = rio.UNKNOWN_CRS if line.frame.crs is None else line.frame.crs.to_wkt()
    moved = np.zeros(like.frame.shape, np.uint8)
    reproject(
        line.inside.astype(np.uint8),
        moved,
        src_transform=line.frame.transform,
        src_crs=own,
        dst_transform=like.frame.transform,
        dst_crs=crs,
        resampling=Resampling.nearest,
    )
    return moved != 0, f"{line.frame.name} was brought to the grid of {like.frame.name}, nearest cell ({differs})."


def compare_rasters(old: RasterLine, new: np.ndarray, note: str, regions: geopandas.GeoDataFrame | None) -> Difference:
    """Compare cell by cell."""
    from prioritize_kernels.redline import cross_sum

    frame, inside = old.frame, old.inside
    rows, columns = frame.shape
    area, _, notes = raster.measure(np.arange(rows, dtype=np.int64) * columns, frame)
    change = np.zeros(frame.shape, np.uint8)
    change[inside & new] = KEPT
    change[~inside & new] = ADDED
    change[inside & ~new] = REMOVED
    names = ["all"]
    totals = np.zeros((1, 4))
    cross_sum(np.zeros(frame.shape, np.int32), change, area, totals)
    if regions is not None:
        placed = regions if frame.crs is None else regions.to_crs(frame.crs)
        codes = rasterio.features.rasterize(
            zip(placed.geometry, range(len(placed))), frame.shape, fill=-1, transform=frame.transform, dtype="int32"
        )
        by_region = np.zeros((len(placed), 4))
        cross_sum(codes, change, area, by_region)
        names += list(placed["region"])
        totals = np.vstack([totals, by_region])
    outlines: dict[int, list[shapely.Geometry]] = {code: [] for code in CHANGES}
    for outline, value in rasterio.features.shapes(change, mask=change > 0, connectivity=4, transform=frame.transform):
        rings = outline["coordinates"]
        outlines[int(value)].append(shapely.Polygon(rings[0], rings[1:]))
    found = [(code, part) for code, parts in outlines.items() for part in parts]
    # areas of pieces: the map's own, cells of a grid in degrees have them measured from the ellipsoid in the table
    pieces = geopandas.GeoDataFrame(
        {"change": [CHANGES[code] for code, _ in found]}, geometry=[part for _, part in found], crs=frame.crs
    )
    pieces.insert(1, "area_km2", areas_km2(pieces.geometry))
    return Difference(table_of(names, totals[:, KEPT], totals[:, ADDED], totals[:, REMOVED], [*notes, note]), pieces)


def compare_vectors(old: VectorLine, new: VectorLine, regions: geopandas.GeoDataFrame | None) -> Difference:
    """Compare polygons exactly."""
    if (old.crs is None) != (new.crs is None):
        silent = old.name if old.crs is None else new.name
        raise DataError(f"{silent}: has no CRS, so it cannot be laid over the other line; assign one")
    other = new.geometry
    if not rio.same_crs(old.crs, new.crs):
        other = geopandas.GeoSeries([other], crs=new.crs).to_crs(old.crs).iloc[0]
    parts = {
        KEPT: shapely.intersection(old.geometry, other),
        ADDED: shapely.difference(other, old.geometry),
        REMOVED: shapely.difference(old.geometry, other),
    }
    found = [(code, piece) for code, part in parts.items() for piece in polygons_in(part)]
    pieces = geopandas.GeoDataFrame(
        {"change": [CHANGES[code] for code, _ in found]}, geometry=[piece for _, piece in found], crs=old.crs
    )
    pieces.insert(1, "area_km2", areas_km2(pieces.geometry))
    names, rows = ["all"], [[pieces["area_km2"][pieces["change"] == name].sum() for name in CHANGES.values()]]
    if regions is not None:
        placed = regions if old.crs is None else regions.to_crs(old.crs)
        for name, shape in zip(placed["region"], placed.geometry):
            cut = geopandas.GeoSeries([shapely.intersection(part, shape) for part in parts.values()], crs=old.crs)
            names.append(name)
            rows.append(areas_km2(cut).tolist())
    kept, added, removed = np.array(rows).T
    note = "Areas are measured on an equal-area map." if measured_elsewhere(pieces.crs) else ""
    return Difference(table_of(names, kept, added, removed, [note]), pieces)


def polygons_in(geometry: shapely.Geometry) -> list[shapely.Geometry]:
    """The polygons of a geometry; lines and points, where two outlines only touch, are left out."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return [part for part in parts if part.geom_type == "Polygon" and part.area > 0]


def measured_elsewhere(crs: object) -> bool:
    """Whether areas have to be measured on another map: degrees, or a projection that is not equal-area."""
    plain = rio.plain_crs(crs)  # type: ignore[arg-type]
    if plain is None:
        return False
    if plain.is_geographic:
        return True
    method = plain.coordinate_operation.method_name.lower() if plain.coordinate_operation else ""
    return not ("equal area" in method or "albers" in method)


def areas_km2(geometry: geopandas.GeoSeries) -> np.ndarray:
    """km2 of each geometry; without a CRS map units are taken to be metres."""
    if measured_elsewhere(geometry.crs):
        return geometry.to_crs(EQUAL_AREA).area.to_numpy() / 1e6
    metre = rio.metres_per_unit(rio.plain_crs(geometry.crs))
    return geometry.area.to_numpy() * metre**2 / 1e6


def table_of(names: list[str], kept: np.ndarray, added: np.ndarray, removed: np.ndarray, notes: list[str]) -> Table:
    """The difference as a table."""
    either = kept + added + removed
    frame = pd.DataFrame(
        {
            "region": names,
            "old_km2": kept + removed,
            "new_km2": kept + added,
            "kept_km2": kept,
            "added_km2": added,
            "removed_km2": removed,
            "net_km2": added - removed,
            "jaccard": np.divide(kept, either, out=np.zeros_like(either), where=either > 0),
        }
    )
    columns = {
        "region": "Region; `all` is the whole map.",
        "old_km2": "Area inside the old line.",
        "new_km2": "Area inside the new line.",
        "kept_km2": "Area inside both.",
        "added_km2": "Area inside the new line only.",
        "removed_km2": "Area inside the old line only.",
        "net_km2": "Added less removed.",
        "jaccard": "Kept area as a share of the area inside either line: 1 where they are the same.",
    }
    return Table("redline_difference", "What changed", frame, columns, " ".join(note for note in notes if note))
