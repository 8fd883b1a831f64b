"""Both worlds: the gaps that were planted, and the epoch at which reuse begins to hurt, held by its interval."""

import numpy as np
import pytest

from whygap.answers import worlds

MARGIN, START, SLOPE = 0.01, 12.0, 0.004
TRUE = START + MARGIN / SLOPE


def a_pair(plant, hurts=True, *, trick=0, epochs=40, seeds=5, jump=0.004, spread=0.004, **more):
    """One network in both worlds, whose test scores part after epoch `START` if reuse hurts."""

    def real(e):
        return 0.8 * np.exp(-e / 15) + 0.2 + hurts * SLOPE * np.maximum(0.0, e - START)

    def ideal(e):
        return 0.8 * np.exp(-e / 15) + 0.2

    same = {"epochs": epochs, "jump": jump, "spread": spread, "names": ("loss", "soft_error"), "trick": trick} | more
    once = [plant.trial(k, unseen=real, gap=lambda e: 0.3 + 0 * e, **same) for k in range(seeds)]
    return [*once, *(plant.trial(k, regime="fresh", unseen=ideal, **same) for k in range(seeds))]


def test_gaps_are_those_that_were_planted(plant):
    (w,) = worlds(a_pair(plant))
    assert w.score.name == "soft_error"
    assert w.is_paired
    assert (w.n_seeds, w.margin, len(w.epoch)) == (5, MARGIN, 40)
    assert w.bootstrap.low < SLOPE * (40 - START) < w.bootstrap.high
    assert w.generalisation.low < 0.3 < w.generalisation.high
    assert w.real.value[-1] - w.ideal.value[-1] == pytest.approx(w.bootstrap.value)
    assert w.hurts == "yes"
    assert START <= w.shown <= 25


def test_the_interval_holds_the_epoch_at_which_reuse_begins_to_hurt(plant):
    found = [worlds(a_pair(plant, trick=trick))[0] for trick in range(200)]
    told = [w.since for w in found if w.since is not None]
    assert len(told) > 190
    held = np.mean([e.low <= TRUE <= e.high for e in told])
    assert held >= 0.93
    assert np.median([e.value for e in told]) == pytest.approx(TRUE, abs=1.5)
    assert np.median([e.high - e.low for e in told]) < 12.0  # and isn't just wide


def test_reuse_that_does_not_hurt_is_seldom_said_to(plant):
    said = [worlds(a_pair(plant, hurts=False, trick=trick))[0].hurts for trick in range(200)]
    assert said.count("yes") <= 11  # 2.5 % of 200 are 5; more than 11 would come in 1 of 100 such counts


def test_never_is_said_where_it_is_sure(plant):
    (w,) = worlds(a_pair(plant, hurts=False, jump=0.0005, spread=0.0005))
    assert (w.hurts, w.since) == ("no", None)


def test_one_seed_tells_nothing(plant):
    (w,) = worlds(a_pair(plant, seeds=1))
    assert (w.hurts, w.since, w.shown) == ("cannot_tell", None, None)
    assert not w.bootstrap.reliable


def test_worlds_with_other_seeds_are_compared_unpaired(plant):
    trials = a_pair(plant)
    once = trials[:5]
    fresh = [plant.trial(k + 50, regime="fresh", epochs=40, unseen=lambda e: 0.8 * np.exp(-e / 15) + 0.2, names=("soft_error",))
             for k in range(7)]  # fmt: skip
    (w,) = worlds([*once, *fresh], score="soft_error")
    assert not w.is_paired
    assert w.bootstrap.low < SLOPE * (40 - START) < w.bootstrap.high


def test_a_network_in_one_world_only_is_passed_over(plant):
    assert worlds(plant.cell(3)) == ()
    assert worlds(plant.cell(3, regime="fresh")) == ()
    assert worlds(()) == ()


def test_accuracy_hurts_downwards(plant):
    def real(e):
        return 0.9 - SLOPE * np.maximum(0.0, e - START)

    once = plant.cell(5, epochs=40, unseen=real, higher_is_better=True, spread=0.002, se=0.002)
    fresh = plant.cell(
        5, epochs=40, regime="fresh", unseen=lambda e: 0.9 + 0 * e, higher_is_better=True, spread=0.002, se=0.002
    )
    (w,) = worlds([*once, *fresh])
    assert w.bootstrap.value < 0.0
    assert w.hurts == "yes"
    assert w.since.low <= TRUE <= w.since.high
