"""Redraws: each factor moves what it should, and planted jumps are found."""

from dataclasses import replace

import numpy as np
import optax
import pytest

from whygap.errors import InputError
from whygap.lab import Plan, Redraws, as_table, mlp, redraw, redraw_both, train
from whygap.lab.plan import Seeds
from whygap.process import GaussianMixture, ModularAddition, Once

PLAN = Plan(
    process=GaussianMixture(classes=2, features=4), regime=Once(64), model=mlp(4, 8, 2), optimiser=optax.adam(1e-2), epochs=6,
    batch_size=32, n_valid=50,
)  # fmt: skip


def test_the_design_is_made_of_single_runs():
    found = redraw(PLAN, trainings=2, validations=3, weights=2, seed=5, score="error", workers=1)
    assert found.gap.shape == (6, 2, 3, 2)
    (run,) = train(replace(PLAN, valid_sets=3, n_fresh=0), [Seeds(train=6, valid=5, init=5)], workers=1)
    assert found.gap[:, 1, :, 0] == pytest.approx(run.valid[:, 0, :, 1] - run.reported[:, None, 1], abs=1e-7)
    assert found.components().of["validation set"].value > 0.0


def test_both_regimes_stand_side_by_side():
    found = redraw_both(PLAN, trainings=2, validations=2, weights=2, workers=1)
    assert list(found) == ["once", "fresh"]
    once, fresh = found["once"].gap, found["fresh"].gap
    assert once[0] == pytest.approx(fresh[0], abs=1e-5)  # the first epoch presents the same examples: they part when one ends
    assert (once[1:] != fresh[1:]).all()
    table = as_table(found)
    assert table.splitlines()[0].split() == ["gap", "after", "6", "epochs", "once", "fresh"]
    assert [line.split("  ")[0] for line in table.splitlines()[2:5]] == [
        "sd: training set",
        "sd: validation set",
        "sd: initial weights",
    ]


def test_jumps_from_look_to_look_are_found_and_drift_is_not():
    rng, drift = np.random.default_rng(0), np.linspace(0.0, 3.0, 400)[:, None, None, None]
    found = Redraws(np.arange(400), drift + 0.2 * rng.normal(size=(400, 6, 4, 3)))
    assert found.between_epochs().value == pytest.approx(0.04, rel=0.1)
    assert Redraws(np.arange(400), drift + np.zeros((400, 6, 4, 3))).between_epochs().value == pytest.approx(0.0, abs=1e-20)
    with pytest.raises(InputError, match="6 looks"):
        Redraws(np.arange(5), np.zeros((5, 2, 2, 2))).between_epochs()


@pytest.mark.parametrize(
    "settings",
    [{"trainings": 1}, {"validations": 1}, {"weights": 1}, {"score": "accuracy"}],
)
def test_nonsense_is_refused(settings):
    with pytest.raises(InputError):
        redraw(PLAN, **settings)


def test_a_finite_process_is_refused():
    with pytest.raises(InputError, match="finite"):
        redraw(replace(PLAN, process=ModularAddition(7), regime=Once(20), n_valid=10, n_fresh=0))
