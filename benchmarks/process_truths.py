"""Print what is stated of each process's best possible score beside the score of the best rule on a large sample.

The Bayes error of the rendered shapes is a Monte-Carlo run: the mean over images of 1 less the largest posterior probability,
each found from all 1,024 images without noise. The other truths are closed forms.

    python benchmarks/process_truths.py [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from whygap.process import (
    AddingProblem,
    GaussianMixture,
    ModularAddition,
    Process,
    SequenceRegression,
    Shapes,
    SparseParity,
    TeacherStudent,
)
from whygap.process.sequence_regression import HIGHEST, LOWEST, clean_target
from whygap.process.shapes import rendered

PIECE = 20_000
Rule = Callable[[Any], Any]


def shape_posterior(x: Any, noise: float) -> Any:
    """Return the probability of each figure given images, of shape (n, 4)."""
    clean = rendered().reshape(-1, x.shape[1] * x.shape[2])
    fit = (x.reshape(len(x), -1) @ clean.T - 0.5 * (clean * clean).sum(axis=1)).astype(np.float64) / noise**2
    fit = fit.reshape(len(x), rendered().shape[0], -1)
    likelihood = np.exp(fit - fit.max(axis=(1, 2), keepdims=True)).sum(axis=2)
    return likelihood / likelihood.sum(axis=1, keepdims=True)


def cases() -> list[tuple[Process, Rule]]:
    """Return processes with the best rule for each."""
    teacher, flipped = TeacherStudent(), GaussianMixture(classes=3, flip=0.1)
    low, scale = LOWEST, HIGHEST - LOWEST
    return [
        (SequenceRegression(), lambda x: (clean_target(x[:, -1, 0], x[:, -1, 1]) - low) / scale),
        (SparseParity(flip=0.1), lambda x: (x[:, :3].prod(axis=1) < 0).astype(int)),
        (ModularAddition(), lambda x: (x[:, :97].argmax(1) + x[:, 97:].argmax(1)) % 97),
        (AddingProblem(), lambda x: (x[:, :, 0] * x[:, :, 1]).sum(axis=1)),
        (teacher, teacher.mean),
        (GaussianMixture(), lambda x: x[:, :2].argmax(axis=1)),
        (flipped, lambda x: x[:, :3].argmax(axis=1)),
        (Shapes(), lambda x: shape_posterior(x, 0.3).argmax(axis=1)),
    ]


def sampled(process: Process, rule: Rule, n: int, seed: int) -> tuple[float, float]:
    """Return the mean score of a rule on the validation split and its standard error."""
    n = min(n, process.size_of("valid") or n)
    scores = []
    for at in range(0, n, PIECE):
        x, y = process.draw(np.arange(at, min(at + PIECE, n)), seed=seed, split="valid")
        said = rule(x)
        scores.append(said != y if process.classes else (said.astype(np.float64) - y) ** 2)
    every = np.concatenate(scores).astype(np.float64)
    return float(every.mean()), float(every.std() / np.sqrt(n))


def shapes_error(n: int) -> tuple[float, float]:
    """Return the Bayes error of the shapes with the default noise and its standard error."""
    process, errors = Shapes(), []
    for at in range(0, n, PIECE):
        x, _ = process.draw(np.arange(at, min(at + PIECE, n)), seed=0)
        errors.append(1.0 - shape_posterior(x, process.noise).max(axis=1))
    every = np.concatenate(errors)
    return float(every.mean()), float(every.std() / np.sqrt(n))


def main() -> None:
    """Print the table and the constants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the examples")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    n = 20_000 if arguments.quick else 200_000
    rows = []
    print(f"{'process':22}{'score':12}{'stated':>14}{'best rule':>14}{'error of it':>14}{'z':>7}")
    for seed, (process, rule) in enumerate(cases()):
        truth = process.truths()[0]
        value, error = sampled(process, rule, n, seed)
        whole = float(np.hypot(error, truth.standard_error))
        z = (value - truth.value) / whole if whole else 0.0
        name = type(process).__name__
        print(f"{name:22}{truth.score:12}{truth.value:14.6g}{value:14.6g}{error:14.2g}{z:7.2f}")
        rows.append({"process": repr(process), "score": truth.score, "stated": truth.value, "sampled": value, "z": z})
    value, error = shapes_error(5 * n)
    print(f"\nShapes: BAYES_ERROR, BAYES_ERROR_SE = {value:.6f}, {error:.6f}  ({5 * n:,} images)")
    if arguments.json:
        arguments.json.write_text(json.dumps({"truths": rows, "shapes": [value, error], "n": n}, indent=1))


if __name__ == "__main__":
    main()
