"""The rungs that are scored at the end of an epoch: the sampled rows again, with the weights of that moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from whygap.adapters.budget import Account, Ledger
from whygap.adapters.epoch import REPEATS, Draw, Sampled, VisitLog, known_classes
from whygap.adapters.torch_batch import count_rows, has_rows, in_chunks
from whygap.adapters.torch_scores import Functions, concatenated, score_all, score_seen
from whygap.adapters.torch_state import BATCH_NORM, DROPOUT, Types, has_active, other_weights, preserved_module, set_modes
from whygap.adapters.torch_visits import Onlooker, Visit
from whygap.errors import InputError
from whygap.observation import Array
from whygap.records import Cause

CHECKED_ROWS = 64
"""Rows that are scored both ways to see whether a mode makes any difference."""

CHUNK_S = 2e-3
"""Seconds for which a chunk of rows should keep the model busy."""

LARGE_PART = 0.05
"""A sample of more than this part of the epoch's rows is scored twice in train mode: its masks then are a noise of their own,
which the sampling doesn't cover."""

Weights = torch.nn.Module | Mapping[str, torch.Tensor] | None


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How the rungs are scored.

    `clean` makes a batch's clean view; `criterion` holds the validation side's scores where they differ from training's;
    `weights` are what validation uses, None where these are the model's own. `tells_classes` is whether the classes of sampled
    examples are told.
    """

    onlooker: Onlooker
    model: torch.nn.Module
    functions: Functions
    ledger: Ledger
    clean: Callable[[Any], Any] | None = None
    criterion: Functions | None = None
    weights: Weights = None
    tells_classes: bool = True

    @property
    def valid_functions(self) -> Functions:
        return self.functions if self.criterion is None else {**self.functions, **self.criterion}

    @contextmanager
    def validating(self) -> Iterator[torch.nn.Module]:
        """Give the model as validation uses it: its weights, in eval mode."""
        if isinstance(self.weights, torch.nn.Module):
            with preserved_module(self.weights):
                self.weights.eval()
                yield self.weights
        else:
            with other_weights(self.model, self.weights or {}):
                self.model.eval()
                yield self.model


def clean_view(clean: Any, index: Callable[[Any], Iterable[Any]] | None) -> Callable[[Any], Any] | None:
    """Return a function from a batch to its clean view.

    Raises
    ------
    InputError
        If `clean` is neither a function nor, together with `index`, a dataset.
    """
    if clean is None or (index is None and callable(clean)):
        return clean  # type: ignore[no-any-return]  # it is callable, or None
    if index is None or not hasattr(clean, "__getitem__"):
        raise InputError("clean must be a function of a batch, or a dataset together with index=, a function of a batch")
    return lambda batch: torch.utils.data.default_collate([clean[int(i)] for i in index(batch)])


def weights_now(weights: Weights | Callable[[], Any]) -> Weights:
    """Return the weights that validation uses at this moment, which a function gives anew.

    Raises
    ------
    InputError
        If the function gives neither a module nor a state dict.
    """
    if callable(weights) and not isinstance(weights, torch.nn.Module):
        weights = weights()
        if not isinstance(weights, (torch.nn.Module, Mapping)):
            raise InputError(f"weights() must give a module or a state dict, not {type(weights).__name__}")
    return weights


def score_rungs(scoring: Scoring, log: VisitLog[Visit], *, is_whole: bool) -> tuple[Sampled | None, dict[Cause, str], int]:
    """Score the sampled visits on every rung.

    Parameters
    ----------
    scoring : Scoring
        How to score.
    log : VisitLog
        The epoch's visits. As many of the rows held are scored as the ledger allows.
    is_whole : bool
        Whether train mode needs whole batches. Where those can't be paid for in this epoch, the rungs in train mode are left
        out.

    Returns
    -------
    sampled : Sampled or None
        None where nothing was sampled.
    not_measured : dict
        What was left out, with the reason.
    evaluations : int
        Examples that were scored, in all passes together.
    """
    ledger = scoring.ledger
    with ledger.book("visits"):
        held = scoring.onlooker.sound(log.sample())
    if not held:
        return None, {}, 0
    visits = [visit for _, _, visit in held]
    is_due = not is_whole or ledger.is_due(sum(v.n for v in visits))
    not_measured: dict[Cause, str] = {}
    if not is_due:
        why = "whole batches in train mode cost more than the budget: they are scored again once it has been saved up"
        not_measured = {"averaging": why, "mode": why}
    if not (is_whole and is_due):
        wanted = sum(v.draw.n if v.is_waiting and v.draw else v.n for v in visits)
        allowed = ledger.rows_allowed(wanted, visits=len(visits))
        each = None if allowed >= wanted else max(1, allowed // len(visits))
        scoring.onlooker.draw(visits, each)  # booked with the rest: it takes little longer for many visits than for few
        if each is not None:
            _cut(visits, log, each)
    n = sum(v.n for v in visits)
    sampled = Sampled(
        batch=np.asarray([i for i, _, _ in held], dtype=np.int64),
        first=np.asarray([first for _, first, _ in held], dtype=np.int64),
        unit=np.repeat(np.arange(len(visits)), [v.n for v in visits]).astype(np.int64),
    )
    if any(v.chance is not None for v in visits):
        each_had = [np.full(v.n, v.n / v.rows) if v.chance is None else v.chance for v in visits]
        sampled.chance = np.concatenate(each_had)
    if all(v.means for v in visits):
        sampled.visited_mean = {name: np.asarray([v.means[name] for v in visits]) for name in visits[0].means}
    classes = [(v.classes, v.index) for v in visits if v.classes is not None and v.index is not None]
    if scoring.tells_classes and len(classes) == len(visits):
        sampled.known = known_classes(np.concatenate([c[index] for c, index in classes]), [c for c, _ in classes])
    _add_visited(sampled, scoring, visits)
    account: Account = "rows" if is_due else "few"
    ledger.spend(account, 0.0, n)
    passes = _Passes(scoring, visits, account, is_whole=is_whole and is_due, is_checking=log.is_checking)
    passes.score_eval_side(sampled)
    if is_due:
        passes.score_train_side(sampled, repeats=REPEATS if n > LARGE_PART * sum(log.rows) else 1)
    return sampled, not_measured, passes.n_scored


def _cut(visits: Sequence[Visit], log: VisitLog[Visit], n: int) -> None:
    """Leave at most `n` rows of each visit."""
    for visit in visits:
        if visit.n > n and has_rows(visit.batch, visit.n):
            if visit.index is None:  # held as a whole, in an epoch that can't pay for wholes
                visit.draw = Draw(np.asarray(log.rng.sample(range(visit.n), visit.n)), n, 0.0)
                visit.choose()
            else:
                visit.keep(n)


def _add_visited(sampled: Sampled, scoring: Scoring, visits: Sequence[Visit]) -> None:
    deferred = [v for v in visits if v.seen is not None]
    if len(deferred) == len(visits):
        scores = score_all(scoring.functions, [v.seen for v in deferred if v.seen])
        sampled.on_rung["visited"] = _one(scores)
    else:
        for visit in deferred:
            visit.scores = score_seen(scoring.functions, visit.seen) if visit.seen else None
    at_visit = [v.scores for v in visits if v.scores is not None]
    if len(at_visit) == len(visits):
        sampled.on_rung["visited"] = _one(concatenated(at_visit))
    if "visited" in sampled.on_rung and any(v.after or v.change for v in visits):
        sampled.on_rung["after_update"] = {name: _after(sampled, visits, name) for name in scoring.functions}


def _after(sampled: Sampled, visits: Sequence[Visit], name: str) -> Array:
    """Return the scores right after the step, (1, n).

    Where only some rows of a batch are held, they are those of the visit, moved by as much as the mean of the whole batch: that
    tells the step's effect far better than a few rows do. NaN where nobody looked.
    """
    at_visit = np.split(sampled.on_rung["visited"][name][0], np.cumsum([v.n for v in visits])[:-1])
    after = [
        v.after[name] if v.after else scores + v.change[name] if v.change and name in v.change else np.full(v.n, np.nan)
        for v, scores in zip(visits, at_visit, strict=True)
    ]
    return np.concatenate(after)[None]


class _Passes:
    """Passes over the sampled rows, each giving scores of shape (n,) by name."""

    def __init__(
        self, scoring: Scoring, visits: Sequence[Visit], account: Account, *, is_whole: bool, is_checking: bool
    ) -> None:
        self._s = scoring
        self._is_checking = is_checking
        self._account = account
        batches = [v.batch for v in visits]
        if is_whole or scoring.ledger.is_exact:
            self._chunks = batches
        else:
            # two batches at a time, as without gradients they take no more memory than one in training; fewer rows where
            # these take long: their activations are then more than a processor's cache holds
            size = min(2 * max(v.rows for v in visits), max(CHECKED_ROWS, scoring.ledger.rows_within(CHUNK_S)))
            with scoring.ledger.book(account):
                picks = [v.picks for v in visits]
                self._chunks = in_chunks(batches, size, first=CHECKED_ROWS if is_checking else size, picks=picks)
        self.n_scored = 0

    def score_eval_side(self, sampled: Sampled) -> None:
        """Add the rungs in eval mode; each differs in one more thing from the one before."""
        s = self._s
        s.model.eval()  # before any pass in train mode moves the batch-norm statistics
        sampled.on_rung["eval_mode"] = _one(self._score(self._chunks))
        chunks, functions = self._chunks, s.functions
        if s.clean is not None:
            chunks = [self._clean(chunk, s.clean) for chunk in chunks]
            sampled.on_rung["clean_view"] = _one(self._score(chunks))
        if s.criterion is not None:
            functions = s.valid_functions
            sampled.on_rung["valid_criterion"] = _one(self._score(chunks, s.criterion))
        if s.weights is not None:
            with s.validating() as weighted:
                sampled.on_rung["valid_weights"] = _one(self._score(chunks, functions, weighted))

    def score_train_side(self, sampled: Sampled, *, repeats: int) -> None:
        """Add the rungs in train mode: as it was at the visits, then without dropout, then without batch norm too."""
        modes, in_eval = self._s.onlooker.modes, sampled.on_rung["eval_mode"]
        # A type that is absent gives no rung; where nothing else is left, the rung is the one in eval mode, to the last bit.
        # What has batch norm in eval mode comes first: the other passes move its statistics.
        both = DROPOUT + BATCH_NORM
        if has_active(modes, BATCH_NORM):
            is_all = self._is_same(both, in_eval)
            sampled.on_rung["without_batch_norm"] = in_eval if is_all else self._in_train(both, repeats)
        if self._is_same((), in_eval):
            sampled.is_modeless = True
            return
        sampled.on_rung["end_weights"] = self._in_train((), repeats)
        if has_active(modes, DROPOUT):
            is_all = self._is_same(DROPOUT, in_eval)
            sampled.on_rung["without_dropout"] = in_eval if is_all else self._in_train(DROPOUT, repeats)

    def _in_train(self, in_eval: Types, repeats: int) -> dict[str, Array]:
        set_modes(self._s.model, self._s.onlooker.modes, in_eval=in_eval)
        passes = [self._score(self._chunks) for _ in range(repeats)]
        return {name: np.stack([one[name] for one in passes]) for name in passes[0]}

    def _is_same(self, in_eval: Types, expected: Mapping[str, Array]) -> bool:
        """Return whether train mode, but for some types, gives what was expected to the last bit.

        Judged by the first chunk, and in some epochs only while the modules' modes stay what they were; in an exact pass by all
        rows. Where a type is at work that is known to make a difference, nothing is scored to see it.
        """
        onlooker, is_exact = self._s.onlooker, self._s.ledger.is_exact
        at_work = tuple(t for t in DROPOUT + BATCH_NORM if t not in in_eval)
        if not is_exact and has_active(onlooker.modes, at_work):
            return False
        if is_exact or self._is_checking or onlooker.same.get(in_eval, (None, False))[0] != onlooker.modes:
            set_modes(self._s.model, onlooker.modes, in_eval=in_eval)
            train = self._score(self._chunks if is_exact else self._chunks[:1])
            is_same = all(np.array_equal(v, expected[name][0, : len(v)], equal_nan=True) for name, v in train.items())
            onlooker.same[in_eval] = onlooker.modes, is_same
        return onlooker.same[in_eval][1]

    def _score(self, chunks: Sequence[Any], functions: Functions | None = None, model: Any = None) -> dict[str, Array]:
        # what a few rows cost says nothing about what many would
        with self._s.ledger.book("seldom" if len(chunks) < len(self._chunks) else self._account):
            scores = concatenated([self._s.onlooker.score(chunk, functions, model) for chunk in chunks])
        self.n_scored += len(next(iter(scores.values())))
        return scores

    def _clean(self, batch: Any, clean: Callable[[Any], Any]) -> Any:
        rows, result = count_rows(batch), clean(batch)
        if count_rows(result) != rows:
            raise InputError(f"clean gave {count_rows(result)} examples for a batch of {rows}: it must give the same examples")
        return result


def _one(scores: Mapping[str, Array]) -> dict[str, Array]:
    return {name: values[None] for name, values in scores.items()}
