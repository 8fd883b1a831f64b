"""Train the same classifiers on MNIST-1D of the published generator and of ours, and give the difference in test accuracy.

Each seed is a set of 4,000 training and 4,000 test examples from either generator, and one initialisation. The interval is
Welch's, over seeds. The published generator standardises training and test examples together; ours doesn't. Besides: the mean
and standard deviation of every point of x for every digit, compared.

    python benchmarks/process_accuracy.py [--quick] [--seeds 20] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from mnist1d.data import get_dataset_args, make_dataset
from scipy.special import stdtrit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from whygap.process import MNIST1D

N = 4000
Sets = tuple[Any, Any, Any, Any]


def published(seed: int) -> Sets:
    """Return training and test examples of the package."""
    arguments = get_dataset_args()
    arguments.num_samples, arguments.train_split, arguments.seed = 2 * N, 0.5, seed
    made = make_dataset(arguments)
    return made["x"], made["y"], made["x_test"], made["y_test"]


def ours(seed: int) -> Sets:
    """Return as many of our own."""
    (x, y), (xt, yt) = (MNIST1D().draw(np.arange(N), seed=seed, split=split) for split in ("train", "test"))
    return x, y, xt, yt


def accuracies(sets: Sets, seed: int) -> dict[str, float]:
    """Return the test accuracy in percent of a logistic regression and of an MLP 40-100-100-10 after 2,000 steps of Adam."""
    x, y, xt, yt = sets
    models = {
        "logistic": LogisticRegression(C=1.0, max_iter=200),
        "MLP": MLPClassifier(
            (100, 100), batch_size=100, learning_rate_init=3e-3, max_iter=50, alpha=0.0, tol=0.0, random_state=seed
        ),
    }
    with warnings.catch_warnings(), threadpool_limits(1):  # the layers are too small to share
        warnings.simplefilter("ignore", ConvergenceWarning)  # the steps are meant to be few
        return {name: 100.0 * model.fit(x, y).score(xt, yt) for name, model in models.items()}


def welch(a: Any, b: Any) -> tuple[float, float]:
    """Return the difference of two means and the half-width of its 95 % interval."""
    u, v = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
    df = (u + v) ** 2 / (u**2 / (len(a) - 1) + v**2 / (len(b) - 1))
    return float(np.mean(a) - np.mean(b)), float(stdtrit(df, 0.975) * np.sqrt(u + v))


def moments_apart(theirs: list[Sets], mine: list[Sets]) -> dict[str, float]:
    """Return the root mean square and the largest z of the differences in mean and variance, over 10 digits x 40 points."""
    pooled = []
    for sets in (theirs, mine):
        x, y = (np.concatenate([s[k] for s in sets for k in ks]) for ks in ((0, 2), (1, 3)))
        pooled.append((x.astype(np.float64), y))
    z: dict[str, list[Any]] = {"mean": [], "variance": []}
    for digit in range(10):
        a, b = (x[y == digit] for x, y in pooled)
        for name in z:
            if name == "variance":
                a, b = (a - a.mean(axis=0)) ** 2, (b - b.mean(axis=0)) ** 2
            z[name].append((a.mean(axis=0) - b.mean(axis=0)) / np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b)))
    found = {}
    for name, every in z.items():
        found[f"{name} rms z"] = float(np.sqrt(np.mean(np.square(every))))
        found[f"{name} largest z"] = float(np.abs(every).max())
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="five seeds: half a minute")
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seeds = arguments.seeds or (5 if arguments.quick else 20)
    sets: dict[str, list[Sets]] = {"published": [], "whygap": []}
    scores: dict[str, list[dict[str, float]]] = {"published": [], "whygap": []}
    began = time.perf_counter()
    for seed in range(seeds):
        for name, make in (("published", published), ("whygap", ours)):
            sets[name].append(make(seed))
            scores[name].append(accuracies(sets[name][-1], seed))
        print(f"\rseed {seed + 1}/{seeds}, {time.perf_counter() - began:.0f} s ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)

    print(f"MNIST-1D: test accuracy in percent, {seeds} sets of {N:,} + {N:,} examples from either generator")
    print(f"{'model':10}{'published':>11}{'whygap':>9}{'difference':>12}{'95 % interval':>20}")
    told: dict[str, Any] = {"seeds": seeds, "n": N}
    for model in ("logistic", "MLP"):
        theirs, mine = ([s[model] for s in scores[name]] for name in ("published", "whygap"))
        difference, half = welch(mine, theirs)
        interval = f"{difference - half:+.2f} to {difference + half:+.2f}"
        print(f"{model:10}{np.mean(theirs):11.2f}{np.mean(mine):9.2f}{difference:+12.2f}{interval:>20}")
        told[model] = {"published": theirs, "whygap": mine, "difference": difference, "half_width": half}
    told["moments"] = moments_apart(sets["published"], sets["whygap"])
    print(
        "Every point of every digit, ours against published: " + ", ".join(f"{k} {v:.2f}" for k, v in told["moments"].items())
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
