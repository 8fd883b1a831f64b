"""Each truth that a process states, against the score of the best rule on a sample: each rule is written here anew."""

import math

import numpy as np
import pytest

from whygap.errors import InputError
from whygap.process import (
    MNIST1D,
    AddingProblem,
    GaussianMixture,
    ModularAddition,
    SequenceRegression,
    Shapes,
    SparseParity,
    TeacherStudent,
)
from whygap.process.shapes import rendered

N = 200_000


def stated(process, score):
    (found,) = (t for t in process.truths() if t.score == score)
    return found


def agrees(process, score, scores):
    """Whether the mean of the scores is within 4 standard errors of what is stated, its own error included."""
    truth = stated(process, score)
    error = math.hypot(np.std(scores) / math.sqrt(len(scores)), truth.standard_error)
    return abs(np.mean(scores) - truth.value) <= 4.0 * error


def draw(process, n=N):
    return process.draw(np.arange(n), seed=11, split="valid")


def test_sequences():
    x, y = draw(SequenceRegression())
    a, b = x[:, -1, 0].astype(float), x[:, -1, 1].astype(float)
    target = a * 0.5 + b * 0.5 + (a * b * 2.5) ** 2
    assert agrees(SequenceRegression(), "loss:mse", (y - (target + 0.525) / 28.35) ** 2)
    assert 0.0 <= y.min() < 0.001
    assert 0.999 < y.max() <= 1.0


@pytest.mark.parametrize("flip", [0.0, 0.1, 0.7])
def test_parity(flip):
    process = SparseParity(bits=40, relevant=4, flip=flip)
    x, y = draw(process)
    odd = (x[:, :4] < 0).sum(axis=1) % 2
    share_wrong = min(flip, 1.0 - flip)
    assert agrees(process, "error", (odd if flip < 0.5 else 1 - odd) != y)
    chance = np.where(odd == y, 1.0 - flip, flip)
    assert agrees(process, "loss:cross_entropy", -np.log(chance))
    assert stated(process, "error").value == pytest.approx(share_wrong)


def test_no_input_of_a_parity_tells_anything_alone():
    x, y = draw(SparseParity(bits=40))
    assert np.abs((x * (2 * y - 1)[:, None]).mean(axis=0)).max() * math.sqrt(N) < 4.5
    assert np.abs(x.mean(axis=0)).max() * math.sqrt(N) < 4.5


def test_adding():
    x, y = draw(AddingProblem(steps=30), 20_000)
    assert np.abs((x[..., 0] * x[..., 1]).sum(axis=1) - y).max() < 1e-6
    assert (x[:, :15, 1].sum(axis=1) == 1).all()
    assert (x[:, 15:, 1].sum(axis=1) == 1).all()
    baseline = (y.astype(float) - 1.0) ** 2
    assert abs(baseline.mean() - 1 / 6) < 4 * baseline.std() / math.sqrt(y.size)


def test_teacher():
    process = TeacherStudent(features=7, hidden=3, noise=0.3)
    x, y = draw(process)
    assert agrees(process, "loss:mse", (y - process.mean(x)).astype(float) ** 2)


@pytest.mark.parametrize(
    "process",
    [GaussianMixture(), GaussianMixture(classes=2, distance=1.0, flip=0.2), GaussianMixture(classes=4, distance=3.0, flip=0.3)],
)
def test_mixture(process):
    k, t = process.classes, process.distance / math.sqrt(2)
    x, y = draw(process)
    likelihood = np.exp(t * x[:, :k].astype(float))  # what all classes have in common is left out
    clean = likelihood / likelihood.sum(axis=1, keepdims=True)
    posterior = clean * (1 - process.flip) + (1 - clean) * process.flip / (k - 1)
    assert agrees(process, "error", posterior.argmax(axis=1) != y)
    if k == 2:
        assert agrees(process, "loss:cross_entropy", -np.log(posterior[np.arange(N), y]))
    else:
        assert len(process.truths()) == 1


def test_nothing_is_stated_where_wrong_labels_outnumber_right_ones():
    assert GaussianMixture(classes=3, flip=0.9).truths() == ()


