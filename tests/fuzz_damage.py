"""What may be wrong with a file, a scenario or an argument, chosen by a random generator."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import struct
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
import shapely
import tomli_w
from rasterio.transform import Affine

#: numbers as text that readers stumble over
NUMBERS = (
    "", "nan", "NaN", "inf", "-inf", "-1", "0", "-0.0", "1e308", "-1e308", "1e400", "5e-324", "1e-300", "9" * 60,
    "9" * 5000, str(2**53), str(2**63), "-9223372036854775809", "0x10", "1_000", "1,5", "1.5", "true", "None", "NA",
    "#REF!", "=1+1", "+", "-", "\u0661", "\u00b2", "1e", "--1", "1 2",
)  # fmt: skip
#: texts that other programs take for something else
TEXTS = (
    "", " ", ".", "..", "/", "/dev/zero", "nul\0", "a\nb", "\ttab", "=HYPERLINK(\"http://x\")", "@SUM(A1)",
    "+cmd|' /C'!A0", "'", "<img src=x onerror=alert(1)>", "[/red]", "[bold", "\x1b[31m", "\u202eabc", "名", "e\u0301",
    "\U0001f989", "x" * 5000, "*", "[a-", "a#b", "#1", "~nobody/x.tif", "C:\\x", "%s{0}", "none", "nan", "1",
    "realm:*", "realm:land", "owl", "cost.tif",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    True, False, 0, 1, -1, 2, 3, 1e308, -1e308, 5e-324, 1e-12, 0.5, 1.5, float("nan"), float("inf"), 2**31, 2**63 - 1,
    -(2**63), [], [[]], [1], ["owl"], ["a", "a"], {}, {"a": 1}, {"kind": "x"}, {"rule": {}}, [{}], "1", "0.5",
)  # fmt: skip
KEYS = (
    "solver.gap", "solver.seconds", "solver.kind", "seed", "name", "title", "targets.relative", "targets.rule",
    "targets.by_feature.owl", "targets.by_feature.owl.rule.x", "targets.by_group.species", "targets.denominator",
    "landscape.cost", "landscape.features", "landscape.realm", "landscape.regions", "landscape.align",
    "landscape.locked_in", "landscape.locked_out", "landscape.tenure.protected", "landscape.feature_table",
    "landscape.units", "landscape.id", "landscape.project", "landscape.touch_tolerance", "landscape.allow_negative",
    "landscape.layers.a", "landscape.format", "zones.protected.cost", "zones.protected.cost_factor",
    "zones.new.eligible", "zones.protected.contribution", "zones.protected.effectiveness", "objective.kind",
    "constraints", "penalties",
    "constraints.0.share", "constraints.0.of", "constraints.0.kind", "penalties.0.weight", "penalties.0.kind",
    "tables.worst", "tables.area_threshold", "tables.rounding", "output.folder", "output.mask.names",
    "output.mask.square_km", "redline.cuts", "redline.min_patch_km2", "redline.criteria", "redline.split",
    "redline.connectivity", "redline.revision.tolerance", "redline.criteria.0.take", "redline.extent", "extends",
)  # fmt: skip
TERMS: tuple[dict[str, Any], ...] = (
    {"kind": "area", "share": 0.3}, {"kind": "area", "max_share": 0.1}, {"kind": "budget", "amount": 1e-300},
    {"kind": "linear", "layer": "cost.tif", "min": 1e308}, {"kind": "contiguity"}, {"kind": "mandatory"},
    {"kind": "min_patch", "area_km2": 1e9}, {"kind": "min_patch", "area_km2": 2.0}, {"kind": "neighbours", "least": 9},
    {"kind": "corridor", "layer": "realm.tif", "pairs": []}, {"kind": "corridor", "of": "realm:*"},
    {"kind": "smoothed", "layer": "cost.tif", "median_km": 1.0, "radius_km": 1e300, "share": 0.1},
    {"kind": "flow", "capacity": "cost.tif", "stage": "realm.tif", "step_km": 5.0, "share": 0.5},
    {"kind": "boundary", "weight": 1e308}, {"kind": "boundary", "weight": 5e-324}, {"kind": "boundary", "weight": 0},
    {"kind": "linear", "layer": "cost.tif", "weight": -1e308}, {"kind": "border", "level": "province", "weight": 1.0},
    {"kind": "connectivity", "values": "distance", "weight": 1.0, "median_km": 1.0, "radius_km": 5.0},
    {"kind": "connectivity", "values": "matrix", "weight": 1.0, "matrix": "features.csv"},
)  # fmt: skip


def damage(folder: Path, arguments: list[str], dice: random.Random) -> tuple[list[str], str]:
    """Damage one or two things; the arguments as they are then, and what was done."""
    done = []
    for _ in range(1 if dice.random() < 0.75 else 2):
        kind = dice.random()
        if kind < 0.15:
            arguments, what = of_arguments(arguments, dice)
        elif kind < 0.40 and any(part.endswith(".toml") for part in arguments):
            arguments, what = of_scenario(folder, arguments, dice)
        else:
            what = of_files(folder, dice)
        done.append(what)
    return arguments, "; ".join(done)


def of_arguments(arguments: list[str], dice: random.Random) -> tuple[list[str], str]:
    """Leave out, repeat or replace an argument."""
    arguments = list(arguments)
    if len(arguments) == 1:
        return [*arguments, no_nul(dice.choice(TEXTS))], "one more argument"
    place = dice.randrange(1, len(arguments))
    kind = dice.choice(("drop", "repeat", "replace", "number", "option"))
    old = arguments[place]
    if kind == "drop":
        del arguments[place]
    elif kind == "repeat":
        arguments.insert(place, old)
    elif kind == "option":
        options = ("--jobs", "--seconds", "--out", "--width", "--limit", "--radius", "--block", "--cell", "--median-km")
        arguments += [dice.choice(options), no_nul(dice.choice(NUMBERS + TEXTS))]
    else:
        arguments[place] = no_nul(dice.choice(NUMBERS if kind == "number" else TEXTS))
    return arguments, f"argument {place} ({old}): {kind}"


def no_nul(text: str) -> str:
    """No operating system hands over an argument with a NUL; nor do we write outside of the folder."""
    text = text.replace("\0", "")
    return "x" if text in ("/", "..", "/dev/zero", "~nobody/x.tif") else text


def of_scenario(folder: Path, arguments: list[str], dice: random.Random) -> tuple[list[str], str]:
    """Change a key by --set, or a key, a value or a term in the file."""
    if dice.random() < 0.5:
        key, value = dice.choice(KEYS), dice.choice(VALUES + NUMBERS + TEXTS)
        if isinstance(value, str):
            text = no_nul(value) if dice.random() < 0.5 else toml_text(value)
        else:
            text = tomli_w.dumps({"v": value}).partition("=")[2].strip() if not isinstance(value, dict) else "{}"
        return [*arguments, "--set", f"{key}={text}"], f"--set {key}={text[:60]!r}"
    name = dice.choice([part for part in arguments if part.endswith(".toml")])
    path = folder / name
    try:
        data = tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return arguments, f"{name}: is damaged already"
    if dice.random() < 0.4:
        key = dice.choice(("constraints", "penalties"))
        term = dict(dice.choice(TERMS))
        data[key] = [*(data[key] if isinstance(data.get(key), list) else []), term]
        what = f"{key} += {term}"
    else:
        what = of_tree(data, dice)
    try:
        path.write_text(tomli_w.dumps(data))
    except (TypeError, ValueError):
        return arguments, f"{name}: no TOML"
    return arguments, f"{name}: {what}"


def toml_text(text: str) -> str:
    return tomli_w.dumps({"v": text}).partition("=")[2].strip()


def of_tree(data: Any, dice: random.Random) -> str:
    """Change, drop, add or rename one key somewhere in nested tables."""
    places: list[tuple[Any, Any, str]] = []

    def walk(part: Any, where: str) -> None:
        items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, value in items:
            places.append((part, key, f"{where}.{key}"))
            walk(value, f"{where}.{key}")

    walk(data, "")
    if not places:
        return "nothing to change"
    part, key, where = dice.choice(places)
    kind = dice.choice(("value", "value", "text", "number", "drop", "rename", "swap"))
    if kind == "drop":
        del part[key]
    elif kind == "rename" and isinstance(part, dict):
        part[dice.choice(TEXTS)] = part.pop(key)
    elif kind == "swap":
        other, there, _ = dice.choice(places)
        part[key], other[there] = other[there], part[key]
    else:
        part[key] = dice.choice(VALUES if kind == "value" else TEXTS if kind == "text" else NUMBERS)
    return f"{where}: {kind} {str(part.get(key) if isinstance(part, dict) else '')[:60]!r}"


def of_files(folder: Path, dice: random.Random) -> str:
    """Damage one file, by its kind or whatever it is."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = dice.choice(files)
    special: dict[str, tuple[Callable[[Path, random.Random], str], ...]] = {
        ".tif": (of_raster, of_raster, of_raster, huge_raster),
        ".gpkg": (of_polygons, of_polygons, of_columns),
        ".shp": (of_polygons, of_columns),
        ".geojson": (of_polygons, of_columns, of_json),
        ".parquet": (of_polygons, of_columns),
        ".json": (of_json, of_json, of_json),
        ".npz": (of_arrays,),
    }
    texts = (of_cells, of_cells, of_cells, of_lines, of_encoding)
    ways = special.get(path.suffix, texts)
    way = dice.choice((*ways, *ways, of_bytes, instead))
    try:
        what = way(path, dice)
    except Exception as error:  # a file that cannot be damaged in this way (any more)
        return f"{path.relative_to(folder)}: {way.__name__} was not possible ({type(error).__name__})"
    return f"{path.relative_to(folder)}: {what}"


