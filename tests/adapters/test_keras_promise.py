"""Bit for bit the same run, with and without the callback, whatever fails inside it, and awkward input."""

import hashlib
import random
import warnings

import keras
import numpy as np
import pytest
from tests.adapters.keras_runs import BACKEND, CROSS_ENTROPY, fit, network, watcher

import whygap.adapters.epoch
import whygap.adapters.keras
import whygap.adapters.keras_probe
import whygap.adapters.keras_valid
import whygap.adapters.keras_visits
import whygap.adapters.repeats
import whygap.adapters.session
import whygap.adapters.spread
from whygap.adapters.keras import GapCallback
from whygap.adapters.keras_tap import Peekable
from whygap.errors import InputError, WhygapWarning


class Noisy(keras.utils.PyDataset):
    """Draws from the global generators of Python and NumPy and fills the same buffer again and again."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y, self.buffer = x, y, np.empty((40, 64), "float32")

    def __len__(self):
        return 25

    def __getitem__(self, i):
        part = slice(40 * i, 40 * i + 40)
        self.buffer[:] = self.x[part] + np.random.normal(0, 0.01) + random.gauss(0, 0.01)  # noqa: NPY002
        return self.buffer, self.y[part]

    def on_epoch_end(self):
        order = np.random.permutation(1000)  # noqa: NPY002
        self.x, self.y = self.x[order], self.y[order]


def run(digits, options, *, data="arrays", epochs=3, before=None):
    """Train with everything that draws at random and return a digest of all that a user could notice."""
    model = network(dropout=0.4, norm=True, penalty="l2")
    callback = None if options is None else watcher(**options)
    if before:
        before(callback)
    logged = []

    class Log(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            logged.append(sorted(logs.items()))

        def on_epoch_end(self, epoch, logs=None):
            logged.append(sorted(logs.items()))

    callbacks = [Log(), *([callback] if callback else []), Log()]
    valid = (digits.x_valid, digits.y_valid)
    train = (digits.x_train, digits.y_train) if data == "arrays" else (Noisy(digits.x_train, digits.y_train), None)
    size = {"batch_size": 32} if data == "arrays" else {}
    model.fit(*train, validation_data=valid, epochs=epochs, verbose=0, callbacks=callbacks, **size)
    digest = hashlib.sha256(repr(logged).encode())
    for value in (*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)):
        digest.update(np.asarray(value).tobytes())
    digest.update(repr(random.getstate()).encode() + np.random.get_state()[1].tobytes())  # noqa: NPY002
    digest.update(
        repr([np.asarray(keras.ops.convert_to_numpy(v.value)).tolist() for v in model.non_trainable_variables]).encode()
    )
    if BACKEND == "torch":
        import torch

        digest.update(torch.get_rng_state().numpy().tobytes())
        digest.update(repr([m.training for m in model.modules()]).encode())
    return digest.hexdigest(), callback


@pytest.fixture(scope="module", params=["arrays", "dataset"])
def bare(request, digits):
    digest, _ = run(digits, None, data=request.param)
    assert digest == run(digits, None, data=request.param)[0]  # else the comparison would mean nothing
    return request.param, digest


@pytest.mark.parametrize("budget", ["exact", 100])
@pytest.mark.parametrize("store", [False, None])
def test_bit_for_bit_the_same_run(digits, bare, budget, store):
    data, expected = bare
    digest, callback = run(digits, {"budget": budget, "store": store}, data=data)
    assert digest == expected
    assert len(callback.epochs) == 3
    assert {"penalty", "averaging", "mode", "generalisation", "penalty_valid"} <= {t.cause for t in callback.epochs[0].terms}


def test_nothing_of_ours_stays_on_the_model(digits):
    model = network()
    fit(model, digits, watcher(), epochs=1)
    assert "Tap" not in type(model.train_function).__name__
    assert "Tap" not in type(model.test_function).__name__
    fit(model, digits, epochs=1)


def fails(*arguments, **keywords):
    np.random.rand(7)  # noqa: NPY002 - leaves its traces before it fails
    random.random()
    raise RuntimeError("planted")


def fails_in_bookkeeping(*arguments, **keywords):
    """What runs at every batch draws nothing, and its random state isn't saved for the time of it."""
    raise RuntimeError("planted")


PLANTED = [
    (whygap.adapters.keras_visits, "rows_of", fails_in_bookkeeping),
    (whygap.adapters.keras_visits, "copied", fails_in_bookkeeping),
    (whygap.adapters.keras_valid, "count_rows", fails_in_bookkeeping),
    (whygap.adapters.keras, "KerasProbe", fails),
    (whygap.adapters.keras, "score_rungs", fails),
    (whygap.adapters.keras, "build_observation", fails),
    (whygap.adapters.keras, "undo_running_mean", fails),
    (whygap.adapters.keras_probe.KerasProbe, "prepare", fails),
    (whygap.adapters.keras_probe.KerasProbe, "score", fails),
    (whygap.adapters.keras_probe.KerasProbe, "state", fails),
    (whygap.adapters.epoch.VisitLog, "__init__", fails),
    (whygap.adapters.repeats, "hash_examples", fails_in_bookkeeping),
    (whygap.adapters.repeats, "judge_repetition", fails_in_bookkeeping),
    (whygap.adapters.spread.Spread, "wants", fails_in_bookkeeping),
    (whygap.adapters.spread.Spread, "keep", fails_in_bookkeeping),
    (whygap.adapters.session, "build_epoch_gap", fails),
    (whygap.adapters.session, "Store", fails),
    (whygap.adapters.session, "judge", fails),
]


