"""prioritizr and Marxan, where the user has them: files out, their own command line, selection back.

Both are told the Program itself (cost with the outer boundary in it, targets, shared borders), so their selections can
be judged by it. Neither can say everything: `tabulate` names what stands in the way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prioritize.program import Program
from prioritize.solvers.milp import merge_pairs

DIGITS = "%.17g"
#: Marxan knows no time limit: ten runs of this many steps for each unit, a million at least (its own example's number)
MARXAN_RUNS, MARXAN_STEPS = 10, 100


class Unsayable(Exception):
    """The tool has no words for this program."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a tool found.

    Attributes
    ----------
    x : (U,) float64 or None
    seconds : float
        From the files to its selection: wall time of its command.
    claimed : float or None
        Objective as the tool reports it.
    gap : float or None
        Proven relative gap as the tool reports it; Marxan proves nothing.
    notes : tuple of str
    """

    x: np.ndarray | None
    seconds: float
    claimed: float | None = None
    gap: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Tables:
    """A Program as the tables of this field: units, features, amounts, borders (symmetric, each pair once)."""

    units: pd.DataFrame
    features: pd.DataFrame
    amounts: pd.DataFrame
    borders: pd.DataFrame
    constant: float


def tabulate(program: Program) -> Tables:
    """Write a Program as tables.

    A pair of directed edges f (y_i - m) + b (y_j - m) is (f + b) / 2 |y_i - y_j| and a linear cost of the difference.

    Raises
    ------
    Unsayable
        If the program has zones, own rows, soft or upper rows, or groups of edges that overlap.
    """
    if program.zones > 1:
        raise Unsayable("it has zones")
    if program.extras:
        raise Unsayable("it has rows that only an integer program can say")
    if np.isfinite(program.price).any() or np.isfinite(program.row_upper).any():
        raise Unsayable("it is not a minimum set: a row is soft or has an upper limit")
    count = program.units
    tail, head, weight = (
        np.concatenate([getattr(group, name) for group in program.edges] or [np.zeros(0)])
        for name in ("tail", "head", "weight")
    )
    i, j, forward, backward = merge_pairs(tail.astype(np.int32), head.astype(np.int32), weight, count)
    cost = program.cost.copy()
    np.add.at(cost, i, (forward - backward) / 2)
    np.add.at(cost, j, (backward - forward) / 2)
    status = np.where(program.lower > 0, 2, np.where(program.upper <= 0, 3, 0))
    amounts = program.rows.tocoo()
    row, column = amounts.coords
    order = np.lexsort((row, column))  # Marxan wants puvspr.dat sorted by unit
    return Tables(
        units=pd.DataFrame({"id": np.arange(1, count + 1), "cost": cost, "status": status}),
        features=pd.DataFrame(
            {
                "id": np.arange(1, len(program.row_lower) + 1),
                "target": program.asked_lower,
                "name": [f"feature_{k + 1}" for k in range(len(program.row_lower))],
            }
        ),
        amounts=pd.DataFrame(
            {"species": row[order] + 1, "pu": column[order] + 1, "amount": amounts.data[order].astype(np.float64)}
        ),
        borders=pd.DataFrame({"id1": i + 1, "id2": j + 1, "boundary": (forward + backward) / 2}),
        constant=program.constant,
    )


def table(frame: pd.DataFrame, path: Path) -> None:
    """One CSV file, every number to its last digit."""
    frame.to_csv(path, index=False, float_format=DIGITS, lineterminator="\n")


def selection(path: Path, units: int) -> np.ndarray:
    """(U,) 0/1 from a table of unit numbers and choices: the two columns in that order, whatever they are called.

    Raises
    ------
    ValueError
        If the table does not name units of the problem.
    """
    frame = pd.read_csv(path, sep=None, engine="python")
    number, chosen = frame.iloc[:, 0].to_numpy(np.int64), frame.iloc[:, 1].to_numpy(np.float64)
    if len(number) and (number.min() < 1 or number.max() > units):
        raise ValueError(f"{path.name}: units {number.min()} to {number.max()}, there are {units}")
    x = np.zeros(units)
    x[number - 1] = np.round(chosen)
    return x


def execute(command: list[str], folder: Path, limit: float) -> tuple[float, str | None]:
    """Run a command in a folder: its wall time, and what went wrong, if anything."""
    began = time.perf_counter()
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return time.perf_counter() - began, f"still at work after {limit:.0f} s, ended"
    took = time.perf_counter() - began
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        return took, said[-1][:200] if said else f"ended with code {done.returncode}"
    return took, None


# ----------------------------------------------------------------------------------------------------------- Marxan


class Marxan:
    """Simulated annealing (Ball, Possingham & Watts 2009): no bound, no time limit."""

    @staticmethod
    def absent() -> str | None:
        """Why it cannot be run here."""
        return None if Marxan.executable() else "no Marxan: put it on PATH as `marxan`, or name it in $MARXAN"

    @staticmethod
    def executable() -> str | None:
        """Path of the program."""
        given = os.environ.get("MARXAN")
        names = [given] if given else ["marxan", "Marxan", "Marxan_x64", "MarOpt_v243_Linux64"]
        return next((found for found in map(shutil.which, names) if found), None)

    @staticmethod
    def write(program: Program, folder: Path) -> None:
        """A Marxan project: `input.dat`, `input/*.dat`, and an empty `output`."""
        tables = tabulate(program)
        if (tables.units["cost"] < 0).any():
            raise Unsayable("a unit costs less than nothing")
        if (tables.amounts["amount"] < 0).any():
            raise Unsayable("an amount is below zero")
        (folder / "input").mkdir(parents=True)
        (folder / "output").mkdir()
        table(tables.units, folder / "input" / "pu.dat")
        table(tables.features.assign(spf=10.0)[["id", "target", "spf", "name"]], folder / "input" / "spec.dat")
        table(tables.amounts, folder / "input" / "puvspr.dat")
        steps = max(1_000_000, MARXAN_STEPS * program.units)
        keys = {
            "BLM": 1, "PROP": 0.5, "RANDSEED": 1, "NUMREPS": MARXAN_RUNS, "NUMITNS": steps, "STARTTEMP": -1,
            "COOLFAC": 0, "NUMTEMP": 10000, "COSTTHRESH": 0, "INPUTDIR": "input", "PUNAME": "pu.dat",
            "SPECNAME": "spec.dat", "PUVSPRNAME": "puvspr.dat", "SCENNAME": "bench", "SAVERUN": 0, "SAVEBEST": 3,
            "SAVESUMMARY": 3, "OUTPUTDIR": "output", "RUNMODE": 1, "MISSLEVEL": 1, "ITIMPTYPE": 0, "HEURTYPE": -1,
            "CLUMPTYPE": 0, "VERBOSITY": 1,
        }  # fmt: skip
        if len(tables.borders):
            table(tables.borders, folder / "input" / "bound.dat")
            keys["BOUNDNAME"] = "bound.dat"
        (folder / "input.dat").write_text("".join(f"{key} {value}\n" for key, value in keys.items()))

    @staticmethod
    def read(folder: Path, units: int) -> tuple[np.ndarray | None, float | None]:
        """(selection, score of the best run) from the output folder."""
        best = sorted((folder / "output").glob("bench_best.*"))
        if not best:
            return None, None
        summary = sorted((folder / "output").glob("bench_sum.*"))
        score = None
        if summary:
            frame = pd.read_csv(summary[0], sep=None, engine="python")
            score = float(frame[next(c for c in frame if str(c).lower() == "score")].min())
        return selection(best[0], units), score

    @staticmethod
    def run(program: Program, folder: Path, gap: float, seconds: float) -> Answer:
        """Ten runs; the best one counts."""
        executable = Marxan.executable()
        if executable is None:
            return Answer(None, 0.0, notes=(str(Marxan.absent()),))
        try:
            Marxan.write(program, folder)
        except Unsayable as error:
            return Answer(None, 0.0, notes=(f"Marxan cannot say this program: {error}",))
        took, wrong = execute([executable, "input.dat", "-s"], folder, max(600.0, 4 * seconds))
        x, score = Marxan.read(folder, program.units)
        if x is None:
            return Answer(None, took, notes=(wrong or "Marxan left no best solution",))
        notes = (f"{MARXAN_RUNS} runs",) + ((wrong,) if wrong else ())
        claimed = None if score is None else score + program.constant
        return Answer(x, took, claimed, notes=notes)


# -------------------------------------------------------------------------------------------------------- prioritizr

SCRIPT = """\
suppressMessages(library(prioritizr))
options <- read.csv("options.csv")
pu <- read.csv("pu.csv")
pu$locked_in <- pu$status == 2
pu$locked_out <- pu$status == 3
features <- read.csv("features.csv")
p <- problem(pu, features[c("id", "name")], rij = read.csv("rij.csv"), cost_column = "cost")
p <- add_min_set_objective(p)
p <- add_absolute_targets(p, features$target)
p <- add_binary_decisions(p)
if (any(pu$locked_in)) p <- add_locked_in_constraints(p, "locked_in")
if (any(pu$locked_out)) p <- add_locked_out_constraints(p, "locked_out")
if (file.exists("bound.csv")) {
  b <- read.csv("bound.csv")
  m <- Matrix::sparseMatrix(i = c(b$id1, b$id2), j = c(b$id2, b$id1), x = c(b$boundary, b$boundary),
                            dims = c(nrow(pu), nrow(pu)))
  # the outer boundary is in the costs; what the diagonal means changed between versions, and counts nothing here
  Matrix::diag(m) <- Matrix::rowSums(m)
  p <- add_boundary_penalties(p, penalty = 1, edge_factor = 0, data = m)
}
p <- add_highs_solver(p, gap = options$gap, time_limit = options$seconds, threads = options$threads, verbose = FALSE)
s <- solve(p, force = TRUE)
one <- function(name) { v <- attr(s, name); if (is.null(v)) NA else as.character(v)[1] }
write.csv(data.frame(id = s$id, solution = s$solution_1), "solution.csv", row.names = FALSE)
write.csv(data.frame(objective = one("objective"), gap = one("gap"), status = one("status"),
                     version = as.character(packageVersion("prioritizr"))), "told.csv", row.names = FALSE)
