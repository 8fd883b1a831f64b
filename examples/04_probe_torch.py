"""Why does my network not overfit? The probe trains it with one thing changed at a time.

    whygap probe 04_probe_torch:factory     (in this folder; or: python examples/04_probe_torch.py)

The handwritten digits that ship with scikit-learn, and a network with so much dropout that it can't learn them by heart. All
that the probe needs is a factory: what you would train, and on what.
"""

import torch
from rich.console import Console
from sklearn.datasets import load_digits
from torch import nn

from whygap.probe import Case, probe
from whygap.probe.printing import print_answer


def network(width: int) -> nn.Module:
    """Return a new network with random weights."""
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Dropout(0.8), nn.Linear(width, 10))


def factory(width: int = 128) -> Case:
    """Return the training as one would run it; with the argument `width` a wider network is tried, too."""
    images, target = load_digits(return_X_y=True)
    order = torch.randperm(len(target), generator=torch.Generator().manual_seed(0))
    x, y = torch.tensor(images / 16, dtype=torch.float32)[order], torch.tensor(target)[order]
    return Case(
        model=lambda: network(width),
        train=(x[:600], y[:600]),
        valid=(x[600:], y[600:]),
        loss=nn.CrossEntropyLoss(),
        optimiser=lambda parameters: torch.optim.Adam(parameters, lr=2e-3),
        batch_size=30,
        epochs=20,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)  # the network is too small to share out
    print_answer(Console(highlight=False), probe(factory, name="factory", seconds=60))
