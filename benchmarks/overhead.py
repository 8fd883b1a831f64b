"""What does whygap cost a training run, and what would re-evaluating the training set cost instead?

    python benchmarks/overhead.py [--quick] [--only torch:mlp ...] [--rounds 9] [--epochs N] [--threads N]
                                  [--again] [--seed 0] [--json FILE]
    python benchmarks/overhead.py --show FILE [FILE ...]

Three arms, in PyTorch and in Keras on JAX, for three models each (mlp, cnn with dropout, lstm: 60,000 training and 10,000
validation pictures of 28 x 28, but for Keras's cnn, 12,000 and 2,000, and lstm, 24,000 and 4,000; batch 128, Adam):

    without         the user's own training with the user's own validation pass after every epoch
    whygap          the same with a `Meter` or a `GapCallback` at its default budget, its run kept in a store on disk
    re-evaluation   the same without whygap, with all training examples evaluated in eval mode after every epoch:
                    a no_grad loop over the loader, or `model.evaluate` in a callback

In PyTorch batches come from a DataLoader; mlp-indexed takes them out of tensors by index, which is as fast as loading can be,
so that whygap's share is as large as it can be.

**What is inside the time.** One arm is one whole training from nothing: building the model, every epoch with its validation
and, in the whygap arm, making the meter, opening the store, every end of an epoch and closing. For Keras that is also the
compilation of the train step and of validation in every arm, since the model is a new one, and what whygap and `evaluate`
compile for themselves. Outside it: imports, examples, one warm-up of every arm, and the hash of the weights. A real training
has more epochs than these, and what happens once weighs less in it: the columns "later" compare only the epochs from the
second on. "An epoch" takes these in pairs, each with the same epoch of the same round without whygap: the median over all
pairs, of which there are so many that it is told far better than a whole training's.

**How.** Every round has a process of its own: where memory comes to lie, and how threads were started, makes trainings in one
process differ by up to a percent from the same in another, in all of its rounds alike. A round trains all three arms from one
seed, side by side in turns: each trains for a tenth of a second, or up to the end of an epoch, and hands over to the next one,
in an order that rotates; its time is the sum of its turns. What the machine does meanwhile, all of them have alike. Each round
gives one ratio per arm to the arm without; the figures are medians over rounds. The interval of the median is that between two
order statistics; below six rounds none reaches 95 %, and the whole range is given with the level that it has. "CPU" compares
the seconds that all threads of the process computed for; "own" is what the run itself says, the summed `spent_s` of its epochs
over the training's time. `--show` puts the rounds of several files together, of runs with different `--seed`, say.

Two trainings that do the very same differ too, whatever the cause. With `--again` a fourth arm is one more without whygap, and
what the table says of it is nothing but that.

A framework that shares its processors with other programs waits for its own threads, at times for many times the training's
length: the machine must have nothing else to do. `--threads 1` holds a cell to one thread on one processor, where frameworks
don't wait for themselves and "CPU" is what a busy machine still measures well. `--quick` has so few examples that what whygap
does per epoch weighs several times more in it, and holds every cell to one thread and its rounds to one process: it shows that
the script runs, not what whygap costs.

In every round the weights of the three arms must be equal to the last bit, and no run may have had a problem: otherwise the
exit code is 1. Three more trainings of other seeds (one with `--quick`), untimed, compare from the second epoch on the
half-width of the interval of the term `generalisation` with the one that validation noise alone imposes, 1.96 s / sqrt(n), s
being the standard deviation of the exact per-example validation losses at that moment: the columns "width", the median,
"largest", the largest of the medians of an epoch, and how many of these epochs are within 1.25.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
from scipy.stats import binom

from overhead_cases import ARMS, CELLS, FULL, QUICK, Arm, Case, Stopwatch, Trained, Training, Width, draw_images, train_in_turns

WARM_UP_ROWS = 4 * 128
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SETTINGS_OF_OTHERS = (*THREADS, "XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR", "WHYGAP_STRICT", "WHYGAP_STORE")
"""What would change threads, compilation or whygap in a cell's process."""

