"""Runs forged by somebody who makes every digest again: none is certified. And nothing stale is reused."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.shutil
from shapely import box

import prioritize.maplayers
import prioritize.runfolder
from prioritize.certificate import multipliers_digest, read_certificate, write_certificate
from prioritize.cli import main
from prioritize.comparison import compare
from prioritize.engine.dual import Multipliers
from prioritize.errors import DataError
from prioritize.evaluate import terms
from prioritize.inputs import ABSENT, input_hashes, versions, with_sides
from prioritize.problem import compile_problem
from prioritize.progress import relative_gap
from prioritize.runfolder import KEPT, save_run
from prioritize.runner import Run, run
from prioritize.scenario import read_scenario
from prioritize.summary import file_digests, read_summary, summary_digest
from prioritize.verify import verify

SIDE = 10
SCENARIO = """
name = "s"
[landscape]
format = "raster"
cost = "cost.tif"
features = ["owl.tif", "fox.tif", "newt.tif"]
[targets]
relative = 0.4
[solver]
gap = 0.3
"""


def write_tif(path: Path, data: np.ndarray) -> None:
    transform = rasterio.Affine(1000.0, 0.0, 5e5, 0.0, -1000.0, 5e6)
    profile = {"driver": "GTiff", "height": data.shape[0], "width": data.shape[1], "count": 1, "dtype": "float64"}
    with rasterio.open(path, "w", **profile, crs="EPSG:32755", transform=transform, nodata=-9999.0) as file:
        file.write(data, 1)


def write_inputs(folder: Path) -> Path:
    """Four rasters and a scenario; owl and fox live in different places."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True, exist_ok=True)
    write_tif(folder / "cost.tif", rng.uniform(1, 9, (SIDE, SIDE)))
    for name in ("owl", "fox", "newt"):
        write_tif(folder / f"{name}.tif", rng.uniform(0, 1, (SIDE, SIDE)) * (rng.random((SIDE, SIDE)) < 0.4))
    (folder / "s.toml").write_text(SCENARIO)
    return folder / "s.toml"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """An honest run, in memory and in a folder."""
    folder = tmp_path_factory.mktemp("honest")
    made = run(write_inputs(folder / "data"))
    save_run(made, folder / "run")
    return folder, made


@pytest.fixture
def folder(done: tuple[Path, Run], tmp_path: Path) -> Path:
    """A copy of the run, to be forged."""
    shutil.copytree(done[0], tmp_path / "copy")
    return tmp_path / "copy" / "run"


def summary_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


def sealed(folder: Path, **changes: Any) -> None:
    """Change a summary, then make every digest again."""
    summary = {**summary_of(folder), **changes}
    digests = summary["digests"]
    digests["files"] = file_digests(folder)
    kept = read_certificate(folder)
    digests.pop("multipliers", None)
    if kept is not None:
        digests["multipliers"] = multipliers_digest(kept)
    digests["summary"] = summary_digest(summary)
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, (path, old)
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


# ---------------------------------------------------------------------------- honest runs


def test_an_honest_run_is_certified(done: tuple[Path, Run]) -> None:
    found = verify(done[0] / "run")
    assert found.status == "certified" and found.faults == () and found.sentence.startswith("certified: meets 3 of 3")
    assert done[1].summary["bound_by"] == "certificate" and done[1].summary["proof"].startswith("proven to be within ")


def test_every_file_is_made_again_or_told_why_not(done: tuple[Path, Run], tmp_path: Path) -> None:
    """With a mask, too: what may be shown to others is made again as the rest."""
    scenario = done[0] / "data" / "s.toml"
    masked = run(scenario, {"output.mask": {"names": ["owl"], "square_km": 3.0}})
    for made, folder in ((done[1], done[0] / "run"), (masked, save_run(masked, tmp_path / "masked"))):
        again = tmp_path / f"again{folder.name}"
        again.mkdir()
        prioritize.runfolder.write_again(
            again, made.scenario, made.landscape, made.selection, made.evaluation, made.tables
        )  # fmt: skip
        written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert written == {*file_digests(again), *KEPT} and all(KEPT.values())
    assert "shared/squares.csv" in written and verify(tmp_path / "masked").faults == ()
    edited(tmp_path / "masked" / "shared" / "squares.csv", ".", ".1")
    sealed(tmp_path / "masked")
    assert "squares.csv: not what follows" in "".join(verify(tmp_path / "masked").faults)


# ---------------------------------------------------------------------------- forgeries: files


