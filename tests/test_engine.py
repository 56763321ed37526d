"""The engine: bound <= optimum <= objective on every problem that can be counted; all hard rows are met."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import sparse
from strategies import counted, problems, programs

from prioritize.certificate import proven_bound
from prioritize.engine import bound, engine, search, view
from prioritize.engine.dual import dual_value
from prioritize.errors import InfeasibleError
from prioritize.problem import Problem, compile_problem
from prioritize.program import Builder, Program
from prioritize.progress import Reporter
from prioritize.registry import family
from prioritize.solve import impossible_rows, solve
from prioritize.solvers.process import Answer


def close_below(low: float, high: float) -> bool:
    return low <= high + 1e-8 * max(1.0, abs(high))


def check(program: Program, polish: bool) -> None:
    optimum = counted(program)
    result = engine.solve(program, gap=0.0, seed=1, polish=polish)
    assert close_below(result.bound, optimum)
    assert close_below(dual_value(program, result.multipliers), optimum)
    if result.bound_by == "multipliers":
        assert result.bound == pytest.approx(dual_value(program, result.multipliers), rel=1e-9)
    if result.x is not None:
        assert not program.violations(result.x)
        assert result.objective == program.objective(result.x)
        assert close_below(optimum, result.objective)


@settings(max_examples=40)
@given(problem=problems(zones=1))
def test_bound_optimum_objective_one_zone(problem: Problem) -> None:
    program = compile_problem(problem)
    if not impossible_rows(program):
        check(program, polish=False)


@settings(max_examples=8)
@given(problem=problems(zones=1))
def test_bound_optimum_objective_with_the_integer_program(problem: Problem) -> None:
    program = compile_problem(problem)
    if not impossible_rows(program) and not program.extras:
        check(program, polish=True)


@pytest.mark.slow
@settings(max_examples=25)
@given(problem=problems(zones=2))
def test_bound_optimum_objective_two_zones(problem: Problem) -> None:
    program = compile_problem(problem)
    if not impossible_rows(program):
        check(program, polish=False)


@settings(max_examples=50)
@given(program=programs())
def test_any_program(program: Program) -> None:
    """`auto` finds the counted optimum, or says that there is none; no bound passes it."""
    optimum = counted(program)
    solver = family("solvers")["auto"](gap=0.0, seconds=10.0)
    if not np.isfinite(optimum):
        with pytest.raises(InfeasibleError):
            solve(program, solver)
        return
    assert not impossible_rows(program)
    found = solve(program, solver)
    assert program.sign * found.objective == pytest.approx(optimum, abs=1e-6)
    assert program.sign * found.bound <= optimum + 1e-7
    assert found.status == "optimal"
    assert proven_bound(program, found.multipliers) <= optimum + 1e-9


@settings(max_examples=30)
@given(problem=problems(zones=1))
def test_auto_closes(problem: Problem) -> None:
    program = compile_problem(problem)
    optimum = counted(program)
    solver = family("solvers")["auto"](gap=0.0)
    if np.isinf(optimum):
        with pytest.raises(InfeasibleError):
            solve(program, solver)
        return
    solution = solve(program, solver)
    assert program.sign * solution.objective == pytest.approx(optimum, abs=1e-6)
    assert solution.status == "optimal"


def landscape_program(side: int = 30, zones: int = 1, **more: object) -> Program:
    from benchmarks.cases import blobs

    return blobs(side, 20, zones=zones, **more)


@pytest.mark.parametrize("zones", [1, 2])
@pytest.mark.parametrize("boundary", [0.0, 0.3])
def test_same_seed_same_bytes(zones: int, boundary: float) -> None:
    program = landscape_program(16, zones=zones, boundary=boundary)
    first, second = (engine.solve(program, gap=1e-4, seed=3, polish=False) for _ in range(2))
    assert first.x is not None and second.x is not None
    assert first.x.tobytes() == second.x.tobytes()
    assert first.bound == second.bound
    assert first.objective == second.objective


def test_same_bytes_for_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    program = landscape_program(16, boundary=0.3)
    monkeypatch.setattr(view, "SMALL", 10)  # many spans although the case is small
    answers = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(view, "_pool", [ThreadPoolExecutor(threads)])
        answers.append(engine.solve(program, gap=1e-4, seed=3, polish=False))
    assert len({answer.x.tobytes() for answer in answers if answer.x is not None}) == 1
    assert len({answer.bound for answer in answers}) == 1


@pytest.mark.parametrize("block", [1, 7, 10**6])
@given(problem=problems())
def test_sums_over_rows(problem: Problem, block: int) -> None:
    """What a selection holds, and the moments of each row, however many amounts are summed together."""
    seen = view.view(compile_problem(problem))
    matrix = np.zeros((len(seen.lower), len(seen.cost)))
    for column in range(len(seen.cost)):
        at = slice(seen.indptr[column], seen.indptr[column + 1])
        matrix[seen.row[at], column] = seen.amount[at]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(view, "BLOCK", block)
        count, total, squares = seen.moments
    assert np.array_equal(count, np.bincount(seen.row, minlength=len(matrix)))
    assert np.allclose(total, np.abs(matrix).sum(axis=1)) and np.allclose(squares, (matrix**2).sum(axis=1))
    zone = np.arange(seen.units, dtype=np.int8) % (seen.zones + 1) - 1
    chosen = np.flatnonzero(zone >= 0)
    assert np.allclose(seen.held(zone), matrix[:, chosen * seen.zones + zone[chosen]].sum(axis=1))


@pytest.mark.parametrize("heard", ["before", "in the sample", "after rounding"])
def test_stop_is_heard(heard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that takes time begins after a stop, and the linear program of the sample ends with it."""
    reporter = Reporter()
    if heard == "before":
        reporter.stop.set()
    elif heard == "in the sample":
        solve_sample = bound.solve_milp

        def stopped(*arguments: Any, stop: threading.Event, **more: Any) -> Answer:
            stop.set()  # the user's; the solver's process hears it from there
            return solve_sample(*arguments, stop=stop, **more)

        monkeypatch.setattr(bound, "solve_milp", stopped)
    else:
        monkeypatch.setattr(search.Search, "rounded", lambda *_: reporter.stop.set() or np.full(900, -1, np.int8))
    result = engine.solve(landscape_program(boundary=0.3), gap=0.0, reporter=reporter)
    assert reporter.stop.is_set() and result.reason in ("interrupted", "nothing")
    assert not any("annealed" in line or "0.65" in line or "neighbourhoods" in line for line in reporter.lines)


