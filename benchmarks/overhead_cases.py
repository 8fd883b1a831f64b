"""What `overhead.py` times: the models' sizes, the arms, the examples, and what a timed training gives back."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from whygap.records import EpochGap, Run

Arm = Literal["without", "whygap", "re-evaluation", "without again"]
ARMS: tuple[Arm, ...] = get_args(Arm)[:3]

TURN_S = 0.1
"""A turn: so short that the machine is the same for all who take turns, so long that changing turns costs nothing."""

BATCH = 128
SIDE = 28
N_CLASSES = 10

STYLES = 2
"""Templates per class: more than a linear model can tell apart."""

LARGEST_SHIFT = 3
"""Pixels by which an example is moved, in both directions."""

SMOOTHNESS = 3.0
"""Standard deviation, in pixels, of the filter that templates and smooth noise have gone through."""

N_FIELDS, SMOOTH_NOISE, WHITE_NOISE = 64, 1.5, 0.3
"""Smooth fields that noise is mixed of, and what noise measures in standard deviations of the templates.

Smooth noise lies where the templates lie and makes classes overlap: the loss falls for many epochs, is not near zero after
one, and validation goes with it. White noise alone would be a fingerprint to memorise by.
"""

WRONG_LABELS = 0.05
"""Share of labels drawn anew: neither loss goes to zero."""


@dataclass(frozen=True)
class Case:
    """How many examples and epochs one training has."""

    n_train: int
    n_valid: int
    epochs: int


FULL = {
    "torch:mlp": Case(60_000, 10_000, 16),
    "torch:mlp-indexed": Case(60_000, 10_000, 16),
    "torch:cnn": Case(60_000, 10_000, 3),
    "torch:lstm": Case(60_000, 10_000, 8),
    "keras:mlp": Case(60_000, 10_000, 16),
    "keras:cnn": Case(12_000, 2_000, 3),
    "keras:lstm": Case(24_000, 4_000, 12),
}
QUICK = {
    "torch:mlp": Case(12_000, 2_000, 4),
    "torch:mlp-indexed": Case(12_000, 2_000, 4),
    "torch:cnn": Case(3_000, 1_000, 3),
    "torch:lstm": Case(3_000, 1_000, 4),
    "keras:mlp": Case(12_000, 2_000, 3),
    "keras:cnn": Case(3_000, 1_000, 2),
    "keras:lstm": Case(3_000, 1_000, 2),
}
CELLS = tuple(FULL)


@dataclass(frozen=True)
class Images:
    """Pictures of shape (n, 28, 28), float32, and their classes of shape (n,), int64."""

    x_train: npt.NDArray[np.float32]
    y_train: npt.NDArray[np.int64]
    x_valid: npt.NDArray[np.float32]
    y_valid: npt.NDArray[np.int64]


def draw_images(seed: int, case: Case) -> Images:
    """Draw smooth class templates, move them about, add smooth and white noise, and label a few of them wrongly."""
    rng, n, margin = np.random.default_rng(seed), case.n_train + case.n_valid, 2 * LARGEST_SHIFT
    templates = _smooth(rng, (N_CLASSES, STYLES, SIDE + margin, SIDE + margin))
    moved = np.lib.stride_tricks.sliding_window_view(templates, (SIDE, SIDE), axis=(2, 3))
    fields = _smooth(rng, (N_FIELDS, SIDE, SIDE)).reshape(N_FIELDS, -1) / np.float32(np.sqrt(N_FIELDS))
    label, style = rng.integers(N_CLASSES, size=n), rng.integers(STYLES, size=n)
    down, right = rng.integers(margin + 1, size=(2, n))
    x = moved[label, style, down, right]
    mixed = rng.standard_normal((n, N_FIELDS), dtype=np.float32) @ fields
    x += np.float32(SMOOTH_NOISE) * mixed.reshape(x.shape)
    x += np.float32(WHITE_NOISE) * rng.standard_normal(x.shape, dtype=np.float32)
    y = np.where(rng.random(n) < WRONG_LABELS, rng.integers(N_CLASSES, size=n), label)
    k = case.n_train
    return Images(x_train=x[:k], y_train=y[:k], x_valid=x[k:], y_valid=y[k:])


def _smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return white noise smoothed over the last two axes, of standard deviation 1."""
    width = (0.0,) * (len(shape) - 2) + (SMOOTHNESS, SMOOTHNESS)
    fields = gaussian_filter(rng.standard_normal(shape), sigma=width, mode="wrap")
    scaled: npt.NDArray[np.float32] = (fields / fields.std()).astype(np.float32)
    return scaled


