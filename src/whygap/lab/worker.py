"""What one process does: compile the program of a plan, once, and train some runs with it."""

from __future__ import annotations

import functools
import hashlib
import io
import signal
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from whygap.lab.cache import import_jax, keep_programs
from whygap.lab.curves import Curves
from whygap.lab.plan import Plan, Seeds
from whygap.lab.program import build_training
from whygap.lab.sets import Examples, Sets, draw_sets
from whygap.process.base import MadeProcess

PROGRAMS = 64
"""Compiled programs that a process holds on to."""


class Trained(NamedTuple):
    """The curves of some runs, in the order of their seeds, and the seconds that they took once compiled."""

    curves: list[Curves]
    seconds: float


def leave_interrupts() -> None:
    """Ignore Ctrl-C, which a terminal sends to every process of a command: the one that waits for the workers ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def train_together(pickled: bytes, seeds: Sequence[Seeds]) -> Trained:
    """Train runs of one pickled plan in one call of one program; their number is part of the program's shape."""
    plan = plan_of(pickled)
    arguments = _arguments(plan, seeds)
    program = _program(pickled, len(seeds))
    began = time.perf_counter()
    found = import_jax().device_get(program(*arguments))
    seconds = time.perf_counter() - began
    of_each = [{name: scores[run] for name, scores in found.items()} for run in range(len(seeds))]
    return Trained([_curves(plan, one, seconds / len(seeds)) for one in of_each], seconds)


def pickle_plan(plan: Plan) -> bytes:
    """Return a plan as bytes: its functions by value, where they stand in no module that another process could import.

    Two plans with the same bytes have the same program, which is what programs are told apart by: an optimiser made anew for
    every plan is another object each time, and the same bytes.
    """
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle ships no types
        def reducer_override(self, obj: object) -> object:
            # it names the module that it stands in; in a script or a notebook other processes have no such module
            if isinstance(obj, MadeProcess):
                return MadeProcess, (obj.function, obj.n_classes, obj.known)
            return super().reducer_override(obj)

    with io.BytesIO() as file:
        Pickler(file).dump(plan)
        return file.getvalue()


@functools.lru_cache(maxsize=PROGRAMS)
def plan_of(pickled: bytes) -> Plan:
    """Return the plan that was pickled."""
    import cloudpickle

    found: Plan = cloudpickle.loads(pickled)
    return found


def name_of(pickled: bytes) -> str:
    """Return a short name for a plan, the same in every process."""
    return hashlib.blake2b(pickled, digest_size=12).hexdigest()


@functools.lru_cache(maxsize=PROGRAMS)
def _program(pickled: bytes, together: int) -> Any:
    """Return the compiled program for so many runs. One run is not a batch of one: that would cost it a tenth of its speed."""
    jax = import_jax()
    import jax.numpy as jnp

    keep_programs()
    plan = plan_of(pickled)
    train = build_training(plan)

    def one(train_seeds: Any, init_seeds: Any, sets: Sets) -> Any:
        found = train(train_seeds[0], init_seeds[0], jax.tree.map(lambda leaf: leaf[0], sets))
        return jax.tree.map(lambda leaf: leaf[None], found)

    seed = jax.ShapeDtypeStruct((together,), jnp.uint32)
    sets = jax.tree.map(lambda a: jax.ShapeDtypeStruct((together, *a.shape), a.dtype), draw_sets(plan, Seeds()))
    # one core for each run: a step is too short to be shared, and threads that wait for one another take more than they give
    options = {"xla_cpu_multi_thread_eigen": False} if jax.default_backend() == "cpu" else None
    return jax.jit(jax.vmap(train) if together > 1 else one).lower(seed, seed, sets).compile(compiler_options=options)


def _arguments(plan: Plan, seeds: Sequence[Seeds]) -> tuple[Any, Any, Sets]:
    drawn = [draw_sets(plan, one) for one in seeds]
    sets = Sets(*(_stacked(part) for part in zip(*drawn, strict=True)))
    return np.array([s.train for s in seeds], np.uint32), np.array([s.init for s in seeds], np.uint32), sets


def _stacked(parts: Sequence[Examples]) -> Examples:
    return np.stack([x for x, _ in parts]), np.stack([y for _, y in parts])


def _curves(plan: Plan, found: dict[str, Any], seconds: float) -> Curves:
    return Curves(
        epoch=np.arange(1, plan.looks + 1) * plan.every,
        scores=plan.criterion.scores,
        reported=found["reported"],
        train=found["train"],
        valid=found["valid"],
        fresh=found.get("fresh"),
        n=plan.n,
        n_valid=plan.n_valid,
        n_fresh=plan.n_fresh,
        seconds=seconds,
    )
