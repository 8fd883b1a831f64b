"""MNIST-1D as published, an example at a time: no statistic is pooled over a set, so that none leaks between splits."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.process.arithmetic import total
from whygap.process.base import Process
from whygap.process.draws import Draws

Array = npt.NDArray[np.float64]

TEMPLATES = np.array(
    [
        [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
        [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
        [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
        [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
        [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
        [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
        [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
        [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
    ]
)
"""The digits 0 to 9 as the data set's authors drew them, of shape (10, 12)."""

POINTS = TEMPLATES.shape[1]
SIGMA, RADIUS = 2.0, 8
"""Of the Gaussian filter that correlates the noise, and where it is cut off, in points."""


@dataclass(frozen=True)
class MNIST1D(Process):
    """Classify ten digits drawn as curves: padded, scaled, moved, sheared, with noise correlated around the digit.

    The task of Greydanus and Kobak with their defaults. Three things differ from their generator, which makes a set at once.
    x is standardised by the mean and standard deviation of the process, in closed form, and not of the training and test
    examples together. Classes are drawn, and so only nearly balanced. The 1e-8 that marks a digit's points there is left out.

    x has shape (n, length); y is the digit. The Bayes error isn't known: the authors report 96 % for people and 94 % for a
    convolutional network on 4,000 examples.

    Parameters
    ----------
    padding : pair of int
        Fewest and most points of silence after the digit's twelve.
    scale, shear : float
        Widths of the uniform distributions of the amplitude, around 1, and of the slope, around 0.
    max_translation : int
        The curve is rolled by 0 to one less than this many points.
    corr_noise, iid_noise : float
        Standard deviations: of the noise outside the digit before it is smoothed, and of that on every point.
    length : int
        Points of x, at least 2.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    Notes
    -----
    Source: Greydanus and Kobak, Scaling Down Deep Learning with MNIST-1D, ICML 2024, arXiv:2011.14439.

    Examples
    --------
    >>> x, y = MNIST1D().draw(np.arange(1000), seed=0)
    >>> x.shape, bool(abs(x.mean()) < 0.05), bool(abs(x.std() - 1.0) < 0.05)
    ((1000, 40), True, True)
    """

    padding: tuple[int, int] = (36, 60)
    scale: float = 0.4
    max_translation: int = 48
    corr_noise: float = 0.25
    iid_noise: float = 0.02
    shear: float = 0.75
    length: int = 40

    def __post_init__(self) -> None:
        low, high = self.padding
        if not 0 <= low <= high or not 1 <= self.max_translation <= POINTS + high or self.length < 2:
            raise InputError(
                f"MNIST1D needs 0 <= padding[0] <= padding[1], max_translation from 1 to {POINTS} + padding[1], "
                f"and a length of at least 2, not {self}"
            )

    @property
    def classes(self) -> int:
        """The ten digits."""
        return 10

    def make(self, draws: Draws) -> tuple[Any, Any]:
        curves = _curves(self)
        n_points = POINTS + self.padding[1]
        n_places = curves.outside.shape[0]
        curve = draws.integers(0, 10 * n_places)
        scale, shear = (draws.uniform(2) - np.float32(0.5)).T

        noise = _smooth(draws.normal(n_points), draws.xp)
        noise *= draws.xp.asarray(curves.outside)[curve % n_places]
        noise += draws.normal(n_points) * np.float32(self.iid_noise / curves.sd)
        x = draws.xp.asarray(curves.signal)[curve]
        x *= (np.float32(1.0) + scale * np.float32(self.scale))[:, None]
        x += noise[:, curves.before] * curves.weight_before
        x += noise[:, curves.after] * curves.weight_after
        x -= shear[:, None] * curves.ramp
        x -= np.float32(curves.mean / curves.sd)
        return x, curve // n_places


class _Curves(NamedTuple):
    """All that isn't drawn, over the standard deviation of x. A place is a padding and a translation together."""

    signal: npt.NDArray[np.float32]
    """(10 * places, length): each digit at each place, without noise, slope or scale."""

    outside: npt.NDArray[np.float32]
    """(places, points): `corr_noise` where there is no digit, 0 where there is."""

    before: npt.NDArray[np.int64]
    after: npt.NDArray[np.int64]
    """(length,): the points on either side of each of x, and their weights."""

    weight_before: npt.NDArray[np.float32]
    weight_after: npt.NDArray[np.float32]
    ramp: npt.NDArray[np.float32]
    mean: float
    sd: float
    """Of x over all of its points, before it is standardised."""


