"""Dropout and batch norm in Keras: the same digits and network, and one callback.

KERAS_BACKEND=jax python examples/02_digits_keras.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from sklearn.datasets import load_digits

from whygap.adapters.keras import GapCallback


def load(seed: int = 0) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return training and validation digits: 1,297 and 500 images of 8 x 8 pixels."""
    images, target = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(target))
    x, y = (images[order] / 16).astype("float32"), target[order]
    return (x[:1297], y[:1297]), (x[1297:], y[1297:])


def train(
    *, epochs: int = 8, budget: int | str = 512, seed: int = 0, store: object = None, verbose: int = 2
) -> tuple[keras.Model, GapCallback]:
    """Train a small network with dropout and batch norm and measure it."""
    (x, y), valid = load()
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])

    gaps = GapCallback(budget=budget, store=store, verbose=verbose)
    model.fit(x, y, validation_data=valid, epochs=epochs, batch_size=32, verbose=0, callbacks=[gaps])
    return model, gaps


if __name__ == "__main__":
    train()
