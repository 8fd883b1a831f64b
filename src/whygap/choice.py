"""What one epoch teaches about how to measure the next: which examples to score, how many, and which estimator to use.

An estimator that is chosen on the very sample that it is applied to looks more precise than it is. So each epoch compares them
all, uses the one that the epochs before it favoured, and its intervals are what they say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from whygap.estimate import ENOUGH_UNITS
from whygap.observation import Array, Method, Observation, Sample
from whygap.rungs import FEWEST_FOR_REGRESSION, VALIDATION_DRAW, Rungs, design_of, scores_at_visit

METHODS: tuple[Method, ...] = ("regression", "difference")
"""What may take the place of "plain", the better liked first."""

GAIN = 0.5
"""Another estimator must at least halve the variance: where the scores at the visits tell less, a network that memorises makes
the residuals more skewed than the scores, and little is won for an interval that is worse."""

FIRST_GAIN = 0.6
"""The same for the second epoch: in the first one weights move most, so that losses at the visits tell less than they ever will
again, and nothing has been memorised yet."""

GAIN_OF_CLASSES = 0.95
"""What is known of examples besides their scores, such as their class, must take so much off the variance: it costs time."""

ROWS_OF_A_BATCH = 8
"""With so many examples of each batch their spread tells that of a few batches."""

UNLIKE_DRAWN = 4.0
"""Few batches that differ by more than so many times what chance has it weren't drawn at random, and tell it themselves."""

MEMORY = 0.5
"""Weight of the last epoch against all before it."""

DOMINATED = 0.2
"""More training examples are pointless once their sampling has this share of the variance that the validation set has."""


def compare_methods(o: Observation, rungs: Rungs) -> Mapping[Method, float]:
    """Return the variance of the end-of-epoch training score by estimator, relative to the plain one's; empty if unknown.

    Empty too where examples were drawn by what they scored at the visit: there regression isn't a choice.
    """
    if o.visits is None or o.sample is None or o.sample.chance is not None:
        return {}
    v, s = o.visits, o.sample
    if "eval_mode" not in rungs.levels:
        return {}
    each: Array = s.on_rung["eval_mode"].mean(axis=0)
    design = design_of(v, s, "plain")
    plain = design.error(each).variance
    if not plain > 0.0:
        return {}
    if design.is_deep and s.batch.size < ENOUGH_UNITS and s.unit.size >= ROWS_OF_A_BATCH * s.batch.size:
        own, drawn = design.spread(each).variance, _expected_square(s, each)
        plain *= drawn / own if own <= UNLIKE_DRAWN * drawn else 1.0
    found: dict[Method, float] = {}
    regression = design_of(v, s, "regression")
    if regression.known_mean.size:
        found["regression"] = regression.error(each).variance / plain
    found["difference"] = design_of(v, s, "plain").error(each - scores_at_visit(v, s)).variance / plain
    return {name: ratio for name, ratio in found.items() if math.isfinite(ratio) and ratio > 0.0}


def _expected_square(s: Sample, each: Array) -> float:
    """Return the mean square of whole batches whose examples were drawn at random, told by their spread within batches.

    A few batches tell their own to a factor of two.
    """
    counts = np.bincount(s.unit).astype(np.float64)
    off = each - (np.bincount(s.unit, each) / counts)[s.unit]
    return float(off @ off / (each.size - counts.size) * np.mean(1.0 / counts))


def choose_method(epochs: Sequence[Mapping[Method, float]], *, units: int = FEWEST_FOR_REGRESSION) -> Method:
    """Return the estimator for `units` sampled batches that the epochs so far favour.

    `epochs` is what `compare_methods` found in each, oldest first.
    """
    methods = METHODS if units >= FEWEST_FOR_REGRESSION else METHODS[1:]
    average = {name: _average([found[name] for found in epochs if name in found]) for name in methods}
    best = min(methods, key=lambda name: average[name])
    return best if average[best] < math.log(GAIN if len(epochs) > 1 else FIRST_GAIN) else "plain"


def _average(ratios: Sequence[float]) -> float:
    """Return the average of the ratios' logarithms, the last one weighing most; 0 without any.

    Of the first epoch, whose scores at the visits tell least, a ratio above 1 counts as 1: it says nothing of later ones.
    """
    average = min(0.0, math.log(ratios[0])) if ratios else 0.0
    for ratio in ratios[1:]:
        average = (1.0 - MEMORY) * average + MEMORY * math.log(ratio)
    return average


def compare_known(o: Observation, rungs: Rungs) -> float | None:
    """Return the variance of the end-of-epoch training score where all that is known of examples is used.

    Relative to that where only their scores at the visit are; None where that can't be told, or nothing else is known.
    """
    train = rungs.levels.get("eval_mode")
    if o.visits is None or o.sample is None or o.sample.known is None or train is None or train.each is None:
        return None
    without = design_of(o.visits, replace(o.sample, known=None, known_mean=None), o.method).error(train.each).variance
    with_all = design_of(o.visits, o.sample, o.method).error(train.each).variance
    return with_all / without if without > 0.0 and with_all > 0.0 else None


def is_known_worth_it(ratios: Sequence[float]) -> bool:
    """Return whether the epochs so far favour it, from what `compare_known` found in each, oldest first; at first it is."""
    return not ratios or _average(ratios) < math.log(GAIN_OF_CLASSES)


def count_useful(o: Observation, rungs: Rungs) -> int | None:
    """Return how many training examples the next epoch should score at most; None where that can't be told.

    From that number on the interval of the gap is within a tenth of what validation noise alone imposes, whatever is added.
    """
    if o.sample is None or o.visits is None or o.valid is None:
        return None
    train, valid = rungs.levels.get("eval_mode"), rungs.levels.get("valid")
    if train is None or train.each is None or valid is None or rungs.sampling is None or rungs.sampling.is_whole:
        return None
    error = rungs.sampling.error_of_mean(train.each, train.before)
    ours = 0.0 if error.is_bounded else error.moments.variance
    theirs = valid.errors[VALIDATION_DRAW].moments.variance
    if not (ours > 0.0 and theirs > 0.0):
        return None
    return math.ceil(o.sample.unit.size * ours / (DOMINATED * theirs))
