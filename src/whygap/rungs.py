"""An observation in, rungs out: every mean score of the ladder that the epoch's arrays tell, with its errors.

A rung's value is a known number plus the mean, over all examples that the epoch visited, of something that was seen in the
sampled batches alone: `each`. Around it are errors, each with a source, so that two rungs can tell what they share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from whygap.estimate import (
    ENOUGH_UNITS,
    FEWEST,
    Design,
    Moments,
    add_moments,
    draw_design,
    error_of_draw,
    estimate_bounded,
    estimate_from,
    is_minor,
    is_usable,
    student_quantile,
    why_not_reliable,
    why_not_representative,
)
from whygap.observation import Array, Method, Observation, Sample, Valid, Visits, check_observation
from whygap.records import Estimate, RungName

RESCORED: tuple[RungName, ...] = (
    "end_weights",
    "without_dropout",
    "without_batch_norm",
    "eval_mode",
    "clean_view",
    "valid_criterion",
    "valid_weights",
)
"""The rungs that score the sampled examples anew at the end of the epoch."""

VALIDATION_DRAW = "a finite validation set"
FRESH_DRAW = "a finite fresh set"

DOMINANT = 0.8
"""From this share of the variance on, all other errors together widen an interval by an eighth at most."""

ENOUGH = 4000
"""Examples that an interval by bounds is made from: its time and memory grow with them."""

FEWEST_FOR_REGRESSION = 8
"""A regression on the visit's score wants this many batches, one on the position in the epoch as well half as many again."""


class Error(NamedTuple):
    """What lies between a rung's value and the truth; `doubt` says why its moments can't be trusted, if so."""

    moments: Moments
    doubt: str = ""
    is_sampling: bool = False  # a full pass would remove it
    is_bounded: bool = False  # told by the score's bounds, as the sample shows no spread


@dataclass(frozen=True)
class Level:
    """A rung: its value, what of it was seen of each sampled example, (n,), its errors by source, and the examples scored.

    `before` is how far sampled batches differed in that in the epochs before.
    """

    value: float
    each: Array | None = None
    errors: Mapping[str, Error] = field(default_factory=dict)
    n: int = 0
    before: Moments | None = None


