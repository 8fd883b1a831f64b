"""Where the training examples come from: made anew, a set that every epoch shows, or draws from a pool."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import bdtrc

from whygap.audit.pool_size import PoolSize, estimate_pool_size
from whygap.audit.tally import Tallied
from whygap.records import Regime

ENOUGH = 15
"""Repeats within epochs that draws with replacement must make probable before their absence says anything."""

FEW = 1 / 4
"""Of those: with fewer, the epochs are passes through a set that holds a few examples twice."""

BY_CHANCE = 1e-6
"""Probability below which repeats across workers aren't chance; there may be thousands of runs."""

EVEN = 1.1
"""Ratio of pairs of presentations of one example to what equal chances give, up to which chances count as equal."""

SURELY = 5.0
"""Standard errors by which that ratio must lie above 1 besides."""

SAME = 0.99
"""Share of an epoch's first examples that must be those of the first epoch, at the same place."""

FEWEST_IN_ORDER = 8
"""Examples by which an order can be told."""

ENDLESS_LEVEL = 0.999
"""With this probability a set as small as an epoch would have shown an example again, before examples are called fresh."""

FAR_BEYOND = 100
"""Where nobody knows how many examples an epoch has, a set is taken for endless that is so many times what was looked at."""


class Source(NamedTuple):
    """Where the examples come from: `n` presentations of `distinct` examples, and how those that came again did so.

    `pool` is the size of the set behind them. `has_copies` says that workers presented each other's examples.
    """

    regime: Regime
    n: int
    distinct: int
    within: int
    across_workers: int
    across_epochs: int
    pool: PoolSize
    has_copies: bool
    is_same_order: bool


def tell_source(tallied: Tallied, visits: Sequence[int] | None = None) -> Source:
    """Tell the regime from the histories of the examples.

    Parameters
    ----------
    tallied : Tallied
        With at least one presentation. Those looked at may be a random part of all, the same share of each example's.
    visits : sequence of int, optional
        Presentations in each epoch, looked at or not; None where it isn't known how many there would have been.

    Returns
    -------
    Source
        "fresh": nothing came again, and a set as small as an epoch would have shown it. "once": examples come again in other
        epochs and hardly ever within one. "pool": they come again at all distances alike, each with the same chance. "uneven":
        some do far more often than others. "cannot_tell": too little was seen.
    """
    h = tallied.histories
    n, epochs = int(h.times.sum(dtype=np.int64)), h.n_epochs
    within, across_workers = int(h.again.sum(dtype=np.int64)), int(h.across_sources.sum())
    across_epochs = int(epochs.sum()) - h.n
    has_copies = _is_beyond_chance(across_workers, within + across_workers, tallied.n_sources)
    seen = [int(np.count_nonzero(h.epochs >> e & 1)) for e in range(len(tallied.presentations))]
    is_same_order = _is_same_order(tallied)
    regime: Regime
    if is_same_order and visits is not None and sum(visits) > tallied.n and not has_copies:
        # an epoch is the set; of one order, the parts looked at aren't drawn independently of each other
        size = float(max(visits))
        regime, pool = "once", PoolSize(size, size, size)
    else:
        regime, pool = _regime(tallied, n, seen, within + across_workers, visits)
    return Source(
        regime="cannot_tell" if has_copies else regime,
        n=n,
        distinct=h.n,
        within=within,
        across_workers=across_workers,
        across_epochs=across_epochs,
        pool=pool,
        has_copies=has_copies,
        is_same_order=is_same_order,
    )


def _regime(
    tallied: Tallied, n: int, seen: Sequence[int], within: int, visits: Sequence[int] | None
) -> tuple[Regime, PoolSize]:
    h = tallied.histories
    if n == h.n:
        pool = estimate_pool_size(h.n, seen, kept=h.kept)
        surely = estimate_pool_size(h.n, seen, kept=h.kept, level=ENDLESS_LEVEL)
        is_endless = surely.low > (max(visits) if visits is not None else FAR_BEYOND * tallied.n)
        return "fresh" if is_endless and sum(m > 0 for m in seen) > 1 else "cannot_tell", pool
    pool = estimate_pool_size(h.n, singles=n, kept=h.kept)
    k = max(float(h.n), pool.value * h.kept)
    share = n / tallied.n
    expected = math.fsum(_repeats(m * share, k) for m in tallied.presentations)
    if expected >= ENOUGH and within <= FEW * expected:
        return "once", estimate_pool_size(h.n, seen, kept=h.kept)
    pairs = float((h.times.astype(np.float64) * (h.times - 1.0)).sum()) / 2.0
    if_even = n * (n - 1.0) / (2.0 * k)
    if pairs > EVEN * if_even and pairs - if_even > SURELY * math.sqrt(if_even):
        return "uneven", pool
    return "pool" if expected >= ENOUGH else "cannot_tell", pool


def _repeats(n: float, k: float) -> float:
    """Return how many of n draws from k, with replacement, are expected to repeat an earlier one."""
    return n + k * math.expm1(n * math.log1p(-1.0 / k)) if k > 1.0 else n - 1.0


def _is_beyond_chance(across: int, repeats: int, n_sources: int) -> bool:
    """Return whether more repeats within epochs are across workers than chance gives, which favours no worker."""
    if n_sources < 2 or not across:
        return False
    return float(bdtrc(across - 1, repeats, 1.0 - 1.0 / n_sources)) < BY_CHANCE


def _is_same_order(tallied: Tallied) -> bool:
    """Return whether every epoch began with the examples that the first one began with, in their order."""
    first, *later = [head for head in tallied.head if head.size] or [np.empty(0, np.uint64)]
    if not later or np.unique(first).size < FEWEST_IN_ORDER:
        return False
    sizes = [min(first.size, head.size) for head in later]
    return all(m >= FEWEST_IN_ORDER and np.mean(first[:m] == head[:m]) >= SAME for m, head in zip(sizes, later, strict=True))
