"""Random labels: how many examples of MNIST-1D each width of an MLP can memorise, and what it then knows of others.

Labels are drawn without regard to x, in training and test set alike: what is learnt is memorised, and the test error must be
chance, 90 %. The effective capacity of a width is the largest n whose training error is below 1 % (Zhang and others 2017,
arXiv:1611.03530; Nakkiran and others 2019, arXiv:1912.02292, who ask for less). 40-h-h-10, batches of 100, Adam whose learning
rate falls to 0 along a cosine; rates and epochs were chosen so that more of them memorise little more.

Labels of ten classes hold log2(10) = 3.3 bits each: with as many parameters as examples each parameter must keep all of that.

    python benchmarks/lab_random_labels.py [--quick] [--json FILE] [--keep FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import optax

from lab_runs import Summary, mean, run_all
from whygap.lab import Curves, Job, Plan, Seeds, mlp, n_parameters
from whygap.process import MNIST1D, LabelNoise, Once

RECIPES = {8: (1e-2, 20_000), 20: (5e-3, 40_000), 50: (3e-3, 10_000)}
"""First learning rate and epochs of each width."""

RATIOS = (1.0, 1.2, 1.5, 2.0, 4.0)
"""Parameters over examples."""

BATCH = 100
MEMORISED = 1.0
"""Training error in %, at most."""

CHANCE, WITHIN = 90.0, 1.0
"""Test error in %, and points."""


def plan_of(width: int, n: int, share: float) -> Plan:
    """Return the training of one width on n random labels, for a share of its epochs."""
    rate, epochs = RECIPES[width]
    epochs = int(epochs * share)
    return Plan(
        process=LabelNoise(MNIST1D(), 1.0),
        regime=Once(n),
        model=mlp(40, width, width, 10),
        optimiser=optax.adam(optax.cosine_decay_schedule(rate, epochs * -(-n // BATCH))),
        epochs=epochs,
        every=epochs,
        batch_size=BATCH,
        n_valid=10_000,
        n_fresh=0,
    )


def summary(curves: Curves) -> Summary:
    """Return the errors in %."""
    return {"train": 100.0 * float(curves.train[-1, 1]), "test": 100.0 * float(curves.valid[-1, 0, 0, 1])}


def main() -> None:
    """Print a row for each width and n, and the capacities."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="width 20, two seeds, an eighth of the epochs: half a minute")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="a file for finished runs, which aren't trained again")
    arguments = parser.parse_args()
    widths, share = ((20,), 0.125) if arguments.quick else (tuple(RECIPES), 1.0)
    seeds = range(2 if arguments.quick else 5)
    parameters = {width: n_parameters(mlp(40, width, width, 10)) for width in widths}
    cases = {(w, ratio): plan_of(w, int(parameters[w] / ratio), share) for w in reversed(widths) for ratio in RATIOS}

    def name(width: int, ratio: float, seed: int) -> str:
        return f"width {width}, {ratio:g} parameters an example, {share:g} of the epochs, seed {seed}"

    began = time.perf_counter()
    jobs = {name(*case, s): Job(plan, Seeds.all(s)) for case, plan in cases.items() for s in seeds}
    found = run_all(jobs, summary, arguments.keep)
    print(f"Random labels: errors in %, {len(seeds)} seeds, 95 % intervals of the mean; {time.perf_counter() - began:.0f} s")
    print(
        f"{'width':>6}{'parameters':>11}{'n':>7}{'parameters/n':>14}{'epochs':>8}{'training':>18}{'test':>16}{'memorised':>11}{'chance':>8}"
    )
    told = []
    for width in widths:
        for ratio in RATIOS:
            runs = [found[name(width, ratio, s)] for s in seeds]
            train, test = (mean([run[key] for run in runs]) for key in ("train", "test"))
            n = cases[width, ratio].n
            memorised = all(run["train"] < MEMORISED for run in runs)
            chance = abs(test.value - CHANCE) <= WITHIN
            told.append({"width": width, "n": n, "ratio": ratio, "runs": runs, "memorised": memorised, "chance": chance})
            print(
                f"{width:6}{parameters[width]:11,}{n:7,}{ratio:14.2f}{cases[width, ratio].epochs:8,}{train!s:>18}{test!s:>16}",
                end="",
            )
            print(f"{'yes' if memorised else 'no':>11}{'yes' if chance else 'NO':>8}")
    for width in widths:
        kept = max((row["n"] for row in told if row["width"] == width and row["memorised"]), default=0)
        print(f"effective capacity of width {width}, training error below {MEMORISED:g} % with every seed: ", end="")
        print(f"n = {kept:,}, {parameters[width] / kept:.2f} parameters an example" if kept else "below the least n")
    for what in ("memorised", "chance"):
        failing = [f"{row['ratio']:g} at width {row['width']}" for row in told if not row[what]]
        print(f"{what} where parameters/n >= 1: {'holds' if not failing else 'DOES NOT HOLD at ' + ', '.join(failing)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
