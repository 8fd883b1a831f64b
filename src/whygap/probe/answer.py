"""What the probe answers: whether somebody's own training overfits, why or why not, and all the trainings behind it."""

from __future__ import annotations

from typing import Literal

import msgspec

from whygap.records import Estimate, Forecast, Overfitting, OverfittingState, Record, Repetition
from whygap.trials import Trial

ReasonName = Literal[
    "never repeated", "dropout", "weight decay", "epochs", "capacity", "examples", "width", "fresh", "turned"
]  # fmt: skip


class Reason(Record, frozen=True):
    """One possible reason for what was found: whether it is one, in words with the numbers behind them.

    `because` completes "it does (not) overfit because". `effect` is by how much the gap, validation - training loss, differs
    where the reason is taken away; by it reasons are ranked.
    """

    name: ReasonName
    state: OverfittingState
    because: str
    sentence: str
    effect: Estimate | None = None


class LeftOut(Record, frozen=True):
    """A training that was not made, or cut short, and why."""

    what: str
    why: str


class ProbeAnswer(Record, frozen=True):
    """Whether a training overfits as it is given, why or why not, and the trainings that say so.

    `reasons` have those that are one first, ranked by their effect. `trials` has the training as given first, and what it was
    taken further to. `n` are its training examples, `epochs` those of the training as given. `memorised` is the share of
    random labels that it learnt of all `n`.
    """

    case: str
    framework: str
    headline: str
    overfitting: Overfitting
    n: int
    n_parameters: int
    epochs: int
    gap: Estimate
    reasons: tuple[Reason, ...] = ()
    notes: tuple[str, ...] = ()
    memorised: Estimate | None = None
    repetition: Repetition | None = None
    forecast: Forecast | None = None
    left_out: tuple[LeftOut, ...] = ()
    trials: tuple[Trial, ...] = ()
    gaps: dict[str, Estimate] = msgspec.field(default_factory=dict)
    seconds: float = 0.0
    spent_s: float = 0.0
    is_interrupted: bool = False

    def reason(self, name: ReasonName) -> Reason | None:
        """Return the reason of that name, or None where it wasn't looked into."""
        return next((r for r in self.reasons if r.name == name), None)
