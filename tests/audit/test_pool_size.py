"""Sizes of sets: closed forms, brute force, and how often the interval holds."""

import itertools
import math

import numpy as np
import pytest

from whygap.audit import estimate_pool_size
from whygap.errors import InputError


def chance_of_distinct(k, sizes):
    """Return the distribution of the number of distinct examples, by going through all that may be drawn."""
    counts = {}
    for drawn in itertools.product(*(itertools.combinations(range(k), m) for m in sizes)):
        d = len(set(itertools.chain(*drawn)))
        counts[d] = counts.get(d, 0) + 1
    total = sum(counts.values())
    return {d: n / total for d, n in counts.items()}


@pytest.mark.parametrize("sizes", [(2, 2), (3, 2), (1, 1, 1, 1), (2, 1, 1)])
def test_the_likeliest_size_is_that_of_brute_force(sizes):
    tables = {k: chance_of_distinct(k, sizes) for k in range(max(sizes), 12)}
    for d in range(max(sizes), sum(sizes)):
        best = max(tables, key=lambda k: tables[k].get(d, 0.0))
        found = estimate_pool_size(d, [m for m in sizes if m > 1], singles=sizes.count(1))
        assert math.floor(found.value) <= best <= math.ceil(found.value)  # over the reals it lies between two whole numbers
        assert found.low <= best <= found.high


def test_without_a_repeat_the_bound_is_where_one_becomes_probable():
    found = estimate_pool_size(100, singles=100)
    k = found.low
    assert (found.value, found.high) == (math.inf, math.inf)
    assert math.prod(1 - i / k for i in range(100)) == pytest.approx(0.05, rel=1e-6)


def test_one_sample_alone_tells_no_more_than_its_size():
    assert estimate_pool_size(50, [50]) == (math.inf, 50.0, math.inf)


def test_the_same_set_every_time_is_the_set():
    found = estimate_pool_size(5000, [5000] * 12)
    assert found.value == found.low == 5000.0
    assert found.high < 5001.0


def test_large_numbers_lose_no_digits():
    """Repeats are Poisson, of mean n**2 / 2k, and 1 was seen, give or take 1/2: 0.0040 to 5.3."""
    n, k = 10_000_000, 5e13
    found = estimate_pool_size(n - 1, singles=n)
    assert found.value == pytest.approx(k, rel=1e-3)
    assert found.low == pytest.approx(k / 5.3196, rel=0.01)
    assert found.high == pytest.approx(k / 0.0039793, rel=0.01)


@pytest.mark.parametrize(
    ("k", "sizes", "singles", "at_most"),
    [
        (1000, (), 60, 1.0),  # two repeats or so: counts that small can't be as sure as that and no surer
        (1000, (), 1000, 0.985),
        (1000, (), 8000, 0.985),
        (10**6, (), 5000, 0.99),
        (1000, (200, 200), 0, 0.985),
        (5000, (300,) * 10, 0, 0.985),
    ],
)
def test_the_interval_holds_as_often_as_it_says(k, sizes, singles, at_most):
    rng, held, draws = np.random.default_rng(0), 0, 400
    for _ in range(draws):
        drawn = [rng.choice(k, m, replace=False) for m in sizes] + [rng.integers(0, k, singles)]
        found = estimate_pool_size(np.unique(np.concatenate(drawn)).size, sizes, singles=singles)
        held += found.low <= k <= found.high
    assert 0.93 <= held / draws <= at_most


def test_the_interval_holds_where_a_part_was_kept():
    """A quarter of all hashes is kept, so that which of the examples are looked at is random too."""
    rng, held, k = np.random.default_rng(0), 0, 4000
    for _ in range(400):
        n_kept = rng.binomial(k, 0.25)
        drawn = rng.integers(0, k, 20_000)
        drawn = drawn[drawn < n_kept]
        found = estimate_pool_size(np.unique(drawn).size, singles=drawn.size, kept=0.25)
        held += found.low <= k <= found.high
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize(("distinct", "sizes"), [(0, [1]), (5, [2, 2]), (3, [4, 1]), (1, [])])
def test_what_cannot_be_is_told(distinct, sizes):
    with pytest.raises(InputError, match="can't come from"):
        estimate_pool_size(distinct, sizes)
