"""Small real trainings of which the end-of-epoch training loss is known exactly: what recovery from a log is held against."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from whygap.process import draw_sequences

Array = npt.NDArray[np.float64]
CLASSES, LENGTH = 10, 40


@dataclass(frozen=True)
class Case:
    """One configuration; `n_valid` examples are scored in eval mode after every epoch."""

    name: str
    network: str
    n: int = 4000
    n_valid: int = 1000
    batch: int = 100
    epochs: int = 30
    optimiser: str = "adam"
    lr: float = 1e-3
    hidden: int = 100
    dropout: float = 0.0
    wrong_labels: float = 0.0
    falls: float = 1.0  # factor on the learning rate after each epoch
    is_fresh: bool = False  # no example is seen twice


FAMILIAR = (
    Case("mlp, smooth", "mlp"),
    Case("mlp, memorising", "mlp", n=1000, batch=50, lr=5e-3),
    Case("cnn, dropout, sgd", "cnn", batch=64, epochs=20, optimiser="sgd", lr=0.02, hidden=24, dropout=0.3),
    Case("lstm regression", "lstm", n=5000, n_valid=5000, batch=32, epochs=12, hidden=50),
    Case("mlp, narrow, wrong labels", "mlp", lr=3e-3, hidden=20, wrong_labels=0.15),
    Case("mlp, batch norm, dropout", "mlp_norm", n=2000, batch=32, epochs=25, lr=2e-3, dropout=0.2),
    Case("gru", "gru", n=3000, batch=50, epochs=20, lr=3e-3, hidden=32),
    Case("regression, sgd, noisy", "regression", n=1500, n_valid=500, batch=25, optimiser="sgd", lr=0.01),
)
"""What the method's few constants were chosen on, with other seeds than it is held against."""

UNSEEN = (
    Case("cnn, adam, wrong labels", "cnn", n=2000, batch=32, epochs=20, lr=2e-3, hidden=16, wrong_labels=0.2),
    Case("regression, adam, dropout", "regression", n=2500, batch=64, lr=2e-3, hidden=40, dropout=0.1),
    Case("mlp, sgd, falling rate", "mlp_norm", n=3000, batch=64, epochs=25, optimiser="sgd", lr=0.05, falls=0.85),
)
"""Configurations that nothing was chosen on."""


class Training(NamedTuple):
    """What a log tells, epoch means `train` and `valid` of shape (e,) and `steps` of shape (e, s), and the truth, `end`.

    `end` is the mean loss of all training examples in train mode under the weights at the end of each epoch: rung 3.
    """

    train: Array
    valid: Array
    end: Array
    steps: Array
    sizes: Array


