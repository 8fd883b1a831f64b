"""What is said of how examples were presented: plain lines, and no accusation beyond what was seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from whygap.audit.histories import relative_error
from whygap.audit.overlap import Overlap
from whygap.audit.pool_size import PoolSize
from whygap.audit.regime import Source
from whygap.audit.tally import Tallied
from whygap.audit.views import Views, are_stale
from whygap.records import Finding

Believed = Literal["fresh", "once", "pool"]

MANY = 0.01
"""Share of common examples by chance from which on validation is worth less for it."""

BELIEFS: dict[str, str] = {
    "fresh": "made anew for every epoch",
    "once": "one set that every epoch shows",
    "pool": "drawn from a pool",
}


def findings_about(
    train: Tallied,
    source: Source,
    overlap: Overlap | None = None,
    *,
    presented: Sequence[int],
    views: Views | None = None,
    believed: Believed | None = None,
) -> tuple[Finding, ...]:
    """Return what there is to say, the regime first; the parameters are those of `judge_repetition`."""
    return tuple(_findings(train, source, overlap, presented, views, believed))


def _findings(
    train: Tallied,
    source: Source,
    overlap: Overlap | None,
    presented: Sequence[int],
    views: Views | None,
    believed: Believed | None,
) -> Iterator[Finding]:
    yield Finding(name="regime", sentence=_regime(train, source, presented), advice=_of_a_part(train))
    if source.has_copies:
        yield _worker_copies(train, source)
    epochs = sum(m > 0 for m in presented)
    if source.is_same_order:
        yield Finding(
            name="replay",
            sentence=f"{'Both' if epochs == 2 else f'All {epochs}'} epochs began with the same examples in the same order.",
            advice="A stored set that isn't shuffled does so; what should make new examples starts over from the same seed.",
            is_problem=believed == "fresh",
        )
    if believed is not None and source.regime not in (believed, "cannot_tell"):
        said = "" if source.regime == "fresh" else f", and {percent(_repeated(source))} of the presentations showed one again"
        yield Finding(
            name="not_expected",
            sentence=f"The examples were believed to be {BELIEFS[believed]}: they are {_IS[source.regime]}{said}.",
            is_problem=True,
        )
    if views is not None and are_stale(train.histories, views):
        yield Finding(
            name="stale_augmentation",
            sentence="The augmented views repeat with the examples: each epoch shows the same view of an example again.",
            advice="They were drawn once, or their generator starts over in every epoch: let its seed depend on the epoch.",
            is_problem=True,
        )
    if overlap is not None:
        yield _overlap(overlap)


_IS: dict[str, str] = {
    "fresh": "new in every epoch",
    "once": "the same ones in every epoch",
    "pool": "drawn again and again from a limited set",
    "uneven": "repeated, some far more often than others",
}


def _regime(train: Tallied, source: Source, presented: Sequence[int]) -> str:
    n, epochs = sum(presented), sum(m > 0 for m in presented)
    in_all = f" in {epochs} epochs" if epochs > 1 else " in one epoch"
    part = "" if n == train.n else f" of {n:,}"
    if source.distinct == source.n:
        none = f"None of the {train.n:,}{part} presentations{in_all} showed an example again"
        if source.regime == "fresh":
            said = f" (a set of up to {_rounded(source.pool.low)} would have)" if part else ""
            return f"{none}{said}: they are fresh, and a network that sees each of them once can't memorise any."
        if epochs == 1 and not part:
            return f"{none}: whether another epoch makes new ones or shows the same can't be told from one."
        return f"{none}; a set of {_rounded(source.pool.low)} or more may do so."
    size = _size(source.pool)
    again = f"{percent(_repeated(source))} of the {train.n:,}{part} presentations{in_all} showed an example again"
    times = f"each presented {_times(n / source.pool.value)} in all" if math.isfinite(source.pool.value) else ""
    if source.regime == "once":
        is_whole = all(abs(m - source.pool.value) <= 0.02 * source.pool.value for m in presented if m)
        how = "once per epoch" if is_whole else f"of which an epoch shows about {max(presented):,}"
        return f"Every epoch shows the same set of {size} examples, {how}: {times}."
    if source.regime == "pool":
        return f"{again}, as if each had been drawn, with replacement, from {size} examples: {times}."
    if source.regime == "uneven":
        return f"{again}, and some examples far more often than others."
    return f"{again}; equal chances would give that to {size} examples." if not source.has_copies else f"{again}."


def _of_a_part(train: Tallied) -> str:
    error = relative_error(train.histories)
    return (
        f"Told from {train.histories.n:,} of them, chosen by content: counts are known to ±{percent(2.0 * error)}."
        if error
        else ""
    )


def _worker_copies(train: Tallied, source: Source) -> Finding:
    copied, again = percent(source.across_workers / source.n), percent(source.across_epochs / source.n)
    text = f"{copied} of the presentations repeat what another of the {train.n_sources} workers showed in the same epoch"
    if source.across_epochs:
        text += f", and {again} what an earlier epoch showed"
    return Finding(
        name="worker_copies",
        sentence=f"{text}.",
        advice="A random generator that is kept on the dataset is copied into each worker, state and all; or a stream isn't "
        "split among the workers. Seed from torch.utils.data.get_worker_info().seed, or from index and epoch.",
        is_problem=True,
    )


def _overlap(overlap: Overlap) -> Finding:
    n, by_chance = f"{overlap.looked_at:,} validation examples", percent(overlap.by_chance) if overlap.by_chance else "none"
    if not overlap.common:
        return Finding(name="valid_overlap", sentence=f"None of the {n} is a training example.")
    among = f"{overlap.common:,} of the {n} ({percent(overlap.common / overlap.looked_at)}) are training examples too"
    chance = f"two draws from the same source would share {by_chance}"
    if overlap.is_beyond_chance:
        of_all = (
            "" if overlap.low == overlap.high else f", which makes {percent(overlap.low)} to {percent(overlap.high)} of all"
        )
        return Finding(
            name="leak",
            sentence=f"{among}{of_all}; {chance}.",
            advice="Take them out of one of the two, and split before anything is duplicated or augmented.",
            is_problem=True,
        )
    few = "With so few possible examples that is no leak, but validation tells little of unseen ones."
    return Finding(name="valid_overlap", sentence=f"{among}; {chance}.", advice=few if overlap.by_chance > MANY else "")


def _repeated(source: Source) -> float:
    return 1.0 - source.distinct / source.n


def _size(pool: PoolSize) -> str:
    """Return a size in words, with its interval where it isn't known exactly."""
    if pool.high - pool.low < 1.0:
        return f"{round(pool.value):,}"
    return f"about {_rounded(pool.value)} [{_rounded(pool.low)}, {_rounded(pool.high)}]"


def _rounded(size: float) -> str:
    """Return a number with three figures; beyond a billion as a power of ten."""
    if size >= 1e9:
        return f"{size:.1e}"
    step = 10 ** max(0, math.floor(math.log10(max(1.0, size))) - 2)
    return f"{round(size / step) * step:,}"


def _times(number: float) -> str:
    return "once" if abs(number - 1.0) < 0.005 else f"{number:.3g} times"


def percent(share: float) -> str:
    """Return a share in percent, with two figures and all of those before the point.

    Examples
    --------
    >>> percent(0.03), percent(0.75), percent(0.00012), percent(1.0)
    ('3 %', '75 %', '0.012 %', '100 %')
    """
    value = 100.0 * share
    text = f"{value:.0f}" if value >= 9.95 else f"{value:.2g}"
    return f"{text} %" if text != "100" or share == 1.0 else "99.9 %"
