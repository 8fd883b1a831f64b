"""The case of a person: what their factory returns, checked and in one form for either framework."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from whygap.errors import InputError

Framework = Literal["torch", "keras"]

BATCH_SIZE, EPOCHS = 32, 10


@dataclass(frozen=True, kw_only=True)
class Case:
    """A training as somebody would run it: what `whygap probe` is about. No framework is imported by this class.

    Parameters
    ----------
    model : callable
        Without arguments; returns a new, untrained model with random weights. In Keras it is compiled.
    train
        The training data: a pair (x, y) of arrays or tensors, examples along the first axis; a PyTorch dataset; or any iterable
        of batches (x, y), such as a `DataLoader`, or a function that returns one, a generator say.
    valid
        The validation data, likewise; it is read once.
    loss : callable, optional
        PyTorch: `loss(output, target)`, one of torch.nn or a function. In Keras it is that of `compile`.
    optimiser : callable, optional
        PyTorch: from the model's parameters to an optimiser; by default `torch.optim.Adam` with its own learning rate.
    batch_size, epochs : int
        As in your training. Batches that `train` brings along have their own size.
    steps : int, optional
        Batches in an epoch, of training data without an end.
    fresh : process or callable, optional
        More examples like the training ones, as many as are asked for: a `whygap.process.Process`, or `fresh(n, seed)` that
        returns (x, y).

    An epoch of training data, and the validation data, must fit into memory.

    Examples
    --------
    >>> case = Case(model=lambda: None, train=([0.0], [1.0]), valid=([0.0], [1.0]), epochs=3)
    >>> case.epochs, case.batch_size
    (3, 32)
    """

    model: Callable[[], Any]
    train: Any
    valid: Any
    loss: Callable[[Any, Any], Any] | None = None
    optimiser: Callable[[Any], Any] | None = None
    batch_size: int = BATCH_SIZE
    epochs: int = EPOCHS
    steps: int | None = None
    fresh: Any = None


def make_case(factory: Callable[..., Any], name: str, *, epochs: int | None = None, width: int | None = None) -> Case:
    """Call a factory and return its case; a dict with the names of a `Case` will do.

    Raises
    ------
    InputError
        If the factory fails, or what it returns is no case or one that can't be trained.
    """
    try:
        made = factory() if width is None else factory(width=width)
    except Exception as error:
        raise InputError(f"{name} failed: {in_one_line(error)}") from error
    if isinstance(made, Mapping):
        known = {field.name for field in fields(Case)}
        if unknown := sorted(set(map(str, made)) - known):
            raise InputError(f"{name} returns a dict with {unknown[0]!r}; a case has {', '.join(sorted(known))}")
        if lacking := sorted({"model", "train", "valid"} - set(made)):
            raise InputError(f"{name} returns a dict without {lacking[0]!r}")
        made = Case(**made)
    if not isinstance(made, Case):
        raise InputError(f"{name} returns something of type {type(made).__name__}: it must be a whygap.probe.Case or a dict")
    case = made if epochs is None else replace(made, epochs=epochs)
    _check(case, name)
    return case


def _check(case: Case, name: str) -> None:
    for what in ("batch_size", "epochs", "steps"):
        value = getattr(case, what)
        if not (value is None and what == "steps") and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InputError(f"{name}: {what} must be a positive whole number, not {value!r}")
    if not callable(case.model):
        raise InputError(f"{name}: model must be a function that returns a new model, not a {type(case.model).__name__}")
    for what in ("loss", "optimiser"):
        value = getattr(case, what)
        if value is not None and not callable(value):
            raise InputError(f"{name}: {what} must be a function, not a {type(value).__name__}")
    for what in ("train", "valid"):
        if getattr(case, what) is None:
            raise InputError(f"{name}: {what} is None")
    if case.fresh is not None and not callable(case.fresh) and not hasattr(case.fresh, "draw"):
        raise InputError(f"{name}: fresh must be a process or a function (n, seed), not a {type(case.fresh).__name__}")


def width_of(factory: Callable[..., Any]) -> int | None:
    """Return the default of a factory's argument `width`; None where it has no such argument, or one without a number."""
    try:
        argument = inspect.signature(factory).parameters.get("width")
    except (TypeError, ValueError):
        return None
    default = None if argument is None else argument.default
    return default if isinstance(default, int) and not isinstance(default, bool) and default > 0 else None


def why_not_wider(factory: Callable[..., Any]) -> str:
    """Return why a factory can't make a wider model."""
    try:
        has_argument = "width" in inspect.signature(factory).parameters
    except (TypeError, ValueError):
        has_argument = False
    if has_argument:
        return "the factory's argument width has no number as its default"
    return "the factory takes no width: write it as def factory(width=64)"


def in_one_line(error: BaseException) -> str:
    """Return the type of an error and the last line of its text."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[-1]}"
