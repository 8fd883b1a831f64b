"""Trainings whose every rung is known exactly: the cases of coverage.py.

Each case trains one small network with several meters on it, which can't see one another, and scores every example of the epoch
on every rung itself, in plain PyTorch, on copies of the network. What a meter estimates from a sample is held against that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from whygap.adapters.torch import Meter
from whygap.records import EpochGap

F = torch.nn.functional

MASKS = 24
"""Evaluations in train mode, with masks drawn anew, behind each exact mean."""

POOL = 40_000
"""Unseen examples behind each exact mean over what the validation and the fresh sets were drawn from."""


@dataclass(frozen=True)
class Regime:
    """What is trained: `is_plain` leaves out everything but the network and its loss."""

    name: str
    lr: float
    n: int = 4050  # the last batch is half as long as the others
    batch: int = 100
    epochs: int = 16
    hidden: int = 100
    is_plain: bool = False
    is_heavy: bool = False
    n_valid: int = 1000
    budget: int = 512
    delta: float = 1.0  # where Huber's loss, which heavy tails are trained by, turns from square to line


SMOOTH = Regime("smooth", 1e-3)
MEMORISING = Regime("memorising", 1e-2)
HEAVY = Regime("heavy-tailed", 2e-3, is_heavy=True)
RARE = replace(HEAVY, name="heavy-tailed, rare", delta=3.0)
"""Heavy tails where the criterion is another one for but a few examples in a hundred."""


def draw_signals(n: int, rng: np.random.Generator, noise: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Return n signals (n, 40) of ten classes and the classes: random shapes, shifted, scaled, sheared, in smooth noise.

    In the manner of MNIST-1D, Greydanus and Kobak, ICML 2024, with shapes of our own.
    """
    shapes = np.random.default_rng(0).normal(size=(10, 12))
    y = rng.integers(0, 10, n)
    at = np.linspace(0, 11, 36)
    left = np.minimum(at.astype(int), 10)
    signal = shapes[y][:, left] * (1 - at + left) + shapes[y][:, left + 1] * (at - left)
    signal = signal * (1 + 0.4 * rng.normal(size=(n, 1))) + 0.75 * rng.normal(size=(n, 1)) * np.linspace(-0.5, 0.5, 36)
    x = np.zeros((n, 60))
    x[np.arange(n)[:, None], rng.integers(0, 24, n)[:, None] + np.arange(36)] = signal
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / 2.0) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    rough = rng.normal(size=(n, 60))
    x += noise * sum(k * np.roll(rough, j - 4, axis=1) for j, k in enumerate(kernel))
    return (x[:, 10:50] / 0.7).astype(np.float32), y


def draw(regime: Regime, n: int, rng: np.random.Generator, noise: float = 0.25) -> tuple[torch.Tensor, torch.Tensor]:
    """Return n examples of the process: classes, or for heavy tails a number with Student noise of 6 degrees of freedom.

    The squared error then has no third moment.
    """
    x, y = draw_signals(n, rng, noise)
    if not regime.is_heavy:
        return torch.from_numpy(x), torch.from_numpy(y)
    target = np.sin(x[:, 5] + x[:, 20]) + x[:, 30] + 0.7 * rng.standard_t(6, n) * (1.0 if noise == 0.25 else 1.1)
    return torch.from_numpy(x), torch.from_numpy(target[:, None].astype(np.float32))


