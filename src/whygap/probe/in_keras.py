"""Trainings of the probe in Keras 3, on JAX or torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from whygap.audit.contents import as_array
from whygap.errors import InputError, MissingPackageError
from whygap.probe.case import Case, in_one_line
from whygap.probe.examples import Examples
from whygap.probe.training import OutOfTime, Regulariser, Scored, constants_of, errors_of, errors_of_constant

ROWS = 512
"""Examples scored at once: always so many, as each other number would be compiled."""


class KerasWorkshop:
    """Makes networks of Keras.

    Raises
    ------
    MissingPackageError
        If Keras or its backend isn't installed.
    """

    most_parts = 2  # a third one would be the weights of examples

    def __init__(self) -> None:
        os.environ.setdefault("KERAS_BACKEND", "jax")
        try:
            import keras
        except ImportError as error:
            raise MissingPackageError(
                f"the probe needs Keras and a backend ({error}): pip install 'whygap[keras]' jax"
            ) from error
        self.version = f"keras {keras.__version__} on {keras.backend.backend()}"

    @contextmanager
    def preserved(self) -> Iterator[None]:
        """Restore every global random state on leaving, Keras's own too."""
        from keras.src.backend.common import global_state

        from whygap.adapters.keras_probe import preserved_random_state

        names = ("global_random_seed", "global_seed_generator")
        before = {name: global_state.get_global_attribute(name) for name in names}
        with preserved_random_state():
            try:
                yield
            finally:
                for name, value in before.items():
                    global_state.set_global_attribute(name, value)

    def convert(self, leaf: Any) -> Any:
        """Return a NumPy array, of float64 as float32.

        Raises
        ------
        InputError
            If it can't be read as one.
        """
        array = as_array(leaf)
        return array.astype(np.float32) if array.dtype == np.float64 else array

    def concatenate(self, parts: list[Any]) -> Any:
        """Join arrays."""
        return np.concatenate(parts)

    def iterable(self, data: Any, batch_size: int) -> Any:
        """Return what gives batches: anything as it is."""
        return data

    def network(self, case: Case, *, seed: int) -> KerasNetwork:
        """Make a compiled model.

        Raises
        ------
        InputError
            If it isn't one.
        """
        import keras

        keras.utils.set_random_seed(seed)
        try:
            model = case.model()
        except Exception as error:
            raise InputError(f"model() failed: {in_one_line(error)}") from error
        if not isinstance(model, keras.Model):
            raise InputError(f"model() returns a {type(model).__name__}, not a keras.Model")
        if not getattr(model, "compiled", False) or getattr(model, "optimizer", None) is None:
            raise InputError("model() must return a compiled model: call compile(optimizer=..., loss=...) in it")
        return KerasNetwork(model)


