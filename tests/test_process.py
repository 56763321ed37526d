"""The solver process: what it leaves when it is stopped; and `auto`, which runs HiGHS alone beside its own way."""

from __future__ import annotations

import pickle
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from scipy import sparse
from test_engine import landscape_program

from prioritize.errors import SolveError
from prioritize.landscape import from_arrays
from prioritize.problem import Problem, compile_problem
from prioritize.program import Program
from prioritize.progress import Reporter
from prioritize.registry import family
from prioritize.solvers import process
from prioritize.solvers._config import Outcome, SolverConfig
from prioritize.solvers.mathopt import read_better
from prioritize.solvers.milp import flatten


def test_the_last_whole_solution_that_highs_appended_counts(tmp_path: Path) -> None:
    better = tmp_path / "better.sol"
    assert read_better(better, 2) is None
    better.write_text("")
    assert read_better(better, 2) is None
    better.write_text("Objective 9\n# Columns 2\n 1\n 0.5\nObjective 7\n# Columns 2\n 0\n 1\n")
    np.testing.assert_array_equal(read_better(better, 2), [0.0, 1.0])
    for half in ("Obj", "Objective 5\n", "Objective 5\n# Columns 2\n 1\n 0.12"):
        better.write_text("Objective 9\n# Columns 2\n 1\n 0.5\n" + half)
        np.testing.assert_array_equal(read_better(better, 2), [1.0, 0.5])


def test_highs_stopped_leaves_its_best_selection() -> None:
    milp = flatten(landscape_program(40, boundary=0.5))
    stop = threading.Event()
    seen: list[float] = []

    def listen(lines: list[str], bound: float, incumbent: float) -> None:
        if np.isfinite(incumbent) and (not seen or incumbent < seen[-1]):
            seen.append(incumbent)
        if len(seen) >= 3:
            stop.set()

    answer = process.solve_milp(milp, "highs", gap=1e-9, seconds=120, on_log=listen, stop=stop)
    assert answer.reason == "INTERRUPTED" and answer.x is not None and len(seen) >= 3
    assert milp.cost @ answer.x <= seen[-1] * (1 + 1e-6)


def test_a_stop_that_meets_the_answer_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer's frame has begun to come when the user stops: it arrives whole, and at once."""
    stop, receive, began = threading.Event(), process.receive, time.monotonic()

    class Slow:
        """Gives the first bytes of a large frame, and the rest a second after the stop."""

        def __init__(self, stream: IO[bytes]):
            self.stream = stream

        def read(self, size: int) -> bytes:
            if size > 1_000_000:
                stop.set()
                time.sleep(1.0)
            return self.stream.read(size)

    monkeypatch.setattr(process, "_idle", [])
    monkeypatch.setattr(process, "receive", lambda stream: receive(Slow(stream)))
    milp = flatten(landscape_program(10))
    many = sparse.csr_array((1, 300_000))
    wide = replace(
        milp, cost=np.ones(300_000), lower=np.zeros(300_000), upper=np.ones(300_000), rows=many,
        kind=np.ones(300_000, np.int8), row_lower=np.full(1, -np.inf), row_upper=np.ones(1),
    )  # fmt: skip
    answer = process.solve_milp(wide, "highs", seconds=60, stop=stop)
    assert answer.x is not None and len(answer.x) == 300_000
    assert stop.is_set() and time.monotonic() - began < 30


