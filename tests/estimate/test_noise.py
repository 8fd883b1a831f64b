"""The noise of masks and of the draw of a set: enumerated over every outcome of tiny cases, and counted."""

from itertools import combinations, product

import numpy as np
import pytest

from whygap.errors import InputError
from whygap.estimate import Variance, add_variances, estimate_from, variance_of_mean, variance_of_repeats, variance_of_scores


class TestDrawOfASet:
    def test_closed_form_and_slow_twin(self):
        y = [0.1, 2.0, -1.0, 0.4]
        mean = sum(y) / 4
        slow = sum((v - mean) ** 2 for v in y) / 3 / 4
        without_one = [(sum(y) - v) / 3 for v in y]
        jackknife = 3 / 4 * sum((m - mean) ** 2 for m in without_one)
        assert variance_of_scores(y).value == pytest.approx(slow, rel=1e-14)
        assert variance_of_scores(y).value == pytest.approx(jackknife, rel=1e-14)
        assert variance_of_scores(y).df == 3.0

    def test_over_all_sets_that_could_be_drawn_its_mean_is_the_variance_of_their_means(self):
        population = (0.0, 1.0, 5.0)
        sets = [np.array(drawn) for drawn in product(population, repeat=4)]
        assert np.mean([variance_of_scores(s).value for s in sets]) == pytest.approx(
            np.var([s.mean() for s in sets]), rel=1e-12
        )

    def test_null_equal_scores_have_none(self):
        assert variance_of_scores([0.25] * 7).value == 0.0

    def test_one_score_can_not_tell(self):
        assert variance_of_scores([3.0]) == Variance(0.0, 0.0)

    def test_it_falls_with_n(self):
        rng = np.random.default_rng(6)
        sizes = np.array([10, 100, 1000, 10_000])
        means = [np.mean([variance_of_scores(rng.normal(size=n)).value for _ in range(100)]) for n in sizes]
        assert np.polyfit(np.log(sizes), np.log(means), 1)[0] == pytest.approx(-1.0, abs=0.05)

    def test_coverage_of_ten_normal_scores(self):
        rng = np.random.default_rng(7)
        covered = 0
        for y in rng.normal(0.4, 2.0, (2000, 10)):
            e = estimate_from(y.mean(), variance_of_scores(y))
            covered += e.low <= 0.4 <= e.high
        assert 0.935 <= covered / 2000 <= 0.965

    @pytest.mark.parametrize("scores", [[], [[1.0, 2.0]], [1.0, float("nan")], [1.0, -float("inf")]])
    def test_bad_input_is_named_in_one_line(self, scores):
        with pytest.raises(InputError, match="scores") as caught:
            variance_of_scores(scores)
        assert "\n" not in str(caught.value)


class TestMasks:
    def test_slow_twin(self):
        repeats, size = [[0.0, 1.0, 4.0], [2.0, 1.0, 3.0], [1.0, 4.0, 2.0]], [10, 10, 3]
        total = 0.0
        for unit, n in enumerate(size):
            column = [row[unit] for row in repeats]
            mean = sum(column) / 3
            total += n**2 * sum((v - mean) ** 2 for v in column) / 2 / 3
        assert variance_of_repeats(repeats, size=size, n_population=12).value == pytest.approx(
            total / 23**2 * 3 / 12, rel=1e-14
        )
        assert variance_of_repeats(repeats, size=size, n_population=12).df == 6.0

    @pytest.mark.parametrize("u", [2, 3, 4])
    def test_with_the_sampling_variance_it_is_the_whole_error_over_every_sample_and_every_mask(self, u):
        """Masks add +-1 times an amount of the unit's own; both evaluations of each unit are enumerated."""
        truth, amount = np.array([0.0, 1.0, 3.0, 7.0]), np.array([0.5, 1.0, 0.0, 2.0])
        values, stated = [], []
        for chosen in combinations(range(4), u):
            at = list(chosen)
            for signs in product((-1.0, 1.0), repeat=2 * u):
                repeats = truth[at] + amount[at] * np.array(signs).reshape(2, u)
                means = repeats.mean(axis=0)
                values.append(means.mean())
                sampling = variance_of_mean(means, n_population=4).value
                stated.append(sampling + variance_of_repeats(repeats, size=np.ones(u), n_population=4).value)
        assert np.mean(values) == pytest.approx(truth.mean(), rel=1e-12)
        assert np.mean(stated) == pytest.approx(np.var(values), rel=1e-12)

    def test_null_no_masks_no_noise(self):
        assert variance_of_repeats([[1.0, 2.0], [1.0, 2.0]], size=[4, 4], n_population=9).value == 0.0

    def test_one_evaluation_can_not_tell(self):
        assert variance_of_repeats([[1.0, 2.0]], size=[4, 4], n_population=9) == Variance(0.0, 0.0)

    def test_it_falls_with_the_number_of_repeats_and_of_units(self):
        rng = np.random.default_rng(8)

        def mean_of(k, u):
            return np.mean(
                [variance_of_repeats(rng.normal(size=(k, u)), size=np.ones(u), n_population=u).value for _ in range(300)]
            )

        for k, u in ((2, 8), (2, 32), (8, 8), (8, 32)):
            assert mean_of(k, u) == pytest.approx(1.0 / (k * u), rel=0.1)

    @pytest.mark.parametrize("n_population", [16, 20, 1000])
    def test_coverage_of_16_batches_scored_twice(self, n_population):
        rng = np.random.default_rng([9, n_population])
        truth = rng.normal(1.0, 0.1, n_population)
        covered = without = 0
        for _ in range(2000):
            at = rng.permutation(n_population)[:16]
            repeats = truth[at] + rng.normal(0.0, 0.2, (2, 16))
            means = repeats.mean(axis=0)
            sampling = variance_of_mean(means, n_population=n_population)
            masks = variance_of_repeats(repeats, size=np.ones(16), n_population=n_population)
            e = estimate_from(means.mean(), add_variances([sampling, masks]))
            covered += e.low <= truth.mean() <= e.high
            e = estimate_from(means.mean(), sampling)
            without += e.low <= truth.mean() <= e.high
        assert 0.935 <= covered / 2000 <= 0.965
        if n_population <= 20:  # nearly all was sampled, and yet the masks are noise
            assert without / 2000 < 0.75

    @pytest.mark.parametrize(
        ("repeats", "size", "n_population"),
        [
            ([1.0, 2.0], [1, 1], 2),
            ([[]], [], 2),
            ([[1.0, 2.0]], [1], 2),
            ([[1.0, float("nan")], [1.0, 1.0]], [1, 1], 2),
            ([[1.0, 2.0], [1.0, 1.0]], [1, 0], 2),
            ([[1.0, 2.0], [1.0, 1.0]], [1, float("inf")], 2),
            ([[1.0, 2.0], [1.0, 1.0]], [1, 1], 1),
        ],
    )
    def test_bad_input_is_named_in_one_line(self, repeats, size, n_population):
        with pytest.raises(InputError) as caught:
            variance_of_repeats(repeats, size=size, n_population=n_population)
        assert "\n" not in str(caught.value)
