"""Run a circuit that is set up: solve, keep running maps, write tables and maps as they come."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from prioritize.connectivity.circuit import Conflict, Flow, advanced, branch_currents, pairwise, star
from prioritize.connectivity.laplacian import Circuit, GridCircuit, Method, components
from prioritize.connectivity.rasters import Raster, drafts, write_raster

Scenario = Literal["pairwise", "one-to-all", "all-to-one", "advanced"]


@dataclass(frozen=True, eq=False)
class Setup:
    """What to solve and what to write.

    Attributes
    ----------
    name : str
        Files are called NAME_...
    scenario : str
    circuit : Circuit
    grid : GridCircuit or None
        None: a network.
    like : Raster or None
        The grid of the maps.
    ids : (k,) int64
        Of the focal nodes.
    terminals : list of (n,) int64
        Their nodes.
    active : (k, k) bool
        Whether the focal node of the column takes part when it is the turn of that of the row; a pair is solved once
        if either wants the other.
    strength : (k,) float64
        Currents of the focal nodes, one-to-all and all-to-one.
    left_out : float
        Current of the focal nodes that take no part in a turn of all-to-one.
    source, ground : (N,) float64
        advanced; an infinite ground holds its node at 0 V.
    current_maps, voltage_maps, maximum_map, cumulative_only, log : bool
    data : (R, C) bool
        Cells with data.
    blank_currents, blank_voltages : bool
        Whether maps have NODATA, not 0, in cells without data.
    focal_zero : bool
        Whether current maps hold 0 at the focal nodes of their own turn.
    first_node : int
        Number of the first node of a network.
    suffix : ".asc" or ".tif"
    cautions : tuple of str
        What the reader of the files should know.
    """

    name: str
    scenario: Scenario
    circuit: Circuit
    grid: GridCircuit | None = None
    like: Raster | None = None
    ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    terminals: list[np.ndarray] = field(default_factory=list)
    active: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))
    strength: np.ndarray = field(default_factory=lambda: np.zeros(0))
    left_out: float = 0.0
    source: np.ndarray = field(default_factory=lambda: np.zeros(0))
    ground: np.ndarray = field(default_factory=lambda: np.zeros(0))
    policy: Conflict = "keepall"
    current_maps: bool = True
    voltage_maps: bool = False
    maximum_map: bool = False
    cumulative_only: bool = False
    log: bool = False
    data: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))
    blank_currents: bool = True
    blank_voltages: bool = True
    focal_zero: bool = False
    first_node: int = 0
    suffix: str = ".tif"
    method: Method = "auto"
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """What a run found.

    Attributes
    ----------
    rows : list of (int, int, float)
        Ids and effective resistance; the second id is -1 where the mode has none.
    cumulative, maximum : (N,) float64
        Currents summed, and the largest, over all solved circuits; empty without current maps.
    lost : float
        Current injected where there is no ground to reach.
    """

    rows: list[tuple[int, int, float]]
    cumulative: np.ndarray
    maximum: np.ndarray
    lost: float


def flows(setup: Setup) -> Iterator[Flow]:
    """The circuits of a setup, solved one after the other."""
    if setup.scenario == "advanced":
        yield advanced(setup.circuit, setup.source, setup.ground, setup.policy, setup.method)
    elif setup.scenario == "pairwise":
        pairs = [(int(a), int(b)) for a, b in zip(*np.nonzero(np.triu(setup.active | setup.active.T, 1)), strict=True)]
        yield from pairwise(
            setup.circuit, setup.terminals, pairs, setup.method, maps=setup.current_maps or setup.maximum_map
        )
    else:
        yield from star(
            setup.circuit,
            setup.terminals,
            setup.scenario,
            lambda one, other: bool(setup.active[one, other]),
            setup.strength,
            setup.method,
            left_out=setup.left_out,
        )


def run(setup: Setup, folder: Path) -> Result:
    """Solve a setup and write its files into a folder; all of them appear at the end, or none.

    One solved circuit is held at a time, whatever the number of pairs.
    """
    wanted = setup.current_maps or setup.maximum_map
    cumulative, maximum = np.zeros(setup.circuit.nodes * wanted), np.zeros(setup.circuit.nodes * wanted)
    edges = np.zeros(len(setup.circuit.tail) if setup.grid is None and wanted else 0)
    labels = components(setup.circuit) if setup.grid is None else np.zeros(0, np.int32)
    rows, lost = [], 0.0
    with drafts(folder) as draft:
        for flow in flows(setup):
            ends = [int(setup.ids[k]) for k in (flow.first, flow.second) if k >= 0]
            lost += flow.lost
            if setup.scenario != "advanced":
                rows.append((ends[0], ends[1] if len(ends) > 1 else -1, flow.resistance))
            if setup.focal_zero and setup.grid is not None:
                flow = without_focal(setup, flow)
            if wanted:
                cumulative += flow.current
                np.maximum(maximum, flow.current, out=maximum)
                if len(edges):
                    edges += branch_currents(setup.circuit, flow.voltage)
            if has_maps(setup, flow):
                write_flow(setup, flow, "".join(f"_{end}" for end in ends), labels, draft)
        if setup.scenario != "advanced":
            write_resistances(setup, rows, draft)
            if setup.current_maps:
                write_currents(setup, cumulative, edges, "cum", draft)
        if setup.maximum_map:
            write_currents(setup, maximum, None, "max", draft)
    return Result(rows, cumulative, maximum, lost)


def has_maps(setup: Setup, flow: Flow) -> bool:
    """Whether a circuit has maps, as Circuitscape has it: a pair that a path joins; a focal node that any other joins
    in its turn, even if no current reaches it."""
    if setup.scenario == "advanced":
        return True
    return bool(setup.active[flow.first].any()) if flow.second < 0 else not np.isinf(flow.resistance)


def without_focal(setup: Setup, flow: Flow) -> Flow:
    """A circuit whose current is 0 at its own focal nodes."""
    if setup.scenario == "advanced" or not len(flow.current):
        return flow
    others = [flow.second] if flow.second >= 0 else np.flatnonzero(setup.active[flow.first]).tolist()
    current = flow.current.copy()
    current[np.concatenate([setup.terminals[k] for k in (flow.first, *others)])] = 0.0
    return replace(flow, current=current)


def write_flow(setup: Setup, flow: Flow, ends: str, labels: np.ndarray, draft: Path) -> None:
    """The maps of one circuit."""
    if setup.grid is not None and setup.like is not None:
        if setup.current_maps and not setup.cumulative_only:
            write_current(setup, flow.current, draft / f"{setup.name}_curmap{ends}{setup.suffix}")
        if setup.voltage_maps:
            path = draft / f"{setup.name}_voltmap{ends}{setup.suffix}"
            write_raster(path, picture(setup, flow.voltage, setup.blank_voltages), setup.like)
        return
    nodes = np.arange(setup.first_node, setup.circuit.nodes)
    if flow.second >= 0:  # a pair concerns its own part of the network only
        nodes = nodes[labels[nodes] == labels[setup.terminals[flow.first][0]]]
    if setup.current_maps and not setup.cumulative_only:
        write_table(draft / f"{setup.name}_node_currents{ends}.txt", nodes, flow.current[nodes])
        write_branches(setup, branch_currents(setup.circuit, flow.voltage), nodes, draft, ends)
    if setup.voltage_maps:
        write_table(draft / f"{setup.name}_voltages{ends}.txt", nodes, flow.voltage[nodes])


def write_currents(setup: Setup, value: np.ndarray, edges: np.ndarray | None, kind: str, draft: Path) -> None:
    """A cumulative or maximum map."""
    if setup.grid is not None:
        write_current(setup, value, draft / f"{setup.name}_{kind}_curmap{setup.suffix}")
        return
    nodes = np.arange(setup.first_node, setup.circuit.nodes)
    write_table(draft / f"{setup.name}_node_currents_{kind}.txt", nodes, value)
    if edges is not None:
        write_branches(setup, edges, nodes, draft, f"_{kind}")


def write_current(setup: Setup, value: np.ndarray, path: Path) -> None:
    """One map of currents of a grid."""
    assert setup.like is not None
    image = picture(setup, value, setup.blank_currents)
    if setup.log:
        image = np.where(image > 0, np.log10(np.where(image > 0, image, 1.0)), np.nan)
    write_raster(path, image, setup.like)


def picture(setup: Setup, value: np.ndarray, blank: bool) -> np.ndarray:
    """(R, C) image of one value for each node; 0 where there is none, or NaN in all cells without data."""
    assert setup.grid is not None
    image = setup.grid.image(value, 0.0)
    return np.where(setup.data, image, np.nan) if blank else image


def write_table(path: Path, nodes: np.ndarray, value: np.ndarray) -> None:
    """`node value`, one line each."""
    path.write_text("".join(f"{i} {x:.10g}\n" for i, x in zip(nodes.tolist(), value.tolist(), strict=True)))


def write_branches(setup: Setup, value: np.ndarray, nodes: np.ndarray, draft: Path, ends: str) -> None:
    """`node node current`, one line for each edge between some nodes; parallel edges together."""
    low = np.minimum(setup.circuit.tail, setup.circuit.head).astype(np.int64)
    high = np.maximum(setup.circuit.tail, setup.circuit.head).astype(np.int64)
    keep = np.isin(low, nodes)
    key, place = np.unique(low[keep] * setup.circuit.nodes + high[keep], return_inverse=True)
    total = np.bincount(place, value[keep], minlength=len(key))
    lines = (
        f"{i} {j} {x:.10g}\n"
        for i, j, x in zip(
            (key // setup.circuit.nodes).tolist(), (key % setup.circuit.nodes).tolist(), total.tolist(), strict=True
        )
    )
    (draft / f"{setup.name}_branch_currents{ends}.txt").write_text("".join(lines))


def write_resistances(setup: Setup, rows: list[tuple[int, int, float]], draft: Path) -> None:
    """`NAME_resistances.csv`, and the tables of Circuitscape, where -1 says that no path joins the two."""
    with (draft / f"{setup.name}_resistances.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        if setup.scenario == "pairwise":
            table.writerow(["first", "second", "resistance"])
            table.writerows([(a, b, f"{r:.12g}") for a, b, r in rows])
        else:
            table.writerow(["node", "resistance"])
            table.writerows([(a, "" if np.isnan(r) else f"{r:.12g}") for a, _, r in rows])
    if setup.scenario != "pairwise":
        # all-to-one has no resistance: 0 where current flows
        lines = [f"{a} {-1 if np.isinf(r) else np.nan_to_num(r):.10g}" for a, _, r in rows]
        (draft / f"{setup.name}_resistances.out").write_text("\n".join(lines) + "\n")
        return
    place = {int(label): k for k, label in enumerate(setup.ids)}
    matrix = np.full((len(place), len(place)), -1.0)
    np.fill_diagonal(matrix, 0.0)
    for a, b, r in rows:
        matrix[place[a], place[b]] = matrix[place[b], place[a]] = r if np.isfinite(r) else -1.0
    lines = [" ".join(["0", *map(str, place)])]
    lines += [" ".join([str(label), *(f"{x:.10g}" for x in matrix[k])]) for label, k in place.items()]
    (draft / f"{setup.name}_resistances.out").write_text("\n".join(lines) + "\n")
    columns = [
        f"{setup.ids[i]} {setup.ids[j]} {matrix[i, j]:.10g}\n"
        for i, j in zip(*np.triu_indices(len(place), 1), strict=True)
    ]
    (draft / f"{setup.name}_resistances_3columns.out").write_text("".join(columns))
