"""Whether two files of a run say the same: numbers to 1e-9 of their size, texts exactly, whatever wrote them.

Files of the same bytes are the same. Others may still be: another version of GDAL or Arrow writes other bytes, and
another processor adds up in another order.
"""

from __future__ import annotations

import csv
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prioritize.errors import PrioritizeError
from prioritize.inputs import file_digest
from prioritize.npz import read_headers, read_npz

#: numbers may differ by this share of their size, and by what is left where sums cancel out
SAME, REST = 1e-9, 1e-12
#: a file may be larger by this factor and so many bytes before it is opened
LARGER, ROOM = 4, 1_000_000


def difference(path: Path, again: Path) -> str:
    """What a file says otherwise than the same file made again; empty if it says the same.

    Parameters
    ----------
    path : Path
        Of unknown origin: nothing of it is trusted, and nothing larger than it should be is opened.
    again : Path
        Just made.
    """
    if file_digest(path) == file_digest(again):
        return ""
    if path.stat().st_size > LARGER * again.stat().st_size + ROOM:
        return f"it has {path.stat().st_size:,} bytes, made again {again.stat().st_size:,}"
    compare = COMPARE.get(path.suffix, texts)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compare(path, again)
    except PrioritizeError as error:
        return "; ".join(fault.removeprefix(f"{path}: ") for fault in error.faults)
    except Exception as error:  # whatever a library says of a damaged file: it is not the file
        return f"it cannot be read ({' '.join(str(error).split())[:200]})"


def alike(claimed: Any, right: Any) -> bool:
    """Whether two values are the same; NaN is like NaN, and a truth value is no number."""
    if isinstance(claimed, bool) or isinstance(right, bool):
        return claimed is right
    if isinstance(claimed, int | float) and isinstance(right, int | float):
        try:
            first, second = float(claimed), float(right)
        except OverflowError:  # JSON knows whole numbers of any length
            return claimed == right
        if math.isnan(first) or math.isnan(second):
            return math.isnan(first) and math.isnan(second)
        return first == second or abs(first - second) <= SAME * abs(second) + REST
    return bool(type(claimed) is type(right) and claimed == right)


def cell(text: str) -> str | float:
    """A cell of a CSV file: a number where it is one."""
    try:
        return float(text)
    except ValueError:
        return text


def tables(path: Path, again: Path) -> str:
    """Two CSV files."""
    with path.open(encoding="utf-8", newline="") as one, again.open(encoding="utf-8", newline="") as two:
        claimed, right = list(csv.reader(one)), list(csv.reader(two))
    if len(claimed) != len(right):
        return f"it has {len(claimed)} lines, made again {len(right)}"
    for line, (first, second) in enumerate(zip(claimed, right, strict=True), start=1):
        if len(first) != len(second):
            return f"line {line} has {len(first)} values, made again {len(second)}"
        for value, true in zip(first, second, strict=True):
            if value != true and not alike(cell(value), cell(true)):
                return f"line {line} says '{value[:80]}', made again '{true[:80]}'"
    return ""


def texts(path: Path, again: Path) -> str:
    """Two text files."""
    claimed, right = path.read_text(encoding="utf-8").split("\n"), again.read_text(encoding="utf-8").split("\n")
    for line, (first, second) in enumerate(zip(claimed, right, strict=False), start=1):
        if first != second:
            return f"line {line} says '{first.strip()[:80]}', made again '{second.strip()[:80]}'"
    return "" if len(claimed) == len(right) else f"it has {len(claimed)} lines, made again {len(right)}"


def jsons(path: Path, again: Path) -> str:
    """Two JSON files."""
    claimed, right = (json.loads(item.read_text(encoding="utf-8")) for item in (path, again))
    return values(claimed, right, "")


def values(claimed: Any, right: Any, where: str) -> str:
    """Two values of JSON files, and what is in them."""
    if isinstance(claimed, dict) and isinstance(right, dict):
        for key in [*right, *(key for key in claimed if key not in right)]:
            if key not in claimed or key not in right:
                return f"{where}{key} is {'not there' if key in right else 'one too many'}"
            if found := values(claimed[key], right[key], f"{where}{key}."):
                return found
        return ""
    if isinstance(claimed, list) and isinstance(right, list):
        if len(claimed) != len(right):
            return f"{where.rstrip('.') or 'the list'} has {len(claimed)} items, made again {len(right)}"
        pairs = enumerate(zip(claimed, right, strict=True))
        return next(filter(None, (values(first, second, f"{where}{k}.") for k, (first, second) in pairs)), "")
    same = alike(claimed, right)
    return "" if same else f"{where.rstrip('.')} is {str(claimed)[:80]}, made again {str(right)[:80]}"


