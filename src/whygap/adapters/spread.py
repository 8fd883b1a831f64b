"""A sample that is spread over an epoch: one visit drawn uniformly from each of some consecutive blocks of visits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Generic, TypeVar

T = TypeVar("T")


class Spread(Generic[T]):
    """Cut a stream of visits into blocks and draw one visit from each, every visit of a block being equally likely.

    `wants` is asked once per visit, in order, and costs one comparison: where the visit of a block falls is drawn when the
    block begins. `keep` then hands over what is to be held.

    Parameters
    ----------
    n_blocks : int or None
        Blocks to cut an epoch into; None keeps every visit, each its own block.
    expected : int or None
        Visits that the epoch will have, cut into blocks that differ by one visit at most. Visits beyond them go on in blocks of
        the same length. None where nobody knows: blocks begin with one visit each, and whenever `2 * n_blocks` are held,
        neighbours are merged by the toss of a coin, so that between `n_blocks` and twice as many are held in the end.
    rng : random.Random
        Draws the visits.

    Attributes
    ----------
    next : int
        The visit that is wanted next, from 0.

    Examples
    --------
    >>> spread = Spread(4, expected=12, rng=random.Random(0))
    >>> for visit in range(12):
    ...     if spread.wants():
    ...         spread.keep(f"visit {visit}")
    >>> [first for _, first, _ in spread.items()]
    [0, 3, 6, 9]
    """

    def __init__(self, n_blocks: int | None, *, expected: int | None, rng: random.Random) -> None:
        self.seen = 0
        self._rng = rng
        self._n_blocks = n_blocks
        self._expected = expected if n_blocks is not None else None
        self._is_adaptive = n_blocks is not None and not expected
        self._length = 1
        self._u = 0 if not self._expected or n_blocks is None else min(n_blocks, self._expected)
        self._block = -1
        self._end = 0
        self._drawn = (0, 0)  # the visit last wanted and the first visit of its block
        self._held: list[tuple[int, int, T]] = []
        self.next = 0
        self._begin_block()

    def wants(self) -> bool:
        """Count the next visit and return whether it is the one that was drawn from its block."""
        if self.seen == self.next:
            self.take()
            return True
        self.seen += 1
        return False

    def take(self) -> None:
        """Go on to the visit that is wanted `next`, for those who count visits themselves."""
        self.seen = self.next + 1
        self._drawn = self.next, self._start
        self._begin_block()

    def keep(self, item: T) -> None:
        """Hold what belongs to the visit that was just wanted."""
        self._held.append((*self._drawn, item))
        if self._is_adaptive and self._n_blocks is not None and self._length > 1:
            self._merge()

    def items(self, n_visits: int | None = None) -> list[tuple[int, int, T]]:
        """Return (visit, first visit of its block, item) in order.

        A block whose visit was not held, as when the epoch ended before it came, belongs to the block before it.

        Parameters
        ----------
        n_visits : int, optional
            Visits that count, by default all seen: those after them are forgotten.
        """
        n = self.seen if n_visits is None else n_visits
        held = [entry for entry in self._held if entry[0] < n]
        return [(visit, first if k else 0, item) for k, (visit, first, item) in enumerate(held)]

    def _begin_block(self) -> None:
        """Draw the visit of the next block, which begins where the last one ended."""
        self._start = self._end
        self._block += 1
        if self._is_adaptive and self._n_blocks is not None and self._start == 2 * self._n_blocks * self._length:
            self._length *= 2
        self._end = self._start + self._length
        if self._expected and self._u:
            self._end = self._expected * (self._block + 1) // self._u
        self.next = self._start + int(self._rng.random() * (self._end - self._start))

    def _merge(self) -> None:
        """Of the held visits that now share a block, keep one at random: both stood for as many visits."""
        merged: list[tuple[int, int, T]] = []
        for visit, _, item in self._held:
            first = visit - visit % self._length
            if merged and merged[-1][1] == first:
                if self._rng.random() < 0.5:
                    merged[-1] = (visit, first, item)
            else:
                merged.append((visit, first, item))
        self._held = merged


def thinned(
    items: Sequence[tuple[int, int, T]], n_blocks: int, *, n_visits: int, rng: random.Random
) -> list[tuple[int, int, T]]:
    """Return what a sample of fewer blocks would have held, each made of neighbours among those of `items`.

    The visit of one of them is kept, with a chance in proportion to the visits of its block.

    Parameters
    ----------
    items : sequence of (visit, first visit of its block, item)
        As from `Spread.items`.
    n_blocks : int
        As many as there are, or fewer.
    n_visits : int
        Visits that they were drawn from.
    rng : random.Random
        Draws the visits.

    Examples
    --------
    >>> items = [(k, k, "") for k in range(6)]
    >>> [first for _, first, _ in thinned(items, 3, n_visits=6, rng=random.Random(0))]
    [0, 2, 4]
    """
    ends = [first for _, first, _ in items[1:]] + [n_visits]
    edges = [len(items) * k // n_blocks for k in range(n_blocks + 1)]
    kept: list[tuple[int, int, T]] = []
    for start, end in pairwise(edges):
        block = items[start:end]
        lengths = [e - first for (_, first, _), e in zip(block, ends[start:end], strict=True)]
        visit, _, item = rng.choices(block, lengths)[0]
        kept.append((visit, block[0][1], item))
    return kept
