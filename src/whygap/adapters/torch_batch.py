"""Batches of PyTorch tensors of any shape: pairs, longer tuples, dicts, and what is inside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from whygap.errors import InputError

TARGET_KEYS = ("labels", "label", "targets", "target", "y")
"""Names under which a dict batch keeps its target; everything else in it goes to the model by keyword."""


def default_forward(model: Callable[..., Any], batch: Any) -> tuple[Any, Any]:
    """Return the model's output for a batch and the batch's target, by the rules told in `Meter`.

    Raises
    ------
    InputError
        If the batch is none of a tuple or list of at least two, or a dict with a target.
    """
    inputs, target = split_batch(batch)
    if isinstance(inputs, Mapping):
        return model(**inputs), target
    return (model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)), target


def split_batch(batch: Any) -> tuple[Any, Any]:
    """Return the inputs and the target of a batch.

    Raises
    ------
    InputError
        As `default_forward`.
    """
    if isinstance(batch, (tuple, list)) and len(batch) >= 2:
        return (batch[0] if len(batch) == 2 else tuple(batch[:-1])), batch[-1]
    if isinstance(batch, Mapping):
        for key in TARGET_KEYS:
            if key in batch:
                return {k: v for k, v in batch.items() if k != key}, batch[key]
        raise InputError(
            f"a dict batch needs its target under one of {', '.join(TARGET_KEYS)}; it has {', '.join(map(str, batch))}"
        )
    raise InputError(
        f"a batch of type {type(batch).__name__} has no target: pass forward=lambda model, batch: (output, target)"
    )


def count_rows(batch: Any) -> int:
    """Return the number of examples in a batch: the length of its first tensor.

    Raises
    ------
    InputError
        If there is no tensor with at least one axis in it.
    """
    for leaf in leaves(batch):
        if getattr(leaf, "ndim", 0) >= 1:
            return int(leaf.shape[0])
    raise InputError(f"a batch of type {type(batch).__name__} holds no tensor with an axis of examples")


def device_of(model: torch.nn.Module) -> torch.device:
    """Return the device of the model's first parameter or buffer; the CPU where it has neither."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def to_device(batch: Any, device: torch.device) -> Any:
    """Return the batch with every tensor on `device`."""
    return _mapped(batch, lambda t: t.to(device))


def leaves(batch: Any) -> Iterator[Any]:
    """Yield what is inside a nest of dicts, lists and tuples, in order."""
    if isinstance(batch, Mapping):
        batch = tuple(batch.values())
    if isinstance(batch, (tuple, list)):
        for item in batch:
            yield from leaves(item)
    else:
        yield batch


def _mapped(batch: Any, function: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(batch, torch.Tensor):
        return function(batch)
    if isinstance(batch, Mapping):
        return {k: _mapped(v, function) for k, v in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_mapped(v, function) for v in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(_mapped(v, function) for v in batch)
    return batch


def copied(batch: Any) -> Any:
    """Copy the tensors of a sampled batch: the loop may write into those that it was given."""
    return _mapped(batch, torch.Tensor.clone)
