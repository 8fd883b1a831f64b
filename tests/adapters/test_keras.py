"""The Keras callback against Keras's own `evaluate`, on the backend that KERAS_BACKEND names (JAX by default)."""

import hashlib
import itertools
import random
import warnings

import keras
import numpy as np
import pytest

import whygap.adapters.epoch
import whygap.adapters.keras
import whygap.adapters.keras_probe
import whygap.adapters.keras_valid
import whygap.adapters.keras_visits
import whygap.adapters.repeats
import whygap.adapters.session
import whygap.adapters.spread
from whygap.adapters.budget import Ledger, Plan
from whygap.adapters.keras import GapCallback, undo_running_mean
from whygap.adapters.keras_tap import Peekable
from whygap.errors import InputError, WhygapWarning

BACKEND = keras.backend.backend()
CROSS_ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network(*, dropout=0.0, norm=False, penalty=None, metrics=("accuracy",), loss=CROSS_ENTROPY, **compile_options):
    keras.utils.set_random_seed(7)
    layers = [keras.Input((64,)), keras.layers.Dense(32, kernel_regularizer=penalty)]
    layers += [keras.layers.BatchNormalization()] if norm else []
    layers += [keras.layers.ReLU(), *([keras.layers.Dropout(dropout)] if dropout else []), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=list(metrics), **compile_options)
    return model


def fit(model, digits, *callbacks, epochs=3, **options):
    options = {"batch_size": 32, "validation_data": (digits.x_valid, digits.y_valid), "shuffle": True} | options
    return model.fit(digits.x_train, digits.y_train, epochs=epochs, verbose=0, callbacks=list(callbacks), **options)


def watcher(**options):
    return GapCallback(**({"budget": "exact", "store": False, "verbose": 0} | options))


def weights_by_epoch(digits, epochs, make=network, **options):
    """The same run without whygap: its history and its weights after every epoch."""
    weights = []
    model = make()

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append(self.model.get_weights())

    history = fit(model, digits, Keep(), epochs=epochs, **options).history
    return model, history, weights


def test_exact_terms_equal_kerass_own_evaluate(digits):
    callback = watcher()
    fit(network(), digits, callback)
    model, history, weights = weights_by_epoch(digits, 3)
    for epoch in range(3):
        model.set_weights(weights[epoch])
        train = model.evaluate(digits.x_train, digits.y_train, verbose=0, return_dict=True)
        for name in ("loss", "accuracy"):
            gap = callback.run.of(name)[epoch]
            reported, valid = history[name][epoch], history[f"val_{name}"][epoch]
            assert gap.train_reported == pytest.approx(reported, abs=1e-9)
            assert gap.term("averaging").value == pytest.approx(train[name] - reported, abs=1e-6)
            assert gap.term("generalisation").value == pytest.approx(valid - train[name], abs=1e-6)
            assert [t.cause for t in gap.terms] == ["averaging", "generalisation"]
            assert gap.term("averaging").estimate.low == gap.term("averaging").estimate.high


def test_sampled_terms_cover_the_exact_ones(digits):
    exact, covered, total = {}, 0, 0
    for budget in ("exact", 256, 257, 258):
        callback = watcher(budget=budget, seed=0 if budget == "exact" else budget)
        fit(network(dropout=0.3), digits, callback, epochs=6)
        for gap in callback.run.epochs:
            for term in gap.terms:
                key = (gap.epoch, gap.score.name, term.cause)
                if budget == "exact":
                    exact[key] = term.value
                else:
                    total += 1
                    covered += term.estimate.low <= exact[key] <= term.estimate.high
    assert total == 3 * 6 * 2 * 3
    assert covered >= 96  # Binomial(108, 0.95) is below 96 with a probability of 0.5 %


