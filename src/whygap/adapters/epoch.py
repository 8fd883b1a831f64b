"""What an adapter gathers while an epoch runs, and how it becomes observations once the epoch has ended."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from whygap.adapters.reservoir import Reservoir
from whygap.errors import InputError
from whygap.observation import Array, Method, Observation, Sample, Valid, Visits
from whygap.records import Cause, RungName, Score

Budget = int | Literal["exact"]

FEWEST_BATCHES = 16
"""A sample has at least this many batches: Student's quantile at 15 degrees of freedom is 9 % above the normal one."""

REPEATS = 2
"""Evaluations of every sampled example in train mode, so that the noise of random masks can be told."""

CHECKED_BATCHES = 4
"""So many sampled batches are scored in both modes to see whether the mode makes any difference in this model."""


def check_budget(budget: object) -> Budget:
    """Return `budget` if it is a positive whole number of examples or "exact".

    Raises
    ------
    InputError
        Otherwise.
    """
    if budget == "exact":
        return "exact"
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
        raise InputError(f'budget must be a positive whole number of examples or "exact", not {budget!r}')
    return budget


class Scored(NamedTuple):
    """One batch, scored: per-example scores of shape (n,) by name, and the regularisation inside the loss (0: none)."""

    scores: Mapping[str, Array]
    penalty: float = 0.0


Probe = Callable[[Any, bool], Scored]
"""Scores one batch, as the loader gave it, with the weights of this moment; the second argument says whether in train mode."""


@dataclass
class Held:
    """A sampled batch: what the loader gave, and what was seen of it at its visit (None: nothing)."""

    batch: Any
    at_visit: Scored | None = None


@dataclass
class ValidScored:
    """The validation side: `Scored` per batch with the rows, and whether sample weights were among the batches."""

    scored: list[Scored]
    rows: list[int]
    has_weights: bool = False


