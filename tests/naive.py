"""Slow twins: what kernels, programs and metrics must agree with, written as plainly as possible."""

from __future__ import annotations

import itertools

import numpy as np

from prioritize.problem import Problem


def objective(problem: Problem, selection: np.ndarray) -> float:
    """Objective of a (U, Z) selection by plain loops over units, borders and features, in the user's sense."""
    landscape = problem.landscape
    units, features, zones = landscape.shape
    amount = landscape.amount.toarray()
    have = [
        sum(amount[f, u] * landscape.contribution[f, z] for u in range(units) for z in range(zones) if selection[u, z])
        for f in range(features)
    ]
    kind = problem.objective.kind
    asked = [f for f in range(features) if problem.target[f] > 0]
    missing = {f: max(0.0, problem.target[f] - have[f]) / problem.target[f] for f in asked}
    total = {
        "min_cost": lambda: sum(landscape.cost[u, z] for u in range(units) for z in range(zones) if selection[u, z]),
        "min_shortfall": lambda: sum(missing.values()),
        "min_largest_shortfall": lambda: max(missing.values(), default=0.0),
        "max_features": lambda: sum(missing[f] <= 1e-9 for f in asked),
        "max_cover": lambda: sum(amount_held > 0 for amount_held in have),
        "max_utility": lambda: sum(have),
    }[kind]()
    sign = -1 if kind.startswith("max_") else 1
    for penalty in problem.penalties:
        total += (
            sign
            * penalty.weight
            * (
                outline(problem, selection, penalty)
                if penalty.kind == "boundary"
                else layer_sum(problem, selection, penalty)
            )
        )
    return float(total)


def outline(problem: Problem, selection: np.ndarray, penalty) -> float:
    """Outline of the zones that a boundary penalty looks at."""
    graph = problem.landscape.graph
    names = [zone.name for zone in problem.landscape.zones]
    parts = {"together": [names], "apart": [[name] for name in names]}.get(
        penalty.zones if isinstance(penalty.zones, str) else "", [penalty.zones]
    )
    total = 0.0
    for part in parts:
        numbers = [names.index(name) for name in part]
        chosen = [bool(selection[u, numbers].any()) for u in range(graph.units)]
        for u in range(graph.units):
            if chosen[u]:
                total += penalty.edge_factor * graph.exposed[u]
            for k in range(graph.indptr[u], graph.indptr[u + 1]):
                if chosen[u] and not chosen[graph.indices[k]]:
                    total += graph.weight[k]
    return total


def layer_sum(problem: Problem, selection: np.ndarray, penalty) -> float:
    """Sum of a layer over the selected units."""
    layer = problem.landscape.layers[penalty.layer]
    return sum(layer[u] for u in range(len(layer)) if selection[u].any())


def feasible(problem: Problem, selection: np.ndarray) -> bool:
    """Does a (U, Z) selection meet every lock, hard target and constraint?"""
    landscape = problem.landscape
    units, features, zones = landscape.shape
    slack = 1e-9
    for u, z in itertools.product(range(units), range(zones)):
        if landscape.status[u, z] == 1 and not selection[u, z]:
            return False
        if landscape.status[u, z] == -1 and selection[u, z]:
            return False
    chosen = [bool(selection[u].any()) for u in range(units)]
    if problem.objective.kind == "min_cost":
        amount = landscape.amount.toarray()
        for f in range(features):
            have = sum(
                amount[f, u] * landscape.contribution[f, z]
                for u in range(units)
                for z in range(zones)
                if selection[u, z]
            )
            if have < problem.target[f] - slack:
                return False
    for constraint in problem.constraints:
        if constraint.kind == "budget":
            spent = sum(landscape.cost[u, z] for u in range(units) for z in range(zones) if selection[u, z])
            if spent > constraint.amount + slack:
                return False
        elif constraint.kind == "area":
            realm = landscape.groups["realm"]
            groups = {"all": [0, 1], "realm:sea": [realm.names.index("sea")]}.get(constraint.of)
            for group in [groups] if groups else [[0], [1]]:
                inside = [u for u in range(units) if realm.code[u] in group]
                total = sum(landscape.area_km2[u] for u in inside)
                part = sum(landscape.area_km2[u] for u in inside if chosen[u])
                if constraint.share is not None and part < constraint.share * total - slack:
                    return False
                if constraint.max_share is not None and part > constraint.max_share * total + slack:
                    return False
        elif constraint.kind == "mandatory":
            if not all(chosen):
                return False
        elif constraint.kind == "linear":
            if sum(landscape.layers[constraint.layer][u] for u in range(units) if chosen[u]) > constraint.max + slack:
                return False
        elif any(chosen[u] for u in range(units) if landscape.unit_id[u] in constraint.units):  # locked out
            return False
    return True