def draw_signals(n: int, rng: np.random.Generator, wrong_labels: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw noisy signals of ten smooth shapes, stretched and shifted; the shapes are the same for every seed."""
    shapes = np.random.default_rng(0).normal(size=(CLASSES, 12))
    shapes = np.apply_along_axis(lambda s: np.interp(np.linspace(0, 11, 24), np.arange(12), s), 1, shapes)
    y = rng.integers(0, CLASSES, n)
    at = (np.arange(LENGTH)[None, :] - rng.uniform(0, 16, (n, 1))) * rng.uniform(0.8, 1.2, (n, 1))
    x = np.stack([np.interp(a, np.arange(24), shapes[c], left=0.0, right=0.0) for a, c in zip(at, y, strict=True)])
    x = x * rng.uniform(0.6, 1.4, (n, 1)) + 0.4 * rng.normal(size=x.shape)
    y = np.where(rng.random(n) < wrong_labels, rng.integers(0, CLASSES, n), y)
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y)


def draw_targets(n: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a regression of which half the variance is noise."""
    x = rng.normal(size=(n, LENGTH)).astype(np.float32)
    y = np.sin(x[:, 5] + x[:, 20]) + x[:, 30] + rng.normal(size=n)
    return torch.from_numpy(x), torch.from_numpy(y[:, None].astype(np.float32))


def draw(case: Case, seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Draw the training and the validation set."""
    if case.network == "lstm":
        d = draw_sequences(seed, n=case.n)
        return [
            (torch.from_numpy(x), torch.from_numpy(y)[:, None])
            for x, y in ((d.x_train, d.y_train), (d.x_valid[: case.n_valid], d.y_valid[: case.n_valid]))
        ]
    rng = np.random.default_rng([seed, 5])
    sizes = (case.n, case.n_valid)
    if case.network == "regression":
        return [draw_targets(n, rng) for n in sizes]
    return [draw_signals(n, rng, case.wrong_labels) for n in sizes]


class Recurrent(torch.nn.Module):
    """A recurrent layer and a linear one on its last state."""

    def __init__(self, layer: torch.nn.Module, hidden: int, out: int) -> None:
        super().__init__()
        self.layer, self.out = layer, torch.nn.Linear(hidden, out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.layer(x if x.ndim == 3 else x.reshape(len(x), -1, 4))[0][:, -1])


def build(case: Case) -> torch.nn.Module:
    """Return the network."""
    nn, h, p = torch.nn, case.hidden, case.dropout
    if case.network == "lstm":
        return Recurrent(nn.LSTM(5, h, batch_first=True), h, 1)
    if case.network == "gru":
        return Recurrent(nn.GRU(4, h, batch_first=True), h, CLASSES)
    if case.network == "cnn":
        return nn.Sequential(
            nn.Unflatten(1, (1, LENGTH)),
            *(nn.Conv1d(1, h, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2)),
            *(nn.Conv1d(h, h, 5, padding=2), nn.ReLU(), nn.AdaptiveMaxPool1d(4)),
            *(nn.Flatten(), nn.Dropout(p), nn.Linear(4 * h, CLASSES)),
        )
    norm: Callable[[], list[torch.nn.Module]] = (lambda: [nn.BatchNorm1d(h)]) if case.network == "mlp_norm" else list
    drop: Callable[[], list[torch.nn.Module]] = (lambda: [nn.Dropout(p)]) if p else list
    out = 1 if case.network == "regression" else CLASSES
    first, second = ([nn.Linear(a, h), *norm(), nn.ReLU(), *drop()] for a in (LENGTH, h))
    return nn.Sequential(*first, *second, nn.Linear(h, out))


def train(case: Case, seed: int) -> Training:
    """Train once and evaluate every epoch's end exactly."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    (x, y), (xv, yv) = draw(case, seed)
    more = [draw(case, 1000 * (seed + 1) + e)[0] for e in range(case.epochs if case.is_fresh else 0)]
    model = build(case)
    twin = copy.deepcopy(model)
    loss = functional.mse_loss if y.is_floating_point() else functional.cross_entropy
    optimiser = (
        torch.optim.Adam(model.parameters(), lr=case.lr)
        if case.optimiser == "adam"
        else torch.optim.SGD(model.parameters(), lr=case.lr, momentum=0.9)
    )
    passes = 8 if case.dropout else 1  # of masks and batch statistics, whose own noise is not the log's
    end, valid, steps = [], [], []
    for _ in range(case.epochs):
        model.train()
        row = []
        if case.is_fresh:
            x, y = more.pop()
        for index in torch.randperm(len(x)).split(case.batch):
            value = loss(model(x[index]), y[index])
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            row.append(float(value.detach()))
        for group in optimiser.param_groups:
            group["lr"] *= case.falls
        steps.append(row)
        twin.load_state_dict(model.state_dict())
        twin.train()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            batches = [i for _ in range(passes) for i in torch.randperm(len(x)).split(case.batch)]
            total = sum(float(loss(twin(x[i]), y[i], reduction="sum")) for i in batches)
        end.append(total / passes / y.numel())
        twin.load_state_dict(model.state_dict())
        twin.eval()
        with torch.no_grad():
            valid.append(float(loss(twin(xv), yv)))
    sizes = np.array([len(i) for i in torch.arange(len(x)).split(case.batch)], dtype=np.float64)
    each = np.array(steps)
    return Training(each @ sizes / sizes.sum(), np.array(valid), np.array(end), each, sizes)
