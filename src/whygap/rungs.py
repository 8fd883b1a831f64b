"""An observation in, rungs out: every mean score of the ladder that the epoch's arrays tell, with its errors.

A rung's value is a known number plus the mean, over all examples that the epoch visited, of something that was seen in the
sampled batches alone: `each`. Around it are errors, each with a source, so that two rungs can tell what they share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from whygap.estimate import (
    FEWEST,
    Variance,
    is_usable,
    variance_of_mean,
    variance_of_repeats,
    variance_of_scores,
    why_not_reliable,
    why_not_representative,
)
from whygap.observation import Array, Ints, Observation, Valid, Visits
from whygap.records import RungName

RESCORED: tuple[RungName, ...] = ("end_weights", "eval_mode", "clean_view", "valid_criterion", "valid_weights")
"""The rungs that score the sampled examples anew at the end of the epoch."""

VALIDATION_DRAW = "a finite validation set"
FRESH_DRAW = "a finite fresh set"


class Error(NamedTuple):
    """What lies between a rung's value and the truth; `doubt` says why its variance can't be trusted, if so."""

    variance: Variance
    doubt: str = ""
    is_sampling: bool = False  # a full pass would remove it


@dataclass(frozen=True)
class Level:
    """A rung: its value, what of it was seen of each sampled example, (n,), its errors by source, and the examples scored."""

    value: float
    each: Array | None = None
    errors: Mapping[str, Error] = field(default_factory=dict)
    n: int = 0


@dataclass(frozen=True)
class Sampling:
    """The sampled batches: their rows (u,), the one that each sampled example is in (n,), and how many were visited in all."""

    rows: Array
    unit: Ints
    n_visited: int

    @property
    def is_whole(self) -> bool:
        return self.rows.size == self.n_visited

    def by_batch(self, each: Array) -> Array:
        """Return the mean of `each` in every sampled batch, (u,)."""
        means: Array = np.bincount(self.unit, weights=each) / self.rows
        return means

    def error_of_mean(self, each: Array) -> Error:
        """Return how far the mean of `each` is from what all visited batches would give."""
        means = self.by_batch(each)
        doubt = why_not_reliable(means if means.size < FEWEST else each)
        if means.size == 1:
            return Error(Variance(0.0, 0.0), doubt, is_sampling=True)
        return Error(variance_of_mean(means, size=self.rows, n_population=self.n_visited), doubt, is_sampling=True)


@dataclass(frozen=True)
class Rungs:
    """The rungs that could be measured, and why others that were looked at could not."""

    sampling: Sampling | None
    levels: dict[RungName, Level] = field(default_factory=dict)
    lost: dict[RungName, str] = field(default_factory=dict)


def measure_rungs(o: Observation) -> Rungs:
    """Return the rungs that a checked observation tells."""
    sampling = None
    if o.visits is not None and o.sample is not None and o.sample.batch.size > 0:
        sampling = Sampling(o.visits.rows[o.sample.batch].astype(np.float64), o.sample.unit, o.visits.rows.size)
    rungs = Rungs(sampling)
    _add_reported(rungs, o)
    if o.visits is not None:
        _add_recorded(rungs, o, o.visits)
        _add_scored(rungs, o, o.visits)
    _add_fresh(rungs, o)
    _add_valid(rungs, o)
    return rungs


def _add_reported(rungs: Rungs, o: Observation) -> None:
    ends: tuple[tuple[RungName, str, float | None], ...] = (
        ("reported", "training", o.train_reported),
        ("valid_reported", "validation", o.valid_reported),
    )
    for name, split, value in ends:
        if value is None:
            rungs.lost[name] = f"no {split} {o.score.name} was reported"
        elif not is_usable(value):
            rungs.lost[name] = f"the reported {split} {o.score.name} is {value:g}"
        else:
            rungs.levels[name] = Level(float(value))


def _add_recorded(rungs: Rungs, o: Observation, v: Visits) -> None:
    """Add the rungs that the recorded batches tell: the data part of the reported score, and every visited example once."""
    n = int(v.rows.sum())
    in_reported, in_visited = _minus_penalty(rungs.sampling, o, v)
    unseen = "the regularisation was not seen at every visit"
    if "reported" in rungs.lost:
        rungs.lost["data"] = rungs.lost["reported"]
    elif in_reported is None:
        rungs.lost["data"] = unseen
    else:
        rungs.levels["data"] = replace(in_reported, value=rungs.levels["reported"].value + in_reported.value, n=n)
    if not v.is_plain_mean:
        rungs.lost["visited"] = f"the {o.score.name} of single examples was not seen at the visits"
    elif not is_usable(v.score):
        rungs.lost["visited"] = _not_finite(v.score, "batches", o)
    elif in_visited is None:
        rungs.lost["visited"] = unseen
    else:
        rungs.levels["visited"] = replace(in_visited, value=_mean(v.score, v.rows) + in_visited.value, n=n)


def _minus_penalty(sampling: Sampling | None, o: Observation, v: Visits) -> tuple[Level | None, Level | None]:
    """Return minus the regularisation inside the reported score, and inside the mean over all visited examples, where known."""
    if v.penalty is None:
        return Level(0.0), Level(0.0)
    weight = v.rows if v.weight is None else v.weight
    if is_usable(v.penalty):
        return Level(-_mean(v.penalty, weight)), Level(-_mean(v.penalty, v.rows))
    if o.sample is None or sampling is None or not is_usable(v.penalty[o.sample.batch]):
        return None, None
    each = -v.penalty[o.sample.batch][o.sample.unit]
    inside = Level(float(each.mean()), each)  # one object for both, so that it cancels
    is_by_rows = np.allclose(weight / weight.sum(), v.rows / v.rows.sum(), rtol=1e-9, atol=0.0)
    return inside if is_by_rows else None, inside


def _add_scored(rungs: Rungs, o: Observation, v: Visits) -> None:
    """Add the rungs that score the examples of the sampled batches one by one.

    A part may be corrected by the recorded scores, which are known for all batches: mean(recorded) + mean(scores - recorded) is
    unbiased whatever was recorded. A whole has nothing to correct.
    """
    sampling, s = rungs.sampling, o.sample
    if sampling is None or s is None:
        return
    recorded = v.score - v.penalty if v.penalty is not None and is_usable(v.penalty) else v.score
    can_correct = is_usable(v.score) and not sampling.is_whole
    for name in ("visited", *RESCORED):
        if name not in s.on_rung or (name == "visited" and v.is_plain_mean):
            continue
        repeats = s.on_rung[name]
        if not is_usable(repeats):
            rungs.lost[name] = _not_finite(repeats, "scored examples", o)
            continue
        known, each, errors = 0.0, repeats.mean(axis=0), dict[str, Error]()
        if can_correct and (o.method == "difference" or name == "visited"):
            known, each = _mean(recorded, v.rows), each - recorded[s.batch][s.unit]
        if can_correct and o.method == "difference":
            doubt = why_not_representative(recorded[s.batch], recorded)
            errors["batches unlike those sampled"] = Error(Variance(0.0, 0.0), doubt, is_sampling=True)
        if repeats.shape[0] > 1:
            by_batch = np.stack([sampling.by_batch(one) for one in repeats])
            noise = variance_of_repeats(by_batch, size=sampling.rows, n_population=sampling.n_visited)
            errors[f"random masks ({name})"] = Error(noise)
        rungs.levels[name] = Level(known + float(each.mean()), each, errors, n=s.unit.size)


def _add_fresh(rungs: Rungs, o: Observation) -> None:
    if o.fresh is None or o.fresh.size == 0:
        return
    if is_usable(o.fresh):
        draw = _error_of_draw("fresh", o.fresh, o.fresh.size)
        rungs.levels["fresh"] = Level(float(o.fresh.mean()), errors={FRESH_DRAW: draw}, n=o.fresh.size)
    else:
        rungs.lost["fresh"] = _not_finite(o.fresh, "fresh examples", o)


def _add_valid(rungs: Rungs, o: Observation) -> None:
    """Add the validation set's three rungs. Which examples the set happens to hold moves all three alike."""
    v, unscored = o.valid, "the validation examples were not scored"
    draw = Error(Variance(0.0, 0.0), unscored)
    if v is None:
        rungs.lost["valid"] = rungs.lost["valid_reduced"] = unscored
    elif not is_usable(v.score):
        rungs.lost["valid"] = _not_finite(v.score, "validation examples", o)
    else:
        draw = _error_of_draw("validation", v.score, v.n)
        rungs.levels["valid"] = _valid_level(v, draw)
    if "valid_reported" in rungs.lost:
        return
    last = replace(rungs.levels["valid_reported"], errors={VALIDATION_DRAW: draw}, n=v.score.size if v else 0)
    rungs.levels["valid_reported"] = last
    penalty = 0.0 if v is None or v.penalty is None else v.penalty
    if not is_usable(penalty):
        rungs.lost["valid_reduced"] = f"the regularisation inside the validation {o.score.name} is {penalty:g}"
    elif v is not None:
        rungs.levels["valid_reduced"] = replace(last, value=last.value - penalty)


def _valid_level(v: Valid, draw: Error) -> Level:
    m = v.score.size
    errors = {VALIDATION_DRAW: draw}
    if v.mean is not None and is_usable(v.mean):
        return Level(float(v.mean), errors=errors, n=m)
    if m < v.n:
        rest = Variance(draw.variance.value * (v.n / m - 1), draw.variance.df)
        errors["validation examples that were not scored"] = Error(rest, draw.doubt, is_sampling=True)
    return Level(float(v.score.mean()), errors=errors, n=m)


def _error_of_draw(split: str, scores: Array, n: int) -> Error:
    """Return how far another set of `n` examples would move their mean, judged from `scores` (m,), those of some or all."""
    variance = variance_of_scores(scores)
    doubt = why_not_reliable(scores)
    return Error(Variance(variance.value * scores.size / n, variance.df), doubt and f"{split}: {doubt}")


def _mean(scores: Array, weight: npt.ArrayLike) -> float:
    return float(np.average(scores, weights=np.asarray(weight, dtype=np.float64)))


def _not_finite(scores: Array, what: str, o: Observation) -> str:
    bad = [not is_usable(column) for column in scores.T]
    return f"{sum(bad)} of {len(bad)} {what} have a {o.score.name} that isn't finite"
