"""Intervals: Student's quantile by formula and by integration, and errors that are added."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.estimate import Variance, add_variances, estimate_from, student_quantile


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


parts = st.lists(st.builds(Variance, st.floats(1e-200, 1e200), st.none() | st.floats(1, 1e6)), min_size=1, max_size=6)


class TestSum:
    def test_nothing_is_no_error(self):
        assert add_variances([]) == Variance(0.0, None)
        assert add_variances([Variance(0.0, 0.0), Variance(0.0, 3.0)]) == Variance(0.0, None)

    def test_one_part_stays_what_it_is(self):
        total = add_variances([Variance(0.2, 7.0), Variance(0.0, 1.0)])
        assert total.value == 0.2
        assert total.df == pytest.approx(7.0)

    def test_satterthwaite_by_hand(self):
        total = add_variances([Variance(1.0, 4.0), Variance(3.0, 9.0)])
        assert total.value == 4.0
        assert total.df == pytest.approx(16.0 / (1.0 / 4.0 + 9.0 / 9.0))

    def test_a_known_part_adds_no_doubt_of_its_own(self):
        assert add_variances([Variance(1.0, 4.0), Variance(1.0, None)]).df == pytest.approx(16.0)
        assert add_variances([Variance(1.0, None), Variance(1.0, None)]).df is None
        assert add_variances([Variance(1.0, None), Variance(1e-155, 1.0)]).df is None  # and not infinite: records hold none

    @given(parts)
    def test_the_order_does_not_matter_and_degrees_of_freedom_lie_between_the_least_and_the_sum(self, some):
        total, back = add_variances(some), add_variances(some[::-1])
        assert total.value == pytest.approx(back.value, rel=1e-12)
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
        assert add_variances([Variance(1e-300, 10.0), Variance(1e-300, 10.0)]).df == pytest.approx(20.0)

    def test_coverage_of_a_difference_of_two_unequal_means(self):
        rng = np.random.default_rng(5)
        a, b = rng.normal(0.0, 3.0, (2000, 8)), rng.normal(1.0, 0.5, (2000, 20))
        covered = 0
        for x, y in zip(a, b, strict=True):
            errors = add_variances([Variance(x.var(ddof=1) / 8, 7.0), Variance(y.var(ddof=1) / 20, 19.0)])
            e = estimate_from(y.mean() - x.mean(), errors)
            covered += e.low <= 1.0 <= e.high
        assert 0.935 <= covered / 2000 <= 0.965


class TestEstimate:
    def test_by_hand(self):
        e = estimate_from(2.0, Variance(0.25, 15.0), n=16, why="a note")
        assert e.high - 2.0 == pytest.approx(2.1314495 * 0.5)
        assert 2.0 - e.low == pytest.approx(e.high - 2.0)
        assert (e.se, e.df, e.n, e.level, e.how, e.reliable, e.why) == (0.5, 15.0, 16, 0.95, "sampled", True, "a note")

    def test_no_variance_no_width(self):
        e = estimate_from(2.0, Variance(0.0, 0.0), how="exact")
        assert (e.low, e.high, e.se, e.df) == (2.0, 2.0, 0.0, None)

    def test_a_level_in_per_cent_is_refused_even_where_it_would_not_matter(self):
        with pytest.raises(InputError, match="level"):
            estimate_from(2.0, Variance(0.0), level=95)

    def test_a_doubt_comes_before_a_note(self):
        e = estimate_from(2.0, Variance(1.0), not_reliable="too few", why="a note")
        assert (e.reliable, e.why) == (False, "too few")

    def test_levels_are_nested_and_can_be_had_later_from_se_and_df(self):
        wide, narrow = (estimate_from(0.0, Variance(1.0, 4.0), level=level) for level in (0.99, 0.5))
        assert wide.low < narrow.low < 0.0 < narrow.high < wide.high
        assert narrow.high == pytest.approx(student_quantile(0.5, wide.df) * wide.se)
