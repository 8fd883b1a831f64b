"""When validation will turn, for a run whose gap was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whygap.estimate.forecast import forecast_turn
from whygap.records import EpochGap, Forecast, RungName

AT_THE_END: tuple[RungName, ...] = ("eval_mode", "end_weights")
"""Rungs of the training examples with the weights that validation is scored with; the first that all epochs have is used."""


def forecast_of(gaps: Sequence[EpochGap]) -> Forecast:
    """Forecast the epoch at which the reported validation score will be at its best.

    Parameters
    ----------
    gaps : sequence of EpochGap
        The epochs of one score, in order, at least one; all with both reported scores.
    """
    reported = [g.train_reported for g in gaps]
    train, age = reported, 0.5
    for name in AT_THE_END:
        rungs = [g.rung(name) for g in gaps]
        if all(r is not None for r in rungs):
            train, age = [r.value for r in rungs if r is not None], 0.0
            break
    return forecast_turn(
        np.array(train, dtype=float),
        np.array([g.valid_reported for g in gaps], dtype=float),
        epoch=[g.epoch for g in gaps],
        higher_is_better=gaps[0].score.higher_is_better,
        age=age,
    )
