"""Quantiles of the normal distribution from additions, multiplications and square roots alone.

IEEE 754 fixes these to the last bit, and leaves logarithms to each library: with one of those the same draws would be other
bytes on another machine. The polynomials are printed by `benchmarks/process_constants.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

ROOT_HALF = 0x3F3504F3
"""The bits of sqrt(1/2) as a float32: mantissas are taken from [sqrt(1/2), sqrt(2))."""

LN2 = 0.6931471805599453
FAR = 5.0
"""-log(1 - x^2) beyond which the second polynomial holds: 0.3 % of all draws."""

LOG = (-0.0989535074, 0.161262479, -0.172782061, 0.199133479, -0.24968907, 0.33334606, -0.500003751, 0.999999968)
"""log(1 + t) / t on [sqrt(1/2) - 1, sqrt(2) - 1], highest power first."""

NEAR_QUANTILE = (
    3.19696802e-08, 4.83978825e-07, -4.88579604e-06, -6.19474573e-06, 0.000308741177,
    -0.00177308282, -0.0059076601, 0.348802717, 2.12331347,
)  # fmt: skip
"""Quantile over x, in w - 2.5, where w = -log(1 - x^2) is below 5."""

FAR_QUANTILE = (
    -0.00024930596, 0.000112760958, 0.00186727968, -0.00516288344, 0.00813330565,
    -0.0107895523, 0.0133462868, 1.41658182, 4.00643444,
)  # fmt: skip
"""Quantile over x, in sqrt(w) - 3, where w is 5 to 16."""


def polynomial(coefficients: tuple[float, ...], at: Any) -> Any:
    """Return a polynomial's float32 values by Horner's rule, highest power first."""
    value = at * np.float32(coefficients[0])
    for c in coefficients[1:-1]:
        value += np.float32(c)
        value *= at
    value += np.float32(coefficients[-1])
    return value


def log(y: Any, *, xp: Any = np) -> Any:
    """Return the natural logarithm of positive normal float32, to 2e-7 or one unit in the last place."""
    bits = y.view(xp.int32)
    exponent = (bits - ROOT_HALF) >> 23
    mantissa = (bits - (exponent << 23)).view(xp.float32)
    mantissa -= np.float32(1.0)
    value = polynomial(LOG, mantissa)
    value *= mantissa
    value += exponent.astype(xp.float32) * np.float32(LN2)
    return value


def normal_quantile(x: Any, *, xp: Any = np) -> Any:
    """Return z with P(|Z| <= |z|) = |x| and the sign of x, for a standard normal Z.

    Parameters
    ----------
    x : array of float32
        At most 1 - 2^-24 in magnitude, of which the quantile is 5.42.
    xp : module
        numpy or jax.numpy.

    Returns
    -------
    array of float32
        To 1e-6 of the value.

    Notes
    -----
    Source of the form, w = -log(1 - x^2) and a polynomial on either side of 5: Giles, Approximating the erfinv function, GPU
    Computing Gems (2012), doi 10.1016/B978-0-12-385963-1.00010-1.

    Examples
    --------
    >>> normal_quantile(np.array([0.0, 0.5, -0.95, 0.999], np.float32)).round(4)
    array([ 0.    ,  0.6745, -1.96  ,  3.2905], dtype=float32)
    """
    w = -log((np.float32(1.0) - x) * (np.float32(1.0) + x), xp=xp)
    quantile = polynomial(NEAR_QUANTILE, w - np.float32(2.5))
    if xp is np:
        far = np.flatnonzero(w >= FAR)
        quantile.reshape(-1)[far] = polynomial(FAR_QUANTILE, np.sqrt(w.reshape(-1)[far]) - np.float32(3.0))
    else:
        beyond = polynomial(FAR_QUANTILE, xp.sqrt(xp.maximum(w, FAR)) - np.float32(3.0))
        quantile = xp.where(w >= FAR, beyond, quantile)
    quantile *= x
    return quantile
