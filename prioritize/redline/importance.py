"""Importance of ecological functions: the NPP quantitative index and process models, one small function a formula.

All functions work element by element on arrays of any shape; NaN is no data and stays NaN. An input outside its
possible range raises DataError. Constants that could not be checked against a readable source are parameters, and say
"default, not verified" below; nothing here cites them as fact. The two families of method give clearly different
results at the scale of a city (Liu et al. 2018), so the method is always reported.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from prioritize.redline._checked import checked

#: runoff coefficient, share of the rain, by ecosystem (defaults, not verified)
RUNOFF_COEFFICIENT: Mapping[str, float] = {
    "evergreen_broadleaf_forest": 0.0267,
    "evergreen_needleleaf_forest": 0.0302,
    "mixed_forest": 0.0229,
    "deciduous_broadleaf_forest": 0.0133,
    "deciduous_needleleaf_forest": 0.0088,
    "open_forest": 0.1920,
    "evergreen_shrub": 0.0426,
    "deciduous_shrub": 0.0417,
    "sparse_shrub": 0.1920,
    "meadow": 0.0820,
    "steppe": 0.0478,
    "grass_tussock": 0.0937,
    "sparse_grass": 0.1827,
    "wetland": 0.0,
}

#: how fast vegetation stops the wind, by cover (defaults, not verified)
WIND_COVER: Mapping[str, float] = {
    "forest": 0.1535,
    "grass": 0.1151,
    "shrub": 0.0921,
    "bare": 0.0768,
    "sand": 0.0658,
    "crop": 0.0438,
}


# --- NPP quantitative index -------------------------------------------------------------------------------------------


def normalise(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Min-max normalisation to 0..1; 0 everywhere where the layer is constant.

    Parameters
    ----------
    values : array
    low, high : float
        Least and largest value of the whole study area (not of a tile).
    """
    values = checked("values", values, low, high)
    return np.where(np.isnan(values), np.nan, 0.0) if high == low else (values - low) / (high - low)


def npp_water_conservation(
    npp: np.ndarray, seepage: np.ndarray, precipitation: np.ndarray, slope: np.ndarray
) -> np.ndarray:
    """Water conservation `WR = NPP Fsic Fpre (1 - Fslo)`; all factors normalised to 0..1.

    NPP index of the Chinese guidelines on redlines, as tabulated in the Journal of Geographical Sciences.
    """
    a, b, c, d = _shares(npp=npp, seepage=seepage, precipitation=precipitation, slope=slope)
    return a * b * c * (1 - d)


