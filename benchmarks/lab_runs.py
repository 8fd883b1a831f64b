"""Many runs of the lab: progress and the time left on stderr, what is to be known of each in a file as it is finished."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit

from whygap.lab import Curves, Job, n_parameters, train_all

Summary = dict[str, float]


def run_all(
    jobs: Mapping[str, Job],
    summary: Callable[[Curves], Summary],
    keep: Path | None = None,
    *,
    together: int | Literal["auto"] = "auto",
) -> dict[str, Summary]:
    """Train the jobs in their order, best the longest first, and return the summary of each by its name.

    What is in the file `keep`, one line a run, isn't trained again: after a kill the same command goes on.
    """
    kept = keep.read_text(encoding="utf-8").splitlines() if keep and keep.exists() else []
    found = {name: found for name, found in _lines(kept) if name in jobs}
    cost = {name: jobs[name].plan.steps * (n_parameters(jobs[name].plan.model) + 2000.0) for name in jobs if name not in found}
    left = list(cost)
    began, spent, total = time.perf_counter(), 0.0, sum(cost.values())
    for place, curves in train_all([jobs[name] for name in left], together=together):
        name = left[place]
        found[name] = summary(curves)
        if keep:
            with keep.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, found[name]]) + "\n")
        spent += cost[name]
        seconds = time.perf_counter() - began
        rest = seconds * (total - spent) / spent
        print(f"\r{len(found)}/{len(jobs)} runs, {seconds:.0f} s, {rest:.0f} s left  ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return {name: found[name] for name in jobs}


def _lines(kept: Sequence[str]) -> list[tuple[str, Summary]]:
    found = []
    for line in kept:
        try:
            name, summary = json.loads(line)
        except ValueError:  # the last line of a run that was killed as it wrote
            continue
        found.append((name, summary))
    return found


class Mean(NamedTuple):
    """A mean over seeds and half the width of its 95 % interval, by Student's t."""

    value: float
    half: float
    n: int

    def holds_another(self, value: float) -> bool:
        """Return whether a value is within the 95 % prediction interval for one more seed."""
        return abs(value - self.value) <= self.half * np.sqrt(self.n + 1)

    def __str__(self) -> str:
        return f"{self.value:.2f} +- {self.half:.2f}"


def mean(values: Sequence[float]) -> Mean:
    """Return the mean of some seeds, with its interval; without one for a single seed."""
    n = len(values)
    half = float(stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return Mean(float(np.mean(values)), half, n)
