"""Bounded scores: an interval that holds whatever they are, counted where Student's fails."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.estimate import estimate_bounded, estimate_plain

DRAWS = {
    "all equal": lambda rng, n: np.full(n, 0.25),
    "one in a hundred": lambda rng, n: (rng.random(n) < 0.01).astype(float),
    "one in four": lambda rng, n: (rng.random(n) < 0.25).astype(float),
    "uniform": lambda rng, n: rng.random(n),
    "nearly all at the ends": lambda rng, n: rng.beta(0.05, 0.05, n),
}
MEANS = {"all equal": 0.25, "one in a hundred": 0.01, "one in four": 0.25, "uniform": 0.5, "nearly all at the ends": 0.5}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("n", [20, 100])
def test_it_covers_at_least_as_often_as_it_says(name, n):
    rng = np.random.default_rng([80, n])
    covered = 0
    for _ in range(150):
        e = estimate_bounded(DRAWS[name](rng, n), n_population=10**9)
        covered += e.low <= MEANS[name] <= e.high
        assert 0.0 <= e.low <= e.value <= e.high <= 1.0
    assert covered / 150 >= 0.95


def test_where_students_interval_fails_it_holds():
    """Rare ones: most samples hold none, and their interval would have no width."""
    rng = np.random.default_rng(81)
    student = bounded = 0
    for _ in range(150):
        y = (rng.random(60) < 0.01).astype(float)
        e = estimate_plain(y, n_population=10**9)
        student += e.low <= 0.01 <= e.high
        e = estimate_bounded(y, n_population=10**9)
        bounded += e.low <= 0.01 <= e.high
    assert student / 150 < 0.6
    assert bounded / 150 >= 0.95


@pytest.mark.parametrize("n_population", [60, 100, 5000])
def test_it_covers_when_drawn_without_replacement_and_uses_that(n_population):
    rng = np.random.default_rng([82, n_population])
    population = (rng.random(n_population) < 0.3).astype(float)
    covered, width, endless = 0, [], []
    for _ in range(150):
        y = rng.permutation(population)[:50]
        e = estimate_bounded(y, n_population=n_population)
        covered += e.low <= population.mean() <= e.high
        width.append(e.high - e.low)
        e = estimate_bounded(y, n_population=10**9)
        endless.append(e.high - e.low)
    assert covered / 150 >= 0.95
    assert np.mean(width) < np.mean(endless) * {60: 0.6, 100: 0.85, 5000: 1.0}[n_population]


def test_equal_scores_have_a_width_that_falls_as_one_over_n():
    """A bet on ones alone multiplies by up to 1 + c / m each time: the bound nears 1 far faster than by the root of n."""
    widths = np.array([1.0 - estimate_bounded(np.ones(n), n_population=10**9).low for n in (50, 100, 200, 400)])
    slope = np.polyfit(np.log([50, 100, 200, 400]), np.log(widths), 1)[0]
    assert -1.1 < slope < -0.8


def test_it_is_no_wider_than_twice_students_where_that_holds():
    rng = np.random.default_rng(83)
    y = rng.random(1000)
    ratios = [(e.high - e.low) for e in (estimate_bounded(y, n_population=10**9), estimate_plain(y, n_population=10**9))]
    assert 1.0 < ratios[0] / ratios[1] < 2.0


def test_a_whole_population_is_exact():
    e = estimate_bounded([0.0, 1.0, 0.5], n_population=3)
    assert (e.value, e.low, e.high, e.how) == (0.5, 0.5, 0.5, "exact")


@pytest.mark.parametrize("missing", [1, 3])
@pytest.mark.parametrize("n_population", [100, 3000])
def test_all_but_a_few_are_known_to_what_those_could_be_and_rounded_outwards(missing, n_population):
    """Of 3,000 that is finer than the grid of candidates."""
    rng = np.random.default_rng(84)
    for _ in range(5):
        population = (rng.random(n_population) < 0.3).astype(float)
        e = estimate_bounded(population[missing:], n_population=n_population)
        assert e.low <= population.mean() <= e.high
        assert e.low < e.high <= e.low + missing / n_population + 1e-12


@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), st.floats(-50.0, 50.0), st.floats(0.1, 100.0), st.integers(1, 40)
)
def test_it_moves_and_stretches_with_its_bounds(y, lowest, width, more):
    one = estimate_bounded(y, n_population=len(y) + more)
    other = estimate_bounded(
        np.clip(lowest + width * np.array(y), lowest, lowest + width),
        lowest=lowest,
        highest=lowest + width,
        n_population=len(y) + more,
    )
    found = np.array([other.value, other.low, other.high])
    assert (found - lowest) / width == pytest.approx([one.value, one.low, one.high], abs=2 / 2000)
    assert 0.0 <= one.low <= one.value <= one.high <= 1.0


@pytest.mark.parametrize(
    ("scores", "more", "says"),
    [
        ([], {}, "non-empty"),
        ([0.5, float("nan")], {}, "finite"),
        ([0.5, 1.5], {}, "between lowest and highest, 0 and 1"),
        ([-0.5, 0.5], {}, "between lowest and highest"),
        ([0.5], {"lowest": 1.0, "highest": 0.0}, "between lowest and highest"),
        ([0.5] * 10, {}, "population of 9"),
        ([0.5], {"level": 95}, "level"),
    ],
)
def test_bad_input_is_named_in_one_line(scores, more, says):
    with pytest.raises(InputError, match=says) as caught:
        estimate_bounded(scores, n_population=9, **more)
    assert "\n" not in str(caught.value)
