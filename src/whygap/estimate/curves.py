"""Curves as logs hold them, made fit for arithmetic: what is no usable number, and which way is up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whygap.estimate.scores import LARGEST

Array = npt.NDArray[np.float64]


def finite(values: npt.ArrayLike) -> Array:
    """Return a copy with NaN for what isn't finite or is larger in size than `LARGEST`.

    Examples
    --------
    >>> finite([1.0, float("inf"), 1e200])
    array([ 1., nan, nan])
    """
    y = np.array(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        y[~(np.abs(y) <= LARGEST)] = np.nan
    return y


def perfect(score: Array) -> float:
    """Return what a perfect score is where higher is better: 1 of a fraction, 100 of a percentage, 0 where that isn't known.

    Examples
    --------
    >>> perfect(np.array([0.5, 0.9])), perfect(np.array([50.0, 90.0])), perfect(np.array([-3.0, 2.0]))
    (1.0, 100.0, 0.0)
    """
    seen = score[~np.isnan(score)]
    if seen.size == 0 or seen.min() < 0.0 or seen.max() > 100.0:
        return 0.0
    return 1.0 if seen.max() <= 1.0 else 100.0


def mean_around(y: Array, reach: int) -> Array:
    """Return the mean over each point and the `reach` points on either side, as far as there are any.

    Examples
    --------
    >>> mean_around(np.array([0.0, 1.0, 5.0]), 1)
    array([0.5, 2. , 3. ])
    """
    total = np.concatenate([[0.0], np.cumsum(y)])
    at = np.arange(y.size)
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, y.size)
    mean: Array = (total[high] - total[low]) / (high - low)
    return mean
