"""One endless sequence of examples and one integer that says how far it has come: what every loader is made from."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygap.errors import InputError
from whygap.process.base import Process
from whygap.process.regimes import Fresh, Regime, check_count, in_order

BLOCK = 4096
"""Places whose addresses are looked up together: that takes hardly longer than for one batch of them."""

TOGETHER = 256
"""Examples that loaders draw at a time where batches are smaller: a call costs as much as some hundred examples."""

Batch = tuple[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The examples of a process, in the order in which a training run meets them, epoch after epoch, without an end.

    It is a value: nothing in it moves. A place in the sequence is one integer, the `offset`: how many examples, over all ranks,
    lie before it. Each epoch takes `regime.n` of them, so that epoch and place follow from it by division; what `drop_last`
    leaves out counts as passed. The sequence doesn't depend on the batch size or on the number of ranks: an offset stays valid
    when these change.

    Parameters
    ----------
    process : Process
        What the examples are.
    regime : Once, Fresh or Pool
        Where the examples of an epoch come from.
    batch_size : int
        Examples of one step, over all ranks together.
    seed : int
        Of examples and order, 0 to 2^64 - 1.
    split : str
        As in `Process.draw`.
    shuffle : bool
        Whether each epoch has a random order of its own, or the order of the positions.
    drop_last : bool
        Whether a last batch that isn't full is left out. Otherwise it is delivered, and smaller.
    rank, n_ranks : int
        Which consecutive part of each batch is this process's, out of how many. Their sizes differ by at most 1; where they do,
        the mean of the ranks' gradients isn't the batch's gradient.

    Raises
    ------
    InputError
        If a number is out of its range; if a finite process has fewer examples than the regime asks for; or if a batch, perhaps
        the last of an epoch, has fewer examples than there are ranks, which would leave one waiting for the others for ever.

    Examples
    --------
    >>> from whygap.process import Once, TeacherStudent
    >>> stream = Stream(process=TeacherStudent(), regime=Once(100), batch_size=32)
    >>> offset, rows = 0, []
    >>> for _ in range(5):
    ...     rows.append(len(stream.batch(offset)[1]))
    ...     offset = stream.after(offset)
    >>> rows, offset
    ([32, 32, 32, 4, 32], 132)
    """

    process: Process
    regime: Regime
    batch_size: int
    seed: int = 0
    split: str = "train"
    shuffle: bool = True
    drop_last: bool = False
    rank: int = 0
    n_ranks: int = 1

    def __post_init__(self) -> None:
        check_count("batch_size", self.batch_size)
        check_count("n_ranks", self.n_ranks)
        check_rank(self.rank, self.n_ranks)
        check_supply(self.process, self.regime, self.split)
        smallest = self.batch_size if self.drop_last else self.n % self.batch_size or self.batch_size
        if self.drop_last and self.n < self.batch_size:
            raise InputError(
                f"an epoch of {self.n} examples holds no full batch of {self.batch_size}, and drop_last leaves out others"
            )
        if smallest < self.n_ranks:
            advice = "choose another n or batch_size, or drop_last=True"
            raise InputError(f"{self.n_ranks} ranks can't share a batch of {smallest}, the smallest of an epoch: {advice}")

    @property
    def n(self) -> int:
        """Examples of an epoch."""
        return self.regime.n

    @property
    def n_batches(self) -> int:
        """Batches of an epoch."""
        return self.n // self.batch_size if self.drop_last else -(-self.n // self.batch_size)

    def offset(self, epoch: int, batch: int = 0) -> int:
        """Return where a batch of an epoch begins, both counted from 0; `n_batches` is the end of the epoch.

        Raises
        ------
        InputError
            If there is no such batch.
        """
        if epoch < 0 or not 0 <= batch <= self.n_batches:
            raise InputError(f"there is no batch {batch} of epoch {epoch}: an epoch has {self.n_batches} batches")
        return epoch * self.n + (self.n if batch == self.n_batches else batch * self.batch_size)

    def epoch(self, offset: int) -> int:
        """Return the epoch, from 0, of the batch that is next at an offset.

        Raises
        ------
        InputError
            If the offset is negative or no integer.
        """
        return self._where(offset)[0]

    def after(self, offset: int) -> int:
        """Return the offset after the batch that is next at `offset`.

        Raises
        ------
        InputError
            As `epoch`.
        """
        epoch, _, last = self._where(offset)
        left = self.n - last
        return epoch * self.n + (self.n if self.drop_last and left < self.batch_size else last)

    def offsets(self, offset: int) -> Iterator[int]:
        """Yield the offsets of the batches from `offset` to the end of its epoch.

        Raises
        ------
        InputError
            As `epoch`.
        """
        epoch = self.epoch(offset)
        while self.epoch(offset) == epoch:
            yield offset
            offset = self.after(offset)

    def batch(self, offset: int) -> Batch:
        """Return this rank's part of the batch that is next at an offset, in any order of calls.

        Returns
        -------
        x, y : arrays
            The examples along the first axis.

        Raises
        ------
        InputError
            As `epoch`; or if an offset of another batch size leaves fewer examples in the epoch than there are ranks.
        """
        return self.batches([offset])[0]

    def batches(self, offsets: Sequence[int]) -> list[Batch]:
        """Return this rank's parts of several batches of one epoch, drawn in one go: the same bytes, and faster for small ones.

        Raises
        ------
        InputError
            As `batch`.
        """
        where = [self.places(offset) for offset in offsets]
        place = np.concatenate([one for _, one in where])
        drawn, index = self._addresses(where[0][0], place)
        x, y = self.process.draw(index, seed=self.seed, split=self.split, epoch=drawn)
        ends = np.cumsum([len(one) for _, one in where]).tolist()
        return [(x[end - len(one) : end], y[end - len(one) : end]) for end, (_, one) in zip(ends, where, strict=True)]

    def together(self, offsets: Iterable[int]) -> Iterator[list[int]]:
        """Group offsets so that `batches` draws few enough examples at a time to wait for, and enough to be fast."""
        some: list[int] = []
        for offset in offsets:
            some.append(offset)
            if len(some) * self.batch_size >= TOGETHER * self.n_ranks:
                yield some
                some = []
        if some:
            yield some

    def places(self, offset: int) -> tuple[int, Any]:
        """Return the epoch of the batch that is next at an offset, and the consecutive places of this rank's part of it.

        Raises
        ------
        InputError
            As `batch`.
        """
        epoch, first, last = self._where(offset)
        first, last = share(first, last, self.rank, self.n_ranks)
        if first == last:
            raise InputError(
                f"the last batch of epoch {epoch} has no example for rank {self.rank}: resume where an epoch begins"
            )
        return epoch, np.arange(first, last, dtype=np.uint32)

    def address(self, place: Any, *, epoch: Any = 0, xp: Any = np) -> tuple[Any, Any]:
        """Return (epoch, index) under which `process.draw` finds what is delivered at the places, 0 to n - 1, of an epoch.

        With `xp=jax.numpy` places and epoch may be traced.
        """
        position = place
        if self.shuffle:
            position = in_order(place, n=self.n, seed=self.seed, split=self.split, epoch=epoch, xp=xp)
        return self.regime.address(position, seed=self.seed, split=self.split, epoch=epoch, xp=xp)

    def _where(self, offset: int) -> tuple[int, int, int]:
        """Return the epoch of the batch that is next, and the places at which it begins and ends."""
        if isinstance(offset, bool) or not isinstance(offset, (int, np.integer)) or offset < 0:
            raise InputError(f"an offset is a number of examples, an integer of 0 or more, not {offset!r}")
        epoch, first = divmod(int(offset), self.n)
        if self.drop_last and self.n - first < self.batch_size:
            epoch, first = epoch + 1, 0
        return epoch, first, min(first + self.batch_size, self.n)

    def _addresses(self, epoch: int, place: Any) -> tuple[int, Any]:
        numbers = range(int(place[0]) // BLOCK, int(place[-1]) // BLOCK + 1)
        blocks = [_block(self, epoch, number) for number in numbers]
        index = blocks[0][1] if len(blocks) == 1 else np.concatenate([index for _, index in blocks])
        return blocks[0][0], index[place - np.uint32(numbers[0] * BLOCK)]


@functools.lru_cache(maxsize=16)
def _block(stream: Stream, epoch: int, number: int) -> tuple[int, Any]:
    """Return the addresses of `BLOCK` places: pure, and asked for many times in a row."""
    place = np.arange(number * BLOCK, min((number + 1) * BLOCK, stream.n), dtype=np.uint32)
    drawn, index = stream.address(place, epoch=epoch)
    index.flags.writeable = False
    return drawn, index


def share(first: int, last: int, rank: int, n_ranks: int) -> tuple[int, int]:
    """Return where the part of one rank begins and ends."""
    size = last - first
    return first + size * rank // n_ranks, first + size * (rank + 1) // n_ranks


def check_rank(rank: int, n_ranks: int) -> None:
    """Check that a rank is one of `n_ranks`, counted from 0.

    Raises
    ------
    InputError
        If it isn't.
    """
    if not 0 <= rank < n_ranks:
        raise InputError(f"rank must be 0 to {n_ranks - 1}, of {n_ranks} in all, not {rank}")


def check_supply(process: Process, regime: Regime, split: str) -> None:
    """Check that a process has the examples that a regime asks for.

    Raises
    ------
    InputError
        If it is finite and has fewer, or could never be fresh.
    """
    size = process.size_of(split)
    if size is None:
        return
    has = f"{type(process).__name__} has {size} examples of the split {split!r} in all"
    if isinstance(regime, Fresh):
        raise InputError(f"{has}: they can't be new in every epoch; use Once or Pool")
    if regime.distinct > size:
        raise InputError(f"{has}: {regime} needs {regime.distinct}")
