"""The real world and the ideal one: a training set that is reused against examples that never come twice.

The test score of the real world is that of the ideal one plus the bootstrap gap: Nakkiran, Neyshabur and Sedghi, The Deep
Bootstrap Framework, ICLR 2021, arXiv:2010.08127. Both worlds train the same network for the same number of steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from whygap.answers.cells import Array, Cell, Cells, Means, cells_of, score_of, sign_of
from whygap.answers.reuse import reuse_hurts
from whygap.estimate.curves import mean_around
from whygap.records import Estimate, OverfittingState, Record, Score
from whygap.trials import Trial

MARGIN = 0.01
"""Reuse hurts where the real world scores worse by more than this: a point of an error, or this share of another score."""

SMOOTHED = 0.1
"""Share of the looks that the gap is averaged over, around each: networks jump about from epoch to epoch, the gap does not."""


Of = Mapping[Cell, Array]


class Band(Record, frozen=True):
    """A mean over seeds at every look, with the ends of its interval at each."""

    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Worlds(Record, frozen=True):
    """One network and number of examples in both worlds.

    Attributes
    ----------
    epoch : tuple of int
        The looks.
    real, ideal, train : Band
        Test score of both worlds, and training score of the real one, by look.
    bootstrap_gap : Band
        real - ideal by look, averaged over the looks around it, paired by seed where both worlds have the same seeds. Each
        interval is for its look alone.
    bootstrap, generalisation : Estimate
        At the last look: real - ideal, and real - its training score; not averaged over looks.
    margin : float
        By how much reuse must hurt, in the score's unit.
    hurts : str
        "yes", "no" (less than the margin in all looks), or "cannot_tell".
    since : Estimate or None
        The epoch at which the mean gap passes the margin for good, with its interval; where it does.
    shown : int or None
        The first epoch from which on the interval of the gap leaves zero out, to the end.
    is_paired : bool
        Whether differences were taken seed by seed.
    """

    n_parameters: int
    n: int
    regime: str
    variant: str
    score: Score
    epoch: tuple[int, ...]
    real: Band
    ideal: Band
    train: Band
    bootstrap_gap: Band
    bootstrap: Estimate
    generalisation: Estimate
    margin: float
    hurts: OverfittingState
    since: Estimate | None
    shown: int | None
    is_paired: bool
    n_seeds: int

    @property
    def ratio(self) -> float:
        """Parameters per example."""
        return self.n_parameters / self.n


def worlds(trials: Iterable[Trial], *, score: str | None = None, level: float = 0.95) -> tuple[Worlds, ...]:
    """Compare reuse with fresh examples for every network and number of examples that was trained with both.

    Looks are tested in a fixed order. From the last one backwards, as long as the gap leaves zero out: so the first epoch of
    that stretch is wrong with no more than the probability of a single test. The epoch at which the mean gap passes the margin
    lies, so tested, at or before the first of the last unbroken stretch of looks whose intervals are above the margin, and
    after the first unbroken stretch of those below it. So the looks are paid for; each comparison is at the level by itself.

    Parameters
    ----------
    trials : iterable of Trial
        Any settings.
    score : str, optional
        By default the soft error where there is one, as in the source, or else the loss.
    level : float
        Of the intervals.
    """
    every = tuple(trials)
    kind = score_of(every, "soft_error") if score is None else score_of(every, score)
    if kind is None:
        return ()
    return worlds_of(cells_of(every, score=kind.name), kind, level=level)


def worlds_of(grouped: Cells, kind: Score, *, level: float = 0.95) -> tuple[Worlds, ...]:
    """Compare cells, as `worlds`."""
    pairs = partners(grouped)
    return tuple(_compare(real, ideal, kind, level) for real, ideal in pairs)


def partners(grouped: Cells) -> list[tuple[Cell, Cell]]:
    """Return the cells that reuse examples, each with the one that is the same but for fresh examples, where there is one."""
    ideals = {(c.variant, c.n_parameters, c.trials[0].settings.get("n"), c.epochs): c for c in grouped.of("fresh")}
    pairs = []
    for real in grouped.cells:
        ideal = ideals.get((real.variant, real.n_parameters, real.trials[0].settings.get("n"), real.epochs))
        if real.regime != "fresh" and ideal is not None and np.intersect1d(real.epoch, ideal.epoch).size:
            pairs.append((real, ideal))
    return pairs


def _compare(real: Cell, ideal: Cell, kind: Score, level: float) -> Worlds:
    sign, name = sign_of(kind), kind.name
    epoch, at_real, at_ideal = np.intersect1d(real.epoch, ideal.epoch, return_indices=True)
    unseen = "fresh" if real.unseen == ideal.unseen == "fresh" else "valid"
    tested = {c: c.curves(unseen, name)[:, at] for c, at in ((real, at_real), (ideal, at_ideal))}
    own = {c: c.curves(f"{unseen}_se", name)[:, at] for c, at in ((real, at_real), (ideal, at_ideal))}
    train = real.curves("train", name)[:, at_real]
    both = common_seeds(real, ideal)
    gap = _gap(real, ideal, tested, own, both)
    smooth = _gap(real, ideal, {c: _smoothed(of) for c, of in tested.items()}, own, both)
    ideal_mean = ideal.over_seeds(tested[ideal], own[ideal], shared=ideal.shares_unseen)
    real_mean = real.over_seeds(tested[real], own[real], shared=real.shares_unseen)
    is_share = kind.name in ("error", "soft_error") or kind.higher_is_better
    margin = MARGIN if is_share else MARGIN * abs(float(ideal_mean.value[-1]))
    worse = smooth._replace(value=sign * smooth.value)
    hurts, since, shown = reuse_hurts(worse, epoch, margin, level)
    generalisation = real.over_seeds(tested[real] - train, own[real], shared=real.shares_unseen)
    return Worlds(
        n_parameters=real.n_parameters,
        n=real.n,
        regime=real.regime,
        variant=real.variant,
        score=kind,
        epoch=tuple(epoch.tolist()),
        real=_band(real_mean, level),
        ideal=_band(ideal_mean, level),
        train=_band(real.over_seeds(train), level),
        bootstrap_gap=_band(smooth, level),
        bootstrap=gap.estimate(level=level),
        generalisation=generalisation.estimate(level=level),
        margin=margin,
        hurts=hurts,
        since=since,
        shown=shown,
        is_paired=bool(both),
        n_seeds=gap.n,
    )


def _gap(real: Cell, ideal: Cell, tested: Of, own: Of, both: Sequence[tuple[int, int]]) -> Means:
    """Return real - ideal of scores by world, whose own errors count where seeds can't tell them."""
    if not both:
        return difference_of(real.over_seeds(tested[real], own[real]), ideal.over_seeds(tested[ideal], own[ideal]))
    rows, others = (list(side) for side in zip(*both, strict=True))
    # the same unseen examples are scored twice: their draw cancels as far as both worlds find the same ones hard
    gap = some_of(real, rows).over_seeds(tested[real][rows] - tested[ideal][others])
    return gap if gap.n > 1 else gap._replace(se=np.hypot(own[real][rows[0]], own[ideal][others[0]]))


