"""Random small problems with awkward numbers; the same (seed, number) always gives the same problem."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from prioritize.landscape import Graph, Landscape, from_arrays
from prioritize.place import Grid
from prioritize.problem import Problem
from prioritize.registry import family

#: most units by number of zones, so that (zones + 1) ** units stays below 5,000
MOST_UNITS = {1: 8, 2: 7, 3: 6}
D8 = [0, 1, 2, 4, 8, 16, 32, 64, 128]


def awkward(rng: np.random.Generator, size: Any, zeros: float = 0.2) -> np.ndarray:
    """Thirds, tenths, float32, whole numbers, or 18 orders of magnitude; some are zero."""
    whole = rng.integers(1, 30, size).astype(float)
    kind = rng.choice(["thirds", "tenths", "float32", "whole", "orders"], p=[0.25, 0.25, 0.2, 0.2, 0.1])
    values = {
        "thirds": whole / 3,
        "tenths": whole / 10,
        "float32": rng.random(size).astype(np.float32).astype(float),
        "whole": whole,
        "orders": 10.0 ** rng.uniform(-12, 6, size),
    }[str(kind)]
    return np.where(rng.random(size) < zeros, 0.0, values)


def beside(rng: np.random.Generator, value: float) -> float:
    """A number, or the next one above or below."""
    # beside zero lies 5e-324, which no data hold and whose inverse is infinite
    return float(np.nextafter(value, rng.choice([-np.inf, value, np.inf]))) if value else 0.0


def some_sum(rng: np.random.Generator, values: np.ndarray) -> float:
    """Sum of some values, added in a random order, give or take an ulp."""
    order = rng.permutation(len(values))[: rng.integers(1, len(values) + 1)]
    return beside(rng, float(sum(values[order].tolist())))


def graph_of(rng: np.random.Generator, units: int) -> Graph:
    """A piece of a grid, a path, or any pairs; some units (also the last) are islands."""
    kind = rng.choice(["grid", "path", "any"])
    if kind == "grid":
        pairs = [(u, u + 1) for u in range(units - 1) if u % 3 < 2] + [(u, u + 3) for u in range(units - 3)]
    elif kind == "path":
        pairs = [(u, u + 1) for u in range(units - 1)]
    else:
        pairs = [(u, v) for u in range(units) for v in range(u) if rng.random() < 0.4]
    island = set(np.flatnonzero(rng.random(units) < 0.08).tolist()) | ({units - 1} if rng.random() < 0.15 else set())
    pairs = [(u, v) for u, v in pairs if not {u, v} & island]
    length = rng.choice([1.0, 1000.0, 1 / 3]) * (1 if rng.random() < 0.5 else rng.integers(1, 9, len(pairs)) / 3)
    i, j = [u for u, _ in pairs], [v for _, v in pairs]
    return Graph.from_edges(units, i, j, np.broadcast_to(length, len(pairs)), rng.integers(0, 4, units) / 3)


def landscape_of(rng: np.random.Generator) -> Landscape:
    zones = int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))
    units = int(rng.integers(3, MOST_UNITS[zones] + 1))
    features = int(rng.integers(1, 4))
    status = np.zeros((units, zones), np.int8)
    for u in np.flatnonzero(rng.random(units) < 0.12).tolist():
        z = int(rng.integers(zones))
        if rng.random() < 0.5:
            status[u, z] = 1
        else:
            status[u, slice(None) if rng.random() < 0.5 else z] = -1
    sign = np.where(rng.random((units, zones)) < 0.1, -1, 1) if rng.random() < 0.2 else 1
    return from_arrays(
        awkward(rng, (units, zones), 0.05) * sign,
        awkward(rng, (features, units)),
        contribution=rng.choice([1.0, 1.0, 0.5, 1 / 3, 0.1, 0.0], (features, zones)),
        status=status,
        zones=("protected", "oecm", "redline")[:zones],
        graph=graph_of(rng, units),
        place=Grid((3, 3), np.arange(units), (1000.0, 0.0, 0.0, 0.0, -1000.0, 3000.0)),
        groups={"realm": rng.choice(["land", "sea", ""], units, p=[0.5, 0.4, 0.1]).tolist()},
        layers={
            "plain": awkward(rng, units),
            "signed": awkward(rng, units) * rng.choice([-1, 1], units),
            "core": rng.choice([0.0, 1.0, 2.0, 3.0], units),
            "resistance": awkward(rng, units, 0.0) + 0.1,
            "altitude": rng.integers(0, 5, units) / 3,
            "d8": rng.choice(D8, units).astype(float),
            "bearing": rng.choice([0.0, 90.0, 45.0, 200.0, 360.0], units),
            "capacity": rng.integers(0, 9, units).astype(float) if rng.random() < 0.5 else awkward(rng, units),
            "stage": rng.choice([0.0, 1.0, 2.0, 3.0], units),
            "lock": (rng.random(units) < 0.15).astype(float),
        },
        area_km2=rng.choice([1 / 3, 0.1, 1.0], units) if rng.random() < 0.6 else np.full(units, rng.choice([0.1, 1.0])),
    )


def targets_of(rng: np.random.Generator, land: Landscape) -> np.ndarray:
    """Shares (also the whole), reachable sums and their neighbours, absolute amounts, none."""
    target = np.zeros(land.shape[1])
    for f in range(len(target)):
        held = land.amount[[f]].toarray()[0] * land.contribution[f].max()
        kind = rng.choice(["share", "whole", "sum", "absolute", "none"], p=[0.3, 0.15, 0.35, 0.05, 0.15])
        if kind == "share":
            target[f] = rng.choice([0.1, 0.3, 0.5, 0.7]) * held.sum()
        elif kind == "whole":
            target[f] = 1.0 * held.sum()
        elif kind == "sum":
            target[f] = some_sum(rng, held)
        elif kind == "absolute":
            target[f] = rng.choice([1e-9, 0.1, 1.0])
    return np.maximum(target, 0.0)


def constraint_of(rng: np.random.Generator, kind: str, land: Landscape) -> dict[str, Any] | None:
    """Keys of a constraint, or None where this landscape has nothing for it."""
    units, _, zones = land.shape
    names = [zone.name for zone in land.zones]
    realms = [f"realm:{name}" for name in land.groups["realm"].names]
    groups = ["all", *(["realm:*", *realms] if realms else [])]
    keys: dict[str, Any] = {"kind": kind}
    if kind not in ("locked", "mandatory") and zones > 1 and rng.random() < 0.4:
        keys["zones"] = [str(name) for name in rng.permutation(names)[: rng.integers(1, zones)]]
    if kind in ("area", "linear", "contiguity"):
        keys["of"] = str(rng.choice(groups))
    if kind == "area":
        keys["share" if rng.random() < 0.6 else "max_share"] = float(rng.choice([0.0, 0.1, 1 / 3, 0.5, 2 / 3, 1.0]))
        if realms and rng.random() < 0.2:
            keys["within"] = str(rng.choice(realms))
    elif kind == "budget":
        if rng.random() < 0.2:
            keys["share"] = float(rng.choice([0.3, 0.5, 1.0]))
        else:
            keys["amount"] = max(0.0, some_sum(rng, land.cost.max(axis=1)))
    elif kind == "linear":
        keys["layer"] = str(rng.choice(["plain", "signed"]))
        side = "min" if rng.random() < 0.5 else "max"
        if rng.random() < 0.3:
            keys.update({"layer": "plain", side: float(rng.choice([0.0, 0.3, 0.5, 1.0])), "relative": True})
        else:
            keys[side] = some_sum(rng, land.layers[keys["layer"]])
    elif kind == "locked":
        keys["status"] = str(rng.choice(["in", "out"]))
        if rng.random() < 0.5:
            keys["layer"] = "lock"
        else:
            keys["units"] = [int(rng.integers(1, units + 1))]
        if rng.random() < 0.5:
            keys["zone"] = str(rng.choice(names))
    elif kind == "contiguity":
        keys.update(parts=int(rng.integers(1, 3)), islands=bool(rng.random() < 0.3))
    elif kind == "neighbours":
        keys.update(
            least=int(rng.integers(1, 4)), clamp=bool(rng.random() < 0.6), exempt_locked=bool(rng.random() < 0.5)
        )
    elif kind == "min_patch":
        least = max(some_sum(rng, land.area_km2), 0.01)
        keys.update(area_km2=least if rng.random() < 0.4 else float(rng.choice([0.2, 2 / 3, 1.0, 2.0])))
        keys.update(exempt_locked=bool(rng.random() < 0.5))
    elif kind == "corridor":
        if realms and len(realms) > 1 and rng.random() < 0.3:
            keys["of"] = "realm:*"
        else:
            cores = np.unique(land.layers["core"][land.layers["core"] != 0])
            if len(cores) < 2:
                return None
            keys["layer"] = "core"
            if rng.random() < 0.3:
                keys["patches"] = True
            elif rng.random() < 0.4:
                keys["pairs"] = [[f"{c:g}" for c in rng.permutation(cores)[:2]]]
    elif kind == "flow":
        share = float(rng.choice([0.25, 0.5, 1 / 3, 0.9, 1.0]))
        keys.update(capacity="capacity", stage="stage", step_km=float(rng.choice([1.1, 1.5, 2.1])), share=share)
    elif kind == "smoothed":
        keys.update(median_km=float(rng.choice([0.5, 1.0, 3.0])), radius_km=float(rng.choice([1.1, 1.5, 2.3])))
        keys.update(share=float(rng.choice([0.1, 1 / 3, 0.5, 1.0])))
        keys.update({"layer": "plain"} if rng.random() < 0.6 else {"features": "feature_*"})
    return keys


def penalty_of(rng: np.random.Generator, kind: str, land: Landscape) -> dict[str, Any] | None:
    """Keys of a penalty, or None where this landscape has nothing for it."""
    units, _, zones = land.shape
    names = [zone.name for zone in land.zones]
    keys: dict[str, Any] = {"kind": kind, "weight": float(rng.choice([0.0, 0.1, 1 / 3, 1.0, 2.5]))}
    if kind in ("boundary", "connectivity"):
        listed = [str(name) for name in rng.permutation(names)[: rng.integers(1, zones + 1)]]
        keys["zones"] = [listed, "together", "apart"][int(rng.integers(3))]
    elif zones > 1 and rng.random() < 0.4:
        keys["zones"] = [str(rng.choice(names))]
    if kind == "boundary":
        keys["edge_factor"] = float(rng.choice([0.0, 0.5, 1.0, 1 / 3]))
    elif kind == "border":
        keys["level"] = "realm"
    elif kind == "linear":
        keys.update(layer=str(rng.choice(["plain", "signed"])), weight=float(rng.choice([-1.0, -0.1, 1 / 3, 2.0])))
    elif kind == "connectivity":
        values = str(rng.choice(["matrix", "distance", "resistance", "elevation", "d8", "bearing"]))
        keys.update(values=values, form=str(rng.choice(["lost", "kept"])), by_area=bool(rng.random() < 0.3))
        if values == "matrix":
            keys.update(matrix=matrix_file(rng, units), directed=bool(rng.random() < 0.5))
        elif values == "distance":
            keys.update(median_km=float(rng.choice([0.5, 2.0])), radius_km=float(rng.choice([1.1, 1.5, 2.3])))
        else:
            keys["layer"] = {"elevation": "altitude"}.get(values, values)
        if values in ("elevation", "d8", "bearing"):
            keys["needs"] = str(rng.choice(["upstream", "downstream"]))
            if rng.random() < 0.3:
                keys["strength"] = "plain"
    return keys


def matrix_file(rng: np.random.Generator, units: int) -> Path:
    """A file of pairs, each once."""
    lines = ["id1,id2,value"]
    for u in range(1, units + 1):
        lines += [f"{u},{v},{float(rng.integers(1, 9) / 3)!r}" for v in range(u + 1, units + 1) if rng.random() < 0.4]
    lines += ["1,2,0.1"] if len(lines) == 1 else []
    with tempfile.NamedTemporaryFile("w", suffix=".csv", prefix="brute_", delete=False) as file:
        file.write("\n".join(lines) + "\n")
    return Path(file.name)


def case_of(seed: int, number: int, only: str | None = None) -> Problem:
    """The problem of one case; with `only`, one that has this objective, constraint or penalty where it can."""
    rng = np.random.default_rng([seed, number])
    land = landscape_of(rng)
    objectives, constraints, penalties = family("objectives"), family("constraints"), family("penalties")
    name = only if only in objectives else str(rng.choice(sorted(objectives), p=[0.1, 0.1, 0.1, 0.4, 0.15, 0.15]))
    weights: Any = None
    if name != "min_cost" and rng.random() < 0.3:
        weights = 1 / 3 if rng.random() < 0.5 else {"feature_1": 2.5}
    objective = objectives[name](**({} if weights is None else {"weights": weights}))
    wish = [str(k) for k in rng.permutation(sorted(constraints))[: rng.choice([0, 1, 2, 3], p=[0.2, 0.4, 0.3, 0.1])]]
    if not objective.hard_targets and "budget" not in wish and rng.random() < 0.8:
        wish.append("budget")
    extra = [str(k) for k in rng.permutation(sorted(penalties))[: rng.choice([0, 1, 2], p=[0.45, 0.4, 0.15])]]
    if only in constraints and only not in wish:
        wish.append(only)
    if only in penalties and only not in extra:
        extra.append(only)
    asked = [keys for keys in (constraint_of(rng, k, land) for k in wish) if keys]
    charged = [keys for keys in (penalty_of(rng, k, land) for k in extra) if keys]
    totals = np.asarray(land.amount.sum(axis=1)).ravel()
    return Problem(
        land,
        targets_of(rng, land),
        np.where(totals > 0, totals, 1.0),
        objective,
        tuple(constraints[keys["kind"]](**keys) for keys in asked),
        tuple(penalties[keys["kind"]](**keys) for keys in charged),
    )
