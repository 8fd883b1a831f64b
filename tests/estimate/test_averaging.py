"""Averages over epochs, undone: closed forms, slow twins, and the error's rate in the length of an epoch."""

import math

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from whygap.errors import InputError
from whygap.estimate.averaging import (
    EPOCH_MEAN,
    LAST_BATCH,
    Averaging,
    average_of_curve,
    ends_of_epochs,
    means_of_epochs,
    means_within_epochs,
    moving_average,
)


def weighted(g, e, decay, n=20_001):
    """Return the weighted mean of g over epoch e by the trapezium rule."""
    t = np.linspace(e - 1.0, e, n)
    w = np.exp(-decay * (e - t))
    w[[0, -1]] /= 2
    return float(w @ g(t) / w.sum())


class TestRule:
    @pytest.mark.parametrize("decay", [0.0, 1e-6, 1e-3, 0.5, 3.0, 40.0])
    def test_age_is_the_mean_age_of_what_is_averaged(self, decay):
        assert Averaging(decay).age == pytest.approx(1.0 - weighted(lambda t: t, 1.0, decay), abs=2e-6)

    def test_last_batch_has_no_age(self):
        assert LAST_BATCH.age == 0.0

    @pytest.mark.parametrize(("beta", "steps"), [(0.0, 5), (1.0, 5), (0.9, 0), (0.9, math.inf), (math.nan, 5)])
    def test_wrong_arguments(self, beta, steps):
        with pytest.raises(InputError):
            moving_average(beta, steps)


class TestMovingAverage:
    def test_what_was_carried_over_is_taken_out_exactly(self):
        rng, beta, per = np.random.default_rng(0), 0.9, 7
        steps = rng.normal(size=(5, per))
        average, reported = 0.0, []
        for k, value in enumerate(steps.ravel(), start=1):
            average = beta * average + (1.0 - beta) * value
            reported.append(average / (1.0 - beta**k))
        weights = beta ** np.arange(per)[::-1]
        expected = steps @ weights / weights.sum()
        rule = moving_average(beta, per)
        assert means_within_epochs(np.array(reported)[per - 1 :: per], rule) == pytest.approx(expected, rel=1e-10)

    def test_a_mean_carries_nothing_over(self):
        y = np.array([3.0, 1.0])
        assert means_within_epochs(y, EPOCH_MEAN) is y


class TestAverageOfCurve:
    @pytest.mark.parametrize("decay", [0.0, 0.3, 5.0, 100.0])
    def test_against_the_integral_of_the_spline(self, decay):
        at = np.arange(1.0, 8.0)
        value = np.exp(-at / 2) + 0.1 * np.sin(at)
        curve = CubicSpline(at, value)
        found = average_of_curve(at, value, Averaging(decay))
        assert np.isnan(found[0])
        assert found[1:] == pytest.approx([weighted(curve, e, decay) for e in at[1:]], rel=1e-5)

    def test_of_the_last_batch_is_the_curve_itself(self):
        assert average_of_curve(np.arange(1.0, 4.0), np.array([3.0, 2.0, 1.0]), LAST_BATCH)[1:].tolist() == [2.0, 1.0]


class TestEndsOfEpochs:
    @pytest.mark.parametrize("power", [0, 1, 2])
    def test_exact_for_quadratics(self, power):
        e = np.arange(9.0)
        means = np.diff(e ** (power + 1)) / (power + 1)
        assert ends_of_epochs(means, EPOCH_MEAN) == pytest.approx(e[1:] ** power, abs=1e-9)

    def test_two_epochs(self):
        assert ends_of_epochs(np.array([0.5, 1.5]), EPOCH_MEAN) == pytest.approx([1.0, 2.0])

    def test_error_falls_nearly_with_the_third_power_of_the_epoch_or_faster(self):
        worst = []
        for h in (0.4, 0.2, 0.1):
            t = np.arange(0.0, 4.0 + h / 2, h)
            means = np.diff(-np.exp(-t)) / h
            worst.append(np.abs(ends_of_epochs(means, EPOCH_MEAN) - np.exp(-t[1:]))[1:-1].max())
        assert worst[0] / worst[1] > 2.0**2.7
        assert worst[1] / worst[2] > 2.0**2.7

    @pytest.mark.parametrize("decay", [0.1, 0.9, 2.0, 20.0])
    def test_moving_averages_lie_behind_by_less_than_they_did(self, decay):
        def g(t):
            return np.exp(-t / 4)

        e = np.arange(1.0, 13.0)
        means = np.array([weighted(g, k, decay) for k in e])
        assert np.abs(ends_of_epochs(means, Averaging(decay)) - g(e)).max() < 0.25 * np.abs(means - g(e)).max()


class TestWindows:
    def test_windows_that_are_epochs_stay_as_they_are(self):
        e = np.arange(1.0, 6.0)
        y = np.array([5.0, 3.0, 2.0, 1.5, 1.4])
        assert means_of_epochs(y, e, e) == pytest.approx(y)

    def test_straddling_windows_of_a_straight_line_are_exact(self):
        end = np.array([0.7, 1.4, 2.1, 2.8, 3.5])
        value = end - 0.35
        found = means_of_epochs(value, end, np.arange(1.0, 5.0))
        assert found[:3] == pytest.approx([0.5, 1.5, 2.5])
        assert np.isnan(found[3])
