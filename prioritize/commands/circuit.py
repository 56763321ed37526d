"""`prioritize circuit`: effective resistances and current maps."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prioritize.connectivity.circuit_run import Setup

HELP = "effective resistances and current maps (circuit theory)"


def configure(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.description = (
        "Run a Circuitscape .ini file, or a resistance raster with focal nodes; or, with --radius, the "
        "omnidirectional current of a resistance raster."
    )
    command.add_argument("input", type=Path, metavar="INI|RESISTANCE", help=".ini file, or a raster of resistances")
    command.add_argument("--focal", type=Path, metavar="FILE", help="focal nodes: raster of ids, or lines `id x y`")
    command.add_argument(
        "--mode", choices=("pairwise", "one-to-all", "all-to-one"), default="pairwise", help="default: pairwise"
    )
    command.add_argument("--regions", type=Path, metavar="RASTER", help="short-circuit regions (ids above 0)")
    command.add_argument("--neighbours", type=int, choices=(4, 8), default=8, help="default: 8")
    command.add_argument("--conductances", action="store_true", help="the raster holds conductances")
    command.add_argument("--voltages", action="store_true", help="write voltage maps, too")
    command.add_argument("--pair-maps", action="store_true", help="write a map for each pair, not only the sum")
    command.add_argument("--radius", type=int, metavar="CELLS", help="omnidirectional: radius of the moving window")
    command.add_argument(
        "--block", type=int, default=1, metavar="CELLS", help="odd side of a target block (default: 1)"
    )
    command.add_argument("--sources", type=Path, metavar="RASTER", help="source strengths (default: 1 / resistance)")
    command.add_argument("--normalised", action="store_true", help="also divide by the current where all resists alike")
    command.add_argument("--out", type=Path, metavar="DIR", help="default: as the .ini says, else runs/circuit")


def main(options: argparse.Namespace) -> None:
    """`prioritize circuit`."""
    from prioritize.commands._live import working
    from prioritize.connectivity.circuit_run import run

    if options.radius is not None:
        moving_window(options)
        return
    with working("circuit"):
        setup, folder = prepare(options)
    for caution in setup.cautions:
        print(f"warning: {caution}", file=sys.stderr)
    with working("circuit"):
        found = run(setup, folder)
    joined = sum(row[2] < float("inf") for row in found.rows)
    what = "pairs" if setup.scenario == "pairwise" else "focal nodes"
    print(f"{setup.scenario} on {setup.circuit.nodes - setup.first_node:,} nodes and {len(setup.circuit.tail):,} edges")
    if setup.scenario in ("pairwise", "one-to-all"):
        print(f"{len(found.rows)} {what}, {joined} of them joined")
        for first, second, resistance in found.rows[:12]:
            ends = f"{first} - {second}" if second >= 0 else f"{first}"
            print(f"  {ends}: " + (f"{resistance:.6g}" if resistance < float("inf") else "not joined"))
        if len(found.rows) > 12:
            print(f"  and {len(found.rows) - 12} more in {setup.name}_resistances.csv")
    if found.lost:
        print(f"warning: {found.lost:g} units of current have no ground to reach and are left out", file=sys.stderr)
    print(f"written to {folder}")


def prepare(options: argparse.Namespace) -> tuple[Setup, Path]:
    """The setup of an .ini file or of the options."""
    import numpy as np

    from prioritize.connectivity import circuitscape_files as files
    from prioritize.connectivity.circuit_run import Setup
    from prioritize.connectivity.circuitscape_ini import read_config
    from prioritize.connectivity.circuitscape_jobs import read_setup
    from prioritize.connectivity.laplacian import grid_circuit, short_circuit
    from prioritize.connectivity.rasters import whole_numbers
    from prioritize.errors import DataError

    if options.input.suffix.lower() == ".ini":
        given = [name for name in ("focal", "regions", "sources") if getattr(options, name) is not None] + [
            "conductances"
        ] * options.conductances
        if given:
            raise DataError(f"--{given[0]}: {options.input} says all that; change it there")
        return read_setup(options.input), options.out or read_config(options.input).output()[1]
    if options.focal is None:
        raise DataError(f"{options.input}: name the focal nodes with --focal, or a window with --radius")
    habitat = files.read_layer(options.input)
    conductance = files.conductances(habitat, not options.conductances)
    grid = grid_circuit(conductance, options.neighbours)
    if options.regions is not None:
        grid = short_circuit(grid, files.regions(whole_numbers(files.read_layer(options.regions, habitat))))
    cautions: list[str] = []
    grid, ids, terminals = files.terminals_of(grid, files.read_points(options.focal, habitat, cautions))
    setup = Setup(
        options.input.stem,
        options.mode,
        grid.circuit,
        grid,
        habitat,
        ids,
        terminals,
        ~np.eye(len(ids), dtype=bool),
        np.ones(len(ids)),
        voltage_maps=options.voltages,
        cumulative_only=not options.pair_maps,
        data=conductance > 0,
        cautions=tuple(cautions),
    )
    return setup, options.out or Path("runs/circuit")


def moving_window(options: argparse.Namespace) -> None:
    """`prioritize circuit RESISTANCE --radius`."""
    import numpy as np

    from prioritize.connectivity.circuitscape_files import conductances, read_layer
    from prioritize.connectivity.omnidirectional import omnidirectional
    from prioritize.connectivity.rasters import drafts, write_raster
    from prioritize.errors import DataError

    if options.focal is not None or options.regions is not None:
        raise DataError("--radius: a moving window has neither --focal nor --regions; leave them out")
    habitat = read_layer(options.input)
    conductance = conductances(habitat, not options.conductances)
    source = conductance if options.sources is None else np.nan_to_num(read_layer(options.sources, habitat).value)
    if (source < 0).any() or not (source > 0).any():
        raise DataError(f"{options.sources}: source strengths must not be negative, and some must be above 0")
    folder = options.out or Path("runs/circuit")
    with drafts(folder) as draft:
        found = omnidirectional(
            conductance,
            source,
            options.radius,
            options.block,
            options.neighbours,
            options.normalised,
            reporter=report,
        )
        maps = {"cum_curmap": found.current, "flow_potential": found.potential, "normalised": found.normalised}
        for name, image in maps.items():
            if image is not None:
                write_raster(draft / f"{options.input.stem}_{name}.tif", image, habitat)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    print(f"omnidirectional, radius {options.radius}, block {options.block}: {found.targets:,} windows")
    print(f"written to {folder}")


def report(done: int, targets: int) -> None:
    """A line that moves, on a terminal."""
    if sys.stderr.isatty() and (done % 20 == 0 or done == targets):
        print(f"\r{done:,} of {targets:,} windows", end="", file=sys.stderr, flush=True)
