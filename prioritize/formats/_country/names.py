"""Names that can be said for the provinces, counties and waters of the synthetic country."""

from __future__ import annotations

import numpy as np

from prioritize.formats._country.ground import Ground
from prioritize.formats._country.life import ECOSYSTEMS, Life
from prioritize.formats._country.society import Society
from prioritize.formats._country.terrain import Terrain

HEADS = ("b", "br", "c", "d", "dr", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v", "z")
VOWELS = ["a", "e", "i", "o", "u", "a", "e", "o", "ai", "ei", "ia"]
MIDDLES = ["l", "r", "n", "m", "s", "v", "d", "nd", "lm", "rv", "st", "sk", "lt", "rn", "ns", "th"]
TAILS = ["na", "ra", "lia", "ven", "dor", "mar", "res", "lan", "tha", "rim", "sal", "ton", "neth", "vik", "ros", "mia"]
OFFSHORE = 0.09  # share of the short side at which offshore waters begin


def invent(stream: np.random.Generator, taken: set[str], long: bool) -> str:
    """A name that is not taken yet."""
    while True:
        parts = [stream.choice(HEADS), stream.choice(VOWELS)]
        if long or stream.uniform() < 0.35:
            parts += [stream.choice(MIDDLES), stream.choice(VOWELS[:8])]
        name = "".join([*parts, stream.choice(TAILS)]).capitalize()
        if name not in taken:
            taken.add(name)
            return name


def country_names(
    ground: Ground, terrain: Terrain, society: Society, life: Life, cell: np.ndarray
) -> dict[str, np.ndarray]:
    """Region layers: nation, realm, province and county as (U,) arrays of names.

    Inland waters, a realm of their own, are lakes, and the cells that are for the most part natural wetland.
    The sea off a province is a region of its own ("Taleno Sea"), with inshore and offshore waters in the place of
    counties.
    """
    stream = ground.stream("names")
    taken: set[str] = set()
    provinces = [invent(stream, taken, long=True) for _ in range(max(society.parent) + 1)]
    counties = [invent(stream, taken, long=False) for _ in society.parent]
    sea = terrain.sea.ravel()[cell]
    province, county = society.province.ravel()[cell], society.county.ravel()[cell]
    seas = np.array([f"{name} Sea" for name in provinces], dtype=object)
    waters = np.array(
        [[f"{name} {part} waters" for name in provinces] for part in ("inshore", "offshore")], dtype=object
    )
    far = (terrain.shore.ravel()[cell] > OFFSHORE).astype(int)
    wet = inland_water(terrain, life).ravel()[cell]
    return {
        "nation": np.full(len(cell), invent(stream, taken, long=True), dtype=object),
        "realm": np.where(sea, "sea", np.where(wet, "inland water", "land")).astype(object),
        "province": np.where(sea, seas[province], np.array(provinces, dtype=object)[province]),
        "county": np.where(sea, waters[far, province], np.array(counties, dtype=object)[county]),
    }


def inland_water(terrain: Terrain, life: Life) -> np.ndarray:
    """(rows, columns) bool: lakes, and what is for the most part natural floodplain or marsh."""
    wetland = np.isin(life.first, [ECOSYSTEMS.index(name) for name in ("floodplain", "marsh")])
    return terrain.lake | (terrain.land & wetland & (life.share * life.natural > 0.5))
