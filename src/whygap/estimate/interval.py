"""From variances to intervals: independent sources of error are added, and the sum gets Student's quantile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from scipy.special import ndtri, stdtrit

from whygap.errors import InputError
from whygap.records import Estimate, How


class Variance(NamedTuple):
    """A variance in squared score units and its degrees of freedom; `df` None means that it is known (or huge)."""

    value: float
    df: float | None = None


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


def add_variances(parts: Iterable[Variance]) -> Variance:
    """Return the variance of a sum of independent errors.

    The degrees of freedom are Satterthwaite's, (sum v)^2 / sum(v^2 / df): Biometrics Bulletin 2 (1946) 110-114,
    doi:10.2307/3002019.

    Examples
    --------
    >>> add_variances([Variance(1.0, 10), Variance(1.0, 10)])
    Variance(value=2.0, df=20.0)
    """
    kept = [v for v in parts if v.value > 0.0]
    total = sum(v.value for v in kept)
    # relative sizes, so that variances near the smallest float don't underflow when squared
    spread = sum((v.value / total) ** 2 / v.df for v in kept if v.df is not None)
    return Variance(total, 1.0 / spread if spread > 1e-12 else None)  # beyond that, Student is normal to the last digit


def estimate_from(
    value: float,
    variance: Variance,
    *,
    level: float = 0.95,
    n: int = 0,
    how: How = "sampled",
    not_reliable: str = "",
    why: str = "",
) -> Estimate:
    """Return `value` with the interval value +- t(level, df) * sqrt(variance).

    Parameters
    ----------
    value : float
        The point estimate, in the score's unit.
    variance : Variance
        Of its error; zero gives an interval of width zero.
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
    se = variance.value**0.5
    df = variance.df if se > 0.0 else None
    half = student_quantile(level, df) * se
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        level=level,
        se=se,
        df=df,
        n=n,
        how=how,
        reliable=not not_reliable,
        why=not_reliable or why,
    )
