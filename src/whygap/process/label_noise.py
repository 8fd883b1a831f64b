"""Wrong labels for any process of classes: an example has the same one in every epoch, as its address says which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from whygap.errors import InputError
from whygap.process.base import Process, Truth
from whygap.process.draws import Draws


@dataclass(frozen=True)
class LabelNoise(Process):
    """A process whose labels are drawn anew, uniformly over all classes, with probability `share`; x stays as it is.

    A drawn label is the right one as often as any other, so that share (c - 1) / c of them are wrong. All splits are alike.
    With `share=1` labels tell nothing of x: what a model learns then, it has memorised.

    Parameters
    ----------
    process : Process
        Of classes.
    share : float
        0 to 1.

    Raises
    ------
    InputError
        If the process has no classes, or `share` is out of its range.

    Examples
    --------
    >>> from whygap.process import SparseParity
    >>> clean, noisy = SparseParity(), LabelNoise(SparseParity(), 0.2)
    >>> at = np.arange(10000)
    >>> float((clean.draw(at, seed=0)[1] != noisy.draw(at, seed=0)[1]).mean().round(2))
    0.1
    """

    process: Process
    share: float

    def __post_init__(self) -> None:
        if self.process.classes is None:
            raise InputError(f"{type(self.process).__name__} has no classes to draw wrong labels from")
        if not 0.0 <= self.share <= 1.0:
            raise InputError(f"share must be 0 to 1, not {self.share}")

    @property
    def classes(self) -> int | None:
        """Those of the process."""
        return self.process.classes

    @property
    def size(self) -> int | None:
        """That of the process."""
        return self.process.size

    def size_of(self, split: str) -> int | None:
        """Return that of the process."""
        return self.process.size_of(split)

    def make(self, draws: Draws) -> tuple[Any, Any]:
        x, y = self.process.make(draws)
        is_drawn = draws.uniform() < np.float32(self.share)
        return x, draws.xp.where(is_drawn, draws.integers(0, self.classes or 1), y)

    def truths(self) -> tuple[Truth, ...]:
        """Return the error of the best rule of the process, e, with noise: (1 - share) e + share (c - 1) / c."""
        c = self.classes or 1
        return tuple(
            Truth(
                "error",
                (1.0 - self.share) * known.value + self.share * (c - 1) / c,
                known.how,
                (1.0 - self.share) * known.standard_error,
                f"(1 - share) e + share (c - 1) / c, e without it: {known.text}",
            )
            for known in self.process.truths()
            if known.score == "error"
        )
