"""Count how often answers to experiments are right, on trials whose truth is planted.

Printed: how often an edge is seen where nothing is memorised; how often the interval of the epoch at which reuse begins to hurt
holds the planted one, how wide it is, and how often reuse is said to hurt where it doesn't; how often the 95 % interval of a
memorisation term over five seeds holds it; how often C3 and C9 are said to hold where both worlds are alike; and how long the
answers to 200 runs take.

    PYTHONPATH=. python benchmarks/answers.py [--experiments 1000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from tests.planted_trials import a_grid, a_trial, an_experiment, some_trials

from whygap.answers import answer, claim, edge_maps, worlds
from whygap.trials import Trial

START, SLOPE, MARGIN = 12.0, 0.004, 0.01


def worlds_that_part(trick: int, *, slope: float, seeds: int = 5) -> Sequence[Trial]:
    """Return one network in both worlds, whose test scores part after epoch `START` by `slope` an epoch."""

    def real(e: np.ndarray) -> np.ndarray:
        return 0.8 * np.exp(-e / 15) + 0.2 + slope * np.maximum(0.0, e - START)

    def ideal(e: np.ndarray) -> np.ndarray:
        return 0.8 * np.exp(-e / 15) + 0.2

    same = {"epochs": 40, "jump": 0.004, "spread": 0.004, "names": ("loss", "soft_error"), "trick": trick}
    once = [a_trial(k, unseen=real, **same) for k in range(seeds)]
    return [*once, *(a_trial(k, regime="fresh", unseen=ideal, **same) for k in range(seeds))]


def count(name: str, said: Sequence[bool]) -> None:
    """Print a share with its count."""
    print(f"{name:78} {np.mean(said):6.1%} of {len(said)}")


def main() -> None:
    """Print all counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=1000)
    many = range(parser.parse_args().experiments)
    grids = [a_grid(lambda *_: 0.0, trick=k, jump=0.01, se=0.0) for k in many]
    count("edge: a cell of 18 shows though nothing is memorised (nominal 2.5 %)", [
        any(c.shows for m in edge_maps(trials) for c in m.cells) for trials in grids])  # fmt: skip
    cells = [edge_maps(some_trials(5, trick=k, gap=lambda e: 0.3 + 0 * e, spread=0.1, se=0.0))[-1].cells[0] for k in many]
    held = [c.memorisation.low <= 0.3 <= c.memorisation.high for c in cells]
    count("memorisation over five seeds: its 95 % interval holds it", held)
    found = [worlds(worlds_that_part(k, slope=SLOPE))[0] for k in many]
    count("worlds: reuse is said to hurt where it does", [w.hurts == "yes" for w in found])
    told = [w.since for w in found if w.since is not None]
    truth = START + MARGIN / SLOPE
    count("worlds: the epoch's 95 % interval holds it", [e.low <= truth <= e.high for e in told])
    print(f"{'worlds: median width of that interval, of 40 epochs':78} {np.median([e.high - e.low for e in told]):6.1f}")
    print(f"{'worlds: median error of the epoch':78} {np.median([abs(e.value - truth) for e in told]):6.2f}")
    alike = [worlds(worlds_that_part(k, slope=0.0))[0] for k in many]
    count("worlds: reuse is said to hurt where it doesn't (nominal 2.5 %)", [w.hurts == "yes" for w in alike])
    for name in ("C3", "C9"):
        same = [[*some_trials(5, jump=0.02, trick=k), *some_trials(5, jump=0.02, regime="fresh", trick=k)] for k in many]
        count(
            f"{name} is said to hold where both worlds are alike (nominal 2.5 %)",
            [claim(name, t).state == "holds" for t in same],
        )
    sizes, ns = (100, 500, 2500, 12500), (250, 500, 1000, 4000, 16000)
    runs = a_grid(lambda _, regime: 0.5 * (regime == "once"), sizes=sizes, ns=ns, regimes=("once", "fresh"), epochs=40)
    start = time.perf_counter()
    answer(an_experiment(runs))
    print(f"{f'seconds for all answers to {len(runs)} runs of 40 looks':78} {time.perf_counter() - start:6.2f}")


if __name__ == "__main__":
    main()
