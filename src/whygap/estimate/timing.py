"""Marks of when a training number was taken: an epoch behind, over all epochs at once, or anew from each boundary."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from whygap.estimate.curves import finite
from whygap.estimate.signatures import Signature

Array = npt.NDArray[np.float64]

FEWEST_EPOCHS = 6
FITS = 0.999
"""Share of its variance that a curve must explain of another to count as its source."""

FITS_BETTER = 0.2
"""And what is left must be less than this share of what is left by the ordinary relation."""

SLACK = 0.1
"""How far the position of a training number between two validation scores may be from the one that is looked for."""

EARLY_TO_LATE = 3.0
"""A running mean moves by 1 / k at its k-th step: so many times less in the last quarter of an epoch than in the first."""

CLEAR = 4.0
"""A step at the boundaries counts from so many standard errors on, and so many times the usual move within epochs."""

BLOCKS = 8
"""Parts of an epoch whose means are compared across its boundaries."""


def find_one_epoch_behind(train: npt.ArrayLike, valid: npt.ArrayLike) -> Signature | None:
    """Look for a training score that belongs to the weights of the validation score before it: one batch per epoch.

    With one batch, the training score of epoch e + 1 is taken before its only update, with the weights that validation of
    epoch e used. Between two neighbouring validation scores a mean over the epoch lies in the middle, at p = 1/2, and a score
    of the last batch at p = 1; here p = 0: train[e+1] = a + b ((1 - p) valid[e] + p valid[e+1]).

    Parameters
    ----------
    train, valid : array of shape (e,)
        Of consecutive epochs.

    Returns
    -------
    Signature or None
        `value` is p. None where the curve is too plain, such as an exponential, to tell p.
    """
    t, v = _both(train, valid)
    if t.size < FEWEST_EPOCHS or np.isnan(t).any() or np.isnan(v).any() or np.ptp(v) == 0.0:
        return None
    y = t[1:] - t[1:].mean()
    fit, spread, explained = _regressed(y, np.stack([v[:-1], v[1:]], axis=1))
    total = float(fit.sum())
    if explained < FITS or not 0.5 < total < 2.0:
        return None
    p = float(fit[1]) / total
    if abs(p) > SLACK or spread[1] / total > 0.5 * SLACK:
        return None
    text = f"training follows validation one epoch behind (at {p:.2f} of the way to the next): one batch per epoch"
    return Signature("one_epoch_behind", p, int(y.size), text)


def find_never_reset(train: npt.ArrayLike, valid: npt.ArrayLike) -> Signature | None:
    """Look for a training score that is the mean over all epochs so far: a metric that was never reset.

    The mean of the validation scores so far, moved on by half an epoch, then explains it, a + b mean, and the validation score
    doesn't.

    Parameters
    ----------
    train, valid : array of shape (e,)
        Of consecutive epochs from the first on.

    Returns
    -------
    Signature or None
        `value` is the share of the variance of training that is explained.
    """
    t, v = _both(train, valid)
    if t.size < FEWEST_EPOCHS or np.isnan(t).any() or np.isnan(v).any() or np.ptp(v) == 0.0:
        return None
    middle = 0.5 * (v[:-1] + v[1:])
    t, v = t[1:], v[1:]
    # the first epoch has no validation score before it: the constant and 1 / e stand for what it adds to the mean
    count = np.arange(2.0, t.size + 2.0)
    so_far = np.cumsum(middle) / count
    y = t - t.mean()
    fit, spread, explained = _regressed(y, np.stack([so_far, 1.0 / count], axis=1))
    _, _, plainly = _regressed(y, np.stack([v, 1.0 / count], axis=1))
    is_better = 1.0 - explained < FITS_BETTER**2 * (1.0 - plainly)
    if explained < FITS or not is_better or not 0.5 < fit[0] < 2.0 or spread[0] > 0.1:
        return None
    text = f"training is the mean over all epochs so far: that explains {100 * explained:.2f} % of how it varies"
    return Signature("never_reset", explained, int(t.size), text)


def find_boundary_step(value: npt.ArrayLike, at: npt.ArrayLike) -> Signature | None:
    """Look for steps at the boundaries of epochs in a training score logged within epochs, in the score's unit.

    "running_average": the numbers move less and less within each epoch and start anew at the next, as a mean since the epoch's
    start does. "boundary_step": they step without that; each example's next visit then finds what its last one taught.

    Parameters
    ----------
    value : array of shape (k,)
        Logged within epochs.
    at : array of shape (k,)
        When, in epochs, ascending; 1.0 is the end of the first.

    Returns
    -------
    Signature or None
        `value` is the mean step at a boundary, over two boundaries or more; negative where the score falls there.
    """
    y, t = finite(value).ravel(), finite(at).ravel()
    if y.size != t.size:
        return None
    kept = ~(np.isnan(y) | np.isnan(t)) & (t > 0.0)
    y, t = y[kept], t[kept]
    epoch = np.ceil(t - 1e-9)
    starts = np.flatnonzero(np.diff(epoch, prepend=-1.0))
    rows = [row for row in np.split(y, starts[1:]) if row.size >= 2 * BLOCKS] if starts.size else []
    if len(rows) < 3:
        return None
    first = np.array([_activity(row[: row.size // 4]) for row in rows])
    last = np.array([_activity(row[-(row.size // 4) :]) for row in rows])
    blocks = np.array([[part.mean() for part in np.array_split(row, BLOCKS)] for row in rows])
    steps = blocks[1:, 0] - blocks[:-1, -1]
    within = np.diff(blocks, axis=1)
    mean, usual = float(steps.mean()), float(within.mean())
    settles, wakes = first > EARLY_TO_LATE * last, first[1:] > EARLY_TO_LATE * last[:-1]
    if settles.mean() > 0.5 and wakes.mean() > 0.5:
        text = f"the numbers settle within epochs and start anew at {steps.size} boundaries: a mean since the epoch's start"
        return Signature("running_average", mean, int(steps.size), text)
    error = max(float(within.std()), float(steps.std(ddof=1))) / math.sqrt(steps.size)
    if abs(mean - usual) > CLEAR * error and abs(mean) > CLEAR * abs(usual):
        return Signature("boundary_step", mean, int(steps.size), f"a step of {mean:.3g} at {steps.size} boundaries of epochs")
    return None


def _activity(y: Array) -> float:
    """Return the typical size of a move from one record to the next, less what the moves beside it have in common."""
    return float(np.abs(np.diff(y, 2)).mean())


def _both(train: npt.ArrayLike, valid: npt.ArrayLike) -> tuple[Array, Array]:
    t, v = finite(train).ravel(), finite(valid).ravel()
    n = min(t.size, v.size)
    return t[:n], v[:n]


def _regressed(y: Array, on: Array) -> tuple[Array, Array, float]:
    """Return the slopes of y, which has mean zero, on columns, their standard errors, and the share of variance explained."""
    centred = on - on.mean(axis=0)
    size = np.abs(centred).max(axis=0)
    total = float(y @ y)
    if not (size > 0.0).all() or not 0.0 < total < math.inf:
        return np.zeros(on.shape[1]), np.full(on.shape[1], np.inf), 0.0
    basis = centred / size
    inverse = np.linalg.pinv(basis)
    left = y - basis @ (inverse @ y)
    unexplained = float(left @ left)
    variance = unexplained / max(1, y.size - on.shape[1] - 1)
    spread: Array = np.sqrt(variance * (inverse**2).sum(axis=1)) / size
    slopes: Array = (inverse @ y) / size
    return slopes, spread, 1.0 - unexplained / total
