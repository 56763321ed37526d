"""How well connected the plan is, beside today and beside random selections of the same area."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from prioritize.dispersal import unit_of
from prioritize.landscape import LOCKED_IN, LOCKED_OUT, Landscape
from prioritize.place import Grid, Nowhere, Polygons
from prioritize.table import Judged, Table

if TYPE_CHECKING:
    from prioritize.connectivity.distances import CellGaps
    from prioritize.connectivity.outlines import PolygonGaps

ORDER = 60
MEDIAN_KM = 10.0
#: random selections; one where there are more units than this
DRAWS, MANY_UNITS = 5, 100_000
#: ProtConn is left out for more patches: seconds become minutes
MOST_PATCHES = 10_000

COLUMNS = {
    "realm": "Realm within which connections count.",
    "case": "Today (locked in), the plan, or the mean of random selections that hold today's areas and as much in all.",
    "area_km2": "Area conserved.",
    "share": "Share of the realm's area.",
    "patches": "Contiguous conserved areas.",
    "mesh_km2": "Effective mesh size: sum of squared areas of patches over the realm's area (Jaeger 2000).",
    "largest_km2": "Area of the largest patch.",
    "protconn": "Conserved and connected share of the realm: ECA over area (Saura et al. 2017), median 10 km.",
    "relconn": "Share of the conserved area that is connected: protconn / share.",
    "connectedness": "Mean share of conserved land around conserved cells, near ones weighing more (PARC type).",
}
NOTE = (
    "More area alone makes any network better connected, so a plan is to be compared with random selections of the "
    "same area. Distances run from outline to outline; a probability of one half at {median:g} km; all of a conserved "
    "unit counts; areas beyond the landscape are not known and count for nothing. {draws}"
)


def make(judged: Judged) -> list[Table]:
    """The table `connectivity`; none for units without a position or in degrees."""
    landscape = judged.problem.landscape
    place = landscape.place
    if isinstance(place, Nowhere) or unit_of(place.crs if isinstance(place, Grid) else place.geometry.crs)[0]:
        return []
    taken: np.ndarray = np.logical_or.reduce(judged.selection, axis=1)
    before: np.ndarray = (landscape.status == LOCKED_IN).any(axis=1) & taken
    closed: np.ndarray = (landscape.status == LOCKED_OUT).all(axis=1)
    draws = DRAWS if len(taken) <= MANY_UNITS else 1
    realms = landscape.groups.get("realm")
    inside = [("all", np.ones(len(taken), bool))]
    if realms is not None:
        inside = [(name, realms.mask(name)) for name in realms.names]
    rows, ranges = [], []
    for name, realm in inside:
        if not (taken & realm).any():
            continue
        found = [figures(landscape, alike(landscape, realm, taken, before, closed, seed), realm) for seed in
                 seeds(judged.scenario.seed, draws)]  # fmt: skip
        mean = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
        for case, values in (
            ("today", figures(landscape, before & realm, realm)),
            ("plan", figures(landscape, taken & realm, realm)),
            ("random", mean),
        ):
            rows.append({"realm": name, "case": case, **values})
        spread = [one["protconn"] for one in found]
        if np.isfinite(spread).all() and draws > 1:
            ranges.append(f"protconn of the random selections ({name}): {min(spread):.4f} to {max(spread):.4f}.")
    if not rows:
        return []
    said = f"Random: {'mean of ' + str(draws) + ' draws' if draws > 1 else 'one draw'}. " + " ".join(ranges)
    note = NOTE.format(median=MEDIAN_KM, draws=said.strip())
    frame = pd.DataFrame(rows)
    if frame["protconn"].isna().any():
        note += f" ProtConn is left out where there are more than {MOST_PATCHES:,} patches."
    return [Table("connectivity", "Connectivity at equal area", frame, COLUMNS, note, ORDER)]


def seeds(seed: int, draws: int) -> list[list[int]]:
    """Seeds of the draws, from that of the scenario."""
    return [[int(seed), draw] for draw in range(draws)]


def alike(
    landscape: Landscape, realm: np.ndarray, taken: np.ndarray, before: np.ndarray, closed: np.ndarray, seed: list[int]
) -> np.ndarray:
    """(U,) bool: what is there today and random open units, as much in all as the plan takes of the realm."""
    chosen = before & realm
    wanted = float(landscape.area_km2[taken & realm].sum() - landscape.area_km2[chosen].sum())
    open_ = np.flatnonzero(realm & ~chosen & (~closed | taken))
    order = np.random.default_rng(seed).permutation(open_)
    held = np.cumsum(landscape.area_km2[order])
    # the number of units whose area comes nearest
    count = int(np.searchsorted(held, wanted))
    below = held[count - 1] if count else 0.0
    if count < len(held) and held[count] - wanted < wanted - below:
        count += 1
    chosen[order[:count]] = True
    return chosen


def figures(landscape: Landscape, chosen: np.ndarray, realm: np.ndarray) -> dict[str, float]:
    """The row of a selection (U,) bool within a realm."""
    from prioritize.connectivity.distances import Gaps
    from prioritize.connectivity.mesh import mesh
    from prioritize.connectivity.probability import Dispersal
    from prioritize.connectivity.protconn import protconn

    place = landscape.place
    assert isinstance(place, Grid | Polygons)
    gaps: Gaps
    label, gaps = cell_patches(place, chosen) if isinstance(place, Grid) else unit_patches(landscape, place, chosen)
    area = np.bincount(label[chosen], landscape.area_km2[chosen]) if chosen.any() else np.zeros(0)
    total = float(landscape.area_km2[realm].sum())
    size = mesh(area, total)
    connected = np.nan
    if len(area) <= MOST_PATCHES:
        connected = protconn(area, gaps, total, Dispersal.of_probability(1000.0 * MEDIAN_KM)).protconn / 100.0
    share = float(area.sum()) / total
    return {
        "area_km2": float(area.sum()),
        "share": share,
        "patches": float(len(area)),
        "mesh_km2": size.mesh,
        "largest_km2": float(area.max(initial=0.0)),
        "protconn": connected,
        "relconn": connected / share if share > 0 else np.nan,
        "connectedness": around(place, chosen, realm) if isinstance(place, Grid) else np.nan,
    }


def cell_size(place: Grid) -> tuple[float, float]:
    """Width and height of a cell in metres."""
    a, b, _, d, e, _ = place.transform
    metres = unit_of(place.crs)[1]
    return float(np.hypot(a, d)) * metres, float(np.hypot(b, e)) * metres


def cell_patches(place: Grid, chosen: np.ndarray) -> tuple[np.ndarray, CellGaps]:
    """Patch (U,) of each chosen cell, 8 neighbours, and the distances between patches."""
    from prioritize.connectivity.distances import CellGaps, label_patches

    label, _ = label_patches(place.image(chosen, False))
    return label.ravel()[place.cell], CellGaps.of(label, *cell_size(place))


def unit_patches(landscape: Landscape, place: Polygons, chosen: np.ndarray) -> tuple[np.ndarray, PolygonGaps]:
    """Patch (U,) of each chosen polygon (those that share a border), and the distances between patches."""
    from prioritize.connectivity.outlines import PolygonGaps
    from prioritize_kernels.patches import label_graph

    label = np.empty(len(chosen), np.int32)
    label_graph(landscape.graph.indptr, landscape.graph.indices, chosen, label)
    gaps = PolygonGaps.of(np.asarray(place.geometry.array)[chosen], unit_of(place.geometry.crs)[1], label[chosen])
    return label, gaps


def around(place: Grid, chosen: np.ndarray, realm: np.ndarray) -> float:
    """Connectedness of the chosen cells."""
    from prioritize.connectivity.probability import Dispersal
    from prioritize.connectivity.smoothing import connectedness

    images = (place.image(values, False) for values in (chosen, chosen.astype(np.float64), realm))
    own, share, known = images
    dispersal = Dispersal.of_probability(1000.0 * MEDIAN_KM)
    return connectedness(own, share, dispersal, *cell_size(place), inside=known)[0]


MEMBER = make
