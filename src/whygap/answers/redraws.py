"""How much of the reported gap is the luck of the draw, for data drawn once and for data drawn anew in every epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from whygap.answers.cells import Array, Cell, Cells, cells_of, means_over
from whygap.estimate import Components, estimate_redraws, jumps, reach
from whygap.records import Estimate, Record, Score
from whygap.trials import Trial

FACTORS = {"train": "training set", "valid": "validation set", "init": "initial weights"}
TOGETHER = "everything redrawn"
COMBINED = "combinations of them"
JUMPS = "from look to look"
FEWEST_LOOKS = 6


class Redrawn(Record, frozen=True):
    """One cell: standard deviations of the reported gap, valid - reported, at the last look.

    `of` holds one for each thing that was redrawn by itself, then for combinations of them, everything redrawn, and the jumps
    from look to look in the second half; each with its interval. `gap` is the mean gap. `jump_logs` are the logarithms of each
    training set's variance from look to look, for comparisons. `is_crossed` says whether each thing was redrawn with all others
    kept; otherwise only everything at once can be told.
    """

    n_parameters: int
    n: int
    regime: str
    variant: str
    score: Score
    epochs: int
    gap: Estimate
    of: dict[str, Estimate]
    jump_logs: tuple[float, ...]
    is_crossed: bool

    @property
    def ratio(self) -> float:
        """Parameters per example."""
        return self.n_parameters / self.n


def redrawn(trials: Iterable[Trial], *, score: str | None = None, level: float = 0.95) -> tuple[Redrawn, ...]:
    """Split the variation of the reported gap over seeds by what was redrawn, for every cell with two runs or more.

    Parameters
    ----------
    trials : iterable of Trial
        With crossed seeds, or several validation sets each, the variation is split; otherwise it is given as a whole.
    score : str, optional
        By default the loss.
    level : float
        Of the intervals.
    """
    return redrawn_of(cells_of(trials, score=score), score=score, level=level)


def redrawn_of(grouped: Cells, *, score: str | None = None, level: float = 0.95) -> tuple[Redrawn, ...]:
    """Split the variation of cells, as `redrawn`."""
    return tuple(_redrawn(cell, score, level) for cell in grouped.cells if len(cell.trials) > 1)


def _redrawn(cell: Cell, score: str | None, level: float) -> Redrawn:
    kind = cell.trials[0].curve(score)
    assert kind is not None
    gaps = _gaps(cell, score)  # (s, v, r)
    crossed = _crossed(cell, gaps)
    if crossed is None:
        names, values = ["run"], gaps[:, 0, -1]
    else:
        names, values = crossed
    found = estimate_redraws(values, names, level=level)
    means = means_over(gaps.mean(axis=1)[:, -1:], cell.trials)
    each = _jumps(cell, gaps)
    return Redrawn(
        n_parameters=cell.n_parameters,
        n=cell.n,
        regime=cell.regime,
        variant=cell.variant,
        score=kind.score,
        epochs=cell.epochs,
        gap=means.estimate(level=level),
        of=_deviations(found, crossed is not None) | ({} if each.size < 2 else {JUMPS: _jump(each, level)}),
        jump_logs=tuple(np.log(each[each > 0.0]).tolist()),
        is_crossed=crossed is not None,
    )


def _gaps(cell: Cell, score: str | None) -> Array:
    """Return valid - reported (s, v, r) of every run, validation set and look."""
    reported = cell.curves("reported", score)
    several = [curve.valid_sets for t in cell.trials if (curve := t.curve(score)) is not None]
    n_sets = {len(sets) for sets in several}
    if len(n_sets) != 1 or n_sets == {0}:
        return np.asarray(cell.curves("valid", score) - reported)[:, None, :]
    looks = [np.searchsorted(t.epoch, cell.epoch) for t in cell.trials]
    valid = np.stack([np.asarray(sets, dtype=np.float64)[:, at] for sets, at in zip(several, looks, strict=True)])
    return np.asarray(valid - reported[:, None, :])


def _crossed(cell: Cell, gaps: Array) -> tuple[list[str], Array] | None:
    """Return the factors that have several levels and the last gaps by their levels, or None where not all combinations are."""
    seeds = {name: [t.seeds.get(name, 0) for t in cell.trials] for name in FACTORS}
    levels = {name: sorted(set(of)) for name, of in seeds.items()}
    shape = tuple(len(at) for at in levels.values())
    table = np.full((*shape, gaps.shape[1]), np.nan)
    for k in range(len(cell.trials)):
        table[tuple(levels[name].index(seeds[name][k]) for name in FACTORS)] = gaps[k, :, -1]
    if not np.isfinite(table).all():
        return None
    train, valid, init, sets = table.shape  # several sets for each of the validation seeds are as many validation sets
    table = table.transpose(0, 1, 3, 2).reshape(train, valid * sets, init)
    names = [name for name, size in zip(FACTORS.values(), table.shape, strict=True) if size > 1]
    return (names, table.squeeze(tuple(k for k, size in enumerate(table.shape) if size == 1))) if names else None


def _deviations(found: Components, is_crossed: bool) -> dict[str, Estimate]:
    of = dict(found.of) if is_crossed else {}
    if is_crossed and len(of) > 1:
        of |= {COMBINED: found.rest}
    return {name: _root(e) for name, e in (of | {TOGETHER: found.total}).items()}


def _jumps(cell: Cell, gaps: Array) -> Array:
    """Return the variance from look to look of each training set's runs."""
    if cell.epoch.size < FEWEST_LOOKS:
        return np.empty(0)
    each: Array = jumps(gaps.transpose(2, 0, 1)).mean(axis=1)
    sets = np.unique([t.seeds.get("train", k) for k, t in enumerate(cell.trials)], return_inverse=True)[1]
    if sets.max() == 0:
        return each
    return np.asarray(np.bincount(sets, each) / np.bincount(sets))


def _jump(each: Array, level: float) -> Estimate:
    """Return the standard deviation of jumps, with Student's interval for its logarithm over training sets."""
    logs = 0.5 * np.log(np.maximum(each, 1e-300))
    middle, se = float(logs.mean()), float(logs.std(ddof=1)) / each.size**0.5
    below, above = reach(level, each.size - 1.0)
    ends = (math.exp(max(-700.0, middle - below * se)), math.exp(min(700.0, middle + above * se)))
    return Estimate(value=math.exp(middle), low=ends[0], high=ends[1], level=level, n=each.size, how="sampled")


def _root(variance: Estimate) -> Estimate:
    value, low, high = (max(v, 0.0) ** 0.5 for v in (variance.value, variance.low, variance.high))
    return Estimate(value=value, low=low, high=high, level=variance.level, n=variance.n, how=variance.how)
