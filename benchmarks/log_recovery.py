"""How well the training loss at the end of each epoch is recovered from what a log holds, and how often intervals hold it.

    python benchmarks/log_recovery.py [--seeds 5] [--json FILE]

Small networks are trained for real; after every epoch all training examples are scored in train mode with the weights of that
moment (rung 3 of the ladder; the mean of 8 passes where there is dropout). The method's constants were chosen on the first
eight configurations with seeds 0-9; the tables are of seeds from 100 on, and of three configurations on which nothing was
chosen.
Errors are mean |estimate - truth| over mean |reported - truth|, over all epochs and seeds of a cell.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from log_recovery_cases import FAMILIAR, UNSEEN, Array, Case, Training, train
from whygap.estimate.averaging import LAST_BATCH, means_of_epochs, moving_average
from whygap.estimate.recovery import Recovered, recover_end
from whygap.estimate.steps import narrower, recover_end_from_steps

SPANS = (("1", slice(0, 1)), ("2-5", slice(1, 5)), ("6-", slice(5, None)))
BOUND = {"1": 0.31, "2-5": 0.45}
FIRST_SEED = 100
BETA, WINDOW = 0.98, 0.7
"""fastai's, and a window of transformers in epochs: it straddles their boundaries."""


class Told(NamedTuple):
    """What a log of some framework would hold, and what is recovered from it."""

    reported: Array
    found: Recovered


def half_shift(r: Array) -> Array:
    """Return the mean of each epoch and the next; the last is moved on by half the change before it."""
    return np.append((r[:-1] + r[1:]) / 2, (3 * r[-1] - r[-2]) / 2)


def histospline(r: Array, spline: Callable[..., Any] = CubicSpline) -> Array:
    """Return the slope of a spline through the cumulative sum."""
    n = np.arange(r.size + 1)
    found: Array = spline(n, np.append(0.0, np.cumsum(r))).derivative()(n[1:])
    return found


def quadratic(r: Array) -> Array:
    """Return the causal quadratic; the first two epochs have no past and stay as they are."""
    return np.append(r[:2], (11 * r[2:] - 7 * r[1:-1] + 2 * r[:-2]) / 6)


PEERS: dict[str, Callable[[Array], Array]] = {
    "half-epoch shift": half_shift,
    "histospline": histospline,
    "histospline, monotone": lambda r: histospline(r, PchipInterpolator),
    "causal quadratic": quadratic,
}


def from_means(t: Training) -> Told:
    """Recover from epoch means and validation."""
    return Told(t.train, recover_end(t.train, t.valid))


def without_validation(t: Training) -> Told:
    """Recover from epoch means alone."""
    return Told(t.train, recover_end(t.train))


def moving(steps: Array) -> Array:
    """Return fastai's number at the end of every epoch."""
    average, found = 0.0, []
    for k, value in enumerate(steps.ravel(), start=1):
        average = BETA * average + (1.0 - BETA) * value
        found.append(average / (1.0 - BETA**k))
    return np.array(found)[steps.shape[1] - 1 :: steps.shape[1]]


def from_moving_average(t: Training) -> Told:
    """Recover from fastai's number."""
    reported = moving(t.steps)
    return Told(reported, recover_end(reported, t.valid, rule=moving_average(BETA, t.steps.shape[1])))


def from_last_batch(t: Training) -> Told:
    """Recover from the last batch of each epoch."""
    return Told(t.steps[:, -1], recover_end(t.steps[:, -1], t.valid, rule=LAST_BATCH))


def from_windows(t: Training) -> Told:
    """Recover from means over windows that straddle epochs; what was reported last by the end of an epoch stands for it."""
    n, per = t.steps.size, t.steps.shape[1]
    ends = np.arange(round(WINDOW * per), n + 1, round(WINDOW * per))
    value = np.array([part.mean() for part in np.split(t.steps.ravel(), ends)[:-1]])
    epochs = np.arange(1.0, len(t.steps) + 1.0)
    seen = np.searchsorted(ends / per, epochs, side="right") - 1
    return Told(value[seen], recover_end(means_of_epochs(value, ends / per, epochs), t.valid))


def from_steps(t: Training) -> Told:
    """Recover from every batch."""
    at = np.arange(1, t.steps.size + 1) / t.steps.shape[1]
    return Told(t.train, recover_end_from_steps(t.steps.ravel(), at))


def from_both(t: Training) -> Told:
    """Take the narrower interval of steps and means."""
    return Told(t.train, narrower(from_steps(t).found, from_means(t).found))


