"""Scenario: a TOML file, what it extends, and every fault in it at once."""

from __future__ import annotations

import difflib
import re
import tomllib
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

import tomli_w
from pydantic import BaseModel, Field, ValidationError, model_validator

from prioritize.errors import ScenarioError
from prioritize.registry import family
from prioritize.source import Config, LandscapeConfig, ZoneConfig

#: a text that ends like this is a file, relative to the scenario file it stands in
FILE = re.compile(r"\.(tiff?|img|asc|vrt|nc|gpkg|shp|parquet|geojson|fgb|csv|tsv|txt|dat|toml)(#\d+)?$", re.IGNORECASE)
#: names of things, never files
NAMES = {"name", "kind", "format", "rule", "zone", "zones", "of"}


def one_of(folder: str, tag: str) -> Any:
    """The union of a family's members, told apart by a tag."""
    members = tuple(family(folder).values())
    return Annotated[Union[members], Field(discriminator=tag)]  # noqa: UP007


if TYPE_CHECKING:
    AnyLandscape = LandscapeConfig
    AnyTargets = AnyObjective = AnyConstraint = AnyPenalty = AnySolver = Any
else:
    AnyLandscape = one_of("formats", "format")
    AnyTargets = one_of("targets", "rule")
    AnyObjective = one_of("objectives", "kind")
    AnyConstraint = one_of("constraints", "kind")
    AnyPenalty = one_of("penalties", "kind")
    AnySolver = one_of("solvers", "kind")


class OutputConfig(Config):
    """Where results go."""

    folder: Path | None = Field(None, description="run folder; runs/<name> where absent")


class Scenario(Config):
    """One question to the landscape. Every key of the scenario file; see scenarios/README.md."""

    name: str = Field(min_length=1, pattern=r"^[^/\\]+$", description="short name; also the default run folder")
    extends: str | None = Field(None, description="scenario file that this one differs from")
    title: str = Field("", description="one line for reports")
    seed: int = Field(1, ge=0, description="seed of everything random")
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
    output: OutputConfig = Field(default_factory=OutputConfig, description="where results go")

    @model_validator(mode="before")
    @classmethod
    def _default_tags(cls, data: Any) -> Any:
        """`[targets] relative = 0.3` needs no rule, `[solver] gap = 0.01` no kind."""
        if not isinstance(data, dict):
            return data
        data = dict(data)
        targets = data.get("targets")
        if isinstance(targets, dict) and "rule" not in targets:
            data["targets"] = {
                "rule": "absolute" if "absolute" in targets and "relative" not in targets else "relative",
                **targets,
            }
        for key, kind in (("solver", "auto"), ("objective", "min_cost")):
            if isinstance(data.get(key), dict) and "kind" not in data[key]:
                data[key] = {"kind": kind, **data[key]}
        return data

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
        return tomli_w.dumps(map_files(self.plain(), lambda path: relative_to(path, folder)))


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
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError([f"{where}: {describe(item)}" for item in error.errors()]) from None


