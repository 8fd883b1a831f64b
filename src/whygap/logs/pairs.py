"""The two columns of a log that make a gap: one score of both splits, brought to the same epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from whygap.errors import InputError
from whygap.estimate.averaging import means_of_epochs
from whygap.estimate.curves import finite
from whygap.estimate.signatures import Signature
from whygap.estimate.timing import find_boundary_step
from whygap.logs.records import Array, LoggedRun, Series, Split
from whygap.logs.rules import Rule, rule_of, rule_of_steps

MOST_EPOCHS = 1e9
"""An epoch beyond it is none: windows that far apart can't be cut at epochs' ends."""

SAME_EPOCH = 1e-3
"""Epochs that differ by less are the same: logs round fractions of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """One score of a run: `train` and `valid`, as reported, of shape (e,), at `epoch`, 1 for the first.

    Where one is missing, it is NaN. `steps` is the training series where the log has single steps or windows, and
    `boundary` what those do at the boundaries of epochs.
    """

    score: str
    rule: Rule
    epoch: Array
    train: Array
    valid: Array
    train_series: Series
    valid_series: Series
    steps: Series | None = None
    boundary: Signature | None = None


def choose_run(runs: Sequence[LoggedRun], which: str | None) -> tuple[LoggedRun, tuple[str, ...]]:
    """Return one of several runs: by name or number (1 for the first), or the last that has a pair; and a note on the others.

    Raises
    ------
    InputError
        If there is no such run.
    """
    n = len(runs)
    if which is not None:
        for i, run in enumerate(runs, start=1):
            if which in (run.name, str(i)):
                return run, ()
        names = ", ".join(run.name or str(i) for i, run in enumerate(runs[:8], start=1))
        raise InputError(f"there is no run {which}; there {'is' if n == 1 else 'are'} {names}{', ...' if n > 8 else ''}")
    chosen = max(range(n), key=lambda i: (bool(paired_scores(runs[i])), i))
    if n == 1:
        return runs[chosen], ()
    return runs[chosen], (f"the log has {n} runs, and this is run {chosen + 1}; --which names another",)


def assign(run: LoggedRun, *, train: str | None, valid: str | None) -> LoggedRun:
    """Return the run with the columns, or the evaluation sets, that the user calls training and validation marked as such.

    Parameters
    ----------
    run : LoggedRun
        As it was read.
    train, valid : str, optional
        A column ("Train Loss"), or a set of which several scores are logged ("validation_0").

    Raises
    ------
    InputError
        If no column has that name.
    """
    series = list(run.series)
    named: dict[Split, str | None] = {"train": train, "valid": valid}
    for split, name in named.items():
        if name is None:
            continue
        found = [i for i, s in enumerate(series) if _is_called(s, name)]
        if not found:
            raise InputError(f"no column is called {name}; there are {', '.join(dict.fromkeys(s.column for s in series))}")
        # others that the log itself gave this split are not what the user means
        scores = {series[i].score for i in found}
        for i, s in enumerate(series):
            if i in found:
                series[i] = replace(s, split=split)
            elif s.split == split and s.score in scores:
                series[i] = replace(s, split="unknown")
    marked = replace(run, series=tuple(series))
    if train is not None and valid is not None and not paired_scores(marked):
        ours, theirs = (next(s for s in series if _is_called(s, name)) for name in (train, valid))
        return replace(run, series=(replace(ours, score="score", split="train"), replace(theirs, score="score", split="valid")))
    return marked


def _is_called(series: Series, name: str) -> bool:
    column = series.column
    return column == name or any(column.startswith(name + mark) for mark in ("-", "'s ", "_", ".", "/", ":", " "))


def paired_scores(run: LoggedRun) -> tuple[str, ...]:
    """Return the scores that a run has of both splits, in the order of the log, the loss first."""
    scores = dict.fromkeys(s.score for s in run.series)
    paired = [n for n in scores if run.of(n, "train") is not None and unseen(run, n) is not None]
    return tuple(sorted(paired, key=lambda n: n != "loss"))


def unseen(run: LoggedRun, score: str) -> Series | None:
    """Return the validation series of a score; where there is none, that of the test set, which many validate with."""
    return run.of(score, "valid") or run.of(score, "test")


