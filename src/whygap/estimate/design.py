"""How a sample was drawn from an epoch, and what that makes of a mean: the estimator and the moments of its error.

The epoch's visits are a fixed, finite list of units (batches) of members (examples). A sample holds some units, drawn at random
from all or one from each of consecutive blocks, and some members of each: all with the same chance, or each with its own. Two
things that are known of every unit can sharpen a mean: what was recorded at the visit, and when that was; and what is known of
members sharpens the means of their units.
The estimator is a linear function of the scores, so that estimated differences of rungs are differences of estimated rungs,
whatever it was told to use.

Sources: Cochran, Sampling Techniques (1977), chapters 5 (strata; 5.10, a stratum that is taken whole), 6 (ratio),
7 (regression), 9A (chances in proportion to size) and 10 (two stages); Särndal, Swensson and Wretman, Model Assisted Survey
Sampling (1992), chapters 3.6 and 6; for means over known chances, Hájek's comment on Basu, Foundations of Statistical Inference
(1971), page 236; for successive differences, Wolter, Introduction to Variance Estimation (2007), section 8.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from whygap.estimate.interval import Moments, add_moments
from whygap.estimate.scores import Array
from whygap.estimate.spread import pool_spread

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ENOUGH_UNITS = 20
"""Of fewer units the skewness of their means isn't estimated."""

