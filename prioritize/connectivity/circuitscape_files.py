"""Read the data files of Circuitscape: habitat grids, focal nodes, pairs, sources and grounds, strengths."""

from __future__ import annotations

import gzip
import io
import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from prioritize.connectivity.laplacian import GridCircuit, with_bare_cells
from prioritize.connectivity.rasters import NODATA, Raster, read_raster, whole_numbers
from prioritize.errors import DataError, Faults
from prioritize.inputfile import no_file
from prioritize.landscape import some

RASTERS = (".asc", ".tif", ".tiff")
#: first bytes of a GeoTIFF, little or big endian, classic or big
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_layer(path: Path, like: Raster | None = None) -> Raster:
    """Read a raster as Circuitscape does: -9999 is no data, whatever the file declares."""
    raster = read_raster(path, like)
    return replace(raster, value=np.where(raster.value == NODATA, np.nan, raster.value))


def is_grid(path: Path) -> bool:
    """Whether a file is a raster by its name or its first bytes, else a text list.

    Raises
    ------
    DataError
        If it is missing or damaged.
    """
    if not path.is_file():
        raise DataError(no_file(path))
    name = path.name.lower().removesuffix(".gz")
    head = content(path, 64)
    return (
        name.endswith(RASTERS) or head.startswith(TIFF) or b"\0" in head or head.lstrip().lower().startswith(b"ncols")
    )


