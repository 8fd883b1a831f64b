"""An interval for the mean of bounded scores that holds whatever their distribution: for samples too odd for Student's."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.estimate.scores import check_scores
from whygap.records import Estimate

GRID = 2000
"""Candidate means that are put to the test; the interval is rounded outwards to the next of them."""


def estimate_bounded(
    scores: npt.ArrayLike, *, lowest: float = 0.0, highest: float = 1.0, n_population: int, level: float = 0.95
) -> Estimate:
    """Estimate the population's mean of scores that lie between two bounds: accuracy, soft error, a clipped loss.

    A gambler bets against each candidate mean, for and against, with stakes that only past scores decide; a mean against which
    the stake grows past 2 / (1 - level) is out. The interval holds for every distribution and every sample size, also where all
    sampled scores are equal, and is wider than Student's where that holds too. Drawing without replacement is made use of.

    Parameters
    ----------
    scores : array of shape (n,)
        In the order in which they were drawn, which must be random.
    lowest, highest : float
        The bounds.
    n_population : int
        Examples in the population, at least n.
    level : float
        Coverage, at least that.

    Raises
    ------
    InputError
        If a score isn't finite or outside the bounds, or there are more scores than the population has.

    Notes
    -----
    Time and memory are of order n times 2,000. Source: Waudby-Smith and Ramdas, J. R. Stat. Soc. B 86 (2024) 1-27,
    arXiv:2010.09686, sections 4.4 and 5.

    Examples
    --------
    >>> e = estimate_bounded(np.ones(100), n_population=10**6)
    >>> round(e.low, 2), e.high
    (0.93, 1.0)
    """
    y = check_scores(scores)
    if not lowest < highest or y.min() < lowest or y.max() > highest:
        raise InputError(f"scores must lie between lowest and highest, {lowest:g} and {highest:g}")
    n = y.size
    if n_population < n:
        raise InputError(f"a sample of {n} can't come from a population of {n_population}")
    if not 0.0 < level < 1.0:
        raise InputError(f"level must be between 0 and 1, not {level}")
    value = float(y.mean())
    if n == n_population:
        return Estimate(value=value, low=value, high=value, level=level, n=n, how="exact")
    x = (y - lowest) / (highest - lowest)
    before = np.concatenate([[0.0], np.cumsum(x)[:-1]])
    drawn = np.arange(n)
    mean = (0.5 + before) / (drawn + 1.0)
    square = np.concatenate([[0.0], np.cumsum((x - mean) ** 2)[:-1]])
    variance = (0.25 + square) / (drawn + 1.0)
    stake = np.sqrt(2.0 * math.log(2.0 / (1.0 - level)) / (n * variance))
    candidates = np.linspace(0.0, 1.0, GRID + 1)
    # what is left in the population has this mean if the candidate is the mean of all
    rest = (n_population * candidates[:, None] - before) / (n_population - drawn)
    possible = ((rest >= 0.0) & (rest <= 1.0)).all(axis=1)
    rest = np.clip(rest, 1e-12, 1.0 - 1e-12)
    up = np.log1p(np.minimum(stake, 0.5 / rest) * (x - rest)).sum(axis=1)
    down = np.log1p(-np.minimum(stake, 0.5 / (1.0 - rest)) * (x - rest)).sum(axis=1)
    kept = np.flatnonzero(possible & (np.maximum(up, down) < math.log(2.0 / (1.0 - level))))
    step, scale = 1.0 / GRID, highest - lowest
    centre = float(x.mean())
    # what is kept may lie between two neighbouring candidates
    low, high = (float(candidates[kept[0]]), float(candidates[kept[-1]])) if kept.size else (centre, centre)
    total = float(x.sum())  # and all that wasn't drawn may be at either bound, but not beyond
    low, high = max(total / n_population, low - step), min((total + n_population - n) / n_population, high + step)
    low, high = min(low, centre), max(high, centre)
    return Estimate(
        value=value, low=lowest + scale * low, high=lowest + scale * high, level=level, n=n, how="bounded", why="bounded scores"
    )
