"""The sets that a run keeps: drawn by NumPy, so that they are the same bytes as for any other framework."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from whygap.lab.plan import Plan, Seeds
from whygap.process import Process

KEPT = 16
"""Sets that stay in memory, so that runs which differ in the model alone draw them once."""

Examples = tuple[Any, Any]


class Sets(NamedTuple):
    """x and y of the examples that a run keeps; `train` is empty in the fresh regime, `fresh` where there are none."""

    train: Examples
    valid: Examples
    fresh: Examples


def draw_sets(plan: Plan, seeds: Seeds) -> Sets:
    """Return the training set or pool, the validation sets one after the other, and the fresh examples of one run."""
    n_train = 0 if plan.regime.distinct is None else plan.regime.distinct
    return Sets(
        train=_draw(plan.process, seeds.train, "train", n_train),
        valid=_draw(plan.process, seeds.valid, "valid", plan.n_valid * plan.valid_sets),
        fresh=_draw(plan.process, seeds.train, "fresh", plan.n_fresh),
    )


def _draw(process: Process, seed: int, split: str, n: int) -> Examples:
    if n == 0:
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    try:
        return _kept(process, seed, split, n)
    except TypeError:  # a process with a parameter that can't be hashed: as right, and drawn for each run
        return _drawn(process, seed, split, n)


def _drawn(process: Process, seed: int, split: str, n: int) -> Examples:
    x, y = process.draw(np.arange(n, dtype=np.uint32), seed=seed, split=split)
    x.flags.writeable = y.flags.writeable = False
    return x, y


_kept = functools.lru_cache(maxsize=KEPT)(_drawn)
