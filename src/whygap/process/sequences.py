"""The sequence regression that the demo trains on: examples of 5 steps and 5 features, made once by one process."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError

N_STEPS, N_FEATURES = 5, 5
Array32 = npt.NDArray[np.float32]


class Sequences(NamedTuple):
    """Both sets: `x` of shape (n, 5, 5), `y` of shape (n,), scaled so that the training targets fill [0, 1]."""

    x_train: Array32
    y_train: Array32
    x_valid: Array32
    y_valid: Array32


def _draw(rng: np.random.Generator, n: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    x = rng.random((n, N_STEPS, N_FEATURES))
    x[:, :, 0] = rng.integers(0, 3, (n, N_STEPS))
    x[:, :, 1] = rng.integers(-1, 2, (n, N_STEPS))
    x[:, :, 2] += 2.0
    last = x[:, -1, :]
    mean = last.mean(axis=0)  # over the whole set, so that an example depends, a little, on its neighbours
    target = last[:, 0] * mean[3] + last[:, 1] * mean[4] + (last[:, 0] * last[:, 1] * mean[2]) ** 2
    return x, target * rng.uniform(0.95, 1.05, n)


def draw_sequences(seed: int, *, n: int = 5000) -> Sequences:
    """Draw a training and a validation set of `n` sequences each, by two separate calls of the same process.

    Each value is uniform on [0, 1), but for feature 0, an integer of {0, 1, 2}, feature 1, one of {-1, 0, 1}, and feature 2,
    shifted by 2. With m_j the set's mean of feature j at the last step and x_j the example's, the target is
    x_0 m_3 + x_1 m_4 + (x_0 x_1 m_2)^2, times noise uniform on (0.95, 1.05). Both sets' targets are scaled by the minimum
    and maximum of the training set's. The demo trains on these; `SequenceRegression` has the means of the process in place of
    the set's, so that there an example knows nothing of its neighbours.

    Parameters
    ----------
    seed : int
        Of the process; the same seed gives the same bytes.
    n : int
        Examples in each set, at least 2.

    Raises
    ------
    InputError
        If `n` is below 2.
    """
    if n < 2:
        raise InputError(f"a set of sequences needs at least 2 examples, not {n}")
    rng = np.random.default_rng(seed)
    x_train, y_train = _draw(rng, n)
    x_valid, y_valid = _draw(rng, n)
    low, high = float(y_train.min()), float(y_train.max())
    scale = high - low
    return Sequences(
        x_train.astype(np.float32),
        ((y_train - low) / scale).astype(np.float32),
        x_valid.astype(np.float32),
        ((y_valid - low) / scale).astype(np.float32),
    )
