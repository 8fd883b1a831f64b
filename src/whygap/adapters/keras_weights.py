"""The weights that a Keras model is validated with, where they aren't those at the end of the epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from whygap.errors import InputError

Weights = Any
"""None, "ema", a list of arrays as from `model.get_weights()`, or a callable (model) -> such a list."""


def check_weights(weights: Weights) -> Weights:
    """Return `weights` if they are of a kind that is understood.

    Raises
    ------
    InputError
        Otherwise.
    """
    if weights is None or callable(weights) or isinstance(weights, (list, tuple)) or weights == "ema":
        return weights
    raise InputError(f'weights must be "ema", a list as from get_weights(), or a callable, not {weights!r}')


def state_with(model: Any, state: tuple[list[Any], list[Any]], weights: Weights) -> tuple[list[Any], list[Any]]:
    """Return the state of the model with these weights in the place of its own; what isn't a weight, as seeds, stays.

    Raises
    ------
    InputError
        If the optimizer keeps no average, or the list doesn't fit the model.
    """
    given = _averages(model) if weights == "ema" else _listed(model, weights(model) if callable(weights) else weights)
    values = [
        dict(zip(map(id, variables), side, strict=True)) for variables, side in zip(_variables(model), state, strict=True)
    ]
    return tuple([given.get(key, value) for key, value in side.items()] for side in values)  # type: ignore[return-value]  # two sides, as a State has


def _variables(model: Any) -> tuple[list[Any], list[Any]]:
    return model.trainable_variables, model.non_trainable_variables


def _listed(model: Any, arrays: Any) -> dict[int, Any]:
    variables = model.weights
    if not isinstance(arrays, (list, tuple)) or len(arrays) != len(variables):
        found = len(arrays) if isinstance(arrays, (list, tuple)) else type(arrays).__name__
        raise InputError(f"weights must be a list of {len(variables)} arrays as from get_weights(), not {found}")
    given = {}
    for variable, array in zip(variables, arrays, strict=True):
        if tuple(variable.shape) != np.shape(array):
            raise InputError(f"weights for {variable.path} have shape {np.shape(array)}, the model's {tuple(variable.shape)}")
        given[id(variable)] = _as_value(variable, array)
    return given


def _as_value(variable: Any, array: Any) -> Any:
    from keras import ops

    return ops.convert_to_tensor(array, dtype=variable.dtype)


def _averages(model: Any) -> dict[int, Any]:
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    averages = getattr(optimizer, "_model_variables_moving_average", None)
    if not averages:
        raise InputError('weights="ema" needs an optimizer with use_ema=True')
    return {id(v): average.value for v, average in zip(optimizer._trainable_variables, averages, strict=True)}


def has_changed(before: Any, now: Any, *, to_numpy: Callable[[Any], Any]) -> bool:
    """Tell whether two values of a variable differ; it costs nothing where they are the same object."""
    return before is not now and not np.array_equal(to_numpy(before), to_numpy(now), equal_nan=True)