def test_mode_equals_many_evaluations(digits):
    callback = watcher()
    fit(network(dropout=0.5, norm=True), digits, callback, epochs=4)
    model, _, weights = weights_by_epoch(digits, 4, lambda: network(dropout=0.5, norm=True))
    hits = 0
    for epoch in range(4):
        means = []
        rng = np.random.default_rng(epoch)
        for _ in range(20):
            model.set_weights(weights[epoch])
            order = rng.permutation(1000)
            losses = []
            for part in np.array_split(order, range(32, 1000, 32)):
                output = model(digits.x_train[part], training=True)
                losses.append(float(keras.ops.convert_to_numpy(CROSS_ENTROPY(digits.y_train[part], output))) * len(part))
            means.append(sum(losses) / 1000)
        model.set_weights(weights[epoch])
        truth = model.evaluate(digits.x_train, digits.y_train, verbose=0)[0] - np.mean(means)
        mode = callback.epochs[epoch].term("mode").estimate
        assert mode.value == pytest.approx(truth, abs=3 * mode.se + 4 * np.std(means) / 20**0.5)
        hits += mode.low <= truth <= mode.high
    assert hits >= 3


@pytest.mark.parametrize("budget", ["exact", 256])
def test_penalty_on_both_sides(digits, budget):
    def make():
        return network(penalty="l2")

    callback = watcher(budget=budget)
    fit(make(), digits, callback)
    model, _, weights = weights_by_epoch(digits, 3, make)
    for epoch, gap in enumerate(callback.epochs):
        model.set_weights(weights[epoch])
        end = float(keras.ops.convert_to_numpy(sum(model.losses)))
        assert gap.term("penalty_valid").value == pytest.approx(end, rel=1e-5)
        # inside the training loss the penalty is that of the moving weights: between the two ends of the epoch
        start = float(0.01 * np.sum(weights[epoch - 1][0] ** 2)) if epoch else None
        if start is not None:
            assert min(start, end) - 1e-6 <= -gap.term("penalty").value <= max(start, end) + 1e-6
        evaluated = model.evaluate(digits.x_train, digits.y_train, verbose=0)[0] - end
        averaging, generalisation = gap.term("averaging").estimate, gap.term("generalisation").estimate
        data = gap.train_reported + gap.term("penalty").value
        if budget == "exact":
            assert averaging.value == pytest.approx(evaluated - data, abs=1e-6)
            assert generalisation.value == pytest.approx(gap.valid_reported - end - evaluated, abs=1e-6)
        assert gap.term("reduction") is None


@pytest.mark.parametrize("how", ["sample_weight", "class_weight"])
@pytest.mark.parametrize("budget", ["exact", 512])
def test_weights_are_a_reduction(digits, how, budget):
    weight = np.where(digits.y_train < 5, 3.0, 1.0)
    options = (
        {"sample_weight": weight} if how == "sample_weight" else {"class_weight": {c: 3.0 if c < 5 else 1.0 for c in range(10)}}
    )
    callback = watcher(budget=budget)
    fit(network(), digits, callback, **options)
    model, history, weights = weights_by_epoch(digits, 3, **options)
    for epoch, gap in enumerate(callback.epochs):
        model.set_weights(weights[epoch])
        train = model.evaluate(digits.x_train, digits.y_train, verbose=0)[0]
        end = gap.rung("end_weights").value
        if budget == "exact":
            assert end == pytest.approx(train, abs=1e-6)
        assert gap.term("reduction").value < -0.05  # weights of 2 on average make the reported loss about twice as large
        total = gap.term("reduction").value + gap.term("averaging").value
        assert total == pytest.approx(end - history["loss"][epoch], abs=1e-9)
        assert gap.term("generalisation").estimate.n >= 400


def test_visits_are_scored_with_the_very_masks_of_the_step(digits):
    """With dropout, the weighted mean of what is scored at a visit is what Keras reports: the masks are the same."""
    seen = []

    class Peek(GapCallback):
        def _measure(self, session, told):
            result = super()._measure(session, told)
            log = self._steps.log
            running = np.asarray([float(x["loss"]) for _, x in log.recorded])
            batches = undo_running_mean(running, np.asarray(log.rows, float))
            seen.extend((batches[i], h.at_visit.wait().scores["loss"], h.batches[0][2]) for i, _, h in log.sample())
            return result

    weight = np.linspace(0.5, 2.0, 1000)
    fit(network(dropout=0.5), digits, Peek(budget="exact", store=False, verbose=0), epochs=1, sample_weight=weight)
    assert len(seen) == 32
    for reported, each, w in seen:
        assert float(np.mean(each * np.asarray(keras.ops.convert_to_numpy(w)))) == pytest.approx(reported, rel=1e-3)


