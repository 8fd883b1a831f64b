"""The edge: planted memorisation is found where it is, and almost never where there is none."""

import numpy as np
import pytest

from whygap.answers import edge_maps


def test_the_edge_is_found_where_it_was_planted(plant):
    maps = edge_maps(plant.grid(lambda ratio, regime: 0.5 * (ratio > 1.0), regimes=("once", "fresh")))
    assert [(m.regime, m.stage.label) for m in maps[:3]] == [("once", "1 epoch"), ("once", "5 epochs"), ("once", "20 epochs")]
    last = maps[2]
    assert (last.none_up_to, last.all_from) == pytest.approx((1 / 3, 10 / 3))
    assert (last.harmless_up_to, last.matters_from) == pytest.approx((1 / 3, 10 / 3))
    assert [c.overfits for c in last.cells] == ["no" if c.ratio < 1 else "yes" for c in last.cells]
    assert last.cells[-1].memorisation.value == pytest.approx(0.5, abs=0.1)


def test_what_shows_need_not_matter(plant):
    (m,) = [
        m for m in edge_maps(plant.grid(lambda ratio, regime: 0.03, spread=0.002, se=0.002)) if m.stage.label == "20 epochs"
    ]
    assert all(c.shows and c.overfits == "no" for c in m.cells)
    assert (m.none_up_to, m.matters_from) == (None, None)


def test_false_edges_are_rare(plant):
    rng = np.random.default_rng(1)
    false = 0
    for _ in range(150):
        trials = plant.grid(lambda ratio, regime: 0.0, trick=int(rng.integers(1 << 30)), jump=0.01, se=0.0)
        false += any(c.shows for m in edge_maps(trials) for c in m.cells)
    assert false <= 9  # 2.5 % of 150 are 3.75; more than 9 would come in 1 of 100 such counts


def test_one_seed_shows_nothing(plant):
    maps = edge_maps(plant.grid(lambda ratio, regime: 1.0, seeds=1))
    assert not any(c.shows for m in maps for c in m.cells)
    assert {c.overfits for m in maps for c in m.cells} == {"cannot_tell"}
    assert "one seed" in maps[0].cells[0].memorisation.why


def test_accuracy_turns_the_sign(plant):
    trials = plant.grid(lambda ratio, regime: 0.2, higher_is_better=True, unseen=lambda e: 0.6 + 0 * e)
    assert all(c.memorisation.value > 0.1 for c in edge_maps(trials)[-1].cells)


def test_validation_stands_in_for_fresh_examples(plant):
    maps = edge_maps(plant.grid(lambda ratio, regime: 0.5, fresh=False))
    assert all(c.shows for c in maps[-1].cells)


def test_a_grid_with_holes_has_the_cells_that_there_are(plant):
    trials = plant.grid(lambda ratio, regime: 0.5)[7:]
    assert len(edge_maps(trials)[-1].cells) == 5
    assert edge_maps(()) == ()
