"""Scores that were logged each by itself, with a step: as TensorBoard and MLflow keep them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from whygap.logs.table import Column, Table

Scalars = dict[str, tuple[list[int], list[float]]]
"""Steps and values by name; steps don't decrease."""


def table_by_step(scalars: Mapping[str, tuple[list[int], list[float]]], axis: str, source_name: str) -> Table:
    """Return scalars as a table with a row for each step, which is its column `axis`.

    Where several numbers of one name have the only step that there is, nobody gave any: then their order counts, and there is
    no such column.

    Parameters
    ----------
    scalars : mapping of str to (steps, values)
        At least one.
    axis : str
        A name.
    source_name : str
        For errors.
    """
    arrays = {name: (np.array(steps, dtype=np.int64), np.array(values)) for name, (steps, values) in scalars.items()}
    every = np.unique(np.concatenate([steps for steps, _ in arrays.values()]))
    longest = max(steps.size for steps, _ in arrays.values())
    if every.size == 1 < longest:
        return Table({name: Column(np.arange(v.size), v) for name, (_, v) in arrays.items()}, longest, source_name)
    columns = {name: Column(np.searchsorted(every, steps), values) for name, (steps, values) in arrays.items()}
    return Table({axis: Column(np.arange(every.size), every.astype(np.float64)), **columns}, every.size, source_name)
