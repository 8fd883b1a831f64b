"""Count how often whygap's intervals hold the exact value, how wide they are, and what they cost against a plain subsample.

Networks are trained with meters on them as a user would have them, in three regimes: smooth, memorising (a learning rate of
1e-2) and heavy-tailed (squared errors of Student noise; once more with a criterion that differs for few examples only). Every
example is scored on every rung besides, so that each term is known exactly; memorisation and shift are held against 40,000
unseen examples. What the meter itself calls not reliable is counted apart. Then: the variance of the end-of-epoch training loss
against plain subsampling with as many examples; and how often "overfitting" is claimed at any time in runs whose examples are
new in every epoch.

    python benchmarks/coverage.py [--quick] [--json FILE] [--workers 2]
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coverage_cases import HEAVY, MEMORISING, RARE, SMOOTH, Batches, Epoch, Regime, build, draw, losses_of, train
from whygap.adapters.torch import Meter
from whygap.records import EpochGap, Estimate

REGIMES = (SMOOTH, MEMORISING, HEAVY, RARE)
PLAIN = (
    replace(SMOOTH, name="smooth, plain", is_plain=True, n=8000),
    replace(SMOOTH, name="smooth, plain, half", is_plain=True, n=4000),
    replace(MEMORISING, name="memorising, plain", is_plain=True, n=4000),
)
"""Networks without dropout, batch norm or anything else that is random, for what the estimators are worth."""

MORE = 4
"""Times as many seeds for those: a ratio of variances wants many cases, and they are quickly trained."""

EXACT = 1e-6  # relative to the size of the loss: single precision


def _limited() -> None:
    torch.set_num_threads(1)


def estimates_of(gap: EpochGap) -> dict[str, Estimate]:
    """Return every term and part of a gap by name."""
    found = {t.cause: t.estimate for t in gap.terms}
    return found | {f"{t.cause}: {p.name}": p.estimate for t in gap.terms for p in t.parts}


def one_training(job: tuple[Regime, int, int]) -> list[dict[str, Any]]:
    """Train once and return a row for every epoch, meter and term."""
    regime, seed, meters = job
    rows = []
    for e, epoch in enumerate(train(regime, seed, meters), start=1):
        for gap in epoch.gaps:
            rows += _rows(regime, seed, e, epoch, gap)
    return rows


def _rows(regime: Regime, seed: int, e: int, epoch: Epoch, gap: EpochGap) -> Iterable[dict[str, Any]]:
    found = estimates_of(gap)
    scale = EXACT * (1.0 + abs(gap.train_reported or 0.0))
    for term, truth in epoch.exact.terms.items():
        at = found.get(term)
        row: dict[str, Any] = {"regime": regime.name, "seed": seed, "epoch": e, "term": term, "is_missing": at is None}
        if at is not None:
            row |= {
                "covers": at.low - scale <= truth <= at.high + scale,
                "is_reliable": at.reliable,
                "is_exact": at.how == "exact" and at.high - at.low <= scale,
                "width": at.high - at.low,
                "plain_width": epoch.exact.widths.get(term),
                "error": at.value - truth,
                "n": at.n,
            }
        yield row
    rung = gap.rung("eval_mode") or gap.rung("end_weights")  # one rung where the mode makes no difference
    if rung is not None:
        n, total = rung.n, regime.n
        plain = epoch.exact.train_sd**2 / n * (1 - n / total)
        valid = epoch.exact.valid_sd**2 / regime.n_valid
        at = found["memorisation"]
        yield {
            "regime": regime.name,
            "seed": seed,
            "epoch": e,
            "term": "end-of-epoch loss",
            "error": rung.value - epoch.exact.train_loss,
            "plain_variance": plain,
            "ratio": (at.high - at.low) / 2 / 1.96 / math.sqrt(2 * valid),
            "n": n,
            "left": epoch.exact.left,
        }


def null_run(seed: int) -> dict[str, Any]:
    """Train 40 epochs on examples that are new in every epoch.

    Returns the first epochs in which overfitting is claimed, and in which it would be without the margin below which a
    difference counts as too small to matter; and the trace that a single visit leaves, as a share of the validation loss, on
    average over the epochs.
    """
    regime = replace(SMOOTH, n=1000, n_valid=500, epochs=40, is_plain=True, lr=3e-3, hidden=50)
    torch.manual_seed(seed)
    rng = np.random.default_rng([7, seed])
    model, (loss, _) = build(regime), losses_of(regime)
    optimiser = torch.optim.Adam(model.parameters(), lr=regime.lr)
    xv, yv = draw(regime, regime.n_valid, rng)
    meter = Meter(
        model, loss, forward=lambda m, b: (m(b[0]), b[1]), valid=Batches(xv, yv, 500), budget=256, store=False, seed=seed
    )
    claimed: list[int] = []
    for epoch in range(1, regime.epochs + 1):
        x, y = draw(regime, regime.n, rng)
        for batch in meter.train(Batches(x, y, regime.batch)):
            value = loss(model(batch[0]), batch[1]).mean()
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            meter.record(value)
        meter.end_epoch()
        if meter.explain().overfitting.state == "yes":
            claimed.append(epoch)
    looks = meter.explain().overfitting.looks
    gaps = meter.run.of("loss")
    shares = [look.estimate.value / g.valid_reported for look, g in zip(looks, gaps, strict=True) if g.valid_reported]
    return {
        "claimed": min(claimed, default=None),
        "without_margin": min((k.epoch for k in looks if k.estimate.reliable and k.low > 0.0), default=None),
        "trace": float(np.mean(shares)),
    }


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one line for every regime and term."""
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["term"] != "end-of-epoch loss":
            grouped[row["regime"], row["term"]].append(row)
    lines = []
    for (regime, term), every in grouped.items():
        seen = [r for r in every if not r["is_missing"]]
        good = [r for r in seen if r["is_reliable"]]
        doubted = [r for r in seen if not r["is_reliable"]]
        ratios = [r["width"] / r["plain_width"] for r in good if r["plain_width"]]
        lines.append(
            {
                "regime": regime,
                "term": term,
                "cases": len(seen),
                "missing": len(every) - len(seen),
                "covered": float(np.mean([r["covers"] for r in good])) if good else None,
                "not_reliable": len(doubted) / max(1, len(seen)),
                "covered_not_reliable": float(np.mean([r["covers"] for r in doubted])) if doubted else None,
                "exact": float(np.mean([r["is_exact"] for r in seen])) if seen else None,
                "width_against_plain": float(np.median(ratios)) if ratios else None,
            }
        )
    return lines


