"""Polygons as they come from the field: zipped, drawn with gaps, in layers of depth."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely

from prioritize.areas.read import read_sites
from prioritize.cli import main
from prioritize.formats import _borders as borders

FIELD = Path(__file__).parent / "field"


def copy_of(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(FIELD / name, folder / name))


@pytest.mark.parametrize("kind", ["zip", "sqlite"])
def test_units_are_found_from_any_folder(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of("12-zip-is-found-from-its-own-folder-only", tmp_path) / kind
    monkeypatch.chdir(folder)
    assert main(["check", "s.toml"]) == 0
    monkeypatch.chdir(tmp_path)
    assert main(["check", str(folder / "s.toml")]) == 0
    assert main(["run", str(folder / "s.toml"), "--set", "solver.kind=highs", "--out", str(folder / "run")]) == 0
    capfd.readouterr()
    # 3: the gap is the solver's claim, not certified; the files are found all the same
    assert main(["verify", str(folder / "run")]) in (0, 3)
    told = " ".join(capfd.readouterr())
    assert "no such file" not in told and "is not what it was" not in told


def test_units_that_almost_touch_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scenario = str(copy_of("13-units-that-almost-touch", tmp_path) / "s.toml")
    assert main(["check", scenario]) == 0
    told = " ".join(capfd.readouterr())
    # all 40 sides: the one edge there is, of 3.5 cm, joins two that lie corner to corner
    assert "40 pairs of units lie within" in " ".join(told.split())
    assert "touch_tolerance" in told
    assert main(["check", scenario, "--set", "landscape.touch_tolerance=2.0"]) == 0
    assert "pairs of units lie within" not in " ".join(" ".join(capfd.readouterr()).split())


@pytest.mark.parametrize(("gap", "pairs"), [(0.0, 0), (0.05, 12), (2.0, 12), (50.0, 0)])
def test_gaps_of_centimetres_and_roads(gap: float, pairs: int) -> None:
    """9 squares of 1 km: 12 sides between them; a gap of 50 m is drawn on purpose."""
    x, y = (axis.ravel() * (1000.0 + gap) for axis in np.meshgrid(range(3), range(3)))
    squares = shapely.box(x, y, x + 1000.0, y + 1000.0)
    tolerance = borders.default_tolerance(squares)
    graph = borders.polygon_graph(squares, borders.Ruler(), tolerance)
    count, joins = borders.near_misses(squares, graph, tolerance)
    assert count == pairs
    if count:
        assert borders.polygon_graph(squares, borders.Ruler(), joins).indices.size == 2 * 12


def test_stacked_units(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = copy_of("14-stacked-depth-layers", tmp_path)
    assert main(["check", str(folder / "s.toml")]) == 0
    assert "75 pairs of units lie over each other" in " ".join(" ".join(capfd.readouterr()).split())


def test_areas_in_a_zip_of_zips(tmp_path: Path) -> None:
    file = copy_of("16-wdpa-zip-of-zips", tmp_path) / "WDPA_Dec2026_Public_ABC_shp.zip"
    sites = read_sites([file])
    kinds = [item.geom_type for item in sites.geometry]
    assert len(sites) == 9 and sum("Point" in kind for kind in kinds) == 3
    assert main(["areas", "clean", str(file), str(tmp_path / "out.gpkg")]) == 0
    assert len(geopandas.read_file(tmp_path / "out.gpkg")) > 0


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """The same two sites in every packing that downloads and e-mails have."""
    table: dict[str, object] = {"WDPAID": [1, 2], "WDPA_PID": ["1", "2"], "REP_AREA": [1.0, 2.0]}
    words = {"NAME": "a", "DESIG_ENG": "Park", "MARINE": "0", "STATUS": "Designated", "ISO3": "ABC", "PA_DEF": "1"}
    table |= {key: [value] * 2 for key, value in words.items()} | {"STATUS_YR": [2000] * 2, "IUCN_CAT": ["II"] * 2}
    sites = geopandas.GeoDataFrame(table, geometry=[shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)], crs=4326)
    sites.to_file(tmp_path / "s.gpkg")
    sites.to_file(tmp_path / "s.shp")
    sites.to_file(tmp_path / "s.geojson", driver="GeoJSON")
    sites.to_file(tmp_path / "W.gdb", layer="WDPA_poly", driver="OpenFileGDB")
    (tmp_path / "g.geojson.gz").write_bytes(gzip.compress((tmp_path / "s.geojson").read_bytes()))

    def pack(name: str, members: dict[str, Path | bytes]) -> None:
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as packed:
            for member, content in members.items():
                packed.writestr(member, content if isinstance(content, bytes) else content.read_bytes())

    parts = {f"a folder/s.{end}": tmp_path / f"s.{end}" for end in ("shp", "shx", "dbf", "prj", "cpg")}
    pack("shape.zip", {**parts, "readme.pdf": b"%PDF"})
    pack("UPPER.ZIP", {Path(name).name.upper(): path for name, path in parts.items()})
    pack("package.zip", {"deep/er/s.gpkg": tmp_path / "s.gpkg"})
    pack("gdb.zip", {f"x/W.gdb/{path.name}": path for path in (tmp_path / "W.gdb").iterdir()})
    pack("outer.zip", {"in/shape.zip": tmp_path / "shape.zip", "docs.txt": b"hello"})
    pack("docs.zip", {"docs.txt": b"hello"})
    (tmp_path / "cut.zip").write_bytes((tmp_path / "shape.zip").read_bytes()[:500])
    return tmp_path


PACKED = ["shape.zip", "UPPER.ZIP", "package.zip", "gdb.zip", "outer.zip", "g.geojson.gz", "shape.zip#s"]


@pytest.mark.parametrize("name", PACKED)
def test_sites_in_any_packing(name: str, archives: Path) -> None:
    assert len(read_sites([archives / name])) == 2


@pytest.mark.parametrize("name", [name for name in PACKED if "#" not in name])
def test_units_in_any_packing(name: str, archives: Path) -> None:
    (archives / "s.toml").write_text(
        f'name = "s"\n[landscape]\nformat = "vector"\nunits = "{name}"\ncost = "REP_AREA"\nfeatures = ["REP_AREA"]\n'
    )
    assert main(["check", str(archives / "s.toml")]) == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("docs.zip", "there is no vector file in it"),
        ("cut.zip", "a damaged or locked archive"),
        ("shape.zip#t", "there is no layer 't'; it has s"),
    ],
)
def test_an_archive_that_cannot_be_read(
    name: str, told: str, archives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["areas", "clean", str(archives / name), str(archives / "out.gpkg")]) == 2
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error: ")]
    assert told in line and not (archives / "out.gpkg").exists()


def test_an_archive_larger_than_memory_is_told_by_its_header(
    archives: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The size that a zip declares is raised to 4 GB in each of ten members."""
    path = archives / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for k in range(16):
            packed.writestr(f"{k}.gpkg", bytes(1000))
    raw = path.read_bytes()
    path.write_bytes(raw.replace((1000).to_bytes(4, "little"), (4_000_000_000).to_bytes(4, "little")))
    assert main(["areas", "clean", str(path), str(archives / "out.gpkg")]) == 2
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error: ")]
    assert "takes 64 GB of memory" in line
