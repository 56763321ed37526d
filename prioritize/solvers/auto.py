"""Choose a solver by the shape of the program."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from copy import copy
from dataclasses import replace
from typing import Literal

import numpy as np

from prioritize.connect import repair, without_rules
from prioritize.engine import engine
from prioritize.errors import SolveError
from prioritize.program import Program
from prioritize.progress import Reporter, relative_gap
from prioritize.solvers._config import Outcome, SolverConfig
from prioritize.tolerance import consistent

#: up to SMALL columns branch and cut on the whole program is the better judge, and without edges up to MODERATE it
#: lifts the bound; beyond HOPELESS it no longer helps. Measured on 10,000 units, 20 s, HiGHS alone and `auto`: without
#: edges 0.55 and 0.30 %, least shortfall 1.55 and 0.99 %; with edges of next to no weight 2.7 % and (the engine) 0.4 %.
SMALL, MODERATE, HOPELESS = 4000, 30_000, 60_000
#: columns, those of flow blocks included, beyond which branch and cut rarely betters a repaired selection, and the
#: seconds that it is given where the scenario sets no limit
WITH_RULES, RULE_SECONDS = 6000, 120.0
#: seconds that are left, besides as many as have passed, when HiGHS alone is through
GRACE = 2.0


class Either(threading.Event):
    """Set as soon as another event is, or itself."""

    def __init__(self, other: threading.Event):
        super().__init__()
        self.other = other

    def is_set(self) -> bool:
        """One of both is."""
        return super().is_set() or self.other.is_set()


class Auto(SolverConfig):
    """The default: the engine of this project on large programs, HiGHS on the whole of small ones."""

    kind: Literal["auto"] = "auto"

    def solve(self, program: Program, seed: int, reporter: Reporter) -> Outcome:
        """Say what was chosen and why, and solve."""
        columns = program.units * program.zones
        if program.extras and all(extra.rule is not None for extra in program.extras):
            return self.mend(program, seed, reporter)
        if program.extras:
            names = ", ".join(extra.name for extra in program.extras)
            reporter.log(f"auto: only an integer program can say '{names}'")
            if self.seconds is not None and all(extra.rule is None for extra in program.extras):
                return self.in_turn(program, seed, reporter, both=True)
            return self.through_mathopt("highs", program, seed, reporter)
        both = columns <= SMALL or (columns <= MODERATE and not program.edges)
        if not both or self.seconds is None:
            return self.in_turn(program, seed, reporter, both)
        return self.beside(program, seed, reporter)

    def beside(self, program: Program, seed: int, reporter: Reporter) -> Outcome:
        """In turn, and beside it HiGHS alone; what is proven in turn goes first, else the better of both.

        Whichever is quicker, the same bytes, unless time cuts it: where HiGHS alone is through, the other has as long
        again and GRACE.
        """
        reporter.log("auto: and beside it, to end no worse than it would alone, HiGHS on the whole from nothing")
        assert self.seconds is not None
        began, aside, inner = time.perf_counter(), Reporter(), copy(reporter)
        inner.stop = Either(reporter.stop)

        def alone() -> Outcome:
            outcome = self.through_mathopt("highs", program, seed, aside)
            if outcome.reason in ("optimal", "infeasible"):
                timer = threading.Timer(time.perf_counter() - began + GRACE, inner.stop.set)
                timer.daemon = True
                timer.start()
            return outcome

        with ThreadPoolExecutor(1) as pool:
            plain = pool.submit(alone)
            try:
                found = self.in_turn(program, seed, inner, both=True)
                if found.reason not in ("optimal", "infeasible") and not inner.stop.is_set():
                    wait([plain], max(0.0, began + self.seconds - time.perf_counter()))
            except SolveError as error:
                reporter.log(f"auto: {error}; what HiGHS has beside it stands")
                wait([plain], max(0.0, began + self.seconds - time.perf_counter()))
                return plain.result()
            finally:
                aside.stop.set()
        if found.reason in ("optimal", "infeasible"):
            return found
        try:
            other = plain.result()
        except SolveError as error:
            reporter.log(f"auto: beside it: {error}")
            return found
        value = np.inf if other.x is None else program.objective(np.round(other.x))
        reporter.log(f"auto: beside it: best {program.sign * value:.8g}, bound {program.sign * other.bound:.8g}")
        return self.better(program, found, other, reporter)

    def in_turn(self, program: Program, seed: int, reporter: Reporter, both: bool) -> Outcome:
        """The engine, then HiGHS from what it found, if that is wanted or nothing was found.

        On small programs each has half the time; on others the engine has what it can use, but a tenth where extras
        say more than it knows: then it is for HiGHS to start from, and not to end with nothing.
        """
        began, columns = time.perf_counter(), program.units * program.zones
        reporter.log(f"auto: {columns} columns, " + ("the engine, then HiGHS on the whole" if both else "the engine"))
        share = 0.1 if program.extras else 0.5 if columns <= SMALL else 1.0
        found = engine.solve(
            program, gap=self.gap, seconds=None if self.seconds is None else share * self.seconds, seed=seed,
            reporter=reporter, polish=columns > SMALL and not program.extras,
        )  # fmt: skip
        rests_on = "certificate" if found.bound_by == "multipliers" else "tree search"
        outcome = Outcome(found.x, found.bound, found.reason, "engine", found.multipliers, rests_on)
        left = None if self.seconds is None else self.seconds - (time.perf_counter() - began)
        finished = found.reason in ("optimal", "interrupted") or (left is not None and left < 0.05)
        if finished or (columns > HOPELESS and found.x is not None and not program.extras):
            return outcome
        reporter.log(
            "auto: HiGHS on the whole program, from the engine's selection"
            if found.x is not None
            else "auto: HiGHS on the whole program, because the engine found no selection that meets every hard row"
        )
        try:
            whole = self.through_mathopt(
                "highs", program, seed, reporter, seconds=left, start=found.x, known=found.bound
            )
        except SolveError as error:
            if found.x is None:
                raise
            reporter.log(f"auto: {error}; the engine's selection stays")
            return outcome
        return self.better(program, outcome, whole, reporter)

    def mend(self, program: Program, seed: int, reporter: Reporter) -> Outcome:
        """Solve without the rules, repair, then let branch and cut try the whole where it is small; keep the better."""
        began = time.perf_counter()
        columns = program.units * program.zones + sum(len(extra.cost) for extra in program.extras)
        small = columns <= WITH_RULES
        names = ", ".join(extra.name for extra in program.extras)
        reporter.log(f"auto: without '{names}' first (they have {columns - program.units * program.zones} columns)")
        # the repair takes time of its own, branch and cut needs most
        share = None if self.seconds is None else self.seconds * (0.1 if small else 0.6)
        bare = without_rules(program)
        found = self.model_copy(update={"seconds": share}).solve(bare, seed, reporter)
        if found.reason == "infeasible":
            return found
        outcome = replace(found, x=None, reason="interrupted" if found.reason == "interrupted" else "nothing")
        if found.x is not None:
            start = np.clip(np.round(found.x), program.lower, program.upper)
            left_over = None if self.seconds is None else self.seconds - (time.perf_counter() - began)
            mended, left = repair(program, start, found.multipliers, reporter, left_over)
            if mended is None:
                reporter.log(f"auto: the selection cannot be repaired: {'; '.join(left[:5])}")
            else:
                value, free = program.objective(mended), bare.objective(start)
                gap = relative_gap(value, found.bound)
                reporter.progress(program.sign * value, program.sign * found.bound)
                reporter.log(
                    f"auto: repaired: {program.sign * value:.8g}, {program.sign * free:.8g} without '{names}', "
                    f"bound {program.sign * found.bound:.8g}, gap {100 * gap:.4f} %"
                )
                reason = "optimal" if gap <= self.gap else "repaired"
                if found.reason == "interrupted":
                    reason = "interrupted"
                outcome = replace(found, x=mended, reason=reason, solver=f"{found.solver} and repair")
        left_over = None if self.seconds is None else self.seconds - (time.perf_counter() - began)
        finished = outcome.reason in ("optimal", "interrupted") or (left_over is not None and left_over < 0.05)
        if finished or (not small and outcome.x is not None):
            return outcome
        if left_over is None:
            left_over = RULE_SECONDS if outcome.x is not None else None
        reporter.log(f"auto: HiGHS on the whole program, {columns} columns")
        try:
            whole = self.through_mathopt("highs", program, seed, reporter, seconds=left_over, known=outcome.bound)
        except SolveError as error:
            if outcome.x is None:
                raise
            reporter.log(f"auto: {error}; the repaired selection stays")
            return outcome
        return self.better(program, outcome, whole, reporter)

    def better(self, program: Program, first: Outcome, second: Outcome, reporter: Reporter) -> Outcome:
        """The better selection with the better bound, and the multipliers of the first."""
        if second.reason == "infeasible" and first.x is None:
            return second
        both = first, second
        exact = [None if one.x is None else np.clip(np.round(one.x), program.lower, program.upper) for one in both]
        fits = [x is not None and not program.violations(x) for x in exact]
        # what breaks a row may be repaired later, and goes behind what breaks none
        values = [np.inf if x is None or fit < max(fits) else program.objective(x) for x, fit in zip(exact, fits)]
        best = first if values[0] <= values[1] else second
        known = [one for one in both if one.reason != "infeasible"]
        strongest = max(known, key=lambda one: one.bound)
        bound = strongest.bound
        for value, x, fit in zip(values, exact, fits):
            if x is not None and fit:
                consistent(value, bound, program.magnitude(x))
        gap = relative_gap(min(values), bound)
        reason = "interrupted" if reporter.stop.is_set() else "limit" if best.x is not None else best.reason
        if gap <= self.gap or second.reason == "optimal":
            reason = "optimal"
        names = first.solver if second.solver in first.solver else f"{first.solver} and {second.solver}"
        return Outcome(best.x, bound, reason, names, first.multipliers, strongest.bound_by)


MEMBER = Auto