def changed_number(path: Path) -> None:
    """The last number of a CSV file, or else its last word."""
    head, *rows = path.read_text().splitlines()
    cells = (rows or [head])[-1].split(",")
    place = next((k for k in reversed(range(len(cells))) if cells[k].replace(".", "", 1).isdigit()), len(cells) - 1)
    cells[place] = str(float(cells[place]) * 1.01 + 1) if cells[place].replace(".", "", 1).isdigit() else "better"
    path.write_text("\n".join([head, *rows[:-1], ",".join(cells)] if rows else [",".join(cells)]) + "\n")


def dropped_row(path: Path) -> None:
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


def test_every_table(done: tuple[Path, Run], folder: Path) -> None:
    """Changed, a row dropped, removed: each of them, and the list of them."""
    names = sorted(path.name for path in (folder / "tables").glob("*.csv"))
    assert len(names) >= 8
    count = 0
    for name in names:
        path = folder / "tables" / name
        whole = path.read_bytes()
        for change in (changed_number, dropped_row, Path.unlink):
            change(path)
            sealed(folder)
            found = verify(folder)
            assert found.status == "wrong" and any(f"{path}: " in fault for fault in found.faults), (name, change)
            path.write_bytes(whole)
            count += 1
    sealed(folder)
    assert verify(folder).status == "certified" and count >= 24


def new_parquet(folder: Path) -> None:
    table = pd.read_parquet(folder / "evaluation.parquet")
    table.loc[table["metric"] == "cost", "value"] *= 1 - 1e-6
    table.to_parquet(folder / "evaluation.parquet", index=False)


