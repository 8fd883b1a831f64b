"""When an interval for a mean can't be trusted: too few scores, too skewed, or with no spread to judge by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from whygap.estimate.interval import Moments
from whygap.estimate.scores import check_scores

FEWEST = 5
"""Below this many units a Student interval rests on too little to be shown as reliable."""

MOST_SKEWED = 0.6
"""Beyond this skewness of a mean's error the sample's own third moment is too uncertain to correct for. In Cochran's rule,
n >= 25 g1^2 (Sampling Techniques, section 2.15), which Student's interval needs, it is 0.2; benchmarks/coverage.py counts both.
"""

RAREST = 10
"""Where nearly all scores, or changes of scores, are zero, the others are rare events, and of fewer the spread is luck."""

MINOR = 0.1
"""A part of a variance below this share can be a few times too small before the sum's interval is a tenth too narrow."""

MISSED = 1000
"""One in so many samples of a well-behaved population is doubted for missing what others hold."""


def skewness(scores: npt.ArrayLike) -> float:
    """Return the sample skewness g1 (no unit); 0 where all scores are equal or there are fewer than three.

    Raises
    ------
    InputError
        If `scores` is empty, not 1-d or not finite.

    Examples
    --------
    >>> skewness([0.0, 0.0, 0.0, 4.0]) > 1
    True
    """
    y = check_scores(scores)
    if y.size < 3 or np.ptp(y) == 0.0:
        return 0.0
    centred = y - y.mean()
    centred /= np.abs(centred).max()  # cubes of huge or tiny losses would leave the range of floats
    return float(np.mean(centred**3) / np.mean(centred**2) ** 1.5)


def why_not_reliable(scores: npt.ArrayLike, error: Moments) -> str:
    """Return why the interval that `error` gives for a mean can't be trusted, or an empty string.

    Parameters
    ----------
    scores : array of shape (n,)
        Of the units that the mean was estimated from.
    error : Moments
        Of that mean.

    Fewer than `FEWEST` units say too little of how far they spread. Equal scores, such as the accuracy of a sample without a
    mistake, say nothing of the unseen ones. And an error as skewed as `MOST_SKEWED` comes from a few large scores that carry
    the mean; a sample that happens to miss their like can't know of them.

    Raises
    ------
    InputError
        As `skewness`.
    """
    y = check_scores(scores)
    if y.size < FEWEST:
        return f"{y.size} sampled, and an interval wants at least {FEWEST}"
    if np.ptp(y) == 0.0:
        return f"all {y.size} sampled are equal, which leaves no spread to judge by"
    changed = y[y != 0.0]
    if changed.size < min(RAREST, 0.05 * y.size) and np.ptp(changed) > 0.0:
        return f"only {changed.size} of {y.size} sampled differ from zero, and each by its own amount: that wants {RAREST}"
    if abs(error.skew) > MOST_SKEWED:
        return f"a few scores carry the mean: its error's skewness is {error.skew:.2f}, beyond {MOST_SKEWED}"
    return ""


def why_not_representative(sampled: npt.ArrayLike, everything: npt.ArrayLike) -> str:
    """Return why a sample, shape (u,), of known scores, shape (U,), can't stand for all of them, or an empty string.

    A difference estimate rests on how far the scores of the sample have changed since the visits. Where a few batches at the
    start of an epoch have changed far more than all others, most samples miss them and get an interval that is far too narrow.
    The recorded scores tell, as they are known for all. Doubted is what spreads less than one normal sample in `MISSED`.

    Raises
    ------
    InputError
        As `skewness`.

    Examples
    --------
    >>> why_not_representative([1.0, 1.1, 0.9, 1.0, 1.1], [9.0] * 10 + [1.0, 1.1, 0.9, 1.0, 1.1] * 20)
    'the recorded scores of the sampled batches spread by 0.084, those of all by 2.3'
    """
    y, known = check_scores(sampled), check_scores(everything)
    u, spread = y.size, float(known.std())
    if u < 2 or np.ptp(known) == 0.0:
        return ""
    least = (
        2.0 * float(gammaincinv((u - 1) / 2, 1.0 / MISSED)) / (u - 1)
    )  # a quantile of chi-square over its degrees of freedom
    if float(y.var(ddof=1)) >= least * spread**2:
        return ""
    return f"the recorded scores of the sampled batches spread by {y.std(ddof=1):.2g}, those of all by {spread:.2g}"


def is_minor(part: Moments, total: Moments) -> bool:
    """Return whether `part` is so small a share of `total` that a doubt about it is none about the sum.

    The interval of a gap holds even where a network has memorised and its training losses alone are too skewed: validation
    noise dominates just there. A part that rests on fewer than `FEWEST` units may be of any size and is never minor.

    Examples
    --------
    >>> is_minor(Moments(0.01, 15), Moments(1.0, 999)), is_minor(Moments(0.0, 0), Moments(1.0, 999))
    (True, False)
    """
    return (part.df is None or part.df >= FEWEST - 1) and part.variance < MINOR * total.variance
