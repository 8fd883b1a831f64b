"""How often the probe gives the right reason, and how often a wrong one: trainings whose reason is planted.

    python benchmarks/probe.py [--seeds 20]

Each case has one thing that decides: taken away, the same network overfits. Counted are the first reason given, and the claims
that a healthy training overfits. Data, weights and order differ with the seed. There is no peer to run
beside it: no other tool that was found answers the question.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from whygap.probe import Case, probe

D = 20
Batch = tuple[np.ndarray, np.ndarray]


def draw(n: int, seed: int, noise: float = 1.0) -> Batch:
    """Return examples of two classes that a linear rule tells apart, but for noise."""
    rule = np.random.default_rng(99).standard_normal(D) / D**0.5
    rng = np.random.default_rng([seed, n])
    x = rng.standard_normal((n, D)).astype(np.float32)
    return x, (x @ rule + noise * rng.standard_normal(n) > 0).astype(np.int64)


def stream(seed: int) -> Callable[[], Iterator[Batch]]:
    """Return what gives new batches in every epoch."""
    begun = [1000 * seed]

    def batches() -> Iterator[Batch]:
        for _ in range(20):
            begun[0] += 1
            yield draw(20, 10_000 + begun[0])

    return batches


def case(seed: int, *, n: int, width: int = 200, dropout: float = 0.0, noise: float = 1.0, **options: Any) -> Case:
    """Return a training; with a width of 0 of a linear model."""
    decay, lr, train = options.pop("decay", 0.0), options.pop("lr", 5e-3), options.pop("train", None)

    def model() -> nn.Module:
        if not width:
            return nn.Linear(D, 2)
        return nn.Sequential(nn.Linear(D, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 2))

    return Case(
        model=model,
        train=draw(n, 2 * seed) if train is None else train,
        valid=draw(1500, 2 * seed + 1, noise),
        loss=nn.CrossEntropyLoss(),
        optimiser=lambda parameters: torch.optim.AdamW(parameters, lr=lr, weight_decay=decay),
        **{"batch_size": 20, "epochs": 10, **options},
    )


CASES: dict[str, tuple[str, Callable[[int], Case]]] = {
    "few examples, large network": ("overfits", lambda seed: case(seed, n=100, epochs=40)),
    "new examples in every epoch": ("never repeated", lambda seed: case(seed, n=0, train=stream(seed))),
    "linear, many examples": ("capacity", lambda seed: case(seed, n=3000, width=0, batch_size=100)),
    "one epoch": ("epochs", lambda seed: case(seed, n=500, lr=1e-3, epochs=1)),
    "dropout 0.95": ("dropout", lambda seed: case(seed, n=400, width=100, dropout=0.95, batch_size=40)),
    "weight decay 20": ("weight decay", lambda seed: case(seed, n=400, decay=20.0, batch_size=40)),
    "linear, harder validation": ("cannot tell", lambda seed: case(seed, n=2000, width=0, noise=8.0, batch_size=100)),
}


def main() -> None:
    """Print, for each case, what was answered and how often."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)  # the networks are too small to share out
    print(f"{'planted':28} {'right':>9} {'seconds':>8}  answers")
    for name, (right, make) in CASES.items():
        answers: Counter[str] = Counter()
        began = time.monotonic()
        for seed in range(seeds):
            answers[answered(make, seed)] += 1
        each = (time.monotonic() - began) / seeds
        print(
            f"{name:28} {answers[right]:3} of {seeds:2} {each:8.1f}  {', '.join(f'{a} {n}' for a, n in answers.most_common())}"
        )


def answered(make: Callable[[int], Case], seed: int) -> str:
    """Return what the probe says first of one training."""
    answer = probe(lambda: make(seed), seconds=30, seed=seed)
    if answer.overfitting.state != "no":
        return {"yes": "overfits", "cannot_tell": "cannot tell"}[answer.overfitting.state]
    return answer.reasons[0].name if answer.reasons[0].state == "yes" else "no reason"


if __name__ == "__main__":
    main()
