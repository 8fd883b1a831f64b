"""Classification of a Gaussian mixture with wrong labels: the Bayes classifier and its error are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygap.errors import InputError
from whygap.process.draws import Draws
from whygap.process.process import Process, Truth


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
    >>> GaussianMixture(classes=2, distance=2.0).truths()[0].value  # the normal distribution function at -1
    0.15865525393145707
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
        """Return the error of the Bayes classifier.

        With k classes and t = distance / sqrt(2), the largest feature is the right class's with probability
        A = integral of phi(z - t) Phi(z)^(k-1) dz, and the label is that class's with probability
        A (1 - flip) + (1 - A) flip / (k - 1). Where wrong labels outnumber right ones, any other class is the better guess.
        """
        at, t = np.linspace(-12.0, 12.0, 2401), self.distance / math.sqrt(2.0)
        density = [math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) for z in at]
        below = [0.5 * math.erfc(-(z + t) / math.sqrt(2.0)) for z in at]
        right = 0.01 * math.fsum(d * b ** (self.classes - 1) for d, b in zip(density, below, strict=True))
        share = self.flip / (self.classes - 1)
        if self.flip > 1.0 - 1.0 / self.classes:
            return ()  # the best guess is then the least likely class, and its error isn't this integral
        value = 1.0 - right * (1.0 - self.flip) - (1.0 - right) * share
        text = "1 - A (1 - flip) - (1 - A) flip / (k - 1), A a one-dimensional integral"
        return (Truth("error", value, "closed form", text=text),)
