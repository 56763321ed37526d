"""Read an .npz of which it is known what it must hold: headers first, and nothing is unpacked that is larger.

A few kilobytes of a zip can stand for gigabytes. The header of each array says how large it is, and is read from the
first bytes; only arrays of the right names, types and shapes are unpacked, and never a pickle.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from prioritize.errors import DAMAGED, DataError

#: type and shape of an array
Header: TypeAlias = tuple[np.dtype, tuple[int, ...]]


def read_headers(path: Path) -> dict[str, Header]:
    """Type and shape of each array of an .npz; no data are unpacked.

    Raises
    ------
    DataError
        If the file is damaged, or not what `numpy.savez` writes.
    """
    found: dict[str, Header] = {}
    try:
        with zipfile.ZipFile(path) as file:
            for item in file.infolist():
                name = item.filename.removesuffix(".npy")
                # other ways to compress unpack more than they are asked for
                if item.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or name in found:
                    raise ValueError(f"{name} is not as this program writes it")
                with file.open(item) as member:
                    # the header of any later version may itself be of any length
                    if np.lib.format.read_magic(member) != (1, 0):
                        raise ValueError(f"{name} is not as this program writes it")
                    shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
                if fortran or dtype.hasobject:
                    raise ValueError(f"{name} is not as this program writes it")
                found[name] = (dtype, shape)
    except DAMAGED as error:
        raise DataError(f"{path}: damaged or cut off ({error}); make the run again") from None
    return found


def read_npz(path: Path, wanted: Mapping[str, Header]) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz, if they are those that are wanted.

    Parameters
    ----------
    path : Path
    wanted : mapping of name to (dtype, shape)

    Raises
    ------
    DataError
        If the file is damaged, or holds other arrays, or arrays of another size.
    """
    found = read_headers(path)
    for name in sorted({*wanted, *found}):
        if found.get(name) != wanted.get(name):
            raise DataError(
                f"{path}: {name} is {shown(found.get(name))}, and {shown(wanted.get(name))} in this run; "
                "make the run again"
            )
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in wanted}
    except DAMAGED as error:
        raise DataError(f"{path}: damaged or cut off ({error}); make the run again") from None


def shown(header: Header | None) -> str:
    """`float64 of shape (3,)`."""
    return "not there" if header is None else f"{header[0]} of shape {header[1]}"
