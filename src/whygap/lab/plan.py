"""What is trained: a process, a regime, a model, an optimiser and how often the scores are looked at. And which seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whygap.errors import InputError
from whygap.lab.criterion import Classification, Criterion, Regression
from whygap.lab.models import Model
from whygap.process import Fresh, Process, Regime
from whygap.process.regimes import check_count
from whygap.process.stream import check_supply

MOST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Seeds:
    """Of one run; each may be redrawn while the others stay.

    Parameters
    ----------
    train : int
        Of the training set, or of the stream in the fresh regime, of the order of its batches, and of the fresh examples.
    valid : int
        Of the validation sets.
    init : int
        Of the initial weights.

    Raises
    ------
    InputError
        If one isn't an integer from 0 to 2^32 - 1.
    """

    train: int = 0
    valid: int = 0
    init: int = 0

    def __post_init__(self) -> None:
        for name in ("train", "valid", "init"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_SEED:
                raise InputError(f"seed {name!r} must be an integer from 0 to {MOST_SEED}, not {value!r}")

    @classmethod
    def all(cls, seed: int) -> Seeds:
        """Return seeds that are all one: the splits differ, so that no example is shared."""
        return cls(seed, seed, seed)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A training run but for its seeds. Runs of one plan share one compiled program.

    Parameters
    ----------
    process : Process
        What the examples are.
    regime : Once, Fresh or Pool
        Where the examples of an epoch come from; its `n` are those of an epoch.
    model : Model
        A pair `(init, apply)`: one of `whygap.lab`, or your own.
    optimiser : optax.GradientTransformation
        Such as `optax.adam(1e-3)`.
    epochs : int
        Passes over n examples.
    batch_size : int
        The last batch of an epoch may be smaller.
    every : int
        The scores are recorded after every so many epochs; it divides `epochs`.
    n_valid : int
        Examples of a validation set.
    valid_sets : int
        How many validation sets are scored, all independent.
    n_fresh : int
        Examples of the training process that are never trained on, drawn once for the run. 0 for none, as on a finite process.
    shuffle : bool
        Whether each epoch has an order of its own.

    Raises
    ------
    InputError
        If a number is out of its range, or a finite process has fewer examples than are asked for.
    """

    process: Process
    regime: Regime
    model: Model
    optimiser: Any
    epochs: int
    batch_size: int = 100
    every: int = 1
    n_valid: int = 1000
    valid_sets: int = 1
    n_fresh: int = 1000
    shuffle: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "every", "n_valid", "valid_sets"):
            check_count(name, getattr(self, name))
        if self.epochs % self.every:
            raise InputError(f"every must divide epochs: {self.epochs} epochs can't be looked at every {self.every}")
        if self.n_fresh:
            check_count("n_fresh", self.n_fresh)
        check_supply(self.process, self.regime, "train")
        size = self.process.size_of("valid")
        if size is not None and self.n_valid * self.valid_sets > size:
            raise InputError(
                f"{type(self.process).__name__} has {size} validation examples, not {self.valid_sets * self.n_valid}"
            )
        if size is not None and self.n_fresh:
            raise InputError(f"{type(self.process).__name__} is finite: no example is left to be fresh, so n_fresh must be 0")

    @property
    def n(self) -> int:
        """Examples of an epoch."""
        return self.regime.n

    @property
    def looks(self) -> int:
        """How many times the scores are recorded."""
        return self.epochs // self.every

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, a smaller last one included."""
        return -(-self.n // self.batch_size)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    @property
    def is_stream(self) -> bool:
        """Whether examples are drawn as they are trained on, and none is kept."""
        return isinstance(self.regime, Fresh)

    @property
    def criterion(self) -> Criterion:
        """Cross-entropy where the process has classes, or else the squared error."""
        return Regression() if self.process.classes is None else Classification()