def new_maps(folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    with np.load(folder / "maps.npz") as file:
        arrays = dict(file)
    change(arrays)
    np.savez_compressed(folder / "maps.npz", **arrays)  # type: ignore[arg-type]


def flip(arrays: dict[str, np.ndarray]) -> None:
    arrays["layer_0"] = arrays["layer_0"].copy()
    arrays["layer_0"][3] ^= 1


def rename(arrays: dict[str, np.ndarray]) -> None:
    text = arrays["about"].tobytes().replace(b"protected", b"paradises")
    arrays["about"] = np.frombuffer(text, np.uint8)


def zeroed(folder: Path) -> None:
    kept = read_certificate(folder)
    assert kept is not None
    write_certificate(folder, Multipliers(kept.rows * 0, kept.flows))


def without(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink()


def no_tables(folder: Path) -> None:
    shutil.rmtree(folder / "tables")


def other_selection(folder: Path) -> None:
    with rasterio.open(folder / "selection.tif") as file:
        profile, data, tags, colours = {**file.profile, "driver": "GTiff"}, file.read(1), file.tags(1), file.colormap(1)
    data[data == 0] = 1
    with rasterio.open(folder / "selection.tif", "w", **profile) as file:
        file.write(data, 1)
        file.write_colormap(1, colours)
        file.update_tags(1, **tags)


def other_colours(folder: Path) -> None:
    with rasterio.open(folder / "selection.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.write_colormap(1, {0: (255, 0, 0, 255), 1: (0, 0, 255, 255)})


def extra_table(folder: Path) -> None:
    (folder / "tables" / "best.csv").write_text("best\n1\n")
    index = json.loads((folder / "tables" / "index.json").read_text())
    item = {"name": "best", "title": "Best", "note": "", "order": 1, "columns": {"best": "x"}, "texts": []}
    (folder / "tables" / "index.json").write_text(json.dumps([*index, item]))


FILES: dict[str, Callable[[Path], None]] = {
    "evaluation.csv: a number": lambda run: changed_number(run / "evaluation.csv"),
    "evaluation.csv: a row dropped": lambda run: dropped_row(run / "evaluation.csv"),
    "evaluation.csv: gone": lambda run: without(run, "evaluation.csv"),
    "evaluation.parquet: a number": new_parquet,
    "evaluation.parquet: gone": lambda run: without(run, "evaluation.parquet"),
    "index.json: a title": lambda run: edited(run / "tables" / "index.json", '"title": "', '"title": "Best '),
    "index.json: a number": lambda run: edited(run / "tables" / "index.json", '"order": ', '"order": 1'),
    "index.json: gone": lambda run: without(run, "tables/index.json"),
    "tables: gone": no_tables,
    "tables: one more": extra_table,
    "maps.npz: a unit": lambda run: new_maps(run, flip),
    "maps.npz: a name": lambda run: new_maps(run, rename),
    "maps.npz: a layer gone": lambda run: new_maps(run, lambda arrays: arrays.__delitem__("layer_1")),
    "maps.npz: a layer more": lambda run: new_maps(run, lambda a: a.update(layer_99=a["layer_0"])),
    "maps.npz: gone": lambda run: without(run, "maps.npz"),
    "selection.qml: a colour": lambda run: edited(run / "selection.qml", 'color="#', 'color="#f'),
    "selection.qml: gone": lambda run: without(run, "selection.qml"),
    "selection.tif: all units": other_selection,
    "selection.tif: colours": other_colours,
    "certificate.npz: zeroed": zeroed,
    "certificate.npz: gone": lambda run: without(run, "certificate.npz"),
    "scenario.toml: a target": lambda run: edited(run / "scenario.toml", "relative = 0.4", "relative = 0.01"),
    "scenario.toml: the gap": lambda run: edited(run / "scenario.toml", "gap = 0.3", "gap = 0.0"),
    "scenario.toml: a title": lambda run: edited(run / "scenario.toml", 'title = ""', 'title = "best"'),
    "log.txt: gone": lambda run: without(run, "log.txt"),
    "progress.csv: gone": lambda run: without(run, "progress.csv"),
}


@pytest.mark.parametrize("forge", FILES.values(), ids=FILES.keys())
def test_a_forged_file(forge: Callable[[Path], None], folder: Path) -> None:
    forge(folder)
    sealed(folder)
    found = verify(folder)
    assert found.status == "wrong" and found.faults and "certified" not in found.sentence, found


# ---------------------------------------------------------------------------- forgeries: the summary

NUMBERS = (
    "cost", "cost_new", "boundary", "targets_met", "targets", "units_selected", "units", "area_km2", "objective",
    "bound", "certified_bound", "certified_gap", "gap", "seed",
)  # fmt: skip
OTHERS: dict[str, Any] = {
    "cautions": ["all is well"],
    "solver": "gurobi 12.0",
    "status": "optimal",
    "proof": "proven to be the best possible",
    "bound_by": "tree search",
    "title": "best",
    "cost_unit": "EUR",
    "boundary_unit": "km",
    "objective_kind": "max_cover",
    "target_denominator": "layer",
    "terms": {"min_cost": 1.0},
    "area_share": {"all": 0.9},
    "zone_area_km2": {"protected": 1.0},
    "seconds": {"solve": "quick"},
    "versions": {"prioritize": "9"},
    "inputs": {"key": "0" * 64},
    "prize": "first",
}


@pytest.mark.parametrize("key", NUMBERS)
def test_a_forged_number(key: str, folder: Path) -> None:
    sealed(folder, **{key: summary_of(folder)[key] * 1.001 + 0.001})
    assert verify(folder).status == "wrong"


@pytest.mark.parametrize("key", OTHERS)
def test_a_forged_value(key: str, folder: Path) -> None:
    assert summary_of(folder).get(key) != OTHERS[key]
    sealed(folder, **{key: OTHERS[key]})
    assert verify(folder).status == "wrong"


@pytest.mark.parametrize("key", ["cautions", "solver", "certified_gap", "versions", "seconds", "proof", "name"])
def test_a_value_taken_out(key: str, folder: Path) -> None:
    summary = summary_of(folder)
    del summary[key]
    (folder / "summary.json").write_text(json.dumps(summary))
    sealed(folder)
    assert verify(folder).status == "wrong"


@pytest.mark.parametrize("name", ["key", "owl.tif"])
def test_forged_inputs(name: str, folder: Path) -> None:
    sealed(folder, inputs={**summary_of(folder)["inputs"], name: "0" * 64})
    assert verify(folder).status == "wrong"


@pytest.mark.parametrize("name", sorted(versions()))
def test_a_forged_version(name: str, folder: Path) -> None:
    """The key names what made the run; code that is not this code is told of where anything is wrong."""
    sealed(folder, versions={**summary_of(folder)["versions"], name: "0.0"})
    found = verify(folder)
    assert found.status == "wrong" and any("inputs.key" in fault for fault in found.faults)


def test_a_hand_without_digests(folder: Path) -> None:
    """A value changed in an editor: the summary has a digest of its own."""
    edited(folder / "summary.json", '"seconds": {\n    "read": ', '"seconds": {\n    "read": 1')
    found = verify(folder)
    assert found.status == "wrong" and "summary.json: not what the run wrote" in found.faults[0]


# ---------------------------------------------------------------------------- forgeries that are consistent


def resolved(made: Run, **changes: Any) -> Run:
    """A run with another solution, everything else made by the program itself: no forger can do better."""
    solution = replace(made.solution, **changes)
    objective = sum(value for _, value in terms(made.problem, solution.selection))
    solution = replace(solution, objective=objective)
    solution = replace(solution, gap=relative_gap(objective, solution.bound))
    return Run(
        made.scenario, made.problem, solution, made.inputs, made.reporter
    )  # fmt: skip


def dear(made: Run) -> Run:
    everything = np.ones_like(made.selection)
    return resolved(made, selection=everything, bound=float(made.landscape.cost.sum()), status="optimal")


def zero_prices(made: Run, **changes: Any) -> Run:
    assert made.solution.multipliers is not None
    zero = Multipliers(made.solution.multipliers.rows * 0, made.solution.multipliers.flows)
    return resolved(made, multipliers=zero, certified=0.0, **changes)


CLAIMS: dict[str, Callable[[Run], Run]] = {
    "a selection several times as dear, claimed to be optimal": dear,
    "the bound raised to the objective": lambda m: resolved(m, bound=m.solution.objective, status="optimal"),
    "the bound raised a little": lambda m: resolved(m, bound=0.5 * (m.solution.objective + m.solution.bound)),
    "the certificate zeroed": zero_prices,
    "the certificate zeroed, claimed to be optimal": lambda m: zero_prices(
        m, bound=m.solution.objective, status="optimal"
    ),
}


@pytest.mark.parametrize("forge", CLAIMS.values(), ids=CLAIMS.keys())
def test_a_consistent_claim_is_a_claim(
    forge: Callable[[Run], Run], done: tuple[Path, Run], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the certificate proves is said first; neither `verified` nor `proven` stands anywhere for the rest."""
    forged = forge(done[1])
    shutil.rmtree(folder)
    save_run(forged, folder)
    code = main(["verify", str(folder)])
    told = capsys.readouterr().out
    assert code == 3 and "verified" not in told and told.index("certified") < told.index("tree search claims")
    summary = summary_of(folder)
    assert summary["bound_by"] == "tree search" and "proven" not in summary["proof"] and ";" in summary["proof"]
    for change in ({"bound_by": "certificate"}, {"proof": "proven to be the best possible"}, {"certified_gap": 0.0}):
        shutil.copytree(folder, folder.parent / "again", dirs_exist_ok=True)
        sealed(folder.parent / "again", **change)
        assert verify(folder.parent / "again").status == "wrong"


def test_certified_and_claimed_by_the_same_bound(done: tuple[Path, Run], tmp_path: Path) -> None:
    """1e-6 of the objective is the tolerance; more is a claim."""
    made, own = done[1], done[1].solution
    for beyond, status in ((0.9e-6, "certified"), (1.2e-6, "claimed")):
        save_run(resolved(made, bound=own.certified + beyond * own.objective), tmp_path / status)
        assert verify(tmp_path / status).status == status


def test_a_forged_geopackage(tmp_path: Path) -> None:
    """Polygons have their selection in two files: one against the other."""
    shapes = [box(k, 0, k + 1, 1) for k in range(6)]
    frame = geopandas.GeoDataFrame({"price": [1, 2, 3, 4, 5, 6], "owl": [1, 0, 2, 0, 1, 3]}, geometry=shapes, crs=32755)
    frame.to_file(tmp_path / "units.gpkg")
    (tmp_path / "s.toml").write_text(
        'name = "s"\n[landscape]\nformat = "vector"\nunits = "units.gpkg"\ncost = "price"\nfeatures = ["owl"]\n'
    )
    folder = tmp_path / "run"
    save_run(run(tmp_path / "s.toml"), folder)
    assert verify(folder).faults == ()
    whole = (folder / "selection.gpkg").read_bytes()
    for statement in ("UPDATE selection SET zone_number = 1 - zone_number", "DELETE FROM selection WHERE fid = 1"):
        with closing(sqlite3.connect(folder / "selection.gpkg")) as opened, opened:
            # they call functions that only GDAL has
            for (trigger,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                opened.execute(f'DROP TRIGGER "{trigger}"')
            opened.execute(statement)
        sealed(folder)
        assert "selection.gpkg: not what follows" in "".join(verify(folder).faults)
        (folder / "selection.gpkg").write_bytes(whole)
    table = pd.read_parquet(folder / "selection.parquet")
    assert len(table) == 6
    geopandas.read_parquet(folder / "selection.parquet").iloc[::-1].to_parquet(folder / "selection.parquet")
    sealed(folder)
    assert verify(folder).status == "wrong"


# ---------------------------------------------------------------------------- bombs


def bomb(path: Path, member: str, whole: int = 400_000_000) -> None:
    """The arrays of a file, one of them very large zeros of the right type."""
    with np.load(path) as file:
        arrays = dict(file)
    large = arrays.pop(member)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
        packed.open(f"{member}.npy", "w", force_zip64=True) as file,
    ):
        head = {"descr": large.dtype.str, "fortran_order": False, "shape": (whole // large.dtype.itemsize,)}
        np.lib.format.write_array_header_1_0(file, head)
        block = bytes(10_000_000)
        for _ in range(whole // len(block)):
            file.write(block)


@pytest.mark.parametrize(
    ("name", "member"),
    [("certificate.npz", "rows"), ("maps.npz", "layer_0"), ("maps.npz", "about"), ("maps.npz", "points")],
)
def test_a_zip_bomb_is_not_unpacked(name: str, member: str, folder: Path, done: tuple[Path, Run]) -> None:
    bomb(folder / name, member)
    summary = summary_of(folder)
    summary["digests"]["files"] = file_digests(folder)
    summary["digests"]["summary"] = summary_digest(summary)
    (folder / "summary.json").write_text(json.dumps(summary))
    verify(folder)  # once, for what is loaded once
    tracemalloc.start()
    found = verify(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.status == "wrong" and any(name in fault for fault in found.faults), found
    assert peak < 100e6, peak
    began = time.perf_counter()
    if name == "certificate.npz":
        with pytest.raises(DataError, match=r"certificate\.npz: rows is "):
            read_certificate(folder, compile_problem(done[1].problem))
    else:
        with pytest.raises(DataError, match=r"maps\.npz"):
            prioritize.maplayers.read_map_layers(folder, 100)
    assert time.perf_counter() - began < 1


def test_a_pickle_is_never_loaded(folder: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    np.savez_compressed(folder / "certificate.npz", rows=np.array([Evil()], dtype=object))
    assert verify(folder).status == "wrong" and not (tmp_path / "ran").exists()


# ---------------------------------------------------------------------------- nothing stale


def test_swapped_contents_are_solved_again(tmp_path: Path) -> None:
    """Two files that swap their contents: the same digests, under other names."""
    scenario = write_inputs(tmp_path / "data")
    edited(
        scenario,
        "relative = 0.4",
        'rule = "relative"\nrelative = 0.4\n[targets.by_feature.owl]\nrule = "relative"\nrelative = 0.9',
    )
    first = compare([scenario], tmp_path / "out")
    assert compare([scenario], tmp_path / "out").reused == (True,)
    owl, fox = tmp_path / "data" / "owl.tif", tmp_path / "data" / "fox.tif"
    owl.rename(tmp_path / "aside"), fox.rename(owl), (tmp_path / "aside").rename(fox)
    assert verify(tmp_path / "out" / "s").status == "wrong"
    second = compare([scenario], tmp_path / "out")
    assert second.reused == (False,) and second.why == ("the scenario, an input or the program has changed since",)
    assert not np.array_equal(first.selections[0], second.selections[0])


@pytest.mark.parametrize("name", ["owl.tif", "owl.tif.aux.xml", "owl.tif.msk", "owl.tif.ovr", "owl.tfw", "inner.vrt"])
def test_what_a_vrt_is_made_of_and_what_lies_beside_it(name: str, tmp_path: Path) -> None:
    """Changed or new, it is another input; through a VRT of a VRT."""
    folder = tmp_path / "data"
    write_inputs(folder)
    vrt = '<VRTDataset rasterXSize="10" rasterYSize="10"><SRS>EPSG:32755</SRS><GeoTransform>500000, 1000, 0, 5000000, 0, -1000</GeoTransform><VRTRasterBand dataType="Float64" band="1"><NoDataValue>-9999</NoDataValue><SimpleSource><SourceFilename relativeToVRT="1">{}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'  # noqa: E501
    (folder / "outer.vrt").write_text(vrt.format("inner.vrt"))
    (folder / "inner.vrt").write_text(vrt.format("owl.tif"))
    (folder / "s.toml").write_text(SCENARIO.replace("owl.tif", "outer.vrt"))
    scenario = read_scenario(folder / "s.toml")
    before = input_hashes(scenario)
    assert {"outer.vrt", "inner.vrt", "owl.tif"} <= set(before)
    path = folder / name
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b"\n")
    after = input_hashes(scenario)
    assert after["key"] != before["key"] and after[name] != before.get(name)


def test_a_source_of_a_vrt_that_changes_is_solved_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_inputs(folder)
    with rasterio.open(folder / "owl.tif") as file:
        rasterio.shutil.copy(file, folder / "owl.vrt", driver="VRT")
    (folder / "s.toml").write_text(SCENARIO.replace("owl.tif", "owl.vrt"))
    compare([folder / "s.toml"], tmp_path / "out")
    write_tif(folder / "owl.tif", np.eye(SIDE))
    second = compare([folder / "s.toml"], tmp_path / "out")
    assert second.reused == (False,) and verify(tmp_path / "out" / "s").faults == ()


def test_files_of_a_shapefile(tmp_path: Path) -> None:
    for ending in (".shp", ".dbf", ".shx", ".prj", ".cpg", ".txt"):
        (tmp_path / f"u{ending}").write_text("x")
    names = [path.name for path in with_sides([tmp_path / "u.shp", tmp_path / "none.tif"])]
    assert names == ["none.tif", "u.cpg", "u.dbf", "u.prj", "u.shp", "u.shx"]


def test_a_run_that_was_edited_is_not_reused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cost of 1 in the summary, a table, a map: solved again, with a line that says why."""
    scenario, out = write_inputs(tmp_path / "data"), tmp_path / "out"
    cost = compare([scenario], out).summaries[0]["cost"]
    tampered: dict[str, Callable[[Path], None]] = {
        "summary.json": lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "cost": 1.0})),
        "tables/coverage.csv": changed_number,
        "maps.npz": Path.unlink,
    }
    for name, change in tampered.items():
        change(out / "s" / name)
        capsys.readouterr()
        assert main(["compare", str(scenario), "--out", str(out)]) == 0
        told = capsys.readouterr().out
        assert "s: solved again: " in told and name in told.replace("\n", ""), told
        assert (read_summary(out / "s") or {})["cost"] == pytest.approx(cost)
        assert verify(out / "s").status == "certified"
    assert compare([scenario], out).reused == (True,)


def test_another_program_solves_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, out = write_inputs(tmp_path / "data"), tmp_path / "out"
    compare([scenario], out)
    monkeypatch.setattr("prioritize.inputs.code_digest", lambda: "mended")
    assert compare([scenario], out).reused == (False,)


@pytest.mark.parametrize("through", ["run", "compare"])
def test_an_input_that_changes_while_it_is_read(
    through: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = write_inputs(tmp_path / "data")
    real = prioritize.runner.load_landscape

    def slow(*arguments: Any) -> Any:
        found = real(*arguments)
        write_tif(tmp_path / "data" / "owl.tif", np.eye(SIDE))
        return found

    monkeypatch.setattr("prioritize.runner.load_landscape", slow)
    monkeypatch.setattr("prioritize.comparison.load_landscape", slow)
    assert main([through, str(scenario), "--out", str(tmp_path / "out")]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(told) == 1 and "owl.tif: changed while it was read" in told[0]
    assert not (tmp_path / "out" / "summary.json").exists() and not (tmp_path / "out" / "s").exists()


def test_inputs_of_the_same_name(tmp_path: Path) -> None:
    """In two folders, contents swapped; and the key does not depend on where all of it lies."""
    for place in ("here", "there"):
        for name, value in (("a", "1"), ("b", "2")):
            (tmp_path / place / name).mkdir(parents=True)
            (tmp_path / place / name / "x.tif").write_text(value)
        (tmp_path / place / "s.toml").write_text(
            'name = "s"\n[landscape]\nformat = "raster"\ncost = "a/x.tif"\nfeatures = ["b/x.tif", "none.tif"]\n'
        )
    here, there = (input_hashes(read_scenario(tmp_path / place / "s.toml")) for place in ("here", "there"))
    assert here == there and set(here) == {"key", "a/x.tif", "b/x.tif", "none.tif"} and here["none.tif"] == ABSENT
    (tmp_path / "there" / "a" / "x.tif").write_text("2"), (tmp_path / "there" / "b" / "x.tif").write_text("1")
    assert input_hashes(read_scenario(tmp_path / "there" / "s.toml"))["key"] != here["key"]
