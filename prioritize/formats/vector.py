"""Planning units that are polygons; features are their columns, or rasters intersected with them."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import shapely
from pydantic import Field
from scipy import sparse

from prioritize.errors import DataError, Faults
from prioritize.formats import _borders as borders
from prioritize.formats import _coverage as coverage
from prioritize.formats import _rasterio as rio
from prioritize.formats._archives import choose_layer, is_packed, packed_layers
from prioritize.formats._classes import matches, with_classes
from prioritize.formats._ground import NOT_EQUAL, is_distorted, to_degrees
from prioritize.inputfile import gate_gdal, no_file
from prioritize.landscape import Graph, some
from prioritize.place import Polygons
from prioritize.source import EXACT, LandscapeConfig, Source
from prioritize.texttable import NUMBER

PARQUET = frozenset({".parquet", ".geoparquet", ".pq"})

# shares of the smaller of two overlapping units: digitising error below the first, worth telling between them,
# and beyond the second hardly two units at all
OVERLAP_TOLD, OVERLAP_REFUSED = 1e-3, 0.5


class Vector(LandscapeConfig):
    """Polygons. A reference is a column of theirs; among the features also a raster, `path` or `path#band`."""

    format: Literal["vector"] = "vector"
    units: Path = Field(description="file of polygons: GeoPackage, GeoParquet, Shapefile, GeoJSON, ...")
    layer: str | None = Field(None, description="layer of the file, where it has several")
    id: str | None = Field(None, description="column of whole numbers that name the units; 1, 2, 3, ... if absent")
    align: rio.Align | None = Field(
        None, description="resample feature rasters that have another CRS; without it they are an error"
    )
    touch_tolerance: float | None = Field(
        None, ge=0, description="gap, in map units, up to which borders touch; 1e-5 of a unit's width if absent"
    )

    stacked: bool = Field(False, description="units may lie over each other, as layers of depth do")

    def open(self, seed: int) -> Source:
        """Read the polygons, measure them, and find what each holds of each feature.

        Returns
        -------
        Source
            An amount from a raster is the sum of cell values times the fraction of the cell inside the polygon, and
            `total` the sum over all valid cells, inside polygons or not. For a column it is the sum over the units.

        Raises
        ------
        DataError
            With every fault found.
        """
        faults = Faults(DataError)
        table = Columns(read_polygons(self.units, self.layer), self.units.name)
        geometry = check_geometry(table.frame, self.units, faults)
        unit_id = self._ids(table, faults)
        for what, reference in rio.number_references(self).items():
            with rio.catching(faults, f"landscape.{what}"):
                table.numbers(reference, missing=what != "cost")
        for what, reference in rio.group_references(self).items():
            with rio.catching(faults, f"landscape.{what}"):
                table.labels(reference)
        columns, rasters, notes = self._features(table, faults)
        bands = rio.feature_bands(rasters, faults)
        bands, about = with_classes(bands, self.classes, faults)
        for name in sorted({band.name for band in bands} & set(columns)):
            faults.add(f"{self.units}: '{name}' is a column as well as a raster feature; rename one of them")
        crs = rio.plain_crs(table.frame.crs)
        # without a CRS of the units, which is a fault already, there is nothing to compare with
        for path in dict.fromkeys(band.path for band in bands if table.frame.crs is not None):
            with rio.catching(faults):
                self._check_grid(path, crs)
        faults.raise_any()

        ruler = ruler_of(crs, tuple(shapely.total_bounds(geometry)))
        if ruler.turned is not None:
            notes.append(f"{self.units.name} is in {rio.crs_name(crs)}, {NOT_EQUAL}")
        if crs is None:
            notes.append(f"{self.units.name} lies in a local plane: its map units are taken to be metres")
        notes += about + check_overlaps(geometry, unit_id, self.units, self.stacked, bool(bands))
        tolerance = self.touch_tolerance if self.touch_tolerance is not None else borders.default_tolerance(geometry)
        of_columns, empty = table.amounts(columns)
        notes += empty
        of_rasters, total, told = coverage.intersect(
            bands, geometry, crs, self.align, faults, [matches(band, self.density) for band in bands]
        )
        faults.raise_any()
        amount = sparse.csr_array(sparse.vstack([of_columns, of_rasters], format="csr"))
        names = np.array([*columns, *(band.name for band in bands)], dtype=object)
        absent = np.diff(amount.indptr) == 0
        if absent.any():
            notes.append(f"{int(absent.sum())} features have no amount in any unit: {some(names[absent])}")
        graph = borders.polygon_graph(geometry, ruler, tolerance)
        notes += told_near(geometry, graph, tolerance, self.touch_tolerance is not None)
        return Source(
            name=self.units.name,
            unit_id=unit_id,
            area_km2=ruler.area_km2(geometry),
            amount=amount,
            features=pd.DataFrame(
                {
                    "name": names,
                    "total": np.concatenate([of_columns.sum(axis=1), total]),
                    "unit": ["amount"] * len(columns) + [band.unit for band in bands],
                }
            ),
            graph=graph,
            place=Polygons(geopandas.GeoSeries(geometry, crs=table.frame.crs)),
            read=table.read,
            labels=table.labels,
            notes=[*notes, *told],
        )

    def files(self) -> list[Path]:
        """Every file that the landscape depends on; of a Shapefile, the files beside it too."""
        paths = (
            sorted(path for path in self.units.rglob("*") if path.is_file()) if self.units.is_dir() else [self.units]
        )
        if self.units.suffix.lower() == ".shp":
            beside = (self.units.with_suffix(suffix) for suffix in (".dbf", ".shx", ".prj", ".cpg"))
            paths += [path for path in beside if path.exists()]
        for reference in rio.feature_references(self):
            if rio.is_raster(reference):
                paths += rio.paths_of(reference)
        if self.feature_table is not None:
            paths.append(self.feature_table)
        return list(dict.fromkeys(paths))

    def _check_grid(self, path: Path, crs: pyproj.CRS | None) -> None:
        """Raise DataError if a raster cannot be laid over the polygons as it is and may not be resampled."""
        with rio.open_raster(path) as dataset:
            frame = rio.frame_of(dataset)
        if not rio.same_crs(frame.crs, crs):
            differs = f"{path}: {rio.crs_name(frame.crs)}, but {self.units.name} has {rio.crs_name(crs)}"
            if frame.crs is None or crs is None:
                silent = path if frame.crs is None else self.units.name
                raise DataError(f"{differs}; write the CRS into {silent} ('Assign projection' in QGIS)")
            if self.align is None:
                raise DataError(
                    f'{differs}; set landscape.align = "nearest" (categories) or "bilinear" (quantities) to resample '
                    "it, or bring both to one CRS"
                )
        elif (frame.transform.b or frame.transform.d) and (self.align is None or frame.crs is None):
            raise DataError(
                f'{path}: the grid is turned against the map; set landscape.align = "nearest" or "bilinear" '
                "to resample it, or warp it to a north-up grid (gdalwarp)"
            )

    def _ids(self, table: Columns, faults: Faults) -> np.ndarray:
        """(U,) int64."""
        count = len(table.frame)
        plain = values = np.arange(1, count + 1)
        if self.id is None:
            return plain
        with rio.catching(faults, "landscape.id"):
            named = numbers_in(table.column(self.id))
            if not pd.api.types.is_numeric_dtype(named):
                raise DataError(
                    f"{self.units}: column '{self.id}' holds {_kind(named)}, but ids are whole numbers; leave "
                    "landscape.id out to number the units 1, 2, 3, ..."
                )
            values = table.numbers(self.id, missing=False)
        broken = values != np.round(values)
        if broken.any():
            faults.add(f"{self.units}: id {some(values[broken])} in column '{self.id}' is not a whole number")
            return plain
        huge = np.abs(values) >= EXACT
        if huge.any():
            faults.add(
                f"{self.units}: id {some(table.column(self.id)[huge])} in column '{self.id}' is too large to be told "
                f"from its neighbours; give ids below {EXACT}"
            )
            return plain
        ids, times = np.unique(values.astype(np.int64), return_counts=True)
        if times.max() > 1:
            faults.add(
                f"{self.units}: duplicate id {some(ids[times > 1])} in column '{self.id}'; every unit needs its own "
                "id (leave landscape.id out to number the units 1, 2, 3, ...)"
            )
        return values.astype(np.int64)

    def _features(self, table: Columns, faults: Faults) -> tuple[list[str], list[str], list[str]]:
        """Sort what `features` names into columns and rasters; all spare columns of numbers where it is absent."""
        if self.features is None:
            references = [*rio.number_references(self).values(), *rio.group_references(self).values()]
            taken = {self.id, *references, *self.layers.values()}
            spare = [
                name
                for name in table.names
                if name not in taken and name.lower() not in ("id", "fid", "objectid") and table.holds_amounts(name)
            ]
            if not spare:
                faults.add(
                    f"{self.units}: landscape.features is missing, and no column of numbers is left to be a feature; "
                    "name columns or rasters (or write features = [] if there are none)"
                )
            return spare, [], [f"features = all columns of numbers that nothing else names: {some(spare, 8)}"]
        columns: list[str] = []
        rasters: list[str] = []
        for reference in rio.feature_references(self):
            if reference in table.names:
                columns.append(reference)
            elif rio.is_raster(reference):
                rasters.append(reference)
            else:
                found = [name for name in table.names if fnmatch.fnmatchcase(name, reference)]
                with rio.catching(faults, "landscape.features"):
                    columns += found or [str(table.column(reference).name)]
        columns = list(dict.fromkeys(columns))
        for name in columns:
            with rio.catching(faults, "landscape.features"):
                table.numbers(name)
        return columns, rasters, []


@dataclass(frozen=True)
class Columns:
    """The attributes of the units, asked for by name.

    Attributes
    ----------
    frame : GeoDataFrame of U rows
    where : str
        How faults name it.
    """

    frame: geopandas.GeoDataFrame
    where: str

    @property
    def names(self) -> list[str]:
        """All columns but the geometry."""
        return [str(name) for name in self.frame.columns if name != self.frame.geometry.name]

    def column(self, reference: str) -> pd.Series:
        """Find a column, or raise DataError with the nearest name there is."""
        if reference in self.names:
            return self.frame[reference]
        if rio.is_raster(reference):
            raise DataError(
                f"{reference}: only features may be rasters here; cost, locks and groups of polygons are columns of "
                f"{self.where}"
            )
        near = difflib.get_close_matches(reference, self.names, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"it has {some(self.names, 10) or 'no columns'}"
        raise DataError(f"{self.where}: there is no column '{reference}'; {hint}")

    def read(self, reference: str, flag: bool = False) -> np.ndarray:
        """Read a column as a unit layer; nothing is ever averaged here, flag or not."""
        return self.numbers(reference)

    def numbers(self, reference: str, missing: bool = True) -> np.ndarray:
        """Read a column of numbers or of yes/no: (U,) float64, NaN where it is empty.

        Parameters
        ----------
        reference : str
        missing : bool
            Whether empty cells are accepted.

        Raises
        ------
        DataError
        """
        # yes/no with gaps comes as objects from some files
        column = numbers_in(self.column(reference).convert_dtypes())
        if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
            raise DataError(f"{self.where}: column '{reference}' holds {_kind(column)}, not numbers")
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        bad = np.isinf(numbers) if missing else ~np.isfinite(numbers)
        if bad.any():
            raise DataError(
                f"{self.where}: column '{reference}' holds no number (empty, NaN or infinite) in {int(bad.sum())} rows "
                f"(rows {some(np.flatnonzero(bad) + 1)}); fill them in, or remove these units"
            )
        return numbers

    def labels(self, reference: str) -> np.ndarray:
        """Read a column of names: (U,) str, None where it is empty. Whole numbers lose their point: 3.0 is `3`."""
        column = self.column(reference)
        missing = column.isna().to_numpy()
        if pd.api.types.is_float_dtype(column) and np.all(column[~missing] == column[~missing].round()):
            column = column.astype("Int64")
        labels = column.astype(str).str.strip().to_numpy(dtype=object)
        labels[missing] = None
        return labels

    def holds_amounts(self, name: str) -> bool:
        """Whether a column is one of numbers (yes/no is not)."""
        kind = self.frame[name].dtype
        return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)

    def amounts(self, names: Sequence[str]) -> tuple[sparse.csr_array, list[str]]:
        """Gather columns as (len(names), U) amounts, and tell where empty cells were taken for zero."""
        notes, rows = [], []
        for name in names:
            values = self.numbers(name)
            empty = np.isnan(values)
            if empty.any():
                notes.append(f"column '{name}' is empty in {int(empty.sum())} units: taken to be 0 there")
            rows.append(sparse.csr_array(np.nan_to_num(values)[None, :]))
        if not rows:
            return sparse.csr_array((0, len(self.frame))), notes
        return sparse.csr_array(sparse.vstack(rows, format="csr")), notes


def numbers_in(column: pd.Series) -> pd.Series:
    """A column of text as numbers, if every text of it is one (a text field of ids, CSV); else as it is."""
    if not (pd.api.types.is_string_dtype(column) or pd.api.types.is_object_dtype(column)):
        return column
    texts = column.astype("string").str.strip()
    texts = texts.mask(texts == "")
    there = texts.notna()
    if not there.any() or not texts[there].str.fullmatch(NUMBER.pattern, flags=NUMBER.flags).all():
        return column
    return pd.to_numeric(texts, errors="coerce").astype("Float64")


def _kind(column: pd.Series) -> str:
    if pd.api.types.is_datetime64_any_dtype(column):
        return "dates"
    first = column.dropna()
    return f"text ({some([repr(item) for item in first], 3)})" if len(first) else "nothing at all"


def read_polygons(path: Path, layer: str | None) -> geopandas.GeoDataFrame:
    """Read a vector file, or say in one sentence why it cannot be read.

    Raises
    ------
    DataError
    """
    gate_gdal(path)
    if not path.exists():
        raise DataError(no_file(path))
    if path.suffix.lower() in PARQUET:
        if layer is not None:
            raise DataError(f"{path}: a Parquet file has no layers; remove landscape.layer = '{layer}'")
        try:
            frame = geopandas.read_parquet(path)
        except (ValueError, OSError) as error:
            raise DataError(f"{path}: not a GeoParquet file ({str(error).splitlines()[0]})") from None
    else:
        try:
            several = "set landscape.layer to one of"
            if is_packed(path):
                packed = packed_layers(path)
                layers = np.array([(name, "" if spatial else None) for _, name, spatial in packed], dtype=object)
                chosen = choose_layer(path, layer, layers, several)
                source = next(source for source, name, _ in packed if name == chosen)
            else:
                source = str(path)
                chosen = choose_layer(path, layer, pyogrio.list_layers(path), several)
            frame = pyogrio.read_dataframe(source, layer=chosen, force_2d=True)
        except (
            pyogrio.errors.DataSourceError,
            pyogrio.errors.DataLayerError,
            pyogrio.errors.GeometryError,
            shapely.errors.ShapelyError,
        ) as error:
            reason = str(error).splitlines()[0].partition(";")[0].rstrip(".")  # behind it: advice for programmers
            raise DataError(
                f"{path}: not a vector file that GDAL can read ({reason}); "
                "give a GeoPackage, GeoParquet, Shapefile or GeoJSON"
            ) from None
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise DataError(f"{path}: there are no geometries in it, only a table; give the file with the polygons")
    if len(frame) == 0:
        raise DataError(f"{path}: there are no planning units in it (0 rows)")
    return frame.reset_index(drop=True)


def check_geometry(frame: geopandas.GeoDataFrame, path: Path, faults: Faults) -> np.ndarray:
    """Return the (U,) polygons, and add what is wrong with them to the faults."""
    geometry = np.asarray(frame.geometry.array)
    if frame.crs is None:
        faults.add(
            f"{path}: the file has no CRS, so areas and lengths are unknown; write it into the file "
            "('Assign projection' in QGIS, GeoDataFrame.set_crs in Python)"
        )
    kinds = shapely.get_type_id(geometry)
    absent = shapely.is_missing(geometry) | shapely.is_empty(geometry)
    if absent.any():
        faults.add(f"{path}: no geometry in {int(absent.sum())} rows {_rows(absent)}; remove or complete them")
    polygonal = np.isin(kinds, (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))
    other = ~polygonal & ~absent
    if other.any():
        found = some(np.unique([item.geom_type for item in geometry[other]]))
        faults.add(f"{path}: planning units must be polygons; {found} in {int(other.sum())} rows {_rows(other)}")
    xy, owner = shapely.get_coordinates(geometry, return_index=True)
    endless = np.zeros(len(geometry), dtype=bool)
    endless[owner[~np.isfinite(xy).all(axis=1)]] = True
    if endless.any():
        faults.add(
            f"{path}: coordinates that are no numbers (NaN or infinite) in {int(endless.sum())} rows {_rows(endless)}; "
            "draw these polygons anew, or remove them"
        )
    with np.errstate(invalid="ignore"):  # GEOS stumbles over such coordinates, which are told of above
        invalid = polygonal & ~absent & ~endless & ~shapely.is_valid(geometry)
    if invalid.any():
        reason = shapely.is_valid_reason(geometry[invalid][0])
        faults.add(
            f"{path}: invalid geometry in {int(invalid.sum())} rows {_rows(invalid)}: {reason}; "
            "repair it ('Fix geometries' in QGIS, GeoSeries.make_valid in Python)"
        )
    return shapely.force_2d(geometry)


def _rows(which: np.ndarray) -> str:
    return f"(rows {some(np.flatnonzero(which) + 1)})"


def check_overlaps(geometry: np.ndarray, unit_id: np.ndarray, path: Path, stacked: bool, rasters: bool) -> list[str]:
    """Tell of units that overlap.

    Parameters
    ----------
    stacked : bool
        Whether units may lie over each other.
    rasters : bool
        Whether features are rasters; where all amounts are columns nothing counts twice, and stacks are accepted.

    Raises
    ------
    DataError
        If two of them are hardly two: what lies in both would count twice.
    """
    pairs, share = borders.overlaps(geometry, OVERLAP_TOLD)
    if len(pairs) == 0:
        return []
    worst = np.argsort(-share, kind="stable")
    named = [f"{one} and {other}" for one, other in unit_id[pairs[worst]].tolist()]
    if share[worst[0]] > OVERLAP_REFUSED and (stacked or not rasters):
        return [
            f"{len(pairs)} pairs of units lie over each other (worst: {named[0]}, {share[worst[0]]:.1%}): areas, and "
            "shares of them that constraints ask for, are sums over units, not of the ground they cover"
            + ("; what a raster holds in both counts twice" if rasters else "")
        ]
    if share[worst[0]] > OVERLAP_REFUSED:
        count = int((share > OVERLAP_REFUSED).sum())
        raise DataError(
            f"{path}: {count} pairs of units overlap by more than {OVERLAP_REFUSED:.0%} of the smaller one "
            f"({some(named[:count], 3)}), so that what lies in both would count twice; cut or remove one of each, "
            "or set landscape.stacked = true if they are layers, as of depth"
        )
    return [
        f"{len(pairs)} pairs of units overlap (worst: {named[0]}, {share[worst[0]]:.1%} of the smaller); "
        "what lies in both counts twice"
    ]


def told_near(geometry: np.ndarray, graph: Graph, tolerance: float, asked: bool) -> list[str]:
    """Tell of units that almost touch: they lie along each other, but share no border."""
    count, gap = borders.near_misses(geometry, graph, tolerance)
    if count == 0:
        return []
    way_out = f"set landscape.touch_tolerance = {gap:.2g}" + (f" (it is {tolerance:g})" if asked else "")
    return [
        f"{count} pairs of units lie within {gap:.2g} map units of each other for more than half the width of a unit "
        f"but share no border, so that they are no neighbours; {way_out} to join them"
    ]


def ruler_of(crs: pyproj.CRS | None, bounds: tuple[float, float, float, float]) -> borders.Ruler:
    """Measure on the ellipsoid where the CRS is in degrees or not of equal area there, else in the plane."""
    if crs is not None and crs.is_geographic:
        return borders.Ruler(geod=crs.get_geod())
    metre = rio.metres_per_unit(crs)
    if crs is not None and is_distorted(crs, bounds, metre):
        return borders.Ruler(metre, crs.get_geod(), to_degrees(crs))
    return borders.Ruler(metre)


MEMBER = Vector
