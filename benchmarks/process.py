"""Measure how many examples a second each process makes on one core, beside the published MNIST-1D generator and the limits.

Two limits are measured in the same run, each in turn with what it is held against. Random numbers: NumPy's fastest generator
(SFC64) filling arrays with as many normal, uniform and 32-bit numbers as the process asks for, and nothing else. Memory: a copy
of as many bytes as the examples have, from and to arrays that no cache holds. Between the two stands our own generator alone:
what an address for every number costs. `mnist1d` comes with `pip install whygap[bench]`.

    python benchmarks/process.py [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mnist1d.data import get_dataset_args, make_dataset

from whygap.process import (
    MNIST1D,
    AddingProblem,
    Draws,
    GaussianMixture,
    ModularAddition,
    Process,
    SequenceRegression,
    Shapes,
    SparseParity,
    TeacherStudent,
)

PROCESSES: tuple[Process, ...] = (
    MNIST1D(),
    SequenceRegression(),
    SparseParity(),
    ModularAddition(),
    AddingProblem(),
    TeacherStudent(),
    GaussianMixture(),
    Shapes(),
)
COPIED = 2**26  # bytes, many times what the caches hold


class Counting(Draws):
    """Draws that count what each example asks for."""

    def __init__(self, index: Any) -> None:
        super().__init__(index, seed=0)
        self.words = self.normals = 0

    def bits(self, *shape: int) -> Any:
        self.words += math.prod(shape)
        return super().bits(*shape)

    def normal(self, *shape: int) -> Any:
        self.normals += math.prod(shape)
        return super().normal(*shape)


def published(n: int, seed: int) -> None:
    """Make `n` examples with the package."""
    arguments = get_dataset_args()
    arguments.num_samples, arguments.train_split, arguments.seed = n, 1.0, seed
    make_dataset(arguments)


def seconds(function: Callable[[], Any]) -> float:
    """Return the time of one call."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def measure(process: Process, n: int, rounds: int) -> dict[str, Any]:
    """Return examples a second of a process and of what limits it, the best of the rounds, taken in turns."""
    few = np.arange(256)
    counted = Counting(few)
    x, y = process.make(counted)
    size = (x.nbytes + y.nbytes) / few.size
    plain = counted.words - counted.normals
    step = process.rows_at_once
    rng = np.random.Generator(np.random.SFC64(0))
    normals, words = np.empty((step, counted.normals), np.float32), np.empty((step, plain), np.float32)
    source, target = np.ones(COPIED // 8), np.empty(COPIED // 8)

    def numbers() -> None:
        for _ in range(n // step):
            rng.standard_normal(out=normals, dtype=np.float32)
            rng.random(out=words, dtype=np.float32)

    def addressed() -> None:
        for at in range(0, n, step):
            draws = Draws(np.arange(at, at + step), seed=1)
            if counted.normals:
                draws.normal(counted.normals)
            if plain:
                draws.bits(plain)

    tried: dict[str, Callable[[], Any]] = {
        "process": partial(process.draw, np.arange(n) % (process.size_of("train") or n), seed=1),
        "addressed numbers": addressed,
        "random numbers": numbers,
        "memory": partial(np.copyto, target, source),
    }
    times: dict[str, list[float]] = {name: [] for name in tried}
    for k in range(rounds + 1):
        for name, function in tried.items():
            spent = seconds(function)
            if k:  # the first round fills tables and caches
                times[name].append(spent)
    best = {name: min(every) for name, every in times.items()}
    memory = COPIED / size / best["memory"]
    has_numbers = counted.words > 0
    addressed_rate, numbers_rate = (
        n / best[name] if has_numbers else math.inf for name in ("addressed numbers", "random numbers")
    )
    limit = 1.0 / (1.0 / numbers_rate + 1.0 / memory)
    return {
        "process": type(process).__name__,
        "bytes": size,
        "normals": counted.normals,
        "other_words": plain,
        "examples_per_second": n / best["process"],
        "addressed_numbers_per_second": addressed_rate * counted.words if has_numbers else None,
        "random_numbers_per_second": numbers_rate * counted.words if has_numbers else None,
        "memory_gigabytes_per_second": COPIED / best["memory"] / 1e9,
        "limit_of_addressed_numbers": addressed_rate if has_numbers else None,
        "limit_of_random_numbers": numbers_rate if has_numbers else None,
        "limit_of_memory": memory,
        "share_of_limit": n / best["process"] / limit,
        "spread": max(times["process"]) / best["process"],
    }


def against_published(n: int, n_published: int, rounds: int) -> dict[str, Any]:
    """Return examples a second of both generators of MNIST-1D, taken in turns."""
    process = MNIST1D()
    theirs, ours = [], []
    for k in range(rounds):
        theirs.append(n_published / seconds(partial(published, n_published, k)))
        ours.append(n / seconds(partial(process.draw, np.arange(n), seed=k)))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {
        "published": float(np.median(theirs)),
        "whygap": float(np.median(ours)),
        "ratio": float(np.median(ratios)),
        "ratios": [min(ratios), max(ratios)],
    }


def small_batches(process: Process, rounds: int) -> dict[int, float]:
    """Return examples a second where they are asked for a batch at a time."""
    found = {}
    for size in (1, 32, 256, 1024):
        batches = [np.arange(k, k + size) for k in range(max(20, 20_000 // size))]
        spent = min(seconds(lambda batches=batches: [process.draw(b, seed=1) for b in batches]) for _ in range(rounds))
        found[size] = len(batches) * size / spent
    return found


def _shown(rate: float | None) -> str:
    return "none drawn" if rate is None else f"{rate:,.0f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 seconds: fewer examples and rounds")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    n, rounds = (8192, 3) if arguments.quick else (65_536, 7)

    pair = against_published(n, 1000 if arguments.quick else 5000, rounds)
    low, high = pair["ratios"]
    print("MNIST-1D, examples a second on one core, in turns")
    print(f"  the published generator (mnist1d) {pair['published']:12,.0f}")
    print(f"  whygap                            {pair['whygap']:12,.0f}")
    print(f"  times as many                     {pair['ratio']:12,.0f}   (turns: {low:.0f} to {high:.0f})")

    rows = [measure(p, n, rounds) for p in PROCESSES]
    print(f"\nExamples a second on one core, best of {rounds}, and what the machine would allow")
    heads = f"{'its numbers':>13}{'SFC64 alone':>13}{'memory':>14}{'of limit':>10}{'bytes':>7}{'numbers':>9}"
    print(f"{'process':20}{'whygap':>12}{heads}")
    for r in rows:
        print(
            f"{r['process']:20}{r['examples_per_second']:12,.0f}{_shown(r['limit_of_addressed_numbers']):>13}"
            f"{_shown(r['limit_of_random_numbers']):>13}{r['limit_of_memory']:14,.0f}{r['share_of_limit']:10.2f}"
            f"{r['bytes']:7.0f}{r['normals'] + r['other_words']:9d}"
        )
    print(f"memory: {np.median([r['memory_gigabytes_per_second'] for r in rows]):.1f} GB/s copied")

    batches = small_batches(MNIST1D(), rounds)
    print("\nMNIST-1D a batch at a time: " + ", ".join(f"{size}: {rate:,.0f}/s" for size, rate in batches.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps({"mnist1d": pair, "processes": rows, "batches": batches, "n": n}, indent=1))


if __name__ == "__main__":
    main()
