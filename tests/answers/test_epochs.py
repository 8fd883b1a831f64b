"""Turns of validation: found where planted, none in fresh runs, and the forecast made before."""

import numpy as np
import pytest

from whygap.answers import turns


def falling(e):
    return 4.0 - np.log(e)


def a_turn(plant, at=30.0, epochs=60, seeds=5, **more):
    """Training falls with the logarithm of the epoch, the gap grows in a straight line: validation turns at `at`."""
    growth = 1.0 / at

    def unseen(e):
        return falling(e) + growth * e

    return plant.cell(seeds, epochs=epochs, unseen=unseen, gap=lambda e: growth * e, spread=0.002, **more)


def test_the_turn_is_found_and_was_foretold(plant):
    (found,) = turns(a_turn(plant, jump=0.002))
    assert found.n_turned == 5
    assert found.turn.low <= 30.0 <= found.turn.high
    assert found.turn.value == pytest.approx(30.0, abs=4.0)
    assert all(13 <= run.seen <= 17 for run in found.runs)
    assert found.forecast.low <= 30.0 <= found.forecast.high
    assert [run.is_held for run in found.runs] == [True] * 5


def test_fresh_runs_do_not_turn_and_none_is_foretold(plant):
    (found,) = turns(plant.cell(5, regime="fresh", epochs=60, unseen=falling, jump=0.002, spread=0.002))
    assert (found.n_turned, found.turn, found.forecast) == (0, None, None)
    assert [run.seen for run in found.runs] == [30] * 5
    assert {run.forecast.state for run in found.runs} == {"no_turn"}
    assert all(run.is_held for run in found.runs)


def test_few_that_turned_have_no_median(plant):
    turned = a_turn(plant, seeds=1)
    straight = [plant.trial(k, epochs=60, unseen=falling, spread=0.002) for k in (1, 2)]
    (found,) = turns([*turned, *straight])
    assert (found.n_turned, found.turn) == (1, None)


def test_one_seed_has_a_turn_and_no_interval(plant):
    (found,) = turns(a_turn(plant, seeds=1))
    assert (found.turn.low, found.turn.high) == (found.turn.value - 1, found.turn.value + 1)  # the looks on either side
    assert not found.turn.reliable


def test_a_turn_is_known_to_the_looks_on_either_side(plant):
    (found,) = turns(a_turn(plant, every=10, epochs=90))
    assert found.turn.low <= 20
    assert found.turn.high >= 40


def test_few_looks_say_nothing(plant):
    (found,) = turns(plant.cell(3, epochs=3))
    assert found.turn is None
    assert {run.forecast.state for run in found.runs} == {"cannot_tell"}
    assert {run.is_held for run in found.runs} == {None}
