"""A simple random sample without replacement from a stream whose length nobody knows."""

from __future__ import annotations

import heapq
import random
from typing import Generic, TypeVar

T = TypeVar("T")


class Reservoir(Generic[T]):
    """Keep `capacity` items of a stream, every subset of that size being equally likely; None keeps all.

    Every item draws a random key and those with the smallest keys stay. `wants` is asked once per item, in order, before
    anything is spent on it; `keep` then hands it over. A loader that is a one-shot generator, batches of any size and an
    epoch that is cut short need no special care. Source: Vitter, ACM TOMS 11 (1985) 37-57, in the form with keys.
    """

    def __init__(self, capacity: int | None, rng: random.Random) -> None:
        self.capacity = capacity
        self.seen = 0
        self._rng = rng
        self._key = 0.0
        self._heap: list[tuple[float, int, T]] = []  # the largest key first, by its negative; the index breaks ties

    def wants(self) -> bool:
        """Count the next item and return whether it belongs to the sample so far."""
        self.seen += 1
        self._key = self._rng.random()
        return self.capacity is None or len(self._heap) < self.capacity or self._key < -self._heap[0][0]

    def keep(self, item: T) -> None:
        """Put the item that was just wanted into the sample, in place of the one with the largest key if it is full."""
        entry = (-self._key, self.seen - 1, item)
        if self.capacity is None or len(self._heap) < self.capacity:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heapreplace(self._heap, entry)

    def items(self) -> list[tuple[int, T]]:
        """Return the sampled items with their position in the stream, in its order."""
        return sorted(((index, item) for _, index, item in self._heap), key=lambda pair: pair[0])
