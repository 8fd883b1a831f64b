"""What networks can learn by heart: training error on labels that tell nothing, over parameters and examples.

The effective model complexity of a training procedure is the largest number of examples on which its training error is near
zero on average: Nakkiran, Kaplun, Bansal, Yang, Barak and Sutskever, Deep double descent, ICLR 2020, arXiv:1912.02292.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from whygap.answers.cells import Cell, cells_of, means_over
from whygap.records import Estimate, Record
from whygap.trials import Trial

NEARLY_ALL = 0.01
"""Training error at or below which a training set counts as learnt by heart."""

NEAR_CHANCE = 0.01
"""How far from chance the error on unseen examples may be."""


class Learnt(Record, frozen=True):
    """One network on one number of examples: training error and error on unseen examples at the end, over seeds."""

    n_parameters: int
    n: int
    train: Estimate
    unseen: Estimate

    @property
    def ratio(self) -> float:
        """Parameters per example."""
        return self.n_parameters / self.n

    @property
    def is_learnt(self) -> bool:
        """Whether the mean training error is at most `NEARLY_ALL`."""
        return self.train.value <= NEARLY_ALL


class Capacity(Record, frozen=True):
    """What one network, trained so, learns by heart.

    `most` is the largest number of examples up to which every set was learnt, None where not even the smallest was; `too_many`
    the next one that was tried, None where all were learnt.
    """

    n_parameters: int
    variant: str
    epochs: tuple[int, ...]
    learnt: tuple[Learnt, ...]
    most: int | None
    too_many: int | None


class Capacities(Record, frozen=True):
    """All networks; `chance` is the error of a guess, and `unseen` the mean error on unseen examples over all runs."""

    widths: tuple[Capacity, ...]
    chance: float
    unseen: Estimate

    @property
    def is_at_chance(self) -> bool:
        """Whether unseen examples are guessed: the interval holds chance, or lies within a point of it."""
        e = self.unseen
        near = self.chance - NEAR_CHANCE <= e.low and e.high <= self.chance + NEAR_CHANCE
        return e.low <= self.chance <= e.high or near


def is_random(trial: Trial) -> bool:
    """Return whether all labels of a trial were drawn at random."""
    noise = [v for name, v in trial.settings.items() if name.rpartition(".")[2] == "label_noise"]
    return any(not isinstance(v, str) and float(v) >= 1.0 for v in noise) or "random" in str(trial.settings.get("labels", ""))


def capacities(trials: Iterable[Trial], *, level: float = 0.95) -> Capacities | None:
    """Return what each network learnt by heart of random labels, or None where no trial had such and an error to tell it by.

    Chance is taken from the setting "classes" where there is one, or else is the 1 - 1/c with whole c that is nearest to the
    error on unseen examples.

    Parameters
    ----------
    trials : iterable of Trial
        Any; those with random labels that reuse their examples are used.
    level : float
        Of the intervals.
    """
    random = [t for t in trials if is_random(t) and t.curve("error") is not None]
    cells = cells_of(random, score="error").of("once", "pool")
    if not cells:
        return None
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.variant, cell.n_parameters), []).append(cell)
    # networks of one seed are scored on the same unseen examples, with the same labels, and count as one
    scored = [t for c in cells for t in c.trials]
    every = np.concatenate([c.curves(c.unseen, "error")[:, -1:] for c in cells])
    own = np.concatenate([c.curves(f"{c.unseen}_se", "error")[:, -1:] for c in cells])
    unseen = means_over(every, scored, own).estimate(level=level)
    return Capacities(
        widths=tuple(_capacity(name, size, found, level) for (name, size), found in sorted(groups.items())),
        chance=_chance(cells, unseen.value),
        unseen=unseen,
    )


def _chance(cells: Iterable[Cell], error: float) -> float:
    for cell in cells:
        for name, value in cell.trials[0].settings.items():
            if name.rpartition(".")[2] == "classes" and isinstance(value, int) and value > 1:
                return 1.0 - 1.0 / value
    return 1.0 - 1.0 / max(2, round(1.0 / max(1.0 - error, 1e-3)))


def _capacity(variant: str, n_parameters: int, cells: Iterable[Cell], level: float) -> Capacity:
    ordered = sorted(cells, key=lambda c: c.n)
    learnt = tuple(
        Learnt(
            n_parameters=n_parameters,
            n=c.n,
            train=c.over_seeds(c.curves("train", "error")).estimate(level=level),
            unseen=c.over_seeds(c.curves(c.unseen, "error"), c.curves(f"{c.unseen}_se", "error")).estimate(level=level),
        )
        for c in ordered
    )
    failed = next((k for k, one in enumerate(learnt) if not one.is_learnt), len(learnt))
    return Capacity(
        n_parameters=n_parameters,
        variant=variant,
        epochs=tuple(c.epochs for c in ordered),
        learnt=learnt,
        most=learnt[failed - 1].n if failed else None,
        too_many=learnt[failed].n if failed < len(learnt) else None,
    )
