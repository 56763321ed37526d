"""What a `[redline]` block says of each planning unit."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from prioritize.errors import DataError, ScenarioError
from prioritize.landscape import Landscape
from prioritize.place import Grid
from prioritize.redline.config import RedlineConfig
from prioritize.redline.delineate import Line, delineate, values_of
from prioritize.redline.windows import Grids
from prioritize.scenario import Scenario


@dataclass(frozen=True, eq=False)
class Ruled:
    """What the criteria of a `[redline]` block say of each planning unit.

    Attributes
    ----------
    line : Line
        The line drawn by rule, on the grid.
    inside : (U,) bool
        Units inside it.
    study : (U,) bool
    masked : (U,) bool
        Land that the rule leaves out: farmland, towns, mines.
    prohibited : (U,) bool
    meets : mapping of criterion to (U,) bool
        Units in the grade that the criterion takes, in the line or not; prohibited zones too.
    category : mapping of criterion to category
    fragile : tuple of str
        Criteria of fragility.
    functions : mapping of importance criterion to (U,) float64
        Amount by unit; zero where nothing is known.
    """

    line: Line
    inside: np.ndarray
    study: np.ndarray
    masked: np.ndarray
    prohibited: np.ndarray
    meets: Mapping[str, np.ndarray]
    category: Mapping[str, str]
    fragile: tuple[str, ...]
    functions: Mapping[str, np.ndarray]


def ruled_units(scenario: Scenario, landscape: Landscape) -> Ruled:
    """Draw the line of a scenario and bring it, and what it was drawn from, to the planning units.

    Raises
    ------
    PrioritizeError
        If there is no `[redline]` block, the units lie on no grid, or a layer is missing.
    """
    from prioritize.redline.inputs import open_grids

    config, place = scenario.redline, landscape.place
    if config is None:
        raise ScenarioError(f"{scenario.name}: has no [redline] block; see scenarios/README.md")
    if not isinstance(place, Grid):
        raise DataError(f"{landscape.name}: its units lie on no grid, so no line can be drawn on them by rule")
    with ExitStack() as stack:
        grids = open_grids(scenario, None, stack)
        if tuple(grids.shape) != (place.shape[0], place.shape[1]):
            raise DataError(f"{landscape.name}: the redline's layers lie on another grid ({grids.shape})")

        def units(image: np.ndarray) -> np.ndarray:
            return image.ravel()[place.cell]

        meets: dict[str, np.ndarray] = {}
        top = {item.name: 3 if item.take == "extreme" else 2 for item in config.criteria}
        line = delineate(grids, config, lambda name, grade: meets.update({name: units(grade) >= top[name]}))
        category = {bit.name: bit.category for bit in line.legend if bit.kind in ("importance", "fragility")}
        for zone in config.prohibited:
            meets[zone.name], category[zone.name] = units(grids.flag(zone.layer)), zone.category
        masked = np.zeros(len(place.cell), bool)
        for mask in config.masks:
            masked |= units(grids.flag(mask.layer, mask.above))
        return Ruled(
            line=line,
            inside=units(line.bits) != 0,
            study=units(line.study),
            masked=masked,
            prohibited=np.any([meets[zone.name] for zone in config.prohibited], axis=0)
            if config.prohibited
            else np.zeros_like(masked),
            meets=meets,
            category=category,
            fragile=tuple(item.name for item in config.criteria if item.kind == "fragility"),
            functions=functions_of(grids, line.study, config, landscape, place.cell),
        )


def functions_of(
    grids: Grids, study: np.ndarray, config: RedlineConfig, landscape: Landscape, cell: np.ndarray
) -> dict[str, np.ndarray]:
    """Amount of each importance criterion by unit: its value by km2 times the area; zero where nothing is known."""
    found = {}
    for item in config.criteria:
        if item.kind == "importance":
            image = np.concatenate([part for _, part in values_of(grids, study, item)])
            found[item.name] = np.nan_to_num(image.ravel()[cell]) * landscape.area_km2
    return found
