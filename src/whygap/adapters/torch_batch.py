"""Batches of PyTorch tensors of any shape: pairs, longer tuples, dicts, and what is inside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from itertools import accumulate
from typing import Any

import torch

from whygap.errors import InputError

TARGET_KEYS = ("labels", "label", "targets", "target", "y")
"""Names under which a dict batch keeps its target; everything else in it goes to the model by keyword."""

Forward = Callable[[Any, Any], tuple[Any, Any]]


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
    if isinstance(batch, (tuple, list)) and batch and isinstance(batch[0], torch.Tensor) and batch[0].ndim:
        return batch[0].size(0)  # at every batch, and a walk through the leaves takes five times as long
    for leaf in leaves(batch):
        if getattr(leaf, "ndim", 0) >= 1:
            return int(leaf.shape[0])
    raise InputError(f"a batch of type {type(batch).__name__} holds no tensor with an axis of examples")


def type_with_rows(batch: Any) -> type | None:
    """Return the type of a batch whose first item is a tensor of examples; None for any other."""
    is_plain = isinstance(batch, (tuple, list)) and bool(batch) and isinstance(batch[0], torch.Tensor) and batch[0].ndim > 0
    return type(batch) if is_plain else None


def device_of(model: torch.nn.Module) -> torch.device:
    """Return the device of the model's first parameter or buffer; the CPU where it has neither."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def to_device(batch: Any, device: torch.device) -> Any:
    """Return the batch with every tensor on `device`."""
    return mapped(batch, lambda t: t.to(device))


def leaves(batch: Any) -> list[Any]:
    """Return what is inside a nest of dicts, lists and tuples, in order."""
    if isinstance(batch, torch.Tensor):
        return [batch]
    if not isinstance(batch, (tuple, list)):
        if not isinstance(batch, Mapping):  # after the tuples: asking a class that isn't one is slow
            return [batch]
        batch = batch.values()
    found: list[Any] = []
    for item in batch:
        if isinstance(item, torch.Tensor):
            found.append(item)
        else:
            found += leaves(item)
    return found