@dataclass(frozen=True)
class Trained:
    """One training: seconds and CPU seconds of all of it and of every epoch, and a hash of the weights that it ended with.

    `problems` and the numbers per epoch are whygap's own, in the arm that has it.
    """

    wall_s: float
    cpu_s: float
    epoch_s: list[float]
    epoch_cpu_s: list[float]
    weights: str
    spent_s: list[float]
    evaluations: list[int]
    problems: list[str]


class Stopwatch:
    """Reads both clocks at the end of every epoch and of the training; it runs only while its training has the turn."""

    def __init__(self) -> None:
        self._ran = (0.0, 0.0)
        self._since: tuple[float, float] | None = None
        self._read = [self._ran]

    def resume(self) -> None:
        """The training's turn begins."""
        self._since = time.perf_counter(), time.process_time()

    def pause(self) -> None:
        """The training's turn is over."""
        self._ran, self._since = self._now(), None

    def is_long(self) -> bool:
        """Return whether the turn has lasted for `TURN_S`."""
        return self._since is not None and time.perf_counter() - self._since[0] > TURN_S

    def read(self) -> None:
        """Note that an epoch, or in the end the training, is over."""
        self._read.append(self._now())

    def _now(self) -> tuple[float, float]:
        if self._since is None:
            return self._ran
        wall, cpu = self._since
        return self._ran[0] + time.perf_counter() - wall, self._ran[1] + time.process_time() - cpu

    def trained(self, weights: str, run: Run | None) -> Trained:
        """Put what was timed beside what whygap's run says of itself."""
        epochs = () if run is None else run.of("loss")
        (began, began_cpu), (ended, ended_cpu) = self._read[0], self._read[-1]
        seconds, cpu_seconds = ([b - a for a, b in pairwise(clock)] for clock in zip(*self._read[:-1], strict=True))
        return Trained(
            wall_s=ended - began,
            cpu_s=ended_cpu - began_cpu,
            epoch_s=seconds,
            epoch_cpu_s=cpu_seconds,
            weights=weights,
            spent_s=[e.spent_s for e in epochs],
            evaluations=[e.evaluations for e in epochs],
            problems=[] if run is None else [p.text for p in run.problems],
        )


Training = Generator[None, None, Trained]
"""A training that gives up its turn from time to time."""


def train_in_turns(trainings: Mapping[Arm, Callable[[Stopwatch], Training]]) -> dict[Arm, Trained]:
    """Run several trainings side by side, each for `TURN_S` or up to the end of an epoch at a time, in an order that rotates.

    What the machine does in these seconds, all of them have alike.
    """
    watches = {arm: Stopwatch() for arm in trainings}
    running = {arm: begin(watches[arm]) for arm, begin in trainings.items()}
    trained: dict[Arm, Trained] = {}
    for turn in count():
        arms = list(running)
        for arm in (*arms[turn % len(arms) :], *arms[: turn % len(arms)]):
            watches[arm].resume()
            try:
                next(running[arm])
            except StopIteration as end:
                trained[arm] = end.value
            watches[arm].pause()
        running = {arm: training for arm, training in running.items() if arm not in trained}
        if not running:
            return trained
    raise AssertionError


@dataclass(frozen=True)
class Width:
    """Half the width of an epoch's generalisation interval, and the half-width that validation noise alone imposes."""

    epoch: int
    value: float | None
    half: float | None
    half_noise: float
    is_reliable: bool

    @property
    def ratio(self) -> float | None:
        return None if self.half is None else self.half / self.half_noise


def width(gap: EpochGap, losses_valid: npt.NDArray[np.floating]) -> Width:
    """Compare the epoch's generalisation interval with the exact per-example validation losses of that moment, shape (n,)."""
    term = gap.term("generalisation")
    losses = np.asarray(losses_valid, dtype=np.float64)
    noise = float(norm.ppf(0.975) * losses.std(ddof=1) / np.sqrt(losses.size))
    if term is None:
        return Width(epoch=gap.epoch, value=None, half=None, half_noise=noise, is_reliable=False)
    e = term.estimate
    return Width(epoch=gap.epoch, value=e.value, half=(e.high - e.low) / 2, half_noise=noise, is_reliable=e.reliable)
