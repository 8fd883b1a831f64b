"""How often each example was presented, and when: of all of them, or of a random part once they are too many to keep.

Adaptive sampling (Wegman; Flajolet 1990, doi 10.1007/BF02241657): an example is kept if its hash is below a threshold, which
is halved whenever there are too many. Which examples are kept depends on their content alone, so that the whole history of
each one that is kept is known exactly, those kept are a random sample of all distinct examples, and any two collections, of
workers, ranks or hours, can be merged.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from whygap.audit.contents import Hashes

Counts = npt.NDArray[np.uint32]

CAPACITY = 1_000_000
"""Distinct examples that are kept, 20 bytes each."""

EPOCHS = 32
"""Epochs that are told apart, one bit for each."""


class Histories(NamedTuple):
    """The histories of distinct examples, sorted by their hash; a share `2**-halvings` of all is kept.

    Of the `times` that an example was presented, those beyond the first in the same epoch from the same source, be it a worker
    or a rank, are `again`; `epochs` has a bit for each epoch in which it was presented. What is left over came in one epoch
    from several sources: `across_sources`.
    """

    hashes: Hashes
    times: Counts
    again: Counts
    epochs: Counts
    halvings: int = 0

    @classmethod
    def empty(cls) -> Self:
        """Return the histories of no example."""
        none = np.empty(0, np.uint32)
        return cls(np.empty(0, np.uint64), none, none, none)

    @property
    def kept(self) -> float:
        """Share of all distinct examples whose histories are kept."""
        return 2.0**-self.halvings

    @property
    def n(self) -> int:
        """Distinct examples of which the history is kept."""
        return self.hashes.size

    @property
    def n_epochs(self) -> npt.NDArray[np.int64]:
        """Of each example, the epochs in which it was presented."""
        return np.bitwise_count(self.epochs).astype(np.int64)

    @property
    def across_sources(self) -> npt.NDArray[np.int64]:
        """Of each example, the presentations in epochs in which another source had presented it too."""
        return self.times.astype(np.int64) - self.again - self.n_epochs

    def merge(self, other: Histories, *, capacity: int = CAPACITY) -> Histories:
        """Return the histories from two collections, each of which saw other presentations; associative and commutative.

        What both of them saw in the same epoch counts as seen by several sources.
        """
        halvings = max(self.halvings, other.halvings)
        a, b = self.halved(halvings), other.halved(halvings)
        at = np.searchsorted(a.hashes, b.hashes)
        is_new = np.ones(b.n, dtype=bool)
        is_inside = at < a.n
        is_new[is_inside] = a.hashes[at[is_inside]] != b.hashes[is_inside]
        hashes = np.insert(a.hashes, at[is_new], b.hashes[is_new])
        known = np.searchsorted(hashes, b.hashes[~is_new])
        times, again, epochs = (
            np.insert(mine, at[is_new], theirs[is_new])
            for mine, theirs in ((a.times, b.times), (a.again, b.again), (a.epochs, b.epochs))
        )
        times[known] += b.times[~is_new]
        again[known] += b.again[~is_new]
        epochs[known] |= b.epochs[~is_new]
        return Histories(hashes, times, again, epochs, halvings).within(capacity)

    def halved(self, halvings: int) -> Histories:
        """Return what is kept after so many halvings of the threshold, or after more where there were more already."""
        if halvings <= self.halvings:
            return self
        n = below(self.hashes, halvings)
        times, again, epochs = (column[:n].copy() for column in (self.times, self.again, self.epochs))
        return Histories(self.hashes[:n].copy(), times, again, epochs, halvings)

    def within(self, capacity: int) -> Histories:
        """Return these histories, or so small a part of them that no more than `capacity` are kept."""
        return self.halved(halvings_for(self.hashes, capacity))


def below(hashes: Hashes, halvings: int) -> int:
    """Return how many of some sorted hashes are kept after so many halvings of the threshold."""
    return int(np.searchsorted(hashes, largest(halvings), side="right"))


def largest(halvings: int) -> np.uint64:
    """Return the largest hash that is kept after so many halvings of the threshold."""
    return np.uint64((1 << (64 - halvings)) - 1)


def halvings_for(hashes: Hashes, capacity: int) -> int:
    """Return how often the threshold is halved until it keeps no more than `capacity` of some sorted, distinct hashes.

    Examples
    --------
    >>> halvings_for(np.array([1, 2**62, 2**63], np.uint64), 2)
    1
    """
    return 0 if hashes.size <= capacity else 65 - int(hashes[capacity]).bit_length()


def relative_error(histories: Histories) -> float:
    """Return the standard error of a count of distinct examples, as a part of it: 0 where all are kept.

    Each is kept with the probability p, so that the number kept has the variance n p (1 - p).
    """
    p = histories.kept
    return math.sqrt((1.0 - p) / max(1, histories.n))
