"""Whether a run overfits, told from its two curves alone.

Curves that lie apart prove nothing: lag, dropout, a penalty or a harder validation set do that to any run. What none of them
does is turn validation round while training goes on improving. So that is looked for, once, over the whole log: how far
validation has risen since it was lowest, how far training has fallen since then, and how far either moved against its own trend
meanwhile. That last is the yardstick of noise. It needs no model: noise that correlates over epochs, and looks like a trend for
a while, moves back as far as it moves forth. And where validation rose as far before it was lowest, rising means nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.estimate.curves import finite, mean_around, perfect
from whygap.records import Overfitting, OverfittingState

Array = npt.NDArray[np.float64]

WORTH = 0.039
"""Share of what was learnt by which validation must get worse. Fitted to 419 labelled logs by benchmarks/log_overfitting.py,
which holds it against logs that it wasn't fitted to."""

DWARFED = 8.0
"""What was learnt counts as no more than so many times the best score: a first epoch may be off by orders of magnitude."""

AGAINST = 3.0
"""A move counts as a trend from so many times its largest move against itself."""

FURTHER = 0.1
"""Share of its own score by which training must have improved meanwhile: memorising goes far, and slow noise seldom does."""

FEWEST_AFTER = 3
"""Epochs after the lowest validation score below which a rise may be luck: of pure noise, too many runs end on one."""

FEWEST_EPOCHS = 5
TOO_NOISY = 0.25
""""No" is said only where a rise by this share of the score would have been seen."""

SMOOTHED = 0.05
"""Share of the run over which scores are averaged before they are looked at."""


class Move(NamedTuple):
    """How far a curve fell over a stretch, and its largest rise within; in the score's unit."""

    fell: float
    against: float

    @property
    def is_trend(self) -> bool:
        return self.fell > AGAINST * self.against


def overfitting_from_curves(
    train: npt.ArrayLike,
    valid: npt.ArrayLike,
    *,
    epoch: npt.ArrayLike | None = None,
    higher_is_better: bool = False,
    worth: float = WORTH,
) -> Overfitting:
    """Say whether a run overfits, and since when, from its training and validation scores per epoch.

    "yes": since its best epoch validation got worse by more than `worth` of what was learnt, by more than `AGAINST` times its
    largest move back and further than at any time before, over `FEWEST_AFTER` epochs or more; and training improved
    meanwhile, by as clear a trend and by more than `FURTHER` of its score. "no": it did not, and it would have been seen. Else
    it can't be told; a gap that grows while validation stalls is such a case: training examples may be memorised without harm
    so far, or be easier by nature.

    Parameters
    ----------
    train, valid : array of shape (e,)
        As logged. Epochs where either isn't a usable number are passed over.
    epoch : array of shape (e,), optional
        Which epoch each is of, ascending; 1, 2, ... by default.
    higher_is_better : bool
        Whether it is a score such as accuracy.
    worth : float
        Share, 0 or more. What was learnt is the gain from first to best of validation, or from first to last of training where
        that is more.

    Returns
    -------
    Overfitting
        `since_epoch` is the epoch after the best one. benchmarks/log_overfitting.py counts false alarms on simulated runs that
        are healthy and on noise, and holds "yes" against labelled logs.

    Raises
    ------
    InputError
        If the arrays aren't 1-d and of one shape.

    Notes
    -----
    Time is of order e.

    Examples
    --------
    >>> e = np.arange(20.0)
    >>> overfitting_from_curves(np.exp(-e / 5), np.exp(-e / 5) + 0.02 * e).state
    'yes'
    >>> overfitting_from_curves(np.exp(-e / 5), 0.3 + np.exp(-e / 5)).state  # apart, but for another reason
    'no'
    """
    t, v = finite(train), finite(valid)
    at = np.arange(1.0, v.size + 1.0) if epoch is None else np.asarray(epoch, dtype=np.float64)
    if t.ndim != 1 or not t.shape == v.shape == at.shape:
        raise InputError(f"train, valid and epoch must be 1-d and of one shape, got {t.shape}, {v.shape} and {at.shape}")
    kept = np.isfinite(t) & np.isfinite(v) & np.isfinite(at)
    t, v, at = t[kept], v[kept], at[kept]
    if v.size < FEWEST_EPOCHS:
        return _answer("cannot_tell", f"Whether it overfits can't be told: {v.size} epochs have both scores")
    if higher_is_better:
        top = perfect(np.concatenate([t, v]))
        t, v = top - t, top - v
    reach = int(v.size * SMOOTHED / 2)
    first, first_train = float(v[0]), float(t[0])
    t, v = mean_around(t, reach), mean_around(v, reach)
    best = int(np.flatnonzero(v == v.min())[-1])
    scale = max(first - float(v[best]), first_train - float(t[-1]))
    is_positive = min(v.min(), t.min()) >= 0.0
    if is_positive:
        scale = min(scale, DWARFED * float(v[best]))
    rise, before, fall = _move(-v[best:]), _move(v[: best + 1]), _move(t[best:])
    is_clear = rise.is_trend and rise.fell > before.against and v.size - 1 - best >= FEWEST_AFTER
    told = f"validation got worse by {rise.fell:.3g} since epoch {at[best]:g}, training better by {fall.fell:.3g}"
    if rise.fell > worth * scale:
        goes_on = fall.is_trend and (not is_positive or fall.fell > FURTHER * float(t[best]))
        if is_clear and goes_on:
            return _answer("yes", f"It overfits since epoch {at[best + 1]:g}: {told}", int(np.ceil(at[best + 1])))
        n_after = v.size - 1 - best
        if n_after < FEWEST_AFTER:
            why = f"{n_after} epoch{'s' if n_after > 1 else ''} after the best one tell{'' if n_after > 1 else 's'} too little"
        else:
            why = "no trend in training goes with it" if is_clear else "that may be chance"
            told += f"; on the way, validation went back by up to {rise.against:.2g} and training by up to {fall.against:.2g}"
        return _answer("cannot_tell", f"Whether it overfits can't be told, {why}: {told}")
    half = v.size // 2
    late, late_train = _move(v[half:]), _move(t[half:])
    if late_train.is_trend and late.fell < 0.5 * late_train.fell and late_train.fell - late.fell > worth * scale:
        text = "Whether it overfits can't be told: training goes on improving while validation has stalled"
        return _answer("cannot_tell", f"{text}; since epoch {at[half]:g}, by {late_train.fell:.3g} and {late.fell:.3g}")
    wobble = AGAINST * min(late.against, _move(-v[half:]).against)
    if wobble > TOO_NOISY * scale:
        return _answer(
            "cannot_tell", f"Whether it overfits can't be told: validation goes up and down by {wobble / AGAINST:.2g}"
        )
    return _answer("no", f"It does not overfit: {told}")


def _answer(state: OverfittingState, evidence: str, since: int | None = None) -> Overfitting:
    return Overfitting(state=state, since_epoch=since, evidence=f"{evidence}.")


def _move(y: Array) -> Move:
    return Move(float(y[0] - y[-1]), float((y - np.minimum.accumulate(y)).max()))
