"""Validation examples that are training examples too, and how many there would be by chance."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.special import bdtrc, betaincinv

from whygap.audit.histories import Histories
from whygap.audit.regime import Source

Array = npt.NDArray[np.floating[Any]]

SURELY = 1e-4
"""Probability of as many common examples by chance, below which chance doesn't explain them."""

MANY = 0.1
"""Share of repeats from which on pairs of equal examples no longer grow with the number of pairs."""

SLACK = 2.5
"""Until then, repeats are fewer than in proportion by at most so many times their share: three quarters of it, and to spare."""


class Overlap(NamedTuple):
    """What two splits have in common, as shares of the validation examples.

    `common` of the `looked_at` validation examples are training examples too: `share` of all, from `low` to `high`. Of two
    draws from one source so many would be common with the probability `p_chance`, and about the share `by_chance`.
    """

    looked_at: int
    common: int
    share: float
    low: float
    high: float
    by_chance: float
    p_chance: float

    @property
    def is_beyond_chance(self) -> bool:
        """Whether two draws from the same source would hardly have as much in common."""
        return self.p_chance < SURELY


def find_overlap(train: Histories, valid: Histories, source: Source, *, covered: float = 1.0, level: float = 0.95) -> Overlap:
    """Find the validation examples that were trained on.

    Chance gives a next draw that was seen before with the probability 1 - f / n, where f of n draws were seen just once (Good
    1953, doi 10.1093/biomet/40.3-4.237): of a continuous process none, of one with few possible examples most, and of a set
    with some blank images as many as it has of those.

    Parameters
    ----------
    train : Histories
        Of what was trained on.
    valid : Histories
        In one pass.
    source : Source
        Where the training examples come from. Of a set that every epoch shows, one epoch is the draw.
    covered : float
        The share of the distinct training examples that was looked at.
    level : float
        Of the interval.
    """
    halvings = max(train.halvings, valid.halvings)
    train, valid = train.halved(halvings), valid.halved(halvings)
    is_common = np.isin(valid.hashes, train.hashes, assume_unique=True)
    n, common = int(valid.times.sum(dtype=np.int64)), int(valid.times[is_common].sum(dtype=np.int64))
    is_exact = halvings == 0 and covered == 1.0
    found = common / max(1, n)
    low, high = (found, found) if is_exact else (_bound(common, n, -level), _bound(common, n, level))
    drawn, drawn_valid = _Draws.of_training(train, source), _Draws(valid.n, valid.times - 1.0)
    is_common_train = np.isin(train.hashes, valid.hashes, assume_unique=True)
    common_train = float((1.0 + drawn.each)[is_common_train].sum())
    return Overlap(
        looked_at=n,
        common=common,
        share=min(1.0, found / covered),
        low=min(1.0, low / covered),
        high=min(1.0, high / covered),
        by_chance=drawn.seen_before,
        p_chance=_p_chance(common, common_train, drawn, drawn_valid),
    )


class _Draws:
    """Draws from a source: of `distinct` examples, each of which came so many more times."""

    def __init__(self, distinct: int, repeats: Array) -> None:
        self.each, self.repeats = repeats, float(repeats.sum())
        self.n = distinct + self.repeats
        self.of_several = float((1.0 + repeats)[repeats > 0.0].sum())

    @classmethod
    def of_training(cls, train: Histories, source: Source) -> Self:
        epochs = np.maximum(1, train.n_epochs)
        if source.has_copies:  # what workers copied from each other was drawn once
            return cls(train.n, train.again / epochs)
        return cls(train.n, (train.times - epochs) / epochs if source.regime == "once" else train.times - 1.0)

    @property
    def seen_before(self) -> float:
        """The probability that the next draw was seen before."""
        return self.of_several / max(1.0, self.n)


def _p_chance(common: int, common_train: float, train: _Draws, valid: _Draws) -> float:
    """Return a probability of so many common examples, or more, in two draws from one source; no less than it really is.

    While repeats are few, pairs of equal examples are as likely within a split as across the two, and their numbers are in
    proportion to the pairs that there are. Where they are many, a draw of the smaller split is common with the probability
    that the next draw of the larger one was seen before.
    """
    if not common:
        return 1.0
    many = max(train.seen_before, valid.seen_before)
    if many > MANY:
        larger, smaller, common = (train, valid, common) if train.n >= valid.n else (valid, train, round(common_train))
        most = (larger.of_several + 4.0 * math.sqrt(larger.of_several) + 16.0) / larger.n
        return float(bdtrc(common - 1, round(smaller.n), most)) if most < 1.0 else 1.0
    across, within = (1.0 + SLACK * many) * train.n * valid.n, (train.n**2 + valid.n**2) / 2.0
    total = common + math.floor(train.repeats + valid.repeats)
    return float(bdtrc(common - 1, total, across / (across + within)))


def _bound(common: int, n: int, level: float) -> float:
    """Return a bound of the interval of Clopper and Pearson, the lower one for a negative level."""
    tail = (1.0 - abs(level)) / 2.0
    if level < 0.0:
        return float(betaincinv(common, n - common + 1, tail)) if common else 0.0
    return float(betaincinv(common + 1, n - common, 1.0 - tail)) if common < n else 1.0
