"""Calls of a function on Ray: a cluster of this machine's cores by default, or the one that RAY_ADDRESS names.

Every call is a task that takes one core and may run anywhere. Only a few wait at a time, so that a grid of a million runs is as
light for the cluster as one of ten, and what is finished is handed over at once. What a killed worker had in hand is called
anew, on any other.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from whygap.errors import MissingPackageError, WhygapError

STORE_BYTES = 200_000_000
"""Memory for results that wait to be read; Ray would set a third of the machine's aside."""

IN_HAND = 2
"""Calls for each core of the cluster that are with Ray at a time: one that runs, and one that waits for it to end."""


def call_on_ray(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    *,
    cores: int,
    workers: int | None = None,
    environment: Mapping[str, str],
    lives: int,
) -> Iterator[tuple[int, Any]]:
    """Call a function with each of the arguments and yield the place of each call and its result, as they are finished.

    Parameters
    ----------
    function : callable
        Of a module that the workers can import.
    calls : sequence of tuple
        The arguments of each call.
    cores : int
        Of this machine, for a cluster started here.
    workers : int, optional
        Calls that may run at once; by default as many as the cluster has cores, also where their number changes.
    environment : mapping
        Variables of the workers' environment.
    lives : int
        Times that workers may be killed with one call in hand before that is taken for a fault of the call.

    Raises
    ------
    MissingPackageError
        If Ray isn't installed.
    WhygapError
        If the cluster can't be reached, or workers are killed over one call again and again.
    """
    ray = _import_ray()
    with _cluster(ray, workers or cores):
        task = ray.remote(function).options(num_cpus=1, max_retries=0, runtime_env={"env_vars": dict(environment)})
        yield from _as_finished(ray, task, calls, workers, lives)


def _as_finished(
    ray: Any, task: Any, calls: Sequence[tuple[Any, ...]], workers: int | None, lives: int
) -> Iterator[tuple[int, Any]]:
    waiting, killed = deque(range(len(calls))), Counter[int]()
    running: dict[Any, int] = {}
    try:
        while waiting or running:
            most = workers or IN_HAND * int(ray.cluster_resources().get("CPU", 1))
            while waiting and len(running) < most:
                place = waiting.popleft()
                running[task.remote(*calls[place])] = place
            for done in ray.wait(list(running), num_returns=1)[0]:
                place = running.pop(done)
                try:
                    found = ray.get(done)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from error
                except _lost(ray) as error:
                    killed[place] += 1
                    if killed[place] == lives:
                        raise WhygapError(f"Ray's workers were killed {lives} times over one call: {_first(error)}") from error
                    waiting.appendleft(place)
                else:
                    yield place, found
    finally:
        for one in running:  # whoever stops reading wants no more of them
            ray.cancel(one)


def _lost(ray: Any) -> tuple[type[Exception], ...]:
    """Return the errors that say that a worker, its memory or its machine went away, and nothing of what was called."""
    e = ray.exceptions
    return e.WorkerCrashedError, e.OutOfMemoryError, e.NodeDiedError, e.ObjectLostError


def _first(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]


@contextmanager
def _cluster(ray: Any, cores: int) -> Iterator[None]:
    """Be connected to a cluster: the caller's, RAY_ADDRESS's, or one of our own that ends with this."""
    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS")
    try:
        with warnings.catch_warnings():
            # JAX warns of any fork; between it and the start of Ray's own programs nothing of JAX is touched
            warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
            if address:
                ray.init(address, **quiet)
            else:
                os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
                ray.init("local", num_cpus=cores, include_dashboard=False, object_store_memory=STORE_BYTES, **quiet)
    except (ConnectionError, OSError, ValueError, RuntimeError) as error:
        raise WhygapError(f"no Ray cluster at {address or 'this machine'}: {_why(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _why(error: BaseException) -> str:
    """Return why there is no connection; that a token is missing Ray says far down in a cause."""
    cause: BaseException | None = error
    while cause is not None:
        if "AuthenticationError" in f"{type(cause).__name__}: {cause}":
            return (
                "it asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN where ~/.ray/auth_token isn't the cluster's"
            )
        cause = cause.__cause__ or cause.__context__
    return _first(error)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingPackageError(f"many machines need {error.name}: pip install 'whygap[lab,ray]'") from error
    return ray
