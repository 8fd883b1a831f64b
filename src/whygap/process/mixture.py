"""Classification of a Gaussian mixture with wrong labels: the Bayes classifier and its error are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygap.errors import InputError
from whygap.process.base import Process, Truth
from whygap.process.draws import Draws


@dataclass(frozen=True)
class GaussianMixture(Process):
    """Tell which of several normal distributions a point is of, where some labels are wrong.

    Classes are equally likely. Class c is normal with unit variance in every feature and its mean on axis c, so that any two
    means are `distance` apart: the largest of the first `classes` features is the Bayes classifier. A label is wrong with
    probability `flip`, and then any of the others.

    Parameters
    ----------
    classes : int
        At least 2.
    features : int
        At least `classes`; those beyond are noise.
    distance : float
        Between two means, in standard deviations; 0 or more.
    flip : float
        Probability of a wrong label, 0 to 1.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    Examples
    --------
    >>> round(GaussianMixture(classes=2, distance=2.0).truths()[0].value, 12)  # the normal distribution function at -1
    0.158655253931
    """

    classes: int = 2
    features: int = 10
    distance: float = 2.0
    flip: float = 0.0

    def __post_init__(self) -> None:
        if not 2 <= self.classes <= self.features or not 0.0 <= self.flip <= 1.0 or not 0.0 <= self.distance < math.inf:
            raise InputError(
                f"GaussianMixture needs 2 <= classes <= features, flip from 0 to 1 and a distance of 0 or more, not {self}"
            )

    def make(self, draws: Draws) -> tuple[Any, Any]:
        xp = draws.xp
        drawn = draws.integers(0, self.classes)
        is_mean = drawn[:, None] == np.arange(self.features, dtype=np.int32)
        x = draws.normal(self.features) + is_mean.astype(xp.float32) * np.float32(self.distance / math.sqrt(2.0))
        wrong = draws.uniform() < np.float32(self.flip)
        other = (drawn + draws.integers(1, self.classes)) % self.classes if self.classes > 2 else 1 - drawn
        return x, xp.where(wrong, other, drawn)

    def truths(self) -> tuple[Truth, ...]:
        """Return the error of the Bayes classifier, and with two classes its cross-entropy.

        With k classes and t = distance / sqrt(2), the largest feature is the right class's with probability
        A = integral of phi(z - t) Phi(z)^(k-1) dz, and the label is that class's with probability
        A (1 - flip) + (1 - A) flip / (k - 1). Where wrong labels outnumber right ones, any other class is the better guess, and
        nothing is stated.
        """
        if self.flip > 1.0 - 1.0 / self.classes:
            return ()
        t, k = self.distance / math.sqrt(2.0), self.classes
        right = _normal_mean(lambda z: (0.5 * math.erfc(-(z + t) / math.sqrt(2.0))) ** (k - 1))
        value = 1.0 - right * (1.0 - self.flip) - (1.0 - right) * self.flip / (k - 1)
        error = Truth(
            "error", value, "closed form", text="1 - A (1 - flip) - (1 - A) flip / (k - 1), A an integral in one variable"
        )
        if k > 2:
            return (error,)
        value = _normal_mean(lambda z: binary_entropy(self._wrong(z + self.distance / 2.0)))
        return error, Truth("loss:cross_entropy", value, "closed form", text="mean entropy of the label given x, an integral")

    def _wrong(self, along: float) -> float:
        """Return the probability that the label isn't class 0's, at a point on the line from mean 1 to mean 0."""
        return self.flip + (1.0 - 2.0 * self.flip) / (1.0 + math.exp(min(self.distance * along, 700.0)))


def binary_entropy(probability: float) -> float:
    """Return the entropy in nats of what happens with a probability, and else doesn't.

    Examples
    --------
    >>> binary_entropy(0.5) == math.log(2.0), binary_entropy(0.0)
    (True, 0.0)
    """
    return math.fsum(-p * math.log(p) for p in (probability, 1.0 - probability) if p > 0.0)


def _normal_mean(function: Callable[[float], float]) -> float:
    """Return the mean of a smooth function of a standard normal variable, by the trapezoid rule."""
    at = [0.01 * k for k in range(-1000, 1001)]
    return 0.01 * math.fsum(math.exp(-0.5 * z * z) * function(z) for z in at) / math.sqrt(2.0 * math.pi)
