"""Where the examples of an epoch come from, in each regime."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import chdtrc

from whygap.errors import InputError
from whygap.process import Fresh, Once, Pool
from whygap.process.regimes import in_order


def presented(regime, epochs, seed=0):
    """Return the (epoch, index) of every example of the first epochs."""
    found = []
    for epoch in range(epochs):
        drawn, index = regime.address(np.arange(regime.n), seed=seed, epoch=epoch)
        found += [(drawn, int(i)) for i in index]
    return found


def test_once_is_the_same_set_in_every_epoch():
    assert Counter(presented(Once(7), 5)) == {(0, i): 5 for i in range(7)}


def test_fresh_never_repeats():
    assert Counter(presented(Fresh(7), 5)) == {(e, i): 1 for e in range(5) for i in range(7)}


@settings(max_examples=60, deadline=None)
@given(k=st.integers(1, 60), n=st.integers(1, 200), seed=st.integers(0, 2**64 - 1))
def test_a_pool_is_drawn_from_as_evenly_as_can_be(k, n, seed):
    times = Counter(index for _, index in presented(Pool(k, n), 1, seed))
    assert set(times) <= set(range(k))
    assert {times[i] for i in range(k)} <= {n // k, n // k + 1}
    assert sum(times.values()) == n


def test_a_pool_as_large_as_an_epoch_is_once():
    assert Counter(presented(Pool(50, 50), 4)) == Counter(presented(Once(50), 4))


def test_a_pool_grows_into_fresh():
    """Of n from k per epoch, an example of one epoch comes in the next with probability n / k."""
    n = 500
    for k in (1000, 10_000, 2**32 - 1):
        common = [len(set(presented(Pool(k, n), 2, seed))) for seed in range(40)]
        again = 2 * n - np.mean(common)
        expected = n * n / k
        assert abs(again - expected) <= 4 * (expected / 40) ** 0.5 + 1e-9


def test_each_example_of_a_pool_is_chosen_as_often():
    k, n, epochs = 20, 6, 4000
    times = Counter(index for _, index in presented(Pool(k, n), epochs))
    expected = n * epochs / k
    chi2 = sum((times[i] - expected) ** 2 / expected for i in range(k)) / (1 - n / k)  # without replacement: less spread
    assert 1e-4 < chdtrc(k - 1, chi2) < 1 - 1e-4


def test_orders_differ_by_seed_split_and_epoch_and_pools_from_orders():
    place = np.arange(100)
    found = [
        in_order(place, n=100, seed=0),
        in_order(place, n=100, seed=1),
        in_order(place, n=100, seed=0, epoch=1),
        in_order(place, n=100, seed=0, split="valid"),
        Pool(100, 100).address(place, seed=0)[1],
        Pool(100, 100).address(place, seed=0, split="valid")[1],
    ]
    assert len({tuple(one.tolist()) for one in found}) == len(found)
    for one in found:
        for other in found:
            assert one is other or (one == other).sum() < 10


@pytest.mark.parametrize("regime", [Once(90), Fresh(90), Pool(20, 90), Pool(1000, 90)])
def test_jax_finds_the_same_addresses(regime):
    def addresses(epoch, seed, place):
        position = in_order(place, n=90, seed=seed, epoch=epoch, xp=jnp)
        return regime.address(position, seed=seed, epoch=epoch, xp=jnp)

    place = np.arange(90, dtype=np.uint32)
    for epoch, seed in ((0, 0), (3, 5)):
        traced = jax.jit(addresses)(epoch, seed, place)
        ours = regime.address(in_order(place, n=90, seed=seed, epoch=epoch), seed=seed, epoch=epoch)
        assert int(traced[0]) == ours[0]
        assert np.array_equal(np.asarray(traced[1]), ours[1])


@pytest.mark.parametrize("n", [0, -1, 2**32, 1.5, "10", True, None])
def test_a_number_that_is_none_is_refused(n):
    for make in (Once, Fresh, lambda n: Pool(5, n), lambda n: Pool(n, 5)):
        with pytest.raises(InputError, match="must be an integer of 1 to 4294967295"):
            make(n)
