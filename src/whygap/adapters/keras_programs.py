"""Compile the probe's forward passes on JAX: as few of them as there are different ones, and on the side where that is safe."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import jax

Names = tuple[str, ...]

QUICKLY: dict[str, bool | str | int] = {"xla_backend_optimization_level": 1}
"""How programs are compiled that score a few batches of an epoch: the usual level takes longer, for programs that hardly run
faster."""

MORE_QUICKLY: dict[str, bool | str | int] = QUICKLY | {"xla_cpu_use_fusion_emitters": False}
"""The same where no step is repeated within a program. A recurrent layer's loop would be slower for it."""


class Programs:
    """The compiled programs of `forward(names, view, *arguments)`, one for each shape of the arguments.

    Tracing takes milliseconds and tells which views are the same computation, compiling takes a hundred: what is the same is
    compiled once. On the CPU it is done ahead of time by another thread, while the user's own step is compiled and the first
    epoch trains. On other devices it isn't: there a compiler may time kernels, and ours must not disturb the timing of theirs.
    """

    def __init__(self, forward: Callable[..., Any]) -> None:
        self._forward = forward
        self._jitted: dict[tuple[Names, Hashable], Any] = {}
        self._compiled: dict[Hashable, Future[Any]] = {}
        self._same: dict[tuple[Names, Hashable], Hashable] = {}
        self._is_cpu = jax.default_backend() == "cpu" and jax.device_count() == 1

    def prepare(self, names: Names, views: tuple[Hashable, ...], arguments: tuple[Any, ...]) -> None:
        """Trace the views, find those that are the same, and begin to compile the others."""
        known: dict[str, Hashable] = {}
        different: list[tuple[Hashable, Any, str]] = []
        for view in views:
            traced = self._jit(names, view).trace(*arguments)
            text = str(traced.jaxpr)
            self._same[names, view] = known.setdefault(text, view)
            if known[text] == view:
                different.append((view, traced, text))
        if self._is_cpu:  # begun when all are traced: beside one that compiles, tracing takes three times as long
            worker = ThreadPoolExecutor(1)
            for view, traced, text in different:
                options = QUICKLY if "scan[" in text or "while[" in text else MORE_QUICKLY
                self._compiled[names, view, _signature(arguments)] = worker.submit(_compile, traced, options)
            worker.shutdown(wait=False)

    def is_same(self, names: Names, a: Hashable, b: Hashable) -> bool:
        """Return whether two views were traced to the same computation."""
        return (names, a) in self._same and self._same[names, a] == self._same.get((names, b))

    def __call__(self, names: Names, view: Hashable, arguments: tuple[Any, ...]) -> Any:
        """Run a view, compiled before or now."""
        view = self._same.get((names, view), view)
        ready = self._compiled.get((names, view, _signature(arguments)))
        return (self._jit(names, view) if ready is None else ready.result())(*arguments)

    def _jit(self, names: Names, view: Hashable) -> Any:
        if (names, view) not in self._jitted:
            self._jitted[names, view] = jax.jit(partial(self._forward, names, view))
        return self._jitted[names, view]


def _compile(traced: Any, options: dict[str, bool | str | int]) -> Any:
    try:
        return traced.lower().compile(compiler_options=options)
    except jax.errors.JaxRuntimeError:  # XLA's options come and go
        return traced.lower().compile()


def _signature(arguments: tuple[Any, ...]) -> Hashable:
    """Return the shapes and types of what differs from call to call: the batch, not the variables."""
    leaves, structure = jax.tree.flatten(arguments[2:])
    return structure, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)
