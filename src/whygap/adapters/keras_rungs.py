"""Score the sampled rows of an epoch on every rung: one pass over them for each way of scoring, fetched at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whygap.adapters.epoch import REPEATS, Sampled
from whygap.adapters.keras_batch import Batch, Cut, Pick, count_rows, cut, whole
from whygap.adapters.keras_probe import EVAL, TRAIN, KerasProbe, Pending, State, View
from whygap.adapters.keras_scores import rows_of
from whygap.observation import Array, Ints
from whygap.records import RungName

Scores = dict[str, Array]

CHECKED_BATCHES = 4
"""On torch, so many batches are scored in both modes to see whether the mode makes any difference in this model."""


@dataclass
class Held:
    """A sampled call of the step: its batches (several under steps_per_execution), what was scored at it and right after it."""

    batches: Sequence[Batch] = ()
    at_visit: Pending | None = None
    after: Pending | None = None

    @property
    def rows(self) -> int:
        return count_rows(self.batches)


class Scorer:
    """Scores rows with the weights of one moment.

    Parameters
    ----------
    probe : KerasProbe
    names : tuple of str
        The scores.
    size : int
        Rows of a batch, for which programs are compiled.

    `n_scored` counts the examples scored so far, `n_calls` the batches and `seconds` the time; `penalty` is the
    regularisation inside the loss of those scored last, on average.
    """

    def __init__(self, probe: KerasProbe, names: tuple[str, ...], size: int) -> None:
        self.probe, self.names, self.size = probe, names, size
        self.n_scored = 0
        self.n_calls = 0
        self.seconds = 0.0
        self.penalty = 0.0

    def score(self, state: State, cuts: Sequence[Cut], view: View) -> tuple[Scores, State]:
        """Return the wanted scores, each of shape (n,), and the state with its seeds moved on."""
        began = time.perf_counter()
        pending: list[Pending] = []
        for c in cuts:
            one, state = self.probe.score(state, c.batch, self.names, view)
            pending.append(one)
        self.n_calls += len(cuts)
        done = [one.wait() for one in pending]
        self.seconds += time.perf_counter() - began
        self.penalty = float(np.average([one.penalty for one in done], weights=[c.n_rows for c in cuts]))
        found = {n: np.concatenate([s.scores[n][c.wanted] for s, c in zip(done, cuts, strict=True)]) for n in self.names}
        self.n_scored += len(found[self.names[0]])
        return found, state

    def cuts(self, picks: Sequence[Pick], view: View) -> list[Cut]:
        """Return what to score for these rows: whole batches where rows of a batch depend on one another."""
        return whole(picks) if view.training and self.probe.parts.mixes_rows else cut(picks, self.size)


def pick_rows(held: Sequence[Held], allowed: int, rng: np.random.Generator) -> list[Ints | None]:
    """Return which rows of every sampled batch to score: all (None), or about `allowed` in all, as many of each."""
    if allowed >= sum(h.rows for h in held):
        return [None] * len(held)
    of_each = max(1, allowed // len(held))
    return [np.sort(rng.choice(h.rows, size=min(of_each, h.rows), replace=False)) for h in held]


def pick_batch_rows(batches: Sequence[Batch], n: int, rng: np.random.Generator) -> list[Pick]:
    """Return `n` rows or a few more, as many of each batch."""
    of_each = -(-n // len(batches))
    picks: list[Pick] = []
    for batch in batches:
        rows = rows_of(batch[0])
        picks.append((batch, None if rows <= of_each else np.sort(rng.choice(rows, size=of_each, replace=False))))
    return picks


def score_rungs(
    scorer: Scorer,
    sample: Sequence[tuple[int, int, Held]],
    chosen: Sequence[Ints | None],
    state: State,
    *,
    clean: Callable[[Batch], Batch] | None,
    is_criterion: bool,
    state_valid: State | None,
    is_exact: bool,
    has_train_mode: bool,
) -> Sampled:
    """Return the chosen rows' scores on every rung that applies.

    Parameters
    ----------
    scorer : Scorer
        Scores all of them, under one set of names.
    sample : sequence of (visit, first visit of its block, Held)
        The sampled calls of the step.
    chosen : sequence of index arrays or None
        Their rows to score, as from `pick_rows`.
    state : State
        Of the end of the epoch.
    clean : callable, optional
        Returns a batch without its augmentation.
    is_criterion : bool
        Whether validation has a criterion of its own.
    state_valid : State, optional
        Of the weights that validation used, where they are others.
    is_exact, has_train_mode : bool
        Whether nothing may be inferred from a few batches; whether scoring in train mode is affordable.
    """
    held = [h for _, _, h in sample]
    counts = [h.rows if rows is None else len(rows) for h, rows in zip(held, chosen, strict=True)]
    sampled = Sampled(
        batch=np.asarray([visit for visit, _, _ in sample], dtype=np.int64),
        first=np.asarray([first for _, first, _ in sample], dtype=np.int64),
        unit=np.repeat(np.arange(len(held)), counts).astype(np.int64),
    )
    picks = [pick for h, rows in zip(held, chosen, strict=True) for pick in _picks(h, rows)]
    at_visit = _seen(held, chosen, [h.at_visit for h in held])
    if all(h.at_visit is not None for h in held):
        sampled.on_rung["visited"] = at_visit
    if any(h.after is not None for h in held):
        sampled.on_rung["after_update"] = _seen(held, chosen, [h.after for h in held])

    found, _ = scorer.score(state, scorer.cuts(picks, EVAL), EVAL)
    sampled.on_rung["eval_mode"] = _stacked([found])
    if has_train_mode:
        train = _train_mode(scorer, state, picks, found, is_exact=is_exact)
        sampled.on_rung |= train
        sampled.is_modeless = not train
    if clean is not None:
        picks = [(tuple(clean(batch)), rows) for batch, rows in picks]
        sampled.on_rung["clean_view"] = _stacked([scorer.score(state, cut(picks, scorer.size), EVAL)[0]])
    view = View(is_criterion=is_criterion)
    if is_criterion:
        sampled.on_rung["valid_criterion"] = _stacked([scorer.score(state, cut(picks, scorer.size), view)[0]])
    if state_valid is not None:
        sampled.on_rung["valid_weights"] = _stacked([scorer.score(state_valid, cut(picks, scorer.size), view)[0]])
    return sampled


def _train_mode(scorer: Scorer, state: State, picks: list[Pick], in_eval: Scores, *, is_exact: bool) -> dict[RungName, Scores]:
    """Return the train-mode rungs; none where the mode makes no difference to the last bit."""
    probe, names = scorer.probe, scorer.names
    if probe.is_same(names, TRAIN, EVAL):
        return {}
    cuts = scorer.cuts(picks, TRAIN)
    if not probe.parts.dropout and not probe.parts.mixes_rows:
        some, _ = scorer.score(state, cuts if is_exact else cuts[:CHECKED_BATCHES], TRAIN)
        if all(np.array_equal(v, in_eval[n][: v.size], equal_nan=True) for n, v in some.items()):
            return {}
    end, state = _repeated(scorer, state, cuts, TRAIN)
    if _is_equal(end, in_eval):
        return {}
    rungs: dict[RungName, Scores] = {"end_weights": end}
    for view, name in probe.parts_views:
        if probe.is_same(names, view, EVAL):
            rungs[name] = _stacked([in_eval])
        else:
            rungs[name], state = _repeated(scorer, state, scorer.cuts(picks, view), view)
    return rungs


def _repeated(scorer: Scorer, state: State, cuts: Sequence[Cut], view: View) -> tuple[Scores, State]:
    """Score `REPEATS` times, with masks drawn anew; once where no seed has moved, as the others would give the same."""
    before = state
    runs: list[Scores] = []
    while len(runs) < REPEATS:
        found, state = scorer.score(state, cuts, view)
        runs.append(found)
        if not scorer.probe.has_moved(before, state):
            runs *= REPEATS
    return _stacked(runs), state


def _picks(held: Held, rows: Ints | None) -> list[Pick]:
    if rows is None:
        return [(batch, None) for batch in held.batches]
    picks: list[Pick] = []
    offset = 0
    for batch in held.batches:
        n = rows_of(batch[0])
        inside = rows[(rows >= offset) & (rows < offset + n)] - offset
        offset += n
        if inside.size:
            picks.append((batch, inside))
    return picks


def _seen(held: Sequence[Held], chosen: Sequence[Ints | None], seen: Sequence[Pending | None]) -> Scores:
    """Return what was scored while the epoch ran, of shape (1, n), NaN where nothing was."""
    waited = [None if p is None else p.wait().scores for p in seen]
    names = next((list(s) for s in waited if s is not None), [])
    parts: dict[str, list[Any]] = {n: [] for n in names}
    for h, rows, scores in zip(held, chosen, waited, strict=True):
        for name in names:
            all_rows = np.full(h.rows, np.nan) if scores is None else scores[name]
            parts[name].append(all_rows if rows is None else all_rows[rows])
    return {n: np.concatenate(p)[None] for n, p in parts.items()}


def _stacked(runs: Sequence[Scores]) -> Scores:
    return {n: np.stack([one[n] for one in runs]) for n in runs[0]}


def _is_equal(repeats: Scores, once: Scores) -> bool:
    return all(np.array_equal(v, np.broadcast_to(once[n], v.shape), equal_nan=True) for n, v in repeats.items())
