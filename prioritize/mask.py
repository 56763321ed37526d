"""Results that may be shown to others: names of features masked, places given by large squares only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from prioritize.dispersal import centroids
from prioritize.errors import DataError, Faults, ScenarioError
from prioritize.landscape import Landscape, some
from prioritize.place import Nowhere
from prioritize.plaintext import write_csv
from prioritize.source import find_features
from prioritize.table import Table, write_tables

if TYPE_CHECKING:
    from prioritize.scenario import MaskConfig

#: squares of fewer planning units say nothing: one unit alone would be a place
LEAST_UNITS = 4
#: columns of tables that name planning units
PLACES = ("units", "unit_id")
#: kilometres of a degree of latitude
DEGREE_KM = 111.195


def masked_names(landscape: Landscape, mask: MaskConfig) -> dict[str, str]:
    """What each masked feature is called instead: `masked_1` ..., in the order of the features.

    Raises
    ------
    ScenarioError, DataError
        If a pattern matches no feature, or places cannot be told by squares of that size.
    """
    faults = Faults(ScenarioError)
    names = landscape.features["name"].astype(str)
    hit = np.zeros(len(names), bool)
    for pattern in mask.names:
        found = find_features(pattern, names)
        if not found.any():
            faults.add(f"output.mask.names: no feature matches '{pattern}'; features are {some(names.to_numpy(), 8)}")
        hit |= found
    if mask.square_km is not None and isinstance(landscape.place, Nowhere):
        faults.add("output.mask.square_km: the planning units have no position; leave it out")
    faults.raise_any()
    if mask.square_km is not None:
        squares(landscape, np.zeros((landscape.shape[0], len(landscape.zones)), bool), mask.square_km)
    chosen = names[hit].tolist()
    return {name: f"masked_{number:0{len(str(len(chosen)))}d}" for number, name in enumerate(chosen, start=1)}


def write_shared(
    folder: Path,
    landscape: Landscape,
    selection: np.ndarray,
    evaluation: pd.DataFrame,
    tables: Sequence[Table],
    mask: MaskConfig,
) -> None:
    """Write `evaluation.csv`, `tables/` and `squares.csv` with names masked and places aggregated.

    Maps, unit numbers, the scenario and the log are left out: they name what is masked.
    """
    names = masked_names(landscape, mask)
    folder.mkdir(parents=True)
    write_csv(folder / "evaluation.csv", veil(evaluation, names))
    shown = []
    for table in tables:
        frame = veil(table.frame.drop(columns=[name for name in PLACES if name in table.frame]), names)
        columns = {name: text for name, text in table.columns.items() if name in frame}
        shown.append(replace(table, frame=frame, columns=columns, note=veiled(table.note, names)))
    write_tables(folder / "tables", shown)
    if mask.square_km is not None:
        write_csv(folder / "squares.csv", squares(landscape, selection, mask.square_km))


def veil(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """A frame whose texts hold no masked name."""
    result = frame.copy()
    for column in result:
        # texts are objects or strings, by the version of pandas
        if not pd.api.types.is_numeric_dtype(result[column]):
            result[column] = [veiled(value, names) if isinstance(value, str) else value for value in result[column]]
    return result


def veiled(text: str, names: Mapping[str, str]) -> str:
    """A text in which every masked name (as a whole word) is replaced."""
    if not names:
        return text
    longest = sorted(names, key=len, reverse=True)
    pattern = r"(?<!\w)(" + "|".join(re.escape(name) for name in longest) + r")(?!\w)"
    return re.sub(pattern, lambda found: names[found.group(1)], text)


def squares(landscape: Landscape, selection: np.ndarray, side_km: float) -> pd.DataFrame:
    """Area and selected area by square; empty shares where a square holds too few units to hide one.

    Parameters
    ----------
    selection : (U, Z) bool
    side_km : float
        In a landscape in degrees, as many degrees of latitude as that is.

    Returns
    -------
    DataFrame
        x, y of the lower left corner (km, or degrees), units, area_km2, share, and a share by zone.

    Raises
    ------
    DataError
        If no square holds enough units.
    """
    there = centroids(landscape.place)
    side = side_km / DEGREE_KM if there.sphere else side_km
    block = np.floor(there.flat / side).astype(np.int64)
    corner, code = np.unique(block, axis=0, return_inverse=True)
    code = code.ravel()
    count = np.bincount(code)
    if not (count >= LEAST_UNITS).any():
        raise DataError(
            f"output.mask.square_km {side_km:g}: no square holds {LEAST_UNITS} planning units; make it larger"
        )
    area = np.bincount(code, landscape.area_km2)
    unit = "deg" if there.sphere else "km"
    frame = pd.DataFrame({f"x_{unit}": corner[:, 0] * side, f"y_{unit}": corner[:, 1] * side, "units": count})
    frame["area_km2"] = area
    parts = {"share": selection.any(axis=1)}
    parts |= {f"share_{zone.name}": selection[:, number] for number, zone in enumerate(landscape.zones)}
    for name, chosen in parts.items():
        share = np.bincount(code, landscape.area_km2 * chosen) / np.where(area > 0, area, 1.0)
        frame[name] = np.where(count >= LEAST_UNITS, share, np.nan)
    return frame
