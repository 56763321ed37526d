"""Locks beside those of the landscape: units that must, or must not, be in a zone."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from prioritize.errors import ScenarioError
from prioritize.landscape import some
from prioritize.problem import NamedTerm, Problem, zone_numbers
from prioritize.program import Builder


class Locked(NamedTerm):
    """Units locked in (selected in `zone`) or out (in no zone, or not in `zone`): by layer or by unit id."""

    kind: Literal["locked"]
    status: Literal["in", "out"]
    layer: str | None = Field(None, description="reference: not zero = locked")
    units: list[int] | None = Field(None, description="ids of the units")
    zone: str | None = Field(None, description="zone; in: the first where absent, out: all where absent")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.layer is None) == (self.units is None):
            raise ValueError("a lock needs either 'layer' or 'units'")
        return self

    def references(self) -> list[str]:
        """The layer, if there is one."""
        return [] if self.layer is None else [self.layer]

    def _mask(self, problem: Problem) -> np.ndarray:
        landscape = problem.landscape
        if self.layer is not None:
            return landscape.layer(self.layer) != 0
        unknown = np.setdiff1d(np.asarray(self.units), landscape.unit_id)
        if unknown.size:
            raise ScenarioError(f"no planning unit has the id {some(unknown)}")
        return np.isin(landscape.unit_id, np.asarray(self.units))

    def _zones(self, problem: Problem) -> list[int]:
        if self.zone is not None:
            return zone_numbers(problem.landscape, [self.zone])
        every = zone_numbers(problem.landscape, None)
        return every[:1] if self.status == "in" else every

    def add(self, problem: Problem, to: Builder) -> None:
        """Bounds."""
        mask, zones = self._mask(problem), self._zones(problem)
        lower, upper = to.lower.reshape(to.units, to.zones), to.upper.reshape(to.units, to.zones)
        grid = np.zeros((to.units, to.zones), bool)
        for zone in zones:
            grid[mask, zone] = True
        clash = (grid & (upper == 0)) if self.status == "in" else (grid & (lower == 1))
        if clash.any():
            ids = problem.landscape.unit_id[clash.any(axis=1)]
            raise ScenarioError(
                f"{len(ids)} units would be locked in and out at once (ids {some(ids)}); take them from one of the two"
            )
        if self.status == "in":
            lower[grid] = 1.0
            upper[mask] = np.where(grid[mask], 1.0, 0.0)
        else:
            upper[grid] = 0.0

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """Units on the wrong side of their lock."""
        chosen = np.asarray(selection[:, self._zones(problem)].any(axis=1))[self._mask(problem)]
        wrong = int(np.sum(~chosen)) if self.status == "in" else int(np.sum(chosen))
        return [f"{wrong} units are not locked {self.status} as asked"] if wrong else []


MEMBER = Locked
