"""The end-of-epoch score from steps: planted visits, coverage, and records that are too few."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.estimate.recovery import recover_end
from whygap.estimate.steps import narrower, recover_end_from_steps

PER = 60


def sawtooth(n, taught=0.2):
    """Return batch losses that rise by `taught` within each epoch against a falling curve, and when they were logged."""
    at = np.arange(1, n * PER + 1) / PER
    middle = at - 0.5 / PER
    return 2.0 * np.exp(-middle / 4) + taught * (middle % 1.0), at


class TestSteps:
    def test_the_end_of_an_epoch_is_where_the_next_one_starts(self):
        value, at = sawtooth(6)
        found = recover_end_from_steps(value, at)
        truth = 2.0 * np.exp(-np.arange(1.0, 7.0) / 4)
        assert found.value[:-1] == pytest.approx(truth[:-1], abs=1e-3)
        assert found.low[-1] <= truth[-1] <= found.high[-1]  # no epoch follows: the steps before are allowed for

    def test_intervals_hold_the_truth_as_often_as_they_say(self):
        value, at = sawtooth(5)
        truth = 2.0 * np.exp(-np.arange(1.0, 5.0) / 4)
        held = []
        for seed in range(300):
            noise = 0.2 * np.random.default_rng(seed).normal(size=at.size)
            found = recover_end_from_steps(value + noise, at)
            held.append((found.low[:4] <= truth) & (truth <= found.high[:4]))
        assert 0.93 <= np.mean(held) <= 0.995

    def test_few_records_tell_nothing(self):
        found = recover_end_from_steps([3.0, 2.0, 1.5, 1.2], [0.5, 1.0, 1.5, 2.0])
        assert found.state.tolist() == ["cannot_tell", "cannot_tell"]
        assert np.isinf(found.high).all()

    def test_epochs_without_records_are_missing(self):
        value, at = sawtooth(4)
        kept = (at <= 1.0) | (at > 2.0)
        assert recover_end_from_steps(value[kept], at[kept]).state[1] == "missing"

    def test_wrong_shapes(self):
        with pytest.raises(InputError):
            recover_end_from_steps([1.0, 2.0], [1.0])

    @settings(deadline=None, max_examples=100)
    @given(st.lists(st.tuples(st.floats(allow_nan=True), st.floats(0.0, 6.0)), max_size=60))
    def test_whatever_is_logged(self, records):
        records = sorted(records, key=lambda r: r[1])
        found = recover_end_from_steps([r[0] for r in records], [r[1] for r in records])
        there = found.state != "missing"
        assert (found.low[there] <= found.value[there]).all()
        assert (found.value[there] <= found.high[there]).all()


class TestNarrower:
    def test_takes_the_narrower_interval_of_each_epoch(self):
        value, at = sawtooth(6)
        steps, means = recover_end_from_steps(value, at), recover_end(value.reshape(6, PER).mean(axis=1))
        found = narrower(steps, means)
        assert (found.high - found.low == np.minimum(steps.high - steps.low, means.high - means.low)).all()

    def test_what_one_lacks_the_other_gives(self):
        one, other = recover_end([np.nan, 2.0, 1.0, 0.5]), recover_end([3.0, 2.0, 1.0, 0.5])
        assert narrower(one, other).state[0] != "missing"
        assert narrower(other, one).state[0] != "missing"

    def test_other_epochs(self):
        with pytest.raises(InputError):
            narrower(recover_end([1.0]), recover_end([1.0, 2.0]))
