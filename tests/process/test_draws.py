"""Random numbers by address: the published answers, JAX's own Threefry, the laws that they should follow, and any order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from whygap.errors import InputError
from whygap.process import Draws
from whygap.process.quantile import log, normal_quantile
from whygap.process.threefry import threefry

WORD = st.integers(0, 2**32 - 1)


def words(*values):
    return tuple(np.full(1, v, np.uint32) for v in values)


def slow_threefry(key, counter):
    """The same in Python's own integers, round by round as the paper writes it."""
    most = 2**32
    schedule = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    a, b = ((c + k) % most for c, k in zip(counter, key, strict=True))
    for r in range(20):
        turn = (13, 15, 26, 6, 17, 29, 16, 24)[r % 8]
        a = (a + b) % most
        b = ((b << turn) % most | b >> (32 - turn)) ^ a
        if r % 4 == 3:
            s = r // 4 + 1
            a, b = (a + schedule[s % 3]) % most, (b + schedule[(s + 1) % 3] + s) % most
    return a, b


class TestThreefry:
    @pytest.mark.parametrize(
        ("key", "counter", "answer"),
        [
            ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
            ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
            ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
        ],
    )
    def test_known_answers_of_random123(self, key, counter, answer):
        assert tuple(w.item() for w in threefry(words(*key), words(*counter))) == answer

    @given(WORD, WORD, WORD, WORD)
    def test_slow_twin(self, k0, k1, c0, c1):
        assert tuple(w.item() for w in threefry(words(k0, k1), words(c0, c1))) == slow_threefry((k0, k1), (c0, c1))

    def test_it_is_what_jax_makes_of_the_same_key(self):
        from jax.extend.random import threefry_2x32

        key, count = np.array([7, 2**31], np.uint32), np.arange(64, dtype=np.uint32)
        ours = threefry((key[:1], key[1:]), (count[:32], count[32:]))
        np.testing.assert_array_equal(np.concatenate(ours), np.asarray(threefry_2x32(jnp.asarray(key), jnp.asarray(count))))


class TestQuantile:
    def test_every_second_value_that_is_ever_asked_for(self):
        odd = np.arange(1, 2**24, 4)
        x = (odd * 2.0**-24).astype(np.float32)
        exact = -ndtri((1.0 - x.astype(np.float64)) / 2.0)
        assert np.abs(normal_quantile(x) / exact - 1.0).max() < 1e-6
        np.testing.assert_array_equal(normal_quantile(-x), -normal_quantile(x))

    def test_jax(self):
        x = (np.arange(1, 2**24, 64) * 2.0**-24).astype(np.float32)
        found = np.asarray(jax.jit(lambda x: normal_quantile(x, xp=jnp))(x))
        assert np.abs(found / normal_quantile(x) - 1.0).max() < 1e-6

    def test_logarithm(self):
        y = np.geomspace(1e-30, 1e30, 100_000).astype(np.float32)
        error = np.abs(log(y) - np.log(y.astype(np.float64)))
        assert (error < 2e-7 + 1.2e-7 * np.abs(np.log(y))).all()


class TestLaws:
    def test_normal(self):
        z = np.sort(Draws(np.arange(100_000), seed=5).normal(4).ravel().astype(np.float64))
        steps = np.abs(ndtr(z) - (np.arange(z.size) + 0.5) / z.size).max()
        assert steps * np.sqrt(z.size) < 1.95  # Kolmogorov: one in a thousand

    def test_uniform(self):
        u = np.sort(Draws(np.arange(100_000), seed=6).uniform(4, low=-2.0, high=1.0).ravel().astype(np.float64))
        steps = np.abs((u + 2.0) / 3.0 - (np.arange(u.size) + 0.5) / u.size).max()
        assert steps * np.sqrt(u.size) < 1.95

    def test_integers(self):
        found = np.bincount(Draws(np.arange(70_000), seed=7).integers(-3, 4, 3).ravel() + 3)
        assert ((found - 30_000) ** 2 / 30_000).sum() < 22.5  # chi-squared of 6 degrees of freedom: one in a thousand

    @given(st.integers(-(2**31), 2**31 - 2), st.integers(1, 2**31))
    def test_integers_are_the_upper_half_of_a_product(self, low, width):
        high = min(low + width, 2**31 - 1)
        drawn = Draws(np.arange(8), seed=3).integers(low, high, 2)
        raw = Draws(np.arange(8), seed=3).bits(2).astype(object)
        np.testing.assert_array_equal(drawn, (low + (raw * (high - low) >> 32)).astype(np.int64))

    def test_neighbours_are_uncorrelated(self):
        z = Draws(np.arange(20_000), seed=8).normal(6).astype(np.float64)
        along = [(z[1:] * z[:-1]).mean(), *((z[:, j] * z[:, j + 1]).mean() for j in range(5))]
        assert np.abs(along).max() * np.sqrt(20_000) < 4.0

    def test_a_uniform_that_would_round_up_stays_below(self):
        u = Draws(np.arange(2**16), seed=0).uniform(64, low=2.0**20, high=2.0**20 + 1.0)
        assert u.max() < 2.0**20 + 1.0
        assert u.min() == 2.0**20


