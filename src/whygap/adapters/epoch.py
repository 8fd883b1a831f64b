"""What an adapter gathers while an epoch runs, and how it becomes observations once the epoch has ended."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from whygap.adapters.budget import Plan
from whygap.adapters.spread import Spread
from whygap.observation import Array, Bools, Ints, Method, Observation, Sample, Valid, Visits
from whygap.records import Cause, RungName, Score

H = TypeVar("H")
Scores = Mapping[str, Array]
"""Scores by name, of shape (n,)."""

REPEATS = 2
"""Evaluations of every sampled example in train mode, so that the noise of random masks can be told."""

ROUNDING = 1e-4
"""Relative difference up to which two single-precision means of the same scores count as equal."""


class Draw(NamedTuple):
    """Which rows of a sampled batch to hold: `n` of them, of which the `top` ones with the highest loss at the visit are sure.

    `order` are all rows of the batch in random order. A draw of fewer rows, of which no more are sure or drawn at random, takes
    them from those that this one holds.
    """

    order: Ints
    n: int
    top: int = 0

    def at_most(self, n: int | None) -> Draw:
        """Return a draw of `n` rows at most."""
        return self if n is None or n >= self.n else self._replace(n=n, top=n // 2 if self.top else 0)


def rows_of(draws: Sequence[Draw], loss: Array | None) -> tuple[Ints, Bools | None]:
    """Return the rows to hold of several batches and which of them are sure, both of shape (k, n).

    All batches, and all draws, are of equally many rows. Without the `loss` of all rows, (k, rows), none can be sure.
    """
    order, (_, n, top) = np.stack([draw.order for draw in draws]), draws[0]
    if not top or loss is None:
        return order[:, :n], None
    is_worst = np.zeros(order.shape, dtype=np.bool_)
    np.put_along_axis(is_worst, np.argpartition(loss, -top, axis=1)[:, -top:], True, axis=1)
    first = np.argsort(~np.take_along_axis(is_worst, order, axis=1), axis=1, kind="stable")[:, :n]  # those that are sure
    return np.take_along_axis(order, first, axis=1), np.broadcast_to(np.arange(n) < top, first.shape)


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
    are_worst_sure : bool
        Whether half of the rows that are held of a batch are to be those with the highest loss at the visit.
    """

    def __init__(self, number: int, plan: Plan, *, expected: int | None, seed: int, are_worst_sure: bool = False) -> None:
        self.number = number
        self.plan = plan
        self._are_worst_sure = are_worst_sure
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
            top = n // 2 if self._are_worst_sure and n < rows else 0
            self._draws = [Draw(order, n, top) for order in self._rows_rng.permuted(of_each, axis=1)]
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

    `is_modeless` tells that train and eval mode give the same scores to the last bit: "end_weights" then is "eval_mode".
    """

    batch: Ints
    first: Ints
    unit: Ints
    on_rung: dict[RungName, dict[str, Array]] = field(default_factory=dict)
    is_modeless: bool = False
    is_sure: Bools | None = None

    def of(self, name: str) -> Sample:
        """Return the sample of one score."""
        on_rung = {rung: scores[name] for rung, scores in self.on_rung.items() if name in scores}
        if self.is_modeless and "eval_mode" in on_rung:
            on_rung["end_weights"] = on_rung["eval_mode"]
        return Sample(batch=self.batch, unit=self.unit, on_rung=on_rung, first=self.first, is_sure=self.is_sure)


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
    method: Method,
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
        method=method,
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
