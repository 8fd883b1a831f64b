"""Errors that a full pass doesn't remove: a validation set is itself a sample."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.estimate.interval import Moments
from whygap.estimate.scores import check_scores, is_usable


def error_of_draw(scores: npt.ArrayLike, *, rows: npt.ArrayLike | None = None) -> Moments:
    """Return the moments of the mean of independently drawn examples: how far another set of that size would move it.

    Parameters
    ----------
    scores : array of shape (m,)
        One score per example, or means of batches of them; with m = 1 the variance is unknown and given as zero with zero
        degrees of freedom.
    rows : array of shape (m,), optional
        Examples behind each of `scores`; 1 each by default. The mean is weighted by them.

    Raises
    ------
    InputError
        If `scores` is empty, not 1-d or not finite, or the rows don't fit or aren't positive.

    Examples
    --------
    >>> error_of_draw([1.0, 3.0]).variance
    1.0
    """
    y = check_scores(scores)
    n = np.ones_like(y) if rows is None else np.asarray(rows, dtype=np.float64)
    if n.shape != y.shape or not (is_usable(n) and (n > 0).all()):
        raise InputError(f"rows must be positive and of the shape of scores, {y.shape}, got shape {n.shape}")
    m = y.size
    if m == 1:
        return Moments(0.0, 0.0)
    weight = n / n.sum()
    y = y - y[0]  # equal scores then have no spread at all
    shock = weight * (y - weight @ y)
    third = float(shock @ (shock * shock)) * m**2 / ((m - 1.0) * (m - 2.0)) if m > 2 else 0.0
    return Moments(float(shock @ shock) * m / (m - 1.0), float(m - 1), third)
