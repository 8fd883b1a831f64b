"""Tallies in, a `Repetition` out: how often examples were presented, and what is wrong with that."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from whygap.audit.findings import Believed, findings_about
from whygap.audit.histories import Counts
from whygap.audit.overlap import Overlap, find_overlap
from whygap.audit.pool_size import PoolSize
from whygap.audit.regime import Source, tell_source
from whygap.audit.tally import Tallied
from whygap.audit.views import Views
from whygap.errors import InputError
from whygap.records import Estimate, How, Repetition

MOST_TIMES = 40
"""Numbers of presentations that are told apart; what is above counts as the last."""

LEVEL, Z = 0.95, 1.959964


def judge_repetition(
    train: Tallied,
    valid: Tallied | None = None,
    *,
    visits: Sequence[int] | None = None,
    is_cut: bool = False,
    views: Views | None = None,
    believed: Believed | None = None,
) -> Repetition:
    """Say how often the training examples were presented, where they come from, and what is wrong with it.

    Parameters
    ----------
    train : Tallied
        The presentations that were looked at.
    valid : Tallied, optional
        The validation examples, in one pass.
    visits : sequence of int, optional
        Presentations in each epoch, where more were trained on than looked at; those looked at are then a random part.
    is_cut : bool
        Whether an epoch was left before its end, so that nobody knows how many presentations it would have had.
    views : Views, optional
        The same presentations without augmentation.
    believed : "fresh", "once" or "pool", optional
        What the examples are believed to be; anything else is then a problem.

    Returns
    -------
    Repetition
        Exact for up to a million distinct examples, and a random part of all beyond.

    Raises
    ------
    InputError
        If nothing was presented, or fewer presentations are told of than were looked at.
    """
    if not train.n:
        raise InputError("no example was presented")
    presented = tuple(visits) if visits is not None else train.presentations
    if len(presented) != len(train.presentations) or any(a < b for a, b in zip(presented, train.presentations, strict=True)):
        raise InputError(f"{presented} presentations in the epochs, of which {train.presentations} were looked at")
    is_part = sum(presented) > train.n
    source = tell_source(train, None if is_cut else presented)
    h = train.histories
    distinct = per_example = once = None
    if not is_part:
        distinct = _distinct(source, h.kept)
        per_example = _ratio(source.n / source.distinct, float(np.std(h.times)), h.n, h.kept)
        share = float(np.mean(h.times == 1))
        once = _ratio(share, math.sqrt(share * (1.0 - share)), h.n, h.kept)
    else:
        per_example = _per_pool(source.pool, sum(presented))
    overlap = None
    if valid is not None and valid.n:
        overlap = find_overlap(h, valid.histories, source, covered=_covered(source, train, presented))
    return Repetition(
        presentations=sum(presented),
        looked_at=train.n,
        epochs=sum(n > 0 for n in train.presentations),
        regime=source.regime,
        within=source.within / source.n,
        across_workers=source.across_workers / source.n,
        across_epochs=source.across_epochs / source.n,
        is_same_order=source.is_same_order,
        distinct=distinct,
        per_example=per_example,
        once=once,
        times=() if is_part else _times(h.times),
        pool=_pool(source),
        at_least=None if math.isfinite(source.pool.high) else source.pool.low,
        n_valid=0 if overlap is None else overlap.looked_at,
        valid=None if overlap is None else _share(overlap),
        valid_by_chance=None if overlap is None else overlap.by_chance,
        findings=findings_about(train, source, overlap, presented=presented, views=views, believed=believed),
    )


def _covered(source: Source, train: Tallied, presented: Sequence[int]) -> float:
    """Return the share of the distinct training examples that was looked at."""
    if sum(presented) == train.n:
        return 1.0
    if math.isfinite(source.pool.value):
        return min(1.0, source.distinct / train.histories.kept / source.pool.value)
    return train.n / sum(presented)


def _distinct(source: Source, kept: float) -> Estimate:
    value = source.distinct / kept
    se = math.sqrt(value * (1.0 - kept) / kept)
    return _estimate(value, se, source.distinct, kept)


def _ratio(mean: float, spread: float, n: int, kept: float) -> Estimate:
    """Return a mean over all distinct examples, of which a random part was kept."""
    return _estimate(mean, spread * math.sqrt((1.0 - kept) / n), n, kept)


def _estimate(value: float, se: float, n: int, kept: float) -> Estimate:
    how: How = "exact" if kept == 1.0 else "sampled"
    return Estimate(value=value, low=value - Z * se, high=value + Z * se, level=LEVEL, se=se, n=n, how=how)


def _pool(source: Source) -> Estimate | None:
    size = source.pool
    if not math.isfinite(size.high) or source.has_copies or source.regime == "uneven":
        return None
    return Estimate(value=size.value, low=size.low, high=size.high, level=LEVEL, how="inferred")


def _per_pool(size: PoolSize, n: int) -> Estimate | None:
    if not math.isfinite(size.high):
        return None
    return Estimate(value=n / size.value, low=n / size.high, high=n / size.low, level=LEVEL, how="inferred")


def _share(overlap: Overlap) -> Estimate:
    how: How = "exact" if overlap.low == overlap.high else "sampled"
    return Estimate(value=overlap.share, low=overlap.low, high=overlap.high, level=LEVEL, n=overlap.looked_at, how=how)


def _times(count: Counts) -> tuple[tuple[int, float], ...]:
    n = np.bincount(np.minimum(count, MOST_TIMES))
    return tuple((int(times), float(n[times] / count.size)) for times in np.flatnonzero(n))
