"""Print the polynomials of `whygap.process.quantile`: interpolation at Chebyshev's points, and its largest error.

python benchmarks/process_constants.py
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import ndtri

Array = npt.NDArray[np.float64]


def log_ratio(t: Array) -> Array:
    """Return log(1 + t) / t."""
    safe = np.where(np.abs(t) < 1e-9, 1e-9, t)
    return np.log1p(safe) / safe


def quantile_ratio(w: Array) -> Array:
    """Return z / x where P(|Z| <= z) = x and w = -log(1 - x^2)."""
    w = np.maximum(w, 1e-12)
    x = np.sqrt(-np.expm1(-w))
    return -ndtri(np.exp(-w) / (1.0 + x) / 2.0) / x


def show(name: str, function: Callable[[Array], Array], low: float, high: float, degree: int, shift: float) -> None:
    """Print the coefficients in powers of (argument - shift), highest first."""
    fit = Chebyshev.interpolate(function, degree, domain=[low, high])
    plain = fit.convert(kind=Polynomial, domain=[-1, 1], window=[-1, 1])(Polynomial([shift, 1.0]))
    at = np.linspace(low, high, 100_001)
    error = np.abs(fit(at) / function(at) - 1.0).max()
    print(f"{name}, relative error {error:.1e} before rounding:", ", ".join(f"{c:.9g}" for c in plain.coef[::-1]))


if __name__ == "__main__":
    show("LOG", log_ratio, 2**-0.5 - 1.0, 2**0.5 - 1.0, 7, 0.0)
    show("NEAR_QUANTILE", quantile_ratio, 0.0, 5.0, 8, 2.5)
    show("FAR_QUANTILE", lambda root: quantile_ratio(root * root), 5.0**0.5, 4.0, 8, 3.0)