def npp_soil_retention(npp: np.ndarray, erodibility: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Soil and water conservation `Spro = NPP (1 - K) (1 - Fslo)`; factors normalised, source as above."""
    a, k, d = _shares(npp=npp, erodibility=erodibility, slope=slope)
    return a * (1 - k) * (1 - d)


def npp_sand_fixation(
    npp: np.ndarray, erodibility: np.ndarray, climatic_erosivity: np.ndarray, roughness: np.ndarray
) -> np.ndarray:
    """Sand fixation `Sws = NPP K Fq D`; factors normalised, source as above."""
    a, k, q, d = _shares(npp=npp, erodibility=erodibility, climatic_erosivity=climatic_erosivity, roughness=roughness)
    return a * k * q * d


def npp_biodiversity(
    npp: np.ndarray, precipitation: np.ndarray, temperature: np.ndarray, altitude: np.ndarray
) -> np.ndarray:
    """Biodiversity maintenance `Sbio = NPP Fpre Ftem (1 - Falt)`; factors normalised, source as above."""
    a, p, t, z = _shares(npp=npp, precipitation=precipitation, temperature=temperature, altitude=altitude)
    return a * p * t * (1 - z)


def seepage_index(texture_class: np.ndarray, classes: int = 13) -> np.ndarray:
    """Soil seepage factor n/13 of the texture class n: 1 heavy clay, 2 silty clay ... 13 sand.

    That the classes are numbered so is what is left of the text of 2014; the full list could not be read.
    """
    return checked("texture_class", texture_class, 1, classes) / classes


def surface_roughness(slope_deg: np.ndarray) -> np.ndarray:
    """Surface roughness `1 / cos(slope)`: surface over map area (default, not verified)."""
    return 1 / np.cos(np.radians(checked("slope_deg", slope_deg, 0, 89)))


def wind_at_2m(wind_m_s: np.ndarray, height_m: float, exponent: float = 1 / 7) -> np.ndarray:
    """Wind 2 m above ground from wind at another height, by a power law (exponent: default, not verified)."""
    height = float(checked("height_m", height_m, 0.1, 500))
    return checked("wind_m_s", wind_m_s, 0, 120) * (2 / height) ** exponent


def potential_evapotranspiration_mm(temperature_c: np.ndarray, relative_humidity: np.ndarray) -> np.ndarray:
    """Monthly `ETP = 0.19 (20 + T)^2 (1 - r)` in mm.

    Parameters
    ----------
    temperature_c : array
        Monthly mean.
    relative_humidity : array
        0..1.
    """
    temperature = checked("temperature_c", temperature_c, -90, 60)
    return 0.19 * (20 + temperature) ** 2 * (1 - checked("relative_humidity", relative_humidity, 0, 1))


def climatic_erosivity(
    wind_m_s: np.ndarray,
    precipitation_mm: np.ndarray,
    temperature_c: np.ndarray,
    relative_humidity: np.ndarray,
    days: np.ndarray,
) -> np.ndarray:
    """Climatic erosivity of the wind `Fq = 1/100 sum_m u^3 (ETP - P)/ETP d` over twelve months.

    Parameters
    ----------
    wind_m_s, precipitation_mm, temperature_c, relative_humidity : (12, ...) arrays
        By month; wind 2 m above ground, precipitation as the month's sum, humidity 0..1.
    days : (12,) array
        Days of each month (or of those with wind).

    Returns
    -------
    (...) array
        Months with more rain than evaporation, or without evaporation, count nothing (our reading: the formula as
        printed would let a wet month take erosivity away from a dry one).
    """
    wind, rain = checked("wind_m_s", wind_m_s, 0, 120), checked("precipitation_mm", precipitation_mm, 0)
    evaporation = potential_evapotranspiration_mm(temperature_c, relative_humidity)
    length = checked("days", days, 0, 31)
    with np.errstate(divide="ignore", invalid="ignore"):
        dry = np.where(evaporation > 0, np.maximum((evaporation - rain) / evaporation, 0.0), 0.0)
    dry = np.where(np.isnan(evaporation) | np.isnan(rain), np.nan, dry)
    shaped = length.reshape((len(length),) + (1,) * (wind.ndim - 1))
    return (wind**3 * dry * shaped).sum(axis=0) / 100


# --- water balance ----------------------------------------------------------------------------------------------------


def storm_runoff_mm(precipitation_mm: np.ndarray, runoff_coefficient: np.ndarray | float) -> np.ndarray:
    """Storm runoff `R = P alpha` in mm; alpha as a share of the rain (see RUNOFF_COEFFICIENT)."""
    alpha = checked("runoff_coefficient", runoff_coefficient, 0, 1)
    return checked("precipitation_mm", precipitation_mm, 0) * alpha


def water_conservation_m3(
    precipitation_mm: np.ndarray,
    runoff_mm: np.ndarray,
    evapotranspiration_mm: np.ndarray,
    area_km2: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Water conserved `TQ = (P - R - ET) A 1000` in m3 a year (1 mm on 1 km2 is 1000 m3); may be negative."""
    rain, runoff = checked("precipitation_mm", precipitation_mm, 0), checked("runoff_mm", runoff_mm, 0)
    loss = checked("evapotranspiration_mm", evapotranspiration_mm, 0)
    return (rain - runoff - loss) * checked("area_km2", area_km2, 0) * 1e3


# --- RUSLE ------------------------------------------------------------------------------------------------------------


def half_month_erosivity(
    rain_mm_by_day: np.ndarray, warm: bool, warm_factor: float = 0.3937, cold_factor: float = 0.3101,
    exponent: float = 1.7265, least_mm: float = 12.0,
) -> np.ndarray:  # fmt: skip
    """Rain erosivity of half a month, MJ mm / (ha h): `alpha sum_j P_j^1.7265` over days of 12 mm and more.

    Parameters
    ----------
    rain_mm_by_day : (days, ...) array
        One half-month of one year; the caller takes the mean over the years.
    warm : bool
        Warm season (its own factor). All constants are defaults, not verified.
    """
    rain = checked("rain_mm_by_day", rain_mm_by_day, 0)
    factor = warm_factor if warm else cold_factor
    return factor * np.where(rain >= least_mm, rain**exponent, np.where(np.isnan(rain), np.nan, 0.0)).sum(axis=0)


def erodibility_epic(sand: np.ndarray, silt: np.ndarray, clay: np.ndarray, organic_carbon: np.ndarray) -> np.ndarray:
    """Soil erodibility K of the EPIC model (US units) from sand, silt, clay and organic carbon in percent.

    Williams' equation; the constants are defaults, not verified.
    """
    ms, si, cl = checked("sand_pct", sand, 0, 100), checked("silt_pct", silt, 0, 100), checked("clay_pct", clay, 0, 100)
    org = checked("organic_carbon_pct", organic_carbon, 0, 100)
    coarse = 0.2 + 0.3 * np.exp(-0.0256 * ms * (1 - si / 100))
    with np.errstate(invalid="ignore", divide="ignore"):
        fine = np.where(cl + si > 0, si / np.maximum(cl + si, 1e-300), 0.0) ** 0.3
    fine = np.where(np.isnan(cl + si), np.nan, fine)
    carbon = 1 - 0.25 * org / (org + np.exp(3.72 - 2.95 * org))
    rest = 1 - ms / 100
    sandy = 1 - 0.7 * rest / (rest + np.exp(-5.51 + 22.9 * rest))
    return coarse * fine * carbon * sandy


def erodibility_si(k_epic: np.ndarray) -> np.ndarray:
    """K for China in t ha h / (ha MJ mm): `(-0.01383 + 0.51575 K_EPIC) 0.1317` (default, not verified); 0 at least."""
    return np.maximum((-0.01383 + 0.51575 * checked("k_epic", k_epic, 0)) * 0.1317, 0.0)


def soil_loss_t_ha(
    erosivity: np.ndarray,
    erodibility: np.ndarray,
    slope_length: np.ndarray,
    cover: np.ndarray,
    practice: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Soil loss of the revised universal soil loss equation `A = R K LS C P`, t / (ha a).

    Parameters
    ----------
    erosivity : array
        R, MJ mm / (ha h a).
    erodibility : array
        K, t ha h / (ha MJ mm).
    slope_length : array
        LS, no unit.
    cover, practice : array
        C and P, 0..1.
    """
    return (
        _rusle(erosivity, erodibility, slope_length)
        * checked("cover", cover, 0, 1)
        * checked("practice", practice, 0, 1)
    )


def soil_retention_t_ha(
    erosivity: np.ndarray, erodibility: np.ndarray, slope_length: np.ndarray, cover: np.ndarray
) -> np.ndarray:
    """Soil kept back `Ac = R K LS (1 - C)`, t / (ha a): loss of bare soil less that under its cover, P left out."""
    return _rusle(erosivity, erodibility, slope_length) * (1 - checked("cover", cover, 0, 1))


def _rusle(erosivity: np.ndarray, erodibility: np.ndarray, slope_length: np.ndarray) -> np.ndarray:
    return (
        checked("erosivity", erosivity, 0)
        * checked("erodibility", erodibility, 0)
        * checked("slope_length", slope_length, 0)
    )


# --- RWEQ -------------------------------------------------------------------------------------------------------------


def erodible_fraction(
    sand: np.ndarray, silt: np.ndarray, clay: np.ndarray, organic_matter: np.ndarray, carbonate: np.ndarray
) -> np.ndarray:
    """`EF = (29.09 + 0.31 sa + 0.17 si + 0.33 sa/cl - 2.59 OM - 0.95 CaCO3) / 100`, percents in; kept in 0..1.

    Constants of the revised wind erosion equation: defaults, not verified.
    """
    sa, si = checked("sand_pct", sand, 0, 100), checked("silt_pct", silt, 0, 100)
    cl = checked("clay_pct", clay, 0.01, 100)
    om, ca = checked("organic_matter_pct", organic_matter, 0, 100), checked("carbonate_pct", carbonate, 0, 100)
    return np.clip((29.09 + 0.31 * sa + 0.17 * si + 0.33 * sa / cl - 2.59 * om - 0.95 * ca) / 100, 0, 1)


def soil_crust_factor(clay: np.ndarray, organic_matter: np.ndarray) -> np.ndarray:
    """`SCF = 1 / (1 + 0.0066 cl^2 + 0.021 OM^2)`, percents in (defaults, not verified)."""
    cl, om = checked("clay_pct", clay, 0, 100), checked("organic_matter_pct", organic_matter, 0, 100)
    return 1 / (1 + 0.0066 * cl**2 + 0.021 * om**2)


def wind_cover_factor(vegetation_pct: np.ndarray, coefficient: np.ndarray | float) -> np.ndarray:
    """`C = exp(-a SC)`: SC vegetation cover in percent, a by cover (see WIND_COVER)."""
    a = checked("coefficient", coefficient, 0, 1)
    return np.exp(-a * checked("vegetation_pct", vegetation_pct, 0, 100))


def wind_soil_loss_kg_m2(
    weather: np.ndarray,
    erodible: np.ndarray,
    crust: np.ndarray,
    roughness: np.ndarray | float,
    cover: np.ndarray | float,
    distance_m: float = 50.0,
) -> np.ndarray:
    """Soil lost to the wind `SL = (2z / S^2) Qmax exp(-(z/S)^2)`, kg / m2.

    `Qmax = 109.8 F` (kg / m) and `S = 150.71 F^-0.3711` (m) with `F = WF EF SCF K' C`; z = 50 m. Revised wind erosion
    equation; all constants are defaults, not verified.

    Parameters
    ----------
    weather : array
        WF, kg / m.
    erodible, crust, roughness, cover : arrays
        EF, SCF, K' and C, 0..1. C = 1 gives the potential loss.
    """
    drive = checked("weather", weather, 0)
    for name, share in (("erodible", erodible), ("crust", crust), ("roughness", roughness), ("cover", cover)):
        drive = drive * checked(name, share, 0, 1)
    z = float(checked("distance_m", distance_m, 0))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        length = 150.71 * drive**-0.3711
        loss = 2 * z / length**2 * (109.8 * drive) * np.exp(-((z / length) ** 2))
    # without any drive the critical length is infinite and nothing is lost
    return np.where(drive == 0, 0.0, loss)


def sand_fixation_kg_m2(
    weather: np.ndarray,
    erodible: np.ndarray,
    crust: np.ndarray,
    roughness: np.ndarray | float,
    cover: np.ndarray,
    distance_m: float = 50.0,
) -> np.ndarray:
    """Sand fixed by vegetation `SR = SL(C = 1) - SL(C)`, kg / m2; inputs as in `wind_soil_loss_kg_m2`.

    Not below zero: with very strong drive the curve of the model turns, and more cover would mean more loss.
    """
    potential = wind_soil_loss_kg_m2(weather, erodible, crust, roughness, 1.0, distance_m)
    return np.maximum(potential - wind_soil_loss_kg_m2(weather, erodible, crust, roughness, cover, distance_m), 0.0)


def _shares(**factors: np.ndarray) -> list[np.ndarray]:
    return [checked(f"{name} (normalised)", values, 0, 1) for name, values in factors.items()]
