"""What any adapter knows about one epoch of one score, as plain arrays, whatever the framework.

Everything above this line is framework-specific and thin; everything below it is arrays and is tested without a framework.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.records import Cause, RungName, Score

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Method = Literal["plain", "difference", "regression"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Visits:
    """The batches of the epoch in the order in which they were trained on.

    Parameters
    ----------
    score : array of shape (b,)
        What the framework recorded for every batch, penalty included.
    rows : array of shape (b,)
        Examples in every batch.
    weight : array of shape (b,), optional
        Weight of every batch in the reported score; by default its rows.
    penalty : array of shape (b,), optional
        The regularisation inside `score`, NaN where it was not looked at; None where there is none.
    is_plain_mean : bool
        Whether `score` less `penalty` is the plain mean of the batch's per-example scores: no sample weights, no class weights,
        no other reduction. False: only what was scored per example at the visit tells.
    """

    score: Array
    rows: Ints
    weight: Array | None = None
    penalty: Array | None = None
    is_plain_mean: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Some of the epoch's batches (or all), and some of the examples of each (or all), with their scores on several rungs.

    Parameters
    ----------
    batch : array of shape (u,)
        Index of every sampled batch among the visits, in order.
    unit : array of shape (n,)
        For every sampled example, the index of its batch within `batch`. Within a batch they are a simple random sample, or
        each was drawn with a chance of its own.
    on_rung : mapping
        From the rung's name to scores of shape (k, n): k repeats of every example, k > 1 only where the evaluation is random.
        "visited" holds the scores at the visit; "after_update" those right after the step on the example's own batch, or
        where only some of that are sampled, those at the visit moved by as much as the batch's mean; NaN where nobody looked.
    first : array of shape (u,), optional
        Where the visits were cut into blocks and one batch was drawn from each: the index of each block's first visit, so that
        `first[0]` is 0. None: the batches are a simple random sample of all visits.
    chance : array of shape (n,), optional
        The probability with which each example was to be drawn from its batch, in (0, 1]. None: that was the same for all.
    visited_mean : array of shape (u,), optional
        The mean score at the visit over all examples of every sampled batch, where that is known.
    known : array of shape (n, k), optional
        What else is known of every example: 1 for those of a class, say, and 0 for the others.
    known_mean : array of shape (u, k), optional
        Its mean over all examples of every sampled batch, given together with it.
    """

    batch: Ints
    unit: Ints
    on_rung: Mapping[RungName, Array]
    first: Ints | None = None
    chance: Array | None = None
    visited_mean: Array | None = None
    known: Array | None = None
    known_mean: Array | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Valid:
    """The validation side at the end of the epoch.

    Parameters
    ----------
    score : array of shape (m,)
        Scores in eval mode: of all `n` examples, of a simple random sample of them, or means of batches of them.
    n : int
        Size of the validation set.
    rows : array of shape (m,), optional
        Examples behind each of `score`; by default 1. Batches should be drawn at random from the set, as they are where it is
        shuffled: if it is sorted, their means differ more than chance would have it and the interval is too wide.
    mean : float, optional
        The plain mean over all `n` examples where it is known from elsewhere; by default the mean of `score`.
    penalty : float, optional
        The regularisation inside the reported score; None where there is none.
    """

    score: Array
    n: int
    rows: Ints | None = None
    mean: float | None = None
    penalty: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """One epoch of one score.

    `train_reported` and `valid_reported` are the numbers that the user sees, None where there are none. `absent` are the causes
    that can't apply in this run, `not_measured` those that could not be looked at, with the reason. `fresh`, of shape (f,), are
    scores of training-like examples that were never trained on. `method` is how sampled rungs are estimated. `bounds` are the
    lowest and the highest that the score can be, such as 0 and 1 for accuracy. `spread_before` holds, by rung, the mean square
    of the sampled batches in the epochs before and its degrees of freedom, where they were few and scored whole.
    """

    epoch: int
    score: Score
    train_reported: float | None
    valid_reported: float | None
    visits: Visits | None = None
    sample: Sample | None = None
    valid: Valid | None = None
    fresh: Array | None = None
    absent: frozenset[Cause] = frozenset()
    not_measured: Mapping[Cause, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    method: Method = "difference"
    bounds: tuple[float, float] | None = None
    spread_before: Mapping[RungName, tuple[float, float]] = field(default_factory=dict)
    level: float = 0.95
    spent_s: float = 0.0
    evaluations: int = 0


def check_observation(o: Observation) -> None:
    """Check that the arrays of an observation fit one another; scores that aren't finite are let through.

    Raises
    ------
    InputError
        If they don't; the text names the epoch, the score and what doesn't fit.
    """
    for fault in _faults(o):
        raise InputError(f"epoch {o.epoch}, {o.score.name}: {fault}")


def _faults(o: Observation) -> Iterator[str]:
    """Yield what doesn't fit; a later check may rely on the earlier ones."""
    if not 0.0 < o.level < 1.0:
        yield f"level must be between 0 and 1, not {o.level}"
    if o.visits is not None:
        yield from _faults_of_visits(o.visits)
    if o.sample is not None:
        if o.visits is None:
            yield "a sample without the visits that it was drawn from"
        else:
            yield from _faults_of_sample(o.sample, o.visits)
    if o.valid is not None:
        behind = o.valid.score.size if o.valid.rows is None else int(o.valid.rows.sum())
        if o.valid.score.ndim != 1 or not 0 < behind <= o.valid.n:
            yield f"{behind} validation scores of shape {o.valid.score.shape} for {o.valid.n} examples"
        if o.valid.rows is not None and (o.valid.rows.shape != o.valid.score.shape or not (o.valid.rows > 0).all()):
            yield f"rows of the validation scores have shape {o.valid.rows.shape}, scores have {o.valid.score.shape}"
    if o.fresh is not None and o.fresh.ndim != 1:
        yield f"fresh scores must have shape (f,), got {o.fresh.shape}"


def _faults_of_visits(v: Visits) -> Iterator[str]:
    b = v.score.shape
    if v.score.ndim != 1 or v.score.size == 0 or v.rows.shape != b or not (v.rows > 0).all():
        yield f"every visited batch needs a score and at least one row, got shapes {b} and {v.rows.shape}"
    for name, array in (("weight", v.weight), ("penalty", v.penalty)):
        if array is not None and array.shape != b:
            yield f"{name} of the batches has shape {array.shape}, scores have {b}"
    if v.weight is not None and not ((v.weight >= 0).all() and 0 < v.weight.sum() < math.inf):
        yield "the weights of the batches must be at least 0 and add up to more"


def _faults_of_sample(s: Sample, v: Visits) -> Iterator[str]:
    for name, array in (("batch", s.batch), ("unit", s.unit)):
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer) or array.min(initial=0) < 0:
            yield f"{name} of the sample must be a 1-d array of indices, got {array.dtype} of shape {array.shape}"
    if s.batch.size != np.unique(s.batch).size or s.batch.max(initial=-1) >= v.rows.size:
        yield f"sampled batches must be distinct and among the {v.rows.size} visited"
    counts = np.bincount(s.unit, minlength=s.batch.size)
    if counts.size != s.batch.size or not ((counts > 0) & (counts <= v.rows[s.batch])).all():
        yield "a sampled batch must have at least one scored example, and no more than it has rows"
    if s.chance is not None:
        if s.chance.shape != s.unit.shape or not ((s.chance > 0.0) & (s.chance <= 1.0)).all():
            yield f"chances must be {s.unit.size} probabilities above 0, got shape {s.chance.shape}"
        elif not ((counts == v.rows[s.batch]) | (np.bincount(s.unit[s.chance < 1.0], minlength=counts.size) > 0)).all():
            yield "of a sampled batch at least one example must be drawn at random, or all be scored"
    if s.visited_mean is not None and s.visited_mean.shape != s.batch.shape:
        yield f"mean scores at the visit have shape {s.visited_mean.shape}, expected {s.batch.shape}"
    known, mean = ((0, 0) if array is None else array.shape for array in (s.known, s.known_mean))
    if (s.known is not None or s.known_mean is not None) and (known, mean) != (
        (s.unit.size, known[-1]),
        (s.batch.size, known[-1]),
    ):
        yield f"what is known of the examples has shape {known}, and its means over their batches {mean}"
    if s.first is not None:
        ends = np.append(s.first[1:], v.rows.size)
        if s.first.shape != s.batch.shape or s.first[0] != 0 or not ((s.first <= s.batch) & (s.batch < ends)).all():
            yield "every block of visits must hold the one batch that was drawn from it"
    for rung, scores in s.on_rung.items():
        if scores.ndim != 2 or scores.shape[0] == 0 or scores.shape[1] != s.unit.size:
            yield f"scores on rung {rung} have shape {scores.shape}, expected (k, {s.unit.size})"
