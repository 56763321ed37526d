"""Who may import whom: read from the source, so that a wrong import is found before it is run."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"prioritize": ROOT / "prioritize", "prioritize_kernels": ROOT / "kernels/prioritize_kernels"}
RIBS = ("formats", "objectives", "constraints", "penalties", "targets", "solvers", "metrics", "tables")
GEO = {"rasterio", "geopandas", "pyogrio", "exactextract", "shapely"}
#: where files of maps are read and written
READERS = ("prioritize.formats", "prioritize.areas", "prioritize.connectivity", "prioritize.redline")
#: helpers of the solvers that the spine stands on
SOLVING = {"prioritize.solvers.milp", "prioritize.solvers.process", "prioritize.solvers._config"}


@cache
def imports() -> dict[str, dict[str, bool]]:
    """Module name -> what it imports -> whether at run time (False: for type checkers only)."""
    found: dict[str, dict[str, bool]] = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[module] = {}
            read(ast.parse(path.read_text(encoding="utf-8")), parts[:-1], found[module], True)
    return found


def read(node: ast.AST, package: list[str], found: dict[str, bool], running: bool) -> None:
    """Collect the imports below a node, those inside functions too."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        for child in node.body:
            read(child, package, found, False)
        for child in node.orelse:
            read(child, package, found, running)
        return
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])
        source = base if node.level else str(node.module)
        # `from prioritize.formats import _borders` imports a module, `from prioritize.errors import DataError` does not
        names = [f"{source}.{alias.name}" if is_module(f"{source}.{alias.name}") else source for alias in node.names]
    for name in names:
        found[name] = found.get(name, False) or running
    for child in ast.iter_child_nodes(node):
        read(child, package, found, running)


def is_module(name: str) -> bool:
    package, *rest = name.split(".")
    if package not in PACKAGES:
        return False
    path = PACKAGES[package].joinpath(*rest)
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def top(name: str) -> str:
    return name.partition(".")[0]


def below(module: str, *folders: str) -> bool:
    """Whether a module is one of these, or lies in one of these packages."""
    return any(module == folder or module.startswith(f"{folder}.") for folder in folders)


def spine() -> list[str]:
    """`prioritize/*.py`."""
    return [
        module for module in imports() if module.count(".") == 1 and (ROOT / f"{module.replace('.', '/')}.py").exists()
    ]


def test_the_reader_sees_what_it_should() -> None:
    """Else every test below would pass whatever the source says."""
    code = (
        "import a.b\nfrom prioritize.formats import _borders as x\nfrom ..errors import DataError\n"
        "from . import milp\nif TYPE_CHECKING:\n    import c\nelse:\n    import d\n"
        "def f():\n    from e import g\n"
    )
    found: dict[str, bool] = {}
    read(ast.parse(code), ["prioritize", "solvers"], found, True)
    assert found == {
        "a.b": True,
        "prioritize.formats._borders": True,
        "prioritize.errors": True,
        "prioritize.solvers.milp": True,
        "c": False,
        "d": True,
        "e": True,
    }
    assert len(imports()) > 60 and len(spine()) >= 15
    assert imports()["prioritize.runner"]["prioritize.solve"]
    assert "prioritize.formats._rasterio" in imports()["prioritize.formats.raster"]


def test_every_module_that_is_imported_is_there() -> None:
    for module, names in imports().items():
        for name in names:
            assert top(name) not in PACKAGES or is_module(name) or name in PACKAGES, (module, name)


def test_ortools_is_imported_by_one_module() -> None:
    assert {module for module, names in imports().items() if "ortools" in map(top, names)} == {
        "prioritize.solvers.mathopt"
    }


def test_geography_is_imported_where_files_are_read_and_written() -> None:
    for module, names in imports().items():
        for name, running in names.items():
            allowed = below(
                module,
                "prioritize.write",
                "prioritize.same",
                "prioritize.maplayers",
                "prioritize.report",
                "prioritize.template",
                *READERS,
            ) or (module == "prioritize.place" and not running)
            assert top(name) not in GEO or allowed, f"{module} imports {name}"


def test_kernels_know_numbers_only() -> None:
    for module, names in imports().items():
        if top(module) == "prioritize_kernels":
            strangers = {top(name) for name in names} - {"numpy", "numba", "prioritize_kernels"}
            assert strangers <= set(sys.stdlib_module_names), f"{module} imports {strangers}"


@pytest.mark.parametrize("rib", RIBS)
def test_no_rib_knows_another(rib: str) -> None:
    others = [f"prioritize.{name}" for name in RIBS if name != rib]
    members = [module for module in imports() if below(module, f"prioritize.{rib}")]
    assert len(members) > 1
    for module in members:
        for name in imports()[module]:
            assert not below(name, *others), f"{module} imports {name}"


def test_the_spine_knows_no_member_by_name() -> None:
    ribs = [f"prioritize.{rib}" for rib in RIBS]
    for module in spine():
        for name in imports()[module]:
            helper = name.rpartition(".")[2].startswith("_")
            allowed = helper or (module == "prioritize.solve" and name in SOLVING)
            assert not below(name, *ribs) or allowed, f"{module} imports {name}"


def test_reports_are_made_at_the_end() -> None:
    """Only the command line draws, and methods for notebooks; write.py shares its colours."""
    for module in spine():
        for name in imports()[module]:
            if below(name, "prioritize.report"):
                shown = name == "prioritize.report.notebook"
                assert (
                    shown
                    or (module, name) == ("prioritize.write", "prioritize.report.palette")
                    or module in ("prioritize.template",)
                ), f"{module} imports {name}"


JUDGES = ["prioritize.evaluate", "prioritize.metrics", "prioritize.accounting", "prioritize.table", "prioritize.tables"]


@pytest.mark.parametrize("module", JUDGES)
def test_the_judge_does_not_know_the_solver(module: str) -> None:
    """evaluate.py and the metrics recompute everything from the landscape."""
    judges = [name for name in imports() if below(name, module)]
    assert judges
    for judge in judges:
        for name in imports()[judge]:
            assert not below(name, "prioritize.program", "prioritize.solvers", "prioritize.solve"), f"{judge}: {name}"


def test_the_library_does_not_print() -> None:
    """Only the command line does."""
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            if path == ROOT / "prioritize/cli.py" or path.parent == ROOT / "prioritize/commands":
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id
                assert called != "print", f"{package}: {path.name} line {node.lineno}"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_is_quick(arguments: list[str]) -> None:
    """Nothing heavy is imported before it is needed."""
    code = (
        "import sys\nfrom prioritize.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as stopped:\n    assert not stopped.code\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(ast.literal_eval(done.stdout.splitlines()[-1]))
    assert "prioritize" in loaded
    heavy = {"numpy", "pandas", "scipy", "numba", "pydantic", "rich", "joblib", "matplotlib", "ortools", *GEO}
    assert loaded & heavy == set()
