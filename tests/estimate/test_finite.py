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
    estimate_regression,
    estimate_stratified,
    student_quantile,
)

NAN = float("nan")
SCORES = np.array([0.3, -1.2, 4.0, 0.0, 2.5, 0.9])
VISITS = np.array([0.5, -1.0, 3.0, 0.3, 2.5, 2.0])


def all_samples(u):
    return [list(chosen) for chosen in combinations(range(SCORES.size), u)]


def loop_variance(scores, size, n_population):
    """The linearised ratio estimator in its slowest form, with each residual enlarged for the pull of its own unit."""
    share = [n / sum(size) for n in size]
    mean = sum(w * y for w, y in zip(share, scores, strict=True))
    squares = sum((w * (y - mean)) ** 2 / (1 - w) for w, y in zip(share, scores, strict=True))
    return (1 - len(scores) / n_population) * squares


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
        e = estimate_plain(scores, size=size, n_population=7)
        assert e.se**2 == pytest.approx(loop_variance(scores, size, 7), rel=1e-12)

    def test_mean_counts_examples_and_not_units(self):
        assert estimate_plain([1.0, 4.0], size=[3, 1], n_population=9).value == 1.75
        assert estimate_plain([1.0, 4.0], n_population=9).value == 2.5

    def test_half_a_population_has_half_the_variance_of_an_endless_one(self):
        half = estimate_plain(SCORES[:3], n_population=6).se ** 2
        endless = estimate_plain(SCORES[:3], n_population=10**15).se ** 2
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
    population = rng.gamma(2.0, size=10_000)
    units = np.array([16, 64, 256, 1024])
    errors = []
    for u in units:
        drawn = np.array(
            [
                estimate_plain(rng.choice(population, u, replace=False, shuffle=False), n_population=10_000).value
                for _ in range(300)
            ]
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


def slow_regression(scores, known, known_mean, size, n_population):
    """The generalised regression estimator from its textbook: predict the population's mean, add the residuals' mean.

    Its error is, with residuals r, sum(c r) over the sample less the population's mean of r: a part c - p of it lies on each
    unit that was sampled, p = w u / U its share of the population, and p on every one that was not.
    """
    share = size / size.sum()
    root = np.sqrt(share)[:, None]
    x = np.column_stack([np.ones(scores.size), known])
    target = np.concatenate([[1.0], known_mean])
    b = np.linalg.lstsq(root * x, root[:, 0] * scores, rcond=None)[0]
    residual = scores - x @ b
    inverse = np.linalg.inv(x.T @ (share[:, None] * x))
    weights = share + share * (x @ inverse @ (target - share @ x))
    leverage = np.diag(root * x @ inverse @ (root * x).T)
    variance, parts = 0.0, []
    for c, w, r, h in zip(weights, share, residual, leverage, strict=True):
        p = w * scores.size / n_population
        others = n_population / scores.size - 1  # units like this one that were not sampled
        parts.append((c - p) ** 2 + others * p**2)
        variance += parts[-1] * r**2 / (1 - h)
    free = scores.size - x.shape[1]
    return target @ b + share @ residual, variance, free / scores.size * sum(parts) ** 2 / sum(part**2 for part in parts)


class TestRegression:
    @pytest.mark.parametrize("columns", [1, 2, 3])
    @pytest.mark.parametrize("sizes", ["equal", "unequal"])
    def test_slow_twin(self, columns, sizes):
        rng = np.random.default_rng([40, columns])
        known, scores = rng.normal(3.0, 1.0, (12, columns)), rng.normal(size=12)
        size = np.full(12, 8.0) if sizes == "equal" else rng.integers(1, 40, 12).astype(float)
        target = rng.normal(3.0, 1.0, columns)
        e = estimate_regression(scores, known, known_mean=target, size=size, n_population=50)
        value, variance, df = slow_regression(scores, known, target, size, 50)
        assert e.value == pytest.approx(value, rel=1e-10)
        assert e.se**2 == pytest.approx(variance, rel=1e-10)
        assert e.df == pytest.approx(df, rel=1e-9)
        assert e.df <= 12 - 1 - columns
        assert e.n == int(size.sum())

    def test_planted_scores_that_are_linear_in_what_is_known_are_found_exactly(self):
        rng = np.random.default_rng(41)
        known = rng.normal(size=(200, 2))
        scores = 2.0 - known @ [3.0, 0.5]
        e = estimate_regression(scores[:9], known[:9], known_mean=known.mean(axis=0), n_population=200)
        assert e.value == pytest.approx(scores.mean(), abs=1e-12)
        assert e.high - e.low < 1e-12

    def test_null_what_tells_nothing_costs_no_more_than_its_degrees_of_freedom(self):
        rng = np.random.default_rng(42)
        scores, known = rng.normal(size=(2, 2500, 20))
        plain = np.var(scores.mean(axis=1))
        found = [
            estimate_regression(y, x, known_mean=0.0, n_population=10**9).value for y, x in zip(scores, known, strict=True)
        ]
        assert np.var(found) == pytest.approx(plain * (1 + 1 / (20 - 3)), rel=0.05)  # of order 1/u more

    def test_over_all_samples_its_bias_is_small_and_falls_as_one_over_u(self):
        rng = np.random.default_rng(43)
        known = rng.gamma(2.0, size=14)
        scores = known**2 + rng.normal(0.0, 0.2, 14)
        bias = []
        for u in (4, 8, 12):
            samples = (list(s) for s in combinations(range(14), u))
            found = [estimate_regression(scores[s], known[s], known_mean=known.mean(), n_population=14).value for s in samples]
            bias.append(abs(np.mean(found) - scores.mean()) / np.std(found))
        assert bias[0] > bias[1] > bias[2]
        assert bias[1] < 0.35

    def test_a_full_pass_ignores_what_is_said_to_be_known(self):
        e = estimate_regression(SCORES, VISITS, known_mean=99.0, n_population=6)
        assert (e.value, e.low, e.how) == (pytest.approx(SCORES.mean(), abs=1e-15), e.value, "exact")

    def test_what_is_known_twice_or_does_not_vary_changes_nothing(self):
        once = estimate_regression(SCORES[:5], VISITS[:5], known_mean=1.0, n_population=60)
        twice = estimate_regression(SCORES[:5], np.stack([VISITS[:5]] * 2, axis=1), known_mean=[1.0, 1.0], n_population=60)
        assert (twice.value, twice.se) == pytest.approx((once.value, once.se), rel=1e-9)
        constant = estimate_regression(SCORES[:5], np.full(5, 0.1), known_mean=0.1, n_population=60)
        plain = estimate_plain(SCORES[:5], n_population=60)
        assert (constant.value, constant.se, constant.df) == pytest.approx((plain.value, plain.se, plain.df), rel=1e-9)

    @pytest.mark.parametrize("n_population", [40, 400])
    def test_coverage_of_16_units(self, n_population):
        rng = np.random.default_rng([44, n_population])
        known = rng.normal(1.0, 0.3, n_population)
        scores = 0.5 * known + np.linspace(0.1, 0.0, n_population) + rng.normal(0.0, 0.05, n_population)
        x = np.stack([known, np.linspace(0.0, 1.0, n_population)], axis=1)
        covered, se = 0, []
        for _ in range(2000):
            at = rng.permutation(n_population)[:16]
            e = estimate_regression(scores[at], x[at], known_mean=x.mean(axis=0), n_population=n_population)
            covered += e.low <= scores.mean() <= e.high
            se.append([e.se, estimate_plain(scores[at], n_population=n_population).se])
        assert 0.93 <= covered / 2000 <= 0.97
        regression, plain = np.mean(se, axis=0)
        assert regression < plain / 2.5


class TestStrata:
    def test_slow_twin(self):
        scores, stratum, total = [0.1, 0.4, 0.0, 3.0, 5.0, 9.0], [0, 0, 0, 2, 2, 1], [10, 1, 4]
        e = estimate_stratified(scores, stratum, n_population=total)
        value = variance = 0.0
        for h in range(3):
            inside = [y for y, at in zip(scores, stratum, strict=True) if at == h]
            n = len(inside)
            mean = sum(inside) / n
            value += total[h] / 15 * mean
            spread = sum((y - mean) ** 2 for y in inside) / (n - 1) if n > 1 else 0.0
            variance += (total[h] / 15) ** 2 * (1 - n / total[h]) * spread / n
        assert e.value == pytest.approx(value, rel=1e-12)
        assert e.se**2 == pytest.approx(variance, rel=1e-12)

    def test_over_all_samples_it_is_unbiased_with_the_variance_it_states(self):
        small, large = np.array([0.0, 1.0, 5.0, 2.0]), np.array([9.0, 4.0, 7.0])
        found = [
            estimate_stratified([*small[list(a)], *large[list(b)]], [0, 0, 1, 1], n_population=[4, 3])
            for a in combinations(range(4), 2)
            for b in combinations(range(3), 2)
        ]
        values = np.array([e.value for e in found])
        assert values.mean() == pytest.approx((small.sum() + large.sum()) / 7, rel=1e-12)
        assert np.mean([e.se**2 for e in found]) == pytest.approx(values.var(), rel=1e-12)

    def test_one_stratum_is_plain_and_strata_that_were_scored_whole_are_exact(self):
        plain, one = estimate_plain(SCORES[:4], n_population=9), estimate_stratified(SCORES[:4], [0] * 4, n_population=[9])
        assert (one.value, one.low, one.high) == pytest.approx((plain.value, plain.low, plain.high), rel=1e-12)
        e = estimate_stratified(SCORES, [0, 1, 0, 1, 1, 2], n_population=[2, 3, 1])
        assert (e.value, e.low, e.how) == (pytest.approx(SCORES.mean(), abs=1e-15), e.value, "exact")

    def test_an_empty_stratum_counts_for_nothing(self):
        with_it = estimate_stratified(SCORES[:4], [0, 0, 2, 2], n_population=[9, 0, 5])
        assert with_it == estimate_stratified(SCORES[:4], [0, 0, 1, 1], n_population=[9, 5])

    def test_coverage_and_that_strata_that_differ_help(self):
        rng = np.random.default_rng(45)
        strata = [rng.normal(mean, 0.2, n) for mean, n in ((0.0, 300), (1.0, 200), (4.0, 100))]
        truth = np.concatenate(strata).mean()
        stratum = np.repeat(np.arange(3), 20)
        covered, se = 0, []
        for _ in range(2000):
            scores = np.concatenate([rng.choice(y, 20, replace=False) for y in strata])
            e = estimate_stratified(scores, stratum, n_population=[300, 200, 100])
            covered += e.low <= truth <= e.high
            se.append(e.se)
        assert 0.93 <= covered / 2000 <= 0.97
        assert np.mean(se) < np.concatenate(strata).std() / 60**0.5 / 5


TAILS = {
    "exponential": (lambda rng: rng.exponential(size=256), 1.0),
    "lognormal": (lambda rng: rng.lognormal(size=256), np.e**0.5),
}


@pytest.mark.parametrize("name", TAILS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_skewed_scores_are_covered_on_both_sides_alike_where_a_symmetric_interval_misses_the_tail(name, sign):
    draw, truth = TAILS[name]
    rng = np.random.default_rng(46)
    below = above = symmetric = doubted = 0
    for _ in range(1500):
        y = draw(rng)
        e = estimate_plain(sign * y, n_population=10**12)
        below += e.high < sign * truth
        above += e.low > sign * truth
        symmetric += abs(y.mean() - truth) <= student_quantile(0.95, 255) * y.std(ddof=1) / 16
        doubted += not e.reliable
    covered = 1.0 - (below + above) / 1500
    assert covered > symmetric / 1500 + (0.01 if name == "lognormal" else 0.0)
    assert 0.93 <= covered <= 0.97
    assert max(below, above) / 1500 <= 0.06
    assert doubted / 1500 < 0.5


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


BAD = {
    "none": (lambda: estimate_plain([], n_population=3), "non-empty"),
    "2-d": (lambda: estimate_plain([[1.0, 2.0]], n_population=3), "1-d"),
    "no number": (lambda: estimate_plain([1.0, NAN], n_population=3), "finite"),
    "endless": (lambda: estimate_plain([1.0, float("inf")], n_population=3), "finite"),
    "too large": (lambda: estimate_plain([1.0, 1e200], n_population=3), "at most"),
    "too few sizes": (lambda: estimate_plain([1.0, 2.0], size=[1.0], n_population=3), "size"),
    "a size of nothing": (lambda: estimate_plain([1.0, 2.0], size=[1.0, 0.0], n_population=3), "size must be positive"),
    "a size that is no number": (lambda: estimate_plain([1.0, 2.0], size=[1.0, NAN], n_population=3), "size must be positive"),
    "one of three": (lambda: estimate_plain([1.0], n_population=3), "one unit of 3"),
    "three of two": (lambda: estimate_plain([1.0, 2.0, 3.0], n_population=2), "population of 2"),
    "level": (lambda: estimate_plain([1.0, 2.0], n_population=3, level=1.0), "level"),
    "too few visits": (lambda: estimate_difference([1.0, 2.0], [1.0], visits_mean=1.0, n_population=3), "visits"),
    "visits": (lambda: estimate_difference([1.0, 2.0], [1.0, NAN], visits_mean=1.0, n_population=3), "visits"),
    "their mean": (lambda: estimate_difference([1.0, 2.0], [1.0, 2.0], visits_mean=NAN, n_population=3), "visits_mean"),
    "a single known": (lambda: estimate_regression(SCORES, 1.0, known_mean=1.0, n_population=9), "known must have shape"),
    "too few known": (lambda: estimate_regression(SCORES, VISITS[:5], known_mean=1.0, n_population=9), "known must have"),
    "too few means": (lambda: estimate_regression(SCORES, np.ones((6, 2)), known_mean=1.0, n_population=9), "known must have"),
    "unknown": (lambda: estimate_regression(SCORES, VISITS * NAN, known_mean=1.0, n_population=9), "finite"),
    "an unknown mean": (lambda: estimate_regression(SCORES, VISITS, known_mean=NAN, n_population=9), "finite"),
    "too few units": (lambda: estimate_regression(SCORES[:3], VISITS[:3], known_mean=1.0, n_population=9), "too few"),
    "no strata": (lambda: estimate_stratified([1.0, 2.0], [0, 2], n_population=[9, 9]), "stratum"),
    "too few strata": (lambda: estimate_stratified([1.0, 2.0], [0], n_population=[9]), "stratum"),
    "strata that are no indices": (lambda: estimate_stratified([1.0, 2.0], [0.0, 0.0], n_population=[9]), "stratum"),
    "a negative stratum": (lambda: estimate_stratified([1.0, 2.0], [0, -1], n_population=[9]), "stratum"),
    "one of a stratum": (lambda: estimate_stratified([1.0, 2.0, 3.0], [0, 0, 1], n_population=[9, 9]), "at least two"),
    "a stratum not seen": (lambda: estimate_stratified([1.0, 2.0], [0, 0], n_population=[9, 9]), "at least two"),
    "more than a stratum": (lambda: estimate_stratified([1.0, 2.0], [0, 0], n_population=[1]), "no more"),
}


@pytest.mark.parametrize(("call", "says"), BAD.values(), ids=BAD)
def test_bad_input_is_named_in_one_line(call, says):
    with pytest.raises(InputError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
