"""Examples in memory, whatever framework they are of, and where those of each epoch come from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from whygap.adapters.loader_walk import Walk
from whygap.errors import InputError

Index = Any
TARGET_KEYS = ("labels", "label", "targets", "target", "y")


class Examples(NamedTuple):
    """Inputs and targets, (n, ...) each: an array or tensor, or a tuple or dict of them."""

    x: Any
    y: Any

    @property
    def n(self) -> int:
        return len(_leaves(self.y)[0])

    def picked(self, index: Index) -> Examples:
        """Return the examples at `index`, in its order."""
        return Examples(_mapped(self.x, lambda a: a[index]), _mapped(self.y, lambda a: a[index]))

    def with_random_labels(self, seed: int) -> Examples:
        """Return them with the targets permuted: what x says of y is gone, how often each y occurs is not."""
        order = np.random.default_rng([seed, 0x1ABE1]).permutation(self.n)
        return Examples(self.x, _mapped(self.y, lambda a: a[order]))

    def some(self, n: int, seed: int) -> Examples:
        """Return at most n of them, drawn at random."""
        return self if self.n <= n else self.picked(self._drawn(n, seed))

    def but_for_some(self, n: int, seed: int) -> Examples:
        """Return those that `some` leaves out."""
        return self.picked(np.setdiff1d(np.arange(self.n), self._drawn(min(n, self.n), seed)))

    def _drawn(self, n: int, seed: int) -> Index:
        return np.sort(np.random.default_rng([seed, 0x50E]).choice(self.n, n, replace=False))


Convert = Callable[[Any], Any]
"""From a leaf of the user's data to an array or tensor of the framework."""


def as_examples(batch: Any, convert: Convert, what: str, *, most: int = 2) -> Examples:
    """Return a batch (x, y), or of up to `most` parts (x1, x2, ..., y), or a dict with a target, as examples.

    Raises
    ------
    InputError
        If it has another form, or its parts differ in length or are empty.
    """
    if isinstance(batch, Mapping):
        key = next((k for k in TARGET_KEYS if k in batch), None)
        if key is None:
            raise InputError(f"{what} is a dict without a target under one of {', '.join(TARGET_KEYS)}")
        x, y = _without(batch, key), batch[key]
    elif isinstance(batch, (tuple, list)) and 2 <= len(batch) <= most:
        x, y = (batch[0] if len(batch) == 2 else tuple(batch[:-1])), batch[-1]
    else:
        of = f" of {len(batch)} parts" if isinstance(batch, (tuple, list)) else ""
        raise InputError(f"{what} must be (x, y), not a {type(batch).__name__}{of}")
    made = Examples(_mapped(x, convert), _mapped(y, convert))
    lengths = {len(leaf) if getattr(leaf, "ndim", 0) else -1 for leaf in (*_leaves(made.x), *_leaves(made.y))}
    if len(lengths) != 1 or -1 in lengths or 0 in lengths:
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in (*_leaves(made.x), *_leaves(made.y)))
        raise InputError(f"the parts of {what} must have the same number of examples along their first axes, not {shapes}")
    return made


def joined(parts: list[Examples], concatenate: Callable[[list[Any]], Any]) -> Examples:
    """Return several batches as one."""
    return Examples(_zipped([p.x for p in parts], concatenate), _zipped([p.y for p in parts], concatenate))


class Source(Protocol):
    """Where the examples of the k-th epoch, k from 0, come from, in the order of their presentation."""

    def epoch(self, k: int, *, seed: int) -> Examples:
        """Return all examples of an epoch."""
        ...


class Kept(NamedTuple):
    """The same examples in every epoch, in an order of its own; `n` presentations in each, several of one if they are fewer."""

    examples: Examples
    n: int

    def epoch(self, k: int, *, seed: int) -> Examples:
        rng = np.random.default_rng([seed, k, 0x0BDE6])
        passes = -(-self.n // self.examples.n)
        order = np.concatenate([rng.permutation(self.examples.n) for _ in range(passes)])[: self.n]
        return self.examples.picked(order)


class Drawn(NamedTuple):
    """New examples in every epoch."""

    draw: Callable[[int, int], Examples]
    n: int

    def epoch(self, k: int, *, seed: int) -> Examples:
        return self.draw(self.n, 1 + k + 100_003 * seed)


class Passing:
    """What a loader brings, epoch by epoch; of the first, `held` stays for other questions.

    Parameters
    ----------
    walk : Walk
        Through the loader.
    read : callable
        From a batch to examples.
    concatenate : callable
        Joins arrays.
    what : str
        As shown to people.
    deadline : float
        By `time.monotonic`: an epoch that isn't read by then is none.

    Raises
    ------
    InputError
        If the loader fails or brings nothing, or an epoch takes too long: it may have no end.
    """

    def __init__(
        self, walk: Walk, read: Callable[[Any], Examples], concatenate: Convert, *, what: str, deadline: float
    ) -> None:
        self._walk, self._read, self._concatenate, self._what, self._deadline = walk, read, concatenate, what, deadline
        self.batch_size = 0
        self.held = self._next()
        self._first: Examples | None = self.held

    def epoch(self, k: int, *, seed: int) -> Examples:
        """Return the next epoch, whichever it is.

        Raises
        ------
        InputError
            As for the first.
        """
        found, self._first = self._first or self._next(), None
        return found

    def _next(self) -> Examples:
        parts = []
        for batch, _ in self._walk.epoch(max(0.0, self._deadline - time.monotonic())):
            parts.append(self._read(batch))
            self.batch_size = max(self.batch_size, parts[-1].n)
        if self._walk.is_cut:
            raise InputError(f"{self._what} was not read to its end in time: say with steps= how many batches are an epoch")
        if not parts:
            raise InputError(f"{self._what} brings no batch")
        return joined(parts, self._concatenate)


def _without(batch: Mapping[str, Any], key: str) -> Any:
    return {k: v for k, v in batch.items() if k != key}


def _mapped(nest: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(nest, Mapping):
        return {key: _mapped(part, function) for key, part in nest.items()}
    if isinstance(nest, tuple) or (isinstance(nest, list) and nest and all(hasattr(part, "shape") for part in nest)):
        return tuple(_mapped(part, function) for part in nest)
    return function(nest)


def _leaves(nest: Any) -> list[Any]:
    if isinstance(nest, Mapping):
        return [leaf for part in nest.values() for leaf in _leaves(part)]
    return [leaf for part in nest for leaf in _leaves(part)] if isinstance(nest, tuple) else [nest]


def _zipped(nests: list[Any], concatenate: Callable[[list[Any]], Any]) -> Any:
    first = nests[0]
    if isinstance(first, Mapping):
        return {key: _zipped([nest[key] for nest in nests], concatenate) for key in first}
    if isinstance(first, tuple):
        return tuple(_zipped([nest[i] for nest in nests], concatenate) for i in range(len(first)))
    return concatenate(nests)
