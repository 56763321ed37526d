"""The formulation, without a solver: what a small problem is written as, line by line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from scipy import sparse
from strategies import problems

import prioritize.solve as solving
from prioritize.errors import InfeasibleError
from prioritize.evaluate import recheck
from prioritize.landscape import Graph, from_arrays
from prioritize.problem import Problem, compile_problem
from prioritize.program import Builder
from prioritize.registry import family
from prioritize.solve import explain, impossible_rows
from prioritize.solvers.milp import IMPLIED, INTEGER, STEP, flatten, integral
from prioritize.verify import check_rows

GOLDEN = Path(__file__).parent / "golden"


def four_in_a_row() -> Problem:
    """Four units in a row, one locked in, one locked out; two targets, a budget, a boundary penalty."""
    landscape = from_arrays(
        [1.0, 2.0, 4.0, 8.0, 3.0],
        [[1.0, 2.0, 3.0, 0.0, 1.0], [0.0, 5.0, 1.0, 1.0, 4.0]],
        status=[1, 0, 0, 0, -1],
        graph=Graph.from_edges(5, [0, 1, 2, 3], [1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 1.0, 1.0, 2.0]),
    )
    constraints, penalties = family("constraints"), family("penalties")
    return Problem(
        landscape,
        target=np.array([3.0, 4.0]),
        denominator=np.array([7.0, 11.0]),
        objective=family("objectives")["min_cost"](),
        constraints=(constraints["budget"](kind="budget", amount=14.0),),
        penalties=(penalties["boundary"](kind="boundary", weight=1.0, edge_factor=0.5),),
    )


def soft_two_zones() -> Problem:
    """Two units, two zones, soft targets under a budget, outlines apart."""
    landscape = from_arrays(
        [[2.0, 1.0], [4.0, 2.0]],
        [[1.0, 2.0]],
        zones=("protected", "oecm"),
        contribution=[[1.0, 0.5]],
        graph=Graph.from_edges(2, [0], [1], [3.0], [1.0, 1.0]),
    )
    return Problem(
        landscape,
        target=np.array([2.0]),
        denominator=np.array([3.0]),
        objective=family("objectives")["min_shortfall"](),
        constraints=(family("constraints")["budget"](kind="budget", amount=4.0),),
        penalties=(family("penalties")["boundary"](kind="boundary", weight=1.0, edge_factor=0.0, zones="apart"),),
    )


@pytest.mark.parametrize("problem", [four_in_a_row, soft_two_zones], ids=lambda make: make.__name__)
def test_formulation(problem) -> None:
    text = flatten(compile_problem(problem())).text()
    assert text == (GOLDEN / f"{problem.__name__}.txt").read_text()


def test_a_locked_end_needs_no_column() -> None:
    milp = flatten(compile_problem(four_in_a_row()))
    # of four borders only 1-2 and 2-3 lie between units that are both undecided
    assert int((milp.kind == IMPLIED).sum()) == 2
    assert int((milp.kind == INTEGER).sum()) == 5


def test_whole_numbers_for_cp_sat_relax_and_never_cut() -> None:
    milp = flatten(compile_problem(soft_two_zones()))
    whole, correction = integral(milp)
    assert np.all(whole.rows.data == np.round(whole.rows.data)) and np.all(whole.cost == np.round(whole.cost))
    assert correction >= 0
    rng = np.random.default_rng(1)
    for _ in range(200):
        x = np.where(
            milp.kind == 0, np.round(rng.random(len(milp.cost)) / STEP) * STEP, rng.integers(0, 2, len(milp.cost))
        )
        activity = milp.rows @ x
        if np.all(activity >= milp.row_lower - 1e-12) and np.all(activity <= milp.row_upper + 1e-12):
            steps = np.where(milp.kind == 0, np.round(x / STEP), x)
            inside = whole.rows @ steps
            assert np.all(inside >= whole.row_lower - 1e-6) and np.all(inside <= whole.row_upper + 1e-6)
            assert whole.unscaled(float(whole.cost @ steps)) <= milp.unscaled(float(milp.cost @ x)) + 1e-9


def test_impossible_says_what_is_there() -> None:
    problem = four_in_a_row()
    program = compile_problem(Problem(problem.landscape, np.array([6.5, 4.0]), problem.denominator, problem.objective))
    assert impossible_rows(program) == [
        "target for 'feature_1' asks for 6.5 amount, only 6 is not locked out (7 without the locks)"
    ]


@pytest.mark.parametrize("block", [1, 7, 10**6])
@given(problem=problems())
def test_reach_is_what_any_selection_can_hold(problem: Problem, block: int) -> None:
    """Of each row, by trying each unit's zones alone, however many amounts are looked at together."""
    program = compile_problem(problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solving, "BLOCK", block)
        low, high = solving.reach(program, program.upper)
    rows = program.rows.toarray()
    for row, amounts in enumerate(rows.reshape(len(rows), program.units, program.zones)):
        least = most = 0.0
        for unit, amount in enumerate(amounts):
            at = slice(unit * program.zones, (unit + 1) * program.zones)
            locked, allowed = program.lower[at] > 0, program.upper[at] > 0
            # zero is a choice of a unit without a lock, and of one that is locked into nothing this row counts
            options = amount[locked] if locked.any() else np.r_[0.0, amount[allowed]]
            counts = amount[locked] != 0 if locked.any() else amount != 0
            least += options.min() if counts.any() else 0.0
            most += options.max() if counts.any() else 0.0
        assert np.isclose(low[row], least, atol=1e-12) and np.isclose(high[row], most, atol=1e-12)


