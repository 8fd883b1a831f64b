"""When validation will turn, for a run whose gap was measured."""

from __future__ import annotations

from collections.abc import Sequence

from whygap.estimate.averaging import EPOCH_MEAN
from whygap.estimate.forecast import forecast_turn
from whygap.records import EpochGap, Forecast, RungName

AT_THE_END: tuple[RungName, ...] = ("eval_mode", "end_weights")
"""Rungs of the training examples with the weights that validation is scored with; the first that all epochs have is used."""


def forecast_of(gaps: Sequence[EpochGap]) -> Forecast:
    """Forecast the epoch at which the reported validation score will be at its best.

    Parameters
    ----------
    gaps : sequence of EpochGap
        The epochs of one score, in order, at least one; those without a reported score are passed over.
    """
    train, age = [_number(g.train_reported) for g in gaps], EPOCH_MEAN.age
    for name in AT_THE_END:
        rungs = [r for g in gaps if (r := g.rung(name)) is not None]
        if len(rungs) == len(gaps):
            train, age = [r.value for r in rungs], 0.0
            break
    return forecast_turn(
        train,
        [_number(g.valid_reported) for g in gaps],
        epoch=[g.epoch for g in gaps],
        higher_is_better=gaps[0].score.higher_is_better,
        age=age,
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