def summarise_variance(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, for every regime and epoch, how many times smaller the variance is than a plain subsample's.

    And how many times smaller it were if the regression of all end-of-epoch losses on those at the visits, and on their place
    in the epoch, were known rather than told from a sample: more can't be had from these.
    """
    grouped: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["term"] == "end-of-epoch loss":
            grouped[row["regime"], row["epoch"]].append(row)
    return [
        {
            "regime": regime,
            "epoch": epoch,
            "n": float(np.mean([r["n"] for r in every])),
            "times_smaller": 1.0 / float(np.mean([r["error"] ** 2 / r["plain_variance"] for r in every])),
            "possible": 1.0 / float(np.mean([r["left"] for r in every])),
            "cases": len(every),
        }
        for (regime, epoch), every in sorted(grouped.items())
    ]


def run(jobs: list[Any], function: Any, workers: int, what: str) -> list[Any]:
    """Run the jobs in worker processes, telling how far they are."""
    found, began = [], time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(workers, initializer=_limited) as pool:
        for k, result in enumerate(pool.imap_unordered(function, jobs), start=1):
            found.append(result)
            print(f"\r{what}: {k}/{len(jobs)}, {time.perf_counter() - began:.0f} s ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two minutes: fewer seeds, so that counts are rough")
    parser.add_argument("--seeds", type=int, default=0, help="trainings per regime")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", help="a part of a regime's name, or null")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seeds = arguments.seeds or (3 if arguments.quick else 24)
    meters = 4
    chosen = [r for r in (*REGIMES, *PLAIN) if not arguments.only or arguments.only in r.name]
    jobs = [(r, seed, meters) for seed in range(MORE * seeds) for r in chosen if r.is_plain or seed < seeds]
    rows = [row for found in run(jobs, one_training, arguments.workers, "trainings") for row in found] if jobs else []

    lines = summarise(rows)
    told = f"{seeds} seeds (plain: {MORE * seeds}), {SMOOTH.epochs} epochs, {meters} meters on each network"
    print(f"Coverage of nominal 95 % intervals: {told};")
    print(f"{SMOOTH.budget} of 4,050 examples (plain: 4,000, or 8,000) scored per epoch, 1,000 fresh and 1,000 for validation")
    print(f"{'regime':20}{'term':24}{'cases':>7}{'covered':>9}{'not reliable':>14}{'(covered)':>11}{'exact':>7}{'width':>10}")
    for r in lines:
        shown = [_shown(r["covered"]), _shown(r["not_reliable"]), _shown(r["covered_not_reliable"]), _shown(r["exact"], 2)]
        print(
            f"{r['regime']:20}{r['term']:24}{r['cases']:7d}{shown[0]:>9}{shown[1]:>14}{shown[2]:>11}{shown[3]:>7}"
            f"{_shown(r['width_against_plain'], 2):>13}" + (f"  missing {r['missing']}" if r["missing"] else "")
        )
    variances = summarise_variance(rows)
    print("\nVariance of the end-of-epoch training loss: plain subsampling of as many examples, divided by whygap's;")
    print("and by what the regression on the visits' losses and places would leave if it were known exactly")
    for r in variances:
        where = f"{r['regime']:22}epoch {r['epoch']:2d}  n {r['n']:6.0f}"
        print(f"{where}  {r['times_smaller']:8.1f} times smaller  known {r['possible']:6.1f}")
    null: list[dict[str, Any]] | None = None
    if not arguments.only or "null".startswith(arguments.only):
        n_null = 20 if arguments.quick else 200
        null = run(list(range(n_null)), null_run, arguments.workers, "runs that can't overfit")
        claims, bare = ([r[name] for r in null if r[name] is not None] for name in ("claimed", "without_margin"))
        print(
            f"\nOverfitting claimed at any time in 40 epochs on fresh examples: {len(claims)} of {n_null} runs, epochs {claims}"
        )
        trace = np.mean([r["trace"] for r in null])
        print(
            f"Without the margin: {len(bare)} of {n_null}; a visit leaves a trace of {100 * trace:.1f} % of the validation loss"
        )
    if arguments.json:
        found = {"coverage": lines, "variance": variances, "null": null, "seeds": seeds, "meters": meters}
        arguments.json.write_text(json.dumps(found, indent=1))


def _shown(value: float | None, decimals: int = 3) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


if __name__ == "__main__":
    main()
