"""Trains runs of many plans on all cores: a worker process for each, with one thread and one program at a time.

Measured on two cores (40-8-8-10, batches of 100, Adam): one process with two threads in it 65,000 to 85,000 steps a second, two
processes of one thread each 140,000. XLA hands the pieces of a step from thread to thread, and at this size that takes longer
than the pieces. On an accelerator the runs are trained in this process, as many together as are fastest. On Ray a core of the
cluster takes the place of a process.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from whygap.errors import InputError, WhygapError
from whygap.lab.cache import import_jax
from whygap.lab.curves import Curves
from whygap.lab.on_ray import call_on_ray
from whygap.lab.plan import Plan, Seeds
from whygap.lab.together import choose_together
from whygap.lab.worker import Trained, leave_interrupts, pickle_plan, train_together

ONE_THREAD = {"NPROC": "1", "PJRT_NPROC": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
"""The environment of a worker. NPROC is how XLA is told the size of its pools; no flag does that."""


IDLE = 600
"""Seconds that a worker without work waits for more, with its programs at hand."""

LIVES = 5
"""Times that workers may be killed before that is taken for a fault of what they train."""


Where = Literal["local", "ray"]
"""Processes of this machine, or the cores of a Ray cluster."""


class Job(NamedTuple):
    """One run: a plan and its seeds."""

    plan: Plan
    seeds: Seeds


def train(
    plan: Plan,
    seeds: Iterable[Seeds | int],
    *,
    on: Where = "local",
    workers: int | None = None,
    together: int | Literal["auto"] = "auto",
) -> list[Curves]:
    """Train runs of one plan and return their curves in the order of the seeds.

    Parameters
    ----------
    plan : Plan
        What is trained.
    seeds : iterable of Seeds or int
        One for each run; an integer is all three seeds.
    on, workers, together
        As in `train_all`.

    Raises
    ------
    InputError
        As `train_all`.
    MissingPackageError
        As `train_all`.
    """
    jobs = [Job(plan, one if isinstance(one, Seeds) else Seeds.all(one)) for one in seeds]
    found = dict(train_all(jobs, on=on, workers=workers, together=together))
    return [found[place] for place in range(len(jobs))]


def train_all(
    jobs: Sequence[Job],
    *,
    on: Where = "local",
    workers: int | None = None,
    together: int | Literal["auto"] = "auto",
) -> Iterator[tuple[int, Curves]]:
    """Train runs of any plans and yield each run's place among the jobs and its curves, as they are finished.

    Parameters
    ----------
    jobs : sequence of Job
        The runs. Those of equal plans share a compiled program, which is kept on disk.
    on : "local" or "ray"
        Whether processes of this machine train, or the cores of a Ray cluster: the one that the caller is connected to, or that
        RAY_ADDRESS names, or else one of this machine that is started and ended with the call. Curves are the same to the last
        bit on machines of one kind.
    workers : int, optional
        Processes, or runs on the cluster at a time; by default as many as there are cores to run on. With 1, or on an
        accelerator, local runs are trained here.
    together : int or "auto"
        How many runs of a plan one call trains, by `jax.vmap`. "auto" measures which number is fastest where there is enough
        to train for it to pay. Curves of runs trained together differ from those of runs trained alone by rounding.

    Raises
    ------
    InputError
        If `workers` or `together` isn't positive, or `on` is another place.
    MissingPackageError
        If JAX or optax isn't installed, or Ray where it is asked for.
    WhygapError
        If worker processes are killed again and again, or the cluster can't be reached.
    """
    if on not in ("local", "ray"):
        raise InputError(f"runs can be trained on 'local' or on 'ray', not on {on!r}")
    if (workers is not None and workers < 1) or (together != "auto" and together < 1):
        raise InputError(f"workers and together must be at least 1, not {workers} and {together}")
    jax = import_jax()
    groups = _in_groups(jobs, together)
    n_workers = min(workers or _cores(), len(groups))
    if on == "ray" and groups:
        done = _on_ray(groups, workers)
    elif n_workers <= 1 or jax.default_backend() != "cpu":
        done = _here(groups)
    else:
        done = _in_processes(groups, n_workers)
    for group, trained in done:
        yield from zip(group.places, trained.curves, strict=True)


class _Group(NamedTuple):
    """Runs that one call trains: their places among the jobs."""

    pickled: bytes
    places: tuple[int, ...]
    seeds: tuple[Seeds, ...]


def _in_groups(jobs: Sequence[Job], together: int | Literal["auto"]) -> list[_Group]:
    """Return what is trained in one call each: first one of every program, so that no two workers compile the same at once."""
    by_plan: dict[bytes, list[int]] = {}
    pickled_of: dict[int, bytes] = {}  # a plan used for many runs is one object, and is pickled once
    for place, job in enumerate(jobs):
        pickled = pickled_of.setdefault(id(job.plan), b"") or pickle_plan(job.plan)
        pickled_of[id(job.plan)] = pickled
        by_plan.setdefault(pickled, []).append(place)
    ranked: list[tuple[int, _Group]] = []
    for pickled, places in by_plan.items():
        size = choose_together(pickled, len(places)) if together == "auto" else together
        for k in range(0, len(places), size):
            some = tuple(places[k : k + size])
            ranked.append((k, _Group(pickled, some, tuple(jobs[place].seeds for place in some))))
    return [group for _, group in sorted(ranked, key=lambda pair: pair[0])]


def _cores() -> int:
    """Return how many cores this process may use, by affinity and by the limits of its container."""
    import loky

    return int(loky.cpu_count())


def _here(groups: Sequence[_Group]) -> Iterator[tuple[_Group, Trained]]:
    for group in groups:
        yield group, train_together(group.pickled, group.seeds)


def _in_processes(groups: Sequence[_Group], workers: int) -> Iterator[tuple[_Group, Trained]]:
    """Train groups in worker processes. What a killed worker had in hand is trained anew by others."""
    from concurrent.futures.process import BrokenProcessPool

    left, lives = dict.fromkeys(groups), LIVES
    while left:
        try:
            for group, trained in _in_pool(list(left), workers):
                del left[group]
                yield group, trained
        except BrokenProcessPool as error:
            lives -= 1
            if not lives:
                raise WhygapError(f"worker processes were killed {LIVES} times; is there too little memory? {error}") from error


def _in_pool(groups: Sequence[_Group], workers: int) -> Iterator[tuple[_Group, Trained]]:
    from concurrent.futures import as_completed

    import loky

    # a worker that has compiled many programs is larger than it was, and is replaced: they are read from disk again
    warnings.filterwarnings("ignore", message="A worker was restarted while some jobs were given", category=UserWarning)
    # loky's workers don't run the caller's script anew, as those of multiprocessing do; they stay for the next call
    pool = loky.get_reusable_executor(
        max_workers=workers, timeout=IDLE, env=ONE_THREAD, initializer=leave_interrupts, reuse="auto"
    )
    futures = {pool.submit(train_together, group.pickled, group.seeds): group for group in groups}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    except KeyboardInterrupt:  # end the workers with what they have in hand: a person waits for the prompt
        pool.shutdown(wait=True, kill_workers=True)
        raise
    finally:
        for future in futures:  # whoever stops reading wants no more of them trained
            future.cancel()


def _on_ray(groups: Sequence[_Group], workers: int | None) -> Iterator[tuple[_Group, Trained]]:
    calls = [(group.pickled, group.seeds) for group in groups]
    environment = ONE_THREAD | {name: os.environ[name] for name in ("WHYGAP_CACHE",) if name in os.environ}
    for place, trained in call_on_ray(
        train_together, calls, cores=_cores(), workers=workers, environment=environment, lives=LIVES
    ):
        yield groups[place], trained
