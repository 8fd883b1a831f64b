"""When each row of a table was logged: the end of the first epoch is 1.0, whatever the log counts from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from whygap.logs.records import Array, Split

Rows = npt.NDArray[np.int64]
Scores = list[tuple[str, Split, Rows]]
"""Score, split and rows of each column."""

NEAR = 0.05
"""Part of an epoch by which a number logged at its end may miss it: some tools leave out a last incomplete step."""


class Places(NamedTuple):
    """Epoch and step of every row, NaN where they can't be told."""

    epoch: Array
    step: Array | None
    steps_per_epoch: float | None = None
    notes: tuple[str, ...] = ()


def near_ends(epoch: Array) -> bool:
    """Return whether there is at most one number for each epoch, logged at its end."""
    ends = np.round(epoch)
    return bool(np.isfinite(epoch).all() and (np.abs(epoch - ends) <= NEAR).all() and (np.diff(ends) > 0).all())


def place(*, epoch: Array | None, step: Array | None, scores: Scores, rows: int, counts_from: int | None = None) -> Places:
    """Return when each row was logged.

    Parameters
    ----------
    epoch, step : array of shape (rows,), optional
        As logged, NaN in rows without; epochs don't decrease. Fractions of epochs are taken as they are. Whole numbers count
        from 0 if there is a 0. Where several rows have one epoch, each is placed in it by its step, if some score is logged
        once an epoch, so that its steps are the ends of the epochs; else they are taken as evenly spaced, and a note says so.
    scores : list of (score, split, rows)
        What stands in which rows. Without epochs, rows in which training and validation scores stand together are the epochs,
        unless the steps between them say otherwise.
    rows : int
        How many there are.
    counts_from : 0 or 1, optional
        What the first epoch's number is.
    """
    scores = [(score, split, at) for score, split, at in scores if split != "none"]
    known = np.empty(0) if epoch is None else epoch[np.isfinite(epoch)]
    if epoch is None or not known.size:
        return _by_rows(step, scores, rows)
    epoch = np.where(np.isfinite(epoch), epoch, np.nan)
    if (known != np.round(known)).any():
        return Places(epoch, step)
    number = epoch + (1 if counts_from == 0 or (counts_from is None and known.min() == 0) else 0)
    once = [at for _, _, at in scores if near_ends(number[at])]
    if step is not None and once:
        ends = _any_of(once, rows)
        if placed := _by_steps(number, step, ends):
            return placed
    if len(once) == len(scores):
        return Places(number, step)
    often = _any_of([at for _, _, at in scores if not near_ends(number[at])], rows)
    return Places(_evenly(number, often), step, None, ("rows of one epoch are taken as evenly spaced in it",))


def _any_of(columns: list[Rows], rows: int) -> Rows:
    """Return the rows in which any of some columns has a number."""
    marked = np.zeros(rows, dtype=bool)
    for at in columns:
        marked[at] = True
    return np.flatnonzero(marked)


def _by_steps(number: Array, step: Array, ends: Rows) -> Places | None:
    """Place rows between the last steps of the epochs, which are among the rows `ends`; None if steps don't grow."""
    ends = ends[np.isfinite(step[ends])]
    if not ends.size:
        return None
    epochs, first = np.unique(number[ends], return_index=True)
    last_step = np.maximum.reduceat(step[ends], first) if (np.diff(number[ends]) >= 0).all() else np.empty(0)
    if last_step.size < 2 or (np.diff(last_step) <= 0).any():
        return None
    length = np.diff(last_step) / np.diff(epochs)
    before, after = last_step[0] - length[0], last_step[-1] + length[-1]
    at = np.interp(step, [before, *last_step, after], [epochs[0] - 1, *epochs, epochs[-1] + 1])
    steps_per_epoch = float(length[0]) if (length == length[0]).all() else None
    return Places(np.where(np.isfinite(step), np.clip(at, number - 1, number), number), step, steps_per_epoch)


def _evenly(number: Array, often: Rows) -> Array:
    at = number.copy()
    _, first, count = np.unique(number[often], return_index=True, return_counts=True)
    for start, n in zip(first, count, strict=True):
        rows = often[start : start + n]
        at[rows] = number[rows] - 1 + np.arange(1, n + 1) / n
    return at


def _by_rows(step: Array | None, scores: Scores, rows: int) -> Places:
    """Number the rows in which scores of both splits stand, or that follow each other in turn; all else is not known."""
    epoch = np.full(rows, np.nan)
    for train, valid in _epochs_in_rows(scores, step):
        epoch[train] = epoch[valid] = np.arange(1, len(train) + 1)
        return Places(epoch, step, None, ("no column of epochs: each row of scores is taken as one epoch",))
    return Places(epoch, step)


def _epochs_in_rows(scores: Scores, step: Array | None) -> Iterator[tuple[Rows, Rows]]:
    """Yield the rows of training and validation scores that go together, one each per epoch."""
    valid_of = {score: at for score, split, at in reversed(scores) if split == "valid"}
    for score, split, train in scores:
        valid = valid_of.get(score, train[:0])
        if split != "train" or len(train) != len(valid):
            continue
        turns = np.stack([train, valid], axis=1).ravel()
        if np.array_equal(train, valid):
            if step is None or (step[train[0]] <= 1 and (np.diff(step[train]) == 1).all()):
                yield train, valid
        elif len(turns) > 2 and (np.diff(turns) > 0).all() and (step is None or (np.diff(step[turns], n=2) == 0).all()):
            yield train, valid
    if step is None and scores and all(np.array_equal(at, scores[0][2]) for _, _, at in scores):
        yield scores[0][2], scores[0][2]
