"""Regimes: where the examples of a training epoch come from. A set drawn once, new ones each epoch, or some of a pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from whygap.errors import InputError
from whygap.process.draws import MOST_INDEX, Draws
from whygap.process.permutation import KEY_WORDS, permuted

Address = tuple[Any, Any]
"""Epoch and index under which `Process.draw` finds an example."""


@dataclass(frozen=True)
class Once:
    """A set of `n` examples, drawn once and presented in every epoch.

    Parameters
    ----------
    n : int
        Examples, 1 to 2^32 - 1.

    Raises
    ------
    InputError
        If `n` isn't such an integer.

    Examples
    --------
    >>> Once(5).address(np.arange(2), seed=0, epoch=7)
    (0, array([0, 1]))
    """

    n: int

    def __post_init__(self) -> None:
        check_count("n", self.n)

    @property
    def distinct(self) -> int:
        """Examples that the process must have."""
        return self.n

    def address(self, position: Any, *, seed: Any, split: str = "train", epoch: Any = 0, xp: Any = np) -> Address:
        """Return (epoch, index) to draw for each position, 0 to n - 1, of an epoch."""
        return 0, position


@dataclass(frozen=True)
class Fresh:
    """`n` new examples for every epoch: none is ever presented twice.

    Parameters
    ----------
    n : int
        Examples of an epoch, 1 to 2^32 - 1. There is no set that an epoch would be a pass over: it is only how often scores
        are looked at.

    Raises
    ------
    InputError
        If `n` isn't such an integer.

    Examples
    --------
    >>> Fresh(5).address(np.arange(2), seed=0, epoch=7)
    (7, array([0, 1]))
    """

    n: int

    def __post_init__(self) -> None:
        check_count("n", self.n)

    @property
    def distinct(self) -> None:
        """Examples that the process must have: more than any number."""
        return

    def address(self, position: Any, *, seed: Any, split: str = "train", epoch: Any = 0, xp: Any = np) -> Address:
        """Return (epoch, index) to draw for each position, 0 to n - 1, of an epoch."""
        return epoch, position


@dataclass(frozen=True)
class Pool:
    """`n` of a pool of `k` examples for every epoch, chosen anew, without replacement within the epoch.

    Between the other two: `Pool(n, n)` presents what `Once(n)` does, and as `k` grows it turns into `Fresh(n)`. With a larger
    pool than an epoch no example comes twice within the epoch; with a smaller one each comes n // k times, and a random
    n % k of them once more, as in PyTorch's `RandomSampler(num_samples=n)`. So the number of distinct examples is all that
    changes along k: drawing with replacement would repeat examples within the epoch, too, and k = n would not be `Once`.

    Parameters
    ----------
    k, n : int
        Examples of the pool and of an epoch, 1 to 2^32 - 1.

    Raises
    ------
    InputError
        If `k` or `n` isn't such an integer.

    Examples
    --------
    >>> epoch, index = Pool(3, 6).address(np.arange(6), seed=0, epoch=7)
    >>> epoch, sorted(index.tolist())
    (0, [0, 0, 1, 1, 2, 2])
    """

    k: int
    n: int

    def __post_init__(self) -> None:
        check_count("k", self.k)
        check_count("n", self.n)

    @property
    def distinct(self) -> int:
        """Examples that the process must have."""
        return self.k

    def address(self, position: Any, *, seed: Any, split: str = "train", epoch: Any = 0, xp: Any = np) -> Address:
        """Return (epoch, index) to draw for each position, 0 to n - 1, of an epoch."""
        place = xp.asarray(position).astype(xp.uint32) % np.uint32(self.k)
        return 0, permuted(place, n=self.k, key=key_of("pool", seed=seed, split=split, epoch=epoch, xp=xp), xp=xp)


Regime = Once | Fresh | Pool


def in_order(position: Any, *, n: int, seed: Any, split: str = "train", epoch: Any = 0, xp: Any = np) -> Any:
    """Return which position of an epoch of `n` is delivered at each place, in a random order of this epoch.

    Examples
    --------
    >>> sorted(in_order(np.arange(6), n=6, seed=0).tolist())
    [0, 1, 2, 3, 4, 5]
    """
    place = xp.asarray(position).astype(xp.uint32)
    return permuted(place, n=n, key=key_of("order", seed=seed, split=split, epoch=epoch, xp=xp), xp=xp)


def key_of(purpose: str, *, seed: Any, split: str, epoch: Any, xp: Any = np) -> Any:
    """Return the key of a permutation: random bits of a split of its own, that no example is made of."""
    return Draws(np.zeros(1, np.uint32), seed=seed, split=f"{purpose} of {split}", epoch=epoch, xp=xp).bits(KEY_WORDS)[0]


def check_count(name: str, value: object) -> None:
    """Check that a number of examples is an integer that an index can reach.

    Raises
    ------
    InputError
        If it isn't, or is below 1 or above 2^32 - 1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value <= MOST_INDEX:
        raise InputError(f"{name} must be an integer of 1 to {MOST_INDEX}, not {value!r}")
