"""The keyed permutation is one, for every n, and is as random as a table shuffled by NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import chdtrc

from whygap.process.permutation import KEY_WORDS, permuted

LEAST = 1e-4
"""Of a probability: the seeds are fixed, so that a test either fails always or never."""


def key_of(seed):
    return np.random.default_rng(seed).integers(0, 2**32, KEY_WORDS, dtype=np.uint32)


def everywhere(n, seed):
    return permuted(np.arange(n, dtype=np.uint32), n=n, key=key_of(seed))


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 5000), seed=st.integers(0, 2**32))
def test_every_value_comes_once(n, seed):
    assert np.array_equal(np.sort(everywhere(n, seed)), np.arange(n))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 31, 32, 33, 63, 64, 65, 66, 128, 129])
def test_every_value_comes_once_about_the_edges(n):
    for seed in range(50):
        assert np.array_equal(np.sort(everywhere(n, seed)), np.arange(n))


@pytest.mark.parametrize("n", [2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1])
def test_large_domains_are_left_by_no_value_and_hold_no_two_equal(n):
    position = np.random.default_rng(0).choice(2**31 - 1, 200_000, replace=False).astype(np.uint32)
    value = permuted(position, n=n, key=key_of(0))
    assert value.max() < n
    assert len(np.unique(value)) == len(np.unique(position))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7, 8, 13, 64, 65])
def test_each_place_is_as_likely_for_each_position(n):
    times = 4000 if n > 20 else 400 * n
    found = np.array([everywhere(n, seed) for seed in range(times)])
    counts = np.array([np.bincount(found[:, place], minlength=n) for place in range(n)])
    # a doubly constrained table: rows and columns sum to `times`
    chi2 = ((counts - times / n) ** 2 / (times / n)).sum()
    assert chdtrc((n - 1) ** 2, chi2) > LEAST


@pytest.mark.parametrize("n", [3, 4])
def test_each_permutation_is_as_likely(n):
    _, counts = np.unique([everywhere(n, seed) for seed in range(6000)], axis=0, return_counts=True)
    expected = 6000 / counts.size
    assert counts.size == {3: 6, 4: 24}[n]
    assert chdtrc(counts.size - 1, ((counts - expected) ** 2 / expected).sum()) > LEAST


def gaps(order):
    """Return how far apart neighbours come to lie, in twelve bins, and how many stay neighbours."""
    apart = np.abs(np.diff(order.astype(np.int64)))
    return [*np.histogram(apart, bins=12, range=(0, len(order)))[0], (apart == 1).sum(), (apart == 2).sum()]


@pytest.mark.parametrize("n", [1000, 1024, 50_000])
def test_neighbours_come_to_lie_as_far_apart_as_in_a_table_shuffled(n):
    ours = np.array([gaps(everywhere(n, seed)) for seed in range(60)])
    theirs = np.array([gaps(np.random.default_rng(seed).permutation(n)) for seed in range(60)])
    error = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / 60)
    assert np.all(np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4 * error)


def test_two_keys_have_as_many_places_in_common_as_chance_gives():
    n = 5000
    common = [(everywhere(n, 2 * k) == everywhere(n, 2 * k + 1)).sum() for k in range(200)]
    assert abs(np.mean(common) - 1) < 4 / 200**0.5  # Poisson with mean 1
    with_rank = [np.corrcoef(everywhere(n, k), np.arange(n))[0, 1] * n**0.5 for k in range(200)]
    assert abs(np.mean(with_rank)) < 4 / 200**0.5
    assert 0.8 < np.std(with_rank) < 1.2


@pytest.mark.parametrize("n", [1, 2, 5, 64, 65, 1000, 5000, 2**31, 2**32 - 1])
def test_jax_agrees_with_numpy_bit_for_bit(n):
    position = np.arange(min(n, 3000), dtype=np.uint32)
    traced = jax.jit(lambda p, k: permuted(p, n=n, key=k, xp=jnp))(position, key_of(7))
    assert np.array_equal(np.asarray(traced), permuted(position, n=n, key=key_of(7)))


def test_one_place_is_found_without_the_others():
    whole = everywhere(1000, 3)
    assert [int(permuted(np.array([p], np.uint32), n=1000, key=key_of(3))[0]) for p in range(0, 1000, 97)] == list(whole[::97])
    assert int(permuted(np.array(5, np.uint32), n=1000, key=key_of(3))) == whole[5]


def test_the_bytes_are_those_of_every_machine():
    key = np.arange(KEY_WORDS, dtype=np.uint32)
    assert permuted(np.arange(8, dtype=np.uint32), n=10, key=key).tolist() == [1, 6, 8, 7, 9, 0, 5, 3]
    assert permuted(np.arange(6, dtype=np.uint32), n=60_000, key=key).tolist() == [16792, 4209, 39182, 42397, 31678, 27958]
