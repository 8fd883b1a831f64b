"""Per-example scores in PyTorch: from whatever the user calls a loss to one number per example."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from whygap.errors import InputError
from whygap.observation import Array

PerExample = Callable[[Any, Any], torch.Tensor]


def per_example(loss: PerExample) -> PerExample:
    """Return the loss in its per-example form: one of torch.nn with its reduction off, any other function as it is.

    Raises
    ------
    InputError
        If it can't be called.
    """
    if not callable(loss):
        raise InputError(f"loss must be callable as loss(output, target), not {type(loss).__name__}")
    if isinstance(loss, torch.nn.Module) and hasattr(loss, "reduction"):
        loss = copy.copy(loss)
        vars(loss)["reduction"] = "none"
    return loss


def more_scores(scores: Mapping[str, PerExample] | Iterable[str]) -> dict[str, PerExample]:
    """Return functions by name from a mapping or from names alone.

    Raises
    ------
    InputError
        If a name alone isn't "accuracy".
    """
    if isinstance(scores, Mapping):
        return {name: per_example(function) for name, function in scores.items()}
    unknown = [name for name in scores if name != "accuracy"]
    if unknown:
        raise InputError(
            f'scores that are given by name alone can only be "accuracy", not {unknown[0]!r}: pass {{name: function}}'
        )
    return dict.fromkeys(scores, accuracy)


def accuracy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return 1 where an example is classified rightly and 0 where not, shape (n,).

    Classes are along axis 1 of `output`; with one output, or as many as the target has, an example is positive above 0
    (a logit).
    """
    if output.ndim > 1 and output.shape[1] > 1 and output.shape != target.shape:
        return (output.argmax(dim=1) == target).float()
    return ((output > 0).reshape(target.shape) == (target > 0.5)).float()


def one_per_example(values: Any, name: str, rows: int) -> Array:
    """Return the scores as float64 of shape (n,), averaged over everything but the examples.

    Raises
    ------
    InputError
        If the first axis isn't that of the n = `rows` examples: a scalar, say.
    """
    shape = tuple(getattr(values, "shape", ()))
    if not shape or shape[0] != rows:
        what = "a scalar" if not shape else f"shape {shape}"
        raise InputError(
            f"{name} gave {what} for a batch of {rows} examples: it must give one number per example (reduction='none')"
        )
    tensor = values.detach().to(dtype=torch.float64, device="cpu").reshape(rows, -1)
    result: Array = tensor.mean(dim=1).numpy()
    return result
