"""A folder with a small landscape of every format, for tests of what is wrong, and what is then told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import tomli_w
from rasterio.transform import from_origin
from shapely import box

from prioritize.cli import main

UTM = "EPSG:32755"
GONE = object()


@dataclass(frozen=True)
class Desk:
    """A folder with a small landscape of every format, and a scenario that is right until a case makes it wrong."""

    folder: Path

    def set_up(self) -> None:
        """3 x 4 cells, two features; the sea is the last row."""
        cells = np.arange(1.0, 13.0, dtype=np.float32).reshape(3, 4)
        self.raster("cost.tif", cells)
        self.raster("owl.tif", np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 2]], np.float32))
        self.raster("fox.tif", np.array([[0, 0, 3, 3], [0, 0, 3, 3], [0, 0, 0, 0]], np.float32))
        self.raster("realm.tif", np.array([[1] * 4, [1] * 4, [2] * 4], np.uint8))
        self.text("realm.csv", "code,name\n1,land\n2,sea\n")
        self.raster("old.tif", np.array([[1, 0, 0, 0], [0] * 4, [0] * 4], np.uint8))
        self.scenario()

    def text(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def raster(
        self, name: str, values: Any, crs: str | None = UTM, nodata: float | None = None, **profile: Any
    ) -> None:
        values = np.asarray(values)
        values = values[None] if values.ndim == 2 else values
        count, height, width = values.shape
        profile = {"transform": from_origin(500_000, 5_000_000, 1000, 1000), **profile}
        shape = {"count": count, "height": height, "width": width, "dtype": values.dtype}
        with rasterio.open(self.folder / name, "w", driver="GTiff", crs=crs, nodata=nodata, **shape, **profile) as file:
            file.write(values)

    def polygons(self, crs: str | None = UTM, geometry: Sequence[Any] | None = None, **columns: Any) -> None:
        """Three units in a row, `units.gpkg`."""
        shapes = [box(k, 0, k + 1, 1) for k in range(3)] if geometry is None else geometry
        columns = {"code": [1, 2, 3], "price": [1.0, 2.0, 3.0], "owls": [4.0, 0.0, 4.0], **columns}
        columns = {name: values for name, values in columns.items() if values is not GONE}
        geopandas.GeoDataFrame(columns, geometry=list(shapes), crs=crs).to_file(self.folder / "units.gpkg")

    def marxan(self, **changes: str | bytes | object) -> None:
        """The four files of a Marxan project, as changed."""
        files = {
            "input": "PUNAME pu.dat\nSPECNAME spec.dat\nPUVSPRNAME puvspr.dat\n",
            "pu": "id,cost,status\n1,10,0\n2,20.5,2\n3,30,3\n4,40,1\n",
            "spec": "id,target,name\n7,8,otter\n9,10,newt\n",
            "puvspr": "species,pu,amount\n7,1,8\n7,2,4\n9,2,10\n9,4,30\n",
            **changes,
        }
        for name, content in files.items():
            if content is not GONE:
                self.text(f"{name}.dat", content)  # type: ignore[arg-type]

    def scenario(self, file: str = "small.toml", **changes: Any) -> None:
        """Write the scenario; `landscape__cost="x"` changes one key, `landscape__cost=GONE` takes it away."""
        data: dict[str, Any] = {
            "name": "small",
            "landscape": {
                "format": "raster",
                "cost": "cost.tif",
                "features": ["owl.tif", "fox.tif"],
                "realm": "realm.tif",
            },
            "targets": {"rule": "relative", "relative": 0.3},
            "solver": {"kind": "highs", "gap": 0.0},
        }
        for dotted, value in changes.items():
            *path, last = dotted.split("__")
            place = data
            for key in path:
                place = place.setdefault(key, {})
            if value is GONE:
                place.pop(last)
            else:
                place[last] = value
        self.text(file, tomli_w.dumps(data))

    def vector(self, **changes: Any) -> None:
        """Write the scenario on `units.gpkg`."""
        keys = {"format": "vector", "units": "units.gpkg", "cost": "price", "features": ["owls"]}
        keys |= {key: value for key, value in changes.items() if value is not GONE}
        self.scenario(landscape=keys)

    def project(self, **changes: Any) -> None:
        """Write the scenario on the Marxan project."""
        self.scenario(landscape={"format": "marxan", "project": "input.dat", **changes}, targets={"rule": "table"})


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def told(desk: Desk, arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The faults that a command prints; the folder's name is left out."""
    assert main(arguments) == 2
    lines = capsys.readouterr().err.replace(f"{desk.folder}/", "").splitlines()
    others = [line for line in lines if not line.startswith("error: ")]
    assert all(
        re.fullmatch(r"\w+: (read|compile|solve|evaluate|failed) \d+ s(, incumbent .*)?", line) for line in others
    ), others
    return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
