"""Any loader, epoch by epoch, without a model: what it delivers, and which worker made it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from whygap.audit import Believed, Tally, Views, hash_example, hash_examples, is_batch, judge_repetition
from whygap.errors import InputError
from whygap.records import Repetition

Watch = Callable[[str, int | None], None]
"""Called after every batch with what is walked through, and how many batches it has, if known."""


class Stamped(NamedTuple):
    """A batch, and the worker process that made it."""

    worker: int
    batch: Any


class Stamping:
    """Stands in for the collate function of a PyTorch loader: its batches, each with the worker that made it."""

    def __init__(self, collate: Callable[[Any], Any]) -> None:
        self._collate = collate

    def __call__(self, samples: Any) -> Stamped:
        from torch.utils.data import get_worker_info

        info = get_worker_info()
        return Stamped(0 if info is None else info.id, self._collate(samples))


class Walk:
    """Epochs of what a factory makes: an iterable that starts anew with every epoch, or an iterator that can be walked once.

    Of an iterator, an epoch ends where it ends, after `steps` batches or when the time is up; what is left is the next epoch,
    and where nothing is left the factory is asked for another one, as a loop over epochs would do.

    Parameters
    ----------
    factory : callable
        Without arguments. The loader is the walk's own: with PyTorch workers its collate function is wrapped.
    name : str
        As shown to people.
    steps : int, optional
        Batches in an epoch.

    Raises
    ------
    InputError
        If the factory fails, or gives nothing that can be walked.
    """

    def __init__(self, factory: Callable[[], Any], name: str, *, steps: int | None = None) -> None:
        self._factory, self._name, self._steps = factory, name, steps
        self._loader = self._make()
        self._is_iterator = isinstance(self._loader, Iterator)
        self._rest: Iterator[Any] | None = None
        self.is_cut = False  # whether an epoch was left for lack of time

    @property
    def n_batches(self) -> int | None:
        """Batches in an epoch, where the loader knows it."""
        if self._steps is not None:
            return self._steps
        try:
            return len(self._loader) if not self._is_torch_stream() else None
        except Exception:
            return None

    def epoch(self, seconds: float) -> Iterator[tuple[Any, int]]:
        """Yield what the loader delivers in one epoch, each with the number of its worker.

        Raises
        ------
        InputError
            If the loader fails.
        """
        until = time.monotonic() + seconds
        self._tell("on_epoch_begin")
        items = self._rest if self._rest is not None else self._guarded(iter, self._loader)
        self._rest = None
        n = 0
        while True:
            if self._steps is not None and n >= self._steps:
                self._rest = items if self._is_iterator else None
                break
            if time.monotonic() > until:
                self.is_cut, self._rest = True, items if self._is_iterator else None
                break
            item = self._guarded(next, items, self, after=n)
            if item is self:
                if self._is_iterator:
                    self._loader = self._make()
                break
            n += 1
            yield (item.batch, item.worker) if isinstance(item, Stamped) else (item, 0)
        self._tell("on_epoch_end")

    def _tell(self, moment: str) -> None:
        """Tell a loader of Keras where an epoch begins and ends: it may draw or shuffle then."""
        if hasattr(self._loader, "on_epoch_end") and callable(told := getattr(self._loader, moment, None)):
            self._guarded(told)

    def _make(self) -> Any:
        loader = self._guarded(self._factory)
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(loader, torch.utils.data.DataLoader):
            if loader.num_workers and not isinstance(loader.collate_fn, Stamping):
                loader.collate_fn = Stamping(loader.collate_fn)
        elif isinstance(loader, (tuple, dict)) or hasattr(loader, "dtype"):
            return [loader]  # the arrays themselves: one batch
        elif not isinstance(loader, Iterable):
            if not hasattr(loader, "__getitem__") or not hasattr(loader, "__len__"):
                raise InputError(f"{self._name} gives something of type {type(loader).__name__}, which can't be walked through")
            return _Indexed(loader)
        return loader

    def _is_torch_stream(self) -> bool:
        """A DataLoader that was asked for the length of a stream warns later, where it turns out to be another."""
        torch = sys.modules.get("torch")
        dataset = getattr(self._loader, "dataset", None)
        return torch is not None and isinstance(dataset, torch.utils.data.IterableDataset)

    def _guarded(self, function: Callable[..., Any], *arguments: Any, after: int | None = None) -> Any:
        try:
            return function(*arguments)
        except InputError:
            raise
        except Exception as error:
            where = self._name if after is None else f"{self._name}, batch {after + 1:,}"
            text = (str(error).strip().splitlines() or [""])[-1]
            raise InputError(f"{where}: {type(error).__name__}: {text}") from error


class _Indexed:
    """What has a length and items, but no iterator: PyTorch's datasets, whose items may not end with an IndexError."""

    def __init__(self, items: Any) -> None:
        self.dataset = items

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[Any]:
        return (self.dataset[i] for i in range(len(self.dataset)))


def audit_loader(
    train: Walk,
    valid: Walk | None = None,
    *,
    epochs: int = 2,
    seconds: float = 60.0,
    clean: Callable[[Any], Any] | None = None,
    believed: Believed | None = None,
    has_examples: bool = False,
    watch: Watch | None = None,
) -> Repetition:
    """Walk through a loader for some epochs and say how often it delivers each example.

    Parameters
    ----------
    train, valid : Walk
        The validation loader is walked through once.
    epochs : int
        Of the training loader; at least 2 tell whether examples come again.
    seconds : float
        For everything; an epoch that takes more than its part is left, and what can be told of a part is.
    clean : callable, optional
        `clean(batch)` gives the batch without augmentation.
    believed : "fresh", "once" or "pool", optional
        What the examples are believed to be.
    has_examples : bool
        Whether the loaders give examples, not batches; a batch is otherwise known by parts of the same length.
    watch : callable, optional
        Told of the progress.

    Raises
    ------
    InputError
        If a loader fails or gives nothing, or an argument is out of its range.
    """
    if epochs < 1 or not seconds > 0.0:
        raise InputError(f"there must be at least one epoch and some time, not {epochs} and {seconds} s")
    each = seconds / (epochs + (valid is not None))
    tally, cleaned, unchanged = Tally(), Tally(), 0
    for epoch in range(epochs):
        tally.begin_epoch()
        cleaned.begin_epoch()
        for batch, worker in train.epoch(each):
            is_one = has_examples or not is_batch(batch)
            hashes = _hashed(batch, is_one)
            tally.add(hashes, source=worker)
            if clean is not None:
                before = _hashed(clean(batch), is_one)
                cleaned.add(before, source=worker)
                unchanged += int(np.count_nonzero(before == hashes)) if before.shape == hashes.shape else 0
            if watch is not None:
                watch(f"Epoch {epoch + 1} of {epochs}", train.n_batches)
    tallied = tally.compute()
    if not tallied.n:
        raise InputError("the training loader gave no batch")
    valid_tally = Tally()
    if valid is not None:
        for batch, _ in valid.epoch(each):
            valid_tally.add(_hashed(batch, has_examples or not is_batch(batch)))
            if watch is not None:
                watch("Validation", valid.n_batches)
        if not valid_tally.compute().n:
            raise InputError("the validation loader gave no batch")
    return judge_repetition(
        tallied,
        valid_tally.compute() if valid is not None else None,
        is_cut=train.is_cut,
        views=None if clean is None else Views(cleaned.compute(), unchanged / tallied.n),
        believed=believed,
    )


def _hashed(item: Any, is_one: bool) -> Any:
    return hash_example(item) if is_one else hash_examples(item)