def arrays(path: Path, again: Path) -> str:
    """Two .npz files."""
    wanted = read_headers(again)
    # texts among the arrays may be of another length: they are compared by what they say
    found = read_headers(path)
    if "about" in wanted and "about" in found and found["about"][1][0] < 2 * wanted["about"][1][0] + 1000:
        claimed = read_npz(path, {**wanted, "about": found["about"]})
    else:
        claimed = read_npz(path, wanted)
    right = read_npz(again, wanted)
    for name, array in right.items():
        if name == "about":
            if told := values(json.loads(claimed[name].tobytes()), json.loads(array.tobytes()), "about."):
                return told
        elif not same_numbers(claimed[name], array):
            return f"{name} is not what it is made again"
    return ""


def same_numbers(claimed: np.ndarray, right: np.ndarray) -> bool:
    """Whether arrays are the same: whole numbers exactly, others nearly."""
    if claimed.shape != right.shape or claimed.dtype != right.dtype:
        return False
    if right.dtype.kind == "f":
        return bool(np.allclose(claimed, right, rtol=SAME, atol=REST, equal_nan=True))
    return bool(np.array_equal(claimed, right))


def columns(path: Path, again: Path) -> str:
    """Two Parquet files."""
    import pyarrow.parquet

    claimed, right = (pyarrow.parquet.ParquetFile(item) for item in (path, again))
    if claimed.metadata.num_rows != right.metadata.num_rows:
        return f"it has {claimed.metadata.num_rows} rows, made again {right.metadata.num_rows}"
    if claimed.schema_arrow.names != right.schema_arrow.names:
        return f"its columns are {', '.join(claimed.schema_arrow.names)[:200]}"
    if b"geo" not in (right.schema_arrow.metadata or {}):
        return frames(pd.read_parquet(path), pd.read_parquet(again))
    import geopandas

    return frames(geopandas.read_parquet(path), geopandas.read_parquet(again))


def layers(path: Path, again: Path) -> str:
    """Two GeoPackages."""
    import pyogrio

    told = [pyogrio.list_layers(item).tolist() for item in (path, again)]
    if told[0] != told[1]:
        return f"its layers are {told[0]}, made again {told[1]}"
    for name, _ in told[1]:
        claimed, right = (pyogrio.read_info(item, layer=name)["features"] for item in (path, again))
        if claimed != right:
            return f"it has {claimed} features, made again {right}"
        if found := frames(pyogrio.read_dataframe(path, layer=name), pyogrio.read_dataframe(again, layer=name)):
            return found
    return ""


def frames(claimed: pd.DataFrame, right: pd.DataFrame) -> str:
    """Two tables, with or without geometry."""
    if list(claimed) != list(right) or len(claimed) != len(right):
        return "its columns or rows are others than made again"
    if getattr(claimed, "crs", None) != getattr(right, "crs", None):
        return "its coordinate system is another than made again"
    for name in right:
        first, second = claimed[name], right[name]
        if second.dtype.kind in "fiub" and first.dtype == second.dtype:
            wrong = ~np.isclose(first, second, rtol=SAME, atol=REST, equal_nan=True)
        elif str(second.dtype) == "geometry" == str(first.dtype):
            wrong = ~first.geom_equals_exact(second, SAME).to_numpy()
        else:
            wrong = np.array([a != b and not (pd.isna(a) and pd.isna(b)) for a, b in zip(first, second, strict=True)])
        if wrong.any():
            row = int(np.argmax(wrong))
            return f"row {row + 1} of {name} is {str(first.iloc[row])[:60]}, made again {str(second.iloc[row])[:60]}"
    return ""


def images(path: Path, again: Path) -> str:
    """Two GeoTIFFs."""
    import rasterio

    with rasterio.open(path) as claimed, rasterio.open(again) as right:
        for what in ("count", "shape", "dtypes", "nodata", "crs", "transform"):
            if getattr(claimed, what) != getattr(right, what):
                return f"its {what} is {str(getattr(claimed, what))[:80]}, made again {str(getattr(right, what))[:80]}"
        if claimed.tags(1) != right.tags(1) or claimed.colormap(1) != right.colormap(1):
            return "its names or colours are others than made again"
        wrong = int((claimed.read(1) != right.read(1)).sum())
    return f"{wrong} cells are others than made again" if wrong else ""


COMPARE = {
    ".csv": tables,
    ".gpkg": layers,
    ".json": jsons,
    ".npz": arrays,
    ".parquet": columns,
    ".tif": images,
}
