"""The synthetic country, conservation part: protected areas, OECMs and those that might be, opportunity cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from prioritize.formats._country.ground import Ground, Window, choose
from prioritize.formats._country.life import Life
from prioritize.formats._country.names import invent
from prioritize.formats._country.society import Society
from prioritize.formats._country.terrain import Climate, Terrain, to_fine

# timber, grazing, reed and fish: thousand US$ per km2 and year, in the order of COVER
RENT = np.array([0, 4.5, 1.2, 1.6, 0.8, 0, 0, 0.1, 0.5], np.float32)


#: IUCN management categories of protected areas with their odds, and the class that goes with each
CATEGORIES = {
    "Ia": (0.08, "nature reserve"),
    "Ib": (0.05, "nature reserve"),
    "II": (0.22, "national park"),
    "III": (0.05, "nature park"),
    "IV": (0.26, "nature reserve"),
    "V": (0.18, "nature park"),
    "VI": (0.16, "nature park"),
}
#: who governs: odds of government, private, iplc (indigenous peoples and local communities), shared
GOVERNANCE = ("government", "private", "iplc", "shared")
ODDS = {
    "pa": (0.78, 0.04, 0.06, 0.12),
    "oecm": (0.3, 0.2, 0.3, 0.2),
    "primary": (0.05, 0.1, 0.7, 0.15),
    "secondary": (0.6, 0.1, 0.1, 0.2),
    "ancillary": (0.8, 0.05, 0.05, 0.1),
}


@dataclass(frozen=True, eq=False)
class Sites:
    """Patches that do not overlap, as grids of numbers (rows, columns) int16, 0 = none: see `make_areas`."""

    grids: dict[str, np.ndarray]

    def masks(self) -> dict[str, np.ndarray]:
        """Layers by the names that scenarios use."""
        candidate = {kind: self.grids[kind] > 0 for kind in ("primary", "secondary", "ancillary")}
        return {
            "existing_pa": self.grids["pa"] > 0,
            "existing_oecm": self.grids["oecm"] > 0,
            **{f"oecm_{kind}": mask for kind, mask in candidate.items()},
            "oecm_candidate": candidate["primary"] | candidate["secondary"] | candidate["ancillary"],
        }

    def labels(self, ground: Ground, cell: np.ndarray) -> dict[str, np.ndarray]:
        """(U,) names, None outside: IUCN category and class of protected areas, governance, type of OECM candidate."""
        found = {key: np.full(len(cell), None, dtype=object) for key in (*LABELS, "oecm_type")}
        for kind, grid in self.grids.items():
            number = grid.ravel()[cell]
            inside = number > 0
            count = int(number.max(initial=0))
            stream = ground.stream("governance", kind)
            governed = np.array(GOVERNANCE, dtype=object)[stream.choice(len(GOVERNANCE), count, p=ODDS[kind])]
            found["governance"][inside] = governed[number[inside] - 1]
            if kind == "pa":
                odds = [odd for odd, _ in CATEGORIES.values()]
                drawn = ground.stream("categories").choice(len(odds), count, p=odds)
                category = np.array(list(CATEGORIES), dtype=object)[drawn]
                found["pa_category"][inside] = category[number[inside] - 1]
                classes = np.array([CATEGORIES[name][1] for name in category], dtype=object)
                found["pa_class"][inside] = classes[number[inside] - 1]
            elif kind != "oecm":
                found["oecm_type"][inside] = kind
        return found


LABELS = ("pa_category", "pa_class", "governance")


def make_areas(ground: Ground, terrain: Terrain, climate: Climate, society: Society, life: Life) -> Sites:
    """Protected areas, OECMs, and three types of candidate OECM.

    Protected areas stand where nobody farms: high, steep, remote. OECMs are small. The candidates are forests of
    communities and local marine areas near protected areas (primary), sources of water (secondary), military land
    and closed fishing grounds (ancillary).
    """
    land, sea, slope, wild, remote, fishing, shore, river, rain = (
        ground.coarser(field)
        for field in (
            terrain.land, terrain.sea, terrain.slope, life.natural, society.remote, society.fishing, terrain.shore,
            climate.river_distance, climate.rain,
        )
    )  # fmt: skip
    stream = ground.stream("shares")
    free = terrain.land | terrain.sea
    wild_land = terrain.land & (life.natural > 0.3)
    grids = {kind: np.zeros(ground.shape, np.int16) for kind in ODDS}

    def grow(kind: str, name: str, home: np.ndarray, wish: np.ndarray, share: float, size: float) -> None:
        bias = None if home is terrain.sea else wildness(society, life)
        cells = int((terrain.sea if home is terrain.sea else terrain.land).sum())
        scatter(ground, grids[kind], free, name, home, wish, round(share * cells), size * cells, bias)

    away = np.minimum(remote / 6, 1.5)
    park = land * wild**2 * (0.12 + np.minimum(slope / 10, 1) + 0.5 * away)
    marine = sea * (0.15 + np.exp(-shore / 0.04)) * (1.05 - np.minimum(fishing, 1))
    grow("pa", "parks", wild_land, park, stream.uniform(0.14, 0.16), 0.003)
    grow("pa", "marine parks", terrain.sea, marine, stream.uniform(0.07, 0.09), 0.006)
    near_park = np.exp(-ground.coarser(ground.distance(grids["pa"] > 0)) / 0.035)

    commons = land * wild**2 * near_park * (0.2 + np.exp(-remote / 3))
    local_sea = sea * np.exp(-shore / 0.03) * near_park
    source = land * wild * (np.exp(-river / 0.02) + 0.3) * np.clip(rain / 800, 0, 2) * (0.2 + slope / 6)
    range_ = land * wild * (0.1 + away)
    closure = sea * (0.03 + fishing) * np.exp(-(((shore - 0.08) / 0.06) ** 2))

    grow("oecm", "oecm", wild_land, commons + 0.2 * source, stream.uniform(0.009, 0.012), 0.0006)
    grow("oecm", "marine oecm", terrain.sea, closure + local_sea, stream.uniform(0.002, 0.004), 0.0012)
    grow("primary", "commons", wild_land, commons, stream.uniform(0.05, 0.06), 0.0014)
    grow("primary", "local sea", terrain.sea, local_sea + 1e-6 * sea, stream.uniform(0.025, 0.035), 0.0022)
    grow("secondary", "sources", wild_land, source, stream.uniform(0.045, 0.055), 0.0022)
    grow("ancillary", "ranges", wild_land, range_, stream.uniform(0.02, 0.03), 0.0022)
    grow("ancillary", "closures", terrain.sea, closure + 1e-6 * sea, stream.uniform(0.05, 0.07), 0.006)
    return Sites(grids)


def wildness(society: Society, life: Life) -> Callable[[Window], np.ndarray]:
    """Draws patches to what is natural."""
    return lambda window: 1.2 * (life.natural[window] - 1) - 0.4 * society.urban[window]


def scatter(
    ground: Ground,
    grid: np.ndarray,
    free: np.ndarray,
    name: str,
    home: np.ndarray,
    wish: np.ndarray,
    cells: int,
    size: float,
    bias: Callable[[Window], np.ndarray] | None = None,
    spread: float = 0.9,
    most: int | None = None,
) -> None:
    """Grow patches of about `size` cells until there are `cells`, and number them on in `grid`; they leave `free`.

    Parameters
    ----------
    grid : (rows, columns) int16, written to
    free : (rows, columns) bool, written to
    name : str
        Of the random streams.
    home : (rows, columns) bool
        Where patches may lie.
    wish : (coarse rows, coarse columns) float
        Odds of their centres.
    spread : float
        Of the logarithm of their sizes.
    most : int, optional
        Patches at most.
    """
    coarse = ground.coarse
    apart = 1.5 * np.sqrt(size / np.pi) / ground.short * coarse.short
    places = choose(ground.stream(name), wish, most or int(6 * cells / size) + 12, apart)
    sizes = ground.stream(name, "sizes").lognormal(np.log(size), spread, len(places))
    left = cells
    for number, (centre, wanted) in enumerate(zip(to_fine(ground, places), sizes)):
        if left < 1:
            break
        window, part, _ = ground.patch(
            (name, number), centre, max(1, min(round(wanted), left)), free & home, bias, rough=0.6
        )
        if part.any():
            grid[window][part] = grid.max() + 1
            free[window] &= ~part
            left -= int(part.sum())


def important_places(
    ground: Ground, terrain: Terrain, climate: Climate, society: Society, life: Life, cell: np.ndarray
) -> dict[str, np.ndarray]:
    """(U,) names, None outside: priority areas (large, few) and key biodiversity areas (small, many).

    They lie where nature is varied - on slopes, along rivers and coasts - whether anybody protects it or not.
    """
    wild, slope, river, shore, coast = (
        ground.coarser(field)
        for field in (life.natural, terrain.slope, climate.river_distance, terrain.shore, terrain.coast)
    )
    land, sea = ground.coarser(terrain.land), ground.coarser(terrain.sea)
    varied = land * wild * (0.2 + np.minimum(slope / 8, 1) + np.exp(-river / 0.01) + 0.5 * np.exp(-coast / 0.015))
    shallow = sea * (0.1 + np.exp(-shore / 0.05))
    taken: set[str] = set()
    found = {}
    # level: (land: patches, share of the land each, share in all), the same at sea, what a place is called
    for level, parts, words in (
        ("priority", ((8, 0.022, 0.2), (3, 0.03, 0.12)), ("Highlands", "Wilds", "Vale")),
        ("kba", ((26, 0.004, 0.12), (8, 0.006, 0.06)), ("Hills", "Woods", "Marshes")),
    ):
        grid = np.zeros(ground.shape, np.int16)
        free = terrain.land | terrain.sea
        for (most, size, share), home, wish in zip(parts, (terrain.land, terrain.sea), (varied, shallow)):
            cells = int(home.sum())
            bias = wildness(society, life) if home is terrain.land else None
            name = f"{level} {'land' if home is terrain.land else 'sea'}"
            scatter(ground, grid, free, name, home, wish, round(share * cells), size * cells, bias, 0.35, most)
        number = grid.ravel()[cell]
        stream = ground.stream(level, "names")
        at_sea = terrain.sea.ravel()[cell]
        names: list[str | None] = [None]
        for site in range(1, int(grid.max()) + 1):
            word = "Banks" if at_sea[number == site].any() else words[int(stream.integers(len(words)))]
            names.append(f"{invent(stream, taken, long=False)} {word}")
        found[level] = np.array(names, dtype=object)[number]
    return found


def opportunity_cost(ground: Ground, terrain: Terrain, society: Society, life: Life, fertile: np.ndarray) -> np.ndarray:
    """(rows, columns) float32, thousand US$ per km2 and year that would be forgone.

    Crops, timber, grazing and rents of building land, dearer near towns; at sea the catch and a little tourism.
    """
    near = np.exp(-society.remote / 2.0)
    wild = life.blend(society, RENT) * (0.25 + near)
    crops = society.cropland * (12 + 55 * fertile) * (0.7 + 0.9 * near)
    building = 900 * society.urban + 14 * near**3
    on_land = 0.25 + wild + crops + building
    at_sea = 0.06 + 9 * society.fishing + 1.2 * np.exp(-terrain.shore / 0.012)
    rough = np.exp(0.22 * ground.noise("prices", 0.1, gain=0.65))
    return (np.where(terrain.land, on_land, at_sea) * rough).astype(np.float32)
