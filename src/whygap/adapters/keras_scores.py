"""Per-example scores in Keras: the compiled loss and metrics, taken apart to one number per example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from whygap.errors import InputError

PerExample = Callable[[Any, Any], Any]


class LossPerExample:
    """The loss of each example, shape (n,), averaged over everything but the examples and weighted over outputs.

    Parameters
    ----------
    loss : str, function, keras.losses.Loss, or a list or dict of them
        As given to `model.compile`.
    loss_weights : list or dict of float, optional
        As given to `model.compile`.

    Raises
    ------
    InputError
        If there is no loss; and, when called, if it doesn't give one number per example.
    """

    def __init__(self, loss: Any, loss_weights: Any = None) -> None:
        if loss is None:
            raise InputError(
                "the model was compiled without a loss: pass loss=, a function (y, y_pred) with one number per example"
            )
        self._losses = loss
        self._weights = loss_weights

    def __call__(self, y: Any, y_pred: Any) -> Any:
        if not isinstance(self._losses, (list, tuple, dict)) and not isinstance(y_pred, (list, tuple, dict)):
            return _single(self._losses, y, y_pred)
        total = 0.0
        for key in y_pred if isinstance(y_pred, dict) else range(len(y_pred)):
            loss = self._losses[key] if isinstance(self._losses, (list, tuple, dict)) else self._losses
            if loss is None:
                continue
            weight = 1.0 if self._weights is None else self._weights[key]
            total = total + weight * _single(loss, y[key], y_pred[key])
        return total


class _Unreduced(keras.losses.Loss):  # type: ignore[misc]  # Keras ships no types
    """A loss function as a Keras loss, for what Keras does around it: casting, masks, and the rank of targets."""

    def __init__(self, function: PerExample) -> None:
        super().__init__(reduction=None)
        self._function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._function(*same_rank(y_true, y_pred))


def _single(loss: Any, y: Any, y_pred: Any) -> Any:
    if isinstance(loss, str) and loss.lower() in ("crossentropy", "ce"):
        loss = {
            "binary": "binary_crossentropy",
            "sparse": "sparse_categorical_crossentropy",
            "one_hot": "categorical_crossentropy",
        }[kind_of_target(y, y_pred)]
    return per_row(_unreduced(loss)(y, y_pred), "the loss", rows_of(y_pred))


def _unreduced(loss: Any) -> Any:
    found = keras.losses.get(loss)
    if not isinstance(found, keras.losses.Loss):
        return _Unreduced(found)
    # Not copy.copy: Keras answers that by saving and loading the loss, which takes milliseconds and needs it registered.
    twin = object.__new__(type(found))
    twin.__dict__.update(found.__dict__)
    twin.reduction = None
    return twin


def per_row(values: Any, what: str, rows: int) -> Any:
    """Return `values` of shape (n, ...) as their means over all axes but the first, in float32.

    Raises
    ------
    InputError
        If the first axis isn't that of the n = `rows` examples.
    """
    shape = tuple(values.shape)
    if not shape or (shape[0] is not None and shape[0] != rows):
        got = "a scalar" if not shape else f"shape {shape}"
        raise InputError(
            f"{what} gave {got} for a batch of {rows} examples: it must give one number per example (reduction=None)"
        )
    return ops.mean(ops.reshape(ops.cast(values, "float32"), (rows, -1)), axis=1)


def same_rank(y: Any, y_pred: Any) -> tuple[Any, Any]:
    """Return both with the trailing axis of length 1 added or dropped where their ranks differ by one, as Keras does."""
    if len(y.shape) + 1 == len(y_pred.shape) and y_pred.shape[-1] == 1:
        y = ops.expand_dims(y, -1)
    elif len(y.shape) == len(y_pred.shape) + 1 and y.shape[-1] == 1:
        y = ops.squeeze(y, -1)
    return y, y_pred


def kind_of_target(y: Any, y_pred: Any) -> str:
    """Return "binary", "sparse" or "one_hot" by the rule with which Keras reads "accuracy" and "crossentropy"."""
    if y_pred.shape[-1] == 1:
        return "binary"
    is_sparse = len(y.shape) < len(y_pred.shape) or (y.shape[-1] == 1 and y_pred.shape[-1] > 1)
    return "sparse" if is_sparse else "one_hot"


def rows_of(structure: Any) -> int:
    """Return the length of the first axis of the first array in a nest of dicts, lists and tuples."""
    if not hasattr(structure, "shape"):  # nearly always it is an array, and this runs at every step
        structure = next(leaf for leaf in keras.tree.flatten(structure) if leaf is not None)
    return int(structure.shape[0])


def _accuracy(y: Any, y_pred: Any) -> Any:
    functions = {
        "binary": keras.metrics.binary_accuracy,
        "sparse": keras.metrics.sparse_categorical_accuracy,
        "one_hot": keras.metrics.categorical_accuracy,
    }
    return functions[kind_of_target(y, y_pred)](y, y_pred)


_HIGHER_IS_BETTER: Mapping[str, PerExample] = {
    "accuracy": _accuracy,
    "acc": _accuracy,
    "binary_accuracy": keras.metrics.binary_accuracy,
    "categorical_accuracy": keras.metrics.categorical_accuracy,
    "sparse_categorical_accuracy": keras.metrics.sparse_categorical_accuracy,
}
_LOWER_IS_BETTER: Mapping[str, PerExample] = {
    "mae": keras.metrics.mean_absolute_error,
    "mean_absolute_error": keras.metrics.mean_absolute_error,
    "mse": keras.metrics.mean_squared_error,
    "mean_squared_error": keras.metrics.mean_squared_error,
}


def known_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """Return those of the logged names, other than "loss", that can be scored per example."""
    return tuple(n for n in names if n in _HIGHER_IS_BETTER or n in _LOWER_IS_BETTER)


def is_higher_better(name: str) -> bool:
    """Return the direction of a known metric; "loss" is better when lower."""
    return name in _HIGHER_IS_BETTER


def metric_per_example(name: str, y: Any, y_pred: Any) -> Any:
    """Return a known metric of each example, shape (n,).

    Raises
    ------
    InputError
        As `per_row`.
    """
    function = _HIGHER_IS_BETTER.get(name) or _LOWER_IS_BETTER[name]
    return per_row(function(*same_rank(y, y_pred)), name, rows_of(y_pred))
