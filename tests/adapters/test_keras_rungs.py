"""Every rung of the Keras callback against an evaluation in plain Keras, and what it sees of a validation for nothing."""

import warnings

import keras
import numpy as np
import pytest
from tests.adapters.keras_runs import BACKEND, CROSS_ENTROPY, fit, network, weights_by_epoch

from whygap.adapters import keras_programs
from whygap.adapters.budget import FEWEST_WHOLE
from whygap.adapters.keras import GapCallback
from whygap.adapters.keras_parts import in_inference, parts_of
from whygap.adapters.keras_tap import Tap
from whygap.errors import InputError

EACH = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)


def each(model, x, y, training=False):
    return keras.ops.convert_to_numpy(EACH(y, model(x, training=training)))


class Observing(GapCallback):
    """Keeps the observations that the ladder is built from."""

    def __init__(self, **options):
        super().__init__(**({"budget": "exact", "store": False, "verbose": 0} | options))
        self.seen = []

    def _measure(self, session, told):
        result = super()._measure(session, told)
        self.seen += [o for o in result[0] if o.score.name == "loss"]
        return result


def mean(observation, rung):
    return observation.sample.on_rung[rung].mean()


# ---------------------------------------------------------------- mode


def test_a_layer_in_inference_is_as_if_it_were_called_so():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.BatchNormalization()])
    parts = parts_of(model)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")

    def output(training):
        return keras.ops.convert_to_numpy(keras.ops.stop_gradient(model(x, training=training)))

    with in_inference(parts.layers(("dropout", "batch norm"))):
        np.testing.assert_array_equal(output(training=True), output(training=False))
    assert not np.array_equal(output(training=True), output(training=False))
    assert not any("call" in vars(layer) for layer in model.layers)


def test_parts_that_do_nothing_are_none():
    frozen = keras.layers.BatchNormalization(trainable=False)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.0), frozen, keras.layers.LayerNormalization()])
    assert parts_of(model) == ((), (), False)
    noisy = keras.Sequential([keras.Input((4, 2)), keras.layers.SpatialDropout1D(0.5), keras.layers.GaussianNoise(0.1)])
    assert len(parts_of(noisy).dropout) == 2


def test_batch_norm_is_told_apart_from_dropout(digits):
    """With dropout off, what is left in train mode is batch norm, and that can be computed without any mask."""

    def make():
        return network(dropout=0.5, norm=True, metrics=())

    callback = Observing()
    fit(make(), digits, callback, epochs=2, shuffle=False)
    model, _, weights = weights_by_epoch(digits, 2, make, shuffle=False)
    for epoch, o in enumerate(callback.seen):
        model.set_weights(weights[epoch])
        model.layers[3].rate = 0.0  # Keras's Dropout does nothing then
        losses = []
        for start in range(0, 1000, 32):
            part = slice(start, start + 32)
            losses.append(each(model, digits.x_train[part], digits.y_train[part], training=True))
            model.set_weights(weights[epoch])  # as batch norm's statistics have moved
        model.layers[3].rate = 0.5
        assert mean(o, "without_dropout") == pytest.approx(np.concatenate(losses).mean(), abs=1e-6)
        evaluated = each(model, digits.x_train, digits.y_train).mean()
        assert mean(o, "eval_mode") == pytest.approx(evaluated, abs=1e-6)
        assert mean(o, "without_batch_norm") == pytest.approx(evaluated, abs=1e-6)
    parts = callback.epochs[-1].term("mode").parts
    assert [p.name for p in parts] == ["dropout", "batch norm"]
    assert sum(p.value for p in parts) == pytest.approx(callback.epochs[-1].term("mode").value, abs=1e-9)


@pytest.mark.parametrize(("options", "rungs"), [({}, set()), ({"dropout": 0.5}, {"without_dropout"})])
def test_absent_parts_have_no_rung(digits, options, rungs):
    callback = Observing()
    fit(network(metrics=(), **options), digits, callback, epochs=1)
    assert {r for r in callback.seen[0].sample.on_rung if r.startswith("without")} == rungs


