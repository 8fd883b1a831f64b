"""Models of other JAX libraries as pairs of pure functions; neither library is imported here, the module brings its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from whygap.lab.models import Model, Params


def from_equinox(factory: Callable[[Any], Any]) -> Model:
    """Return the model of an Equinox module that takes one example.

    Parameters
    ----------
    factory : callable
        From a JAX key to the module, such as `lambda key: eqx.nn.MLP(40, 10, 100, 2, key=key)`. Its arrays are trained, what
        else it holds is kept.
    """
    import equinox as eqx

    def init(key: Any) -> Params:
        return eqx.filter(factory(key), eqx.is_inexact_array)

    def apply(params: Params, x: Any) -> Any:
        import jax

        # what isn't trained has no shape to trace and is the same for all keys: made anew, and folded away by the compiler
        rest = eqx.filter(factory(jax.random.key(0)), eqx.is_inexact_array, inverse=True)
        return jax.vmap(eqx.combine(params, rest))(x)

    return Model(init, apply)


def from_flax(module: Any, example: Any) -> Model:
    """Return the model of a Flax linen module that takes a batch.

    Parameters
    ----------
    module : flax.linen.Module
        Without mutable collections, such as the averages of batch norm: the lab trains parameters alone.
    example : array
        A batch x of any number of rows, for its shape and type.
    """

    def init(key: Any) -> Params:
        return module.init(key, example)

    return Model(init, module.apply)
