"""How often overfitting is claimed from curves alone where there is none, and found where there is, beside simple rules.

    python benchmarks/log_overfitting.py [--runs 1000] [--json FILE]

Healthy runs and pure noise are simulated (log_overfitting_cases.py), as are overfitting ones. Then 419 labelled logs of
simulated trainings (Li et al. 2024, arXiv:2401.10359), 5-fold: every rule's one threshold is fitted to four fifths and held
against the fifth. They are read from the folder `shared` beside the repository, or from the one that WHYGAP_SHARED names;
without them that part is left out. Rules are held against all runs with the threshold that all logs give.
Real trainings come last: networks that can't overfit, since every example is new, and the same on one small set.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from log_overfitting_cases import Array, Log, healthy, noise_only, overfitting
from log_recovery_cases import FAMILIAR, Case, train
from whygap.estimate.turning import WORTH, overfitting_from_curves

FOLDS = 5
REAL = (
    Case("every example new, Adam 1e-3", "mlp", n=1000, n_valid=500, batch=50, epochs=40, is_fresh=True),
    Case("every example new, Adam 1e-2", "mlp", n=1000, n_valid=100, batch=50, epochs=40, lr=1e-2, is_fresh=True),
    Case("every example new, noisy targets", "regression", n=1000, n_valid=100, batch=50, epochs=40, is_fresh=True),
    Case("1,000 examples, Adam 1e-3", "mlp", n=1000, n_valid=500, batch=50, epochs=60),
    Case("1,000 examples, Adam 1e-2", "mlp", n=1000, n_valid=100, batch=50, epochs=40, lr=1e-2),
    Case("1,000 examples, noisy targets", "regression", n=1000, n_valid=100, batch=50, epochs=40),
    FAMILIAR[3],
)
SEED = 20_001
"""Constants were chosen on other seeds."""

Rule = Callable[[Log, float], bool]


def of_curves(log: Log, worth: float) -> bool:
    """Return whether whygap claims overfitting."""
    return overfitting_from_curves(log.train, log.valid, worth=worth).state == "yes"


def apart(log: Log, share: float) -> bool:
    """Return whether validation ends above training by a share of it."""
    return bool(log.valid[-1] > (1.0 + share) * log.train[-1])


def past_best(log: Log, share: float) -> bool:
    """Return whether the last validation score is above the lowest by a share of it."""
    return bool(log.valid[-1] > (1.0 + share) * log.valid.min())


def smoothed_past_best(log: Log, share: float) -> bool:
    """Return the same for means over a twentieth of the run."""
    window = max(1, log.valid.size // 20)
    mean = np.convolve(log.valid, np.ones(window) / window, "valid")
    return bool(mean[-1] > (1.0 + share) * mean.min())


def impatient(log: Log, epochs: float) -> bool:
    """Return whether the lowest validation score lies more than so many epochs back."""
    return bool(log.valid.size - 1 - np.argmin(log.valid) > epochs)


def any_rise(log: Log, share: float) -> bool:
    """Return whether validation ever rose from one epoch to the next, by a share, while training did not."""
    up = log.valid[1:] > (1.0 + share) * log.valid[:-1]
    return bool((up & (log.train[1:] <= log.train[:-1])).any())


RULES: dict[str, tuple[Rule, float, Array]] = {
    "whygap": (of_curves, WORTH, np.geomspace(0.005, 0.3, 120)),
    "valid above train at the end": (apart, 0.1, np.geomspace(0.01, 10.0, 60)),
    "last above the lowest": (past_best, 0.0, np.geomspace(0.001, 0.3, 60)),
    "the same, smoothed": (smoothed_past_best, 0.0, np.geomspace(0.001, 0.3, 60)),
    "no new best for 5 epochs": (impatient, 5.0, np.geomspace(2.0, 900.0, 60)),
    "valid up, train not, in any epoch": (any_rise, 0.0, np.geomspace(1e-5, 0.3, 60)),
}
"""Each with the threshold by which it is known, and those that are tried."""

SIMPLE: dict[str, Rule] = {"valid above train at the end": apart, "valid up, train not, in any epoch": any_rise}


def labelled_logs() -> tuple[list[Log], Array] | None:
    """Return the labelled logs and whether each overfits, or None where they aren't."""
    folders = [os.environ.get("WHYGAP_SHARED", ""), str(Path(__file__).parents[2] / "shared")]
    files = [Path(f) / "data" / "overfit_logs.json.gz" for f in folders if f]
    file = next((f for f in files if f.is_file()), None)
    if file is None:
        return None
    runs = json.loads(gzip.decompress(file.read_bytes()))["runs"]
    logs = [Log(np.array(r["train"]), np.array(r["valid"])) for r in runs]
    return logs, np.array([r["overfit"] for r in runs])


def f1(said: Array, label: Array) -> float:
    """Return the harmonic mean of precision and recall."""
    return float(2.0 * (said & label).sum() / max(1, said.sum() + label.sum()))


