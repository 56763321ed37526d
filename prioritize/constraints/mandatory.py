"""Mandatory allocation: each planning unit is given a zone."""

from __future__ import annotations

from typing import Literal

import numpy as np

from prioritize.problem import NamedTerm, Problem
from prioritize.program import Builder


class Mandatory(NamedTerm):
    """Each unit is given exactly one zone, as in Marxan with Zones (Watts et al. 2009, 10.1016/j.envsoft.2009.06.005),
    where what remains has a zone of its own; prioritizr's mandatory allocation constraints.
    """

    kind: Literal["mandatory"]

    def add(self, problem: Problem, to: Builder) -> None:
        """One zone a unit instead of at most one."""
        to.mandatory = True

    def broken(self, problem: Problem, selection: np.ndarray) -> list[str]:
        """Units without a zone."""
        without = int(np.sum(~selection.any(axis=1)))
        return [f"{without} units are given no zone"] if without else []


MEMBER = Mandatory