def test_rows_take_as_little_memory_as_they_can() -> None:
    """Indices of 32 bits, whatever was handed over, and arrays that are right already are not copied."""
    wide = sparse.csr_array(np.array([[1.0, 0.0, 2.0]]))
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    for matrix in (wide, sparse.csr_array(wide.toarray())):
        builder = Builder(3, 1)
        builder.add_rows(["one"], matrix)
        rows = builder.build().rows
        assert rows.indices.dtype == rows.indptr.dtype == np.int32
        assert np.shares_memory(rows.data, matrix.data) and rows.toarray().tolist() == [[1.0, 0.0, 2.0]]
    assert np.shares_memory(rows.indices, matrix.indices)


@pytest.mark.parametrize("solver", ["auto", "highs"])
def test_a_bound_at_zero_has_a_tolerance(solver: str) -> None:
    """0.1 + 0.2 - 0.3 is not 0 in binary fractions, and yet not above it for anybody who plans."""
    landscape = from_arrays([1.0, 1.0, 1.0], [[1.0, 1.0, 1.0]], layers={"net": np.array([0.1, 0.2, -0.3])})
    net = family("constraints")["linear"](kind="linear", layer="net", max=0.0)
    objective = family("objectives")["min_cost"]()
    problem = Problem(landscape, np.array([3.0]), np.array([3.0]), objective, (net,))
    program = compile_problem(problem)
    found = solving.solve(program, family("solvers")[solver](gap=0.0))
    recheck(problem, found.selection, found.objective)
    assert check_rows(problem, program, found.selection) == [] and found.selection.all()
    problem = Problem(landscape, np.array([2.0]), np.array([3.0]), objective, (net.model_copy(update={"max": -0.25}),))
    program = compile_problem(problem)
    with pytest.raises(InfeasibleError):
        solving.solve(program, family("solvers")[solver](gap=0.0))


def test_explanation_names_the_fewest_rows() -> None:
    problem = four_in_a_row()
    budget = family("constraints")["budget"](kind="budget", amount=2.5)
    program = compile_problem(
        Problem(problem.landscape, problem.target, problem.denominator, problem.objective, (budget,))
    )
    head, only = explain(program)
    assert "1 of 3 must give way" in head
    assert only == "raise budget from 2.5 to 3 cost"
