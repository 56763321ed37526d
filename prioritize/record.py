"""What `summary.json` of a run must hold, of which type: whoever shows a run asks this first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from prioritize.errors import DataError


class Strict(BaseModel):
    """Types as JSON has them: no text is a number, and a number is finite."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Digests(Strict):
    """Digests of a run, and of each of its files."""

    selection: str
    multipliers: str | None = None
    files: dict[str, str] = {}


class Inputs(Strict):
    """SHA-256 of the inputs by name; `key` over all that decides the result."""

    __pydantic_extra__: dict[str, str]
    key: str


class Record(Strict):
    """The keys of `summary.json` (see `prioritize.summary`)."""

    name: str
    title: str
    seed: int
    status: str
    objective: float
    objective_kind: str
    terms: dict[str, float]
    bound: float | None
    certified_bound: float | None
    bound_by: str
    gap: float | None
    certified_gap: float | None
    proof: str
    cost: float
    cost_new: float
    cost_unit: str
    boundary: float
    boundary_unit: str
    targets_met: int
    targets: int
    target_denominator: str
    units_selected: int
    units: int
    area_km2: float
    area_share: dict[str, float]
    zone_area_km2: dict[str, float]
    cautions: list[str] = []
    missing: dict[str, str]
    seconds: dict[str, float]
    solver: str
    versions: dict[str, str]
    digests: Digests
    inputs: Inputs


#: what pydantic's errors ask for, in words
WANTED = {
    "missing": "is missing",
    "string_type": "must be a text",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "finite_number": "must be a finite number",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "list_type": "must be a list",
}


def check_record(path: Path, summary: Mapping[str, Any]) -> None:
    """Refuse a summary that lacks a key, or has one of another type.

    Parameters
    ----------
    path : Path
        The file, for the faults.
    summary : mapping

    Raises
    ------
    DataError
        One line naming the first key that is wrong, its value, and how many more there are.
    """
    try:
        Record.model_validate(summary)
    except ValidationError as error:
        first, *more = error.errors()
        where = ".".join(map(str, first["loc"]))
        what = WANTED.get(first["type"], first["msg"])
        value = "" if first["type"] == "missing" else f", it is {shown(first['input'])}"
        others = f" (and {len(more)} more keys are wrong)" if more else ""
        raise DataError(f"{path}: {where} {what}{value}{others}; make the run again") from None


def shown(value: Any) -> str:
    """A value of a summary, for people."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return "nothing" if value is None else repr(value)[:80]