"""


class Prioritizr:
    """prioritizr with HiGHS (Hanson et al. 2025), through Rscript."""

    @staticmethod
    def absent() -> str | None:
        """Why it cannot be run here."""
        if shutil.which("Rscript") is None:
            return "no Rscript on PATH"
        ask = 'cat(all(sapply(c("prioritizr", "highs"), requireNamespace, quietly = TRUE)))'
        told = subprocess.run(["Rscript", "-e", ask], capture_output=True, text=True).stdout
        return None if told.strip().endswith("TRUE") else "R has no packages prioritizr and highs"

    @staticmethod
    def write(program: Program, folder: Path, gap: float, seconds: float) -> None:
        """The tables and the script."""
        tables = tabulate(program)
        folder.mkdir(parents=True, exist_ok=True)
        table(tables.units, folder / "pu.csv")
        table(tables.features, folder / "features.csv")
        table(tables.amounts, folder / "rij.csv")
        if len(tables.borders):
            table(tables.borders, folder / "bound.csv")
        threads = os.cpu_count() or 1
        table(pd.DataFrame({"gap": [gap], "seconds": [max(1, round(seconds))], "threads": [threads]}),
              folder / "options.csv")  # fmt: skip
        (folder / "script.R").write_text(SCRIPT)

    @staticmethod
    def read(folder: Path, units: int) -> tuple[np.ndarray | None, float | None, float | None, str]:
        """(selection, objective, gap, version) from what the script wrote."""
        if not (folder / "solution.csv").exists() or not (folder / "told.csv").exists():
            return None, None, None, ""
        told = pd.read_csv(folder / "told.csv", dtype=str).iloc[0]
        numbers = pd.to_numeric(told[["objective", "gap"]], errors="coerce")
        objective, gap = (None if not np.isfinite(value) else float(value) for value in numbers)
        return selection(folder / "solution.csv", units), objective, gap, f"prioritizr {told['version']}"

    @staticmethod
    def run(program: Program, folder: Path, gap: float, seconds: float) -> Answer:
        """Build and solve in R; the time is that of the whole script, reading included."""
        wrong = Prioritizr.absent()
        if wrong:
            return Answer(None, 0.0, notes=(wrong,))
        try:
            Prioritizr.write(program, folder, gap, seconds)
        except Unsayable as error:
            return Answer(None, 0.0, notes=(f"prioritizr is not asked to say this program: {error}",))
        took, wrong = execute(["Rscript", "script.R"], folder, 4 * seconds + 300)
        x, objective, proven, version = Prioritizr.read(folder, program.units)
        if x is None:
            return Answer(None, took, notes=(wrong or "the script left no solution",))
        claimed = None if objective is None else objective + program.constant
        return Answer(x, took, claimed, proven, (version,))


RIVALS = {"prioritizr": Prioritizr, "marxan": Marxan}