def of_bytes(path: Path, dice: random.Random) -> str:
    """Cut, flip, insert or double bytes."""
    content = bytearray(path.read_bytes())
    kind = dice.choice(("cut", "flip", "insert", "empty", "double", "zeros"))
    at = dice.randrange(len(content) + 1)
    if kind == "cut":
        del content[at:]
    elif kind == "empty":
        content.clear()
    elif kind == "double":
        content *= 2
    elif kind == "zeros":
        content[at : at + 16] = bytes(len(content[at : at + 16]))
    elif kind == "insert":
        content[at:at] = dice.randbytes(dice.choice((1, 4, 64)))
    else:
        for _ in range(dice.choice((1, 1, 8, 64))):
            if content:
                content[dice.randrange(len(content))] = dice.randrange(256)
    path.write_bytes(content)
    return f"bytes: {kind} at {at}"


def instead(path: Path, dice: random.Random) -> str:
    """Put something else in its place."""
    kind = dice.choice(("nothing", "folder", "pipe", "zero", "loop", "dangling", "other", "gzip", "socket"))
    content = path.read_bytes()
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "dangling":
        path.symlink_to("nowhere")
    elif kind == "socket":
        os.mknod(path, 0o600 | 0o140000)
    elif kind == "gzip":
        path.write_bytes(gzip.compress(content, mtime=0))
    elif kind == "other":
        shutil.copy(dice.choice(sorted(item for item in path.parent.iterdir() if item.is_file())), path)
    return f"instead: {kind}"


