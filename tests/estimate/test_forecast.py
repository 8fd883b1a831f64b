"""The epoch at which validation turns: planted curves, nothing to find, noise, other units, awkward input."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from whygap.errors import InputError
from whygap.estimate.averaging import EPOCH_MEAN
from whygap.estimate.forecast import (
    CALIBRATED,
    FEWEST_EPOCHS,
    GROWS,
    LIMITS,
    PROBABILITIES,
    Calibration,
    forecast_turn,
    signs_of_turn,
)
from whygap.records import Forecast


def planted(turn, n, *, power=1.0, start=0.0):
    """Return epochs and curves whose validation turns at `turn`.

    t = 8 - log(e + start) and g = c e^power, with c such that g' = -t' at the turn.
    """
    e = np.arange(1.0, n + 1.0)
    t = 8.0 - np.log(e + start)
    return e, t, t + e**power / power / turn ** (power - 1.0) / (turn + start)


@pytest.mark.parametrize("turn", [20, 60, 200])
@pytest.mark.parametrize(("power", "start"), [(1.0, 0.0), (1.0, 5.0), (1.5, 10.0), (0.7, 5.0)])
def test_planted_turn_lies_in_the_interval(turn, power, start):
    e, t, v = planted(turn, 2 * turn, power=power, start=start)
    assert e[v.argmin()] == turn
    for share in (0.5, 0.7):
        k = int(share * turn)
        f = forecast_turn(t[:k], v[:k], age=0.0, level=0.95)
        assert f.state == "turn"
        assert f.low <= turn <= f.high


def test_growth_too_small_to_matter_is_no_turn():
    _, t, v = planted(2000, 40)  # g grows by 0.02 in a log-epoch, after 3.7 were learnt
    assert forecast_turn(t, v, age=0.0).state == "no_turn"


def test_reported_scores_give_nearly_the_same():
    turn, k = 60, 30
    fine = np.arange(1, 1000 * k + 1) / 1000
    _, t, v = planted(turn, k)
    reported = (6.0 - np.log(fine)).reshape(k, 1000).mean(axis=1)
    at_end, as_logged = forecast_turn(t, v, age=0.0), forecast_turn(reported, v, age=EPOCH_MEAN.age)
    assert as_logged.epoch == pytest.approx(at_end.epoch, rel=0.1)


def test_signs_of_planted_curves():
    e, t, v = planted(100, 50)
    signs, learnt = signs_of_turn(t, v, e, age=0.0), t[0] - t[-1]
    assert signs.rate == pytest.approx(np.log(1.0 / t[-1]), abs=1e-6)  # t' = -1 in log-epoch
    assert signs.bend == pytest.approx(0.0, abs=1e-9)
    assert 0.5 < signs.falls * learnt < 0.8  # 1 - e / 100 over the window: 0.5 at its end, more before
    assert signs.growth > GROWS


def test_a_nearer_turn_is_forecast_nearer():
    forecasts = [forecast_turn(*planted(turn, 30)[1:], age=0.0) for turn in (35, 50, 80)]
    assert {f.state for f in forecasts} == {"turn"}
    assert forecasts[0].epoch < forecasts[1].epoch < forecasts[2].epoch


def test_a_turn_that_has_been_is_told_and_not_foretold():
    _, t, v = planted(20, 60)
    f = forecast_turn(t, v, age=0.0)
    assert (f.state, f.low, f.high) == ("turned", None, None)
    assert f.epoch == pytest.approx(20, abs=2)


@pytest.mark.parametrize("k", [12, 40, 150])
def test_no_turn_where_the_gap_does_not_grow(k):
    rng = np.random.default_rng(k)
    e = np.arange(1.0, k + 1.0)
    states = []
    for _ in range(100):
        t = 0.3 + e ** -rng.uniform(0.3, 1.0)
        noise = 0.01 * rng.normal(size=(2, k))
        states.append(forecast_turn(t + noise[0], t + 0.1 * rng.normal() + noise[1], age=0.0).state)
    assert states.count("no_turn") >= 93


def test_noise_widens_no_claim():
    rng = np.random.default_rng(0)
    e = np.arange(1.0, 16.0)
    states = {forecast_turn(*(1.0 + 0.3 * rng.normal(size=(2, e.size))), age=0.0).state for _ in range(50)}
    assert "cannot_tell" in states


def test_too_few_epochs():
    f = forecast_turn([1.0, 0.9, 0.8], [1.0, 0.9, np.nan])
    assert (f.state, f.epoch) == ("cannot_tell", None)
    assert "2 epochs" in f.evidence


def test_nothing_learnt():
    assert forecast_turn(np.ones(20), np.ones(20)).state == "cannot_tell"
    assert forecast_turn(np.arange(20.0), np.arange(20.0)).state in ("cannot_tell", "no_turn")


@given(scale=st.floats(1e-9, 1e9))
def test_the_unit_of_the_score_does_not_matter(scale):
    _, t, v = planted(60, 30)
    a, b = forecast_turn(t, v), forecast_turn(scale * t, scale * v)
    assert a.state == b.state == "turn"
    assert (a.epoch, a.low, a.high) == pytest.approx((b.epoch, b.low, b.high), rel=1e-6)


@pytest.mark.parametrize("top", [1.0, 100.0])
def test_accuracy_is_forecast_as_its_error_is(top):
    _, t, v = planted(60, 30)
    a = forecast_turn(t / 10, v / 10)
    b = forecast_turn(top * (1 - t / 10), top * (1 - v / 10), higher_is_better=True)
    assert a.epoch == pytest.approx(b.epoch, rel=1e-6)


def test_a_log_of_every_third_epoch_says_about_the_same():
    e, t, v = planted(300, 150)
    every = forecast_turn(t, v, age=0.0)
    third = forecast_turn(t[2::3], v[2::3], epoch=e[2::3], age=0.0)
    assert third.state == "turn"
    assert third.epoch == pytest.approx(every.epoch, rel=0.25)


def test_higher_levels_are_wider():
    _, t, v = planted(60, 30)
    bounds = [(f.low, f.high) for f in (forecast_turn(t, v, level=level) for level in (0.5, 0.8, 0.9, 0.95))]
    assert all(b[0] <= a[0] and a[1] < b[1] for a, b in pairwise(bounds))


def test_another_calibration():
    _, t, v = planted(60, 30)
    f = forecast_turn(t, v, level=0.9, calibration=Calibration(np.log(2.0), (0.0,) * 4, tuple(np.linspace(-0.4, 0.4, 9))))
    assert (f.epoch, f.low, f.high) == pytest.approx((60.0, 60 * np.exp(-0.3), 60 * np.exp(0.3)))


def test_calibration_is_whole():
    assert len(CALIBRATED.errors) == len(PROBABILITIES)
    assert list(CALIBRATED.errors) == sorted(CALIBRATED.errors)
    assert len(CALIBRATED.weights) == len(LIMITS)


def test_epochs_that_do_not_follow_on_one_another():
    f = forecast_turn(np.ones(6), np.ones(6), epoch=[3, 2, 1, 4, 5, 6])
    assert f.state == "cannot_tell"
    assert "epochs" in f.evidence


def test_what_was_scored_before_training_is_passed_over():
    e, t, v = planted(60, 30)
    before = forecast_turn(np.append(50.0, t), np.append(50.0, v), epoch=np.append(0.0, e))
    assert before == forecast_turn(t, v, epoch=e)


@pytest.mark.parametrize(
    ("train", "valid", "more", "what"),
    [
        ([1.0, 2.0], [1.0], {}, "of one shape"),
        ([[1.0]], [[1.0]], {}, "1-d"),
        ([1.0] * 6, [1.0] * 6, {"level": 0.99}, "level"),
        ([1.0] * 6, [1.0] * 6, {"age": -1.0}, "age"),
    ],
)
def test_wrong_input(train, valid, more, what):
    with pytest.raises(InputError, match=what):
        forecast_turn(train, valid, **more)


ANY = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(-2.0, 2.0), st.sampled_from([0.0, 1.0]))


@settings(max_examples=300, deadline=None)
@given(curves=st.integers(0, 30).flatmap(lambda n: arrays(float, (2, n), elements=ANY)), higher=st.booleans())
def test_whatever_a_log_holds(curves, higher):
    f = forecast_turn(*curves, higher_is_better=higher)
    assert msgspec.json.decode(msgspec.json.encode(f), type=Forecast) == f
    assert f.evidence.endswith(".")
    if f.state == "turn":
        assert curves.shape[1] >= FEWEST_EPOCHS
        assert 1.0 <= f.low <= f.epoch <= f.high < np.inf
    else:
        assert f.low is None
        assert f.high is None


@settings(max_examples=50, deadline=None)
@given(epoch=st.lists(ANY, min_size=6, max_size=30))
def test_any_epochs(epoch):
    e = np.arange(1.0, len(epoch) + 1.0)
    f = forecast_turn(-np.log(e), -np.log(e) + e / e[-1], epoch=epoch)
    assert f.state != "turn" or f.low <= f.epoch <= f.high < np.inf
