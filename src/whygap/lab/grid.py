"""A grid of runs, trained and stored one by one: what is stored is never trained again, so that a killed grid just goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Literal, NamedTuple

import numpy as np

from whygap.lab.curves import Array, Curves
from whygap.lab.engine import train_all
from whygap.lab.models import n_parameters
from whygap.lab.plan import Plan
from whygap.lab.spec import Planned, Spec
from whygap.store import Store
from whygap.trials import Curve, Experiment, Trial

EVERY_STEP = 3000.0
"""Parameters whose share of a step takes as long as what every step takes: gathering the batch, the loss, the optimiser."""

FRESH = 7.0
"""How much longer the latter takes where the examples are drawn anew."""


class Progress(NamedTuple):
    """How far a grid has come: runs stored before, runs finished by now, all runs, and the share of the work that is done."""

    kept: int
    finished: int
    wanted: int
    share: float


def run_grid(
    spec: Spec,
    store: Store,
    *,
    on: Literal["local", "ray"] = "local",
    workers: int | None = None,
    watch: Callable[[Progress], None] | None = None,
) -> Experiment:
    """Train what isn't stored yet of a grid, store each run as it is finished, and return the experiment.

    A run is known by its key: settings and seeds. One that was trained for another experiment is taken from there. A run taken
    up again after a kill starts anew, and equals the one that was lost: to the last bit on the same machine where runs are
    trained one by one, to rounding where the engine trains several together.

    Parameters
    ----------
    spec : Spec
        The grid.
    store : Store
        Where finished runs are, and go.
    on : "local" or "ray"
        Processes of this machine, or a Ray cluster.
    workers
        As in `train_all`.
    watch : callable, optional
        Called with a `Progress` before the first run and after each.

    Raises
    ------
    InputError
        If a cell of the grid can't be trained.
    MissingPackageError
        If JAX or optax, or Ray where it is asked for, isn't installed.
    StoreError
        If the store can't be written.
    WhygapError
        As `train_all`.
    """
    runs = spec.jobs()
    experiment = begin_experiment(spec, runs, store)
    have = store.take_up(experiment, [run.key for run in runs])
    sizes = {id(run.job.plan): n_parameters(run.job.plan.model) for run in runs}
    work = {run.key: work_of(run.job.plan, sizes[id(run.job.plan)]) for run in runs}
    left = sorted((run for run in runs if run.key not in have), key=lambda run: -work[run.key])  # no long one at the end
    total, done = sum(work.values()), sum(work[key] for key in have)
    elsewhere = {} if on == "local" else {"on": on}

    def tell(finished: int) -> None:
        if watch is not None:
            watch(Progress(len(have), finished, len(runs), done / total))

    tell(len(have))
    trained = train_all([run.job for run in left], workers=workers, **elsewhere)  # type: ignore[arg-type]
    for finished, (place, curves) in enumerate(trained, start=len(have) + 1):
        run = left[place]
        store.add_trial(experiment, as_trial(run, curves, sizes[id(run.job.plan)]))
        done += work[run.key]
        tell(finished)
    return store.experiment(experiment)


def begin_experiment(spec: Spec, runs: Sequence[Planned], store: Store) -> str:
    """Store the experiment of a spec, unless it is there already, and return its id.

    Raises
    ------
    StoreError
        If the store can't be written.
    """
    experiment = Experiment(
        id=spec.id_of(runs),
        title=spec.title,
        spec=spec.text,
        wanted=len(runs),
        asks=spec.asks,
        mark=dict(spec.mark),
        claim=spec.claim,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={name: version(name) for name in ("whygap", "jax", "optax", "numpy")},
    )
    store.begin_experiment(experiment)
    return experiment.id


def as_trial(run: Planned, curves: Curves, size: int) -> Trial:
    """Return what is stored of a run: its curves to the last bit, and the standard errors of their means over the examples."""
    seeds = {"train": run.job.seeds.train, "valid": run.job.seeds.valid, "init": run.job.seeds.init}
    return Trial(
        key=run.key,
        settings=run.settings,
        seeds=seeds,
        n_parameters=size,
        epoch=tuple(curves.epoch.tolist()),
        curves=tuple(_curve(curves, s) for s in range(len(curves.scores))),
        seconds=curves.seconds,
    )


def _curve(curves: Curves, s: int) -> Curve:
    fresh = None if curves.fresh is None else curves.fresh[:, :, 0, s]
    valid = curves.valid[:, :, :, s]
    return Curve(
        score=curves.scores[s],
        reported=_floats(curves.reported[:, s]),
        train=_floats(curves.train[:, s]),
        valid=_floats(valid[:, 0, 0]),
        valid_se=_errors(valid[:, 1, 0], curves.n_valid),
        fresh=() if fresh is None else _floats(fresh[:, 0]),
        fresh_se=() if fresh is None else _errors(fresh[:, 1], curves.n_fresh),
        valid_sets=tuple(_floats(valid[:, 0, v]) for v in range(valid.shape[2])) if valid.shape[2] > 1 else (),
    )


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(values.astype(np.float64).tolist())


def _errors(variances: Array, n: int) -> tuple[float, ...]:
    return _floats(np.sqrt(variances.astype(np.float64) / n))


def work_of(plan: Plan, size: int) -> float:
    """Return how long a run takes, in a unit of its own: what a bar shows the share of, and the time left is told from."""
    return plan.steps * (EVERY_STEP * (FRESH if plan.is_stream else 1.0) + size)