def test_a_row_without_a_unit_in_the_sample_keeps_the_prices_of_the_others() -> None:
    program = landscape_program(40)
    seen = view.view(program)
    prices = bound.sample_prices(seen, 1)
    rare = sparse.csr_array(([1.0], ([0], [7])), shape=(1, program.units))
    more = dataclasses.replace(
        program, rows=sparse.vstack([program.rows, rare], format="csr"), row_lower=np.r_[program.row_lower, 0.5],
        row_upper=np.r_[program.row_upper, np.inf], price=np.r_[program.price, np.inf],
        row_names=(*program.row_names, "rare"), row_units=(*program.row_units, ""),
    )  # fmt: skip
    with_rare = view.view(more)
    # the sample sees nothing of that row, which its moments say is there
    missed = dataclasses.replace(with_rare, amount=np.where(with_rare.row == len(prices), 0.0, with_rare.amount))
    vars(missed)["moments"] = with_rare.moments
    drawn = bound.sample_prices(missed, 1)
    np.testing.assert_allclose(drawn[:-1], prices, rtol=1e-6, atol=1e-9)


def test_rows_that_contradict_each_other_where_a_zone_is_mandatory() -> None:
    """Prices grow without end: that is said as infeasible, not as a fault of the linear algebra."""
    to = Builder(2, 2)
    to.mandatory = True
    to.add_cost(np.array([0.625, 2.0, 2.125, 0.375]))
    to.upper[2] = 0.0
    to.add_rows(["little"], np.array([[1.25, 1.5, 3.25, 1.5]]), upper=1.0)
    to.add_edges("edges", np.array([0, 1]), np.array([1, 0]), np.array([4.0, 5.5]), (1,))
    assert engine.solve(to.build(), gap=1e-3).reason == "nothing"
    with pytest.raises(InfeasibleError):
        solve(to.build(), family("solvers")["auto"](gap=0.0))
