"""Wrong labels: as many as were asked for, the same in every epoch, and a known limit."""

import jax.numpy as jnp
import numpy as np
import pytest

from whygap.errors import InputError
from whygap.process import GaussianMixture, LabelNoise, SparseParity, TeacherStudent

CLEAN = GaussianMixture(classes=5, features=6, distance=3.0)
AT = np.arange(40_000)


@pytest.mark.parametrize("share", [0.0, 0.15, 1.0])
def test_as_many_labels_are_wrong_as_the_share_says(share):
    x, y = LabelNoise(CLEAN, share).draw(AT, seed=1)
    clean_x, clean_y = CLEAN.draw(AT, seed=1)
    assert (x == clean_x).all()
    wrong, expected = (y != clean_y).mean(), share * 4 / 5
    assert abs(wrong - expected) <= 4 * (expected * (1 - expected) / AT.size) ** 0.5


def test_an_example_keeps_its_label_in_any_batch_and_under_jax():
    noisy = LabelNoise(CLEAN, 0.5)
    y = noisy.draw(AT[:100], seed=1)[1]
    assert noisy.draw(7, seed=1)[1] == y[7]
    assert noisy.draw(AT[50:60], seed=1)[1].tolist() == y[50:60].tolist()
    assert noisy.draw(jnp.arange(100), seed=1, xp=jnp)[1].tolist() == y.tolist()


def test_random_labels_tell_nothing_of_the_classes():
    y, clean = LabelNoise(CLEAN, 1.0).draw(AT, seed=2)[1], CLEAN.draw(AT, seed=2)[1]
    counts = np.histogram2d(y, clean, bins=5)[0]
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / AT.size
    assert ((counts - expected) ** 2 / expected).sum() < 39.3  # 99.9 % of chi-square with 16 degrees of freedom


def test_the_best_error_is_known_where_that_of_the_process_is():
    noisy = LabelNoise(SparseParity(bits=8, relevant=2, flip=0.1), 0.2)
    (truth,) = noisy.truths()
    _, y = noisy.draw(AT, seed=3)
    x = noisy.draw(AT, seed=3)[0]
    best = (x[:, 0] * x[:, 1] < 0).astype(int)
    assert truth.value == pytest.approx(0.8 * 0.1 + 0.2 * 0.5)
    assert (best != y).mean() == pytest.approx(truth.value, abs=4 * (0.18 * 0.82 / AT.size) ** 0.5)


@pytest.mark.parametrize(("process", "share"), [(TeacherStudent(), 0.1), (CLEAN, -0.1), (CLEAN, 1.5)])
def test_what_has_no_noisy_labels_is_refused(process, share):
    with pytest.raises(InputError):
        LabelNoise(process, share)
