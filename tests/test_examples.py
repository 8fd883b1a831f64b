"""The examples run as a person would run them, and their mode term is what an independent evaluation gives."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


SAID = {
    "01_digits_torch": ("epoch 8", "mode", "eval mode"),
    "02_digits_keras": ("epoch 8", "mode", "eval mode"),
    "04_probe_torch": ("It does not overfit because it has too few parameters (1,921) to learn 4,000 examples by heart",),
    "03_fresh_or_once": ("fresh: 4,000 new examples", "It overfits", "memorisation", "drawn: fresh_or_once.png"),
}


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda f: f.stem)
def test_runs_and_explains(file, tmp_path):
    environment = os.environ | {"WHYGAP_STORE": str(tmp_path / "runs.db"), "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, env=environment, timeout=300, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    for said in SAID[file.stem]:
        assert said in text
    assert (tmp_path / "runs.db").exists() == (file.stem != "04_probe_torch"), "the probe keeps nothing unless it is told to"


def test_only_a_set_that_is_small_and_seen_again_is_memorised():
    import torch

    example = load("03_fresh_or_once")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        meters = {
            name: example.train(regime, epochs=20 if regime.n > 200 else 60, store=False)
            for name, regime in example.REGIMES.items()
        }
    finally:
        torch.set_num_threads(threads)
    fresh, once, few = ([gap.term("memorisation").estimate for gap in m.run.of("loss")] for m in meters.values())
    assert sum(e.low <= 0 <= e.high for e in fresh) >= 17, "of 20 intervals of 95 %"
    assert few[-1].low > 10 * max(abs(e.value) for e in (fresh[-1], once[-1]))
    assert meters["once: the same 200 every epoch"].explain().overfitting.state == "yes"
    picture = example.draw(meters).to_dict()
    assert len(picture["hconcat"]) == 3
    assert "holds zero in" in str(picture["hconcat"][0])


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def mode_by_hand(score_all, n_repeats=60):
    """Mean in eval mode less the mean over many passes in train mode, and the standard error of the latter."""
    repeats = [score_all(np.random.default_rng(k).permutation(1297), training=True) for k in range(n_repeats)]
    truth = score_all(np.arange(1297), training=False) - np.mean(repeats)
    return truth, np.std(repeats) / n_repeats**0.5


def check(gaps, score_all):
    truth, error = mode_by_hand(score_all)
    assert abs(truth) > 10 * error
    for budget, gap in gaps.items():
        mode = gap.term("mode").estimate
        assert (mode.value < 0) == (truth < 0)
        assert mode.low > 0 or mode.high < 0, "the term must be visible"
        # one draw: of its 95 % intervals every twentieth misses, and benchmarks/coverage.py counts those
        assert abs(mode.value - truth) <= 4 * mode.se + 2 * error, (budget, mode, truth)


def test_mode_in_pytorch():
    import torch

    example = load("01_digits_torch")
    gaps = {}
    for budget in ("exact", 512):
        model, meter = example.train(budget=budget, store=False)
        gaps[budget] = meter.run.of("loss")[-1]
    x, y = example.load()[0].tensors

    def score_all(order, *, training):
        model.train(training)
        total = 0.0
        kept = {k: v.clone() for k, v in model.state_dict().items()}
        with torch.no_grad():
            for start in range(0, 1297, 32):
                part = order[start : start + 32]
                total += float(torch.nn.functional.cross_entropy(model(x[part]), y[part], reduction="sum"))
        model.load_state_dict(kept)
        return total / 1297

    torch.manual_seed(99)
    check(gaps, score_all)


def test_mode_in_keras():
    example = load("02_digits_keras")
    import keras

    gaps = {}
    for budget in ("exact", 512):
        model, callback = example.train(budget=budget, store=False, verbose=0)
        gaps[budget] = callback.run.of("loss")[-1]
    x, y = example.load()[0]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
    kept = model.get_weights()

    def score_all(order, *, training):
        model.set_weights(kept)
        total = 0.0
        for start in range(0, 1297, 32):
            part = order[start : start + 32]
            total += float(keras.ops.convert_to_numpy(loss(y[part], model(x[part], training=training))))
        return total / 1297

    check(gaps, score_all)
