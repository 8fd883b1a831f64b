"""What the repetition audit finds, how often it is wrong, and what it costs.

    python benchmarks/audit.py [--runs 200] [--quick] [--json FILE]

Each case is made anew for every seed and hashed by content, as a loader's batches are. The loaders with worker processes are
real ones and have fewer seeds. Memory is the peak that Python's tracemalloc sees while 10 million presentations are counted.
The audit's share of a training's time is by its own clock; `overhead.py` holds the whole meter against trainings without it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from whygap.audit import Tally, Views, estimate_pool_size, hash_examples, judge_repetition
from whygap.records import Repetition

Epochs = list[np.ndarray]
D, N, N_VALID, BATCH, WORKERS = 8, 5000, 2000, 50, 4


def drawn(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return n new examples of D numbers."""
    return rng.standard_normal((n, D), dtype=np.float32)


def judged(epochs: Epochs, valid: np.ndarray | None = None, *, workers: int = 1, **options: Any) -> Repetition:
    """Deliver epochs in batches, worker by worker in turn, and judge them."""
    tally, validation = Tally(), Tally()
    for examples in epochs:
        tally.begin_epoch()
        for i in range(0, len(examples), BATCH):
            tally.add(hash_examples(examples[i : i + BATCH]), source=i // BATCH % workers)
    if valid is not None:
        validation.add(hash_examples(valid))
    return judge_repetition(tally.compute(), None if valid is None else validation.compute(), **options)


def has(found: Repetition, *problems: str) -> bool:
    """Return whether exactly these problems were found."""
    return sorted(f.name for f in found.problems) == sorted(problems)


def stored_generator(rng: np.random.Generator) -> bool:
    """Every worker has a copy of the same generator, in every epoch."""
    of_worker = drawn(rng, N // WORKERS).reshape(-1, BATCH, D)
    epoch = np.repeat(of_worker, WORKERS, axis=0).reshape(-1, D)
    return has(judged([epoch, epoch], workers=WORKERS), "worker_copies")


def replay(rng: np.random.Generator) -> bool:
    """A generator starts over in every epoch."""
    epoch = drawn(rng, N)
    return has(judged([epoch, epoch], believed="fresh"), "replay", "not_expected")


def pool(rng: np.random.Generator) -> bool:
    """1,000 examples, drawn with replacement, are believed to be fresh."""
    examples = drawn(rng, 1000)
    found = judged([examples[rng.integers(0, 1000, N)] for _ in range(2)], believed="fresh")
    return found.regime == "pool" and has(found, "not_expected")


def leak(rng: np.random.Generator) -> bool:
    """3 % of the validation rows are training rows."""
    train, valid = drawn(rng, N), drawn(rng, N_VALID)
    valid[: N_VALID * 3 // 100] = train[: N_VALID * 3 // 100]
    found = judged([rng.permutation(train) for _ in range(2)], valid, believed="once")
    return has(found, "leak") and found.valid is not None and found.valid.value == 0.03


def stale_augmentation(rng: np.random.Generator) -> bool:
    """Noise is added to a stored set, the same in every epoch."""
    clean = drawn(rng, N)
    noisy = clean + 0.1 * drawn(rng, N)
    orders = [rng.permutation(N) for _ in range(2)]
    before = Tally()
    for order in orders:
        before.begin_epoch()
        before.add(hash_examples(clean[order]))
    return has(judged([noisy[order] for order in orders], views=Views(before.compute(), 0.0)), "stale_augmentation")


def honest_fresh(rng: np.random.Generator) -> bool:
    """Every example is new: no problem, and told to be fresh."""
    found = judged([drawn(rng, N) for _ in range(2)], drawn(rng, N_VALID), workers=WORKERS, believed="fresh")
    return found.regime == "fresh" and has(found)


def honest_set(rng: np.random.Generator) -> bool:
    """A stored set with some blank rows, shuffled: no problem, and told to be one set."""
    train, valid = drawn(rng, N), drawn(rng, N_VALID)
    train[:50], valid[:20] = 0.0, 0.0
    found = judged([rng.permutation(train) for _ in range(2)], valid, workers=WORKERS, believed="once")
    return found.regime == "once" and has(found)


def honest_few(rng: np.random.Generator) -> bool:
    """Modular addition: 97 * 97 possible examples, drawn anew every time. No worker is to blame, and nothing leaks."""
    domain = np.stack(np.meshgrid(np.arange(97), np.arange(97)), -1).reshape(-1, 2)
    epochs = [domain[rng.integers(0, len(domain), N)] for _ in range(2)]
    found = judged(epochs, domain[rng.integers(0, len(domain), N_VALID)], workers=WORKERS)
    return found.regime == "pool" and has(found)


CASES = (stored_generator, replay, pool, leak, stale_augmentation, honest_fresh, honest_set, honest_few)

COVERED = (  # size, samples without replacement, further draws
    (1000, (), 60),
    (1000, (), 2000),
    (1000, (), 8000),
    (9409, (), 10_000),
    (60_000, (1280,) * 10, 0),
    (1_000_000, (), 5000),
)


def coverage(k: int, samples: tuple[int, ...], singles: int, runs: int) -> dict[str, Any]:
    """Draw from k examples and count how often the interval holds k."""
    held, widths = 0, []
    for seed in range(runs):
        rng = np.random.default_rng([seed, k])
        seen = [rng.choice(k, m, replace=False) for m in samples] + [rng.integers(0, k, singles)]
        found = estimate_pool_size(np.unique(np.concatenate(seen)).size, samples, singles=singles)
        held += found.low <= k <= found.high
        widths.append((found.high - found.low) / 2.0 / k)
    return {"k": k, "samples": list(samples), "singles": singles, "held": held / runs, "half_width": float(np.median(widths))}


def memory(kind: str, presentations: int) -> dict[str, Any]:
    """Count presentations in ten epochs and return the peak of memory and the time for one."""
    rng, per_epoch, size = np.random.default_rng(0), presentations // 10, 1000
    tracemalloc.start()
    tally, spent = Tally(), 0.0
    for _ in range(10):
        tally.begin_epoch()
        for b in range(per_epoch // size):
            if kind == "fresh":
                hashes = rng.integers(0, 2**64, size, dtype=np.uint64)
            else:
                hashes = np.arange(b * size + 1, (b + 1) * size + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            began = time.perf_counter()
            tally.add(hashes, source=b % 4)
            spent += time.perf_counter() - began
    found = judge_repetition(tally.compute())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.distinct is not None
    error = (found.distinct.high - found.distinct.low) / 2.0 / found.distinct.value
    return {"case": kind, "peak_mb": peak / 1e6, "us_each": 1e6 * spent / presentations, "error": error}


def speed(shape: tuple[int, ...], hashing: Callable[[np.ndarray], Any]) -> tuple[float, float]:
    """Return GB and millions of examples in a second, the best of seven."""
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    best = float("inf")
    for _ in range(7):
        began = time.perf_counter()
        hashing(x)
        best = min(best, time.perf_counter() - began)
    return x.nbytes / best / 1e9, len(x) / best / 1e6


def by_blake2(x: np.ndarray) -> list[bytes]:
    """Return what the standard library's fastest cryptographic hash gives."""
    return [hashlib.blake2b(row, digest_size=8).digest() for row in x.reshape(len(x), -1).view(np.uint8)]


def share_of_training(n: int, epochs: int) -> dict[str, Any]:
    """Train a network on n small images with the meter at its default budget, and return what the audit took of the time."""
    import torch
    from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

    from whygap.adapters.torch import Meter

    torch.manual_seed(0)
    data = TensorDataset(torch.randn(n, 784), torch.randint(0, 10, (n,)))
    sampler = BatchSampler(RandomSampler(data), 128, drop_last=False)
    loader = DataLoader(data, sampler=sampler, batch_size=None)
    valid = DataLoader(TensorDataset(torch.randn(n // 6, 784), torch.randint(0, 10, (n // 6,))), batch_size=500)
    model = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    optimiser, loss_of = torch.optim.Adam(model.parameters(), lr=1e-3), torch.nn.CrossEntropyLoss()
    meter = Meter(model, loss_of, valid=valid, store=False, epochs=epochs)
    trained = 0.0
    for _ in range(epochs):
        began = time.perf_counter()
        for x, y in meter.train(loader):
            loss = loss_of(model(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            meter.record(loss)
        trained += time.perf_counter() - began
        meter.end_epoch()
    found = [e.repetition for e in meter.run.epochs if e.repetition is not None][-1]
    return {
        "n": n,
        "epoch_s": trained / epochs,
        "share": meter._repeats.spent_s / trained,
        "looked_at": found.looked_at / found.presentations,
        "regime": found.regime,
        "pool": None if found.pool is None else [found.pool.value, found.pool.low, found.pool.high],
        "valid_looked_at": found.n_valid,
    }


def real_workers(runs: int) -> dict[str, int]:
    """Return how often the stored generator was found, and fresh examples left alone, with four worker processes."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    from whygap.adapters.loader_walk import Walk, audit_loader

    class Made(Dataset[Any]):
        def __init__(self, seed: int | None) -> None:
            self.rng = None if seed is None else np.random.default_rng(seed)

        def __len__(self) -> int:
            return 1000

        def __getitem__(self, i: int) -> Any:
            return torch.randn(D) if self.rng is None else self.rng.standard_normal(D)

    def found(seed: int | None) -> Repetition:
        made = Made(seed)
        context = {"num_workers": WORKERS, "multiprocessing_context": "fork"}
        return audit_loader(Walk(lambda: DataLoader(made, batch_size=25, **context), "train"), believed="fresh")

    named = [{f.name for f in found(seed).problems} for seed in range(runs)]
    return {
        "found": sum("worker_copies" in names for names in named),
        "alarms": sum(bool(found(None).problems) for _ in range(runs)),
    }


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="fewer runs and presentations")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    runs = 20 if options.quick else options.runs
    figures: dict[str, Any] = {"runs": runs, "cases": {}, "coverage": [], "memory": [], "speed": {}}
    for case in CASES:
        right = sum(case(np.random.default_rng([seed, 7])) for seed in range(runs))
        figures["cases"][case.__name__] = right
        print(f"{case.__name__:20} {right:4} of {runs} as it should be: {case.__doc__}")
    seeds = 3 if options.quick else 10
    figures["workers"] = real_workers(seeds)
    print(
        f"real loaders, four forked workers: the stored generator found in {figures['workers']['found']} of {seeds}, ", end=""
    )
    print(f"fresh examples accused in {figures['workers']['alarms']} of {seeds}")
    for k, samples, singles in COVERED:
        row = coverage(k, samples, singles, 5 * runs)
        figures["coverage"].append(row)
        drawn_as = f"{len(samples)} samples of {samples[0]}" if samples else f"{singles} draws"
        print(f"k = {k:9,}, {drawn_as:22}: the 95 % interval holds it in {row['held']:.1%}, half-width {row['half_width']:.1%}")
    for kind in ("fresh", "once"):
        row = memory(kind, 1_000_000 if options.quick else 10_000_000)
        figures["memory"].append(row)
        print(
            f"memory, {kind:6} {row['peak_mb']:.1f} MB, {row['us_each']:.2f} us a presentation, distinct to ±{row['error']:.2%}"
        )
    for shape in ((128, 784), (10_000, 26), (32, 3, 224, 224)):
        ours, theirs = speed(shape, hash_examples), speed(shape, by_blake2)
        figures["speed"][str(shape)] = {"xxh3": ours, "blake2b": theirs}
        print(
            f"hashing {shape!s:18} {ours[0]:6.2f} GB/s, {ours[1]:6.2f} M/s; blake2b {theirs[0]:.2f} GB/s, {theirs[1]:.2f} M/s"
        )
    row = figures["share"] = share_of_training(6000 if options.quick else 60_000, 4 if options.quick else 8)
    print(
        f"in training: {row['share']:.3%} of the time ({row['epoch_s']:.2f} s an epoch), {row['looked_at']:.1%} looked at: ",
        end="",
    )
    size = "unknown" if row["pool"] is None else "{:,.0f} [{:,.0f}, {:,.0f}]".format(*row["pool"])
    print(f"{row['regime']}, size {size}, and {row['valid_looked_at']:,} validation examples")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    sys.exit(main())
