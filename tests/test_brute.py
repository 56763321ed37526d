"""Every solver against counting, in rational arithmetic: 500 cases of `python -m tests.brute`."""

from __future__ import annotations

import pytest
from brute.check import check


@pytest.mark.parametrize("first", range(0, 500, 50))
def test_every_solver_gives_the_counted_optimum(first: int) -> None:
    found = [check(1, number) for number in range(first, first + 50)]
    assert sum(verdict.state == "counted" for verdict in found) >= 10
    wrong = [
        f"case {verdict.number} {name} {verdict.kinds}: {words}"
        for verdict in found
        for name, (word, words) in verdict.verdicts.items()
        if word == "wrong"
    ]
    assert not wrong, "\n".join(wrong)
