"""The value types that cross rooms: frozen, comparable, and storable as JSON without loss.

A number never travels alone: it is an `Estimate`. A number that isn't there is `None` with a reason beside it, never NaN, so
that every record has a JSON form.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import msgspec

Cause = Literal[
    "penalty", "reduction", "averaging", "mode", "augmentation", "criterion", "weights",
    "memorisation", "shift", "generalisation", "reduction_valid", "penalty_valid",
    "leak", "preprocessing", "small_valid", "metric_state", "eval_mode_bug", "noise",
]  # fmt: skip
How = Literal["exact", "sampled", "inferred", "bounded", "not_measured"]
RungName = Literal[
    "reported", "data", "visited", "end_weights", "eval_mode", "clean_view", "valid_criterion",
    "valid_weights", "fresh", "valid", "valid_reduced", "valid_reported",
    "after_update", "without_dropout", "without_batch_norm",
]  # fmt: skip
OverfittingState = Literal["no", "yes", "cannot_tell"]
ForecastState = Literal["turn", "no_turn", "turned", "cannot_tell"]
Regime = Literal["fresh", "once", "pool", "uneven", "cannot_tell"]
FindingName = Literal["regime", "worker_copies", "replay", "stale_augmentation", "leak", "valid_overlap", "not_expected"]

CAUSES: tuple[Cause, ...] = get_args(Cause)


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the records: immutable, keyword-only, compared by value."""


class Score(Record, frozen=True):
    """What is averaged over examples.

    `name` is the framework's own ("loss", "accuracy"), `unit` its unit or None, `higher_is_better` its direction.
    """

    name: str = "loss"
    unit: str | None = None
    higher_is_better: bool = False


class Estimate(Record, frozen=True):
    """A value in the score's unit with its interval at `level`.

    `se`, `df` (None: normal) and `skew` are the standard error, the degrees of freedom and the skewness of the error behind
    the interval, so that it can be had at any other level. `n` counts the examples evaluated. `why` holds the threshold behind
    `reliable`, or how a value was come by.
    """

    value: float
    low: float
    high: float
    level: float = 0.95
    se: float = 0.0
    df: float | None = None
    skew: float = 0.0
    n: int = 0
    how: How = "exact"
    reliable: bool = True
    why: str = ""

    def __str__(self) -> str:
        """Return the value and its interval with as many decimals as the interval's half-width bears, two figures of it."""
        if self.low == self.high:
            return f"{self.value:+.4g}"
        return f"{self.value:{_form(self.low, self.high)}} {bounds(self.low, self.high)}"


def bounds(low: float, high: float) -> str:
    """Return an interval with as many decimals as its half-width bears, two figures of it."""
    form = _form(low, high)
    return f"[{low:{form}}, {high:{form}}]"


def _form(low: float, high: float) -> str:
    half = abs(high / 2 - low / 2)
    decimals = 1 - math.floor(math.log10(half)) if 0.0 < half < math.inf else -1
    return f"+.{decimals}f" if 0 <= decimals <= 8 else "+.3g"


class Rung(Record, frozen=True):
    """One mean score on the ladder; `estimate.value` is in the score's unit."""

    name: RungName
    estimate: Estimate


class Term(Record, frozen=True):
    """The difference between two neighbouring rungs, later minus earlier: what one cause adds to the gap, with its sign.

    `parts` add up to it. A part has the cause of its term and a `name` of its own: "time lag" and "own update" in averaging,
    "dropout", "batch norm" and "other" in mode.
    """

    cause: Cause
    estimate: Estimate
    name: str = ""
    parts: tuple[Term, ...] = ()

    @property
    def value(self) -> float:
        return self.estimate.value


class NotMeasured(Record, frozen=True):
    """A cause that could not be measured, and the reason."""

    cause: Cause
    why: str


class Finding(Record, frozen=True):
    """One thing that was found out about what was presented: a plain line, and what to do; `is_problem` where it harms."""

    name: FindingName
    sentence: str
    advice: str = ""
    is_problem: bool = False