WIDE = 1.25
"""What the ratio of the widths is to be at most."""

NAME = 20
"""Width of the tables' first column."""

Part = Literal["wall", "wall_later", "cpu", "cpu_later"]
PARTS: tuple[Part, ...] = get_args(Part)
CLOCKS: tuple[Part, ...] = ("wall", "cpu")
OTHERS: tuple[Arm, ...] = ("whygap", "re-evaluation")


class Trainings(Protocol):
    """What both frameworks offer."""

    def train(self, arm: Arm, stopwatch: Stopwatch, *, seed: int, epochs: int, store: Path) -> Training: ...

    def widths(self, *, seed: int, epochs: int, store: Path) -> list[Width]: ...


def load(cell: str, case: Case, seed: int) -> Trainings:
    """Return the trainings of a cell; its framework is imported here."""
    framework, model = cell.split(":")
    data = draw_images(seed, case)
    if framework == "torch":
        from overhead_torch import TorchTrainings

        return TorchTrainings(model, data)
    from overhead_keras import KerasTrainings

    return KerasTrainings(model, data)


def hold_to(threads: int) -> None:
    """Let this process have so many processors and no more: XLA makes its threads after their number."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def n_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Measured(NamedTuple):
    """What was timed in every round, and the widths of the epochs of the trainings beside them."""

    rounds: list[dict[Arm, Trained]]
    widths: list[Width]


def measure(cell: str, case: Case, *, arms: Sequence[Arm], rounds: Sequence[int], n_widths: int, seed: int) -> Measured:
    """Time the arms of one cell in these rounds, in this process."""
    warm_up = load(cell, Case(n_train=WARM_UP_ROWS, n_valid=WARM_UP_ROWS, epochs=1), seed)
    trainings, timed = load(cell, case, seed), list[dict[Arm, Trained]]()
    with tempfile.TemporaryDirectory() as folder:
        train_in_turns(
            {arm: partial(warm_up.train, arm, seed=seed, epochs=1, store=Path(folder) / "warm_up.db") for arm in arms}
        )
        for i in rounds:
            gc.collect()
            of_round = {"seed": seed + i, "epochs": case.epochs, "store": Path(folder) / f"{i}.db"}
            found = train_in_turns({arm: partial(trainings.train, arm, **of_round) for arm in arms})
            timed.append(found)
            seconds = "  ".join(f"{arm} {found[arm].wall_s:.2f} s" for arm in arms)
            is_same = len({t.weights for t in found.values()}) == 1
            print(f"{cell}  round {i + 1}  {seconds}  {'same weights' if is_same else 'OTHER WEIGHTS'}", file=sys.stderr)
        widths = [
            w
            for i in range(n_widths)
            for w in trainings.widths(seed=seed + i, epochs=max(2, case.epochs), store=Path(folder) / f"widths{i}.db")
        ]
    return Measured(timed, widths)


def median_interval(values: list[float]) -> dict[str, float]:
    """Return the median with the narrowest interval between order statistics of level >= 0.95, or else the whole range."""
    x, n = np.sort(values), len(values)
    k = max((k for k in range(1, (n + 1) // 2 + 1) if 2 * binom.cdf(k - 1, n, 0.5) <= 0.05), default=1)
    level = 1 - 2 * float(binom.cdf(k - 1, n, 0.5))
    return {"median": float(np.median(x)), "low": float(x[k - 1]), "high": float(x[n - k]), "level": max(0.0, level)}


def seconds(t: Trained, part: Part) -> float:
    """Return a part of a training's time on one of the clocks; later is from the second epoch on."""
    every = {"wall": t.wall_s, "cpu": t.cpu_s, "wall_later": sum(t.epoch_s[1:]), "cpu_later": sum(t.epoch_cpu_s[1:])}
    return every[part]