def mapped(batch: Any, function: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return a nest of the same shape with `function` of every tensor."""
    if isinstance(batch, torch.Tensor):
        return function(batch)
    if isinstance(batch, (tuple, list)):
        parts = [mapped(v, function) for v in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    if isinstance(batch, Mapping):
        return {k: mapped(v, function) for k, v in batch.items()}
    return batch


def copied(batch: Any) -> Any:
    """Copy the tensors of a nest: the loop may write into those that it was given."""
    return mapped(batch, lambda t: t.detach().clone())


def has_rows(batch: Any, rows: int) -> bool:
    """Return whether everything in a nest is a tensor with one row per example, so that examples can be picked from it."""
    return all(isinstance(leaf, torch.Tensor) and leaf.ndim > 0 and leaf.shape[0] == rows for leaf in leaves(batch))


def versions_of(batch: Any) -> tuple[int, ...]:
    """Return how often each tensor of a nest was written into; for one that doesn't count, as in inference mode, 0."""
    tensors = [t for t in leaves(batch) if isinstance(t, torch.Tensor)]
    try:
        return tuple([t._version for t in tensors])
    except RuntimeError:  # in inference mode: asking each whether it is takes as long as all else
        return tuple([0 if t.is_inference() else t._version for t in tensors])


def picked(batch: Any, index: torch.Tensor) -> Any:
    """Copy some rows of every tensor of a nest, in the order of `index`."""
    return mapped(batch, lambda t: t.detach().index_select(0, index if t.is_cpu else index.to(t.device)))


def cut(batch: Any, rows: int) -> Any:
    """Return the first rows of every tensor of a nest."""
    return mapped(batch, lambda t: t[:rows])


def joined(batches: Sequence[Any], picks: Sequence[torch.Tensor | None] | None = None) -> Any | None:
    """Return the rows of several batches as one, or None where they can't be stacked: other keys, or shapes behind the rows.

    Of batches that have `picks` it is those rows alone.
    """
    first = batches[0]
    if isinstance(first, Mapping) and any(list(b) != list(first) for b in batches):
        return None
    flat = [leaves(b) for b in batches]
    if not flat[0] or any(len(f) != len(flat[0]) for f in flat):
        return None
    columns = list(zip(*flat, strict=True))
    for column in columns:
        if not all(isinstance(t, torch.Tensor) for t in column) or len({t.dtype for t in column}) > 1:
            return None
        if any(t.shape[1:] != column[0].shape[1:] for t in column if not t.numel()):
            return None  # which would be stacked in silence where it is empty
    try:
        whole = iter([torch.cat(column) if picks is None else _gathered(column, picks) for column in columns])
    except RuntimeError:  # other shapes or devices: asking for those takes longer than trying
        return None
    return mapped(first, lambda _: next(whole))


def _gathered(column: Sequence[torch.Tensor], picks: Sequence[torch.Tensor | None]) -> torch.Tensor:
    """Return the picked rows of tensors that are alike, one after the other: each goes to its place without a copy between.

    Raises
    ------
    RuntimeError
        If they aren't alike.
    """
    ends = list(accumulate(len(t) if rows is None else len(rows) for t, rows in zip(column, picks, strict=True)))
    whole = torch.empty((ends[-1], *column[0].shape[1:]), dtype=column[0].dtype, device=column[0].device)
    for t, rows, start, end in zip(column, picks, [0, *ends], ends, strict=False):
        if t.shape[1:] != whole.shape[1:]:
            raise RuntimeError(f"rows of shape {tuple(t.shape[1:])} among those of {tuple(whole.shape[1:])}")
        if rows is None:
            whole[start:end] = t.detach()
        else:
            torch.index_select(t.detach(), 0, rows if t.is_cpu else rows.to(t.device), out=whole[start:end])
    return whole


def in_chunks(
    batches: Sequence[Any], size: int, *, first: int, picks: Sequence[torch.Tensor | None] | None = None
) -> list[Any]:
    """Return the same rows in chunks of `size` rows, the first one of `first`; as they are where they can't be stacked.

    They are never put together as a whole: memory that is used for the first time is slow, and the smaller a piece, the
    likelier it was used before. Of batches that have `picks` it is those rows alone.

    Raises
    ------
    InputError
        As `count_rows`.
    """
    pieces: list[list[tuple[Any, torch.Tensor | None]]] = [[]]
    room = first
    picks = [None] * len(batches) if picks is None else picks
    for batch, rows in zip(batches, picks, strict=True):
        n = count_rows(batch)
        if not has_rows(batch, n):
            return _each_picked(batches, picks)
        n, at = n if rows is None else len(rows), 0
        while at < n:
            if not room:
                pieces.append([])
                room = size
            end = min(n, at + room)
            if rows is not None:
                pieces[-1].append((batch, rows[at:end]))
            else:
                part = batch if end - at == n else mapped(batch, lambda t, a=at, b=end: t[a:b])  # type: ignore[misc]  # lambdas with defaults
                pieces[-1].append((part, None))
            at, room = end, room - (end - at)
    chunks = [_chunk(piece) for piece in pieces if piece]
    return _each_picked(batches, picks) if any(chunk is None for chunk in chunks) else chunks


def _chunk(piece: Sequence[tuple[Any, torch.Tensor | None]]) -> Any | None:
    batches, picks = zip(*piece, strict=True)
    if all(rows is None for rows in picks):
        return joined(batches) if len(batches) > 1 else batches[0]
    return joined(batches, picks)


def _each_picked(batches: Sequence[Any], picks: Sequence[torch.Tensor | None]) -> list[Any]:
    return [batch if rows is None else picked(batch, rows) for batch, rows in zip(batches, picks, strict=True)]


def length_of(loader: Any) -> int | None:
    """Return the number of batches where the loader knows it and asking leaves no trace."""
    if isinstance(getattr(loader, "dataset", None), torch.utils.data.IterableDataset) or not isinstance(loader, Sized):
        return None  # a DataLoader that was asked for the length of a stream warns later, where it turns out to be another
    try:
        return len(loader)
    except TypeError:
        return None


def workers_in_turn(loader: Any) -> int:
    """Return how many processes deliver a loader's batches in turn: the first worker the first, the second the second."""
    if isinstance(loader, torch.utils.data.DataLoader) and getattr(loader, "in_order", True):
        return int(loader.num_workers)
    return 0
