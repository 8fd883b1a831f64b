"""Cells: what belongs together, how far a mean may be off, and what is said of runs that can't be used."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from whygap.answers.cells import ONE_SEED, ONE_SET, cells_of, means_over, score_of
from whygap.answers.stages import stages_of


def test_cells_are_runs_that_differ_in_seeds_alone(plant):
    trials = plant.grid(lambda ratio, regime: 0.0, regimes=("once", "fresh"))
    found = cells_of(reversed(trials))
    assert len(found.cells) == 12
    assert {len(c.trials) for c in found.cells} == {5}
    assert {c.variant for c in found.cells} == {""}
    assert found.notes == ()
    assert len(found.of("fresh")) == 6


def test_what_else_is_set_otherwise_is_named(plant):
    trials = [t for rate in (0.1, 0.01) for t in plant.cell(2, settings={"learning_rate": rate})]
    assert [c.variant for c in cells_of(trials).cells] == ["learning_rate 0.01", "learning_rate 0.1"]


def test_models_of_one_size_are_told_apart_by_what_makes_them_differ(plant):
    deep = plant.cell(2, settings={"model.layers": 3, "model.width": 8})
    wide = plant.cell(2, settings={"model.layers": 2, "model.width": 10})
    assert len({c.variant for c in cells_of([*deep, *wide]).cells}) == 2


def test_the_pool_counts_not_the_epoch(plant):
    (cell,) = cells_of(plant.cell(2, regime="pool", n=100, settings={"pool": 400})).cells
    assert cell.n == 400


def test_runs_that_diverged_are_left_out_and_counted(plant):
    good = plant.cell(3)
    curve = msgspec.structs.replace(good[0].curves[0], train=(*good[0].curves[0].train[:-1], float("nan")))
    bad = msgspec.structs.replace(good[0], curves=(curve,))
    found = cells_of([bad, *good[1:]])
    assert len(found.cells[0].trials) == 2
    assert found.notes == ("1 of 3 runs diverged, and are left out.",)
    assert cells_of([bad]).cells == ()


def test_runs_without_the_score_are_left_out_and_counted(plant):
    found = cells_of([*plant.cell(2), *plant.cell(1, names=("loss", "error"))], score="error")
    assert [len(c.trials) for c in found.cells] == [1]
    assert found.notes == ("2 of 3 runs have no error, and are left out.",)


def test_a_score_is_taken_that_all_runs_have(plant):
    both, loss = plant.cell(2, names=("loss", "soft_error")), plant.cell(2)
    assert score_of(both, "soft_error").name == "soft_error"
    assert score_of([*both, *loss], "soft_error").name == "loss"
    assert score_of([]) is None


def test_only_common_looks_are_compared(plant):
    short = plant.trial(0, epochs=20, every=2)
    (cell,) = cells_of([plant.trial(1), msgspec.structs.replace(short, settings=plant.trial(1).settings)]).cells
    assert cell.epoch.tolist() == list(range(2, 21, 2))
    assert cell.curves("valid").shape == (2, 10)


def test_the_mean_is_students(plant):
    values = np.array([[1.0], [2.0], [4.0]])
    means = means_over(values, plant.cell(3))
    e = means.estimate()
    assert e.value == pytest.approx(7 / 3)
    assert e.high - e.value == pytest.approx(4.302653 * values.std(ddof=1) / 3**0.5)


def test_runs_on_one_training_set_count_as_one(plant):
    trials = [plant.trial(0, seeds={"train": t, "valid": 0, "init": i}) for t in range(3) for i in range(4)]
    values = np.repeat([[1.0], [2.0], [4.0]], 4, axis=0)
    clustered, plain = means_over(values, trials), means_over(np.array([[1.0], [2.0], [4.0]]), plant.cell(3))
    assert clustered.estimate() == plain.estimate()


def test_one_training_set_or_one_seed_is_no_ground_for_a_claim(plant):
    one = means_over(np.ones((1, 2)), plant.cell(1), np.full((1, 2), 0.1))
    assert (one.doubt, one.p_above()) == (ONE_SEED, 1.0)
    assert not one.estimate().reliable
    shared = means_over(np.array([[1.0], [1.1]]), [plant.trial(k, seeds={"train": 0, "init": k}) for k in (1, 2)])
    assert (shared.doubt, shared.n) == (ONE_SET, 2)


def test_seeds_that_agree_by_luck_are_no_surer_than_their_examples(plant):
    means = means_over(np.full((4, 1), 0.5), plant.cell(4), np.full((4, 1), 0.2))
    assert means.se[0] == pytest.approx(0.1)


def test_the_draw_of_unseen_examples_that_all_share_is_added(plant):
    cell = cells_of([plant.trial(k, fresh=False, seeds={"train": k, "valid": 0, "init": k}) for k in range(4)]).cells[0]
    assert cell.unseen == "valid"
    assert cell.shares_unseen
    values = np.array([[0.1], [0.2], [0.3], [0.4]])
    alone, added = cell.over_seeds(values), cell.over_seeds(values, np.full((4, 1), 0.2), shared=True)
    assert added.se[0] ** 2 == pytest.approx(alone.se[0] ** 2 + 0.2**2)


def test_intervals_cover_as_often_as_they_say(plant):
    held = 0
    for trick in range(400):
        (cell,) = cells_of(plant.cell(5, trick=trick, gap=lambda e: 0.3 + 0 * e, spread=0.1, se=0.0)).cells
        e = cell.over_seeds(cell.curves("fresh") - cell.curves("train")).estimate()
        held += e.low <= 0.3 <= e.high
    assert 0.92 <= held / 400 <= 0.98


def test_stages_of_one_length_are_early_and_late_looks_at_it(plant):
    cells = cells_of(plant.cell(2, epochs=32)).cells
    assert [s.label for s in stages_of(cells)] == ["2 epochs", "8 epochs", "32 epochs"]
    assert [s.look(cells[0]) for s in stages_of(cells)] == [1, 7, 31]
    assert stages_of(()) == ()


def test_stages_of_several_lengths_are_where_they_end(plant):
    cells = cells_of([t for e in (10, 40) for n in (100, 200) for t in plant.cell(2, epochs=e, n=n)]).cells
    stages = stages_of(cells)
    assert [s.label for s in stages] == ["10 epochs", "40 epochs"]
    assert [[s.look(c) for s in stages] for c in cells[:2]] == [[9, None], [None, 39]]


def test_stages_of_equal_steps_are_counted_in_steps(plant):
    cells = cells_of([t for n, e in ((1000, 96), (4000, 24)) for t in plant.cell(2, n=n, epochs=e)]).cells
    stages = stages_of(cells)
    assert [s.label for s in stages] == ["60 steps", "240 steps", "960 steps"]
    assert [[int(c.epoch[s.look(c)]) for s in stages] for c in cells] == [[6, 24, 96], [1, 6, 24]]
    unknown = [replace(c, trials=tuple(msgspec.structs.replace(t, settings={}) for t in c.trials)) for c in cells]
    assert [s.label for s in stages_of(unknown)] == ["all of its training"]
