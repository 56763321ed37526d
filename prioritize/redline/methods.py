"""The formulae by the name that a scenario uses: which inputs, in which unit, and what is done with them first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from prioritize.errors import Faults, ScenarioError
from prioritize.redline import fragility as f
from prioritize.redline import importance as i
from prioritize.redline._checked import checked
from prioritize.redline.config import Criterion

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Input:
    """One input of a method: what its unit is stands in its name.

    Attributes
    ----------
    name : str
    low, high : float
        What is possible.
    normalise : bool
        Min-max normalised over the study area before use.
    first : callable or None
        Applied before normalising.
    scored : bool
        Turned into scores of 1, 3 and 5.
    """

    name: str
    low: float = 0.0
    high: float = np.inf
    normalise: bool = False
    first: Callable[[np.ndarray], np.ndarray] | None = None
    scored: bool = False

    def ready(self, values: np.ndarray) -> np.ndarray:
        """The input, its range checked, before normalising."""
        values = checked(self.name, values, self.low, self.high)
        return values if self.first is None else self.first(values)


@dataclass(frozen=True)
class Formula:
    """A method.

    Attributes
    ----------
    kind : str
        importance or fragility.
    function : str
        How polygons name it.
    inputs : tuple of Input
    value : callable
        Prepared inputs, by name -> value per km2, or index.
    """

    kind: str
    function: str
    inputs: tuple[Input, ...]
    value: Callable[[Arrays], np.ndarray]


def scaled(name: str, low: float = 0.0, high: float = np.inf, first: Callable | None = None) -> Input:
    """An input of the NPP index."""
    return Input(name, low, high, True, first)


def factor(name: str) -> Input:
    """A factor of fragility."""
    known = f.BREAKS.get(name)
    return Input(name, *((known.low, known.high) if known else (0.0, np.inf)), scored=True)


NPP, SLOPE, ERODIBILITY = scaled("npp"), scaled("slope_deg", 0, 90), scaled("erodibility")
RAIN, WARMTH = scaled("precipitation_mm"), scaled("temperature_c", -90, 60)

FORMULAE: Mapping[str, Formula] = {
    "npp_water_conservation": Formula(
        "importance",
        "water conservation",
        (NPP, scaled("seepage", 0, 1), RAIN, SLOPE),
        lambda a: i.npp_water_conservation(a["npp"], a["seepage"], a["precipitation_mm"], a["slope_deg"]),
    ),
    "npp_soil_retention": Formula(
        "importance",
        "soil retention",
        (NPP, ERODIBILITY, SLOPE),
        lambda a: i.npp_soil_retention(a["npp"], a["erodibility"], a["slope_deg"]),
    ),
    "npp_sand_fixation": Formula(
        "importance",
        "sand fixation",
        (NPP, ERODIBILITY, scaled("climatic_erosivity"), scaled("slope_deg", 0, 89, i.surface_roughness)),
        lambda a: i.npp_sand_fixation(a["npp"], a["erodibility"], a["climatic_erosivity"], a["slope_deg"]),
    ),
    "npp_biodiversity": Formula(
        "importance",
        "biodiversity maintenance",
        (NPP, RAIN, WARMTH, scaled("altitude_m", -11_000, 9_000)),
        lambda a: i.npp_biodiversity(a["npp"], a["precipitation_mm"], a["temperature_c"], a["altitude_m"]),
    ),
    "water_balance": Formula(
        "importance",
        "water conservation",
        (Input("precipitation_mm"), Input("runoff_coefficient", 0, 1), Input("evapotranspiration_mm")),
        # a cell that conserves nothing is graded as zero
        lambda a: np.maximum(
            i.water_conservation_m3(
                a["precipitation_mm"],
                i.storm_runoff_mm(a["precipitation_mm"], a["runoff_coefficient"]),
                a["evapotranspiration_mm"],
            ),
            0.0,
        ),
    ),
    "rusle": Formula(
        "importance",
        "soil retention",
        (Input("erosivity"), Input("erodibility"), Input("slope_length"), Input("cover", 0, 1)),
        lambda a: i.soil_retention_t_ha(a["erosivity"], a["erodibility"], a["slope_length"], a["cover"]),
    ),
    "rweq": Formula(
        "importance",
        "sand fixation",
        (
            Input("weather"),
            Input("erodible", 0, 1),
            Input("crust", 0, 1),
            Input("roughness", 0, 1),
            Input("cover", 0, 1),
        ),
        lambda a: i.sand_fixation_kg_m2(a["weather"], a["erodible"], a["crust"], a["roughness"], a["cover"]),
    ),
    "water_erosion": Formula(
        "fragility",
        "soil erosion by water",
        (factor("erosivity"), factor("erodibility"), factor("relief_m"), factor("vegetation")),
        lambda a: f.water_erosion(a["erosivity"], a["erodibility"], a["relief_m"], a["vegetation"]),
    ),
    "desertification": Formula(
        "fragility",
        "desertification",
        (factor("dryness"), factor("wind_days"), factor("erodibility"), factor("vegetation")),
        lambda a: f.desertification(a["dryness"], a["wind_days"], a["erodibility"], a["vegetation"]),
    ),
    "rocky_desertification": Formula(
        "fragility",
        "rocky desertification",
        (factor("carbonate_pct"), factor("slope_deg"), factor("vegetation")),
        lambda a: f.rocky_desertification(a["carbonate_pct"], a["slope_deg"], a["vegetation"]),
    ),
    "salinisation": Formula(
        "fragility",
        "salinisation",
        (
            factor("evaporation_ratio"),
            factor("mineralisation_g_l"),
            factor("groundwater_depth_m"),
            factor("soil_texture"),
        ),
        lambda a: f.salinisation(
            a["evaporation_ratio"], a["mineralisation_g_l"], a["groundwater_depth_m"], a["soil_texture"]
        ),
    ),
}


def scores(criterion: Criterion, name: str, values: np.ndarray) -> np.ndarray:
    """Scores of one factor: by the scenario's breaks, by the default ones, or as they are."""
    default = f.BREAKS.get(name)
    if name in criterion.breaks:
        first, second = criterion.breaks[name]
        low, high = (default.low, default.high) if default else (-np.inf, np.inf)
        closed = default.closed if default else (True, True)
        return f.score(values, f.Breaks(first, second, low, high, closed), name)
    return f.score(values, default, name) if default else f.checked_scores(name, values)


