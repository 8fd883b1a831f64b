"""Is the demo right? Its exact terms against Keras's own `evaluate`, and how often its sampled intervals cover them.

    python benchmarks/demo_exact.py [--draws 500] [--seed 0] [--json FILE]

A second process trains the same network from the same seed without whygap, keeps the weights of every epoch and has Keras
evaluate both sets with them. The sampled intervals are made by the ladder from batches drawn anew out of a full pass.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from whygap.adapters import session
from whygap.demo import BATCH, EPOCHS, Demo, build_model, load_keras
from whygap.ladder import build_epoch_gap
from whygap.observation import Method, Observation, Sample
from whygap.process import draw_sequences
from whygap.records import Run
from whygap.verdict.judge import explains_most

CAUSES = ("averaging", "generalisation")
SAMPLED_BATCHES = 16
METHODS: tuple[Method, ...] = ("plain", "difference", "regression")


def reference(seed: int, epochs: int) -> dict[str, list[float]]:
    """Train without whygap; return what Keras reported and what its `evaluate` gives after every epoch."""
    keras = load_keras()

    data, model, weights = draw_sequences(seed), build_model(seed), []

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            weights.append(self.model.get_weights())

    history = model.fit(
        data.x_train,
        data.y_train,
        validation_data=(data.x_valid, data.y_valid),
        epochs=epochs,
        batch_size=BATCH,
        verbose=0,
        callbacks=[Keep()],
    ).history
    train, valid = [], []
    for values in weights:
        model.set_weights(values)
        train.append(float(model.evaluate(data.x_train, data.y_train, verbose=0)))
        valid.append(float(model.evaluate(data.x_valid, data.y_valid, verbose=0)))
    return {"reported": history["loss"], "reported_valid": history["val_loss"], "train": train, "valid": valid}


def reference_in_another_process(seed: int, epochs: int) -> dict[str, list[float]]:
    """Run `reference` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "reference.json"
        command = [sys.executable, __file__, "--reference", str(file), "--seed", str(seed), "--epochs", str(epochs)]
        subprocess.run(command, check=True)
        found: dict[str, list[float]] = json.loads(file.read_text())
        return found


def demo_with_observations(seed: int, epochs: int) -> tuple[Run, list[Observation]]:
    """Run the demo with the exact budget and return its run and what it observed, epoch by epoch."""
    seen: list[Observation] = []

    def build_and_keep(observation: Observation, rungs: Any) -> Any:
        seen.append(observation)
        return build_epoch_gap(observation, rungs)

    session.build_epoch_gap = build_and_keep  # type: ignore[assignment]
    try:
        demo = Demo(seed=seed, epochs=epochs, budget="exact", store=False)
        demo.train()
    finally:
        session.build_epoch_gap = build_epoch_gap
    return demo.run, seen


def sampled(o: Observation, rng: np.random.Generator, n_batches: int) -> Observation:
    """Return the observation as if only `n_batches` of its batches had been scored."""
    assert o.sample is not None
    kept = np.sort(rng.choice(o.sample.batch.size, n_batches, replace=False))
    rows = np.isin(o.sample.unit, kept)
    unit = np.searchsorted(kept, o.sample.unit[rows])
    on_rung = {name: scores[:, rows] for name, scores in o.sample.on_rung.items()}
    return replace(o, sample=Sample(batch=o.sample.batch[kept], unit=unit, on_rung=on_rung))


def coverage(observations: list[Observation], n_draws: int) -> list[dict[str, Any]]:
    """Count, per epoch and estimator, how often the sampled interval covers the exact term."""
    rng, rows = np.random.default_rng(0), []
    for o in observations:
        exact = build_epoch_gap(o)
        for method in METHODS:
            hits = dict.fromkeys(CAUSES, 0)
            reliable = dict.fromkeys(CAUSES, 0)
            width = dict.fromkeys(CAUSES, 0.0)
            for _ in range(n_draws):
                gap = build_epoch_gap(replace(sampled(o, rng, SAMPLED_BATCHES), method=method))
                for cause in CAUSES:
                    e = gap.term(cause).estimate  # type: ignore[union-attr, arg-type]
                    truth = exact.term(cause).value  # type: ignore[union-attr, arg-type]
                    hits[cause] += e.low <= truth <= e.high
                    reliable[cause] += e.reliable
                    width[cause] += e.high - e.low
            rows.append(
                {"epoch": o.epoch, "method": method, "draws": n_draws}
                | {c: hits[c] / n_draws for c in CAUSES}
                | {f"{c}_reliable": reliable[c] / n_draws for c in CAUSES}
                | {f"{c}_width": width[c] / n_draws for c in CAUSES}
            )
    return rows


def main() -> None:
    """Print the two tables; exit with 1 where an exact term is off by more than 1e-6."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--reference", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.reference:
        arguments.reference.write_text(json.dumps(reference(arguments.seed, arguments.epochs)))
        return
    truth = reference_in_another_process(arguments.seed, arguments.epochs)
    run, observations = demo_with_observations(arguments.seed, arguments.epochs)

    print("Exact terms against keras evaluate, in another process")
    print("epoch  gap        averaging   keras       error    generalisation  keras       error    explains most")
    worst, most, rows = 0.0, 0, []
    for i, gap in enumerate(run.of()):
        averaging, generalisation = gap.term("averaging").value, gap.term("generalisation").value  # type: ignore[union-attr]
        a, g = truth["train"][i] - truth["reported"][i], truth["valid"][i] - truth["train"][i]
        cause = explains_most(gap)
        worst = max(worst, abs(averaging - a), abs(generalisation - g))
        most += cause == "averaging"
        rows.append({"epoch": gap.epoch, "averaging": averaging, "averaging_keras": a, "generalisation": generalisation})
        print(
            f"{gap.epoch:5d}  {gap.gap.value:+.6f}  {averaging:+.6f}  {a:+.6f}  {abs(averaging - a):.0e}  "  # type: ignore[union-attr]
            f"{generalisation:+.6f}       {g:+.6f}  {abs(generalisation - g):.0e}  {cause}"
        )
    print(f"largest error {worst:.1e}; averaging explains most of the gap in {most} of {len(rows)} epochs\n")

    n_batches = 0 if observations[0].visits is None else observations[0].visits.rows.size
    print(f"Sampled intervals, nominal 95 %: {SAMPLED_BATCHES} of {n_batches} batches, {arguments.draws} draws")
    print("epoch  estimator   averaging covered  width     reliable   generalisation covered  width     reliable")
    counted = coverage(observations, arguments.draws)
    for r in counted:
        print(
            f"{r['epoch']:5d}  {r['method']:10}  {r['averaging']:17.3f}  {r['averaging_width']:.6f}  "
            f"{r['averaging_reliable']:8.2f}"
            f"   {r['generalisation']:22.3f}  {r['generalisation_width']:.6f}  {r['generalisation_reliable']:8.2f}"
        )
    for method in METHODS:
        mean = {c: float(np.mean([r[c] for r in counted if r["method"] == method])) for c in CAUSES}
        print(f"  all  {method:10}  {mean['averaging']:17.3f}  {'':29}{mean['generalisation']:22.3f}")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"exact": rows, "largest_error": worst, "most": most, "coverage": counted}, indent=1)
        )
    sys.exit(0 if worst <= 1e-6 else 1)


if __name__ == "__main__":
    main()
