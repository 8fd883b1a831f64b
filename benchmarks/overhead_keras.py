"""The Keras trainings on JAX that `overhead.py` times: `fit` with validation data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from overhead_cases import BATCH, N_CLASSES, SIDE, Arm, Images, Stopwatch, Trained, Width, width
from whygap.adapters.keras import GapCallback


def build(model: str) -> Any:
    """Return a new compiled model for batches of shape (n, 28, 28)."""
    layers = keras.layers
    body = {
        "mlp": lambda: [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dense(128, activation="relu")],
        "cnn": lambda: [
            layers.Reshape((SIDE, SIDE, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.25),
        ],
        "lstm": lambda: [layers.LSTM(64)],
    }[model]()
    built = keras.Sequential([keras.Input((SIDE, SIDE)), *body, layers.Dense(N_CLASSES)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    built.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
    return built


class EpochEnds(keras.callbacks.Callback):  # type: ignore[misc]
    """Read the clocks when an epoch has ended. The last callback of every arm, so that it sees what those before it took."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        super().__init__()
        self._stopwatch = stopwatch

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._stopwatch.read()


class ReEvaluation(keras.callbacks.Callback):  # type: ignore[misc]
    """Evaluate the training set after every epoch, in the way that is told everywhere."""

    def __init__(self, data: Images) -> None:
        super().__init__()
        self._data = data

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.model.evaluate(self._data.x_train, self._data.y_train, batch_size=BATCH, verbose=0)


class Widths(keras.callbacks.Callback):  # type: ignore[misc]
    """Compare the interval of the epoch that `gaps` has just measured with the exact validation losses."""

    def __init__(self, data: Images, gaps: GapCallback) -> None:
        super().__init__()
        self._data, self._gaps, self.found = data, gaps, list[Width]()
        self._each = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        output = self.model.predict(self._data.x_valid, batch_size=BATCH, verbose=0)
        losses = keras.ops.convert_to_numpy(self._each(self._data.y_valid, output))
        self.found.append(width(self._gaps.epochs[-1], losses))


class KerasTrainings:
    """Trainings of one model on one set of examples."""

    def __init__(self, model: str, data: Images) -> None:
        self._model, self._data = model, data

    def train(self, arm: Arm, *, seed: int, epochs: int, store: Path, watch: Any = None) -> Trained:
        """Train anew and time all of it; `watch(gaps)` gives one more callback for the whygap arm."""
        keras.utils.set_random_seed(seed)
        data, stopwatch = self._data, Stopwatch()
        model = build(self._model)
        gaps = GapCallback(store=store, verbose=0) if arm == "whygap" else None
        callbacks: list[Any] = [] if gaps is None else [gaps]
        if arm == "re-evaluation":
            callbacks.append(ReEvaluation(data))
        if watch is not None:
            callbacks.append(watch(gaps))
        model.fit(
            data.x_train,
            data.y_train,
            validation_data=(data.x_valid, data.y_valid),
            epochs=epochs,
            batch_size=BATCH,
            verbose=0,
            callbacks=[*callbacks, EpochEnds(stopwatch)],
        )
        weights = model.get_weights()  # waits for the device
        stopwatch.read()
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(w).tobytes() for w in weights)).hexdigest()
        return stopwatch.trained(digest, None if gaps is None else gaps.run)

    def widths(self, *, seed: int, epochs: int, store: Path) -> list[Width]:
        """Train once more, untimed, and compare the intervals of every epoch with its exact validation losses."""
        made: list[Widths] = []

        def watch(gaps: GapCallback) -> Widths:
            made.append(Widths(self._data, gaps))
            return made[0]

        self.train("whygap", seed=seed, epochs=epochs, store=store, watch=watch)
        return made[0].found
