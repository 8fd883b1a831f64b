"""The spread of a few units, told besides by those of epochs before: four differences alone tell a variance to a factor of two.

From one epoch to the next the spread of what a difference leaves changes little, or shrinks as training settles. So the squares
of several epochs are put together, the older ones weighing less, and an epoch that stands out against those before it stands
for itself: Bancroft's preliminary test, Annals of Mathematical Statistics 15 (1944) 190-204.

Where the spread grows steadily, or leaps and the few differences happen to hide it, the interval holds less often than it says:
tests/estimate/test_spread.py counts how often.
"""

from __future__ import annotations

from scipy.special import fdtri

from whygap.estimate.interval import Moments

KEPT = 0.5
"""Weight of an epoch's degrees of freedom against those of the one after it."""

LARGER = 0.9
"""Quantile of Fisher's ratio beyond which a spread is another one than it was."""


def pool_spread(own: Moments, before: Moments) -> Moments:
    """Return an epoch's mean square together with that of epochs before it; its own where that is larger than chance has it.

    Parameters
    ----------
    own : Moments
        `variance` is the mean square of the epoch's units, `df` its degrees of freedom.
    before : Moments
        The same as `remember_spread` has it of the epochs before.

    Examples
    --------
    >>> pool_spread(Moments(2.0, 4.0), Moments(1.0, 12.0))
    Moments(variance=1.25, df=16.0, third=0.0)
    >>> pool_spread(Moments(9.0, 4.0), Moments(1.0, 12.0))
    Moments(variance=9.0, df=4.0, third=0.0)
    """
    if not before.df or not own.df:
        return own
    if own.variance > float(fdtri(own.df, before.df, LARGER)) * before.variance:
        return own
    return _together(own, own.df, before, before.df)


def remember_spread(before: Moments | None, own: Moments) -> Moments | None:
    """Return what the next epoch is told: the mean squares so far, those of earlier epochs weighing less."""
    if not own.df:
        return before
    return own if before is None or not before.df else _together(own, own.df, before, KEPT * before.df)


def _together(a: Moments, df_a: float, b: Moments, df_b: float) -> Moments:
    df = df_a + df_b
    return Moments((a.variance * df_a + b.variance * df_b) / df, df)
