"""The demo: an LSTM whose training loss stays above its validation loss, trained for real and explained."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from whygap.errors import InputError, MissingPackageError
from whygap.process import Sequences, draw_sequences
from whygap.records import Run, Verdict

EPOCHS, BATCH, UNITS = 12, 32, 50
Progress = Callable[[int, int], None]
"""Called with the steps done so far and the steps in all."""


def load_keras() -> Any:
    """Import Keras, on JAX unless KERAS_BACKEND says otherwise.

    Raises
    ------
    MissingPackageError
        If Keras or its backend isn't installed.
    """
    os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        import keras
    except ImportError as error:
        raise MissingPackageError(f"the demo needs Keras and JAX ({error}): pip install 'whygap[demo]'") from error
    return keras


def build_model(seed: int) -> Any:
    """Seed Keras, Python and NumPy, and return the compiled network: 50 LSTM units, one dense output, Adam, squared error.

    Raises
    ------
    MissingPackageError
        As `load_keras`.
    """
    keras = load_keras()
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((5, 5)), keras.layers.LSTM(UNITS), keras.layers.Dense(1)]
    model = keras.Sequential(layers, name="lstm")
    model.compile(optimizer="adam", loss="mse")
    return model


class Demo:
    """One training run of the demo, on `draw_sequences`: its targets are made of the means of each set of 5,000.

    Parameters
    ----------
    seed : int
        Of the data, the initial weights and the order of the examples.
    epochs : int
        Full passes over the 5,000 training sequences.
    budget : float, int or "exact"
        As in `GapCallback`.
    store : path, None or False
        As in `GapCallback`.

    Raises
    ------
    InputError
        If `epochs` isn't positive, or the budget is of the wrong kind.
    MissingPackageError
        If Keras isn't installed.
    """

    def __init__(self, *, seed: int = 0, epochs: int = EPOCHS, budget: Any = "exact", store: Any = None) -> None:
        if epochs < 1:
            raise InputError(f"epochs must be at least 1, not {epochs}")
        self.keras = load_keras()
        from whygap.adapters.keras import GapCallback

        self.seed, self.n_epochs = seed, epochs
        self.data: Sequences = draw_sequences(seed)
        self.callback = GapCallback(budget=budget, store=store, name="demo: LSTM on generated sequences", verbose=0)

    def train(self, progress: Progress | None = None) -> None:
        """Train the network; `run` grows by one epoch at a time and is on disk as it grows.

        Raises
        ------
        MissingPackageError
            As `load_keras`.
        """
        model = build_model(self.seed)
        callbacks: list[Any] = [self.callback]
        if progress is not None:
            callbacks.append(_progress_callback(self.keras, self.n_epochs, progress))
        d = self.data
        model.fit(
            d.x_train,
            d.y_train,
            validation_data=(d.x_valid, d.y_valid),
            epochs=self.n_epochs,
            batch_size=BATCH,
            verbose=0,
            callbacks=callbacks,
        )

    @property
    def run(self) -> Run:
        """The run so far.

        Raises
        ------
        InputError
            If the training has not begun.
        """
        return self.callback.run

    @property
    def n_measured(self) -> int:
        """Epochs that have been measured; 0 before the training has begun."""
        try:
            return len(self.run.of())
        except InputError:
            return 0

    @property
    def n_unsaved(self) -> int:
        """Epochs that could not be written to the store."""
        return self.callback.n_unsaved

    def explain(self) -> Verdict:
        """Return the verdict on the run so far."""
        return self.callback.explain()


def _progress_callback(keras: Any, epochs: int, progress: Progress) -> Any:
    class Steps(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        async_safe = True  # it reads no logs: the training needn't wait for it
        done = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.done += 1
            progress(self.done, epochs * (self.params["steps"] or 1))

    return Steps()
