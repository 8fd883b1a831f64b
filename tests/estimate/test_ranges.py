"""A run in ranges: where the sign of the gap turns, what leads in each, and that the parts sum to the gap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.estimate.ranges import ranges_of_epochs
from whygap.estimate.recovery import recover_end

NUMBERS = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(-2.0, 2.0), st.sampled_from([0.0, 1.0]))


def means_and_ends(n):
    """Return epoch means and ends of exp(-t / 3)."""
    t = np.arange(n + 1.0)
    return 3.0 * (np.exp(-t[:-1] / 3) - np.exp(-t[1:] / 3)), np.exp(-t[1:] / 3)


class TestRanges:
    def test_lag_first_memorisation_later(self):
        train, ends = means_and_ends(20)
        valid = ends + 0.01 * np.arange(20.0)
        found = ranges_of_epochs(train, valid, recover_end(train, valid))
        assert found[0].gap < 0.0 < found[-1].gap
        assert found[0].leading == "averaging"
        assert found[-1].leading != "averaging"
        assert [r.first for r in found[1:]] == [r.last + 1 for r in found[:-1]]
        assert (found[0].first, found[-1].last) == (1.0, 20.0)

    def test_parts_sum_to_the_gap_and_hold_the_truth(self):
        train, ends = means_and_ends(12)
        valid = ends + 0.05
        for r in ranges_of_epochs(train, valid, recover_end(train, valid)):
            assert r.averaging.value + r.rest.value == pytest.approx(r.gap, abs=1e-12)
            here = slice(int(r.first) - 1, int(r.last))
            assert r.averaging.low <= (ends - train)[here].mean() <= r.averaging.high
            assert r.rest.low <= 0.05 <= r.rest.high
            assert (r.averaging.how, r.averaging.n) == ("inferred", r.n)

    def test_no_lag(self):
        (found,) = ranges_of_epochs([2.0, 1.0, 0.5], [3.0, 2.0, 1.5], recover_end([2.0, 1.0, 0.5], rule=None))
        assert found.leading == "rest"
        assert (found.averaging.low, found.averaging.high, found.rest.value) == (0.0, 0.0, 1.0)

    def test_a_single_odd_epoch_makes_no_range(self):
        train = np.linspace(3.0, 1.0, 100)
        valid = train + 0.5
        valid[50] -= 1.0
        assert len(ranges_of_epochs(train, valid, recover_end(train, rule=None))) == 1

    def test_nothing_bounds_a_single_epoch(self):
        (found,) = ranges_of_epochs([-2.0], [1.0], recover_end([-2.0], [1.0]))
        assert (found.averaging, found.rest, found.leading) == (None, None, "cannot_tell")

    def test_epochs_without_a_score_are_passed_over(self):
        train, ends = means_and_ends(6)
        ends[2] = np.nan
        assert sum(r.n for r in ranges_of_epochs(train, ends, recover_end(train, ends))) == 5
        assert ranges_of_epochs([np.nan], [1.0], recover_end([np.nan])) == ()

    def test_wrong_shapes(self):
        with pytest.raises(InputError):
            ranges_of_epochs([1.0], [1.0], recover_end([1.0, 2.0]))

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=25))
    def test_whatever_is_logged(self, rows):
        train, valid = ([r[k] for r in rows] for k in (0, 1))
        found = ranges_of_epochs(train, valid, recover_end(train, valid))
        assert sum(r.n for r in found) <= len(rows)
        assert all(r.averaging is None or r.averaging.low <= r.averaging.value <= r.averaging.high for r in found)
