"""A run in ranges of epochs: the gap changes its sign and its cause within a run, and a mean over all would say nothing."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.estimate.curves import finite
from whygap.estimate.recovery import Recovered
from whygap.records import Estimate

Array = npt.NDArray[np.float64]
Leading = Literal["averaging", "rest", "cannot_tell"]
"""Which part of the gap is larger: averaging, what remains of it, or that can't be told."""

LEVEL = 0.9
"""What the intervals of a recovery are counted to hold, at least (benchmarks/log_recovery.py)."""

SHORTEST = 0.05
"""Share of the run below which a range joins the one before it: a single odd epoch makes no new chapter."""


class EpochRange(NamedTuple):
    """Some consecutive epochs with a gap of one sign and one leading part; all in the score's unit, means over the epochs.

    `gap` is valid - train as reported; `averaging` and `rest` sum to it, and their intervals mirror one another. Both are None
    where nothing bounds averaging. `n_told` counts the epochs of which the lag is told.
    """

    first: float
    last: float
    gap: float
    leading: Leading
    averaging: Estimate | None
    rest: Estimate | None
    n: int
    n_told: int


def ranges_of_epochs(
    train: npt.ArrayLike, valid: npt.ArrayLike, recovered: Recovered, *, epoch: npt.ArrayLike | None = None
) -> tuple[EpochRange, ...]:
    """Split a run where the gap changes its sign or another part of it leads, and say how much is averaging in each range.

    With R reported, f recovered and V of validation, the gap V - R is averaging, f - R, and the rest, V - f: mode,
    memorisation, another set and all else that a log can't take apart.

    Parameters
    ----------
    train, valid : array of shape (e,)
        As reported. Epochs that lack either, or a recovery, are passed over.
    recovered : Recovered
        From `recover_end` or `recover_end_from_steps`, of the same epochs.
    epoch : array of shape (e,), optional
        Which epoch each is; 1, 2, ... by default.

    Returns
    -------
    tuple of EpochRange
        In order; a range shorter than `SHORTEST` of the run, but for the first, joins the one before it. Estimates have
        how="inferred", level `LEVEL`, and are reliable where the lag of half of the epochs or more is told. Bounds are means of
        bounds, as errors of neighbouring epochs may be the same.

    Raises
    ------
    InputError
        If the arrays aren't 1-d and of one shape.

    Notes
    -----
    Time is of order e.

    Examples
    --------
    >>> from whygap.estimate.recovery import recover_end
    >>> train, valid = np.array([4.0, 2.0, 1.5, 1.3, 1.2, 1.1]), np.array([2.5, 1.8, 1.6, 1.5, 1.5, 1.5])
    >>> [(r.first, r.last, round(r.gap, 2)) for r in ranges_of_epochs(train, valid, recover_end(train, valid))]
    [(1.0, 1.0, -1.5), (2.0, 2.0, -0.2), (3.0, 6.0, 0.25)]
    """
    t, v = finite(train), finite(valid)
    at = np.arange(1.0, t.size + 1.0) if epoch is None else np.asarray(epoch, dtype=np.float64)
    if t.ndim != 1 or not t.shape == v.shape == at.shape == recovered.value.shape:
        raise InputError(f"all must be 1-d and of one shape, got {t.shape}, {v.shape}, {at.shape} and {recovered.value.shape}")
    kept = np.flatnonzero(~(np.isnan(t) | np.isnan(v) | np.isnan(recovered.value) | np.isnan(at)))
    if kept.size == 0:
        return ()
    gap = (v - t)[kept]
    averaging, low, high = ((bound - t)[kept] for bound in (recovered.value, recovered.low, recovered.high))
    is_told = (recovered.state[kept] == "told") | (recovered.state[kept] == "no_lag")
    leads = np.where(is_told, np.where(np.abs(averaging) > np.abs(gap - averaging), 1, 2), 0)
    starts = _starts(np.sign(gap) * 3 + leads, math.ceil(SHORTEST * kept.size))
    found = []
    for part in map(slice, starts, [*starts[1:], kept.size]):
        label = int(np.bincount(leads[part], minlength=3).argmax())
        n_told = int(is_told[part].sum())
        lag, rest = _estimates(gap[part], averaging[part], low[part], high[part], 2 * n_told >= gap[part].size)
        leading: Leading = ("cannot_tell", "averaging", "rest")[label]
        first, last = (float(at[kept[part]][k]) for k in (0, -1))
        found.append(EpochRange(first, last, float(gap[part].mean()), leading, lag, rest, gap[part].size, n_told))
    return tuple(found)


def _starts(label: Array, shortest: int) -> list[int]:
    """Return where the ranges of equal labels start, short ones left to the one before."""
    edges = [0, *(np.flatnonzero(np.diff(label)) + 1).tolist(), label.size]
    starts, current = [0], label[0]
    for start, stop in pairwise(edges[1:]):
        if label[start] != current and stop - start >= shortest:
            starts.append(start)
            current = label[start]
    return starts


def _estimates(
    gap: Array, averaging: Array, low: Array, high: Array, is_reliable: bool
) -> tuple[Estimate, Estimate] | tuple[None, None]:
    """Return averaging and what remains, or nothing where averaging has no bounds."""
    if not np.isfinite([low, high]).all():
        return None, None
    value, below, above, whole = (float(x.mean()) for x in (averaging, low, high, gap))
    why = "" if is_reliable else "the lag can't be told from the log in most of these epochs: the allowance for it is as large"

    def inferred(value: float, low: float, high: float) -> Estimate:
        return Estimate(value=value, low=low, high=high, level=LEVEL, n=gap.size, how="inferred", reliable=is_reliable, why=why)

    return inferred(value, below, above), inferred(whole - value, whole - above, whole - below)