def content(path: Path, size: int = -1) -> bytes:
    """The first bytes of a file, or all; unpacked if gzip packed it."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            return file.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged ({error})") from None


def conductances(habitat: Raster, resistances: bool) -> np.ndarray:
    """(R, C) conductances of a habitat raster, 0 where there is no data.

    Raises
    ------
    DataError
        If a value is negative or infinite, or a resistance is 0 or so small that its inverse is infinite.
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
    small = (value >= 0) & (value < np.finfo(np.float64).tiny)
    if resistances and small.any():
        faults.add(
            f"{habitat.path}: {int(small.sum())} cells with resistance {some(np.unique(value[small]))}; use a small "
            "positive value, or a short-circuit region"
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


def read_points(path: Path, habitat: Raster, cautions: list[str]) -> dict[int, np.ndarray]:
    """Focal nodes: id -> flat cells. A raster of ids, or lines `id x y`; an id of several cells is a focal region.

    Ids below 1 are passed over, with a caution (0 in a raster is an empty cell).

    Raises
    ------
    DataError
        If ids are not whole numbers, points lie outside, or there are less than two focal nodes.
    """
    if is_grid(path):
        labels = whole_numbers(read_layer(path, habitat))
        found, below = cells_of(labels), labels[labels < 0]
    else:
        table = numbers(path, 3)
        ids = whole_ids(path, table[:, 0])
        cell, keep = placed(path, table, habitat), ids > 0
        found = {int(i): np.unique(cell[ids == i]) for i in np.unique(ids[keep])}
        below = ids[~keep]
        twice = [i for i in found if (ids == i).sum() > 1]
        if twice:
            cautions.append(f"{path}: ids that stand in several lines are one focal region each: {some(twice)}")
    if len(below):
        cautions.append(f"{path}: focal nodes with an id below 1 are passed over: {some(np.unique(below))}")
    if not found:
        raise DataError(f"{path}: no focal node (a cell or line with an id above 0)")
    if len(found) == 1:
        raise DataError(f"{path}: one focal node only ({next(iter(found))}); two are needed at the least")
    return found


def terminals_of(
    grid: GridCircuit, cells: Mapping[int, np.ndarray]
) -> tuple[GridCircuit, np.ndarray, list[np.ndarray]]:
    """The grid, ids and nodes of focal regions.

    A region's cells without data carry its voltage and current, but no edge leads to them; a region in which no cell
    has data has no node.
    """
    live = {k: where for k, where in cells.items() if (grid.node.ravel()[where] >= 0).any()}
    if live:
        grid = with_bare_cells(grid, np.concatenate(list(live.values())))
    node = grid.node.ravel()
    found = [
        np.unique(node[where]).astype(np.int64) if k in live else np.zeros(0, np.int64) for k, where in cells.items()
    ]
    return grid, np.array(list(cells), dtype=np.int64), found


def read_strengths(path: Path, ids: np.ndarray) -> np.ndarray:
    """(k,) currents of the focal nodes from lines `id strength`; 1 where the file does not name one."""
    table = numbers(path, 2)
    named = whole_ids(path, table[:, 0])
    once(path, named, "id")
    given = dict(zip(named.tolist(), table[:, 1].tolist(), strict=True))
    return np.array([given.get(int(i), 1.0) for i in ids])


def read_pairs(path: Path, ids: np.ndarray, cautions: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Apply a file of pairs: `mode include|exclude` and a list, or `min`, `max` and a matrix of distances.

    Returns
    -------
    ((m,) int, (m, m) bool)
        Places of the focal nodes that stay: all if the file excludes pairs, else those that it names; and whether the
        one of the column takes part when it is the turn of the one of the row. A list counts both ways.
    """
    if not path.is_file():
        raise DataError(no_file(path))
    lines = [line.replace(",", " ").split() for line in decoded(path).splitlines() if line.strip()]
    place = {int(label): k for k, label in enumerate(ids)}
    wanted = np.zeros((len(ids), len(ids)), dtype=bool)
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        if lines[0][0].lower() == "mode":
            mode = lines[0][1].lower()
            if mode not in ("include", "exclude"):
                raise DataError(f"{path}: mode {mode}: neither include nor exclude")
            listed = [(int(float(line[0])), int(float(line[1]))) for line in lines[1:]]
            both = [(a, b) for a, b in listed if a in place and b in place]
            named = {i for pair in listed for i in pair}
            wanted[[place[a] for a, _ in both], [place[b] for _, b in both]] = True
            wanted |= wanted.T
        else:
            mode, least, most = "include", float(lines[0][1]), float(lines[1][1])
            named = {int(float(text)) for text in lines[2][1:]}
            columns = [int(float(text)) for text in lines[2][1:]]
            for line in lines[3:]:
                row = int(float(line[0]))
                for column, text in zip(columns, line[1:], strict=True):
                    if row in place and column in place:
                        wanted[place[row], place[column]] = least <= float(text) <= most
    except (IndexError, ValueError, OverflowError):
        raise DataError(f"{path}: not a file of pairs (first line `mode include`, `mode exclude` or `min X`)") from None
    strange = sorted(named - place.keys() - {0})
    if strange:
        cautions.append(f"{path}: names what is no focal node, and is passed over: {some(strange)}")
    wanted = ~wanted if mode == "exclude" else wanted
    np.fill_diagonal(wanted, False)
    if not wanted.any():
        raise DataError(f"{path}: leaves no pair of the focal nodes {some(ids)}")
    keep = np.arange(len(ids)) if mode == "exclude" else np.flatnonzero([int(i) in named for i in ids])
    return keep, wanted[np.ix_(keep, keep)]


def place_values(
    path: Path, habitat: Raster, convert: Callable[[Path, np.ndarray], np.ndarray], cautions: list[str]
) -> np.ndarray:
    """(R, C) values of sources or grounds, 0 where there is none: a raster, or lines `value x y`.

    Parameters
    ----------
    convert : callable
        From the values of a file to what counts; it gets the path for its messages.
    """
    if is_grid(path):
        value = read_layer(path, habitat).value
        given = ~np.isnan(value)
        image = np.zeros(value.shape)
        image[given] = convert(path, value[given])
        return image
    table = numbers(path, 3)
    cell = placed(path, table, habitat)
    shared = len(cell) - len(np.unique(cell))
    if shared:
        cautions.append(
            f"{path}: {shared} lines name a cell that another line names, too; their values add up "
            "(Circuitscape takes the last)"
        )
    total = np.bincount(cell, convert(path, table[:, 0]), minlength=habitat.value.size)
    return total.reshape(habitat.value.shape)


def on_nodes(path: Path, grid: GridCircuit, image: np.ndarray, what: str, cautions: list[str]) -> np.ndarray:
    """(N,) sums of an image's values over the cells of each node.

    Raises
    ------
    DataError
        If none lies on a node.
    """
    given = image != 0
    inside = (grid.node >= 0) & given
    if not inside.any():
        raise DataError(f"{path}: no {what} (a value other than 0) lies where the habitat has data")
    if inside.sum() < given.sum():
        cautions.append(
            f"{path}: {int(given.sum() - inside.sum())} of {int(given.sum())} {what}s lie where the habitat has no "
            "data, and are passed over"
        )
    return np.bincount(grid.node[inside], image[inside], minlength=grid.circuit.nodes).astype(np.float64)


def placed(path: Path, table: np.ndarray, like: Raster) -> np.ndarray:
    """(lines,) flat cells of the points `value x y`.

    A point on the border of two cells belongs to the left or upper one, as in Circuitscape.

    Raises
    ------
    DataError
        If a point lies outside.
    """
    width, _, left, _, height, top = like.transform
    rows, columns = like.value.shape
    column = np.maximum(np.ceil((table[:, 1] - left) / width) - 1, np.where(table[:, 1] == left, 0, -1))
    row = np.maximum(np.ceil((table[:, 2] - top) / height) - 1, np.where(table[:, 2] == top, 0, -1))
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    if not inside.all():
        raise DataError(f"{path}: {int((~inside).sum())} points lie outside of {like.path}: {some(table[~inside])}")
    return (row * columns + column).astype(np.int64)


def numbers(path: Path, columns: int) -> np.ndarray:
    """(lines, columns) float64 of a text file of numbers.

    Raises
    ------
    DataError
        If it is missing, empty or not of finite numbers.
    """
    if not path.is_file():
        raise DataError(no_file(path))
    text = decoded(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an empty file, which is told below
            table = np.loadtxt(
                io.StringIO(text), ndmin=2, usecols=range(columns), delimiter="," if "," in text else None
            )
    except ValueError as error:
        raise DataError(f"{path}: {columns} numbers a line expected ({' '.join(str(error).split())})") from None
    if not len(table):
        raise DataError(f"{path}: empty")
    if not np.isfinite(table).all():
        raise DataError(f"{path}: not finite: {some(table[~np.isfinite(table)])}; numbers are needed")
    return table


def decoded(path: Path) -> str:
    """The text of a file."""
    try:
        return content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}); save it as plain text") from None


def whole_ids(path: Path, value: np.ndarray) -> np.ndarray:
    """(lines,) int64 ids.

    Raises
    ------
    DataError
        If one is not a whole number, or too large for one.
    """
    wrong = (value != np.rint(value)) | (np.abs(value) >= 2.0**53)
    if wrong.any():
        raise DataError(f"{path}: ids must be whole numbers, these are not: {some(value[wrong])}")
    return value.astype(np.int64)


def once(path: Path, ids: np.ndarray, what: str) -> None:
    """Refuse a list that names something twice.

    Raises
    ------
    DataError
    """
    names, count = np.unique(ids, return_counts=True)
    if (count > 1).any():
        raise DataError(
            f"{path}: names a{'n' * (what[0] in 'aeiou')} {what} twice: {some(names[count > 1])}; leave one line"
        )
