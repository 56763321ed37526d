"""Importance of units against the figures of prioritizr, and what must hold whatever the figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prioritize.errors import DataError
from prioritize.landscape import Landscape, from_arrays
from prioritize.metrics.importance import ferrier, rarity_weighted_richness

CHOSEN = np.array([[False], [True], [True]])


def micro() -> Landscape:
    """REFERENCE.md section 1: four cells, of which the third has no cost and is no unit, but counts in the totals."""
    totals = pd.DataFrame({"name": ["sp1", "sp2"], "total": [1.0, 31.0]})
    return from_arrays([10, 2, 3], [[0, 0, 1], [10, 5, 6]], features=totals)


def random_landscape(seed: int, units: int = 12, features: int = 4) -> tuple[Landscape, np.ndarray]:
    random = np.random.default_rng(seed)
    amount = random.integers(0, 9, (features, units)) * (random.random((features, units)) < 0.6)
    return from_arrays(np.ones(units), amount), random.random((units, 1)) < 0.5


class TestRarityWeightedRichness:
    def test_reference(self) -> None:
        score = rarity_weighted_richness(micro(), CHOSEN)
        np.testing.assert_allclose(score, [0, 0.0161290323, 1.0193548387], atol=1e-10)

    def test_rescaled(self) -> None:
        assert rarity_weighted_richness(micro(), CHOSEN, rescale=True).tolist() == [0, 0.01, 1.0]
        alone = np.array([[False], [True], [False]])
        assert rarity_weighted_richness(micro(), alone, rescale=True).tolist() == [0, 0.505, 0]
        assert rarity_weighted_richness(micro(), np.zeros((3, 1)), rescale=True).tolist() == [0, 0, 0]

    def test_feature_that_is_nowhere_adds_nothing(self) -> None:
        landscape = from_arrays([1, 1], [[0, 0], [1, 3]])
        np.testing.assert_allclose(rarity_weighted_richness(landscape, [[True], [True]]), [1 / 12, 3 / 12])
        assert rarity_weighted_richness(from_arrays([1, 1], [[0, 0]]), [[True], [True]]).tolist() == [0, 0]

    def test_contribution_of_the_zone_counts(self) -> None:
        landscape = from_arrays([1, 1], [[1, 1]], zones=("park", "farm"), contribution=[[1.0, 0.25]])
        score = rarity_weighted_richness(landscape, [[True, False], [False, True]])
        assert score.tolist() == [0.5, 0.125]

    def test_wrong_shape(self) -> None:
        with pytest.raises(DataError, match=r"the selection has shape \(3,\), expected \(3, 1\)"):
            rarity_weighted_richness(micro(), [True, True, False])


class TestFerrier:
    def test_reference(self) -> None:
        score = ferrier(micro(), [1, 10], CHOSEN)
        expected = [[0, 0, 1], [0, 0.1519809683, 0.1842659475]]
        np.testing.assert_allclose(score.toarray(), expected, atol=1e-10)
        np.testing.assert_allclose(score.sum(axis=0), [0, 0.1519809683, 1.1842659475], atol=1e-10)

    @given(st.integers(0, 10_000), st.floats(0, 1.2))
    def test_is_a_share_of_selected_units(self, seed: int, level: float) -> None:
        landscape, selection = random_landscape(seed)
        goals = level * landscape.features["total"].to_numpy()
        score = ferrier(landscape, goals, selection).toarray()
        assert np.all(np.isfinite(score))
        assert np.all(score <= 1 + 1e-12)
        assert not score[:, ~selection[:, 0]].any()
        assert not score[landscape.amount.toarray() == 0].any()

    @given(st.integers(0, 10_000))
    def test_order_of_units_does_not_matter(self, seed: int) -> None:
        landscape, selection = random_landscape(seed)
        goals = 0.3 * landscape.features["total"].to_numpy()
        order = np.random.default_rng(seed).permutation(12)
        here = ferrier(landscape, goals, selection).toarray()[:, order]
        there = ferrier(landscape.renumbered(order), goals, selection[order]).toarray()
        np.testing.assert_allclose(here, there, atol=1e-12)

    def test_what_only_one_unit_has_is_irreplaceable(self) -> None:
        landscape = from_arrays(np.ones(5), [[0, 0, 0, 0, 2], [1, 1, 1, 1, 1]])
        score = ferrier(landscape, [2, 1], np.array([[1], [1], [0], [0], [1]])).toarray()
        assert score[0].tolist() == [0, 0, 0, 0, 1]
        assert 0 < score[1, 0] == score[1, 1] == score[1, 4] < 1

    def test_single_unit(self) -> None:
        """By hand, with no other unit in the portfolio; prioritizr divides by zero here and answers NaN."""
        lone = ferrier(from_arrays([1, 1, 1], [[4, 0, 0], [1, 1, 1]]), [4, 1], np.array([[1], [0], [0]])).toarray()
        # sp2: with it surely, removed never, another unit by chance 1/2: 1 * 1/3 / (1 * 1/3 + 1/2 * 2/3)
        np.testing.assert_allclose(lone[:, 0], [1, 0.5])
        assert ferrier(from_arrays([1], [[4]]), [4], [[True]]).toarray().tolist() == [[1.0]]

    def test_everything_selected(self) -> None:
        score = ferrier(micro(), [1, 21], np.ones((3, 1), bool)).toarray()
        assert np.all(np.isfinite(score))
        assert score[1].tolist() == [1, 1, 1]  # all 21 are needed

    def test_nothing_selected(self) -> None:
        assert ferrier(micro(), [1, 10], np.zeros((3, 1))).nnz == 0

    def test_contribution_scales_like_the_target(self) -> None:
        """Half the contribution everywhere with half the target is the same question."""
        full = from_arrays([10, 2, 3], [[0, 0, 1], [10, 5, 6]])
        half = from_arrays([10, 2, 3], [[0, 0, 1], [10, 5, 6]], contribution=[[0.5], [0.5]])
        here, there = ferrier(full, [1, 10], CHOSEN), ferrier(half, [0.5, 5], CHOSEN)
        assert there.nnz == 3
        np.testing.assert_allclose(here.toarray(), there.toarray())

    def test_refusals(self) -> None:
        with pytest.raises(DataError, match="3 targets for 2 features"):
            ferrier(micro(), [1, 2, 3], CHOSEN)
        with pytest.raises(DataError, match="negative target of sp2"):
            ferrier(micro(), [1, -2], CHOSEN)
        with pytest.raises(DataError, match="negative amounts of feature_1"):
            ferrier(from_arrays([1, 1], [[-1, 1]]), [1], [[True], [True]])
        with pytest.raises(DataError, match="the selection has shape"):
            ferrier(micro(), [1, 10], [[True]])
