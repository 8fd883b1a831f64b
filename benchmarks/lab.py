"""Steps a second: the lab beside a plain PyTorch loop and Keras `fit` on JAX, on the same networks, data and cores.

40-h-h-10 networks, 4,000 examples of MNIST-1D, batches of 100, Adam. All contenders take turns, round after round, so that
what else the machine does meets them alike; a round's figure is all steps of all processes over the time that they took
together, and the table has the median of the rounds. The lab is measured as it is called, with the data drawn and the results
brought back; its programs, like Keras's, are compiled beforehand. The peak is NumPy's product of two matrices of 2,048 x 2,048
in float32 on all cores; the share of it counts the multiplications and additions of the layers' products alone.

On a GPU or another accelerator of JAX: the time of a hundred networks trained together, over that of one.

    python benchmarks/lab.py [--quick] [--json FILE] [--only PART]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import loky
import numpy as np
import optax

from lab_peers import BATCH, CLASSES, FEATURES, LEARNING_RATE, N, train_keras, train_torch
from whygap.lab import Plan, Seeds, mlp, train
from whygap.lab.worker import pickle_plan, train_together
from whygap.process import MNIST1D, Fresh, Once, Regime

WIDTHS = (8, 20, 100)
STEPS = N // BATCH
MUST = {8: 80_000, 20: 80_000, 100: 12_000}
MUST_RATIO = {"the fastest PyTorch loop": 15.0, "Keras fit": 10.0}
"""At widths up to 20."""

TOGETHER, MUST_TOGETHER = 100, 1.3
"""Networks on an accelerator, and their time over that of one."""


class Contender(NamedTuple):
    """A way to train: `epochs` is how many a run has at each width, `measure` returns steps a second in total."""

    name: str
    epochs: dict[int, int]
    measure: Callable[[int, int], float]


def lab(regime: Regime, *, every: int | None = None, together: int = 1) -> Callable[[int, int], float]:
    """Return how to measure the lab: two calls of `together` runs for each core, scored every so many epochs or at the end."""

    def measure(width: int, epochs: int) -> float:
        plan = Plan(
            process=MNIST1D(),
            regime=regime,
            model=mlp(FEATURES, width, width, CLASSES),
            optimiser=optax.adam(LEARNING_RATE),
            epochs=epochs,
            every=every or epochs,
        )
        runs = 2 * CORES * together
        began = time.perf_counter()
        train(plan, range(runs), workers=CORES, together=together)
        return runs * plan.steps / (time.perf_counter() - began)

    return measure


def peer(
    function: Callable[..., float], processes: int, environment: dict[str, str], **settings: Any
) -> Callable[[int, int], float]:
    """Return how to measure a peer that trains in so many processes at once, which stay for the next round."""
    pool = loky.ProcessPoolExecutor(processes, env=environment)

    def measure(width: int, epochs: int) -> float:
        seconds = list(pool.map(_call, [(function, width, epochs, settings)] * processes, chunksize=1))
        return processes * epochs * STEPS / max(seconds)

    return measure


def _call(job: tuple[Callable[..., float], int, int, dict[str, Any]]) -> float:
    function, width, epochs, settings = job
    return function(width, epochs, **settings)


CORES = int(loky.cpu_count())


def contenders(scale: float) -> list[Contender]:
    """Return all ways to train; `scale` 1 is about two seconds each on an idle machine."""
    one = {"OMP_NUM_THREADS": "1", "NPROC": "1", "KERAS_BACKEND": "jax"}
    free = {"OMP_NUM_THREADS": str(CORES), "KERAS_BACKEND": "jax"}

    def epochs(*counts: int) -> dict[int, int]:
        return {width: max(1, int(count * scale)) for width, count in zip(WIDTHS, counts, strict=True)}

    slow, fast = epochs(250, 250, 150), epochs(1800, 1200, 240)
    return [
        Contender("lab", fast, lab(Once(N))),
        Contender("lab, 4 together", {w: max(1, e // 4) for w, e in fast.items()}, lab(Once(N), together=4)),
        Contender("lab, ladder every epoch", fast, lab(Once(N), every=1)),
        Contender("lab, fresh data", {w: max(1, e // 8) for w, e in fast.items()}, lab(Fresh(N))),
        Contender("torch, fused Adam, 1 thread", slow, peer(train_torch, 1, one, threads=1, fused=True)),
        Contender(f"torch, fused Adam, {CORES} threads", slow, peer(train_torch, 1, free, threads=CORES, fused=True)),
        Contender("torch, default Adam", slow, peer(train_torch, 1, one, threads=1, fused=False)),
        Contender(f"torch, fused, {CORES} processes", slow, peer(train_torch, CORES, one, threads=1, fused=True)),
        Contender("keras fit", slow, peer(train_keras, 1, free)),
        Contender(f"keras fit, {CORES} processes", slow, peer(train_keras, CORES, one)),
    ]


def peak() -> float:
    """Return additions and multiplications a second of a large product of matrices in float32, the best of five."""
    a = np.random.default_rng(0).random((2048, 2048), np.float32)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - began)
    return 2 * 2048**3 / min(seconds)


def flops_per_step(width: int) -> int:
    """Return additions and multiplications of a step's products: forwards, and back to weights and to all inputs but x."""
    layers = [FEATURES * width, width * width, width * CLASSES]
    return 2 * BATCH * (3 * sum(layers) - layers[0])


