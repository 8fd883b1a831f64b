"""The noise of the draw of a set: enumerated over every outcome of tiny cases, and counted."""

from itertools import product

import numpy as np
import pytest

from whygap.errors import InputError
from whygap.estimate import Moments, error_of_draw, estimate_from


class TestDrawOfASet:
    def test_closed_form_and_slow_twin(self):
        y = [0.1, 2.0, -1.0, 0.4]
        mean = sum(y) / 4
        slow = sum((v - mean) ** 2 for v in y) / 3 / 4
        without_one = [(sum(y) - v) / 3 for v in y]
        jackknife = 3 / 4 * sum((m - mean) ** 2 for m in without_one)
        assert error_of_draw(y).variance == pytest.approx(slow, rel=1e-14)
        assert error_of_draw(y).variance == pytest.approx(jackknife, rel=1e-14)
        assert error_of_draw(y).df == 3.0

    def test_over_all_sets_that_could_be_drawn_its_mean_is_the_variance_of_their_means(self):
        population = (0.0, 1.0, 5.0)
        sets = [np.array(drawn) for drawn in product(population, repeat=4)]
        assert np.mean([error_of_draw(s).variance for s in sets]) == pytest.approx(np.var([s.mean() for s in sets]), rel=1e-12)

    def test_third_moment_over_all_sets_that_could_be_drawn(self):
        """Exactly unbiased: of independent draws, mean((mean - truth)^3) is the third moment over m^2."""
        population = (0.0, 1.0, 5.0)
        sets = [np.array(drawn) for drawn in product(population, repeat=4)]
        assert np.mean([error_of_draw(s).third for s in sets]) == pytest.approx(np.mean([(s.mean() - 2.0) ** 3 for s in sets]))

    def test_means_of_batches_are_single_scores_where_each_holds_one(self):
        y = [0.1, 2.0, -1.0, 0.4]
        assert error_of_draw(y, rows=[1, 1, 1, 1]) == error_of_draw(y)
        assert error_of_draw(y, rows=[7, 7, 7, 7]) == pytest.approx(error_of_draw(y))

    def test_means_of_batches_by_their_slow_twin(self):
        y, rows = [1.0, 3.0, 2.5], [4, 4, 1]
        mean = sum(n * v for n, v in zip(rows, y, strict=True)) / 9
        slow = sum((n / 9 * (v - mean)) ** 2 for n, v in zip(rows, y, strict=True)) * 3 / 2
        assert error_of_draw(y, rows=rows).variance == pytest.approx(slow, rel=1e-12)

    def test_coverage_of_means_of_batches_with_a_short_last_one(self):
        rng = np.random.default_rng(8)
        rows, covered = np.array([32] * 15 + [8]), 0
        for _ in range(2000):
            y = rng.normal(0.4, 2.0 / np.sqrt(rows))
            e = estimate_from(np.average(y, weights=rows), error_of_draw(y, rows=rows))
            covered += e.low <= 0.4 <= e.high
        assert 0.935 <= covered / 2000 <= 0.965

    def test_null_equal_scores_have_none(self):
        assert error_of_draw([0.25] * 7).variance == 0.0

    def test_one_score_can_not_tell(self):
        assert error_of_draw([3.0]) == Moments(0.0, 0.0)

    def test_it_falls_with_n(self):
        rng = np.random.default_rng(6)
        sizes = np.array([10, 100, 1000, 10_000])
        means = [np.mean([error_of_draw(rng.normal(size=n)).variance for _ in range(100)]) for n in sizes]
        assert np.polyfit(np.log(sizes), np.log(means), 1)[0] == pytest.approx(-1.0, abs=0.05)

    def test_coverage_of_ten_normal_scores(self):
        rng = np.random.default_rng(7)
        covered = 0
        for y in rng.normal(0.4, 2.0, (2000, 10)):
            e = estimate_from(y.mean(), error_of_draw(y))
            covered += e.low <= 0.4 <= e.high
        assert 0.935 <= covered / 2000 <= 0.965

    @pytest.mark.parametrize("scores", [[], [[1.0, 2.0]], [1.0, float("nan")], [1.0, -float("inf")]])
    def test_bad_input_is_named_in_one_line(self, scores):
        with pytest.raises(InputError, match="scores") as caught:
            error_of_draw(scores)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("rows", [[1], [1, 0], [1, -1], [1, float("nan")], [[1, 1]]])
    def test_rows_that_do_not_fit_are_named_in_one_line(self, rows):
        with pytest.raises(InputError, match="rows must be positive") as caught:
            error_of_draw([1.0, 2.0], rows=rows)
        assert "\n" not in str(caught.value)
