"""The Keras callback against Keras's own `evaluate`, on the backend that KERAS_BACKEND names (JAX by default)."""

import keras
import numpy as np
import pytest
from tests.adapters.keras_runs import BACKEND, CROSS_ENTROPY, fit, network, watcher, weights_by_epoch

from whygap.adapters.keras import GapCallback, undo_running_mean


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
