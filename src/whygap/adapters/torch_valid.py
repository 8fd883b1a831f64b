"""The validation side: seen while the user validates, told by the user, or scored by us; and examples that are fresh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

import numpy as np
import torch

from whygap.adapters.epoch import ROUNDING, ValidSide
from whygap.adapters.repeats import Repeats
from whygap.adapters.session import Session
from whygap.adapters.torch_batch import (
    count_rows,
    default_forward,
    has_rows,
    in_chunks,
    picked,
)
from whygap.adapters.torch_rungs import Scoring
from whygap.adapters.torch_scores import Functions, Seen, concatenated, score_all, score_seen, seen_by_default
from whygap.adapters.torch_state import BATCH_NORM, DROPOUT, has_active, modes_of, preserved_loader
from whygap.adapters.torch_visits import Onlooker
from whygap.errors import InputError
from whygap.observation import Array

HELD_ROWS = 1000
"""Examples that stand for a set which would cost too much to score in every epoch."""

BLOCK = 2**18
"""Numbers, of outputs and targets together, that are kept in one block of memory; batches of more are copied one by one."""


class Split:
    """A set of examples behind a loader: scored as a whole, or a simple random sample of it that stays the same.

    Parameters
    ----------
    loader : iterable of batches
    name : str
        "validation" or "fresh", as shown to people.
    seed : int
        Of the sample.
    """

    def __init__(self, loader: Iterable[Any], name: str, *, seed: int) -> None:
        self._loader = loader
        self._name = name
        self.repeats: Repeats | None = None  # looks at the examples in passing
        self._rng = np.random.default_rng([seed, len(name)])
        self._held: list[Any] = []
        self._n = 0

    @property
    def is_held(self) -> bool:
        """Whether there is a sample of it."""
        return bool(self._held)

    def score(self, scoring: Scoring) -> ValidSide:
        """Return the scores of all examples."""
        with scoring.validating() as model:
            scored = [scoring.onlooker.score(batch, scoring.valid_functions, model) for batch in self._batches()]
        return _side(scored)

    def score_held(self, scoring: Scoring) -> ValidSide:
        """Return the scores of the sample; of all examples where these can't be taken apart."""
        if not self._held:
            return self.score(scoring)
        with scoring.validating() as model:
            scored = [scoring.onlooker.score(batch, scoring.valid_functions, model) for batch in self._held]
        side = _side(scored)
        side.n = self._n
        return side

    def hold(self) -> None:
        """Draw the sample: every example gets a random key, and those with the smallest keys stay."""
        limit, picks, all_keys, n, size = 1.0, list[tuple[Any, Array]](), np.empty(0), 0, 1
        for batch in self._batches():
            rows = count_rows(batch)
            if not has_rows(batch, rows):
                return
            n, size = n + rows, max(size, rows)
            keys = self._rng.random(rows)
            chosen = np.flatnonzero(keys < limit)
            if chosen.size:
                picks.append((picked(batch, torch.from_numpy(chosen)), keys[chosen]))
                all_keys = np.concatenate([all_keys, keys[chosen]])
            if all_keys.size > HELD_ROWS:
                all_keys = np.partition(all_keys, HELD_ROWS - 1)[:HELD_ROWS]
                limit = float(all_keys.max())
        kept = [(batch, np.flatnonzero(keys <= limit)) for batch, keys in picks]
        kept = [(picked(batch, torch.from_numpy(rows)), rows) for batch, rows in kept if rows.size]
        self._n = n
        self._held = in_chunks([batch for batch, _ in kept], size, first=size)

    def _batches(self) -> Iterator[Any]:
        is_empty = True
        if self.repeats is not None:
            self.repeats.begin_validation()
        with preserved_loader(self._loader):
            for batch in self._loader:
                is_empty = False
                if self.repeats is not None:
                    self.repeats.see_valid(batch)
                yield batch
        if is_empty:
            raise InputError(f"the {self._name} set is empty: its loader gave no batch")


