"""The synthetic country as two: a border, core habitats on both sides of it, and a flyway down the wetlands."""

from __future__ import annotations

import itertools

import numpy as np

from prioritize.formats._country.ground import Ground, choose
from prioritize.formats._country.life import ECOSYSTEMS, Life
from prioritize.formats._country.names import invent
from prioritize.formats._country.society import Society
from prioritize.formats._country.terrain import Terrain, to_fine

WETLANDS = ("floodplain", "marsh", "tidal_wetland", "lake")
CROSSINGS = 2  # places at the border with a core habitat on either side
CORE_SHARE = 0.008  # of the land, each
SITES, SITE_SHARE = 5, 0.0008  # of each stage of the journey; share of the land, each
BREEDING, STAGING, WINTERING = 1, 2, 3


def two_countries(ground: Ground, terrain: Terrain, society: Society) -> np.ndarray:
    """(rows, columns) int8: 0 or 1 by country, -1 abroad. Whole provinces, split so that the land is halved.

    Provinces are taken by the place of their middle along the longer side of the grid.
    """
    axis = int(ground.shape[1] >= ground.shape[0])
    place = np.broadcast_to(np.expand_dims(np.arange(ground.shape[axis]), 1 - axis), ground.shape)
    provinces = max(society.parent) + 1
    land = society.province[terrain.land]
    count = np.bincount(land, minlength=provinces)
    middle = np.bincount(land, place[terrain.land], provinces) / np.maximum(count, 1)
    order = np.argsort(middle, kind="stable")
    first = np.cumsum(count[order])
    # at least one province each
    last = 1 + int(np.argmin(np.abs(first[:-1] - first[-1] / 2)))
    country_of = np.ones(provinces + 1, np.int8)
    country_of[order[:last]] = 0
    country_of[-1] = -1
    return country_of[society.province]


def country_labels(ground: Ground, country: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """(U,) names of the countries; a country has the sea off its provinces."""
    stream, taken = ground.stream("countries"), set[str]()
    names = np.array([invent(stream, taken, long=True) for _ in range(2)], dtype=object)
    return names[country.ravel()[cell]]


def core_habitats(ground: Ground, terrain: Terrain, life: Life, country: np.ndarray) -> np.ndarray:
    """(rows, columns) int16, 0 elsewhere: core habitats 1 and 2 face each other across the border, so do 3 and 4."""
    coarse = ground.coarse
    land, wild = ground.coarser(terrain.land & ~terrain.lake), ground.coarser(life.natural)
    near = [coarse.distance((ground.coarser(country) == side) & land) for side in range(2)]
    border = land * wild**2 * np.exp(-((np.maximum(*near) / 0.02) ** 2))
    crossings = choose(ground.stream("crossings"), border, CROSSINGS, 0.3 * coarse.short)
    core = np.zeros(ground.shape, np.int16)
    row, column = np.ogrid[: coarse.shape[0], : coarse.shape[1]]
    home = terrain.land & ~terrain.lake & (life.natural > 0.3)
    cells = max(2, round(CORE_SHARE * int(terrain.land.sum())))
    for number, crossing in enumerate(crossings):
        away = np.hypot(row - crossing[0], column - crossing[1]) / coarse.short
        for side in range(2):
            # a little inland, so that a corridor has some way to go
            inland = np.exp(-(((near[1 - side] - 0.11) / 0.03) ** 2)) * np.exp(-((away / 0.13) ** 2))
            wish = land * wild**2 * inland * (ground.coarser(country) == side)
            free = home & (country == side) & (core == 0)
            for centre in to_fine(ground, choose(ground.stream("core", number, side), wish, 1, 1.0)):
                window, part, _ = ground.patch(("core", number, side), centre, cells, free, rough=0.5)
                core[window][part] = 2 * number + side + 1
    return core


def flyway(ground: Ground, terrain: Terrain, life: Life) -> tuple[np.ndarray, np.ndarray]:
    """Stage (1 breeding, 2 staging, 3 wintering, 0 none) and capacity (birds) of migratory sites, (rows, columns) each.

    Sites are wetlands: those of the north are bred in, those of the south wintered in, the others on the way.
    """
    wet = np.isin(life.first, [ECOSYSTEMS.index(name) for name in WETLANDS]) & terrain.land
    rows = np.flatnonzero(wet) // ground.shape[1]
    stage, capacity = np.zeros(ground.shape, np.int8), np.zeros(ground.shape, np.float32)
    if not rows.size:
        return stage, capacity
    limits = np.quantile(rows, [0, 0.3, 0.7, 1])
    at = np.arange(ground.shape[0])[:, None]
    cells = max(2, round(SITE_SHARE * int(terrain.land.sum())))
    for number, (north, south) in enumerate(itertools.pairwise(limits), start=BREEDING):
        home = wet & (at >= north) & (at <= south) & (stage == 0)
        places = choose(ground.stream("flyway", number), ground.coarser(home), SITES, 0.12 * ground.coarse.short)
        birds = ground.stream("birds", number).lognormal(np.log(20_000), 0.7, len(places))
        for site, (centre, flock) in enumerate(zip(to_fine(ground, places), birds)):
            window, part, _ = ground.patch(
                ("flyway", number, site), centre, cells, home & (stage == 0), rough=0.3, whole=False
            )
            if part.any():
                stage[window][part] = number
                capacity[window][part] = flock / part.sum()
    return stage, capacity
