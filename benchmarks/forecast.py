"""How far off forecasts of the epoch are at which validation turns, and how often their intervals hold it.

    python benchmarks/forecast.py [--quick] [--fit] [--runs FILE.npz] [--json FILE] [--workers 2]

Networks of many kinds are trained until validation has turned, or on examples that never come twice (forecast_cases.py).
The true turn is the minimum of a smoothed validation curve; runs without a clear one are left out, and counted. A forecast
sees the epochs up to a cut: half of those before the turn, or a random share of them. The first leaks the answer: "twice the
epochs seen" is then always right, and any method that was fitted to such cuts would learn to say so. So constants are fitted
to random cuts, and to runs of other settings than are shown here (--fit trains those, and prints the constants). How far that
carries is told by constants that were fitted without a family of runs, an optimiser or early turns, and are held against them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from forecast_cases import Array, Curve, draw_settings, train_cases
from whygap.estimate.forecast import (
    CALIBRATED,
    GROWS,
    PROBABILITIES,
    Calibration,
    Signs,
    forecast_turn,
    signs_of_turn,
)

PER_FAMILY, SEEDS = 14, 8
"""Settings drawn for a family, and runs of each. Seeds tell less than settings do: what a curve can show is in its setting."""

CUTS = 5
"""Random cuts of each run."""

NEVER = float("inf")
FEWEST = 5


class Cut(NamedTuple):
    """What a forecast sees: the first `seen` epochs of a run, and the truth; `turn` is None for fresh examples."""

    curve: Curve
    seen: int
    turn: float | None


class Judged(NamedTuple):
    """What was said at a cut: the state, the epoch and its interval."""

    state: str
    epoch: float
    low: float
    high: float


def smooth(value: Array, width: float) -> Array:
    """Return local quadratics in the logarithm of the epoch, over `width` on either side or five epochs."""
    x = np.log(np.arange(1.0, value.size + 1.0))
    out = np.empty_like(value)
    for i, at in enumerate(x):
        off = np.abs(x - at)
        near = np.flatnonzero(off < max(width, 1.01 * np.partition(off, min(4, x.size - 1))[min(4, x.size - 1)]))
        reach = max(width, off[near].max() * 1.01)
        weight = np.sqrt((1.0 - (off[near] / reach) ** 3) ** 3)
        design = np.vander(x[near] - at, 3)
        out[i] = np.linalg.lstsq(design * weight[:, None], value[near] * weight, rcond=None)[0][-1]
    return out


def turn_of(valid: Array) -> tuple[float | None, str]:
    """Return the epoch of the minimum, or None and why there is no clear one.

    Two smoothings must agree within a fifth; it must be epoch 10 or later, so that half of them are five, and no later than
    0.77 of the run; and validation must rise after it by 2 % of what it fell and four times the noise.
    """
    if not np.isfinite(valid).all():
        return None, "diverged"
    narrow, wide = smooth(valid, 0.3), smooth(valid, 0.6)
    first, second = int(narrow.argmin()), int(wide.argmin())
    noise = float(np.median(np.abs(np.diff(valid, 2)))) / 0.6745 / np.sqrt(6.0)
    if max(first, second) + 1 > valid.size / 1.3:
        return None, "not within the run"
    if min(first, second) + 1 < 10:
        return None, "before epoch 10"
    if abs(np.log((first + 1) / (second + 1))) > 0.2:
        return None, "not clear"
    rise = float(narrow[first:].max() - narrow[first])
    if rise < max(0.02 * float(narrow[0] - narrow[first]), 4.0 * noise):
        return None, "no clear rise"
    return float(first + 1), "turns"


def cuts_of(curves: Sequence[tuple[Curve, float | None]], shares: Callable[[np.random.Generator], Array]) -> list[Cut]:
    """Cut every run at shares of the epochs before its turn; a fresh one of its length, or of a tenth of it."""
    found = []
    for k, (curve, turn) in enumerate(curves):
        rng = np.random.default_rng([9, k])
        for share in shares(rng):
            whole = turn if turn is not None else curve.valid.size * float(np.exp(rng.uniform(np.log(0.1), 0.0)))
            found.append(Cut(curve, min(curve.valid.size, max(FEWEST, round(share * whole))), turn))
    return found


def random_shares(rng: np.random.Generator) -> Array:
    """Return shares from a fifth to four fifths, each as likely."""
    return rng.uniform(0.2, 0.8, CUTS)


def wide_shares(rng: np.random.Generator) -> Array:
    """Return shares from a twentieth to nineteen twentieths, each as likely."""
    return rng.uniform(0.05, 0.95, CUTS)


def first_half(rng: np.random.Generator) -> Array:
    """Return shares from a fifth to a half, each as likely."""
    return rng.uniform(0.2, 0.5, CUTS)


def beyond(rng: np.random.Generator) -> Array:
    """Return shares from 1.3, the least that a run goes on after its turn, to 1.5."""
    return rng.uniform(1.3, 1.5, CUTS)


def half(_: np.random.Generator) -> Array:
    """Return a half."""
    return np.array([0.5])


def by_whygap(cut: Cut, calibration: Calibration = CALIBRATED, *, ends: bool = False) -> Judged:
    """Forecast from the training score as reported, or at the ends of epochs."""
    train, age = (cut.curve.end, 0.0) if ends else (cut.curve.reported, 0.5)
    f = forecast_turn(train[: cut.seen], cut.curve.valid[: cut.seen], age=age, calibration=calibration)
    if f.state == "turn":
        return Judged("turn", f.epoch or NEVER, f.low or 0.0, f.high or NEVER)
    return Judged(f.state, float(cut.seen) if f.state == "turned" else NEVER, 0.0, 0.0)


def by_quadratic(cut: Cut) -> Judged:
    """Put a parabola in the epoch through validation; its minimum, if it lies ahead."""
    x, y = np.arange(1.0, cut.seen + 1.0), cut.curve.valid[: cut.seen]
    c2, c1, _ = np.polyfit(x, y, 2)
    at = max(float(cut.seen), -c1 / (2.0 * c2)) if c2 > 0.0 else NEVER
    return Judged("turn" if at < NEVER else "no_turn", at, at, at)


def by_gaussian_process(cut: Cut) -> Judged:
    """Continue validation over the logarithm of the epoch by a Gaussian process; the minima of 200 of its curves."""
    keep = np.unique(np.geomspace(1, cut.seen, min(cut.seen, 60)).astype(int)) - 1
    x, y = np.log(keep + 1.0)[:, None], cut.curve.valid[keep]
    kernel = ConstantKernel(1.0, (0.01, 100.0)) * RBF(1.0, (0.3, 10.0)) + WhiteKernel(1e-3, (1e-7, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        process = GaussianProcessRegressor(kernel, normalize_y=True).fit(x, y)
    ahead = np.geomspace(cut.seen, 100 * cut.seen, 80)
    drawn = process.sample_y(np.log(ahead)[:, None], 200, random_state=0)
    at = ahead[drawn.argmin(axis=0)]
    low, middle, high = np.quantile(at, [0.05, 0.5, 0.95])
    return Judged("turn" if middle < 99.0 * cut.seen else "no_turn", middle, low, high)


METHODS: dict[str, Callable[[Cut], Judged]] = {
    "whygap": by_whygap,
    "whygap, ends of epochs": lambda cut: by_whygap(cut, ends=True),
    "it is now": lambda cut: Judged("turn", cut.seen, cut.seen, cut.seen),
    "never": lambda _: Judged("no_turn", NEVER, NEVER, NEVER),
    "twice the epochs seen": lambda cut: Judged("turn", 2.0 * cut.seen, 1.25 * cut.seen, 5.0 * cut.seen),
    "parabola": by_quadratic,
    "Gaussian process": by_gaussian_process,
}


def summary(cuts: Sequence[Cut], said: Sequence[Judged]) -> dict[str, Any]:
    """Return figures for cuts of runs that turn: errors in shares of the true epoch; no forecast counts as an endless error."""
    if not cuts:
        return {"cuts": 0}
    truth = np.array([c.turn for c in cuts], dtype=float)
    error = np.array([abs(s.epoch / t - 1.0) for s, t in zip(said, truth, strict=True)])
    is_said = np.array([s.state == "turn" for s in said])
    held = np.array([s.low <= t <= s.high for s, t in zip(said, truth, strict=True)])
    count = Counter(s.state for s in said)
    return {
        "cuts": len(cuts),
        "forecast": float(is_said.mean()),
        "states": {k: n / len(cuts) for k, n in count.items()},
        "error": float(np.median(error[is_said])) if is_said.any() else None,
        "error_all": float(np.median(error)),
        "within_quarter": float((error <= 0.25).mean()),
        "covered": float(held[is_said].mean()) if is_said.any() else None,
        "width": float(np.median([s.high / s.low for s in said if s.state == "turn" and s.low])) if is_said.any() else None,
    }


def signs_of(cut: Cut) -> Signs | None:
    """Return what a forecast sees at a cut."""
    seen = slice(cut.seen)
    return signs_of_turn(cut.curve.reported[seen], cut.curve.valid[seen], np.arange(1.0, cut.seen + 1.0), age=0.5)


def fitted(cuts: Sequence[Cut]) -> Calibration:
    """Return the constants that these cuts give: a straight line, and the errors it leaves for families it hasn't seen."""
    pace, wanted, groups = [], [], []
    for cut in cuts:
        signs = signs_of(cut)
        if cut.turn is not None and signs is not None and by_whygap(cut).state == "turn":
            pace.append(signs.pace)
            wanted.append(np.log(cut.turn / cut.seen))
            groups.append(cut.curve.family)
    x, y, family = np.array(pace), np.array(wanted), np.array(groups)
    left = []
    for f in np.unique(family):
        line = np.polyfit(x[family != f], y[family != f], 1)
        left.append(y[family == f] - np.polyval(line, x[family == f]))
    slope, start = np.polyfit(x, y, 1)
    return Calibration(float(start), float(slope), tuple(np.quantile(np.concatenate(left), PROBABILITIES).tolist()))


