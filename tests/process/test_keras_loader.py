"""What Keras' `fit` trains on: the stream's batches, each once, also after its look at the first one, and after a stop."""

import contextlib

import keras
import numpy as np
import pytest

from whygap.errors import InputError
from whygap.process import Fresh, SequenceRegression, Stream
from whygap.process.loaders.keras import KerasLoader

N, BATCH = 203, 16  # 13 batches an epoch


def stream(regime=None, **options):
    return Stream(**{"process": SequenceRegression(), "regime": regime or Fresh(N), "batch_size": BATCH, "seed": 4} | options)


def expected(*epochs):
    s = stream()
    return [s.batch(o)[0].tobytes() for e in epochs for o in s.offsets(e * N)]


class Stop(keras.callbacks.Callback):
    """Notes the loader's state after each batch and stops at one of them, as a crash would."""

    def __init__(self, loader, at):
        super().__init__()
        self.loader, self.at, self.states = loader, at, []

    def on_train_batch_end(self, batch, logs=None):
        if self.at is not None:
            self.states.append(self.loader.state_dict())
            if len(self.states) == self.at:
                raise KeyboardInterrupt


def fit(loader, epochs, *, first=0, shuffle=False, stop=None):
    """Return the bytes of x of every batch that a step is taken on, and the states after them."""
    seen = []
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    step = model.train_step

    def train_step(state, data):
        seen.append(np.asarray(data[0]).tobytes())
        return step(state, data)

    model.train_step = train_step
    callback = Stop(loader, stop)
    with contextlib.suppress(KeyboardInterrupt):
        model.fit(loader, epochs=epochs, initial_epoch=first, shuffle=shuffle, verbose=0, callbacks=[callback])
    return seen, callback.states


def test_every_epoch_is_the_streams_next():
    loader = KerasLoader(stream())
    seen, _ = fit(loader, 3)
    assert seen == expected(0, 1, 2)
    assert loader.state_dict() == {"offset": 3 * N}
    seen, _ = fit(loader, 1)  # another model, another look
    assert seen == expected(3)


def test_shuffled_by_keras_the_batches_are_still_each_there_once():
    loader = KerasLoader(stream())
    seen, _ = fit(loader, 2, shuffle=True)
    assert seen != expected(0, 1)
    assert sorted(seen[:13]) == sorted(expected(0))
    assert sorted(seen[13:]) == sorted(expected(1))


@pytest.mark.parametrize("stop", [1, 7, 13, 20])
def test_a_run_that_was_stopped_goes_on_with_the_same_batches(stop):
    seen, states = fit(KerasLoader(stream()), 2, stop=stop)
    loader = KerasLoader(stream())
    loader.load_state_dict(states[-1])
    for epoch in range(loader.epoch, 2):
        seen += fit(loader, epoch + 1, first=epoch)[0]
    assert seen == expected(0, 1)


def test_a_state_amid_shuffled_batches_is_refused():
    loader = KerasLoader(stream())
    loader[0]
    assert loader.state_dict() == {"offset": BATCH}
    loader[5]
    with pytest.raises(InputError, match="call fit with shuffle=False"):
        loader.state_dict()
    for batch in range(13):
        loader[batch]
    assert loader.state_dict() == {"offset": N}
    with pytest.raises(IndexError, match="none with number 13"):
        loader[13]


def test_shorter_epochs_of_keras_go_on_through_the_stream():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    seen, step = [], model.train_step

    def train_step(state, data):
        seen.append(np.asarray(data[0]).tobytes())
        return step(state, data)

    model.train_step = train_step
    model.fit(KerasLoader(stream()), epochs=2, steps_per_epoch=6, shuffle=False, verbose=0)
    assert seen == expected(0)[:12]