def check_criterion(criterion: Criterion) -> None:
    """Refuse inputs that the method does not have, and methods that lack one.

    Raises
    ------
    ScenarioError
        With every fault.
    """
    faults = Faults(ScenarioError)
    where = f"redline.criteria '{criterion.name}'"
    formula = FORMULAE.get(criterion.method or "")
    names = [item.name for item in formula.inputs] if formula else []
    if formula is None and criterion.inputs:
        faults.add(f"{where}: `inputs` belong to a method; it names the layer '{criterion.layer}'")
    if formula is not None:
        if formula.kind != criterion.kind:
            faults.add(f"{where}: method '{criterion.method}' is of kind '{formula.kind}', not '{criterion.kind}'")
        for name in names:
            if name not in criterion.inputs:
                faults.add(
                    f"{where}: method '{criterion.method}' needs the input '{name}'; it takes {', '.join(names)}"
                )
        for name in criterion.inputs:
            if name not in names:
                faults.add(f"{where}: method '{criterion.method}' has no input '{name}'; it takes {', '.join(names)}")
    if criterion.breaks and criterion.kind == "importance":
        faults.add(f"{where}: `breaks` are for fragility; importance is graded by `cuts`")
    for name in criterion.breaks:
        if name not in names:
            faults.add(f"{where}: breaks for '{name}', which is no input; inputs are {', '.join(names) or 'none'}")
    first, second = criterion.class_breaks
    if first >= second:
        faults.add(f"{where}: class_breaks {first:g}, {second:g} must rise")
    faults.raise_any()