def of_cells(path: Path, dice: random.Random) -> str:
    """Replace one field of a text table, or of a file of keys and values."""
    lines = path.read_text().split("\n")
    rows = [k for k, line in enumerate(lines) if line.strip()]
    row = dice.choice(rows)
    mark = next((mark for mark in (",", "\t", " = ", " ") if mark in lines[row]), ",")
    fields = lines[row].split(mark)
    place = dice.randrange(len(fields))
    old, new = fields[place], dice.choice(NUMBERS + TEXTS)
    fields[place] = new
    lines[row] = mark.join(fields)
    path.write_bytes("\n".join(lines).encode())
    return f"line {row + 1}, field {place + 1}: {old!r} -> {new[:40]!r}"


def of_lines(path: Path, dice: random.Random) -> str:
    """Drop, repeat or swap lines, or their fields."""
    lines = path.read_text().split("\n")
    kind = dice.choice(("drop", "repeat", "swap", "header", "field", "blank", "reverse"))
    at = dice.randrange(len(lines))
    if kind == "drop":
        del lines[at]
    elif kind == "repeat":
        lines.insert(at, lines[at])
    elif kind == "swap":
        other = dice.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "header":
        del lines[0]
    elif kind == "field":
        lines[at] += ",,7"
    elif kind == "blank":
        lines[at] = "   "
    else:
        lines[1:] = lines[:0:-1]
    path.write_text("\n".join(lines))
    return f"lines: {kind} {at + 1}"


