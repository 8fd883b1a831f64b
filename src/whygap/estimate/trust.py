"""When an interval for a mean can't be trusted: the scores are too skewed for so few of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FEWEST = 5
"""Below this many units a Student interval rests on too little to be shown as reliable."""


def skewness(scores: npt.ArrayLike) -> float:
    """Return the sample skewness g1 (no unit); 0 where all scores are equal or there are fewer than three.

    Examples
    --------
    >>> skewness([0.0, 0.0, 0.0, 4.0]) > 1
    True
    """
    y = np.asarray(scores, dtype=np.float64)
    if y.size < 3:
        return 0.0
    centred = y - y.mean()
    scale = float(np.abs(centred).max())
    if scale == 0.0:
        return 0.0
    centred = centred / scale  # cubes of huge or tiny losses would leave the range of floats
    return float(np.mean(centred**3) / np.mean(centred**2) ** 1.5)


def why_not_reliable(scores: npt.ArrayLike) -> str:
    """Return why a Student interval for the mean of `scores`, shape (n,), can't be trusted, or an empty string.

    Cochran's rule: n should be at least 25 g1^2 (Sampling Techniques, 1977, section 2.15). The losses of a network that has
    memorised most of its examples break it: a few large ones carry the mean.
    """
    y = np.asarray(scores, dtype=np.float64)
    if y.size < FEWEST:
        return f"{y.size} sampled, and an interval wants at least {FEWEST}"
    needed = 25.0 * skewness(y) ** 2
    if y.size < needed:
        return f"skewness {skewness(y):.1f} wants n >= {needed:.0f}, sampled {y.size}"
    return ""
