"""The synthetic country, physical part: coast, relief, sea floor, temperature, rain, rivers and lakes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from prioritize.formats._country.ground import Ground, choose, largest_part, squash, travel

LAND_SHARE, SEA_SHARE = 0.46, 0.27  # of the grid


@dataclass(frozen=True, eq=False)
class Terrain:
    """Land and sea of the country, and the relief of everything around it.

    Attributes
    ----------
    land, sea, lake : (rows, columns) bool
        Lakes are part of the land; what is neither land nor sea is abroad.
    dry : (rows, columns) bool
        All land, abroad included.
    altitude : (rows, columns) float32
        Metres; below zero under the sea.
    slope : (rows, columns) float32
        Degrees.
    coast, shore : (rows, columns) float32
        Distance of land to the sea and of sea to the land, as a share of the short side.
    """

    land: np.ndarray
    sea: np.ndarray
    lake: np.ndarray
    dry: np.ndarray
    altitude: np.ndarray
    slope: np.ndarray
    coast: np.ndarray
    shore: np.ndarray


@dataclass(frozen=True, eq=False)
class Climate:
    """Mean temperature (deg C), rain (mm a year), moisture (rain / evaporation), rivers (drained share of the rain)."""

    temperature: np.ndarray
    rain: np.ndarray
    moisture: np.ndarray
    river: np.ndarray
    river_distance: np.ndarray


def make_terrain(ground: Ground) -> Terrain:
    """Raise a continent from the sea, cut a country out of it, and fold mountains on it."""
    v, u = ground.box()
    inland = ground.stream("inland").uniform(0, 2 * np.pi)
    away = np.float32(np.cos(inland)) * u + np.float32(np.sin(inland)) * v
    round_ = (np.abs(u) ** 2.6 + np.abs(v) ** 2.6) ** (1 / 2.6)

    rise = 0.70 * away - 0.80 * round_**2 + 0.42 * ground.noise("coast", 0.55, gain=0.5)
    # bays and capes of middling size, whatever the long waves do
    rise += 0.19 * ground.noise("bays", 0.2, gain=0.58)
    dry = rise > np.quantile(rise, 0.40)
    water, _ = ndimage.label(~dry)
    edge = np.unique(np.r_[water[0], water[-1], water[:, 0], water[:, -1]])
    dry |= ~np.isin(water, edge[edge > 0])  # what the sea does not reach is land
    continent = largest_part(dry)

    near = round_ + 0.17 * ground.noise("border", 0.5, gain=0.55) + 0.25 * away
    cells = int(LAND_SHARE * dry.size)
    inside = np.sort(near[continent])
    mainland = largest_part(continent & (near <= inside[min(cells, inside.size) - 1]))
    islands = sort_islands(dry & ~continent, ground.distance(mainland) < ground.distance(continent & ~mainland))
    land = mainland | (islands > 0)
    dry &= islands >= 0
    foreign = dry & ~land

    # the sea belongs to the nearest coast, and only as far as a belt reaches
    shore, to_foreign = ground.distance(land), ground.distance(foreign)
    candidate = ~dry & (shore < to_foreign)
    belt = np.sort(shore[candidate])
    sea = candidate & (shore <= belt[min(int(SEA_SHARE * dry.size), belt.size) - 1])
    parts, count = ndimage.label(sea)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    sea &= (sizes > 0.2 * sizes.max())[parts]  # no scraps of sea in the bays of others

    altitude, coast = raise_relief(ground, dry, land)
    altitude = np.where(dry, altitude, sea_floor(ground, np.minimum(shore, to_foreign)))
    metres = ground.cell_km * 1000
    down, right = np.gradient(np.maximum(altitude, 0), metres)
    # the slopes inside a cell are steeper than those between cells
    slope = np.degrees(np.arctan(2.5 * np.hypot(down, right))).astype(np.float32) * dry
    return Terrain(land, sea, np.zeros_like(land), dry, altitude, slope, coast, shore)


def sort_islands(islands: np.ndarray, near: np.ndarray) -> np.ndarray:
    """1 on islands nearer to the mainland than to another country, 0 on others and elsewhere, -1 on specks."""
    parts, count = ndimage.label(islands)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    at_home = np.bincount(parts.ravel(), weights=near.ravel(), minlength=count + 1)
    kind = ((at_home > sizes / 2) & (sizes < 0.04 * islands.size)).astype(np.int8)
    kind[sizes < max(2, islands.size // 20000)] = -1
    kind[0] = 0
    return kind[parts]


def raise_relief(ground: Ground, dry: np.ndarray, land: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Altitude of the land (m) and its distance to the sea."""
    coast = ground.distance(~dry)
    ramp = 1 - np.exp(-coast / 0.08)
    # chains run where a slow field passes its median, so that every country has some; another field interrupts them
    fold = ground.noise("fold", 0.75, gain=0.4)
    fold -= np.median(fold[land])
    massif = ground.noise("massif", 0.6, gain=0.3)
    massif -= np.quantile(massif[land & (np.abs(fold) < 0.4)], 0.4)
    chain = np.exp(-((fold / (0.24 + 0.16 * squash(massif))) ** 2)) * squash(3.5 * massif)
    crest = ground.ridges("crest", 0.2)
    hills = squash(1.5 * ground.noise("hills", 0.35, gain=0.55))
    mountain = chain * (0.12 + 0.88 * crest) * ramp
    mountain *= 3600 / np.quantile(mountain[land], 0.998)
    foothills = ndimage.gaussian_filter(mountain, 0.03 * ground.short)
    altitude = 6 + ramp * (60 + 420 * hills * (0.4 + crest)) + 0.75 * mountain + 0.45 * foothills
    return altitude.astype(np.float32), coast


