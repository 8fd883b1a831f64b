"""Why does my network not overfit? The probe trains it with one thing changed at a time.

    cd examples && whygap probe 04_probe_torch:factory --seconds 60     (or: python examples/04_probe_torch.py)

The demo's sequences and a small network. All that the probe needs is a factory: what you would train, and on what.
"""

import numpy as np
import torch
from rich.console import Console
from torch import nn

from whygap.probe import Case, ProbeAnswer, probe
from whygap.probe.printing import print_answer
from whygap.process import SequenceRegression

SEQUENCES = SequenceRegression()


def network(width: int) -> nn.Module:
    """Return a new network with random weights."""
    return nn.Sequential(nn.Flatten(), nn.Linear(25, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))


def factory(width: int = 32) -> Case:
    """Return the training as one would run it; with the argument `width` a wider network is tried, too."""
    x, y = SEQUENCES.draw(np.arange(4000), seed=1)
    x_valid, y_valid = SEQUENCES.draw(np.arange(2000), seed=1, split="valid")
    return Case(
        model=lambda: network(width),
        train=(x, y[:, None]),
        valid=(x_valid, y_valid[:, None]),
        loss=nn.MSELoss(),
        optimiser=lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
        batch_size=40,
        epochs=10,
    )


def run(seconds: float = 60.0) -> ProbeAnswer:
    """Return the answer about the network above."""
    return probe(factory, name="factory", seconds=seconds)


if __name__ == "__main__":
    torch.set_num_threads(1)  # the network is too small to share out
    print_answer(Console(highlight=False), run())
