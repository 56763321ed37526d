"""`prioritize corridors`: least-cost corridors between core areas."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prioritize.connectivity.corridors import Corridor

HELP = "least-cost corridors between core areas: surface, width, pinch points, land cover, borders"


def configure(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.description = (
        "Corridors over a resistance raster between the core areas of a second raster (ids above 0). Costs are in "
        "cost-weighted metres: resistance times metres."
    )
    command.add_argument("resistance", type=Path, metavar="RESISTANCE", help="raster; NODATA is a barrier")
    command.add_argument("cores", type=Path, metavar="CORES", help="raster of ids")
    command.add_argument(
        "--width", type=threshold, metavar="COST", help="how far above the least cost (default: 5 %% of each least)"
    )
    command.add_argument(
        "--pairs", metavar="A-B,...", help="pairs of ids, or `all` (default: cores whose zones of least cost touch)"
    )
    command.add_argument("--limit", type=threshold, metavar="COST", help="do not follow costs above")
    command.add_argument("--neighbours", type=int, choices=(4, 8), default=8, help="default: 8")
    command.add_argument("--cover", type=Path, metavar="RASTER", help="land-cover classes")
    command.add_argument("--borders", type=Path, metavar="RASTER", help="countries or regions")
    command.add_argument("--no-pinch", action="store_true", help="leave out the currents")
    command.add_argument("--out", type=Path, metavar="DIR", default=Path("runs/corridors"), help="run folder")


def threshold(text: str) -> float:
    """An argument that is a number of cost-weighted metres."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of cost-weighted metres, 0 or above")
    return number


def main(options: argparse.Namespace) -> None:
    """`prioritize corridors`."""
    import numpy as np

    from prioritize.commands._live import working
    from prioritize.connectivity.circuitscape_files import cells_of, conductances
    from prioritize.connectivity.corridors import Surface, corridors
    from prioritize.connectivity.rasters import drafts, read_raster, whole_numbers, write_raster
    from prioritize.errors import DataError

    habitat = read_raster(options.resistance)
    conductances(habitat, True)  # its checks
    labels = read_raster(options.cores, habitat)
    cores = cells_of(whole_numbers(labels))
    if len(cores) < 2:
        raise DataError(f"{options.cores}: {len(cores)} core areas (ids above 0); two are needed")
    surface = Surface(habitat.value, habitat.cell_size_m, options.neighbours, options.limit or float("inf"))
    cover = None if options.cover is None else whole_numbers(read_raster(options.cover, habitat))
    region = None if options.borders is None else whole_numbers(read_raster(options.borders, habitat))
    excess, paths, pinch = np.full(habitat.value.shape, np.nan), np.zeros(habitat.value.shape), None
    if not options.no_pinch:
        pinch = np.full(habitat.value.shape, np.nan)
    found = []
    with working("corridors"), drafts(options.out) as draft:
        for corridor in corridors(
            surface, cores, options.width, chosen(options, cores), cover, region, pinch is not None
        ):
            found.append(corridor)
            flat = excess.reshape(-1)
            flat[corridor.cells] = np.fmin(flat[corridor.cells], corridor.excess)
            paths.reshape(-1)[corridor.path] += 1
            if pinch is not None:
                flat = pinch.reshape(-1)
                flat[corridor.cells] = np.nan_to_num(flat[corridor.cells]) + corridor.current
        write_table(draft / "corridors.csv", found, surface.resistance.shape[1], habitat.transform)
        write_raster(draft / "corridors.tif", excess, habitat)
        write_raster(draft / "paths.tif", np.where(paths > 0, paths, np.nan), habitat)
        if pinch is not None:
            write_raster(draft / "pinch.tif", pinch, habitat)
    show(found)
    print(f"written to {options.out}")


def chosen(options: argparse.Namespace, cores: dict) -> list[tuple[int, int]] | None:
    """The pairs asked for; None: those whose zones touch."""
    from prioritize.errors import DataError

    if options.pairs is None:
        return None
    names = sorted(cores)
    if options.pairs == "all":
        return [(a, b) for a in names for b in names if a < b]
    pairs = []
    for item in options.pairs.split(","):
        first, dash, second = item.partition("-")
        known = first.strip().isdecimal() and second.strip().isdecimal() and {int(first), int(second)} <= set(names)
        if not dash or not known or int(first) == int(second):
            raise DataError(f"--pairs {item}: write two ids of {options.cores} as A-B")
        pairs.append((int(first), int(second)))
    return pairs


def write_table(path: Path, found: list[Corridor], columns: int, transform: tuple[float, ...]) -> None:
    """One line for each pair."""
    from prioritize.plaintext import write_rows

    classes = sorted({label for corridor in found for label in corridor.share})
    head = ["first", "second", "least_cost", "width_cost", "length_m", "straight_m", "area_km2", "mean_width_m"]
    head += [
        "narrowest_width_m",
        "resistance",
        "pinch_current",
        "pinch_x",
        "pinch_y",
        "regions_along",
        "crosses_border",
    ]
    rows: list[list[object]] = [[*head, *(f"share_class_{label}" for label in classes)]]
    for c in found:
        numbers = (c.least_cost, c.width, c.length_m, c.straight_m, c.area_km2, c.mean_width_m)
        row = [c.first, c.second, *map(text, numbers), text(c.narrowest_width_m), text(c.resistance)]
        if len(c.current):
            cell = int(c.cells[c.current.argmax()])
            x = transform[2] + (cell % columns + 0.5) * transform[0]
            y = transform[5] + (cell // columns + 0.5) * transform[4]
            row += [text(float(c.current.max())), text(x), text(y)]
        else:
            row += ["", "", ""]
        row += [" ".join(map(str, c.along)), ("yes" if c.crosses_border else "no") if c.along else ""]
        rows.append(row + [text(c.share.get(label, 0.0)) for label in classes])
    write_rows(path, rows)


def text(number: float) -> str:
    """Ten digits; nothing for NaN."""
    return "" if number != number else f"{number:.10g}"


def show(found: list[Corridor]) -> None:
    """The table on the terminal."""
    joined = [c for c in found if c.least_cost < float("inf")]
    print(f"{len(found)} pairs of core areas, {len(joined)} of them joined")
    for c in found[:20]:
        if c.least_cost == float("inf"):
            print(f"  {c.first} - {c.second}: no path")
            continue
        line = f"  {c.first} - {c.second}: cost {c.least_cost:,.6g}, {c.length_m / 1000:,.1f} km"
        if c.area_km2 > 0:
            line += (
                f", {c.area_km2:,.1f} km2, {c.mean_width_m:,.0f} m wide, {c.narrowest_width_m:,.0f} m at its narrowest"
            )
        if len(c.along):
            line += ", across a border" if c.crosses_border else ", within one region"
        print(line)
    if len(found) > 20:
        print(f"  and {len(found) - 20} more in corridors.csv")