def fitted(said: Array, label: Array) -> int:
    """Return the index of the middle one of the best thresholds; `said` is of shape (thresholds, logs)."""
    scores = np.array([f1(s, label) for s in said])
    best = np.flatnonzero(scores == scores.max())
    return int(best[best.size // 2])


def cross_validated(said: Array, label: Array, seed: int = 0) -> tuple[float, float]:
    """Return F1 and accuracy over the held-out fifths, with the threshold of each fitted to the others."""
    fold = np.empty(label.size, dtype=int)
    rng = np.random.default_rng(seed)
    for kind in (True, False):
        of_kind = rng.permutation(np.flatnonzero(label == kind))
        fold[of_kind] = np.arange(of_kind.size) % FOLDS
    held = np.empty_like(label)
    for k in range(FOLDS):
        out = fold == k
        held[out] = said[fitted(said[:, ~out], label[~out]), out]
    return f1(held, label), float((held == label).mean())


def simulated(draw: Callable[[np.random.Generator], Log], n: int, kind: int) -> list[Log]:
    """Draw runs, each from a seed of its own."""
    return [draw(np.random.default_rng([SEED, kind, k])) for k in range(n)]


def share(rule: Rule, threshold: float, logs: Sequence[Log]) -> float:
    """Return the share of runs in which a rule claims overfitting."""
    return float(np.mean([rule(log, threshold) for log in logs]))


def states_of(logs: Sequence[Log]) -> dict[str, float]:
    """Return the share of each answer."""
    count = Counter(overfitting_from_curves(log.train, log.valid).state for log in logs)
    return {state: count[state] / len(logs) for state in ("yes", "no", "cannot_tell")}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--real", type=int, default=10, help="seeds of each real training")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    kinds = {"healthy": healthy, "noise only": noise_only, "overfitting": overfitting}
    runs = {name: simulated(draw, arguments.runs, k) for k, (name, draw) in enumerate(kinds.items())}
    told: dict[str, Any] = {"runs": arguments.runs, "states": {}, "rules": []}
    print(f"What whygap says of {arguments.runs} simulated runs each, in shares")
    print(f"{'':34}{'yes':>9}{'no':>9}{'cannot tell':>13}")
    for name, logs in runs.items():
        lengths = {"5-11": (5, 12), "12-59": (12, 60), "60-300": (60, 301)}
        parts = {name: logs} | {
            f"  {label} epochs": [x for x in logs if low <= x.valid.size < high] for label, (low, high) in lengths.items()
        }
        for label, part in parts.items():
            told["states"][f"{name} {label}"] = s = states_of(part)
            print(f"{label:34}{s['yes']:9.3f}{s['no']:9.3f}{s['cannot_tell']:13.3f}  of {len(part)}")
    since = [
        abs(found.since_epoch - 1 - log.turns) / log.valid.size
        for log in runs["overfitting"]
        if (found := overfitting_from_curves(log.train, log.valid)).since_epoch is not None and log.turns is not None
    ]
    told["since"] = {"median": float(np.median(since)), "90 %": float(np.quantile(since, 0.9))}
    print(f"Since when, off by a share of the run: median {np.median(since):.3f}, 90 % within {np.quantile(since, 0.9):.3f}")

    labelled = labelled_logs()
    print("\nOverfitting claimed, in shares of simulated runs, and on 419 labelled logs: F1 and accuracy 5-fold, 20 divisions")
    print(f"{'rule':36}{'threshold':>10}{'healthy':>9}{'noise':>8}{'overfitting':>13}{'F1':>8}{'lowest':>8}{'accuracy':>10}")
    for name, (rule, known, tried) in RULES.items():
        row: dict[str, Any] = {"rule": name}
        if labelled is not None:
            logs, label = labelled
            said = np.array([[rule(log, threshold) for log in logs] for threshold in tried])
            scores = [cross_validated(said, label, seed) for seed in range(20)]
            row |= {"fitted": float(tried[fitted(said, label)])}
            row |= {"F1": float(np.mean([s for s, _ in scores])), "lowest F1": min(s for s, _ in scores)}
            row |= {"accuracy": float(np.mean([a for _, a in scores]))}
        for what in dict.fromkeys([known, row.get("fitted", known)]):
            shares = {kind: share(rule, what, logs) for kind, logs in runs.items()}
            cells = (
                "".join(f"{row[k]:{w}.3f}" for k, w in (("F1", 8), ("lowest F1", 8), ("accuracy", 10))) if "F1" in row else ""
            )
            is_known = what == known and "F1" in row and what != row["fitted"] and name != "whygap"
            told["rules"].append(row | {"threshold": what} | shares)
            print(
                f"{name:36}{what:10.3g}{shares['healthy']:9.3f}{shares['noise only']:8.3f}{shares['overfitting']:13.3f}"
                + ("" if is_known else cells)
            )
    print(
        f"\nReal trainings, {arguments.real} seeds each: shares of answers, and in which share simple rules claim overfitting"
    )
    print(f"{'':36}{'yes':>6}{'no':>6}{'cannot tell':>13}{'valid above train':>19}{'rise in any epoch':>19}")
    for case in REAL if arguments.real else ():
        found = [train(case, 500 + seed) for seed in range(arguments.real)]
        logs = [Log(t.train, t.valid) for t in found]
        told["states"][case.name] = s = states_of(logs)
        simple = [share(rule, RULES[name][1], logs) for name, rule in SIMPLE.items()]
        print(f"{case.name:36}{s['yes']:6.2f}{s['no']:6.2f}{s['cannot_tell']:13.2f}{simple[0]:19.2f}{simple[1]:19.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
