"""Score a batch with a Keras model without leaving a trace: the model as a pure function of its variables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import keras
import numpy as np

from whygap.adapters.epoch import Scored
from whygap.adapters.keras_scores import LossPerExample, metric_per_example
from whygap.adapters.random_state import preserved_host_random_state
from whygap.errors import InputError

Values = list[Any]
State = tuple[Values, Values]
"""The values of the trainable and of the non-trainable variables."""


class KerasProbe:
    """Per-example scores of a Keras model on the JAX or the torch backend.

    The forward pass is `stateless_call`: batch-norm statistics and seeds come back as values and are dropped. On JAX it is
    compiled, apart from the user's own step, which stays the program that it was.

    Raises
    ------
    InputError
        If the backend is neither.
    """

    def __init__(self, model: Any, loss: Any = None) -> None:
        self._model = model
        self._loss = LossPerExample(loss) if loss is not None else LossPerExample(model.loss, _loss_weights(model))
        self._compiled: dict[tuple[tuple[str, ...], bool], Any] = {}
        self._is_jax = check_backend() == "jax"
        self.has_penalty = False
        weights = {id(v) for v in model.non_trainable_weights}
        self._seed_positions = [i for i, v in enumerate(model.non_trainable_variables) if id(v) not in weights]

    def state(self) -> State:
        """Return the model's variables as they are at this moment."""
        return [v.value for v in self._model.trainable_variables], [v.value for v in self._model.non_trainable_variables]

    @contextlib.contextmanager
    def no_trace(self) -> Iterator[None]:
        """Restore on leaving whatever the backend keeps outside the variables, but for random states."""
        if self._is_jax:
            yield
        else:
            from whygap.adapters.torch_state import preserved_module

            with preserved_module(self._model):
                yield

    def score(self, state: State, batch: Any, names: tuple[str, ...], *, training: bool) -> tuple[Scored, State]:
        """Return the scores of one batch (x, y, ...) and the state with its seeds moved on, for masks drawn anew."""
        x, y = batch[0], batch[1]
        scores, penalty, after = self._function(names, training)(*state, x, y)
        non_trainable = list(state[1])
        for i in self._seed_positions:
            non_trainable[i] = after[i]
        arrays = {name: np.asarray(_to_host(values), dtype=np.float64) for name, values in scores.items()}
        return Scored(arrays, float(_to_host(penalty))), (state[0], non_trainable)

    def _function(self, names: tuple[str, ...], training: bool) -> Any:
        if not self._is_jax:
            return partial(self._forward, names, training)
        key = (names, training)
        if key not in self._compiled:
            import jax

            self._compiled[key] = jax.jit(partial(self._forward, names, training))
        return self._compiled[key]

    def _forward(
        self, names: tuple[str, ...], training: bool, trainable: Values, non_trainable: Values, x: Any, y: Any
    ) -> tuple[dict[str, Any], Any, Values]:
        keywords = {"training": training} if self._model._call_has_training_arg else {}
        y_pred, after, losses = self._model.stateless_call(trainable, non_trainable, x, return_losses=True, **keywords)
        self.has_penalty = self.has_penalty or bool(losses)
        penalty = sum((keras.ops.sum(one) for one in losses), start=keras.ops.zeros(()))
        y = keras.tree.map_structure(keras.ops.convert_to_tensor, y)
        scores = {n: self._loss(y, y_pred) if n == "loss" else metric_per_example(n, y, y_pred) for n in names}
        return scores, penalty, after


def preserved_random_state() -> AbstractContextManager[None]:
    """Return a context that restores every random state that the backend in use draws from.

    Raises
    ------
    InputError
        As `check_backend`.
    """
    if check_backend() == "jax":
        return preserved_host_random_state()
    from whygap.adapters import torch_state

    return torch_state.preserved_random_state()


def check_backend() -> str:
    """Return the name of Keras's backend.

    Raises
    ------
    InputError
        If it is neither jax nor torch.
    """
    backend = str(keras.backend.backend())
    if backend not in ("jax", "torch"):
        raise InputError(f"GapCallback works with Keras on JAX or torch, not on {backend}: set KERAS_BACKEND=jax")
    return backend


def _loss_weights(model: Any) -> Any:
    if not isinstance(model.loss, (list, tuple, dict)):
        return None
    return model.get_compile_config().get("loss_weights")


def _to_host(value: Any) -> Any:
    return value.detach().cpu() if hasattr(value, "detach") else value
