"""The synthetic country, human part: towns, fields, travel, fishing, provinces and counties, what land earns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from prioritize.formats._country.ground import Ground, choose, squash, travel
from prioritize.formats._country.terrain import Climate, Terrain, to_fine

CITIES, PROVINCES, COUNTIES = 42, 11, 84


@dataclass(frozen=True, eq=False)
class Society:
    """People and their borders, as grids of (rows, columns).

    Attributes
    ----------
    cities : (n, 2) int
        Cells, the largest city first; `people` (n,) live there.
    cropland, urban : float32
        Share of the cell.
    density : float32
        People per km2.
    remote : float32
        Hours to the nearest town.
    fishing : float32
        Effort, 0 to 1.
    province, county : int16
        Number of the province or county, -1 abroad. The sea belongs to provinces, not to counties.
    parent : tuple of int
        Province of each county.
    """

    cities: list[tuple[int, int]]
    people: np.ndarray
    cropland: np.ndarray
    urban: np.ndarray
    density: np.ndarray
    remote: np.ndarray
    fishing: np.ndarray
    province: np.ndarray
    county: np.ndarray
    parent: tuple[int, ...]


def make_society(ground: Ground, terrain: Terrain, climate: Climate) -> Society:
    """Found towns where plains, coasts and rivers are; let fields, travel, fishing and borders follow."""
    coarse = ground.coarse
    land = ground.coarser(terrain.land & ~terrain.lake)
    slope, coast = ground.coarser(terrain.slope), ground.coarser(terrain.coast)
    river = ground.coarser(climate.river_distance)
    fertile = fertility(ground, terrain, climate)

    appeal = (0.08 + ground.coarser(fertile)) * np.exp(-((slope / 6) ** 2))
    appeal *= 1 + 3.0 * np.exp(-coast / 0.02) + 1.5 * np.exp(-river / 0.012)
    # cells at the border make no good towns
    inner = ndimage.distance_transform_edt(land | ~ground.coarser(terrain.dry)) / coarse.short
    sites = choose(
        ground.stream("cities"),
        np.where(land, appeal**1.5 * np.minimum(inner / 0.05, 1), 0),
        CITIES,
        0.055 * coarse.short,
    )
    # the best sites are drawn first: Zipf's law by rank
    rank = np.arange(1, len(sites) + 1)
    people = 1 / rank**0.95 * ground.stream("people").lognormal(0, 0.15, len(sites))
    people /= people.sum()
    cities = to_fine(ground, sites)

    at = sites[:, 0] * coarse.shape[1] + sites[:, 1]
    pace = np.where(land, 1 + slope / 3 + ground.coarser(terrain.altitude) / 1200, 12.0)
    hours = travel(pace, at)[0] / coarse.short
    market = np.zeros(coarse.shape)
    row, column = np.ogrid[: coarse.shape[0], : coarse.shape[1]]
    for (city_row, city_column), size in zip(sites, people):
        market += size**0.5 * np.exp(-np.hypot(row - city_row, column - city_column) / (0.09 * coarse.short))
    market /= market[land].max()
    # a fixed country of 600 km: the distances of travel scale with the map
    remote = ground.finer(np.minimum(hours, 3)) * 12
    market = ground.finer(market)

    urban = np.zeros(ground.shape, np.float32)
    for number, (centre, size) in enumerate(zip(cities, people)):
        cells = max(1, round(0.014 * size * terrain.land.sum()))
        window, part, above = ground.patch(
            ("city", number),
            centre,
            cells,
            terrain.land & ~terrain.lake,
            bias=lambda window: -terrain.slope[window] / 8,
            rough=0.5,
            reach=1.2,
            whole=False,
        )
        built = part * np.clip(0.35 + 0.6 * above, 0.2, 0.92)
        urban[window] = np.maximum(urban[window], built.astype(np.float32))

    wish = fertile * (0.45 + 0.55 * np.sqrt(market)) + 0.13 * ground.noise("fields", 0.1, gain=0.65)
    dry_land = terrain.land & ~terrain.lake
    limit = np.quantile(wish[dry_land], 0.72)
    cropland = squash((wish - limit) * 14) * 0.85
    cropland[(cropland < 0.06) | ~dry_land] = 0
    cropland = (np.minimum(cropland, 1 - urban) * (1 - 0.3 * urban)).astype(np.float32)
    density = np.where(dry_land, 2500 * urban + 95 * cropland + 25 * market + 0.5, 0).astype(np.float32)

    fishing = fishing_effort(ground, terrain, list(zip(sites, people)))
    province, county, parent = borders(ground, terrain, sites, pace)
    return Society(cities, people, cropland, urban, density, remote, fishing, province, county, parent)


def fertility(ground: Ground, terrain: Terrain, climate: Climate) -> np.ndarray:
    """Suitability for crops, 0 to 1: mild, moist or watered by a river, flat."""
    warm = np.exp(-(((climate.temperature - 17) / 8) ** 2))
    water = np.clip(climate.moisture / 0.8, 0, 1) + 0.5 * np.exp(-((climate.river_distance / 0.025) ** 2))
    flat = np.exp(-((terrain.slope / 5) ** 2))
    return (warm * np.minimum(water, 1) * flat * terrain.land).astype(np.float32)


def fishing_effort(ground: Ground, terrain: Terrain, towns: list[tuple[np.ndarray, float]]) -> np.ndarray:
    """Boats go out from the coastal towns, and prefer the shelf."""
    coarse = ground.coarse
    coast = ground.coarser(terrain.coast)
    row, column = np.ogrid[: coarse.shape[0], : coarse.shape[1]]
    effort = np.zeros(coarse.shape)
    for (port_row, port_column), size in towns:
        if coast[port_row, port_column] < 0.04:
            effort += size**0.5 * np.exp(-np.hypot(row - port_row, column - port_column) / (0.13 * coarse.short))
    fine = ground.finer(effort) * (0.25 + np.exp(terrain.altitude / 400)) * np.exp(0.45 * ground.noise("shoals", 0.12))
    fine *= terrain.sea
    return fine / max(np.quantile(fine[terrain.sea], 0.995), 1e-9) if terrain.sea.any() else fine


def borders(
    ground: Ground, terrain: Terrain, sites: np.ndarray, pace: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Give each cell to the seat that is nearest by travel, so that borders follow ridges."""
    coarse = ground.coarse
    land = ground.coarser(terrain.land)
    far = float(np.hypot(0.5 * coarse.shape[0], 0.5 * coarse.shape[1]))
    # capitals: the largest towns that keep their distance
    capitals: list[int] = []
    for number, site in enumerate(sites):
        if all(np.hypot(*(site - sites[other])) > 0.22 * far for other in capitals) and len(capitals) < PROVINCES:
            capitals.append(number)
    ways = np.where(land, pace**1.3, 60.0) * np.exp(0.25 * coarse.noise("marches", 0.12))
    cell_of = sites[:, 0] * coarse.shape[1] + sites[:, 1]
    starts = cell_of[capitals]
    nearest = travel(ways, starts)[2]
    province = np.searchsorted(np.sort(starts), nearest)
    province = np.argsort(starts, kind="stable")[province]

    count = max(len(capitals), min(COUNTIES, int(land.sum()) // 16))
    seats = choose(ground.stream("counties"), land * (0.15 + 1 / pace), count, 0.62 * np.sqrt(land.sum() / count))
    county = np.full(coarse.shape, -1)
    parent: list[int] = []
    seat_cell = seats[:, 0] * coarse.shape[1] + seats[:, 1]
    home = province.ravel()[seat_cell]
    for number, capital in enumerate(capitals):
        own = seat_cell[home == number]
        own = own if len(own) else np.array([cell_of[capital]])
        # a wall around the province keeps the ways of its counties inside
        inside = province == number
        near = travel(np.where(inside, ways, 1e6), own)[2]
        county[inside] = len(parent) + np.searchsorted(np.sort(own), near[inside])
        parent += [number] * len(own)

    # on the fine grid the borders wind, by noise as long as a few coarse cells
    shift = [2.2 * ground.noise(("wind", axis), 0.07, gain=0.6) for axis in range(2)]
    # what is not land on the coarse grid takes the number of the nearest land
    fill = ndimage.distance_transform_edt(~land, return_distances=False, return_indices=True)
    code = county[tuple(fill)]
    code = stretch(code, ground, shift)
    code[~(terrain.land | terrain.sea)] = -1
    of = np.array([*parent, -1])
    return of[code].astype(np.int16), np.where(terrain.land, code, -1).astype(np.int16), tuple(parent)


def stretch(code: np.ndarray, ground: Ground, shift: list[np.ndarray]) -> np.ndarray:
    """Look codes of the coarse grid up from the fine one, at shifted places."""
    at = [(np.arange(side) + 0.5) * few / side - 0.5 for side, few in zip(ground.shape, code.shape)]
    row = np.clip(np.rint(at[0][:, None] + shift[0]), 0, code.shape[0] - 1).astype(np.int32)
    column = np.clip(np.rint(at[1][None, :] + shift[1]), 0, code.shape[1] - 1).astype(np.int32)
    return code[row, column]
