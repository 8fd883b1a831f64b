import random
from collections import Counter
from itertools import combinations

import pytest

from whygap.adapters.reservoir import Reservoir


def draw(capacity, n, seed):
    reservoir = Reservoir(capacity, random.Random(seed))
    for item in range(n):
        if reservoir.wants():
            reservoir.keep(item)
    return reservoir


def test_every_subset_is_equally_likely():
    n_draws = 6000
    counts = Counter(tuple(i for i, _ in draw(2, 5, seed).items()) for seed in range(n_draws))
    assert set(counts) == set(combinations(range(5), 2))
    # chi-squared with 9 degrees of freedom exceeds 27.9 with a probability of 0.1 %
    expected = n_draws / 10
    assert sum((c - expected) ** 2 / expected for c in counts.values()) < 27.9


@pytest.mark.parametrize(("capacity", "n"), [(None, 7), (7, 7), (9, 7)])
def test_keeps_all_where_there_is_room(capacity, n):
    assert draw(capacity, n, 0).items() == [(i, i) for i in range(n)]


def test_items_come_in_order_with_their_position():
    items = draw(20, 1000, 3).items()
    assert len(items) == 20
    assert [i for i, _ in items] == sorted(i for i, _ in items)
    assert all(i == item for i, item in items)


def test_wants_only_what_may_stay():
    reservoir = Reservoir(10, random.Random(1))
    wanted = 0
    for item in range(10_000):
        if reservoir.wants():
            wanted += 1
            reservoir.keep(item)
    assert 10 * 4 < wanted < 10 * 14  # 10 (1 + ln 1000) = 79 on average
