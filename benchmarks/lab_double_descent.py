"""Double descent on MNIST-1D: both published sweeps over the width of an MLP, without wrong labels and with 15 % of them.

Settings of the authors' notebook `deep-double-descent`: 40-h-h-10, SGD 0.01 with momentum 0.9, batches of 100, 500 epochs of
4,000 training examples, 12,000 for testing, PyTorch's initial weights. The labels of the training set alone are drawn anew
with probability 0.15 (a tenth of those by chance the right one); the test set is clean, and so is it here. Theirs is one data
set and one run for each width, 95.6 minutes of a CPU's time; here each seed has a data set and initial weights of its own.

    python benchmarks/lab_double_descent.py [--quick] [--json FILE] [--keep FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optax

from lab_runs import Summary, mean, run_all
from whygap.lab import Curves, Job, Plan, Seeds, mlp
from whygap.process import MNIST1D, LabelNoise, Once, Process
from whygap.process.draws import Draws

N, N_TEST = 4000, 12000
WIDTHS = (2, 3, 4, 5, 7, 9, 12, 16, 21, 27, 36, 47, 61, 80, 104, 135, 177, 230, 300)
SHARES = (0.0, 0.15)

PUBLISHED = {
    0.0: {
        "error": (
            68.53, 66.83, 58.27, 61.37, 54.20, 49.33, 50.08, 44.55, 42.63, 41.02, 41.66, 41.01, 41.24, 39.59, 38.61, 38.58,
            38.09, 37.10, 37.25,
        ),
        "loss": (
            1.676, 1.664, 1.448, 1.537, 1.375, 1.308, 1.357, 1.392, 1.604, 2.306, 4.161, 4.415, 3.775, 3.404, 3.070, 2.835,
            2.716, 2.415, 2.338,
        ),
    },
    0.15: {
        "error": (
            69.59, 67.50, 62.55, 57.45, 54.80, 48.97, 50.28, 47.24, 50.84, 50.69, 52.80, 54.05, 54.02, 52.08, 50.23, 48.39,
            47.88, 46.54, 45.47,
        ),
        "loss": (
            1.757, 1.714, 1.654, 1.467, 1.419, 1.344, 1.371, 1.318, 1.528, 1.664, 2.505, 5.698, 5.786, 4.720, 3.919, 3.494,
            3.121, 2.888, 2.629,
        ),
    },
}  # fmt: skip
"""Test error in % and test loss at each width, as the notebook printed them."""

CPU_MINUTES = 95.6


@dataclass(frozen=True)
class WrongTrainingLabels(Process):
    """MNIST-1D, with a share of the training set's labels drawn anew."""

    share: float

    @property
    def classes(self) -> int:
        """The ten digits."""
        return 10

    def make(self, draws: Draws) -> tuple[Any, Any]:
        """Return what the process without wrong labels would, but for the labels of the training set."""
        return (LabelNoise(MNIST1D(), self.share) if draws.split == "train" else MNIST1D()).make(draws)


def plan_of(share: float, width: int, epochs: int, every: int) -> Plan:
    """Return the notebook's training at one width."""
    return Plan(
        process=WrongTrainingLabels(share),
        regime=Once(N),
        model=mlp(40, width, width, 10),
        optimiser=optax.sgd(0.01, momentum=0.9),
        epochs=epochs,
        every=every,
        n_valid=N_TEST,
        n_fresh=0,
    )


def summary(curves: Curves) -> Summary:
    """Return error in % and loss of training and test at the end, and the lowest test error of any look."""
    error = 100.0 * curves.valid[:, 0, 0, 1]
    return {
        "train error": 100.0 * float(curves.train[-1, 1]),
        "error": float(error[-1]),
        "loss": float(curves.valid[-1, 0, 0, 0]),
        "lowest error": float(error.min()),
    }


