"""The `[redline]` block of a scenario: what a line is drawn from, how it is put together, what a revision must keep."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from prioritize.source import Config, Share

Category = Literal["habitat", "function", "fragile"]
Method = Literal[
    "npp_water_conservation",
    "npp_soil_retention",
    "npp_sand_fixation",
    "npp_biodiversity",
    "water_balance",
    "rusle",
    "rweq",
    "water_erosion",
    "desertification",
    "rocky_desertification",
    "salinisation",
]
Positive = Annotated[float, Field(ge=0)]


class Criterion(Config):
    """One reason to be inside the line: an important function, or fragile ground."""

    name: str = Field(min_length=1, description="short name, for the bits, the tables and messages")
    kind: Literal["importance", "fragility"] = Field(
        description="importance: graded by cumulative share; fragility: graded by fixed breaks"
    )
    layer: str | None = Field(None, description="reference of a layer that holds the function or the index already")
    method: Method | None = Field(None, description="formula that makes it from `inputs`")
    inputs: dict[str, str | float] = Field(
        default_factory=dict, description="of the method: a reference, or one number for all cells"
    )
    breaks: dict[str, tuple[float, float]] = Field(
        default_factory=dict, description="fragility: where a factor's score becomes 3, and 5, by input"
    )
    class_breaks: tuple[float, float] = Field((2.0, 4.0), description="fragility: sensitive above, extremely above")
    per_cell: bool = Field(False, description="importance: `layer` holds amounts by cell, not by km2")
    cuts: tuple[float, ...] | None = Field(None, description="importance: shares; those of the redline where absent")
    extent: str | None = Field(None, description="importance: where shares are taken; that of the redline where absent")
    take: Literal["extreme", "important"] = Field("extreme", description="the lowest grade that puts a cell in")
    category: Category | None = Field(None, description="category of the cells; by kind where absent")
    function: str = Field("", description="how the polygons name it; the method's or the criterion's name where absent")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.layer is None) == (self.method is None):
            raise ValueError("a criterion needs either 'layer' or 'method' (with 'inputs')")
        return self


class Prohibited(Config):
    """Land where development is prohibited: always inside the line."""

    name: str = Field(min_length=1, description="short name: `national parks`")
    layer: str = Field(description="reference: not zero = prohibited")
    category: Category = Field("habitat", description="category of the cells")


class Mask(Config):
    """Land that the line leaves out: farmland, towns, mines."""

    name: str = Field(min_length=1, description="short name: `urban`")
    layer: str = Field(description="reference of the layer")
    above: float = Field(0.0, description="cells with a larger value are left out")


class Revision(Config):
    """What a revision must keep, and what it may spend."""

    levels: tuple[str, ...] = Field(
        ("all",), description="where nothing may be lost: `all`, or a level of landscape.regions"
    )
    functions: dict[str, str] | None = Field(
        None, description="function -> reference of its amounts by cell; the importance criteria where absent"
    )
    ecosystem: str | None = Field(None, description="reference of the classes that keep their area (labels)")
    converted: str | None = Field(None, description="reference: not zero = turned into farmland, town or mine")
    converted_above: float = Field(0.0, description="value of `converted` above which a cell counts as turned")
    permitted: str | None = Field(None, description="reference: not zero = occupied by a permitted project")
    occupation_share: Share = Field(
        0.0, description="share of the old line, by level, that permitted projects may occupy"
    )
    change_weight: Positive | None = Field(
        None, description="price of a changed km2 when a revision is optimised; as dear as the dearest km2 where absent"
    )
    tolerance: Share = Field(1e-9, description="relative loss that counts as rounding")


class RedlineConfig(Config):
    """How the line is drawn."""

    within: str | None = Field(None, description="reference: not zero = study area; all units where absent")
    extent: str = Field("all", description="where shares are taken: `all` (nation), or a level of landscape.regions")
    cuts: tuple[float, ...] = Field(
        (0.5, 0.8), description="cumulative shares: extremely important up to the first, important up to the next"
    )
    criteria: tuple[Criterion, ...] = Field(min_length=1, description="functions and fragility")
    prohibited: tuple[Prohibited, ...] = Field((), description="zones that are always inside")
    masks: tuple[Mask, ...] = Field((), description="land that is always outside")
    align: str | None = Field(None, description="reference of protected areas whose outline the line follows")
    align_share: Share = Field(0.5, description="patches of `align` with at least this share inside are taken whole")
    connectivity: Literal[4, 8] = Field(8, description="whether cells that touch by a corner are one patch")
    min_patch_km2: Positive = Field(
        1.0, description="smaller patches of the line are dropped, but for prohibited zones"
    )
    fill_holes_km2: Positive = Field(1.0, description="smaller holes are filled, but for masked land")
    category_order: tuple[Category, Category, Category] = Field(
        ("habitat", "function", "fragile"), description="category of a cell that has several: the first"
    )
    split: str | None = Field(None, description="level of landscape.regions at whose borders polygons end")
    tenure: dict[Literal["protected", "oecm", "oecm_candidate"], str] = Field(
        default_factory=dict, description="references; those of landscape.tenure where absent"
    )
    revision: Revision = Field(default_factory=Revision, description="what a revision must keep")

    @field_validator("category_order")
    @classmethod
    def _all_three(cls, order: tuple[Category, ...]) -> tuple[Category, ...]:
        if len(set(order)) != len(order):
            raise ValueError("name each category once")
        return order

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [item.name for item in self.criteria] + [zone.name for zone in self.prohibited]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"'{twice[0]}' is the name of two criteria; give each its own")
        if len(names) > 30:
            raise ValueError(f"{len(names)} criteria and prohibited zones; the bit mask holds 30")
        return self
