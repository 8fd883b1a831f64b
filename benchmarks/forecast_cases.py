"""Training runs of many kinds whose validation turns, or can't: what forecasts of the turn are held against.

Settings are drawn at random, family by family: a family is a process with the kind of network that suits it. What is drawn
is the number of examples, the regime, widths, optimiser, learning rate, batch size, weight decay and the validation set's size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import optax

from whygap.lab import Curves, Job, Model, Plan, Seeds, cnn, mlp, train_all
from whygap.process import (
    MNIST1D,
    AddingProblem,
    Draws,
    Fresh,
    GaussianMixture,
    LabelNoise,
    Once,
    Pool,
    Process,
    SequenceRegression,
    Shapes,
    SparseParity,
    TeacherStudent,
)

Array = npt.NDArray[np.float64]

STEPS = 7000
"""Of a run, about."""

RATES = {"sgd": (0.005, 0.2), "momentum": (5e-4, 2e-2)}

LEAST_EPOCHS, MOST_EPOCHS = 60, 500


@dataclass(frozen=True)
class NoisyTargets(Process):
    """A process of numbers with normal noise added: without any, a network need not get worse by learning them by heart."""

    process: Process
    noise: float

    def make(self, draws: Draws) -> tuple[Any, Any]:
        x, y = self.process.make(draws)
        return x, y + draws.normal() * np.float32(self.noise)


FAMILIES: dict[str, tuple[Process, tuple[int, int], tuple[int, int], bool]] = {
    "MNIST-1D": (MNIST1D(), (40, 10), (200, 4000), False),
    "MNIST-1D, CNN": (MNIST1D(), (40, 10), (200, 2000), True),
    "MNIST-1D, wrong labels": (LabelNoise(MNIST1D(), 0.15), (40, 10), (200, 4000), False),
    "teacher": (TeacherStudent(noise=0.3), (20, 1), (100, 2000), False),
    "teacher, noisy": (TeacherStudent(features=40, hidden=10, noise=1.0), (40, 1), (200, 4000), False),
    "mixture": (GaussianMixture(classes=4, features=20, distance=2.5), (20, 4), (100, 3000), False),
    "mixture, wrong labels": (GaussianMixture(classes=3, features=30, distance=3.0, flip=0.2), (30, 3), (100, 3000), False),
    "parity": (SparseParity(bits=20, relevant=2, flip=0.1), (20, 2), (300, 3000), False),
    "adding": (NoisyTargets(AddingProblem(steps=10), 0.3), (20, 1), (100, 2000), False),
    "shapes": (Shapes(noise=1.0), (256, 4), (200, 2000), False),
    "sequences": (NoisyTargets(SequenceRegression(), 0.2), (25, 1), (100, 2000), False),
}
"""Process, numbers of inputs and outputs, the range of n, and whether the network is convolutional."""


@dataclass(frozen=True, eq=False)
class Curve:
    """The loss of one run after each epoch, 1 for the first: training as reported and at the epoch's end, and validation."""

    family: str
    setting: str
    regime: str
    optimiser: str
    reported: Array
    end: Array
    valid: Array


@dataclass(frozen=True, eq=False)
class Setting:
    """What was drawn for some runs that differ in their seeds alone."""

    family: str
    optimiser: str
    regime: str
    plan: Plan
    text: str


