"""Choose a solver by the shape of the program."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

import numpy as np

from prioritize.engine import engine
from prioritize.engine.dual import Multipliers
from prioritize.errors import SolveError
from prioritize.program import Program
from prioritize.progress import Reporter, relative_gap
from prioritize.solvers._config import Outcome, SolverConfig

#: up to here branch and cut on the whole program is the better judge, with and without edges; beyond HOPELESS it no
#: longer helps. Measured: 10,000 units without edges, 40 s: HiGHS alone 0.55 % (min set) and 1.4 % (min shortfall),
#: the engine with neighbourhoods 0.53 % and 2.3 %; with edges HiGHS has 5.0 % after 240 s, the engine 2.3 % after 15 s.
SMALL, SMALL_WITHOUT_EDGES, HOPELESS = 4000, 30_000, 60_000


class Auto(SolverConfig):
    """The default: the engine of this project on large programs, HiGHS on the whole of small ones."""

    kind: Literal["auto"] = "auto"

    def solve(self, program: Program, seed: int, reporter: Reporter) -> Outcome:
        """Say what was chosen and why, and solve."""
        columns = program.units * program.zones
        if program.extras:
            names = ", ".join(extra.name for extra in program.extras)
            reporter.log(f"auto: HiGHS on the whole program, because only an integer program can say '{names}'")
            return self.through_mathopt("highs", program, seed, reporter)
        began = time.perf_counter()
        small = columns <= (SMALL if program.edges else SMALL_WITHOUT_EDGES)
        reporter.log(f"auto: {columns} columns, " + ("the engine, then HiGHS on the whole" if small else "the engine"))
        # a tenth of the time buys a bound and a first selection; the rest is for branch and cut
        share = None if self.seconds is None else self.seconds * (0.1 if small else 1.0)
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

    def better(self, program: Program, engine: Outcome, whole: Outcome, multipliers: Multipliers) -> Outcome:
        """The better selection with the better bound."""
        if whole.reason == "infeasible" and engine.x is None:
            return whole
        name = f"engine and {whole.solver}"
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