def of_encoding(path: Path, dice: random.Random) -> str:
    """The same text in another encoding, with other line ends or other separators."""
    text = path.read_text()
    kind = dice.choice(("utf-16", "latin-1", "bom", "crlf", "cr", "semicolon", "nul", "quotes", "long"))
    content = {
        "utf-16": text.encode("utf-16"),
        "latin-1": (text + "é").encode("latin-1"),
        "bom": text.encode("utf-8-sig"),
        "crlf": text.replace("\n", "\r\n").encode(),
        "cr": text.replace("\n", "\r").encode(),
        "semicolon": text.replace(",", ";").encode(),
        "nul": text.replace(",", "\0", 1).encode(),
        "quotes": text.replace(",", ',"', 1).encode(),
        "long": (text + "x" * 300_000).encode(),
    }[kind]
    path.write_bytes(content)
    return f"encoding: {kind}"


def of_raster(path: Path, dice: random.Random) -> str:
    """Write a raster anew with other values, types, grid or reference system."""
    with rasterio.open(path) as file:
        if file.width * file.height > 10_000:
            return "raster: is huge already"
        values, profile = file.read(), dict(file.profile)
    for key in ("blockxsize", "blockysize", "tiled", "interleave", "compress", "layout", "predictor"):
        profile.pop(key, None)
    profile["driver"] = "GTiff"
    kind = dice.choice(
        ("value", "value", "value", "all", "nodata", "type", "shape", "crs", "transform", "bands", "scale", "gaps")
    )
    odd = dice.choice((np.nan, np.inf, -np.inf, 1e308, -1e308, -1.0, 0.0, 5e-324, 1e30, 2**53, 0.5, 255.0))
    note = ""
    if kind in ("value", "all", "gaps"):
        values = values.astype(np.float64)
        if kind == "all":
            values[:] = odd
        elif kind == "gaps":
            values[:, 0] = np.nan
        else:
            values.reshape(-1)[dice.randrange(values.size)] = odd
        profile |= {"dtype": "float64", "nodata": None}
        note = str(odd)
    elif kind == "nodata":
        profile["nodata"] = note = dice.choice((0, 1, None, 255))
    elif kind == "type":
        note = dice.choice(("complex64", "complex128", "uint8", "int16", "uint32", "float32", "float64", "int8"))
        values, profile = values.astype(note), profile | {"dtype": note, "nodata": None}
    elif kind == "shape":
        values = values[:, :1] if dice.random() < 0.5 else np.concatenate([values, values], axis=2)
        profile |= {"height": values.shape[1], "width": values.shape[2]}
    elif kind == "crs":
        profile["crs"] = note = dice.choice((None, "EPSG:4326", "EPSG:3857", "EPSG:2264", 'LOCAL_CS["x"]', "EPSG:4978"))
    elif kind == "transform":
        note = dice.choice(
            ((0, 0, 0, 0, 0, 0), (1, 1, 0, 1, 1, 0), (1e300, 0, 0, 0, -1e300, 0), (1, 0, 0, 0, 1, 0),
             (1, 0.5, 0, 0.5, -1, 0), (np.nan, 0, 0, 0, np.nan, 0), (-1000, 0, 500000, 0, -1000, 5e6),
             (1e-300, 0, 0, 0, -1e-300, 0))
        )  # fmt: skip
        profile["transform"] = Affine(*note)
    elif kind == "bands":
        values = np.concatenate([values, values])
        profile["count"] = len(values)
    path.unlink()
    with rasterio.open(path, "w", **profile) as file:
        file.write(values)
        if kind == "scale":
            file.scales = [odd] * file.count
            file.offsets = [odd] * file.count
    return f"raster: {kind} {note}"


def huge_raster(path: Path, dice: random.Random) -> str:
    """A header of terabytes, with hardly a byte behind it."""
    size = dice.choice((2_000_000, 300_000, 65_536))
    with rasterio.open(path) as file:
        profile = {"crs": file.crs, "transform": file.transform, "dtype": file.dtypes[0], "count": file.count}
    path.unlink()
    options = {"sparse_ok": "TRUE", "tiled": True, "blockxsize": 65536 // 4, "blockysize": 65536 // 4, "bigtiff": "YES"}
    with rasterio.open(path, "w", driver="GTiff", width=size, height=size, **profile, **options):
        pass
    return f"raster: {size} x {size} cells"


def read_frame(path: Path) -> geopandas.GeoDataFrame:
    return geopandas.read_parquet(path) if path.suffix == ".parquet" else geopandas.read_file(path)


def save_frame(path: Path, frame: geopandas.GeoDataFrame) -> None:
    path.unlink()
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)


