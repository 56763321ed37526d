"""An island as the last planning unit; and every sparse matrix that is made of indices is told its shape."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path

import pytest

import prioritize
import prioritize_kernels
from prioritize.cli import main
from prioritize.maplayers import read_map_layers

INPUT = Path(__file__).parent / "field" / "01-last-unit-is-an-island"


@pytest.mark.parametrize(("kind", "cost", "units"), [("vector", 1.0, 1), ("raster", 2.0, 2)])
def test_the_last_unit_is_an_island(kind: str, cost: float, units: int, tmp_path: Path) -> None:
    folder = tmp_path / kind
    shutil.copytree(INPUT / kind, folder)
    assert main(["run", str(folder / "s.toml"), "--set", "solver.kind=highs", "--out", str(folder / "run")]) == 0
    summary = json.loads((folder / "run/summary.json").read_text())
    assert (summary["cost"], summary["units_selected"], summary["missing"]) == (cost, units, {})
    maps = read_map_layers(folder / "run")
    assert maps is not None and "patch" in [layer.key for layer in maps.layers]


SPARSE = {"csr_array", "csc_array", "coo_array", "csr_matrix", "csc_matrix", "coo_matrix"}


def test_every_sparse_matrix_of_indices_is_told_its_shape() -> None:
    """Without it SciPy takes the largest index that occurs for the last row or column."""
    found = 0
    for package in (prioritize, prioritize_kernels):
        for path in Path(package.__file__).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                name = getattr(node, "func", None)
                name = getattr(name, "attr", getattr(name, "id", None))
                if not isinstance(node, ast.Call) or name not in SPARSE or not node.args:
                    continue
                first = node.args[0]
                of_indices = isinstance(first, ast.Tuple) and (
                    len(first.elts) == 3 or isinstance(first.elts[1], ast.Tuple)
                )
                # `entries` is a tuple made before
                if of_indices or (isinstance(first, ast.Name) and first.id == "entries"):
                    found += 1
                    told = any(keyword.arg == "shape" for keyword in node.keywords) or len(node.args) > 1
                    assert told, f"{path}:{node.lineno}: no shape"
    assert found >= 20
