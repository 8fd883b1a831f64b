"""Redraws: planted deviations are found by what was redrawn, and crossed designs are told from others."""

import msgspec
import numpy as np
import pytest

from whygap.answers import redrawn
from whygap.answers.redraws import COMBINED, JUMPS, TOGETHER


def crossed(plant, regime="once", *, trains=12, inits=3, sets=10, sd=(0.3, 0.1, 0.05), jump=0.02):
    """Every training set with all initial weights and validation sets, their effects on the gap drawn with deviations `sd`."""
    rng = np.random.default_rng([regime == "fresh", 7])
    by_train, by_set, by_init = rng.normal(size=trains) * sd[0], rng.normal(size=sets) * sd[1], rng.normal(size=inits) * sd[2]
    trials = []
    for t in range(trains):
        for i in range(inits):
            trial = plant.trial(0, regime=regime, seeds={"train": t, "valid": 0, "init": i}, spread=0.0)
            looks = len(trial.epoch)
            moved = (
                by_train[t]
                + by_init[i]
                + by_set[:, None]
                + jump * rng.normal(size=(1, looks))
                + 0.001 * rng.normal(size=(sets, looks))
            )
            valid = np.array(trial.curves[0].reported) + 0.5 + moved
            rows = tuple(tuple(row) for row in valid.tolist())
            curve = msgspec.structs.replace(trial.curves[0], valid=rows[0], valid_sets=rows)
            trials.append(msgspec.structs.replace(trial, curves=(curve,)))
    return trials


def test_deviations_are_those_that_were_planted(plant):
    (found,) = redrawn(crossed(plant))
    assert found.is_crossed
    for name, sd in (("training set", 0.3), ("validation set", 0.1), ("initial weights", 0.05)):
        e = found.of[name]
        assert e.low <= sd <= e.high
    assert found.of["training set"].value == pytest.approx(0.3, rel=0.5)
    assert found.of[JUMPS].value == pytest.approx(0.02, rel=0.35)
    assert found.of[TOGETHER].value == pytest.approx((0.3**2 + 0.1**2 + 0.05**2) ** 0.5, rel=0.5)
    assert found.of[COMBINED].value < 0.1
    assert found.gap.value == pytest.approx(0.5, abs=0.3)


def test_a_factor_that_was_not_redrawn_is_left_out(plant):
    (found,) = redrawn(crossed(plant, inits=1, sets=1))
    assert list(found.of) == ["training set", TOGETHER, JUMPS]


def test_seeds_that_change_together_are_not_taken_apart(plant):
    (found,) = redrawn(plant.cell(6, spread=0.2))
    assert not found.is_crossed
    assert list(found.of) == [TOGETHER, JUMPS]
    assert found.of[TOGETHER].low <= 0.2 <= found.of[TOGETHER].high


def test_a_design_with_a_run_missing_is_given_as_a_whole(plant):
    (found,) = redrawn(crossed(plant)[:-1])
    assert not found.is_crossed


def test_few_looks_have_no_jumps_and_one_run_says_nothing(plant):
    (found,) = redrawn(plant.cell(4, epochs=5))
    assert JUMPS not in found.of
    assert redrawn(plant.cell(1)) == ()
