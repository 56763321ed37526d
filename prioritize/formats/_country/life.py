"""The synthetic country, living part: ecosystems, species and what nature does for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from prioritize.formats._country.ground import Ground, Window, squash
from prioritize.formats._country.society import Society
from prioritize.formats._country.terrain import Climate, Terrain, to_fine

COVER = ("sea", "forest", "shrub", "grass", "wetland", "cropland", "urban", "bare", "water")  # the position is the code
CROPLAND, URBAN = COVER.index("cropland"), COVER.index("urban")

# where each ecosystem of the climate is at home: mean temperature (deg C), log of moisture (rain / evaporation)
CLIMATES = {
    "lowland_rainforest": (21.5, 0.1, "forest"),
    "broadleaf_forest": (15.5, 0.05, "forest"),
    "montane_forest": (9.5, 0.5, "forest"),
    "conifer_forest": (4.0, 0.4, "forest"),
    "woodland": (19.5, -0.5, "shrub"),
    "shrubland": (14.0, -0.65, "shrub"),
    "steppe": (9.0, -0.5, "grass"),
    "alpine_meadow": (-1.5, 0.7, "grass"),
    "desert": (18.5, -1.2, "bare"),
    "cold_desert": (5.0, -1.1, "bare"),
    "rock_and_ice": (-7.5, 1.3, "bare"),
}
WATERS = {"floodplain": "wetland", "marsh": "wetland", "tidal_wetland": "wetland", "lake": "water"}
SEAS = (
    "coral_reef",
    "kelp_and_seagrass",
    "estuary",
    "sandy_shelf",
    "muddy_shelf",
    "continental_slope",
    "deep_sea_floor",
    "seamount",
)
ECOSYSTEMS = (*CLIMATES, *WATERS, *SEAS)
COVER_OF = np.array(
    [
        COVER.index(name)
        for name in [*(cover for *_, cover in CLIMATES.values()), *WATERS.values(), *["sea"] * len(SEAS)]
    ],
    dtype=np.int8,
)

# what a square kilometre of each cover does, in the order of COVER
HOLDS_WATER = np.array([0, 0.9, 0.6, 0.5, 1.0, 0.25, 0.05, 0.1, 0.8], np.float32)
VEGETATION = np.array([0, 0.85, 0.5, 0.42, 0.75, 0.5, 0.15, 0.06, 0.3], np.float32)
CARBON_T_HA = np.array([0, 125, 42, 14, 140, 5, 3, 1, 0], np.float32)

WHOLE: Window = (slice(None), slice(None))

LAND_TAXA = {"plant": 0.32, "bird": 0.24, "mammal": 0.16, "reptile": 0.14, "amphibian": 0.14}
SEA_TAXA = {"fish": 0.62, "mammal": 0.14, "bird": 0.1, "reptile": 0.08, "plant": 0.06}


@dataclass(frozen=True, eq=False)
class Life:
    """What grows where, as grids of (rows, columns).

    Attributes
    ----------
    first, second : int8
        The two ecosystems of the cell, as positions in ECOSYSTEMS; -1 abroad.
    share : float32
        Share of the first in the natural part of the cell; the second has the rest.
    natural : float32
        Share of the cell that is neither cropland nor urban.
    cover : int8
        What covers most of the cell, as a position in COVER.
    """

    first: np.ndarray
    second: np.ndarray
    share: np.ndarray
    natural: np.ndarray
    cover: np.ndarray

    def blend(self, society: Society, value: np.ndarray, window: Window = WHOLE) -> np.ndarray:
        """(rows, columns) mean of a value by cover over all that is in a cell."""
        by_type = value[COVER_OF]
        share = self.share[window]
        wild = share * by_type[self.first[window]] + (1 - share) * by_type[self.second[window]]
        built = society.cropland[window] * value[CROPLAND] + society.urban[window] * value[URBAN]
        return self.natural[window] * wild + built


def make_life(ground: Ground, terrain: Terrain, climate: Climate, society: Society) -> Life:
    """Give every cell its two ecosystems: by climate on land, by depth at sea, and along the water."""
    first = np.full(ground.shape, -1, np.int8)
    second = first.copy()
    share = np.ones(ground.shape, np.float32)

    warmth = climate.temperature + 1.1 * ground.noise("local warmth", 0.1, gain=0.6)
    wetness = np.log(climate.moisture) + 0.2 * ground.noise("local moisture", 0.1, gain=0.6)
    best, next_best = (np.full(ground.shape, -np.inf, np.float32) for _ in range(2))
    for code, (warm, wet, _) in enumerate(CLIMATES.values()):
        score = -(((warmth - np.float32(warm)) / 4) ** 2) - ((wetness - np.float32(wet)) / np.float32(0.45)) ** 2
        wins, places = score > best, score > next_best
        second = np.where(wins, first, np.where(places, code, second)).astype(np.int8)
        next_best = np.where(wins, best, np.where(places, score, next_best))
        first[wins], best[wins] = code, score[wins]
    share[:] = squash(1.8 * (best - next_best))

    def claim(name: str, where: np.ndarray) -> None:
        second[where], first[where], share[where] = first[where], ECOSYSTEMS.index(name), 0.75

    swamp = ground.noise("swamp", 0.07, gain=0.6) - terrain.slope / 2 + np.clip(wetness, -1, 0.5)
    by_river = np.exp(-climate.river_distance / 0.008)
    claim("marsh", swamp + 0.8 * by_river > 1.1)
    reach = 0.008 * np.exp(0.5 * np.clip(swamp, -2, 2))
    claim("floodplain", (climate.river_distance < reach) & (terrain.slope < 2.5) & (terrain.altitude < 600))
    claim("tidal_wetland", (terrain.coast < max(0.009, 1.2 / ground.short)) & (swamp > -0.25))
    first[terrain.lake], share[terrain.lake] = ECOSYSTEMS.index("lake"), 1

    first[terrain.sea] = second[terrain.sea] = sea_types(ground, terrain, climate)[terrain.sea]
    share[terrain.sea] = 1
    abroad = ~(terrain.land | terrain.sea)
    first[abroad] = second[abroad] = -1

    natural = np.where(terrain.land, 1 - society.cropland - society.urban, 1).astype(np.float32)
    cover = COVER_OF[first]
    cover[society.cropland > 0.42] = CROPLAND
    cover[society.urban > 0.3] = URBAN
    cover[abroad | terrain.sea] = 0
    return Life(first, second, share, natural, cover)


def sea_types(ground: Ground, terrain: Terrain, climate: Climate) -> np.ndarray:
    """(rows, columns) int8: ecosystems of the sea by depth, warmth, ground and river mouths."""
    depth = -terrain.altitude
    bed = ground.noise("sea bed", 0.16, gain=0.6)
    garden = ground.noise("sea gardens", 0.09, gain=0.6)
    type_of = {name: ECOSYSTEMS.index(name) for name in SEAS}
    kind = np.where(bed > 0, type_of["sandy_shelf"], type_of["muddy_shelf"])
    kind = np.where(depth > 220 + 40 * garden, type_of["continental_slope"], kind)
    kind = np.where(depth > 1700 + 150 * bed, type_of["deep_sea_floor"], kind)
    surroundings = ndimage.gaussian_filter(depth, 0.05 * ground.short, mode="nearest")
    kind = np.where((surroundings > 1200) & (depth < surroundings - 600), type_of["seamount"], kind)
    warm = climate.temperature > 19
    kind = np.where((depth < 70) & (garden > 0.55), type_of["kelp_and_seagrass"], kind)
    kind = np.where((depth < 90) & (garden > 0.3) & warm, type_of["coral_reef"], kind)
    mouths = (climate.river > 0) & (terrain.coast < 2.5 / ground.short)
    kind = np.where((ground.distance(mouths) < 0.022 + 0.006 * bed) & (depth < 80), type_of["estuary"], kind)
    return kind.astype(np.int8)


def ecosystems(life: Life, terrain: Terrain) -> Iterator[tuple[dict[str, Any], np.ndarray, np.ndarray]]:
    """Each ecosystem that there is: row of the feature table, flat cells, share of the cell."""
    first, second = life.first.ravel(), life.second.ravel()
    share, natural = life.share.ravel(), life.natural.ravel()
    for code, name in enumerate(ECOSYSTEMS):
        cells = np.flatnonzero((first == code) | (second == code))
        part = np.where(first[cells] == code, share[cells], 0) + np.where(second[cells] == code, 1 - share[cells], 0)
        part *= natural[cells]
        kept = part > 0.02
        if kept.any():
            realm = "sea" if name in SEAS else "land"
            yield {"name": f"ecosystem_{name}", "group": "ecosystem", "realm": realm}, cells[kept], part[kept]


def species(
    ground: Ground, terrain: Terrain, climate: Climate, society: Society, life: Life, count: int
) -> Iterator[tuple[dict[str, Any], np.ndarray, np.ndarray]]:
    """Each species: row of the feature table, flat cells, share of the cell that is habitat.

    A range is the part around a centre that is nearest to the conditions there, roughened by noise; its size is
    drawn from a log-normal distribution, so that most species are rare.
    """
    marine = round(0.25 * count) if terrain.sea.any() else 0
    depth = np.log(np.maximum(-terrain.altitude, 5.0)).astype(np.float32)
    rain = np.log(climate.rain).astype(np.float32)
    numbers: dict[str, int] = {}
    for number in range(count):
        at_sea = number >= count - marine
        realm, home, taxa = ("sea", terrain.sea, SEA_TAXA) if at_sea else ("land", terrain.land, LAND_TAXA)
        stream = ground.stream("species", realm, number)
        taxon = str(stream.choice(list(taxa), p=list(taxa.values())))
        size = float(np.clip(stream.lognormal(np.log(0.04), 1.25), 3e-4, 0.7))
        coarse_home = np.flatnonzero(ground.coarser(home))
        middle = stream.choice(coarse_home)
        centre = to_fine(ground, np.array([divmod(int(middle), ground.coarse.shape[1])]))[0]
        breadth = stream.uniform(0.7, 1.8) * (0.5 + size**0.3)
        axes = [(climate.temperature, 4.0), (depth, 1.0)] if at_sea else [(climate.temperature, 3.5), (rain, 0.4)]
        optimum = [float(axis[centre]) for axis, _ in axes]

        def niche(window: Window, axes: Any = axes, optimum: Any = optimum, breadth: float = breadth) -> np.ndarray:
            misfit = sum(
                ((axis[window] - np.float32(best)) / np.float32(width * breadth)) ** 2
                for (axis, width), best in zip(axes, optimum)
            )
            return -0.7 * np.minimum(misfit, 9)

        cells = max(2, round(size * int(home.sum())))
        window, part, above = ground.patch(
            ("species", realm, number), centre, cells, home, niche, rough=0.55, reach=1.5, whole=False
        )
        # thin at the rim, dense at heart
        habitat = 0.35 + 0.65 * np.minimum(above / 0.6, 1)
        if not at_sea:
            liking = stream.uniform(0.05, 0.8, len(COVER)).astype(np.float32)
            liking[CROPLAND], liking[URBAN] = stream.uniform(0, 0.35), stream.uniform(0, 0.08)
            liking[COVER_OF[life.first[centre]]] = 1
            habitat *= life.blend(society, liking, window)
        row, column = np.nonzero(part & (habitat > 0.02))
        flat = (row + window[0].start) * ground.shape[1] + column + window[1].start
        share = habitat[row, column]
        if not len(flat):  # the smallest ranges may fall on built land: a remnant is left at the centre
            flat, share = np.array([nearest_cell(home, centre)]), np.array([0.2], np.float32)
        numbers[taxon] = numbers.get(taxon, 0) + 1
        name = f"{taxon}_{numbers[taxon]:0{len(str(count))}d}"
        about = {"name": name, "group": "species", "taxon": taxon, "realm": realm, **status(stream, size)}
        yield {**about, **beyond(ground.stream("beyond", realm, number), taxon, about["endemic"])}, flat, share


def status(stream: np.random.Generator, size: float) -> dict[str, Any]:
    """Red List category by the size of the range (share of the realm), class of protection, and whether endemic."""
    limits = {"CR": 0.003, "EN": 0.008, "VU": 0.016, "NT": 0.025, "LC": np.inf}
    iucn = next(category for category, limit in limits.items() if size < limit)
    first, second = (0.4, 0.8) if iucn in ("CR", "EN", "VU") else (0.0, 0.2)
    luck = stream.uniform(size=2)
    protection = "I" if luck[0] < first else "II" if luck[0] < second else ""
    return {"iucn": iucn, "protection_class": protection, "endemic": bool(luck[1] < np.exp(-size / 0.02))}


#: individuals per km2, middle of a wide range
DENSITY = {"plant": 400.0, "bird": 6.0, "mammal": 2.0, "reptile": 25.0, "amphibian": 60.0, "fish": 120.0}


def beyond(stream: np.random.Generator, taxon: str, endemic: bool) -> dict[str, Any]:
    """What no map of the country shows: the share of the global range that lies in it, and how dense a species lives.

    `inside` becomes `global_range_km2` when the range is known.
    """
    inside = float(stream.beta(0.8, 2.2))
    density = DENSITY[taxon] * float(stream.lognormal(0, 0.8))
    return {"inside": 1.0 if endemic else max(inside, 0.01), "density_per_km2": float(f"{density:.3g}")}


def nearest_cell(mask: np.ndarray, centre: tuple[int, int]) -> int:
    """Flat index of the true cell that is nearest to a centre."""
    row, column = np.nonzero(mask)
    nearest = np.hypot(row - centre[0], column - centre[1]).argmin()
    return int(row[nearest] * mask.shape[1] + column[nearest])


def services(
    ground: Ground, terrain: Terrain, climate: Climate, society: Society, life: Life
) -> dict[str, tuple[str, np.ndarray]]:
    """Amount by km2 and unit of water conservation, soil retention, sand fixation and carbon, zero at sea.

    Soil follows the revised universal soil loss equation without its practice factor; water is rain less
    evaporation, as far as the cover holds it back.
    """
    greenness = life.blend(society, VEGETATION)
    evaporation = climate.rain / climate.moisture
    # Zhang's curve: with thirsty cover more of the rain goes back to the air
    thirst = (0.4 + 1.6 * greenness) / np.maximum(climate.moisture, 0.05)
    runoff = climate.rain * (1 - (1 + thirst) / (1 + thirst + climate.rain / evaporation))
    water = np.maximum(runoff, 0) * life.blend(society, HOLDS_WATER) / 1000
    erosivity, erodibility, length = soil_factors(ground, terrain, climate)
    soil = erosivity * erodibility * length * greenness * 0.1
    dry = np.clip(1 - climate.moisture / 0.8, 0, 1)
    sand = 6.0 * dry**1.5 * windiness(ground, terrain) * np.sqrt(greenness) * erodibility / 0.04
    carbon = life.blend(society, CARBON_T_HA) * 0.1 * np.clip(0.6 + 0.4 * climate.moisture, 0.4, 1.4)
    units = {"water": "million m3/yr", "soil": "kt/yr", "sand": "kt/yr", "carbon": "kt C"}
    values = {"water": water, "soil": soil, "sand": sand, "carbon": carbon}
    wild = terrain.land & (life.natural > 0)
    return {name: (units[name], (value * wild).astype(np.float32)) for name, value in values.items()}


def soil_factors(ground: Ground, terrain: Terrain, climate: Climate) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Erosivity of the rain (about 0 to 12,000), erodibility of the soil (0.01 to 0.07), slope factor."""
    erosivity = 0.0534 * climate.rain**1.6548
    erodibility = 0.035 * np.exp(0.25 * ground.noise("soil", 0.2, gain=0.6))
    length = np.minimum(0.1 + terrain.slope / 9, 3) ** 1.4
    return erosivity, np.clip(erodibility, 0.01, 0.07), length


