"""When not to trust an interval: the rule by its formula; that intervals fail where it says so, and hold where not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.estimate import (
    MOST_SKEWED,
    Moments,
    error_of_draw,
    estimate_from,
    is_minor,
    skewness,
    why_not_reliable,
    why_not_representative,
)


class TestSkewness:
    @pytest.mark.parametrize(("ones", "n"), [(1, 4), (3, 100), (50, 100), (99, 100)])
    def test_two_values_have_a_formula(self, ones, n):
        p = ones / n
        assert skewness([1.0] * ones + [0.0] * (n - ones)) == pytest.approx((1 - 2 * p) / (p * (1 - p)) ** 0.5, abs=1e-12)

    def test_slow_twin(self):
        y = [0.3, 0.1, 9.0, 2.2, 0.0]
        mean = sum(y) / 5
        second, third = (sum((v - mean) ** power for v in y) / 5 for power in (2, 3))
        assert skewness(y) == pytest.approx(third / second**1.5, rel=1e-12)

    @pytest.mark.parametrize("y", [[5.0], [1.0, 2.0], [0.1] * 10, [0.0] * 4])
    def test_null_equal_or_few_scores_have_none(self, y):
        assert skewness(y) == 0.0

    @given(
        st.lists(st.integers(-50, 50), min_size=3, max_size=30),
        st.integers(-300, 90),
        st.sampled_from([-1, 1]),
        st.integers(-9, 9),
    )
    def test_it_has_no_unit(self, y, power, sign, shift):
        y = np.array(y, dtype=float)
        stretched = sign * 10.0**power * (y + shift)
        assert skewness(stretched) == pytest.approx(sign * skewness(y), abs=1e-6)

    @pytest.mark.parametrize("y", [[], [[1.0, 2.0]], [1.0, float("nan")], [1.0, 2.0, float("inf")]])
    def test_bad_input_is_named_in_one_line(self, y):
        for function in (skewness, lambda y: why_not_reliable(y, Moments(1.0))):
            with pytest.raises(InputError, match="scores") as caught:
                function(y)
            assert "\n" not in str(caught.value)


class TestRule:
    def test_few(self):
        assert why_not_reliable([1.0, 2.0, 3.0, 4.0], Moments(1.0, 3.0)) == "4 sampled, and an interval wants at least 5"
        assert why_not_reliable([1.0, 2.0, 3.0, 4.0, 5.0], Moments(1.0, 4.0)) == ""

    def test_equal_scores_show_no_spread(self):
        assert "equal" in why_not_reliable([1.0] * 500, Moments(0.0))

    def test_skew_at_its_edge(self):
        y = np.arange(9.0)
        assert why_not_reliable(y, Moments(1.0, 8.0, 0.99 * MOST_SKEWED)) == ""
        assert "skewness is 0.61, beyond 0.6" in why_not_reliable(y, Moments(1.0, 8.0, 0.606))
        assert "skewness is -0.61, beyond 0.6" in why_not_reliable(y, Moments(1.0, 8.0, -0.606))

    @pytest.mark.parametrize("n", [100, 1000])
    def test_ones_among_zeros_are_trusted_from_three_on(self, n):
        """A mean of k ones has the skewness of a count, 1 / sqrt(k): below 0.6 from the third on."""
        for k, is_trusted in ((1, False), (2, False), (3, True), (30, True)):
            y = np.array([1.0] * k + [0.0] * (n - k))
            assert (why_not_reliable(y, error_of_draw(y)) == "") == is_trusted
            assert (why_not_reliable(-y, error_of_draw(-y)) == "") == is_trusted

    def test_null_normal_scores_are_trusted(self):
        rng = np.random.default_rng(10)
        for n in (16, 64, 256):
            assert np.mean([why_not_reliable(y, error_of_draw(y)) == "" for y in rng.normal(size=(500, n))]) >= 0.99

    def test_planted_memorisation_is_doubted_and_rightly_so(self):
        """Few large losses among many small ones: the interval covers less than it says, and the rule sees it where it can.

        A sample that happens to hold none of the largest looks better than it is, so that one in two passes.
        """
        rng = np.random.default_rng(11)
        held = {True: [], False: []}
        for _ in range(2000):
            y = np.exp(rng.normal(-4.0, 2.5, 256))
            error = error_of_draw(y)
            e = estimate_from(y.mean(), error)
            held[why_not_reliable(y, error) == ""].append(e.low <= np.exp(-4.0 + 2.5**2 / 2) <= e.high)
        assert np.mean(held[True] + held[False]) < 0.9
        assert len(held[False]) / 2000 > 0.45


class TestRepresentative:
    def test_closed_form_for_three(self):
        """Two degrees of freedom: chi-square is exponential with mean 2, so that the quantile at 1/1000 is -2 log(0.999)."""
        edge = (-2.0 * np.log(0.999) / 2.0) ** 0.5
        known = [-1.0, 1.0] * 500
        assert why_not_representative([-1.01 * edge, 0.0, 1.01 * edge], known) == ""
        assert "spread by 0.031, those of all by 1" in why_not_representative([-0.99 * edge, 0.0, 0.99 * edge], known)

    @pytest.mark.parametrize("u", [5, 16, 64])
    def test_null_one_normal_sample_in_a_thousand_is_doubted(self, u):
        rng = np.random.default_rng([13, u])
        known = rng.normal(size=5000)
        doubted = sum(why_not_representative(rng.choice(known, u, replace=False), known) != "" for _ in range(5000))
        assert doubted <= 15

    def test_planted_batches_that_differ_are_missed_and_it_is_said(self):
        known = np.concatenate([np.full(5, 9.0), np.linspace(0.9, 1.1, 195)])
        assert "spread" in why_not_representative(known[20:180:10], known)
        assert why_not_representative(known[0:160:10], known) == ""

    def test_equal_scores_hide_nothing(self):
        assert why_not_representative([0.1] * 6, [0.1] * 60) == ""
        assert why_not_representative([0.1], [0.1, 4.0]) == ""  # one score has no spread to compare

    @pytest.mark.parametrize(("sampled", "known"), [([], [1.0]), ([1.0], []), ([1.0, float("nan")], [1.0]), ([1.0], [[1.0]])])
    def test_bad_input_is_named_in_one_line(self, sampled, known):
        with pytest.raises(InputError, match="scores") as caught:
            why_not_representative(sampled, known)
        assert "\n" not in str(caught.value)


class TestMinorParts:
    def test_by_hand(self):
        total = Moments(1.0, 100.0)
        assert is_minor(Moments(0.09, 15.0), total)
        assert not is_minor(Moments(0.11, 15.0), total)
        assert is_minor(Moments(0.0, 15.0), total)

    def test_nothing_is_minor_in_nothing(self):
        assert not is_minor(Moments(0.0, 15.0), Moments(0.0))

    def test_what_rests_on_too_few_is_never_minor(self):
        assert not is_minor(Moments(0.0, 0.0), Moments(1.0))
        assert not is_minor(Moments(1e-9, 3.0), Moments(1.0))
        assert is_minor(Moments(1e-9, 4.0), Moments(1.0))

    def test_a_doubted_minor_part_leaves_the_sum_covered(self):
        """The gap of a network that has memorised: training losses too skewed for an interval of their own, validation not."""
        rng = np.random.default_rng(12)
        covered = kept = 0
        for _ in range(1500):
            train, valid = np.exp(rng.normal(-7.0, 2.5, 256)), rng.gamma(1.0, 1.0, 1000)
            part, whole = error_of_draw(train), error_of_draw(valid)
            total = Moments(part.variance + whole.variance, whole.df)
            if not is_minor(part, total):
                continue
            kept += 1
            e = estimate_from(valid.mean() - train.mean(), total)
            covered += e.low <= 1.0 - np.exp(-7.0 + 2.5**2 / 2) <= e.high
        assert kept > 1000
        assert 0.935 <= covered / kept <= 0.965
