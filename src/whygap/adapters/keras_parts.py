"""The layers of a Keras model that behave differently in training, and how to run some of them as in inference."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import keras

Part = Literal["dropout", "batch norm"]

_RANDOM = (keras.layers.Dropout, keras.layers.GaussianDropout, keras.layers.AlphaDropout, keras.layers.GaussianNoise)


class Parts(NamedTuple):
    """Layers by what they do in training only. `mixes_rows`: in training an example's score depends on its batch."""

    dropout: tuple[Any, ...]
    batch_norm: tuple[Any, ...]
    mixes_rows: bool

    def layers(self, parts: Sequence[Part]) -> list[Any]:
        """Return the layers of some parts."""
        chosen = {"dropout": self.dropout, "batch norm": self.batch_norm}
        return [layer for part in parts for layer in chosen[part]]


def parts_of(model: Any) -> Parts:
    """Return the parts of a built model.

    A dropout layer without a rate and a frozen batch norm do nothing in training and belong to none. Layers that aren't Keras's
    own and know of a training mode may do anything with a batch: they are taken to mix its rows.
    """
    layers = [layer for layer in model._flatten_layers(include_self=False) if not isinstance(layer, keras.Model)]
    dropout = tuple(x for x in layers if isinstance(x, _RANDOM) and _strength(x) > 0)
    batch_norm = tuple(x for x in layers if isinstance(x, keras.layers.BatchNormalization) and x.trainable)
    own = any(x._call_has_training_arg and not type(x).__module__.startswith("keras.") for x in layers)
    return Parts(dropout, batch_norm, bool(batch_norm) or own)


def _strength(layer: Any) -> float:
    return float(getattr(layer, "rate", 0.0) or getattr(layer, "stddev", 0.0) or 0.0)


@contextlib.contextmanager
def in_inference(layers: Sequence[Any]) -> Iterator[None]:
    """Run these layers in inference mode while in the context, whatever mode the model is called in.

    The instance's own `call` is shadowed, past Keras's tracking of attributes, and uncovered on leaving.
    """
    shadowed: list[Any] = []
    try:
        for layer in layers:
            if "call" not in vars(layer):
                vars(layer)["call"] = _without_training(layer.call)
                shadowed.append(layer)
        yield
    finally:
        for layer in shadowed:
            del vars(layer)["call"]


def _without_training(call: Any) -> Any:
    def inference(*arguments: Any, **keywords: Any) -> Any:
        return call(*arguments, **keywords | {"training": False})

    return inference
