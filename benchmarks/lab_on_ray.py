"""The same runs in processes of this machine and on Ray: seconds for each, and the largest difference of any score.

40 runs of MNIST-1D: 4 widths of an MLP x 10 seeds, 4,000 examples, 100 epochs. Ray is a cluster of this machine's cores,
started and ended within the seconds, or the one at RAY_ADDRESS. Its workers are new, so that each loads JAX and every program;
those of this machine have them from a first round, which isn't counted.

    python benchmarks/lab_on_ray.py [--quick] [--json FILE]
    RAY_ADDRESS=HOST:6379 python benchmarks/lab_on_ray.py
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optax

from whygap.lab import Curves, Job, Plan, Seeds, mlp, train_all
from whygap.lab.engine import Where
from whygap.process import MNIST1D, Once

WIDTHS = (8, 20, 50, 100)


def timed(jobs: Sequence[Job], on: Where) -> tuple[dict[int, Curves], float, float]:
    """Return the curves of all jobs, the seconds until the first and until the last."""
    began, first, found = time.perf_counter(), 0.0, {}
    for place, curves in train_all(jobs, on=on):
        found[place] = curves
        first = first or time.perf_counter() - began
        print(f"\r{on}: {len(found)}/{len(jobs)} runs ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found, first, time.perf_counter() - began


def largest_difference(a: Curves, b: Curves) -> float:
    """Return the largest difference of two runs in any score of any look."""
    return max(float(np.abs(getattr(a, name) - getattr(b, name)).max()) for name in ("reported", "train", "valid", "fresh"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 seeds and 20 epochs")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seeds, epochs = (2, 20) if arguments.quick else (10, 100)
    plans = [
        Plan(process=MNIST1D(), regime=Once(4000), model=mlp(40, w, w, 10), optimiser=optax.adam(1e-3), epochs=epochs, every=10)
        for w in WIDTHS
    ]
    jobs = [Job(plan, Seeds.all(s)) for s in range(seeds) for plan in plans]
    timed(jobs, "local")  # compiles
    runs = {on: timed(jobs, on) for on in ("local", "ray")}
    where = f"the cluster at {os.environ['RAY_ADDRESS']}" if "RAY_ADDRESS" in os.environ else "a cluster of this machine"
    print(f"{len(jobs)} runs, {sum(job.plan.steps for job in jobs):,} steps; Ray is {where}")
    for on, (_, first, last) in runs.items():
        print(f"  on {on:8} first run after {first:5.1f} s, all after {last:5.1f} s")
    largest = max(largest_difference(runs["local"][0][k], runs["ray"][0][k]) for k in range(len(jobs)))
    print(f"  largest difference of any score: {largest:g}")
    if arguments.json:
        seconds = {on: {"first": first, "last": last} for on, (_, first, last) in runs.items()}
        arguments.json.write_text(json.dumps({"seconds": seconds, "largest_difference": largest}, indent=1))


if __name__ == "__main__":
    main()
