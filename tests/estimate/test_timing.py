"""Marks of when a training number was taken: planted, and absent from ordinary runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whygap.estimate.timing import find_boundary_step, find_never_reset, find_one_epoch_behind

N, PER = 40, 50
NUMBERS = st.lists(st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(0.0, 3.0)), max_size=40)


def curve(seed=0, n=N, jitter=0.03):
    """Return a falling loss at the ends of epochs; its jitter is of the weights, which both splits feel."""
    e = np.arange(0.0, n)
    return (0.3 + 2.0 / (1.0 + 0.3 * e)) * np.exp(jitter * np.random.default_rng(seed).normal(size=n))


def epoch_means(ends):
    return np.append(2.5, 0.5 * (ends[:-1] + ends[1:]))


def steps(n, seed=0, noise=0.1):
    at = np.arange(1, n * PER + 1) / PER
    return (0.3 + 2.0 / (1.0 + 0.3 * at)) * np.exp(noise * np.random.default_rng(seed).normal(size=at.size)), at


class TestOneEpochBehind:
    def test_full_batch(self):
        ends = curve()
        found = find_one_epoch_behind(ends[:-1], 1.1 * ends[1:])
        assert found.mark == "one_epoch_behind"
        assert found.value == pytest.approx(0.0, abs=0.01)

    def test_epoch_means_and_last_batches_are_not_behind(self):
        ends = curve()
        assert find_one_epoch_behind(epoch_means(ends), ends) is None
        assert find_one_epoch_behind(ends, 1.1 * ends) is None

    def test_a_plain_exponential_tells_nothing(self):
        e = np.exp(-np.arange(12.0) / 5)
        assert find_one_epoch_behind(e[:-1], e[1:]) is None


class TestNeverReset:
    def test_mean_over_all_epochs(self):
        ends = curve()
        train = np.cumsum(epoch_means(ends)) / np.arange(1, N + 1)
        assert find_never_reset(train, 1.1 * ends).mark == "never_reset"

    def test_ordinary_runs(self):
        found = [find_never_reset(epoch_means(curve(s)), curve(s)) for s in range(50)]
        found += [find_never_reset(epoch_means(curve(s, jitter=0.0)), 1.2 * curve(s, jitter=0.0)) for s in range(3)]
        assert found == [None] * 53


class TestBoundary:
    def test_running_mean(self):
        value, at = steps(6)
        rows = value.reshape(6, PER)
        found = find_boundary_step((np.cumsum(rows, axis=1) / np.arange(1, PER + 1)).ravel(), at)
        assert found.mark == "running_average"

    def test_steps_of_memorised_examples(self):
        value, at = steps(8, noise=0.02)
        found = find_boundary_step(value * (1.0 + 0.3 * ((at - 1e-9) % 1.0)), at)
        assert found.mark == "boundary_step"
        assert found.value < 0.0

    def test_batches_have_neither(self):
        assert [find_boundary_step(*steps(8, seed)) for seed in range(50)] == [None] * 50

    def test_few_records(self):
        assert find_boundary_step([3.0, 2.0, 1.0], [1.0, 2.0, 3.0]) is None
        assert find_boundary_step([], []) is None


@settings(deadline=None, max_examples=300)
@given(NUMBERS, NUMBERS)
def test_whatever_is_logged(train, valid):
    find_one_epoch_behind(train, valid)
    find_never_reset(train, valid)
    find_boundary_step(train * 6, np.arange(1, 6 * len(train) + 1) / 20)
    find_boundary_step(train, sorted(np.nan_to_num(valid)))
