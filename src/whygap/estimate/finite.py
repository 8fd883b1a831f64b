"""Means of a finite population from a sample of it, drawn without replacement.

The population is the epoch's batches: what the epoch visited is a fixed, finite list, so that a full pass has no error at all
and a half pass has half the variance that an endless population would give. A unit of the sample is a batch with its `size`
(number of examples) and its mean score; with every size 1 the same formulas are the textbook ones for single examples.
Source: Cochran, Sampling Techniques (1977), chapters 2 (plain), 6 (ratio) and 7 (difference).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.estimate.interval import Variance, estimate_from
from whygap.estimate.trust import why_not_reliable
from whygap.records import Estimate

Array = npt.NDArray[np.float64]


def _checked(scores: npt.ArrayLike, size: npt.ArrayLike | None, what: str) -> tuple[Array, Array]:
    y = np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or y.size == 0:
        raise InputError(f"{what} must be a non-empty 1-d array, got shape {y.shape}")
    n = np.ones_like(y) if size is None else np.asarray(size, dtype=np.float64)
    if n.shape != y.shape or not (n > 0).all():
        raise InputError(f"size must be positive and of the shape of {what}, {y.shape}, got shape {n.shape}")
    return y, n


def mean_by_size(scores: npt.ArrayLike, size: npt.ArrayLike | None = None) -> float:
    """Return the mean score of the examples in units of `size` examples with mean `scores`, both of shape (u,).

    Raises
    ------
    InputError
        If `scores` is empty or not 1-d, or a size isn't positive.
    """
    y, n = _checked(scores, size, "scores")
    return float(np.dot(n, y) / n.sum())


def variance_of_mean(scores: npt.ArrayLike, *, size: npt.ArrayLike | None = None, n_population: int) -> Variance:
    """Return the sampling variance of `mean_by_size`, in squared score units.

    (1 - u/U) * sum((size * (scores - mean))^2) / (u - 1) / u / mean(size)^2, the linearised ratio estimator; zero where the
    sample is the whole population.

    Parameters
    ----------
    scores : array of shape (u,)
        Mean score of every sampled unit.
    size : array of shape (u,), optional
        Examples in every unit; 1 each by default.
    n_population : int
        U, the number of units in the population, at least u.

    Raises
    ------
    InputError
        If `scores` is empty, there is one unit of several, or `n_population` is below u.

    Examples
    --------
    >>> variance_of_mean([1.0, 3.0], n_population=4).value
    0.5
    """
    y, n = _checked(scores, size, "scores")
    u = y.size
    if n_population < u:
        raise InputError(f"a sample of {u} units can't come from a population of {n_population}")
    if n_population == u:
        return Variance(0.0)
    if u == 1:
        raise InputError(f"one unit of {n_population} gives no variance: sample at least two")
    residual = n * (y - np.dot(n, y) / n.sum())
    spread = float(np.dot(residual, residual)) / (u - 1)
    return Variance((1.0 - u / n_population) * spread / u / float(n.mean()) ** 2, float(u - 1))


def estimate_plain(
    scores: npt.ArrayLike, *, size: npt.ArrayLike | None = None, n_population: int, level: float = 0.95
) -> Estimate:
    """Estimate the population's mean score by the sample's mean.

    Answers "what would a full pass give?"; says nothing of examples outside the population.

    Parameters
    ----------
    scores, size, n_population
        As in `variance_of_mean`.
    level : float
        Nominal coverage of the Student interval.

    Raises
    ------
    InputError
        As `variance_of_mean`.

    Examples
    --------
    >>> estimate_plain([1.0, 3.0], n_population=2).low
    2.0
    """
    y, n = _checked(scores, size, "scores")
    variance = variance_of_mean(y, size=n, n_population=n_population)
    return _finish(mean_by_size(y, n), variance, y, n, n_population, level)


def estimate_difference(
    scores: npt.ArrayLike,
    visits: npt.ArrayLike,
    *,
    visits_mean: float,
    size: npt.ArrayLike | None = None,
    n_population: int,
    level: float = 0.95,
) -> Estimate:
    """Estimate the population's mean score by correcting the known mean of the scores at the visits.

    visits_mean + mean(scores - visits): exactly unbiased, and precise where the score of a unit has changed little, or alike for
    all, since its visit. Worse than `estimate_plain` where it has not; `is_difference_better` tells.

    Parameters
    ----------
    scores : array of shape (u,)
        Mean score of every sampled unit now.
    visits : array of shape (u,)
        Mean score of the same units when they were visited.
    visits_mean : float
        Mean of the visit scores over the whole population, weighted by size.
    size, n_population, level
        As in `estimate_plain`.

    Raises
    ------
    InputError
        As `variance_of_mean`, or if the two arrays differ in shape.

    Examples
    --------
    >>> estimate_difference([1.0, 2.0], [2.0, 3.0], visits_mean=2.25, n_population=9).value
    1.25
    """
    y, n = _checked(scores, size, "scores")
    s, _ = _checked(visits, size, "visits")
    if s.shape != y.shape:
        raise InputError(f"visits must have the shape of scores, {y.shape}, got {s.shape}")
    change = y - s
    variance = variance_of_mean(change, size=n, n_population=n_population)
    return _finish(visits_mean + mean_by_size(change, n), variance, change, n, n_population, level)


def _finish(value: float, variance: Variance, z: Array, n: Array, n_population: int, level: float) -> Estimate:
    whole = z.size == n_population
    doubt = "" if whole else why_not_reliable(z)
    how = "exact" if whole else "sampled"
    return estimate_from(value, variance, level=level, n=int(n.sum()), how=how, not_reliable=doubt)


def is_difference_better(scores: npt.ArrayLike, visits: npt.ArrayLike, *, size: npt.ArrayLike | None = None) -> bool:
    """Return whether the visit scores make a difference estimate more precise than a plain one, judged on these units.

    Judge on one epoch and use the answer in the next: an estimator chosen on the very sample that it is applied to gives
    intervals that are too narrow.

    Raises
    ------
    InputError
        As `estimate_difference`.
    """
    y, n = _checked(scores, size, "scores")
    s, _ = _checked(visits, size, "visits")
    if y.size < 2:
        return False
    return float(np.var(n * (y - s - mean_by_size(y - s, n)))) < float(np.var(n * (y - mean_by_size(y, n))))