def generate(per_family: int, seed: int, workers: int | None) -> list[Curve]:
    """Train runs of every family, twice as many on a set as on fresh examples, each setting with `SEEDS` seeds."""
    settings = draw_settings("reused", per_family, seed) + draw_settings("fresh", -(-per_family // 2), seed)
    curves, began = dict[int, Curve](), time.perf_counter()
    for place, curve in train_cases(settings, SEEDS, seed=seed, workers=workers):
        curves[place] = curve
        done = f"{len(curves)}/{len(settings) * SEEDS} runs, {time.perf_counter() - began:.0f} s"
        print(f"\r{done} ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [curves[place] for place in sorted(curves)]


def save(file: Path, curves: Sequence[Curve]) -> None:
    """Keep runs for another time."""
    arrays = {f"{name}_{k}": getattr(c, name) for k, c in enumerate(curves) for name in ("reported", "end", "valid")}
    words = np.array([[c.family, c.setting, c.regime, c.optimiser] for c in curves])
    np.savez_compressed(file, words=words, **arrays)


def load(file: Path) -> list[Curve]:
    """Return the runs that were kept."""
    with np.load(file) as kept:
        return [
            Curve(*map(str, words), kept[f"reported_{k}"], kept[f"end_{k}"], kept[f"valid_{k}"])
            for k, words in enumerate(kept["words"])
        ]


def labelled_logs() -> tuple[list[tuple[Curve, float | None]], list[Curve]]:
    """Return logs of other people's trainings (Li et al. 2024, arXiv:2401.10359): with their turns, and those without one.

    They are labelled: as overfitting, of which those are taken whose turn is clear, and as not. Without the folder `shared`
    beside the repository, or that which WHYGAP_SHARED names, there are none.
    """
    folders = [os.environ.get("WHYGAP_SHARED", ""), str(Path(__file__).parents[2] / "shared")]
    files = [Path(f) / "data" / "overfit_logs.json.gz" for f in folders if f]
    file = next((f for f in files if f.is_file()), None)
    turning: list[tuple[Curve, float | None]] = []
    healthy: list[Curve] = []
    for run in json.loads(gzip.decompress(file.read_bytes()))["runs"] if file else ():
        train, valid = np.array(run["train"], float), np.array(run["valid"], float)
        curve = Curve("labelled log", run["id"], "once", "", train, train, valid)
        if not run["overfit"]:
            healthy.append(curve)
        elif (turn := turn_of(valid)[0]) is not None:
            turning.append((curve, turn))
    return turning, healthy


def told(name: str, s: dict[str, Any]) -> None:
    """Print a line."""
    if s["cuts"]:
        cells = [s["error"], s["error_all"], s["within_quarter"], s["covered"], s["width"]]
        shown = "".join(f"{'' if c is None else format(c, '.2f'):>{w}}" for c, w in zip(cells, (8, 8, 10, 9, 8), strict=True))
        print(f"{name:34}{s['cuts']:6d}{s['forecast']:10.2f}{shown}")


def said_of(name: str, said: Sequence[Judged]) -> dict[str, float]:
    """Print and return the share of each state."""
    shares = {k: n / len(said) for k, n in sorted(Counter(s.state for s in said).items())}
    print(f"{name:34}{len(said):6d}  {', '.join(f'{k} {n:.3f}' for k, n in shares.items())}")
    return shares


def over_settings(cuts: Sequence[Cut], is_so: Sequence[bool]) -> tuple[float, float, float]:
    """Return a share of the cuts, and its 95 % interval over redrawn settings: runs of one setting are much alike."""
    count = dict[tuple[str, str], Array]()
    for cut, so in zip(cuts, is_so, strict=True):
        key = (cut.curve.family, cut.curve.setting)
        count[key] = count.get(key, np.zeros(2)) + np.array([so, 1.0])
    of_setting = np.array(list(count.values()))
    drawn = np.random.default_rng(0).integers(len(count), size=(2000, len(count)))
    so, every = of_setting[drawn].sum(axis=1).T
    low, high = np.quantile(so / every, [0.025, 0.975])
    return float(of_setting[:, 0].sum() / of_setting[:, 1].sum()), float(low), float(high)


HEAD = f"{'':34}{'cuts':>6}{'forecast':>10}{'error':>8}{'(all)':>8}{'<= 25 %':>10}{'covered':>9}{'width':>8}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few runs of each family, so that counts are rough")
    parser.add_argument("--fit", action="store_true", help="print the constants, from settings of their own")
    parser.add_argument("--runs", type=Path, help="keep the runs in this file, or take them from it")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.runs and arguments.runs.exists():
        curves = load(arguments.runs)
    else:
        curves = generate(1 if arguments.quick else PER_FAMILY, 3 if arguments.fit else 4, arguments.workers)
        if arguments.runs:
            save(arguments.runs, curves)

    why = Counter[str]()
    turning: list[tuple[Curve, float | None]] = []
    fresh: list[tuple[Curve, float | None]] = []
    for curve in curves:
        if curve.regime == "fresh":
            fresh.append((curve, None))
            continue
        turn, reason = turn_of(curve.valid)
        why[reason] += 1
        if turn is not None:
            turning.append((curve, turn))
    left_out = ", ".join(f"{n} {reason}" for reason, n in why.items() if reason != "turns")
    print(f"{len(turning)} runs that turn and {len(fresh)} on fresh examples; left out: {left_out}")
    results: dict[str, Any] = {"turning": len(turning), "fresh": len(fresh), "left_out": why}
    random = cuts_of(turning, random_shares)

    if arguments.fit:
        found = fitted(random)
        print(f"Fitted to {len(random)} cuts: start {found.start:.3g}, slope {found.slope:.3g}")
        print(f"errors {np.round(found.errors, 3).tolist()}")
        growths = [s.growth for c in cuts_of(fresh, random_shares) if (s := signs_of(c)) is not None]
        print(f"Growth on fresh examples: 90, 95, 97 % below {np.quantile(growths, [0.9, 0.95, 0.97]).round(2)}; now {GROWS}")
        return

    for title, shares in (("half of the epochs before the turn", half), ("random cuts, 20-80 %", random_shares)):
        cuts = cuts_of(turning, shares)
        print(f"\n{title}\n{HEAD}")
        for name, method in METHODS.items():
            some = cuts if name != "Gaussian process" else cuts[:: 1 if shares is half else CUTS]
            results[f"{title}: {name}"] = s = summary(some, [method(c) for c in some])
            told(name, s)
    said = [by_whygap(c) for c in random]
    pairs = [
        (c, c.turn is not None and s.low <= c.turn <= s.high) for c, s in zip(random, said, strict=True) if s.state == "turn"
    ]
    results["covered"] = share, low, high = over_settings(*zip(*pairs, strict=True))
    print(f"intervals that hold the turn, random cuts: {share:.3f} [{low:.3f}, {high:.3f}] over redrawn settings")
    print(f"\nwhygap by kind of run, random cuts\n{HEAD}")
    families = sorted({c.curve.family for c in random})
    kinds: dict[str, Callable[[Cut], bool]] = {
        "Adam": lambda c: c.curve.optimiser == "adam",
        "SGD": lambda c: c.curve.optimiser == "sgd",
        "turns before epoch 25": lambda c: (c.turn or 0) < 25,
        "turns from epoch 25 on": lambda c: (c.turn or 0) >= 25,
    } | {f: (lambda c, f=f: c.curve.family == f) for f in families}
    for name, belongs in kinds.items():
        pairs = [(c, s) for c, s in zip(random, said, strict=True) if belongs(c)]
        results[name] = s = summary([c for c, _ in pairs], [s for _, s in pairs])
        told(name, s)
    for name, shares in (("cuts at 20-50 %", first_half), ("cuts at 5-95 %", wide_shares)):
        cuts = cuts_of(turning, shares)
        results[name] = s = summary(cuts, [by_whygap(c) for c in cuts])
        told(name, s)
    print("\nWhat is said of runs that turn")
    for name, shares in (("before, random cuts", random_shares), ("after, at 1.3 to 1.5 times the turn", beyond)):
        cuts = cuts_of(turning, shares)
        results[name] = said_of(name, [by_whygap(c) for c in cuts])

    print(f"\nConstants fitted to one kind, held against another, random cuts\n{HEAD}")
    halves = cuts_of(turning, half)
    for name, held in (("other families -> each family", random), ("the same, half of the epochs", halves)):
        pairs = []
        for family in families:
            own = fitted([c for c in random if c.curve.family != family])
            pairs += [(c, by_whygap(c, own)) for c in held if c.curve.family == family]
        results[name] = s = summary([c for c, _ in pairs], [j for _, j in pairs])
        told(name, s)
    for name, other in (("Adam", "SGD"), ("SGD", "Adam"), ("turns before epoch 25", "turns from epoch 25 on"),
                        ("turns from epoch 25 on", "turns before epoch 25")):  # fmt: skip
        own = fitted([c for c in random if kinds[name](c)])
        held = [c for c in random if kinds[other](c)]
        results[f"{name} -> {other}"] = s = summary(held, [by_whygap(c, own) for c in held])
        told(f"{name} -> {other}", s)

    print('\nOn fresh examples, random cuts: what is said, and in which share "no turn expected" is right')
    cuts = cuts_of(fresh, random_shares)
    for name, ends in (("whygap", False), ("whygap, ends of epochs", True)):
        results[f"fresh: {name}"] = said_of(name, [by_whygap(c, ends=ends) for c in cuts])
    said = [by_whygap(c) for c in cuts]
    results["fresh"] = share, low, high = over_settings(cuts, [s.state == "no_turn" for s in said])
    print(f'"no turn expected": {share:.3f} [{low:.3f}, {high:.3f}] over redrawn settings')
    for family in families:
        results[f"fresh: {family}"] = said_of(family, [s for c, s in zip(cuts, said, strict=True) if c.curve.family == family])
    turning, healthy = labelled_logs()
    if turning:
        print(f"\n{len(turning)} logs of others that are labelled as overfitting and turn clearly, random cuts\n{HEAD}")
        cuts = cuts_of(turning, random_shares)
        for name in ("whygap", "twice the epochs seen", "parabola"):
            results[f"labelled logs: {name}"] = s = summary(cuts, [METHODS[name](c) for c in cuts])
            told(name, s)
        rng = np.random.default_rng(0)
        said = [by_whygap(Cut(c, int(rng.uniform(0.05, 1.0) * c.valid.size), None)) for c in healthy]
        results["healthy logs"] = said_of("those labelled as not", said)
        wrong = [s.state == "turn" and s.high < c.valid.size for s, c in zip(said, healthy, strict=True)]
        results["healthy logs, refuted"] = float(np.mean(wrong))
        print(f"of these, {np.mean(wrong):.3f} are told a turn whose interval ends within the log")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
