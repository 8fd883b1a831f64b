"""How many different examples there are behind those that were seen, told by how many came again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from scipy.optimize import brentq, minimize_scalar
from scipy.special import gammaln, ndtri

from whygap.errors import InputError

LARGEST = 1e18
"""Beyond it nothing is told apart."""


class PoolSize(NamedTuple):
    """An estimate of a number of examples with its interval; infinite where nothing came again, and `low` then bounds it."""

    value: float
    low: float
    high: float


def estimate_pool_size(
    distinct: int, samples: Sequence[int] = (), *, singles: int = 0, level: float = 0.95, kept: float = 1.0
) -> PoolSize:
    """Estimate the size of a set from how many distinct examples some samples from it show together.

    Within a sample no example is drawn twice; the samples are drawn independently of each other, each example with the same
    chance. Draws with replacement are samples of one. With k examples, D distinct ones and samples of n_1, n_2, ..., the
    likelihood is, up to what doesn't depend on k,

        k! / (k - D)!  *  product of (k - n_i)! / k!

    Examples that are favoured make the estimate too small: it is the size of a set of equals that repeats as much.

    Parameters
    ----------
    distinct : int
        Distinct examples seen.
    samples : sequence of int
        Sizes of the samples.
    singles : int
        Further samples, of one example each.
    level : float
        Of the interval.
    kept : float
        The share of all examples that was looked at at all, in (0, 1]; the estimate is for all of them.

    Returns
    -------
    PoolSize
        The maximum of the likelihood, and the sizes whose likelihood isn't too far below it, by its ratio, with half a distinct
        example less and more, as counts go in steps; without any repeat, the size from which on one was less likely than
        `level`.

    Raises
    ------
    InputError
        If the samples can't have shown so many distinct examples.

    Examples
    --------
    >>> size = estimate_pool_size(14, [10, 10])  # 6 of 10 marked fish came again: Lincoln and Petersen say 10 * 10 / 6
    >>> round(size.value, 1)
    16.1

    Sources
    -------
    Samples: Darroch 1958, doi 10.1093/biomet/45.3-4.343. Draws with replacement: Lewontin and Prout 1956, doi 10.2307/3001754.
    """
    sizes = [m for m in samples if m > 0]
    n = sum(sizes) + singles
    if not 0 < distinct <= n or max(sizes, default=0) > distinct:
        raise InputError(f"{distinct} distinct examples can't come from samples of {n} in all")
    wider = math.sqrt((1.0 - kept) / distinct)  # relative: which of the examples were looked at is random too
    z = float(ndtri(0.5 + level / 2.0))

    def likelihood(k: float, d: float = float(distinct)) -> float:
        alone = math.fsum(_log_share_of_orders(k, m) for m in sizes)  # a single one is always different from itself: 0
        return (d - n) * math.log(k) + _log_share_of_orders(k, d) - alone

    def likeliest(d: float) -> float:
        edge, top = math.log(d), math.log(LARGEST)
        found = minimize_scalar(lambda t: -likelihood(math.exp(t), d), bounds=(edge, top), method="bounded")
        return d if likelihood(d, d) >= likelihood(math.exp(found.x), d) else math.exp(found.x)

    edge = float(distinct)
    if distinct == n:
        target = math.log(1.0 - level)
        low = edge if likelihood(edge) >= target else _crossing(lambda k: likelihood(k) - target, edge, LARGEST)
        return PoolSize(math.inf, max(edge, low * math.exp(-z * wider) / kept), math.inf)
    best = likeliest(edge)
    fewer, more = max(edge - 0.5, max(sizes, default=1)), edge + 0.5
    at_fewer, at_more = likeliest(fewer), likeliest(more)
    target = likelihood(at_fewer, fewer) - z * z / 2.0
    is_free = likelihood(fewer, fewer) >= target
    low = fewer if is_free else _crossing(lambda k: likelihood(k, fewer) - target, fewer, at_fewer)
    target = likelihood(at_more, more) - z * z / 2.0
    is_free = likelihood(LARGEST, more) >= target
    high = math.inf if is_free else _crossing(lambda k: likelihood(k, more) - target, at_more, LARGEST)
    down, up = (math.hypot(math.log(bound / best), z * wider) for bound in (max(low, edge), max(high, best)))
    return PoolSize(best / kept, max(edge, best * math.exp(-down) / kept), best * math.exp(up) / kept)


def _crossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function of the size changes its sign, searched for on a logarithmic scale."""
    return math.exp(brentq(lambda t: function(math.exp(t)), math.log(low), math.log(high), xtol=1e-12))


def _log_share_of_orders(k: float, m: float) -> float:
    """Return the logarithm of k (k - 1) ... (k - m + 1) / k**m, the chance that m draws from k are all different.

    Without k**m, which cancels from a likelihood, nothing large is subtracted; by Stirling's series where that holds.
    """
    rest = k - m
    if rest < 1e4:
        return float(gammaln(k + 1.0) - gammaln(rest + 1.0)) - m * math.log(k)
    return -(rest + 0.5) * math.log1p(-m / k) - m + (1.0 / k - 1.0 / rest) / 12.0
