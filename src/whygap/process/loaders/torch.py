"""Batches and examples of PyTorch tensors: a loader with workers, an iterable dataset and a map-style one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

try:
    import torch
    from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info
except ImportError as error:
    from whygap.errors import MissingPackageError

    raise MissingPackageError("whygap.process.loaders.torch needs PyTorch 2.4 or newer: pip install 'whygap[torch]'") from error

import numpy as np

from whygap.errors import InputError, WhygapWarning
from whygap.process.base import Process
from whygap.process.loaders.loader import Loader, check_offset, offset_in
from whygap.process.regimes import Once, Regime
from whygap.process.stream import Batch, Stream, check_supply

MOST_WORKERS = 1024


class TorchLoader(Loader[Batch]):
    """Walk through a stream in tensors (x, y), made in worker processes if you like; see `Loader`.

    The batches and their order are the same for any number of workers: the main process alone knows the place, and workers
    are told what to make. PyTorch's global random state isn't touched.

    Parameters
    ----------
    stream, offset
        As in `Loader`.
    num_workers : int
        Processes that make the batches; 0 for none.
    **options
        As of `torch.utils.data.DataLoader`: `persistent_workers`, `pin_memory`, `prefetch_factor`, `multiprocessing_context`
        and others that don't choose examples.

    Raises
    ------
    InputError
        If the offset is no number of examples.

    Examples
    --------
    >>> from whygap.process import Fresh, TeacherStudent
    >>> loader = TorchLoader(Stream(process=TeacherStudent(), regime=Fresh(100), batch_size=32))
    >>> [tuple(x.shape) for x, y in loader]
    [(32, 20), (32, 20), (32, 20), (4, 20)]
    >>> loader.epoch, loader.state_dict()
    (1, {'offset': 100})
    """

    def __init__(self, stream: Stream, *, offset: int = 0, num_workers: int = 0, **options: Any) -> None:
        super().__init__(stream, offset=offset)
        self._asked: list[list[int]] = []
        options.setdefault("generator", torch.Generator())  # for the seeds of its workers, which have no use for them
        asked = _Asked(self._asked)
        self._loader = DataLoader(_Together(stream), batch_size=None, sampler=asked, num_workers=num_workers, **options)

    def _batches(self, offsets: Sequence[int]) -> Iterator[Batch]:
        self._asked[:] = self.stream.together(offsets)
        for some in self._loader:
            yield from some


class _Asked:
    """The sampler of the loader: what the loop is about to walk over."""

    def __init__(self, asked: list[list[int]]) -> None:
        self._asked = asked

    def __iter__(self) -> Iterator[list[int]]:
        return iter(list(self._asked))

    def __len__(self) -> int:
        return len(self._asked)


class _Together(Dataset[list[Batch]]):
    """The batches at some offsets: all that a worker knows."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __getitem__(self, offsets: Any) -> list[Batch]:
        return [_as_tensors(batch) for batch in self._stream.batches(offsets)]


class BatchDataset(IterableDataset[Batch]):
    """The batches of one epoch of a stream: for `DataLoader(dataset, batch_size=None)` and torchdata's `StatefulDataLoader`.

    Every worker makes each so-many-th batch, and the DataLoader takes one from each in turn: the batches and their order are
    the same for any number of workers. Call `set_epoch` before every epoch, also with persistent workers.

    Parameters
    ----------
    stream, offset
        As in `Loader`.

    Raises
    ------
    InputError
        If the offset is no number of examples.

    Examples
    --------
    >>> from whygap.process import Fresh, TeacherStudent
    >>> dataset = BatchDataset(Stream(process=TeacherStudent(), regime=Fresh(100), batch_size=32))
    >>> for epoch in range(2):
    ...     dataset.set_epoch(epoch)
    ...     print([len(y) for x, y in DataLoader(dataset, batch_size=None)])
    [32, 32, 32, 4]
    [32, 32, 32, 4]
    """

    def __init__(self, stream: Stream, *, offset: int = 0) -> None:
        self.stream = stream
        # Where to begin, and how often that was said. Workers hold a copy of this object: their first epoch is the one that was
        # said when they were started, whatever is said before they get to it; persistent ones find later ones in shared memory.
        self._told = check_offset(stream, offset), 0
        self._shared = _shared(torch.tensor(self._told))
        self._begun = _shared(torch.full((MOST_WORKERS,), -1))  # how often it had been said when each worker last began
        self._has_worked = False
        self._resumed: tuple[int, int, bool] | None = None  # offset, its epoch, and whether it is this worker's own
        self._here: tuple[int, int] | None = None  # next batch of this process, and the epoch in hand

    def _tell(self, offset: int) -> None:
        self._told = offset, self._told[1] + 1
        self._shared.copy_(torch.tensor(self._told))

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch, or stay where the dataset is if it is the one in hand.

        Raises
        ------
        InputError
            If the epoch is negative.
        """
        is_in_hand = epoch == self._origin()[1]
        self._tell(self._told[0] if is_in_hand else self.stream.offset(epoch))
        if not is_in_hand:
            self._resumed = self._here = None

    def state_dict(self) -> dict[str, int]:
        """Return the offset of the next batch, in a worker that of its own next batch, and the epoch in hand.

        The epoch is there for the end of one, where the offset is already that of the next. With workers ask the
        `StatefulDataLoader`, which knows what it has handed over, or use `TorchLoader`.
        """
        offset, epoch = self._here or self._origin()[:2]
        return {"offset": offset, "epoch": epoch}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Have the next epoch begin where a dataset stood when it gave this state; any loader's state will do.

        Raises
        ------
        InputError
            If there is no offset in it.
        """
        offset = offset_in(state, self.stream)
        self._here = None
        if get_worker_info() is None:
            self._tell(self._told[0])
        self._resumed = offset, state.get("epoch", self.stream.epoch(offset)), get_worker_info() is not None

    def __len__(self) -> int:
        """Return the batches of a whole epoch, of all workers."""
        return self.stream.n_batches

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        worker, n_workers = (0, 1) if info is None else (info.id, info.num_workers)
        if info is not None and self._has_worked:
            self._told = (int(self._shared[0]), int(self._shared[1]))
        start, epoch, is_own = self._origin()
        end = self.stream.offset(epoch, self.stream.n_batches)
        left = list(self.stream.offsets(start)) if start < end else []
        own = [*left[0 if is_own else worker :: n_workers], end]
        self._resumed, self._here, self._has_worked = None, (own[0], epoch), info is not None
        return self._walk(own, epoch, None if is_own else worker, self._told[1])

    def _origin(self) -> tuple[int, int, bool]:
        """Return where the next epoch begins, its number, and whether that place is for this worker alone."""
        return self._resumed or (self._told[0], self.stream.epoch(self._told[0]), False)

    def _walk(self, own: Sequence[int], epoch: int, worker: int | None, times_told: int) -> Iterator[Batch]:
        if worker is not None:  # here, where PyTorch hands an error on: one in `__iter__` ends the worker without a word
            self._check_begun(epoch, worker, times_told)
        following = iter(own[1:])
        for some in self.stream.together(own[:-1]):
            for batch in self.stream.batches(some):
                self._here = next(following), epoch
                yield _as_tensors(batch)

    def _check_begun(self, epoch: int, worker: int, times_told: int) -> None:
        """Refuse to present the same epoch again unasked: a replaying generator is the mistake that nobody sees."""
        is_same_always = isinstance(self.stream.regime, Once) and not self.stream.shuffle
        if worker >= MOST_WORKERS or is_same_always:
            return
        if int(self._begun[worker]) == times_told:
            raise InputError(f"epoch {epoch} has been begun before: call dataset.set_epoch(epoch) before every epoch")
        self._begun[worker] = times_told


class ExampleDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The `n` examples of an epoch one by one, for a DataLoader whose sampler gives batches and order.

    Call `set_epoch` before every epoch: without it the examples of epoch 0 come again, which a sampler can't prevent, and a
    warning says so in the third epoch. `TorchLoader` needs nothing of the kind, and makes whole batches at once.

    Parameters
    ----------
    process, regime, seed, split
        As in `Stream`.

    Raises
    ------
    InputError
        If a finite process has fewer examples than the regime asks for.

    Examples
    --------
    >>> from whygap.process import Fresh, TeacherStudent
    >>> dataset = ExampleDataset(TeacherStudent(), Fresh(100))
    >>> first = dataset[0][0]
    >>> dataset.set_epoch(1)
    >>> len(dataset), bool((dataset[0][0] == first).any())
    (100, False)
    """

    def __init__(self, process: Process, regime: Regime, *, seed: int = 0, split: str = "train") -> None:
        check_supply(process, regime, split)
        self.process, self.regime, self.seed, self.split = process, regime, seed, split
        self._epoch = _shared(torch.zeros((), dtype=torch.int64))  # read by persistent workers, too
        self._asked = _shared(torch.zeros((), dtype=torch.int64))  # since then; workers may miss one another's, no more

    def set_epoch(self, epoch: int) -> None:
        """Give the examples of another epoch, from 0, also in workers that are alive."""
        self._epoch.fill_(epoch)
        self._asked.zero_()

    def __len__(self) -> int:
        """Return the examples of an epoch."""
        return self.regime.n

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.__getitems__([position])[0]

    def __getitems__(self, positions: Sequence[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return several examples, drawn in one go: PyTorch's DataLoader asks for a whole batch this way."""
        if outside := [p for p in positions if not 0 <= p < self.regime.n]:
            raise IndexError(f"there are {self.regime.n} examples in an epoch, and none at position {outside[0]}")
        self._count(len(positions))
        where = np.asarray(positions, np.uint32)
        epoch, index = self.regime.address(where, seed=self.seed, split=self.split, epoch=int(self._epoch))
        x, y = _as_tensors(self.process.draw(index, seed=self.seed, split=self.split, epoch=epoch))
        return list(zip(x, y, strict=True))

    def _count(self, n: int) -> None:
        self._asked += n
        if not isinstance(self.regime, Once) and int(self._asked) - n <= 2 * self.regime.n < int(self._asked):
            text = f"the examples of epoch {int(self._epoch)} are asked for a third time: call set_epoch before every epoch"
            warnings.warn(text, WhygapWarning, stacklevel=4)


def _shared(tensor: torch.Tensor) -> torch.Tensor:
    """Move a tensor to where this process's workers will see it change."""
    return tensor.share_memory_()  # type: ignore[no-untyped-call, no-any-return]  # PyTorch gives it no types


def _as_tensors(batch: Batch) -> Batch:
    return torch.from_numpy(batch[0]), torch.from_numpy(batch[1])
