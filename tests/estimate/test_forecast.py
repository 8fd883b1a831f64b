"""The epoch at which validation turns: planted curves, nothing to find, noise, other units, awkward input."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from whygap.errors import InputError
from whygap.estimate.averaging import EPOCH_MEAN
from whygap.estimate.forecast import (
    CALIBRATED,
    FEWEST_EPOCHS,
    GROWS,
    PACES,
    PROBABILITIES,
    WINDOW,
    Calibration,
    forecast_turn,
    signs_of_turn,
)
from whygap.estimate.turning import overfitting_from_curves
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
    assert 0.25 < np.exp(signs.pace) * v[-1] < 0.5  # g' = e / 100 in log-epoch over the window: 0.5 at its end, less before
    assert signs.growth * signs.growth_error * learnt == pytest.approx(np.exp(signs.pace) * v[-1])
    assert signs.growth > GROWS


def test_growth_is_that_of_a_straight_line_by_weighted_least_squares():
    rng = np.random.default_rng(0)
    e, t, v = planted(100, 50)
    v = v + 0.01 * rng.normal(size=v.size)
    signs = signs_of_turn(t, v, e, age=0.0)
    x = np.log(e / e[-1])
    weight = np.clip(1.0 - (-x / WINDOW) ** 3, 0.0, None) ** 1.5  # the root of the weight of a square
    slope, _ = np.polyfit(x, v - t, 1, w=weight)
    assert np.exp(signs.pace) * v[-1] == pytest.approx(slope)


@pytest.mark.parametrize("k", [15, 100])
def test_standard_errors_are_those_of_white_noise(k):
    rng = np.random.default_rng(k)
    e = np.arange(1.0, k + 1.0)
    t = 4.0 - np.log(e)
    growth = [signs_of_turn(t, t + 0.1 * rng.normal(size=k), e, age=0.0).growth for _ in range(500)]
    assert np.std(growth) == pytest.approx(1.0, abs=0.15)


def test_a_gap_that_shrinks_has_the_lowest_pace():
    e = np.arange(1.0, 31.0)
    signs = signs_of_turn(4.0 - np.log(e), 5.0 - 1.1 * np.log(e), e, age=0.0)
    assert signs.growth < 0.0
    assert signs.pace == PACES[0]


def test_a_training_score_of_mid_epoch_is_held_against_validation_there():
    mid, e = np.arange(0.5, 30.0), np.arange(1.0, 31.0)
    falls = lambda at: 4.0 - 0.1 * at  # noqa: E731  # a straight line, so that validation between two epochs is known
    moved = signs_of_turn(falls(mid), falls(e), e, age=0.5)
    assert moved.growth == pytest.approx(0.0, abs=1e-6)
    assert signs_of_turn(falls(mid), falls(e), e, age=0.0).growth == pytest.approx(0.0, abs=1e-6)  # a constant offset
    bent = lambda at: 4.0 * at**-0.5  # noqa: E731  # as above
    assert abs(signs_of_turn(bent(mid), bent(e), e, age=0.5).growth) < abs(signs_of_turn(bent(mid), bent(e), e, age=0.0).growth)


def test_a_nearer_turn_is_forecast_nearer():
    forecasts = [forecast_turn(*planted(turn, 30)[1:], age=0.0) for turn in (35, 50, 80)]
    assert {f.state for f in forecasts} == {"turn"}
    assert forecasts[0].epoch < forecasts[1].epoch < forecasts[2].epoch


def test_a_turn_that_has_been_is_told_and_not_foretold():
    _, t, v = planted(20, 60)
    f = forecast_turn(t, v, age=0.0)
    assert (f.state, f.low, f.high) == ("turned", None, None)
    assert f.epoch == pytest.approx(20, abs=2)


@pytest.mark.parametrize("share", [1.5, 2.0])
def test_a_turn_too_small_to_be_overfitting_is_not_foretold_again(share):
    _, t, v = planted(20, int(20 * share))
    t, v = 10.0 + t, 10.0 + v  # training improves by a few per cent of its score only
    assert overfitting_from_curves(t, v).state != "yes"
    f = forecast_turn(t, v, age=0.0)
    assert (f.state, f.low) == ("turned", None)
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


@pytest.mark.parametrize(("age", "fewest"), [(0.0, 5), (0.5, 5), (1.0, 5), (2.5, 7)])
def test_as_many_epochs_as_their_average_needs(age, fewest):
    e = np.arange(1.0, 10.0)
    states = [forecast_turn(1 / e[:k], 1 / e[:k] + 0.1, age=age) for k in (fewest - 1, fewest)]
    assert [s.state for s in states] == ["cannot_tell", "no_turn"]
    assert f"takes {fewest}" in states[0].evidence


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
    f = forecast_turn(t, v, level=0.9, calibration=Calibration(np.log(2.0), 0.0, tuple(np.linspace(-0.4, 0.4, 9))))
    assert (f.epoch, f.low, f.high) == pytest.approx((60.0, 60 * np.exp(-0.3), 60 * np.exp(0.3)))


def test_calibration_is_whole():
    assert len(CALIBRATED.errors) == len(PROBABILITIES)
    assert list(CALIBRATED.errors) == sorted(CALIBRATED.errors)
    assert CALIBRATED.slope < 0.0  # the faster the gap grows, the nearer is the turn


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
@given(
    curves=st.integers(0, 30).flatmap(lambda n: arrays(float, (2, n), elements=ANY)), higher=st.booleans(), age=st.floats(0, 5)
)
@example(curves=np.array([[0.0, -5e-324, 0.0, 0.0, 0.0], [0.0] * 5]), higher=False, age=0.0)
def test_whatever_a_log_holds(curves, higher, age):
    f = forecast_turn(*curves, higher_is_better=higher, age=age)
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
