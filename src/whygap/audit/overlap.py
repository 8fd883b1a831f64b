"""Validation examples that are training examples too, and how many there would be by chance."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import bdtrc, betaincinv

from whygap.audit.histories import Histories
from whygap.audit.regime import Source

Array = npt.NDArray[np.floating[Any]]

SURELY = 1e-4
"""Probability of as many common examples by chance, below which chance doesn't explain them."""


class Overlap(NamedTuple):
    """What two splits have in common, as shares of the validation examples.

    `common` of the `looked_at` validation examples are training examples too: `share` of all, from `low` to `high`. Two draws
    from one source would share `by_chance`, or `by_chance_at_most`.
    """

    looked_at: int
    common: int
    share: float
    low: float
    high: float
    by_chance: float
    by_chance_at_most: float

    @property
    def is_beyond_chance(self) -> bool:
        """Whether two draws from the same source would hardly have as much in common."""
        if not self.common or self.by_chance_at_most >= 1.0:
            return False
        return float(bdtrc(self.common - 1, self.looked_at, self.by_chance_at_most)) < SURELY


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
    chance, most = _by_chance(train, source)
    return Overlap(n, common, min(1.0, found / covered), min(1.0, low / covered), min(1.0, high / covered), chance, most)


def _by_chance(train: Histories, source: Source) -> tuple[float, float]:
    """Return the probability that another draw was seen before, and what it is at most."""
    epochs = train.n_epochs
    if source.has_copies:  # what workers copied from each other was drawn once
        repeats: Array = train.again / np.maximum(1, epochs)
    elif source.regime == "once":
        repeats = (train.times - epochs) / np.maximum(1, epochs)
    else:
        repeats = train.times - 1.0
    n = train.n + float(repeats.sum())
    seen = float((1.0 + repeats)[repeats > 0.0].sum())
    return seen / max(1.0, n), min(1.0, (seen + 4.0 * math.sqrt(seen) + 8.0) / max(1.0, n))


def _bound(common: int, n: int, level: float) -> float:
    """Return a bound of the interval of Clopper and Pearson, the lower one for a negative level."""
    tail = (1.0 - abs(level)) / 2.0
    if level < 0.0:
        return float(betaincinv(common, n - common + 1, tail)) if common else 0.0
    return float(betaincinv(common + 1, n - common, 1.0 - tail)) if common < n else 1.0
