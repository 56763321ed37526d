"""solve(program) -> Solution: impossible is said before, infeasible explained after, and nothing leaves unchecked."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import sparse

from prioritize.certificate import proven_bound
from prioritize.engine import engine
from prioritize.engine.dual import Multipliers, dual_value
from prioritize.errors import InfeasibleError, SolveError
from prioritize.program import HARD, Builder, Extra, Program, yardstick
from prioritize.progress import Reporter, relative_gap
from prioritize.solvers._config import SolverConfig
from prioritize.solvers.milp import flatten
from prioritize.solvers.process import solve_milp

#: most seconds for a certificate where the solver gives none
PROOF = 30.0
#: amounts that are looked at together
BLOCK = 1_000_000


@dataclass(frozen=True, eq=False)
class Solution:
    """A selection with its proof.

    Attributes
    ----------
    selection : (U, Z) bool
    objective, bound : float
        In the user's sense: a minimised objective is never below its bound, a maximised one never above.
    gap : float
        |objective - bound| / |objective|.
    status : str
        optimal (gap below 1e-6), within_gap, time_limit, repaired (a heuristic answer that nothing further improves) or
        interrupted.
    seconds : float
    solver : str
    multipliers : Multipliers or None
        What proves the bound, or a part of it, to anybody who has the inputs (see `certificate.py`).
    certified : float or None
        The bound that the multipliers alone prove, in the user's sense.
    """

    selection: np.ndarray
    objective: float
    bound: float
    gap: float
    status: str
    seconds: float
    solver: str
    multipliers: Multipliers | None = None
    certified: float | None = None


def solve(program: Program, solver: SolverConfig, *, seed: int = 1, reporter: Reporter | None = None) -> Solution:
    """Find the best selection of a Program, and prove how good it is.

    Parameters
    ----------
    program : Program
    solver : SolverConfig
        A member of `prioritize/solvers/`.
    seed : int
    reporter : Reporter, optional

    Returns
    -------
    Solution

    Raises
    ------
    InfeasibleError
        No selection meets all hard rows; the faults say why.
    SolveError
        The solver failed, found nothing in time, or its answer cannot be made to meet every hard row.
    """
    reporter = reporter or Reporter()
    impossible = impossible_rows(program)
    if impossible:
        raise InfeasibleError(impossible)
    started = time.perf_counter()
    outcome = solver.solve(program, seed, reporter)
    if outcome.reason == "infeasible":
        raise InfeasibleError(explain_rules(program, seed) or explain(program, seed))
    if outcome.x is None:
        why = (
            "stopped by the user"
            if outcome.reason == "interrupted"
            else f"{solver.seconds:g} s were over"
            if solver.seconds
            else outcome.reason
        )
        rules = "".join(f" and '{extra.name}'" for extra in program.extras if extra.rule is not None)
        raise SolveError(
            f"{outcome.solver} found no selection that meets every hard row{rules} ({why}); "
            "give it more time (solver.seconds), or look at `prioritize check`"
        )
    x = np.clip(np.round(outcome.x), program.lower, program.upper)
    x = repair(program, x)
    objective = program.objective(x)
    multipliers = outcome.multipliers
    if multipliers is None:
        reporter.log(
            f"{outcome.solver} gives no proof that others can check: prices and flows of our own, for the certificate"
        )
        multipliers = engine.prove(program, objective, gap=solver.gap, seconds=PROOF, seed=seed, reporter=reporter)
    bound = min(max(outcome.bound, dual_value(program, multipliers), obvious_bound(program)), objective)
    gap = relative_gap(objective, bound)
    status = {
        "optimal": "within_gap",
        "limit": "time_limit",
        "repaired": "repaired",
        "interrupted": "interrupted",
    }[outcome.reason]
    if gap <= 1e-6:
        status = "optimal"
    return Solution(
        selection=x.reshape(program.units, program.zones).astype(bool),
        objective=program.sign * objective,
        bound=program.sign * bound,
        gap=gap,
        status=status,
        seconds=time.perf_counter() - started,
        solver=outcome.solver,
        multipliers=multipliers,
        certified=program.sign * proven_bound(program, multipliers),
    )


def obvious_bound(program: Program) -> float:
    """What no selection can be below: every column at its cheapest, borders and shortfalls free."""
    total = program.constant + float(np.minimum(program.cost * program.lower, program.cost * program.upper).sum())
    return total + sum(float(np.minimum(e.cost * e.lower, e.cost * e.upper).sum()) for e in program.extras)


def repair(program: Program, x: np.ndarray) -> np.ndarray:
    """Close what a solver's tolerance left open: add the best free columns until every hard row is met.

    Solvers accept a row that is short by 1e-9 of its largest coefficient, and CP-SAT one that is short by the rounding
    of its coefficients; a target is met or it is not.

    Raises
    ------
    SolveError
        If adding alone cannot do it.
    """
    given, x = program.violations(x), x.copy()
    hard = ~np.isfinite(program.price) & np.isfinite(program.row_lower)
    for _ in range(1000):
        if not program.violations(x):
            return x
        short = np.where(hard, program.row_lower - program.rows @ x, 0.0)
        open_rows = np.flatnonzero(short > 1e-9 * yardstick(program.row_lower, program.largest))
        if not open_rows.size:
            break
        taken = np.repeat(x.reshape(program.units, program.zones).any(axis=1), program.zones)
        free = (program.upper > 0) & ~taken
        part = program.rows[open_rows]
        gain = np.zeros(len(x))
        need = np.repeat(short[open_rows], np.diff(part.indptr))
        np.add.at(gain, part.indices, np.clip(part.data, 0.0, need) / need)
        gain[~free] = 0.0
        if gain.max(initial=0.0) <= 0:
            break
        worth = gain / (np.maximum(program.cost, 0.0) + 1e-12 + np.abs(program.cost).mean() * 1e-6)
        x[int(np.argmax(worth))] = 1.0
    if program.violations(x):
        raise SolveError([f"the solver's selection breaks {name} by {amount:.6g}" for name, amount in given])
    return x


def relaxation(program: Program, *, seed: int = 1) -> float:
    """Optimum of the LP relaxation, in the user's sense: unique, whatever the solver.

    Raises
    ------
    SolveError
        If the LP has no optimum.
    """
    milp = flatten(program, relax=True)
    answer = solve_milp(milp, "glop", seed=seed, lp=True)
    if answer.reason != "OPTIMAL" or answer.x is None:
        raise SolveError(f"the LP relaxation has no optimum: {answer.reason} {answer.detail}")
    return program.sign * milp.unscaled(float(milp.cost @ answer.x))


def reach(program: Program, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest activity of each row, each unit in its best zone: two (R,) arrays (safe from outside)."""
    rows = program.rows
    low, high = np.zeros(rows.shape[0]), np.zeros(rows.shape[0])
    # some rows at a time: what is made of their amounts is several times as large as these
    cuts = np.unique(np.searchsorted(rows.indptr, np.arange(0, rows.nnz, BLOCK), side="right") - 1)
    for start, stop in pairwise([*cuts.tolist(), rows.shape[0]]):
        part = slice(rows.indptr[start], rows.indptr[stop])
        column, amount = rows.indices[part], rows.data[part]
        if not len(column):
            continue
        locked, allowed = program.lower[column] > 0, upper[column] > 0
        unit = column // program.zones
        row = np.repeat(np.arange(start, stop), np.diff(rows.indptr[start : stop + 1]))
        first = np.flatnonzero(np.r_[True, (unit[1:] != unit[:-1]) | (row[1:] != row[:-1])])
        # a unit that is locked into a zone has no other to choose from
        bound = np.repeat(np.logical_or.reduceat(locked, first), np.diff(np.r_[first, len(unit)])) & ~locked
        for sums, pick, none in ((low, np.minimum, np.inf), (high, np.maximum, -np.inf)):
            value = np.where(locked, amount, np.where(allowed, pick(amount, 0.0), 0.0))
            np.add.at(sums, row[first], pick.reduceat(np.where(bound, none, value), first))
    return low, high


