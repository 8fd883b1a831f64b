"""One number of each cell, tested against zero both ways, with all cells paid for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from whygap.answers.cells import Array, Cell, Means, sign_of
from whygap.answers.edge import WORTH, EdgeCell, rate
from whygap.answers.redraws import Redrawn
from whygap.answers.worlds import common_seeds, difference_of, some_of
from whygap.estimate import Moments, add_moments, estimate_from, holm
from whygap.records import Estimate

NIL = 0.05
"""A memorisation term counts as nil within this share of the score of unseen examples, where its interval covers zero too."""

NO_LARGER = 1.1
"""Jumps that are at most so many times as large, as a standard deviation, are no larger."""


class Tested(NamedTuple):
    """A number of one cell, and what it says: "yes", "no", or something else where it says neither."""

    n_parameters: int
    n: int
    estimate: Estimate
    says: str

    @property
    def ratio(self) -> float:
        """Parameters per example."""
        return self.n_parameters / self.n


def put_to_test(
    cells: Sequence[Cell], means: Sequence[Means], level: float, *, nil: Sequence[float] | None = None
) -> list[Tested]:
    """Return what the last look of each mean says: "yes" above zero, "no" below `nil` (zero), by Holm's method both.

    Parameters
    ----------
    cells, means : sequences of one length
        The cells and their means.
    level : float
        Each side is tested at (1 - level) / 2.
    nil : sequence of float, optional
        How much of each mean counts as nothing, in its unit.
    """
    if not means:
        return []
    alpha = (1.0 - level) / 2.0
    ends = [0.0] * len(means) if nil is None else nil
    above = holm([m.p_above() for m in means]) <= alpha
    below = holm([m._replace(value=end - m.value).p_above() for m, end in zip(means, ends, strict=True)]) <= alpha
    said = ["no" if b else "yes" if a else "" for a, b in zip(above, below, strict=True)]
    return [Tested(c.n_parameters, c.n, m.estimate(level=level), s) for c, m, s in zip(cells, means, said, strict=True)]


def memorisation(cell: Cell) -> Array:
    """Return how much worse unseen examples score than training ones, for each trial and look (s, r)."""
    curve = cell.trials[0].curves[0]
    return sign_of(curve.score) * (cell.curves(cell.unseen) - cell.curves("train"))


def rank_correlation(cell: Cell) -> Means:
    """Return the mean over seeds of the rank correlation, over looks, of memorisation with how good the training score is."""
    sign = sign_of(cell.trials[0].curves[0].score)
    adapted, gap = _ranks(-sign * cell.curves("train")), _ranks(memorisation(cell))
    spread = np.sqrt((adapted**2).sum(axis=1) * (gap**2).sum(axis=1))
    each = np.divide((adapted * gap).sum(axis=1), spread, out=np.zeros(len(spread)), where=spread > 0.0)
    return cell.over_seeds(each[:, None])


def _ranks(values: Array) -> Array:
    ranks = values.argsort(axis=1).argsort(axis=1).astype(np.float64)
    return np.asarray(ranks - ranks.mean(axis=1, keepdims=True))


def excess(real: Cell, ideal: Cell) -> Means:
    """Return how much more a reused set is memorised than fresh examples, seed by seed where both have the same seeds."""
    one, other = memorisation(real)[:, -1:], memorisation(ideal)[:, -1:]
    pairs = common_seeds(real, ideal)
    if not pairs:
        return difference_of(real.over_seeds(one), ideal.over_seeds(other))
    rows, others = (list(side) for side in zip(*pairs, strict=True))
    return some_of(real, rows).over_seeds(one[rows] - other[others])


def came_out(cells: Sequence[Cell], level: float) -> list[Tested]:
    """Say of each cell whether overfitting came out after its first look; "already" where it was there.

    "yes": at the first look it doesn't overfit for sure, at the last it does, and the term has grown; "no": at the last it is
    sure not to overfit.
    """
    cells = [c for c in cells if c.epoch.size > 1]
    first, last = rate([(c, 0) for c in cells], None, level), rate([(c, c.epoch.size - 1) for c in cells], None, level)
    terms = [memorisation(c) for c in cells]
    growth = put_to_test(cells, [c.over_seeds(t[:, -1:] - t[:, :1]) for c, t in zip(cells, terms, strict=True)], level)
    return [g._replace(says=_came(a, b, g)) for a, b, g in zip(first, last, growth, strict=True)]


def _came(first: EdgeCell, last: EdgeCell, growth: Tested) -> str:
    if first.overfits == "yes":
        return "already"
    if last.overfits == "no":
        return "no"
    return "yes" if last.overfits == "yes" and growth.says == "yes" else ""


def late_memorisation(cell: Cell, level: float, paid: float) -> Tested:
    """Return the memorisation term over the second half of the looks, and whether it is nil.

    It says "yes", "trace" (small, but not zero), "no" (beyond `NIL` of the unseen score), or "" where it can't be told. That it
    is small, or isn't, is told by its interval at `level`: all cells must pass, which needs no paying, and a term of zero
    seldom looks that large in any. That it isn't zero is told by an interval at `paid`, which pays for the cells.
    """
    half = cell.epoch.size // 2
    term, own = memorisation(cell)[:, half:], cell.curves(f"{cell.unseen}_se")[:, half:]
    means = cell.over_seeds(term.mean(axis=1, keepdims=True), own.mean(axis=1, keepdims=True), shared=cell.shares_unseen)
    e = means.estimate(level=level)
    nil = NIL * float(np.abs(cell.curves(cell.unseen)[:, half:]).mean())
    return Tested(cell.n_parameters, cell.n, e, _is_nil(means, e, nil, paid))


def _is_nil(means: Means, e: Estimate, nil: float, paid: float) -> str:
    if means.doubt:
        return ""
    if e.low > nil or e.high < -nil:
        return "no"
    if -nil > e.low or e.high > nil:
        return ""
    low, high = (float(end[0]) for end in means.bounds(paid))
    return "yes" if low <= 0.0 <= high else "trace"


def ratio_of_jumps(once: Redrawn, fresh: Redrawn, level: float) -> Tested:
    """Return how many times as far the gap jumps from look to look when examples are fresh, with Welch's interval for logs."""
    logs = [0.5 * np.array(r.jump_logs) for r in (once, fresh)]
    moments = add_moments(Moments(float(x.var(ddof=1)) / x.size, x.size - 1.0) for x in logs)
    e = estimate_from(float(logs[1].mean() - logs[0].mean()), moments, level=level, n=min(x.size for x in logs))
    value, low, high = (math.exp(min(max(x, -50.0), 50.0)) for x in (e.value, e.low, e.high))
    times = Estimate(value=value, low=low, high=high, level=level, n=e.n, how="sampled")
    says = "yes" if low > 1.0 else "no" if high < NO_LARGER else ""
    return Tested(once.n_parameters, once.n, times, says)


def worth_of(cell: Cell) -> float:
    """Return how large a memorisation term must be to count as overfitting."""
    return WORTH * float(np.abs(cell.curves(cell.unseen)[:, -1]).mean())
