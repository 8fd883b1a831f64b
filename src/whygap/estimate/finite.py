"""Means of a finite population from a sample of it, drawn without replacement.

The population is the epoch's batches: what the epoch visited is a fixed, finite list, so that a full pass has no error at all
and a half pass has half the variance that an endless population would give. A unit of the sample is a batch with its `size`
(number of examples) and its mean score; with every size 1 the same formulas are the textbook ones for single examples.
Source: Cochran, Sampling Techniques (1977), chapters 2 (plain), 5 (strata), 6 (ratio) and 7 (difference, regression).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.estimate.design import Design
from whygap.estimate.interval import Moments, add_moments, estimate_from
from whygap.estimate.scores import Array, check_scores, is_usable
from whygap.estimate.trust import why_not_reliable
from whygap.records import Estimate


def estimate_plain(
    scores: npt.ArrayLike, *, size: npt.ArrayLike | None = None, n_population: int, level: float = 0.95
) -> Estimate:
    """Estimate the population's mean score by the sample's mean.

    Answers "what would a full pass give?"; says nothing of units outside the population. The variance is
    (1 - u/U) * s^2 / u, with sizes the linearised one of a ratio.

    Parameters
    ----------
    scores : array of shape (u,)
        Mean score of every sampled unit.
    size : array of shape (u,), optional
        Examples in every unit; 1 each by default.
    n_population : int
        U, the number of units in the population, at least u.
    level : float
        Nominal coverage of the interval: Student's, corrected for skewness (`reach`).

    Raises
    ------
    InputError
        If `scores` is empty, not 1-d or not finite, a size isn't positive, `n_population` is below u, or one unit
        was sampled of several.

    Examples
    --------
    >>> estimate_plain([1.0, 3.0], n_population=2).low
    2.0
    """
    y, n = _checked(scores, size, n_population)
    return _estimate(0.0, y, n, n_population, level)


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
    for all, since its visit. Up to several times worse than `estimate_plain` where a network memorises at a high rate. The same
    formula is known as prediction-powered inference; here the population is finite, so that `visits_mean` has no error.

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
        As `estimate_plain`, or if the two arrays differ in shape, or `visits` or their mean isn't finite.

    Examples
    --------
    >>> estimate_difference([1.0, 2.0], [2.0, 3.0], visits_mean=2.25, n_population=9).value
    1.25
    """
    if not is_usable(visits_mean):
        raise InputError(f"visits_mean must be finite, not {visits_mean}")
    y, n = _checked(scores, size, n_population)
    s = check_scores(visits, "visits")
    if s.shape != y.shape:
        raise InputError(f"visits must have the shape of scores, {y.shape}, got {s.shape}")
    return _estimate(visits_mean, y - s, n, n_population, level)


def estimate_regression(
    scores: npt.ArrayLike,
    known: npt.ArrayLike,
    *,
    known_mean: npt.ArrayLike,
    size: npt.ArrayLike | None = None,
    n_population: int,
    level: float = 0.95,
) -> Estimate:
    """Estimate the population's mean score by its regression on things that are known of every unit.

    mean(scores) + b . (known_mean - mean(known)), b by least squares on the sample: the visit's loss, the position in the
    epoch, the loss at the end of the epoch before. In survey sampling it is the generalised regression estimator, elsewhere
    PPI++. At worst, where nothing known helps, it is about as good as `estimate_plain`; its bias is of order 1/u. The variance
    is that of the residuals under the weights that the regression amounts to, each enlarged by its leverage, with at most
    u - 1 - c degrees of freedom: a sample that is off in what is known has the wider interval.

    Parameters
    ----------
    scores : array of shape (u,)
        Mean score of every sampled unit.
    known : array of shape (u,) or (u, c)
        What is known of the same units.
    known_mean : float or array of shape (c,)
        Its mean over the whole population, weighted by size.
    size, n_population, level
        As in `estimate_plain`.

    Raises
    ------
    InputError
        As `estimate_plain`; if shapes don't fit or what is known isn't finite; or with fewer than c + 3 units of several.

    Examples
    --------
    >>> x = np.arange(5.0)
    >>> round(estimate_regression(2.0 * x + 1.0, x, known_mean=10.0, n_population=99).value, 9)
    21.0
    """
    y, n = _checked(scores, size, n_population)
    x, target = np.asarray(known, dtype=np.float64), np.atleast_1d(np.asarray(known_mean, dtype=np.float64))
    x = x.reshape(x.shape[0], -1) if x.ndim else x.reshape(1, 1)
    if x.shape != (y.size, target.size):
        raise InputError(f"known must have shape (u, c) = ({y.size}, {target.size}), got {x.shape}")
    if not (is_usable(x) and is_usable(target)):
        raise InputError("what is known must be finite")
    if y.size < min(target.size + 3, n_population):
        raise InputError(f"{y.size} units are too few for a regression on {target.size}")
    return _estimate(0.0, y, n, n_population, level, _design(n, n_population, x, target))