class Block:
    """Outputs and targets of one validation batch after another, copied into memory that is theirs alone.

    Held where they are, they would lie between the tensors of the loop, which come and go, and keep the allocator from using
    the same memory again: every batch would be written to memory that is cold, or that the system has yet to give. The places
    are cut in advance, as between two batches of a loop each call is slow.

    Parameters
    ----------
    output, target : tensors of shape (rows, ...)
        Of the batch that the block is made for. It has room for `BLOCK` numbers.
    """

    def __init__(self, output: torch.Tensor, target: torch.Tensor) -> None:
        self._rows = rows = max(1, output.size(0))
        places = max(1, BLOCK // max(1, output.numel() + target.numel()))
        with torch.inference_mode(mode=False):  # what is made in that mode can be written to in no other
            self._output, self._target = (
                torch.empty((places, rows, *t.shape[1:]), dtype=t.dtype, device=t.device) for t in (output, target)
            )
            self._places = tuple(zip(self._output.unbind(), self._target.unbind(), strict=True))
        self._taken = 0  # places
        self._n = 0

    def take(self, output: torch.Tensor, target: torch.Tensor) -> bool:
        """Copy a batch that is like the first one, or shorter, if there is a place for it; return whether that was done."""
        if self._taken == len(self._places):
            return False
        outputs, targets = self._places[self._taken]
        if outputs.dtype != output.dtype or targets.dtype != target.dtype:
            return False
        n = self._rows
        if outputs.shape != output.shape or targets.shape != target.shape:
            n = output.size(0)
            outputs, targets = outputs[:n], targets[:n]
            if n > self._rows or outputs.shape != output.shape or targets.shape != target.shape:
                return False
        outputs.copy_(output.detach())
        targets.copy_(target.detach())
        self._n += n
        self._taken = self._taken + 1 if n == self._rows else len(self._places)  # what comes after a shorter one has no place
        return True

    def seen(self) -> Seen:
        """Return all that was taken."""
        return Seen(self._output.flatten(0, 1)[: self._n], self._target.flatten(0, 1)[: self._n], self._n)


class ValidationWatch:
    """What is seen while the user validates: copies of the model's outputs, and the numbers recorded."""

    def __init__(self, onlooker: Onlooker, functions: Functions, forward: Any, session: Session) -> None:
        self._onlooker = onlooker
        self._functions = functions
        self._forward = forward
        self._session = session
        self._clock = session.ledger.clock
        self._spent_s = 0.0
        self._plain: Any = None  # the type of a batch of which output and target were plain tensors
        self._seen: list[Block | Seen | dict[str, Array]] = []
        self._n_seen = 0  # batches
        self.rows: list[int] = []
        self.recorded: list[Any] = []
        self.was_training = False
        self._batch: Any = None

    def begin(self, batch: Any) -> None:
        """Note the batch that is about to be validated on."""
        self.rows.append(count_rows(batch))
        self._batch = batch

    def watch(self, models: Iterable[torch.nn.Module]) -> list[torch.utils.hooks.RemovableHandle]:
        """Have the outputs of each batch's first forward pass noted."""
        return [model.register_forward_hook(self._on_forward) for model in models]

    def side(self) -> ValidSide | None:
        """Return the scores of all examples that the user validated on; None where they were not seen."""
        self._session.ledger.spend("rest", self._spent_s)
        self._spent_s = 0.0
        if not self.rows or self._n_seen != len(self.rows):
            return None
        seen = [s.seen() if isinstance(s, Block) else s for s in self._seen]
        deferred = [s for s in seen if isinstance(s, Seen)]
        if len(deferred) == len(seen):
            return _side([score_all(self._functions, [s.in_full() for s in deferred])])
        return _side([score_seen(self._functions, s.in_full()) if isinstance(s, Seen) else s for s in seen])

    def _on_forward(self, module: torch.nn.Module, given: Any, output: Any) -> None:
        batch = self._batch
        if batch is None:
            return
        began = self._clock()
        try:
            self._batch = None
            if module.training or (not self._n_seen and has_active(modes_of(module), DROPOUT + BATCH_NORM)):
                self.was_training = True
            is_pair = type(batch) is self._plain and len(batch) == 2
            if (is_pair and self._take(output, batch[1])) or self._note(batch, output):
                self._n_seen += 1
        except Exception as error:
            self._session.fail("watching the validation", error)
        self._spent_s += self._clock() - began

    def _take(self, output: Any, target: Any) -> bool:
        """Copy plain tensors with a row for every example into a block; return whether they were such."""
        if not (type(output) is type(target) is torch.Tensor and output.is_cpu and target.is_cpu):
            return False
        if not (output.ndim and target.ndim and output.size(0) == target.size(0) == self.rows[-1]):
            return False
        last = self._seen[-1] if self._seen else None
        if not (isinstance(last, Block) and last.take(output, target)):
            if output.numel() + target.numel() > BLOCK:
                return False
            block = Block(output, target)
            block.take(output, target)
            self._seen.append(block)
        return True

    def _note(self, batch: Any, output: Any) -> bool:
        """Copy output and target of a batch of any kind, or score them; return whether it could be told what they are."""
        rows = self.rows[-1]
        if self._forward is default_forward:
            found: Seen | None = seen_by_default(output, batch, rows)
        else:
            with self._session.preserved(), torch.no_grad():
                found = self._onlooker.pair(batch, output, rows)
        if found is None:
            return False
        if not found.is_light:
            with self._session.preserved(), torch.no_grad():
                self._seen.append(score_seen(self._functions, found))
        elif not self._take(found.output, found.target):
            self._seen.append(found.held())
        elif self._forward is default_forward and isinstance(batch, (tuple, list)):
            self._plain = type(batch)  # whose target is its second item: those after it go the short way
        return True


def score_valid(split: Split, scoring: Scoring, told: Mapping[str, float], *, is_first: bool) -> ValidSide:
    """Return the scores of a validation set: of all of it, or of a sample of which the mean was `told`.

    Where time is short one is drawn in a first epoch whose pass through all has shown that what is told is the plain mean.
    """
    ledger = scoring.ledger
    if not told:
        with ledger.book("validation"):  # this pass is the user's validation: it would be there without us
            return split.score(scoring)
    if isinstance(ledger.budget, float) and split.is_held:
        side = split.score_held(scoring)
        side.mean = told
        return side
    side = split.score(scoring)
    if isinstance(ledger.budget, float) and is_first and is_told_plain_mean(side, told):
        split.hold()
    return side


def score_fresh(split: Split, scoring: Scoring) -> ValidSide:
    """Return the scores of a fresh set: of a sample of it, which stays the same, where time is short."""
    if not isinstance(scoring.ledger.budget, float):
        return split.score(scoring)
    if not split.is_held:
        split.hold()
    return split.score_held(scoring)


def is_told_plain_mean(side: ValidSide, told: Mapping[str, float]) -> bool:
    """Return whether every number that was told is the plain mean over the examples."""
    means = {name: side.mean_of(name) for name in told if name in side.scores}
    return all(abs(told[name] - mean) <= ROUNDING * max(abs(told[name]), abs(mean)) for name, mean in means.items())


def reusable(loader: Iterable[Any], split: str, session: Session) -> Iterable[Any]:
    """Return a loader that can be walked every epoch, and check that it isn't known to be empty.

    Raises
    ------
    InputError
        If it is, or if it is no loader.
    """
    if not isinstance(loader, Iterable) and not hasattr(loader, "__getitem__"):
        raise InputError(f"{split} must be a loader of batches, not {type(loader).__name__}")
    if isinstance(loader, Iterator):
        with session.preserved():
            loader = list(loader)
    if isinstance(loader, Sized) and len(loader) == 0:
        raise InputError(f"the {split} set is empty: its loader has length 0")
    return loader


def _side(scored: list[dict[str, Array]]) -> ValidSide:
    scores = concatenated(scored)
    return ValidSide(scores=scores, n=len(next(iter(scores.values()))))