def build(regime: Regime) -> torch.nn.Module:
    """Return the network: with batch norm and dropout unless the regime is plain."""
    h, c = regime.hidden, 1 if regime.is_heavy else 10
    layers: list[torch.nn.Module] = []
    for a, b in ((40, h), (h, h)):
        layers += [torch.nn.Linear(a, b)]
        layers += [] if regime.is_plain else [torch.nn.BatchNorm1d(b)]
        layers += [torch.nn.ReLU()]
        layers += [] if regime.is_plain else [torch.nn.Dropout(0.1)]
    return torch.nn.Sequential(*layers, torch.nn.Linear(h, c))


Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def losses_of(regime: Regime) -> tuple[Loss, Loss]:
    """Return the per-example losses of training and of validation."""
    if regime.is_heavy:

        def squared(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return ((z - y) ** 2).flatten()

        def huber(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return F.huber_loss(z, y, delta=regime.delta, reduction="none").flatten() * 2.0

        return (squared, squared) if regime.is_plain else (huber, squared)

    def plain(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(z, y, reduction="none")

    def smoothed(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(z, y, reduction="none", label_smoothing=0.05)

    return (plain, plain) if regime.is_plain else (smoothed, plain)


@dataclass
class Batches:
    """A loader over tensors; `augment` adds noise, and a batch is (x, y, index)."""

    x: torch.Tensor
    y: torch.Tensor
    size: int
    augment: float = 0.0
    generator: torch.Generator | None = None

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        n = len(self.x)
        order = torch.arange(n) if self.generator is None else torch.randperm(n, generator=self.generator)
        for index in order.split(self.size):
            x = self.x[index]
            if self.augment:
                x = x + self.augment * torch.randn(x.shape, generator=self.generator)
            yield x, self.y[index], index


@dataclass
class Redrawn:
    """A loader that holds other examples of a pool each time it is walked: every epoch tells of another validation set."""

    pool: tuple[torch.Tensor, torch.Tensor]
    n: int
    rng: np.random.Generator

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        index = torch.from_numpy(self.rng.choice(len(self.pool[0]), self.n, replace=False))
        for part in index.split(500):
            yield self.pool[0][part], self.pool[1][part], part


@dataclass
class Exact:
    """One epoch's terms as they are, and what a plain subsample of the training set would make of the end-of-epoch loss."""

    terms: dict[str, float]
    widths: dict[str, float] = field(default_factory=dict)  # of a plain subsample's Student interval, same number of examples
    train_loss: float = 0.0
    train_sd: float = 0.0
    valid_sd: float = 0.0
    left: float = 1.0  # share of the variance of all end-of-epoch losses that their regression on the visits' leaves


@dataclass
class Epoch:
    """One epoch of one training: the exact terms and every meter's gap."""

    exact: Exact
    gaps: list[EpochGap]


def train(regime: Regime, seed: int, meters: int) -> list[Epoch]:
    """Train once with several meters on it and return every epoch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x, y = draw(regime, regime.n, rng)
    pool_fresh, pool_valid = draw(regime, POOL, rng), draw(regime, POOL, rng, noise=0.3)
    loss, criterion = losses_of(regime)
    model = build(regime)
    optimiser = torch.optim.Adam(model.parameters(), lr=regime.lr)
    average = None
    if not regime.is_plain:
        average = torch.optim.swa_utils.AveragedModel(
            model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.98), use_buffers=True
        )
    loader = Batches(x, y, regime.batch, 0.0 if regime.is_plain else 0.2, torch.Generator().manual_seed(seed))

    def forward(network: Any, batch: Any) -> Any:
        return network(batch[0]), batch[1]

    def cleaned(batch: Any) -> Any:
        return x[batch[2]], batch[1], batch[2]

    def meter_of(k: int) -> Meter:
        own = np.random.default_rng([seed, k])
        sides = {}
        for side, pool in (("valid", pool_valid), ("fresh", pool_fresh)):
            sides[side] = Redrawn(pool, regime.n_valid, own)
        more: dict[str, Any] = {} if regime.is_plain else {"clean": cleaned, "criterion": criterion, "weights": average}
        return Meter(model, loss, forward=forward, budget=regime.budget, store=False, seed=1000 * seed + k, **sides, **more)

    watching = [meter_of(k) for k in range(meters)]
    epochs, twin = [], Twin(regime)
    for _ in range(regime.epochs):
        model.train()
        batches: Any = loader
        for meter in watching:
            batches = meter.train(batches)
        visits: list[tuple[Any, torch.Tensor]] = []
        after: list[torch.Tensor] = []
        recorded, penalties = [], []
        for batch in batches:
            each = loss(model(batch[0]), batch[1])
            penalty = torch.zeros(()) if regime.is_plain else 1e-4 * sum((p**2).sum() for p in model.parameters())
            total = each.mean() + penalty
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            if average is not None:
                average.update_parameters(model)
            for meter in watching:
                meter.record(total, penalty=penalty)
            visits.append((batch, each.detach()))
            recorded.append(float(total.detach()))
            penalties.append(float(penalty.detach()))
            after.append(twin.train_mode(model, batch, loss, 2))
        gaps = [meter.end_epoch() for meter in watching]
        exact = _exact(regime, twin, model, average, visits, after, recorded, penalties, pool_fresh, pool_valid, cleaned)
        epochs.append(Epoch(exact, gaps))
    return epochs


class Twin:
    """A copy of a network, to score with whatever leaves traces."""

    def __init__(self, regime: Regime) -> None:
        with torch.random.fork_rng(devices=[]):
            self._network = build(regime)

    def train_mode(
        self, model: torch.nn.Module, batch: Any, loss: Loss, repeats: int, off: tuple[type, ...] = ()
    ) -> torch.Tensor:
        """Return the mean over masks of a batch's losses in train mode, layers of the kinds `off` in eval mode."""
        self._network.load_state_dict(model.state_dict())
        self._network.train()
        for module in self._network.modules():
            if isinstance(module, off):
                module.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.seed()
            return torch.stack([loss(self._network(batch[0]), batch[1]) for _ in range(repeats)]).mean(dim=0)

    def eval_mode(self, model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, loss: Loss) -> torch.Tensor:
        """Return the losses of examples in eval mode."""
        self._network.load_state_dict(model.state_dict())
        self._network.eval()
        with torch.no_grad():
            return loss(self._network(x), y)


def _exact(
    regime: Regime,
    twin: Twin,
    model: torch.nn.Module,
    average: torch.optim.swa_utils.AveragedModel | None,
    visits: list[tuple[Any, torch.Tensor]],
    after: list[torch.Tensor],
    recorded: list[float],
    penalties: list[float],
    pool_fresh: tuple[torch.Tensor, torch.Tensor],
    pool_valid: tuple[torch.Tensor, torch.Tensor],
    cleaned: Callable[[Any], Any],
) -> Exact:
    """Score everything and subtract neighbouring rungs."""
    loss, criterion = losses_of(regime)
    masks = 1 if regime.is_plain else MASKS
    deciding = model if average is None else average.module

    def joined(scores: list[torch.Tensor]) -> np.ndarray:
        return torch.cat(scores).numpy().astype(np.float64)

    visited = joined([s for _, s in visits])
    own = joined(after)
    everyone = [b for b, _ in visits]
    dropout, norm = torch.nn.Dropout, torch.nn.BatchNorm1d
    end = joined([twin.train_mode(model, b, loss, masks) for b in everyone])
    evaluated = joined([twin.eval_mode(model, b[0], b[1], loss) for b in everyone])
    terms = {
        "averaging": end.mean() - visited.mean(),
        "averaging: own update": own.mean() - visited.mean(),
        "averaging: time lag": end.mean() - own.mean(),
    }
    changes = {"averaging": end}
    masked = end if regime.is_plain else joined([twin.train_mode(model, b, loss, 2) for b in everyone])  # as a meter has it
    last = evaluated
    if not regime.is_plain:
        undropped = joined([twin.train_mode(model, b, loss, 1, (dropout,)) for b in everyone])
        unnormed = joined([twin.train_mode(model, b, loss, 1, (dropout, norm)) for b in everyone])
        clean = joined([twin.eval_mode(model, cleaned(b)[0], b[1], loss) for b in everyone])
        judged = joined([twin.eval_mode(model, cleaned(b)[0], b[1], criterion) for b in everyone])
        last = joined([twin.eval_mode(deciding, cleaned(b)[0], b[1], criterion) for b in everyone])
        terms |= {
            "penalty": -float(np.mean(penalties)),
            "reduction": visited.mean() - (float(np.mean(recorded)) - float(np.mean(penalties))),
            "mode": evaluated.mean() - end.mean(),
            "mode: dropout": undropped.mean() - end.mean(),
            "mode: batch norm": unnormed.mean() - undropped.mean(),
            "augmentation": clean.mean() - evaluated.mean(),
            "criterion": judged.mean() - clean.mean(),
            "weights": last.mean() - judged.mean(),
        }
        changes |= {
            "mode": evaluated - masked,
            "mode: dropout": undropped - masked,
            "mode: batch norm": unnormed - undropped,
            "augmentation": clean - evaluated,
            "criterion": judged - clean,
            "weights": last - judged,
        }
    position = np.repeat(np.linspace(0.0, 1.0, len(visits)), [len(s) for _, s in visits])
    known = np.stack([np.ones_like(position), visited, position], axis=1)
    unexplained = evaluated - known @ np.linalg.lstsq(known, evaluated, rcond=None)[0]
    fresh = twin.eval_mode(deciding, *pool_fresh, criterion).numpy().astype(np.float64)
    valid = twin.eval_mode(deciding, *pool_valid, criterion).numpy().astype(np.float64)
    terms["memorisation"] = fresh.mean() - last.mean()
    terms["shift"] = valid.mean() - fresh.mean()
    n, m = regime.budget, regime.n_valid
    half = {k: 1.96 * z.std(ddof=1) / math.sqrt(n) * math.sqrt(1 - n / z.size) for k, z in changes.items()}
    half["memorisation"] = 1.96 * math.sqrt(fresh.var() / m + last.var() / n * (1 - n / last.size))
    half["shift"] = 1.96 * math.sqrt(fresh.var() / m + valid.var() / m)
    return Exact(
        terms={k: float(v) for k, v in terms.items()},
        widths={k: 2 * float(v) for k, v in half.items()},
        train_loss=float(evaluated.mean()),
        train_sd=float(evaluated.std(ddof=1)),
        valid_sd=float(valid.std(ddof=1)),
        left=float(unexplained.var() / evaluated.var()),
    )