def load(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """Read one file, its files made absolute, on top of what it extends."""
    real = path.resolve()
    if real in seen:
        raise ScenarioError(f"{path.name}: extends itself through {' -> '.join(p.name for p in (*seen, real))}")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such scenario file") from None
    except IsADirectoryError:
        raise ScenarioError(f"{path}: is a folder; name the scenario file in it") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: not UTF-8 text (byte {error.start}); save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: not valid TOML: {error}") from None
    base = data.get("extends")
    data = map_files(data, lambda name: str(absolute(name, real.parent)))
    if base is None:
        return data
    if not isinstance(base, str):
        raise ScenarioError(f"{path.name}: extends must be the name of a scenario file, not {base!r}")
    return merge(load(real.parent / base, (*seen, real)), data)


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`: tables key by key; lists of tables by their `name`, new ones at the end.

    A table whose tag (`format`, `rule`, `kind`) changes starts anew: the keys of the old kind mean nothing to the new.
    """
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            changed = any(tag in value and value[tag] != old.get(tag) for tag in ("format", "rule", "kind"))
            result[key] = value if changed and key not in ("zones",) else merge(old, value)
        elif isinstance(value, list) and isinstance(old, list) and all(isinstance(v, dict) for v in (*value, *old)):
            named = {item["name"]: item for item in value if "name" in item}
            kept = [named.pop(item.get("name"), item) for item in old]
            result[key] = kept + [item for item in value if "name" not in item or item["name"] in named]
        else:
            result[key] = value
    return result


def put(data: dict[str, Any], dotted: str, value: Any) -> None:
    """Set `solver.gap` or `constraints.0.share` in nested tables."""
    *path, last = dotted.split(".")
    place: Any = data
    for key in path:
        if isinstance(place, list):
            place = place[int(key)] if key.isdigit() and int(key) < len(place) else None
        else:
            place = place.setdefault(key, {})
        if not isinstance(place, dict | list):
            raise ScenarioError(f"--set {dotted}: '{key}' is not a table")
    if isinstance(place, list):
        raise ScenarioError(f"--set {dotted}: '{last}' is not a key of a table")
    place[last] = value


def map_files(data: Any, change: typing.Callable[[str], str], key: str = "") -> Any:
    """Apply `change` to every text that is a file name."""
    if isinstance(data, dict):
        return {name: map_files(value, change, name) for name, value in data.items()}
    if isinstance(data, list):
        return [map_files(value, change, key) for value in data]
    if isinstance(data, str) and key not in NAMES and key != "extends" and FILE.search(data):
        return change(data)
    return data


def absolute(name: str, folder: Path) -> Path:
    """A file name relative to a folder, without resolving links or globs."""
    path = Path(name).expanduser()
    return path if path.is_absolute() else Path(re.sub(r"(?<=/)\./", "", str(folder / path)))


def relative_to(name: str, folder: Path) -> str:
    """A file name as seen from a folder; absolute where there is no way (another drive)."""
    import os

    try:
        return Path(os.path.relpath(name, folder)).as_posix()
    except ValueError:
        return name


def describe(item: Any) -> str:
    """One line for one of pydantic's errors: dotted key, value, way out."""
    model: Any = Scenario
    shown = ""
    for step in item["loc"]:
        if isinstance(step, int):
            shown += f"[{step}]"
            continue
        members = model if isinstance(model, dict) else None
        if members is not None and step in members:  # the tag of a union: not a key
            model = members[step]
            continue
        shown += f".{step}" if shown else str(step)
        if isinstance(model, type) and issubclass(model, BaseModel) and step in model.model_fields:
            model = inner(model.model_fields[step].annotation, model.model_fields[step])
    kind, context, value = item["type"], item.get("ctx", {}), item.get("input")
    if kind == "extra_forbidden":
        key = str(item["loc"][-1])
        known = list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
        near = difflib.get_close_matches(key, known, 1, 0.5)
        hint = f"did you mean '{near[0]}'? " if near else ""
        return f"unknown key '{shown}'; {hint}known keys: {', '.join(sorted(known))}"
    if kind == "union_tag_invalid":
        tag = context["discriminator"].strip("'")
        near = difflib.get_close_matches(
            str(context["tag"]), re.findall(r"'([^']+)'", context["expected_tags"]), 1, 0.5
        )
        hint = f"did you mean '{near[0]}'? " if near else ""
        return f"{shown}.{tag} '{context['tag']}' is unknown; {hint}one of {context['expected_tags']}"
    if kind == "union_tag_not_found":
        tag = context["discriminator"].strip("'")
        names = ", ".join(f"'{name}'" for name in model) if isinstance(model, dict) else ""
        return f"{shown} needs the key '{tag}': one of {names}"
    if kind == "missing":
        return f"{shown} is missing"
    message = item["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    return f"{shown}: {message}" + (f" (it is {value!r})" if not isinstance(value, dict | list) else "")


def inner(annotation: Any, info: Any = None) -> Any:
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
    # a file that extends another may leave out what the other says
    schema["required"] = ["name"]
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "prioritize scenario"
    return schema
