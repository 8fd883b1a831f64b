"""The PyTorch trainings that `overhead.py` times: a plain loop, as its user would write it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from overhead_cases import BATCH, N_CLASSES, SIDE, Arm, Images, Stopwatch, Training, Width, train_in_turns, width
from whygap.adapters.torch import Meter
from whygap.records import EpochGap

Pairs = Iterable[tuple[Tensor, Tensor]]

INDEXED = "-indexed"
"""At the end of a model's name: with the fastest loader in place of a user's."""


class Indexed:
    """Batches by indexing two tensors: faster than any DataLoader, so that no cost of ours hides behind the loader's.

    With a generator they are shuffled anew in every pass, without one they come in order.
    """

    def __init__(self, x: Tensor, y: Tensor, generator: torch.Generator | None = None) -> None:
        self._x, self._y, self.generator = x, y, generator

    def __len__(self) -> int:
        return -(-len(self._y) // BATCH)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = None if self.generator is None else torch.randperm(len(self._y), generator=self.generator)
        for start in range(0, len(self._y), BATCH):
            rows = slice(start, start + BATCH)
            part = rows if order is None else order[rows]
            yield self._x[part], self._y[part]


def load(x: Tensor, y: Tensor, generator: torch.Generator | None = None) -> Pairs:
    """Return the loader that a user would write, shuffled where it has a generator.

    One without would draw from the global generator at each walk, and evaluating the training set would change the run.
    """
    return DataLoader(
        TensorDataset(x, y), batch_size=BATCH, shuffle=generator is not None, generator=generator or torch.Generator()
    )


class LastStep(nn.Module):
    """An LSTM over the rows of the pictures, and a layer on its last output."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(SIDE, 64, batch_first=True)
        self.head = nn.Linear(64, N_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return cast("Tensor", self.head(self.lstm(x)[0][:, -1]))


def build(model: str) -> nn.Module:
    """Return a new model for batches of shape (n, 28, 28)."""
    if model == "mlp":
        widths = (SIDE * SIDE, 256, 128)
        layers = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(nn.Flatten(), *layers, nn.Linear(128, N_CLASSES))
    if model == "lstm":
        return LastStep()
    convolutions = [m for a, b in ((1, 16), (16, 32)) for m in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))]
    head = (nn.Flatten(), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Dropout(0.25), nn.Linear(64, N_CLASSES))
    return nn.Sequential(nn.Unflatten(1, (1, SIDE)), *convolutions, *head)


def in_turn(meter: Meter | None) -> Iterator[None]:
    """Give up the turn; afterwards the global generator is as it was, and the time in between no time of the training."""
    state, began = torch.get_rng_state(), time.perf_counter()
    yield
    torch.set_rng_state(state)
    if meter is not None:
        meter._ledger._began += time.perf_counter() - began


def mean_loss(model: nn.Module, criterion: nn.Module, batches: Pairs) -> float:
    """Return the mean loss over the examples, in eval mode: a user's validation loop."""
    model.eval()
    total, rows = 0.0, 0
    with torch.no_grad():
        for x, y in batches:
            total += criterion(model(x), y).item() * len(y)
            rows += len(y)
    return total / rows


def hash_of(model: nn.Module) -> str:
    """Return a hash of all parameters and buffers, to the last bit."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


class TorchTrainings:
    """Trainings of one model on one set of examples."""

    def __init__(self, model: str, data: Images) -> None:
        self._model, is_indexed = model.removesuffix(INDEXED), model.endswith(INDEXED)
        self._load: Callable[..., Pairs] = Indexed if is_indexed else load
        self._x, self._y = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)
        self._valid = self._load(torch.from_numpy(data.x_valid), torch.from_numpy(data.y_valid))

    def train(
        self,
        arm: Arm,
        stopwatch: Stopwatch,
        *,
        seed: int,
        epochs: int,
        store: Path,
        watch: Callable[[nn.Module, EpochGap], None] | None = None,
    ) -> Training:
        """Train anew and time all of it; `watch` sees the model and the gap at the end of every epoch of the whygap arm."""
        torch.manual_seed(seed)
        train_loader = self._load(self._x, self._y, torch.Generator().manual_seed(seed))
        train_in_order = self._load(self._x, self._y)
        model, criterion = build(self._model), nn.CrossEntropyLoss()
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
        meter = Meter(model, nn.CrossEntropyLoss(), valid=self._valid, store=store) if arm == "whygap" else None
        for _ in range(epochs):
            model.train()
            total = 0.0
            for x, y in train_loader if meter is None else meter.train(train_loader):
                loss = criterion(model(x), y)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                total += loss.item() * len(y)  # the training loss that a user prints
                if meter is not None:
                    meter.record(loss)
                if stopwatch.is_long():
                    yield from in_turn(meter)
            mean_loss(model, criterion, self._valid if meter is None else meter.validate(self._valid))
            if arm == "re-evaluation":
                mean_loss(model, criterion, train_in_order)
            if meter is not None:
                gap = meter.end_epoch()
                if watch is not None:
                    watch(model, gap)
            stopwatch.read()
            yield from in_turn(meter)
        if meter is not None:
            meter.close()
        stopwatch.read()
        return stopwatch.trained(hash_of(model), None if meter is None else meter.run)

    def widths(self, *, seed: int, epochs: int, store: Path) -> list[Width]:
        """Train once more, untimed, and compare the intervals of every epoch with its exact validation losses."""
        found, each = list[Width](), nn.CrossEntropyLoss(reduction="none")

        def watch(model: nn.Module, gap: EpochGap) -> None:
            model.eval()
            with torch.no_grad():
                losses = torch.cat([each(model(x), y) for x, y in self._valid])
            found.append(width(gap, losses.numpy()))

        train_in_turns({"whygap": partial(self.train, "whygap", seed=seed, epochs=epochs, store=store, watch=watch)})
        return found