LEFT_BY_TREND = 0.5
"""A trend is taken off steps between units where this share of what they tell is left; of two equal ones it is 0.75."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """A two-stage sample of `n` members in `u` of `n_units` units.

    Parameters
    ----------
    weight : array of shape (u,)
        Share of the population's members that each sampled unit stands for; they sum to 1.
    fraction : array of shape (u,)
        Share of the units it was drawn from that were sampled: u / U, or 1 / (length of its block).
    size : array of shape (u,)
        Members of every sampled unit, sampled or not.
    unit : array of shape (n,)
        For every sampled member, the index of its unit.
    is_blocked : bool
        Whether units are in order and each is from a block of its own, so that neighbours are alike.
    known : array of shape (u, c)
        What is known of all units, such as the recorded mean and the position; c may be 0.
    known_mean : array of shape (c,)
        Its mean over the population, by members.
    member_known : array of shape (n, k), optional
        What is known of every sampled member.
    member_mean : array of shape (u, k), optional
        Its mean over all members of every sampled unit, given together with it.
    chance : array of shape (n,), optional
        Of every sampled member, the probability with which it was to be in the sample if its unit was, in (0, 1]. None: within
        a unit all had the same.
    """

    weight: Array
    fraction: Array
    size: Array
    unit: Ints
    is_blocked: bool = False
    known: Array = field(default_factory=lambda: np.zeros((0, 0)))
    known_mean: Array = field(default_factory=lambda: np.zeros(0))
    member_known: Array | None = None
    member_mean: Array | None = None
    chance: Array | None = None

    @cached_property
    def taken(self) -> Array:
        """Sampled members of every unit, (u,)."""
        return self._count(self.unit)

    @cached_property
    def _depth(self) -> Array:
        """Share of every unit's members that were sampled, (u,)."""
        depth: Array = self.taken / self.size
        return depth

    @cached_property
    def _chance(self) -> Array:
        """Probability of every sampled member to be in the sample if its unit is, (n,)."""
        chances: Array = self._depth[self.unit] if self.chance is None else self.chance
        return chances

    @cached_property
    def _is_drawn(self) -> Bools:
        """Whether a sampled member might not have been in the sample, (n,)."""
        drawn: Bools = self._chance < 1.0
        return drawn

    @cached_property
    def _n_drawn(self) -> Array:
        """Sampled members of every unit that might not have been, (u,)."""
        return self._count(self.unit[self._is_drawn])

    @cached_property
    def _among_drawn(self) -> Array:
        """Share that a member has among those of its unit that were drawn and what they stand for, (n,); 0 for sure ones."""
        times = np.where(self._is_drawn, 1.0 / self._chance, 0.0)
        total = np.bincount(self.unit, times, self.weight.size)
        shares: Array = times / np.where(total > 0.0, total, 1.0)[self.unit]
        return shares

    @cached_property
    def _share_of_unit(self) -> Array:
        """Share of its unit that every sampled member stands for, (n,); within a unit they sum to 1."""
        size = self.size[self.unit]
        drawn_from = size - (self.taken - self._n_drawn)[self.unit]
        shares: Array = np.where(self._is_drawn, self._among_drawn * drawn_from, 1.0) / size
        return shares

    def _count(self, unit: Ints) -> Array:
        counts: Array = np.bincount(unit, minlength=self.weight.size).astype(np.float64)
        return counts

    @cached_property
    def is_deep(self) -> bool:
        """Whether all members of the sampled units were sampled."""
        return bool((self.taken >= self.size).all())

    @cached_property
    def is_whole(self) -> bool:
        """Whether every member of every unit was sampled."""
        return self.is_deep and bool((self.fraction >= 1.0).all())

    @cached_property
    def _fit(self) -> tuple[Array, Array, Array]:
        """What unit means are regressed on, a constant and what is known, in what units, and what gives the coefficients.

        Of shape (u, 1 + c), (1 + c,) and (1 + c, u).
        """
        x = np.concatenate([np.ones((self.weight.size, 1)), self.known.reshape(self.weight.size, -1)], axis=1)
        scale = np.maximum(np.abs(x).max(axis=0), 1e-300)
        x, root = x / scale, np.sqrt(self.weight)[:, None]
        return x, scale, np.linalg.pinv(root * x, rcond=1e-9) * root.T

    def _residual(self, units: Array) -> Array:
        """Return what the weighted regression leaves of unit means, (u,)."""
        x, _, solve = self._fit
        residual: Array = units - x @ (solve @ units)
        return residual

    @cached_property
    def calibrated(self) -> Array:
        """Weights (u,) with which the sampled units have the population's mean of all that is known."""
        if self.known_mean.size == 0 or self.is_whole:
            return self.weight
        x, scale, solve = self._fit
        off = np.concatenate([[1.0], self.known_mean]) / scale - self.weight @ x
        weights: Array = self.weight + off @ solve
        return weights

    @cached_property
    def _leverage(self) -> Array:
        x, _, solve = self._fit
        return np.asarray(np.minimum((x * solve.T).sum(axis=1), 1.0 - 1e-9))

    def by_unit(self, each: Array) -> Array:
        """Return the estimated mean of `each`, (n,), over the members of every unit, (u,)."""
        means: Array = np.asarray(np.bincount(self.unit, each * self._share_of_unit, self.weight.size), dtype=np.float64)
        return means

    def _deviation(self, each: Array) -> Array:
        """Return how far members are off the mean of those drawn from their unit, (n,); 0 for those that were sure."""
        means = np.bincount(self.unit, each * self._among_drawn, self.weight.size)
        return np.where(self._is_drawn, each - means[self.unit], 0.0)

    @cached_property
    def _lines(self) -> tuple[Array, Array]:
        """What is known of members as `_deviation`s, (n, k), and what gives the slopes on it when applied to scores, (k, n).

        Members weigh as they do in the mean, so that the slopes are the population's.
        """
        known = np.zeros((self.unit.size, 0)) if self.member_known is None else self.member_known
        x = np.stack([self._deviation(column) for column in known.T], axis=1) if known.size else known
        scale = np.maximum(np.abs(x).max(axis=0, initial=0.0), 1e-300)
        scaled = x / scale
        weighted = (self.share_of_population[:, None] * scaled).T
        total = weighted @ scaled
        solve: Array = np.linalg.pinv(total, rcond=1e-9, hermitian=True) @ weighted / scale[:, None]
        return x, solve

    @cached_property
    def _off(self) -> Array:
        """How far the sampled members are off the mean of their unit in what is known of them, (u, k)."""
        if self.member_known is None or self.member_mean is None:
            return np.zeros((self.weight.size, 0))
        off: Array = np.stack([self.by_unit(column) for column in self.member_known.T], axis=1) - self.member_mean
        return off

    def _slopes(self, each: Array) -> Array:
        """Return the slopes of `each` on what is known of members, within units, (k,)."""
        slopes: Array = self._lines[1] @ each
        return slopes

    def _units(self, each: Array) -> Array:
        """Return the mean of `each` in every unit, corrected for which of its members happen to be in the sample."""
        means = self.by_unit(each)
        if self.member_known is not None:
            means = means - self._off @ self._slopes(each)
        return means

    def mean(self, each: Array) -> float:
        """Estimate the population's mean of what was seen of the sampled members: `each`, (n,)."""
        return float(self.calibrated @ self._units(each))

    def spread(self, each: Array) -> Moments:
        """Return the mean square of what is left of the sampled units' means, with its degrees of freedom."""
        own, per_square = self._between(self._residual(self._units(each - each[0])))
        return Moments(own.variance / per_square, own.df) if per_square > 0.0 else Moments(0.0, 0.0)

    def error(self, each: Array, before: Moments | None = None) -> Moments:
        """Return the moments of `mean(each)` less the population's mean, in squared and cubed score units.

        Residuals are enlarged by their leverage, as those of a fit that they took part in are too small. Between neighbouring
        blocks their successive differences are taken, about the mean of these, so that a trend that is left in them doesn't
        pass for noise. Where there is nothing to tell the variance from, such as one unit of several, it is zero with zero
        degrees of freedom. `before` is what `remember_spread` has of the `spread` in epochs before that were sampled alike.
        """
        if self.is_whole:
            return Moments(0.0)
        each = each - each[0]  # equal scores then have no spread at all
        residual = self._residual(self._units(each))
        between, per_square = self._between(residual)
        within = self._within(each)
        if between.df == 0.0:
            return Moments(0.0, 0.0)
        if before is not None and per_square > 0.0:
            square, df, _ = pool_spread(Moments(between.variance / per_square, between.df), before)
            between = Moments(square * per_square, df)
        total = add_moments((between, within))
        if total.variance == 0.0:
            return Moments(0.0, within.df if between.df is None else between.df)
        return total._replace(third=self._third(each, residual, total.variance))

    @property
    def share_of_population(self) -> Array:
        """Share of the population's members that every sampled one stands for, (n,)."""
        shares: Array = self.weight[self.unit] * self._share_of_unit
        return shares

    def unexplained(self, each: Array) -> Array:
        """Return what of `each`, (n,), neither its unit's mean nor what is known of members explains, but for a constant."""
        own = each if self.member_known is None else each - self.member_known @ self._slopes(each)
        left: Array = own - self.by_unit(own)[self.unit]
        return left

    def shocks(self, each: Array) -> tuple[Array, Array]:
        """Return what each unit and each member adds to the error of `mean(each)`, (u,) and (n,), linear in `each`.

        Errors of several means can be put together by them. Their squares sum to the variance, but for what neighbouring blocks
        have in common.
        """
        return self._pull(self._seen) * self._residual(self._units(each)), self._member_shocks(self._own(each))

    def _pull(self, seen: Array) -> Array:
        """Return what each unit's residual adds to the error of the mean, (u,), if `seen` of what it stands for was sampled.

        That of the unit itself, whose calibrated weight isn't the share that it is of the population, and that of its like that
        were not sampled: squared, w^2 (1 - f) in all where nothing known was off.
        """
        share = seen * self.weight
        unseen = np.maximum(1.0 - seen, 0.0)
        pull: Array = np.sqrt(((self.calibrated - share) ** 2 + unseen * share * self.weight) / (1.0 - self._leverage))
        return pull

    def _between(self, residual: Array) -> tuple[Moments, float]:
        """Return what the units that were not sampled add, and what of that there is for a mean square of 1."""
        u = self.weight.size
        free = u - float(self._leverage.sum())
        if (self._seen >= 1.0).all():
            return Moments(0.0), 0.0
        if free < 0.5:
            return Moments(0.0, 0.0), 0.0
        share = self._pull(self._seen) ** 2
        if self.is_blocked and u > 2:
            return _between_neighbours(residual, (share[1:] + share[:-1]) / 4.0, free / (u - 1.0))
        level = share * (1.0 - self._leverage)  # as residuals are smaller by just that
        df = float(level.sum() ** 2 / (level @ level)) * free / u
        return Moments(float(share @ residual**2), df), float(level.sum())

    @property
    def _seen(self) -> Array:
        """Share of what each unit stands for of which the spread of units has nothing to say, (u,).

        With one member each nothing tells them from their unit, and all of their spread is counted there.
        """
        return self.fraction if self._free_within > 0.0 else self.fraction * self._depth

    @property
    def _free_within(self) -> float:
        """Degrees of freedom of the deviations of members that were drawn at random."""
        lines = 0 if self.member_known is None else self.member_known.shape[1]
        return float(self._n_drawn.sum() - (self._n_drawn > 0.0).sum() - lines)

    def _within(self, each: Array) -> Moments:
        """Return what the members that were not sampled add, of units that were; `_between` holds the rest of it."""
        shocks = self._member_shocks(self._own(each))
        return Moments(float(shocks @ shocks), self._free_within) if shocks.any() else Moments(0.0)

    def _own(self, each: Array) -> Array:
        """Return what neither its unit nor what is known of members explains of those that were drawn, (n,)."""
        own = self._deviation(each)
        return own if self.member_known is None else own - self._lines[0] @ self._slopes(each)

    def _member_shocks(self, own: Array) -> Array:
        """Return what each member adds to the error of the mean, (n,), from what is its own.

        Members that have chances of their own count as drawn one by one, which makes the variance no smaller than it is where
        they were drawn in order of what is known of them. They are enlarged for the mean that was taken off them, which takes
        least of those with a spread as large as their chance.
        """
        unseen = self.fraction[self.unit] * (1.0 - self._chance)
        if self._free_within <= 0.0 or not unseen.any():
            return np.zeros(own.size)
        x, solve = self._lines
        n = np.maximum(self._n_drawn, 1.0)
        drawn_from = np.bincount(self.unit, self._share_of_unit * self._is_drawn, n.size)
        share = (self.weight * drawn_from / n) ** 2 * np.bincount(self.unit, unseen, n.size)  # of theirs in the mean's variance
        left = 1.0 - 2.0 / n + np.bincount(self.unit, self._among_drawn**2, n.size)  # of it in deviations from a unit's mean
        known = float(share @ left)
        larger = float(share.sum()) / known if known > 0.0 else 0.0
        leverage = np.minimum((x * solve.T).sum(axis=1), 0.5)
        shocks: Array = np.sqrt(larger * unseen) * self.share_of_population * own / (1.0 - leverage)
        return shocks

    def _third(self, each: Array, residual: Array, variance: float) -> float:
        """Return the third moment from the members' deviations, or from the units' where those mislead.

        Members are many and tell it far better than units; but where what isn't known of members is taken out of units, by
        regression or as a difference, the members' spread still holds it, and would give far more than the error's `variance`.
        Then the units tell, and where they are few, the error is taken to be as skewed as the members' mean.
        """
        residual = self._local(residual)
        shock = self.share_of_population * (self.unexplained(each) + residual[self.unit])
        chance = self.fraction.mean() * self._chance
        u, unseen = self.weight.size, 1.0 - chance
        spread = float(unseen @ shock**2)
        is_told = self.member_known is not None or self.known_mean.size == 0
        if is_told and spread < 2.0 * variance:
            return float((unseen * np.maximum(1.0 - 2.0 * chance, 0.0)) @ (shock * shock * shock))
        if u >= ENOUGH_UNITS:
            cubes = _sum_of_cubes(self.weight * residual) * u**2 / ((u - 1.0) * (u - 2.0))
        else:
            cubes = _sum_of_cubes(shock * math.sqrt(variance / spread)) if spread > 0.0 else 0.0
        return (1.0 - self.share) * max(1.0 - 2.0 * self.share, 0.0) * cubes

    def _local(self, residual: Array) -> Array:
        """Return residuals of which neighbouring blocks have nothing in common, and their third moment is what it was."""
        if not self.is_blocked or residual.size < 3:
            return residual
        padded = np.concatenate([residual[2:3], residual, residual[-3:-2]])
        neighbours = (padded[:-2] + padded[2:]) / 2.0
        local: Array = (4.0 / 3.0) ** (1.0 / 3.0) * (residual - neighbours)
        return local

    @property
    def share(self) -> float:
        """Share of the population's members that were sampled."""
        return float(self.taken.sum() / self.size.sum() * self.fraction.mean())

    def noise(self, repeats: Array) -> Moments:
        """Return what random masks leave of the variance of a train-mode mean once `error` is counted; `repeats` is (k, n).

        A dropout mask or a batch's company is drawn anew at each evaluation. The spread of the k evaluations within a unit
        estimates the noise; `error` already holds the share of it that belongs to what was not sampled. With k = 1 the noise
        can't be told: zero, with zero degrees of freedom.
        """
        k, u = repeats.shape[0], self.weight.size
        if k == 1:
            return Moments(0.0, 0.0)
        within = np.stack([self.by_unit(one) for one in repeats]).var(axis=0, ddof=1)
        return Moments(float(self.weight**2 @ within) / k * self.share, float(u * (k - 1)))