def sea_floor(ground: Ground, shore: np.ndarray) -> np.ndarray:
    """Depth as a negative altitude (m): a shelf of varying width, the slope, the deep with its seamounts."""
    shelf = 0.07 * np.exp(0.45 * ground.noise("shelf", 0.5, octaves=3))
    beyond = np.clip((shore - shelf) / 0.09, 0, None)
    depth = 8 + 140 * np.minimum(shore / shelf, 1) ** 1.2 + 3300 * (1 - np.exp(-(beyond**1.3)))
    rough = ground.noise("sea floor", 0.2, gain=0.6)
    depth *= np.exp(0.18 * rough)
    mounts = np.clip(ground.noise("seamounts", 0.07, octaves=1) - 1.9, 0, 1)
    depth -= np.minimum(depth * 0.9, 3500 * mounts) * (beyond > 0.5)
    return -np.maximum(depth, 2).astype(np.float32)


def make_climate(ground: Ground, terrain: Terrain) -> tuple[Terrain, Climate]:
    """Temperature, rain on the windward slopes, rivers down the valleys; the rivers carve the relief a little."""
    v, _ = ground.box()
    height = np.maximum(terrain.altitude, 0)
    temperature = 17.5 + 7.0 * v - 0.0058 * height + 0.5 * ground.noise("warmth", 0.6, octaves=3)
    temperature = temperature.astype(np.float32)

    coarse = ground.coarse
    low_height, low_dry = ground.coarser(height), ground.coarser(terrain.dry)
    rain = ground.finer(windward_rain(coarse, low_height, low_dry))
    rain *= np.exp(0.12 * ground.noise("rain", 0.25))
    rain = (rain / rain[terrain.land].mean()) ** 0.85
    rain = np.clip(rain * 780 / rain[terrain.land].mean(), 40, 3000)

    river = rivers(ground, ground.coarser(terrain.land), low_height, low_dry, ground.coarser(rain))
    river *= terrain.land
    distance = ground.distance(river > 0)
    valley = np.exp(-((distance / 0.012) ** 2))
    altitude = np.where(terrain.dry, np.maximum(terrain.altitude * (1 - 0.25 * valley), 1), terrain.altitude)
    evaporation = 180 + 46 * np.clip(temperature, 0, None)
    moisture = rain / evaporation
    lake = lakes(ground, terrain, river, moisture)
    terrain = replace(terrain, altitude=altitude.astype(np.float32), lake=lake)
    return terrain, Climate(temperature, rain, moisture.astype(np.float32), river, distance)