def impossible_rows(program: Program) -> list[str]:
    """Hard rows that no selection can meet, each with what is reachable and what stands in the way."""
    low, high = reach(program, program.upper)
    _, without_locks = reach(program, np.ones_like(program.upper))
    closed = " and ".join(["the locks", *sorted({extra.closes for extra in program.extras if extra.closes})])
    faults = []
    for row in range(program.rows.shape[0]):
        need, most = program.row_lower[row], program.row_upper[row]
        name, unit = program.row_names[row], program.row_units[row]
        if program.price[row] == HARD and high[row] < need - 1e-9 * abs(need):
            why = (
                f"only {high[row]:.10g} is not locked out ({without_locks[row]:.10g} without {closed})"
                if without_locks[row] > high[row] * (1 + 1e-12)
                else f"only {high[row]:.10g} is there"
            )
            faults.append(f"{name} asks for {need:.10g} {unit}".rstrip() + f", {why}")
        if low[row] > most + 1e-9 * abs(most):
            faults.append(
                f"{name} allows {most:.10g} {unit}".rstrip() + f", but locked-in units already take {low[row]:.10g}"
            )
    return faults


def explain_rules(program: Program, seed: int = 1) -> list[str]:
    """Extra blocks without which a selection exists, where all together allow none; empty if the rows are at fault."""

    def possible(extras: tuple[Extra, ...]) -> bool:
        milp = flatten(replace(program, cost=np.zeros_like(program.cost), edges=(), extras=extras))
        return solve_milp(milp, "highs", gap=0.0, seconds=30.0, seed=seed).x is not None

    rules = [extra for extra in program.extras if extra.rule is not None]
    others = tuple(extra for extra in program.extras if extra.rule is None)
    if not rules or not possible(others):
        return []
    names = ", ".join(f"'{extra.name}'" for extra in rules)
    faults = [f"no selection meets {names} together with all other rows; without them there is one"]
    for extra in rules if len(rules) > 1 else []:
        if possible(others + tuple(other for other in rules if other is not extra)):
            faults.append(f"without '{extra.name}' alone there is one")
    return faults


