"""Dropout and batch norm in PyTorch: how much of the gap is that training is scored in train mode?

    python examples/01_digits_torch.py

The handwritten digits that ship with scikit-learn, a small network, and four lines more than the training loop had.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from whygap.adapters.torch import Meter


def load(seed: int = 0) -> tuple[TensorDataset, TensorDataset]:
    """Return training and validation digits: 1,297 and 500 images of 8 x 8 pixels."""
    images, target = load_digits(return_X_y=True)
    order = torch.randperm(len(target), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(images / 16, dtype=torch.float32)[order]
    y = torch.tensor(target)[order]
    return TensorDataset(x[:1297], y[:1297]), TensorDataset(x[1297:], y[1297:])


def train(*, epochs: int = 8, budget: float | str = 512, seed: int = 0, store: object = None) -> tuple[nn.Module, Meter]:
    """Train a small network with dropout and batch norm and measure it."""
    train_set, valid_set = load()
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10))
    loss_of = nn.CrossEntropyLoss()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
    valid_loader = DataLoader(valid_set, batch_size=250)

    meter = Meter(model, loss_of, valid=valid_loader, scores=["accuracy"], reduction="rows", budget=budget, store=store)
    for _ in range(epochs):
        model.train()
        for x, y in meter.train(train_loader):
            output = model(x)
            loss = loss_of(output, y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            meter.record(loss, accuracy=(output.argmax(dim=1) == y).float().mean())
        print(meter.end_epoch())
    meter.close()
    return model, meter


if __name__ == "__main__":
    _, finished = train()
    print()
    print(finished.explain())
