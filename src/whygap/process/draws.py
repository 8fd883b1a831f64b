"""Random numbers by address: an example's depend on its seed, split, epoch and index, and on nothing else.

The key is made of seed, split and epoch; the counter is the index and the place of the number in the example's own stream. No
state is carried from example to example, so that any batch, order, worker or machine finds the same bytes.
"""

from __future__ import annotations

import functools
import hashlib
import math
import operator
from typing import Any

import numpy as np

from whygap.errors import InputError
from whygap.process.quantile import normal_quantile
from whygap.process.threefry import Words, threefry

MOST_INDEX = 2**32 - 1
PAIRS_PER_CALL = 2**20
"""Of words, for each example: calls are this far apart in the counter, and 4,096 of them fit."""


class Draws:
    """Random numbers for a batch of examples: each example's depend on its own address alone.

    Each call takes the next numbers, so that the calls must come in a fixed order: no branch on a value, as JAX asks too.
    Whatever a `shape` is, the first axis of what comes back is the examples'.

    Parameters
    ----------
    index : integers of shape (n,)
        The examples, 0 to 2^32 - 1.
    seed, split, epoch
        As in `Process.draw`.
    xp : module
        numpy, or jax.numpy, under which seed, epoch and index may be traced.

    Attributes
    ----------
    n : int
        Examples.
    index : array of uint32 of shape (n,)
        For processes on a finite domain.
    split : str
        Likewise.
    xp : module
        The arrays' own; use it for what you compute from them.

    Raises
    ------
    InputError
        If an index, the seed or the epoch is no integer, negative or too large; an index that is traced can't be checked.
    """

    def __init__(self, index: Any, *, seed: Any, split: str = "train", epoch: Any = 0, xp: Any = np) -> None:
        self.xp, self.split = xp, split
        self.index = _checked_index(index) if xp is np else xp.asarray(index).astype(xp.uint32)
        self.n: int = self.index.shape[0]
        self._seed = seed
        self._key = _key(seed, split, epoch, xp)
        self._calls = 0

    def bits(self, *shape: int) -> Any:
        """Return uint32 of shape (n, *shape), all 32 bits random.

        Raises
        ------
        InputError
            If the shape asks for more than 2,097,152 words for each example, or this is the 4,097th call.
        """
        words = math.prod(shape)
        pairs = (words + 1) // 2
        if pairs > PAIRS_PER_CALL or self._calls >= 2**32 // PAIRS_PER_CALL:
            raise InputError(
                f"an example's call {self._calls + 1} for {words} words: 4,096 calls of 2,097,152 words are the most"
            )
        place = np.arange(self._calls * PAIRS_PER_CALL, self._calls * PAIRS_PER_CALL + pairs, dtype=np.int64).astype(np.uint32)
        self._calls += 1
        both = threefry(self._key, (self.index[:, None], place[None, :]), xp=self.xp)
        joined = both[0] if words == 1 else self.xp.concatenate(both, axis=1)[:, :words]
        return joined.reshape((self.n, *shape))

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Any:
        """Return float32 of shape (n, *shape), uniform on [low, high): 2^24 values, evenly spaced.

        Raises
        ------
        InputError
            If `low` isn't below `high` in float32, or as `bits`.
        """
        bottom, top = np.float32(low), np.float32(high)
        if not bottom < top or not np.isfinite(top - bottom):
            raise InputError(f"uniform needs low < high, both finite, not low={low} and high={high}")
        bits = self.bits(*shape)
        bits >>= 8
        value = bits.view(self.xp.int32).astype(self.xp.float32)  # the sign bit is 0, and signed words convert faster
        value *= np.float32(2.0**-24)
        if low == 0.0 and high == 1.0:
            return value
        value *= top - bottom
        value += bottom
        return self.xp.minimum(value, np.nextafter(top, bottom))  # the sum may round up to `high`

    def normal(self, *shape: int) -> Any:
        """Return float32 of shape (n, *shape), normal with mean 0 and standard deviation 1, at most 5.42 in magnitude.

        Raises
        ------
        InputError
            As `bits`.
        """
        bits = self.bits(*shape)
        bits >>= 8
        odd = bits.view(self.xp.int32)
        odd <<= 1
        odd -= 2**24 - 1
        x = odd.astype(self.xp.float32)
        x *= np.float32(2.0**-24)  # the 2^24 odd multiples of 2^-24 in (-1, 1): symmetric, and never 1
        return normal_quantile(x, xp=self.xp)

    def integers(self, low: int, high: int, *shape: int) -> Any:
        """Return int32 of shape (n, *shape), low <= value < high, each as likely to within (high - low) / 2^32.

        Raises
        ------
        InputError
            If `low` isn't below `high`, either doesn't fit into an int32, or as `bits`.
        """
        if not -(2**31) <= low < high <= 2**31 - 1:
            raise InputError(f"integers needs low < high, both within 32 bits, not low={low} and high={high}")
        value = _high_product(self.bits(*shape), high - low)
        return value.view(self.xp.int32) + np.int32(low)  # wraps around where the range is wider than 2^31, as it should

    def shared(self, n: int) -> Draws:
        """Return draws for `n` things that all examples of this seed have in common, whatever their split and epoch."""
        index = np.arange(n, dtype=np.uint32)
        return Draws(index, seed=self._seed, split="shared by all splits", xp=self.xp)


