"""Counts presentations as they come: which examples, in which epoch, from which worker."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from whygap.audit.contents import Hashes
from whygap.audit.histories import CAPACITY, EPOCHS, Histories, below, halvings_for, largest

PENDING = 2**16
"""Hashes that are gathered before they are sorted into the histories, which costs a copy of these."""

HEAD = 256
"""Examples at the beginning of an epoch of which the order is kept."""

SOURCES = 256
"""Sources that are told apart; their number takes the place of the lowest bits of a hash."""


class Tallied(NamedTuple):
    """What was presented: the histories of the examples, the presentations of each epoch, and what each began with.

    `head[e]` are the hashes of the first examples of an epoch, in their order; `n_sources` the sources seen.
    """

    histories: Histories
    presentations: tuple[int, ...]
    head: tuple[Hashes, ...]
    n_sources: int

    @property
    def n(self) -> int:
        """Presentations in all."""
        return sum(self.presentations)

    def merge(self, other: Tallied, *, capacity: int = CAPACITY) -> Tallied:
        """Return what two ranks presented together, epoch by epoch; associative.

        The order within an epoch is that of the first rank that had any.
        """
        longer, shorter = sorted((self, other), key=lambda t: -len(t.presentations))
        padded = shorter.presentations + (0,) * (len(longer.presentations) - len(shorter.presentations))
        heads = [a if a.size else b for a, b in zip(self.head, other.head, strict=False)]
        return Tallied(
            self.histories.merge(other.histories, capacity=capacity),
            tuple(a + b for a, b in zip(longer.presentations, padded, strict=True)),
            (*heads, *longer.head[len(heads) :]),
            self.n_sources + other.n_sources,
        )


class Tally:
    """The presentations of one split in one process, counted in bounded memory.

    All is exact for the first million distinct examples, or pairs of an example and a worker in one epoch; beyond that,
    histories of a random part of the examples are kept. Epochs after the 32nd aren't counted.

    Parameters
    ----------
    capacity : int
        Distinct examples to keep.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._histories = Histories.empty()
        self._in_epoch: Hashes = np.empty(0, np.uint64)  # pairs of example and source in the last epoch sorted in, in order
        self._sorted_epoch = -1
        self._pending: list[Hashes] = []
        self._sources: list[npt.NDArray[np.uint64]] = []
        self._epochs: list[int] = []  # that the pending ones came in
        self._n_pending = 0
        self._presentations: list[int] = []
        self._head: list[list[Hashes]] = []
        self._all_sources: set[int] = set()

    @property
    def is_full(self) -> bool:
        """Whether as many epochs were counted as can be told apart."""
        return len(self._presentations) > EPOCHS

    def begin_epoch(self) -> None:
        """Begin another epoch; an example that comes now and came before has come in two epochs."""
        self._presentations.append(0)
        self._head.append([])

    def note_first(self, hashes: Hashes) -> None:
        """Note what an epoch began with, without counting it: where only some batches are added, the first may not be one."""
        if not self.is_full:
            self._head[-1] = [hashes[:HEAD].copy()]

    def add(self, hashes: Hashes, *, source: int = 0, is_first: bool = True) -> None:
        """Count the presentation of some examples, in their order.

        Parameters
        ----------
        hashes : array of shape (n,)
            From `hash_examples`.
        source : int
            The worker that delivered them. Workers 0 and 256 count as one.
        is_first : bool
            Whether the epoch began with them if they are the first that are added; see `note_first`.
        """
        if not self._presentations:
            self.begin_epoch()
        if self.is_full:
            return
        self._presentations[-1] += hashes.size
        self._all_sources.add(source)
        head = self._head[-1]
        if is_first and (room := HEAD - sum(map(len, head))) > 0:
            head.append(hashes[:room].copy())
        if self._histories.halvings:
            hashes = hashes[hashes <= largest(self._histories.halvings)]
        self._pending.append(hashes)
        self._sources.append(np.broadcast_to(np.uint64(source % SOURCES), hashes.shape))
        self._epochs.append(len(self._presentations) - 1)
        self._n_pending += hashes.size
        if self._n_pending >= PENDING:
            self._sort_in()

    def compute(self) -> Tallied:
        """Return what was presented so far."""
        self._sort_in()
        heads = tuple(np.concatenate([*h, np.empty(0, np.uint64)]) for h in self._head[:EPOCHS])
        return Tallied(self._histories, tuple(self._presentations[:EPOCHS]), heads, len(self._all_sources))

    def _sort_in(self) -> None:
        if not self._n_pending:
            return
        hashes, sources = np.concatenate(self._pending), np.concatenate(self._sources)
        epochs = np.repeat(self._epochs, [some.size for some in self._pending])
        self._pending, self._sources, self._epochs, self._n_pending = [], [], [], 0
        pairs = hashes & ~np.uint64(SOURCES - 1) | sources
        ends = [0, *(np.flatnonzero(np.diff(epochs)) + 1).tolist(), epochs.size]
        order = np.concatenate([a + np.argsort(pairs[a:b], kind="stable") for a, b in pairwise(ends)])
        pairs, epochs = pairs[order], epochs[order]
        starts = np.flatnonzero(np.append(True, (pairs[1:] != pairs[:-1]) | (epochs[1:] != epochs[:-1])))
        times = np.diff(np.append(starts, pairs.size))
        first, pairs, epochs = order[starts], pairs[starts], epochs[starts]
        is_new = (epochs != self._sorted_epoch) | ~_contains(self._in_epoch, pairs)
        histories = _of_pairs(hashes[first], times, is_new, epochs, self._histories.halvings)
        self._histories = self._histories.merge(histories, capacity=self._capacity)
        if epochs[-1] != self._sorted_epoch:
            self._sorted_epoch, self._in_epoch = int(epochs[-1]), np.empty(0, np.uint64)
        new = pairs[is_new & (epochs == self._sorted_epoch)]
        self._in_epoch = np.insert(self._in_epoch, np.searchsorted(self._in_epoch, new), new)
        halvings = max(self._histories.halvings, halvings_for(self._in_epoch, self._capacity))
        self._histories = self._histories.halved(halvings)
        self._in_epoch = self._in_epoch[: below(self._in_epoch, halvings)]


def _contains(those: Hashes, these: Hashes) -> npt.NDArray[np.bool_]:
    """Return which of these hashes are among those, which are sorted."""
    at = np.searchsorted(those, these)
    found = at < those.size
    found[found] = those[at[found]] == these[found]
    return found


def _of_pairs(
    hashes: Hashes, times: npt.NDArray[np.intp], is_new: npt.NDArray[np.bool_], epochs: npt.NDArray[np.intp], halvings: int
) -> Histories:
    """Return the histories of presentations, given those of each pair of an example and a source, epoch by epoch."""
    distinct, which = np.unique(hashes, return_inverse=True)
    count = np.bincount(which, weights=times, minlength=distinct.size).astype(np.uint32)
    again = np.bincount(which, weights=times - is_new, minlength=distinct.size).astype(np.uint32)
    seen_in = np.zeros(distinct.size, np.uint32)
    np.bitwise_or.at(seen_in, which, np.left_shift(np.uint32(1), epochs.astype(np.uint32)))
    return Histories(distinct, count, again, seen_in, halvings)
