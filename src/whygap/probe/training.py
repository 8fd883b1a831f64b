"""What a training of the probe is, and what the two frameworks have to do for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from whygap.probe.case import Case
from whygap.probe.examples import Examples

Array = npt.NDArray[np.float64]
Regulariser = Literal["dropout", "weight decay"]

FROM = Literal["given", "kept", "fresh"]
"""Training data as they are; one epoch of them, kept and presented again; or new ones from the process."""


class OutOfTime(Exception):  # noqa: N818 - not an error: what was found before counts
    """The time is up in the middle of an epoch."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is done otherwise than in the training as given.

    Attributes
    ----------
    name : str
        As shown to people.
    source : str
        Where the examples are from.
    part : int
        One in so many of the training examples is trained on, with as many steps as before.
    is_random : bool
        Whether the targets are permuted.
    off : tuple
        Regularisation that is turned off.
    width : int or None
        Another width than the factory's own.
    seed : int
        Of the initial weights, the order of examples and what the layers draw.
    """

    name: str
    source: FROM = "given"
    part: int = 1
    is_random: bool = False
    off: tuple[Regulariser, ...] = ()
    width: int | None = None
    seed: int = 0


class Scored(NamedTuple):
    """Scores per example in eval mode, each of shape (n,): losses, and for classes whether each is wrong."""

    loss: Array
    error: Array | None = None


class Network(Protocol):
    """A model in training."""

    @property
    def n_parameters(self) -> int:
        """Numbers that are trained."""
        ...

    def can_turn_off(self) -> tuple[Regulariser, ...]:
        """Return the regularisation that it has and that can be turned off without guessing."""
        ...

    def turn_off(self, what: tuple[Regulariser, ...]) -> None:
        """Turn some of it off, before the first step."""
        ...

    def train(self, examples: Examples, batch_size: int, *, seed: int, check_time: Callable[[], None]) -> float:
        """Train on the examples in their order, once; return the mean loss as a training loop reports it."""
        ...

    def score(self, examples: Examples) -> Scored:
        """Score examples in eval mode."""
        ...

    def score_of_constant(self, examples: Examples) -> Scored | None:
        """Score the best prediction that doesn't look at x; None where that isn't known."""
        ...


class Workshop(Protocol):
    """A framework: where networks are made, and what data are to it."""

    @property
    def version(self) -> str:
        """Name and version of the framework."""
        ...

    @property
    def most_parts(self) -> int:
        """Parts that a batch may have: inputs and, last, the targets."""
        ...

    def preserved(self) -> AbstractContextManager[None]:
        """Return a context that restores every global random state."""
        ...

    def iterable(self, data: Any, batch_size: int) -> Any:
        """Return a pair of arrays, or what gives batches."""
        ...

    def convert(self, leaf: Any) -> Any:
        """Return an array or tensor of the user's as this framework takes it."""
        ...

    def concatenate(self, parts: list[Any]) -> Any:
        """Join arrays along the first axis."""
        ...

    def network(self, case: Case, *, seed: int) -> Network:
        """Make a new model of the case with weights that depend on the seed alone."""
        ...


def errors_of(predicted: npt.ArrayLike, y: npt.ArrayLike) -> Array | None:
    """Return 1 for every wrong class and 0 for every right one, shape (n,); None if these are no scores of classes.

    Parameters
    ----------
    predicted : array of shape (n, c)
        A score for each class.
    y : array of shape (n,), (n, 1) or (n, c)
        Integer classes, or one-hot rows.

    Examples
    --------
    >>> errors_of([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    array([0., 1.])
    >>> errors_of([[0.1], [0.8]], [0.2, 0.7]) is None
    True
    """
    p, t = np.asarray(predicted), np.asarray(y)
    if p.ndim != 2 or p.shape[1] < 2:
        return None
    classes = classes_of(t)
    return None if classes is None or classes.shape != p.shape[:1] else (p.argmax(axis=1) != classes).astype(np.float64)


def classes_of(y: npt.ArrayLike) -> npt.NDArray[np.int64] | None:
    """Return the class of each example, (n,), of integers (n,) or (n, 1) or of one-hot rows (n, c); None for anything else."""
    t = np.asarray(y)
    if t.ndim == 2 and t.shape[1] == 1:
        t = t[:, 0]
    if t.dtype.kind in "iub" and t.ndim == 1:
        return t.astype(np.int64)
    is_one_hot = t.ndim == 2 and bool(np.isin(t, (0, 1)).all() and (t.sum(axis=1) == 1).all())
    return t.argmax(axis=1).astype(np.int64) if is_one_hot else None


def constants_of(y: npt.ArrayLike) -> list[Array]:
    """Return constants of which one predicts about best: mean, median, and where all lie in 0 to 1 the mean's logit."""
    t = np.asarray(y, dtype=np.float64)
    mean = t.mean(axis=0)
    found = [mean, np.median(t, axis=0)]
    if t.min() >= 0.0 and t.max() <= 1.0:
        p = np.clip(mean, 1e-6, 1.0 - 1e-6)
        found.append(np.log(p / (1.0 - p)))
    return found


def errors_of_constant(y: npt.ArrayLike) -> Array | None:
    """Return the errors, (n,), of always naming the most frequent class; None where there are no classes."""
    classes = classes_of(y)
    return None if classes is None else (classes != np.bincount(classes - classes.min()).argmax() + classes.min()).astype(float)