class EpochLog:
    """The visits of one epoch as they happen: everything is appended, nothing is computed and no device is waited for."""

    def __init__(self, number: int, budget: Budget, seed: int) -> None:
        self.number = number
        self.rows: list[int] = []
        self.recorded: list[Any] = []
        self._budget = budget
        # The sample must not depend on the user's random state, nor move it.
        self._rng = random.Random(f"whygap {seed} {number}")
        self._reservoir: Reservoir[Held] | None = None

    def wants(self, rows: int) -> bool:
        """Return whether the batch of `rows` examples that is about to be visited belongs to the sample."""
        if self._reservoir is None:
            capacity = None if self._budget == "exact" else max(FEWEST_BATCHES, -(-self._budget // max(1, rows)))
            self._reservoir = Reservoir(capacity, self._rng)
        return self._reservoir.wants()

    def keep(self, held: Held) -> None:
        """Hold the batch that was just wanted."""
        assert self._reservoir is not None
        self._reservoir.keep(held)

    def drop_last(self) -> None:
        """Forget the last batch: it was taken from the loader and not trained on."""
        self.rows.pop()

    def sample(self) -> list[tuple[int, Held]]:
        """Return the sampled batches with their position in the epoch."""
        items = self._reservoir.items() if self._reservoir is not None else []
        return [(i, held) for i, held in items if i < len(self.rows)]


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """The sampled batches scored at the end of the epoch, in eval mode once and in train mode per repeat."""

    eval_mode: list[Scored]
    train_mode: list[list[Scored]] | None  # None: the mode makes no difference
    n_scored: int  # examples, in all passes together


def rescore(sample: Sequence[tuple[int, Held]], probe: Probe, *, is_exact: bool) -> Rescored:
    """Score every sampled batch in eval mode and, unless that makes no difference, `REPEATS` times in train mode.

    The mode makes no difference where the scores of `CHECKED_BATCHES` batches (all of them in an exact pass) are equal to the
    last bit: a model without dropout, batch norm or anything of the kind.
    """
    batches = [held.batch for _, held in sample]
    in_eval = [probe(b, False) for b in batches]  # before any pass in train mode moves the batch-norm statistics
    n_checked = len(batches) if is_exact else min(CHECKED_BATCHES, len(batches))
    first = [probe(b, True) for b in batches[:n_checked]]
    if all(_is_same(a, b) for a, b in zip(in_eval, first, strict=False)):
        return Rescored(eval_mode=in_eval, train_mode=None, n_scored=_count(in_eval) + _count(first))
    first += [probe(b, True) for b in batches[n_checked:]]
    repeats = [first] + [[probe(b, True) for b in batches] for _ in range(REPEATS - 1)]
    return Rescored(eval_mode=in_eval, train_mode=repeats, n_scored=_count(in_eval) + sum(map(_count, repeats)))


def count_evaluations(rescored: Rescored, *splits: ValidScored | None) -> int:
    """Return the number of examples that were scored at the end of the epoch."""
    return rescored.n_scored + sum(sum(s.rows) for s in splits if s is not None)


def _count(scored: Sequence[Scored]) -> int:
    return sum(len(next(iter(s.scores.values()))) for s in scored)


def _is_same(a: Scored, b: Scored) -> bool:
    return all(np.array_equal(a.scores[name], b.scores[name], equal_nan=True) for name in a.scores)


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


def observe(
    score: Score,
    log: EpochLog,
    reported: Reported,
    *,
    rescored: Rescored | None,
    valid: ValidScored | None,
    fresh: ValidScored | None,
    method: Method,
) -> Observation:
    """Put one score's part of an epoch into the arrays that the ladder takes; times and counts are filled in by the caller."""
    name = score.name
    visits = Visits(
        score=reported.batches,
        rows=np.asarray(log.rows, dtype=np.int64),
        weight=reported.weight,
        penalty=reported.penalty,
        is_plain_mean=reported.is_plain_mean,
    )
    absent = set(reported.absent)
    sample = None
    if rescored is not None:
        held = log.sample()
        on_rung: dict[RungName, Array] = {"eval_mode": _joined([rescored.eval_mode], name)}
        at_visit = [h.at_visit for _, h in held if h.at_visit is not None and name in h.at_visit.scores]
        if len(at_visit) == len(held):
            on_rung["visited"] = _joined([at_visit], name)
        if rescored.train_mode is None:
            on_rung["end_weights"] = on_rung["eval_mode"]
            absent.add("mode")
        else:
            on_rung["end_weights"] = _joined(rescored.train_mode, name)
        index = np.asarray([i for i, _ in held], dtype=np.int64)
        unit = np.repeat(np.arange(index.size), visits.rows[index])
        sample = Sample(batch=index, unit=unit.astype(np.int64), on_rung=on_rung)
    return Observation(
        epoch=log.number,
        score=score,
        train_reported=reported.train,
        valid_reported=reported.valid,
        visits=visits,
        sample=sample,
        valid=_valid_side(valid, name, reported.valid, absent),
        fresh=_joined([fresh.scored], name)[0] if fresh is not None and fresh.scored else None,
        absent=frozenset(absent),
        not_measured=reported.not_measured,
        notes=reported.notes,
        method=method,
    )


def _valid_side(valid: ValidScored | None, name: str, reported: float | None, absent: set[Cause]) -> Valid | None:
    if valid is None or not valid.scored:
        return None
    scores = _joined([valid.scored], name)[0]
    penalty = float(np.dot(valid.rows, [s.penalty for s in valid.scored]) / np.sum(valid.rows)) if name == "loss" else 0.0
    if penalty == 0.0:
        absent.add("penalty_valid")
    # Without weights the reported number is the plain mean, to the framework's own rounding; a difference beyond that is
    # something that nobody told us of and stays in the ladder as a term.
    plain = float(scores.mean()) + penalty
    if not valid.has_weights and reported is not None and abs(reported - plain) <= ROUNDING * max(abs(reported), abs(plain)):
        absent.add("reduction_valid")
    return Valid(score=scores, n=scores.size, penalty=penalty or None)


ROUNDING = 1e-4
"""Relative difference up to which two single-precision means of the same scores count as equal."""


def _joined(repeats: Sequence[Sequence[Scored]], name: str) -> npt.NDArray[np.float64]:
    return np.stack([np.concatenate([np.asarray(s.scores[name], dtype=np.float64) for s in one]) for one in repeats])
