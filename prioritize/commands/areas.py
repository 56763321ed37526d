"""`prioritize areas`: protected areas and OECMs as published, cleaned and counted once."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from prioritize.commands._console import console

if TYPE_CHECKING:
    import numpy as np

    from prioritize.areas import Flat

HELP = "protected areas and OECMs (WDPA, WD-OECM, WDPCA), cleaned and counted once"

VECTOR = (".gpkg", ".parquet")

#: bytes of shares beyond which they are kept on disk
IN_MEMORY = 2_000_000_000


def configure(command: argparse.ArgumentParser) -> None:
    """`areas clean` and its options."""
    under = command.add_subparsers(title="commands", required=True, metavar="COMMAND")
    clean = under.add_parser(
        "clean",
        help="drop what is not in force, repair, flatten overlaps; with a ledger of every step",
        description="Clean WDPA, WD-OECM or WDPCA files in the documented order and count each piece of land once. "
        "OUT ends in .tif for shares of cells by class (then --cell or --like is needed), in .gpkg or .parquet for "
        "polygons. Ledgers and areas are written beside it: OUT_steps.csv, OUT_sites.csv, OUT_areas.csv, ...",
    )
    clean.add_argument("files", nargs="+", metavar="IN", help="files (FILE or FILE#LAYER): polygons, points, OECMs")
    clean.add_argument("out", type=Path, metavar="OUT", help="OUT.tif (raster route), OUT.gpkg or OUT.parquet (vector)")
    grid = clean.add_mutually_exclusive_group()
    grid.add_argument("--cell", type=positive, metavar="M", help="width of the cells in metres, around all sites")
    grid.add_argument("--like", type=Path, metavar="RASTER", help="the grid of this raster")
    clean.add_argument(
        "--cover",
        choices=("fraction", "any", "centre"),
        default="fraction",
        help="what a cell counts: the exact share (default), all of it if touched, all of it if its centre is inside",
    )
    clean.add_argument("--crs", metavar="CRS", help="where areas are measured (default: ESRI:54017, or that of --like)")
    clean.add_argument(
        "--status",
        action="append",
        metavar="WORD",
        help="a STATUS that counts (default: Designated, Inscribed, Established); may be repeated",
    )
    clean.add_argument("--keep-mab", action="store_true", help="keep UNESCO-MAB Biosphere Reserves")
    clean.add_argument("--snap", type=not_negative, default=1.0, metavar="M", help="snap corners (default: 1 m; 0: no)")
    clean.add_argument(
        "--sliver", type=not_negative, default=0.1, metavar="M2", help="smallest piece left by flattening (0.1 m2)"
    )
    clean.add_argument("--by", default="iucn", metavar="FIELD", help="classes: iucn (default), type, or a field")
    clean.add_argument(
        "--first", choices=("PA", "OECM", "neither"), default="PA", help="who keeps land in both (default: PA)"
    )
    clean.add_argument("--within", metavar="FILE", help="cut all sites to these polygons (a country, an economic zone)")
    clean.add_argument("--land", metavar="FILE", help="cut Terrestrial sites to this land, and Marine ones out of it")
    for name, what in (("field", "COLUMN"), ("value", "TEXT")):
        clean.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar=f"FIELD={what}",
            help={
                "field": "the column that holds a field of the database, e.g. SITE_ID=OBJECTID; may be repeated",
                "value": "the value of a field that the file lacks, e.g. STATUS=Designated; may be repeated",
            }[name],
        )
    clean.add_argument("--no-overlap", action="store_true", help="leave the overlaps between classes out (faster)")
    clean.add_argument("--quiet", action="store_true", help="no progress on the terminal")


def positive(text: str) -> float:
    """An argument that is a positive number."""
    if not not_negative(text) > 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")
    return float(text)


def not_negative(text: str) -> float:
    """An argument that is a number, zero or more."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of zero or more")
    return number


def main(options: argparse.Namespace) -> None:
    """`prioritize areas clean`."""
    check_route(options)
    from prioritize import areas
    from prioritize.areas.write import save

    say = Progress(options.quiet)
    frame = None
    crs = options.crs
    if options.like is not None:
        from prioritize.formats._rasterio import frame_of, open_raster, wkt_of

        with open_raster(options.like) as raster:
            frame = frame_of(raster)
        areas.check_grid(frame)
        if crs is None and frame.crs is not None and frame.crs.is_projected:
            crs = wkt_of(frame.crs)
    wanted = areas.Cleaning(
        statuses=tuple(options.status or areas.Cleaning.statuses),
        keep_mab=options.keep_mab,
        crs=crs or areas.Cleaning.crs,
        snap_m=options.snap,
        sliver_m2=options.sliver,
        by=options.by,
        first=options.first,
        within=options.within,
        land=options.land,
    )
    fields, values = pairs(options.field, "--field"), pairs(options.value, "--value")
    cleaned = areas.clean(options.files, wanted, fields=fields, values=values, progress=say)
    matrix = not options.no_overlap
    flat: areas.Flat
    if options.out.suffix in VECTOR:
        flat = areas.flatten_polygons(cleaned, say, matrix)
    else:
        frame = frame or areas.grid_of(cleaned, options.cell)
        flat = areas.flatten_cells(
            cleaned, frame, options.cover, say, matrix, storage((len(cleaned.classes), *frame.shape))
        )
    inputs = {"files": options.files, "fields": fields, "values": values}
    if options.out.suffix not in VECTOR:
        inputs |= {"cover": options.cover, "cell": options.cell, "like": options.like and str(options.like)}
    say("write", 0.0)
    written = save(options.out, cleaned, flat, inputs)
    say.end()
    show(flat, written)


