"""What the training score was at the end of each epoch, told from averages over epochs.

Two witnesses. The training curve alone gives the smoothest g that has its averages (`ends_of_epochs`). The validation curve is
scored at the ends of epochs and sees the same weights: averaged over each epoch as the training score was, it differs from that
by an offset D (memorisation, mode, another set) that changes far more slowly than either curve, and taking the offset from
the validation score gives the training score. An example that has just been visited scores better than one that is about to
be, by what its own visit taught: D is read from averages that were scored just *before* each visit, half an epoch after the
end of the epoch in question, when every example has had as many visits as it had at that end.

No log tells how much of its visit an example forgets within an epoch. The interval allows for that; where the allowance is as
large as the lag, the state says that the lag can't be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from whygap.errors import InputError
from whygap.estimate.averaging import EPOCH_MEAN, Averaging, average_of_curve, ends_of_epochs, means_within_epochs
from whygap.estimate.curves import finite, mean_around, perfect

Array = npt.NDArray[np.float64]

DISTRUST = 0.3
"""Weight of the change of the offset against the change of the score: how soon the validation curve is no longer believed."""

FORGOTTEN, TAUGHT, UNSEEN, BENT = 0.75, 0.2, 0.02, 0.5
"""How far the truth may lie below the recovered value: shares of the offset's change in an epoch (what one more visit taught),
of the offset (what all of them did), of the score itself (what a curve can't show), and of the third differences of the
averages (noise, and bends that no spline follows). Chosen on the familiar trainings of benchmarks/log_recovery.py, by seeds
that its table doesn't use."""

LINGERS = 0.6
"""Above it, less is allowed for: this share of the offset's change, and the same of noise."""

UNWITNESSED_CHANGE, UNWITNESSED_OFFSET = 0.5, 0.4
"""Without a validation curve the offset isn't known; these shares of the score's change and of the score stand for it."""

NEIGHBOURS = 2
"""Epochs on either side over which what is allowed for is averaged: one epoch's own change is too much of a chance."""

State = Literal["told", "cannot_tell", "no_lag", "missing"]
"""Whether the lag of an epoch is told: its interval excludes 0; it can't be; there is none by the rule; nothing was logged."""


_TINY = 1e-300  # keeps constant curves from dividing by zero


class Recovered(NamedTuple):
    """The training score at the end of each epoch, in train mode: arrays of shape (e,), in the score's unit.

    `low` and `high` bound `value`; they are infinite where nothing bounds it, and all three are NaN where `state`, an array of
    `State`, is "missing".
    """

    value: Array
    low: Array
    high: Array
    state: npt.NDArray[np.str_]


def recover_end(
    train: npt.ArrayLike,
    valid: npt.ArrayLike | None = None,
    *,
    rule: Averaging | None = EPOCH_MEAN,
    higher_is_better: bool = False,
) -> Recovered:
    """Recover the training score at the end of each epoch from what was logged, in the score's unit.

    Parameters
    ----------
    train : array of shape (e,)
        As logged, of consecutive epochs from the first on; NaN where nothing was.
    valid : array of shape (e,), optional
        Validation score with the weights at the end of each epoch; NaN where there is none. Leave it out where validation used
        other weights, such as an average of them.
    rule : Averaging or None
        How the training number was averaged; None where it was scored at the end of the epoch, as in boosting.
    higher_is_better : bool
        Whether it is a score such as accuracy.

    Returns
    -------
    Recovered
        The lag of epoch e is `train[e] - value[e]`. The intervals are no theory: benchmarks/log_recovery.py counts how
        often they hold the truth.

    Raises
    ------
    InputError
        If `train` is not 1-d or `valid` has another shape.

    Notes
    -----
    Time and memory are of order e.

    Examples
    --------
    >>> t = np.arange(9.0)
    >>> g = lambda t: np.exp(-t / 3)  # the same curve for both sets
    >>> means = 3 * (g(t[:-1]) - g(t[1:]))
    >>> r = recover_end(means, g(t[1:]))
    >>> bool(np.abs(r.value - g(t[1:])).max() < 0.1 * np.abs(means - g(t[1:])).max()), str(r.state[0])
    (True, 'told')
    """
    y = finite(train)
    if y.ndim != 1:
        raise InputError(f"train must be 1-d, got shape {y.shape}")
    v = np.full_like(y, np.nan) if valid is None else finite(valid)
    if v.shape != y.shape:
        raise InputError(f"valid must have the shape of train, {y.shape}, got {v.shape}")
    found = Recovered(y.copy(), y.copy(), y.copy(), np.where(np.isnan(y), "missing", "no_lag").astype("<U11"))
    if rule is None:
        return found
    best = perfect(y) if higher_is_better else 0.0
    sign = -1.0 if higher_is_better else 1.0
    for part in _stretches(~np.isnan(y)):
        value, low, high = _recover(sign * (y[part] - best), sign * (v[part] - best), rule, part.start)
        low, high = (best + sign * low, best + sign * high)[:: 1 if sign > 0 else -1]
        found.value[part], found.low[part], found.high[part] = best + sign * value, low, high
        rounding = 1e-9 * np.abs(y[part])
        told = (low > y[part] + rounding) | (high < y[part] - rounding)
        found.state[part] = np.where(told, "told", "cannot_tell")
    return found


def _recover(y: Array, v: Array, rule: Averaging, before: int) -> tuple[Array, Array, Array]:
    """Recover one stretch of consecutive epochs; lower is better, and what is never negative ends at 0."""
    mean = means_within_epochs(y, rule, before=before)
    known = slice(int(np.isnan(mean[:1]).sum()), None)
    floor = 0.0 if y.min() >= 0.0 else -np.inf
    value, low, high = y.copy(), np.full(y.size, floor), np.full(y.size, np.inf)
    if mean[known].size > 1:
        value[known], low[known], high[known] = _bounded(mean[known], y[known], v[known], rule, floor)
    return value, low, high


def _bounded(mean: Array, y: Array, v: Array, rule: Averaging, floor: float) -> tuple[Array, Array, Array]:
    """Return the value at the end of each epoch, from its mean, and its bounds."""
    n = y.size
    size = np.abs(mean) if floor == 0.0 else np.full(n, np.ptp(mean))
    change = np.abs(np.diff(mean))
    step = np.maximum(_padded(change, 1, 0), _padded(change, 0, 1))  # the larger of those before and after
    value = ends_of_epochs(mean, rule)
    own, offset = UNWITNESSED_CHANGE * step, UNWITNESSED_OFFSET * size
    both = np.flatnonzero(~np.isnan(v))
    if both.size > 2:
        drift, beside = _beside_validation(mean, v, both, rule)
        is_seen = ~np.isnan(beside)
        drift, beside = np.where(is_seen, drift, 0.0), np.where(is_seen, beside, 0.0)
        # which fits: where the offset changes more than the score itself, validation doesn't tell of training
        s, d = mean_around(step, NEIGHBOURS), mean_around(drift, NEIGHBOURS)
        largest = np.maximum(np.maximum(s, d), _TINY)  # divided first, as squares could leave the range of floats
        s, d = s / largest, d / largest
        trust = np.where(is_seen, s**4 / (s**4 + DISTRUST * d**4 + _TINY), 0.0)
        value = value + trust * (beside - value)
        own = np.where(is_seen, np.minimum(drift, step), own)
        offset = np.where(is_seen, np.clip(v - y, 0.0, size), offset)
    noise = BENT * mean_around(_padded(np.abs(np.diff(mean, 3)), 1, 2), NEIGHBOURS) if n > 3 else step
    own = mean_around(own, NEIGHBOURS)
    below = FORGOTTEN * own + TAUGHT * offset + UNSEEN * size + noise
    above = LINGERS * own + noise
    below[-1], above[-1] = 2.0 * below[-1], 2.0 * above[-1]  # no epoch follows that would show where it went
    value = np.maximum(value, floor)
    return value, np.maximum(value - below, floor), value + above


def _beside_validation(mean: Array, v: Array, both: npt.NDArray[np.intp], rule: Averaging) -> tuple[Array, Array]:
    """Return by how much the offset changes over each epoch, and the validation score less the offset; NaN where unknown."""
    first, last = int(both[0]), int(both[-1]) + 1
    epoch = np.arange(first, last, dtype=np.float64)
    offset = average_of_curve(epoch, CubicSpline(both, v[both])(epoch), rule) - mean[first:last]
    offset[0] = offset[1]
    change = np.append(np.diff(offset), offset[-1] - offset[-2])
    # at the end of an epoch each example has had one visit more than when it was averaged, and is half an epoch past it
    value, drift = np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    value[first:last] = v[first:last] - (offset + (0.5 + rule.age) * change)
    drift[first:last] = np.abs(change)
    drift[first] = drift[first + 1]
    return drift, value


def _padded(y: Array, before: int, after: int) -> Array:
    return np.pad(y, (before, after), mode="edge")


def _stretches(is_there: npt.NDArray[np.bool_]) -> Iterator[slice]:
    """Yield the stretches of consecutive epochs that are there."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_there, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2):
        yield slice(int(start), int(stop))