def draw_setting(family: str, kind: str, rng: np.random.Generator) -> Setting:
    """Draw the settings of a run; `kind` is "reused" or "fresh"."""
    process, (features, outputs), (fewest, most), is_cnn = FAMILIES[family]
    n = int(round(_log_uniform(rng, fewest, most), -1))
    batch = int(min(rng.choice([10, 20, 50, 100]), n // 8))
    width = int(_log_uniform(rng, 8, 128))
    model: Model = cnn(features, outputs, channels=max(4, width // 4)) if is_cnn else _mlp(features, width, outputs, rng)
    per_epoch = -(-n // batch)
    epochs = int(np.clip(STEPS / per_epoch, LEAST_EPOCHS, MOST_EPOCHS))
    regime = Fresh(n) if kind == "fresh" else Pool(2 * n, n) if rng.random() < 0.2 else Once(n)
    name, step, rates, rate = _optimiser(rng)
    model, optimiser = _with_rates(model, step, rates)
    plan = Plan(
        process=process,
        regime=regime,
        model=model,
        optimiser=optimiser,
        epochs=epochs,
        batch_size=batch,
        n_valid=int(rng.choice([200, 500, 1000, 2000])),
        n_fresh=0,
    )
    text = f"{type(regime).__name__} n={n} batch={batch} width={width} {rate} epochs={epochs} n_valid={plan.n_valid}"
    return Setting(family, name, type(regime).__name__.lower(), plan, text)


def _mlp(features: int, width: int, outputs: int, rng: np.random.Generator) -> Model:
    return mlp(features, *([width] * int(rng.integers(1, 3))), outputs)


def _optimiser(rng: np.random.Generator) -> tuple[str, optax.GradientTransformation, tuple[float, float], str]:
    """Return a kind of optimiser, its step for a rate of 1, the range of rates, and both in words."""
    kind = rng.choice(["adam", "adamw", "sgd", "momentum"], p=[0.35, 0.2, 0.2, 0.25])
    if kind in ("adam", "adamw"):
        decay = _log_uniform(rng, 1e-3, 1e-1) if kind == "adamw" else 0.0
        made = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(decay), optax.scale(-1.0))
        return "adam", made, (1e-4, 4e-3), f"{kind}" + (f" decay {decay:.2g}" if decay else "")
    return "sgd", optax.sgd(1.0, momentum=0.9 if kind == "momentum" else None), RATES[kind], str(kind)


def _with_rates(model: Model, step: optax.GradientTransformation, rates: tuple[float, float]) -> tuple[Model, Any]:
    """Return a model that draws the learning rate of its run with its weights, and the optimiser that uses it.

    Compiling a run takes some thirty times as long as training it, and this way runs of one program differ by more than luck.
    """

    def init(key: Any) -> Any:
        import jax

        keys = jax.random.split(key)
        low, high = np.log(rates)
        return {"network": model.init(keys[0]), "log_rate": jax.random.uniform(keys[1], minval=low, maxval=high)}

    def update(slope: Any, state: Any, params: Any = None, **_: Any) -> Any:
        import jax
        import jax.numpy as jnp

        change, state = step.update(slope["network"], state, params["network"])
        rate = jnp.exp(params["log_rate"])
        scaled = jax.tree.map(lambda leaf: rate * leaf, change)
        return {"network": scaled, "log_rate": jnp.zeros_like(rate)}, state

    own = optax.GradientTransformationExtraArgs(lambda params: step.init(params["network"]), update)
    return Model(init, lambda params, x: model.apply(params["network"], x)), own


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def train_cases(
    settings: Sequence[Setting], seeds: int, *, seed: int = 0, workers: int | None = None
) -> Iterator[tuple[int, Curve]]:
    """Train every setting with several seeds, of their own for each `seed`; yield the place and the curve of each run."""
    first = 1_000_000 * seed
    jobs = [Job(s.plan, Seeds.all(first + 1000 * k + run)) for k, s in enumerate(settings) for run in range(seeds)]
    for place, found in train_all(jobs, workers=workers, together=seeds):
        yield place, curve_of(settings[place // seeds], found)


def curve_of(setting: Setting, found: Curves) -> Curve:
    """Return the loss of a run."""
    return Curve(
        family=setting.family,
        setting=setting.text,
        regime=setting.regime,
        optimiser=setting.optimiser,
        reported=found.reported[:, 0].astype(float),
        end=found.train[:, 0].astype(float),
        valid=found.valid[:, 0, 0, 0].astype(float),
    )


def draw_settings(kind: str, per_family: int, seed: int = 0) -> list[Setting]:
    """Draw so many settings of every family."""
    code = {"reused": 1, "fresh": 2}[kind]
    return [
        draw_setting(family, kind, np.random.default_rng([seed, code, f, k]))
        for k in range(per_family)
        for f, family in enumerate(FAMILIES)
    ]