def of_polygons(path: Path, dice: random.Random) -> str:
    """Other geometries, or another reference system."""
    frame = read_frame(path)
    kind = dice.choice(
        (
            "none",
            "empty",
            "point",
            "bow",
            "nan",
            "inf",
            "far",
            "twice",
            "z",
            "crs",
            "no crs",
            "rows",
            "line",
            "hole",
            "tiny",
        )
    )
    shapes = {
        "none": None,
        "empty": shapely.Polygon(),
        "point": shapely.Point(1, 2),
        "bow": shapely.Polygon([(0, 0), (1000, 1000), (1000, 0), (0, 1000)]),
        "nan": shapely.Polygon([(0, 0), (np.nan, 1), (1, 1)]),
        "inf": shapely.from_wkb(struct.pack("<BIIIdddddddd", 1, 3, 1, 4, 0, 0, np.inf, 1, 1, 1, 0, 0)),
        "far": shapely.box(1e300, 1e300, 2e300, 2e300),
        "z": shapely.Polygon([(0, 0, 1), (1000, 0, 2), (0, 1000, 3)]),
        "line": shapely.LineString([(0, 0), (1, 1)]),
        "hole": shapely.Polygon([(0, 0), (9, 0), (0, 9)], [[(20, 20), (21, 20), (20, 21)]]),
        "tiny": shapely.box(0, 0, 1e-160, 1e-160),
    }
    geometry = np.asarray(frame.geometry.array, dtype=object)
    at = dice.randrange(len(geometry))
    if kind in shapes:
        geometry[at] = shapes[kind]
        frame = frame.set_geometry(geopandas.GeoSeries(geometry, crs=frame.crs))
    elif kind == "twice":
        geometry[at] = geometry[0]
        frame = frame.set_geometry(geopandas.GeoSeries(geometry, crs=frame.crs))
    elif kind == "crs":
        code = dice.choice(("EPSG:4326", "EPSG:3857", "EPSG:4978", "EPSG:2264", "EPSG:3395"))
        frame = frame.set_crs(code, allow_override=True)
        kind += f" {code}"
    elif kind == "no crs":
        frame = frame.set_crs(None, allow_override=True)
    else:
        frame = frame.iloc[:0]
    save_frame(path, frame)
    return f"polygons: {kind}"


def of_columns(path: Path, dice: random.Random) -> str:
    """Other columns: gone, of another type, with one odd value."""
    frame = read_frame(path)
    names = [name for name in frame if name != "geometry"]
    name = dice.choice(names)
    kind = dice.choice(("drop", "text", "true", "none", "odd", "same", "rename"))
    if kind == "drop":
        frame = frame.drop(columns=[name])
    elif kind == "rename":
        frame = frame.rename(columns={name: dice.choice(("=x", "fid2", "Geometry2", "A,B"))})
    elif kind == "odd":
        values = frame[name].astype(object).tolist()
        values[dice.randrange(len(values))] = dice.choice((np.nan, np.inf, -1.0, 1e308, 0.0))
        frame[name] = [float(value) if isinstance(value, int | float) else np.nan for value in values]
    else:
        value = {"text": dice.choice([t for t in TEXTS if "\0" not in t]), "true": True, "none": None, "same": 1}[kind]
        frame[name] = [value] * len(frame)
    save_frame(path, frame)
    return f"columns: {kind} {name}"


def of_json(path: Path, dice: random.Random) -> str:
    """One key of a JSON file."""
    data = json.loads(path.read_text())
    what = of_tree(data, dice)
    path.write_text(json.dumps(data))
    return f"json: {what}"


def of_arrays(path: Path, dice: random.Random) -> str:
    """The arrays of an .npz file: one gone, of another type or shape, or another among them."""
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    name = dice.choice(sorted(arrays))
    kind = dice.choice(("drop", "type", "shape", "empty", "value", "more", "text"))
    if kind == "drop":
        del arrays[name]
    elif kind == "type":
        arrays[name] = arrays[name].astype(dice.choice(("complex64", "int8", "float16", "U3", "bool")))
    elif kind == "shape":
        arrays[name] = arrays[name][None]
    elif kind == "empty":
        arrays[name] = arrays[name][:0]
    elif kind == "value" and arrays[name].size:
        arrays[name].reshape(-1)[0] = dice.choice((0, 1, 100))
    elif kind == "more":
        arrays["more"] = np.zeros(3)
    else:
        arrays[name] = np.array("text")
    np.savez(path, **arrays)
    return f"npz: {kind} {name}"
