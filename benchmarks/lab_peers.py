"""The same training as a plain loop in PyTorch and as `fit` in Keras on JAX: 40-h-h-10, batches of 100, Adam, float32."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from whygap.process import MNIST1D

N, BATCH, CLASSES, FEATURES = 4000, 100, 10, 40
LEARNING_RATE = 1e-3


def train_torch(width: int, epochs: int, threads: int, fused: bool) -> float:
    """Return the seconds of so many epochs, in a loop as the tutorials have it, the data in one tensor."""
    import torch

    torch.set_num_threads(threads)
    x, y = (torch.from_numpy(np.array(a)) for a in _data())
    y = y.long()
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(FEATURES, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU(),
        torch.nn.Linear(width, CLASSES),
    )  # fmt: skip
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=fused)
    loss = torch.nn.CrossEntropyLoss()

    def epoch() -> None:
        order = torch.randperm(N)
        for k in range(0, N, BATCH):
            rows = order[k : k + BATCH]
            optimiser.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            optimiser.step()

    return _timed(epoch, epochs)


def train_keras(width: int, epochs: int) -> float:
    """Return the seconds of so many epochs of `fit`, compiled beforehand, with nothing printed and nothing validated."""
    model, (x, y) = _keras_model(width), _data()
    began = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
    return time.perf_counter() - began


@functools.cache
def _keras_model(width: int) -> Any:
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((FEATURES,)), layers.Dense(width, "relu"), layers.Dense(width, "relu"), layers.Dense(CLASSES)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss)
    x, y = _data()
    model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)
    return model


@functools.cache
def _data() -> tuple[Any, Any]:
    return MNIST1D().draw(np.arange(N), seed=0)


def _timed(epoch: Callable[[], None], epochs: int) -> float:
    epoch()
    began = time.perf_counter()
    for _ in range(epochs):
        epoch()
    return time.perf_counter() - began