def summarise(case: Case, rounds: list[dict[Arm, Trained]], widths: list[Width]) -> dict[str, Any]:
    """Return a cell's figures: overheads as shares of the time without whygap, and what is said of them in `main`."""

    def overhead(arm: Arm, part: Part) -> dict[str, float] | None:
        if part in ("wall_later", "cpu_later") and case.epochs < 2:
            return None
        return median_interval([seconds(r[arm], part) / seconds(r["without"], part) - 1 for r in rounds])

    def an_epoch(arm: Arm) -> dict[str, float] | None:
        pairs = [a / b - 1 for r in rounds for a, b in zip(r[arm].epoch_s[1:], r["without"].epoch_s[1:], strict=True)]
        return median_interval(pairs) if pairs else None

    def times_cheaper(whygap: dict[str, float] | None, again: dict[str, float] | None) -> float | None:
        if whygap is None or again is None or whygap["low"] <= 0:
            return None  # within the noise of nothing: the quotient would say nothing
        return again["median"] / whygap["median"]

    ours, others = [r["whygap"] for r in rounds], [arm for arm in rounds[0] if arm != "without"]
    later = [w for w in widths if w.epoch >= 2]
    ratios = [w.ratio for w in later if w.ratio is not None]
    of_epoch = [np.median([w.ratio for w in later if w.epoch == e]) for e in sorted({w.epoch for w in later})]
    return {
        "without_s": float(np.median([r["without"].wall_s for r in rounds])),
        "overhead": {arm: {part: overhead(arm, part) for part in PARTS} for arm in others},
        "an_epoch": {arm: an_epoch(arm) for arm in others},
        "times_cheaper": {part: times_cheaper(*(overhead(arm, part) for arm in OTHERS)) for part in CLOCKS}
        | {"an_epoch": times_cheaper(*map(an_epoch, OTHERS))},
        "own": float(np.median([sum(t.spent_s) / t.wall_s for t in ours])),
        "evaluations": float(np.mean([n for t in ours for n in t.evaluations])),
        "width_median": float(np.median(ratios)) if ratios else None,
        "width_largest": float(max(of_epoch)) if len(ratios) == len(later) and ratios else None,
        "width_within": [sum(r <= WIDE for r in ratios), len(later)],
        "width_unreliable": sum(not w.is_reliable for w in later),
        "same_weights": [len({t.weights for t in r.values()}) == 1 for r in rounds],
        "problems": sorted({p for t in ours for p in t.problems}),
    }


def in_another_process(task: dict[str, Any], threads: int | None) -> Measured:
    """Measure in a process whose threads and backend nobody has set but us."""
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS_OF_OTHERS} | {"KERAS_BACKEND": "jax"}
    if threads is not None:
        environment |= dict.fromkeys(THREADS, str(threads))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "measured.json"
        task = task | {"threads": threads, "to": str(file)}
        subprocess.run([sys.executable, __file__, "--task", json.dumps(task)], check=True, env=environment)
        return measured_in(json.loads(file.read_text()))


def measure_cell(
    cell: str, case: Case, *, arms: Sequence[Arm], rounds: int, at_once: int, n_widths: int, seed: int, threads: int | None
) -> dict[str, Any]:
    """Return what is told of a cell, with `at_once` of its rounds in a process and the widths in the last one."""
    timed, widths = list[dict[Arm, Trained]](), list[Width]()
    for first in range(0, rounds, at_once):
        numbers, is_last = list(range(first, min(rounds, first + at_once))), first + at_once >= rounds
        task = {"cell": cell, "case": asdict(case), "arms": arms, "rounds": numbers, "seed": seed}
        found = in_another_process(task | {"n_widths": n_widths if is_last else 0}, threads)
        timed, widths = timed + found.rounds, widths + found.widths
    return as_json(cell, case, Measured(timed, widths), processors=min(threads or n_processors(), n_processors()))


