"""The files of Marxan with Zones; `marxan.py` says what they mean and where that was verified."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from prioritize.formats._marxan_files import ProjectFiles, Table, Units
from prioritize.landscape import some
from prioritize.source import ZoneConfig


def read_zones(files: ProjectFiles, units: Units, species: pd.DataFrame, keep: np.ndarray) -> dict[str, ZoneConfig]:
    """Read the files of Marxan with Zones.

    Parameters
    ----------
    files, units, species
        What was read so far; the units gain layers, the feature table gains `target:<zone>`.
    keep : (K,) int
        Rows of the feature table that the landscape will have.

    Returns
    -------
    mapping of zone name to ZoneConfig
        Empty where the project has no zones, or where their file is at fault.
    """
    table = files.table("ZONESNAME", "id", "name")
    if table is None or not units.count or species.empty:
        return {}
    ids = pd.Index(table.ids("zone"))
    nameless = table.frame["name"].isna() | ~table.frame["name"].astype(str).str.strip().astype(bool)
    if nameless.any():
        files.faults.add(f"{table.path}: zone {some(ids[nameless])} has no name; give it one")
        return {}
    names = table.frame["name"].astype(str).tolist()
    if len(set(names)) < len(names):
        files.faults.add(f"{table.path}: zone names must differ; they are {some(names)}")
        return {}
    if len(ids.unique()) < len(ids):
        return {}
    costs = zone_costs(files, units, ids, table.path)
    shares = zone_contributions(files, species, ids, table.path)
    zone_targets(files, species, ids, names, table.path)
    locks, allowed = zone_locks(files, units, ids, table.path)
    for z, number in enumerate(ids):
        units.layers[f"zonecost:{number}"] = costs[:, z]
        if locks is not None:
            units.layers[f"pulock:{number}"] = locks[:, z]
        if allowed is not None:
            units.layers[f"puzone:{number}"] = allowed[:, z]

    # the zone "available" costs nothing and adds nothing: here that is a unit without a zone
    idle = np.flatnonzero(~costs.any(axis=0) & ~shares.any(axis=0))[: len(ids) - 1]
    if len(idle):
        left_out = [names[z] for z in idle]
        files.notes.append(f"zone {some(left_out)} costs nothing and adds nothing: it is left out, as no zone")
    # a unit locked to such a zone is locked out of the others
    barred = np.zeros(units.count, bool)
    if locks is not None:
        barred |= locks[:, idle].any(axis=1)
    if barred.any():
        units.layers["pulock:none"] = barred
    files.notes.append(
        "Marxan with Zones gives every unit a zone, here a unit may have none; "
        "all zones are of kind 'protected' unless the scenario defines them"
    )
    if files.path("ZONEBOUNDCOSTNAME") is not None:
        files.table("ZONEBOUNDCOSTNAME")
        files.notes.append("ZONEBOUNDCOSTNAME: costs of boundaries between zones are not applied automatically")
    return {
        name: ZoneConfig(
            kind="protected",
            cost_factor=1.0,
            cost=f"zonecost:{ids[z]}",
            contribution=one_or_all(dict(zip(species["name"].iloc[keep], shares[keep, z].tolist()))),
            locked_in=f"pulock:{ids[z]}" if locks is not None else None,
            locked_out="pulock:none" if barred.any() else None,
            eligible=f"puzone:{ids[z]}" if allowed is not None else None,
        )
        for z, name in enumerate(names)
        if z not in idle
    }


def zone_costs(files: ProjectFiles, units: Units, ids: pd.Index, zones: Path) -> np.ndarray:
    """(U, Z) cost of each unit in each zone."""
    columns = {1.0: "cost"}
    listed = files.table("COSTSNAME", "costid", "costname")
    if listed is not None:
        nameless = np.flatnonzero(listed.frame["costname"].isna())
        if len(nameless):
            files.faults.add(
                f"{listed.path}: costname is empty in data row {some(nameless + 1, 3)}; "
                f"name the column of {units.path.name} that holds this cost"
            )
            return np.zeros((units.count, len(ids)))
        columns = dict(zip(listed.numbers("costid").tolist(), listed.frame["costname"].astype(str).str.strip()))
    own = Table(units.path, units.table, files.faults)
    if not own.has(*columns.values()):
        return np.zeros((units.count, len(ids)))
    prices = {number: own.numbers(name) for number, name in columns.items()}
    if files.path("ZONECOSTNAME") is None:
        return np.repeat(np.sum(list(prices.values()), axis=0)[:, None], len(ids), axis=1)
    result = np.zeros((units.count, len(ids)))
    table = files.table("ZONECOSTNAME", "zone")
    if table is None:
        return result
    by_unit = table.take("pu")
    if not table.has(*(("cost",) if by_unit else ("costid", "fraction"))):
        return result
    z = table.find("zone", ids, "zone", zones)
    if by_unit:
        u = table.find("pu", units.index, "planning unit", units.path)
        good = (u >= 0) & (z >= 0)
        result[u[good], z[good]] = table.numbers("cost")[good]
        missing = units.count * len(ids) - len(set(zip(u[good].tolist(), z[good].tolist())))
        if missing:
            files.notes.append(f"{table.path.name} leaves out {missing} pairs of unit and zone: their cost is 0")
        return result
    c = table.find("costid", pd.Index(list(prices)), "cost", listed.path if listed else zones)
    for cost, zone, fraction in zip(c, z, table.numbers("fraction")):
        if cost >= 0 and zone >= 0:
            result[:, zone] += list(prices.values())[cost] * fraction
    return result


def zone_contributions(files: ProjectFiles, species: pd.DataFrame, ids: pd.Index, zones: Path) -> np.ndarray:
    """(F, Z) what an amount counts in each zone."""
    if "ZONECONTRIB3NAME" in files.keys:
        files.faults.add(
            f"{files.project}: ZONECONTRIB3NAME (contributions by unit) is not supported; use ZONECONTRIBNAME"
        )
    result = np.zeros((len(species), len(ids)))
    if files.path("ZONECONTRIBNAME") is not None:
        table = files.table("ZONECONTRIBNAME", "species", "zone", "fraction")
        if table is not None:
            f = table.find("species", pd.Index(species["id"]), "feature", files.path("SPECNAME"))
            z = table.find("zone", ids, "zone", zones)
            good = (f >= 0) & (z >= 0)
            result[f[good], z[good]] = table.numbers("fraction")[good]
    elif files.path("ZONECONTRIB2NAME") is not None:
        table = files.table("ZONECONTRIB2NAME", "zone", "fraction")
        if table is not None:
            z = table.find("zone", ids, "zone", zones)
            result[:, z[z >= 0]] = table.numbers("fraction")[z >= 0]
    else:
        result[:, 1:] = 1.0
    outside = (result < 0) | (result > 1)
    if outside.any():
        files.faults.add(
            f"{files.project}: contributions to zones must be 0 to 1, but {some(np.unique(result[outside]))} is among "
            f"those of {some(species['name'].to_numpy()[outside.any(axis=1)])}"
        )
    return np.clip(np.nan_to_num(result), 0.0, 1.0)  # what is wrong was told


def zone_targets(files: ProjectFiles, species: pd.DataFrame, ids: pd.Index, names: list[str], zones: Path) -> None:
    """Add `target:<zone>` columns (absolute amounts) to the feature table."""
    total = species["total"].to_numpy(np.float64)
    goals = np.zeros((len(species), len(ids)))
    asked = False
    for key in ("ZONETARGETNAME", "ZONETARGET2NAME"):
        table = files.table(key, "zone", "target", *(("species",) if key == "ZONETARGETNAME" else ()))
        if table is None:
            continue
        asked = True
        if "species" in table.frame:
            every = pd.to_numeric(table.frame["species"], errors="coerce").to_numpy() == -1
            known = Table(table.path, table.frame[~every], files.faults)
            f = np.full(len(every), -1)
            f[~every] = known.find("species", pd.Index(species["id"]), "feature", files.path("SPECNAME"))
        else:
            every, f = np.ones(len(table.frame), bool), np.full(len(table.frame), -1)
        z = table.find("zone", ids, "zone", zones)
        value = table.numbers("target")
        kind = table.numbers("targettype", 0.0) if table.take("targettype") else np.zeros(len(value))
        if (kind >= 2).any():
            files.notes.append(f"{table.path.name}: {int((kind >= 2).sum())} targets in occurrences are not applied")
        for row in np.flatnonzero((kind < 2) & (z >= 0) & (every | (f >= 0))):
            which = np.arange(len(total)) if every[row] else f[row : row + 1]
            goals[which, z[row]] = value[row] * (total[which] if kind[row] == 1 else 1.0)
    if asked:
        for column, name in enumerate(names):
            species[f"target:{name}"] = goals[:, column]
        files.notes.append("zone targets stand in the feature columns 'target:<zone>'; the scenario must ask for them")


def zone_locks(
    files: ProjectFiles, units: Units, ids: pd.Index, zones: Path
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(U, Z) bool: units that must have a zone (pulock.dat), and zones that units may have (puzone.dat)."""
    found: list[np.ndarray | None] = []
    for key in ("PULOCKNAME", "PUZONENAME"):
        table = files.table(key, "pu", "zone")
        if table is None:
            found.append(None)
            continue
        u, z = table.find("pu", units.index, "planning unit", units.path), table.find("zone", ids, "zone", zones)
        marks = np.zeros((units.count, len(ids)), bool)
        good = (u >= 0) & (z >= 0)
        marks[u[good], z[good]] = True
        found.append(marks)
    locks, allowed = found
    if allowed is not None:
        allowed[~allowed.any(axis=1)] = True  # a unit that puzone.dat does not name may have any zone
    return locks, allowed


def one_or_all(shares: dict[str, float]) -> float | dict[str, float]:
    """One number where all features count alike: thousands of names are slow to match."""
    values = set(shares.values())
    return values.pop() if len(values) == 1 else shares
