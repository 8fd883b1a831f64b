"""The turn of validation foretold from the lab's own curves: a small set, and examples that never come twice."""

import optax
import pytest

from whygap.estimate.forecast import forecast_turn
from whygap.lab import Plan, mlp, train
from whygap.process import Fresh, Once, TeacherStudent

EPOCHS = 60


def curves_of(regime):
    plan = Plan(
        process=TeacherStudent(noise=0.5), regime=regime, model=mlp(20, 64, 1), optimiser=optax.adam(2e-3),
        epochs=EPOCHS, batch_size=20, n_valid=1000,
    )  # fmt: skip
    return [run.of("loss") for run in train(plan, range(3), workers=1, together=3)]


@pytest.fixture(scope="module")
def small():
    return curves_of(Once(100))


def foretold(curves, seen, score="train", age=0.0):
    return forecast_turn(curves[score][:seen], curves["valid"][:seen], age=age)


@pytest.mark.parametrize(("score", "age"), [("train", 0.0), ("reported", 0.5)])
def test_a_small_set_turns_within_the_interval(small, score, age):
    turns = [1 + int(curves["valid"].argmin()) for curves in small]
    said = [foretold(curves, round(0.6 * turn), score, age) for curves, turn in zip(small, turns, strict=True)]
    held = [f.low <= turn <= f.high for f, turn in zip(said, turns, strict=True) if f.state == "turn"]
    assert all(held)
    assert len(held) >= 2  # of 3: where the gap hardly grows yet, no turn is foretold


def test_a_turn_that_has_been_is_told(small):
    for curves in small:
        f = foretold(curves, EPOCHS)
        assert f.state == "turned"
        assert f.epoch == pytest.approx(1 + int(curves["valid"].argmin()), abs=3)


def test_fresh_examples_never_turn():
    assert {foretold(curves, EPOCHS).state for curves in curves_of(Fresh(200))} == {"no_turn"}
