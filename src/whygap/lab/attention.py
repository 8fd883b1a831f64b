"""A small transformer: for sequences of numbers, or of tokens."""

from __future__ import annotations

import math
from typing import Any

from whygap.errors import InputError
from whygap.lab.models import Model, Params, dense


def transformer(
    features: int, outputs: int, *, steps: int, width: int = 32, heads: int = 4, layers: int = 2, tokens: int | None = None
) -> Model:
    """Return an encoder: layer norm before attention and before a dense part of four times the width; the mean over steps.

    Parameters
    ----------
    features : int
        Of a step; x of shape (n, steps) counts as one feature. Ignored where x are tokens.
    outputs : int
        Width of the output.
    steps : int
        Of x.
    width, heads, layers : int
        `width` must be a multiple of `heads`.
    tokens : int, optional
        x are integers (n, steps) below this, and each has a vector of its own.

    Raises
    ------
    InputError
        If a number isn't positive, or `width` isn't a multiple of `heads`.
    """
    if min(features, outputs, steps, width, heads, layers) < 1 or width % heads:
        raise InputError(
            f"a transformer needs positive sizes, and a width that is a multiple of its heads, not {width} of {heads}"
        )

    def init(key: Any) -> Params:
        import jax
        import jax.numpy as jnp

        keys = iter(jax.random.split(key, 4 * layers + 3))
        first = next(keys)
        return {
            "in": jax.random.normal(first, (tokens, width)) * 0.02 if tokens else dense(first, features, width),
            "place": jax.random.normal(next(keys), (steps, width)) * 0.02,
            "blocks": [
                {
                    "norms": (jnp.ones((2, width)), jnp.zeros((2, width))),
                    "attend": dense(next(keys), width, 3 * width),
                    "join": dense(next(keys), width, width),
                    "up": dense(next(keys), width, 4 * width),
                    "down": dense(next(keys), 4 * width, width),
                }
                for _ in range(layers)
            ],
            "out": dense(next(keys), width, outputs),
        }

    def attend(block: Params, h: Any) -> Any:
        import jax
        import jax.numpy as jnp

        w, b = block["attend"]
        q, k, v = jnp.split((h @ w + b).reshape(h.shape[0], steps, heads, 3 * width // heads), 3, axis=-1)
        weight = jax.nn.softmax(jnp.einsum("nshd,nthd->nhst", q, k) / math.sqrt(width // heads), axis=-1)
        mixed = jnp.einsum("nhst,nthd->nshd", weight, v).reshape(h.shape[0], steps, width)
        w, b = block["join"]
        return mixed @ w + b

    def apply(params: Params, x: Any) -> Any:
        import jax

        if tokens:
            h = params["in"][x]
        else:
            w, b = params["in"]
            h = x.reshape(x.shape[0], steps, features) @ w + b
        h = h + params["place"]
        for block in params["blocks"]:
            scales, shifts = block["norms"]
            h = h + attend(block, _normed(h, scales[0], shifts[0]))
            (up, b_up), (down, b_down) = block["up"], block["down"]
            h = h + jax.nn.gelu(_normed(h, scales[1], shifts[1]) @ up + b_up) @ down + b_down
        w, b = params["out"]
        return h.mean(axis=1) @ w + b

    return Model(init, apply)


def _normed(h: Any, scale: Any, shift: Any) -> Any:
    import jax.numpy as jnp

    centred = h - h.mean(axis=-1, keepdims=True)
    return centred / jnp.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * scale + shift
