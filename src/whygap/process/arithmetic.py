"""Sums in one fixed order: the last bit neither depends on how many examples are in the batch nor on the processor."""

from __future__ import annotations

from typing import Any


def total(values: Any) -> Any:
    """Return the sum over the last axis, from its first element to its last, one addition at a time.

    Examples
    --------
    >>> import numpy as np
    >>> total(np.array([[1.0, 2.0], [3.0, 4.0]], np.float32))
    array([3., 7.], dtype=float32)
    """
    found = values[..., 0] * 1  # a copy: what is handed in stays as it is
    for k in range(1, values.shape[-1]):
        found += values[..., k]
    return found


def product(x: Any, matrix: Any) -> Any:
    """Return the matrix product of x, of shape (n, d), and a matrix of shape (d, h), each sum from its first term to its last.

    Cost: 2 d passes over an array of shape (n, h); BLAS is faster, and rounds otherwise for another n.
    """
    found = x[:, 0, None] * matrix[0]
    for k in range(1, matrix.shape[0]):
        found += x[:, k, None] * matrix[k]
    return found
