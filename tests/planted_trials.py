"""Trials whose truth is planted: every curve is a function of the epoch, plus what seeds and looks add by chance."""

from __future__ import annotations

import numpy as np

from whygap.records import Score
from whygap.trials import Curve, Experiment, Trial


def a_trial(
    seed=0,
    *,
    n_parameters=1000,
    n=1000,
    regime="once",
    epochs=20,
    every=1,
    unseen=lambda e: 1.0 + np.exp(-e / 5),
    gap=lambda e: 0.0 * e,
    jump=0.0,
    spread=0.02,
    se=0.02,
    names=("loss",),
    fresh=True,
    seeds=None,
    settings=None,
    higher_is_better=False,
    trick=0,
):
    """A run whose unseen score is `unseen` and whose training score is better by `gap`.

    A seed moves the memorisation term by `spread` as a whole and each look by `jump`; `trick` is other luck of the same seeds.
    """
    rng = np.random.default_rng([seed, n_parameters, n, regime == "fresh", trick])
    at = np.arange(every, epochs + 1, every)
    sign = -1.0 if higher_is_better else 1.0
    level = unseen(at) + 0.0 * at
    held = level + spread * rng.normal() + jump * rng.normal(size=at.size)
    rows = {
        "reported": tuple(level - sign * gap(at) + sign * 0.1),
        "train": tuple(level - sign * gap(at)),
        "valid": tuple(held),
        "valid_se": (se,) * at.size,
        "fresh": tuple(held) if fresh else (),
        "fresh_se": (se,) * at.size if fresh else (),
    }
    own = {"process": "mnist1d", "n": n, "regime": regime, "epochs": epochs, "batch_size": 100, "model.width": n_parameters}
    own |= settings or {}
    drawn = {"train": seed, "valid": seed, "init": seed} if seeds is None else seeds
    return Trial(
        key=f"{sorted(own.items())}{drawn}{n_parameters}",
        settings=own,
        seeds=drawn,
        n_parameters=n_parameters,
        epoch=tuple(at.tolist()),
        curves=tuple(Curve(score=Score(name=name, higher_is_better=higher_is_better), **rows) for name in names),
    )


def some_trials(seeds=5, **settings):
    """One cell: the same run from several seeds."""
    return tuple(a_trial(seed, **settings) for seed in range(seeds))


def a_grid(gap_of, *, sizes=(100, 1000, 10000), ns=(300, 3000), regimes=("once",), seeds=5, **settings):
    """Cells over parameters and examples; `gap_of(ratio, regime)` is the gap's final size, reached in a straight line."""

    def rising(size):
        return lambda e: size * e / 20.0

    return tuple(
        a_trial(seed, n_parameters=p, n=n, regime=regime, gap=rising(gap_of(p / n, regime)), **settings)
        for p in sizes
        for n in ns
        for regime in regimes
        for seed in range(seeds)
    )


def an_experiment(trials, *, wanted=None, **fields):
    return Experiment(id="x-1", title="A title", spec="n = 1", trials=trials, wanted=wanted or len(trials), **fields)
