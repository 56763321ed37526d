"""An invented country, the same for the same seed: the landscape of the demo, the tests and the benchmarks."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import sparse

from prioritize.errors import DataError, Faults
from prioritize.formats._country.conservation import important_places, make_areas, opportunity_cost
from prioritize.formats._country.ground import Ground
from prioritize.formats._country.life import (
    COVER,
    VEGETATION,
    ecosystems,
    make_life,
    sensitivities,
    services,
    species,
)
from prioritize.formats._country.names import country_names
from prioritize.formats._country.neighbours import core_habitats, country_labels, flyway, two_countries
from prioritize.formats._country.society import fertility, make_society
from prioritize.formats._country.terrain import make_climate, make_terrain
from prioritize.formats._grid import grid_graph
from prioritize.landscape import some
from prioritize.place import Grid
from prioritize.source import LandscapeConfig, Source, find_features

# equal-area in metres; true to shape at 30 degrees north, where the country lies, in the empty Atlantic
CRS, CENTRE = "EPSG:6933", (-3_860_000.0, 3_660_000.0)

#: further columns of the feature table, and what stands in them where a feature does not say
BLANK: dict[str, Any] = {
    "unit": "km2",
    "group": "",
    "taxon": "",
    "realm": "",
    "iucn": "",
    "protection_class": "",
    "endemic": False,
    "global_range_km2": np.nan,
    "density_per_km2": np.nan,
}

Feature = tuple[dict[str, Any], np.ndarray, np.ndarray]  # row of the table, flat cells, amount by km2 of the cell


class Synthetic(LandscapeConfig):
    """A country of any size from a seed: coast, mountains, rivers, provinces, fields, towns, species, parks."""

    format: Literal["synthetic"] = "synthetic"
    rows: int = Field(120, ge=50, le=3000, description="rows of the grid")
    columns: int = Field(160, ge=50, le=3000, description="columns of the grid")
    cell_km: float = Field(5.0, gt=0, le=100, description="side of a cell in km")
    species: int = Field(60, ge=1, le=10_000, description="number of species, a quarter of them marine")
    countries: Literal[1, 2] = Field(
        1, description="2: two countries (level `country`), with core habitats at their border and a flyway"
    )
    seed: int | None = Field(None, ge=0, description="seed of the country; the scenario's where absent")
    cost: str | float = Field("cost", description="opportunity cost of each unit: a layer, or one number for all")
    cost_unit: str = Field("thousand US$ per year", description="currency and basis of the costs, for the report")
    realm: str | None = Field("realm", description="reference of the realm layer")
    regions: str | dict[str, str] | None = Field(
        {"province": "province", "county": "county", "priority": "priority", "kba": "kba"},
        description="a table of level = reference",
    )
    tenure: dict[str, str] = Field(
        {"protected": "existing_pa", "oecm": "existing_oecm", "oecm_candidate": "oecm_candidate"},
        description="what exists today: a table of class = layer",
    )

    def open(self, seed: int) -> Source:
        """Make the country.

        Parameters
        ----------
        seed : int
            Used where the configuration has none.

        Returns
        -------
        Source

        Raises
        ------
        DataError
            If `features` names one that there is not.
        """
        seed = seed if self.seed is None else self.seed
        ground = Ground((self.rows, self.columns), self.cell_km, seed)
        terrain, climate = make_climate(ground, make_terrain(ground))
        society = make_society(ground, terrain, climate)
        life = make_life(ground, terrain, climate, society)
        sites = make_areas(ground, terrain, climate, society, life)

        cell = np.flatnonzero(terrain.land | terrain.sea)
        area = self.cell_km**2
        fertile = fertility(ground, terrain, climate)
        service = services(ground, terrain, climate, society, life)
        sensitive = sensitivities(ground, terrain, climate, society, life)
        grids: dict[str, np.ndarray] = {
            "altitude": terrain.altitude,
            "slope": terrain.slope,
            "temperature": climate.temperature,
            "rain": climate.rain,
            "river": climate.river > 0,
            "river_distance_km": climate.river_distance * ground.short * self.cell_km,
            "coast_distance_km": np.maximum(terrain.coast, terrain.shore) * ground.short * self.cell_km,
            "lake": terrain.lake,
            "landcover": life.cover,
            "natural": life.natural,
            "cropland": society.cropland,
            "urban": society.urban,
            "vegetation": life.blend(society, VEGETATION) * terrain.land,
            "fertility": fertile,
            "population": society.density * area,
            "remoteness": society.remote * terrain.land,
            "fishing": society.fishing,
            "land": terrain.land,
            "sea": terrain.sea,
            "cost": opportunity_cost(ground, terrain, society, life, fertile) * area,
            **{name: values * area for name, (_, values) in service.items()},
            **sensitive,
            # above the upper class breaks of the demo's redline, see `scenarios/ecr.toml`
            "extremely_erodible": sensitive["soil_erosion_sensitivity"] > 3,
            "extremely_arid": sensitive["desertification_sensitivity"] > 2.9,
            **sites.masks(),
        }
        for code, name in enumerate(COVER):
            if name not in grids:
                grids[name] = life.cover == code
        if self.countries == 2:
            country = two_countries(ground, terrain, society)
            grids["core_habitat"] = core_habitats(ground, terrain, life, country)
            grids["flyway_stage"], grids["flyway_capacity"] = flyway(ground, terrain, life)
        layers = {name: grid.ravel()[cell].astype(np.float32) for name, grid in grids.items()}
        del grids

        def made() -> Iterator[Feature]:
            yield from species(ground, terrain, climate, society, life, self.species)
            yield from ecosystems(life, terrain)
            for name, (unit, values) in service.items():
                at = np.flatnonzero(values > 0)
                yield (
                    {"name": f"service_{name}", "group": "service", "realm": "land", "unit": unit},
                    at,
                    values.flat[at],
                )

        amount, features = self.gather(made(), cell, area)
        labels = {
            **country_names(ground, terrain, society, life, cell),
            **important_places(ground, terrain, climate, society, life, cell),
            **sites.labels(ground, cell),
        }
        if self.countries == 2:
            labels["country"] = country_labels(ground, country, cell)

        def read(reference: str, flag: bool = False) -> np.ndarray:
            if reference not in layers:
                raise DataError(unknown("layer", reference, sorted(layers)))
            return layers[reference].astype(np.float64)

        def named(reference: str) -> np.ndarray:
            if reference not in labels:
                raise DataError(unknown("region layer", reference, sorted(labels)))
            return labels[reference]

        metres = self.cell_km * 1000
        left, top = CENTRE[0] - self.columns * metres / 2, CENTRE[1] + self.rows * metres / 2
        return Source(
            name=f"synthetic {self.rows} x {self.columns}, seed {seed}",
            unit_id=cell.astype(np.int64) + 1,
            area_km2=np.full(len(cell), area),
            amount=amount,
            features=features,
            graph=grid_graph(cell, ground.shape, metres, metres),
            place=Grid(ground.shape, cell.astype(np.int64), (metres, 0.0, left, 0.0, -metres, top), CRS),
            read=read,
            labels=named,
            notes=["the country is invented: its places, figures and names are nobody's"],
        )

    def files(self) -> list[Path]:
        """No file: the seed is all there is."""
        return []

    def gather(self, made: Iterator[Feature], cell: np.ndarray, area: float) -> tuple[sparse.csr_array, pd.DataFrame]:
        """Stack the features that the scenario wants into one matrix, and their rows into a table."""
        patterns = [self.features] if isinstance(self.features, str) else self.features
        found: set[str] = set()
        unit_of = np.full(self.rows * self.columns, -1, np.int32)
        unit_of[cell] = np.arange(len(cell), dtype=np.int32)
        table, every, indices, data = [], [], [], []
        for row, at, value in made:
            name = row["name"]
            every.append(name)
            hits = [pattern for pattern in patterns or [] if find_features(pattern, pd.Series([name])).any()]
            found.update(hits)
            if patterns is not None and not hits:
                continue
            amount = value.astype(np.float64) * area
            total = float(amount.sum())
            row["global_range_km2"] = total / row.pop("inside", np.nan)
            table.append({**BLANK, **row, "total": total})
            indices.append(unit_of[at])
            data.append(amount)
        faults = Faults(DataError)
        for pattern in patterns or []:
            if pattern not in found:
                faults.add("landscape.features: " + unknown("feature", pattern, every))
        faults.raise_any()
        if not table:
            raise DataError("landscape.features: the list is empty; leave it out for all features")
        indptr = np.cumsum([0, *map(len, indices)])
        if indptr[-1] < 2**31:  # one wide index array would widen the other
            indptr = indptr.astype(np.int32)
        amount = sparse.csr_array(
            (np.concatenate(data), np.concatenate(indices), indptr), shape=(len(table), len(cell))
        )
        return amount, pd.DataFrame(table)[["name", "total", *BLANK]]


def unknown(what: str, name: str, known: list[str]) -> str:
    """Say that a name is unknown, and which come near."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(repr(item) for item in near)}?" if near else ""
    return f"synthetic: there is no {what} '{name}'{hint or f'; there are {some(known, 30)}'}"


MEMBER = Synthetic