@functools.lru_cache(maxsize=8)
def _curves(process: MNIST1D) -> _Curves:
    """Return the few thousand curves without noise that the process can draw, and how their points become those of x."""
    n_points = POINTS + process.padding[1]
    pads = np.arange(process.padding[0], process.padding[1] + 1)
    shifts = np.arange(process.max_translation)
    at = (np.arange(n_points) - shifts[:, None]) % n_points
    # a place on the padded template in units of 1 / (n_points - 1), so that it is exact
    place = (at * (POINTS + pads[:, None, None] - 1)).reshape(-1, n_points)
    unit = n_points - 1
    left = place // unit
    part = (place - left * unit) / unit
    padded = np.concatenate([_digits(), np.zeros((10, process.padding[1] + 1))], axis=1)
    drawn = padded[:, left] * (1.0 - part) + padded[:, left + 1] * part  # (10, places, points)
    outside = (place >= POINTS * unit).astype(np.float64)

    steps = np.arange(process.length) * unit
    before = np.minimum(steps // (process.length - 1), n_points - 2)
    weight = (steps - before * (process.length - 1)) / (process.length - 1)
    signal = drawn[:, :, before] * (1.0 - weight) + drawn[:, :, before + 1] * weight
    ramp = process.shear * (np.arange(process.length) / (process.length - 1) - 0.5)

    mean = math.fsum(signal.ravel()) / signal.size
    square = (1.0 + process.scale**2 / 12.0) * math.fsum((signal**2).ravel()) / signal.size
    variance = square - mean**2 + math.fsum(ramp**2 / 12.0) / process.length
    variance += math.fsum(_noise_variance(process, outside, before, weight)) / process.length
    sd = math.sqrt(variance)
    return _Curves(
        signal=(signal / sd).reshape(-1, process.length).astype(np.float32),
        outside=(process.corr_noise * outside / sd).astype(np.float32),
        before=before,
        after=before + 1,
        weight_before=(1.0 - weight).astype(np.float32),
        weight_after=weight.astype(np.float32),
        ramp=(ramp / sd).astype(np.float32),
        mean=mean,
        sd=sd,
    )


def _digits() -> Array:
    """Return the templates with mean 0 and standard deviation 1/6 over their points, moved so that each begins at 0."""
    centred = TEMPLATES - total(TEMPLATES)[:, None] / POINTS
    white = centred / np.sqrt(total(centred**2) / POINTS)[:, None]
    digits: Array = (white - white[:, :1]) / 6.0
    return digits


def _noise_variance(process: MNIST1D, outside: Array, before: npt.NDArray[np.int64], weight: Array) -> Array:
    """Return the noise's variance at each point of x, over all places."""
    n_points = outside.shape[1]
    filtered = _smooth(np.eye(n_points), np)
    covariance = process.corr_noise**2 * total(filtered.T[:, None, :] * filtered.T[None, :, :])
    covariance *= (outside.T @ outside) / outside.shape[0]  # zeros and ones: whole numbers, summed without rounding
    covariance += process.iid_noise**2 * np.eye(n_points)
    here, there, both = covariance[before, before], covariance[before + 1, before + 1], covariance[before, before + 1]
    variance: Array = (1.0 - weight) ** 2 * here + weight**2 * there + 2.0 * weight * (1.0 - weight) * both
    return variance


def _smooth(noise: Any, xp: Any) -> Any:
    """Return noise of shape (n, points) after a Gaussian filter, reflected at its ends."""
    n_points = noise.shape[1]
    padded = xp.concatenate([noise[:, RADIUS - 1 :: -1], noise, noise[:, : -RADIUS - 1 : -1]], axis=1)
    weights = [math.exp(-0.5 * (k / SIGMA) ** 2) for k in range(RADIUS + 1)]
    scale = weights[0] + 2.0 * math.fsum(weights[1:])
    found = noise * noise.dtype.type(weights[0] / scale)
    for k in range(1, RADIUS + 1):
        pair = padded[:, RADIUS - k : RADIUS - k + n_points] + padded[:, RADIUS + k : RADIUS + k + n_points]
        pair *= noise.dtype.type(weights[k] / scale)
        found += pair
    return found
