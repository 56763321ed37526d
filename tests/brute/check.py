"""One case: what is true, what each solver says, and a verdict for each."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np

from brute.cases import case_of
from brute.judge import Judge, Truth, Unfit
from prioritize.errors import InfeasibleError, ScenarioError, SolveError
from prioritize.problem import Problem, compile_problem
from prioritize.registry import family
from prioritize.solve import Solution, solve

SOLVERS = ("auto", "highs", "scip", "cp_sat")
#: of objectives and bounds, relative
CLOSE = 1e-6


@dataclass
class Verdict:
    number: int
    kinds: tuple[str, ...]
    state: str  # counted, infeasible, edge or unfit
    verdicts: dict[str, tuple[str, str]] = field(default_factory=dict)
    seconds: float = 0.0


def kinds_of(problem: Problem) -> tuple[str, ...]:
    return tuple(
        sorted({f"o:{problem.objective.kind}"} | {f"c:{c.kind}" for c in problem.constraints}
               | {f"p:{p.kind}" for p in problem.penalties})
    )  # fmt: skip


def judged(truth: Truth, optimum: float | None, solution: Solution) -> tuple[str, str]:
    """(verdict, words) of an answer."""
    k = truth.number(solution.selection)
    said = f"said {solution.objective:.12g} (bound {solution.bound:.12g}, {solution.status})"
    if np.any(solution.selection.sum(axis=1) > 1) or not truth.fits[1, k]:
        return "wrong", f"{said}; its selection {truth.code[:, k].tolist()} breaks something; true optimum {optimum}"
    if optimum is None:
        return "wrong", f"{said}; no selection fits"
    scale = max(1.0, abs(optimum), float(truth.terms[k]))
    worth, sign = truth.value[:, k], -1 if truth.maximise else 1
    if min(abs(worth - solution.objective)) > CLOSE * scale:
        return (
            "wrong",
            f"{said}; its selection {truth.code[:, k].tolist()} is worth {worth[0]:.12g}; optimum {optimum:.12g}",
        )
    if sign * (solution.bound - optimum) > CLOSE * scale:
        return "wrong", f"{said}; the bound is beyond the optimum {optimum:.12g}"
    if abs(solution.objective - optimum) <= CLOSE * scale:
        return "right", said
    return "loose", f"{said}; optimum {optimum:.12g}"


def answer(problem: Problem, truth: Truth, optimum: float | None, name: str, seconds: float | None) -> tuple[str, str]:
    """(verdict, words) of one solver."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            solution = solve(compile_problem(problem), family("solvers")[name](gap=0.0, seconds=seconds))
    except (ScenarioError, InfeasibleError) as error:
        if optimum is None:
            return "right", f"infeasible: {error.faults[0]}"
        if name == "cp_sat" and "cp_sat" in str(error) and "cannot" in str(error):
            return "refused", str(error)
        return "wrong", f"said infeasible ({error.faults[0]}); true optimum {optimum:.12g}"
    except SolveError as error:
        if name == "cp_sat" and "cp_sat" in str(error) and any(w in str(error) for w in ("cannot", "can not")):
            return "refused", str(error)
        return "wrong", f"SolveError: {error.faults[0]}; true optimum {optimum}"
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}; true optimum {optimum}"
    return judged(truth, optimum, solution)


def check(seed: int, number: int, solvers: tuple[str, ...] = SOLVERS, only: str | None = None) -> Verdict:
    """Count one case and ask the solvers."""
    problem = case_of(seed, number, only)
    result = Verdict(number, kinds_of(problem), "counted")
    try:
        try:
            truth = Judge(problem).truth()
        except Unfit:
            result.state = "unfit"
            return result
        strict, optimum = truth.optimum(0), truth.optimum(1)
        if (strict is None) != (optimum is None) or (
            strict is not None and optimum is not None and abs(strict - optimum) > 1e-9 * max(1.0, abs(optimum))
        ):
            result.state = "edge"
            return result
        result.state = "infeasible" if optimum is None else "counted"
        for name in solvers:
            # CP-SAT, whose flows run in steps, may take minutes for some patches of 6 units
            seconds = None if number % 2 and name != "cp_sat" else 60.0
            result.verdicts[name] = answer(problem, truth, optimum, name, seconds)
        return result
    finally:
        for penalty in problem.penalties:
            if getattr(penalty, "matrix", None) is not None:
                penalty.matrix.unlink(missing_ok=True)
