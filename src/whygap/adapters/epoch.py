"""What an adapter gathers while an epoch runs, and how it becomes observations once the epoch has ended."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from whygap.adapters.budget import FEWEST_OF_EACH, Plan
from whygap.adapters.spread import Spread
from whygap.observation import Array, Ints, Method, Observation, Sample, Valid, Visits
from whygap.records import Cause, RungName, Score

H = TypeVar("H")
Scores = Mapping[str, Array]
"""Scores by name, of shape (n,)."""

REPEATS = 2
"""Evaluations of every sampled example in train mode, so that the noise of random masks can be told."""

FLOOR = 1.5
"""What every row's chance has besides the square root of its loss at the visit, in means of that."""

MOST_CLASSES = 20
"""Classes that are told apart in a sample, the most common ones."""

FEWEST_OF_A_CLASS = 8
"""Examples without which a class isn't told apart: what happened to it in the epoch would be told from too few."""

ROWS_FOR_A_CLASS = 20
"""Examples for each class that is told apart: fewer would lose more than is gained."""

ROUNDING = 1e-4
"""Relative difference up to which two single-precision means of the same scores count as equal."""


class Draw(NamedTuple):
    """Which rows of a sampled batch to hold: `n` of them.

    `order` are all rows of the batch in random order, `start` is a random number in [0, 1). A draw of fewer rows by order takes
    them from those that this one holds.
    """

    order: Ints
    n: int
    start: float

    def at_most(self, n: int | None) -> Draw:
        """Return a draw of `n` rows at most."""
        return self if n is None or n >= self.n else self._replace(n=n)


def rows_of(draws: Sequence[Draw], loss: Array | None) -> tuple[Ints, Array | None]:
    """Return the rows to hold of several batches and the chances that these had, both of shape (k, n).

    Without the `loss` at the visit of all rows, (k, rows), or where few are to be held, all have the same, and no chances are
    returned. With it a row's chance is in proportion to the square root of its loss, as about is how far that will be off what
    its like have come to by the end of the epoch; `FLOOR` mean roots are added, for those that were low and may not have stayed
    so. They are drawn systematically in order of their losses, so that there are low and high ones in every draw (Cochran,
    Sampling Techniques (1977), sections 8.1 and 9A.10).

    All batches, and all draws, are of equally many rows.
    """
    order, n = np.stack([draw.order for draw in draws]), draws[0].n
    rows = order.shape[1]
    if loss is None or not FEWEST_OF_EACH <= n < rows or not np.isfinite(loss).all():
        return order[:, :n], None
    size = np.sqrt(loss - loss.min(axis=1, keepdims=True))
    size += np.where(size.any(axis=1), FLOOR * size.mean(axis=1), 1.0)[:, None]
    chance = chances(size, n)
    by_loss = np.argsort(loss, axis=1, kind="stable")
    ends = np.cumsum(np.take_along_axis(chance, by_loss, axis=1), axis=1)
    ends *= n / ends[:, -1:]  # to the last digit
    at = np.asarray([draw.start for draw in draws])[:, None] + np.arange(n)
    of_batch = np.arange(len(draws))[:, None]  # all in one search: each batch has a stretch of the axis to itself
    found = np.searchsorted((ends + 2 * n * of_batch).ravel(), (at + 2 * n * of_batch).ravel(), side="right")
    chosen = found.reshape(at.shape) - rows * of_batch
    # none twice, where the last digit of a chance of 1 would have it
    chosen = np.maximum.accumulate(np.minimum(chosen, rows - n + np.arange(n)) - np.arange(n), axis=1) + np.arange(n)
    chosen = np.take_along_axis(by_loss, chosen, axis=1)
    return chosen, np.take_along_axis(chance, chosen, axis=1)


def chances(size: Array, n: int) -> Array:
    """Return chances in proportion to positive sizes, (k, rows), that sum to `n` in every batch: 1 where that would be more.

    Examples
    --------
    >>> chances(np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 8.0]]), 2).tolist()
    [[0.5, 0.5, 1.0], [0.5, 0.5, 1.0]]
    """
    found = n * size / size.sum(axis=1, keepdims=True)
    while (found > 1.0 + 1e-12).any():
        is_sure = found >= 1.0
        rest = np.where(is_sure, 0.0, size)
        to_draw = n - is_sure.sum(axis=1, keepdims=True)
        found = np.where(is_sure, 1.0, to_draw * rest / np.maximum(rest.sum(axis=1, keepdims=True), 1e-300))
    return np.asarray(np.minimum(found, 1.0))


