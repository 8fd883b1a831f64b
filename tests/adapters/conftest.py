"""The handwritten digits that ship with scikit-learn: real data that is there without a network."""

import numpy as np
import pytest
from sklearn.datasets import load_digits


class Digits:
    def __init__(self):
        images, target = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(target))
        images, target = (images[order] / 16).astype("float32"), target[order].astype("int64")
        self.x_train, self.y_train = images[:1000], target[:1000]
        self.x_valid, self.y_valid = images[1000:1400], target[1000:1400]
        self.x_fresh, self.y_fresh = images[1400:], target[1400:]


@pytest.fixture(scope="session")
def digits():
    return Digits()
