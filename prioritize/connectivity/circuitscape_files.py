"""Read what Circuitscape reads: its .ini files, habitat grids and graphs, focal nodes, regions, sources, grounds."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from prioritize.connectivity.circuit_run import Setup
from prioritize.connectivity.laplacian import GridCircuit, grid_circuit, network, short_circuit
from prioritize.connectivity.rasters import Raster, read_raster, whole_numbers
from prioritize.errors import DataError, Faults
from prioritize.inputfile import MOST_TEXT, gate
from prioritize.landscape import some
from prioritize.source import no_file

SCENARIOS = ("pairwise", "one-to-all", "all-to-one", "advanced")
POLICIES = ("keepall", "rmvsrc", "rmvgnd", "rmvall")
RASTERS = (".asc", ".tif", ".tiff")


@dataclass(frozen=True)
class Config:
    """The keys of an .ini file.

    Attributes
    ----------
    path : Path
    keys : mapping of str to str
        All sections together: Circuitscape has no key twice.
    """

    path: Path
    keys: Mapping[str, str]

    def yes(self, key: str, default: bool = False) -> bool:
        """A key that is True or False."""
        text = self.keys.get(key, str(default)).strip().lower()
        if text not in ("true", "false", "1", "0"):
            raise DataError(f"{self.path}: {key} = {text}: write True or False")
        return text in ("true", "1")

    def file(self, key: str) -> Path:
        """A key that names a file: as written, else from the folder of the .ini file or one above it."""
        text = self.keys.get(key, "").strip()
        if not text or text == "None" or text.startswith("("):
            raise DataError(f"{self.path}: {key} names no file, but this mode needs one")
        for base in (Path(), *self.path.resolve().parents):
            if (base / text).is_file():
                return base / text
        raise DataError(f"{self.path}: {key}: {no_file(self.path.parent / text)}")


def read_config(path: Path) -> Config:
    """Read an .ini file.

    Raises
    ------
    DataError
        If it is missing or no .ini file.
    """
    path = gate(path, most=MOST_TEXT)
    if not path.is_file():
        raise DataError(no_file(path))
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not an .ini file ({' '.join(str(error).split())})") from None
    return Config(path, {key: value for section in parser.values() for key, value in section.items()})


def read_setup(path: Path) -> Setup:
    """Read an .ini file and all that it names.

    Raises
    ------
    DataError
        With all faults that can be seen at once.
    """
    config = read_config(path)
    faults = Faults()
    scenario = config.keys.get("scenario", "pairwise").strip()
    if scenario not in SCENARIOS:
        faults.add(f"{path}: scenario = {scenario}: not one of {', '.join(SCENARIOS)}")
    kind = config.keys.get("data_type", "raster").strip()
    if kind not in ("raster", "network"):
        faults.add(f"{path}: data_type = {kind}: neither raster nor network")
    if config.keys.get("use_reclass_table", "False").strip().lower() == "true":
        faults.add(f"{path}: use_reclass_table: reclassify the raster first, this is not supported")
    faults.raise_any()
    common: dict[str, Any] = {
        "name": Path(config.keys.get("output_file", path.stem).strip()).stem or path.stem,
        "scenario": scenario,
        "current_maps": config.yes("write_cur_maps"),
        "voltage_maps": config.yes("write_volt_maps"),
        "maximum_map": config.yes("write_max_cur_maps"),
        "cumulative_only": config.yes("write_cum_cur_map_only"),
        "log": config.yes("log_transform_maps"),
        "empty": np.nan if config.yes("set_null_currents_to_nodata") else 0.0,
        "suffix": ".tif" if config.yes("write_as_tif") else ".asc",
        "policy": policy(config, scenario),
    }
    return network_setup(config, common) if kind == "network" else grid_setup(config, common)


def policy(config: Config, scenario: str) -> str:
    """What becomes of nodes that are source and ground."""
    text = config.keys.get("remove_src_or_gnd", "keepall").strip()
    if text in ("not entered", ""):
        return "keepall"
    if text not in POLICIES and scenario == "advanced":
        raise DataError(f"{config.path}: remove_src_or_gnd = {text}: not one of {', '.join(POLICIES)}")
    return text if text in POLICIES else "keepall"


def grid_setup(config: Config, common: dict[str, Any]) -> Setup:
    """The rest of a setup, on a grid."""
    habitat = read_raster(config.file("habitat_file"))
    conductance = conductances(habitat, config.yes("habitat_map_is_resistances", True))
    if config.yes("use_mask"):
        mask = read_raster(config.file("mask_file"), habitat).value
        conductance = np.where(np.nan_to_num(mask) > 0, conductance, 0.0)
    average: Literal["resistance", "conductance"] = (
        "resistance" if config.yes("connect_using_avg_resistances") else "conductance"
    )
    grid = grid_circuit(conductance, 4 if config.yes("connect_four_neighbors_only") else 8, average)
    if config.yes("use_polygons"):
        grid = short_circuit(grid, regions(whole_numbers(read_raster(config.file("polygon_file"), habitat))))
    common |= {"grid": grid, "circuit": grid.circuit, "like": habitat}
    if common["scenario"] == "advanced":
        source = place_values(config.file("source_file"), habitat)
        ground = place_values(config.file("ground_file"), habitat)
        return Setup(**common, **sources_and_grounds(config, on_nodes(grid, source), on_grounds(config, grid, ground)))
    labels = read_points(config.file("point_file"), habitat)
    return Setup(**common, **focal(config, *terminals_of(grid, labels)))


def network_setup(config: Config, common: dict[str, Any]) -> Setup:
    """The rest of a setup, on a network."""
    path = config.file("habitat_file")
    table = numbers(path, 3)
    ends = table[:, :2].astype(np.int64)
    if (ends != table[:, :2]).any() or (ends < 0).any():
        raise DataError(f"{path}: node numbers must be whole and not negative")
    value = table[:, 2]
    wrong = ~(np.isfinite(value) & (value >= 0))
    resistances = config.yes("habitat_map_is_resistances", True)
    if resistances:
        wrong |= value == 0
    if wrong.any():
        what = "resistances" if resistances else "conductances"
        raise DataError(f"{path}: {what} must be positive, these are not: {some(value[wrong])}")
    circuit = network(ends[:, 0], ends[:, 1], 1.0 / value if resistances else value, int(ends.max()) + 1)
    common["circuit"] = circuit
    if common["scenario"] == "advanced":
        source = np.zeros(circuit.nodes)
        ground = np.zeros(circuit.nodes)
        for key, into in (("source_file", source), ("ground_file", ground)):
            rows = numbers(config.file(key), 2)
            into[node_numbers(config.file(key), rows[:, 0], circuit.nodes)] = rows[:, 1]
        if config.yes("ground_file_is_resistances"):
            ground = inverted(ground, ground != 0)
        return Setup(**common, **sources_and_grounds(config, source, ground))
    ids = node_numbers(config.file("point_file"), numbers(config.file("point_file"), 1)[:, 0], circuit.nodes)
    ids = np.unique(ids)
    return Setup(**common, **focal(config, ids, [np.array([i]) for i in ids]))


def conductances(habitat: Raster, resistances: bool) -> np.ndarray:
    """(R, C) conductances of a habitat raster, 0 where there is no data.

    Raises
    ------
    DataError
        If a value is negative or infinite, or a resistance is 0.
    """
    value = habitat.value
    wrong = (value < 0) | np.isinf(value)
    what = "resistance" if resistances else "conductance"
    faults = Faults()
    if wrong.any():
        faults.add(
            f"{habitat.path}: {int(wrong.sum())} cells with a negative or infinite {what} ({some(value[wrong])}); "
            "where nothing passes use NODATA"
        )
    if resistances and (value == 0).any():
        faults.add(
            f"{habitat.path}: {int((value == 0).sum())} cells with resistance 0; use a small positive value, "
            "or a short-circuit region"
        )
    faults.raise_any()
    if not resistances:
        return np.nan_to_num(value)
    return np.where(np.isnan(value), 0.0, 1.0 / np.where(np.isnan(value), 1.0, value))


def regions(labels: np.ndarray) -> list[np.ndarray]:
    """Flat cells of each label above 0, in the order of the labels."""
    return list(cells_of(labels).values())


def cells_of(labels: np.ndarray) -> dict[int, np.ndarray]:
    """Label -> flat cells, for labels above 0, in their order."""
    flat = labels.ravel()
    cells = np.flatnonzero(flat > 0)
    cells = cells[np.argsort(flat[cells], kind="stable")]
    names, first = np.unique(flat[cells], return_index=True)
    return dict(zip(names.tolist(), np.split(cells, first[1:]), strict=True)) if len(names) else {}


def read_points(path: Path, habitat: Raster) -> dict[int, np.ndarray]:
    """Focal nodes: id -> flat cells. A raster of ids, or lines `id x y`; ids below 1 are passed over."""
    if path.suffix.lower() in RASTERS:
        found = cells_of(whole_numbers(read_raster(path, habitat)))
    else:
        table = numbers(path, 3)
        cell, inside = cell_of(table[:, 1], table[:, 2], habitat)
        if not inside.all():
            raise DataError(
                f"{path}: {int((~inside).sum())} points lie outside of {habitat.path}: {some(table[~inside])}"
            )
        table, cell = table[table[:, 0] > 0], cell[table[:, 0] > 0]
        found = {int(i): cell[table[:, 0] == i] for i in np.unique(table[:, 0])}
    if not found:
        raise DataError(f"{path}: no focal node (a cell or line with an id above 0)")
    return found


def terminals_of(grid: GridCircuit, cells: Mapping[int, np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Ids and nodes of focal regions; cells without data have no node."""
    node = grid.node.ravel()
    found = [np.unique(node[where][node[where] >= 0]).astype(np.int64) for where in cells.values()]
    return np.array(list(cells), dtype=np.int64), found


