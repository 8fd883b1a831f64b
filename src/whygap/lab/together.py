"""How many runs to train in one call: measured on the plan's own program, and remembered on disk."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from whygap.lab.cache import cache_folder, import_jax
from whygap.lab.plan import Plan, Seeds
from whygap.lab.worker import name_of, pickle_plan, plan_of, train_together

CANDIDATES = {"cpu": (1, 4), "other": (1, 16, 128)}
"""On a CPU more than four at a time were never faster: what they hold no longer fits into the cache of a core."""

WORTH_IT = {"cpu": 400_000, "other": 20_000}
"""Steps, of all runs of a plan, below which compiling the candidates takes longer than the best of them could save."""

TRIAL_STEPS = 2000


def choose_together(pickled: bytes, runs: int) -> int:
    """Return how many of `runs` runs of a plan are trained fastest in one call."""
    plan = plan_of(pickled)
    kind = "cpu" if import_jax().default_backend() == "cpu" else "other"
    if runs == 1 or runs * plan.steps < WORTH_IT[kind]:
        return 1
    file = cache_folder() / "together.json"
    name = f"{kind} {name_of(pickle_plan(_trial(plan)))} {min(runs, CANDIDATES[kind][-1])}"
    known = _read(file)
    if name not in known:
        known[name] = _measured(plan, [c for c in CANDIDATES[kind] if c <= runs])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(known), encoding="utf-8")
    return known[name]


def _trial(plan: Plan) -> Plan:
    epochs = max(1, TRIAL_STEPS // plan.steps_per_epoch)
    return replace(plan, epochs=epochs, every=min(plan.every, epochs) if epochs % min(plan.every, epochs) == 0 else 1)


def _measured(plan: Plan, candidates: list[int]) -> int:
    """Return the candidate that takes least time for each run, of three trials each, in turns; a tie goes to fewer."""
    trial = pickle_plan(_trial(plan))
    seconds = np.full((3, len(candidates)), np.inf)
    for c in candidates:
        train_together(trial, [Seeds.all(s) for s in range(c)])  # compiles
    for row in seconds:
        for k, c in enumerate(candidates):
            began = time.perf_counter()
            row[k] = train_together(trial, [Seeds.all(s) for s in range(c)]).seconds / c
            if time.perf_counter() - began > 10.0:
                break
    best = seconds.min(axis=0)
    return candidates[int(np.argmax(best <= 1.05 * best.min()))]


def _read(file: Path) -> dict[str, int]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none yet, or cut short: it is measured again
        return {}
    return known if isinstance(known, dict) else {}
