"""The value types of experiments: what a training run on a process was set to, what it scored, and what many of them answer.

They cross from the lab and the probe to the store, the answers and the report, as the records of a metered run do.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from whygap.records import Estimate, Record, Score

Setting = str | int | float | bool
Question = Literal["edge", "worlds", "epochs", "capacity", "redraws"]
AnswerState = Literal["holds", "holds_when", "does_not_hold", "cannot_tell"]


class Curve(Record, frozen=True):
    """One score of one run after each look, r of them.

    `reported` is the training score as a framework reports it, `train` that of the same examples at the weights of the epoch's
    end, `valid` that of validation examples and `fresh` that of unseen examples of the training process, empty where there are
    none; each of length r. `valid_se` and `fresh_se` are the standard errors of these means over the examples. `valid_sets`
    holds the means of each validation set where there are several, the first of which is `valid`.
    """

    score: Score
    reported: tuple[float, ...]
    train: tuple[float, ...]
    valid: tuple[float, ...]
    valid_se: tuple[float, ...]
    fresh: tuple[float, ...] = ()
    fresh_se: tuple[float, ...] = ()
    valid_sets: tuple[tuple[float, ...], ...] = ()


class Trial(Record, frozen=True):
    """One finished training run.

    `settings` are all that makes it what it is but its seeds, by the names of a spec; `seeds` are those of the training set,
    the validation set and the initial weights ("train", "valid", "init"). `key` names settings and seeds together: two trials
    with one key are the same run. `epoch` (r,) are the epochs trained before each look. `curves` has the loss first.
    """

    key: str
    settings: dict[str, Setting]
    seeds: dict[str, int]
    n_parameters: int
    epoch: tuple[int, ...]
    curves: tuple[Curve, ...]
    seconds: float = 0.0

    def curve(self, score: str | None = None) -> Curve | None:
        """Return the curve of a score by name, by default of the loss, or None."""
        if score is None:
            return self.curves[0]
        return next((c for c in self.curves if c.score.name == score), None)


class Experiment(Record, frozen=True):
    """A grid of runs: the `spec` (TOML) that it was made from, the runs that are finished, and how many there will be.

    `asks` are the questions that it was made for. `mark` is the case to be marked on the pictures, such as
    {"n_parameters": 5000, "n": 3000}. `claim` is the claim of the project that it tests, such as "C5", or empty.
    """

    id: str
    title: str
    spec: str
    wanted: int
    asks: tuple[Question, ...] = ()
    trials: tuple[Trial, ...] = ()
    mark: dict[str, Setting] = msgspec.field(default_factory=dict)
    claim: str = ""
    started: str = ""
    versions: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether every run is there."""
        return len(self.trials) >= self.wanted


class Answer(Record, frozen=True):
    """What an experiment says to one question: whether it holds, a sentence, and the numbers behind it by name."""

    question: Question
    state: AnswerState
    sentence: str
    claim: str = ""
    numbers: dict[str, Estimate] = msgspec.field(default_factory=dict)
    caveats: tuple[str, ...] = ()
