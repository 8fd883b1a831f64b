"""Threefry-2x32: 64 random bits that are a pure function of a key and a counter, on 32-bit words alone.

JAX has no 64-bit words unless told to; on 32-bit ones NumPy and JAX agree bit for bit. Augmented assignments work in place on
NumPy's arrays and rebind JAX's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
"""Bits that the second word is turned by: of four rounds, and of the next four."""

PARITY = np.uint32(0x1BD11BDA)
"""Keeps the third word of the key schedule from being 0 when the key is."""

Words = tuple[Any, Any]


def threefry(key: Words, counter: Words, *, xp: Any = np) -> Words:
    """Return the two output words of 20 rounds of Threefry-2x32.

    For one key it is a bijection on counters: no two counters give the same two words.

    Parameters
    ----------
    key : two arrays of uint32
        Of one element, or of any shape that broadcasts with the counter's. Arrays, not scalars: NumPy warns of a scalar that
        wraps around, and wrapping around is meant.
    counter : two arrays of uint32
        Of shapes that broadcast.
    xp : module
        numpy or jax.numpy.

    Returns
    -------
    two arrays of uint32
        Of the common shape.

    Notes
    -----
    Source: Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011, doi 10.1145/2063384.2063405.

    Examples
    --------
    >>> zero = np.zeros(1, np.uint32)
    >>> [f"{word.item():08x}" for word in threefry((zero, zero), (zero, zero))]
    ['6b200159', '99ba4efe']
    """
    schedule = (key[0], key[1], key[0] ^ key[1] ^ PARITY)
    first, second = counter[0] + schedule[0], counter[1] + schedule[1]
    common = xp.zeros(xp.broadcast_shapes(first.shape, second.shape), xp.uint32)
    first, second = first + common, second + common
    for group in range(5):
        for turn in ROTATIONS[group % 2]:
            first += second
            low = second >> (32 - turn)
            second <<= turn
            second |= low
            second ^= first
        first += schedule[(group + 1) % 3]
        second += schedule[(group + 2) % 3] + np.uint32(group + 1)
    return first, second
