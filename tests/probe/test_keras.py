"""Keras: the same planted cases give the same answers."""

import keras
import numpy as np
import pytest
from tests.probe.cases import draw, keras_case, new_batches

from whygap.probe import investigate, probe


@pytest.fixture(autouse=True)
def _fewer_trainings(monkeypatch):
    monkeypatch.setattr(investigate, "SEEDS", 0)  # each compiles a network anew
    monkeypatch.setattr(investigate, "PARTS", (4,))


def test_a_large_network_on_few_examples_overfits_and_random_states_are_left_alone():
    keras.utils.set_random_seed(3)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - the global one
    answer = probe(lambda: keras_case(n=100, epochs=20), framework="keras", seconds=60)
    assert answer.overfitting.state == "yes"
    assert answer.memorised.low > 0.9
    assert keras.src.utils.rng_utils.get_random_seed() == 3
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002 - the global one
    assert answer.framework.startswith("keras 3")


def test_dropout_is_found():
    answer = probe(lambda: keras_case(200, n=400, dropout=0.95, batch_size=40), framework="keras", seconds=100)
    assert answer.overfitting.state == "no"
    assert answer.reasons[0].name == "dropout"
    assert answer.reasons[0].state == "yes"
    assert answer.reason("weight decay") is None


def test_a_generator_that_never_repeats_is_detected():
    answer = probe(lambda: keras_case(200, train=new_batches(), epochs=8), seconds=100)
    assert answer.headline == "It does not overfit because no example is presented twice."


def test_penalties_and_recurrent_dropout_are_turned_off():
    from whygap.probe.case import Case
    from whygap.probe.in_keras import KerasWorkshop

    def model():
        layers = [
            keras.Input((5, 3)),
            keras.layers.LSTM(4, dropout=0.2, recurrent_dropout=0.1, kernel_regularizer="l2"),
            keras.layers.GaussianDropout(0.3),
            keras.layers.Dense(1),
        ]
        made = keras.Sequential(layers)
        made.compile(optimizer=keras.optimizers.AdamW(weight_decay=0.1), loss="mse")
        return made

    case = Case(model=model, train=None, valid=None)
    workshop = KerasWorkshop()
    with workshop.preserved():
        network = workshop.network(case, seed=0)
        assert network.can_turn_off() == ("dropout", "weight decay")
        network.turn_off(("dropout",))
        assert network.can_turn_off() == ("weight decay",)
        network.turn_off(("weight decay",))
        assert network.can_turn_off() == ()
        assert not network._model.losses


def test_scores_are_those_of_keras_itself():
    from whygap.probe.case import make_case
    from whygap.probe.examples import Examples
    from whygap.probe.in_keras import KerasWorkshop

    workshop = KerasWorkshop()
    with workshop.preserved():
        network = workshop.network(make_case(lambda: keras_case(dropout=0.5), "case"), seed=0)
        x, y = draw(700, 4)  # more than are scored at once, and no multiple of it
        scored = network.score(Examples(x, y))
        loss = network._model.evaluate(x, y, verbose=0)
        predicted = network._model.predict(x, verbose=0).argmax(axis=1)
    assert scored.loss.shape == (700,)
    np.testing.assert_allclose(scored.loss.mean(), loss, rtol=1e-5)
    assert scored.error.tolist() == (predicted != y).astype(float).tolist()
