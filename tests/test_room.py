"""Rows with next to no room are rewritten, and say the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import sparse

from prioritize.program import Builder, Program
from prioritize.solvers.room import pressed


def program_of(amount: np.ndarray, share: float, zones: int, shut: tuple[int, ...] = ()) -> Program:
    builder = Builder(amount.shape[1] // zones, zones)
    best = amount.reshape(len(amount), -1, zones).max(axis=2).sum(axis=1)
    builder.add_rows([f"row {k}" for k in range(len(amount))], sparse.csr_array(amount), lower=share * best)
    builder.upper[list(shut)] = 0.0
    return builder.build()


def fitting(program: Program) -> set[tuple[float, ...]]:
    every = itertools.product((0.0, 1.0), repeat=program.units * program.zones)
    return {x for x in every if not program.violations(np.array(x))}


@pytest.mark.parametrize("zones", [1, 2])
@pytest.mark.parametrize("seed", range(20))
def test_the_same_selections_fit(seed: int, zones: int) -> None:
    rng = np.random.default_rng(seed)
    amount = 10.0 ** rng.uniform(-12, 0, (2, 8)) * (rng.random((2, 8)) < 0.8)
    program = program_of(amount, 1.0, zones, (int(rng.integers(8)),) if seed % 4 == 0 else ())
    rewritten = pressed(program)
    # a plain sum is exact enough here: what is left has amounts of the size of the room
    assert rewritten is not program
    every = [np.array(x) for x in itertools.product((0.0, 1.0), repeat=8)]
    kept = {
        tuple(x)
        for x in every
        if np.all(x <= rewritten.upper)
        and np.all(x.reshape(-1, zones).sum(axis=1) <= 1)
        and np.all(rewritten.rows @ x >= rewritten.row_lower - 1e-12 * np.abs(rewritten.row_lower))
    }
    assert kept == fitting(program)


def test_amounts_that_are_left_are_no_larger_than_the_room() -> None:
    program = program_of(np.array([[1.0, 3e-10, 4e-10, 5e-10]]), 1.0, 1)
    rewritten = pressed(program)
    # 1e-9 may be missing: any two of the small ones, not all three
    assert rewritten.rows.toarray()[0].tolist() == [0.0, 3e-10, 4e-10, 5e-10]
    assert rewritten.row_lower[0] == pytest.approx(0.2e-9, rel=1e-4)
    assert rewritten.rows.toarray()[1].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_rows_with_room_are_left_alone() -> None:
    program = program_of(np.array([[1.0, 2.0, 3.0]]), 0.5, 1)
    assert pressed(program) is program
