"""The validation side of a Keras run: what its own validation tells for nothing, and what has to be scored beside it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from whygap.adapters.epoch import ROUNDING, ValidSide
from whygap.adapters.keras_batch import Batch, batches_of, copied, count_rows, cut, has_weights, rows_at
from whygap.adapters.keras_probe import State, View
from whygap.adapters.keras_rungs import Scorer, pick_batch_rows
from whygap.adapters.keras_scores import rows_of
from whygap.adapters.spread import Spread
from whygap.observation import Array, Ints

SCORED = 256
"""Validation examples that are scored where the mean of all is known: enough for their spread, to 10 % or so."""

FEWEST_MEANS = 12
"""Means of at least so many batches tell the spread of their examples to 21 %."""

TOLERATED_SPREAD = 2.0
"""Batches drawn at random have means whose variance, times their rows, is that of an example; a sorted set has more."""


class ValidWatch:
    """Looks on as `fit` validates.

    Keras's running mean gives the mean of every batch, and with them the validation side at no cost. Where that isn't enough, a
    random sample of about `SCORED` examples is scored, whose mean is known from Keras; and all of them where that isn't so
    either: under sample weights, a loss that isn't the probe's, or penalties that differ from batch to batch. Which of the
    three it is is found at the first validation, from two batches that are scored.

    Parameters
    ----------
    is_exact : bool
        Whether to score everything.
    seed : int
        Of the sample.
    """

    def __init__(self, *, is_exact: bool, seed: int) -> None:
        self._rng = random.Random(f"whygap validation {seed}")
        self._how: Literal["unknown", "means", "rows", "all"] = "all" if is_exact else "unknown"
        self.note = ""
        self.forget()

    def forget(self) -> None:
        """Begin anew: the next batch is the first of a validation."""
        self.rows: list[int] = []
        self.recorded: list[Any] = []
        self._is_weighted = False
        self._spread: Spread[list[Batch]] | None = None

    def see(self, batches: list[Batch], logs: Any) -> None:
        """Take note of a call of the test step, after it."""
        self.rows.append(count_rows(batches))
        self.recorded.append(logs)
        if self._spread is None:
            self._is_weighted = has_weights(batches[0])
            self._how = "all" if self._is_weighted else self._how
            enough = max(FEWEST_MEANS, -(-SCORED // self.rows[0]))
            self._spread = Spread(None if self._how == "all" else enough, expected=None, rng=self._rng)
        if self._how != "means" and self._spread.wants():
            self._spread.keep([copied(b) for b in batches])

    def side(
        self,
        scorer: Scorer,
        state: State,
        view: View,
        *,
        told: Mapping[str, Any],
        penalty: float,
        undo: Callable[[Sequence[tuple[int, Any]], str, Array], Array],
    ) -> ValidSide | None:
        """Return the validation side, None where nothing was validated.

        Parameters
        ----------
        scorer, state, view
            How validation examples are scored.
        told : mapping
            What Keras reported for the epoch.
        penalty : float
            The regularisation at these weights, where it doesn't depend on the batch.
        undo : callable
            `undo(logs, name, rows)` gives the mean of every batch from the running ones, each with its batch's number.
        """
        if not self.rows or self._spread is None:
            return None
        rows = np.asarray(self.rows, dtype=np.float64)
        means = {n: undo(list(enumerate(self.recorded)), n, rows) for n in scorer.names}
        held = self._spread.items()
        if self._how == "unknown":
            self._how = self._found_out(scorer, state, view, {i: batches for i, _, batches in held}, means["loss"], rows)
        n = int(rows.sum())
        if self._how == "means":
            scores = {name: mean - penalty if name == "loss" else mean for name, mean in means.items()}
            return ValidSide(scores=scores, n=n, rows=rows.astype(np.int64), penalty=penalty)
        batches = [b for _, _, several in held for b in several]
        if self._how == "all" or n <= SCORED:
            picks: list[tuple[Batch, Ints | None]] = [(b, None) for b in batches]
        else:
            picks = pick_batch_rows(batches, SCORED, np.random.default_rng(self._rng.getrandbits(64)))
        found, _ = scorer.score(state, cut(picks, scorer.size), view)
        penalty = scorer.penalty
        known = {}
        if self._how == "rows":
            known = {name: float(told[f"val_{name}"]) - (penalty if name == "loss" else 0.0) for name in scorer.names}
        return ValidSide(scores=found, n=n, mean=known, penalty=penalty, is_weighted=self._is_weighted)

    def _found_out(
        self, scorer: Scorer, state: State, view: View, held: Mapping[int, list[Batch]], means: Array, rows: Array
    ) -> Literal["unknown", "means", "rows", "all"]:
        """Score two batches and tell by them what else has to be scored from now on."""
        scores, penalties = [], []
        for i in sorted({min(held), max(held)}):
            each = scorer.score(state, cut([(b, None) for b in held[i]], scorer.size), view)[0]["loss"]
            penalties.append(scorer.penalty)
            scores.append(each)
            ours = float(each.mean()) + scorer.penalty
            if not np.isfinite([ours, means[i]]).all():
                return "unknown"
            if abs(ours - means[i]) > 10 * ROUNDING * max(abs(ours), abs(means[i])):
                text = f"Keras reported {means[i]:.6g} for validation batch {i + 1}"
                self.note = f"{text}, its examples and regularisation give {ours:.6g}: a loss, or weights, of its own?"
                return "all"
        if np.ptp(penalties) > ROUNDING * max(penalties):
            return "all"
        within = sum(float(((s - s.mean()) ** 2).sum()) for s in scores) / max(1, sum(s.size - 1 for s in scores))
        between = float(np.average((means - np.average(means, weights=rows)) ** 2, weights=rows) * rows.mean())
        return "means" if rows.size >= FEWEST_MEANS and between <= TOLERATED_SPREAD * within else "rows"


def score_given(
    scorer: Scorer, state: State, split: Any, view: View, *, rows: Ints | None = None, known: Mapping[str, float] | None = None
) -> ValidSide:
    """Score a split that the user handed in: all of it, or of arrays these rows, with the means of all where they are known."""
    parts: list[dict[str, Array]] = []
    penalties: list[float] = []
    n, is_weighted = 0, False
    for batch in batches_of(rows_at(split, rows), scorer.size):
        found, _ = scorer.score(state, cut([(batch, None)], scorer.size), view)
        parts.append(found)
        penalties += [scorer.penalty] * rows_of(batch)
        is_weighted = is_weighted or has_weights(batch)
    scores = {name: np.concatenate([p[name] for p in parts]) for name in scorer.names}
    n = len(penalties) if rows is None else rows_of(split)
    return ValidSide(scores=scores, n=n, mean=known or {}, penalty=float(np.mean(penalties)), is_weighted=is_weighted)