def windward_rain(ground: Ground, height: np.ndarray, dry: np.ndarray) -> np.ndarray:
    """Carry moist air over a turned copy of the coarse grid, row by row; it rains out where the air must rise."""
    angle = ground.stream("wind").uniform(0, 360)
    # a square frame as wide as the diagonal holds the grid however it is turned
    diagonal = int(np.ceil(np.hypot(*ground.shape))) + 2
    frame = [((diagonal - side) // 2, diagonal - side - (diagonal - side) // 2) for side in ground.shape]

    def turn(field: np.ndarray, by: float) -> np.ndarray:
        return ndimage.rotate(field, by, reshape=False, order=1, mode="nearest")

    high = turn(np.pad(height.astype(float), frame, mode="edge"), angle)
    soil = turn(np.pad(dry.astype(float), frame, mode="edge"), angle)
    high = ndimage.gaussian_filter(high, 0.006 * ground.short)
    lift = np.clip(np.diff(high, axis=0, prepend=high[:1]), 0, None) / 60
    air = np.ones(diagonal)
    rain = np.empty((diagonal, diagonal))
    per_row = 150 / ground.short  # so that the number of rows does not matter
    for row in range(len(rain)):
        over_land = soil[row]
        fall = np.clip((0.014 + 0.012 * lift[row] / per_row) * per_row, 0, 0.35) * air
        rain[row] = fall / per_row
        air = air - fall * over_land + (0.012 * over_land + 0.08 * (1 - over_land)) * per_row * (1 - air)
        air = ndimage.gaussian_filter1d(air, 0.008 * ground.short)
    rain = ndimage.gaussian_filter(rain, 0.028 * ground.short)
    (top, _), (left, _) = frame
    return turn(rain, -angle)[top : top + ground.shape[0], left : left + ground.shape[1]]


def rivers(ground: Ground, land: np.ndarray, height: np.ndarray, dry: np.ndarray, rain: np.ndarray) -> np.ndarray:
    """(rows, columns) float32 on the fine grid: share of the country's rain that passes, zero beside the rivers.

    Every coarse cell drains to the sea along the way that stays lowest, which is how valleys join.
    """
    coarse = ground.coarse
    mouths = np.flatnonzero(~dry)
    valley = np.exp(1.1 * coarse.noise("valleys", 0.12, gain=0.7))
    cost = np.where(dry, (0.06 + (height / 900) ** 1.5) * valley, 50.0)
    length, previous, _ = travel(cost, mouths)
    flow = np.where(land, rain, 0.0).ravel()
    flow /= flow.sum()
    order = np.argsort(-length.ravel(), kind="stable")
    order = order[dry.ravel()[order]]
    for cell in order.tolist():
        flow[previous[cell]] += flow[cell]

    limit = np.quantile(flow[land.ravel()], 0.965)
    wet = np.flatnonzero((flow > limit) & dry.ravel())
    row, column = np.divmod(np.arange(dry.size), coarse.shape[1])
    shake = coarse.stream("banks").uniform(-0.35, 0.35, (2, dry.size))
    at = np.stack([row, column]) + 0.5 + shake
    at[:, wet] = 0.5 * at[:, wet] + 0.5 * at[:, previous[wet]]  # rounds the corners
    scale = np.array([fine / few for fine, few in zip(ground.shape, coarse.shape)])[:, None, None]
    along = np.linspace(0, 1, int(np.ceil(scale.max() * 2)) + 2)
    path = (at[:, wet, None] * (1 - along) + at[:, previous[wet], None] * along) * scale
    fine_row, fine_column = (np.clip(position.astype(int), 0, side - 1) for position, side in zip(path, ground.shape))
    river = np.zeros(ground.shape, np.float32)
    np.maximum.at(river, (fine_row, fine_column), flow[wet, None].astype(np.float32))
    return river


def lakes(ground: Ground, terrain: Terrain, river: np.ndarray, moisture: np.ndarray) -> np.ndarray:
    """A few lakes along rivers on flat and moist ground; (rows, columns) bool."""
    coarse = ground.coarse
    flat = ground.coarser(terrain.land & (terrain.slope < 3) & (moisture > 0.6) & (terrain.coast > 0.03))
    near = np.exp(-ground.coarser(ground.distance(river > 0)) / 0.012)
    places = choose(ground.stream("lakes"), flat * near**2, 9, 0.12 * coarse.short)
    sizes = ground.stream("lake sizes").lognormal(np.log(2.5e-4), 1.0, len(places)) * river.size
    lake = np.zeros(ground.shape, bool)
    allowed = terrain.land & (terrain.coast > 0.015)
    for number, (place, size) in enumerate(zip(to_fine(ground, places), sizes)):
        if size < 1:
            continue
        window, part, _ = ground.patch(("lake", number), place, int(size), allowed, rough=0.8, reach=1.6)
        lake[window] |= part
    return lake


def to_fine(ground: Ground, places: np.ndarray) -> list[tuple[int, int]]:
    """Coarse cells as fine ones."""
    factor = [fine / few for fine, few in zip(ground.shape, ground.coarse.shape)]
    return [(int((row + 0.5) * factor[0]), int((column + 0.5) * factor[1])) for row, column in places]