def as_json(cell: str, case: Case, found: Measured, *, processors: int) -> dict[str, Any]:
    """Return what a cell's part of the --json file holds: all that was timed, and the figures of the tables."""
    return {
        "cell": cell,
        "case": asdict(case),
        "processors": processors,
        "rounds": [{arm: asdict(t) for arm, t in of_round.items()} for of_round in found.rounds],
        "widths": [asdict(w) | {"ratio": w.ratio} for w in found.widths],
        "summary": summarise(case, found.rounds, found.widths),
    }


def measured_in(cell: dict[str, Any]) -> Measured:
    """Return what was timed, from JSON."""
    rounds = [{arm: Trained(**trained) for arm, trained in of_round.items()} for of_round in cell["rounds"]]
    return Measured(rounds, [Width(**{k: v for k, v in w.items() if k != "ratio"}) for w in cell["widths"]])


def put_together(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the cells of several files, those that are the same cell with the rounds of all."""
    alike: dict[str, list[dict[str, Any]]] = {}
    for c in cells:
        alike.setdefault(json.dumps([c["cell"], c["case"], c["processors"]]), []).append(c)
    whole = list[dict[str, Any]]()
    for first, *others in alike.values():
        parts = [measured_in(c) for c in (first, *others)]
        found = Measured([r for p in parts for r in p.rounds], [w for p in parts for w in p.widths])
        whole.append(as_json(first["cell"], Case(**first["case"]), found, processors=first["processors"]))
    return whole


def percent(value: float | None) -> str:
    """Return a share as a percentage with its sign."""
    return "-" if value is None else f"{100 * value:+.1f} %"


def number(value: float | None) -> str:
    """Return a number with two decimals."""
    return "-" if value is None else f"{value:.2f}"


def median(figure: dict[str, float] | None) -> float | None:
    """Return the median of a figure that is not there where there is but one epoch."""
    return None if figure is None else figure["median"]


def both(figure: dict[str, float] | None) -> str:
    """Return a figure and its interval, in two columns."""
    interval = "-" if figure is None else f"[{percent(figure['low'])}, {percent(figure['high'])}]"
    return f"{percent(median(figure)):>11}{interval:>20}"


def print_tables(cells: list[dict[str, Any]]) -> None:
    """Print what was measured, in three tables of a line per cell."""
    level = min(c["summary"]["overhead"]["whygap"]["wall"]["level"] for c in cells)
    rounds = min(len(c["rounds"]) for c in cells)
    print(f"Added to the time of training: median of {rounds} rounds and its interval at {100 * level:.0f} %")
    last_of: dict[Arm, list[str]] = {"whygap": ["own"], "re-evaluation": ["/ whygap", "CPU", "an epoch"], "without again": []}
    for arm, last_columns in last_of.items():
        having = [c for c in cells if arm in c["summary"]["overhead"]]
        if not having:
            continue
        columns = ["without", "time", "interval", "later", "an epoch", "interval", "CPU", "later", *last_columns]
        print(f"{arm:{NAME}}" + "".join(f"{name:>{20 if name == 'interval' else 11}}" for name in columns))
        for c in having:
            s = c["summary"]
            o, without = s["overhead"][arm], f"{s['without_s']:.2f} s"
            last = [f"{100 * s['own']:.1f} %"] if arm == "whygap" else [number(n) for n in s["times_cheaper"].values()]
            last = last[: len(last_columns)]
            print(f"  {c['cell']:{NAME - 2}}{without:>11}{both(o['wall'])}{percent(median(o['wall_later'])):>11}", end="")
            print(both(s["an_epoch"][arm]), end="")
            print("".join(f"{text:>11}" for text in [*(percent(median(o[part])) for part in ("cpu", "cpu_later")), *last]))
    print("\nWhat it is had for: the interval on generalisation from epoch 2 on, against validation noise alone")
    columns = {"examples": 16, "rounds": 8, "epochs": 8, "evaluated/epoch": 17, "width": 8, "largest": 9, f"<= {WIDE}": 10}
    columns |= {"unreliable": 12, "same weights": 14, "problems": 10, "processors": 12}
    print(" " * NAME + "".join(f"{name:>{wide}}" for name, wide in columns.items()))
    for c in cells:
        s, case = c["summary"], c["case"]
        texts = [f"{case['n_train']:,}/{case['n_valid']:,}", len(c["rounds"]), case["epochs"], f"{s['evaluations']:,.0f}"]
        texts += [number(s["width_median"]), number(s["width_largest"]), "{} of {}".format(*s["width_within"])]
        same = f"{sum(s['same_weights'])} of {len(s['same_weights'])}"
        texts += [s["width_unreliable"], same, len(s["problems"]), c["processors"]]
        print(f"{c['cell']:{NAME}}" + "".join(f"{t:>{wide}}" for t, wide in zip(texts, columns.values(), strict=True)))
    for c in cells:
        for problem in c["summary"]["problems"]:
            print(f"{c['cell']}: {problem}")


def main() -> None:
    """Measure the cells, print the tables; exit with 1 where weights differ, a run had a problem, or a cell failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer examples, epochs and rounds: about two minutes in all")
    parser.add_argument("--only", nargs="+", choices=CELLS, default=CELLS, metavar="CELL", help=" ".join(CELLS))
    parser.add_argument("--rounds", type=int, help="9, or 1 with --quick")
    parser.add_argument("--epochs", type=int, help="of every training, in place of each cell's own number")
    parser.add_argument("--examples", nargs=2, type=int, metavar="N", help="training and validation examples of every cell")
    parser.add_argument(
        "--threads", type=int, help="of a cell, on as many processors; 1 with --quick, else what frameworks take"
    )
    parser.add_argument("--again", action="store_true", help="train a second time without whygap: what a ratio of equals is")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", nargs="+", type=Path, metavar="FILE", help="print the tables of these --json files, together")
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        task = arguments.task
        if task["threads"] is not None:
            hold_to(task["threads"])
        found = measure(task["cell"], Case(**task["case"]), **{k: task[k] for k in ("arms", "rounds", "n_widths", "seed")})
        timed = [{arm: asdict(t) for arm, t in of_round.items()} for of_round in found.rounds]
        Path(task["to"]).write_text(json.dumps({"rounds": timed, "widths": [asdict(w) for w in found.widths]}))
        return
    if arguments.show:
        print_tables(put_together([cell for file in arguments.show for cell in json.loads(file.read_text())["cells"]]))
        return
    rounds = arguments.rounds or (1 if arguments.quick else 9)
    threads = arguments.threads or (1 if arguments.quick else None)
    versions = {name: version(name) for name in ("whygap", "torch", "keras", "jax", "numpy")}
    about = {"versions": versions, "python": platform.python_version(), "quick": arguments.quick}
    cells, has_failed = list[dict[str, Any]](), False
    for cell in arguments.only:
        case = (QUICK if arguments.quick else FULL)[cell]
        case = replace(case, epochs=arguments.epochs or case.epochs)
        if arguments.examples:
            case = replace(case, n_train=arguments.examples[0], n_valid=arguments.examples[1])
        try:
            n_widths = 1 if arguments.quick else 3
            arms = (*ARMS, "without again") if arguments.again else ARMS
            how = {"rounds": rounds, "at_once": rounds if arguments.quick else 1, "seed": arguments.seed, "threads": threads}
            cells.append(measure_cell(cell, case, arms=arms, n_widths=n_widths, **how))
        except subprocess.CalledProcessError as error:
            print(f"{cell} failed with exit code {error.returncode}", file=sys.stderr)
            has_failed = True
            continue
        if arguments.json:  # after every cell: a long run that is stopped has not been for nothing
            arguments.json.write_text(json.dumps(about | {"cells": cells}, indent=1))
    if cells:
        print_tables(cells)
    is_good = all(all(c["summary"]["same_weights"]) and not c["summary"]["problems"] for c in cells)
    sys.exit(0 if is_good and not has_failed else 1)


if __name__ == "__main__":
    main()
