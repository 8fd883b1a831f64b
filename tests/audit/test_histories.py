"""Histories against a slow obvious twin: Python dictionaries that keep everything."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whygap.audit import Histories, Tally
from whygap.audit import tally as tally_module
from whygap.audit.histories import halvings_for

MIX = np.uint64(0x9E3779B97F4A7C15)


def hashes_of(examples):
    """Spread small numbers over 64 bits, as a hash would."""
    x = np.asarray(examples, np.uint64) + np.uint64(1)
    x *= MIX
    x ^= x >> np.uint64(29)
    return x * np.uint64(0xBF58476D1CE4E5B9)


def twin(presentations, halvings):
    """Return (times, again, epochs seen, across) by example, from (epoch, source, hash) triples, kept below the threshold."""
    times, pairs, epochs = defaultdict(int), defaultdict(int), defaultdict(set)
    for epoch, source, h in presentations:
        if h >> (64 - halvings) == 0:
            times[h] += 1
            pairs[h, epoch, source] += 1
            epochs[h].add(epoch)
    again, across = defaultdict(int), defaultdict(int)
    for (h, _, _), n in pairs.items():
        again[h] += n - 1
        across[h] += 1
    return {h: (times[h], again[h], len(epochs[h]), across[h] - len(epochs[h])) for h in sorted(times)}


def as_dict(h):
    rows = zip(h.hashes, h.times, h.again, h.n_epochs, h.across_sources, strict=True)
    return {int(key): tuple(int(v) for v in values) for key, *values in rows}


PRESENTATIONS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 40)), max_size=200).map(sorted)


def tallied(presentations, capacity, chunk=1):
    """Tally (epoch, source, example) triples in the order given, epochs ascending."""
    tally, current = Tally(capacity), 0
    tally.begin_epoch()
    for epoch, source, example in presentations:
        while current < epoch:
            tally.begin_epoch()
            current += 1
        tally.add(hashes_of([example]), source=source)
    return tally.compute()


@given(PRESENTATIONS, st.integers(1, 60), st.integers(1, 64))
def test_a_tally_is_what_dictionaries_would_say(presentations, capacity, pending):
    saved, tally_module.PENDING = tally_module.PENDING, pending
    try:
        found = tallied(presentations, capacity).histories
    finally:
        tally_module.PENDING = saved
    assert found.n <= capacity
    expected = [(e, s, int(hashes_of([x])[0])) for e, s, x in presentations]
    assert as_dict(found) == twin(expected, found.halvings)


@given(st.lists(PRESENTATIONS, min_size=3, max_size=3), st.integers(1, 60))
def test_merging_is_associative_and_commutative_and_marks_ranks(ranks, capacity):
    a, b, c = (tallied(p, capacity) for p in ranks)
    left, right = (
        a.merge(b, capacity=capacity).merge(c, capacity=capacity),
        a.merge(b.merge(c, capacity=capacity), capacity=capacity),
    )
    assert (
        as_dict(left.histories)
        == as_dict(right.histories)
        == as_dict(c.merge(b.merge(a, capacity=capacity)).histories.within(capacity))
    )
    assert left.presentations == right.presentations
    assert left.n_sources == right.n_sources
    assert all(np.array_equal(x, y) for x, y in zip(left.head, right.head, strict=True))
    apart = [(e, (r, s), int(hashes_of([x])[0])) for r, p in enumerate(ranks) for e, s, x in p]
    assert as_dict(left.histories) == twin(apart, left.histories.halvings)


def test_the_threshold_is_the_largest_that_fits():
    h = np.array([1, 2**60, 2**61, 2**62, 2**63], np.uint64)
    assert [halvings_for(h, n) for n in (5, 4, 3, 2, 1)] == [0, 1, 2, 3, 4]


def test_a_sketch_is_a_random_sample_of_the_distinct_examples():
    """400 draws: the number of distinct examples, and of those presented once, from a twentieth of them."""
    rng, ratios, once = np.random.default_rng(0), [], []
    for _ in range(400):
        hashes = rng.integers(0, 2**64, 4000, dtype=np.uint64)
        tally = Tally(300)
        tally.add(hashes)
        tally.add(hashes[:1000])
        h = tally.compute().histories
        assert 150 <= h.n <= 300
        ratios.append(h.n / h.kept / 4000)
        once.append(np.mean(h.times == 1))
    assert abs(np.mean(ratios) - 1.0) < 4 * np.std(ratios) / 20
    assert abs(np.mean(once) - 0.75) < 4 * np.std(once) / 20
    assert np.std(ratios) == pytest.approx(np.sqrt(1 / 250), rel=0.2)


def test_a_million_examples_are_exact_and_more_are_not():
    rng = np.random.default_rng(1)
    tally = Tally()
    tally.add(rng.integers(0, 2**64, 1_000_000, dtype=np.uint64))
    assert tally.compute().histories.halvings == 0
    tally.add(rng.integers(0, 2**64, 10, dtype=np.uint64))
    assert tally.compute().histories.halvings == 1


def test_epochs_beyond_the_last_bit_are_left_out():
    tally = Tally()
    for _ in range(40):
        tally.begin_epoch()
        tally.add(hashes_of([1, 2]))
    found = tally.compute()
    assert (tally.is_full, found.presentations, found.histories.times.tolist()) == (True, (2,) * 32, [32, 32])
    assert found.histories.n_epochs.tolist() == [32, 32]


def test_the_empty_are_merged():
    assert Histories.empty().merge(Histories.empty()).n == 0