def test_validation_weights_are_a_reduction_of_validation(digits):
    callback = watcher()
    weight = np.linspace(1, 3, 400)
    fit(network(), digits, callback, epochs=1, validation_data=(digits.x_valid, digits.y_valid, weight))
    gap = callback.epochs[0]
    assert gap.term("reduction_valid").value == pytest.approx(gap.valid_reported - gap.rung("valid").value)
    assert gap.term("reduction_valid").value > 0


def test_a_third_sample_splits_generalisation(digits):
    callback = watcher(fresh=(digits.x_fresh, digits.y_fresh))
    model = network()
    fit(model, digits, callback, epochs=2)
    gap = callback.epochs[-1]
    loss = {
        name: model.evaluate(x, y, verbose=0)[0]
        for name, x, y in (("train", digits.x_train, digits.y_train), ("fresh", digits.x_fresh, digits.y_fresh))
    }
    assert gap.term("memorisation").value == pytest.approx(loss["fresh"] - loss["train"], abs=1e-6)
    assert gap.term("shift").value == pytest.approx(gap.valid_reported - loss["fresh"], abs=1e-6)


@pytest.mark.parametrize("given", ["arrays", "dataset", "split", "nothing"])
def test_ways_to_give_the_data(digits, given):
    class Batches(keras.utils.PyDataset):
        def __init__(self, x, y):
            super().__init__()
            self.x, self.y = x, y

        def __len__(self):
            return 4

        def __getitem__(self, i):
            return self.x[i * 100 : i * 100 + 100], self.y[i * 100 : i * 100 + 100]

    model = network(metrics=())
    if given == "arrays":
        callback = watcher(train=(digits.x_train, digits.y_train), valid=(digits.x_valid, digits.y_valid))
        fit(model, digits, callback, epochs=1)
    elif given == "dataset":
        callback = watcher(valid=Batches(digits.x_valid, digits.y_valid))
        fit(model, digits, callback, epochs=1, validation_data=None)
    elif given == "split":
        callback = watcher(train=(digits.x_train, digits.y_train))
        fit(model, digits, callback, epochs=1, validation_data=None, validation_split=0.25)
        assert "visited 750 rows, train has 1000" in callback.epochs[0].notes[0]
    else:
        callback = watcher()
        fit(model, digits, callback, epochs=1, validation_data=None)
        gap = callback.epochs[0]
        assert gap.gap is None
        assert gap.rung("end_weights") is not None
        return
    gap = callback.epochs[0]
    assert gap.term("averaging") is not None
    assert gap.term("generalisation") is not None
    n = 250 if given == "split" else 400
    assert gap.term("generalisation").value == pytest.approx(gap.valid_reported - gap.rung("end_weights").value, abs=1e-6)
    # in eval mode, right after each step, and a first batch at its visit; on torch once more, to see that the mode makes no
    # difference; and the validation set
    passes = 2 if BACKEND == "jax" else 3
    assert callback.run.epochs[0].evaluations == passes * (750 if given == "split" else 1000) + 32 + n


@pytest.mark.skipif(BACKEND != "jax", reason="the torch backend of Keras has no steps_per_execution")
def test_steps_per_execution(digits):
    callback = watcher()
    model = network(steps_per_execution=5)
    fit(model, digits, callback, epochs=2)
    train = model.evaluate(digits.x_train, digits.y_train, verbose=0)[0]
    gap = callback.epochs[-1]
    assert gap.rung("end_weights").value == pytest.approx(train, abs=1e-6)


@pytest.mark.parametrize("loss", ["mse", keras.losses.Huber(), lambda y, p: keras.ops.mean((y - p) ** 2, axis=-1)])
def test_losses_of_any_kind(loss, digits):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1)])
    model.compile("sgd", loss, metrics=["mae"])
    y = (digits.y_train / 9).astype("float32")  # of rank 1, the outputs of rank 2
    callback = watcher()
    model.fit(digits.x_train, y, validation_data=(digits.x_train[:50], y[:50]), epochs=1, verbose=0, callbacks=[callback])
    evaluated = model.evaluate(digits.x_train, y, verbose=0)
    assert callback.epochs[0].rung("end_weights").value == pytest.approx(evaluated[0], abs=1e-6)
    assert callback.run.of("mae")[0].rung("end_weights").value == pytest.approx(evaluated[1], abs=1e-6)
    assert callback.epochs[0].notes == ()


