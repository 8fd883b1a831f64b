"""How often each mark is found in simulated logs where it was planted, and in ordinary ones without it.

    python benchmarks/log_signatures.py [--runs 1000]

Ordinary runs are the healthy, flat and overfitting ones of log_overfitting_cases.py, of 6 to 300 epochs and printed with 4
decimals. Of a loss and its metric they are the loss and the same loss weighted otherwise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from log_overfitting_cases import Array, Log, draw_length, healthy, noise_only, overfitting, parts_of
from whygap.estimate.signatures import Signature, compare_with_metric, find_chance_level, find_identical, find_ratio
from whygap.estimate.timing import find_boundary_step, find_never_reset, find_one_epoch_behind

DECIMALS = 4
RESOLUTION = 10.0**-DECIMALS
STEPS = 50
SEED = 30_001
Generator = np.random.Generator


def printed(log: Log) -> Log:
    """Return a log as printed."""
    return log._replace(train=log.train.round(DECIMALS), valid=log.valid.round(DECIMALS))


def long_enough(rng: Generator) -> int:
    """Return a number of epochs from 6 on."""
    return max(6, draw_length(rng))


def with_exact_ratio(rng: Generator) -> Log:
    """Score one set twice, once summed: a factor of 4 to the last digit."""
    log = healthy(rng, long_enough(rng))
    return Log(4.0 * log.valid, log.valid)


def with_near_ratio(rng: Generator) -> Log:
    """Divide both sums by the count of all examples, four fifths of which are for training; validation is like training."""
    n = long_enough(rng)
    p = parts_of(n, rng)
    return Log(0.8 * p.train, 0.2 * p.ends * np.exp(0.03 * rng.normal(size=n)))


def at_chance(rng: Generator) -> Log:
    """Learn nothing of ten classes."""
    n = long_enough(rng)
    sides = [np.log(10.0) + 0.0005 * np.abs(rng.normal()) + 0.001 * rng.normal(size=n) for _ in range(2)]
    return Log(sides[0], sides[1])


def penalised(rng: Generator) -> Log:
    """Add a penalty that wanes: `train` is the loss, `valid` the metric of the same split."""
    log = healthy(rng, long_enough(rng))
    level = float(np.median(log.train)) * rng.uniform(0.05, 2.0)
    return Log(log.train + level * np.exp(-np.linspace(0.0, rng.uniform(0.0, 1.0), log.train.size)), log.train)


def full_batch(rng: Generator) -> Log:
    """Train with one batch per epoch: training belongs to the weights before."""
    n = long_enough(rng)
    p = parts_of(n + 1, rng)
    seen = p.ends * np.exp(0.03 * rng.normal())
    return Log(p.ends[:-1], seen[1:])


def never_reset(rng: Generator) -> Log:
    """Average over all epochs so far."""
    p = parts_of(long_enough(rng), rng)
    return Log(np.cumsum(p.train) / np.arange(1, p.train.size + 1), p.ends * np.exp(0.03 * rng.normal()))


def steps_of(rng: Generator) -> tuple[Array, Array]:
    """Return batch losses of a healthy run of 3 to 12 epochs and when they were logged."""
    n = int(rng.integers(3, 13))
    p = parts_of(n, rng)
    at = np.arange(1, n * STEPS + 1) / STEPS
    g = np.interp(at, np.arange(1.0, n + 1.0), p.train)
    return g * np.exp(rng.uniform(0.02, 0.3) * rng.normal(size=at.size)), at


def running(rng: Generator) -> Signature | None:
    """Log the mean since the start of the epoch at every step."""
    value, at = steps_of(rng)
    rows = value.reshape(-1, STEPS)
    return find_boundary_step((np.cumsum(rows, axis=1) / np.arange(1, STEPS + 1)).ravel().round(DECIMALS), at)


def stepping(rng: Generator) -> Signature | None:
    """Log each batch of a run that falls by 30 % of its level at every boundary and rises by as much within epochs."""
    value, at = steps_of(rng)
    return find_boundary_step((value * (1.0 + 0.3 * ((at - 1e-9) % 1.0))).round(DECIMALS), at)


def of_batches(rng: Generator) -> Signature | None:
    """Log each batch."""
    value, at = steps_of(rng)
    return find_boundary_step(value.round(DECIMALS), at)


def twice(log: Log, rng: Generator) -> Log:
    """Return a loss beside a metric that is the same but for how batches are weighted."""
    return Log(log.train, log.train * (1.0 + 0.003 * rng.normal(size=log.train.size)))


SUSPECTED = {"n_train / n_valid": 4.0, "gradient accumulation": 8.0}
MARKS: dict[str, tuple[Callable[[Log], Signature | None], Callable[[Generator], Log]]] = {
    "constant_ratio": (
        lambda x: find_ratio(x.train, x.valid, suspected=SUSPECTED, resolution_train=RESOLUTION, resolution_valid=RESOLUTION),
        with_exact_ratio,
    ),
    "near_ratio": (
        lambda x: find_ratio(x.train, x.valid, suspected=SUSPECTED, resolution_train=RESOLUTION, resolution_valid=RESOLUTION),
        with_near_ratio,
    ),
    "chance_level": (lambda x: find_chance_level(x.train, resolution=RESOLUTION), at_chance),
    "penalty": (lambda x: compare_with_metric(x.train, x.valid, resolution=RESOLUTION), penalised),
    "identical": (lambda x: find_identical(x.train, x.valid), lambda rng: Log(*[healthy(rng, long_enough(rng)).valid] * 2)),
    "one_epoch_behind": (lambda x: find_one_epoch_behind(x.train, x.valid), full_batch),
    "never_reset": (lambda x: find_never_reset(x.train, x.valid), never_reset),
}
ORDINARY = {
    "healthy": lambda rng: healthy(rng, long_enough(rng)),
    "flat": lambda rng: noise_only(rng, long_enough(rng)),
    "overfitting": lambda rng: overfitting(rng, long_enough(rng)),
}


def share(found: list[Signature | None], mark: str) -> float:
    """Return how often a mark was found."""
    return float(np.mean([s is not None and s.mark == mark for s in found]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    n = parser.parse_args().runs
    print(f"Share of {n} simulated logs each in which a mark is found")
    print(f"{'mark':20}{'planted':>9}" + "".join(f"{name:>13}" for name in ORDINARY))
    for m, (mark, (find, plant)) in enumerate(MARKS.items()):
        cells = []
        for k, draw in enumerate([plant, *ORDINARY.values()]):
            rngs = [np.random.default_rng([SEED, m, k, i]) for i in range(n)]
            logs = [draw(rng) if k == 0 or mark != "penalty" else twice(draw(rng), rng) for rng in rngs]
            cells.append(share([find(printed(log)) for log in logs], mark))
        print(f"{mark:20}{cells[0]:9.3f}" + "".join(f"{c:13.3f}" for c in cells[1:]))
    rngs = [np.random.default_rng([SEED, 99, i]) for i in range(n)]
    within = [running(rng) for rng in rngs]
    batches = [of_batches(rng) for rng in rngs]
    print(f"{'running_average':20}{share(within, 'running_average'):9.3f}{share(batches, 'running_average'):13.3f}")
    steps = share([stepping(rng) for rng in rngs], "boundary_step")
    print(f"{'boundary_step':20}{steps:9.3f}{share(batches, 'boundary_step'):13.3f}")


if __name__ == "__main__":
    main()
