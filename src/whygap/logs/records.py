"""What a reader finds in a log: runs, and in each of them series of numbers as they were printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Split = Literal["train", "valid", "test", "unknown", "none"]
"""Whose score a series is; "unknown" where the log doesn't say, "none" for what is no score: a learning rate, a time."""

Grain = Literal["epoch", "step"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """One column of a log.

    Parameters
    ----------
    column : str
        As the log names it: "val_loss", "Train Loss", "validation_0-logloss".
    score : str
        What the same score of every split is called: "loss", "accuracy", "logloss".
    split : Split
        Whose score it is.
    value : array of shape (k,)
        As printed: a percentage stays one. NaN and infinities where the log has them.
    epoch : array of shape (k,)
        When each was logged: 1.0 is the end of the first epoch, whatever the log counts from; iterations of boosting count as
        epochs. NaN where the log doesn't say.
    step : array of shape (k,), optional
        Optimiser steps, where the log counts them.
    grain : "epoch" or "step"
        Whether it has a number for every epoch, or several within one.
    resolution : float
        Unit of the last printed digit of most values; 0 where numbers are printed in full.
    """

    column: str
    score: str
    split: Split
    value: Array
    epoch: Array
    step: Array | None = None
    grain: Grain = "epoch"
    resolution: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class LoggedRun:
    """One run as a log tells it; a file may hold several.

    Parameters
    ----------
    format : str
        The reader's name for it, as shown to people: "Keras console".
    framework : str
        "keras", "lightning", "transformers", "fastai", "skorch", "xgboost", "lightgbm", "catboost", "ultralytics", or "" where
        that can't be told: the key by which the rule of a framework's numbers is found.
    name : str
        Of the run within its source; "" where there is but one without a name.
    series : tuple of Series
        In the order of the log.
    facts : mapping of str to float
        Numbers that the log states besides, by these names: "steps_per_epoch", "batch_size", "n_train", "n_valid", "n_classes",
        "gradient_accumulation", "epochs_planned".
    notes : tuple of str
        What people must know of the reading: a damaged tail, lines passed over.
    """

    format: str
    framework: str
    name: str = ""
    series: tuple[Series, ...] = ()
    facts: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, score: str, split: Split) -> Series | None:
        """Return the first series of a score and split, those with a number per epoch first; None where there is none."""
        found = [s for s in self.series if (s.score, s.split) == (score, split)]
        return min(found, key=lambda s: s.grain != "epoch", default=None)
