"""From the moments of an error to an interval: independent errors add up, and a skewed sum gets an interval that leans.

The losses of a network that has memorised its examples are skewed, and Student's interval for their mean misses on the side of
the long tail: it must reach further there, and may reach less far on the other. Garwood's interval, Biometrika 28 (1936)
437-442, serves for both. benchmarks/coverage.py counts what it is worth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from scipy.special import gammainccinv, gammaincinv, ndtr, ndtri, stdtrit

from whygap.errors import InputError
from whygap.records import Estimate, How


class Moments(NamedTuple):
    """Of an error with mean zero: its variance and third moment in score units, squared and cubed.

    `df` are the degrees of freedom of the variance; None means that it is known (or huge).
    """

    variance: float
    df: float | None = None
    third: float = 0.0

    @property
    def skew(self) -> float:
        """The third moment in standard errors, without unit; 0 where there is no error."""
        return (math.cbrt(self.third) / math.sqrt(self.variance)) ** 3 if self.variance > 0.0 else 0.0

    def __neg__(self) -> Moments:
        return Moments(self.variance, self.df, -self.third)


def student_quantile(level: float, df: float | None) -> float:
    """Return the two-sided Student quantile: the half-width of an interval in standard errors.

    Parameters
    ----------
    level : float
        Coverage, strictly between 0 and 1.
    df : float or None
        Degrees of freedom, above 0; None for the normal distribution.

    Raises
    ------
    InputError
        If `level` isn't strictly between 0 and 1, or `df` isn't positive.

    Examples
    --------
    >>> round(student_quantile(0.95, 15), 3), round(student_quantile(0.95, None), 3)
    (2.131, 1.96)
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"level must be between 0 and 1, not {level}")
    if df is None:
        return float(ndtri(0.5 + level / 2))
    if not df > 0:
        raise InputError(f"degrees of freedom must be above 0, not {df}")
    # scipy.special rather than scipy.stats: the same quantile, and much less to import.
    return float(stdtrit(df, 0.5 + level / 2))


def reach(level: float, df: float | None, skew: float = 0.0) -> tuple[float, float]:
    """Return how far an interval reaches below and above its estimate, in standard errors.

    A mean that a few large scores carry behaves like the count k of a Poisson variable, of which 1 / sqrt(k) is the skewness.
    So with g the skewness of the error the interval is Garwood's for k = 1 / g^2, in standard errors: from the quantile of a
    gamma distribution of shape k to that of shape k + 1. A sample tells too small a skewness where it is large, for it may have
    missed what is rarest; the long side is taken at g (1 + g). Without skew both sides are Student's quantile.

    Parameters
    ----------
    level, df
        As in `student_quantile`.
    skew : float
        g, the skewness of the error of the estimate (not of single scores: of n of those the mean has skewness g1 / sqrt(n)).

    Raises
    ------
    InputError
        As `student_quantile`.

    Examples
    --------
    >>> below, above = reach(0.95, None, skew=0.5)
    >>> round(below, 2), round(above, 2)
    (1.46, 3.82)
    """
    q = student_quantile(level, df)
    z, further, g = min(q, _FARTHEST), max(q / _FARTHEST, 1.0), abs(skew)
    if g < _TINY_SKEW:
        short, long = z - g * (z**2 - 1.0) / 3.0, z + g * (z**2 + 2.0) / 3.0
    else:
        tail, k, wider = ndtr(-z), g**-2.0, g * (1.0 + g)
        short = g * (k - float(gammaincinv(k, tail)))
        long = wider * (float(gammainccinv(wider**-2.0 + 1.0, tail)) - wider**-2.0)
    short, long = short * further, long * further
    return (short, long) if skew > 0.0 else (long, short)


_FARTHEST = 30.0  # standard errors beyond which tails leave the range of floats; one or two degrees of freedom reach as far
_TINY_SKEW = 1e-3  # below it the first terms of an expansion do, and the quantiles of so large a shape would lose digits


def add_moments(parts: Iterable[Moments]) -> Moments:
    """Return the moments of a sum of independent errors.

    The degrees of freedom are Satterthwaite's, (sum v)^2 / sum(v^2 / df): Biometrics Bulletin 2 (1946) 110-114,
    doi:10.2307/3002019.

    Examples
    --------
    >>> add_moments([Moments(1.0, 10), Moments(1.0, 10)])
    Moments(variance=2.0, df=20.0, third=0.0)
    """
    kept = [v for v in parts if v.variance > 0.0]
    total = sum(v.variance for v in kept)
    # relative sizes, so that variances near the smallest float don't underflow when squared
    spread = sum((v.variance / total) ** 2 / v.df for v in kept if v.df is not None)
    df = 1.0 / spread if spread > 1e-12 else None  # beyond that, Student is normal to the last digit
    return Moments(total, df, float(sum(v.third for v in kept)))


def estimate_from(
    value: float,
    moments: Moments,
    *,
    level: float = 0.95,
    n: int = 0,
    how: How = "sampled",
    not_reliable: str = "",
    why: str = "",
) -> Estimate:
    """Return `value` with the interval that the moments of its error give.

    Parameters
    ----------
    value : float
        The point estimate, in the score's unit.
    moments : Moments
        Of estimate - truth; a variance of zero gives an interval of width zero.
    level : float
        Nominal coverage.
    n : int
        Number of examples evaluated.
    how : str
        How it was obtained, one of `records.How`.
    not_reliable : str
        Why the interval can't be trusted; empty where it can.
    why : str
        What else to say about the value.

    Raises
    ------
    InputError
        As `student_quantile`.
    """
    se = moments.variance**0.5
    df = moments.df if se > 0.0 else None
    below, above = reach(level, df, moments.skew)
    return Estimate(
        value=value,
        low=value - below * se,
        high=value + above * se,
        level=level,
        se=se,
        df=df,
        skew=moments.skew,
        n=n,
        how=how,
        reliable=not not_reliable,
        why=not_reliable or why,
    )
