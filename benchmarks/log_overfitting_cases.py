"""Simulated logs of which it is known whether they overfit: healthy, noise only, and overfitting ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
PER_EPOCH = 20
"""Points within an epoch of which the training score is the mean."""


class Log(NamedTuple):
    """Training and validation loss of shape (e,), and the epoch after which unseen examples score worse; None if none."""

    train: Array
    valid: Array
    turns: int | None = None


def wander(n: int, rho: float, rng: np.random.Generator) -> Array:
    """Return stationary noise of standard deviation 1, of which neighbours correlate by `rho`."""
    shocks = rng.normal(size=n) * np.sqrt(1.0 - rho**2)
    noise = np.empty(n)
    noise[0] = rng.normal()
    for k in range(1, n):
        noise[k] = rho * noise[k - 1] + shocks[k]
    return noise


def fall(t: Array, rng: np.random.Generator) -> Array:
    """Return a falling curve over times in epochs: exponential, power law, or a plateau first; with drops of the rate."""
    n = float(t[-1])
    kind = rng.integers(3)
    if kind == 0:
        y = np.exp(-t / (n * rng.uniform(0.05, 0.6)))
    elif kind == 1:
        y = (1.0 + t / rng.uniform(0.2, 3.0)) ** -rng.uniform(0.3, 1.2)
    else:
        y = 1.0 / (1.0 + np.exp((t - n * rng.uniform(0.1, 0.4)) / (n * rng.uniform(0.02, 0.1))))
    for at in rng.uniform(0.3, 0.9, rng.integers(0, 3)):  # the learning rate is divided
        after = np.maximum(t - at * n, 0.0)
        y = y * (1.0 - rng.uniform(0.1, 0.5) * (1.0 - np.exp(-after / (0.02 * n + 0.3))))
    floor = rng.choice([0.0, 0.02, 0.3, 1.0]) * rng.uniform(0.5, 1.5)  # of wrong labels, say
    return np.asarray(rng.uniform(0.3, 3.0) * (floor + y))


def draw_length(rng: np.random.Generator) -> int:
    """Return a number of epochs from 5 to 300, short runs as often as long ones."""
    return int(np.exp(rng.uniform(np.log(5.0), np.log(300.99))))


class Parts(NamedTuple):
    """Of a healthy run: the loss at the ends of epochs, and what each side makes of it by a factor and a constant."""

    ends: Array
    train: Array
    factor: Array
    constant: float


def parts_of(n: int, rng: np.random.Generator) -> Parts:
    """Draw the parts of a healthy run.

    The weights jitter from epoch to epoch, which both scores feel; a small validation set is harder or easier throughout, by a
    factor and by a constant, and what it is hit by in each epoch correlates over epochs.
    """
    t = np.arange(n * PER_EPOCH + 1) / PER_EPOCH
    g = fall(t, rng)
    jitter = rng.choice([0.0, 0.005, 0.02, 0.05]) * wander(n, rng.choice([0.0, 0.5]), rng)
    ends = g[PER_EPOCH::PER_EPOCH] * np.exp(jitter)
    train = g[:-1].reshape(n, PER_EPOCH).mean(axis=1) * np.exp(0.3 * jitter)
    train = train * (1.0 + rng.choice([0.0, 0.1, 0.5]) * rng.random()) * (1.0 + 0.002 * rng.normal(size=n))  # dropout, batches
    own = np.exp(rng.uniform(np.log(0.001), np.log(0.1))) * wander(n, rng.choice([0.0, 0.3, 0.6, 0.9]), rng)
    factor = np.exp(rng.choice([0.02, 0.2]) * rng.normal() + own)
    return Parts(ends, train, factor, float(np.median(ends) * rng.choice([0.0, 0.2]) * rng.random()))


def healthy(rng: np.random.Generator, n: int | None = None) -> Log:
    """Draw a run whose unseen examples score as its training examples do: lag, dropout and the draw of a set are all."""
    p = parts_of(n or draw_length(rng), rng)
    return Log(p.train, p.ends * p.factor + p.constant)


def noise_only(rng: np.random.Generator, n: int | None = None) -> Log:
    """Draw a run in which nothing is learnt: flat curves with noise that correlates over epochs and, in part, between them."""
    n = n or draw_length(rng)
    size, rho, shared = np.exp(rng.uniform(np.log(0.001), np.log(0.3))), rng.choice([0.0, 0.3, 0.6, 0.9, 0.95]), rng.random()
    both, level = wander(n, rho, rng), rng.uniform(0.1, 5.0)
    sides = [level * np.exp(size * (shared * both + np.sqrt(1.0 - shared**2) * wander(n, rho, rng))) for _ in range(2)]
    return Log(sides[0] * rng.uniform(0.9, 1.1), sides[1])


def overfitting(rng: np.random.Generator, n: int | None = None) -> Log:
    """Draw a run that begins to memorise: training goes on falling, and validation rises by 15 to 100 % of its level."""
    n = n or max(8, draw_length(rng))
    p = parts_of(n, rng)
    turns = int(n * rng.uniform(0.2, 0.6))
    since = np.maximum(np.arange(1.0, n + 1.0) - turns, 0.0) / (n - turns)
    unseen = np.where(since > 0.0, p.ends[turns - 1], p.ends) * (1.0 + rng.uniform(0.15, 1.0) * since)
    return Log(p.train * (1.0 - rng.uniform(0.2, 0.9) * since), unseen * p.factor + p.constant, turns)
