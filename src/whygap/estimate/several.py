"""Many tests at once: what each is worth when any of them may come out by chance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError


def holm(p: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return p-values that pay for there being many of them.

    Whoever calls a test significant where the returned value is at most alpha makes even one false call with a probability of
    at most alpha, however the tests depend on one another.

    Parameters
    ----------
    p : array of shape (k,)
        0 to 1, one for each test.

    Raises
    ------
    InputError
        If `p` isn't 1-d, or has a value outside 0 to 1.

    Notes
    -----
    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979) 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    each = np.asarray(p, dtype=np.float64)
    if each.ndim != 1 or not ((each >= 0.0) & (each <= 1.0)).all():
        raise InputError("p-values must be a 1-d array of numbers from 0 to 1")
    order = np.argsort(each)
    adjusted = np.empty_like(each)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(each[order] * np.arange(each.size, 0, -1)))
    return adjusted
