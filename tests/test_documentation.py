"""What the documents say is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from prioritize.cli import main, parser
from prioritize.scenario import json_schema, parse

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "scenarios" / "README.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def keys_of_the_schema() -> set[str]:
    schema = json_schema()
    models = [schema, *schema["$defs"].values()]
    return {key for model in models for key in model.get("properties", {})}


def test_every_key_is_in_the_guide() -> None:
    missing = sorted(key for key in keys_of_the_schema() if not re.search(rf"\b{key}\b", GUIDE))
    assert missing == []


def test_the_guide_shows_no_key_that_is_not_there() -> None:
    block = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)[0]
    data = tomllib.loads(block)
    data["landscape"].pop("format")
    data["landscape"]["format"] = "raster"
    parse(data, "scenarios/README.md")


@pytest.mark.parametrize("number", [1, 2])
def test_worked_examples_are_valid(number: int) -> None:
    block = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)[number]
    parse(tomllib.loads(block), "scenarios/README.md")


@pytest.mark.parametrize("name", ["pa_only", "pa_oecm", "ecr"])
def test_scenarios_have_no_fault(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(ROOT / "scenarios" / f"{name}.toml")]) == 0
    assert "no fault found" in capsys.readouterr().out


def test_readme_names_only_commands_there_are() -> None:
    commands = parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    named = set(re.findall(r"^\s*prioritize (\w+)", README, re.MULTILINE))
    assert named and named <= set(commands)


def test_new_writes_a_scenario_that_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    assert main(["new", str(folder)]) == 0
    assert main(["run", str(folder / "scenario.toml"), "--out", str(tmp_path / "run")]) == 0
    assert "targets met" in capsys.readouterr().out
    assert main(["new", str(folder)]) == 2
    assert "not empty" in capsys.readouterr().err


def test_readme_python_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    exec(block, names)
    assert "proven to be within" in capsys.readouterr().out
    assert list(names["comparison"].table.columns)[2:] == ["pa_only", "ecr"]  # type: ignore[attr-defined]
