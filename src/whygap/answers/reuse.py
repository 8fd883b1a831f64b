"""From which epoch on reuse hurts: where a gap that grows passes a margin for good, told from noisy looks at it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whygap.answers.cells import Array, Means
from whygap.records import Estimate, OverfittingState


def reuse_hurts(
    gap: Means, epoch: npt.NDArray[np.int64], margin: float, level: float
) -> tuple[OverfittingState, Estimate | None, int | None]:
    """Return whether the gap passes the margin for good, at which epoch, and from which epoch on it leaves zero out.

    Looks are tested in a fixed order, so that none needs to be paid for: a test counts only while all before it were passed.

    Parameters
    ----------
    gap : Means
        How much worse the real world scores, at r looks.
    epoch : array of shape (r,)
        The looks.
    margin : float
        In the score's unit, above 0.
    level : float
        Of the interval; each of its ends is wrong with a probability of at most half of what is left, for a gap that passes
        the margin once.

    Returns
    -------
    state, since, shown
        "yes" with the epoch and its interval; "no" where the gap is below the margin at all looks for sure; or "cannot_tell".
    """
    if gap.doubt:
        return "cannot_tell", None, None
    low, high = gap.bounds(level)
    shown = _last_stretch(low > 0.0)
    passed = _last_stretch(low > margin)
    first = None if shown is None else int(epoch[shown])
    if passed is None:
        return ("no" if bool((high < margin).all()) else "cannot_tell"), None, first
    below = int(np.argmax(high >= margin))  # looks before it are sure to be below
    start = _last_stretch(gap.value > margin)
    value = epoch[-1] if start is None else _crossing(epoch, gap.value, start, margin)
    ends = float(epoch[below - 1]) if below else 0.0, float(epoch[passed])
    since = Estimate(
        value=float(np.clip(value, *ends)), low=ends[0], high=ends[1], level=level, n=gap.n, how="sampled",
        why=f"the epoch at which real - ideal passes {margin:.3g} for good",
    )  # fmt: skip
    return "yes", since, first


def _last_stretch(marked: npt.NDArray[np.bool_]) -> int | None:
    """Return where the unbroken stretch that reaches the end begins, or None."""
    if not marked[-1]:
        return None
    others = np.flatnonzero(~marked)
    return int(others[-1]) + 1 if others.size else 0


def _crossing(epoch: npt.NDArray[np.int64], value: Array, start: int, margin: float) -> float:
    if start == 0:
        return float(epoch[0])
    x, y = epoch[start - 1 : start + 1].astype(float), value[start - 1 : start + 1]
    return float(x[0] + (x[1] - x[0]) * (margin - y[0]) / (y[1] - y[0]))
