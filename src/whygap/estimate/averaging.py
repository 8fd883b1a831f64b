"""How the training number of an epoch was averaged over the epoch, as a weight on each moment of it.

Let g(t) be the loss of the batch at time t, in epochs: epoch e runs from e - 1 to e. Nearly every framework logs a mean of g
over the epoch with weights exp(-decay * (e - t)): a plain mean has decay 0, an exponential moving average the decay of all
the steps of an epoch together, the last batch alone an infinite one. What an exponential average carries over from earlier
epochs can be subtracted, so that this one family holds them all.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from whygap.errors import InputError

Array = npt.NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)  # exact for the cubic pieces of a spline under a plain mean
LARGEST_EXPONENT = 700.0
"""Of the exponential function within the range of floats."""


class Averaging(NamedTuple):
    """The rule by which a training number was averaged over its epoch.

    `decay` is the exponent over one epoch, without unit; `carries_over` says that the average was not reset between epochs.
    """

    decay: float = 0.0
    carries_over: bool = False

    @property
    def age(self) -> float:
        """Mean age of what was averaged, in epochs before the end of the epoch: 1/2 of a plain mean, 0 of the last batch."""
        if self.decay < 1e-4:
            return 0.5 - self.decay / 12.0
        return 1.0 / self.decay - (1.0 / math.expm1(self.decay) if self.decay < LARGEST_EXPONENT else 0.0)


EPOCH_MEAN = Averaging()
"""Every batch counts alike: Keras, skorch, Lightning with on_epoch=True, Ultralytics, most loops."""

LAST_BATCH = Averaging(math.inf)
"""The last batch stands for the epoch: Lightning's default."""


def moving_average(beta: float, steps_per_epoch: float) -> Averaging:
    """Return the rule of a bias-corrected exponential moving average over steps that is never reset, as in fastai.

    Parameters
    ----------
    beta : float
        The share that each step keeps of the average, strictly between 0 and 1; fastai's is 0.98.
    steps_per_epoch : float
        Positive.

    Raises
    ------
    InputError
        If `beta` or `steps_per_epoch` is out of its range.

    Examples
    --------
    >>> round(moving_average(0.98, 500).age * 500)  # steps
    49
    """
    if not 0.0 < beta < 1.0 or not 0.0 < steps_per_epoch < math.inf:
        raise InputError(f"beta must be in (0, 1) and steps_per_epoch positive, not {beta} and {steps_per_epoch}")
    return Averaging(-steps_per_epoch * math.log(beta), carries_over=True)


def means_within_epochs(reported: Array, rule: Averaging, *, before: int = 0) -> Array:
    """Return the weighted mean of each epoch alone: what an average has carried over from earlier epochs is taken out.

    With q = exp(-decay) and the corrected average A_e over e epochs, A_e (1 - q^e) = q A_{e-1} (1 - q^(e-1)) + (1 - q) Y_e.

    Parameters
    ----------
    reported : array of shape (e,)
        Of consecutive epochs.
    rule : Averaging
        By which they were averaged.
    before : int
        Epochs that went before them. If there are any, what they left in the first average isn't known, and its mean is NaN.
    """
    if not rule.carries_over or not math.isfinite(rule.decay):
        return reported
    done = -np.expm1(-rule.decay * np.arange(before, before + reported.size + 1.0))  # 1 - q^e
    total = np.concatenate([[np.nan if before else 0.0], reported * done[1:]])
    alone: Array = (total[1:] - math.exp(-rule.decay) * total[:-1]) / -math.expm1(-rule.decay)
    return alone


def average_of_curve(at: Array, value: Array, rule: Averaging) -> Array:
    """Return the weighted mean over the epoch before each point of `at` of the cubic spline through a curve.

    Parameters
    ----------
    at : array of shape (k,)
        Ends of epochs, ascending, k at least 2.
    value : array of shape (k,)
        The curve there.
    rule : Averaging
        The weights.

    Returns
    -------
    array of shape (k,)
        The first is NaN: it would need the curve before its first point.
    """
    if math.isinf(rule.decay):
        return np.concatenate([[np.nan], value[1:]])
    age = 0.5 * (1.0 - _NODES)
    # the ages of a steep decay are those of its own time scale
    reach = min(1.0, 30.0 / rule.decay) if rule.decay > 0.0 else 1.0
    weight = _WEIGHTS * np.exp(-rule.decay * reach * age)
    curve = CubicSpline(at, value)(at[1:, None] - reach * age)
    return np.concatenate([[np.nan], curve @ (weight / weight.sum())])


def ends_of_epochs(mean: Array, rule: Averaging) -> Array:
    """Return g at the end of each epoch from the weighted means alone, for as smooth a g as they allow.

    The area-preserving spline: A(t), the integral of g(s) exp(-decay (t - s)) from 0 to t, is known at the end of every epoch,
    and g = A' + decay A. With decay 0 that is the derivative of the cubic spline through the cumulative sum, a histospline.
    For a steep decay A settles within the first epoch, which no cubic follows; there the mean is moved on by its own slope
    times its age.

    Parameters
    ----------
    mean : array of shape (e,)
        As `means_within_epochs` returns them, e at least 2.
    rule : Averaging
        By which they were averaged.

    Notes
    -----
    Source: Boneva, Kendall and Stefanov, J. R. Stat. Soc. B 33 (1971) 1-71.

    Examples
    --------
    >>> ends_of_epochs(np.array([0.5, 1.5, 2.5]), EPOCH_MEAN).round(6)  # means of g(t) = t
    array([1., 2., 3.])
    """
    n = mean.size
    epoch = np.arange(n + 1.0)
    if rule.decay <= 1.0:
        q = math.exp(-rule.decay)
        mass = -math.expm1(-rule.decay) / rule.decay if rule.decay > 0.0 else 1.0
        area = np.zeros(n + 1)
        for e in range(n):
            area[e + 1] = q * area[e] + mass * mean[e]
        found: Array = CubicSpline(epoch, area).derivative()(epoch[1:]) + rule.decay * area[1:]
        return found
    slope = CubicSpline(epoch[1:], mean).derivative()(epoch[1:])
    moved: Array = mean + rule.age * slope
    return moved


def means_of_epochs(value: Array, end: Array, epochs: Array) -> Array:
    """Return means over whole epochs from means over windows that may straddle them, as transformers logs.

    Parameters
    ----------
    value : array of shape (k,)
        Mean over the time since the previous window's end, or since 0.
    end : array of shape (k,)
        Ends of the windows in epochs, ascending and positive.
    epochs : array of shape (e,)
        The epochs to return, 1 for the first.

    Returns
    -------
    array of shape (e,)
        NaN for epochs that the windows don't reach.

    Examples
    --------
    >>> means_of_epochs(np.array([4.0, 3.0, 1.0]), np.array([0.5, 1.5, 2.0]), np.array([1.0, 2.0, 3.0])).round(2)
    array([3.75, 1.75,  nan])
    """
    knots = np.concatenate([[0.0], end])
    total = np.concatenate([[0.0], np.cumsum(value * np.diff(knots))])
    area = CubicSpline(knots, total)
    reached = epochs <= end[-1] + 1e-6
    means: Array = np.where(reached, area(np.minimum(epochs, end[-1])) - area(np.minimum(epochs, end[-1]) - 1.0), np.nan)
    return means
