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
from whygap.estimate.scores import Array, check_scores, is_usable
from whygap.estimate.trust import why_not_reliable
from whygap.records import Estimate


def _checked(scores: npt.ArrayLike, size: npt.ArrayLike | None) -> tuple[Array, Array]:
    y = check_scores(scores)
    n = np.ones_like(y) if size is None else np.asarray(size, dtype=np.float64)
    if n.shape != y.shape or not (n > 0).all() or not is_usable(n):
        raise InputError(f"size must be positive and of the shape of scores, {y.shape}, got shape {n.shape}")
    return y, n


def _change(scores: npt.ArrayLike, visits: npt.ArrayLike, size: npt.ArrayLike | None) -> tuple[Array, Array]:
    y, n = _checked(scores, size)
    s = check_scores(visits, "visits")
    if s.shape != y.shape:
        raise InputError(f"visits must have the shape of scores, {y.shape}, got {s.shape}")
    return y - s, n


def mean_by_size(scores: npt.ArrayLike, size: npt.ArrayLike | None = None) -> float:
    """Return the mean score of the examples in units of `size` examples with mean `scores`, both of shape (u,).

    Raises
    ------
    InputError
        If `scores` is empty, not 1-d or not finite, or a size isn't positive.
    """
    y, n = _checked(scores, size)
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
        As `mean_by_size`, or if there is one unit of several, or `n_population` is below u.

    Examples
    --------
    >>> variance_of_mean([1.0, 3.0], n_population=4).value
    0.5
    """
    y, n = _checked(scores, size)
    u = y.size
    if n_population < u:
        raise InputError(f"a sample of {u} units can't come from a population of {n_population}")
    if n_population == u:
        return Variance(0.0)
    if u == 1:
        raise InputError(f"one unit of {n_population} gives no variance: sample at least two")
    value = (1.0 - u / n_population) * _spread(y, n) / (u - 1) / u / float(n.mean()) ** 2
    return Variance(value, float(u - 1))


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
    return _estimate(0.0, *_checked(scores, size), n_population, level)


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

    visits_mean + mean(scores - visits): exactly unbiased, and precise where the score of a unit has changed little, or alike
    for all, since its visit. Worse than `estimate_plain` where it has not; `is_difference_better` tells.

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
        As `variance_of_mean`, or if the two arrays differ in shape, or `visits` or their mean isn't finite.

    Examples
    --------
    >>> estimate_difference([1.0, 2.0], [2.0, 3.0], visits_mean=2.25, n_population=9).value
    1.25
    """
    if not is_usable(visits_mean):
        raise InputError(f"visits_mean must be finite, not {visits_mean}")
    return _estimate(visits_mean, *_change(scores, visits, size), n_population, level)


def _estimate(known: float, z: Array, n: Array, n_population: int, level: float) -> Estimate:
    """Estimate `known` plus the population's mean of `z`."""
    whole = z.size == n_population
    return estimate_from(
        known + mean_by_size(z, n),
        variance_of_mean(z, size=n, n_population=n_population),
        level=level,
        n=int(n.sum()),
        how="exact" if whole else "sampled",
        not_reliable="" if whole else why_not_reliable(z),
    )


def is_difference_better(scores: npt.ArrayLike, visits: npt.ArrayLike, *, size: npt.ArrayLike | None = None) -> bool:
    """Return whether the visit scores make a difference estimate more precise than a plain one, judged on these units.

    Judge on one epoch and use the answer in the next: an estimator chosen on the very sample that it is applied to gives
    intervals that are too narrow.

    Raises
    ------
    InputError
        As `estimate_difference`.
    """
    change, n = _change(scores, visits, size)
    y, _ = _checked(scores, size)
    if y.size < 2:
        return False
    return _spread(change, n) < _spread(y, n)


def _spread(z: Array, n: Array) -> float:
    """Return the sum of squares that `variance_of_mean` rests on."""
    residual = n * (z - np.dot(n, z) / n.sum())
    return float(np.dot(residual, residual))
