"""A family is a folder: each module in it holds one member, and the module's name is its `kind`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any


@cache
def family(folder: str) -> dict[str, type[Any]]:
    """Import every module of `prioritize/<folder>/` and return its members by name.

    A module that assigns `MEMBER` (a class) is a member; others are helpers of the folder.

    Parameters
    ----------
    folder : str
        `targets`, `formats`, `objectives`, `constraints`, `penalties`, `solvers` or `metrics`.

    Returns
    -------
    dict of str to class
        In alphabetical order of the module names.
    """
    package = importlib.import_module(f"prioritize.{folder}")
    members: dict[str, type[Any]] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda item: item.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        member = getattr(module, "MEMBER", None)
        if member is not None:
            members[info.name] = member
    return members