# ---------------------------------------------------------------- own update


def test_own_update_equals_scoring_each_batch_right_after_its_step(digits):
    callback = Observing()
    fit(network(metrics=()), digits, callback, epochs=2, shuffle=False)
    model = network(metrics=())
    for o in callback.seen:
        after = []
        for start in range(0, 1000, 32):
            x, y = digits.x_train[start : start + 32], digits.y_train[start : start + 32]
            model.train_on_batch(x, y)
            after.append(each(model, x, y))
        np.testing.assert_allclose(o.sample.on_rung["after_update"][0], np.concatenate(after), rtol=1e-4, atol=1e-5)
    parts = {p.name: p.value for p in callback.epochs[-1].term("averaging").parts}
    assert parts["own update"] == pytest.approx(np.concatenate(after).mean() - callback.epochs[-1].train_reported, abs=1e-5)
    assert sum(parts.values()) == pytest.approx(callback.epochs[-1].term("averaging").value, abs=1e-9)


# ---------------------------------------------------------------- clean, criterion, weights


def test_clean_view(digits):
    noise = np.random.default_rng(0).normal(0, 0.3, digits.x_train.shape).astype("float32")
    callback = Observing(clean=lambda batch: (keras.ops.convert_to_numpy(batch[0]) // 4, *batch[1:]))
    model = network(metrics=())
    x = (4 * np.round(16 * digits.x_train) + np.abs(noise).clip(0, 1)).astype("float32")  # the noise is what isn't in the fours
    model.fit(x, digits.y_train, epochs=1, verbose=0, shuffle=False, callbacks=[callback])
    o = callback.seen[0]
    assert mean(o, "eval_mode") == pytest.approx(each(model, x, digits.y_train).mean(), rel=1e-5)
    assert mean(o, "clean_view") == pytest.approx(each(model, x // 4, digits.y_train).mean(), rel=1e-5)


def test_criterion(digits):
    def criterion(y, output):
        return keras.ops.square(EACH(y, output))

    given = {"valid": (digits.x_valid, digits.y_valid), "fresh": (digits.x_fresh, digits.y_fresh)}
    callback = Observing(criterion=criterion, **given)
    model = network(metrics=())
    fit(model, digits, callback, epochs=1, validation_data=None)
    o = callback.seen[0]
    losses = {n: (each(model, x, y) ** 2).mean() for n, (x, y) in given.items()}
    train = (each(model, digits.x_train, digits.y_train) ** 2).mean()
    assert mean(o, "valid_criterion") == pytest.approx(train, abs=1e-5)
    assert o.valid.score.mean() == pytest.approx(losses["valid"], abs=1e-5)
    assert o.fresh.mean() == pytest.approx(losses["fresh"], abs=1e-5)
    assert callback.epochs[0].term("criterion").value == pytest.approx(
        train - each(model, digits.x_train, digits.y_train).mean(), abs=1e-5
    )


def averaging_network():
    model = network(metrics=())
    model.compile(keras.optimizers.Adam(3e-3, use_ema=True, ema_momentum=0.9), CROSS_ENTROPY)
    return model


@pytest.mark.parametrize("swap", [{}, {"swap_on_epoch": True}])
def test_averaged_weights_with_swap_ema_weights(digits, swap):
    """Keras validates with the averages then; the training examples are scored with both."""
    callback = Observing(weights="ema")
    fit(averaging_network(), digits, callback, keras.callbacks.SwapEMAWeights(**swap), epochs=3)
    states = []

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            averages = self.model.optimizer._model_variables_moving_average
            states.append((self.model.get_weights(), [keras.ops.convert_to_numpy(v) for v in averages]))

    model = averaging_network()
    fit(model, digits, Keep(), epochs=3)
    for o, (weights, averages) in zip(callback.seen, states, strict=True):
        for rung, values in (("eval_mode", weights), ("valid_weights", averages)):
            model.set_weights(values)
            assert mean(o, rung) == pytest.approx(each(model, digits.x_train, digits.y_train).mean(), abs=1e-5)
        assert o.valid_reported == pytest.approx(each(model, digits.x_valid, digits.y_valid).mean(), abs=1e-5)
        assert o.valid.score.mean() == pytest.approx(o.valid_reported, abs=1e-5)
        assert o.notes == ()
    term = callback.epochs[0].term("weights")
    assert term.value == pytest.approx(mean(callback.seen[0], "valid_weights") - mean(callback.seen[0], "eval_mode"), abs=1e-6)


def test_a_swap_that_came_first_is_noticed(digits):
    callback = Observing(weights="ema")
    fit(averaging_network(), digits, keras.callbacks.SwapEMAWeights(swap_on_epoch=True), callback, epochs=2)
    assert "SwapEMAWeights belongs after" in callback.seen[1].notes[0]


def test_weights_of_ones_own(digits):
    kept = []

    def weights(model):
        kept.append([0.5 * w for w in model.get_weights()])
        return kept[-1]

    given = (digits.x_valid, digits.y_valid)
    callback = Observing(weights=weights, valid=given)
    model = network(metrics=(), norm=True)
    fit(model, digits, callback, epochs=2, validation_data=None)
    model.set_weights(kept[-1])
    o = callback.seen[-1]
    assert mean(o, "valid_weights") == pytest.approx(each(model, digits.x_train, digits.y_train).mean(), abs=1e-5)
    assert o.valid.score.mean() == pytest.approx(each(model, *given).mean(), abs=1e-5)


def test_wrong_weights_are_refused(digits):
    with pytest.raises(InputError, match="weights must be"):
        GapCallback(weights=3)
    with pytest.raises(InputError, match="clean must be callable"):
        GapCallback(clean=3)
    for weights, why in (("ema", "use_ema=True"), ([1.0], "list of 4 arrays"), (lambda m: m.get_weights()[::-1], "have shape")):
        with pytest.raises(InputError, match=why):
            fit(network(), digits, Observing(weights=weights), epochs=1)


# ---------------------------------------------------------------- validation that isn't scored twice


def test_validation_costs_nothing_where_it_has_many_batches(digits):
    callback = Observing(budget=0.02)
    fit(network(penalty="l2"), digits, callback, epochs=3, validation_batch_size=16)
    model, _, weights = weights_by_epoch(digits, 3, lambda: network(penalty="l2"), validation_batch_size=16)
    model.set_weights(weights[-1])
    o = callback.seen[-1]
    losses = each(model, digits.x_valid, digits.y_valid)
    np.testing.assert_allclose(o.valid.score, losses.reshape(25, 16).mean(axis=1), rtol=1e-3, atol=1e-4)
    assert o.valid.rows.tolist() == [16] * 25
    assert o.valid.mean is None
    assert callback.epochs[-1].term("penalty_valid") is not None
    assert callback.epochs[-1].term("reduction_valid") is None


def test_a_sorted_validation_set_is_scored_by_example(digits):
    x, y = np.tile(digits.x_valid, (4, 1)), np.tile(digits.y_valid, 4)
    order = np.argsort(y, kind="stable")
    y[order[:800]] = 9 - y[order[:800]]  # so that the losses differ between the halves
    callback = Observing(budget=0.02)
    fit(network(), digits, callback, epochs=2, validation_data=(x[order], y[order]))
    o = callback.seen[-1]
    assert o.valid.rows is None
    assert 256 <= o.valid.score.size < 600
    assert o.valid.mean == pytest.approx(o.valid_reported, rel=1e-6)
    sample, losses = o.valid.score, each(callback._watched, x, y)
    assert sample.std() == pytest.approx(losses.std(), rel=0.25)


def test_few_or_weighted_validation_batches_are_scored(digits):
    callback = Observing(budget=0.02)
    fit(network(), digits, callback, epochs=2, validation_batch_size=200)
    assert callback.seen[-1].valid.score.size == 256
    weighted = Observing(budget=0.02)
    valid = (digits.x_valid, digits.y_valid, np.linspace(1, 3, 400))
    fit(network(), digits, weighted, epochs=2, validation_data=valid)
    assert weighted.seen[-1].valid.score.size == 400
    assert weighted.epochs[-1].term("reduction_valid").value > 0


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize("budget", [0.02, 100, 300])
def test_sampled_rows_have_the_scores_that_they_have_alone(digits, budget):
    """However rows are joined and padded for scoring, each gets its own score."""
    callback = Observing(budget=budget)
    model = network(metrics=(), norm=True, dropout=0.3)
    fit(model, digits, callback, epochs=2, shuffle=False, batch_size=48)  # 20 batches, and one of 40
    o = callback.seen[-1]
    losses = each(model, digits.x_train, digits.y_train)
    for unit, batch in enumerate(o.sample.batch):
        mine = o.sample.on_rung["eval_mode"][0][o.sample.unit == unit]
        own = losses[batch * 48 : batch * 48 + 48]
        assert all(np.isclose(own, one, rtol=1e-4, atol=1e-5).any() for one in mine)
    assert len(o.sample.batch) >= FEWEST_WHOLE
    assert o.sample.first[0] == 0


def test_an_epoch_of_unknown_length(digits):
    def batches():
        for start in range(0, 1000, 50):
            yield digits.x_train[start : start + 50], digits.y_train[start : start + 50]

    callback = Observing()
    model = network(metrics=())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own, that the data ran out
        model.fit(batches(), verbose=0, callbacks=[callback], shuffle=False)
    assert mean(callback.seen[0], "eval_mode") == pytest.approx(each(model, digits.x_train, digits.y_train).mean(), abs=1e-5)


def test_the_tap_outlives_the_end_of_an_epoch():
    class Model:
        history = None

    model, seen = Model(), []
    model.step = lambda state, batches: (next(batches), state)
    tap = Tap(model, "step", before=lambda state, peek: None, after=lambda batches, logs, state: seen.append(batches))
    for _ in range(2):
        data = iter("a")
        model.step(0, data)
        with pytest.raises(StopIteration):
            model.step(0, data)
    assert seen == [["a"], ["a"]]
    assert model.step is tap


@pytest.mark.skipif(BACKEND != "jax", reason="only JAX compiles")
def test_one_program_serves_all_where_the_mode_makes_no_difference(digits):
    callback = Observing(budget=200)
    fit(network(), digits, callback, epochs=2)
    programs = callback._probe._programs
    assert len(programs._compiled) == 1
    assert all(jitted._cache_size() == 0 for jitted in programs._jitted.values())


@pytest.mark.skipif(BACKEND != "jax", reason="only JAX compiles")
def test_programs_with_a_loop_keep_the_options_that_loops_want(monkeypatch):
    compiled = []
    monkeypatch.setattr(
        keras_programs, "_compile", lambda traced, options: compiled.append(options) or traced.lower().compile()
    )
    x, y = np.zeros((8, 4, 3), dtype=np.float32), np.zeros(8)
    for layer in (keras.layers.LSTM(2), keras.layers.Flatten()):
        model = keras.Sequential([keras.Input((4, 3)), layer, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(x, y, batch_size=4, verbose=0, callbacks=[GapCallback(store=False, verbose=0)])
    assert compiled == [keras_programs.QUICKLY, keras_programs.MORE_QUICKLY]


@pytest.mark.skipif(BACKEND != "jax", reason="only JAX compiles")
def test_a_compiler_without_an_option_compiles_without_it(digits, monkeypatch):
    for name in ("QUICKLY", "MORE_QUICKLY"):
        monkeypatch.setattr(keras_programs, name, {"xla_no_such_option": True})
    callback = Observing(budget=200)
    fit(network(), digits, callback, epochs=2)
    assert len(callback._probe._programs._compiled) == 1
    assert all(gap.term("generalisation") for gap in callback.epochs)