def run(chosen: Sequence[Contender], rounds: int) -> list[dict[str, Any]]:
    """Measure the contenders in turns; the first turn compiles and isn't counted."""
    found: dict[tuple[str, int], list[float]] = {}
    speeds = []
    for turn in range(rounds + 1):
        for k in range(len(chosen)):
            one = chosen[(k + turn) % len(chosen)]  # each round begins with another
            for width in WIDTHS:
                speed = one.measure(width, one.epochs[width])
                if turn:
                    found.setdefault((one.name, width), []).append(speed)
                print(f"\rround {turn}/{rounds} {one.name:32} h = {width:3} ", end="", file=sys.stderr, flush=True)
        speeds.append(peak())
    print(file=sys.stderr)
    top = max(speeds)
    return [
        {
            "contender": one.name,
            "width": width,
            "steps_per_second": float(np.median(found[one.name, width])),
            "rounds": found[one.name, width],
            "share_of_peak": float(np.median(found[one.name, width])) * flops_per_step(width) / top,
            "peak_flops": top,
        }
        for width in WIDTHS
        for one in chosen
    ]


def fastest(rows: Sequence[dict[str, Any]], width: int, part: str, *, at_once: bool | None = None) -> float:
    """Return the steps a second of the fastest contender at a width whose name has the part, or 0 without any.

    `at_once` takes those that run several trainings at once, or those that don't, alone.
    """
    speeds = [
        r["steps_per_second"]
        for r in rows
        if r["width"] == width and part in r["contender"] and at_once in (None, "processes" in r["contender"])
    ]
    return max(speeds, default=0.0)


def judged(ratio: float, name: str, width: int) -> str:
    """Return whether a ratio is as high as it must be, in brackets, where it must."""
    least = MUST_RATIO.get(name) if width <= 20 else None
    return "" if least is None else f" (at least {least:g}: {'holds' if ratio >= least else 'DOES NOT HOLD'})"


def time_of_many(rounds: int) -> float:
    """Return the seconds of 100 runs trained together over those of one, the least of some rounds in turns."""
    plan = Plan(
        process=MNIST1D(),
        regime=Once(N),
        model=mlp(FEATURES, 100, 100, CLASSES),
        optimiser=optax.adam(LEARNING_RATE),
        epochs=20,
        every=20,
    )
    pickled, seconds = pickle_plan(plan), {1: float("inf"), TOGETHER: float("inf")}
    for turn in range(rounds + 1):
        for count in seconds:
            took = train_together(pickled, [Seeds.all(s) for s in range(count)]).seconds
            if turn:  # the first compiles
                seconds[count] = min(seconds[count], took)
    return seconds[TOGETHER] / seconds[1]


def main() -> None:
    """Print the table, and what must hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two or three minutes: two short rounds")
    parser.add_argument("--only", help="a part of the contenders' names")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rounds = 2 if arguments.quick else 5
    chosen = [c for c in contenders(0.5 if arguments.quick else 1.0) if not arguments.only or arguments.only in c.name]
    rows = run(chosen, rounds)
    print(f"Model-steps a second on {CORES} cores, median of {rounds} rounds in turns (lowest to highest); share of the peak")
    print(f"peak: {rows[0]['peak_flops'] / 1e9:.0f} GFLOP/s, NumPy, 2,048 x 2,048, float32")
    for width in WIDTHS:
        print(f"\n40-{width}-{width}-10, {flops_per_step(width) / 1e6:.2f} MFLOP a step")
        for r in (r for r in rows if r["width"] == width):
            low, high = min(r["rounds"]), max(r["rounds"])
            print(
                f"  {r['contender']:32}{r['steps_per_second']:10,.0f}  ({low:,.0f} to {high:,.0f})".ljust(72)
                + f"{r['share_of_peak']:7.2%}"
            )
        ours = max(fastest(rows, width, "lab"), 1e-9)
        peers = (
            ("the fastest PyTorch loop", "torch", False),
            (f"{CORES} of it at once", "torch", True),
            ("Keras fit", "keras", False),
            (f"{CORES} of it at once", "keras", True),
        )
        ratios = [
            f"{ours / speed:.1f} x {name}{judged(ours / speed, name, width)}"
            for name, part, many in peers
            if (speed := fastest(rows, width, part, at_once=many))
        ]
        verdict = "holds" if ours >= MUST[width] else "DOES NOT HOLD"
        print(f"  the lab at its fastest: {', '.join(ratios)}; at least {MUST[width]:,}: {verdict}")
    device = jax.default_backend()
    if device == "cpu":
        print(f"\nJAX finds no accelerator here: {TOGETHER} networks at once beside one are not measured")
    else:
        ratio = time_of_many(rounds)
        verdict = "holds" if ratio <= MUST_TOGETHER else "DOES NOT HOLD"
        print(f"\n{device}: {TOGETHER} networks 40-100-100-10 at once take {ratio:.2f} x the time of one,", end="")
        print(f" at most {MUST_TOGETHER}: {verdict}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
