"""Any prices in their box prove a bound, and a tampered run is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import counted, problems, programs

from prioritize.certificate import proven_bound, read_certificate, write_certificate
from prioritize.engine.dual import Multipliers, dual_value
from prioritize.errors import DataError
from prioritize.problem import Problem, compile_problem
from prioritize.program import Program


def random_multipliers(program: Program, seed: int) -> Multipliers:
    """Prices of the right sign and size for every row and edge, half of them zero."""
    rng = np.random.default_rng(seed)
    size = rng.exponential(1.0, len(program.price)) * (rng.random(len(program.price)) < 0.5)
    up = np.isfinite(program.row_lower) & (~np.isfinite(program.row_upper) | (rng.random(len(size)) < 0.5))
    down = ~up & np.isfinite(program.row_upper)
    prices = np.where(up, np.minimum(size, program.price), np.where(down, -size, 0.0))
    return Multipliers(prices, tuple(group.weight * rng.random(len(group.weight)) for group in program.edges))


@settings(max_examples=60)
@given(program=st.one_of(problems(zones=1).map(compile_problem), programs()), seed=st.integers(0, 10**6))
def test_any_prices_prove_a_bound(program: Program, seed: int) -> None:
    best = counted(program)
    for k in range(5):
        multipliers = random_multipliers(program, seed + k)
        proven, plain = proven_bound(program, multipliers), dual_value(program, multipliers)
        assert proven == pytest.approx(plain, rel=1e-9, abs=1e-9)
        assert proven <= best + 1e-12 * max(1.0, abs(best))


@settings(max_examples=40)
@given(problem=problems(), seed=st.integers(0, 10**6))
def test_prices_out_of_their_box_prove_nothing(problem: Problem, seed: int) -> None:
    program = compile_problem(problem)
    good = random_multipliers(program, seed)
    bad = [Multipliers(good.rows[:-1], good.flows), Multipliers(np.full_like(good.rows, np.nan), good.flows)]
    soft = np.isfinite(program.price)
    if soft.any():
        bad.append(Multipliers(np.where(soft, program.price * 1.01 + 1e-9, good.rows), good.flows))
    if program.edges:
        bad.append(Multipliers(good.rows, tuple(group.weight * 1.01 for group in program.edges)))
        bad.append(Multipliers(good.rows, tuple(-group.weight for group in program.edges)))
    for multipliers in bad if len(good.rows) else []:
        assert proven_bound(program, multipliers) == -math.inf
        if len(multipliers.rows) == len(good.rows):
            assert dual_value(program, multipliers) == -math.inf


def test_rounding_is_counted_against_the_bound() -> None:
    """A thousand tenths do not add up in floating point: the proven bound stays on the safe side of the exact one."""
    from fractions import Fraction

    from prioritize.landscape import from_arrays
    from prioritize.registry import family

    rng = np.random.default_rng(0)
    amount, cost = rng.random((30, 400)), rng.random(400)
    landscape = from_arrays(cost, amount)
    problem = Problem(landscape, 0.1 * amount.sum(axis=1), amount.sum(axis=1), family("objectives")["min_cost"]())
    program = compile_problem(problem)
    prices = rng.random(30) * 0.1
    exact = sum((Fraction(float(p)) * Fraction(float(b)) for p, b in zip(prices, program.row_lower)), Fraction(0))
    for u in range(400):
        reduced = Fraction(float(cost[u])) - sum(
            (Fraction(float(prices[r])) * Fraction(float(amount[r, u])) for r in range(30)), Fraction(0)
        )
        exact += min(reduced, Fraction(0))
    proven = Fraction(proven_bound(program, Multipliers(prices)))
    assert proven <= exact
    assert float(exact - proven) <= 1e-12 * abs(float(exact))


def test_certificate_files(tmp_path: Path) -> None:
    kept = Multipliers(np.array([1.0, -2.0]), (np.array([0.5]), np.zeros(0)))
    assert read_certificate(tmp_path) is None
    write_certificate(tmp_path, kept)
    back = read_certificate(tmp_path)
    assert back is not None and back.rows.tolist() == [1.0, -2.0] and [f.tolist() for f in back.flows] == [[0.5], []]
    path = tmp_path / "certificate.npz"
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged or cut off"):
            read_certificate(tmp_path)


def test_a_certificate_holds_prices_and_flows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy 2.0 and 2.1 store every keyword of `savez_compressed` as an array, so there may be no other."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(np, "savez_compressed", lambda path, **arrays: given.update(arrays))
    write_certificate(tmp_path, Multipliers(np.ones(2), (np.ones(1),)))
    assert set(given) == {"rows", "flows_0"}


def test_a_flipped_byte_is_one_error(tmp_path: Path) -> None:
    """Wherever it is; a flip that the format cannot see (a date, how many files) is for the digests to tell."""
    rng = np.random.default_rng(0)
    kept = Multipliers(rng.random(60), (rng.random(80),))
    write_certificate(tmp_path, kept)
    path = tmp_path / "certificate.npz"
    whole, damaged = path.read_bytes(), 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_certificate(tmp_path)
        except DataError as error:
            assert str(path) in str(error)
            damaged += 1
    assert damaged > len(whole) / 2


@pytest.mark.parametrize("array", [np.ones((2, 1)), np.array(["a"]), np.ones(2, np.float32)])
def test_other_arrays_are_no_certificate(array: np.ndarray, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "certificate.npz", rows=array)
    with pytest.raises(DataError, match=r"certificate\.npz: rows is "):
        read_certificate(tmp_path)
