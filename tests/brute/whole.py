"""`python -m tests.brute --whole-range N`: targets at the edge, each answer against a rival's selections."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from brute.edges import problem_of
from brute.rival import Rival
from prioritize.errors import InfeasibleError, ScenarioError, SolveError
from prioritize.problem import Problem, compile_problem
from prioritize.registry import family
from prioritize.solve import solve

#: up to so many units the other solvers are asked, too
SMALL = 40
OTHERS = ("highs", "scip", "cp_sat")
GAPS = (0.0, 0.0, 1e-9, 1e-6, 1e-3)
#: seconds for the default solver, for the others, for the rival
SECONDS, EACH, RIVAL = 0.5, 1.0, 0.4
#: of objectives and bounds, relative to the sum of magnitudes of what an objective adds up
CLOSE = 1e-9
#: what each kind of false answer means
WRONG = {
    "bound": "the bound is above the cost of a selection that meets everything",
    "denied": "said infeasible where a selection meets everything",
    "breaks": "the selection breaks a demand or a lock",
    "cheaper": "said optimal, or within a gap, and a selection is cheaper than that allows",
    "worth": "the objective told is not what the selection costs",
    "error": "stopped with an error",
}


@dataclass
class Finding:
    """One problem: what each solver said, {solver: (kind, words)}; a kind of WRONG, or right, late or refused."""

    number: int
    units: int
    state: str  # solved (the rival has a selection), impossible (beyond doubt) or open
    said: dict[str, tuple[str, str]] = field(default_factory=dict)
    seconds: float = 0.0

    def wrong(self) -> list[tuple[str, str, str]]:
        return [(name, kind, words) for name, (kind, words) in self.said.items() if kind in WRONG]


def asked(problem: Problem, rival: Rival, witness: list[int] | None, name: str, gap: float, seconds: float | None):
    """(kind, words) of one solver's answer."""
    value = None if witness is None else rival.worth(witness)[0]
    known = "no selection is known" if value is None else f"a selection costs {float(value):.17g}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            solution = solve(compile_problem(problem), family("solvers")[name](gap=gap, seconds=seconds))
    except (ScenarioError, InfeasibleError) as error:
        return ("right" if witness is None else "denied"), f"infeasible: {error.faults[0]}; {known}"
    except SolveError as error:
        if "found no selection" in str(error):
            return "late", str(error)
        refused = name == "cp_sat" and "cp_sat" in str(error) and any(w in str(error) for w in ("cannot", "can not"))
        return ("refused" if refused else "error"), f"{error}; {known}"
    except Exception as error:
        return "error", f"{type(error).__name__}: {error}; {known}"
    zones = np.arange(1, solution.selection.shape[1] + 1)
    choice = (solution.selection @ zones).tolist()
    said = f"said {solution.objective:.17g}, bound {solution.bound:.17g}, gap {solution.gap:.3g}, {solution.status}"
    broken = rival.breaks(choice, 1)
    if broken or np.any(solution.selection.sum(axis=1) > 1):
        return "breaks", f"{said}; its selection breaks {', '.join(broken) or 'one zone per unit'}"
    told, magnitude = map(float, rival.worth(choice))
    if abs(told - solution.objective) > CLOSE * magnitude:
        return "worth", f"{said}; its selection costs {told:.17g}"
    # the cheapest that is known, what the solver's own selection can be cheapened to among it
    known_best = [c for c in (witness, None if rival.breaks(choice, -1) else rival.cheapened(choice)) if c]
    for value, size in map(rival.worth, known_best):
        size = CLOSE * max(abs(value), size)
        if solution.bound > value + size:
            return "bound", f"{said}; a selection costs {float(value):.17g}"
        allowed = 1e-6 if solution.status == "optimal" else max(solution.gap, 1e-6)
        if solution.status in ("optimal", "within_gap") and value < told - allowed * abs(told) - float(size):
            return "cheaper", f"{said}; a selection costs {float(value):.17g}"
    return "right", said


def look(seed: int, number: int) -> Finding:
    """One case."""
    started = time.perf_counter()
    problem = problem_of(seed, number)
    rival = Rival(problem)
    witness = rival.find(RIVAL)
    units = problem.landscape.shape[0]
    state = "solved" if witness is not None else "impossible" if rival.hopeless() else "open"
    found = Finding(number, units, state)
    gap = GAPS[number % len(GAPS)]
    for name in ("auto", *OTHERS) if units <= SMALL else ("auto",):
        # without a limit `auto` goes another way
        seconds = EACH if name != "auto" else None if units <= SMALL and number % 2 else SECONDS
        found.said[name] = asked(problem, rival, witness, name, gap, seconds)
    found.seconds = time.perf_counter() - started
    return found


def batch(seed: int, numbers: list[int]) -> list[Finding]:
    return [look(seed, number) for number in numbers]


def report(seed: int, found: Iterable[Finding], verbose: bool) -> int:
    """Print counts and each false answer; how many there are."""
    found = list(found)
    count = Counter((name, kind) for f in found for name, (kind, _) in f.said.items())
    kinds = ("right", "late", "refused", *WRONG)
    print(f"{'solver':8}{'asked':>7}" + "".join(f"{kind:>9}" for kind in kinds))
    for name in ("auto", *OTHERS):
        asked = sum(count[name, kind] for kind in kinds)
        print(f"{name:8}{asked:7}" + "".join(f"{count[name, kind]:9}" for kind in kinds))
    states = Counter(f.state for f in found)
    wrong = [(f, *said) for f in found for said in f.wrong()]
    for f, name, kind, words in wrong:
        print(f"WRONG seed {seed} case {f.number} ({f.units} units) {name} {kind}: {words}\n"
              f"    python -m tests.brute --whole-range 1 --seed {seed} --case {f.number} --verbose")  # fmt: skip
    if verbose:
        for f in found:
            print(f"case {f.number}, {f.units} units, {f.state}, {f.seconds:.2f} s")
            for name, (kind, words) in f.said.items():
                print(f"    {name}: {kind}: {words}")
    mean = sum(f.seconds for f in found) / max(len(found), 1)
    print(
        f"{len(found)} problems ({', '.join(f'{n} {state}' for state, n in sorted(states.items()))}), "
        f"{mean:.3f} s a problem; {len({f.number for f, *_ in wrong})} with a false answer, {len(wrong)} false answers"
    )
    return len(wrong)