def test_a_frame_that_is_cut_off_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(stream: IO[bytes]) -> None:
        raise pickle.UnpicklingError("cut off")

    receive, calls = process.receive, []
    monkeypatch.setattr(process, "_idle", [])
    monkeypatch.setattr(
        process, "receive", lambda stream: calls.append(0) or (receive if len(calls) < 2 else cut)(stream)
    )
    with pytest.raises(SolveError, match="died while solving"):
        process.solve_milp(flatten(landscape_program(10)), "highs", seconds=20)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder, no process: after an answer, a stop, a process that dies, one that cannot be told."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(process, "_idle", [])
    milp, stop, started = flatten(landscape_program(40, boundary=0.5)), threading.Event(), []
    make = process.Worker.__init__

    def noted(self: process.Worker) -> None:
        make(self)
        started.append(self)

    monkeypatch.setattr(process.Worker, "__init__", noted)
    process.solve_milp(milp, "highs", seconds=1)
    threading.Timer(1.0, stop.set).start()
    process.solve_milp(milp, "highs", seconds=60, gap=0.0, stop=stop)
    assert not process._idle and started[0].process.returncode is not None
    killer = threading.Timer(1.0, lambda: started[1].process.kill())
    killer.start()
    with pytest.raises(SolveError, match="died while solving"):
        process.solve_milp(milp, "highs", seconds=60, gap=0.0)
    monkeypatch.setattr(process, "send", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        process.solve_milp(milp, "highs", seconds=1)
    assert len(started) == 3 and all(worker.process.returncode is not None for worker in started)
    assert not list(tmp_path.iterdir())


class Way:
    """A stand-in for what `auto` does in turn: takes everything, or nothing, and says that it is through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, program: Program, reason: str):
        self.poor = program.upper.copy()
        outcome = Outcome(self.poor, -1.0, reason, "engine", None)
        monkeypatch.setattr(type(AUTO), "in_turn", lambda *_, **__: outcome)


AUTO = family("solvers")["auto"](gap=1e-3, seconds=20.0)


def test_auto_is_no_worse_than_highs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    program = landscape_program(9)
    way = Way(monkeypatch, program, "limit")
    found = AUTO.solve(program, 1, Reporter())
    alone = family("solvers")["highs"](gap=1e-3, seconds=20.0).solve(program, 1, Reporter())
    assert found.x is not None and alone.x is not None
    assert program.objective(found.x.round()) == program.objective(alone.x.round()) < program.objective(way.poor)
    assert found.reason == "optimal" and found.bound == alone.bound
    assert found.solver.startswith("engine and highs")


def test_what_is_proven_in_turn_is_the_answer_whichever_was_first(monkeypatch: pytest.MonkeyPatch) -> None:
    program = landscape_program(9)
    way = Way(monkeypatch, program, "optimal")
    found = AUTO.solve(program, 1, Reporter())
    assert found.x is way.poor and found.solver == "engine"


def test_a_solver_that_dies_beside_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    program = landscape_program(9)
    way = Way(monkeypatch, program, "limit")

    def dies(self: SolverConfig, *_: object) -> Outcome:
        raise SolveError("out of memory")

    monkeypatch.setattr(type(AUTO), "through_mathopt", dies)
    reporter = Reporter()
    assert AUTO.solve(program, 1, reporter).x is way.poor
    assert any("out of memory" in line for line in reporter.lines)


def test_once_highs_alone_is_through_the_rest_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the limit is far away; and the user has not interrupted anything."""
    program = landscape_program(9)
    slow = Outcome(program.upper.copy(), -1.0, "interrupted", "engine", None)
    ends = time.monotonic() + 100

    def dawdle(self: SolverConfig, program: Program, seed: int, reporter: Reporter, both: bool) -> Outcome:
        while not reporter.stop.is_set():
            assert time.monotonic() < ends, "nothing stops it"
            time.sleep(0.01)
        return slow

    monkeypatch.setattr(type(AUTO), "in_turn", dawdle)
    monkeypatch.setattr("prioritize.solvers.auto.GRACE", 0.0)
    reporter = Reporter()
    found = AUTO.model_copy(update={"seconds": 600.0}).solve(program, 1, reporter)
    assert found.reason == "optimal" and found.x is not None and not reporter.stop.is_set()
    assert program.objective(found.x.round()) < program.objective(slow.x)


def test_highs_beside_stands_where_the_own_way_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object, **__: object) -> Outcome:
        raise SolveError("out of memory")

    program = landscape_program(9)
    monkeypatch.setattr(type(AUTO), "in_turn", dies)
    found, alone = (solver.solve(program, 1, Reporter()) for solver in (AUTO, family("solvers")["highs"](gap=1e-3)))
    assert found.reason == "optimal" and program.objective(found.x.round()) == program.objective(alone.x.round())


def test_extras_end_with_what_the_engine_found_where_highs_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    amount, cost = np.random.default_rng(3).random((5, 40)), np.ones(40)
    landscape = from_arrays(cost, amount)
    total = amount.sum(axis=1)
    budget = family("constraints")["budget"](kind="budget", amount=15.0)
    least = family("constraints")["area"](kind="area", of="all", share=0.25)
    objective = family("objectives")["max_features"]()
    program = compile_problem(Problem(landscape, 0.5 * total, total, objective, (budget, least)))
    assert program.extras
    starts = []

    def nothing(*_: object, start: np.ndarray | None = None, **__: object) -> Outcome:
        starts.append(start)
        return Outcome(None, -np.inf, "nothing", "highs")

    monkeypatch.setattr(type(AUTO), "through_mathopt", nothing)
    found = AUTO.solve(program, 1, Reporter())
    assert found.x is not None and not program.violations(found.x.round())
    assert starts[0] is not None and program.objective(starts[0]) == program.objective(found.x)
