"""How much of a gap is the luck of the draw: of the training set, of the validation set, of the initial weights.

A crossed design: every training set (in the fresh regime, every stream) is trained on from all initial weights, and every
trained network is scored on all validation sets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.estimate import Components, Moments, estimate_from, estimate_redraws, jumps
from whygap.lab.engine import Job, train_all
from whygap.lab.plan import Plan, Seeds
from whygap.process import Fresh, Once
from whygap.records import Estimate

FACTORS = ("training set", "validation set", "initial weights")
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Redraws:
    """The reported gap, valid - train, over redraws.

    Attributes
    ----------
    epoch : array of int, shape (r,)
        The looks.
    gap : array of shape (r, t, v, i)
        By look, training set, validation set and initial weights, in the score's unit.
    """

    epoch: npt.NDArray[np.int64]
    gap: Array

    def components(self, look: int = -1, *, level: float = 0.95) -> Components:
        """Return the variance of the gap at one look, the last by default, split by what was redrawn.

        `rest` is what no factor does alone. The order of the batches is redrawn with the training set, and is part of it.

        Raises
        ------
        InputError
            If `level` is out of its range.
        """
        return estimate_redraws(self.gap[look], FACTORS, level=level)

    def between_epochs(self, *, level: float = 0.95) -> Estimate:
        """Return the variance with which the gap jumps from look to look, in the second half of the run, what drifts left out.

        As `whygap.estimate.jumps`. The interval is Student's over training sets.

        Raises
        ------
        InputError
            If there are fewer than 6 looks.
        """
        each = jumps(self.gap).mean(axis=(1, 2))  # by training set
        t = each.size
        return estimate_from(float(each.mean()), Moments(float(each.var(ddof=1)) / t, t - 1.0), level=level, n=t)


def redraw(
    plan: Plan,
    *,
    trainings: int = 8,
    validations: int = 20,
    weights: int = 5,
    score: str = "loss",
    seed: int = 0,
    workers: int | None = None,
) -> Redraws:
    """Train a plan on `trainings` training sets from `weights` initial weights, and score all on `validations` validation sets.

    Parameters
    ----------
    plan : Plan
        What is trained. Its own numbers of validation sets and of fresh examples don't matter.
    trainings, validations, weights : int
        Levels of each factor, at least 2. Validation sets cost no training.
    score : str
        "loss", or another of the plan's scores.
    seed : int
        Of the first level of each factor.
    workers
        As in `whygap.lab.train_all`.

    Raises
    ------
    InputError
        If a factor has fewer than 2 levels, the score isn't one of the plan's, or the process is finite, so that another
        training set would share examples with the validation sets.
    MissingPackageError
        If JAX or optax isn't installed.
    """
    if min(trainings, validations, weights) < 2:
        raise InputError(f"every factor needs at least 2 levels, not {trainings}, {validations} and {weights}")
    names = [s.name for s in plan.criterion.scores]
    if score not in names:
        raise InputError(f"there is no score {score!r}: these are {', '.join(names)}")
    if plan.process.size is not None:
        raise InputError(f"{type(plan.process).__name__} is finite: its examples can't be redrawn")
    plan = replace(plan, valid_sets=validations, n_fresh=0)
    cells = [(t, i) for t in range(trainings) for i in range(weights)]
    jobs = [Job(plan, Seeds(train=seed + t, valid=seed, init=seed + i)) for t, i in cells]
    gap = np.zeros((plan.looks, trainings, validations, weights))
    s = names.index(score)
    for place, curves in train_all(jobs, workers=workers):
        t, i = cells[place]
        gap[:, t, :, i] = curves.valid[:, 0, :, s] - curves.reported[:, None, s].astype(np.float64)
    return Redraws(np.arange(1, plan.looks + 1) * plan.every, gap)


def redraw_both(plan: Plan, **settings: Any) -> dict[str, Redraws]:
    """Return the redraws of a plan with its training set drawn once, and with new examples in every epoch.

    Parameters
    ----------
    plan : Plan
        Its regime gives the number of examples of an epoch alone.
    **settings
        As in `redraw`.

    Raises
    ------
    InputError
        As `redraw`.
    MissingPackageError
        As `redraw`.
    """
    return {
        name: redraw(replace(plan, regime=regime), **settings)
        for name, regime in (("once", Once(plan.n)), ("fresh", Fresh(plan.n)))
    }


def as_table(found: dict[str, Redraws], *, look: int = -1, level: float = 0.95) -> str:
    """Return a table of standard deviations of the gap by what is redrawn, one column for each regime.

    Raises
    ------
    InputError
        If `level` is out of its range.
    """
    columns = {name: redraws.components(look, level=level) for name, redraws in found.items()}
    rows = [("mean gap", [f"{c.mean:+.4g}" for c in columns.values()])]
    rows += [(f"sd: {factor}", [_deviation(c.of[factor]) for c in columns.values()]) for factor in FACTORS]
    rows.append(("sd: combinations of them", [_deviation(c.rest) for c in columns.values()]))
    rows.append(("sd: everything redrawn", [_deviation(c.total) for c in columns.values()]))
    if min(redraws.epoch.size for redraws in found.values()) >= 6:
        rows.append(("sd: from look to look", [_deviation(r.between_epochs(level=level)) for r in found.values()]))
    epochs = " and ".join(dict.fromkeys(str(r.epoch[look]) for r in found.values()))
    lines = [f"{f'gap after {epochs} epochs':26}" + "".join(f"{name:>32}" for name in found)]
    return "\n".join(lines + [f"{what:26}" + "".join(f"{cell:>32}" for cell in cells) for what, cells in rows])


def _deviation(variance: Estimate) -> str:
    value, low, high = (max(v, 0.0) ** 0.5 for v in (variance.value, variance.low, variance.high))
    return f"{value:.2g} [{low:.2g}, {high:.2g}]"
