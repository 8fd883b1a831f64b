"""Trials in cells: what was set alike, over seeds; and how far a number of theirs would move with other seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from whygap.estimate import Moments, estimate_from, reach
from whygap.records import Estimate, Score
from whygap.trials import Curve, Setting, Trial

Array = npt.NDArray[np.float64]

AXES = ("n", "regime", "pool", "epochs", "steps", "every")
ONE_SEED = "one seed: the interval leaves out what another training set and other initial weights would do"
ONE_SET = "all seeds share one training set: the interval leaves out what another would do"


@dataclass(frozen=True, eq=False)
class Cell:
    """Trials that differ in their seeds alone.

    Attributes
    ----------
    n_parameters, n : int
        Of the model, and distinct examples of an epoch: of a pool, its size.
    regime : str
        "once", "fresh" or "pool".
    variant : str
        What else is set otherwise than in other cells, such as "learning_rate 0.01", or empty.
    epochs : int
        Of the last look.
    trials : tuple of Trial
        Those whose scores are all finite.
    """

    n_parameters: int
    n: int
    regime: str
    variant: str
    epochs: int
    trials: tuple[Trial, ...]

    @property
    def ratio(self) -> float:
        """Parameters per example."""
        return self.n_parameters / self.n

    @cached_property
    def epoch(self) -> npt.NDArray[np.int64]:
        """The looks (r,) that all trials have."""
        common = set(self.trials[0].epoch).intersection(*(t.epoch for t in self.trials))
        return np.array(sorted(common), dtype=np.int64)

    @property
    def unseen(self) -> str:
        """Which scores stand for unseen examples: "fresh", or "valid" where a trial has no fresh ones."""
        return "fresh" if all(t.curves[0].fresh for t in self.trials) else "valid"

    def curves(self, what: str, score: str | None = None) -> Array:
        """Return the curves (s, r) of trials by their place in `Curve`: "train", "valid", "fresh_se", ..."""
        found = []
        for trial in self.trials:
            curve = trial.curve(score)
            assert curve is not None  # whoever asks for a score has looked whether all trials have it
            values = np.asarray(getattr(curve, what), dtype=np.float64)
            found.append(values[np.searchsorted(trial.epoch, self.epoch)])
        return np.stack(found)

    def over_seeds(self, values: Array, own: Array | None = None, *, shared: bool = False) -> Means:
        """Return the means over seeds of values (s, r) with their errors; see `means_over`."""
        return means_over(values, self.trials, own, shared=shared)

    @property
    def shares_unseen(self) -> bool:
        """Whether all trials are scored on the very same unseen examples, so that these are drawn but once."""
        return self.unseen == "valid" and len({t.seeds.get("valid", k) for k, t in enumerate(self.trials)}) == 1


class Means(NamedTuple):
    """Means over seeds at r looks, with the standard errors behind their intervals, the degrees of freedom, and a doubt."""

    value: Array
    se: Array
    df: float | None
    n: int
    doubt: str

    def estimate(self, look: int = -1, *, level: float = 0.95) -> Estimate:
        """Return the mean at one look with its interval."""
        moments = Moments(float(self.se[look]) ** 2, self.df)
        return estimate_from(float(self.value[look]), moments, level=level, n=self.n, not_reliable=self.doubt)

    def bounds(self, level: float) -> tuple[Array, Array]:
        """Return the ends (r,) of the intervals at all looks."""
        below, above = reach(level, self.df)
        return self.value - below * self.se, self.value + above * self.se

    def p_above(self, look: int = -1) -> float:
        """Return the probability of so large a mean at one look if the truth were zero; 1 where there is a doubt."""
        value, se = float(self.value[look]), float(self.se[look])
        if self.doubt:
            return 1.0
        if not se > 0.0:
            return 0.0 if value > 0.0 else 1.0
        return float(stdtr(1e9 if self.df is None else self.df, -value / se))


def means_over(values: Array, trials: Sequence[Trial], own: Array | None = None, *, shared: bool = False) -> Means:
    """Return means over seeds with Student's errors; runs on one training set count as one.

    Parameters
    ----------
    values : array of shape (s, r)
        A number of each trial at each look.
    trials : sequence of Trial
        The s trials; their seeds tell which of them share a training set.
    own : array of shape (s, r), optional
        The standard error that each has for the examples that it was scored on. Few seeds may lie close together by luck: the
        variance is taken to be no smaller than these alone make it.
    shared : bool
        Whether all were scored on the same examples, whose draw the spread over seeds doesn't show. It is then added.
    """
    sets = np.unique([t.seeds.get("train", k) for k, t in enumerate(trials)], return_inverse=True)[1]
    doubt = ""
    if sets.max() == 0 and len(trials) > 1:
        sets, doubt = np.arange(len(trials)), ONE_SET
    k = int(sets.max()) + 1
    weight = (sets == np.arange(k)[:, None]) / np.bincount(sets)[:, None]
    each = weight @ values
    examples = np.zeros(values.shape[1]) if own is None else (own**2).mean(axis=0)
    if k == 1:
        return Means(each[0], np.sqrt(examples), None, 1, ONE_SEED)
    variance = np.maximum(each.var(axis=0, ddof=1), 0.0 if shared else examples) / k
    return Means(each.mean(axis=0), np.sqrt(variance + (examples if shared else 0.0)), k - 1.0, k, doubt)


class Cells(NamedTuple):
    """All cells of some trials, and what must be said of trials that are left out."""

    cells: tuple[Cell, ...]
    notes: tuple[str, ...]

    def of(self, *regimes: str) -> tuple[Cell, ...]:
        """Return the cells of some regimes."""
        return tuple(c for c in self.cells if c.regime in regimes)


def cells_of(trials: Iterable[Trial], *, score: str | None = None) -> Cells:
    """Group trials by all of their settings; those without the score, or with one that isn't finite, are left out and counted.

    Parameters
    ----------
    trials : iterable of Trial
        In any order.
    score : str, optional
        By name; by default the loss.
    """
    every = tuple(trials)
    scored = [t for t in every if t.curves and t.epoch and t.curve(score) is not None]
    kept = [t for t in scored if _is_finite(t.curve(score))]
    notes = []
    if len(scored) < len(every):
        notes.append(f"{len(every) - len(scored)} of {len(every)} runs have no {score or 'loss'}, and are left out.")
    if len(kept) < len(scored):
        notes.append(f"{len(scored) - len(kept)} of {len(every)} runs diverged, and are left out.")
    groups: dict[tuple[object, ...], list[Trial]] = {}
    for trial in kept:
        groups.setdefault((trial.n_parameters, trial.epoch[-1], *sorted(trial.settings.items())), []).append(trial)
    names = _variants([g[0] for g in groups.values()])
    cells = [
        Cell(g[0].n_parameters, _examples(g[0]), regime_of(g[0]), name, g[0].epoch[-1], tuple(g))
        for g, name in zip(groups.values(), names, strict=True)
    ]
    cells = [c for c in cells if c.epoch.size]
    return Cells(tuple(sorted(cells, key=lambda c: (c.variant, c.regime, c.n_parameters, c.n, c.epochs))), tuple(notes))


def regime_of(trial: Trial) -> str:
    """Return "once", "fresh" or "pool"."""
    return str(trial.settings.get("regime", "once"))


def score_of(trials: Sequence[Trial], *names: str) -> Score | None:
    """Return the first score by these names that all trials have, or else the loss; None where there are no trials."""
    having = [t for t in trials if t.curves]
    for name in names:
        if having and all(t.curve(name) is not None for t in having):
            return having[0].curve(name).score  # type: ignore[union-attr]  # the line above has looked
    return having[0].curves[0].score if having else None


def sign_of(score: Score) -> float:
    """Return 1 where a larger score is worse, or else -1."""
    return -1.0 if score.higher_is_better else 1.0


def _examples(trial: Trial) -> int:
    pool = trial.settings.get("pool")
    if regime_of(trial) == "pool" and isinstance(pool, int | float):
        return int(pool)
    return int(trial.settings.get("n", 0)) or 1


def _is_finite(curve: Curve | None) -> bool:
    if curve is None:
        return False
    return bool(np.isfinite([*curve.train, *curve.valid, *curve.fresh, *curve.reported]).all())


def _variants(firsts: Sequence[Trial]) -> list[str]:
    """Name what varies beside the axes; sizes of a model are left out where its number of parameters tells them apart."""
    found: dict[str, set[Setting]] = {}
    for trial in firsts:
        for name, value in trial.settings.items():
            found.setdefault(name, set()).add(value)
    absent = {name for name in found if any(name not in t.settings for t in firsts)}
    varying = [n for n, values in found.items() if (len(values) > 1 or n in absent) and n not in AXES]
    sizes = [n for n in varying if n.startswith("model.") and all(isinstance(v, int | float) for v in found[n])]
    if len({tuple(t.settings.get(n) for n in sizes) for t in firsts}) > len({t.n_parameters for t in firsts}):
        sizes = []
    named = sorted(set(varying) - set(sizes))
    return [", ".join(f"{n.rpartition('.')[2]} {t.settings[n]}" for n in named if n in t.settings) for t in firsts]
