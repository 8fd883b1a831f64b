"""What one epoch teaches about how to measure the next: which estimator to use, and how many examples are worth scoring.

An estimator that is chosen on the very sample that it is applied to looks more precise than it is. So each epoch compares them
all, uses the one that the epochs before it favoured, and its intervals are what they say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from whygap.observation import Array, Method, Observation
from whygap.rungs import VALIDATION_DRAW, Rungs, design_of, scores_at_visit

METHODS: tuple[Method, ...] = ("regression", "difference")
"""What may take the place of "plain", the better liked first."""

GAIN = 0.5
"""Another estimator must at least halve the variance: where the scores at the visits tell less, a network that memorises makes
the residuals more skewed than the scores, and little is won for an interval that is worse."""

MEMORY = 0.5
"""Weight of the last epoch against all before it."""

DOMINATED = 0.25
"""More training examples are pointless once their sampling has this share of the variance that the validation set has."""


def compare_methods(o: Observation, rungs: Rungs) -> Mapping[Method, float]:
    """Return the variance of the end-of-epoch training score by estimator, relative to the plain one's; empty if unknown."""
    if o.visits is None or o.sample is None:
        return {}
    v, s = o.visits, o.sample
    if "eval_mode" not in rungs.levels:
        return {}
    each: Array = s.on_rung["eval_mode"].mean(axis=0)
    plain = design_of(v, s, "plain").error(each).variance
    if not plain > 0.0:
        return {}
    found: dict[Method, float] = {}
    regression = design_of(v, s, "regression")
    if regression.known_mean.size:
        found["regression"] = regression.error(each).variance / plain
    found["difference"] = design_of(v, s, "plain").error(each - scores_at_visit(v, s)).variance / plain
    return {name: ratio for name, ratio in found.items() if math.isfinite(ratio) and ratio > 0.0}


def choose_method(epochs: Sequence[Mapping[Method, float]]) -> Method:
    """Return the estimator that the epochs so far favour, from what `compare_methods` found in each, oldest first."""
    average: dict[Method, float] = {}
    for found in epochs:
        for name, ratio in found.items():
            old = average.get(name, math.log(ratio))
            average[name] = (1.0 - MEMORY) * old + MEMORY * math.log(ratio)
    best = min(METHODS, key=lambda name: average.get(name, 0.0))
    return best if average.get(best, 0.0) < math.log(GAIN) else "plain"


def count_useful(o: Observation, rungs: Rungs) -> int | None:
    """Return how many training examples the next epoch should score at most; None where that can't be told.

    From that number on the interval of the gap is within an eighth of what validation noise alone imposes, whatever is added.
    """
    if o.sample is None or o.visits is None or o.valid is None:
        return None
    train, valid = rungs.levels.get("eval_mode"), rungs.levels.get("valid")
    if train is None or train.each is None or valid is None or rungs.sampling is None or rungs.sampling.is_whole:
        return None
    ours = rungs.sampling.design.error(train.each).variance
    theirs = valid.errors[VALIDATION_DRAW].moments.variance
    if not (ours > 0.0 and theirs > 0.0):
        return None
    return math.ceil(o.sample.unit.size * ours / (DOMINATED * theirs))
