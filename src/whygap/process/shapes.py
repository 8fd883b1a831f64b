"""Rendered shapes: small grey images of four figures in noise, few enough poses for the Bayes classifier to try them all."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.process.base import Process, Truth
from whygap.process.draws import Draws

SIZE = 16
"""Pixels along a side."""

NAMES = ("disc", "square", "diamond", "cross")
RADII = (2.0, 2.5, 3.0, 3.5)
"""Of the disc in pixels; the others have its area."""

CENTRES = np.arange(4.0, 12.0)
"""Along either axis, in pixels."""


@dataclass(frozen=True)
class Shapes(Process):
    """Tell a disc, a square, a diamond and a cross apart, in noise.

    A figure has brightness 1 on 0, soft edges one pixel wide, one of 4 sizes and of 8 x 8 places, all equally likely; the four
    have the same area, so that brightness alone doesn't give them away. x has shape (n, 16, 16): add the axis for channels
    where your framework wants it. y is the place in (disc, square, diamond, cross).

    Parameters
    ----------
    noise : float
        Standard deviation of the normal noise on each pixel, 0 or more.

    Raises
    ------
    InputError
        If the noise is negative.
    """

    noise: float = 0.3
    rows_at_once: ClassVar[int] = 256

    def __post_init__(self) -> None:
        if not 0.0 <= self.noise < math.inf:
            raise InputError(f"Shapes needs noise of 0 or more, not {self.noise}")

    @property
    def classes(self) -> int:
        """The four figures."""
        return len(NAMES)

    def make(self, draws: Draws) -> tuple[Any, Any]:
        images = rendered()
        figure = draws.integers(0, len(NAMES))
        pose = draws.integers(0, images.shape[1])
        x = draws.normal(SIZE, SIZE)
        x *= np.float32(self.noise)
        x += draws.xp.asarray(images.reshape(-1, SIZE, SIZE))[figure * images.shape[1] + pose]
        return x, figure

    def truths(self) -> tuple[Truth, ...]:
        """Return the Bayes error: 0 without noise, simulated for the default noise, and not known for any other."""
        if self.noise == 0.0:
            return (Truth("error", 0.0, "closed form", text="no two images are the same"),)
        if self.noise == 0.3:
            text = "the figure that is likeliest over all of its 256 poses, 1,000,000 images: benchmarks/process_truths.py"
            return (Truth("error", BAYES_ERROR, "Monte Carlo", BAYES_ERROR_SE, text),)
        return ()


BAYES_ERROR, BAYES_ERROR_SE = 0.035844, 0.000093
"""With the default noise: printed by benchmarks/process_truths.py."""


@functools.lru_cache(maxsize=1)
def rendered() -> npt.NDArray[np.float32]:
    """Return all images without noise, of shape (4 figures, 256 poses, 16, 16).

    A pixel's brightness falls from 1 to 0 over the pixel's width about the figure's edge.
    """
    pixel = np.arange(SIZE, dtype=np.float64)
    radius, row, column = (a.reshape(-1, 1, 1) for a in np.meshgrid(RADII, CENTRES, CENTRES, indexing="ij"))
    dy, dx = np.abs(pixel[:, None] - row), np.abs(pixel - column)
    arm = radius * math.sqrt(9.0 * math.pi / 20.0)  # a cross of arms a third as wide as it is
    beyond = (
        np.sqrt(dx * dx + dy * dy) - radius,
        np.maximum(dx, dy) - radius * (math.sqrt(math.pi) / 2.0),
        (dx + dy) / math.sqrt(2.0) - radius * (math.sqrt(math.pi) / 2.0),
        np.minimum(np.maximum(dx - arm, dy - arm / 3.0), np.maximum(dx - arm / 3.0, dy - arm)),
    )
    return np.stack([np.minimum(np.maximum(0.5 - b, 0.0), 1.0) for b in beyond]).astype(np.float32)
