"""Scenario: a TOML file, what it extends, and every fault in it at once."""

from __future__ import annotations

import difflib
import re
import tomllib
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union

import tomli_w
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from prioritize.errors import DataError, ScenarioError
from prioritize.inputfile import MOST_TEXT, gate, no_file
from prioritize.redline.config import RedlineConfig
from prioritize.registry import family
from prioritize.source import Config, ZoneConfig

#: a text that ends like this is a file, relative to the scenario file it stands in
FILE = re.compile(
    r"\.(g?tiff?|vrt|img|asc|bil|bip|bsq|flt|grd|nc|hdf|h5|jp2|rst|sdat|png|jpe?g"
    r"|gpkg|shp|parquet|geoparquet|pq|geojson|json|fgb|gdb|kml|gml|csv|tsv|txt|dat|toml|zip|shz|sqlite|tab)(#\d+)?$",
    re.IGNORECASE,
)
#: keys whose value is a path whatever it looks like
PATHS = {"folder", "project", "feature_table"}
#: names of things and words for people, never files
NAMES = {"name", "title", "cost_unit", "kind", "format", "rule", "zone", "zones", "of"}
#: the key that says of which kind a table is
TAGS = {"landscape": "format", "targets": "rule", "objective": "kind", "solver": "kind"}


def one_of(folder: str, tag: str) -> Any:
    """The union of a family's members, told apart by a tag."""
    members = tuple(family(folder).values())
    return Annotated[Union[members], Field(discriminator=tag)]  # noqa: UP007


if TYPE_CHECKING:
    AnyLandscape: TypeAlias = Any
    AnyTargets: TypeAlias = Any
    AnyObjective: TypeAlias = Any
    AnyConstraint: TypeAlias = Any
    AnyPenalty: TypeAlias = Any
    AnySolver: TypeAlias = Any
else:
    AnyLandscape = one_of("formats", "format")
    AnyTargets = one_of("targets", "rule")
    AnyObjective = one_of("objectives", "kind")
    AnyConstraint = one_of("constraints", "kind")
    AnyPenalty = one_of("penalties", "kind")
    AnySolver = one_of("solvers", "kind")


class MaskConfig(Config):
    """What others may not see: results without it go into the folder `shared` of a run."""

    names: tuple[str, ...] = Field((), description="features whose names are masked: names or patterns")
    square_km: float | None = Field(
        None, gt=0, description="places are told by squares of this side; none where absent"
    )


class OutputConfig(Config):
    """Where results go."""

    folder: Path | None = Field(None, description="run folder; runs/<name> where absent")
    mask: MaskConfig | None = Field(None, description="also write results to share, without names and places")


class TablesConfig(Config):
    """How results are accounted for: what the tables of a run say beside the numbers of the plan."""

    rounding: Literal["truncate", "round"] = Field(
        "round", description="how percentages become text: cut after two decimals, or rounded"
    )
    area_threshold: float = Field(0.30, gt=0, le=1, description="share of a realm, region or site that counts as met")
    data_vintage: str = Field("", description="date and origin of the data, for the caveats: `WDPCA 2026-01; ...`")
    priority_levels: tuple[str, ...] = Field(
        ("priority", "kba"), description="levels of `regions` that are priority areas or key biodiversity areas"
    )
    ecoregion_levels: tuple[str, ...] = Field(("ecoregion",), description="levels of `regions` that are ecoregions")
    worst: int = Field(50, ge=1, description="how many features the shortfall list names")


