"""Joint against alone: what regions, or countries, gain by solving one problem together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from prioritize.connect import components
from prioritize.errors import InfeasibleError, PrioritizeError, ScenarioError
from prioritize.landscape import LOCKED_IN, LOCKED_OUT, Graph, Grouping, Landscape, some
from prioritize.place import Grid, Place, Polygons
from prioritize.problem import Problem, compile_problem, held, wanted
from prioritize.program import Builder
from prioritize.progress import Reporter
from prioritize.redline.borders import border_match
from prioritize.redline.composition import borders_of
from prioritize.redline.optimise import no_worse
from prioritize.runner import load_landscape, make_problem
from prioritize.scenario import Scenario
from prioritize.solve import Solution, impossible_rows, solve
from prioritize.summary import proof_sentence
from prioritize.table import Table
from prioritize.tolerance import MET, least, reached

#: name of the units that lie in no region
ELSEWHERE = "(no region)"


@dataclass(frozen=True, eq=False)
class Coordination:
    """The same problem solved once, and by each region for itself.

    Attributes
    ----------
    problem : Problem
        The joint one.
    level : str
    regions : Grouping
        No unit without a region.
    joint : Solution
    alone : mapping of region to Solution
        Its selection is over the units of the region.
    union : (U, Z) bool
        What the regions select for themselves.
    not_asked : tuple of str
        Constraints and penalties that regions (named if not all) cannot answer for by themselves: a corridor.
    broken : tuple of str
        Promises of the joint problem that the union does not keep.
    """

    problem: Problem
    level: str
    regions: Grouping
    joint: Solution
    alone: Mapping[str, Solution]
    union: np.ndarray
    not_asked: tuple[str, ...]
    broken: tuple[str, ...]


def part(landscape: Landscape, keep: np.ndarray) -> Landscape:
    """Some units (U,) bool of a landscape; borders with the others become outer ones, groups keep their names."""
    graph = landscape.graph
    i, j, length = graph.edges()
    inner = keep[i] & keep[j]
    number = np.cumsum(keep) - 1
    exposed = graph.exposed.copy()
    for one, other in ((i, j), (j, i)):
        cut = keep[one] & ~keep[other]
        np.add.at(exposed, one[cut], length[cut])
    place: Place = landscape.place
    if isinstance(place, Grid):
        place = replace(place, cell=place.cell[keep])
    elif isinstance(place, Polygons):
        place = Polygons(place.geometry[keep].reset_index(drop=True))
    return replace(
        landscape,
        unit_id=landscape.unit_id[keep],
        area_km2=landscape.area_km2[keep],
        cost=landscape.cost[keep],
        amount=landscape.amount[:, np.flatnonzero(keep)].tocsr(),
        status=landscape.status[keep],
        graph=Graph.from_edges(int(keep.sum()), number[i[inner]], number[j[inner]], length[inner], exposed[keep]),
        place=place,
        groups={level: Grouping(group.code[keep], group.names) for level, group in landscape.groups.items()},
        layers={name: values[keep] for name, values in landscape.layers.items()},
        tenure={name: values[keep] for name, values in landscape.tenure.items()},
    )


def reachable(landscape: Landscape) -> np.ndarray:
    """(F,) largest amount of each feature that locks, eligibility and contributions leave."""
    status = landscape.status
    allowed = status != LOCKED_OUT
    fixed = (status == LOCKED_IN).any(axis=1)
    allowed[fixed] = status[fixed] == LOCKED_IN
    amount = landscape.amount
    row = np.repeat(np.arange(amount.shape[0]), np.diff(amount.indptr))
    best = np.zeros(amount.nnz)
    for zone in range(len(landscape.zones)):
        best = np.maximum(best, landscape.contribution[row, zone] * allowed[amount.indices, zone])
    return np.bincount(row, amount.data * best, amount.shape[0])


def own_problem(joint: Problem, keep: np.ndarray) -> tuple[Problem, list[str]]:
    """What one region asks of itself, and the terms that it cannot.

    Of every target the part that the region has of the feature, as far as it can be held there: the parts add up to the
    joint target. Constraints that are shares, or hold within groups, are asked of the region's own part; absolute ones
    (so many km2 or so much money in all), those that need another region, and those out of its reach, are not.
    """
    landscape = part(joint.landscape, keep)
    whole = np.asarray(joint.landscape.amount.sum(axis=1)).ravel()
    own = np.asarray(landscape.amount.sum(axis=1)).ravel()
    share = np.divide(own, whole, out=np.zeros_like(own), where=whole > 0)
    target = np.minimum(joint.target * share, least(reachable(landscape)))
    problem = replace(joint, landscape=landscape, target=target, denominator=joint.denominator * share)
    problem = replace(problem, constraints=(), penalties=())
    units, _, zones = landscape.shape
    kept: dict[str, list[object]] = {"constraints": [], "penalties": []}
    left = []
    for family, terms in (("constraints", joint.constraints), ("penalties", joint.penalties)):
        for term in terms:
            name = getattr(term, "name", None) or getattr(term, "kind", "a constraint")
            try:
                if absolute(term):
                    raise ScenarioError("an absolute amount")
                to = Builder(units, zones)
                to.lower[:] = (landscape.status == LOCKED_IN).ravel()
                to.upper[:] = (landscape.status != LOCKED_OUT).ravel()
                term.add(problem, to)
                if impossible_rows(to.build()):
                    raise ScenarioError("out of the region's reach")
            except PrioritizeError:
                left.append(str(name))
            else:
                kept[family].append(term)
    return replace(problem, constraints=tuple(kept["constraints"]), penalties=tuple(kept["penalties"])), left  # type: ignore[arg-type]


def absolute(term: object) -> bool:
    """Whether a constraint speaks of an amount in all, not of a share."""
    kind = getattr(term, "kind", "")
    return (kind == "linear" and hasattr(term, "relative") and not term.relative) or (
        kind == "budget" and getattr(term, "amount", None) is not None
    )


def coordinate(
    scenario: Scenario, level: str, *, landscape: Landscape | None = None, reporter: Reporter | None = None
) -> Coordination:
    """Solve a scenario jointly, and region by region.

    The joint answer is never worse than what the regions do for themselves, where that keeps what is asked.

    Parameters
    ----------
    scenario : Scenario
        Its objective must be `min_cost`.
    level : str
        Level of landscape.regions: `province`, `country`.
    landscape : Landscape, optional
    reporter : Reporter, optional

    Raises
    ------
    PrioritizeError
        InfeasibleError names the region that cannot do its part.
    """
    import joblib

    landscape = load_landscape(scenario) if landscape is None else landscape
    if scenario.objective.kind != "min_cost":
        raise ScenarioError(
            f"objective.kind '{scenario.objective.kind}': joint and separate plans are compared at the same targets; "
            "use min_cost"
        )
    if level not in landscape.groups:
        raise ScenarioError(f"there is no level '{level}' of regions; use one of {some(list(landscape.groups))}")
    regions = filled(landscape.groups[level])
    present = [name for k, name in enumerate(regions.names) if (regions.code == k).any()]
    if len(present) < 2:
        raise ScenarioError(f"level '{level}' has one region only ({present[0]}), so there is nobody to agree with")
    problem = make_problem(scenario, landscape)
    program = compile_problem(problem)  # what is wrong with the scenario itself is told before a region is asked
    own = {name: own_problem(problem, regions.mask(name)) for name in present}

    def one(name: str) -> Solution | PrioritizeError:
        try:
            return solve(compile_problem(own[name][0]), scenario.solver, seed=scenario.seed)
        except PrioritizeError as error:
            return type(error)([f"{name}, alone: {fault}" for fault in error.faults])

    # threads: solvers run in processes of their own, and kernels release the GIL
    jobs = joblib.Parallel(n_jobs=os.cpu_count() or 1, backend="threading")
    found = dict(zip(present, jobs(joblib.delayed(one)(name) for name in present), strict=True))
    failed = [answer for answer in found.values() if isinstance(answer, PrioritizeError)]
    if failed:
        kind = InfeasibleError if any(isinstance(error, InfeasibleError) for error in failed) else type(failed[0])
        raise kind([fault for error in failed for fault in error.faults])
    alone = {name: answer for name, answer in found.items() if isinstance(answer, Solution)}
    union = np.zeros((landscape.shape[0], landscape.shape[2]), bool)
    for name, answer in alone.items():
        union[regions.mask(name)] = answer.selection
    broken = promises(problem, union)
    if broken:
        joint = solve(program, scenario.solver, seed=scenario.seed, reporter=reporter)
    else:
        joint = no_worse(problem, scenario, union, reporter)
    left_by: dict[str, list[str]] = {}
    for region, (_, left) in own.items():
        for name in left:
            left_by.setdefault(name, []).append(region)
    not_asked = [name if len(by) == len(own) else f"{name} ({some(by)})" for name, by in left_by.items()]
    return Coordination(problem, level, regions, joint, alone, union, tuple(not_asked), tuple(broken))


def filled(grouping: Grouping) -> Grouping:
    """The same regions, and one for the units that are in none."""
    code = np.asarray(grouping.code)
    if (code >= 0).all():
        return grouping
    return Grouping(np.where(code < 0, len(grouping.names), code).astype(np.int32), (*grouping.names, ELSEWHERE))


def promises(problem: Problem, selection: np.ndarray) -> list[str]:
    """Targets and constraints that a (U, Z) selection does not keep."""
    landscape = problem.landscape
    have = held(landscape, selection)
    names = landscape.features["name"].to_numpy()
    found = [
        f"target for '{names[f]}' is {problem.target[f]:.6g}, held is {have[f]:.6g}"
        for f in wanted(problem)
        if not reached(have[f], problem.target[f] * (1 - 2 * MET))
    ]
    return found + [line for constraint in problem.constraints for line in constraint.broken(problem, selection)]


def value(problem: Problem, selection: np.ndarray) -> float:
    """The joint objective of a selection: cost and penalties."""
    terms = (problem.objective, *problem.penalties)
    return float(sum(term.value(problem, selection) for term in terms))


def coordination_tables(made: Coordination) -> list[Table]:
    """Plans side by side, by region, by feature, and at the borders."""
    plans = {"alone": made.union, "joint": made.joint.selection}
    chosen = {name: np.asarray(selection.any(axis=1)) for name, selection in plans.items()}
    return [
        plans_table(made, plans),
        regions_table(made, plans),
        targets_table(made, plans),
        borders_of(chosen, made.problem.landscape, made.level, 4),
    ]


def plans_table(made: Coordination, plans: Mapping[str, np.ndarray]) -> Table:
    """Cost, targets and borders of both plans, and what coordination gains."""
    problem, landscape = made.problem, made.problem.landscape
    asked = wanted(problem)
    rows = []
    for name, selection in plans.items():
        chosen = np.asarray(selection.any(axis=1))
        border = border_match(chosen, landscape.graph, made.regions).frame.iloc[0]
        crossing, connected = connected_across(chosen, landscape, made.regions)
        have = held(landscape, selection)
        proof = proof_sentence(made.joint)
        if name == "alone":
            worst = max(made.alone.values(), key=lambda answer: answer.gap)
            proof = f"each region for itself: the least proven of {len(made.alone)} is {proof_sentence(worst)}"
        rows.append(
            {
                "plan": name,
                "cost": float(landscape.cost[selection].sum()),
                "objective": value(problem, selection),
                "area_km2": float(landscape.area_km2[chosen].sum()),
                "targets": len(asked),
                "targets_met": int(reached(have[asked], problem.target[asked] * (1 - 2 * MET)).sum()),
                "promises_broken": len(promises(problem, selection)),
                "border_matched_km": border["matched_km"],
                "border_mismatched_km": border["mismatched_km"],
                "match_rate": border["match_rate"],
                "patches_across": crossing,
                "connected_across_km2": connected,
                "proof": proof,
            }
        )
    frame = pd.DataFrame(rows)
    frame["share_cost_saved"] = 1 - frame["cost"] / frame["cost"].iloc[0]
    # what is proven whatever the joint plan's own gap: no joint plan is better than its bound
    lower = [np.nan, 1 - made.joint.bound / frame["objective"].iloc[0]]
    frame["share_objective_saved"] = 1 - frame["objective"] / frame["objective"].iloc[0]
    frame["share_objective_saved_at_most"] = lower
    columns = {
        "plan": f"alone: every {made.level} holds its own part of each target; joint: all of them together.",
        "cost": f"Cost, {landscape.cost_unit}.",
        "objective": "Cost and penalties as the joint problem counts them.",
        "area_km2": "Area selected, km2.",
        "targets": "Features that have a target.",
        "targets_met": "Targets of the joint problem that are met.",
        "promises_broken": "Targets and constraints of the joint problem that are missed.",
        "border_matched_km": "Border between regions with the selection on both sides, km.",
        "border_mismatched_km": "Border with it on one side only, km.",
        "match_rate": "Share of the selection's sides at the border that meet it again.",
        "patches_across": "Connected parts of the selection that lie in two regions or more.",
        "connected_across_km2": "Root of the sum, over parts and ordered pairs of regions, of the product of the "
        "part's areas in both: the equivalent connected area of pairs across a border, nothing passing between parts.",
        "proof": "What is proven.",
        "share_cost_saved": "Cost saved against each for itself.",
        "share_objective_saved": "Objective saved against each for itself: the price of not coordinating.",
        "share_objective_saved_at_most": "Largest saving that any joint plan can make over this one of the regions.",
    }
    note = (
        "Regions alone cannot answer for, and were not asked for: " + some(made.not_asked, 20) + ". "
        if made.not_asked
        else ""
    )
    note += f"The plans alone break: {'; '.join(made.broken[:5])}. " if made.broken else ""
    note += "The savings are those of these plans; each plan alone is only as good as its own proof."
    order = ["plan", *(column for column in columns if column != "plan")]
    return Table("coordination", f"Joint against {made.level} by {made.level}", frame[order], columns, note, 1)


def connected_across(chosen: np.ndarray, landscape: Landscape, regions: Grouping) -> tuple[int, float]:
    """Connected parts that lie in several regions, and the equivalent connected area of pairs across (km2)."""
    count, label = components(landscape.graph.indptr, landscape.graph.indices, chosen)
    area = np.zeros((count, len(regions.names)))
    np.add.at(area, (label[chosen], regions.code[chosen]), landscape.area_km2[chosen])
    pairs = area.sum(axis=1) ** 2 - (area**2).sum(axis=1)
    return int(((area > 0).sum(axis=1) > 1).sum()), float(np.sqrt(max(pairs.sum(), 0.0)))


def regions_table(made: Coordination, plans: Mapping[str, np.ndarray]) -> Table:
    """Cost and area by region under both plans."""
    landscape = made.problem.landscape
    rows = []
    for name, answer in made.alone.items():
        here = made.regions.mask(name)
        row: dict[str, object] = {made.level: name, "study_km2": float(landscape.area_km2[here].sum())}
        for plan, selection in plans.items():
            row[f"cost_{plan}"] = float(landscape.cost[here][selection[here]].sum())
        row["cost_change"] = row["cost_joint"] - row["cost_alone"]  # type: ignore[operator]
        for plan, selection in plans.items():
            row[f"share_{plan}"] = float(landscape.area_km2[here & selection.any(axis=1)].sum()) / row["study_km2"]  # type: ignore[operator]
        rows.append({**row, "gap_alone": answer.gap, "status_alone": answer.status})
    columns = {
        made.level: "Region.",
        "study_km2": "Its area, km2.",
        "cost_alone": f"Cost where it plans for itself, {landscape.cost_unit}.",
        "cost_joint": "Cost in it of the joint plan.",
        "cost_change": "Difference: what it would have to be paid, or could pay.",
        "share_alone": "Share of its area that it selects for itself.",
        "share_joint": "Share of its area in the joint plan.",
        "gap_alone": "Gap of its own plan.",
        "status_alone": "How its own solve ended.",
    }
    return Table("coordination_regions", f"Burden by {made.level}", pd.DataFrame(rows), columns, "", 2)


def targets_table(made: Coordination, plans: Mapping[str, np.ndarray]) -> Table:
    """Every target under both plans."""
    problem, landscape = made.problem, made.problem.landscape
    asked = wanted(problem)
    frame = pd.DataFrame({"feature": landscape.features["name"].to_numpy()[asked], "target": problem.target[asked]})
    for plan, selection in plans.items():
        frame[f"held_{plan}"] = held(landscape, selection)[asked]
        frame[f"met_{plan}"] = reached(frame[f"held_{plan}"], frame["target"] * (1 - 2 * MET))
    columns = {
        "feature": "Feature.",
        "target": "Target of the joint problem, in the feature's unit.",
        "held_alone": "Held where every region plans for itself.",
        "met_alone": "Whether that reaches it.",
        "held_joint": "Held by the joint plan.",
        "met_joint": "Whether that reaches it.",
    }
    return Table("coordination_targets", "Targets", frame, columns, "", 3)
