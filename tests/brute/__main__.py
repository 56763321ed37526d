"""`python -m tests.brute`: run many cases and print who was right."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from brute import whole
from brute.check import SOLVERS, Verdict, check

WORDS = ("right", "loose", "refused", "wrong")


def batch(seed: int, numbers: list[int], solvers: tuple[str, ...], only: str | None) -> list[Verdict]:
    found = []
    for number in numbers:
        started = time.perf_counter()
        found.append(check(seed, number, solvers, only))
        found[-1].seconds = time.perf_counter() - started
    return found


def table(found: list[Verdict], solvers: tuple[str, ...]) -> None:
    count: Counter[tuple[str, str, str]] = Counter()
    states: Counter[tuple[str, str]] = Counter()
    for verdict in found:
        for kind in ("all", *verdict.kinds):
            states[kind, verdict.state] += 1
            for name, (word, _) in verdict.verdicts.items():
                count[kind, name, word] += 1
    print(
        f"{'kind':26}{'solver':8}{'cases':>7}" + "".join(f"{word:>9}" for word in WORDS) + "     edge infeasible  unfit"
    )
    for kind in ["all", *sorted({kind for kind, _ in states} - {"all"})]:
        for name in solvers:
            cases = sum(count[kind, name, word] for word in WORDS)
            print(f"{kind:26}{name:8}{cases:7}" + "".join(f"{count[kind, name, word]:9}" for word in WORDS)
                  + f"{states[kind, 'edge']:9}{states[kind, 'infeasible']:11}{states[kind, 'unfit']:7}")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.brute")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", help="an objective, constraint or penalty that each case has")
    parser.add_argument("--solvers", default=",".join(SOLVERS))
    parser.add_argument("--case", type=int, help="only this case")
    parser.add_argument("--whole-range", type=int, metavar="N", help="N larger problems, with targets at the edge")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    solvers = tuple(given.solvers.split(","))
    count = given.cases if given.whole_range is None else given.whole_range
    numbers = list(range(count)) if given.case is None else [given.case]
    started = told = time.perf_counter()
    found: list[Verdict] = []
    parts = [numbers[k : k + 20] for k in range(0, len(numbers), 20)]
    if given.jobs > 1:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    if given.whole_range is not None:
        with ProcessPoolExecutor(given.jobs) as pool:
            every = pool.map(whole.batch, [given.seed] * len(parts), parts)
            wrong = whole.report(given.seed, [one for part in every for one in part], given.verbose)
        return 1 if wrong else 0
    with ProcessPoolExecutor(given.jobs) as pool:
        for part in pool.map(batch, *zip(*((given.seed, part, solvers, given.only) for part in parts))):
            found += part
            if sys.stderr.isatty() and time.perf_counter() - told > 2:
                told = time.perf_counter()
                print(f"{len(found)} of {len(numbers)} cases", file=sys.stderr)
    table(found, solvers)
    wrong = [(v, name, words) for v in found for name, (word, words) in v.verdicts.items() if word == "wrong"]
    for v, name, words in wrong:
        only = f" --only {given.only}" if given.only else ""
        print(f"WRONG seed {given.seed} case {v.number} {name} [{' '.join(v.kinds)}]: {words}\n"
              f"    python -m tests.brute --seed {given.seed} --case {v.number}{only} --verbose")  # fmt: skip
    if given.verbose:
        from brute.cases import case_of

        for v in found:
            problem = case_of(given.seed, v.number, given.only)
            land = problem.landscape
            for key in ("cost", "contribution", "status", "area_km2"):
                print(key, getattr(land, key).tolist())
            print("amount", land.amount.toarray().tolist())
            print("target", problem.target.tolist(), "groups", {k: g.code.tolist() for k, g in land.groups.items()})
            print("edges", [part.tolist() for part in land.graph.edges()], "exposed", land.graph.exposed.tolist())
            print("layers", {key: value.tolist() for key, value in land.layers.items()})
            print(problem.objective, *problem.constraints, *problem.penalties, sep="\n")
            print(v.state, *(f"{name}: {word}: {words}" for name, (word, words) in v.verdicts.items()), sep="\n")
    took = time.perf_counter() - started
    each = sum(v.seconds for v in found) / max(len(found), 1)
    print(f"{len(found)} cases in {took:.1f} s, {each:.3f} s a case; {len(wrong)} wrong answers")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
