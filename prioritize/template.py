"""`prioritize new`: a commented scenario and a tiny landscape of real files to start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from prioritize.errors import DataError
from prioritize.output import as_json, drafted
from prioritize.place import Grid
from prioritize.plaintext import write_csv
from prioritize.registry import family
from prioritize.source import Source

SCENARIO = """\
# A scenario: one question to the landscape. Change a line, then:
#   prioritize check scenario.toml      every fault at once, and what is impossible, before solving
#   prioritize run   scenario.toml      the answer, with a proof of how good it is, in runs/<name>
# An editor that reads the schema completes and explains every key (`prioritize schema > scenario.schema.json`).
#:schema ./scenario.schema.json

name = "first_try"
seed = 1

[landscape]
format = "raster"                     # or vector (polygons), marxan (a Marxan project), synthetic
cost = "cost.tif"                     # opportunity cost of each cell; NoData = not a planning unit
cost_unit = "thousand US$ per year"
features = ["features.tif"]           # one band a feature: species, ecosystems, services
feature_table = "features.csv"        # further columns by feature: group, taxon, weight, ...
realm = "realm.tif"                   # codes, named in realm.csv
# locked_out = "urban.tif"            # not zero = never selected
# align = "nearest"                   # or "bilinear": resample layers of another grid (refused otherwise)

[landscape.tenure]                    # what exists today: share of each cell (0 to 1) or a flag, for the accounting
protected = "protected.tif"
oecm_candidate = "oecm_candidates.tif"

[zones.protected]
locked_in = "protected.tif"           # what is protected today stays

# [zones.oecm]                        # a second regime: remove the hashes to compare
# kind = "oecm"
# type = "primary"                    # or secondary, ancillary
# cost_factor = 0.5                   # its cost, as a share of the landscape's
# contribution = 0.8                  # what an amount counts in it
# eligible = "oecm_candidates.tif"

[targets]
relative = 0.30                       # hold 30 % of every feature ...
denominator = "units"                 # ... of what lies in the planning units
# by_feature = { "mammal_*" = 0.5 }   # exceptions, by name or pattern
# rule = "sreekar"                    # instead of relative: more of small ranges than of large ones, made for 30x30
# by_group = { ecosystem = 0.3, service = 0.3 }   # ... for species; what is no range keeps a share

[objective]
kind = "min_cost"                     # or min_shortfall, max_features, ... under a budget

[[constraints]]
name = "30x30"
kind = "area"
of = "realm:*"                        # 30 % of land, of inland water AND of the sea, each apart
share = 0.30

# [[penalties]]                       # favour compact selections
# kind = "boundary"
# weight = 0.01                       # objective per metre of outline
# edge_factor = 0.5

[solver]
gap = 0.001                           # stop when proven within 0.1 % of the best possible
seconds = 60
"""


def write_template(folder: Path) -> Path:
    """Write scenario.toml and the rasters it names into a new folder; return the scenario's path.

    Raises
    ------
    DataError
        If the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: is there already and not empty; name a new folder")
    with drafted(folder) as draft:
        write_files(draft, family("formats")["synthetic"](rows=50, columns=60, cell_km=10.0, species=12).open(4))
        (draft / "scenario.toml").write_text(SCENARIO, encoding="utf-8")
    return folder / "scenario.toml"


def write_files(folder: Path, source: Source) -> None:
    """Write the layers of a source on a grid as GeoTIFF and CSV."""
    from prioritize.scenario import json_schema

    place = source.place
    assert isinstance(place, Grid)
    write_band(folder / "cost.tif", place, [source.read("cost", False)], ["cost"])
    write_band(folder / "protected.tif", place, [source.read("existing_pa", True)], ["protected today"])
    write_band(folder / "oecm_candidates.tif", place, [source.read("oecm_candidate", True)], ["OECM candidates"])
    realms = ("land", "inland water", "sea")
    realm = np.select([source.labels("realm") == name for name in realms], (1.0, 2.0, 3.0))
    write_band(folder / "realm.tif", place, [realm], ["realm"])
    named = "".join(f"{code},{name}\n" for code, name in enumerate(realms, start=1))
    (folder / "realm.csv").write_text(f"code,name\n{named}", encoding="utf-8")
    names = source.features["name"].tolist()
    write_band(folder / "features.tif", place, list(source.amount.toarray()), names)
    columns = [key for key in source.features if key != "total"]
    table: pd.DataFrame = source.features[columns]
    write_csv(folder / "features.csv", table)
    (folder / "scenario.schema.json").write_text(as_json(json_schema(), indent=1) + "\n", encoding="utf-8")


def write_band(path: Path, place: Grid, values: list[np.ndarray], names: list[str]) -> None:
    """Write (U,) values as the bands of one GeoTIFF, NoData -9999 where there is no unit."""
    import rasterio

    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=place.shape[0],
        width=place.shape[1],
        count=len(values),
        dtype="float32",
        nodata=-9999.0,
        crs=place.crs,
        transform=rasterio.Affine(*place.transform),
        compress="deflate",
    ) as file:
        for band, (layer, name) in enumerate(zip(values, names, strict=True), start=1):
            file.write(place.image(layer.astype(np.float32), np.float32(-9999.0)), band)
            file.set_band_description(band, name)
