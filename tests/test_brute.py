"""The solvers against counting, and at the edge against a rival: some of what `python -m tests.brute` runs."""

from __future__ import annotations

import pytest
from brute.check import check
from brute.whole import look

#: besides the default, one of these a case: all of them in every case take longer than a test may (CP-SAT, with patches
#: and flows, up to a minute); `python -m tests.brute` asks all
BESIDE = ("highs", "cp_sat", "scip")


@pytest.mark.parametrize("first", range(0, 500, 50))
def test_every_solver_gives_the_counted_optimum(first: int) -> None:
    found = [check(1, number, ("auto", BESIDE[number % 3])) for number in range(first, first + 50)]
    assert sum(verdict.state == "counted" for verdict in found) >= 10
    wrong = [
        f"case {verdict.number} {name} {verdict.kinds}: {words}"
        for verdict in found
        for name, (word, words) in verdict.verdicts.items()
        if word == "wrong"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("number", [1, 5, 7, 9, 314, 354, 358, 372, 383, 391, 398, 405])
def test_targets_at_the_edge_are_met_and_bounds_hold(number: int) -> None:
    # from 314 on: what HiGHS "proved" above a selection that meets everything, or denied, before rows were rewritten
    found = look(1, number)
    assert found.said and not found.wrong(), found.wrong()


#: what went wrong once in longer runs: errors at an objective of 0, coefficients and costs beyond what solvers hold,
#: reduced costs taken for none, and CP-SAT's presolve
ONCE_WRONG = [(101, 2), (101, 37), (102, 243), (103, 91), (103, 289), (105, 277), (203, 304), (305, 230), (308, 143)]


@pytest.mark.parametrize(("seed", "number"), ONCE_WRONG)
def test_what_was_wrong_once_is_right(seed: int, number: int) -> None:
    verdict = check(seed, number)
    assert verdict.state == "counted"
    assert not [words for word, words in verdict.verdicts.values() if word == "wrong"]
