"""Errors that a full pass doesn't remove: random masks in train mode, and a validation set that is itself a sample."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.estimate.interval import Variance
from whygap.estimate.scores import check_scores, is_usable


def variance_of_scores(scores: npt.ArrayLike) -> Variance:
    """Return the variance of the mean of independently drawn examples: how far another set of that size would move it.

    Parameters
    ----------
    scores : array of shape (n,)
        One score per example; with n = 1 the variance is unknown and given as zero with zero degrees of freedom.

    Raises
    ------
    InputError
        If `scores` is empty, not 1-d or not finite.

    Examples
    --------
    >>> variance_of_scores([1.0, 3.0]).value
    1.0
    """
    y = check_scores(scores)
    if y.size == 1:
        return Variance(0.0, 0.0)
    return Variance(float(y.var(ddof=1)) / y.size, float(y.size - 1))


def variance_of_repeats(repeats: npt.ArrayLike, *, size: npt.ArrayLike, n_population: int) -> Variance:
    """Return what random masks leave of the variance of a train-mode mean once the sampling variance is counted.

    A dropout mask or a batch's company is drawn anew at each evaluation. Every unit is scored k times; the spread of those k
    within a unit estimates the noise, in squared score units. The sampling variance already holds the share (1 - u/U) of it, so
    that the rest is sum(size^2 * s_within^2) / k / (sum(size))^2 * u/U.

    Parameters
    ----------
    repeats : array of shape (k, u)
        Mean score of every unit in each of k independent evaluations.
    size : array of shape (u,)
        Examples in every unit.
    n_population : int
        U, the number of units in the population.

    Returns
    -------
    Variance
        With k = 1 the noise can't be told: zero, with zero degrees of freedom.

    Raises
    ------
    InputError
        If the shapes don't fit, a repeat isn't finite, a size isn't positive, or `n_population` is below u.
    """
    y = np.asarray(repeats, dtype=np.float64)
    n = np.asarray(size, dtype=np.float64)
    if y.ndim != 2 or y.shape[0] < 1 or n.shape != y.shape[1:] or n.size == 0:
        raise InputError(f"repeats must have shape (k, u) and size shape (u,), got {y.shape} and {n.shape}")
    check_scores(y.ravel(), "repeats")
    k, u = y.shape
    if not (is_usable(n) and (n > 0).all() and n_population >= u):
        raise InputError(f"sizes must be positive and n_population at least {u}, got {n_population}")
    if k == 1:
        return Variance(0.0, 0.0)
    within = y.var(axis=0, ddof=1)
    value = float(np.dot(n**2, within)) / k / float(n.sum()) ** 2 * u / n_population
    return Variance(value, float(u * (k - 1)))
