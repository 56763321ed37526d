"""The synthetic country, conservation part: protected areas, OECMs and those that might be, opportunity cost."""

from __future__ import annotations

import numpy as np

from prioritize.formats._country.ground import Ground, choose
from prioritize.formats._country.life import Life
from prioritize.formats._country.society import Society
from prioritize.formats._country.terrain import Climate, Terrain, to_fine

# timber, grazing, reed and fish: thousand US$ per km2 and year, in the order of COVER
RENT = np.array([0, 4.5, 1.2, 1.6, 0.8, 0, 0, 0.1, 0.5], np.float32)


def make_areas(
    ground: Ground, terrain: Terrain, climate: Climate, society: Society, life: Life
) -> dict[str, np.ndarray]:
    """Masks (rows, columns) that do not overlap: protected areas, OECMs, and three types of candidate OECM.

    Protected areas stand where nobody farms: high, steep, remote. OECMs are small. The candidates are forests of
    communities and local marine areas near protected areas (primary), sources of water (secondary), military land
    and closed fishing grounds (ancillary).
    """
    coarse = ground.coarse
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

    def grow(
        name: str, home: np.ndarray, wish: np.ndarray, share: float, size: float, roughness: float = 0.6
    ) -> np.ndarray:
        """Patches of about `size` (share of the realm) until `share` is reached; they leave `free`."""
        realm = terrain.sea if home is terrain.sea else terrain.land
        cells = int(realm.sum())
        left = round(share * cells)
        grown = np.zeros(ground.shape, bool)
        places = choose(
            ground.stream(name),
            wish,
            int(6 * share / size) + 12,
            1.5 * np.sqrt(size * cells / np.pi) / ground.short * coarse.short,
        )
        sizes = ground.stream(name, "sizes").lognormal(np.log(size), 0.9, len(places)) * cells
        bias = (
            None
            if realm is terrain.sea
            else (lambda window: 1.2 * (life.natural[window] - 1) - 0.4 * society.urban[window])
        )
        for number, (centre, wanted) in enumerate(zip(to_fine(ground, places), sizes)):
            if left < 1:
                break
            window, part, _ = ground.patch(
                (name, number), centre, max(1, min(round(wanted), left)), free & home, bias, rough=roughness
            )
            grown[window] |= part
            free[window] &= ~part
            left -= int(part.sum())
        return grown

    away = np.minimum(remote / 6, 1.5)
    park = land * wild**2 * (0.12 + np.minimum(slope / 10, 1) + 0.5 * away)
    marine = sea * (0.15 + np.exp(-shore / 0.04)) * (1.05 - np.minimum(fishing, 1))
    protected = grow("parks", wild_land, park, stream.uniform(0.14, 0.16), 0.003)
    protected |= grow("marine parks", terrain.sea, marine, stream.uniform(0.07, 0.09), 0.006)
    near_park = np.exp(-ground.coarser(ground.distance(protected)) / 0.035)

    commons = land * wild**2 * near_park * (0.2 + np.exp(-remote / 3))
    local_sea = sea * np.exp(-shore / 0.03) * near_park
    source = land * wild * (np.exp(-river / 0.02) + 0.3) * np.clip(rain / 800, 0, 2) * (0.2 + slope / 6)
    range_ = land * wild * (0.1 + away)
    closure = sea * (0.03 + fishing) * np.exp(-(((shore - 0.08) / 0.06) ** 2))

    oecm = grow("oecm", wild_land, commons + 0.2 * source, stream.uniform(0.009, 0.012), 0.0006)
    oecm |= grow("marine oecm", terrain.sea, closure + local_sea, stream.uniform(0.002, 0.004), 0.0012)
    primary = grow("commons", wild_land, commons, stream.uniform(0.05, 0.06), 0.0014)
    primary |= grow("local sea", terrain.sea, local_sea + 1e-6 * sea, stream.uniform(0.025, 0.035), 0.0022)
    secondary = grow("sources", wild_land, source, stream.uniform(0.045, 0.055), 0.0022)
    ancillary = grow("ranges", wild_land, range_, stream.uniform(0.02, 0.03), 0.0022)
    ancillary |= grow("closures", terrain.sea, closure + 1e-6 * sea, stream.uniform(0.05, 0.07), 0.006)
    return {
        "existing_pa": protected,
        "existing_oecm": oecm,
        "oecm_primary": primary,
        "oecm_secondary": secondary,
        "oecm_ancillary": ancillary,
        "oecm_candidate": primary | secondary | ancillary,
    }


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
