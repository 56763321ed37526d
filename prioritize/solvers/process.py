"""The near end of the solver process: starts it, keeps it warm, listens, stops it."""

from __future__ import annotations

import atexit
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from prioritize.errors import SolveError
from prioritize.scratch import scratch
from prioritize.solvers.mathopt import receive, send
from prioritize.solvers.milp import Milp


@dataclass(frozen=True)
class Answer:
    """What the solver process says at the end.

    Attributes
    ----------
    reason : str
        MathOpt's termination reason (OPTIMAL, FEASIBLE, INFEASIBLE, NO_SOLUTION_FOUND, INTERRUPTED, ERROR ...).
    x : (N,) float64 or None
    bound : float
        In the Milp's scaled objective.
    detail : str
    version : str
        Of OR-Tools.
    duals : (M,) float64 or None
        Of an LP: change of the scaled objective per unit of each row's bound.
    """

    reason: str
    x: np.ndarray | None
    bound: float
    detail: str
    version: str
    duals: np.ndarray | None = None


class Worker:
    """One solver process; serves one solve at a time."""

    def __init__(self) -> None:
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "prioritize.solvers.mathopt"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches us, not the solver: we ask it to stop and keep what it has
        )
        self.messages: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        hello = self.messages.get()
        if hello is None:
            raise SolveError("the solver process does not start; does `python -c 'import ortools'` work?")
        self.version = hello[1]

    def _listen(self) -> None:
        assert self.process.stdout is not None
        while True:
            try:
                message = receive(self.process.stdout)
            except Exception:  # a frame cut off by the end of the process may unpickle to anything
                message = None
            self.messages.put(message)
            if message is None:
                return

    def tell(self, message: Any) -> None:
        """Send one message; a process that is gone is noticed when its answer is awaited."""
        assert self.process.stdin is not None
        with suppress(OSError):
            send(self.process.stdin, message)

    @property
    def alive(self) -> bool:
        """Still serving."""
        return self.process.poll() is None

    def end(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait()


_idle: list[Worker] = []
_lock = threading.Lock()


@atexit.register
def _end_all() -> None:
    for worker in _idle:
        worker.end()


def solve_milp(
    milp: Milp,
    solver: str,
    *,
    gap: float = 1e-3,
    seconds: float | None = None,
    seed: int = 1,
    hint: np.ndarray | None = None,
    lp: bool = False,
    prove: bool = True,
    on_log: Callable[[list[str], float, float], None] | None = None,
    stop: threading.Event | None = None,
) -> Answer:
    """Solve a Milp with one of MathOpt's solvers in another process.

    Parameters
    ----------
    milp : Milp
    solver : {'highs', 'scip', 'cp_sat', 'glop', 'pdlp'}
    gap : float
        Relative gap at which to stop.
    seconds : float or None
        Time limit.
    seed : int
    hint : (N,) float64 or None
        A solution to start from.
    lp : bool
        The Milp has no integer columns.
    prove : bool
        False where better solutions are wanted rather than a bound: HiGHS branches without trying branches first.
    on_log : callable (lines, bound, incumbent), optional
        Called as the solver's log comes in; bound and incumbent are in the Milp's scaled objective.
    stop : threading.Event, optional
        Once set, the solver is asked to stop and its best solution is returned.

    Returns
    -------
    Answer

    Raises
    ------
    SolveError
        If the process dies (out of memory, for one).
    """
    with _lock:
        worker = _idle.pop() if _idle else None
    if worker is None or not worker.alive:
        worker = Worker()
    request = {"milp": milp, "solver": solver, "gap": gap, "seconds": seconds, "seed": seed, "hint": hint, "lp": lp,
               "prove": prove}  # fmt: skip
    asked_at: float | None = None
    # HiGHS looks at its clock now and then only: with 11 M coefficients a limit of 60 s was still ignored after 600 s
    deadline = float("inf") if seconds is None else time.monotonic() + 1.1 * seconds + 5.0
    late = False
    room = ExitStack()
    try:
        better = room.enter_context(scratch(Path(tempfile.gettempdir()), prefix="")) / "better.sol"
        worker.tell(("solve", {**request, "better": str(better)}))
        while True:
            if asked_at is None and ((stop is not None and stop.is_set()) or time.monotonic() > deadline):
                late = stop is None or not stop.is_set()
                worker.tell(("stop",))
                asked_at = time.monotonic()
            try:
                message = worker.messages.get(timeout=0.1)
            except queue.Empty:
                if asked_at is not None and time.monotonic() - asked_at > 60:
                    raise SolveError(f"{solver} did not stop within 60 s of being asked") from None
                continue
            if message is None:
                raise SolveError(
                    f"{solver} died while solving {len(milp.cost)} columns and {milp.rows.nnz} coefficients "
                    "(out of memory?); try a smaller landscape or another solver.kind"
                )
            if message[0] == "log" and on_log is not None:
                on_log(message[1], message[2], message[3])
            if message[0] == "result":
                answer = Answer(version=worker.version, **message[1])
                if late and answer.reason == "INTERRUPTED":
                    answer = replace(answer, reason="NO_SOLUTION_FOUND" if answer.x is None else "FEASIBLE")
                return answer
    except BaseException:
        worker.end()
        raise
    finally:
        room.close()
        if asked_at is not None and solver == "highs":
            worker.end()  # it ends by itself, and is waited for here
        elif worker.alive:
            with _lock:
                _idle.append(worker)
