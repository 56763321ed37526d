"""The optimum is counted: on 3x3 grids every mix of terms equals the best of all selections, for each solver."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import counted, problems

from prioritize.errors import InfeasibleError
from prioritize.evaluate import recheck, terms
from prioritize.problem import Problem, compile_problem
from prioritize.registry import family
from prioritize.solve import relaxation, solve
from prioritize.solvers.milp import flatten, lift

SOLVERS = ("highs", "scip", "cp_sat")


@settings(max_examples=30)
@given(problem=problems())
def test_program_agrees_with_naive(problem: Problem) -> None:
    """Objective and feasibility of the Program equal plain loops over the landscape, on random selections."""
    program = compile_problem(problem)
    units, _, zones = problem.landscape.shape
    rng = np.random.default_rng(0)
    for _ in range(40):
        choice = rng.integers(-1, zones, units)
        selection = np.zeros((units, zones), bool)
        selection[choice >= 0, choice[choice >= 0]] = True
        x = selection.astype(float).ravel()
        assert program.sign * program.objective(x) == pytest.approx(naive.objective(problem, selection), abs=1e-9)
        assert (not program.violations(x)) == naive.feasible(problem, selection)
        assert sum(value for _, value in terms(problem, selection)) == pytest.approx(
            naive.objective(problem, selection), abs=1e-9
        )


@settings(max_examples=30)
@given(problem=problems())
def test_a_lifted_selection_is_a_solution(problem: Problem) -> None:
    """What solvers are given to start from: all columns fit all rows, and cost what the selection costs."""
    program = compile_problem(problem)
    milp = flatten(program)
    tolerance = 1e-9 * np.maximum(1.0, np.abs(milp.rows).sum(axis=1))
    rng = np.random.default_rng(1)
    for _ in range(10):
        choice = rng.integers(-1, program.zones, program.units)
        grid = np.zeros((program.units, program.zones))
        grid[choice >= 0, choice[choice >= 0]] = 1.0
        x = np.clip(grid.ravel(), program.lower, program.upper)
        if program.violations(x):
            continue
        full = lift(milp, x, program.extras)
        held = milp.rows @ full
        assert np.all(held >= milp.row_lower - tolerance) and np.all(held <= milp.row_upper + tolerance)
        assert np.all((full >= milp.lower - 1e-12) & (full <= milp.upper + 1e-12))
        assert milp.unscaled(float(milp.cost @ full)) == pytest.approx(program.objective(x), abs=1e-7)


def check_against_count(problem: Problem) -> None:
    program = compile_problem(problem)
    best = counted(program)
    optimum = program.sign * best if np.isfinite(best) else None
    for name in SOLVERS:
        solver = family("solvers")[name](gap=0.0)
        if optimum is None:
            with pytest.raises(InfeasibleError) as error:
                solve(program, solver)
            assert error.value.faults
            continue
        solution = solve(program, solver)
        recheck(problem, solution.selection, solution.objective)
        assert naive.feasible(problem, solution.selection)
        assert solution.objective == pytest.approx(optimum, abs=1e-6), name
        # the bound is on the right side of the true optimum, and so is the relaxation
        assert program.sign * (solution.bound - optimum) <= 1e-6, name
        # CP-SAT's whole numbers cost its bound up to 1e-6 a continuous column (see milp.integral)
        assert solution.status == "optimal" or abs(solution.objective - solution.bound) < 2e-5, name
    if optimum is not None:
        assert program.sign * (relaxation(program) - optimum) <= 1e-6


@settings(max_examples=50)
@given(problem=problems(zones=1))
def test_one_zone(problem: Problem) -> None:
    check_against_count(problem)


@pytest.mark.slow
@settings(max_examples=8)
@given(problem=problems(zones=2))
def test_two_zones(problem: Problem) -> None:
    """19,683 selections each."""
    check_against_count(problem)


@settings(max_examples=30)
@given(problem=problems(zones=1))
def test_renumbering_changes_nothing(problem: Problem) -> None:
    """The optimum does not depend on the order of the units."""
    from dataclasses import replace

    order = np.random.default_rng(3).permutation(problem.landscape.shape[0])
    other = replace(problem, landscape=problem.landscape.renumbered(order))
    solver = family("solvers")["highs"](gap=0.0)
    try:
        first = solve(compile_problem(problem), solver).objective
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            solve(compile_problem(other), solver)
        return
    assert solve(compile_problem(other), solver).objective == pytest.approx(first, abs=1e-6)
