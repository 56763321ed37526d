"""From vector files to Sites: attributes under one schema, geometry in one CRS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import shapely

from prioritize.areas import schema
from prioritize.errors import DataError, Faults
from prioritize.formats import _rasterio as rio
from prioritize.formats._archives import choose_layer, is_packed, packed_layers, shown
from prioritize.inputfile import gate, gate_gdal, no_file
from prioritize.landscape import some

PARQUET = frozenset({".parquet", ".geoparquet", ".pq"})


@dataclass(frozen=True, eq=False)
class Sites:
    """Protected areas and OECMs (N rows: one a parcel, as in the database).

    Attributes
    ----------
    table : DataFrame of N rows
        The fields of `schema.ALIASES`.
    geometry : (N,) object array of shapely geometries
    crs : pyproj.CRS
    notes : tuple of str
        What was assumed.
    """

    table: pd.DataFrame
    geometry: np.ndarray = field(repr=False)
    crs: pyproj.CRS
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def take(self, which: np.ndarray) -> Sites:
        """The sites of a mask or of an order."""
        return replace(self, table=self.table.iloc[which].reset_index(drop=True), geometry=self.geometry[which])

    @property
    def frame(self) -> geopandas.GeoDataFrame:
        """Table and geometry together."""
        return geopandas.GeoDataFrame(self.table, geometry=self.geometry, crs=self.crs)


def read_sites(
    files: Sequence[str | Path],
    fields: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
) -> Sites:
    """Read and join files of WDPA, WD-OECM or WDPCA, whatever their field names.

    The order of rows and files leaves no trace: sites are sorted by id, parcel and geometry.

    Parameters
    ----------
    files : sequence of path or `path#layer`
        GeoPackage, Shapefile, File GDB, GeoParquet, GeoJSON, ...; polygons and points.
    fields, values : mapping, optional
        As in `schema.canonical`, for files with other columns.

    Returns
    -------
    Sites
        In the CRS of the first file.

    Raises
    ------
    DataError
        With the faults of all files.
    """
    faults = Faults(DataError)
    parts: list[Sites] = []
    for key in sorted({*(fields or {}), *(values or {})}):
        if schema.our_name(key) not in schema.ALIASES:
            known = some([aliases[0] for aliases in schema.ALIASES.values()], 40)
            faults.add(f"'{key}' is not a field of the database; it has {known}")
    found: list[str] = []
    for reference in files:
        with rio.catching(faults):
            found += unpacked(str(reference))
    files = found
    for reference in files:
        with rio.catching(faults):
            parts.append(one_file(str(reference), fields, values, faults))
    faults.raise_any()
    if not parts:
        raise DataError("no file of protected areas was given")
    crs, notes = parts[0].crs, [note for part in parts for note in part.notes]
    geometry = []
    for part, reference in zip(parts, files, strict=True):
        if rio.same_crs(part.crs, crs):
            geometry.append(part.geometry)
        else:
            notes.append(f"{reference}: reprojected from {rio.crs_name(part.crs)} to {rio.crs_name(crs)}")
            geometry.append(project(part.geometry, part.crs, crs))
    table = pd.concat([part.table for part in parts], ignore_index=True)
    return ordered(Sites(table, np.concatenate(geometry), crs, tuple(notes)))


def ordered(sites: Sites) -> Sites:
    """Sites sorted by id, parcel, geometry and the other fields: one order, whatever the files' was."""
    keys = sites.table.assign(
        number=pd.to_numeric(sites.table["site_id"], errors="coerce").fillna(np.inf),
        shape=shapely.to_wkb(sites.geometry),
    )
    keys["shape"] = keys["shape"].map(lambda wkb: wkb or b"")
    others = [name for name in schema.ALIASES if name not in ("site_id", "site_pid")]
    order = keys.sort_values(["number", "site_id", "site_pid", "shape", *others], kind="stable").index.to_numpy()
    return sites.take(order)


