"""All measures of `prioritize connectivity`, region by region, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from prioritize.connectivity.graph_indices import importance, integral_index, probability_of_connectivity
from prioritize.connectivity.mesh import CITY_GAP_M, city_mesh, mesh, mesh_across, near_pairs
from prioritize.connectivity.nodes import RegionNodes
from prioritize.connectivity.probability import Dispersal
from prioritize.connectivity.protconn import part_of, protconn
from prioritize.errors import DataError

METRICS = ("protconn", "pc", "iic", "mesh", "city_mesh", "importance")

COLUMNS = {
    "region": "Name of the region.",
    "median_km": "Dispersal distance: the distance of the given probability (one half unless said otherwise), km.",
    "probability": "Probability of dispersing that far.",
    "prot": "Protected, overlaps counted once, % of the region.",
    "protconn": "Protected and connected (100 ECA / area), % of the region.",
    "unconn": "Protected but not connected, % of the region.",
    "relconn": "Share of the protected land that is connected, %.",
    "within": "Share of ProtConn inside single protected areas, %.",
    "contig": "Share of ProtConn between protected areas that touch, %.",
    "prot_share": "Share of ProtConn over protected land (within + contig), %.",
    "trans_share": "Share of ProtConn that needs protected areas beyond the border, %.",
    "unprot_share": "Share of ProtConn over unprotected land, %.",
    "eca_km2": "Equivalent connected area, km2.",
    "prot_km2": "Protected, km2.",
    "area_km2": "Area of the region (in the table of nodes: of the node in the region), km2.",
    "nodes": "Contiguous areas in the region.",
    "trans_nodes": "Contiguous areas beyond its border that were looked at.",
    "note": "Exact, or what was cut off.",
    "pc": "Probability of connectivity: (ECA / area)^2.",
    "iic": "Integral index of connectivity.",
    "intra": "Share of the index (importance: part of d) of nodes by themselves, %.",
    "direct": "Share of the index of pairs over their own link, %; empty where not every link was measured.",
    "step": "What paths over other nodes add, %.",
    "flux": "Part of d of the pairs with the node at one end, %.",
    "connector": "Part of d of pairs that pass the node, %.",
    "d": "What the index loses without the node, %.",
    "threshold_km": "Nodes up to this far apart are linked, km.",
    "mesh_km2": "Effective mesh size with patches cut at the border (CUT), km2; city form: over the natural area.",
    "mesh_across_km2": "Effective mesh size that counts whole patches (cross-boundary, CBC), km2.",
    "coherence": "Chance that two random points (city form: of the natural area) are connected.",
    "division": "1 - coherence.",
    "split": "Number of equal patches with the same coherence.",
    "largest": "Largest patch, % of the region.",
    "patches": "Number of patches.",
    "groups": "Number of groups of patches less than the gap apart.",
    "gap_m": "Patches less than this far apart are one group, m.",
    "within_km2": "Part of the mesh size inside single patches, km2.",
    "between_km2": "Part of the mesh size that groups add, km2.",
    "natural_km2": "Area of all patches, km2.",
    "node": "Number of the node in its region, as in the map of nodes.",
}


@dataclass(frozen=True)
class Settings:
    """What is measured, and how.

    Attributes
    ----------
    metrics : tuple of str
    median_m : tuple of float
        Dispersal distances.
    probability : float
        At those distances.
    cutoff : float
        Links of a lower probability are dropped; 0 is exact.
    transboundary : str
        `zero` or `peer`.
    threshold_m : float or None
        Links of IIC; the dispersal distance where left out.
    gap_m : float
        City form of the mesh size.
    most_nodes : int
        Refuse importance for more.
    """

    metrics: tuple[str, ...] = ("protconn",)
    median_m: tuple[float, ...] = (10_000.0,)
    probability: float = 0.5
    cutoff: float = 0.0
    transboundary: Literal["zero", "peer"] = "zero"
    threshold_m: float | None = None
    gap_m: float = CITY_GAP_M
    most_nodes: int = 2000


@dataclass(eq=False)
class Measured:
    """Rows by metric, as they come."""

    rows: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    importance: list[pd.DataFrame] = field(default_factory=list)

    def tables(self) -> dict[str, pd.DataFrame]:
        """One table for each metric."""
        made = {name: pd.DataFrame(rows) for name, rows in self.rows.items()}
        if self.importance:
            made["importance"] = pd.concat(self.importance, ignore_index=True)
        return made


def measure_all(
    regions: Iterable[RegionNodes],
    settings: Settings,
    into: Measured,
    phase: Callable[[str], AbstractContextManager[None]],
    names: tuple[str, ...] = ("all",),
) -> Iterator[RegionNodes]:
    """Measure region by region; what is found goes into the tables, each region is yielded once it is done.

    Raises
    ------
    DataError
        Naming the region.
    """
    unknown = [metric for metric in settings.metrics if metric not in METRICS]
    if unknown:
        raise DataError(f"metric '{unknown[0]}' is unknown; one of {', '.join(METRICS)}")
    stream = iter(regions)
    for k, name in enumerate(names):
        with phase(f"region {name} ({k + 1} of {len(names)})"):
            nodes = next(stream)
            try:
                measure(nodes, settings, into)
            except DataError as error:
                raise DataError([f"region '{name}': {fault}" for fault in error.faults]) from None
        yield nodes


def measure(nodes: RegionNodes, settings: Settings, into: Measured) -> None:
    """Measure one region."""
    inside = ~nodes.trans
    area = nodes.area_km2[inside]
    gaps = part_of(nodes.gaps, inside)
    total = nodes.region_km2

    def add(metric: str, **values: object) -> None:
        into.rows.setdefault(metric, []).append({"region": nodes.name, **values})

    for median in settings.median_m:
        dispersal = Dispersal.of_probability(median, settings.probability)
        given = {"median_km": median / 1000, "probability": settings.probability}
        if "protconn" in settings.metrics:
            found = protconn(
                nodes.area_km2,
                nodes.gaps,
                total,
                dispersal,
                trans=nodes.trans,
                single_km2=nodes.single_km2,
                cutoff=settings.cutoff,
                transboundary=settings.transboundary,
            )
            add("protconn", **given, **found.row())
        if "pc" in settings.metrics:
            index = asdict(probability_of_connectivity(area, gaps, dispersal, total, settings.cutoff))
            add("pc", **given, eca_km2=index.pop("eca"), pc=index.pop("value"), area_km2=total, **index)
        if "iic" in settings.metrics:
            threshold = median if settings.threshold_m is None else settings.threshold_m
            index = asdict(integral_index(area, gaps, threshold, total))
            add(
                "iic", threshold_km=threshold / 1000, eca_km2=index.pop("eca"), iic=index.pop("value"),
                area_km2=total, **index,
            )  # fmt: skip
        if "importance" in settings.metrics:
            table, _ = importance(area, gaps, dispersal, cutoff=settings.cutoff, most=settings.most_nodes)
            table["node"] = np.flatnonzero(inside)
            table = table.rename(columns={"attribute": "area_km2"})
            for at, (key, value) in enumerate([("region", nodes.name), *given.items()]):
                table.insert(at, key, value)
            into.importance.append(table)
    if "mesh" in settings.metrics:
        cut = asdict(mesh(area, total))
        across = mesh_across(area, nodes.whole_km2[inside], total)
        add("mesh", mesh_km2=cut.pop("mesh"), mesh_across_km2=across, area_km2=total, **cut)
    if "city_mesh" in settings.metrics:
        city = asdict(city_mesh(area, *near_pairs(part_of(nodes.gaps, inside), settings.gap_m)))
        kilometres = {f"{key}_km2": city.pop(key) for key in ("mesh", "within", "between", "natural")}
        add("city_mesh", gap_m=settings.gap_m, **kilometres, **city)