class Scenario(Config):
    """One question to the landscape. Every key of the scenario file; see scenarios/README.md."""

    name: str = Field(pattern=r"^[^/\\.][^/\\]*$", description="short name; also the default run folder")
    extends: str | None = Field(None, description="scenario file that this one differs from")
    title: str = Field("", description="one line for reports")
    seed: int = Field(1, ge=0, le=2**31 - 1, description="seed of everything random, 2147483647 at most")
    landscape: AnyLandscape = Field(description="the data; `format` says of which kind")
    zones: dict[str, ZoneConfig] = Field(
        default_factory=dict, description="one table a zone; `protected` alone if none"
    )
    targets: AnyTargets = Field(
        default_factory=lambda: family("targets")["relative"](), description="how much of each feature to hold"
    )
    objective: AnyObjective = Field(
        default_factory=lambda: family("objectives")["min_cost"](), description="what is minimised or maximised"
    )
    constraints: tuple[AnyConstraint, ...] = Field((), description="hard rows beside the targets")
    penalties: tuple[AnyPenalty, ...] = Field((), description="what is added to the objective")
    solver: AnySolver = Field(default_factory=lambda: family("solvers")["auto"](), description="how it is solved")
    tables: TablesConfig = Field(default_factory=lambda: TablesConfig(), description="how results are accounted for")
    redline: RedlineConfig | None = Field(
        None, description="how an Ecological Conservation Redline is drawn and revised"
    )
    output: OutputConfig = Field(default_factory=lambda: OutputConfig(folder=None), description="where results go")

    @field_validator("zones")
    @classmethod
    def _named_zones(cls, zones: dict[str, ZoneConfig]) -> dict[str, ZoneConfig]:
        """Files tell zones apart by their names, and an empty one there says that a unit is in no zone."""
        if nameless := [name for name in zones if not name.strip()]:
            raise ValueError(f"the name of a zone is empty ({nameless[0]!r}); name it, as in [zones.protected]")
        return zones

    @model_validator(mode="before")
    @classmethod
    def _default_tags(cls, data: Any) -> Any:
        """`[targets] relative = 0.3` needs no rule, `[solver] gap = 0.01` no kind."""
        if not isinstance(data, dict):
            return data
        tagged = {
            key: {TAGS[key]: tag_of(key, data[key]), **data[key]} for key in TAGS if isinstance(data.get(key), dict)
        }
        return {**data, **{key: table for key, table in tagged.items() if table[TAGS[key]] is not None}}

    def references(self) -> list[str]:
        """Unit layers that the terms will ask the landscape for, in a fixed order."""
        found: list[str] = []
        for term in (self.objective, *self.constraints, *self.penalties):
            found.extend(term.references())
        return sorted(set(found))

    def plain(self) -> dict[str, Any]:
        """The scenario as a plain dictionary, every default written out, `extends` resolved."""
        data = self.model_dump(mode="json", exclude_none=True)
        data.pop("extends", None)
        return data

    def toml(self, folder: Path) -> str:
        """The resolved scenario as TOML, files relative to `folder`."""
        data = map_files(self.plain(), lambda path: relative_to(path, folder), there=folder)
        name_files(data, lambda path: relative_to(path, folder) if Path(path).is_absolute() else path, folder)
        return tomli_w.dumps(data)

    def _repr_html_(self) -> str:
        from prioritize.report.notebook import scenario_html

        return scenario_html(self)


def read_scenario(path: str | Path, changes: typing.Mapping[str, Any] | None = None) -> Scenario:
    """Read a scenario file and what it extends.

    Parameters
    ----------
    path : path
    changes : mapping of dotted key to value, optional
        `{"solver.gap": 0.01}`: applied last.

    Returns
    -------
    Scenario

    Raises
    ------
    ScenarioError
        With every fault: the file, the key, the value and the way out.
    """
    path = Path(path)
    data = load(path, ())
    for key, value in (changes or {}).items():
        put(data, key, value)
    return parse(data, path.name)


def parse(data: dict[str, Any], where: str = "scenario") -> Scenario:
    """Validate a dictionary in the shape of a scenario file.

    Raises
    ------
    ScenarioError
        With every fault.
    """
    if unwritable := [f"{where}: {fault}" for fault in unwritable_texts(data)]:
        raise ScenarioError(unwritable)
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError([f"{where}: {fault}" for fault in describe(error.errors(), data)]) from None