def explain(program: Program, seed: int = 1) -> list[str]:
    """The smallest set of hard rows to relax so that a selection exists, and by how much each.

    A small integer program of its own: a slack and a switch for every side of every hard row, fewest switches first.
    """
    sides = []
    for row in range(program.rows.shape[0]):
        if program.price[row] == HARD and np.isfinite(program.row_lower[row]):
            sides.append((row, 1.0, program.row_lower[row]))
        if np.isfinite(program.row_upper[row]):
            sides.append((row, -1.0, -program.row_upper[row]))
    count = len(sides)
    if not count:
        return ["no selection fits the locks and zones together"]
    columns = program.units * program.zones
    where, sign = np.array([side[0] for side in sides]), np.array([side[1] for side in sides])
    bound = np.array([side[2] for side in sides])
    scale = yardstick(bound, program.largest[where])
    main = sparse.diags_array(sign / scale) @ program.rows[where]
    worst = 1.0 + np.abs(main).sum(axis=1)
    eye = sparse.eye_array(count)
    builder = Builder(program.units, program.zones)
    builder.lower[:], builder.upper[:] = program.lower, program.upper
    builder.mandatory = program.mandatory
    builder.add_extra(
        Extra(
            name="relaxed rows",
            cost=np.r_[np.full(count, 1e-3 / count), np.ones(count)],
            lower=np.zeros(2 * count),
            upper=np.r_[worst, np.ones(count)],
            integer=np.r_[np.zeros(count, bool), np.ones(count, bool)],
            rows=sparse.vstack(
                [
                    sparse.hstack([main, eye, sparse.csr_array((count, count))]),
                    sparse.hstack([sparse.csr_array((count, columns)), -eye, sparse.diags_array(worst)]),
                ],
                format="csr",
            ),
            row_lower=np.r_[bound / scale, np.zeros(count)],
            row_upper=np.full(2 * count, np.inf),
            row_names=(),
            complete=lambda x: np.zeros(2 * count),
        )
    )
    milp = flatten(builder.build())
    answer = solve_milp(milp, "highs", gap=0.0, seconds=30.0, seed=seed)
    if answer.x is None:
        return ["no selection meets all hard rows together (the search for the rows to relax was cut off after 30 s)"]
    x = np.round(answer.x[:columns])
    activity = program.rows @ x
    faults = []
    for (r, s, b), size in zip(sides, scale, strict=True):
        have = s * activity[r]
        if have < b - 1e-9 * size:
            unit = program.row_units[r]
            verb = "lower" if s > 0 else "raise"
            faults.append(f"{verb} {program.row_names[r]} from {s * b:.10g} to {s * have:.10g} {unit}".rstrip())
    if not faults:
        return ["no selection meets all hard rows together; by how little is beyond what numbers can tell"]
    head = f"no selection meets all hard rows together; {len(faults)} of {count} must give way, for example:"
    return [head, *faults]