class Repetition(Record, frozen=True):
    """How often the training examples were presented, told from their contents.

    `looked_at` of the `presentations` in `epochs` epochs were compared. Shares of these that showed an example again, be it
    within one epoch by the same worker, by another worker, or in another epoch: `within`, `across_workers`, `across_epochs`.
    `distinct`, `per_example` (presentations of one), `once` (the share of examples presented exactly once) and `times` (pairs
    of a number of presentations and the share of examples that have it) are None or empty where only a part was looked at.

    `pool` estimates the number of examples behind those presented; where none came again it has no end, and `at_least` is what
    it exceeds. `valid` is the share of the `n_valid` validation examples that are training examples too, and `valid_by_chance`
    what would be expected of two draws from the same source.
    """

    presentations: int
    looked_at: int
    epochs: int
    regime: Regime
    within: float
    across_workers: float
    across_epochs: float
    is_same_order: bool = False
    distinct: Estimate | None = None
    per_example: Estimate | None = None
    once: Estimate | None = None
    times: tuple[tuple[int, float], ...] = ()
    pool: Estimate | None = None
    at_least: float | None = None
    n_valid: int = 0
    valid: Estimate | None = None
    valid_by_chance: float | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that harm, or contradict what was expected."""
        return tuple(f for f in self.findings if f.is_problem)

    def finding(self, name: FindingName) -> Finding | None:
        """Return the finding of that name, or None."""
        return next((f for f in self.findings if f.name == name), None)

    def __str__(self) -> str:
        return "\n".join(f"{'!' if f.is_problem else '-'} {f.sentence} {f.advice}".rstrip() for f in self.findings)


class EpochGap(Record, frozen=True):
    """One epoch of one score: the reported gap, `valid - train`, as a sum of terms.

    `sum(term.value for term in terms) + unattributed == gap.value` to floating-point accuracy. The interval of `gap` is what
    another validation set of the same size would give. `gap` is None where a reported score is missing or not finite; `notes`
    then say why. `draw_train` is the standard error that the mean training score has for the draw of the training set: no part
    of the terms, which are for these very examples, but of what they say of others. `spent_s` is the time in seconds that
    whygap itself took for this epoch and `evaluations` the number of examples that it scored; both are of the epoch as a whole,
    the same for each of its scores. So is `repetition`: how often the training examples were presented up to here, None where
    that wasn't looked at, or not judged after this epoch.
    """

    epoch: int
    score: Score
    train_reported: float | None
    valid_reported: float | None
    gap: Estimate | None
    terms: tuple[Term, ...] = ()
    unattributed: float = 0.0
    rungs: tuple[Rung, ...] = ()
    not_measured: tuple[NotMeasured, ...] = ()
    notes: tuple[str, ...] = ()
    draw_train: float | None = None
    spent_s: float = 0.0
    evaluations: int = 0
    repetition: Repetition | None = None

    def term(self, cause: Cause) -> Term | None:
        """Return the term of `cause`, or None where it doesn't apply or wasn't measured."""
        return next((t for t in self.terms if t.cause == cause), None)

    def rung(self, name: RungName) -> Estimate | None:
        """Return the mean score on the rung `name`, or None where the ladder lacks it."""
        return next((r.estimate for r in self.rungs if r.name == name), None)

    def __str__(self) -> str:
        head = f"epoch {self.epoch}  {self.score.name}"
        if self.gap is None:
            return f"{head}  no gap: {'; '.join(self.notes) or 'a reported score is missing'}"
        parts = [f"{t.cause} {t.estimate}" for t in self.terms]
        if abs(self.unattributed) > 1e-9 * max(1e-300, abs(self.gap.value)):
            parts.append(f"unattributed {self.unattributed:+.4g}")
        return f"{head}  gap {self.gap.value:+.4g} = " + ("; ".join(parts) or "nothing measured")


class Problem(Record, frozen=True):
    """A failure inside whygap that the run survived: where it happened, in one line, and in which epoch (None: outside one)."""

    epoch: int | None
    text: str


class Run(Record, frozen=True):
    """A training run as far as it has got. `epochs` holds one `EpochGap` per epoch and score, in that order."""

    id: str
    source: str
    started: str
    epochs: tuple[EpochGap, ...] = ()
    problems: tuple[Problem, ...] = ()
    versions: dict[str, str] = {}
    seeds: dict[str, int] = {}
    finished: bool = False

    @property
    def scores(self) -> tuple[Score, ...]:
        return tuple(dict.fromkeys(e.score for e in self.epochs))

    def of(self, score: str | None = None) -> tuple[EpochGap, ...]:
        """Return the epochs of one score by name, by default of the first one recorded (the loss)."""
        if not self.epochs:
            return ()
        name = self.epochs[0].score.name if score is None else score
        return tuple(e for e in self.epochs if e.score.name == name)


class Look(Record, frozen=True):
    """One epoch's look at how much better the training examples score than unseen ones.

    `estimate` is the term `cause`, with its interval for this epoch alone. `low` and `high` bound it at the level that pays for
    looking after every epoch, and for the draw of the training set, whose examples may be the easier ones by luck: all such
    intervals of a run hold together with the probability `estimate.level` or more. `overfits` says whether this look shows
    overfitting: unseen examples score worse, by more than chance gives in any look and by more than a single visit may leave
    behind.
    """

    epoch: int
    cause: Cause
    estimate: Estimate
    low: float
    high: float
    overfits: bool = False


class Overfitting(Record, frozen=True):
    """Whether the run overfits, since which epoch, and the evidence: the answer in words, a colon, the numbers behind it."""

    state: OverfittingState
    since_epoch: int | None
    evidence: str
    looks: tuple[Look, ...] = ()


class Forecast(Record, frozen=True):
    """When validation will turn, that is, be at its best, foretold from the epochs seen so far.

    With the state "turn", `epoch` is the forecast and `low` to `high` its interval at `level`; with "turned", `epoch` is the
    best one so far, and nothing is foretold. `evidence` is the answer in words, a colon, the numbers behind it.
    """

    state: ForecastState
    evidence: str
    epoch: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = 0.9


class Stretch(Record, frozen=True):
    """Consecutive epochs, `first` to `last`, whose gap has one sign and one leading part; in means over them.

    `averaging` and `rest` sum to `gap`, in the score's unit; both are None where nothing bounds averaging. `leading` says which
    of the two is larger, or that it can't be told.
    """

    first: int
    last: int
    gap: float
    leading: Literal["averaging", "rest", "cannot_tell"]
    averaging: Estimate | None = None
    rest: Estimate | None = None


class RankedCause(Record, frozen=True):
    """A cause of the gap: `share` of the summed size of all terms over all epochs, a sentence, and what to do about it."""

    cause: Cause
    share: float
    sentence: str
    advice: str


class Verdict(Record, frozen=True):
    """The answer to "why do the two scores differ", for one score of one run.

    `stretches` take a run that is known from its log alone in ranges of epochs, and `to_know` are the lines of code that would
    tell what the log can't. `forecast` says when validation will turn if training goes on as it did.
    """

    score: Score
    headline: str
    overfitting: Overfitting
    causes: tuple[RankedCause, ...] = ()
    cannot_tell: tuple[NotMeasured, ...] = ()
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    to_know: str = ""
    forecast: Forecast | None = None

    @property
    def outlook(self) -> str:
        """The forecast in words; empty where validation has turned, where it can't be told, and "no turn" of what overfits."""
        if self.forecast is None or self.forecast.state not in ("turn", "no_turn"):
            return ""
        is_doubtful = self.forecast.state == "no_turn" and self.overfitting.state == "yes"
        return "" if is_doubtful else self.forecast.evidence

    def __str__(self) -> str:
        lines = [self.headline, self.overfitting.evidence]
        lines.append(self.outlook)
        lines += [f"- {c.sentence} {c.advice}".rstrip() for c in self.causes]
        lines += [f"- {m.cause}: cannot be told: {m.why}" for m in self.cannot_tell]
        lines += [f"! {w}" for w in self.warnings]
        lines += [f"({r})" for r in self.remarks]
        return "\n".join(line for line in lines if line)


def is_finite(value: float | None) -> bool:
    """Return whether `value` is a number that a record may hold."""
    return value is not None and math.isfinite(value)