def unwritable_texts(data: Any, key: str = "") -> list[str]:
    """Keys whose text no file name can hold (a NUL character), or no file (half a character, of a name not UTF-8)."""
    if isinstance(data, dict):
        parts = [(name if isinstance(name, str) else str(name), value) for name, value in data.items()]
        found = [unwritable_texts(name, f"{key}.{name!r}".lstrip(".")) for name, _ in parts]
        found += [unwritable_texts(value, f"{key}.{name}".lstrip(".")) for name, value in parts]
        return list(dict.fromkeys(fault for faults in found for fault in faults))
    if isinstance(data, list):
        return [fault for number, value in enumerate(data) for fault in unwritable_texts(value, f"{key}[{number}]")]
    if isinstance(data, str) and "\0" in data:
        return [f"{key} {data!r} holds a NUL character; remove it"]
    if isinstance(data, str) and not data.isascii() and re.search("[\ud800-\udfff]", data):
        return [f"{key} {data!r} is not UTF-8; give the file or folder a name in UTF-8"]
    return []


def load(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """Read one file, its files made absolute, on top of what it extends."""
    try:
        real = gate(path, most=MOST_TEXT).resolve()
    except DataError as error:
        raise ScenarioError(error.faults) from None
    if real in seen:
        raise ScenarioError(f"{path.name}: extends itself through {' -> '.join(p.name for p in (*seen, real))}")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        caller = f" (extended by {seen[-1].name})" if seen else ""
        raise ScenarioError(no_file(path, "scenario file") + caller) from None
    except IsADirectoryError:
        raise ScenarioError(f"{path}: is a folder; name the scenario file in it") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: not UTF-8 text (byte {error.start}); save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: not valid TOML: {error}") from None
    except ValueError:  # Python reads no number of more than 4300 digits
        raise ScenarioError(f"{path}: not valid TOML: a number in it has too many digits; write it shorter") from None
    except RecursionError:
        raise ScenarioError(f"{path}: not valid TOML: lists or tables in it lie too deep in each other") from None
    base = data.get("extends")
    data = map_files(data, lambda name: str(absolute(name, real.parent)), there=real.parent)
    name_files(data, lambda name: str(absolute(name, real.parent)), real.parent)
    if base is None:
        return data
    if not isinstance(base, str):
        raise ScenarioError(f"{path.name}: extends must be the name of a scenario file, not {base!r}")
    return merge(load(real.parent / base, (*seen, real)), data)


def tag_of(key: str, table: dict[str, Any]) -> Any:
    """Of which kind a table is, where it does not say so, too; None where there is no usual kind."""
    rule = "absolute" if "absolute" in table and "relative" not in table else "relative"
    usual = {"targets": rule, "objective": "min_cost", "solver": "auto"}
    return table.get(TAGS[key], usual.get(key))


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`: tables key by key; lists of tables by their `name`, new ones at the end; an empty list
    empties.

    A table whose tag (see TAGS) changes starts anew: the keys of the old kind mean nothing to the new. Not so the
    solver's: all solvers have the same keys.
    """
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            changed = key != "solver" and TAGS.get(key) in value and value[TAGS[key]] != tag_of(key, old)
            result[key] = value if changed else merge(old, value)
        elif isinstance(value, list) and isinstance(old, list) and value and are_tables(value + old):
            named = {str(item["name"]): item for item in value if "name" in item}
            kept = [named.pop(str(item.get("name")), item) if "name" in item else item for item in old]
            result[key] = kept + [item for item in value if "name" not in item or str(item["name"]) in named]
        else:
            result[key] = value
    return result


def are_tables(items: list[Any]) -> bool:
    """Whether a list is one of tables, each under a [[heading]]."""
    return all(isinstance(item, dict) for item in items)


def put(data: dict[str, Any], dotted: str, value: Any) -> None:
    """Set `solver.gap` or `constraints.0.share` in nested tables."""
    *path, last = dotted.split(".")
    place: Any = data
    for key in path:
        if isinstance(place, list):
            place = dict(enumerate(place)).get(position(key))
        else:
            place = place.setdefault(key, {})
        if not isinstance(place, dict | list):
            raise ScenarioError(f"--set {dotted}: '{key}' is not a table")
    if isinstance(place, list):
        raise ScenarioError(f"--set {dotted}: '{last}' is not a key of a table")
    place[last] = value


def position(text: str) -> int:
    """A position in a list; -1 for what is none."""
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def map_files(data: Any, change: typing.Callable[[str], str], key: str = "", there: Path | None = None) -> Any:
    """Apply `change` to every text that is a file name: by its suffix, or because such a file is in `there`."""
    if isinstance(data, dict):
        return {name: map_files(value, change, name, there) for name, value in data.items()}
    if isinstance(data, list):
        return [map_files(value, change, key, there) for value in data]
    if isinstance(data, str) and (
        key in PATHS or (key not in NAMES | {"extends"} and (FILE.search(data) or is_there(data, there)))
    ):
        return change(data)
    return data


def is_there(text: str, folder: Path | None) -> bool:
    """Whether a text with a suffix or a slash, `#layer` left off, names what exists; a bare word may be a column."""
    path = text.rpartition("#")[0] or text
    if folder is None or not ("/" in path or Path(path).suffix):
        return False
    return exists(absolute(path, folder))


def exists(path: Path) -> bool:
    """Whether there is such a file or folder; no name that none can have is an error here."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def name_files(data: dict[str, Any], change: typing.Callable[[str], str], folder: Path) -> None:
    """Change, in place, what is a file in the landscape though it looks like a word: `units`, ESRI grid folders."""
    landscape = data.get("landscape")
    if not isinstance(landscape, dict):
        return
    if isinstance(landscape.get("units"), str):
        landscape["units"] = change(landscape["units"])
    if landscape.get("format") != "raster":  # a bare word is a column of the units elsewhere
        return

    def grid(value: Any) -> Any:
        if isinstance(value, list):
            return [grid(item) for item in value]
        return change(value) if isinstance(value, str) and exists(absolute(value, folder) / "hdr.adf") else value

    for key, value in landscape.items():
        if key not in NAMES:
            landscape[key] = grid(value)


def absolute(name: str, folder: Path) -> Path:
    """A file name relative to a folder (whose own links are resolved), without resolving links or globs."""
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # `~nobody` is nobody's home
        path = Path(name)
    if path.is_absolute():
        return path
    while path.parts[:1] == ("..",):  # so that one file has one name, from a run folder as from beside it
        path, folder = Path(*path.parts[1:]), folder.parent
    return Path(re.sub(r"(?<=/)\./", "", str(folder / path)))


def relative_to(name: str, folder: Path) -> str:
    """A file name as seen from a folder; absolute where there is no way (another drive)."""
    import os

    try:
        return Path(os.path.relpath(name, folder)).as_posix()
    except ValueError:
        return name


#: what each of pydantic's errors of shape asks for
SHAPES = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_attributes_type": "a table",
    "model_type": "a table",
    "path_type": "a file name",
    "string_type": "a text",
    "tuple_type": "a list of tables, each under a [[heading]]",
}


@dataclass(frozen=True)
class Place:
    """Where one of pydantic's errors lies in the user's data, its location cleared of what are no keys of the user.

    Attributes
    ----------
    item : dict
        The error as pydantic gives it.
    steps : tuple of str or int
        Keys and positions.
    union : tuple of str or int, or None
        The value that may be of several types, if the error belongs to one of these.
    model : class, dict of them by tag, or None
        What is expected around the place.
    """

    item: Any
    steps: tuple[str | int, ...]
    union: tuple[str | int, ...] | None
    model: Any

    @classmethod
    def of(cls, item: Any, data: Any) -> Place:
        """Follow the location through the data."""
        model: Any = Scenario
        steps: tuple[str | int, ...] = ()
        union = None
        for number, step in enumerate(item["loc"], start=1):
            if isinstance(model, dict) and step in model:  # the tag of a family: not a key
                model = model[step]
                continue
            there = (
                step in data if isinstance(data, dict) else isinstance(data, list | tuple) and step in range(len(data))
            )
            if not there and not (item["type"] == "missing" and number == len(item["loc"])):
                union = steps if union is None else union  # the name of a type: not a key
                continue
            data = data[step] if there else None
            steps += (step,)
            if isinstance(model, type) and issubclass(model, BaseModel) and step in model.model_fields:
                model = inner(model.model_fields[step].annotation)
        return cls(item, steps, union, model)

    @property
    def shown(self) -> str:
        """`constraints[0].share`."""
        return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in self.steps).removeprefix(".")


def describe(errors: Sequence[Any], data: Any) -> list[str]:
    """One line for each of pydantic's errors: dotted key, value, way out.

    A value that may be of several types has an error for each of them: those that got furthest into it, or that find
    its type right, are told; if there are none, one line names all types.
    """
    groups: dict[Any, list[Place]] = {}
    for number, item in enumerate(errors):
        place = Place.of(item, data)
        groups.setdefault(number if place.union is None else place.union, []).append(place)
    lines: list[str] = []
    for union, places in groups.items():
        if isinstance(union, tuple):
            deepest = max(len(place.steps) for place in places)
            near = [place for place in places if len(place.steps) == deepest > len(union)]
            near = near or [place for place in places if place.item["type"] not in SHAPES]
            if not near:
                wants = dict.fromkeys(shape(place.item) for place in places)
                lines.append(f"{places[0].shown} must be {' or '.join(wants)}{given(places[0].item)}")
            places = near
        lines += [line(place) for place in places]
    return list(dict.fromkeys(lines))


def shape(item: Any) -> str:
    """What an error of shape asks for."""
    return SHAPES[item["type"]].format(**item.get("ctx", {}))


def given(item: Any) -> str:
    """What stands there instead."""
    value = item["input"]
    return f" (it is {'a table' if isinstance(value, dict) else 'a list' if isinstance(value, list) else repr(value)})"


def line(place: Place) -> str:
    """One line for one error."""
    item, shown, model = place.item, place.shown, place.model
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        known = list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
        return f"unknown key '{shown}'; {nearest(str(item['loc'][-1]), known)}known keys: {', '.join(sorted(known))}"
    if kind == "union_tag_invalid":
        tag = context["discriminator"].strip("'")
        hint = nearest(str(context["tag"]), re.findall(r"'([^']+)'", context["expected_tags"]))
        return f"{shown}.{tag} '{context['tag']}' is unknown; {hint}one of {context['expected_tags']}"
    if kind == "union_tag_not_found":
        tag = context["discriminator"].strip("'")
        names = ", ".join(f"'{name}'" for name in model) if isinstance(model, dict) else ""
        return f"{shown} needs the key '{tag}': one of {names}"
    if kind == "missing":
        return f"{shown} is missing"
    if kind in SHAPES:
        hint = nearest(str(item["input"]), re.findall(r"'([^']+)'", context.get("expected", "")), "; ", "?")
        return f"{shown} must be {shape(item)}{given(item)}{hint}"
    if kind == "string_pattern_mismatch":
        return f"{shown} must not be empty, begin with a dot or hold a slash{given(item)}"
    message = item["msg"].removeprefix("Value error, ")
    if message.startswith("Input should be "):
        return f"{shown} must be {message.removeprefix('Input should be ')}{given(item)}"
    return f"{shown}: {message[0].lower()}{message[1:]}"


def nearest(name: str, known: Sequence[str], before: str = "", after: str = "? ") -> str:
    """`did you mean 'gap'? `, or nothing."""
    near = difflib.get_close_matches(name, known, 1, 0.5)
    return f"{before}did you mean '{near[0]}'{after}" if near else ""


def inner(annotation: Any) -> Any:
    """What stands below a field: a model, or a union's members by tag; looks through lists, dicts and Optional."""
    tags = {id(member): (folder, name) for folder in FOLDERS for name, member in family(folder).items()}
    found: list[Any] = []

    def walk(part: Any) -> None:
        if isinstance(part, type) and issubclass(part, BaseModel):
            found.append(part)
        for argument in typing.get_args(part):
            walk(argument)

    walk(annotation)
    if len(found) > 1 and all(id(part) in tags for part in found):
        return {tags[id(part)][1]: part for part in found}
    return found[0] if found else None


FOLDERS = ("formats", "targets", "objectives", "constraints", "penalties", "solvers")


def json_schema() -> dict[str, Any]:
    """JSON Schema of a scenario file, for editors."""
    schema = Scenario.model_json_schema()
    # a file that extends another may leave out what the other says, and usual kinds go without saying
    schema["required"] = ["name"]
    for key in TAGS:
        union = schema["properties"][key]
        for part in union["oneOf"]:
            schema["$defs"][part["$ref"].rpartition("/")[2]].pop("required", None)
        union["anyOf"] = union.pop("oneOf")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "prioritize scenario"
    return schema
