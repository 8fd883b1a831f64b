"""What one epoch teaches about how to measure the next: which examples to score, how many, and which estimator to use.

An estimator that is chosen on the very sample that it is applied to looks more precise than it is. So each epoch compares them
all, uses the one that the epochs before it favoured, and its intervals are what they say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from whygap.observation import Array, Method, Observation
from whygap.rungs import VALIDATION_DRAW, Rungs, design_of, scores_at_visit

METHODS: tuple[Method, ...] = ("regression", "difference")
"""What may take the place of "plain", the better liked first."""

GAIN = 0.5
"""Another estimator must at least halve the variance: where the scores at the visits tell less, a network that memorises makes
the residuals more skewed than the scores, and little is won for an interval that is worse."""

FIRST_GAIN = 0.6
"""The same for the second epoch: in the first one weights move most, so that losses at the visits tell less than they ever will
again, and nothing has been memorised yet."""

GAIN_OF_DRAW = 0.8
"""Examples that are sure to be in the sample must take so much off the variance within batches: the others are fewer for it."""

USUAL_SHARE = 0.25
"""Share of a batch that is held once the time is there: of a first epoch that held less, the draws are compared at this one."""

FEWEST_TO_COMPARE = 4
"""Examples of each batch from which it is told what they have left unexplained."""

MEMORY = 0.5
"""Weight of the last epoch against all before it."""

DOMINATED = 0.4
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
    average = {name: _average([found[name] for found in epochs if name in found]) for name in METHODS}
    best = min(METHODS, key=lambda name: average[name])
    return best if average[best] < math.log(GAIN if len(epochs) > 1 else FIRST_GAIN) else "plain"


def _average(ratios: Sequence[float]) -> float:
    """Return the average of the ratios' logarithms, the last one weighing most; 0 without any."""
    average = math.log(ratios[0]) if ratios else 0.0
    for ratio in ratios:
        average = (1.0 - MEMORY) * average + MEMORY * math.log(ratio)
    return average


def compare_draws(o: Observation, rungs: Rungs) -> float | None:
    """Return what the variance within batches would be if half of the examples were those with the highest loss at the visit.

    Relative to that of as many drawn at random; None where that can't be told. It depends on the estimator: what the scores at
    the visits don't explain is largest where those are high, unless the network has forgotten them.
    """
    train = rungs.levels.get("eval_mode")
    if o.sample is None or rungs.sampling is None or train is None or train.each is None:
        return None
    s, design = o.sample, rungs.sampling.design
    if "visited" not in s.on_rung or s.unit.size < FEWEST_TO_COMPARE * s.batch.size:
        return None
    rows = float(design.size.mean())
    n = max(s.unit.size / s.batch.size, USUAL_SHARE * rows)
    at_visit = s.on_rung["visited"].mean(axis=0)
    left = design.unexplained(train.each)
    share = design.share_of_population
    order = np.argsort(-at_visit, kind="stable")
    is_rest = np.empty(order.size, dtype=np.bool_)
    is_rest[order] = np.cumsum(share[order]) > n / 2 / rows
    if n >= rows or is_rest.sum() < 2:
        return None
    of_all, of_rest = _spread(left, share), _spread(left[is_rest], share[is_rest])
    at_random = of_all * (1.0 / n - 1.0 / rows)
    with_worst = of_rest * (1.0 - n / 2 / rows) ** 2 * (2.0 / n - 1.0 / (rows - n / 2))
    return with_worst / at_random if at_random > 0.0 and with_worst > 0.0 else None


def are_worst_worth_it(ratios: Sequence[float]) -> bool:
    """Return whether the epochs so far favour such a draw, from what `compare_draws` found in each, oldest first."""
    return _average(ratios) < math.log(GAIN_OF_DRAW)


def _spread(x: Array, weight: Array) -> float:
    return float(np.average((x - np.average(x, weights=weight)) ** 2, weights=weight))


def count_useful(o: Observation, rungs: Rungs) -> int | None:
    """Return how many training examples the next epoch should score at most; None where that can't be told.

    From that number on the interval of the gap is within a fifth of what validation noise alone imposes, whatever is added.
    """
    if o.sample is None or o.visits is None or o.valid is None:
        return None
    train, valid = rungs.levels.get("eval_mode"), rungs.levels.get("valid")
    if train is None or train.each is None or valid is None or rungs.sampling is None or rungs.sampling.is_whole:
        return None
    error = rungs.sampling.error_of_mean(train.each)
    ours = 0.0 if error.is_bounded else error.moments.variance
    theirs = valid.errors[VALIDATION_DRAW].moments.variance
    if not (ours > 0.0 and theirs > 0.0):
        return None
    return math.ceil(o.sample.unit.size * ours / (DOMINATED * theirs))
