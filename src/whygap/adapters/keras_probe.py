"""Score a batch with a Keras model without leaving a trace: the model as a pure function of its variables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import keras
import numpy as np

from whygap.adapters.keras_parts import Part, Parts, in_inference, parts_of
from whygap.adapters.keras_programs import Programs
from whygap.adapters.keras_scores import LossPerExample, metric_per_example
from whygap.adapters.random_state import preserved_host_random_state
from whygap.errors import InputError
from whygap.observation import Array
from whygap.records import RungName

Values = list[Any]
State = tuple[Values, Values]
"""The values of the trainable and of the non-trainable variables."""


class View(NamedTuple):
    """How a batch is scored: in which mode, with which parts as in inference all the same, and by which of the losses."""

    training: bool = False
    off: tuple[Part, ...] = ()
    is_criterion: bool = False


EVAL = View()
TRAIN = View(training=True)


class Scored(NamedTuple):
    """One batch: per-example scores of shape (n,) by name, and the regularisation inside the loss (0: none)."""

    scores: dict[str, Array]
    penalty: float = 0.0


class Pending(NamedTuple):
    """A batch that is being scored: `wait` for it where nothing else is to be dispatched."""

    scores: dict[str, Any]
    penalty: Any

    def wait(self) -> Scored:
        """Return the scores once they are there."""
        arrays = {name: np.asarray(to_host(values), dtype=np.float64) for name, values in self.scores.items()}
        return Scored(arrays, float(to_host(self.penalty)))


class KerasProbe:
    """Per-example scores of a Keras model on the JAX or the torch backend.

    The forward pass is `stateless_call`: batch-norm statistics and seeds come back as values and are dropped. On JAX it is
    compiled, apart from the user's own step, which stays the program that it was.

    Parameters
    ----------
    model : keras.Model
    loss : callable, optional
        `loss(y, y_pred)` with one number per example, by default the compiled one.
    criterion : callable, optional
        The same for the validation side, where that differs.

    Raises
    ------
    InputError
        If the backend is another, or there is no loss.
    """

    def __init__(self, model: Any, loss: Any = None, criterion: Any = None) -> None:
        self._model = model
        self._loss = LossPerExample(loss) if loss is not None else LossPerExample(model.loss, _loss_weights(model))
        self._criterion = self._loss if criterion is None else LossPerExample(criterion)
        self._programs = Programs(self._forward) if check_backend() == "jax" else None
        self.parts = parts_of(model)
        self.parts_views = _parts_views(self.parts)
        self.has_penalty = False
        weights = {id(v) for v in model.non_trainable_weights}
        self._seed_positions = [i for i, v in enumerate(model.non_trainable_variables) if id(v) not in weights]

    @property
    def is_deferred(self) -> bool:
        """Whether `score` returns before the device has done it."""
        return self._programs is not None

    def state(self) -> State:
        """Return the model's variables as they are at this moment."""
        return [v.value for v in self._model.trainable_variables], [v.value for v in self._model.non_trainable_variables]

    @contextlib.contextmanager
    def no_trace(self) -> Iterator[None]:
        """Restore on leaving whatever the backend keeps outside the variables, but for random states."""
        if self._programs is not None:
            yield
        else:
            from whygap.adapters.torch_state import preserved_module

            with preserved_module(self._model):
                yield

    def prepare(self, state: State, batch: Any, names: tuple[str, ...]) -> None:
        """Have what will be needed compiled, on the side: on JAX it takes as long as hundreds of the user's steps."""
        if self._programs is not None:
            views = (EVAL, TRAIN, *(view for view, _ in self.parts_views))
            if self._criterion is not self._loss:
                views += (View(is_criterion=True),)
            self._programs.prepare(names, views, (*state, batch[0], batch[1]))

    def is_same(self, names: tuple[str, ...], a: View, b: View) -> bool:
        """Return whether two views are known to be one and the same computation; on torch that is never known."""
        return a == b or (self._programs is not None and self._programs.is_same(names, a, b))

    def has_moved(self, before: State, after: State) -> bool:
        """Return whether anything was drawn at random between two states; on torch it may have been without Keras's seeds."""
        if self._programs is None:
            return True
        return any(not np.array_equal(before[1][i], after[1][i]) for i in self._seed_positions)

    def score(self, state: State, batch: Any, names: tuple[str, ...], view: View) -> tuple[Pending, State]:
        """Score one batch (x, y, ...); return that and the state with its seeds moved on, for masks drawn anew."""
        arguments = (*state, batch[0], batch[1])
        if self._programs is None:
            scores, penalty, after = self._forward(names, view, *arguments)
        else:
            scores, penalty, after = self._programs(names, view, arguments)
        if not (view.training and self._seed_positions):
            return Pending(scores, penalty), state
        non_trainable = list(state[1])
        for i in self._seed_positions:
            non_trainable[i] = after[i]
        return Pending(scores, penalty), (state[0], non_trainable)

    def _forward(
        self, names: tuple[str, ...], view: View, trainable: Values, non_trainable: Values, x: Any, y: Any
    ) -> tuple[dict[str, Any], Any, Values]:
        keywords = {"training": view.training} if self._model._call_has_training_arg else {}
        if self._programs is None:
            x = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
        with in_inference(self.parts.layers(view.off)):
            y_pred, after, losses = self._model.stateless_call(trainable, non_trainable, x, return_losses=True, **keywords)
        self.has_penalty = self.has_penalty or bool(losses)
        penalty = sum((keras.ops.sum(one) for one in losses), start=keras.ops.zeros(()))
        y = keras.tree.map_structure(keras.ops.convert_to_tensor, y)
        loss = self._criterion if view.is_criterion else self._loss
        scores = {n: loss(y, y_pred) if n == "loss" else metric_per_example(n, y, y_pred) for n in names}
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


def _parts_views(parts: Parts) -> tuple[tuple[View, RungName], ...]:
    """Return the steps from train mode towards eval mode, one for each kind of layer that the model has."""
    views: list[tuple[View, RungName]] = []
    if parts.dropout:
        views.append((View(training=True, off=("dropout",)), "without_dropout"))
    if parts.batch_norm:
        views.append((View(training=True, off=("dropout", "batch norm")), "without_batch_norm"))
    return tuple(views)


def _loss_weights(model: Any) -> Any:
    if not isinstance(model.loss, (list, tuple, dict)):
        return None
    return model.get_compile_config().get("loss_weights")


def to_host(value: Any) -> Any:
    """Return a value of either backend as NumPy can read it."""
    return value.detach().cpu() if hasattr(value, "detach") else value
