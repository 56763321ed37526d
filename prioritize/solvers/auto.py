"""Choose a solver by the shape of the program."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

import numpy as np

from prioritize.connect import repair, without_rules
from prioritize.engine import engine
from prioritize.engine.dual import Multipliers
from prioritize.errors import SolveError
from prioritize.program import Program
from prioritize.progress import Reporter, relative_gap
from prioritize.solvers._config import Outcome, SolverConfig

#: up to SMALL columns branch and cut on the whole program is the better judge, and without edges up to MODERATE it
#: lifts the bound of what the engine found; beyond HOPELESS it no longer helps. Measured on 10,000 units: without edges
#: branch and cut has 0.55 % after 20 s, the engine 0.38 %, both together 0.32 %; with edges 4.6 % after 240 s and 1.8 %
#: after 10 s.
SMALL, MODERATE, HOPELESS = 4000, 30_000, 60_000
#: columns, those of flow blocks included, beyond which branch and cut rarely betters a repaired selection, and the
#: seconds that it is given where the scenario sets no limit
WITH_RULES, RULE_SECONDS = 6000, 120.0


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
            reporter.log(f"auto: HiGHS on the whole program, because only an integer program can say '{names}'")
            return self.through_mathopt("highs", program, seed, reporter)
        began = time.perf_counter()
        small = columns <= SMALL
        both = small or (columns <= MODERATE and not program.edges)
        reporter.log(f"auto: {columns} columns, " + ("the engine, then HiGHS on the whole" if both else "the engine"))
        # a tenth of the time (and what it takes to have prices at all) buys a bound and a first selection; the rest is
        # for branch and cut, which from a poor selection ends worse than from none
        share = self.seconds
        if self.seconds is not None and both:
            share = max(0.1 * self.seconds, min(10.0, 0.5 * self.seconds)) if small else 0.5 * self.seconds
        found = engine.solve(program, gap=self.gap, seconds=share, seed=seed, reporter=reporter, polish=not small)
        outcome = Outcome(found.x, found.bound, found.reason, "engine", found.multipliers)
        left = None if self.seconds is None else self.seconds - (time.perf_counter() - began)
        finished = found.reason in ("optimal", "interrupted") or (left is not None and left < 0.05)
        if finished or (columns > HOPELESS and found.x is not None):
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
        return self.better(program, outcome, whole, found.multipliers)

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
                gap = 0.0 if found.bound >= value else relative_gap(value, found.bound)
                reporter.progress(program.sign * value, program.sign * found.bound)
                reporter.log(
                    f"auto: repaired: {program.sign * value:.8g}, {program.sign * free:.8g} without '{names}', "
                    f"bound {program.sign * found.bound:.8g}, gap {100 * gap:.4f} %"
                )
                reason = "optimal" if gap <= self.gap else "repaired"
                if found.reason == "interrupted":
                    reason = "interrupted"
                outcome = Outcome(mended, found.bound, reason, f"{found.solver} and repair", found.multipliers)
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
        return self.better(program, outcome, whole, outcome.multipliers)

    def better(self, program: Program, engine: Outcome, whole: Outcome, multipliers: Multipliers | None) -> Outcome:
        """The better selection with the better bound."""
        if whole.reason == "infeasible" and engine.x is None:
            return whole
        name = f"{engine.solver} and {whole.solver}"
        values = [
            np.inf if one.x is None else program.objective(np.clip(np.round(one.x), program.lower, program.upper))
            for one in (engine, whole)
        ]
        bound = max(engine.bound, whole.bound) if whole.reason != "infeasible" else engine.bound
        best = engine if values[0] <= values[1] else whole
        if best.x is None:
            return replace(whole, bound=bound, solver=name, multipliers=multipliers)
        gap = 0.0 if bound >= min(values) else relative_gap(min(values), bound)
        reason = "optimal" if gap <= self.gap or whole.reason == "optimal" else whole.reason
        if reason not in ("optimal", "interrupted"):
            reason = "limit"
        return Outcome(best.x, bound, reason, name, multipliers)


MEMBER = Auto