def _smoothed(values: Array) -> Array:
    reach = int(values.shape[1] * SMOOTHED / 2)
    return np.stack([mean_around(row, reach) for row in values])


def common_seeds(real: Cell, ideal: Cell) -> list[tuple[int, int]]:
    """Return the places of trials with the same seeds in both worlds; none unless every trial of the real one has its like."""
    places = {tuple(sorted(t.seeds.items())): k for k, t in enumerate(ideal.trials)}
    pairs = [(k, places.get(tuple(sorted(t.seeds.items())))) for k, t in enumerate(real.trials)]
    found = [(k, other) for k, other in pairs if other is not None]
    return found if len(found) >= min(2, len(real.trials)) else []


def some_of(cell: Cell, rows: Sequence[int]) -> Cell:
    """Return a cell with some of its trials."""
    return Cell(cell.n_parameters, cell.n, cell.regime, cell.variant, cell.epochs, tuple(cell.trials[k] for k in rows))


def difference_of(one: Means, other: Means) -> Means:
    """Return one mean less another, independent of it, with Welch's degrees of freedom."""
    from_one, from_other = one.se**2, other.se**2
    total = from_one + from_other
    df = None
    if one.df is not None and other.df is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            each = total**2 / (from_one**2 / one.df + from_other**2 / other.df)
        df = float(np.nanmin(each)) if np.isfinite(each).any() else min(one.df, other.df)
    return Means(one.value - other.value, np.sqrt(total), df, min(one.n, other.n), one.doubt or other.doubt)


def _band(means: Means, level: float) -> Band:
    low, high = means.bounds(level)
    return Band(value=tuple(means.value.tolist()), low=tuple(low.tolist()), high=tuple(high.tolist()))
