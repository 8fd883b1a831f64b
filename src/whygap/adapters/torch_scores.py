"""Per-example scores in PyTorch: from whatever the user calls a loss to one number per example."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from whygap.adapters.torch_batch import copied, has_rows, joined, leaves, mapped, picked, split_batch, to_device
from whygap.errors import InputError
from whygap.observation import Array, Ints

PerExample = Callable[[Any, Any], torch.Tensor]
Functions = Mapping[str, PerExample]

HEAVY = 4096
"""An output with more numbers per example than this is scored at once instead of being held."""


class Seen(NamedTuple):
    """What the model gave for a batch, and the target that goes with it."""

    output: Any
    target: Any
    rows: int

    @property
    def n_numbers(self) -> int:
        """How many numbers are in both."""
        if type(self.output) is type(self.target) is torch.Tensor:
            return self.output.numel() + self.target.numel()
        return sum(leaf.numel() for leaf in leaves((self.output, self.target)))

    @property
    def is_light(self) -> bool:
        """Whether it can be held until the epoch's end: plain tensors with one row per example, and not too large."""
        output, target, rows = self
        if isinstance(output, torch.Tensor) and isinstance(target, torch.Tensor):  # the same, ten times as fast
            have_rows = output.ndim > 0 and target.ndim > 0 and output.size(0) == target.size(0) == rows
            return have_rows and output.numel() + target.numel() <= HEAVY * rows
        return has_rows((self.output, self.target), self.rows) and self.n_numbers <= HEAVY * self.rows

    def detached(self) -> Seen:
        """Return the same tensors without the graph that they came from."""
        return Seen(mapped(self.output, torch.Tensor.detach), self.target, self.rows)

    def in_full(self) -> Seen:
        """Return it in full precision, as autocast would compute losses."""
        if type(self.output) is torch.Tensor and self.output.dtype is torch.float32:
            return self
        return self._replace(output=mapped(self.output, lambda t: t.float() if t.dtype in (torch.half, torch.bfloat16) else t))

    def held(self, index: torch.Tensor | None = None) -> Seen:
        """Return a copy of all rows, or of those at `index`, for later, in full precision."""
        output = self.in_full().output
        if index is None:
            return Seen(copied(output), copied(self.target), self.rows)
        return Seen(picked(output, index), picked(self.target, index), len(index))


def classes_of(target: Any, rows: int) -> Ints | None:
    """Return the classes of a batch's examples, (n,), where its target is one whole number for each."""
    if not isinstance(target, torch.Tensor) or target.numel() != rows or target.is_floating_point() or target.is_complex():
        return None
    classes: Ints = target.detach().reshape(rows).to(dtype=torch.int64, device="cpu").numpy()
    return classes


def seen_by_default(output: Any, batch: Any, rows: int) -> Seen:
    """Put beside a model's output the target that `default_forward` finds in the batch, on the output's device."""
    target = split_batch(batch)[1]
    first = (
        output if isinstance(output, torch.Tensor) else next((t for t in leaves(output) if isinstance(t, torch.Tensor)), None)
    )
    return Seen(output, target if first is None else to_device(target, first.device), rows)


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
    if type(loss) is torch.nn.CrossEntropyLoss:
        return partial(_cross_entropy, loss)
    return loss


def _cross_entropy(loss: PerExample, output: Any, target: Any) -> torch.Tensor:
    """Return the cross-entropy of every example, by one of torch.nn without reduction.

    Of examples in rows and few classes, PyTorch takes one row after the other on a processor; laid out as the pixels of one
    picture, the very same sums are done for several at a time, which is far faster.
    """
    is_in_rows = type(output) is type(target) is torch.Tensor and output.ndim == 2 and target.ndim == 1
    if is_in_rows and output.is_cpu and output.shape[0] == target.shape[0]:
        return loss(output.T[None], target[None])[0]
    return loss(output, target)


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


def score_seen(functions: Functions, seen: Seen) -> dict[str, Array]:
    """Return every score of every example of one batch, shape (n,).

    Raises
    ------
    InputError
        As `one_per_example`.
    """
    return {name: one_per_example(f(seen.output, seen.target), name, seen.rows) for name, f in functions.items()}


def score_all(functions: Functions, seen: Sequence[Seen]) -> dict[str, Array]:
    """Return the scores of several light batches, one after the other: from one call of every function where possible.

    Raises
    ------
    InputError
        As `one_per_example`.
    """
    whole = joined([(s.output, s.target) for s in seen]) if len(seen) > 1 else None
    if whole is None:
        return concatenated([score_seen(functions, s) for s in seen])
    return score_seen(functions, Seen(whole[0], whole[1], sum(s.rows for s in seen)))


def concatenated(scored: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return the scores of several batches as those of one."""
    return {name: np.concatenate([s[name] for s in scored]) for name in scored[0]}


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
