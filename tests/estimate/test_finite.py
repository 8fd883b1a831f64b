"""Means of finite populations: enumerated exactly where the population is tiny, counted where it isn't."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.estimate import (
    LARGEST,
    estimate_difference,
    estimate_plain,
    is_difference_better,
    mean_by_size,
    variance_of_mean,
)

SCORES = np.array([0.3, -1.2, 4.0, 0.0, 2.5, 0.9])
VISITS = np.array([0.5, -1.0, 3.0, 0.3, 2.5, 2.0])


def all_samples(u):
    return [list(chosen) for chosen in combinations(range(SCORES.size), u)]


def loop_variance(scores, size, n_population):
    """The linearised ratio estimator in its slowest form."""
    u = len(scores)
    total = sum(size)
    mean = sum(n * y for n, y in zip(size, scores, strict=True)) / total
    squares = sum((n * (y - mean)) ** 2 for n, y in zip(size, scores, strict=True))
    return (1 - u / n_population) * squares / (u - 1) / u / (total / u) ** 2


class TestExactly:
    @pytest.mark.parametrize("u", [2, 3, 5])
    def test_plain_over_all_samples_is_unbiased_with_the_variance_it_states(self, u):
        estimates = [estimate_plain(SCORES[s], n_population=6) for s in all_samples(u)]
        values = np.array([e.value for e in estimates])
        assert values.mean() == pytest.approx(SCORES.mean(), abs=1e-14)
        assert np.mean([e.se**2 for e in estimates]) == pytest.approx(values.var(), rel=1e-12)

    @pytest.mark.parametrize("u", [2, 3, 5])
    def test_difference_over_all_samples_is_unbiased_with_the_variance_it_states(self, u):
        estimates = [
            estimate_difference(SCORES[s], VISITS[s], visits_mean=VISITS.mean(), n_population=6) for s in all_samples(u)
        ]
        values = np.array([e.value for e in estimates])
        assert values.mean() == pytest.approx(SCORES.mean(), abs=1e-14)
        assert np.mean([e.se**2 for e in estimates]) == pytest.approx(values.var(), rel=1e-12)

    @pytest.mark.parametrize("size", [[1, 1, 1], [32, 32, 8], [5, 1, 9]])
    def test_variance_is_its_slow_twin(self, size):
        scores = [0.4, 1.5, -2.0]
        assert variance_of_mean(scores, size=size, n_population=7).value == pytest.approx(
            loop_variance(scores, size, 7), rel=1e-12
        )

    def test_mean_counts_examples_and_not_units(self):
        assert mean_by_size([1.0, 4.0], [3, 1]) == 1.75
        assert mean_by_size([1.0, 4.0]) == 2.5

    def test_half_a_population_has_half_the_variance_of_an_endless_one(self):
        half = variance_of_mean(SCORES[:3], n_population=6).value
        endless = variance_of_mean(SCORES[:3], n_population=10**15).value
        assert half == pytest.approx(endless / 2, rel=1e-12)
        assert endless == pytest.approx(SCORES[:3].var(ddof=1) / 3, rel=1e-12)

    def test_a_full_pass_has_no_error(self):
        plain = estimate_plain(SCORES, n_population=6)
        difference = estimate_difference(SCORES, VISITS, visits_mean=float(VISITS.mean()), n_population=6)
        for e in (plain, difference):
            assert e.value == pytest.approx(SCORES.mean(), abs=1e-15)
            assert (e.low, e.high, e.se, e.df, e.how, e.reliable) == (e.value, e.value, 0.0, None, "exact", True)

    def test_one_unit_is_enough_where_there_is_but_one(self):
        assert estimate_plain([3.0], size=[32], n_population=1).low == 3.0


def test_null_scores_that_have_not_changed_since_the_visit_leave_nothing_to_estimate():
    e = estimate_difference(VISITS[:5], VISITS[:5], visits_mean=float(VISITS.mean()), n_population=600)
    assert e.value == VISITS.mean()
    assert e.low == e.high
    assert not e.reliable  # five equal changes don't show that the other 595 are equal, too


def test_planted_change_that_is_alike_for_all_is_found_exactly():
    e = estimate_difference(VISITS[:5] - 0.25, VISITS[:5], visits_mean=float(VISITS.mean()), n_population=600)
    assert e.value == pytest.approx(VISITS.mean() - 0.25, abs=1e-15)
    assert e.high - e.low < 1e-12


def test_error_falls_with_the_root_of_the_number_of_units():
    rng = np.random.default_rng(1)
    population = rng.gamma(2.0, size=100_000)
    units = np.array([16, 64, 256, 1024])
    errors = []
    for u in units:
        drawn = np.array(
            [estimate_plain(rng.choice(population, u, replace=False), n_population=100_000).value for _ in range(400)]
        )
        errors.append(np.sqrt(np.mean((drawn - population.mean()) ** 2)))
    slope = np.polyfit(np.log(units), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.05)


@pytest.mark.parametrize("method", ["plain", "difference"])
@pytest.mark.parametrize("n_population", [20, 160, 100_000])
@pytest.mark.parametrize("sizes", ["equal", "a short last batch"])
def test_coverage_of_16_batches(method, n_population, sizes):
    rng = np.random.default_rng([2, n_population])
    n_stored = min(n_population, 2000)  # 100,000 batches are as good as endless: draw them anew each time
    size = np.full(n_stored, 32.0)
    if sizes != "equal":
        size[-1] = 5.0
    visits = rng.normal(1.0, 0.3, n_stored)
    scores = visits - 0.2 + rng.normal(0.0, 0.1, n_stored)
    covered = 0
    for _ in range(2000):
        if n_population > n_stored:
            visits = rng.normal(1.0, 0.3, 16)
            s, y, n, mean, known = visits, visits - 0.2 + rng.normal(0.0, 0.1, 16), np.full(16, 32.0), 0.8, 1.0
        else:
            at = rng.permutation(n_stored)[:16]
            s, y, n = visits[at], scores[at], size[at]
            mean, known = np.average(scores, weights=size), float(np.average(visits, weights=size))
        if method == "plain":
            e = estimate_plain(y, size=n, n_population=n_population)
        else:
            e = estimate_difference(y, s, visits_mean=known, size=n, n_population=n_population)
        covered += e.low <= mean <= e.high
    assert 0.935 <= covered / 2000 <= 0.965


class TestWhichIsBetter:
    def test_visits_that_tell_much_win(self):
        assert is_difference_better(SCORES, VISITS)

    def test_visits_that_tell_nothing_lose(self):
        rng = np.random.default_rng(3)
        assert not is_difference_better(rng.normal(size=50), rng.normal(size=50))

    def test_it_is_the_method_with_the_smaller_variance(self):
        rng = np.random.default_rng(4)
        for _ in range(50):
            scores, visits, size = rng.normal(size=9), rng.normal(size=9), rng.integers(1, 40, 9)
            scores += rng.uniform(0, 1.5) * visits
            plain = estimate_plain(scores, size=size, n_population=90).se
            difference = estimate_difference(scores, visits, visits_mean=0.0, size=size, n_population=90).se
            assert is_difference_better(scores, visits, size=size) == (difference < plain)

    def test_one_unit_can_not_tell(self):
        assert not is_difference_better([1.0], [1.0])


finite = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(
    st.lists(st.tuples(finite, st.integers(1, 500)), min_size=2, max_size=20), st.integers(0, 50), st.floats(-100, 100), finite
)
def test_estimates_move_and_stretch_with_the_scores(units, more, factor, shift):
    scores, size = (np.array(column, dtype=float) for column in zip(*units, strict=True))
    n_population = scores.size + more
    plain = estimate_plain(scores, size=size, n_population=n_population)
    moved = estimate_plain(factor * scores + shift, size=size, n_population=n_population)
    scale = 1e6 * (1 + abs(factor))
    assert moved.value == pytest.approx(factor * plain.value + shift, abs=1e-12 * scale)
    assert moved.se == pytest.approx(abs(factor) * plain.se, abs=1e-9 * scale)


@pytest.mark.parametrize("huge", [-1.0, 1.0])
def test_the_largest_scores_have_finite_intervals(huge):
    e = estimate_plain([huge * LARGEST, 0.0, -huge * LARGEST], size=[1, 1000, 7], n_population=9)
    assert np.isfinite([e.value, e.low, e.high]).all()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: mean_by_size([]), "non-empty"),
        (lambda: mean_by_size([[1.0, 2.0]]), "1-d"),
        (lambda: mean_by_size([1.0, float("nan")]), "finite"),
        (lambda: mean_by_size([1.0, float("inf")]), "finite"),
        (lambda: mean_by_size([1.0, 1e200]), "at most"),
        (lambda: mean_by_size([1.0, 2.0], [1.0]), "size"),
        (lambda: mean_by_size([1.0, 2.0], [1.0, 0.0]), "size must be positive"),
        (lambda: mean_by_size([1.0, 2.0], [1.0, float("nan")]), "size must be positive"),
        (lambda: variance_of_mean([1.0], n_population=3), "one unit of 3"),
        (lambda: variance_of_mean([1.0, 2.0, 3.0], n_population=2), "population of 2"),
        (lambda: estimate_plain([], n_population=3), "non-empty"),
        (lambda: estimate_plain([1.0, 2.0], n_population=3, level=1.0), "level"),
        (lambda: estimate_difference([1.0, 2.0], [1.0], visits_mean=1.0, n_population=3), "visits"),
        (lambda: estimate_difference([1.0, 2.0], [1.0, float("nan")], visits_mean=1.0, n_population=3), "visits"),
        (lambda: estimate_difference([1.0, 2.0], [1.0, 2.0], visits_mean=float("nan"), n_population=3), "visits_mean"),
        (lambda: is_difference_better([1.0, 2.0], [1.0]), "visits"),
    ],
)
def test_bad_input_is_named_in_one_line(call, says):
    with pytest.raises(InputError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
