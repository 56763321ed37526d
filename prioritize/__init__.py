"""prioritize: which places, under which regime, at the least opportunity cost, with a proof."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

#: public names and where they live; imported when they are first asked for, so that `prioritize --help` is quick
_HOME = {
    "Comparison": "comparison",
    "Graph": "landscape",
    "Landscape": "landscape",
    "PrioritizeError": "errors",
    "Run": "runner",
    "Scenario": "scenario",
    "Zone": "landscape",
    "check": "runner",
    "compare": "comparison",
    "from_arrays": "landscape",
    "read_scenario": "scenario",
    "run": "runner",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'prioritize' has no attribute '{name}'")
    return getattr(importlib.import_module(f"prioritize.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
