"""Trainings whose answer is known beforehand: a linear rule with noise, and networks that can or can't learn it by heart."""

import numpy as np

from whygap.process import process

D = 20
RULE = np.random.default_rng(99).standard_normal(D) / D**0.5


def draw(n, seed, *, noise=1.0, d=D):
    """Examples of two classes, a third of which nobody could tell right."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)).astype("float32")
    return x, (x[:, :D] @ RULE + noise * rng.standard_normal(n) > 0).astype("int64")


@process
def line(draws):
    """Regression on one of two inputs, with noise."""
    x = draws.uniform(2, low=-1.0, high=1.0)
    return x, x[:, :1] + 0.5 * draws.normal(1)


def torch_case(width=100, *, n=100, lr=5e-3, dropout=0.0, weight_decay=0.0, linear=False, noise_valid=1.0, **options):
    import torch
    from torch import nn

    def model():
        if linear:
            return nn.Linear(D, 2)
        return nn.Sequential(nn.Linear(D, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 2))

    def optimiser(parameters):
        return torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)

    case = {"train": draw(n, 1), "valid": draw(1000, 2, noise=noise_valid), "loss": nn.CrossEntropyLoss(), "epochs": 10}
    return {"model": model, "optimiser": optimiser, "batch_size": 20, **case, **options}


def keras_case(width=100, *, n=100, dropout=0.0, **options):
    import keras

    def model():
        layers = [keras.Input((D,)), keras.layers.Dense(width, activation="relu")]
        layers += [keras.layers.Dropout(dropout)] if dropout else []
        made = keras.Sequential([*layers, keras.layers.Dense(2, activation="softmax")])
        made.compile(optimizer=keras.optimizers.Adam(5e-3), loss="sparse_categorical_crossentropy")
        return made

    return {"model": model, "train": draw(n, 1), "valid": draw(1000, 2), "epochs": 10, "batch_size": 20, **options}


def new_batches(n_batches=20, rows=20):
    """A function that gives new batches in every epoch."""
    begun = [0]

    def batches():
        for _ in range(n_batches):
            begun[0] += 1
            yield draw(rows, 1000 + begun[0])

    return batches