LOGS: dict[str, Callable[[Training], Told]] = {
    "epoch means": from_means,
    "epoch means, no validation": without_validation,
    "moving average .98": from_moving_average,
    "windows of 0.7 epochs": from_windows,
    "last batch": from_last_batch,
    "steps": from_steps,
    "steps or means, the narrower": from_both,
}


def error(trainings: Sequence[Training], of: Callable[[Training], tuple[Array, Array]], span: slice) -> float:
    """Return mean |estimate - truth| over mean |reported - truth|."""
    pairs = [(e - t.end, r - t.end) for t in trainings for e, r in [of(t)]]
    return float(
        np.nanmean(np.concatenate([np.abs(e)[span] for e, _ in pairs]))
        / np.nanmean(np.concatenate([np.abs(r)[span] for _, r in pairs]))
    )


def counts(trainings: Sequence[Training], of: Callable[[Training], Told], span: slice) -> dict[str, float]:
    """Return the share of epochs whose interval holds the truth, of those that are told, and how many are told."""
    held, told = [], []
    for t in trainings:
        f = of(t).found
        seen = np.arange(t.end.size)[span]
        seen = seen[f.state[seen] != "missing"]
        held.append(((f.low <= t.end) & (t.end <= f.high))[seen])
        told.append((f.state == "told")[seen])
    h, s = np.concatenate(held), np.concatenate(told)
    return {"covered": float(h.mean()), "told": float(s.mean()), "covered_told": float(h[s].mean()) if s.any() else np.nan}


def line_of(name: str, log: str, trainings: Sequence[Training]) -> dict[str, Any]:
    """Return what is known of one way to log a configuration."""
    of, row = LOGS[log], {"case": name, "log": log}
    for label, span in SPANS:
        row[f"error {label}"] = error(trainings, lambda t: (of(t).found.value, of(t).reported), span)
        row |= {f"{k} {label}": v for k, v in counts(trainings, of, span).items()}
    row |= counts(trainings, of, slice(None))
    return row


def show_peers(name: str, trainings: Sequence[Training]) -> list[dict[str, Any]]:
    """Print recovery beside other methods for one configuration."""
    methods: dict[str, Callable[[Training], tuple[Array, Array]]] = {
        "whygap": lambda t: (from_means(t).found.value, t.train),
        **{k: (lambda t, f=f: (f(t.train), t.train)) for k, f in PEERS.items()},
    }
    rows = []
    for k, (method, of) in enumerate(methods.items()):
        errors = {label: error(trainings, of, span) for label, span in SPANS}
        rows.append({"case": name, "method": method, **errors})
        flag = ["  above the bound" for label, e in errors.items() if method == "whygap" and e > BOUND.get(label, np.inf)]
        print(f"{name if k == 0 else '':34}{method:24}" + "".join(f"{e:9.2f}" for e in errors.values()) + "".join(flag))
    return rows


def show_log(row: dict[str, Any]) -> None:
    """Print one line."""
    cells = "".join(f"   {row[f'error {s}']:5.2f} {row[f'covered {s}']:5.2f} {row[f'told {s}']:5.2f}" for s, _ in SPANS)
    print(f"{row['case']:34}{row['log']:30}{cells}   {row['covered']:5.2f} {row['covered_told']:5.2f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.seeds)
    small = tuple(replace(c, name=f"{c.name}, 50 to validate", n_valid=50) for c in (FAMILIAR[0], FAMILIAR[3]))
    groups: dict[str, tuple[Case, ...]] = {
        "familiar configurations, other seeds": FAMILIAR,
        "configurations that nothing was chosen on": UNSEEN,
        "validation sets of 50": small,
    }
    trained = {case.name: [train(case, seed) for seed in seeds] for cases in groups.values() for case in cases}
    told: dict[str, Any] = {"seeds": len(seeds), "peers": [], "logs": []}
    print(f"Error of the recovered end-of-epoch training loss over that of the reported one; {len(seeds)} seeds each; epochs")
    print(f"{'':34}{'':24}" + "".join(f"{s:>9}" for s, _ in SPANS))
    for group, cases in groups.items():
        print(f"-- {group}")
        for case in cases:
            told["peers"] += show_peers(case.name, trained[case.name])
    print(
        "\nWhat is logged: error, share of intervals that hold the truth, share of epochs whose lag is told; at the right, over"
    )
    print("all epochs, the share of intervals that hold the truth, and of those whose lag is told")
    print(f"{'':64}" + "".join(f"   {'epochs ' + s:^17}" for s, _ in SPANS) + "     all  told")
    for group, cases in groups.items():
        print(f"-- {group}")
        for log in LOGS:
            for case in cases:
                told["logs"].append(line_of(case.name, log, trained[case.name]))
                show_log(told["logs"][-1])
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
