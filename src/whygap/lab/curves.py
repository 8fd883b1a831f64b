"""What one run recorded, and its ladder: exact on the training side, since every example was scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from whygap.errors import InputError
from whygap.estimate import MOST_SKEWED, Moments, is_usable
from whygap.ladder import build_epoch_gap
from whygap.observation import Observation
from whygap.records import Cause, EpochGap, RungName, Score
from whygap.rungs import FRESH_DRAW, VALIDATION_DRAW, Error, Level, Rungs

Array = npt.NDArray[np.float32]

ABSENT: frozenset[Cause] = frozenset(
    ("penalty", "reduction", "mode", "augmentation", "criterion", "weights", "reduction_valid", "penalty_valid")
)
"""Nothing in a run of the lab could cause these: its models know no modes, and its scores are plain means."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Curves:
    """The scores of one run after each look, r of them, on s scores and v validation sets.

    Attributes
    ----------
    epoch : array of int, shape (r,)
        Epochs trained before each look.
    scores : tuple of Score
        The s scores, the loss first.
    reported : array of shape (r, s)
        What a framework reports: the mean over the epoch's examples, each scored as its batch was visited.
    train : array of shape (r, s)
        The same examples at the weights of the epoch's end.
    valid : array of shape (r, 3, v, s)
        Mean, variance and third central moment over the examples of each validation set.
    fresh : array of shape (r, 3, 1, s), or None
        The same of examples that were never trained on.
    n, n_valid, n_fresh : int
        Examples of an epoch, of each validation set, and fresh.
    seconds : float
        What the run took once compiled; its share, where several were trained together.
    """

    epoch: npt.NDArray[np.int64]
    scores: tuple[Score, ...]
    reported: Array
    train: Array
    valid: Array
    fresh: Array | None
    n: int
    n_valid: int
    n_fresh: int
    seconds: float = 0.0

    def of(self, score: str = "loss") -> Mapping[str, Array]:
        """Return the curves (r,) of one score by rung: reported, train, fresh and valid, the last of the first validation set.

        Raises
        ------
        InputError
            If there is no such score.
        """
        s = self._place(score)
        found = {"reported": self.reported[:, s], "train": self.train[:, s], "valid": self.valid[:, 0, 0, s]}
        return found if self.fresh is None else found | {"fresh": self.fresh[:, 0, 0, s]}

    def gaps(self, score: str = "loss", *, valid_set: int = 0, level: float = 0.95) -> tuple[EpochGap, ...]:
        """Return the ladder of one score at every look.

        The terms before `memorisation` are exact: every example was scored. From there on their intervals are for what the
        fresh examples and those of the validation set were drawn from.

        Raises
        ------
        InputError
            If there is no such score or validation set.
        """
        s = self._place(score)
        if not 0 <= valid_set < self.valid.shape[2]:
            raise InputError(f"there is no validation set {valid_set}: {self.valid.shape[2]} were scored")
        return tuple(self._gap(r, s, valid_set, level) for r in range(self.epoch.size))

    def _gap(self, r: int, s: int, v: int, level: float) -> EpochGap:
        reported, valid = float(self.reported[r, s]), float(self.valid[r, 0, v, s])
        o = Observation(
            epoch=int(self.epoch[r]),
            score=self.scores[s],
            train_reported=reported,
            valid_reported=valid,
            absent=ABSENT,
            level=level,
            evaluations=self.n + self.n_valid + self.n_fresh,
        )
        draw = {VALIDATION_DRAW: _error(self.valid[r, :, v, s], self.n_valid)}
        rungs = Rungs(None)
        _add(rungs, o, "reported", Level(reported, n=self.n))
        _add(rungs, o, "end_weights", Level(float(self.train[r, s]), n=self.n))
        if self.fresh is not None:
            fresh = self.fresh[r, :, 0, s]
            _add(rungs, o, "fresh", Level(float(fresh[0]), errors={FRESH_DRAW: _error(fresh, self.n_fresh)}, n=self.n_fresh))
        _add(rungs, o, "valid", Level(valid, errors=draw, n=self.n_valid))
        _add(rungs, o, "valid_reported", Level(valid, errors=draw, n=self.n_valid))
        return build_epoch_gap(o, rungs)

    def _place(self, score: str) -> int:
        names = [one.name for one in self.scores]
        if score not in names:
            raise InputError(f"there is no score {score!r}: these are {', '.join(names)}")
        return names.index(score)


def _add(rungs: Rungs, o: Observation, name: RungName, level: Level) -> None:
    if is_usable(level.value):
        rungs.levels[name] = level
    else:
        rungs.lost[name] = f"the {o.score.name} on the rung {name} is {level.value:g}"


def _error(moments: Array, n: int) -> Error:
    """Return how far another set of n examples would move their mean, from mean, variance and third moment of those of one."""
    _, variance, third = (float(m) for m in moments)
    error = Moments(variance / n, float(n - 1), third / n**2)
    if not variance > 0.0:
        return Error(error, f"all {n} scored are equal, which leaves no spread to judge by")
    doubt = f"a few scores carry the mean: its error's skewness is {error.skew:.2f}, beyond {MOST_SKEWED}"
    return Error(error, doubt if abs(error.skew) > MOST_SKEWED else "")
