"""`prioritize connectivity`: how well connected protected areas or habitat patches are, without any optimisation."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prioritize.commands._console import console
from prioritize.commands._live import LiveLine
from prioritize.commands._options import count

if TYPE_CHECKING:
    import pandas as pd

    from prioritize.connectivity.measures import Settings

HELP = "ProtConn, PC, IIC, importance and mesh size of areas on a map"
METRICS = ("protconn", "pc", "iic", "mesh", "city_mesh", "importance")


def configure(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.description = (
        "Measure how well connected protected areas or habitat patches are, region by region: polygons (overlaps "
        "count once), or one raster whose cells above 0 count. Nothing is optimised."
    )
    command.add_argument("layers", nargs="+", metavar="LAYERS", help="polygon files (FILE or FILE#LAYER), or a raster")
    command.add_argument(
        "--metric", action="append", choices=METRICS, help="what to measure (may be repeated; default: protconn)"
    )
    command.add_argument("--regions", metavar="FILE", help="polygons, or a raster of numbers on the same grid")
    command.add_argument("--by", metavar="COLUMN", help="column of the regions' names (default: name, or their number)")
    command.add_argument(
        "--area-km2", type=number, metavar="A", help="area of the region, where there is no file of it"
    )
    command.add_argument(
        "--median-km", type=numbers, default=(10.0,), metavar="D[,D...]", help="dispersal distances (default: 10)"
    )
    command.add_argument(
        "--probability", type=float, default=0.5, metavar="P", help="of dispersing that far (default: 0.5, the median)"
    )
    command.add_argument(
        "--distance", choices=("edge", "centroid"), default="edge", help="how distances are taken (default: edge)"
    )
    command.add_argument("--cutoff", type=float, default=0.0, metavar="P", help="drop links below (default: 0, exact)")
    command.add_argument("--buffer-km", type=float, default=50.0, metavar="D", help="look so far across borders (50)")
    command.add_argument(
        "--transboundary",
        choices=("zero", "peer"),
        default="zero",
        help="areas beyond the border count 0, the definition; or, as Makurhini has it, 1 in each product",
    )
    command.add_argument(
        "--threshold-km", type=number, metavar="D", help="links of iic (default: the dispersal distance)"
    )
    command.add_argument("--gap-m", type=number, default=100.0, metavar="M", help="gap that city_mesh bridges (100)")
    command.add_argument("--touch-m", type=float, default=0.0, metavar="M", help="polygons so near are one node (0)")
    command.add_argument("--separate", action="store_true", help="each polygon is a node; they must not overlap")
    command.add_argument(
        "--value", action="append", type=float, default=[], metavar="V", help="cells that count (default: above 0)"
    )
    command.add_argument("--min-km2", type=float, default=0.0, metavar="A", help="leave smaller areas out (default: 0)")
    command.add_argument("--neighbours", type=int, choices=(4, 8), default=8, help="of cells (default: 8)")
    command.add_argument("--most-nodes", type=count, default=2000, metavar="N", help="most nodes for importance (2000)")
    command.add_argument("--crs", metavar="CODE", help="project polygons, for example to ESRI:54017")
    command.add_argument(
        "--out", type=Path, default=Path("runs/connectivity"), metavar="DIR", help="default: %(default)s"
    )


def number(text: str) -> float:
    """An argument that is a positive number."""
    return numbers(text)[0]


def numbers(text: str) -> tuple[float, ...]:
    """One or more positive numbers, commas between."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = (0.0,)
    if not all(0 < value < float("inf") for value in values):
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")
    return values


def main(options: argparse.Namespace) -> None:
    """`prioritize connectivity`."""
    from prioritize.connectivity.measures import Settings
    from prioritize.connectivity.rasters import drafts
    from prioritize.errors import DataError, Faults
    from prioritize.formats._rasterio import is_raster

    faults = Faults(DataError)
    for name in ("buffer_km", "touch_m", "min_km2"):
        if not 0 <= getattr(options, name) < float("inf"):
            faults.add(f"--{name.replace('_', '-')} {getattr(options, name):g}: must be 0 or more")
    if not 0 < options.probability < 1:
        faults.add(f"--probability {options.probability:g}: must lie between 0 and 1")
    if not 0 <= options.cutoff < 1:
        faults.add(f"--cutoff {options.cutoff:g}: a probability from 0 (exact) to below 1")
    rasters = [layer for layer in options.layers if is_raster(layer)]
    if rasters and len(options.layers) > 1:
        faults.add(f"{rasters[0]}: give one raster, or polygon files, not several layers with a raster among them")
    metrics = tuple(dict.fromkeys(options.metric or ("protconn",)))
    if not options.regions and options.area_km2 is None and not rasters and set(metrics) - {"city_mesh", "importance"}:
        faults.add(
            f"{', '.join(options.layers)}: {metrics[0]} is a share of a region; give its polygon with --regions FILE, "
            "or its area with --area-km2"
        )
    if options.regions and options.area_km2 is not None:
        faults.add("--area-km2: the areas of the regions are measured; leave it out, or leave --regions out")
    faults.raise_any()
    settings = Settings(
        metrics=metrics,
        median_m=tuple(1000.0 * km for km in options.median_km),
        probability=options.probability,
        cutoff=options.cutoff,
        transboundary=options.transboundary,
        threshold_m=None if options.threshold_km is None else 1000.0 * options.threshold_km,
        gap_m=options.gap_m,
        most_nodes=options.most_nodes,
    )
    live = LiveLine(["connectivity"])
    with drafts(options.out) as folder, live:
        work = cells if rasters else polygons
        tables, notes = work(options, settings, folder, live.reporters[0])
    for note in notes:
        print(f"note: {note}")
    show(tables)
    print(f"written to {options.out} ({live.reporters[0].elapsed:.1f} s)")


