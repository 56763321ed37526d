"""Set up a job of Circuitscape: its .ini file, and all that it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from prioritize.connectivity import circuitscape_files as files
from prioritize.connectivity.circuit_run import Setup
from prioritize.connectivity.circuitscape_ini import NOTHING, Config, read_config
from prioritize.connectivity.laplacian import grid_circuit, network, short_circuit
from prioritize.connectivity.rasters import whole_numbers
from prioritize.errors import DataError, Faults
from prioritize.landscape import some

SCENARIOS = ("pairwise", "one-to-all", "all-to-one", "advanced")
POLICIES = ("keepall", "rmvsrc", "rmvgnd", "rmvall")


def read_setup(path: Path) -> Setup:
    """Read an .ini file and all that it names.

    Raises
    ------
    DataError
        With all faults that can be seen at once.
    """
    config = read_config(path)
    faults = Faults()
    scenario = one_of(config, "scenario", SCENARIOS, faults)
    kind = one_of(config, "data_type", ("raster", "network"), faults)
    policy = one_of(config, "remove_src_or_gnd", POLICIES, faults)
    if config.yes("use_reclass_table"):
        faults.add(f"{path}: use_reclass_table: reclassify the raster first, this is not supported")
    faults.raise_any()
    if config.yes("compress_grids"):
        config.cautions.append(f"{path}: compress_grids: maps are written unpacked; write_as_tif makes small ones")
    only = config.yes("write_cum_cur_map_only")
    common: dict[str, Any] = {
        "name": config.output()[0],
        "scenario": scenario,
        "current_maps": config.yes("write_cur_maps") or only,
        "voltage_maps": config.yes("write_volt_maps"),
        "maximum_map": config.yes("write_max_cur_maps") and scenario != "advanced",
        # advanced has one map, which is the sum, too
        "cumulative_only": only and scenario != "advanced",
        "log": config.yes("log_transform_maps"),
        "blank_currents": config.yes("set_null_currents_to_nodata"),
        "blank_voltages": config.yes("set_null_voltages_to_nodata"),
        "focal_zero": config.yes("set_focal_node_currents_to_zero"),
        "suffix": ".tif" if config.yes("write_as_tif") else ".asc",
        "policy": policy,
    }
    setup = network_setup(config, common) if kind == "network" else grid_setup(config, common)
    return replace(setup, cautions=tuple(config.cautions))


def one_of(config: Config, key: str, choices: tuple[str, ...], faults: Faults) -> str:
    """A key that is one of some words; the first of them where nothing was chosen."""
    text = config.keys.get(key, "").strip().lower().replace("_", "-")
    if text not in choices and text not in NOTHING:
        faults.add(f"{config.path}: {key} = {config.keys[key]}: not one of {', '.join(choices)}")
    return text if text in choices else choices[0]


def grid_setup(config: Config, common: dict[str, Any]) -> Setup:
    """The rest of a setup, on a grid."""
    habitat = files.read_layer(config.file("habitat_file"))
    conductance = files.conductances(habitat, config.yes("habitat_map_is_resistances", True))
    if config.yes("use_mask"):
        path = config.file("mask_file")
        conductance = np.where(np.nan_to_num(files.read_layer(path, habitat).value) > 0, conductance, 0.0)
        if not conductance.any():
            raise DataError(f"{path}: leaves no cell of {habitat.path} (a cell above 0 stays)")
    average: Literal["resistance", "conductance"] = (
        "resistance" if config.yes("connect_using_avg_resistances") else "conductance"
    )
    grid = grid_circuit(conductance, 4 if config.yes("connect_four_neighbors_only") else 8, average)
    if config.yes("use_polygons"):
        path = config.file("polygon_file")
        grid = short_circuit(grid, files.regions(whole_numbers(files.read_layer(path, habitat))))
        bare = int(((grid.node >= 0) & ~(conductance > 0)).sum())
        if bare and average == "conductance":
            config.cautions.append(
                f"{path}: {bare} cells of short-circuit regions have no data, and no edge leads to them, as in "
                "Circuitscape 4 (Circuitscape 5 takes half the conductance of the neighbour)"
            )
    common |= {"like": habitat, "data": conductance > 0}
    cautions = config.cautions
    if common["scenario"] == "advanced":
        path = config.file("source_file")
        image = files.place_values(path, habitat, lambda _, value: value, cautions)
        source = files.on_nodes(path, grid, strong(config, image), "source", cautions)
        path = config.file("ground_file")
        image = files.place_values(path, habitat, grounding(config), cautions)
        ground = files.on_nodes(path, grid, tied(config, image), "ground", cautions)
        return Setup(**common, grid=grid, circuit=grid.circuit, source=source, ground=ground)
    points = files.read_points(config.file("point_file"), habitat, cautions)
    grid, ids, terminals = files.terminals_of(grid, points)
    return Setup(**common, grid=grid, circuit=grid.circuit, **focal(config, ids, terminals, common["scenario"]))


def network_setup(config: Config, common: dict[str, Any]) -> Setup:
    """The rest of a setup, on a network."""
    for key in ("use_mask", "use_polygons"):
        if config.yes(key):
            raise DataError(f"{config.path}: {key}: a network has no cells; set it to False")
    path = config.file("habitat_file")
    table = files.numbers(path, 3)
    ends = table[:, :2]
    if (ends != np.rint(ends)).any() or (ends < 0).any():
        raise DataError(f"{path}: node numbers must be whole and not negative")
    # every number up to the largest is a node, so that a stray one would fill the memory
    if ends.max() > 1000.0 * (len(ends) + 1000):
        raise DataError(f"{path}: node {ends.max():.0f} in {len(ends)} edges; number the nodes from 0 or 1 on")
    ends = ends.astype(np.int64)
    value = table[:, 2]
    wrong = value < 0
    resistances = config.yes("habitat_map_is_resistances", True)
    if resistances:
        wrong |= value < np.finfo(np.float64).tiny
    if wrong.any():
        what = "resistances" if resistances else "conductances"
        raise DataError(f"{path}: {what} must be positive, these are not: {some(value[wrong])}")
    circuit = network(ends[:, 0], ends[:, 1], 1.0 / value if resistances else value, int(ends.max()) + 1)
    first = min(int(ends.min()), 1)
    common |= {"circuit": circuit, "first_node": first}
    if common["scenario"] == "advanced":
        source, ground = np.zeros(circuit.nodes), np.zeros(circuit.nodes)
        path = config.file("source_file")
        rows = files.numbers(path, 2)
        source[node_numbers(path, rows[:, 0], first, circuit.nodes)] = strong(config, rows[:, 1])
        path = config.file("ground_file")
        rows = files.numbers(path, 2)
        given = tied(config, grounding(config)(path, rows[:, 1]))
        ground[node_numbers(path, rows[:, 0], first, circuit.nodes)] = given
        for what, all_of in (("source", source), ("ground", ground)):
            if not all_of.any():
                raise DataError(f"{config.file(what + '_file')}: every {what} is 0; nothing flows")
        return Setup(**common, source=source, ground=ground)
    path = config.file("point_file")
    ids = np.sort(node_numbers(path, files.numbers(path, 1)[:, 0], first, circuit.nodes))
    return Setup(**common, **focal(config, ids, [np.array([i]) for i in ids], common["scenario"]))


def node_numbers(path: Path, value: np.ndarray, first: int, nodes: int) -> np.ndarray:
    """Numbers of nodes that a file names, each once.

    Raises
    ------
    DataError
        If one is not in the network, or stands there twice.
    """
    wrong = (np.rint(value) != value) | (value < first) | (value >= nodes)
    if wrong.any():
        raise DataError(f"{path}: not nodes of the network, which has {first} to {nodes - 1}: {some(value[wrong])}")
    files.once(path, value.astype(np.int64), "node")
    return value.astype(np.int64)


def strong(config: Config, source: np.ndarray) -> np.ndarray:
    """Sources, with `use_unit_currents` 1 each."""
    return (source != 0).astype(np.float64) if config.yes("use_unit_currents") else source


def tied(config: Config, ground: np.ndarray) -> np.ndarray:
    """Conductances of grounds, with `use_direct_grounds` infinite each."""
    return np.where(ground > 0, np.inf, 0.0) if config.yes("use_direct_grounds") else ground


def grounding(config: Config) -> Callable[[Path, np.ndarray], np.ndarray]:
    """From the values of a ground file to conductances: a ground of 0 ohm has an infinite one, and holds 0 V."""
    resistances = config.yes("ground_file_is_resistances", True)

    def convert(path: Path, value: np.ndarray) -> np.ndarray:
        if (value < 0).any():
            raise DataError(f"{path}: grounds must not be negative: {some(value[value < 0])}")
        with np.errstate(divide="ignore", over="ignore"):
            return 1.0 / value if resistances else value

    return convert


def focal(config: Config, ids: np.ndarray, terminals: list[np.ndarray], scenario: str) -> dict[str, Any]:
    """Focal nodes, which of them take part in each other's turn, and their strengths."""
    active = ~np.eye(len(ids), dtype=bool)
    if config.yes("use_included_pairs"):
        keep, active = files.read_pairs(config.file("included_pairs_file"), ids, config.cautions)
        ids, terminals = ids[keep], [terminals[k] for k in keep]
        if scenario == "all-to-one" and active.sum() < len(ids) * (len(ids) - 1):
            config.cautions.append(
                f"{config.path}: use_included_pairs: in all-to-one a focal node that a pair leaves out injects 1 A all "
                "the same, as in Circuitscape; use one-to-all or pairwise if it must not"
            )
    strength = np.ones(len(ids))
    if config.yes("use_variable_source_strengths") and scenario != "pairwise":
        strength = files.read_strengths(config.file("variable_source_file"), ids)
    return {"ids": ids, "terminals": terminals, "active": active, "strength": strength, "left_out": 1.0}