def test_several_outputs_with_weights(digits):
    keras.utils.set_random_seed(0)
    given = keras.Input((64,))
    outputs = {"digit": keras.layers.Dense(10, name="digit")(given), "even": keras.layers.Dense(1, name="even")(given)}
    model = keras.Model(given, outputs)
    losses = {"digit": CROSS_ENTROPY, "even": keras.losses.BinaryCrossentropy(from_logits=True)}
    model.compile("adam", losses, loss_weights={"digit": 1.0, "even": 0.5})

    def target(y):
        return {"digit": y, "even": (y % 2 == 0).astype("float32")}

    callback = watcher()
    valid = (digits.x_valid, target(digits.y_valid))
    model.fit(digits.x_train, target(digits.y_train), validation_data=valid, epochs=1, verbose=0, callbacks=[callback])
    evaluated = model.evaluate(digits.x_train, target(digits.y_train), verbose=0, return_dict=True)["loss"]
    assert callback.epochs[0].rung("end_weights").value == pytest.approx(evaluated, abs=1e-6)


def test_a_loss_of_the_models_own_is_noticed(digits, monkeypatch):
    class Own(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return super().compute_loss(x, y, y_pred, sample_weight, training) + 1.0

    keras.utils.set_random_seed(0)
    model = Own([keras.Input((64,)), keras.layers.Dense(10)])
    model.compile("adam", CROSS_ENTROPY)
    callback = watcher()
    fit(model, digits, callback, epochs=2)
    assert "pass loss=" in callback.epochs[0].notes[0]
    assert callback.epochs[1].term("reduction").value == pytest.approx(-1.0, abs=1e-3)


def test_undo_running_mean():
    rows = np.array([3.0, 3.0, 1.0])
    batches = np.array([4.0, -2.0, 10.0])
    running = np.cumsum(batches * rows) / np.cumsum(rows)
    np.testing.assert_allclose(undo_running_mean(running, rows), batches)


# ---------------------------------------------------------------- the promise


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


class StopIn(keras.callbacks.Callback):
    """Stop the run amid an epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.at, self.epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = self.model.stop_training or (self.epoch, batch) == self.at


def passing(monkeypatch, digits, *others, is_passing=True, **options):
    """Train with calls that pass unseen or without; return the gaps without their times, and how many calls were seen."""
    seen, after = [], whygap.adapters.keras_visits.Steps.after
    with monkeypatch.context() as patch:
        patch.setattr(
            whygap.adapters.keras_visits.Steps, "after", lambda self, *more: seen.append(self.number) or after(self, *more)
        )
        patch.setattr(whygap.adapters.repeats.Repeats, "begin_epoch", lambda self: setattr(self, "next_s", float("inf")))
        if not is_passing:
            patch.setattr(whygap.adapters.keras_visits.Steps, "_usual_of", lambda self, rows: None)
        callback = watcher(budget=96)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Keras: the data ran out
            fit(network(dropout=0.3), digits, callback, *others, epochs=4, **options)
    gaps = [(g.train_reported, g.valid_reported, g.terms, g.rungs, g.notes) for g in callback.epochs]
    return gaps, [seen.count(epoch) for epoch in range(1, 5)]


@pytest.mark.parametrize("batch_size", [32, 40], ids=["a short last batch", "all alike"])
def test_calls_that_pass_unseen_change_nothing(digits, monkeypatch, batch_size):
    gaps, seen = passing(monkeypatch, digits, batch_size=batch_size)
    every, all_seen = passing(monkeypatch, digits, is_passing=False, batch_size=batch_size)
    assert gaps == every
    n = -(-1000 // batch_size)
    assert all_seen == [n] * 4
    assert seen[0] == n
    assert max(seen[1:]) < n * 3 / 4


def test_a_run_that_is_stopped_among_calls_that_pass_unseen(digits, monkeypatch):
    gaps, seen = passing(monkeypatch, digits, StopIn(2, 17))
    every, all_seen = passing(monkeypatch, digits, StopIn(2, 17), is_passing=False)
    assert all_seen[2] == 18 > seen[2]
    assert len(gaps) == len(every) == 3
    assert gaps[:2] == every[:2]
    assert gaps[2][:2] == every[2][:2]
    for ours, theirs in zip(gaps[2][2], every[2][2], strict=True):  # the last running mean is told by Keras, in full precision
        assert (ours.cause, ours.value) == (theirs.cause, pytest.approx(theirs.value, abs=1e-6))


def test_batches_that_are_others_in_a_later_epoch_are_told(digits, monkeypatch):
    monkeypatch.delenv("WHYGAP_STRICT", raising=False)

    def growing():
        for k in itertools.count():
            rows = slice(0, 32 if k < 10 else 48)
            yield digits.x_train[rows], digits.y_train[rows]

    callback = watcher(budget=96)
    keras.utils.set_random_seed(0)
    with pytest.warns(WhygapWarning, match="batches differ from those of the epochs before: 48 rows, 32 until now"):
        network().fit(growing(), steps_per_epoch=10, epochs=4, verbose=0, shuffle=False, callbacks=[callback])
    assert [bool(gap.terms) for gap in callback.epochs] == [True, False, True, True]


@pytest.mark.parametrize(
    ("allowed", "is_little", "units", "is_whole"),
    [(640, False, 16, True), (480, False, 12, True), (120, False, 5, True), (50, True, 5, True), (50, False, 16, False)],
)
def test_fewer_batches_are_scored_whole_where_not_all_can_be_paid_for(digits, monkeypatch, allowed, is_little, units, is_whole):
    """Some rows of all of them would tell less; they are what is left where not even a few whole ones can be had."""
    seen = []

    def noting(score, log, reported, *, sampled, **others):
        seen.append((sampled.batch.size, sampled.is_deep(log.rows), sampled.unit.size))
        return build(score, log, reported, sampled=sampled, **others)

    build = whygap.adapters.keras.build_observation
    monkeypatch.setattr(whygap.adapters.keras, "build_observation", noting)
    monkeypatch.setattr(Ledger, "plan", lambda self, **options: Plan(16, None, 0))
    monkeypatch.setattr(Ledger, "rows_allowed", lambda self, held, **options: min(held, allowed))
    monkeypatch.setattr(Ledger, "is_little", lambda self, rows: is_little)
    callback = watcher(budget=0.02)
    fit(network(metrics=()), digits, callback, epochs=2, batch_size=40)
    assert [s[:2] for s in seen] == [(units, is_whole)] * 2
    assert is_whole or allowed <= seen[0][2] < 2 * allowed
    for gap in callback.epochs:
        generalisation = gap.term("generalisation").estimate
        assert generalisation.low < generalisation.value < generalisation.high


def test_few_whole_batches_are_told_how_far_those_of_epochs_before_differed(digits, monkeypatch):
    """But for the first epoch, and for each estimator by itself."""
    told = []

    def noting(score, log, reported, *, earlier, **others):
        told.append(earlier)
        return build(score, log, reported, earlier=earlier, **others)

    build = whygap.adapters.keras.build_observation
    monkeypatch.setattr(whygap.adapters.keras, "build_observation", noting)
    callback = watcher(budget=160)
    fit(network(metrics=()), digits, callback, epochs=6)
    methods = [one.method for one in told]
    df = [one.spread["eval_mode"][1] if one.spread else 0.0 for one in told]
    assert df[:2] == [0.0, 0.0]
    for epoch in range(2, 6):
        before = [k for k in range(1, epoch) if methods[k] == methods[epoch]]
        assert (df[epoch] > 0.0) == bool(before)
    used = [g.term("averaging").estimate.df for g in callback.epochs]
    assert max(df) > 4.0
    assert max(used[2:]) > max(used[:2])


def test_a_run_that_stops_before_a_sampled_batch_is_told_so(digits, monkeypatch):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    monkeypatch.delenv("WHYGAP_STRICT", raising=False)
    monkeypatch.setattr(random.Random, "random", lambda self: 0.5)  # the middle of each block
    callback = watcher(budget=64)
    with pytest.warns(WhygapWarning, match="training stopped before one of this epoch's sampled batches"):
        fit(network(metrics=()), digits, callback, Stop(), epochs=1, batch_size=8)
    assert callback.epochs[0].terms == ()