def polygons(
    options: argparse.Namespace, settings: Settings, folder: Path, reporter: Any
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Measure polygons, and write the nodes."""
    from prioritize.connectivity import node_files
    from prioritize.connectivity.measures import Measured, measure_all
    from prioritize.connectivity.nodes import read_areas, region_nodes
    from prioritize.errors import DataError

    with reporter.phase("read"):
        areas = read_areas(*options.layers, crs=options.crs)
        regions = None
        names: tuple[str, ...] = ("all",)
        if options.regions:
            regions = read_areas(options.regions, crs=areas.crs.to_wkt())
            names = node_files.region_names(regions, options.by, options.regions)
    notes = [*areas.notes, *(regions.notes if regions else ()), measured_in(areas.crs)]
    stream = region_nodes(
        areas,
        regions,
        names,
        region_km2=options.area_km2,
        buffer_m=1000.0 * options.buffer_km,
        touch_m=options.touch_m,
        least_km2=options.min_km2,
        centres=options.distance == "centroid",
        joined=not options.separate,
    )
    found, done = [], Measured()
    for nodes in measure_all(stream, settings, done, reporter.phase, names):
        found.append((nodes, with_importance(node_files.node_table(nodes), done.importance, settings)))
    if not found:
        raise DataError(f"{options.regions}: holds no region that could be measured; does it lie where the areas do?")
    tables = done.tables()
    with reporter.phase("write"):
        node_files.write_node_polygons(folder / "nodes.gpkg", found, areas.crs)
        if regions is not None:
            node_files.write_regions(folder / "regions.gpkg", regions, names, tables)
        node_files.write_tables(folder, tables, facts(options, notes))
    return tables, notes


def cells(
    options: argparse.Namespace, settings: Settings, folder: Path, reporter: Any
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Measure a raster, and write the nodes."""
    from prioritize.connectivity import node_files
    from prioritize.connectivity.cell_nodes import cell_nodes, read_cells
    from prioritize.connectivity.measures import Measured, measure_all

    with reporter.phase("read"):
        raster, mask, region, codes = read_cells(
            Path(options.layers[0]), Path(options.regions) if options.regions else None, options.value
        )
    names = tuple(str(code) for code in codes) if options.regions else ("all",)
    width, height = raster.cell_size_m
    stream = cell_nodes(
        mask,
        region,
        names,
        width,
        height,
        buffer_m=1000.0 * options.buffer_km,
        least_km2=options.min_km2,
        neighbours=options.neighbours,
        centres=options.distance == "centroid",
    )
    notes = [f"cells of {width:g} x {height:g} m" + ("" if raster.crs else " (the file has no CRS: metres assumed)")]
    if options.area_km2 is not None:
        notes.append("--area-km2 is not used with a raster: the region is its cells with data")
    found, done = [], Measured()
    for nodes in measure_all(stream, settings, done, reporter.phase, names):
        found.append(nodes)
    tables = done.tables()
    with reporter.phase("write"):
        node_files.write_node_cells(folder / "nodes.tif", found, raster)
        node_files.write_tables(folder, tables, facts(options, notes))
    return tables, notes


def measured_in(crs: Any) -> str:
    """How areas and distances were measured."""
    method = crs.coordinate_operation.method_name if crs.coordinate_operation else "an unknown projection"
    return f"areas and distances are measured in the plane of {crs.name} ({method})"


def with_importance(table: pd.DataFrame, found: list[pd.DataFrame], settings: Settings) -> pd.DataFrame:
    """The table of the nodes of a region, with their importance at the first dispersal distance."""
    if "importance" not in settings.metrics:
        return table
    own = found[-len(settings.median_m)]
    return table.merge(own[["node", "d", "intra", "flux", "connector"]], on="node", how="left")


def facts(options: argparse.Namespace, notes: list[str]) -> dict[str, Any]:
    """What was asked for, and what was assumed."""
    asked = {key: value for key, value in vars(options).items() if key != "command" and not callable(value)}
    return {key: str(value) if isinstance(value, Path) else value for key, value in asked.items()} | {"notes": notes}


def show(tables: Mapping[str, pd.DataFrame], most: int = 20) -> None:
    """Print the first rows of each table."""

    from rich.table import Table

    screen = console(190)
    for name, frame in tables.items():
        shown = Table(title=name, title_justify="left")
        frame = frame.sort_values("d", ascending=False, kind="stable") if name == "importance" else frame
        for column in frame:
            shown.add_column(str(column), justify="left" if frame[column].dtype == object else "right")
        for row in frame.head(most).itertuples(index=False):
            shown.add_row(*(text(value) for value in row))
        screen.print(shown)
        if len(frame) > most:
            screen.print(f"... and {len(frame) - most} more rows in {name}.csv")


def text(value: object) -> str:
    """A value as text; nothing where it is not known."""
    if isinstance(value, float):
        return f"{value:,.5g}" if value == value else ""
    return str(value)
