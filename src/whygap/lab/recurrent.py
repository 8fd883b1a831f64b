"""Recurrent networks over x of shape (n, steps, features), and a dense layer of the last step's state, or of all states."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from whygap.errors import InputError
from whygap.lab.models import Model, Params, dense


def gru(features: int, hidden: int, outputs: int, *, bidirectional: bool = False, all_steps: int | None = None) -> Model:
    """Return a gated recurrent unit, as PyTorch has it (the reset gate is applied after the product).

    Parameters
    ----------
    features : int
        Of a step; x of shape (n, steps) counts as one feature.
    hidden, outputs : int
        Widths of the state and of the output.
    bidirectional : bool
        Whether a second one reads from the end, and the output is made of both last states.
    all_steps : int, optional
        The number of steps: the output is then made of the states of all of them. A bidirectional one of 6 units over 40
        steps is the network of the MNIST-1D authors, 5,134 parameters.

    Raises
    ------
    InputError
        If a width isn't positive.
    """

    def step(h: Any, inner: Any, gates: Any) -> Any:
        import jax
        import jax.numpy as jnp

        (r_in, z_in, n_in), (r_h, z_h, n_h) = jnp.split(gates, 3, axis=-1), jnp.split(inner, 3, axis=-1)
        z = jax.nn.sigmoid(z_in + z_h)
        return (1.0 - z) * jnp.tanh(n_in + jax.nn.sigmoid(r_in + r_h) * n_h) + z * h

    return _recurrent((features, hidden, outputs), _Cell(3, 1, step), bidirectional=bidirectional, all_steps=all_steps)


def lstm(features: int, hidden: int, outputs: int, *, bidirectional: bool = False, all_steps: int | None = None) -> Model:
    """Return a long short-term memory; parameters as in `gru`.

    Raises
    ------
    InputError
        If a width isn't positive.
    """

    def step(state: Any, inner: Any, gates: Any) -> Any:
        import jax
        import jax.numpy as jnp

        _, c = jnp.split(state, 2, axis=-1)
        i, f, g, o = jnp.split(gates + inner, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jnp.concatenate([jax.nn.sigmoid(o) * jnp.tanh(c), c], axis=-1)

    return _recurrent((features, hidden, outputs), _Cell(4, 2, step), bidirectional=bidirectional, all_steps=all_steps)


class _Cell(NamedTuple):
    """Gates and states, in widths of the state, and a step: (state, what the state gives, what x gives) -> state."""

    gates: int
    states: int
    step: Callable[[Any, Any, Any], Any]


def _recurrent(widths: tuple[int, int, int], cell: _Cell, *, bidirectional: bool, all_steps: int | None) -> Model:
    features, hidden, outputs = widths
    if min(widths) < 1:
        raise InputError(f"a recurrent network needs positive widths, not {features}, {hidden} and {outputs}")
    directions = 1 + bidirectional

    def init(key: Any) -> Params:
        import jax

        *keys, final = jax.random.split(key, 2 * directions + 1)
        reach = math.sqrt(features / hidden)  # PyTorch draws all weights of the cell by its state's width
        cells = []
        for of_x, of_h in zip(keys[::2], keys[1::2], strict=True):
            w, b = dense(of_x, features, cell.gates * hidden)
            cells.append(((w * reach, b * reach), dense(of_h, hidden, cell.gates * hidden)))
        return cells, dense(final, directions * hidden * (all_steps or 1), outputs)

    def read(weights: Params, x: Any, backwards: bool) -> Any:
        import jax.numpy as jnp
        from jax import lax

        (w_x, b_x), (w_h, b_h) = weights
        gates = x @ w_x + b_x  # (steps, n, gates): for all steps at once, one large product

        def one(state: Any, at: Any) -> tuple[Any, Any]:
            state = cell.step(state, state[:, :hidden] @ w_h + b_h, at)
            return state, state[:, :hidden] if all_steps else None

        start = jnp.zeros((x.shape[1], cell.states * hidden), x.dtype)
        last, states = lax.scan(one, start, gates, reverse=backwards)
        return jnp.swapaxes(states, 0, 1) if all_steps else last[:, :hidden]

    def apply(params: Params, x: Any) -> Any:
        import jax.numpy as jnp

        cells, (w, b) = params
        by_step = jnp.swapaxes(x.reshape(x.shape[0], -1, features), 0, 1)
        ends = [read(weights, by_step, backwards) for weights, backwards in zip(cells, (False, True), strict=False)]
        return jnp.concatenate(ends, axis=-1).reshape(x.shape[0], -1) @ w + b

    return Model(init, apply)
