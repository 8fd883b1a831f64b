"""The adding problem: remember two marked values over a long sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from whygap.errors import InputError
from whygap.process.base import Process, Truth
from whygap.process.draws import Draws


@dataclass(frozen=True)
class AddingProblem(Process):
    """Add the two marked values of a sequence.

    x has shape (n, steps, 2): values uniform on [0, 1), and a marker that is 1 at one step of the first half and at one of the
    second, 0 elsewhere. y is the sum of the two values. Always predicting 1 has a squared error of 1/6.

    Parameters
    ----------
    steps : int
        Length of the sequences, at least 2.

    Raises
    ------
    InputError
        If there are fewer than 2 steps.

    Notes
    -----
    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997), section 5.4, with values in [0, 1)
    and one length, as most later work has it.
    """

    steps: int = 100

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise InputError(f"AddingProblem needs at least 2 steps, not {self.steps}")

    def make(self, draws: Draws) -> tuple[Any, Any]:
        xp, step = draws.xp, np.arange(self.steps, dtype=np.int32)
        value = draws.uniform(self.steps)
        first, second = draws.integers(0, self.steps // 2), draws.integers(self.steps // 2, self.steps)
        marked = (step == first[:, None]) | (step == second[:, None])
        both = (xp.take_along_axis(value, at[:, None], axis=1)[:, 0] for at in (first, second))
        return xp.stack([value, marked.astype(xp.float32)], axis=-1), sum(both)

    def truths(self) -> tuple[Truth, ...]:
        """Return 0: the sum follows from x."""
        return (Truth("loss:mse", 0.0, "closed form", text="y is a function of x; always predicting 1 has 1/6"),)
