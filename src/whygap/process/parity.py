"""Sparse parity: a rule that nothing but the right few inputs together tells anything about."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygap.errors import InputError
from whygap.process.base import Process, Truth
from whygap.process.draws import Draws
from whygap.process.mixture import binary_entropy


@dataclass(frozen=True)
class SparseParity(Process):
    """Tell whether an even or odd number of the first few of many signs is negative.

    x is +-1, of shape (n, bits); y is 1 where the product of the first `relevant` signs is negative, or else 0, and the
    opposite with probability `flip`. That the relevant ones come first is nothing to a network whose weights begin alike for
    all inputs. There are 2^bits different x: with 20 bits, a thousand examples already hold repeats.

    Parameters
    ----------
    bits, relevant : int
        1 <= relevant <= bits.
    flip : float
        Probability of a wrong label, 0 to 1.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    Notes
    -----
    Source: Barak et al., Hidden Progress in Deep Learning, NeurIPS 2022, arXiv:2207.08799; (50, 3) is theirs.
    """

    bits: int = 50
    relevant: int = 3
    flip: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.relevant <= self.bits or not 0.0 <= self.flip <= 1.0:
            raise InputError(f"SparseParity needs 1 <= relevant <= bits and flip from 0 to 1, not {self}")

    @property
    def classes(self) -> int:
        """Even and odd."""
        return 2

    def make(self, draws: Draws) -> tuple[Any, Any]:
        xp, words = draws.xp, math.ceil(self.bits / 32)
        each = draws.bits(words)[:, :, None] >> np.arange(32, dtype=np.uint32)
        bits = (each & 1).reshape(draws.n, words * 32)[:, : self.bits].astype(xp.int32)
        y = bits[:, 0]
        for k in range(1, self.relevant):
            y = y ^ bits[:, k]
        wrong = draws.uniform() < np.float32(self.flip)
        return (1 - 2 * bits).astype(xp.float32), y ^ wrong.astype(xp.int32)

    def truths(self) -> tuple[Truth, ...]:
        """Return the share of labels that no rule can get right, and their entropy."""
        least = min(self.flip, 1.0 - self.flip)
        return (
            Truth("error", least, "closed form", text="the probability of a wrong label"),
            Truth("loss:cross_entropy", binary_entropy(least), "closed form", text="entropy of a wrong label"),
        )
