"""What one training of the probe gave: its curves, the gap after each look, and how it differs from another one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from whygap.estimate import Moments, add_moments, error_of_draw, estimate_from
from whygap.probe.training import Array, Scored, Setting
from whygap.records import EpochGap, Estimate, Overfitting, Score, Term
from whygap.trials import Curve, Trial
from whygap.trials import Setting as Value
from whygap.verdict.overfitting import judge_overfitting

LOSS, ERROR = Score(name="loss"), Score(name="error")


class Look(NamedTuple):
    """Scores after some epochs: as reported in training, and per example of training and validation at these weights."""

    epoch: int
    reported: float
    train: Scored
    valid: Scored


@dataclass
class Result:
    """A training that is under way or done.

    `n` examples were trained on; `looks` hold the scores. `constant` scores the best prediction that doesn't look at x.
    `unseen` are scores at the end of training examples that were left out, where some were.
    `reached_end` is False where the time was up before, or somebody stopped it; `diverged` says that the loss became no number.
    """

    setting: Setting
    n: int
    n_parameters: int
    batch_size: int
    looks: list[Look] = field(default_factory=list)
    constant: Scored | None = None
    seconds: float = 0.0
    epoch_seconds: list[float] = field(default_factory=list)
    unseen: Scored | None = None
    reached_end: bool = False
    diverged: bool = False

    @property
    def epochs(self) -> int:
        """Epochs that were trained, of as many steps each as one of the training as given."""
        return self.looks[-1].epoch if self.looks else 0

    @property
    def gap(self) -> Estimate:
        """How much worse validation examples score at the end, in loss, with its interval for other draws of either set."""
        return gap_of(self.looks[-1])

    def overfitting(self, *, until: int | None = None) -> Overfitting:
        """Judge the looks, as in a metered run: the interval pays for looking again and again."""
        looks = [look for look in self.looks if until is None or look.epoch <= until]
        return judge_overfitting([_epoch_gap(look) for look in looks])

    def losses(self) -> tuple[Array, Array, Array]:
        """Return the epochs of the looks, and the mean losses of training and validation examples after them."""
        rows = [(look.epoch, look.train.loss.mean(), look.valid.loss.mean()) for look in self.looks]
        epoch, train, valid = np.array(rows, dtype=np.float64).reshape(-1, 3).T
        return epoch, train, valid

    def trial(self, key: str) -> Trial:
        """Return it as a record."""
        s = self.setting
        settings: dict[str, Value] = {"training": s.name, "n": self.n, "epochs": self.epochs, "batch_size": self.batch_size}
        if s.is_random:
            settings["labels"] = "random"
        if s.source != "given":
            settings["regime"] = "fresh" if s.source == "fresh" else "once"
        if s.off:
            settings["without"] = ", ".join(s.off)
        if s.width is not None:
            settings["model.width"] = s.width
        return Trial(
            key=key,
            settings=settings,
            seeds={"init": s.seed},
            n_parameters=self.n_parameters,
            epoch=tuple(look.epoch for look in self.looks),
            curves=tuple(c for c in (self._curve(LOSS), self._curve(ERROR)) if c is not None),
            seconds=self.seconds,
        )

    def _curve(self, score: Score) -> Curve | None:
        pairs = [(_of(look.train, score), _of(look.valid, score)) for look in self.looks]
        known = [(t, v) for t, v in pairs if t is not None and v is not None]
        if len(known) < len(pairs):
            return None
        return Curve(
            score=score,
            reported=tuple(look.reported for look in self.looks) if score is LOSS else (),
            train=tuple(float(t.mean()) for t, _ in known),
            valid=tuple(float(v.mean()) for _, v in known),
            valid_se=tuple(math.sqrt(error_of_draw(v).variance) for _, v in known),
        )


def _of(scored: Scored, score: Score) -> Array | None:
    return scored.loss if score is LOSS else scored.error


def gap_of(look: Look, *, level: float = 0.95) -> Estimate:
    """Return validation - training loss at the same weights, with the error of the draws of both sets."""
    moments = add_moments((error_of_draw(look.valid.loss), -error_of_draw(look.train.loss)))
    value = float(look.valid.loss.mean() - look.train.loss.mean())
    return estimate_from(value, moments, level=level, n=look.valid.loss.size + look.train.loss.size)


def difference(other: Result, given: Result, *, level: float = 0.95) -> Estimate:
    """Return by how much the gap of one training exceeds that of another at the end of each.

    The same validation examples are scored in both, so that of them the difference counts; the training examples count as
    drawn apart.
    """
    a, b = other.looks[-1], given.looks[-1]
    changed = a.valid.loss - b.valid.loss
    moments = add_moments((error_of_draw(changed), -error_of_draw(a.train.loss), error_of_draw(b.train.loss)))
    value = float(changed.mean() - a.train.loss.mean() + b.train.loss.mean())
    return estimate_from(value, moments, level=level, n=changed.size)


def shift_of(result: Result, *, level: float = 0.95) -> Estimate | None:
    """Return how much worse validation examples score than training examples that were left out; None where there are none.

    Neither was trained on: what differs is the examples, harder or easier ones.
    """
    if result.unseen is None or not result.looks:
        return None
    valid = result.looks[-1].valid.loss
    moments = add_moments((error_of_draw(valid), -error_of_draw(result.unseen.loss)))
    value = float(valid.mean() - result.unseen.loss.mean())
    return estimate_from(value, moments, level=level, n=valid.size + result.unseen.loss.size)


def share_learnt(scored: Scored, constant: Scored, *, level: float = 0.95) -> Estimate:
    """Return the share of the training scores' distance to perfection that was learnt, for random labels: the share memorised.

    1 - sum(score) / sum(score of the best constant): of classes in errors, else in losses, where 0 must be the best loss. The
    interval is for other draws of examples; where no error is left, for so many as chance may have kept away.

    Examples
    --------
    >>> wrong, by_constant = np.repeat([1.0, 0.0], [10, 90]), np.repeat([1.0, 0.0], [50, 50])
    >>> round(share_learnt(Scored(wrong, wrong), Scored(wrong, by_constant)).value, 3)
    0.8
    """
    in_errors = scored.error is not None and constant.error is not None
    a, b = (scored.error, constant.error) if in_errors else (scored.loss, constant.loss)
    assert a is not None
    assert b is not None
    base = float(b.mean())
    if not base > 0.0:
        return Estimate(value=0.0, low=0.0, high=1.0, reliable=False, why="a constant is as good as can be")
    left = float(a.mean()) / base
    rest = a - left * (b if b.size == a.size else b.mean())
    variance = error_of_draw(rest).variance / base**2
    if in_errors and not a.any():
        variance = (1.5 / a.size / base) ** 2  # none of n leaves room for 3 / n, two standard errors
    return estimate_from(1.0 - left, Moments(variance), level=level, n=a.size)


def _epoch_gap(look: Look) -> EpochGap:
    """Return a look as a metered run would record it: all training examples count, and their draw is paid for apart."""
    value = float(look.valid.loss.mean() - look.train.loss.mean())
    term = estimate_from(value, error_of_draw(look.valid.loss), n=look.valid.loss.size)
    return EpochGap(
        epoch=look.epoch,
        score=LOSS,
        train_reported=look.reported,
        valid_reported=float(look.valid.loss.mean()),
        gap=None,
        terms=(Term(cause="generalisation", estimate=term),),
        draw_train=math.sqrt(error_of_draw(look.train.loss).variance),
    )
