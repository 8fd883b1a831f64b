"""Regression on what a fixed random network says: the student can be given more or fewer units than its teacher."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygap.errors import InputError
from whygap.process.arithmetic import product
from whygap.process.base import Process, Truth
from whygap.process.draws import Draws

UNIT_VARIANCE = 0.5 - 0.5 / math.pi
"""Of max(0, z), z standard normal."""


@dataclass(frozen=True)
class TeacherStudent(Process):
    """Targets of a random network of one hidden layer of rectified units, and normal noise.

    x is standard normal; y = sum_h a_h max(0, w_h x) + noise times a standard normal, with w_h of length 1 on average and
    a_h such that y has a variance near 1.

    Parameters
    ----------
    features, hidden : int
        Of the teacher, at least 1.
    noise : float
        Standard deviation, 0 or more.
    teacher : int
        Seed of its weights. They are part of the process: another seed of the draws is other examples for the same task.

    Raises
    ------
    InputError
        If a parameter is out of its range.
    """

    features: int = 20
    hidden: int = 5
    noise: float = 0.1
    teacher: int = 0

    def __post_init__(self) -> None:
        if self.features < 1 or self.hidden < 1 or not 0.0 <= self.noise < math.inf:
            raise InputError(f"TeacherStudent needs features and hidden of at least 1 and noise of 0 or more, not {self}")

    def make(self, draws: Draws) -> tuple[Any, Any]:
        x = draws.normal(self.features)
        return x, self.mean(x, xp=draws.xp) + draws.normal() * np.float32(self.noise)

    def mean(self, x: Any, *, xp: Any = np) -> Any:
        """Return what the teacher says without noise, of shape (n,): the best possible prediction."""
        inner, outer = _weights(self)
        return product(xp.maximum(product(x, inner), np.float32(0.0)), outer)[:, 0]

    def truths(self) -> tuple[Truth, ...]:
        """Return the variance of the noise, the squared error of the teacher itself."""
        return (Truth("loss:mse", self.noise**2, "closed form", text="the variance of the noise"),)


@functools.lru_cache(maxsize=16)
def _weights(process: TeacherStudent) -> tuple[Any, Any]:
    rows = Draws(np.arange(process.features), seed=process.teacher, split="teacher, inner").normal(process.hidden)
    outer = Draws(np.arange(process.hidden), seed=process.teacher, split="teacher, outer").normal(1)
    return rows / np.sqrt(np.float32(process.features)), outer * np.sqrt(np.float32(1.0 / (UNIT_VARIANCE * process.hidden)))