def estimate_stratified(
    scores: npt.ArrayLike, stratum: npt.ArrayLike, *, n_population: npt.ArrayLike, level: float = 0.95
) -> Estimate:
    """Estimate the population's mean score from a sample in strata: by time, or by the loss at the visit.

    sum(N_h / N * mean_h), with the variance sum((N_h / N)^2 (1 - n_h / N_h) s_h^2 / n_h). Strata by the visit's loss help where
    that tells the present one, and mislead the interval where a network memorises: the rare large losses then sit in strata in
    which the sample holds none.

    Parameters
    ----------
    scores : array of shape (n,)
        One score per sampled example.
    stratum : array of shape (n,)
        The stratum of each, 0 to H - 1.
    n_population : array of shape (H,)
        Examples in every stratum of the population.
    level : float
        Nominal coverage.

    Raises
    ------
    InputError
        If scores aren't finite, shapes don't fit, a stratum with several examples has fewer than two sampled, or more sampled
        than it holds.

    Examples
    --------
    >>> estimate_stratified([1.0, 1.0, 4.0, 4.0], [0, 0, 1, 1], n_population=[30, 10]).value
    1.75
    """
    y, at, total = check_scores(scores), np.asarray(stratum), np.asarray(n_population, dtype=np.float64)
    if at.shape != y.shape or not np.issubdtype(at.dtype, np.integer) or at.min() < 0 or at.max() >= total.size:
        raise InputError(f"stratum must hold an index below {total.size} for each of the {y.size} scores")
    counts = np.bincount(at, minlength=total.size)
    if not ((counts <= total) & (counts >= np.minimum(total, 2))).all():
        raise InputError("every stratum needs at least two sampled, or all that it holds, and no more than that")
    share, value, parts = total / total.sum(), 0.0, list[Moments]()
    for h in np.flatnonzero(total):
        inside = _design(np.ones(counts[h]), int(total[h]))
        value += float(share[h]) * inside.mean(y[at == h])
        error = inside.error(y[at == h])
        parts.append(Moments(error.variance * share[h] ** 2, error.df, error.third * share[h] ** 3))
    moments = add_moments(parts)
    whole = bool((counts == total).all())
    return estimate_from(
        value,
        moments,
        level=level,
        n=y.size,
        how="exact" if whole else "sampled",
        not_reliable="" if whole else why_not_reliable(y, moments),
    )


def _checked(scores: npt.ArrayLike, size: npt.ArrayLike | None, n_population: int) -> tuple[Array, Array]:
    y = check_scores(scores)
    n = np.ones_like(y) if size is None else np.asarray(size, dtype=np.float64)
    if n.shape != y.shape or not (n > 0).all() or not is_usable(n):
        raise InputError(f"size must be positive and of the shape of scores, {y.shape}, got shape {n.shape}")
    if y.size == 1 < n_population:
        raise InputError(f"one unit of {n_population} gives no variance: sample at least two")
    if n_population < y.size:
        raise InputError(f"a sample of {y.size} units can't come from a population of {n_population}")
    return y, n


def _design(size: Array, n_population: int, known: Array | None = None, known_mean: Array | None = None) -> Design:
    """Describe a simple random sample of whole units."""
    u = size.size
    return Design(
        weight=size / size.sum(),
        fraction=np.full(u, u / n_population),
        size=np.ones(u),
        unit=np.arange(u),
        known=np.zeros((u, 0)) if known is None else known,
        known_mean=np.zeros(0) if known_mean is None else known_mean,
    )


def _estimate(known: float, z: Array, n: Array, n_population: int, level: float, design: Design | None = None) -> Estimate:
    """Estimate `known` plus the population's mean of `z`."""
    design = design or _design(n, n_population)
    error, whole = design.error(z), design.is_whole
    return estimate_from(
        known + design.mean(z),
        error,
        level=level,
        n=int(n.sum()),
        how="exact" if whole else "sampled",
        not_reliable="" if whole else why_not_reliable(z, error),
    )