def _high_product(word: Any, times: int) -> Any:
    """Return the upper 32 bits of a 32-bit word times another, by their halves."""
    a, b = np.uint32(times >> 16), np.uint32(times & 0xFFFF)
    top, bottom = word >> 16, word & 0xFFFF
    middle = bottom * b
    middle >>= 16
    middle += top * b  # below 2^32: (2^16 - 1)^2 + 2^16 - 1
    carry = middle >> 16
    middle &= 0xFFFF
    middle += bottom * a
    middle >>= 16
    return top * a + middle + carry


def _checked_index(index: Any) -> Any:
    array = np.asarray(index)
    if array.dtype.kind not in "iu":
        raise InputError(f"index must be integers, not {array.dtype}")
    if array.dtype != np.uint32 and array.size and not (array.min() >= 0 and array.max() <= MOST_INDEX):
        raise InputError(f"index must be 0 to {MOST_INDEX}, not {array.min()} to {array.max()}")
    return array.astype(np.uint32, copy=False)


def _key(seed: Any, split: str, epoch: Any, xp: Any) -> Words:
    if isinstance(seed, (int, np.integer)) and isinstance(epoch, (int, np.integer)):
        return _known_key(_checked("seed", seed, 64), split, _checked("epoch", epoch, 32))
    if xp is np:
        raise InputError(f"seed and epoch must be integers, not {type(seed).__name__} and {type(epoch).__name__}")
    low, high = _traced_words(seed, xp)
    place = xp.full(1, _name_of_split(split), xp.uint32)
    return threefry((low, high), (place, _traced_words(epoch, xp)[0]), xp=xp)


@functools.lru_cache(maxsize=256)
def _known_key(seed: int, split: str, epoch: int) -> Words:
    """Return the key of a concrete address: 60 microseconds, as much as a hundred examples, hence kept."""
    words = [np.full(1, word, np.uint32) for word in (seed & 0xFFFFFFFF, seed >> 32, _name_of_split(split), epoch)]
    return threefry((words[0], words[1]), (words[2], words[3]))


def _traced_words(value: Any, xp: Any) -> Words:
    """Return the lower and upper word of a traced integer, or of a Python one."""
    if isinstance(value, (int, np.integer)):
        known = operator.index(value)
        return np.full(1, known & 0xFFFFFFFF, np.uint32), np.full(1, known >> 32, np.uint32)
    array = xp.asarray(value).reshape(1)
    upper = array >> 32 if array.dtype.itemsize == 8 else xp.zeros(1, xp.uint32)
    return array.astype(xp.uint32), upper.astype(xp.uint32)


def _checked(name: str, value: int | np.integer[Any], bits: int) -> int:
    known = operator.index(value)
    if not 0 <= known < 2**bits:
        raise InputError(f"{name} must be 0 to 2^{bits} - 1, not {known}")
    return known


@functools.lru_cache(maxsize=256)
def _name_of_split(split: str) -> int:
    """Return 32 bits that stand for a split's name: Python's own hash differs from process to process."""
    return int.from_bytes(hashlib.blake2b(split.encode(), digest_size=4).digest(), "little")
