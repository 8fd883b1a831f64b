"""A process: a pure function from (seed, split, epoch, index) to an example."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from whygap.errors import InputError
from whygap.process.draws import Draws

Make = Callable[[Draws], tuple[Any, Any]]


@dataclass(frozen=True)
class Truth:
    """What is known of the best possible score on a process: of a model that knows the process, on endless examples.

    Attributes
    ----------
    score : str
        "loss:mse", "loss:cross_entropy" or "error" (share of wrong classes).
    value : float
        In the score's unit.
    how : str
        "closed form" or "Monte Carlo".
    standard_error : float
        Of a Monte-Carlo value; 0 of a closed form.
    text : str
        One sentence: the formula, or what was simulated.
    """

    score: str
    value: float
    how: Literal["closed form", "Monte Carlo"]
    standard_error: float = 0.0
    text: str = ""


class Process:
    """A seeded generator of examples with random access: the same address is the same bytes, always and everywhere.

    A frozen dataclass that subclasses it has the process's parameters as fields and defines `make`. A function of `draws`
    becomes one by the decorator `process`.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Line(Process):
    ...     slope: float = 2.0
    ...
    ...     def make(self, draws):
    ...         x = draws.uniform(1)
    ...         return x, self.slope * x[:, 0] + 0.1 * draws.normal()
    >>> x, y = Line().draw(np.arange(4), seed=0)
    >>> x.shape, y.shape
    ((4, 1), (4,))
    >>> Line().draw(3, seed=0)[1] == y[3]  # one example, without those before it
    np.True_
    """

    rows_at_once: ClassVar[int] = 1024
    """Examples that NumPy makes at a time: few enough that what is in work stays in the processor's cache."""

    def make(self, draws: Draws) -> tuple[Any, Any]:
        """Return x and y of the batch, the examples along the first axis of both.

        x is float32, or int32 for tokens; y is float32 for regression, int32 for classes. `draw` makes these of other floats,
        and of booleans and other signed integers. Each example may depend on its own draws alone: no mean over the batch, no
        branch on a value. `@`, `sum`, `exp` and `log` differ from machine to machine and with the size of the batch in the last
        bit; `whygap.process.arithmetic` has sums that don't.
        """
        raise NotImplementedError

    def truths(self) -> tuple[Truth, ...]:
        """Return what is known about the best possible score; () if nothing."""
        return ()

    @property
    def size(self) -> int | None:
        """Examples of a finite domain, all splits together; None where they never run out."""
        return None

    @property
    def classes(self) -> int | None:
        """Number of classes; None for regression."""
        return None

    def size_of(self, split: str) -> int | None:
        """Return the examples of one split of a finite domain; None where they never run out."""
        return self.size

    def draw(self, index: Any, *, seed: Any, split: str = "train", epoch: Any = 0, xp: Any = np) -> tuple[Any, Any]:
        """Return the examples at the given addresses.

        Parameters
        ----------
        index : int, or array of integers of any shape
            0 to 2^32 - 1, in any order; x and y have its shape in front.
        seed : int
            0 to 2^64 - 1; traced by JAX, 32 bits wide.
        split : str
            "train", "valid", "test" or any other name: examples of two splits have nothing in common but the process.
        epoch : int
            0 to 2^32 - 1. A finite domain has epoch 0 alone.
        xp : module
            numpy, or jax.numpy, under which seed, epoch and index may be traced. JAX joins multiplications and additions, so
            that it agrees with NumPy to the rounding of float32, and not to the last bit.

        Raises
        ------
        InputError
            If an index, the seed or the epoch is no integer or out of its range, or a finite domain has no such example.
        """
        where = xp.asarray(index)
        flat = where.reshape(-1)
        if self.size is not None:
            self._check_domain(flat, split, epoch)
        address = {"seed": seed, "split": split, "epoch": epoch, "xp": xp}
        x, y = self._in_pieces(flat, address) if xp is np else self._made(flat, address)
        if where.ndim == 1:
            return x, y
        return x.reshape((*where.shape, *x.shape[1:])), y.reshape((*where.shape, *y.shape[1:]))

    def _made(self, index: Any, address: dict[str, Any]) -> tuple[Any, Any]:
        x, y = self.make(Draws(index, **address))
        return _narrow(x, address["xp"]), _narrow(y, address["xp"])

    def _in_pieces(self, index: Any, address: dict[str, Any]) -> tuple[Any, Any]:
        step = self.rows_at_once
        if index.shape[0] <= step:
            return self._made(index, address)
        x = y = None
        for at in range(0, index.shape[0], step):
            piece = self._made(index[at : at + step], address)
            if x is None or y is None:
                x, y = (np.empty((index.shape[0], *part.shape[1:]), part.dtype) for part in piece)
            x[at : at + step], y[at : at + step] = piece
        return x, y

    def _check_domain(self, index: Any, split: str, epoch: Any) -> None:
        n = self.size_of(split)
        has = f"{type(self).__name__} has {n} examples of the split {split!r} in all"
        if isinstance(epoch, (int, np.integer)) and epoch != 0:
            raise InputError(f"{has}: there are no new ones for epoch {epoch}")
        if isinstance(index, np.ndarray) and index.size and n is not None and index.max() >= n:
            raise InputError(f"{has}: there is none with index {index.max()}")


def _narrow(values: Any, xp: Any) -> Any:
    """Return floats as float32, booleans and signed integers as int32: JAX has no wider ones unless it is told to."""
    kind = getattr(getattr(values, "dtype", None), "kind", "")
    target = {"f": xp.float32, "i": xp.int32, "b": xp.int32}.get(kind)
    return values if target is None or values.dtype == target else values.astype(target)


@dataclass(frozen=True)
class MadeProcess(Process):
    """A process made of a function by the decorator `process`."""

    function: Make
    n_classes: int | None = None
    known: tuple[Truth, ...] = ()

    def make(self, draws: Draws) -> tuple[Any, Any]:
        return self.function(draws)

    def truths(self) -> tuple[Truth, ...]:
        """Return what was stated to the decorator."""
        return self.known

    @property
    def classes(self) -> int | None:
        """As stated to the decorator."""
        return self.n_classes

    def __reduce__(self) -> str:
        # the decorated function is found under its own name by pickle, where this process now stands
        return self.function.__qualname__


def process(make: Make | None = None, *, classes: int | None = None, truths: tuple[Truth, ...] = ()) -> Any:
    """Make a process of a function from draws to (x, y), as a decorator with or without arguments.

    Parameters
    ----------
    make : callable
        As `Process.make`.
    classes : int or None
        Number of classes, None for regression.
    truths : tuple of Truth
        What is known about the best possible score.

    Examples
    --------
    >>> @process(classes=2)
    ... def disc(draws):
    ...     x = draws.uniform(2, low=-1.0, high=1.0)
    ...     return x, x[:, 0] ** 2 + x[:, 1] ** 2 < 0.5
    >>> x, y = disc.draw(np.arange(1000), seed=1)
    >>> bool(abs(y.mean() - 0.125 * np.pi) < 0.05)
    True
    """

    def decorate(function: Make) -> MadeProcess:
        made = MadeProcess(function, classes, truths)
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            object.__setattr__(made, name, getattr(function, name))
        return made

    return decorate if make is None else decorate(make)