class KerasNetwork:
    """A compiled model of Keras in training.

    Raises
    ------
    InputError
        If it was compiled without a loss.
    """

    def __init__(self, model: Any) -> None:
        from whygap.adapters.keras_scores import LossPerExample

        self._model = model
        weights = model.get_compile_config().get("loss_weights") if isinstance(model.loss, (list, tuple, dict)) else None
        self._each = LossPerExample(model.loss, weights)

    @property
    def n_parameters(self) -> int:
        """Numbers that are trained; 0 as long as the model isn't built."""
        return int(sum(np.prod(v.shape) for v in self._model.trainable_variables))

    def can_turn_off(self) -> tuple[Regulariser, ...]:
        """Return "dropout" where a layer has some, and "weight decay" where optimiser or weights have one."""
        found: list[Regulariser] = []
        if any(rate > 0 for _, _, rate in self._dropouts()):
            found.append("dropout")
        if self._model.optimizer.weight_decay or any(getattr(v, "regularizer", None) for v in self._model.trainable_variables):
            found.append("weight decay")
        return tuple(found)

    def turn_off(self, what: tuple[Regulariser, ...]) -> None:
        """Set rates of dropout to 0, or take the weight decay and the penalties on weights away."""
        if "dropout" in what:
            for layer, name, _ in list(self._dropouts()):
                setattr(layer, name, 0.0)
        if "weight decay" in what:
            self._model.optimizer.weight_decay = None
            for variable in self._model.trainable_variables:
                variable.regularizer = None

    def train(self, examples: Examples, batch_size: int, *, seed: int, check_time: Callable[[], None]) -> float:
        """Fit for one epoch, the examples in their order.

        Raises
        ------
        InputError
            If `fit` fails.
        """
        import keras

        class Clock(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
            async_safe = True

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                check_time()

        keras.utils.set_random_seed(seed)
        with _told("fit"):
            history = self._model.fit(
                examples.x, examples.y, batch_size=batch_size, epochs=1, shuffle=False, verbose=0, callbacks=[Clock()]
            )
        return float(history.history["loss"][0])

    def score(self, examples: Examples) -> Scored:
        """Score examples in inference.

        Raises
        ------
        InputError
            If that fails.
        """
        with _told("scoring examples"):
            parts = []
            for at in range(0, examples.n, ROWS):
                rows = np.minimum(np.arange(at, at + ROWS), examples.n - 1)  # the last is repeated
                parts.append(self._scored(examples.picked(rows), min(ROWS, examples.n - at)))
        errors = [p.error for p in parts if p.error is not None]
        loss = np.concatenate([p.loss for p in parts])
        return Scored(loss, np.concatenate(errors) if len(errors) == len(parts) else None)

    def score_of_constant(self, examples: Examples) -> Scored | None:
        """Score always naming the most frequent class, or a constant near the mean of the targets.

        Raises
        ------
        InputError
            If scoring fails.
        """
        y = examples.y
        with _told("scoring examples"):
            output = self._predicted(examples.picked(np.zeros(ROWS, int)).x)[:1]
        if not isinstance(y, np.ndarray) or not isinstance(output, np.ndarray):
            return None
        errors = errors_of_constant(y) if errors_of(output, y[:1]) is not None else None
        if errors is not None:
            return Scored(np.full(examples.n, np.nan), errors)
        if y.dtype.kind != "f" or output.size != y[0].size:
            return None
        with _told("the loss of a constant"):
            constants = [np.broadcast_to(c.reshape(output.shape), (len(y), *output.shape[1:])) for c in constants_of(y)]
            tried = [_as_losses(self._each(y, c.astype(np.float32))) for c in constants]
        return Scored(min(tried, key=np.mean))

    def _scored(self, part: Examples, n: int) -> Scored:
        output = self._predicted(part.x)
        errors = errors_of(output, part.y) if isinstance(output, np.ndarray) and isinstance(part.y, np.ndarray) else None
        return Scored(_as_losses(self._each(part.y, output))[:n], None if errors is None else errors[:n])

    def _predicted(self, x: Any) -> Any:
        import keras

        return keras.tree.map_structure(np.asarray, self._model.predict_on_batch(x))

    def _dropouts(self) -> Iterator[tuple[Any, str, float]]:
        """Yield every layer or cell with dropout, the name of its rate, and the rate."""
        from keras import layers

        kinds = (layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D)
        for layer in self._model._flatten_layers():
            if isinstance(layer, (*kinds, layers.AlphaDropout, layers.GaussianDropout)):
                yield layer, "rate", float(getattr(layer, "rate", 0.0))
            elif isinstance(layer, (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell)):
                yield layer, "dropout", float(layer.dropout)
                yield layer, "recurrent_dropout", float(layer.recurrent_dropout)


def _as_losses(values: Any) -> Any:
    host = values.detach().cpu() if hasattr(values, "detach") else values
    return np.asarray(host, dtype=np.float64)


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """Say in one line what failed in the user's own code."""
    try:
        yield
    except (InputError, OutOfTime):
        raise
    except Exception as error:
        raise InputError(f"{doing} failed: {in_one_line(error)}") from error
