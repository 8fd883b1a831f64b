"""Random labels: how many examples each width of an MLP can memorise, and what it then knows of others.

Labels are drawn without regard to x, in training and test set alike: what is learnt is memorised, and the test error must be
chance. The effective capacity of a width is the largest n whose training error is below 1 % (Zhang and others 2017,
arXiv:1611.03530; Nakkiran and others 2019, arXiv:1912.02292, who ask for less). 40-h-h-c, batches of 100, Adam whose learning
rate falls to 0 along a cosine; rates and epochs were chosen so that more of them memorise little more.

A label of two classes is one bit, of ten classes log2(10) = 3.3 bits: with as many parameters as examples each parameter must
keep all of that.

    python benchmarks/lab_random_labels.py [--quick] [--json FILE] [--keep FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import optax

from lab_runs import Summary, mean, run_all
from whygap.lab import Curves, Job, Model, Plan, Seeds, mlp, n_parameters
from whygap.process import MNIST1D, GaussianMixture, LabelNoise, Once, Process

RECIPES = {
    2: {8: (1e-2, 20_000), 20: (5e-3, 10_000), 50: (3e-3, 5_000)},
    10: {8: (1e-2, 20_000), 20: (5e-3, 40_000), 50: (3e-3, 10_000)},
}
"""First learning rate and epochs by number of classes and width."""

PROCESSES: dict[int, Process] = {2: GaussianMixture(classes=2, features=40), 10: MNIST1D()}
RATIOS = {2: (0.7, 1.0, 1.5, 2.0), 10: (1.0, 1.5, 2.0)}
"""Parameters over examples."""

BATCH = 100
MEMORISED = 1.0
"""Training error in %, at most."""

WITHIN = 1.0
"""Points from chance, of the test error."""


def model_of(classes: int, width: int) -> Model:
    """Return the network."""
    return mlp(40, width, width, classes)


def plan_of(classes: int, width: int, ratio: float, share: float) -> Plan:
    """Return the training of one network on random labels, for a share of its epochs."""
    rate, epochs = RECIPES[classes][width]
    epochs, model = int(epochs * share), model_of(classes, width)
    n = int(n_parameters(model) / ratio)
    return Plan(
        process=LabelNoise(PROCESSES[classes], 1.0),
        regime=Once(n),
        model=model,
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
    widths, share = ((20,), 0.125) if arguments.quick else ((50, 20, 8), 1.0)  # the longest first
    seeds = range(2 if arguments.quick else 3)
    cases = {(c, w, ratio): plan_of(c, w, ratio, share) for c in (10, 2) for w in widths for ratio in RATIOS[c]}

    def name(classes: int, width: int, ratio: float, seed: int) -> str:
        return f"{classes} classes, width {width}, {ratio:g} parameters an example, {share:g} of the epochs, seed {seed}"

    began = time.perf_counter()
    jobs = {name(*case, s): Job(plan, Seeds.all(s)) for case, plan in cases.items() for s in seeds}
    found = run_all(jobs, summary, arguments.keep, together=1)  # so many plans: to measure each would take minutes
    print(f"Random labels: errors in %, {len(seeds)} seeds, 95 % intervals of the mean; {time.perf_counter() - began:.0f} s")
    print(f"{'classes':>7}{'width':>6}{'parameters':>11}{'n':>7}{'parameters/n':>14}{'epochs':>8}", end="")
    print(f"{'training':>18}{'test':>16}{'memorised':>11}{'chance':>8}")
    told = []
    for (classes, width, ratio), plan in sorted(cases.items()):
        runs = [found[name(classes, width, ratio, s)] for s in seeds]
        train, test = (mean([run[key] for run in runs]) for key in ("train", "test"))
        parameters = n_parameters(plan.model)
        row = {
            "classes": classes,
            "width": width,
            "parameters": parameters,
            "n": plan.n,
            "ratio": ratio,
            "runs": runs,
            "memorised": all(run["train"] < MEMORISED for run in runs),
            "chance": abs(test.value - 100.0 * (1.0 - 1.0 / classes)) <= WITHIN,
        }
        told.append(row)
        print(f"{classes:7}{width:6}{parameters:11,}{plan.n:7,}{ratio:14.2f}{plan.epochs:8,}{train!s:>18}{test!s:>16}", end="")
        print(f"{'yes' if row['memorised'] else 'no':>11}{'yes' if row['chance'] else 'NO':>8}")
    for classes in RATIOS:
        for width in sorted(widths):
            kept = [row for row in told if (row["classes"], row["width"]) == (classes, width) and row["memorised"]]
            print(f"{classes} classes, effective capacity of width {width} (below {MEMORISED:g} % with every seed): ", end="")
            most = max(kept, key=lambda row: row["n"], default=None)
            print(f"n = {most['n']:,}, {most['parameters'] / most['n']:.2f} parameters each" if most else "below the least n")
        for what in ("memorised", "chance"):
            failing = [row for row in told if row["classes"] == classes and row["ratio"] >= 1.0 and not row[what]]
            where = ", ".join(f"{row['ratio']:g} at width {row['width']}" for row in failing)
            print(f"{classes} classes, {what} where parameters/n >= 1: {f'DOES NOT HOLD at {where}' if failing else 'holds'}")
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