def descents(curve: np.ndarray[Any, Any], widths: tuple[int, ...]) -> tuple[int, int]:
    """Return the widths where a curve over widths first bottoms, at 47 or below, and where it is highest from there on."""
    trough = int(curve[: widths.index(47) + 1].argmin())
    return widths[trough], widths[trough + int(curve[trough:].argmax())]


def told_of(curve: np.ndarray[Any, Any], widths: tuple[int, ...]) -> str:
    """Return the two descents and the rise between them in words."""
    trough, peak = descents(curve, widths)
    at = dict(zip(widths, curve, strict=True))
    return f"{at[trough]:.2f} at width {trough}, up to {at[peak]:.2f} at {peak}, {at[widths[-1]]:.2f} at {widths[-1]}"


def main() -> None:
    """Print a table for each sweep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="eight widths, two seeds: under a minute on two idle cores")
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=500, help="another number isn't the published experiment")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="a file for finished runs, which aren't trained again")
    arguments = parser.parse_args()
    widths = (5, 16, 27, 36, 47, 61, 104, 300) if arguments.quick else WIDTHS
    seeds, epochs = range(arguments.seeds or (2 if arguments.quick else 5)), arguments.epochs
    every = next(k for k in (50, 10, 5, 2, 1) if epochs % k == 0)

    def name(share: float, width: int, seed: int) -> str:
        return f"{share:g} wrong labels, width {width}, {epochs} epochs, seed {seed}"

    plans = {(share, width): plan_of(share, width, epochs, every) for share in SHARES for width in reversed(widths)}
    jobs = {name(*case, s): Job(plan, Seeds.all(s)) for case, plan in plans.items() for s in seeds}
    began = time.perf_counter()
    found = run_all(jobs, summary, arguments.keep)
    seconds = time.perf_counter() - began

    told: dict[str, Any] = {"seconds": seconds, "epochs": epochs, "runs": found, "sweeps": {}}
    for share in SHARES:
        print(f"\n{share:.0%} of the training labels drawn anew; after {epochs} epochs, {len(seeds)} seeds, 95 % intervals")
        print(f"{'width':>6}{'parameters':>11}{'training error %':>18}{'test error %':>18}{'published':>11}", end="")
        print(f"{'test loss':>16}{'published':>11}{'lowest error %':>17}")
        rows = []
        for width in widths:
            runs = [found[name(share, width, s)] for s in seeds]
            row = {key: mean([run[key] for run in runs]) for key in runs[0]}
            at = WIDTHS.index(width)
            known = {key: PUBLISHED[share][key][at] for key in ("error", "loss")}
            rows.append({"width": width, **row, "published": known})
            print(f"{width:6}{width**2 + 52 * width + 10:11,}{row['train error']!s:>18}{row['error']!s:>18}", end="")
            print(f"{known['error']:11.2f}{row['loss']!s:>16}{known['loss']:11.3f}{row['lowest error']!s:>17}")
        told["sweeps"][f"{share:g}"] = rows
        for key, unit in (("error", "test error"), ("loss", "test loss")):
            by_seed = np.array([[found[name(share, width, s)][key] for width in widths] for s in seeds])
            there = np.array([PUBLISHED[share][key][WIDTHS.index(width)] for width in widths])
            within = sum(row[key].holds_another(row["published"][key]) for row in rows)
            print(f"{unit}: {told_of(by_seed.mean(axis=0), widths)}; published: {told_of(there, widths)}")
            print(
                f"  highest by seed at {', '.join(str(peak) for _, peak in sorted(descents(c, widths) for c in by_seed))};",
                end="",
            )
            print(f" {within} of {len(widths)} published values are within the 95 % interval for one more run")
    print(f"\n{len(jobs)} runs, {len(jobs) * epochs * N // 100:,} steps, {seconds:.0f} s here;", end="")
    print(f" the notebook took {CPU_MINUTES} minutes of a CPU's time for one seed of all {2 * len(WIDTHS)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
