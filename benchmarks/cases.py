"""The one table of cases: name, how it is built, sizes, and what was asked of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.landscapes import blobs, drained, near_graph, voronoi_graph
from prioritize.program import Program


@dataclass(frozen=True)
class Asked:
    """A figure to reach: a proven gap, within so many seconds and so much memory where that was asked too."""

    gap_percent: float
    seconds: float | None = None
    gib: float | None = None


@dataclass(frozen=True)
class Setting:
    """How one size of a case is run.

    Attributes
    ----------
    seconds : float
        Time limit of the solver.
    gap : float
        Gap at which to stop.
    asked : Asked or None
    rival_seconds : float or None
        Time limit of the rivals where it is not the same.
    """

    seconds: float
    gap: float = 1e-4
    asked: Asked | None = None
    rival_seconds: float | None = None


@dataclass(frozen=True)
class Case:
    """One kind of program: `build(side of a square)`."""

    what: str
    build: Callable[[int], Program]
    sizes: dict[str, Setting] = field(default_factory=dict)

    def __call__(self, side: int) -> Program:
        return self.build(side)


CASES: dict[str, Case] = {
    "min_set": Case(
        "least cost, 100 targets of 30 %",
        blobs,
        {"10k": Setting(30), "100k": Setting(30), "1M": Setting(60, 5e-5, Asked(0.01, 15, 3))},
    ),
    "min_set_heavy_costs": Case(
        "a quarter of the costs 10,000, some 1e12", lambda side: blobs(side, heavy=True), {"100k": Setting(30)}
    ),
    "min_set_1000": Case(
        "1,000 targets, 50 features in a unit",
        lambda side: blobs(side, 1000, 50.0),
        {"1M": Setting(180, 2e-4, Asked(0.05))},
    ),
    "boundary": Case(
        "boundary penalty 0.5, four neighbours",
        lambda side: blobs(side, boundary=0.5),
        {
            "10k": Setting(120, 1e-3, Asked(1.3, 10), rival_seconds=420),
            "100k": Setting(60, 1e-3, Asked(0.2, 15), rival_seconds=600),
            "1M": Setting(90, 1e-3, Asked(0.15, 75)),
            "9M": Setting(600, 3e-3, Asked(0.3, None, 24)),
        },
    ),
    # at 0.5 HiGHS has 32 % after two minutes: 0.3 is about where it needs 420 s for 2.5 %, which is what was asked of
    "boundary_middle": Case(
        "boundary penalty 0.3, four neighbours",
        lambda side: blobs(side, boundary=0.3),
        {"10k": Setting(30, 1e-3, Asked(1.3, 10), rival_seconds=420)},
    ),
    "boundary_weak": Case(
        "boundary penalty 0.1, four neighbours", lambda side: blobs(side, boundary=0.1), {"10k": Setting(60, 1e-3)}
    ),
    "dense": Case(
        "400 targets, 140 features in a unit",
        lambda side: blobs(side, 400, 140.0, exact=True),
        {"10k": Setting(60, 1e-3, Asked(0.25, 60))},
    ),
    "dense_boundary": Case(
        "the same with a boundary penalty of 0.5",
        lambda side: blobs(side, 400, 140.0, boundary=0.5, exact=True),
        {"10k": Setting(120, 1e-3, Asked(3.0, 120), rival_seconds=184)},
    ),
    "min_shortfall": Case(
        "least shortfall of 100 targets within a tenth of the cost",
        lambda side: blobs(side, objective="min_shortfall", budget=0.1),
        {"10k": Setting(30, 1e-3), "1M": Setting(60, 1e-3)},
    ),
    "rows_5000": Case(
        "5,000 targets, 50 features in a unit", lambda side: blobs(side, 5000, 50.0), {"10k": Setting(60, 1e-3)}
    ),
    "rows_5000_boundary": Case(
        "the same with a boundary penalty of 0.5",
        lambda side: blobs(side, 5000, 50.0, boundary=0.5),
        {"10k": Setting(60, 1e-3)},
    ),
    "zones": Case(
        "two zones, boundary penalty 0.3, ten provinces with an area quota",
        lambda side: blobs(side, zones=2, boundary=0.3, areas=10),
        {"10k": Setting(60, 1e-3), "250k": Setting(120, 1e-3, Asked(0.5, 120))},
    ),
    "directed": Case(
        "a directed edge from each unit to the one downstream, 0.5",
        drained,
        {"10k": Setting(30, 1e-3), "100k": Setting(60, 1e-3)},
    ),
    "polygons": Case(
        "Voronoi polygons, boundary penalty 0.5",
        lambda side: blobs(side, boundary=0.5, graph=voronoi_graph(side, 1)),
        {"10k": Setting(60, 1e-3), "100k": Setting(60, 1e-3)},
    ),
    "features_300": Case(
        "as min_set with 300 features, 21 in a unit", lambda side: blobs(side, 300, 21.0), {"100k": Setting(30)}
    ),
    "features_1000": Case(
        "as min_set with 1,000 features, 70 in a unit", lambda side: blobs(side, 1000, 70.0), {"100k": Setting(60)}
    ),
    "neighbours_8": Case(
        "as boundary with eight neighbours",
        lambda side: blobs(side, boundary=0.5, graph=near_graph(side, 1)),
        {"100k": Setting(60, 1e-3)},
    ),
    "neighbours_24": Case(
        "as boundary with 24 neighbours",
        lambda side: blobs(side, boundary=0.5, graph=near_graph(side, 2)),
        {"100k": Setting(60, 1e-3)},
    ),
}

#: what grows along each line of the table of growth: (what, the cases whose points make the line)
GROWTH: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "units, no edges": ("units", (("min_set", "10k"), ("min_set", "100k"), ("min_set", "1M"))),
    "units, four neighbours": (
        "units",
        (("boundary", "10k"), ("boundary", "100k"), ("boundary", "1M"), ("boundary", "9M")),
    ),
    "features (and amounts), no edges": (
        "features",
        (("min_set", "100k"), ("features_300", "100k"), ("features_1000", "100k")),
    ),
    "edges (4, 8, 24 neighbours)": (
        "edges",
        (("boundary", "100k"), ("neighbours_8", "100k"), ("neighbours_24", "100k")),
    ),
}


def side_of(size: str) -> int:
    """Side of the square whose number of units comes nearest to `10k`, `1M`, `10000`; `300x300` says it outright.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    parts = re.fullmatch(r"([\d.]+)([kM]?)|(\d+)x(\d+)", size)
    if parts and parts[3]:
        side = int(parts[3]) if parts[3] == parts[4] else 0
    else:
        side = round((float(parts[1]) * {"": 1, "k": 1e3, "M": 1e6}[parts[2]]) ** 0.5) if parts else 0
    if side < 2:
        raise ValueError(f"'{size}' is no size: give the number of units, as in 10k or 1M, or two equal sides: 100x100")
    return side
