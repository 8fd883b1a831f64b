"""MNIST-1D against a slow twin: the published recipe, one example and one step at a time, from its description."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from whygap.process import MNIST1D
from whygap.process.mnist1d import TEMPLATES, _curves, _smooth

SEED_OF_TWIN = 4


def twin(rng, process):
    """One example before it is standardised: pad, stretch, scale, roll, noise, shear, downsample."""
    digit = rng.integers(10)
    d = TEMPLATES[digit] - TEMPLATES[digit].mean()
    d /= d.std()
    d = (d - d[0]) / 6 + 1e-8
    long = 12 + process.padding[1]
    x = np.concatenate([d, np.zeros(rng.integers(process.padding[0], process.padding[1] + 1))])
    x = np.interp(np.linspace(0, 1, long), np.linspace(0, 1, x.size), x)
    x *= 1 + process.scale * (rng.random() - 0.5)
    x = np.roll(x, rng.integers(process.max_translation))
    noise = gaussian_filter(process.corr_noise * rng.normal(size=long), 2)
    x = np.where(x != 0, x, noise) + process.iid_noise * rng.normal(size=long)
    x -= process.shear * (rng.random() - 0.5) * np.linspace(-0.5, 0.5, long)
    return np.interp(np.linspace(0, 1, process.length), np.linspace(0, 1, long), x), digit


def two_sets(process, n):
    rng = np.random.default_rng(SEED_OF_TWIN)
    slow = [twin(rng, process) for _ in range(n)]
    curves = _curves(process)
    x = (np.array([s[0] for s in slow]) - curves.mean) / curves.sd
    ours, labels = process.draw(np.arange(5 * n), seed=SEED_OF_TWIN)
    return x, np.array([s[1] for s in slow]), ours.astype(float), labels


def z_of_means(a, b):
    return (a.mean(axis=0) - b.mean(axis=0)) / np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))


@pytest.mark.parametrize("process", [MNIST1D(), MNIST1D((0, 9), 0.8, 21, 0.1, 0.3, 2.0, 17)], ids=["published", "another"])
def test_means_and_covariances_of_every_digit_are_the_twins(process):
    x, y, ours, labels = two_sets(process, 6000)
    for digit in range(10):
        a, b = x[y == digit], ours[labels == digit]
        assert np.abs(z_of_means(a, b)).max() < 4.5
        centre = b.mean(axis=0)
        for lag in (0, 1, 3, 10):
            products = [
                (part[:, lag:] - centre[lag:]) * (part[:, : part.shape[1] - lag] - centre[: part.shape[1] - lag])
                for part in (a, b)
            ]
            assert np.abs(z_of_means(*products)).max() < 5.0


def test_without_noise_it_is_a_curve_of_the_twin():
    """Every digit, padding and translation, exactly."""
    process = MNIST1D(padding=(5, 7), scale=0.0, max_translation=4, corr_noise=0.0, iid_noise=0.0, shear=0.0)
    x, y, ours, labels = two_sets(process, 500)
    assert len(np.unique(ours.round(4), axis=0)) == 120
    for row, digit in zip(x, y, strict=True):
        assert np.abs(ours[labels == digit] - row).max(axis=1).min() < 1e-5


def test_population_constants_standardise_it():
    x, y = MNIST1D().draw(np.arange(200_000), seed=2)
    by_example = x.astype(float).mean(axis=1)
    assert abs(by_example.mean()) < 4 * by_example.std() / np.sqrt(len(x))
    squares = (x.astype(float) ** 2).mean(axis=1)
    assert abs(squares.mean() - 1.0) < 4 * squares.std() / np.sqrt(len(x))
    counts = np.bincount(y, minlength=10)
    assert ((counts - 20_000) ** 2 / 20_000).sum() < 27.9  # chi-squared of 9 degrees of freedom: one in a thousand


def test_published_constants():
    """Stated in docs/processes.md."""
    curves = _curves(MNIST1D())
    assert (round(curves.mean, 6), round(curves.sd, 6)) == (-0.006051, 0.154694)


def test_filter_is_scipys():
    noise = np.random.default_rng(0).normal(size=(5, 72))
    np.testing.assert_allclose(_smooth(noise, np), [gaussian_filter(row, 2) for row in noise], rtol=1e-12, atol=1e-14)
