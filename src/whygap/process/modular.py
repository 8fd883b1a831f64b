"""Modular addition: a finite domain, so that training and validation examples divide it between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygap.errors import InputError
from whygap.process.base import Process, Truth
from whygap.process.draws import Draws

ROUNDS = 8
"""Of the Feistel network; 4 already pass for random where the round functions are."""


@dataclass(frozen=True)
class ModularAddition(Process):
    """Predict a + b modulo p from all p^2 pairs, some of them for training and the others for validation.

    The pairs are put in an order that the seed decides; the training split is the beginning, the validation split the rest. No
    other split exists. An index beyond the split is refused, but can't be where JAX traces it. x is a and b one-hot, of shape
    (n, 2 p), or the two numbers, int32 of shape (n, 2); y is the sum.

    Parameters
    ----------
    modulus : int
        p, at least 2.
    share_train : float
        Share of the pairs for training, strictly between 0 and 1; neither split may be empty.
    one_hot : bool
        False for the numbers themselves, as tokens.

    Raises
    ------
    InputError
        If a parameter is out of its range, or in `draw` a split or an index that isn't there.

    Examples
    --------
    >>> process = ModularAddition(modulus=5, share_train=0.6, one_hot=False)
    >>> process.size_of("train"), process.size_of("valid")
    (15, 10)
    >>> x, y = process.draw(np.arange(15), seed=0)
    >>> bool((x.sum(axis=1) % 5 == y).all())
    True
    """

    modulus: int = 97
    share_train: float = 0.5
    one_hot: bool = True

    def __post_init__(self) -> None:
        n = self.modulus**2
        if not 2 <= self.modulus < 2**16 or not 0.0 < self.share_train < 1.0 or not 0 < math.floor(self.share_train * n) < n:
            raise InputError(
                f"ModularAddition needs a modulus from 2 to 65535 and examples in both splits, "
                f"not modulus={self.modulus}, share_train={self.share_train}"
            )

    @property
    def classes(self) -> int:
        """The modulus."""
        return self.modulus

    @property
    def size(self) -> int:
        """All pairs."""
        return self.modulus**2

    def size_of(self, split: str) -> int:
        """Return the pairs of "train" or "valid".

        Raises
        ------
        InputError
            If the split is another.
        """
        n_train = math.floor(self.share_train * self.size)
        if split not in ("train", "valid"):
            raise InputError(
                f"ModularAddition divides its {self.size} pairs between 'train' and 'valid': there is no {split!r}"
            )
        return n_train if split == "train" else self.size - n_train

    def make(self, draws: Draws) -> tuple[Any, Any]:
        """Return the pairs at the split's places in the seed's order, and their sums.

        Raises
        ------
        InputError
            As `size_of`.
        """
        xp, p = draws.xp, self.modulus
        position = draws.index if draws.split == "train" else draws.index + np.uint32(self.size_of("train"))
        a, b = (position // p).astype(xp.int32), (position % p).astype(xp.int32)
        rounds = draws.shared(p).integers(0, p, ROUNDS)
        # a Feistel network whose halves are numbers modulo p: a permutation of the pairs, whatever the round functions are
        for k in range(ROUNDS):
            a, b = b, (a + rounds[b, k]) % p
        y = (a + b) % p
        if not self.one_hot:
            return xp.stack([a, b], axis=1), y
        numbers = np.arange(p, dtype=np.int32)
        return xp.concatenate([a[:, None] == numbers, b[:, None] == numbers], axis=1).astype(xp.float32), y

    def truths(self) -> tuple[Truth, ...]:
        """Return 0: the sum follows from x."""
        return (Truth("error", 0.0, "closed form", text="y is a function of x"),)
