"""OR-Tools MathOpt in a process of its own: the only module that imports ortools.

Run as `python -m prioritize.solvers.mathopt`, it reads pickled requests on stdin and answers on stdout (see
`process.py`, the other end). A process of its own because HiGHS cannot be interrupted through MathOpt and ignores
Ctrl-C: here it writes each better solution to a file, and on `stop` that file is the answer. It also keeps a crash or
the memory of a solver out of the user's notebook.
"""

from __future__ import annotations

import datetime
import os
import pickle
import re
import struct
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import numpy as np

SOLVERS = {"highs": "HIGHS", "scip": "GSCIP", "cp_sat": "CP_SAT", "glop": "GLOP", "pdlp": "PDLP"}
NUMBER = r"([-+]?(?:inf|[\d.]+(?:e[-+]?\d+)?))"
#: how each solver's log prints (bound, incumbent)
PROGRESS = {
    "highs": re.compile(rf"^\s*[A-Za-z]?\s+\S+\s+\S+\s+\S+\s+[\d.]+%\s+{NUMBER}\s+{NUMBER}\s"),
    "scip": re.compile(rf"\|\s*{NUMBER}\s*\|\s*{NUMBER}\s*\|\s*(?:Inf|[\d.]+%)\s*\|"),
    "cp_sat": re.compile(rf"best:{NUMBER}\s+next:\[{NUMBER}"),
}


def send(stream: IO[bytes], message: Any) -> None:
    """Write one frame: 8 bytes of length, then a pickle."""
    body = pickle.dumps(message, protocol=5)
    stream.write(struct.pack("<Q", len(body)))
    stream.write(body)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one frame; None at the end of the stream."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    return pickle.loads(stream.read(struct.unpack("<Q", head)[0]))


def parse_progress(solver: str, line: str) -> tuple[float, float] | None:
    """(bound, incumbent) from a line of a solver's log, or None if it is another line."""
    pattern = PROGRESS.get(solver)
    found = pattern.search(line) if pattern else None
    if not found:
        return None
    try:
        first, second = float(found[1]), float(found[2])
    except ValueError:
        return None
    return (second, first) if solver == "cp_sat" else (first, second)


def model_proto(milp: Any) -> Any:
    """MathOpt's ModelProto from the arrays of a Milp."""
    from ortools.math_opt import model_pb2

    proto = model_pb2.ModelProto()
    columns = np.arange(len(milp.cost))
    proto.variables.ids.extend(columns)
    proto.variables.lower_bounds.extend(milp.lower)
    proto.variables.upper_bounds.extend(milp.upper)
    proto.variables.integers.extend((milp.kind == 1).tolist())
    priced = np.flatnonzero(milp.cost)
    proto.objective.linear_coefficients.ids.extend(priced)
    proto.objective.linear_coefficients.values.extend(milp.cost[priced])
    count = milp.rows.shape[0]
    proto.linear_constraints.ids.extend(range(count))
    proto.linear_constraints.lower_bounds.extend(milp.row_lower)
    proto.linear_constraints.upper_bounds.extend(milp.row_upper)
    matrix = proto.linear_constraint_matrix
    matrix.row_ids.extend(np.repeat(np.arange(count), np.diff(milp.rows.indptr)))
    matrix.column_ids.extend(milp.rows.indices)
    matrix.coefficients.extend(milp.rows.data)
    return proto


def parameters(request: dict[str, Any]) -> Any:
    """MathOpt's SolveParameters for a request."""
    from ortools.math_opt.python import mathopt

    solver = request["solver"]
    options = mathopt.SolveParameters(
        time_limit=None if request["seconds"] is None else datetime.timedelta(seconds=request["seconds"]),
        relative_gap_tolerance=None if solver in ("glop", "pdlp") else request["gap"],
        absolute_gap_tolerance=None if solver in ("glop", "pdlp") else 1e-9,
        random_seed=request["seed"] % 2**31,
    )
    if solver == "highs":
        # one thread: HiGHS's tree search is serial anyway, and the same bytes come out on any machine
        options.highs.int_options["threads"] = 1
        options.highs.double_options["primal_feasibility_tolerance"] = 1e-9
        options.highs.double_options["mip_feasibility_tolerance"] = 1e-9
        # of a tree search, too: reduced costs of 1e-7 that count as none have pruned what was better by that much
        options.highs.double_options["dual_feasibility_tolerance"] = 1e-9
        options.highs.double_options["small_matrix_value"] = 1e-12
        options.highs.bool_options["mip_improving_solution_save"] = True
        options.highs.string_options["mip_improving_solution_file"] = request["better"]
        if not request["prove"]:
            options.highs.int_options["mip_pscost_minreliable"] = 0
    elif solver == "scip":
        options.threads = 1
        options.gscip.real_params["numerics/feastol"] = 1e-9
        options.gscip.real_params["numerics/dualfeastol"] = 1e-9
    elif solver == "cp_sat":
        # interleaved search is deterministic whatever the number of cores
        options.cp_sat.num_workers = 8
        options.cp_sat.interleave_search = True
        # by default it cuts the range of a column at 1e7, which takes away selections: ours run in finer steps
        options.cp_sat.mip_max_bound = 1e15
        options.cp_sat.mip_wanted_precision = 1e-9
        options.cp_sat.mip_automatically_scale_variables = False
        # the reductions of its presolve that are content with some best selection have lost them all (OR-Tools 9.15, a
        # patch with two parts on 8 units: 1.55 "optimal" where 1.15 is)
        options.cp_sat.keep_all_feasible_solutions_in_presolve = True
    return options


