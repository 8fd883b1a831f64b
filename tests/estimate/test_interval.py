"""Intervals: Student's quantile by formula and by integration, and errors that are added."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from whygap.errors import InputError
from whygap.estimate import Moments, add_moments, estimate_from, reach, student_quantile


class TestQuantile:
    @pytest.mark.parametrize("level", [0.01, 0.5, 0.9, 0.95, 0.999])
    def test_closed_forms(self, level):
        assert student_quantile(level, 1) == pytest.approx(math.tan(math.pi * level / 2), rel=1e-9)
        assert student_quantile(level, 2) == pytest.approx(level * math.sqrt(2 / (1 - level**2)), rel=1e-9)
        assert student_quantile(level, None) == pytest.approx(NormalDist().inv_cdf(0.5 + level / 2), rel=1e-12)

    @pytest.mark.parametrize("df", [3.0, 7.5, 15.0, 200.0])
    def test_the_density_between_the_quantiles_integrates_to_the_level(self, df):
        t = np.linspace(-1, 1, 200_001) * student_quantile(0.95, df)
        log_scale = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
        density = np.exp(log_scale - (df + 1) / 2 * np.log1p(t**2 / df))
        assert np.trapezoid(density, t) == pytest.approx(0.95, abs=1e-8)

    def test_it_nears_the_normal_one_at_the_rate_one_over_df(self):
        above = [student_quantile(0.95, df) - student_quantile(0.95, None) for df in (100, 200, 400)]
        assert above[0] / above[1] == pytest.approx(2, rel=0.02)
        assert above[1] / above[2] == pytest.approx(2, rel=0.02)

    def test_levels_so_near_one_as_many_looks_ask_for(self):
        quantiles = [student_quantile(1 - 0.03 / k**2, 15) for k in (1, 10, 100, 1000)]
        assert np.isfinite(quantiles).all()
        assert quantiles == sorted(quantiles)

    @pytest.mark.parametrize(("level", "df"), [(0.0, 5), (1.0, 5), (95, 5), (float("nan"), 5), (0.95, 0), (0.95, -1)])
    def test_bad_input_is_named_in_one_line(self, level, df):
        with pytest.raises(InputError) as caught:
            student_quantile(level, df)
        assert "\n" not in str(caught.value)


class TestReach:
    @pytest.mark.parametrize("df", [None, 3.0, 50.0])
    def test_null_no_skew_is_student(self, df):
        q = student_quantile(0.95, df)
        assert reach(0.95, df) == pytest.approx((q, q), rel=1e-12)

    @pytest.mark.parametrize("count", [3, 10, 40, 400])
    @pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
    def test_garwood_by_the_distribution_that_it_inverts(self, count, level):
        """At either end of the interval for a count, counts as far off as the one seen have half of what is left."""
        below, _ = reach(level, None, skew=count**-0.5)
        assert poisson.sf(count - 1, count - below * count**0.5) == pytest.approx((1 - level) / 2, rel=1e-9)
        skew = (math.sqrt(1.0 + 4.0 * count**-0.5) - 1.0) / 2.0  # so that skew (1 + skew) is that of the count
        _, above = reach(level, None, skew=skew)
        assert poisson.cdf(count, count + above * count**0.5) == pytest.approx((1 - level) / 2, rel=1e-9)

    @given(st.floats(0.0, 20.0), st.floats(0.05, 1 - 1e-6), st.none() | st.floats(1.0, 1e4))
    def test_a_left_tail_is_the_mirror_of_a_right_one(self, skew, level, df):
        assert reach(level, df, -skew) == reach(level, df, skew)[::-1] if skew else True

    @pytest.mark.parametrize("df", [None, 1.0, 4.0, 63.0])
    @pytest.mark.parametrize("level", [0.5, 0.95, 1 - 2e-5])
    def test_it_is_continuous_where_the_expansion_takes_over(self, df, level):
        q = min(student_quantile(level, df), 30.0)
        for one, other in zip(reach(level, df, 1e-3 * (1 - 1e-9)), reach(level, df, 1e-3), strict=True):
            assert one == pytest.approx(other, rel=3e-6 * (1.0 + q**2))  # of the order of skew^2 q^3

    @pytest.mark.parametrize("skew", [0.0, 1e-4, 1e-3, 0.05, 0.6, 3.0])
    @pytest.mark.parametrize("df", [None, 1.0, 2.0, 15.0])
    def test_it_grows_with_the_level_and_stays_finite_at_any(self, skew, df):
        levels = [0.5, 0.8, 0.95, 0.99, 0.999, 1 - 2e-5, 1 - 1e-9]
        below, above = np.array([reach(level, df, skew) for level in levels]).T
        assert np.isfinite([below, above]).all()
        assert (np.diff(above) > 0).all()
        assert (np.diff(below) >= 0).all()  # a mean of scores that are never negative is no further below
        assert (below >= 0.0).all()

    @given(st.floats(1e-4, 5.0), st.floats(1e-4, 5.0))
    def test_it_leans_the_more_the_larger_the_skew(self, one, other):
        small, large = sorted((one, other))
        (short, long), (shorter, longer) = reach(0.95, None, small), reach(0.95, None, large)
        assert shorter <= short + 1e-6
        assert longer >= long - 1e-6

    @pytest.mark.parametrize("truth", [5.0, 20.0, 200.0])
    def test_planted_counts_are_covered_on_both_sides(self, truth):
        """Of which the count itself is the variance and its root the inverse of the skewness."""
        rng = np.random.default_rng(70)
        counts = np.maximum(rng.poisson(truth, 4000), 1)  # none at all has no interval
        ends = np.array([reach(0.95, None, count**-0.5) for count in counts])
        root = np.sqrt(counts)
        too_high, too_low = counts - ends[:, 0] * root > truth, counts + ends[:, 1] * root < truth
        assert too_high.mean() <= 0.03
        assert too_low.mean() <= 0.03
        assert np.mean(np.abs(counts - truth) > 1.96 * root) > np.mean(too_high | too_low)

    def test_bad_input_is_refused_with_a_skew_as_without(self):
        with pytest.raises(InputError, match="level"):
            reach(95, None, 0.3)
        with pytest.raises(InputError, match="degrees of freedom"):
            reach(0.95, 0.0, 0.3)


class TestMoments:
    def test_skew_by_hand(self):
        assert Moments(4.0, None, 2.0).skew == pytest.approx(0.25)
        assert Moments(4.0, None, -2.0).skew == pytest.approx(-0.25)
        assert Moments(0.0).skew == 0.0
        assert Moments(4.0).skew == 0.0

    def test_skew_of_the_tiniest_and_largest(self):
        assert Moments(1e-210, None, 1e-315).skew == pytest.approx(1.0)
        assert Moments(1e-216, None, 5e-324).skew == pytest.approx(5.0, rel=0.2)  # the smallest float that there is
        assert Moments(1e204, None, 1e306).skew == pytest.approx(1.0)

    def test_turned_round_it_leans_the_other_way(self):
        assert -Moments(2.0, 3.0, 0.5) == Moments(2.0, 3.0, -0.5)


parts = st.lists(st.builds(Moments, st.floats(1e-200, 1e200), st.none() | st.floats(1, 1e6)), min_size=1, max_size=6)


class TestSum:
    def test_nothing_is_no_error(self):
        assert add_moments([]) == Moments(0.0, None)
        assert add_moments([Moments(0.0, 0.0), Moments(0.0, 3.0)]) == Moments(0.0, None)

    def test_third_moments_add_up(self):
        total = add_moments([Moments(1.0, 4.0, 0.5), Moments(2.0, None, -0.2), Moments(0.0, 3.0)])
        assert total.third == pytest.approx(0.3)
        assert add_moments([Moments(1.0, 4.0, 0.5), -Moments(1.0, 4.0, 0.5)]).third == 0.0

    def test_one_part_stays_what_it_is(self):
        total = add_moments([Moments(0.2, 7.0), Moments(0.0, 1.0)])
        assert total.variance == 0.2
        assert total.df == pytest.approx(7.0)

    def test_satterthwaite_by_hand(self):
        total = add_moments([Moments(1.0, 4.0), Moments(3.0, 9.0)])
        assert total.variance == 4.0
        assert total.df == pytest.approx(16.0 / (1.0 / 4.0 + 9.0 / 9.0))

    def test_a_known_part_adds_no_doubt_of_its_own(self):
        assert add_moments([Moments(1.0, 4.0), Moments(1.0, None)]).df == pytest.approx(16.0)
        assert add_moments([Moments(1.0, None), Moments(1.0, None)]).df is None
        assert add_moments([Moments(1.0, None), Moments(1e-155, 1.0)]).df is None  # and not infinite: records hold none

    @given(parts)
    def test_the_order_does_not_matter_and_degrees_of_freedom_lie_between_the_least_and_the_sum(self, some):
        total, back = add_moments(some), add_moments(some[::-1])
        assert total.variance == pytest.approx(back.variance, rel=1e-12)
        finite = [p.df for p in some if p.df is not None]
        if total.df is None:
            # a part too small to count leaves the others' df, even none
            assert len(finite) < len(some) or not finite
        else:
            assert total.df == pytest.approx(back.df, rel=1e-9)
            assert total.df >= min(finite) * (1 - 1e-9)
            if len(finite) == len(some):
                assert total.df <= sum(finite) * (1 + 1e-9)

    def test_variances_near_the_smallest_float_keep_their_degrees_of_freedom(self):
        assert add_moments([Moments(1e-300, 10.0), Moments(1e-300, 10.0)]).df == pytest.approx(20.0)

    def test_coverage_of_a_difference_of_two_unequal_means(self):
        rng = np.random.default_rng(5)
        a, b = rng.normal(0.0, 3.0, (2000, 8)), rng.normal(1.0, 0.5, (2000, 20))
        covered = 0
        for x, y in zip(a, b, strict=True):
            errors = add_moments([Moments(x.var(ddof=1) / 8, 7.0), Moments(y.var(ddof=1) / 20, 19.0)])
            e = estimate_from(y.mean() - x.mean(), errors)
            covered += e.low <= 1.0 <= e.high
        assert 0.935 <= covered / 2000 <= 0.965


class TestEstimate:
    def test_by_hand(self):
        e = estimate_from(2.0, Moments(0.25, 15.0), n=16, why="a note")
        assert e.high - 2.0 == pytest.approx(2.1314495 * 0.5)
        assert 2.0 - e.low == pytest.approx(e.high - 2.0)
        assert (e.se, e.df, e.n, e.level, e.how, e.reliable, e.why) == (0.5, 15.0, 16, 0.95, "sampled", True, "a note")

    def test_the_long_tail_of_the_error_is_on_the_other_side_of_the_interval(self):
        """Where samples tend to miss large scores, the truth lies further above than below."""
        e = estimate_from(2.0, Moments(0.25, None, 0.0625))
        below, above = reach(0.95, None, 0.5)
        assert (e.low, e.high) == pytest.approx((2.0 - 0.5 * below, 2.0 + 0.5 * above))
        assert e.high - 2.0 > 2.0 - e.low
        assert e.skew == pytest.approx(0.5)
        turned = estimate_from(-2.0, -Moments(0.25, None, 0.0625))
        assert (turned.low, turned.high) == pytest.approx((-e.high, -e.low))

    def test_no_variance_no_width(self):
        e = estimate_from(2.0, Moments(0.0, 0.0), how="exact")
        assert (e.low, e.high, e.se, e.df) == (2.0, 2.0, 0.0, None)

    def test_a_level_in_per_cent_is_refused_even_where_it_would_not_matter(self):
        with pytest.raises(InputError, match="level"):
            estimate_from(2.0, Moments(0.0), level=95)

    def test_a_doubt_comes_before_a_note(self):
        e = estimate_from(2.0, Moments(1.0), not_reliable="too few", why="a note")
        assert (e.reliable, e.why) == (False, "too few")

    def test_levels_are_nested_and_can_be_had_later_from_se_and_df(self):
        wide, narrow = (estimate_from(0.0, Moments(1.0, 4.0), level=level) for level in (0.99, 0.5))
        assert wide.low < narrow.low < 0.0 < narrow.high < wide.high
        assert narrow.high == pytest.approx(student_quantile(0.5, wide.df) * wide.se)
