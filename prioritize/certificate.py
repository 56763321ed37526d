"""The certificate of a run: what it is, how it is written, what it proves.

A certificate is a price for every row and a flow for every edge. Whoever has the inputs can put them into the
Lagrangian bound (`proven_bound`) and see that no selection at all is cheaper; no solver is needed, and none is used.
"""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from pathlib import Path

import numpy as np

from prioritize.engine.dual import Multipliers
from prioritize.inputfile import gate
from prioritize.landscape import Landscape
from prioritize.npz import Header, read_headers, read_npz
from prioritize.program import Program

FILE = "certificate.npz"
#: half a unit in the last place, and a little
ROUNDING = 2.0**-53 * 1.001


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 over the bytes of arrays."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(str((array.dtype.str, array.shape)).encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def selection_digest(landscape: Landscape, selection: np.ndarray) -> str:
    """Digest of which unit was given which zone."""
    return digest(landscape.unit_id.astype(np.int64), selection.astype(bool))


def multipliers_digest(multipliers: Multipliers) -> str:
    """Digest of a certificate's numbers."""
    return digest(multipliers.rows, *multipliers.flows)


def write_certificate(folder: Path, multipliers: Multipliers) -> None:
    """Write certificate.npz into a run folder."""
    flows = {f"flows_{k}": flow for k, flow in enumerate(multipliers.flows)}
    # no other keyword: NumPy 2.0 would store `allow_pickle` as one more array
    np.savez_compressed(folder / FILE, rows=multipliers.rows, **flows)  # type: ignore[arg-type]


def read_certificate(folder: Path, program: Program | None = None) -> Multipliers | None:
    """Read certificate.npz; None where the run has none.

    Parameters
    ----------
    folder : Path
    program : Program, optional
        What the multipliers belong to. It says how many they are, so that nothing larger is unpacked.

    Raises
    ------
    DataError
        If the file is damaged, or holds anything but the prices and flows of the program.
    """
    path = folder / FILE
    gate(path)
    if not path.exists():
        return None
    if program is None:
        found = read_headers(path)
        sizes = [found[name][1] if name in found else (0,) for name in names_of(len(found) - 1)]
    else:
        sizes = [program.row_lower.shape, *(group.weight.shape for group in program.edges)]
    wanted: dict[str, Header] = {
        name: (np.dtype(np.float64), (size[0] if len(size) == 1 else 0,))
        for name, size in zip(names_of(len(sizes) - 1), sizes, strict=True)
    }
    rows, *flows = read_npz(path, wanted).values()
    return Multipliers(rows, tuple(flows))


def names_of(groups: int) -> list[str]:
    """Names of the arrays: prices of rows, then flows of each group of edges."""
    return ["rows", *(f"flows_{k}" for k in range(groups))]


def proves(proven: float, bound: float) -> bool:
    """Whether a bound of the Program is no better than what a certificate proves, but for rounding; NaN never is."""
    return bound <= proven + 1e-7 * max(1.0, abs(proven))


def proven_bound(program: Program, multipliers: Multipliers) -> float:
    """Lower bound that the multipliers prove, every rounding error counted against it.

    The Lagrangian bound of `engine.dual.dual_value`, written a second time: reduced costs in float64 with the standard
    bound of their rounding error subtracted (Higham 2002, doi 10.1137/1.9780898718027, section 3.1), prices times
    row bounds in rational arithmetic, the sum over units with `math.fsum` (exact).

    Returns
    -------
    float
        Of the Program, which always minimises; minus infinity where the multipliers are out of their box.
    """
    price = multipliers.rows
    if price.shape != program.row_lower.shape or len(multipliers.flows) != len(program.edges):
        return -math.inf
    if not np.all(np.isfinite(price)) or np.any(price > program.price):
        return -math.inf
    pushed = Fraction(0)
    for row in np.flatnonzero(price):
        limit = program.row_lower[row] if price[row] > 0 else program.row_upper[row]
        if not math.isfinite(limit):
            return -math.inf
        pushed += Fraction(float(price[row])) * Fraction(float(limit))

    columns = program.units * program.zones
    reduced = program.cost - program.rows.T @ price
    size = np.abs(program.cost) + abs(program.rows).T @ np.abs(price)
    count = np.bincount(program.rows.indices, minlength=columns) + 2.0
    for group, flow in zip(program.edges, multipliers.flows, strict=True):
        if flow.shape != group.weight.shape or not (np.all(flow >= 0) and np.all(flow <= group.weight)):
            return -math.inf
        for ends, sign in ((group.tail, 1.0), (group.head, -1.0)):
            into = np.bincount(ends, flow, program.units)
            degree = np.bincount(ends, minlength=program.units)
            for zone in group.zones:
                reduced[zone :: program.zones] += sign * into
                size[zone :: program.zones] += into
                count[zone :: program.zones] += degree + 1.0
    least = (reduced - (count + 2.0) * ROUNDING * size).reshape(program.units, program.zones)

    lower = program.lower.reshape(least.shape)
    upper = program.upper.reshape(least.shape)
    choices = np.where(upper > 0, least, np.inf)
    best = choices.min(axis=1)
    if not program.mandatory:
        best = np.minimum(best, 0.0)
    for unit in np.flatnonzero(lower.any(axis=1)):
        best[unit] = least[unit][lower[unit] > 0].sum()
    boxes = [float(min(c * low, c * high)) for e in program.extras for c, low, high in zip(e.cost, e.lower, e.upper)]
    try:
        value = float(Fraction(math.fsum([*best.tolist(), *boxes, program.constant])) + pushed)
        added = math.fsum([*np.abs(best).tolist(), *map(abs, boxes), abs(program.constant), abs(float(pushed))])
    except (OverflowError, ValueError):  # prices so large that sums are infinite or not a number
        return -math.inf
    # what is told is one number more, and an objective is added up in float64 as well
    return value - 4 * ROUNDING * added