def windiness(ground: Ground, terrain: Terrain) -> np.ndarray:
    """Relative strength of the wind, about 0.3 to 2: more on coasts, heights and in the open."""
    wind = 0.8 + 0.25 * ground.noise("gusts", 0.4, octaves=3) + 0.4 * np.exp(-terrain.coast / 0.03)
    return np.clip(wind + terrain.altitude / 6000, 0.2, 2)


def sensitivities(
    ground: Ground, terrain: Terrain, climate: Climate, society: Society, life: Life
) -> dict[str, np.ndarray]:
    """Sensitivity to soil erosion and desertification: fourth root of the product of four scores of 1, 3 or 5."""
    greenness = life.blend(society, VEGETATION)
    _, erodibility, _ = soil_factors(ground, terrain, climate)
    relief = np.maximum(terrain.altitude, 0)
    relief = ndimage.maximum_filter(relief, 3) - ndimage.minimum_filter(relief, 3)
    bare = score(-greenness, -0.6, -0.2)
    loose = score(erodibility, 0.03, 0.045)
    dryness = 0.16 * 300 * np.clip(climate.temperature, 0, None) / climate.rain
    erosion = score(0.04 * climate.rain**1.3, 100, 600) * loose * score(relief, 50, 300) * bare
    desert = score(dryness, 1.0, 2.2) * score(windiness(ground, terrain), 0.8, 1.3) * loose * bare
    return {
        "soil_erosion_sensitivity": erosion**0.25 * terrain.land,
        "desertification_sensitivity": desert**0.25 * terrain.land,
    }


def score(values: np.ndarray, middle: float, high: float) -> np.ndarray:
    """1, 3 or 5, as in the Chinese guidelines on redlines."""
    return (1 + 2 * (values > middle) + 2 * (values > high)).astype(np.float32)