@pytest.fixture(scope="module")
def undisturbed(digits):
    return run(digits, None, epochs=2)[0]


@pytest.mark.parametrize(("place", "name", "bug"), PLANTED, ids=[f"{p.__name__}.{n}" for p, n, _ in PLANTED])
def test_a_bug_inside_leaves_the_run_as_it_is_and_warns_once(digits, undisturbed, monkeypatch, place, name, bug):
    monkeypatch.delenv("WHYGAP_STRICT")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plant = lambda callback: monkeypatch.setattr(place, name, bug)  # noqa: E731  # two kinds of one thing
        digest, callback = run(digits, {"store": None, "verbose": 1 if name == "judge" else 0}, before=plant, epochs=2)
    assert digest == undisturbed
    ours = [w for w in caught if w.category is WhygapWarning]
    assert len(ours) == 1
    assert "planted" in str(ours[0].message)
    assert len(callback.epochs) == 2


# ---------------------------------------------------------------- awkward input


def test_nan_in_the_middle_of_a_run(digits):
    model = network()
    x = digits.x_train.copy()
    x[500] = np.nan
    callback = watcher()
    model.fit(x, digits.y_train, validation_data=(digits.x_valid, digits.y_valid), epochs=2, verbose=0, callbacks=[callback])
    assert callback.epochs[0].gap is None
    assert "training loss is nan" in " ".join(callback.epochs[0].notes)
    assert callback.explain().overfitting.state == "cannot_tell"


def test_one_example_on_each_side(digits):
    callback = watcher()
    valid = (digits.x_valid[:1], digits.y_valid[:1])
    network().fit(digits.x_train[:1], digits.y_train[:1], validation_data=valid, verbose=0, callbacks=[callback])
    assert not callback.epochs[0].term("generalisation").estimate.reliable


def test_interrupted_in_mid_epoch(digits, tmp_path):
    from whygap.store import Store

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.params["epochs"] and batch == 5 and len(callback.run.epochs) == 4:
                raise KeyboardInterrupt

    callback = watcher(store=tmp_path / "runs.db")
    model = network()
    with pytest.raises(KeyboardInterrupt):
        fit(model, digits, callback, Stop(), epochs=5)
    with Store(tmp_path / "runs.db", readonly=True) as store:
        run = store.load("last")
    assert run.epochs == callback.run.epochs
    assert [e.epoch for e in run.of("loss")] == [1, 2]
    fit(model, digits, watcher(), epochs=1)  # the model can be trained again


@pytest.mark.parametrize("others", [False, True])
def test_a_fit_that_was_interrupted_between_steps_leaves_nothing_on_the_model(digits, others):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 5:
                raise KeyboardInterrupt

    old = watcher()
    model = network()
    with pytest.raises(KeyboardInterrupt):
        fit(model, digits, old, Stop(), epochs=1)
    new = watcher()
    fit(model, digits, *([new] if others else []), epochs=1)
    assert len(old._steps.log.rows) == 5
    assert old.run.epochs == ()
    if others:
        assert new.epochs[0].term("averaging").estimate.n == 1000
    fit(model, digits, epochs=1)
    assert "Tap" not in type(model.train_function).__name__


def test_errors_of_the_users_own_data_stay_theirs(digits):
    def batches():
        yield digits.x_train[:32], digits.y_train[:32]
        raise ValueError("their own")

    with pytest.raises(ValueError, match="their own"):
        network().fit(batches(), verbose=0, shuffle=False, callbacks=[watcher(valid=(digits.x_valid, digits.y_valid))])


def test_an_empty_validation_set_is_refused_before_training(digits):
    with pytest.raises(InputError, match="validation set is empty"):
        GapCallback(valid=(digits.x_valid[:0], digits.y_valid[:0]), store=False)
    with pytest.raises(InputError, match="validation set is empty"):
        GapCallback(valid=[], store=False)


def test_wrong_arguments_are_refused_before_training():
    with pytest.raises(InputError, match="budget"):
        GapCallback(budget=0.0)
    with pytest.raises(InputError, match="validation data"):
        GapCallback(valid=3)


def test_a_scalar_loss_is_told(digits, monkeypatch):
    monkeypatch.delenv("WHYGAP_STRICT")
    callback = watcher(loss=lambda y, p: keras.ops.mean(p))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(network(), digits, callback, epochs=1)
    ours = [str(w.message) for w in caught if w.category is WhygapWarning]
    assert len(ours) == 1
    assert "scalar for a batch of 32 examples" in ours[0]


def test_a_model_without_parameters(digits):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Lambda(lambda x: x[:, :10])])
    model.compile("sgd", CROSS_ENTROPY)
    callback = watcher()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns that there is nothing to train
        fit(model, digits, callback, epochs=1)
    assert callback.epochs[0].term("averaging").value == pytest.approx(0.0, abs=1e-5)


def test_before_anything_was_fitted():
    with pytest.raises(InputError, match="nothing has been measured"):
        GapCallback().explain()


def test_peekable_raises_errors_where_they_belong():
    def items():
        yield 1
        raise OSError("theirs")

    stream = Peekable(items())
    assert stream.peek() == 1
    assert next(stream) == 1
    assert stream.peek() is None
    with pytest.raises(OSError, match="theirs"):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)
    assert stream.taken == [1]