def _between_neighbours(residual: Array, share: Array, free: float) -> tuple[Moments, float]:
    """Return what `Design._between` does, for units that are each from a block of its own: from their steps, (u - 1,).

    `share` are the steps' weights, (u - 1,), and `free` the degrees of freedom for each of them, at most 1. The mean step is a
    trend and is taken off, which leaves nearly all that the steps tell, as the first and the last unit alone make it; but where
    hardly more than one step has a weight it would leave nothing.
    """
    steps = np.diff(residual)
    # one step fewer than units, for which the leverage of the constant in `share` makes up
    own = np.append(share, 0.0) + np.append(0.0, share)
    df = float(own.sum() ** 2 / (own @ own + 2.0 * share @ share)) * free
    per_square = 2.0 * float(share.sum())
    ends = np.diff(share, prepend=0.0, append=0.0)
    left = 1.0 - 2.0 * float(ends @ ends) / per_square**2
    if left < LEFT_BY_TREND:
        return Moments(float(share @ steps**2), df), per_square
    steps = steps - 2.0 * float(share @ steps) / per_square
    return Moments(float(share @ steps**2) / left, df * left), per_square


def _sum_of_cubes(x: Array) -> float:
    return float(x @ (x * x))  # np.power takes forty times as long


def draw_design(
    rows: npt.ArrayLike,
    batch: npt.ArrayLike,
    unit: npt.ArrayLike,
    *,
    first: npt.ArrayLike | None = None,
    known: Array | None = None,
    member_known: Array | None = None,
    member_mean: Array | None = None,
    chance: Array | None = None,
) -> Design:
    """Describe a sample of visits.

    Parameters
    ----------
    rows : array of shape (U,)
        Members of every unit of the population.
    batch : array of shape (u,)
        Indices of the sampled units, in order.
    unit : array of shape (n,)
        For every sampled member, the index of its unit within `batch`.
    first : array of shape (u,), optional
        Index of the first unit of the block that each sampled unit was drawn from; None: drawn from all.
    known : array of shape (U, c), optional
        What is known of every unit.
    member_known : array of shape (n,) or (n, k), optional
        As in `Design`.
    member_mean : array of shape (u,) or (u, k), optional
        As in `Design`; by default the first column of `known` of the sampled units.
    chance : array of shape (n,), optional
        As in `Design`.
    """
    n_rows = np.asarray(rows, dtype=np.float64)
    at, of = np.asarray(batch, dtype=np.int64), np.asarray(unit, dtype=np.int64)
    size = n_rows[at]
    if first is None:
        weight, fraction = size / size.sum(), np.full(at.size, at.size / n_rows.size)
    else:
        starts = np.asarray(first, dtype=np.int64)
        weight = np.add.reduceat(n_rows, starts) / n_rows.sum()
        fraction = 1.0 / np.diff(np.append(starts, n_rows.size))
    columns = np.zeros((n_rows.size, 0)) if known is None else np.asarray(known, dtype=np.float64)
    if member_known is not None and member_mean is None:
        member_mean = columns[at, 0]
    return Design(
        weight=weight,
        fraction=fraction,
        size=size,
        unit=of,
        is_blocked=first is not None,
        known=columns[at],
        known_mean=n_rows @ columns / n_rows.sum(),
        member_known=None if member_known is None else member_known.reshape(of.size, -1),
        member_mean=None if member_mean is None else member_mean.reshape(at.size, -1),
        chance=chance,
    )