@dataclass(frozen=True)
class Sampling:
    """The sampled batches and examples, and how a mean over all visited ones is made of them."""

    design: Design
    bounds: tuple[float, float] | None = None
    _known: dict[int, tuple[Array, Error]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def is_whole(self) -> bool:
        return self.design.is_whole

    def error_of_mean(self, each: Array, before: Moments | None = None) -> Error:
        """Return how far the estimated mean of `each` is from what all visited examples would give; of one array once."""
        if id(each) not in self._known:
            self._known[id(each)] = each, self._error(each, before)
        return self._known[id(each)][1]

    def _error(self, each: Array, before: Moments | None) -> Error:
        error = self.design.error(each, before)
        units = self.design.weight.size
        if self.bounds is not None and np.ptp(each) == 0.0 and units >= self.fewest:
            return Error(self._error_by_bounds(each, self.bounds), is_sampling=True, is_bounded=True)
        doubt = why_not_reliable(each if units >= self.fewest else np.arange(units), error)
        return Error(error, doubt, is_sampling=True)

    def _error_by_bounds(self, each: Array, bounds: tuple[float, float]) -> Moments:
        """Return an error as large as the bounds of a score allow of which all sampled examples show the same change."""
        width = bounds[1] - bounds[0]
        n_population = round(each.size / self.design.share)
        e = estimate_bounded(each[:ENOUGH], lowest=-width, highest=width, n_population=n_population)
        return Moments((max(e.high - e.value, e.value - e.low) / student_quantile(e.level, None)) ** 2)

    @property
    def fewest(self) -> int:
        """Units that an interval wants: none where each was sampled, and only their examples weren't."""
        return 0 if (self.design.fraction >= 1.0).all() else FEWEST


@dataclass(frozen=True)
class Rungs:
    """The rungs that could be measured, and why others that were looked at could not."""

    sampling: Sampling | None
    levels: dict[RungName, Level] = field(default_factory=dict)
    lost: dict[RungName, str] = field(default_factory=dict)

    def between(self, above: Level | None, here: Level, level: float) -> Estimate:
        """Return the difference of two rungs, or the rung itself with `above` None, with its interval at `level`."""
        above = above or Level(0.0)
        errors = {s: here.errors[s] for s in here.errors if s not in above.errors}
        errors |= {s: _turned(above.errors[s]) for s in above.errors if s not in here.errors}
        sampling = self.sampling
        if sampling is not None and not sampling.is_whole and here.each is not above.each:
            if here.each is None and above.each is not None:
                error = _turned(sampling.error_of_mean(above.each, above.before))
            elif here.each is not None and above.each is not None:
                error = sampling.error_of_mean(here.each - above.each)
            elif here.each is not None:
                error = sampling.error_of_mean(here.each, here.before)
            errors["examples that were not sampled"] = error
        return estimate_with(here.value - above.value, errors, level=level, n=max(here.n, above.n))


def estimate_with(value: float, errors: Mapping[str, Error], *, level: float, n: int) -> Estimate:
    """Return `value` with the interval that its errors, by source, give together."""
    total = add_moments(e.moments for e in errors.values())
    doubts = dict.fromkeys(e.doubt for e in errors.values() if e.doubt and not is_minor(e.moments, total))
    is_sampled = any(e.is_sampling for e in errors.values())
    draw = errors[VALIDATION_DRAW].moments.variance if VALIDATION_DRAW in errors else 0.0
    if not is_sampled and errors:
        why = f"every example was scored; the interval is the noise of {' and '.join(errors)}"
    elif draw >= DOMINANT * total.variance > 0.0:
        why = f"{draw / total.variance:.0%} of the variance is {VALIDATION_DRAW}: more training examples would hardly narrow it"
    else:
        why = ""
    is_bounded = any(e.is_bounded for e in errors.values())
    return estimate_from(
        value,
        total,
        level=level,
        n=n,
        how="bounded" if is_bounded else "sampled" if is_sampled else "exact",
        not_reliable="; ".join(doubts),
        why=why,
    )


def _turned(error: Error) -> Error:
    return error._replace(moments=-error.moments)


def measure_rungs(o: Observation) -> Rungs:
    """Return the rungs that an observation tells.

    Raises
    ------
    InputError
        If its arrays don't fit one another.
    """
    check_observation(o)
    sampling = None
    if o.visits is not None and o.sample is not None and o.sample.batch.size > 0:
        sampling = Sampling(design_of(o.visits, o.sample, o.method), o.bounds)
    rungs = Rungs(sampling)
    _add_reported(rungs, o)
    if o.visits is not None:
        _add_recorded(rungs, o, o.visits)
        _add_scored(rungs, o, o.visits)
    _add_fresh(rungs, o)
    _add_valid(rungs, o)
    return rungs


def design_of(v: Visits, s: Sample, method: Method) -> Design:
    """Return how the sample was drawn, with what a regression may use: what was recorded at the visits, and their position.

    Where examples were drawn by what they scored at the visit a regression is always used: the scores by which they were drawn
    are all known, and without it the mean would be off wherever the high ones happen to be few.
    """
    known = None
    recorded = _data_part(v)
    u = s.batch.size
    if (method == "regression" or s.chance is not None) and u >= FEWEST_FOR_REGRESSION and is_usable(recorded):
        ends = np.cumsum(v.rows)
        position = (ends - v.rows / 2) / ends[-1]
        known = recorded[:, None] if u < 1.5 * FEWEST_FOR_REGRESSION else np.stack([recorded, position], axis=1)
    member_known, member_mean = (None, None) if known is None and s.chance is None else _known_of_members(v, s)
    return draw_design(
        v.rows,
        s.batch,
        s.unit,
        first=s.first,
        known=known,
        member_known=member_known,
        member_mean=member_mean,
        chance=s.chance,
    )


def _known_of_members(v: Visits, s: Sample) -> tuple[Array, Array] | tuple[None, None]:
    """Return what is known of the sampled examples, (n, k), and its mean over all of their batch, (u, k).

    That is their own scores at the visit, where the mean over their batch is known: from the adapter, or as recorded; and what
    else the adapter tells.
    """
    columns = [] if s.known is None or s.known_mean is None else [(s.known, s.known_mean)]
    at_visit, mean = _at_visit(s), s.visited_mean
    if mean is None and _is_recorded_plain(v):
        mean = _data_part(v)[s.batch]
    if at_visit is not None and mean is not None and is_usable(mean):
        columns.insert(0, (at_visit[:, None], mean[:, None]))
    if not columns:
        return None, None
    return np.concatenate([of_members for of_members, _ in columns], axis=1), np.concatenate([m for _, m in columns], axis=1)


def _at_visit(s: Sample) -> Array | None:
    """Return the sampled examples' own scores at the visit, (n,), where all are finite."""
    at_visit = s.on_rung.get("visited")
    return np.asarray(at_visit.mean(axis=0)) if at_visit is not None and is_usable(at_visit) else None


def _is_recorded_plain(v: Visits) -> bool:
    """Return whether what was recorded, less a penalty that is known, is the plain mean of every batch."""
    return v.is_plain_mean and (v.penalty is None or is_usable(v.penalty))


def scores_at_visit(v: Visits, s: Sample) -> Array:
    """Return the score at the visit of every sampled example, (n,); where that isn't known, what was recorded of its batch."""
    members = _at_visit(s) if _is_recorded_plain(v) else None
    return _data_part(v)[s.batch][s.unit] if members is None else members


def _data_part(v: Visits) -> Array:
    """Return what was recorded of every batch, less the regularisation where that is known of all."""
    return v.score - v.penalty if v.penalty is not None and is_usable(v.penalty) else v.score


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
    inside = Level(sampling.design.mean(each), each)  # one object for both, so that it cancels
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
    recorded = _data_part(v)
    at_visit = scores_at_visit(v, s)
    can_correct = o.method == "difference" and is_usable(v.score) and not sampling.is_whole
    for name in ("visited", *RESCORED):
        if name not in s.on_rung or (name == "visited" and v.is_plain_mean):
            continue
        repeats = s.on_rung[name]
        twin = next((n for n in RESCORED if n in rungs.levels and s.on_rung[n] is repeats), None)
        if twin is not None:
            rungs.levels[name] = rungs.levels[twin]
            continue
        if not is_usable(repeats):
            rungs.lost[name] = _not_finite(repeats, "scored examples", o)
            continue
        known, each, errors = 0.0, repeats.mean(axis=0), dict[str, Error]()
        if can_correct or (name == "visited" and is_usable(v.score)):  # what was recorded at the same visit is always a guide
            known, each = _mean(recorded, v.rows), each - at_visit
            if can_correct and s.first is None:
                doubt = why_not_representative(recorded[s.batch], recorded)
                errors["batches unlike those sampled"] = Error(Moments(0.0, 0.0), doubt, is_sampling=True)
        if repeats.shape[0] > 1:
            errors[f"random masks ({name})"] = Error(sampling.design.noise(repeats))
        before = Moments(*o.spread_before[name]) if name in o.spread_before else None
        rungs.levels[name] = Level(known + sampling.design.mean(each), each, errors, n=s.unit.size, before=before)


def spreads_of(rungs: Rungs) -> Mapping[RungName, Moments]:
    """Return how far the few sampled batches of which all examples were scored differ, by rung; nothing where they are many."""
    sampling = rungs.sampling
    if sampling is None or not sampling.design.is_deep or sampling.design.weight.size >= ENOUGH_UNITS:
        return {}
    scored = {name: rungs.levels[name].each for name in RESCORED if name in rungs.levels}
    return {name: sampling.design.spread(each) for name, each in scored.items() if each is not None}


def draw_of_training(o: Observation, rungs: Rungs) -> float | None:
    """Return the standard error of the mean training score, by validation's measure, over draws of a training set of that size.

    From the spread of the examples' scores at the end of the epoch. None where those are not known.
    """
    if o.sample is None or o.visits is None or rungs.sampling is None:
        return None
    repeats = next((o.sample.on_rung[name] for name in reversed(RESCORED) if name in o.sample.on_rung), None)
    if repeats is None or repeats.shape[1] < 2 or not is_usable(repeats):
        return None
    each, weight = repeats.mean(axis=0), rungs.sampling.design.share_of_population
    each = each - each[0]
    variance = np.average((each - np.average(each, weights=weight)) ** 2, weights=weight) * each.size / (each.size - 1)
    return math.sqrt(variance / float(o.visits.rows.sum()))


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
    draw = Error(Moments(0.0, 0.0), unscored)
    if v is None:
        rungs.lost["valid"] = rungs.lost["valid_reduced"] = unscored
    elif not is_usable(v.score):
        rungs.lost["valid"] = _not_finite(v.score, "validation examples", o)
    else:
        draw = _error_of_draw("validation", v.score, v.n, None if v.rows is None else v.rows.astype(np.float64))
        rungs.levels["valid"] = _valid_level(v, draw)
    if "valid_reported" in rungs.lost:
        return
    n = rungs.levels["valid"].n if "valid" in rungs.levels else 0
    last = replace(rungs.levels["valid_reported"], errors={VALIDATION_DRAW: draw}, n=n)
    rungs.levels["valid_reported"] = last
    penalty = 0.0 if v is None or v.penalty is None else v.penalty
    if not is_usable(penalty):
        rungs.lost["valid_reduced"] = f"the regularisation inside the validation {o.score.name} is {penalty:g}"
    elif v is not None:
        rungs.levels["valid_reduced"] = replace(last, value=last.value - penalty)


def _valid_level(v: Valid, draw: Error) -> Level:
    m = int(v.score.size if v.rows is None else v.rows.sum())
    errors = {VALIDATION_DRAW: draw}
    if v.mean is not None and is_usable(v.mean):
        return Level(float(v.mean), errors=errors, n=m)
    if m < v.n:
        # the mean of m of n is off the mean of all by (n / m - 1) times the variance with which all are off the truth
        rest = draw.moments._replace(variance=draw.moments.variance * (v.n / m - 1), third=0.0)
        errors["validation examples that were not scored"] = Error(rest, draw.doubt, is_sampling=True)
    return Level(_mean(v.score, np.ones(v.score.size) if v.rows is None else v.rows), errors=errors, n=m)


def _error_of_draw(split: str, scores: Array, n: int, rows: Array | None = None) -> Error:
    """Return how far another set of `n` examples would move their mean, judged from `scores` (m,), those of some or all."""
    error = error_of_draw(scores, rows=rows)
    ratio = (scores.size if rows is None else float(rows.sum())) / n
    scaled = Moments(error.variance * ratio, error.df, error.third * ratio**2)
    doubt = why_not_reliable(scores, scaled)
    return Error(scaled, doubt and f"{split}: {doubt}")


def _mean(scores: Array, weight: npt.ArrayLike) -> float:
    return float(np.average(scores, weights=np.asarray(weight, dtype=np.float64)))


def _not_finite(scores: Array, what: str, o: Observation) -> str:
    bad = [not is_usable(column) for column in scores.T]
    return f"{sum(bad)} of {len(bad)} {what} have a {o.score.name} that isn't finite"
