"""The Keras trainings on JAX that `overhead.py` times: `fit` with validation data."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from threading import Semaphore, Thread
from typing import Any

import keras
import numpy as np

from overhead_cases import BATCH, N_CLASSES, SIDE, Arm, Images, Stopwatch, Trained, Training, Width, train_in_turns, width
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


class EpochEnds(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Read the clocks when an epoch has ended, and hand over. It comes last, so that it sees what the others took."""

    def __init__(self, stopwatch: Stopwatch, hand_over: Callable[[], None], gaps: GapCallback | None) -> None:
        super().__init__()
        self._stopwatch, self._hand_over, self._gaps = stopwatch, hand_over, gaps

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._gaps is not None and self._gaps._probe is not None and self._gaps._probe._programs is not None:
            wait(self._gaps._probe._programs._compiled.values())  # what is compiled on the side is not to burden the others
        self._stopwatch.read()
        states = random.getstate(), np.random.get_state()  # noqa: NPY002 - Keras draws the order of examples from it
        self._hand_over()
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002 - as above


class ReEvaluation(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Evaluate the training set after every epoch, in the way that is told everywhere."""

    def __init__(self, data: Images) -> None:
        super().__init__()
        self._data = data

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.model.evaluate(self._data.x_train, self._data.y_train, batch_size=BATCH, verbose=0)


class Widths(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Compare the interval of the epoch that `gaps` has just measured with the exact validation losses."""

    def __init__(self, data: Images, gaps: GapCallback) -> None:
        super().__init__()
        self._data, self._gaps, self.found = data, gaps, list[Width]()
        self._each = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        output = self.model.predict(self._data.x_valid, batch_size=BATCH, verbose=0)
        losses = keras.ops.convert_to_numpy(self._each(self._data.y_valid, output))
        self.found.append(width(self._gaps.epochs[-1], losses))


def as_training(train: Callable[[Callable[[], None]], Trained]) -> Training:
    """Run `train(hand_over)` in a thread that runs only while it has the turn: `fit` can't be left and entered again."""
    ours, theirs, done = Semaphore(0), Semaphore(0), Future[Trained]()

    def hand_over() -> None:
        theirs.release()
        ours.acquire()

    def run() -> None:
        ours.acquire()
        try:
            done.set_result(train(hand_over))
        except BaseException as error:
            done.set_exception(error)
        theirs.release()

    Thread(target=run, daemon=True).start()
    while True:
        ours.release()
        theirs.acquire()
        if done.done():
            return done.result()
        yield


class KerasTrainings:
    """Trainings of one model on one set of examples."""

    def __init__(self, model: str, data: Images) -> None:
        self._model, self._data = model, data

    def train(self, arm: Arm, stopwatch: Stopwatch, *, seed: int, epochs: int, store: Path, watch: Any = None) -> Training:
        """Train anew and time all of it; `watch(gaps)` gives one more callback for the whygap arm."""
        return as_training(partial(self._fit, arm, stopwatch, seed=seed, epochs=epochs, store=store, watch=watch))

    def _fit(
        self,
        arm: Arm,
        stopwatch: Stopwatch,
        hand_over: Callable[[], None],
        *,
        seed: int,
        epochs: int,
        store: Path,
        watch: Any,
    ) -> Trained:
        keras.utils.set_random_seed(seed)
        data = self._data
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
            callbacks=[*callbacks, EpochEnds(stopwatch, hand_over, gaps)],
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

        train_in_turns({"whygap": partial(self.train, "whygap", seed=seed, epochs=epochs, store=store, watch=watch)})
        return made[0].found