def one_file(
    reference: str, fields: Mapping[str, str] | None, values: Mapping[str, str] | None, faults: Faults
) -> Sites:
    """Read one file or layer; faults of its fields are added, others raised as DataError."""
    frame, where = read_frame(reference)
    if frame.crs is None:
        faults.add(
            f"{where}: the file has no CRS, so areas are unknown; write it into the file "
            "('Assign projection' in QGIS, GeoDataFrame.set_crs in Python; WDPA files are EPSG:4326)"
        )
    attributes = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    table, notes = schema.canonical(attributes, where, faults, fields, values)
    geometry = np.asarray(frame.geometry.array, dtype=object)
    # curves of File GDBs arrive as lines or collections: they have no area and are told of, not dropped silently
    kinds = np.unique([item.geom_type for item in geometry if item is not None])
    strange = sorted(set(kinds) - {"Polygon", "MultiPolygon", "Point", "MultiPoint"})
    if strange:
        faults.add(f"{where}: sites must be polygons or points; there are {some(strange)}")
    crs = frame.crs or pyproj.CRS("EPSG:4326")
    return Sites(table, shapely.force_2d(geometry), pyproj.CRS(crs), tuple(notes))


def read_frame(reference: str) -> tuple[geopandas.GeoDataFrame, str]:
    """Read `path` or `path#layer`, or say in one sentence why it cannot be read.

    Raises
    ------
    DataError
    """
    path, layer = split(reference)
    inside = reference.startswith("/vsi")
    if not inside:
        gate_gdal(path)
    if not inside and not path.exists():
        raise DataError(no_file(path))
    try:
        if path.suffix.lower() in PARQUET:
            if layer is not None:
                raise DataError(f"{path}: a Parquet file has no layers; leave '#{layer}' out")
            frame = geopandas.read_parquet(path)
        else:
            # GDAL's own names are no paths: two slashes in them mean something
            source = reference.rpartition("#")[0] if inside else str(path)
            name = choose_layer(path, layer, pyogrio.list_layers(source), f"write '{path.name}#LAYER' with one of")
            frame = pyogrio.read_dataframe(source, layer=name, force_2d=True)
    except DataError:
        raise
    except (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        shapely.errors.ShapelyError,
        ValueError,
        OSError,
    ) as error:
        reason = str(error).splitlines()[0].partition(";")[0].rstrip(".")  # behind it: advice for programmers
        raise DataError(
            f"{path}: not a vector file that can be read ({reason}); "
            "give a GeoPackage, Shapefile, File GDB, GeoParquet or GeoJSON"
        ) from None
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise DataError(f"{reference}: there are no geometries in it, only a table; it has {schema.listed(frame)}")
    if len(frame) == 0:
        raise DataError(f"{reference}: there are no sites in it (0 rows)")
    return frame.reset_index(drop=True), shown(reference)


def unpacked(reference: str) -> list[str]:
    """The layers of an archive, all that have geometries or the one asked for; else the reference itself.

    Raises
    ------
    DataError
        If the archive cannot be read, or has no such layer.
    """
    path, layer = split(reference)
    if not is_packed(path) or not gate(path).is_file():
        return [reference]
    layers = packed_layers(path)
    if layer is not None:
        layers = [item for item in layers if item[1] == layer]
        if not layers:
            known = some([name for _, name, _ in packed_layers(path)], 10)
            raise DataError(f"{path}: there is no layer '{layer}'; it has {known}")
    found = [f"{source}#{name}" for source, name, spatial in layers if spatial]
    if not found:
        raise DataError(f"{path}: there are no geometries in it, only tables")
    return found


def split(reference: str) -> tuple[Path, str | None]:
    """`path#layer` -> path and layer; a file whose own name holds `#` wins."""
    path, mark, layer = reference.rpartition("#")
    if reference.startswith("/vsi"):
        return Path(path), layer
    if not mark or Path(reference).exists():
        return Path(reference), None
    return Path(path), layer


def project(geometry: np.ndarray, source: pyproj.CRS, target: pyproj.CRS) -> np.ndarray:
    """Geometries in another CRS, vertex by vertex; what has no place there gets infinite coordinates."""
    if source == target:
        return geometry
    transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)

    def move(xy: np.ndarray) -> np.ndarray:
        return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))

    return np.asarray(shapely.transform(geometry, move), dtype=object)
