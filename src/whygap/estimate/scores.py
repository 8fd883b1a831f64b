"""Which numbers can be estimated from: finite ones, and small enough to be squared and added up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError

Array = npt.NDArray[np.float64]

LARGEST = 1e100
"""No score may be larger in size: variances square them, and floats end at 1e308."""

_ROOM = 1e6  # what is computed from scores, such as a difference of two, may be larger than each of them


def is_usable(scores: npt.ArrayLike) -> bool:
    """Return whether all `scores`, a number or an array, are finite and at most `LARGEST` in size.

    Examples
    --------
    >>> is_usable([0.0, -3.0]), is_usable([0.0, float("nan")]), is_usable(1e200)
    (True, False, False)
    """
    return _is_within(np.asarray(scores, dtype=np.float64), LARGEST)


def check_scores(scores: npt.ArrayLike, what: str = "scores") -> Array:
    """Return `scores` as an array of shape (n,).

    Raises
    ------
    InputError
        If they are empty, not 1-d, not finite, or far larger than `LARGEST`; `what` is their name in the message.
    """
    y = np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or y.size == 0:
        raise InputError(f"{what} must be a non-empty 1-d array, got shape {y.shape}")
    if not _is_within(y, _ROOM * LARGEST):
        raise InputError(f"{what} must be finite and at most {LARGEST:g} in size")
    return y


def _is_within(y: Array, limit: float) -> bool:
    return bool((np.abs(y) <= limit).all())  # not for NaN