def check_route(options: argparse.Namespace) -> None:
    """Raise DataError if OUT and the grid do not fit together."""
    from prioritize.errors import DataError

    suffix, grid = options.out.suffix.lower(), options.cell is not None or options.like is not None
    if suffix not in (*VECTOR, ".tif") or suffix != options.out.suffix:
        raise DataError(f"{options.out}: OUT must end in .tif (shares of cells), .gpkg or .parquet (polygons)")
    if suffix == ".tif" and not grid:
        raise DataError(f"{options.out}: cells need a grid; give --cell METRES or --like RASTER")
    if suffix != ".tif" and (grid or options.cover != "fraction"):
        raise DataError(f"{options.out}: --cell, --like and --cover are for cells; let OUT end in .tif, or leave them")
    if options.out.is_dir():
        raise DataError(f"{options.out}: is a folder; name a file")
    above = next((part for part in options.out.parents if part.exists()), options.out.parent)
    if above.exists() and not above.is_dir():
        raise DataError(f"{above}: is a file, so nothing can be written below it; change OUT")
    read = [Path(file if Path(file).exists() else file.rpartition("#")[0]) for file in options.files]
    if options.out.exists() and any(path.exists() and path.samefile(options.out) for path in read):
        raise DataError(f"{options.out}: is read as well as written; give OUT another name")


def storage(shape: tuple[int, ...]) -> np.ndarray | None:
    """Room for the shares: on disk where they would fill the memory, else None."""
    import math
    import tempfile

    import numpy as np

    if 4 * math.prod(shape) < IN_MEMORY:
        return None
    return np.memmap(tempfile.TemporaryFile(), np.float32, "w+", shape=shape)


def pairs(items: list[str], option: str) -> dict[str, str]:
    """`FIELD=TEXT` options as a mapping."""
    from prioritize.errors import DataError

    found = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not (key.strip() and equals and text.strip()):
            raise DataError(f"{option} {item}: write it as FIELD=NAME, for example {option} SITE_ID=OBJECTID")
        found[key.strip()] = text.strip()
    return found


class Progress:
    """A line on stderr: redrawn on a terminal, elsewhere one for each step and quarter of it."""

    def __init__(self, quiet: bool):
        self.quiet, self.begun, self.shown = quiet, time.perf_counter(), ""
        self.terminal = sys.stderr.isatty()

    def __call__(self, what: str, done: float) -> None:
        """Say how far a step is."""
        key = f"{what} {4 * done // 1:.0f}"
        if self.quiet or (key == self.shown and not self.terminal):
            return
        self.shown = key
        text = f"{time.perf_counter() - self.begun:7.1f} s  {what} {done:.0%}"
        if self.terminal:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Wipe the line."""
        if self.terminal and not self.quiet:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def show(flat: Flat, written: list[Path]) -> None:
    """The ledger and the areas on the terminal."""
    from rich.table import Table

    screen = console(120)
    table = Table(title="ledger", title_justify="left")
    for name in ("step", "reason", "sites", "dropped", "changed", "km2 before", "km2 after", "moved"):
        table.add_column(name, justify="left" if name in ("step", "reason") else "right")
    for row in flat.ledger.step_table.itertuples(index=False):
        table.add_row(
            row.step,
            row.reason,
            f"{row.sites_before:,}",
            f"{row.sites_dropped:,}",
            f"{row.sites_changed:,}",
            f"{row.before_km2:,.3f}",
            f"{row.after_km2:,.3f}",
            f"{row.moved_km2:+,.3f}",
        )
    screen.print(table)
    table = Table(title="areas, each piece of land once", title_justify="left")
    for name in ("", "km2", "share"):
        table.add_column(name, justify="right" if name else "left")
    for name, area, share in flat.accounting.itertuples(index=False):
        table.add_row(name, f"{area:,.3f}", f"{share:.2%}")
    screen.print(table)
    for note in flat.notes:
        screen.print(f"note: {note}", highlight=False, soft_wrap=True, markup=False)
    screen.print("written: " + ", ".join(str(path) for path in written), highlight=False, soft_wrap=True, markup=False)