class TestAddress:
    @given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
    def test_an_example_does_not_know_its_neighbours(self, index, seed, epoch):
        together = Draws(np.array(index), seed=seed, epoch=epoch)
        first, second = together.normal(3), together.bits(2, 2)
        for row, i in enumerate(index):
            alone = Draws(np.array([i]), seed=seed, epoch=epoch)
            np.testing.assert_array_equal(alone.normal(3)[0], first[row])
            np.testing.assert_array_equal(alone.bits(2, 2)[0], second[row])

    def test_each_part_of_the_address_matters(self):
        index = np.arange(100)
        found = [
            Draws(index, seed=1).bits(2),
            Draws(index, seed=2).bits(2),
            Draws(index, seed=1 + 2**32).bits(2),
            Draws(index, seed=1, split="valid").bits(2),
            Draws(index, seed=1, epoch=1).bits(2),
            Draws(index + 100, seed=1).bits(2),
        ]
        twice = Draws(index, seed=1)
        twice.bits(2)
        found.append(twice.bits(2))
        assert len(np.unique(np.concatenate(found).view(np.uint64))) == 700

    def test_a_call_is_not_moved_by_the_shape_of_the_one_before(self):
        a, b = Draws(np.arange(4), seed=1), Draws(np.arange(4), seed=1)
        a.normal(3)
        b.normal(200)
        np.testing.assert_array_equal(a.bits(5), b.bits(5))

    def test_what_all_splits_share(self):
        a, b = Draws(np.arange(3), seed=4), Draws(np.arange(9), seed=4, split="valid", epoch=3)
        np.testing.assert_array_equal(a.shared(5).bits(), b.shared(5).bits())

    def test_jax_has_the_same_bits_traced_or_not(self):
        index = np.array([0, 3, 2**32 - 1])
        here = Draws(index, seed=9, split="valid", epoch=2).bits(3)
        there = Draws(index, seed=9, split="valid", epoch=2, xp=jnp).bits(3)
        traced = jax.jit(lambda s, e, i: Draws(i, seed=s, split="valid", epoch=e, xp=jnp).bits(3))(
            9, 2, index.astype(np.uint32)
        )
        mapped = jax.vmap(lambda e: Draws(jnp.asarray(index, jnp.uint32), seed=9, split="valid", epoch=e, xp=jnp).bits(3))(
            jnp.arange(3)
        )
        for found in (there, traced, mapped[2]):
            np.testing.assert_array_equal(np.asarray(found), here)

    def test_jax_has_the_same_floats_to_rounding(self):
        here, there = (Draws(np.arange(5000), seed=9, xp=xp) for xp in (np, jnp))
        np.testing.assert_array_equal(there.uniform(3), here.uniform(3))
        np.testing.assert_allclose(there.normal(3), here.normal(3), rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(there.integers(-5, 1000), here.integers(-5, 1000))

    @pytest.mark.parametrize(
        ("what", "words"),
        [
            (lambda: Draws(np.array([0.5]), seed=0), "index must be integers"),
            (lambda: Draws(np.array([-1]), seed=0), "index must be 0 to"),
            (lambda: Draws(np.array([2**32]), seed=0), "index must be 0 to"),
            (lambda: Draws(np.arange(2), seed=-1), "seed must be 0 to"),
            (lambda: Draws(np.arange(2), seed=2**64), "seed must be 0 to"),
            (lambda: Draws(np.arange(2), seed=0, epoch=2**32), "epoch must be 0 to"),
            (lambda: Draws(np.arange(2), seed=0.5), "seed and epoch must be integers"),
            (lambda: Draws(np.arange(2), seed=0).uniform(low=1.0, high=1.0), "low < high"),
            (lambda: Draws(np.arange(2), seed=0).uniform(high=float("inf")), "low < high"),
            (lambda: Draws(np.arange(2), seed=0).integers(3, 3), "low < high"),
            (lambda: Draws(np.arange(2), seed=0).integers(0, 2**31), "low < high"),
            (lambda: Draws(np.arange(1), seed=0).bits(2**21 + 1), "the most"),
        ],
    )
    def test_bad_input_is_named_in_one_line(self, what, words):
        with pytest.raises(InputError, match=words) as caught:
            what()
        assert "\n" not in str(caught.value)

    def test_no_words_and_no_examples(self):
        assert Draws(np.arange(3), seed=0).normal(0).shape == (3, 0)
        assert Draws(np.arange(0), seed=0).normal(2).shape == (0, 2)
