"""Rows of Keras batches: copied, picked, and cut into batches of one size, so that one compiled program serves them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from whygap.adapters.keras_scores import rows_of
from whygap.errors import InputError
from whygap.observation import Ints

Batch = tuple[Any, ...]
Pick = tuple[Batch, Ints | None]
"""A batch and which of its rows are wanted (None: all)."""


class Cut(NamedTuple):
    """A batch to score, and which of the scores are wanted."""

    batch: Batch
    wanted: slice | Ints
    n_rows: int


def without_weights(batch: Batch) -> Batch:
    """Return inputs and targets: sample weights are no part of an example, and validation may have none."""
    return batch[:2]


def count_rows(batches: Iterable[Batch]) -> int:
    """Return the examples of several batches."""
    return sum(rows_of(batch[0]) for batch in batches)


def copied(batch: Batch) -> Batch:
    """Copy the NumPy arrays of a batch: a dataset may fill the same buffer again. Arrays of JAX can't be written to."""

    def copy(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray):
            return leaf.copy()
        return leaf.clone() if hasattr(leaf, "clone") else leaf

    return tuple(None if part is None else keras.tree.map_structure(copy, part) for part in batch)


def has_weights(batch: Batch) -> bool:
    """Return whether sample weights are in the batch; class weights are by the time that it reaches a step."""
    return len(batch) > 2 and batch[2] is not None


def whole(picks: Sequence[Pick]) -> list[Cut]:
    """Return the batches as they are, for scores that depend on a row's whole batch."""
    return [
        Cut(batch, slice(None), rows_of(batch[0])) if rows is None else Cut(batch, rows, len(rows)) for batch, rows in picks
    ]


def cut(picks: Sequence[Pick], size: int) -> list[Cut]:
    """Return the wanted rows, in order, in batches of `size`; rows are repeated to fill the last one.

    Rows are joined over batches wherever their shapes agree.
    """
    cuts: list[Cut] = []
    joined: list[Any] = []

    def flush() -> None:
        if joined:
            leaves = [np.concatenate(same) for same in zip(*(keras.tree.flatten(part) for part in joined), strict=True)]
            rows = len(leaves[0])
            for start in range(0, rows, size):
                index = np.arange(start, start + size) % rows
                part = keras.tree.pack_sequence_as(joined[0], [leaf[index] for leaf in leaves])
                n = min(size, rows - start)
                cuts.append(Cut(part, slice(0, n), n))
            joined.clear()

    for batch, rows in picks:
        if rows is None and rows_of(batch[0]) == size:
            flush()
            cuts.append(Cut(batch, slice(None), size))
            continue
        part = keras.tree.map_structure(lambda leaf, rows=rows: _rows(leaf, rows), (batch[0], batch[1]))
        if joined and _shapes(joined[0]) != _shapes(part):
            flush()
        joined.append(part)
    flush()
    return cuts


def _rows(leaf: Any, rows: Ints | None) -> Any:
    array = keras.ops.convert_to_numpy(leaf)
    return array if rows is None else array[rows]


def _shapes(part: Any) -> list[Any]:
    return [(leaf.shape[1:], leaf.dtype) for leaf in keras.tree.flatten(part)]


# ---------------------------------------------------------------- data that a user hands in


def check_split(split: Any, name: str) -> Any:
    """Return data given as arrays (x, y) or (x, y, sample_weight), or as an iterable of batches, that can be walked again.

    Raises
    ------
    InputError
        If it is neither, or known to be empty.
    """
    if is_arrays(split):
        if rows_of(split) == 0:
            raise InputError(f"the {name} set is empty: its arrays have no rows")
        return split
    if not hasattr(split, "__iter__") and not hasattr(split, "__getitem__"):
        raise InputError(f"{name} data must be arrays (x, y) or an iterable of batches, not {type(split).__name__}")
    if isinstance(split, Iterator):
        split = list(split)
    if hasattr(split, "__len__") and len(split) == 0:
        raise InputError(f"the {name} set is empty: it has no batches")
    return split


def batches_of(split: Any, rows: int) -> Iterable[Batch]:
    """Yield the batches of a checked split; arrays are cut into batches of `rows`."""
    if not is_arrays(split):
        yield from (tuple(split[i]) for i in range(len(split))) if not hasattr(split, "__iter__") else map(tuple, split)
        return
    for start in range(0, rows_of(split), rows):
        part = slice(start, start + rows)
        yield tuple(None if p is None else keras.tree.map_structure(lambda leaf, part=part: leaf[part], p) for p in split)


def rows_at(split: Any, rows: Ints | None) -> Any:
    """Return these rows of a split given as arrays; None: the split as it is."""
    if rows is None:
        return split
    return tuple(None if p is None else keras.tree.map_structure(lambda leaf: leaf[rows], p) for p in split)


def is_arrays(split: Any) -> bool:
    """Tell arrays (x, y), where x and y may be nests, from a list of batches."""
    if not isinstance(split, (tuple, list)) or len(split) not in (2, 3):
        return False
    if isinstance(split, list) and any(isinstance(p, (tuple, list)) for p in split):
        return False
    return all(p is None or _has_rows(p) for p in split)


def _has_rows(part: Any) -> bool:
    return all(hasattr(leaf, "shape") and len(leaf.shape) > 0 for leaf in keras.tree.flatten(part))
