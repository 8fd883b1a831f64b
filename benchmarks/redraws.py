"""How far redrawing the training set, the validation set or the initial weights moves the reported gap: once beside fresh.

The sequence regression of the demo with an LSTM, and MNIST-1D with a network of dense layers; every training set from all
initial weights, every trained network on all validation sets. Standard deviations of the gap with 95 % intervals.

    python benchmarks/redraws.py [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import optax

from whygap.lab import Plan, as_table, lstm, mlp, redraw_both
from whygap.process import MNIST1D, Once, SequenceRegression

PLANS = {
    "sequence regression, LSTM of 20 units, Adam 1e-3": (
        Plan(
            process=SequenceRegression(), regime=Once(5000), model=lstm(5, 20, 1), optimiser=optax.adam(1e-3), epochs=12,
            batch_size=32, n_valid=5000,
        ),
        "loss",
    ),
    "MNIST-1D, 40-100-100-10, Adam 1e-3, loss": (
        Plan(
            process=MNIST1D(), regime=Once(4000), model=mlp(40, 100, 100, 10), optimiser=optax.adam(1e-3), epochs=20,
            n_valid=1000,
        ),
        "loss",
    ),
}  # fmt: skip


def main() -> None:
    """Print a table for each process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a minute or two: few levels, so that intervals are wide")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    trainings, weights, validations = (4, 3, 10) if arguments.quick else (16, 8, 30)
    told = []
    for name, (plan, score) in PLANS.items():
        began = time.perf_counter()
        found = redraw_both(plan, trainings=trainings, validations=validations, weights=weights, score=score)
        print(
            f"\n{name}: n = {plan.n:,}, {plan.n_valid:,} for validation; {trainings} training sets x {weights} initial weights"
        )
        print(f"x {validations} validation sets, {time.perf_counter() - began:.0f} s")
        print(as_table(found))
        for regime, redraws in found.items():
            c = redraws.components()
            parts = {**c.of, "rest": c.rest, "total": c.total, "between epochs": redraws.between_epochs()}
            told.append(
                {
                    "plan": name,
                    "regime": regime,
                    "mean": c.mean,
                    "variance": {part: (e.value, e.low, e.high) for part, e in parts.items()},
                }
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
