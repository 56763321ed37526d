"""equalise(scenarios, by) -> two comparisons: as they are, and at equal area or equal cost.

A regime that selects more, or spends more, meets more targets; only at the same area or cost does a comparison tell
regimes apart. All scenarios are answered first. Then everyone is held to the least:

    area   In each realm the selected area may be that of the scenario that selects least there, and not less by more
           than one unit (or a thousandth). A scenario keeps its objective and all its rows; where they cannot be met at
           that area, its targets become goals (below).
    cost   The new cost (of units that are not locked in) may be that of the cheapest scenario. Any other scenario was
           solved for the least cost that meets its targets, so at less they cannot all be met: they become goals.

Targets as goals: the objective is `min_shortfall` (the sum of missing shares of the targets); penalties are left out,
for they are priced in money, and so are the least areas and amounts that `area` and `linear` constraints ask for: they
are reported, not enforced. Upper limits and all other constraints stay. A scenario that is within the limits stays as
it is.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
import pandas as pd

from prioritize.accounting import NO_REALM, realms, sums
from prioritize.comparison import Comparison, Outcome, answer, combine, compare, raise_all, read_all, tables_of
from prioritize.errors import InfeasibleError, PrioritizeError, ScenarioError, SolveError
from prioritize.progress import Reporter
from prioritize.runner import load_landscape
from prioritize.scenario import Scenario, parse
from prioritize.source import Source
from prioritize.table import Table

#: area may be below the limit by this share, where one unit is less
SLACK = 1e-3
AS_IT_WAS, OWN, GOALS = "as it was", "own objective and rows", "targets as goals (min_shortfall)"

COLUMNS = {
    "scenario": "Name of the scenario.",
    "held": "What is held equal: the area of a realm, or the new cost.",
    "limit": "Its value for all scenarios.",
    "before": "What the scenario had before.",
    "reached": "What it has now.",
    "unit": "Unit of the three.",
    "how": "Whether it was answered again, and how.",
}


@dataclass(frozen=True)
class Limit:
    """What is held equal: the area of a realm in km2, or the new cost."""

    name: str
    value: float
    unit: str


def equalise(
    scenarios: Sequence[str | Path | Scenario],
    by: Literal["area", "cost"],
    out: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    jobs: int = 2,
    reporters: Sequence[Reporter] | None = None,
) -> tuple[Comparison, Comparison]:
    """Compare scenarios as they are, and at equal area or equal cost (see the module for what that means).

    Parameters
    ----------
    scenarios, out, changes, jobs, reporters
        As in `compare`. Runs of the second comparison lie in `out/equal_area` or `out/equal_cost`.
    by : "area" or "cost"

    Returns
    -------
    (Comparison, Comparison)
        The second one's `heading` says what was held at which value; its table `equalised` what came of it.

    Raises
    ------
    PrioritizeError
        The faults of all scenarios together; ScenarioError where they do not share realms or the cost unit.
    """
    read = read_all(scenarios, changes)
    reporters = list(reporters or [Reporter() for _ in read])
    check_shared(read, by)
    base = compare(read, out, jobs=jobs, reporters=reporters)
    limits = least_areas(base) if by == "area" else least_cost(base)
    folder = None if out is None else Path(out)
    sources: dict[str, Source] = {}
    lock = threading.Lock()

    def one(k: int) -> tuple[Outcome, str] | PrioritizeError:
        own = None if folder is None else folder / f"equal_{by}" / read[k].name
        try:
            if within(base, k, limits, by):
                summary = base.summaries[k]
                before = None if folder is None else folder / read[k].name
                made = tables_of(read[k], before, base.landscapes[k], base.selections[k], summary)
                return Outcome(base.landscapes[k], base.selections[k], summary, True, made), AS_IT_WAS
            rows = held_rows(base, k, limits, by)
            if by == "area":
                try:
                    return answer(held(read[k], rows), own, reporters[k], sources, lock), OWN
                except (InfeasibleError, SolveError):
                    reporters[k].log("its own rows cannot be met at this area: targets become goals")
            return answer(held(as_goals(read[k]), rows), own, reporters[k], sources, lock), GOALS
        except PrioritizeError as error:
            return type(error)([f"{read[k].name}, at equal {by}: {fault}" for fault in error.faults])

    results = joblib.Parallel(n_jobs=min(jobs, len(read)), backend="threading")(
        joblib.delayed(one)(k) for k in range(len(read))
    )
    raise_all(results)
    outcomes, ways = zip(*results, strict=True)
    equal = combine(base.names, outcomes, heading(base, limits, ways, by))
    report = told(base, equal, limits, ways, by)
    return base, combine(
        base.names,
        [
            Outcome(o.landscape, o.selection, o.summary, o.reused, [report[name], *o.tables])
            for name, o in zip(base.names, outcomes, strict=True)
        ],
        equal.heading,
    )


def check_shared(read: Sequence[Scenario], by: str) -> None:
    """Refuse scenarios that cannot be held to one another, before any of them is answered.

    Raises
    ------
    ScenarioError
        They do not share realms, or the unit of costs.
    """
    # those of one landscape share all that, and it need not be read
    keys = [json.dumps(scenario.plain()["landscape"], sort_keys=True) for scenario in read]
    first = {key: scenario for key, scenario in zip(reversed(keys), reversed(read), strict=True)}
    if len(first) == 1:
        return
    sources: dict[str, Source] = {}
    found = {key: load_landscape(scenario, sources) for key, scenario in first.items()}
    if by == "cost":
        units = sorted({landscape.cost_unit for landscape in found.values()})
        if len(units) > 1:
            raise ScenarioError(f"equal cost: the costs are in different units: {', '.join(units)}")
        return
    shared = {key: [name for name in realms(landscape)[1] if name != NO_REALM] for key, landscape in found.items()}
    own = shared[keys[0]]
    for scenario, other in zip(read, [shared[key] for key in keys], strict=True):
        if set(other) != set(own):
            raise ScenarioError(
                f"equal area: '{read[0].name}' has the realms {', '.join(own)}, "
                f"'{scenario.name}' has {', '.join(other)}; compare scenarios of one landscape"
            )


def areas(comparison: Comparison, k: int) -> dict[str, float]:
    """Selected area of each realm, km2."""
    landscape = comparison.landscapes[k]
    code, names = realms(landscape)
    chosen = np.where(comparison.selections[k].any(axis=1), landscape.area_km2, 0.0)
    return {name: float(v) for name, v in zip(names, sums(code, chosen, len(names)), strict=True) if name != NO_REALM}


def least_areas(comparison: Comparison) -> list[Limit]:
    """The least area that any scenario selects, realm by realm."""
    found = [areas(comparison, k) for k in range(len(comparison.names))]
    return [Limit(realm, min(other[realm] for other in found), "km2") for realm in found[0]]


def least_cost(comparison: Comparison) -> list[Limit]:
    """The least new cost of any scenario."""
    unit = comparison.landscapes[0].cost_unit
    return [Limit("new cost", min(float(summary["cost_new"]) for summary in comparison.summaries), unit)]


def values(comparison: Comparison, k: int, by: str) -> dict[str, float]:
    """What is held equal, as one scenario has it."""
    return areas(comparison, k) if by == "area" else {"new cost": float(comparison.summaries[k]["cost_new"])}


def within(comparison: Comparison, k: int, limits: Sequence[Limit], by: str) -> bool:
    """Whether a scenario is within all limits, and stays as it is."""
    have = values(comparison, k, by)
    return all(have[limit.name] <= limit.value + 1e-9 * abs(limit.value) for limit in limits)


def held_rows(comparison: Comparison, k: int, limits: Sequence[Limit], by: str) -> list[dict[str, Any]]:
    """The constraints that hold a scenario to the limits, as a scenario file has them."""
    landscape = comparison.landscapes[k]
    if by == "cost":
        # what is locked in costs what it costs: the budget is for all that is selected
        summary = comparison.summaries[k]
        amount = limits[0].value + float(summary["cost"]) - float(summary["cost_new"])
        return [{"kind": "budget", "name": "equal cost", "amount": amount}]
    code, names = realms(landscape)
    rows = []
    for limit in limits:
        mine = landscape.area_km2[code == names.index(limit.name)]
        total = float(mine.sum())
        if total <= 0:
            continue
        least = max(0.0, limit.value - max(float(mine.max()), SLACK * limit.value))
        of = f"realm:{limit.name}" if "realm" in landscape.groups else "all"
        share = {"share": least / total, "max_share": min(1.0, limit.value / total)}
        rows.append({"kind": "area", "name": f"equal area: {limit.name}", "of": of, **share})
    return rows


def held(scenario: Scenario, rows: list[dict[str, Any]]) -> Scenario:
    """A scenario with further constraints."""
    data = scenario.plain()
    return parse({**data, "constraints": [*data.get("constraints", []), *rows]}, scenario.name)


def as_goals(scenario: Scenario) -> Scenario:
    """A scenario whose targets are goals, without penalties and without the least amounts of its constraints."""
    data = scenario.plain()
    kept = []
    for constraint in data.get("constraints", []):
        least, most = LEAST_AND_MOST.get(constraint["kind"], ("", ""))
        if least in constraint and most not in constraint:
            continue
        kept.append({key: value for key, value in constraint.items() if key != least})
    weights = data["objective"].get("weights")
    objective = {"kind": "min_shortfall"} | ({} if weights is None else {"weights": weights})
    return parse({**data, "objective": objective, "penalties": [], "constraints": kept}, scenario.name)


#: constraint kind -> the keys of its least and its largest amount
LEAST_AND_MOST = {"area": ("share", "max_share"), "linear": ("min", "max")}


def heading(base: Comparison, limits: Sequence[Limit], ways: Sequence[str], by: str) -> str:
    """What is held equal, at which value, and what became of each scenario."""
    what = "; ".join(f"{limit.name} {limit.value:,.6g} {limit.unit}" for limit in limits)
    least = "the least that any scenario selects, realm by realm" if by == "area" else "that of the cheapest scenario"
    how = "; ".join(f"{name}: {way}" for name, way in zip(base.names, ways, strict=True))
    return f"At equal {by} ({least}): {what}. {how}."


def told(
    base: Comparison, equal: Comparison, limits: Sequence[Limit], ways: Sequence[str], by: str
) -> dict[str, Table]:
    """Limits, before and after, one table a scenario."""
    found = {}
    for k, name in enumerate(base.names):
        before, after = values(base, k, by), values(equal, k, by)
        rows = [(x.name, x.value, before[x.name], after[x.name], x.unit, ways[k]) for x in limits]
        frame = pd.DataFrame(rows, columns=list(COLUMNS)[1:])
        columns = {key: text for key, text in COLUMNS.items() if key != "scenario"}
        found[name] = Table("equalised", f"Held to equal {by}", frame, columns, equal.heading, order=0)
    return found
