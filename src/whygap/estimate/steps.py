"""The training score at the end of an epoch, from scores logged within epochs.

A batch is scored just before the step that it causes. So the first batches of an epoch, drawn anew, are a random sample of the
training examples under nearly the weights with which the epoch before ended, each with all its visits behind it: followed
back to the boundary they tell the very score that an average over the epoch hides. The last batches of the epoch before are
scored before their visit in it, and come out worse: the step at the boundary is no fault, but what a visit teaches.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.estimate.interval import student_quantile
from whygap.estimate.recovery import Recovered
from whygap.estimate.scores import LARGEST

Array = npt.NDArray[np.float64]

FEWEST_STEPS = 6
"""Records in an epoch below which a parabola through them isn't followed to its end."""


def recover_end_from_steps(
    value: npt.ArrayLike, at: npt.ArrayLike, *, n_epochs: int | None = None, level: float = 0.95
) -> Recovered:
    """Recover the training score at the end of each epoch from what was logged within epochs, in the score's unit.

    A parabola is fitted to each epoch's records and followed back to its start, which is the end of the epoch before. For the
    last epoch, which none follows, it is followed to its end, and what a visit teaches is allowed for by the largest step at
    the boundaries before.

    Parameters
    ----------
    value : array of shape (k,)
        Scores of single batches, or means over the time since the record before; NaN where there is none.
    at : array of shape (k,)
        When each was logged, in epochs, 1.0 at the end of the first; ascending.
    n_epochs : int, optional
        How many epochs to return; by default as many as were completed.
    level : float
        Coverage of each interval: Student's, widened where neighbouring records are correlated.

    Returns
    -------
    Recovered
        The state tells whether the mean over the epoch is outside the interval.

    Raises
    ------
    InputError
        If the two arrays aren't 1-d and of one shape, or `level` isn't strictly between 0 and 1.

    Notes
    -----
    It takes the order of the batches to be drawn anew for every epoch; where it is the same in all of them, the first batches
    are those visited longest ago. Time is of order k.

    Examples
    --------
    >>> t = np.arange(1, 301) / 100
    >>> recover_end_from_steps(2.0 - 0.3 * t, t).value[:2].round(2)
    array([1.7, 1.4])
    """
    y, t = np.asarray(value, dtype=np.float64), np.asarray(at, dtype=np.float64)
    if y.ndim != 1 or y.shape != t.shape:
        raise InputError(f"value and at must be 1-d and of one shape, got {y.shape} and {t.shape}")
    with np.errstate(invalid="ignore"):
        kept = (np.abs(y) <= LARGEST) & (t > 0.0) & (t < math.inf)
    y, t = y[kept], t[kept]
    apart = np.diff(t, prepend=0.0)
    usual = float(np.median(apart)) if t.size else 0.0
    centre = t - 0.5 * np.minimum(apart, 1.5 * usual)  # a longer one is a gap in the log
    n = (math.floor(float(t.max()) + 1e-6) if t.size else 0) if n_epochs is None else n_epochs
    found = Recovered(np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan), np.full(n, "missing", dtype="<U11"))
    edge = np.searchsorted(centre, np.arange(n + 2.0))
    steepest = 0.0
    for e in range(1, n + 1):
        here, following = slice(edge[e - 1], edge[e]), slice(edge[e], edge[e + 1])
        if edge[e] == edge[e - 1]:
            continue
        before, before_reach = _followed(centre[here] - e, y[here], level)
        after, reach = _followed(centre[following] - e, y[following], level)
        if math.isfinite(reach):
            steepest = max(steepest, abs(after - before) + before_reach)
            low, high = after - reach, after + reach
        else:
            after, low, high = before, before - before_reach - steepest, before + before_reach + steepest
        mean = float(y[here].mean())
        found.value[e - 1], found.low[e - 1], found.high[e - 1] = after, low, high
        found.state[e - 1] = "told" if not low <= mean <= high else "cannot_tell"
    return found


def narrower(one: Recovered, other: Recovered) -> Recovered:
    """Return, epoch by epoch, which of two recoveries of equal length has the narrower interval.

    Per-step scores are exact at the boundary but as noisy as batches; averages over epochs are smooth but allow for more.

    Raises
    ------
    InputError
        If their lengths differ.
    """
    if one.value.shape != other.value.shape:
        raise InputError(f"both must have the same epochs, got {one.value.size} and {other.value.size}")
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        first = (one.high - one.low <= other.high - other.low) | (other.state == "missing")
    first &= one.state != "missing"
    return Recovered(*(np.where(first, a, b) for a, b in zip(one, other, strict=True)))


def _followed(x: Array, y: Array, level: float) -> tuple[float, float]:
    """Return the value at 0 of the parabola through points, and how far its interval reaches; infinitely far for few points."""
    n = x.size
    if n < FEWEST_STEPS or np.unique(x).size < FEWEST_STEPS:
        return (float(y.mean()) if n else math.nan), math.inf
    basis = np.vander(x, 3, increasing=True)
    inverse = np.linalg.pinv(basis)
    left = y - basis @ (inverse @ y)
    variance = float(left @ left) / (n - 3)
    # weights wander, and neighbouring batches with them: means of blocks then vary by more than chance has it
    size = math.isqrt(n)
    blocks = left[: n // size * size].reshape(-1, size).mean(axis=1)
    wandering = size * float(blocks @ blocks) / max(1, blocks.size - 3)
    df = n - 3.0 if wandering < variance else max(1.0, blocks.size - 3.0)
    spread = math.sqrt(max(variance, wandering) * float(inverse[0] @ inverse[0]))
    return float(inverse[0] @ y), student_quantile(level, df) * spread
