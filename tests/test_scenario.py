"""Scenario files: what they extend, what their file names are relative to, and what they leave out."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from prioritize.cli import parser
from prioritize.commands._options import changes_of
from prioritize.errors import ScenarioError
from prioritize.formats._rasterio import RASTER_SUFFIXES
from prioritize.formats.vector import PARQUET
from prioritize.inputs import input_hashes
from prioritize.registry import family
from prioritize.scenario import FILE, FOLDERS, Scenario, json_schema, merge, parse, put, read_scenario

SCENARIOS = Path(__file__).parents[1] / "scenarios"
SMALL: dict[str, Any] = {"name": "small", "landscape": {"format": "synthetic", "rows": 50, "columns": 50}}
HEAD = 'name = "small"\n[landscape]\nformat = "synthetic"\n'


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# --- extends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": 3, "c": 4}, {"a": 1, "b": 3, "c": 4}),
        ({"t": {"a": 1, "b": {"c": 2}}}, {"t": {"b": {"d": 3}}}, {"t": {"a": 1, "b": {"c": 2, "d": 3}}}),
        # another solver keeps the keys, they are the same for all; another kind of anything else starts anew
        ({"solver": {"kind": "scip", "gap": 1}}, {"solver": {"kind": "x"}}, {"solver": {"kind": "x", "gap": 1}}),
        ({"targets": {"rule": "relative", "absolute": 1}}, {"targets": {"rule": "x"}}, {"targets": {"rule": "x"}}),
        ({"landscape": {"format": "raster", "u": 1}}, {"landscape": {"format": "x"}}, {"landscape": {"format": "x"}}),
        # the same kind, said or unsaid: the old keys stay
        ({"solver": {"kind": "scip", "gap": 1}}, {"solver": {"kind": "scip"}}, {"solver": {"kind": "scip", "gap": 1}}),
        ({"solver": {"gap": 1}}, {"solver": {"kind": "auto"}}, {"solver": {"kind": "auto", "gap": 1}}),
        ({"solver": {"gap": 1}}, {"solver": {"kind": "scip"}}, {"solver": {"kind": "scip", "gap": 1}}),
        ({"targets": {"prop": 1}}, {"targets": {"rule": "relative"}}, {"targets": {"prop": 1, "rule": "relative"}}),
        ({"targets": {"absolute": 1}}, {"targets": {"rule": "relative"}}, {"targets": {"rule": "relative"}}),
        # the kind of a zone is a word for accounting, not a tag
        (
            {"zones": {"x": {"kind": "oecm", "cost_factor": 0.5}}},
            {"zones": {"x": {"kind": "redline"}}},
            {"zones": {"x": {"kind": "redline", "cost_factor": 0.5}}},
        ),
        # lists of tables by name, in their old places; new ones and nameless ones at the end
        (
            {"c": [{"name": "x", "v": 1, "w": 1}, {"v": 2}, {"name": "y", "v": 3}]},
            {"c": [{"name": "z", "v": 4}, {"name": "x", "v": 5}, {"v": 6}]},
            {"c": [{"name": "x", "v": 5}, {"v": 2}, {"name": "y", "v": 3}, {"name": "z", "v": 4}, {"v": 6}]},
        ),
        # other lists are replaced, and so is what has another shape
        ({"f": ["a", "b"]}, {"f": ["c"]}, {"f": ["c"]}),
        ({"t": {"a": 1}}, {"t": 2}, {"t": 2}),
    ],
)  # fmt: skip
def test_merge(base: dict, over: dict, expected: dict) -> None:
    before = copy.deepcopy((base, over))
    assert merge(base, over) == expected
    assert (base, over) == before


def test_three_generations(tmp_path: Path) -> None:
    write(tmp_path / "a.toml", 'name = "a"\nseed = 1\ntitle = "A"\n[landscape]\nformat = "synthetic"\nspecies = 7')
    write(tmp_path / "b.toml", 'name = "b"\nextends = "a.toml"\nseed = 2\n[solver]\ngap = 0.25')
    scenario = read_scenario(write(tmp_path / "c.toml", 'name = "c"\nextends = "b.toml"\n[solver]\nseconds = 5'))
    assert (scenario.name, scenario.seed, scenario.title, scenario.landscape.species) == ("c", 2, "A", 7)
    assert (scenario.solver.kind, scenario.solver.gap, scenario.solver.seconds) == ("auto", 0.25, 5)


def test_the_demo_is_small_differences_of_one_base() -> None:
    only, oecm = read_scenario(SCENARIOS / "pa_only.toml"), read_scenario(SCENARIOS / "pa_oecm.toml")
    assert list(only.zones) == ["protected"]
    assert list(oecm.zones) == ["protected", "oecm_primary", "oecm_secondary", "oecm_ancillary"]
    for key in ("seed", "landscape", "targets", "objective", "penalties", "solver"):
        assert getattr(only, key) == getattr(oecm, key), key
    *shared, cap = oecm.constraints
    assert tuple(shared) == only.constraints and cap.max_share == 0.12
    assert only.constraints[0].share == 0.3


# --- files -------------------------------------------------------------------------------------------------------


def test_files_are_relative_to_the_file_in_which_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path / "country/base.toml",
        'name = "base"\n[landscape]\nformat = "raster"\ncost = "cost.tif#2"\nfeatures = ["maps/*.tif", "../x.asc"]\n'
        'layers = { old = "old.tif" }\nlocked_in = "old"\nfeature_table = "table"\ncost_unit = "a.csv"\n',
    )
    path = write(
        tmp_path / "mine/own/small.toml",
        'name = "small"\ntitle = "from x.csv"\nextends = "../../country/base.toml"\n'
        '[landscape]\nrealm = "realm.tif"\n[output]\nfolder = "here"\n[zones.a]\ncost = "/data/far.tif"\n',
    )
    for folder in (tmp_path, tmp_path / "mine/own"):  # wherever one stands
        monkeypatch.chdir(folder)
        scenario = read_scenario(path.relative_to(folder))
        land = scenario.landscape
        assert land.cost == str(tmp_path / "country/cost.tif#2")
        assert [str(Path(name).resolve()) for name in land.features] == [
            str(tmp_path / "country/maps/*.tif"),
            str(tmp_path / "x.asc"),
        ]
        assert land.layers == {"old": str(tmp_path / "country/old.tif")}
        assert land.locked_in == "old"
        assert land.feature_table == tmp_path / "country/table"
        assert land.realm == str(tmp_path / "mine/own/realm.tif")
        assert scenario.output.folder == tmp_path / "mine/own/here"
        assert scenario.zones["a"].cost == "/data/far.tif"
        assert (scenario.title, land.cost_unit) == ("from x.csv", "a.csv")  # words, not files


def test_every_suffix_that_a_format_reads_is_known_to_be_a_file() -> None:
    for suffix in (*RASTER_SUFFIXES, *PARQUET, ".gpkg", ".shp", ".geojson", ".gdb", ".csv", ".dat"):
        assert FILE.search(f"some{suffix}"), suffix
        assert FILE.search(f"some{suffix.upper()}#3"), suffix
    for name in ("existing_pa", "status:2", "owl*", "2.5", "dat", "cost.tif#two"):
        assert not FILE.search(name), name


# --- what may be left out ----------------------------------------------------------------------------------------


def test_defaults() -> None:
    scenario = parse(SMALL)
    assert scenario.targets.rule == "relative" and scenario.targets.relative == 0.3
    assert scenario.targets.denominator == "units"
    assert scenario.objective.kind == "min_cost"
    assert scenario.solver.kind == "auto" and scenario.solver.gap == 1e-3 and scenario.solver.seconds is None
    assert scenario.zones == {} and scenario.constraints == () and scenario.penalties == ()


@pytest.mark.parametrize(
    ("tables", "path", "expected"),
    [
        ({"targets": {"relative": 0.2}}, ("targets", "rule"), "relative"),
        ({"targets": {"absolute": 3}}, ("targets", "rule"), "absolute"),
        ({"targets": {"by_feature": {}}}, ("targets", "rule"), "relative"),
        ({"targets": {"rule": "table"}}, ("targets", "relative"), "prop"),
        ({"solver": {"gap": 0.5}}, ("solver", "kind"), "auto"),
        ({"solver": {"kind": "scip"}}, ("solver", "kind"), "scip"),
        ({"objective": {}}, ("objective", "kind"), "min_cost"),
    ],
)
def test_kinds_that_go_without_saying(tables: dict, path: tuple[str, str], expected: str) -> None:
    data = {**SMALL, **tables}
    before = copy.deepcopy(data)
    assert getattr(getattr(parse(data), path[0]), path[1]) == expected
    assert data == before


# --- --set -------------------------------------------------------------------------------------------------------


def changes(*arguments: str) -> dict[str, Any]:
    return changes_of(parser().parse_args(["run", "small.toml", *arguments]))


def test_set_is_read_as_toml_else_as_text() -> None:
    given = [
        "solver.gap=0.01",
        "seed=3",
        "title=Ten = 10",
        'name="a"',
        "landscape.features=['a', 'b']",
        "landscape.allow_negative=true",
        "targets.by_feature={ owl = 0.5 }",
    ]
    assert changes(*(part for item in given for part in ("--set", item)), "--seconds", "5") == {
        "solver.gap": 0.01,
        "seed": 3,
        "title": "Ten = 10",
        "name": "a",
        "landscape.features": ["a", "b"],
        "landscape.allow_negative": True,
        "targets.by_feature": {"owl": 0.5},
        "solver.seconds": 5.0,
    }


def test_set_changes_what_was_read(tmp_path: Path) -> None:
    path = write(tmp_path / "s.toml", HEAD + '[[constraints]]\nkind = "area"\nshare = 0.1\n')
    scenario = read_scenario(path, {"constraints.0.share": 0.2, "zones.oecm.cost_factor": 0.5, "solver.kind": "scip"})
    assert scenario.constraints[0].share == 0.2
    assert scenario.zones["oecm"].cost_factor == 0.5
    assert scenario.solver.kind == "scip"


@pytest.mark.parametrize("dotted", ["name.x", "c.1.share", "c.x.share", "c.0", "name.x.y"])
def test_put_refuses_what_is_no_table(dotted: str) -> None:
    data = {"name": "a", "c": [{"share": 1}]}
    with pytest.raises(ScenarioError, match=f"--set {dotted}: "):
        put(data, dotted, 3)
    assert data == {"name": "a", "c": [{"share": 1}]}


# --- the resolved scenario ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_resolved_scenario_is_the_same_scenario(path: Path, tmp_path: Path) -> None:
    if path.stem == "base":
        assert tomllib.loads(path.read_text())["name"] == "base"
    scenario = read_scenario(path)
    again = read_scenario(write(tmp_path / "a/b/scenario.toml", scenario.toml(tmp_path / "a/b")))
    assert again.plain() == scenario.plain()
    assert again.extends is None
    assert input_hashes(again) == input_hashes(scenario)


def test_the_resolved_scenario_finds_its_files_from_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "data/input.dat", "PUNAME pu.dat\n")
    write(tmp_path / "data/pu.dat", "id\n1\n")
    text = 'name = "m"\n[landscape]\nformat = "marxan"\nproject = "../data/input.dat"\n'
    scenario = read_scenario(write(tmp_path / "scenarios/m.toml", text))
    folder = tmp_path / "runs/m"
    resolved = scenario.toml(folder)
    assert tomllib.loads(resolved)["landscape"]["project"] == "../../data/input.dat"
    again = read_scenario(write(folder / "scenario.toml", resolved))
    first, second = input_hashes(scenario), input_hashes(again)
    assert first == second and set(first) == {"key", "input.dat", "pu.dat"}
    write(tmp_path / "data/pu.dat", "id\n2\n")
    assert input_hashes(again)["key"] != first["key"]


def test_the_key_knows_what_decides_the_result(tmp_path: Path) -> None:
    key = input_hashes(parse(SMALL))["key"]
    assert input_hashes(parse({**SMALL, "output": {"folder": "elsewhere"}}))["key"] == key
    assert input_hashes(parse({**SMALL, "targets": {"relative": 0.3}, "solver": {"kind": "auto"}}))["key"] == key
    for other in ({"seed": 2}, {"solver": {"gap": 0.5}}, {"targets": {"relative": 0.2}}, {"zones": {"a": {}}}):
        assert input_hashes(parse({**SMALL, **other}))["key"] != key, other


# --- the schema --------------------------------------------------------------------------------------------------


def test_schema_knows_every_key_and_every_member() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(Scenario.model_fields)
    assert schema["required"] == ["name"] and schema["additionalProperties"] is False
    for folder in FOLDERS:
        for name, member in family(folder).items():
            tables = [
                table
                for table in schema["$defs"].values()
                if table.get("description", "").startswith((member.__doc__ or "?").partition("\n")[0])
            ]
            assert len(tables) == 1, (folder, name)
            assert set(tables[0]["properties"]) == set(member.model_fields)
            tag = {"formats": "format", "targets": "rule"}.get(folder, "kind")
            assert tables[0]["properties"][tag]["const"] == name
            assert tables[0]["additionalProperties"] is False


def valid(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """The part of JSON Schema that ours uses; for keywords that it does not know it fails."""
    known = {"$ref", "$defs", "$schema", "anyOf", "oneOf", "type", "const", "enum", "properties", "required", "items"}
    known |= {"additionalProperties", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern"}
    known |= {
        "title",
        "description",
        "default",
        "discriminator",
        "format",
        "minItems",
        "maxItems",
        "minLength",
        "prefixItems",
        "propertyNames",
    }
    assert set(schema) <= known, set(schema) - known
    if "$ref" in schema:
        return valid(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        return any(valid(value, item, root) for item in schema["anyOf"])
    if "oneOf" in schema:
        return sum(valid(value, item, root) for item in schema["oneOf"]) == 1
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    kinds["null"] = type(None)
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):  # type: ignore[arg-type]
        return False
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    if isinstance(value, dict):
        if not all(valid(key, schema.get("propertyNames", {}), root) for key in value):
            return False
        more = schema.get("additionalProperties", True)
        properties = schema.get("properties", {})
        if not set(schema.get("required", ())) <= set(value):
            return False
        for key, item in value.items():
            if key not in properties and more is False:
                return False
            below = properties.get(key, more)
            if isinstance(below, dict) and not valid(item, below, root):
                return False
    if isinstance(value, list) and "items" in schema:
        return all(valid(item, schema["items"], root) for item in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (
            value >= schema.get("minimum", value)
            and value <= schema.get("maximum", value)
            and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
            and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        )
    return True


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.toml")), ids=lambda path: path.stem)
def test_schema_accepts_the_scenarios(path: Path) -> None:
    schema = json_schema()
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    assert valid(data, schema, schema)
    assert valid(tomllib.loads(read_scenario(path).toml(path.parent)), schema, schema)


@pytest.mark.parametrize(
    "tables", [{"solver": {"gap": 0.5}}, {"targets": {"absolute": 3}}, {"landscape": {"rows": 50}}]
)
def test_schema_accepts_a_difference(tables: dict[str, Any]) -> None:
    schema = json_schema()
    assert valid({"name": "x", "extends": "base.toml", **tables}, schema, schema)


@pytest.mark.parametrize(
    "wrong",
    [
        {"nmae": "x"},
        {"name": "x", "seed": -1},
        {"name": "x", "solver": {"kind": "scip", "gap": 1}},
        {"name": "x", "solver": {"kind": "skip"}},
        {"name": "x", "landscape": {"format": "raster", "features": 3}},
        {"name": "x", "constraints": [{"kind": "area", "shares": 1}]},
        {"name": "x", "zones": {"a": {"contribution": 1.5}}},
    ],
)
def test_schema_refuses(wrong: dict[str, Any]) -> None:
    schema = json_schema()
    assert not valid(wrong, schema, schema)


@pytest.mark.parametrize(
    ("key", "near"),
    [("sede", "seed"), ("constraint", "constraints"), ("objectiv", "objective"), ("landscpae", "landscape")],
)
def test_the_nearest_key_is_named(key: str, near: str) -> None:
    with pytest.raises(ScenarioError, match=f"unknown key '{key}'; did you mean '{near}'") as error:
        parse({**SMALL, key: 1})
    assert len(error.value.faults) == 1
