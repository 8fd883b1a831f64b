import random
from collections import Counter
from itertools import product

import pytest

from whygap.adapters.spread import Spread, thinned


def draw(n_blocks, n, seed, expected=None):
    spread = Spread(n_blocks, expected=expected, rng=random.Random(seed))
    for visit in range(n):
        if spread.wants():
            spread.keep(visit)
    return spread


def is_uniform(counts, cells):
    """Whether counts of a seeded experiment fit `cells` equally likely outcomes: chi-squared at 4.5 standard deviations."""
    expected = sum(counts.values()) / cells
    chi2 = sum((c - expected) ** 2 / expected for c in counts.values()) + (cells - len(counts)) * expected
    return chi2 < (cells - 1) + 4.5 * (2 * (cells - 1)) ** 0.5


@pytest.mark.parametrize(("n_blocks", "n", "sizes"), [(3, 12, (4, 4, 4)), (3, 10, (3, 3, 4)), (4, 5, (1, 1, 1, 2))])
def test_one_of_each_block_and_all_combinations_equally_likely(n_blocks, n, sizes):
    firsts = [sum(sizes[:k]) for k in range(n_blocks)]
    counts = Counter()
    for seed in range(4000):
        items = draw(n_blocks, n, seed, expected=n).items()
        assert [first for _, first, _ in items] == firsts
        counts[tuple(visit for visit, _, _ in items)] += 1
    combinations = set(product(*(range(f, f + s) for f, s in zip(firsts, sizes, strict=True))))
    assert set(counts) <= combinations
    assert is_uniform(counts, len(combinations))


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 12, 13, 48, 100])
def test_of_unknown_length_between_u_and_twice_as_many_are_held(n):
    items = draw(3, n, 7).items()
    assert min(3, n) <= len(items) <= 6
    firsts = [first for _, first, _ in items]
    ends = [*firsts[1:], n]
    assert firsts[0] == 0
    assert all(first <= visit < end for (visit, first, _), end in zip(items, ends, strict=True))
    lengths = {end - first for first, end in zip(firsts[:-1], ends[:-1], strict=True)}
    assert len(lengths) <= 1  # all but the last one, which may be cut short or hold a remainder


@pytest.mark.parametrize("n", [24, 28])  # 6 blocks of 4, and 3 of 8 with an unfinished one: each visit must be as likely
def test_of_unknown_length_each_visit_is_equally_likely_in_its_block(n):
    counts = Counter()
    for seed in range(8000):
        for visit, first, _ in draw(3, n, seed).items():
            if visit < 24:
                counts[visit] += 1
                assert first == 0 or visit - first < 8
    assert is_uniform(counts, 24)


@pytest.mark.parametrize(("n_blocks", "expected"), [(None, None), (None, 7), (7, 7), (9, 7), (4, None)])
def test_keeps_all_where_there_is_room(n_blocks, expected):
    assert draw(n_blocks, 7, 0, expected).items() == [(i, i, i) for i in range(7)]


@pytest.mark.parametrize("n", [1, 5, 11, 19, 29, 30])
def test_an_epoch_of_another_length_than_expected(n):
    items = draw(4, n, 5, expected=20).items()
    firsts = [first for _, first, _ in items]
    assert firsts == [0, 5, 10, 15, 20, 25][: len(firsts)]
    assert all(first <= visit < min(first + 5, n) for visit, first, _ in items)
    assert len(items) >= n // 5


def test_what_was_not_kept_belongs_to_the_block_before():
    spread = Spread(4, expected=8, rng=random.Random(0))
    for visit in range(8):
        if spread.wants() and visit not in (0, 1, 4, 5):
            spread.keep(visit)
    assert [first for _, first, _ in spread.items()] == [0, 6]


def test_visits_that_do_not_count_are_forgotten():
    assert [v for v, _, _ in draw(None, 5, 0).items(3)] == [0, 1, 2]


@pytest.mark.parametrize("expected", [None, 40, 55])
def test_who_counts_visits_himself_takes_the_same(expected):
    asked, taken = draw(6, 40, 3, expected=expected), Spread(6, expected=expected, rng=random.Random(3))
    for visit in range(40):
        if visit == taken.next:
            taken.take()
            taken.keep(visit)
    assert taken.items(40) == asked.items()


@pytest.mark.parametrize(("n_blocks", "sizes", "merged"), [(2, (2, 3, 2, 3), (5, 5)), (3, (1, 2, 1, 2, 3), (1, 3, 5))])
def test_of_fewer_blocks_all_combinations_are_equally_likely(n_blocks, sizes, merged):
    n, starts = sum(sizes), [sum(sizes[:k]) for k in range(len(sizes))]
    firsts = [sum(merged[:k]) for k in range(n_blocks)]
    counts = Counter()
    for seed in range(4000):
        rng = random.Random(seed)
        items = [(f + rng.randrange(size), f, "held") for f, size in zip(starts, sizes, strict=True)]
        fewer = thinned(items, n_blocks, n_visits=n, rng=rng)
        assert [first for _, first, _ in fewer] == firsts
        counts[tuple(visit for visit, _, _ in fewer)] += 1
    combinations = set(product(*(range(f, f + size) for f, size in zip(firsts, merged, strict=True))))
    assert set(counts) <= combinations
    assert is_uniform(counts, len(combinations))


def test_as_many_blocks_are_the_same_sample():
    items = draw(4, 20, 3, expected=20).items()
    assert thinned(items, 4, n_visits=20, rng=random.Random(0)) == items