def known_classes(sampled: Ints, batches: Sequence[Ints]) -> tuple[Array, Array] | None:
    """Return a column for every class but the most common one, 1 for the examples that are of it and 0 for others.

    By the end of an epoch examples of one class have become better, or worse, together.

    Parameters
    ----------
    sampled : array of shape (n,)
        Classes of the sampled examples, as any whole numbers.
    batches : sequence of u arrays
        Classes of all examples of every sampled batch.

    Returns
    -------
    columns, shares : arrays of shape (n, k) and (u, k)
        The columns, and their means over whole batches. None where there is nothing to tell apart.

    Examples
    --------
    >>> of_batch = np.asarray([0, 1, 1, 1] * 10)
    >>> columns, shares = known_classes(of_batch[:39], [of_batch])
    >>> columns.shape, shares.tolist()
    ((39, 1), [[0.25]])
    """
    classes, counts = np.unique(sampled, return_counts=True)
    by_count = np.argsort(-counts, kind="stable")
    enough = int(min((counts >= FEWEST_OF_A_CLASS).sum() - 1, MOST_CLASSES, sampled.size // ROWS_FOR_A_CLASS))
    if enough < 1:
        return None
    told = classes[by_count[1 : 1 + enough]]
    starts = np.cumsum([0, *(b.size for b in batches[:-1])])
    of_all = np.add.reduceat((np.concatenate(batches)[:, None] == told).astype(np.float64), starts, axis=0)
    return (sampled[:, None] == told).astype(np.float64), of_all / np.asarray([[b.size] for b in batches])


class VisitLog(Generic[H]):
    """The visits of one epoch as they happen: everything is appended, nothing is computed and no device is waited for.

    Parameters
    ----------
    number : int
        Of the epoch, from 1.
    plan : Plan
        How much of it to hold.
    expected : int or None
        Visits that the epoch will have, where known.
    seed : int
        Of the sample.
    """

    def __init__(self, number: int, plan: Plan, *, expected: int | None, seed: int) -> None:
        self.number = number
        self.plan = plan
        self.rows: list[int] = []
        self.recorded: list[Any] = []
        # The sample must not depend on the user's random state, nor move it.
        self.rng = random.Random(f"whygap {seed} {number}")
        self._rows_rng = np.random.default_rng(self.rng.getrandbits(64))
        self._draws: list[Draw] = []
        self._drawn_from = 0  # rows of the batches that those are for
        self.spread: Spread[H] = Spread(plan.batches, expected=expected, rng=self.rng)

    @property
    def is_checking(self) -> bool:
        """Whether it is one of epochs 1, 4, 16, 64, ..., in which what was found out of the model before is looked at again."""
        return self.number & (self.number - 1) == 0 and self.number.bit_length() % 2 == 1

    def draw_rows(self, rows: int) -> Draw | None:
        """Return which of a sampled batch's rows to hold; None where all are held."""
        wanted = self.plan.rows
        if wanted is None:
            return None
        if not self._draws or rows != self._drawn_from:  # for many visits at once: amid a training each call is slow
            n, self._drawn_from = min(wanted, rows), rows
            of_each = np.broadcast_to(np.arange(rows), (self.plan.batches or 1, rows))
            orders, starts = self._rows_rng.permuted(of_each, axis=1), self._rows_rng.random(len(of_each)).tolist()
            self._draws = [Draw(order, n, start) for order, start in zip(orders, starts, strict=True)]
        return self._draws.pop()

    def drop_last(self) -> None:
        """Forget the last batch: it was taken from the loader and not trained on."""
        self.rows.pop()

    def sample(self) -> list[tuple[int, int, H]]:
        """Return the sampled visits, each with its position in the epoch and the first one of its block."""
        return self.spread.items(len(self.rows))


@dataclass(kw_only=True)
class Sampled:
    """The sampled rows, scored: `on_rung[rung][score]` has shape (k, n); the rest is as in `Sample`.

    `known` is as `known_classes` returns it. `is_modeless` tells that train and eval mode give the same scores to the last bit:
    "end_weights" then is "eval_mode".
    """

    batch: Ints
    first: Ints
    unit: Ints
    on_rung: dict[RungName, dict[str, Array]] = field(default_factory=dict)
    is_modeless: bool = False
    chance: Array | None = None
    visited_mean: Mapping[str, Array] = field(default_factory=dict)
    known: tuple[Array, Array] | None = None

    def is_deep(self, rows: Sequence[int]) -> bool:
        """Return whether all examples of the sampled visits were scored, of which each visit of the epoch has `rows`."""
        return bool(self.unit.size == sum(rows[visit] for visit in self.batch))

    def of(self, name: str) -> Sample:
        """Return the sample of one score."""
        on_rung = {rung: scores[name] for rung, scores in self.on_rung.items() if name in scores}
        if self.is_modeless and "eval_mode" in on_rung:
            on_rung["end_weights"] = on_rung["eval_mode"]
        return Sample(
            batch=self.batch,
            unit=self.unit,
            on_rung=on_rung,
            first=self.first,
            chance=self.chance,
            visited_mean=self.visited_mean.get(name),
            known=None if self.known is None else self.known[0],
            known_mean=None if self.known is None else self.known[1],
        )


class Earlier(NamedTuple):
    """What the epochs before tell of how to estimate a score in this one: `method` and `spread_before` of its `Observation`."""

    method: Method = "plain"
    spread: Mapping[RungName, tuple[float, float]] = MappingProxyType({})


@dataclass(kw_only=True)
class ValidSide:
    """The validation side, or the fresh one: scores by name; the rest is as in `Valid`.

    `is_weighted` tells of sample weights among the batches: the reported number isn't their plain mean. `penalty` is the
    regularisation inside the reported loss.
    """

    scores: Scores
    n: int
    rows: Ints | None = None
    mean: Mapping[str, float] = field(default_factory=dict)
    penalty: float = 0.0
    is_weighted: bool = False

    def mean_of(self, name: str) -> float:
        """Return the plain mean over examples: the one that is known of all of them, else of those scored."""
        if name in self.mean:
            return self.mean[name]
        return float(np.average(self.scores[name], weights=self.rows))


@dataclass(kw_only=True)
class Reported:
    """One score's reported side: the two numbers, and per batch the recorded score with its weight and penalty."""

    train: float | None
    valid: float | None
    batches: Array
    weight: Array | None = None
    penalty: Array | None = None
    is_plain_mean: bool = True
    absent: set[Cause] = field(default_factory=set)
    not_measured: dict[Cause, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def build_observation(
    score: Score,
    log: VisitLog[Any],
    reported: Reported,
    *,
    sampled: Sampled | None,
    valid: ValidSide | None,
    fresh: ValidSide | None,
    earlier: Earlier,
    bounds: tuple[float, float] | None = None,
) -> Observation:
    """Put one score's part of an epoch into the arrays that the ladder takes; times and counts are filled in by `Session`."""
    name = score.name
    absent = set(reported.absent)
    if sampled is not None and sampled.is_modeless:
        absent.add("mode")
    return Observation(
        epoch=log.number,
        score=score,
        train_reported=reported.train,
        valid_reported=reported.valid,
        visits=Visits(
            score=reported.batches,
            rows=np.asarray(log.rows, dtype=np.int64),
            weight=reported.weight,
            penalty=reported.penalty,
            is_plain_mean=reported.is_plain_mean,
        ),
        sample=None if sampled is None else sampled.of(name),
        valid=None if valid is None else _valid_of(valid, name, reported.valid, absent),
        fresh=None if fresh is None else fresh.scores[name],
        absent=frozenset(absent),
        not_measured=reported.not_measured,
        notes=reported.notes,
        method=earlier.method,
        spread_before=earlier.spread,
        bounds=bounds,
    )


def _valid_of(side: ValidSide, name: str, reported: float | None, absent: set[Cause]) -> Valid:
    penalty = side.penalty if name == "loss" else 0.0
    if penalty == 0.0:
        absent.add("penalty_valid")
    # Without weights the reported number is the plain mean, to the framework's own rounding; a difference beyond that is
    # something that nobody told us of and stays in the ladder as a term.
    plain = side.mean_of(name) + penalty
    if not side.is_weighted and reported is not None and abs(reported - plain) <= ROUNDING * max(abs(reported), abs(plain)):
        absent.add("reduction_valid")
    return Valid(score=side.scores[name], n=side.n, rows=side.rows, mean=side.mean.get(name), penalty=penalty or None)
