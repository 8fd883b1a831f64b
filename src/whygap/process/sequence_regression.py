"""The demo's sequence regression, an example at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from whygap.process.base import Process, Truth
from whygap.process.draws import Draws

STEPS, FEATURES = 5, 5
MEANS = (2.5, 0.5, 0.5)
"""Of features 2, 3 and 4."""

NOISE = 0.05
"""The target's factor is uniform on 1 +- this."""

LOWEST, HIGHEST = -0.5 * (1.0 + NOISE), 26.5 * (1.0 + NOISE)
"""Of the target before it is scaled."""


@dataclass(frozen=True)
class SequenceRegression(Process):
    """Predict a product of the last step's features, with noise in proportion.

    x has shape (n, 5, 5), steps by features: uniform on [0, 1), but for feature 0, an integer of {0, 1, 2}, feature 1, one of
    {-1, 0, 1}, and feature 2, shifted by 2. With x_j feature j at the last step, the target is
    (x_0 / 2 + x_1 / 2 + (2.5 x_0 x_1)^2) u, u uniform on [0.95, 1.05), and y is the target scaled so that it lies in [0, 1].

    The demo's own set, `draw_sequences`, has the means of the set in place of 1/2, 1/2 and 2.5, and is scaled by the limits of
    the training set: there an example depends, a little, on its neighbours.
    """

    def make(self, draws: Draws) -> tuple[Any, Any]:
        xp = draws.xp
        first, second = (draws.integers(low, low + 3, STEPS).astype(xp.float32) for low in (0, -1))
        others = draws.uniform(STEPS, FEATURES - 2)
        others += np.array([2.0, 0.0, 0.0], np.float32)
        x = xp.concatenate([first[:, :, None], second[:, :, None], others], axis=2)
        target = clean_target(first[:, -1], second[:, -1]) * draws.uniform(low=1.0 - NOISE, high=1.0 + NOISE)
        return x, (target - np.float32(LOWEST)) / np.float32(HIGHEST - LOWEST)

    def truths(self) -> tuple[Truth, ...]:
        """Return the variance that the noise leaves: that of u times the mean squared target, over the nine equally likely."""
        squares = [clean_target(a, b) ** 2 for a, b in product((0.0, 1.0, 2.0), (-1.0, 0.0, 1.0))]
        value = NOISE**2 / 3.0 * sum(squares) / 9.0 / (HIGHEST - LOWEST) ** 2
        return (Truth("loss:mse", value, "closed form", text="variance of the noise, in proportion to the target"),)


def clean_target(first: Any, second: Any) -> Any:
    """Return the target without noise, before it is scaled, of features 0 and 1 at the last step."""
    both = first * second * MEANS[0]
    return first * MEANS[1] + second * MEANS[2] + both * both
