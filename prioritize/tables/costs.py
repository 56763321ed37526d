"""What the plan costs, and what a little more would."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prioritize.accounting import figures, realms, share_of, sums
from prioritize.landscape import LOCKED_IN
from prioritize.table import Judged, Table
from prioritize.tables._closing import DEFINITIONS, NOTE, Closing, addable, close, close_feature

COSTS = {
    "zone": "Zone, or `all`.",
    "cost": "Cost of the units in the zone.",
    "cost_new": "The part of units that were not locked in.",
    "unit": "Currency and basis of the costs.",
    "area_km2": "Area of the zone.",
    "area_new_km2": "The part of units that were not locked in.",
    "cost_per_km2": "cost_new / area_new_km2.",
    "cost_per_percent": "cost_new for each percent of all area (all realms) that is new.",
    "cost_per_target": "cost_new for each target met that is not met by what was locked in; whole plan only.",
}
MARGINAL = {
    "step": "What is added: one more percent of a realm, the area missing to the threshold, or one more target (the "
    "cheapest of those nearest to being met, tables.worst of them).",
    "subject": "Realm or feature.",
    "amount": "Amount to add.",
    "unit": "Its unit.",
    **DEFINITIONS,
    "cost_unit": "Currency and basis of the costs.",
}


def costs(judged: Judged) -> list[Table]:
    """`costs` by zone and `marginal_cost`."""
    landscape = judged.problem.landscape
    before = landscape.status == LOCKED_IN
    new = judged.selection & ~before
    whole = float(landscape.area_km2.sum())
    frame = pd.DataFrame({"zone": [*(zone.name for zone in landscape.zones), "all"]})
    area = landscape.area_km2[:, None]
    for name, values, mask in (
        ("cost", landscape.cost, judged.selection),
        ("cost_new", landscape.cost, new),
        ("area_km2", area, judged.selection),
        ("area_new_km2", area, new),
    ):
        by_zone = np.where(mask, values, 0.0).sum(axis=0)
        frame[name] = [*by_zone, by_zone.sum()]
    frame.insert(3, "unit", landscape.cost_unit)
    spent, added = frame["cost_new"].to_numpy(), frame["area_new_km2"].to_numpy()
    frame["cost_per_km2"] = share_of(spent, added)
    frame["cost_per_percent"] = share_of(spent, 100 * added / whole)
    gained = newly_met(judged, before)
    frame["cost_per_target"] = np.r_[np.full(len(frame) - 1, np.nan), spent[-1] / gained if gained else np.nan]
    return [
        Table("costs", "Cost", frame[list(COSTS)], COSTS, order=31),
        Table("marginal_cost", "What the next step would cost", marginal(judged), MARGINAL, NOTE, order=32),
    ]


def newly_met(judged: Judged, before: np.ndarray) -> int:
    """Number of targets that the plan meets and that what was locked in does not."""
    return int((judged.figures.met & ~figures(judged.problem, before).met).sum())


def marginal(judged: Judged) -> pd.DataFrame:
    """One more percent of each realm, what is missing to the threshold, and the cheapest target that is missed."""
    problem, found, landscape = judged.problem, judged.figures, judged.problem.landscape
    free = addable(landscape, judged.selection)
    code, names = realms(landscape)
    total = sums(code, landscape.area_km2, len(names))
    covered = sums(code, judged.classes.plan.sum(axis=1), len(names))
    # a unit that exists in part adds the rest
    added = np.maximum(0.0, landscape.area_km2 - judged.classes.plan.sum(axis=1))
    threshold = judged.scenario.tables.area_threshold
    rows = []

    def step(what: str, subject: str, amount: float, unit: str, way: Closing) -> None:
        rows.append((what, subject, amount, unit, way.lower, way.upper, len(way.units), landscape.cost_unit))

    for k, name in enumerate(names):
        units = np.flatnonzero((code == k) & (added > 0))
        gain = np.repeat(added[units][:, None], len(landscape.zones), axis=1)
        short = threshold * total[k] - covered[k]
        if short > 1e-9 * total[k]:
            step(f"area to {100 * threshold:g} %", name, short, "km2", close(landscape, free, units, gain, short))
        step("next 1 % of area", name, total[k] / 100, "km2", close(landscape, free, units, gain, total[k] / 100))
    features = landscape.features
    missed = np.flatnonzero(found.asked & ~found.met)
    # the cheapest to reach is one that is near: a second for each ten at a million units, so not all are tried
    near = np.argsort(-found.held[missed] / problem.target[missed], kind="stable")[: judged.scenario.tables.worst]
    ways = {f: close_feature(landscape, free, int(f), float(problem.target[f] - found.held[f])) for f in missed[near]}
    if ways:
        f = min(ways, key=lambda f: ways[f].upper)
        missing = float(problem.target[f] - found.held[f])
        step("next target", features["name"].iloc[f], missing, features["unit"].iloc[f], ways[f])
    frame = pd.DataFrame(rows, columns=list(MARGINAL))
    return frame.replace([np.inf], np.nan)


MEMBER = costs
