"""Problems whose answers other tools have printed: prioritizr's simulated data, a Marxan project, Tasmania.

The data are not part of this project: PRIORITIZE_REFERENCE_DATA names their folder, and without it they are skipped.
Values called proven are exact (some to a gap of 1e-6); the others are the best that was known.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from prioritize.landscape import Landscape
from prioritize.problem import compile_problem
from prioritize.program import Program
from prioritize.runner import load_landscape, make_problem
from prioritize.scenario import parse

SECONDS, GAP = 60.0, 1e-6
#: relative difference that counts as none: the proven values themselves have gaps up to 1e-6
SAME = 1e-6


def data_folder() -> Path | None:
    """Where the reference data are; None where nobody said."""
    given = os.environ.get("PRIORITIZE_REFERENCE_DATA")
    return Path(given).resolve() if given and Path(given).is_dir() else None


@dataclass(frozen=True)
class Reference:
    """A problem with a value to reach.

    Attributes
    ----------
    tables : dict
        Scenario tables; file names are relative to the data folder.
    value : float
        Objective of the reference.
    proven : bool
        It is the optimum; else the best that was known.
    change : callable, optional
        What is done to the landscape that no scenario can say.
    """

    tables: dict[str, Any]
    value: float
    proven: bool = True
    change: Callable[[Landscape], Landscape] | None = None

    @property
    def slack(self) -> float:
        """Difference that counts as none: `SAME`, or half of the last digit that is known."""
        decimals = len(repr(self.value).partition(".")[2])
        return max(SAME * abs(self.value), 0.5 * 10.0**-decimals)

    def program(self, data: Path) -> Program:
        """Read the data and compile."""
        landscape = dict(self.tables["landscape"])
        for key, value in landscape.items():
            if isinstance(value, str) and "/" in value:
                landscape[key] = str(data / value)
            elif isinstance(value, list):
                landscape[key] = [str(data / item) for item in value]
        scenario = parse({"name": "reference", **self.tables, "landscape": landscape})
        read = load_landscape(scenario)
        return compile_problem(make_problem(scenario, self.change(read) if self.change else read))


def sim(*, landscape: dict[str, Any] | None = None, share: float = 0.1, **tables: Any) -> dict[str, Any]:
    """prioritizr's simulated 10x10 raster; targets are shares of the totals over all cells unless said otherwise."""
    files = {"format": "raster", "cost": "prioritizr_sim/sim_pu_raster.tif",
             "features": ["prioritizr_sim/sim_features.tif"]}  # fmt: skip
    tables.setdefault("targets", {"relative": share, "denominator": "layer"})
    return {"landscape": files | (landscape or {}), **tables}


def marxan(
    *, landscape: dict[str, Any] | None = None, project: str = "marxan_example", **tables: Any
) -> dict[str, Any]:
    """A Marxan project, targets of its spec.dat."""
    files = {"format": "marxan", "project": f"{project}/input.dat"}
    return {"landscape": files | (landscape or {}), "targets": {"rule": "table"}, **tables}


def tasmania(*, landscape: dict[str, Any] | None = None, **tables: Any) -> dict[str, Any]:
    """17 % of each of 33 vegetation classes, today's protected areas locked in."""
    files = {"format": "vector", "units": "tasmania/tas_pu.gpkg", "cost": "cost", "locked_in": "locked_in",
             "features": ["tasmania/features.tif"]}  # fmt: skip
    return {"landscape": files | (landscape or {}), "targets": {"relative": 0.17}, **tables}


def boundary(weight: float, edge_factor: float) -> list[dict[str, Any]]:
    """A boundary penalty."""
    return [{"kind": "boundary", "weight": weight, "edge_factor": edge_factor}]


def budget(amount: float) -> list[dict[str, Any]]:
    """A budget."""
    return [{"kind": "budget", "amount": amount}]


def free_of_cost(landscape: Landscape) -> Landscape:
    """What is protected today costs nothing."""
    return replace(landscape, cost=np.where(landscape.status == 1, 0.0, landscape.cost))


def outline_only(landscape: Landscape) -> Landscape:
    """Nothing costs anything; the layer `cost` holds the costs, today's protected areas at none."""
    price = free_of_cost(landscape).cost[:, 0]
    return replace(landscape, cost=np.zeros_like(landscape.cost), layers={**landscape.layers, "cost": price})


def within(cost: float) -> dict[str, Any]:
    """Tasmania: the shortest outline within a total cost (calibration by cost thresholds)."""
    limit = [{"kind": "linear", "layer": "cost", "max": cost}]
    return tasmania(penalties=boundary(1.0, 0.5), constraints=limit)


LOCK_IN = {"locked_in": "prioritizr_sim/sim_locked_in_raster.tif"}
LOCK_OUT = {"locked_out": "prioritizr_sim/sim_locked_out_raster.tif"}
UNLOCKED = {"locked_in": None, "locked_out": None}
UTILITY = {"kind": "max_utility"}

REFERENCES: dict[str, Reference] = {
    "sim 10 %": Reference(sim(), 1978.909729),
    "sim 10 % of units' totals": Reference(sim(targets={"relative": 0.1}), 1781.157471),
    "sim 10 %, locked in": Reference(sim(landscape=LOCK_IN), 2254.195251),
    "sim 10 %, locked out": Reference(sim(landscape=LOCK_OUT), 1980.701187),
    "sim 3 each": Reference(sim(targets={"absolute": 3.0}), 1640.665833),
    "sim 20 %": Reference(sim(share=0.2), 3976.743668, proven=False),
    "sim 30 %": Reference(sim(share=0.3), 6001.118179, proven=False),
    "sim 50 %": Reference(sim(share=0.5), 9985.084732, proven=False),
    "sim 80 %": Reference(sim(share=0.8), 16359.432648, proven=False),
    "sim sum, budget 1800": Reference(sim(objective=UTILITY, constraints=budget(1800)), 27.024477),
    "sim sum, budget 5000": Reference(sim(objective=UTILITY, constraints=budget(5000)), 74.274176),
    "sim shortfall": Reference(sim(objective={"kind": "min_shortfall"}, constraints=budget(1800)), 0.304596),
    "sim largest shortfall": Reference(
        sim(objective={"kind": "min_largest_shortfall"}, constraints=budget(1800)), 0.07357812
    ),
    "sim 10 %, boundary 50": Reference(sim(penalties=boundary(50.0, 0.5)), 2063.544952, proven=False),
    "marxan example": Reference(marxan(), 95722060.3088),
    "marxan example, boundary 0.0005": Reference(marxan(penalties=boundary(0.0005, 1.0)), 95724196.3088),
    "marxan example, no locks": Reference(marxan(landscape=UNLOCKED), 33746903.64, proven=False),
    "pymarxan simple": Reference(marxan(project="pymarxan_simple"), 35.0),
    "tasmania": Reference(tasmania(), 8829.885927),
    "tasmania, no locks": Reference(tasmania(landscape={"locked_in": None}), 2504.7036, proven=False),
    "tasmania, boundary 0.005": Reference(
        tasmania(penalties=boundary(0.005, 0.5)), 9948.678549, proven=False, change=free_of_cost
    ),
    "tasmania, outline within cost 355": Reference(within(355.0), 2869559.0, proven=False, change=outline_only),
    "tasmania, outline within cost 1772": Reference(within(1772.0), 1713437.0, proven=False, change=outline_only),
}