def focal(config: Config, ids: np.ndarray, terminals: list[np.ndarray]) -> dict[str, Any]:
    """Focal nodes, which pairs of them are wanted, and their strengths."""
    active = ~np.eye(len(ids), dtype=bool)
    if config.yes("use_included_pairs"):
        ids, terminals, active = choose_pairs(config.file("included_pairs_file"), ids, terminals)
    strength = np.ones(len(ids))
    if config.yes("use_variable_source_strengths"):
        path = config.file("variable_source_file")
        given = {int(i): value for i, value in numbers(path, 2)}
        strength = np.array([given.get(int(i), 1.0) for i in ids])
        if not (np.isfinite(strength) & (strength > 0)).all():
            raise DataError(f"{path}: strengths must be positive numbers")
    return {"ids": ids, "terminals": terminals, "active": active, "strength": strength}


def choose_pairs(
    path: Path, ids: np.ndarray, terminals: list[np.ndarray]
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Apply a file of pairs: `mode include|exclude` and a list, or `min`, `max` and a matrix of distances.

    Nodes that the file does not name are dropped if it includes pairs, and kept if it excludes pairs.
    """
    place = {int(label): k for k, label in enumerate(ids)}
    wanted = np.zeros((len(ids), len(ids)), dtype=bool)
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        if lines[0][0].lower() == "mode":
            mode = lines[0][1].lower()
            if mode not in ("include", "exclude"):
                raise DataError(f"{path}: mode {mode}: neither include nor exclude")
            for first, second in ((int(float(line[0])), int(float(line[1]))) for line in lines[1:]):
                if first in place and second in place:
                    wanted[place[first], place[second]] = wanted[place[second], place[first]] = True
        else:
            mode, least, most = "include", float(lines[0][1]), float(lines[1][1])
            columns = [int(float(text)) for text in lines[2][1:]]
            for line in lines[3:]:
                for column, text in zip(columns, line[1:], strict=True):
                    first = int(float(line[0]))
                    if first in place and column in place and least <= float(text) <= most:
                        wanted[place[first], place[column]] = wanted[place[column], place[first]] = True
    except (IndexError, ValueError, OverflowError):
        raise DataError(f"{path}: not a file of pairs (first line `mode include`, `mode exclude` or `min X`)") from None
    if mode == "exclude":
        wanted = ~wanted
    np.fill_diagonal(wanted, False)
    keep = np.flatnonzero(wanted.any(axis=1))
    if not len(keep):
        raise DataError(f"{path}: leaves no pair of the focal nodes {some(ids)}")
    return ids[keep], [terminals[k] for k in keep], wanted[np.ix_(keep, keep)]


def place_values(path: Path, habitat: Raster) -> np.ndarray:
    """(R, C) values of sources or grounds, 0 where there is none: a raster, or lines `value x y`."""
    if path.suffix.lower() in RASTERS:
        return np.where(np.isnan(value := read_raster(path, habitat).value), 0.0, value)
    table = numbers(path, 3)
    cell, inside = cell_of(table[:, 1], table[:, 2], habitat)
    if not inside.all():
        raise DataError(f"{path}: {int((~inside).sum())} points lie outside of {habitat.path}: {some(table[~inside])}")
    return np.bincount(cell, table[:, 0], minlength=habitat.value.size).reshape(habitat.value.shape)


def on_nodes(grid: GridCircuit, image: np.ndarray) -> np.ndarray:
    """(N,) sums of an image's values over the cells of each node."""
    inside = (grid.node >= 0) & (image != 0)
    return np.bincount(grid.node[inside], image[inside], minlength=grid.circuit.nodes).astype(np.float64)


def on_grounds(config: Config, grid: GridCircuit, image: np.ndarray) -> np.ndarray:
    """(N,) conductances to the ground."""
    if config.yes("ground_file_is_resistances"):
        image = inverted(image, image != 0)
    return on_nodes(grid, image)


def inverted(value: np.ndarray, where: np.ndarray) -> np.ndarray:
    """1 / value at some places, 0 elsewhere."""
    return np.where(where, 1.0 / np.where(where, value, 1.0), 0.0)


def sources_and_grounds(config: Config, source: np.ndarray, ground: np.ndarray) -> dict[str, Any]:
    """Sources and grounds of the advanced mode, with its two switches."""
    faults = Faults()
    if (ground < 0).any() or np.isnan(ground).any():
        faults.add(f"{config.file('ground_file')}: grounds must not be negative: {some(ground[~(ground >= 0)])}")
    if not (source != 0).any():
        faults.add(f"{config.file('source_file')}: no source lies where the habitat has data")
    if not (ground != 0).any():
        faults.add(f"{config.file('ground_file')}: no ground lies where the habitat has data")
    faults.raise_any()
    if config.yes("use_unit_currents"):
        source = (source != 0).astype(np.float64)
    if config.yes("use_direct_grounds"):
        ground = np.where(ground > 0, np.inf, 0.0)
    return {"source": source, "ground": ground}


def cell_of(x: np.ndarray, y: np.ndarray, like: Raster) -> tuple[np.ndarray, np.ndarray]:
    """Flat cells of points, and whether they lie on the grid."""
    width, _, left, _, height, top = like.transform
    rows, columns = like.value.shape
    column = np.floor((x - left) / width).astype(np.int64)
    row = np.floor((y - top) / height).astype(np.int64)
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    return np.where(inside, row * columns + column, 0), inside


def numbers(path: Path, columns: int) -> np.ndarray:
    """(lines, columns) float64 of a text file of numbers.

    Raises
    ------
    DataError
        If it is missing, empty or not of numbers.
    """
    if not path.is_file():
        raise DataError(no_file(path))
    try:
        table = np.loadtxt(path, ndmin=2, usecols=range(columns), delimiter="," if "," in path.read_text() else None)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {columns} numbers a line expected ({' '.join(str(error).split())})") from None
    if not len(table):
        raise DataError(f"{path}: empty")
    return table


def node_numbers(path: Path, value: np.ndarray, nodes: int) -> np.ndarray:
    """Numbers of nodes that a file names.

    Raises
    ------
    DataError
        If one is not in the network.
    """
    number = value.astype(np.int64)
    wrong = (number != value) | (number < 0) | (number >= nodes)
    if wrong.any():
        raise DataError(f"{path}: not nodes of the network, which has 0 to {nodes - 1}: {some(value[wrong])}")
    return number