class Job:
    """One solve: listens to the log, answers once, by the solver's result or by its best solution on `stop`."""

    def __init__(self, request: dict[str, Any], out: IO[bytes]):
        from ortools.util.python import solve_interrupter

        self.request, self.out = request, out
        self.milp = request["milp"]
        self.interrupter = solve_interrupter.SolveInterrupter()
        self.bound, self.incumbent = -np.inf, np.inf
        self.sending, self.answered = threading.Lock(), False

    def log(self, lines: list[str]) -> None:
        """Pass the solver's log on, with the bound and the incumbent where a line tells them."""
        seen = None
        for line in lines:
            seen = parse_progress(self.request["solver"], line) or seen
        if seen:
            self.bound, self.incumbent = max(self.bound, seen[0]), min(self.incumbent, seen[1])
        with self.sending:
            send(self.out, ("log", list(lines), self.bound, self.incumbent))

    def answer(self, message: dict[str, Any]) -> None:
        """Answer once; a later answer waits until the first is out, and is dropped."""
        with self.sending:
            if not self.answered:
                self.answered = True
                send(self.out, ("result", message))

    def stop(self) -> None:
        """Ask politely; HiGHS, which cannot listen, leaves its best solution so far and the process ends."""
        self.interrupter.interrupt()
        if self.request["solver"] != "highs":
            return
        x = read_better(Path(self.request["better"]), len(self.milp.cost))
        self.answer({"reason": "INTERRUPTED", "x": x, "bound": self.bound, "detail": "stopped by the user"})
        os._exit(0)

    def run(self) -> None:
        """Solve and answer."""
        # the layer below `mathopt.solve`: its Model objects cost 13 s on 11 M coefficients, protos 3 s
        from ortools.math_opt import callback_pb2, model_parameters_pb2, parameters_pb2, result_pb2
        from ortools.math_opt.core.python import solver as core
        from ortools.math_opt.python.parameters import Emphasis

        milp, solver = self.milp, self.request["solver"]
        try:
            started = time.perf_counter()
            proto = model_proto(milp)
            model_options = model_parameters_pb2.ModelSolveParametersProto()
            if self.request.get("hint") is not None:
                hint = model_options.solution_hints.add().variable_values
                hint.ids.extend(range(len(milp.cost)))
                hint.values.extend(np.asarray(self.request["hint"], dtype=np.float64))
            self.log([f"model: {len(milp.cost)} columns, {milp.rows.shape[0]} rows, {milp.rows.nnz} coefficients, "
                      f"handed over in {time.perf_counter() - started:.2f} s"])  # fmt: skip

            def attempt(options: Any) -> Any:
                return core.solve(
                    proto,
                    getattr(parameters_pb2, f"SOLVER_TYPE_{SOLVERS[solver]}"),
                    parameters_pb2.SolverInitializerProto(),
                    options.to_proto(),
                    model_options,
                    # LP solvers have no log worth a live line, and PDLP refuses a callback
                    None if self.request["lp"] else self.log,
                    callback_pb2.CallbackRegistrationProto(),
                    None,
                    self.interrupter.pybind_interrupter,
                )

            options = parameters(self.request)
            try:
                result = attempt(options)
            except Exception:
                if solver != "highs":
                    raise
                # its presolve may leave a solution that breaks a row, seen on 4 rows that contradict each other
                options.presolve = Emphasis.OFF
                result = attempt(options)
            x = duals = None
            if result.solutions and result.solutions[0].HasField("primal_solution"):
                x = dense(result.solutions[0].primal_solution.variable_values, len(milp.cost))
            if self.request["lp"] and result.solutions and result.solutions[0].HasField("dual_solution"):
                duals = dense(result.solutions[0].dual_solution.dual_values, milp.rows.shape[0])
            end = result.termination
            reason = result_pb2.TerminationReasonProto.Name(end.reason).removeprefix("TERMINATION_REASON_")
            self.answer(
                {
                    "reason": "INTERRUPTED" if end.limit == result_pb2.LIMIT_INTERRUPTED else reason,
                    "x": x,
                    "bound": end.objective_bounds.dual_bound,
                    "detail": end.detail,
                    "duals": duals,
                }
            )
        except Exception as error:  # the binding raises odd types (AttributeError for an error status)
            self.answer({"reason": "ERROR", "x": None, "bound": -np.inf, "detail": f"{type(error).__name__}: {error}"})


def dense(vector: Any, size: int) -> np.ndarray:
    """A sparse vector of MathOpt (ids, values) as an array."""
    values = np.zeros(size)
    values[np.array(vector.ids, dtype=np.int64)] = np.array(vector.values)
    return values


def read_better(path: Path, columns: int) -> np.ndarray | None:
    """The last whole solution of those that HiGHS appended (objective, count, a value a line), or None."""
    try:
        lines = path.read_text().split("\n")
    except OSError:
        return None
    starts = [k for k, line in enumerate(lines) if line.startswith("Objective")]
    for start in reversed(starts):
        # the last line may be half written
        body = lines[start + 2 : min(start + 2 + columns, len(lines) - 1)]
        if len(body) == columns:
            return np.array(body, dtype=np.float64)
    return None


def main() -> None:
    """Serve requests until stdin closes."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a solver prints on its own must not get between the frames
    current: list[Job | None] = [None]
    ready = threading.Semaphore(0)

    def listen() -> None:
        while True:
            message = receive(sys.stdin.buffer)
            if message is None:
                os._exit(0)
            if message[0] == "solve":
                current[0] = Job(message[1], out)  # here, so that a stop right behind it finds it
                ready.release()
            elif message[0] == "stop" and current[0] is not None:
                current[0].stop()

    import ortools

    send(out, ("hello", ortools.__version__))
    threading.Thread(target=listen, daemon=True).start()
    while True:
        ready.acquire()
        job = current[0]
        assert job is not None
        job.run()


if __name__ == "__main__":
    main()
