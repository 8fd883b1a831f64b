"""The end-of-epoch score recovered from averages: curves with a known end, planted offsets, and logs that tell nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whygap.errors import InputError
from whygap.estimate.averaging import EPOCH_MEAN, LAST_BATCH, moving_average
from whygap.estimate.recovery import recover_end

FINE = 400
NUMBERS = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(-3.0, 3.0), st.sampled_from([0.0, 1.0]))
RULES = st.sampled_from(
    [EPOCH_MEAN, LAST_BATCH, moving_average(0.98, 40), moving_average(0.98, 2), moving_average(0.9, 900), None]
)


def epochs(g, n):
    """Return the epoch means of g and its values at the ends."""
    t = (np.arange(n * FINE) + 0.5) / FINE
    return g(t).reshape(n, FINE).mean(axis=1), g(np.arange(1.0, n + 1.0))


def bent(t):
    """Fall, stall and fall again: what an exponential doesn't do."""
    return 0.2 + np.exp(-t) + 1.0 / (1.0 + np.exp(t - 5.0))


class TestMeans:
    def test_alone_it_beats_the_half_epoch_shift(self):
        means, ends = epochs(bent, 12)
        found = recover_end(means)
        half = np.append((means[:-1] + means[1:]) / 2, (3 * means[-1] - means[-2]) / 2)
        assert np.abs(found.value - ends)[:-1].mean() < 0.5 * np.abs(half - ends)[:-1].mean()

    def test_validation_with_a_constant_offset_is_followed(self):
        means, ends = epochs(bent, 12)
        found = recover_end(means, ends + 0.4)
        assert np.abs(found.value - ends).max() < 0.05 * np.abs(means - ends).max()
        assert ((found.low <= ends) & (ends <= found.high)).all()
        assert found.state[:4].tolist() == ["told"] * 4

    def test_what_a_visit_teaches_is_seen_in_the_next_epoch(self):
        """Each visit lowers an example's loss for good: the mean lags by a whole visit, and validation shows by how much."""
        n = 12
        means, ends = epochs(lambda t: 1.0 + np.exp(-t / 2), n)
        taught = 0.05 * np.arange(n)  # before each visit of epoch e, e - 1 visits have taught
        found = recover_end(means - taught, ends)
        truth = ends - taught - 0.05
        assert np.abs(found.value - truth)[1:-1].max() < 0.02
        assert ((found.low <= truth) & (truth <= found.high)).all()

    def test_validation_that_goes_its_own_way_is_not_believed(self):
        means, ends = epochs(bent, 40)
        other = 5.0 + 2.0 * np.random.default_rng(0).normal(size=40)
        found, alone = recover_end(means, other), recover_end(means)
        assert np.abs(found.value - alone.value).max() < 0.05
        assert np.abs(found.value - ends)[:-1].max() < np.abs(means - ends).max()

    def test_flat_noise_tells_of_no_lag(self):
        rng = np.random.default_rng(1)
        told = [(recover_end(*(1.0 + 0.05 * rng.normal(size=(2, 40)))).state == "told").mean() for _ in range(50)]
        assert np.mean(told) < 0.1

    def test_constant_curves(self):
        found = recover_end(np.full(9, 0.3), np.full(9, 0.3))
        assert found.value == pytest.approx(np.full(9, 0.3))
        assert set(found.state.tolist()) == {"cannot_tell"}


class TestRules:
    def test_no_lag_where_the_score_is_of_the_end_of_the_epoch(self):
        found = recover_end([3.0, np.nan, 1.0], rule=None)
        assert found.state.tolist() == ["no_lag", "missing", "no_lag"]
        assert found.low[0] == found.value[0] == found.high[0] == 3.0

    @pytest.mark.parametrize("steps", [20, 150, 1000])
    def test_moving_average(self, steps):
        n, beta = 12, 0.98
        t = (np.arange(n * steps) + 0.5) / steps
        average, reported = 0.0, []
        for k, value in enumerate(bent(t), start=1):
            average = beta * average + (1.0 - beta) * value
            reported.append(average / (1.0 - beta**k))
        reported, ends = np.array(reported)[steps - 1 :: steps], bent(np.arange(1.0, n + 1.0))
        found = recover_end(reported, ends + 0.1, rule=moving_average(beta, steps))
        assert np.abs(found.value - ends).mean() < 0.2 * np.abs(reported - ends).mean()
        assert ((found.low <= ends) & (ends <= found.high)).mean() > 0.9

    def test_a_log_that_begins_late_lacks_what_was_carried_into_its_first_epoch(self):
        rule = moving_average(0.98, 20)
        reported = np.append(np.nan, 1.0 + np.exp(-np.arange(12.0) / 3))
        found = recover_end(reported, rule=rule)
        assert (found.state[1], found.high[1]) == ("cannot_tell", np.inf)
        assert np.isfinite(found.high[2:]).all()

    def test_last_batch_of_a_smooth_curve_is_its_end(self):
        _, ends = epochs(bent, 12)
        assert recover_end(ends, rule=LAST_BATCH).value == pytest.approx(ends)


class TestShape:
    def test_accuracy_mirrors_the_error(self):
        means, ends = epochs(lambda t: 0.05 + 0.5 * np.exp(-t / 3), 10)
        error, accuracy = recover_end(means, ends), recover_end(1.0 - means, 1.0 - ends, higher_is_better=True)
        assert accuracy.value == pytest.approx(1.0 - error.value)
        assert accuracy.low == pytest.approx(1.0 - error.high)
        assert accuracy.state.tolist() == error.state.tolist()

    def test_units_do_not_matter(self):
        means, ends = epochs(bent, 10)
        one, thousand = recover_end(means, ends), recover_end(1000.0 * means, 1000.0 * ends)
        assert thousand.low == pytest.approx(1000.0 * one.low)
        assert thousand.state.tolist() == one.state.tolist()

    def test_missing_epochs_part_the_run_and_validation_may_be_rare(self):
        means, ends = epochs(bent, 12)
        means[4] = np.nan
        valid = np.where(np.arange(12) % 3 == 0, ends, np.nan)
        found = recover_end(means, valid)
        assert found.state[4] == "missing"
        assert np.isfinite(np.delete(found.value, 4)).all()

    def test_a_single_epoch_tells_nothing(self):
        found = recover_end([2.0], [1.0])
        assert (found.low[0], found.high[0], found.state[0]) == (0.0, np.inf, "cannot_tell")

    def test_no_epochs(self):
        assert recover_end([]).value.size == 0

    @pytest.mark.parametrize(("train", "valid"), [([[1.0]], None), ([1.0, 2.0], [1.0])])
    def test_wrong_shapes(self, train, valid):
        with pytest.raises(InputError):
            recover_end(train, valid)

    @settings(deadline=None, max_examples=200)
    @given(st.data(), st.integers(0, 12), RULES, st.booleans())
    def test_whatever_is_logged(self, data, n, rule, is_accuracy):
        train = data.draw(st.lists(NUMBERS, min_size=n, max_size=n))
        valid = data.draw(st.none() | st.lists(NUMBERS, min_size=n, max_size=n))
        found = recover_end(train, valid, rule=rule, higher_is_better=is_accuracy)
        there = found.state != "missing"
        assert (found.low[there] <= found.value[there]).all()
        assert (found.value[there] <= found.high[there]).all()
        assert np.isnan(found.value[~there]).all()
        assert set(found.state.tolist()) <= {"told", "cannot_tell", "no_lag", "missing"}