def pair_of(run: LoggedRun, score: str | None = None) -> Pair:
    """Bring the two splits of a score to the same epochs.

    Parameters
    ----------
    run : LoggedRun
        As it was read, its columns assigned.
    score : str, optional
        By default the loss, else the first that both splits have.

    Raises
    ------
    InputError
        If there is no such pair, with what there is and how to name columns.
    """
    scores = paired_scores(run)
    if score is not None and score not in scores:
        raise InputError(f"no {score} of both training and validation{_in(run)}; {_there_is(run, scores)}")
    if not scores:
        raise InputError(f"no score of both training and validation{_in(run)}; {_there_is(run, scores)}")
    name = score or scores[0]
    train, valid = run.of(name, "train"), unseen(run, name)
    assert train is not None
    assert valid is not None
    rule = rule_of(run, train)
    if train.grain == "step" or valid.grain == "step" or rule.how == "windows":
        return _of_steps(name, rule, train, valid)
    epochs = _epochs((train, valid))
    is_whole = bool(np.allclose(epochs, np.round(epochs), rtol=0.0, atol=SAME_EPOCH))
    return Pair(
        score=name,
        rule=rule,
        epoch=epochs if is_whole else np.arange(1.0, epochs.size + 1.0),  # evaluations, then, and not epochs
        train=_at(train, epochs),
        valid=_at(valid, epochs),
        train_series=train,
        valid_series=valid,
    )


def _of_steps(score: str, rule: Rule, train: Series, valid: Series) -> Pair:
    """Put beside each whole epoch what was logged within it."""
    boundary = find_boundary_step(train.value, train.epoch) if rule.how == "steps" else None
    rule = rule_of_steps(rule, boundary)
    inside, of_valid = _whole(train.epoch), _whole(valid.epoch)
    epochs = np.unique(np.concatenate([inside, of_valid]))
    epochs = epochs[np.isfinite(epochs)]
    value = finite(train.value)
    kept = np.isfinite(value)
    if rule.how == "windows" and _are_windows(train.epoch[kept]):
        reported = means_of_epochs(value[kept], train.epoch[kept], epochs)
    else:
        there = np.isfinite(inside)
        at, value = np.searchsorted(epochs, inside[there]), train.value[there]
        if rule.is_last:
            reported = np.full(epochs.size, np.nan)
            reported[at] = value  # of several, the last one stays
        else:
            with np.errstate(invalid="ignore"):
                reported = np.bincount(at, weights=value, minlength=epochs.size) / np.bincount(at, minlength=epochs.size)
    return Pair(
        score=score,
        rule=rule,
        epoch=epochs,
        train=reported,
        valid=_at(valid, epochs),
        train_series=train,
        valid_series=valid,
        steps=train,
        boundary=boundary,
    )


def _whole(epoch: Array) -> Array:
    """Return which epoch each moment belongs to, 1 for the first; the end of an epoch is its own."""
    return np.maximum(1.0, np.ceil(epoch - SAME_EPOCH))


def _are_windows(x: Array) -> bool:
    return bool(x.size > 1 and np.isfinite(x).all() and x[0] > 0.0 and x[-1] < MOST_EPOCHS and (np.diff(x) > 0.0).all())


def _epochs(series: Sequence[Series]) -> Array:
    """Return all epochs of which any of the series has a number; 1, 2, ... where the log doesn't say."""
    if not all(np.isfinite(s.epoch).all() for s in series):
        return np.arange(1.0, max(s.value.size for s in series) + 1.0)
    every = np.unique(np.concatenate([s.epoch for s in series]))
    return every[np.diff(every, prepend=-np.inf) > SAME_EPOCH]


def _at(series: Series, epochs: Array) -> Array:
    """Return the series' numbers at these epochs, the last one where there are several, NaN where there is none."""
    found = np.full(epochs.size, np.nan)
    if not np.isfinite(series.epoch).all():
        n = min(epochs.size, series.value.size)
        found[:n] = series.value[:n]
        return found
    where = np.searchsorted(epochs, series.epoch - SAME_EPOCH)
    near = np.minimum(where, epochs.size - 1)
    fits = np.abs(epochs[near] - series.epoch) <= SAME_EPOCH
    found[near[fits]] = series.value[fits]
    return found


def _in(run: LoggedRun) -> str:
    return f" in {run.name}" if run.name else ""


def _there_is(run: LoggedRun, scores: Sequence[str]) -> str:
    if scores:
        return f"there is {', '.join(scores)}"
    unknown = list(dict.fromkeys(s.column for s in run.series if s.split == "unknown"))
    if len(unknown) > 1:
        return f"which of {', '.join(unknown[:6])} is the training one? say --train {unknown[0]} --valid {unknown[1]}, if so"
    columns = ", ".join(list(dict.fromkeys(s.column for s in run.series if s.split != "none"))[:8])
    return f"there is {columns or 'no score'}; --train and --valid name the columns"