def test_shapes():
    process, wrong = Shapes(), []
    clean = rendered().reshape(4, -1, 256)
    for at in range(0, 60_000, 20_000):
        x, y = process.draw(np.arange(at, at + 20_000), seed=11, split="valid")
        x = x.reshape(len(x), 256)
        distance = np.stack([(c * c).sum(axis=1) - 2.0 * x @ c.T for c in clean], axis=1).astype(float) / (2 * process.noise**2)
        evidence = np.exp(distance.min(axis=(1, 2), keepdims=True) - distance).sum(axis=2)
        wrong.append(evidence.argmax(axis=1) != y)
    assert agrees(process, "error", np.concatenate(wrong))


def test_no_two_shapes_are_the_same_and_none_is_cut_off():
    images = rendered().reshape(-1, 256)
    assert len(np.unique(images, axis=0)) == 1024
    # equal areas to a tenth: pixels have a width
    areas = images.sum(axis=1).reshape(4, 4, 64)
    assert (np.ptp(areas.mean(axis=2), axis=0) < 0.13 * areas.mean(axis=(0, 2))).all()
    assert np.ptp(areas[0], axis=1).max() < 1e-4
    assert stated(Shapes(noise=0.0), "error").value == 0.0
    assert Shapes(noise=0.7).truths() == ()


class TestModularAddition:
    def test_the_splits_divide_all_pairs_between_them(self):
        process = ModularAddition(modulus=23, share_train=0.3, one_hot=False)
        seen = [process.draw(np.arange(process.size_of(s)), seed=5, split=s) for s in ("train", "valid")]
        x = np.concatenate([part[0] for part in seen])
        assert x.shape == (529, 2)
        assert len(np.unique(x, axis=0)) == 529
        assert all((x.sum(axis=1) % 23 == y).all() for x, y in seen)
        assert (x.min(), x.max()) == (0, 22)

    def test_the_seed_decides_which_are_for_training(self):
        process = ModularAddition(modulus=97, one_hot=False)
        a, b = ({tuple(r) for r in process.draw(np.arange(4704), seed=s)[0].tolist()} for s in (0, 1))
        # hypergeometric: 2352 of 4704 in common on average, with a standard deviation of 24
        assert abs(len(a & b) - 2352) < 5 * 24.3

    def test_the_training_pairs_are_spread_evenly(self):
        x, y = ModularAddition(one_hot=False).draw(np.arange(4704), seed=3)
        for values in (x[:, 0], x[:, 1], y):
            count = np.bincount(values, minlength=97)
            # 48.5 of 97 each without putting back, hence half of the variance
            assert ((count - 48.5) ** 2 / 24.25).sum() < 96 + 4 * math.sqrt(2 * 96)

    def test_one_hot(self):
        x, y = ModularAddition(modulus=7).draw(np.arange(24), seed=0)
        tokens, again = ModularAddition(modulus=7, one_hot=False).draw(np.arange(24), seed=0)
        np.testing.assert_array_equal(np.stack([x[:, :7].argmax(1), x[:, 7:].argmax(1)], 1), tokens)
        np.testing.assert_array_equal(y, again)
        assert (x.sum(axis=1) == 2).all()

    def test_it_says_what_it_does_not_have(self):
        process = ModularAddition(modulus=5, share_train=0.6)
        with pytest.raises(InputError, match="15 examples of the split 'train' in all: there is none with index 15"):
            process.draw(np.arange(16), seed=0)
        with pytest.raises(InputError, match="there is no 'test'"):
            process.draw(0, seed=0, split="test")
        with pytest.raises(InputError, match="no new ones for epoch 3"):
            process.draw(0, seed=0, epoch=3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SparseParity(bits=3, relevant=4),
        lambda: SparseParity(flip=1.1),
        lambda: ModularAddition(modulus=1),
        lambda: ModularAddition(share_train=1.0),
        lambda: AddingProblem(steps=1),
        lambda: GaussianMixture(classes=3, features=2),
        lambda: GaussianMixture(distance=-1.0),
        lambda: Shapes(noise=-0.1),
        lambda: TeacherStudent(hidden=0),
        lambda: TeacherStudent(noise=float("nan")),
        lambda: MNIST1D(padding=(3, 2)),
        lambda: MNIST1D(padding=(0, 0), max_translation=13),
        lambda: MNIST1D(length=1),
    ],
)
def test_parameters_out_of_range_are_named_in_one_line(make):
    with pytest.raises(InputError, match="needs") as caught:
        make()
    assert "\n" not in str(caught.value)
