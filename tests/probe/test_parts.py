"""The arithmetic behind the answers, on numbers whose answer is known."""

import numpy as np
import pytest

from whygap.errors import InputError
from whygap.probe.case import why_not_wider, width_of
from whygap.probe.examples import Examples, Kept, as_examples
from whygap.probe.result import Look, Result, difference, gap_of, share_learnt, shift_of
from whygap.probe.training import Scored, Setting, classes_of, constants_of, errors_of, errors_of_constant


def result(train, valid, **options):
    looks = [Look(1, 0.0, Scored(np.asarray(train, float)), Scored(np.asarray(valid, float)))]
    return Result(Setting(name="a"), len(train), 1, 1, looks=looks, **options)


def test_a_gap_is_validation_less_training_with_the_errors_of_both():
    rng = np.random.default_rng(0)
    train, valid = rng.standard_normal(400), 1.0 + 2.0 * rng.standard_normal(100)
    gap = gap_of(result(train, valid).looks[0])
    assert gap.value == pytest.approx(valid.mean() - train.mean())
    assert gap.se == pytest.approx((train.var(ddof=1) / 400 + valid.var(ddof=1) / 100) ** 0.5)


def test_a_difference_of_gaps_uses_that_the_validation_examples_are_the_same():
    rng = np.random.default_rng(0)
    valid = 10.0 * rng.standard_normal(500)
    a, b = result([1.0, 1.0], valid + 0.5), result([1.0, 1.0], valid)
    found = difference(a, b)
    assert found.value == pytest.approx(0.5)
    assert found.high - found.low < 1e-6, "the examples that are hard are hard for both"


def test_shift_is_between_what_neither_was_trained_on():
    assert shift_of(result([0.0, 0.0], [2.0, 4.0])) is None
    found = shift_of(result([0.0, 0.0], [2.0, 4.0], unseen=Scored(np.array([1.0, 3.0]))))
    assert found.value == pytest.approx(1.0)


@pytest.mark.parametrize(("wrong", "share"), [(0.0, 1.0), (0.25, 0.5), (0.5, 0.0)])
def test_the_share_learnt_by_heart_counts_from_the_best_constant(wrong, share):
    n = 400
    errors, constant = np.arange(n) < wrong * n, np.arange(n) % 2 == 0
    found = share_learnt(Scored(np.zeros(n), errors.astype(float)), Scored(np.zeros(n), constant.astype(float)))
    assert found.value == pytest.approx(share)
    assert found.low < share, "also where no error is left"
    assert found.high - found.low < 0.35


def test_the_share_learnt_covers_what_would_be_learnt_of_other_labels():
    rng, n, inside = np.random.default_rng(0), 300, 0
    for _ in range(400):
        constant = (rng.random(n) < 0.5).astype(float)
        errors = (rng.random(n) < 0.2).astype(float)
        found = share_learnt(Scored(np.zeros(n), errors), Scored(np.zeros(n), constant))
        inside += found.low <= 0.6 <= found.high
    assert 0.92 < inside / 400 < 0.98


def test_classes_are_integers_or_one_hot():
    assert classes_of([[0, 1, 0], [1, 0, 0]]).tolist() == [1, 0]
    assert classes_of([[3], [1]]).tolist() == [3, 1]
    assert classes_of([0.5, 1.0]) is None
    assert classes_of([[0.2, 0.8]]) is None
    assert errors_of_constant([2, 2, 5]).tolist() == [0, 0, 1]
    assert errors_of_constant([0.5]) is None
    assert errors_of([[0.1, 0.9]], [[0, 1]]).tolist() == [0]
    assert errors_of([0.1], [1]) is None


def test_a_constant_for_probabilities_is_their_logit_too():
    mean, median, logit = constants_of([0.0, 0.0, 1.0, 1.0, 1.0])
    assert (mean, median) == (pytest.approx(0.6), 1.0)
    assert 1 / (1 + np.exp(-logit)) == pytest.approx(0.6)
    assert len(constants_of([-1.0, 3.0])) == 2


def test_few_examples_are_presented_as_often_as_many():
    kept = Kept(Examples(np.arange(3), np.arange(3)), 8)
    epoch = kept.epoch(0, seed=0)
    assert epoch.n == 8
    assert sorted(np.bincount(epoch.y).tolist()) == [2, 3, 3]
    assert sorted(epoch.y[:3].tolist()) == [0, 1, 2], "one pass after the other"
    assert kept.epoch(0, seed=0).y.tolist() == epoch.y.tolist()
    assert kept.epoch(1, seed=0).y.tolist() != epoch.y.tolist()


def test_random_labels_are_the_same_labels_in_another_order():
    examples = Examples(np.arange(50), np.arange(50))
    mixed = examples.with_random_labels(0)
    assert mixed.x.tolist() == list(range(50))
    assert sorted(mixed.y.tolist()) == list(range(50))
    assert (mixed.y == mixed.x).mean() < 0.2


def test_a_part_and_what_it_leaves_out_are_the_whole():
    examples = Examples(np.arange(50), np.arange(50))
    part, rest = examples.some(12, 3), examples.but_for_some(12, 3)
    assert part.n == 12
    assert sorted([*part.y, *rest.y]) == list(range(50))


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (([1.0, 2.0], [1.0]), "must have the same number of examples"),
        (([1.0], [2.0], [3.0]), "must be (x, y), not a tuple of 3 parts"),
        ({"x": [1.0]}, "a dict without a target"),
        (([], []), "the same number of examples"),
        (5, "not a int"),
    ],
)
def test_what_are_no_examples(batch, words):
    with pytest.raises(InputError) as error:
        as_examples(batch, np.asarray, "train")
    assert words in str(error.value)


def test_nests_of_inputs():
    made = as_examples({"a": [1.0, 2.0], "b": [[1.0], [2.0]], "label": [0, 1]}, np.asarray, "train")
    assert made.picked([1]).x["b"].tolist() == [[2.0]]
    made = as_examples(([1.0, 2.0], [3.0, 4.0], [0, 1]), np.asarray, "train", most=3)
    assert [part.tolist() for part in made.picked([1]).x] == [[2.0], [4.0]]


def test_the_width_of_a_factory():
    assert width_of(lambda width=64: None) == 64
    assert (width_of(lambda: None), width_of(lambda width=None: None), width_of(print)) == (None, None, None)
    assert "def factory(width=64)" in why_not_wider(lambda: None)
    assert "no number as its default" in why_not_wider(lambda width=None: None)
