"""Capacity: the largest set that was learnt by heart, and unseen examples at chance."""

import numpy as np
import pytest

from whygap.answers import capacities


def on_random_labels(plant, holds=1.0, *, chance=0.9, seeds=4, settings=None, **more):
    """Networks that learn `holds` examples by heart for each parameter."""

    def gap(n, p):
        kept = min(1.0, holds * p / n)
        return lambda e: (chance if kept == 1.0 else 0.6 * kept) + 0.0 * e

    random = {"process.label_noise": 1.0} | (settings or {})
    same = {"unseen": lambda e: chance + 0 * e, "names": ("loss", "error"), "spread": 0.005, "se": 0.005, "settings": random}
    return [
        plant.trial(k, n_parameters=p, n=n, gap=gap(n, p), **same, **more)
        for p in (100, 1000)
        for n in (50, 100, 500, 1000)
        for k in range(seeds)
    ]


def test_what_was_planted_is_found(plant):
    found = capacities(on_random_labels(plant))
    assert [(w.n_parameters, w.most, w.too_many) for w in found.widths] == [(100, 100, 500), (1000, 1000, None)]
    assert found.chance == pytest.approx(0.9)
    assert found.is_at_chance
    assert found.unseen.low <= 0.9 <= found.unseen.high
    assert [one.is_learnt for one in found.widths[0].learnt] == [True, True, False, False]


def test_where_nothing_is_learnt_there_is_no_most(plant):
    found = capacities(on_random_labels(plant, holds=0.01))
    assert [(w.most, w.too_many) for w in found.widths] == [(None, 50), (None, 50)]


def test_other_than_chance_is_said(plant):
    found = capacities(on_random_labels(plant, chance=0.8, settings={"process.classes": 10}))
    assert found.chance == pytest.approx(0.9)
    assert not found.is_at_chance


def test_two_classes_are_told_from_the_error(plant):
    assert capacities(on_random_labels(plant, chance=0.5)).chance == 0.5


def test_it_takes_random_labels_and_an_error(plant):
    assert capacities(plant.cell(3, names=("loss", "error"))) is None
    assert capacities(plant.cell(3, settings={"process.label_noise": 1.0})) is None
    assert capacities(plant.cell(3, names=("loss", "error"), settings={"process.label_noise": 0.15})) is None


def test_one_seed_has_no_interval(plant):
    found = capacities(on_random_labels(plant, seeds=1))
    assert not found.widths[0].learnt[0].train.reliable
    assert np.isfinite(found.unseen.low)
