"""Marks in logged numbers: each planted, and absent from runs that have none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whygap.estimate.signatures import (
    compare_with_metric,
    find_chance_level,
    find_identical,
    find_not_finite,
    find_out_of_range,
    find_ratio,
)

E = np.arange(1.0, 13.0)
LOSS = 0.2 + np.exp(-E / 4)
NUMBERS = st.lists(st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(0.0, 3.0)), max_size=12)


def noisy(y, seed=0, size=0.05):
    return y * np.exp(size * np.random.default_rng(seed).normal(size=y.size))


class TestRatio:
    @pytest.mark.parametrize("factor", [0.25, 3.0, 100.0, 1.02])
    def test_a_factor_to_the_last_digit(self, factor):
        train, valid = (factor * LOSS).round(4), LOSS.round(4)
        found = find_ratio(train, valid, resolution_train=1e-4, resolution_valid=1e-4)
        assert found.mark == "constant_ratio"
        assert found.value == pytest.approx(factor, rel=1e-3)

    def test_an_exact_factor_is_named(self):
        found = find_ratio(LOSS / 4, LOSS, suspected={"n_train / n_valid": 4.0})
        assert found.evidence.endswith("which is n_valid / n_train")

    def test_a_blurred_factor_is_named(self):
        found = find_ratio(4.0 * noisy(LOSS), LOSS, suspected={"n_train / n_valid": 4.0})
        assert found.mark == "near_ratio"

    @pytest.mark.parametrize("factor", [1.3, 2.5, 6.0])
    def test_other_factors_are_not(self, factor):
        assert find_ratio(factor * noisy(LOSS), LOSS, suspected={"n_train / n_valid": 4.0}) is None

    def test_equal_flat_or_few_scores_have_no_factor(self):
        assert find_ratio(LOSS, LOSS) is None
        assert find_ratio(np.full(9, 2.0), np.full(9, 1.0)) is None
        assert find_ratio([2.0, 1.0], [1.0, 0.5]) is None


class TestChanceLevel:
    @pytest.mark.parametrize("k", [2, 5, 10, 20])
    def test_stuck_at_the_logarithm_of_the_classes(self, k):
        found = find_chance_level(np.log(k) + 0.0005 * np.random.default_rng(k).normal(size=20), resolution=1e-4)
        assert (found.mark, found.value) == ("chance_level", k)

    def test_many_classes_need_their_number(self):
        stuck = np.log(1000) + 0.0005 * np.random.default_rng(0).normal(size=20)
        assert find_chance_level(stuck) is None
        assert find_chance_level(stuck, n_classes=1000).value == 1000

    def test_elsewhere_moving_or_with_other_classes(self):
        assert find_chance_level(np.full(9, 2.2)) is None
        assert find_chance_level(np.log(10) * (1.0 + LOSS)) is None
        assert find_chance_level(np.full(9, np.log(10)), n_classes=2) is None


class TestMetric:
    def test_equal(self):
        assert compare_with_metric(LOSS, LOSS.round(4), resolution=1e-4).mark == "same_as_metric"

    def test_a_penalty_that_wanes(self):
        found = compare_with_metric(LOSS + np.linspace(0.3, 0.2, 12), LOSS)
        assert (found.mark, found.value) == ("penalty", pytest.approx(0.2))

    def test_another_score(self):
        assert compare_with_metric(LOSS, noisy(LOSS)) is None
        assert compare_with_metric(2.0 * noisy(LOSS, size=0.3), LOSS) is None


class TestRange:
    @pytest.mark.parametrize(
        ("score", "value", "mark"),
        [
            ("val_acc", [0.5, 1.2], "out_of_range"),
            ("accuracy", [50.0, 110.0], "out_of_range"),
            ("mse", [0.1, -0.1], "out_of_range"),
            ("binary_crossentropy", [-1.0], "out_of_range"),
            ("f1", [-0.1, 0.4], "out_of_range"),
        ],
    )
    def test_outside(self, score, value, mark):
        assert find_out_of_range(score, value).mark == mark

    @pytest.mark.parametrize(
        ("score", "value"),
        [("accuracy", [0.0, 1.0]), ("accuracy", [55.0, 99.0]), ("loss", [-3.0]), ("mse", [0.0]), ("acc", []), ("lr", [-1.0])],
    )
    def test_inside_or_unknown(self, score, value):
        assert find_out_of_range(score, value) is None

    def test_units(self):
        assert find_out_of_range("acc", [0.8, 0.9], [80.0, 85.0]).mark == "other_unit"
        assert find_out_of_range("acc", [70.0, 90.0], [80.0, 85.0]) is None


class TestNotFinite:
    def test_onset(self):
        found = find_not_finite([1.0, np.nan, 2.0, np.inf, np.nan])
        assert (found.value, found.n) == (4.0, 2)

    def test_epochs_of_the_log(self):
        assert find_not_finite([1.0, np.nan], [10.0, 20.0]).value == 20.0

    @pytest.mark.parametrize("value", [[], [1.0], [np.nan, 1.0], [np.nan, np.nan]])
    def test_none(self, value):
        assert find_not_finite(value) is None


class TestIdentical:
    def test_planted_and_not(self):
        assert find_identical(LOSS, LOSS).mark == "identical"
        assert find_identical(LOSS, LOSS + 1e-9) is None
        assert find_identical(np.ones(9), np.ones(9)) is None


@settings(deadline=None, max_examples=300)
@given(NUMBERS, NUMBERS, st.sampled_from([0.0, 1e-4, 1.0]))
def test_whatever_is_logged(train, valid, resolution):
    find_ratio(train, valid, suspected={"a": 4.0, "b": 0.0, "c": float("inf")}, resolution_train=resolution)
    find_chance_level(train, resolution=resolution)
    compare_with_metric(train, valid, resolution=resolution)
    find_out_of_range("acc", train, valid)
    find_out_of_range("mse", train)
    find_not_finite(train)
    find_identical(train, valid)
