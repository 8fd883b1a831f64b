"""Accuracy of a sample without a mistake: its bounds tell how many mistakes it may have missed."""

import numpy as np
import pytest

from whygap.ladder import build_epoch_gap
from whygap.observation import Observation, Sample, Valid, Visits
from whygap.records import Score

U, ROWS = 100, 50


def observe(right, rng, *, bounds):
    """Score 4 of the 50 examples of 64 batches; `right`, (U, ROWS), says which are classified rightly at the epoch's end."""
    batch = np.sort(rng.choice(U, 64, replace=False))
    picked = np.concatenate([right[b, rng.choice(ROWS, 4, replace=False)] for b in batch])[None]
    return Observation(
        epoch=1,
        score=Score(name="accuracy", higher_is_better=True),
        train_reported=0.9,
        valid_reported=0.95,
        visits=Visits(score=np.full(U, 0.9), rows=np.full(U, ROWS)),
        sample=Sample(batch=batch, unit=np.repeat(np.arange(64), 4), on_rung={"end_weights": picked, "eval_mode": picked}),
        valid=Valid(score=(np.arange(400) % 20 > 0).astype(np.float64), n=400),
        absent=frozenset({"mode", "penalty", "reduction", "penalty_valid", "reduction_valid"}),
        method="plain",
        bounds=bounds,
    )


def test_without_bounds_equal_scores_say_nothing_and_with_them_an_interval_is_had():
    right, rng = np.ones((U, ROWS)), np.random.default_rng(0)
    shaky = build_epoch_gap(observe(right, rng, bounds=None)).term("averaging").estimate
    assert not shaky.reliable
    assert shaky.low == shaky.high
    sound = build_epoch_gap(observe(right, rng, bounds=(0.0, 1.0))).term("averaging").estimate
    assert sound.reliable
    assert sound.how == "bounded"
    assert sound.low < 0.1 - 3.7 / 256  # three in 256 could be wrong in the population and none of them in the sample
    assert sound.value == pytest.approx(0.1)


@pytest.mark.parametrize("wrong", [0.001, 0.004, 0.01])
def test_the_interval_holds_the_truth_at_least_at_its_level(wrong):
    rng, hits, equal = np.random.default_rng(1), 0, 0
    for _ in range(200):
        right = (rng.random((U, ROWS)) >= wrong).astype(np.float64)
        e = build_epoch_gap(observe(right, rng, bounds=(0.0, 1.0))).term("averaging").estimate
        if e.how == "bounded":
            equal += 1
            hits += e.low <= right.mean() - 0.9 <= e.high
    assert equal >= 10
    assert hits >= 0.95 * equal
